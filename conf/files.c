/*
 * files.c - the files that root writes: dma.conf, auth.conf, aliases.
 * Runs as: the spool user; the deliver branch reads dma.conf as root.
 * Uses: those files, the host's name, the log.
 * Promise: a missing file is a default, an unreadable one is never a loss.
 */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "conf/files.h"
#include "lib/io.h"
#include "lib/text.h"

#define CONF_FILE	DMA_CONFDIR "/dma.conf"
#define CONF_LIMIT	(1024 * 1024)
#define SECRET_LIMIT	8192
#define HOSTNAME_LIMIT	256

/*
 * The text of a file; 0, 1 when there is none, -1 with errno.  A link that
 * leads nowhere was meant to lead to one.
 */
static int
read_text(const char *path, struct buf *b, size_t limit)
{
	struct stat st;

	if (io_read_path(path, b, limit) == 0)
		return 0;
	return (errno == ENOENT || errno == ENOTDIR) &&
	    (lstat(path, &st) == -1 || !S_ISLNK(st.st_mode)) ? 1 : -1;
}

static void
tell(const struct report *report, const char *file)
{
	report->say(report->arg, file, 0, strerror(errno));
}

static int
finish(struct conf *conf, const struct report *report)
{
	char host[HOSTNAME_LIMIT + 1];
	const char *path;
	struct buf b;
	int ret;

	path = conf_mailname_file(conf);
	if (conf->names.mailname != NULL && path == NULL)
		return 0;
	if (gethostname(host, sizeof(host)) == -1)
		text_copy(host, sizeof(host), "localhost");
	host[HOSTNAME_LIMIT] = '\0';
	buf_init(&b, 0);
	if (path != NULL && read_text(path, &b, CONF_LIMIT) != 0) {
		tell(report, path);
		path = NULL;
	}
	ret = conf_finish(conf, path == NULL ? NULL : buf_str(&b), host);
	buf_fini(&b);
	return ret;
}

int
files_conf_text(struct conf *conf, const struct buf *text,
    const struct report *report)
{
	if (conf_init(conf) == -1)
		return -1;
	if (conf_parse(conf, buf_str(text), text->len, CONF_FILE,
	    report) != -1 && finish(conf, report) != -1)
		return 0;
	conf_fini(conf);
	return -1;
}

const char *
files_conf_remedy(int error)
{
	if (error == EACCES || error == EPERM)
		return ": the user _dma must be able to read it: run \"chmod "
		    "755 " DMA_CONFDIR "\" and \"chmod 644 " CONF_FILE "\"";
	if (error == ENOENT)
		return ": it is a link to a file that does not exist";
	return "";
}

int
files_conf(struct conf *conf, const struct report *report)
{
	struct buf b;
	int ret;

	buf_init(&b, 0);
	/* Defaults instead would open what root had closed. */
	ret = read_text(CONF_FILE, &b, CONF_LIMIT);
	if (ret == -1)
		tell(report, CONF_FILE);
	else
		ret = files_conf_text(conf, &b, report);
	buf_fini(&b);
	return ret;
}

int
files_changed(const char *path, struct stat *last)
{
	struct stat st;
	int changed;

	if (stat(path, &st) == -1)
		memset(&st, 0, sizeof(st));
	/*
	 * Gone or empty: somebody is just writing it anew.  What was read
	 * holds until there is something to read.
	 */
	if (st.st_size == 0 && last->st_size > 0)
		return 0;
	changed = st.st_ino != last->st_ino || st.st_dev != last->st_dev ||
	    st.st_size != last->st_size ||
	    st.st_ctim.tv_sec != last->st_ctim.tv_sec ||
	    st.st_ctim.tv_nsec != last->st_ctim.tv_nsec ||
	    st.st_mtim.tv_sec != last->st_mtim.tv_sec ||
	    st.st_mtim.tv_nsec != last->st_mtim.tv_nsec;
	*last = st;
	return changed;
}

/* 0, or -1: what was known before holds. */
static int
read_root(struct files_root *r)
{
	struct conf fresh;
	struct buf text;

	memset(&fresh, 0, sizeof(fresh));
	buf_init(&text, 0);
	if (read_text(CONF_FILE, &text, CONF_LIMIT) == -1 ||
	    conf_init(&fresh) == -1 ||
	    conf_parse_root(&fresh, buf_str(&text), text.len) == -1) {
		conf_fini(&fresh);
		buf_fini(&text);
		return -1;
	}
	if (r->is_read)
		files_log_close(&r->log);
	conf_fini(&r->conf);
	buf_fini(&r->text);
	r->conf = fresh;
	r->text = text;
	r->is_read = 1;
	return 0;
}

