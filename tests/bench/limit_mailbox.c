/*
 * limit_mailbox.c - the least that mailboxes have to do.
 * Usage: limit_mailbox DIRECTORY MESSAGES WRITERS BYTES
 * Each writer appends to a file of its own and syncs it after each message.
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

static const char *folder;
static char *text;
static int share, bytes;

static void *
writer(void *arg)
{
	char path[4096];
	int fd, i;

	snprintf(path, sizeof(path), "%s/l%d", folder, (int)(long)arg);
	fd = open(path, O_WRONLY | O_APPEND | O_CREAT, 0600);
	for (i = 0; i < share; i++)
		if (write(fd, text, bytes) != bytes || fdatasync(fd) == -1)
			err(1, "%s", path);
	close(fd);
	return NULL;
}

int
main(int argc, char **argv)
{
	pthread_t ids[1024];
	double began;
	int writers, i;

	if (argc != 5 || (writers = atoi(argv[3])) < 1 || writers > 1024)
		errx(64,
		    "usage: limit_mailbox directory messages writers bytes");
	folder = argv[1];
	share = (atoi(argv[2]) + writers - 1) / writers;
	bytes = atoi(argv[4]);
	if ((text = malloc(bytes)) == NULL)
		err(1, "malloc");
	memset(text, 'x', bytes);
	began = now();
	for (i = 0; i < writers; i++)
		if (pthread_create(&ids[i], NULL, writer, (void *)(long)i) != 0)
			errx(1, "pthread_create");
	for (i = 0; i < writers; i++)
		pthread_join(ids[i], NULL);
	printf("{\"n\": %d, \"failed\": 0, \"began\": %.6f, \"ended\": %.6f}\n",
	    share * writers, began, now());
	return 0;
}
