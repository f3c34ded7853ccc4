/*
 * time_text.c - times as people read them.
 * Runs as: the spool user.  Uses: the time zone.
 * Promise: none of it is meant for programs.
 */
#include <string.h>

#include "submit/time_text.h"

#define MINUTE_S	60
#define HOUR_S		3600
#define DAY_S		86400

static void
put_2(char *dst, int n)
{
	dst[0] = (char)('0' + n / 10 % 10);
	dst[1] = (char)('0' + n % 10);
}

/* Not by strftime(3), which is slow: a queue has many dates. */
void
time_text_put(struct buf *b, time_t when)
{
	static const char days[] = "SunMonTueWedThuFriSat",
	    months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	char text[] = "Sun, 00 Jan 0000 00:00:00 ", zone[8];
	struct tm tm;

	if (localtime_r(&when, &tm) == NULL || tm.tm_year > 9999 - 1900 ||
	    tm.tm_year < 0 || strftime(zone, sizeof(zone), "%z",
	    &tm) == 0) {
		buf_puts(b, "an unknown time");
		return;
	}
	memcpy(text, days + 3 * tm.tm_wday, 3);
	put_2(text + 5, tm.tm_mday);
	memcpy(text + 8, months + 3 * tm.tm_mon, 3);
	put_2(text + 12, tm.tm_year / 100 + 19);
	put_2(text + 14, tm.tm_year % 100);
	put_2(text + 17, tm.tm_hour);
	put_2(text + 20, tm.tm_min);
	put_2(text + 23, tm.tm_sec);
	buf_add(b, text, sizeof(text) - 1);
	buf_puts(b, zone);
}

static void
put_unit(struct buf *b, int64_t n, const char *unit)
{
	buf_put_number(b, n);
	buf_puts(b, unit);
}

static void
put_units(struct buf *b, int64_t n, const char *unit, int64_t smaller,
    const char *smaller_unit)
{
	put_unit(b, n, unit);
	put_unit(b, smaller, smaller_unit);
}

void
time_text_put_span(struct buf *b, int64_t s)
{
	if (s < 0)
		s = 0;
	if (s < MINUTE_S)
		put_unit(b, s, " s");
	else if (s < HOUR_S)
		put_unit(b, s / MINUTE_S, " min");
	else if (s < DAY_S)
		put_units(b, s / HOUR_S, " h ", s % HOUR_S / MINUTE_S, " min");
	else
		put_units(b, s / DAY_S, " d ", s % DAY_S / HOUR_S, " h");
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
