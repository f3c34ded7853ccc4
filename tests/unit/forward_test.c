/*
 * forward_test.c - .forward files and lists, and entries found in them again.
 * Started as root it becomes nobody first.
 */
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <fcntl.h>
#include <sysexits.h>
#include <unistd.h>

#include "aliases.h"
#include "lib/io.h"
#include "local/forward.h"
#include "tests/unit/t_delivery.h"

/* ---- .forward ---- */

static void fwd_plain(struct t_delivery *w)
{
	t_delivery_put(w, "home/.forward", "ann@example.org\n");
}

static void fwd_none(struct t_delivery *w)
{
	(void)w;
}

static void fwd_no_home(struct t_delivery *w)
{
	text_copy(w->user.home, sizeof(w->user.home), "/nonexistent");
}

static void fwd_no_parent(struct t_delivery *w)
{
	text_copy(w->user.home, sizeof(w->user.home), "/nonexistent/bob//");
}

static void fwd_no_parent_no_login(struct t_delivery *w)
{
	fwd_no_parent(w);
	text_copy(w->user.shell, sizeof(w->user.shell), "/usr/sbin/nologin");
}

static void fwd_home_is_file(struct t_delivery *w)
{
	t_delivery_put(w, "file", "x");
	text_copy(w->user.home, sizeof(w->user.home), t_delivery_path(w,
	    "file"));
}

static void fwd_relative_home(struct t_delivery *w)
{
	fwd_plain(w);
	text_copy(w->user.home, sizeof(w->user.home), "home");
}

static void fwd_empty(struct t_delivery *w)
{
	t_delivery_put(w, "home/.forward", "");
}

static void fwd_group(struct t_delivery *w)
{
	fwd_plain(w);
	assert_int_equal(chmod(t_delivery_path(w, "home/.forward"), 0660), 0);
}

static void fwd_others(struct t_delivery *w)
{
	fwd_plain(w);
	assert_int_equal(chmod(t_delivery_path(w, "home/.forward"), 0602), 0);
}

static void fwd_loose_home(struct t_delivery *w)
{
	fwd_plain(w);
	assert_int_equal(chmod(t_delivery_path(w, "home"), 0775), 0);
}

static void fwd_loose_home_none(struct t_delivery *w)
{
	assert_int_equal(chmod(t_delivery_path(w, "home"), 0777), 0);
}

static void fwd_foreign(struct t_delivery *w)
{
	fwd_plain(w);
	w->user.uid++;
}

static void fwd_link(struct t_delivery *w)
{
	t_delivery_put(w, "home/real", "ann@example.org\n");
	assert_int_equal(symlink("real", t_delivery_path(w, "home/.forward")),
	    0);
}

static void fwd_loose_link(struct t_delivery *w)
{
	fwd_link(w);
	assert_int_equal(chmod(t_delivery_path(w, "home/real"), 0666), 0);
}

/* Somebody else could have it lead to another file of the user's. */
static void fwd_link_of_others(struct t_delivery *w)
{
	t_delivery_put(w, "home/real", "ann@example.org\n");
	assert_int_equal(mkdir(t_delivery_path(w, "public"), 0700), 0);
	assert_int_equal(chmod(t_delivery_path(w, "public"), 01777), 0);
	assert_int_equal(symlink("../home/real", t_delivery_path(w,
	    "public/link")), 0);
	assert_int_equal(symlink("../public/link", t_delivery_path(w,
	    "home/.forward")), 0);
}

static void fwd_dangling(struct t_delivery *w)
{
	assert_int_equal(symlink("none", t_delivery_path(w, "home/.forward")),
	    0);
}

static void fwd_fifo(struct t_delivery *w)
{
	assert_int_equal(mkfifo(t_delivery_path(w, "home/.forward"), 0600), 0);
}

static void fwd_socket(struct t_delivery *w)
{
	assert_int_equal(mknod(t_delivery_path(w, "home/.forward"),
	    S_IFSOCK | 0600, 0), 0);
}

static void fwd_device(struct t_delivery *w)
{
	assert_int_equal(symlink("/dev/zero", t_delivery_path(w,
	    "home/.forward")), 0);
}

static void fwd_directory(struct t_delivery *w)
{
	assert_int_equal(mkdir(t_delivery_path(w, "home/.forward"), 0700), 0);
}

