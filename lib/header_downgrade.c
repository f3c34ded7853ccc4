/*
 * header_downgrade.c - header fields for hosts that take no 8-bit text.
 * Runs as: anyone.  Uses: nothing.
 * Promise: what comes out is ASCII; who decodes it reads the same text, and
 * no address has changed.
 */
#include <string.h>
#include <strings.h>

#include "lib/addr.h"
#include "lib/header_downgrade.h"

#define LINE_WISH	76	/* octets of a line with an encoded word */
#define ROOM_MIN	24	/* for an encoded word, before the line folds */
#define WORD_MAX	75	/* octets of an encoded word (RFC 2047 2) */
#define PIECE_MAX	60	/* octets of a piece of a parameter */

enum kind { KIND_TEXT, KIND_LIST, KIND_IDS, KIND_PARAMETERS };

/* Fields whose values have a grammar; all others are text. */
static const struct {
	const char	*name;
	enum kind	 kind;
} known[] = {
	{ "From",			KIND_LIST },
	{ "Sender",			KIND_LIST },
	{ "Reply-To",			KIND_LIST },
	{ "To",				KIND_LIST },
	{ "Cc",				KIND_LIST },
	{ "Bcc",			KIND_LIST },
	{ "Resent-From",		KIND_LIST },
	{ "Resent-Sender",		KIND_LIST },
	{ "Resent-Reply-To",		KIND_LIST },
	{ "Resent-To",			KIND_LIST },
	{ "Resent-Cc",			KIND_LIST },
	{ "Mail-Reply-To",		KIND_LIST },
	{ "Mail-Followup-To",		KIND_LIST },
	{ "Errors-To",			KIND_LIST },
	{ "Return-Receipt-To",		KIND_LIST },
	{ "Disposition-Notification-To", KIND_LIST },
	{ "Message-ID",			KIND_IDS },
	{ "Resent-Message-ID",		KIND_IDS },
	{ "In-Reply-To",		KIND_IDS },
	{ "References",			KIND_IDS },
	{ "Content-ID",			KIND_IDS },
	{ "Content-Type",		KIND_PARAMETERS },
	{ "Content-Disposition",	KIND_PARAMETERS },
};

/* The last word that was given. */
enum last { LAST_NONE, LAST_PLAIN, LAST_ENCODED, LAST_RUN };

/*
 * Words on their way out.  Those that are encoded one after the other make a
 * run, with the blanks between them inside: readers drop the blanks between
 * encoded words (RFC 2047 6.2).
 */
struct words {
	struct buf	*out;
	size_t		 start;		/* of the field in out */
	int		 is_utf8;
	int		 has_ids;	/* an id says nothing: =XX will do */
	enum last	 last;
	struct buf	 gap;		/* blanks before the next word */
	struct buf	 run_gap;	/* those before the run */
	struct buf	 run;		/* decoded */
};

int
ascii_is_not(const char *p, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if ((unsigned char)p[i] >= 0x80)
			return 1;
	return 0;
}

static int
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n';
}

static void
words_init(struct words *w, struct buf *out, const char *field, size_t len)
{
	memset(w, 0, sizeof(*w));
	w->out = out;
	w->start = out->len;
	w->is_utf8 = addr_is_utf8(field, len);
	buf_init(&w->gap, 0);
	buf_init(&w->run_gap, 0);
	buf_init(&w->run, 0);
}

static void
words_fini(struct words *w)
{
	if (buf_failed(&w->gap) || buf_failed(&w->run_gap) ||
	    buf_failed(&w->run))
		w->out->failed = 1;
	buf_fini(&w->gap);
	buf_fini(&w->run_gap);
	buf_fini(&w->run);
}

/* Octets of the line that is being written. */
static size_t
column(const struct words *w)
{
	size_t i;

	for (i = w->out->len; i > w->start && w->out->len - i < LINE_WISH; i--)
		if (w->out->data[i - 1] == '\n')
			break;
	return w->out->len - i;
}

/*
 * One encoded word of as much text as there is room for; octets of text
 * taken.  No word ends within a character (RFC 2047 5).
 */
static size_t
put_word(struct words *w, const char *p, size_t n, size_t room)
{
	size_t i, k, size, start = w->out->len;

	if (room > WORD_MAX)
		room = WORD_MAX;
	buf_puts(w->out, w->is_utf8 ? "=?utf-8?Q?" : "=?unknown-8bit?Q?");
	for (i = 0; i < n; i += size) {
		size = w->is_utf8 ? addr_utf8_len(p + i, n - i) : 1;
		if (size == 0)
			size = 1;
		if (i > 0 && w->out->len - start + 3 * size + 2 > room)
			break;
		for (k = 0; k < size; k++)
			addr_put_q(w->out, p[i + k]);
	}
	buf_puts(w->out, "?=");
	return i;
}

