/*
 * sender_pattern.c - the senders for a line of SENDER_RELAY or FROM_MAP.
 * Runs as: anyone.  Uses: nothing.
 * Promise: a pattern without a host fits no address but by its login.
 */
#include <string.h>

#include "conf/sender_pattern.h"
#include "lib/buf.h"
#include "lib/domain.h"
#include "message.h"

int
sender_pattern_ok(const char *s)
{
	const char *at = strrchr(s, '@');

	if (*s == '\0' || strlen(s) > ADDRESS_MAX ||
	    !text_is_clean(s, strlen(s)) || strpbrk(s, "<>,;\"()") != NULL)
		return 0;
	if (at != NULL)
		return at[1] != '\0';
	return strcmp(s, "*") == 0 ||
	    (strlen(s) <= LOGIN_MAX && strpbrk(s, "*/:!") == NULL);
}

int
sender_pattern_is_login(const char *s)
{
	return sender_pattern_ok(s) && strpbrk(s, "@*") == NULL;
}

int
sender_pattern_fits(const char *pattern, const char *sender, const char *login)
{
	const char *at = strrchr(sender, '@'), *mine = strrchr(pattern, '@');

	if (strcmp(pattern, "*") == 0)
		return 1;
	if (mine == NULL)
		return login != NULL && strcmp(pattern, login) == 0;
	return at != NULL && domain_same(at + 1, mine + 1) &&
	    (mine == pattern || (at - sender == mine - pattern &&
	    text_ncasecmp(sender, pattern, (size_t)(at - sender)) == 0));
}
