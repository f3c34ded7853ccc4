/*
 * smtpd_commit_test.c - files of messages: names, faults, kills, durability.
 * The system calls of commit.c go through this file, which fails them, kills
 * the process before them, and notes what a power failure would take away.
 */
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <sys/wait.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

#include "lib/io.h"
#include "tests/unit/t.h"

/* ---- the calls ---- */

#define UNSAFE_MAX	64

static struct {
	int	 count;		/* calls so far */
	int	 at;		/* of this one; 0: none */
	int	 error;		/* it fails so; 0: the process is killed */
	int	 has_tmpfile;
	int	 has_empty_path;
	int	 is_idle;	/* threads are here: nothing is noted */
	ino_t	 unsafe[UNSAFE_MAX];	/* directories of names not durable */
	int	 nunsafe;
	ino_t	 synced[UNSAFE_MAX];	/* files */
	int	 nsynced;
	int	 sync_at;	/* of the syncs from now: fails with EIO */
	int	 write_at;	/* the same, of files that are awaited */
	int	 write_error;	/* 0: EIO */
	int	 lacks_range;	/* sync_file_range(2) fails with that */
	int	 linked_unsynced;
	time_t	 now;
} calls;

/* 1 when the call fails, with errno. */
static int
strike(void)
{
	if (++calls.count != calls.at)
		return 0;
	if (calls.error == 0)
		raise(SIGKILL);
	errno = calls.error;
	return 1;
}

static ino_t
inode(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	return st.st_ino;
}

static void
note_name(int at)
{
	assert_true(calls.nunsafe < UNSAFE_MAX);
	calls.unsafe[calls.nunsafe++] = inode(at);
}

static int
my_mkdirat(int at, const char *name, mode_t mode)
{
	if (strike() || mkdirat(at, name, mode) == -1)
		return -1;
	note_name(at);
	return 0;
}

