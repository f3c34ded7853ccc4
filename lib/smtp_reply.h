/*
 * smtp_reply.h - what a server says: replies, capabilities, no secrets.
 */
#ifndef LIB_SMTP_REPLY_H
#define LIB_SMTP_REPLY_H

#include <stddef.h>
#include <stdint.h>

#include "lib/buf.h"
#include "lib/result.h"

#define SMTP_LINE_MAX	8192		/* bytes of a line */
#define SMTP_REPLY_MAX	65536		/* bytes of a reply */
#define SMTP_LINES_MAX	1000		/* lines of a reply */
#define SMTP_SECRETS_MAX 16384		/* bytes of base64 in one session */

/* What was said in secret; a server may repeat it. */
struct smtp_secrets {
	const char	*password;	/* lent; or NULL */
	struct buf	 said;		/* NUL after each */
};

void	smtp_secrets_init(struct smtp_secrets *, const char *password);
void	smtp_secrets_fini(struct smtp_secrets *);	/* wipes them */
/* 0, or -1 when there are too many. */
int	smtp_secrets_add(struct smtp_secrets *, const char *);
/* Overwrites each place where one stands in text. */
void	smtp_secrets_mask(const struct smtp_secrets *, char *text, size_t len);

enum smtp_line {
	SMTP_LINE_NONE,
	SMTP_LINE_MORE,
	SMTP_LINE_LAST,
	SMTP_LINE_MALFORMED
};

/* A reply as its lines come. */
struct smtp_reply {
	int		 code;		/* 0: none, or malformed */
	int		 claim;		/* smtp_reply_claim() */
	enum smtp_line	 last;		/* line so far */
	unsigned	 lines;
	size_t		 bytes;
	char		 enhanced[12];	/* RFC 3463; "": none */
	struct buf	 text;		/* what is kept of it */
};

/*
 * Takes one line, without its LF.  *text: what follows the code, lent; the
 * caller masks it and hands it to smtp_reply_keep().
 */
enum smtp_line smtp_reply_line(struct smtp_reply *, char *line, size_t len,
	    char **text, size_t *text_len);
void	smtp_reply_keep(struct smtp_reply *, const char *text, size_t len);
/*
 * Takes a line, or the beginning of one, that may be malformed.  The code that
 * it begins with; 0 if it has none, or one of another class than the lines
 * before it.
 */
int	smtp_reply_claim(struct smtp_reply *, const char *line, size_t len);
/* 1 when it is about too many connections or messages. */
int	smtp_reply_is_throttle(const struct smtp_reply *);
/* The reply as a result of that status. */
void	smtp_reply_result(const struct smtp_reply *, enum status,
	    struct result *);

/* Capabilities, as EHLO lists them. */
#define SMTP_OFFERS_8BITMIME	0x01
#define SMTP_OFFERS_SMTPUTF8	0x02
#define SMTP_OFFERS_PIPELINING	0x04
#define SMTP_OFFERS_STARTTLS	0x08
#define SMTP_OFFERS_DSN		0x10
#define SMTP_OFFERS_SIZE	0x20
/* Those that only add parameters which a message can do without. */
#define SMTP_OFFERS_OPTIONS	(SMTP_OFFERS_8BITMIME | SMTP_OFFERS_DSN | \
				SMTP_OFFERS_SIZE)

struct smtp_capabilities {
	unsigned	 offers;	/* SMTP_OFFERS_* */
	uint64_t	 size_max;	/* 0: no limit */
	uint32_t	 rcpt_max, mail_max, domain_max;	/* 0: none */
	struct buf	 mechanisms;	/* of AUTH: "CRAM-MD5 PLAIN" */
};

void	smtp_capabilities_init(struct smtp_capabilities *);
void	smtp_capabilities_fini(struct smtp_capabilities *);
/* Takes one line of the reply, without the code. */
void	smtp_capabilities_add(struct smtp_capabilities *, const char *text,
	    size_t len);

#endif
