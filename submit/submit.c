/*
 * submit.c - argv and standard input -> a committed queue file.
 * Runs as: the spool user.  Uses: standard input; the queue by spool.c.
 * Promise: status 0 exactly when the message is on stable storage; with any
 * other status nothing of it is queued.  Memory does not grow with its size.
 */
#include <errno.h>
#include <poll.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/addr.h"
#include "lib/io.h"
#include "lib/mail.h"
#include "conf/files.h"
#include "conf/local_names.h"
#include "priv/user.h"
#include "submit/flush.h"
#include "submit/submit.h"

#define CHUNK		65536
#define LINE_PEEK	2048	/* octets that tell what a line is */
#define BAD_TEXT_MAX	256	/* octets of a bad address in a message */

struct submission {
	const struct caller	*caller;
	const struct options	*o;
	const struct conf	*conf;
	const struct log	*log;
	struct message		 m;
	struct draft		 draft;
	struct mail_input	 input;
	struct mail_facts	 facts;
	struct buf		 text;		/* canonical, not yet used */
	struct buf		 notes;		/* for standard error */
	char			 login[LOGIN_MAX + 1];
	char			 fullname[256];
	uint32_t		*slots;		/* hash of recipients, + 1 */
	uint32_t		 nslots;
	unsigned		 nbad;		/* addresses that are none */
	int			 watch;		/* owned: of a flush, or -1 */
	int			 in_header, at_start;
	int			 status;	/* first that went wrong */
};

static int
fail(struct submission *s, int status, const char *what, const char *reason)
{
	if (s->status == 0) {
		s->status = status;
		/* What is wrong with single addresses explains it: first. */
		if (s->notes.len > 0)
			fputs(buf_str(&s->notes), stderr);
		buf_reset(&s->notes);
		fprintf(stderr, "dma: %s%s%s\n", what, reason[0] == '\0' ? "" :
		    ": ", reason);
		/* Many callers throw their standard error away. */
		log_say(s->log, LOG_LEVEL_WARNING, "uid=%u from=<%s> "
		    "status=refused exit=%d reply=\"%s%s%s\"",
		    s->caller->uid, s->m.sender, status, what,
		    reason[0] == '\0' ? "" : ": ", reason);
	}
	return -1;
}

static int
fail_result(struct submission *s, struct result *res)
{
	int status = EX_TEMPFAIL;

	if (errno == EROFS || errno == EACCES || errno == EPERM)
		status = EX_CANTCREAT;
	fail(s, status, res->reason == NULL ? "spool" : res->reason, "");
	result_fini(res);
	return -1;
}

/* ---- recipients ---- */

static int
rehash(struct submission *s)
{
	uint32_t i, k, n, *slots;

	n = s->nslots == 0 ? 64 : s->nslots * 2;
	slots = calloc(n, sizeof(*slots));
	if (slots == NULL)
		return -1;
	for (i = 0; i < s->m.nrcpts; i++) {
		k = (uint32_t)s->m.rcpts[i].digest & (n - 1);
		while (slots[k] != 0)
			k = (k + 1) & (n - 1);
		slots[k] = i + 1;
	}
	free(s->slots);
	s->slots = slots;
	s->nslots = n;
	return 0;
}

/* With NULLCLIENT a bare name is what the relay will be told, if that fits. */
static const char *
qualify(const struct submission *s, const char *address, char *full,
    size_t size)
{
	const struct conf *conf = s->conf;
	int n;

	if (conf->names.nullclient != NULLCLIENT_ON ||
	    addr_domain(address) != NULL)
		return address;
	n = snprintf(full, size, "%s@%s", address, conf->names.mailname);
	return n < 0 || (size_t)n >= size ? address : full;
}

