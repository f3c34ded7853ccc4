/*
 * work.h - a message of a queue on its way into sendmail.
 */
#ifndef SMTPD_CONSUME_WORK_H
#define SMTPD_CONSUME_WORK_H

#include <sys/types.h>

#include <stddef.h>
#include <stdint.h>

#include "lib/buf.h"
#include "smtpd/modules/rabbitmq.h"

enum work_state {
	WORK_ARRIVING,	/* of its body there is more to come */
	WORK_WAITING,	/* for a free job */
	WORK_RUNNING,	/* sendmail has it */
	WORK_HELD,	/* refused for now */
	WORK_BURIED,	/* published to the queue of dead messages */
	WORK_RETURNED	/* there is no such queue; its confirm follows */
};

struct work {
	struct work	*next;
	enum work_state	 state;
	int		 is_void;	/* its connection ended: the broker
					 * gives the message to another */
	uint64_t	 tag;		/* of the delivery */
	uint64_t	 left_bytes;	/* of the body */
	int		 fd;		/* owned: the body */
	off_t		 bytes;
	off_t		 text_at;	/* where the message for sendmail is */
	struct buf	 arguments;	/* for sendmail, a NUL after each */
	size_t		 argc;
	pid_t		 pid;
	int64_t		 until_ms;	/* while it is held */
	unsigned	 tries;
	/* As they came, for the queue of dead messages. */
	amqp_pool_t	 pool;
	amqp_table_t	 headers;
	char		 name[512];	/* for messages: id and routing key */
	const char	*problem;	/* a constant: it is no mail; or NULL */
};

/* NULL with errno.  directory: of the file for the body. */
struct work *work_new(uint64_t tag, const char *directory);
void	work_free(struct work *);
/*
 * What is said of it: sets problem, or the arguments.  0, or -1 without memory.
 */
int	work_take_properties(struct work *, const amqp_basic_properties_t *,
	    amqp_bytes_t routing_key, uint64_t body_bytes);
/* A part of the body; -1 with errno. */
int	work_take_body(struct work *, amqp_bytes_t);
/* The body is complete: finds where the message begins.  -1 with errno. */
int	work_complete(struct work *);
/* Runs sendmail: 0, or -1 with errno. */
int	work_start(struct work *, const char *sendmail);

#endif
