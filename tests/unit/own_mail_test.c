/*
 * own_mail_test.c - messages that this host itself sends.
 */
#include "lib/mail.h"
#include "queue/own_mail.h"
#include "tests/unit/t_queue.h"

#define ID	"own1"

static void
test_the_header_names_this_host_and_no_other(void **state)
{
	static const struct { const char *to, *line; } cases[] = {
		{ "postmaster", "\nTo: postmaster@host.test\n" },
		{ "ann@example.org", "\nTo: ann@example.org\n" },
	};
	static const char *const parts[] = {
		"Received: by host.test (dma ", "\n\tid " ID "; ",
		"\nFrom: Mail Delivery System <MAILER-DAEMON@host.test>\n",
		"\nMessage-ID: <" ID "@host.test>\n", "\nSubject: late\n",
		"\nAuto-Submitted: auto-replied\nMIME-Version: 1.0\n",
	};
	struct own_mail own = { NULL, ID, NULL, "late", "auto-replied",
	    1700000000 };
	struct t_spool q;
	struct buf b;
	size_t i, k;

	(void)state;
	t_spool_init(&q, "");
	own.conf = &q.conf;
	for (i = 0; i < N(cases); i++) {
		buf_init(&b, 0);
		own.to = cases[i].to;
		own_mail_put_header(&b, &own);
		assert_non_null(strstr(buf_str(&b), cases[i].line));
		for (k = 0; k < N(parts); k++)
			if (strstr(buf_str(&b), parts[k]) == NULL)
				fail_msg("%s: %s", parts[k], buf_str(&b));
		buf_fini(&b);
	}
	t_spool_fini(&q);
}

/* Commits a text whose header has that length. */
static int
commit(struct t_spool *q, const char *text, size_t header)
{
	struct message m;
	struct result res;
	struct buf b;
	int ret;

	t_message(&m, "ann@example.org", 1700000000, "postmaster", NULL);
	result_init(&res);
	buf_init(&b, 0);
	buf_puts(&b, text);
	ret = own_mail_commit(&q->sp, ID, &m, &b, header, &res);
	buf_fini(&b);
	result_fini(&res);
	message_fini(&m);
	return ret;
}

static void
test_it_is_from_the_null_sender_and_its_facts_are_known(void **state)
{
	static const struct { const char *text; size_t header; unsigned flags; }
	    cases[] = {
		{ "A: b\n\nc\n", 5, 0 },
		{ "A: b\n\n\xc3\xbc\n", 5, MESSAGE_8BIT_BODY },
	};
	struct t_spool q;
	struct message m;
	struct result res;
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		t_spool_init(&q, "");
		result_init(&res);
		assert_int_equal(commit(&q, cases[i].text, cases[i].header), 0);
		assert_int_equal(spool_load(&q.sp, ID, 0, &m, &res),
		    SPOOL_GOT);
		assert_string_equal(m.sender, "");
		assert_int_equal(m.text.flags, cases[i].flags);
		assert_int_equal(m.text.lines, 3);
		message_fini(&m);
		result_fini(&res);
		t_spool_fini(&q);
	}
}

static void
test_the_same_id_twice_is_one_message(void **state)
{
	struct t_spool q;

	(void)state;
	t_spool_init(&q, "");
	assert_int_equal(commit(&q, "A: b\n\nc\n", 5), 0);
	assert_int_equal(commit(&q, "A: b\n\nother\n", 5), 0);
	assert_int_equal(t_count(q.dir, "queue"), 1);
	t_spool_fini(&q);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_header_names_this_host_and_no_other),
		cmocka_unit_test(
		    test_it_is_from_the_null_sender_and_its_facts_are_known),
		cmocka_unit_test(test_the_same_id_twice_is_one_message),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
