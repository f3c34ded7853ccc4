/*
 * commit.h - makes files of messages durable, several with the cost of one.
 * What store.c's threads do; no part of it is called by the loop.
 */
#ifndef SMTPD_MODULES_COMMIT_H
#define SMTPD_MODULES_COMMIT_H

#include <limits.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "smtpd/modules/sync.h"

#define COMMIT_NAME		128	/* of a file, with the NUL */
#define COMMIT_MINUTE		13	/* YYYYMMDDHHMM and the NUL */
#define COMMIT_DIRECTORIES	256	/* kept open */

enum commit_durable {
	COMMIT_DURABLE_NONE,	/* the page cache */
	COMMIT_DURABLE_FILE,	/* the files */
	COMMIT_DURABLE_FULL	/* and the directories that lead to them */
};

/* How the names in a tree are made. */
struct commit_layout {
	int	 is_by_minute;	/* links are below YYYYMMDDHHMM, UTC, of the
				 * commit */
	/* Directories made beside the last one of a link's; NULL ends them. */
	const char *const *siblings;	/* or NULL */
	/*
	 * The name of a file; another sequence, or process at the same time,
	 * gives another name.
	 */
	void	(*name)(const void *arg, pid_t, uint64_t sequence, char *out,
		    size_t size);
	const void *arg;
};

/* One name of a file. */
struct commit_link {
	struct commit_link *next;
	const char	*directory;	/* lent: "example.org", "ann/new" */
	char		 name[COMMIT_NAME];
	int		 is_made;
};

/* A file that is not, or not yet, in its place. */
struct commit_temp {
	int	 fd;		/* owned, or -1 */
	char	 name[64];	/* in the root, where it has one; or "" */
};

/* The text of a message with lines of its own before it. */
struct commit_file {
	struct commit_file *next;
	const char	*head;		/* lent */
	size_t		 head_len;
	struct commit_link *links;	/* lent: one or more */
	struct commit_temp temp;
	int		 is_shared;	/* temp is the spilled one */
};

/* A message; all its files get their names, or none does. */
struct commit {
	struct commit	*next;		/* in a group */
	struct commit_file *files;	/* lent: one or more */
	const char	*text;		/* lent: of it what is not written */
	size_t		 text_len;
	/* What is written already: a head, and the text up to now. */
	struct commit_temp spill;
	const char	*spill_head;	/* lent */
	size_t		 spill_head_len;
	uint64_t	 spill_bytes;
	char		 minute[COMMIT_MINUTE];	/* where the links are; or "" */
	atomic_int	 is_unwanted;	/* set by others: it is not asked for */
	int		 error;		/* errno; 0: it is in its place */
	const char	*stage;		/* what failed: a constant, or NULL */
};

struct commit_directory {
	int	 fd;		/* owned */
	int	 parent;	/* in the table; -1: of the root */
	int	 is_dirty;	/* names in it that are not yet durable */
	uint64_t hash;
	char	 name[NAME_MAX + 1];
};

/* For one thread but for commit_spill(), which another may call. */
struct commit_tree {
	const struct commit_layout *layout;	/* lent */
	enum commit_durable durable;
	int	 is_alone;	/* nothing else is on this file system */
	size_t	 syncfs_min;	/* syncs for which that is used */
	atomic_int lacks_tmpfile;	/* no O_TMPFILE, or no way to name it */
	int	 lacks_empty_path;	/* AT_EMPTY_PATH is not for us */
	pid_t	 pid;		/* of the process that has it open */
	uint64_t sequence;	/* of the next name */
	atomic_uint_fast64_t temp_sequence;
	char	 minute[COMMIT_MINUTE];	/* that of the directories; or "" */
	struct commit_directory *directories;	/* owned; first the root */
	int	 ndirectories;
	struct commit *written;	/* lent: to get names in the next turn */
	uint64_t written_us;	/* that the syncs of the last turn took */
	int	 sync_error;	/* of directories, in this turn */
	struct sync_pool pool;
	struct sync_item *syncs;	/* owned: what sync_all() gets */
	size_t	 nsyncs, syncs_cap;
};

/* 0, or -1 with errno. */
int	commit_tree_init(struct commit_tree *, const char *root,
	    const struct commit_layout *, enum commit_durable);
void	commit_tree_fini(struct commit_tree *);

/*
 * Writes the text that m has before all of it came; error is set on failure.
 */
void	commit_spill(struct commit_tree *, struct commit *m);
/*
 * Writes and syncs the messages of a list; names those of the list before it,
 * and gives these back, with the microseconds that their syncs took.  What
 * failed has no name anywhere.  tree->written says whether there is more to do
 * without another list.
 */
struct commit *commit_turn(struct commit_tree *, struct commit *list,
	    uint64_t *sync_us);
/* Takes back what was committed, and closes what was not. */
void	commit_undo(struct commit_tree *, struct commit *m);
/* Removes files with names of their own that dead processes left. */
void	commit_clean(const char *root);

#endif
