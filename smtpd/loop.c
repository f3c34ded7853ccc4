/*
 * loop.c - the event loop of a process: descriptors and timers.
 *
 * Runs as: the process that uses it.
 * Uses: epoll(7) on Linux, poll(2) elsewhere.
 * Promise: a callback may end any watch or timer; nothing that was ended is
 * called afterwards in the same turn.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#if defined(__linux__)
#include <sys/epoll.h>
#endif

#include "lib/array.h"
#include "lib/io.h"
#include "smtpd/loop.h"

#define BATCH	(sizeof(((struct loop *)0)->batch) / sizeof(void *))

int
loop_init(struct loop *l)
{
	memset(l, 0, sizeof(*l));
	l->now_ms = io_clock_ms();
#if defined(__linux__)
	l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	return l->epoll_fd == -1 ? -1 : 0;
#else
	l->epoll_fd = -1;
	return 0;
#endif
}

void
loop_fini(struct loop *l)
{
	io_close(&l->epoll_fd);
	free(l->watches);
	free(l->heap);
	memset(l, 0, sizeof(*l));
	l->epoll_fd = -1;
}

/* What is ended in a turn is not called in it any more. */
static void
forget(struct loop *l, const struct loop_watch *w)
{
	for (size_t i = l->batch_at; i < l->nbatch; i++)
		if (l->batch[i] == w)
			l->batch[i] = NULL;
}

#if defined(__linux__)
static int
change_epoll(struct loop *l, struct loop_watch *w, unsigned events)
{
	struct epoll_event e;
	int op = EPOLL_CTL_MOD;

	memset(&e, 0, sizeof(e));
	e.data.ptr = w;
	if (events & LOOP_READ)
		e.events |= EPOLLIN;
	if (events & LOOP_WRITE)
		e.events |= EPOLLOUT;
	if (events & LOOP_EXCLUSIVE)
		e.events |= EPOLLEXCLUSIVE;
	if (w->events == 0)
		op = EPOLL_CTL_ADD;
	else if (events == 0)
		op = EPOLL_CTL_DEL;
	return epoll_ctl(l->epoll_fd, op, w->fd, &e);
}
#endif

static int
change_poll(struct loop *l, struct loop_watch *w, unsigned events)
{
	if (w->index == 0 && events != 0) {
		if (array_grow(&l->watches, &l->watches_cap, l->nwatches,
		    sizeof(struct loop_watch *)) == -1)
			return -1;
		l->watches[l->nwatches++] = w;
		w->index = l->nwatches;
	} else if (w->index != 0 && events == 0) {
		struct loop_watch *last = l->watches[--l->nwatches];

		l->watches[w->index - 1] = last;
		last->index = w->index;
		w->index = 0;
	}
	return 0;
}

int
loop_watch(struct loop *l, struct loop_watch *w, unsigned events)
{
	int changed;

	if (w->events == events)
		return 0;
#if defined(__linux__)
	changed = l->epoll_fd != -1 ? change_epoll(l, w, events) :
	    change_poll(l, w, events);
#else
	changed = change_poll(l, w, events);
#endif
	if (changed == 0 || events == 0)
		w->events = events;
	if (events == 0)
		forget(l, w);
	return changed;
}

/* The heap: the parent of i is (i - 1) / 2; an index is one more than i. */
static void
put_at(struct loop *l, size_t i, struct loop_timer *t)
{
	l->heap[i] = t;
	t->index = i + 1;
}

static void
sift_up(struct loop *l, size_t i, struct loop_timer *t)
{
	while (i > 0 && l->heap[(i - 1) / 2]->due_ms > t->due_ms) {
		put_at(l, i, l->heap[(i - 1) / 2]);
		i = (i - 1) / 2;
	}
	put_at(l, i, t);
}

static void
sift_down(struct loop *l, size_t i, struct loop_timer *t)
{
	for (size_t c = 2 * i + 1; c < l->ntimers; c = 2 * i + 1) {
		if (c + 1 < l->ntimers &&
		    l->heap[c + 1]->due_ms < l->heap[c]->due_ms)
			c++;
		if (l->heap[c]->due_ms >= t->due_ms)
			break;
		put_at(l, i, l->heap[c]);
		i = c;
	}
	put_at(l, i, t);
}

static void
place(struct loop *l, size_t i, struct loop_timer *t)
{
	if (i > 0 && l->heap[(i - 1) / 2]->due_ms > t->due_ms)
		sift_up(l, i, t);
	else
		sift_down(l, i, t);
}

