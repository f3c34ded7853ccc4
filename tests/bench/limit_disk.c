/*
 * limit_disk.c - what the machine does just now.
 * Usage: limit_disk DIRECTORY FILES
 * FILES times: write, fsync, link, fsync of the directory; and as often a sum
 * that the processor alone computes.  Says the medians as one line of JSON.
 */
#include <err.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common.h"

#define FILES_MAX	10000
#define STEPS		2000000		/* about 2 ms */

static void
durable_file(int dir, int i)
{
	static char text[4096];
	char from[32], name[32];
	int fd = openat(dir, ".", O_TMPFILE | O_RDWR, 0600);

	memset(text, 'x', sizeof(text));
	if (fd == -1 || write(fd, text, sizeof(text)) != sizeof(text) ||
	    fsync(fd) == -1)
		err(1, "write");
	snprintf(from, sizeof(from), "/proc/self/fd/%d", fd);
	snprintf(name, sizeof(name), "d%d", i);
	if (linkat(AT_FDCWD, from, dir, name, AT_SYMLINK_FOLLOW) == -1 ||
	    fsync(dir) == -1)
		err(1, "name");
	close(fd);
}

static void
compute(void)
{
	volatile uint64_t sink;
	uint64_t x = 1;
	int i;

	for (i = 0; i < STEPS; i++)
		x = x * UINT64_C(6364136223846793005) + 1;
	sink = x;
	(void)sink;
}

static int
compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

int
main(int argc, char **argv)
{
	static double disk[FILES_MAX], processor[FILES_MAX];
	double began;
	int dir, files, i;

	if (argc != 3 || (files = atoi(argv[2])) < 1 || files > FILES_MAX)
		errx(64, "usage: limit_disk directory files");
	if ((dir = open(argv[1], O_RDONLY | O_DIRECTORY)) == -1)
		err(1, "%s", argv[1]);
	for (i = 0; i < files; i++) {
		began = now();
		durable_file(dir, i);
		disk[i] = now() - began;
		began = now();
		compute();
		processor[i] = now() - began;
	}
	qsort(disk, files, sizeof(*disk), compare);
	qsort(processor, files, sizeof(*processor), compare);
	printf("{\"disk_ms\": %.4f, \"processor_ms\": %.4f}\n",
	    disk[files / 2] * 1e3, processor[files / 2] * 1e3);
	return 0;
}
