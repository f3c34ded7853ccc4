/*
 * io.c - reads, writes and the clock.
 * Runs as: anyone.  Uses: descriptors it is given.
 * Promise: EINTR and short counts never look like an end or a success.
 */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "compat/compat.h"
#include "lib/io.h"

#define IO_CHUNK	65536

int
io_pwrite_all(int fd, const void *data, size_t len, off_t off)
{
	const char *p = data;
	ssize_t n;

	while (len > 0) {
		n = off == -1 ? write(fd, p, len) : pwrite(fd, p, len, off);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return -1;
		p += n;
		off += off == -1 ? 0 : n;
		len -= (size_t)n;
	}
	return 0;
}

int
io_write_all(int fd, const void *data, size_t len)
{
	return io_pwrite_all(fd, data, len, -1);
}

ssize_t
io_read(int fd, void *p, size_t len)
{
	ssize_t n;

	do {
		n = read(fd, p, len);
	} while (n == -1 && errno == EINTR);
	return n;
}

int
io_pread_all(int fd, void *data, size_t len, off_t off)
{
	char *p = data;
	ssize_t n;

	while (len > 0) {
		n = pread(fd, p, len, off);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == 0)
			errno = EIO;
		if (n <= 0)
			return -1;
		p += n;
		off += n;
		len -= (size_t)n;
	}
	return 0;
}

int
io_read_file(int fd, struct buf *b, size_t limit_bytes)
{
	struct stat st;
	size_t want;
	ssize_t n;
	char *p;

	if (fstat(fd, &st) == -1)
		return -1;
	if (!S_ISREG(st.st_mode)) {
		errno = S_ISDIR(st.st_mode) ? EISDIR : EINVAL;
		return -1;
	}
	/* One byte more than the size shows the end in the same read. */
	want = st.st_size < IO_CHUNK ? (size_t)st.st_size + 1 : IO_CHUNK;
	for (;;) {
		p = buf_space(b, want);
		if (p == NULL) {
			errno = ENOMEM;
			return -1;
		}
		n = io_read(fd, p, want);
		if (n == -1)
			return -1;
		if (n == 0)
			return 0;
		buf_grown(b, (size_t)n);
		if (b->len > limit_bytes) {
			errno = EFBIG;
			return -1;
		}
		if ((size_t)n < want)
			return 0;
		want = IO_CHUNK;
	}
}

int
io_read_path(const char *path, struct buf *b, size_t limit_bytes)
{
	int fd, ret;

	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd == -1)
		return -1;
	ret = io_read_file(fd, b, limit_bytes);
	io_close(&fd);
	return ret;
}

int
io_open_null(void)
{
	int fd;

	fd = open("/dev/null", O_RDWR);
	return fd != -1 ? fd : open("/", O_RDONLY | O_DIRECTORY);
}

int
io_fill_standard(void)
{
	int fd;

	do {
		fd = io_open_null();
	} while (fd != -1 && fd <= STDERR_FILENO);
	return fd;
}

int
io_fill_descriptors(void)
{
	int fd = io_fill_standard();

	if (fd == -1)
		return -1;
	close(fd);
	return 0;
}

int
io_nonblock(int fd)
{
	int flags;

	flags = fcntl(fd, F_GETFL);
	if (flags == -1)
		return -1;
	return fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

int64_t
io_clock_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int
io_wait(int fd, short events, int64_t deadline_ms)
{
	struct pollfd pfd;
	int64_t left;
	int n;

	pfd.fd = fd;
	pfd.events = events;
	for (;;) {
		left = deadline_ms - io_clock_ms();
		if (left < 0)
			left = 0;
		if (left > 3600 * 1000)
			left = 3600 * 1000;
		n = poll(&pfd, 1, (int)left);
		if (n > 0)
			return 1;
		if (n == -1 && errno != EINTR)
			return -1;
		if (n == 0 && io_clock_ms() >= deadline_ms)
			return 0;
	}
}

void
io_close(int *fd)
{
	int error = errno;

	if (*fd != -1)
		close(*fd);
	*fd = -1;
	errno = error;
}

void
io_default_signals(void)
{
	sigset_t none, pending;
	int sig;

	sigpending(&pending);
	for (sig = 1; sig < NSIG; sig++) {
		/* One that was blocked is discarded so. */
		if (sigismember(&pending, sig) == 1)
			(void)signal(sig, SIG_IGN);
		compat_default_signal(sig);
	}
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}
