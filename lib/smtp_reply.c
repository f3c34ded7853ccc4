/*
 * smtp_reply.c - what a server says: replies, capabilities, no secrets.
 * Runs as: anyone.  Uses: nothing.
 * Promise: a reply that is not well-formed is not taken for one; memory for
 * it is bounded; what was said in secret is in no result.
 */
#include <string.h>

#include "lib/buf.h"
#include "lib/smtp_reply.h"

#define KEPT_LINE_MAX	512	/* bytes of a reply line that are kept */
#define MECHANISMS_MAX	1024	/* bytes of the list of them */
#define SECRET_LONG	32	/* bytes; of it a part is masked, too */
#define SECRET_PART	16
#define PASSWORD_MIN	4	/* a shorter one would hide innocent words */
#define LIMIT_MAX	1000000	/* of LIMITS; beyond, it is none */

/* ---- secrets ---- */

void
smtp_secrets_init(struct smtp_secrets *s, const char *password)
{
	s->password = password;
	buf_init(&s->said, SMTP_SECRETS_MAX);
}

void
smtp_secrets_fini(struct smtp_secrets *s)
{
	buf_wipe(&s->said);
}

int
smtp_secrets_add(struct smtp_secrets *s, const char *secret)
{
	/* The first use takes all there will ever be: no copies. */
	if (buf_space(&s->said, SMTP_SECRETS_MAX - s->said.len) != NULL)
		buf_add(&s->said, secret, strlen(secret) + 1);
	return buf_failed(&s->said) ? -1 : 0;
}

/* Servers may show the beginning of a long one, such as a token, alone. */
static void
mask_one(char *text, size_t len, const char *secret, size_t n)
{
	size_t hit, least = n < SECRET_LONG ? n : SECRET_PART;
	char *p;

	while (n > 0 && len >= least &&
	    (p = memmem(text, len, secret, least)) != NULL) {
		len -= (size_t)(p - text);
		for (hit = least; hit < n && hit < len; hit++)
			if (p[hit] != secret[hit])
				break;
		memset(p, '*', hit);
		text = p + hit;
		len -= hit;
	}
}

void
smtp_secrets_mask(const struct smtp_secrets *s, char *text, size_t len)
{
	const char *p, *last = buf_str(&s->said) + s->said.len;
	size_t n;

	for (p = buf_str(&s->said); p < last; p += n + 1) {
		n = strlen(p);
		mask_one(text, len, p, n);
	}
	n = s->password == NULL ? 0 : strlen(s->password);
	if (n >= PASSWORD_MIN)
		mask_one(text, len, s->password, n);
}

/* ---- replies ---- */

static int
read_code(const char *p, size_t len)
{
	if (len < 3 || p[0] < '2' || p[0] > '5' ||
	    !text_is_digit(p[1]) || !text_is_digit(p[2]))
		return -1;
	if (len > 3 && p[3] != ' ' && p[3] != '-')
		return -1;
	return (p[0] - '0') * 100 + (p[1] - '0') * 10 + (p[2] - '0');
}

/* The code of a line that need not be well-formed, or 0. */
static int
claimed_code(const char *p, size_t len)
{
	for (; len > 0 && (*p == ' ' || *p == '\t'); p++)
		len--;
	return len >= 3 && p[0] >= '2' && p[0] <= '5' &&
	    text_is_digit(p[1]) && text_is_digit(p[2]) ?
	    (p[0] - '0') * 100 + (p[1] - '0') * 10 + (p[2] - '0') : 0;
}

int
smtp_reply_claim(struct smtp_reply *r, const char *line, size_t len)
{
	int code = claimed_code(line, len);

	if (r->last != SMTP_LINE_MORE || code == 0)
		r->claim = code;
	else if (r->claim / 100 != code / 100)
		r->claim = 0;
	return r->claim;
}

