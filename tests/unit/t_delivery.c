/*
 * t_delivery.c - a delivery in a directory of its own, and its runner.
 * Runs as: the caller.
 */
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "lib/io.h"
#include "tests/unit/t_delivery.h"

const char *
t_delivery_path(struct t_delivery *w, const char *name)
{
	return t_path(w->top, name);
}

void
t_delivery_put(struct t_delivery *w, const char *name, const char *text)
{
	t_put(t_path(w->top, name), text, strlen(text), 0600);
}

void
t_delivery_message(struct t_delivery *w, const void *text, size_t len)
{
	const char *path = t_path(w->top, "message");

	io_close(&w->d.message);
	unlink(path);
	t_put(path, text, len, 0600);
	w->d.message = open(path, O_RDWR | O_CLOEXEC);
	assert_true(w->d.message != -1);
	w->d.offset = 0;
	w->d.length = (int64_t)len;
}

void
t_delivery_long_message(struct t_delivery *w, size_t len)
{
	struct buf b;
	unsigned i = 0;

	buf_init(&b, 0);
	buf_puts(&b, "Subject: long\n\n");
	while (b.len + 40 < len)
		buf_printf(&b, "%s line of many\n", i++ % 7 == 0 ? "From " :
		    "");
	while (b.len + 1 < len)
		buf_putc(&b, 'x');
	buf_putc(&b, '\n');
	t_delivery_message(w, b.data, b.len);
	buf_fini(&b);
}

static void
set_delivery(struct t_delivery *w)
{
	struct delivery *d = &w->d;

	d->kind = ROUTE_MAILBOX;
	d->user = &w->user;
	d->conf = &w->conf;
	d->message = d->channel = d->aliases = -1;
	d->checkpoint.length = -1;
	d->arrived = 100;
	text_copy(d->name, sizeof(d->name), "bob");
	text_copy(d->queue_id, sizeof(d->queue_id), "3f2a");
	text_copy(d->sender, sizeof(d->sender), "ann@example.org");
	text_copy(d->recipient, sizeof(d->recipient), "bob@here");
	text_copy(d->original, sizeof(d->original), "Bob@here");
}

static void
set_user(struct t_delivery *w)
{
	struct user *u = &w->user;

	text_copy(u->name, sizeof(u->name), "bob");
	text_copy(u->home, sizeof(u->home), t_path(w->top, "home"));
	text_copy(u->shell, sizeof(u->shell), "/bin/sh");
	u->uid = getuid();
	u->gid = getgid();
}

int
t_delivery_setup(void **state)
{
	struct t_delivery *w;

	w = calloc(1, sizeof(*w));
	assert_non_null(w);
	/* As in every process of dma. */
	signal(SIGXFSZ, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	t_dir(w->top, sizeof(w->top));
	assert_int_equal(mkdir(t_path(w->top, "home"), 0755), 0);
	assert_int_equal(chmod(t_path(w->top, "home"), 0755), 0);
	assert_int_equal(mkdir(t_path(w->top, "mail"), 0700), 0);
	text_copy(w->mailspool, sizeof(w->mailspool), t_path(w->top, "mail"));
	w->dir = open(w->mailspool, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(w->dir != -1);
	w->conf.local.mailspool = w->mailspool;
	w->conf.names.delimiter = '+';
	w->runner = -1;
	set_user(w);
	set_delivery(w);
	buf_init(&w->text, 0);
	result_init(&w->res);
	t_delivery_message(w, T_BODY, strlen(T_BODY));
	*state = w;
	return 0;
}

int
t_delivery_teardown(void **state)
{
	struct t_delivery *w = *state;

	io_close(&w->dir);
	io_close(&w->d.message);
	io_close(&w->d.aliases);
	io_close(&w->d.channel);
	io_close(&w->runner);
	chmod(t_path(w->top, "home"), 0700);
	chmod(t_path(w->top, "mail"), 0700);
	t_dir_remove(w->top);
	result_fini(&w->res);
	buf_fini(&w->text);
	free(w);
	return 0;
}

void
t_delivery_interrupted(struct t_delivery *w, int64_t length)
{
	struct stat st;

	assert_int_equal(stat(t_path(w->top, "mail/bob"), &st), 0);
	w->d.checkpoint.dev = (uint64_t)st.st_dev;
	w->d.checkpoint.ino = (uint64_t)st.st_ino;
	w->d.checkpoint.length = length;
}

/* ---- the runner ---- */

void
t_delivery_open(struct t_delivery *w)
{
	int s[2];

	io_close(&w->d.channel);
	io_close(&w->runner);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0,
	    s), 0);
	w->d.channel = s[0];
	w->runner = s[1];
	w->ncheckpoints = 0;
	w->verdict = UINT32_MAX;
	w->said[0] = '\0';
	result_fini(&w->res);
	buf_reset(&w->text);
}

