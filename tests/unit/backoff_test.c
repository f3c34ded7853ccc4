/*
 * backoff_test.c - destinations that could not be reached: one probe at a
 * time, and what waits for it.
 */
#include "conf.h"
#include "queue/backoff.h"
#include "queue/limits.h"
#include "tests/unit/t.h"

#define FIRST_S		300
#define LONGEST_S	10800
#define NOW_S		1000000
#define NOW_MS		5000

static const struct conf_retry retry = { .first_s = FIRST_S,
    .max_s = LONGEST_S, .lifetime_s = 432000 };
static const struct backoff_name one = { DESTINATION_DOMAIN, "one.example",
    "" };

/*
 * Entries in the order in which they were passed on.  Those of a test are
 * static where some still wait at its end: the teardown unlinks them.
 */
static struct {
	struct entry	*list[1024];
	size_t		 n;
} passed;

static void
ready(void *arg, struct entry *e)
{
	(void)arg;
	entry_leave(e);
	passed.list[passed.n++] = e;
}

static int
setup(void **state)
{
	struct backoffs *bs = malloc(sizeof(*bs));

	assert_non_null(bs);
	backoffs_init(bs);
	passed.n = 0;
	*state = bs;
	return 0;
}

static int
teardown(void **state)
{
	backoffs_fini(*state);
	free(*state);
	return 0;
}

static struct clocks
at(int64_t after_s)
{
	return (struct clocks){ NOW_S + (time_t)after_s,
	    NOW_MS + after_s * 1000 };
}

static struct backoff *
fail_at(struct backoffs *bs, const struct backoff_name *name, int64_t after_s)
{
	struct clocks now = at(after_s);
	struct result res;
	struct backoff *b;

	result_init(&res);
	result_set(&res, STATUS_DEFERRED, "4.4.1", "connection refused");
	b = backoffs_failed(bs, name, &res, &retry, &now);
	result_fini(&res);
	return b;
}

static void
tick(struct backoffs *bs, struct clocks now)
{
	passed.n = 0;
	backoffs_tick(bs, &now, ready, NULL);
}

static void
add(struct backoffs *bs, struct entry *e, const char *id, int64_t due_s,
    int is_expired)
{
	memset(e, 0, sizeof(*e));
	text_copy(e->id, sizeof(e->id), id);
	e->due = NOW_S + (time_t)due_s;
	assert_int_equal(backoffs_wait(bs, backoffs_key(bs, &one), e,
	    is_expired), 0);
}

/* docs/states.md */
static void
test_every_event_in_every_state(void **state)
{
	static const char *const cells[BACKOFF__MAX] = {
		/* time given failed reached ended */
		[BACKOFF_RESTING] = "drror",
		[BACKOFF_DUE] = "dprod",
		[BACKOFF_PROBING] = "ppror",
		[BACKOFF_OVER] = "ooroo",
	};
	static const char letters[BACKOFF__MAX] = { 'r', 'd', 'p', 'o' };
	int event, s;

	(void)state;
	for (s = 0; s < BACKOFF__MAX; s++)
		for (event = 0; event < BACKOFF_EVENT__MAX; event++)
			assert_int_equal(letters[backoff_next(
			    (enum backoff_state)s, (enum backoff_event)event)],
			    cells[s][event]);
}

static void
test_key(void **state)
{
	static const struct {
		struct backoff_name name;
		int		 is_same;
	} cases[] = {
		{ { DESTINATION_DOMAIN, "one.example", "" }, 1 },
		{ { DESTINATION_DOMAIN, "ONE.Example", "" }, 1 },
		{ { DESTINATION_DOMAIN, "two.example", "" }, 0 },
		{ { DESTINATION_SENDER, "one.example", "" }, 0 },
		{ { DESTINATION_DOMAIN, "one.example", "x" }, 0 },
		{ { DESTINATION_DOMAIN, "one.exampl", "e" }, 0 },
	};
	struct backoffs *bs = *state;
	size_t i;

	for (i = 0; i < N(cases); i++)
		assert_int_equal(backoffs_key(bs, &cases[i].name) ==
		    backoffs_key(bs, &one), cases[i].is_same);
}

