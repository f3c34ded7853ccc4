/*
 * t_steps.h - a loop whose turns are the steps of a test, with a clock of its
 * own.  The program that includes it has no other: it stands for smtpd/loop.c.
 */
#ifndef TESTS_UNIT_T_STEPS_H
#define TESTS_UNIT_T_STEPS_H

#include <poll.h>
#include <unistd.h>

#include "smtpd/loop.h"
#include "tests/unit/t.h"

#define T_STEPS_WATCHES	16
#define T_STEPS_TIMERS	8

struct t_steps {
	void		(*const *next)(void);	/* ends with NULL */
	unsigned	 nfailed;	/* turns after the last */
	int64_t		 now_ms;
	struct t_steps_watch {
		struct loop_watch *watch;	/* while what is tested runs */
		int	 fd;
		unsigned events;
		unsigned nended;	/* how often it was ended */
	}		 watches[T_STEPS_WATCHES];
	size_t		 nwatches;
	struct loop_timer *timers[T_STEPS_TIMERS];
	size_t		 ntimers;
};

static struct t_steps t_steps;

/* Of a test, without what was before it. */
static void
t_steps_begin(void (*const *steps)(void))
{
	memset(&t_steps, 0, sizeof(t_steps));
	t_steps.next = steps;
	t_steps.now_ms = 1000;
}

static const struct t_steps_watch *
t_steps_watch(int fd)
{
	static const struct t_steps_watch none;
	size_t i;

	for (i = 0; i < t_steps.nwatches; i++)
		if (t_steps.watches[i].fd == fd)
			return &t_steps.watches[i];
	return &none;
}

/* Calls each whose descriptor can be read. */
static void
t_steps_fire(void)
{
	struct pollfd pfd = { .events = POLLIN };
	const struct t_steps_watch *w;
	size_t i;

	for (i = 0; i < t_steps.nwatches; i++) {
		w = &t_steps.watches[i];
		pfd.fd = w->fd;
		if ((w->events & LOOP_READ) != 0 && poll(&pfd, 1, 0) == 1)
			w->watch->ready(w->watch->arg, LOOP_READ);
	}
}

/* Time, with the timers that are due then. */
static void
t_steps_pass(int64_t ms)
{
	struct loop_timer *t;
	size_t i = 0;

	t_steps.now_ms += ms;
	while (i < t_steps.ntimers) {
		t = t_steps.timers[i];
		if (t->due_ms > t_steps.now_ms) {
			i++;
			continue;
		}
		loop_timer_cancel(NULL, t);
		t->expired(t->arg);
		i = 0;
	}
}

int
loop_init(struct loop *l)
{
	(void)l;
	return 0;
}

void
loop_fini(struct loop *l)
{
	(void)l;
}

int64_t
loop_now(const struct loop *l)
{
	(void)l;
	return t_steps.now_ms;
}

int
loop_watch(struct loop *l, struct loop_watch *w, unsigned events)
{
	struct t_steps_watch *known = t_steps.watches;

	(void)l;
	while (known < t_steps.watches + t_steps.nwatches && known->watch != w)
		known++;
	if (known == t_steps.watches + t_steps.nwatches) {
		assert_true(t_steps.nwatches < T_STEPS_WATCHES);
		t_steps.nwatches++;
		known->watch = w;
		known->fd = w->fd;
	}
	known->nended += events == 0 && known->events != 0;
	known->events = events;
	return 0;
}

int
loop_timer_set(struct loop *l, struct loop_timer *t, int64_t due_ms)
{
	loop_timer_cancel(l, t);
	assert_true(t_steps.ntimers < T_STEPS_TIMERS);
	t_steps.timers[t_steps.ntimers++] = t;
	t->index = 1;
	t->due_ms = due_ms;
	return 0;
}

void
loop_timer_cancel(struct loop *l, struct loop_timer *t)
{
	size_t i;

	(void)l;
	for (i = 0; i < t_steps.ntimers; i++)
		if (t_steps.timers[i] == t)
			t_steps.timers[i--] =
			    t_steps.timers[--t_steps.ntimers];
	t->index = 0;
}

/* The next step; after the last, nothing can be waited for, which is to end
 * what is tested. */
int
loop_turn(struct loop *l, int limit_ms)
{
	(void)l;
	assert_int_equal(limit_ms, -1);
	if (*t_steps.next == NULL) {
		assert_int_equal(t_steps.nfailed++, 0);
		return -1;
	}
	(*t_steps.next++)();
	return 0;
}

#endif
