/*
 * command.c - a command of a user gets a message on its standard input.
 * Runs as: the user.  Uses: one exec; a private copy of the message.
 * Promise: the command has its message, a fresh environment and descriptors
 * 0 to 2, and nothing else of ours; its text comes from the user's file alone,
 * and no byte of the message or its addresses is in it.
 */
#include <sys/mman.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "compat/compat.h"
#include "lib/buf.h"
#include "lib/io.h"
#include "lib/ipc.h"
#include "local/command.h"
#include "local/delivery.h"
#include "priv/records.h"

#define MEMORY_MAX	(1024 * 1024)	/* bytes of a copy in memory */
#define ARGS_MAX	(TARGET_MAX / 2 + 2)
#define ENV_MAX		16
#define PATH_VALUE	"/usr/local/bin:/usr/bin:/bin"
#define SHELL_PATH	"/bin/sh"

/* Characters that mean themselves to a shell, wherever they stand. */
static const char plain_text[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
    "%+,-./:=@_ ";

struct env {
	struct buf	 text[ENV_MAX];	/* owned */
	char		*list[ENV_MAX + 1];
	size_t		 n;
};

static void
defer_errno(struct result *res, const char *reason)
{
	int error = errno;

	result_set(res, STATUS_DEFERRED, "4.3.0", "%s", reason);
	result_detail(res, "%s", strerror(error));
}

int
command_is_plain(const char *text)
{
	return text[0] == '/' && text[strspn(text, plain_text)] == '\0';
}

/* ---- the message ---- */

/* A file without a name; what is not in memory stays open until the exec. */
static int
open_copy(int64_t length)
{
	FILE *f;
	int fd = -1;

#ifdef MFD_CLOEXEC
	if (length <= MEMORY_MAX)
		fd = memfd_create("message", MFD_CLOEXEC);
#else
	(void)length;
#endif
	if (fd != -1)
		return fd;
	f = tmpfile();
	return f == NULL ? -1 : fileno(f);
}

/*
 * The copy is complete before the command starts: a queue file that cannot be
 * read is never an early end of its input.
 */
static int
copy_message(const struct delivery *d, int *fd, struct result *res)
{
	*fd = open_copy(d->length);
	if (*fd != -1 && delivery_copy(d, 1, *fd) == DELIVERY_COPIED &&
	    lseek(*fd, 0, SEEK_SET) != -1)
		return 0;
	defer_errno(res, "cannot copy the message for the command");
	io_close(fd);
	return -1;
}

/* ---- the environment ---- */

static void
put_env(struct env *e, const char *name, const char *value, size_t len)
{
	struct buf *b = &e->text[e->n];

	buf_init(b, 0);
	buf_printf(b, "%s=", name);
	buf_add(b, value, len);
	e->list[e->n++] = b->data;
}

static void
put_env_str(struct env *e, const char *name, const char *value)
{
	put_env(e, name, value, strlen(value));
}

/* "ext" of user+ext@host. */
static void
put_extension(struct env *e, const struct delivery *d)
{
	const char *p = "", *at;
	size_t len;

	if (d->conf->names.delimiter != '\0') {
		p = strchr(d->recipient, d->conf->names.delimiter);
		p = p == NULL ? "" : p + 1;
	}
	at = strrchr(p, '@');
	len = at == NULL ? strlen(p) : (size_t)(at - p);
	/* A delimiter in the domain only is none. */
	if (strrchr(d->recipient, '@') != NULL && at == NULL)
		len = 0;
	put_env(e, "EXTENSION", p, len);
}

static int
fill_env(struct env *e, const struct delivery *d)
{
	size_t i;

	put_env_str(e, "PATH", PATH_VALUE);
	put_env_str(e, "HOME", d->user->home);
	put_env_str(e, "USER", d->user->name);
	put_env_str(e, "LOGNAME", d->user->name);
	put_env_str(e, "SHELL", d->user->shell);
	put_env_str(e, "SENDER", d->sender);
	put_env_str(e, "RECIPIENT", d->recipient);
	put_env_str(e, "ORIGINAL_RECIPIENT", d->original);
	put_extension(e, d);
	put_env_str(e, "QUEUE_ID", d->queue_id);
	for (i = 0; i < e->n; i++)
		if (buf_failed(&e->text[i]))
			return -1;
	return 0;
}

static void
free_env(struct env *e)
{
	while (e->n > 0)
		buf_fini(&e->text[--e->n]);
}

/* ---- the new process ---- */

/* The read end of the output goes to the runner; -1 when it is gone. */
static int
hand_over(const struct delivery *d, int fd)
{
	struct ipc m;
	int ret;

	ipc_init(&m);
	ipc_begin(&m, IPC_DELIVER_OUTPUT, 0);
	ipc_put_fd(&m, fd);
	ret = ipc_send(d->channel, &m);
	m.nfds = 0;		/* it stays ours, sent or not */
	ipc_fini(&m);
	return ret;
}

static int
place_descriptors(int in, int out)
{
	if (dup2(in, STDIN_FILENO) == -1 || dup2(out, STDOUT_FILENO) == -1 ||
	    dup2(out, STDERR_FILENO) == -1)
		return -1;
	/* All is O_CLOEXEC; this is for what should not have been there. */
	return compat_close_from(STDERR_FILENO + 1);
}

static void
enter_home(const char *home)
{
	if (home[0] == '/' && chdir(home) == 0)
		return;
	if (chdir("/") == -1)
		return;		/* where the deliver branch is anyway */
}

static void
exec_plain(const char *text, char **env)
{
	char copy[TARGET_MAX + 1];
	char *argv[ARGS_MAX + 1], *p = copy;
	size_t n = 0;

	if (text_copy(copy, sizeof(copy), text) == -1) {
		errno = E2BIG;
		return;
	}
	while (*p != '\0' && n < ARGS_MAX) {
		argv[n++] = p;
		p += strcspn(p, " ");
		while (*p == ' ')
			*p++ = '\0';
	}
	argv[n] = NULL;
	execve(copy, argv, env);
	/* A script without its first line is a script for sh. */
	if (errno == ENOEXEC)
		execle(SHELL_PATH, "sh", "-c", text, (char *)NULL, env);
}

/* Returns only when it failed: the exit status. */
static int
start(const char *text, char **env)
{
	int saved;

	if (command_is_plain(text))
		exec_plain(text, env);
	else
		execle(SHELL_PATH, "sh", "-c", text, (char *)NULL, env);
	saved = errno;
	/* The sender reads this, so the command is not in it. */
	dprintf(STDERR_FILENO, "cannot run the command: %s\n", strerror(saved));
	return saved == ENOENT ? 127 : 126;
}

/* From here on, output and exit status are the only report. */
static int
run(const struct delivery *d, const char *text, int in, int out, char **env)
{
	enter_home(d->user->home);
	io_default_signals();
	if (place_descriptors(in, out) == -1)
		return 126;
	return start(text, env);
}

int
command_run(const struct delivery *d, const char *text, struct result *res)
{
	struct env e;
	int in = -1, output[2] = { -1, -1 }, status = 0;

	memset(&e, 0, sizeof(e));
	if (fill_env(&e, d) == -1 ||
	    pipe2(output, O_CLOEXEC) == -1)
		defer_errno(res, "cannot start the command");
	else if (copy_message(d, &in, res) == 0)
		status = hand_over(d, output[0]) == -1 ? 1 :
		    run(d, text, in, output[1], e.list);
	free_env(&e);
	if (status != 0)
		return status;	/* after run() none of these is open */
	io_close(&in);
	io_close(&output[0]);
	io_close(&output[1]);
	return 0;
}
