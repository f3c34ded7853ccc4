/*
 * status.c - the counters for administrators and their programs.
 * Runs as: the parent, which makes the socket as root.
 * Uses: a Unix socket, the scoreboard.
 * Promise: a client that does not read costs a buffer for a few seconds, and
 * delays nobody; whoever connects last is served.
 */
#include <sys/socket.h>
#include <sys/un.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/io.h"
#include "smtpd/status.h"

#define REQUEST_MS	100	/* for a request, which need not come */
#define ANSWER_MS	5000	/* to read the answer */
#define SAMPLE_MS	5000
#define BACKLOG		64
#define METRICS		"GET /metrics"
#define PREFIX		"dma_smtpd_"

/* ---- texts ---- */

enum metric_kind {
	KIND_COUNTER,
	KIND_GAUGE
};

struct status_line {
	const char	*key;		/* of the text */
	const char	*metric;	/* of Prometheus */
	const char	*help;
	enum metric_kind	 kind;
	uint64_t	 value;
	unsigned	 scale;		/* value is in parts of this, 0: 1 */
};

#define LINES	20

/* Without floating point, whose form depends on the locale. */
static void
put_value(struct buf *b, const struct status_line *l)
{
	char fraction[24], *end;
	int digits = l->scale == 1000 ? 3 : 6;

	if (l->scale == 0) {
		buf_printf(b, "%llu", (unsigned long long)l->value);
		return;
	}
	snprintf(fraction, sizeof(fraction), "%0*llu", digits,
	    (unsigned long long)(l->value % l->scale));
	end = fraction + digits;
	while (end > fraction + 1 && end[-1] == '0')
		end--;
	buf_printf(b, "%llu.%.*s", (unsigned long long)(l->value / l->scale),
	    (int)(end - fraction), fraction);
}

static size_t
make_lines(const struct status_values *v, struct status_line out[LINES])
{
	const struct counters *c = &v->total;
	const uint64_t syncs = c->syncs;
	const struct status_line all[] = {
		{ "accepted", "messages_accepted_total",
		    "Messages stored and acknowledged", KIND_COUNTER,
		    c->accepted, 0 },
		{ "bytes", "message_bytes_total",
		    "Bytes of stored messages", KIND_COUNTER,
		    c->bytes, 0 },
		{ "recipients", "recipients_total",
		    "Recipients of stored messages", KIND_COUNTER,
		    c->recipients, 0 },
		{ "refused", "refused_total",
		    "Connections, recipients and messages refused "
		    "permanently", KIND_COUNTER, c->refused, 0 },
		{ "deferred", "deferred_total",
		    "Connections, recipients and messages refused "
		    "temporarily", KIND_COUNTER, c->deferred, 0 },
		{ "dropped", "messages_dropped_total",
		    "Messages acknowledged and discarded", KIND_COUNTER,
		    c->dropped, 0 },
		{ "connections_total", "connections_total",
		    "Connections in all", KIND_COUNTER, c->connections, 0 },
		{ "connections", "connections", "Current connections",
		    KIND_GAUGE, v->connections, 0 },
		{ "sessions", "sessions", "Current sessions",
		    KIND_GAUGE, v->sessions, 0 },
		{ "children", "children", "Children that accept connections",
		    KIND_GAUGE, v->children, 0 },
		{ "idle", "children_idle", "Children without a session",
		    KIND_GAUGE, v->idle, 0 },
		{ "draining", "children_draining",
		    "Children that accept no more connections", KIND_GAUGE,
		    v->draining, 0 },
		{ "generations", "generations",
		    "Configurations in use", KIND_GAUGE,
		    v->generations, 0 },
		{ "rate", "message_rate",
		    "Messages per second in the last 10 to 15 seconds",
		    KIND_GAUGE, v->rate_milli, 1000 },
		{ "syncs", "syncs_total", "Commits to stable storage",
		    KIND_COUNTER, syncs, 0 },
		{ "sync_us", NULL, NULL, KIND_GAUGE,
		    syncs == 0 ? 0 : c->sync_us / syncs, 0 },
		{ "sync_max_us", NULL, NULL, KIND_GAUGE, c->sync_max_us, 0 },
		{ NULL, "sync_seconds_total",
		    "Time spent in commits", KIND_COUNTER, c->sync_us,
		    1000000 },
		{ NULL, "sync_max_seconds",
		    "Time of the longest commit", KIND_GAUGE,
		    c->sync_max_us, 1000000 },
		{ "uptime", "uptime_seconds", "Seconds since the start",
		    KIND_GAUGE, v->uptime_s, 0 },
	};

	_Static_assert(sizeof(all) == LINES * sizeof(all[0]), "all lines");
	memcpy(out, all, sizeof(all));
	return LINES;
}

