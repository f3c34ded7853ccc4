/*
 * t_smtpd.c - a host for modules of dma-smtpd.
 * Runs as: the caller.
 */
#include <errno.h>

#include "lib/smtp_command.h"
#include "tests/unit/t_smtpd.h"

#define TURNS	2000	/* of 10 ms at most: the disk may be slow */

struct smtpd_timer {
	struct loop_timer timer;
	struct smtpd_host *host;
	void		(*expired)(void *);
	void		*arg;
};

struct smtpd_watch {
	struct loop_watch watch;
	struct smtpd_host *host;
};

/* ---- the host ---- */

void
t_smtpd_host_init(struct smtpd_host *host, const char *root)
{
	memset(host, 0, sizeof(*host));
	assert_int_equal(loop_init(&host->loop), 0);
	t_smtpd_host_conf(host, "ROOT", root);
}

void
t_smtpd_host_fini(struct smtpd_host *host)
{
	loop_fini(&host->loop);
}

void
t_smtpd_host_conf(struct smtpd_host *host, const char *key, const char *value)
{
	size_t i;

	for (i = 0; host->conf[i].key != NULL &&
	    strcmp(host->conf[i].key, key) != 0; i++)
		assert_true(i < T_SMTPD_CONF - 2);
	host->conf[i].key = key;
	host->conf[i].value = value;
}

uint64_t
t_smtpd_host_counter(const struct smtpd_host *host, const char *name)
{
	size_t i;

	for (i = 0; i < T_SMTPD_COUNTERS; i++)
		if (strcmp(host->counters[i].name, name) == 0)
			return host->counters[i].n;
	return 0;
}

void
t_smtpd_host_turn(struct smtpd_host *host)
{
	assert_int_not_equal(loop_turn(&host->loop, 10), -1);
}

const char *
smtpd_conf(struct smtpd_host *host, const char *key)
{
	size_t i;

	for (i = 0; i < T_SMTPD_CONF && host->conf[i].key != NULL; i++)
		if (strcmp(host->conf[i].key, key) == 0)
			return host->conf[i].value;
	return NULL;
}

int
smtpd_error(struct smtpd_host *host, const struct smtpd_setting *setting,
    const char *format, ...)
{
	va_list args;

	(void)setting;
	host->errors++;
	va_start(args, format);
	vsnprintf(host->text, sizeof(host->text), format, args);
	va_end(args);
	return -1;
}

void
smtpd_warn(struct smtpd_host *host, const char *format, ...)
{
	va_list args;

	host->warnings++;
	va_start(args, format);
	vsnprintf(host->text, sizeof(host->text), format, args);
	va_end(args);
}

void
smtpd_need_path(struct smtpd_host *host, const char *path, int is_writable)
{
	assert_true(is_writable);
	snprintf(host->path, sizeof(host->path), "%s", path);
}

void
smtpd_count(struct smtpd_host *host, const char *name, uint64_t n)
{
	size_t i;

	for (i = 0; host->counters[i].name[0] != '\0' &&
	    strcmp(host->counters[i].name, name) != 0; i++)
		assert_true(i < T_SMTPD_COUNTERS - 1);
	snprintf(host->counters[i].name, sizeof(host->counters[i].name), "%s",
	    name);
	host->counters[i].n += n;
}

/* ---- its loop ---- */

static void
timer_expired(void *arg)
{
	struct smtpd_timer *t = arg;

	t->expired(t->arg);
	free(t);
}

struct smtpd_timer *
smtpd_timer(struct smtpd_host *host, int64_t milliseconds,
    void (*expired)(void *), void *arg)
{
	struct smtpd_timer *t = calloc(1, sizeof(*t));

	assert_non_null(t);
	t->host = host;
	t->expired = expired;
	t->arg = arg;
	t->timer.expired = timer_expired;
	t->timer.arg = t;
	assert_int_equal(loop_timer_set(&host->loop, &t->timer,
	    loop_now(&host->loop) + milliseconds), 0);
	return t;
}

void
smtpd_timer_cancel(struct smtpd_timer *t)
{
	loop_timer_cancel(&t->host->loop, &t->timer);
	free(t);
}

