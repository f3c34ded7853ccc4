/*
 * submit_test.c - a message is queued exactly when the status is 0.
 * Each submission runs in a process of its own, with the message as its
 * standard input.
 */
#include <sys/wait.h>

#include <fcntl.h>
#include <sysexits.h>
#include <unistd.h>

#include "submit/submit.h"
#include "tests/unit/t_queue.h"

#define HEAD	"From: ann@x.test\nTo: bob@y.test, carl@y.test\n" \
		"Bcc: dan@y.test\nSubject: s\n\n"
#define UID	4711

/* argv ends with NULL; stdin_text NULL: standard input is closed. */
static int
submit(struct t_spool *q, char **argv, const char *stdin_text)
{
	struct caller c = { .uid = UID, .has_stdin = stdin_text != NULL };
	struct submitted done;
	struct options o;
	struct buf reason;
	struct log log;
	int argc = 0, fd, status;
	pid_t pid;

	while (argv[argc] != NULL)
		argc++;
	if (stdin_text != NULL)
		t_put(t_path(q->dir, "stdin"), stdin_text, strlen(stdin_text),
		    0600);
	fflush(NULL);
	pid = fork();
	assert_true(pid != -1);
	if (pid == 0) {
		fd = open(t_path(q->dir, "stdin"), O_RDONLY);
		dup2(fd, STDIN_FILENO);
		if (freopen(t_path(q->dir, "err"), "w", stderr) == NULL)
			_exit(99);
		buf_init(&reason, 0);
		log_init(&log, "dma");
		log.where = LOG_TO_FD;
		log.fd = -1;
		status = options_parse(&o, argc, argv, &reason);
		if (status == 0)
			status = submit_message(&c, &o, &q->conf, &q->sp,
			    &log, &done);
		fflush(stderr);
		_exit(status);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int
keep_id(void *arg, const char *id)
{
	return text_copy(arg, QUEUE_ID_MAX + 1, id);
}

/* Of the one message: its recipients as "a b ", with the sender in front. */
static void
envelope(struct t_spool *q, char *text, size_t size, struct message *m)
{
	char id[QUEUE_ID_MAX + 1] = "";
	struct result res;
	struct buf b;
	uint32_t i;

	result_init(&res);
	buf_init(&b, size - 1);
	assert_int_equal(spool_list(&q->sp, keep_id, id), 0);
	assert_int_equal(spool_load(&q->sp, id, 0, m, &res), SPOOL_GOT);
	buf_printf(&b, "%s:", m->sender);
	for (i = 0; i < m->nrcpts; i++)
		buf_printf(&b, " %s", m->rcpts[i].address);
	assert_false(buf_failed(&b));
	assert_int_equal(text_copy(text, size, buf_str(&b)), 0);
	buf_fini(&b);
	result_fini(&res);
}

struct call {
	const char *conf;
	char *argv[6];
	const char *text;
	int status;
	const char *envelope;	/* or what standard error says */
};

static void
check(const struct call *c, size_t n)
{
	struct t_spool q;
	struct message m;
	struct buf err;
	char text[1024], *argv[6];
	int status;

	memcpy(argv, c->argv, sizeof(argv));
	t_spool_init(&q, c->conf);
	status = submit(&q, argv, c->text);
	buf_init(&err, 0);
	t_get(t_path(q.dir, "err"), &err);
	if (status != c->status)
		fail_msg("case %zu: status %d: %s", n, status, buf_str(&err));
	if (t_count(q.dir, "queue") != (status == 0) ||
	    t_count(q.dir, "tmp") != 0)
		fail_msg("case %zu: %d queued", n, t_count(q.dir, "queue"));
	if (status == 0) {
		envelope(&q, text, sizeof(text), &m);
		if (strcmp(text, c->envelope) != 0 || m.submitter != UID)
			fail_msg("case %zu: %s", n, text);
		message_fini(&m);
	} else if (strstr(buf_str(&err), c->envelope) == NULL)
		fail_msg("case %zu: %s", n, buf_str(&err));
	buf_fini(&err);
	t_spool_fini(&q);
}

static void
test_the_status_and_what_is_queued(void **state)
{
	static struct call cases[] = {
		{ "", { "sendmail", "-fann@x.test", "bob@y.test" }, HEAD, 0,
		    "ann@x.test: bob@y.test" },
		{ "", { "sendmail", "-f", "<>", "bob@y.test" }, HEAD, 0,
		    ": bob@y.test" },
		{ "", { "sendmail", "-fann", "bob@y.test" }, HEAD, 0,
		    "ann@host.test: bob@y.test" },
		/* Each address once, however it is written. */
		{ "", { "sendmail", "-fann", "root@localhost", "root",
		    "bob@y.test" }, HEAD, 0,
		    "ann@host.test: root@localhost bob@y.test" },
		{ "", { "sendmail", "-t", "-fann" }, HEAD, 0,
		    "ann@host.test: bob@y.test carl@y.test dan@y.test" },
		{ "", { "sendmail", "-fann", "bob@y.test" }, "", 0,
		    "ann@host.test: bob@y.test" },
		/* A dot alone is the end of it. */
		{ "", { "sendmail", "-fann", "bob@y.test" },
		    HEAD "a\n.\nb\n", 0, "ann@host.test: bob@y.test" },
		{ "", { "sendmail", "-fann" }, HEAD, EX_USAGE,
		    "no recipients" },
		{ "", { "sendmail", "-t", "-fann" }, "Subject: s\n\n", EX_USAGE,
		    "no recipients" },
		{ "", { "sendmail", "-fann", "|sh" }, HEAD, EX_DATAERR,
		    "|sh" },
		{ "", { "sendmail", "-fann", "/tmp/x" }, HEAD, EX_DATAERR,
		    "/tmp/x" },
		{ "", { "sendmail", "-fann", "bob@y.test\nx" }, HEAD,
		    EX_DATAERR, "control" },
		{ "", { "sendmail", "-fa b", "bob@y.test" }, HEAD, EX_DATAERR,
		    "address" },
		{ "", { "sendmail", "-fann", "no-such-user" }, HEAD, EX_NOUSER,
		    "no-such-user" },
		{ "", { "sendmail", "-fann", "bob@y.test" }, NULL, EX_NOINPUT,
		    "standard input" },
		{ "MAX_RECIPIENTS 2\n", { "sendmail", "-t", "-fann" }, HEAD,
		    EX_DATAERR, "MAX_RECIPIENTS" },
		{ "MAX_SIZE 1K\n", { "sendmail", "-fann", "bob@y.test" },
		    NULL, EX_DATAERR, "" },
		{ "NOREMOTE\n", { "sendmail", "-fann", "bob@y.test" }, HEAD,
		    EX_UNAVAILABLE, "NOREMOTE" },
		{ "MASQUERADE m.test\n", { "sendmail", "-fann", "bob@y.test" },
		    HEAD, 0, "ann@m.test: bob@y.test" },
	};
	static char big[4096];
	size_t i;

	(void)state;
	memset(big, 'x', sizeof(big) - 1);
	for (i = 0; i < sizeof(big) - 80; i += 64)
		big[i] = '\n';
	for (i = 0; i < N(cases); i++) {
		if (strncmp(cases[i].conf, "MAX_SIZE", 8) == 0)
			cases[i].text = big;
		check(&cases[i], i);
	}
}

/* A read error is not the end of the message. */
static void
test_standard_input_that_cannot_be_read(void **state)
{
	char *argv[] = { "sendmail", "-fann", "bob@y.test", NULL };
	struct caller c = { .uid = UID, .has_stdin = 1 };
	struct submitted done;
	struct options o;
	struct buf reason;
	struct t_spool q;
	struct log log;
	int fd, status;
	pid_t pid;

	(void)state;
	t_spool_init(&q, "");
	fflush(NULL);
	pid = fork();
	assert_true(pid != -1);
	if (pid == 0) {
		fd = open("/", O_RDONLY);
		dup2(fd, STDIN_FILENO);
		if (freopen("/dev/null", "w", stderr) == NULL)
			_exit(99);
		buf_init(&reason, 0);
		log_init(&log, "dma");
		log.where = LOG_TO_FD;
		log.fd = -1;
		if (options_parse(&o, 3, argv, &reason) != 0)
			_exit(98);
		_exit(submit_message(&c, &o, &q.conf, &q.sp, &log, &done));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) != 0);
	assert_int_equal(t_count(q.dir, "queue"), 0);
	t_spool_fini(&q);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_status_and_what_is_queued),
		cmocka_unit_test(test_standard_input_that_cannot_be_read),
	};

	return cmocka_run_group_tests_name("submit", tests, NULL, NULL);
}
