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

/* A login that was rejected may be right now. */
static int
has_new_logins(struct reloader *r)
{
	const char *path = r->q->conf.where.auth;

	return files_changed(path == NULL ? "" : path, &r->auth);
}

/* It has changed, or is to be tried again. */
static int
is_to_be_read(struct reloader *r, enum reload_file file, const char *path,
    struct stat *last)
{
	int is_again = (r->again & file) != 0;

	r->again &= ~(unsigned)file;
	return files_changed(path, last) || is_again;
}

/* Takes note of what a reader gave; 0 or -1. */
static int
note(struct reloader *r, enum reload_file file, int got)
{
	if (got == -1)
		r->unread |= file;
	else
		r->unread &= ~(unsigned)file;
	return got == -1 ? -1 : 0;
}

int
reload_first(struct reloader *r, struct queue *q)
{
	memset(r, 0, sizeof(*r));
	r->q = q;
	files_changed(DMA_PROGRAM, &r->program);
	log_init(&q->log, "dma");
	files_changed(DMA_CONFDIR "/dma.conf", &r->conf);
	if (files_conf_log(&q->conf, &q->log, "dma") == 0) {
		(void)has_new_logins(r);
		return 0;
	}
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

	if (!is_to_be_read(r, RELOAD_CONF, DMA_CONFDIR "/dma.conf",
	    &r->conf) || note(r, RELOAD_CONF, files_conf(&conf, &report)) == -1)
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

	if (!is_to_be_read(r, RELOAD_SENDERS, path == NULL ? "" : path,
	    &r->senders) && r->has_tried_senders)
		return 0;
	if (!r->has_tried_senders)
		q->has_senders = 0;
	r->has_tried_senders = 1;
	if (note(r, RELOAD_SENDERS, files_sender_relays(path, &senders,
	    &report)) == -1)
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

	if (!is_to_be_read(r, RELOAD_ALIASES, path, &r->aliases) &&
	    r->has_tried_aliases)
		return;
	r->has_tried_aliases = 1;
	/* What was known is better than nothing known.  Every runner would
	 * log every bad line; newaliases names them. */
	if (note(r, RELOAD_ALIASES, files_aliases(path, &aliases,
	    &report_quiet, &bad)) == -1) {
		log_report(&q->log, path, 0, errno == EFBIG ?
		    ALIASES_TOO_LARGE : strerror(errno));
		return;
	}
	if (bad > 0)
		log_say(&q->log, LOG_LEVEL_WARNING, "%s: %u line%s with "
		    "errors: run newaliases for details", path, bad,
		    bad == 1 ? "" : "s");
	aliases_fini(&q->aliases);
	q->aliases = aliases;
	q->has_aliases = 1;
}

int
reload_changed(struct reloader *r)
{
	int is_stale;

	is_stale = reload_conf(r);
	is_stale |= has_new_logins(r);
	is_stale |= reload_senders(r);
	reload_aliases(r);
	return is_stale;
}

void
reload_retry(struct reloader *r)
{
	r->again = r->unread;
}

void
reload_log(struct reloader *r)
{
	files_log_renew(&r->q->conf.log, &r->q->log);
}

int
reload_replaced(struct reloader *r)
{
	return files_changed(DMA_PROGRAM, &r->program);
}
