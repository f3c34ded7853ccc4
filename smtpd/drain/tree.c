/*
 * tree.c - the tree of minutes: finds what is closed, and drains it.
 * Runs as: the user of dma-smtpd-drain.  Uses: the tree; a process for each of
 * the messages that are drained at once.
 * Promise: each minute is drained by one process and its workers at a time,
 * who hold a lock on its directory.  Directories that are symbolic links or
 * somebody else's are not entered.
 *
 * How: the messages of a minute are collected in batches; worker k of n takes
 * every n-th of the batch from k on.  A minute is closed when the second one
 * after it has begun: what dma-smtpd still commits then comes the next time.
 */
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/array.h"
#include "lib/io.h"
#include "smtpd/drain/message.h"
#include "smtpd/drain/tree.h"

#define BATCH		1048576	/* names that are read at once */
#define OPEN_DIRECTORY	(O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

/* A list of names, owned. */
struct names {
	char	**list;
	size_t	 n, cap;
};

/* A minute or a domain of one. */
struct tree_place {
	struct tree	*tree;		/* lent */
	const char	*minute, *domain;	/* lent; domain "" */
	int		 fd;		/* owned */
};

int
tree_is_ending(const struct tree *tree)
{
	sigset_t pending;

	return tree->is_ending || (sigpending(&pending) == 0 &&
	    (sigismember(&pending, SIGTERM) ||
	    sigismember(&pending, SIGINT)));
}

/* ---- names ---- */

static int
digits(const char *p, int n)
{
	int value = 0;

	while (n-- > 0)
		value = value * 10 + (*p++ - '0');
	return value;
}

int
tree_minute(const char *text, time_t *began)
{
	struct tm tm, again;

	if (strlen(text) != 12 || strspn(text, "0123456789") != 12)
		return 0;
	memset(&tm, 0, sizeof(tm));
	tm.tm_year = digits(text, 4) - 1900;
	tm.tm_mon = digits(text + 4, 2) - 1;
	tm.tm_mday = digits(text + 6, 2);
	tm.tm_hour = digits(text + 8, 2);
	tm.tm_min = digits(text + 10, 2);
	again = tm;
	*began = timegm(&again);
	/* A day or an hour that does not exist became another. */
	return again.tm_year == tm.tm_year && again.tm_mon == tm.tm_mon &&
	    again.tm_mday == tm.tm_mday && again.tm_hour == tm.tm_hour &&
	    again.tm_min == tm.tm_min;
}

static int
is_domain(const char *name)
{
	return *name != '.' && *name != '\0' && (strcmp(name, "_invalid") == 0
	    || strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789.-") ==
	    strlen(name));
}

static int
is_message(const char *name)
{
	size_t n = strlen(name);

	return *name != '.' && n > 4 && strcmp(name + n - 4, ".msg") == 0;
}

