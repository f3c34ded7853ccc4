/*
 * commit.c - makes files of messages durable, several with the cost of one.
 * Runs as: the user of dma-smtpd, in threads of a child.  Uses: the tree.
 * Promise: when commit_turn() gives a message back without an error, it is in
 * all its directories, whole, and a power failure does not take it away; else
 * it is in none of them.  Killed at any point, a message is nowhere or whole.
 *
 * How: a file has no name (O_TMPFILE) until it is written and synced; then it
 * is linked, never over another, and each directory that got a name is synced
 * once for the whole group.  So a group takes two turns.  The files of one are
 * synced together with the directories of the one before it, which costs one
 * commit of the file system's journal instead of two.  A directory that this
 * process sees for the first time may have been made by another one a moment
 * ago and not be durable, so its parent is synced, too, whoever made it.
 */
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/utsname.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/array.h"
#include "lib/io.h"
#include "smtpd/modules/commit.h"

#define OPEN_DIRECTORY	(O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
#define DIRECTORY_MODE	0750
#define FILE_MODE	0640
#define TEMP_PREFIX	".dma-smtpd-"	/* PID-SEQUENCE.tmp */
#define NAME_TRIES	1000	/* names taken in a row: the clock went back */
#define LINK_TRIES	4	/* directories vanish under us */
#define COPY_BYTES	32768
/* Syncs for which one of the whole file system is cheaper: with ext4 it takes
 * a third of the time for 100, and about the same for 4. */
#define SYNCFS_MIN	4

/* ---- directories ---- */

/* 0, or -1 without memory. */
static int
add_sync(struct commit_tree *tree, int fd)
{
	if (array_grow(&tree->syncs, &tree->syncs_cap, tree->nsyncs,
	    sizeof(*tree->syncs)) == -1)
		return -1;
	tree->syncs[tree->nsyncs].fd = fd;
	tree->syncs[tree->nsyncs++].error = 0;
	return 0;
}

/* Those with names that are not durable yet. */
static void
add_directory_syncs(struct commit_tree *tree)
{
	int i;

	for (i = 0; i < tree->ndirectories; i++) {
		if (tree->directories[i].is_dirty &&
		    tree->durable == COMMIT_DURABLE_FULL &&
		    add_sync(tree, tree->directories[i].fd) == -1)
			tree->sync_error = ENOMEM;
		tree->directories[i].is_dirty = 0;
	}
}

/* What was added, in any order; those from this one on are directories. */
static void
sync_added(struct commit_tree *tree, size_t directories)
{
	size_t k;

#ifdef __linux__
	/* One call for all, that finds the errors of all. */
	if (tree->is_alone && tree->nsyncs >= tree->syncfs_min) {
		const int error = syncfs(tree->directories[0].fd) == -1 ?
		    errno : 0;

		for (k = 0; k < tree->nsyncs; k++)
			tree->syncs[k].error = error;
	} else
#endif
		sync_all(&tree->pool, tree->syncs, tree->nsyncs);
	for (k = directories; k < tree->nsyncs; k++)
		if (tree->syncs[k].error != 0)
			tree->sync_error = tree->syncs[k].error;
}

/* Closes all but the root; what is in them was synced. */
static void
close_directories(struct commit_tree *tree)
{
	tree->nsyncs = 0;
	add_directory_syncs(tree);
	sync_added(tree, 0);
	while (tree->ndirectories > 1)
		close(tree->directories[--tree->ndirectories].fd);
	tree->minute[0] = '\0';
}

static int
find_directory(const struct commit_tree *tree, int parent, const char *name,
    size_t len)
{
	const struct commit_directory *d;
	uint64_t h = text_digest(name, len);
	int i;

	for (i = 1; i < tree->ndirectories; i++) {
		d = &tree->directories[i];
		if (d->hash == h && d->parent == parent &&
		    strncmp(d->name, name, len) == 0 && d->name[len] == '\0')
			return i;
	}
	return -1;
}

