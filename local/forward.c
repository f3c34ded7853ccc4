/*
 * forward.c - reads .forward files and lists, and finds an entry in them again.
 * Runs as: the user.
 * Uses: the user's .forward and lists; the alias file, already open.
 * Promise: a .forward is believed only after the checks of SPEC.md 3; the text
 * of an entry is given only if that very entry is in the list now.
 */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "aliases.h"
#include "aliases_include.h"
#include "lib/buf.h"
#include "lib/io.h"
#include "lib/ipc.h"
#include "lib/trusted_open.h"
#include "local/delivery.h"
#include "local/forward.h"
#include "priv/records.h"
#include "priv/user_shell.h"

#define FORWARD_NAME		".forward"
#define LIST_PIECE		(60 * 1024)	/* bytes in a message */
#define FORWARD_LINGER_MS	1000	/* for the same question again */
#define OPEN_FORWARD	(O_RDONLY | O_NONBLOCK | O_CLOEXEC)

/* ---- .forward ---- */

/* One reading of a ~/.forward. */
struct forward {
	const struct user *user;
	struct buf	*text;		/* lent: the file, or why not */
	int		 home, fd;	/* owned, or -1 */
};

static enum forward_verdict
refused(struct forward *f, const char *what)
{
	buf_reset(f->text);
	buf_printf(f->text, "%s/" FORWARD_NAME " %s", f->user->home, what);
	return FORWARD_REFUSED;
}

static enum forward_verdict
postponed(struct forward *f, const char *what)
{
	buf_reset(f->text);
	buf_printf(f->text, "%s%s: %s", f->user->home, what, strerror(errno));
	return FORWARD_LATER;
}

/*
 * Without its parent, too, a home is on a file system that is not mounted;
 * but that of many a daemon was never made.
 */
static enum forward_verdict
missing_home(struct forward *f)
{
	char parent[sizeof(f->user->home)];
	struct stat st;
	char *end;

	snprintf(parent, sizeof(parent), "%s", f->user->home);
	for (end = parent + strlen(parent); end > parent + 1 &&
	    end[-1] == '/'; )
		*--end = '\0';
	end = strrchr(parent, '/');
	end[end == parent] = '\0';
	if (stat(parent, &st) == 0 || user_has_login_shell(f->user) == 0)
		return FORWARD_NONE;
	errno = ENOENT;
	return postponed(f, "");
}

/* FORWARD_TEXT: it is open. */
static enum forward_verdict
open_forward(struct forward *f)
{
	char path[sizeof(f->user->home) + sizeof(FORWARD_NAME) + 1];

	f->home = delivery_open_directory(f->user->home);
	if (f->home == -1)
		return errno == ENOENT || errno == ENOTDIR ? missing_home(f) :
		    postponed(f, "");
	f->fd = openat(f->home, FORWARD_NAME, OPEN_FORWARD | O_NOFOLLOW);
	if (f->fd != -1)
		return FORWARD_TEXT;
	if (errno == ENOENT)
		return FORWARD_NONE;
	if (errno == ELOOP || errno == EMLINK) {
		snprintf(path, sizeof(path), "%s/" FORWARD_NAME,
		    f->user->home);
		f->fd = trusted_open(path, f->user->uid, OPEN_FORWARD);
		if (f->fd != -1)
			return FORWARD_TEXT;
		if (errno == ENOENT || errno == ELOOP || errno == ENOTDIR)
			return refused(f, "is a symbolic link that is "
			    "dangling, or that others can change: correct or "
			    "remove it");
	}
	if (errno == ENXIO || errno == ENODEV)
		return refused(f, "is not a regular file: replace it");
	return postponed(f, "/" FORWARD_NAME);
}

