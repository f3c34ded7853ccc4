/*
 * mbox_lock_test.c - the locks of an mbox file, held by others and by us.
 * Started as root it becomes nobody first.
 */
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <fcntl.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "lib/io.h"
#include "local/mbox_lock.h"
#include "tests/unit/t_delivery.h"

#define WAIT_S		1
#define LOCKERS		8
#define EACH_LOCKS	20

/* Done once when the file is about to be locked by flock. */
static void (*before_flock)(struct t_delivery *);
static struct t_delivery *before_flock_of;

/* In place of that of libc. */
int
flock(int fd, int operation)
{
	void (*once)(struct t_delivery *) = before_flock;
	struct stat st;

	if (once != NULL && fstat(fd, &st) == 0 && st.st_nlink > 0 &&
	    (st.st_mode & S_ISVTX) == 0) {
		before_flock = NULL;
		once(before_flock_of);
	}
	return (int)syscall(SYS_flock, fd, operation);
}

static void
init(struct t_delivery *w, struct mbox_lock *l)
{
	struct result res;

	result_init(&res);
	assert_int_equal(mbox_lock_init(l, w->dir, "bob", "mail/bob", &w->user,
	    &res), 0);
	result_fini(&res);
}

/* Takes the lock, or puts the reason into w->said. */
static int
take(struct t_delivery *w, struct mbox_lock *l, unsigned wait_s)
{
	struct result res;
	int ret;

	init(w, l);
	result_init(&res);
	ret = mbox_lock_take(l, wait_s, &res);
	if (ret == -1) {
		t_delivery_take(w, &res);
		assert_int_equal(res.status, STATUS_DEFERRED);
		assert_int_equal(l->fd, -1);
		assert_int_equal(l->dotlock, -1);
	}
	result_fini(&res);
	return ret;
}

/* Takes and releases it. */
static int
try(struct t_delivery *w)
{
	struct mbox_lock l;

	if (take(w, &l, WAIT_S) == -1)
		return -1;
	mbox_lock_release(&l);
	return 0;
}

static int
has_dotlock(struct t_delivery *w)
{
	return t_exists(t_delivery_path(w, "mail/bob.lock"));
}

static void
make_dotlock(struct t_delivery *w, time_t age_s, mode_t mode)
{
	struct timespec times[2];
	int fd;

	fd = openat(w->dir, "bob.lock", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd != -1);
	assert_int_equal(fchmod(fd, mode), 0);
	assert_int_equal(clock_gettime(CLOCK_REALTIME, &times[0]), 0);
	times[0].tv_sec -= age_s;
	times[1] = times[0];
	assert_int_equal(futimens(fd, times), 0);
	close(fd);
}

static void
test_all_locks_are_held_until_release(void **state)
{
	struct t_delivery *w = *state;
	struct mbox_lock l;
	int fd;

	assert_int_equal(take(w, &l, WAIT_S), 0);
	assert_true(has_dotlock(w));
	fd = openat(w->dir, "bob", O_RDWR | O_CLOEXEC);
	assert_int_equal(flock(fd, LOCK_SH | LOCK_NB), -1);
	mbox_lock_release(&l);
	assert_false(has_dotlock(w));
	assert_int_equal(flock(fd, LOCK_SH | LOCK_NB), 0);
	close(fd);
	/* Once more does no harm. */
	mbox_lock_release(&l);
}

static void
test_a_dotlock_counts_while_it_is_young(void **state)
{
	static const struct { int age_s, is_held; } cases[] = {
		{ 0, 1 }, { 590, 1 }, { -590, 1 },
		{ 610, 0 }, { 99999, 0 }, { -610, 0 }, { -99999, 0 },
	};
	struct t_delivery *w = *state;
	size_t i;

	for (i = 0; i < N(cases); i++) {
		make_dotlock(w, cases[i].age_s, 0600);
		if (try(w) != (cases[i].is_held ? -1 : 0))
			fail_msg("age %d", cases[i].age_s);
		assert_int_equal(has_dotlock(w), cases[i].is_held);
		if (cases[i].is_held)
			assert_string_equal(w->said,
			    "mailbox is locked (mail/bob)");
	}
}

