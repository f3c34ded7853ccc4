/*
 * options.c - sendmail's argv as a structure.
 * Runs as: the spool user.  Uses: nothing.
 * Promise: an option is known or refused; none names a file that is opened.
 */
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "conf/values.h"
#include "lib/buf.h"
#include "lib/dsn.h"
#include "submit/options.h"

#define N(a)	(sizeof(a) / sizeof((a)[0]))
#define MODE_SHOWN_MAX	32	/* octets of a refused -b that are told */

enum takes {
	TAKES_NONE,
	TAKES_VALUE,		/* joined or the next argument */
	TAKES_JOINED		/* joined or nothing */
};

struct parse {
	struct options	*o;
	struct buf	*reason;
	const char	*next;		/* argument, or NULL */
	int		 is_next_used;	/* it is a value */
	char		 name[3];	/* of the option, "-f" */
};

struct option {
	char		 letter;
	enum takes	 takes;
	int		(*set)(struct parse *, const char *value);
};

static int
refuse(struct parse *p, const char *what, const char *reason)
{
	buf_printf(p->reason, "%s: %s", what, reason);
	return EX_USAGE;
}

static int
set_mode(struct parse *p, const char *v)
{
	static const struct {
		char letter;
		enum mode mode;
	} modes[] = {
		{ 'm', MODE_SEND }, { 'q', MODE_SEND }, { 's', MODE_SMTP },
		{ 'v', MODE_VERIFY },
		{ 'p', MODE_LIST },
		{ 'i', MODE_ALIASES }, { 'h', MODE_NOTHING },
		{ 'H', MODE_NOTHING }, { 'P', MODE_NOTHING }
	};
	size_t i;

	for (i = 0; i < N(modes); i++) {
		if (v[0] != modes[i].letter || v[1] != '\0')
			continue;
		p->o->mode = modes[i].mode;
		if (v[0] == 'q')
			p->o->is_queue_only = 1;
		return 0;
	}
	buf_puts(p->reason, "-b");
	buf_put_clean(p->reason, v, strlen(v), MODE_SHOWN_MAX);
	buf_puts(p->reason, ": not supported (there is no daemon and no "
	    "address test mode)");
	return EX_USAGE;
}

/* -qITEXT, -q!I TEXT: messages with that text, or without it. */
static int
set_selection(struct parse *p, const char *v)
{
	static const struct {
		char letter;
		enum selection_by by;
		const char *name;
	} kinds[] = {
		{ 'I', SELECTION_ID, "-qI" },
		{ 'R', SELECTION_RECIPIENT, "-qR" },
		{ 'S', SELECTION_SENDER, "-qS" },
	};
	const char *why;
	int is_not = v[0] == '!';
	size_t i;

	v += is_not;
	for (i = 0; i < N(kinds) && kinds[i].letter != v[0]; i++)
		;
	if (i == N(kinds))
		return refuse(p, "-q!", "takes I, R or S and a text");
	if (*++v == '\0' && p->next != NULL) {
		v = p->next;
		p->is_next_used = 1;
	}
	why = selection_add(&p->o->selection, kinds[i].by, is_not, v);
	return why == NULL ? 0 : refuse(p, kinds[i].name, why);
}

static int
set_flush(struct parse *p, const char *v)
{
	p->o->mode = MODE_FLUSH;
	if (v[0] != '\0' && strchr("!IRS", v[0]) != NULL)
		return set_selection(p, v);
	if (strcmp(v, "d") == 0)
		p->o->is_wake = 1;
	if (v[0] == '\0' || strcmp(v, "f") == 0 || p->o->is_wake)
		return 0;
	if (v[0] >= '0' && v[0] <= '9' &&
	    value_time(v, &p->o->interval_s) == 0 && p->o->interval_s > 0)
		return 0;
	return refuse(p, "-q", "its value must be d, a time such as 30m, or I, "
	    "R or S and a text");
}

static int
set_sender(struct parse *p, const char *v)
{
	p->o->sender = v;
	return 0;
}

static int
set_fullname(struct parse *p, const char *v)
{
	if (!text_is_clean(v, strlen(v)))
		return refuse(p, "-F", "control character in the name");
	p->o->fullname = v;
	return 0;
}

static int
set_tag(struct parse *p, const char *v)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	    "abcdefghijklmnopqrstuvwxyz0123456789._-";
	size_t n = strlen(v);

	/* A tag must not make a line look like that of another program. */
	if (n == 0 || n > 32 || strspn(v, plain) != n)
		return refuse(p, "-L", "takes 1 to 32 letters, digits, \".\", "
		    "\"_\" and \"-\"");
	p->o->tag = v;
	return 0;
}

