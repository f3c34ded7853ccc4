/*
 * smtp_command.c - the commands that an SMTP server reads.
 * Runs as: anyone.  Uses: nothing.
 * Promise: what is taken is what RFC 5321, 1870, 3461, 6152 and 6531 allow and
 * nothing else: no control character, and no UTF-8 that is not well-formed.
 */
#include <string.h>

#include "lib/addr.h"
#include "lib/buf.h"
#include "lib/dsn.h"
#include "lib/smtp_command.h"
#include "lib/smtp_path.h"
#include "lib/text.h"

#define SIZE_DIGITS_MAX	20	/* RFC 1870 4, RFC 3030 2 */
#define VALUE_MAX	(SMTP_PATH_MAX + 3 + SMTP_PARAMETERS_MAX)
#define ORCPT_SMTP_MAX	500	/* bytes of the value (RFC 3461 4.2) */

/* 1. Verbs. */

static const struct {
	const char	*word;
	enum smtp_verb	 verb;
} verbs[] = {
	{ "HELO",	SMTP_VERB_HELO },
	{ "EHLO",	SMTP_VERB_EHLO },
	{ "MAIL",	SMTP_VERB_MAIL },
	{ "RCPT",	SMTP_VERB_RCPT },
	{ "DATA",	SMTP_VERB_DATA },
	{ "BDAT",	SMTP_VERB_BDAT },
	{ "RSET",	SMTP_VERB_RSET },
	{ "NOOP",	SMTP_VERB_NOOP },
	{ "VRFY",	SMTP_VERB_VRFY },
	{ "EXPN",	SMTP_VERB_EXPN },
	{ "HELP",	SMTP_VERB_HELP },
	{ "QUIT",	SMTP_VERB_QUIT },
	{ "STARTTLS",	SMTP_VERB_STARTTLS },
};

#define NVERBS		(sizeof(verbs) / sizeof(verbs[0]))

enum smtp_verb
smtp_command_verb(char *line, const char **args)
{
	size_t end, i, n;

	n = text_word_len(line);
	*args = text_skip_blanks(line + n);
	for (end = strlen(line); end > n && text_is_blank(line[end - 1]); end--)
		line[end - 1] = '\0';
	for (i = 0; i < NVERBS; i++)
		if (text_ncasecmp(line, verbs[i].word, n) == 0 &&
		    verbs[i].word[n] == '\0')
			return verbs[i].verb;
	return SMTP_VERB_UNKNOWN;
}

static int
fail(struct smtp_syntax *wrong, unsigned code, const char *status,
    const char *reason)
{
	*wrong = (struct smtp_syntax){ code, status, reason };
	return -1;
}

/* 2. Paths. */

/* What differs between MAIL and RCPT. */
struct side {
	const char	*prefix;	/* "FROM:" */
	const char	*no_prefix;	/* what is said without it */
	const char	*bad_address;	/* enhanced status (RFC 3463) */
	unsigned	 no_utf8;	/* reply code (RFC 6531 3.5), or 0 when
					 * UTF-8 needs no parameter */
	int		 may_be_null;
	int		 is_lax;	/* of a program on this host */
};

#define SENDER_SIDE	"FROM:", "expected FROM:<address>", "5.1.7", 550, 1
#define RECIPIENT_SIDE	"TO:", "expected TO:<address>", "5.1.3", 553, 0

_Static_assert(SMTP_MAILBOX_MAX <= SMTP_PATH_MAX, "struct smtp_path");

static const struct side sender_side = { SENDER_SIDE, 0 };
static const struct side recipient_side = { RECIPIENT_SIDE, 0 };
static const struct side local_sender_side = { SENDER_SIDE, 1 };
static const struct side local_recipient_side = { RECIPIENT_SIDE, 1 };

/* Bytes of a path, with *is_fine as 0 for none: the null path has none. */
static size_t
path_len(const char *p, int may_be_null, int is_lax, int *is_fine,
    int *is_long)
{
	static const char postmaster[] = "Postmaster";
	size_t n = sizeof(postmaster) - 1;

	*is_long = 0;
	*is_fine = 1;
	if (may_be_null && (*p == '\0' || *p == '>'))
		return 0;
	if (!may_be_null && text_ncasecmp(p, postmaster, n) == 0 &&
	    (p[n] == '\0' || p[n] == '>'))
		return n;
	n = smtp_path_mailbox_len(p, is_lax, is_long);
	*is_fine = n > 0;
	return n;
}

