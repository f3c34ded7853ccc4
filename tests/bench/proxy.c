/*
 * proxy.c - distance: passes bytes on after half a round trip.
 * Usage: proxy LISTEN-PORT TARGET-PORT ROUND-TRIP-MS
 * Each way takes half the time; a new connection reaches the target after one
 * and a half round trips, which is when a server sees the handshake complete
 * (the client's connect() itself is not delayed, but its banner is).
 * Nothing limits how much is under way.
 */
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>

#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common.h"

#define PIECE	65536

/* Bytes on their way, or the end of them (length 0). */
struct piece {
	struct piece	*next;
	uint64_t	 due_ns;
	size_t		 length, sent;
	char		 bytes[];
};

/* One end of a connection: what is written to it waits here. */
struct side {
	struct link	*link;
	int		 fd;
	int		 is_client;
	int		 has_ended;	/* nothing more to read */
	int		 is_shut;	/* nothing more to write */
	int		 is_watched;	/* EPOLLOUT asked for */
	struct piece	*first, **last;
	struct side	*other;
};

struct link {
	struct side	 client, server;
	uint64_t	 due_ns;	/* when the server is called; 0: was */
	struct link	*next;		/* all links */
};

static struct link *links;
static int poller, target, is_stopping;
static uint64_t half_ns;

static uint64_t
now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void
watch(struct side *s, int op, uint32_t events)
{
	struct epoll_event e = { .events = events, .data.ptr = s };

	if (epoll_ctl(poller, op, s->fd, &e) == -1)
		err(1, "epoll_ctl");
}

static void
set_up(struct side *s, struct link *l, struct side *other, int fd)
{
	int on = 1;

	s->link = l;
	s->other = other;
	s->fd = fd;
	s->last = &s->first;
	if (fd != -1) {
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		watch(s, EPOLL_CTL_ADD, EPOLLIN);
	}
}

static void
accept_all(int listener)
{
	struct link *l;
	int fd;

	while ((fd = accept4(listener, NULL, NULL,
	    SOCK_NONBLOCK | SOCK_CLOEXEC)) != -1) {
		if ((l = calloc(1, sizeof(*l))) == NULL)
			err(1, "calloc");
		set_up(&l->client, l, &l->server, fd);
		set_up(&l->server, l, &l->client, -1);
		l->client.is_client = 1;
		l->due_ns = now_ns() + 3 * half_ns;
		l->next = links;
		links = l;
	}
}

static void
call_server(struct link *l)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	int fd;

	in.sin_port = htons(target);
	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	l->due_ns = 0;
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd == -1 || connect(fd, (struct sockaddr *)&in, sizeof(in)) == -1)
		err(1, "target");
	fcntl(fd, F_SETFL, O_NONBLOCK);
	l->server.fd = fd;
	set_up(&l->server, l, &l->client, fd);
}

/* What arrived at one side sets out for the other. */
static void
take(struct side *s)
{
	static char bytes[PIECE];
	struct side *to = s->other;
	struct piece *p;
	ssize_t n;

	n = read(s->fd, bytes, sizeof(bytes));
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		n = 0;
		s->has_ended = 1;
		watch(s, EPOLL_CTL_MOD, s->is_watched ? EPOLLOUT : 0);
	}
	if ((p = malloc(sizeof(*p) + n)) == NULL)
		err(1, "malloc");
	p->next = NULL;
	p->due_ns = now_ns() + half_ns;
	p->length = n;
	p->sent = 0;
	memcpy(p->bytes, bytes, n);
	*to->last = p;
	to->last = &p->next;
}

static void
watch_out(struct side *s, int on)
{
	if (s->is_watched == on)
		return;
	s->is_watched = on;
	watch(s, EPOLL_CTL_MOD, (s->has_ended ? 0 : EPOLLIN) |
	    (on ? EPOLLOUT : 0));
}

/* Writes what has arrived; gives when the next will, or UINT64_MAX. */
static uint64_t
deliver(struct side *s, uint64_t time_ns)
{
	struct piece *p;
	ssize_t n;

	while ((p = s->first) != NULL && s->fd != -1) {
		if (p->due_ns > time_ns)
			return p->due_ns;
		if (p->length == 0) {
			shutdown(s->fd, SHUT_WR);
			s->is_shut = 1;
		} else if (!s->is_shut) {
			n = send(s->fd, p->bytes + p->sent,
			    p->length - p->sent, MSG_NOSIGNAL);
			if (n == -1 && errno == EAGAIN) {
				watch_out(s, 1);
				return UINT64_MAX;
			}
			if (n == -1)
				s->is_shut = 1;
			else if ((p->sent += n) < p->length)
				continue;
		}
		if ((s->first = p->next) == NULL)
			s->last = &s->first;
		free(p);
	}
	if (s->is_watched)
		watch_out(s, 0);
	return UINT64_MAX;
}

static int
is_over(const struct link *l)
{
	return l->due_ns == 0 && l->client.has_ended && l->server.has_ended &&
	    l->client.first == NULL && l->server.first == NULL;
}

/* One look at all links; gives when to look again. */
static uint64_t
go_round(void)
{
	struct link **at = &links, *l;
	uint64_t time_ns = now_ns(), next = UINT64_MAX, t;

	while ((l = *at) != NULL) {
		if (l->due_ns != 0 && l->due_ns <= time_ns)
			call_server(l);
		if (l->due_ns != 0 && l->due_ns < next)
			next = l->due_ns;
		if ((t = deliver(&l->client, time_ns)) < next)
			next = t;
		if ((t = deliver(&l->server, time_ns)) < next)
			next = t;
		if (!is_over(l)) {
			at = &l->next;
			continue;
		}
		*at = l->next;
		close(l->client.fd);
		close(l->server.fd);
		free(l);
	}
	return next;
}

int
main(int argc, char **argv)
{
	static struct side timer, listener;
	struct epoll_event events[256];
	struct rlimit files = { 65536, 65536 };
	uint64_t next, ignored;
	int n, i;

	if (argc != 4)
		errx(64, "usage: proxy port target-port round-trip-ms");
	setrlimit(RLIMIT_NOFILE, &files);
	target = atoi(argv[2]);
	half_ns = atof(argv[3]) * 1e6 / 2;
	if ((poller = epoll_create1(EPOLL_CLOEXEC)) == -1)
		err(1, "epoll_create1");
	timer.fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
	watch(&timer, EPOLL_CTL_ADD, EPOLLIN);
	listener.fd = listen_at("127.0.0.1", atoi(argv[1]), SOCK_NONBLOCK);
	watch(&listener, EPOLL_CTL_ADD, EPOLLIN);
	while (!is_stopping) {
		n = epoll_wait(poller, events, 256, -1);
		for (i = 0; i < n; i++) {
			struct side *s = events[i].data.ptr;

			if (s == &timer)
				n = read(timer.fd, &ignored, 8) == 8 ? n : n;
			else if (s == &listener)
				accept_all(listener.fd);
			else if (!s->has_ended &&
			    events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR))
				take(s);
		}
		next = go_round();
		if (next != UINT64_MAX) {
			struct itimerspec t = { .it_value = {
			    next / 1000000000, next % 1000000000 } };

			timerfd_settime(timer.fd, TFD_TIMER_ABSTIME, &t, NULL);
		}
	}
	return 0;
}
