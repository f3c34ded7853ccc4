/*
 * overview_text_test.c - dma status as people read it.
 */
#include <time.h>
#include <unistd.h>

#include "submit/overview.h"
#include "tests/unit/t.h"

#define NOW	1700000000	/* Tue, 14 Nov 2023 22:13:20 +0000 */

static struct overview *
empty(void)
{
	struct overview *o = calloc(1, sizeof(*o));

	assert_non_null(o);
	o->now = NOW;
	o->spool = "/var/spool/dma";
	o->queue.sees_all = 1;
	assert_int_equal(text_copy(o->relays, sizeof(o->relays),
	    "mail.test"), 0);
	return o;
}

#define NO_RUNNER	"ok      runner: none is active\n"
#define NO_MAIL		"ok      queue: 0 messages\n"

/* The lines, and how many of them are errors and warnings. */
static void
assert_shown(struct overview *o, unsigned errors, unsigned warnings,
    const char *want)
{
	struct findings f = { .form = FINDINGS_LINES };
	struct t_printed printed;
	struct buf got;

	buf_init(&got, 0);
	t_printed_begin(&printed, STDOUT_FILENO);
	overview_print_text(o, &f);
	t_printed_end(&printed, &got);
	t_assert_text(&got, want, strlen(want));
	assert_int_equal(f.n[FINDING_ERROR], errors);
	assert_int_equal(f.n[FINDING_WARNING], warnings);
	buf_fini(&got);
	free(o);
}

static void
test_without_a_runner(void **state)
{
	struct overview *o;

	(void)state;
	assert_shown(empty(), 0, 0, NO_RUNNER NO_MAIL);
	o = empty();
	o->queue.due_since = NOW - OVERVIEW_DUE_S;
	assert_shown(o, 0, 0, NO_RUNNER NO_MAIL);
	o = empty();
	o->queue.due_since = NOW - OVERVIEW_DUE_S - 1;
	assert_shown(o, 1, 0, "error   runner: none, and mail has been due for "
	    "1 min: run \"sendmail -qd\", and see the log\n" NO_MAIL);
	o = empty();
	o->queue.due_since = NOW - 3 * 86400 - 7200;
	o->is_defer = 1;
	assert_shown(o, 0, 0, NO_RUNNER NO_MAIL);
}

static void
test_with_a_runner(void **state)
{
	static const struct {
		enum runner_presence presence;
		const char *lines[2];
		const char *shown;
		unsigned warnings;
	} cases[] = {
		{ RUNNER_THERE, { NULL }, "ok      runner: active\n", 0 },
		{ RUNNER_MUTE, { NULL }, "warning runner: active, but it does "
		  "not reply\n", 1 },
		{ RUNNER_THERE, { "runner\t12\t0.2\t1699992740\tinit",
		  "active\t0" }, "ok      runner: active, process 12, version "
		  "0.2, since Tue, 14 Nov 2023 20:12:20 +0000 (2 h 1 min ago), "
		  "started by init, 0 messages being tried\n", 0 },
		{ RUNNER_THERE, { "runner\t12\t0.2\t1700000000\tcall",
		  "active\t1" }, "ok      runner: active, process 12, version "
		  "0.2, since Tue, 14 Nov 2023 22:13:20 +0000 (0 s ago), "
		  "started by a call, 1 message being tried\n", 0 },
		/* A clock that was set back. */
		{ RUNNER_MUTE, { "runner\t12\t0.2\t1700000060\tinit" },
		  "warning runner: active, process 12, version 0.2, since "
		  "Tue, 14 Nov 2023 22:14:20 +0000 (0 s ago), started by "
		  "init, but it does not reply\n", 1 },
	};
	struct overview *o;
	char want[512];
	size_t i, k;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		o = empty();
		o->runner.presence = cases[i].presence;
		for (k = 0; k < 2 && cases[i].lines[k] != NULL; k++)
			runner_state_take(&o->runner, cases[i].lines[k]);
		/* No matter what is due. */
		o->queue.due_since = 1;
		snprintf(want, sizeof(want), "%s%s", cases[i].shown, NO_MAIL);
		assert_shown(o, 0, cases[i].warnings, want);
	}
}

