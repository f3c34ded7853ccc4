/*
 * sender_pattern.h - the senders for a line of SENDER_RELAY or FROM_MAP.
 * Pure.  A pattern is user@host, @host, a login, or * for everybody.
 */
#ifndef CONF_SENDER_PATTERN_H
#define CONF_SENDER_PATTERN_H

int	sender_pattern_ok(const char *);
/* 1 for the name of an account. */
int	sender_pattern_is_login(const char *);
/*
 * 1 when the pattern is for this sender, whose login is NULL where no account
 * of this host is meant.  Case counts in logins alone.
 */
int	sender_pattern_fits(const char *pattern, const char *sender,
	    const char *login);

#endif
