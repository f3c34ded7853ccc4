/*
 * smtpd_drain_test.c - the tree of minutes, drained into a sendmail of ours,
 * which notes its arguments and its input.
 */
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "smtpd/drain/message.h"
#include "smtpd/drain/run.h"
#include "smtpd/drain/tree.h"
#include "tests/unit/t.h"

/* Its n-th call writes out/n; "status" and "act" are what it does then. */
#define SENDMAIL	"#!/bin/sh\n" \
	"cd \"$T_DIR\" || exit 99\n" \
	"n=1; while ! mkdir lock.$n 2>/dev/null; do n=$((n + 1)); done\n" \
	"{ printf '[%s]' \"$@\"; echo; cat; } >out.$n\n" \
	"[ -f act ] && . ./act\n" \
	"exit $(cat status.$n 2>/dev/null || cat status 2>/dev/null || " \
	"echo 0)\n"

#define MINUTE	"202601020304"
#define BEGAN	1767323040	/* of it */
#define CLOSED	(BEGAN + 120)

#define F(path)	"Forward-Path: <" path ">\r\n"
#define R(path)	"Return-Path: <" path ">\r\n"
#define TEXT	"Received: x\r\n\r\ntext\r\n.\r\n"
#define TEXT_LF	"Received: x\n\ntext\n.\n"

struct fixture {
	struct tree	tree;
	char	 dir[64], root[80], sendmail[80];
	int	 ncomplaints;
	char	 complaint[512];	/* the last */
};

static void
take_complaint(void *arg, enum log_level level, const char *text)
{
	struct fixture *f = arg;

	(void)level;
	f->ncomplaints++;
	snprintf(f->complaint, sizeof(f->complaint), "%s", text);
}

static int
set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	sigset_t signals;

	t_dir(f->dir, sizeof(f->dir));
	setenv("T_DIR", f->dir, 1);
	snprintf(f->root, sizeof(f->root), "%s/tree", f->dir);
	snprintf(f->sendmail, sizeof(f->sendmail), "%s/sendmail", f->dir);
	t_put(f->sendmail, T(SENDMAIL), 0755);
	assert_int_equal(mkdir(f->root, 0750), 0);
	sigemptyset(&signals);
	sigaddset(&signals, SIGCHLD);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	f->tree.path = f->root;
	f->tree.sendmail = f->sendmail;
	f->tree.jobs = 1;
	f->tree.log.where = LOG_TO_FUNCTION;
	f->tree.log.level = LOG_LEVEL_INFO;
	f->tree.log.take = take_complaint;
	f->tree.log.arg = f;
	assert_int_equal(tree_open(&f->tree), 0);
	*state = f;
	return 0;
}

static int
tear_down(void **state)
{
	struct fixture *f = *state;

	tree_close(&f->tree);
	t_dir_remove(f->dir);
	free(f);
	return 0;
}

static void
make(const struct fixture *f, const char *directory)
{
	assert_int_equal(mkdir(t_path(f->root, directory), 0750), 0);
}

static void
message(const struct fixture *f, const char *name, const char *text)
{
	t_put(t_path(f->root, name), text, strlen(text), 0640);
}

/* One message in a domain of its own. */
static void
make_one(const struct fixture *f, const char *text)
{
	make(f, MINUTE);
	make(f, MINUTE "/a.test");
	message(f, MINUTE "/a.test/1.msg", text);
}

static void
check_run(const struct fixture *f, int n, const char *args, const char *text)
{
	char name[32], expected[512];

	snprintf(name, sizeof(name), "out.%d", n);
	snprintf(expected, sizeof(expected), "%s\n%s", args, text);
	t_assert_file(t_path(f->dir, name), expected);
}

static int
count_runs(const struct fixture *f)
{
	char name[32];
	int n = 0;

	do
		snprintf(name, sizeof(name), "out.%d", ++n);
	while (t_exists(t_path(f->dir, name)));
	return n - 1;
}

static int
drain(struct fixture *f)
{
	return tree_drain(&f->tree, CLOSED, -1, 1);
}

static int
is_there(const struct fixture *f, const char *name)
{
	return t_exists(t_path(f->root, name));
}

/* ---- cases ---- */

