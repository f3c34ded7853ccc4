/*
 * deliver_remote.c - the runner's side of the remote branches.
 * Runs as: the spool user.  Uses: the sockets of the dma-remote processes.
 * Promise: whatever a remote process says or fails to say, each recipient
 * that it had is settled once.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "queue/queue.h"
#include "conf/local_names.h"
#include "lib/addr.h"
#include "lib/io.h"
#include "queue/route.h"

#define RECORD_ROOM	(IPC_REMOTE_LIMIT - 2048)	/* octets to fill */
#define HOP_WAITING_MAX	(2 * HOP_JOBS_MAX)	/* beyond: parked */
#define DOMAIN_MAX	255	/* RFC 1035 2.3.4 */
#define RECORDS_MAX	64	/* of one process in a turn */
#define SAID_MAX	2048	/* octets of a line of the dialogue */
#define HOP_WAITING_FEW	16	/* the same when the desk is half full */

/* ---- hops ---- */

/* One next hop must not fill the desk for all others. */
static unsigned
hop_share(const struct desk *d)
{
	return d->nworks > WORKS_MAX / 2 ? HOP_WAITING_FEW : HOP_WAITING_MAX;
}

/* Where what a message has for other hosts goes. */
struct way {
	enum destination_kind	 kind;
	const char	*name;		/* lent; NULL: the recipient's domain */
	const char	*user;		/* lent: of auth.conf, or "" */
	const char	*trouble;	/* lent: why there is none now */
};

static int
is_hop(const struct hop *h, const struct way *way, const char *name)
{
	return h->kind == way->kind && strcasecmp(h->name, name) == 0 &&
	    strcmp(h->user, way->user) == 0;
}

static struct hop *
find_hop(struct desk *d, const struct way *way, const char *name)
{
	struct hop *h;

	for (h = d->hops; h != NULL; h = h->next)
		if (is_hop(h, way, name))
			return h;
	h = calloc(1, sizeof(*h));
	if (h == NULL || text_copy(h->name, sizeof(h->name), name) == -1 ||
	    text_copy(h->user, sizeof(h->user), way->user) == -1) {
		free(h);
		return NULL;
	}
	h->kind = way->kind;
	h->sock = -1;
	h->tail = &h->jobs;
	h->idle_ms = io_clock_ms();
	h->next = d->hops;
	d->hops = h;
	return h;
}

static unsigned
count_processes(const struct desk *d)
{
	const struct hop *h;
	unsigned n = 0;

	for (h = d->hops; h != NULL; h = h->next)
		n += h->sock != -1;
	return n;
}

/* The parked messages of a hop that goes are due. */
static void
unpark(struct desk *d, struct hop *h)
{
	size_t i;

	if (h->parked == 0)
		return;
	for (i = 0; i < d->nitems; i++)
		if (d->items[i]->hop == h)
			d->items[i]->hop = NULL;
	h->parked = 0;
	d->must_look = 1;
}

static void
free_hop(struct desk *d, struct hop *h)
{
	struct hop **p;

	unpark(d, h);
	io_close(&h->sock);
	for (p = &d->hops; *p != h; p = &(*p)->next)
		;
	*p = h->next;
	free(h);
}

static int
open_hop(struct desk *d, struct hop *h)
{
	struct hop *other;

	if (count_processes(d) >= HOPS_MAX) {
		/* One that only lingers makes place. */
		for (other = d->hops; other != NULL; other = other->next)
			if (other->sock != -1 && other->njobs == 0)
				break;
		if (other == NULL)
			return 1;
		io_close(&other->sock);
	}
	h->had_trouble = 0;
	h->reason[0] = '\0';
	h->sock = request_remote();
	if (h->sock == -1) {
		log_say(&d->log, LOG_LEVEL_ERROR, "cannot start dma-remote: %s",
		    strerror(errno));
		return -1;
	}
	ipc_begin(&d->ipc, IPC_REMOTE_DESTINATION, 0);
	ipc_put_u32(&d->ipc, h->kind);
	ipc_put_str(&d->ipc, h->name);
	ipc_put_str(&d->ipc, h->user);
	return ipc_send(h->sock, &d->ipc);
}

/* ---- jobs ---- */

