/*
 * queue.c - a module that hands messages into dma's queue.
 * Runs as: a child of dma-smtpd; init() as its parent.
 * Uses: RUNDIR/submit, where init starts a "dma --submit" for each message;
 * files without a name.
 * Promise: DELIVERED only after that instance has ended with status 0, which
 * means that its queue has the message.  No session waits for another's.
 */
#include <sys/socket.h>
#include <sys/un.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/io.h"
#include "lib/ipc.h"
#include "lib/sendmail_call.h"
#include "lib/submit_records.h"
#include "smtpd/modules/temporary.h"
#include "smtpd/smtpd_module.h"

#define SOCKET_FILE	DMA_RUNDIR "/submit"
#define CALLS		8	/* at once; dma allows a user 64 */
#define CALLS_MAX	64
#define TIMEOUT_MS	60000	/* from the end of the text to the verdict */
#define RETRY_MS	100	/* while the socket has no place */

enum queue_submission_state {
	CALL_NONE,	/* the text is coming */
	CALL_WAITING,	/* for a place, or for another try */
	CALL_CONNECTED,	/* for the instance to be ready */
	CALL_HANDED	/* for its status */
};

/* A transaction. */
struct queue_submission {
	struct queue_submission *next;		/* of those that wait */
	struct queue_module *queue;		/* lent */
	struct smtpd_session *session;	/* lent */
	enum queue_submission_state state;
	int		 text;		/* owned: the message */
	int		 conn, errors;	/* owned: to the instance, from its
					 * standard error; or -1 */
	struct smtpd_watch *watch;	/* of conn */
	struct smtpd_timer *timer;	/* the deadline */
};

struct queue_module {
	struct smtpd_host *host;	/* lent: of the child */
	char		*directory;	/* owned: of the texts */
	unsigned	 ncalls_max, ncalls;	/* with a connection */
	struct queue_submission *first, **last;	/* those that wait */
	struct smtpd_timer *retry;
	int		 is_starting;
};

/* ---- the process ---- */

static int
set(struct queue_module *q, const struct smtpd_setting *s)
{
	char *end;
	unsigned long n;

	if (strcmp(s->key, "CALLS") == 0) {
		n = strtoul(s->value, &end, 10);
		q->ncalls_max = (unsigned)n;
		return *s->value >= '0' && *s->value <= '9' && *end == '\0' &&
		    n >= 1 && n <= CALLS_MAX ? 0 : -1;
	}
	if (strcmp(s->key, "TEMPORARY") != 0 || *s->value != '/')
		return -1;
	free(q->directory);
	q->directory = strdup(s->value);
	return q->directory == NULL ? -1 : 0;
}

static int
queue_configure(struct smtpd_host *host, const struct smtpd_setting *settings,
    size_t n, void **self)
{
	struct queue_module *q;
	int ret = 0;
	size_t i;

	q = calloc(1, sizeof(*q));
	if (q == NULL)
		return smtpd_error(host, NULL, "out of memory");
	*self = q;
	q->ncalls_max = CALLS;
	q->last = &q->first;
	for (i = 0; i < n; i++)
		if (set(q, &settings[i]) == -1)
			ret = smtpd_error(host, &settings[i], "%s: must be "
			    "CALLS with a number from 1 to %d, or TEMPORARY "
			    "with an absolute path", settings[i].key,
			    CALLS_MAX);
	if (q->directory == NULL)
		q->directory = strdup(TEMPORARY_DIRECTORY);
	if (q->directory == NULL)
		ret = smtpd_error(host, NULL, "out of memory");
	return ret;
}

static int
queue_init(void *self, struct smtpd_host *host)
{
	struct queue_module *q = self;

	smtpd_need_path(host, q->directory, 1);
	smtpd_need_path(host, DMA_RUNDIR, 0);
	return 0;
}

static int
queue_child_init(void *self, struct smtpd_host *host)
{
	((struct queue_module *)self)->host = host;
	return 0;
}

static void
queue_fini(void *self, struct smtpd_host *host)
{
	struct queue_module *q = self;

	(void)host;
	if (q == NULL)
		return;
	free(q->directory);
	free(q);
}

/* ---- a call ---- */

static void	start_calls(struct queue_module *);
static void	expired(void *);

