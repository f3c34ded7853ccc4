/*
 * local_test.c - which method delivers, and as whom.
 * Started as root it becomes nobody first.
 */
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include "lib/io.h"
#include "local.h"
#include "tests/unit/t_delivery.h"

static char where[128];

static int
body(struct t_delivery *w)
{
	return local_deliver(&w->d);
}

static void
deliver(struct t_delivery *w)
{
	t_delivery_fork(w, body, -1);
	assert_true(WIFEXITED(w->wait_status));
}

/* MAILBOX; text: %s is the directory of all. */
static void
use_mailbox(struct t_delivery *w, enum mailbox_kind kind, const char *text)
{
	const char *p = strstr(text, "%s");

	w->d.kind = ROUTE_MAILBOX;
	w->conf.local.mailbox = kind;
	if (p == NULL)
		snprintf(where, sizeof(where), "%s", text);
	else
		snprintf(where, sizeof(where), "%.*s%s%s", (int)(p - text),
		    text, w->top, p + 2);
	w->conf.local.where = where;
}

/* A .forward with that text, and its only entry. */
static void
use_forward(struct t_delivery *w, enum route_kind kind, const char *file,
    const char *text)
{
	t_delivery_put(w, "home/.forward", file);
	w->d.kind = kind;
	w->d.origin = ORIGIN_FORWARD;
	w->d.entry.index = 0;
	w->d.entry.digest = text_digest(text, strlen(text));
}

/* Files in a directory; -1 when there is none. */
static int
count_files(struct t_delivery *w, const char *name)
{
	const struct dirent *e;
	DIR *dir = opendir(t_delivery_path(w, name));
	int n = 0;

	if (dir == NULL)
		return -1;
	while ((e = readdir(dir)) != NULL)
		n += e->d_name[0] != '.';
	closedir(dir);
	return n;
}

static void
test_an_mbox_is_appended_to(void **state)
{
	struct t_delivery *w = *state;

	use_mailbox(w, MAILBOX_MBOX, "");
	deliver(w);
	assert_int_equal(w->res.status, STATUS_SENT);
	assert_int_equal(w->ncheckpoints, 1);
	t_assert_file(t_delivery_path(w, "mail/bob"), T_ENTRY);
}

static void
test_a_maildir_is_the_users_own_or_beside_others(void **state)
{
	struct t_delivery *w = *state;

	use_mailbox(w, MAILBOX_MAILDIR, "~/Maildir");
	deliver(w);
	assert_int_equal(w->res.status, STATUS_SENT);
	assert_int_equal(count_files(w, "home/Maildir/new"), 1);
	use_mailbox(w, MAILBOX_MAILDIR, "%s/mail");
	deliver(w);
	assert_int_equal(w->res.status, STATUS_SENT);
	assert_int_equal(count_files(w, "mail/bob/new"), 1);
}

/* That of a user whose home it is. */
static void
test_the_root_is_no_maildir(void **state)
{
	struct t_delivery *w = *state;

	text_copy(w->user.home, sizeof(w->user.home), "/");
	use_mailbox(w, MAILBOX_MAILDIR, "~/");
	deliver(w);
	assert_int_equal(w->res.status, STATUS_DEFERRED);
	assert_non_null(strstr(w->said, "not a file name"));
}

static void
test_a_mailbox_command_gets_the_message(void **state)
{
	struct t_delivery *w = *state;

	use_mailbox(w, MAILBOX_COMMAND, "/bin/cat");
	deliver(w);
	assert_int_equal(w->wait_status, 0);
	assert_string_equal(buf_str(&w->text), T_FROM T_HEAD T_BODY);
	/* Whoever runs no commands has an mbox. */
	w->d.no_command = 1;
	deliver(w);
	assert_int_equal(w->res.status, STATUS_SENT);
	assert_non_null(strstr(w->said, "MAILBOX command"));
	t_assert_file(t_delivery_path(w, "mail/bob"), T_ENTRY);
}

static void
test_a_mailbox_line_that_is_not_understood_defers(void **state)
{
	struct t_delivery *w = *state;

	use_mailbox(w, MAILBOX_UNREADABLE, "");
	deliver(w);
	assert_int_equal(w->res.status, STATUS_DEFERRED);
	assert_string_equal(w->res.code, "4.3.5");
}

static void
test_a_file_is_appended_to_exactly_once(void **state)
{
	struct t_delivery *w = *state;
	char box[256], forward[512];

	text_copy(box, sizeof(box), t_delivery_path(w, "home/box"));
	snprintf(forward, sizeof(forward), "%s\n", box);
	use_forward(w, ROUTE_FILE, forward, box);
	deliver(w);
	assert_int_equal(w->res.status, STATUS_SENT);
	assert_int_equal(w->ncheckpoints, 1);
	t_assert_file(box, T_ENTRY);
	assert_false(t_exists(t_delivery_path(w, "home/box.lock")));
	w->d.checkpoint = w->at;
	deliver(w);
	assert_int_equal(w->res.status, STATUS_SENT);
	t_assert_file(box, T_ENTRY);
}

