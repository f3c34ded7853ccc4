/*
 * conf.h - dma.conf and auth.conf as structures.
 * Parsing is pure; setup.c reads the files.  Keys: dma.conf(5).
 */
#ifndef CONF_H
#define CONF_H

#include <stddef.h>
#include <stdint.h>

#include "message.h"
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
	MAILBOX_UNREADABLE,	/* the line is wrong: mail waits */
	MAILBOX__MAX
};

/* How an entry of SMARTHOST names its hosts. */
enum relay_kind {
	RELAY_HOST,
	RELAY_MX,		/* "mx:domain": by its mail exchangers */
	RELAY_SRV		/* "srv:domain": by its submission service */
};

struct relay {			/* one entry of SMARTHOST */
	char		*host;		/* name or address, brackets removed;
				 * or the domain that is looked up */
	uint16_t	 port;		/* 0: relays.port */
	int		 is_literal;	/* an address, not a name */
	enum relay_kind	 kind;
};

struct relays {
	struct relay	*list;
	size_t		 n;		/* 0: by MX */
	uint16_t	 port;		/* where an entry names none */
};

struct conf_where {		/* where things are: paths */
	char		*spool;
	char		*aliases;
	char		*auth;
	char		*sender_relay;	/* "": not to be read; or NULL */
};

struct conf_names {		/* who we are, and what is local */
	char		*mailname;	/* never NULL after conf_finish() */
	char		*masquerade_user, *masquerade_host;	/* or NULL */
	char		**domains;	/* besides localhost and mailname */
	size_t		 ndomains;
	char		 delimiter;	/* user+extension; 0: none */
	int		 is_nullclient;
	int		 has_nullclient_aliases;	/* they come first */
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
};

struct conf_tls {
	enum tls_policy	 policy;
	int		 is_implicit;	/* TLS before the greeting: by legacy
				 * keys or PORT 465; a relay whose own port
				 * is 465 has it too */
	int		 is_dane;	/* TLSA records are asked for */
	char		*certfile, *keyfile, *cafile;	/* or NULL */
	uint8_t		(*pins)[32];	/* SHA-256 fingerprints; one that can
				 * not be read is all zero: no match */
	size_t		 npins;
	unsigned	 legacy;	/* private: upstream's TLS keys */
	int		 is_given;	/* private: TLS was set */
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

struct conf {			/* by who reads it; strings are owned */
	struct conf_where	where;
	struct conf_names	names;
	struct relays		relays;
	struct conf_limits	limits;
	struct conf_retry	retry;
	struct conf_tls		tls;
	struct conf_smtp	smtp;
	struct conf_local	local;
	struct conf_log		log;
};

/* A host that is never found (RFC 6761 6.4): mail for it waits. */
#define CONF_NO_RELAY	"smarthost.invalid"

#define CONF_LINE_MAX	4096	/* octets of a line of a file of ours */

struct auth {			/* strings are owned */
	char		*user, *host;	/* host: no port, no brackets, as the
				 * relays have it */
	char		*password;	/* or token; NULL: a certificate does,
				 * or it could not be had */
	char		*file;		/* where it stands; or NULL */
	char		*command;	/* that prints it: words; or NULL */
	int		 is_token;
	int		 is_external;	/* a certificate is this login */
	int		 is_kept;	/* for senders of SENDER_RELAY alone */
	char		*trouble;	/* why it could not be had; or NULL */
};

struct auths {
	struct auth	*list;
	size_t		 n;
};

/* Defaults; every string owned.  -1 when memory ran out. */
int	conf_init(struct conf *);
void	conf_fini(struct conf *);
/*
 * Reads dma.conf text into conf.  What is wrong with a line is told to the
 * report with its number, and harms only that line.  Returns the number of
 * bad lines (an unknown key is a warning and counts), or -1 without memory.
 * A value that names a file is kept as a path; MAILNAME with a leading '/'
 * too (conf_mailname_file()).  Trouble fails closed: a SMARTHOST of which
 * nothing can be read becomes CONF_NO_RELAY, a bad TLS means TLS_VERIFY, a
 * bad MAILBOX lets mail wait.
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
 * counts) and the host's own name settle conf.mailname.
 */
int	conf_finish(struct conf *, const char *mailname_text,
	    const char *hostname);

/* Where mailboxes are made outside of homes, or NULL.  Lent. */
const char *conf_mail_dir(const struct conf *);

/*
 * auth.conf: user|host:password, user|host|password, or in words "host HOST
 * user USER password-file PATH" and so on.  As conf_parse; adds to the list,
 * which starts as {0}.  Files are read, and commands run, by who calls:
 * auth_take_secret().
 */
int	auth_parse(struct auths *, const char *text, size_t len,
	    const char *file, const struct report *);
/*
 * Lends the last entry for a host (names without case), or NULL.  user: with
 * this name alone, else one that is not kept for others.  Where a login is due
 * and there is none, an entry of trouble: at a relay that has entries for
 * others, and wherever a user is named.
 */
const struct auth *auth_find(const struct auths *, const char *host,
	    const char *user, int is_relay);
/*
 * The text of its file or command, of which the first line counts.  0, -1
 * without memory; what is wrong with it becomes the entry's trouble.
 */
int	auth_take_secret(struct auth *, const char *text, size_t len);
int	auth_set_trouble(struct auth *, const char *reason);
void	auth_fini(struct auths *);	/* wipes the passwords */

/*
 * Replaces the relays by those of this text, which is cut: as SMARTHOST.
 * NULL, or what is wrong with one of them.
 */
const char *conf_set_relays(struct conf *, char *text);

/*
 * Copies the next line, without its end, into line and moves *pos behind it.
 * 1, 0 at the end of the text, -1 for a line that is too long or has controls.
 */
int	conf_take_line(const char *text, size_t len, size_t *pos, char *line);
/* Cuts a comment, which starts a line or follows a blank; trims the rest. */
char	*conf_trim_line(char *);
/* The next word of a list, ended in place; NULL after the last. */
char	*conf_next_word(char **list);

/* "30s", "5m", "3h", "5d", "90": seconds; at most a year; else -1. */
int	conf_time(const char *, unsigned *seconds);

#endif