/* The number of a directory, made where it is missing; -1 with errno. */
static int
open_directory(struct commit_tree *tree, int parent, const char *name,
    size_t len)
{
	struct commit_directory *d;
	int at = tree->directories[parent].fd, found;

	found = find_directory(tree, parent, name, len);
	if (found != -1)
		return found;
	if (len == 0 || len > NAME_MAX) {
		errno = ENAMETOOLONG;
		return -1;
	}
	d = &tree->directories[tree->ndirectories];
	memcpy(d->name, name, len);
	d->name[len] = '\0';
	if (mkdirat(at, d->name, DIRECTORY_MODE) == -1 && errno != EEXIST)
		return -1;
	d->fd = openat(at, d->name, OPEN_DIRECTORY);
	if (d->fd == -1)
		return -1;
	d->parent = parent;
	d->hash = text_digest(name, len);
	d->is_dirty = 0;
	tree->directories[parent].is_dirty = 1;
	return tree->ndirectories++;
}

/* A path of several names; the number of the last. */
static int
open_path(struct commit_tree *tree, int at, const char *path)
{
	const char *const *sibling;
	const char *end;
	int is_known;

	for (;; path = end + 1) {
		end = path + strcspn(path, "/");
		is_known = *end == '\0' && (tree->layout->siblings == NULL ||
		    find_directory(tree, at, path, (size_t)(end - path)) != -1);
		if (*end == '\0')
			break;
		at = open_directory(tree, at, path, (size_t)(end - path));
		if (at == -1)
			return -1;
	}
	sibling = is_known ? NULL : tree->layout->siblings;
	for (; sibling != NULL && *sibling != NULL; sibling++)
		if (mkdirat(tree->directories[at].fd, *sibling,
		    DIRECTORY_MODE) == -1 && errno != EEXIST)
			return -1;
	return open_directory(tree, at, path, strlen(path));
}

/* Directories that one path may take: its depth, and the minute. */
static int
depth(const char *path)
{
	int n = 2;

	for (; *path != '\0'; path++)
		n += *path == '/';
	return n;
}

/* The directory of a link; -1 with errno. */
static int
open_place(struct commit_tree *tree, const char *minute, const char *path)
{
	int at = 0;

	if (depth(path) > COMMIT_DIRECTORIES / 2) {
		errno = ENAMETOOLONG;
		return -1;
	}
	if (strcmp(tree->minute, minute) != 0 ||
	    tree->ndirectories + depth(path) > COMMIT_DIRECTORIES)
		close_directories(tree);
	memcpy(tree->minute, minute, sizeof(tree->minute));
	if (*minute != '\0')
		at = open_directory(tree, 0, minute, strlen(minute));
	return at == -1 ? -1 : open_path(tree, at, path);
}

/* ---- files without a place ---- */

/* Where a file cannot be without a name: locked while it is in use. */
static int
open_named(struct commit_tree *tree, struct commit_temp *t)
{
	snprintf(t->name, sizeof(t->name), TEMP_PREFIX "%ld-%016llx.tmp",
	    (long)tree->pid, (unsigned long long)
	    atomic_fetch_add(&tree->temp_sequence, 1));
	t->fd = openat(tree->directories[0].fd, t->name, O_RDWR | O_CREAT |
	    O_EXCL | O_NOFOLLOW | O_CLOEXEC, FILE_MODE);
	if (t->fd == -1) {
		t->name[0] = '\0';
		return -1;
	}
	/* Without locks the process id alone protects it. */
	(void)flock(t->fd, LOCK_EX | LOCK_NB);
	return 0;
}

static int
open_temp(struct commit_tree *tree, struct commit_temp *t)
{
	t->name[0] = '\0';
#ifdef O_TMPFILE
	if (!atomic_load(&tree->lacks_tmpfile)) {
		t->fd = openat(tree->directories[0].fd, ".",
		    O_TMPFILE | O_RDWR | O_CLOEXEC, FILE_MODE);
		if (t->fd != -1 || (errno != EOPNOTSUPP && errno != EISDIR &&
		    errno != EINVAL))
			return t->fd == -1 ? -1 : 0;
		atomic_store(&tree->lacks_tmpfile, 1);
	}
#endif
	return open_named(tree, t);
}

