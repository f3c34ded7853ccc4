/*
 * io_test.c - short counts, interrupts, ends and deadlines.
 */
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include "lib/io.h"
#include "tests/unit/t.h"

#define MUCH		(512 * 1024)	/* bytes; no pipe takes it at once */
#define LATE_MS		2000		/* a machine may be busy */

static void
on_alarm(int sig)
{
	(void)sig;
}

/* Interrupts every system call of ours each interval_us; 0 ends it. */
static void
interrupt_each(int interval_us)
{
	struct sigaction sa;
	struct itimerval it;

	memset(&sa, 0, sizeof(sa));
	sa.sa_handler = on_alarm;
	sigemptyset(&sa.sa_mask);
	sigaction(SIGALRM, &sa, NULL);	/* without SA_RESTART */
	memset(&it, 0, sizeof(it));
	it.it_value.tv_usec = it.it_interval.tv_usec = interval_us;
	setitimer(ITIMER_REAL, &it, NULL);
}

static int
file_of(const char *text, size_t n)
{
	int fd;

	fd = memfd_create("io_test", MFD_CLOEXEC);
	assert_true(fd != -1);
	assert_int_equal(io_write_all(fd, text, n), 0);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

/* The writer's child: reads slowly, in odd pieces; 0 when all was as sent. */
static int
read_slowly(int fd)
{
	unsigned char c[4099];
	size_t at = 0;
	ssize_t i, n;

	while ((n = io_read(fd, c, sizeof(c))) > 0) {
		for (i = 0; i < n; i++)
			if (c[i] != (unsigned char)((at + (size_t)i) % 251))
				return 1;
		at += (size_t)n;
		usleep(200);
	}
	return n == 0 && at == MUCH ? 0 : 2;
}

static void
test_write_all_survives_interrupts(void **state)
{
	unsigned char *text;
	int fd[2], status;
	size_t i;
	pid_t pid;

	(void)state;
	text = malloc(MUCH);
	assert_non_null(text);
	for (i = 0; i < MUCH; i++)
		text[i] = (unsigned char)(i % 251);
	assert_int_equal(pipe2(fd, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid != -1);
	if (pid == 0) {
		close(fd[1]);
		interrupt_each(300);
		_exit(read_slowly(fd[0]));
	}
	close(fd[0]);
	interrupt_each(300);
	assert_int_equal(io_write_all(fd[1], text, MUCH), 0);
	interrupt_each(0);
	close(fd[1]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	free(text);
}

static void
test_write_errors(void **state)
{
	int fd[2], full;

	(void)state;
	signal(SIGPIPE, SIG_IGN);
	assert_int_equal(pipe2(fd, O_CLOEXEC), 0);
	close(fd[0]);
	errno = 0;
	assert_int_equal(io_write_all(fd[1], "x", 1), -1);
	assert_int_equal(errno, EPIPE);
	close(fd[1]);
	full = open("/dev/full", O_WRONLY | O_CLOEXEC);
	assert_true(full != -1);
	errno = 0;
	assert_int_equal(io_write_all(full, "x", 1), -1);
	assert_int_equal(errno, ENOSPC);
	assert_int_equal(io_write_all(full, "", 0), 0);
	close(full);
	assert_int_equal(io_write_all(-1, "x", 1), -1);
	assert_int_equal(errno, EBADF);
}

static void
test_pread_and_pwrite(void **state)
{
	static const struct { off_t off; size_t n; int ret, error; } cases[] = {
		{ 0, 10, 0, 0 }, { 3, 7, 0, 0 }, { 10, 0, 0, 0 },
		{ 3, 8, -1, EIO }, { 10, 1, -1, EIO }, { 1000, 1, -1, EIO },
		{ -1, 1, -1, EINVAL },
	};
	char got[16];
	size_t i;
	int fd;

	(void)state;
	fd = file_of("0123456789", 10);
	for (i = 0; i < N(cases); i++) {
		memset(got, '#', sizeof(got));
		errno = 0;
		assert_int_equal(io_pread_all(fd, got, cases[i].n,
		    cases[i].off), cases[i].ret);
		if (cases[i].ret == -1)
			assert_int_equal(errno, cases[i].error);
		else
			assert_memory_equal(got, &"0123456789"[cases[i].off],
			    cases[i].n);
		assert_int_equal(got[cases[i].n], '#');
	}
	assert_int_equal(io_pwrite_all(fd, "abc", 3, 4), 0);
	assert_int_equal(lseek(fd, 0, SEEK_CUR), 0);
	assert_int_equal(io_pread_all(fd, got, 10, 0), 0);
	assert_memory_equal(got, "0123abc789", 10);
	close(fd);
}

static void
test_read_file(void **state)
{
	static const struct { size_t size, limit; int ret; } cases[] = {
		{ 0, 0, 0 }, { 0, 10, 0 }, { 10, 10, 0 }, { 11, 10, -1 },
		{ 1, 0, -1 }, { 65535, 65535, 0 }, { 65536, 65536, 0 },
		{ 65537, 65537, 0 }, { 65537, 65536, -1 },
		{ 200001, 1000000, 0 }, { 200001, 200000, -1 },
	};
	struct buf b;
	char *text;
	size_t i, k;
	int fd;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		text = malloc(cases[i].size + 1);
		assert_non_null(text);
		for (k = 0; k < cases[i].size; k++)
			text[k] = (char)(k % 127);
		fd = file_of(text, cases[i].size);
		buf_init(&b, 0);
		errno = 0;
		assert_int_equal(io_read_file(fd, &b, cases[i].limit),
		    cases[i].ret);
		if (cases[i].ret == -1) {
			assert_int_equal(errno, EFBIG);
		} else {
			assert_int_equal(b.len, cases[i].size);
			if (b.len > 0)
				assert_memory_equal(b.data, text, b.len);
		}
		buf_fini(&b);
		close(fd);
		free(text);
	}
}

static void
test_read_file_of_other_kinds(void **state)
{
	struct buf b;
	int fd, pair[2];

	(void)state;
	buf_init(&b, 0);
	/* A file of the kernel says 0 bytes and has more. */
	fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
	assert_true(fd != -1);
	assert_int_equal(io_read_file(fd, &b, 65536), 0);
	assert_memory_equal(buf_str(&b), "Name:", 5);
	assert_non_null(strstr(buf_str(&b), "\nPid:"));
	close(fd);
	assert_int_equal(pipe2(pair, O_CLOEXEC), 0);
	errno = 0;
	assert_int_equal(io_read_file(pair[0], &b, 10), -1);
	assert_int_equal(errno, EINVAL);
	close(pair[0]);
	close(pair[1]);
	fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(io_read_file(fd, &b, 10), -1);
	assert_int_equal(errno, EISDIR);
	close(fd);
	assert_int_equal(io_read_file(-1, &b, 10), -1);
	assert_int_equal(errno, EBADF);
	buf_fini(&b);
	/* The buf's own limit is no end of the file either. */
	buf_init(&b, 4);
	fd = file_of("0123456789", 10);
	assert_int_equal(io_read_file(fd, &b, 100), -1);
	close(fd);
	buf_fini(&b);
}

static void
test_wait(void **state)
{
	int64_t begun, took;
	int fd[2];

	(void)state;
	assert_int_equal(pipe2(fd, O_CLOEXEC), 0);
	begun = io_clock_ms();
	assert_int_equal(io_wait(fd[0], POLLIN, begun - 1000), 0);
	assert_int_equal(io_wait(fd[1], POLLOUT, begun - 1000), 1);
	/* Interrupts neither end the wait nor make it longer. */
	interrupt_each(3000);
	begun = io_clock_ms();
	assert_int_equal(io_wait(fd[0], POLLIN, begun + 60), 0);
	interrupt_each(0);
	took = io_clock_ms() - begun;
	assert_true(took >= 60 && took < 60 + LATE_MS);
	assert_int_equal(io_write_all(fd[1], "x", 1), 0);
	assert_int_equal(io_wait(fd[0], POLLIN, io_clock_ms() + 10), 1);
	/* A far deadline must not overflow what poll takes. */
	assert_int_equal(io_wait(fd[0], POLLIN, INT64_MAX), 1);
	close(fd[0]);
	close(fd[1]);
}

static void
test_nonblock_and_close(void **state)
{
	char c;
	int fd[2], copy;

	(void)state;
	assert_int_equal(pipe2(fd, O_CLOEXEC), 0);
	assert_int_equal(io_nonblock(fd[0]), 0);
	errno = 0;
	assert_int_equal(io_read(fd[0], &c, 1), -1);
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(io_nonblock(-1), -1);
	copy = fd[1];
	io_close(&fd[1]);
	assert_int_equal(fd[1], -1);
	assert_int_equal(fcntl(copy, F_GETFD), -1);
	io_close(&fd[1]);
	assert_int_equal(io_read(fd[0], &c, 1), 0);
	io_close(&fd[0]);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_write_all_survives_interrupts),
		cmocka_unit_test(test_write_errors),
		cmocka_unit_test(test_pread_and_pwrite),
		cmocka_unit_test(test_read_file),
		cmocka_unit_test(test_read_file_of_other_kinds),
		cmocka_unit_test(test_wait),
		cmocka_unit_test(test_nonblock_and_close),
	};

	return cmocka_run_group_tests_name("io", tests, NULL, NULL);
}
