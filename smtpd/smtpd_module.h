/*
 * smtpd_module.h - the interface between dma-smtpd and its modules.
 *
 * A module is a shared object that defines one object with external linkage:
 *
 *	const struct smtpd_module smtpd_module = {
 *		.abi = SMTPD_MODULE_ABI,
 *		.size = sizeof(struct smtpd_module),
 *		.name = "mine",
 *		.rcpt = my_rcpt
 *	};
 *
 * A hook that is NULL passes.  smtpd-module(3) describes when each hook is
 * called, in which process and with which rights.  This header is C11 and C++,
 * and depends on nothing else of dma-smtpd.
 */
#ifndef SMTPD_MODULE_H
#define SMTPD_MODULE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Changes when a module that was built before would misbehave. */
#define SMTPD_MODULE_ABI	1

/* This process of dma-smtpd; what a module has of it it gets by calls. */
struct smtpd_host;
/* A connection, and the transaction under way on it. */
struct smtpd_session;

enum smtpd_verdict {
	SMTPD_PASS,		/* no opinion: ask the next module */
	SMTPD_ACCEPT,		/* accept this stage; ask no other module */
	SMTPD_TEMPORARY,	/* refuse with 451, or smtpd_set_text() */
	SMTPD_PERMANENT,	/* refuse with 550, or smtpd_set_text() */
	SMTPD_DROP,		/* accept, and discard: in rcpt this recipient,
				 * in all other stages the message */
	SMTPD_DELIVERED,	/* deliver only: the message is safe */
	SMTPD_PENDING		/* smtpd_finish() will tell */
};

/* One line of the configuration that belongs to the module. */
struct smtpd_setting {
	const char	*file;
	unsigned	 line;
	const char	*key;	/* the second word of "MODULE KEY VALUE" */
	const char	*value;	/* the rest without outer blanks; "" if none */
};

/*
 * A path is an address as the client gave it, without angle brackets and
 * source route; "" is the null reverse-path.  Texts that hooks get are lent
 * for the time of the call.
 */
struct smtpd_module {
	uint32_t	 abi;		/* SMTPD_MODULE_ABI */
	uint32_t	 size;		/* sizeof(struct smtpd_module) */
	const char	*name;
	/* Not 0: body() passes the text on by smtpd_emit(), changed at will. */
	uint32_t	 modifies_body;
	uint32_t	 reserved;	/* 0 */

	/*
	 * Checks the module's lines and allocates *self, which every other hook
	 * gets first.  Also called by dma-smtpd -t: no effects outside.  0, or
	 * -1 after smtpd_error().
	 */
	int	(*configure)(struct smtpd_host *, const struct smtpd_setting *,
		    size_t n, void **self);
	/*
	 * Once for a configuration, in the parent of the children; at the start
	 * of dma-smtpd still as root.  0, or -1 after smtpd_error().
	 */
	int	(*init)(void *self, struct smtpd_host *);
	/* In every child, before its first connection, unprivileged. */
	int	(*child_init)(void *self, struct smtpd_host *);

	/* The stages of a connection, in the order of a transaction. */
	enum smtpd_verdict (*connect)(void *self, struct smtpd_session *);
	enum smtpd_verdict (*helo)(void *self, struct smtpd_session *,
		    const char *name);
	enum smtpd_verdict (*mail)(void *self, struct smtpd_session *,
		    const char *path);
	enum smtpd_verdict (*rcpt)(void *self, struct smtpd_session *,
		    const char *path);
	/* The text begins: after DATA, or at the first BDAT. */
	enum smtpd_verdict (*data)(void *self, struct smtpd_session *);
	/*
	 * One header field with its continuation lines, without the last CRLF.
	 * At most SMTPD_HEADER_MAX bytes of a header are shown.  PENDING is not
	 * allowed here.
	 */
	enum smtpd_verdict (*header)(void *self, struct smtpd_session *,
		    const char *field, size_t len);
	/*
	 * The whole text, header included, in pieces of any size, with CRLF
	 * line ends and without dot-stuffing.  PENDING is not allowed; a
	 * refusal is given to the client after the end of the text.
	 */
	enum smtpd_verdict (*body)(void *self, struct smtpd_session *,
		    const char *bytes, size_t len);
	enum smtpd_verdict (*end_of_data)(void *self, struct smtpd_session *);
	/*
	 * Takes responsibility for the message: DELIVERED only when a power
	 * failure loses nothing.  Asked in the order of the configuration until
	 * one does not pass.
	 */
	enum smtpd_verdict (*deliver)(void *self, struct smtpd_session *);
	/*
	 * A transaction ended, delivered or not; what the module kept of it is
	 * freed.  Called once for each mail() that was called.
	 */
	void	(*reset)(void *self, struct smtpd_session *);
	void	(*disconnect)(void *self, struct smtpd_session *);

	/* The child ends in an orderly way. */
	void	(*child_exit)(void *self, struct smtpd_host *);
	/* The same of the parent; frees self.  Also after -t. */
	void	(*fini)(void *self, struct smtpd_host *);
};

#define SMTPD_HEADER_MAX	65536	/* bytes of a header for header() */

/* Seen from outside also where a module is built with hidden names. */
#if defined(__GNUC__)
#define SMTPD_EXPORT	__attribute__((__visibility__("default")))
#else
#define SMTPD_EXPORT
#endif

SMTPD_EXPORT extern const struct smtpd_module smtpd_module;

/*
 * Calls of modules.  They are made by the thread that runs the hooks, and by no
 * other.
 */
#if defined(__GNUC__)
#define SMTPD_PRINTF(f, a)	__attribute__((__format__(__printf__, f, a)))
#else
#define SMTPD_PRINTF(f, a)
#endif

