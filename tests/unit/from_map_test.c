/*
 * from_map_test.c - the file of FROM_MAP: lines, and whom they are for.
 */
#include "conf/from_map.h"
#include "tests/unit/t.h"

static int
parse(struct from_map *map, const char *text, struct t_reports *h)
{
	const struct report report = { t_report, h };

	memset(map, 0, sizeof(*map));
	t_reports_init(h, "from");
	return from_map_parse(map, text, strlen(text), "from", &report);
}

static void
test_lines(void **state)
{
	static const struct { const char *in, *pattern, *address, *name; }
	    cases[] = {
		{ "root me@b.org", "root", "me@b.org", NULL },
		{ " a@h\tme@B.Org  Root on h\r\n", "a@h", "me@b.org",
		    "Root on h" },
		{ "@h me@b \"a \\ b\"", "@h", "me@b", "a \\ b" },
		{ "* <me@b> # why", "*", "me@b", NULL },
		{ "\"two words\" me@b", "two words", "me@b", NULL },
		{ "root me@b J\xc3\xbcrgen", "root", "me@b", "J\xc3\xbcrgen" },
		/* Bad ones. */
		{ "root", NULL, NULL, NULL },
		{ "root me", NULL, NULL, NULL },
		{ "root me@", NULL, NULL, NULL },
		{ "root \"me@b\" x", NULL, NULL, NULL },
		{ "a@ me@b", NULL, NULL, NULL },
		{ "a,b me@b", NULL, NULL, NULL },
		{ "a me@b \"x", NULL, NULL, NULL },
		{ "a me@b x\001y", NULL, NULL, NULL },
	};

	(void)state;
	for (size_t i = 0; i < N(cases); i++) {
		struct from_map map;
		struct t_reports h;
		int bad = parse(&map, cases[i].in, &h);

		assert_int_equal(bad, cases[i].pattern == NULL);
		assert_int_equal(h.count, (unsigned)bad);
		assert_int_equal(map.n, 1 - bad);
		if (bad == 0) {
			assert_string_equal(map.list[0].pattern,
			    cases[i].pattern);
			assert_string_equal(map.list[0].address,
			    cases[i].address);
		}
		if (cases[i].name != NULL)
			assert_string_equal(map.list[0].name, cases[i].name);
		else if (bad == 0)
			assert_null(map.list[0].name);
		from_map_fini(&map);
	}
}

/* The first line that fits; a bad one between them does no harm. */
static void
test_find(void **state)
{
	static const struct { const char *address, *local, *found; } cases[] = {
		{ "root@h", "root", "1@b" },
		{ "root@other", NULL, "5@b" },
		{ "ROOT@h", "ROOT", "3@b" },
		{ "Ann@X.org", NULL, "2@b" },
		{ "ann@x.org.", NULL, "2@b" },
		{ "bob@x.org", NULL, "5@b" },
		{ "c@m\xc3\xbcller.example", NULL, "4@b" },
		{ "c@sub.h", NULL, "5@b" },
		{ "c@h", NULL, "3@b" },
	};
	struct from_map map;
	struct t_reports h;

	(void)state;
	assert_int_equal(parse(&map, "root 1@b\nann@x.org 2@b\nbad\n@H 3@b\n"
	    "@xn--mller-kva.example 4@b\n* 5@b\n* 6@b\n", &h), 1);
	assert_string_equal(h.lines, "3;");
	for (size_t i = 0; i < N(cases); i++) {
		const struct from_mapping *m = from_map_find(&map,
		    cases[i].address, cases[i].local);

		assert_non_null(m);
		assert_string_equal(m->address, cases[i].found);
	}
	from_map_fini(&map);
	assert_null(from_map_find(&map, "root@h", "root"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_find)
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
