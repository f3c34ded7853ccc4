/*
 * msg.h - records between processes, whole or not at all.
 * One record is one SOCK_SEQPACKET packet: kind, request id, then fields put
 * and got one by one, and at most MSG_FDS descriptors.  Both ends are on one
 * machine, so numbers travel in its byte order.
 */
#ifndef LIB_MSG_H
#define LIB_MSG_H

#include <stddef.h>
#include <stdint.h>

#define MSG_LIMIT	(96 * 1024)	/* octets of the longest record */
#define MSG_FDS		2

struct msg {
	uint32_t kind, id;
	char	*data;		/* owned; fields, len octets */
	size_t	 len, cap, pos;
	int	 fds[MSG_FDS];	/* owned when received; lent when sent */
	int	 nfds;
	int	 is_received;	/* fds are ours to close */
	int	 bad;		/* a put or get went wrong; sticky */
};

void	msg_init(struct msg *);			/* once, before anything */
void	msg_fini(struct msg *);			/* frees; closes received fds */

/* Writing. Errors stick and are returned by msg_send(). */
void	msg_begin(struct msg *, uint32_t kind, uint32_t id);
void	msg_put_u32(struct msg *, uint32_t);
void	msg_put_u64(struct msg *, uint64_t);
void	msg_put_str(struct msg *, const char *);	/* NULL as "" */
void	msg_put_bytes(struct msg *, const void *, size_t);
void	msg_put_fd(struct msg *, int fd);		/* lent until sent */
/* 0, or -1 with errno (EAGAIN on a full non-blocking socket, EPIPE, …). */
int	msg_send(int sock, struct msg *);

/*
 * Reading.  msg_recv: 1 for a record, 0 when the other side is gone, -1 with
 * errno: EAGAIN, or EPROTO for a record that is cut, too long for limit, or
 * comes with descriptors that do not fit.  Received fds are O_CLOEXEC and are
 * closed by the next msg_recv, msg_begin or msg_fini unless taken.
 */
int	 msg_recv(int sock, struct msg *, size_t limit_bytes);
uint32_t msg_get_u32(struct msg *);
uint64_t msg_get_u64(struct msg *);
/* Copies a string without NUL or control (TAB too) into dst; else bad. */
void	 msg_get_text(struct msg *, char *dst, size_t size);
/* Lends n octets; NULL and *n = 0 when bad. */
const void *msg_get_bytes(struct msg *, size_t *n);
/* Gives descriptor i (then the caller's), or -1 when it did not come. */
int	 msg_take_fd(struct msg *, int i);
/* More fields to get? For records that hold a list. */
int	 msg_more(const struct msg *);
/* 0 when every get went well and nothing is left over; else -1. */
int	 msg_done(struct msg *);

#endif
