/*
 * maildir_test.c - a message into a Maildir, and again after every state that
 * a kill can leave.  Started as root it becomes nobody first.
 */
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "lib/io.h"
#include "local/maildir.h"
#include "tests/unit/t_delivery.h"

#define WHOLE	T_HEAD T_BODY
#define NAME	"100.3f2a_7.here_x"

static int has_bad_disk;

/* In place of that of libc. */
DIR *
fdopendir(int fd)
{
	DIR *(*real)(int) = (DIR *(*)(int))dlsym(RTLD_NEXT, "fdopendir");

	if (!has_bad_disk)
		return real(fd);
	errno = EIO;
	return NULL;
}

static char host[] = "here/x";

static int
setup(void **state)
{
	struct t_delivery *w;

	t_delivery_setup(state);
	w = *state;
	w->conf.names.mailname = host;
	w->d.rcpt = 7;
	t_delivery_message(w, "junk" T_BODY, 4 + strlen(T_BODY));
	w->d.offset = 4;
	w->d.length -= 4;
	return 0;
}

/* answer: what the runner says to the checkpoint, 0 when it is gone. */
static int
put(struct t_delivery *w, uint32_t answer)
{
	struct result res;
	int ret;

	t_delivery_open(w);
	if (answer != 0)
		t_delivery_send(w, answer);
	shutdown(w->runner, SHUT_WR);
	result_init(&res);
	ret = maildir_put(&w->d, w->dir, "box", "the box", 0, &res);
	t_delivery_take(w, &res);
	result_fini(&res);
	assert_int_equal(io_nonblock(w->runner), 0);
	while (t_delivery_receive_one(w))
		;
	return ret;
}

/* The full name of something beside the Maildir. */
static const char *
in_top(struct t_delivery *w, const char *name)
{
	return t_path(w->mailspool, name);
}

static void
make_file(struct t_delivery *w, const char *name, const char *text)
{
	int fd;

	fd = open(in_top(w, name), O_WRONLY | O_CREAT | O_EXCL, 0600);
	assert_true(fd != -1);
	assert_int_equal(io_write_all(fd, text, strlen(text)), 0);
	close(fd);
}

/* How many files are in a directory of the box. */
static int
count(struct t_delivery *w, const char *name)
{
	struct dirent *entry;
	DIR *dir;
	int n = 0;

	dir = opendir(in_top(w, name));
	assert_non_null(dir);
	while ((entry = readdir(dir)) != NULL)
		n += entry->d_name[0] != '.';
	closedir(dir);
	return n;
}

static void
make_box(struct t_delivery *w)
{
	assert_int_equal(mkdir(in_top(w, "box"), 0700), 0);
	assert_int_equal(mkdir(in_top(w, "box/tmp"), 0700), 0);
	assert_int_equal(mkdir(in_top(w, "box/new"), 0700), 0);
	assert_int_equal(mkdir(in_top(w, "box/cur"), 0700), 0);
}

