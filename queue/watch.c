/*
 * watch.c - callers of -q and -v that wait until all was tried.
 * Runs as: the spool user.  Uses: the pipes of those callers.
 * Promise: a caller that reads slowly misses lines and holds nobody up; one
 * byte tells it that all was tried, an end without it that the runner died.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/io.h"
#include "queue/watch.h"

#define LINE_LIMIT	1000	/* bytes of a line; below PIPE_BUF */
#define ENDING_LIMIT_MS	60000	/* then a caller that reads nothing is left */

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

void
watcher_lost(struct watcher *w)
{
	io_close(&w->fd);
	w->state = WATCHER_FREE;
}

/* Nothing but a full pipe lets it stay. */
static void
end(struct watcher *w)
{
	if (w->state != WATCHER_ENDING)
		w->ending_ms = io_clock_ms();
	w->state = WATCHER_ENDING;
	errno = 0;
	if ((mark_cut(w) == -1 || put(w, "", 1) == -1) && errno == EAGAIN &&
	    io_clock_ms() - w->ending_ms < ENDING_LIMIT_MS)
		return;
	watcher_lost(w);
}

static int
is_waiting(const struct watcher *w)
{
	return w->state == WATCHER_WAITING || w->state == WATCHER_WATCHING;
}

void
watchers_add(struct watchers *ws, const struct watcher *new)
{
	struct watcher *w = NULL;
	int fd = new->fd, i;

	for (i = 0; i < WATCHERS_MAX && w == NULL; i++)
		if (ws->list[i].state == WATCHER_FREE)
			w = &ws->list[i];
	/* A runner that blocks on a pipe would hold up all mail. */
	if (fd != -1 && (w == NULL || new->left == 0 ||
	    io_nonblock(fd) == -1)) {
		(void)io_write_all(fd, "", 1);
		io_close(&fd);
	}
	if (fd == -1)
		return;
	*w = *new;
	if (w->is_coming)
		(void)put(w, "\n", 1);
}

void
watchers_tried(struct watchers *ws, const char *id, uint64_t seen,
    uint64_t tried)
{
	struct watcher *w;
	int i;

	for (i = 0; i < WATCHERS_MAX; i++) {
		w = &ws->list[i];
		if (is_waiting(w) && (w->id[0] == '\0' ?
		    seen < w->run && tried < w->run :
		    strcmp(w->id, id) == 0) && --w->left == 0)
			end(w);
	}
}

unsigned
watchers_of(const struct watchers *ws, const struct message *m)
{
	const struct watcher *w;
	unsigned set = 0;
	int i;

	for (i = 0; i < WATCHERS_MAX; i++) {
		w = &ws->list[i];
		if (w->state == WATCHER_WATCHING &&
		    (w->uid == 0 || w->uid == m->submitter) &&
		    (w->id[0] == '\0' || strcmp(w->id, m->id) == 0))
			set |= 1U << i;
	}
	return set;
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
		if (set & 1U << i && (mark_cut(&ws->list[i]) == -1 ||
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

int
watchers_end(struct watchers *ws)
{
	int i, n = 0;

	for (i = 0; i < WATCHERS_MAX; i++) {
		if (ws->list[i].state == WATCHER_ENDING)
			end(&ws->list[i]);
		n |= ws->list[i].state == WATCHER_ENDING;
	}
	return n;
}
