/*
 * smtpd_generation_test.c - when a generation forks children, what it tells
 * them, and when it ends.  No process is made: fork(2), kill(2) and waitpid(2)
 * are the test's, as is the loop, of which each turn is a step of a test.
 */
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <netinet/in.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sysexits.h>

#include "lib/io.h"
#include "smtpd/child.h"
#include "smtpd/confine.h"
#include "smtpd/generation.h"
#include "smtpd/modules.h"
#include "smtpd/policy.h"
#include "tests/unit/t_steps.h"

#define SLOTS		4
#define NUMBER		7	/* of the generation */
#define FIRST		1000000000	/* process id: above all that exist */
#define SHUTDOWN_S	30
#define EXITED(code)	((code) << 8)
#define STOPPED		(0x7f | SIGSTOP << 8)
#define CONTINUED	0xffff

typedef void	step(void);

struct world {
	struct smtpd_config conf;
	struct listeners listeners;
	struct scoreboard *scoreboard;
	int		 port_fd;	/* the same socket as that of listeners */
	int		 parent, of_generation;		/* both ends */
	int		 reports;	/* where children write */
	struct log	 log;
	char		 logged[512];	/* last */
	/* Processes. */
	int		 nforked;
	int		 fork_error;
	struct buf	 killed;	/* "signal:child;" */
	struct {
		pid_t	 pid;
		int	 status;
	}		 ended[16];
	size_t		 nended, ntaken;
	int		 does_identify, has_modules;
};

static struct world *world;

/* ---- processes ---- */

pid_t
fork(void)
{
	errno = world->fork_error;
	return world->fork_error != 0 ? -1 : FIRST + world->nforked++;
}

int
kill(pid_t pid, int sig)
{
	buf_printf(&world->killed, "%d:%d;", sig, (int)(pid - FIRST));
	return 0;
}

pid_t
waitpid(pid_t pid, int *status, int options)
{
	assert_int_equal(pid, -1);
	assert_int_equal(options, WNOHANG | WUNTRACED | WCONTINUED);
	if (world->ntaken == world->nended)
		return 0;
	*status = world->ended[world->ntaken].status;
	return world->ended[world->ntaken++].pid;
}

/* Else the test would leave the group of those that wait for it. */
int
setpgid(pid_t pid, pid_t group)
{
	(void)pid;
	(void)group;
	return 0;
}

/* The last call has the channel of the children. */
int
socketpair(int domain, int type, int protocol, int fds[2])
{
	const int ret = (int)syscall(SYS_socketpair, domain, type, protocol,
	    fds);

	world->reports = fds[1];
	return ret;
}

/* ---- the other modules ---- */

int
child_run(struct smtpd_host *host, const int *listeners, size_t n,
    int generation)
{
	(void)host;
	(void)listeners;
	(void)n;
	(void)generation;
	return EX_SOFTWARE;
}

int
identity_become(const struct identity *identity)
{
	(void)identity;
	errno = EPERM;
	return world->does_identify ? 0 : -1;
}

int
confine_process(void)
{
	return 0;
}

int
modules_load(struct smtpd_host *host, const char *directory)
{
	static const struct smtpd_module hooks = { .name = "odd" };

	(void)directory;
	host->modules[0].hooks = &hooks;
	host->nmodules = 1;
	return 0;
}

int
modules_init(struct smtpd_host *host)
{
	(void)host;
	return world->has_modules ? 0 : -1;
}

void
modules_fini(struct smtpd_host *host)
{
	(void)host;
}

/* ---- the world ---- */

static void
take_text(void *arg, enum log_level level, const char *text)
{
	struct world *w = arg;

	(void)level;
	snprintf(w->logged, sizeof(w->logged), "%s", text);
}