static int
my_openat(int at, const char *name, int flags, ...)
{
	va_list args;
	mode_t mode;

	va_start(args, flags);
	mode = (flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE ?
	    (mode_t)va_arg(args, int) : 0;
	va_end(args);
	if (strike())
		return -1;
	if ((flags & O_TMPFILE) == O_TMPFILE && !calls.has_tmpfile) {
		errno = EOPNOTSUPP;
		return -1;
	}
	return openat(at, name, flags, mode);
}

static int
my_linkat(int from, const char *old, int at, const char *name, int flags)
{
	struct stat st;
	int i;

	if (strike())
		return -1;
	if ((flags & AT_EMPTY_PATH) != 0 && !calls.has_empty_path) {
		errno = ENOENT;
		return -1;
	}
	if (linkat(from, old, at, name, flags) == -1)
		return -1;
	note_name(at);
	assert_int_equal(fstatat(at, name, &st, 0), 0);
	for (i = 0; i < calls.nsynced && calls.synced[i] != st.st_ino; i++)
		;
	calls.linked_unsynced += i == calls.nsynced;
	return 0;
}

static int
my_unlinkat(int at, const char *name, int flags)
{
	return strike() ? -1 : unlinkat(at, name, flags);
}

static int
my_fsync(int fd)
{
	int i, n = 0;

	if (calls.is_idle)
		return fcntl(fd, F_GETFD) == -1 ? -1 : 0;
	if (strike())
		return -1;
	if (calls.sync_at > 0 && --calls.sync_at == 0) {
		errno = EIO;
		return -1;
	}
	for (i = 0; i < calls.nunsafe; i++)
		if (calls.unsafe[i] != inode(fd))
			calls.unsafe[n++] = calls.unsafe[i];
	calls.nunsafe = n;
	assert_true(calls.nsynced < UNSAFE_MAX);
	calls.synced[calls.nsynced++] = inode(fd);
	return 0;
}

static int
my_syncfs(int fd)
{
	if (strike())
		return -1;
	calls.nunsafe = 0;
	calls.linked_unsynced = 0;
	return fd == -1 ? -1 : 0;
}

/* What fails while it is awaited is not told by fsync(2) again. */
static int
my_sync_file_range(int fd, off_t from, off_t len, unsigned flags)
{
	if ((flags & SYNC_FILE_RANGE_WAIT_AFTER) != 0 && strike())
		return -1;
	if (calls.lacks_range != 0) {
		errno = calls.lacks_range;
		return -1;
	}
	if ((flags & SYNC_FILE_RANGE_WAIT_AFTER) != 0 && calls.write_at > 0 &&
	    --calls.write_at == 0) {
		errno = calls.write_error != 0 ? calls.write_error : EIO;
		return -1;
	}
	return sync_file_range(fd, from, len, flags);
}

static ssize_t
my_pwritev(int fd, const struct iovec *v, int n, off_t off)
{
	if (strike())
		return -1;
	/* The first byte alone: the rest must follow. */
	return pwrite(fd, v[0].iov_base, v[0].iov_len > 0 && n > 0, off);
}

static int
my_io_pwrite_all(int fd, const void *p, size_t n, off_t off)
{
	return strike() ? -1 : io_pwrite_all(fd, p, n, off);
}

static int
my_close(int fd)
{
	int failed = strike();

	close(fd);
	return failed ? -1 : 0;
}

static time_t
my_time(time_t *p)
{
	(void)p;
	return calls.now != 0 ? calls.now : time(NULL);
}

#define mkdirat		my_mkdirat
#define openat		my_openat
#define linkat		my_linkat
#define unlinkat	my_unlinkat
#define fsync		my_fsync
#define syncfs		my_syncfs
#define sync_file_range	my_sync_file_range
#define pwritev		my_pwritev
#define io_pwrite_all	my_io_pwrite_all
#define close		my_close
#define time		my_time
#include "smtpd/modules/sync.c"
#include "smtpd/modules/commit.c"
#undef mkdirat
#undef openat
#undef linkat
#undef unlinkat
#undef fsync
#undef syncfs
#undef sync_file_range
#undef pwritev
#undef io_pwrite_all
#undef close
#undef time

/* ---- messages ---- */

#define HEAD	"Forward-Path: <a>\r\n"
#define HEAD2	"Forward-Path: <b>\r\n"
#define TEXT	"Subject: x\r\n\r\ntext\r\n"
#define MINUTE	"202601020304"

/* Two messages: one of two domains; one of two files, written in parts. */
struct pair {
	struct commit		first, second;
	struct commit_file	file, files[2];
	struct commit_link	links[2], others[2];
};

static void
name_it(const void *arg, pid_t pid, uint64_t sequence, char *out, size_t size)
{
	(void)arg;
	assert_int_equal(pid, getpid());
	snprintf(out, size, "%llu.msg", (unsigned long long)sequence);
}

static const struct commit_layout layout = {
	.is_by_minute = 1,
	.name = name_it
};

static const char *const siblings[] = { "tmp", "cur", NULL };
static const struct commit_layout flat = {
	.siblings = siblings,
	.name = name_it
};

static void
reset_calls(void)
{
	memset(&calls, 0, sizeof(calls));
	calls.has_tmpfile = calls.has_empty_path = 1;
	calls.now = 1767323045;		/* MINUTE, and 5 seconds */
}

/* One thread: calls are counted. */
static int
tree_init(struct commit_tree *tree, const char *root,
    const struct commit_layout *l, enum commit_durable durable)
{
	if (commit_tree_init(tree, root, l, durable) == -1)
		return -1;
	tree->pool.max_threads = 0;
	tree->syncfs_min = 2;
	return 0;
}

static void
set_file(struct commit_file *f, const char *head, struct commit_link *links)
{
	f->head = head;
	f->head_len = strlen(head);
	f->links = links;
	f->temp.fd = -1;
}

static void
set_pair(struct pair *p)
{
	memset(p, 0, sizeof(*p));
	p->first.files = &p->file;
	p->first.text = TEXT;
	p->first.text_len = strlen(TEXT);
	p->first.spill.fd = p->second.spill.fd = -1;
	p->first.next = &p->second;
	set_file(&p->file, HEAD, &p->links[0]);
	p->links[0].next = &p->links[1];
	p->links[0].directory = "a.test";
	p->links[1].directory = "b.test";
	p->second.files = &p->files[0];
	p->files[0].next = &p->files[1];
	set_file(&p->files[0], HEAD, &p->others[0]);
	set_file(&p->files[1], HEAD2, &p->others[1]);
	p->others[0].directory = "a.test";
	p->others[1].directory = "c.test";
	p->second.spill_head = HEAD;
	p->second.spill_head_len = strlen(HEAD);
}

/* One group alone: in two turns. */
static void
commit_group(struct commit_tree *tree, struct commit *list)
{
	uint64_t sync_us;

	assert_null(commit_turn(tree, list, &sync_us));
	assert_ptr_equal(tree->written, list);
	assert_ptr_equal(commit_turn(tree, NULL, &sync_us), list);
	assert_null(tree->written);
}

/* The parts of the second. */
static void
spill_pair(struct commit_tree *tree, struct pair *p)
{
	const char *text = TEXT;

	p->second.text = text;
	p->second.text_len = 5;
	commit_spill(tree, &p->second);
	p->second.text = text + 5;
	p->second.text_len = 4;
	commit_spill(tree, &p->second);
	p->second.text = text + 9;
	p->second.text_len = strlen(text + 9);
}

/* 0 when both are committed. */
static int
commit_pair(struct commit_tree *tree, struct pair *p)
{
	spill_pair(tree, p);
	commit_group(tree, &p->first);
	return p->first.error != 0 || p->second.error != 0 ? -1 : 0;
}

/* ---- what is there ---- */

struct found {
	int	 messages, others, broken;
};

static void
look(const char *directory, struct found *found)
{
	const struct dirent *e;
	const char *path, *dot;
	struct buf text;
	DIR *dir = opendir(directory);

	assert_non_null(dir);
	while ((e = readdir(dir)) != NULL) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		path = t_path(directory, e->d_name);
		if (e->d_type == DT_DIR) {
			char copy[256];

			snprintf(copy, sizeof(copy), "%s", path);
			look(copy, found);
			continue;
		}
		dot = strrchr(e->d_name, '.');
		if (dot == NULL || strcmp(dot, ".msg") != 0) {
			found->others++;
			continue;
		}
		found->messages++;
		buf_init(&text, 0);
		t_get(path, &text);
		if (strcmp(buf_str(&text), HEAD TEXT) != 0 &&
		    strcmp(buf_str(&text), HEAD2 TEXT) != 0)
			found->broken++;
		buf_fini(&text);
	}
	closedir(dir);
}