static enum forward_verdict
read_checked(struct forward *f)
{
	struct stat home, st;

	if (fstat(f->home, &home) == -1 || fstat(f->fd, &st) == -1)
		return postponed(f, "/" FORWARD_NAME);
	if ((home.st_mode & (S_IWGRP | S_IWOTH)) != 0)
		return refused(f, "is in a directory that is writable by "
		    "others: chmod go-w the directory");
	if (!S_ISREG(st.st_mode))
		return refused(f, "is not a regular file: replace it");
	if (st.st_uid != f->user->uid && st.st_uid != 0)
		return refused(f, "is not owned by you or root: chown it");
	/* Its owner could call any file of the user's so. */
	if (home.st_uid != f->user->uid && home.st_uid != 0)
		return refused(f, "is in a directory that another user owns: "
		    "chown the directory");
	if ((st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
		return refused(f, "is writable by others: chmod go-w it");
	if (io_read_file(f->fd, f->text, FORWARD_MAX) == 0)
		return FORWARD_TEXT;
	if (errno == EFBIG)
		return refused(f, "is longer than 65536 bytes: shorten it");
	return postponed(f, "/" FORWARD_NAME);
}

/* The file goes into text, or the reason why it cannot be used. */
static enum forward_verdict
read_forward(const struct user *user, struct buf *text)
{
	struct forward f = { user, text, -1, -1 };
	enum forward_verdict verdict = FORWARD_NONE;

	if (user->home[0] == '/')
		verdict = open_forward(&f);
	if (verdict == FORWARD_TEXT)
		verdict = read_checked(&f);
	io_close(&f.fd);
	io_close(&f.home);
	return verdict;
}

/* ---- lists (:include:) ---- */

/* How lists are read, and where they are sent. */
struct list_reader {
	const struct user *user;
	int		 is_forward;	/* else lists of the aliases */
	size_t		 left;		/* bytes that they may still have */
	struct ipc	*m;		/* lent: for a .forward; or NULL */
	int		 channel;	/* lent: for the aliases; or -1 */
	enum forward_verdict verdict;	/* why reading failed */
};

/* A list of a .forward passes the checks of a .forward. */
static int
take_own(struct list_reader *r, const char *path, const struct buf *text,
    int is_loose, struct result *res)
{
	const char *cause = NULL;

	if (is_loose)
		cause = "owned or writable by others: chown it, chmod go-w it";
	else if (text->len + strlen(path) > r->left)
		cause = "a .forward and its lists may have at most 65536 "
		    "bytes in all";
	if (cause != NULL) {
		r->verdict = FORWARD_REFUSED;
		return include_defer(res, CODE_CHANGED, path, cause);
	}
	if (r->m != NULL) {
		ipc_put_str(r->m, path);
		ipc_put_bytes(r->m, text->data, text->len);
	}
	return 0;
}

/* In pieces, since a message is bounded; the runner joins them. */
static int
send_list(const struct list_reader *r, const char *path, const struct buf *text)
{
	size_t done = 0, n;
	struct ipc m;
	int ret;

	ipc_init(&m);
	do {
		n = text->len - done;
		if (n > LIST_PIECE)
			n = LIST_PIECE;
		ipc_begin(&m, IPC_FORWARD_LIST, 0);
		ipc_put_str(&m, done == 0 ? path : "");
		ipc_put_bytes(&m, n == 0 ? "" : text->data + done, n);
		ret = ipc_send(r->channel, &m);
		done += n;
	} while (ret == 0 && done < text->len);
	ipc_fini(&m);
	return ret;
}

/* A list of the aliases may be anybody's. */
static int
take_public(struct list_reader *r, const char *path, const struct buf *text,
    const struct stat *st, struct result *res)
{
	if (include_public(st, path, res) == -1)
		return -1;
	if (text->len + strlen(path) > r->left)
		return include_defer(res, "4.3.5", path, "the lists of an "
		    "alias may have at most 1048576 bytes in all");
	if (r->channel != -1 && send_list(r, path, text) == -1)
		return include_defer(res, "4.3.0", path, "runner is gone");
	return 0;
}

/* As the user.  No file or command in a loose list is used. */
static int
read_list(void *arg, const char *path, struct buf *text, int *is_loose,
    struct result *res)
{
	char full[sizeof(((struct user *)0)->home) + TARGET_MAX + 1];
	struct list_reader *r = arg;
	struct stat st;

	snprintf(full, sizeof(full), "%s%s", path[0] == '~' ? r->user->home :
	    "", path[0] == '~' ? path + 1 : path);
	if (include_read_file(full, text, &st, res) == -1)
		return -1;
	*is_loose = !trusted_stat(&st, r->user->uid);
	if ((r->is_forward ? take_own(r, path, text, *is_loose, res) :
	    take_public(r, path, text, &st, res)) == -1)
		return -1;
	r->left -= text->len + strlen(path);
	return 0;
}

/* Gives the targets with each :include: replaced by its list. */
static int
flatten(struct list_reader *r, const struct targets *ts, struct targets *flat,
    struct result *res)
{
	const struct include_source source = { read_list, r };

	return include_flatten(ts, flat, &source, &report_quiet, res);
}

/* For the log and root: so the detail, where there is one. */
static void
put_cause(struct buf *out, const struct result *res)
{
	if (res->detail != NULL)
		buf_puts(out, res->detail);
	else if (res->reason != NULL)
		buf_puts(out, res->reason);
}

/* Adds the lists of a .forward to the message; or the reason is in text. */
static enum forward_verdict
put_lists(const struct user *user, struct ipc *m, struct buf *text)
{
	struct list_reader r = { user, 1, FORWARD_MAX - text->len, m, -1,
	    FORWARD_LATER };
	struct targets flat, ts;
	struct result res;
	int ret;

	/* The runner parses the same text, and reports bad lines. */
	if (forward_parse(&ts, text->data, text->len, FORWARD_NAME,
	    &report_quiet) == -1)
		return FORWARD_TEXT;	/* the runner says what is wrong */
	result_init(&res);
	ret = flatten(&r, &ts, &flat, &res);
	targets_fini(&flat);
	targets_fini(&ts);
	if (ret == -1) {
		buf_reset(text);
		put_cause(text, &res);
	}
	result_fini(&res);
	return ret == 0 ? FORWARD_TEXT : r.verdict;
}

static void
begin_reply(struct ipc *m, enum forward_verdict verdict, const struct buf *text)
{
	ipc_begin(m, IPC_FORWARD_REPLY, 0);
	ipc_put_u32(m, (uint32_t)verdict);
	ipc_put_bytes(m, text->data, text->len);
}

static int
send_forward(const struct user *user, int channel)
{
	enum forward_verdict verdict;
	struct buf text;
	struct ipc m;
	int ret;

	buf_init(&text, 0);
	ipc_init(&m);
	verdict = read_forward(user, &text);
	begin_reply(&m, verdict, &text);
	if (verdict == FORWARD_TEXT) {
		verdict = put_lists(user, &m, &text);
		if (verdict != FORWARD_TEXT)
			begin_reply(&m, verdict, &text);
	}
	if (buf_failed(&text)) {
		buf_reset(&text);
		begin_reply(&m, FORWARD_LATER, &text);
	}
	ret = ipc_send(channel, &m);
	ipc_fini(&m);
	buf_fini(&text);
	return ret;
}

/* 1 for the same question again, 0 when none comes, -1 out of turn. */
static int
is_asked_again(int channel)
{
	struct ipc m;
	int ret = 0;

	if (io_wait(channel, POLLIN, io_clock_ms() + FORWARD_LINGER_MS) != 1)
		return 0;
	ipc_init(&m);
	if (ipc_recv(channel, &m, IPC_FORWARD_LIMIT) != 0)
		ret = m.kind == IPC_FORWARD_AGAIN && m.nfds == 0 &&
		    ipc_done(&m) == 0 ? 1 : -1;
	ipc_fini(&m);
	return ret;
}

int
forward_answer(const struct user *user, int channel)
{
	int again;

	do {
		if (send_forward(user, channel) == -1)
			return 1;
		again = is_asked_again(channel);
	} while (again == 1);
	return again == -1 ? EX_PROTOCOL : 0;
}

/* ---- the entry that names a file or a command ---- */

static int
changed(struct result *res)
{
	return result_quote(res, SOURCE_USER_FILE, STATUS_DEFERRED,
	    CODE_CHANGED, "entry changed since it was read");
}

/* Only that very entry will do. */
static int
take_entry(const struct delivery *d, const struct targets *ts, struct buf *out,
    struct result *res)
{
	enum target_kind kind;
	const struct target *t;

	kind = d->kind == ROUTE_PIPE ? TARGET_PIPE : TARGET_FILE;
	if (d->entry.index >= ts->n)
		return changed(res);
	t = &ts->list[d->entry.index];
	if (t->kind != kind || t->digest != d->entry.digest)
		return changed(res);
	if (t->is_loose)
		return result_quote(res, SOURCE_USER_FILE, STATUS_DEFERRED,
		    "4.3.5", "it is in a list that is writable by others: "
		    "files and commands of such a list are not used");
	buf_puts(out, t->text);
	if (buf_failed(out))
		return result_set(res, STATUS_DEFERRED, "4.3.0",
		    "out of memory");
	return 0;
}

static int
take_flat(const struct delivery *d, const struct targets *ts, struct buf *out,
    struct result *res)
{
	int is_forward = d->origin == ORIGIN_FORWARD;
	struct list_reader r = { d->user, is_forward, is_forward ? FORWARD_MAX :
	    LISTS_BYTES_MAX, NULL, -1, FORWARD_LATER };
	struct targets flat;
	int ret;

	if (flatten(&r, ts, &flat, res) == -1)
		return -1;
	ret = take_entry(d, &flat, out, res);
	targets_fini(&flat);
	return ret;
}

static int
entry_of_forward(const struct delivery *d, struct buf *out, struct result *res)
{
	enum forward_verdict verdict;
	struct targets ts;
	struct buf text;
	int ret;

	buf_init(&text, 0);
	verdict = read_forward(d->user, &text);
	if (verdict == FORWARD_REFUSED || verdict == FORWARD_LATER) {
		result_quote(res, SOURCE_USER_FILE, STATUS_DEFERRED,
		    CODE_CHANGED, "the .forward of this user cannot be used "
		    "now");
		ret = result_detail(res, "%s", buf_str(&text));
	} else if (verdict == FORWARD_TEXT && forward_parse(&ts, text.data,
	    text.len, FORWARD_NAME, &report_quiet) != -1) {
		ret = take_flat(d, &ts, out, res);
		targets_fini(&ts);
	} else {
		ret = changed(res);
	}
	buf_fini(&text);
	return ret;
}

static int
read_aliases(int fd, struct buf *text, struct result *res)
{
	errno = ENOENT;
	if (fd != -1 && io_read_file(fd, text, ALIASES_BYTES_MAX) == 0)
		return 0;
	return delivery_defer_system(res, "aliases file cannot be read");
}

/* Lends the alias, which is in as; -1 with the reason: then as is empty. */
static int
read_alias(int fd, const char *name, struct aliases *as,
    const struct alias **alias, struct result *res)
{
	struct buf text, lines;
	int ret;

	memset(as, 0, sizeof(*as));
	buf_init(&text, 0);
	buf_init(&lines, 0);
	ret = read_aliases(fd, &text, res);
	if (ret == 0)
		aliases_cut(buf_str(&text), text.len, name, &lines);
	if (ret == 0 && (buf_failed(&lines) || aliases_parse(as,
	    buf_str(&lines), lines.len, "aliases", &report_quiet) == -1))
		ret = result_set(res, STATUS_DEFERRED, "4.3.0",
		    "aliases file cannot be parsed");
	buf_fini(&lines);
	buf_fini(&text);
	if (ret == -1)
		return -1;
	*alias = aliases_find(as, name);
	if (*alias != NULL)
		return 0;
	aliases_fini(as);
	return changed(res);
}

/* Commands are run only from a file that root or this user alone can write. */
static int
is_trusted(const struct delivery *d)
{
	struct stat st;

	return fstat(d->aliases, &st) == 0 && trusted_stat(&st, d->user->uid);
}

static int
entry_of_aliases(const struct delivery *d, struct buf *out, struct result *res)
{
	const struct alias *a;
	struct aliases as;
	int ret;

	if (read_alias(d->aliases, d->name, &as, &a, res) == -1)
		return -1;
	ret = is_trusted(d) ? take_flat(d, &a->targets, out, res) :
	    result_set(res, STATUS_DEFERRED, "4.3.5", "aliases file is "
	    "writable by others than root: files and commands in it are not "
	    "used: chmod go-w it");
	aliases_fini(&as);
	return ret;
}

int
forward_find_entry(const struct delivery *d, struct buf *out,
    struct result *res)
{
	return d->origin == ORIGIN_FORWARD ? entry_of_forward(d, out, res) :
	    entry_of_aliases(d, out, res);
}

/* ---- the lists of an alias ---- */

int
forward_answer_lists(const struct user *user, const char *name, int aliases,
    int channel)
{
	struct list_reader r = { user, 0, LISTS_BYTES_MAX, NULL, channel,
	    FORWARD_LATER };
	const struct alias *alias;
	struct targets flat;
	struct aliases as;
	struct result res;
	struct buf text;
	struct ipc m;
	int ret;

	result_init(&res);
	ret = read_alias(aliases, name, &as, &alias, &res);
	if (ret == 0) {
		ret = flatten(&r, &alias->targets, &flat, &res);
		targets_fini(&flat);
		aliases_fini(&as);
	}
	ipc_init(&m);
	buf_init(&text, 0);
	put_cause(&text, &res);
	begin_reply(&m, ret == 0 ? FORWARD_TEXT : FORWARD_LATER, &text);
	ret = ipc_send(channel, &m);
	ipc_fini(&m);
	buf_fini(&text);
	result_fini(&res);
	return ret == 0 ? 0 : 1;
}
