/*
 * io.h - reads, writes and the clock, done once and rightly.
 * EINTR is never seen by callers; a short count is an error or the end.
 */
#ifndef LIB_IO_H
#define LIB_IO_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/buf.h"

/* Writes all; 0, or -1 with errno. */
int	 io_write_all(int fd, const void *, size_t);
/* The same at off; -1: where the descriptor is. */
int	 io_pwrite_all(int fd, const void *, size_t, off_t);
/* read(2) without EINTR: bytes, 0 at the end, -1 with errno. */
ssize_t	 io_read(int fd, void *, size_t);
/* Reads exactly n bytes at off; -1 with errno, EIO when the file ends. */
int	 io_pread_all(int fd, void *, size_t, off_t);
/* Whole regular file into b (appended); -1 with errno, EFBIG past limit. */
int	 io_read_file(int fd, struct buf *b, size_t limit_bytes);
/* The same by its path; a FIFO is refused, not waited for. */
int	 io_read_path(const char *, struct buf *, size_t limit_bytes);
/*
 * /dev/null; in a chroot without it, a descriptor that can be neither read nor
 * written.
 */
int	 io_open_null(void);
/* Descriptors 0 to 2 open, so that nothing else becomes them: 0 or -1. */
int	 io_fill_descriptors(void);
/* The same; gives one more descriptor, for the caller to close. */
int	 io_fill_standard(void);
/* O_NONBLOCK on; 0 or -1. */
int	 io_nonblock(int fd);
/* Monotonic clock in milliseconds. */
int64_t	 io_clock_ms(void);
/* Waits for poll(2) events until the deadline: 1 ready, 0 too late, -1. */
int	 io_wait(int fd, short events, int64_t deadline_ms);
/* Every signal as a program expects it that is about to be started. */
void	 io_default_signals(void);
/* close(2) unless -1, and sets it to -1; errno is kept. */
void	 io_close(int *fd);

#endif
