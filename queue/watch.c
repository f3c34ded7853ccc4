/*
 * watch.c - callers that wait: of -q, -D and -v until all was tried, and of
 * dma queue until their command is obeyed.
 * Runs as: the spool user.  Uses: the pipes of those callers.
 * Promise: a caller that reads slowly misses lines of a dialogue, none of a
 * reply, and holds nobody up; no user has more than a few places, and some are
 * root's; one byte tells a caller that all was done, another one and a reason
 * that it could not be, an end without either that the runner died.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/io.h"
#include "priv/user.h"
#include "queue/watch.h"

#define LINE_LIMIT	1000	/* bytes of a line; below PIPE_BUF */
#define ENDING_LIMIT_MS	60000	/* then a caller that reads nothing is left */
#define COMING_LIMIT_MS	60000	/* the same, of one that commits nothing */

/* Whole or, when the pipe is full, not at all: 0 or -1. */
static int
put(struct watcher *w, const char *text, size_t len)
{
	return write(w->fd, text, len) == (ssize_t)len ? 0 : -1;
}

/* 0 when the place of the omitted lines is marked. */
static int
mark_cut(struct watcher *w)
{
	static const char text[] = "=== some lines are omitted here\n";

	if (w->is_cut && put(w, text, sizeof(text) - 1) == 0)
		w->is_cut = 0;
	return w->is_cut ? -1 : 0;
}

static unsigned
bit_of(const struct watchers *ws, const struct watcher *w)
{
	return 1U << (w - ws->list);
}

void
watcher_command_free(struct watcher_command *c)
{
	if (c != NULL)
		buf_fini(&c->ids);
	free(c);
}

void
watcher_lost(struct watchers *ws, struct watcher *w)
{
	if (w->left > 0)
		ws->stale |= bit_of(ws, w);
	io_close(&w->fd);
	watcher_command_free(w->command);
	buf_fini(&w->lines);
	memset(w, 0, sizeof(*w));
	w->fd = -1;
}

unsigned
watchers_take_stale(struct watchers *ws)
{
	unsigned stale = ws->stale;

	ws->stale = 0;
	return stale;
}

/* Lines of a reply are kept until there is room for them: 0 when there was. */
static int
put_lines(struct watcher *w)
{
	ssize_t n;

	if (w->lines.len == 0)
		return 0;
	n = write(w->fd, w->lines.data, w->lines.len);
	if (n > 0)
		buf_drop(&w->lines, (size_t)n);
	if (w->lines.len == 0)
		return 0;
	if (n > 0)
		errno = EAGAIN;
	return -1;
}

void
watcher_put(struct watcher *w, const char *text, size_t len)
{
	if (w->lines.len + len > WATCHER_BYTES_MAX)
		snprintf(w->failure, sizeof(w->failure), "%s",
		    "the reply is too long");
	else
		buf_add(&w->lines, text, len);
	(void)put_lines(w);
}

void
watcher_reply(struct watcher *w, const char *id, const char *text)
{
	size_t limit = w->command->line_max, used = strlen(id) + 2;
	struct buf b;

	buf_init(&b, 0);
	buf_printf(&b, "%s ", id);
	buf_put_clean(&b, text, strlen(text), limit > used ? limit - used : 0);
	buf_putc(&b, '\n');
	watcher_put(w, buf_str(&b), b.len);
	buf_fini(&b);
}

/* All was tried, or it was not and why: in one write. */
static int
put_end(struct watcher *w)
{
	char text[sizeof(w->failure) + 1];
	int n;

	if (w->failure[0] == '\0')
		return put(w, "", 1);
	n = snprintf(text, sizeof(text), "\001%s", w->failure);
	return put(w, text, (size_t)n);
}

/* Nothing but a full pipe lets it stay. */
static void
end(struct watchers *ws, struct watcher *w)
{
	if (w->state != WATCHER_ENDING)
		w->since_ms = io_clock_ms();
	w->state = WATCHER_ENDING;
	errno = 0;
	if ((put_lines(w) == -1 || mark_cut(w) == -1 || put_end(w) == -1) &&
	    errno == EAGAIN && io_clock_ms() - w->since_ms < ENDING_LIMIT_MS)
		return;
	watcher_lost(ws, w);
}

