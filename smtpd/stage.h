/*
 * stage.h - what the modules say of a stage of a session.
 */
#ifndef SMTPD_STAGE_H
#define SMTPD_STAGE_H

#include "smtpd/smtpd_session.h"

/* Asks the modules: the first verdict that does not pass, or PENDING. */
enum smtpd_verdict stage_begin(struct smtpd_session *, enum stage_name);
/* The end of a PENDING: the same.  In the hook, and out of turn: PENDING. */
enum smtpd_verdict stage_finish(struct smtpd_session *, enum smtpd_verdict);
/* Forgets the text. */
void	stage_end(struct smtpd_session *);

#endif
