/*
 * monitor.c - the start of each process: who it becomes.
 * Runs as: root, until it is the front end or the runner.
 * Uses: processes.
 * Promise: nothing is parsed as root; every drop is for good, checked, and
 * fatal if it fails.
 *
 *  any caller    -> clean -> the front end (spool user), one process
 *  root: setup   -> the same, beside a process that writes (root)
 *  dma --runner  -> the host's context -> clean
 *                         -> forward helper, delivery helper (root)
 *                         -> the runner (spool user), this process
 */
#include <sys/stat.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "conf/files.h"
#include "lib/log.h"
#include "priv/cleanup.h"
#include "priv/host_context.h"
#include "priv/monitor.h"
#include "priv/request.h"
#include "priv/setup_writer.h"
#include "priv/start_socket.h"
#include "priv/submit_acceptor.h"
#include "priv/submit_client.h"
#include "priv/submit_instance.h"

#define NO_ROOT		"not installed set-uid root, or started with " \
			"no_new_privs"
#define NO_ROOT_CURE	"run \"make perms\" as root"
#define LIMIT_REASON	"the hard limit is too low: raise it"

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
	int sock;

	if (request_fork(&sock) != 0)
		return sock;
	/* The other helper must see the end of the runner. */
	if (have->forward != -1)
		close(have->forward);
	if (have->start != -1)
		close(have->start);
	_exit(helper_main(kind, sock, spool, body));
}

/*
 * Its caller is seldom there to read it, so it is logged; where dma.conf says,
 * unless that would be read as root.
 */
static int
refuse_runner(const struct spool_user *spool, const char *what,
    const char *reason)
{
	struct conf conf;
	struct log log;

	log_init(&log, "dma");
	if ((geteuid() != 0 || (spool != NULL &&
	    user_become_spool(spool, 0) == 0)) &&
	    files_conf_log(&conf, &log, "dma") == 0)
		conf_fini(&conf);
	log_say(&log, LOG_LEVEL_ERROR, "cannot start the runner: %s: %s; "
	    "queued mail is deferred until the next start", what, reason);
	return refuse(EX_NOPERM, what, reason);
}

