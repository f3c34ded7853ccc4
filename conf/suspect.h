/*
 * suspect.h - lines of dma.conf with errors that may affect where mail is sent.
 */
#ifndef CONF_SUSPECT_H
#define CONF_SUSPECT_H

/* The mail that is deferred because of such a line. */
enum suspect {
	SUSPECT_NONE,
	SUSPECT_REMOTE,		/* mail for other hosts */
	SUSPECT_ALL
};

/*
 * Guesses the purpose of a line with an unknown key: by the key, which may be
 * misspelled or belong to another program, and by known keys in the rest.
 */
enum suspect suspect_line(const char *line);

#endif
