/*
 * setup_writer.c - writes the two files of dma setup.
 * Runs as: root, in a process of its own, and only if root called.
 * Uses: processes; dma.conf and auth.conf, and files beside them.
 * Promise: four short values are taken, none of which can make a line but that
 * of its key; nothing else of the front end reaches these files.
 */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/io.h"
#include "lib/ipc.h"
#include "priv/cleanup.h"
#include "priv/records.h"
#include "priv/request.h"
#include "priv/setup_writer.h"

#define FILE_MAX	(1024 * 1024)	/* bytes: as conf/files.c reads */

/* One of the two files. */
struct edited_file {
	const char	*name, *fresh, *old;
	void		(*edit)(const struct edit *, const char *, size_t,
			    struct buf *);
	mode_t		 mode;
	int		 is_secret;	/* mode and group are not left */
};

/* auth.conf is first: a relay without its login would be tried without. */
static const struct edited_file targets[] = {
	{ "auth.conf", "auth.conf.new", "auth.conf.old", edit_auth, 0640, 1 },
	{ "dma.conf", "dma.conf.new", "dma.conf.old", edit_conf, 0644, 0 },
};

static int
refuse(struct buf *reason, const char *name, const char *text)
{
	buf_printf(reason, "%s: %s", name, text);
	return -1;
}

/* The text and what is known of the file; 1 where there is none. */
static int
read_old(int dir, const struct edited_file *t, struct stat *st,
    struct buf *text, struct buf *reason)
{
	int fd, ret;

	fd = openat(dir, t->name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW |
	    O_NONBLOCK | O_NOCTTY);
	if (fd == -1 && errno == ENOENT)
		return 1;
	if (fd == -1)
		return refuse(reason, t->name, errno == ELOOP ?
		    "is a symbolic link, which would be replaced" :
		    strerror(errno));
	ret = fstat(fd, st);
	if (ret == 0)
		ret = io_read_file(fd, text, FILE_MAX);
	if (ret == -1)
		refuse(reason, t->name, strerror(errno));
	io_close(&fd);
	return ret;
}

/* The same file under another name, so with its owner and mode. */
static int
keep_old(int dir, const struct edited_file *t)
{
	if (unlinkat(dir, t->old, 0) == -1 && errno != ENOENT)
		return -1;
	return linkat(dir, t->name, dir, t->old, 0);
}

static int
write_fresh(int dir, const struct edited_file *t, const struct stat *st,
    const struct buf *text)
{
	int fd, ret;

	if (buf_failed(text)) {
		errno = ENOMEM;
		return -1;
	}
	if (unlinkat(dir, t->fresh, 0) == -1 && errno != ENOENT)
		return -1;
	fd = openat(dir, t->fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC |
	    O_NOFOLLOW, 0600);
	if (fd == -1)
		return -1;
	ret = io_write_all(fd, text->data, text->len);
	if (ret == 0)
		ret = fchown(fd, st->st_uid, st->st_gid);
	if (ret == 0)
		ret = fchmod(fd, st->st_mode & 07777);
	if (ret == 0)
		ret = fsync(fd);
	if (close(fd) == -1)
		ret = -1;
	return ret;
}

/* Whatever was there: auth.conf is for root and _dma alone. */
static void
choose_mode(const struct edited_file *t, const struct setup_place *place,
    int is_new, struct stat *st)
{
	if (is_new || t->is_secret) {
		st->st_mode = t->mode;
		st->st_uid = geteuid();
		st->st_gid = t->is_secret ? place->group_id : getegid();
	}
	st->st_mode &= (mode_t)~(S_IWGRP | S_IWOTH);
}

static int
replace(int dir, const struct edited_file *t, const struct setup_place *place,
    const struct edit *e, struct buf *reason)
{
	struct buf old, text;
	struct stat st;
	int ret;

	memset(&st, 0, sizeof(st));
	buf_init(&old, 0);
	buf_init(&text, 0);
	ret = read_old(dir, t, &st, &old, reason);
	if (ret != -1) {
		t->edit(e, buf_str(&old), old.len, &text);
		choose_mode(t, place, ret == 1, &st);
		if (write_fresh(dir, t, &st, &text) == -1 ||
		    (ret == 0 && keep_old(dir, t) == -1) ||
		    renameat(dir, t->fresh, dir, t->name) == -1 ||
		    fsync(dir) == -1)
			ret = refuse(reason, t->name, strerror(errno));
	}
	if (ret == -1)
		(void)unlinkat(dir, t->fresh, 0);
	buf_wipe(&old);
	buf_wipe(&text);
	return ret == -1 ? -1 : 0;
}

