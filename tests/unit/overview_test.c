/*
 * overview_test.c - dma status as JSON and as metrics; when it is an error.
 */
#include "submit/overview.h"
#include "tests/unit/t.h"

#define NOW	1700000000

static struct overview *
empty(void)
{
	struct overview *o = calloc(1, sizeof(*o));

	assert_non_null(o);
	o->now = NOW;
	o->spool = "/s";
	o->queue.sees_all = 1;
	return o;
}

static void
test_what_is_stuck(void **state)
{
	static const struct {
		enum runner_presence presence;
		int		is_defer;
		time_t		due_since;
		int		want;
		const char	*trouble;
	} cases[] = {
		{ RUNNER_ABSENT, 0, 0, 0, NULL },
		{ RUNNER_ABSENT, 0, NOW - 60, 0, NULL },
		{ RUNNER_ABSENT, 0, NOW - 61, 1, NULL },
		{ RUNNER_ABSENT, 1, NOW - 61, 0, NULL },
		{ RUNNER_MUTE, 0, NOW - 61, 0, NULL },
		{ RUNNER_MUTE, 0, NOW - 61, 1, "cannot lock the spool" },
		{ RUNNER_MUTE, 0, NOW - 60, 0, "cannot lock the spool" },
		{ RUNNER_THERE, 0, NOW - 61, 0, NULL },
	};
	struct overview *o = empty();
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		o->runner.presence = cases[i].presence;
		snprintf(o->runner.trouble, sizeof(o->runner.trouble), "%s",
		    cases[i].trouble != NULL ? cases[i].trouble : "");
		o->is_defer = cases[i].is_defer;
		o->queue.due_since = cases[i].due_since;
		assert_int_equal(overview_is_stuck(o), cases[i].want);
	}
	free(o);
}

static struct overview *
filled(void)
{
	struct overview *o = empty();
	struct runner_destination *d = o->runner.destinations;
	struct tally_entry *e;

	o->runner.presence = RUNNER_THERE;
	runner_state_take(&o->runner, "runner\t12\t0\"2\\\xff\t1600000000\tinit");
	runner_state_take(&o->runner, "active\t1");
	runner_state_take(&o->runner, "destination\trelay\t\tidle\t0\t");
	assert_int_equal(d->messages, 0);
	o->queue.messages[QUEUE_CLASS_DUE] = 1;
	o->queue.messages[QUEUE_CLASS_DEFERRED] = 2;
	o->queue.bytes = 99;
	o->queue.oldest = NOW - 7;
	e = tally_add(&o->queue.domains, "far.test");
	e->next = NOW + 60;
	tally_copy(e->code, sizeof(e->code), "4.4.1");
	tally_copy(e->text, sizeof(e->text), "no \"route\"");
	e = tally_add(&o->queue.reasons, "4.4.1 x");
	e->next = NOW + 60;
	tally_copy(e->text, sizeof(e->text), "x");
	e->n = 2;
	tally_add(&o->queue.codes, "4.4.1");
	o->queue.codes.others = 3;
	o->dead = 4;
	return o;
}

static void
assert_json(struct overview *o, const char *want)
{
	struct json j;

	json_init(&j);
	overview_put_json(&j, o);
	t_assert_text(&j.out, want, strlen(want));
	json_fini(&j);
	free(o);
}

static void
test_json(void **state)
{
	(void)state;
	assert_json(empty(), "{\"stuck\":false,\"runner\":{\"state\":\"absent\","
	    "\"trouble\":null,\"pid\":null,\"version\":null,\"since\":null,\"started_by\":null,"
	    "\"active\":null,\"destinations\":[],\"other_destinations\":0},"
	    "\"queue\":{\"all\":true,\"messages\":0,\"due\":0,\"deferred\":0,\"held\":0,\"report\":0,"
	    "\"bytes\":0,\"unreadable\":0,\"oldest\":null,\"due_since\":null},"
	    "\"domains\":[],\"other_recipients\":0,\"reasons\":[],\"dead\":0,"
	    "\"corrupt\":0}\n");
	assert_json(filled(), "{\"stuck\":false,\"runner\":{\"state\":\"active\","
	    "\"trouble\":null,\"pid\":12,\"version\":\"0\\\"2\\\\\\ufffd\",\"since\":1600000000,"
	    "\"started_by\":\"init\",\"active\":1,\"destinations\":[{"
	    "\"kind\":\"relay\",\"name\":\"\",\"state\":\"idle\",\"messages\":0,"
	    "\"failures\":0,\"next\":null,\"reason\":null}],\"other_destinations\":0},\"queue\":{"
	    "\"all\":true,\"messages\":3,\"due\":1,"
	    "\"deferred\":2,\"held\":0,\"report\":0,\"bytes\":99,"
	    "\"unreadable\":0,\"oldest\":1699999993,\"due_since\":null},"
	    "\"domains\":[{\"domain\":\"far.test\",\"code\":\"4.4.1\","
	    "\"reply\":\"no \\\"route\\\"\",\"recipients\":1,"
	    "\"next\":1700000060}],\"other_recipients\":0,\"reasons\":[{"
	    "\"code\":null,\"reply\":\"x\",\"recipients\":2,"
	    "\"next\":1700000060}],\"dead\":4,\"corrupt\":0}\n");
}

static void
test_metrics(void **state)
{
	static const char *const lines[] = {
		"# HELP dma_runner_active 1 if a runner is active.\n"
		"# TYPE dma_runner_active gauge\ndma_runner_active 1\n",
		"\ndma_runner_info{version=\"0\\\"2\\\\?\"} 1\n",
		"\ndma_runner_start_time_seconds 1600000000\n",
		"\ndma_queue_messages{state=\"due\"} 1\n"
		"dma_queue_messages{state=\"deferred\"} 2\n"
		"dma_queue_messages{state=\"held\"} 0\n",
		"\ndma_deferred_recipients{code=\"4.4.1\"} 1\n"
		"dma_deferred_recipients{code=\"other\"} 3\n",
		"\ndma_queue_oldest_arrival_time_seconds 1699999993\n",
		"\ndma_runner_unreachable_destinations 0\n",
		"\ndma_dead_messages 4\n", "\ndma_stuck 0\n",
	};
	struct overview *o = filled();
	struct buf b;
	size_t i;

	(void)state;
	buf_init(&b, 0);
	overview_put_metrics(&b, o);
	for (i = 0; i < N(lines); i++)
		assert_non_null(strstr(buf_str(&b), lines[i]));
	buf_fini(&b);
	free(o);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_stuck),
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_metrics),
	};

	return cmocka_run_group_tests_name("overview", tests, NULL, NULL);
}
