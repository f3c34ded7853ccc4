/*
 * setup_terminal_test.c - questions on a terminal whose other end is the test.
 */
#include <sys/ioctl.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <termios.h>
#include <unistd.h>

#include "submit/setup_terminal.h"
#include "tests/unit/t.h"

#define SECRET_SIZE	8
#define HIDDEN_TRIES	10000	/* of 1 ms: the machine may be slow */
#define UNSET		'?'

/* What the process that asks has found. */
struct answer {
	int	 ret;
	int	 came;		/* the signal that its own handler got */
	char	 text[SECRET_SIZE];
	char	 rest[16];	/* what a shell would read then */
};

struct terminal {
	int	 master, slave;
	int	 answers;
	pid_t	 pid;
	struct termios before;
};

/* ---- the process that asks ---- */

static const int sigs[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP };
static volatile sig_atomic_t came;

static void
note(int sig)
{
	came = sig;
}

/* Its own handlers and mask are to be there again. */
static int
signals_are_usual(void)
{
	struct sigaction sa;
	sigset_t mask;
	size_t i;

	if (sigprocmask(SIG_BLOCK, NULL, &mask) == -1)
		return 0;
	for (i = 0; i < N(sigs); i++)
		if (sigaction(sigs[i], NULL, &sa) == -1 ||
		    sa.sa_handler != note || sigismember(&mask, sigs[i]))
			return 0;
	return 1;
}

static void
set_signals(void)
{
	const struct sigaction sa = { .sa_handler = note,
	    .sa_flags = SA_RESTART };
	size_t i;

	for (i = 0; i < N(sigs); i++)
		(void)sigaction(sigs[i], &sa, NULL);
}

static void
ask_secret(struct answer *a)
{
	a->ret = setup_ask_secret("Secret: ", a->text, sizeof(a->text));
	a->came = came;
}

static void
ask_yes(struct answer *a)
{
	a->ret = setup_ask("Well? ");
}

/* With a prompt of a shell after it. */
static void
read_as_shell(struct answer *a)
{
	ssize_t n;

	if (write(STDERR_FILENO, "$ ", 2) != 2)
		_exit(1);
	n = read(STDIN_FILENO, a->rest, sizeof(a->rest) - 1);
	a->rest[n > 0 ? n : 0] = '\0';
}

static void
ask_secret_and_read(struct answer *a)
{
	ask_secret(a);
	read_as_shell(a);
}

static void
ask_yes_and_read(struct answer *a)
{
	ask_yes(a);
	read_as_shell(a);
}

static _Noreturn void
be_asking(const struct terminal *t, void (*ask)(struct answer *), int report)
{
	struct answer a = { .ret = 99 };

	memset(a.text, UNSET, sizeof(a.text));
	if (setsid() == -1 || ioctl(t->slave, TIOCSCTTY, 0) == -1 ||
	    dup2(t->slave, STDIN_FILENO) == -1 ||
	    dup2(t->slave, STDERR_FILENO) == -1)
		_exit(1);
	close(t->master);
	close(t->slave);
	set_signals();
	if (!setup_has_terminal())
		_exit(2);
	ask(&a);
	if (!signals_are_usual())
		_exit(3);
	_exit(write(report, &a, sizeof(a)) == sizeof(a) ? 0 : 4);
}

/* ---- the person ---- */

static void
begin(struct terminal *t, void (*ask)(struct answer *))
{
	int fds[2];

	t->master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (t->master == -1)
		t_skip("no pseudo-terminals");
	assert_int_equal(grantpt(t->master), 0);
	assert_int_equal(unlockpt(t->master), 0);
	t->slave = open(ptsname(t->master), O_RDWR | O_NOCTTY | O_CLOEXEC);
	assert_true(t->slave != -1);
	assert_int_equal(tcgetattr(t->slave, &t->before), 0);
	assert_int_equal(pipe(fds), 0);
	fflush(NULL);
	t->pid = fork();
	assert_true(t->pid != -1);
	if (t->pid == 0)
		be_asking(t, ask, fds[1]);
	close(fds[1]);
	t->answers = fds[0];
}

static void
type(const struct terminal *t, const char *text, size_t len)
{
	assert_int_equal(write(t->master, text, len), len);
}

/* What is typed sooner is dropped. */
static void
wait_until_hidden(const struct terminal *t)
{
	struct termios now;
	int i;

	for (i = 0; i < HIDDEN_TRIES; i++) {
		assert_int_equal(tcgetattr(t->slave, &now), 0);
		if ((now.c_lflag & ECHO) == 0)
			return;
		(void)poll(NULL, 0, 1);
	}
	fail_msg("the terminal still shows what is typed");
}

