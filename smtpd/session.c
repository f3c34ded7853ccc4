/*
 * session.c - one connection of a client: bytes in and out, TLS, deadlines.
 *
 * Runs as: a child.
 * Uses: sockets, by the loop.
 * Promise: nothing here blocks.  A session that has nothing to say or to hear
 * costs its struct and a descriptor.  While a module's verdict is pending, the
 * session stays, even if its client has left.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/io.h"
#include "smtpd/dialogue.h"
#include "smtpd/proxy.h"
#include "smtpd/session.h"

#define INPUT_BYTES	32768	/* of one read */
#define LINGER_MS	2000	/* for the client to read the last reply */
#define READS_MAX	8	/* in a row, of one client */

enum session_phase {
	SESSION_PROXY,		/* the header of a proxy is due */
	SESSION_DIALOGUE,
	SESSION_HANDSHAKE,
	SESSION_LINGER,		/* all is sent; what comes is thrown away */
	SESSION_GONE,		/* no connection; a verdict is pending */
	SESSION_ENDING		/* hooks may not bring it back */
};

struct client_session {
	struct smtpd_session dialogue;
	struct client_session *next, *previous;
	enum session_phase phase;
	int		 fd;
	struct netaddr	 counted;	/* whose connection it counts as */
	int		 is_counted;
	int		 is_counted_by_address;
	int		 is_woken;	/* resumed() was called in a hook */
	struct loop_watch watch;
	struct loop_timer timer;
	struct tls_stream *tls;		/* owned, or NULL */
	enum tls_wants	 tls_wants;	/* of the last call that had to wait */
	struct buf	 in, out;
	int64_t		 command_due_ms;
	int64_t		 transaction_due_ms;	/* 0: there is none */
	unsigned	 timed;		/* the transaction it is of */
};

static void	update(struct client_session *);

static struct smtpd_host *
host_of(const struct client_session *x)
{
	return x->dialogue.host;
}

static enum scoreboard_admission
admit(struct client_session *x, unsigned max_per_address)
{
	struct smtpd_host *h = host_of(x);
	enum scoreboard_admission admission;

	netaddr_client(&x->dialogue.client.addr, &x->counted);
	admission = scoreboard_admit(h->scoreboard, h->slot, &x->counted,
	    h->conf->limits.max_connections, max_per_address);
	x->is_counted = admission == SCOREBOARD_ADMITTED;
	x->is_counted_by_address = max_per_address != 0;
	return admission;
}

static void
discharge(struct client_session *x)
{
	struct smtpd_host *h = host_of(x);

	if (x->is_counted)
		scoreboard_discharge(h->scoreboard, h->slot,
		    x->is_counted_by_address ? &x->counted : NULL);
	x->is_counted = 0;
}

static void
close_socket(struct client_session *x)
{
	struct smtpd_host *h = host_of(x);

	(void)loop_watch(&h->loop, &x->watch, 0);
	loop_timer_cancel(&h->loop, &x->timer);
	/* The description is the stream's. */
	x->dialogue.client.tls = x->dialogue.client.tls[0] == '\0' ? "" : "TLS";
	tls_stream_free(x->tls);
	x->tls = NULL;
	discharge(x);
	io_close(&x->fd);
	buf_fini(&x->in);
	buf_fini(&x->out);
}

static void
end(struct client_session *x)
{
	struct smtpd_host *h = host_of(x);

	close_socket(x);
	if (dialogue_want(&x->dialogue) == DIALOGUE_WANTS_VERDICT) {
		x->phase = SESSION_GONE;
		/* The verdict that was kept for the timer comes all the same;
		 * there is room for a timer that was there before. */
		if (x->is_woken)
			(void)loop_timer_set(&h->loop, &x->timer,
			    loop_now(&h->loop));
		return;
	}
	x->phase = SESSION_ENDING;
	dialogue_fini(&x->dialogue);
	if (x->next != NULL)
		x->next->previous = x->previous;
	if (x->previous != NULL)
		x->previous->next = x->next;
	else
		h->sessions = x->next;
	h->nsessions--;
	free(x);
}

