/*
 * broker_publisher.c - publishes with confirms, in a thread of its own.
 * Runs as: a child of dma-smtpd.  Functions above the line "the thread" run in
 * the thread of the loop, those below in the publisher's.
 * Uses: librabbitmq, whose calls block.
 * Promise: CONFIRMED is reported only of what the broker confirmed and did not
 * return.  What was under way when a connection ended is sent anew on the next
 * one, so it may arrive twice.  The thread of the loop is never blocked.
 */
#include <sys/socket.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/io.h"
#include "smtpd/modules/broker_link.h"
#include "smtpd/modules/broker_publisher.h"
#include "smtpd/modules/broker_window.h"

#define TRIES_MAX	3	/* connections that one publication may cost */
/*
 * A queue that has lost its leader refuses what is published, and goes on so
 * towards a channel that was open then or opened too early.
 */
#define NACK_WAIT_MS	250	/* before a refused message is sent again */
#define NACKS_MAX	24	/* of one message */
#define REFUSED_MS	1000	/* without a confirm, before a new connection */
#define REFUSING_MS	5000	/* the same when that did not help */
#define BURST_MAX	256	/* published before confirms are read */
#define PAUSE_FIRST_MS	100	/* after no broker was reached; doubled */
#define PAUSE_MAX_MS	10000
#define WAIT_MS		500	/* heartbeats are looked after so often */
#define STOP_S		3	/* for the thread to end */

enum publisher_state {
	PUBLISHER_CONNECTING,	/* takes all; it waits for the connection */
	PUBLISHER_READY,
	PUBLISHER_DOWN,		/* takes nothing */
	PUBLISHER_PROBING	/* connected after a silence: takes one at a
				 * time until one is confirmed */
};

struct publication_list {
	struct publication *first, **last;
};

enum thread_state { THREAD_RUNNING, THREAD_STOPPING, THREAD_ENDED };

/* Of both threads, under the lock. */
struct publisher_shared {
	enum thread_state thread;
	enum publisher_state state;
	struct publication_list queue, done;
	size_t		 nunderway;	/* submitted and not done */
	int64_t		 confirmed_ms;	/* the last one */
	int		 sock;		/* of the connection; -1 */
	int		 is_silent, is_asleep, is_signalled;
	struct publisher_event event;	/* text "": none */
};

struct publisher {
	const struct broker_settings *settings;	/* lent */
	char		 name[64];
	pthread_t	 thread;
	pthread_mutex_t	 lock;
	pthread_cond_t	 ended;
	struct publisher_shared shared;
	int		 work[2], ready[2];	/* pipes */

	/* Of the publisher's thread. */
	amqp_connection_state_t link;
	const struct broker_address *broker;	/* lent: of the link */
	struct broker_window window;
	struct publication_list later;		/* after a nack, by due time */
	int		 is_refusing;	/* tries ended in vain, and nothing was
					 * confirmed since */
	int64_t		 nacked_ms;	/* the first nack since a confirm, on
					 * this connection; 0: none */
	int64_t		 pause_ms;
	int		 was_silent;
	int		 is_returning;	/* the header of a message is next */
};

static void	*publish(void *);

static void
list_init(struct publication_list *l)
{
	l->first = NULL;
	l->last = &l->first;
}

static void
list_add(struct publication_list *l, struct publication *p)
{
	p->next = NULL;
	*l->last = p;
	l->last = &p->next;
}

static struct publication *
list_take(struct publication_list *l)
{
	struct publication *p = l->first;

	if (p == NULL)
		return NULL;
	l->first = p->next;
	if (l->first == NULL)
		l->last = &l->first;
	return p;
}

static void
wake(int fd)
{
	while (write(fd, "", 1) == -1 && errno == EINTR)
		;		/* a full pipe wakes, too */
}

static void
drain(int fd)
{
	char bytes[64];

	while (read(fd, bytes, sizeof(bytes)) > 0)
		;
}

