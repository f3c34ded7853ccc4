/*
 * store.h - what modules share that write files.
 * The hooks hand a message over; threads of the child write it, with others
 * that are ready, and the session goes on when it is durable.  So no session
 * waits for the disk but those whose messages are on the way to it.
 */
#ifndef SMTPD_MODULES_STORE_H
#define SMTPD_MODULES_STORE_H

#include <stddef.h>

#include "lib/buf.h"
#include "smtpd/modules/commit.h"
#include "smtpd/smtpd_module.h"

struct store;
struct store_message;

struct store_conf {
	const char	*root;			/* lent: exists */
	enum commit_durable durable;
	struct commit_layout layout;
	/* The lines before the text of the first file, as they are now: a text
	 * too long for memory is written before store_file() is called. */
	void	(*head)(struct smtpd_session *, struct buf *);
};

/* DURABLE of the configuration. */
enum commit_durable store_durable(struct smtpd_host *);

/*
 * The self of a module that stores begins with it: configure() fills in conf.
 * These are its hooks.  init() takes away what the dead left in the root.
 */
struct store_module {
	struct store_conf conf;
	struct store	*store;		/* owned: of a child */
};

int	store_module_init(void *self, struct smtpd_host *);
int	store_module_child_init(void *self, struct smtpd_host *);
void	store_module_child_exit(void *self, struct smtpd_host *);

/* In child_init(); NULL after smtpd_error().  The conf is lent. */
struct store *store_new(struct smtpd_host *, const struct store_conf *);
/* In child_exit(): what is not acknowledged is taken back. */
void	store_free(struct store *);

/* In data(); NULL without memory. */
struct store_message *store_begin(struct store *, struct smtpd_session *);
/* In body(); a failure is told at the end. */
void	store_text(struct store_message *, const char *, size_t);
/* In deliver(): a file of these lines (copied) and the text; 0 or -1. */
int	store_file(struct store_message *, const char *head, size_t len);
/* A directory below the root, or below its minute, for the last file. */
int	store_link(struct store_message *, const char *directory);
/* At the end of deliver(), to be returned. */
enum smtpd_verdict store_commit(struct store_message *);
/* What deliver() returns without memory, after it set the reply. */
enum smtpd_verdict store_refuse(struct smtpd_session *, int error);
/* In reset(): frees it, and takes back what was not acknowledged. */
void	store_end(struct store_message *);

#endif