int
files_root_reload(struct files_root *r)
{
	if (!files_changed(CONF_FILE, &r->stat) && r->is_read) {
		files_log_renew(&r->conf.log, &r->log);
		return 0;
	}
	if (read_root(r) == 0)
		files_log(&r->conf.log, &r->log, "dma");
	else
		/* To be tried again the next time. */
		memset(&r->stat, 0, sizeof(r->stat));
	return r->is_read ? 0 : -1;
}

/* Why a file must not be trusted with a secret, or NULL. */
static const char *
distrust(const struct stat *st)
{
	if (!S_ISREG(st->st_mode))
		return "is not a regular file";
	if (st->st_uid != 0 && st->st_uid != geteuid())
		return "is not owned by root or _dma";
	if ((st->st_mode & (S_IWGRP | S_IWOTH)) != 0)
		return "is writable by others than its owner: chmod go-w it";
	if ((st->st_mode & S_IROTH) != 0)
		return "is readable by everybody: chmod o-r it";
	return NULL;
}

/* Reads a file of one secret; 0, or -1 and why it could not be had. */
static int
read_secret(const char *path, struct buf *b, const char **reason)
{
	struct stat st;
	int fd;

	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd == -1) {
		*reason = strerror(errno);
		return -1;
	}
	*reason = fstat(fd, &st) == -1 ? strerror(errno) : distrust(&st);
	/* All at once: a buf that grows would leave copies in memory. */
	buf_space(b, SECRET_LIMIT);
	if (*reason == NULL && io_read_file(fd, b, SECRET_LIMIT) == -1)
		*reason = strerror(errno);
	close(fd);
	return *reason == NULL ? 0 : -1;
}

/* 0, or -1 without memory; trouble with the file stays with the entry. */
static int
fetch_secret(struct auth *a, const struct report *report)
{
	const char *reason;
	struct buf b;
	int ret;

	buf_init(&b, 0);
	if (read_secret(a->file, &b, &reason) == -1)
		ret = auth_set_trouble(a, reason);
	else
		ret = auth_take_secret(a, buf_str(&b), b.len);
	if (ret == 0 && a->trouble != NULL)
		report->say(report->arg, a->file, 0, a->trouble);
	buf_wipe(&b);
	return ret;
}

int
files_auth(const char *path, struct auths *auths, const struct report *report)
{
	struct stat st;
	struct buf b;
	size_t i;
	int ret;

	memset(auths, 0, sizeof(*auths));
	if (path == NULL)
		return 0;
	buf_init(&b, 0);
	ret = read_text(path, &b, CONF_LIMIT);
	if (ret == -1)
		tell(report, path);
	if (ret == 0 && auth_parse(auths, buf_str(&b), b.len, path,
	    report) == -1)
		ret = -1;
	buf_wipe(&b);
	if (ret == 0 && stat(path, &st) == 0 &&
	    (st.st_mode & (S_IWGRP | S_IROTH | S_IWOTH)) != 0)
		report->say(report->arg, path, 0,
		    "contains passwords and must not be readable or writable "
		    "by others: chmod 640 it");
	for (i = 0; ret != -1 && i < auths->n; i++)
		if (auths->list[i].file != NULL)
			ret = fetch_secret(&auths->list[i], report);
	return ret == -1 ? -1 : 0;
}

int
files_sender_relays(const char *path, struct sender_relays *senders,
    const struct report *report)
{
	struct buf b;
	int ret;

	memset(senders, 0, sizeof(*senders));
	if (path == NULL)
		return 0;
	buf_init(&b, 0);
	ret = read_text(path, &b, CONF_LIMIT);
	if (ret == 0 && b.len == 0) {
		/* Somebody is just writing it anew. */
		errno = ENODATA;
		ret = -1;
	}
	if (ret != 0)
		tell(report, path[0] == '\0' ? "SENDER_RELAY" : path);
	else if (sender_relay_parse(senders, buf_str(&b), b.len, path,
	    report) == -1) {
		sender_relay_fini(senders);
		errno = ENOMEM;
		ret = -1;
	}
	buf_fini(&b);
	return ret == 0 ? 0 : -1;
}

