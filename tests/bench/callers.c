/*
 * callers.c - many programs that send mail at once.
 * Usage: callers -n MESSAGES -c CALLERS [-b BYTES] [-k MODULUS] COMMAND...
 * Runs COMMAND once for each message, at most CALLERS at a time, with a message
 * of BYTES on its standard input that carries its number as X-Bench-Id.
 * "%d" in an argument becomes that number modulo MODULUS.
 * Says what came of it as one line of JSON.
 */
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <err.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common.h"

extern char **environ;

struct call {
	pid_t	pid;
	double	began;
};

static int bytes = 4096;
static int modulus = 1;

/* The number has a fixed place, so that all messages are of one length. */
static int
message(int number)
{
	static char *text;
	static size_t length, place;
	char digits[16];
	int fd;

	if (text == NULL) {
		static const char head[] =
		    "From: <alice@host.test>\nTo: <bench@smart.test>\n"
		    "Subject: bench\nDate: Thu, 01 Jan 2026 00:00:00 +0000\n"
		    "Message-ID: <bench.00000000@host.test>\n"
		    "X-Bench-Id: 00000000\n\n";
		size_t i;

		length = sizeof(head) - 1;
		if (length < (size_t)bytes)
			length = bytes;
		if ((text = malloc(length)) == NULL)
			err(1, "malloc");
		memset(text, 'x', length);
		for (i = 71; i < length; i += 72)
			text[i] = '\n';
		text[length - 1] = '\n';
		memcpy(text, head, sizeof(head) - 1);
		place = strstr(text, "X-Bench-Id: ") - text + 12;
	}
	snprintf(digits, sizeof(digits), "%08d", number);
	memcpy(text + place, digits, 8);
	memcpy(strstr(text, "<bench.") + 7, digits, 8);
	if ((fd = memfd_create("message", MFD_CLOEXEC)) == -1 ||
	    pwrite(fd, text, length, 0) != (ssize_t)length)
		err(1, "message");
	return fd;
}

static pid_t
start(char **argv, int argc, int number)
{
	static posix_spawn_file_actions_t actions;
	char **args, *at;
	pid_t pid;
	int fd, i, error;

	if ((args = calloc(argc + 1, sizeof(*args))) == NULL)
		err(1, "calloc");
	for (i = 0; i < argc; i++) {
		args[i] = argv[i];
		if ((at = strstr(argv[i], "%d")) != NULL &&
		    asprintf(&args[i], "%.*s%d%s", (int)(at - argv[i]),
		    argv[i], number % modulus, at + 2) == -1)
			err(1, "asprintf");
	}
	fd = message(number);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, fd, 0);
	posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
	error = posix_spawn(&pid, args[0], &actions, NULL, args, environ);
	if (error != 0)
		errx(1, "%s: %s", args[0], strerror(error));
	posix_spawn_file_actions_destroy(&actions);
	close(fd);
	for (i = 0; i < argc; i++)
		if (args[i] != argv[i])
			free(args[i]);
	free(args);
	return pid;
}

static int
compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double
cpu(int who)
{
	struct rusage r;

	getrusage(who, &r);
	return r.ru_utime.tv_sec + r.ru_utime.tv_usec / 1e6 +
	    r.ru_stime.tv_sec + r.ru_stime.tv_usec / 1e6;
}

int
main(int argc, char **argv)
{
	struct rusage children;
	struct call *calls;
	double *took, began, ended = 0;
	int total = 1, callers = 1, started = 0, done = 0, failed = 0, opt, i;

	while ((opt = getopt(argc, argv, "+n:c:b:k:")) != -1)
		switch (opt) {
		case 'n': total = atoi(optarg); break;
		case 'c': callers = atoi(optarg); break;
		case 'b': bytes = atoi(optarg); break;
		case 'k': modulus = atoi(optarg); break;
		default: return 64;
		}
	argc -= optind;
	argv += optind;
	calls = calloc(callers, sizeof(*calls));
	took = calloc(total, sizeof(*took));
	if (calls == NULL || took == NULL || argc < 1 || modulus < 1)
		errx(64, "usage: callers -n messages -c callers command ...");
	began = now();
	while (done < total) {
		int status;
		pid_t pid;

		for (i = 0; i < callers && started < total; i++)
			if (calls[i].pid == 0) {
				calls[i].began = now();
				calls[i].pid = start(argv, argc, started++);
			}
		if ((pid = waitpid(-1, &status, 0)) == -1)
			err(1, "waitpid");
		ended = now();
		for (i = 0; i < callers; i++)
			if (calls[i].pid == pid) {
				took[done++] = ended - calls[i].began;
				calls[i].pid = 0;
				failed += status != 0;
			}
	}
	getrusage(RUSAGE_CHILDREN, &children);
	qsort(took, total, sizeof(*took), compare);
	printf("{\"n\": %d, \"failed\": %d, \"began\": %.6f, \"ended\": %.6f, "
	    "\"p50_ms\": %.3f, \"p99_ms\": %.3f, \"own_cpu\": %.6f, "
	    "\"faults\": %.1f}\n",
	    total, failed, began, ended, took[total / 2] * 1e3,
	    took[(total * 99 - 1) / 100] * 1e3, cpu(RUSAGE_SELF),
	    (double)children.ru_minflt / total);
	return 0;
}
