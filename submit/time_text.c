/*
 * time_text.c - times as people read them.
 * Runs as: the spool user.  Uses: the time zone.
 * Promise: none of it is meant for programs.
 */
#include <inttypes.h>

#include "submit/time_text.h"

#define MINUTE_S	60
#define HOUR_S		3600
#define DAY_S		86400

void
time_text_put(struct buf *b, time_t when)
{
	char text[64];
	struct tm tm;

	if (localtime_r(&when, &tm) != NULL && strftime(text, sizeof(text),
	    "%a, %d %b %Y %H:%M:%S %z", &tm) != 0)
		buf_puts(b, text);
	else
		buf_puts(b, "an unknown time");
}

void
time_text_put_span(struct buf *b, int64_t s)
{
	if (s < 0)
		s = 0;
	if (s < MINUTE_S)
		buf_printf(b, "%" PRId64 " s", s);
	else if (s < HOUR_S)
		buf_printf(b, "%" PRId64 " min", s / MINUTE_S);
	else if (s < DAY_S)
		buf_printf(b, "%" PRId64 " h %" PRId64 " min", s / HOUR_S,
		    s % HOUR_S / MINUTE_S);
	else
		buf_printf(b, "%" PRId64 " d %" PRId64 " h", s / DAY_S,
		    s % DAY_S / HOUR_S);
}

void
time_text_put_next(struct buf *b, time_t when, time_t now)
{
	time_text_put(b, when);
	buf_puts(b, " (in ");
	time_text_put_span(b, (int64_t)when - now);
	buf_putc(b, ')');
}

void
time_text_put_attempt(struct buf *b, time_t due, time_t now)
{
	if (due > now)
		time_text_put_next(b, due, now);
	else
		buf_puts(b, "now, or when the host can be reached");
}
