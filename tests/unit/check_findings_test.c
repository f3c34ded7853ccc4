/*
 * check_findings_test.c - findings as text and as JSON.
 */
#include <unistd.h>

#include "submit/check_findings.h"
#include "tests/unit/t.h"

static void
assert_printed(enum findings_form form, const char *subject, unsigned line,
    const char *text, const char *expected)
{
	struct findings f = { .form = form };
	struct t_printed printed;
	struct buf got;

	buf_init(&got, 0);
	t_printed_begin(&printed, STDOUT_FILENO);
	findings_add(&f, FINDING_ERROR, subject, line, "%s", text);
	findings_end(&f);
	t_printed_end(&printed, &got);
	t_assert_text(&got, expected, strlen(expected));
	buf_fini(&got);
	assert_int_equal(f.n[FINDING_ERROR], 1);
}

static void
test_findings(void **state)
{
	(void)state;
	assert_printed(FINDINGS_LINES, "/etc/a", 3, "x\ny", "error   /etc/a:3: x y\n"
	    "1 error, 0 warnings\n");
	assert_printed(FINDINGS_LINES, "relay", 0, "r", "error   relay: r\n"
	    "1 error, 0 warnings\n");
	assert_printed(FINDINGS_JSON, "/a \"b\\", 7, "q\"\\",
	    "{\"level\":\"error\",\"subject\":\"/a \\\"b\\\\\",\"line\":7,"
	    "\"text\":\"q\\\"\\\\\"}\n{\"errors\":1,\"warnings\":0}\n");
	assert_printed(FINDINGS_JSON, "m\xc3\xbc\xff", 0, "t",
	    "{\"level\":\"error\",\"subject\":\"m\xc3\xbc\\ufffd\",\"text\":\"t\"}\n"
	    "{\"errors\":1,\"warnings\":0}\n");
	assert_printed(FINDINGS_SENDMAIL, "a\033\nb", 0, "rejected",
	    "a\\033 b... rejected\n1 error, 0 warnings\n");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_findings)
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
