/*
 * monitor.c - splits off the front end; starts the helpers and the runner.
 * Runs as: root; the front end and the runner drop that for good.
 * Uses: processes.
 * Promise: nothing is parsed before the split; every drop is checked, and
 * fatal if it fails.
 *
 *  exec -> clean -> socketpair, fork -+- monitor: IPC_SEAL, IPC_RUN, wait
 *                                     +- front end (spool user): the call
 *  IPC_RUN -> fork, setsid -> forward helper, delivery helper, runner
 */
#include <sys/wait.h>
#if defined(__linux__)
#include <sys/prctl.h>
#endif

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/io.h"
#include "lib/ipc.h"
#include "lib/log.h"
#include "priv/monitor.h"
#include "priv/records.h"
#include "priv/request.h"
#include "priv/sandbox.h"

struct monitor {
	const struct modes *modes;
	struct caller	 caller;
	struct spool_user spool;
	int		 sock;
	struct log	 log;
};

/* Gives the runner's end of the socket of a new helper; -1. */
static int
start_helper(const struct monitor *mon, enum helper_kind kind,
    const struct helpers *have)
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
	/* Not ours: else the lock would outlive the runner. */
	close(have->lock);
	if (have->done != -1)
		close(have->done);
	if (have->forward != -1)
		close(have->forward);
	_exit(helper_main(kind, pair[1], &mon->spool, mon->modes->as_user));
}

static void
start_runner(const struct monitor *mon, struct helpers *have)
{
	close(mon->sock);
	have->forward = have->deliver = -1;
	if (cleanup_detach() == -1 || user_become_root() == -1)
		goto fail;
	have->forward = start_helper(mon, HELPER_FORWARD, have);
	if (have->forward == -1)
		goto fail;
	have->deliver = start_helper(mon, HELPER_DELIVER, have);
	if (have->deliver == -1)
		goto fail;
	/* The helpers are not the runner's children to wait for. */
	signal(SIGCHLD, SIG_IGN);
	if (user_become_spool(&mon->spool) == -1)
		goto fail;
	_exit(mon->modes->runner(have));
fail:
	log_say(&mon->log, LOG_LEVEL_ERROR, "cannot start the runner: %s; "
	    "queued mail is deferred until the next start", strerror(errno));
	_exit(EX_OSERR);
}

static int
seal(const struct monitor *mon, struct ipc *m)
{
	request_block_signals(ipc_get_u32(m) != 0);
	if (ipc_done(m) == -1 || user_become_root() == -1)
		return -1;
	ipc_begin(m, IPC_SEALED, 0);
	return ipc_send(mon->sock, m);
}

/* One runner under way at a time; the last one's process is collected. */
static void
take_run(const struct monitor *mon, struct ipc *m, pid_t *runner)
{
	struct helpers have;

	if (*runner > 0)
		(void)waitpid(*runner, NULL, 0);
	have.caller = mon->caller.uid;
	have.lock = ipc_take_fd(m, 0);
	have.done = ipc_take_fd(m, 1);
	have.flags = ipc_get_u32(m);
	ipc_get_text(m, have.id, sizeof(have.id));
	if (have.lock != -1 && ipc_done(m) == 0) {
		*runner = fork();
		if (*runner == 0)
			start_runner(mon, &have);
		if (*runner == -1)
			log_say(&mon->log, LOG_LEVEL_ERROR, "cannot start the "
			    "runner: %s", strerror(errno));
	}
	io_close(&have.lock);
	io_close(&have.done);
}

static int
watch_front_end(const struct monitor *mon, pid_t front_end)
{
	struct ipc m;
	int is_sealed = 0, status;
	pid_t runner = 0;

	ipc_init(&m);
	while (ipc_recv(mon->sock, &m, IPC_MONITOR_LIMIT) == 1) {
		if (m.kind == IPC_SEAL && m.nfds == 0) {
			if (seal(mon, &m) == -1)
				break;
			is_sealed = 1;
		} else if (m.kind == IPC_RUN && m.nfds > 0 && is_sealed) {
			/* Sealed: a monitor that its caller can stop must not
			 * come to hold the spool's lock. */
			take_run(mon, &m, &runner);
		} else {
			log_say(&mon->log, LOG_LEVEL_ERROR, "monitor: "
			    "malformed request");
			break;
		}
	}
	ipc_fini(&m);
	close(mon->sock);
	while (waitpid(front_end, &status, 0) == -1)
		if (errno != EINTR)
			return EX_OSERR;
	return WIFEXITED(status) ? WEXITSTATUS(status) : EX_TEMPFAIL;
}

/* When the caller kills the monitor, nothing stays that reads their input. */
static int
die_with_monitor(pid_t monitor)
{
#if defined(__linux__)
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) == -1)
		return -1;
#endif
	errno = ESRCH;
	return getppid() == monitor ? 0 : -1;
}

static int
front_end_main(struct monitor *mon, pid_t monitor, int argc, char **argv)
{
	if (user_become_spool(&mon->spool) == -1)
		return cleanup_refuse(EX_OSERR, "cannot drop privileges",
		    strerror(errno));
	if (die_with_monitor(monitor) == -1)
		return cleanup_refuse(EX_TEMPFAIL, "interrupted",
		    strerror(errno));
	if (sandbox_submit() == -1)
		return cleanup_refuse(EX_OSERR, "sandbox", strerror(errno));
	return mon->modes->front_end(&mon->caller, mon->sock, argc, argv);
}

int
monitor_main(int argc, char **argv, const struct modes *modes)
{
	struct monitor mon;
	const char *reason;
	int pair[2], status;
	pid_t pid, self;

	memset(&mon, 0, sizeof(mon));
	log_init(&mon.log, "dma");
	mon.modes = modes;
	status = cleanup_caller(&mon.caller);
	if (status != 0)
		return status;
	reason = user_find_spool(DMA_SPOOLDIR, &mon.spool);
	if (reason != NULL)
		return cleanup_refuse(EX_CONFIG, DMA_SPOOLDIR, reason);
	if (request_channel(pair) == -1)
		return cleanup_refuse(EX_OSERR, "socketpair", strerror(errno));
	self = getpid();
	pid = fork();
	if (pid == -1)
		return cleanup_refuse(EX_TEMPFAIL, "fork", strerror(errno));
	mon.sock = pair[pid == 0];
	close(pair[pid != 0]);
	if (pid == 0)
		_exit(front_end_main(&mon, self, argc, argv));
	return watch_front_end(&mon, pid);
}