static void
fwd_bytes(struct t_delivery *w, size_t n)
{
	char *text;

	text = malloc(n);
	assert_non_null(text);
	memset(text, '#', n);
	t_put(t_delivery_path(w, "home/.forward"), text, n, 0600);
	free(text);
}

static void fwd_longest(struct t_delivery *w)
{
	fwd_bytes(w, FORWARD_MAX);
}

static void fwd_too_long(struct t_delivery *w)
{
	fwd_bytes(w, FORWARD_MAX + 1);
}

static void fwd_unreadable(struct t_delivery *w)
{
	fwd_plain(w);
	assert_int_equal(chmod(t_delivery_path(w, "home/.forward"), 0), 0);
}

static void fwd_shut_home(struct t_delivery *w)
{
	fwd_plain(w);
	assert_int_equal(chmod(t_delivery_path(w, "home"), 0), 0);
}

static const struct {
	void		(*make)(struct t_delivery *);
	enum forward_verdict verdict;
	const char	*text;		/* within; NULL: any */
} forwards[] = {
	{ fwd_plain,		FORWARD_TEXT,	"ann@example.org\n" },
	{ fwd_none,		FORWARD_NONE,	"" },
	{ fwd_no_home,		FORWARD_NONE,	"" },
	{ fwd_no_parent,	FORWARD_LATER,	"No such file" },
	{ fwd_no_parent_no_login, FORWARD_NONE,	"" },
	{ fwd_home_is_file,	FORWARD_NONE,	"" },
	{ fwd_relative_home,	FORWARD_NONE,	"" },
	{ fwd_empty,		FORWARD_TEXT,	"" },
	{ fwd_group,		FORWARD_REFUSED, "chmod go-w" },
	{ fwd_others,		FORWARD_REFUSED, "chmod go-w" },
	{ fwd_loose_home,	FORWARD_REFUSED, "directory" },
	{ fwd_loose_home_none,	FORWARD_NONE,	"" },
	{ fwd_foreign,		FORWARD_REFUSED, "not owned by you" },
	{ fwd_link,		FORWARD_TEXT,	"ann@example.org\n" },
	{ fwd_loose_link,	FORWARD_REFUSED, "chmod go-w" },
	{ fwd_link_of_others,	FORWARD_REFUSED, "others can change" },
	{ fwd_dangling,		FORWARD_REFUSED, "dangling" },
	{ fwd_fifo,		FORWARD_REFUSED, "not a regular file" },
	{ fwd_socket,		FORWARD_REFUSED, "not a regular file" },
	{ fwd_device,		FORWARD_REFUSED, "not a regular file" },
	{ fwd_directory,	FORWARD_REFUSED, "not a regular file" },
	{ fwd_longest,		FORWARD_TEXT,	"#####" },
	{ fwd_too_long,		FORWARD_REFUSED, "longer" },
	{ fwd_unreadable,	FORWARD_LATER,	"Permission denied" },
	{ fwd_shut_home,	FORWARD_LATER,	"Permission denied" },
};

static void
test_only_a_file_of_the_users_that_others_cannot_write_is_read(void **state)
{
	struct t_delivery *w;
	void *own;
	size_t i;

	(void)state;
	for (i = 0; i < N(forwards); i++) {
		t_delivery_setup(&own);
		w = own;
		forwards[i].make(w);
		t_delivery_open(w);
		shutdown(w->runner, SHUT_WR);
		assert_int_equal(forward_answer(&w->user, w->d.channel), 0);
		assert_true(t_delivery_receive_one(w));
		if (w->verdict != forwards[i].verdict ||
		    strstr(buf_str(&w->text), forwards[i].text) == NULL)
			fail_msg("case %zu: %u %s", i, w->verdict,
			    buf_str(&w->text));
		if (forwards[i].text[0] == '\0')
			assert_int_equal(w->text.len, 0);
		assert_true(w->text.len <= FORWARD_MAX);
		t_delivery_teardown(&own);
	}
}

/* ---- again ---- */

static int
answer(struct t_delivery *w)
{
	return forward_answer(&w->user, w->d.channel);
}

static void
receive_text(struct t_delivery *w, const char *text)
{
	buf_reset(&w->text);
	assert_true(t_delivery_receive_one(w));
	assert_int_equal(w->verdict, FORWARD_TEXT);
	assert_string_equal(buf_str(&w->text), text);
}

