/*
 * addr.c - addresses: parse, quote, compare.
 * Runs as: anyone.  Uses: nothing.
 * Promise: one pass over the text, whatever it is; no address comes out that
 * holds a control character or is longer than ADDR_MAX.
 */
#include <string.h>

#include "lib/addr.h"

#define LABEL_MAX	63	/* bytes of one label (RFC 1035 2.3.4) */
#define DOMAIN_MAX	255	/* bytes of a domain */
#define ENCODED_MAX	256	/* bytes of an encoded word that is believed */
#define ARGUMENT_MAX	4096	/* bytes of an address with its name */
#define PHRASE_MAX	256	/* bytes of a display name */
#define WORD_MAX	75	/* bytes of an encoded word (RFC 2047 2) */

enum token { TOKEN_END, TOKEN_SEPARATOR, TOKEN_COLON, TOKEN_OPEN, TOKEN_CLOSE,
    TOKEN_AT, TOKEN_ATOM, TOKEN_QUOTED, TOKEN_LITERAL, TOKEN_ENCODED,
    TOKEN_OTHER,	/* a byte that is at best part of a name */
    TOKEN_DEEP,		/* a comment of too many levels */
    TOKEN_CUT };	/* a quote or comment that never ends */

struct scan {
	const char	*text;
	size_t		 len, pos;
	size_t		 start, end;	/* of the last token */
	int		 in_angle;	/* an encoded word is an atom there */
	int		 at_start;	/* of an address: a colon is a letter */
};

/* How far an addr-spec has come. */
enum spec_state { SPEC_EMPTY, SPEC_LOCAL, SPEC_AT, SPEC_DOMAIN, SPEC_LITERAL,
    SPEC_BROKEN };

struct spec {
	enum spec_state	 state;
	size_t		 start, end;
};

enum place { PLACE_NAME, PLACE_ANGLE, PLACE_ROUTE, PLACE_CLOSED };

struct member {
	struct spec	 spec;
	enum place	 place;
	size_t		 start, end;	/* as written; 0: empty */
	int		 is_bad;
};

struct walk {
	struct scan	 scan;
	struct member	 member;
	int		 in_group;
	int	(*found)(void *, const struct addr_found *);
	void		*arg;
};

struct parts {
	char	local[ADDR_MAX];	/* without quotes and backslashes */
	char	domain[DOMAIN_MAX + 2];	/* room for a final dot and the NUL */
	size_t	nlocal, ndomain;
	int	was_quoted;
};