static void
test_the_queue(void **state)
{
	struct overview *o;

	(void)state;
	o = empty();
	o->queue.messages[QUEUE_CLASS_DUE] = 1;
	o->queue.bytes = 1;
	o->queue.oldest = NOW - 59;
	assert_shown(o, 0, 0, NO_RUNNER "ok      queue: 1 message, 1 due; "
	    "1 KB; the oldest is 59 s old\n");
	o = empty();
	o->queue.messages[QUEUE_CLASS_DEFERRED] = 2;
	o->queue.messages[QUEUE_CLASS_REPORT] = 3;
	o->queue.bytes = 1024 * 1024 + 1;
	o->queue.oldest = NOW - 5 * 86400;
	o->queue.sees_all = 0;
	o->queue.unreadable = 7;	/* of others */
	assert_shown(o, 0, 0, NO_RUNNER "ok      your mail: 5 messages, "
	    "2 deferred, 3 report; 1025 KB; the oldest is 5 d 0 h old\n");
	o = empty();
	o->queue.unreadable = 1;
	assert_shown(o, 0, 1, NO_RUNNER NO_MAIL "warning queue: 1 file cannot "
	    "be read: run \"sendmail -q\", and see the log\n");
	o = empty();
	o->queue.unreadable = 2;
	assert_shown(o, 0, 1, NO_RUNNER NO_MAIL "warning queue: 2 files cannot "
	    "be read: run \"sendmail -q\", and see the log\n");
}

static void
test_destinations(void **state)
{
	static const struct {
		const char *line, *shown;
		unsigned warnings;
	} cases[] = {
		{ "destination\trelay\t\tidle\t0\t",
		  "ok      relay mail.test: idle\n", 0 },
		{ "destination\tdomain\tfar.test\tconnected\t1\t",
		  "ok      far.test: connected, 1 message being sent\n", 0 },
		{ "destination\tdomain\tfar.test\twaiting\t2\t",
		  "ok      far.test: waiting, 2 messages to be sent\n", 0 },
		{ "destination\tdomain\tfar.test\tconnected\t2\tslow",
		  "warning far.test: connected, 2 messages being sent: slow\n",
		  1 },
		{ "backoff\tdomain\tfar.test\t1\t1700000090\t0\taway",
		  "warning far.test: unreachable; 1 failed attempt; next "
		  "attempt Tue, 14 Nov 2023 22:14:50 +0000 (in 1 min): away\n",
		  1 },
		{ "backoff\trelay\t\t12\t1700003600\t1\t",
		  "warning relay mail.test: unreachable, 1 message waiting; 12 "
		  "failed attempts; next attempt Tue, 14 Nov 2023 23:13:20 "
		  "+0000 (in 1 h 0 min)\n", 1 },
		/* It is late. */
		{ "backoff\tdomain\tfar.test\t2\t1699999999\t3\t",
		  "warning far.test: unreachable, 3 messages waiting; 2 "
		  "failed attempts; next attempt now\n", 1 },
		/* A flush made the probe due, and no message waits. */
		{ "backoff\tdomain\tfar.test\t1\t0\t0\taway",
		  "warning far.test: unreachable; 1 failed attempt; next "
		  "attempt with the next message: away\n", 1 },
		{ "destination\tdomain\tx\x01\xff\tidle\t0\ta\x1b[2Jb",
		  "warning x\\001\\377: idle: a\\033[2Jb\n", 1 },
		{ "omitted\t3", "ok      other destinations: 3\n", 0 },
	};
	struct overview *o;
	char want[512];
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		o = empty();
		runner_state_take(&o->runner, cases[i].line);
		snprintf(want, sizeof(want), "%s%s", NO_RUNNER NO_MAIL,
		    cases[i].shown);
		assert_shown(o, 0, cases[i].warnings, want);
	}
}

static void
defer(struct overview *o, const char *domain, size_t n, time_t next,
    const char *text)
{
	struct tally_entry *e = tally_add(&o->queue.domains, domain);

	assert_non_null(e);
	e->n = n;
	e->next = next;
	tally_copy(e->text, sizeof(e->text), text);
}

static void
count_reason(struct overview *o, const char *key, const char *text, size_t n)
{
	struct tally_entry *e = tally_add(&o->queue.reasons, key);

	assert_non_null(e);
	e->n = n;
	tally_copy(e->text, sizeof(e->text), text);
}

