/*
 * sendmail_call.h - the arguments with which a message is handed to sendmail.
 */
#ifndef LIB_SENDMAIL_CALL_H
#define LIB_SENDMAIL_CALL_H

#include <stddef.h>

#include "lib/buf.h"

struct sendmail_call {
	struct buf	options, recipients;	/* a NUL after each argument */
	size_t		noptions, nrecipients;
	unsigned	notify;		/* of the recipients so far */
	int		notify_differs;
};

/*
 * Path and parameters as in Return-Path: RET and ENVID become options.  Texts
 * are what an SMTP server has checked.
 */
void	sendmail_call_init(struct sendmail_call *, const char *path,
	    const char *parameters);
void	sendmail_call_fini(struct sendmail_call *);
/*
 * The same as in Forward-Path.  sendmail has one NOTIFY for all recipients: it
 * is passed on if they agree.
 */
void	sendmail_call_add(struct sendmail_call *, const char *path,
	    const char *parameters);
/*
 * Adds all arguments, from the name of the program on, a NUL after each; how
 * many they are, or 0 without memory.
 */
size_t	sendmail_call_put(struct sendmail_call *, struct buf *);
/*
 * Bytes of the lines Forward-Path and Return-Path at the beginning of a text:
 * they are its envelope, and sendmail gets what follows.
 */
size_t	sendmail_call_skip(const char *text, size_t len);
/* 1 if a call with this exit status would fail again. */
int	sendmail_call_is_permanent(int status);

#endif