static int
set_up(void **state)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	struct world *w = calloc(1, sizeof(*w));
	int pair[2];

	assert_non_null(w);
	world = w;
	w->does_identify = w->has_modules = 1;
	w->conf.children = (struct conf_children){ .min_spare = 1,
	    .max_spare = 2, .max_children = SLOTS,
	    .shutdown_timeout_s = SHUTDOWN_S };
	w->conf.root = (char *)(uintptr_t)"/";
	w->conf.log = LOG_TO_FUNCTION;
	w->log.where = LOG_TO_FUNCTION;
	w->log.take = take_text;
	w->log.arg = w;
	w->scoreboard = scoreboard_new(SLOTS, 16);
	assert_non_null(w->scoreboard);
	w->port_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(w->port_fd, (struct sockaddr *)&sin,
	    sizeof(sin)), 0);
	assert_int_equal(listen(w->port_fd, 8), 0);
	w->listeners.fds[0] = dup(w->port_fd);
	w->listeners.n = 1;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK |
	    SOCK_CLOEXEC, 0, pair), 0);
	w->parent = pair[0];
	w->of_generation = pair[1];
	buf_init(&w->killed, 0);
	*state = w;
	return 0;
}

static int
tear_down(void **state)
{
	struct world *w = *state;

	io_close(&w->parent);
	close(w->of_generation);
	close(w->port_fd);
	listeners_close(&w->listeners);
	scoreboard_free(w->scoreboard);
	buf_fini(&w->killed);
	free(w);
	return 0;
}

/* Its signals do not reach the tests after it, nor do its descriptors. */
static int
run(step *const *steps)
{
	const struct generation_start start = { .number = NUMBER,
	    .conf = &world->conf, .listeners = &world->listeners,
	    .scoreboard = world->scoreboard, .log = &world->log,
	    .parent = world->of_generation };
	sigset_t before;
	int status;
	size_t i;

	t_steps_begin(steps);
	assert_int_equal(sigprocmask(SIG_BLOCK, NULL, &before), 0);
	status = generation_run(&start);
	assert_int_equal(sigprocmask(SIG_SETMASK, &before, NULL), 0);
	for (i = 0; i < t_steps.nwatches; i++)
		if (t_steps.watches[i].fd != world->of_generation)
			close(t_steps.watches[i].fd);
	if (t_steps.nwatches > 0)
		close(world->reports);
	return status;
}

#define RUN(...) run((step *const []){ __VA_ARGS__, NULL })

/* What was sent since, as "signal:child;". */
static void
assert_killed(const char *expected)
{
	assert_string_equal(buf_str(&world->killed), expected);
	buf_reset(&world->killed);
}

/* A signal to all children of a test that has two. */
static void
assert_both_killed(int sig)
{
	char expected[32];

	snprintf(expected, sizeof(expected), "%d:0;%d:1;", sig, sig);
	assert_killed(expected);
}

static void
assert_one_killed(int sig, int child)
{
	char expected[32];

	snprintf(expected, sizeof(expected), "%d:%d;", sig, child);
	assert_killed(expected);
}

static void
report(enum child_report what)
{
	const char byte = (char)what;

	assert_int_equal(write(world->reports, &byte, 1), 1);
	t_steps_fire();
}

static void
serves(int slot, size_t sessions)
{
	scoreboard_set_state(world->scoreboard, slot, SCOREBOARD_SERVING);
	scoreboard_set_sessions(world->scoreboard, slot, sessions);
}

static void
take_signal(int sig)
{
	(void)raise(sig);
	t_steps_fire();
}

static void
child_changes(int child, int status)
{
	assert_true(world->nended < N(world->ended));
	world->ended[world->nended].pid = FIRST + child;
	world->ended[world->nended++].status = status;
	take_signal(SIGCHLD);
}

static size_t
slots_taken(void)
{
	struct scoreboard_view v;
	size_t i, n = 0;

	for (i = 0; i < SLOTS; i++) {
		scoreboard_look(world->scoreboard, i, &v);
		n += v.state != SCOREBOARD_FREE;
	}
	return n;
}

/* ---- steps of many tests ---- */

static void
first_serves(void)
{
	serves(0, 0);
	report(CHILD_REPORT_SERVES);
}

/* The first is busy, so that there is another. */
static void
two_serve(void)
{
	serves(0, 1);
	report(CHILD_REPORT_BUSY);
}

static void
second_serves(void)
{
	assert_int_equal(world->nforked, 2);
	serves(1, 0);
	report(CHILD_REPORT_SERVES);
	assert_killed("");
}

static void
first_ends(void)
{
	child_changes(0, EXITED(0));
}

static void
second_ends(void)
{
	child_changes(1, EXITED(0));
}

static void
send_sigterm(void)
{
	take_signal(SIGTERM);
}

