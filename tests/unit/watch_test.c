/*
 * watch_test.c - who waits is told once, sees its own mail, and holds up
 * nobody.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "lib/io.h"
#include "queue/watch.h"
#include "tests/unit/t.h"

#define ROOM	4096		/* of the smallest pipe */

struct world {
	struct watchers	 ws;
	struct message	 m;
	int		 fds[2 * WATCHERS_MAX];	/* ends that are read */
	int		 n;
};

static int
setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	message_init(&w->m);
	text_copy(w->m.id, sizeof(w->m.id), "abc");
	w->m.submitter = 1000;
	*state = w;
	return 0;
}

static int
teardown(void **state)
{
	struct world *w = *state;
	int i;

	for (i = 0; i < WATCHERS_MAX; i++)
		if (w->ws.list[i].state != WATCHER_FREE)
			watcher_lost(&w->ws, &w->ws.list[i]);
	while (w->n > 0)
		close(w->fds[--w->n]);
	free(w);
	return 0;
}

/* Waits for so many entries.  0, or -1: there was no place. */
static int
add(struct world *w, int is_watching, const char *id, size_t left,
    uint32_t uid)
{
	unsigned bit;
	struct watcher new;
	int p[2];

	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	fcntl(p[1], F_SETPIPE_SZ, ROOM);
	assert_int_equal(fcntl(p[0], F_SETFL, O_NONBLOCK), 0);
	w->fds[w->n++] = p[0];
	memset(&new, 0, sizeof(new));
	new.state = WATCHER_WAITING;
	new.is_watching = is_watching;
	new.sees_all = uid == 0;
	new.fd = p[1];
	text_copy(new.id, sizeof(new.id), id);
	new.uid = uid;
	bit = watchers_add(&w->ws, &new);
	watchers_wait_for(&w->ws, bit, left);
	watchers_ready(&w->ws, bit);
	return bit == 0 ? -1 : 0;
}

/* An entry that has the bits of these watchers. */
static void
tried(struct world *w, const char *id, unsigned set, const char *failure)
{
	const struct tried t = { .id = id, .failure = failure };

	watchers_tried(&w->ws, set, &t);
}

/* The bit of the watcher whose pipe is number i. */
static unsigned
bit(int i)
{
	return 1U << (WATCHERS_MAX - 1 - i);
}

/* The place of the watcher whose pipe is number i. */
static struct watcher *
place(struct world *w, int i)
{
	return &w->ws.list[WATCHERS_MAX - 1 - i];
}

/* What is in the pipe of watcher i: "-" nothing, "$" the byte, "." the end. */
static const char *
seen(struct world *w, int i)
{
	static char text[ROOM * 2];
	ssize_t n, len = 0;

	while ((n = read(w->fds[i], text + len, sizeof(text) - 3 -
	    (size_t)len)) > 0)
		len += n;
	if (n == -1 && len == 0)
		text[len++] = '-';
	if (len > 0 && text[len - 1] == '\0')
		text[len - 1] = '$';
	if (n == 0)
		text[len++] = '.';
	text[len] = '\0';
	return text;
}

static void
test_told_when_all_was_tried(void **state)
{
	struct world *w = *state;

	add(w, 0, "", 2, 0);
	add(w, 0, "abc", 1, 0);
	tried(w, "xyz", 0, NULL);	/* it came later */
	tried(w, "xyz", bit(7), NULL);	/* nobody has that bit */
	assert_string_equal(seen(w, 0), "-");
	tried(w, "xyz", bit(0), NULL);
	assert_string_equal(seen(w, 0), "-");
	assert_string_equal(seen(w, 1), "-");
	tried(w, "abc", bit(0) | bit(1), NULL);
	assert_string_equal(seen(w, 0), "$.");
	assert_string_equal(seen(w, 1), "$.");
	assert_int_equal(place(w, 0)->state, WATCHER_FREE);
}