static int
open_pipe(int fds[2])
{
	if (pipe(fds) == -1) {
		fds[0] = fds[1] = -1;
		return -1;
	}
	if (fcntl(fds[0], F_SETFD, FD_CLOEXEC) == -1 ||
	    fcntl(fds[1], F_SETFD, FD_CLOEXEC) == -1 ||
	    io_nonblock(fds[0]) == -1 || io_nonblock(fds[1]) == -1)
		return -1;
	return 0;
}

static void
discard(struct publisher *p)
{
	broker_window_fini(&p->window);
	io_close(&p->work[0]);
	io_close(&p->work[1]);
	io_close(&p->ready[0]);
	io_close(&p->ready[1]);
	pthread_cond_destroy(&p->ended);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

/* Signals are for the thread of the loop. */
static int
start_thread(struct publisher *p)
{
	sigset_t all, old;
	int error;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	error = pthread_create(&p->thread, NULL, publish, p);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	errno = error;
	return error == 0 ? 0 : -1;
}

struct publisher *
publisher_new(const struct broker_settings *s, const char *name)
{
	struct publisher *p;
	int error;

	p = calloc(1, sizeof(*p));
	if (p == NULL)
		return NULL;
	p->settings = s;
	snprintf(p->name, sizeof(p->name), "%s", name);
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->ended, NULL);
	list_init(&p->shared.queue);
	list_init(&p->shared.done);
	list_init(&p->later);
	p->shared.sock = -1;
	p->work[0] = p->work[1] = p->ready[0] = p->ready[1] = -1;
	p->pause_ms = PAUSE_FIRST_MS;
	if (open_pipe(p->work) == 0 && open_pipe(p->ready) == 0 &&
	    broker_window_init(&p->window, s->in_flight) == 0 &&
	    start_thread(p) == 0)
		return p;
	error = errno;
	discard(p);
	errno = error;
	return NULL;
}

int
publisher_stop(struct publisher *p)
{
	struct timespec until;
	int error = 0;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += STOP_S;
	pthread_mutex_lock(&p->lock);
	p->shared.thread = THREAD_STOPPING;
	wake(p->work[1]);
	while (p->shared.thread != THREAD_ENDED && error == 0)
		error = pthread_cond_timedwait(&p->ended, &p->lock, &until);
	pthread_mutex_unlock(&p->lock);
	if (error == 0)
		pthread_join(p->thread, NULL);
	else	/* It sits in the resolver, say; this process is to end. */
		pthread_detach(p->thread);
	return error == 0 ? 0 : -1;
}

void
publisher_free(struct publisher *p)
{
	if (p != NULL)
		discard(p);
}

int
publisher_fd(const struct publisher *p)
{
	return p->ready[0];
}

static int
takes(const struct publisher *p)
{
	return p->shared.state == PUBLISHER_CONNECTING ||
	    p->shared.state == PUBLISHER_READY ||
	    (p->shared.state == PUBLISHER_PROBING && p->shared.nunderway == 0);
}

int
publisher_submit(struct publisher *p, struct publication *first)
{
	struct publication *next;
	int ret = -1;

	pthread_mutex_lock(&p->lock);
	if (takes(p)) {
		for (; first != NULL; first = next) {
			next = first->next;
			first->status = PUBLICATION_QUEUED;
			first->tries = first->nacks = 0;
			p->shared.nunderway++;
			list_add(&p->shared.queue, first);
		}
		if (p->shared.is_asleep) {
			p->shared.is_asleep = 0;
			wake(p->work[1]);
		}
		ret = 0;
	}
	pthread_mutex_unlock(&p->lock);
	return ret;
}

struct publication *
publisher_done(struct publisher *p)
{
	struct publication *first;

	drain(p->ready[0]);
	pthread_mutex_lock(&p->lock);
	p->shared.is_signalled = 0;
	first = p->shared.done.first;
	list_init(&p->shared.done);
	pthread_mutex_unlock(&p->lock);
	return first;
}

