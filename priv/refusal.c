/*
 * refusal.c - why a root helper does nothing, in words.
 * Runs as: the spool user, in a child of a helper.  Uses: the channel, the
 * log.
 * Promise: no request is refused for good but for what its sender can know.
 */
#include "lib/ipc.h"
#include "lib/result.h"
#include "priv/records.h"
#include "priv/refusal.h"

static const struct refusal_words {
	enum forward_verdict verdict;
	const char	*forward;
	enum status	 status;
	const char	*code;
	const char	*delivery;
} words[] = {
	[REFUSAL_LOOKUP] = { FORWARD_LATER, "user lookup failed",
	    STATUS_DEFERRED, "4.3.0", "user lookup failed" },
	[REFUSAL_NO_USER] = { FORWARD_NOUSER, "",
	    STATUS_FAILED, "5.1.1", "no such user" },
	[REFUSAL_NO_ALIAS_USER] = { FORWARD_LATER,
	    "ALIAS_USER in dma.conf: no such user", STATUS_DEFERRED, "4.3.5",
	    "ALIAS_USER in dma.conf: no such user" },
	[REFUSAL_NOT_HERE] = { FORWARD_LATER,
	    "lists are not read as root: change ALIAS_USER in dma.conf",
	    STATUS_FAILED, "5.7.1",
	    "commands and files are refused for this user" },
};

int
refusal_report(const struct delivery *d, enum refusal refusal,
    const struct log *log)
{
	const struct refusal_words *w = &words[refusal];
	struct result res;
	struct ipc m;
	int ret;

	if (refusal == REFUSAL_NOT_HERE && d->kind != ROUTE_UNKNOWN)
		log_say(log, LOG_LEVEL_WARNING, "deliver: id=%s user=%s "
		    "refused: commands and files are not available to this "
		    "user",
		    d->queue_id, d->user->name);
	ipc_init(&m);
	if (d->kind == ROUTE_UNKNOWN) {
		ipc_begin(&m, IPC_FORWARD_REPLY, 0);
		ipc_put_u32(&m, w->verdict);
		ipc_put_str(&m, w->forward);
	} else {
		ipc_begin(&m, IPC_DELIVER_RESULT, d->id);
		result_init(&res);
		result_set(&res, w->status, w->code, "%s", w->delivery);
		result_put(&m, &res);
		result_fini(&res);
	}
	ret = ipc_send(d->channel, &m);
	ipc_fini(&m);
	return ret == 0 ? 0 : 1;
}