static int
refuse_value(struct parse *p, const char *what, const char *v,
    const char *reason)
{
	return refuse(p, what, text_is_clean(v, strlen(v)) ? reason :
	    "control character in its value");
}

static int
set_notify(struct parse *p, const char *v)
{
	if (dsn_notify(v, &p->o->notify) == -1)
		return refuse_value(p, "-N", v, "takes never or a list of "
		    "success, failure and delay");
	return 0;
}

static int
set_ret(struct parse *p, const char *v)
{
	if (dsn_ret(v, &p->o->ret) == -1)
		return refuse_value(p, "-R", v, "takes full or hdrs");
	return 0;
}

static int
set_envid(struct parse *p, const char *v)
{
	if (!dsn_envid_ok(v))
		return refuse_value(p, "-V", v, "takes 1 to 100 printable "
		    "characters");
	p->o->envid = v;
	return 0;
}

static int
set_take_recipients(struct parse *p, const char *v)
{
	(void)v;
	p->o->take_recipients = 1;
	return 0;
}

static int
set_dot_is_text(struct parse *p, const char *v)
{
	(void)v;
	p->o->dot_is_text = 1;
	return 0;
}

static int
set_foreground(struct parse *p, const char *v)
{
	(void)v;
	p->o->is_foreground = 1;
	return 0;
}

static int
set_watched(struct parse *p, const char *v)
{
	p->o->is_watched = 1;
	return set_foreground(p, v);
}

/* What the text is, is seen from the text; this is passed on. */
static int
set_body(struct parse *p, const char *v)
{
	p->o->is_8bit = text_casecmp(v, "8BITMIME") == 0;
	if (!text_is_clean(v, strlen(v)))
		return refuse(p, p->name, "control character in its value");
	return 0;
}

static int
set_aliases(struct parse *p, const char *v)
{
	(void)v;
	p->o->mode = MODE_ALIASES;
	return 0;
}

/* -o: one letter and its value, as sendmail 8.6 had them. */
static int
set_old(struct parse *p, const char *v)
{
	if (strcmp(v, "i") == 0)
		p->o->dot_is_text = 1;
	if (strcmp(v, "dq") == 0)
		p->o->is_queue_only = 1;
	return v[0] == '\0' ? refuse(p, "-o", "requires an option") : 0;
}

/* -O name=value. */
static int
set_long(struct parse *p, const char *v)
{
	static const char dots[] = "IgnoreDots";
	static const char mode[] = "DeliveryMode=q";

	if (text_ncasecmp(v, dots, sizeof(dots) - 1) == 0) {
		v += sizeof(dots) - 1;
		p->o->dot_is_text = v[0] == '\0' || (v[0] == '=' &&
		    strchr("tTyY1", v[1]) != NULL);
	} else if (text_ncasecmp(v, mode, sizeof(mode) - 1) == 0) {
		p->o->is_queue_only = 1;
	}
	return 0;
}

static int
ignore(struct parse *p, const char *v)
{
	if (v != NULL && !text_is_clean(v, strlen(v)))
		return refuse(p, p->name, "control character in its value");
	return 0;
}

static const struct option options[] = {
	{ 'b', TAKES_VALUE, set_mode },
	{ 'q', TAKES_JOINED, set_flush },
	{ 'I', TAKES_NONE, set_aliases },
	{ 't', TAKES_NONE, set_take_recipients },
	{ 'i', TAKES_NONE, set_dot_is_text },
	{ 'f', TAKES_VALUE, set_sender },
	{ 'r', TAKES_VALUE, set_sender },
	{ 'F', TAKES_VALUE, set_fullname },
	{ 'L', TAKES_VALUE, set_tag },
	{ 'N', TAKES_VALUE, set_notify },
	{ 'R', TAKES_VALUE, set_ret },
	{ 'V', TAKES_VALUE, set_envid },
	{ 'D', TAKES_NONE, set_foreground },
	{ 'o', TAKES_VALUE, set_old },
	{ 'O', TAKES_VALUE, set_long },
	{ 'B', TAKES_VALUE, set_body },
	{ 'A', TAKES_VALUE, ignore },
	{ 'C', TAKES_VALUE, ignore }, { 'G', TAKES_NONE, ignore },
	{ 'T', TAKES_NONE, ignore }, { 'U', TAKES_NONE, ignore },
	{ 'X', TAKES_VALUE, ignore },
	{ 'd', TAKES_VALUE, ignore }, { 'e', TAKES_VALUE, ignore },
	{ 'h', TAKES_VALUE, ignore }, { 'm', TAKES_NONE, ignore },
	{ 'n', TAKES_NONE, ignore }, { 'p', TAKES_VALUE, ignore },
	{ 'v', TAKES_NONE, set_watched }, { 'x', TAKES_NONE, ignore },
};

