/*
 * auth_command.c - passwords and tokens that a command of auth.conf prints.
 * Runs as: the spool user, in a process of its own beside dma-remote, which is
 * sandboxed and can start nothing.  Uses: fork and exec of those commands.
 * Promise: the asker names an entry, and nothing of it is foreign: the text is
 * root's.  A command has a fresh environment, no descriptor of ours, and a
 * limit of time and output; of what it prints no byte is in a reason.
 */
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "compat/compat.h"
#include "lib/io.h"
#include "lib/ipc.h"
#include "lib/text.h"
#include "priv/records.h"
#include "net/auth_command.h"

#define OUTPUT_MAX	8192	/* bytes; the first line counts */
#define ARGS_MAX	(TEXT_LINE_MAX / 2)
#define ASK_WAIT_S	(SECRET_WAIT_S + 5)
#define LOOK_MS		20	/* between two looks at the command */
#define WHY_OCTETS_MAX	256
#define PATH_VALUE	"/usr/local/bin:/usr/bin:/bin"

/* 1. In the command's process. */

/* Cut at blanks, in place; conf.c lets nothing in that a shell would read. */
static void
split(char *text, char **argv)
{
	size_t n = 0;
	char *word;

	while (n < ARGS_MAX && (word = text_word(&text)) != NULL)
		argv[n++] = word;
	argv[n] = NULL;
}

static int
fill_env(void)
{
	const struct passwd *pw = getpwuid(getuid());
	const char *home = pw == NULL ? "/" : pw->pw_dir;
	const char *name = pw == NULL ? "" : pw->pw_name;

	return clearenv() != 0 || setenv("PATH", PATH_VALUE, 1) == -1 ||
	    setenv("HOME", home, 1) == -1 || setenv("USER", name, 1) == -1 ||
	    setenv("LOGNAME", name, 1) == -1 ||
	    setenv("SHELL", "/bin/sh", 1) == -1 ? -1 : 0;
}

/* Comes back only when it cannot be run. */
static void
run(char *text, int out)
{
	char *argv[ARGS_MAX + 1];
	int null;

	split(text, argv);
	io_default_signals();
	null = io_open_null();
	if (setsid() == -1 || null == -1 || dup2(out, STDOUT_FILENO) == -1 ||
	    dup2(null, STDIN_FILENO) == -1 || dup2(null, STDERR_FILENO) == -1)
		return;
	if (fill_env() == -1 || compat_close_from(STDERR_FILENO + 1) == -1)
		return;
	execv(argv[0], argv);
}

/* 2. In the process that runs them. */

/* 1, 0 at the end, -1 for too much or an error; room never grows, since that
 * would leave a copy behind. */
static int
take_output(int fd, struct buf *out)
{
	size_t room = OUTPUT_MAX + 1 - out->len;
	ssize_t n;

	n = io_read(fd, buf_space(out, room), room);
	if (n <= 0)
		return n == 0 ? 0 : -1;
	buf_grown(out, (size_t)n);
	return out->len > OUTPUT_MAX ? -1 : 1;
}

/*
 * Until the command ends: what it leaves running in the background may keep
 * the pipe.  0 with its status; else it was ended, -1: too late, 1: too much.
 */
static int
await(pid_t pid, int fd, struct buf *out, int *status)
{
	int64_t deadline = io_clock_ms() + SECRET_WAIT_S * 1000;
	int is_open = 1, ret = 0;
	pid_t got;

	for (;;) {
		got = waitpid(pid, status, WNOHANG);
		if (is_open == 1 && io_wait(fd, POLLIN, got != 0 ? 0 :
		    io_clock_ms() + LOOK_MS) == 1) {
			is_open = take_output(fd, out);
			if (is_open == 1 && got != 0)
				continue;
			ret = is_open == -1;
		} else if (is_open != 1 && got == 0)
			poll(NULL, 0, LOOK_MS);
		if (got != 0)
			return ret;
		if (ret == 0 && io_clock_ms() < deadline)
			continue;
		kill(-pid, SIGKILL);
		kill(pid, SIGKILL);
		while (waitpid(pid, status, 0) == -1 && errno == EINTR)
			;
		return ret == 0 ? -1 : ret;
	}
}

static pid_t
start(const char *command, int *fd)
{
	char text[TEXT_LINE_MAX + 1];
	int pair[2];
	pid_t pid;

	if (text_copy(text, sizeof(text), command) == -1 ||
	    pipe2(pair, O_CLOEXEC) == -1)
		return -1;
	pid = fork();
	if (pid == 0) {
		run(text, pair[1]);
		_exit(errno == ENOENT ? 127 : 126);
	}
	close(pair[1]);
	*fd = pair[0];
	if (pid == -1)
		io_close(fd);
	return pid;
}

