/*
 * log.h - one event, one line: key=value, ids first, text last.
 * Values that come from outside go through buf_put_clean() first or are
 * given to log_event(), which does it.
 */
#ifndef LIB_LOG_H
#define LIB_LOG_H

#include "lib/buf.h"

/* Where a parser or a check says what it found; never NULL-called. */
struct report {
	void	(*say)(void *arg, const char *file, unsigned line,
		    const char *text);
	void	*arg;
};

/* One that says nothing: for readers that only want the values. */
extern const struct report report_quiet;

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO,
    LOG_LEVEL_DEBUG };
enum log_where { LOG_TO_SYSLOG, LOG_TO_STDERR, LOG_TO_FD };

struct log {
	enum log_where	 where;
	enum log_level	 level;		/* what is more than this is dropped */
	int		 fd;		/* for LOG_TO_FD: owned by the caller */
	char		 tag[33];	/* "dma", or -L */
};

void	log_init(struct log *, const char *tag);
/* Tells syslog the tag, which it keeps by reference: log must stay. */
void	log_open(struct log *);
/* The text is cleaned as a whole: no control can reach the log. */
void	log_say(const struct log *, enum log_level, const char *, ...)
	    PRINTF_LIKE(3, 4);
/* For struct report, with a struct log as its argument: warnings. */
void	log_report(void *log, const char *file, unsigned line,
	    const char *text);

#endif
