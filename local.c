/*
 * local.c - what is done as the user: .forward, mailbox, file, pipe.
 * Runs as: the user, for good (root only for root's own mailbox; with LMTP the
 * spool user, for a mailbox).
 * Uses: what that user may open; the alias file, already open.
 * Promise: a file is written and a command is run only when that very entry
 * stands in the user's .forward, or in the alias file, now.
 */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "aliases.h"
#include "local/command.h"
#include "local/delivery.h"
#include "lib/buf.h"
#include "lib/io.h"
#include "lib/ipc.h"
#include "aliases_include.h"
#include "local/lmtp.h"
#include "local.h"
#include "local/maildir.h"
#include "local/mbox.h"
#include "priv/records.h"
#include "lib/result.h"

#define ALIASES_FILE_MAX	(16 * 1024 * 1024)	/* octets */
#define FORWARD_NAME		".forward"
#define LIST_PIECE		(60 * 1024)	/* octets in a record */
#define SHELLS_FILE	"/etc/shells"
#define SHELLS_FILE_MAX	(64 * 1024)
#define SHELLS_USUAL	"/bin/sh\n/bin/csh\n"	/* where there is no file */
#define FORWARD_LINGER_MS	1000	/* the runner lets us go before */

#ifdef O_PATH
#define OPEN_DIRECTORY	(O_PATH | O_DIRECTORY | O_CLOEXEC)
#else
#define OPEN_DIRECTORY	(O_RDONLY | O_DIRECTORY | O_CLOEXEC)
#endif
#define OPEN_FORWARD	(O_RDONLY | O_NONBLOCK | O_CLOEXEC)

static void
say_nothing(void *arg, const char *file, unsigned line, const char *text)
{
	(void)arg;
	(void)file;
	(void)line;
	(void)text;
}

/* The runner's parse told what is wrong with a line; this is the second. */
static const struct report quiet = { say_nothing, NULL };

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
later(struct forward *f, const char *what)
{
	int saved = errno;

	buf_reset(f->text);
	buf_printf(f->text, "%s%s: %s", f->user->home, what, strerror(saved));
	return FORWARD_LATER;
}

/* Is it there?  FORWARD_TEXT: it is open. */
static enum forward_verdict
open_forward(struct forward *f)
{
	f->home = open(f->user->home, OPEN_DIRECTORY);
	if (f->home == -1)
		return errno == ENOENT || errno == ENOTDIR ? FORWARD_NONE :
		    later(f, "");
	f->fd = openat(f->home, FORWARD_NAME, OPEN_FORWARD | O_NOFOLLOW);
	if (f->fd != -1)
		return FORWARD_TEXT;
	if (errno == ENOENT)
		return FORWARD_NONE;
	if (errno == ELOOP || errno == EMLINK) {
		f->fd = openat(f->home, FORWARD_NAME, OPEN_FORWARD);
		if (f->fd != -1)
			return FORWARD_TEXT;
		if (errno == ENOENT || errno == ELOOP || errno == ENOTDIR)
			return refused(f, "is a link that leads nowhere: "
			    "mend or remove it");
	}
	if (errno == ENXIO || errno == ENODEV)
		return refused(f, "is not a regular file: replace it");
	return later(f, "/" FORWARD_NAME);
}

