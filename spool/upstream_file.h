/*
 * upstream_file.h - the queue files of upstream dma, as texts and names.
 * For each recipient there are two: Q and the name has the envelope, M and the
 * name the message.  The name is "INODE.NUMBER", both in hexadecimal.
 */
#ifndef SPOOL_UPSTREAM_FILE_H
#define SPOOL_UPSTREAM_FILE_H

#include "message.h"

#define UPSTREAM_NAME_MAX	33	/* bytes of a name */
#define UPSTREAM_Q_MAX		4096	/* bytes of a Q file */

struct upstream_envelope {
	char	 sender[ADDRESS_MAX + 1];	/* canonical; "" is <> */
	char	 recipient[ADDRESS_MAX + 1];	/* the same, or a clean text */
	int	 is_address;		/* the recipient */
};

/*
 * The id that a message of that name gets here, which no other one has.  0, or
 * -1 for a text that is no such name.
 */
int	upstream_id(const char *name, char id[QUEUE_ID_MAX + 1]);
/* NULL, or what is wrong with the text of the Q file of that name. */
const char *upstream_parse(const char *text, size_t len, const char *name,
	    struct upstream_envelope *);

#endif