/* The exit status of the runner; -1 with errno when it does not start. */
static int
start_runner(const struct spool_user *spool, const struct modes *modes,
    int for_flush)
{
	struct helpers have = { -1, -1, -1, for_flush };
	pid_t started = getpid();
	int is_init = getuid() == 0;

	/* Of init alone; it is not for who starts a runner by set-uid. */
	if (is_init)
		have.start = start_socket_given();
	/* With LOG stderr, init logs; but not what went to the background. */
	if (leave_session() == -1 || cleanup_all(&have.start, is_init &&
	    getpid() == started) == -1 || user_become_root() == -1)
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

/*
 * The child of init is the host's.  Root may start one where init cannot be
 * seen; for all others it is in the host's context or not at all.
 */
static int
runner_mode(const struct spool_user *spool, const struct modes *modes,
    const struct caller *caller, int for_flush)
{
	const char *what = cleanup_limits(1);
	int status;

	if (what != NULL)
		return refuse_runner(spool, what, LIMIT_REASON);
	if (caller->uid == 0 && getppid() == 1)
		host_context_reset();
	else
		what = host_context_enter(DMA_SPOOLDIR);
	if (what != NULL && caller->uid != 0)
		return refuse_runner(spool, what, "inherited from the caller, "
		    "cannot be changed: enable dma.socket, or run "
		    "\"sendmail -q\" from a login");
	status = start_runner(spool, modes, for_flush);
	return status != -1 ? status : refuse_runner(spool, "system",
	    strerror(errno));
}

/* All calls of clients; or one, whose status goes to its client alone. */
static int
submit_mode(const struct modes *modes)
{
	struct caller caller = { 0 };
	struct submit_call call;
	struct spool_user spool;
	const char *reason;
	int listening;

	listening = start_socket_given();
	if (listening != -1)
		return submit_acceptor(listening);
	if (submit_instance_open(&caller.uid) == -1)
		return refuse(EX_USAGE, "--submit", "standard input must be "
		    DMA_RUNDIR "/submit, or a connection to it");
	reason = user_find_spool(DMA_SPOOLDIR, &spool);
	if (reason != NULL) {
		submit_instance_answer(EX_CONFIG, DMA_SPOOLDIR, reason);
		return refuse(EX_CONFIG, DMA_SPOOLDIR, reason);
	}
	if (cleanup_limits(0) != NULL || (caller.uid == 0 &&
	    request_channel(caller.channel) == -1) ||
	    user_become_front_end(&spool, caller.uid) == -1) {
		submit_instance_answer(EX_OSERR, "cannot drop privileges",
		    strerror(errno));
		return EX_OSERR;
	}
	if (submit_instance_take(&caller, &call) == 0)
		submit_instance_answer(modes->front_end(&caller, call.argc,
		    call.vector), NULL, NULL);
	submit_call_fini(&call);
	return 0;
}

static int
is_mode(int argc, char **argv, const char *name)
{
	return argc == 2 && strcmp(argv[1], name) == 0;
}

/*
 * "dma setup", for root alone: the process that writes is there before root is
 * dropped.  -1 when it cannot be started.
 */
static int
start_writer(const struct spool_user *spool, struct caller *caller, int argc,
    char **argv)
{
	const char *slash;

	if (caller->uid != 0 || argc < 2 || strcmp(argv[1], "setup") != 0)
		return 0;
	slash = strrchr(argv[0], '/');
	if (strcmp(slash != NULL ? slash + 1 : argv[0], "dma") != 0)
		return 0;
	caller->writer = setup_writer_start(spool);
	return caller->writer == -1 ? -1 : 0;
}

int
monitor_main(int argc, char **argv, const struct modes *modes)
{
	struct obstacle o = { EX_CONFIG, DMA_SPOOLDIR, NULL };
	struct spool_user spool;
	struct caller caller = { 0 };
	int for_flush, is_runner;
	uint32_t effective;

	umask(077);
	user_ids(&caller.uid, &effective);
	if (caller.uid == 0 && effective == 0 &&
	    is_mode(argc, argv, "--submit"))
		return submit_mode(modes);
	o.reason = user_find_spool(DMA_SPOOLDIR, &spool);
	for_flush = is_mode(argc, argv, "--runner=flush");
	/* Others are told that there is no such option. */
	is_runner = (for_flush || is_mode(argc, argv, "--runner")) &&
	    (caller.uid == 0 || (o.reason == NULL && caller.uid == spool.uid));
	if (effective != 0)
		o = (struct obstacle){ EX_NOPERM, NO_ROOT, NO_ROOT_CURE };
	if (o.reason != NULL)
		return is_runner ? refuse_runner(NULL, o.what, o.reason) :
		    submit_client(argc, argv, &o);
	if (is_runner)
		return runner_mode(&spool, modes, &caller, for_flush);
	o.reason = cleanup_limits(0);
	if (o.reason != NULL)
		return refuse(EX_OSERR, o.reason, LIMIT_REASON);
	if (caller_clean_descriptors(&caller) == -1 || (caller.uid == 0 &&
	    request_channel(caller.channel) == -1) ||
	    start_writer(&spool, &caller, argc, argv) == -1)
		return refuse(EX_OSERR, "cannot start", strerror(errno));
	if (user_become_front_end(&spool, caller.uid) == -1) {
		o = (struct obstacle){ EX_OSERR, "cannot drop privileges",
		    strerror(errno) };
		/* Filled again, and then known to be missing. */
		if (!caller.has_stdin)
			close(STDIN_FILENO);
		return submit_client(argc, argv, &o);
	}
	if (caller_clean(&caller) == -1)
		return refuse(EX_OSERR, "cannot start", strerror(errno));
	return modes->front_end(&caller, argc, argv);
}
