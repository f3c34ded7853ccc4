/*
 * mail.c - the text of a message: input, facts, mbox, the wire.
 * Runs as: anyone.  Uses: nothing.
 * Promise: the same bytes come out however the text is cut into chunks; on
 * the wire only CRLF ends a line.
 */
#include <string.h>

#include "lib/addr.h"
#include "lib/mail.h"

/* How much of a lone dot, or of a CR LF, the last chunk ended in. */
enum input_state { INPUT_START, INPUT_TEXT, INPUT_DOT, INPUT_DOT_CR,
    INPUT_CR };

void
mail_input_init(struct mail_input *in, int dot_ends)
{
	*in = (struct mail_input){ .dot_ends = dot_ends };
}

/*
 * Whole lines as long as there is nothing to drop or to look at, or the rest
 * of the chunk; how many bytes were taken.
 */
static size_t
input_text(struct mail_input *in, const char *p, size_t n, struct buf *out)
{
	const char *nl, *q = p, *end = p + n;

	in->state = INPUT_TEXT;
	while (q < end) {
		nl = memchr(q, '\n', (size_t)(end - q));
		q = nl == NULL ? end : nl;
		if (q > p && q[-1] == '\r') {
			buf_add(out, p, (size_t)(q - p) - 1);
			in->state = INPUT_CR;
			return (size_t)(q - p);
		}
		if (nl == NULL)
			break;
		q++;
		if (q == end || (in->dot_ends && *q == '.')) {
			in->state = INPUT_START;
			break;
		}
	}
	buf_add(out, p, (size_t)(q - p));
	return (size_t)(q - p);
}

/* What was held back, now that c follows; 1 when c belongs to it. */
static int
input_held(struct mail_input *in, char c, struct buf *out)
{
	if (in->state == INPUT_CR) {
		in->state = c == '\n' ? INPUT_START : INPUT_TEXT;
		buf_putc(out, c == '\n' ? '\n' : '\r');
		return c == '\n';
	}
	if (c == '\n') {
		in->is_over = 1;
		return 1;
	}
	if (in->state == INPUT_DOT && c == '\r') {
		in->state = INPUT_DOT_CR;
		return 1;
	}
	buf_putc(out, '.');
	in->state = in->state == INPUT_DOT ? INPUT_TEXT : INPUT_CR;
	return 0;
}

void
mail_input(struct mail_input *in, const char *p, size_t n, struct buf *out)
{
	size_t used;

	while (n > 0 && !in->is_over) {
		if (in->state == INPUT_START && in->dot_ends && *p == '.') {
			in->state = INPUT_DOT;
			used = 1;
		} else if (in->state == INPUT_START || in->state == INPUT_TEXT)
			used = input_text(in, p, n, out);
		else
			used = input_held(in, *p, out) ? 1 : 0;
		p += used;
		n -= used;
	}
}

int
mail_input_is_text(struct mail_input *in, const char *p, size_t n)
{
	if (in->dot_ends || n == 0 || in->state > INPUT_TEXT ||
	    memchr(p, '\r', n) != NULL)
		return 0;
	in->state = p[n - 1] == '\n' ? INPUT_START : INPUT_TEXT;
	return 1;
}

void
mail_input_end(struct mail_input *in, struct buf *out)
{
	/* A dot that the end of the file follows is a lone dot as well. */
	if (in->state == INPUT_DOT || in->state == INPUT_DOT_CR)
		in->is_over = 1;
	if (!in->is_over && in->state != INPUT_START)
		buf_putc(out, '\n');
	in->state = INPUT_START;
}

static void
count_lines(struct mail_facts *f, const char *p, size_t n)
{
	const char *nl, *end = p + n;

	while (p < end) {
		nl = memchr(p, '\n', (size_t)(end - p));
		f->column += (size_t)((nl == NULL ? end : nl) - p);
		if (f->column > MAIL_WIRE_LINE)
			f->flags |= MESSAGE_LONG_LINES;
		if (nl == NULL)
			return;
		f->lines++;
		f->column = 0;
		p = nl + 1;
	}
}

