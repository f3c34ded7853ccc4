/*
 * run.c - drains a tree, once or until it is asked to end.
 * Runs as: the user of dma-smtpd-drain.  Uses: signals; the tree.
 * Promise: SIGTERM and SIGINT end it between two messages.
 */
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

#include "smtpd/drain/run.h"

#define FOLLOW_S	5	/* minutes are looked for so often */
#define FAILED_S	60	/* what remained is tried again */

/* SIGCHLD is waited for, which it cannot be where it is ignored. */
static void
caught(int sig)
{
	(void)sig;
}

static void
set_signals(sigset_t *ending)
{
	struct sigaction action;
	sigset_t blocked;

	memset(&action, 0, sizeof(action));
	sigemptyset(&action.sa_mask);
	action.sa_handler = caught;
	sigaction(SIGCHLD, &action, NULL);
	action.sa_handler = SIG_DFL;
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	sigemptyset(ending);
	sigaddset(ending, SIGTERM);
	sigaddset(ending, SIGINT);
	blocked = *ending;
	sigaddset(&blocked, SIGCHLD);
	sigprocmask(SIG_BLOCK, &blocked, NULL);
}

/*
 * Until it is asked to end: 0.  What could not be drained does not delay the
 * minutes after it.
 */
static int
follow(struct tree *tree, const sigset_t *ending)
{
	static const struct timespec wait = { .tv_sec = FOLLOW_S };
	time_t now, retry = 0, since = -1;

	while (!tree_is_ending(tree)) {
		now = time(NULL);
		if (since != -1 && now >= retry)
			since = -1;
		if (tree_drain(tree, now, since, 0) != 0) {
			retry = since == -1 ? now + FAILED_S : retry;
			since = now - TREE_CLOSED_S;
		}
		if (tree_is_ending(tree) ||
		    sigtimedwait(ending, NULL, &wait) != -1)
			break;
	}
	return 0;
}

int
run_drain(struct tree *tree, int does_follow)
{
	sigset_t ending;
	int status;

	set_signals(&ending);
	if (tree_open(tree) == -1)
		return EX_NOINPUT;
	status = does_follow ? follow(tree, &ending) :
	    tree_drain(tree, time(NULL), -1, 1);
	tree_close(tree);
	return status;
}