/* What a child wrote, up to the first byte that is not of a name. */
static int
module_name(const struct counters *c, size_t i, char name[COUNTERS_NAME])
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz_";
	size_t n;

	memcpy(name, c->modules[i].name, COUNTERS_NAME);
	name[COUNTERS_NAME - 1] = '\0';
	n = strspn(name, letters);
	name[n] = '\0';
	return n > 0;
}

void
status_text(struct buf *b, const struct status_values *v)
{
	char name[COUNTERS_NAME];
	struct status_line lines[LINES];
	size_t i, n = make_lines(v, lines);

	for (i = 0; i < n; i++) {
		if (lines[i].key == NULL)
			continue;
		buf_printf(b, "%s ", lines[i].key);
		put_value(b, &lines[i]);
		buf_putc(b, '\n');
	}
	for (i = 0; i < COUNTERS_MODULE_MAX; i++)
		if (module_name(&v->total, i, name))
			buf_printf(b, "module_%s %llu\n", name,
			    (unsigned long long)v->total.modules[i].value);
}

void
status_prometheus(struct buf *b, const struct status_values *v)
{
	static const char *const kinds[] = { [KIND_COUNTER] = "counter",
	    [KIND_GAUGE] = "gauge" };
	char name[COUNTERS_NAME];
	struct status_line lines[LINES];
	size_t i, n = make_lines(v, lines);

	for (i = 0; i < n; i++) {
		if (lines[i].metric == NULL)
			continue;
		buf_printf(b, "# HELP " PREFIX "%s %s\n# TYPE " PREFIX
		    "%s %s\n" PREFIX "%s ", lines[i].metric, lines[i].help,
		    lines[i].metric, kinds[lines[i].kind], lines[i].metric);
		put_value(b, &lines[i]);
		buf_putc(b, '\n');
	}
	for (i = 0; i < COUNTERS_MODULE_MAX; i++)
		if (module_name(&v->total, i, name))
			buf_printf(b, "# TYPE " PREFIX "module_%s counter\n"
			    PREFIX "module_%s %llu\n", name, name,
			    (unsigned long long)v->total.modules[i].value);
}

int
status_is_for_metrics(const char *bytes, size_t len)
{
	static const char metrics[] = METRICS;
	const size_t n = sizeof(metrics) - 1;

	if (memcmp(bytes, metrics, len < n ? len : n) != 0)
		return -1;
	if (len <= n)
		return 0;
	if (strchr(" ?\r\n", bytes[n]) == NULL || bytes[n] == '\0')
		return -1;
	/* HTTP/0.9 is one line; else there are headers until an empty one. */
	if (bytes[n] == '\r' || bytes[n] == '\n' ||
	    memmem(bytes, len, "\r\n\r\n", 4) != NULL ||
	    memmem(bytes, len, "\n\n", 2) != NULL)
		return 1;
	return 0;
}

/* ---- values ---- */

static uint64_t
rate(const struct status_server *s, uint64_t accepted)
{
	const int64_t now = loop_now(s->loop);
	int64_t elapsed = now - s->samples[0].at_ms;

	if (elapsed < 1)
		elapsed = 1;
	if (accepted < s->samples[0].accepted)
		return 0;
	return (accepted - s->samples[0].accepted) * 1000000 /
	    (uint64_t)elapsed;
}

void
status_look(const struct status_server *s, struct status_values *v)
{
	struct scoreboard_view slot;
	size_t i;

	memset(v, 0, sizeof(*v));
	for (i = 0; i < scoreboard_slots(s->scoreboard); i++) {
		scoreboard_look(s->scoreboard, i, &slot);
		if (slot.state == SCOREBOARD_FREE)
			continue;
		v->sessions += slot.sessions;
		if (slot.state == SCOREBOARD_DRAINING) {
			v->draining++;
			continue;
		}
		v->children++;
		v->idle += slot.sessions == 0;
	}
	scoreboard_total(s->scoreboard, &v->total);
	v->connections = scoreboard_connected(s->scoreboard);
	v->generations = s->generations;
	v->rate_milli = rate(s, v->total.accepted);
	v->uptime_s = (uint64_t)(loop_now(s->loop) - s->started_ms) / 1000;
}

static void
on_sampling(void *arg)
{
	struct status_server *s = arg;
	struct counters total;
	size_t i;

	scoreboard_total(s->scoreboard, &total);
	for (i = 0; i + 1 < STATUS_SAMPLES; i++)
		s->samples[i] = s->samples[i + 1];
	s->samples[i].at_ms = loop_now(s->loop);
	s->samples[i].accepted = total.accepted;
	if (s->listener.fd != -1)
		(void)loop_watch(s->loop, &s->listener, LOOP_READ);
	(void)loop_timer_set(s->loop, &s->sampling,
	    loop_now(s->loop) + SAMPLE_MS);
}

