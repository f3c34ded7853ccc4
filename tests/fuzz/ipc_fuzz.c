/*
 * ipc_fuzz.c - any packet with any number of descriptors as a record.
 * The first byte says how many descriptors come with it, the second how the
 * fields are read; the rest is the packet.
 */
#include <sys/socket.h>

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/ipc.h"

#define LIMIT		4096	/* bytes of fields that are taken */
#define FDS_SENT	4

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
send_raw(int sock, const uint8_t *p, size_t len, size_t n)
{
	union {
		struct cmsghdr hdr;
		char room[CMSG_SPACE(sizeof(int) * FDS_SENT)];
	} control;
	struct cmsghdr *c;
	struct msghdr mh;
	struct iovec iov;
	int fds[FDS_SENT];
	size_t i;

	memcpy(&iov.iov_base, &p, sizeof(p));
	iov.iov_len = len;
	memset(&mh, 0, sizeof(mh));
	mh.msg_iov = &iov;
	mh.msg_iovlen = 1;
	if (n > 0) {
		for (i = 0; i < n; i++)
			fds[i] = sock;
		memset(&control, 0, sizeof(control));
		mh.msg_control = control.room;
		mh.msg_controllen = CMSG_SPACE(sizeof(int) * n);
		c = CMSG_FIRSTHDR(&mh);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * n);
		memcpy(CMSG_DATA(c), fds, sizeof(int) * n);
	}
	(void)sendmsg(sock, &mh, MSG_NOSIGNAL);
}

/* Reads fields until something is wrong or nothing is left. */
static void
read_fields(struct ipc *m, unsigned how)
{
	const char *p;
	char text[64];
	size_t n, before;

	for (; ipc_more(m); how = how << 2 | how >> 6) {
		before = m->pos;
		switch (how & 3) {
		case 0:
			ipc_get_u32(m);
			break;
		case 1:
			ipc_get_u64(m);
			break;
		case 2:
			ipc_get_text(m, text, sizeof(text));
			if (!text_is_clean(text, strlen(text)) ||
			    (m->bad && text[0] != '\0'))
				abort();
			break;
		default:
			p = ipc_get_bytes(m, &n);
			if ((p == NULL) != (m->bad != 0) || n > m->fields.len)
				abort();
			if (p != NULL && p + n != m->fields.data + m->pos)
				abort();
			break;
		}
		if (m->pos > m->fields.len || (!m->bad && m->pos == before))
			abort();
	}
	if (ipc_done(m) == 0 && (m->bad || m->pos != m->fields.len))
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ipc m;
	int before, fd, sock[2];

	if (size < 2 || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC |
	    SOCK_NONBLOCK, 0, sock) == -1)
		return 0;
	/* The lowest free descriptor shows whether one is left open. */
	before = dup(sock[0]);
	close(before);
	send_raw(sock[0], data + 2, size - 2, data[0] % (FDS_SENT + 1));
	ipc_init(&m);
	if (ipc_recv(sock[1], &m, LIMIT) == 1) {
		if (m.fields.len > LIMIT || m.nfds > IPC_FDS)
			abort();
		read_fields(&m, data[1]);
		fd = ipc_take_fd(&m, 0);
		if (fd != -1)
			close(fd);
	} else if (m.nfds != 0 || m.fields.len != 0) {
		abort();
	}
	ipc_fini(&m);
	fd = dup(sock[0]);
	if (fd != before)
		abort();
	close(fd);
	close(sock[0]);
	close(sock[1]);
	return 0;
}