static struct found
look_at(const char *root)
{
	struct found found = { 0, 0, 0 };

	look(root, &found);
	return found;
}

/* ---- cases ---- */

static int
set_up(void **state)
{
	static char root[64];

	reset_calls();
	t_dir(root, sizeof(root));
	*state = root;
	return 0;
}

static int
tear_down(void **state)
{
	t_dir_remove(*state);
	return 0;
}

static void
test_a_group_is_in_all_its_directories(void **state)
{
	struct commit_tree tree;
	struct pair p;
	struct stat st;

	assert_int_equal(tree_init(&tree, *state, &layout,
	    COMMIT_DURABLE_FULL), 0);
	tree.sequence = 7;
	set_pair(&p);
	assert_int_equal(commit_pair(&tree, &p), 0);
	t_assert_file(t_path(*state, MINUTE "/a.test/7.msg"), HEAD TEXT);
	t_assert_file(t_path(*state, MINUTE "/b.test/8.msg"), HEAD TEXT);
	t_assert_file(t_path(*state, MINUTE "/a.test/9.msg"), HEAD TEXT);
	t_assert_file(t_path(*state, MINUTE "/c.test/10.msg"), HEAD2 TEXT);
	assert_int_equal(look_at(*state).messages, 4);
	assert_int_equal(look_at(*state).others, 0);
	assert_int_equal(stat(t_path(*state, MINUTE "/a.test/7.msg"), &st), 0);
	assert_int_equal(st.st_nlink, 2);
	assert_int_equal(st.st_mode & 07777, 0640);
	assert_int_equal(stat(t_path(*state, MINUTE "/a.test"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0750);
	commit_undo(&tree, &p.first);
	commit_undo(&tree, &p.second);
	assert_int_equal(look_at(*state).messages, 0);
	commit_tree_fini(&tree);
}

/* Whoever made the directories. */
static void
test_nothing_depends_on_what_is_not_durable(void **state)
{
	static const struct {
		enum commit_durable durable;
		int is_alone;
	} cases[] = {
		{ COMMIT_DURABLE_FULL, 0 }, { COMMIT_DURABLE_FULL, 1 },
		{ COMMIT_DURABLE_FILE, 0 }, { COMMIT_DURABLE_NONE, 0 }
	};
	struct commit_tree tree;
	struct pair p, q;
	size_t i;
	int fd;

	for (i = 0; i < N(cases); i++) {
		reset_calls();
		calls.now += (time_t)i * 60;
		assert_int_equal(tree_init(&tree, *state, &layout,
		    cases[i].durable), 0);
		tree.is_alone = cases[i].is_alone;
		if (i == 0) {
			/* Another process, which did not come further. */
			fd = open(*state, O_RDONLY | O_DIRECTORY);
			assert_int_equal(my_mkdirat(fd, MINUTE, 0750), 0);
			assert_int_equal(close(fd), 0);
		}
		set_pair(&p);
		set_pair(&q);
		p.second.next = &q.first;	/* enough for syncfs(2) */
		q.second.text = TEXT;
		q.second.text_len = strlen(TEXT);
		assert_int_equal(commit_pair(&tree, &p), 0);
		assert_int_equal(q.first.error | q.second.error, 0);
		if (cases[i].durable == COMMIT_DURABLE_FULL)
			assert_int_equal(calls.nunsafe, 0);
		if (cases[i].durable != COMMIT_DURABLE_NONE)
			assert_int_equal(calls.linked_unsynced, 0);
		if (cases[i].durable == COMMIT_DURABLE_NONE)
			assert_int_equal(calls.nsynced, 0);
		commit_tree_fini(&tree);
	}
}

static void
test_directories_that_are_known_are_synced_once(void **state)
{
	struct commit_tree tree;
	struct pair p;

	assert_int_equal(tree_init(&tree, *state, &layout,
	    COMMIT_DURABLE_FULL), 0);
	set_pair(&p);
	assert_int_equal(commit_pair(&tree, &p), 0);
	calls.nsynced = 0;
	set_pair(&p);
	p.first.next = NULL;
	commit_group(&tree, &p.first);
	assert_int_equal(p.first.error, 0);
	/* The file, and its two directories. */
	assert_int_equal(calls.nsynced, 3);
	commit_tree_fini(&tree);
}

/* Of a turn: the files of one group, and the directories of another. */
static void
test_a_turn_syncs_two_groups(void **state)
{
	struct commit_tree tree;
	struct pair p[3];
	uint64_t sync_us;
	size_t i;
	int before;

	assert_int_equal(tree_init(&tree, *state, &layout,
	    COMMIT_DURABLE_FULL), 0);
	for (i = 0; i < N(p); i++) {
		set_pair(&p[i]);
		p[i].first.next = NULL;
	}
	commit_group(&tree, &p[0].first);
	assert_null(commit_turn(&tree, &p[1].first, &sync_us));
	assert_int_equal(look_at(*state).messages, 2);
	before = calls.nsynced;
	assert_ptr_equal(commit_turn(&tree, &p[2].first, &sync_us),
	    &p[1].first);
	assert_int_equal(p[1].first.error, 0);
	assert_int_equal(look_at(*state).messages, 4);
	assert_int_equal(calls.nsynced - before, 3);
	assert_int_equal(calls.nunsafe, 0);
	assert_int_equal(calls.linked_unsynced, 0);
	assert_ptr_equal(commit_turn(&tree, NULL, &sync_us), &p[2].first);
	assert_int_equal(look_at(*state).messages, 6);
	commit_tree_fini(&tree);
}

/* Files of the new group are synced first, in this test, then directories. */
static void
test_an_error_is_of_the_group_that_has_it(void **state)
{
	struct commit_tree tree;
	struct pair p, q;
	uint64_t sync_us;
	int at;

	for (at = 0; at < 2; at++) {
		assert_int_equal(tree_init(&tree, *state, &layout,
		    COMMIT_DURABLE_FULL), 0);
		set_pair(&p);
		set_pair(&q);
		p.first.next = q.first.next = NULL;
		assert_null(commit_turn(&tree, &p.first, &sync_us));
		calls.sync_at = 1 + at;
		assert_ptr_equal(commit_turn(&tree, &q.first, &sync_us),
		    &p.first);
		assert_int_equal(p.first.error, at == 0 ? 0 : EIO);
		assert_int_equal(q.first.error, at == 0 ? EIO : 0);
		assert_ptr_equal(commit_turn(&tree, NULL, &sync_us),
		    &q.first);
		assert_int_equal(q.first.error, at == 0 ? EIO : 0);
		assert_int_equal(calls.nunsafe, 0);
		assert_int_equal(look_at(*state).messages, 2 * (at + 1));
		commit_tree_fini(&tree);
	}
}

/* The sync that follows works, as far as it tells. */
static void
test_an_error_while_it_is_awaited(void **state)
{
	/* FUSE and NFS have those of their servers. */
	static const int errors[] = { EIO, ENOSPC, EPERM, EINVAL, ENOSYS };
	struct commit_tree tree;
	struct pair p;
	size_t i;

	assert_int_equal(tree_init(&tree, *state, &layout,
	    COMMIT_DURABLE_FULL), 0);
	for (i = 0; i < N(errors); i++) {
		set_pair(&p);
		calls.write_at = 1;
		calls.write_error = errors[i];
		assert_int_equal(commit_pair(&tree, &p), -1);
		assert_int_equal(p.first.error, errors[i]);
		assert_int_equal(p.second.error, 0);
		assert_int_equal(look_at(*state).messages, 2 * (i + 1));
	}
	calls.write_error = 0;
	commit_tree_fini(&tree);
}

/* Then fsync(2) alone tells. */
static void
test_no_sync_file_range(void **state)
{
	struct commit_tree tree;
	struct pair p;

	assert_int_equal(tree_init(&tree, *state, &layout,
	    COMMIT_DURABLE_FULL), 0);
	set_pair(&p);
	calls.lacks_range = EPERM;
	assert_int_equal(commit_pair(&tree, &p), 0);
	calls.lacks_range = 0;
	commit_tree_fini(&tree);
}

static void
test_a_name_is_never_taken_from_another(void **state)
{
	struct commit_tree one, two;
	struct pair p;

	assert_int_equal(tree_init(&one, *state, &layout,
	    COMMIT_DURABLE_FULL), 0);
	assert_int_equal(tree_init(&two, *state, &layout,
	    COMMIT_DURABLE_FULL), 0);
	one.sequence = two.sequence = 5;
	set_pair(&p);
	assert_int_equal(commit_pair(&one, &p), 0);
	set_pair(&p);
	assert_int_equal(commit_pair(&two, &p), 0);
	assert_int_equal(look_at(*state).messages, 8);
	assert_int_equal(look_at(*state).broken, 0);
	commit_tree_fini(&one);
	commit_tree_fini(&two);
}

static int
write_many(const void *root)
{
	struct commit_tree tree;
	struct pair p;
	int i;

	if (tree_init(&tree, root, &layout, COMMIT_DURABLE_NONE) == -1)
		return 2;
	tree.sequence = 1;
	for (i = 0; i < 50; i++) {
		calls.nunsafe = 0;
		set_pair(&p);
		if (commit_pair(&tree, &p) == -1)
			return 3;
	}
	return 0;
}

static void
test_two_processes_collide(void **state)
{
	int i, status;
	pid_t pids[2];

	for (i = 0; i < 2; i++) {
		pids[i] = fork();
		assert_true(pids[i] != -1);
		if (pids[i] == 0)
			_exit(write_many(*state));
	}
	for (i = 0; i < 2; i++) {
		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_int_equal(status, 0);
	}
	assert_int_equal(look_at(*state).messages, 2 * 50 * 4);
	assert_int_equal(look_at(*state).broken, 0);
}

static void
test_directories_that_vanish_are_made_anew(void **state)
{
	struct commit_tree tree;
	struct pair p;

	assert_int_equal(tree_init(&tree, *state, &layout,
	    COMMIT_DURABLE_FULL), 0);
	set_pair(&p);
	assert_int_equal(commit_pair(&tree, &p), 0);
	t_dir_remove(t_path(*state, MINUTE));
	reset_calls();
	set_pair(&p);
	assert_int_equal(commit_pair(&tree, &p), 0);
	assert_int_equal(look_at(*state).messages, 4);
	assert_int_equal(calls.nunsafe, 0);
	commit_tree_fini(&tree);
}

/* With the threads of the pool, and no call counted. */
static void
test_many_are_synced_at_once(void **state)
{
	static struct sync_item items[200];
	char name[32];
	struct sync_pool pool;
	size_t i, n;
	int rounds;

	calls.is_idle = 1;
	sync_pool_init(&pool);
	for (i = 0; i < N(items); i++) {
		snprintf(name, sizeof(name), "f%zu", i);
		items[i].fd = open(t_path(*state, name), O_RDWR | O_CREAT,
		    0600);
		assert_true(items[i].fd != -1);
	}
	assert_int_equal(close(items[7].fd), 0);
	for (rounds = 0; rounds < 50; rounds++)
		for (n = 0; n < N(items); n += 1 + n / 2) {
			for (i = 0; i < n; i++)
				items[i].error = -1;
			sync_all(&pool, items, n);
			for (i = 0; i < n; i++)
				assert_int_equal(items[i].error,
				    i == 7 ? EBADF : 0);
		}
	assert_int_equal(pool.nthreads, SYNC_THREADS);
	sync_pool_fini(&pool);
	for (i = 0; i < N(items); i++)
		if (i != 7)
			close(items[i].fd);
}

static void
test_a_new_minute_has_a_new_directory(void **state)
{
	struct commit_tree tree;
	struct pair p;

	assert_int_equal(tree_init(&tree, *state, &layout,
	    COMMIT_DURABLE_FULL), 0);
	set_pair(&p);
	assert_int_equal(commit_pair(&tree, &p), 0);
	calls.now += 60;
	calls.nsynced = 0;
	set_pair(&p);
	assert_int_equal(commit_pair(&tree, &p), 0);
	assert_int_equal(calls.nunsafe, 0);
	assert_true(t_exists(t_path(*state, "202601020305/a.test")));
	commit_tree_fini(&tree);
}

static void
test_more_directories_than_are_kept_open(void **state)
{
	static char names[COMMIT_DIRECTORIES * 2][16];
	static struct commit_link links[COMMIT_DIRECTORIES * 2];
	struct commit_tree tree;
	struct pair p;
	size_t i;

	calls.now = 1767323045;
	set_pair(&p);
	p.first.next = NULL;
	p.file.links = links;
	for (i = 0; i < N(links); i++) {
		snprintf(names[i], sizeof(names[i]), "d%zu.test", i);
		links[i].directory = names[i];
		links[i].next = i + 1 < N(links) ? &links[i + 1] : NULL;
	}
	/* Durability is noted above, for a few. */
	assert_int_equal(tree_init(&tree, *state, &layout,
	    COMMIT_DURABLE_NONE), 0);
	for (i = 0; i < N(links); i++) {
		calls.nunsafe = 0;
		p.file.links = &links[i];
		links[i].next = NULL;
		commit_group(&tree, &p.first);
		assert_int_equal(p.first.error, 0);
	}
	assert_int_equal(look_at(*state).messages, N(links));
	assert_true(tree.ndirectories <= COMMIT_DIRECTORIES);
	commit_tree_fini(&tree);
}

static void
test_siblings_are_made(void **state)
{
	struct commit_tree tree;
	struct pair p;

	assert_int_equal(tree_init(&tree, *state, &flat,
	    COMMIT_DURABLE_FULL), 0);
	set_pair(&p);
	p.links[0].directory = "a.test/ann/new";
	p.links[1].directory = "new";
	p.others[0].directory = "a.test/bob/new";
	assert_int_equal(commit_pair(&tree, &p), 0);
	assert_true(t_exists(t_path(*state, "a.test/ann/tmp")));
	assert_true(t_exists(t_path(*state, "a.test/bob/cur")));
	assert_true(t_exists(t_path(*state, "cur")));
	assert_int_equal(look_at(*state).messages, 4);
	assert_int_equal(calls.nunsafe, 0);
	commit_tree_fini(&tree);
}

static void
test_symbolic_links_are_not_followed(void **state)
{
	struct commit_tree tree;
	struct pair p;

	assert_int_equal(symlink("/tmp", t_path(*state, MINUTE)), 0);
	assert_int_equal(tree_init(&tree, *state, &layout,
	    COMMIT_DURABLE_FULL), 0);
	set_pair(&p);
	assert_int_equal(commit_pair(&tree, &p), -1);
	assert_string_equal(p.first.stage, "link");
	commit_tree_fini(&tree);
}

static void
test_what_is_unwanted_is_not_linked(void **state)
{
	struct commit_tree tree;
	struct pair p;

	assert_int_equal(tree_init(&tree, *state, &layout,
	    COMMIT_DURABLE_FULL), 0);
	set_pair(&p);
	atomic_store(&p.first.is_unwanted, 1);
	assert_int_equal(commit_pair(&tree, &p), -1);
	assert_int_equal(p.first.error, ECANCELED);
	assert_int_equal(p.second.error, 0);
	assert_int_equal(look_at(*state).messages, 2);
	commit_tree_fini(&tree);
}

/* ---- every call ---- */

/* How files come to names here. */
struct way {
	int	 has_tmpfile, has_empty_path, is_alone;
};

static const struct way ways[] = {
	{ 1, 1, 0 }, { 1, 0, 0 }, { 0, 0, 0 }, { 1, 1, 1 }
};

/* Acknowledges, and takes back what came to no end. */
static void
end_pair(struct commit_tree *tree, struct pair *p, int is_acked[2], int ack_fd)
{
	is_acked[0] = p->first.error == 0;
	is_acked[1] = p->second.error == 0;
	if (ack_fd != -1)
		(void)io_write_all(ack_fd, is_acked, 2 * sizeof(is_acked[0]));
	if (p->first.error != 0)
		commit_undo(tree, &p->first);
	if (p->second.error != 0)
		commit_undo(tree, &p->second);
}

/*
 * Two pairs, the second with directories that are known; its files are synced
 * with the names of the first: what failed.
 */
static int
commit_two_pairs(const char *root, const struct way *way, int is_acked[4],
    int ack_fd)
{
	struct commit_tree tree;
	struct pair p, q;
	uint64_t sync_us;

	if (tree_init(&tree, root, &layout, COMMIT_DURABLE_FULL) == -1)
		return -1;
	calls.has_tmpfile = way->has_tmpfile;
	calls.has_empty_path = way->has_empty_path;
	tree.is_alone = way->is_alone;
	set_pair(&p);
	spill_pair(&tree, &p);
	(void)commit_turn(&tree, &p.first, &sync_us);
	set_pair(&q);
	spill_pair(&tree, &q);
	assert_ptr_equal(commit_turn(&tree, &q.first, &sync_us), &p.first);
	end_pair(&tree, &p, is_acked, ack_fd);
	assert_ptr_equal(commit_turn(&tree, NULL, &sync_us), &q.first);
	end_pair(&tree, &q, is_acked + 2, ack_fd);
	commit_tree_fini(&tree);
	return 0;
}

/* The calls that such a run makes. */
static int
count_calls(const char *root, const struct way *way)
{
	int is_acked[4];

	reset_calls();
	assert_int_equal(commit_two_pairs(root, way, is_acked, -1), 0);
	return calls.count;
}

static void
empty(const char *root)
{
	t_dir_remove(root);
	assert_int_equal(mkdir(root, 0700), 0);
}

/* A failure to unlink is one that leaves a name; nothing can help there. */
static void
test_every_call_fails(void **state)
{
	static const int errors[] = { EIO, ENOSPC, EDQUOT };
	int acked[4], at, i, n, total;
	size_t e, w;

	for (w = 0; w < N(ways); w++) {
		total = count_calls(*state, &ways[w]);
		for (at = 1; at <= total; at++)
			for (e = 0; e < N(errors); e++) {
				empty(*state);
				reset_calls();
				calls.at = at;
				calls.error = errors[e];
				commit_two_pairs(*state, &ways[w], acked, -1);
				for (i = n = 0; i < 4; i++)
					n += acked[i] ? 2 : 0;
				if (look_at(*state).messages != n ||
				    look_at(*state).broken != 0)
					fail_msg("way %zu call %d: %d messages"
					    ", %d acknowledged", w, at,
					    look_at(*state).messages, n);
			}
	}
}

static void
run_and_die(const char *root, const struct way *way, int at, int acked[4])
{
	int fds[2], got[4], status;
	pid_t pid;

	assert_int_equal(pipe(fds), 0);
	pid = fork();
	assert_true(pid != -1);
	if (pid == 0) {
		reset_calls();
		calls.at = at;
		commit_two_pairs(root, way, got, fds[1]);
		_exit(0);
	}
	close(fds[1]);
	memset(acked, 0, 4 * sizeof(acked[0]));
	(void)io_read(fds[0], acked, 2 * sizeof(acked[0]));
	(void)io_read(fds[0], acked + 2, 2 * sizeof(acked[0]));
	close(fds[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void
test_killed_before_every_call(void **state)
{
	struct found found;
	int acked[4], at, n, total;
	size_t w;

	for (w = 0; w < N(ways); w++) {
		total = count_calls(*state, &ways[w]);
		for (at = 1; at < total; at++) {
			empty(*state);
			run_and_die(*state, &ways[w], at, acked);
			commit_clean(*state);
			found = look_at(*state);
			n = 2 * (acked[0] + acked[1] + acked[2] + acked[3]);
			/* At most the group that was under way. */
			if (found.messages < n || found.messages > n + 4 ||
			    found.broken != 0 || found.others != 0)
				fail_msg("way %zu call %d: %d messages, %d "
				    "acknowledged, %d broken, %d left", w, at,
				    found.messages, n, found.broken,
				    found.others);
		}
	}
}

static void
test_temporary_files_of_the_living_stay(void **state)
{
	char living[64], dead[64];
	pid_t pid;
	int fd;

	pid = fork();
	assert_true(pid != -1);
	if (pid == 0)
		_exit(0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	snprintf(living, sizeof(living), TEMP_PREFIX "%ld-1.tmp",
	    (long)getpid());
	snprintf(dead, sizeof(dead), TEMP_PREFIX "%ld-1.tmp", (long)pid);
	t_put(t_path(*state, living), T("x"), 0600);
	t_put(t_path(*state, dead), T("x"), 0600);
	t_put(t_path(*state, TEMP_PREFIX "x-1.tmp"), T("x"), 0600);
	fd = open(t_path(*state, dead), O_RDONLY);
	assert_int_equal(flock(fd, LOCK_EX), 0);
	commit_clean(*state);
	assert_true(t_exists(t_path(*state, dead)));	/* of a container */
	close(fd);
	commit_clean(*state);
	assert_false(t_exists(t_path(*state, dead)));
	assert_true(t_exists(t_path(*state, living)));
	assert_true(t_exists(t_path(*state, TEMP_PREFIX "x-1.tmp")));
}

#define CASE(f)	cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		CASE(test_a_group_is_in_all_its_directories),
		CASE(test_nothing_depends_on_what_is_not_durable),
		CASE(test_directories_that_are_known_are_synced_once),
		CASE(test_a_turn_syncs_two_groups),
		CASE(test_an_error_is_of_the_group_that_has_it),
		CASE(test_an_error_while_it_is_awaited),
		CASE(test_no_sync_file_range),
		CASE(test_a_name_is_never_taken_from_another),
		CASE(test_two_processes_collide),
		CASE(test_directories_that_vanish_are_made_anew),
		CASE(test_many_are_synced_at_once),
		CASE(test_a_new_minute_has_a_new_directory),
		CASE(test_more_directories_than_are_kept_open),
		CASE(test_siblings_are_made),
		CASE(test_symbolic_links_are_not_followed),
		CASE(test_what_is_unwanted_is_not_linked),
		CASE(test_every_call_fails),
		CASE(test_killed_before_every_call),
		CASE(test_temporary_files_of_the_living_stay),
	};

	return cmocka_run_group_tests_name("smtpd_commit", tests, NULL, NULL);
}
