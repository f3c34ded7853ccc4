/*
 * aliases.h - aliases(5), ~/.forward and lists as structures.
 * One grammar, three start tokens.  Pure: text in, structure out.
 */
#ifndef ALIASES_H
#define ALIASES_H

#include <stddef.h>

#include <stdint.h>

#include "lib/buf.h"
#include "lib/log.h"
#include "message.h"

#define TARGETS_MAX	1000	/* targets of one alias or .forward file */
/* Limit on the size of an aliases file, for all readers. */
#define ALIASES_BYTES_MAX (16 * 1024 * 1024)
#define ALIASES_TOO_LARGE \
	"the file is larger than 16 MiB, or has more than 500000 aliases, " \
	"and is not used"
#define FORWARD_MAX	65536	/* bytes of a .forward file */

enum target_kind {
	TARGET_ADDRESS,		/* user, or user@host: expanded further */
	TARGET_MAILBOX,		/* \user, !user: straight into the mailbox */
	TARGET_FILE,		/* /path, in a .forward ~/path, too; one that
				 * ends in / is a Maildir */
	TARGET_PIPE,		/* |command */
	TARGET_INCLUDE		/* :include:/path, in a .forward ~/path, too:
				 * the targets of that list; see
				 * aliases_include.h */
};

struct target {
	enum target_kind kind;
	char		*text;	/* owned; without \ ! | and quotes */
	uint64_t	 digest;/* text_digest() of text */
	int		 is_loose;	/* of a list that others can write */
};

struct targets {
	struct target	*list;
	size_t		 n, cap;
};

struct alias {
	char		*name;	/* owned; as written */
	struct targets	 targets;
	unsigned	 line;
	int		 is_bad;	/* its line is: it has no targets */
};

struct aliases {
	struct alias	*list;	/* sorted by name without case */
	size_t		 n, cap;
};

/*
 * Both: what is wrong goes to the report with file and line.  In an alias
 * file it costs that line only; what may be its name, which is before a
 * colon, is kept as a bad alias where no good line has it.  In a .forward any
 * syntax error refuses the file (-1), since half of it would lose mail.  -1
 * also without memory, or if the text is too large; for an alias file errno
 * says which.  Returns the number of bad lines.  A name that comes again is
 * such a line: the first one holds.  In an alias file a line that begins with a
 * blank goes on with the one before; a .forward has a target or several on each
 * line.
 */
int	aliases_parse(struct aliases *, const char *text, size_t len,
	    const char *file, const struct report *);
int	forward_parse(struct targets *, const char *text, size_t len,
	    const char *file, const struct report *);
/* A list for :include:, written as a .forward; a bad line costs that line. */
int	list_parse(struct targets *, const char *text, size_t len,
	    const char *file, const struct report *);
/*
 * Adds the lines that may name that alias to out, with what goes on with them:
 * parsed alone, they have the same alias of that name as the whole text.
 */
void	aliases_cut(const char *text, size_t len, const char *name,
	    struct buf *out);
/* Lends the alias of that name (case-insensitive), or NULL. "*" is one. */
const struct alias *aliases_find(const struct aliases *, const char *name);
void	aliases_fini(struct aliases *);
/* 1 when one is a command or a file: see user_may_run(). */
int	targets_have_command(const struct targets *);
void	targets_fini(struct targets *);

#endif
