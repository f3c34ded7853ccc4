/*
 * smtpd_listen_test.c - sockets that are bound, and sockets that init gave.
 */
#include <sys/socket.h>
#include <netinet/in.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "smtpd/listen.h"
#include "tests/unit/t.h"

/* What is logged is not looked at. */
static void
forget(void *arg, enum log_level level, const char *text)
{
	(void)level;
	*(int *)arg += text[0] != '\0';
}

static struct log
counting_log(int *lines)
{
	struct log log;

	log_init(&log, "test");
	log.where = LOG_TO_FUNCTION;
	log.take = forget;
	log.arg = lines;
	*lines = 0;
	return log;
}

static void
add(struct smtpd_config *c, int family, const char *text, uint16_t port)
{
	struct conf_listen *l = &c->listen[c->nlisten++];
	struct sockaddr_in *sin = (struct sockaddr_in *)&l->addr;
	struct sockaddr_in6 *sin6 = (struct sockaddr_in6 *)&l->addr;

	memset(l, 0, sizeof(*l));
	l->addr.ss_family = (sa_family_t)family;
	l->len = family == AF_INET ? sizeof(*sin) : sizeof(*sin6);
	sin->sin_port = htons(port);	/* at the same place in both */
	assert_int_equal(inet_pton(family, text, family == AF_INET ?
	    (void *)&sin->sin_addr : (void *)&sin6->sin6_addr), 1);
	l->text = (char *)(uintptr_t)text;
}

static uint16_t
port_of(int fd)
{
	struct sockaddr_in sin;
	socklen_t len = sizeof(sin);

	assert_int_equal(getsockname(fd, (struct sockaddr *)&sin, &len), 0);
	return ntohs(sin.sin_port);
}

static void
test_bound_sockets_take_connections(void **state)
{
	struct conf_listen list[2];
	struct smtpd_config conf = { .listen = list };
	struct sockaddr_in to = { .sin_family = AF_INET };
	struct listeners l;
	struct log log;
	int lines, fd;

	(void)state;
	log = counting_log(&lines);
	add(&conf, AF_INET, "127.0.0.1", 0);
	add(&conf, AF_INET, "127.0.0.1", 0);
	assert_int_equal(listeners_open(&l, 0, &conf, &log), 0);
	assert_int_equal(l.n, 2);
	assert_int_equal(l.are_given, 0);
	assert_true(fcntl(l.fds[0], F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(l.fds[0], F_GETFD) & FD_CLOEXEC);
	assert_int_equal(accept(l.fds[0], NULL, NULL), -1);
	assert_int_equal(errno, EAGAIN);
	to.sin_port = htons(port_of(l.fds[0]));
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	close(fd);
	fd = accept(l.fds[0], NULL, NULL);
	assert_int_not_equal(fd, -1);
	close(fd);
	listeners_close(&l);
	assert_int_equal(l.n, 0);
	assert_int_equal(lines, 0);
}

static void
test_all_are_bound_or_it_is_an_error(void **state)
{
	struct conf_listen list[2];
	struct smtpd_config conf = { .listen = list };
	struct listeners busy, l;
	struct log log;
	int lines;

	(void)state;
	log = counting_log(&lines);
	add(&conf, AF_INET, "127.0.0.1", 0);
	assert_int_equal(listeners_open(&busy, 0, &conf, &log), 0);
	add(&conf, AF_INET, "127.0.0.1", port_of(busy.fds[0]));
	assert_int_equal(listeners_open(&l, 0, &conf, &log), -1);
	assert_int_equal(lines, 1);
	listeners_close(&l);
	listeners_close(&busy);
}

/* An address for documentation, which no host has, is not the default's ::1. */
static void
test_only_the_default_may_lack_ipv6(void **state)
{
	static const struct {
		int	 family;
		const char *text;
		int	 is_default, ret;
	} cases[] = {
		{ AF_INET6, "2001:db8::1", 1, 0 },
		{ AF_INET6, "2001:db8::1", 0, -1 },
		{ AF_INET, "192.0.2.1", 1, -1 },
	};
	struct conf_listen list[1];
	struct smtpd_config conf = { .listen = list };
	struct listeners l;
	struct log log;
	int lines;
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		log = counting_log(&lines);
		conf.nlisten = 0;
		add(&conf, cases[i].family, cases[i].text, 0);
		conf.is_listen_default = cases[i].is_default;
		assert_int_equal(listeners_open(&l, 0, &conf, &log),
		    cases[i].ret);
		assert_int_equal(l.n, 0);
		assert_int_equal(lines, cases[i].ret == 0 ? 0 : 1);
		listeners_close(&l);
	}
}

