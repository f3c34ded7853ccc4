/*
 * message_text.h - the text of a message on its way to the modules.
 */
#ifndef SMTPD_MESSAGE_TEXT_H
#define SMTPD_MESSAGE_TEXT_H

#include <stddef.h>

#include "smtpd/smtpd_session.h"

void	message_text_begin(struct smtpd_session *, enum smtp_data_form);
/* Takes bytes of the client: how many, as smtp_data_take() has it. */
size_t	message_text_take(struct smtpd_session *, const char *, size_t);
/* After the final dot or the last chunk. */
void	message_text_end(struct smtpd_session *);
/* Hands text to the modules from this one on. */
void	message_text_pass(struct smtpd_session *, size_t module, const char *,
	    size_t);
/* NULL, or the refusal that the text itself has earned: a reply line. */
const char *message_text_fault(const struct smtpd_session *);
void	message_text_fini(struct smtpd_session *);

#endif
