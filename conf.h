/*
 * conf.h - dma.conf as a structure.
 * Parsing is pure; conf/files.c reads the file.  Keys: dma.conf(5).
 */
#ifndef CONF_H
#define CONF_H

#include <stddef.h>
#include <stdint.h>

#include "conf/relays.h"
#include "lib/log.h"

enum tls_policy {
	TLS_UNSET,		/* verify when the host has credentials, else
				 * opportunistic */
	TLS_OFF,
	TLS_OPPORTUNISTIC,	/* when offered, accept any certificate */
	TLS_REQUIRED,		/* never in the clear, accept any certificate */
	TLS_VERIFY		/* never without a verified certificate */
};

/* How mail gets into the mailboxes of users: MAILBOX. */
enum mailbox_kind {
	MAILBOX_MBOX,		/* a file in local.mailspool */
	MAILBOX_MAILDIR,	/* where: "~/path", or the directory
				 * that has one for each user */
	MAILBOX_COMMAND,	/* where: is run as the user */
	MAILBOX_LMTP,		/* where: path of a socket, or host */
	MAILBOX_UNREADABLE,	/* the line is wrong: mail is deferred */
	MAILBOX__MAX
};

/* NULLCLIENT: no address is local, all mail goes to the relay. */
enum nullclient {
	NULLCLIENT_OFF,
	NULLCLIENT_ON,
	NULLCLIENT_ALIASES	/* what an alias leads on goes there first */
};

struct conf_where {		/* where things are: paths */
	char		*spool;
	char		*aliases;
	char		*auth;
	char		*sender_relay;	/* "": not to be read; or NULL */
	char		*from_map;	/* or NULL */
};

struct conf_names {		/* who we are, and what is local */
	char		*mailname;	/* never NULL after conf_finish() */
	char		*masquerade_user, *masquerade_host;	/* or NULL */
	char		**domains;	/* besides localhost and mailname */
	size_t		 ndomains, cdomains;
	char		 delimiter;	/* user+extension; 0: none */
	enum nullclient	 nullclient;
	int		 from;		/* FROM_HEADER: enum header_from */
};

struct conf_limits {		/* what callers may do; 0: no limit */
	uint64_t	 max_size_bytes;
	unsigned	 max_recipients;
	int		 is_noremote;
	char		*mailq_group;	/* or NULL */
};

struct conf_retry {		/* when it is sent, and what is reported */
	int		 is_defer;	/* not before the queue is run */
	unsigned	 first_s, max_s, lifetime_s;
	unsigned	 warn_after_s;	/* notice of delay; 0: never */
	int		 is_fullbounce;
	char		*bounce_to;	/* address for copies of reports of
				 * failure; or NULL */
};

struct conf_tls {
	enum tls_policy	 policy;
	int		 is_implicit;	/* TLS before the greeting: by legacy
				 * keys or PORT 465; a relay whose own port
				 * is 465 has it too */
	int		 is_dane;	/* TLSA records are asked for */
	char		*certfile, *keyfile, *cafile;	/* or NULL */
	uint8_t		(*pins)[32];	/* SHA-256 fingerprints; one that is not
				 * understood is all zero: no match */
	size_t		 npins, cpins;
};

struct conf_legacy {		/* upstream's keys of TLS, which mean something
				 * only together: policy, is_implicit */
	int		 is_securetransfer, is_starttls;
	int		 is_opportunistic, is_verifycert;
};

struct conf_smtp {		/* how we talk to hosts */
	unsigned	 concurrency;	/* connections to one next hop */
	unsigned	 timeout_s;	/* of every reply; 0: RFC values */
	unsigned	 connect_timeout_s;
	char		*auth_mechs;	/* names with blanks between; NULL: all,
				 * "": none that we know */
	int		 is_insecure;	/* may log in without TLS */
};

struct conf_local {		/* delivery to users */
	enum mailbox_kind mailbox;
	char		*where;		/* by its kind; or NULL */
	uint16_t	 port;		/* of an LMTP host */
	char		*mailspool;	/* directory of mbox files */
	char		*alias_user;	/* nobody */
	int		 is_shell_required;
	unsigned	 command_timeout_s;
};

struct conf_log {
	enum log_where	 where;
	char		*path;		/* for LOG_TO_FD */
	enum log_level	 level;
};

struct conf_trouble {		/* what defers mail: the first and worst line
				 * that is not understood */
	char		*reason;	/* "line 3: KEY: ..."; NULL: none */
	int		 stops_local;	/* local mail, too */
};

struct conf {			/* grouped by its readers; strings are owned */
	struct conf_where	where;
	struct conf_names	names;
	struct relays		relays;
	struct conf_limits	limits;
	struct conf_retry	retry;
	struct conf_tls		tls;
	struct conf_legacy	legacy;
	struct conf_smtp	smtp;
	struct conf_local	local;
	struct conf_log		log;
	struct conf_trouble	trouble;
};

/* Defaults; every string owned.  -1 when memory ran out. */
int	conf_init(struct conf *);
void	conf_fini(struct conf *);
/*
 * Reads dma.conf text into conf.  An error in a line is reported with its
 * number, and harms only that line.  Returns the number of
 * bad lines (an unknown key is a warning and counts), or -1 without memory.
 * A value that names a file is kept as a path; MAILNAME with a leading '/'
 * too (conf_mailname_file()).  Trouble fails closed: a bad TLS means
 * TLS_VERIFY, a bad MAILBOX defers mail; a line that cannot be read, or whose
 * key or value is not understood and may have decided where mail goes, is the
 * trouble of the configuration, and mail is deferred.
 * Keys are read in any case, with blanks, "=" or ":" after them, and values in
 * quotes, as other programs have them.
 */
int	conf_parse(struct conf *, const char *text, size_t len,
	    const char *file, const struct report *);
/*
 * Of the same text the few keys that root acts by, and where it logs: lines
 * with other keys are passed over.  0, or -1 without memory.
 */
int	conf_parse_root(struct conf *, const char *text, size_t len);
/* The path that MAILNAME names, or NULL when it is a name or not set. */
const char *conf_mailname_file(const struct conf *);
/*
 * Last step: the text of the MAILNAME file (NULL: none; its first line
 * counts) and the host's own name settle names.mailname.
 */
int	conf_finish(struct conf *, const char *mailname_text,
	    const char *hostname);

/* Where mailboxes are made outside of homes, or NULL.  Lent. */
const char *conf_mail_dir(const struct conf_local *);

#endif
