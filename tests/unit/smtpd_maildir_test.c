/*
 * smtpd_maildir_test.c - the module maildir: names, line ends, who sees which
 * lines.
 */
#include <sys/stat.h>

#include <dirent.h>
#include <unistd.h>

#include "tests/unit/t_smtpd.h"

#include "smtpd/modules/sync.c"
#include "smtpd/modules/commit.c"
#include "smtpd/modules/store.c"
#include "smtpd/modules/maildir.c"

struct fixture {
	struct smtpd_host host;
	struct smtpd_session session;
	char	 root[64], pattern[128], rcpts[1024];
	void	*self;
};

static int
configure_it(struct fixture *f, const char *key, const char *value)
{
	const struct smtpd_setting setting = { "conf", 1, key, value };

	return smtpd_module.configure(&f->host, &setting, 1, &f->self);
}

static void
start_it(struct fixture *f, const char *pattern)
{
	t_dir(f->root, sizeof(f->root));
	t_smtpd_host_init(&f->host, f->root);
	snprintf(f->pattern, sizeof(f->pattern), "%s%s", f->root, pattern);
	assert_int_equal(configure_it(f, "PATH", f->pattern), 0);
	assert_string_equal(f->host.path, f->root);
	assert_int_equal(smtpd_module.init(f->self, &f->host), 0);
	assert_int_equal(smtpd_module.child_init(f->self, &f->host), 0);
}

static void
stop_it(struct fixture *f)
{
	smtpd_module.child_exit(f->self, &f->host);
	smtpd_module.fini(f->self, &f->host);
	t_smtpd_host_fini(&f->host);
	t_dir_remove(f->root);
}

static void
deliver_to(struct fixture *f, const char *rcpts, const char *text, size_t len,
    size_t piece)
{
	snprintf(f->rcpts, sizeof(f->rcpts), "%s", rcpts);
	t_smtpd_init(&f->session, &f->host, f->rcpts);
	t_smtpd_send(&f->session, f->self, text, len, piece);
	assert_int_equal(t_smtpd_end(&f->session, f->self), SMTPD_DELIVERED);
	t_smtpd_fini(&f->session);
}

/* The only message of a Maildir. */
static void
check_message(const struct fixture *f, const char *maildir, const char *text)
{
	static const char *const empty[] = { "tmp", "cur" };
	const struct dirent *e;
	char path[512];
	DIR *dir;
	int n = 0;
	size_t i;

	snprintf(path, sizeof(path), "%s%s/new", f->root, maildir);
	dir = opendir(path);
	if (dir == NULL)
		fail_msg("%s", path);
	while ((e = readdir(dir)) != NULL)
		if (e->d_name[0] != '.') {
			snprintf(path, sizeof(path), "%s%s/new/%s", f->root,
			    maildir, e->d_name);
			t_assert_file(path, text);
			n++;
		}
	closedir(dir);
	assert_int_equal(n, 1);
	for (i = 0; i < N(empty); i++) {
		snprintf(path, sizeof(path), "%s%s/%s", f->root, maildir,
		    empty[i]);
		assert_int_equal(rmdir(path), 0);
	}
}

#define FORWARD(r)	"Forward-Path: <" r ">\n"
#define REST		"Return-Path: <sender@s.test>\nReceived: from there\n"
#define TEXT		"Subject: x\r\n\r\ntext\r\n"
#define TEXT_LF		"Subject: x\n\ntext\n"

static void
test_each_recipient_has_a_file_with_its_own_lines(void **state)
{
	struct fixture f;

	(void)state;
	memset(&f, 0, sizeof(f));
	start_it(&f, "/%d/%l");
	deliver_to(&f, "Ann@A.test bob@b.test ann@a.test", T(TEXT), 1);
	check_message(&f, "/a.test/ann", FORWARD("Ann@A.test")
	    FORWARD("ann@a.test") REST TEXT_LF);
	check_message(&f, "/b.test/bob", FORWARD("bob@b.test") REST TEXT_LF);
	stop_it(&f);
}

static void
test_one_maildir_may_take_all(void **state)
{
	struct fixture f;

	(void)state;
	memset(&f, 0, sizeof(f));
	start_it(&f, "");
	deliver_to(&f, "ann@a.test bob@b.test", T(TEXT), 100);
	check_message(&f, "", FORWARD("ann@a.test") FORWARD("bob@b.test")
	    REST TEXT_LF);
	stop_it(&f);
}