struct env_case {
	const char	*fds, *pid;	/* pid "": the right one */
	unsigned	 expected;
};

static const struct env_case environments[] = {
	{ "1", "", 1 },
	{ "3", "", 3 },
	{ "0", "", 0 },
	{ "x", "", 0 },
	{ "99999999999", "", UINT32_MAX },
	{ "1", "1", 0 },		/* another's */
	{ "1", NULL, 0 },
	{ NULL, "", 0 },
	{ NULL, NULL, 0 },
};

static void
test_what_init_says_is_taken_once(void **state)
{
	const struct env_case *c;
	char pid[32];

	(void)state;
	snprintf(pid, sizeof(pid), "%ld", (long)getpid());
	for (c = environments; c < environments + N(environments); c++) {
		unsetenv("LISTEN_FDS");
		unsetenv("LISTEN_PID");
		if (c->fds != NULL)
			setenv("LISTEN_FDS", c->fds, 1);
		if (c->pid != NULL)
			setenv("LISTEN_PID", c->pid[0] == '\0' ? pid : c->pid,
			    1);
		assert_int_equal(listeners_given(), c->expected);
		assert_null(getenv("LISTEN_FDS"));
		assert_null(getenv("LISTEN_PID"));
		assert_int_equal(listeners_given(), 0);
	}
}

enum gift {
	GIFT_LISTENING,
	GIFT_NOT_LISTENING,
	GIFT_DATAGRAM,
	GIFT_FILE
};

static int
make_gift(enum gift what)
{
	int fd;

	if (what == GIFT_FILE)
		return open("/dev/null", O_RDWR);
	fd = socket(AF_INET, what == GIFT_DATAGRAM ? SOCK_DGRAM : SOCK_STREAM,
	    0);
	if (what == GIFT_LISTENING && listen(fd, 1) == -1)
		return -1;
	return fd;
}

/* In a process of its own, whose descriptor 3 is anything. */
static int
take(const void *arg)
{
	const enum gift *what = arg;
	struct smtpd_config conf = { .nlisten = 0 };
	struct listeners l;
	struct log log;
	int lines, ret, fd = make_gift(*what);

	log = counting_log(&lines);
	if (fd == -1 || dup2(fd, 3) == -1)
		return 100;
	ret = listeners_open(&l, 1, &conf, &log);
	if (ret == -1)
		return lines == 1 ? 1 : 101;
	return l.n == 1 && l.fds[0] == 3 && l.are_given &&
	    (fcntl(3, F_GETFL) & O_NONBLOCK) != 0 &&
	    (fcntl(3, F_GETFD) & FD_CLOEXEC) != 0 ? 0 : 102;
}

static void
test_only_a_listening_socket_is_taken(void **state)
{
	enum gift what;
	struct smtpd_config conf = { .nlisten = 0 };
	struct listeners l;
	struct log log;
	int lines;

	(void)state;
	for (what = GIFT_LISTENING; what <= GIFT_FILE; what++)
		assert_int_equal(t_in_child(take, &what),
		    what != GIFT_LISTENING);
	log = counting_log(&lines);
	assert_int_equal(listeners_open(&l, CONF_LISTEN_MAX + 1, &conf, &log),
	    -1);
	assert_int_equal(l.n, 0);
}

static void
test_a_changed_list_is_noticed(void **state)
{
	struct conf_listen one[3], other[3];
	struct smtpd_config a = { .listen = one }, b = { .listen = other };

	(void)state;
	add(&a, AF_INET, "127.0.0.1", 25);
	add(&a, AF_INET6, "::1", 25);
	add(&b, AF_INET6, "::1", 25);
	assert_int_equal(listeners_are_same(&a, &b), 0);
	add(&b, AF_INET, "127.0.0.1", 25);
	assert_int_equal(listeners_are_same(&a, &b), 1);
	add(&a, AF_INET, "127.0.0.2", 25);
	add(&b, AF_INET, "127.0.0.2", 26);
	assert_int_equal(listeners_are_same(&a, &b), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bound_sockets_take_connections),
		cmocka_unit_test(test_all_are_bound_or_it_is_an_error),
		cmocka_unit_test(test_only_the_default_may_lack_ipv6),
		cmocka_unit_test(test_what_init_says_is_taken_once),
		cmocka_unit_test(test_only_a_listening_socket_is_taken),
		cmocka_unit_test(test_a_changed_list_is_noticed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
