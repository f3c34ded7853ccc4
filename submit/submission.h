/*
 * submission.h - one message on its way into the queue.
 */
#ifndef SUBMIT_SUBMISSION_H
#define SUBMIT_SUBMISSION_H

#include "aliases.h"
#include "conf.h"
#include "priv/caller.h"
#include "spool.h"
#include "submit/flush.h"
#include "submit/options.h"
#include "submit/sender.h"

struct submission_slot {
	uint32_t	 rcpt, hash;	/* rcpt: its index + 1; 0: free */
};

/* The recipients by their hash: it may be asked for a million. */
struct submission_index {
	struct hash_key	 key;
	struct submission_slot	*slots;	/* NULL: while there are few */
	uint32_t	 nslots;
};

/* The text on its way from the caller. */
struct submission_text {
	struct mail_input input;
	struct mail_facts facts;
	struct buf	 buf;		/* canonical, not yet used */
	size_t		 seen;		/* of it: header lines */
	int		 in_header, at_start;
};

enum submission_aliases {
	ALIASES_UNREAD,
	ALIASES_READ,
	ALIASES_UNREADABLE
};

enum submission_cause {
	SUBMISSION_OTHER,
	SUBMISSION_TOO_LARGE,
	SUBMISSION_NO_SPACE
};

/* All that is lent stays until submission_fini(). */
struct submission {
	const struct caller	*caller;
	const struct options	*o;
	const struct conf	*conf;
	const struct spool	*sp;
	const struct log	*log;
	struct message		 m;
	struct draft		 draft;
	struct submission_text	 text;
	const char		*protocol;	/* that it came by; or NULL */
	struct aliases		 aliases;	/* once they are needed */
	enum submission_aliases	 has_aliases;
	struct sender		 sender;
	struct from_map		 from_map;
	struct submission_index	 index;
	struct message		 bad;		/* recipients that are none */
	struct buf		 notes;		/* lines about them */
	unsigned		 nasked;	/* texts that may be users */
	struct flush		*flush;		/* lent: if it waits for it */
	int			 status;	/* of what went wrong first */
	enum submission_cause	 cause;		/* where SMTP tells it apart */
	struct buf		 reason;	/* and in words */
};

void	submission_init(struct submission *, const struct caller *,
	    const struct options *, const struct conf *, const struct spool *,
	    const struct log *);
void	submission_fini(struct submission *);

/*
 * The steps, in their order.  Each gives 0, or -1 with status and reason; then
 * only submission_log_refusal() and submission_fini() are left.
 */

/* The sender, by the options and the caller. */
int	submission_sender(struct submission *);
/* 1 while another recipient is within MAX_RECIPIENTS. */
int	submission_has_room(const struct submission *);
/*
 * Adds a canonical address, once: *r lends the recipient, NULL when it was
 * there before.
 */
int	submission_add(struct submission *, const char *address,
	    struct recipient **r);
/* A recipient that is none, in a field: to be reported. */
int	submission_note_bad(struct submission *, const char *field,
	    const char *text, size_t len);
int	submission_begin(struct submission *);
/* Bytes of the text as the caller wrote them, and their end. */
int	submission_text(struct submission *, const char *, size_t);
int	submission_text_end(struct submission *);
/*
 * Makes it durable and gives it its name.  From just before on, no signal of
 * the caller reaches this process.
 */
int	submission_commit(struct submission *);

/*
 * With DEFER, mail for other hosts alone waits for a flush: 1, and what a
 * runner would log is logged.
 */
int	submission_awaits_flush(struct submission *);
void	submission_log_refusal(const struct submission *);
/* 1: surely no such user of this host. */
int	submission_is_unknown(struct submission *, const char *address);
/* A login that is no address by its form, such as one with a blank. */
int	submission_is_user(struct submission *, const char *name);
int	submission_fail(struct submission *, int status, const char *what,
	    const char *reason);

#endif