static enum forward_verdict
check_forward(struct forward *f)
{
	struct stat home, st;

	if (fstat(f->home, &home) == -1 || fstat(f->fd, &st) == -1)
		return later(f, "/" FORWARD_NAME);
	if ((home.st_mode & (S_IWGRP | S_IWOTH)) != 0)
		return refused(f, "is in a directory that others can write: "
		    "chmod go-w that directory");
	if (!S_ISREG(st.st_mode))
		return refused(f, "is not a regular file: replace it");
	if (st.st_uid != f->user->uid && st.st_uid != 0)
		return refused(f, "belongs to somebody else: make it your "
		    "own or root's");
	if ((st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
		return refused(f, "can be written by others: chmod go-w it");
	if (st.st_size > FORWARD_MAX)
		return refused(f, "is longer than 65536 octets: shorten it");
	return FORWARD_TEXT;
}

static enum forward_verdict
read_checked(struct forward *f)
{
	enum forward_verdict verdict;

	verdict = open_forward(f);
	if (verdict != FORWARD_TEXT)
		return verdict;
	verdict = check_forward(f);
	if (verdict != FORWARD_TEXT)
		return verdict;
	if (io_read_file(f->fd, f->text, FORWARD_MAX) == 0)
		return FORWARD_TEXT;
	if (errno == EFBIG)
		return refused(f, "is longer than 65536 octets: shorten it");
	return later(f, "/" FORWARD_NAME);
}

/* The one way to a .forward: text has the file, or why there is none. */
static enum forward_verdict
read_forward(const struct user *user, struct buf *text)
{
	struct forward f;
	enum forward_verdict verdict;

	f.user = user;
	f.text = text;
	f.home = f.fd = -1;
	if (user->home[0] != '/')
		return FORWARD_NONE;
	verdict = read_checked(&f);
	io_close(&f.fd);
	io_close(&f.home);
	return verdict;
}

/* ---- its lists ---- */

/* What the child reads lists with, and to whom it tells them. */
struct reader {
	const struct user *user;
	int		 is_forward;	/* else lists of the aliases */
	size_t		 left;		/* octets that they may still have */
	struct ipc	*m;		/* lent: for a .forward; or NULL */
	int		 channel;	/* lent: for the aliases; or -1 */
	enum forward_verdict verdict;	/* why reading failed */
};

static int
fail_list(struct reader *r, enum forward_verdict verdict)
{
	r->verdict = verdict;
	return -1;
}

/* Of a .forward: it passes the checks of a .forward. */
static int
take_own(struct reader *r, const char *path, const struct buf *text,
    int is_loose, struct result *res)
{
	if (is_loose) {
		result_set(res, STATUS_DEFERRED, CODE_CHANGED, "list %s can be "
		    "written by others: make it your own, chmod go-w it",
		    path);
		return fail_list(r, FORWARD_REFUSED);
	}
	if (text->len + strlen(path) > r->left) {
		result_set(res, STATUS_DEFERRED, CODE_CHANGED,
		    "list %s: a .forward and its lists may have 65536 octets "
		    "in all", path);
		return fail_list(r, FORWARD_REFUSED);
	}
	if (r->m != NULL) {
		ipc_put_str(r->m, path);
		ipc_put_bytes(r->m, text->data, text->len);
	}
	return 0;
}

/* Piece by piece, since a record has an end; the runner keeps them. */
static int
tell_list(const struct reader *r, const char *path, const struct buf *text)
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

/* Of the aliases: it may be anybody's. */
static int
take_public(struct reader *r, const char *path, const struct buf *text,
    const struct stat *st, struct result *res)
{
	if (include_public(st, path, res) == -1)
		return -1;
	if (text->len + strlen(path) > r->left)
		return result_set(res, STATUS_DEFERRED, "4.3.5", "list %s: the "
		    "lists of an alias may have 1048576 octets in all", path);
	if (r->channel != -1 && tell_list(r, path, text) == -1)
		return result_set(res, STATUS_DEFERRED, "4.3.0",
		    "list %s: nobody takes it", path);
	return 0;
}

/* As the user.  Of a loose list no file or command is used. */
static int
read_list(void *arg, const char *path, struct buf *text, int *is_loose,
    struct result *res)
{
	char full[sizeof(((struct user *)0)->home) + TARGET_MAX + 1];
	struct reader *r = arg;
	struct stat st;

	snprintf(full, sizeof(full), "%s%s", path[0] == '~' ? r->user->home :
	    "", path[0] == '~' ? path + 1 : path);
	if (include_read_file(full, text, &st, res) == -1)
		return fail_list(r, FORWARD_LATER);
	*is_loose = (st.st_mode & (S_IWGRP | S_IWOTH)) != 0 ||
	    (st.st_uid != 0 && st.st_uid != r->user->uid);
	if ((r->is_forward ? take_own(r, path, text, *is_loose, res) :
	    take_public(r, path, text, &st, res)) == -1)
		return -1;
	r->left -= text->len + strlen(path);
	return 0;
}

/* Adds the lists of a .forward to the record; -1 with the reason in text. */
static enum forward_verdict
put_lists(const struct user *user, struct ipc *m, struct buf *text)
{
	struct reader r = { user, 1, FORWARD_MAX - text->len, m, -1,
	    FORWARD_LATER };
	const struct include_source source = { read_list, &r };
	struct targets flat, ts;
	struct result res;
	int ret = 0;

	if (forward_parse(&ts, text->data, text->len, FORWARD_NAME,
	    &quiet) == -1)
		return FORWARD_TEXT;	/* the runner says what is wrong */
	result_init(&res);
	if (include_any(&ts))
		ret = include_flatten(&ts, &flat, &source, &quiet, &res);
	if (include_any(&ts) && ret == 0)
		targets_fini(&flat);
	targets_fini(&ts);
	if (ret == -1) {
		buf_reset(text);
		buf_puts(text, res.reason == NULL ? "out of memory" :
		    res.reason);
	}
	result_fini(&res);
	return ret == 0 ? FORWARD_TEXT : r.verdict;
}

static void
begin_say(struct ipc *m, enum forward_verdict verdict, const struct buf *text)
{
	ipc_begin(m, IPC_FORWARD_REPLY, 0);
	ipc_put_u32(m, (uint32_t)verdict);
	ipc_put_bytes(m, text->data, text->len);
}

static int
say_forward(const struct user *user, int channel)
{
	enum forward_verdict verdict;
	struct buf text;
	struct ipc m;
	int ret;

	buf_init(&text, 0);
	ipc_init(&m);
	verdict = read_forward(user, &text);
	begin_say(&m, verdict, &text);
	if (verdict == FORWARD_TEXT) {
		verdict = put_lists(user, &m, &text);
		if (verdict != FORWARD_TEXT)
			begin_say(&m, verdict, &text);
	}
	if (buf_failed(&text)) {
		buf_reset(&text);
		begin_say(&m, FORWARD_LATER, &text);
	}
	ret = ipc_send(channel, &m);
	ipc_fini(&m);
	buf_fini(&text);
	return ret;
}

/* The same question may come again soon: 1 then, 0 when not, -1 else. */
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
local_forward(const struct user *user, int channel)
{
	int again;

	do {
		if (say_forward(user, channel) == -1)
			return 1;
		again = is_asked_again(channel);
	} while (again == 1);
	return again == -1 ? EX_PROTOCOL : 0;
}

/* ---- the entry that a file or command must stand in ---- */

static int
changed(struct result *res)
{
	return result_set(res, STATUS_DEFERRED, CODE_CHANGED,
	    "entry changed since it was read");
}

/* 0 and its text when that very entry is in the list. */
static int
take_entry(const struct delivery *d, const struct targets *ts, struct buf *out,
    struct result *res)
{
	enum target_kind kind;
	const struct target *t;

	kind = d->kind == ROUTE_PIPE ? TARGET_PIPE : TARGET_FILE;
	if (d->entry >= ts->n)
		return changed(res);
	t = &ts->list[d->entry];
	if (t->kind != kind || t->digest != d->digest)
		return changed(res);
	if (t->is_loose)
		return result_set(res, STATUS_DEFERRED, "4.3.5",
		    "it stands in a list that others can write: no file or "
		    "command of it is "
		    "used");
	buf_puts(out, t->text);
	if (buf_failed(out))
		return result_set(res, STATUS_DEFERRED, "4.3.0",
		    "out of memory");
	return 0;
}

/* The same, among what the lists that they name hold. */
static int
take_flat(const struct delivery *d, const struct targets *ts, struct buf *out,
    struct result *res)
{
	int is_forward = d->origin == ORIGIN_FORWARD;
	struct reader r = { d->user, is_forward, is_forward ? FORWARD_MAX :
	    LISTS_OCTETS_MAX, NULL, -1, FORWARD_LATER };
	const struct include_source source = { read_list, &r };
	struct targets flat;
	int ret;

	if (!include_any(ts))
		return take_entry(d, ts, out, res);
	if (include_flatten(ts, &flat, &source, &quiet, res) == -1)
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
		ret = result_set(res, STATUS_DEFERRED, CODE_CHANGED, "%s",
		    buf_str(&text));
	} else if (verdict == FORWARD_TEXT && forward_parse(&ts, text.data,
	    text.len, FORWARD_NAME, &quiet) != -1) {
		ret = take_flat(d, &ts, out, res);
		targets_fini(&ts);
	} else {
		ret = changed(res);
	}
	buf_fini(&text);
	return ret;
}

/*
 * The descriptor may be shared with other children: so no read that moves
 * its offset.
 */
static int
read_aliases(int fd, struct buf *text, struct result *res)
{
	struct stat st;
	char *room;

	if (fd == -1 || fstat(fd, &st) == -1)
		return result_set(res, STATUS_DEFERRED, "4.3.0",
		    "alias file can not be read now");
	if (!S_ISREG(st.st_mode) || st.st_size > ALIASES_FILE_MAX)
		return result_set(res, STATUS_DEFERRED, "4.3.5",
		    "alias file is not a regular file of reasonable size");
	room = buf_space(text, (size_t)st.st_size);
	if (room == NULL || io_pread_all(fd, room, (size_t)st.st_size,
	    0) == -1)
		return result_set(res, STATUS_DEFERRED, "4.3.0",
		    "alias file can not be read now: %s", strerror(errno));
	buf_grown(text, (size_t)st.st_size);
	return 0;
}

/* Lends the alias, which is in as; -1 with the reason, and as is empty. */
static int
read_alias(int fd, const char *name, struct aliases *as,
    const struct alias **alias, struct result *res)
{
	struct buf text;
	int ret;

	memset(as, 0, sizeof(*as));
	buf_init(&text, 0);
	ret = read_aliases(fd, &text, res);
	if (ret == 0 && aliases_parse(as, text.data, text.len, "aliases",
	    &quiet) == -1)
		ret = result_set(res, STATUS_DEFERRED, "4.3.0",
		    "alias file can not be parsed now");
	buf_fini(&text);
	if (ret == -1)
		return -1;
	*alias = aliases_find(as, name);
	if (*alias != NULL)
		return 0;
	aliases_fini(as);
	return changed(res);
}

/* What root or this user alone can write may have commands run. */
static int
trust_aliases(const struct delivery *d, struct result *res)
{
	struct stat st;

	if (d->aliases == -1 || fstat(d->aliases, &st) == -1)
		return result_set(res, STATUS_DEFERRED, "4.3.0",
		    "alias file can not be read now");
	if ((st.st_mode & (S_IWGRP | S_IWOTH)) == 0 &&
	    (st.st_uid == 0 || st.st_uid == d->user->uid))
		return 0;
	return result_set(res, STATUS_DEFERRED, "4.3.5", "alias file can be "
	    "written by others than root: no file or command of it is used");
}

static int
entry_of_aliases(const struct delivery *d, struct buf *out, struct result *res)
{
	const struct alias *a;
	struct aliases as;
	int ret;

	if (trust_aliases(d, res) == -1 ||
	    read_alias(d->aliases, d->name, &as, &a, res) == -1)
		return -1;
	ret = take_flat(d, &a->targets, out, res);
	aliases_fini(&as);
	return ret;
}

static int
find_entry(const struct delivery *d, struct buf *out, struct result *res)
{
	if (d->user->uid == 0)
		return result_set(res, STATUS_FAILED, "5.7.1",
		    "%s are refused for root: use a user of its own",
		    d->kind == ROUTE_PIPE ? "commands" : "files");
	switch (d->origin) {
	case ORIGIN_FORWARD:
		return entry_of_forward(d, out, res);
	case ORIGIN_ALIASES:
		return entry_of_aliases(d, out, res);
	default:
		return result_set(res, STATUS_FAILED, "5.7.1",
		    "files and commands only from aliases or .forward");
	}
}

/* ---- the lists of an alias ---- */

int
local_lists(const struct user *user, const char *name, int aliases,
    int channel)
{
	struct reader r = { user, 0, LISTS_OCTETS_MAX, NULL, channel,
	    FORWARD_LATER };
	const struct include_source source = { read_list, &r };
	const struct alias *alias;
	struct targets flat;
	struct aliases as;
	struct result res;
	struct ipc m;
	int ret;

	result_init(&res);
	ret = read_alias(aliases, name, &as, &alias, &res);
	if (ret == 0) {
		ret = include_flatten(&alias->targets, &flat, &source, &quiet,
		    &res);
		targets_fini(&flat);
		aliases_fini(&as);
	}
	ipc_init(&m);
	ipc_begin(&m, IPC_FORWARD_REPLY, 0);
	ipc_put_u32(&m, ret == 0 ? FORWARD_TEXT : FORWARD_LATER);
	ipc_put_str(&m, res.reason);
	ret = ipc_send(channel, &m);
	ipc_fini(&m);
	result_fini(&res);
	return ret == 0 ? 0 : 1;
}

/* ---- the kinds; each gives 0 when res is to be told, or exit status ---- */

/*
 * A place that mail is put in: a file, or a Maildir when its path ends in a
 * slash.
 */
struct place {
	char		 path[1024 + TARGET_MAX + LOGIN_MAX + 4];
	char		*name;		/* its last component, in path */
	int		 is_maildir;
	int		 is_shared;	/* others make names beside it */
	int		 is_batch;	/* more may come for it */
};

/* Takes a path apart; "~/" stands for the home.  -1 with the reason. */
static int
set_place(struct place *p, const struct delivery *d, const char *path,
    struct result *res)
{
	const char *home = "";
	size_t n;
	int len;

	memset(p, 0, sizeof(*p));
	if (path[0] == '~' && path[1] == '/') {
		home = d->user->home;
		path++;
	}
	len = snprintf(p->path, sizeof(p->path), "%s%s", home, path);
	n = len < 0 ? 0 : (size_t)len;
	if (n < sizeof(p->path))
		while (n > 1 && p->path[n - 1] == '/') {
			p->path[--n] = '\0';
			p->is_maildir = 1;
		}
	p->name = strrchr(p->path, '/');
	if (n >= sizeof(p->path) || p->path[0] != '/' || p->name == NULL ||
	    p->name[1] == '\0')
		return result_set(res, STATUS_DEFERRED, "4.2.0",
		    "%s: no name of a file", path);
	p->name++;
	return 0;
}

/* Opens the directory that a place is in; -1 with the reason. */
static int
open_parent(struct place *p, struct result *res)
{
	char first = p->name[0];
	int dir;

	p->name[0] = '\0';
	dir = open(p->path, OPEN_DIRECTORY);
	if (dir == -1)
		result_set(res, STATUS_DEFERRED, "4.2.0", "%s: %s", p->path,
		    strerror(errno));
	p->name[0] = first;
	return dir;
}

static int
put_in(const struct delivery *d, struct place *p, struct result *res)
{
	int dir, ret;

	dir = open_parent(p, res);
	if (dir == -1)
		return 0;
	if (p->is_batch)
		ret = mbox_serve(d, dir, p->name, p->path, MBOX_LOCK_WAIT_S,
		    res);
	else if (p->is_maildir)
		ret = maildir_put(d, dir, p->name, p->path, p->is_shared, res);
	else
		ret = mbox_append(d, dir, p->name, p->path, MBOX_LOCK_WAIT_S,
		    res);
	close(dir);
	return ret == -1 ? 1 : ret;
}

/* ---- MAILBOX: a line in mailboxes[] for each kind ---- */

/* A mailbox that is called as the user, in a directory of root's. */
static int
put_by_name(const struct delivery *d, const char *directory, int is_maildir,
    int is_batch, struct result *res)
{
	struct place p;
	struct buf path;
	int ret = 0;

	buf_init(&path, 0);
	buf_printf(&path, "%s/%s%s", directory, d->user->name,
	    is_maildir ? "/" : "");
	if (set_place(&p, d, buf_str(&path), res) == 0) {
		p.is_shared = 1;
		p.is_batch = is_batch;
		ret = put_in(d, &p, res);
	}
	buf_fini(&path);
	return ret;
}

static int
mailbox_mbox(const struct delivery *d, struct result *res)
{
	return put_by_name(d, d->conf->local.mailspool, 0, 1, res);
}

static int
mailbox_maildir(const struct delivery *d, struct result *res)
{
	const char *where = d->conf->local.where;
	struct place p;

	if (where[0] == '/')
		return put_by_name(d, where, 1, 0, res);
	if (set_place(&p, d, where, res) == -1)
		return 0;
	p.is_maildir = 1;
	return put_in(d, &p, res);
}

/*
 * The command is root's choice, so the user's shell does not matter.  Those
 * who run no commands get the mail all the same.
 */
static int
mailbox_command(const struct delivery *d, struct result *res)
{
	int ret;

	if (!d->no_command && d->user->uid != 0)
		return command_run(d, d->conf->local.where, res);
	ret = put_by_name(d, d->conf->local.mailspool, 0, 0, res);
	if (ret == 0 && res->status == STATUS_SENT)
		result_set(res, STATUS_SENT, "2.0.0", "appended to the mbox: "
		    "MAILBOX command is not run for %s", d->user->name);
	return ret;
}

static int
mailbox_lmtp(const struct delivery *d, struct result *res)
{
	lmtp_deliver(d, res);
	return 0;
}

static int
mailbox_unreadable(const struct delivery *d, struct result *res)
{
	(void)d;
	result_set(res, STATUS_DEFERRED, "4.3.5",
	    "MAILBOX in dma.conf can not be understood");
	return 0;
}

static int	(*const mailboxes[MAILBOX__MAX])(const struct delivery *,
		    struct result *) = {
	[MAILBOX_MBOX] = mailbox_mbox,
	[MAILBOX_MAILDIR] = mailbox_maildir,
	[MAILBOX_COMMAND] = mailbox_command,
	[MAILBOX_LMTP] = mailbox_lmtp,
	[MAILBOX_UNREADABLE] = mailbox_unreadable,
};

static int
deliver_mailbox(const struct delivery *d, struct result *res)
{
	const char *name = d->user->name;

	if (name[0] == '\0' || name[0] == '.' || strchr(name, '/') != NULL) {
		result_set(res, STATUS_FAILED, "5.1.3", "no name of a mailbox");
		return 0;
	}
	return mailboxes[d->conf->local.mailbox](d, res);
}

static int
deliver_to_path(const struct delivery *d, const char *path, struct result *res)
{
	struct place p;

	if (strcmp(path, "/dev/null") == 0) {
		result_set(res, STATUS_SENT, "2.0.0", "discarded to /dev/null");
		return 0;
	}
	return set_place(&p, d, path, res) == -1 ? 0 : put_in(d, &p, res);
}

/* 1 when the shell is a line of the text. */
static int
is_listed(const char *shell, const char *p)
{
	size_t n = strlen(shell);

	for (; p != NULL; p = strchr(p, '\n')) {
		p += strspn(p, " \t\n");
		if (strncmp(p, shell, n) == 0 && (p[n] == '\0' ||
		    strchr(" \t\n#", p[n]) != NULL))
			return 1;
	}
	return 0;
}

/*
 * Not by getusershell(): it takes a file that can not be read now for one
 * that lists nothing, and mail would come back for that.
 */
static int
is_shell_listed(const char *shell)
{
	struct buf text;
	int fd, ret;

	fd = open(SHELLS_FILE, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd == -1 && errno != ENOENT)
		return -1;
	buf_init(&text, 0);
	ret = fd == -1 ? 0 : io_read_file(fd, &text, SHELLS_FILE_MAX);
	if (fd == -1)
		buf_puts(&text, SHELLS_USUAL);
	if (ret == 0)
		ret = is_listed(shell[0] == '\0' ? "/bin/sh" : shell,
		    buf_str(&text));
	buf_fini(&text);
	io_close(&fd);
	return ret;
}

int
local_may_run(const struct conf *conf, const struct user *user)
{
	if (user->uid == 0 || !conf->local.is_shell_required)
		return user->uid != 0;
	return is_shell_listed(user->shell);
}

/* A file or a command, by its entry. */
static int
deliver_entry(const struct delivery *d, struct result *res)
{
	struct buf text;
	int may = 1, ret = 0;

	buf_init(&text, 0);
	if (find_entry(d, &text, res) == -1) {
		buf_fini(&text);
		return 0;
	}
	if (d->origin == ORIGIN_FORWARD)
		may = local_may_run(d->conf, d->user);
	if (may == -1)
		result_set(res, STATUS_DEFERRED, "4.3.0",
		    SHELLS_FILE " can not be read now: %s", strerror(errno));
	else if (may == 0)
		result_set(res, STATUS_FAILED, "5.7.1",
		    "commands and files are refused for %s: the login shell is "
		    "not in /etc/shells",
		    d->user->name);
	else if (d->kind == ROUTE_PIPE)
		ret = command_run(d, buf_str(&text), res);
	else
		ret = deliver_to_path(d, buf_str(&text), res);
	buf_fini(&text);
	return ret;
}

static int
dispatch(const struct delivery *d, struct result *res)
{
	if (delivery_check(d, res) == -1)
		return 0;
	switch (d->kind) {
	case ROUTE_MAILBOX:
		return deliver_mailbox(d, res);
	case ROUTE_FILE:
	case ROUTE_PIPE:
		return deliver_entry(d, res);
	default:
		result_set(res, STATUS_DEFERRED, "4.3.0",
		    "no local delivery of this kind");
		return 0;
	}
}

int
local_deliver(struct delivery *d)
{
	struct result res;
	int status;

	result_init(&res);
	status = dispatch(d, &res);
	/* A batch tells by itself what became of each. */
	if (status == 0 && res.status != STATUS_NONE)
		status = delivery_say(d, &res) == 0 ? 0 : 1;
	result_fini(&res);
	return status;
}