int
loop_timer_set(struct loop *l, struct loop_timer *t, int64_t due_ms)
{
	if (t->index != 0) {
		t->due_ms = due_ms;
		place(l, t->index - 1, t);
		return 0;
	}
	if (array_grow(&l->heap, &l->heap_cap, l->ntimers,
	    sizeof(struct loop_timer *)) == -1)
		return -1;
	t->due_ms = due_ms;
	sift_up(l, l->ntimers++, t);
	return 0;
}

void
loop_timer_cancel(struct loop *l, struct loop_timer *t)
{
	size_t i = t->index - 1;
	struct loop_timer *last;

	if (t->index == 0)
		return;
	t->index = 0;
	last = l->heap[--l->ntimers];
	if (last != t)
		place(l, i, last);
}

int64_t
loop_now(const struct loop *l)
{
	return l->now_ms;
}

static void
run_timers(struct loop *l)
{
	/* A timer that sets itself anew at once is for the next turn. */
	for (size_t n = l->ntimers; n > 0 && l->ntimers > 0 &&
	    l->heap[0]->due_ms <= l->now_ms; n--) {
		struct loop_timer *t = l->heap[0];

		loop_timer_cancel(l, t);
		t->expired(t->arg);
	}
}

#if defined(__linux__)
static int
wait_epoll(struct loop *l, int wait_ms)
{
	struct epoll_event e[BATCH];
	int n = epoll_wait(l->epoll_fd, e, BATCH, wait_ms);

	for (int i = 0; i < n; i++) {
		unsigned events = 0;

		if (e[i].events & (EPOLLIN | EPOLLERR | EPOLLHUP))
			events |= LOOP_READ;
		if (e[i].events & (EPOLLOUT | EPOLLERR | EPOLLHUP))
			events |= LOOP_WRITE;
		l->batch[i] = e[i].data.ptr;
		l->batch_events[i] = events;
	}
	l->nbatch = n > 0 ? (size_t)n : 0;
	return n == -1 && errno != EINTR ? -1 : 0;
}
#endif

static int
wait_poll(struct loop *l, int wait_ms)
{
	struct pollfd *p = calloc(l->nwatches + 1, sizeof(*p));
	int n;

	if (p == NULL)
		return -1;
	for (size_t i = 0; i < l->nwatches; i++) {
		p[i].fd = l->watches[i]->fd;
		if (l->watches[i]->events & LOOP_READ)
			p[i].events |= POLLIN;
		if (l->watches[i]->events & LOOP_WRITE)
			p[i].events |= POLLOUT;
	}
	n = poll(p, l->nwatches, wait_ms);
	for (size_t i = 0; n > 0 && i < l->nwatches && l->nbatch < BATCH; i++) {
		unsigned events = 0;

		if (p[i].revents & (POLLIN | POLLERR | POLLHUP | POLLNVAL))
			events |= LOOP_READ;
		if (p[i].revents & (POLLOUT | POLLERR | POLLHUP | POLLNVAL))
			events |= LOOP_WRITE;
		if (events == 0)
			continue;
		l->batch[l->nbatch] = l->watches[i];
		l->batch_events[l->nbatch++] = events;
	}
	free(p);
	return n == -1 && errno != EINTR ? -1 : 0;
}

static int
wait_for_events(struct loop *l, int wait_ms)
{
	l->nbatch = l->batch_at = 0;
#if defined(__linux__)
	if (l->epoll_fd != -1)
		return wait_epoll(l, wait_ms);
#endif
	return wait_poll(l, wait_ms);
}

int
loop_turn(struct loop *l, int limit_ms)
{
	int wait_ms = limit_ms;

	if (l->ntimers > 0) {
		int64_t left = l->heap[0]->due_ms - io_clock_ms();

		if (left < 0)
			left = 0;
		if (wait_ms < 0 || left < wait_ms)
			wait_ms = left > 60000 ? 60000 : (int)left;
	}
	if (wait_for_events(l, wait_ms) == -1)
		return -1;
	l->now_ms = io_clock_ms();
	while (l->batch_at < l->nbatch) {
		struct loop_watch *w = l->batch[l->batch_at++];

		/* What is no longer watched for is not reported. */
		if (w != NULL && w->events != 0)
			w->ready(w->arg, l->batch_events[l->batch_at - 1]);
	}
	run_timers(l);
	return 0;
}
