/*
 * preamble_test.c - unit tests of spool/preamble.c.
 */
#include "spool/preamble.h"
#include "tests/unit/t.h"

static const struct preamble_sums sums = { 0x123456789abcdef0, 7 };
static const struct preamble_sums none = { 0, 0 };

static void
fill(struct message *m)
{
	message_init(m);
	m->arrived = 1700000000;
	m->submitter = UINT32_MAX;
	m->text.lines = 3;
	m->text.flags = 9;
	m->text.hops = 3;
	m->ret = RET_HDRS;
	assert_int_equal(text_copy(m->sender, sizeof(m->sender),
	    "ann@example.org"), 0);
	assert_int_equal(text_copy(m->envid, sizeof(m->envid), "<id> 1+1=2"),
	    0);
}

/* Lines as they stand in a file: with blanks to the full size. */
static int
get(struct message *m, const struct buf *lines)
{
	char text[PREAMBLE_SIZE + 1];

	memset(text, ' ', sizeof(text));
	assert_true(lines->len < PREAMBLE_SIZE);
	memcpy(text, buf_str(lines), lines->len);
	text[PREAMBLE_SIZE - 1] = '\n';
	text[PREAMBLE_SIZE] = '\0';
	return preamble_get(m, text);
}

static void
test_what_is_put_is_read(void **state)
{
	struct message m, n;
	struct buf lines;

	(void)state;
	fill(&m);
	message_init(&n);
	buf_init(&lines, PREAMBLE_SIZE - 2);
	assert_int_equal(preamble_put(&lines, &m, 17, &sums), 0);
	assert_int_equal(get(&n, &lines), 0);
	assert_int_equal(n.arrived, m.arrived);
	assert_int_equal(n.submitter, m.submitter);
	assert_int_equal(n.text.offset, PREAMBLE_SIZE);
	assert_int_equal(n.text.length, 17);
	assert_int_equal(n.text.lines, m.text.lines);
	assert_int_equal(n.text.flags, m.text.flags);
	assert_int_equal(n.text.hops, m.text.hops);
	assert_int_equal(n.ret, m.ret);
	assert_string_equal(n.sender, m.sender);
	assert_string_equal(n.envid, m.envid);
	assert_int_equal(n.text.sum, sums.text);
	assert_int_equal(n.nsealed, sums.records);
	buf_fini(&lines);
}

static void
test_longest_values_fit(void **state)
{
	struct message m;
	struct buf lines;

	(void)state;
	fill(&m);
	memset(m.sender, 'x', ADDRESS_MAX);
	m.sender[ADDRESS_MAX] = '\0';
	memset(m.envid, 'x', ENVID_MAX);
	m.envid[ENVID_MAX] = '\0';
	m.arrived = T_TIME(INT64_MAX / 2);
	m.text.lines = INT64_MAX / 2;
	m.text.hops = UINT32_MAX;
	buf_init(&lines, PREAMBLE_SIZE - 2);
	assert_int_equal(preamble_put(&lines, &m, INT64_MAX / 2, &sums), 0);
	assert_int_equal(get(&m, &lines), 0);
	buf_fini(&lines);
}

static void
test_values_that_are_refused(void **state)
{
	static const struct { const char *sender, *envid; } cases[] = {
		{ "a\tb", "" }, { "a>\nret full", "" }, { "a\r", "" },
		{ "a", "x\ty" }, { "a", "x\ny" }, { "a", "\xc3\xbc" },
	};
	struct message m;
	struct buf lines;
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		fill(&m);
		text_copy(m.sender, sizeof(m.sender), cases[i].sender);
		text_copy(m.envid, sizeof(m.envid), cases[i].envid);
		buf_init(&lines, PREAMBLE_SIZE - 2);
		assert_int_equal(preamble_put(&lines, &m, 17, &sums), -1);
		buf_fini(&lines);
	}
}