/* 0, or -1 with errno: a write that failed late is seen by close(2). */
static int
close_temp(struct commit_tree *tree, struct commit_temp *t)
{
	int ret = 0;

	if (t->name[0] != '\0')
		unlinkat(tree->directories[0].fd, t->name, 0);
	t->name[0] = '\0';
	if (t->fd != -1)
		ret = close(t->fd);
	t->fd = -1;
	return ret;
}

/* Head and text at the beginning of a file. */
static int
write_both(int fd, const char *head, size_t head_len, const char *text,
    size_t len)
{
	struct iovec v[2] = { { (char *)(uintptr_t)head, head_len },
	    { (char *)(uintptr_t)text, len } };
	ssize_t n;
	size_t done;

	do
		n = pwritev(fd, v, 2, 0);
	while (n == -1 && errno == EINTR);
	if (n == -1)
		return -1;
	done = (size_t)n;
	if (done < head_len && io_pwrite_all(fd, head + done, head_len - done,
	    (off_t)done) == -1)
		return -1;
	if (done < head_len)
		done = head_len;
	return io_pwrite_all(fd, text + (done - head_len),
	    len - (done - head_len), (off_t)done);
}

static int
copy_text(int from, uint64_t at, uint64_t end, int to, uint64_t to_at)
{
	char bytes[COPY_BYTES];
	size_t n;

	for (; at < end; at += n, to_at += n) {
		n = end - at < sizeof(bytes) ? (size_t)(end - at) :
		    sizeof(bytes);
		if (io_pread_all(from, bytes, n, (off_t)at) == -1 ||
		    io_pwrite_all(to, bytes, n, (off_t)to_at) == -1)
			return -1;
	}
	return 0;
}

static void
fail_with(struct commit *m, int error, const char *stage)
{
	m->error = error != 0 ? error : EIO;
	m->stage = stage;
}

static void
fail_at(struct commit *m, const char *stage)
{
	fail_with(m, errno, stage);
}

void
commit_spill(struct commit_tree *tree, struct commit *m)
{
	int is_new = m->spill.fd == -1;

	if (m->error != 0)
		return;
	if (is_new && open_temp(tree, &m->spill) == -1) {
		fail_at(m, "create");
		return;
	}
	if (is_new && io_pwrite_all(m->spill.fd, m->spill_head,
	    m->spill_head_len, 0) == -1)
		fail_at(m, "write");
	if (is_new)
		m->spill_bytes = m->spill_head_len;
	if (m->error == 0 && io_pwrite_all(m->spill.fd, m->text, m->text_len,
	    (off_t)m->spill_bytes) == -1)
		fail_at(m, "write");
	m->spill_bytes += m->text_len;
	m->text_len = 0;
}

static int
is_spill(const struct commit *m, const struct commit_file *f)
{
	return f->head_len == m->spill_head_len &&
	    memcmp(f->head, m->spill_head, f->head_len) == 0;
}

/* One file, whole, without a place. */
static void
write_file(struct commit_tree *tree, struct commit *m, struct commit_file *f)
{
	int ret;

	if (m->spill.fd != -1 && is_spill(m, f)) {
		f->is_shared = 1;
		f->temp = m->spill;
		return;
	}
	if (open_temp(tree, &f->temp) == -1) {
		fail_at(m, "create");
		return;
	}
	if (m->spill.fd == -1)
		ret = write_both(f->temp.fd, f->head, f->head_len, m->text,
		    m->text_len);
	else
		ret = write_both(f->temp.fd, f->head, f->head_len, "", 0) == -1
		    ? -1 : copy_text(m->spill.fd, m->spill_head_len,
		    m->spill_bytes, f->temp.fd, f->head_len);
	if (ret == -1)
		fail_at(m, "write");
}

static void
write_message(struct commit_tree *tree, struct commit *m)
{
	struct commit_file *f;

	if (m->spill.fd != -1 && m->text_len > 0)
		commit_spill(tree, m);
	for (f = m->files; f != NULL && m->error == 0; f = f->next) {
		write_file(tree, m, f);
#ifdef __linux__
		if (m->error == 0 && tree->durable != COMMIT_DURABLE_NONE)
			(void)sync_file_range(f->temp.fd, 0, 0,
			    SYNC_FILE_RANGE_WRITE);
#endif
	}
}

