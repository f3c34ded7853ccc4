/*
 * smtpd_child_test.c - when a child accepts connections, leaves them to others
 * and ends.  The loop, its clock and the sessions are the test's: each turn is
 * the next step of a test.
 */
#include <sys/resource.h>
#include <sys/socket.h>
#include <netinet/in.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/io.h"
#include "smtpd/child.h"
#include "smtpd/confine.h"
#include "smtpd/modules.h"
#include "smtpd/policy.h"
#include "smtpd/session.h"
#include "tests/unit/t_steps.h"

#define SLOTS		3
#define OWN		1	/* the slot of the child */
#define GENERATION	7
#define CLIENTS		80
#define FEW_FDS		68	/* of which two sessions may be */
#define SOME_FDS	128	/* and 32 */
#define ACCEPTS		(LOOP_READ | LOOP_EXCLUSIVE)

typedef void	step(void);

struct world {
	struct smtpd_config conf;
	struct smtpd_host host;
	int		 listener;	/* the test's own */
	int		 taken;		/* what the child takes of it */
	int		 generation, of_child;	/* both ends */
	int		 clients[CLIENTS];
	size_t		 nclients;
	/* What the child did to sessions. */
	unsigned	 ndrained, nall_ended, nexits;
	int		 does_confine, has_modules;
};

static struct world *world;

/* ---- the other modules ---- */

/* One that keeps its descriptor, as a client would see it. */
void
session_accept(struct smtpd_host *host, int fd, const struct sockaddr *addr)
{
	assert_int_equal(addr->sa_family, AF_INET);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
	close(fd);
	host->nsessions++;
	host->nserved++;
}

void
session_drain_all(struct smtpd_host *host)
{
	assert_int_equal(host->state, HOST_DRAINING);
	world->ndrained++;
}

/* Those of which a verdict is pending stay. */
void
session_end_all(struct smtpd_host *host)
{
	(void)host;
	world->nall_ended++;
}

int
confine_child(const struct smtpd_host *host)
{
	(void)host;
	errno = EPERM;
	return world->does_confine ? 0 : -1;
}

int
modules_child_init(struct smtpd_host *host)
{
	(void)host;
	return world->has_modules ? 0 : -1;
}

void
modules_child_exit(struct smtpd_host *host)
{
	(void)host;
	world->nexits++;
}

/* ---- the world ---- */

static void
take_no_text(void *arg, enum log_level level, const char *text)
{
	(void)arg;
	(void)level;
	(void)text;
}

static int
listening(void)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
	    0);

	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
	assert_int_equal(listen(fd, CLIENTS), 0);
	return fd;
}

static int
set_up(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	int pair[2], i;

	assert_non_null(w);
	world = w;
	w->does_confine = w->has_modules = 1;
	w->conf.children = (struct conf_children){ .min_spare = 1,
	    .max_spare = 2, .max_children = SLOTS };
	w->host.conf = &w->conf;
	w->host.log.where = LOG_TO_FUNCTION;
	w->host.log.take = take_no_text;
	w->host.scoreboard = scoreboard_new(SLOTS, 16);
	assert_non_null(w->host.scoreboard);
	for (i = 0; i <= OWN; i++)
		assert_int_equal(scoreboard_take_slot(w->host.scoreboard,
		    GENERATION), i);
	/* Those before are full, unless a test says otherwise. */
	scoreboard_set_sessions(w->host.scoreboard, 0, POLICY_TOGETHER_MAX);
	w->host.slot = OWN;
	w->listener = listening();
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK |
	    SOCK_CLOEXEC, 0, pair), 0);
	w->generation = pair[0];
	w->of_child = pair[1];
	*state = w;
	return 0;
}

static int
tear_down(void **state)
{
	struct world *w = *state;
	size_t i;

	for (i = 0; i < w->nclients; i++)
		close(w->clients[i]);
	close(w->listener);
	io_close(&w->generation);
	close(w->of_child);
	scoreboard_free(w->host.scoreboard);
	free(w);
	return 0;
}