static void
names_fini(struct names *names)
{
	while (names->n > 0)
		free(names->list[--names->n]);
	free(names->list);
	memset(names, 0, sizeof(*names));
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int
add_name(struct names *names, const char *name)
{
	char *copy = strdup(name);

	if (copy == NULL || array_grow(&names->list, &names->cap, names->n,
	    sizeof(*names->list)) == -1) {
		free(copy);
		errno = ENOMEM;
		return -1;
	}
	names->list[names->n++] = copy;
	return 0;
}

/*
 * All names in a directory but those after max, in order; -1 with errno.
 */
static int
read_names(int at, size_t max, struct names *names)
{
	const struct dirent *entry;
	int fd = openat(at, ".", OPEN_DIRECTORY), ret = 0;
	DIR *dir = fd == -1 ? NULL : fdopendir(fd);

	memset(names, 0, sizeof(*names));
	if (dir == NULL) {
		io_close(&fd);
		return -1;
	}
	errno = 0;
	while (ret == 0 && names->n < max && (entry = readdir(dir)) != NULL)
		if (strcmp(entry->d_name, ".") != 0 &&
		    strcmp(entry->d_name, "..") != 0)
			ret = add_name(names, entry->d_name);
	if (errno != 0)
		ret = -1;
	closedir(dir);
	if (names->n > 0)
		qsort(names->list, names->n, sizeof(*names->list), by_name);
	return ret;
}

/* ---- what is said ---- */

static int
complain(const struct tree_place *p, const char *name, const char *problem)
{
	log_say(&p->tree->log, LOG_LEVEL_ERROR, "%s/%s%s%s%s%s: %s",
	    p->tree->path, p->minute,
	    *p->domain != '\0' ? "/" : "", p->domain,
	    *name != '\0' ? "/" : "", name, problem);
	return -1;
}

/* A directory below another: 1, 0 when it is gone, -1 after that was said. */
static int
enter(struct tree_place *p, int at, const char *name)
{
	struct stat st;

	p->fd = openat(at, name, OPEN_DIRECTORY);
	if (p->fd == -1 && errno == ENOENT)
		return 0;	/* another process has removed it */
	if (p->fd == -1 || fstat(p->fd, &st) == -1)
		complain(p, "", errno == ELOOP || errno == ENOTDIR ?
		    "not a directory" : strerror(errno));
	else if (st.st_uid != p->tree->owner)
		complain(p, "", "not owned by the owner of the tree");
	else
		return 1;
	io_close(&p->fd);
	return -1;
}

/* ---- workers ---- */

/* Worker k of n: its share of the messages; 1 when it did not drain all. */
static int
drain_share(const struct tree_place *p, const struct names *messages, size_t k,
    size_t n)
{
	const struct message_place place = {
		.log = &p->tree->log, .sendmail = p->tree->sendmail,
		.take = p->tree->take, .arg = p->tree->arg,
		.root = p->tree->root, .owner = p->tree->owner,
		.minute = p->minute, .domain = p->domain, .directory = p->fd
	};
	int status = 0;
	size_t i;

	for (i = k; i < messages->n; i += n) {
		if (tree_is_ending(p->tree))
			return 1;
		if (message_drain(&place, messages->list[i]) == -1)
			status = 1;
	}
	return status;
}

static void
end_workers(struct tree *tree, const pid_t workers[], size_t n)
{
	size_t i;

	tree->is_ending = 1;
	for (i = 0; i < n; i++)
		if (workers[i] > 0)
			kill(workers[i], SIGTERM);
}

/* One that has ended is no more in the list; -1 when it did not drain all. */
static int
took_worker(pid_t workers[], size_t n, pid_t pid, int status)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (workers[i] == pid)
			workers[i] = -1;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -1;
}

/* They end after the message that they are at when we are asked to end. */
static int
wait_workers(struct tree *tree, pid_t workers[], size_t n)
{
	int ret = 0, sig, status;
	sigset_t signals;
	pid_t pid;

	sigemptyset(&signals);
	sigaddset(&signals, SIGCHLD);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	while ((pid = waitpid(-1, &status, WNOHANG)) != -1) {
		if (pid > 0 && took_worker(workers, n, pid, status) == -1)
			ret = -1;
		if (pid > 0)
			continue;
		sig = sigwaitinfo(&signals, NULL);
		if (sig == SIGTERM || sig == SIGINT)
			end_workers(tree, workers, n);
	}
	return ret;
}

/* All of a list: 0, or -1 when some remain. */
static int
drain_messages(const struct tree_place *p, const struct names *messages)
{
	size_t i, n = (size_t)p->tree->jobs;
	pid_t workers[TREE_JOBS_MAX];
	int ret = 0;

	if (n > messages->n)
		n = messages->n;
	if (n <= 1)
		return drain_share(p, messages, 0, 1) == 0 ? 0 : -1;
	for (i = 0; i < n; i++) {
		workers[i] = fork();
		if (workers[i] == 0)
			_exit(drain_share(p, messages, i, n));
		if (workers[i] == -1)
			ret = complain(p, "", "cannot start a process");
	}
	return wait_workers(p->tree, workers, n) == 0 ? ret : -1;
}

/* ---- domains ---- */

/*
 * Leaves the messages in the list: 0, or -1 when other things are there.  What
 * a process left that was killed is removed; we hold the lock.
 */
static int
keep_messages(const struct tree_place *p, struct names *names)
{
	size_t i, n = 0;
	int ret = 0;

	for (i = 0; i < names->n; i++) {
		char *name = names->list[i];

		if (is_message(name)) {
			names->list[n++] = name;
			continue;
		}
		if (strncmp(name, MESSAGE_TEMP, strlen(MESSAGE_TEMP)) != 0)
			ret = complain(p, name, "not a message");
		else
			(void)unlinkat(p->fd, name, 0);
		free(name);
	}
	names->n = n;
	return ret;
}