static void
all_end(void)
{
	struct scoreboard_view v;
	size_t i;

	take_signal(SIGTERM);
	for (i = 0; i < SLOTS; i++) {
		scoreboard_look(world->scoreboard, i, &v);
		if (v.state != SCOREBOARD_FREE)
			child_changes((int)(v.pid - FIRST), EXITED(0));
	}
}

/* ---- it begins ---- */

static void
look_at_begin(void)
{
	struct scoreboard_view v;

	assert_int_equal(world->nforked, 1);
	scoreboard_look(world->scoreboard, 0, &v);
	assert_int_equal(v.pid, FIRST);
	assert_int_equal(v.generation, NUMBER);
	/* A child that is not in its loop makes nothing ready. */
	report(CHILD_REPORT_SERVES);
}

static void
look_for_ready(void)
{
	struct generation_report r = { 0 };

	assert_int_equal(read(world->parent, &r, sizeof(r)), sizeof(r));
	assert_int_equal(r.shutdown_timeout_s, SHUTDOWN_S);
	report(CHILD_REPORT_SERVES);
	/* It was reported once; a deadline for it is no more. */
	assert_int_equal(read(world->parent, &r, sizeof(r)), -1);
	t_steps_pass(60000);
	assert_killed("");
}

static void
look_for_no_ready(void)
{
	char byte;

	assert_int_equal(read(world->parent, &byte, 1), -1);
}

static void
test_it_is_ready_once_a_child_serves(void **state)
{
	(void)state;
	assert_int_equal(RUN(look_at_begin, look_for_no_ready, first_serves,
	    look_for_ready, send_sigterm, first_ends), EX_OK);
	assert_int_equal(slots_taken(), 0);
}

static void
test_what_cannot_begin(void **state)
{
	struct world *w = *state;

	w->has_modules = 0;
	assert_int_equal(RUN(send_sigterm), EX_CONFIG);
	w->has_modules = 1;
	w->does_identify = 0;
	assert_int_equal(RUN(send_sigterm), EX_OSERR);
	assert_string_equal(w->logged, "cannot start: Operation not "
	    "permitted");
	assert_int_equal(w->nforked, 0);
}

static void
first_fails(void)
{
	child_changes(0, EXITED(EX_CONFIG));
}

static void
first_crashes(void)
{
	child_changes(0, SIGSEGV);
}

/* Its status is that of the child. */
static void
test_a_child_that_fails_at_first_ends_it(void **state)
{
	struct world *w = *state;

	assert_int_equal(RUN(first_fails), EX_CONFIG);
	assert_int_equal(w->nforked, 1);
	w->nforked = 0;
	w->nended = w->ntaken = 0;
	assert_int_equal(RUN(first_crashes), EX_SOFTWARE);
	assert_int_equal(slots_taken(), 0);
}

static void
wait_in_vain(void)
{
	t_steps_pass(59999);
	assert_killed("");
	t_steps_pass(1);
	assert_one_killed(CHILD_SIGNAL_END, 0);
	t_steps_pass(999);
	assert_killed("");
	t_steps_pass(1);
	assert_one_killed(SIGKILL, 0);
	t_steps_pass(1000);
	assert_one_killed(SIGKILL, 0);
}

static void
first_is_killed(void)
{
	world->logged[0] = '\0';
	child_changes(0, SIGKILL);
	assert_string_equal(world->logged, "");
}

static void
test_a_module_may_take_a_minute_to_be_ready(void **state)
{
	(void)state;
	assert_int_equal(RUN(wait_in_vain, first_is_killed), EX_UNAVAILABLE);
}

/* ---- how many children ---- */

static void
look_at_two(void)
{
	assert_int_equal(world->nforked, 2);
	serves(1, 1);
	scoreboard_set_sessions(world->scoreboard, 0, 0);
	report(CHILD_REPORT_BUSY);
}

static void
look_at_two_still(void)
{
	assert_int_equal(world->nforked, 2);
}

static void
test_another_is_forked_while_none_is_idle(void **state)
{
	(void)state;
	assert_int_equal(RUN(first_serves, two_serve, look_at_two,
	    look_at_two_still, send_sigterm, first_ends, second_ends), EX_OK);
}

