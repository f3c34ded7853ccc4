/*
 * header_downgrade.c - header fields in ASCII, for SMTP without SMTPUTF8.
 * Runs as: anyone.  Uses: nothing.
 * Promise: a reader that decodes what was encoded sees the same text, and no
 * address changes but in how its domain is written.
 */
#include <string.h>

#include "lib/addr.h"
#include "lib/buf.h"
#include "lib/header_downgrade.h"

#define LINE_LIMIT	76	/* bytes of a line with an encoded word */
#define SPACE_MIN	24	/* for an encoded word, before the line folds */
#define SECTION_MAX	60	/* bytes of a section of a parameter */

enum field_kind { KIND_TEXT, KIND_ADDRESSES, KIND_IDS, KIND_TRACE,
    KIND_PARAMETERS };

/* All others are unstructured text. */
static const struct {
	const char	*name;
	enum field_kind	 kind;
} known[] = {
	{ "From",			KIND_ADDRESSES },
	{ "Sender",			KIND_ADDRESSES },
	{ "Reply-To",			KIND_ADDRESSES },
	{ "To",				KIND_ADDRESSES },
	{ "Cc",				KIND_ADDRESSES },
	{ "Bcc",			KIND_ADDRESSES },
	{ "Resent-From",		KIND_ADDRESSES },
	{ "Resent-Sender",		KIND_ADDRESSES },
	{ "Resent-Reply-To",		KIND_ADDRESSES },
	{ "Resent-To",			KIND_ADDRESSES },
	{ "Resent-Cc",			KIND_ADDRESSES },
	{ "Mail-Reply-To",		KIND_ADDRESSES },
	{ "Mail-Followup-To",		KIND_ADDRESSES },
	{ "Errors-To",			KIND_ADDRESSES },
	{ "Return-Receipt-To",		KIND_ADDRESSES },
	{ "Disposition-Notification-To", KIND_ADDRESSES },
	{ "Message-ID",			KIND_IDS },
	{ "Resent-Message-ID",		KIND_IDS },
	{ "In-Reply-To",		KIND_IDS },
	{ "References",			KIND_IDS },
	{ "Content-ID",			KIND_IDS },
	{ "Received",			KIND_TRACE },
	{ "Content-Type",		KIND_PARAMETERS },
	{ "Content-Disposition",	KIND_PARAMETERS },
};

/* The last word that was added. */
enum last { LAST_NONE, LAST_PLAIN, LAST_ENCODED, LAST_RUN };

struct span {
	const char	*p;
	size_t		 n;
};

/*
 * Words on their way out.  Neighbours that have to be encoded make a run, with
 * the blanks between them inside: readers drop the blanks between encoded
 * words (RFC 2047 6.2).
 */
struct words {
	struct buf	*out;
	size_t		 start;		/* of the field in out */
	int		 is_utf8;
	enum last	 last;
	struct span	 gap;		/* blanks before the next word */
	struct span	 run_gap;	/* those before the run */
	struct buf	 run;		/* decoded */
	header_domain	*to_ascii;	/* or NULL */
	int		 is_bad;	/* it cannot be */
};

static int
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n';
}

/* Bytes of the line that is being written. */
static size_t
column(const struct words *w)
{
	size_t i;

	for (i = w->out->len; i > w->start; i--)
		if (w->out->data[i - 1] == '\n')
			break;
	return w->out->len - i;
}

/* ---- words ---- */

static void
put_gap(struct words *w)
{
	buf_add(w->out, w->gap.p, w->gap.n);
	w->gap.n = 0;
}

static void
end_run(struct words *w)
{
	size_t done = 0, used = column(w) + w->run_gap.n;

	if (w->last != LAST_RUN)
		return;
	if (used + SPACE_MIN > LINE_LIMIT && w->run_gap.n > 0 &&
	    memchr(w->run_gap.p, '\n', w->run_gap.n) == NULL)
		buf_putc(w->out, '\n');
	buf_add(w->out, w->run_gap.p, w->run_gap.n);
	while (done < w->run.len && !buf_failed(w->out)) {
		used = column(w);
		done += addr_put_encoded(w->out, buf_str(&w->run) + done,
		    w->run.len - done, w->is_utf8,
		    used + SPACE_MIN > LINE_LIMIT ? 0 : LINE_LIMIT - used);
		if (done < w->run.len)
			buf_puts(w->out, "\n ");
	}
	buf_reset(&w->run);
	w->last = LAST_ENCODED;
}

