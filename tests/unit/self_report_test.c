/*
 * self_report_test.c - the report of the runner about itself.
 */
#include <unistd.h>

#include "queue/self_report.h"
#include "tests/unit/t.h"

#define DESTINATIONS	300

struct world {
	struct active	 active;
	struct destinations destinations;
	struct destination *list;	/* DESTINATIONS of them */
	struct entry	 entries[5];
	struct entry	*sorted[5];
	struct self	 self;
	struct buf	 b;
};

static int
setup(void **state)
{
	static const enum entry_state states[] = { ENTRY_GONE, ENTRY_HELD,
	    ENTRY_WAITING, ENTRY_UNTIL_FLUSH, ENTRY_WAITING };
	struct world *w = calloc(1, sizeof(*w));
	size_t i;

	assert_non_null(w);
	w->list = calloc(DESTINATIONS, sizeof(*w->list));
	assert_non_null(w->list);
	for (i = 0; i < N(states); i++) {
		w->entries[i].state = states[i];
		snprintf(w->entries[i].id, sizeof(w->entries[i].id), "id%zu",
		    i);
		w->sorted[i] = &w->entries[i];
	}
	w->active.entries = w->sorted;
	w->active.n = N(states);
	backoffs_init(&w->active.backoffs);
	w->self.since = 1600000000;
	w->self.active = &w->active;
	w->self.destinations = &w->destinations;
	buf_init(&w->b, 0);
	*state = w;
	return 0;
}

static int
teardown(void **state)
{
	struct world *w = *state;

	backoffs_fini(&w->active.backoffs);
	buf_fini(&w->b);
	free(w->list);
	free(w);
	return 0;
}

/* Adds a destination to the front of the list. */
static void
add(struct world *w, size_t i, enum destination_kind kind, const char *name,
    const char *reason)
{
	struct destination *d = &w->list[i];

	d->kind = kind;
	d->sock = -1;
	text_copy(d->name, sizeof(d->name), name);
	text_copy(d->reason, sizeof(d->reason), reason);
	d->next = w->destinations.list;
	w->destinations.list = d;
}

static void
back_off(struct world *w, const char *name, const char *reason)
{
	static const struct clocks now = { 1700000000, 1000 };
	const struct conf_retry retry = { .first_s = 60, .max_s = 60 };
	const struct backoff_name backoff = { DESTINATION_DOMAIN, name, "" };
	struct result res;

	result_init(&res);
	result_set(&res, STATUS_DEFERRED, "4.4.1", "%s", reason);
	assert_non_null(backoffs_failed(&w->active.backoffs, &backoff, &res,
	    &retry, &now));
	result_fini(&res);
}

static void
assert_line(const struct world *w, const char *line)
{
	if (strstr(buf_str(&w->b), line) == NULL)
		fail_msg("%s: %s", line, buf_str(&w->b));
}

static void
test_everybody_sees_that_there_is_a_runner(void **state)
{
	static const char *const by[] = { "call", "init" };
	struct world *w = *state;
	char line[128];
	int i;

	add(w, 0, DESTINATION_DOMAIN, "example.org", "");
	for (i = 0; i < 2; i++) {
		buf_reset(&w->b);
		w->self.is_by_init = i;
		self_report_put(&w->b, &w->self, 0);
		snprintf(line, sizeof(line), "runner\t%ld\t%s\t1600000000\t"
		    "%s\n", (long)getpid(), DMA_VERSION, by[i]);
		assert_string_equal(buf_str(&w->b), line);
	}
}

static void
test_entries_are_counted_by_state(void **state)
{
	static const char *const lines[] = { "\nmessages\twaiting\t2\n",
	    "\nmessages\theld\t1\n", "\nmessages\tuntil_flush\t1\n",
	    "\nmessages\tnew\t0\n", "\nactive\t0\n", "\noldest\tid1\n" };
	struct world *w = *state;
	size_t i;

	self_report_put(&w->b, &w->self, 1);
	for (i = 0; i < N(lines); i++)
		assert_line(w, lines[i]);
	assert_null(strstr(buf_str(&w->b), "omitted"));
}

static void
test_values_cannot_end_a_line_or_a_field(void **state)
{
	struct world *w = *state;

	add(w, 0, DESTINATION_SMARTHOST, "a\tb", "no\nrunner\t1");
	back_off(w, "x.test", "550 a\tb\r\nc");
	self_report_put(&w->b, &w->self, 1);
	assert_line(w, "\ndestination\trelay\ta b\twaiting\t0\tno runner 1\n");
	assert_line(w, "\nbackoff\tdomain\tx.test\t1\t17000000");
	assert_line(w, "\t0\t550 a b c\n");
}

static void
test_destinations_without_room_are_counted(void **state)
{
	struct world *w = *state;
	char long_text[512];
	size_t i;

	memset(long_text, 'x', sizeof(long_text) - 1);
	long_text[sizeof(long_text) - 1] = '\0';
	for (i = 0; i < DESTINATIONS; i++)
		add(w, i, DESTINATION_DOMAIN, long_text, long_text);
	back_off(w, "x.test", "late");
	self_report_put(&w->b, &w->self, 1);
	assert_true(w->b.len <= SELF_REPORT_MAX);
	assert_line(w, "\nomitted\t");
	assert_null(strstr(buf_str(&w->b), "x.test"));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		CASE(test_everybody_sees_that_there_is_a_runner),
		CASE(test_entries_are_counted_by_state),
		CASE(test_values_cannot_end_a_line_or_a_field),
		CASE(test_destinations_without_room_are_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
