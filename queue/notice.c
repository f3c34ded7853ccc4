/*
 * notice.c - events outside of the runner.
 * Runs as: the spool user, before its sandbox.  Uses: the clock, two names.
 * Promise: a runner that has them does not wake up for nothing.
 */
#include <errno.h>
#include <unistd.h>

#include "compat/compat.h"
#include "lib/io.h"
#include "queue/notice.h"

#define READS_MAX	64	/* notices that came together */

void
notices_open(struct notices *n, const char *spool, const char *program)
{
	n->clock = compat_clock_fd();
	n->files = compat_names_fd();
	if (n->files != -1 && compat_names_watch(n->files, spool) == -1)
		io_close(&n->files);
	/* Without that an update is found with the next event. */
	if (n->files != -1)
		(void)compat_names_watch(n->files, program);
}

int
notices_are_complete(const struct notices *n)
{
	return n->clock != -1 && n->files != -1;
}

void
notices_take(int fd)
{
	char text[4096];
	int i;

	/* That the time was set is an error of the read. */
	for (i = 0; i < READS_MAX; i++)
		if (read(fd, text, sizeof(text)) <= 0 && errno != EINTR)
			break;
}
