/*
 * reload.c - the configuration, read anew.
 *
 * Runs as: the parent, as the user of dma-smtpd.
 * Uses: the file.
 * Promise: the one that is in use is not touched.
 */
#include <stdlib.h>
#include <string.h>

#include "smtpd/listen.h"
#include "smtpd/reload.h"

static int
are_same(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

/* What only a restart can change. */
static void
report_changes(const struct reload *r, const struct smtpd_config *now,
    const struct log *log)
{
	const struct smtpd_config *first = r->first;
	const struct {
		const char	*key;
		int		 is_same;
	} keys[] = {
		{ "LISTEN", r->is_listening_given ||
		    listeners_are_same(first, now) },
		{ "STATUS_SOCKET", are_same(first->status_socket,
		    now->status_socket) },
		{ "USER", are_same(first->user, now->user) },
	};
	size_t i;

	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (!keys[i].is_same)
			log_say(log, LOG_LEVEL_WARNING, "%s has changed: "
			    "restart dma-smtpd to apply it", keys[i].key);
}

struct smtpd_config *
reload_read(const struct reload *r, const struct log *log)
{
	struct log copy = *log;
	const struct report report = { log_report, &copy };
	struct smtpd_config *c = malloc(sizeof(*c));

	if (c == NULL) {
		log_say(log, LOG_LEVEL_ERROR, "out of memory");
		return NULL;
	}
	if (conf_read(c, r->file, r->is_file_required, r->override,
	    &report) == -1) {
		reload_free(c);
		return NULL;
	}
	report_changes(r, c, log);
	return c;
}

void
reload_free(struct smtpd_config *c)
{
	if (c != NULL)
		conf_fini(c);
	free(c);
}
