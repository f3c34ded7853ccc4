/*
 * outcome.h - what follows from the verdict on a stage.
 */
#ifndef SMTPD_OUTCOME_H
#define SMTPD_OUTCOME_H

#include "smtpd/smtpd_session.h"

/* Asks the modules of a stage, and does what follows unless it is pending. */
void	outcome_of(struct smtpd_session *, enum stage_name);
/* The same for a verdict that was pending. */
void	outcome_apply(struct smtpd_session *, enum smtpd_verdict);
/* The final dot was taken, or the last byte of a chunk. */
void	outcome_of_text(struct smtpd_session *);
void	outcome_of_chunk(struct smtpd_session *);
/* 1 in a transaction. */
int	outcome_has_transaction(const struct smtpd_session *);
/* Ends it, if there is one, without a message. */
void	outcome_reset(struct smtpd_session *);

#endif
