/*
 * once.c - one call of a program, and what it took.
 * Usage: once [-i FILE] COMMAND...
 * COMMAND reads FILE, or nothing; its output is read and thrown away.
 * Says as one line of JSON: seconds to the first line and to the end, CPU time,
 * page faults and the peak of memory.  A small program of its own, since a
 * child inherits the peak of its parent.
 */
#include <sys/resource.h>
#include <sys/wait.h>

#include <err.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common.h"

extern char **environ;

struct output {
	double	first;		/* when the first line was complete, or 0 */
	long	lines;
	long	bytes;
};

static void
count(int fd, struct output *out)
{
	static char text[65536];
	ssize_t n, i;

	while ((n = read(fd, text, sizeof(text))) > 0) {
		out->bytes += n;
		for (i = 0; i < n; i++) {
			if (text[i] != '\n')
				continue;
			if (out->lines++ == 0)
				out->first = now();
		}
	}
	if (n == -1)
		err(1, "read");
}

static pid_t
start(char **argv, const char *input, int out)
{
	posix_spawn_file_actions_t actions;
	pid_t pid;
	int error;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 0, input, O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, out, 1);
	error = posix_spawn(&pid, argv[0], &actions, NULL, argv, environ);
	if (error != 0)
		errx(1, "%s: %s", argv[0], strerror(error));
	posix_spawn_file_actions_destroy(&actions);
	return pid;
}

static double
ms(const struct timeval *t)
{
	return t->tv_sec * 1e3 + t->tv_usec / 1e3;
}

int
main(int argc, char **argv)
{
	const char *input = "/dev/null";
	struct output out = { 0 };
	struct rusage r;
	double began, ended;
	int pipes[2], opt, status;
	pid_t pid;

	while ((opt = getopt(argc, argv, "+i:")) != -1)
		if (opt == 'i')
			input = optarg;
	if (optind == argc)
		errx(64, "usage: once [-i file] command ...");
	if (pipe2(pipes, O_CLOEXEC) == -1)
		err(1, "pipe");
	began = now();
	pid = start(argv + optind, input, pipes[1]);
	close(pipes[1]);
	count(pipes[0], &out);
	if (wait4(pid, &status, 0, &r) == -1)
		err(1, "wait4");
	ended = now();
	printf("{\"status\": %d, \"began\": %.6f, \"first_ms\": %.3f, "
	    "\"whole_ms\": %.3f, \"cpu_ms\": %.3f, \"faults\": %ld, "
	    "\"memory_mb\": %.3f, \"lines\": %ld, \"bytes\": %ld}\n",
	    status, began, out.first == 0 ? 0 : (out.first - began) * 1e3,
	    (ended - began) * 1e3, ms(&r.ru_utime) + ms(&r.ru_stime),
	    r.ru_minflt, r.ru_maxrss * 1024 / 1e6, out.lines, out.bytes);
	return 0;
}
