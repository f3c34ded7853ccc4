/*
 * apart.h - a task in a process of its own.
 */
#ifndef PRIV_APART_H
#define PRIV_APART_H

#include "lib/buf.h"

/*
 * Forks; the child runs the task, which closes report when it has written what
 * there is to say, and ends.  Adds that to said, whose limit bounds it, and
 * waits for the child.  0, or -1 with errno if there was none.
 */
int	apart(void (*task)(void *arg, int report), void *arg, struct buf *said);

#endif
