/*
 * log.c - one event, one line.
 * Runs as: anyone.  Uses: syslog, standard error or an open log file.
 * Promise: no control character reaches the log, whatever is logged.
 */
#include <fcntl.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "lib/io.h"
#include "lib/log.h"

#define LOG_LINE_MAX	8192	/* bytes of one line */

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

/* A file has no daemon in front of it that says when and who. */
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

void
log_say(const struct log *log, enum log_level level, const char *fmt, ...)
{
	struct buf raw, line;
	va_list ap;

	if (level > log->level)
		return;
	buf_init(&raw, 0);
	buf_init(&line, 0);
	va_start(ap, fmt);
	buf_vprintf(&raw, fmt, ap);
	va_end(ap);
	if (log->where == LOG_TO_FD)
		stamp(log, &line);
	else if (log->where == LOG_TO_STDERR)
		buf_printf(&line, "%s: ", log->tag);
	buf_put_clean(&line, buf_str(&raw), raw.len, LOG_LINE_MAX);
	if (log->where == LOG_TO_SYSLOG) {
		syslog(LOG_MAIL | priorities[level], "%s", buf_str(&line));
	} else {
		buf_putc(&line, '\n');
		/* There is nowhere left to tell that logging failed. */
		(void)io_write_all(log->where == LOG_TO_FD ? log->fd :
		    STDERR_FILENO, buf_str(&line), line.len);
	}
	buf_fini(&raw);
	buf_fini(&line);
}

void
log_report(void *log, const char *file, unsigned line, const char *text)
{
	if (line > 0)
		log_say(log, LOG_LEVEL_WARNING, "%s:%u: %s", file, line, text);
	else
		log_say(log, LOG_LEVEL_WARNING, "%s: %s", file, text);
}
