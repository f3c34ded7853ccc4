/*
 * commands_test.c - who may command what, what a request looks like, and what
 * each command makes of a message that waits.
 */
#include <sys/resource.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "queue/commands.h"
#include "queue/status.h"
#include "spool/preamble.h"
#include "tests/unit/t_active.h"

#define MEMBER		4242		/* of GROUP */

struct world {
	struct t_active	 t;
	struct destinations ds;
	struct self	 self;
};

/* Syncs of a directory or a whole file; whether they fail. */
static struct { int n, is_bad; } syncs;

int
fsync(int fd)
{
	(void)fd;
	syncs.n++;
	if (!syncs.is_bad)
		return 0;
	errno = EIO;
	return -1;
}

/* What the clock shows, and how much more each time. */
static struct { int64_t ms, step_ms; } ticks;

int
clock_gettime(clockid_t id, struct timespec *ts)
{
	(void)id;
	ticks.ms += ticks.step_ms;
	ts->tv_sec = (time_t)(ticks.ms / 1000);
	ts->tv_nsec = (long)(ticks.ms % 1000) * 1000000;
	return 0;
}

static int
setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	syncs.is_bad = 0;
	ticks.ms = 1000;
	ticks.step_ms = 0;
	t_active_init(&w->t, "");
	w->self.active = &w->t.active;
	w->self.destinations = &w->ds;
	*state = w;
	return 0;
}

static int
teardown(void **state)
{
	struct world *w = *state;

	t_active_fini(&w->t);
	free(w);
	return 0;
}

static void
test_right(void **state)
{
	static const struct {
		enum queue_command command;
		uint32_t	 uid;
		int		 sees_all;
		uint32_t	 submitter;
		enum command_right right;
	} cases[] = {
		{ QUEUE_DELETE, 0, 1, 1000, COMMAND_ALLOWED },
		{ QUEUE_DELETE, 0, 1, UINT32_MAX, COMMAND_ALLOWED },
		{ QUEUE_DELETE, 1000, 0, 1000, COMMAND_ALLOWED },
		{ QUEUE_DELETE, 1000, 0, 1001, COMMAND_UNKNOWN },
		{ QUEUE_DELETE, 1000, 0, 0, COMMAND_UNKNOWN },
		{ QUEUE_DELETE, 1000, 0, UINT32_MAX, COMMAND_UNKNOWN },
		{ QUEUE_HOLD, 1000, 1, 1001, COMMAND_DENIED },
		{ QUEUE_RELEASE, 1000, 1, 1001, COMMAND_DENIED },
		{ QUEUE_BOUNCE, 1000, 1, 1001, COMMAND_DENIED },
		{ QUEUE_BOUNCE, 1000, 1, 1000, COMMAND_ALLOWED },
		{ QUEUE_RETRY, 1000, 0, 1001, COMMAND_UNKNOWN },
		{ QUEUE_RETRY, 1000, 1, 1001, COMMAND_ALLOWED },
	};
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++)
		if (command_right(cases[i].command, cases[i].uid,
		    cases[i].sees_all, cases[i].submitter) != cases[i].right)
			fail_msg("case %zu", i);
}

/* So many ids of that length. */
static int
is_accepted(uint32_t command, size_t n, size_t len)
{
	struct watcher_command *c;
	struct buf b;
	size_t i, k;

	buf_init(&b, 0);
	for (i = 0; i < n; i++) {
		for (k = 0; k < len; k++)
			buf_putc(&b, 'a');
		buf_putc(&b, '\n');
	}
	c = command_new(command, buf_str(&b), b.len);
	buf_fini(&b);
	watcher_command_free(c);
	return c != NULL;
}

static void
test_request(void **state)
{
	static const struct { const char *ids; size_t len; int is_good; }
	cases[] = {
		{ T("a\n"), 1 }, { T("a\nb\n"), 1 }, { T("a"), 0 },
		{ T("a\nb"), 0 }, { T("\n"), 0 }, { T("a\n\n"), 0 },
		{ T(""), 0 }, { T("../a\n"), 0 }, { T("a b\n"), 0 },
		{ T("A\n"), 0 }, { T("a\0b\n"), 0 }, { T("a\t\n"), 0 },
	};
	struct watcher_command *c;
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		c = command_new(QUEUE_HOLD, cases[i].ids, cases[i].len);
		if ((c != NULL) != cases[i].is_good)
			fail_msg("case %zu", i);
		watcher_command_free(c);
	}
	assert_true(is_accepted(QUEUE_HOLD, QUEUE_IDS_MAX, QUEUE_ID_MAX));
	assert_false(is_accepted(QUEUE_HOLD, QUEUE_IDS_MAX + 1, 1));
	assert_false(is_accepted(QUEUE_HOLD, 1, QUEUE_ID_MAX + 1));
	assert_false(is_accepted(QUEUE__MAX, 1, 1));
	assert_true(is_accepted(QUEUE_STATUS, 0, 0));
	assert_false(is_accepted(QUEUE_STATUS, 1, 1));
}