int
publisher_event(struct publisher *p, struct publisher_event *e)
{
	pthread_mutex_lock(&p->lock);
	*e = p->shared.event;
	p->shared.event.text[0] = '\0';
	pthread_mutex_unlock(&p->lock);
	return e->text[0] != '\0';
}

void
publisher_break(struct publisher *p)
{
	int64_t quiet_ms;

	pthread_mutex_lock(&p->lock);
	quiet_ms = io_clock_ms() - p->shared.confirmed_ms;
	if (quiet_ms >= p->settings->timeout_s * INT64_C(500)) {
		p->shared.is_silent = 1;
		p->shared.state = PUBLISHER_DOWN;
		if (p->shared.sock != -1)
			shutdown(p->shared.sock, SHUT_RDWR);
		if (p->shared.is_asleep)
			wake(p->work[1]);
		p->shared.is_asleep = 0;
	}
	pthread_mutex_unlock(&p->lock);
}

/* ---- the thread: what it reports ---- */

/* With the lock. */
static void
signal_loop(struct publisher *p)
{
	if (!p->shared.is_signalled)
		wake(p->ready[1]);
	p->shared.is_signalled = 1;
}

/* With the lock. */
static void
finish(struct publisher *p, struct publication *pub,
    enum publication_status status)
{
	/* A message that came back is confirmed, too. */
	if (pub->status == PUBLICATION_QUEUED)
		pub->status = status;
	if (status == PUBLICATION_CONFIRMED) {
		p->shared.confirmed_ms = io_clock_ms();
		if (p->shared.state == PUBLISHER_PROBING)
			p->shared.state = PUBLISHER_READY;
	}
	p->shared.nunderway--;
	list_add(&p->shared.done, pub);
	signal_loop(p);
}

/* With the lock. */
static void
report(struct publisher *p, int is_connected, const struct broker_address *a,
    const char *reason)
{
	p->shared.event.is_connected = is_connected;
	snprintf(p->shared.event.text, sizeof(p->shared.event.text),
	    "%s:%u%s%s", a->host, a->port, *reason == '\0' ? "" : ": ",
	    reason);
	signal_loop(p);
}

static int
is_stopping(struct publisher *p)
{
	int ret;

	pthread_mutex_lock(&p->lock);
	ret = p->shared.thread != THREAD_RUNNING;
	pthread_mutex_unlock(&p->lock);
	return ret;
}

/* ---- the thread: confirms ---- */

/* After a nack: 1 if it is tried again. */
static int
send_later(struct publisher *p, struct publication *pub)
{
	if (p->nacked_ms == 0)
		p->nacked_ms = io_clock_ms();
	p->is_refusing |= ++pub->nacks == NACKS_MAX;
	if (p->is_refusing || pub->is_abandoned ||
	    pub->status != PUBLICATION_QUEUED)
		return 0;
	pub->due_ms = io_clock_ms() + NACK_WAIT_MS;
	list_add(&p->later, pub);
	return 1;
}

/* With the lock: those whose time has come; how long until the next, or -1. */
static int
queue_due(struct publisher *p)
{
	int64_t now_ms = io_clock_ms();

	while (p->later.first != NULL && p->later.first->due_ms <= now_ms)
		list_add(&p->shared.queue, list_take(&p->later));
	return p->later.first == NULL ? -1 :
	    (int)(p->later.first->due_ms - now_ms);
}

static void
take_confirm(struct publisher *p, uint64_t tag, int is_multiple,
    enum publication_status status)
{
	struct publication *pub;