/* The gap as a reader sees it: a fold is not text. */
static void
gap_to_run(struct words *w)
{
	size_t i;

	for (i = 0; i < w->gap.n; i++)
		if (w->gap.p[i] != '\n')
			buf_putc(&w->run, ' ');
}

/* An encoded word stands alone (RFC 2047 5). */
static void
need_gap(struct words *w)
{
	if (w->gap.n == 0)
		w->gap = (struct span){ " ", 1 };
}

/* A word to be encoded, without the backslashes and folds of a quoted one. */
static void
add_encoded(struct words *w, const char *p, size_t n, int is_quoted)
{
	size_t i;

	if (w->last != LAST_NONE)
		need_gap(w);
	if (w->last == LAST_RUN || w->last == LAST_ENCODED)
		gap_to_run(w);
	if (w->last != LAST_RUN)
		w->run_gap = w->gap;
	for (i = 0; i < n; i++) {
		if (is_quoted && p[i] == '\\' && i + 1 < n)
			i++;
		if (p[i] != '\n')
			buf_putc(&w->run, p[i]);
	}
	w->gap.n = 0;
	w->last = LAST_RUN;
}

/* A word as it is. */
static void
add_plain(struct words *w, const char *p, size_t n)
{
	int is_encoded = n > 8 && memcmp(p, "=?", 2) == 0 &&
	    memcmp(p + n - 2, "?=", 2) == 0;

	if (w->last == LAST_RUN)
		need_gap(w);
	if (w->last == LAST_RUN && is_encoded)
		gap_to_run(w);
	end_run(w);
	put_gap(w);
	buf_add(w->out, p, n);
	w->last = is_encoded ? LAST_ENCODED : LAST_PLAIN;
}

/* A mark of the grammar; words on both sides of it are not neighbours. */
static void
add_mark(struct words *w, char c)
{
	if (w->last == LAST_RUN && c != ')')
		need_gap(w);
	end_run(w);
	put_gap(w);
	buf_putc(w->out, c);
	w->last = LAST_NONE;
}

static void
add_word(struct words *w, const char *p, size_t n, int is_quoted)
{
	if (text_is_ascii(p, n))
		add_plain(w, p, n);
	else
		add_encoded(w, p, n, is_quoted);
}

static int
put_domain(const struct words *w, const char *p, size_t n, struct buf *out)
{
	return w->to_ascii == NULL ? -1 : w->to_ascii(p, n, out);
}

/* One that may be the name of a host. */
static void
add_host(struct words *w, const char *p, size_t n)
{
	struct buf name;

	buf_init(&name, 0);
	if (!text_is_ascii(p, n) && put_domain(w, p, n, &name) == 0)
		add_plain(w, buf_str(&name), name.len);
	else
		add_word(w, p, n, 0);
	w->out->failed |= buf_failed(&name);
	buf_fini(&name);
}

/* ---- values ---- */

static size_t
take_gap(struct words *w, const char *p, size_t n)
{
	size_t i;

	for (i = 0; i < n && is_blank(p[i]); i++)
		;
	w->gap = (struct span){ p, i };
	return i;
}

static void
text_value(struct words *w, const char *p, size_t n, int is_trace)
{
	size_t i, k;

	for (i = take_gap(w, p, n); i < n; i += take_gap(w, p + i, n - i)) {
		for (k = 0; i + k < n && !is_blank(p[i + k]); k++)
			;
		if (is_trace)
			add_host(w, p + i, k);
		else
			add_word(w, p + i, k, 0);
		i += k;
	}
}

/* Bytes up to one of the ends, with it; a backslash hides it. */
static size_t
quoted_len(const char *p, size_t n, char end)
{
	size_t i;

	for (i = 1; i < n && p[i] != end; i++) {
		if (p[i] == '\\' && i + 1 < n)
			i++;
		else if (p[i] == '"')
			i += quoted_len(p + i, n - i, '"') - 1;
	}
	return i < n ? i + 1 : n;
}

/* Bytes of a word of a list, or of a comment in it; 0: a mark. */
static size_t
word_len(const char *p, size_t n, size_t depth)
{
	size_t i;

	if (depth == 0 && (*p == '"' || *p == '<'))
		return quoted_len(p, n, *p == '"' ? '"' : '>');
	for (i = 0; i < n && !is_blank(p[i]) &&
	    strchr(depth > 0 ? "()" : "()<>,;:@[]\"", p[i]) == NULL; i++)
		if (depth > 0 && p[i] == '\\' && i + 1 < n)
			i++;
	return i;
}

