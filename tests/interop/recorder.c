/*
 * recorder.c - stands where a program looks for sendmail: writes down how it
 * was called, and becomes the real one.
 *
 * Runs as: the caller.
 * Promise: the real program has the caller's arguments, environment, signals
 * and descriptors.  What passes through those of standard input, output and
 * error is copied to files on the way; one that was closed stays closed.
 *
 * Each call is a new directory in CALLS: "argv" and "environ" (NUL after each),
 * "state" (lines of words), "0", "1", "2" (what passed).
 */
#define _GNU_SOURCE
#include <sys/stat.h>
#include <sys/wait.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define CALLS "/tmp/calls"
#define REAL "/usr/sbin/dma"
#define FDS_MAX 500		/* descriptors of a caller that are looked at */
#define OURS_MIN 500		/* ours are above, so none takes a closed one */

extern char **environ;

static int
move_up(int fd)
{
	int up = fcntl(fd, F_DUPFD_CLOEXEC, OURS_MIN);

	close(fd);
	return up;
}

static int
create(int dir, const char *name)
{
	return move_up(openat(dir, name, O_WRONLY | O_CREAT | O_EXCL, 0644));
}

static void
write_all(int fd, const char *data, size_t len)
{
	ssize_t n;

	for (; len > 0; data += n, len -= (size_t)n) {
		n = write(fd, data, len);
		if (n <= 0)
			_exit(0);	/* its reader is gone, and so are we */
	}
}

static void
write_strings(int dir, const char *name, char **strings)
{
	int fd = create(dir, name);

	for (; *strings != NULL; strings++)
		write_all(fd, *strings, strlen(*strings) + 1);
	close(fd);
}

static const char *
kind(const struct stat *st)
{
	if (S_ISFIFO(st->st_mode))
		return "pipe";
	if (S_ISREG(st->st_mode))
		return st->st_nlink == 0 ? "unlinked-file" : "file";
	if (S_ISSOCK(st->st_mode))
		return "socket";
	if (S_ISCHR(st->st_mode))
		return st->st_rdev == 0x103 ? "null" : "device";
	return "other";
}

static void
write_state(int dir)
{
	char cwd[4096];
	struct sigaction sa;
	struct stat st;
	int fd = create(dir, "state"), i;

	for (i = 0; i < FDS_MAX; i++)
		if (fstat(i, &st) == 0)
			dprintf(fd, "fd %d %s\n", i, kind(&st));
	for (i = 1; i < 32; i++)
		if (sigaction(i, NULL, &sa) == 0 && sa.sa_handler == SIG_IGN)
			dprintf(fd, "ignored %s\n", sigabbrev_np(i));
	dprintf(fd, "uid %d %d\ncwd %s\n", (int)getuid(), (int)geteuid(),
	    getcwd(cwd, sizeof(cwd)) == NULL ? "?" : cwd);
	close(fd);
}

/* Runs in a process that is nobody's child: neither end is in its way. */
static void
copy(int from, int to, int log)
{
	static char data[65536];
	ssize_t n;
	int i;

	for (i = 0; i < FDS_MAX; i++)
		close(i);
	for (i = OURS_MIN; i < OURS_MIN + FDS_MAX; i++)
		if (i != from && i != to && i != log)
			close(i);
	signal(SIGHUP, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	while ((n = read(from, data, sizeof(data))) > 0) {
		write_all(log, data, (size_t)n);
		write_all(to, data, (size_t)n);
	}
	_exit(0);
}

static void
pass_through(int dir, int fd)
{
	char name[2] = { (char)('0' + fd), 0 };
	int pair[2], ends[2], old, log;
	pid_t pid;

	if (fcntl(fd, F_GETFD) == -1 || pipe(pair) == -1)
		return;
	ends[0] = move_up(pair[0]);
	ends[1] = move_up(pair[1]);
	old = fcntl(fd, F_DUPFD_CLOEXEC, OURS_MIN);
	log = create(dir, name);
	if ((pid = fork()) == 0) {
		if (fork() != 0)
			_exit(0);
		if (fd == 0)
			copy(old, ends[1], log);
		copy(ends[0], old, log);
	}
	while (waitpid(pid, NULL, 0) == -1 && kill(pid, 0) == 0)
		;
	dup2(ends[fd != 0], fd);
	close(ends[0]);
	close(ends[1]);
	close(old);
	close(log);
}

int
main(int argc, char **argv)
{
	char path[200];
	struct timespec now;
	mode_t mask = umask(022);
	int dir, fd;

	(void)argc;
	clock_gettime(CLOCK_MONOTONIC, &now);
	snprintf(path, sizeof(path), CALLS "/%010ld.%09ld.%d",
	    (long)now.tv_sec, now.tv_nsec, (int)getpid());
	if (mkdir(path, 0755) == 0) {
		dir = move_up(open(path, O_RDONLY | O_DIRECTORY));
		write_state(dir);
		write_strings(dir, "argv", argv);
		write_strings(dir, "environ", environ);
		for (fd = 0; fd <= 2; fd++)
			pass_through(dir, fd);
		close(dir);
	}
	umask(mask);
	execv(REAL, argv);
	return 127;
}
