/*
 * mailq_test.c - who sees what of the queue, and how it is printed.
 */
#include <sys/wait.h>

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <unistd.h>

#include "lib/io.h"
#include "submit/mailq.h"
#include "tests/unit/t_queue.h"

#define OTHER	12345	/* uid of nobody */
#define TEXT	"Subject: x\n\nbody\n"

struct queue {
	char		 dir[64];
	struct spool	 sp;
	struct conf	 conf;
	struct buf	 out;
	int		 is_json;
};

static void
setup(struct queue *q)
{
	struct result res;

	memset(q, 0, sizeof(*q));
	t_dir(q->dir, sizeof(q->dir));
	result_init(&res);
	assert_int_equal(spool_open(&q->sp, q->dir, &res), 0);
	assert_int_equal(conf_init(&q->conf), 0);
	buf_init(&q->out, 0);
	result_fini(&res);
}

static void
teardown(struct queue *q)
{
	buf_fini(&q->out);
	conf_fini(&q->conf);
	spool_close(&q->sp);
	t_dir_remove(q->dir);
}

static void
add(struct queue *q, const char *id, const char *sender, uint32_t uid,
    const char *recipient)
{
	struct message m;

	t_message(&m, sender, 1700000000, recipient, NULL);
	m.submitter = uid;
	t_commit(&q->sp, id, &m, TEXT, strlen(TEXT));
	message_fini(&m);
}

