/*
 * usage.c - how dma and its commands check, queue, setup and status are called.
 * Runs as: the spool user.  Uses: standard output and error.
 * Promise: as in the synopsis of dma(8).
 */
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "message.h"
#include "submit/usage.h"

static const char *
text(enum mode mode)
{
	switch (mode) {
	case MODE_CHECK:
		return "dma check [--connect] [--json] [--to ADDRESS]";
	case MODE_QUEUE:
		return "dma queue hold | release | delete | bounce | retry "
		    "ID ... | - | SELECTION\n"
		    "       dma queue show [--body | --message] [--raw] ID\n"
		    "       dma queue list dead | corrupt\n"
		    "       dma queue requeue ID [RECIPIENT ...]\n"
		    "A SELECTION is --all, or --sender TEXT, --recipient TEXT "
		    "or both.";
	case MODE_SETUP:
		return "dma setup [--masquerade] [--password-file FILE] "
		    "[--print | --yes]\n"
		    "           [--relay HOST[:PORT]] [--user NAME] ADDRESS";
	case MODE_STATUS:
		return "dma status [--json | --prometheus]";
	case MODE_HELP:
		return "dma [OPTION ...] [RECIPIENT ...] <MESSAGE\n"
		    "       dma setup ADDRESS   set up the relay of a mail "
		    "provider\n"
		    "       dma check           check the configuration\n"
		    "       dma status          show the runner and the queue\n"
		    "       dma queue ...       control queued messages\n"
		    "       mailq               list the queue\n"
		    "       newaliases          check the aliases file\n"
		    "setup, check, status and queue print their usage with "
		    "--help; see dma(8).";
	default:
		return NULL;
	}
}

int
usage_is_wanted(const struct options *o)
{
	int i;

	if (o->mode == MODE_HELP || o->mode == MODE_VERSION)
		return 1;
	for (i = 1; i < o->nrcpts && text(o->mode) != NULL; i++)
		if (strcmp(o->rcpts[i], "--help") == 0)
			return 1;
	return 0;
}

int
usage_print(enum mode mode)
{
	if (mode == MODE_VERSION)
		puts("dma " DMA_VERSION);
	else
		printf("usage: %s\n", text(mode));
	return 0;
}

int
usage_refuse(enum mode mode)
{
	fprintf(stderr, "usage: %s\n", text(mode));
	return EX_USAGE;
}