/* Each address once, in the order of its first naming. */
static int
add_recipient(struct submission *s, const char *given)
{
	char full[ADDRESS_MAX + 1];
	const char *address = qualify(s, given, full, sizeof(full));
	struct recipient *r;
	uint64_t digest;
	uint32_t k;

	if (s->m.nrcpts * 2 >= s->nslots && rehash(s) == -1)
		return fail(s, EX_TEMPFAIL, "out of memory", "");
	/* "bob" and "bob@localhost" are one recipient. */
	digest = names_digest(&s->conf->names, address);
	k = (uint32_t)digest & (s->nslots - 1);
	for (; s->slots[k] != 0; k = (k + 1) & (s->nslots - 1)) {
		r = &s->m.rcpts[s->slots[k] - 1];
		if (r->digest == digest && names_same(&s->conf->names,
		    r->address, address))
			return 0;
	}
	if (s->conf->limits.max_recipients != 0 &&
	    s->m.nrcpts >= s->conf->limits.max_recipients)
		return fail(s, EX_DATAERR, "too many recipients",
		    "see MAX_RECIPIENTS in dma.conf");
	r = message_add(&s->m, address);
	if (r == NULL)
		return fail(s, EX_TEMPFAIL, "out of memory", "");
	r->digest = digest;
	r->notify = s->o->notify;
	s->slots[k] = s->m.nrcpts;
	return 0;
}

static void
note_bad(struct submission *s, const char *field, const char *text, size_t len)
{
	struct buf clean;

	s->nbad++;
	buf_init(&clean, 0);
	buf_put_clean(&clean, text, len, BAD_TEXT_MAX);
	buf_printf(&s->notes, "dma: %s: not an address: %s\n", field,
	    buf_str(&clean));
	buf_fini(&clean);
}

/* Programs, files and lists are not for callers to name. */
static int
is_address(const char *address)
{
	return address[0] != '\0' && strchr("|/:!\\", address[0]) == NULL;
}

static void
from_header(void *arg, const char *address)
{
	struct submission *s = arg;

	if (is_address(address))
		add_recipient(s, address);
	else
		note_bad(s, "header", address, strlen(address));
}

static void
bad_header(void *arg, const char *field, const char *text, size_t len)
{
	note_bad(arg, field, text, len);
}

struct argument {
	struct submission *s;
	const char	*text;
};

static int
from_argument(void *arg, const struct addr_found *found)
{
	const struct argument *a = arg;
	const char *text = a->text + found->start;
	size_t len = found->end - found->start;
	struct buf one;
	int ret = 0;

	buf_init(&one, ADDRESS_MAX);
	if (found->is_bad || addr_canonical(text, len, &one) == -1 ||
	    buf_failed(&one) || !is_address(buf_str(&one)))
		note_bad(a->s, "recipient", text, len);
	else
		ret = add_recipient(a->s, buf_str(&one));
	buf_fini(&one);
	return ret;
}

static int
take_arguments(struct submission *s)
{
	struct argument a;
	size_t len;
	int i;

	for (i = 0; i < s->o->nrcpts; i++) {
		a.s = s;
		a.text = s->o->rcpts[i];
		len = strlen(a.text);
		if (!text_is_clean(a.text, len))
			return fail(s, EX_DATAERR,
			    "control character in a recipient", "");
		if (strchr("|/:", a.text[0]) != NULL)
			note_bad(s, "recipient", a.text, len);
		else if (addr_walk(a.text, len, from_argument, &a) != 0)
			return -1;
	}
	return 0;
}

/* ---- the sender ---- */

static void
take_fullname(struct submission *s, const struct passwd *pw)
{
	const char *p, *end;
	struct buf b;

	buf_init(&b, sizeof(s->fullname) - 1);
	end = pw->pw_gecos + strcspn(pw->pw_gecos, ",");
	for (p = pw->pw_gecos; p < end; p++) {
		if (*p != '&') {
			buf_putc(&b, *p);
			continue;
		}
		/* BSD: the login name with a capital. */
		buf_puts(&b, pw->pw_name);
		if (b.len >= strlen(pw->pw_name) && pw->pw_name[0] >= 'a' &&
		    pw->pw_name[0] <= 'z')
			b.data[b.len - strlen(pw->pw_name)] -= 'a' - 'A';
	}
	if (!buf_failed(&b) && text_is_clean(buf_str(&b), b.len))
		text_copy(s->fullname, sizeof(s->fullname), buf_str(&b));
	buf_fini(&b);
}

