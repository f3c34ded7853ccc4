/*
 * consumer.c - takes messages from a queue of RabbitMQ into sendmail.
 * Runs as: who started dma-smtpd-drain.
 * Uses: the brokers; sendmail.
 * Promise: a message is acknowledged only after sendmail has taken it, or the
 * queue of dead messages has confirmed it.  Whatever ends before that, broker,
 * host or process, the broker gives the message out again: at least once.
 */
#include <sys/wait.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "compat/compat.h"
#include "lib/io.h"
#include "lib/sendmail_call.h"
#include "smtpd/consume/consumer.h"
#include "smtpd/consume/declare.h"
#include "smtpd/consume/work.h"
#include "smtpd/modules/broker_link.h"
#include "smtpd/modules/broker_window.h"
#include "smtpd/modules/rabbitmq.h"

#define PREFETCH_JOBS	4	/* messages per job: some may be held */
#define HOLD_MS		30000	/* before sendmail is tried again */
/*
 * Tries before a message goes back into the queue: brokers count how often they
 * give a message out, and some of them take it away after 20 times.
 */
#define TRIES_MAX	10
#define TURN_MS		250	/* what no descriptor tells is looked after */
#define PAUSE_FIRST_MS	500	/* before brokers are tried again; doubled */
#define PAUSE_MAX_MS	30000

enum content { CONTENT_NONE, CONTENT_DELIVERY, CONTENT_RETURN };

struct consumer {
	const struct consumer_setup *setup;	/* lent */
	amqp_connection_state_t link;
	struct work	*works;		/* owned: all */
	unsigned	 nworks, nrunning, nheld;
	struct broker_window buried;	/* works that wait for a confirm */
	enum content	 content;	/* what is arriving */
	struct work	*arriving;
	char		 routing_key[BROKER_NAME_MAX + 1];
	int		 signals[3];	/* SIGCHLD, SIGTERM, SIGINT; or -1 */
	int		 is_ending;
	int64_t		 pause_ms;
	unsigned	 nempty;	/* times the queue was found so */
	int		 status;	/* of the exit, so far */
};

static void
warn(const struct consumer *c, const struct work *w, const char *what,
    const char *reason)
{
	log_say(c->setup->log, LOG_LEVEL_WARNING, "queue=%s message=\"%s\" "
	    "%s: %s", c->setup->queue, w->name, what, reason);
}

/* ---- works ---- */

static void
forget(struct consumer *c, struct work *w)
{
	struct work **p;

	for (p = &c->works; *p != w; p = &(*p)->next)
		;
	*p = w->next;
	c->nworks--;
	c->nheld -= w->state == WORK_HELD;
	work_free(w);
}

/* The broker is told; an error is noticed by the next read. */
static void
acknowledge(struct consumer *c, struct work *w)
{
	if (!w->is_void)
		(void)amqp_basic_ack(c->link, BROKER_CHANNEL, w->tag, 0);
	forget(c, w);
}

static void
give_back(struct consumer *c, struct work *w)
{
	(void)amqp_basic_nack(c->link, BROKER_CHANNEL, w->tag, 0, 1);
	forget(c, w);
}

static void
hold(struct consumer *c, struct work *w, const char *reason)
{
	warn(c, w, "stays in the queue", reason);
	w->state = WORK_HELD;
	c->nheld++;
	w->until_ms = io_clock_ms() + HOLD_MS;
	c->status = EX_TEMPFAIL;
}

/* ---- messages that are no mail ---- */

static int
publish_dead(struct consumer *c, struct work *w, amqp_bytes_t body)
{
	amqp_basic_properties_t p = { ._flags = AMQP_BASIC_HEADERS_FLAG |
	    AMQP_BASIC_DELIVERY_MODE_FLAG, .headers = w->headers,
	    .delivery_mode = AMQP_DELIVERY_PERSISTENT };

	(void)broker_window_put(&c->buried, w);
	return amqp_basic_publish(c->link, BROKER_CHANNEL, amqp_empty_bytes,
	    amqp_cstring_bytes(c->setup->dead), 1, 0, &p, body);
}

/* It leaves the queue when the other one has confirmed it. */
static void
bury(struct consumer *c, struct work *w, const char *reason)
{
	amqp_bytes_t body = { (size_t)w->bytes, NULL };

	if (w->is_void) {
		forget(c, w);
		return;
	}
	body.bytes = malloc(body.len + 1);
	if (broker_window_is_full(&c->buried) || body.bytes == NULL ||
	    io_pread_all(w->fd, body.bytes, body.len, 0) == -1) {
		hold(c, w, reason);
	} else {
		warn(c, w, c->setup->dead, reason);
		w->state = WORK_BURIED;
		(void)publish_dead(c, w, body);
	}
	free(body.bytes);
}

