/*
 * smtp_command.h - the commands that an SMTP server reads (RFC 5321 4.1).
 * Pure.  A line is given without its end; lines with a NUL are refused before.
 */
#ifndef LIB_SMTP_COMMAND_H
#define LIB_SMTP_COMMAND_H

#include <stddef.h>
#include <stdint.h>

#include "lib/dsn.h"

#define SMTP_PATH_MAX	320	/* local part 64, @, domain 255 (RFC 5321
				 * 4.5.3.1), as UTF-8 (RFC 6531) */
#define SMTP_HELO_MAX	255	/* bytes of the name in HELO and EHLO */
#define SMTP_PARAMETERS_MAX	1024	/* bytes of those of MAIL or RCPT */

enum smtp_verb {
	SMTP_VERB_UNKNOWN,
	SMTP_VERB_HELO,
	SMTP_VERB_EHLO,
	SMTP_VERB_MAIL,
	SMTP_VERB_RCPT,
	SMTP_VERB_DATA,
	SMTP_VERB_BDAT,
	SMTP_VERB_RSET,
	SMTP_VERB_NOOP,
	SMTP_VERB_VRFY,
	SMTP_VERB_EXPN,
	SMTP_VERB_HELP,
	SMTP_VERB_QUIT,
	SMTP_VERB_STARTTLS
};

/* *args: lends what follows the verb, without outer blanks; "" if nothing. */
enum smtp_verb smtp_command_verb(char *line, const char **args);

/* What a reply says of a command that cannot be taken. */
struct smtp_syntax {
	unsigned	 code;		/* 501, 553, 555, ... */
	const char	*status;	/* enhanced status, "5.5.4" */
	const char	*reason;	/* for the reply: a constant */
};

/* An address, or the null path. */
struct smtp_path {
	/* Without brackets and source route, quotes and case as given; "" is
	 * the null path. */
	char	text[SMTP_PATH_MAX + 1];
	int	is_utf8;	/* not ASCII alone: takes SMTPUTF8 */
};

enum smtp_body {
	SMTP_BODY_NONE,		/* no BODY parameter */
	SMTP_BODY_7BIT,
	SMTP_BODY_8BITMIME
};

struct smtp_mail_command {
	struct smtp_path path;
	char		 parameters[SMTP_PARAMETERS_MAX + 1];
				/* RET, ENVID, BODY, SMTPUTF8: as given, one
				 * blank between them; not SIZE */
	int		 has_size;
	uint64_t	 size_bytes;	/* UINT64_MAX: more than fits */
	enum smtp_body	 body;
	int		 is_smtputf8;
	enum ret	 ret;
	char		 envid[ENVID_MAX + 1];	/* decoded; "": none */
};

struct smtp_rcpt_command {
	struct smtp_path path;	/* "Postmaster" alone has no domain */
	char		 parameters[SMTP_PARAMETERS_MAX + 1];
				/* NOTIFY, ORCPT: as given */
	unsigned	 notify;	/* NOTIFY_*; 0: none */
	char		 orcpt[ORCPT_MAX + 1];	/* decoded; "": none */
};

/*
 * "FROM:<a@b> SIZE=1" and "TO:<a@b> NOTIFY=NEVER": what follows MAIL or RCPT.
 * 0, or -1 and what is wrong.  Blanks after the colon are an error (RFC 5321
 * 3.3), and so are a path without brackets, a parameter that is given twice
 * and UTF-8 that is not well-formed.  RCPT: is_smtputf8 as MAIL had it.
 */
int	smtp_command_mail(const char *args, struct smtp_mail_command *,
	    struct smtp_syntax *);
int	smtp_command_rcpt(const char *args, int is_smtputf8,
	    struct smtp_rcpt_command *, struct smtp_syntax *);
/*
 * The same of a program on this host: blanks after the colon, addresses without
 * domain and "_" in domains are allowed, too.
 */
int	smtp_command_local_mail(const char *args, struct smtp_mail_command *,
	    struct smtp_syntax *);
int	smtp_command_local_rcpt(const char *args, int is_smtputf8,
	    struct smtp_rcpt_command *, struct smtp_syntax *);
/*
 * The values of the lines Return-Path and Forward-Path that dma-smtpd writes:
 * "<a@b> RET=HDRS".  0, or -1 for what is not to the byte as it writes them.  A
 * module may have put UTF-8 into them without SMTPUTF8.
 */
int	smtp_command_return_path(const char *value, size_t len,
	    struct smtp_mail_command *);
int	smtp_command_forward_path(const char *value, size_t len,
	    struct smtp_rcpt_command *);
/*
 * One path without brackets, as a module gives it: 0 or -1.  "Postmaster" alone
 * is one unless it may_be_null.
 */
int	smtp_path_check(const char *text, int may_be_null);
/* "123" or "123 LAST": 0 or -1. */
int	smtp_command_bdat(const char *args, uint64_t *size_bytes, int *is_last);
/* A domain or an address literal for HELO and EHLO; _ and UTF-8 are allowed. */
int	smtp_command_helo(const char *args);
/*
 * The domain of a path as a name of a directory: A-labels (needs libidn2 for
 * U-labels), lower case, [a-z0-9.-], no empty label, at most 253 bytes, no
 * final dot; else "_invalid".  out: 254 bytes.
 */
void	smtp_path_domain(const char *path, char *out);

#endif