/* However many failures are reported of one probe. */
static void
test_interval_doubles_with_each_probe(void **state)
{
	struct backoffs *bs = *state;
	struct backoff *b = fail_at(bs, &one, 0);
	uint64_t key = backoffs_key(bs, &one);
	struct clocks now;
	int64_t after_s = 0;
	unsigned n;

	for (n = 1; n < 20; n++) {
		assert_int_equal(b->failures, n);
		assert_int_equal(b->probe.ms - at(after_s).ms, 1000 *
		    (int64_t)limits_retry_s(n, FIRST_S, LONGEST_S, key));
		(void)fail_at(bs, &one, after_s);
		assert_int_equal(b->failures, n);
		now = at(after_s + FIRST_S / 2);
		assert_int_equal(backoff_admits(b, &now, 0), 0);
		assert_int_equal(backoff_admits(b, &now, 1), 0);
		after_s += LONGEST_S * 2;
		now = at(after_s);
		assert_int_equal(backoff_admits(b, &now, 0), 1);
		backoffs_event(bs, key, BACKOFF_GIVEN);
		assert_int_equal(backoff_admits(b, &now, 0), 0);
		assert_int_equal(backoff_admits(b, &now, 1), 1);
		assert_ptr_equal(fail_at(bs, &one, after_s), b);
	}
	backoffs_event(bs, key, BACKOFF_REACHED);
	(void)fail_at(bs, &one, after_s);
	assert_int_equal(b->failures, 1);
}

static void
test_flush_does_not_lengthen_the_interval(void **state)
{
	struct backoffs *bs = *state;
	struct backoff *b = fail_at(bs, &one, 0);
	struct clocks now = at(1);

	/* By a user: not that soon. */
	backoffs_renew(bs, &now, 2);
	assert_int_equal(backoff_admits(b, &now, 0), 0);
	backoffs_renew(bs, &now, 1);
	assert_int_equal(backoff_admits(b, &now, 0), 1);
	(void)fail_at(bs, &one, 1);
	assert_int_equal(b->failures, 1);
	assert_int_equal(b->tries, 2);
	assert_int_equal(b->state, BACKOFF_RESTING);
	now = at(LONGEST_S);
	assert_int_equal(backoff_admits(b, &now, 0), 1);
	(void)fail_at(bs, &one, LONGEST_S);
	assert_int_equal(b->failures, 2);
}

static void
test_one_message_is_the_probe_and_any_may_be(void **state)
{
	struct backoffs *bs = *state;
	struct backoff *b = fail_at(bs, &one, 0);
	uint64_t key = backoffs_key(bs, &one);
	int i, due_ms, nprobes[3] = { 0, 0, 0 };
	static struct entry e[3];
	struct entry *probe;
	int64_t after_s = 0;
	struct clocks now;

	add(bs, &e[0], "a", 4000000, 0);
	add(bs, &e[1], "b", 4000000, 0);
	add(bs, &e[2], "c", 4000000, 0);
	for (i = 0; i < 60; i++) {
		now = at(after_s);
		due_ms = (int)backoffs_due_ms(bs, &now);
		assert_int_equal(due_ms, b->probe.ms - now.ms);
		tick(bs, (struct clocks){ b->probe.s - 1, b->probe.ms - 1 });
		assert_int_equal(passed.n, 0);
		after_s += due_ms / 1000;
		tick(bs, at(after_s));
		assert_int_equal(passed.n, 1);
		probe = passed.list[0];
		nprobes[probe - e]++;
		/* No other one, until that is known not to have got there. */
		tick(bs, at(after_s));
		assert_int_equal(passed.n, 0);
		backoffs_event(bs, key, BACKOFF_GIVEN);
		now = at(after_s + 100);
		assert_int_equal(backoffs_due_ms(bs, &now),
		    (4000000 - 100 - after_s) * 1000);
		tick(bs, now);
		assert_int_equal(passed.n, 0);
		(void)fail_at(bs, &one, after_s);
		add(bs, probe, (char[2]){ probe->id[0], '\0' }, 4000000, 0);
	}
	for (i = 0; i < 3; i++)
		assert_in_range(nprobes[i], 5, 40);
}

static void
test_probe_that_got_lost_is_followed_by_another(void **state)
{
	struct backoffs *bs = *state;
	static struct entry e[2];

	(void)fail_at(bs, &one, 0);
	add(bs, &e[0], "a", 400000, 0);
	add(bs, &e[1], "b", 400000, 0);
	tick(bs, at(LONGEST_S));
	assert_int_equal(passed.n, 1);
	tick(bs, at(LONGEST_S + 59));
	assert_int_equal(passed.n, 0);
	tick(bs, at(LONGEST_S + 60));
	assert_int_equal(passed.n, 1);
}

