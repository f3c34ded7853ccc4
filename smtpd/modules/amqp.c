/*
 * amqp.c - a module that publishes messages to RabbitMQ.
 * Runs as: a child of dma-smtpd; init() as its parent.
 * Uses: the brokers, by a thread (broker_publisher.c); unlinked temporary files
 * for texts that are too long for memory.
 * Promise: DELIVERED only after the broker has confirmed each of the message's
 * publications; a verdict within TIMEOUT.  A refused message may all the same
 * be in a queue: delivery is at least once.
 */
#include <sys/mman.h>

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/io.h"
#include "smtpd/modules/broker_publisher.h"
#include "smtpd/modules/broker_settings.h"
#include "smtpd/modules/rabbitmq.h"
#include "smtpd/modules/temporary.h"
#include "smtpd/smtpd_module.h"

#define MEMORY_MAX	(64 * 1024)	/* bytes of a text in memory */
#define HEADERS_MAX	(32 * 1024)	/* bytes of Forward-Path in one
					 * publication: a frame has 128 KiB */
#define SWEEP_MS	500		/* between looks at deadlines */

/* What getaddrinfo(3) reads. */
static const char *const resolver_files[] = { "/etc/hosts", "/etc/host.conf",
    "/etc/resolv.conf", "/etc/nsswitch.conf", "/etc/gai.conf",
    "/etc/services", "/run/systemd/resolve", "/run/resolvconf" };

/* A message that was handed to the publisher. */
struct published_message {
	struct published_message *next, *previous;	/* by deadline */
	struct smtpd_session *session;		/* NULL: nobody waits */
	int64_t		 deadline_ms;
	struct buf	 body;		/* owned; or */
	void		*map;		/* owned: the same in a file */
	size_t		 map_bytes;
	amqp_pool_t	 pool;		/* of all strings */
	struct publication *publications;	/* owned */
	size_t		 n, nleft;
	enum publication_status worst;
	const char	*domain;	/* of that one */
};

/* The text of a transaction, until it is handed over. */
struct text {
	struct buf	 memory;
	int		 fd;		/* -1: all is in memory */
	off_t		 file_bytes;
};

struct amqp {
	struct broker_settings settings;
	struct smtpd_host *host;	/* lent: of the child */
	struct publisher *publisher;	/* owned: of the child */
	struct smtpd_watch *watch;
	struct smtpd_timer *sweep;
	struct published_message *first, *last;	/* whose sessions wait */
	unsigned long	 nids;
	int		 is_in_use;	/* by a thread that did not end */
	char		 reason[512];	/* why there is no broker */
};

/* ---- the process ---- */

static int
amqp_configure(struct smtpd_host *host, const struct smtpd_setting *settings,
    size_t n, void **self)
{
	const char *reason;
	struct amqp *a;
	int ret = 0;
	size_t i;

	a = calloc(1, sizeof(*a));
	if (a == NULL)
		return smtpd_error(host, NULL, "out of memory");
	*self = a;
	broker_settings_init(&a->settings);
	for (i = 0; i < n; i++)
		if (broker_settings_set(&a->settings, settings[i].key,
		    settings[i].value, &reason) == -1)
			ret = smtpd_error(host, &settings[i], "%s: %s",
			    settings[i].key, reason);
	broker_settings_complete(&a->settings);
	return ret;
}

/* OpenSSL reads its configuration, which the sandbox will hide. */
static int
start_tls(void)
{
	amqp_connection_state_t link = amqp_new_connection();
	int is_started = link != NULL && amqp_ssl_socket_new(link) != NULL;

	(void)amqp_destroy_connection(link);
	errno = ENOMEM;
	return is_started;
}

/* A file of certificates that can be read: 0, or -1 with errno. */
static int
check_ca(const char *path)
{
	int fd;

	if (path == NULL)
		return 0;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd == -1)
		return -1;
	close(fd);
	return start_tls() ? 0 : -1;
}

static int
amqp_init(void *self, struct smtpd_host *host)
{
	struct broker_settings *s = &((struct amqp *)self)->settings;
	const char *reason;
	size_t i;

	if (s->directory == NULL)
		s->directory = strdup(TEMPORARY_DIRECTORY);
	if (s->directory == NULL)
		return smtpd_error(host, NULL, "out of memory");
	if (broker_settings_login(s, &reason) == -1)
		return smtpd_error(host, NULL, "LOGIN %s: %s", s->login_file,
		    reason);
	if (check_ca(s->ca_file) == -1)
		return smtpd_error(host, NULL, "CA %s: %s", s->ca_file,
		    strerror(errno));
	for (i = 0; i < sizeof(resolver_files) / sizeof(resolver_files[0]); i++)
		smtpd_need_path(host, resolver_files[i], 0);
	if (s->ca_file != NULL)
		smtpd_need_path(host, s->ca_file, 0);
	smtpd_need_path(host, s->directory, 1);
	smtpd_need_port(host, 53);
	for (i = 0; i < s->nbrokers; i++)
		smtpd_need_port(host, s->brokers[i].port);
	return 0;
}

