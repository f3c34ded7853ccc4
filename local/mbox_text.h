/*
 * mbox_text.h - what is appended to an mbox file for one message.
 */
#ifndef LOCAL_MBOX_TEXT_H
#define LOCAL_MBOX_TEXT_H

#include "lib/buf.h"
#include "lib/mail.h"
#include "priv/delivery_request.h"

enum mbox_text_state {
	MBOX_TEXT_NEW,
	MBOX_TEXT_BODY,
	MBOX_TEXT_END
};

struct mbox_text {
	const struct delivery *d;	/* lent */
	enum mbox_text_state state;
	int		 needs_newline;	/* the file ends within a line */
	struct mail_mbox quoting;
	int64_t		 done;		/* bytes of the message taken */
};

void	mbox_text_init(struct mbox_text *, const struct delivery *,
	    int needs_newline);
/*
 * Adds to the buf until it has that many bytes or a few more: 1 when more may
 * follow, 0 at the end of the text, -1 with errno.
 */
int	mbox_text_add(struct mbox_text *, struct buf *, size_t bytes);
/* 1 when the byte before pos does not end a line; -1 with errno. */
int	mbox_text_needs_newline(int fd, int64_t pos);

#endif
