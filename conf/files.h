/*
 * files.h - the files that root writes: dma.conf, auth.conf, aliases.
 */
#ifndef CONF_FILES_H
#define CONF_FILES_H

#include <sys/stat.h>

#include "aliases.h"
#include "conf.h"
#include "conf/auth.h"
#include "conf/from_map.h"
#include "conf/sender_relay.h"

/*
 * Reads dma.conf, the MAILNAME file and the host's name.  A missing file is
 * no error: the defaults hold.  -1 with errno when it cannot be read or
 * memory ran out.
 */
int	files_conf(struct conf *, const struct report *);
/* What to do about that errno, behind its text; or "". */
const char *files_conf_remedy(int error);
/* The same of its text, which is at hand. */
int	files_conf_text(struct conf *, const struct buf *text,
	    const struct report *);
/* What a helper of root has of dma.conf; all zero at first. */
struct files_root {
	struct conf	 conf;		/* the keys that root acts by */
	struct buf	 text;		/* of the file, for a child to read as
					 * its user */
	struct stat	 stat;
	struct log	 log;
	int		 is_read;
};

/* Reads it again if it changed; -1 while it was never read. */
int	files_root_reload(struct files_root *);
/*
 * 1 when a file is not what it was when this was asked last with the same
 * stat, all zero at first.  Gone or empty is no change: somebody is just
 * writing it anew.
 */
int	files_changed(const char *path, struct stat *last);
/*
 * Reads auth.conf and the files that it names; a missing auth.conf is no error.
 * -1 with a word in the report.  A password that cannot be read is the trouble
 * of its entry alone.
 */
int	files_auth(const char *path, struct auths *, const struct report *);
/*
 * Reads the file of SENDER_RELAY; NULL: none.  -1 with a word in the report
 * when it cannot be read: then nobody's relay is known.
 */
int	files_sender_relays(const char *path, struct sender_relays *,
	    const struct report *);
/*
 * Reads the file of FROM_MAP; NULL: none.  -1 with a word in the report when it
 * cannot be read, and the map is empty.
 */
int	files_from_map(const char *path, struct from_map *,
	    const struct report *);
/*
 * Reads the aliases and counts the bad lines.  0, 1 when there is no such file,
 * -1 with errno when it cannot be read now (then nobody may be called unknown).
 */
int	files_aliases(const char *path, struct aliases *,
	    const struct report *, unsigned *bad);

/*
 * Points a log to where conf says.  A log file must exist or be one that
 * this process can create; root never creates it.  Else: syslog.
 */
void	files_log(const struct conf_log *, struct log *, const char *tag);
/*
 * After the log file was moved away, or made at last: writes to the one that
 * has the name now, if it can be opened.
 */
void	files_log_renew(const struct conf_log *, struct log *);
void	files_log_close(struct log *);
/* files_conf(), files_log(), and what is wrong with the first in the second. */
int	files_conf_log(struct conf *, struct log *, const char *tag);

#endif