/* Set back, set forward, and stopped by a suspend. */
static void
test_probe_is_due_by_either_clock(void **state)
{
	struct backoffs *bs = *state;
	struct entry e;
	const struct {
		int64_t s, ms;
		int	is_due;
	} cases[] = {
		{ NOW_S, NOW_MS, 0 }, { NOW_S - 1000000, NOW_MS, 0 },
		{ NOW_S - 1000000, NOW_MS + LONGEST_S * 1000, 1 },
		{ NOW_S + LONGEST_S, NOW_MS, 1 },
	};
	struct clocks now;
	size_t i;

	for (i = 0; i < N(cases); i++) {
		backoffs_event(bs, backoffs_key(bs, &one), BACKOFF_REACHED);
		(void)fail_at(bs, &one, 0);
		add(bs, &e, "a", 40000000, 0);
		now = (struct clocks){ (time_t)cases[i].s, cases[i].ms };
		assert_int_equal(backoffs_due_ms(bs, &now) == 0,
		    cases[i].is_due);
		tick(bs, now);
		assert_int_equal(passed.n, cases[i].is_due);
		entry_leave(&e);
	}
}

static void
test_all_are_passed_on_once_it_was_reached(void **state)
{
	struct backoffs *bs = *state;
	static struct entry e[700];
	size_t i, n;
	struct clocks now = at(1);
	char id[8];

	(void)fail_at(bs, &one, 0);
	for (i = 0; i < N(e); i++) {
		snprintf(id, sizeof(id), "%zu", i);
		add(bs, &e[i], id, i % 2 == 0 ? 400000 : 1, i % 2);
	}
	backoffs_event(bs, backoffs_key(bs, &one), BACKOFF_REACHED);
	assert_int_equal(backoffs_wait(bs, backoffs_key(bs, &one), &e[0], 0),
	    -1);
	/* Some at a time: other mail is not held up. */
	for (n = 0; backoffs_due_ms(bs, &now) == 0; n += passed.n) {
		tick(bs, now);
		assert_in_range(passed.n, 0, 256);
	}
	assert_int_equal(n, N(e));
	assert_int_equal(bs->n, 0);
	assert_null(backoffs_find(bs, backoffs_key(bs, &one)));
	assert_int_equal(backoffs_due_ms(bs, &now), -1);
}

/* For a notice of delay, or since it expires. */
static void
test_message_is_passed_on_when_it_is_due_itself(void **state)
{
	struct backoffs *bs = *state;
	struct backoff *b = fail_at(bs, &one, 0);
	struct clocks now = at(0);
	static struct entry e[2];

	add(bs, &e[0], "a", 20, 0);
	add(bs, &e[1], "b", 10, 0);
	assert_int_equal(backoffs_due_ms(bs, &now), 10000);
	tick(bs, at(9));
	assert_int_equal(passed.n, 0);
	tick(bs, at(10));
	assert_int_equal(passed.n, 1);
	assert_ptr_equal(passed.list[0], &e[1]);
	/* The probe may be one that expired; it waits for one more failure. */
	add(bs, &e[1], "b", 10, 1);
	now = at(11);
	assert_int_equal(backoffs_due_ms(bs, &now), 9000);
	tick(bs, now);
	assert_int_equal(passed.n, 0);
	tick(bs, at(LONGEST_S));
	assert_int_equal(passed.n, 2);
	assert_ptr_equal(passed.list[0], &e[0]);
	assert_ptr_equal(passed.list[1], &e[1]);
	add(bs, &e[1], "b", 10, 1);
	b->state = BACKOFF_PROBING;
	(void)fail_at(bs, &one, 10);
	now = at(10);
	assert_int_equal(backoffs_due_ms(bs, &now), 0);
	tick(bs, now);
	assert_int_equal(passed.n, 1);
}

/* The table is bounded: a destination beyond it is retried by message. */
static void
test_too_many_destinations(void **state)
{
	struct backoff_name name = { DESTINATION_DOMAIN, NULL, "" };
	struct backoffs *bs = *state;
	struct entry e;
	char text[32];
	int i;

	(void)fail_at(bs, &one, 0);
	add(bs, &e, "a", 400000, 0);
	name.name = text;
	for (i = 0; i < 20000; i++) {
		snprintf(text, sizeof(text), "h%d.example", i);
		assert_non_null(fail_at(bs, &name, 0));
		assert_in_range(bs->n, 1, 8192);
	}
	/* Those that messages wait for are not dropped. */
	assert_non_null(backoffs_find(bs, backoffs_key(bs, &one)));
	entry_leave(&e);
}

#define CASE(f)	cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_event_in_every_state),
		CASE(test_key),
		CASE(test_interval_doubles_with_each_probe),
		CASE(test_flush_does_not_lengthen_the_interval),
		CASE(test_one_message_is_the_probe_and_any_may_be),
		CASE(test_probe_that_got_lost_is_followed_by_another),
		CASE(test_probe_is_due_by_either_clock),
		CASE(test_all_are_passed_on_once_it_was_reached),
		CASE(test_message_is_passed_on_when_it_is_due_itself),
		CASE(test_too_many_destinations),
	};

	return cmocka_run_group_tests_name("backoff", tests, NULL, NULL);
}
