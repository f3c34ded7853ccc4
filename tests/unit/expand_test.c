/*
 * expand_test.c - what a recipient becomes: by its address, by the aliases,
 * and by the answer of a lookup.
 */
#include "aliases.h"
#include "priv/records.h"
#include "queue/expand.h"
#include "tests/unit/t_active.h"

struct world {
	struct t_active	 t;
	struct lookups	 ls;
	struct active_message *a;
	unsigned	 messages;
	struct buf	 out;
};

static void
setup(struct world *w, const char *conf, const char *aliases)
{
	memset(w, 0, sizeof(*w));
	t_active_init(&w->t, conf);
	if (aliases != NULL) {
		assert_true(aliases_parse(&w->t.q.aliases, aliases,
		    strlen(aliases), "aliases", &report_quiet) >= 0);
		w->t.q.has_aliases = 1;
	}
	lookups_init(&w->ls, &w->t.active, -1);
	buf_init(&w->out, 0);
}

static void
teardown(struct world *w)
{
	int i;

	for (i = 0; i < LOOKUPS_MAX; i++)
		free(w->ls.list[i].pending);
	buf_fini(&w->out);
	aliases_fini(&w->t.q.aliases);
	t_active_fini(&w->t);
}

static void
message(struct world *w, const char *recipient)
{
	char id[8];

	snprintf(id, sizeof(id), "m%u", w->messages++);
	t_active_commit(&w->t, id, recipient, NULL);
	w->a = t_active_load(&w->t, id);
	assert_non_null(w->a);
}

/* All recipients: "bob:lookup", "bob:failed 5.1.1", "bob>carl:remote". */
static const char *
state_of(struct world *w)
{
	static const char *const stages[] = { "none", "route", "lookup",
	    "local", "remote", "busy", "until_flush", "decided", "done" };
	const struct recipient *r;
	uint32_t i;

	buf_reset(&w->out);
	for (i = 0; i < w->a->m.nrcpts; i++) {
		r = &w->a->m.rcpts[i];
		buf_printf(&w->out, "%s%s:%s", i > 0 ? " " : "", r->address,
		    r->state == RCPT_EXPANDED ? "expanded" :
		    stages[w->a->attempts[i].stage]);
		if (w->a->attempts[i].stage == STAGE_DECIDED)
			buf_printf(&w->out, "(%s %s)",
			    status_name(r->last.status), r->last.code);
	}
	return buf_str(&w->out);
}

/* Until nothing is to be routed any more. */
static void
route_all(struct world *w)
{
	uint32_t i;

	for (i = 0; i < w->a->nattempts; i++)
		if (w->a->attempts[i].stage == STAGE_ROUTE)
			expand_route(&w->ls, w->a, i);
}

static void
test_route(void **state)
{
	static const struct {
		const char	*conf, *aliases, *recipient, *out;
	} cases[] = {
		{ "", "", "x@other.example", "x@other.example:remote" },
		{ "", "", "bob", "bob:lookup" },
		{ "", "", "bob@host.example.org",
		    "bob@host.example.org:lookup" },
		{ "", "", "\"a/b\"", "\"a/b\":lookup" },
		{ "", "", "12345", "12345:lookup" },
		{ "", "team: x@other.example, y", "team",
		    "team:expanded x@other.example:remote y:lookup" },
		{ "", "a: b\nb: c@x.example\n", "a",
		    "a:expanded b:expanded c@x.example:remote" },
		{ "", "prog: |true\nfile: /f\n", "prog",
		    "prog:expanded true:local" },
		{ "", "prog: |true\nfile: /f\n", "file",
		    "file:expanded /f:local" },
		{ "", "bad: \"\n", "bad", "bad:decided(deferred 4.3.5)" },
		{ "", "l: :include:/list\n", "l", "l:lookup" },
		{ "", NULL, "bob", "bob:decided(deferred 4.3.5)" },
		{ "", NULL, "x@other.example", "x@other.example:remote" },
		{ "DEFER\n", "", "x@other.example",
		    "x@other.example:until_flush" },
		{ "DEFER\n", "", "bob", "bob:lookup" },
		{ "NOREMOTE\n", "", "x@other.example",
		    "x@other.example:decided(failed 5.4.4)" },
		{ "NULLCLIENT\nSMARTHOST s.example\n", "", "bob",
		    "bob:remote" },
	};
	struct world w;
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		setup(&w, cases[i].conf, cases[i].aliases);
		message(&w, cases[i].recipient);
		route_all(&w);
		assert_string_equal(state_of(&w), cases[i].out);
		teardown(&w);
	}
}

static void
test_forced_is_not_held(void **state)
{
	struct world w;

	(void)state;
	setup(&w, "DEFER\n", "");
	message(&w, "x@other.example");
	w.a->is_forced = 1;
	route_all(&w);
	assert_string_equal(state_of(&w), "x@other.example:remote");
	teardown(&w);
}