/* Killed before its text came to the disk: the mode tells that it is ours. */
static void
test_our_own_dotlock_counts_while_its_maker_lives(void **state)
{
	struct t_delivery *w = *state;
	struct mbox_lock l;
	int fd;

	make_dotlock(w, 0, 01600);
	fd = openat(w->dir, "bob.lock", O_RDONLY | O_CLOEXEC);
	assert_int_equal(flock(fd, LOCK_EX), 0);
	assert_int_equal(try(w), -1);
	close(fd);
	assert_int_equal(take(w, &l, WAIT_S), 0);
	mbox_lock_release(&l);
	assert_false(has_dotlock(w));
	/* By its text, too. */
	t_delivery_put(w, "mail/bob.lock", "1\ndma\n");
	assert_int_equal(try(w), 0);
}

static void
test_a_directory_without_write_permission_has_no_dotlock(void **state)
{
	struct t_delivery *w = *state;

	assert_int_equal(try(w), 0);
	assert_int_equal(fchmod(w->dir, 0500), 0);
	assert_int_equal(try(w), 0);
	/* A young one of somebody who may write there holds all the same. */
	assert_int_equal(fchmod(w->dir, 0700), 0);
	make_dotlock(w, 0, 0600);
	assert_int_equal(fchmod(w->dir, 0500), 0);
	assert_int_equal(try(w), -1);
	/* An old one that nobody can remove does not. */
	assert_int_equal(fchmod(w->dir, 0700), 0);
	make_dotlock(w, 700, 0600);
	assert_int_equal(fchmod(w->dir, 0500), 0);
	assert_int_equal(try(w), 0);
}

static void
test_somebody_elses_dotlock_is_not_removed(void **state)
{
	struct t_delivery *w = *state;
	struct mbox_lock l;

	assert_int_equal(take(w, &l, WAIT_S), 0);
	assert_int_equal(unlinkat(w->dir, "bob.lock", 0), 0);
	make_dotlock(w, 0, 0600);
	mbox_lock_release(&l);
	assert_true(has_dotlock(w));
}

static void
test_a_long_write_keeps_the_dotlock_young(void **state)
{
	static const struct timespec old[2] = { { 1000, 0 }, { 1000, 0 } };
	struct t_delivery *w = *state;
	struct mbox_lock l;
	struct stat st;

	assert_int_equal(take(w, &l, WAIT_S), 0);
	assert_int_equal(futimens(l.dotlock, old), 0);
	mbox_lock_touch(&l);
	assert_int_equal(fstat(l.dotlock, &st), 0);
	assert_int_equal(st.st_mtime, 1000);
	l.touched_ms -= 60000;
	mbox_lock_touch(&l);
	assert_int_equal(fstat(l.dotlock, &st), 0);
	assert_true(st.st_mtime > 1000);
	mbox_lock_release(&l);
	mbox_lock_touch(&l);
}

/* ---- other processes ---- */

/* A process that holds a lock on the file until it is killed. */
static pid_t
hold(struct t_delivery *w, int by_flock)
{
	struct flock fl = { .l_type = F_RDLCK, .l_whence = SEEK_SET };
	int p[2], fd;
	pid_t pid;
	char c = 0;

	assert_int_equal(pipe(p), 0);
	pid = fork();
	assert_true(pid != -1);
	if (pid == 0) {
		fd = openat(w->dir, "bob", O_RDWR);
		if (by_flock ? flock(fd, LOCK_SH) == 0 :
		    fcntl(fd, F_SETLK, &fl) == 0)
			c = 1;
		if (write(p[1], &c, 1) == 1)
			pause();
		_exit(1);
	}
	assert_int_equal(read(p[0], &c, 1), 1);
	assert_int_equal(c, 1);
	close(p[0]);
	close(p[1]);
	return pid;
}

