/*
 * message.c - one message of the tree: to sendmail, and away.
 * Runs as: the user of dma-smtpd-drain, with the minute locked.  Uses: the
 * directory of the domain; sendmail.
 * Promise: a name is removed only after sendmail has taken the message for all
 * recipients of the domain; killed at any point, nothing is lost.
 *
 * How: recipients with unlike wishes for reports need runs of their own.  Once
 * a run is done and others are to follow, the file is replaced by one without
 * the recipients that are done, so that a run that fails does not repeat those.
 */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/io.h"
#include "lib/sendmail_call.h"
#include "lib/smtp_command.h"
#include "smtpd/drain/message.h"
#include "smtpd/drain/sendmail.h"

#define HEAD_FIRST	16384		/* bytes that are read at first */
#define HEAD_MAX	(256u << 20)	/* TREE_RECIPIENTS_MAX long lines */
#define RUN_MAX		500		/* recipients of one run */
#define CHUNK		32768

struct stored_message {
	const struct message_place *place;	/* lent */
	const char	*name;		/* lent */
	int		 fd;		/* owned, or -1 */
	uint64_t	 size;
	struct buf	 head;		/* the lines, and more */
	struct tree_lines lines;
	const struct tree_recipient **run;	/* owned: of the next run */
	size_t		 nrun, nothers;	/* and those of this domain after it */
	char		*is_done;	/* owned: a flag for each recipient */
};

static int
complain(const struct stored_message *m, const char *problem,
    const char *detail)
{
	const struct message_place *p = m->place;

	log_say(p->log, LOG_LEVEL_ERROR, "%s/%s/%s: %s%s%s", p->minute,
	    p->domain, m->name, problem, *detail != '\0' ? ": " : "", detail);
	return -1;
}

static int
complain_errno(const struct stored_message *m, const char *problem)
{
	return complain(m, problem, strerror(errno));
}

/* ---- reading ---- */

