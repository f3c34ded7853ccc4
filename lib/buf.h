/*
 * buf.h - growable bytes.
 * A buf remembers that memory ran out or that its limit was met, ignores what
 * is added from then on, and tells at the end: check buf_failed() once.
 */
#ifndef LIB_BUF_H
#define LIB_BUF_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

struct buf {
	char	*data;		/* owned; NUL-terminated whenever not NULL */
	size_t	 len;		/* bytes in use, without that NUL */
	size_t	 cap;
	size_t	 limit;		/* most bytes; 0: no limit */
	int	 failed;
};

#if defined(__GNUC__)
#define PRINTF_LIKE(f, a) __attribute__((__format__(__printf__, f, a)))
#define NOT_NULL __attribute__((__nonnull__))
#else
#define PRINTF_LIKE(f, a)
#define NOT_NULL
#endif

void	 buf_init(struct buf *, size_t limit_bytes);
void	 buf_fini(struct buf *);	/* frees it; errno is kept */
void	 buf_wipe(struct buf *);	/* the same, of a secret */
void	 buf_reset(struct buf *);		/* empty, keeps its storage */
void	 buf_add(struct buf *, const void *, size_t);
void	 buf_puts(struct buf *, const char *);
void	 buf_putc(struct buf *, char);
void	 buf_put_number(struct buf *, int64_t);		/* decimal */
void	 buf_printf(struct buf *, const char *, ...) PRINTF_LIKE(2, 3);
void	 buf_vprintf(struct buf *, const char *, va_list) PRINTF_LIKE(2, 0);
/* Room for n more bytes at data + len, or NULL; then buf_grown(). */
char	*buf_space(struct buf *, size_t n);
void	 buf_grown(struct buf *, size_t n);
/* Removes n bytes from the front. */
void	 buf_drop(struct buf *, size_t n);
int	 buf_failed(const struct buf *);
/* Lends the text; "" when empty, never NULL. */
const char *buf_str(const struct buf *);
/* Gives the text as malloc'd string and empties the buf; NULL if it failed. */
char	*buf_take(struct buf *);
/*
 * Adds text made safe for one line of a log, mailq or bounce: CR, LF,
 * blanks, and runs of them, become one blank, other controls and 8-bit \ooo.
 * At most max bytes come out.
 */
void	 buf_put_clean(struct buf *, const char *, size_t len, size_t max);
/* The same; what is in also (quotes, say) comes out as \ooo, too. */
void	 buf_put_value(struct buf *, const char *, size_t len, size_t max,
	    const char *also);
#define FOLD_WIDTH	72	/* columns */
#define FOLD_WORD_MAX	512	/* bytes until a word is broken */
/*
 * Adds a paragraph and its end: first and its lines, with next before each but
 * the first.  Blanks are folded; no line is too long for SMTP.
 */
void	 buf_put_folded(struct buf *, const char *text, const char *first,
	    const char *next);

/* A digest to notice that a list entry changed (FNV-1a 64); no secret. */
uint64_t text_digest(const char *, size_t);
/* Copies n bytes, ASCII letters in lower case. */
void	 text_lower(char *dst, const char *, size_t n);
/* As strcasecmp(3) and strncasecmp(3), of ASCII letters in every locale. */
int	 text_casecmp(const char *, const char *) NOT_NULL;
int	 text_ncasecmp(const char *, const char *, size_t n) NOT_NULL;
/* A blank or a tab. */
int	 text_is_blank(char);
/* Past the blanks at the start; the number of bytes before the first one. */
char	*text_skip_blanks(const char *);
size_t	 text_word_len(const char *);
/* ASCII letters and digits, in every locale. */
int	 text_is_digit(char);
int	 text_is_alnum(char);
/* The value of a hexadecimal digit, or -1. */
int	 text_hex_digit(char);
/* 1 when text is n bytes of printable ASCII or 8-bit, no control, no NUL. */
int	 text_is_clean(const char *, size_t);
/* 1 when there is no byte above 127. */
int	 text_is_ascii(const char *, size_t);
/* Copies with a NUL; -1 and an empty string when it does not fit. */
int	 text_copy(char *dst, size_t size, const char *src);

#endif
