/*
 * newaliases.c - reads the aliases and lists, and reports what is wrong.
 * Runs as: the spool user.  Uses: those files, standard output and error.
 * Promise: changes nothing; the status says whether every line was good.
 */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sysexits.h>
#include <unistd.h>

#include "aliases_include.h"
#include "conf/alias_loops.h"
#include "conf/files.h"
#include "priv/user.h"
#include "submit/newaliases.h"

void
newaliases_report(void *arg, const char *file, unsigned line, const char *text)
{
	(void)arg;
	if (line > 0)
		log_stderr("%s:%u: %s", file, line, text);
	else
		log_stderr("%s: %s", file, text);
}

static void
count_report(void *arg, const char *file, unsigned line, const char *text)
{
	unsigned *bad = arg;

	++*bad;
	newaliases_report(NULL, file, line, text);
}

/* As the spool user; what only ALIAS_USER can reach is not for us to judge. */
static int
look_at_list(void *arg, const char *path, struct buf *text, int *is_loose,
    struct result *res)
{
	struct stat st;

	(void)arg;
	(void)is_loose;
	if (faccessat(AT_FDCWD, path, R_OK, AT_EACCESS) == -1 &&
	    errno == EACCES)
		return 0;
	if (include_read_file(path, text, &st, res) == -1)
		return -1;
	return include_public(&st, path, res);
}

static void
check_lists(const struct conf_where *where, const struct alias *alias,
    unsigned *bad)
{
	const struct include_source source = { look_at_list, NULL };
	const struct report report = { count_report, bad };
	struct targets flat;
	struct result res;

	result_init(&res);
	if (include_flatten(&alias->targets, &flat, &source, &report,
	    &res) == 0) {
		targets_fini(&flat);
	} else {
		count_report(bad, where->aliases, alias->line,
		    res.detail != NULL ? res.detail :
		    res.reason != NULL ? res.reason : "out of memory");
	}
	result_fini(&res);
}

int
newaliases(const struct conf *conf)
{
	const struct conf_where *where = &conf->where;
	struct report report = { newaliases_report, NULL };
	struct aliases aliases;
	struct sender_relays senders;
	unsigned bad = 0;
	size_t i, good = 0, targets = 0;
	int ret;

	/* The runner tells the log; here somebody looks. */
	if (files_sender_relays(where->sender_relay, &senders,
	    &report) == 0)
		sender_relay_fini(&senders);
	ret = files_aliases(where->aliases, &aliases, &report, &bad);
	if (ret == -1)
		return errno == EFBIG ? EX_DATAERR : EX_NOINPUT;
	for (i = 0; i < aliases.n; i++) {
		good += !aliases.list[i].is_bad;
		targets += aliases.list[i].targets.n;
		check_lists(where, &aliases.list[i], &bad);
	}
	report = (struct report){ count_report, &bad };
	(void)alias_loops(&aliases, conf, &user_names, &report);
	printf("%s: %zu alias%s, %zu target%s", where->aliases, good,
	    good == 1 ? "" : "es", targets, targets == 1 ? "" : "s");
	if (bad > 0)
		printf(", %u line%s with errors", bad, bad == 1 ? "" : "s");
	printf("\n");
	aliases_fini(&aliases);
	return bad > 0 ? EX_DATAERR : 0;
}