static ssize_t
read_some(struct client_session *x, void *out, size_t size)
{
	ssize_t n;

	x->tls_wants = TLS_WANTS_NOTHING;
	if (x->tls != NULL) {
		n = tls_stream_read(x->tls, out, size, &x->tls_wants);
		return n > 0 ? n : x->tls_wants == TLS_WANTS_CLOSE ? 0 : -1;
	}
	n = io_read(x->fd, out, size);
	if (n == -1 && errno != EAGAIN && errno != EWOULDBLOCK)
		return 0;
	return n;
}

static ssize_t
write_some(struct client_session *x)
{
	ssize_t n;

	x->tls_wants = TLS_WANTS_NOTHING;
	if (x->tls != NULL) {
		n = tls_stream_write(x->tls, x->out.data, x->out.len,
		    &x->tls_wants);
		return n > 0 ? n : x->tls_wants == TLS_WANTS_CLOSE ? 0 : -1;
	}
	do {
		n = send(x->fd, x->out.data, x->out.len, MSG_NOSIGNAL);
	} while (n == -1 && errno == EINTR);
	if (n == -1 && errno != EAGAIN && errno != EWOULDBLOCK)
		return 0;
	return n;
}

/*
 * 0, or -1 when the client is not there any more, or when a reply to it was
 * lost for lack of memory.
 */
static int
flush(struct client_session *x)
{
	if (buf_failed(&x->out))
		return -1;
	while (x->out.len > 0) {
		ssize_t n = write_some(x);

		if (n == 0)
			return -1;
		if (n < 0)
			return 0;
		buf_drop(&x->out, (size_t)n);
	}
	buf_fini(&x->out);
	return 0;
}

/* A new time for the next command, or the next bytes of a text. */
static void
renew(struct client_session *x)
{
	x->command_due_ms = loop_now(&host_of(x)->loop) +
	    host_of(x)->conf->limits.command_timeout_s * (int64_t)1000;
}

/* Without memory for what was read, x->in has failed: update() sees that. */
static void
feed(struct client_session *x, const char *bytes, size_t n)
{
	enum dialogue_state before = x->dialogue.state;
	size_t used;

	if (x->in.len > 0 || bytes == NULL) {
		if (bytes != NULL)
			buf_add(&x->in, bytes, n);
		if (buf_failed(&x->in))
			return;
		used = dialogue_input(&x->dialogue, buf_str(&x->in), x->in.len);
		buf_drop(&x->in, used);
	} else {
		used = dialogue_input(&x->dialogue, bytes, n);
		if (used < n)
			buf_add(&x->in, bytes + used, n - used);
	}
	if (x->in.len == 0 && !buf_failed(&x->in))
		buf_fini(&x->in);
	/* What is skipped of an endless line wins no time. */
	if (used > 0 && !(before == DIALOGUE_LONG_LINE &&
	    x->dialogue.state == DIALOGUE_LONG_LINE))
		renew(x);
}

/* The times that end the session: the earlier one. */
static int64_t
due(const struct client_session *x)
{
	if (x->transaction_due_ms != 0 &&
	    x->transaction_due_ms < x->command_due_ms)
		return x->transaction_due_ms;
	return x->command_due_ms;
}

/* 0, or -1 without memory. */
static int
set_deadline(struct client_session *x)
{
	struct smtpd_host *h = host_of(x);

	/* One may begin in the same input in which another ended. */
	if (!dialogue_has_transaction(&x->dialogue))
		x->transaction_due_ms = 0;
	else if (x->transaction_due_ms == 0 ||
	    x->timed != x->dialogue.ntransactions)
		x->transaction_due_ms = loop_now(&h->loop) +
		    h->conf->limits.transaction_timeout_s * (int64_t)1000;
	x->timed = x->dialogue.ntransactions;
	/* It is moved to a later time only when it has come. */
	if (x->timer.index != 0 && x->timer.due_ms <= due(x))
		return 0;
	return loop_timer_set(&h->loop, &x->timer, due(x));
}

static int
may_take(const struct client_session *x)
{
	return !x->dialogue.is_paused && x->out.len < DIALOGUE_OUT_HIGH &&
	    dialogue_want(&x->dialogue) == DIALOGUE_WANTS_INPUT;
}

