/*
 * monitor.c - the start of each process: who it becomes.
 * Runs as: root, until it is the front end or the runner.
 * Uses: processes.
 * Promise: nothing is parsed as root; every drop is for good, checked, and
 * fatal if it fails.
 *
 *  any caller    -> clean -> the front end (spool user), one process
 *  dma --runner  -> clean -> forward helper, delivery helper (root)
 *                         -> the runner (spool user), this process
 */
#include <sys/stat.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/io.h"
#include "lib/log.h"
#include "priv/cleanup.h"
#include "priv/monitor.h"
#include "priv/request.h"

static int
refuse(int status, const char *what, const char *reason)
{
	dprintf(STDERR_FILENO, "dma: %s: %s\n", what, reason);
	return status;
}

/* A session of its own: no terminal or shell of a caller reaches it. */
static int
leave_session(void)
{
	pid_t pid;

	if (setsid() != -1 || getsid(0) == getpid())
		return 0;
	/* The leader of a process group: started by hand, or by a shell. */
	pid = fork();
	if (pid > 0)
		_exit(0);
	return pid == -1 ? -1 : setsid();
}

/* Gives the runner's end of the socket of a new helper; -1. */
static int
start_helper(enum helper_kind kind, const struct spool_user *spool,
    helper_body *body, const struct helpers *have)
{
	int pair[2];
	pid_t pid;

	if (request_channel(pair) == -1)
		return -1;
	pid = fork();
	if (pid != 0) {
		close(pair[1]);
		if (pid == -1)
			io_close(&pair[0]);
		return pair[0];
	}
	close(pair[0]);
	/* The other helper must see the end of the runner. */
	if (have->forward != -1)
		close(have->forward);
	_exit(helper_main(kind, pair[1], spool, body));
}

/* The exit status of the runner; -1 with errno when it does not start. */
static int
start_runner(const struct spool_user *spool, const struct modes *modes,
    int for_flush)
{
	struct helpers have = { -1, -1, for_flush };

	if (leave_session() == -1 || cleanup_all() == -1 ||
	    user_become_root() == -1)
		return -1;
	have.forward = start_helper(HELPER_FORWARD, spool, modes->as_user,
	    &have);
	if (have.forward == -1)
		return -1;
	have.deliver = start_helper(HELPER_DELIVER, spool, modes->as_user,
	    &have);
	/* The helpers are not the runner's children to wait for. */
	(void)signal(SIGCHLD, SIG_IGN);
	if (have.deliver == -1 || user_become_spool(spool, 0) == -1)
		return -1;
	return modes->runner(&have);
}

static int
runner_mode(const struct spool_user *spool, const struct modes *modes,
    int for_flush)
{
	struct log log;
	int status;

	status = start_runner(spool, modes, for_flush);
	if (status != -1)
		return status;
	log_init(&log, "dma");
	log_say(&log, LOG_LEVEL_ERROR, "cannot start the runner: %s; queued "
	    "mail is deferred until the next start", strerror(errno));
	return EX_OSERR;
}

int
monitor_main(int argc, char **argv, const struct modes *modes)
{
	struct spool_user spool;
	struct caller caller = { .uid = getuid() };
	const char *reason;
	int for_flush, is_runner;

	umask(077);
	if (geteuid() != 0)
		return refuse(EX_NOPERM, "not installed set-uid root, or "
		    "started with no_new_privs", "run \"make perms\" as "
		    "root");
	reason = user_find_spool(DMA_SPOOLDIR, &spool);
	if (reason != NULL)
		return refuse(EX_CONFIG, DMA_SPOOLDIR, reason);
	for_flush = argc == 2 && strcmp(argv[1], "--runner=flush") == 0;
	is_runner = for_flush ||
	    (argc == 2 && strcmp(argv[1], "--runner") == 0);
	/* Others are told that there is no such option. */
	is_runner = is_runner && (caller.uid == 0 || caller.uid == spool.uid);
	if (cleanup_limits(is_runner) == -1)
		return EX_OSERR;
	if (is_runner)
		return runner_mode(&spool, modes, for_flush);
	if (user_become_spool(&spool, 0) == -1)
		return refuse(EX_OSERR, "cannot drop privileges",
		    strerror(errno));
	if (caller_clean(&caller) == -1)
		return EX_OSERR;
	return modes->front_end(&caller, argc, argv);
}
