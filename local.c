/*
 * local.c - delivers a message as a user: the methods of delivery.
 * Runs as: the user, for good (root for root's own mailbox only; for LMTP the
 * spool user).
 * Uses: the files and commands of that user.
 * Promise: a file is written or a command is run only if that very entry is in
 * the user's .forward or in the alias file now.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "conf/files.h"
#include "lib/buf.h"
#include "local.h"
#include "local/command.h"
#include "local/delivery.h"
#include "local/forward.h"
#include "local/lmtp.h"
#include "local/maildir.h"
#include "local/mbox.h"
#include "priv/user_shell.h"

/* ---- a file, or a Maildir: a path that ends in a slash ---- */

struct file {
	char		 path[1024 + TARGET_MAX + LOGIN_MAX + 4];
	char		*name;		/* its last component, in path */
	int		 is_maildir;
	int		 is_shared;	/* others create names beside it */
	int		 takes_more;	/* messages of the same user */
};

/*
 * Takes a path apart; "~/" is the home.  name: its last component, in a
 * directory of root's, or NULL.  -1 with the reason.
 */
static int
set_file(struct file *f, const struct delivery *d, const char *path,
    const char *name, struct result *res)
{
	const char *home = "";
	size_t n;
	int len;

	memset(f, 0, sizeof(*f));
	f->name = f->path;
	if (name != NULL && !user_name_is_file(name))
		return delivery_defer(res, path, "the user name cannot "
		    "be used as a file name in this directory");
	if (path[0] == '~' && path[1] == '/') {
		home = d->user->home;
		path++;
	}
	f->is_shared = name != NULL;
	len = snprintf(f->path, sizeof(f->path), "%s%s%s%s", home, path,
	    name == NULL ? "" : "/", name == NULL ? "" : name);
	n = len < 0 ? 0 : (size_t)len;
	if (n < sizeof(f->path))
		while (n > 1 && f->path[n - 1] == '/') {
			f->path[--n] = '\0';
			f->is_maildir = 1;
		}
	f->name = strrchr(f->path, '/');
	if (n >= sizeof(f->path) || f->path[0] != '/' || f->name == NULL ||
	    f->name[1] == '\0')
		return delivery_defer(res, path, "not a file name");
	f->name++;
	return 0;
}

/* Opens the directory of the file; -1 with the reason. */
static int
open_parent(struct file *f, struct result *res)
{
	char first = f->name[0];
	int dir;

	f->name[0] = '\0';
	dir = delivery_open_directory(f->path);
	if (dir == -1)
		delivery_defer_errno(res, f->path, "cannot open");
	f->name[0] = first;
	return dir;
}

static int
deliver_to_file(const struct delivery *d, struct file *f, struct result *res)
{
	int dir, ret;

	dir = open_parent(f, res);
	if (dir == -1)
		return 0;
	if (f->is_maildir)
		ret = maildir_put(d, dir, f->name, f->path, f->is_shared, res);
	else
		ret = mbox_deliver(d, dir, f->name, f->path, f->takes_more,
		    MBOX_LOCK_WAIT_S, res);
	close(dir);
	return ret == -1 ? 1 : ret;
}

/* ---- the mailbox, as MAILBOX in dma.conf chooses ---- */

static int
deliver_mbox(const struct delivery *d, struct result *res)
{
	struct file f;

	if (set_file(&f, d, d->conf->local.mailspool, d->user->name,
	    res) == -1)
		return 0;
	f.takes_more = d->conf->local.mailbox == MAILBOX_MBOX;
	return deliver_to_file(d, &f, res);
}

static int
deliver_maildir(const struct delivery *d, struct result *res)
{
	const char *where = d->conf->local.where;
	struct file f;

	if (set_file(&f, d, where, where[0] == '/' ? d->user->name : NULL,
	    res) == -1)
		return 0;
	f.is_maildir = 1;
	return deliver_to_file(d, &f, res);
}

/*
 * The administrator chose the command, so the user's shell does not matter.
 * Users that run no commands get their mail in an mbox.
 */
static int
deliver_mailbox_command(const struct delivery *d, struct result *res)
{
	return d->no_command ? deliver_mbox(d, res) :
	    command_run(d, d->conf->local.where, res);
}