static void
test_asked_again_it_reads_again_and_else_it_ends(void **state)
{
	struct t_delivery *w = *state;
	int status;
	pid_t pid;

	t_delivery_put(w, "home/.forward", "ann\n");
	t_delivery_open(w);
	pid = fork();
	assert_true(pid != -1);
	if (pid == 0) {
		close(w->runner);
		_exit(answer(w));
	}
	io_close(&w->d.channel);
	receive_text(w, "ann\n");
	t_delivery_put(w, "home/.forward", "carol\n");
	t_delivery_send(w, IPC_FORWARD_AGAIN);
	receive_text(w, "carol\n");
	t_delivery_send(w, IPC_FORWARD_REQUEST);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, W_EXITCODE(EX_PROTOCOL, 0));
}

/* ---- an entry ---- */

/* The delivery asks for an entry of that text and number in this file. */
static void
ask_forward(struct t_delivery *w, enum route_kind kind, const char *file,
    const char *text, uint32_t entry)
{
	unlink(t_delivery_path(w, "home/.forward"));
	t_delivery_put(w, "home/.forward", file);
	w->d.kind = kind;
	w->d.origin = ORIGIN_FORWARD;
	w->d.entry.index = entry;
	w->d.entry.digest = text_digest(text, strlen(text));
}

/* Its text is in w->text, or the reason in w->said. */
static int
find(struct t_delivery *w)
{
	struct result res;
	int ret;

	result_init(&res);
	buf_reset(&w->text);
	(void)lseek(w->d.aliases, 0, SEEK_SET);
	ret = forward_find_entry(&w->d, &w->text, &res);
	t_delivery_take(w, &res);
	result_fini(&res);
	return ret;
}

static const struct {
	enum route_kind	 kind;
	const char	*file, *text;
	uint32_t	 entry;
} entries[] = {
	{ ROUTE_FILE, "ann, /tmp/x\n", "/tmp/x", 1 },
	{ ROUTE_FILE, "/tmp/a\n# x\n/tmp/x", "/tmp/x", 1 },
	{ ROUTE_FILE, "~/box\n", "~/box", 0 },
	{ ROUTE_PIPE, "\"|echo $USER\"\n", "echo $USER", 0 },
};

static void
test_the_entry_that_was_read_is_found_again(void **state)
{
	struct t_delivery *w = *state;
	size_t i;

	for (i = 0; i < N(entries); i++) {
		ask_forward(w, entries[i].kind, entries[i].file,
		    entries[i].text, entries[i].entry);
		assert_int_equal(find(w), 0);
		assert_string_equal(buf_str(&w->text), entries[i].text);
	}
}

/* The request and the file do not fit. */
static const struct {
	enum route_kind	 kind;
	const char	*file, *text;
	uint32_t	 entry;
	mode_t		 mode;
	const char	*said;
} stale[] = {
	{ ROUTE_FILE, "/tmp/x\n", "/tmp/y", 0, 0600, "changed" },
	{ ROUTE_FILE, "/tmp/x\n", "/tmp/x", 1, 0600, "changed" },
	{ ROUTE_FILE, "/tmp/x\n", "/tmp/x", UINT32_MAX, 0600, "changed" },
	{ ROUTE_FILE, "|/tmp/x\n", "/tmp/x", 0, 0600, "changed" },
	{ ROUTE_PIPE, "/bin/true\n", "/bin/true", 0, 0600, "changed" },
	{ ROUTE_PIPE, "|/bin/true\n", "/bin/false", 0, 0600, "changed" },
	{ ROUTE_PIPE, "|/bin/true\n\"\n", "/bin/true", 0, 0600, "changed" },
	{ ROUTE_PIPE, "", "/bin/true", 0, 0600, "changed" },
	{ ROUTE_PIPE, "|/bin/true\n", "/bin/true", 0, 0622, "go-w" },
	{ ROUTE_FILE, "/tmp/x\n", "/tmp/x", 0, 0, "Permission" },
};

static void
test_an_entry_that_changed_is_not_used(void **state)
{
	struct t_delivery *w = *state;
	size_t i;

	for (i = 0; i < N(stale); i++) {
		ask_forward(w, stale[i].kind, stale[i].file, stale[i].text,
		    stale[i].entry);
		assert_int_equal(chmod(t_delivery_path(w, "home/.forward"),
		    stale[i].mode), 0);
		assert_int_equal(find(w), -1);
		assert_int_equal(w->res.status, STATUS_DEFERRED);
		assert_string_equal(w->res.code, "4.2.4");
		assert_int_equal(w->text.len, 0);
		if (strstr(w->said, stale[i].said) == NULL)
			fail_msg("case %zu: %s", i, w->said);
	}
	unlink(t_delivery_path(w, "home/.forward"));
	assert_int_equal(find(w), -1);
	assert_string_equal(w->res.code, "4.2.4");
}

