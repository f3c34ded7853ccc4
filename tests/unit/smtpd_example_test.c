/*
 * smtpd_example_test.c - the module example: its lines, and what each of its
 * hooks does.
 */
#include "tests/unit/t_smtpd.h"

#include "smtpd/modules/example.c"

#define X10	"xxxxxxxxxx"
#define X100	X10 X10 X10 X10 X10 X10 X10 X10 X10 X10
#define X500	X100 X100 X100 X100 X100

struct fixture {
	struct smtpd_host host;
	struct smtpd_session session;
	char	 dir[64], rcpts[64];
	void	*self;
};

static int
configure_it(struct fixture *f, const char *key, const char *value)
{
	const struct smtpd_setting line = { "conf", 1, key, value };

	return smtpd_module.configure(&f->host, &line, key != NULL, &f->self);
}

static void
start_it(struct fixture *f, const char *key, const char *value)
{
	memset(f, 0, sizeof(*f));
	t_dir(f->dir, sizeof(f->dir));
	t_smtpd_host_init(&f->host, f->dir);
	assert_int_equal(configure_it(f, key, value), 0);
	snprintf(f->rcpts, sizeof(f->rcpts), "first@to.test info@to.test");
	t_smtpd_init(&f->session, &f->host, f->rcpts);
}

static void
stop_it(struct fixture *f)
{
	smtpd_module.disconnect(f->self, &f->session);
	t_smtpd_fini(&f->session);
	smtpd_module.fini(f->self, &f->host);
	t_smtpd_host_fini(&f->host);
	t_dir_remove(f->dir);
}

static void
test_bad_lines_are_errors(void **state)
{
	static const struct {
		const char *key, *value, *text;
	} cases[] = {
		{ "WHAT", "x", "WHAT is an unknown key" },
		{ "DELAY", "", "DELAY takes milliseconds, at most 60000" },
		{ "DELAY", "1s", "DELAY takes milliseconds, at most 60000" },
		{ "DELAY", "-1", "DELAY takes milliseconds, at most 60000" },
		{ "DELAY", "60001", "DELAY takes milliseconds, at most "
		  "60000" },
		{ "ALIAS", "", "ALIAS takes two addresses" },
		{ "ALIAS", "a@b.test", "ALIAS takes two addresses" },
		{ "ALIAS", "a@b.test " X500 X10 X10,
		  "ALIAS takes two addresses" },
		{ "REFUSE", "", "REFUSE is empty or too long" },
		{ "REFUSE", X100 X10 X10 X10, "REFUSE is empty or too long" },
	};
	struct fixture f = { .self = NULL };
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		assert_int_equal(configure_it(&f, cases[i].key,
		    cases[i].value), -1);
		assert_string_equal(f.host.text, cases[i].text);
		smtpd_module.fini(f.self, &f.host);
	}
	assert_int_equal(f.host.errors, N(cases));
}

static void
test_without_lines_it_passes_all(void **state)
{
	struct smtpd_session *s;
	struct fixture f;

	(void)state;
	start_it(&f, NULL, NULL);
	s = &f.session;
	assert_int_equal(smtpd_module.connect(f.self, s), SMTPD_PASS);
	assert_int_equal(smtpd_module.rcpt(f.self, s, "info@to.test"),
	    SMTPD_PASS);
	assert_int_equal(smtpd_module.header(f.self, s, T(": x")), SMTPD_PASS);
	smtpd_module.reset(f.self, s);
	assert_string_equal(smtpd_recipient(s, 1), "info@to.test");
	stop_it(&f);
}

static void
test_the_banner_is_delayed(void **state)
{
	struct smtpd_session *s;
	struct fixture f;

	(void)state;
	start_it(&f, "DELAY", "1");
	s = &f.session;
	assert_int_equal(smtpd_module.connect(f.self, s), SMTPD_PENDING);
	assert_false(s->is_finished);
	while (!s->is_finished)
		t_smtpd_host_turn(&f.host);
	assert_int_equal(s->verdict, SMTPD_PASS);
	stop_it(&f);
	/* The end of the process does not wait for it. */
	start_it(&f, "DELAY", "60000");
	assert_int_equal(smtpd_module.connect(f.self, &f.session),
	    SMTPD_PENDING);
	stop_it(&f);
}

static void
test_an_alias_is_replaced_and_counted(void **state)
{
	struct smtpd_session *s;
	struct fixture f;

	(void)state;
	start_it(&f, "ALIAS", "info@to.test \tann@other.test");
	s = &f.session;
	assert_int_equal(smtpd_module.connect(f.self, s), SMTPD_PASS);
	assert_int_equal(smtpd_module.rcpt(f.self, s, "INFO@To.test"),
	    SMTPD_PASS);
	assert_string_equal(smtpd_recipient(s, 0), "first@to.test");
	assert_string_equal(smtpd_recipient(s, 1), "ann@other.test");
	assert_int_equal(smtpd_module.rcpt(f.self, s, "info@to.test.x"),
	    SMTPD_PASS);
	smtpd_module.reset(f.self, s);
	smtpd_module.reset(f.self, s);
	assert_int_equal(t_smtpd_host_counter(&f.host, "example_rewritten"),
	    1);
	stop_it(&f);
	/* What is no address is noticed with the first message. */
	start_it(&f, "ALIAS", "info@to.test nobody");
	assert_int_equal(smtpd_module.rcpt(f.self, &f.session,
	    "info@to.test"), SMTPD_TEMPORARY);
	assert_string_equal(f.session.reply,
	    "451 4.3.0 alias cannot be used");
	stop_it(&f);
}

static void
test_a_field_is_refused(void **state)
{
	static const struct {
		const char *field;
		size_t len;
		enum smtpd_verdict verdict;
	} cases[] = {
		{ T("X-Spam: yes"), SMTPD_PERMANENT },
		{ T("x-spam:\r\n yes"), SMTPD_PERMANENT },
		{ T("X-Spam:"), SMTPD_PERMANENT },
		{ T("X-Spam"), SMTPD_PASS },
		{ T("X-Spamassassin: x"), SMTPD_PASS },
		{ T("Subject: X-Spam: x"), SMTPD_PASS },
		{ T("X"), SMTPD_PASS },
	};
	struct fixture f;
	size_t i;

	(void)state;
	start_it(&f, "REFUSE", "X-Spam");
	for (i = 0; i < N(cases); i++) {
		f.session.reply[0] = '\0';
		if (smtpd_module.header(f.self, &f.session, cases[i].field,
		    cases[i].len) != cases[i].verdict)
			fail_msg("%s", cases[i].field);
		assert_int_equal(strncmp(f.session.reply, "550 5.7.1 ", 10) ==
		    0, cases[i].verdict == SMTPD_PERMANENT);
	}
	stop_it(&f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bad_lines_are_errors),
		cmocka_unit_test(test_without_lines_it_passes_all),
		cmocka_unit_test(test_the_banner_is_delayed),
		cmocka_unit_test(test_an_alias_is_replaced_and_counted),
		cmocka_unit_test(test_a_field_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
