/*
 * text.h - the lines of a text file, and the words of a line.
 */
#ifndef LIB_TEXT_H
#define LIB_TEXT_H

#include <stddef.h>
#include <stdint.h>

#define TEXT_LINE_MAX	4096	/* bytes of a line, without its end */

/*
 * A byte order mark at the start and the end of a line (LF or CR LF) are not
 * part of a line; the last one need not have an end.
 */
struct text_lines {
	const char	*bytes;		/* lent */
	size_t		 len, pos;
	unsigned	 lineno;	/* of line, from 1 on */
	const char	*trouble;	/* with line; NULL: it is good */
	/* With trouble it has what precedes the bad byte or the limit. */
	char		 line[TEXT_LINE_MAX + 1];
};

/* Bytes of a UTF-8 byte order mark at the start: 3 or 0. */
size_t	 text_bom(const char *, size_t len);

void	 text_init(struct text_lines *, const char *, size_t len);
/* The next line is in line, to be changed at will: 1, or 0 after the last. */
int	 text_next(struct text_lines *);
/* Wipes the line, which may hold a secret. */
void	 text_fini(struct text_lines *);

/* Cuts a comment (# at the start or after a blank) and outer blanks. */
char	*text_trim(char *line);
/* Cuts the next word off a text: blank-separated, or NULL. */
char	*text_word(char **rest);
/* The same of a text in double quotes, without them, or else a word. */
char	*text_quoted(char **rest);
/* Digits and nothing else, at most max; 0 or -1. */
int	 text_number(const char *, uint64_t max, uint64_t *);
/* Exactly so many lower-case hexadecimal digits, 16 at most; 0 or -1. */
int	 text_hex(const char *, size_t digits, uint64_t *);

#endif