/* The words for what came of it; NULL when it went well. */
static const char *
judge(int ended, int status, char *reason, size_t size)
{
	if (ended == -1)
		snprintf(reason, size, "took longer than %d seconds",
		    SECRET_WAIT_S);
	else if (ended == 1)
		snprintf(reason, size, "printed more than %d bytes",
		    OUTPUT_MAX);
	else if (WIFSIGNALED(status))
		snprintf(reason, size, "was terminated by signal %d",
		    WTERMSIG(status));
	else if (WEXITSTATUS(status) == 127)
		snprintf(reason, size,
		    "does not exist, or exited with status 127");
	else if (WEXITSTATUS(status) != 0)
		snprintf(reason, size, "exited with status %d",
		    WEXITSTATUS(status));
	else
		return NULL;
	return reason;
}

static void
answer(int sock, struct ipc *m, const struct auth *a)
{
	char reason[WHY_OCTETS_MAX];
	const char *bad = "cannot be started";
	struct buf out;
	int ended, fd = -1, status = 0;
	pid_t pid;

	buf_init(&out, 0);
	pid = buf_space(&out, OUTPUT_MAX + 1) == NULL ? -1 :
	    start(a->command, &fd);
	if (pid != -1) {
		ended = await(pid, fd, &out, &status);
		bad = judge(ended, status, reason, sizeof(reason));
	}
	io_close(&fd);
	ipc_begin(m, IPC_AUTH_COMMAND_REPLY, m->id);
	ipc_put_u32(m, bad == NULL);
	ipc_put_bytes(m, bad == NULL ? buf_str(&out) : bad, bad == NULL ?
	    out.len : strlen(bad));
	(void)ipc_send(sock, m);
	buf_wipe(&out);
	buf_wipe(&m->fields);
}

static int
serve(int sock, const struct auths *auths)
{
	uint32_t index;
	struct ipc m;

	ipc_init(&m);
	while (ipc_recv(sock, &m, IPC_AUTH_COMMAND_LIMIT) == 1) {
		index = ipc_get_u32(&m);
		if (m.kind != IPC_AUTH_COMMAND_REQUEST || ipc_done(&m) == -1 ||
		    index >= auths->n || auths->list[index].command == NULL)
			break;
		answer(sock, &m, &auths->list[index]);
	}
	ipc_fini(&m);
	return EX_OK;
}

static int
has_command(const struct auths *auths)
{
	size_t i;

	for (i = 0; i < auths->n; i++)
		if (auths->list[i].command != NULL)
			return 1;
	return 0;
}

/* The runner's end is dma-remote's alone: else its end would not be seen. */
static int
let_go(void)
{
	int null;

	null = io_open_null();
	if (null == -1 || dup2(null, STDIN_FILENO) == -1)
		return -1;
	close(null);
	return 0;
}

int
auth_command_open(const struct auths *auths, int *sock)
{
	int pair[2];
	pid_t pid;

	*sock = -1;
	if (!has_command(auths))
		return 0;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == -1)
		return -1;
	pid = fork();
	if (pid == 0) {
		close(pair[0]);
		_exit(let_go() == -1 ? EX_OSERR : serve(pair[1], auths));
	}
	io_close(&pair[1]);
	*sock = pair[0];
	if (pid == -1)
		io_close(sock);
	return pid == -1 ? -1 : 0;
}

/* 3. In dma-remote. */

static int
set_trouble(struct auth *a, const char *reason, size_t len)
{
	struct buf b;
	int ret;

	buf_init(&b, 0);
	buf_add(&b, a->command, strcspn(a->command, " \t"));
	buf_puts(&b, ": ");
	buf_put_clean(&b, reason, len, WHY_OCTETS_MAX);
	ret = auth_set_trouble(a, buf_str(&b));
	buf_fini(&b);
	return ret;
}

static int
take_answer(struct ipc *m, struct auth *a)
{
	static const char broken[] = "the reply is invalid";
	const char *text;
	uint32_t is_good;
	size_t len;

	is_good = ipc_get_u32(m);
	text = ipc_get_bytes(m, &len);
	if (m->kind != IPC_AUTH_COMMAND_REPLY || ipc_done(m) == -1)
		return set_trouble(a, broken, sizeof(broken) - 1);
	if (!is_good)
		return set_trouble(a, text, len);
	if (auth_take_secret(a, text, len) == -1)
		return -1;
	return a->trouble == NULL ? 0 : set_trouble(a,
	    "its first line is empty, too long, or has control characters",
	    60);
}

int
auth_command_fetch(int sock, struct auths *auths, const struct auth *entry)
{
	static const char gone[] = "the helper that runs it has exited";
	struct auth *a = &auths->list[entry - auths->list];
	struct ipc m;
	int ret;

	ipc_init(&m);
	ipc_begin(&m, IPC_AUTH_COMMAND_REQUEST, (uint32_t)(a - auths->list));
	ipc_put_u32(&m, (uint32_t)(a - auths->list));
	/* One that came too late for its question answers no other. */
	if (ipc_send(sock, &m) == 0 && io_wait(sock, POLLIN, io_clock_ms() +
	    ASK_WAIT_S * 1000) == 1 &&
	    ipc_recv(sock, &m, IPC_AUTH_COMMAND_LIMIT) == 1 &&
	    m.id == (uint32_t)(a - auths->list))
		ret = take_answer(&m, a);
	else
		ret = set_trouble(a, gone, sizeof(gone) - 1);
	buf_wipe(&m.fields);
	ipc_fini(&m);
	return ret;
}
