/*
 * alias_loops_test.c - aliases that lead back to themselves.
 */
#include "conf/alias_loops.h"
#include "tests/unit/t.h"

/* bob and Root are users; of "unsure" it cannot be told. */
static int
exists(const char *name)
{
	return strcasecmp(name, "unsure") == 0 ? -1 :
	    strcasecmp(name, "bob") == 0 || strcasecmp(name, "root") == 0;
}

static const struct names_users users = { .exists = exists };

static void
take(void *arg, const char *file, unsigned line, const char *text)
{
	buf_printf(arg, "%s:%u: %.*s;", file, line, (int)strcspn(text, ","),
	    text);
}

static int
loops(const char *text, enum nullclient nullclient, struct buf *out)
{
	const struct report report = { take, out };
	struct conf conf = { .where.aliases = (char[]){ "f" },
	    .names.nullclient = nullclient };
	struct aliases aliases;
	int n;

	memset(&aliases, 0, sizeof(aliases));
	assert_int_equal(aliases_parse(&aliases, text, strlen(text), "f",
	    &report_quiet), 0);
	n = alias_loops(&aliases, &conf, &users, &report);
	aliases_fini(&aliases);
	return n;
}

static void
test_loops(void **state)
{
	static const struct {
		const char	*text, *out;
		int		 n;
	} cases[] = {
		{ "", "", 0 },
		{ "a: b\nb: c\nc: d\n", "", 0 },
		/* Twice the same is no loop. */
		{ "a: b, c\nb: d\nc: d\nd: bob\n", "", 0 },
		{ "a: a\n", "f:1: a leads back to a;", 1 },
		{ "a: bob, A\n", "f:1: a leads back to a;", 1 },
		{ "a: b\nb: c\nc: a\n", "f:3: c leads back to a;", 1 },
		{ "x: a\na: b\nb: a, x, bob\n",
		  "f:3: b leads back to a;f:1: x leads back to a;", 2 },
		/* A mailbox is at the end of it. */
		{ "bob: bob, ann@example.org\n", "", 0 },
		{ "root: bob\nbob: root\n", "", 0 },
		{ "unsure: unsure\n", "", 0 },
		{ "a: b@example.org\nb: a@example.org\n", "", 0 },
		{ "a: \\a\nb: |b\n", "", 0 },
	};
	struct buf out;
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		buf_init(&out, 0);
		assert_int_equal(loops(cases[i].text, NULLCLIENT_OFF,
		    &out), cases[i].n);
		if (strcmp(buf_str(&out), cases[i].out) != 0)
			fail_msg("case %zu: %s", i, buf_str(&out));
		buf_fini(&out);
	}
}

/* The other host knows what they are. */
static void
test_nullclient(void **state)
{
	struct buf out;

	(void)state;
	buf_init(&out, 0);
	assert_int_equal(loops("a: a\n", NULLCLIENT_ON, &out), 0);
	buf_fini(&out);
}

/* A long way is not a deep one. */
static void
test_long_way(void **state)
{
	struct buf text, out;
	int i, n = 100000;

	(void)state;
	buf_init(&text, 0);
	buf_init(&out, 0);
	for (i = 0; i < n; i++)
		buf_printf(&text, "a%d: a%d\n", i, (i + 1) % n);
	assert_int_equal(loops(buf_str(&text), NULLCLIENT_OFF, &out), 1);
	buf_fini(&text);
	buf_fini(&out);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_loops),
		cmocka_unit_test(test_nullclient),
		cmocka_unit_test(test_long_way),
	};

	return cmocka_run_group_tests_name("alias_loops", tests, NULL, NULL);
}
