/*
 * status_mode.c - dma status: how is the mail of this host doing?
 * Runs as: the spool user.  Uses: standard output.
 * Promise: changes nothing, and starts nothing.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "submit/overview.h"
#include "submit/status_mode.h"

enum format {
	FORMAT_TEXT,
	FORMAT_JSON,
	FORMAT_METRICS
};

/* The arguments after "status". */
static int
read_arguments(const struct options *o, enum format *format)
{
	int i;

	*format = FORMAT_TEXT;
	for (i = 1; i < o->nrcpts; i++) {
		if (strcmp(o->rcpts[i], "--json") == 0) {
			*format = FORMAT_JSON;
		} else if (strcmp(o->rcpts[i], "--prometheus") == 0) {
			*format = FORMAT_METRICS;
		} else {
			log_stderr("status: unknown argument \"%s\": the "
			    "arguments are --json and --prometheus",
			    o->rcpts[i]);
			return EX_USAGE;
		}
	}
	return 0;
}

static void
print_text(const struct overview *view)
{
	struct findings f = { .form = FINDINGS_LINES };

	overview_print_text(view, &f);
	findings_end(&f);
}

static void
print_json(const struct overview *view)
{
	struct json j;

	json_init(&j);
	overview_put_json(&j, view);
	fputs(buf_str(&j.out), stdout);
	json_fini(&j);
}

static void
print_metrics(const struct overview *view)
{
	struct buf b;

	buf_init(&b, 0);
	overview_put_metrics(&b, view);
	fputs(buf_str(&b), stdout);
	buf_fini(&b);
}

static int
print(const struct overview *view, enum format format)
{
	static void (*const printers[])(const struct overview *) = {
		[FORMAT_TEXT] = print_text, [FORMAT_JSON] = print_json,
		[FORMAT_METRICS] = print_metrics,
	};

	printers[format](view);
	/* A collector must not drop the metric that reports it. */
	return format != FORMAT_METRICS && overview_is_stuck(view) ?
	    EX_UNAVAILABLE : 0;
}

int
status_mode(const struct caller *c, const struct options *o,
    const struct conf *conf, const struct spool *sp)
{
	struct overview *view;
	enum format format;
	int status = read_arguments(o, &format);

	if (status != 0)
		return status;
	view = malloc(sizeof(*view));
	if (view == NULL || overview_read(view, conf, sp, c) == -1) {
		log_stderr("queue: %s", strerror(errno));
		status = EX_OSERR;
	} else {
		status = print(view, format);
	}
	free(view);
	return status;
}
