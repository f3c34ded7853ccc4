/*
 * usage_test.c - when a command prints its usage.
 */
#include "submit/usage.h"
#include "tests/unit/t.h"

static void
test_help_is_an_argument_of_commands_alone(void **state)
{
	static const struct {
		const char	*argv[5];
		int		 is_wanted;
	} cases[] = {
		{ { "dma", "check", "--help" }, 1 },
		{ { "dma", "status", "--help" }, 1 },
		{ { "dma", "setup", "--relay", "--help" }, 1 },
		{ { "dma", "queue", "hold", "--help" }, 1 },
		{ { "dma", "queue", "hold", "help" }, 0 },
		{ { "dma", "queue" }, 0 },
		{ { "dma", "--", "queue", "--help" }, 0 },
		{ { "sendmail", "--", "queue", "--help" }, 0 },
		{ { "mailq", "--help" }, 0 },
	};
	struct options o;
	struct buf reason;
	size_t i;
	int n;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		for (n = 0; cases[i].argv[n] != NULL; n++)
			;
		buf_init(&reason, 0);
		assert_int_equal(options_parse(&o, n,
		    (char **)(uintptr_t)cases[i].argv, &reason), 0);
		assert_int_equal(usage_is_wanted(&o), cases[i].is_wanted);
		options_fini(&o);
		buf_fini(&reason);
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_help_is_an_argument_of_commands_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
