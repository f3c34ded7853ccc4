/*
 * t_delivery.h - a delivery in a directory of its own, and its runner.
 */
#ifndef TESTS_UNIT_T_DELIVERY_H
#define TESTS_UNIT_T_DELIVERY_H

#include "conf.h"
#include "lib/ipc.h"
#include "lib/result.h"
#include "priv/delivery_request.h"
#include "priv/records.h"
#include "tests/unit/t.h"

/* The message, the same in an mbox, and as a command reads it. */
#define T_BODY	"Subject: x\n\nFrom the start\n>From here\nend\n"
#define T_HEAD	"Return-Path: <ann@example.org>\nDelivered-To: bob@here\n"
#define T_FROM	"From ann@example.org Thu Jan  1 00:01:40 1970\n"
#define T_ENTRY	T_FROM T_HEAD						\
	"Subject: x\n\n>From the start\n>>From here\nend\n\n"

struct t_delivery {
	char		 top[64];	/* "home", "mail", "message" are here */
	int		 dir;		/* mail, open */
	char		 mailspool[128];
	struct conf	 conf;
	struct user	 user;		/* bob, as this process */
	struct delivery	 d;
	int		 runner;	/* the other end of d.channel, or -1 */
	/* what the runner received */
	unsigned	 ncheckpoints;
	struct checkpoint at;		/* the last */
	struct result	 res;
	char		 said[2 * REASON_MAX + 4];	/* reason (detail) */
	uint32_t	 verdict;
	struct buf	 text;		/* .forward, list, command's output */
	int		 wait_status;
	void		(*before_ack)(struct t_delivery *);
};

/* For cmocka: *state is the struct. */
int	t_delivery_setup(void **state);
int	t_delivery_teardown(void **state);
/* The full name of something in top. */
const char *t_delivery_path(struct t_delivery *, const char *name);
void	t_delivery_put(struct t_delivery *, const char *name, const char *text);
/* Another message; one of len bytes in lines, some of which need a quote. */
void	t_delivery_message(struct t_delivery *, const void *text, size_t len);
void	t_delivery_long_message(struct t_delivery *, size_t len);
/* The checkpoint of an attempt that began at length in mail/bob. */
void	t_delivery_interrupted(struct t_delivery *, int64_t length);

/* ---- the runner ---- */

/* A new channel; what was received is forgotten. */
void	t_delivery_open(struct t_delivery *);
void	t_delivery_send(struct t_delivery *, uint32_t kind);
/* Everything until the other side is gone; checkpoints are acknowledged. */
void	t_delivery_receive(struct t_delivery *);
/* One IPC message: 1, or 0 when there is none. */
int	t_delivery_receive_one(struct t_delivery *);
/* Puts the result into res and said. */
void	t_delivery_take(struct t_delivery *, const struct result *);

/*
 * Runs the body in a process of its own, with a runner that answers; killed
 * kill_us after its first checkpoint, or not (-1).  Its wait status stays.
 */
void	t_delivery_fork(struct t_delivery *, int (*body)(struct t_delivery *),
	    int kill_us);

#endif
