/*
 * smtpd_scoreboard_test.c - limits over all children, and what is left of those
 * that were killed.
 */
#include <sys/wait.h>

#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include "smtpd/scoreboard.h"
#include "tests/unit/t.h"

static struct netaddr
address(const char *text)
{
	struct netaddr a;

	assert_int_equal(netaddr_parse(text, &a), 0);
	return a;
}

static void
test_a_slot_is_taken_once(void **state)
{
	struct scoreboard *sb = scoreboard_new(2, 10);
	struct scoreboard_view v;

	(void)state;
	assert_int_equal(scoreboard_slots(sb), 2);
	assert_int_equal(scoreboard_take_slot(sb, 7), 0);
	assert_int_equal(scoreboard_take_slot(sb, 7), 1);
	assert_int_equal(scoreboard_take_slot(sb, 7), -1);
	scoreboard_set_pid(sb, 1, 1234);
	scoreboard_set_state(sb, 1, SCOREBOARD_SERVING);
	scoreboard_set_sessions(sb, 1, 5);
	scoreboard_look(sb, 1, &v);
	assert_int_equal(v.pid, 1234);
	assert_int_equal(v.generation, 7);
	assert_int_equal(v.state, SCOREBOARD_SERVING);
	assert_int_equal(v.sessions, 5);
	scoreboard_release_slot(sb, 1);
	scoreboard_look(sb, 1, &v);
	assert_int_equal(v.state, SCOREBOARD_FREE);
	assert_int_equal(v.pid, 0);
	assert_int_equal(v.sessions, 0);
	assert_int_equal(scoreboard_take_slot(sb, 8), 1);
	scoreboard_free(sb);
	scoreboard_free(NULL);
}

static void
test_sizes_without_meaning_are_refused(void **state)
{
	(void)state;
	assert_null(scoreboard_new(0, 10));
	assert_int_equal(errno, EINVAL);
	assert_null(scoreboard_new(1 << 20, 10));
	assert_null(scoreboard_new(10, SIZE_MAX));
}

struct step {
	enum { ADMIT, DISCHARGE, RELEASE } what;
	int		 slot;
	const char	*address;
	enum scoreboard_admission expected;
};

/* At most 4 in all and 2 of an address. */
static const struct step steps[] = {
	{ ADMIT, 0, "192.0.2.1", SCOREBOARD_ADMITTED },
	{ ADMIT, 1, "192.0.2.1", SCOREBOARD_ADMITTED },
	{ ADMIT, 0, "192.0.2.1", SCOREBOARD_FULL_OF_ADDRESS },
	{ ADMIT, 1, "192.0.2.1", SCOREBOARD_FULL_OF_ADDRESS },
	{ ADMIT, 0, "2001:db8::1", SCOREBOARD_ADMITTED },
	{ ADMIT, 0, "2001:db8::2", SCOREBOARD_ADMITTED },
	{ ADMIT, 1, "2001:db8::3", SCOREBOARD_FULL },
	{ DISCHARGE, 1, "192.0.2.1", SCOREBOARD_ADMITTED },
	{ ADMIT, 0, "192.0.2.1", SCOREBOARD_ADMITTED },
	{ ADMIT, 1, "192.0.2.1", SCOREBOARD_FULL },
	/* The child of slot 0 was killed: it had all four. */
	{ RELEASE, 0, NULL, SCOREBOARD_ADMITTED },
	{ ADMIT, 1, "192.0.2.1", SCOREBOARD_ADMITTED },
	{ ADMIT, 1, "192.0.2.1", SCOREBOARD_ADMITTED },
	{ ADMIT, 1, "192.0.2.1", SCOREBOARD_FULL_OF_ADDRESS },
	{ ADMIT, 1, "192.0.2.2", SCOREBOARD_ADMITTED },
	{ ADMIT, 1, "::ffff:192.0.2.1", SCOREBOARD_FULL_OF_ADDRESS },
	{ DISCHARGE, 1, "::ffff:192.0.2.1", SCOREBOARD_ADMITTED },
	{ ADMIT, 1, "192.0.2.1", SCOREBOARD_ADMITTED },
	/* None of it is counted twice. */
	{ DISCHARGE, 1, "192.0.2.1", SCOREBOARD_ADMITTED },
	{ DISCHARGE, 1, "192.0.2.1", SCOREBOARD_ADMITTED },
	{ DISCHARGE, 1, "192.0.2.2", SCOREBOARD_ADMITTED },
	{ ADMIT, 1, "192.0.2.2", SCOREBOARD_ADMITTED },
	{ ADMIT, 1, "192.0.2.2", SCOREBOARD_ADMITTED },
	{ ADMIT, 1, "192.0.2.3", SCOREBOARD_ADMITTED },
	{ ADMIT, 1, "192.0.2.3", SCOREBOARD_ADMITTED },
	{ ADMIT, 1, "192.0.2.4", SCOREBOARD_FULL },
};