static void
connect_clients(size_t n)
{
	struct sockaddr_in sin;
	socklen_t len = sizeof(sin);
	int fd;

	assert_int_equal(getsockname(world->listener,
	    (struct sockaddr *)&sin, &len), 0);
	for (; n > 0; n--) {
		assert_true(world->nclients < CLIENTS);
		fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		assert_int_equal(connect(fd, (struct sockaddr *)&sin, len), 0);
		world->clients[world->nclients++] = fd;
	}
}

/* How many wait, which then do no more. */
static size_t
take_waiting(void)
{
	size_t n = 0;
	int fd;

	while ((fd = accept(world->listener, NULL, NULL)) != -1) {
		close(fd);
		n++;
	}
	return n;
}

static void
set_other(int slot, enum scoreboard_state state, size_t sessions)
{
	scoreboard_set_state(world->host.scoreboard, slot, state);
	scoreboard_set_sessions(world->host.scoreboard, slot, sessions);
}

static enum scoreboard_state
own_state(unsigned *sessions)
{
	struct scoreboard_view v;

	scoreboard_look(world->host.scoreboard, OWN, &v);
	if (sessions != NULL)
		*sessions = v.sessions;
	return v.state;
}

/* What the child has reported since. */
static void
assert_reports(const char *expected)
{
	char bytes[64];
	ssize_t n = read(world->generation, bytes, sizeof(bytes) - 1);

	bytes[n > 0 ? n : 0] = '\0';
	assert_string_equal(bytes, expected);
}

/* Its signals do not reach the tests after it, nor do its descriptors. */
static int
run(step *const *steps)
{
	sigset_t before;
	int status;
	size_t i;

	t_steps_begin(steps);
	world->taken = dup(world->listener);
	assert_int_equal(sigprocmask(SIG_BLOCK, NULL, &before), 0);
	status = child_run(&world->host, &world->taken, 1, world->of_child);
	assert_int_equal(sigprocmask(SIG_SETMASK, &before, NULL), 0);
	for (i = 0; i < t_steps.nwatches; i++)
		if (t_steps.watches[i].fd != world->of_child &&
		    t_steps.watches[i].fd != world->taken)
			close(t_steps.watches[i].fd);
	if (own_state(NULL) != SCOREBOARD_DRAINING)
		close(world->taken);
	return status;
}

#define RUN(...) run((step *const []){ __VA_ARGS__, NULL })

