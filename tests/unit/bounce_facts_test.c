/*
 * bounce_facts_test.c - what is reported of each recipient, and to whom.
 */
#include "queue/bounce_facts.h"
#include "tests/unit/t.h"

#define NOW	1700000000
#define SENDER	"ann@from.test"
#define OWNER	"owner-list@here.test"
#define OTHER	"owner-other@here.test"

static struct recipient *
add(struct message *m, enum rcpt_state rcpt_state, enum action action,
    const char *sender)
{
	struct recipient *r = message_add(m, "bob@to.test");

	assert_non_null(r);
	r->state = rcpt_state;
	r->action = action;
	r->sender = sender == NULL ? NULL : strdup(sender);
	return r;
}

static void
message_from(struct message *m, const char *sender)
{
	message_init(m);
	m->arrived = NOW;
	assert_int_equal(text_copy(m->sender, sizeof(m->sender), sender), 0);
}

static const enum action actions[] = { ACTION_NONE, ACTION_FAILED,
    ACTION_DELAYED, ACTION_DELIVERED, ACTION_RELAYED, ACTION_EXPANDED };

/* Of one recipient in each state, with each NOTIFY. */
static void
test_delays(void **state)
{
	static const struct {
		enum rcpt_state rcpt_state;
		enum status status;
		unsigned notify;
		int	 is_delayed;
	} cases[] = {
		{ RCPT_OPEN, STATUS_DEFERRED, 0, 1 },
		{ RCPT_OPEN, STATUS_DEFERRED, NOTIFY_DELAY, 1 },
		{ RCPT_OPEN, STATUS_DEFERRED, NOTIFY_FAILURE | NOTIFY_DELAY,
		  1 },
		{ RCPT_OPEN, STATUS_DEFERRED, NOTIFY_FAILURE, 0 },
		{ RCPT_OPEN, STATUS_DEFERRED, NOTIFY_SUCCESS, 0 },
		{ RCPT_OPEN, STATUS_DEFERRED, NOTIFY_NEVER, 0 },
		{ RCPT_OPEN, STATUS_SENT, 0, 0 },
		{ RCPT_OPEN, STATUS_FAILED, 0, 0 },
		{ RCPT_SENT, STATUS_DEFERRED, 0, 0 },
		{ RCPT_FAILED, STATUS_DEFERRED, 0, 0 },
		{ RCPT_EXPANDED, STATUS_DEFERRED, 0, 0 },
	};
	struct bounce t;
	struct message m;
	struct recipient *r;
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		message_from(&m, SENDER);
		r = add(&m, cases[i].rcpt_state, ACTION_NONE, NULL);
		r->notify = cases[i].notify;
		r->last.status = cases[i].status;
		if (bounce_has_delay(&m) != cases[i].is_delayed)
			fail_msg("case %zu", i);
		t = (struct bounce){ .m = &m, .sender = m.sender,
		    .is_delay = 1 };
		assert_int_equal(bounce_action(&t, 0), cases[i].is_delayed ?
		    ACTION_DELAYED : ACTION_NONE);
		assert_int_equal(bounce_count(&t, ACTION_DELAYED),
		    cases[i].is_delayed);
		/* A final status, if there is one, is another report. */
		r->action = ACTION_FAILED;
		assert_int_equal(bounce_count(&t, ACTION_FAILED), 0);
		/* Nobody is told of the delay of a report. */
		m.sender[0] = '\0';
		assert_int_equal(bounce_has_delay(&m), 0);
		message_fini(&m);
	}
	message_from(&m, SENDER);
	assert_int_equal(bounce_has_delay(&m), 0);
	add(&m, RCPT_SENT, ACTION_NONE, NULL);
	assert_int_equal(bounce_has_delay(&m), 0);
	add(&m, RCPT_OPEN, ACTION_NONE, NULL)->last.status = STATUS_DEFERRED;
	assert_int_equal(bounce_has_delay(&m), 1);
	message_fini(&m);
}