/* LOGNAME counts only where it belongs to the real uid. */
static void
find_caller(struct submission *s)
{
	const struct caller *c = s->caller;
	const struct passwd *pw = NULL;

	if (c->logname[0] != '\0') {
		pw = getpwnam(c->logname);
		if (pw != NULL && pw->pw_uid != c->uid)
			pw = NULL;
	}
	if (pw == NULL)
		pw = getpwuid(c->uid);
	if (pw != NULL && user_name_ok(pw->pw_name)) {
		text_copy(s->login, sizeof(s->login), pw->pw_name);
		take_fullname(s, pw);
	} else {
		snprintf(s->login, sizeof(s->login), "uid-%u", c->uid);
	}
	if (c->name[0] != '\0')
		text_copy(s->fullname, sizeof(s->fullname), c->name);
	if (s->o->fullname != NULL)
		text_copy(s->fullname, sizeof(s->fullname), s->o->fullname);
}

static int
sender_from(struct submission *s, const char *text, const char *what)
{
	struct buf one;
	const char *host;
	int n;

	buf_init(&one, ADDRESS_MAX);
	if (addr_one(text, &one) == -1 || buf_failed(&one)) {
		buf_fini(&one);
		return fail(s, EX_DATAERR, what, "not an address (must be user "
		    "or user@host)");
	}
	host = s->conf->names.masquerade_host != NULL ?
	    s->conf->names.masquerade_host : s->conf->names.mailname;
	if (one.len == 0 || addr_domain(buf_str(&one)) != NULL)
		n = snprintf(s->m.sender, sizeof(s->m.sender), "%s",
		    buf_str(&one));
	else
		n = snprintf(s->m.sender, sizeof(s->m.sender), "%s@%s",
		    buf_str(&one), host);
	buf_fini(&one);
	if (n < 0 || (size_t)n >= sizeof(s->m.sender))
		return fail(s, EX_DATAERR, what, "address is too long");
	return 0;
}

static int
take_sender(struct submission *s)
{
	const char *masked = s->conf->names.masquerade_user;

	if (s->o->sender != NULL) {
		if (!text_is_clean(s->o->sender, strlen(s->o->sender)))
			return fail(s, EX_DATAERR, "-f",
			    "control character in the sender");
		return sender_from(s, s->o->sender, "-f");
	}
	if (s->caller->email[0] != '\0' &&
	    sender_from(s, s->caller->email, "EMAIL") == 0)
		return 0;
	if (s->status != 0)
		return -1;
	find_caller(s);
	return sender_from(s, masked != NULL && masked[0] != '\0' ? masked :
	    s->login, "sender");
}

/* ---- the text ---- */

static int
put_text(struct submission *s, const char *p, size_t n)
{
	struct result res;

	mail_count(&s->facts, p, n);
	if (s->conf->limits.max_size_bytes != 0 &&
	    (uint64_t)s->draft.length + n > s->conf->limits.max_size_bytes)
		return fail(s, EX_DATAERR, "message is too large",
		    "see MAX_SIZE in dma.conf");
	result_init(&res);
	if (draft_write(&s->draft, p, n, &res) == -1)
		return fail_result(s, &res);
	return 0;
}

static int
has_from(const char *p, size_t len)
{
	const char *end = p + len;

	while (p < end) {
		if (end - p > 5 && strncasecmp(p, "from:", 5) == 0)
			return 1;
		p = memchr(p, '\n', (size_t)(end - p));
		if (p == NULL)
			return 0;
		p++;
	}
	return 0;
}

static int
end_header(struct submission *s, size_t len)
{
	struct header_env env;
	struct buf out;
	int ret;

	if (s->login[0] == '\0' && !has_from(buf_str(&s->text), len))
		find_caller(s);
	memset(&env, 0, sizeof(env));
	env.mailname = s->conf->names.mailname;
	env.sender = s->m.sender;
	env.fullname = s->fullname[0] == '\0' ? NULL : s->fullname;
	env.queue_id = s->draft.id;
	env.version = DMA_VERSION;
	env.now = s->m.arrived;
	env.take_recipients = s->o->take_recipients;
	env.recipient = from_header;
	env.bad = bad_header;
	env.arg = s;
	buf_init(&out, 2 * HEADER_MAX);
	ret = header_repair(buf_str(&s->text), len, &env, &out,
	    &s->m.text.hops);
	if (ret == -1)
		fail(s, EX_DATAERR, "cannot complete the header",
		    "the header is too large");
	s->facts.in_header = 1;
	if (ret == 0)
		ret = put_text(s, buf_str(&out), out.len);
	s->facts.in_header = 0;
	buf_fini(&out);
	buf_drop(&s->text, len);
	s->in_header = 0;
	return s->status == 0 ? ret : -1;
}

