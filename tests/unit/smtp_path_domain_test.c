/*
 * smtp_path_domain_test.c - the name of a directory for a path.
 */
#include "lib/smtp_command.h"
#include "tests/unit/t.h"

#define X10	"xxxxxxxxxx"
#define X60	X10 X10 X10 X10 X10 X10
#define LONG	X60 "xxx." X60 "xxx." X60 "xxx." X60 /* 252 */
#define U	"m\xc3\xbcller"

static void
test_cases(void **state)
{
	static const struct {
		const char *path, *domain;
	} cases[] = {
		{ "a@b", "b" },
		{ "a@Mail-1.EXAMPLE.test", "mail-1.example.test" },
		{ "\"@c\"@b", "b" },
		{ "\"\\\"@c\"@b", "b" },
		{ "\"\\\\\"@b", "b" },
		{ "a@" LONG "x", LONG "x" },
		{ "a@xn--mller-kva.example", "xn--mller-kva.example" },
		{ "a@" LONG "xx", "_invalid" },
		{ "a@" X60 "xxxx.test", "_invalid" },
		{ "a@[192.0.2.1]", "_invalid" },
		{ "a@[x:a@b]", "_invalid" },
		{ "Postmaster", "_invalid" },
		{ "", "_invalid" },
		/* What no command would have let in. */
		{ "a@", "_invalid" },
		{ "a@.", "_invalid" },
		{ "a@..", "_invalid" },
		{ "a@../b", "_invalid" },
		{ "a@.b", "_invalid" },
		{ "a@b.", "_invalid" },
		{ "a@b..c", "_invalid" },
		{ "a@b/c", "_invalid" },
		{ "a@b_c", "_invalid" },
		{ "a@b@c", "_invalid" },
		{ "a@b\n", "_invalid" },
		{ "\"a@b", "_invalid" },
		{ "\"a\\", "_invalid" },
		{ "\"a\"b@c", "_invalid" },
		{ "a@\xff", "_invalid" },
		{ "a@" U "/.example", "_invalid" },
		/* U+FF0E and U+3002 are dots, U+FF0F is a slash. */
		{ "a@\xef\xbc\x8e\xef\xbc\x8e", "_invalid" },
		{ "a@\xe3\x80\x82", "_invalid" },
		{ "a@b\xef\xbc\x8f" "c", "_invalid" },
#ifdef DMA_IDN
		{ "a@" U ".Example", "xn--mller-kva.example" },
		{ "a@M\xc3\x9cLLER.example", "xn--mller-kva.example" },
		{ U "@b\xe3\x80\x82" U, "b.xn--mller-kva" },
		{ "a@" U "_x.example", "_invalid" },
		{ "a@" U "\r.example", "_invalid" },
		{ "a@\xe2\x98\xba.example", "_invalid" },
#else
		{ "a@" U ".example", "_invalid" },
#endif
	};
	char domain[254];
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		memset(domain, 0xff, sizeof(domain));
		smtp_path_domain(cases[i].path, domain);
		if (strcmp(domain, cases[i].domain) != 0)
			fail_msg("%s: %s", cases[i].path, domain);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
