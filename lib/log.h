/*
 * log.h - one event, one line: key=value, ids first, text last.
 * A value given by %s is escaped by where it stands in the format:
 * key=<%s>, key="%s", key=%s, or a text of its own.  So nothing that comes
 * from outside may be put into a format, or be pasted together before.
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
enum log_where { LOG_TO_SYSLOG, LOG_TO_STDERR, LOG_TO_FD, LOG_TO_FUNCTION };

#define LOG_TEXT_MAX	8000	/* bytes of a text from another process */

struct log {
	enum log_where	 where;
	enum log_level	 level;		/* what is more than this is dropped */
	int		 fd;		/* for LOG_TO_FD: owned by the caller */
	/* For LOG_TO_FUNCTION; the text is clean. */
	void		(*take)(void *arg, enum log_level, const char *text);
	void		*arg;		/* lent */
	struct buf	*held;		/* lent, from log_hold() to its end */
	char		 tag[33];	/* "dma", or -L */
};

void	log_init(struct log *, const char *tag);
/* Tells syslog the tag, which it keeps by reference: log must stay. */
void	log_open(struct log *);
/*
 * Lines for a file gather in a buf, which is lent, until log_release() writes
 * them with one call.  No process may be started meanwhile.
 */
void	log_hold(struct log *, struct buf *);
void	log_release(struct log *);
/* A line that is put together of several formats; all zero at first. */
struct log_line {
	struct buf	 text;
	int		 in_quotes, in_angle;	/* what a format has open */
};

void	log_put(struct log_line *, const char *, ...) PRINTF_LIKE(2, 3);
/* Writes the line, and frees it. */
void	log_end(const struct log *, enum log_level, struct log_line *);

/* Conversions: s, .*s, d, u with the sizes l, ll and z. */
void	log_say(const struct log *, enum log_level, const char *, ...)
	    PRINTF_LIKE(3, 4);
/* "dma: " and a line in the same way, for whoever runs the program. */
void	log_stderr(const char *, ...) PRINTF_LIKE(1, 2);
/* For struct report, with a struct log as its argument: warnings. */
void	log_report(void *log, const char *file, unsigned line,
	    const char *text);

#endif