/* Gives the end of the pipe that replies are read from. */
static int
ask(struct world *w, enum queue_command what, const char *ids, uint32_t uid)
{
	struct watcher new;
	int fds[2];

	memset(&new, 0, sizeof(new));
	assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
	new.state = WATCHER_WAITING;
	new.fd = fds[1];
	new.uid = uid;
	new.sees_all = uid == 0 || uid == MEMBER;
	new.command = command_new(what, ids, strlen(ids));
	assert_non_null(new.command);
	assert_int_not_equal(active_watch(&w->t.active, &new), 0);
	return fds[0];
}

/* The reply so far: "$" is the byte that ends it. */
static const char *
replies(int fd)
{
	static char text[8192];
	ssize_t n = read(fd, text, sizeof(text) - 1);

	if (n <= 0)
		return "";
	if (text[n - 1] == '\0')
		text[n - 1] = '$';
	text[n] = '\0';
	return text;
}

static const char *
command(struct world *w, enum queue_command what, const char *ids,
    uint32_t uid)
{
	int fd = ask(w, what, ids, uid);
	const char *text;

	while (commands_obey(&w->t.active, &w->self))
		;
	text = replies(fd);
	close(fd);
	return text;
}

static struct entry *
entry(struct world *w)
{
	assert_int_equal(w->t.active.n, 1);
	return w->t.active.entries[0];
}

static int
is_held_on_disk(struct world *w)
{
	struct message m;
	struct result res;
	int ret;

	result_init(&res);
	assert_int_equal(spool_load(&w->t.q.spool, "a", 0, &m, &res),
	    SPOOL_GOT);
	ret = m.is_held;
	message_fini(&m);
	result_fini(&res);
	return ret;
}

static void
test_hold_and_release(void **state)
{
	struct world *w = *state;

	t_active_commit(&w->t, "a", "bob", NULL);
	assert_string_equal(command(w, QUEUE_RELEASE, "a\n", 0),
	    "a ok was not on hold\n$");
	assert_string_equal(command(w, QUEUE_HOLD, "a\nb\n", 0),
	    "a ok on hold\nb unknown\n$");
	assert_true(is_held_on_disk(w));
	assert_int_equal(entry(w)->state, ENTRY_HELD);
	assert_true(active_is_done(&w->t.active));
	assert_null(t_active_load(&w->t, "a"));
	assert_string_equal(command(w, QUEUE_HOLD, "a\n", 0),
	    "a ok was on hold before\n$");
	assert_string_equal(command(w, QUEUE_RETRY, "a\n", 0),
	    "a late held: release it first\n$");
	assert_string_equal(command(w, QUEUE_RELEASE, "a\n", 0),
	    "a ok released\n$");
	assert_false(is_held_on_disk(w));
	assert_true(entry(w)->is_forced);
	assert_non_null(t_active_load(&w->t, "a"));
}

/* The disk is full: as before, and the caller is told. */
static void
test_hold_that_cannot_be_written(void **state)
{
	static const struct rlimit none = { 0, RLIM_INFINITY };
	struct world *w = *state;
	struct active_message *am;
	const char *text;
	struct rlimit all;
	int is_loaded;

	t_active_commit(&w->t, "a", "bob", NULL);
	(void)signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &all), 0);
	for (is_loaded = 0; is_loaded <= 1; is_loaded++) {
		am = is_loaded ? t_active_load(&w->t, "a") : NULL;
		assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
		text = command(w, QUEUE_HOLD, "a\n", 0);
		assert_int_equal(setrlimit(RLIMIT_FSIZE, &all), 0);
		assert_string_equal(text, "a failed spool: journal: File too "
		    "large\n$");
		assert_false(is_held_on_disk(w));
		assert_int_not_equal(entry(w)->state, ENTRY_HELD);
		assert_true(am == NULL || !am->m.is_held);
	}
}