enum smtp_line
smtp_reply_line(struct smtp_reply *r, char *line, size_t len, char **text,
    size_t *text_len)
{
	size_t n = len > 0 && line[len - 1] == '\r' ? len - 1 : len;
	int code = read_code(line, n);

	(void)smtp_reply_claim(r, line, n);
	if (r->last != SMTP_LINE_MORE) {
		r->code = code;
		r->lines = 0;
		r->bytes = 0;
		r->enhanced[0] = '\0';
		buf_reset(&r->text);
	}
	r->bytes += len;
	r->lines++;
	if (code == -1 || code != r->code || r->lines > SMTP_LINES_MAX ||
	    r->bytes > SMTP_REPLY_MAX || memchr(line, '\0', n) != NULL) {
		r->code = 0;
		r->last = SMTP_LINE_MALFORMED;
		return r->last;
	}
	*text = line + (n == 3 ? 3 : 4);
	*text_len = n - (n == 3 ? 3 : 4);
	r->last = n == 3 || line[3] == ' ' ? SMTP_LINE_LAST : SMTP_LINE_MORE;
	return r->last;
}

/* Length of an enhanced status code of that class at text, or 0. */
static size_t
enhanced_length(const char *text, size_t len, int class)
{
	size_t i, part, digits;

	if (len < 5 || text[0] != '0' + class || text[1] != '.')
		return 0;
	i = 2;
	for (part = 0; part < 2; part++) {
		for (digits = 0; i < len && text_is_digit(text[i]);
		    digits++)
			i++;
		if (digits < 1 || digits > 3)
			return 0;
		if (part == 0 && (i == len || text[i++] != '.'))
			return 0;
	}
	if (i < len && text[i] != ' ' && text[i] != '\t')
		return 0;
	return i;
}

void
smtp_reply_keep(struct smtp_reply *r, const char *text, size_t len)
{
	size_t n = enhanced_length(text, len, r->code / 100);

	if (n > 0 && n < sizeof(r->enhanced) &&
	    (r->lines == 1 || (strlen(r->enhanced) == n &&
	    memcmp(r->enhanced, text, n) == 0))) {
		memcpy(r->enhanced, text, n);
		r->enhanced[n] = '\0';
		for (; n < len && text[n] == ' '; n++)
			;
		text += n;
		len -= n;
	}
	if (len > KEPT_LINE_MAX)
		len = KEPT_LINE_MAX;
	if (len == 0 || r->text.len + len + 1 > REASON_MAX)
		return;
	if (r->text.len > 0)
		buf_putc(&r->text, ' ');
	buf_add(&r->text, text, len);
}

/*
 * Hosts say in many ways that there are too many connections, or messages
 * over one: as RFC 3463 has it (system not accepting, congestion), in codes
 * alone (RFC 4954: 432), or only in words.
 */
static int
has_throttle_words(const struct smtp_reply *r)
{
	static const char *const words[] = {
		"too many connections", "too many concurrent",
		"too many simultaneous", "too many sessions",
		"too many messages", "too many emails", "too many mails",
		"too much mail", "too fast", "connection limit",
		"concurrent connection", "concurrency", "rate limit",
		"rate-limit", "ratelimit", "throttl", "server busy",
		"server too busy", "server is busy",
	};
	size_t i;

	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcasestr(buf_str(&r->text), words[i]) != NULL)
			return 1;
	return 0;
}

int
smtp_reply_is_throttle(const struct smtp_reply *r)
{
	const char *code = r->enhanced;

	if (r->code / 100 < 4)
		return 0;
	return r->code == 421 || r->code == 432 || (code[0] != '\0' &&
	    (strcmp(code + 1, ".3.2") == 0 || strcmp(code + 1, ".4.5") == 0 ||
	    strcmp(code + 1, ".7.28") == 0)) || has_throttle_words(r);
}

void
smtp_reply_result(const struct smtp_reply *r, enum status status,
    struct result *res)
{
	char code[12] = "x.0.0";

