/*
 * tree_lines.h - the lines that dma-smtpd puts before a message: Forward-Path
 * for each recipient, then one Return-Path, then Received.
 * Pure.
 */
#ifndef SMTPD_DRAIN_TREE_LINES_H
#define SMTPD_DRAIN_TREE_LINES_H

#include <stddef.h>

#define TREE_RECIPIENTS_MAX	65536
#define TREE_LINE_MAX		4096	/* bytes of one of the lines */

struct tree_recipient {
	char	*path;			/* owned */
	const char *parameters;		/* as given, in the storage of path */
	unsigned notify;		/* NOTIFY_*; 0: not said */
	size_t	 at, len;		/* of its line, with the end */
};

struct tree_lines {
	struct tree_recipient *recipients;	/* owned */
	size_t	 nrecipients, cap;
	char	*sender;		/* owned; "" is the null path */
	const char *parameters;		/* within the storage of sender */
	size_t	 return_path_at;	/* of its line */
	size_t	 received_at;		/* where the message begins */
	const char *problem;		/* a constant, when the lines are bad */
};

enum tree_lines_result {
	TREE_LINES_COMPLETE,
	TREE_LINES_MORE,	/* no Received yet: more bytes are needed */
	TREE_LINES_BAD		/* problem says why */
};

/*
 * Reads the lines at the beginning of a message.  To be freed in any case,
 * also before it is called again with more bytes.
 */
enum tree_lines_result tree_lines_parse(struct tree_lines *, const char *,
	    size_t len);
void	tree_lines_fini(struct tree_lines *);

#endif