static void
test_hold_of_what_has_left(void **state)
{
	struct world *w = *state;

	t_active_commit(&w->t, "a", "bob", NULL);
	command(w, QUEUE_RELEASE, "a\n", 0);
	assert_int_equal(unlinkat(w->t.q.spool.queue, "a", 0), 0);
	assert_string_equal(command(w, QUEUE_HOLD, "a\n", 0),
	    "a failed it has left the queue\n$");
}

/* A member of GROUP lists all mail, and commands their own. */
static void
test_who_sees_all_commands_their_own(void **state)
{
	struct world *w = *state;

	t_active_commit(&w->t, "a", "bob", NULL);
	assert_string_equal(command(w, QUEUE_DELETE, "a\n", MEMBER), "a denied "
	    "only root and the user who submitted it may do that\n$");
	assert_true(spool_has(&w->t.q.spool, "a"));
}

/* A runner finds out when it loads it. */
static void
test_held_since_another_runner(void **state)
{
	struct world *w = *state;

	t_active_commit(&w->t, "a", "bob", NULL);
	command(w, QUEUE_HOLD, "a\n", 0);
	active_fini(&w->t.active);
	active_init(&w->t.active, &w->t.q, &w->t.watchers);
	assert_null(t_active_load(&w->t, "a"));
	assert_int_equal(entry(w)->state, ENTRY_HELD);
}

/* Its stage, and what the message is to become. */
static void
test_hold_under_way(void **state)
{
	struct world *w = *state;
	struct active_message *am;

	t_active_commit(&w->t, "a", "bob", "ann@far.test", NULL);
	am = t_active_load(&w->t, "a");
	t_active_stage(am, 1, STAGE_BUSY);
	assert_string_equal(command(w, QUEUE_HOLD, "a\n", 0),
	    "a ok on hold; deliveries in progress are completed\n$");
	assert_true(is_held_on_disk(w));
	decide_stop(am);
	assert_int_equal(am->attempts[0].stage, STAGE_NONE);
	assert_int_equal(am->attempts[1].stage, STAGE_BUSY);
	assert_int_equal(am->open, 1);
	decide_later(am, 1, "busy");
	status_record(&w->t.active);
	assert_int_equal(status_finish(&w->t.active, am), 0);
	active_end(&w->t.active, am);
	assert_int_equal(entry(w)->state, ENTRY_HELD);
	assert_true(active_is_done(&w->t.active));
}

static void
test_delete(void **state)
{
	struct world *w = *state;
	struct active_message *am;

	t_active_commit(&w->t, "a", "bob", NULL);
	command(w, QUEUE_HOLD, "a\n", 0);
	/* Loaded, on hold or not; the reply comes when it is gone. */
	assert_string_equal(command(w, QUEUE_DELETE, "a\n", 0), "");
	am = entry(w)->message;
	assert_non_null(am);
	assert_int_equal(am->removal, REMOVAL_DELETE);
	assert_string_equal(command(w, QUEUE_BOUNCE, "a\n", 0),
	    "a failed it is being removed from the queue\n$");
	assert_string_equal(command(w, QUEUE_HOLD, "a\n", 0),
	    "a failed it is being removed from the queue\n$");
	decide_stop(am);
	status_delete(&w->t.active);
	assert_false(spool_has(&w->t.q.spool, "a"));
	active_end(&w->t.active, am);
	assert_int_equal(entry(w)->state, ENTRY_GONE);
}

/* What a turn of the runner makes of messages that are to be deleted. */
static void
end_deleted(struct world *w)
{
	struct active_message *am, *next;

	for (am = w->t.active.messages; am != NULL; am = am->next)
		decide_stop(am);
	status_delete(&w->t.active);
	for (am = w->t.active.messages; am != NULL; am = next) {
		next = am->next;
		if (am->entry->state == ENTRY_GONE ||
		    status_finish(&w->t.active, am) == 0)
			active_end(&w->t.active, am);
	}
}