static void
wait_until_shown(const struct terminal *t, struct buf *seen, const char *end)
{
	char bytes[256];
	ssize_t n;

	while (strstr(buf_str(seen), end) == NULL) {
		n = read(t->master, bytes, sizeof(bytes));
		assert_true(n > 0);
		buf_add(seen, bytes, (size_t)n);
	}
}

/* With what the terminal has shown; no more of that comes. */
static void
end(struct terminal *t, struct answer *a, struct buf *seen)
{
	struct termios after;
	char bytes[256];
	int status;
	ssize_t n;

	n = read(t->answers, a, sizeof(*a));
	assert_int_equal(waitpid(t->pid, &status, 0), t->pid);
	assert_int_equal(status, 0);
	assert_int_equal(n, sizeof(*a));
	assert_int_equal(tcgetattr(t->slave, &after), 0);
	assert_int_equal(after.c_lflag, t->before.c_lflag);
	assert_int_equal(fcntl(t->master, F_SETFL, O_NONBLOCK), 0);
	while (seen != NULL &&
	    (n = read(t->master, bytes, sizeof(bytes))) > 0)
		buf_add(seen, bytes, (size_t)n);
	close(t->answers);
	close(t->slave);
	close(t->master);
}

static void
assert_wiped(const char *text, size_t size)
{
	size_t i;

	for (i = 0; i < size; i++)
		assert_true(text[i] == '\0' || text[i] == UNSET);
}

/* ---- a secret ---- */

static void
test_a_secret_is_a_line_that_is_not_shown(void **state)
{
	static const struct {
		const char *typed;
		size_t len;
		const char *secret;	/* NULL: none */
	} cases[] = {
		{ T("secret\n"), "secret" },
		{ T("\n"), "" },
		{ T("1234567\n"), "1234567" },
		{ T("a b\tc\n"), "a b\tc" },
		{ T("wrong\025right\n"), "right" },	/* ^U */
		{ T("12345678\n"), NULL },
		{ T("123456789\n"), NULL },
		{ T("a\0b\n"), NULL },
		{ T("\004"), NULL },			/* ^D */
		{ T("abc\004"), NULL },
	};
	struct terminal t;
	struct answer a;
	struct buf seen;
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		begin(&t, ask_secret);
		wait_until_hidden(&t);
		type(&t, cases[i].typed, cases[i].len);
		buf_init(&seen, 0);
		end(&t, &a, &seen);
		if (a.ret != (cases[i].secret == NULL ? -1 : 0))
			fail_msg("case %d: %d", (int)i, a.ret);
		if (cases[i].secret != NULL)
			assert_string_equal(a.text, cases[i].secret);
		else
			assert_wiped(a.text, sizeof(a.text));
		assert_string_equal(buf_str(&seen), "Secret: \r\n");
		assert_int_equal(a.came, 0);
		buf_fini(&seen);
	}
}

/* Neither what was typed ahead, nor the end of a line that is too long. */
static void
test_the_rest_is_not_for_the_shell(void **state)
{
	struct terminal t;
	struct answer a;
	struct buf seen;

	(void)state;
	begin(&t, ask_secret_and_read);
	buf_init(&seen, 0);
	wait_until_hidden(&t);
	type(&t, T("a secret that is too long\nmore\n"));
	wait_until_shown(&t, &seen, "$ ");
	type(&t, T("ls\n"));
	end(&t, &a, &seen);
	assert_int_equal(a.ret, -1);
	assert_string_equal(a.rest, "ls\n");
	assert_null(strstr(buf_str(&seen), "more"));
	assert_null(strstr(buf_str(&seen), "long"));
	buf_reset(&seen);
	begin(&t, ask_yes_and_read);
	type(&t, T("y, but this is far more than is read of an answer, and of "
	    "it nothing is run\n"));
	wait_until_shown(&t, &seen, "$ ");
	type(&t, T("ls\n"));
	end(&t, &a, NULL);
	assert_int_equal(a.ret, 0);
	assert_string_equal(a.rest, "ls\n");
	buf_fini(&seen);
}

/* From the keyboard, and from elsewhere: the handler after it sees none. */
static void
test_a_signal_ends_the_wait(void **state)
{
	static const struct {
		const char *typed;	/* or NULL */
		int sig;
	} cases[] = {
		{ "\003", 0 },		/* ^C */
		{ "\034", 0 },		/* ^\ */
		{ "\032", 0 },		/* ^Z */
		{ "half\003", 0 },
		{ NULL, SIGTERM },
		{ NULL, SIGHUP },
	};
	struct terminal t;
	struct answer a;
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		begin(&t, ask_secret);
		wait_until_hidden(&t);
		if (cases[i].typed != NULL)
			type(&t, cases[i].typed, strlen(cases[i].typed));
		else
			assert_int_equal(kill(t.pid, cases[i].sig), 0);
		end(&t, &a, NULL);
		assert_int_equal(a.ret, -1);
		assert_wiped(a.text, sizeof(a.text));
		assert_int_equal(a.came, 0);
	}
}

