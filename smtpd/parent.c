/*
 * parent.c - the process that holds the sockets and starts generations.
 *
 * Runs as: root until the first generation is forked, then the user of
 * dma-smtpd.
 * Uses: the sockets, the scoreboard, the status socket, signals.
 * Promise: it parses nothing that a client sends.  A generation that does not
 * come up changes nothing; one that dies is replaced.
 */
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#if defined(__linux__)
#include <sys/prctl.h>
#endif

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "compat/compat.h"
#include "lib/io.h"
#include "smtpd/confine.h"
#include "smtpd/generation.h"
#include "smtpd/notify.h"
#include "smtpd/parent.h"
#include "smtpd/policy.h"
#include "smtpd/reload.h"
#include "smtpd/status.h"

#define GENERATIONS_MAX	8	/* at once, those that drain included */
#define DRAINING_MAX	2	/* an older one gets a deadline */
#define SLOTS_FACTOR	3	/* children of a generation and of those two */
#define SLOTS_MIN	64
#define FDS_MORE	1024	/* beyond those of connections */
#define SWEEP_MS	1000
#define KILL_MS		2000	/* for generations that were told to end */
#define SIGNALS		7

struct parent;

struct running {
	struct parent	*parent;
	enum policy_phase phase;
	pid_t		 pid;
	unsigned	 number;
	struct loop_watch watch;	/* of its reports */
	int64_t		 started_ms;
};

enum parent_state {
	PARENT_SERVING,
	PARENT_DRAINING,	/* until the deadline */
	PARENT_ENDING		/* now */
};

struct parent {
	const struct parent_options *options;
	struct log	 log;
	struct identity	 identity;
	struct listeners listeners;
	struct scoreboard *scoreboard;	/* owned */
	struct status_server status;
	struct notify	 notify;
	struct loop	 loop;
	struct loop_watch signals[SIGNALS];
	struct loop_timer restart, sweep, deadline;
	enum parent_state state;
	struct running	 generations[GENERATIONS_MAX];
	/* Owned: what serves, and what a reload has read for the one that is
	 * starting; NULL: what was read at the start, and no reload. */
	struct smtpd_config *conf, *next;
	unsigned	 started;	/* generations so far */
	unsigned	 failures;	/* of those that served, in a row */
	unsigned	 shutdown_timeout_s;
	int		 is_ready;	/* once */
	int		 is_reload_due;	/* when there is a place for it */
	int		 exit_status;
};

static const int signals[SIGNALS] = { SIGTERM, SIGINT, SIGHUP, SIGUSR1,
    SIGCHLD, SIGQUIT, SIGUSR2 };

static struct running *
end_of(struct parent *p)
{
	return p->generations + GENERATIONS_MAX;
}

static struct running *
find(struct parent *p, enum policy_phase phase)
{
	struct running *r;

	for (r = p->generations; r < end_of(p); r++)
		if (r->phase == phase)
			return r;
	return NULL;
}

static void
after(struct parent *p, struct loop_timer *t, int64_t ms)
{
	(void)loop_timer_set(&p->loop, t, loop_now(&p->loop) + ms);
}

static void
count_generations(struct parent *p)
{
	struct running *r;

	p->status.generations = 0;
	for (r = p->generations; r < end_of(p); r++)
		p->status.generations += r->phase != POLICY_PHASE_NONE;
}

/* ---- starting a generation ---- */

/* In its process: what is the parent's alone is closed. */
static _Noreturn void
run_generation(struct parent *p, int to_parent)
{
	const struct generation_start start = {
		.number = p->started,
		.conf = p->next != NULL ? p->next : p->conf != NULL ?
		    p->conf : p->options->conf,
		.identity = &p->identity,
		.listeners = &p->listeners,
		.scoreboard = p->scoreboard,
		.log = &p->log,
		.parent = to_parent
	};
	struct running *r;
	size_t i;

	loop_fini(&p->loop);
	status_leave(&p->status);
	notify_fini(&p->notify);
	for (i = 0; i < SIGNALS; i++)
		io_close(&p->signals[i].fd);
	for (r = p->generations; r < end_of(p); r++)
		if (r->phase != POLICY_PHASE_NONE)
			io_close(&r->watch.fd);
	exit(generation_run(&start));
}