static void
test_loop_of_hosts(void **state)
{
	struct world w;

	(void)state;
	setup(&w, "", "");
	message(&w, "bob");
	w.a->m.text.hops = RECEIVED_MAX + 1;
	route_all(&w);
	assert_string_equal(state_of(&w), "bob:decided(failed 5.4.6)");
	teardown(&w);
}

/* A command whose list was changed: whoever has it is asked again. */
static void
test_changed_list(void **state)
{
	struct recipient *r;
	struct world w;

	(void)state;
	setup(&w, "", "prog: |true\n");
	message(&w, "prog");
	route_all(&w);
	r = &w.a->m.rcpts[1];
	result_set(&r->last, STATUS_DEFERRED, CODE_CHANGED, "changed");
	t_active_stage(w.a, 1, STAGE_ROUTE);
	route_all(&w);
	assert_string_equal(state_of(&w),
	    "prog:expanded true:expanded prog:expanded true:local");
	teardown(&w);
}

/* With no room in the user's share the message goes back to the queue. */
static void
test_share_is_used_up(void **state)
{
	struct world w;

	(void)state;
	setup(&w, "", "");
	message(&w, "bob");
	t_active_share(&w.t, SHARE_USER, "bob")->active = ACTIVE_MAX;
	route_all(&w);
	assert_string_equal(state_of(&w), "bob:none");
	assert_non_null(w.a->entry->share);
	teardown(&w);
}

/* ---- answers ---- */

/* The answer for recipient i, which is pending. */
static void
answer(struct world *w, uint32_t i, uint32_t verdict, const char *text)
{
	struct lookup_answer answer = { verdict, text, strlen(text), NULL };
	struct pending p = { w->a, i };
	struct lookup *l = NULL;
	struct ipc none;
	size_t k;

	ipc_init(&none);
	answer.rest = &none;
	for (k = 0; k < LOOKUPS_MAX; k++)
		if (w->ls.list[k].n > 0 && w->ls.list[k].pending[0].i == i)
			l = &w->ls.list[k];
	assert_non_null(l);
	l->state = LOOKUP_SENT;
	l->n = 0;
	expand_answered(&w->ls, l, &p, &answer);
	l->state = LOOKUP_IDLE;
	route_all(w);
}

static void
test_answer_of_a_user(void **state)
{
	static const struct {
		const char	*aliases;
		uint32_t	 verdict;
		const char	*text, *out;
	} cases[] = {
		{ "", FORWARD_NONE, "", "bob:local" },
		{ "", FORWARD_TEXT, "", "bob:local" },
		{ "", FORWARD_TEXT, "# nothing\n", "bob:local" },
		{ "", FORWARD_TEXT, "x@other.example\nbob\n",
		    "bob:expanded x@other.example:remote bob:local" },
		{ "", FORWARD_TEXT, "\\bob, carl",
		    "bob:expanded bob:local carl:lookup" },
		{ "", FORWARD_TEXT, "\"x\n", "bob:local" },
		{ "", FORWARD_TEXT, ":include:/list\n",
		    "bob:decided(deferred 4.3.0)" },
		{ "", FORWARD_REFUSED, "others can write it", "bob:local" },
		{ "", FORWARD_NOUSER, "", "bob:decided(failed 5.1.1)" },
		{ "*: x@other.example", FORWARD_NOUSER, "",
		    "bob:expanded x@other.example:remote" },
		{ "", FORWARD_LATER, "home is away",
		    "bob:decided(deferred 4.3.0)" },
		{ "", 77, "?", "bob:decided(deferred 4.3.0)" },
	};
	struct world w;
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		setup(&w, "", cases[i].aliases);
		message(&w, "bob");
		route_all(&w);
		answer(&w, 0, cases[i].verdict, cases[i].text);
		assert_string_equal(state_of(&w), cases[i].out);
		teardown(&w);
	}
}

/* Root's commands are not run: its mail goes to the mailbox. */
static void
test_commands(void **state)
{
	static const struct {
		const char	*user, *text, *out;
	} cases[] = {
		{ "root", "|true", "root:local" },
		{ "root", "/file", "root:local" },
		{ "root", "x@o.example", "root:expanded x@o.example:remote" },
		/* The delivery helper says so of a user that it cannot see. */
		{ "nosuchuser", "|true", "nosuchuser:expanded true:local" },
	};
	struct world w;
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		setup(&w, "", "");
		message(&w, cases[i].user);
		route_all(&w);
		answer(&w, 0, FORWARD_TEXT, cases[i].text);
		assert_string_equal(state_of(&w), cases[i].out);
		teardown(&w);
	}
}