static void
test_names_of_minutes(void **state)
{
	static const struct {
		const char *text;
		time_t began;	/* -1: none */
	} cases[] = {
		{ MINUTE, BEGAN },
		{ "197001010000", 0 },
		{ "202402290000", 1709164800 },
		{ "202302290000", -1 },
		{ "202613010000", -1 },
		{ "202600010000", -1 },
		{ "202601000000", -1 },
		{ "202601020360", -1 },
		{ "202601022400", -1 },
		{ "20260102030", -1 },
		{ "2026010203040", -1 },
		{ "20260102030a", -1 },
		{ "+20260102030", -1 },
		{ "", -1 }
	};
	time_t began;
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		if (tree_minute(cases[i].text, &began) !=
		    (cases[i].began != -1))
			fail_msg("%s", cases[i].text);
		if (cases[i].began != -1)
			assert_int_equal(began, cases[i].began);
	}
}

static void
test_each_domain_has_its_recipients(void **state)
{
	static const char text[] = F("x@a.test") F("Y@B.test") F("z@A.test")
	    R("s@t.test") TEXT;
	struct fixture *f = *state;

	make_one(f, text);
	make(f, MINUTE "/b.test");
	message(f, MINUTE "/b.test/1.msg", text);
	assert_int_equal(drain(f), 0);
	check_run(f, 1, "[-oi][-f][s@t.test][--][x@a.test][z@A.test]",
	    TEXT_LF);
	check_run(f, 2, "[-oi][-f][s@t.test][--][Y@B.test]", TEXT_LF);
	assert_int_equal(count_runs(f), 2);
	assert_false(is_there(f, MINUTE));
	assert_int_equal(f->ncomplaints, 0);
}

static void
test_arguments(void **state)
{
	static const struct {
		const char *lines, *args;
	} cases[] = {
		{ F("x@a.test") R(""), "[-oi][-f][<>][--][x@a.test]" },
		{ F("-x@a.test") R("-bs@t.test"),
		    "[-oi][-f][-bs@t.test][--][-x@a.test]" },
		{ "Forward-Path: <x@a.test> NOTIFY=SUCCESS ORCPT=rfc822;q\r\n"
		    "Return-Path: <s@t.test> RET=HDRS ENVID=a+2Bb "
		    "BODY=8BITMIME\r\n",
		    "[-oi][-f][s@t.test][-B][8BITMIME][-R][hdrs][-V][a+b]"
		    "[-N][SUCCESS][--][x@a.test]" },
		{ F("\"a b\"@a.test") R(""), "[-oi][-f][<>][--]"
		    "[\"a b\"@a.test]" }
	};
	struct fixture *f = *state;
	char text[512];
	size_t i;

	for (i = 0; i < N(cases); i++) {
		snprintf(text, sizeof(text), "%s" TEXT, cases[i].lines);
		make_one(f, text);
		assert_int_equal(drain(f), 0);
		check_run(f, (int)i + 1, cases[i].args, TEXT_LF);
	}
}

static void
test_a_minute_is_closed_when_the_second_after_it_began(void **state)
{
	struct fixture *f = *state;

	make_one(f, F("x@a.test") R("") TEXT);
	assert_int_equal(tree_drain(&f->tree, CLOSED - 1, -1, 1), 0);
	assert_true(is_there(f, MINUTE "/a.test/1.msg"));
	assert_int_equal(tree_drain(&f->tree, CLOSED, -1, 1), 0);
	assert_false(is_there(f, MINUTE));
}

static void
test_minutes_that_were_tried_are_passed_over(void **state)
{
	struct fixture *f = *state;

	make_one(f, F("x@a.test") R("") TEXT);
	assert_int_equal(tree_drain(&f->tree, CLOSED, BEGAN, 1), 0);
	assert_true(is_there(f, MINUTE "/a.test/1.msg"));
	assert_int_equal(tree_drain(&f->tree, CLOSED, BEGAN - 1, 1), 0);
	assert_false(is_there(f, MINUTE));
}

static void
test_what_sendmail_refuses_is_kept_and_named(void **state)
{
	struct fixture *f = *state;

	make_one(f, F("x@a.test") R("") TEXT);
	t_put(t_path(f->dir, "status"), T("75"), 0644);
	assert_int_equal(drain(f), 1);
	assert_true(is_there(f, MINUTE "/a.test/1.msg"));
	assert_non_null(strstr(f->complaint, MINUTE "/a.test/1.msg"));
	assert_non_null(strstr(f->complaint, "exit status 75"));
	t_put(t_path(f->dir, "status"), T("0"), 0644);
	assert_int_equal(drain(f), 0);
	assert_false(is_there(f, MINUTE));
}

static void
test_no_sendmail(void **state)
{
	struct fixture *f = *state;

	make_one(f, F("x@a.test") R("") TEXT);
	f->tree.sendmail = "/nonexistent";
	assert_int_equal(drain(f), 1);
	assert_true(is_there(f, MINUTE "/a.test/1.msg"));
}

