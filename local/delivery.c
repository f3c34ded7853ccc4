/*
 * delivery.c - what all methods of local delivery share.
 * Runs as: the user.  Uses: the runner's channel, the message.
 * Promise: nothing appears before the runner has recorded where.
 */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/io.h"
#include "lib/ipc.h"
#include "lib/mail.h"
#include "local/delivery.h"
#include "priv/records.h"

#define COPY_BYTES	65536	/* at a time */

int
delivery_check(const struct delivery *d, struct result *res)
{
	struct stat st;

	if (fstat(d->message, &st) == 0 && S_ISREG(st.st_mode) &&
	    d->length <= st.st_size - d->offset)
		return 0;
	return result_set(res, STATUS_DEFERRED, "4.3.0",
	    "message file is truncated");
}

int
delivery_send_checkpoint(const struct delivery *d, const struct checkpoint *at)
{
	struct ipc msg;
	int ret;

	ipc_init(&msg);
	ipc_begin(&msg, IPC_DELIVER_CHECKPOINT, d->id);
	ipc_put_u64(&msg, at->dev);
	ipc_put_u64(&msg, at->ino);
	ipc_put_u64(&msg, (uint64_t)at->length);
	ret = ipc_send(d->channel, &msg);
	ipc_fini(&msg);
	return ret;
}

int
delivery_record_checkpoint(const struct delivery *d,
    const struct checkpoint *at)
{
	struct ipc msg;
	int ret = -1;

	if (delivery_send_checkpoint(d, at) == -1)
		return -1;
	ipc_init(&msg);
	if (io_wait(d->channel, POLLIN, io_clock_ms() + DELIVERY_ACK_MS) == 1 &&
	    ipc_recv(d->channel, &msg, IPC_CHANNEL_LIMIT) == 1 &&
	    msg.kind == IPC_DELIVER_ACKNOWLEDGE && msg.id == d->id &&
	    ipc_done(&msg) == 0)
		ret = 0;
	ipc_fini(&msg);
	return ret;
}

int
delivery_report(const struct delivery *d, const struct result *res)
{
	struct ipc msg;
	int ret;

	ipc_init(&msg);
	ipc_begin(&msg, IPC_DELIVER_RESULT, d->id);
	result_put(&msg, res);
	ret = ipc_send(d->channel, &msg);
	ipc_fini(&msg);
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

static int
write_envelope(const struct delivery *d, int from_line, int fd)
{
	struct buf head;
	int ret;

	buf_init(&head, 0);
	mail_put_envelope(&head, from_line, d->sender, d->recipient,
	    d->arrived);
	if (buf_failed(&head))
		errno = ENOMEM;
	ret = buf_failed(&head) ? -1 : io_write_all(fd, head.data, head.len);
	buf_fini(&head);
	return ret;
}

enum delivery_copied
delivery_copy(const struct delivery *d, int from_line, int fd)
{
	char chunk[COPY_BYTES];
	int64_t done;
	long n;

	if (write_envelope(d, from_line, fd) == -1)
		return DELIVERY_UNWRITABLE;
	for (done = 0; done < d->length; done += n) {
		n = delivery_read(d, done, chunk, sizeof(chunk));
		if (n == -1)
			return DELIVERY_UNREADABLE;
		if (io_write_all(fd, chunk, (size_t)n) == -1)
			return DELIVERY_UNWRITABLE;
	}
	return DELIVERY_COPIED;
}

int
delivery_defer(struct result *res, const char *path, const char *cause, ...)
{
	struct buf text;
	va_list ap;

	buf_init(&text, REASON_MAX);
	va_start(ap, cause);
	buf_vprintf(&text, cause, ap);
	va_end(ap);
	result_set(res, STATUS_DEFERRED, "4.2.0",
	    "mailbox cannot be used now");
	result_detail(res, "%s: %s", path, buf_str(&text));
	buf_fini(&text);
	return -1;
}

int
delivery_defer_errno(struct result *res, const char *path, const char *tried)
{
	int error = errno;

	if (error == ENOSPC || error == EDQUOT)
		result_set(res, STATUS_DEFERRED, "4.2.2", "mailbox is full");
	else
		result_set(res, STATUS_DEFERRED, "4.2.0",
		    "mailbox cannot be used now");
	return result_detail(res, "%s: %s: %s", path, tried, strerror(error));
}

int
delivery_defer_system(struct result *res, const char *reason)
{
	int error = errno;

	result_set(res, STATUS_DEFERRED, "4.3.0", "%s", reason);
	return result_detail(res, "%s", strerror(error));
}

int
delivery_defer_message(struct result *res)
{
	return delivery_defer_system(res,
	    "cannot read the message from the queue");
}

const char *
delivery_extension(const struct delivery *d, char *room, size_t size)
{
	const char *plus, *name = d->user->name;
	size_t n = strlen(name);

	if (d->conf->names.delimiter == '\0' ||
	    addr_local(d->recipient, room, size) == -1)
		return "";
	/* A delimiter in the user's own name is none. */
	plus = room + (text_ncasecmp(room, name, n) == 0 ? n : 0);
	plus = strchr(plus, d->conf->names.delimiter);
	return plus == NULL ? "" : plus + 1;
}

int
delivery_open_directory(const char *path)
{
#ifdef O_PATH
	return open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
#else
	return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
#endif
}

int
delivery_sync_names(int dir)
{
	int fd, ret;

	fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd == -1)
		return errno == EACCES ? 0 : -1;
	ret = fsync(fd);
	if (ret == -1 && (errno == EINVAL || errno == EACCES))
		ret = 0;
	io_close(&fd);
	return ret;
}

int
delivery_is_same(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

int
delivery_is_named(int dir, const char *name, int fd)
{
	struct stat ours, there;

	return fstat(fd, &ours) == 0 && fstatat(dir, name, &there,
	    AT_SYMLINK_NOFOLLOW) == 0 && delivery_is_same(&ours, &there);
}
