/*
 * smtpd_broker_settings_test.c - the settings of the amqp module.
 */
#include "smtpd/modules/broker_settings.h"
#include "tests/unit/t.h"

#define LONG_NAME	\
	"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" \
	"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" \
	"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" \
	"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static void
test_a_bad_value_is_refused(void **state)
{
	static const struct {
		const char *key, *value;
		int ret;
	} cases[] = {
		{ "VHOST", "/", 0 }, { "VHOST", "", 0 },
		{ "VHOST", LONG_NAME, -1 }, { "EXCHANGE", LONG_NAME, -1 },
		{ "CA", "/etc/ssl/ca.pem", 0 }, { "CA", "ca.pem", -1 },
		{ "LOGIN", "", -1 }, { "TEMPORARY", "tmp", -1 },
		{ "HEARTBEAT", "0", -1 }, { "HEARTBEAT", "1", 0 },
		{ "HEARTBEAT", "3600", 0 }, { "HEARTBEAT", "3601", -1 },
		{ "TIMEOUT", "-1", -1 }, { "TIMEOUT", " 5", -1 },
		{ "TIMEOUT", "5s", -1 }, { "TIMEOUT", "", -1 },
		{ "IN_FLIGHT", "99999999999999999999999", -1 },
		{ "IN_FLIGHT", "65535", 0 }, { "IN_FLIGHT", "65536", -1 },
		{ "broker", "one", -1 }, { "", "", -1 }, { "QUEUE", "x", -1 },
	};
	struct broker_settings s;
	const char *reason;
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		print_message("%s \"%s\"\n", cases[i].key, cases[i].value);
		broker_settings_init(&s);
		reason = NULL;
		assert_int_equal(broker_settings_set(&s, cases[i].key,
		    cases[i].value, &reason), cases[i].ret);
		assert_true(cases[i].ret == 0 || reason != NULL);
		broker_settings_fini(&s);
	}
	assert_int_equal(broker_settings_set(&s, "HEARTBEAT", "3601", &reason),
	    -1);
	assert_string_equal(reason, "must be a number from 1 to 3600");
}

static void
test_a_broker_is_a_host_and_perhaps_a_port(void **state)
{
	static const struct {
		const char *value;
		int ret;
		const char *host;
		unsigned port, port_tls;
	} cases[] = {
		{ "one.example", 0, "one.example", 5672, 5671 },
		{ "one.example:99", 0, "one.example", 99, 99 },
		{ "192.0.2.1:65535", 0, "192.0.2.1", 65535, 65535 },
		{ "[2001:db8::1]", 0, "2001:db8::1", 5672, 5671 },
		{ "[2001:db8::1]:1", 0, "2001:db8::1", 1, 1 },
		{ "", -1, NULL, 0, 0 }, { ":5672", -1, NULL, 0, 0 },
		{ "one:", -1, NULL, 0, 0 }, { "one:0", -1, NULL, 0, 0 },
		{ "one:65536", -1, NULL, 0, 0 }, { "[::1", -1, NULL, 0, 0 },
		{ "[]:1", -1, NULL, 0, 0 }, { "[::1]x", -1, NULL, 0, 0 },
		{ "2001:db8::1", -1, NULL, 0, 0 },
		{ LONG_NAME, -1, NULL, 0, 0 },
	};
	struct broker_settings s;
	const char *reason;
	size_t i, tls;

	(void)state;
	for (i = 0; i < 2 * N(cases); i++) {
		tls = i % 2;
		print_message("\"%s\"\n", cases[i / 2].value);
		broker_settings_init(&s);
		if (tls)
			assert_int_equal(broker_settings_set(&s, "CA", "/ca",
			    &reason), 0);
		assert_int_equal(broker_settings_set(&s, "BROKER",
		    cases[i / 2].value, &reason), cases[i / 2].ret);
		broker_settings_complete(&s);
		assert_int_equal(s.nbrokers, 1);
		assert_string_equal(s.brokers[0].host, cases[i / 2].ret == 0 ?
		    cases[i / 2].host : "127.0.0.1");
		if (cases[i / 2].ret == 0)
			assert_int_equal(s.brokers[0].port, tls ?
			    cases[i / 2].port_tls : cases[i / 2].port);
		broker_settings_fini(&s);
	}
}

static void
test_brokers_keep_their_order_and_are_bounded(void **state)
{
	struct broker_settings s;
	const char *reason;
	char name[32];
	size_t i;

	(void)state;
	broker_settings_init(&s);
	for (i = 0; i < BROKER_MAX; i++) {
		snprintf(name, sizeof(name), "b%zu", i);
		assert_int_equal(broker_settings_set(&s, "BROKER", name,
		    &reason), 0);
	}
	assert_int_equal(broker_settings_set(&s, "BROKER", "more", &reason),
	    -1);
	assert_string_equal(s.brokers[0].host, "b0");
	assert_string_equal(s.brokers[BROKER_MAX - 1].host, "b15");
	broker_settings_fini(&s);
}

static void
test_a_login_is_two_lines_that_others_cannot_read(void **state)
{
	static const struct {
		const char *text;
		mode_t mode;
		int ret;
	} cases[] = {
		{ "ann\nse cret\n", 0600, 0 }, { "ann\nse cret", 0640, 0 },
		{ "ann\nse cret\n", 0644, -1 }, { "ann\nse cret\n", 0660, -1 },
		{ "ann\nse cret\n", 0604, -1 }, { "ann\n", 0600, -1 },
		{ "ann\n\n", 0600, -1 }, { "\nx\n", 0600, -1 },
		{ "", 0600, -1 }, { "ann\nx\nmore\n", 0600, -1 },
		{ LONG_NAME "\nx\n", 0600, -1 },
	};
	struct broker_settings s;
	char dir[256];
	const char *reason;
	size_t i;

	(void)state;
	t_dir(dir, sizeof(dir));
	for (i = 0; i < N(cases); i++) {
		print_message("%zu\n", i);
		broker_settings_init(&s);
		t_put(t_path(dir, "login"), cases[i].text,
		    strlen(cases[i].text), cases[i].mode);
		assert_int_equal(broker_settings_set(&s, "LOGIN",
		    t_path(dir, "login"), &reason), 0);
		assert_int_equal(broker_settings_login(&s, &reason),
		    cases[i].ret);
		if (cases[i].ret == 0) {
			assert_string_equal(s.user, "ann");
			assert_string_equal(s.password, "se cret");
		}
		broker_settings_fini(&s);
		assert_int_equal(remove(t_path(dir, "login")), 0);
	}
	t_dir_remove(dir);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_bad_value_is_refused),
		cmocka_unit_test(test_a_broker_is_a_host_and_perhaps_a_port),
		cmocka_unit_test(test_brokers_keep_their_order_and_are_bounded),
		cmocka_unit_test(
		    test_a_login_is_two_lines_that_others_cannot_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