static void on_generation(void *arg, unsigned events);

static int
start_generation(struct parent *p)
{
	struct running *r = find(p, POLICY_PHASE_NONE);
	int pair[2];
	pid_t pid;

	if (r == NULL) {
		errno = EAGAIN;
		return -1;
	}
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
	    pair) == -1)
		return -1;
	p->started++;
	pid = fork();
	if (pid == 0) {
		close(pair[0]);
		run_generation(p, pair[1]);
	}
	close(pair[1]);
	if (pid == -1) {
		close(pair[0]);
		return -1;
	}
	*r = (struct running){ .parent = p, .pid = pid, .number = p->started,
	    .phase = policy_next(r->phase, POLICY_EVENT_FORKED),
	    .started_ms = loop_now(&p->loop) };
	r->watch = (struct loop_watch){ .fd = pair[0], .arg = r,
	    .ready = on_generation };
	count_generations(p);
	return loop_watch(&p->loop, &r->watch, LOOP_READ);
}

/* 0 or -1, which is reported. */
static int
start_or_report(struct parent *p)
{
	if (start_generation(p) == 0)
		return 0;
	log_say(&p->log, LOG_LEVEL_ERROR, "cannot start a process for the "
	    "configuration: %s", strerror(errno));
	return -1;
}

static void
forget_next(struct parent *p)
{
	reload_free(p->next);
	p->next = NULL;
}

static void
report_no_reload(const struct parent *p)
{
	log_say(&p->log, LOG_LEVEL_ERROR, "the new configuration is not used: "
	    "the previous one remains in effect");
}

static void
reload(struct parent *p)
{
	const struct reload r = {
		.first = p->options->conf,
		.file = p->options->file,
		.is_file_required = p->options->is_file_required,
		.override = p->options->override,
		.is_listening_given = p->listeners.are_given
	};

	if (p->state != PARENT_SERVING)
		return;
	/* After the one that is starting, or an old one that has to end. */
	p->is_reload_due = find(p, POLICY_PHASE_STARTING) != NULL ||
	    find(p, POLICY_PHASE_NONE) == NULL;
	if (p->is_reload_due)
		return;
	p->next = reload_read(&r, &p->log);
	if (p->next == NULL)
		report_no_reload(p);
	else if (start_or_report(p) == -1)
		forget_next(p);
}

/* ---- what becomes of generations ---- */

/* One that is still root ends when its descriptor does. */
static void
tell(struct running *r, int sig)
{
	if (r->phase != POLICY_PHASE_NONE && kill(r->pid, sig) == -1)
		(void)shutdown(r->watch.fd, SHUT_RDWR);
}

/* All but the youngest two get a deadline. */
static void
limit_draining(struct parent *p)
{
	struct running *r, *other;
	unsigned younger;

	for (r = p->generations; r < end_of(p); r++) {
		younger = 0;
		for (other = p->generations; other < end_of(p); other++)
			younger += other->phase >= POLICY_PHASE_RETIRING &&
			    other->number > r->number;
		if (r->phase != POLICY_PHASE_RETIRING || younger < DRAINING_MAX)
			continue;
		r->phase = policy_next(r->phase, POLICY_EVENT_TOO_OLD);
		tell(r, SIGTERM);
	}
}

static void
take_over(struct parent *p, struct running *r)
{
	struct running *old = find(p, POLICY_PHASE_SERVING);

	if (old != NULL) {
		old->phase = policy_next(old->phase, POLICY_EVENT_FOLLOWED);
		tell(old, SIGUSR1);
		limit_draining(p);
	}
	r->phase = policy_next(r->phase, POLICY_EVENT_READY);
	if (p->next != NULL) {
		reload_free(p->conf);
		p->conf = p->next;
		p->next = NULL;
	}
	log_say(&p->log, LOG_LEVEL_INFO, "generation=%u pid=%ld: %s", r->number,
	    (long)r->pid, p->is_ready ? "configuration loaded" : "started");
	notify_ready(&p->notify);
	if (!p->is_ready)
		p->options->ready(p->options->arg);
	p->is_ready = 1;
	if (p->is_reload_due)
		reload(p);
}