	if (is_multiple && tag == 0)
		tag = UINT64_MAX;	/* all so far */
	pthread_mutex_lock(&p->lock);
	pub = is_multiple ? broker_window_take_oldest(&p->window, tag) :
	    broker_window_take(&p->window, tag);
	while (pub != NULL) {
		if (status == PUBLICATION_CONFIRMED)
			p->nacked_ms = p->is_refusing = 0;
		if (status == PUBLICATION_CONFIRMED || !send_later(p, pub))
			finish(p, pub, status);
		pub = is_multiple ? broker_window_take_oldest(&p->window,
		    tag) : NULL;
	}
	pthread_mutex_unlock(&p->lock);
}

/* A message that no queue took; its confirm follows. */
static void
take_return(struct publisher *p, const amqp_basic_properties_t *properties)
{
	amqp_bytes_t id = properties->message_id;
	struct publication *pub;
	uint64_t tag;

	if ((properties->_flags & AMQP_BASIC_MESSAGE_ID_FLAG) == 0)
		return;
	for (tag = p->window.first; tag < p->window.next; tag++) {
		pub = broker_window_at(&p->window, tag);
		if (pub != NULL && pub->id.len == id.len &&
		    memcmp(pub->id.bytes, id.bytes, id.len) == 0)
			pub->status = PUBLICATION_RETURNED;
	}
}

/* -1 with the reason when the connection is of no use any more. */
static int
take_method(struct publisher *p, const amqp_method_t *m, char *reason,
    size_t size)
{
	const amqp_basic_ack_t *ack = m->decoded;
	const amqp_basic_nack_t *nack = m->decoded;

	switch (m->id) {
	case AMQP_BASIC_ACK_METHOD:
		take_confirm(p, ack->delivery_tag, ack->multiple,
		    PUBLICATION_CONFIRMED);
		return 0;
	case AMQP_BASIC_NACK_METHOD:
		take_confirm(p, nack->delivery_tag, nack->multiple,
		    PUBLICATION_REFUSED);
		return 0;
	case AMQP_BASIC_RETURN_METHOD:
		p->is_returning = 1;
		return 0;
	default:
		broker_link_describe(m, reason, size);
		return -1;
	}
}

static int
take_frame(struct publisher *p, const amqp_frame_t *f, char *reason,
    size_t size)
{
	switch (f->frame_type) {
	case AMQP_FRAME_METHOD:
		p->is_returning = 0;
		return take_method(p, &f->payload.method, reason, size);
	case AMQP_FRAME_HEADER:
		if (p->is_returning)
			take_return(p, f->payload.properties.decoded);
		return 0;
	default:
		return 0;	/* the text of what came back */
	}
}

static int
take_frames(struct publisher *p, char *reason, size_t size)
{
	amqp_frame_t frame;
	int ret;

	while ((ret = broker_link_take(p->link, &frame, reason, size)) == 1)
		if (take_frame(p, &frame, reason, size) == -1)
			return -1;
	return ret;
}

/* ---- the thread: publishing ---- */

static struct publication *
next_publication(struct publisher *p)
{
	struct publication *pub;

	pthread_mutex_lock(&p->lock);
	while ((pub = list_take(&p->shared.queue)) != NULL && pub->is_abandoned)
		finish(p, pub, PUBLICATION_LOST);
	pthread_mutex_unlock(&p->lock);
	return pub;
}

static int
publish_one(struct publisher *p, struct publication *pub)
{
	amqp_basic_properties_t properties = {
		._flags = AMQP_BASIC_DELIVERY_MODE_FLAG |
		    AMQP_BASIC_MESSAGE_ID_FLAG | AMQP_BASIC_HEADERS_FLAG |
		    AMQP_BASIC_CONTENT_TYPE_FLAG,
		.content_type = amqp_cstring_bytes("message/rfc822"),
		.delivery_mode = AMQP_DELIVERY_PERSISTENT,
		.message_id = pub->id,
		.headers = pub->headers
	};

	pub->tries++;
	(void)broker_window_put(&p->window, pub);
	return amqp_basic_publish(p->link, BROKER_CHANNEL,
	    amqp_cstring_bytes(p->settings->exchange), pub->routing_key,
	    1 /* mandatory */, 0, &properties, pub->body);
}