/* ---- clients ---- */

static void
drop(struct status_client *c)
{
	char skipped[512];

	if (c->watch.fd == -1)
		return;
	/* Unread bytes would reset the connection. */
	(void)recv(c->watch.fd, skipped, sizeof(skipped), MSG_DONTWAIT);
	(void)loop_watch(c->status->loop, &c->watch, 0);
	loop_timer_cancel(c->status->loop, &c->timer);
	io_close(&c->watch.fd);
	buf_fini(&c->out);
}

static void
send_more(struct status_client *c)
{
	const ssize_t n = send(c->watch.fd, c->out.data + c->sent,
	    c->out.len - c->sent, MSG_NOSIGNAL | MSG_DONTWAIT);

	if (n > 0)
		c->sent += (size_t)n;
	if (c->sent == c->out.len || (n == -1 && errno != EAGAIN &&
	    errno != EINTR) ||
	    loop_watch(c->status->loop, &c->watch, LOOP_WRITE) == -1)
		drop(c);
}

static void
answer(struct status_client *c, int is_for_metrics)
{
	struct status_values v;
	struct buf text;

	buf_init(&text, 0);
	status_look(c->status, &v);
	if (is_for_metrics) {
		status_prometheus(&text, &v);
		buf_printf(&c->out, "HTTP/1.1 200 OK\r\n"
		    "Content-Type: text/plain; version=0.0.4; "
		    "charset=utf-8\r\nContent-Length: %zu\r\n"
		    "Connection: close\r\n\r\n", text.len);
	} else {
		status_text(&text, &v);
	}
	buf_add(&c->out, buf_str(&text), text.len);
	if (buf_failed(&c->out) || buf_failed(&text) ||
	    loop_timer_set(c->status->loop, &c->timer,
	    loop_now(c->status->loop) + ANSWER_MS) == -1)
		drop(c);
	else
		send_more(c);
	buf_fini(&text);
}

static void
on_client(void *arg, unsigned events)
{
	struct status_client *c = arg;
	int is_for_metrics;
	ssize_t n;

	(void)events;
	if (c->out.len > 0) {
		send_more(c);
		return;
	}
	n = recv(c->watch.fd, c->request + c->received,
	    sizeof(c->request) - c->received, MSG_DONTWAIT);
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0)
		c->received += (size_t)n;
	is_for_metrics = status_is_for_metrics(c->request, c->received);
	/* Its end, or a full buffer: there is no more to wait for. */
	if (n > 0 && is_for_metrics == 0 && c->received < sizeof(c->request))
		return;
	answer(c, is_for_metrics == 1);
}

static void
on_time(void *arg)
{
	struct status_client *c = arg;

	if (c->out.len > 0)
		drop(c);
	else
		answer(c, 0);
}

/* A place for another, which may be that of the oldest. */
static struct status_client *
place(struct status_server *s)
{
	struct status_client *c, *oldest = s->clients;

	for (c = s->clients; c < s->clients + STATUS_CLIENTS_MAX; c++) {
		if (c->watch.fd == -1)
			return c;
		if (c->since_ms < oldest->since_ms)
			oldest = c;
	}
	drop(oldest);
	return oldest;
}

static void
on_listener(void *arg, unsigned events)
{
	struct status_server *s = arg;
	struct status_client *c;
	int fd;

	(void)events;
	fd = accept4(s->listener.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	/* Without descriptors: until the next sample. */
	if (fd == -1 && errno != EAGAIN && errno != EINTR)
		(void)loop_watch(s->loop, &s->listener, 0);
	if (fd == -1)
		return;
	c = place(s);
	c->watch = (struct loop_watch){ .fd = fd, .ready = on_client,
	    .arg = c };
	c->received = c->sent = 0;
	c->since_ms = loop_now(s->loop);
	buf_init(&c->out, 0);
	if (loop_watch(s->loop, &c->watch, LOOP_READ) == -1 ||
	    loop_timer_set(s->loop, &c->timer, c->since_ms + REQUEST_MS) == -1)
		drop(c);
}

/* ---- the socket ---- */

void
status_init(struct status_server *s, struct loop *loop,
    const struct scoreboard *scoreboard)
{
	size_t i;

	memset(s, 0, sizeof(*s));
	s->loop = loop;
	s->scoreboard = scoreboard;
	s->listener.fd = -1;
	s->started_ms = loop_now(loop);
	for (i = 0; i < STATUS_CLIENTS_MAX; i++) {
		s->clients[i].status = s;
		s->clients[i].watch.fd = -1;
		s->clients[i].timer = (struct loop_timer){
		    .expired = on_time, .arg = &s->clients[i] };
	}
	for (i = 0; i < STATUS_SAMPLES; i++)
		s->samples[i].at_ms = s->started_ms;
	s->sampling = (struct loop_timer){ .expired = on_sampling, .arg = s };
	(void)loop_timer_set(loop, &s->sampling, s->started_ms + SAMPLE_MS);
}

/* One that nobody listens on is of a process that was killed. */
static int
remove_old(const struct sockaddr_un *sun)
{
	int fd, is_alive;
	struct stat st;

	if (lstat(sun->sun_path, &st) == -1)
		return errno == ENOENT ? 0 : -1;
	errno = EEXIST;
	if (!S_ISSOCK(st.st_mode))
		return -1;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd == -1)
		return -1;
	is_alive = connect(fd, (const struct sockaddr *)sun,
	    sizeof(*sun)) == 0 || errno == EAGAIN;
	close(fd);
	errno = EADDRINUSE;
	return is_alive ? -1 : unlink(sun->sun_path);
}

