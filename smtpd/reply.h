/*
 * reply.h - replies of the server, and what they count for.
 */
#ifndef SMTPD_REPLY_H
#define SMTPD_REPLY_H

#include "lib/buf.h"
#include "smtpd/smtpd_session.h"

#define REPLY_NO_MEMORY		"421 4.3.0 out of memory: try again later"

/* "code status text"; status "" for none. */
void	reply_put(struct smtpd_session *, unsigned code, const char *status,
	    const char *text);
/* The same of a command that is wrong; the last of MAX_ERRORS ends all. */
void	reply_error(struct smtpd_session *, unsigned code, const char *status,
	    const char *text);
/*
 * Adds the refusal of the modules' verdict, TEMPORARY or PERMANENT, to out: in
 * the words of the module, or else these.
 */
void	reply_add_refusal(const struct smtpd_session *, enum smtpd_verdict,
	    const char *otherwise, struct buf *out);
/* Sends and counts it. */
void	reply_refuse(struct smtpd_session *, enum smtpd_verdict,
	    const char *otherwise);
/* The last reply: the session closes. */
void	reply_close(struct smtpd_session *, const char *line);

#endif
