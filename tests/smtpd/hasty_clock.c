/*
 * hasty_clock.c - a real-time clock that runs HASTE times as fast, as an
 * LD_PRELOAD.  The monotonic clock stays as it is.
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static struct timespec begin, begin_monotonic;

static int
raw(clockid_t clock, struct timespec *ts)
{
	return (int)syscall(SYS_clock_gettime, clock, ts);
}

__attribute__((constructor)) static void
start(void)
{
	raw(CLOCK_REALTIME, &begin);
	raw(CLOCK_MONOTONIC, &begin_monotonic);
}

int
clock_gettime(clockid_t clock, struct timespec *ts)
{
	const char *haste = getenv("HASTE");
	long long ns;

	if ((clock != CLOCK_REALTIME && clock != CLOCK_REALTIME_COARSE) ||
	    haste == NULL)
		return raw(clock, ts);
	raw(CLOCK_MONOTONIC, ts);
	ns = (ts->tv_sec - begin_monotonic.tv_sec) * 1000000000LL +
	    ts->tv_nsec - begin_monotonic.tv_nsec;
	ns = ns * atol(haste) + begin.tv_nsec;
	ts->tv_sec = begin.tv_sec + ns / 1000000000LL;
	ts->tv_nsec = ns % 1000000000LL;
	return 0;
}

time_t
time(time_t *out)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	if (out != NULL)
		*out = ts.tv_sec;
	return ts.tv_sec;
}

int
gettimeofday(struct timeval *restrict tv, void *restrict zone)
{
	struct timespec ts;

	(void)zone;
	clock_gettime(CLOCK_REALTIME, &ts);
	tv->tv_sec = ts.tv_sec;
	tv->tv_usec = ts.tv_nsec / 1000;
	return 0;
}