static void
test_limits_hold_over_all_children(void **state)
{
	struct scoreboard *sb = scoreboard_new(2, 4);
	struct netaddr a;
	size_t i;

	(void)state;
	assert_int_equal(scoreboard_take_slot(sb, 1), 0);
	assert_int_equal(scoreboard_take_slot(sb, 1), 1);
	for (i = 0; i < N(steps); i++) {
		if (steps[i].what == RELEASE) {
			scoreboard_release_slot(sb, steps[i].slot);
			assert_int_equal(scoreboard_connected(sb), 0);
			continue;
		}
		a = address(steps[i].address);
		if (steps[i].what == DISCHARGE)
			scoreboard_discharge(sb, steps[i].slot, &a);
		else if (scoreboard_admit(sb, steps[i].slot, &a, 4, 2) !=
		    steps[i].expected)
			fail_msg("step %zu", i);
	}
	assert_int_equal(scoreboard_connected(sb), 4);
	scoreboard_free(sb);
}

static void
test_no_limit_is_none(void **state)
{
	struct scoreboard *sb = scoreboard_new(1, 4);
	const struct netaddr a = address("192.0.2.1");
	int i;

	(void)state;
	assert_int_equal(scoreboard_take_slot(sb, 1), 0);
	for (i = 0; i < 100000; i++)
		assert_int_equal(scoreboard_admit(sb, 0, &a, 0, 0),
		    SCOREBOARD_ADMITTED);
	for (; i > 0; i--)
		scoreboard_discharge(sb, 0, &a);
	assert_int_equal(scoreboard_connected(sb), 0);
	/* More of an address than one cell can count. */
	for (i = 0; i < 70000; i++)
		assert_int_equal(scoreboard_admit(sb, 0, &a, 0, 70000),
		    SCOREBOARD_ADMITTED);
	assert_int_equal(scoreboard_admit(sb, 0, &a, 0, 70000),
	    SCOREBOARD_FULL_OF_ADDRESS);
	scoreboard_free(sb);
}

/* A proxy's connections have no limit for its address, unlike its own. */
static void
test_what_has_no_limit_takes_from_no_other(void **state)
{
	struct scoreboard *sb = scoreboard_new(1, 4);
	const struct netaddr a = address("192.0.2.1");

	(void)state;
	assert_int_equal(scoreboard_take_slot(sb, 1), 0);
	assert_int_equal(scoreboard_admit(sb, 0, &a, 4, 1),
	    SCOREBOARD_ADMITTED);
	assert_int_equal(scoreboard_admit(sb, 0, &a, 4, 0),
	    SCOREBOARD_ADMITTED);
	scoreboard_discharge(sb, 0, NULL);
	assert_int_equal(scoreboard_connected(sb), 1);
	assert_int_equal(scoreboard_admit(sb, 0, &a, 4, 1),
	    SCOREBOARD_FULL_OF_ADDRESS);
	scoreboard_free(sb);
}

#define PROCESSES	4
#define ROUNDS		20000
#define ADDRESSES	64

/* Admits and discharges; status 1 when more were admitted than may be. */
static void
storm(struct scoreboard *sb, int slot)
{
	struct netaddr a[ADDRESSES];
	unsigned held[ADDRESSES] = { 0 };
	unsigned seed = (unsigned)slot;
	char text[32];
	int i, k;

	for (i = 0; i < ADDRESSES; i++) {
		snprintf(text, sizeof(text), "198.51.100.%d", i);
		a[i] = address(text);
	}
	for (i = 0; i < ROUNDS; i++) {
		k = rand_r(&seed) % ADDRESSES;
		if (held[k] > 0 && (rand_r(&seed) & 1)) {
			scoreboard_discharge(sb, slot, &a[k]);
			held[k]--;
		} else if (scoreboard_admit(sb, slot, &a[k], 100, 3) ==
		    SCOREBOARD_ADMITTED) {
			held[k]++;
		}
		if (held[k] > 3)
			_exit(1);
	}
	/* Half of them are killed with what they hold. */
	if (slot % 2 == 0)
		(void)raise(SIGKILL);
	for (k = 0; k < ADDRESSES; k++)
		while (held[k]-- > 0)
			scoreboard_discharge(sb, slot, &a[k]);
	_exit(0);
}