void
mail_count(struct mail_facts *f, const char *p, size_t n)
{
	unsigned wide = f->in_header ? MESSAGE_8BIT_HEADER : MESSAGE_8BIT_BODY;

	if (n == 0)
		return;
	if ((f->flags & wide) == 0 && !text_is_ascii(p, n))
		f->flags |= wide;
	if (f->in_header && f->flags & wide && addr_is_utf8(p, n))
		f->flags |= MESSAGE_UTF8_HEADER;
	if ((f->flags & MESSAGE_HAS_NUL) == 0 && memchr(p, '\0', n) != NULL)
		f->flags |= MESSAGE_HAS_NUL;
	if ((f->flags & MESSAGE_HAS_CR) == 0 && memchr(p, '\r', n) != NULL)
		f->flags |= MESSAGE_HAS_CR;
	count_lines(f, p, n);
}

/* Text that came from outside, where one line of clean text must come out. */
static void
put_text(struct buf *out, const char *text, int keep_blanks)
{
	unsigned char c;

	for (; *text != '\0'; text++) {
		c = (unsigned char)*text;
		if (c < 0x20 || c == 0x7f || (c == ' ' && !keep_blanks))
			c = '-';
		buf_putc(out, (char)c);
	}
}

void
mail_put_envelope(struct buf *out, int from_line, const char *sender,
    const char *recipient, time_t when)
{
	char date[32];
	struct tm tm;

	if (gmtime_r(&when, &tm) == NULL)
		gmtime_r(&(time_t){ 0 }, &tm);
	if (from_line) {
		buf_puts(out, "From ");
		put_text(out, sender[0] == '\0' ? "MAILER-DAEMON" : sender, 0);
		strftime(date, sizeof(date), "%a %b %e %T %Y", &tm);
		buf_printf(out, " %s\n", date);
	}
	buf_puts(out, "Return-Path: <");
	put_text(out, sender, 1);
	buf_puts(out, ">\n");
	if (recipient == NULL)
		return;
	buf_puts(out, "Delivered-To: ");
	put_text(out, recipient, 1);
	buf_putc(out, '\n');
}

/*
 * mbox.  State 0 to 4: at the start of a line, that many bytes of "From"
 * after the quotes seen; they are held back until the line is decided.
 */
#define MBOX_TEXT	5
static const char mbox_from[] = "From ";

static void
mbox_flush(struct mail_mbox *m, struct buf *out)
{
	char *room;

	room = buf_space(out, m->quotes);
	if (room != NULL && m->quotes > 0) {
		memset(room, '>', m->quotes);
		buf_grown(out, m->quotes);
	}
	m->quotes = 0;
	if (m->state < MBOX_TEXT)
		buf_add(out, mbox_from, (size_t)m->state);
	m->state = MBOX_TEXT;
}

/* One byte at the start of a line; 0 when it decides but is not taken. */
static int
mbox_start(struct mail_mbox *m, char c, struct buf *out)
{
	if (m->state == 0 && c == '>') {
		m->quotes++;
		return 1;
	}
	if (c != mbox_from[m->state]) {
		mbox_flush(m, out);
		return 0;
	}
	m->state++;
	if (m->state < MBOX_TEXT)
		return 1;
	m->state = MBOX_TEXT - 1;
	m->quotes++;
	mbox_flush(m, out);
	buf_putc(out, c);
	return 1;
}

/* Whole lines as long as none begins in a way that may need a quote. */
static size_t
mbox_text(struct mail_mbox *m, const char *p, size_t n, struct buf *out)
{
	const char *nl, *q = p, *end = p + n;

	while (q < end) {
		nl = memchr(q, '\n', (size_t)(end - q));
		q = nl == NULL ? end : nl + 1;
		if (nl == NULL)
			break;
		if (q == end || *q == '>' || *q == 'F') {
			m->state = 0;
			break;
		}
	}
	buf_add(out, p, (size_t)(q - p));
	return (size_t)(q - p);
}

void
mail_mbox(struct mail_mbox *m, const char *p, size_t n, struct buf *out)
{
	size_t used;

	while (n > 0) {
		used = m->state == MBOX_TEXT ? mbox_text(m, p, n, out) :
		    mbox_start(m, *p, out) ? 1 : 0;
		p += used;
		n -= used;
	}
}

void
mail_mbox_end(struct mail_mbox *m, struct buf *out)
{
	if (m->state != 0 || m->quotes > 0) {
		mbox_flush(m, out);
		buf_putc(out, '\n');
	}
	buf_putc(out, '\n');
	m->state = 0;
}

