/*
 * smtpd_stage_test.c - in which order modules are asked, and whose verdict it
 * is.
 */
#include "smtpd/stage.h"
#include "tests/unit/t.h"

#define MODULES	4

/* A module that does what a letter of a script says; see verdict_of(). */
struct scripted {
	char	 does;
	char	 name;		/* in asked */
	struct buf *asked;	/* lent */
	const struct module *module;
};

static enum smtpd_verdict
verdict_of(char letter)
{
	switch (letter) {
	case 'A':
		return SMTPD_ACCEPT;
	case 'T':
		return SMTPD_TEMPORARY;
	case 'N':
		return SMTPD_PERMANENT;
	case 'D':
		return SMTPD_DROP;
	case 'S':
		return SMTPD_DELIVERED;
	case '?':
		return SMTPD_PENDING;
	default:
		return SMTPD_PASS;
	}
}

/* In lower case, the verdict comes in the hook, which returns PENDING. */
static enum smtpd_verdict
on_deliver(void *self, struct smtpd_session *s)
{
	struct scripted *m = self;

	assert_ptr_equal(s->host->current, m->module);
	assert_true(s->host->is_in_hook);
	buf_putc(m->asked, m->name);
	if (m->does < 'a')
		return verdict_of(m->does);
	assert_int_equal(stage_finish(s, verdict_of((char)(m->does - 32))),
	    SMTPD_PENDING);
	return SMTPD_PENDING;
}

static enum smtpd_verdict
note(void *self, const struct smtpd_session *s, const char *hook,
    const char *text)
{
	struct scripted *m = self;

	assert_ptr_equal(s->host->current, m->module);
	buf_printf(m->asked, "%c.%s(%s) ", m->name, hook, text);
	return verdict_of(m->does);
}

static enum smtpd_verdict
on_connect(void *self, struct smtpd_session *s)
{
	return note(self, s, "connect", "");
}

static enum smtpd_verdict
on_helo(void *self, struct smtpd_session *s, const char *name)
{
	return note(self, s, "helo", name);
}

static enum smtpd_verdict
on_mail(void *self, struct smtpd_session *s, const char *path)
{
	return note(self, s, "mail", path);
}

static enum smtpd_verdict
on_rcpt(void *self, struct smtpd_session *s, const char *path)
{
	return note(self, s, "rcpt", path);
}

static enum smtpd_verdict
on_data(void *self, struct smtpd_session *s)
{
	return note(self, s, "data", "");
}

static enum smtpd_verdict
on_end_of_data(void *self, struct smtpd_session *s)
{
	return note(self, s, "end", "");
}

static enum smtpd_verdict
on_deliver_too(void *self, struct smtpd_session *s)
{
	return note(self, s, "deliver", "");
}

static const struct smtpd_module deliverer = { .deliver = on_deliver };
static const struct smtpd_module silent = { .name = "silent" };
static const struct smtpd_module complete = { .connect = on_connect,
    .helo = on_helo, .mail = on_mail, .rcpt = on_rcpt, .data = on_data,
    .end_of_data = on_end_of_data, .deliver = on_deliver_too };

struct fixture {
	struct smtpd_config conf;
	struct counters	 counters;
	struct smtpd_host host;
	struct smtpd_session session;
	struct scripted	 modules[MODULES];
	struct buf	 asked;
};

/* One module for each letter of the script. */
static struct fixture *
fixture_new(const struct smtpd_module *hooks, const char *script)
{
	struct fixture *f = calloc(1, sizeof(*f));
	size_t i;

	assert_non_null(f);
	f->host.conf = &f->conf;
	f->host.counters = &f->counters;
	f->host.nmodules = strlen(script);
	assert_true(f->host.nmodules <= MODULES);
	for (i = 0; i < f->host.nmodules; i++) {
		f->modules[i] = (struct scripted){ .does = script[i],
		    .name = (char)('0' + i), .asked = &f->asked,
		    .module = &f->host.modules[i] };
		f->host.modules[i] = (struct module){ .hooks = hooks,
		    .self = &f->modules[i] };
	}
	f->session.host = &f->host;
	return f;
}

static void
fixture_free(struct fixture *f)
{
	assert_null(f->host.current);
	assert_false(f->host.is_in_hook);
	assert_int_equal(atomic_load(&f->counters.module), 0);
	stage_end(&f->session);
	transaction_reset(&f->session.transaction);
	buf_fini(&f->asked);
	free(f);
}

/*
 * script: of the modules; finished: the verdicts that come later; asked: the
 * modules, "|" where a verdict was waited for.
 */
