/*
 * limit_intake.c - the least that a durable intake of mail has to do.
 * Usage: limit_intake DIRECTORY HOW MESSAGES SESSIONS BYTES
 * As many messages as there are sessions are under way; each is written, made
 * durable, named, and its name made durable.  HOW:
 *   threads  each session has a thread, which syncs its file and the directory;
 *            the journal of the file system collects what it can
 *   fsync    the messages of all sessions together: one sync for each file, one
 *            for the directory
 *   syncfs   the same with one sync of the file system for all files
 */
#include <err.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common.h"

#define SESSIONS_MAX	1024

static int dir, share, bytes;
static char *text;

static int
written(void)
{
	int fd = openat(dir, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (fd == -1 || write(fd, text, bytes) != bytes)
		err(1, "write");
	return fd;
}

static void
named(int fd, int session, int i)
{
	char from[32], name[32];

	snprintf(from, sizeof(from), "/proc/self/fd/%d", fd);
	snprintf(name, sizeof(name), "%d-%d.msg", session, i);
	if (linkat(AT_FDCWD, from, dir, name, AT_SYMLINK_FOLLOW) == -1)
		err(1, "%s", name);
}

static void
synced(int fd)
{
	if (fsync(fd) == -1)
		err(1, "fsync");
}

static void *
session_thread(void *arg)
{
	int fd, i;

	for (i = 0; i < share; i++) {
		fd = written();
		synced(fd);
		named(fd, (int)(long)arg, i);
		synced(dir);
		close(fd);
	}
	return NULL;
}

static void
threads(int sessions)
{
	pthread_t ids[SESSIONS_MAX];
	int i;

	for (i = 0; i < sessions; i++)
		if (pthread_create(&ids[i], NULL, session_thread,
		    (void *)(long)i) != 0)
			errx(1, "pthread_create");
	for (i = 0; i < sessions; i++)
		pthread_join(ids[i], NULL);
}

static void
batches(int sessions, int is_syncfs)
{
	int fds[SESSIONS_MAX], i, round;

	for (round = 0; round < share; round++) {
		for (i = 0; i < sessions; i++) {
			fds[i] = written();
			/* So that the first sync finds all under way. */
			if (!is_syncfs)
				sync_file_range(fds[i], 0, 0,
				    SYNC_FILE_RANGE_WRITE);
		}
		if (is_syncfs && syncfs(dir) == -1)
			err(1, "syncfs");
		for (i = 0; i < sessions && !is_syncfs; i++)
			synced(fds[i]);
		for (i = 0; i < sessions; i++)
			named(fds[i], i, round);
		synced(dir);
		for (i = 0; i < sessions; i++)
			close(fds[i]);
	}
}

int
main(int argc, char **argv)
{
	double began;
	int sessions;

	if (argc != 6 || (sessions = atoi(argv[4])) < 1 ||
	    sessions > SESSIONS_MAX)
		errx(64, "usage: limit_intake directory threads|fsync|syncfs "
		    "messages sessions bytes");
	if ((dir = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC)) == -1)
		err(1, "%s", argv[1]);
	share = (atoi(argv[3]) + sessions - 1) / sessions;
	bytes = atoi(argv[5]);
	if ((text = malloc(bytes)) == NULL)
		err(1, "malloc");
	memset(text, 'x', bytes);
	began = now();
	if (strcmp(argv[2], "threads") == 0)
		threads(sessions);
	else
		batches(sessions, strcmp(argv[2], "syncfs") == 0);
	printf("{\"n\": %d, \"began\": %.6f, \"ended\": %.6f}\n",
	    share * sessions, began, now());
	return 0;
}
