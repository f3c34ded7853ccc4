/*
 * conf.h - dma-smtpd.conf.
 * A key, blanks, a value; "#" begins a comment.  An unknown key, a bad value
 * and a line that is too long are errors; a line whose first word is the name
 * of a module is the module's.  See dma-smtpd.conf(5).
 */
#ifndef SMTPD_CONF_H
#define SMTPD_CONF_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "lib/log.h"
#include "smtpd/netset.h"

#define CONF_LISTEN_MAX		64	/* sockets */
#define CONF_MODULES_MAX	16
#define CONF_LINE_BYTES_MAX	16384	/* the most that MAX_LINE may be */
#define CONF_SETTINGS_MAX	1024	/* lines of modules in all */

enum conf_durable {
	CONF_DURABLE_NONE,	/* the page cache */
	CONF_DURABLE_FILE,	/* fsync of the file */
	CONF_DURABLE_FULL	/* and of the directories */
};

enum conf_block_reply {
	CONF_BLOCK_554,
	CONF_BLOCK_DROP		/* accept, and discard */
};

struct conf_listen {
	struct sockaddr_storage addr;
	socklen_t		 len;
	char			*text;	/* owned: as written */
};

/* How many processes there are. */
struct conf_children {
	unsigned min_spare, max_spare, max_children;
	uint64_t max_sessions;		/* of a child; 0: no limit */
	unsigned shutdown_timeout_s;
};

/* What one client may do. */
struct smtpd_limits {
	uint64_t max_size_bytes;
	unsigned max_recipients, max_errors, max_commands;
	unsigned max_line_bytes;	/* of a command, with its end */
	unsigned max_connections, max_connections_per_address;
	unsigned command_timeout_s, transaction_timeout_s;
};

/* A line of a module, for smtpd_module.configure(). */
struct conf_setting {
	unsigned line;
	char	*module, *key, *value;	/* owned */
};

struct smtpd_config {
	const char	*file;		/* lent: the path, or NULL for none */
	struct conf_listen *listen;	/* owned */
	size_t		 nlisten;
	int		 is_listen_default;	/* nobody asked for these */
	char		*root, *user;	/* owned; user NULL: the default */
	struct conf_children children;
	struct smtpd_limits limits;
	enum conf_durable durable;
	/* Owned, or NULL; the key may be in the file of the certificate. */
	char		*certificate, *private_key;
	char		*blocklist;	/* owned path, or NULL */
	enum conf_block_reply block_reply;
	struct netset	 proxy_from, normalize_from;
	char		*status_socket;	/* owned, or NULL for "none" */
	enum log_where	 log;		/* LOG_TO_STDERR or LOG_TO_SYSLOG */
	/* Names or paths, in order: those of MODULE lines, or "minute";
	 * "blocklist" first where BLOCKLIST is set and it is not in the list.
	 * FALLBACK's name is last. */
	char		*modules[CONF_MODULES_MAX];
	size_t		 nmodules;
	char		*fallback;	/* owned, or NULL */
	struct conf_setting *settings;	/* owned: lines of modules */
	size_t		 nsettings;
};

/*
 * What the command line says, in place of the file; NULL or 0: nothing.  A
 * relative root is below the current directory.
 */
struct conf_override {
	const char	*listen[CONF_LISTEN_MAX];
	size_t		 nlisten;
	const char	*root;
};

/*
 * 0; -1 after reports of what can be neither an address nor a directory,
 * whatever the file says.
 */
int	conf_check_override(const struct conf_override *,
	    const struct report *);
/*
 * Reads the file, of which an absent one is empty unless is_required; reports
 * each error with its line.  0, or -1 after errors.  The struct is to be freed
 * in either case.
 */
int	conf_read(struct smtpd_config *, const char *file, int is_required,
	    const struct conf_override *, const struct report *);
/* The same of a text, which is all there is of a file of that name. */
int	conf_parse(struct smtpd_config *, const char *text, size_t len,
	    const char *file, const struct conf_override *,
	    const struct report *);
void	conf_fini(struct smtpd_config *);
/*
 * The value of a key as text, for modules: lends a member or what was written
 * to the buffer (numbers in digits, times in seconds, sizes in bytes).  NULL if
 * it is unset, is no key or is one of those that may be repeated.
 */
const char *conf_text(const struct smtpd_config *, const char *key,
	    char *buffer, size_t size);

#endif
