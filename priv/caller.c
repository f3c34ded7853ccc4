/*
 * caller.c - what is taken from the caller, and what is not.
 * Runs as: the spool user, before anything is parsed.
 * Uses: its own descriptors, environment and signals.
 * Promise: no descriptor, variable or signal setting of the caller reaches
 * what follows, but those that struct caller and TZ hold, and signals that it
 * ignores.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "compat/compat.h"
#include "lib/io.h"
#include "priv/caller.h"
#include "priv/records.h"

extern char **environ;

static void
look_at_stdin(struct caller *c)
{
	int flags;

	flags = fcntl(STDIN_FILENO, F_GETFL);
	c->has_stdin = flags != -1 && (flags & O_ACCMODE) != O_WRONLY;
}

int
caller_fill_descriptors(struct caller *c)
{
	look_at_stdin(c);
	return io_fill_descriptors();
}

int
caller_clean_descriptors(struct caller *c)
{
	look_at_stdin(c);
	/* The one that is left over is closed with the others. */
	return io_fill_standard() == -1 ? -1 :
	    compat_close_from(STDERR_FILENO + 1);
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

void
caller_ignore(char *names, size_t size, const char *name)
{
	size_t n = strlen(names);

	snprintf(names + n, size - n, "%s%s", n > 0 ? " " : "", name);
}

/* Lends the zone, or NULL for the default. */
static const char *
find_zone(struct caller *c, const char *tz)
{
	/* A colon before the zone is the C library's own form of it. */
	if (*tz == ':')
		tz++;
	if (*tz == '\0' || strcmp(tz, "/etc/localtime") == 0)
		return NULL;
	if (zone_ok(tz))
		return tz;
	caller_ignore(c->ignored, sizeof(c->ignored), "TZ");
	return NULL;
}

static void
take_text(struct caller *c, char *dst, size_t size, const char *name)
{
	const char *s;

	dst[0] = '\0';
	s = getenv(name);
	if (s != NULL && (!text_is_clean(s, strlen(s)) ||
	    text_copy(dst, size, s) == -1))
		caller_ignore(c->ignored, sizeof(c->ignored), name);
}

static void
clean_environment(struct caller *c)
{
	static char path[] = "PATH=/usr/bin:/bin", variable[sizeof("TZ=") + 64];
	static char *clean[] = { path, NULL, NULL };
	const char *zone;
	char tz[64];

	c->ignored[0] = '\0';
	take_text(c, c->email, sizeof(c->email), "EMAIL");
	take_text(c, c->logname, sizeof(c->logname), "LOGNAME");
	take_text(c, c->name, sizeof(c->name), "NAME");
	take_text(c, tz, sizeof(tz), "TZ");
	zone = find_zone(c, tz);
	if (zone != NULL) {
		snprintf(variable, sizeof(variable), "TZ=%s", zone);
		clean[1] = variable;
	}
	environ = clean;
}

/*
 * Only what was ignored or blocked survives an exec.  What the caller ignores,
 * stays ignored: a job under nohup, or in the background, must not be ended by
 * the SIGHUP or SIGINT of its terminal.
 */
static void
clean_signals(void)
{
	sigset_t mask;

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
	clean_environment(c);
	return chdir("/");
}

void
caller_ask_input(const struct caller *c)
{
	/* An IPC message: type and id. */
	static const uint32_t ask[] = { IPC_SUBMIT_INPUT, 0 };

	if (c->is_fed)
		(void)io_write_all(CALLER_CONNECTION, ask, sizeof(ask));
}

int
caller_is_gone(const struct caller *c)
{
	struct pollfd pfd = { CALLER_CONNECTION, POLLIN, 0 };
	struct pollfd input = { c->is_fed ? STDIN_FILENO : -1, 0, 0 };

	/* What closed both at once may have closed this one last. */
	return c->is_handed_over && (poll(&pfd, 1, 0) != 0 ||
	    poll(&input, 1, 0) != 0);
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

static void
end_well_at_client(int sig)
{
	/* An IPC message: type and id; status, length of the reason. */
	static const uint32_t good[] = { IPC_SUBMIT_STATUS, 0, 0, 0 };

	(void)io_write_all(CALLER_CONNECTION, good, sizeof(good));
	end_well(sig);
}

void
caller_may_leave(const struct caller *c)
{
	static const int ends[] = { SIGHUP, SIGINT, SIGTERM };
	sigset_t mask;
	size_t i;

	sigemptyset(&mask);
	for (i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		if (signal(ends[i], c->is_handed_over ?
		    end_well_at_client : end_well) == SIG_IGN)
			(void)signal(ends[i], SIG_IGN);
		sigaddset(&mask, ends[i]);
	}
	sigprocmask(SIG_UNBLOCK, &mask, NULL);
}