static void
test_no_address_leaves_the_tree(void **state)
{
	static const struct {
		const char *rcpt, *maildir;
	} cases[] = {
		{ "..@a.test", "/a.test/%2e./x" },
		{ ".@a.test", "/a.test/%2e/x" },
		{ "../../ann@a.test", "/a.test/%2e.%2f..%2fann/x" },
		{ "a/b@a.test", "/a.test/a%2fb/x" },
		{ "\"a@b\"@a.test", "/a.test/%22a%40b%22/x" },
		{ "a+b=c_d-e.f@a.test", "/a.test/a+b=c_d-e.f/x" },
		{ "a%2fb@a.test", "/a.test/a%252fb/x" },
		{ "m\xc3\xbcller@a.test", "/a.test/m%c3%bcller/x" },
		{ "-oops@a.test", "/a.test/-oops/x" },
		{ "ann@../..", "/_invalid/ann/x" },
		{ "Postmaster", "/_invalid/postmaster/x" },
		{ "@a.test", "/a.test/_invalid/x" },
		{ "/////////////////////////////////////////////////////////"
		    "/////////////////////////////////////@a.test",
		    "/a.test/_invalid/x" }
	};
	struct fixture f;
	char expected[512];
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		memset(&f, 0, sizeof(f));
		start_it(&f, "/%d/%l/x");
		deliver_to(&f, cases[i].rcpt, T(TEXT), 100);
		snprintf(expected, sizeof(expected), FORWARD("%s") REST
		    TEXT_LF, cases[i].rcpt);
		check_message(&f, cases[i].maildir, expected);
		stop_it(&f);
	}
}

static void
test_line_ends_become_lf(void **state)
{
	static const struct {
		const char *text, *stored;
	} cases[] = {
		{ "a\r\nb\r\n", "a\nb\n" }, { "\r\n", "\n" }, { "a", "a" },
		{ "a\r", "a\r" }, { "a\rb", "a\rb" }, { "\r\r\n", "\r\n" },
		{ "a\r\r\r\n\n\r", "a\r\r\n\n\r" }
	};
	struct fixture f;
	char expected[256];
	size_t i, piece;

	(void)state;
	for (i = 0; i < N(cases); i++)
		for (piece = 1; piece < 9; piece++) {
			memset(&f, 0, sizeof(f));
			start_it(&f, "/%d");
			deliver_to(&f, "ann@a.test", cases[i].text,
			    strlen(cases[i].text), piece);
			snprintf(expected, sizeof(expected),
			    FORWARD("ann@a.test") REST "%s", cases[i].stored);
			check_message(&f, "/a.test", expected);
			stop_it(&f);
		}
}

static void
test_a_long_text_for_many(void **state)
{
	static char text[200000], expected[200200];
	struct fixture f;

	(void)state;
	memset(&f, 0, sizeof(f));
	memset(text, 'x', sizeof(text));
	start_it(&f, "/%d/%l");
	deliver_to(&f, "ann@a.test bob@a.test", text, sizeof(text), 8192);
	snprintf(expected, sizeof(expected), "%s%.*s", FORWARD("ann@a.test")
	    REST, (int)sizeof(text), text);
	check_message(&f, "/a.test/ann", expected);
	snprintf(expected, sizeof(expected), "%s%.*s", FORWARD("bob@a.test")
	    REST, (int)sizeof(text), text);
	check_message(&f, "/a.test/bob", expected);
	stop_it(&f);
}

static void
test_patterns(void **state)
{
	static const struct {
		const char *key, *value;
		const char *root;	/* NULL: it is wrong */
	} cases[] = {
		{ "PATH", "/srv/mail/%d/%l", "/srv/mail" },
		{ "PATH", "/srv/mail/x%d/%l/Maildir", "/srv/mail" },
		{ "PATH", "/%d", "/" },
		{ "PATH", "/srv/one", "/srv/one" },
		{ "PATH", "srv/%d", NULL },
		{ "PATH", "", NULL },
		{ "PATH", "/", NULL },
		{ "PATH", "/srv/../%d", NULL },
		{ "PATH", "/srv/./%d", NULL },
		{ "PATH", "/srv//%d", NULL },
		{ "PATH", "/srv/%d/", NULL },
		{ "PATH", "/srv/%x", NULL },
		{ "PATH", "/srv/%", NULL },
		{ "PATH", "/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17", NULL },
		{ "path", "/srv", NULL }
	};
	struct fixture f;
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		memset(&f, 0, sizeof(f));
		t_smtpd_host_init(&f.host, "/");
		if (configure_it(&f, cases[i].key, cases[i].value) !=
		    (cases[i].root == NULL ? -1 : 0))
			fail_msg("%s", cases[i].value);
		if (cases[i].root != NULL) {
			assert_string_equal(f.host.path, cases[i].root);
			smtpd_module.fini(f.self, &f.host);
		}
		assert_int_equal(f.host.errors, cases[i].root == NULL);
		t_smtpd_host_fini(&f.host);
	}
	t_smtpd_host_init(&f.host, "/");
	assert_int_equal(smtpd_module.configure(&f.host, NULL, 0, &f.self), -1);
	assert_non_null(strstr(f.host.text, "PATH"));
	t_smtpd_host_fini(&f.host);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_each_recipient_has_a_file_with_its_own_lines),
		cmocka_unit_test(test_one_maildir_may_take_all),
		cmocka_unit_test(test_no_address_leaves_the_tree),
		cmocka_unit_test(test_line_ends_become_lf),
		cmocka_unit_test(test_a_long_text_for_many),
		cmocka_unit_test(test_patterns),
	};

	return cmocka_run_group_tests_name("smtpd_maildir", tests, NULL, NULL);
}
