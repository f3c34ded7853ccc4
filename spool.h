/*
 * spool.h - the queue directory: one file per message, with its journal.
 * The format: docs/spool.md.  Only spool.c and spool/ know it.
 */
#ifndef SPOOL_H
#define SPOOL_H

#include "message.h"
#include "lib/buf.h"
#include "lib/checksum.h"
#include "lib/ipc.h"
#include "lib/result.h"

#define SPOOL_PATH_MAX	90	/* a socket's path has 108 bytes */
#define CALLS_OF_USER	4	/* that repeat: -qTIME */

struct spool {
	char	 path[SPOOL_PATH_MAX + 1];
	int	 dir, queue;	/* open directories */
	uint32_t uid;		/* of this process, which has to own them */
};

#define DRAFT_BLOCK	131072	/* bytes of one write; whole pages */

/* A message that is being written. */
struct draft {
	const struct spool *sp;
	char		 id[QUEUE_ID_MAX + 1];
	int		 fd;
	int		 is_named;	/* in tmp/, for want of O_TMPFILE */
	struct buf	 out;		/* not yet written; from the start of
					 * the file on, room for the preamble */
	int64_t		 written;	/* bytes of the file, so far */
	int64_t		 started;	/* of these, on their way to the disk */
	int64_t		 length;	/* bytes of text so far */
	struct checksum	 sum;		/* of those that will be checked */
	int		 has_sums;	/* it is of version 2 */
};

/* Opens (and completes) the directories. 0, or -1 with the reason. */
int	spool_open(struct spool *, const char *path, struct result *);
void	spool_close(struct spool *);
/*
 * The same spool with dead/ or corrupt/ in place of the queue, for reading and
 * removing.  -1 with errno, ENOENT if nothing was ever put there.
 */
int	spool_open_folder(const struct spool *, const char *name,
	    struct spool *folder);

/*
 * Writing.  draft_begin makes the id; draft_write takes the text in order;
 * draft_seal adds the envelope and makes the file durable without a name;
 * draft_publish gives it its name and makes that durable: from then on it is
 * queued.  Each: 0, or -1 with the reason, and then only draft_drop is left,
 * which leaves nothing behind.  draft_drop after draft_publish only frees.
 */
int	draft_begin(const struct spool *, struct draft *, const char *id,
	    struct result *);	/* id: NULL for a new one */
int	draft_write(struct draft *, const void *, size_t, struct result *);
/*
 * As many bytes as end the block of the file that the next one is in.  Texts
 * in pieces of this size are not copied, and no page is written in two parts.
 */
size_t	draft_room(const struct draft *);
/* Uses of m: sender, arrived, submitter, flags, hops, lines, rcpts. */
int	draft_seal(struct draft *, const struct message *, struct result *);
int	draft_publish(struct draft *, struct result *);
/*
 * Instead of draft_publish: takes the place of that file in a folder, at once
 * and durably.  The descriptor of the draft keeps it from another call of
 * spool_claim().
 */
int	draft_replace(struct draft *, const struct spool *folder,
	    const char *id, struct result *);
void	draft_drop(struct draft *);
/* A new queue id into dst: sorts by time, never repeats. */
void	spool_new_id(char dst[QUEUE_ID_MAX + 1]);
/* When it was made; 0 for an id that has no time. */
time_t	spool_id_time(const char *id);

enum spool_got { SPOOL_GOT, SPOOL_GONE, SPOOL_LATER, SPOOL_CORRUPT };
/*
 * Reads a message back: the fold over its journal.  for_write: by the runner,
 * which holds the lock; cuts off a torn last record.  m is initialised here;
 * free it with message_fini() whatever the answer.  Of a damaged file (its
 * text.offset is 0 if that is in the preamble) it has what could be read.
 */
enum spool_got spool_load(const struct spool *, const char *id, int for_write,
	    struct message *m, struct result *);
/*
 * The same for reading, of what that user submitted: the message of another is
 * SPOOL_GONE, and its journal is not read.
 */
enum spool_got spool_load_of(const struct spool *, const char *id, uint32_t uid,
	    struct message *m, struct result *);
/*
 * That the text of a message which was loaded is as it was committed, unless
 * it is of version 0.1 or so long that reading it would keep others waiting.
 */