static void
take_confirm(struct consumer *c, uint64_t tag, int is_multiple, int is_good)
{
	struct work *w;

	for (;;) {
		w = is_multiple ? broker_window_take_oldest(&c->buried,
		    tag == 0 ? UINT64_MAX : tag) :
		    broker_window_take(&c->buried, tag);
		if (w == NULL)
			return;
		if (w->state == WORK_BURIED && is_good)
			acknowledge(c, w);
		else
			hold(c, w, "the queue of dead messages refuses it");
		if (!is_multiple)
			return;
	}
}

/* No such queue: what was sent there stays, all of it. */
static void
take_return(struct consumer *c)
{
	uint64_t tag;
	struct work *w;

	for (tag = c->buried.first; tag < c->buried.next; tag++) {
		w = broker_window_at(&c->buried, tag);
		if (w != NULL)
			w->state = WORK_RETURNED;
	}
}

/* ---- sendmail ---- */

static void
start_some(struct consumer *c)
{
	struct work *w, *next;

	for (w = c->works; w != NULL && c->nrunning < c->setup->jobs;
	    w = next) {
		next = w->next;
		if (w->state != WORK_WAITING || c->is_ending)
			continue;
		if (w->problem != NULL)
			bury(c, w, w->problem);
		else if (work_start(w, c->setup->sendmail) == -1)
			hold(c, w, strerror(errno));
		else
			c->nrunning++;
	}
}

static void
take_exit(struct consumer *c, struct work *w, int status)
{
	char text[64];

	c->nrunning--;
	snprintf(text, sizeof(text), "sendmail: %s %d",
	    WIFEXITED(status) ? "status" : "signal",
	    WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
	if (status == 0)
		acknowledge(c, w);
	else if (w->is_void)
		forget(c, w);
	else if (WIFEXITED(status) &&
	    sendmail_call_is_permanent(WEXITSTATUS(status)))
		bury(c, w, text);
	else
		hold(c, w, text);
}

static void
reap(struct consumer *c)
{
	struct work *w;
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		for (w = c->works; w != NULL; w = w->next)
			if (w->state == WORK_RUNNING && w->pid == pid)
				break;
		if (w != NULL)
			take_exit(c, w, status);
	}
}

static void
release_held(struct consumer *c)
{
	int64_t now_ms = io_clock_ms();
	struct work *w, *next;

	for (w = c->works; w != NULL; w = next) {
		next = w->next;
		if (w->state != WORK_HELD || w->until_ms > now_ms)
			continue;
		if (++w->tries >= TRIES_MAX) {
			give_back(c, w);
			continue;
		}
		w->state = WORK_WAITING;
		c->nheld--;
	}
}

/* ---- what arrives ---- */

static int
begin_delivery(struct consumer *c, const amqp_basic_deliver_t *d)
{
	struct work *w, **last;

	w = work_new(d->delivery_tag, c->setup->settings->directory);
	if (w == NULL)
		return -1;
	snprintf(c->routing_key, sizeof(c->routing_key), "%.*s",
	    (int)d->routing_key.len, (const char *)d->routing_key.bytes);
	for (last = &c->works; *last != NULL; last = &(*last)->next)
		;
	*last = w;	/* the oldest is first */
	c->nworks++;
	c->arriving = w;
	c->content = CONTENT_DELIVERY;
	return 0;
}

/* 0, or -1 with the reason when the connection is of no use. */
static int
take_method(struct consumer *c, const amqp_method_t *m, char *reason,
    size_t size)
{
	const amqp_basic_ack_t *ack = m->decoded;
	const amqp_basic_nack_t *nack = m->decoded;

	c->content = CONTENT_NONE;
	switch (m->id) {
	case AMQP_BASIC_DELIVER_METHOD:
		if (begin_delivery(c, m->decoded) == 0)
			return 0;
		snprintf(reason, size, "cannot write a temporary file: %s",
		    strerror(errno));
		return -1;
	case AMQP_BASIC_ACK_METHOD:
		take_confirm(c, ack->delivery_tag, ack->multiple, 1);
		return 0;
	case AMQP_BASIC_NACK_METHOD:
		take_confirm(c, nack->delivery_tag, nack->multiple, 0);
		return 0;
	case AMQP_BASIC_RETURN_METHOD:
		c->content = CONTENT_RETURN;
		take_return(c);
		return 0;
	case AMQP_BASIC_CANCEL_METHOD:
		snprintf(reason, size, "the queue was deleted or moved");
		return -1;
	default:
		broker_link_describe(m, reason, size);
		return -1;
	}
}