/* A word that is an address, or the local part or the domain of one. */
static int
is_address(const char *p, size_t len, size_t n, int is_domain)
{
	if (is_domain || *p == '<')
		return 1;
	while (len < n && is_blank(p[len]))
		len++;
	return len < n && p[len] == '@';
}

/* "<a@b>", with an 8-bit domain alone; or, without its local part, "b". */
static int
add_address(struct words *w, const char *p, size_t n, int is_domain)
{
	size_t at = n, end = n > 0 && p[n - 1] == '>' ? n - 1 : n;
	struct buf word;
	int ret = -1;

	while (at > 0 && p[at - 1] != '@')
		at--;
	buf_init(&word, 0);
	buf_add(&word, p, at);
	if ((is_domain || at > 0) && text_is_ascii(p, at) &&
	    put_domain(w, p + at, end - at, &word) == 0) {
		buf_add(&word, p + end, n - end);
		add_plain(w, buf_str(&word), word.len);
		ret = 0;
	}
	w->out->failed |= buf_failed(&word);
	buf_fini(&word);
	return ret;
}

static void
add_list_word(struct words *w, const char *p, size_t n)
{
	if (*p != '"' || text_is_ascii(p, n))
		add_word(w, p, n, 0);
	else
		add_encoded(w, p + 1, n - 1 - (n > 1 && p[n - 1] == '"'), 1);
}

/* Addresses with names, comments and groups. */
static int
list_value(struct words *w, const char *p, size_t n)
{
	size_t i, len, depth = 0;
	int is_domain = 0;

	for (i = take_gap(w, p, n); i < n; i += take_gap(w, p + i, n - i)) {
		len = word_len(p + i, n - i, depth);
		if (len == 0) {
			add_mark(w, p[i]);
			depth += p[i] == '(';
			depth -= p[i] == ')' && depth > 0;
		} else if (depth > 0) {
			add_word(w, p + i, len, 1);
		} else if (!is_address(p + i, len, n - i, is_domain)) {
			add_list_word(w, p + i, len);
		} else if (text_is_ascii(p + i, len)) {
			add_plain(w, p + i, len);
		} else if (add_address(w, p + i, len, is_domain &&
		    p[i - 1] != '[') == -1) {
			return -1;
		}
		if (depth == 0 && p[i] != ')')
			is_domain = p[i] == '@' || (is_domain && p[i] == '[');
		i += len == 0 ? 1 : len;
	}
	return 0;
}

static enum field_kind
kind_of(const char *field, size_t len)
{
	size_t i;

	for (i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strlen(known[i].name) == len &&
		    text_ncasecmp(known[i].name, field, len) == 0)
			return known[i].kind;
	return KIND_TEXT;
}

/* ---- ids and parameters ---- */

static void
put_hex(struct buf *out, char mark, char c)
{
	buf_printf(out, "%c%02X", mark, (unsigned)(unsigned char)c);
}

static void
put_bytes(struct buf *out, const char *p, size_t n, char mark)
{
	size_t i;

	for (i = 0; i < n; i++)
		if ((p[i] & 0x80) != 0)
			put_hex(out, mark, p[i]);
		else
			buf_putc(out, p[i]);
}

/* "<left@domain>", and whatever people write between. */
static void
put_ids(struct words *w, const char *p, size_t n)
{
	size_t i, at;

	while (n > 0) {
		for (i = 0; i < n && p[i] != '@'; i++)
			;
		at = i < n;
		put_bytes(w->out, p, i + at, '=');
		p += i + at;
		n -= i + at;
		for (i = 0; i < n && p[i] != '>' && p[i] != '@' &&
		    !is_blank(p[i]); i++)
			;
		if (at == 0 || i == 0 || put_domain(w, p, i, w->out) == -1)
			put_bytes(w->out, p, i, '=');
		p += i;
		n -= i;
	}
}

/* One section of a value; bytes that are in it. */
static size_t
put_section(struct buf *out, const char *p, size_t n)
{
	static const char plain[] = "0123456789abcdefghijklmnopqrstuvwxyz"
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZ-._";
	size_t i, start = out->len;

	for (i = 0; i < n && out->len - start < SECTION_MAX; i++)
		if (p[i] != '\0' && strchr(plain, p[i]) != NULL)
			buf_putc(out, p[i]);
		else
			put_hex(out, '%', p[i]);
	return i;
}

