/*
 * selection_test.c - which messages are selected, and for whom.
 */
#include "submit/selection.h"
#include "tests/unit/t_queue.h"

#define ANN	1001	/* user ids */
#define BOB	1002
#define TEXT	"Subject: x\n\nbody\n"

struct condition {
	enum selection_by by;
	int is_not;
	const char *text;
};

/* A message of ann's to three recipients, of whom one is finished. */
static void
make(struct message *m)
{
	t_message(m, "Ann@host.test", 1700000000, "bob@far.test",
	    "sent@near.test", "Carol.Jones@Far.test", NULL);
	text_copy(m->id, sizeof(m->id), "6921ab");
	m->rcpts[1].state = RCPT_SENT;
	m->rcpts[1].sender = strdup("owner-done@host.test");
	m->rcpts[2].sender = strdup("Owner-List@host.test");
}

static void
test_all_conditions_must_hold(void **state)
{
	static const struct {
		struct condition list[3];
		int takes;
	} cases[] = {
		{ { { SELECTION_ID, 0, "921a" } }, 1 },
		{ { { SELECTION_ID, 0, "921A" } }, 0 },
		{ { { SELECTION_ID, 1, "921a" } }, 0 },
		{ { { SELECTION_ID, 1, "zz" } }, 1 },
		{ { { SELECTION_SENDER, 0, "ann@HOST" } }, 1 },
		{ { { SELECTION_SENDER, 0, "owner-list@" } }, 1 },
		{ { { SELECTION_SENDER, 1, "owner-list@" } }, 0 },
		{ { { SELECTION_SENDER, 0, "owner-done" } }, 0 },
		{ { { SELECTION_SENDER, 0, "<>" } }, 0 },
		{ { { SELECTION_SENDER, 1, "<>" } }, 1 },
		{ { { SELECTION_RECIPIENT, 0, "@far.TEST" } }, 1 },
		{ { { SELECTION_RECIPIENT, 0, "carol.jones@" } }, 1 },
		{ { { SELECTION_RECIPIENT, 0, "ann@host" } }, 0 },
		{ { { SELECTION_RECIPIENT, 1, "carol" } }, 0 },
		/* It has the message already. */
		{ { { SELECTION_RECIPIENT, 0, "sent@near" } }, 0 },
		{ { { SELECTION_RECIPIENT, 0, "bob" },
		    { SELECTION_SENDER, 0, "ann" } }, 1 },
		{ { { SELECTION_RECIPIENT, 0, "bob" },
		    { SELECTION_SENDER, 0, "eve" } }, 0 },
		/* Nothing is meant as a pattern. */
		{ { { SELECTION_RECIPIENT, 0, "b.b" } }, 0 },
		{ { { SELECTION_RECIPIENT, 0, "*" } }, 0 },
	};
	struct selection s;
	struct message m;
	size_t i, j;

	(void)state;
	make(&m);
	for (i = 0; i < N(cases); i++) {
		memset(&s, 0, sizeof(s));
		for (j = 0; j < 3 && cases[i].list[j].text != NULL; j++)
			assert_null(selection_add(&s, cases[i].list[j].by,
			    cases[i].list[j].is_not, cases[i].list[j].text));
		if (selection_takes(&s, &m) != cases[i].takes)
			fail_msg("case %zu", i);
	}
	message_fini(&m);
}

static void
test_the_null_sender_has_a_text(void **state)
{
	struct selection s = { .n = 0 };
	struct message m;

	(void)state;
	t_message(&m, "", 1700000000, "bob@far.test", NULL);
	assert_null(selection_add(&s, SELECTION_SENDER, 0, "<>"));
	assert_true(selection_takes(&s, &m));
	message_fini(&m);
}

/* The entry of a user's list is theirs; the address is what counts. */
static void
test_a_command_is_selected_by_its_user(void **state)
{
	struct selection s = { .n = 0 }, secret = { .n = 0 };
	struct recipient *r;
	struct message m;

	(void)state;
	t_message(&m, "ann@host.test", 1700000000, "bob@host.test", NULL);
	m.rcpts[0].state = RCPT_EXPANDED;
	r = message_add(&m, "|filter secret");
	assert_non_null(r);
	r->kind = ROUTE_PIPE;
	r->parent = 0;
	assert_null(selection_add(&s, SELECTION_RECIPIENT, 0, "bob@"));
	assert_true(selection_takes(&s, &m));
	assert_null(selection_add(&secret, SELECTION_RECIPIENT, 0, "secret"));
	assert_false(selection_takes(&secret, &m));
	message_fini(&m);
}