static int
is_white(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static int
is_control(char c)
{
	return (unsigned char)c < ' ' || c == 0x7f;
}

static int
is_atext(char c)
{
	return text_is_alnum(c) || (c & 0x80) != 0 ||
	    (c != '\0' && strchr("!#$%&'*+-/=?^_`{|}~", c) != NULL);
}

/* As people and logins have it: a backslash stands for itself. */
static int
is_loose(char c)
{
	return is_atext(c) || c == '.' || c == '\\';
}

/* Past the comment that begins at pos: its depth, or 0 when it never ends. */
static size_t
skip_comment(struct scan *s)
{
	size_t depth = 0, deepest = 0;
	char c;

	while (s->pos < s->len) {
		c = s->text[s->pos++];
		if (c == '\\' && s->pos < s->len)
			s->pos++;
		else if (c == '(')
			depth++;
		else if (c == ')')
			depth--;
		if (depth > deepest)
			deepest = depth;
		if (depth == 0)
			return deepest;
	}
	return 0;
}

static enum token
scan_quoted(struct scan *s)
{
	char c;

	s->pos++;
	while (s->pos < s->len) {
		c = s->text[s->pos++];
		if (c == '"')
			return TOKEN_QUOTED;
		if (c == '\\' && s->pos < s->len)
			s->pos++;
	}
	return TOKEN_CUT;
}

static int
is_literal_text(char c)
{
	return text_is_alnum(c) || c == '.' || c == ':' || c == '-';
}

static enum token
scan_literal(struct scan *s)
{
	size_t i;

	for (i = s->pos + 1; i < s->len && is_literal_text(s->text[i]); i++)
		;
	if (i == s->len || s->text[i] != ']' || i == s->pos + 1) {
		s->pos++;
		return TOKEN_OTHER;
	}
	s->pos = i + 1;
	return TOKEN_LITERAL;
}

/* Bytes of the encoded word at pos, or 0 (RFC 2047 2, read with leniency). */
static size_t
encoded_word(const struct scan *s)
{
	const char *p = s->text + s->pos;
	size_t i, n = s->len - s->pos, marks = 0;

	if (n < 2 || p[0] != '=' || p[1] != '?')
		return 0;
	if (n > ENCODED_MAX)
		n = ENCODED_MAX;
	for (i = 2; i < n; i++) {
		if (is_white(p[i]) || is_control(p[i]))
			return 0;
		if (p[i] == '?')
			marks++;
		if (marks == 3)
			return i + 1 < n && p[i + 1] == '=' ? i + 2 : 0;
	}
	return 0;
}

static enum token
scan_atom(struct scan *s)
{
	size_t n;

	n = s->in_angle ? 0 : encoded_word(s);
	if (n > 0) {
		s->pos += n;
		return TOKEN_ENCODED;
	}
	n = s->pos;
	while (s->pos < s->len && is_loose(s->text[s->pos]))
		s->pos++;
	if (s->pos > n)
		return TOKEN_ATOM;
	s->pos++;
	return TOKEN_OTHER;
}

/* ":name@host": with nothing before it, the colon ends no name of a group. */
static enum token
scan_colon(struct scan *s)
{
	size_t n = ++s->pos;

	while (s->at_start && s->pos < s->len && (is_loose(s->text[s->pos]) ||
	    (s->pos > n && s->text[s->pos] == ':')))
		s->pos++;
	return s->pos > n ? TOKEN_ATOM : TOKEN_COLON;
}

static enum token
scan_some(struct scan *s)
{
	static const struct { char c; enum token token; } single[] = {
		{ ',', TOKEN_SEPARATOR },
		{ ';', TOKEN_SEPARATOR },
		{ '<', TOKEN_OPEN },
		{ '>', TOKEN_CLOSE },
		{ '@', TOKEN_AT },
	};
	size_t i;

	if (s->pos == s->len)
		return TOKEN_END;
	for (i = 0; i < sizeof(single) / sizeof(single[0]); i++) {
		if (s->text[s->pos] != single[i].c)
			continue;
		s->pos++;
		return single[i].token;
	}
	if (s->text[s->pos] == ':')
		return scan_colon(s);
	if (s->text[s->pos] == '"')
		return scan_quoted(s);
	if (s->text[s->pos] == '[')
		return scan_literal(s);
	return scan_atom(s);
}

static enum token
next_token(struct scan *s)
{
	enum token token;
	size_t depth;

	for (;;) {
		while (s->pos < s->len && is_white(s->text[s->pos]))
			s->pos++;
		s->start = s->pos;
		if (s->pos == s->len || s->text[s->pos] != '(')
			break;
		depth = skip_comment(s);
		s->end = s->pos;
		if (depth == 0)
			return TOKEN_CUT;
		if (depth > ADDR_DEPTH_MAX)
			return TOKEN_DEEP;
	}
	token = scan_some(s);
	s->end = s->pos;
	return token;
}

static enum spec_state
spec_next(const struct spec *spec, const struct scan *s, enum token token)
{
	int is_word = token == TOKEN_ATOM || token == TOKEN_QUOTED;
	int is_joined;

	/* Blanks and comments may stand around a dot, not instead of one. */
	is_joined = spec->state != SPEC_EMPTY &&
	    (s->text[spec->end - 1] == '.' || s->text[s->start] == '.');
	switch (spec->state) {
	case SPEC_EMPTY:
		return is_word ? SPEC_LOCAL : SPEC_BROKEN;
	case SPEC_LOCAL:
		if (token == TOKEN_AT)
			return SPEC_AT;
		return is_word && is_joined ? SPEC_LOCAL : SPEC_BROKEN;
	case SPEC_AT:
		if (token == TOKEN_LITERAL)
			return SPEC_LITERAL;
		return token == TOKEN_ATOM ? SPEC_DOMAIN : SPEC_BROKEN;
	case SPEC_DOMAIN:
		return token == TOKEN_ATOM && is_joined ?
		    SPEC_DOMAIN : SPEC_BROKEN;
	case SPEC_LITERAL:
	case SPEC_BROKEN:
		break;
	}
	return SPEC_BROKEN;
}

static void
spec_add(struct spec *spec, const struct scan *s, enum token token)
{
	enum spec_state state = spec_next(spec, s, token);

	if (spec->state == SPEC_EMPTY)
		spec->start = s->start;
	spec->end = s->end;
	spec->state = state;
}

static int
put_local(struct parts *parts, const struct scan *s, int is_quoted)
{
	size_t i;
	char c;

	parts->was_quoted |= is_quoted;
	for (i = s->start + (is_quoted ? 1 : 0);
	    i < s->end - (is_quoted ? 1 : 0); i++) {
		c = s->text[i];
		if (is_quoted && c == '\\')
			c = s->text[++i];
		if (is_control(c) ||
		    parts->nlocal == sizeof(parts->local))
			return -1;
		parts->local[parts->nlocal++] = c;
	}
	return 0;
}

static int
put_domain(struct parts *parts, const struct scan *s)
{
	size_t n = s->end - s->start;

	if (n > sizeof(parts->domain) - 1 - parts->ndomain)
		return -1;
	text_lower(parts->domain + parts->ndomain, s->text + s->start, n);
	parts->ndomain += n;
	return 0;
}

static int
check_parts(struct parts *parts)
{
	size_t i;

	/* sendmail's mark of a name that has no alias. */
	if (parts->ndomain == 0 && !parts->was_quoted && parts->nlocal > 1 &&
	    parts->local[0] == '\\')
		memmove(parts->local, parts->local + 1, --parts->nlocal);
	for (i = 0; i < parts->nlocal && parts->local[i] == '.'; i++)
		;
	if (i == parts->nlocal)
		return -1;
	/* Without a domain, a colon begins no name. */
	if (parts->ndomain == 0)
		return parts->local[0] == ':' && !parts->was_quoted ? -1 : 0;
	if (parts->domain[parts->ndomain - 1] == '.')
		parts->ndomain--;
	parts->domain[parts->ndomain] = '\0';
	return addr_domain_ok(parts->domain) ? 0 : -1;
}

static int
read_parts(const char *text, size_t len, struct parts *parts)
{
	struct scan s = { .text = text, .len = len, .in_angle = 1,
	    .at_start = 1 };
	struct spec spec = { SPEC_EMPTY, 0, 0 };
	enum token token;
	int ret;

	parts->nlocal = parts->ndomain = 0;
	parts->was_quoted = 0;
	while ((token = next_token(&s)) != TOKEN_END) {
		s.at_start = 0;
		spec_add(&spec, &s, token);
		ret = 0;
		if (spec.state == SPEC_BROKEN)
			return -1;
		if (spec.state == SPEC_LOCAL)
			ret = put_local(parts, &s, token == TOKEN_QUOTED);
		else if (spec.state != SPEC_AT)
			ret = put_domain(parts, &s);
		if (ret == -1)
			return -1;
	}
	if (spec.state == SPEC_EMPTY || spec.state == SPEC_AT)
		return -1;
	return check_parts(parts);
}

static int
is_dot_atom(const char *text, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++) {
		if (is_atext(text[i]))
			continue;
		if (text[i] != '.' || i == 0 || i + 1 == len ||
		    text[i - 1] == '.')
			return 0;
	}
	return len > 0;
}