static int
deliver_lmtp(const struct delivery *d, struct result *res)
{
	lmtp_deliver(d, res);
	return 0;
}

static int
deliver_nowhere(const struct delivery *d, struct result *res)
{
	(void)d;
	result_set(res, STATUS_DEFERRED, "4.3.5",
	    "MAILBOX in dma.conf is invalid");
	result_detail(res, "run \"dma check\"");
	return 0;
}

/* ---- an entry of a .forward or of the alias file ---- */

static int
deliver_entry_file(const struct delivery *d, const char *path,
    struct result *res)
{
	struct file f;

	if (strcmp(path, "/dev/null") == 0) {
		result_set(res, STATUS_SENT, "2.0.0", "discarded");
		result_detail(res, "%s", path);
		return 0;
	}
	return set_file(&f, d, path, NULL, res) == -1 ? 0 :
	    deliver_to_file(d, &f, res);
}

static int
check_shell(const struct delivery *d, struct result *res)
{
	switch (user_may_run(&d->conf->local, d->user)) {
	case 1:
		return 0;
	case 0:
		result_set(res, STATUS_FAILED, "5.7.1",
		    "this user may not run commands or have files");
		return result_detail(res, "%s: the login shell is not in "
		    SHELLS_FILE, d->user->name);
	default:
		result_set(res, STATUS_DEFERRED, "4.3.0",
		    "cannot tell whether this user may run commands");
		return result_detail(res, SHELLS_FILE ": %s", strerror(errno));
	}
}

static int
deliver_entry(const struct delivery *d, struct result *res)
{
	struct buf text;
	int ret = 0;

	buf_init(&text, 0);
	if (forward_find_entry(d, &text, res) == 0 &&
	    (d->origin != ORIGIN_FORWARD || check_shell(d, res) == 0))
		ret = d->kind == ROUTE_PIPE ?
		    command_run(d, buf_str(&text), res) :
		    deliver_entry_file(d, buf_str(&text), res);
	buf_fini(&text);
	return ret;
}

/* ---- the table ---- */

/* 0 when the result is set or was reported, else the exit status. */
static int (*const mailboxes[MAILBOX__MAX])(const struct delivery *,
    struct result *) = {
	[MAILBOX_MBOX] = deliver_mbox,
	[MAILBOX_MAILDIR] = deliver_maildir,
	[MAILBOX_COMMAND] = deliver_mailbox_command,
	[MAILBOX_LMTP] = deliver_lmtp,
	[MAILBOX_UNREADABLE] = deliver_nowhere,
};

/* Whatever went wrong before: nothing is done with another identity. */
static int
check_identity(const struct delivery *d, struct result *res)
{
	int is_lmtp = d->kind == ROUTE_MAILBOX &&
	    d->conf->local.mailbox == MAILBOX_LMTP;

	if (is_lmtp ? geteuid() != 0 : geteuid() == d->user->uid)
		return 0;
	return result_set(res, STATUS_DEFERRED, "4.3.0",
	    "delivery runs as the wrong user");
}

static int
deliver(const struct delivery *d, struct result *res)
{
	if (delivery_check(d, res) == -1 || check_identity(d, res) == -1)
		return 0;
	return d->kind == ROUTE_MAILBOX ?
	    mailboxes[d->conf->local.mailbox](d, res) : deliver_entry(d, res);
}

int
local_deliver(struct delivery *d)
{
	struct result res;
	int status;

	result_init(&res);
	status = deliver(d, &res);
	/* mbox_deliver() has reported by itself. */
	if (status == 0 && res.status != STATUS_NONE)
		status = delivery_report(d, &res) == 0 ? 0 : 1;
	result_fini(&res);
	return status;
}

int
local_answer(const struct delivery *d, const struct buf *conf_text)
{
	struct delivery own = *d;
	struct conf conf;
	int status;

	if (d->kind == ROUTE_UNKNOWN)
		return d->origin != ORIGIN_ALIASES ?
		    forward_answer(d->user, d->channel) :
		    forward_answer_lists(d->user, d->name, d->aliases,
		    d->channel);
	if (files_conf_text(&conf, conf_text, &report_quiet) == -1)
		return 1;
	own.conf = &conf;
	status = local_deliver(&own);
	conf_fini(&conf);
	return status;
}
