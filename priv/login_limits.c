/*
 * login_limits.c - the resource limits of a command.
 * Runs as: the user.  Uses: its own limits.
 * Promise: a command has the limits of a process that init starts, neither
 * those of the caller that started the runner nor the runner's own: some of
 * them are privileges (nice, real time, locked memory).
 */
#include <sys/resource.h>

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/io.h"
#include "priv/login_limits.h"

#define MIB	(1024UL * 1024UL)

static const struct { int which; rlim_t soft, hard; } login_limits[] = {
	{ RLIMIT_CPU,		RLIM_INFINITY,	RLIM_INFINITY },
	{ RLIMIT_FSIZE,		RLIM_INFINITY,	RLIM_INFINITY },
	{ RLIMIT_DATA,		RLIM_INFINITY,	RLIM_INFINITY },
	{ RLIMIT_STACK,		8 * MIB,	RLIM_INFINITY },
	{ RLIMIT_CORE,		0,		RLIM_INFINITY },
	{ RLIMIT_AS,		RLIM_INFINITY,	RLIM_INFINITY },
	{ RLIMIT_RSS,		RLIM_INFINITY,	RLIM_INFINITY },
	{ RLIMIT_NOFILE,	1024,		524288 },
#if defined(__linux__)
	{ RLIMIT_LOCKS,		RLIM_INFINITY,	RLIM_INFINITY },
	{ RLIMIT_MEMLOCK,	8 * MIB,	8 * MIB },
	{ RLIMIT_MSGQUEUE,	819200,		819200 },
	{ RLIMIT_NICE,		0,		0 },
	{ RLIMIT_RTPRIO,	0,		0 },
	{ RLIMIT_RTTIME,	RLIM_INFINITY,	RLIM_INFINITY },
#endif
};

/* What cannot be raised, in a container without the right to, stays. */
static int
set_limit(int which, rlim_t soft, rlim_t hard)
{
	struct rlimit rl = { soft, hard };

	if (setrlimit(which, &rl) == 0)
		return 0;
	if (getrlimit(which, &rl) == -1)
		return -1;
	rl.rlim_cur = soft < rl.rlim_max ? soft : rl.rlim_max;
	return setrlimit(which, &rl);
}

/* As the kernel reckons for its first process; 0 when it does not tell. */
static rlim_t
usual_processes(void)
{
	char text[32] = "";
	int fd;

	fd = open("/proc/sys/kernel/threads-max", O_RDONLY | O_CLOEXEC);
	if (fd == -1)
		return 0;
	if (io_read(fd, text, sizeof(text) - 1) <= 0)
		text[0] = '\0';
	close(fd);
	return (rlim_t)strtoull(text, NULL, 10) / 2;
}

int
login_limits_set(void)
{
	rlim_t processes = usual_processes();
	size_t i;

	for (i = 0; i < sizeof(login_limits) / sizeof(login_limits[0]); i++)
		if (set_limit(login_limits[i].which, login_limits[i].soft,
		    login_limits[i].hard) == -1)
			return -1;
#if defined(__linux__)
	if (processes != 0 && (set_limit(RLIMIT_NPROC, processes,
	    processes) == -1 || set_limit(RLIMIT_SIGPENDING, processes,
	    processes) == -1))
		return -1;
#else
	(void)processes;
#endif
	return 0;
}