static void
end(pid_t pid)
{
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static int
take_of_size(struct t_delivery *w, off_t size)
{
	struct mbox_lock l;
	struct stat st;
	int ret;

	if (take(w, &l, 20) == -1)
		return 1;
	ret = fstat(l.fd, &st) == 0 && st.st_size == size ? 0 : 2;
	mbox_lock_release(&l);
	return ret;
}

/* A process that ends with 0 when it got the lock of a file of that size. */
static pid_t
wait_for_lock(struct t_delivery *w, off_t size)
{
	pid_t pid;

	pid = fork();
	assert_true(pid != -1);
	if (pid == 0)
		_exit(take_of_size(w, size));
	return pid;
}

static void
assert_got_lock(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void
test_either_lock_on_the_file_counts(void **state)
{
	struct t_delivery *w = *state;
	int by_flock;
	pid_t pid;

	assert_int_equal(try(w), 0);
	for (by_flock = 0; by_flock < 2; by_flock++) {
		pid = hold(w, by_flock);
		assert_int_equal(try(w), -1);
		assert_non_null(strstr(w->said, "locked"));
		assert_false(has_dotlock(w));
		end(pid);
		assert_int_equal(try(w), 0);
	}
}

/* Whoever has the second lock and waits for the first gets it from us. */
static void
test_locks_in_another_order_do_not_block(void **state)
{
	struct t_delivery *w = *state;
	int i, fd = -1;
	pid_t pid, other;

	assert_int_equal(try(w), 0);
	other = hold(w, 0);
	pid = wait_for_lock(w, 0);
	for (i = 0; i < 100000 && !has_dotlock(w); i++)
		usleep(100);
	for (i = 0; i < 10000 && fd == -1; i++) {
		fd = openat(w->dir, "bob.lock", O_WRONLY | O_CREAT | O_EXCL |
		    O_CLOEXEC, 0600);
		usleep(1000);
	}
	end(other);
	assert_true(fd != -1);
	close(fd);
	assert_int_equal(unlinkat(w->dir, "bob.lock", 0), 0);
	assert_got_lock(pid);
}

static void
replace_file(struct t_delivery *w)
{
	t_delivery_put(w, "mail/new", "new");
	assert_int_equal(renameat(w->dir, "new", w->dir, "bob"), 0);
}

/* While we wait for its lock, a reader puts another file in place. */
static void
test_the_file_that_has_the_name_now_is_locked(void **state)
{
	struct t_delivery *w = *state;
	pid_t pid, other;
	int i;

	assert_int_equal(try(w), 0);
	other = hold(w, 0);
	pid = wait_for_lock(w, 3);
	/* The dotlock is there for moments only; it need not be seen. */
	for (i = 0; i < 10000 && !has_dotlock(w); i++)
		usleep(100);
	replace_file(w);
	end(other);
	assert_got_lock(pid);
}

/* The same after it was opened, and before it is locked. */
static void
test_the_name_is_looked_at_again_under_the_lock(void **state)
{
	struct t_delivery *w = *state;
	struct mbox_lock l;
	struct stat st;

	t_delivery_put(w, "mail/bob", "old file");
	before_flock_of = w;
	before_flock = replace_file;
	assert_int_equal(take(w, &l, WAIT_S), 0);
	assert_null(before_flock);
	assert_int_equal(fstat(l.fd, &st), 0);
	assert_int_equal(st.st_size, 3);
	mbox_lock_release(&l);
}

/* Reads a number from the file, and writes the next one: -1 on trouble. */
static int
count_up(const struct mbox_lock *l)
{
	char text[16] = "";
	int n = 0;

	if (pread(l->fd, text, sizeof(text) - 1, 0) > 0)
		n = atoi(text);
	usleep(500);
	snprintf(text, sizeof(text), "%d\n", n + 1);
	return ftruncate(l->fd, 0) == -1 || io_write_all(l->fd, text,
	    strlen(text)) == -1 ? -1 : 0;
}

static int
count_often(struct t_delivery *w)
{
	struct mbox_lock l;
	int k;

	for (k = 0; k < EACH_LOCKS; k++) {
		if (take(w, &l, 60) == -1 || count_up(&l) == -1)
			return 1;
		mbox_lock_release(&l);
	}
	return 0;
}

static void
test_many_at_once_are_alone_one_after_another(void **state)
{
	struct t_delivery *w = *state;
	pid_t pids[LOCKERS];
	char text[16];
	int i;

	for (i = 0; i < LOCKERS; i++) {
		pids[i] = fork();
		assert_true(pids[i] != -1);
		if (pids[i] == 0)
			_exit(count_often(w));
	}
	for (i = 0; i < LOCKERS; i++)
		assert_got_lock(pids[i]);
	snprintf(text, sizeof(text), "%d\n", LOCKERS * EACH_LOCKS);
	t_assert_file(t_delivery_path(w, "mail/bob"), text);
	assert_false(has_dotlock(w));
}

/* ---- the file ---- */

static void
test_a_new_file_is_the_users_or_the_groups(void **state)
{
	static const struct { int is_mailbox; mode_t dir, mode; } cases[] = {
		{ 1, 0700, 0600 }, { 1, 02770, 0660 }, { 0, 02770, 0600 },
	};
	struct t_delivery *w = *state;
	struct mbox_lock l;
	struct result res;
	struct stat st;
	size_t i;

	result_init(&res);
	for (i = 0; i < N(cases); i++) {
		unlinkat(w->dir, "bob", 0);
		assert_int_equal(fchmod(w->dir, cases[i].dir), 0);
		init(w, &l);
		l.opens_to_group = cases[i].is_mailbox;
		assert_int_equal(mbox_lock_take(&l, WAIT_S, &res), 0);
		assert_int_equal(fstat(l.fd, &st), 0);
		assert_int_equal(st.st_mode & 07777, cases[i].mode);
		mbox_lock_release(&l);
		/* What exists keeps its mode. */
		assert_int_equal(fchmodat(w->dir, "bob", 0640, 0), 0);
		assert_int_equal(mbox_lock_take(&l, WAIT_S, &res), 0);
		assert_int_equal(fstat(l.fd, &st), 0);
		assert_int_equal(st.st_mode & 07777, 0640);
		mbox_lock_release(&l);
	}
	result_fini(&res);
}

/*
 * Whoever created the file may have been killed before its name was synced;
 * what is in it counts only with its name.
 */
static void
test_a_name_is_unsure_until_it_was_synced(void **state)
{
	static const struct {
		const char	*file;		/* NULL: none */
		int		 has_orphan;
		int		 is_unsure;
	} cases[] = {
		{ NULL, 0, 1 },
		{ "", 0, 1 },
		{ "From x\n\n", 0, 0 },
		{ "From x\n\n", 1, 1 },
	};
	struct t_delivery *w = *state;
	struct mbox_lock l;
	size_t i;

	for (i = 0; i < N(cases); i++) {
		unlinkat(w->dir, "bob", 0);
		if (cases[i].file != NULL)
			t_delivery_put(w, "mail/bob", cases[i].file);
		if (cases[i].has_orphan)
			t_delivery_put(w, "mail/bob.lock", "1\ndma\n");
		assert_int_equal(take(w, &l, WAIT_S), 0);
		if (l.is_name_unsure != cases[i].is_unsure)
			fail_msg("case %zu", i);
		mbox_lock_release(&l);
	}
}

/* Each makes mail/bob something that may not be used. */
static void make_link(struct t_delivery *w)
{
	t_delivery_put(w, "other", "x");
	assert_int_equal(symlinkat(t_delivery_path(w, "other"), w->dir, "bob"),
	    0);
}

static void make_dangling(struct t_delivery *w)
{
	assert_int_equal(symlinkat(t_delivery_path(w, "none"), w->dir, "bob"),
	    0);
}

static void make_hard_link(struct t_delivery *w)
{
	t_delivery_put(w, "other", "x");
	assert_int_equal(link(t_delivery_path(w, "other"),
	    t_delivery_path(w, "mail/bob")), 0);
}

static void make_directory(struct t_delivery *w)
{
	assert_int_equal(mkdirat(w->dir, "bob", 0700), 0);
}

static void make_fifo(struct t_delivery *w)
{
	assert_int_equal(mkfifoat(w->dir, "bob", 0600), 0);
}

static void make_setgid(struct t_delivery *w)
{
	t_delivery_put(w, "mail/bob", "x");
	assert_int_equal(fchmodat(w->dir, "bob", 02700, 0), 0);
}

static void make_foreign(struct t_delivery *w)
{
	t_delivery_put(w, "mail/bob", "x");
	w->user.uid++;
}

static void make_unreadable(struct t_delivery *w)
{
	t_delivery_put(w, "mail/bob", "x");
	assert_int_equal(fchmodat(w->dir, "bob", 0, 0), 0);
}

/* Whose it is counts for more than that it cannot be opened. */
static void make_private(struct t_delivery *w)
{
	make_unreadable(w);
	w->user.uid++;
}

static void make_readonly(struct t_delivery *w)
{
	assert_int_equal(fchmod(w->dir, 0500), 0);
}

static const struct {
	void		(*make)(struct t_delivery *);
	const char	*detail;
} unfit[] = {
	{ make_link,		"mail/bob: is a symbolic link" },
	{ make_dangling,	"mail/bob: is a symbolic link" },
	{ make_hard_link,	"mail/bob: has more than one hard link" },
	{ make_directory,	"mail/bob: not a regular file" },
	{ make_fifo,		"mail/bob: not a regular file" },
	{ make_setgid,		"mail/bob: has a set-id bit: run "
				"\"chmod ug-s mail/bob\"" },
	{ make_foreign,		"mail/bob: not owned by bob: run "
				"\"chown bob mail/bob\"" },
	{ make_unreadable,	"mail/bob: its owner cannot read and write "
				"it: run \"chmod u+rw mail/bob\"" },
	{ make_private,		"mail/bob: not owned by bob: run "
				"\"chown bob mail/bob\"" },
	{ make_readonly,	"mail/bob: cannot create: Permission "
				"denied" },
};

static void
test_what_is_not_a_file_of_the_users_is_not_used(void **state)
{
	struct t_delivery *w;
	void *own;
	size_t i;

	(void)state;
	for (i = 0; i < N(unfit); i++) {
		t_delivery_setup(&own);
		w = own;
		unfit[i].make(w);
		assert_int_equal(try(w), -1);
		assert_string_equal(w->res.code, "4.2.0");
		assert_string_equal(w->res.reason,
		    "mailbox cannot be used now");
		assert_string_equal(w->res.detail, unfit[i].detail);
		assert_false(has_dotlock(w));
		assert_false(t_exists(t_delivery_path(w, "none")));
		if (t_exists(t_delivery_path(w, "other")))
			t_assert_file(t_delivery_path(w, "other"), "x");
		t_delivery_teardown(&own);
	}
}

static void
test_a_name_that_has_no_room_for_a_lock_is_refused(void **state)
{
	struct t_delivery *w = *state;
	char name[NAME_MAX + 1];
	struct mbox_lock l;

	memset(name, 'a', NAME_MAX - 4);
	name[NAME_MAX - 4] = '\0';
	assert_int_equal(mbox_lock_init(&l, w->dir, name, name, &w->user,
	    &w->res), -1);
	assert_int_equal(w->res.status, STATUS_DEFERRED);
	name[NAME_MAX - 5] = '\0';
	assert_int_equal(mbox_lock_init(&l, w->dir, name, name, &w->user,
	    &w->res), 0);
}

int
main(void)
{
#define EACH(f)	cmocka_unit_test_setup_teardown(f, t_delivery_setup,	\
    t_delivery_teardown)
	const struct CMUnitTest tests[] = {
		EACH(test_all_locks_are_held_until_release),
		EACH(test_a_dotlock_counts_while_it_is_young),
		EACH(test_our_own_dotlock_counts_while_its_maker_lives),
		EACH(test_a_directory_without_write_permission_has_no_dotlock),
		EACH(test_somebody_elses_dotlock_is_not_removed),
		EACH(test_a_long_write_keeps_the_dotlock_young),
		EACH(test_either_lock_on_the_file_counts),
		EACH(test_locks_in_another_order_do_not_block),
		EACH(test_the_file_that_has_the_name_now_is_locked),
		EACH(test_the_name_is_looked_at_again_under_the_lock),
		EACH(test_many_at_once_are_alone_one_after_another),
		EACH(test_a_new_file_is_the_users_or_the_groups),
		EACH(test_a_name_is_unsure_until_it_was_synced),
		cmocka_unit_test(
		    test_what_is_not_a_file_of_the_users_is_not_used),
		EACH(test_a_name_that_has_no_room_for_a_lock_is_refused),
	};

	t_become_nobody();
	/* Sanitizers look at their own process. */
	prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