int
smtp_path_check(const char *text, int may_be_null)
{
	int is_fine, is_long;
	size_t n;

	n = path_len(text, may_be_null, 0, &is_fine, &is_long);
	return is_fine && text[n] == '\0' ? 0 : -1;
}

/* From bracket to bracket; *at moves after it.  NULL, or what is wrong. */
static const char *
read_path(const char **at, const struct side *side, struct smtp_path *path)
{
	const char *p = *at;
	int is_fine, is_long;
	size_t n, route;

	if (side->is_lax)
		p = text_skip_blanks(p);
	else if (text_is_blank(*p))
		return "a blank between the colon and the address";
	if (*p++ != '<')
		return "the address must be in angle brackets";
	route = smtp_path_route_len(p);
	p += route;
	n = path_len(p, side->may_be_null && route == 0, side->is_lax,
	    &is_fine, &is_long);
	if (is_long)
		return "the address is too long";
	if (!is_fine || p[n] != '>' || (route > 0 &&
	    memchr(p, '@', n) == NULL))
		return "malformed address";
	if (p[n + 1] != '\0' && !text_is_blank(p[n + 1]))
		return "expected a blank after the address";
	memcpy(path->text, p, n);
	path->text[n] = '\0';
	path->is_utf8 = !text_is_ascii(p, n);
	*at = p + n + 1;
	return NULL;
}

/* 3. Parameters. */

struct reading {
	struct smtp_mail_command *mail;	/* NULL: it is RCPT */
	struct smtp_rcpt_command *rcpt;
	int		 is_smtputf8;	/* of RCPT */
	unsigned	 seen;		/* bits of the table */
	char		*kept;
	size_t		 len;
};

/* value: NULL without "=". */
struct parameter {
	const char	*keyword;
	int		(*read)(struct reading *, const char *value);
	int		 is_kept;
	const char	*trouble;	/* what is said of a bad value */
};

/* Digits, of which as many are believed as a number has. */
static int
read_number(const char **at, uint64_t *number)
{
	const char *p = *at;
	unsigned digit;

	for (*number = 0; *p >= '0' && *p <= '9'; p++) {
		digit = (unsigned)(*p - '0');
		*number = *number > (UINT64_MAX - digit) / 10 ? UINT64_MAX :
		    *number * 10 + digit;
	}
	if (p == *at || p - *at > SIZE_DIGITS_MAX)
		return -1;
	*at = p;
	return 0;
}

static int
read_size(struct reading *r, const char *value)
{
	r->mail->has_size = 1;
	return value != NULL &&
	    read_number(&value, &r->mail->size_bytes) == 0 &&
	    *value == '\0' ? 0 : -1;
}

static int
read_body(struct reading *r, const char *value)
{
	if (value == NULL)
		return -1;
	if (text_casecmp(value, "7BIT") == 0)
		r->mail->body = SMTP_BODY_7BIT;
	else if (text_casecmp(value, "8BITMIME") == 0)
		r->mail->body = SMTP_BODY_8BITMIME;
	else
		return -1;
	return 0;
}

static int
read_smtputf8(struct reading *r, const char *value)
{
	r->mail->is_smtputf8 = 1;
	return value == NULL ? 0 : -1;
}

static int
read_ret(struct reading *r, const char *value)
{
	return value == NULL ? -1 : dsn_ret(value, &r->mail->ret);
}

static int
read_envid(struct reading *r, const char *value)
{
	char *envid = r->mail->envid;

	return value != NULL && strlen(value) <= ENVID_MAX &&
	    dsn_get_xtext(value, envid, sizeof(r->mail->envid)) == 0 &&
	    dsn_envid_ok(envid) ? 0 : -1;
}

static int
read_notify(struct reading *r, const char *value)
{
	return value == NULL ? -1 : dsn_notify(value, &r->rcpt->notify);
}

/* The address may be UTF-8 as it is (RFC 6533 3, utf-8-addr-unitext). */
static int
is_utf8_orcpt(const struct reading *r, const char *value, size_t type)
{
	return r->is_smtputf8 && type == 5 &&
	    text_ncasecmp(value, "utf-8", type) == 0 &&
	    addr_is_utf8(value, strlen(value)) && strchr(value, '=') == NULL;
}

