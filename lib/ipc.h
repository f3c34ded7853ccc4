/*
 * ipc.h - records between processes, whole or not at all.
 * One record is one SOCK_SEQPACKET packet: kind, request id, then fields put
 * and got one by one, and at most IPC_FDS descriptors.  Both ends are on one
 * machine, so numbers travel in its byte order.  Over a stream socket, two
 * sides that send in turn, one record each, have the same promise: a short
 * record that arrives in parts is an error.
 */
#ifndef LIB_IPC_H
#define LIB_IPC_H

#include <stddef.h>
#include <stdint.h>

#include "lib/buf.h"

#define IPC_LIMIT	(96 * 1024)	/* bytes of the longest record */
#define IPC_FDS		4

struct ipc {
	uint32_t kind, id;
	struct buf fields;	/* owned */
	size_t	 pos;		/* bytes of them that were got */
	int	 fds[IPC_FDS];	/* owned when received; lent when sent */
	int	 nfds;
	int	 is_received;	/* fds are ours to close */
	int	 bad;		/* a put or get went wrong; sticky */
};

void	ipc_init(struct ipc *);			/* once, before anything */
void	ipc_fini(struct ipc *);			/* frees; closes received fds */

/* Writing. Errors stick and are returned by ipc_send(). */
void	ipc_begin(struct ipc *, uint32_t kind, uint32_t id);
void	ipc_put_u32(struct ipc *, uint32_t);
void	ipc_put_u64(struct ipc *, uint64_t);
void	ipc_put_str(struct ipc *, const char *);	/* NULL as "" */
void	ipc_put_bytes(struct ipc *, const void *, size_t);
void	ipc_put_fd(struct ipc *, int fd);		/* lent until sent */
/* 0, or -1 with errno (EAGAIN on a full non-blocking socket, EPIPE, …). */
int	ipc_send(int sock, struct ipc *);
/* The same for a record without fields. */
int	ipc_send_empty(int sock, uint32_t kind, uint32_t id);

/*
 * Reading.  ipc_recv: 1 for a record, 0 when the other side is gone, -1 with
 * errno: EAGAIN, or EPROTO for a record that is cut, too long for limit, or
 * comes with descriptors that do not fit.  Received fds are O_CLOEXEC and are
 * closed by the next ipc_recv, ipc_begin or ipc_fini unless taken.
 */
int	 ipc_recv(int sock, struct ipc *, size_t limit_bytes);
uint32_t ipc_get_u32(struct ipc *);
uint64_t ipc_get_u64(struct ipc *);
/* Copies a string without NUL or control (TAB too) into dst; else bad. */
void	 ipc_get_text(struct ipc *, char *dst, size_t size);
/* Lends n bytes; NULL and *n = 0 when bad. */
const void *ipc_get_bytes(struct ipc *, size_t *n);
/* Gives descriptor i (then the caller's), or -1 when it did not come. */
int	 ipc_take_fd(struct ipc *, int i);
/* More fields to get? For records that hold a list. */
int	 ipc_more(const struct ipc *);
/* 0 when every get went well and nothing is left over; else -1. */
int	 ipc_done(struct ipc *);

#endif