static int
may_read(const struct client_session *x)
{
	return may_take(x) && !x->dialogue.is_behind;
}

static void
watch(struct client_session *x)
{
	struct smtpd_host *h = host_of(x);
	unsigned events = 0;

	if (x->phase == SESSION_PROXY || x->phase == SESSION_LINGER ||
	    (x->phase == SESSION_DIALOGUE && may_read(x)))
		events |= LOOP_READ;
	if (x->phase == SESSION_HANDSHAKE)
		events = x->tls_wants == TLS_WANTS_WRITE ? LOOP_WRITE :
		    LOOP_READ;
	if (x->out.len > 0)
		events |= x->tls_wants == TLS_WANTS_READ ? LOOP_READ :
		    LOOP_WRITE;
	if (x->tls != NULL && x->tls_wants == TLS_WANTS_WRITE &&
	    x->phase != SESSION_LINGER)
		events |= LOOP_WRITE;
	/* A verdict mostly comes before the client sends more: ready() sees. */
	if (events == 0 && x->watch.events == LOOP_READ &&
	    x->phase == SESSION_DIALOGUE)
		return;
	if (loop_watch(&h->loop, &x->watch, events) == -1)
		end(x);
}

static void
linger(struct client_session *x)
{
	struct smtpd_host *h = host_of(x);

	if (x->tls != NULL)
		tls_stream_close(x->tls);
	if (x->dialogue.is_quit || shutdown(x->fd, SHUT_WR) == -1 ||
	    loop_timer_set(&h->loop, &x->timer,
	    loop_now(&h->loop) + LINGER_MS) == -1) {
		end(x);
		return;
	}
	x->phase = SESSION_LINGER;
	x->is_woken = 0;
	watch(x);
}

static void
handshake(struct client_session *x)
{
	if (tls_stream_handshake(x->tls, &x->tls_wants) == 0) {
		x->phase = SESSION_DIALOGUE;
		x->tls_wants = TLS_WANTS_NOTHING;
		dialogue_tls_up(&x->dialogue, tls_stream_describe(x->tls));
		renew(x);
		/* It may have to end: the child began to drain meanwhile. */
		feed(x, NULL, 0);
		update(x);
	} else if (x->tls_wants == TLS_WANTS_CLOSE) {
		log_say(&host_of(x)->log, LOG_LEVEL_INFO,
		    "client=%s status=closed: TLS handshake failed: %s",
		    x->dialogue.client.text, tls_stream_error(x->tls));
		end(x);
	} else {
		watch(x);
	}
}

static void
begin_tls(struct client_session *x)
{
	x->phase = SESSION_HANDSHAKE;
	x->tls = tls_stream_new(host_of(x)->tls, x->fd);
	if (x->tls == NULL)
		end(x);
	else
		handshake(x);
}

/*
 * Sends what there is.  Commands that had to wait because of replies that could
 * not be sent are taken then.  0, or -1 when the session is to end.
 */
static int
send_and_take(struct client_session *x)
{
	size_t before;

	do {
		if (flush(x) == -1 || buf_failed(&x->in))
			return -1;
		before = x->in.len;
		if (before > 0 && may_read(x))
			feed(x, NULL, 0);
	} while (x->in.len < before);
	return buf_failed(&x->in) || buf_failed(&x->out) ? -1 : 0;
}

/* After the dialogue has moved: sends what there is, and sees what is next. */
static void
update(struct client_session *x)
{
	if (send_and_take(x) == -1) {
		end(x);
		return;
	}
	if (x->out.len == 0) {
		switch (dialogue_want(&x->dialogue)) {
		case DIALOGUE_WANTS_CLOSE:
			linger(x);
			return;
		case DIALOGUE_WANTS_TLS:
			begin_tls(x);
			return;
		default:
			break;
		}
	}
	/* Behind: the timer goes on, after the others of this turn. */
	if (set_deadline(x) == -1 || (x->dialogue.is_behind && may_take(x) &&
	    loop_timer_set(&host_of(x)->loop, &x->timer,
	    loop_now(&host_of(x)->loop)) == -1))
		end(x);
	else
		watch(x);
}

/*
 * A module has ended its verdict or its pause.  Within a hook, that of another
 * session too, the timer goes on with it: in the same turn of the loop.
 */