/* 0 when it is empty, 1 when there may be more to drain, or -1. */
static int
drain_some(const struct tree_place *p)
{
	struct names messages;
	size_t found;
	int ret = 0;

	if (read_names(p->fd, BATCH, &messages) == -1)
		ret = complain(p, "", strerror(errno));
	found = messages.n;
	if (ret == 0)
		ret = keep_messages(p, &messages);
	if (messages.n > 0 && drain_messages(p, &messages) == -1)
		ret = -1;
	names_fini(&messages);
	/* A power failure does not bring all of them back. */
	if (found > 0)
		(void)fsync(p->fd);
	return ret == 0 && found > 0 ? 1 : ret;
}

static int
drain_domain(const struct tree_place *minute, const char *name)
{
	struct tree_place p = *minute;
	int ret;

	p.domain = name;
	if (!is_domain(name))
		return complain(minute, name, "not a domain");
	ret = enter(&p, minute->fd, name);
	if (ret != 1)
		return ret;
	do
		ret = drain_some(&p);
	while (ret == 1);
	io_close(&p.fd);
	if (ret == 0 && unlinkat(minute->fd, name, AT_REMOVEDIR) == -1 &&
	    errno != ENOENT)
		ret = complain(&p, "", strerror(errno));
	return ret;
}

/* ---- minutes ---- */

static int
drain_locked(const struct tree_place *p)
{
	struct names domains;
	int ret = 0;
	size_t i;

	if (read_names(p->fd, BATCH, &domains) == -1)
		ret = complain(p, "", strerror(errno));
	for (i = 0; i < domains.n; i++) {
		if (tree_is_ending(p->tree) ||
		    drain_domain(p, domains.list[i]) == -1)
			ret = -1;
	}
	names_fini(&domains);
	if (ret == 0 && unlinkat(p->tree->root, p->minute, AT_REMOVEDIR) == -1
	    && errno != ENOENT)
		ret = complain(p, "", strerror(errno));
	return ret;
}

/* 0 when nothing of it remains, 1 when another process drains it, or -1. */
static int
drain_minute(struct tree *tree, const char *name, int does_wait)
{
	struct tree_place p = { .tree = tree, .minute = name, .domain = "" };
	int ret;

	ret = enter(&p, tree->root, name);
	if (ret != 1)
		return ret;
	do
		ret = flock(p.fd, LOCK_EX | (does_wait ? 0 : LOCK_NB));
	while (ret == -1 && errno == EINTR);
	if (ret == -1 && errno == EWOULDBLOCK)
		ret = 1;
	else if (ret == -1)
		ret = complain(&p, "", strerror(errno));
	else
		ret = drain_locked(&p);
	io_close(&p.fd);
	return ret;
}

/* Leaves those that are closed and began after since. */
static void
keep_closed(struct names *names, time_t now, time_t since)
{
	size_t i, n = 0;
	time_t began;

	for (i = 0; i < names->n; i++)
		if (tree_minute(names->list[i], &began) &&
		    now - began >= TREE_CLOSED_S && began > since)
			names->list[n++] = names->list[i];
		else
			free(names->list[i]);
	names->n = n;
}

int
tree_drain(struct tree *tree, time_t now, time_t since, int does_wait)
{
	struct names minutes;
	int ret = 0, status;
	char *busy;
	size_t i;

	if (read_names(tree->root, BATCH, &minutes) == -1) {
		log_say(&tree->log, LOG_LEVEL_ERROR, "%s: %s", tree->path,
		    strerror(errno));
		ret = 1;
	}
	keep_closed(&minutes, now, since);
	busy = calloc(minutes.n + 1, 1);
	for (i = 0; i < minutes.n && busy != NULL; i++) {
		status = tree_is_ending(tree) ? -1 :
		    drain_minute(tree, minutes.list[i], 0);
		busy[i] = status == 1;
		ret |= status == -1;
	}
	/* Only now is there nothing better to do than to wait for others. */
	for (i = 0; i < minutes.n && busy != NULL && does_wait; i++)
		if (busy[i] && (tree_is_ending(tree) ||
		    drain_minute(tree, minutes.list[i], 1) == -1))
			ret = 1;
	ret |= busy == NULL;
	free(busy);
	names_fini(&minutes);
	return ret;
}

/* ---- the tree ---- */

int
tree_open(struct tree *tree)
{
	struct stat st;

	tree->root = open(tree->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (tree->root == -1 || fstat(tree->root, &st) == -1) {
		log_say(&tree->log, LOG_LEVEL_ERROR, "%s: %s", tree->path,
		    strerror(errno));
		io_close(&tree->root);
		return -1;
	}
	tree->owner = st.st_uid;
	return 0;
}

void
tree_close(struct tree *tree)
{
	io_close(&tree->root);
}