static void
with_fds(rlim_t n, void (*test)(void))
{
	struct rlimit before, few;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	few = before;
	few.rlim_cur = n;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	test();
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

static void
do_nothing(void)
{
}

static void
send_sigterm(void)
{
	(void)raise(SIGTERM);
	t_steps_fire();
}

static void
send_sigusr1(void)
{
	(void)raise(SIGUSR1);
	t_steps_fire();
}

static void
send_end(void)
{
	(void)raise(CHILD_SIGNAL_END);
	t_steps_fire();
}

static void
send_accept(void)
{
	(void)raise(CHILD_SIGNAL_ACCEPT);
	t_steps_fire();
}

static void
all_sessions_end(void)
{
	world->host.nsessions = 0;
}

static void
one_session_ends(void)
{
	world->host.nsessions--;
}

static void
one_connects(void)
{
	connect_clients(1);
	t_steps_fire();
}

/* ---- it begins, and serves ---- */

static void
look_at_begin(void)
{
	assert_int_equal(own_state(NULL), SCOREBOARD_SERVING);
	assert_int_equal(t_steps_watch(world->taken)->events, ACCEPTS);
	assert_reports("s");
}

static void
look_at_one_session(void)
{
	unsigned sessions;

	assert_int_equal(world->host.nsessions, 1);
	(void)own_state(&sessions);
	assert_int_equal(sessions, 1);
	/* No other is idle. */
	assert_reports("b");
	/* It has not many more than another. */
	assert_int_equal(t_steps_watch(world->taken)->nended, 0);
}

static void
test_it_reports_and_serves(void **state)
{
	struct world *w = *state;

	assert_int_equal(RUN(look_at_begin, one_connects, look_at_one_session,
	    all_sessions_end, send_sigterm), EX_OK);
	assert_int_equal(w->nexits, 1);
	assert_int_equal(w->ndrained, 1);
}

static void
look_for_no_report(void)
{
	assert_reports("s");
}

static void
look_for_report(void)
{
	assert_reports("sb");
}

/* Neither when another is idle, nor when there may be no more. */
static void
test_another_is_wanted_where_none_is_idle(void **state)
{
	struct world *w = *state;

	set_other(0, SCOREBOARD_STARTING, 0);
	assert_int_equal(RUN(one_connects, look_for_no_report), EX_OSERR);
	w->conf.children.max_children = 2;
	set_other(0, SCOREBOARD_SERVING, POLICY_TOGETHER_MAX);
	w->host.nsessions = 0;
	assert_int_equal(RUN(one_connects, look_for_no_report), EX_OSERR);
	/* Those of another configuration do not count. */
	scoreboard_release_slot(w->host.scoreboard, 0);
	assert_int_equal(scoreboard_take_slot(w->host.scoreboard,
	    GENERATION + 1), 0);
	w->host.nsessions = 0;
	assert_int_equal(RUN(one_connects, look_for_report), EX_OSERR);
}

static void
test_what_cannot_begin(void **state)
{
	struct world *w = *state;

	w->does_confine = 0;
	assert_int_equal(RUN(do_nothing), EX_OSERR);
	w->does_confine = 1;
	w->has_modules = 0;
	assert_int_equal(RUN(do_nothing), EX_CONFIG);
	assert_reports("");
	assert_int_equal(w->nexits, 0);
}

/* ---- to whom a connection goes ---- */

static void
test_who_is_preferred(void **state)
{
	static const struct {
		int slot;
		unsigned generation;
		enum scoreboard_state state;
		size_t sessions, own;
		int does_yield;
	} cases[] = {
		/* Both idle: the first. */
		{ 0, GENERATION, SCOREBOARD_SERVING, 0, 0, 1 },
		{ 2, GENERATION, SCOREBOARD_SERVING, 0, 0, 0 },
		/* The one that is busy, as long as they share commits. */
		{ 0, GENERATION, SCOREBOARD_SERVING, 5, 4, 1 },
		{ 2, GENERATION, SCOREBOARD_SERVING, 5, 4, 1 },
		{ 2, GENERATION, SCOREBOARD_SERVING, 63, 0, 1 },
		{ 2, GENERATION, SCOREBOARD_SERVING, 64, 0, 0 },
		{ 0, GENERATION, SCOREBOARD_SERVING, 4, 4, 0 },
		{ 0, GENERATION, SCOREBOARD_SERVING, 4, 5, 0 },
		/* Only one that accepts, of the same configuration. */
		{ 0, GENERATION, SCOREBOARD_STARTING, 5, 4, 0 },
		{ 0, GENERATION, SCOREBOARD_DRAINING, 5, 4, 0 },
		{ 0, GENERATION + 1, SCOREBOARD_SERVING, 5, 4, 0 },
	};
	struct world *w = *state;
	size_t i;

	for (i = 0; i < N(cases); i++) {
		scoreboard_release_slot(w->host.scoreboard, 0);
		scoreboard_release_slot(w->host.scoreboard, 2);
		assert_int_equal(scoreboard_take_slot(w->host.scoreboard,
		    cases[i].slot == 0 ? cases[i].generation : 99), 0);
		assert_int_equal(scoreboard_take_slot(w->host.scoreboard,
		    cases[i].generation), 2);
		set_other(cases[i].slot, cases[i].state, cases[i].sessions);
		w->host.nsessions = cases[i].own;
		assert_int_equal(RUN(one_connects), EX_OSERR);
		if (cases[i].does_yield != (take_waiting() == 1) ||
		    cases[i].does_yield != (t_steps_watch(w->taken)->events == 0) ||
		    cases[i].does_yield != (t_steps.ntimers == 1))
			fail_msg("case %d", (int)i);
	}
}

/* It is not woken meanwhile. */
static void
look_at_yield(void)
{
	assert_int_equal(world->host.nsessions, 0);
	assert_int_equal(t_steps_watch(world->taken)->events, 0);
	assert_int_equal(t_steps.ntimers, 1);
	t_steps_pass(1);
	assert_int_equal(t_steps_watch(world->taken)->events, 0);
}

static void
end_of_yield(void)
{
	t_steps_pass(1);
}

static void
look_at_what_was_left(void)
{
	assert_int_equal(world->host.nsessions, 1);
	assert_int_equal(t_steps_watch(world->taken)->events, ACCEPTS);
	assert_int_equal(t_steps.ntimers, 0);
}

/* Nobody else took it. */
static void
test_what_another_leaves_is_taken_after_a_while(void **state)
{
	(void)state;
	set_other(0, SCOREBOARD_SERVING, 0);
	assert_int_equal(RUN(one_connects, look_at_yield, end_of_yield,
	    look_at_what_was_left), EX_OSERR);
}

static void
another_takes_it(void)
{
	assert_int_equal(take_waiting(), 1);
}

static void
look_at_nothing_left(void)
{
	assert_int_equal(world->host.nsessions, 0);
	assert_int_equal(t_steps_watch(world->taken)->events, ACCEPTS);
}

static void
test_another_may_take_it_meanwhile(void **state)
{
	(void)state;
	set_other(0, SCOREBOARD_SERVING, 0);
	assert_int_equal(RUN(one_connects, look_at_yield, another_takes_it,
	    end_of_yield, look_at_nothing_left), EX_OSERR);
}

/* What was left to another is not lost when this one has to go. */
static void
test_it_may_leave_while_it_yields(void **state)
{
	struct world *w = *state;

	set_other(0, SCOREBOARD_SERVING, 0);
	assert_int_equal(RUN(one_connects, look_at_yield, send_sigusr1,
	    end_of_yield, all_sessions_end), EX_OK);
	assert_int_equal(w->host.nserved, 1);
	assert_int_equal(t_steps_watch(w->taken)->events, 0);
}

static void
become_full(void)
{
	world->host.nsessions = 32;
}

static void
look_at_no_watch(void)
{
	assert_int_equal(t_steps_watch(world->taken)->events, 0);
}

static void
yield_and_fill(void)
{
	assert_int_equal(RUN(one_connects, look_at_yield, become_full,
	    end_of_yield, look_at_no_watch), EX_OSERR);
}

static void
test_it_may_be_full_after_it_yielded(void **state)
{
	(void)state;
	set_other(0, SCOREBOARD_SERVING, 0);
	with_fds(SOME_FDS, yield_and_fill);
	assert_int_equal(take_waiting(), 1);
}

static void
many_connect(void)
{
	connect_clients(10);
	world->host.nsessions = POLICY_TOGETHER_MAX - 8;
	t_steps_fire();
}

static void
look_at_many(void)
{
	/* The rest waits for the next turn, and for others. */
	assert_int_equal(world->host.nsessions, POLICY_TOGETHER_MAX);
	assert_int_equal(t_steps_watch(world->taken)->nended, 1);
	assert_int_equal(t_steps_watch(world->taken)->events, ACCEPTS);
	/* With the fewest, it stays where it is in the line. */
	set_other(0, SCOREBOARD_SERVING, 1);
	t_steps_fire();
	assert_int_equal(world->host.nsessions, POLICY_TOGETHER_MAX + 2);
	assert_int_equal(t_steps_watch(world->taken)->nended, 2);
	set_other(0, SCOREBOARD_SERVING, 3);
	connect_clients(1);
	world->host.nsessions = POLICY_TOGETHER_MAX + 1;
	scoreboard_set_sessions(world->host.scoreboard, OWN, 64);
	t_steps_fire();
	assert_int_equal(t_steps_watch(world->taken)->nended, 2);
}

static void
test_who_has_many_more_goes_to_the_end_of_the_line(void **state)
{
	(void)state;
	set_other(0, SCOREBOARD_SERVING, 0);
	assert_int_equal(RUN(many_connect, look_at_many), EX_OSERR);
}

/* ---- limits ---- */

static void
three_connect(void)
{
	connect_clients(3);
	t_steps_fire();
}

static void
look_at_full(void)
{
	assert_int_equal(world->host.nsessions, 2);
	assert_int_equal(t_steps_watch(world->taken)->events, 0);
	/* Another looks for what is left. */
	assert_reports("sbl");
}

static void
look_again(void)
{
	assert_int_equal(t_steps_watch(world->taken)->events, ACCEPTS);
	t_steps_fire();
	assert_int_equal(world->host.nsessions, 2);
}

static void
fill(void)
{
	assert_int_equal(RUN(three_connect, look_at_full, one_session_ends,
	    do_nothing, look_again), EX_OSERR);
}

static void
test_a_full_one_leaves_connections_to_others(void **state)
{
	(void)state;
	with_fds(FEW_FDS, fill);
}

static void
look_at_one_place(void)
{
	assert_int_equal(t_steps_watch(world->taken)->events, 0);
	world->host.nsessions = 30;
}

static void
look_at_places(void)
{
	assert_int_equal(t_steps_watch(world->taken)->events, ACCEPTS);
	world->host.nsessions = 31;
}

static void
look_at_fewer_places(void)
{
	assert_int_equal(t_steps_watch(world->taken)->events, ACCEPTS);
}

static void
fill_and_empty(void)
{
	assert_int_equal(RUN(become_full, one_session_ends, look_at_one_place,
	    look_at_places, look_at_fewer_places), EX_OSERR);
}

/* It does not change its mind with each session that ends. */
static void
test_a_full_one_waits_for_several_places(void **state)
{
	(void)state;
	with_fds(SOME_FDS, fill_and_empty);
}

static void
look_at_served(void)
{
	assert_int_equal(world->host.nsessions, 2);
	assert_int_equal(own_state(NULL), SCOREBOARD_DRAINING);
	assert_int_equal(world->host.state, HOST_RETIRING);
	assert_reports("sbl");
	assert_int_equal(fcntl(world->taken, F_GETFD), -1);
}

static void
test_it_retires_when_it_has_served_its_share(void **state)
{
	struct world *w = *state;

	w->conf.children.max_sessions = 2;
	assert_int_equal(RUN(three_connect, look_at_served, all_sessions_end),
	    EX_OK);
	assert_int_equal(take_waiting(), 1);
	assert_int_equal(w->ndrained, 0);
}

/* Without a descriptor, accept(2) would fail again and again. */
static void
connect_without_descriptors(void)
{
	struct rlimit before, none;

	connect_clients(1);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = before;
	none.rlim_cur = (rlim_t)world->clients[world->nclients - 1] + 1;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	t_steps_fire();
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

static void
look_at_exhausted(void)
{
	assert_int_equal(world->host.nsessions, 0);
	assert_int_equal(t_steps_watch(world->taken)->events, 0);
	assert_reports("sl");
	t_steps_pass(99);
}

static void
look_at_still_exhausted(void)
{
	assert_int_equal(t_steps_watch(world->taken)->events, 0);
	t_steps_pass(1);
}

static void
look_at_recovered(void)
{
	assert_int_equal(t_steps_watch(world->taken)->events, ACCEPTS);
	t_steps_fire();
	assert_int_equal(world->host.nsessions, 1);
}

static void
test_without_descriptors_it_tries_again_later(void **state)
{
	(void)state;
	assert_int_equal(RUN(connect_without_descriptors, look_at_exhausted,
	    look_at_still_exhausted, look_at_recovered), EX_OSERR);
}

static void
look_for_connection(void)
{
	assert_int_equal(t_steps.ntimers, 1);
	assert_int_equal(t_steps_watch(world->taken)->events, ACCEPTS);
}

static void
test_a_session_that_ends_leaves_a_descriptor(void **state)
{
	(void)state;
	assert_int_equal(RUN(one_connects, connect_without_descriptors,
	    look_at_no_watch, one_session_ends, do_nothing,
	    look_for_connection), EX_OSERR);
}

/* ---- signals, and its end ---- */

static void
connect_unseen(void)
{
	connect_clients(1);
}

static void
look_at_one_taken(void)
{
	assert_int_equal(world->host.nsessions, 1);
}

static void
test_it_looks_for_connections_when_told(void **state)
{
	(void)state;
	assert_int_equal(RUN(connect_unseen, send_accept, look_at_one_taken),
	    EX_OSERR);
}

static void
look_at_retiring(void)
{
	assert_int_equal(world->host.nsessions, 2);
	assert_int_equal(world->host.state, HOST_RETIRING);
	assert_int_equal(own_state(NULL), SCOREBOARD_DRAINING);
	assert_int_equal(world->ndrained, 0);
	assert_reports("sbl");
	assert_int_equal(fcntl(world->taken, F_GETFD), -1);
}

/* What it was woken for is served; its sessions go on until they end. */
static void
test_it_retires(void **state)
{
	struct world *w = *state;

	assert_int_equal(RUN(one_connects, connect_unseen, send_sigusr1,
	    look_at_retiring, send_sigusr1, one_session_ends,
	    all_sessions_end), EX_OK);
	assert_int_equal(w->ndrained, 0);
	assert_int_equal(w->nexits, 1);
}

static void
look_at_draining(void)
{
	assert_int_equal(world->host.state, HOST_DRAINING);
	assert_int_equal(world->ndrained, 1);
	assert_int_equal(world->host.nsessions, 1);
}

static void
test_it_drains_also_after_it_retired(void **state)
{
	struct world *w = *state;

	assert_int_equal(RUN(one_connects, send_sigusr1, send_sigterm,
	    look_at_draining, send_sigterm, send_sigusr1, look_at_draining,
	    all_sessions_end), EX_OK);
	assert_int_equal(w->nall_ended, 0);
}

static void
generation_ends(void)
{
	io_close(&world->generation);
	t_steps_fire();
	assert_int_equal(t_steps_watch(world->of_child)->events, 0);
}

static void
generation_writes(void)
{
	assert_int_equal(write(world->generation, "x", 1), 1);
	t_steps_fire();
	assert_int_equal(world->host.state, HOST_SERVING);
}

static void
test_it_drains_when_the_generation_is_gone(void **state)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN }, before;

	(void)state;
	assert_int_equal(sigaction(SIGPIPE, &ignore, &before), 0);
	assert_int_equal(RUN(one_connects, generation_writes, generation_ends,
	    look_at_draining, all_sessions_end), EX_OK);
	assert_int_equal(sigaction(SIGPIPE, &before, NULL), 0);
}