	if (r->enhanced[0] != '\0')
		text_copy(code, sizeof(code), r->enhanced);
	code[0] = status == STATUS_SENT ? '2' : status == STATUS_DEFERRED ?
	    '4' : '5';
	result_quote(res, SOURCE_SERVER, status, code, "%d%s%s%s%s", r->code,
	    r->enhanced[0] == '\0' ? "" : " ", r->enhanced,
	    r->text.len == 0 ? "" : " ", buf_str(&r->text));
}

/* ---- capabilities ---- */

void
smtp_capabilities_init(struct smtp_capabilities *c)
{
	memset(c, 0, sizeof(*c));
	buf_init(&c->mechanisms, MECHANISMS_MAX);
}

void
smtp_capabilities_fini(struct smtp_capabilities *c)
{
	buf_fini(&c->mechanisms);
	smtp_capabilities_init(c);
}

static uint64_t
read_number(const char *p, const char *last)
{
	uint64_t v = 0;

	for (; p < last && text_is_digit(*p); p++) {
		if (v > (UINT64_MAX - 9) / 10)
			return UINT64_MAX;
		v = v * 10 + (uint64_t)(*p - '0');
	}
	return v;
}

static void
add_size(struct smtp_capabilities *c, const char *p, size_t len)
{
	c->size_max = read_number(p, p + len);
}

static void
add_mechanisms(struct smtp_capabilities *c, const char *p, size_t len)
{
	if (len == 0 || c->mechanisms.len + len + 1 > MECHANISMS_MAX)
		return;
	if (c->mechanisms.len > 0)
		buf_putc(&c->mechanisms, ' ');
	buf_add(&c->mechanisms, p, len);
}

/* RFC 9422: "RCPTMAX=100 MAILMAX=20". */
static void
add_limits(struct smtp_capabilities *c, const char *p, size_t len)
{
	const struct {
		const char	*name;
		uint32_t	*limit;
	} limits[] = {
		{ "RCPTMAX=",		&c->rcpt_max },
		{ "MAILMAX=",		&c->mail_max },
		{ "RCPTDOMAINMAX=",	&c->domain_max },
	};
	const char *last = p + len, *end;
	uint64_t v;
	size_t i, n;

	for (; p < last; p = end + (end < last)) {
		end = memchr(p, ' ', (size_t)(last - p));
		if (end == NULL)
			end = last;
		for (i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
			n = strlen(limits[i].name);
			if ((size_t)(end - p) <= n ||
			    text_ncasecmp(p, limits[i].name, n) != 0)
				continue;
			v = read_number(p + n, end);
			*limits[i].limit = v > LIMIT_MAX ? 0 : (uint32_t)v;
		}
	}
}

static const struct {
	const char	*word;
	unsigned	 offer;
	void		(*add)(struct smtp_capabilities *, const char *,
			    size_t);
} known[] = {
	{ "PIPELINING",	SMTP_OFFERS_PIPELINING, NULL },
	{ "STARTTLS",	SMTP_OFFERS_STARTTLS, NULL },
	{ "8BITMIME",	SMTP_OFFERS_8BITMIME, NULL },
	{ "SMTPUTF8",	SMTP_OFFERS_SMTPUTF8, NULL },
	{ "DSN",	SMTP_OFFERS_DSN, NULL },
	{ "SIZE",	SMTP_OFFERS_SIZE, add_size },
	{ "AUTH",	0, add_mechanisms },
	{ "LIMITS",	0, add_limits },
};

/* "AUTH=LOGIN" is an old way to say it. */
void
smtp_capabilities_add(struct smtp_capabilities *c, const char *text,
    size_t len)
{
	size_t i, n;

	for (n = 0; n < len && text[n] != ' ' && text[n] != '='; n++)
		;
	for (i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (strlen(known[i].word) != n ||
		    text_ncasecmp(text, known[i].word, n) != 0)
			continue;
		while (n < len && (text[n] == ' ' || text[n] == '='))
			n++;
		c->offers |= known[i].offer;
		if (known[i].add != NULL)
			known[i].add(c, text + n, len - n);
		return;
	}
}