/* One sync for all; without it, nobody hears that a message is deleted. */
static void
test_deletions_share_a_sync(void **state)
{
	static const struct { int is_bad; const char *replies; } cases[] = {
		{ 0, "a ok deleted\nb ok deleted\nc ok deleted\n$" },
#define LATE	"failed it is removed, but a crash of this host may bring " \
		"it back: Input/output error\n"
		{ 1, "a " LATE "b " LATE "c " LATE "$" },
	};
	struct world *w = *state;
	size_t i;
	int fd;

	for (i = 0; i < N(cases); i++) {
		t_active_commit(&w->t, "a", "bob", NULL);
		t_active_commit(&w->t, "b", "bob", NULL);
		t_active_commit(&w->t, "c", "bob", NULL);
		fd = ask(w, QUEUE_DELETE, "a\nb\nc\n", 0);
		assert_false(commands_obey(&w->t.active, &w->self));
		syncs.n = 0;
		syncs.is_bad = cases[i].is_bad;
		assert_string_equal(replies(fd), "");
		end_deleted(w);
		assert_string_equal(replies(fd), cases[i].replies);
		assert_int_equal(syncs.n, 1);
		assert_int_equal(t_count(w->t.top, "queue"), 0);
		close(fd);
		syncs.is_bad = 0;
		active_sweep(&w->t.active);
		assert_int_equal(w->t.active.n, 0);
	}
}

/* One that stays does not keep the others. */
static void
test_one_cannot_be_removed(void **state)
{
	struct world *w = *state;
	int fd;

	t_active_commit(&w->t, "a", "bob", NULL);
	t_active_commit(&w->t, "b", "bob", NULL);
	fd = ask(w, QUEUE_DELETE, "a\nb\n", 0);
	assert_false(commands_obey(&w->t.active, &w->self));
	assert_int_equal(unlinkat(w->t.q.spool.queue, "a", 0), 0);
	assert_int_equal(mkdirat(w->t.q.spool.queue, "a", 0700), 0);
	end_deleted(w);
	assert_string_equal(replies(fd), "a failed cannot be removed: "
	    "Is a directory\nb ok deleted\n$");
	assert_int_equal(active_find(&w->t.active, "a")->state,
	    ENTRY_WAITING);
	assert_int_equal(unlinkat(w->t.q.spool.queue, "a", AT_REMOVEDIR), 0);
	close(fd);
}

/* A text that has changed is not sent back; it may be thrown away. */
static void
test_text_is_read_only_to_bounce(void **state)
{
	struct world *w = *state;
	int fd;

	fd = openat(w->t.q.spool.dir, "version-2", O_CREAT | O_WRONLY, 0600);
	assert_int_not_equal(fd, -1);
	close(fd);
	t_active_commit(&w->t, "a", "bob", NULL);
	fd = openat(w->t.q.spool.queue, "a", O_WRONLY);
	assert_int_equal(pwrite(fd, "?", 1, PREAMBLE_SIZE), 1);
	close(fd);
	assert_memory_equal(command(w, QUEUE_BOUNCE, "a\n", 0), "a failed ",
	    9);
	assert_null(entry(w)->message);
	command(w, QUEUE_DELETE, "a\n", 0);
	assert_non_null(entry(w)->message);
}

/* How many messages of each caller are obeyed in a turn. */
static void
test_turn_is_bounded(void **state)
{
	static const struct {
		enum queue_command command;
		int	 callers, step_ms, obeyed;
	} cases[] = {
		{ QUEUE_RETRY, 1, 0, 64 },	{ QUEUE_DELETE, 4, 0, 64 },
		{ QUEUE_DELETE, 8, 0, 32 },	{ QUEUE_BOUNCE, 1, 0, 8 },
		{ QUEUE_HOLD, 1, 10, 5 },	{ QUEUE_HOLD, 2, 1000, 1 },
	};
	struct world *w = *state;
	int fds[WATCHERS_MAX], k;
	struct buf ids;
	size_t i;

	buf_init(&ids, 0);
	for (i = 0; i < 100; i++)
		buf_puts(&ids, "x\n");
	for (i = 0; i < N(cases); i++) {
		ticks.step_ms = cases[i].step_ms;
		for (k = 0; k < cases[i].callers; k++)
			fds[k] = ask(w, cases[i].command, buf_str(&ids), 0);
		assert_true(commands_obey(&w->t.active, &w->self));
		for (k = 0; k < cases[i].callers; k++)
			if (strlen(replies(fds[k])) != strlen("x unknown\n") *
			    (size_t)cases[i].obeyed)
				fail_msg("case %zu, caller %d", i, k);
		for (k = 0; k < cases[i].callers; k++)
			close(fds[k]);
		for (k = 0; k < WATCHERS_MAX; k++)
			if (w->t.watchers.list[k].state != WATCHER_FREE)
				watcher_lost(&w->t.watchers,
				    &w->t.watchers.list[k]);
	}
	buf_fini(&ids);
}

