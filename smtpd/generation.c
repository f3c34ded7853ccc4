/*
 * generation.c - the process of one configuration.
 *
 * Runs as: root until modules are initialized (the first one), then the user of
 * dma-smtpd.
 * Uses: its children, their slots, signals.
 * Promise: it owns no connection; killed, it leaves children that drain.
 */
#include <sys/socket.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "compat/compat.h"
#include "lib/io.h"
#include "smtpd/child.h"
#include "smtpd/confine.h"
#include "smtpd/generation.h"
#include "smtpd/modules.h"
#include "smtpd/policy.h"

#define RETIRE_EVERY_MS	1000	/* idle children above MAX_SPARE */
#define STOPPED_MS	100	/* between looks for connections of children
				 * that were stopped */
#define NO_SLOT_MS	1000	/* until another attempt */
#define KILL_MS		1000	/* for a child that was told to end */
#define START_MS	60000	/* until a child serves */
#define SIGNALS		6

enum generation_state {
	GENERATION_STARTING,	/* no child serves yet */
	GENERATION_SERVING,
	GENERATION_RETIRING,	/* no new connections, and no new children */
	GENERATION_DRAINING,	/* the same, until a deadline */
	GENERATION_ENDING	/* now */
};

struct child_entry {
	pid_t	 pid;		/* 0: none */
	int64_t	 started_ms;
	int	 is_told;	/* to end, in one way or another */
	int	 is_stopped;
};

struct generation {
	const struct generation_start *start;
	struct smtpd_host host;
	struct log	 log;		/* as the configuration says */
	struct loop	 loop;
	struct loop_watch parent, reports;
	struct loop_watch signals[SIGNALS];
	struct loop_timer retire, fork, stopped, deadline;
	int		 for_children;	/* the other end of reports */
	enum generation_state state;
	struct child_entry *children;	/* owned: by slot */
	size_t		 nchildren;
	unsigned	 failures;	/* in a row */
	int64_t		 next_fork_ms;
	int		 status;	/* of the process */
};

static const int signals[SIGNALS] = { SIGTERM, SIGINT, SIGUSR1, SIGCHLD,
    GENERATION_SIGNAL_END, SIGHUP };

/* ---- signals to children ---- */

static struct child_entry *
end_of(const struct generation *g)
{
	return g->children + scoreboard_slots(g->start->scoreboard);
}

static void
signal_all(struct generation *g, int sig)
{
	struct child_entry *e;

	for (e = g->children; e < end_of(g); e++) {
		if (e->pid == 0 || (sig == CHILD_SIGNAL_ACCEPT && e->is_told))
			continue;
		e->is_told |= sig != CHILD_SIGNAL_ACCEPT;
		(void)kill(e->pid, sig);
	}
}

static void
after(struct generation *g, struct loop_timer *t, int64_t ms)
{
	(void)loop_timer_set(&g->loop, t, loop_now(&g->loop) + ms);
}

static void
enter(struct generation *g, enum generation_state state)
{
	static const int told[] = { [GENERATION_RETIRING] = SIGUSR1,
	    [GENERATION_DRAINING] = SIGTERM,
	    [GENERATION_ENDING] = CHILD_SIGNAL_END };

	if (state <= g->state)
		return;
	g->state = state;
	if (state < GENERATION_RETIRING)
		return;
	/* They close once no process has them: clients are then refused. */
	listeners_close(g->start->listeners);
	signal_all(g, told[state]);
	if (state == GENERATION_DRAINING)
		after(g, &g->deadline, 1000 *
		    (int64_t)g->host.conf->children.shutdown_timeout_s);
	else if (state == GENERATION_ENDING)
		after(g, &g->deadline, KILL_MS);
}

