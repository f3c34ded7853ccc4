/*
 * cleanup.c - no limit, descriptor or variable of a caller reaches us.
 * Runs as: root.  Uses: its own limits, descriptors and environment.
 * Promise: runs before anything is parsed; what cannot be had and is needed
 * is refused in words.
 */
#include <sys/resource.h>
#include <sys/stat.h>

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "compat/compat.h"
#include "lib/io.h"
#include "priv/cleanup.h"

#define MIB	(1024UL * 1024UL)
#define INF	RLIM_INFINITY

extern char **environ;

/*
 * At least these, and as hard limits those of login_limits.c.  The runner
 * serves the whole host: the limits of the first caller are not its own.
 */
static const struct limit {
	int		 which;
	char		 name[24];
	rlim_t		 soft, hard;	/* at least, where it can be raised */
	rlim_t		 least;		/* else the call is refused */
} limits[] = {
	{ RLIMIT_NOFILE, "limit on open files",	4096,	524288,	512 },
	{ RLIMIT_FSIZE,	"limit on file size",	INF,	INF,	1024 * MIB },
	{ RLIMIT_CPU,	"limit on CPU time",	INF,	INF,	3600 },
	{ RLIMIT_AS,	"limit on memory",	INF,	INF,	256 * MIB },
	{ RLIMIT_DATA,	"limit on data",	INF,	INF,	64 * MIB },
	{ RLIMIT_STACK,	"limit on stack",	8 * MIB, INF,	MIB },
#ifdef RLIMIT_NPROC
	{ RLIMIT_NPROC,	"limit on processes",	INF,	INF,	64 },
#endif
	/* From here on for commands alone. */
	{ RLIMIT_RSS,	"limit on memory",	0,	INF,	0 },
#if defined(__linux__)
	{ RLIMIT_LOCKS, "limit on locks",	0,	INF,	0 },
	{ RLIMIT_RTTIME, "limit on real time",	0,	INF,	0 },
	{ RLIMIT_SIGPENDING, "limit on signals",	0,	INF,	0 },
	{ RLIMIT_MEMLOCK, "limit on locked memory", 0,	8 * MIB, 0 },
	{ RLIMIT_MSGQUEUE, "limit on messages",	0,	819200,	0 },
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
	const struct rlimit most = { INF, INF };
	rlim_t want = enough(l, for_commands);
	struct rlimit rl, more;

	/* Without a look first, since it is seldom so already. */
	if (want == INF && setrlimit(l->which, &most) == 0)
		return 0;
	if (getrlimit(l->which, &rl) == -1)
		return -1;
	if (rl.rlim_cur >= want && (rl.rlim_max >= l->hard || !for_commands))
		return 0;
	more.rlim_cur = rl.rlim_cur < l->soft ? l->soft : rl.rlim_cur;
	more.rlim_max = rl.rlim_max < l->hard ? l->hard : rl.rlim_max;
	if (want != INF && setrlimit(l->which, &more) == 0)
		return 0;
	/* In a container without the right to: as far as it goes. */
	if (rl.rlim_max < l->least)
		return -1;
	if (rl.rlim_cur == rl.rlim_max)
		return 0;
	rl.rlim_cur = rl.rlim_max;
	return setrlimit(l->which, &rl);
}

const char *
cleanup_limits(int for_commands)
{
	static const struct rlimit no_core = { 0, INF }, never = { 0, 0 };
	const struct limit *l;

	for (l = limits; l < limits + sizeof(limits) / sizeof(*limits); l++) {
		if ((l->least == 0 && !for_commands) ||
		    raise_limit(l, for_commands) == 0)
			continue;
		return l->name;
	}
	if (for_commands && setrlimit(RLIMIT_CORE, &no_core) == -1 &&
	    setrlimit(RLIMIT_CORE, &never) == -1)
		return "limit on core size";
	return NULL;
}

/* inetd gives one socket for all three, and a terminal is somebody's. */
static int
is_for_log(int fd)
{
	struct stat in, st;

	return fstat(fd, &st) == 0 && (fstat(STDIN_FILENO, &in) == -1 ||
	    in.st_dev != st.st_dev || in.st_ino != st.st_ino);
}

static int
clean_descriptors(int *kept, int keeps_stderr)
{
	int fd, lowest = STDERR_FILENO + 1;

	if (*kept != -1) {
		if (*kept != lowest && dup2(*kept, lowest) == -1)
			return -1;
		*kept = lowest++;
		if (fcntl(*kept, F_SETFD, FD_CLOEXEC) == -1)
			return -1;
	}
	if (compat_close_from(lowest) == -1)
		return -1;
	keeps_stderr = keeps_stderr && is_for_log(STDERR_FILENO);
	fd = io_open_null();
	if (fd == -1 || dup2(fd, STDIN_FILENO) == -1 ||
	    dup2(fd, STDOUT_FILENO) == -1 ||
	    (!keeps_stderr && dup2(fd, STDERR_FILENO) == -1))
		return -1;
	if (fd > STDERR_FILENO)
		close(fd);
	return 0;
}

int
cleanup_all(int *kept, int keeps_stderr)
{
	static char path[] = "PATH=/usr/bin:/bin";
	static char *clean[] = { path, NULL };

	environ = clean;
	io_default_signals();
	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGXFSZ, SIG_IGN);
	return clean_descriptors(kept, keeps_stderr) == -1 ||
	    chdir("/") == -1 ? -1 : 0;
}
