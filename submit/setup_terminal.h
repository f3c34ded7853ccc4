/*
 * setup_terminal.h - what dma setup asks of a person.
 */
#ifndef SUBMIT_SETUP_TERMINAL_H
#define SUBMIT_SETUP_TERMINAL_H

#include <stddef.h>

/* 1 when standard input is a terminal. */
int	setup_has_terminal(void);
/*
 * A line that is not shown, into dst.  0, or -1: no line, one that is too
 * long, or the person has interrupted it.
 */
int	setup_ask_secret(const char *prompt, char *dst, size_t size);
/* 1 for "y" or "yes". */
int	setup_ask(const char *question);

#endif