static void
on_deadline(void *arg)
{
	struct generation *g = arg;

	if (g->state == GENERATION_STARTING) {
		log_say(&g->log, LOG_LEVEL_ERROR, "no child is ready after %d "
		    "seconds: a module does not become ready", START_MS / 1000);
		g->status = EX_UNAVAILABLE;
	}
	if (g->state == GENERATION_ENDING) {
		signal_all(g, SIGKILL);
		after(g, &g->deadline, KILL_MS);
	} else {
		enter(g, GENERATION_ENDING);
	}
}

/* ---- how many children ---- */

static void
look_at_children(const struct generation *g, struct policy_view *view)
{
	struct scoreboard_view v;
	const struct child_entry *e;

	memset(view, 0, sizeof(*view));
	for (e = g->children; e < end_of(g); e++) {
		if (e->pid == 0 || e->is_told)
			continue;
		scoreboard_look(g->start->scoreboard,
		    (size_t)(e - g->children), &v);
		if (v.state != SCOREBOARD_STARTING &&
		    v.state != SCOREBOARD_SERVING)
			continue;
		view->all++;
		view->idle += v.sessions == 0;
		view->starting += v.state == SCOREBOARD_STARTING;
	}
}

static _Noreturn void
run_child(struct generation *g, int slot)
{
	const struct generation_start *s = g->start;
	size_t i;

	loop_fini(&g->loop);
	close(g->start->parent);
	io_close(&g->reports.fd);
	for (i = 0; i < SIGNALS; i++)
		io_close(&g->signals[i].fd);
	scoreboard_set_pid(s->scoreboard, slot, getpid());
	g->host.scoreboard = s->scoreboard;
	g->host.slot = slot;
	g->host.counters = scoreboard_counters(s->scoreboard, slot);
	_exit(child_run(&g->host, s->listeners->fds, s->listeners->n,
	    g->for_children));
}

/* The next may work: 0 or -1. */
static int
fork_child(struct generation *g)
{
	const int slot = scoreboard_take_slot(g->start->scoreboard,
	    g->start->number);
	struct child_entry *e;
	pid_t pid;

	/* A child of ours that says that it is none keeps its slot. */
	if (slot == -1 || g->children[slot].pid != 0) {
		g->next_fork_ms = loop_now(&g->loop) + NO_SLOT_MS;
		return -1;
	}
	pid = fork();
	if (pid == 0)
		run_child(g, slot);
	if (pid == -1) {
		log_say(&g->host.log, LOG_LEVEL_ERROR, "cannot start a child: "
		    "%s", strerror(errno));
		scoreboard_release_slot(g->start->scoreboard, slot);
		g->next_fork_ms = loop_now(&g->loop) + NO_SLOT_MS;
		return -1;
	}
	scoreboard_set_pid(g->start->scoreboard, slot, pid);
	e = &g->children[slot];
	*e = (struct child_entry){ .pid = pid,
	    .started_ms = loop_now(&g->loop) };
	g->nchildren++;
	return 0;
}

static void
fork_children(struct generation *g)
{
	struct policy_view view;
	unsigned n;

	if (g->state > GENERATION_SERVING)
		return;
	look_at_children(g, &view);
	n = policy_to_fork(&g->host.conf->children, &view);
	while (n > 0 && loop_now(&g->loop) >= g->next_fork_ms &&
	    fork_child(g) == 0)
		n--;
	if (n > 0)
		(void)loop_timer_set(&g->loop, &g->fork, g->next_fork_ms);
	/* Idle ones above MAX_SPARE can only be where there are so many. */
	if (g->nchildren > g->host.conf->children.max_spare &&
	    g->retire.index == 0)
		after(g, &g->retire, RETIRE_EVERY_MS);
}

static void
on_fork(void *arg)
{
	fork_children(arg);
}