#ifdef __linux__
/*
 * It failed since it does not work here, which harms nobody, and not since a
 * write did, which may have any errno: so does one that has nothing to do.
 */
static int
is_unsupported(int fd)
{
	const int error = errno, ret = sync_file_range(fd, 0, 0, 0);

	errno = error;
	return ret == -1;
}
#endif

/*
 * Until the bytes of all files are at the disk.  Where the first of the syncs
 * that follow commits the journal, it finds all that the others need in it:
 * ext4 changes an inode once more when its bytes are written.  An error that
 * is reported here is not reported by fsync(2) again.
 */
static void
await_writes(const struct commit_tree *tree, struct commit *m)
{
#ifdef __linux__
	const struct commit_file *f;

	for (; m != NULL && tree->nsyncs > 1; m = m->next)
		for (f = m->files; f != NULL && m->error == 0; f = f->next)
			if (sync_file_range(f->temp.fd, 0, 0,
			    SYNC_FILE_RANGE_WAIT_BEFORE |
			    SYNC_FILE_RANGE_WRITE |
			    SYNC_FILE_RANGE_WAIT_AFTER) == -1 &&
			    !is_unsupported(f->temp.fd))
				fail_at(m, "write");
#else
	(void)tree;
	(void)m;
#endif
}

static void
close_message(struct commit_tree *tree, struct commit *m)
{
	struct commit_file *f;

	for (f = m->files; f != NULL; f = f->next) {
		if (!f->is_shared && close_temp(tree, &f->temp) == -1)
			fail_at(m, "close");
		f->temp.fd = -1;
		f->is_shared = 0;
	}
	if (close_temp(tree, &m->spill) == -1)
		fail_at(m, "close");
}

/* ---- names ---- */

/* By its path from the root: the directory may no longer be open. */
static void
remove_link(struct commit_tree *tree, const struct commit *m,
    const struct commit_link *l)
{
	char path[PATH_MAX];
	int n;

	n = snprintf(path, sizeof(path), "%s%s%s/%s", m->minute,
	    m->minute[0] != '\0' ? "/" : "", l->directory, l->name);
	if (n > 0 && (size_t)n < sizeof(path))
		unlinkat(tree->directories[0].fd, path, 0);
}

static void
remove_links(struct commit_tree *tree, struct commit *m)
{
	struct commit_file *f;
	struct commit_link *l;

	for (f = m->files; f != NULL; f = f->next)
		for (l = f->links; l != NULL; l = l->next) {
			if (l->is_made)
				remove_link(tree, m, l);
			l->is_made = 0;
		}
}

/* Gives a file without a name one. */
static int
link_unnamed(struct commit_tree *tree, int fd, int at, const char *name)
{
	char path[64];

#ifdef AT_EMPTY_PATH
	if (!tree->lacks_empty_path) {
		if (linkat(fd, "", at, name, AT_EMPTY_PATH) == 0)
			return 0;
		if (errno != ENOENT && errno != EPERM && errno != EINVAL)
			return -1;
		/* Older systems have it for root alone; or the directory went
		 * away, which the other way finds out, too. */
	}
#endif
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (linkat(AT_FDCWD, path, at, name, AT_SYMLINK_FOLLOW) == -1) {
		int error = errno;

		if (error == ENOENT && faccessat(AT_FDCWD, "/proc/self/fd",
		    F_OK, 0) == -1)
			atomic_store(&tree->lacks_tmpfile, 1);
		errno = error;
		return -1;
	}
	tree->lacks_empty_path = 1;
	return 0;
}

