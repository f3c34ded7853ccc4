/*
 * submit_client_test.c - a call that another process does, with a socket of
 * our own: its source is compiled in for that.
 */
#undef DMA_RUNDIR
#define DMA_RUNDIR "."
#include "priv/submit_client.c"

#include <sys/wait.h>

#include "tests/unit/t.h"

static const struct obstacle obstacle = { EX_CONFIG, "/usr/sbin/dma",
    "not set-uid" };

/* What the other side does with a call; and what comes of it. */
struct call_case {
	enum {
		SAYS_STATUS,		/* 3, after the call */
		SAYS_INPUT,		/* wants a piece, of what it has itself */
		REFUSES,		/* 77, before it */
		ENDS_EARLY,		/* after it took the call */
		SAYS_NONSENSE
	}		 does;
	int		 status;
	const char	*text;		/* on standard error */
};

static void
say(int conn, uint32_t kind, uint32_t status, const char *reason)
{
	struct ipc m;

	ipc_init(&m);
	ipc_begin(&m, kind, 0);
	if (kind == IPC_SUBMIT_STATUS) {
		ipc_put_u32(&m, status);
		ipc_put_str(&m, reason);
	}
	(void)ipc_send(conn, &m);
	ipc_fini(&m);
}

/* 0 when it is the call of below: argv, then a variable. */
static int
take_call(int conn)
{
	static const char expected[] = "dma\0bob\0EMAIL=bob@example.net";
	uint32_t has, argc, len;
	char text[256];
	struct ipc m;
	int fd, ret = -1;
	ssize_t n;

	ipc_init(&m);
	if (ipc_recv(conn, &m, IPC_SUBMIT_LIMIT) == 1 &&
	    m.kind == IPC_SUBMIT_CALL) {
		has = ipc_get_u32(&m);
		argc = ipc_get_u32(&m);
		len = ipc_get_u32(&m);
		/* After standard input, output and error. */
		fd = ipc_take_fd(&m, 3);
		n = read(fd, text, sizeof(text));
		if (has == 7 && argc == 2 && len == sizeof(expected) &&
		    n == (ssize_t)len && memcmp(text, expected, len) == 0)
			ret = 0;
		close(fd);
	}
	ipc_fini(&m);
	return ret;
}

static int
serve(int listening, const struct call_case *c)
{
	int conn = accept(listening, NULL, NULL);

	if (c->does == REFUSES) {
		say(conn, IPC_SUBMIT_STATUS, EX_NOPERM, "no place for you");
		return 0;
	}
	if (c->does == SAYS_NONSENSE) {
		say(conn, IPC_FLUSH, 0, NULL);
		return 0;
	}
	say(conn, IPC_SUBMIT_READY, 0, NULL);
	if (take_call(conn) == -1)
		return 1;
	if (c->does == SAYS_INPUT)
		say(conn, IPC_SUBMIT_INPUT, 0, NULL);
	if (c->does != ENDS_EARLY)
		say(conn, IPC_SUBMIT_STATUS, 3, "");
	return 0;
}

/* In the directory of the test. */
static int
listen_here(void)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	memcpy(sun.sun_path, SOCKET_FILE, sizeof(SOCKET_FILE));
	if (fd == -1 || bind(fd, (struct sockaddr *)&sun, sizeof(sun)) == -1 ||
	    listen(fd, 1) == -1)
		_exit(101);
	return fd;
}

static void
prepare(const char *dir)
{
	int in = open("/dev/null", O_RDONLY), err;

	if (chdir(dir) == -1)
		_exit(102);
	err = open("stderr", O_WRONLY | O_CREAT, 0600);
	if (dup2(in, STDIN_FILENO) == -1 || dup2(err, STDERR_FILENO) == -1)
		_exit(103);
	unsetenv("LOGNAME");
	unsetenv("NAME");
	unsetenv("TZ");
	setenv("EMAIL", "bob@example.net", 1);
}

static int
call(void)
{
	static char name[] = "dma", bob[] = "bob";
	char *argv[] = { name, bob, NULL };

	return submit_client(2, argv, &obstacle);
}

static int
call_it(const void *arg)
{
	const struct call_case *c = arg;
	int listening = listen_here(), ret, status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(serve(listening, c));
	close(listening);
	ret = call();
	if (pid == -1 || waitpid(pid, &status, 0) != pid || status != 0)
		return 104;
	return ret;
}

static int
call_nobody(const void *arg)
{
	(void)arg;
	return call();
}

struct there {
	const char	*dir;
	int		(*call)(const void *);
	const void	*arg;
};

static int
go(const void *arg)
{
	const struct there *t = arg;

	prepare(t->dir);
	return t->call(t->arg);
}

static void
check(int (*how)(const void *), const void *arg, int status, const char *text)
{
	char dir[64];
	struct there t = { dir, how, arg };

	t_dir(dir, sizeof(dir));
	assert_int_equal(t_in_child(go, &t), status);
	t_assert_file(t_path(dir, "stderr"), text);
	t_dir_remove(dir);
}

static void
test_what_it_ends_with(void **state)
{
	static const char ended[] = "dma: ./submit: the process that served "
	    "this call ended without a status; see the log\n";
	const struct call_case cases[] = {
		{ SAYS_STATUS, 3, "" },
		{ SAYS_INPUT, EX_TEMPFAIL, ended },
		{ REFUSES, EX_NOPERM, "dma: no place for you\n" },
		{ ENDS_EARLY, EX_TEMPFAIL, ended },
		{ SAYS_NONSENSE, EX_TEMPFAIL, "dma: ./submit: Protocol error: "
		    "try again later\n" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++)
		check(call_it, &cases[i], cases[i].status, cases[i].text);
}

static void
test_nobody_is_there(void **state)
{
	(void)state;
	check(call_nobody, NULL, EX_CONFIG, "dma: /usr/sbin/dma: not set-uid; "
	    "or enable dma-submit.socket (./submit: No such file or "
	    "directory)\n");
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_it_ends_with),
		cmocka_unit_test(test_nobody_is_there),
	};

	return cmocka_run_group_tests_name("submit_client", tests, NULL, NULL);
}
