/*
 * journal_test.c - unit tests of spool/journal.c.
 * What is appended to files, and cut there: spool_test.c.
 */
#include "spool/journal.h"
#include "tests/unit/t.h"

#define R0	"R\t0\t0\t0\t0\t0\t0\t0\t0000000000000000\tbob\t\n"
#define Z	"0000000000000000"

static int
fold(const char *text, size_t len)
{
	struct message m;
	struct buf b;
	size_t used;
	int ret;

	message_init(&m);
	buf_init(&b, 0);
	buf_add(&b, text, len);
	ret = journal_fold(&m, b.data, b.len, &used);
	buf_fini(&b);
	message_fini(&m);
	return ret;
}

static void
test_lines(void **state)
{
	static const struct { const char *text; int ret; } cases[] = {
		{ R0, 0 },
		{ R0 "R\t1\t0\t1\t4\t2\t1\t4294967295\tffffffffffffffff"
		    "\tx\towner\n", 0 },
		{ "", -1 },
		{ "\n", -1 },
		{ "S\t0\n", -1 },
		{ "S\t0\n" R0, -1 },
		/* fields of R, each out of its range */
		{ "R\t1\t0\t0\t0\t0\t0\t0\t" Z "\tbob\t\n", -1 },
		{ R0 R0, -1 },
		{ "R\t0\t1\t0\t0\t0\t0\t0\t" Z "\tbob\t\n", -1 },
		{ R0 "R\t1\t2\t0\t0\t0\t0\t0\t" Z "\tx\t\n", -1 },
		{ "R\t0\t-1\t0\t0\t0\t0\t0\t" Z "\tbob\t\n", -1 },
		{ "R\t0\t0\t1001\t0\t0\t0\t0\t" Z "\tb\t\n", -1 },
		{ "R\t0\t0\t0\t5\t0\t0\t0\t" Z "\tbob\t\n", -1 },
		{ "R\t0\t0\t0\t0\t3\t0\t0\t" Z "\tbob\t\n", -1 },
		{ "R\t0\t0\t0\t0\t0\t2\t0\t" Z "\tbob\t\n", -1 },
		{ "R\t0\t0\t0\t0\t0\t0\t4294967296\t" Z "\tb\t\n",
		    -1 },
		{ "R\t0\t0\t0\t0\t0\t0\t0\t000000000000000\tbob\t\n",
		    -1 },
		{ "R\t0\t0\t0\t0\t0\t0\t0\t00000000000000000\tbob\t\n",
		    -1 },
		{ "R\t0\t0\t0\t0\t0\t0\t0\t0x00000000000000\tbob\t\n",
		    -1 },
		{ "R\t0\t0\t0\t0\t0\t0\t0\t-000000000000001\tbob\t\n",
		    -1 },
		{ "R\t0\t0\t0\t0\t0\t0\t0\t" Z "\tbob\n", -1 },
		{ "R\t0\t0\t0\t0\t0\t0\t0\t" Z "\tbob\t\t\n", -1 },
		{ "R\t0\t0\t0\t0\t0\t0\t0\t" Z "\tb\033b\t\n", -1 },
		{ "R\t0\t0\t0\t0\t0\t0\t0\t" Z "\tbob\r\t\n", -1 },
		{ "R\t0\t0\t0\t0\t0\t0\t0\t" Z "\tbob\t\177\n",
		    -1 },
		/* numbers */
		{ R0 "S\t1\n", -1 },
		{ R0 "S\t-0\n", -1 },
		{ R0 "S\t+0\n", -1 },
		{ R0 "S\t 0\n", -1 },
		{ R0 "S\t0x0\n", -1 },
		{ R0 "S\t0 \n", -1 },
		{ R0 "S\t\n", -1 },
		{ R0 "S\n", -1 },
		{ R0 "S\t0\t\n", -1 },
		{ R0 "S\t18446744073709551616\n", -1 },
		{ R0 "X\t99999999999999999999999\n", -1 },
		/* records that are none */
		{ R0 "Z\t0\n", -1 },
		{ R0 "SS\t0\n", -1 },
		{ R0 "\t0\n", -1 },
		{ R0 "\n", -1 },
		{ R0 "1\t2\t3\t4\t5\t6\t7\t8\t9\t10\t11\t12\t13\n",
		    -1 },
		{ R0 "B\t\n", -1 },
		{ R0 "B\t../../x\n", -1 },
		{ R0 "B\ta\tb\n", -1 },
		{ R0 "B\taaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n",
		    -1 },
		/* results */
		{ R0 "F\t0\t1\t5.1.1\twhy\n", 0 },
		{ R0 "F\t0\t4294967296\t5.1.1\twhy\n", -1 },
		{ R0 "F\t0\t1\t5.1.1\n", -1 },
		{ R0 "F\t0\t1\t5.1.1\twhy\tnot\n", -1 },
		{ R0 "F\t0\t1\t5.1.123456789\twhy\n", -1 },
		{ R0 "F\t0\t1\t5\033.1\twhy\n", -1 },
		{ R0 "D\t0\t1\t5.1.1\twhy\n", -1 },
		{ R0 "D\t0\t1\t9223372036854775807\t4\twhy\n", 0 },
		{ R0 "D\t0\t1\t9223372036854775808\t4\ty\n", -1 },
		{ R0 "D\t0\t1\t-1\t4\twhy\n", -1 },
		/* appends */
		{ R0 "A\t0\t1\t2\t3\tbob\n", 0 },
		{ R0 "A\t0\t1\t2\t-1\tbob\n", -1 },
		{ R0 "A\t0\t1\t2\t9223372036854775808\tb\n", -1 },
		{ R0 "A\t0\t1\t2\t3\n", -1 },
		{ R0 "A\t1\t1\t2\t3\tbob\n", -1 },
		/* wishes: after their recipient, once, before all else */
		{ R0 "N\t0\t0\trfc822;bob@h\n", 0 },
		{ R0 "N\t0\t14\t\n", 0 },
		{ R0 "N\t0\t14\n", -1 },
		{ R0 "N\t0\t3\t\n", -1 },
		{ R0 "N\t0\t16\t\n", -1 },
		{ R0 "N\t0\t-1\t\n", -1 },
		{ R0 "N\t0\t1\tbob\n", -1 },
		{ R0 "N\t0\t1\trfc822;\n", -1 },
		{ R0 "N\t1\t1\t\n", -1 },
		{ R0 "N\t0\t1\t\nN\t0\t1\t\n", -1 },
		{ R0 "R\t1\t1\t0\t0\t0\t0\t0\t" Z "\tx\t\nN\t0\t1\t\n",
		    -1 },
		{ R0 "F\t0\t1\t5.1.1\twhy\nN\t0\t1\t\n", -1 },
		{ R0 "D\t0\t1\t9\n", 0 },
		{ R0 "D\t0\t1\t9\t4\n", -1 },
		{ R0 "D\t0\t1\n", -1 },
		{ R0 "D\t0\t1\tx\n", -1 },
		{ R0 "D\t0\t1\t9\t4\twhy\nN\t0\t1\t\n", -1 },
		/* senders: after their recipient, once, before all else */
		{ R0 "O\t0\to@h\n", 0 },
		{ R0 "N\t0\t4\t\nO\t0\to@h\n", 0 },
		{ R0 "O\t0\t\n", -1 },
		{ R0 "O\t0\n", -1 },
		{ R0 "O\t1\to@h\n", -1 },
		{ R0 "O\t0\to@h\nO\t0\to@h\n", -1 },
		{ R0 "S\t0\nO\t0\to@h\n", -1 },
		{ R0 "R\t1\t1\t0\t0\t0\t0\t0\t" Z "\tx\t\nO\t0\to@h\n",
		    -1 },
		/* reports */
		{ R0 "B\tb1\n", 0 },
		{ R0 "B\tb1\t0\n", 0 },
		{ R0 "B\tb1\t1\n", -1 },
		{ R0 "B\tb1\t-1\n", -1 },
		{ R0 "B\tb1\t0\t0\n", -1 },
		{ R0 "B\t../b\t0\n", -1 },
		/* notices */
		{ R0 "H\tw1\nG\n", 0 },
		{ R0 "H\t../w\n", -1 },
		{ R0 "H\n", -1 },
		{ R0 "H\ta\tb\n", -1 },
		{ R0 "G\t0\n", -1 },
		/* holds */
		{ R0 "K\t1\n", 0 },
		{ R0 "K\t1\nK\t0\nK\t1\nK\t1\n", 0 },
		{ R0 "K\t2\n", -1 },
		{ R0 "K\t-1\n", -1 },
		{ R0 "K\n", -1 },
		{ R0 "K\t0\t1\n", -1 },
		/* successes that are told */
		{ R0 "Y\t0\t5\t2.0.0\tok\n", 0 },
		{ R0 "Y\t0\t5\t2.0.0\tok\nY\t0\t5\t2.0.0\tok\n", 0 },
		{ R0 "Y\t0\t6\t2.0.0\tok\n", -1 },
		{ R0 "Y\t0\t7\t2.0.0\tok\n", -1 },
		{ R0 "Y\t0\t2\t2.0.0\tok\n", -1 },
		{ R0 "Y\t0\t3\t2.0.0\n", -1 },
		{ R0 "Y\t0\t3\t2.0.123456789\tok\n", -1 },
		{ R0 "Y\t1\t3\t2.0.0\tok\n", -1 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++)
		if (fold(cases[i].text, strlen(cases[i].text)) != cases[i].ret)
			fail_msg("case %zu: %s", i, cases[i].text);
	/* NUL ends no value. */
	assert_int_equal(fold(T(R0 "S\t0\0\n")), -1);
}

/* What a whole journal says, as "state/kind" of each recipient, and the
 * rest. */
static void
test_fold(void **state)
{
	static const struct {
		const char *text;
		enum rcpt_state state;
		unsigned attempts;
		const char *code, *reason;
		uint32_t owed;
	} cases[] = {
		{ R0, RCPT_OPEN, 0, "", NULL, 0 },
		{ R0 "X\t0\n", RCPT_EXPANDED, 0, "", NULL, 0 },
		{ R0 "S\t0\n", RCPT_SENT, 0, "", NULL, 0 },
		{ R0 "D\t0\t2\t9\t4.4.1\tlate\t0\t\t\n", RCPT_OPEN, 2, "4.4.1",
		    "late", 0 },
		{ R0 "D\t0\t2\t9\t4.4.1\tlate\t0\t\t\nD\t0\t3\t9\n",
		    RCPT_OPEN, 3, "4.4.1", "late", 0 },
		{ R0 "F\t0\t1\t5.1.1\tgone\t1\t\tmx\n", RCPT_FAILED, 1,
		    "5.1.1", "gone", 1 },
		{ R0 "N\t0\t1\t\nF\t0\t1\t5.1.1\tgone\t1\t\t\n",
		    RCPT_FAILED, 1, "5.1.1", "gone", 0 },
		{ R0 "F\t0\t1\t5.1.1\tgone\t1\t\t\nP\t0\n", RCPT_FAILED,
		    1, "5.1.1", "gone", 0 },
		{ R0 "Y\t0\t3\t2.0.0\tok\t1\t\t\n", RCPT_SENT, 0, "2.0.0",
		    "ok", 1 },
		/* A last line without its end does not count. */
		{ R0 "S\t0", RCPT_OPEN, 0, "", NULL, 0 },
	};
	const struct recipient *r;
	struct message m;
	struct buf b;
	size_t i, used;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		print_message("%s\n", cases[i].text);
		message_init(&m);
		buf_init(&b, 0);
		buf_puts(&b, cases[i].text);
		assert_int_equal(journal_fold(&m, b.data, b.len, &used), 0);
		assert_int_equal(used, strrchr(cases[i].text, '\n') + 1 -
		    cases[i].text);
		r = &m.rcpts[0];
		assert_string_equal(r->address, "bob");
		assert_int_equal(r->state, cases[i].state);
		assert_int_equal(r->attempts, cases[i].attempts);
		assert_string_equal(r->last.code, cases[i].code);
		if (cases[i].reason != NULL)
			assert_string_equal(r->last.reason, cases[i].reason);
		assert_int_equal(m.reports.owed, cases[i].owed);
		buf_fini(&b);
		message_fini(&m);
	}
}

