/*
 * watch_test.c - who waits is told once, sees its own mail, and holds up
 * nobody.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "queue/watch.h"
#include "tests/unit/t.h"

#define ROOM	4096		/* of the smallest pipe */

struct world {
	struct watchers	 ws;
	struct message	 m;
	int		 fds[WATCHERS_MAX + 1];	/* ends that are read */
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
			close(w->ws.list[i].fd);
	while (w->n > 0)
		close(w->fds[--w->n]);
	free(w);
	return 0;
}

/* Its flush is run 10. */
static void
add(struct world *w, enum watcher_state kind, const char *id, size_t left,
    uint32_t uid)
{
	struct watcher new;
	int p[2];

	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	fcntl(p[1], F_SETPIPE_SZ, ROOM);
	assert_int_equal(fcntl(p[0], F_SETFL, O_NONBLOCK), 0);
	w->fds[w->n++] = p[0];
	memset(&new, 0, sizeof(new));
	new.state = kind;
	new.fd = p[1];
	text_copy(new.id, sizeof(new.id), id);
	new.run = 10;
	new.left = left;
	new.uid = uid;
	watchers_add(&w->ws, &new);
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

	add(w, WATCHER_WAITING, "", 2, 0);
	add(w, WATCHER_WAITING, "abc", 1, 0);
	watchers_tried(&w->ws, "xyz", 10, 0);	/* it came later */
	watchers_tried(&w->ws, "xyz", 1, 10);	/* it was tried since */
	assert_string_equal(seen(w, 0), "-");
	watchers_tried(&w->ws, "xyz", 1, 2);
	assert_string_equal(seen(w, 0), "-");
	assert_string_equal(seen(w, 1), "-");
	watchers_tried(&w->ws, "abc", 1, 2);
	assert_string_equal(seen(w, 0), "$.");
	assert_string_equal(seen(w, 1), "$.");
	assert_int_equal(w->ws.list[0].state, WATCHER_FREE);
}

static void
test_nothing_to_wait_for(void **state)
{
	struct world *w = *state;
	int i;

	add(w, WATCHER_WAITING, "", 0, 0);
	assert_string_equal(seen(w, 0), "$.");
	close(w->fds[--w->n]);
	for (i = 0; i < WATCHERS_MAX; i++)
		add(w, WATCHER_WAITING, "", 1, 0);
	assert_string_equal(seen(w, 0), "-");
	add(w, WATCHER_WAITING, "", 1, 0);
	assert_string_equal(seen(w, WATCHERS_MAX), "$.");
}

static void
test_sees_its_own(void **state)
{
	static const struct {
		enum watcher_state kind;
		const char	*id;
		uint32_t	 uid;
		int		 sees;
	} cases[] = {
		{ WATCHER_WATCHING, "", 0, 1 },
		{ WATCHER_WATCHING, "", 1000, 1 },
		{ WATCHER_WATCHING, "", 1001, 0 },
		{ WATCHER_WATCHING, "abc", 1000, 1 },
		{ WATCHER_WATCHING, "xyz", 1000, 0 },
		{ WATCHER_WATCHING, "abc", 1001, 0 },
		{ WATCHER_WAITING, "", 0, 0 },
	};
	struct world *w = *state;
	unsigned set = 0;
	size_t i;

	assert_int_equal(watchers_of(&w->ws, &w->m), 0);
	for (i = 0; i < N(cases); i++) {
		add(w, cases[i].kind, cases[i].id, 1, cases[i].uid);
		set |= cases[i].sees ? 1U << i : 0;
	}
	assert_int_equal(watchers_of(&w->ws, &w->m), set);
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

	add(w, WATCHER_WATCHING, "", 1, 0);
	/* Lines of 32 bytes: 128 fill the pipe. */
	for (i = 0; i < 200; i++)
		watchers_show(&w->ws, 1, line);
	watchers_tried(&w->ws, "abc", 1, 2);
	assert_int_equal(w->ws.list[0].state, WATCHER_ENDING);
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

	add(w, WATCHER_WATCHING, "", 1, 0);
	for (i = 0; i < 200; i++)
		watchers_show(&w->ws, 1, "0123456789012345678901234567890");
	seen(w, 0);
	watchers_show(&w->ws, 1, "more");
	assert_string_equal(seen(w, 0),
	    "=== some lines are omitted here\nmore\n");
}

/* A caller that is gone, or reads nothing for a minute. */
static void
test_given_up(void **state)
{
	struct world *w = *state;
	int i;

	add(w, WATCHER_WATCHING, "", 1, 0);
	add(w, WATCHER_WATCHING, "", 1, 0);
	close(w->fds[--w->n]);
	for (i = 0; i < 200; i++)
		watchers_show(&w->ws, 3, "0123456789012345678901234567890");
	watchers_tried(&w->ws, "abc", 1, 2);
	assert_int_equal(w->ws.list[0].state, WATCHER_ENDING);
	assert_int_equal(w->ws.list[1].state, WATCHER_FREE);
	w->ws.list[0].ending_ms -= 3600 * 1000;
	assert_int_equal(watchers_end(&w->ws), 0);
	assert_int_equal(w->ws.list[0].state, WATCHER_FREE);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		CASE(test_told_when_all_was_tried),
		CASE(test_nothing_to_wait_for),
		CASE(test_sees_its_own),
		CASE(test_slow_reader),
		CASE(test_goes_on_after_a_gap),
		CASE(test_given_up),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests_name("watch", tests, NULL, NULL);
}