static void
remove_job(struct desk *d, struct hop *h, struct job *j)
{
	struct job **p;

	for (p = &h->jobs; *p != j; p = &(*p)->next)
		;
	*p = j->next;
	if (h->tail == &j->next)
		h->tail = p;
	h->njobs--;
	if (h->njobs == 0)
		h->idle_ms = io_clock_ms();
	if (h->njobs == 0 && h->had_trouble)
		io_close(&h->sock);
	if (h->parked > 0 && hop_has_room(d, h))
		d->must_look = 1;
	j->work->jobs--;
	free(j->rcpts);
	free(j);
}

static void
fail_job(struct desk *d, struct hop *h, struct job *j, const char *reason)
{
	uint32_t k;

	for (k = 0; k < j->n; k++)
		if (j->work->attempts[j->rcpts[k]].stage == STAGE_BUSY)
			decide_as(j->work, j->rcpts[k], STATUS_DEFERRED,
			    "4.3.0", reason);
	remove_job(d, h, j);
}

static void
fail_hop(struct desk *d, struct hop *h, const char *reason)
{
	io_close(&h->sock);
	if (h->jobs != NULL)
		log_say(&d->log, LOG_LEVEL_WARNING, "relay=%s %s",
		    h->kind == DESTINATION_SMARTHOST ? "smarthost" : h->name,
		    reason);
	while (h->jobs != NULL)
		fail_job(d, h, h->jobs, reason);
	unpark(d, h);
}

/*
 * The line of SENDER_RELAY for a message; NULL and perhaps why it can not be
 * known.  Its login is that of who submitted it, whatever sender they gave.
 */
static const struct sender_relay *
sender_of(struct desk *d, const struct message *m, const char **reason)
{
	const struct passwd *pw = NULL;

	*reason = NULL;
	if (d->conf.where.sender_relay == NULL)
		return NULL;
	if (!d->has_senders) {
		*reason = "the file of SENDER_RELAY cannot be read";
		return NULL;
	}
	if (d->senders.has_logins) {
		errno = 0;
		pw = getpwuid(m->submitter);
		if (pw == NULL && errno != 0 && errno != ENOENT &&
		    errno != ESRCH) {
			*reason = "the submitter cannot be looked up to select "
			    "a relay";
			return NULL;
		}
	}
	return sender_relay_find(&d->senders, m->sender, pw == NULL ? NULL :
	    pw->pw_name);
}

static void
way_of(struct desk *d, const struct message *m, struct way *way)
{
	const struct conf *conf = &d->conf;
	const struct sender_relay *s;

	memset(way, 0, sizeof(*way));
	way->name = way->user = "";
	s = sender_of(d, m, &way->trouble);
	if (s != NULL) {
		way->kind = DESTINATION_SENDER;
		way->name = s->relays;
		way->user = s->user == NULL ? "" : s->user;
		way->trouble = s->trouble == NULL ? NULL : "the SENDER_RELAY "
		    "entry of this sender is invalid";
	} else if (conf->relays.n == 0) {
		way->kind = DESTINATION_DOMAIN;
		way->name = NULL;
	} else if (way->trouble == NULL && conf->relays.n == 1 &&
	    strcmp(conf->relays.list[0].host, RELAY_NONE) == 0)
		way->trouble = "SMARTHOST in dma.conf is missing or invalid";
}

/* NULL: the recipient has none that can be looked up. */
static const char *
name_of(const struct way *way, const char *address)
{
	const char *domain;

	if (way->name != NULL)
		return way->name;
	domain = addr_domain(address);
	return domain != NULL && strlen(domain) > DOMAIN_MAX ? NULL : domain;
}

static int
in_hop(const struct hop *h, const struct way *way, const char *address)
{
	const char *name = name_of(way, address);

	return name != NULL && is_hop(h, way, name);
}

static struct hop *
hop_of(struct desk *d, const struct way *way, const char *address)
{
	const char *name = name_of(way, address);

	return name == NULL ? NULL : find_hop(d, way, name);
}

/*
 * A hop with more than it can take for now does not fill the desk: the
 * message goes back to the queue, for this time.
 */
static void
park(struct desk *d, struct work *w, struct hop *h)
{
	uint32_t i;

	for (i = 0; i < w->nattempts; i++)
		if (w->attempts[i].stage == STAGE_REMOTE) {
			w->attempts[i].stage = STAGE_NONE;
			w->open--;
		}
	w->item->hop = h;
	h->parked++;
	(void)d;
}

