/*
 * options.h - sendmail's argv as a structure (dma(8), OPTIONS).
 */
#ifndef OPTIONS_H
#define OPTIONS_H

#include "message.h"
#include "lib/buf.h"
#include "submit/selection.h"

enum mode {
	MODE_SEND,
	MODE_SMTP,		/* -bs */
	MODE_VERIFY,		/* -bv */
	MODE_LIST,		/* -bp, mailq */
	MODE_ALIASES,		/* -bi, newaliases */
	MODE_FLUSH,		/* -q */
	MODE_CHECK,		/* dma check: rcpts are its arguments */
	MODE_SETUP,		/* dma setup: the same */
	MODE_QUEUE,		/* dma queue: the same */
	MODE_STATUS,		/* dma status: the same */
	MODE_HELP,		/* dma --help */
	MODE_VERSION,		/* dma --version */
	MODE_NOTHING		/* -bh and its like: accepted, nothing to do */
};

struct options {
	enum mode	 mode;
	int		 take_recipients;	/* -t */
	int		 dot_is_text;		/* -i */
	int		 is_queue_only;		/* -bq, -odq */
	int		 is_foreground;		/* -D, -v */
	int		 is_watched;		/* -v: show what is said */
	int		 is_8bit;		/* -B8BITMIME */
	int		 is_json;		/* --json, with MODE_LIST */
	int		 is_wake;		/* -qd: only what is due */
	unsigned	 interval_s;		/* -q30m; 0: once */
	struct selection selection;		/* -qI, -qR, -qS; lent */
	const char	*sender;		/* lent from argv, or NULL */
	const char	*fullname;		/* the same */
	const char	*tag;			/* the same */
	unsigned	 notify;	/* -N: NOTIFY_*; 0: not given */
	enum ret	 ret;			/* -R */
	const char	*envid;			/* -V: lent; or NULL */
	char		**rcpts;		/* owned array, lent members */
	int		 nrcpts;
};

/*
 * 0; or an exit status of sysexits.h with a line of text in why.  argv[0]
 * decides with its last path component.
 */
int	options_parse(struct options *, int argc, char **argv,
	    struct buf *reason);
void	options_fini(struct options *);

#endif