static void
on_retire(void *arg)
{
	struct generation *g = arg;
	struct policy_view view;
	struct scoreboard_view v;
	struct child_entry *e;
	unsigned n;

	if (g->state != GENERATION_SERVING)
		return;
	look_at_children(g, &view);
	n = policy_to_retire(&g->host.conf->children, &view);
	for (e = g->children; n > 0 && e < end_of(g); e++) {
		scoreboard_look(g->start->scoreboard,
		    (size_t)(e - g->children), &v);
		if (e->pid == 0 || e->is_told || v.sessions != 0 ||
		    v.state != SCOREBOARD_SERVING)
			continue;
		e->is_told = 1;
		(void)kill(e->pid, SIGUSR1);
		n--;
	}
	if (g->nchildren > g->host.conf->children.max_spare)
		after(g, &g->retire, RETIRE_EVERY_MS);
}

/* ---- the end of children ---- */

/* The child wrote the index, if it was still able to. */
static const char *
module_of(const struct generation *g, size_t slot)
{
	const uint32_t n = scoreboard_counters(g->start->scoreboard,
	    (int)slot)->module;

	return n == 0 || n > g->host.nmodules ? NULL :
	    g->host.modules[n - 1].hooks->name;
}

static void
report_failure(const struct generation *g, const struct child_entry *e,
    int status)
{
	const char *module = module_of(g, (size_t)(e - g->children));
	struct log_line l = { .in_quotes = 0 };

	if (WIFSIGNALED(status))
		log_put(&l, "child=%ld signal=%d: killed by signal \"%s\"",
		    (long)e->pid, WTERMSIG(status),
		    strsignal(WTERMSIG(status)));
	else
		log_put(&l, "child=%ld status=%d: ended in failure",
		    (long)e->pid, WEXITSTATUS(status));
	if (module != NULL)
		log_put(&l, " in module %s", module);
	log_end(&g->host.log, LOG_LEVEL_ERROR, &l);
}

static void
take_failure(struct generation *g, const struct child_entry *e, int status)
{
	const int64_t now = loop_now(&g->loop);

	report_failure(g, e, status);
	if (g->state == GENERATION_STARTING) {
		g->status = WIFEXITED(status) ? WEXITSTATUS(status) :
		    EX_SOFTWARE;
		enter(g, GENERATION_DRAINING);
		return;
	}
	if (now - e->started_ms >= POLICY_STABLE_MS)
		g->failures = 0;
	g->failures++;
	g->next_fork_ms = now + policy_backoff_ms(g->failures);
}

static void
take_end(struct generation *g, struct child_entry *e, int status)
{
	const int is_ours = WIFSIGNALED(status) &&
	    WTERMSIG(status) == SIGKILL && g->state == GENERATION_ENDING;

	if ((!WIFEXITED(status) || WEXITSTATUS(status) != 0) && !is_ours)
		take_failure(g, e, status);
	else if (loop_now(&g->loop) - e->started_ms >= POLICY_STABLE_MS)
		g->failures = 0;
	scoreboard_release_slot(g->start->scoreboard,
	    (int)(e - g->children));
	memset(e, 0, sizeof(*e));
	g->nchildren--;
}

static void
take_status(struct generation *g, pid_t pid, int status)
{
	struct child_entry *e;

	for (e = g->children; e < end_of(g) && e->pid != pid; e++)
		;
	if (e == end_of(g))
		return;
	if (WIFSTOPPED(status) || WIFCONTINUED(status)) {
		e->is_stopped = WIFSTOPPED(status);
		after(g, &g->stopped, STOPPED_MS);
		return;
	}
	take_end(g, e, status);
	/* A connection that it was woken for is for another. */
	signal_all(g, CHILD_SIGNAL_ACCEPT);
}

static void
reap(struct generation *g)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG | WUNTRACED |
	    WCONTINUED)) > 0)
		take_status(g, pid, status);
}

/*
 * A child that is stopped may be the one that was woken for a connection.
 */
