/*
 * upstream_file_test.c - unit tests of spool/upstream_file.c.
 */
#include "spool/upstream_file.h"
#include "tests/unit/t.h"

#define NAME	"215bd9.55729b85e570"
#define Q	"ID: " NAME "\nSender: a@b.test\nRecipient: "

static void
test_ids_follow_from_names(void **state)
{
	static const struct {
		const char *name, *id;	/* NULL: it is none */
	} cases[] = {
		{ "0.0", "u00000000000000000000000" },
		{ "1.2", "u00000000000010000000002" },
		{ NAME, "u000000001auvt0xawd79d2o" },
		{ "ffffffffffffffff.cfd41b90fffff", "u3w5e11264sgsfzzzzzzzzzz" },
		{ "ffffffffffffffff.cfd41b9100000", NULL },
		{ "1.ffffffffffffffff", NULL },
		{ "1ffffffffffffffff.1", NULL },
		{ "", NULL }, { ".", NULL }, { "1", NULL }, { "1.", NULL },
		{ ".1", NULL }, { "1.2.3", NULL }, { "01.2", NULL },
		{ "1.02", NULL }, { "A.1", NULL }, { "1.g", NULL },
		{ "1.2 ", NULL }, { " 1.2", NULL }, { "1/2", NULL },
		{ "-1.2", NULL }, { "0x1.2", NULL }, { "1.2\n", NULL },
	};
	char id[QUEUE_ID_MAX + 1];
	size_t i;
	int ret;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		ret = upstream_id(cases[i].name, id);
		assert_int_equal(ret, cases[i].id == NULL ? -1 : 0);
		if (ret == -1)
			continue;
		assert_string_equal(id, cases[i].id);
		assert_true(message_id_ok(id));
	}
}

static void
test_envelopes(void **state)
{
	static const struct {
		const char *text, *sender, *recipient;
		int is_address;
	} cases[] = {
		{ Q "x@y.test\n", "a@b.test", "x@y.test", 1 },
		{ Q "bob\n", "a@b.test", "bob", 1 },
		{ Q "<X@Y.TEST>\n", "a@b.test", "X@y.test", 1 },
		{ Q "\303\266@y.test\n", "a@b.test", "\303\266@y.test", 1 },
		{ Q "two words\n", "a@b.test", "two words", 0 },
		{ Q "|/bin/sh\n", "a@b.test", "|/bin/sh", 0 },
		{ Q "/etc/passwd\n", "a@b.test", "/etc/passwd", 0 },
		{ Q "x@\n", "a@b.test", "x@", 0 },
		{ "ID: " NAME "\nSender: \nRecipient: bob\n", "", "bob", 1 },
	};
	struct upstream_envelope e;
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		assert_null(upstream_parse(cases[i].text,
		    strlen(cases[i].text), NAME, &e));
		assert_string_equal(e.sender, cases[i].sender);
		assert_string_equal(e.recipient, cases[i].recipient);
		assert_int_equal(e.is_address, cases[i].is_address);
	}
}

static void
test_other_texts_are_none(void **state)
{
	static const struct {
		const char *text;
		size_t len;
	} cases[] = {
		{ T("") }, { T("\n") }, { T("ID: " NAME "\n") },
		{ T(Q "bob") }, { T(Q "\n") }, { T(Q "  \n") }, { T(Q "bob\nX: y\n") },
		{ T(Q "bob\n\n") }, { T(Q "bob\nRecipient: carol\n") },
		{ T(Q "b\0b\n") }, { T(Q "bob\n\0") }, { T(Q "b\rb\n") },
		{ T(Q "b\tb\n") }, { T(Q "b\033b\n") }, { T(Q "b\177b\n") },
		{ T("ID: 1.2\nSender: a@b.test\nRecipient: bob\n") },
		{ T("ID:" NAME "\nSender: a@b.test\nRecipient: bob\n") },
		{ T("Id: " NAME "\nSender: a@b.test\nRecipient: bob\n") },
		{ T("Sender: a@b.test\nID: " NAME "\nRecipient: bob\n") },
		{ T("ID: " NAME "\nSender: a b@@\nRecipient: bob\n") },
	};
	struct upstream_envelope e;
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++)
		assert_non_null(upstream_parse(cases[i].text, cases[i].len,
		    NAME, &e));
}

/* Nor one that was cut anywhere. */
static void
test_every_part_of_a_text_is_none(void **state)
{
	static const char text[] = Q "x@y.test\n";
	struct upstream_envelope e;
	size_t len;

	(void)state;
	for (len = 0; len < sizeof(text) - 1; len++)
		assert_non_null(upstream_parse(text, len, NAME, &e));
}

static void
test_lengths_have_bounds(void **state)
{
	struct upstream_envelope e;
	struct buf b;
	size_t n;

	(void)state;
	for (n = 100; n < 5000; n += 100) {
		buf_init(&b, 0);
		buf_puts(&b, Q);
		while (b.len < n)
			buf_putc(&b, 'x');
		buf_putc(&b, '\n');
		if (upstream_parse(b.data, b.len, NAME, &e) == NULL)
			assert_true(strlen(e.recipient) <= ADDRESS_MAX);
		else
			assert_true(b.len > UPSTREAM_Q_MAX);
		buf_fini(&b);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ids_follow_from_names),
		cmocka_unit_test(test_envelopes),
		cmocka_unit_test(test_other_texts_are_none),
		cmocka_unit_test(test_every_part_of_a_text_is_none),
		cmocka_unit_test(test_lengths_have_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