static void	take_done(void *self, unsigned events);

static int
amqp_child_init(void *self, struct smtpd_host *host)
{
	struct amqp *a = self;
	char name[64];

	a->host = host;
	snprintf(name, sizeof(name), "dma-smtpd[%ld]", (long)getpid());
	a->publisher = publisher_new(&a->settings, name);
	if (a->publisher == NULL)
		return smtpd_error(host, NULL, "cannot start a thread: %s",
		    strerror(errno));
	a->watch = smtpd_watch_fd(host, publisher_fd(a->publisher), SMTPD_READ,
	    take_done, a);
	if (a->watch == NULL)
		return smtpd_error(host, NULL, "out of memory");
	return 0;
}

/* ---- a message under way ---- */

static void
unlink_delivery(struct amqp *a, struct published_message *d)
{
	*(d->previous == NULL ? &a->first : &d->previous->next) = d->next;
	*(d->next == NULL ? &a->last : &d->next->previous) = d->previous;
	d->next = d->previous = NULL;
}

static void
delivery_free(struct published_message *d)
{
	buf_fini(&d->body);
	if (d->map != NULL)
		munmap(d->map, d->map_bytes);
	empty_amqp_pool(&d->pool);
	free(d->publications);
	free(d);
}

static enum smtpd_verdict
verdict_of(struct amqp *a, struct smtpd_session *s,
    const struct published_message *d)
{
	switch (d->worst) {
	case PUBLICATION_CONFIRMED:
		smtpd_count(a->host, "amqp_confirmed", d->n);
		return SMTPD_DELIVERED;
	case PUBLICATION_RETURNED:
		smtpd_count(a->host, "amqp_returned", 1);
		smtpd_warn(a->host, "%s: exchange \"%s\" routes \"%s\" "
		    "to no queue", smtpd_id(s), a->settings.exchange,
		    d->domain);
		smtpd_set_text(s, "451 4.4.4 no queue for %s", d->domain);
		break;
	case PUBLICATION_REFUSED:
		smtpd_count(a->host, "amqp_refused", 1);
		smtpd_set_text(s, "451 4.3.0 message queue refused, try again "
		    "later");
		break;
	case PUBLICATION_QUEUED:
	case PUBLICATION_LOST:
		smtpd_count(a->host, "amqp_lost", 1);
		smtpd_set_text(s, "451 4.4.1 message queue unreachable, try "
		    "again later");
		break;
	}
	return SMTPD_TEMPORARY;
}

/* The session is told; the delivery stays until its publications are done. */
static void
settle(struct amqp *a, struct published_message *d)
{
	struct smtpd_session *s = d->session;

	if (s == NULL)
		return;
	unlink_delivery(a, d);
	d->session = NULL;
	smtpd_finish(s, verdict_of(a, s, d));
}

static void
abandon(struct published_message *d)
{
	size_t i;

	for (i = 0; i < d->n; i++)
		d->publications[i].is_abandoned = 1;
}

static void
sweep(void *self)
{
	struct amqp *a = self;
	struct published_message *d;
	int64_t now_ms = io_clock_ms();
	int is_late = 0;

	a->sweep = NULL;
	while ((d = a->first) != NULL && d->deadline_ms <= now_ms) {
		d->worst = PUBLICATION_LOST;
		abandon(d);
		settle(a, d);
		is_late = 1;
	}
	if (is_late)
		publisher_break(a->publisher);
	if (a->first != NULL && a->sweep == NULL)
		a->sweep = smtpd_timer(a->host, SWEEP_MS, sweep, a);
}

static void
take_event(struct amqp *a)
{
	struct publisher_event e;

	if (!publisher_event(a->publisher, &e))
		return;
	if (e.is_connected) {
		smtpd_count(a->host, "amqp_connects", 1);
		if (*a->reason != '\0')
			smtpd_warn(a->host, "connected to %s", e.text);
		*a->reason = '\0';
	} else if (strcmp(a->reason, e.text) != 0) {
		smtpd_warn(a->host, "%s", e.text);
		(void)text_copy(a->reason, sizeof(a->reason), e.text);
	}
}