static void
test_what_is_malformed_is_kept_and_named(void **state)
{
	static const char *const cases[] = {
		"",
		TEXT,
		F("x@a.test") R(""),
		F("x@b.test") R("") TEXT,
		F("x@a.test") TEXT
	};
	struct fixture *f = *state;
	size_t i;

	make_one(f, F("x@a.test") R("") TEXT);
	for (i = 0; i < N(cases); i++) {
		message(f, MINUTE "/a.test/1.msg", cases[i]);
		f->ncomplaints = 0;
		assert_int_equal(drain(f), 1);
		assert_int_equal(f->ncomplaints, 1);
		assert_non_null(strstr(f->complaint, MINUTE "/a.test/1.msg"));
		t_assert_file(t_path(f->root, MINUTE "/a.test/1.msg"),
		    cases[i]);
	}
	assert_int_equal(count_runs(f), 0);
}

/* Neither followed nor removed. */
static void
test_what_is_not_of_the_tree_is_left(void **state)
{
	struct fixture *f = *state;
	char good[512], path[128];

	snprintf(good, sizeof(good), F("x@a.test") R("") TEXT);
	snprintf(path, sizeof(path), "%s", t_path(f->dir, "elsewhere"));
	assert_int_equal(mkdir(path, 0750), 0);
	assert_int_equal(mkdir(t_path(path, "a.test"), 0750), 0);
	t_put(t_path(path, "a.test/1.msg"), good, strlen(good), 0640);
	assert_int_equal(symlink(path, t_path(f->root, "202601020303")), 0);
	make(f, MINUTE);
	assert_int_equal(symlink(t_path(path, "a.test"),
	    t_path(f->root, MINUTE "/a.test")), 0);
	make(f, MINUTE "/b.test");
	assert_int_equal(symlink(t_path(path, "a.test/1.msg"),
	    t_path(f->root, MINUTE "/b.test/2.msg")), 0);
	assert_int_equal(mkfifo(t_path(f->root, MINUTE "/b.test/3.msg"), 0640),
	    0);
	make(f, MINUTE "/b.test/4.msg");
	message(f, MINUTE "/b.test/readme", "x");
	message(f, MINUTE "/file", "x");
	make(f, MINUTE "/B.test");
	message(f, "file", "x");
	make(f, "other");
	assert_int_equal(drain(f), 1);
	assert_int_equal(count_runs(f), 0);
	assert_int_equal(f->ncomplaints, 8);
	assert_true(is_there(f, MINUTE "/b.test/2.msg"));
	assert_true(t_exists(t_path(path, "a.test/1.msg")));
}

static void
test_what_others_own_is_left(void **state)
{
	struct fixture *f = *state;

	t_needs_root();
	make_one(f, F("x@a.test") R("") TEXT);
	make(f, MINUTE "/b.test");
	make(f, "202601020303");
	assert_int_equal(chown(t_path(f->root, MINUTE "/a.test/1.msg"), 1, 1),
	    0);
	assert_int_equal(chown(t_path(f->root, MINUTE "/b.test"), 1, 1), 0);
	assert_int_equal(chown(t_path(f->root, "202601020303"), 1, 1), 0);
	assert_int_equal(drain(f), 1);
	assert_int_equal(f->ncomplaints, 3);
	assert_int_equal(count_runs(f), 0);
}

#define WISH(path, notify) "Forward-Path: <" path "> NOTIFY=" notify "\r\n"

/* And a run that fails does not repeat those before it. */
static void
test_recipients_with_unlike_wishes(void **state)
{
	struct fixture *f = *state;

	make_one(f, WISH("x@a.test", "NEVER") WISH("y@a.test", "FAILURE")
	    F("o@b.test") WISH("z@a.test", "never") R("s@t.test") TEXT);
	t_put(t_path(f->dir, "status.2"), T("75"), 0644);
	assert_int_equal(drain(f), 1);
	check_run(f, 1, "[-oi][-f][s@t.test][-N][NEVER][--][x@a.test]"
	    "[z@a.test]", TEXT_LF);
	check_run(f, 2, "[-oi][-f][s@t.test][-N][FAILURE][--][y@a.test]",
	    TEXT_LF);
	t_assert_file(t_path(f->root, MINUTE "/a.test/1.msg"),
	    WISH("y@a.test", "FAILURE") R("s@t.test") TEXT);
	assert_int_equal(drain(f), 0);
	check_run(f, 3, "[-oi][-f][s@t.test][-N][FAILURE][--][y@a.test]",
	    TEXT_LF);
	assert_int_equal(count_runs(f), 3);
	assert_false(is_there(f, MINUTE));
}