/*
 * 1 when the local part has to be in quotes.  Dots in odd places may stay
 * without, as some providers have them, but for names of this host.
 */
static int
needs_quotes(const struct parts *parts)
{
	size_t i;

	if (is_dot_atom(parts->local, parts->nlocal))
		return 0;
	if (parts->was_quoted || parts->ndomain == 0)
		return 1;
	for (i = 0; i < parts->nlocal; i++)
		if (!is_atext(parts->local[i]) && parts->local[i] != '.')
			return 1;
	return 0;
}

/* Writes parts into dst of ADDR_MAX bytes: how many, or 0 if too long. */
static size_t
write_parts(const struct parts *parts, char *dst)
{
	int quote = needs_quotes(parts);
	size_t i, n = 0;
	char c;

	if (quote)
		dst[n++] = '"';
	for (i = 0; i < parts->nlocal; i++) {
		c = parts->local[i];
		if (n + (quote ? 3 : 1) > ADDR_MAX)
			return 0;
		if (quote && (c == '"' || c == '\\'))
			dst[n++] = '\\';
		dst[n++] = c;
	}
	if (quote)
		dst[n++] = '"';
	if (parts->ndomain == 0)
		return n;
	if (n + 1 + parts->ndomain > ADDR_MAX)
		return 0;
	dst[n++] = '@';
	memcpy(dst + n, parts->domain, parts->ndomain);
	return n + parts->ndomain;
}