/* /run is empty after a boot. */
static void
make_directory(const char *path)
{
	char directory[sizeof(((struct sockaddr_un *)0)->sun_path)];
	char *slash;

	if (text_copy(directory, sizeof(directory), path) == -1)
		return;
	slash = strrchr(directory, '/');
	if (slash == NULL || slash == directory)
		return;
	*slash = '\0';
	(void)mkdir(directory, 0755);
}

/* 1 when nobody else can put something in the place of what is root's. */
static int
is_path_of_root(const char *path)
{
	char upper[sizeof(((struct sockaddr_un *)0)->sun_path)];
	struct stat st;
	size_t i;

	for (i = 0; path[i] != '\0'; i++) {
		if (path[i] != '/')
			continue;
		/* With the slash, a link leads to its directory. */
		memcpy(upper, path, i + 1);
		upper[i + 1] = '\0';
		if (stat(upper, &st) == -1 || st.st_uid != 0 ||
		    ((st.st_mode & (S_IWGRP | S_IWOTH)) != 0 &&
		    (st.st_mode & S_ISVTX) == 0))
			return 0;
	}
	return path[0] == '/';
}

/* As whoever calls it. */
static int
make_socket(int fd, const struct sockaddr_un *sun)
{
	const mode_t mask = umask(0117);
	int ret = remove_old(sun);

	if (ret == 0)
		ret = bind(fd, (const struct sockaddr *)sun, sizeof(*sun));
	(void)umask(mask);
	return ret;
}

/*
 * As the user, where others than root can write: what root removes, or gives
 * away, could be another file by then.
 */
static int
make_socket_as_user(int fd, const struct sockaddr_un *sun,
    const struct identity *id)
{
	int error, ret = -1;

	if (identity_enter(id) == 0)
		ret = make_socket(fd, sun);
	error = errno;
	identity_leave();
	errno = error;
	return ret;
}

static int
bind_to(int fd, const struct sockaddr_un *sun, const struct identity *id)
{
	mode_t mask;
	int ret;

	if (id->is_kept) {
		ret = make_socket(fd, sun);
	} else {
		mask = umask(022);
		make_directory(sun->sun_path);
		(void)umask(mask);
		ret = !is_path_of_root(sun->sun_path) ?
		    make_socket_as_user(fd, sun, id) :
		    make_socket(fd, sun) == -1 ? -1 :
		    lchown(sun->sun_path, id->uid, id->gid);
	}
	return ret == -1 ? -1 : listen(fd, BACKLOG);
}

int
status_listen(struct status_server *s, const char *path,
    const struct identity *id)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	struct stat st;
	int fd;

	errno = ENAMETOOLONG;
	if (text_copy(sun.sun_path, sizeof(sun.sun_path), path) == -1)
		return -1;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd == -1)
		return -1;
	s->listener = (struct loop_watch){ .fd = fd, .ready = on_listener,
	    .arg = s };
	if (bind_to(fd, &sun, id) == -1 ||
	    loop_watch(s->loop, &s->listener, LOOP_READ) == -1) {
		io_close(&s->listener.fd);
		return -1;
	}
	s->path = strdup(path);
	if (lstat(path, &st) == 0)
		s->inode = st.st_ino;
	return 0;
}

void
status_leave(struct status_server *s)
{
	size_t i;

	for (i = 0; i < STATUS_CLIENTS_MAX; i++) {
		io_close(&s->clients[i].watch.fd);
		buf_fini(&s->clients[i].out);
	}
	io_close(&s->listener.fd);
	free(s->path);
	s->path = NULL;
}

void
status_fini(struct status_server *s)
{
	struct stat st;

	/* Unless another process has made its own. */
	if (s->path != NULL && lstat(s->path, &st) == 0 &&
	    st.st_ino == s->inode)
		(void)unlink(s->path);
	status_leave(s);
}