static void
test_a_run_has_a_bound(void **state)
{
	struct fixture *f = *state;
	struct buf text, args;
	int i;

	buf_init(&text, 0);
	for (i = 0; i < 700; i++)
		buf_printf(&text, F("r%d@a.test"), i);
	buf_puts(&text, R("") TEXT);
	make_one(f, buf_str(&text));
	assert_int_equal(drain(f), 0);
	assert_int_equal(count_runs(f), 2);
	buf_init(&args, 0);
	t_get(t_path(f->dir, "out.2"), &args);
	assert_non_null(strstr(buf_str(&args), "[--][r500@a.test]"));
	assert_non_null(strstr(buf_str(&args), "[r699@a.test]\n"));
	buf_fini(&args);
	buf_fini(&text);
}

static void
test_line_ends(void **state)
{
	static const struct {
		const char *text, *sent;
	} cases[] = {
		{ "a\nb\r\nc\r", "a\nb\nc\r" },
		{ "a\r\r\n\r\nb", "a\r\n\nb" }
	};
	struct fixture *f = *state;
	char text[300];
	struct buf sent;
	size_t i;

	for (i = 0; i < N(cases); i++) {
		snprintf(text, sizeof(text), F("x@a.test") R("")
		    "Received: x\r\n%s", cases[i].text);
		make_one(f, text);
		assert_int_equal(drain(f), 0);
		snprintf(text, sizeof(text), "Received: x\n%s", cases[i].sent);
		check_run(f, (int)i + 1, "[-oi][-f][<>][--][x@a.test]", text);
	}
	/* A CRLF at any place of a long text. */
	buf_init(&sent, 0);
	buf_puts(&sent, F("x@a.test") R("") "Received: x\r\n");
	while (sent.len < 100000)
		buf_printf(&sent, "%.*s\r\n", (int)(sent.len % 7), "xxxxxxx");
	make_one(f, buf_str(&sent));
	assert_int_equal(drain(f), 0);
	buf_reset(&sent);
	t_get(t_path(f->dir, "out.3"), &sent);
	assert_null(strchr(buf_str(&sent), '\r'));
	assert_true(sent.len > 60000);
	buf_fini(&sent);
}

static void
test_several_messages_at_once(void **state)
{
	struct fixture *f = *state;
	char name[64];
	int i;

	make(f, MINUTE);
	make(f, MINUTE "/a.test");
	for (i = 0; i < 20; i++) {
		snprintf(name, sizeof(name), MINUTE "/a.test/%d.msg", i);
		message(f, name, F("x@a.test") R("") TEXT);
	}
	t_put(t_path(f->dir, "status.5"), T("75"), 0644);
	f->tree.jobs = 3;
	assert_int_equal(drain(f), 1);
	assert_int_equal(count_runs(f), 20);
	assert_int_equal(drain(f), 0);
	assert_int_equal(count_runs(f), 21);
	assert_false(is_there(f, MINUTE));
}

/* What was killed after sendmail took the message sends it again. */
static void
test_killed_while_sendmail_runs(void **state)
{
	static const char *const acts[] = {
		"kill -9 $PPID; exit 0\n", "kill -9 $PPID; exit 75\n"
	};
	struct fixture *f = *state;
	int status;
	size_t i;
	pid_t pid;

	make_one(f, F("x@a.test") R("") TEXT);
	message(f, MINUTE "/a.test/" MESSAGE_TEMP "1", "of a dead one");
	for (i = 0; i < N(acts); i++) {
		t_put(t_path(f->dir, "act"), acts[i], strlen(acts[i]), 0644);
		pid = fork();
		if (pid == 0)
			_exit(drain(f));
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status));
		assert_true(is_there(f, MINUTE "/a.test/1.msg"));
	}
	assert_int_equal(unlink(t_path(f->dir, "act")), 0);
	assert_int_equal(drain(f), 0);
	assert_false(is_there(f, MINUTE));
}

static void
test_a_minute_of_another_process_is_passed_over(void **state)
{
	struct fixture *f = *state;
	int fd, fds[2];
	pid_t pid;
	char c;

	make_one(f, F("x@a.test") R("") TEXT);
	make(f, "202601020303");
	fd = open(t_path(f->root, MINUTE), O_RDONLY | O_DIRECTORY);
	assert_int_equal(flock(fd, LOCK_EX), 0);
	assert_int_equal(tree_drain(&f->tree, CLOSED, -1, 0), 0);
	assert_int_equal(count_runs(f), 0);
	assert_false(is_there(f, "202601020303"));
	/* One that waits finds it when the lock is gone. */
	assert_int_equal(pipe(fds), 0);
	pid = fork();
	if (pid == 0) {
		close(fd);
		(void)!write(fds[1], "", 1);
		_exit(drain(f));
	}
	assert_int_equal(read(fds[0], &c, 1), 1);
	assert_int_equal(count_runs(f), 0);
	close(fd);
	assert_int_equal(waitpid(pid, &fd, 0), pid);
	assert_int_equal(fd, 0);
	assert_int_equal(count_runs(f), 1);
	assert_false(is_there(f, MINUTE));
	close(fds[0]);
	close(fds[1]);
}

