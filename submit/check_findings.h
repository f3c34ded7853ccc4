/*
 * check_findings.h - what a check has found, for people or programs.
 */
#ifndef SUBMIT_CHECK_FINDINGS_H
#define SUBMIT_CHECK_FINDINGS_H

#include "lib/buf.h"

enum finding {
	FINDING_OK,
	FINDING_WARNING,	/* mail is delivered all the same */
	FINDING_ERROR,		/* some mail is not */
	FINDING__MAX
};

enum findings_form {
	FINDINGS_LINES,		/* "level   subject: text" */
	FINDINGS_JSON,		/* an object on a line: level, subject, line,
				 * text */
	FINDINGS_SENDMAIL	/* "subject... text" */
};

struct findings {
	enum findings_form form;
	unsigned n[FINDING__MAX];
};

/* Prints one: subject is a path or a word, line 0 for none. */
void	findings_add(struct findings *, enum finding, const char *subject,
	    unsigned line, const char *, ...) PRINTF_LIKE(5, 6);
/* Prints how many there were. */
void	findings_end(const struct findings *);

#endif