static void
take_publication(struct amqp *a, struct publication *p)
{
	struct published_message *d = p->owner;

	if (p->status > d->worst) {
		d->worst = p->status;
		d->domain = p->routing_key.bytes;
	}
	if (--d->nleft > 0)
		return;
	settle(a, d);
	delivery_free(d);
}

static void
take_done(void *self, unsigned events)
{
	struct amqp *a = self;
	struct publication *p, *next;

	(void)events;
	for (p = publisher_done(a->publisher); p != NULL; p = next) {
		next = p->next;
		take_publication(a, p);
	}
	take_event(a);
}

/* ---- what is published ---- */

/* A string of the pool, with a NUL after it; .bytes NULL without memory. */
static amqp_bytes_t PRINTF_LIKE(2, 3)
pool_text(amqp_pool_t *pool, const char *format, ...)
{
	amqp_bytes_t out;
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(NULL, 0, format, args);
	va_end(args);
	if (len < 0)
		return amqp_empty_bytes;
	amqp_pool_alloc_bytes(pool, (size_t)len + 1, &out);
	if (out.bytes == NULL)
		return amqp_empty_bytes;
	va_start(args, format);
	(void)vsnprintf(out.bytes, (size_t)len + 1, format, args);
	va_end(args);
	out.len = (size_t)len;
	return out;
}

/* As in the lines: "<path> PARAMETERS". */
static amqp_bytes_t
pool_path(amqp_pool_t *pool, const char *path, const char *parameters)
{
	return pool_text(pool, "<%s>%s%s", path,
	    *parameters == '\0' ? "" : " ", parameters);
}

static int
set_header(amqp_table_entry_t *e, const char *key, amqp_bytes_t value)
{
	e->key = amqp_cstring_bytes(key);
	e->value.kind = AMQP_FIELD_KIND_UTF8;
	e->value.value.bytes = value;
	return value.bytes == NULL ? -1 : 0;
}

/* Of which the array of Forward-Path is still to be set. */
static int
pool_headers(amqp_pool_t *pool, struct smtpd_session *s, amqp_table_t *t)
{
	t->num_entries = 3;
	t->entries = amqp_pool_alloc(pool, 3 * sizeof(*t->entries));
	if (t->entries == NULL)
		return -1;
	t->entries[2].key = amqp_cstring_bytes("Forward-Path");
	t->entries[2].value.kind = AMQP_FIELD_KIND_ARRAY;
	if (set_header(&t->entries[0], "Return-Path", pool_path(pool,
	    smtpd_sender(s), smtpd_sender_parameters(s))) == -1)
		return -1;
	return set_header(&t->entries[1], "client", pool_text(pool, "%s",
	    smtpd_client(s)));
}

/* A recipient, to be sorted by domain. */
struct sorted_recipient {
	const char	*domain;
	size_t		 i;
};

static int
compare_places(const void *left, const void *right)
{
	const struct sorted_recipient *a = left, *b = right;
	int ret = strcmp(a->domain, b->domain);

	if (ret != 0)
		return ret;
	return a->i < b->i ? -1 : a->i > b->i;
}

/* How many of the first places belong into one publication. */
static size_t
group_size(struct smtpd_session *s, const struct sorted_recipient *places,
    size_t n)
{
	size_t i, bytes = 0;

	for (i = 0; i < n && bytes < HEADERS_MAX; i++) {
		if (strcmp(places[i].domain, places[0].domain) != 0)
			break;
		bytes += strlen(smtpd_recipient(s, places[i].i)) +
		    strlen(smtpd_recipient_parameters(s, places[i].i));
	}
	return i;
}

/* A publication to these recipients, of one domain. */
static int
add_publication(struct amqp *a, struct published_message *d,
    struct smtpd_session *s, const struct sorted_recipient *places, size_t n)
{
	struct publication *p = &d->publications[d->n];
	amqp_array_t *paths;
	amqp_field_value_t *v;
	size_t i;

	p->owner = d;
	p->id = pool_text(&d->pool, "%s.%lu", smtpd_id(s), ++a->nids);
	p->routing_key = pool_text(&d->pool, "%s", places[0].domain);
	if (p->id.bytes == NULL || p->routing_key.bytes == NULL ||
	    pool_headers(&d->pool, s, &p->headers) == -1)
		return -1;
	paths = &p->headers.entries[2].value.value.array;
	paths->num_entries = (int)n;
	paths->entries = amqp_pool_alloc(&d->pool, n * sizeof(*v));
	if (paths->entries == NULL)
		return -1;
	for (i = 0; i < n; i++) {
		v = &paths->entries[i];
		v->kind = AMQP_FIELD_KIND_UTF8;
		v->value.bytes = pool_path(&d->pool,
		    smtpd_recipient(s, places[i].i),
		    smtpd_recipient_parameters(s, places[i].i));
		if (v->value.bytes.bytes == NULL)
			return -1;
	}
	d->n++;
	return 0;
}

