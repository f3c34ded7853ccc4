/*
 * bounce_text_test.c - what people read in a report.
 */
#include "lib/addr.h"
#include "queue/bounce_text.h"
#include "tests/unit/t_queue.h"

#define NOW	1700000000

struct world {
	struct conf	 conf;
	struct message	 m;
	struct buf	 text;
};

static int
setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	assert_int_equal(conf_init(&w->conf), 0);
	assert_int_equal(conf_finish(&w->conf, NULL, "host.example.org"), 0);
	t_message(&w->m, "ann@example.org", NOW, "bob@example.org", NULL);
	buf_init(&w->text, 0);
	*state = w;
	return 0;
}

static int
teardown(void **state)
{
	struct world *w = *state;

	message_fini(&w->m);
	buf_fini(&w->text);
	conf_fini(&w->conf);
	free(w);
	return 0;
}

/* The text of a report about bob, who has that state. */
static const char *
text_of(struct world *w, const char *code, const char *reason)
{
	const struct bounce t = { &w->conf, &w->m, "ann@example.org", "b", NOW,
	    0 };
	struct recipient *r = &w->m.rcpts[0];

	if (r->action == ACTION_NONE)
		r->action = ACTION_FAILED;
	r->state = r->action == ACTION_FAILED ? RCPT_FAILED : RCPT_SENT;
	r->attempts = 9;
	result_set(&r->last, STATUS_FAILED, code, "%s", reason);
	buf_reset(&w->text);
	bounce_text_put(&w->text, &t);
	assert_false(buf_failed(&w->text));
	return buf_str(&w->text);
}

static void
assert_shown(struct world *w, const char *part)
{
	if (strstr(buf_str(&w->text), part) == NULL)
		fail_msg("%s: %s", part, buf_str(&w->text));
}

static void
test_a_long_reply_is_cut_between_words_and_characters(void **state)
{
	static const struct { size_t n; const char *byte; int is_cut; }
	    cases[] = {
		{ 500, "a", 0 }, { 700, "a", 1 }, { 700, "\xc3\xbc", 1 },
		{ 700, "a b ", 1 },
	};
	struct world *w = *state;
	const char *text;
	struct buf reply;
	size_t i;

	for (i = 0; i < N(cases); i++) {
		buf_init(&reply, 0);
		while (reply.len < cases[i].n)
			buf_puts(&reply, cases[i].byte);
		buf_puts(&reply, " end");
		text = text_of(w, "5.7.1", buf_str(&reply));
		assert_int_equal(strstr(text, "[...]\n\n    The message was") !=
		    NULL, cases[i].is_cut);
		assert_int_equal(strstr(text, " end\n") != NULL,
		    !cases[i].is_cut);
		assert_true(addr_is_utf8(text, strlen(text)));
		buf_fini(&reply);
	}
}

static void
test_the_age_of_an_expired_message_is_given_in_words(void **state)
{
	static const struct { int64_t age; const char *words; } cases[] = {
		{ 5 * 86400 + 3, "expired after 5 days and 9 attempts" },
		{ 86400, "expired after 1 day and 9" },
		{ 7200, "expired after 2 hours and 9" },
		{ 61, "expired after 1 minute and 9" },
		{ 3, "expired after 0 minutes and 9" },
		{ -9, "expired after 0 minutes and 9" },
	};
	struct world *w = *state;
	size_t i;

	for (i = 0; i < N(cases); i++) {
		w->m.arrived = NOW - cases[i].age;
		text_of(w, "4.4.1", "connect: timed out");
		assert_shown(w, cases[i].words);
	}
}

static void
test_each_code_has_its_advice(void **state)
{
	static const struct { const char *code; size_t relays;
	    const char *text; } cases[] = {
		{ "4.4.1", 0, "The mail server of that address could not" },
		{ "4.4.1", 1, "The outgoing mail server could not be reached" },
		{ "4.4.3", 0, "The mail servers of the domain could not" },
		{ "4.7.5", 1, "A secure connection could not be" },
		{ "4.2.1", 1, "Delivery was attempted until the message" },
		{ "5.1.1", 1, "Check the address for typing errors." },
		{ "5.1.10", 0, "The domain accepts no mail." },
		{ "5.1.2", 0, "The domain does not exist." },
		{ "5.3.45", 0, "If the reason above does not help," },
		{ "", 0, "If the reason above does not help," },
	};
	struct world *w = *state;
	size_t i;

	for (i = 0; i < N(cases); i++) {
		w->conf.relays.n = cases[i].relays;
		text_of(w, cases[i].code, "");
		assert_shown(w, cases[i].text);
		assert_shown(w, "no reason is known");
		w->conf.relays.n = 0;
	}
}

static void
test_a_success_is_reported_without_a_reason(void **state)
{
	static const struct { enum action action; const char *intro;
	    int is_final; } cases[] = {
		{ ACTION_DELIVERED, "Your message was delivered", 1 },
		{ ACTION_EXPANDED, "Your message was sent to the members", 1 },
		{ ACTION_RELAYED, "Your message was relayed", 0 },
	};
	struct world *w = *state;
	size_t i;

	for (i = 0; i < N(cases); i++) {
		w->m.rcpts[0].action = cases[i].action;
		text_of(w, "2.0.0", "250 queued");
		assert_shown(w, cases[i].intro);
		assert_shown(w, cases[i].is_final ? "\n<bob@example.org>\n" :
		    "\n<bob@example.org>:\n    250 queued\n");
	}
}

static void
test_no_reply_and_no_address_makes_a_long_line(void **state)
{
	struct world *w = *state;
	char reason[REASON_MAX + 1], address[TARGET_MAX + 1];
	const char *p, *nl;

	memset(reason, 'w', REASON_MAX);
	reason[REASON_MAX] = '\0';
	memset(address, 'a', TARGET_MAX);
	address[TARGET_MAX] = '\0';
	free(w->m.rcpts[0].address);
	w->m.rcpts[0].address = strdup(address);
	for (p = text_of(w, "5.1.1", reason); (nl = strchr(p, '\n')) != NULL;
	    p = nl + 1)
		assert_true(nl - p <= 998);
	assert_int_equal(*p, '\0');
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		CASE(test_a_long_reply_is_cut_between_words_and_characters),
		CASE(test_the_age_of_an_expired_message_is_given_in_words),
		CASE(test_each_code_has_its_advice),
		CASE(test_a_success_is_reported_without_a_reason),
		CASE(test_no_reply_and_no_address_makes_a_long_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