static int
open_message(struct stored_message *m)
{
	const struct message_place *p = m->place;
	struct stat st;

	m->fd = openat(p->directory, m->name, O_RDONLY | O_NOFOLLOW |
	    O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (m->fd == -1 || fstat(m->fd, &st) == -1)
		return complain_errno(m, "cannot open");
	if (!S_ISREG(st.st_mode))
		return complain(m, "not a file", "");
	if (st.st_uid != p->owner)
		return complain(m, "not owned by the owner of the tree", "");
	m->size = (uint64_t)st.st_size;
	return 0;
}

/* More of the head, up to n bytes. */
static int
read_head(struct stored_message *m, size_t n)
{
	size_t more = n - m->head.len;
	char *space = buf_space(&m->head, more);

	if (space == NULL) {
		errno = ENOMEM;
		return -1;
	}
	if (io_pread_all(m->fd, space, more, (off_t)m->head.len) == -1)
		return -1;
	buf_grown(&m->head, more);
	return 0;
}

static int
read_lines(struct stored_message *m)
{
	size_t n = HEAD_FIRST;
	enum tree_lines_result result;

	for (;; n *= 4) {
		n = n < m->size ? n : (size_t)m->size;
		if (read_head(m, n) == -1)
			return complain_errno(m, "cannot read");
		result = tree_lines_parse(&m->lines, buf_str(&m->head),
		    m->head.len);
		if (result == TREE_LINES_COMPLETE)
			return 0;
		if (result == TREE_LINES_BAD)
			return complain(m, m->lines.problem, "");
		if (n == m->size || n > HEAD_MAX)
			return complain(m, "no Received", "");
		tree_lines_fini(&m->lines);
	}
}

/* ---- recipients ---- */

static int
is_here(const struct stored_message *m, const struct tree_recipient *r)
{
	char domain[254];

	smtp_path_domain(r->path, domain);
	return strcmp(domain, m->place->domain) == 0;
}

/* The first of this domain, and those after it with the same wish. */
static int
choose(struct stored_message *m)
{
	const struct tree_recipient *r = m->lines.recipients, *first = NULL;
	size_t i;

	m->run = calloc(RUN_MAX, sizeof(*m->run));
	m->is_done = calloc(m->lines.nrecipients, 1);
	if (m->run == NULL || m->is_done == NULL)
		return complain(m, "out of memory", "");
	for (i = 0; i < m->lines.nrecipients; i++, r++) {
		if (!is_here(m, r)) {
			m->is_done[i] = 1;
		} else if (m->nrun == RUN_MAX || (first != NULL &&
		    first->notify != r->notify)) {
			m->nothers++;
		} else {
			first = first != NULL ? first : r;
			m->is_done[i] = 1;
			m->run[m->nrun++] = r;
		}
	}
	if (m->nrun == 0)
		return complain(m, "no recipient of this domain", "");
	return 0;
}

/* ---- writing ---- */

/* CRLF becomes LF, which sendmail expects; a CR at the end is kept back. */
static size_t
drop_cr(char *p, size_t n, int *has_cr)
{
	size_t from, to = 0;

	*has_cr = n > 0 && p[n - 1] == '\r';
	n -= (size_t)*has_cr;
	for (from = 0; from < n; from++)
		if (p[from] != '\r' || from + 1 == n || p[from + 1] != '\n')
			p[to++] = p[from];
	return to;
}

/* The message for sendmail: from Received on. */
static int
copy_text(const struct stored_message *m, int to)
{
	uint64_t at = m->lines.received_at;
	char bytes[CHUNK + 1];
	int has_cr = 0;
	size_t n;

	while (at < m->size) {
		bytes[0] = '\r';
		n = m->size - at < CHUNK ? (size_t)(m->size - at) : CHUNK;
		if (io_pread_all(m->fd, bytes + has_cr, n, (off_t)at) == -1)
			return -1;
		at += n;
		n = drop_cr(bytes, n + (size_t)has_cr, &has_cr);
		if (io_write_all(to, bytes, n) == -1)
			return -1;
	}
	return has_cr ? io_write_all(to, "\r", 1) : 0;
}

/* What has no name is gone when we are. */
static int
open_unnamed(const struct message_place *p)
{
	char name[64];
	int fd = -1;

#ifdef O_TMPFILE
	fd = openat(p->root, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
#endif
	if (fd != -1)
		return fd;
	snprintf(name, sizeof(name), MESSAGE_TEMP "%ld", (long)getpid());
	unlinkat(p->directory, name, 0);
	fd = openat(p->directory, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW |
	    O_CLOEXEC, 0600);
	if (fd != -1)
		unlinkat(p->directory, name, 0);
	return fd;
}

/* The lines of recipients that are not done, and all after them. */
static int
copy_rest(const struct stored_message *m, int to)
{
	const struct tree_recipient *r = m->lines.recipients;
	uint64_t at = m->lines.return_path_at;
	char bytes[CHUNK];
	size_t i, n;

	for (i = 0; i < m->lines.nrecipients; i++, r++)
		if (!m->is_done[i] && io_write_all(to, buf_str(&m->head) +
		    r->at, r->len) == -1)
			return -1;
	for (; at < m->size; at += n) {
		n = m->size - at < CHUNK ? (size_t)(m->size - at) : CHUNK;
		if (io_pread_all(m->fd, bytes, n, (off_t)at) == -1 ||
		    io_write_all(to, bytes, n) == -1)
			return -1;
	}
	return fsync(to);
}

/* Replaces the file by one for the recipients that are left. */
static int
replace(const struct stored_message *m)
{
	const struct message_place *p = m->place;
	char name[64];
	int fd, ret;

	snprintf(name, sizeof(name), MESSAGE_TEMP "%ld", (long)getpid());
	unlinkat(p->directory, name, 0);
	fd = openat(p->directory, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW |
	    O_CLOEXEC, 0640);
	if (fd == -1)
		return complain_errno(m, "cannot create a copy");
	ret = copy_rest(m, fd);
	/* Root keeps the owner, or the copy would be a stranger's. */
	if (ret == 0 && geteuid() != p->owner)
		ret = fchown(fd, p->owner, (gid_t)-1);
	if (close(fd) == -1 || ret == -1 || renameat(p->directory, name,
	    p->directory, m->name) == -1) {
		complain_errno(m, "cannot create a copy");
		unlinkat(p->directory, name, 0);
		return -1;
	}
	return fsync(p->directory);
}

/* ---- one message ---- */

static int
take_run(const struct stored_message *m)
{
	const struct message_run run = {
		.domain = m->place->domain, .head = buf_str(&m->head),
		.lines = &m->lines, .recipients = m->run, .n = m->nrun,
		.file = m->fd, .size = m->size
	};

	return m->place->take(m->place->arg, &run);
}

/* All arguments for a run: how many, or 0 without memory. */
static size_t
put_arguments(const struct stored_message *m, struct buf *out)
{
	struct sendmail_call call;
	size_t i, n;

	sendmail_call_init(&call, m->lines.sender, m->lines.parameters);
	for (i = 0; i < m->nrun && m->run[i] != NULL; i++)
		sendmail_call_add(&call, m->run[i]->path,
		    m->run[i]->parameters);
	n = sendmail_call_put(&call, out);
	sendmail_call_fini(&call);
	return n;
}

static int
run_sendmail(const struct stored_message *m, int input)
{
	struct buf arguments;
	size_t n;
	int status = -1;

	buf_init(&arguments, 0);
	n = put_arguments(m, &arguments);
	errno = ENOMEM;
	if (n > 0)
		status = sendmail_run(m->place->sendmail, &arguments, n, input);
	buf_fini(&arguments);
	return status;
}

static int
send_run(struct stored_message *m)
{
	char text[32];
	int fd, status;

	if (m->place->take != NULL)
		return take_run(m);
	fd = open_unnamed(m->place);
	if (fd == -1 || copy_text(m, fd) == -1) {
		complain_errno(m, "cannot copy");
		io_close(&fd);
		return -1;
	}
	status = run_sendmail(m, fd);
	close(fd);
	if (status == 0)
		return 0;
	if (status == -1)
		return complain_errno(m, m->place->sendmail);
	snprintf(text, sizeof(text), "exit status %d", status);
	return complain(m, m->place->sendmail, text);
}

/* One run: 1 when others are to follow, 0 when the file is gone, or -1. */
static int
drain_run(struct stored_message *m)
{
	if (open_message(m) == -1 || read_lines(m) == -1 || choose(m) == -1 ||
	    send_run(m) == -1)
		return -1;
	if (m->nothers > 0)
		return replace(m) == -1 ? -1 : 1;
	if (unlinkat(m->place->directory, m->name, 0) == -1)
		return complain_errno(m, "cannot remove");
	return 0;
}

int
message_drain(const struct message_place *place, const char *name)
{
	struct stored_message m;
	int ret;

	do {
		memset(&m, 0, sizeof(m));
		m.place = place;
		m.name = name;
		m.fd = -1;
		buf_init(&m.head, 0);
		ret = drain_run(&m);
		io_close(&m.fd);
		buf_fini(&m.head);
		tree_lines_fini(&m.lines);
		free(m.run);
		free(m.is_done);
	} while (ret == 1);
	return ret;
}
