/*
 * aliases_include_test.c - :include: taken apart, over lists that are only
 * texts.
 */
#include <sys/stat.h>

#include <unistd.h>

#include "aliases_include.h"
#include "tests/unit/t.h"

static void
say(void *arg, const char *file, unsigned line, const char *text)
{
	unsigned *told = arg;

	(void)file;
	(void)line;
	(void)text;
	++*told;
}

static const struct { const char *path, *text; int is_loose; } files[] = {
	{ "/a", "ann\nbob\n", 0 },
	{ "/nest", "one, :include:/a\ntwo\n", 0 },
	{ "/loose", "|prog\n:include:/a\n", 1 },
	{ "/self", "x\n:include:/self\n", 0 },
	{ "/twice", ":include:/twice, :include:/twice\n", 0 },
	{ "/bad", "ann\nb c d\ncarol\n", 0 },
	{ "/gone", "ann\n:include:/none\n", 0 },
	{ "/empty", "# nobody\n", 0 },
};

static int
read_list(void *arg, const char *path, struct buf *text, int *is_loose,
    struct result *res)
{
	size_t i;

	++*(unsigned *)arg;
	for (i = 0; i < N(files); i++) {
		if (strcmp(path, files[i].path) != 0)
			continue;
		buf_puts(text, files[i].text);
		*is_loose = files[i].is_loose;
		return 0;
	}
	return result_set(res, STATUS_DEFERRED, "4.3.5", "%s is away", path);
}

static const struct {
	const char	*in, *out;	/* out: NULL when refused; ! is loose */
	unsigned	 bad;
	const char	*reason;
} cases[] = {
	{ "x, y", "x y ", 0, NULL },
	{ "x, :include:/a, y", "x ann bob y ", 0, NULL },
	{ ":include:/nest, :include:/empty", "one ann bob two ", 0, NULL },
	{ "y, :include:/loose, z", "y prog! ann! bob! z ", 0, NULL },
	{ ":include:/bad", "ann carol ", 1, NULL },
	{ "x, :include:/none", NULL, 0, "away" },
	{ "x, :include:/gone", NULL, 0, "away" },
	{ ":include:/self", NULL, 0, "too many" },
	{ ":include:/twice", NULL, 0, "too many" },
};

static void
test_flatten(void **state)
{
	unsigned reads, told;
	const struct include_source source = { read_list, &reads };
	const struct report report = { say, &told };
	struct targets flat, ts;
	struct result res;
	struct buf out;
	size_t i, k;
	int ret;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		reads = told = 0;
		buf_init(&out, 0);
		result_init(&res);
		assert_int_equal(forward_parse(&ts, cases[i].in,
		    strlen(cases[i].in), "f", &report), 0);
		assert_int_equal(include_any(&ts),
		    strstr(cases[i].in, "include") != NULL);
		ret = include_flatten(&ts, &flat, &source, &report, &res);
		for (k = 0; k < flat.n; k++)
			buf_printf(&out, "%s%s ", flat.list[k].text,
			    flat.list[k].is_loose ? "!" : "");
		assert_int_equal(ret, cases[i].out == NULL ? -1 : 0);
		assert_string_equal(buf_str(&out), cases[i].out == NULL ? "" :
		    cases[i].out);
		assert_int_equal(told, cases[i].bad);
		assert_true(reads <= LISTS_MAX);
		if (cases[i].reason != NULL) {
			assert_int_equal(res.status, STATUS_DEFERRED);
			assert_non_null(strstr(res.detail != NULL ? res.detail :
			    res.reason, cases[i].reason));
		}
		targets_fini(&flat);
		targets_fini(&ts);
		result_fini(&res);
		buf_fini(&out);
	}
}

static int
read_many(void *arg, const char *path, struct buf *text, int *is_loose,
    struct result *res)
{
	int i;

	(void)path;
	(void)is_loose;
	(void)res;
	for (i = 0; i < *(int *)arg; i++)
		buf_printf(text, "u%d\n", i);
	return 0;
}

static void
test_limit(void **state)
{
	int n;
	unsigned told = 0;
	const struct include_source source = { read_many, &n };
	const struct report report = { say, &told };
	struct targets flat, ts;
	struct result res;

	(void)state;
	result_init(&res);
	assert_int_equal(forward_parse(&ts, ":include:/x", 11, "f", &report),
	    0);
	n = TARGETS_MAX;
	assert_int_equal(include_flatten(&ts, &flat, &source, &report, &res),
	    0);
	assert_int_equal(flat.n, TARGETS_MAX);
	targets_fini(&flat);
	targets_fini(&ts);
	assert_int_equal(forward_parse(&ts, "y, :include:/x", 14, "f",
	    &report), 0);
	assert_int_equal(include_flatten(&ts, &flat, &source, &report, &res),
	    -1);
	assert_int_equal(res.status, STATUS_DEFERRED);
	assert_int_equal(flat.n, 0);
	targets_fini(&ts);
	result_fini(&res);
}

static void
test_files(void **state)
{
	static const char *const unfit[] = {
		"/tmp", "/dev/null", "/none/at/all", "",
	};
	struct result res;
	struct stat st;
	struct buf b;
	size_t i;

	(void)state;
	result_init(&res);
	buf_init(&b, 0);
	for (i = 0; i < N(unfit); i++) {
		assert_int_equal(include_read_file(unfit[i], &b, &st, &res),
		    -1);
		assert_int_equal(res.status, STATUS_DEFERRED);
	}
	assert_int_equal(include_read_file("/etc/passwd", &b, &st, &res), 0);
	assert_int_equal(b.len, st.st_size);
	buf_fini(&b);
	result_fini(&res);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_flatten),
		cmocka_unit_test(test_limit),
		cmocka_unit_test(test_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
