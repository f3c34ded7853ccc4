/*
 * commands.h - the commands of a client.
 */
#ifndef SMTPD_COMMANDS_H
#define SMTPD_COMMANDS_H

#include "smtpd/smtpd_session.h"

/* A line without its end, which may be changed. */
void	commands_line(struct smtpd_session *, char *line);

#endif