void
mail_wire_init(struct mail_wire *w, int stuff)
{
	*w = (struct mail_wire){ .stuff = stuff, .in_header = 1 };
}

void
mail_wire_fini(struct mail_wire *w)
{
	buf_fini(&w->line);
}

static void
put_line(const struct mail_wire *w, const char *p, size_t n, struct buf *out)
{
	if (w->stuff && n > 0 && *p == '.')
		buf_putc(out, '.');
	buf_add(out, p, n);
	buf_add(out, "\r\n", 2);
}

size_t
mail_fold_at(const char *line, size_t limit)
{
	size_t i;

	for (i = limit; i > 0; i--)
		if (text_is_blank(line[i]) && !text_is_blank(line[i - 1]))
			return i;
	return limit;
}

/* A header line that became too long: its first part goes out. */
static void
fold(struct mail_wire *w, struct buf *out)
{
	size_t len = mail_fold_at(w->line.data, MAIL_WIRE_LINE);

	put_line(w, w->line.data, len, out);
	if (!text_is_blank(w->line.data[len]))
		w->line.data[--len] = ' ';
	buf_drop(&w->line, len);
}

static void
header_text(struct mail_wire *w, const char *p, size_t n, struct buf *out)
{
	size_t take;

	while (n > 0) {
		take = MAIL_WIRE_LINE + 1 - w->line.len;
		if (take > n)
			take = n;
		buf_add(&w->line, p, take);
		if (buf_failed(&w->line)) {
			out->failed = 1;
			return;
		}
		if (w->line.len > MAIL_WIRE_LINE)
			fold(w, out);
		p += take;
		n -= take;
	}
}

static void
body_text(struct mail_wire *w, const char *p, size_t n, struct buf *out)
{
	size_t take;

	while (n > 0) {
		if (w->column == MAIL_WIRE_LINE) {
			buf_add(out, "\r\n", 2);
			w->column = 0;
		}
		if (w->column == 0 && *p == '.' && w->stuff)
			buf_putc(out, '.');
		take = MAIL_WIRE_LINE - w->column;
		if (take > n)
			take = n;
		buf_add(out, p, take);
		w->column += take;
		p += take;
		n -= take;
	}
}

static void
end_line(struct mail_wire *w, struct buf *out)
{
	if (w->in_header) {
		w->in_header = w->line.len > 0;
		put_line(w, buf_str(&w->line), w->line.len, out);
		buf_reset(&w->line);
		return;
	}
	buf_add(out, "\r\n", 2);
	w->column = 0;
}

static void
some_text(struct mail_wire *w, const char *p, size_t n, struct buf *out)
{
	if (n == 0)
		return;
	w->after_cr = 0;
	if (w->in_header)
		header_text(w, p, n, out);
	else
		body_text(w, p, n, out);
}

/* Text in which CR and NUL occur, or what is left of a line before them. */
static void
wire_odd(struct mail_wire *w, const char *p, size_t n, struct buf *out)
{
	size_t i, start = 0;

	for (i = 0; i < n; i++) {
		if (p[i] != '\n' && p[i] != '\r' && p[i] != '\0')
			continue;
		some_text(w, p + start, i - start, out);
		start = i + 1;
		if (p[i] == '\0')
			continue;
		if (p[i] == '\r' || !w->after_cr)
			end_line(w, out);
		w->after_cr = p[i] == '\r';
	}
	some_text(w, p + start, n - start, out);
}

void
mail_wire(struct mail_wire *w, const char *p, size_t n, struct buf *out)
{
	const char *nl;
	size_t len;

	if (n == 0)
		return;
	if (w->after_cr || memchr(p, '\r', n) != NULL ||
	    memchr(p, '\0', n) != NULL) {
		wire_odd(w, p, n, out);
		return;
	}
	while (n > 0) {
		nl = memchr(p, '\n', n);
		len = nl == NULL ? n : (size_t)(nl - p);
		if (nl != NULL && !w->in_header && w->column == 0 &&
		    len <= MAIL_WIRE_LINE)
			put_line(w, p, len, out);
		else {
			some_text(w, p, len, out);
			if (nl == NULL)
				return;
			end_line(w, out);
		}
		p += len + 1;
		n -= len + 1;
	}
}

void
mail_wire_end(struct mail_wire *w, struct buf *out)
{
	if (w->column > 0 || w->line.len > 0)
		end_line(w, out);
}