static void
on_stopped(void *arg)
{
	struct generation *g = arg;
	struct pollfd pfd[CONF_LISTEN_MAX];
	const struct child_entry *e;
	size_t i;

	if (g->state > GENERATION_SERVING)
		return;
	for (i = 0; i < g->start->listeners->n; i++) {
		pfd[i].fd = g->start->listeners->fds[i];
		pfd[i].events = POLLIN;
	}
	if (poll(pfd, g->start->listeners->n, 0) > 0)
		signal_all(g, CHILD_SIGNAL_ACCEPT);
	for (e = g->children; e < end_of(g); e++)
		if (e->is_stopped)
			after(g, &g->stopped, STOPPED_MS);
}

/* ---- reports ---- */

static int
does_serve(const struct generation *g)
{
	struct scoreboard_view v;
	const struct child_entry *e;

	for (e = g->children; e < end_of(g); e++) {
		scoreboard_look(g->start->scoreboard,
		    (size_t)(e - g->children), &v);
		if (e->pid != 0 && v.state == SCOREBOARD_SERVING)
			return 1;
	}
	return 0;
}

static void
report_ready(struct generation *g)
{
	const struct generation_report r = {
	    g->host.conf->children.shutdown_timeout_s };

	if (g->state != GENERATION_STARTING || !does_serve(g))
		return;
	enter(g, GENERATION_SERVING);
	loop_timer_cancel(&g->loop, &g->deadline);
	/* Should the parent be gone, its end is noticed in the loop. */
	if (write(g->start->parent, &r, sizeof(r)) != (ssize_t)sizeof(r))
		return;
}

static void
on_reports(void *arg, unsigned events)
{
	struct generation *g = arg;
	char bytes[256];
	ssize_t n;

	(void)events;
	n = io_read(g->reports.fd, bytes, sizeof(bytes));
	if (n <= 0)
		return;
	report_ready(g);
	if (memchr(bytes, CHILD_REPORT_LEAVES, (size_t)n) != NULL)
		signal_all(g, CHILD_SIGNAL_ACCEPT);
}

/* It sends nothing: it is gone. */
static void
on_parent(void *arg, unsigned events)
{
	struct generation *g = arg;
	char byte;
	ssize_t n;

	(void)events;
	n = io_read(g->start->parent, &byte, 1);
	if (n > 0 || (n == -1 && (errno == EAGAIN || errno == EWOULDBLOCK)))
		return;
	(void)loop_watch(&g->loop, &g->parent, 0);
	enter(g, GENERATION_DRAINING);
}

static void
react(struct generation *g, int sig)
{
	if (sig == SIGCHLD)
		reap(g);
	else if (sig == SIGUSR1)
		enter(g, GENERATION_RETIRING);
	else if (sig == GENERATION_SIGNAL_END)
		enter(g, GENERATION_ENDING);
	else if (sig != SIGHUP)
		enter(g, GENERATION_DRAINING);
}

static void
on_signal(void *arg, unsigned events)
{
	struct generation *g = arg;
	char skipped[1024];
	size_t i;

	(void)events;
	for (i = 0; i < SIGNALS; i++)
		if (g->signals[i].fd != -1 && io_read(g->signals[i].fd,
		    skipped, sizeof(skipped)) > 0)
			react(g, signals[i]);
}

/* ---- the process ---- */

int
generation_load(struct smtpd_host *host, const struct smtpd_config *conf,
    const struct log *log)
{
	char reason[512];

	memset(host, 0, sizeof(*host));
	host->conf = conf;
	host->log = *log;
	if (gethostname(host->name, sizeof(host->name) - 1) == -1 ||
	    host->name[0] == '\0')
		(void)text_copy(host->name, sizeof(host->name), "localhost");
	if (conf->certificate != NULL) {
		host->tls = tls_server_new(conf->certificate,
		    conf->private_key, reason, sizeof(reason));
		if (host->tls == NULL) {
			log_say(log, LOG_LEVEL_ERROR, "%s", reason);
			return -1;
		}
	}
	return modules_load(host, SMTPD_MODULEDIR);
}

void
generation_unload(struct smtpd_host *host)
{
	modules_fini(host);
	tls_server_free(host->tls);
	host->tls = NULL;
}

