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
#include "aliases_include.h"

struct flatten {
	const struct include_source *source;
	const struct report *report;
	struct targets	*out;
	size_t		 cap;
	unsigned	 nlists;
	struct result	*res;
};

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

	fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd == -1)
		return result_set(res, STATUS_DEFERRED, "4.3.5", "list %s: %s",
		    path, strerror(errno));
	ret = fstat(fd, st);
	if (ret == 0 && !S_ISREG(st->st_mode))
		ret = result_set(res, STATUS_DEFERRED, "4.3.5",
		    "list %s: not a regular file", path);
	else if (ret == -1 || io_read_file(fd, text, LIST_MAX) == -1)
		ret = result_set(res, STATUS_DEFERRED, "4.3.5", "list %s: %s",
		    path, strerror(errno));
	close(fd);
	return ret;
}

/* What it says is seen by others: so nothing of the spool, and no secrets. */
int
include_public(const struct stat *st, const char *path, struct result *res)
{
	if ((st->st_mode & S_IROTH) != 0)
		return 0;
	return result_set(res, STATUS_DEFERRED, "4.3.5",
	    "list %s: must be readable by everybody: chmod o+r it", path);
}

static int
add(struct flatten *f, const struct target *t, int is_loose)
{
	struct target *copy;

	if (f->out->n == TARGETS_MAX)
		return result_set(f->res, STATUS_DEFERRED, "4.3.5",
		    "the lists contain more than %d targets", TARGETS_MAX);
	if (array_grow(&f->out->list, &f->cap, f->out->n,
	    sizeof(*f->out->list)) == -1)
		return result_set(f->res, STATUS_DEFERRED, "4.3.0",
		    "out of memory");
	copy = &f->out->list[f->out->n];
	*copy = *t;
	copy->is_loose = is_loose;
	copy->text = strdup(t->text);
	if (copy->text == NULL)
		return result_set(f->res, STATUS_DEFERRED, "4.3.0",
		    "out of memory");
	f->out->n++;
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
		return result_set(f->res, STATUS_DEFERRED, "4.3.5",
		    "list %s: too many nested lists", path);
	buf_init(&text, LIST_MAX);
	if (f->source->read(f->source->arg, path, &text, &is_loose,
	    f->res) == 0) {
		if (buf_failed(&text) || list_parse(&ts, buf_str(&text),
		    text.len, path, f->report) == -1) {
			result_set(f->res, STATUS_DEFERRED, "4.3.0",
			    "list %s: out of memory", path);
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
	struct flatten f;

	memset(&f, 0, sizeof(f));
	memset(flat, 0, sizeof(*flat));
	f.source = source;
	f.report = report;
	f.out = flat;
	f.res = res;
	if (walk(&f, ts, 0, 0) == 0)
		return 0;
	targets_fini(flat);
	return -1;
}
