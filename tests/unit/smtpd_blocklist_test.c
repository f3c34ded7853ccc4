/*
 * smtpd_blocklist_test.c - the module blocklist: lists, what is on them, and
 * what becomes of it.
 */
#include "tests/unit/t_smtpd.h"

#include "smtpd/netset.c"
#include "smtpd/modules/block_set.c"
#include "smtpd/modules/blocklist.c"

#define M	"m\xc3\xbcller.test"
#define MANY	100000
#define X10	"xxxxxxxxxx"
#define X100	X10 X10 X10 X10 X10 X10 X10 X10 X10 X10
#define X500	X100 X100 X100 X100 X100

/* 1. Sets. */

static void
read_set(struct block_set *set, const char *text, struct t_reports *reports)
{
	const struct report report = { t_report, reports };

	t_reports_init(reports, "list");
	block_set_init(set);
	assert_int_equal(block_set_read(set, text, strlen(text), "list",
	    &report), 0);
}

/* "c192.0.2.1", "hNAME", "sPATH", "rPATH". */
static int
set_has(const struct block_set *set, const char *what)
{
	switch (what[0]) {
	case 'c':
		return block_set_has_client(set, what + 1);
	case 'h':
		return block_set_has_helo(set, what + 1);
	case 's':
		return block_set_has_path(set, BLOCK_SENDER, what + 1);
	default:
		return block_set_has_path(set, BLOCK_RECIPIENT, what + 1);
	}
}

static void
test_what_is_listed_is_found_and_nothing_else(void **state)
{
	static const struct {
		const char *line, *in[5], *out[5];
	} cases[] = {
		{ "", { NULL }, { "c192.0.2.1", "hx", "s", "sa@b", "ra@b" } },
		{ "# 192.0.2.1", { NULL }, { "c192.0.2.1" } },
		{ "192.0.2.1", { "c192.0.2.1" },
		  { "c192.0.2.2", "h192.0.2.1", "s192.0.2.1", "c", "cx" } },
		{ "  192.0.2.0/24\t# a net\r", { "c192.0.2.9" },
		  { "c192.0.3.0" } },
		{ "2001:db8::/32", { "c2001:db8::1" }, { "c2001:db9::1" } },
		{ "::ffff:192.0.2.1", { "c192.0.2.1" }, { "c::1" } },
		{ "helo:evil.test", { "hevil.test", "hEVIL.Test",
		    "hevil.test." }, { "hnot.evil.test", "hevil.tes",
		    "sevil.test", "revil.test", "h" } },
		{ "HELO: Evil.TEST", { "hevil.test" }, { "hevil" } },
		{ "helo:[192.0.2.1]", { "h[192.0.2.1]" }, { "h192.0.2.1" } },
		{ "helo:" M, { "h" M, "hxn--mller-kva.test",
		    "hM\xc3\x9cLLER.TEST", "hXN--MLLER-KVA.test" },
		  { "hmuller.test" } },
		{ "helo:xn--mller-kva.test", { "h" M }, { "hmuller.test" } },
		{ "sender:Ann@From.test", { "sann@from.test",
		    "sANN@FROM.TEST", "s\"ann\"@from.test" },
		  { "rann@from.test", "sbann@from.test", "sann@from.tes",
		    "s@from.test", "hann@from.test" } },
		{ "sender:<ann@from.test>", { "sann@from.test" },
		  { "sbob@from.test" } },
		{ "sender:\"ann\"@from.test", { "sann@from.test" },
		  { "sbob@from.test" } },
		{ "sender:\"a b\"@from.test", { "s\"a b\"@from.test",
		    "s\"A B\"@from.test" }, { "sa b@from.test" } },
		{ "sender:ann@" M, { "sann@" M, "sann@XN--mller-KVA.test" },
		  { "sann@muller.test" } },
		{ "sender:@from.test", { "sann@from.test", "sBOB@From.Test",
		    "s\"a@b\"@from.test" }, { "sann@sub.from.test", "s",
		    "sfrom.test", "rann@from.test" } },
		{ "sender:@" M, { "sa@xn--mller-kva.test" }, { "sa@x.test" } },
		{ "sender:<>", { "s" }, { "r", "sa@b", "h" } },
		{ "rcpt:nobody@to.test", { "rNobody@to.test" },
		  { "snobody@to.test", "rbody@to.test" } },
		{ "rcpt:@to.test", { "rany@TO.test" }, { "rany@o.test" } },
		{ "rcpt:@[192.0.2.1]", { "rany@[192.0.2.1]" },
		  { "rany@[192.0.2.2]" } },
		{ "rcpt:postmaster", { "rPostmaster" },
		  { "rpostmaster@to.test" } },
		{ "\xef\xbb\xbf" "192.0.2.1", { "c192.0.2.1" }, { NULL } },
	};
	struct t_reports reports;
	struct block_set set;
	size_t i, k;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		read_set(&set, cases[i].line, &reports);
		if (reports.count > 0)
			fail_msg("%s: %s", cases[i].line, reports.text);
		for (k = 0; k < 5 && cases[i].in[k] != NULL; k++)
			if (!set_has(&set, cases[i].in[k]))
				fail_msg("%s: not %s", cases[i].line,
				    cases[i].in[k]);
		for (k = 0; k < 5 && cases[i].out[k] != NULL; k++)
			if (set_has(&set, cases[i].out[k]))
				fail_msg("%s: %s", cases[i].line,
				    cases[i].out[k]);
		block_set_fini(&set);
	}
}