static int
take_content(struct consumer *c, const amqp_frame_t *f, char *reason,
    size_t size)
{
	struct work *w = c->arriving;
	amqp_bytes_t key = amqp_cstring_bytes(c->routing_key);
	int ret;

	if (c->content != CONTENT_DELIVERY)
		return 0;
	ret = f->frame_type == AMQP_FRAME_HEADER ? work_take_properties(w,
	    f->payload.properties.decoded, key,
	    f->payload.properties.body_size) :
	    work_take_body(w, f->payload.body_fragment);
	if (ret == 0 && w->left_bytes == 0) {
		c->content = CONTENT_NONE;
		c->arriving = NULL;
		ret = work_complete(w);
	}
	if (ret == -1)
		snprintf(reason, size, "cannot take a message: %s",
		    strerror(errno));
	return ret;
}

static int
take_frames(struct consumer *c, char *reason, size_t size)
{
	amqp_frame_t f;
	int ret;

	while ((ret = broker_link_take(c->link, &f, reason, size)) == 1)
		if ((f.frame_type == AMQP_FRAME_METHOD ? take_method(c,
		    &f.payload.method, reason, size) : take_content(c, &f,
		    reason, size)) == -1)
			return -1;
	return ret;
}

/* ---- the loop ---- */

static int
has_come(int fd)
{
	char bytes[512];

	return fd != -1 && read(fd, bytes, sizeof(bytes)) > 0;
}

static void
wait_for_work(struct consumer *c, int timeout_ms)
{
	struct pollfd pfd[4] = { { .fd = c->link == NULL ? -1 :
	    amqp_get_sockfd(c->link), .events = POLLIN } };
	int i;

	for (i = 0; i < 3; i++) {
		pfd[i + 1].fd = c->signals[i];
		pfd[i + 1].events = POLLIN;
	}
	(void)poll(pfd, 4, timeout_ms);
	(void)has_come(c->signals[0]);
	c->is_ending |= has_come(c->signals[1]);
	c->is_ending |= has_come(c->signals[2]);
}

/* 1 when nothing is in the queue but what others have; -1 with the reason. */
static int
is_empty(struct consumer *c, char *reason, size_t size)
{
	amqp_queue_declare_ok_t *ok;

	ok = amqp_queue_declare(c->link, BROKER_CHANNEL,
	    amqp_cstring_bytes(c->setup->queue), 1, 0, 0, 0,
	    amqp_empty_table);
	if (ok == NULL) {
		(void)broker_link_check(amqp_get_rpc_reply(c->link), "queue",
		    reason, size);
		return -1;
	}
	return ok->message_count == 0;
}

/*
 * 1 when there is nothing left to do; 0; -1 with the reason.  What is held is
 * left to the next run.
 */
static int
is_over(struct consumer *c, char *reason, size_t size)
{
	int ret;

	if (c->is_ending)
		return c->nrunning == 0;
	if (c->setup->does_follow || c->nworks > c->nheld) {
		c->nempty = 0;
		return 0;
	}
	if (c->nheld >= c->setup->jobs * PREFETCH_JOBS)
		return 1;
	ret = is_empty(c, reason, size);
	if (ret == -1)
		return -1;
	/* Some may be on their way to us: look twice. */
	c->nempty = ret == 1 ? c->nempty + 1 : 0;
	return c->nempty > 2;
}

/* Until it is over, 0, or the connection is, -1 with the reason. */
static int
serve(struct consumer *c, char *reason, size_t size)
{
	int ret;

	for (;;) {
		if (take_frames(c, reason, size) == -1)
			return -1;
		reap(c);
		start_some(c);
		release_held(c);
		wait_for_work(c, TURN_MS);
		ret = is_over(c, reason, size);
		if (ret != 0)
			return ret == 1 ? 0 : -1;
	}
}

/* ---- connections ---- */