static void
test_lines_that_are_not_understood(void **state)
{
	static const struct { const char *from, *to; } cases[] = {
		{ "dma-queue 1", "dma-queue 0" },
		{ "dma-queue 1", "dma-queue 2" },
		{ "dma-queue 1", "dma-queue 3" },
		{ "dma-queue 1", "dma-queue 11" },
		{ "dma-queue", "dma queue" },
		{ "arrived 1700000000", "arrived -1" },
		{ "arrived 1700000000", "arrived " },
		{ "arrived 1700000000", "arrived 9223372036854775808" },
		{ "arrived 1700000000", "arrived 4611686018427387904" },
		{ "submitter 4294967295", "submitter 4294967296" },
		{ "offset 1024", "offset 1023" },
		{ "offset 1024", "offset 0" },
		{ "offset 1024", "offset 1025" },
		{ "length 17", "length 9223372036854775807" },
		{ "length 17", "length -17" },
		{ "lines 3", "lines x" },
		{ "flags 9", "flags 256" },
		{ "hops 3", "hops 4294967296" },
		{ "sender <ann@example.org>", "sender ann@example.org" },
		{ "sender <ann@example.org>", "sender <ann@example.org" },
		{ "sender <ann@example.org>", "sender <" },
		{ "sender <ann@example.org>", "sender <a\tb>" },
		{ "sender <ann@example.org>", "sender <a\rb>" },
		{ "ret hdrs", "ret some" },
		{ "ret hdrs", "ret " },
		{ "ret hdrs", "return" },
		{ "envid <<id> 1+1=2>", "envid <>" },
		{ "envid <<id> 1+1=2>", "envid x" },
		{ "envid <<id> 1+1=2>", "envid <a\tb>" },
		{ "envid <<id> 1+1=2>", "envid <\xc3\xbc>" },
		{ "envid <<id> 1+1=2>", "envid <a>\nenvid <a>" },
		{ "sender", "from" },
		{ "\nsender", " sender" },
	};
	struct buf changed, lines;
	struct message m, n;
	const char *at;
	size_t i;

	(void)state;
	fill(&m);
	buf_init(&lines, PREAMBLE_SIZE - 2);
	assert_int_equal(preamble_put(&lines, &m, 17, &none), 0);
	for (i = 0; i < N(cases); i++) {
		at = strstr(buf_str(&lines), cases[i].from);
		assert_non_null(at);
		buf_init(&changed, 0);
		buf_add(&changed, lines.data, (size_t)(at - lines.data));
		buf_puts(&changed, cases[i].to);
		buf_puts(&changed, at + strlen(cases[i].from));
		message_init(&n);
		if (get(&n, &changed) != -1)
			fail_msg("case %zu: %s", i, cases[i].to);
		buf_fini(&changed);
	}
	buf_reset(&lines);
	assert_int_equal(get(&n, &lines), -1);
	buf_fini(&lines);
}

/* Of version 2: every other text is another one. */
static void
test_checksum(void **state)
{
	static const struct { const char *from, *to; } cases[] = {
		{ "dma-queue 2", "dma-queue 1" },
		{ "arrived 1700000000", "arrived 1700000001" },
		{ "ann@", "bob@" },
		{ "ret hdrs", "ret full" },
		{ "records 7", "records 6" },
		{ "text 1", "text 2" },
		{ "text 123456789abcdef0", "text 0000000000000000" },
		{ "check", "chekc" },
		{ "\nrecords", "\nrecord" },
	};
	struct buf changed, lines;
	struct message m, n;
	const char *at;
	size_t i;

	(void)state;
	fill(&m);
	buf_init(&lines, PREAMBLE_SIZE - 2);
	assert_int_equal(preamble_put(&lines, &m, 17, &sums), 0);
	for (i = 0; i < N(cases); i++) {
		at = strstr(buf_str(&lines), cases[i].from);
		assert_non_null(at);
		buf_init(&changed, 0);
		buf_add(&changed, lines.data, (size_t)(at - lines.data));
		buf_puts(&changed, cases[i].to);
		buf_puts(&changed, at + strlen(cases[i].from));
		message_init(&n);
		if (get(&n, &changed) != -1)
			fail_msg("case %zu: %s", i, cases[i].to);
		buf_fini(&changed);
	}
	buf_fini(&lines);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_checksum),
		cmocka_unit_test(test_what_is_put_is_read),
		cmocka_unit_test(test_longest_values_fit),
		cmocka_unit_test(test_values_that_are_refused),
		cmocka_unit_test(test_lines_that_are_not_understood),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