int
setup_write(const struct setup_place *place, const struct edit *e,
    struct buf *reason)
{
	const char *trouble = edit_trouble(e);
	int dir, ret = 0;
	size_t i;

	if (trouble != NULL)
		return refuse(reason, "setup", trouble);
	dir = open(place->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir == -1)
		return refuse(reason, place->dir, strerror(errno));
	for (i = 0; ret == 0 && i < sizeof(targets) / sizeof(*targets); i++)
		ret = replace(dir, &targets[i], place, e, reason);
	io_close(&dir);
	return ret;
}

static int
read_request(struct ipc *m, struct edit *e)
{
	if (m->kind != IPC_SETUP_WRITE)
		return -1;
	ipc_get_text(m, e->relay, sizeof(e->relay));
	ipc_get_text(m, e->masquerade, sizeof(e->masquerade));
	ipc_get_text(m, e->user, sizeof(e->user));
	ipc_get_text(m, e->password, sizeof(e->password));
	return ipc_done(m);
}

static void
answer(int sock, int is_good, const char *reason)
{
	struct ipc m;

	ipc_init(&m);
	ipc_begin(&m, IPC_SETUP_WRITTEN, 0);
	ipc_put_u32(&m, is_good != 0);
	ipc_put_str(&m, reason);
	(void)ipc_send(sock, &m);
	ipc_fini(&m);
}

/* The whole of the process. */
static int
serve(int sock, const struct spool_user *spool)
{
	const struct setup_place place = { DMA_CONFDIR, spool->gid };
	struct buf reason;
	struct edit e;
	struct ipc m;
	int ret = -1;

	memset(&e, 0, sizeof(e));
	buf_init(&reason, SETUP_REASON_MAX - 1);
	ipc_init(&m);
	/* Without a request, the front end had nothing to write. */
	if (ipc_recv(sock, &m, IPC_SETUP_LIMIT) == 1 &&
	    read_request(&m, &e) == 0) {
		ret = setup_write(&place, &e, &reason);
		answer(sock, ret == 0, buf_str(&reason));
	}
	explicit_bzero(&e, sizeof(e));
	buf_wipe(&m.fields);
	ipc_fini(&m);
	buf_fini(&reason);
	return ret == 0 ? 0 : 1;
}

int
setup_writer_start(const struct spool_user *spool)
{
	int sock;

	if (request_fork(&sock) != 0)
		return sock;
	/* Of another session: the terminal cannot end it between two files. */
	if (setsid() == -1 || cleanup_all(&sock, 0) == -1 ||
	    user_become_root() == -1)
		_exit(1);
	_exit(serve(sock, spool));
}

int
setup_writer_ask(int sock, const struct edit *e, struct buf *reason)
{
	char text[SETUP_REASON_MAX] = "";
	uint32_t is_good = 0;
	struct ipc m;

	ipc_init(&m);
	ipc_begin(&m, IPC_SETUP_WRITE, 0);
	ipc_put_str(&m, e->relay);
	ipc_put_str(&m, e->masquerade);
	ipc_put_str(&m, e->user);
	ipc_put_str(&m, e->password);
	if (ipc_send(sock, &m) == 0) {
		explicit_bzero(m.fields.data, m.fields.len);
		if (ipc_recv(sock, &m, IPC_SETUP_LIMIT) == 1 &&
		    m.kind == IPC_SETUP_WRITTEN) {
			is_good = ipc_get_u32(&m);
			ipc_get_text(&m, text, sizeof(text));
		}
	}
	if (ipc_done(&m) == -1)
		is_good = 0;
	if (!is_good)
		buf_puts(reason, text[0] != '\0' ? text :
		    "the process that writes has ended");
	ipc_fini(&m);
	return is_good ? 0 : -1;
}
