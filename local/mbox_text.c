/*
 * mbox_text.c - what is appended to an mbox file for one message.
 * Runs as: the user.  Uses: the message.
 * Promise: the text follows from the delivery alone, byte by byte, so that a
 * later attempt can recognise it.
 */
#include <errno.h>
#include <string.h>

#include "lib/io.h"
#include "local/delivery.h"
#include "local/mbox_text.h"

#define READ_BYTES	65536

void
mbox_text_init(struct mbox_text *t, const struct delivery *d,
    int needs_newline)
{
	memset(t, 0, sizeof(*t));
	t->d = d;
	t->needs_newline = needs_newline;
}

static void
add_envelope(struct mbox_text *t, struct buf *out)
{
	if (t->needs_newline)
		buf_putc(out, '\n');
	mail_put_envelope(out, 1, t->d->sender, t->d->recipient,
	    t->d->arrived);
	t->state = MBOX_TEXT_BODY;
}

/* 0, or -1 with errno. */
static int
add_body(struct mbox_text *t, struct buf *out)
{
	char chunk[READ_BYTES];
	long n;

	n = delivery_read(t->d, t->done, chunk, sizeof(chunk));
	if (n == -1)
		return -1;
	mail_mbox(&t->quoting, chunk, (size_t)n, out);
	t->done += n;
	return 0;
}

int
mbox_text_add(struct mbox_text *t, struct buf *out, size_t bytes)
{
	while (t->state != MBOX_TEXT_END && out->len < bytes) {
		if (t->state == MBOX_TEXT_NEW) {
			add_envelope(t, out);
		} else if (t->done < t->d->length) {
			if (add_body(t, out) == -1)
				return -1;
		} else {
			mail_mbox_end(&t->quoting, out);
			t->state = MBOX_TEXT_END;
		}
		if (buf_failed(out)) {
			errno = ENOMEM;
			return -1;
		}
	}
	return t->state != MBOX_TEXT_END;
}

int
mbox_text_needs_newline(int fd, int64_t pos)
{
	char c;

	if (pos == 0)
		return 0;
	if (io_pread_all(fd, &c, 1, pos - 1) == -1)
		return -1;
	return c != '\n';
}