enum spool_got spool_check_text(const struct message *, struct result *);
/* Who submitted a message: 0, or -1 when it cannot be read. */
int	spool_submitter(const struct spool *, const char *id, uint32_t *uid);
/* 1 when it is in the queue. */
int	spool_has(const struct spool *, const char *id);
/*
 * Appends notes to the message's journal in one write; is_durable: with one
 * fdatasync.  -1 with the reason; the journal is as before then.
 */
int	spool_append(struct message *, const struct buf *, int is_durable,
	    struct result *);
/*
 * The two halves of it.  Of several messages all are written before the first
 * is kept: one commit of the file system has the appends of all of them then.
 */
int	spool_write(struct message *, const struct buf *, struct result *);
int	spool_keep(struct message *, int is_durable, struct result *);
/*
 * Opens a message for a process that is not to be trusted with it: read-only,
 * so that it cannot write whatever becomes of it.  -1 with errno.
 */
int	spool_open_text(const struct spool *, const char *id);
/* Takes the message out of the queue; is_durable: with an fsync. */
int	spool_remove(const struct spool *, const char *id, int is_durable);
/* All that was taken out without one is durable: 0, or -1 with errno. */
int	spool_sync_removed(const struct spool *);
/* Moves a file to corrupt/ or dead/. */
int	spool_put_aside(const struct spool *, const char *id,
	    const char *where);
/* Moves a file of the spool directory itself, of upstream dma, to corrupt/. */
int	spool_put_other_aside(const struct spool *, const char *name);
/*
 * Of a message that was loaded from a folder: nobody else puts it back.  0; -1
 * with errno, EWOULDBLOCK when another call does so, ENOENT when that is done.
 */
int	spool_claim(const struct message *);
/*
 * Moves the file of a folder to the queue: 0, or -1 with errno, EEXIST if there
 * is one of that name.  Then spool_sync_back() makes that durable.
 */
int	spool_put_back(const struct spool *, const struct spool *folder,
	    const char *id);
int	spool_sync_back(const struct spool *, const struct spool *folder);
/*
 * Calls each() for every id in the queue, in no order, until it gives other
 * than 0; -1 with errno when the queue cannot be read.
 */
int	spool_list(const struct spool *, int (*each)(void *, const char *id),
	    void *arg);
/* How many files are in corrupt/ or dead/: 0 when there is no such. */
size_t	spool_count(const struct spool *, const char *where);
/* Removes what killed writers left in tmp/. */
void	spool_sweep(const struct spool *);

/*
 * The runner's lock: a descriptor that holds it, or -1 (EWOULDBLOCK: there is
 * a runner).  It is released when the last copy of the descriptor closes.
 */
int	spool_lock(const struct spool *);
/*
 * The same for those that start a runner: a hint that others need not.  Whoever
 * holds it may be stopped, so nobody may wait for it for long.
 */
int	spool_start_lock(const struct spool *);
/*
 * By a runner: from now on, files may be of version 2, since no older runner,
 * which would take them for damaged, is at work.
 */
void	spool_mark(const struct spool *);
/*
 * Why the lock cannot be taken, with the name of the file: 0; -1 when it can,
 * or another runner has it.
 */
int	spool_lock_reason(const struct spool *, char *dst, size_t size);
/* Of the runners that wait for the lock file to be mended, one: 0 or -1. */
int	spool_standby(const struct spool *, int on);
/*
 * For a call that repeats: a descriptor as long as which it is one of the few
 * of that user; -1 with errno, EAGAIN when these are there already.
 */
int	spool_hold_call(const struct spool *, uint32_t uid);
/* Lets the lock go whoever else has a copy of it, and closes it. */
void	spool_unlock(int *fd);
/* The inode of the wake-up socket's name; 0 when there is none. */
uint64_t spool_wake_ino(const struct spool *);
/* 1 when somebody moved queue/ away, or removed it. */
int	spool_is_replaced(const struct spool *);
/* The runner's wake-up socket (datagrams of msg.h), non-blocking; -1. */
int	spool_wake_open(const struct spool *);
/* 1 when a runner listens there. */
int	spool_is_woken(const struct spool *);
/*
 * Tells the runner (IPC_WAKE, IPC_FLUSH).  0; -1 with errno: ECONNREFUSED or
 * ENOENT when no runner listens, EAGAIN when it has wake-ups waiting.
 */
int	spool_poke(const struct spool *, struct ipc *);

#endif