/* 1. The process. */

/* The value of a key of dma-smtpd.conf such as ROOT; NULL if it has none. */
const char *smtpd_conf(struct smtpd_host *, const char *key);
/*
 * Reports an error to the administrator; returns -1.  setting: the line that is
 * wrong, or NULL.
 */
int	smtpd_error(struct smtpd_host *, const struct smtpd_setting *,
	    const char *format, ...) SMTPD_PRINTF(3, 4);
/* The same without consequences, as when a line of a list is skipped. */
void	smtpd_warn(struct smtpd_host *, const char *format, ...)
	    SMTPD_PRINTF(2, 3);
/*
 * In configure() or init(): children may read, or with is_writable also write,
 * below this path.  Copied.
 */
void	smtpd_need_path(struct smtpd_host *, const char *path, int is_writable);
/* In configure() or init(): children may connect to this TCP port. */
void	smtpd_need_port(struct smtpd_host *, unsigned port);
/* Adds to a counter that the status socket shows: name is [a-z_]{1,31}. */
void	smtpd_count(struct smtpd_host *, const char *name, uint64_t n);

/* 2. The loop of a child: see smtpd_watch_fd() for what is called when. */

struct smtpd_timer;
struct smtpd_watch;
/*
 * Calls back once after milliseconds; NULL without memory.  The timer is freed
 * after the call, or by smtpd_timer_cancel().
 */
struct smtpd_timer *smtpd_timer(struct smtpd_host *, int64_t milliseconds,
	    void (*expired)(void *arg), void *arg);
void	smtpd_timer_cancel(struct smtpd_timer *);

#define SMTPD_READ	0x1
#define SMTPD_WRITE	0x2
/*
 * Calls back whenever the descriptor is ready for one of the events (errors and
 * hang-ups are reported as both); NULL with errno.  The descriptor stays the
 * module's.
 */
struct smtpd_watch *smtpd_watch_fd(struct smtpd_host *, int fd, unsigned events,
	    void (*ready)(void *arg, unsigned events), void *arg);
int	smtpd_watch_events(struct smtpd_watch *, unsigned events);
/* Before the descriptor is closed. */
void	smtpd_watch_end(struct smtpd_watch *);

/* 3. Verdicts. */

/*
 * The reply that goes with a refusal, such as "451 4.7.1 try again later":
 * code and enhanced status (RFC 3463) are optional; 4yz with TEMPORARY and 5yz
 * with PERMANENT.  One line, cleaned, at most 480 bytes.
 */
void	smtpd_set_text(struct smtpd_session *, const char *format, ...)
	    SMTPD_PRINTF(2, 3);
/*
 * Ends a PENDING.  It may be called before the hook that returns it has
 * returned.  A session whose client left is not gone before that: until
 * disconnect() the pointer is valid.
 */
void	smtpd_finish(struct smtpd_session *, enum smtpd_verdict);
/* A pointer of the module's own for the session; NULL at first. */
void	**smtpd_data(struct smtpd_session *, const struct smtpd_module *);
/*
 * With is_paused not 0, in body(): reads no more from the client until the
 * module calls it with 0, so that a store slower than the client holds a
 * bounded part of the text.  What was read before may still come, end_of_data()
 * and deliver() included.  Ends with the transaction.
 */
void	smtpd_pause(struct smtpd_session *, int is_paused);
struct smtpd_host *smtpd_host(struct smtpd_session *);

/* 4. The connection.  Texts are lent until the next hook. */

const char *smtpd_client(const struct smtpd_session *);	/* "192.0.2.1" */
unsigned smtpd_client_port(const struct smtpd_session *);
const char *smtpd_helo(const struct smtpd_session *);	/* "" before it */
const char *smtpd_protocol(const struct smtpd_session *); /* "ESMTPS" */
const char *smtpd_tls(const struct smtpd_session *);	/* "" without */

/* 5. The transaction. */

const char *smtpd_id(const struct smtpd_session *);
const char *smtpd_sender(const struct smtpd_session *);
size_t	smtpd_recipients(const struct smtpd_session *);
const char *smtpd_recipient(const struct smtpd_session *, size_t i);
/* As given: "NOTIFY=NEVER"; "" without. */
const char *smtpd_recipient_parameters(const struct smtpd_session *, size_t i);
const char *smtpd_sender_parameters(const struct smtpd_session *);
/*
 * The name of the directory, queue and so on for a recipient: its domain as
 * A-labels in lower case, [a-z0-9.-], at most 253 bytes; or "_invalid".
 */
const char *smtpd_recipient_domain(const struct smtpd_session *, size_t i);
/* Bytes of the text so far; all of it from end_of_data() on. */
uint64_t smtpd_size(const struct smtpd_session *);
/* 0, or -1 for what is no path or is too long, or without memory. */
int	smtpd_set_sender(struct smtpd_session *, const char *path);
int	smtpd_set_recipient(struct smtpd_session *, size_t i, const char *path);
int	smtpd_add_recipient(struct smtpd_session *, const char *path);
void	smtpd_remove_recipient(struct smtpd_session *, size_t i);
/*
 * The lines before the text, with CRLF: Forward-Path, Return-Path, Received;
 * valid until the envelope changes.  NULL without memory.
 */
const char *smtpd_prepended(struct smtpd_session *, size_t *len);
/* Hands text to the modules after this one, from body() or end_of_data(). */
void	smtpd_emit(struct smtpd_session *, const struct smtpd_module *,
	    const char *bytes, size_t len);

#ifdef __cplusplus
}
#endif

#endif