static int
add_groups(struct amqp *a, struct published_message *d, struct smtpd_session *s,
    struct sorted_recipient *places, size_t n)
{
	size_t i, size;

	for (i = 0; i < n; i++) {
		places[i].domain = smtpd_recipient_domain(s, i);
		places[i].i = i;
	}
	qsort(places, n, sizeof(*places), compare_places);
	for (i = 0; i < n; i += size) {
		size = group_size(s, places + i, n - i);
		if (add_publication(a, d, s, places + i, size) == -1)
			return -1;
	}
	return 0;
}

/* One for each domain, or more of one with many recipients: 0 or -1. */
static int
add_publications(struct amqp *a, struct published_message *d,
    struct smtpd_session *s)
{
	size_t n = smtpd_recipients(s);
	struct sorted_recipient *places;
	int ret = -1;

	d->publications = calloc(n, sizeof(*d->publications));
	places = calloc(n, sizeof(*places));
	if (d->publications != NULL && places != NULL)
		ret = add_groups(a, d, s, places, n);
	free(places);
	return ret;
}

/* ---- the body ---- */

/* Our lines, then the text, in memory. */
static int
join_memory(struct published_message *d, struct text *t, const char *lines,
    size_t len)
{
	size_t text_len = t->memory.len;

	t->memory.limit = 0;
	if (buf_space(&t->memory, len) == NULL)
		return -1;
	buf_grown(&t->memory, len);
	memmove(t->memory.data + len, t->memory.data, text_len);
	memcpy(t->memory.data, lines, len);
	d->body = t->memory;
	buf_init(&t->memory, MEMORY_MAX);
	return 0;
}

/* The same where the text is in a file: pages with our lines, then the file. */
static amqp_bytes_t
join_file(struct published_message *d, struct text *t, const char *lines,
    size_t len)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t head = (len + page - 1) / page * page;
	size_t size = head + (size_t)t->file_bytes;
	amqp_bytes_t body = amqp_empty_bytes;
	char *map;

	map = mmap(NULL, size, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (map == MAP_FAILED)
		return body;
	d->map = map;
	d->map_bytes = size;
	if (mmap(map + head, (size_t)t->file_bytes, PROT_READ,
	    MAP_PRIVATE | MAP_FIXED, t->fd, 0) == MAP_FAILED)
		return body;
	memcpy(map + head - len, lines, len);
	body.bytes = map + head - len;
	body.len = len + (size_t)t->file_bytes;
	return body;
}

static int
write_memory(struct text *t)
{
	if (t->memory.len == 0)
		return 0;
	if (io_write_all(t->fd, t->memory.data, t->memory.len) == -1)
		return -1;
	t->file_bytes += (off_t)t->memory.len;
	buf_reset(&t->memory);
	return 0;
}

static int
join(struct published_message *d, struct text *t, struct smtpd_session *s)
{
	amqp_bytes_t body;
	const char *lines;
	size_t i, len;

	lines = smtpd_prepended(s, &len);
	if (lines == NULL)
		return -1;
	if (t->fd == -1) {
		if (join_memory(d, t, lines, len) == -1)
			return -1;
		body.bytes = d->body.data;
		body.len = d->body.len;
	} else {
		body = write_memory(t) == -1 ? amqp_empty_bytes :
		    join_file(d, t, lines, len);
		if (body.bytes == NULL)
			return -1;
	}
	for (i = 0; i < d->n; i++)
		d->publications[i].body = body;
	return 0;
}

/* ---- a transaction ---- */

static struct text *
text_of(struct smtpd_session *s)
{
	return *smtpd_data(s, &smtpd_module);
}

static void
text_free(struct text *t)
{
	if (t == NULL)
		return;
	io_close(&t->fd);
	buf_fini(&t->memory);
	free(t);
}

static void
amqp_reset(void *self, struct smtpd_session *s)
{
	(void)self;
	text_free(text_of(s));
	*smtpd_data(s, &smtpd_module) = NULL;
}