/* What has no room is lost, and the next line has it all. */
static void
test_counts_are_shown_to_those_who_ask(void **state)
{
	static const char *const replies[] = { "ok sent", "ok deferred",
	    "ok failed", "late held", NULL };
	struct world *w = *state;
	struct tried t = { .id = "abc" };
	size_t i;

	add(w, 0, "", N(replies), 0);
	add(w, 0, "", N(replies), 0);
	place(w, 0)->is_counting = 1;
	for (i = 0; i < N(replies); i++) {
		t.replies[QUEUE_RETRY] = replies[i];
		watchers_tried(&w->ws, bit(0) | bit(1), &t);
	}
	assert_string_equal(seen(w, 0), "+4 1 0 0\n+3 1 1 0\n+2 1 1 1\n"
	    "+1 1 1 1\n+0 1 1 1\n$.");
	assert_string_equal(seen(w, 1), "$.");
	/* It has the place of the first one. */
	add(w, 0, "", 1000, 0);
	place(w, 0)->is_counting = 1;
	t.replies[QUEUE_RETRY] = "ok sent";
	for (i = 0; i < 999; i++)
		watchers_tried(&w->ws, bit(0), &t);
	assert_true(strlen(seen(w, 2)) <= ROOM);
	watchers_tried(&w->ws, bit(0), &t);
	assert_string_equal(seen(w, 2), "+0 1000 0 0\n$.");
}

static void
test_nothing_to_wait_for(void **state)
{
	struct world *w = *state;

	add(w, 0, "", 0, 0);
	assert_string_equal(seen(w, 0), "$.");
}

static void
test_places(void **state)
{
	struct world *w = *state;
	uint32_t uid;
	int i, n = 0;

	/* One user has a few, all users leave some to root. */
	for (uid = 1000; uid < 1010; uid++)
		for (i = 0; i < WATCHERS_OF_USER + 1; i++)
			n += add(w, 0, "", 1, uid) == 0;
	assert_int_equal(n, WATCHERS_MAX - WATCHERS_OF_ROOT);
	assert_string_equal(seen(w, 0), "-");
	assert_non_null(strstr(seen(w, WATCHERS_OF_USER), "\001too many"));
	for (i = 0; i < WATCHERS_OF_ROOT; i++)
		assert_int_equal(add(w, 0, "", 1, 0), 0);
	assert_int_equal(add(w, 0, "", 1, 0), -1);
	/* A place is free again once no entry has its bit. */
	watcher_lost(&w->ws, &w->ws.list[7]);
	assert_int_equal(add(w, 0, "", 1, 1020), -1);
	assert_int_equal(add(w, 0, "", 1, 0), -1);
	assert_int_equal(watchers_take_stale(&w->ws), 1U << 7);
	assert_int_equal(watchers_take_stale(&w->ws), 0);
	assert_int_equal(add(w, 0, "", 1, 0), 0);
}

/* As root of a user namespace, a user has subordinate uids, and its own. */
static void
test_places_of_subordinate_uids(void **state)
{
	struct world *w = *state;
	uint32_t uid;
	int n = 0;

	for (uid = 100000; uid < 165536; uid += 2048)
		n += add(w, 0, "", 1, uid) == 0;
	assert_int_equal(n, 2 * WATCHERS_OF_RANGE);
	for (n = 0; add(w, 0, "", 1, 1000) == 0; n++)
		;
	assert_int_equal(n, WATCHERS_OF_USER);
	/* Others have theirs all the same. */
	for (n = 0; add(w, 0, "", 1, 1001) == 0; n++)
		;
	assert_int_equal(n, WATCHERS_OF_USER);
}

/* Users wait for their own, root for all. */
static void
test_wants_its_own(void **state)
{
	static const struct {
		const char	*id;	/* of the watcher */
		uint32_t	 uid;
		const char	*of;	/* of the entry */
		uint32_t	 submitter;
		int		 wants;
	} cases[] = {
		{ "", 1000, "a", 1000, 1 }, { "", 1000, "b", 1001, 0 },
		{ "", 1000, "c", UINT32_MAX, 0 }, { "", 0, "b", 1001, 1 },
		{ "", 0, "c", UINT32_MAX, 1 }, { "a", 0, "b", 1001, 0 },
		{ "a", 1000, "a", 1000, 1 }, { "a", 1000, "a", 1001, 0 },
	};
	struct watcher w;
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		memset(&w, 0, sizeof(w));
		text_copy(w.id, sizeof(w.id), cases[i].id);
		w.uid = cases[i].uid;
		w.sees_all = w.uid == 0;
		if (watcher_wants(&w, cases[i].of, cases[i].submitter) !=
		    cases[i].wants)
			fail_msg("case %zu", i);
	}
}

