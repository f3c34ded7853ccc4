/*
 * salvage_test.c - the text of a damaged queue file.
 */
#include <errno.h>

#include "spool/salvage.h"
#include "tests/unit/t_queue.h"

#define JOURNAL	"R\t0\t0\t0\t0\t0\t0\t0\t0123456789abcdef\tbob\t\n"
#define GOOD	"dma-queue 1\narrived 1700000000\nsubmitter 1001\n" \
		"offset 1024\nlength 18\nlines 3\nflags 0\nhops 0\n" \
		"sender <ann@host.test>\n"
#define TEXT	"Subject: x\n\nbody\n\n"

static void
test_the_text_ends_before_the_last_journal(void **state)
{
	static const struct {
		const char *preamble, *rest;
		size_t size;
		int64_t length, lines;	/* 0: there is no text */
		unsigned flags;
	} cases[] = {
		/* Only the journal is damaged: as the preamble has it. */
		{ GOOD, T(TEXT JOURNAL "?\n"), 18, 3, 0 },
		{ GOOD, T(TEXT "?\n"), 18, 3, 0 },
		/* It is cut. */
		{ GOOD, T("Subject: x\n\nbo"), 14, 2, 0 },
		{ GOOD, T(""), 0, 0, 0 },
		/* Nothing of the preamble can be read. */
		{ "dma-queue 7\n", T(TEXT JOURNAL), 18, 4, 0 },
		{ "", T(TEXT JOURNAL TEXT JOURNAL), 74, 9, 0 },
		{ "", T(TEXT), 18, 4, 0 },
		{ "", T("Subject: \xfc\n\nx\n" JOURNAL), 14, 3,
		    MESSAGE_8BIT_HEADER },
		{ "", T("Subject: x\n\n\xfc\n" JOURNAL), 14, 3,
		    MESSAGE_8BIT_BODY },
		/* A text that is no journal. */
		{ "", T("S: x\n\n R\t0\t0\t0\t\nR\t0\n"), 20, 4, 0 },
		{ "", T(JOURNAL), 0, 0, 0 },
	};
	struct message m;
	struct result res;
	struct t_spool t;
	struct buf b;
	size_t i;

	(void)state;
	result_init(&res);
	for (i = 0; i < N(cases); i++) {
		t_spool_init(&t, "");
		buf_init(&b, 0);
		buf_printf(&b, "%-1023s\n", cases[i].preamble);
		buf_add(&b, cases[i].rest, cases[i].size);
		t_put(t_path(t.dir, "queue/a1"), buf_str(&b), b.len, 0600);
		if (spool_load(&t.sp, "a1", 0, &m, &res) != SPOOL_CORRUPT)
			fail_msg("case %zu is not damaged", i);
		if (salvage_text(&m) != (cases[i].length > 0 ? 0 : -1))
			fail_msg("case %zu: %s", i, strerror(errno));
		if (cases[i].length > 0 && (m.text.offset != 1024 ||
		    m.text.length != cases[i].length ||
		    m.text.lines != cases[i].lines ||
		    m.text.flags != cases[i].flags))
			fail_msg("case %zu: length %d, lines %d, flags %x", i,
			    (int)m.text.length, (int)m.text.lines,
			    m.text.flags);
		message_fini(&m);
		buf_fini(&b);
		t_spool_fini(&t);
	}
	result_fini(&res);
}

/* The place where the journal begins may be in two chunks. */
static void
test_a_long_text_is_searched_in_parts(void **state)
{
	struct message m;
	struct result res;
	struct t_spool t;
	struct buf b;
	size_t n;

	(void)state;
	result_init(&res);
	for (n = 64500; n < 64530; n++) {
		t_spool_init(&t, "");
		buf_init(&b, 0);
		buf_printf(&b, "%-1023s\n", "");
		while (b.len < 1024 + n - 1)
			buf_putc(&b, 'x');
		buf_puts(&b, "\n" JOURNAL);
		while (b.len < 200 * 1024)
			buf_puts(&b, "S\t0\n");
		t_put(t_path(t.dir, "queue/a1"), buf_str(&b), b.len, 0600);
		assert_int_equal(spool_load(&t.sp, "a1", 0, &m, &res),
		    SPOOL_CORRUPT);
		assert_int_equal(salvage_text(&m), 0);
		assert_int_equal(m.text.length, n);
		message_fini(&m);
		buf_fini(&b);
		t_spool_fini(&t);
	}
	result_fini(&res);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_text_ends_before_the_last_journal),
		cmocka_unit_test(test_a_long_text_is_searched_in_parts),
	};

	return cmocka_run_group_tests_name("salvage", tests, NULL, NULL);
}
