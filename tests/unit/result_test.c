/*
 * result_test.c - a reason is one printable line, whoever wrote it.
 */
#include "lib/result.h"
#include "tests/unit/t.h"

static void
test_set(void **state)
{
	static const struct {
		enum status status;
		const char *code, *reason, *kept_code, *kept;
		int ret;
	} cases[] = {
		{ STATUS_SENT, "2.0.0", "ok", "2.0.0", "ok", 0 },
		{ STATUS_DEFERRED, "4.2.2", "full", "4.2.2", "full", -1 },
		{ STATUS_FAILED, "5.1.1", "550 no\r\n550 user", "5.1.1",
		    "550 no 550 user", -1 },
		{ STATUS_FAILED, "", "\033]0;x\007", "", "\\033]0;x\\007", -1 },
		{ STATUS_DEFERRED, "4.999.999", "", "4.999.999", "", -1 },
		{ STATUS_DEFERRED, "4.1234.12345", "too long a code", "",
		    "too long a code", -1 },
	};
	struct result res;
	size_t i;

	(void)state;
	result_init(&res);
	for (i = 0; i < N(cases); i++) {
		assert_int_equal(result_set(&res, cases[i].status,
		    cases[i].code, "%s", cases[i].reason), cases[i].ret);
		assert_int_equal(res.status, cases[i].status);
		assert_string_equal(res.code, cases[i].kept_code);
		assert_string_equal(res.reason, cases[i].kept);
	}
	result_fini(&res);
	assert_null(res.reason);
	assert_int_equal(res.status, STATUS_NONE);
	result_fini(&res);
}

static void
test_why_is_bounded(void **state)
{
	struct result res;
	char *text;

	(void)state;
	text = malloc(3 * REASON_MAX);
	assert_non_null(text);
	memset(text, '\377', 3 * REASON_MAX - 1);
	text[3 * REASON_MAX - 1] = '\0';
	result_init(&res);
	result_set(&res, STATUS_DEFERRED, "4.0.0", "%s", text);
	assert_true(strlen(res.reason) <= REASON_MAX);
	assert_true(strlen(res.reason) > REASON_MAX - 8);
	assert_int_equal(strlen(res.reason) % 4, 0);	/* no escape is cut */
	result_fini(&res);
	free(text);
}

static void
test_set_from_itself(void **state)
{
	struct result res;

	(void)state;
	result_init(&res);
	result_set(&res, STATUS_DEFERRED, "4.4.1", "timed out");
	result_set(&res, STATUS_FAILED, "4.4.7", "given up: %s", res.reason);
	assert_string_equal(res.reason, "given up: timed out");
	assert_int_equal(res.status, STATUS_FAILED);
	result_fini(&res);
}

static void
test_copy(void **state)
{
	struct result a, b;

	(void)state;
	result_init(&a);
	result_init(&b);
	result_set(&a, STATUS_FAILED, "5.1.1", "no such user");
	result_set(&b, STATUS_DEFERRED, "4.0.0", "other");
	result_copy(&b, &a);
	assert_int_equal(b.status, STATUS_FAILED);
	assert_string_equal(b.code, "5.1.1");
	assert_string_equal(b.reason, "no such user");
	assert_ptr_not_equal(b.reason, a.reason);
	result_copy(&a, &a);
	assert_string_equal(a.reason, "no such user");
	result_fini(&a);
	result_copy(&b, &a);
	assert_null(b.reason);
	assert_int_equal(b.status, STATUS_NONE);
	result_fini(&b);
}

static void
test_names(void **state)
{
	(void)state;
	assert_string_equal(status_name(STATUS_NONE), "open");
	assert_string_equal(status_name(STATUS_SENT), "sent");
	assert_string_equal(status_name(STATUS_DEFERRED), "deferred");
	assert_string_equal(status_name(STATUS_FAILED), "failed");
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_set),
		cmocka_unit_test(test_why_is_bounded),
		cmocka_unit_test(test_set_from_itself),
		cmocka_unit_test(test_copy),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests_name("result", tests, NULL, NULL);
}