static void
test_a_bad_line_is_reported_and_skipped(void **state)
{
	static const struct {
		const char *line, *text;
	} cases[] = {
		{ "x", "not an address or network" },
		{ "@from.test", "not an address or network" },
		{ "192.0.2.1 192.0.2.2", "not an address or network" },
		{ "192.0.2.1/33", "the prefix length is not 0 to 32" },
		{ "192.0.2.1/24", "the address has bits beyond the prefix" },
		{ "client:192.0.2.1", "not an address or network" },
		{ "helo:", "not the name of a host, or an address in "
		  "brackets" },
		{ "helo:a b", "not the name of a host, or an address in "
		  "brackets" },
		{ "sender:", "not an address or @domain" },
		{ "sender:ann", "not an address or @domain" },
		{ "sender:@", "not an address or @domain" },
		{ "sender:@a b", "not an address or @domain" },
		{ "sender:a@b, c@d", "not an address or @domain" },
		{ "rcpt:<>", "not an address or @domain" },
		{ "rcpt:", "not an address or @domain" },
		{ "rcpt:ann", "not an address or @domain" },
		{ "192.0.2.\x01", "control character in the line" },
		{ "sender:@" X500 X10 X10, "not an address or @domain" },
	};
	struct t_reports reports;
	struct block_set set;
	char text[1024];
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		snprintf(text, sizeof(text), "192.0.2.1\n\n%s\nhelo:good\n",
		    cases[i].line);
		read_set(&set, text, &reports);
		if (strcmp(reports.lines, "3;") != 0)
			fail_msg("%s: %s", cases[i].line, reports.lines);
		assert_string_equal(reports.text, cases[i].text);
		assert_true(set_has(&set, "c192.0.2.1"));
		assert_true(set_has(&set, "hgood"));
		block_set_fini(&set);
	}
}

/* A path longer than any entry is on no list; its domain may be. */
static void
test_long_names_are_looked_up(void **state)
{
	struct t_reports reports;
	struct block_set set;

	(void)state;
	read_set(&set, "helo:x\nsender:@x\n", &reports);
	assert_false(set_has(&set, "h" X500 X100));
	assert_false(set_has(&set, "s" X500 X100));
	assert_true(set_has(&set, "s" X500 X100 "@x"));
	block_set_fini(&set);
}

static void
test_many_entries_are_found_each(void **state)
{
	struct t_reports reports;
	struct block_set set;
	struct buf text;
	char what[64];
	unsigned i;

	(void)state;
	buf_init(&text, 0);
	for (i = 0; i < MANY; i++)
		buf_printf(&text, "10.%u.%u.%u\nsender:u%u@d%u.test\n",
		    i >> 15 & 255, i >> 7 & 255, i << 1 & 255, i, i % 7);
	/* The same once more. */
	buf_puts(&text, "sender:U0@d0.test\n");
	read_set(&set, buf_str(&text), &reports);
	buf_fini(&text);
	assert_int_equal(reports.count, 0);
	for (i = 0; i < MANY; i++) {
		snprintf(what, sizeof(what), "su%u@D%u.test", i, i % 7);
		assert_true(set_has(&set, what));
		snprintf(what, sizeof(what), "su%u@d%u.test", i, i % 7 + 1);
		assert_false(set_has(&set, what));
		snprintf(what, sizeof(what), "c10.%u.%u.%u", i >> 15 & 255,
		    i >> 7 & 255, (i << 1 & 255) + 1);
		assert_false(set_has(&set, what));
	}
	block_set_fini(&set);
}

/* 2. The module. */

struct fixture {
	struct smtpd_host host;
	struct smtpd_session session;
	char	 dir[64], list[128], rcpts[64];
	void	*self;
};

static void
start_it(struct fixture *f, const char *text, const char *reply)
{
	memset(f, 0, sizeof(*f));
	t_dir(f->dir, sizeof(f->dir));
	snprintf(f->list, sizeof(f->list), "%s/list", f->dir);
	t_put(f->list, text, strlen(text), 0644);
	t_smtpd_host_init(&f->host, f->dir);
	t_smtpd_host_conf(&f->host, "BLOCKLIST", f->list);
	t_smtpd_host_conf(&f->host, "BLOCK_REPLY", reply);
	assert_int_equal(smtpd_module.configure(&f->host, NULL, 0, &f->self),
	    0);
	snprintf(f->rcpts, sizeof(f->rcpts), "nobody@to.test");
	t_smtpd_init(&f->session, &f->host, f->rcpts);
}

