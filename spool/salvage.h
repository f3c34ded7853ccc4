/*
 * salvage.h - the text of a queue file that is damaged.
 */
#ifndef SPOOL_SALVAGE_H
#define SPOOL_SALVAGE_H

#include "message.h"

/*
 * Finds the text of a message that spool_load() found damaged, and its facts.
 * 0, or -1 with errno, EINVAL when the file has none.
 */
int	salvage_text(struct message *);

#endif