/* Gives how many, or -1 with the reason. */
static int
publish_queued(struct publisher *p, char *reason, size_t size)
{
	struct publication *pub;
	int n, status;

	for (n = 0; n < BURST_MAX; n++) {
		if (broker_window_is_full(&p->window))
			break;
		pub = next_publication(p);
		if (pub == NULL)
			break;
		status = publish_one(p, pub);
		if (status != AMQP_STATUS_OK) {
			snprintf(reason, size, "%s",
			    amqp_error_string2(status));
			return -1;
		}
	}
	return n;
}

/* Sleeps until there is something to publish or to read. */
static void
wait_for_work(struct publisher *p)
{
	struct pollfd pfd[2] = { { .fd = amqp_get_sockfd(p->link),
	    .events = POLLIN }, { .fd = p->work[0], .events = POLLIN } };
	int timeout_ms = WAIT_MS, due_ms;

	pthread_mutex_lock(&p->lock);
	due_ms = queue_due(p);
	if (due_ms != -1 && due_ms < timeout_ms)
		timeout_ms = due_ms;
	if (p->shared.thread != THREAD_RUNNING ||
	    (p->shared.queue.first != NULL &&
	    !broker_window_is_full(&p->window)))
		timeout_ms = 0;
	else
		p->shared.is_asleep = 1;
	pthread_mutex_unlock(&p->lock);
	if (timeout_ms > 0)
		(void)poll(pfd, 2, timeout_ms);
	pthread_mutex_lock(&p->lock);
	p->shared.is_asleep = 0;
	pthread_mutex_unlock(&p->lock);
	if (pfd[1].revents != 0)
		drain(p->work[0]);
}

static int
is_refused(const struct publisher *p)
{
	return p->nacked_ms != 0 && io_clock_ms() - p->nacked_ms >
	    (p->is_refusing ? REFUSING_MS : REFUSED_MS);
}

/* Until the connection or the publisher ends. */
static void
serve(struct publisher *p, char *reason, size_t size)
{
	p->nacked_ms = 0;
	while (!is_stopping(p)) {
		if (is_refused(p)) {
			snprintf(reason, size, "the broker refuses messages");
			return;
		}
		if (publish_queued(p, reason, size) == -1 ||
		    take_frames(p, reason, size) == -1)
			return;
		wait_for_work(p);
	}
	*reason = '\0';
}

/* ---- the thread: connections ---- */

/* Confirms are asked for; an exchange that is missing is noticed now. */
static int
prepare_channel(struct publisher *p, char *reason, size_t size)
{
	amqp_confirm_select(p->link, BROKER_CHANNEL);
	if (broker_link_check(amqp_get_rpc_reply(p->link), "confirms", reason,
	    size) == -1)
		return -1;
	if (*p->settings->exchange == '\0')
		return 0;
	amqp_exchange_declare(p->link, BROKER_CHANNEL,
	    amqp_cstring_bytes(p->settings->exchange),
	    amqp_cstring_bytes("topic"), 1 /* passive */, 1, 0, 0,
	    amqp_empty_table);
	return broker_link_check(amqp_get_rpc_reply(p->link), "exchange",
	    reason, size);
}

static int
open_link(struct publisher *p, const struct broker_address *a)
{
	char reason[BROKER_REASON_MAX] = "";
	int ret = -1;

	p->link = broker_link_open(p->settings, a, p->name, reason,
	    sizeof(reason));
	if (p->link != NULL)
		ret = prepare_channel(p, reason, sizeof(reason));
	if (ret == -1) {
		broker_link_close(p->link, 0);
		p->link = NULL;
	}
	pthread_mutex_lock(&p->lock);
	if (ret == 0) {
		p->broker = a;
		p->shared.sock = amqp_get_sockfd(p->link);
		p->shared.is_silent = 0;
		p->shared.state = p->was_silent ? PUBLISHER_PROBING :
		    PUBLISHER_READY;
	}
	report(p, ret == 0, a, reason);
	pthread_mutex_unlock(&p->lock);
	return ret;
}