static int
read_orcpt(struct reading *r, const char *value)
{
	char *orcpt = r->rcpt->orcpt;
	size_t type;
	int ret = 0;

	if (value == NULL || strlen(value) > ORCPT_SMTP_MAX ||
	    text_copy(orcpt, sizeof(r->rcpt->orcpt), value) == -1)
		return -1;
	type = strcspn(value, ";");
	if (!text_is_ascii(value, strlen(value)))
		ret = is_utf8_orcpt(r, value, type) ? 0 : -1;
	else if (value[type] != '\0')
		ret = dsn_get_xtext(value + type + 1, orcpt + type + 1,
		    sizeof(r->rcpt->orcpt) - type - 1);
	return ret == 0 && dsn_orcpt_ok(orcpt) ? 0 : -1;
}

static const struct parameter of_mail[] = {
	{ "SIZE", read_size, 0, "malformed SIZE" },
	{ "BODY", read_body, 1, "BODY is neither 7BIT nor 8BITMIME" },
	{ "SMTPUTF8", read_smtputf8, 1, "SMTPUTF8 has no value" },
	{ "RET", read_ret, 1, "RET is neither FULL nor HDRS" },
	{ "ENVID", read_envid, 1, "malformed ENVID" },
	{ NULL, NULL, 0, NULL }
};

static const struct parameter of_rcpt[] = {
	{ "NOTIFY", read_notify, 1, "malformed NOTIFY" },
	{ "ORCPT", read_orcpt, 1, "malformed ORCPT" },
	{ NULL, NULL, 0, NULL }
};

/* The room was checked by the one who calls. */
static void
keep(struct reading *r, const char *word, size_t n)
{
	if (r->len > 0)
		r->kept[r->len++] = ' ';
	memcpy(r->kept + r->len, word, n);
	r->len += n;
	r->kept[r->len] = '\0';
}

static int
read_parameter(struct reading *r, const struct parameter *table,
    const char *p, size_t n, struct smtp_syntax *wrong)
{
	char word[SMTP_PARAMETERS_MAX + 1], *value;
	size_t i;

	memcpy(word, p, n);
	word[n] = '\0';
	value = strchr(word, '=');
	if (value != NULL)
		*value++ = '\0';
	for (i = 0; table[i].keyword != NULL; i++)
		if (text_casecmp(table[i].keyword, word) == 0)
			break;
	if (table[i].keyword == NULL)
		return fail(wrong, 555, "5.5.4", "unsupported parameter");
	if (r->seen & 1u << i)
		return fail(wrong, 501, "5.5.4",
		    "a parameter is given twice");
	r->seen |= 1u << i;
	if (table[i].read(r, value) == -1)
		return fail(wrong, 501, "5.5.4", table[i].trouble);
	if (table[i].is_kept)
		keep(r, p, n);
	return 0;
}

static int
read_parameters(struct reading *r, const struct parameter *table,
    const char *p, struct smtp_syntax *wrong)
{
	size_t n;

	if (strlen(p) > SMTP_PARAMETERS_MAX)
		return fail(wrong, 501, "5.5.4",
		    "the parameters are too long");
	for (;; p += n) {
		p = text_skip_blanks(p);
		n = text_word_len(p);
		if (n == 0)
			return 0;
		if (read_parameter(r, table, p, n, wrong) == -1)
			return -1;
	}
}

/* 4. Commands. */

static int
read_command(const char *args, const struct side *side,
    struct smtp_path *path, struct reading *r, const struct parameter *table,
    struct smtp_syntax *wrong)
{
	size_t n = strlen(side->prefix);
	const char *reason;

	if (text_ncasecmp(args, side->prefix, n) != 0)
		return fail(wrong, 501, "5.5.4", side->no_prefix);
	args += n;
	reason = read_path(&args, side, path);
	if (reason != NULL)
		return fail(wrong, 501, side->bad_address, reason);
	if (read_parameters(r, table, args, wrong) == -1)
		return -1;
	if (path->is_utf8 && side->no_utf8 != 0 &&
	    !(r->mail != NULL ? r->mail->is_smtputf8 : r->is_smtputf8))
		return fail(wrong, side->no_utf8, "5.6.7",
		    "the address needs SMTPUTF8");
	return 0;
}

static int
read_mail(const char *args, const struct side *side,
    struct smtp_mail_command *mail, struct smtp_syntax *wrong)
{
	struct reading r = { .mail = mail, .kept = mail->parameters };

