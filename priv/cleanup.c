/*
 * cleanup.c - nothing of the caller reaches what we do.
 * Runs as: root.  Uses: its own descriptors, environment, signals and limits.
 * Promise: runs before anything is parsed; what cannot be cleaned and would
 * stop the work is refused in words.
 */
#include <sys/resource.h>
#include <sys/stat.h>
#if defined(__linux__)
#include <sys/syscall.h>
#endif

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "compat/compat.h"
#include "lib/io.h"
#include "priv/cleanup.h"

#define MIB		(1024UL * 1024UL)
#define FILES_WANTED	4096	/* descriptors */
#define FILES_LEAST	512	/* of a runner with a full active queue */

extern char **environ;

int
cleanup_refuse(int status, const char *what, const char *reason)
{
	dprintf(STDERR_FILENO, "dma: %s: %s\n", what, reason);
	return status;
}

static int
clean_descriptors(struct caller *c)
{
	int fd, flags;

	flags = fcntl(STDIN_FILENO, F_GETFL);
	c->has_stdin = flags != -1 && (flags & O_ACCMODE) != O_WRONLY;
	do {
		fd = open("/dev/null", O_RDWR);
		if (fd == -1)
			return -1;
	} while (fd <= STDERR_FILENO);
	close(fd);
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

static void
set_signal(int sig, void (*what)(int))
{
	struct sigaction sa;

	memset(&sa, 0, sizeof(sa));
	sa.sa_handler = what;
	sigemptyset(&sa.sa_mask);
	sigaction(sig, &sa, NULL);
}

/* Blocks this signal alone; 0: none. */
static void
mask_signal(int sig)
{
	sigset_t mask;

	sigemptyset(&mask);
	if (sig != 0)
		sigaddset(&mask, sig);
	sigprocmask(SIG_SETMASK, &mask, NULL);
}

/* Only what was ignored survives an exec; these are those that matter here. */
static void
clean_signals(void)
{
	static const int back[] = { SIGCHLD, SIGHUP, SIGINT, SIGTERM, SIGALRM };
	size_t i;

	for (i = 0; i < sizeof(back) / sizeof(back[0]); i++)
		set_signal(back[i], SIG_DFL);
	set_signal(SIGPIPE, SIG_IGN);
	set_signal(SIGXFSZ, SIG_IGN);
	/* Output to a terminal (stty tostop) must not stop a background job. */
	mask_signal(SIGTTOU);
}

/* What the work needs.  The runner serves the whole host: the limits of the
 * first caller are not its own. */
static const struct {
	int		 which;
	const char	*name;
	rlim_t		 wanted, least;
} needed_limits[] = {
	{ RLIMIT_NOFILE, "descriptors", FILES_WANTED, FILES_LEAST },
	{ RLIMIT_FSIZE,	"file size",	RLIM_INFINITY,	1024 * MIB },
	{ RLIMIT_CPU,	"processor time", RLIM_INFINITY, 3600 },
	{ RLIMIT_AS,	"address space", RLIM_INFINITY,	256 * MIB },
	{ RLIMIT_DATA,	"data",		RLIM_INFINITY,	64 * MIB },
	{ RLIMIT_STACK,	"stack",	RLIM_INFINITY,	MIB },
#ifdef RLIMIT_NPROC
	{ RLIMIT_NPROC,	"processes",	RLIM_INFINITY,	64 },
#endif
};

/* As high as it goes, up to what is wanted; -1 when that is too low. */
static int
raise_limit(int which, rlim_t wanted, rlim_t least)
{
	struct rlimit rl;

	if (getrlimit(which, &rl) == -1)
		return -1;
	if (rl.rlim_cur >= wanted)
		return 0;
	rl.rlim_cur = wanted;
	if (rl.rlim_max < wanted)
		rl.rlim_max = wanted;
	if (setrlimit(which, &rl) == 0)
		return 0;
	if (getrlimit(which, &rl) == -1)
		return -1;
	rl.rlim_cur = rl.rlim_max;
	return setrlimit(which, &rl) == 0 && rl.rlim_max >= least ? 0 : -1;
}

static int
clean_limits(void)
{
	static const struct rlimit none = { 0, 0 };
	size_t i;

	for (i = 0; i < sizeof(needed_limits) / sizeof(*needed_limits); i++) {
		if (raise_limit(needed_limits[i].which, needed_limits[i].wanted,
		    needed_limits[i].least) == 0)
			continue;
		dprintf(STDERR_FILENO, "dma: limit on %s: it is too low (at "
		    "least %ju is needed) and cannot be raised\n",
		    needed_limits[i].name, (uintmax_t)needed_limits[i].least);
		return -1;
	}
	return setrlimit(RLIMIT_CORE, &none);
}

/*
 * What a process that init starts has.  A command must have neither the
 * limits of whoever woke the runner nor the runner's own: some of them are
 * privileges (nice, real time, locked memory).
 */
static const struct { int which; rlim_t soft, hard; } fresh_limits[] = {
	{ RLIMIT_CPU,		RLIM_INFINITY,	RLIM_INFINITY },
	{ RLIMIT_FSIZE,		RLIM_INFINITY,	RLIM_INFINITY },
	{ RLIMIT_DATA,		RLIM_INFINITY,	RLIM_INFINITY },
	{ RLIMIT_STACK,		8 * MIB,	RLIM_INFINITY },
	{ RLIMIT_CORE,		0,		RLIM_INFINITY },
	{ RLIMIT_AS,		RLIM_INFINITY,	RLIM_INFINITY },
	{ RLIMIT_NOFILE,	1024,		524288 },
#if defined(__linux__)
	{ RLIMIT_RSS,		RLIM_INFINITY,	RLIM_INFINITY },
	{ RLIMIT_MEMLOCK,	8 * MIB,	8 * MIB },
	{ RLIMIT_LOCKS,		RLIM_INFINITY,	RLIM_INFINITY },
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
	return (rlim_t)strtoul(text, NULL, 10) / 2;
}

int
cleanup_fresh_limits(void)
{
	rlim_t processes = usual_processes();
	size_t i;

	for (i = 0; i < sizeof(fresh_limits) / sizeof(fresh_limits[0]); i++)
		if (set_limit(fresh_limits[i].which, fresh_limits[i].soft,
		    fresh_limits[i].hard) == -1)
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
	fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
	if (fd != -1) {
		(void)io_write_all(fd, "0", 1);
		close(fd);
	}
#endif
	(void)setpriority(PRIO_PROCESS, 0, 0);
}

/* -1 with errno when the process cannot leave its caller. */
int
cleanup_detach(void)
{
	int fd, sig;

	if (setsid() == -1)
		return -1;
	fd = open("/dev/null", O_RDWR);
	if (fd == -1 || dup2(fd, STDIN_FILENO) == -1 ||
	    dup2(fd, STDOUT_FILENO) == -1 || dup2(fd, STDERR_FILENO) == -1)
		return -1;
	if (fd > STDERR_FILENO)
		close(fd);
	for (sig = 1; sig < NSIG; sig++)
		set_signal(sig, SIG_DFL);
	set_signal(SIGPIPE, SIG_IGN);
	set_signal(SIGXFSZ, SIG_IGN);
	mask_signal(0);
	usual_schedule();
	return 0;
}

int
cleanup_caller(struct caller *c)
{
	memset(c, 0, sizeof(*c));
	c->uid = getuid();
	umask(077);
	clean_signals();
	if (geteuid() != 0)
		return cleanup_refuse(EX_NOPERM, "not installed set-uid root, "
		    "or started with no_new_privs", "run "
		    "\"make perms\" as root");
	if (clean_limits() == -1 || clean_descriptors(c) == -1 ||
	    chdir("/") == -1 || clean_environment(c) == -1)
		return EX_OSERR;
	return 0;
}
