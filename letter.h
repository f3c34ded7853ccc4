/*
 * letter.h - what a delivery is told of its message, in a record.
 */
#ifndef LETTER_H
#define LETTER_H

#include "lib/msg.h"
#include "local.h"

/*
 * Takes what REC_DELIVER_ASK and REC_DELIVER_MORE have in common, from the
 * queue id on, and descriptor 0, which is then the delivery's; 0, or -1 when
 * it is not a record of that shape.
 */
int	letter_get(struct msg *, struct delivery *);

#endif
