/*
 * delivery.h - what all methods of local delivery share.
 */
#ifndef LOCAL_DELIVERY_H
#define LOCAL_DELIVERY_H

#include <sys/stat.h>

#include <stddef.h>
#include <stdint.h>

#include "lib/result.h"
#include "priv/delivery_request.h"

#define DELIVERY_ACK_MS	60000	/* for the runner, while a lock is held */

/* The message must be in the file; -1 with the reason. */
int	delivery_check(const struct delivery *, struct result *);
/* Tells the runner where the message is about to appear; 0 or -1. */
int	delivery_send_checkpoint(const struct delivery *,
	    const struct checkpoint *);
/*
 * The same, and waits until the runner has recorded it; -1 when the runner is
 * gone or does not answer: then nothing may appear.
 */
int	delivery_record_checkpoint(const struct delivery *,
	    const struct checkpoint *);
/* Tells the runner what became of the message; 0 or -1. */
int	delivery_report(const struct delivery *, const struct result *);
/*
 * Bytes of the message from done on, at most size, into chunk: how many, 0 at
 * the end of the message, -1 with errno.
 */
long	delivery_read(const struct delivery *, int64_t done, void *chunk,
	    size_t size);
enum delivery_copied {
	DELIVERY_COPIED,
	DELIVERY_UNREADABLE,	/* the message: errno */
	DELIVERY_UNWRITABLE	/* the file: errno */
};

/* Appends the message to a file, after From_ (from_line) and the envelope. */
enum delivery_copied delivery_copy(const struct delivery *, int from_line,
	    int fd);
/*
 * Both defer, since a mailbox or a file cannot be used now: path and cause are
 * the detail.  The second adds errno to what was tried.  They return -1.
 */
int	delivery_defer(struct result *, const char *path, const char *cause,
	    ...) PRINTF_LIKE(3, 4);
int	delivery_defer_errno(struct result *, const char *path,
	    const char *tried);
/* Defers for that reason; errno is the detail.  Returns -1. */
int	delivery_defer_system(struct result *, const char *reason);
/* Defers: the message cannot be read from the queue (errno).  Returns -1. */
int	delivery_defer_message(struct result *);
/* "ext" of the recipient user+ext@host, or "".  Lent, or in the room. */
const char *delivery_extension(const struct delivery *, char *room,
	    size_t size);
/* Opens a directory to name files in; -1 with errno. */
int	delivery_open_directory(const char *path);
/*
 * Makes the names in an open directory durable; 0 also where directories
 * cannot be synced.  -1 with errno.
 */
int	delivery_sync_names(int dir);
/* 1 when both are of the same file. */
int	delivery_is_same(const struct stat *, const struct stat *);
/* 1 when the name in the directory is that of the open file. */
int	delivery_is_named(int dir, const char *name, int fd);

#endif