static void
stop_it(struct fixture *f)
{
	t_smtpd_fini(&f->session);
	smtpd_module.fini(f->self, &f->host);
	t_smtpd_host_fini(&f->host);
	t_dir_remove(f->dir);
}

static void
test_each_stage_has_its_verdict(void **state)
{
	static const struct {
		const char *reply;
		enum smtpd_verdict verdict;
		const char *text;
	} cases[] = {
		{ "554", SMTPD_PERMANENT, "554 5.7.1 mail " },
		{ "drop", SMTPD_DROP, "" },
	};
	struct smtpd_session *s;
	struct fixture f;
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		start_it(&f, "192.0.2.1\nhelo:evil.test\nsender:<>\n"
		    "rcpt:nobody@to.test\n", cases[i].reply);
		s = &f.session;
		s->client = "192.0.2.1";
		assert_int_equal(smtpd_module.connect(f.self, s),
		    cases[i].verdict);
		assert_int_equal(smtpd_module.helo(f.self, s, "evil.test"),
		    cases[i].verdict);
		assert_int_equal(smtpd_module.mail(f.self, s, ""),
		    cases[i].verdict);
		assert_int_equal(smtpd_module.rcpt(f.self, s,
		    "nobody@to.test"), cases[i].verdict);
		assert_int_equal(strncmp(s->reply, cases[i].text,
		    strlen(cases[i].text)), 0);
		assert_int_equal(t_smtpd_host_counter(&f.host, "blocked"), 4);
		s->client = "192.0.2.2";
		assert_int_equal(smtpd_module.connect(f.self, s), SMTPD_PASS);
		assert_int_equal(smtpd_module.helo(f.self, s, "good.test"),
		    SMTPD_PASS);
		assert_int_equal(smtpd_module.mail(f.self, s, "a@b"),
		    SMTPD_PASS);
		assert_int_equal(smtpd_module.rcpt(f.self, s, "a@b"),
		    SMTPD_PASS);
		assert_int_equal(t_smtpd_host_counter(&f.host, "blocked"), 4);
		stop_it(&f);
	}
}

static void
test_bad_lines_are_warnings_with_their_place(void **state)
{
	struct fixture f;
	struct buf text;
	char expected[256];
	unsigned i;

	(void)state;
	start_it(&f, "192.0.2.1\nbad\n", "554");
	snprintf(expected, sizeof(expected), "%s:2: not an address or "
	    "network: line skipped", f.list);
	assert_int_equal(f.host.warnings, 1);
	assert_int_equal(f.host.errors, 0);
	assert_string_equal(f.host.text, expected);
	stop_it(&f);
	/* A file of another kind does not fill the log. */
	buf_init(&text, 0);
	for (i = 0; i < 1000; i++)
		buf_puts(&text, "bad\n");
	start_it(&f, buf_str(&text), "554");
	buf_fini(&text);
	snprintf(expected, sizeof(expected), "%s: 900 more lines skipped",
	    f.list);
	assert_int_equal(f.host.warnings, REPORTS_MAX + 1);
	assert_string_equal(f.host.text, expected);
	stop_it(&f);
}

static void
test_what_cannot_be_configured_is_an_error(void **state)
{
	const struct smtpd_setting setting = { "conf", 1, "LIST", "x" };
	struct smtpd_host host;
	char dir[64];
	void *self = NULL;

	(void)state;
	t_dir(dir, sizeof(dir));
	t_smtpd_host_init(&host, dir);
	assert_int_equal(smtpd_module.configure(&host, NULL, 0, &self), -1);
	t_smtpd_host_conf(&host, "BLOCKLIST", "/no/such/file");
	assert_int_equal(smtpd_module.configure(&host, NULL, 0, &self), -1);
	assert_string_equal(host.text,
	    "BLOCKLIST /no/such/file: No such file or directory");
	t_smtpd_host_conf(&host, "BLOCKLIST", dir);
	assert_int_equal(smtpd_module.configure(&host, NULL, 0, &self), -1);
	assert_non_null(strstr(host.text, "Is a directory"));
	assert_int_equal(smtpd_module.configure(&host, &setting, 1, &self),
	    -1);
	assert_string_equal(host.text, "unknown key \"LIST\"");
	assert_int_equal(host.errors, 4);
	assert_null(self);
	t_smtpd_host_fini(&host);
	t_dir_remove(dir);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_what_is_listed_is_found_and_nothing_else),
		cmocka_unit_test(test_a_bad_line_is_reported_and_skipped),
		cmocka_unit_test(test_long_names_are_looked_up),
		cmocka_unit_test(test_many_entries_are_found_each),
		cmocka_unit_test(test_each_stage_has_its_verdict),
		cmocka_unit_test(test_bad_lines_are_warnings_with_their_place),
		cmocka_unit_test(test_what_cannot_be_configured_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
