/*
 * dsn.h - what a sender asks of reports, as text (RFC 3461 4).
 */
#ifndef LIB_DSN_H
#define LIB_DSN_H

#include <stdint.h>

#include "lib/buf.h"

#define ENVID_MAX	100	/* bytes of an envelope id (RFC 3461 4.4) */
#define ORCPT_MAX	520	/* bytes of "type;address" as it is kept */

/* When the sender wants to hear of a recipient (RFC 3461 4.1); 0: not said. */
#define NOTIFY_NEVER	0x01	/* alone */
#define NOTIFY_SUCCESS	0x02
#define NOTIFY_FAILURE	0x04
#define NOTIFY_DELAY	0x08

/* What a report of failure shall bring back (RFC 3461 4.3). */
enum ret {
	RET_UNSAID,
	RET_FULL,
	RET_HDRS
};

/* "never", or words of success, failure, delay, with commas. 0 or -1. */
int	dsn_notify(const char *, unsigned *notify);
/* 1 when it is a sum of NOTIFY_* that can be said, or 0. */
int	dsn_notify_ok(uint64_t);
void	dsn_put_notify(struct buf *, unsigned notify);	/* "NEVER" */
/* "full" or "hdrs". 0 or -1. */
int	dsn_ret(const char *, enum ret *);
/* 1 when it is printable ASCII that has at most ENVID_MAX bytes as xtext. */
int	dsn_envid_ok(const char *);
/* 1 for "type;address" of at most ORCPT_MAX bytes without controls. */
int	dsn_orcpt_ok(const char *);
/* Adds text so that it is one word of printable ASCII; no 8-bit in it. */
void	dsn_put_xtext(struct buf *, const char *);
/* Decodes xtext; -1 when it is none, holds a NUL, or does not fit. */
int	dsn_get_xtext(const char *xtext, char *out, size_t size);
/*
 * Adds an orcpt for SMTP or a report.  What has 8-bit in it gets the type
 * utf-8 and is written in ASCII (RFC 6533 3).  -1 and nothing when it cannot
 * be said: no UTF-8, or too long.
 */
int	dsn_put_orcpt(struct buf *, const char *orcpt, int is_smtp);

#endif