/* A report means that its children serve; its end is seen by SIGCHLD. */
static void
on_generation(void *arg, unsigned events)
{
	struct running *r = arg;
	struct generation_report report;
	ssize_t n;

	(void)events;
	n = io_read(r->watch.fd, &report, sizeof(report));
	if (n == (ssize_t)sizeof(report) && r->phase == POLICY_PHASE_STARTING &&
	    r->parent->state == PARENT_SERVING) {
		r->parent->shutdown_timeout_s = report.shutdown_timeout_s;
		take_over(r->parent, r);
	} else if (n >= 0 || errno != EAGAIN) {
		(void)loop_watch(&r->parent->loop, &r->watch, 0);
	}
}

static void
take_failed_start(struct parent *p, int status)
{
	if (p->next != NULL)
		report_no_reload(p);
	forget_next(p);
	if (p->is_ready)
		return;
	p->exit_status = WIFEXITED(status) && WEXITSTATUS(status) != 0 ?
	    WEXITSTATUS(status) : EX_SOFTWARE;
	p->state = PARENT_ENDING;
}

/* Without one that serves, another is started, after a while if need be. */
static void
replace(struct parent *p, int64_t lived_ms)
{
	if (find(p, POLICY_PHASE_SERVING) != NULL || !p->is_ready ||
	    p->state != PARENT_SERVING)
		return;
	if (lived_ms >= POLICY_STABLE_MS)
		p->failures = 0;
	p->failures++;
	after(p, &p->restart, policy_backoff_ms(p->failures));
}

/* With the configuration that served last, whatever the file says now. */
static void
on_restart(void *arg)
{
	struct parent *p = arg;

	if (p->state != PARENT_SERVING ||
	    find(p, POLICY_PHASE_STARTING) != NULL ||
	    find(p, POLICY_PHASE_SERVING) != NULL)
		return;
	if (find(p, POLICY_PHASE_NONE) == NULL || start_or_report(p) == -1)
		after(p, &p->restart, SWEEP_MS);
}

static void
take_end(struct parent *p, struct running *r, int status)
{
	const enum policy_phase phase = r->phase;
	const int64_t lived_ms = loop_now(&p->loop) - r->started_ms;

	/* What it reported last. */
	(void)loop_watch(&p->loop, &r->watch, 0);
	io_close(&r->watch.fd);
	r->phase = policy_next(r->phase, POLICY_EVENT_ENDED);
	count_generations(p);
	if (WIFSIGNALED(status))
		log_say(&p->log, LOG_LEVEL_ERROR, "generation=%u pid=%ld "
		    "signal=%d: killed by signal \"%s\"", r->number,
		    (long)r->pid, WTERMSIG(status),
		    strsignal(WTERMSIG(status)));
	else if (phase == POLICY_PHASE_SERVING && p->state == PARENT_SERVING)
		log_say(&p->log, LOG_LEVEL_ERROR, "generation=%u pid=%ld "
		    "status=%d: ended", r->number, (long)r->pid,
		    WEXITSTATUS(status));
	if (phase == POLICY_PHASE_STARTING && p->state == PARENT_SERVING)
		take_failed_start(p, status);
	if (p->is_reload_due)
		reload(p);
	replace(p, lived_ms);
	after(p, &p->sweep, 0);
}

/* ---- children whose generation was killed ---- */

static int
is_running(struct parent *p, unsigned number)
{
	struct running *r;

	for (r = p->generations; r < end_of(p); r++)
		if (r->phase != POLICY_PHASE_NONE && r->number == number)
			return 1;
	return 0;
}

/*
 * A child that is taken over can write any process id into the scoreboard: none
 * is believed but that of a child of ours, which one of a generation becomes
 * when that ends.
 */
static int
is_own_child(pid_t pid)
{
#if defined(__linux__) && defined(PR_SET_CHILD_SUBREAPER)
	siginfo_t info;

	return pid > 0 && waitid(P_PID, (id_t)pid, &info,
	    WEXITED | WNOHANG | WNOWAIT) == 0;
#else
	return pid > 0 && kill(pid, 0) == 0;
#endif
}