/* name*=utf-8''value, or in sections name*0*=, name*1*=. */
static void
put_parameter(struct words *w, const char *name, size_t n,
    const struct buf *value)
{
	const char *charset = w->is_utf8 ? "utf-8''" : "unknown-8bit''";
	int is_single = value->len * 3 <= SECTION_MAX;
	size_t i = 0;
	unsigned k;

	for (k = 0; i < value->len && !buf_failed(w->out); k++) {
		if (k > 0)
			buf_puts(w->out, ";\n ");
		buf_add(w->out, name, n);
		if (is_single)
			buf_printf(w->out, "*=%s", charset);
		else
			buf_printf(w->out, "*%u*=%s", k, k == 0 ? charset : "");
		i += put_section(w->out, buf_str(value) + i, value->len - i);
	}
}

/* The value without quotes, backslashes and folds; where it ends. */
static size_t
take_value(const char *p, size_t n, struct buf *value)
{
	int is_quoted = n > 0 && *p == '"';
	size_t i;

	for (i = (size_t)is_quoted; i < n; i++) {
		if (is_quoted ? p[i] == '"' : p[i] == ';' || is_blank(p[i]))
			break;
		if (is_quoted && p[i] == '\\' && i + 1 < n)
			i++;
		if (p[i] != '\n')
			buf_putc(value, p[i]);
	}
	return i + (is_quoted && i < n);
}

/* From the name of a parameter on; bytes that were taken. */
static size_t
put_pair(struct words *w, const char *p, size_t n)
{
	struct buf value;
	size_t name, len;

	for (name = 0; name < n && strchr("=;\" \t\n", p[name]) == NULL; )
		name++;
	if (name == 0 || name == n || p[name] != '=' ||
	    !text_is_ascii(p, name))
		return 0;
	buf_init(&value, 0);
	len = name + 1 + take_value(p + name + 1, n - name - 1, &value);
	/* What is in sections already, or has a charset, stays so. */
	if (text_is_ascii(buf_str(&value), value.len) ||
	    memchr(p, '*', name) != NULL)
		put_bytes(w->out, p, len, '%');
	else
		put_parameter(w, p, name, &value);
	/* The lines in the text, which it is for, stay as they are. */
	w->is_bad |= name == 8 && text_ncasecmp(p, "boundary", 8) == 0 &&
	    !text_is_ascii(buf_str(&value), value.len);
	w->out->failed |= buf_failed(&value);
	buf_fini(&value);
	return len;
}

static void
parameters_value(struct words *w, const char *p, size_t n)
{
	size_t i = 0, len;

	while (i < n) {
		for (len = 0; i + len < n && p[i + len] != ';'; len++)
			if (p[i + len] == '"')
				len += quoted_len(p + i + len, n - i - len,
				    '"') - 1;
		len += i + len < n;
		put_bytes(w->out, p + i, len, '=');
		i += len;
		len = take_gap(w, p + i, n - i);
		put_gap(w);
		i += len;
		i += put_pair(w, p + i, n - i);
	}
}

/* The value as one kind of field has it. */
static int
put_value(struct words *w, enum field_kind kind, const char *p, size_t n)
{
	int ret = 0;

	switch (kind) {
	case KIND_ADDRESSES:
		ret = list_value(w, p, n);
		break;
	case KIND_IDS:
		put_ids(w, p, n);
		break;
	case KIND_PARAMETERS:
		parameters_value(w, p, n);
		break;
	case KIND_TRACE:
	case KIND_TEXT:
		text_value(w, p, n, kind == KIND_TRACE);
	}
	end_run(w);
	put_gap(w);
	buf_putc(w->out, '\n');
	return w->is_bad ? -1 : ret;
}

int
header_downgrade_field(struct buf *out, const char *field, size_t len,
    header_domain *to_ascii)
{
	const char *colon = len == 0 ? NULL : memchr(field, ':', len);
	struct words w = { .out = out, .start = out->len,
	    .is_utf8 = addr_is_utf8(field, len), .to_ascii = to_ascii };
	size_t name, n = colon == NULL ? 0 : (size_t)(colon - field) + 1;
	enum field_kind kind;
	int ret;

	for (name = n; name > 1 && is_blank(field[name - 2]); name--)
		;
	kind = kind_of(field, name == 0 ? 0 : name - 1);
	if (colon == NULL) {
		buf_add(out, field, len);
		return 0;
	}
	if (len > n && field[len - 1] == '\n')
		len--;
	buf_init(&w.run, 0);
	buf_add(out, field, n);
	ret = put_value(&w, kind, field + n, len - n);
	out->failed |= buf_failed(&w.run);
	buf_fini(&w.run);
	return ret;
}