static enum smtpd_verdict
amqp_data(void *self, struct smtpd_session *s)
{
	struct text *t;

	amqp_reset(self, s);
	t = calloc(1, sizeof(*t));
	if (t == NULL)
		return SMTPD_TEMPORARY;
	t->fd = -1;
	buf_init(&t->memory, MEMORY_MAX);
	*smtpd_data(s, &smtpd_module) = t;
	return SMTPD_PASS;
}

static enum smtpd_verdict
amqp_body(void *self, struct smtpd_session *s, const char *bytes, size_t len)
{
	struct amqp *a = self;
	struct text *t = text_of(s);

	if (t == NULL)
		return SMTPD_TEMPORARY;
	if (t->memory.len + len <= MEMORY_MAX) {
		buf_add(&t->memory, bytes, len);
		return buf_failed(&t->memory) ? SMTPD_TEMPORARY : SMTPD_PASS;
	}
	if (t->fd == -1)
		t->fd = temporary_open(a->settings.directory);
	if (t->fd != -1 && write_memory(t) == 0 &&
	    io_write_all(t->fd, bytes, len) == 0) {
		t->file_bytes += (off_t)len;
		return SMTPD_PASS;
	}
	smtpd_warn(a->host, "cannot write a temporary file in %s: %s",
	    a->settings.directory, strerror(errno));
	smtpd_set_text(s, "452 4.3.1 insufficient system storage");
	return SMTPD_TEMPORARY;
}

static void
link_publications(struct published_message *d)
{
	size_t i;

	for (i = 0; i < d->n; i++)
		d->publications[i].next = i + 1 < d->n ?
		    &d->publications[i + 1] : NULL;
	d->nleft = d->n;
}

/* From now on the session waits. */
static void
await(struct amqp *a, struct published_message *d, struct smtpd_session *s)
{
	d->session = s;
	d->deadline_ms = io_clock_ms() + a->settings.timeout_s * INT64_C(1000);
	d->previous = a->last;
	*(a->last == NULL ? &a->first : &a->last->next) = d;
	a->last = d;
	if (a->sweep == NULL)
		a->sweep = smtpd_timer(a->host, SWEEP_MS, sweep, a);
}

static enum smtpd_verdict
amqp_deliver(void *self, struct smtpd_session *s)
{
	struct amqp *a = self;
	struct text *t = text_of(s);
	struct published_message *d;

	if (t == NULL || smtpd_recipients(s) == 0)
		return SMTPD_PASS;
	d = calloc(1, sizeof(*d));
	if (d == NULL)
		return SMTPD_TEMPORARY;
	init_amqp_pool(&d->pool, 2048);
	buf_init(&d->body, 0);
	d->worst = PUBLICATION_CONFIRMED;
	if (add_publications(a, d, s) == -1 || join(d, t, s) == -1) {
		delivery_free(d);
		return SMTPD_TEMPORARY;
	}
	link_publications(d);
	if (publisher_submit(a->publisher, d->publications) == -1) {
		d->worst = PUBLICATION_LOST;
		(void)verdict_of(a, s, d);
		delivery_free(d);
		return SMTPD_TEMPORARY;
	}
	await(a, d, s);
	return SMTPD_PENDING;
}

/* ---- the end ---- */

static void
amqp_child_exit(void *self, struct smtpd_host *host)
{
	struct amqp *a = self;
	struct published_message *d;

	(void)host;
	if (a->sweep != NULL)
		smtpd_timer_cancel(a->sweep);
	if (a->watch != NULL)
		smtpd_watch_end(a->watch);
	/* Where the process ends at once, nobody waits any more. */
	while ((d = a->first) != NULL) {
		abandon(d);
		unlink_delivery(a, d);
		d->session = NULL;
	}
	if (a->publisher == NULL)
		return;
	a->is_in_use = publisher_stop(a->publisher) == -1;
	if (a->is_in_use)
		return;
	take_done(a, 0);
	publisher_free(a->publisher);
	a->publisher = NULL;
}

static void
amqp_fini(void *self, struct smtpd_host *host)
{
	struct amqp *a = self;

	(void)host;
	if (a == NULL || a->is_in_use)
		return;
	broker_settings_fini(&a->settings);
	free(a);
}

const struct smtpd_module smtpd_module = {
	.abi = SMTPD_MODULE_ABI,
	.size = sizeof(struct smtpd_module),
	.name = "amqp",
	.configure = amqp_configure,
	.init = amqp_init,
	.child_init = amqp_child_init,
	.data = amqp_data,
	.body = amqp_body,
	.deliver = amqp_deliver,
	.reset = amqp_reset,
	.child_exit = amqp_child_exit,
	.fini = amqp_fini
};
