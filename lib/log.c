/*
 * log.c - one event, one line.
 * Runs as: anyone.  Uses: syslog, standard error, an open log file, or a
 * process that logs for this one.
 * Promise: no control character reaches the log, and no value looks like
 * another field.
 */
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "lib/io.h"
#include "lib/log.h"

#define LOG_LINE_MAX	8192	/* bytes of one line */
#define HELD_MAX	32768	/* bytes of lines until they are written */

static void
say_nothing(void *arg, const char *file, unsigned line, const char *text)
{
	(void)arg;
	(void)file;
	(void)line;
	(void)text;
}

const struct report report_quiet = { say_nothing, NULL };

static const int priorities[] = {
	[LOG_LEVEL_ERROR] = LOG_ERR,
	[LOG_LEVEL_WARNING] = LOG_WARNING,
	[LOG_LEVEL_INFO] = LOG_INFO,
	[LOG_LEVEL_DEBUG] = LOG_DEBUG,
};

void
log_init(struct log *log, const char *tag)
{
	memset(log, 0, sizeof(*log));
	log->where = LOG_TO_SYSLOG;
	log->level = LOG_LEVEL_INFO;
	log->fd = -1;
	if (text_copy(log->tag, sizeof(log->tag), tag) == -1)
		text_copy(log->tag, sizeof(log->tag), "dma");
}

void
log_open(struct log *log)
{
	if (log->where == LOG_TO_SYSLOG)
		openlog(log->tag, LOG_PID, LOG_MAIL);
}

/* A file has no daemon that adds the time, the tag and the pid. */
static void
stamp(const struct log *log, struct buf *line)
{
	char when[32];
	struct tm tm;
	time_t now;

	now = time(NULL);
	if (gmtime_r(&now, &tm) == NULL ||
	    strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		when[0] = '\0';
	buf_printf(line, "%s %s[%ld]: ", when, log->tag, (long)getpid());
}

/* ---- a line of formats and their values ---- */

/* Puts a part of the format itself, and keeps track of what is open in it. */
static void
put_literal(struct log_line *l, const char *text, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++) {
		if (text[i] == '"')
			l->in_quotes = !l->in_quotes;
		else if (!l->in_quotes && (text[i] == '<' || text[i] == '>'))
			l->in_angle = text[i] == '<';
	}
	buf_add(&l->text, text, len);
}

/*
 * Characters that would end the value are escaped: the quotes or <> around it;
 * after a bare equals sign, also a blank.  Text outside of fields keeps quotes.
 */
static void
put_string(struct log_line *l, const char *s, size_t len)
{
	size_t left = l->text.len < LOG_LINE_MAX ?
	    LOG_LINE_MAX - l->text.len : 0;
	const char *also = ">";

	if (l->in_quotes || l->in_angle)
		also = "\">";
	else if (l->text.len > 0 && l->text.data[l->text.len - 1] == '=')
		also = "\"> ";
	buf_put_value(&l->text, s, len, left, also);
}

static void
put_signed(struct log_line *l, va_list *from, char size)
{
	intmax_t v;

	v = size == 'L' ? va_arg(*from, long long) :
	    size == 'l' ? va_arg(*from, long) : va_arg(*from, int);
	buf_printf(&l->text, "%jd", v);
}

static void
put_unsigned(struct log_line *l, va_list *from, char size)
{
	uintmax_t v;

	v = size == 'L' ? va_arg(*from, unsigned long long) :
	    size == 'l' ? va_arg(*from, unsigned long) :
	    size == 'z' ? va_arg(*from, size_t) : va_arg(*from, unsigned);
	buf_printf(&l->text, "%ju", v);
}

/*
 * Puts the value of the conversion after a % sign: s, .*s, d, u with l, ll and
 * z, and no others.  Gives where the format goes on.
 */
