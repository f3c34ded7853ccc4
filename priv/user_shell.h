/*
 * user_shell.h - may the commands and files of a user's .forward be used?
 */
#ifndef PRIV_USER_SHELL_H
#define PRIV_USER_SHELL_H

#include "conf.h"
#include "priv/user.h"

#define SHELLS_FILE	"/etc/shells"

/* 1, 0, or -1 with errno when SHELLS_FILE cannot be read now. */
int	user_has_login_shell(const struct user *);
/* The same; 0 also for what is root's. */
int	user_may_run(const struct conf_local *, const struct user *);
/* 1 when the text of SHELLS_FILE lists that shell; "" is /bin/sh. */
int	user_shell_is_listed(const char *shell, const char *text);

#endif
