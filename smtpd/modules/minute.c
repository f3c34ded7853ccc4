/*
 * minute.c - the module that stores messages in a tree of minutes.
 * Runs as: the user of dma-smtpd.  Uses: ROOT, by store.c.
 * Promise: a message that is acknowledged is in ROOT/YYYYMMDDHHMM/DOMAIN of
 * each domain of its recipients, as PID-SEQUENCE.msg, complete and durable.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "smtpd/modules/store.h"

struct minute {
	struct store_module base;	/* first */
	char		 root[1];	/* in full */
};

static struct store_message **
slot_of(struct smtpd_session *session)
{
	return (struct store_message **)smtpd_data(session, &smtpd_module);
}

/* Pids may come again within a minute, times before the same process not. */
static void
name_file(const void *arg, pid_t pid, uint64_t sequence, char *out,
    size_t size)
{
	(void)arg;
	snprintf(out, size, "%ld-%016llu.msg", (long)pid,
	    (unsigned long long)sequence);
}

static void
put_head(struct smtpd_session *session, struct buf *out)
{
	const char *lines;
	size_t len;

	lines = smtpd_prepended(session, &len);
	if (lines == NULL)
		out->failed = 1;
	else
		buf_add(out, lines, len);
}

static int
configure(struct smtpd_host *host, const struct smtpd_setting *settings,
    size_t n, void **self)
{
	const char *root = smtpd_conf(host, "ROOT");
	struct minute *m;

	if (n > 0)
		return smtpd_error(host, &settings[0], "unknown key \"%s\"",
		    settings[0].key);
	if (root == NULL || *root == '\0')
		return smtpd_error(host, NULL,
		    "ROOT is not set: set ROOT, or give -d");
	m = calloc(1, sizeof(*m) + strlen(root));
	if (m == NULL)
		return smtpd_error(host, NULL, "out of memory");
	memcpy(m->root, root, strlen(root) + 1);
	m->base.conf.root = m->root;
	m->base.conf.durable = store_durable(host);
	m->base.conf.layout.is_by_minute = 1;
	m->base.conf.layout.name = name_file;
	m->base.conf.head = put_head;
	smtpd_need_path(host, m->root, 1);
	*self = m;
	return 0;
}

/* Begun here: data() is not called when another module accepts that stage. */
static struct store_message *
begin(const struct minute *m, struct smtpd_session *session)
{
	struct store_message **message = slot_of(session);

	if (*message == NULL)
		*message = store_begin(m->base.store, session);
	return *message;
}

static enum smtpd_verdict
body(void *self, struct smtpd_session *session, const char *bytes, size_t len)
{
	struct store_message *message = begin(self, session);

	if (message == NULL)
		return store_refuse(session, ENOMEM);
	store_text(message, bytes, len);
	return SMTPD_PASS;
}

static int
compare(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* A link for each domain, which are sorted: there may be many. */
static int
add_domains(struct store_message *message, const char **domains, size_t n)
{
	size_t i;

	qsort(domains, n, sizeof(*domains), compare);
	for (i = 0; i < n; i++)
		if ((i == 0 || strcmp(domains[i - 1], domains[i]) != 0) &&
		    store_link(message, domains[i]) == -1)
			return -1;
	return 0;
}

/* One file, a link for each domain: 0 or -1. */
static int
add_links(struct store_message *message, struct smtpd_session *session)
{
	size_t i, len, n = smtpd_recipients(session);
	const char *lines, **domains;
	int ret;

	lines = smtpd_prepended(session, &len);
	if (lines == NULL || store_file(message, lines, len) == -1)
		return -1;
	domains = calloc(n, sizeof(*domains));
	if (domains == NULL)
		return -1;
	for (i = 0; i < n; i++)
		domains[i] = smtpd_recipient_domain(session, i);
	ret = add_domains(message, domains, n);
	free(domains);
	return ret;
}

static enum smtpd_verdict
deliver(void *self, struct smtpd_session *session)
{
	struct store_message *message;

	if (smtpd_recipients(session) == 0)
		return SMTPD_PASS;
	message = begin(self, session);
	if (message == NULL || add_links(message, session) == -1)
		return store_refuse(session, ENOMEM);
	return store_commit(message);
}

static void
reset(void *self, struct smtpd_session *session)
{
	struct store_message **message = slot_of(session);

	(void)self;
	store_end(*message);
	*message = NULL;
}

static void
fini(void *self, struct smtpd_host *host)
{
	(void)host;
	free(self);
}

const struct smtpd_module smtpd_module = {
	.abi = SMTPD_MODULE_ABI,
	.size = sizeof(struct smtpd_module),
	.name = "minute",
	.configure = configure,
	.init = store_module_init,
	.child_init = store_module_child_init,
	.body = body,
	.deliver = deliver,
	.reset = reset,
	.child_exit = store_module_child_exit,
	.fini = fini
};