/* They drain by themselves; their slots are taken back here. */
static unsigned
sweep(struct parent *p, int sig)
{
	struct scoreboard_view v;
	unsigned n = 0;
	size_t i;

	for (i = 0; i < scoreboard_slots(p->scoreboard); i++) {
		scoreboard_look(p->scoreboard, i, &v);
		if (v.state == SCOREBOARD_FREE ||
		    is_running(p, v.generation))
			continue;
		if (is_own_child(v.pid)) {
			(void)kill(v.pid, sig);
			n++;
		} else {
			scoreboard_release_slot(p->scoreboard, (int)i);
		}
	}
	return n;
}

static void
on_sweep(void *arg)
{
	struct parent *p = arg;

	if (sweep(p, 0) > 0)
		after(p, &p->sweep, SWEEP_MS);
}

static void
reap(struct parent *p)
{
	struct running *r;
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		for (r = p->generations; r < end_of(p); r++)
			if (r->phase != POLICY_PHASE_NONE && r->pid == pid)
				break;
		if (r < end_of(p))
			take_end(p, r, status);
		else
			after(p, &p->sweep, 0);
	}
}

/* ---- signals ---- */

static void
tell_all(struct parent *p, int sig)
{
	struct running *r;

	for (r = p->generations; r < end_of(p); r++)
		tell(r, sig);
	(void)sweep(p, sig);
}

static void
end_now(struct parent *p)
{
	p->state = PARENT_ENDING;
	tell_all(p, GENERATION_SIGNAL_END);
	after(p, &p->deadline, KILL_MS);
}

/* Generations first: the next time, their children are ours. */
static void
kill_all(struct parent *p)
{
	tell_all(p, SIGKILL);
	after(p, &p->deadline, KILL_MS);
}

static void
on_deadline(void *arg)
{
	struct parent *p = arg;

	if (p->state == PARENT_ENDING)
		kill_all(p);
	else
		end_now(p);
}

static void
stop(struct parent *p)
{
	if (p->state != PARENT_SERVING) {
		end_now(p);
		return;
	}
	p->state = PARENT_DRAINING;
	log_say(&p->log, LOG_LEVEL_INFO, "shutting down");
	notify_stopping(&p->notify);
	listeners_close(&p->listeners);
	tell_all(p, SIGTERM);
	after(p, &p->deadline, 1000 * (int64_t)p->shutdown_timeout_s);
}

static void
log_counters(struct parent *p)
{
	struct status_values v;
	struct buf text;
	char *c;

	buf_init(&text, 0);
	status_look(&p->status, &v);
	status_text(&text, &v);
	if (!buf_failed(&text)) {
		for (c = text.data; *c != '\0'; c++)
			if (*c == ' ')
				*c = '=';
		log_say(&p->log, LOG_LEVEL_INFO, "%s", text.data);
	}
	buf_fini(&text);
}

static void
react(struct parent *p, int sig)
{
	if (sig == SIGCHLD)
		reap(p);
	else if (sig == SIGHUP)
		reload(p);
	else if (sig == SIGUSR1)
		log_counters(p);
	else if (sig == SIGQUIT)
		end_now(p);
	else if (sig != SIGUSR2)
		stop(p);
}

/*
 * SIGCHLD is last: what a generation reported before it ended counts.  Two
 * SIGTERM that come between two turns are one, as signals are.
 */
static void
on_signal(void *arg, unsigned events)
{
	struct parent *p = arg;
	char skipped[1024];
	size_t i;

	(void)events;
	for (i = 0; i < SIGNALS; i++)
		if (p->signals[i].fd != -1 && io_read(p->signals[i].fd,
		    skipped, sizeof(skipped)) > 0)
			react(p, signals[i]);
}

/* ---- the process ---- */

/* For the connections of a child; as root, also beyond the hard limit. */
static void
raise_limits(const struct smtpd_config *conf)
{
	rlim_t wanted = 2 * (rlim_t)conf->limits.max_connections + FDS_MORE;
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) == -1 || r.rlim_cur >= wanted)
		return;
	if (r.rlim_max < wanted) {
		r.rlim_cur = r.rlim_max = wanted;
		if (setrlimit(RLIMIT_NOFILE, &r) == 0 ||
		    getrlimit(RLIMIT_NOFILE, &r) == -1)
			return;
		wanted = r.rlim_max;
	}
	r.rlim_cur = wanted;
	(void)setrlimit(RLIMIT_NOFILE, &r);
}