static void
test_the_end_comes_between_messages(void **state)
{
	struct fixture *f = *state;
	sigset_t ending, before;
	int sig;

	make_one(f, F("x@a.test") R("") TEXT);
	sigemptyset(&ending);
	sigaddset(&ending, SIGTERM);
	sigprocmask(SIG_BLOCK, &ending, &before);
	raise(SIGTERM);
	assert_int_equal(drain(f), 1);
	assert_int_equal(sigwait(&ending, &sig), 0);
	sigprocmask(SIG_SETMASK, &before, NULL);
	assert_int_equal(count_runs(f), 0);
	assert_true(is_there(f, MINUTE "/a.test/1.msg"));
}

/* ---- the program ---- */

/* With the signals as a careless parent leaves them: ignored. */
static int
run_careless(struct fixture *f, int does_follow)
{
	static const int sigs[] = { SIGTERM, SIGINT, SIGCHLD };
	sigset_t none;
	int status;
	size_t i;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		for (i = 0; i < N(sigs); i++)
			signal(sigs[i], SIG_IGN);
		_exit(run_drain(&f->tree, does_follow));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void
test_run_drains_once(void **state)
{
	struct fixture *f = *state;

	make_one(f, F("x@a.test") R("") TEXT);
	t_put(t_path(f->dir, "status"), T("75"), 0644);
	assert_int_equal(run_careless(f, 0), 1);
	assert_true(is_there(f, MINUTE "/a.test/1.msg"));
	t_put(t_path(f->dir, "status"), T("0"), 0644);
	assert_int_equal(run_careless(f, 0), 0);
	assert_false(is_there(f, MINUTE));
	assert_int_equal(count_runs(f), 2);
}

static void
test_run_without_a_tree(void **state)
{
	struct fixture *f = *state;

	f->tree.path = "/nonexistent";
	assert_int_equal(run_careless(f, 0), EX_NOINPUT);
	assert_int_equal(run_careless(f, 1), EX_NOINPUT);
}

/* The signal is there before sendmail ends: the message is, at its end. */
static void
test_run_follows_until_a_signal(void **state)
{
	static const char *const acts[] = { "kill -TERM $PPID\n",
	    "kill -INT $PPID\n" };
	struct fixture *f = *state;
	size_t i;

	for (i = 0; i < N(acts); i++) {
		make_one(f, F("x@a.test") R("") TEXT);
		message(f, MINUTE "/a.test/2.msg", F("x@a.test") R("") TEXT);
		t_put(t_path(f->dir, "act"), acts[i], strlen(acts[i]), 0644);
		assert_int_equal(run_careless(f, 1), 0);
		assert_int_equal(is_there(f, MINUTE "/a.test/1.msg") +
		    is_there(f, MINUTE "/a.test/2.msg"), 1);
		assert_int_equal(unlink(t_path(f->dir, "act")), 0);
		assert_int_equal(run_careless(f, 0), 0);
		assert_false(is_there(f, MINUTE));
	}
}

#define CASE(f)	cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names_of_minutes),
		CASE(test_each_domain_has_its_recipients),
		CASE(test_arguments),
		CASE(test_a_minute_is_closed_when_the_second_after_it_began),
		CASE(test_minutes_that_were_tried_are_passed_over),
		CASE(test_what_sendmail_refuses_is_kept_and_named),
		CASE(test_no_sendmail),
		CASE(test_what_is_malformed_is_kept_and_named),
		CASE(test_what_is_not_of_the_tree_is_left),
		CASE(test_what_others_own_is_left),
		CASE(test_recipients_with_unlike_wishes),
		CASE(test_a_run_has_a_bound),
		CASE(test_line_ends),
		CASE(test_several_messages_at_once),
		CASE(test_killed_while_sendmail_runs),
		CASE(test_a_minute_of_another_process_is_passed_over),
		CASE(test_the_end_comes_between_messages),
		CASE(test_run_drains_once),
		CASE(test_run_without_a_tree),
		CASE(test_run_follows_until_a_signal),
	};

	return cmocka_run_group_tests_name("smtpd_drain", tests, NULL, NULL);
}
