/*
 * cleanup.c - no limit, descriptor or schedule of a caller reaches us.
 * Runs as: root.  Uses: its own limits, descriptors and environment.
 * Promise: runs before anything is parsed; what cannot be had and is needed
 * is refused in words.
 */
#include <sys/resource.h>
#if defined(__linux__)
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#endif

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "compat/compat.h"
#include "lib/io.h"
#include "priv/cleanup.h"

#define MIB	(1024UL * 1024UL)
#define INF	RLIM_INFINITY
#define USUAL_SLACK_NS	50000UL	/* of timers: as init's */

extern char **environ;

/*
 * At least these, and as hard limits those of login_limits.c.  The runner
 * serves the whole host: the limits of the first caller are not its own.
 */
static const struct limit {
	int		 which;
	const char	*name;
	rlim_t		 soft, hard;	/* at least, where it can be raised */
	rlim_t		 least;		/* else the call is refused */
} limits[] = {
	{ RLIMIT_NOFILE, "open files",	4096,	524288,	512 },
	{ RLIMIT_FSIZE,	"file size",	INF,	INF,	1024 * MIB },
	{ RLIMIT_CPU,	"CPU time",	INF,	INF,	3600 },
	{ RLIMIT_AS,	"address space", INF,	INF,	256 * MIB },
	{ RLIMIT_DATA,	"data",		INF,	INF,	64 * MIB },
	{ RLIMIT_STACK,	"stack",	8 * MIB, INF,	MIB },
#ifdef RLIMIT_NPROC
	{ RLIMIT_NPROC,	"processes",	INF,	INF,	64 },
#endif
	/* From here on for commands alone. */
#if defined(__linux__)
	{ RLIMIT_RTTIME, "real time",	0,	INF,	0 },
	{ RLIMIT_SIGPENDING, "signals",	0,	INF,	0 },
	{ RLIMIT_MEMLOCK, "locked memory", 0,	8 * MIB, 0 },
	{ RLIMIT_MSGQUEUE, "messages",	0,	819200,	0 },
#endif
};

/* A front end needs the least, but processes are counted for all of them. */
static rlim_t
enough(const struct limit *l, int for_commands)
{
#ifdef RLIMIT_NPROC
	if (l->which == RLIMIT_NPROC)
		return l->soft;
#endif
	return for_commands ? l->soft : l->least;
}

static int
raise_limit(const struct limit *l, int for_commands)
{
	struct rlimit rl;

	if (getrlimit(l->which, &rl) == -1)
		return -1;
	if (rl.rlim_cur >= enough(l, for_commands) &&
	    (rl.rlim_max >= l->hard || !for_commands))
		return 0;
	if (rl.rlim_cur < l->soft)
		rl.rlim_cur = l->soft;
	if (rl.rlim_max < l->hard)
		rl.rlim_max = l->hard;
	if (setrlimit(l->which, &rl) == 0)
		return 0;
	/* In a container without the right to: as far as it goes. */
	if (getrlimit(l->which, &rl) == -1)
		return -1;
	rl.rlim_cur = rl.rlim_max;
	return setrlimit(l->which, &rl) == 0 && rl.rlim_max >= l->least ? 0 :
	    -1;
}

int
cleanup_limits(int for_commands)
{
	static const struct rlimit no_core = { 0, INF }, never = { 0, 0 };
	const struct limit *l;

	for (l = limits; l < limits + sizeof(limits) / sizeof(*limits); l++) {
		if ((l->least == 0 && !for_commands) ||
		    raise_limit(l, for_commands) == 0)
			continue;
		dprintf(STDERR_FILENO, "dma: limit on %s: it is too low (at "
		    "least %ju is needed) and cannot be raised\n", l->name,
		    (uintmax_t)l->least);
		return -1;
	}
	return !for_commands || setrlimit(RLIMIT_CORE, &no_core) == 0 ? 0 :
	    setrlimit(RLIMIT_CORE, &never);
}

/* How the caller is scheduled is not how mail is delivered; not vital. */
static void
usual_schedule(void)
{
#if defined(__linux__)
	struct sched_param param = { 0 };
	cpu_set_t all;
	int fd;

	(void)sched_setscheduler(0, SCHED_OTHER, &param);
	memset(&all, 0xff, sizeof(all));
	(void)sched_setaffinity(0, sizeof(all), &all);
	(void)syscall(SYS_ioprio_set, 1 /* a process */, 0, 0 /* by nice */);
	(void)prctl(PR_SET_TIMERSLACK, USUAL_SLACK_NS, 0, 0, 0);
	(void)personality(PER_LINUX);
	fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
	if (fd != -1) {
		(void)io_write_all(fd, "0", 1);
		close(fd);
	}
#endif
	(void)setpriority(PRIO_PROCESS, 0, 0);
}

static int
clean_descriptors(void)
{
	int fd;

	if (compat_close_from(STDERR_FILENO + 1) == -1)
		return -1;
	fd = open("/dev/null", O_RDWR);
	if (fd == -1 || dup2(fd, STDIN_FILENO) == -1 ||
	    dup2(fd, STDOUT_FILENO) == -1 || dup2(fd, STDERR_FILENO) == -1)
		return -1;
	if (fd > STDERR_FILENO)
		close(fd);
	return 0;
}

int
cleanup_all(void)
{
	static char path[] = "PATH=/usr/bin:/bin";
	static char *clean[] = { path, NULL };

	environ = clean;
	io_default_signals();
	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGXFSZ, SIG_IGN);
	usual_schedule();
	return clean_descriptors() == -1 || chdir("/") == -1 ? -1 : 0;
}