/* The last one counts, and is noted anew with all else. */
static void
test_hold(void **state)
{
	static const struct { const char *text; int is_held; } cases[] = {
		{ R0, 0 },
		{ R0 "K\t1\n", 1 },
		{ R0 "K\t1\nD\t0\t1\t9\t4.0.0\twhy\n", 1 },
		{ R0 "K\t1\nK\t0\n", 0 },
		{ R0 "K\t0\nK\t1\nK\t1\n", 1 },
		{ R0 "K\t1\nK\t0", 1 },		/* torn */
	};
	struct message m, again;
	struct buf b;
	size_t i, used;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		message_init(&m);
		message_init(&again);
		buf_init(&b, 0);
		buf_puts(&b, cases[i].text);
		assert_int_equal(journal_fold(&m, b.data, b.len, &used), 0);
		assert_int_equal(m.is_held, cases[i].is_held);
		buf_reset(&b);
		journal_all(&b, &m);
		assert_int_equal(journal_fold(&again, b.data, b.len, &used), 0);
		assert_int_equal(again.is_held, cases[i].is_held);
		buf_fini(&b);
		message_fini(&m);
		message_fini(&again);
	}
}

/* A value that would be read back as another line is not written. */
static void
test_values_that_are_refused(void **state)
{
	static const char *const addresses[] = { "a\tb", "a\nb", "a\033b" };
	struct message m;
	struct buf b;
	size_t i;

	(void)state;
	for (i = 0; i < N(addresses); i++) {
		message_init(&m);
		buf_init(&b, 0);
		assert_non_null(message_add(&m, addresses[i]));
		journal_recipient(&b, &m, 0);
		assert_true(buf_failed(&b));
		buf_fini(&b);
		message_fini(&m);
	}
	buf_init(&b, 0);
	journal_bounce(&b, "../x", 0);
	assert_true(buf_failed(&b));
	buf_fini(&b);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_fold),
		cmocka_unit_test(test_hold),
		cmocka_unit_test(test_values_that_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