static void
test_a_condition_is_a_bounded_clean_text(void **state)
{
	struct selection s = { .n = 0 };
	char text[TARGET_MAX + 2];
	int i;

	(void)state;
	assert_non_null(selection_add(&s, SELECTION_ID, 0, ""));
	assert_non_null(selection_add(&s, SELECTION_ID, 0, "a\nb"));
	assert_non_null(selection_add(&s, SELECTION_ID, 0, "\033[2J"));
	memset(text, 'a', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	assert_non_null(selection_add(&s, SELECTION_ID, 0, text));
	assert_false(selection_is_given(&s));
	for (i = 0; i < SELECTION_MAX; i++)
		assert_null(selection_add(&s, SELECTION_ID, 0, "a"));
	assert_non_null(selection_add(&s, SELECTION_ID, 0, "a"));
	assert_int_equal(s.n, SELECTION_MAX);
}

/* ---- in a spool ---- */

struct found {
	char	ids[256];
	int	stops;		/* after one */
};

static int
take(void *arg, const char *id)
{
	struct found *f = arg;

	snprintf(f->ids + strlen(f->ids), sizeof(f->ids) - strlen(f->ids),
	    "%s ", id);
	return f->stops ? 7 : 0;
}

static void
add(struct t_spool *t, const char *id, uint32_t uid, const char *recipient)
{
	struct message m;

	t_message(&m, "ann@host.test", 1700000000, recipient, NULL);
	m.submitter = uid;
	t_commit(&t->sp, id, &m, TEXT, strlen(TEXT));
	message_fini(&m);
}

static void
fill(struct t_spool *t)
{
	add(t, "a1", ANN, "x@far.test");
	add(t, "a2", ANN, "x@near.test");
	add(t, "b1", BOB, "x@far.test");
	t_put(t_path(t->dir, "queue/c1"), T("not a queue file"), 0600);
	t_put(t_path(t->dir, "queue/No-Id"), T("x"), 0600);
}

/* In the order of letters, whatever that of the directory is. */
static void
expect(struct t_spool *t, const struct selection *s,
    const struct selection_scope *scope, const char *const want[])
{
	struct found f = { "", 0 };
	size_t n = 0;
	int i;

	assert_int_equal(selection_each(s, scope, &t->sp, take, &f), 0);
	for (i = 0; want[i] != NULL; i++) {
		if (strstr(f.ids, want[i]) == NULL)
			fail_msg("%s: not in \"%s\"", want[i], f.ids);
		n += strlen(want[i]) + 1;
	}
	assert_int_equal(strlen(f.ids), n);
}

static void
test_users_select_their_own(void **state)
{
	const struct selection_scope root = { 0, 1 }, ann = { ANN, 0 };
	struct selection all = { .is_all = 1 }, far = { .n = 0 },
	    none = { .n = 0 }, id = { .n = 0 };
	struct found f = { "", 1 };
	struct t_spool t;

	(void)state;
	t_spool_init(&t, "");
	fill(&t);
	assert_null(selection_add(&far, SELECTION_RECIPIENT, 0, "far"));
	assert_null(selection_add(&id, SELECTION_ID, 0, "1"));
	/* A file that cannot be read is a message to root. */
	expect(&t, &all, &root, (const char *[]){ "a1", "a2", "b1", "c1",
	    NULL });
	expect(&t, &all, &ann, (const char *[]){ "a1", "a2", NULL });
	expect(&t, &far, &root, (const char *[]){ "a1", "b1", NULL });
	expect(&t, &far, &ann, (const char *[]){ "a1", NULL });
	expect(&t, &id, &root, (const char *[]){ "a1", "b1", "c1", NULL });
	expect(&t, &id, &ann, (const char *[]){ "a1", NULL });
	expect(&t, &none, &root, (const char *[]){ NULL });
	/* Nothing more after an answer that ends it. */
	assert_int_equal(selection_each(&all, &root, &t.sp, take, &f), 7);
	assert_int_equal(strlen(f.ids), 3);
	t_spool_fini(&t);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_conditions_must_hold),
		cmocka_unit_test(test_the_null_sender_has_a_text),
		cmocka_unit_test(test_a_command_is_selected_by_its_user),
		cmocka_unit_test(test_a_condition_is_a_bounded_clean_text),
		cmocka_unit_test(test_users_select_their_own),
	};

	return cmocka_run_group_tests_name("selection", tests, NULL, NULL);
}