static void
resumed(void *arg)
{
	struct client_session *x = arg;
	struct smtpd_host *h = host_of(x);

	if (x->phase != SESSION_DIALOGUE && x->phase != SESSION_GONE)
		return;
	if (h->is_in_hook) {
		x->is_woken = 1;
		(void)loop_timer_set(&h->loop, &x->timer, loop_now(&h->loop));
	} else if (x->phase == SESSION_DIALOGUE) {
		renew(x);
		feed(x, NULL, 0);
		update(x);
	} else {
		end(x);
	}
}

static void
begin_dialogue(struct client_session *x)
{
	x->phase = SESSION_DIALOGUE;
	switch (admit(x,
	    host_of(x)->conf->limits.max_connections_per_address)) {
	case SCOREBOARD_ADMITTED:
		dialogue_begin(&x->dialogue);
		/* What came with the header of a proxy. */
		if (x->in.len > 0)
			feed(x, NULL, 0);
		break;
	case SCOREBOARD_FULL:
		dialogue_end(&x->dialogue, "421 4.7.0 too many connections");
		break;
	case SCOREBOARD_FULL_OF_ADDRESS:
		dialogue_end(&x->dialogue,
		    "421 4.7.0 too many connections from your address");
		break;
	}
	update(x);
}

/* The header of a proxy; the client may have sent more after it. */
static void
read_proxy(struct client_session *x)
{
	struct smtpd_host *h = host_of(x);
	struct client *client = &x->dialogue.client;
	size_t used;
	ssize_t n = read_some(x, h->input, INPUT_BYTES);

	if (n == 0) {
		end(x);
		return;
	}
	if (n > 0)
		buf_add(&x->in, h->input, (size_t)n);
	switch (proxy_parse(buf_str(&x->in), x->in.len, &used, &client->addr,
	    &client->port)) {
	case PROXY_MORE:
		if (x->in.len >= PROXY_MAX || buf_failed(&x->in))
			end(x);
		break;
	case PROXY_BAD:
		end(x);
		break;
	case PROXY_OWN:
	case PROXY_ADDRESS:
		buf_drop(&x->in, used);
		discharge(x);
		renew(x);
		begin_dialogue(x);
		break;
	}
}

static void
read_dialogue(struct client_session *x)
{
	struct smtpd_host *h = host_of(x);

	for (int i = 0; i < READS_MAX; i++) {
		ssize_t n = read_some(x, h->input, INPUT_BYTES);

		if (n == 0) {
			end(x);
			return;
		}
		if (n < 0)
			break;
		feed(x, h->input, (size_t)n);
		/* TLS may hold more, of which the loop knows nothing. */
		if (x->tls == NULL || tls_stream_pending(x->tls) == 0 ||
		    buf_failed(&x->in) || !may_read(x))
			break;
	}
	update(x);
}

static void
read_and_forget(struct client_session *x)
{
	struct smtpd_host *h = host_of(x);

	/* Not by TLS, which has said that it closes. */
	if (io_read(x->fd, h->input, INPUT_BYTES) == 0)
		end(x);
}

/* What came has to wait, and is not reported again. */
static void
update_unheard(struct client_session *x)
{
	if (!may_read(x) && x->out.len == 0)
		(void)loop_watch(&host_of(x)->loop, &x->watch, 0);
	update(x);
}

static void
ready(void *arg, unsigned events)
{
	struct client_session *x = arg;

	switch (x->phase) {
	case SESSION_PROXY:
		read_proxy(x);
		break;
	case SESSION_HANDSHAKE:
		handshake(x);
		break;
	case SESSION_LINGER:
		read_and_forget(x);
		break;
	case SESSION_DIALOGUE:
		if (may_read(x) && (events & LOOP_READ || x->tls != NULL))
			read_dialogue(x);
		else
			update_unheard(x);
		break;
	case SESSION_GONE:
	case SESSION_ENDING:
		break;
	}
}

