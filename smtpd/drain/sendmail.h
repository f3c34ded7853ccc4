/*
 * sendmail.h - hands a message to sendmail.
 */
#ifndef SMTPD_DRAIN_SENDMAIL_H
#define SMTPD_DRAIN_SENDMAIL_H

#include <sys/types.h>

#include <stddef.h>

#include "lib/buf.h"

/*
 * Starts the program with n arguments, a NUL after each, as lib/sendmail_call.h
 * makes them, and with the descriptor, which is lent, from at on as its input.
 * The process, to be waited for; -1 with errno.  127 is the exit status where
 * the program cannot be run.
 */
pid_t	sendmail_start(const char *program, const struct buf *arguments,
	    size_t n, int input, off_t at);
/*
 * The same from the beginning of the input, until it has ended: its exit
 * status, 128 and the signal that ended it, or -1 with errno.
 */
int	sendmail_run(const char *program, const struct buf *arguments,
	    size_t n, int input);

#endif
