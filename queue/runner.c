/*
 * runner.c - the one runner: wake, claim, hand out, settle, back off, leave.
 * Runs as: the spool user, sandboxed.  Uses: the queue, its branches.
 * Promise: exactly one by the lock; whatever is committed is tried without
 * anybody asking again; it is gone when nothing is queued.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "queue/queue.h"
#include "lib/array.h"
#include "lib/io.h"
#include "queue/runner.h"
#include "priv/sandbox.h"
#include "conf/files.h"

#define SLEEP_MAX_MS	60000	/* so that a stepped clock is noticed */
#define TROUBLE_MS	1000	/* until a scan that failed is repeated */
#define LOAD_AGAIN_S	60	/* until an unreadable message is */
#define STAY_MS		50	/* with nothing to do: the next may come soon */
#define WAKES_FEW	8	/* more at once: some may have been lost */
#define POLLS_MAX	(3 + ASKS_MAX + 2 * REQUESTS_MAX + HOPS_MAX + 8)

/* ---- the list of messages ---- */

static size_t
find_place(const struct desk *d, const char *id)
{
	size_t high = d->nitems, low = 0, mid;

	while (low < high) {
		mid = low + (high - low) / 2;
		if (strcmp(d->items[mid]->id, id) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static void
list_one(void *arg, const char *id)
{
	struct desk *d = arg;
	struct item *item;
	size_t at;

	at = find_place(d, id);
	if (at < d->nitems && strcmp(d->items[at]->id, id) == 0) {
		d->items[at]->is_listed = 1;
		return;
	}
	item = calloc(1, sizeof(*item));
	if (item == NULL || array_grow(&d->items, &d->citems, d->nitems,
	    sizeof(*d->items)) == -1) {
		free(item);
		d->must_scan = d->has_trouble = 1;
		return;
	}
	text_copy(item->id, sizeof(item->id), id);
	item->is_listed = 1;
	item->seen = d->tick;
	memmove(&d->items[at + 1], &d->items[at],
	    (d->nitems - at) * sizeof(*d->items));
	d->items[at] = item;
	d->nitems++;
	d->must_look = 1;
	if (at <= d->cursor)
		d->cursor = 0;
}

/* One octet says that all was tried; an end without it, that we died. */
static void
tell_waiter(int *fd)
{
	if (*fd != -1)
		(void)io_write_all(*fd, "", 1);
	io_close(fd);
}

static void
tried(struct desk *d, struct item *item)
{
	struct waiter *wt;
	int i;

	d->tick++;
	for (i = 0; i < WAITERS_MAX; i++) {
		wt = &d->waiters[i];
		if (wt->fd == -1 || item->seen >= wt->tick ||
		    item->tried >= wt->tick ||
		    (wt->id[0] != '\0' && strcmp(wt->id, item->id) != 0))
			continue;
		if (--wt->left > 0)
			continue;
		watcher_mend(wt);
		tell_waiter(&wt->fd);
	}
	item->tried = d->tick;
	item->is_forced = 0;
}

/* Takes off what is done, and what somebody else removed. */
static void
sweep_items(struct desk *d)
{
	size_t i, n = 0;

	for (i = 0; i < d->nitems; i++) {
		if (d->items[i]->state != ITEM_GONE) {
			d->items[n++] = d->items[i];
			continue;
		}
		free(d->items[i]);
	}
	d->nitems = n;
	d->ngone = 0;
	d->cursor = 0;
}

static void
scan(struct desk *d)
{
	size_t i;

	d->must_scan = d->has_trouble = 0;
	for (i = 0; i < d->nitems; i++)
		d->items[i]->is_listed = 0;
	if (spool_list(&d->spool, list_one, d) == -1) {
		d->must_scan = d->has_trouble = 1;
		log_say(&d->log, LOG_LEVEL_ERROR, "queue: %s",
		    strerror(errno));
		return;
	}
	if (!d->must_scan)
		d->scanned_ms = io_clock_ms();
	for (i = 0; i < d->nitems; i++)
		if (!d->items[i]->is_listed &&
		    d->items[i]->state != ITEM_ACTIVE) {
			if (d->items[i]->state == ITEM_GONE)
				continue;
			tried(d, d->items[i]);
			if (d->items[i]->hop != NULL)
				d->items[i]->hop->parked--;
			d->items[i]->hop = NULL;
			handout_unpark(d, d->items[i], NULL);
			d->items[i]->state = ITEM_GONE;
			d->ngone++;
		}
}

/* ---- root's files ---- */

/*
 * What can not be read keeps what is known, but for another file: nobody's
 * relay is known then, and mail waits.
 */
static void
reload_senders(struct desk *d)
{
	const struct report report = { log_report, &d->log };
	const char *path = d->conf.where.sender_relay;
	struct sender_relays senders;

	if (!files_changed(path == NULL ? "" : path, &d->senders_stat) &&
	    d->has_tried_senders)
		return;
	if (!d->has_tried_senders)
		d->has_senders = 0;
	d->has_tried_senders = 1;
	if (files_sender_relays(path, &senders, &report) == -1)
		return;
	sender_relay_fini(&d->senders);
	d->senders = senders;
	d->has_senders = 1;
	hops_renew(d);
}

/*
 * Read again when they changed.  The spool stays what it was: the lock that
 * makes this the only runner lies there.
 */
static void
reload(struct desk *d)
{
	const struct report report = { log_report, &d->log };
	struct aliases aliases;
	struct conf conf;
	unsigned bad;

	if (files_changed(DMA_CONFDIR "/dma.conf", &d->conf_stat) &&
	    files_conf(&conf, &report) == 0) {
		if (strcmp(conf.where.spool, d->spool.path) == 0) {
			conf_fini(&d->conf);
			d->conf = conf;
			files_log_close(&d->log);
			files_log(&d->conf.log, &d->log, "dma");
			hops_renew(d);
		} else {
			conf_fini(&conf);
		}
		d->has_tried_aliases = d->has_tried_senders = 0;
	}
	reload_senders(d);
	if (!files_changed(d->conf.where.aliases, &d->aliases_stat) &&
	    d->has_tried_aliases)
		return;
	d->has_tried_aliases = 1;
	/* What was known is better than nothing known.  A line for each bad
	 * line would be told by every runner; newaliases tells them. */
	if (files_aliases(d->conf.where.aliases, &aliases, &report_quiet,
	    &bad) == -1) {
		log_report(&d->log, d->conf.where.aliases, 0,
		    strerror(errno));
		return;
	}
	if (bad > 0)
		log_say(&d->log, LOG_LEVEL_WARNING, "%s: %u lines with errors: "
		    "run newaliases for details", d->conf.where.aliases, bad);
	aliases_fini(&d->aliases);
	d->aliases = aliases;
	d->has_aliases = 1;
}

/* ---- waking ---- */

static void
start_flush(struct desk *d, const char *id, int fd, unsigned flags,
    uint32_t uid)
{
	struct waiter *wt = NULL;
	struct item *item;
	size_t i, left = 0;
	int k;

	scan(d);
	hops_renew(d);
	d->tick++;
	for (i = 0; i < d->nitems; i++) {
		item = d->items[i];
		if (item->state == ITEM_GONE ||
		    (id[0] != '\0' && strcmp(item->id, id) != 0))
			continue;
		item->is_forced = 1;
		d->must_look = 1;
		left++;
	}
	for (k = 0; k < WAITERS_MAX && wt == NULL; k++)
		if (d->waiters[k].fd == -1)
			wt = &d->waiters[k];
	if (fd == -1 || left == 0 || wt == NULL) {
		/* Nothing to wait for, or too many wait: it returns now. */
		tell_waiter(&fd);
		return;
	}
	wt->fd = fd;
	text_copy(wt->id, sizeof(wt->id), id);
	wt->tick = d->tick;
	wt->left = left;
	wt->is_watching = (flags & RUN_WATCH) != 0;
	wt->is_cut = 0;
	wt->uid = uid;
}

/* The new one alone; the queue may be long. */
static void
got_wake(struct desk *d, const char *id)
{
	if (id[0] == '\0')
		d->must_scan = 1;
	else
		list_one(d, id);
}

static void
read_wake(struct desk *d)
{
	char id[QUEUE_ID_MAX + 1];
	uint32_t flags = 0, uid = 0;
	int fd, n;

	for (n = 0; ipc_recv(d->wake, &d->ipc, IPC_WAKE_LIMIT) == 1; n++) {
		ipc_get_text(&d->ipc, id, sizeof(id));
		fd = ipc_take_fd(&d->ipc, 0);
		if (d->ipc.kind == IPC_FLUSH) {
			flags = ipc_get_u32(&d->ipc);
			uid = ipc_get_u32(&d->ipc);
		}
		if (ipc_done(&d->ipc) == -1)
			io_close(&fd);
		else if (d->ipc.kind == IPC_FLUSH)
			start_flush(d, id, fd, flags, uid);
		else
			got_wake(d, id);
	}
	/* Senders do not wait: what the socket had no room for is lost. */
	if (n >= WAKES_FEW)
		d->must_scan = 1;
}

/* ---- what is due ---- */

/* DEFER: what is left of it goes to other hosts, and they wait for -q. */
static int
is_held(const struct desk *d, const struct item *item)
{
	return item->is_held && d->conf.retry.is_defer;
}

static int
is_ready(const struct desk *d, const struct item *item, time_t now)
{
	if (item->lane != 0)
		return item->state == ITEM_PARKED &&
		    d->lanes[item->lane - 1].in_hand < LANE_SHARE;
	if (item->state == ITEM_PARKED)
		return item->hop == NULL || hop_has_room(d, item->hop);
	if (item->state != ITEM_WAITING)
		return 0;
	return item->is_forced || (!is_held(d, item) &&
	    is_due(&d->conf, item->due, now));
}

static void
load_failed(struct desk *d, struct item *item, time_t now)
{
	tried(d, item);
	if (item->state == ITEM_GONE) {
		d->ngone++;
		return;
	}
	item->state = ITEM_WAITING;
	if (item->due <= now)
		item->due = now + LOAD_AGAIN_S;
}

/*
 * Takes due messages in hand, oldest first, while there is room.  A whole
 * round that ends with room left needs no other before look_at.
 */
static void
take_due(struct desk *d)
{
	struct item *item;
	time_t now = time(NULL), least = 0;
	int was_parked;
	size_t i;

	if (!d->must_look && (d->look_at == 0 ||
	    !is_due(&d->conf, d->look_at, now)))
		return;
	for (i = 0; i < d->nitems && d->nworks < WORKS_MAX; i++) {
		if (d->cursor >= d->nitems)
			d->cursor = 0;
		item = d->items[d->cursor++];
		if (!is_ready(d, item, now)) {
			if (item->state == ITEM_WAITING && !is_held(d, item) &&
			    (least == 0 || item->due < least))
				least = item->due;
			continue;
		}
		was_parked = item->state == ITEM_PARKED;
		if (item->hop != NULL) {
			item->hop->parked--;
			item->hop->claimed++;
			item->hop = NULL;
		}
		if (handout_load(d, item) == -1) {
			handout_unpark(d, item, NULL);
			load_failed(d, item, now);
			if (item->state == ITEM_WAITING && !is_held(d, item) &&
			    (least == 0 || item->due < least))
				least = item->due;
		} else {
			handout_unpark(d, item, item->work);
			item->work->was_parked = was_parked;
		}
	}
	d->must_look = d->nworks >= WORKS_MAX;
	d->look_at = least;
}

/* Milliseconds until something is due; -1: nothing before an event. */
static int64_t
next_due_ms(const struct desk *d)
{
	time_t now = time(NULL);

	if (d->must_look)
		return d->nworks < WORKS_MAX ? 0 : -1;
	if (d->look_at == 0)
		return -1;
	return is_due(&d->conf, d->look_at, now) ? 0 :
	    (int64_t)(d->look_at - now) * 1000;
}

/* ---- finishing ---- */

/* 1 when the work is off the desk. */
static int
finish_one(struct desk *d, struct work *w)
{
	struct item *item = w->item;

	/* A hop still speaks of it: its job points here. */
	if (w->jobs > 0 || (item->state != ITEM_GONE &&
	    (w->open > 0 || w->again_ms != 0)))
		return 0;
	if (item->state != ITEM_GONE && status_finish(d, w) == -1)
		return 0;
	if (item->hop != NULL || item->lane != 0)
		item->state = ITEM_PARKED;
	else if (item->state == ITEM_GONE || !item->is_forced ||
	    w->is_forced || !w->is_partial)
		tried(d, item);
	if (item->state == ITEM_GONE)
		d->ngone++;
	else
		d->must_look = 1;
	work_free(d, w);
	return 1;
}

static void
finish_all(struct desk *d)
{
	struct work *next, *w;

	for (w = d->works; w != NULL; w = next) {
		next = w->next;
		finish_one(d, w);
	}
	/* Rarely, since it walks the whole list. */
	if (d->ngone > 0 && (d->works == NULL || d->ngone > d->nitems / 4))
		sweep_items(d);
}

/* ---- the loop ---- */

struct polls {
	struct pollfd	 fds[POLLS_MAX];
	void		*who[POLLS_MAX];
	void		(*what[POLLS_MAX])(struct desk *, void *);
	nfds_t		 n;
};

static void
on_forward(struct desk *d, void *who)
{
	struct ask *a = who;

	if (a->state != ASK_FREE && a->channel != -1)
		handout_forward(d, a);
}

static void
on_channel(struct desk *d, void *who)
{
	struct batch *b = who;

	if (b->id != 0 && b->channel != -1)
		batch_channel(d, b);
}

static void
on_output(struct desk *d, void *who)
{
	struct batch *b = who;

	if (b->id != 0 && b->output != -1)
		batch_output(d, b);
}

static void
on_hop(struct desk *d, void *who)
{
	struct hop *h = who;

	if (h->sock != -1)
		hops_read(d, h);
}

static void
on_wake(struct desk *d, void *who)
{
	(void)who;
	read_wake(d);
}

static void
on_end(struct desk *d, void *who)
{
	(void)who;
	if (d->branches->deliver != -1)
		batch_ends(d);
}

static void
add_poll(struct polls *p, int fd, short events,
    void (*what)(struct desk *, void *), void *who)
{
	if (fd == -1 || p->n == POLLS_MAX)
		return;
	p->fds[p->n].fd = fd;
	p->fds[p->n].events = events;
	p->fds[p->n].revents = 0;
	p->what[p->n] = what;
	p->who[p->n] = who;
	p->n++;
}

static void
collect(struct desk *d, struct polls *p)
{
	struct hop *h;
	int i;

	p->n = 0;
	add_poll(p, d->wake, POLLIN, on_wake, NULL);
	/* Channels before the ends: an answer is read before its end. */
	for (i = 0; i < ASKS_MAX; i++)
		if (d->asks[i].state != ASK_FREE)
			add_poll(p, d->asks[i].channel, POLLIN, on_forward,
			    &d->asks[i]);
	for (i = 0; i < REQUESTS_MAX; i++) {
		if (d->batches[i].id == 0)
			continue;
		add_poll(p, d->batches[i].channel, POLLIN, on_channel,
		    &d->batches[i]);
		add_poll(p, d->batches[i].output, POLLIN, on_output,
		    &d->batches[i]);
	}
	add_poll(p, d->branches->deliver, POLLIN, on_end, NULL);
	for (h = d->hops; h != NULL; h = h->next)
		add_poll(p, h->sock, hop_has_output(h) ? POLLIN | POLLOUT :
		    POLLIN, on_hop, h);
}

static int
sleep_ms(struct desk *d)
{
	int64_t due, linger, ms = SLEEP_MAX_MS;
	struct work *w;

	linger = hops_linger(d);
	if (linger != -1 && linger < ms)
		ms = linger;
	linger = batch_linger(d);
	if (linger != -1 && linger < ms)
		ms = linger;
	linger = handout_late(d);
	if (linger != -1 && linger < ms)
		ms = linger;
	if (d->is_full && FULL_MS < ms)
		ms = FULL_MS;
	if (d->idle_ms != 0)
		ms = STAY_MS;
	due = next_due_ms(d);
	if (due != -1 && due < ms)
		ms = due;
	for (w = d->works; w != NULL; w = w->next)
		if (w->again_ms != 0 && w->again_ms - io_clock_ms() < ms)
			ms = w->again_ms - io_clock_ms();
	return ms < 0 ? 0 : (int)ms;
}

/* At once, unless the last one failed: then not in a circle. */
static int
scan_wait_ms(const struct desk *d)
{
	return d->has_trouble ? TROUBLE_MS : 0;
}

static void
wait_and_read(struct desk *d)
{
	struct polls p;
	nfds_t i;
	int ms;

	/* First what may close hops, then what looks at them. */
	ms = sleep_ms(d);
	if (d->must_scan && ms > scan_wait_ms(d))
		ms = scan_wait_ms(d);
	collect(d, &p);
	if (poll(p.fds, p.n, ms) <= 0)
		return;
	for (i = 0; i < p.n; i++)
		if ((p.fds[i].revents & ~POLLOUT) != 0)
			p.what[i](d, p.who[i]);
}

static void
open_ears(struct desk *d)
{
	io_close(&d->wake);
	d->wake = spool_wake_open(&d->spool);
	d->wake_ino = spool_wake_ino(&d->spool);
	if (d->wake == -1)
		log_say(&d->log, LOG_LEVEL_WARNING, "cannot create the wake "
		    "socket: %s; scanning the queue once a minute",
		    strerror(errno));
}

/* Nothing left that time or an answer could bring. */
static int
is_idle(const struct desk *d)
{
	if (d->works != NULL || d->hops != NULL || d->must_scan ||
	    d->must_look)
		return 0;
	return d->nitems == 0 || d->is_crippled ||
	    (d->conf.retry.is_defer && d->look_at == 0);
}

struct look {
	const struct desk *d;
	int		 is_new;	/* there is one that is not listed */
};

static void
look_at_one(void *arg, const char *id)
{
	struct look *look = arg;
	const struct desk *d = look->d;
	size_t at = find_place(d, id);

	if (at == d->nitems || strcmp(d->items[at]->id, id) != 0)
		look->is_new = 1;
}

/*
 * Leaving: first the lock goes, then the queue is looked at once more.  A
 * submission that found the lock held committed before that look.  1: stay.
 * Their number would not tell: one that is listed may have been removed.
 */
static int
is_needed(struct desk *d)
{
	struct look look = { d, 0 };

	spool_unlock(&d->branches->lock);
	if (d->is_crippled ||
	    spool_list(&d->spool, look_at_one, &look) == -1 || !look.is_new)
		return 0;
	d->branches->lock = spool_lock(&d->spool);
	if (d->branches->lock == -1)
		return 0;
	open_ears(d);
	d->must_scan = 1;
	return 1;
}

/*
 * Once a minute the queue is looked at in any case, and the way in for
 * wake-ups is made anew where somebody removed it.
 */
static void
listen_again(struct desk *d)
{
	if (io_clock_ms() - d->scanned_ms < SLEEP_MAX_MS)
		return;
	d->must_scan = d->must_look = 1;
	if (!d->has_aliases)
		d->has_tried_aliases = 0;
	if (d->wake == -1 || spool_wake_ino(&d->spool) != d->wake_ino)
		open_ears(d);
}

/* Nothing to do, and nothing came for a moment. */
static int
is_over(struct desk *d)
{
	int64_t now = io_clock_ms();

	if (!is_idle(d)) {
		d->idle_ms = 0;
		return 0;
	}
	if (d->idle_ms == 0)
		d->idle_ms = now;
	return d->is_crippled || now - d->idle_ms >= STAY_MS;
}

static void
run(struct desk *d)
{
	for (;;) {
		if (d->must_scan || next_due_ms(d) == 0)
			reload(d);
		listen_again(d);
		if (d->must_scan)
			scan(d);
		take_due(d);
		handout_all(d);
		status_record(d);
		batch_go(d);
		finish_all(d);
		hops_linger(d);
		if (is_over(d) && !is_needed(d))
			return;
		wait_and_read(d);
	}
}

static int
open_desk(struct desk *d)
{
	struct result res;
	int i;

	d->wake = -1;
	for (i = 0; i < WAITERS_MAX; i++)
		d->waiters[i].fd = -1;
	log_init(&d->log, "dma");
	ipc_init(&d->ipc);
	files_changed(DMA_CONFDIR "/dma.conf", &d->conf_stat);
	if (files_conf_log(&d->conf, &d->log, "dma") == -1) {
		log_say(&d->log, LOG_LEVEL_ERROR, "dma.conf: %s: mail is "
		    "deferred",
		    strerror(errno));
		return EX_CONFIG;
	}
	result_init(&res);
	if (spool_open(&d->spool, d->conf.where.spool, &res) == -1) {
		log_say(&d->log, LOG_LEVEL_ERROR, "%s", res.reason == NULL ?
		    "" : res.reason);
		result_fini(&res);
		return EX_CANTCREAT;
	}
	/* A branch that is full must not stop what does not need it. */
	if (io_nonblock(d->branches->forward) == -1 ||
	    io_nonblock(d->branches->deliver) == -1) {
		log_say(&d->log, LOG_LEVEL_ERROR, "helpers: %s",
		    strerror(errno));
		return EX_OSERR;
	}
	if (sandbox_runner(&d->conf) == -1) {
		log_say(&d->log, LOG_LEVEL_ERROR, "sandbox: %s",
		    strerror(errno));
		return EX_OSERR;
	}
	open_ears(d);
	return 0;
}

int
runner_main(struct helpers *branches)
{
	static struct desk d;
	int status;

	d.branches = branches;
	status = open_desk(&d);
	if (status != 0)
		return status;
	spool_sweep(&d.spool);
	d.must_scan = 1;
	if (branches->flags & RUN_FLUSH) {
		start_flush(&d, branches->id, branches->done, branches->flags,
		    branches->caller);
		branches->done = -1;
	}
	run(&d);
	return 0;
}
