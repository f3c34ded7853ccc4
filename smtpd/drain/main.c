/*
 * main.c - dma-smtpd-drain: from the tree of dma-smtpd to sendmail.
 * Runs as: its caller, who owns the tree or is root.  Uses: the tree, sendmail.
 * Promise: see message.c and tree.c.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/io.h"
#include "smtpd/drain/run.h"

#define JOBS_DEFAULT	4
#define DRAIN_AMQP	DMA_LIBEXECDIR "/dma-smtpd-amqp"

struct drain_options {
	struct tree	tree;
	int		does_follow;
};

static int
usage(void)
{
	fprintf(stderr, "usage: dma-smtpd-drain [--follow] [-j jobs] "
	    "[-s sendmail] directory\n"
	    "       dma-smtpd-drain --amqp ...\n"
	    "       dma-smtpd-drain --to-amqp ...\n");
	return -1;
}

/* 1 to TREE_JOBS_MAX, or -1. */
static int
jobs_of(const char *text)
{
	char *end;
	long n;

	errno = 0;
	n = strtol(text, &end, 10);
	if (errno == 0 && *text != '\0' && *end == '\0' && n >= 1 &&
	    n <= TREE_JOBS_MAX)
		return (int)n;
	fprintf(stderr, "dma-smtpd-drain: -j must be a number from 1 to %d\n",
	    TREE_JOBS_MAX);
	return -1;
}

/* An option with its value: how many arguments it took, or -1. */
static int
take_option(struct drain_options *o, const char *option, const char *value)
{
	if (strcmp(option, "--follow") == 0) {
		o->does_follow = 1;
		return 1;
	}
	if (value == NULL)
		return -1;
	if (strcmp(option, "-s") == 0)
		o->tree.sendmail = value;
	else if (strcmp(option, "-j") == 0)
		o->tree.jobs = jobs_of(value);
	else
		return -1;
	return o->tree.jobs == -1 ? -1 : 2;
}

/* Options may follow the directory. */
static int
take_options(struct drain_options *o, int argc, char **argv)
{
	int i, is_over = 0, n;

	for (i = 1; i < argc; i += n) {
		n = 1;
		if (!is_over && strcmp(argv[i], "--") == 0) {
			is_over = 1;
		} else if (!is_over && argv[i][0] == '-') {
			n = take_option(o, argv[i], argv[i + 1]);
			if (n == -1)
				return usage();
		} else if (o->tree.path != NULL || argv[i][0] == '\0') {
			return usage();
		} else {
			o->tree.path = argv[i];
		}
	}
	return o->tree.path == NULL ? usage() : 0;
}

/*
 * What needs librabbitmq is a program of its own, which may not be there; the
 * status if so.
 */
static int
run_amqp(char **argv)
{
	(void)execv(DRAIN_AMQP, argv);
	fprintf(stderr, "dma-smtpd-drain: %s: %s: install the package with "
	    "the amqp module\n", DRAIN_AMQP, strerror(errno));
	return EX_UNAVAILABLE;
}

int
main(int argc, char **argv)
{
	struct drain_options o;

	if (io_fill_descriptors() == -1)
		return EX_OSERR;
	if (argc > 1 && (strcmp(argv[1], "--amqp") == 0 ||
	    strcmp(argv[1], "--to-amqp") == 0))
		return run_amqp(argv);
	memset(&o, 0, sizeof(o));
	log_init(&o.tree.log, "dma-smtpd-drain");
	o.tree.log.where = LOG_TO_STDERR;
	o.tree.sendmail = SMTPD_SENDMAIL;
	o.tree.jobs = JOBS_DEFAULT;
	if (take_options(&o, argc, argv) == -1)
		return EX_USAGE;
	return run_drain(&o.tree, o.does_follow);
}
