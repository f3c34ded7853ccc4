/*
 * local_child_test.c - every state of a child of the delivery helper, and
 * every event: the table of docs/states.md.
 */
#include "queue/local_child.h"
#include "tests/unit/t.h"

static const char *const states[] = {
	"free", "asked", "execed", "answered", "open", "taking", "refusing",
	"draining", "left", "cut", "-"
};

static const char *const events[] = {
	"output", "checkpoint", "result", "refuses", "eof", "broken"
};

/* A line for each state: what follows output, checkpoint, ... */
static const struct {
	const char	*state;
	const char	*next[CHILD_EVENT__MAX];
} table[] = {
	{ "free", { "-", "-", "-", "-", "-", "-" } },
	{ "asked", { "execed", "asked", "answered", "-", "asked", "asked" } },
	{ "execed", { "-", "execed", "answered", "-", "execed", "execed" } },
	{ "answered", { "-", "-", "-", "-", "answered", "answered" } },
	{ "open", { "execed", "open", "taking", "refusing", "cut", "cut" } },
	{ "taking", { "-", "taking", "taking", "draining", "left", "cut" } },
	{ "refusing", { "execed", "refusing", "draining", "refusing", "cut",
	    "cut" } },
	{ "draining", { "-", "draining", "draining", "draining", "left",
	    "cut" } },
	{ "left", { "-", "-", "-", "-", "left", "left" } },
	{ "cut", { "-", "-", "-", "-", "cut", "cut" } },
};

static void
test_every_cell(void **state)
{
	enum child_state next;
	size_t s, e;

	(void)state;
	assert_int_equal(N(table), CHILD__MAX);
	assert_int_equal(N(events), CHILD_EVENT__MAX);
	for (s = 0; s < CHILD__MAX; s++) {
		assert_string_equal(table[s].state, states[s]);
		for (e = 0; e < CHILD_EVENT__MAX; e++) {
			next = child_event((enum child_state)s,
			    (enum child_event)e);
			if (strcmp(states[next], table[s].next[e]) != 0)
				fail_msg("%s, %s: %s", states[s], events[e],
				    states[next]);
		}
	}
}

/* The page says what the code does. */
static void
test_page(void **state)
{
	char line[256], want[256];
	size_t s, e, at = 0;
	FILE *page;

	(void)state;
	page = fopen("docs/states.md", "r");
	assert_non_null(page);
	for (s = 0; s < CHILD__MAX; s++) {
		at = (size_t)snprintf(want, sizeof(want), "| %s |", states[s]);
		for (e = 0; e < CHILD_EVENT__MAX; e++)
			at += (size_t)snprintf(want + at, sizeof(want) - at,
			    " %s |", table[s].next[e]);
		rewind(page);
		line[0] = '\0';
		while (strncmp(line, want, at) != 0)
			if (fgets(line, sizeof(line), page) == NULL)
				fail_msg("docs/states.md: no line %s", want);
	}
	fclose(page);
}

static void
test_takes(void **state)
{
	static const char *const taking = "open taking";
	static const char *const single = "asked execed answered";
	size_t s;

	(void)state;
	for (s = 0; s < CHILD__MAX; s++) {
		assert_int_equal(child_takes((enum child_state)s),
		    strstr(taking, states[s]) != NULL);
		assert_int_equal(child_is_single((enum child_state)s),
		    strstr(single, states[s]) != NULL);
	}
}

/* For each state: first of a single child or not, ended well or not. */
static void
test_outcome(void **state)
{
	enum { RES = OUTCOME_RESULT, CMD = OUTCOME_COMMAND,
	    AGAIN = OUTCOME_AGAIN, LOST = OUTCOME_LOST };
	static const struct {
		enum child_state state;
		int		 single, single_failed, other, other_failed;
	} cases[] = {
		{ CHILD_ASKED, LOST, LOST, LOST, LOST },
		{ CHILD_EXECED, CMD, CMD, LOST, LOST },
		{ CHILD_ANSWERED, RES, LOST, LOST, LOST },
		{ CHILD_OPEN, LOST, LOST, LOST, LOST },
		{ CHILD_TAKING, LOST, LOST, LOST, LOST },
		{ CHILD_REFUSING, LOST, LOST, LOST, LOST },
		{ CHILD_DRAINING, LOST, LOST, LOST, LOST },
		{ CHILD_LEFT, AGAIN, LOST, AGAIN, LOST },
		{ CHILD_CUT, LOST, LOST, LOST, LOST },
	};
	size_t i;

	(void)state;
	assert_int_equal(N(cases), CHILD__MAX - 1);
	for (i = 0; i < N(cases); i++) {
		assert_int_equal(child_outcome(cases[i].state, 1, 0),
		    cases[i].single);
		assert_int_equal(child_outcome(cases[i].state, 1, 1),
		    cases[i].single_failed);
		assert_int_equal(child_outcome(cases[i].state, 0, 0),
		    cases[i].other);
		assert_int_equal(child_outcome(cases[i].state, 0, 1),
		    cases[i].other_failed);
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_cell),
		cmocka_unit_test(test_page),
		cmocka_unit_test(test_takes),
		cmocka_unit_test(test_outcome),
	};

	return cmocka_run_group_tests_name("local_child", tests, NULL, NULL);
}