/*
 * Looks at the lines of the header that are complete (at the end: at all of
 * them) and ends it where they end.
 */
static int
scan_header(struct submission *s, size_t *seen, int at_end)
{
	const char *p, *nl;
	enum header_line kind;
	size_t left;

	while (*seen < s->text.len) {
		p = s->text.data + *seen;
		left = s->text.len - *seen;
		nl = memchr(p, '\n', left);
		if (nl == NULL && !at_end && left < LINE_PEEK)
			break;
		kind = header_line_kind(p, left);
		if (kind == HEADER_LINE_FROM_ && s->at_start && nl != NULL) {
			buf_drop(&s->text, (size_t)(nl - p) + 1);
			continue;
		}
		if (kind == HEADER_LINE_BLANK) {
			if (end_header(s, *seen) == -1)
				return -1;
			buf_drop(&s->text, 1);
			return 0;
		}
		if ((kind != HEADER_LINE_FIELD && kind != HEADER_LINE_FOLDED) ||
		    (kind == HEADER_LINE_FOLDED && *seen == 0))
			return end_header(s, *seen);
		if (nl == NULL && !at_end)
			break;
		s->at_start = 0;
		*seen = nl == NULL ? s->text.len : *seen + (size_t)(nl - p) + 1;
	}
	if (s->text.len > HEADER_MAX)
		return fail(s, EX_DATAERR, "header is too large",
		    "more than 1 MiB");
	return at_end ? end_header(s, s->text.len) : 0;
}

static int
take_text(struct submission *s)
{
	static char chunk[CHUNK];
	size_t seen = 0;
	ssize_t n;

	s->in_header = s->at_start = 1;
	do {
		n = io_read(STDIN_FILENO, chunk, sizeof(chunk));
		if (n == -1 && errno == EAGAIN && io_wait(STDIN_FILENO, POLLIN,
		    INT64_MAX) == 1)
			continue;
		if (n == -1)
			return fail(s, EX_NOINPUT, "cannot read the message",
			    strerror(errno));
		if (n > 0)
			mail_input(&s->input, chunk, (size_t)n, &s->text);
		else
			mail_input_end(&s->input, &s->text);
		if (buf_failed(&s->text))
			return fail(s, EX_TEMPFAIL, "out of memory", "");
		if (s->in_header &&
		    scan_header(s, &seen, n == 0 || s->input.is_over) == -1)
			return -1;
		if (s->in_header)
			continue;
		if (put_text(s, buf_str(&s->text), s->text.len) == -1)
			return -1;
		buf_reset(&s->text);
	} while (n != 0 && !s->input.is_over);
	return 0;
}

/* ---- what is known to fail is said at once ---- */

/* 1: surely no such user.  Only looked at when it is the only recipient. */
static int
is_unknown(const struct submission *s)
{
	char local[ADDRESS_MAX + 1], name[ADDRESS_MAX + 1];
	struct aliases aliases;
	struct user user;
	unsigned bad;
	int known;

	if (!names_is_local(&s->conf->names, s->m.rcpts[0].address, local,
	    sizeof(local)))
		return 0;
	names_user(&s->conf->names, local, name, sizeof(name));
	if (user_lookup(name, &user) != 1)
		return 0;
	if (files_aliases(s->conf->where.aliases, &aliases, &report_quiet,
	    &bad) == -1)
		return 0;
	known = names_alias(&s->conf->names, &aliases, local) != NULL ||
	    aliases_find(&aliases, "*") != NULL;
	aliases_fini(&aliases);
	return !known;
}

