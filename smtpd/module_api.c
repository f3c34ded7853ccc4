/*
 * module_api.c - the calls of modules: smtpd_*().
 *
 * Runs as: a generation; a child.
 * Uses: nothing of the system.
 * Promise: what a module asks with a wrong index or at a wrong time is refused,
 * or has no effect; it does not harm other sessions.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/smtp_command.h"
#include "smtpd/dialogue.h"
#include "smtpd/message_text.h"

struct smtpd_timer {
	struct loop_timer	 timer;
	struct smtpd_host	*host;
	const struct module	*module;	/* whose it is; or NULL */
	void			(*expired)(void *arg);
	void			*arg;
	int			 is_running;
};

struct smtpd_watch {
	struct loop_watch	 watch;
	struct smtpd_host	*host;
	const struct module	*module;
	void			(*ready)(void *arg, unsigned events);
	void			*arg;
};

/* 1. The process. */

const char *
smtpd_conf(struct smtpd_host *h, const char *key)
{
	return conf_text(h->conf, key, h->value, sizeof(h->value));
}

static void	say(struct smtpd_host *, enum log_level,
		    const struct smtpd_setting *, const char *, va_list)
		    PRINTF_LIKE(4, 0);

static void
say(struct smtpd_host *h, enum log_level level,
    const struct smtpd_setting *where, const char *format, va_list ap)
{
	const char *name = h->current != NULL ? h->current->name : "?";
	struct buf text;

	buf_init(&text, LOG_TEXT_MAX);
	buf_vprintf(&text, format, ap);
	if (where != NULL)
		log_say(&h->log, level, "%s:%u: module %s: %s",
		    where->file != NULL ? where->file : "", where->line, name,
		    buf_str(&text));
	else
		log_say(&h->log, level, "module %s: %s", name, buf_str(&text));
	buf_fini(&text);
}

int
smtpd_error(struct smtpd_host *h, const struct smtpd_setting *where,
    const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	say(h, LOG_LEVEL_ERROR, where, format, ap);
	va_end(ap);
	return -1;
}

void
smtpd_warn(struct smtpd_host *h, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	say(h, LOG_LEVEL_WARNING, NULL, format, ap);
	va_end(ap);
}

void
smtpd_need_path(struct smtpd_host *h, const char *path, int is_writable)
{
	char *copy = strdup(path);

	if (copy == NULL || h->npaths == HOST_PATHS_MAX) {
		free(copy);
		smtpd_warn(h, "too many paths: children cannot use %s", path);
		return;
	}
	h->paths[h->npaths].path = copy;
	h->paths[h->npaths++].is_writable = is_writable;
}

void
smtpd_need_port(struct smtpd_host *h, unsigned port)
{
	if (port == 0 || port > 65535)
		smtpd_warn(h, "%u is not a port", port);
	else if (h->nports == HOST_PORTS_MAX)
		smtpd_warn(h, "too many ports: children cannot connect to %u",
		    port);
	else
		h->ports[h->nports++] = (uint16_t)port;
}

static void
count_sync(struct counters *c, uint64_t us)
{
	counters_add(&c->sync_us, us);
	if (us > atomic_load_explicit(&c->sync_max_us, memory_order_relaxed))
		atomic_store_explicit(&c->sync_max_us, us,
		    memory_order_relaxed);
}

void
smtpd_count(struct smtpd_host *h, const char *name, uint64_t n)
{
	struct counters *c = h->counters;

	if (c == NULL || name[0] == '\0' || strlen(name) >= COUNTERS_NAME ||
	    name[strspn(name, "abcdefghijklmnopqrstuvwxyz_")] != '\0')
		return;
	if (strcmp(name, "syncs") == 0) {
		counters_add(&c->syncs, n);
		return;
	}
	if (strcmp(name, "sync_us") == 0) {
		count_sync(c, n);
		return;
	}
	for (size_t i = 0; i < COUNTERS_MODULE_MAX; i++) {
		if (c->modules[i].name[0] == '\0')
			(void)text_copy(c->modules[i].name, COUNTERS_NAME,
			    name);
		if (strcmp(c->modules[i].name, name) == 0) {
			counters_add(&c->modules[i].value, n);
			return;
		}
	}
}

