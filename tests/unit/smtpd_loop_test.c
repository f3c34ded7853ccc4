/*
 * smtpd_loop_test.c - the event loop: timers in their order, watches that end
 * each other, with epoll and with poll.
 */
#include <unistd.h>

#include "lib/io.h"
#include "smtpd/loop.h"
#include "tests/unit/t.h"

#define TIMERS	200

/* With is_poll as on systems that have no epoll. */
static void
begin(struct loop *l, int is_poll)
{
	assert_int_equal(loop_init(l), 0);
	if (is_poll)
		io_close(&l->epoll_fd);
}

struct clock_timer {
	struct loop_timer timer;
	struct loop	*loop;
	int64_t		*last_due_ms;
	int64_t		 wanted_ms;
	unsigned	*ncalled;
	struct clock_timer *victim;	/* cancelled by this one; or NULL */
};

static void
expired(void *arg)
{
	struct clock_timer *t = arg;

	(*t->ncalled)++;
	assert_true(t->wanted_ms >= *t->last_due_ms);
	assert_true(t->wanted_ms <= loop_now(t->loop));
	*t->last_due_ms = t->wanted_ms;
	if (t->victim != NULL)
		loop_timer_cancel(t->loop, &t->victim->timer);
}

static void
test_timers_expire_in_order(void **state)
{
	struct clock_timer t[TIMERS];
	unsigned ncalled = 0, ncancelled = 0;
	int64_t last_due_ms = 0;
	struct loop l;

	(void)state;
	begin(&l, 0);
	memset(t, 0, sizeof(t));
	for (size_t i = 0; i < TIMERS; i++) {
		t[i].timer.expired = expired;
		t[i].timer.arg = &t[i];
		t[i].loop = &l;
		t[i].last_due_ms = &last_due_ms;
		t[i].ncalled = &ncalled;
		t[i].wanted_ms = loop_now(&l) + (int64_t)(i * 7919 % 20);
		assert_int_equal(loop_timer_set(&l, &t[i].timer,
		    t[i].wanted_ms + 1000), 0);
	}
	/* Moved, and some taken out, from any place of the heap. */
	for (size_t i = 0; i < TIMERS; i++) {
		assert_int_equal(loop_timer_set(&l, &t[i].timer,
		    t[i].wanted_ms), 0);
		if (i % 3 == 0) {
			loop_timer_cancel(&l, &t[i].timer);
			loop_timer_cancel(&l, &t[i].timer);
			ncancelled++;
		}
	}
	while (ncalled < TIMERS - ncancelled)
		assert_int_equal(loop_turn(&l, -1), 0);
	assert_int_equal(l.ntimers, 0);
	loop_fini(&l);
}

static void
test_timer_may_cancel_another_that_is_due(void **state)
{
	struct clock_timer t[2];
	unsigned ncalled = 0;
	int64_t last_due_ms = 0;
	struct loop l;

	(void)state;
	begin(&l, 0);
	memset(t, 0, sizeof(t));
	for (size_t i = 0; i < 2; i++) {
		t[i] = (struct clock_timer){ .timer = { .expired = expired,
		    .arg = &t[i] }, .loop = &l, .last_due_ms = &last_due_ms,
		    .ncalled = &ncalled, .wanted_ms = loop_now(&l),
		    .victim = &t[1 - i] };
		assert_int_equal(loop_timer_set(&l, &t[i].timer,
		    loop_now(&l)), 0);
	}
	assert_int_equal(loop_turn(&l, 0), 0);
	assert_int_equal(loop_turn(&l, 0), 0);
	assert_int_equal(ncalled, 1);
	loop_fini(&l);
}

struct pipe_watch {
	struct loop_watch watch;
	struct loop	*loop;
	int		 fds[2];
	unsigned	 ncalled, events;
	struct pipe_watch *victim;	/* ended by this one; or NULL */
};

static void
ready(void *arg, unsigned events)
{
	struct pipe_watch *w = arg;

	w->ncalled++;
	w->events |= events;
	if (w->victim != NULL)
		assert_int_equal(loop_watch(w->loop, &w->victim->watch, 0), 0);
}

static void
open_pipe(struct loop *l, struct pipe_watch *w)
{
	memset(w, 0, sizeof(*w));
	assert_int_equal(pipe(w->fds), 0);
	w->loop = l;
	w->watch.fd = w->fds[0];
	w->watch.ready = ready;
	w->watch.arg = w;
}

static void
close_pipe(struct pipe_watch *w)
{
	io_close(&w->fds[0]);
	io_close(&w->fds[1]);
}

static void
test_watches(void **state)
{
	struct pipe_watch a, b;
	struct loop l;

	(void)state;
	for (int is_poll = 0; is_poll <= 1; is_poll++) {
		begin(&l, is_poll);
		open_pipe(&l, &a);
		open_pipe(&l, &b);
		assert_int_equal(loop_watch(&l, &a.watch, LOOP_READ), 0);
		assert_int_equal(loop_watch(&l, &b.watch, LOOP_READ), 0);
		assert_int_equal(loop_turn(&l, 0), 0);
		assert_int_equal(a.ncalled + b.ncalled, 0);
		assert_int_equal(write(b.fds[1], "x", 1), 1);
		assert_int_equal(loop_turn(&l, -1), 0);
		assert_int_equal(a.ncalled, 0);
		assert_int_equal(b.ncalled, 1);
		assert_int_equal(b.events, LOOP_READ);
		/* Ended, and watched again; an end of input is seen. */
		assert_int_equal(loop_watch(&l, &b.watch, 0), 0);
		assert_int_equal(loop_turn(&l, 0), 0);
		assert_int_equal(b.ncalled, 1);
		io_close(&a.fds[1]);
		assert_int_equal(loop_turn(&l, -1), 0);
		assert_int_equal(a.ncalled, 1);
		assert_true(a.events & LOOP_READ);
		assert_int_equal(loop_watch(&l, &a.watch, 0), 0);
		close_pipe(&a);
		close_pipe(&b);
		loop_fini(&l);
	}
}

/* Of two that are ready, each would end the other: one is called. */
static void
test_watch_may_end_another_that_is_ready(void **state)
{
	struct pipe_watch a, b;
	struct loop l;

	(void)state;
	for (int is_poll = 0; is_poll <= 1; is_poll++) {
		begin(&l, is_poll);
		open_pipe(&l, &a);
		open_pipe(&l, &b);
		a.victim = &b;
		b.victim = &a;
		assert_int_equal(loop_watch(&l, &a.watch, LOOP_READ), 0);
		assert_int_equal(loop_watch(&l, &b.watch, LOOP_READ), 0);
		assert_int_equal(write(a.fds[1], "x", 1), 1);
		assert_int_equal(write(b.fds[1], "x", 1), 1);
		assert_int_equal(loop_turn(&l, -1), 0);
		assert_int_equal(a.ncalled + b.ncalled, 1);
		(void)loop_watch(&l, &a.watch, 0);
		(void)loop_watch(&l, &b.watch, 0);
		close_pipe(&a);
		close_pipe(&b);
		loop_fini(&l);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_timers_expire_in_order),
		cmocka_unit_test(test_timer_may_cancel_another_that_is_due),
		cmocka_unit_test(test_watches),
		cmocka_unit_test(test_watch_may_end_another_that_is_ready)
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
