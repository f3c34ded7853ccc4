/*
 * aliases_include.c - :include: in aliases and .forward.
 * Runs as: the spool user, or the user.  Uses: the lists they name.
 * Promise: the same files give the same targets in the same order, whoever
 * reads them; what lists lead to is bounded.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/array.h"
#include "lib/io.h"
#include "lib/trusted_open.h"
#include "aliases_include.h"

struct flatten {
	const struct include_source *source;
	const struct report *report;
	struct targets	*out;
	unsigned	 nlists;
	struct result	*res;
};

int
include_defer(struct result *res, const char *code, const char *path,
    const char *cause)
{
	result_quote(res, SOURCE_USER_FILE, STATUS_DEFERRED, code,
	    "a list that the address expands to cannot be used now");
	return result_detail(res, "list %s: %s", path, cause);
}

int
include_any(const struct targets *ts)
{
	size_t i;

	for (i = 0; i < ts->n; i++)
		if (ts->list[i].kind == TARGET_INCLUDE)
			return 1;
	return 0;
}

int
include_read_file(const char *path, struct buf *text, struct stat *st,
    struct result *res)
{
	int fd, ret;

	fd = trusted_open(path, geteuid(), O_RDONLY | O_NONBLOCK | O_NOCTTY |
	    O_CLOEXEC);
	if (fd == -1)
		return include_defer(res, "4.3.5", path, errno == ELOOP ?
		    "symbolic link in a directory that is writable by others"
		    : strerror(errno));
	ret = fstat(fd, st);
	if (ret == 0 && !S_ISREG(st->st_mode))
		ret = include_defer(res, "4.3.5", path, "not a regular file");
	else if (ret == -1 || io_read_file(fd, text, LIST_MAX) == -1)
		ret = include_defer(res, "4.3.5", path, strerror(errno));
	close(fd);
	return ret;
}

/* What it says is seen by others: so nothing of the spool, and no secrets. */
int
include_public(const struct stat *st, const char *path, struct result *res)
{
	if ((st->st_mode & S_IROTH) != 0)
		return 0;
	return include_defer(res, "4.3.5", path,
	    "must be readable by everybody: chmod o+r it");
}

static int
add(struct flatten *f, const struct target *t, int is_loose)
{
	struct targets *out = f->out;
	char *text;

	if (out->n == TARGETS_MAX)
		return result_set(f->res, STATUS_DEFERRED, "4.3.5",
		    "the lists contain more than %d targets", TARGETS_MAX);
	text = strdup(t->text);
	if (text == NULL || array_grow(&out->list, &out->cap, out->n,
	    sizeof(*out->list)) == -1) {
		free(text);
		return result_set(f->res, STATUS_DEFERRED, "4.3.0",
		    "out of memory");
	}
	out->list[out->n] = *t;
	out->list[out->n].is_loose = is_loose;
	out->list[out->n++].text = text;
	return 0;
}

static int	walk(struct flatten *, const struct targets *, unsigned depth,
		    int is_loose);

/* A list that stands in a loose one is as loose. */
static int
walk_list(struct flatten *f, const char *path, unsigned depth, int was_loose)
{
	struct targets ts;
	struct buf text;
	int is_loose = 0, ret = -1;

	if (depth > DEPTH_MAX || ++f->nlists > LISTS_MAX)
		return include_defer(f->res, "4.3.5", path,
		    "too many nested lists");
	buf_init(&text, LIST_MAX);
	if (f->source->read(f->source->arg, path, &text, &is_loose,
	    f->res) == 0) {
		if (buf_failed(&text) || list_parse(&ts, buf_str(&text),
		    text.len, path, f->report) == -1) {
			include_defer(f->res, "4.3.0", path, "out of memory");
		} else {
			ret = walk(f, &ts, depth, is_loose || was_loose);
			targets_fini(&ts);
		}
	}
	buf_fini(&text);
	return ret;
}

static int
walk(struct flatten *f, const struct targets *ts, unsigned depth, int is_loose)
{
	const struct target *t;
	size_t i;
	int ret;

	for (i = 0; i < ts->n; i++) {
		t = &ts->list[i];
		ret = t->kind == TARGET_INCLUDE ?
		    walk_list(f, t->text, depth + 1, is_loose) :
		    add(f, t, is_loose);
		if (ret == -1)
			return -1;
	}
	return 0;
}

int
include_flatten(const struct targets *ts, struct targets *flat,
    const struct include_source *source, const struct report *report,
    struct result *res)
{
	struct flatten f = { .source = source, .report = report, .out = flat,
	    .res = res };

	memset(flat, 0, sizeof(*flat));
	if (walk(&f, ts, 0, 0) == 0)
		return 0;
	targets_fini(flat);
	return -1;
}