/* Prints in a process of its own; the text is in q->out. */
static int
print_as(struct queue *q, uint32_t uid)
{
	struct caller c = { .uid = uid };
	int fds[2], status;
	char chunk[4096];
	ssize_t n;
	pid_t pid;

	assert_int_equal(pipe(fds), 0);
	fflush(stdout);
	pid = fork();
	assert_true(pid != -1);
	if (pid == 0) {
		dup2(fds[1], STDOUT_FILENO);
		status = mailq_print(&c, q->conf.limits.mailq_group, &q->sp,
		    q->is_json);
		fflush(stdout);
		_exit(status);
	}
	close(fds[1]);
	buf_reset(&q->out);
	while ((n = io_read(fds[0], chunk, sizeof(chunk))) > 0)
		buf_add(&q->out, chunk, (size_t)n);
	close(fds[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int
shows(struct queue *q, const char *text)
{
	return strstr(buf_str(&q->out), text) != NULL;
}

/* Appends a record to the journal of a message. */
static void
note(struct queue *q, const char *id, const char *record)
{
	int fd = openat(q->sp.queue, id, O_WRONLY | O_APPEND | O_CLOEXEC);

	assert_true(fd != -1);
	assert_int_equal(io_write_all(fd, record, strlen(record)), 0);
	close(fd);
}

static void
test_an_empty_queue(void **state)
{
	struct queue q;

	(void)state;
	setup(&q);
	assert_int_equal(print_as(&q, 0), 0);
	assert_string_equal(buf_str(&q.out), "Mail queue is empty\n");
	q.is_json = 1;
	assert_int_equal(print_as(&q, 0), 0);
	assert_string_equal(buf_str(&q.out), "");
	teardown(&q);
}

static void
test_root_sees_all_and_others_their_own(void **state)
{
	struct queue q;

	(void)state;
	setup(&q);
	add(&q, "0b", "ann@x.test", OTHER, "bob@y.test");
	add(&q, "0a", "carl@x.test", OTHER + 1, "dan@y.test");
	assert_int_equal(print_as(&q, 0), 0);
	assert_true(shows(&q, "bob@y.test") && shows(&q, "dan@y.test"));
	assert_true(shows(&q, "\t\tTotal requests: 2\n"
	    "-- 1 Kbytes in 2 Requests.\n"));
	/* In the order of their ids, which is that of arrival. */
	assert_true(strstr(buf_str(&q.out), "ID\t: 0a\n") <
	    strstr(buf_str(&q.out), "ID\t: 0b\n"));
	assert_int_equal(print_as(&q, OTHER), 0);
	assert_true(shows(&q, "bob@y.test") && !shows(&q, "dan@y.test"));
	assert_true(!shows(&q, "carl") && !shows(&q, "0a\n"));
	assert_true(shows(&q, "in 1 Request.\n"));
	assert_int_equal(print_as(&q, OTHER + 2), 0);
	assert_string_equal(buf_str(&q.out), "Mail queue is empty\n");
	teardown(&q);
}

/* By the login group, of which the member list says nothing. */
static void
test_mailq_group_sees_all(void **state)
{
	const struct passwd *pw = getpwnam("daemon");
	const struct group *gr = pw == NULL ? NULL : getgrgid(pw->pw_gid);
	struct queue q;

	(void)state;
	if (gr == NULL)
		t_skip("no user daemon");
	setup(&q);
	add(&q, "0a", "ann@x.test", OTHER, "bob@y.test");
	print_as(&q, pw->pw_uid);
	assert_false(shows(&q, "bob@y.test"));
	q.conf.limits.mailq_group = strdup(gr->gr_name);
	print_as(&q, pw->pw_uid);
	assert_true(shows(&q, "bob@y.test"));
	print_as(&q, OTHER + 1);
	assert_false(shows(&q, "bob@y.test"));
	teardown(&q);
}

static void
test_the_null_sender_and_the_fields(void **state)
{
	struct queue q;

	(void)state;
	setup(&q);
	add(&q, "0a", "", OTHER, "bob@y.test");
	print_as(&q, OTHER);
	assert_true(shows(&q, "ID\t: 0a\nFrom\t: <>\nSize\t: 17\nDate\t: "));
	assert_true(shows(&q, "\nAge\t: "));
	assert_true(shows(&q, "\nTo\t: bob@y.test\nState\t: new\n"));
	/* Nothing was tried yet. */
	assert_false(shows(&q, "Tries") || shows(&q, "Next"));
	teardown(&q);
}

static void
test_why_and_when(void **state)
{
	static const struct { const char *records, *root, *other; } cases[] = {
		{ "D\t0\t3\t1\t4.2.1\tno\t0\t/path: gone\t\n",
		    "State\t: deferred\nTries\t: 3\nReply\t: no (/path: gone)\n"
		    "Next\t: now, or when the host can be reached\n",
		    "State\t: deferred\nTries\t: 3\nReply\t: no\n"
		    "Next\t: now, or when the host can be reached\n" },
		{ "D\t0\t3\t2099999999\t4.2.1\tno\t1\t\tmx[1.2.3.4]\n",
		    "Reply\t: mx[1.2.3.4] said: no\nNext\t: ", "\t: mx[1.2.3" },
		/* Since its destination could not be reached. */
		{ "D\t0\t0\t2099999999\t4.2.1\tno\t0\t\t\n",
		    "State\t: deferred\nReply\t: no\nNext\t: ", "Next\t: " },
		{ "K\t1\n", "State\t: held\nNext\t: when it is released\n",
		    "State\t: held\nNext\t: when it is released\n" },
		{ "F\t0\t3\t5.2.1\tno\t0\t\t\n", "State\t: failed\nTries\t: 3\n"
		    "Reply\t: no\nNext\t: a report to the sender\n", "failed" },
		{ "X\t0\n", "Age", "Age" },
	};
	struct queue q;
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		setup(&q);
		add(&q, "0a", "ann@x.test", OTHER, "bob@y.test");
		note(&q, "0a", cases[i].records);
		assert_int_equal(print_as(&q, 0), 0);
		assert_true(shows(&q, cases[i].root));
		assert_int_equal(print_as(&q, OTHER), 0);
		assert_true(shows(&q, cases[i].other));
		teardown(&q);
	}
}

/* As one line without the age, which changes. */
static void
assert_json(struct queue *q, uint32_t uid, const char *want)
{
	struct buf got;
	char *age, *end;

	assert_int_equal(print_as(q, uid), 0);
	age = strstr(q->out.data, ",\"age\":");
	assert_non_null(age);
	end = strchr(age + 1, ',');
	assert_non_null(end);
	buf_init(&got, 0);
	buf_add(&got, q->out.data, (size_t)(age - q->out.data));
	buf_puts(&got, end);
	assert_string_equal(buf_str(&got), want);
	buf_fini(&got);
}

static void
test_json(void **state)
{
#define HEAD	"{\"id\":\"0a\",\"sender\":\"ann@x.test\"," \
	"\"submitter\":12345,\"size\":17,\"arrived\":1699996400,"
	struct queue q;

	(void)state;
	setup(&q);
	q.is_json = 1;
	add(&q, "0a", "ann@x.test", OTHER, "b\xc3\xbc\"b\xff@y.test");
	assert_json(&q, 0, HEAD "\"held\":false,\"recipients\":[{\"address\":"
	    "\"b\xc3\xbc\\\"b\\ufffd@y.test\",\"sender\":null,"
	    "\"state\":\"new\",\"attempts\":0,\"code\":null,\"reply\":null,\"next\":null}]}\n");
	note(&q, "0a", "D\t0\t3\t2099999999\t4.2.1\tno\t0\t/a\t\n");
	assert_json(&q, OTHER, HEAD "\"held\":false,\"recipients\":[{\"address\":"
	    "\"b\xc3\xbc\\\"b\\ufffd@y.test\",\"sender\":null,"
	    "\"state\":\"deferred\",\"attempts\":3,\"code\":\"4.2.1\",\"reply\":\"no\","
	    "\"next\":2099999999}]}\n");
	note(&q, "0a", "K\t1\n");
	assert_json(&q, 0, HEAD "\"held\":true,\"recipients\":[{\"address\":"
	    "\"b\xc3\xbc\\\"b\\ufffd@y.test\",\"sender\":null,"
	    "\"state\":\"held\",\"attempts\":3,\"code\":\"4.2.1\",\"reply\":\"no (/a)\","
	    "\"next\":null}]}\n");
	teardown(&q);
}

static void
test_a_message_that_cannot_be_read_hides_no_other(void **state)
{
	struct queue q;

	(void)state;
	setup(&q);
	t_put(t_path(q.dir, "queue/00"), T("no message"), 0600);
	add(&q, "0a", "ann@x.test", OTHER, "bob@y.test");
	assert_int_equal(print_as(&q, 0), 0);
	assert_true(shows(&q, "bob@y.test"));
	assert_true(shows(&q, "in 1 Request.\n"));
	teardown(&q);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_an_empty_queue),
		cmocka_unit_test(test_root_sees_all_and_others_their_own),
		cmocka_unit_test(test_mailq_group_sees_all),
		cmocka_unit_test(test_the_null_sender_and_the_fields),
		cmocka_unit_test(test_why_and_when),
		cmocka_unit_test(test_json),
		cmocka_unit_test(
		    test_a_message_that_cannot_be_read_hides_no_other),
	};

	return cmocka_run_group_tests_name("mailq", tests, NULL, NULL);
}