/* A free name in a directory. */
static int
link_into(struct commit_tree *tree, const struct commit_temp *t, int at,
    char *name, size_t size)
{
	const struct commit_layout *layout = tree->layout;
	int ret = -1, tries;

	for (tries = 0; tries < NAME_TRIES && ret == -1; tries++) {
		layout->name(layout->arg, tree->pid, tree->sequence++, name,
		    size);
		if (t->name[0] != '\0')
			ret = linkat(tree->directories[0].fd, t->name, at,
			    name, 0);
		else
			ret = link_unnamed(tree, t->fd, at, name);
		if (ret == -1 && errno != EEXIST)
			return -1;
	}
	return ret;
}

static int
make_link(struct commit_tree *tree, const struct commit_temp *t,
    const char *minute, struct commit_link *l)
{
	int at, ret = -1, tries;

	for (tries = 0; tries < LINK_TRIES && ret == -1; tries++) {
		at = open_place(tree, minute, l->directory);
		if (at != -1)
			ret = link_into(tree, t, tree->directories[at].fd,
			    l->name, sizeof(l->name));
		if (ret == 0)
			tree->directories[at].is_dirty = 1;
		else if (errno != ENOENT)
			return -1;
		else
			close_directories(tree);	/* removed meanwhile */
	}
	l->is_made = ret == 0;
	return ret;
}

static void
link_message(struct commit_tree *tree, struct commit *m,
    const char minute[COMMIT_MINUTE])
{
	struct commit_file *f;
	struct commit_link *l;

	if (m->error == 0 && atomic_load(&m->is_unwanted))
		fail_with(m, ECANCELED, "cancel");
	memcpy(m->minute, minute, sizeof(m->minute));
	for (f = m->files; f != NULL && m->error == 0; f = f->next)
		for (l = f->links; l != NULL && m->error == 0; l = l->next)
			if (make_link(tree, &f->temp, minute, l) == -1)
				fail_at(m, "link");
}

static void
name_minute(const struct commit_tree *tree, char *minute, size_t size)
{
	time_t now = time(NULL);
	struct tm tm;

	*minute = '\0';
	if (tree->layout->is_by_minute && gmtime_r(&now, &tm) != NULL)
		(void)strftime(minute, size, "%Y%m%d%H%M", &tm);
}

/* ---- a group ---- */

static uint64_t
clock_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/* All files of all messages; those of a message are in a row. */
static void
add_file_syncs(struct commit_tree *tree, struct commit *list)
{
	const struct commit_file *f;
	struct commit *m;

	for (m = list; m != NULL; m = m->next)
		for (f = m->files; f != NULL && m->error == 0; f = f->next)
			if (add_sync(tree, f->temp.fd) == -1)
				fail_with(m, ENOMEM, "sync");
}

static void
take_errors(const struct commit_tree *tree, struct commit *list)
{
	const struct commit_file *f;
	struct commit *m;
	size_t k = 0;

	for (m = list; m != NULL; m = m->next)
		for (f = m->files; f != NULL && m->error == 0; f = f->next) {
			while (tree->syncs[k].fd != f->temp.fd)
				k++;
			if (tree->syncs[k].error != 0)
				fail_with(m, tree->syncs[k].error, "sync");
		}
}

/* The files of a list, and all names that there are: the microseconds. */
static uint64_t
sync_both(struct commit_tree *tree, struct commit *list)
{
	const uint64_t start_us = clock_us();
	size_t nfiles;

	tree->nsyncs = 0;
	if (tree->durable == COMMIT_DURABLE_NONE)
		list = NULL;
	add_file_syncs(tree, list);
	nfiles = tree->nsyncs;
	await_writes(tree, list);
	add_directory_syncs(tree);
	sync_added(tree, nfiles);
	take_errors(tree, list);
	return clock_us() - start_us;
}

static void
finish_message(struct commit_tree *tree, struct commit *m)
{
	if (tree->sync_error != 0 && m->error == 0)
		fail_with(m, tree->sync_error, "sync of the directory");
	close_message(tree, m);
	if (m->error != 0)
		remove_links(tree, m);
}