/* The blanks before a word; the line folds there when it is rather full. */
static void
put_gap(struct words *w, const char *gap, size_t n)
{
	size_t used = column(w) + n;

	if (memchr(gap, '\n', n) == NULL && n > 0 &&
	    used + ROOM_MIN > LINE_WISH)
		buf_putc(w->out, '\n');
	buf_add(w->out, gap, n);
}

static void
end_run(struct words *w)
{
	const char *p = buf_str(&w->run);
	size_t left = w->run.len, n, used;

	if (w->last != LAST_RUN)
		return;
	put_gap(w, buf_str(&w->run_gap), w->run_gap.len);
	while (left > 0 && !buf_failed(w->out)) {
		used = column(w);
		n = put_word(w, p, left, used + ROOM_MIN > LINE_WISH ?
		    WORD_MAX : LINE_WISH - used);
		p += n;
		left -= n;
		if (left > 0)
			buf_puts(w->out, "\n ");
	}
	buf_reset(&w->run);
	w->last = LAST_ENCODED;
}

/* The gap as a reader sees it: a fold is no text. */
static void
gap_to_run(struct words *w)
{
	size_t i;

	for (i = 0; i < w->gap.len; i++)
		if (w->gap.data[i] != '\n')
			buf_putc(&w->run, ' ');
}

static void
add_gap(struct words *w, const char *p, size_t n)
{
	buf_add(&w->gap, p, n);
}

static int
looks_encoded(const char *p, size_t n)
{
	return n > 8 && memcmp(p, "=?", 2) == 0 &&
	    memcmp(p + n - 2, "?=", 2) == 0;
}

/* A word that is to be encoded; text is what it says. */
static void
add_encoded(struct words *w, const char *text, size_t n)
{
	if (w->last == LAST_RUN) {
		gap_to_run(w);
	} else {
		/* An encoded word stands alone (RFC 2047 5). */
		if (w->gap.len == 0 && w->last != LAST_NONE)
			buf_putc(&w->gap, ' ');
		if (w->last == LAST_ENCODED)
			gap_to_run(w);
		buf_reset(&w->run_gap);
		buf_add(&w->run_gap, buf_str(&w->gap), w->gap.len);
	}
	buf_add(&w->run, text, n);
	buf_reset(&w->gap);
	w->last = LAST_RUN;
}

/* A word as it is. */
static void
add_plain(struct words *w, const char *text, size_t n)
{
	int is_encoded = looks_encoded(text, n);

	if (w->last == LAST_RUN && w->gap.len == 0)
		buf_putc(&w->gap, ' ');
	if (w->last == LAST_RUN && is_encoded)
		gap_to_run(w);
	end_run(w);
	buf_add(w->out, buf_str(&w->gap), w->gap.len);
	buf_add(w->out, text, n);
	buf_reset(&w->gap);
	w->last = is_encoded ? LAST_ENCODED : LAST_PLAIN;
}

/* A mark of the grammar; words on both sides of it are no neighbours. */
static void
add_mark(struct words *w, char c)
{
	if (w->last == LAST_RUN && w->gap.len == 0 && c != ')')
		buf_putc(&w->gap, ' ');
	end_run(w);
	buf_add(w->out, buf_str(&w->gap), w->gap.len);
	buf_putc(w->out, c);
	buf_reset(&w->gap);
	w->last = LAST_NONE;
}

static void
end_words(struct words *w)
{
	end_run(w);
	buf_add(w->out, buf_str(&w->gap), w->gap.len);
	buf_reset(&w->gap);
	w->last = LAST_NONE;
}

/* Text between the places from and to, without the backslashes. */
static void
unescape(struct buf *out, const char *p, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (p[i] == '\\' && i + 1 < n)
			i++;
		if (p[i] != '\n')
			buf_putc(out, p[i]);
	}
}

/* A word of text, or of a comment, where a backslash says nothing. */
static void
add_word(struct words *w, const char *p, size_t n, int is_escaped)
{
	struct buf text;

	if (n == 0)
		return;
	if (!ascii_is_not(p, n)) {
		add_plain(w, p, n);
		return;
	}
	buf_init(&text, 0);
	if (is_escaped)
		unescape(&text, p, n);
	else
		buf_add(&text, p, n);
	w->out->failed |= buf_failed(&text);
	add_encoded(w, buf_str(&text), text.len);
	buf_fini(&text);
}

static size_t
blanks(const char *p, size_t n)
{
	size_t i;

	for (i = 0; i < n && is_blank(p[i]); i++)
		;
	return i;
}