static void
all_serve(void)
{
	int i;

	assert_int_equal(world->nforked, SLOTS);
	for (i = 0; i < SLOTS; i++)
		serves(i, i == 0);
	report(CHILD_REPORT_SERVES);
}

static void
look_at_retired(void)
{
	t_steps_pass(999);
	assert_killed("");
	t_steps_pass(1);
	assert_one_killed(SIGUSR1, 1);
	/* Two idle ones are left, which is MAX_SPARE. */
	t_steps_pass(1000);
	assert_killed("");
}

static void
test_idle_ones_above_max_spare_are_retired(void **state)
{
	struct world *w = *state;

	w->conf.children.min_spare = SLOTS;
	assert_int_equal(RUN(all_serve, look_at_retired, all_end), EX_OK);
}

static void
look_at_failed_fork(void)
{
	assert_int_equal(world->nforked, 0);
	assert_int_equal(slots_taken(), 0);
	assert_non_null(strstr(world->logged, "cannot start a child"));
	world->fork_error = 0;
	t_steps_pass(999);
}

static void
look_at_no_fork(void)
{
	assert_int_equal(world->nforked, 0);
	t_steps_pass(1);
	assert_int_equal(world->nforked, 1);
}

static void
test_fork_is_tried_again(void **state)
{
	struct world *w = *state;

	w->fork_error = EAGAIN;
	assert_int_equal(RUN(look_at_failed_fork, look_at_no_fork,
	    send_sigterm, first_ends), EX_OK);
}

/* ---- children that end ---- */

static void
first_crashes_in_module(void)
{
	scoreboard_counters(world->scoreboard, 0)->module = 1;
	child_changes(0, SIGSEGV);
	assert_non_null(strstr(world->logged, "child=1000000000 signal=11"));
	assert_non_null(strstr(world->logged, " in module odd"));
}

/* A child wrote an index that is none, and somebody killed it. */
static void
next_is_killed(void)
{
	assert_int_equal(world->nforked, 2);
	assert_int_equal(slots_taken(), 1);
	scoreboard_counters(world->scoreboard, 0)->module = 2;
	child_changes(1, SIGKILL);
	assert_non_null(strstr(world->logged, "child=1000000001 signal=9"));
	assert_null(strstr(world->logged, "in module"));
}

static void
look_at_wait(void)
{
	assert_int_equal(world->nforked, 2);
	t_steps_pass(99);
	assert_int_equal(world->nforked, 2);
	t_steps_pass(1);
	assert_int_equal(world->nforked, 3);
	/* One that was good for a while. */
	t_steps_pass(POLICY_STABLE_MS);
	child_changes(2, EXITED(1));
	assert_non_null(strstr(world->logged, "status=1"));
}

static void
look_at_no_wait(void)
{
	assert_int_equal(world->nforked, 4);
}

static void
test_those_that_fail_are_replaced_and_ever_later(void **state)
{
	(void)state;
	assert_int_equal(RUN(first_serves, first_crashes_in_module,
	    next_is_killed, look_at_wait, look_at_no_wait, all_end), EX_OK);
}

/* What it was woken for is for another. */
static void
look_at_others(void)
{
	child_changes(1, EXITED(0));
	assert_one_killed(CHILD_SIGNAL_ACCEPT, 0);
	report(CHILD_REPORT_LEAVES);
	assert_one_killed(CHILD_SIGNAL_ACCEPT, 0);
	report(CHILD_REPORT_BUSY);
	assert_killed("");
	/* One that is not ours changes nothing. */
	child_changes(50, EXITED(1));
	assert_killed("");
	assert_int_equal(slots_taken(), 1);
}

static void
test_others_look_for_what_one_has_left(void **state)
{
	(void)state;
	assert_int_equal(RUN(first_serves, two_serve, second_serves,
	    look_at_others, all_end), EX_OK);
}

static void
connect_client(void)
{
	struct sockaddr_in sin;
	socklen_t len = sizeof(sin);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(getsockname(world->port_fd, (struct sockaddr *)&sin,
	    &len), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&sin, len), 0);
	close(fd);
}

