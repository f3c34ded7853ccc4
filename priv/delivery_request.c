/*
 * delivery_request.c - one delivery, and its way through a socket.
 * Runs as: the spool user, who puts; root and the user, who get.
 * Uses: nothing.
 * Promise: what is got has the shape that records.h says, or is refused.
 */
#include <sys/stat.h>

#include <string.h>

#include "priv/delivery_request.h"
#include "priv/records.h"

static void
put_message(struct ipc *m, const struct delivery *d)
{
	ipc_put_fd(m, d->message);
	ipc_put_str(m, d->queue_id);
	ipc_put_u32(m, d->rcpt);
	ipc_put_str(m, d->sender);
	ipc_put_str(m, d->recipient);
	ipc_put_str(m, d->original);
	ipc_put_u64(m, (uint64_t)d->arrived);
	ipc_put_u64(m, (uint64_t)d->offset);
	ipc_put_u64(m, (uint64_t)d->length);
	ipc_put_u64(m, d->checkpoint.dev);
	ipc_put_u64(m, d->checkpoint.ino);
	ipc_put_u64(m, (uint64_t)d->checkpoint.length);
	ipc_put_u32(m, d->flags);
}

void
delivery_request_put(struct ipc *m, const struct delivery *d)
{
	ipc_begin(m, IPC_DELIVER_REQUEST, d->id);
	ipc_put_u32(m, d->kind);
	ipc_put_u32(m, d->origin);
	ipc_put_str(m, d->name);
	ipc_put_u32(m, d->entry.index);
	ipc_put_u64(m, d->entry.digest);
	put_message(m, d);
}

void
delivery_next_put(struct ipc *m, const struct delivery *d)
{
	ipc_begin(m, IPC_DELIVER_NEXT, d->id);
	put_message(m, d);
}

int
delivery_next_get(struct ipc *m, struct delivery *d)
{
	d->id = m->id;
	d->message = ipc_take_fd(m, 0);
	ipc_get_text(m, d->queue_id, sizeof(d->queue_id));
	d->rcpt = ipc_get_u32(m);
	ipc_get_text(m, d->sender, sizeof(d->sender));
	ipc_get_text(m, d->recipient, sizeof(d->recipient));
	ipc_get_text(m, d->original, sizeof(d->original));
	d->arrived = (time_t)ipc_get_u64(m);
	d->offset = (int64_t)ipc_get_u64(m);
	d->length = (int64_t)ipc_get_u64(m);
	d->checkpoint.dev = ipc_get_u64(m);
	d->checkpoint.ino = ipc_get_u64(m);
	d->checkpoint.length = (int64_t)ipc_get_u64(m);
	d->flags = ipc_get_u32(m);
	return ipc_done(m) == -1 || d->offset < 0 || d->length < 0 ||
	    d->checkpoint.length < -1 ? -1 : 0;
}

void
forward_request_put(struct ipc *m, uint32_t id, enum origin origin,
    const char *name)
{
	ipc_begin(m, IPC_FORWARD_REQUEST, id);
	ipc_put_u32(m, origin);
	ipc_put_str(m, name);
}

int
forward_request_get(struct ipc *m, struct delivery *d)
{
	uint32_t origin;

	memset(d, 0, sizeof(*d));
	d->id = m->id;
	d->kind = ROUTE_UNKNOWN;
	d->aliases = d->message = -1;
	d->channel = ipc_take_fd(m, 0);
	origin = ipc_get_u32(m);
	ipc_get_text(m, d->name, sizeof(d->name));
	d->origin = (enum origin)origin;
	return ipc_done(m) == 0 && (origin == ORIGIN_ALIASES ||
	    origin == ORIGIN_FORWARD) ? 0 : -1;
}

void
delivery_exit_put(struct ipc *m, uint32_t id, int wait_status, int is_late)
{
	ipc_begin(m, IPC_DELIVER_EXIT, id);
	ipc_put_u32(m, (uint32_t)wait_status);
	ipc_put_u32(m, (uint32_t)is_late);
}

int
delivery_exit_get(struct ipc *m, int *wait_status, int *is_late)
{
	if (m->kind != IPC_DELIVER_EXIT)
		return -1;
	*wait_status = (int)ipc_get_u32(m);
	*is_late = ipc_get_u32(m) != 0;
	return ipc_done(m);
}

int
delivery_request_get(struct ipc *m, struct delivery *d)
{
	uint32_t kind, origin;
	struct stat st;

	memset(d, 0, sizeof(*d));
	d->aliases = -1;
	d->channel = ipc_take_fd(m, 1);
	kind = ipc_get_u32(m);
	origin = ipc_get_u32(m);
	ipc_get_text(m, d->name, sizeof(d->name));
	d->entry.index = ipc_get_u32(m);
	d->entry.digest = ipc_get_u64(m);
	d->kind = (enum route_kind)kind;
	d->origin = (enum origin)origin;
	if (delivery_next_get(m, d) == -1 || kind < ROUTE_MAILBOX ||
	    kind > ROUTE_PIPE || origin > ORIGIN_FORWARD ||
	    fstat(d->message, &st) == -1 || !S_ISREG(st.st_mode))
		return -1;
	/* Callers name no files and no commands. */
	return kind != ROUTE_MAILBOX && origin == ORIGIN_CALLER ? -1 : 0;
}

/* Path, text, path, text; a path that is "" goes on with the last. */
int
forward_list_get(void *ipc, const char *path, struct buf *text, int *is_loose,
    struct result *res)
{
	struct ipc m = *(const struct ipc *)ipc;
	char name[TARGET_MAX + 1];
	int found = 0;
	const char *p;
	size_t len;

	(void)is_loose;		/* checked by the child that would use it */
	while (ipc_more(&m)) {
		ipc_get_text(&m, name, sizeof(name));
		p = ipc_get_bytes(&m, &len);
		if (m.bad || (found && name[0] != '\0'))
			break;
		found |= name[0] != '\0' && strcmp(name, path) == 0;
		if (found)
			buf_add(text, p, len);
	}
	if (found)
		return 0;
	result_set(res, STATUS_DEFERRED, "4.3.0",
	    "a list that the address expands to cannot be read now");
	return result_detail(res, "list %s: not read with the file that names "
	    "it", path);
}
