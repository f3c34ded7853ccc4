/*
 * delivery.c - what all kinds of local delivery share.
 * Runs as: the user.  Door to: the runner's channel, the message.
 * Promise: nothing appears before the runner has written down where.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include "delivery.h"
#include "lib/io.h"
#include "lib/msg.h"
#include "records.h"

#define GO_WAIT_MS	60000	/* for the runner, while we hold the locks */

int
delivery_announce(const struct delivery *d, uint64_t dev, uint64_t ino,
    int64_t length)
{
	struct msg msg;
	int ret = -1;

	msg_init(&msg);
	msg_begin(&msg, REC_DELIVER_AT, 0);
	msg_put_u64(&msg, dev);
	msg_put_u64(&msg, ino);
	msg_put_u64(&msg, (uint64_t)length);
	if (msg_send(d->channel, &msg) == 0 &&
	    io_wait(d->channel, POLLIN, io_clock_ms() + GO_WAIT_MS) == 1 &&
	    msg_recv(d->channel, &msg, REC_CHANNEL_LIMIT) == 1 &&
	    msg.kind == REC_DELIVER_GO && msg_done(&msg) == 0)
		ret = 0;
	msg_fini(&msg);
	return ret;
}

long
delivery_read(const struct delivery *d, int64_t done, void *chunk, size_t size)
{
	if (d->length - done < (int64_t)size)
		size = (size_t)(d->length - done);
	if (size > 0 && io_pread_all(d->message, chunk, size,
	    d->offset + done) == -1)
		return -1;
	return (long)size;
}

const char *
delivery_code(int error)
{
	return error == ENOSPC || error == EDQUOT ? "4.2.2" : "4.2.0";
}

int
delivery_sync_names(int dir)
{
	int error, fd, ret;

	fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd == -1)
		return errno == EACCES ? 0 : -1;
	ret = fsync(fd);
	error = errno;
	if (ret == -1 && (error == EINVAL || error == EACCES))
		ret = 0;
	close(fd);
	errno = error;
	return ret;
}