static void
test_processes_that_count_at_once_leave_nothing(void **state)
{
	struct scoreboard *sb = scoreboard_new(PROCESSES, 1000);
	pid_t pids[PROCESSES];
	struct netaddr a;
	char text[32];
	int i, k, status;

	(void)state;
	for (i = 0; i < PROCESSES; i++) {
		assert_int_equal(scoreboard_take_slot(sb, 1), i);
		pids[i] = fork();
		assert_int_not_equal(pids[i], -1);
		if (pids[i] == 0)
			storm(sb, i);
	}
	for (i = 0; i < PROCESSES; i++) {
		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		if (i % 2 == 0)
			assert_true(WIFSIGNALED(status));
		else
			assert_int_equal(status, 0);
		scoreboard_release_slot(sb, i);
	}
	/* Every address has all of its connections again. */
	assert_int_equal(scoreboard_take_slot(sb, 2), 0);
	for (i = 0; i < ADDRESSES; i++) {
		snprintf(text, sizeof(text), "198.51.100.%d", i);
		a = address(text);
		for (k = 0; k < 3; k++)
			assert_int_equal(scoreboard_admit(sb, 0, &a, 0, 3),
			    SCOREBOARD_ADMITTED);
		assert_int_equal(scoreboard_admit(sb, 0, &a, 0, 3),
		    SCOREBOARD_FULL_OF_ADDRESS);
	}
	scoreboard_free(sb);
}

static void
name_counter(struct counters *c, size_t i, const char *name, uint64_t n)
{
	snprintf(c->modules[i].name, sizeof(c->modules[i].name), "%s", name);
	counters_add(&c->modules[i].value, n);
}

static void
test_the_total_keeps_what_children_counted(void **state)
{
	struct scoreboard *sb = scoreboard_new(2, 10);
	struct counters total, *c;
	int i;

	(void)state;
	for (i = 0; i < 3; i++) {
		assert_int_equal(scoreboard_take_slot(sb, 1), 0);
		c = scoreboard_counters(sb, 0);
		assert_int_equal(c->accepted, 0);
		counters_add(&c->accepted, 10);
		counters_add(&c->bytes, UINT64_C(5000000000));
		c->sync_max_us = (uint64_t)(3 - i);
		c->module = 1;
		name_counter(c, 0, i == 1 ? "late" : "early", 1);
		name_counter(c, 1, "both", 2);
		if (i < 2)
			scoreboard_release_slot(sb, 0);
	}
	scoreboard_total(sb, &total);
	assert_int_equal(total.accepted, 30);
	assert_int_equal(total.bytes, UINT64_C(15000000000));
	assert_int_equal(total.sync_max_us, 3);
	assert_string_equal(total.modules[0].name, "early");
	assert_int_equal(total.modules[0].value, 2);
	assert_string_equal(total.modules[1].name, "both");
	assert_int_equal(total.modules[1].value, 6);
	assert_string_equal(total.modules[2].name, "late");
	assert_int_equal(total.modules[2].value, 1);
	assert_string_equal(total.modules[3].name, "");
	scoreboard_free(sb);
}

/* A child that is compromised writes what it likes. */
static void
test_a_name_that_is_none_is_left_out(void **state)
{
	struct scoreboard *sb = scoreboard_new(1, 10);
	struct counters total, *c;

	(void)state;
	assert_int_equal(scoreboard_take_slot(sb, 1), 0);
	c = scoreboard_counters(sb, 0);
	memset(c->modules[0].name, 'x', sizeof(c->modules[0].name));
	name_counter(c, 1, "a\nb 1", 1);
	name_counter(c, 2, "\377", 1);
	scoreboard_total(sb, &total);
	assert_int_equal(strlen(total.modules[0].name), COUNTERS_NAME - 1);
	assert_string_equal(total.modules[1].name, "a");
	assert_string_equal(total.modules[2].name, "");
	scoreboard_free(sb);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_slot_is_taken_once),
		cmocka_unit_test(test_sizes_without_meaning_are_refused),
		cmocka_unit_test(test_limits_hold_over_all_children),
		cmocka_unit_test(test_what_has_no_limit_takes_from_no_other),
		cmocka_unit_test(test_no_limit_is_none),
		cmocka_unit_test(
		    test_processes_that_count_at_once_leave_nothing),
		cmocka_unit_test(test_the_total_keeps_what_children_counted),
		cmocka_unit_test(test_a_name_that_is_none_is_left_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