/* The first reason counts; what is on hold is none for a flush of all. */
static void
test_failures(void **state)
{
	static const struct {
		const char	*id, *failures[2];
		int		 is_held;
		const char	*seen;
	} cases[] = {
		{ "", { "EIO", NULL }, 0, "\001b: EIO." },
		{ "", { NULL, "EIO" }, 0, "\001b: EIO." },
		{ "", { "EIO", "ENOSPC" }, 0, "\001b: EIO." },
		{ "", { "held", NULL }, 1, "$." },
		{ "b", { "held", NULL }, 1, "\001b: held." },
	};
	struct world *w = *state;
	struct tried t = { .id = "b" };
	size_t i, k;

	for (i = 0; i < N(cases); i++) {
		add(w, 0, cases[i].id, 2, 0);
		t.is_by_command = cases[i].is_held;
		for (k = 0; k < 2; k++) {
			t.failure = cases[i].failures[k];
			watchers_tried(&w->ws, bit(0), &t);
		}
		if (strcmp(seen(w, (int)i), cases[i].seen) != 0)
			fail_msg("case %zu", i);
	}
}

/* A command of a caller whose reply has lines of so many bytes. */
static struct watcher *
add_command(struct world *w, size_t line_max)
{
	struct watcher_command *c = calloc(1, sizeof(*c));
	struct watcher *p = place(w, w->n);

	assert_non_null(c);
	c->command = QUEUE_DELETE;
	c->line_max = line_max;
	buf_init(&c->ids, 0);
	add(w, 0, "", 2, 0);
	p->command = c;
	return p;
}

static void
test_replies(void **state)
{
	struct world *w = *state;
	struct tried t = { .id = "a",
	    .replies = { [QUEUE_RETRY] = "x", [QUEUE_DELETE] = "ok gone" } };

	watcher_reply(add_command(w, 16), "b", "ok a\nlong text!");
	assert_string_equal(seen(w, 0), "b ok a long\n");
	watchers_tried(&w->ws, bit(0), &t);
	t.replies[QUEUE_DELETE] = NULL;
	t.failure = "EIO";
	watchers_tried(&w->ws, bit(0), &t);
	assert_string_equal(seen(w, 0), "a ok gone\na failed EIO\n$.");
}

/* Of a reply nothing is omitted, however slowly it is read. */
static void
test_reply_waits_for_room(void **state)
{
	struct world *w = *state;
	struct watcher *p = add_command(w, 1000);
	struct tried t = { .id = "a", .replies = { [QUEUE_DELETE] = "ok" } };
	size_t n = 0, i;

	for (i = 0; i < 1000; i++)
		watcher_reply(p, "0123456789", "ok");	/* 14 bytes */
	watchers_tried(&w->ws, bit(0), &t);
	watchers_tried(&w->ws, bit(0), &t);
	assert_int_equal(p->state, WATCHER_ENDING);
	assert_true(watcher_needs_room(p));
	for (i = 0; i < 100 && p->state == WATCHER_ENDING; i++) {
		n += strlen(seen(w, 0));
		watchers_end(&w->ws);
	}
	n += strlen(seen(w, 0));
	assert_int_equal(n, 14000 + 2 * strlen("a ok\n") + strlen("$."));
}

/* One that is never read takes no more memory than that. */
static void
test_reply_is_bounded(void **state)
{
	struct world *w = *state;
	struct watcher *p = add_command(w, 1000);
	size_t i;

	for (i = 0; i < WATCHER_BYTES_MAX; i++)
		watcher_reply(p, "0123456789", "ok");
	assert_true(p->lines.len <= WATCHER_BYTES_MAX);
	assert_string_equal(p->failure, "the reply is too long");
}

/* One who is stopped between the announcement and the commit. */
static void
test_coming(void **state)
{
	struct world *w = *state;
	struct watcher *p = place(w, 0);

	add(w, 0, "", 1, 1000);
	p->state = WATCHER_COMING;
	text_copy(p->id, sizeof(p->id), "abc");
	p->since_ms = io_clock_ms();
	watchers_came(&w->ws, "abc", 1001);
	watchers_came(&w->ws, "abcd", 1000);
	assert_int_equal(watchers_end(&w->ws), 0);
	assert_int_equal(p->state, WATCHER_COMING);
	assert_int_equal(watchers_wait(&w->ws), 1);
	p->since_ms -= 3600 * 1000;
	assert_int_equal(watchers_end(&w->ws), 0);
	assert_int_equal(p->state, WATCHER_FREE);
	assert_string_equal(seen(w, 0), ".");
	(void)watchers_take_stale(&w->ws);
	add(w, 0, "", 1, 1000);
	p->state = WATCHER_COMING;
	text_copy(p->id, sizeof(p->id), "abc");
	watchers_ready(&w->ws, bit(0));
	assert_string_equal(seen(w, 1), "\n");
	assert_int_equal(watchers_came(&w->ws, "abc", 1000), bit(0));
	assert_int_equal(p->state, WATCHER_WAITING);
}