struct smtpd_watch *
smtpd_watch_fd(struct smtpd_host *host, int fd, unsigned events,
    void (*ready)(void *, unsigned), void *arg)
{
	struct smtpd_watch *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	w->host = host;
	w->watch.fd = fd;
	w->watch.ready = ready;
	w->watch.arg = arg;
	assert_int_equal(loop_watch(&host->loop, &w->watch, events), 0);
	return w;
}

int
smtpd_watch_events(struct smtpd_watch *w, unsigned events)
{
	return loop_watch(&w->host->loop, &w->watch, events);
}

void
smtpd_watch_end(struct smtpd_watch *w)
{
	assert_int_equal(loop_watch(&w->host->loop, &w->watch, 0), 0);
	free(w);
}

/* ---- sessions ---- */

void
t_smtpd_init(struct smtpd_session *s, struct smtpd_host *host, char *rcpts)
{
	char *rcpt, *rest = rcpts;

	memset(s, 0, sizeof(*s));
	s->host = host;
	s->sender = "sender@s.test";
	buf_init(&s->lines, 0);
	while ((rcpt = strsep(&rest, " ")) != NULL) {
		assert_true(s->nrcpts < T_SMTPD_RCPTS);
		s->rcpts[s->nrcpts++] = rcpt;
		buf_printf(&s->lines, "Forward-Path: <%s>\r\n", rcpt);
	}
	buf_printf(&s->lines, "Return-Path: <%s>\r\n"
	    "Received: from there\r\n", s->sender);
}

void
t_smtpd_fini(struct smtpd_session *s)
{
	assert_null(s->data);
	buf_fini(&s->lines);
}

void
t_smtpd_send(struct smtpd_session *s, void *self, const char *text,
    size_t len, size_t piece)
{
	size_t n;
	int turns;

	for (; len > 0; text += n, len -= n) {
		n = len < piece ? len : piece;
		assert_int_equal(smtpd_module.body(self, s, text, n),
		    SMTPD_PASS);
		for (turns = 0; s->is_paused && turns < TURNS; turns++)
			t_smtpd_host_turn(s->host);
		assert_false(s->is_paused);
	}
	s->verdict = smtpd_module.deliver(self, s);
	s->is_finished = s->verdict != SMTPD_PENDING;
}

enum smtpd_verdict
t_smtpd_end(struct smtpd_session *s, void *self)
{
	int turns;

	for (turns = 0; !s->is_finished && turns < TURNS; turns++)
		t_smtpd_host_turn(s->host);
	assert_true(s->is_finished);
	smtpd_module.reset(self, s);
	return s->verdict;
}

void
smtpd_set_text(struct smtpd_session *s, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(s->reply, sizeof(s->reply), format, args);
	va_end(args);
}

void
smtpd_finish(struct smtpd_session *s, enum smtpd_verdict verdict)
{
	assert_false(s->is_finished);
	s->is_finished = 1;
	s->verdict = verdict;
}

void
smtpd_pause(struct smtpd_session *s, int is_paused)
{
	s->is_paused = is_paused;
}

void **
smtpd_data(struct smtpd_session *s, const struct smtpd_module *module)
{
	assert_ptr_equal(module, &smtpd_module);
	return &s->data;
}

struct smtpd_host *
smtpd_host(struct smtpd_session *s)
{
	return s->host;
}

const char *
smtpd_client(const struct smtpd_session *s)
{
	return s->client;
}

const char *
smtpd_sender(const struct smtpd_session *s)
{
	return s->sender;
}

size_t
smtpd_recipients(const struct smtpd_session *s)
{
	return s->nrcpts;
}

const char *
smtpd_recipient(const struct smtpd_session *s, size_t i)
{
	return s->rcpts[i];
}

int
smtpd_set_recipient(struct smtpd_session *s, size_t i, const char *path)
{
	assert_true(i < s->nrcpts);
	if (smtp_path_check(path, 0) == -1)
		return -1;
	s->rcpts[i] = path;
	return 0;
}

/* Kept by the core with each recipient; here for one at a time, hence a table. */
const char *
smtpd_recipient_domain(const struct smtpd_session *s, size_t i)
{
	static char domains[T_SMTPD_RCPTS][254];

	smtp_path_domain(s->rcpts[i], domains[i]);
	return domains[i];
}

const char *
smtpd_prepended(struct smtpd_session *s, size_t *len)
{
	*len = s->lines.len;
	return buf_str(&s->lines);
}