static const struct option *
find(char letter)
{
	size_t i;

	for (i = 0; i < N(options); i++)
		if (options[i].letter == letter)
			return &options[i];
	return NULL;
}

static int
refuse_unknown(struct parse *p, const char *argument)
{
	const char *name = p->name;

	if (argument[1] == '-')
		name = argument;
	return refuse(p, text_is_clean(name, strlen(name)) ? name : "-?",
	    "unknown option (see dma(8))");
}

/* One argument that begins with '-': a group of letters. */
static int
cluster(struct parse *p, const char *argument)
{
	const char *letters = argument + 1, *value;
	const struct option *opt;
	int status;

	for (; *letters != '\0'; letters++) {
		p->name[0] = '-';
		p->name[1] = *letters;
		opt = find(*letters);
		if (opt == NULL)
			return refuse_unknown(p, argument);
		if (opt->takes == TAKES_NONE) {
			status = opt->set(p, NULL);
			if (status != 0)
				return status;
			continue;
		}
		value = letters + 1;
		if (*value == '\0' && opt->takes == TAKES_VALUE) {
			if (p->next == NULL)
				return refuse(p, p->name, "requires a value");
			value = p->next;
			p->is_next_used = 1;
		}
		return opt->set(p, value);
	}
	return 0;
}

static void
face(struct options *o, const char *name)
{
	const char *slash;

	slash = strrchr(name, '/');
	if (slash != NULL)
		name = slash + 1;
	if (strcmp(name, "mailq") == 0)
		o->mode = MODE_LIST;
	else if (strcmp(name, "newaliases") == 0)
		o->mode = MODE_ALIASES;
}

/* "dma check": by this name alone, so that no recipient is taken for it. */
static int
set_command(struct options *o, int argc, char **argv)
{
	static const struct {
		const char *name;
		enum mode mode;
	} commands[] = {
		{ "check", MODE_CHECK }, { "setup", MODE_SETUP },
		{ "queue", MODE_QUEUE }, { "status", MODE_STATUS },
		{ "--help", MODE_HELP }, { "--version", MODE_VERSION },
	};
	const char *slash = argc > 1 ? strrchr(argv[0], '/') : NULL;
	size_t i;

	if (argc < 2 || strcmp(slash != NULL ? slash + 1 : argv[0],
	    "dma") != 0)
		return 0;
	for (i = 0; i < N(commands); i++) {
		if (strcmp(argv[1], commands[i].name) != 0)
			continue;
		o->mode = commands[i].mode;
		return 1;
	}
	return 0;
}

int
options_parse(struct options *o, int argc, char **argv, struct buf *reason)
{
	struct parse p = { .o = o, .reason = reason };
	int i, only_rcpts = 0, status;

	memset(o, 0, sizeof(*o));
	if (argc > 0)
		face(o, argv[0]);
	o->rcpts = calloc((size_t)argc + 1, sizeof(*o->rcpts));
	if (o->rcpts == NULL) {
		buf_puts(reason, "out of memory");
		return EX_TEMPFAIL;
	}
	only_rcpts = set_command(o, argc, argv);
	for (i = 1; i < argc; i++) {
		if (!only_rcpts && strcmp(argv[i], "--") == 0) {
			only_rcpts = 1;
			continue;
		}
		if (only_rcpts || argv[i][0] != '-' || argv[i][1] == '\0') {
			o->rcpts[o->nrcpts++] = argv[i];
			continue;
		}
		if (strcmp(argv[i], "--json") == 0) {
			o->is_json = 1;
			continue;
		}
		p.next = i + 1 < argc ? argv[i + 1] : NULL;
		p.is_next_used = 0;
		status = cluster(&p, argv[i]);
		if (status != 0 && o->mode == MODE_LIST)
			buf_reset(reason);	/* a listing takes any */
		else if (status != 0)
			return status;
		i += p.is_next_used;
	}
	return o->is_json && o->mode != MODE_LIST ? refuse(&p, "--json",
	    "only with mailq and -bp") : 0;
}

void
options_fini(struct options *o)
{
	free(o->rcpts);
	o->rcpts = NULL;
	o->nrcpts = 0;
}