void
t_delivery_send(struct t_delivery *w, uint32_t kind)
{
	struct ipc m;

	ipc_init(&m);
	ipc_begin(&m, kind, w->d.id);
	assert_int_equal(ipc_send(w->runner, &m), 0);
	ipc_fini(&m);
}

void
t_delivery_take(struct t_delivery *w, const struct result *res)
{
	struct buf b;

	result_copy(&w->res, res);
	buf_init(&b, 0);
	result_put_full(&b, res);
	text_copy(w->said, sizeof(w->said), buf_str(&b));
	buf_fini(&b);
}

static void
take_result(struct t_delivery *w, struct ipc *m)
{
	struct result res;

	result_init(&res);
	assert_int_equal(result_get(m, &res), 0);
	t_delivery_take(w, &res);
	result_fini(&res);
}

static void
take_output(struct t_delivery *w, int fd)
{
	char chunk[4096];
	ssize_t n;

	while ((n = io_read(fd, chunk, sizeof(chunk))) > 0)
		buf_add(&w->text, chunk, (size_t)n);
	close(fd);
}

/* "path=text", as often as there are lists. */
static void
take_list(struct t_delivery *w, struct ipc *m)
{
	char path[TARGET_MAX + 1];
	const char *p;
	size_t n;

	ipc_get_text(m, path, sizeof(path));
	p = ipc_get_bytes(m, &n);
	buf_printf(&w->text, "%s=", path);
	buf_add(&w->text, p, n);
}

static void
take_reply(struct t_delivery *w, struct ipc *m)
{
	const char *p;
	size_t n;

	w->verdict = ipc_get_u32(m);
	p = ipc_get_bytes(m, &n);
	buf_add(&w->text, p, n);
}

int
t_delivery_receive_one(struct t_delivery *w)
{
	struct ipc m;
	int ret;

	ipc_init(&m);
	ret = ipc_recv(w->runner, &m, IPC_CHANNEL_LIMIT) == 1;
	if (ret && m.kind == IPC_DELIVER_CHECKPOINT) {
		w->ncheckpoints++;
		w->at.dev = ipc_get_u64(&m);
		w->at.ino = ipc_get_u64(&m);
		w->at.length = (int64_t)ipc_get_u64(&m);
	} else if (ret && m.kind == IPC_DELIVER_RESULT) {
		take_result(w, &m);
		/* Nothing more for this child. */
		shutdown(w->runner, SHUT_WR);
	} else if (ret && m.kind == IPC_DELIVER_OUTPUT) {
		take_output(w, ipc_take_fd(&m, 0));
	} else if (ret && m.kind == IPC_FORWARD_LIST) {
		take_list(w, &m);
	} else if (ret) {
		assert_int_equal(m.kind, IPC_FORWARD_REPLY);
		take_reply(w, &m);
	}
	assert_int_equal(ipc_done(&m), 0);
	ipc_fini(&m);
	return ret;
}

void
t_delivery_receive(struct t_delivery *w)
{
	unsigned before = w->ncheckpoints;

	while (t_delivery_receive_one(w)) {
		if (w->ncheckpoints == before)
			continue;
		before = w->ncheckpoints;
		if (w->before_ack != NULL)
			w->before_ack(w);
		t_delivery_send(w, IPC_DELIVER_ACKNOWLEDGE);
	}
}

void
t_delivery_fork(struct t_delivery *w, int (*body)(struct t_delivery *),
    int kill_us)
{
	pid_t pid;

	t_delivery_open(w);
	pid = fork();
	assert_true(pid != -1);
	if (pid == 0) {
		close(w->runner);
		_exit(body(w));
	}
	io_close(&w->d.channel);
	if (kill_us >= 0) {
		assert_true(t_delivery_receive_one(w));
		t_delivery_send(w, IPC_DELIVER_ACKNOWLEDGE);
		usleep((useconds_t)kill_us);
		kill(pid, SIGKILL);
	}
	t_delivery_receive(w);
	assert_int_equal(waitpid(pid, &w->wait_status, 0), pid);
	io_close(&w->runner);
}
