/*
 * smtpd_session.h - struct smtpd_session: what a dialogue knows of its client.
 */
#ifndef SMTPD_SESSION_STRUCT_H
#define SMTPD_SESSION_STRUCT_H

#include <stddef.h>
#include <stdint.h>

#include "lib/buf.h"
#include "lib/smtp_data.h"
#include "smtpd/host.h"
#include "smtpd/netset.h"
#include "smtpd/transaction.h"

enum stage_name {
	STAGE_CONNECT,
	STAGE_HELO,
	STAGE_MAIL,
	STAGE_RCPT,		/* of the recipient that is_asked */
	STAGE_DATA,
	STAGE_END_OF_DATA,
	STAGE_DELIVER
};

enum stage_state {
	STAGE_IDLE,
	STAGE_IN_HOOK,
	STAGE_PENDING		/* a module will call smtpd_finish() */
};

struct stage {
	enum stage_name	 name;
	enum stage_state state;
	size_t		 module;	/* asked now, or last */
	int		 has_verdict;	/* smtpd_finish() came in the hook */
	enum smtpd_verdict verdict;
	int		 needs_fallback;
	char		*text;		/* owned: of smtpd_set_text() */
};

enum dialogue_state {
	DIALOGUE_NEW,		/* modules were not asked about connect() */
	DIALOGUE_CONNECT,	/* no banner yet */
	DIALOGUE_COMMANDS,
	DIALOGUE_LONG_LINE,	/* a command is too long: to its end */
	DIALOGUE_DATA,		/* the text, to the final dot */
	DIALOGUE_CHUNK,		/* of BDAT: to its last byte */
	DIALOGUE_TLS,		/* the handshake is next */
	DIALOGUE_CLOSING	/* after the last reply */
};

/* Who is at the other end. */
struct client {
	struct netaddr	 addr;
	char		 text[NETADDR_TEXT];
	unsigned	 port;
	char		*helo;		/* owned; NULL before it */
	int		 is_esmtp;
	int		 is_dropped;	/* all mail from there is discarded */
	const char	*tls;		/* lent by the stream; "" without */
};

/* Whose a transaction is. */
enum mail_state {
	MAIL_UNASKED,		/* modules were not asked of MAIL */
	MAIL_WITH_MODULES,
	MAIL_DROPPED		/* by one of them: it is to be discarded */
};

/* The text of a message under way. */
struct incoming_text {
	struct smtp_data data;
	struct buf	 field;		/* header(): the field so far */
	size_t		 header_bytes;	/* shown to header() */
	int		 is_in_header, is_oversize;
	uint64_t	 chunk_left;	/* bytes of BDAT */
	enum {
		CHUNK_NONE,		/* DATA, or nothing yet */
		CHUNK_BEGUN,		/* BDAT was accepted before */
		CHUNK_REFUSED		/* and no other will be */
	} chunks;
	int		 is_last_chunk;
	char		*refusal;	/* owned: the reply to the chunk that
					 * is being skipped; or NULL */
	enum smtpd_verdict verdict;	/* of header() and body() */
};

/* Public as an opaque struct: what hooks get. */
struct smtpd_session {
	struct smtpd_host *host;	/* lent */
	struct client	 client;
	enum dialogue_state state;
	int		 is_quit;	/* the client has ended it */
	enum mail_state	 mail;
	unsigned	 ncommands, nerrors;
	unsigned	 ntransactions;	/* that have begun */
	int		 is_paused;	/* by a module: not to be read from */
	int		 is_behind;	/* others come first, then the input
					 * that is left */
	unsigned	 ndropped;	/* recipients accepted and discarded */
	struct stage	 stage;
	struct transaction transaction;
	struct incoming_text text;
	struct buf	*out;		/* lent: replies */
	void		*data[CONF_MODULES_MAX];	/* of the modules */
	/* A verdict came: replies are in out, input is wanted again. */
	void		(*resumed)(void *arg);
	void		*arg;
};

#endif
