/*
 * mbox_checkpoint.h - what an interrupted attempt left in an mbox file.
 */
#ifndef LOCAL_MBOX_CHECKPOINT_H
#define LOCAL_MBOX_CHECKPOINT_H

#include "priv/delivery_request.h"

enum mbox_found {
	MBOX_FOUND_ERROR = -1,	/* errno; append nothing by this descriptor */
	MBOX_FOUND_OTHER,	/* nothing of ours, or no longer at the end */
	MBOX_FOUND_TORN,	/* a beginning of our text ended the file */
	MBOX_FOUND_WHOLE	/* our text, from its first byte to its last:
				 * written anew, to be synced */
};

/*
 * Compares the text of d with the file at its checkpoint, and cuts off what is
 * torn.  For a file that is locked, and open for appending.
 */
enum mbox_found mbox_checkpoint_recover(int fd, const struct delivery *);

#endif