static void
add_job(struct desk *d, struct work *w, const struct way *way, struct hop *h)
{
	struct job *j;
	uint32_t i;

	j = calloc(1, sizeof(*j));
	if (j != NULL)
		j->rcpts = calloc(w->nattempts, sizeof(*j->rcpts));
	if (j == NULL || j->rcpts == NULL) {
		free(j);
		j = NULL;
	}
	for (i = 0; i < w->nattempts; i++) {
		if (w->attempts[i].stage != STAGE_REMOTE ||
		    !in_hop(h, way, w->m.rcpts[i].address))
			continue;
		w->attempts[i].stage = STAGE_BUSY;
		if (j != NULL)
			j->rcpts[j->n++] = i;
		else
			decide_as(w, i, STATUS_DEFERRED, "4.3.0",
			    "out of memory");
	}
	if (j == NULL)
		return;
	j->left = j->n;
	j->work = w;
	w->jobs++;
	if (++d->last_id == 0)
		++d->last_id;
	j->id = d->last_id;
	*h->tail = j;
	h->tail = &j->next;
	h->njobs++;
}

/* With what put_rcpt() adds it would be no address any more. */
static int
is_too_long(const struct desk *d, const char *address)
{
	size_t n = strlen(address);

	if (addr_domain(address) == NULL)
		n += 1 + strlen(d->conf.names.mailname);
	return n > ADDRESS_MAX;
}

/* Many hosts must not fill the desk while they wait for a process each. */
static int
is_crowded(const struct desk *d)
{
	const struct hop *h;
	unsigned n = 0;

	for (h = d->hops; h != NULL; h = h->next)
		n += h->njobs > 0;
	return n >= HOPS_MAX && d->nworks > WORKS_MAX / 2;
}

void
hops_give(struct desk *d, struct work *w)
{
	struct hop *h = NULL;
	struct way way;
	uint32_t i;

	way_of(d, &w->m, &way);
	for (i = 0; i < w->nattempts; i++) {
		if (w->attempts[i].stage != STAGE_REMOTE)
			continue;
		if (way.trouble == NULL)
			h = hop_of(d, &way, w->m.rcpts[i].address);
		if (way.trouble != NULL)
			decide_as(w, i, STATUS_DEFERRED, "4.3.5",
			    way.trouble);
		else if (h == NULL)
			decide_as(w, i, STATUS_DEFERRED, "4.3.5",
			    "there is no SMARTHOST for this address");
		else if (is_too_long(d, w->m.rcpts[i].address))
			decide_as(w, i, STATUS_FAILED, "5.1.3",
			    "the address is too long");
		else if (h->njobs == 0 && is_crowded(d))
			put_back(w, i);
		else if (h->njobs >= (w->was_parked ? HOP_WAITING_MAX :
		    hop_share(d))) {
			park(d, w, h);
			return;
		} else
			add_job(d, w, &way, h);
	}
}

/* ---- to the remote process ---- */

/* 1 sent, 0 the socket is full for now, -1 it is gone. */
static int
send_record(struct hop *h, struct ipc *m)
{
	if (ipc_send(h->sock, m) == 0)
		return 1;
	/* The last two: too many descriptors are on their way. */
	return errno == EAGAIN || errno == ENOBUFS || errno == ENOMEM ||
	    errno == ETOOMANYREFS ? 0 : -1;
}

/* As send_record(); 2: this message can not be read, others can. */
static int
send_head(struct desk *d, struct hop *h, struct job *j)
{
	const struct message *m = &j->work->m;
	int file, ret;

	file = openat(d->spool.queue, m->id, O_RDONLY | O_CLOEXEC |
	    O_NOFOLLOW);
	if (file == -1)
		return 2;
	ipc_begin(&d->ipc, IPC_REMOTE_MESSAGE, j->id);
	ipc_put_str(&d->ipc, m->id);
	ipc_put_str(&d->ipc, m->sender);
	ipc_put_u32(&d->ipc, m->flags);
	ipc_put_u64(&d->ipc, (uint64_t)m->offset);
	ipc_put_u64(&d->ipc, (uint64_t)m->length);
	ipc_put_u64(&d->ipc, (uint64_t)m->lines);
	ipc_put_u32(&d->ipc, j->n);
	ipc_put_u32(&d->ipc, m->ret);
	ipc_put_str(&d->ipc, m->envid);
	j->is_watched = watchers_of(d, j->work) != 0;
	ipc_put_u32(&d->ipc, j->is_watched != 0);
	ipc_put_fd(&d->ipc, file);
	ret = send_record(h, &d->ipc);
	ipc_begin(&d->ipc, 0, 0);
	close(file);
	return ret;
}