/* Each status is in the report to one of them, and once. */
static void
test_each_is_told_what_is_theirs(void **state)
{
	static const struct {
		const char *sender;	/* of the recipient */
		enum action action;
		int	 is_reported;
		const char *to;		/* NULL: nobody */
	} cases[] = {
		{ NULL, ACTION_FAILED, 0, SENDER },
		{ NULL, ACTION_FAILED, 1, NULL },
		{ NULL, ACTION_NONE, 0, NULL },
		{ NULL, ACTION_DELIVERED, 0, SENDER },
		{ NULL, ACTION_RELAYED, 0, SENDER },
		{ NULL, ACTION_EXPANDED, 0, SENDER },
		{ OWNER, ACTION_FAILED, 0, OWNER },
		{ OWNER, ACTION_FAILED, 1, NULL },
		{ OTHER, ACTION_FAILED, 0, OTHER },
		{ OTHER, ACTION_NONE, 0, NULL },
		/* The owner's list is also theirs. */
		{ SENDER, ACTION_FAILED, 0, SENDER },
		{ "", ACTION_FAILED, 0, "" },
	};
	static const char *const readers[] = { SENDER, OWNER, OTHER, "",
	    "ANN@from.test" };
	struct bounce t = { .is_delay = 0 };
	struct message m;
	uint32_t i, n;
	size_t k, a;

	(void)state;
	message_from(&m, SENDER);
	for (i = 0; i < N(cases); i++)
		add(&m, RCPT_FAILED, cases[i].action, cases[i].sender)->
		    is_reported = cases[i].is_reported;
	t.m = &m;
	for (k = 0; k < N(readers); k++) {
		t.sender = readers[k];
		for (n = i = 0; i < N(cases); i++) {
			n += bounce_action(&t, i) != ACTION_NONE;
			assert_int_equal(bounce_action(&t, i),
			    cases[i].to != NULL && strcmp(cases[i].to,
			    readers[k]) == 0 ? cases[i].action : ACTION_NONE);
		}
		for (a = 1; a < N(actions); a++)
			n -= bounce_count(&t, actions[a]);
		assert_int_equal(n, 0);
		assert_int_equal(bounce_is_orphan(&t), readers[k][0] == '\0');
		assert_int_equal(bounce_is_for_owner(&t), k != 0);
	}
	message_fini(&m);
}

static void
test_counts(void **state)
{
	struct bounce t = { .sender = SENDER };
	struct message m;
	uint32_t i;
	size_t a, b;

	(void)state;
	message_from(&m, SENDER);
	t.m = &m;
	assert_int_equal(bounce_count(&t, ACTION_FAILED), 0);
	assert_int_equal(bounce_count(&t, ACTION_NONE), 0);
	/* The first once, the second twice, and so on. */
	for (a = 0; a < N(actions); a++)
		for (b = 0; b <= a; b++)
			add(&m, RCPT_FAILED, actions[a], NULL);
	for (a = 0; a < N(actions); a++)
		assert_int_equal(bounce_count(&t, actions[a]), a + 1);
	for (i = 0; i < m.nrcpts; i++)
		m.rcpts[i].is_reported = 1;
	for (a = 1; a < N(actions); a++)
		assert_int_equal(bounce_count(&t, actions[a]), 0);
	message_fini(&m);
}

static void
test_reasons(void **state)
{
	struct result res;
	size_t i;

	(void)state;
	for (i = 0; i < N(actions); i++)
		assert_int_equal(bounce_has_arrived(actions[i]),
		    actions[i] == ACTION_DELIVERED ||
		    actions[i] == ACTION_EXPANDED);
	result_init(&res);
	assert_int_equal(bounce_has_reason(&res), 0);
	result_set(&res, STATUS_FAILED, "5.0.0", "%s", "");
	assert_int_equal(bounce_has_reason(&res), 0);
	result_set(&res, STATUS_FAILED, "5.0.0", "no");
	assert_int_equal(bounce_has_reason(&res), 1);
	result_fini(&res);
}

static void
test_dates(void **state)
{
	struct bounce t = { .is_delay = 1 };
	struct message m;
	struct conf conf;
	struct buf b;

	(void)state;
	memset(&conf, 0, sizeof(conf));
	message_from(&m, SENDER);
	t.m = &m;
	t.conf = &conf;
	assert_int_equal(bounce_expires(&t), NOW);
	conf.retry.lifetime_s = 5 * 86400;
	assert_int_equal(bounce_expires(&t), NOW + 5 * 86400);
	setenv("TZ", "UTC", 1);
	tzset();
	buf_init(&b, 0);
	bounce_put_date(&b, "<", NOW, ">");
	bounce_put_date(&b, "", 0, "\n");
	t_assert_text(&b, T("<Tue, 14 Nov 2023 22:13:20 +0000>"
	    "Thu, 1 Jan 1970 00:00:00 +0000\n"));
	buf_fini(&b);
	message_fini(&m);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_delays),
		cmocka_unit_test(test_each_is_told_what_is_theirs),
		cmocka_unit_test(test_counts),
		cmocka_unit_test(test_reasons),
		cmocka_unit_test(test_dates),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