static void
test_verdicts(void **state)
{
	static const struct {
		const char	*script;
		int		 has_fallback;
		const char	*finished, *asked;
		char		 verdict;
	} cases[] = {
		{ "", 0, "", "", 'P' },
		{ "P", 0, "", "0", 'P' }, { "PPP", 0, "", "012", 'P' },
		{ "A", 0, "", "0", 'A' }, { "PAN", 0, "", "01", 'A' },
		{ "NPP", 0, "", "0", 'N' }, { "PTN", 0, "", "01", 'T' },
		{ "PPD", 0, "", "012", 'D' }, { "PS", 0, "", "01", 'S' },
		/* The verdict comes later. */
		{ "?", 0, "", "0", '?' },
		{ "?", 0, "P", "0|", 'P' }, { "?", 0, "A", "0|", 'A' },
		{ "?P", 0, "P", "0|1", 'P' }, { "?N", 0, "A", "0|", 'A' },
		{ "?N", 0, "P", "0|1", 'N' }, { "P?N", 0, "T", "01|", 'T' },
		{ "???", 0, "PPS", "0|1|2|", 'S' },
		{ "??", 0, "P", "0|1", '?' },
		/* To wait is no verdict. */
		{ "?N", 0, "?", "0|", '?' }, { "?N", 0, "??A", "0|||", 'A' },
		/* It comes in the hook. */
		{ "pN", 0, "", "01", 'N' }, { "aN", 0, "", "0", 'A' },
		{ "p?", 0, "", "01", '?' }, { "a?", 0, "", "0", 'A' },
		{ "p?", 0, "N", "01|", 'N' },
		{ "ppp", 0, "", "012", 'P' }, { "P?t", 0, "P", "01|2", 'T' },
		/* One out of turn changes nothing. */
		{ "N", 0, "A", "0|", 'N' }, { "?", 0, "AN", "0||", 'A' },
		{ "?P", 0, "PN", "0|1|", 'P' }, { "a", 0, "N", "0|", 'A' },
		/* The fallback, only when another is not able to now. */
		{ "S", 1, "", "", 'P' }, { "PS", 1, "", "0", 'P' },
		{ "SN", 1, "", "0", 'S' }, { "NS", 1, "", "0", 'N' },
		{ "DS", 1, "", "0", 'D' }, { "AS", 1, "", "0", 'A' },
		{ "TS", 1, "", "01", 'S' }, { "TPS", 1, "", "02", 'S' },
		{ "PTS", 1, "", "012", 'S' }, { "TT", 1, "", "01", 'T' },
		{ "TN", 1, "", "01", 'N' }, { "TP", 1, "", "01", 'P' },
		{ "T?", 1, "", "01", '?' }, { "T?", 1, "S", "01|", 'S' },
		{ "T?", 1, "T", "01|", 'T' }, { "T?", 1, "P", "01|", 'P' },
		{ "?S", 1, "T", "0|1", 'S' }, { "?PS", 1, "T", "0|2", 'S' },
		{ "?PS", 1, "P", "0|1", 'P' }, { "?S", 1, "N", "0|", 'N' },
		{ "??", 1, "TS", "0|1|", 'S' }, { "??", 1, "TT", "0|1|", 'T' },
		{ "?T", 1, "T", "0|1", 'T' }, { "ts", 1, "", "01", 'S' },
		{ "Tt", 1, "", "01", 'T' },
	};
	enum smtpd_verdict got, late;
	struct fixture *f;
	const char *p;
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		f = fixture_new(&deliverer, cases[i].script);
		if (cases[i].has_fallback)
			f->host.modules[f->host.nmodules - 1].is_fallback = 1;
		got = stage_begin(&f->session, STAGE_DELIVER);
		for (p = cases[i].finished; *p != '\0'; p++) {
			buf_putc(&f->asked, '|');
			late = stage_finish(&f->session, verdict_of(*p));
			if (got == SMTPD_PENDING)
				got = late;
			else
				assert_int_equal(late, SMTPD_PENDING);
		}
		if (got != verdict_of(cases[i].verdict) ||
		    strcmp(buf_str(&f->asked), cases[i].asked) != 0)
			fail_msg("\"%s\", then \"%s\": %d, asked %s",
			    cases[i].script, cases[i].finished, (int)got,
			    buf_str(&f->asked));
		assert_int_equal(f->session.stage.state,
		    got == SMTPD_PENDING ? STAGE_PENDING : STAGE_IDLE);
		fixture_free(f);
	}
}