static size_t
canonical(const char *text, size_t len, char *dst)
{
	struct parts parts;

	if (read_parts(text, len, &parts) == -1)
		return 0;
	return write_parts(&parts, dst);
}

int
addr_canonical(const char *text, size_t len, struct buf *out)
{
	char address[ADDR_MAX];
	size_t n;

	n = canonical(text, len, address);
	if (n == 0)
		return -1;
	buf_add(out, address, n);
	return 0;
}

void
addr_put_local(struct buf *out, const char *name)
{
	struct parts parts = { .was_quoted = 1 };
	char address[ADDR_MAX];
	size_t n = strlen(name);

	if (n > sizeof(parts.local) || !text_is_clean(name, n)) {
		out->failed = 1;
		return;
	}
	memcpy(parts.local, name, n);
	parts.nlocal = n;
	n = write_parts(&parts, address);
	if (n == 0)
		out->failed = 1;
	buf_add(out, address, n);
}

int
addr_local(const char *canon, char *dst, size_t size)
{
	const char *domain = addr_domain(canon);
	size_t i, n, out = 0;
	int quoted;

	n = domain == NULL ? strlen(canon) : (size_t)(domain - canon) - 1;
	quoted = n >= 2 && canon[0] == '"' && canon[n - 1] == '"';
	for (i = quoted ? 1 : 0; i < n - (quoted ? 1 : 0); i++) {
		if (quoted && canon[i] == '\\' && i + 2 < n)
			i++;
		if (out + 1 >= size) {
			dst[0] = '\0';
			return -1;
		}
		dst[out++] = canon[i];
	}
	dst[out] = '\0';
	return 0;
}

/* With a host it is an address, whatever it looks like. */
int
addr_is_address(const char *canonical)
{
	char local[ADDR_MAX + 1];

	if (addr_domain(canonical) != NULL)
		return 1;
	return addr_local(canonical, local, sizeof(local)) == 0 &&
	    local[0] != '\0' && strchr("|/:", local[0]) == NULL;
}

static void
member_touch(struct member *m, const struct scan *s)
{
	if (m->end == 0)
		m->start = s->start;
	m->end = s->end;
}

static void
angle_add(struct member *m, const struct scan *s, enum token token)
{
	if (token == TOKEN_CLOSE)
		m->place = PLACE_CLOSED;
	else if (token == TOKEN_AT && m->spec.state == SPEC_EMPTY)
		m->place = PLACE_ROUTE;
	else
		spec_add(&m->spec, s, token);
}

static void
member_add(struct member *m, const struct scan *s, enum token token)
{
	member_touch(m, s);
	if (token == TOKEN_DEEP)
		m->is_bad = 1;
	switch (m->place) {
	case PLACE_NAME:
		if (token == TOKEN_OPEN) {
			m->place = PLACE_ANGLE;
			m->spec = (struct spec){ SPEC_EMPTY, 0, 0 };
		} else if (token == TOKEN_CLOSE)
			m->is_bad = 1;
		else
			spec_add(&m->spec, s, token);
		break;
	case PLACE_ANGLE:
		angle_add(m, s, token);
		break;
	case PLACE_ROUTE:
		if (token == TOKEN_COLON)
			m->place = PLACE_ANGLE;
		else if (token == TOKEN_OPEN || token == TOKEN_CLOSE)
			m->is_bad = 1;
		break;
	case PLACE_CLOSED:
		m->is_bad = 1;
		break;
	}
}

/* A colon after a name: a group begins, unless there is no name. */
static void
open_group(struct walk *w)
{
	struct member *m = &w->member;

	if (m->end == 0 || m->is_bad || w->in_group ||
	    m->spec.state == SPEC_AT || m->spec.state == SPEC_DOMAIN ||
	    m->spec.state == SPEC_LITERAL) {
		member_touch(m, &w->scan);
		m->is_bad = 1;
		return;
	}
	*m = (struct member){ 0 };
	w->in_group = 1;
}