static void
text_value(struct words *w, const char *p, size_t n)
{
	size_t i, k;

	for (i = 0; i < n; i += k) {
		k = blanks(p + i, n - i);
		add_gap(w, p + i, k);
		i += k;
		for (k = 0; i + k < n && !is_blank(p[i + k]); k++)
			;
		add_word(w, p + i, k, 0);
	}
	end_words(w);
}

/* From an open parenthesis to behind its close, or to the end. */
static size_t
comment(struct words *w, const char *p, size_t n)
{
	size_t i, k, depth = 0;

	for (i = 0; i < n; ) {
		k = blanks(p + i, n - i);
		add_gap(w, p + i, k);
		i += k;
		for (k = 0; i + k < n && !is_blank(p[i + k]) &&
		    p[i + k] != '(' && p[i + k] != ')'; k++)
			if (p[i + k] == '\\' && i + k + 1 < n)
				k++;
		add_word(w, p + i, k, 1);
		i += k;
		if (i == n || is_blank(p[i]))
			continue;
		add_mark(w, p[i]);
		depth += p[i] == '(' ? 1 : (size_t)-1;
		i++;
		if (depth == 0)
			return i;
	}
	return i;
}

/* Octets of a quoted string with its quotes. */
static size_t
quoted_len(const char *p, size_t n)
{
	size_t i;

	for (i = 1; i < n && p[i] != '"'; i++)
		if (p[i] == '\\' && i + 1 < n)
			i++;
	return i < n ? i + 1 : n;
}

/* What stands between < and >, with them. */
static size_t
angle_len(const char *p, size_t n)
{
	size_t i;

	for (i = 1; i < n && p[i] != '>'; i++)
		if (p[i] == '"')
			i += quoted_len(p + i, n - i) - 1;
	return i < n ? i + 1 : n;
}

static size_t
atom_len(const char *p, size_t n)
{
	size_t i;

	for (i = 0; i < n && !is_blank(p[i]) &&
	    strchr("()<>,;:@[]\"", p[i]) == NULL; i++)
		;
	return i;
}

static size_t
max(size_t a, size_t b)
{
	return a > b ? a : b;
}

/* An address or an id.  Ids stay different from each other. */
static int
add_address(struct words *w, const char *p, size_t len)
{
	struct buf text;
	size_t i;

	if (!ascii_is_not(p, len)) {
		add_plain(w, p, len);
		return 0;
	}
	if (!w->has_ids)
		return -1;
	buf_init(&text, 0);
	for (i = 0; i < len; i++)
		buf_printf(&text, (unsigned char)p[i] < 0x80 ? "%c" : "=%02X",
		    (unsigned char)p[i]);
	w->out->failed |= buf_failed(&text);
	add_plain(w, buf_str(&text), text.len);
	buf_fini(&text);
	return 0;
}

/* One word of a list: of a name, or of an address.  -1: it must be ASCII. */
static int
list_word(struct words *w, const char *p, size_t len, const char *last,
    int is_host)
{
	size_t gap = blanks(p + len, (size_t)(last - (p + len)));
	int is_address = is_host || p[0] == '<' ||
	    (p + len + gap < last && p[len + gap] == '@');
	struct buf text;

	if (is_address || !ascii_is_not(p, len))
		return add_address(w, p, len);
	if (p[0] != '"') {
		add_encoded(w, p, len);
		return 0;
	}
	buf_init(&text, 0);
	unescape(&text, p + 1, len - (len > 1 && p[len - 1] == '"' ? 2 : 1));
	w->out->failed |= buf_failed(&text);
	add_encoded(w, buf_str(&text), text.len);
	buf_fini(&text);
	return 0;
}

/* Addresses with names, comments and groups; also ids. */
static int
list_value(struct words *w, const char *p, size_t n)
{
	const char *last = p + n;
	int is_host = 0;
	size_t len;

	while (p < last) {
		len = blanks(p, (size_t)(last - p));
		add_gap(w, p, len);
		p += len;
		if (p == last)
			break;
		len = atom_len(p, (size_t)(last - p));
		if (*p == '(') {
			p += comment(w, p, (size_t)(last - p));
			continue;
		}
		if (*p == '<')
			len = angle_len(p, (size_t)(last - p));
		if (*p == '"')
			len = quoted_len(p, (size_t)(last - p));
		if (len == 0)
			add_mark(w, *p);
		else if (list_word(w, p, len, last, is_host) == -1)
			return -1;
		is_host = *p == '@' || (is_host && *p == '[');
		p += max(len, 1);
	}
	end_words(w);
	return 0;
}

/* A piece of a parameter as RFC 2231 has it; octets of the value taken. */
static size_t
put_percent(struct buf *out, const char *p, size_t n)
{
	size_t i, start = out->len;
	unsigned char c;

	for (i = 0; i < n && out->len - start < PIECE_MAX; i++) {
		c = (unsigned char)p[i];
		if ((c >= '0' && c <= '9') || ((c | 0x20) >= 'a' &&
		    (c | 0x20) <= 'z') || c == '-' || c == '.' || c == '_')
			buf_putc(out, p[i]);
		else
			buf_printf(out, "%%%02X", (unsigned)c);
	}
	return i;
}