static void
test_a_list_that_others_can_write_names_nothing(void **state)
{
	struct t_delivery *w = *state;

	t_delivery_put(w, "home/list", "/tmp/x\n");
	ask_forward(w, ROUTE_FILE, ":include:~/list\n", "/tmp/x", 0);
	assert_int_equal(find(w), 0);
	assert_string_equal(buf_str(&w->text), "/tmp/x");
	assert_int_equal(chmod(t_delivery_path(w, "home/list"), 0622), 0);
	assert_int_equal(find(w), -1);
	assert_int_equal(w->res.status, STATUS_DEFERRED);
	assert_non_null(strstr(w->said, "chmod go-w"));
}

static void
test_a_link_of_others_to_a_list_names_nothing(void **state)
{
	struct t_delivery *w = *state;
	char file[256];

	t_delivery_put(w, "home/list", "/tmp/x\n");
	assert_int_equal(mkdir(t_delivery_path(w, "public"), 0700), 0);
	assert_int_equal(symlink("../home/list", t_delivery_path(w,
	    "public/link")), 0);
	snprintf(file, sizeof(file), ":include:%s/public/link\n", w->top);
	ask_forward(w, ROUTE_FILE, file, "/tmp/x", 0);
	assert_int_equal(find(w), 0);
	assert_int_equal(chmod(t_delivery_path(w, "public"), 01777), 0);
	assert_int_equal(find(w), -1);
	assert_int_equal(w->res.status, STATUS_DEFERRED);
	assert_non_null(strstr(w->said, "symbolic link in a directory"));
}

static void
test_a_public_list_that_others_can_write_names_nothing(void **state)
{
	struct t_delivery *w = *state;
	char text[256];

	t_delivery_put(w, "list", "/tmp/x\n");
	assert_int_equal(chmod(t_delivery_path(w, "list"), 0644), 0);
	snprintf(text, sizeof(text), "all: :include:%s/list\n", w->top);
	t_delivery_put(w, "aliases", text);
	w->d.aliases = open(t_delivery_path(w, "aliases"), O_RDONLY |
	    O_CLOEXEC);
	w->d.kind = ROUTE_FILE;
	w->d.origin = ORIGIN_ALIASES;
	text_copy(w->d.name, sizeof(w->d.name), "all");
	w->d.entry.digest = text_digest("/tmp/x", 6);
	assert_int_equal(find(w), 0);
	assert_int_equal(chmod(t_delivery_path(w, "list"), 0664), 0);
	assert_int_equal(find(w), -1);
	assert_int_equal(w->res.status, STATUS_DEFERRED);
	assert_non_null(strstr(w->said, "writable by others"));
}

static void
test_an_alias_is_found_in_a_file_that_root_or_the_user_owns(void **state)
{
	struct t_delivery *w = *state;

	t_delivery_put(w, "aliases", "x y\nother: ann\nlist: ann, /tmp/x\n");
	w->d.kind = ROUTE_FILE;
	w->d.origin = ORIGIN_ALIASES;
	text_copy(w->d.name, sizeof(w->d.name), "List");
	w->d.entry.index = 1;
	w->d.entry.digest = text_digest("/tmp/x", 6);
	/* no file now */
	assert_int_equal(find(w), -1);
	assert_int_equal(w->res.status, STATUS_DEFERRED);
	w->d.aliases = open(t_delivery_path(w, "aliases"), O_RDONLY |
	    O_CLOEXEC);
	assert_int_equal(find(w), 0);
	assert_string_equal(buf_str(&w->text), "/tmp/x");
	/* the same descriptor once more */
	assert_int_equal(find(w), 0);
	text_copy(w->d.name, sizeof(w->d.name), "other");
	assert_int_equal(find(w), -1);
	assert_int_equal(w->res.status, STATUS_DEFERRED);
	assert_string_equal(w->res.code, "4.2.4");
	text_copy(w->d.name, sizeof(w->d.name), "nobody-has-this");
	assert_int_equal(find(w), -1);
	assert_string_equal(w->res.code, "4.2.4");
	/* somebody else owns it */
	text_copy(w->d.name, sizeof(w->d.name), "list");
	w->user.uid++;
	assert_int_equal(find(w), -1);
	assert_string_equal(w->res.code, "4.3.5");
	w->user.uid--;
	/* others may write */
	text_copy(w->d.name, sizeof(w->d.name), "list");
	assert_int_equal(fchmod(w->d.aliases, 0620), 0);
	assert_int_equal(find(w), -1);
	assert_int_equal(w->res.status, STATUS_DEFERRED);
	assert_string_equal(w->res.code, "4.3.5");
}