static int
close_member(struct walk *w)
{
	struct member *m = &w->member;
	struct addr_found f = { .start = m->spec.start, .end = m->spec.end,
	    .is_bare = m->spec.state == SPEC_LOCAL,
	    .in_angle = m->place == PLACE_CLOSED, .in_group = w->in_group };
	char address[ADDR_MAX];
	int is_open = m->place == PLACE_ANGLE || m->place == PLACE_ROUTE;

	if (m->end == 0)
		return 0;
	if (!m->is_bad && !is_open && m->spec.state != SPEC_EMPTY &&
	    m->spec.state != SPEC_BROKEN && canonical(w->scan.text + f.start,
	    f.end - f.start, address) > 0)
		return w->found(w->arg, &f);
	while (m->end > m->start && is_white(w->scan.text[m->end - 1]))
		m->end--;
	f = (struct addr_found){ m->start, m->end, .is_bad = 1,
	    .name = m->spec.start, .name_end = m->spec.end };
	return w->found(w->arg, &f);
}

/* Takes one token; 1 when the walk is over, with the answer in ret. */
static int
walk_token(struct walk *w, enum token token, int *ret)
{
	struct member *m = &w->member;
	char c = token == TOKEN_SEPARATOR ? w->scan.text[w->scan.start] : 0;

	if (token == TOKEN_COLON && m->place == PLACE_NAME) {
		open_group(w);
		return 0;
	}
	if (token == TOKEN_CUT) {
		member_touch(m, &w->scan);
		m->is_bad = 1;
	} else if ((c == ',' && m->place == PLACE_ROUTE) ||
	    (token != TOKEN_SEPARATOR && token != TOKEN_END)) {
		member_add(m, &w->scan, token);
		return 0;
	}
	*ret = close_member(w);
	if (*ret != 0 || token != TOKEN_SEPARATOR)
		return 1;
	if (c == ';')
		w->in_group = 0;
	*m = (struct member){ 0 };
	return 0;
}

int
addr_walk(const char *text, size_t len,
    int (*found)(void *, const struct addr_found *), void *arg)
{
	struct walk w = { .scan = { .text = text, .len = len },
	    .found = found, .arg = arg };
	int ret = 0;

	do {
		w.scan.in_angle = w.member.place == PLACE_ANGLE;
		w.scan.at_start = w.member.end == 0 || (w.scan.in_angle &&
		    w.member.spec.state == SPEC_EMPTY);
	} while (!walk_token(&w, next_token(&w.scan), &ret));
	return ret;
}

struct single {
	struct addr_found last;
	size_t		  n;
};

static int
single_found(void *arg, const struct addr_found *f)
{
	struct single *single = arg;

	single->last = *f;
	single->n++;
	return 0;
}

int
addr_one(const char *text, struct buf *out)
{
	struct single single = { .n = 0 };
	size_t len = strlen(text);

	if (len > ARGUMENT_MAX || !text_is_clean(text, len))
		return -1;
	if (len == 0 || strcmp(text, "<>") == 0)
		return 0;
	addr_walk(text, len, single_found, &single);
	if (single.n != 1 || single.last.is_bad || single.last.in_group)
		return -1;
	return addr_canonical(text + single.last.start,
	    single.last.end - single.last.start, out);
}

const char *
addr_domain(const char *canon)
{
	const char *at = strrchr(canon, '@');

	/* An at sign in a quoted local part alone is no domain's. */
	if (at == NULL || canon[strlen(canon) - 1] == '"')
		return NULL;
	return at + 1;
}

static int
literal_ok(const char *text, size_t len)
{
	size_t i;

	if (len < 3 || text[len - 1] != ']')
		return 0;
	for (i = 1; i < len - 1; i++) {
		if (!is_literal_text(text[i]))
			return 0;
	}
	return 1;
}

static int
label_ok(const char *label, size_t len)
{
	size_t i;

	if (len == 0 || len > LABEL_MAX || label[0] == '-' ||
	    label[len - 1] == '-')
		return 0;
	for (i = 0; i < len; i++) {
		if (!text_is_alnum(label[i]) &&
		    (label[i] & 0x80) == 0 && label[i] != '-' &&
		    label[i] != '_')
			return 0;
	}
	return 1;
}

int
addr_domain_ok(const char *domain)
{
	size_t n, len = strlen(domain);

	if (len > DOMAIN_MAX)
		return 0;
	if (domain[0] == '[')
		return literal_ok(domain, len);
	for (;;) {
		n = strcspn(domain, ".");
		if (!label_ok(domain, n))
			return 0;
		if (domain[n] == '\0')
			return 1;
		domain += n + 1;
	}
}

