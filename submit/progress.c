/*
 * progress.c - how far a retry of the queue has come, on one line of a
 * terminal.
 * Runs as: the spool user.  Uses: standard error.
 * Promise: writes nothing to what is no terminal.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/io.h"
#include "lib/text.h"
#include "submit/progress.h"

#define DRAW_AFTER_MS	100	/* a terminal may be slow */

void
progress_init(struct progress *p)
{
	memset(p, 0, sizeof(*p));
	p->is_shown = isatty(STDERR_FILENO);
}

static void
put_number(struct buf *b, size_t n, const char *what)
{
	if (n > 0)
		buf_printf(b, ", %zu %s", n, what);
}

void
progress_put(struct buf *b, const struct progress *p)
{
	buf_printf(b, "%zu ", p->tried);
	if (p->total > 0)
		buf_printf(b, "of %zu ", p->total);
	buf_puts(b, "tried");
	put_number(b, p->sent, "sent");
	put_number(b, p->deferred, "deferred");
	put_number(b, p->failed, "failed");
}

static void
draw(struct progress *p)
{
	struct buf b;

	buf_init(&b, 0);
	progress_put(&b, p);
	/* The blanks hide the rest of a longer line. */
	fprintf(stderr, "\r%-*s", p->width, buf_str(&b));
	if ((int)b.len > p->width)
		p->width = (int)b.len;
	buf_fini(&b);
	p->drawn_ms = io_clock_ms();
}

static void
show(struct progress *p)
{
	if (p->is_shown && (p->tried == p->total || p->width == 0 ||
	    io_clock_ms() - p->drawn_ms >= DRAW_AFTER_MS))
		draw(p);
}

void
progress_count(struct progress *p, const char *status)
{
	p->tried++;
	p->sent += strcmp(status, "sent") == 0;
	p->deferred += strcmp(status, "deferred") == 0;
	p->failed += strcmp(status, "failed") == 0;
	show(p);
}

void
progress_line(struct progress *p, const char *line)
{
	uint64_t n[4];
	char text[128], *rest = text, *word;
	size_t i;

	if (text_copy(text, sizeof(text), line + 1) == -1)
		return;
	for (i = 0; i < 4; i++) {
		word = strsep(&rest, " ");
		if (word == NULL || text_number(word, SIZE_MAX / 4,
		    &n[i]) == -1)
			return;
	}
	p->sent = (size_t)n[1];
	p->deferred = (size_t)n[2];
	p->failed = (size_t)n[3];
	p->tried = p->sent + p->deferred + p->failed;
	p->total = p->tried + (size_t)n[0];
	if (p->tried > 0)
		show(p);
}

void
progress_clear(struct progress *p)
{
	if (p->width > 0)
		fprintf(stderr, "\r%*s\r", p->width, "");
	p->width = 0;
}
