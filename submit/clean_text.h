/*
 * clean_text.h - a text of a stranger, made safe for a terminal.
 */
#ifndef SUBMIT_CLEAN_TEXT_H
#define SUBMIT_CLEAN_TEXT_H

#include "lib/buf.h"

/*
 * Pure.  Adds the text with its lines, TABs and UTF-8; other controls, those of
 * Unicode, and what is no UTF-8 come out as \ooo.  Gives how many bytes were
 * used: the rest, less than 4, is the beginning of a character, unless is_end.
 */
size_t	clean_text(struct buf *out, const char *, size_t len, int is_end);

#endif