/* 2. The loop. */

static void
timer_expired(void *arg)
{
	struct smtpd_timer *t = arg;
	struct smtpd_host *h = t->host;

	t->is_running = 1;
	host_run(h, t->module);
	t->expired(t->arg);
	host_run(h, NULL);
	free(t);
}

struct smtpd_timer *
smtpd_timer(struct smtpd_host *h, int64_t milliseconds,
    void (*expired)(void *arg), void *arg)
{
	struct smtpd_timer *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return NULL;
	t->timer.expired = timer_expired;
	t->timer.arg = t;
	t->host = h;
	t->module = h->current;
	t->expired = expired;
	t->arg = arg;
	if (milliseconds < 0)
		milliseconds = 0;
	if (milliseconds <= INT64_MAX / 2 &&
	    loop_timer_set(&h->loop, &t->timer,
	    loop_now(&h->loop) + milliseconds) == 0)
		return t;
	free(t);
	return NULL;
}

void
smtpd_timer_cancel(struct smtpd_timer *t)
{
	/* In its own call it is freed after that. */
	if (t == NULL || t->is_running)
		return;
	loop_timer_cancel(&t->host->loop, &t->timer);
	free(t);
}

static void
watch_ready(void *arg, unsigned events)
{
	struct smtpd_watch *w = arg;
	struct smtpd_host *h = w->host;

	host_run(h, w->module);
	w->ready(w->arg, (events & LOOP_READ ? SMTPD_READ : 0) |
	    (events & LOOP_WRITE ? SMTPD_WRITE : 0));
	host_run(h, NULL);
}

static unsigned
loop_events(unsigned events)
{
	return (events & SMTPD_READ ? LOOP_READ : 0) |
	    (events & SMTPD_WRITE ? LOOP_WRITE : 0);
}

struct smtpd_watch *
smtpd_watch_fd(struct smtpd_host *h, int fd, unsigned events,
    void (*ready)(void *arg, unsigned events), void *arg)
{
	struct smtpd_watch *w = calloc(1, sizeof(*w));

	if (w == NULL)
		return NULL;
	w->watch.fd = fd;
	w->watch.ready = watch_ready;
	w->watch.arg = w;
	w->host = h;
	w->module = h->current;
	w->ready = ready;
	w->arg = arg;
	if (loop_watch(&h->loop, &w->watch, loop_events(events)) == 0)
		return w;
	free(w);
	return NULL;
}

int
smtpd_watch_events(struct smtpd_watch *w, unsigned events)
{
	return loop_watch(&w->host->loop, &w->watch, loop_events(events));
}

void
smtpd_watch_end(struct smtpd_watch *w)
{
	if (w == NULL)
		return;
	(void)loop_watch(&w->host->loop, &w->watch, 0);
	free(w);
}

/* 3. Verdicts. */

void
smtpd_set_text(struct smtpd_session *s, const char *format, ...)
{
	struct buf text;
	va_list ap;

	buf_init(&text, 0);
	va_start(ap, format);
	buf_vprintf(&text, format, ap);
	va_end(ap);
	free(s->stage.text);
	s->stage.text = buf_take(&text);
}

void
smtpd_finish(struct smtpd_session *s, enum smtpd_verdict verdict)
{
	dialogue_finish(s, verdict);
}

void
smtpd_pause(struct smtpd_session *s, int is_paused)
{
	int was_paused = s->is_paused;

	s->is_paused = is_paused != 0;
	if (was_paused && !s->is_paused)
		s->resumed(s->arg);
}

/* The place of a module in the configuration. */
static size_t
index_of(const struct smtpd_host *h, const struct smtpd_module *hooks)
{
	size_t i = 0;

	while (i < h->nmodules - 1 && h->modules[i].hooks != hooks)
		i++;
	return i;
}

void **
smtpd_data(struct smtpd_session *s, const struct smtpd_module *hooks)
{
	return &s->data[index_of(s->host, hooks)];
}