static int
watch_signals(struct parent *p)
{
	size_t i;

	for (i = 0; i < SIGNALS; i++) {
		p->signals[i] = (struct loop_watch){ .ready = on_signal,
		    .arg = p, .fd = compat_signal_fd(signals[i]) };
		if (p->signals[i].fd != -1 && loop_watch(&p->loop,
		    &p->signals[i], LOOP_READ) == -1)
			return -1;
	}
	p->restart = (struct loop_timer){ .expired = on_restart, .arg = p };
	p->sweep = (struct loop_timer){ .expired = on_sweep, .arg = p };
	p->deadline = (struct loop_timer){ .expired = on_deadline, .arg = p };
#if defined(__linux__) && defined(PR_SET_CHILD_SUBREAPER)
	/* Children of a generation that was killed become ours. */
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
#endif
	return 0;
}

static void
open_status(struct parent *p)
{
	const char *path = p->options->conf->status_socket;

	status_init(&p->status, &p->loop, p->scoreboard);
	if (path != NULL && status_listen(&p->status, path,
	    &p->identity) == -1)
		log_say(&p->log, LOG_LEVEL_WARNING, "STATUS_SOCKET %s: %s: set "
		    "it to another path, or to none", path, strerror(errno));
}

static size_t
slots_of(const struct smtpd_config *conf)
{
	const size_t n = SLOTS_FACTOR * (size_t)conf->children.max_children;

	return n < SLOTS_MIN ? SLOTS_MIN : n;
}

/* What needs root: the status. */
static int
prepare(struct parent *p)
{
	const struct smtpd_config *conf = p->options->conf;
	const char *reason;

	reason = identity_find(&p->identity, conf->user);
	if (reason != NULL) {
		log_say(&p->log, LOG_LEVEL_ERROR, "USER %s: %s",
		    conf->user == NULL ? SMTPD_USER : conf->user, reason);
		return EX_CONFIG;
	}
	raise_limits(conf);
	p->scoreboard = scoreboard_new(slots_of(conf),
	    conf->limits.max_connections);
	if (p->scoreboard == NULL || loop_init(&p->loop) == -1 ||
	    watch_signals(p) == -1) {
		log_say(&p->log, LOG_LEVEL_ERROR, "cannot start: %s",
		    strerror(errno));
		return EX_OSERR;
	}
	if (listeners_open(&p->listeners, p->options->given, conf,
	    &p->log) == -1)
		return EX_OSERR;
	open_status(p);
	notify_init(&p->notify);
	return EX_OK;
}

static int
start_first(struct parent *p)
{
	if (start_generation(p) == -1 ||
	    identity_become(&p->identity) == -1 || confine_process() == -1) {
		log_say(&p->log, LOG_LEVEL_ERROR, "cannot start: %s",
		    strerror(errno));
		return EX_OSERR;
	}
	/* Later ones are started as that user. */
	p->identity.is_kept = 1;
	return EX_OK;
}

static int
is_anything_left(struct parent *p)
{
	struct running *r;

	for (r = p->generations; r < end_of(p); r++)
		if (r->phase != POLICY_PHASE_NONE)
			return 1;
	return sweep(p, 0) > 0;
}

static void
serve(struct parent *p)
{
	while (p->state == PARENT_SERVING || is_anything_left(p)) {
		if (loop_turn(&p->loop, p->state == PARENT_SERVING ? -1 :
		    SWEEP_MS) == 0)
			continue;
		log_say(&p->log, LOG_LEVEL_ERROR, "cannot wait: %s",
		    strerror(errno));
		p->exit_status = EX_OSERR;
		break;
	}
}

int
parent_run(const struct parent_options *options)
{
	struct parent p = { .options = options, .log = *options->log,
	    .loop = { .epoll_fd = -1 },
	    .shutdown_timeout_s = options->conf->children.shutdown_timeout_s };

	p.exit_status = prepare(&p);
	if (p.exit_status == EX_OK) {
		p.exit_status = start_first(&p);
		if (p.exit_status == EX_OK)
			serve(&p);
		status_fini(&p.status);
		notify_fini(&p.notify);
	}
	listeners_close(&p.listeners);
	scoreboard_free(p.scoreboard);
	loop_fini(&p.loop);
	reload_free(p.conf);
	reload_free(p.next);
	return p.exit_status;
}
