/*
 * upstream_test.c - unit tests of spool/upstream.c: what a runner finds that
 * was killed before, in a private directory; no root needed.
 */
#include <sys/stat.h>

#include <fcntl.h>
#include <unistd.h>

#include "spool/upstream.h"
#include "tests/unit/t_queue.h"

#define FIRST	"5b.1"
#define SECOND	"5b.2"
#define THIRD	"5b.3"

struct world {
	char			 top[64];
	struct spool		 sp;
	struct conf_names	 names;
	struct log		 log;
	struct upstream_left	 left;
	char			 lines[4096];	/* of the log */
};

static char	mailname[] = "host.test";

static void
take_line(void *arg, enum log_level level, const char *text)
{
	struct world *w = arg;
	size_t n = strlen(w->lines);

	(void)level;
	snprintf(w->lines + n, sizeof(w->lines) - n, "%s\n", text);
}

static int
setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	struct result res;

	assert_non_null(w);
	t_dir(w->top, sizeof(w->top));
	result_init(&res);
	assert_int_equal(spool_open(&w->sp, w->top, &res), 0);
	w->names.mailname = mailname;
	log_init(&w->log, "test");
	w->log.where = LOG_TO_FUNCTION;
	w->log.level = LOG_LEVEL_INFO;
	w->log.take = take_line;
	w->log.arg = w;
	*state = w;
	return 0;
}

static int
teardown(void **state)
{
	struct world *w = *state;

	spool_close(&w->sp);
	t_dir_remove(w->top);
	free(w);
	return 0;
}

static void
put_q(const struct world *w, const char *name, const char *recipient)
{
	char file[64], text[256];

	snprintf(file, sizeof(file), "Q%s", name);
	snprintf(text, sizeof(text), "ID: %s\nSender: a@b.test\n"
	    "Recipient: %s\n", name, recipient);
	t_put(t_path(w->top, file), text, strlen(text), 0600);
}

static void
put_m(const struct world *w, const char *name)
{
	static const char text[] = "Subject: x\n\nbody\n";
	char file[64];

	if (!t_exists(t_path(w->top, "M" FIRST)))
		t_put(t_path(w->top, "M" FIRST), text, sizeof(text) - 1, 0600);
	snprintf(file, sizeof(file), "M%s", name);
	if (strcmp(name, FIRST) != 0)
		assert_int_equal(linkat(w->sp.dir, "M" FIRST, w->sp.dir, file,
		    0), 0);
}

static void
submit(const struct world *w)
{
	static const char *const names[] = { FIRST, SECOND, THIRD };
	static const char *const rcpts[] = { "bob", "x@y.test", "z@y.test" };
	size_t i;

	for (i = 0; i < N(names); i++) {
		put_m(w, names[i]);
		put_q(w, names[i], rcpts[i]);
	}
}

static void
take(struct world *w)
{
	upstream_take(&w->sp, &w->names, &w->log, &w->left);
}

static int
is_there(const struct world *w, const char *file)
{
	return t_exists(t_path(w->top, file));
}

static uint32_t
recipients(const struct world *w, const char *name)
{
	char id[QUEUE_ID_MAX + 1];
	struct message m;
	struct result res;
	uint32_t n = 0;

	assert_int_equal(upstream_id(name, id), 0);
	result_init(&res);
	if (spool_load(&w->sp, id, 0, &m, &res) == SPOOL_GOT)
		n = m.nrcpts;
	message_fini(&m);
	result_fini(&res);
	return n;
}

static void
test_one_submission_becomes_one_message(void **state)
{
	struct world *w = *state;

	submit(w);
	take(w);
	assert_int_equal(t_count(w->top, "queue"), 1);
	assert_int_equal(recipients(w, FIRST), 3);
	assert_int_equal(t_count(w->top, "."), 1);
	assert_int_equal(w->left.n, 0);
}

static void
test_nothing_is_nothing(void **state)
{
	struct world *w = *state;

	take(w);
	assert_string_equal(w->lines, "");
	assert_int_equal(t_count(w->top, "."), 1);
}

/* What a kill leaves of upstream's files, after the message is committed. */
static void
test_what_is_committed_is_not_taken_again(void **state)
{
	static const char *const removed[] = { "", "M" THIRD, "Q" THIRD,
	    "M" SECOND, "Q" SECOND, "M" FIRST };
	struct world *w = *state;
	size_t i, k;

	for (i = 0; i < N(removed); i++) {
		submit(w);
		take(w);
		submit(w);
		for (k = 1; k <= i; k++)
			assert_int_equal(unlinkat(w->sp.dir, removed[k], 0),
			    0);
		take(w);
		assert_int_equal(t_count(w->top, "queue"), 1);
		assert_int_equal(recipients(w, FIRST), 3);
		assert_int_equal(t_count(w->top, "."), 1);
		assert_int_equal(t_count(w->top, "corrupt"), 0);
		assert_int_equal(w->left.n, 0);
	}
}