struct smtpd_host *
smtpd_host(struct smtpd_session *s)
{
	return s->host;
}

/* 4. The connection. */

const char *
smtpd_client(const struct smtpd_session *s)
{
	return s->client.text;
}

unsigned
smtpd_client_port(const struct smtpd_session *s)
{
	return s->client.port;
}

const char *
smtpd_helo(const struct smtpd_session *s)
{
	return s->client.helo != NULL ? s->client.helo : "";
}

/* The words of RFC 3848 and RFC 6531 4.3. */
const char *
smtpd_protocol(const struct smtpd_session *s)
{
	int has_tls = s->client.tls[0] != '\0';

	if (s->transaction.is_smtputf8)
		return has_tls ? "UTF8SMTPS" : "UTF8SMTP";
	if (!s->client.is_esmtp)
		return "SMTP";
	return has_tls ? "ESMTPS" : "ESMTP";
}

const char *
smtpd_tls(const struct smtpd_session *s)
{
	return s->client.tls;
}

/* 5. The transaction. */

const char *
smtpd_id(const struct smtpd_session *s)
{
	return s->transaction.id;
}

const char *
smtpd_sender(const struct smtpd_session *s)
{
	return s->transaction.sender != NULL ? s->transaction.sender : "";
}

const char *
smtpd_sender_parameters(const struct smtpd_session *s)
{
	return s->transaction.parameters != NULL ?
	    s->transaction.parameters : "";
}

size_t
smtpd_recipients(const struct smtpd_session *s)
{
	return s->transaction.nrecipients;
}

const char *
smtpd_recipient(const struct smtpd_session *s, size_t i)
{
	return i < s->transaction.nrecipients ?
	    s->transaction.recipients[i].path : "";
}

const char *
smtpd_recipient_parameters(const struct smtpd_session *s, size_t i)
{
	return i < s->transaction.nrecipients ?
	    s->transaction.recipients[i].parameters : "";
}

const char *
smtpd_recipient_domain(const struct smtpd_session *s, size_t i)
{
	return i < s->transaction.nrecipients ?
	    s->transaction.recipients[i].domain : "";
}

uint64_t
smtpd_size(const struct smtpd_session *s)
{
	return s->text.data.size_bytes;
}

int
smtpd_set_sender(struct smtpd_session *s, const char *path)
{
	if (s->transaction.sender == NULL || smtp_path_check(path, 1) == -1)
		return -1;
	return transaction_set_sender(&s->transaction, path);
}

int
smtpd_set_recipient(struct smtpd_session *s, size_t i, const char *path)
{
	if (i >= s->transaction.nrecipients || smtp_path_check(path, 0) == -1)
		return -1;
	return transaction_set_recipient(&s->transaction, i, path);
}

int
smtpd_add_recipient(struct smtpd_session *s, const char *path)
{
	if (s->transaction.sender == NULL || smtp_path_check(path, 0) == -1)
		return -1;
	return transaction_add(&s->transaction, path, "");
}

void
smtpd_remove_recipient(struct smtpd_session *s, size_t i)
{
	if (i < s->transaction.nrecipients)
		transaction_remove(&s->transaction, i);
}

const char *
smtpd_prepended(struct smtpd_session *s, size_t *len)
{
	const struct received r = { .helo = smtpd_helo(s),
	    .client = s->client.text, .host = s->host->name,
	    .protocol = smtpd_protocol(s), .tls = s->client.tls,
	    .when = time(NULL) };

	if (s->transaction.sender == NULL)
		return NULL;
	return transaction_lines(&s->transaction, &r, len);
}

void
smtpd_emit(struct smtpd_session *s, const struct smtpd_module *hooks,
    const char *bytes, size_t len)
{
	struct smtpd_host *h = s->host;
	const struct module *outer = h->current;
	int was_in_hook = h->is_in_hook;

	message_text_pass(s, index_of(h, hooks) + 1, bytes, len);
	host_run(h, outer);
	h->is_in_hook = was_in_hook;
}