/* Whose file it is about, and nothing of it for strangers. */
static void
test_words_of_later(void **state)
{
	const struct result *res;
	struct world w;

	(void)state;
	setup(&w, "", "");
	message(&w, "bob");
	route_all(&w);
	answer(&w, 0, FORWARD_LATER, "/home/bob: input/output error");
	res = &w.a->m.rcpts[0].last;
	assert_int_equal(res->source, SOURCE_USER_FILE);
	assert_null(strstr(res->reason, "/home"));
	assert_string_equal(res->detail, "/home/bob: input/output error");
	teardown(&w);
}

/* "*" is for addresses that the submitter gave, not for those of a list. */
static void
test_unknown_names_of_a_list(void **state)
{
	struct world w;

	(void)state;
	setup(&w, "", "team: bob\nring: link\nlink: bob\n*: x@y.example\n");
	message(&w, "team");
	route_all(&w);
	answer(&w, 1, FORWARD_NOUSER, "");
	assert_string_equal(state_of(&w),
	    "team:expanded bob:decided(failed 5.1.1)");
	message(&w, "ring");
	route_all(&w);
	answer(&w, 2, FORWARD_NOUSER, "");
	assert_string_equal(state_of(&w),
	    "ring:expanded link:expanded bob:decided(failed 5.4.6)");
	teardown(&w);
}

/* Lists of an alias: in parts, path and text. */
static void
lists(struct world *w, uint32_t verdict, const char *const *parts)
{
	struct lookup_answer reply = { verdict, "why", 3, NULL };
	struct lookup *l = &w->ls.list[0];
	struct pending p = { w->a, 0 };
	struct ipc m;

	assert_int_equal(l->origin, ORIGIN_ALIASES);
	ipc_init(&m);
	ipc_begin(&m, IPC_FORWARD_LIST, 1);
	for (; *parts != NULL; parts += 2) {
		ipc_put_str(&m, parts[0]);
		ipc_put_bytes(&m, parts[1], strlen(parts[1]));
	}
	buf_add(&l->lists, m.fields.data, m.fields.len);
	ipc_fini(&m);
	expand_answered(&w->ls, l, &p, &reply);
	buf_fini(&l->lists);
	l->n = 0;
	route_all(w);
}

static void
test_lists_of_an_alias(void **state)
{
	static const struct {
		uint32_t	 verdict;
		const char	*parts[7], *out;
	} cases[] = {
		{ FORWARD_TEXT, { "/list", "x@o.example, y@o.example" },
		    "l:expanded x@o.example:remote y@o.example:remote "
		    "z@o.example:remote" },
		{ FORWARD_TEXT, { "/other", "q@o.example", "/list",
		    "x@o", "", ".example" },
		    "l:expanded x@o.example:remote z@o.example:remote" },
		{ FORWARD_TEXT, { "/list", ":include:/more", "/more",
		    "x@o.example" },
		    "l:expanded x@o.example:remote z@o.example:remote" },
		{ FORWARD_TEXT, { "/list", ":include:/more" },
		    "l:decided(deferred 4.3.0)" },
		{ FORWARD_TEXT, { NULL }, "l:decided(deferred 4.3.0)" },
		{ FORWARD_NONE, { NULL }, "l:decided(deferred 4.3.0)" },
		{ FORWARD_NOUSER, { NULL }, "l:decided(deferred 4.3.0)" },
		{ FORWARD_LATER, { NULL }, "l:decided(deferred 4.3.0)" },
	};
	struct world w;
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		setup(&w, "", "l: :include:/list, z@o.example\n");
		message(&w, "l");
		route_all(&w);
		lists(&w, cases[i].verdict, cases[i].parts);
		assert_string_equal(state_of(&w), cases[i].out);
		teardown(&w);
	}
}

static void
test_alias_that_changed(void **state)
{
	static const char *const none[] = { NULL };
	struct world w;

	(void)state;
	setup(&w, "", "l: :include:/list\n");
	message(&w, "l");
	route_all(&w);
	aliases_fini(&w.t.q.aliases);
	lists(&w, FORWARD_TEXT, none);
	assert_string_equal(state_of(&w), "l:decided(deferred 4.3.5)");
	teardown(&w);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_route),
		cmocka_unit_test(test_forced_is_not_held),
		cmocka_unit_test(test_loop_of_hosts),
		cmocka_unit_test(test_changed_list),
		cmocka_unit_test(test_share_is_used_up),
		cmocka_unit_test(test_answer_of_a_user),
		cmocka_unit_test(test_commands),
		cmocka_unit_test(test_words_of_later),
		cmocka_unit_test(test_unknown_names_of_a_list),
		cmocka_unit_test(test_lists_of_an_alias),
		cmocka_unit_test(test_alias_that_changed),
	};

	return cmocka_run_group_tests_name("expand", tests, NULL, NULL);
}
