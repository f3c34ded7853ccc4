/*
 * setup_writer.h - writes the two files of dma setup.
 */
#ifndef PRIV_SETUP_WRITER_H
#define PRIV_SETUP_WRITER_H

#include "conf/edit.h"
#include "priv/user.h"

#define SETUP_REASON_MAX	512

/* Where the files are, and whose auth.conf is; group_id -1: left as it is. */
struct setup_place {
	const char	*dir;
	gid_t		 group_id;
};

/*
 * Starts the process, of root, that serves one IPC_SETUP_WRITE and ends; gives
 * the socket to it, or -1 with errno.
 */
int	setup_writer_start(const struct spool_user *);
/*
 * For the front end: has the lines written.  0, or -1 with a reason of at most
 * SETUP_REASON_MAX bytes.
 */
int	setup_writer_ask(int sock, const struct edit *, struct buf *reason);
/*
 * What that process does with the lines: each file is replaced as a whole, or
 * stays.  0, or -1 with a reason.
 */
int	setup_write(const struct setup_place *, const struct edit *,
	    struct buf *reason);

#endif
