/*
 * caller.c - what is taken from the caller, and what is not.
 * Runs as: the spool user, before anything is parsed.
 * Uses: its own descriptors, environment and signals.
 * Promise: no descriptor, variable or signal setting of the caller reaches
 * what follows, but those that struct caller and TZ hold.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "compat/compat.h"
#include "lib/io.h"
#include "priv/caller.h"

extern char **environ;

static int
clean_descriptors(struct caller *c)
{
	int flags;

	flags = fcntl(STDIN_FILENO, F_GETFL);
	c->has_stdin = flags != -1 && (flags & O_ACCMODE) != O_WRONLY;
	if (io_fill_descriptors() == -1)
		return -1;
	return compat_close_from(STDERR_FILENO + 1);
}

/* TZ may name a zone, not a file of the caller's choosing. */
static int
zone_ok(const char *tz)
{
	static const char zone[] = "abcdefghijklmnopqrstuvwxyz"
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+-/,.:<>";
	size_t n;

	n = strspn(tz, zone);
	return n > 0 && n < 64 && tz[n] == '\0' && tz[0] != '/' &&
	    tz[0] != ':' && tz[0] != '.' && strstr(tz, "..") == NULL;
}

static void
take_text(char *dst, size_t size, const char *name)
{
	const char *s;

	s = getenv(name);
	if (s == NULL || !text_is_clean(s, strlen(s)) ||
	    text_copy(dst, size, s) == -1)
		dst[0] = '\0';
}

static int
clean_environment(struct caller *c)
{
	static char *empty[] = { NULL };
	char tz[64];

	take_text(c->email, sizeof(c->email), "EMAIL");
	take_text(c->logname, sizeof(c->logname), "LOGNAME");
	take_text(c->name, sizeof(c->name), "NAME");
	take_text(tz, sizeof(tz), "TZ");
	environ = empty;
	if (setenv("PATH", "/usr/bin:/bin", 1) == -1)
		return -1;
	if (zone_ok(tz) && setenv("TZ", tz, 1) == -1)
		return -1;
	return 0;
}

/*
 * Only what was ignored or blocked survives an exec, and these matter here;
 * the runner and its helpers reset all of them.
 */
static void
clean_signals(void)
{
	sigset_t mask;

	(void)signal(SIGHUP, SIG_DFL);
	(void)signal(SIGINT, SIG_DFL);
	(void)signal(SIGTERM, SIG_DFL);
	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGXFSZ, SIG_IGN);
	/* Output to a terminal (stty tostop) must not stop a background job. */
	sigemptyset(&mask);
	sigaddset(&mask, SIGTTOU);
	sigprocmask(SIG_SETMASK, &mask, NULL);
}

int
caller_clean(struct caller *c)
{
	clean_signals();
	return clean_descriptors(c) == -1 || chdir("/") == -1 ||
	    clean_environment(c) == -1 ? -1 : 0;
}

void
caller_block_signals(void)
{
	sigset_t all;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
}

static void
end_well(int sig)
{
	(void)sig;
	_exit(0);
}

void
caller_may_leave(void)
{
	static const int ends[] = { SIGHUP, SIGINT, SIGTERM };
	sigset_t mask;
	size_t i;

	sigemptyset(&mask);
	for (i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		(void)signal(ends[i], end_well);
		sigaddset(&mask, ends[i]);
	}
	sigprocmask(SIG_UNBLOCK, &mask, NULL);
}