/* Its envelope was damaged, say, when the others were taken. */
static void
test_one_that_is_not_in_the_message_is_taken_for_itself(void **state)
{
	struct world *w = *state;

	submit(w);
	assert_int_equal(unlinkat(w->sp.dir, "Q" SECOND, 0), 0);
	take(w);
	assert_int_equal(recipients(w, FIRST), 2);
	assert_int_equal(unlinkat(w->sp.dir, "M" SECOND, 0), 0);
	put_m(w, FIRST);
	put_m(w, SECOND);
	put_q(w, SECOND, "x@y.test");
	take(w);
	assert_int_equal(recipients(w, FIRST), 2);
	assert_int_equal(recipients(w, SECOND), 1);
}

/* A file of the queue that is in the way of FIRST; its path. */
static const char *
put_in_the_way(struct world *w)
{
	static char path[128];
	char id[QUEUE_ID_MAX + 1];

	assert_int_equal(upstream_id(FIRST, id), 0);
	snprintf(path, sizeof(path), "%s/queue/%s", w->top, id);
	t_put(path, "x", 1, 0600);
	return path;
}

/* As long as nobody knows who is in it. */
static void
test_a_message_that_cannot_be_read_stops_its_own(void **state)
{
	struct world *w = *state;
	const char *path;

	submit(w);
	path = put_in_the_way(w);
	take(w);
	assert_int_equal(t_count(w->top, "queue"), 1);
	assert_int_equal(w->left.n, 3);
	assert_true(is_there(w, "Q" FIRST) && is_there(w, "M" THIRD));
	assert_int_equal(unlink(path), 0);
	take(w);
	assert_int_equal(recipients(w, FIRST), 3);
}

static void
test_a_look_changes_nothing(void **state)
{
	struct world *w = *state;
	struct upstream_left left;

	submit(w);
	t_put(t_path(w->top, "Q" SECOND), "x", 1, 0600);
	upstream_look(&w->sp, &left);
	assert_int_equal(left.nready, 2);
	assert_int_equal(left.n, 1);
	assert_string_equal(left.name, SECOND);
	assert_string_equal(left.reason, "it is not a queue file");
	assert_int_equal(t_count(w->top, "queue"), 0);
	assert_true(is_there(w, "Q" FIRST) && is_there(w, "Q" SECOND));
}

static void
test_what_is_left_is_logged_once(void **state)
{
	struct world *w = *state;

	submit(w);
	put_in_the_way(w);
	take(w);
	assert_non_null(strstr(w->lines, "mail of upstream dma for 3 "
	    "recipients is left"));
	w->lines[0] = '\0';
	take(w);
	assert_string_equal(w->lines, "");
}

/* A time to come, or none at all, would keep it for ever or end it at once. */
static void
test_times(void **state)
{
	static const struct {
		time_t mtime;
		int is_now;
	} cases[] = { { 0, 1 }, { -5, 1 }, { 86400, 0 }, { 1700000000, 0 },
	    { T_TIME(99999999999), 1 } };
	struct world *w = *state;
	struct timespec when[2] = { { 0, UTIME_OMIT }, { 0, 0 } };
	char id[QUEUE_ID_MAX + 1];
	struct message m;
	struct result res;
	size_t i;

	assert_int_equal(upstream_id(FIRST, id), 0);
	result_init(&res);
	for (i = 0; i < N(cases); i++) {
		put_m(w, FIRST);
		put_q(w, FIRST, "bob");
		when[1].tv_sec = cases[i].mtime;
		assert_int_equal(utimensat(w->sp.dir, "M" FIRST, when, 0), 0);
		take(w);
		assert_int_equal(spool_load(&w->sp, id, 0, &m, &res),
		    SPOOL_GOT);
		if (cases[i].is_now)
			assert_true(m.arrived >= time(NULL) - 60 &&
			    m.arrived <= time(NULL));
		else
			assert_int_equal(m.arrived, cases[i].mtime);
		message_fini(&m);
		assert_int_equal(spool_remove(&w->sp, id, 0), 0);
	}
}

#define TEST(f)	cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_one_submission_becomes_one_message),
		TEST(test_nothing_is_nothing),
		TEST(test_what_is_committed_is_not_taken_again),
		TEST(test_one_that_is_not_in_the_message_is_taken_for_itself),
		TEST(test_a_message_that_cannot_be_read_stops_its_own),
		TEST(test_a_look_changes_nothing),
		TEST(test_what_is_left_is_logged_once),
		TEST(test_times),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
