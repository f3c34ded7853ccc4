/*
 * slow_disk.c - a disk that takes its time, as an LD_PRELOAD.
 * Every call that waits for the disk takes SLOW_DISK_MS milliseconds more while
 * the file SLOW_DISK_IF exists.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static int
delayed(const char *name, int fd)
{
	int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
	const char *ms = getenv("SLOW_DISK_MS"), *path = getenv("SLOW_DISK_IF");
	struct timespec t = { 0, 0 };

	if (ms != NULL && path != NULL && access(path, F_OK) == 0) {
		t.tv_sec = atol(ms) / 1000;
		t.tv_nsec = atol(ms) % 1000 * 1000000;
		nanosleep(&t, NULL);
	}
	return real(fd);
}

int
fsync(int fd)
{
	return delayed("fsync", fd);
}

int
fdatasync(int fd)
{
	return delayed("fdatasync", fd);
}

int
syncfs(int fd)
{
	return delayed("syncfs", fd);
}