static int
is_waiting(const struct watcher *w)
{
	return w->state == WATCHER_COMING || w->state == WATCHER_WAITING;
}

void
watcher_refuse(int fd, const char *reason)
{
	struct watcher w;

	memset(&w, 0, sizeof(w));
	w.fd = fd;
	snprintf(w.failure, sizeof(w.failure), "%s", reason);
	/* A runner that blocks on a pipe would hold up all mail. */
	if (io_nonblock(fd) == 0)
		(void)put_end(&w);
	io_close(&w.fd);
}

/* NULL: there is none for that user. */
static struct watcher *
find_place(struct watchers *ws, uint32_t uid)
{
	int i, free_places = 0, others = 0, of_range = 0;
	struct watcher *w, *place = NULL;

	for (i = 0; i < WATCHERS_MAX; i++) {
		w = &ws->list[i];
		if (w->state != WATCHER_FREE) {
			others += w->uid == uid;
			of_range += user_may_be(w->uid, uid);
			continue;
		}
		free_places++;
		if (!(ws->stale & 1U << i))
			place = w;
	}
	if (uid != 0 && (others >= WATCHERS_OF_USER ||
	    of_range >= WATCHERS_OF_RANGE || free_places <= WATCHERS_OF_ROOT))
		return NULL;
	return place;
}

unsigned
watchers_add(struct watchers *ws, const struct watcher *new)
{
	struct watcher *w = find_place(ws, new->uid);

	if (w == NULL) {
		watcher_refuse(new->fd, "too many calls wait for "
		    "delivery: try again later");
		watcher_command_free(new->command);
		return 0;
	}
	*w = *new;
	w->left = 1;
	buf_init(&w->lines, WATCHER_BYTES_MAX);
	if (io_nonblock(w->fd) == 0)
		return bit_of(ws, w);
	w->left = 0;
	watcher_lost(ws, w);
	return 0;
}

/* The next watcher of a set, from *i on; or NULL. */
static struct watcher *
next_of(struct watchers *ws, unsigned set, int *i)
{
	while (*i < WATCHERS_MAX) {
		struct watcher *w = &ws->list[*i];

		if (set & 1U << (*i)++ && is_waiting(w))
			return w;
	}
	return NULL;
}

void
watchers_wait_for(struct watchers *ws, unsigned set, size_t entries)
{
	struct watcher *w;
	int i = 0;

	while ((w = next_of(ws, set, &i)) != NULL)
		w->left += entries;
}

void
watchers_fail(struct watchers *ws, unsigned set, const char *reason)
{
	struct watcher *w;
	int i = 0;

	while ((w = next_of(ws, set, &i)) != NULL)
		if (w->failure[0] == '\0')
			snprintf(w->failure, sizeof(w->failure), "%s", reason);
}

/* The next one has all that this one had: it may be lost. */
static void
put_counts(struct watcher *w, size_t left)
{
	char text[128];
	int n;

	if (!w->is_counting)
		return;
	n = snprintf(text, sizeof(text), "+%zu %zu %zu %zu\n", left,
	    w->counts.sent, w->counts.deferred, w->counts.failed);
	(void)put(w, text, (size_t)n);
}

void
watchers_ready(struct watchers *ws, unsigned set)
{
	struct watcher *w;
	int i = 0;

	while ((w = next_of(ws, set, &i)) != NULL) {
		if (w->state == WATCHER_COMING)
			(void)put(w, "\n", 1);
		else if (--w->left == 0)
			end(ws, w);
		else
			put_counts(w, w->left);
	}
}

unsigned
watchers_came(struct watchers *ws, const char *id, uint32_t uid)
{
	struct watcher *w;
	unsigned set = 0;
	int i;

	for (i = 0; i < WATCHERS_MAX; i++) {
		w = &ws->list[i];
		if (w->state != WATCHER_COMING || w->uid != uid ||
		    strcmp(w->id, id) != 0)
			continue;
		w->state = WATCHER_WAITING;
		set |= bit_of(ws, w);
	}
	return set;
}