	mail->parameters[0] = '\0';
	mail->has_size = 0;
	mail->size_bytes = 0;
	mail->body = SMTP_BODY_NONE;
	mail->is_smtputf8 = 0;
	mail->ret = RET_UNSAID;
	mail->envid[0] = '\0';
	return read_command(args, side, &mail->path, &r, of_mail, wrong);
}

static int
read_rcpt(const char *args, const struct side *side, int is_smtputf8,
    struct smtp_rcpt_command *rcpt, struct smtp_syntax *wrong)
{
	struct reading r = { .rcpt = rcpt, .is_smtputf8 = is_smtputf8,
	    .kept = rcpt->parameters };

	rcpt->parameters[0] = '\0';
	rcpt->notify = 0;
	rcpt->orcpt[0] = '\0';
	return read_command(args, side, &rcpt->path, &r, of_rcpt, wrong);
}

int
smtp_command_mail(const char *args, struct smtp_mail_command *mail,
    struct smtp_syntax *wrong)
{
	return read_mail(args, &sender_side, mail, wrong);
}

int
smtp_command_local_mail(const char *args, struct smtp_mail_command *mail,
    struct smtp_syntax *wrong)
{
	return read_mail(args, &local_sender_side, mail, wrong);
}

int
smtp_command_rcpt(const char *args, int is_smtputf8,
    struct smtp_rcpt_command *rcpt, struct smtp_syntax *wrong)
{
	return read_rcpt(args, &recipient_side, is_smtputf8, rcpt, wrong);
}

int
smtp_command_local_rcpt(const char *args, int is_smtputf8,
    struct smtp_rcpt_command *rcpt, struct smtp_syntax *wrong)
{
	return read_rcpt(args, &local_recipient_side, is_smtputf8, rcpt,
	    wrong);
}

static const struct side return_path_side = { .prefix = "", .may_be_null = 1 };
static const struct side forward_path_side = { .prefix = "" };

/* A string of it: -1 when it cannot be one that we wrote. */
static int
copy_value(char out[VALUE_MAX + 1], const char *value, size_t len)
{
	if (len > VALUE_MAX || memchr(value, '\0', len) != NULL)
		return -1;
	memcpy(out, value, len);
	out[len] = '\0';
	return 0;
}

/* 0 when the value is "<path> parameters" to the byte, or -1. */
static int
check_value(const char *value, const char *path, const char *parameters)
{
	size_t n = strlen(path);

	if (value[0] != '<' || strncmp(value + 1, path, n) != 0 ||
	    value[n + 1] != '>')
		return -1;
	value += n + 2;
	if (*parameters != '\0' && *value++ != ' ')
		return -1;
	return strcmp(value, parameters) == 0 ? 0 : -1;
}

int
smtp_command_return_path(const char *value, size_t len,
    struct smtp_mail_command *mail)
{
	struct smtp_syntax wrong;
	char text[VALUE_MAX + 1];

	return copy_value(text, value, len) == -1 || read_mail(text,
	    &return_path_side, mail, &wrong) == -1 ? -1 :
	    check_value(text, mail->path.text, mail->parameters);
}

int
smtp_command_forward_path(const char *value, size_t len,
    struct smtp_rcpt_command *rcpt)
{
	struct smtp_syntax wrong;
	char text[VALUE_MAX + 1];

	return copy_value(text, value, len) == -1 || read_rcpt(text,
	    &forward_path_side, 1, rcpt, &wrong) == -1 ? -1 :
	    check_value(text, rcpt->path.text, rcpt->parameters);
}

int
smtp_command_bdat(const char *args, uint64_t *size_bytes, int *is_last)
{
	if (read_number(&args, size_bytes) == -1 || *size_bytes == UINT64_MAX)
		return -1;
	*is_last = 0;
	if (*args == '\0')
		return 0;
	if (!text_is_blank(*args))
		return -1;
	args = text_skip_blanks(args);
	*is_last = text_casecmp(args, "LAST") == 0;
	return *is_last ? 0 : -1;
}

int
smtp_command_helo(const char *args)
{
	size_t n;

	n = *args == '[' ? smtp_path_literal_len(args) :
	    smtp_path_domain_len(args, 1);
	return n > 0 && n <= SMTP_HELO_MAX && args[n] == '\0' ? 0 : -1;
}