/* Before deliver(), the fallback is a module like the others. */
static void
test_the_fallback_is_asked_of_other_stages(void **state)
{
	static const enum stage_name stages[] = { STAGE_CONNECT, STAGE_HELO,
	    STAGE_MAIL, STAGE_RCPT, STAGE_DATA, STAGE_END_OF_DATA };
	struct fixture *f;
	size_t i, k;

	(void)state;
	for (i = 0; i < 2 * N(stages); i++) {
		f = fixture_new(&complete, i % 2 == 0 ? "PN" : "TN");
		f->host.modules[1].is_fallback = 1;
		f->session.client.helo = NULL;
		assert_int_equal(transaction_begin(&f->session.transaction,
		    "1", "a@b", ""), 0);
		assert_int_equal(transaction_add(&f->session.transaction,
		    "c@d", ""), 0);
		f->session.transaction.recipients[0].is_asked = 1;
		k = i / 2;
		if (stages[k] == STAGE_HELO)
			f->session.client.helo = strdup("c.test");
		assert_int_equal(stage_begin(&f->session, stages[k]),
		    i % 2 == 0 ? SMTPD_PERMANENT : SMTPD_TEMPORARY);
		free(f->session.client.helo);
		fixture_free(f);
	}
}

static void
begin_envelope(struct fixture *f)
{
	struct transaction *t = &f->session.transaction;

	assert_int_equal(transaction_begin(t, "1", "a@b", ""), 0);
	assert_int_equal(transaction_add(t, "c@d", ""), 0);
	assert_int_equal(transaction_add(t, "e@f", ""), 0);
}

static void
test_each_stage_has_its_hook(void **state)
{
	static const struct {
		enum stage_name name;
		const char *asked;
	} cases[] = {
		{ STAGE_CONNECT, "0.connect() 2.connect() " },
		{ STAGE_HELO, "0.helo(c.test) 2.helo(c.test) " },
		{ STAGE_MAIL, "0.mail(a@b) 2.mail(a@b) " },
		{ STAGE_RCPT, "0.rcpt(e@f) 2.rcpt(e@f) " },
		{ STAGE_DATA, "0.data() 2.data() " },
		{ STAGE_END_OF_DATA, "0.end() 2.end() " },
		{ STAGE_DELIVER, "0.deliver() 2.deliver() " },
	};
	struct fixture *f = fixture_new(&complete, "PPP");
	char helo[] = "c.test";
	size_t i;

	(void)state;
	f->host.modules[1].hooks = &silent;
	f->session.client.helo = helo;
	begin_envelope(f);
	f->session.transaction.recipients[1].is_asked = 1;
	for (i = 0; i < N(cases); i++) {
		buf_reset(&f->asked);
		assert_int_equal(stage_begin(&f->session, cases[i].name),
		    SMTPD_PASS);
		assert_string_equal(buf_str(&f->asked), cases[i].asked);
	}
	fixture_free(f);
}

/* A module that is asked first has taken it out of the envelope. */
static void
test_nobody_is_asked_of_a_recipient_that_is_gone(void **state)
{
	struct fixture *f = fixture_new(&complete, "NN");

	(void)state;
	begin_envelope(f);
	assert_int_equal(stage_begin(&f->session, STAGE_RCPT), SMTPD_PASS);
	assert_string_equal(buf_str(&f->asked), "");
	fixture_free(f);
}

/* The words of one stage are not those of the next. */
static void
test_the_text_is_of_one_stage(void **state)
{
	struct fixture *f = fixture_new(&deliverer, "P");

	(void)state;
	f->session.stage.text = strdup("550 no");
	assert_int_equal(stage_begin(&f->session, STAGE_DATA), SMTPD_PASS);
	assert_null(f->session.stage.text);
	f->session.stage.text = strdup("550 no");
	stage_end(&f->session);
	assert_null(f->session.stage.text);
	stage_end(&f->session);
	fixture_free(f);
}

/* That a fallback was needed for one message is forgotten at the next. */
static void
test_a_fallback_is_needed_anew(void **state)
{
	struct fixture *f = fixture_new(&deliverer, "TS");

	(void)state;
	f->host.modules[1].is_fallback = 1;
	assert_int_equal(stage_begin(&f->session, STAGE_DELIVER),
	    SMTPD_DELIVERED);
	f->modules[0].does = 'S';
	assert_int_equal(stage_begin(&f->session, STAGE_DELIVER),
	    SMTPD_DELIVERED);
	f->modules[0].does = 'P';
	assert_int_equal(stage_begin(&f->session, STAGE_DELIVER), SMTPD_PASS);
	assert_string_equal(buf_str(&f->asked), "0100");
	fixture_free(f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_verdicts),
		cmocka_unit_test(test_the_fallback_is_asked_of_other_stages),
		cmocka_unit_test(test_each_stage_has_its_hook),
		cmocka_unit_test(
		    test_nobody_is_asked_of_a_recipient_that_is_gone),
		cmocka_unit_test(test_the_text_is_of_one_stage),
		cmocka_unit_test(test_a_fallback_is_needed_anew),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
