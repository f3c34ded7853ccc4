/*
 * login_limits.h - the resource limits of a command.
 */
#ifndef PRIV_LOGIN_LIMITS_H
#define PRIV_LOGIN_LIMITS_H

/*
 * What root raised before is lowered to them; what could not be raised, in a
 * container without the right to, stays.  -1 with errno.
 */
int	login_limits_set(void);

#endif