static void
test_it_ends_at_once_when_told(void **state)
{
	struct world *w = *state;

	assert_int_equal(RUN(one_connects, send_end), EX_OK);
	assert_int_equal(w->nall_ended, 1);
	assert_int_equal(w->nexits, 1);
}

#define CASE(f)	cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		CASE(test_it_reports_and_serves),
		CASE(test_another_is_wanted_where_none_is_idle),
		CASE(test_what_cannot_begin),
		CASE(test_who_is_preferred),
		CASE(test_what_another_leaves_is_taken_after_a_while),
		CASE(test_another_may_take_it_meanwhile),
		CASE(test_it_may_leave_while_it_yields),
		CASE(test_it_may_be_full_after_it_yielded),
		CASE(test_who_has_many_more_goes_to_the_end_of_the_line),
		CASE(test_a_full_one_leaves_connections_to_others),
		CASE(test_a_full_one_waits_for_several_places),
		CASE(test_it_retires_when_it_has_served_its_share),
		CASE(test_without_descriptors_it_tries_again_later),
		CASE(test_a_session_that_ends_leaves_a_descriptor),
		CASE(test_it_looks_for_connections_when_told),
		CASE(test_it_retires),
		CASE(test_it_drains_also_after_it_retired),
		CASE(test_it_drains_when_the_generation_is_gone),
		CASE(test_it_ends_at_once_when_told),
	};

	return cmocka_run_group_tests_name("smtpd_child", tests, NULL, NULL);
}
