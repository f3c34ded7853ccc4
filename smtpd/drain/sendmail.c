/*
 * sendmail.c - hands a message to sendmail.
 * Runs as: the user of dma-smtpd-drain.  Uses: fork, execve, waitpid.
 * Promise: the input is a file that is complete before sendmail is started, so
 * that whatever is killed, half a message is never taken for a whole one.
 * sendmail has no other descriptor of ours, and no signal blocked or ignored.
 */
#include <sys/wait.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "compat/compat.h"
#include "lib/io.h"
#include "smtpd/drain/sendmail.h"

/* Owned by the caller, not what it points to; NULL without memory. */
static char **
make_vector(const struct buf *arguments, size_t n)
{
	char **vector = calloc(n + 1, sizeof(*vector)), *p = arguments->data;
	size_t i;

	for (i = 0; vector != NULL && i < n; i++) {
		vector[i] = p;
		p += strlen(p) + 1;
	}
	return vector;
}

static void
become(const char *program, char **argv, int input)
{
	extern char **environ;
	sigset_t none;

	if (dup2(input, STDIN_FILENO) == -1)
		_exit(127);
	(void)compat_close_from(STDERR_FILENO + 1);
	io_default_signals();
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execve(program, argv, environ);
	dprintf(STDERR_FILENO, "%s: %s\n", program, strerror(errno));
	_exit(127);
}

pid_t
sendmail_start(const char *program, const struct buf *arguments, size_t n,
    int input, off_t at)
{
	char **argv = make_vector(arguments, n);
	pid_t pid = -1;

	if (argv != NULL && lseek(input, at, SEEK_SET) != -1)
		pid = fork();
	if (pid == 0)
		become(program, argv, input);
	free(argv);
	return pid;
}

int
sendmail_run(const char *program, const struct buf *arguments, size_t n,
    int input)
{
	pid_t pid = sendmail_start(program, arguments, n, input, 0), got;
	int status;

	if (pid == -1)
		return -1;
	do
		got = waitpid(pid, &status, 0);
	while (got == -1 && errno == EINTR);
	if (got == -1)
		return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) :
	    128 + WTERMSIG(status);
}