static int
subscribe(struct consumer *c, char *reason, size_t size)
{
	unsigned prefetch = c->setup->jobs * PREFETCH_JOBS;

	if (c->setup->does_declare && declare_all(c->link, c->setup, reason,
	    size) == -1)
		return -1;
	amqp_confirm_select(c->link, BROKER_CHANNEL);
	if (broker_link_check(amqp_get_rpc_reply(c->link), "confirms", reason,
	    size) == -1)
		return -1;
	amqp_basic_qos(c->link, BROKER_CHANNEL, 0, (uint16_t)prefetch, 0);
	if (broker_link_check(amqp_get_rpc_reply(c->link), "prefetch", reason,
	    size) == -1)
		return -1;
	amqp_basic_consume(c->link, BROKER_CHANNEL,
	    amqp_cstring_bytes(c->setup->queue), amqp_empty_bytes, 0, 0, 0,
	    amqp_empty_table);
	return broker_link_check(amqp_get_rpc_reply(c->link), "queue", reason,
	    size);
}

static int
open_link(struct consumer *c, const struct broker_address *a)
{
	char reason[BROKER_REASON_MAX] = "", name[64];

	snprintf(name, sizeof(name), "dma-smtpd-drain[%ld]", (long)getpid());
	c->link = broker_link_open(c->setup->settings, a, name, reason,
	    sizeof(reason));
	if (c->link != NULL && subscribe(c, reason, sizeof(reason)) == 0)
		return 0;
	broker_link_close(c->link, 0);
	c->link = NULL;
	log_say(c->setup->log, LOG_LEVEL_WARNING, "broker=%s:%u %s", a->host,
	    a->port, reason);
	return -1;
}

static int
open_any(struct consumer *c)
{
	const struct broker_settings *s = c->setup->settings;
	size_t i;

	for (i = 0; i < s->nbrokers; i++)
		if (open_link(c, &s->brokers[i]) == 0)
			return 0;
	return -1;
}

/* What sendmail does not have goes; the broker has it. */
static void
close_link(struct consumer *c, int is_good)
{
	struct work *w, *next;

	broker_link_close(c->link, is_good);
	c->link = NULL;
	c->arriving = NULL;
	c->content = CONTENT_NONE;
	while (broker_window_take_oldest(&c->buried, UINT64_MAX) != NULL)
		;
	broker_window_restart(&c->buried);
	for (w = c->works; w != NULL; w = next) {
		next = w->next;
		w->is_void = 1;
		if (w->state != WORK_RUNNING)
			forget(c, w);
	}
}

/* While no broker is there, what is under way goes on. */
static void
pause_before_retry(struct consumer *c)
{
	int64_t until_ms = io_clock_ms() + c->pause_ms;

	c->pause_ms *= 2;
	if (c->pause_ms > PAUSE_MAX_MS)
		c->pause_ms = PAUSE_MAX_MS;
	while (!c->is_ending && io_clock_ms() < until_ms) {
		wait_for_work(c, TURN_MS);
		reap(c);
	}
}

/* 1 when the consumer is to end, with its status. */
static int
run_once(struct consumer *c)
{
	char reason[BROKER_REASON_MAX] = "";
	int ret;

	if (open_any(c) == -1) {
		c->status = EX_TEMPFAIL;
		if (!c->setup->does_follow)
			return 1;
		pause_before_retry(c);
		return c->is_ending;
	}
	c->pause_ms = PAUSE_FIRST_MS;
	ret = serve(c, reason, sizeof(reason));
	close_link(c, ret == 0);
	if (ret == 0)
		return 1;
	log_say(c->setup->log, LOG_LEVEL_WARNING, "connection lost: %s",
	    reason);
	pause_before_retry(c);
	return c->is_ending;
}

static void
finish_running(struct consumer *c)
{
	while (c->nrunning > 0) {
		wait_for_work(c, TURN_MS);
		reap(c);
	}
}

int
consumer_run(const struct consumer_setup *setup)
{
	static const int signals[3] = { SIGCHLD, SIGTERM, SIGINT };
	struct consumer c = { .setup = setup, .pause_ms = PAUSE_FIRST_MS };
	int i;

	(void)signal(SIGPIPE, SIG_IGN);
	for (i = 0; i < 3; i++)
		c.signals[i] = compat_signal_fd(signals[i]);
	if (broker_window_init(&c.buried, setup->jobs * PREFETCH_JOBS) == -1)
		return EX_OSERR;
	while (!run_once(&c))
		;
	finish_running(&c);
	broker_window_fini(&c.buried);
	for (i = 0; i < 3; i++)
		io_close(&c.signals[i]);
	return setup->does_follow && c.is_ending ? EX_OK : c.status;
}