/* What comes of a report is told to nobody (RFC 3461 6.1). */
static void
put_rcpt(struct desk *d, const struct message *m, uint32_t i)
{
	struct buf address, orcpt;

	buf_init(&address, ADDRESS_MAX);
	buf_init(&orcpt, ORCPT_MAX);
	names_put_qualified(&address, &d->conf.names, m->rcpts[i].address);
	route_put_orcpt(&orcpt, &d->conf, m, i);
	ipc_put_str(&d->ipc, buf_str(&address));
	ipc_put_u32(&d->ipc, m->sender[0] == '\0' ? NOTIFY_NEVER :
	    m->rcpts[i].notify);
	ipc_put_str(&d->ipc, buf_failed(&orcpt) ? "" : buf_str(&orcpt));
	buf_fini(&address);
	buf_fini(&orcpt);
}

static int
send_rcpts(struct desk *d, struct hop *h, struct job *j)
{
	uint32_t k;
	int ret;

	while (j->sent < j->n) {
		ipc_begin(&d->ipc, IPC_REMOTE_RECIPIENTS, j->id);
		for (k = j->sent; k < j->n && d->ipc.len < RECORD_ROOM; k++) {
			ipc_put_u32(&d->ipc, k);
			put_rcpt(d, &j->work->m, j->rcpts[k]);
		}
		ret = send_record(h, &d->ipc);
		if (ret != 1)
			return ret;
		j->sent = k;
	}
	return 1;
}

static int
send_jobs(struct desk *d, struct hop *h)
{
	struct job *j, *next;
	unsigned n = 0;
	int ret;

	for (j = h->jobs; j != NULL && n < HOP_JOBS_MAX; j = next, n++) {
		next = j->next;
		if (!j->is_told) {
			ret = send_head(d, h, j);
			if (ret == 2) {
				fail_job(d, h, j, "cannot open the queue file");
				continue;
			}
			if (ret != 1)
				return ret;
			j->is_told = 1;
		}
		ret = send_rcpts(d, h, j);
		if (ret != 1)
			return ret;
	}
	return 1;
}

/* It ended before it took anything: its last words say why. */
static void
read_last_words(struct desk *d, struct hop *h)
{
	if (h->sock == -1 || ipc_recv(h->sock, &d->ipc,
	    IPC_REMOTE_LIMIT) != 1 || d->ipc.kind != IPC_REMOTE_TROUBLE)
		return;
	ipc_get_text(&d->ipc, h->reason, sizeof(h->reason));
}

void
hops_send(struct desk *d)
{
	struct hop *h, *next;
	int ret;

	for (h = d->hops; h != NULL; h = next) {
		next = h->next;
		h->claimed = 0;
		if (h->njobs == 0)
			continue;
		ret = h->sock == -1 ? open_hop(d, h) : 0;
		if (ret == 0)
			ret = send_jobs(d, h);
		if (ret != -1)
			continue;
		read_last_words(d, h);
		fail_hop(d, h, h->reason[0] != '\0' ? h->reason :
		    "dma-remote cannot be reached");
	}
}

int
hop_has_output(const struct hop *h)
{
	const struct job *j;
	unsigned n = 0;

	if (h->sock == -1)
		return 0;
	for (j = h->jobs; j != NULL && n < HOP_JOBS_MAX; j = j->next, n++)
		if (j->sent < j->n)
			return 1;
	return 0;
}

/* Below what hops_give() takes, so that nobody is fetched in vain. */
int
hop_has_room(const struct desk *d, const struct hop *h)
{
	return h->njobs + h->claimed < hop_share(d) / 2;
}

/* ---- from the remote process ---- */

static struct job *
find_job(struct hop *h, uint32_t id)
{
	struct job *j;

	for (j = h->jobs; j != NULL; j = j->next)
		if (j->id == id && j->is_told)
			return j;
	return NULL;
}