static void
disconnect(struct queue_submission *c)
{
	if (c->watch != NULL)
		smtpd_watch_end(c->watch);
	c->watch = NULL;
	if (c->conn != -1)
		c->queue->ncalls--;
	io_close(&c->conn);
	io_close(&c->errors);
}

static void
leave_line(struct queue_submission *c)
{
	struct queue_module *q = c->queue;
	struct queue_submission **p;

	for (p = &q->first; *p != NULL && *p != c; p = &(*p)->next)
		;
	if (*p == NULL)
		return;
	*p = c->next;
	if (c->next == NULL)
		q->last = p;
}

/* The verdict; the call's place is another's. */
static void
finish(struct queue_submission *c, enum smtpd_verdict verdict)
{
	struct queue_module *q = c->queue;

	disconnect(c);
	if (c->state == CALL_WAITING)
		leave_line(c);
	if (c->timer != NULL)
		smtpd_timer_cancel(c->timer);
	c->timer = NULL;
	c->state = CALL_NONE;
	smtpd_count(q->host, verdict == SMTPD_DELIVERED ? "queue_submitted" :
	    "queue_refused", 1);
	smtpd_finish(c->session, verdict);
	start_calls(q);
}

static void
finish_later(struct queue_submission *c, const char *what, const char *reason)
{
	smtpd_warn(c->queue->host, "%s: %s: %s",
	    smtpd_id(c->session), what, reason);
	smtpd_set_text(c->session, "451 4.3.0 mail queue unavailable, try "
	    "again later");
	finish(c, SMTPD_TEMPORARY);
}

static void
expired(void *arg)
{
	struct queue_submission *c = arg;

	c->timer = NULL;
	finish_later(c, SOCKET_FILE, "no answer in time");
}

/* Another try when there is a place, in a while at the earliest. */
static void
retry(void *arg)
{
	struct queue_module *q = arg;

	q->retry = NULL;
	start_calls(q);
}

static void
wait_in_line(struct queue_submission *c, int is_first)
{
	struct queue_module *q = c->queue;

	c->state = CALL_WAITING;
	c->next = is_first ? q->first : NULL;
	if (is_first && q->first != NULL) {
		q->first = c;
		return;
	}
	*q->last = c;
	q->last = &c->next;
}

static void
try_again(struct queue_submission *c)
{
	struct queue_module *q = c->queue;

	disconnect(c);
	wait_in_line(c, 1);
	if (q->retry == NULL)
		q->retry = smtpd_timer(q->host, RETRY_MS, retry, q);
}

/* ---- what is handed over ---- */

static void
put_arguments(struct smtpd_session *s, struct buf *out, size_t *argc)
{
	struct sendmail_call call;
	size_t i;

	sendmail_call_init(&call, smtpd_sender(s), smtpd_sender_parameters(s));
	for (i = 0; i < smtpd_recipients(s); i++)
		sendmail_call_add(&call, smtpd_recipient(s, i),
		    smtpd_recipient_parameters(s, i));
	*argc = sendmail_call_put(&call, out);
	sendmail_call_fini(&call);
}

/* A descriptor to read the strings from; -1 with errno. */
static int
open_strings(const struct queue_module *q, const struct buf *strings)
{
	int fds[2], fd;
	ssize_t n;

	/* A pipe that takes all at once, or a file. */
	if (strings->len <= PIPE_BUF && pipe2(fds, O_CLOEXEC) == 0) {
		n = write(fds[1], strings->data, strings->len);
		close(fds[1]);
		if (n == (ssize_t)strings->len)
			return fds[0];
		close(fds[0]);
	}
	fd = temporary_open(q->directory);
	if (fd != -1 && (io_write_all(fd, strings->data, strings->len) == -1 ||
	    lseek(fd, 0, SEEK_SET) == -1))
		io_close(&fd);
	return fd;
}

static int
send_call(struct queue_submission *c, size_t argc, size_t len, int strings,
    int errors)
{
	struct ipc m;
	int ret;

	ipc_init(&m);
	ipc_begin(&m, IPC_SUBMIT_CALL, 0);
	ipc_put_u32(&m, SUBMIT_STDIN | SUBMIT_STDIN << STDERR_FILENO);
	ipc_put_u32(&m, (uint32_t)argc);
	ipc_put_u32(&m, (uint32_t)len);
	ipc_put_fd(&m, c->text);
	ipc_put_fd(&m, errors);
	ipc_put_fd(&m, strings);
	ret = ipc_send(c->conn, &m);
	ipc_fini(&m);
	return ret;
}

