/*
 * result.h - what became of one attempt, who said it, and why.
 */
#ifndef LIB_RESULT_H
#define LIB_RESULT_H

#include "lib/buf.h"
#include "lib/ipc.h"

#define REASON_MAX	4096	/* bytes kept of a reason or a detail */

/* The list that names a command or file is not what it was (RFC 3463). */
#define CODE_CHANGED	"4.2.4"

/* The spool has no room. */
#define CODE_FULL	"4.3.1"

/* There are more addresses than were tried. */
#define CODE_MORE_HOSTS	"4.4.0"
/* The connection ended in the transaction, or is out of step in it. */
#define CODE_LOST	"4.4.2"
#define CODE_OUT_OF_STEP "4.5.0"

/* The host rejected our login: it is not tried again soon. */
#define CODE_LOGIN	"4.7.8"

/* What became of one recipient in one attempt. */
enum status {
	STATUS_NONE,		/* nothing yet */
	STATUS_SENT,
	STATUS_DEFERRED,	/* the default of every failure */
	STATUS_FAILED		/* only by a permanent answer */
};

/* Whose words the reason is. */
enum source {
	SOURCE_US,		/* ours */
	SOURCE_SERVER,		/* a server's reply */
	SOURCE_COMMAND,		/* the output of a command */
	SOURCE_USER_FILE,	/* ours, about a file of a user */
	SOURCE__MAX
};

struct result {
	enum status	 status;
	enum source	 source;
	char		 code[12];	/* enhanced status (RFC 3463) */
	char		*reason;	/* owned: one line for everybody, so no
					 * path of this host; or NULL */
	char		*detail;	/* owned: one line for the log, root
					 * and the owner; or NULL */
	char		*server;	/* owned: "name[address]" that said
					 * it; or of us, "name[address] port N",
					 * what it is about; or NULL */
};

void	result_init(struct result *);
void	result_fini(struct result *);
/*
 * Sets status, code, SOURCE_US and a cleaned reason of at most REASON_MAX
 * bytes; what was there, the detail too, is freed.  Returns 0 for
 * STATUS_SENT, else -1, so that a failure path is one statement.
 */
#define result_set(res, status, code, ...) \
	    result_quote(res, SOURCE_US, status, code, __VA_ARGS__)
/* The same for the words of another source. */
int	result_quote(struct result *, enum source, enum status,
	    const char *code, const char *, ...) PRINTF_LIKE(5, 6);
/* The same with a text as it is. */
int	result_words(struct result *, enum source, enum status,
	    const char *code, const char *text);
/* Adds the detail to a result that is set.  Returns as result_set(). */
int	result_detail(struct result *, const char *, ...) PRINTF_LIKE(2, 3);
/* Names the server whose words these are, or which ours are about. */
void	result_from_server(struct result *, const char *server);
/*
 * Adds "reason", "server said: reason" or "server: reason": for everybody.
 */
void	result_put_reason(struct buf *, const struct result *);
/* The same and " (detail)": for the log, root and the owner. */
void	result_put_full(struct buf *, const struct result *);
/* The same for readers who know the server: without it. */
void	result_put_bare(struct buf *, const struct result *);
/* The same status, code, source and texts. */
int	result_is_same(const struct result *, const struct result *);
/*
 * 1 for a message on which a connection ended, or whose end was not answered:
 * such a message is suspect.  By us and by these codes: no server's words.
 */
int	result_is_lost(const struct result *);
/*
 * 1 when a destination has more addresses than were tried in that attempt: the
 * next one begins with others.
 */
int	result_has_more_hosts(const struct result *);
/* Makes dst a copy of src. */
void	result_copy(struct result *dst, const struct result *src);
/* What failed is deferred instead. */
void	result_defer(struct result *);
const char *status_name(enum status);	/* "sent", "deferred", "failed" */

/* As fields of an IPC message: u32 status, u32 source, text code, bytes
 * reason, bytes detail.  The server is not in it. */
void	result_put(struct ipc *, const struct result *);
/* 0, or -1 for one that is out of shape; the texts are cleaned. */
int	result_get(struct ipc *, struct result *);

#endif
