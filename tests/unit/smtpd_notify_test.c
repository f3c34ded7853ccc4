/*
 * smtpd_notify_test.c - what a service manager is told, and where.
 */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "smtpd/notify.h"
#include "tests/unit/t.h"

#define PATH_MAX_BYTES	(sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1)

/* The socket of the manager. */
static int
manager_open(const char *path)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	assert_true(fd != -1);
	assert_int_equal(text_copy(to.sun_path, sizeof(to.sun_path), path), 0);
	assert_int_equal(bind(fd, (const struct sockaddr *)&to, sizeof(to)),
	    0);
	return fd;
}

static void
assert_told(int fd, const char *text)
{
	char got[64];
	ssize_t n = recv(fd, got, sizeof(got) - 1, 0);

	assert_true(n >= 0);
	got[n] = '\0';
	assert_string_equal(got, text);
}

static void
assert_told_nothing(int fd)
{
	char byte;

	assert_int_equal(recv(fd, &byte, 1, 0), -1);
	assert_true(errno == EAGAIN || errno == EWOULDBLOCK);
}

static void
test_a_manager_is_told(void **state)
{
	struct notify n;
	char dir[64];
	int fd;

	(void)state;
	t_dir(dir, sizeof(dir));
	fd = manager_open(t_path(dir, "s"));
	setenv("NOTIFY_SOCKET", t_path(dir, "s"), 1);
	notify_init(&n);
	assert_true(n.fd != -1);
	assert_int_equal(fcntl(n.fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	assert_told_nothing(fd);
	notify_ready(&n);
	assert_told(fd, "READY=1\n");
	notify_stopping(&n);
	assert_told(fd, "STOPPING=1\n");
	assert_told_nothing(fd);
	/* It may have gone. */
	close(fd);
	notify_ready(&n);
	assert_int_equal(unlink(t_path(dir, "s")), 0);
	notify_ready(&n);
	notify_fini(&n);
	assert_int_equal(n.fd, -1);
	t_dir_remove(dir);
}

/* A manager that reads nothing does not hold dma-smtpd. */
static void
test_it_never_waits(void **state)
{
	struct notify n;
	char dir[64];
	int fd, i;

	(void)state;
	t_dir(dir, sizeof(dir));
	fd = manager_open(t_path(dir, "s"));
	setenv("NOTIFY_SOCKET", t_path(dir, "s"), 1);
	notify_init(&n);
	for (i = 0; i < 10000; i++)
		notify_ready(&n);
	assert_told(fd, "READY=1\n");
	notify_fini(&n);
	close(fd);
	t_dir_remove(dir);
}

/* length: of the address with its family; 0: nobody is told. */
static void
test_addresses(void **state)
{
	static char longest[PATH_MAX_BYTES + 1], too_long[PATH_MAX_BYTES + 2];
	static const struct {
		const char *path;
		size_t	 len;
	} cases[] = {
		{ NULL, 0 }, { "", 0 }, { "/", 0 }, { "@", 0 }, { "x", 0 },
		{ "run/s", 0 }, { "./s", 0 }, { "vsock:2:1234", 0 },
		{ "/s", 2 }, { "/run/s", 6 }, { "@s", 2 }, { "@/a/b", 5 },
		{ longest, PATH_MAX_BYTES }, { too_long, 0 },
	};
	struct notify n;
	size_t i;

	(void)state;
	memset(longest, '/', sizeof(longest) - 1);
	memset(too_long, '/', sizeof(too_long) - 1);
	for (i = 0; i < N(cases); i++) {
		if (cases[i].path == NULL)
			unsetenv("NOTIFY_SOCKET");
		else
			setenv("NOTIFY_SOCKET", cases[i].path, 1);
		memset(&n, 0xff, sizeof(n));
		notify_init(&n);
		if ((n.fd != -1) != (cases[i].len > 0))
			fail_msg("case %zu: %d", i, n.fd);
		/* Nobody below is to take it for theirs. */
		assert_null(getenv("NOTIFY_SOCKET"));
		if (n.fd == -1) {
			notify_ready(&n);
			notify_stopping(&n);
			notify_fini(&n);
			continue;
		}
		assert_int_equal(n.to.sun_family, AF_UNIX);
		assert_int_equal(n.len, offsetof(struct sockaddr_un,
		    sun_path) + cases[i].len);
		assert_int_equal(n.to.sun_path[0], cases[i].path[0] == '@' ?
		    '\0' : '/');
		assert_memory_equal(n.to.sun_path + 1, cases[i].path + 1,
		    cases[i].len - 1);
		notify_fini(&n);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_manager_is_told),
		cmocka_unit_test(test_it_never_waits),
		cmocka_unit_test(test_addresses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