static void
time_out(struct client_session *x)
{
	int is_transaction = x->transaction_due_ms != 0 &&
	    x->transaction_due_ms <= loop_now(&host_of(x)->loop);

	if (x->phase != SESSION_DIALOGUE) {
		end(x);
		return;
	}
	dialogue_end(&x->dialogue, is_transaction ?
	    "421 4.4.2 the transaction takes too long" :
	    "421 4.4.2 no command received in time");
	if (flush(x) == -1 || x->out.len > 0 ||
	    dialogue_want(&x->dialogue) != DIALOGUE_WANTS_CLOSE)
		end(x);
	else
		linger(x);
}

static void
expired(void *arg)
{
	struct client_session *x = arg;
	int64_t now_ms = loop_now(&host_of(x)->loop);

	if (x->is_woken) {
		x->is_woken = 0;
		/* The time until which it may last; x may end below. */
		if (x->phase != SESSION_GONE && set_deadline(x) == -1) {
			end(x);
			return;
		}
		if (!dialogue_finish_later(&x->dialogue))
			resumed(x);
		return;
	}
	if (x->phase == SESSION_LINGER) {
		end(x);
		return;
	}
	if (x->phase == SESSION_DIALOGUE && x->dialogue.is_behind &&
	    may_take(x) && due(x) > now_ms) {
		feed(x, NULL, 0);
		update(x);
		return;
	}
	/* The client is not to blame for the time that a module takes. */
	if (dialogue_want(&x->dialogue) == DIALOGUE_WANTS_VERDICT ||
	    x->dialogue.is_paused)
		renew(x);
	if (due(x) <= now_ms)
		time_out(x);
	else if (set_deadline(x) == -1)
		end(x);
}

static struct client_session *
session_new(struct smtpd_host *h, int fd, const struct sockaddr *peer)
{
	struct client_session *x = calloc(1, sizeof(*x));

	if (x == NULL)
		return NULL;
	x->fd = fd;
	x->watch = (struct loop_watch){ .fd = fd, .ready = ready, .arg = x };
	x->timer = (struct loop_timer){ .expired = expired, .arg = x };
	x->dialogue.host = h;
	x->dialogue.out = &x->out;
	x->dialogue.resumed = resumed;
	x->dialogue.arg = x;
	x->dialogue.client.tls = "";
	(void)netaddr_of(peer, &x->dialogue.client.addr);
	x->dialogue.client.port = ntohs(peer->sa_family == AF_INET6 ?
	    ((const struct sockaddr_in6 *)(const void *)peer)->sin6_port :
	    ((const struct sockaddr_in *)(const void *)peer)->sin_port);
	x->next = h->sessions;
	if (x->next != NULL)
		x->next->previous = x;
	h->sessions = x;
	h->nsessions++;
	h->nserved++;
	return x;
}

void
session_accept(struct smtpd_host *h, int fd, const struct sockaddr *peer)
{
	struct client_session *x = NULL;

	if (h->input == NULL)
		h->input = malloc(INPUT_BYTES);
	if (h->input != NULL)
		x = session_new(h, fd, peer);
	if (x == NULL) {
		io_close(&fd);
		return;
	}
	counters_add(&h->counters->connections, 1);
	renew(x);
	if (!netset_has(&h->conf->proxy_from, &x->dialogue.client.addr)) {
		begin_dialogue(x);
		return;
	}
	/* The proxy's own: its header says whose connection it is. */
	if (admit(x, 0) != SCOREBOARD_ADMITTED) {
		x->phase = SESSION_DIALOGUE;
		dialogue_end(&x->dialogue, "421 4.7.0 too many connections");
		update(x);
	} else if (set_deadline(x) == -1) {
		end(x);
	} else {
		watch(x);
	}
}

void
session_drain_all(struct smtpd_host *h)
{
	struct client_session *next;

	for (struct client_session *x = h->sessions; x != NULL; x = next) {
		next = x->next;
		switch (x->phase) {
		case SESSION_PROXY:
		case SESSION_HANDSHAKE:
			end(x);
			break;
		case SESSION_DIALOGUE:
			feed(x, NULL, 0);
			update(x);
			break;
		default:
			break;
		}
	}
}

void
session_end_all(struct smtpd_host *h)
{
	struct client_session *next;

	for (struct client_session *x = h->sessions; x != NULL; x = next) {
		next = x->next;
		if (x->phase != SESSION_GONE)
			end(x);
	}
}
