/*
 * mbox_checkpoint.c - what an interrupted attempt left in an mbox file.
 * Runs as: the user.  Uses: an open file.
 * Promise: a text that is there whole is never appended again, and is as
 * durable after the next sync as one that was; what others wrote is never cut
 * off.
 *
 * The runner recorded where the append began, before its first byte was
 * written.  The text follows from the delivery, so it can be compared with
 * what is there.  After a power cut any of its blocks, and all that follows,
 * may read as zeros: that is torn, too.
 */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/io.h"
#include "local/mbox_checkpoint.h"
#include "local/mbox_text.h"

#define READ_BYTES	65536

/* Zeros may be in place of any byte; of all of them when p is NULL. */
static int
has_gaps(const char *chunk, const char *p, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (chunk[i] != '\0' && (p == NULL || chunk[i] != p[i]))
			return 0;
	return 1;
}

static enum mbox_found
compare_chunk(int fd, const char *p, size_t n, int64_t pos)
{
	char chunk[READ_BYTES];

	if (io_pread_all(fd, chunk, n, pos) == -1)
		return MBOX_FOUND_ERROR;
	if (p != NULL && memcmp(chunk, p, n) == 0)
		return MBOX_FOUND_WHOLE;
	return has_gaps(chunk, p, n) ? MBOX_FOUND_TORN : MBOX_FOUND_OTHER;
}

/* Are these bytes in the file at pos?  NULL stands for zeros. */
static enum mbox_found
compare_at(int fd, const char *p, int64_t len, int64_t pos)
{
	enum mbox_found found = MBOX_FOUND_WHOLE, part;
	int64_t done, n;

	for (done = 0; done < len; done += n) {
		n = len - done < READ_BYTES ? len - done : READ_BYTES;
		part = compare_chunk(fd, p == NULL ? NULL : p + done,
		    (size_t)n, pos + done);
		if (part < found)
			found = part;
		if (found <= MBOX_FOUND_OTHER)
			break;
	}
	return found;
}

/* Is the text in the file, from pos to its end at size? */
static enum mbox_found
compare_text(int fd, struct mbox_text *t, int64_t pos, int64_t size)
{
	enum mbox_found found = MBOX_FOUND_WHOLE, part;
	struct buf block;
	int64_t n;
	int more;

	buf_init(&block, 0);
	do {
		buf_reset(&block);
		more = mbox_text_add(t, &block, READ_BYTES);
		n = (int64_t)block.len < size - pos ? (int64_t)block.len :
		    size - pos;
		part = more == -1 ? MBOX_FOUND_ERROR :
		    compare_at(fd, block.data, n, pos);
		if (part < found)
			found = part;
		if (n < (int64_t)block.len && found > MBOX_FOUND_TORN)
			found = MBOX_FOUND_TORN;
		pos += n;
	} while (more == 1 && found >= MBOX_FOUND_TORN && pos < size);
	buf_fini(&block);
	if (more == 1 && found == MBOX_FOUND_WHOLE)
		found = MBOX_FOUND_TORN;
	/* Zeros may follow what is torn; anything else is somebody's. */
	if (found == MBOX_FOUND_TORN && pos < size)
		found = compare_at(fd, NULL, size - pos, pos);
	return found;
}

static int
write_again(int fd, struct mbox_text *t, int64_t pos)
{
	struct buf block;
	int more, ret = 0;

	buf_init(&block, 0);
	do {
		buf_reset(&block);
		more = mbox_text_add(t, &block, READ_BYTES);
		if (more == -1 || io_pwrite_all(fd, block.data, block.len,
		    pos) == -1)
			ret = -1;
		pos += (int64_t)block.len;
	} while (ret == 0 && more == 1);
	buf_fini(&block);
	return ret;
}

/*
 * The same bytes in the same place.  A sync that failed leaves them in memory
 * as if they had been written, and the next sync succeeds without them: so a
 * text counts only if the one that syncs it has also written it.
 */
static int
renew(int fd, struct mbox_text *t, int64_t pos)
{
	int error, flags = fcntl(fd, F_GETFL), ret;

	if (flags == -1)
		return -1;
	/* pwrite(2) would append, too.  A file that can only be appended to
	 * stays as it is. */
	if (fcntl(fd, F_SETFL, flags & ~O_APPEND) == -1)
		return errno == EPERM ? 0 : -1;
	ret = write_again(fd, t, pos);
	error = errno;
	if (fcntl(fd, F_SETFL, flags) == -1)
		return -1;
	errno = error;
	return ret;
}

/*
 * What is before the checkpoint decides on a newline in front, now as then.
 * Only somebody else could have changed that; then the comparison fails.
 */
enum mbox_found
mbox_checkpoint_recover(int fd, const struct delivery *d)
{
	const struct checkpoint *at = &d->checkpoint;
	enum mbox_found found;
	struct mbox_text t;
	struct stat st;
	int newline;

	if (fstat(fd, &st) == -1)
		return MBOX_FOUND_ERROR;
	if (at->length < 0 || at->length >= st.st_size ||
	    at->dev != (uint64_t)st.st_dev || at->ino != (uint64_t)st.st_ino)
		return MBOX_FOUND_OTHER;
	newline = mbox_text_needs_newline(fd, at->length);
	if (newline == -1)
		return MBOX_FOUND_ERROR;
	mbox_text_init(&t, d, newline);
	found = compare_text(fd, &t, at->length, st.st_size);
	if (found == MBOX_FOUND_WHOLE) {
		mbox_text_init(&t, d, newline);
		return renew(fd, &t, at->length) == -1 ? MBOX_FOUND_ERROR :
		    found;
	}
	return found == MBOX_FOUND_TORN && ftruncate(fd, at->length) == -1 ?
	    MBOX_FOUND_ERROR : found;
}