static int
watch_all(struct generation *g)
{
	int pair[2], ret;
	size_t i;

	if (loop_init(&g->loop) == -1 || socketpair(AF_UNIX,
	    SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) == -1)
		return -1;
	g->for_children = pair[1];
	g->reports = (struct loop_watch){ .fd = pair[0], .ready = on_reports,
	    .arg = g };
	g->parent = (struct loop_watch){ .fd = g->start->parent,
	    .ready = on_parent, .arg = g };
	ret = loop_watch(&g->loop, &g->reports, LOOP_READ);
	if (ret == 0)
		ret = loop_watch(&g->loop, &g->parent, LOOP_READ);
	for (i = 0; i < SIGNALS && ret == 0; i++) {
		g->signals[i] = (struct loop_watch){ .ready = on_signal,
		    .arg = g, .fd = compat_signal_fd(signals[i]) };
		if (g->signals[i].fd != -1)
			ret = loop_watch(&g->loop, &g->signals[i], LOOP_READ);
	}
	g->retire = (struct loop_timer){ .expired = on_retire, .arg = g };
	g->fork = (struct loop_timer){ .expired = on_fork, .arg = g };
	g->stopped = (struct loop_timer){ .expired = on_stopped, .arg = g };
	g->deadline = (struct loop_timer){ .expired = on_deadline, .arg = g };
	return ret;
}

static void
supervise(struct generation *g)
{
	after(g, &g->deadline, START_MS);
	while (g->state < GENERATION_RETIRING || g->nchildren > 0) {
		fork_children(g);
		if (loop_turn(&g->loop, -1) == -1)
			enter(g, GENERATION_DRAINING);
	}
}

/* Modules look at it as root, if at all.  0 or -1. */
static int
check_root(const struct generation *g)
{
	const char *root = g->host.conf->root;

	if (faccessat(AT_FDCWD, root, W_OK | X_OK, AT_EACCESS) == 0)
		return 0;
	/* Perhaps not for long: mail is refused temporarily. */
	if (errno == EROFS)
		log_say(&g->log, LOG_LEVEL_WARNING, "ROOT %s: read-only: with "
		    "systemd, run \"systemctl edit dma-smtpd\" and add "
		    "ReadWritePaths=%s", root, root);
	if (errno != EACCES)
		return 0;
	log_say(&g->log, LOG_LEVEL_ERROR, "ROOT %s: not writable by the user "
	    "of dma-smtpd: run \"chown %s %s\"", root,
	    g->host.conf->user == NULL ? SMTPD_USER : g->host.conf->user,
	    root);
	return -1;
}

/* Its modules are initialized, and root is dropped: the status. */
static int
prepare(struct generation *g)
{
	const struct generation_start *s = g->start;

	if (modules_init(&g->host) == -1)
		return EX_CONFIG;
	g->children = calloc(scoreboard_slots(s->scoreboard),
	    sizeof(*g->children));
	if (g->children == NULL || identity_become(s->identity) == -1 ||
	    confine_process() == -1 || watch_all(g) == -1) {
		log_say(&g->log, LOG_LEVEL_ERROR, "cannot start: %s",
		    strerror(errno));
		return EX_OSERR;
	}
	return check_root(g) == -1 ? EX_CONFIG : EX_OK;
}

int
generation_run(const struct generation_start *start)
{
	struct generation g = { .start = start, .log = *start->log,
	    .loop = { .epoll_fd = -1 } };

	/* A terminal's signals are for the parent, which sends them on. */
	(void)setpgid(0, 0);
	if (start->conf->log != g.log.where) {
		g.log.where = start->conf->log;
		log_open(&g.log);
	}
	g.status = EX_CONFIG;
	if (generation_load(&g.host, start->conf, &g.log) == 0) {
		g.status = prepare(&g);
		if (g.status == EX_OK)
			supervise(&g);
	}
	loop_fini(&g.loop);
	generation_unload(&g.host);
	free(g.children);
	return g.status;
}
