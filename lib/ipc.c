/*
 * ipc.c - records between processes.
 * Runs as: anyone.  Uses: the sockets it is given.
 * Promise: a record arrives whole or is an error; every length is checked
 * before it is used; no descriptor leaks.
 */
#include <sys/socket.h>
#include <sys/uio.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "lib/io.h"
#include "lib/ipc.h"

struct head {
	uint32_t kind, id;
};

union control {
	struct cmsghdr hdr;	/* for alignment */
	char room[CMSG_SPACE(sizeof(int) * IPC_FDS)];
};

static void
close_fds(struct ipc *m)
{
	while (m->nfds > 0) {
		m->nfds--;
		if (m->is_received)
			io_close(&m->fds[m->nfds]);
	}
	m->is_received = 0;
}

void
ipc_init(struct ipc *m)
{
	memset(m, 0, sizeof(*m));
	buf_init(&m->fields, IPC_LIMIT);
}

void
ipc_fini(struct ipc *m)
{
	close_fds(m);
	buf_fini(&m->fields);
	ipc_init(m);
}

void
ipc_begin(struct ipc *m, uint32_t kind, uint32_t id)
{
	close_fds(m);
	m->kind = kind;
	m->id = id;
	buf_reset(&m->fields);
	m->pos = 0;
	m->bad = 0;
}

static void
put(struct ipc *m, const void *p, size_t n)
{
	buf_add(&m->fields, p, n);
	m->bad |= buf_failed(&m->fields);
}

void
ipc_put_u32(struct ipc *m, uint32_t v)
{
	put(m, &v, sizeof(v));
}

void
ipc_put_u64(struct ipc *m, uint64_t v)
{
	put(m, &v, sizeof(v));
}

void
ipc_put_bytes(struct ipc *m, const void *p, size_t n)
{
	if (n > IPC_LIMIT) {
		m->bad = 1;
		return;
	}
	ipc_put_u32(m, (uint32_t)n);
	put(m, p, n);
}

void
ipc_put_str(struct ipc *m, const char *s)
{
	if (s == NULL)
		s = "";
	ipc_put_bytes(m, s, strlen(s));
}

void
ipc_put_fd(struct ipc *m, int fd)
{
	if (m->nfds >= IPC_FDS || fd < 0) {
		m->bad = 1;
		return;
	}
	m->fds[m->nfds++] = fd;
}

int
ipc_send(int sock, struct ipc *m)
{
	struct head head = { m->kind, m->id };
	struct iovec iov[2] = { { &head, sizeof(head) },
	    { m->fields.data, m->fields.len } };
	struct msghdr mh = { .msg_iov = iov,
	    .msg_iovlen = m->fields.len > 0 ? 2 : 1 };
	union control control = { .room = { 0 } };
	struct cmsghdr *c;
	size_t nfds = (size_t)m->nfds;
	ssize_t n;

	if (m->bad) {
		errno = EMSGSIZE;
		return -1;
	}
	if (nfds > 0) {
		mh.msg_control = control.room;
		mh.msg_controllen = CMSG_SPACE(sizeof(int) * nfds);
		c = &control.hdr;
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * nfds);
		memcpy(CMSG_DATA(c), m->fds, sizeof(int) * nfds);
	}
	do {
		n = sendmsg(sock, &mh, MSG_NOSIGNAL);
	} while (n == -1 && errno == EINTR);
	if (n == -1)
		return -1;		/* the caller may try again */
	m->nfds = 0;
	return 0;
}

int
ipc_send_empty(int sock, uint32_t kind, uint32_t id)
{
	struct ipc m;
	int ret;

	ipc_init(&m);
	ipc_begin(&m, kind, id);
	ret = ipc_send(sock, &m);
	ipc_fini(&m);
	return ret;
}

/*
 * Takes the descriptors over first of all, so that none leaks on any path.
 * More than there is room for are closed by the kernel and show as MSG_CTRUNC.
 */
static void
adopt(struct ipc *m, struct msghdr *mh)
{
	struct cmsghdr *c;
	size_t i, n;
	int fd;

	for (c = CMSG_FIRSTHDR(mh); c != NULL; c = CMSG_NXTHDR(mh, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (i = 0; i < n; i++) {
			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
			if (m->nfds < IPC_FDS) {
				m->fds[m->nfds++] = fd;
			} else {
				close(fd);
				m->bad = 1;
			}
		}
	}
}

int
ipc_recv(int sock, struct ipc *m, size_t limit_bytes)
{
	struct head head;
	union control control;
	struct iovec iov[2] = { { &head, sizeof(head) },
	    { NULL, limit_bytes } };
	struct msghdr mh = { .msg_iov = iov, .msg_iovlen = 2,
	    .msg_control = control.room,
	    .msg_controllen = sizeof(control.room) };
	int was_reset = 0;
	ssize_t n;

	ipc_begin(m, 0, 0);
	iov[1].iov_base = buf_space(&m->fields, limit_bytes);
	if (iov[1].iov_base == NULL) {
		m->bad = 1;
		errno = ENOMEM;
		return -1;
	}
	/* Who ends with something unread resets; its last words are there. */
	do {
		n = recvmsg(sock, &mh, MSG_CMSG_CLOEXEC);
	} while (n == -1 && (errno == EINTR ||
	    (errno == ECONNRESET && !was_reset++)));
	if (n == -1)
		return errno == ECONNRESET ? 0 : -1;
	m->is_received = 1;
	adopt(m, &mh);
	if (n == 0 && m->nfds == 0)
		return 0;
	if (m->bad || (size_t)n < sizeof(head) ||
	    (mh.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) {
		close_fds(m);
		errno = EPROTO;
		return -1;
	}
	m->kind = head.kind;
	m->id = head.id;
	buf_grown(&m->fields, (size_t)n - sizeof(head));
	return 1;
}

static int
get(struct ipc *m, void *p, size_t n)
{
	if (m->bad || n > m->fields.len - m->pos) {
		m->bad = 1;
		memset(p, 0, n);
		return -1;
	}
	memcpy(p, m->fields.data + m->pos, n);
	m->pos += n;
	return 0;
}

uint32_t
ipc_get_u32(struct ipc *m)
{
	uint32_t v;

	get(m, &v, sizeof(v));
	return v;
}

uint64_t
ipc_get_u64(struct ipc *m)
{
	uint64_t v;

	get(m, &v, sizeof(v));
	return v;
}

const void *
ipc_get_bytes(struct ipc *m, size_t *n)
{
	uint32_t len;

	*n = 0;
	len = ipc_get_u32(m);
	if (m->bad || len > m->fields.len - m->pos) {
		m->bad = 1;
		return NULL;
	}
	m->pos += len;
	*n = len;
	return m->fields.data + m->pos - len;
}

void
ipc_get_text(struct ipc *m, char *dst, size_t size)
{
	const char *p;
	size_t n;

	dst[0] = '\0';
	p = ipc_get_bytes(m, &n);
	if (p == NULL || n >= size || !text_is_clean(p, n)) {
		m->bad = 1;
		return;
	}
	memcpy(dst, p, n);
	dst[n] = '\0';
}

int
ipc_take_fd(struct ipc *m, int i)
{
	int fd;

	if (i < 0 || i >= m->nfds)
		return -1;
	fd = m->fds[i];
	m->fds[i] = -1;
	return fd;
}

int
ipc_more(const struct ipc *m)
{
	return !m->bad && m->pos < m->fields.len;
}

int
ipc_done(struct ipc *m)
{
	return m->bad || m->pos != m->fields.len ? -1 : 0;
}
