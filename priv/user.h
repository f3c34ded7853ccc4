/*
 * user.h - a local user, and becoming one for good.
 */
#ifndef PRIV_USER_H
#define PRIV_USER_H

#include "message.h"

/* A local user, looked up by the process that acts as them. */
struct user {
	char		 name[LOGIN_MAX + 1];
	uint32_t	 uid, gid;
	char		 home[1024];
	char		 shell[256];
};

/* 1 when a text can be a user's name as THREATS.md has it. */
int	user_name_ok(const char *);
/* 0 found, 1 there is none, -1 can't be told now. */
int	user_lookup(const char *name, struct user *);

#endif
