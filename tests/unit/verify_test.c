/*
 * verify_test.c - sendmail -bv: its arguments, and how much it shows.
 */
#include <sysexits.h>
#include <unistd.h>

#include "submit/verify.h"
#include "tests/unit/t_queue.h"

#define UNKNOWN	"no-such-user... rejected: user unknown: there is neither an " \
	"alias nor a user no-such-user\n"

static void
test_arguments(void **state)
{
	static const struct caller root = { .uid = 0 };
	static const struct {
		int	 take_recipients, is_watched;
		const char *args[3];
		int	 status;
		const char *out, *err;
	} cases[] = {
		{ 0, 0, { NULL }, EX_USAGE, "",
		  "dma: -bv: no addresses: give them as arguments\n" },
		{ 1, 0, { "b@c.test" }, EX_USAGE, "", "dma: -bv: takes "
		  "addresses as arguments, not from a message (-t)\n" },
		{ 1, 0, { NULL }, EX_USAGE, "", "dma: -bv: takes "
		  "addresses as arguments, not from a message (-t)\n" },
		{ 0, 0, { "b@c.test" }, 0,
		  "b@c.test... deliverable: mail exchangers of c.test\n", "" },
		{ 0, 0, { "a", "no-such-user", "a@" }, EX_NOUSER,
		  "b@c.test... deliverable: mail exchangers of c.test\n"
		  UNKNOWN "a@... rejected: not an address\n", "" },
		/* -v */
		{ 0, 1, { "a" }, 0, "a... is the alias a, ALIASES:1\n"
		  "b@c.test... deliverable: mail exchangers of c.test\n", "" },
	};
	struct options o = { .sender = "ann@from.test" };
	struct t_printed out, err;
	struct buf got, said;
	struct t_spool q;
	char *args[3], *p;
	size_t i, k;
	int status;

	(void)state;
	buf_init(&got, 0);
	buf_init(&said, 0);
	t_spool_init(&q, "");
	t_put(q.conf.where.aliases, T("a: b@c.test\n"), 0644);
	for (i = 0; i < N(cases); i++) {
		for (k = 0; k < 3 && cases[i].args[k] != NULL; k++)
			args[k] = (char *)(uintptr_t)cases[i].args[k];
		o.rcpts = args;
		o.nrcpts = (int)k;
		o.take_recipients = cases[i].take_recipients;
		o.is_watched = cases[i].is_watched;
		t_printed_begin(&out, STDOUT_FILENO);
		t_printed_begin(&err, STDERR_FILENO);
		status = verify_mode(&root, &o, &q.conf, &q.sp);
		t_printed_end(&err, &said);
		t_printed_end(&out, &got);
		assert_string_equal(buf_str(&said), cases[i].err);
		/* The path of the aliases is never the same. */
		p = strstr(got.len == 0 ? "" : got.data, q.conf.where.aliases);
		if (p != NULL) {
			memmove(p + 7, p + strlen(q.conf.where.aliases),
			    strlen(p + strlen(q.conf.where.aliases)) + 1);
			memcpy(p, "ALIASES", 7);
		}
		assert_string_equal(buf_str(&got), cases[i].out);
		assert_int_equal(status, cases[i].status);
	}
	t_spool_fini(&q);
	buf_fini(&got);
	buf_fini(&said);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_arguments),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