static const char *
put_conversion(struct log_line *l, const char *fmt, va_list *from)
{
	size_t max = SIZE_MAX;
	const char *s;
	char size = '\0';
	int n;

	if (fmt[0] == '.' && fmt[1] == '*') {
		n = va_arg(*from, int);
		max = n < 0 ? 0 : (size_t)n;
		fmt += 2;
	}
	for (; *fmt == 'l' || *fmt == 'z'; fmt++)
		size = size == 'l' ? 'L' : *fmt;
	if (*fmt == 's') {
		s = va_arg(*from, const char *);
		if (s != NULL)
			put_string(l, s, strnlen(s, max));
	} else if (*fmt == 'd') {
		put_signed(l, from, size);
	} else if (*fmt == 'u') {
		put_unsigned(l, from, size);
	} else {
		put_literal(l, "%", 1);
		return fmt;
	}
	return fmt + 1;
}

static void
put_format(struct log_line *l, const char *fmt, va_list *from)
{
	size_t n;

	while (*fmt != '\0') {
		n = strcspn(fmt, "%");
		put_literal(l, fmt, n);
		fmt += n;
		if (*fmt == '%')
			fmt = put_conversion(l, fmt + 1, from);
	}
}

void
log_put(struct log_line *l, const char *fmt, ...)
{
	va_list from;

	va_start(from, fmt);
	put_format(l, fmt, &from);
	va_end(from);
}

/* There is nowhere left to report that logging failed. */
static void
write_line(int fd, struct log_line *l)
{
	buf_putc(&l->text, '\n');
	(void)io_write_all(fd, buf_str(&l->text), l->text.len);
}

static void
write_held(const struct log *log)
{
	(void)io_write_all(log->fd, buf_str(log->held), log->held->len);
	buf_reset(log->held);
}

void
log_hold(struct log *log, struct buf *held)
{
	log->held = held;
}

void
log_release(struct log *log)
{
	if (log->held->len > 0)
		write_held(log);
	log->held = NULL;
}

/* A line for a file. */
static void
hold_or_write(const struct log *log, struct log_line *l)
{
	if (log->held == NULL) {
		write_line(log->fd, l);
		return;
	}
	buf_putc(&l->text, '\n');
	buf_add(log->held, buf_str(&l->text), l->text.len);
	if (log->held->len >= HELD_MAX || buf_failed(log->held))
		write_held(log);
}

void
log_end(const struct log *log, enum log_level level, struct log_line *l)
{
	struct log_line all = { .in_quotes = 0 };

	if (level > log->level) {
		/* not wanted */
	} else if (log->where == LOG_TO_SYSLOG) {
		syslog(LOG_MAIL | priorities[level], "%s", buf_str(&l->text));
	} else if (log->where == LOG_TO_FUNCTION) {
		log->take(log->arg, level, buf_str(&l->text));
	} else {
		if (log->where == LOG_TO_FD)
			stamp(log, &all.text);
		else
			buf_printf(&all.text, "%s: ", log->tag);
		buf_puts(&all.text, buf_str(&l->text));
		if (log->where == LOG_TO_FD)
			hold_or_write(log, &all);
		else
			write_line(STDERR_FILENO, &all);
	}
	buf_fini(&all.text);
	buf_fini(&l->text);
}

void
log_say(const struct log *log, enum log_level level, const char *fmt, ...)
{
	struct log_line l = { .in_quotes = 0 };
	va_list from;

	if (level > log->level)
		return;
	va_start(from, fmt);
	put_format(&l, fmt, &from);
	va_end(from);
	log_end(log, level, &l);
}

void
log_stderr(const char *fmt, ...)
{
	struct log_line l = { .in_quotes = 0 };
	va_list from;

	buf_puts(&l.text, "dma: ");
	va_start(from, fmt);
	put_format(&l, fmt, &from);
	va_end(from);
	write_line(STDERR_FILENO, &l);
	buf_fini(&l.text);
}

void
log_report(void *log, const char *file, unsigned line, const char *text)
{
	if (line > 0)
		log_say(log, LOG_LEVEL_WARNING, "%s:%u: %s", file, line, text);
	else
		log_say(log, LOG_LEVEL_WARNING, "%s: %s", file, text);
}