static const struct {
	const char	*path;
	enum status	 status;
	unsigned	 ncheckpoints;
	const char	*there;		/* then */
} paths[] = {
	{ "/dev/null", STATUS_SENT, 0, "home" },
	{ "/dev/zero", STATUS_DEFERRED, 0, "home" },
	{ "~/box", STATUS_SENT, 1, "home/box" },
	{ "~/Box/", STATUS_SENT, 1, "home/Box/new" },
	{ "~/none/box", STATUS_DEFERRED, 0, "home" },
	{ "~/", STATUS_DEFERRED, 0, "home" },
};

static void
test_a_path_is_a_file_a_maildir_or_null(void **state)
{
	struct t_delivery *w = *state;
	size_t i;

	for (i = 0; i < N(paths); i++) {
		use_forward(w, ROUTE_FILE, paths[i].path, paths[i].path);
		deliver(w);
		if (w->res.status != paths[i].status ||
		    w->ncheckpoints != paths[i].ncheckpoints)
			fail_msg("%s: %s", paths[i].path, w->said);
		assert_true(t_exists(t_delivery_path(w, paths[i].there)));
	}
}

static void
test_a_command_runs_only_for_users_with_a_shell(void **state)
{
	static const struct {
		int		 is_required;
		const char	*shell;
		enum status	 status;	/* NONE: it ran */
	} cases[] = {
		{ 1, "/usr/sbin/nologin", STATUS_FAILED },
		{ 1, "/bin/sh", STATUS_NONE },
		{ 0, "/usr/sbin/nologin", STATUS_NONE },
	};
	struct t_delivery *w = *state;
	size_t i;

	use_forward(w, ROUTE_PIPE, "|/bin/true\n", "/bin/true");
	for (i = 0; i < N(cases); i++) {
		w->conf.local.is_shell_required = cases[i].is_required;
		text_copy(w->user.shell, sizeof(w->user.shell),
		    cases[i].shell);
		deliver(w);
		assert_int_equal(w->res.status, cases[i].status);
		assert_int_equal(w->wait_status, 0);
	}
}

static void other_identity(struct t_delivery *w)
{
	w->user.uid++;
}

static void short_message(struct t_delivery *w)
{
	w->d.length++;
}

static void no_directory(struct t_delivery *w)
{
	assert_int_equal(rmdir(w->mailspool), 0);
}

static const struct {
	void		(*make)(struct t_delivery *);
	enum status	 status;
	const char	*code, *said;
} refused[] = {
	{ other_identity,	STATUS_DEFERRED, "4.3.0", "wrong user" },
	{ short_message,	STATUS_DEFERRED, "4.3.0", "truncated" },
	{ no_directory,		STATUS_DEFERRED, "4.2.0", "No such file" },
};

static void
test_what_does_not_fit_is_not_delivered(void **state)
{
	struct t_delivery *w;
	void *own;
	size_t i;

	(void)state;
	for (i = 0; i < N(refused); i++) {
		t_delivery_setup(&own);
		w = own;
		refused[i].make(w);
		deliver(w);
		assert_int_equal(w->wait_status, 0);
		if (w->res.status != refused[i].status ||
		    strcmp(w->res.code, refused[i].code) != 0 ||
		    strstr(w->said, refused[i].said) == NULL)
			fail_msg("case %zu: %s", i, w->said);
		assert_int_equal(w->ncheckpoints, 0);
		assert_false(t_exists(t_delivery_path(w, "mail/bob")));
		t_delivery_teardown(&own);
	}
}

int
main(void)
{
#define EACH(f)	cmocka_unit_test_setup_teardown(f, t_delivery_setup,	\
    t_delivery_teardown)
	const struct CMUnitTest tests[] = {
		EACH(test_an_mbox_is_appended_to),
		EACH(test_a_maildir_is_the_users_own_or_beside_others),
		EACH(test_the_root_is_no_maildir),
		EACH(test_a_mailbox_command_gets_the_message),
		EACH(test_a_mailbox_line_that_is_not_understood_defers),
		EACH(test_a_file_is_appended_to_exactly_once),
		EACH(test_a_path_is_a_file_a_maildir_or_null),
		EACH(test_a_command_runs_only_for_users_with_a_shell),
		cmocka_unit_test(test_what_does_not_fit_is_not_delivered),
	};

	t_become_nobody();
	/* Sanitizers look at their own process. */
	prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