struct commit *
commit_turn(struct commit_tree *tree, struct commit *list, uint64_t *sync_us)
{
	struct commit *const named = tree->written;
	char minute[sizeof(tree->minute)] = "";
	struct commit *m;

	for (m = list; m != NULL; m = m->next)
		write_message(tree, m);
	tree->sync_error = 0;
	name_minute(tree, minute, sizeof(minute));
	for (m = named; m != NULL; m = m->next)
		link_message(tree, m, minute);
	*sync_us = tree->written_us;
	tree->written_us = sync_both(tree, list);
	*sync_us += tree->written_us;
	for (m = named; m != NULL; m = m->next)
		finish_message(tree, m);
	/* What could not be synced is opened anew, to be synced again. */
	if (tree->sync_error != 0)
		close_directories(tree);
	tree->written = list;
	return named;
}

void
commit_undo(struct commit_tree *tree, struct commit *m)
{
	close_message(tree, m);
	remove_links(tree, m);
}

/* ---- the tree ---- */

/*
 * Whether syncing all of the file system syncs nothing of others.  Before
 * Linux 5.8 syncfs(2) did not report that a write had failed.
 */
static int
is_alone(int root)
{
	struct utsname system;
	struct stat here, above;
	int major, minor;

	if (uname(&system) == -1 || strcmp(system.sysname, "Linux") != 0 ||
	    sscanf(system.release, "%d.%d", &major, &minor) != 2 ||
	    major < 5 || (major == 5 && minor < 8))
		return 0;
	return fstat(root, &here) == 0 &&
	    fstatat(root, "..", &above, 0) == 0 && here.st_dev != above.st_dev;
}

int
commit_tree_init(struct commit_tree *tree, const char *root,
    const struct commit_layout *layout, enum commit_durable durable)
{
	struct timespec now;

	memset(tree, 0, sizeof(*tree));
	tree->layout = layout;
	tree->durable = durable;
	tree->syncfs_min = SYNCFS_MIN;
	tree->directories = calloc(COMMIT_DIRECTORIES,
	    sizeof(*tree->directories));
	if (tree->directories == NULL)
		return -1;
	tree->directories[0].parent = -1;
	tree->directories[0].fd = open(root, O_RDONLY | O_DIRECTORY |
	    O_CLOEXEC);
	if (tree->directories[0].fd == -1) {
		free(tree->directories);
		tree->directories = NULL;
		return -1;
	}
	tree->ndirectories = 1;
	tree->is_alone = is_alone(tree->directories[0].fd);
	tree->pid = getpid();
	/* A later process with our id begins later. */
	clock_gettime(CLOCK_REALTIME, &now);
	tree->sequence = (uint64_t)now.tv_sec * 1000000 +
	    (uint64_t)now.tv_nsec / 1000;
	atomic_store(&tree->temp_sequence, tree->sequence);
	sync_pool_init(&tree->pool);
	return 0;
}

void
commit_tree_fini(struct commit_tree *tree)
{
	/* What was not begun has neither. */
	if (tree->directories == NULL)
		return;
	sync_pool_fini(&tree->pool);
	free(tree->syncs);
	while (tree->ndirectories > 0)
		close(tree->directories[--tree->ndirectories].fd);
	free(tree->directories);
	tree->directories = NULL;
}

/* ---- what the dead left ---- */

static void
clean_one(int root, const char *name)
{
	char *end;
	int fd;
	long pid;

	pid = strtol(name + strlen(TEMP_PREFIX), &end, 10);
	if (pid <= 0 || *end != '-' || kill((pid_t)pid, 0) == 0 ||
	    errno != ESRCH)
		return;
	/* A process that we cannot see, as of another container, holds it. */
	fd = openat(root, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK |
	    O_CLOEXEC);
	if (fd != -1 && (flock(fd, LOCK_EX | LOCK_NB) == 0 ||
	    errno != EWOULDBLOCK))
		unlinkat(root, name, 0);
	io_close(&fd);
}

void
commit_clean(const char *root)
{
	const struct dirent *entry;
	DIR *dir = opendir(root);

	if (dir == NULL)
		return;
	while ((entry = readdir(dir)) != NULL)
		if (strncmp(entry->d_name, TEMP_PREFIX,
		    strlen(TEMP_PREFIX)) == 0)
			clean_one(dirfd(dir), entry->d_name);
	closedir(dir);
}
