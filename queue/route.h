/*
 * route.h - one recipient -> where it goes: aliases, .forward, loops, limits.
 * Lookups that need other processes are named, not made; of the user database
 * only names are asked, where a local part may name several users.
 */
#ifndef ROUTE_H
#define ROUTE_H

#include "aliases.h"
#include "conf.h"
#include "message.h"
#include "lib/buf.h"
#include "lib/result.h"

struct route_env {
	const struct conf	*conf;
	const struct aliases	*aliases;	/* NULL: cannot be read now */
	const struct names_users *users;
};

enum route_step {
	STEP_REMOTE,		/* by SMTP */
	STEP_ALIAS,		/* *alias has the targets */
	STEP_USER,		/* user: look up the .forward, then mailbox */
	STEP_MAILBOX,		/* user: straight into the mailbox */
	STEP_DECIDED		/* the result says: deferred or failed */
};

/* What a name stands for: the targets of whose list. */
struct expansion {
	const struct targets	*targets;
	enum origin		 origin;
	const char		*owner;		/* user or alias */
};

/* 0, or -1 deferred: its line is bad, so that its targets are unknown. */
int	route_usable(const struct conf *, const struct alias *,
	    struct result *);
/* What is next for recipient i. user has ADDRESS_MAX + 1 octets. */
enum route_step route_next(const struct route_env *, const struct message *,
	    uint32_t i, char *user, const struct alias **alias,
	    struct result *);

/*
 * Adds what recipient i expands into to the message.  An address that the
 * message has is not added again; the user's own name means the mailbox.
 * Returns 0, or -1 with a result: failed 5.4.6 (too deep, too many), or
 * deferred (no memory).
 */
int	route_expand(const struct route_env *, struct message *, uint32_t i,
	    const struct expansion *, struct result *);

/*
 * If the list that names command or file i has changed: adds the owner of that
 * list once more, to be routed anew in place of i.  1, 0 when there is
 * nothing to do, -1 without memory.
 */
int	route_again(struct message *, uint32_t i);
/* 1 when the submitter gave the address of i: no list did. */
int	route_is_named(const struct message *, uint32_t i);

/* Were these, added from before on, made of one that is a list of several? */
int	route_is_list(const struct message *, uint32_t before);
/* The same, of one whose failures are reported to an owner of its own? */
int	route_is_owned(const struct message *, uint32_t i, uint32_t before);
/* Removes the recipients from before on, which are in no journal yet. */
void	route_cut(struct message *, uint32_t before);
/*
 * Adds the steps that led to i: "team / ann / bob".  Each but the first is
 * an address that a list names; commands and files are omitted.
 */
void	route_chain(const struct message *, uint32_t i, struct buf *);
/* FAILED 5.4.6: these steps lead nowhere; -1. */
int	route_lost(const struct message *, uint32_t i, const char *what,
	    struct result *);
/* Adds what the submitter called i: "rfc822;address" (RFC 3461 4.2). */
void	route_put_orcpt(struct buf *, const struct conf_names *,
	    const struct message *, uint32_t i);

#endif