/* ---- the lists of an alias ---- */

static const char *alias_name;

static int
answer_lists(struct t_delivery *w)
{
	(void)lseek(w->d.aliases, 0, SEEK_SET);
	return forward_answer_lists(&w->user, alias_name, w->d.aliases,
	    w->d.channel);
}

/* The lists are in w->text, and then the reason. */
static void
ask_lists(struct t_delivery *w, const char *name)
{
	alias_name = name;
	t_delivery_fork(w, answer_lists, -1);
	assert_int_equal(w->wait_status, 0);
}

static void
test_the_lists_of_an_alias_are_sent(void **state)
{
	struct t_delivery *w = *state;
	char a[128], b[128], pad[70000], text[600];

	text_copy(a, sizeof(a), t_delivery_path(w, "a"));
	text_copy(b, sizeof(b), t_delivery_path(w, "b"));
	snprintf(text, sizeof(text), "x y\none: :include:%s\n"
	    "two: :include:%s, :include:%s\nplain: ann\nlost: :include:%s.\n"
	    "bad: ann bob\n", a, b, a, a);
	t_delivery_put(w, "aliases", text);
	/* no alias file */
	ask_lists(w, "one");
	assert_int_equal(w->verdict, FORWARD_LATER);
	w->d.aliases = open(t_delivery_path(w, "aliases"),
	    O_RDONLY | O_CLOEXEC);
	t_put(a, "ann\n", 4, 0644);
	t_put(b, "", 0, 0644);
	ask_lists(w, "ONE");
	assert_int_equal(w->verdict, FORWARD_TEXT);
	snprintf(text, sizeof(text), "%s=ann\n", a);
	assert_string_equal(buf_str(&w->text), text);
	ask_lists(w, "two");
	snprintf(text, sizeof(text), "%s=%s=ann\n", b, a);
	assert_string_equal(buf_str(&w->text), text);
	ask_lists(w, "plain");
	assert_int_equal(w->verdict, FORWARD_TEXT);
	assert_int_equal(w->text.len, 0);
	/* in pieces */
	memset(pad, '#', sizeof(pad));
	t_put(a, pad, sizeof(pad), 0644);
	ask_lists(w, "one");
	assert_int_equal(w->verdict, FORWARD_TEXT);
	assert_int_equal(w->text.len, sizeof(pad) + strlen(a) + 2);
	/* what can not be told now */
	ask_lists(w, "lost");
	assert_int_equal(w->verdict, FORWARD_LATER);
	assert_non_null(strstr(buf_str(&w->text), "No such file"));
	ask_lists(w, "nobody-has-this");
	assert_int_equal(w->verdict, FORWARD_LATER);
	t_put(a, "ann\n", 4, 0640);
	ask_lists(w, "one");
	assert_int_equal(w->verdict, FORWARD_LATER);
	assert_non_null(strstr(buf_str(&w->text), "chmod o+r"));
	}

int
main(void)
{
#define EACH(f)	cmocka_unit_test_setup_teardown(f, t_delivery_setup,	\
    t_delivery_teardown)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_only_a_file_of_the_users_that_others_cannot_write_is_read),
		EACH(test_asked_again_it_reads_again_and_else_it_ends),
		EACH(test_the_entry_that_was_read_is_found_again),
		EACH(test_an_entry_that_changed_is_not_used),
		EACH(test_a_list_that_others_can_write_names_nothing),
		EACH(test_a_link_of_others_to_a_list_names_nothing),
		EACH(test_a_public_list_that_others_can_write_names_nothing),
		EACH(
		    test_an_alias_is_found_in_a_file_that_root_or_the_user_owns),
		EACH(test_the_lists_of_an_alias_are_sent),
	};

	t_become_nobody();
	/* Sanitizers look at their own process. */
	prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