/* 0, or -1 with errno. */
static int
hand_over(struct queue_submission *c)
{
	struct buf strings;
	int fd = -1, errors[2] = { -1, -1 }, ret = -1;
	size_t argc;

	buf_init(&strings, SUBMIT_STRINGS_MAX);
	put_arguments(c->session, &strings, &argc);
	errno = ENOMEM;
	if (argc > 0 && lseek(c->text, 0, SEEK_SET) == 0 &&
	    pipe2(errors, O_CLOEXEC | O_NONBLOCK) == 0)
		fd = open_strings(c->queue, &strings);
	if (fd != -1)
		ret = send_call(c, argc, strings.len, fd, errors[1]);
	c->errors = errors[0];
	io_close(&errors[1]);
	io_close(&fd);
	buf_fini(&strings);
	return ret;
}

/* ---- what comes back ---- */

static void
finish_status(struct queue_submission *c, int status, const char *reason)
{
	char text[SUBMIT_REASON_MAX];
	ssize_t n;

	if (status == EX_OK) {
		finish(c, SMTPD_DELIVERED);
		return;
	}
	if (*reason == '\0') {
		n = io_read(c->errors, text, sizeof(text) - 1);
		text[n < 0 ? 0 : n] = '\0';
		reason = text;
	}
	if (!sendmail_call_is_permanent(status)) {
		finish_later(c, "dma", reason);
		return;
	}
	smtpd_warn(c->queue->host, "%s: dma: status %d: %s",
	    smtpd_id(c->session), status, reason);
	smtpd_set_text(c->session, status == EX_NOUSER ?
	    "550 5.1.1 no such user" : "554 5.6.0 message refused");
	finish(c, SMTPD_PERMANENT);
}

static void
take_ready(struct queue_submission *c, const struct ipc *m)
{
	if (m->kind != IPC_SUBMIT_READY) {
		finish_later(c, SOCKET_FILE, "unexpected record");
	} else if (hand_over(c) == -1) {
		finish_later(c, "cannot hand over", strerror(errno));
	} else {
		c->state = CALL_HANDED;
	}
}

static void
take_status(struct queue_submission *c, struct ipc *m)
{
	char reason[SUBMIT_REASON_MAX];
	int status;

	status = (int)ipc_get_u32(m);
	ipc_get_text(m, reason, sizeof(reason));
	if (m->kind != IPC_SUBMIT_STATUS || ipc_done(m) == -1)
		finish_later(c, SOCKET_FILE, "unexpected record");
	else
		finish_status(c, status, reason);
}

static void
answered(void *arg, unsigned events)
{
	struct queue_submission *c = arg;
	struct ipc m;
	int ret;

	(void)events;
	ipc_init(&m);
	ret = ipc_recv(c->conn, &m, IPC_SUBMIT_LIMIT);
	if (ret == -1 && errno == EAGAIN) {
		;
	} else if (ret != 1 && c->state == CALL_CONNECTED) {
		try_again(c);	/* the limit on calls is reached */
	} else if (ret != 1) {
		finish_later(c, SOCKET_FILE, "dma ended without a status");
	} else if (c->state == CALL_CONNECTED &&
	    m.kind != IPC_SUBMIT_STATUS) {
		take_ready(c, &m);
	} else {
		take_status(c, &m);
	}
	ipc_fini(&m);
}

/* ---- connections ---- */

/* 0, or -1 with errno. */
static int
open_connection(struct queue_submission *c)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX,
	    .sun_path = SOCKET_FILE };

	_Static_assert(sizeof(SOCKET_FILE) <= sizeof(sun.sun_path), "RUNDIR");
	c->conn = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
	    0);
	if (c->conn == -1)
		return -1;
	c->queue->ncalls++;
	c->state = CALL_CONNECTED;
	if (connect(c->conn, (struct sockaddr *)&sun, sizeof(sun)) == -1)
		return -1;
	c->watch = smtpd_watch_fd(c->queue->host, c->conn, SMTPD_READ,
	    answered, c);
	return c->watch == NULL ? -1 : 0;
}