size_t
addr_utf8_len(const char *text, size_t len)
{
	const unsigned char *p = (const unsigned char *)text;
	unsigned char low = 0x80, high = 0xbf;
	size_t i, n;

	if (p[0] < 0x80)
		return 1;
	n = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
	if (p[0] < 0xc2 || p[0] > 0xf4 || n > len)
		return 0;
	if (p[0] == 0xe0)
		low = 0xa0;	/* not the shortest form */
	else if (p[0] == 0xf0)
		low = 0x90;
	else if (p[0] == 0xed)
		high = 0x9f;	/* surrogates */
	else if (p[0] == 0xf4)
		high = 0x8f;	/* beyond U+10FFFF */
	if (p[1] < low || p[1] > high)
		return 0;
	for (i = 2; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	}
	return n;
}

uint32_t
addr_utf8_point(const char *text, size_t n)
{
	const unsigned char *p = (const unsigned char *)text;
	uint32_t c = n == 1 ? p[0] : p[0] & (0x7fU >> n);
	size_t i;

	for (i = 1; i < n; i++)
		c = c << 6 | (p[i] & 0x3f);
	return c;
}

int
addr_is_utf8(const char *text, size_t len)
{
	size_t i, n;

	for (i = 0; i < len; i += n) {
		n = addr_utf8_len(text + i, len - i);
		if (n == 0)
			return 0;
	}
	return 1;
}

static void
put_quoted(struct buf *out, const char *name, size_t len)
{
	size_t i;

	buf_putc(out, '"');
	for (i = 0; i < len; i++) {
		if (name[i] == '"' || name[i] == '\\')
			buf_putc(out, '\\');
		buf_putc(out, is_control(name[i]) ? ' ' : name[i]);
	}
	buf_putc(out, '"');
}

static void
put_q(struct buf *out, char c)
{
	if (text_is_alnum(c) || c == '-' || c == '+' || c == '/' ||
	    c == '!')
		buf_putc(out, c);
	else if (c == ' ' || is_control(c))
		buf_putc(out, '_');
	else
		buf_printf(out, "=%02X", (unsigned)(unsigned char)c);
}

/* No word ends within a character (RFC 2047 5). */
size_t
addr_put_encoded(struct buf *out, const char *text, size_t len, int is_utf8,
    size_t limit)
{
	size_t i, k, n, start = out->len;

	if (limit == 0 || limit > WORD_MAX)
		limit = WORD_MAX;
	buf_puts(out, is_utf8 ? "=?utf-8?Q?" : "=?unknown-8bit?Q?");
	for (i = 0; i < len; i += n) {
		n = is_utf8 ? addr_utf8_len(text + i, len - i) : 1;
		if (n == 0)
			n = 1;
		if (i > 0 && out->len - start + 3 * n + 2 > limit)
			break;
		for (k = 0; k < n; k++)
			put_q(out, text[i + k]);
	}
	buf_puts(out, "?=");
	return i;
}

static void
put_words(struct buf *out, const char *name, size_t len)
{
	int is_utf8 = addr_is_utf8(name, len);
	size_t i;

	for (i = 0; i < len; ) {
		buf_puts(out, i == 0 ? "" : " ");
		i += addr_put_encoded(out, name + i, len - i, is_utf8, 0);
	}
}

void
addr_put_phrase(struct buf *out, const char *name)
{
	size_t i, len = strlen(name), atoms = 0, wide = 0;

	if (len > PHRASE_MAX) {
		len = PHRASE_MAX;
		while (len > 0 && (name[len] & 0xc0) == 0x80)
			len--;
	}
	for (i = 0; i < len; i++) {
		wide += (name[i] & 0x80) != 0;
		/* one blank between atoms is no reason for quotes */
		atoms += is_atext(name[i]) || (name[i] == ' ' && i > 0 &&
		    i + 1 < len && name[i - 1] != ' ') ? 1 : 0;
	}
	if (len == 0)
		return;
	if (wide > 0)
		put_words(out, name, len);
	else if (atoms == len && strstr(name, "=?") == NULL)
		buf_add(out, name, len);
	else
		put_quoted(out, name, len);
}
