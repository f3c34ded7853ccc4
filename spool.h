/*
 * spool.h - the queue directory: one file per message, with its journal.
 * The format: docs/spool.md.  Only spool.c and spool/ know it.
 */
#ifndef SPOOL_H
#define SPOOL_H

#include "message.h"
#include "lib/buf.h"
#include "lib/ipc.h"
#include "lib/result.h"

struct spool {
	char	*path;		/* owned */
	int	 dir, queue;	/* open directories */
};

/* A message that is being written. */
struct draft {
	const struct spool *sp;
	char		 id[QUEUE_ID_MAX + 1];
	int		 fd;
	int		 is_named;	/* in tmp/, for want of O_TMPFILE */
	struct buf	 out;		/* not yet written */
	int64_t		 length;	/* bytes of text so far */
};

/* Opens (and completes) the directories. 0, or -1 with the reason. */
int	spool_open(struct spool *, const char *path, struct result *);
void	spool_close(struct spool *);

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
/* Uses of m: sender, arrived, submitter, flags, hops, lines, rcpts. */
int	draft_seal(struct draft *, const struct message *, struct result *);
int	draft_publish(struct draft *, struct result *);
void	draft_drop(struct draft *);
/* A new queue id into dst: sorts by time, never repeats. */
void	spool_new_id(char dst[QUEUE_ID_MAX + 1]);

enum spool_got { SPOOL_GOT, SPOOL_GONE, SPOOL_LATER, SPOOL_CORRUPT };
/*
 * Reads a message back: the fold over its journal.  for_write: by the runner,
 * which holds the lock; cuts off a torn last record.  m is initialised here;
 * free it with message_fini() whatever the answer.
 */
enum spool_got spool_load(const struct spool *, const char *id, int for_write,
	    struct message *m, struct result *);
/*
 * Appends notes to the message's journal in one write; is_durable: with one
 * fdatasync.  -1 with the reason; the journal is as before then.
 */
int	spool_append(struct message *, const struct buf *, int is_durable,
	    struct result *);
/*
 * Opens a message for a process that is not to be trusted with it: read-only,
 * so that it cannot write whatever becomes of it.  -1 with errno.
 */
int	spool_open_text(const struct spool *, const char *id);
/* Takes the message out of the queue. */
int	spool_remove(const struct spool *, const char *id);
/* Moves a file to corrupt/ or dead/. */
int	spool_put_aside(const struct spool *, const char *id,
	    const char *where);
/* Calls each() for every id in the queue, in no order; -1 with errno. */
int	spool_list(const struct spool *, void (*each)(void *, const char *id),
	    void *arg);
/* Removes what killed writers left in tmp/. */
void	spool_sweep(const struct spool *);

/*
 * The runner's lock: a descriptor that holds it, or -1 (EWOULDBLOCK: there is
 * a runner).  It is released when the last copy of the descriptor closes.
 */
int	spool_lock(const struct spool *);
/* Lets the lock go whoever else has a copy of it, and closes it. */
void	spool_unlock(int *fd);
/* The inode of the wake-up socket's name; 0 when there is none. */
uint64_t spool_wake_ino(const struct spool *);
/* The runner's wake-up socket (datagrams of msg.h), non-blocking; -1. */
int	spool_wake_open(const struct spool *);
/*
 * Tells the runner (IPC_WAKE, IPC_FLUSH).  0; -1 with errno: ECONNREFUSED or
 * ENOENT when no runner listens, EAGAIN when it has wake-ups waiting.
 */
int	spool_poke(const struct spool *, struct ipc *);

#endif