static void
start_calls(struct queue_module *q)
{
	struct queue_submission *c;

	/* What finishes a call calls this. */
	if (q->is_starting)
		return;
	q->is_starting = 1;
	while (q->retry == NULL && q->ncalls < q->ncalls_max &&
	    (c = q->first) != NULL) {
		leave_line(c);
		if (open_connection(c) == 0)
			continue;
		if (errno == EAGAIN || errno == ECONNREFUSED)
			try_again(c);
		else
			finish_later(c, SOCKET_FILE, errno == ENOENT ?
			    "does not exist: enable dma-submit.socket" :
			    strerror(errno));
	}
	q->is_starting = 0;
}

/* ---- a transaction ---- */

static struct queue_submission *
call_of(struct smtpd_session *s)
{
	return *smtpd_data(s, &smtpd_module);
}

static void
queue_reset(void *self, struct smtpd_session *s)
{
	struct queue_submission *c = call_of(s);

	(void)self;
	if (c == NULL)
		return;
	disconnect(c);
	if (c->state == CALL_WAITING)
		leave_line(c);
	if (c->timer != NULL)
		smtpd_timer_cancel(c->timer);
	io_close(&c->text);
	free(c);
	*smtpd_data(s, &smtpd_module) = NULL;
}

/* Of our lines the queue gets Received alone. */
static int
begin_text(struct queue_module *q, struct queue_submission *c,
    struct smtpd_session *s)
{
	const char *lines;
	size_t len, envelope;

	lines = smtpd_prepended(s, &len);
	if (lines == NULL)
		return -1;
	envelope = sendmail_call_skip(lines, len);
	c->text = temporary_open(q->directory);
	return c->text == -1 ? -1 : io_write_all(c->text, lines + envelope,
	    len - envelope);
}

static enum smtpd_verdict
no_storage(struct queue_module *q, struct smtpd_session *s)
{
	smtpd_warn(q->host, "cannot write a temporary file in %s: %s",
	    q->directory, strerror(errno));
	smtpd_set_text(s, "452 4.3.1 insufficient system storage");
	return SMTPD_TEMPORARY;
}

static enum smtpd_verdict
queue_data(void *self, struct smtpd_session *s)
{
	struct queue_module *q = self;
	struct queue_submission *c;

	queue_reset(self, s);
	c = calloc(1, sizeof(*c));
	if (c == NULL)
		return SMTPD_TEMPORARY;
	*smtpd_data(s, &smtpd_module) = c;
	c->queue = q;
	c->session = s;
	c->text = c->conn = c->errors = -1;
	return begin_text(q, c, s) == -1 ? no_storage(q, s) : SMTPD_PASS;
}

static enum smtpd_verdict
queue_body(void *self, struct smtpd_session *s, const char *bytes, size_t len)
{
	struct queue_submission *c = call_of(s);

	if (c == NULL || io_write_all(c->text, bytes, len) == -1)
		return no_storage(self, s);
	return SMTPD_PASS;
}

static enum smtpd_verdict
queue_deliver(void *self, struct smtpd_session *s)
{
	struct queue_module *q = self;
	struct queue_submission *c = call_of(s);

	if (c == NULL || smtpd_recipients(s) == 0)
		return SMTPD_PASS;
	c->timer = smtpd_timer(q->host, TIMEOUT_MS, expired, c);
	if (c->timer == NULL)
		return SMTPD_TEMPORARY;
	wait_in_line(c, 0);
	start_calls(q);
	return SMTPD_PENDING;
}

static void
queue_child_exit(void *self, struct smtpd_host *host)
{
	struct queue_module *q = self;

	(void)host;
	if (q->retry != NULL)
		smtpd_timer_cancel(q->retry);
	q->retry = NULL;
}

const struct smtpd_module smtpd_module = {
	.abi = SMTPD_MODULE_ABI,
	.size = sizeof(struct smtpd_module),
	.name = "queue",
	.configure = queue_configure,
	.init = queue_init,
	.child_init = queue_child_init,
	.data = queue_data,
	.body = queue_body,
	.deliver = queue_deliver,
	.reset = queue_reset,
	.child_exit = queue_child_exit,
	.fini = queue_fini
};
