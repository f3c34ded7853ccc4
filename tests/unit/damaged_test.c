/*
 * damaged_test.c - notices of damaged files, as real queue files.
 */
#include <sys/resource.h>

#include <signal.h>

#include "lib/io.h"
#include "queue/damaged.h"
#include "queue/own_mail.h"
#include "tests/unit/t_queue.h"

#define NOW	1700000000

struct world {
	struct t_spool	 t;
	struct damaged	 damaged;
	struct message	 m;
	struct buf	 text;		/* of the notice */
	char		 id[QUEUE_ID_MAX + 1];
	struct result	 res;
};

static int
setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	t_spool_init(&w->t, "");
	result_init(&w->res);
	message_init(&w->m);
	buf_init(&w->text, 0);
	*state = w;
	return 0;
}

static int
teardown(void **state)
{
	struct world *w = *state;

	damaged_fini(&w->damaged);
	message_fini(&w->m);
	buf_fini(&w->text);
	result_fini(&w->res);
	t_spool_fini(&w->t);
	free(w);
	return 0;
}

static int
report(struct world *w)
{
	return damaged_report(&w->damaged, &w->t.conf, &w->t.sp, NOW, w->id,
	    &w->res);
}

static void
load_notice(struct world *w)
{
	size_t n;

	assert_int_equal(spool_load(&w->t.sp, w->id, 0, &w->m, &w->res),
	    SPOOL_GOT);
	n = (size_t)w->m.text.length;
	assert_non_null(buf_space(&w->text, n));
	assert_int_equal(io_pread_all(w->m.fd, w->text.data, n,
	    w->m.text.offset), 0);
	buf_grown(&w->text, n);
}

static int
has(const struct world *w, const char *part)
{
	return memmem(w->text.data, w->text.len, part, strlen(part)) != NULL;
}

static void
test_notice(void **state)
{
	struct world *w = *state;

	damaged_add(&w->damaged, "a1", "no\nend\033", 0);
	damaged_add(&w->damaged, "a2", "no preamble", 0);
	damaged_add(&w->damaged, "a2", "twice", 0);
	damaged_add(&w->damaged, "a3", "known", 1);
	assert_int_equal(report(w), 0);
	load_notice(w);
	assert_string_equal(w->m.sender, "");
	assert_int_equal(w->m.nrcpts, 1);
	assert_string_equal(w->m.rcpts[0].address, "postmaster");
	assert_true(w->m.text.flags & MESSAGE_DOUBLE_BOUNCE);
	assert_true(has(w, "\nAuto-Submitted: auto-generated\n"));
	assert_true(has(w, "\n\na1\n    no end\\033\na2\n    no preamble\n"));
	assert_false(has(w, "twice"));
	assert_false(has(w, "\na3\n"));
	/* Once is enough. */
	assert_int_equal(report(w), 0);
	assert_string_equal(w->id, "");
}

/* About a notice there is none, or a failing disk would have no end of them. */
static void
test_notice_of_a_notice(void **state)
{
	struct world *w = *state;
	char first[QUEUE_ID_MAX + 1];

	damaged_add(&w->damaged, "a1", "x", 0);
	assert_int_equal(report(w), 0);
	text_copy(first, sizeof(first), w->id);
	damaged_fini(&w->damaged);
	damaged_add(&w->damaged, first, "x", 0);
	assert_int_equal(w->damaged.n, 1);
	assert_int_equal(report(w), 0);
	assert_string_equal(w->id, "");
	spool_new_id(first);
	damaged_add(&w->damaged, first, "x", 0);
	assert_int_equal(report(w), 0);
	assert_string_not_equal(w->id, "");
}

static void
test_many(void **state)
{
	struct world *w = *state;
	char id[QUEUE_ID_MAX + 1];
	int i;

	for (i = 0; i < DAMAGED_MAX + 9; i++) {
		snprintf(id, sizeof(id), "%08x", i);
		damaged_add(&w->damaged, id, "x", 0);
	}
	assert_int_equal(w->damaged.n, DAMAGED_MAX);
	assert_int_equal(report(w), 0);
	load_notice(w);
	assert_int_equal(t_count(w->t.dir, "queue"), 1);
	assert_true(has(w, "\nand 900 more, which are in the log.\n"));
	assert_true(w->text.len < 8192);
}

/* In a full spool nothing is known: they are reported later. */
static void
test_full(void **state)
{
	struct rlimit all, none;
	struct world *w = *state;
	int ret;

	damaged_add(&w->damaged, "a1", "x", 0);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &all), 0);
	none = all;
	none.rlim_cur = 0;
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
	ret = report(w);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &all), 0);
	assert_int_equal(ret, -1);
	assert_non_null(w->res.reason);
	assert_false(w->damaged.list[0].is_known);
	assert_int_equal(report(w), 0);
	assert_int_equal(t_count(w->t.dir, "queue"), 1);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		CASE(test_notice),
		CASE(test_notice_of_a_notice),
		CASE(test_many),
		CASE(test_full),
	};

	return cmocka_run_group_tests_name("damaged", tests, NULL, NULL);
}
