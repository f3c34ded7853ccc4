/*
 * smtp_data.c - the text of a message as an SMTP server reads it.
 * Runs as: anyone.  Uses: nothing.
 * Promise: linear in the bytes, however they are cut; a text ends only with CR
 * LF . CR LF, as the client sent it or, where bare CR and LF are made CRLF, as
 * they are then; no CR or LF comes out but in a CRLF.
 */
#include <string.h>

#include "lib/smtp_data.h"

enum state {
	STATE_TEXT,		/* within a line, or of a refused text */
	STATE_CR,		/* after a CR, which is held back */
	STATE_START,		/* at the start of a line */
	STATE_DOT,		/* after a dot at the start, dropped */
	STATE_DOT_CR		/* after such a dot and a CR, held back */
};

/* The bytes at hand.  Each byte is searched once for CR and once for LF. */
struct cursor {
	const char	*at, *end;
	const char	*cr, *lf;	/* next ones, or end; stale before at */
};

void
smtp_data_init(struct smtp_data *d, enum smtp_data_form form,
    int does_normalise)
{
	*d = (struct smtp_data){ .form = form,
	    .does_normalise = does_normalise,
	    .state = form == SMTP_DATA_DOTS ? STATE_START : STATE_TEXT };
}

static void
add(struct smtp_data *d, struct buf *out, const char *bytes, size_t n)
{
	if (n == 0 || (d->has_bare && !d->does_normalise))
		return;
	d->size_bytes += n;
	buf_add(out, bytes, n);
}

static void
end_bare(struct smtp_data *d, struct buf *out)
{
	d->has_bare = 1;
	add(d, out, "\r\n", 2);
	d->state = d->form == SMTP_DATA_DOTS && d->does_normalise ?
	    STATE_START : STATE_TEXT;
}

static void
end_line(struct smtp_data *d, struct buf *out)
{
	add(d, out, "\r\n", 2);
	d->state = d->form == SMTP_DATA_DOTS ? STATE_START : STATE_TEXT;
}

/* A dot alone on a line that a bare CR or LF ends. */
static void
end_dot_bare(struct smtp_data *d, struct buf *out)
{
	if (!d->does_normalise) {
		end_bare(d, out);
		return;
	}
	d->has_bare = 1;
	d->is_over = 1;
}

/* The next byte where it is not plain text; 1 when it is done with. */
static int
step(struct smtp_data *d, char c, struct buf *out)
{
	switch ((enum state)d->state) {
	case STATE_CR:
		if (c == '\n')
			end_line(d, out);
		else
			end_bare(d, out);
		return c == '\n';
	case STATE_DOT_CR:
		if (c == '\n')
			d->is_over = 1;
		else
			end_dot_bare(d, out);
		return c == '\n';
	case STATE_DOT:
		if (c == '\n')
			end_dot_bare(d, out);
		else
			d->state = c == '\r' ? STATE_DOT_CR : STATE_TEXT;
		return c == '\r' || c == '\n';
	case STATE_START:
		d->state = c == '.' ? STATE_DOT : STATE_TEXT;
		return c == '.';
	default:
		return 0;
	}
}

static const char *
find(const struct cursor *c, char wanted)
{
	const char *p;

	p = memchr(c->at, wanted, (size_t)(c->end - c->at));
	return p == NULL ? c->end : p;
}

/*
 * To the end of as many lines as can be added as they are; 1 at a line start
 * where the next byte matters.
 */
static int
skip_lines(const struct smtp_data *d, struct cursor *c)
{
	for (;;) {
		if (c->lf < c->at)
			c->lf = find(c, '\n');
		if (c->cr < c->at)
			c->cr = find(c, '\r');
		if (c->lf == c->end || c->cr + 1 != c->lf)
			return 0;
		c->at = c->lf + 1;
		if (d->form == SMTP_DATA_DOTS &&
		    (c->at == c->end || *c->at == '.'))
			return 1;
	}
}

/* From within a line. */
static void
take_lines(struct smtp_data *d, struct cursor *c, struct buf *out)
{
	const char *start = c->at;

	if (skip_lines(d, c)) {
		add(d, out, start, (size_t)(c->at - start));
		d->state = STATE_START;
		return;
	}
	c->at = c->cr < c->lf ? c->cr : c->lf;
	add(d, out, start, (size_t)(c->at - start));
	if (c->at == c->end)
		return;
	if (c->at++ == c->cr)
		d->state = STATE_CR;
	else
		end_bare(d, out);
}

size_t
smtp_data_take(struct smtp_data *d, const char *bytes, size_t n,
    struct buf *out)
{
	struct cursor c;

	if (n == 0)
		return 0;
	c.at = bytes;
	c.end = bytes + n;
	c.cr = find(&c, '\r');
	c.lf = find(&c, '\n');
	while (c.at < c.end && !d->is_over)
		if (d->state == STATE_TEXT)
			take_lines(d, &c, out);
		else
			c.at += step(d, *c.at, out);
	return (size_t)(c.at - bytes);
}

void
smtp_data_end(struct smtp_data *d, struct buf *out)
{
	if (d->state == STATE_CR)
		end_bare(d, out);
}
