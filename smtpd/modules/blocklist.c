/*
 * blocklist.c - the module that refuses who is on a list.
 * Runs as: root or the user of dma-smtpd, for configure(); a child, for the
 * rest.
 * Uses: the file of BLOCKLIST, read once; children share the memory.
 * Promise: a list that cannot be read fails the configuration, so that at
 * SIGHUP the previous one remains in effect.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/io.h"
#include "smtpd/modules/block_set.h"
#include "smtpd/smtpd_module.h"

#define LIST_MAX	(256u * 1024 * 1024)	/* bytes of a list */
#define REPORTS_MAX	100	/* bad lines that are reported one by one */

struct blocklist {
	struct block_set set;
	enum smtpd_verdict verdict;	/* on what is blocked */
};

/* 1. The list. */

struct reports {
	struct smtpd_host *host;
	unsigned	 n;
};

static void
report_line(void *arg, const char *file, unsigned line, const char *text)
{
	struct reports *reports = arg;

	if (reports->n++ < REPORTS_MAX)
		smtpd_warn(reports->host, "%s:%u: %s: line skipped", file,
		    line, text);
}

static int
read_list(struct blocklist *list, struct smtpd_host *host, const char *path)
{
	struct reports reports = { host, 0 };
	const struct report report = { report_line, &reports };
	struct buf text;
	int result;

	buf_init(&text, 0);
	result = io_read_path(path, &text, LIST_MAX);
	if (result == -1)
		smtpd_error(host, NULL, "BLOCKLIST %s: %s", path,
		    errno == EINVAL ? "not a regular file" : strerror(errno));
	else if (block_set_read(&list->set, buf_str(&text), text.len, path,
	    &report) == -1)
		result = smtpd_error(host, NULL, "BLOCKLIST %s: out of memory",
		    path);
	if (reports.n > REPORTS_MAX)
		smtpd_warn(host, "%s: %u more lines skipped", path,
		    reports.n - REPORTS_MAX);
	buf_fini(&text);
	return result;
}

static void
fini(void *self, struct smtpd_host *host)
{
	struct blocklist *list = self;

	(void)host;
	if (list != NULL)
		block_set_fini(&list->set);
	free(list);
}

static int
configure_list(struct blocklist *list, struct smtpd_host *host)
{
	const char *value = smtpd_conf(host, "BLOCK_REPLY");
	char *path;
	int result;

	list->verdict = value != NULL && strcmp(value, "drop") == 0 ?
	    SMTPD_DROP : SMTPD_PERMANENT;
	value = smtpd_conf(host, "BLOCKLIST");
	if (value == NULL || *value == '\0')
		return smtpd_error(host, NULL, "no list: add a line "
		    "\"BLOCKLIST /etc/dma/blocklist\"");
	/* The value is lent until the next call. */
	path = strdup(value);
	if (path == NULL)
		return smtpd_error(host, NULL, "out of memory");
	result = read_list(list, host, path);
	free(path);
	return result;
}

static int
configure(struct smtpd_host *host, const struct smtpd_setting *settings,
    size_t n, void **self)
{
	struct blocklist *list;

	if (n > 0)
		return smtpd_error(host, &settings[0], "unknown key \"%s\"",
		    settings[0].key);
	list = calloc(1, sizeof(*list));
	if (list == NULL)
		return smtpd_error(host, NULL, "out of memory");
	block_set_init(&list->set);
	if (configure_list(list, host) == -1) {
		fini(list, host);
		return -1;
	}
	*self = list;
	return 0;
}

/* 2. Sessions. */

static enum smtpd_verdict
block(const struct blocklist *list, struct smtpd_session *session,
    const char *text)
{
	smtpd_count(smtpd_host(session), "blocked", 1);
	if (list->verdict == SMTPD_PERMANENT)
		smtpd_set_text(session, "554 5.7.1 %s", text);
	return list->verdict;
}

static enum smtpd_verdict
check_client(void *self, struct smtpd_session *session)
{
	const struct blocklist *list = self;

	if (!block_set_has_client(&list->set, smtpd_client(session)))
		return SMTPD_PASS;
	return block(list, session,
	    "mail from your address is not accepted here");
}

static enum smtpd_verdict
check_helo(void *self, struct smtpd_session *session, const char *name)
{
	const struct blocklist *list = self;

	if (!block_set_has_helo(&list->set, name))
		return SMTPD_PASS;
	return block(list, session,
	    "mail from a host of this name is not accepted here");
}

static enum smtpd_verdict
check_sender(void *self, struct smtpd_session *session, const char *path)
{
	const struct blocklist *list = self;

	if (!block_set_has_path(&list->set, BLOCK_SENDER, path))
		return SMTPD_PASS;
	return block(list, session,
	    "mail from this sender is not accepted here");
}

static enum smtpd_verdict
check_recipient(void *self, struct smtpd_session *session, const char *path)
{
	const struct blocklist *list = self;

	if (!block_set_has_path(&list->set, BLOCK_RECIPIENT, path))
		return SMTPD_PASS;
	return block(list, session,
	    "mail for this recipient is not accepted here");
}

const struct smtpd_module smtpd_module = {
	.abi = SMTPD_MODULE_ABI,
	.size = sizeof(struct smtpd_module),
	.name = "blocklist",
	.configure = configure,
	.connect = check_client,
	.helo = check_helo,
	.mail = check_sender,
	.rcpt = check_recipient,
	.fini = fini
};