int
watcher_wants(const struct watcher *w, const char *id, uint32_t submitter)
{
	if (w->id[0] != '\0' && strcmp(w->id, id) != 0)
		return 0;
	return w->sees_all || w->uid == submitter;
}

static void
tell_tried(struct watcher *w, const struct tried *t)
{
	const char *reply;
	struct buf b;

	if (w->command == NULL) {
		if (t->failure != NULL && w->failure[0] == '\0' &&
		    (!t->is_by_command || w->id[0] != '\0'))
			snprintf(w->failure, sizeof(w->failure), "%s: %s",
			    t->id, t->failure);
		return;
	}
	reply = t->replies[w->command->command];
	buf_init(&b, 0);
	if (reply == NULL)
		buf_printf(&b, "failed %s", t->failure == NULL ?
		    "not obeyed" : t->failure);
	watcher_reply(w, t->id, reply != NULL ? reply : buf_str(&b));
	buf_fini(&b);
}

static void
count(struct watcher *w, const struct tried *t)
{
	const char *reply = t->replies[QUEUE_RETRY];

	if (reply == NULL)
		return;
	w->counts.sent += strcmp(reply, "ok sent") == 0;
	w->counts.deferred += strcmp(reply, "ok deferred") == 0;
	w->counts.failed += strcmp(reply, "ok failed") == 0;
}

void
watchers_tried(struct watchers *ws, unsigned set, const struct tried *t)
{
	struct watcher *w;
	int i = 0;

	while ((w = next_of(ws, set, &i)) != NULL) {
		tell_tried(w, t);
		count(w, t);
		put_counts(w, w->left - 1);
		if (--w->left == 0)
			end(ws, w);
	}
}

/* Is shown the dialogue of a message, whose entry may have its bit. */
static int
is_shown(const struct watcher *w, const struct message *m, int has_bit)
{
	if (!is_waiting(w) || !w->is_watching)
		return 0;
	if (w->command != NULL)
		return has_bit;
	return watcher_wants(w, m->id, m->submitter);
}

unsigned
watchers_of(const struct watchers *ws, const struct message *m,
    unsigned waiting)
{
	unsigned set = 0;
	int i;

	for (i = 0; i < WATCHERS_MAX; i++)
		if (is_shown(&ws->list[i], m, (waiting & 1U << i) != 0))
			set |= 1U << i;
	return set;
}

int
watcher_needs_room(const struct watcher *w)
{
	return w->state == WATCHER_ENDING ||
	    (w->state != WATCHER_FREE && w->lines.len > 0);
}

void
watchers_show(struct watchers *ws, unsigned set, const char *line)
{
	struct buf b;
	int i;

	if (set == 0)
		return;
	buf_init(&b, 0);
	buf_put_clean(&b, line, strlen(line), LINE_LIMIT);
	buf_putc(&b, '\n');
	for (i = 0; i < WATCHERS_MAX && !buf_failed(&b); i++)
		if (set & 1U << i && (put_lines(&ws->list[i]) == -1 ||
		    mark_cut(&ws->list[i]) == -1 ||
		    put(&ws->list[i], buf_str(&b), b.len) == -1))
			ws->list[i].is_cut = 1;
	buf_fini(&b);
}

int
watchers_wait(const struct watchers *ws)
{
	int i;

	for (i = 0; i < WATCHERS_MAX; i++)
		if (is_waiting(&ws->list[i]))
			return 1;
	return 0;
}

/* A caller that is stopped before its commit does not delay the runner. */
static int
is_late(const struct watcher *w)
{
	return w->state == WATCHER_COMING &&
	    io_clock_ms() - w->since_ms > COMING_LIMIT_MS;
}

int
watchers_end(struct watchers *ws)
{
	struct watcher *w;
	int i, n = 0;

	for (i = 0; i < WATCHERS_MAX; i++) {
		w = &ws->list[i];
		if (is_late(w))
			watcher_lost(ws, w);
		if (is_waiting(w))
			(void)put_lines(w);
		if (w->state == WATCHER_ENDING)
			end(ws, w);
		n |= w->state == WATCHER_ENDING;
	}
	return n;
}