static void
put_parameter(struct words *w, const char *name, size_t len, const char *p,
    size_t n)
{
	const char *charset = w->is_utf8 ? "utf-8''" : "unknown-8bit''";
	unsigned piece = 0;
	size_t taken;
	int is_long = 3 * n > PIECE_MAX;

	for (;;) {
		buf_printf(w->out, "%s%.*s*", piece == 0 ? "" : ";\n ",
		    (int)len, name);
		if (is_long)
			buf_printf(w->out, "%u*", piece);
		buf_printf(w->out, "=%s", piece == 0 ? charset : "");
		taken = put_percent(w->out, p, n);
		p += taken;
		n -= taken;
		piece++;
		if (n == 0 || buf_failed(w->out))
			return;
	}
}

/* A value that is in percents already, but for some octets. */
static void
put_percents(struct buf *out, const char *p, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		buf_printf(out, (unsigned char)p[i] < 0x80 ? "%c" : "%%%02X",
		    (unsigned char)p[i]);
}

static int
is_parameter(const char *name, size_t len)
{
	return len > 0 && len <= PIECE_MAX && !ascii_is_not(name, len) &&
	    (memchr(name, '*', len) == NULL || name[len - 1] == '*') &&
	    (len < 8 || strncasecmp(name, "boundary", 8) != 0);
}

/* One parameter, from behind its semicolon to the next one. */
static int
parameter(struct words *w, const char *p, size_t n)
{
	size_t len, at, start = blanks(p, n);
	struct buf text;

	while (n > start && is_blank(p[n - 1]))
		n--;
	for (at = start; at < n && p[at] != '=' && !is_blank(p[at]); at++)
		;
	len = at - start;
	at += blanks(p + at, n - at);
	if (at == n || p[at] != '=' || !is_parameter(p + start, len))
		return -1;
	if (p[start + len - 1] == '*') {
		put_percents(w->out, p, n);
		return 0;
	}
	at++;
	at += blanks(p + at, n - at);
	buf_init(&text, 0);
	if (at < n && p[at] == '"')
		unescape(&text, p + at + 1, n - at - 1 -
		    (n - at > 1 && p[n - 1] == '"'));
	else
		buf_add(&text, p + at, n - at);
	w->out->failed |= buf_failed(&text);
	buf_puts(w->out, column(w) + len + 3 * text.len + 16 > LINE_WISH ?
	    "\n " : " ");
	put_parameter(w, p + start, len, buf_str(&text), text.len);
	buf_fini(&text);
	return 0;
}

static size_t
parameter_len(const char *p, size_t n)
{
	size_t i;

	for (i = 0; i < n && p[i] != ';'; i++)
		if (p[i] == '"')
			i += quoted_len(p + i, n - i) - 1;
	return i;
}

static int
parameters_value(struct words *w, const char *p, size_t n)
{
	size_t i, len;

	for (i = 0; i < n; i += len + 1) {
		len = parameter_len(p + i, n - i);
		if (!ascii_is_not(p + i, len))
			buf_add(w->out, p + i, len);
		else if (i == 0 || parameter(w, p + i, len) == -1)
			return -1;
		if (i + len < n)
			buf_putc(w->out, ';');
	}
	return 0;
}

static enum kind
kind_of(const char *field, size_t len)
{
	size_t i;

	for (i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strlen(known[i].name) == len &&
		    strncasecmp(known[i].name, field, len) == 0)
			return known[i].kind;
	return KIND_TEXT;
}

int
header_downgrade_field(struct buf *out, const char *field, size_t len)
{
	const char *colon = len == 0 ? NULL : memchr(field, ':', len);
	struct words w;
	size_t name, n;
	int ret = 0;

	if (colon == NULL)
		return ascii_is_not(field, len) ? -1 : 0;
	n = (size_t)(colon - field) + 1;
	for (name = n - 1; name > 0 && is_blank(field[name - 1]); name--)
		;
	if (len > n && field[len - 1] == '\n')
		len--;
	words_init(&w, out, field, len);
	buf_add(out, field, n);
	switch (kind_of(field, name)) {
	case KIND_IDS:
		w.has_ids = 1;
		/* FALLTHROUGH */
	case KIND_LIST:
		ret = list_value(&w, field + n, len - n);
		break;
	case KIND_PARAMETERS:
		ret = parameters_value(&w, field + n, len - n);
		break;
	default:
		text_value(&w, field + n, len - n);
	}
	buf_putc(out, '\n');
	words_fini(&w);
	return ret;
}
