/*
 * reload.c - root's files: dma.conf, the aliases, the file of SENDER_RELAY.
 * Runs as: the spool user.  Uses: those files.
 * Promise: a file that cannot be read leaves what was known, or defers mail;
 * no mail takes another way for it.
 */
#include <errno.h>
#include <string.h>

#include "conf/files.h"
#include "queue/reload.h"

int
reload_first(struct reloader *r, struct queue *q)
{
	memset(r, 0, sizeof(*r));
	r->q = q;
	log_init(&q->log, "dma");
	files_changed(DMA_CONFDIR "/dma.conf", &r->conf);
	if (files_conf_log(&q->conf, &q->log, "dma") == 0)
		return 0;
	log_say(&q->log, LOG_LEVEL_ERROR, "dma.conf: %s: mail is deferred",
	    strerror(errno));
	return -1;
}

/* 1 when it is another one. */
static int
reload_conf(struct reloader *r)
{
	struct queue *q = r->q;
	const struct report report = { log_report, &q->log };
	struct conf conf;

	if (!files_changed(DMA_CONFDIR "/dma.conf", &r->conf) ||
	    files_conf(&conf, &report) == -1)
		return 0;
	r->has_tried_aliases = r->has_tried_senders = 0;
	if (strcmp(conf.where.spool, q->spool.path) != 0) {
		conf_fini(&conf);
		return 0;
	}
	conf_fini(&q->conf);
	q->conf = conf;
	files_log_close(&q->log);
	files_log(&q->conf.log, &q->log, "dma");
	return 1;
}

/*
 * One that cannot be read keeps what is known, unless it is another file:
 * nobody's relay is known then, and mail is deferred.
 */
static int
reload_senders(struct reloader *r)
{
	struct queue *q = r->q;
	const struct report report = { log_report, &q->log };
	const char *path = q->conf.where.sender_relay;
	struct sender_relays senders;

	if (!files_changed(path == NULL ? "" : path, &r->senders) &&
	    r->has_tried_senders)
		return 0;
	if (!r->has_tried_senders)
		q->has_senders = 0;
	r->has_tried_senders = 1;
	if (files_sender_relays(path, &senders, &report) == -1)
		return 0;
	sender_relay_fini(&q->senders);
	q->senders = senders;
	q->has_senders = 1;
	return 1;
}

static void
reload_aliases(struct reloader *r)
{
	struct queue *q = r->q;
	const char *path = q->conf.where.aliases;
	struct aliases aliases;
	unsigned bad;

	if (!files_changed(path, &r->aliases) && r->has_tried_aliases)
		return;
	r->has_tried_aliases = 1;
	/* What was known is better than nothing known.  Every runner would
	 * log every bad line; newaliases names them. */
	if (files_aliases(path, &aliases, &report_quiet, &bad) == -1) {
		log_report(&q->log, path, 0, strerror(errno));
		return;
	}
	if (bad > 0)
		log_say(&q->log, LOG_LEVEL_WARNING, "%s: %u lines with errors: "
		    "run newaliases for details", path, bad);
	aliases_fini(&q->aliases);
	q->aliases = aliases;
	q->has_aliases = 1;
}

int
reload_changed(struct reloader *r)
{
	int is_stale;

	is_stale = reload_conf(r);
	is_stale |= reload_senders(r);
	reload_aliases(r);
	return is_stale;
}

void
reload_retry(struct reloader *r)
{
	if (!r->q->has_aliases)
		r->has_tried_aliases = 0;
}
