/*
 * submit_instance.c - a call that was handed over by a client.
 * Runs as: root, to learn who the client is; then as the spool user.
 * Uses: the connection that init accepted.
 * Promise: the client is who the kernel says.  Nothing it sends is read as
 * root; what it sends is bounded in size and, up to its message, in time.
 */
#include <sys/socket.h>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "compat/compat.h"
#include "lib/io.h"
#include "lib/ipc.h"
#include "priv/records.h"
#include "priv/submit_instance.h"

extern char **environ;

#define COMPLETE_MS	20000	/* for the client to hand its call over */
#define STRINGS_COUNT_MAX	(1024 * 1024)	/* above execve(2)'s */

int
submit_instance_open(uint32_t *uid)
{
	uid_t peer;

	if (compat_close_from(STDERR_FILENO + 1) == -1 ||
	    io_fill_descriptors() == -1 || fcntl(STDIN_FILENO,
	    F_DUPFD_CLOEXEC, CALLER_CONNECTION) != CALLER_CONNECTION ||
	    compat_peer(CALLER_CONNECTION, &peer) == -1)
		return -1;
	*uid = peer;
	return 0;
}

void
submit_instance_answer(int status, const char *what, const char *reason)
{
	char text[SUBMIT_REASON_MAX] = "";
	struct ipc m;

	if (what != NULL)
		snprintf(text, sizeof(text), "%s: %s", what, reason);
	caller_block_signals();
	ipc_init(&m);
	ipc_begin(&m, IPC_SUBMIT_STATUS, 0);
	ipc_put_u32(&m, (uint32_t)status);
	ipc_put_str(&m, text);
	(void)ipc_send(CALLER_CONNECTION, &m);
	ipc_fini(&m);
}

/* ---- the strings ---- */

int
submit_call_split(struct submit_call *c, char *text, size_t len, uint32_t argc)
{
	size_t i, n = 0, count = 0;
	char *p;

	if (len > 0 && text[len - 1] != '\0')
		return -1;
	for (p = text; p < text + len; p += strlen(p) + 1)
		count++;
	if (argc > count || count > STRINGS_COUNT_MAX)
		return -1;
	c->vector = calloc(count + 2, sizeof(*c->vector));
	if (c->vector == NULL)
		return -1;
	for (i = 0, p = text; i < count; i++, p += strlen(p) + 1) {
		n += i == argc;		/* the NULL after argv */
		c->vector[n++] = p;
	}
	c->text = text;
	c->argc = (int)argc;
	return 0;
}

void
submit_call_fini(struct submit_call *c)
{
	free(c->vector);
	free(c->text);
	memset(c, 0, sizeof(*c));
}

/* Reads all of it by the deadline, into our own memory; or -1. */
static int
read_strings(int fd, char *text, size_t len, int64_t deadline_ms)
{
	size_t have;
	ssize_t n;

	for (have = 0; have < len; have += (size_t)n) {
		if (io_wait(fd, POLLIN, deadline_ms) != 1)
			return -1;
		n = io_read(fd, text + have, len - have);
		if (n <= 0)
			return -1;
	}
	return 0;
}

static int
take_strings(struct submit_call *call, int fd, size_t len, uint32_t argc,
    int64_t deadline_ms)
{
	char *text;

	text = len > SUBMIT_STRINGS_MAX ? NULL : calloc(1, len + 1);
	if (text == NULL)
		return -1;
	if (read_strings(fd, text, len, deadline_ms) == 0 &&
	    submit_call_split(call, text, len, argc) == 0)
		return 0;
	free(text);
	return -1;
}

/* ---- the call ---- */

/* The client's standard descriptors become 0 to 2; missing ones are closed. */
static int
take_descriptors(struct ipc *m, unsigned has)
{
	int fd, given, next = 0;

	for (fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		close(fd);
		if ((has & SUBMIT_STDIN << fd) == 0)
			continue;
		given = ipc_take_fd(m, next++);
		if (given == -1 || dup2(given, fd) == -1)
			return -1;
		close(given);
	}
	return next;
}

static int
receive_call(struct ipc *m, struct caller *c, struct submit_call *call,
    int64_t deadline_ms)
{
	uint32_t argc, len, has;
	int n, fd, ret;

	if (io_wait(CALLER_CONNECTION, POLLIN, deadline_ms) != 1 ||
	    ipc_recv(CALLER_CONNECTION, m, IPC_SUBMIT_LIMIT) != 1)
		return -1;
	has = ipc_get_u32(m);
	argc = ipc_get_u32(m);
	len = ipc_get_u32(m);
	if (m->kind != IPC_SUBMIT_CALL || ipc_done(m) == -1)
		return -1;
	c->is_fed = (has & SUBMIT_FED) != 0;
	n = take_descriptors(m, has);
	fd = n == -1 ? -1 : ipc_take_fd(m, n);
	if (fd == -1)
		return -1;
	ret = take_strings(call, fd, len, argc, deadline_ms);
	close(fd);
	return ret;
}

/*
 * When the client ends, or sends anything else, this process receives SIGHUP,
 * which ends it unless it has committed.
 */
static int
end_with_client(void)
{
	(void)signal(SIGHUP, SIG_DFL);
#if defined(F_SETSIG)
	if (fcntl(CALLER_CONNECTION, F_SETOWN, getpid()) == -1 ||
	    fcntl(CALLER_CONNECTION, F_SETSIG, SIGHUP) == -1 ||
	    fcntl(CALLER_CONNECTION, F_SETFL, O_RDWR | O_ASYNC) == -1)
		return -1;
#endif
	return 0;
}

int
submit_instance_take(struct caller *c, struct submit_call *call)
{
	int64_t deadline_ms = io_clock_ms() + COMPLETE_MS;
	struct ipc m;
	int ret = -1;

	memset(call, 0, sizeof(*call));
	ipc_init(&m);
	if (ipc_send_empty(CALLER_CONNECTION, IPC_SUBMIT_READY, 0) == 0)
		ret = receive_call(&m, c, call, deadline_ms);
	ipc_fini(&m);
	if (ret == -1)
		return -1;
	c->is_handed_over = 1;
	environ = call->vector + call->argc + 1;
	/* The client may have ended before this was set up. */
	return caller_fill_descriptors(c) == -1 || caller_clean(c) == -1 ||
	    end_with_client() == -1 || caller_is_gone(c) ? -1 : 0;
}
