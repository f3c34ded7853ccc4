/*
 * apart.c - a task in a process of its own.
 * Runs as: the spool user.  Uses: a process, a pipe.
 * Promise: the child never returns to its caller's code.
 */
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "lib/io.h"
#include "priv/apart.h"

static void
read_all(int fd, struct buf *said)
{
	char text[512];
	ssize_t n;

	while ((n = io_read(fd, text, sizeof(text))) > 0)
		buf_add(said, text, (size_t)n);
}

int
apart(void (*task)(void *arg, int report), void *arg, struct buf *said)
{
	int error, report[2];
	pid_t pid;

	if (pipe2(report, O_CLOEXEC) == -1)
		return -1;
	pid = fork();
	if (pid == 0) {
		close(report[0]);
		task(arg, report[1]);
		_exit(0);
	}
	error = errno;
	close(report[1]);
	if (pid != -1)
		read_all(report[0], said);
	close(report[0]);
	/* It is reaped already if the caller ignores SIGCHLD. */
	while (pid != -1 && waitpid(pid, NULL, 0) == -1 && errno == EINTR)
		;
	errno = error;
	return pid == -1 ? -1 : 0;
}