/* Also those that are not due, or were deferred in this attempt. */
static void
test_bounce(void **state)
{
	struct world *w = *state;
	struct active_message *am;
	uint32_t i;

	t_active_commit(&w->t, "a", "bob", "carl", "dora", NULL);
	am = t_active_load(&w->t, "a");
	decide_not_now(am, 0);
	t_active_stage(am, 1, STAGE_BUSY);
	assert_string_equal(command(w, QUEUE_BOUNCE, "a\n", 0), "");
	decide_stop(am);
	decide_returned(am);
	assert_int_equal(am->open, 1);
	decide_later(am, 1, "busy");
	decide_returned(am);
	status_record(&w->t.active);
	assert_true(decide_has_open(am));
	decide_returned(am);
	status_record(&w->t.active);
	assert_false(decide_has_open(am));
	assert_int_equal(am->open, 0);
	for (i = 0; i < 3; i++) {
		assert_int_equal(am->m.rcpts[i].state, RCPT_FAILED);
		assert_string_equal(am->m.rcpts[i].last.code, "5.0.0");
	}
	assert_int_equal(status_finish(&w->t.active, am), 0);
	assert_false(spool_has(&w->t.q.spool, "a"));
	/* The report. */
	assert_int_equal(t_count(w->t.top, "queue"), 1);
	active_end(&w->t.active, am);
}

static void
test_others_do_not_exist(void **state)
{
	static const enum queue_command all[] = { QUEUE_RETRY, QUEUE_HOLD,
	    QUEUE_RELEASE, QUEUE_DELETE, QUEUE_BOUNCE };
	struct world *w = *state;
	size_t i;

	t_active_commit(&w->t, "a", "bob", NULL);
	for (i = 0; i < N(all); i++)
		assert_string_equal(command(w, all[i], "a\nb\n", 1000),
		    "a unknown\nb unknown\n$");
	assert_false(is_held_on_disk(w));
	assert_false(entry(w)->is_forced);
}

static void
test_status(void **state)
{
	struct world *w = *state;
	const char *text;

	t_active_commit(&w->t, "a", "bob", NULL);
	command(w, QUEUE_HOLD, "a\n", 0);
	text = command(w, QUEUE_STATUS, "", 0);
	assert_memory_equal(text, "runner\t", 7);
	assert_non_null(strstr(text, "\nmessages\theld\t1\n"));
	assert_non_null(strstr(text, "\noldest\ta\n"));
	text = command(w, QUEUE_STATUS, "", 1000);
	assert_memory_equal(text, "runner\t", 7);
	assert_string_equal(strchr(text, '\n'), "\n$");
}

/* However many destinations there are, and however long their names. */
static void
test_status_is_bounded(void **state)
{
	struct world *w = *state;
	struct destination *d;
	struct buf b;
	int i;

	for (i = 0; i < 2000; i++) {
		d = calloc(1, sizeof(*d));
		assert_non_null(d);
		d->sock = -1;
		memset(d->name, 'x', 250);
		memset(d->reason, '\t', 250);
		d->next = w->ds.list;
		w->ds.list = d;
	}
	buf_init(&b, 0);
	self_report_put(&b, &w->self, 1);
	assert_true(b.len <= SELF_REPORT_MAX);
	assert_non_null(strstr(buf_str(&b), "\nomitted\t"));
	buf_fini(&b);
	while ((d = w->ds.list) != NULL) {
		w->ds.list = d->next;
		free(d);
	}
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_right),
		cmocka_unit_test(test_request),
		CASE(test_hold_and_release),
		CASE(test_hold_that_cannot_be_written),
		CASE(test_hold_of_what_has_left),
		CASE(test_who_sees_all_commands_their_own),
		CASE(test_held_since_another_runner),
		CASE(test_hold_under_way),
		CASE(test_delete),
		CASE(test_deletions_share_a_sync),
		CASE(test_one_cannot_be_removed),
		CASE(test_text_is_read_only_to_bounce),
		CASE(test_turn_is_bounded),
		CASE(test_bounce),
		CASE(test_others_do_not_exist),
		CASE(test_status),
		CASE(test_status_is_bounded),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests_name("commands", tests, NULL, NULL);
}