/* One that came too late to end the wait takes effect after it. */
static void
test_no_signal_is_lost(void **state)
{
	struct terminal t;
	struct answer a;

	(void)state;
	begin(&t, ask_secret);
	wait_until_hidden(&t);
	/* Whichever is seen first, the other is not dropped. */
	assert_int_equal(kill(t.pid, SIGSTOP), 0);
	assert_int_equal(waitpid(t.pid, NULL, WUNTRACED), t.pid);
	type(&t, T("secret\n"));
	assert_int_equal(kill(t.pid, SIGTERM), 0);
	assert_int_equal(kill(t.pid, SIGCONT), 0);
	end(&t, &a, NULL);
	if (a.ret == 0)
		assert_int_equal(a.came, SIGTERM);
	else
		assert_wiped(a.text, sizeof(a.text));
}

/* A program before it left the terminal without lines and signals. */
static void
ask_in_raw_mode(struct answer *a)
{
	struct termios raw, after;

	if (tcgetattr(STDIN_FILENO, &raw) == -1)
		_exit(5);
	raw.c_lflag &= ~(tcflag_t)(ICANON | ISIG);
	raw.c_lflag |= ECHO | ECHONL;
	if (tcsetattr(STDIN_FILENO, TCSANOW, &raw) == -1)
		_exit(5);
	ask_secret(a);
	if (tcgetattr(STDIN_FILENO, &after) == -1 ||
	    after.c_lflag != raw.c_lflag)
		_exit(6);
	raw.c_lflag |= ICANON | ISIG;
	raw.c_lflag &= ~(tcflag_t)ECHONL;
	(void)tcsetattr(STDIN_FILENO, TCSANOW, &raw);
}

static void
test_a_raw_terminal_is_raw_again(void **state)
{
	struct terminal t;
	struct answer a;
	struct buf seen;

	(void)state;
	buf_init(&seen, 0);
	begin(&t, ask_in_raw_mode);
	wait_until_hidden(&t);
	type(&t, T("sec"));
	type(&t, T("ret\n"));
	end(&t, &a, &seen);
	assert_string_equal(buf_str(&seen), "Secret: \r\n");
	buf_fini(&seen);
	assert_int_equal(a.ret, 0);
	assert_string_equal(a.text, "secret");
	begin(&t, ask_in_raw_mode);
	wait_until_hidden(&t);
	type(&t, T("\003"));
	end(&t, &a, NULL);
	assert_int_equal(a.ret, -1);
}

/* ---- a question ---- */

static void
test_yes_is_y_or_yes(void **state)
{
	static const struct {
		const char *typed;
		int is_yes;
	} cases[] = {
		{ "y\n", 1 }, { "Y\n", 1 }, { "yes\n", 1 }, { "YES\n", 1 },
		{ "n\n", 0 }, { "\n", 0 }, { "ye\n", 0 }, { "yes \n", 0 },
		{ "y\004", 0 }, { "\004", 0 },
		{ "yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy"
		    "yyyyyyyyyy\n", 0 },
	};
	struct terminal t;
	struct answer a;
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		begin(&t, ask_yes);
		type(&t, cases[i].typed, strlen(cases[i].typed));
		end(&t, &a, NULL);
		if (a.ret != cases[i].is_yes)
			fail_msg("%s", cases[i].typed);
	}
}

/* ---- no terminal ---- */

static int
ask_a_pipe(const void *arg)
{
	char text[SECRET_SIZE];
	int fds[2];

	(void)arg;
	if (pipe(fds) == -1 || dup2(fds[0], STDIN_FILENO) == -1 ||
	    write(fds[1], "x\n", 2) != 2)
		return 1;
	return setup_has_terminal() ||
	    setup_ask_secret("", text, sizeof(text)) != -1;
}

static void
test_a_pipe_is_no_terminal(void **state)
{
	(void)state;
	assert_int_equal(t_in_child(ask_a_pipe, NULL), 0);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_secret_is_a_line_that_is_not_shown),
		cmocka_unit_test(test_the_rest_is_not_for_the_shell),
		cmocka_unit_test(test_a_signal_ends_the_wait),
		cmocka_unit_test(test_no_signal_is_lost),
		cmocka_unit_test(test_a_raw_terminal_is_raw_again),
		cmocka_unit_test(test_yes_is_y_or_yes),
		cmocka_unit_test(test_a_pipe_is_no_terminal),
	};

	return cmocka_run_group_tests_name("setup_terminal", tests, NULL,
	    NULL);
}
