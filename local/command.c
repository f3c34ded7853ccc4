/*
 * command.c - a command of a user gets a message on its standard input.
 * Runs as: the user.  Uses: one exec; a private copy of the message.
 * Promise: the command has its message, a fresh environment and descriptors
 * 0 to 2, and nothing else of ours; its text comes from the user's file alone,
 * and no byte of the message or its addresses is in it.
 */
#include <sys/mman.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "compat/compat.h"
#include "lib/io.h"
#include "lib/ipc.h"
#include "lib/text.h"
#include "local/command.h"
#include "local/delivery.h"
#include "priv/records.h"

#define MEMORY_MAX	(1024 * 1024)	/* bytes of a copy in memory */
#define ARGS_MAX	(TARGET_MAX / 2 + 2)
#define PATH_VALUE	"/usr/local/bin:/usr/bin:/bin"
#define SHELL_PATH	"/bin/sh"

/* Characters that mean themselves to a shell, wherever they stand. */
static const char plain_text[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
    "%+,-./:=@_ ";

extern char **environ;

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
	delivery_defer_system(res, "cannot copy the message for the command");
	io_close(fd);
	return -1;
}

/* ---- the environment ---- */

static int
set_env(const struct delivery *d)
{
	static char *none[] = { NULL };
	char room[sizeof(d->recipient)];
	const struct {
		const char *name, *value;
	} env[] = {
		{ "PATH", PATH_VALUE },
		{ "HOME", d->user->home },
		{ "USER", d->user->name },
		{ "LOGNAME", d->user->name },
		{ "SHELL", d->user->shell },
		{ "SENDER", d->sender },
		{ "RECIPIENT", d->recipient },
		{ "ORIGINAL_RECIPIENT", d->original },
		{ "EXTENSION", delivery_extension(d, room, sizeof(room)) },
		{ "QUEUE_ID", d->queue_id },
	};
	size_t i;

	environ = none;
	for (i = 0; i < sizeof(env) / sizeof(env[0]); i++)
		if (setenv(env[i].name, env[i].value, 1) == -1)
			return -1;
	return 0;
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
exec_plain(const char *text)
{
	char copy[TARGET_MAX + 1];
	char *argv[ARGS_MAX + 1], *rest = copy;
	size_t n = 0;

	if (text_copy(copy, sizeof(copy), text) == -1) {
		errno = E2BIG;
		return;
	}
	while (n < ARGS_MAX && (argv[n] = text_word(&rest)) != NULL)
		n++;
	argv[n] = NULL;
	errno = ENOENT;
	if (n > 0)
		execv(argv[0], argv);
	/* A script without its first line is a script for sh. */
	if (errno == ENOEXEC)
		execl(SHELL_PATH, "sh", "-c", text, (char *)NULL);
}

/* Returns only when it failed: the exit status. */
static int
start(const char *text)
{
	int saved;

	if (command_is_plain(text))
		exec_plain(text);
	else
		execl(SHELL_PATH, "sh", "-c", text, (char *)NULL);
	saved = errno;
	/* The sender reads this, so the command is not in it. */
	dprintf(STDERR_FILENO, "cannot run the command: %s\n", strerror(saved));
	return saved == ENOENT ? 127 : 126;
}

/* From here on, output and exit status are the only report. */
static int
run(const struct delivery *d, const char *text, int in, int out)
{
	enter_home(d->user->home);
	io_default_signals();
	if (place_descriptors(in, out) == -1)
		return 126;
	return start(text);
}

int
command_run(const struct delivery *d, const char *text, struct result *res)
{
	int in = -1, output[2] = { -1, -1 }, status = 0;

	if (set_env(d) == -1 || pipe2(output, O_CLOEXEC) == -1)
		delivery_defer_system(res, "cannot start the command");
	else if (copy_message(d, &in, res) == 0)
		status = hand_over(d, output[0]) == -1 ? 1 :
		    run(d, text, in, output[1]);
	if (status != 0)
		return status;	/* after run() none of these is open */
	io_close(&in);
	io_close(&output[0]);
	io_close(&output[1]);
	return 0;
}