/* The first broker that is there. */
static int
open_any(struct publisher *p)
{
	size_t i;

	for (i = 0; i < p->settings->nbrokers && !is_stopping(p); i++)
		if (open_link(p, &p->settings->brokers[i]) == 0)
			return 0;
	return -1;
}

static void
fail_queued(struct publisher *p)
{
	struct publication *pub;

	pthread_mutex_lock(&p->lock);
	p->shared.state = PUBLISHER_DOWN;
	while ((pub = list_take(&p->shared.queue)) != NULL)
		finish(p, pub, PUBLICATION_LOST);
	while ((pub = list_take(&p->later)) != NULL)
		finish(p, pub, PUBLICATION_LOST);
	pthread_mutex_unlock(&p->lock);
}

/*
 * What was under way goes to the head of the queue, in its order, unless it has
 * had its tries or the broker was silent.
 */
static void
requeue(struct publisher *p)
{
	struct publication *pub;
	struct publication_list again;

	list_init(&again);
	while ((pub = broker_window_take_oldest(&p->window, UINT64_MAX)) !=
	    NULL) {
		pub->status = PUBLICATION_QUEUED;
		if (pub->tries >= TRIES_MAX)
			finish(p, pub, PUBLICATION_REFUSED);
		else if (p->shared.is_silent || pub->is_abandoned)
			finish(p, pub, PUBLICATION_LOST);
		else
			list_add(&again, pub);
	}
	while ((pub = list_take(&p->shared.queue)) != NULL)
		list_add(&again, pub);
	list_init(&p->shared.queue);
	while ((pub = list_take(&again)) != NULL)
		list_add(&p->shared.queue, pub);
}

static void
close_link(struct publisher *p, const char *reason)
{
	int is_good = *reason == '\0';

	pthread_mutex_lock(&p->lock);
	p->shared.sock = -1;	/* before another file gets the number */
	p->was_silent = p->shared.is_silent;
	p->shared.state = p->shared.is_silent ? PUBLISHER_DOWN :
	    PUBLISHER_CONNECTING;
	requeue(p);
	if (!is_good)
		report(p, 0, p->broker, p->shared.is_silent ?
		    "no confirm from the broker in time" : reason);
	pthread_mutex_unlock(&p->lock);
	broker_link_close(p->link, is_good);
	p->link = NULL;
	broker_window_restart(&p->window);
}

/* Only the end interrupts it. */
static void
pause_before_retry(struct publisher *p)
{
	int64_t until_ms = io_clock_ms() + p->pause_ms;

	p->pause_ms *= 2;
	if (p->pause_ms > PAUSE_MAX_MS)
		p->pause_ms = PAUSE_MAX_MS;
	while (!is_stopping(p) &&
	    io_wait(p->work[0], POLLIN, until_ms) == 1)
		drain(p->work[0]);
}

static void *
publish(void *arg)
{
	char reason[BROKER_REASON_MAX];
	struct publisher *p = arg;

	while (!is_stopping(p)) {
		if (open_any(p) == -1) {
			fail_queued(p);
			pause_before_retry(p);
			continue;
		}
		serve(p, reason, sizeof(reason));
		close_link(p, reason);
		if (p->was_silent) {
			fail_queued(p);
			pause_before_retry(p);
		} else {
			p->pause_ms = PAUSE_FIRST_MS;
		}
	}
	fail_queued(p);
	pthread_mutex_lock(&p->lock);
	p->shared.thread = THREAD_ENDED;
	pthread_cond_signal(&p->ended);
	pthread_mutex_unlock(&p->lock);
	return NULL;
}