static void
test_a_new_maildir_is_made_around_the_message(void **state)
{
	struct t_delivery *w = *state;
	struct stat st;

	assert_int_equal(put(w, IPC_DELIVER_ACKNOWLEDGE), 0);
	assert_int_equal(w->res.status, STATUS_SENT);
	t_assert_file(in_top(w, "box/new/" NAME), WHOLE);
	assert_int_equal(stat(in_top(w, "box/new/" NAME), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(st.st_nlink, 1);
	assert_int_equal(w->ncheckpoints, 1);
	assert_true(w->at.dev == st.st_dev && w->at.ino == st.st_ino);
	assert_int_equal(w->at.length, 0);
	assert_int_equal(count(w, "box/tmp"), 0);
	assert_int_equal(stat(in_top(w, "box"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	/* Another recipient of the same message is another letter. */
	w->d.rcpt = 8;
	assert_int_equal(put(w, IPC_DELIVER_ACKNOWLEDGE), 0);
	assert_int_equal(count(w, "box/new"), 2);
}

/* What an attempt that was cut short has left, and a reader made of it. */
static const struct {
	const char	*tmp, *new, *cur;	/* names in box, or NULL */
	int		 has_checkpoint;
	int		 is_there;	/* it was delivered */
} lefts[] = {
	{ NULL, NULL, NULL, 0, 0 },
	{ NULL, NULL, NULL, 1, 0 },
	{ NAME, NULL, NULL, 0, 0 },
	{ NAME, NULL, NULL, 1, 0 },
	{ NAME, NAME, NULL, 1, 1 },
	{ NULL, NAME, NULL, 1, 1 },
	{ NULL, "100.3f2a_7.other", NULL, 1, 1 },
	{ NULL, NULL, NAME ":2,", 1, 1 },
	{ NULL, NULL, NAME ":2,FS", 1, 1 },
	{ NULL, NULL, NAME ",S=12:2,RS", 1, 1 },
	{ NAME, NULL, NAME ":2,S", 1, 1 },
	{ NULL, NULL, "100.3f2a_77.here_x:2,S", 1, 0 },
	{ NULL, NULL, "100.3f2ab_7.here_x:2,S", 1, 0 },
	{ NULL, "1100.3f2a_7.here_x", NULL, 1, 0 },
};

static void
leave(struct t_delivery *w, const char *where, const char *name,
    const char *text)
{
	char path[256];

	if (name == NULL)
		return;
	snprintf(path, sizeof(path), "box/%s/%s", where, name);
	make_file(w, path, text);
}

static void
test_an_interrupted_attempt_is_completed_once(void **state)
{
	struct t_delivery *w;
	int before, n;
	size_t i;
	void *p;

	(void)state;
	for (i = 0; i < N(lefts); i++) {
		setup(&p);
		w = p;
		make_box(w);
		leave(w, "tmp", lefts[i].tmp, "Return-Path: <a");
		leave(w, "new", lefts[i].new, WHOLE);
		leave(w, "cur", lefts[i].cur, WHOLE);
		before = count(w, "box/new") + count(w, "box/cur");
		w->d.checkpoint.length = lefts[i].has_checkpoint ? 0 : -1;
		/* Twice: the second finds what the first has done. */
		for (n = 0; n < 2; n++) {
			assert_int_equal(put(w, IPC_DELIVER_ACKNOWLEDGE), 0);
			assert_int_equal(w->res.status, STATUS_SENT);
			assert_int_equal(w->ncheckpoints, n == 0 &&
			    !lefts[i].is_there);
			assert_int_equal(count(w, "box/tmp"), 0);
			assert_int_equal(count(w, "box/new") +
			    count(w, "box/cur"), before + !lefts[i].is_there);
			if (!lefts[i].is_there)
				t_assert_file(in_top(w, "box/new/" NAME),
				    WHOLE);
			w->d.checkpoint.length = 0;
		}
		t_delivery_teardown(&p);
	}
}

/* The runner does not agree: nothing appears, nothing is left. */
static void
test_nothing_appears_without_an_acknowledgement(void **state)
{
	struct t_delivery *w = *state;

	assert_int_equal(put(w, 0), -1);
	assert_int_equal(w->res.status, STATUS_NONE);
	assert_int_equal(put(w, IPC_DELIVER_RESULT), -1);
	assert_int_equal(count(w, "box/tmp"), 0);
	assert_int_equal(count(w, "box/new"), 0);
}

/* An attempt of another process is still at work. */
static void
test_another_attempt_at_work_defers(void **state)
{
	struct t_delivery *w = *state;
	int fd;

	make_box(w);
	make_file(w, "box/tmp/" NAME, "From");
	fd = open(in_top(w, "box/tmp/" NAME), O_RDWR);
	assert_int_equal(flock(fd, LOCK_EX), 0);
	assert_int_equal(put(w, IPC_DELIVER_ACKNOWLEDGE), 0);
	assert_int_equal(w->res.status, STATUS_DEFERRED);
	assert_non_null(strstr(w->said, "in progress"));
	t_assert_file(in_top(w, "box/tmp/" NAME), "From");
	close(fd);
	assert_int_equal(put(w, IPC_DELIVER_ACKNOWLEDGE), 0);
	assert_int_equal(w->res.status, STATUS_SENT);
	t_assert_file(in_top(w, "box/new/" NAME), WHOLE);
	assert_int_equal(count(w, "box/tmp"), 0);
}

/* Whether it was delivered cannot be told: the checkpoint must stay. */
static void
test_a_maildir_that_cannot_be_searched_decides_nothing(void **state)
{
	struct t_delivery *w = *state;

	make_box(w);
	w->d.checkpoint.length = 0;
	has_bad_disk = 1;
	assert_int_equal(put(w, IPC_DELIVER_ACKNOWLEDGE), -1);
	has_bad_disk = 0;
	assert_int_equal(w->ncheckpoints, 0);
	assert_int_equal(count(w, "box/new"), 0);
	assert_int_equal(count(w, "box/tmp"), 0);
	w->d.checkpoint.length = 0;
	assert_int_equal(put(w, IPC_DELIVER_ACKNOWLEDGE), 0);
	assert_int_equal(count(w, "box/new"), 1);
}

static void make_plain(struct t_delivery *w)
{
	make_file(w, "box", "From x\n\n");
}

static void make_loose(struct t_delivery *w)
{
	make_box(w);
	assert_int_equal(chmod(in_top(w, "box"), 0777), 0);
}

static void make_loose_new(struct t_delivery *w)
{
	make_box(w);
	assert_int_equal(chmod(in_top(w, "box/new"), 0703), 0);
}

static void make_locked(struct t_delivery *w)
{
	make_box(w);
	assert_int_equal(chmod(in_top(w, "box/tmp"), 0500), 0);
}

static void make_foreign(struct t_delivery *w)
{
	make_box(w);
	w->user.uid++;
}

static void make_cut(struct t_delivery *w)
{
	assert_int_equal(ftruncate(w->d.message, 10), 0);
}

static void make_bad_id(struct t_delivery *w)
{
	text_copy(w->d.queue_id, sizeof(w->d.queue_id), "../x");
}

static void make_no_id(struct t_delivery *w)
{
	w->d.queue_id[0] = '\0';
}

static const struct {
	void		(*make)(struct t_delivery *);
	const char	*reason;
} unfit[] = {
	{ make_plain, "directory" },
	{ make_loose, "chmod" },
	{ make_loose_new, "new is writable by others" },
	{ make_locked, "tmp: Permission" },
	{ make_foreign, "is owned by uid" },
	{ make_cut, "the queue" },
	{ make_bad_id, "queue id is missing" },
	{ make_no_id, "queue id is missing" },
};

static void
test_what_is_not_a_maildir_of_the_users_is_not_used(void **state)
{
	struct t_delivery *w;
	size_t i;
	void *p;

	(void)state;
	for (i = 0; i < N(unfit); i++) {
		setup(&p);
		w = p;
		unfit[i].make(w);
		assert_int_equal(put(w, IPC_DELIVER_ACKNOWLEDGE), 0);
		assert_int_equal(w->res.status, STATUS_DEFERRED);
		assert_non_null(strstr(w->said, unfit[i].reason));
		assert_int_equal(w->ncheckpoints, 0);
		if (access(in_top(w, "box/new"), F_OK) == 0)
			assert_int_equal(count(w, "box/new"), 0);
		t_delivery_teardown(&p);
	}
}

/* A link in the user's own home is theirs to make; elsewhere it is not. */
static void
test_a_link_counts_in_the_users_own_home_only(void **state)
{
	struct t_delivery *w = *state;

	assert_int_equal(mkdir(in_top(w, "real"), 0700), 0);
	assert_int_equal(symlink("real", in_top(w, "box")), 0);
	assert_int_equal(put(w, IPC_DELIVER_ACKNOWLEDGE), 0);
	assert_int_equal(w->res.status, STATUS_SENT);
	t_assert_file(in_top(w, "real/new/" NAME), WHOLE);
	assert_int_equal(maildir_put(&w->d, w->dir, "box", "box", 1, &w->res),
	    0);
	assert_int_equal(w->res.status, STATUS_DEFERRED);
}

int
main(void)
{
#define EACH(f)	cmocka_unit_test_setup_teardown(f, setup,	\
    t_delivery_teardown)
	const struct CMUnitTest tests[] = {
		EACH(test_a_new_maildir_is_made_around_the_message),
		cmocka_unit_test(test_an_interrupted_attempt_is_completed_once),
		EACH(test_nothing_appears_without_an_acknowledgement),
		EACH(test_another_attempt_at_work_defers),
		cmocka_unit_test(
		    test_what_is_not_a_maildir_of_the_users_is_not_used),
		EACH(test_a_maildir_that_cannot_be_searched_decides_nothing),
		EACH(test_a_link_counts_in_the_users_own_home_only),
	};

	t_become_nobody();
	/* Sanitizers look at their own process. */
	prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