static int
check_recipients(struct submission *s)
{
	if (s->m.nrcpts == 0 && s->nbad > 0)
		return fail(s, EX_DATAERR, "no valid recipients", "");
	if (s->m.nrcpts == 0)
		return fail(s, EX_USAGE, "no recipients",
		    s->o->take_recipients ? "there are none in To, Cc and Bcc "
		    "or on the command line" : "give them as arguments, or use "
		    "-t");
	if (s->m.nrcpts == 1 && is_unknown(s))
		return fail(s, EX_NOUSER, s->m.rcpts[0].address,
		    "no such user here");
	if (s->conf->limits.is_noremote && !names_any_local(&s->conf->names,
	    &s->m))
		return fail(s, EX_UNAVAILABLE, s->m.rcpts[0].address,
		    "this host sends no mail to other hosts (NOREMOTE)");
	return 0;
}

/* ---- the commit ---- */

/*
 * Up to here a signal of the terminal ends this process, and nothing is
 * queued; after it none does, so that the status that the caller sees is the
 * truth.
 */
static int
commit(struct submission *s)
{
	struct result res;

	result_init(&res);
	s->m.text.lines = s->facts.lines;
	s->m.text.flags |= s->facts.flags;
	if (s->o->is_8bit)
		s->m.text.flags |= MESSAGE_SAID_8BIT;
	if (draft_seal(&s->draft, &s->m, &res) == -1)
		return fail_result(s, &res);
	if (s->o->is_foreground && !s->o->is_queue_only)
		s->watch = flush_announce(s->draft.sp, s->draft.id,
		    s->o->is_watched ? s->caller : NULL);
	caller_block_signals();
	if (draft_publish(&s->draft, &res) == -1)
		return fail_result(s, &res);
	return 0;
}

static int
run(struct submission *s, const struct spool *sp)
{
	struct result res;

	if (take_sender(s) == -1 || take_arguments(s) == -1)
		return -1;
	if (!s->o->take_recipients && check_recipients(s) == -1)
		return -1;
	result_init(&res);
	if (draft_begin(sp, &s->draft, NULL, &res) == -1)
		return fail_result(s, &res);
	if (take_text(s) == -1)
		return -1;
	if (s->o->take_recipients && check_recipients(s) == -1)
		return -1;
	/* Now, since a full pipe must not come between commit and status. */
	if (s->notes.len > 0)
		fputs(buf_str(&s->notes), stderr);
	buf_reset(&s->notes);
	return commit(s);
}

/*
 * With DEFER, mail for other hosts alone waits for a flush: no runner is
 * started only to find that out.  What it would log is logged here.
 */
static int
is_held(struct submission *s)
{
	if (!s->conf->retry.is_defer || names_any_local(&s->conf->names, &s->m))
		return 0;
	text_copy(s->m.id, sizeof(s->m.id), s->draft.id);
	s->m.text.length = s->draft.length;
	message_log_queued(&s->m, s->log);
	return !s->o->is_foreground;
}

int
submit_message(const struct caller *caller, const struct options *o,
    const struct conf *conf, const struct spool *sp, const struct log *log,
    struct submitted *done)
{
	struct submission s;

	memset(&s, 0, sizeof(s));
	s.caller = caller;
	s.o = o;
	s.conf = conf;
	s.log = log;
	s.draft.fd = s.watch = -1;
	message_init(&s.m);
	s.m.arrived = time(NULL);
	s.m.submitter = caller->uid;
	s.m.ret = o->ret;
	if (o->envid != NULL)
		text_copy(s.m.envid, sizeof(s.m.envid), o->envid);
	mail_input_init(&s.input, !o->dot_is_text);
	buf_init(&s.text, 0);
	buf_init(&s.notes, CHUNK);
	if (!caller->has_stdin)
		fail(&s, EX_NOINPUT, "standard input is closed",
		    "the message must be given on standard input");
	else
		run(&s, sp);
	if (s.status == 0) {
		text_copy(done->id, sizeof(done->id), s.draft.id);
		done->is_held = is_held(&s);
		done->watch = s.watch;
	} else {
		io_close(&s.watch);
	}
	draft_drop(&s.draft);
	message_fini(&s.m);
	buf_fini(&s.text);
	buf_fini(&s.notes);
	free(s.slots);
	return s.status;
}