static int
take_fates(struct desk *d, struct hop *h, struct job *j)
{
	uint32_t index, passed_on, rcpt;
	struct result res;
	char host[300];

	result_init(&res);
	while (ipc_more(&d->ipc)) {
		index = ipc_get_u32(&d->ipc);
		if (result_get(&d->ipc, &res) == -1)
			break;
		ipc_get_text(&d->ipc, host, sizeof(host));
		passed_on = ipc_get_u32(&d->ipc);
		if (d->ipc.bad || index >= j->n || passed_on > 1)
			break;
		rcpt = j->rcpts[index];
		if (j->work->attempts[rcpt].stage != STAGE_BUSY)
			break;		/* told twice */
		if (res.status == STATUS_DEFERRED)
			h->had_trouble = 1;
		if (res.source == SOURCE_SERVER)
			result_from_server(&res, host);
		decide_remote(j->work, rcpt, &res, host, passed_on != 0);
		j->left--;
	}
	result_fini(&res);
	return ipc_done(&d->ipc);
}

static int
take_end(struct desk *d, struct hop *h, struct job *j)
{
	uint32_t left;

	left = ipc_get_u32(&d->ipc);
	if (ipc_done(&d->ipc) == -1 || left != j->left)
		return -1;
	if (left == 0)
		remove_job(d, h, j);
	return 0;
}

/* A line of the session is for all who watch something of this hop. */
static int
take_said(struct desk *d, struct hop *h)
{
	char line[SAID_MAX + 1];
	uint32_t id = d->ipc.id;
	unsigned set = 0;
	struct job *j;

	ipc_get_text(&d->ipc, line, sizeof(line));
	if (ipc_done(&d->ipc) == -1)
		return -1;
	for (j = h->jobs; j != NULL; j = j->next)
		if (j->is_watched && (id == 0 || j->id == id))
			set |= watchers_of(d, j->work);
	watchers_tell(d, set, line);
	return 0;
}

/* 0 when nothing more is there to be read. */
static int
read_one(struct desk *d, struct hop *h)
{
	struct job *j;
	int n, ok = 0;

	n = ipc_recv(h->sock, &d->ipc, IPC_REMOTE_LIMIT);
	if (n == -1 && errno == EAGAIN)
		return 0;
	if (n == 1 && d->ipc.kind == IPC_REMOTE_TROUBLE) {
		ipc_get_text(&d->ipc, h->reason, sizeof(h->reason));
		return 1;
	}
	j = n == 1 ? find_job(h, d->ipc.id) : NULL;
	if (j != NULL && d->ipc.kind == IPC_REMOTE_STATUS)
		ok = take_fates(d, h, j) == 0;
	else if (j != NULL && d->ipc.kind == IPC_REMOTE_RECORD)
		ok = take_end(d, h, j) == 0;
	else if (n == 1 && d->ipc.kind == IPC_REMOTE_DIALOGUE)
		ok = take_said(d, h) == 0;
	if (ok)
		return 1;
	if (n != 0)
		log_say(&d->log, LOG_LEVEL_WARNING, "dma-remote for %s: "
		    "invalid message (type %" PRIu32 "): process ends", h->name,
		    d->ipc.kind);
	fail_hop(d, h, h->reason[0] != '\0' ? h->reason :
	    "dma-remote exited before delivery was complete");
	return 0;
}

/* Statuses that come together are recorded together. */
void
hops_read(struct desk *d, struct hop *h)
{
	int n;

	for (n = 0; n < RECORDS_MAX && read_one(d, h); n++)
		;
}

void
hops_renew(struct desk *d)
{
	struct hop *h;

	for (h = d->hops; h != NULL; h = h->next) {
		h->had_trouble = 1;
		if (h->njobs == 0)
			io_close(&h->sock);
	}
}

int64_t
hops_linger(struct desk *d)
{
	int64_t least = -1, left, now;
	struct hop *h, *next;

	now = io_clock_ms();
	for (h = d->hops; h != NULL; h = next) {
		next = h->next;
		if (h->njobs > 0 || h->parked > 0)
			continue;
		left = h->sock == -1 ? 0 : h->idle_ms + HOP_LINGER_MS - now;
		if (left <= 0)
			free_hop(d, h);
		else if (least == -1 || left < least)
			least = left;
	}
	return least;
}