/* A reason that is one of the lines above has none of its own. */
static void
test_deferred_mail(void **state)
{
	struct overview *o;

	(void)state;
	o = empty();
	defer(o, "a.test", 1, NOW, "450 4.2.0 busy\r\nok");
	defer(o, "b.test", 2, NOW + 1, "");
	count_reason(o, "4.2.0 busy", "busy", 1);
	count_reason(o, "4.4.1 no route", "no route", 1);
	count_reason(o, "4.4.1 x", "x", 2);
	assert_shown(o, 0, 4, NO_RUNNER NO_MAIL
	    "warning a.test: 1 recipient deferred; next attempt now, or when "
	    "the host can be reached; last reply: 450 4.2.0 busy ok\n"
	    "warning b.test: 2 recipients deferred; next attempt Tue, 14 Nov "
	    "2023 22:13:21 +0000 (in 1 s); last reply: none\n"
	    "warning deferred: 1 recipient: 4.4.1 no route\n"
	    "warning deferred: 2 recipients: 4.4.1 x\n");
}

/* A destination that is away says the same of its domain. */
static void
test_an_outage_is_one_line(void **state)
{
	struct overview *o;

	(void)state;
	o = empty();
	runner_state_take(&o->runner,
	    "backoff\tdomain\ta.test\t1\t1700000090\t1\taway");
	runner_state_take(&o->runner, "destination\tdomain\tc.test\tidle\t0\t"
	    "slow");
	defer(o, "a.test", 1, NOW, "away");
	defer(o, "b.test", 1, NOW, "busy");
	defer(o, "c.test", 1, NOW, "slow");
	assert_shown(o, 0, 4, NO_RUNNER NO_MAIL
	    "warning a.test: unreachable, 1 message waiting; 1 failed attempt; "
	    "next attempt Tue, 14 Nov 2023 22:14:50 +0000 (in 1 min): away\n"
	    "warning c.test: idle: slow\n"
	    "warning b.test: 1 recipient deferred; next attempt now, or when "
	    "the host can be reached; last reply: busy\n"
	    "warning c.test: 1 recipient deferred; next attempt now, or when "
	    "the host can be reached; last reply: slow\n");
}

/* Of many, the first ten are shown; then reasons are not all on those lines. */
static void
test_many_domains_and_reasons(void **state)
{
	static const struct {
		size_t	 n, each, others;
		const char *rest;
	} cases[] = {
		{ 10, 1, 0, "" },
		{ 11, 1, 0, "warning other domains: 1 recipient deferred\n" },
		{ 10, 1, 1, "warning other domains: 1 recipient deferred\n" },
		{ 12, 3, 4, "warning other domains: 10 recipients deferred\n" },
	};
	struct overview *o;
	struct buf want;
	char name[32];
	size_t i, k;

	(void)state;
	buf_init(&want, 0);
	for (i = 0; i < N(cases); i++) {
		o = empty();
		buf_reset(&want);
		buf_puts(&want, NO_RUNNER NO_MAIL);
		for (k = 0; k < cases[i].n; k++) {
			snprintf(name, sizeof(name), "d%zu", k);
			defer(o, name, cases[i].each, 0, "no");
			count_reason(o, name, "no", 1);
			if (k < 10)
				buf_printf(&want, "warning %s: %zu recipient%s "
				    "deferred; next attempt now, or when the "
				    "host can be reached; last reply: no\n",
				    name, cases[i].each,
				    cases[i].each == 1 ? "" : "s");
		}
		o->queue.domains.others = cases[i].others;
		buf_puts(&want, cases[i].rest);
		for (k = 0; k < 10 && cases[i].rest[0] != '\0'; k++)
			buf_printf(&want, "warning deferred: 1 recipient: "
			    "d%zu\n", k);
		assert_shown(o, 0, cases[i].rest[0] == '\0' ? 10 : 21,
		    buf_str(&want));
	}
	buf_fini(&want);
}

static void
test_what_was_put_aside(void **state)
{
	struct overview *o = empty();

	(void)state;
	o->dead = 1;
	o->corrupt = 2;
	assert_shown(o, 0, 2, NO_RUNNER NO_MAIL
	    "warning /var/spool/dma/dead: 1 message whose failure could not be "
	    "reported: run \"dma queue list dead\"\n"
	    "warning /var/spool/dma/corrupt: 2 messages with a damaged file: "
	    "run \"dma queue list corrupt\"\n");
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_without_a_runner),
		cmocka_unit_test(test_with_a_runner),
		cmocka_unit_test(test_the_queue),
		cmocka_unit_test(test_destinations),
		cmocka_unit_test(test_deferred_mail),
		cmocka_unit_test(test_an_outage_is_one_line),
		cmocka_unit_test(test_many_domains_and_reasons),
		cmocka_unit_test(test_what_was_put_aside),
	};

	setenv("TZ", "UTC0", 1);
	tzset();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