static void
test_sees_its_own(void **state)
{
	static const struct {
		int	is_watching;
		const char	*id;
		uint32_t	 uid;
		int		 sees;
	} cases[] = {
		{ 1, "", 0, 1 },
		{ 1, "", 1000, 1 },
		{ 1, "", 1001, 0 },
		{ 1, "abc", 1000, 1 },
		{ 1, "xyz", 1000, 0 },
		{ 1, "abc", 1001, 0 },
		{ 0, "", 0, 0 },
	};
	struct world *w = *state;
	unsigned set = 0;
	size_t i;

	assert_int_equal(watchers_of(&w->ws, &w->m, 0), 0);
	for (i = 0; i < N(cases); i++) {
		add(w, cases[i].is_watching, cases[i].id, 1, cases[i].uid);
		set |= cases[i].sees ? 1U << (WATCHERS_MAX - 1 - i) : 0;
	}
	assert_int_equal(watchers_of(&w->ws, &w->m, 0), set);
	watchers_show(&w->ws, set, "a\033line");
	for (i = 0; i < N(cases); i++)
		assert_string_equal(seen(w, (int)i), cases[i].sees ?
		    "a\\033line\n" : "-");
}

/* Lines without room are left out, where it is marked; the end comes all the
 * same, once there is room for it. */
static void
test_slow_reader(void **state)
{
	static const char line[] = "0123456789012345678901234567890";
	struct world *w = *state;
	const char *text;
	int i;

	add(w, 1, "", 1, 0);
	/* Lines of 32 bytes: 128 fill the pipe. */
	for (i = 0; i < 200; i++)
		watchers_show(&w->ws, 1U << (WATCHERS_MAX - 1), line);
	tried(w, "abc", bit(0) | bit(1), NULL);
	assert_int_equal(place(w, 0)->state, WATCHER_ENDING);
	assert_int_equal(watchers_end(&w->ws), 1);
	text = seen(w, 0);
	assert_int_equal(strlen(text), ROOM);
	assert_null(strstr(text, "omitted"));
	assert_int_equal(watchers_end(&w->ws), 0);
	assert_string_equal(seen(w, 0), "=== some lines are omitted here\n$.");
}

static void
test_goes_on_after_a_gap(void **state)
{
	struct world *w = *state;
	int i;

	add(w, 1, "", 1, 0);
	for (i = 0; i < 200; i++)
		watchers_show(&w->ws, 1U << (WATCHERS_MAX - 1), "0123456789012345678901234567890");
	seen(w, 0);
	watchers_show(&w->ws, 1U << (WATCHERS_MAX - 1), "more");
	assert_string_equal(seen(w, 0),
	    "=== some lines are omitted here\nmore\n");
}

/* A caller that is gone, or reads nothing for a minute. */
static void
test_given_up(void **state)
{
	struct world *w = *state;
	int i;

	add(w, 1, "", 1, 0);
	add(w, 1, "", 1, 0);
	close(w->fds[--w->n]);
	for (i = 0; i < 200; i++)
		watchers_show(&w->ws, 3U << (WATCHERS_MAX - 2), "0123456789012345678901234567890");
	tried(w, "abc", bit(0) | bit(1), NULL);
	assert_int_equal(place(w, 0)->state, WATCHER_ENDING);
	assert_int_equal(place(w, 1)->state, WATCHER_FREE);
	place(w, 0)->since_ms -= 3600 * 1000;
	assert_int_equal(watchers_end(&w->ws), 0);
	assert_int_equal(place(w, 0)->state, WATCHER_FREE);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		CASE(test_told_when_all_was_tried),
		CASE(test_counts_are_shown_to_those_who_ask),
		CASE(test_nothing_to_wait_for),
		CASE(test_places),
		CASE(test_places_of_subordinate_uids),
		CASE(test_wants_its_own),
		CASE(test_failures),
		CASE(test_replies),
		CASE(test_reply_waits_for_room),
		CASE(test_reply_is_bounded),
		CASE(test_coming),
		CASE(test_sees_its_own),
		CASE(test_slow_reader),
		CASE(test_goes_on_after_a_gap),
		CASE(test_given_up),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests_name("watch", tests, NULL, NULL);
}
