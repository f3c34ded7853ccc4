/*
 * tally.h - how often each of a few things occurs, in bounded memory.
 */
#ifndef SUBMIT_TALLY_H
#define SUBMIT_TALLY_H

#include <stddef.h>
#include <time.h>

#define TALLY_MAX	64	/* keys; all others are counted as one */
#define TALLY_KEY_MAX	160	/* bytes of a name; more are cut off */
#define TALLY_TEXT_MAX	400
#define TALLY_CODE_MAX	11

struct tally_entry {
	char	 key[TALLY_KEY_MAX + 1];
	char	 code[TALLY_CODE_MAX + 1];	/* set by its user */
	char	 text[TALLY_TEXT_MAX + 1];	/* the same */
	size_t	 n;
	time_t	 next;		/* the same: the earliest; or 0 */
};

/* All zero: empty. */
struct tally {
	struct tally_entry list[TALLY_MAX];
	size_t	 n;
	size_t	 others;	/* occurrences of those that have no entry */
};

/* Counts one; lends its entry, or NULL where it is one of the others. */
struct tally_entry *tally_add(struct tally *, const char *key);
/* The most frequent first. */
void	tally_sort(struct tally *);
/* Copies a text up to the size, and not into the middle of a character. */
void	tally_copy(char *dst, size_t size, const char *text);
/*
 * A reason without what differs from message to message: words with an "@" or
 * of a dotted name, and numbers, become "*".
 */
void	tally_normalise(char *dst, size_t size, const char *reason);

#endif