static void
look_at_stopped(void)
{
	child_changes(0, STOPPED);
	assert_killed("");
	t_steps_pass(100);
	assert_killed("");
	connect_client();
	t_steps_pass(99);
	assert_killed("");
	t_steps_pass(1);
	assert_both_killed(CHILD_SIGNAL_ACCEPT);
	child_changes(0, CONTINUED);
	/* Once more, for what came meanwhile. */
	t_steps_pass(100);
	assert_both_killed(CHILD_SIGNAL_ACCEPT);
	t_steps_pass(100);
	assert_killed("");
	assert_int_equal(slots_taken(), 2);
}

static void
test_what_a_stopped_child_was_woken_for_is_taken(void **state)
{
	(void)state;
	assert_int_equal(RUN(first_serves, two_serve, second_serves,
	    look_at_stopped, all_end), EX_OK);
}

/* ---- its end ---- */

static void
look_at_end(void)
{
	assert_int_equal(world->listeners.n, 0);
	t_steps_pass(1000 * SHUTDOWN_S - 1);
	assert_killed("");
	t_steps_pass(1);
	assert_both_killed(CHILD_SIGNAL_END);
	t_steps_pass(1000);
	assert_both_killed(SIGKILL);
	/* Not back, and not again. */
	take_signal(SIGUSR1);
	take_signal(SIGTERM);
	take_signal(GENERATION_SIGNAL_END);
	assert_killed("");
}

static void
drain(void)
{
	take_signal(SIGTERM);
	assert_both_killed(SIGTERM);
}

static void
interrupt(void)
{
	take_signal(SIGINT);
	assert_both_killed(SIGTERM);
}

static void
parent_ends(void)
{
	io_close(&world->parent);
	t_steps_fire();
	assert_int_equal(t_steps_watch(world->of_generation)->events, 0);
	assert_both_killed(SIGTERM);
}

static void
test_it_drains_until_a_deadline(void **state)
{
	static step *const begins[] = { drain, interrupt, parent_ends };
	size_t i;

	for (i = 0; i < N(begins); i++) {
		if (i > 0) {
			(void)tear_down(state);
			(void)set_up(state);
		}
		assert_int_equal(RUN(first_serves, two_serve, second_serves,
		    begins[i], look_at_end, first_is_killed, second_ends),
		    EX_OK);
		assert_int_equal(world->nforked, 2);
		assert_int_equal(slots_taken(), 0);
	}
}

static void
look_at_retiring(void)
{
	take_signal(SIGHUP);
	assert_killed("");
	take_signal(SIGUSR1);
	assert_both_killed(SIGUSR1);
	assert_int_equal(world->listeners.n, 0);
	t_steps_pass(24 * 3600 * 1000);
	assert_killed("");
	/* No other takes its place. */
	child_changes(1, SIGSEGV);
	assert_killed("");
}

static void
look_at_draining(void)
{
	assert_int_equal(world->nforked, 2);
	take_signal(SIGTERM);
	assert_one_killed(SIGTERM, 0);
}

static void
test_it_retires_without_a_deadline(void **state)
{
	(void)state;
	assert_int_equal(RUN(first_serves, two_serve, second_serves,
	    look_at_retiring, look_at_draining, first_ends), EX_OK);
}

static void
look_at_end_now(void)
{
	take_signal(GENERATION_SIGNAL_END);
	assert_both_killed(CHILD_SIGNAL_END);
}

static void
test_it_ends_at_once_when_told(void **state)
{
	(void)state;
	assert_int_equal(RUN(first_serves, two_serve, second_serves,
	    look_at_end_now, first_ends, second_ends), EX_OK);
}

#define CASE(f)	cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		CASE(test_it_is_ready_once_a_child_serves),
		CASE(test_what_cannot_begin),
		CASE(test_a_child_that_fails_at_first_ends_it),
		CASE(test_a_module_may_take_a_minute_to_be_ready),
		CASE(test_another_is_forked_while_none_is_idle),
		CASE(test_idle_ones_above_max_spare_are_retired),
		CASE(test_fork_is_tried_again),
		CASE(test_those_that_fail_are_replaced_and_ever_later),
		CASE(test_others_look_for_what_one_has_left),
		CASE(test_what_a_stopped_child_was_woken_for_is_taken),
		CASE(test_it_drains_until_a_deadline),
		CASE(test_it_retires_without_a_deadline),
		CASE(test_it_ends_at_once_when_told),
	};

	return cmocka_run_group_tests_name("smtpd_generation", tests, NULL,
	    NULL);
}
