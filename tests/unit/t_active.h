/*
 * t_active.h - active messages, for the unit tests of the runner's modules.
 */
#ifndef TESTS_UNIT_T_ACTIVE_H
#define TESTS_UNIT_T_ACTIVE_H

#include "queue/active.h"
#include "tests/unit/t_queue.h"

#define T_TEXT	"Subject: x\n\nbody\n"

/* A queue in a directory of its own, on host.example.org. */
struct t_active {
	char		 top[64];
	struct queue	 q;
	struct watchers	 watchers;
	struct active	 active;
};

void	t_active_init(struct t_active *, const char *conf_text);
void	t_active_fini(struct t_active *);
/* Puts a message of ann, an hour old, into the queue: recipients up to NULL. */
void	t_active_commit(struct t_active *, const char *id, ...);
/* Scans and loads what is due; gives the message of that id, or NULL. */
struct active_message *t_active_load(struct t_active *, const char *id);
/* Ends an attempt without a trace, so that the message can be loaded anew. */
/* As if the submitter of the first one had so many places. */
void	t_active_crowd(struct t_active *, unsigned nplaces);
/* The share of that submitter. */
struct share *t_active_share(struct t_active *, unsigned kind,
	    const char *name);
void	t_active_unload(struct t_active *, struct active_message *);
/* Brings recipient i to a stage. */
void	t_active_stage(struct active_message *, uint32_t i,
	    enum attempt_stage);

#endif