int
files_from_map(const char *path, struct from_map *map,
    const struct report *report)
{
	struct buf b;
	int ret;

	memset(map, 0, sizeof(*map));
	if (path == NULL)
		return 0;
	buf_init(&b, 0);
	ret = read_text(path, &b, CONF_LIMIT);
	if (ret != 0) {
		tell(report, path);
	} else if (from_map_parse(map, buf_str(&b), b.len, path,
	    report) == -1) {
		from_map_fini(map);
		errno = ENOMEM;
		tell(report, path);
		ret = -1;
	}
	buf_fini(&b);
	return ret == 0 ? 0 : -1;
}

int
files_aliases(const char *path, struct aliases *aliases,
    const struct report *report, unsigned *bad)
{
	struct buf b;
	int error, n = 0, ret;

	memset(aliases, 0, sizeof(*aliases));
	buf_init(&b, 0);
	ret = read_text(path, &b, ALIASES_BYTES_MAX);
	if (ret == -1 && errno == EFBIG)
		report->say(report->arg, path, 0, ALIASES_TOO_LARGE);
	else if (ret == -1)
		tell(report, path);
	if (ret == 0)
		n = aliases_parse(aliases, buf_str(&b), b.len, path, report);
	error = errno;
	buf_fini(&b);
	errno = error;
	*bad = n == -1 ? 0 : (unsigned)n;
	return n == -1 ? -1 : ret;
}

static int
open_log(const char *path)
{
	struct stat st;
	int fd, flags;

	flags = O_WRONLY | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK |
	    O_NOCTTY;
	/* A file made by root could not be written by the others. */
	fd = open(path, geteuid() == 0 ? flags : flags | O_CREAT, 0640);
	if (fd != -1 && (fstat(fd, &st) == -1 || !S_ISREG(st.st_mode) ||
	    st.st_nlink != 1))
		io_close(&fd);
	return fd;
}

void
files_log(const struct conf_log *conf, struct log *log, const char *tag)
{
	log_init(log, tag);
	log->level = conf->level;
	log->where = conf->where;
	if (log->where == LOG_TO_FD) {
		log->fd = conf->path == NULL ? -1 : open_log(conf->path);
		if (log->fd == -1)
			log->where = LOG_TO_SYSLOG;
	}
	log_open(log);
	if (conf->where == LOG_TO_FD && log->where == LOG_TO_SYSLOG)
		log_say(log, LOG_LEVEL_WARNING, "cannot write to the log file "
		    "%s: %s", conf->path == NULL ? "" : conf->path,
		    strerror(errno));
}

void
files_log_renew(const struct conf_log *conf, struct log *log)
{
	struct stat here, open_now;
	int fd;

	if (conf->where != LOG_TO_FD || conf->path == NULL ||
	    stat(conf->path, &here) == -1)
		return;
	if (log->fd != -1 && fstat(log->fd, &open_now) == 0 &&
	    here.st_dev == open_now.st_dev && here.st_ino == open_now.st_ino)
		return;
	fd = open_log(conf->path);
	if (fd == -1)
		return;
	io_close(&log->fd);
	log->fd = fd;
	log->where = LOG_TO_FD;
}

void
files_log_close(struct log *log)
{
	io_close(&log->fd);
	log->where = LOG_TO_SYSLOG;
}

static void
hold(void *held, const char *file, unsigned line, const char *text)
{
	if (line > 0)
		buf_printf(held, "%s:%u: %s\n", file, line, text);
	else
		buf_printf(held, "%s: %s\n", file, text);
}

int
files_conf_log(struct conf *conf, struct log *log, const char *tag)
{
	struct buf held;
	const struct report report = { hold, &held };
	struct text_lines t;
	int error, ret;

	buf_init(&held, CONF_LIMIT);
	ret = files_conf(conf, &report);
	error = errno;
	if (ret == 0)
		files_log(&conf->log, log, tag);
	text_init(&t, buf_str(&held), held.len);
	while (text_next(&t))
		log_say(log, LOG_LEVEL_WARNING, "%s", t.line);
	buf_fini(&held);
	errno = error;
	return ret;
}
