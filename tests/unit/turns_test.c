/*
 * turns_test.c - whose message is next.
 */
#include "queue/limits.h"
#include "tests/unit/t.h"

/* How many shares were looked at. */
static unsigned	 looks;

#define limits_is_ready(p, share)	(looks++, limits_is_ready(p, share))
#include "queue/turns.c"
#undef limits_is_ready

static struct share *
share_of(struct turns *t, uint32_t uid, unsigned kind, const char *name,
    const char *user)
{
	return turns_share(t, turns_submitter(t, uid), kind, name, user);
}

static void
make_ready(struct turns *t, uint32_t uid, struct entry *e, const char *id)
{
	memset(e, 0, sizeof(*e));
	snprintf(e->id, sizeof(e->id), "%s", id);
	e->state = ENTRY_READY;
	e->submitter = turns_submitter(t, uid);
	assert_int_equal(entry_heap_add(&e->submitter->ready, e), 0);
}

static void
test_one_submitter_for_a_uid(void **state)
{
	struct turns t;

	(void)state;
	turns_init(&t);
	assert_ptr_equal(turns_submitter(&t, 7), turns_submitter(&t, 7));
	assert_ptr_not_equal(turns_submitter(&t, 7), turns_submitter(&t, 8));
	turns_fini(&t);
}

static void
test_what_shares_are_of(void **state)
{
	static const struct {
		uint32_t	 uid;
		unsigned	 kind;
		const char	*name, *user;
		int		 is_same;	/* as 7, bob */
	} cases[] = {
		{ 7, SHARE_USER, "bob", "", 1 },
		{ 7, SHARE_USER, "BoB", "", 1 },
		{ 8, SHARE_USER, "bob", "", 0 },
		{ 7, SHARE_DESTINATION, "bob", "", 0 },
		{ 7, SHARE_DESTINATION + 1, "bob", "", 0 },
		{ 7, SHARE_USER, "bobby", "", 0 },
		{ 7, SHARE_USER, "bo", "b", 0 },
		{ 7, SHARE_USER, "bob", "login", 0 },
		{ 7, SHARE_USER, "", "bob", 0 },
	};
	struct share *s, *bob;
	struct turns t;
	size_t i;

	(void)state;
	turns_init(&t);
	bob = share_of(&t, 7, SHARE_USER, "bob", "");
	for (i = 0; i < N(cases); i++) {
		s = share_of(&t, cases[i].uid, cases[i].kind, cases[i].name,
		    cases[i].user);
		assert_non_null(s);
		assert_int_equal(s == bob, cases[i].is_same);
	}
	turns_fini(&t);
}

static void
test_share_stays_while_in_use(void **state)
{
	struct entry e = { .id = "a", .state = ENTRY_POSTPONED };
	struct share *s;
	struct turns t;

	(void)state;
	turns_init(&t);
	s = share_of(&t, 7, SHARE_USER, "bob", "");
	s->active = 1;
	assert_int_equal(turns_postpone(s, &e), 0);
	assert_ptr_equal(e.share, s);
	turns_drop(&t, s);
	assert_ptr_equal(share_of(&t, 7, SHARE_USER, "bob", ""), s);
	assert_ptr_equal(s->submitter->pressed, s);
	entry_leave(&e);
	turns_drop(&t, s);
	assert_null(s->submitter->pressed);
	assert_ptr_equal(share_of(&t, 7, SHARE_USER, "bob", ""), s);
	s->active = 0;
	turns_drop(&t, s);
	assert_int_equal(share_of(&t, 7, SHARE_USER, "bob", "")->active, 0);
	turns_fini(&t);
}

/* Oldest first, but of whoever has fewest places. */
static void
test_who_has_fewest_is_next(void **state)
{
	struct entry a, b, c;
	struct turns t;

	(void)state;
	turns_init(&t);
	assert_null(turns_next(&t));
	make_ready(&t, 7, &a, "2");
	make_ready(&t, 7, &b, "1");
	assert_ptr_equal(turns_next(&t), &b);
	make_ready(&t, 8, &c, "9");
	turns_enter(&t, turns_submitter(&t, 7), 1);
	assert_ptr_equal(turns_next(&t), &c);
	turns_enter(&t, turns_submitter(&t, 8), 2);
	assert_ptr_equal(turns_next(&t), &b);
	turns_fini(&t);
}

/* Messages that are over at once leave everybody without places. */
static void
test_submitters_with_as_many_places_take_turns(void **state)
{
	struct entry e[3][2], *next;
	struct turns t;
	int i, n;

	(void)state;
	turns_init(&t);
	for (i = 0; i < 3; i++)
		for (n = 0; n < 2; n++)
			make_ready(&t, 7 + (uint32_t)i, &e[i][n],
			    n == 0 ? "1" : "2");
	for (n = 0; n < 2; n++)
		for (i = 0; i < 3; i++) {
			next = turns_next(&t);
			assert_ptr_equal(next, &e[i][n]);
			entry_leave(next);
			turns_took(&t, next->submitter);
		}
	assert_null(turns_next(&t));
	turns_fini(&t);
}

/* They may be subordinate uids of one user. */
static void
test_uids_of_a_range_have_one_turn(void **state)
{
	static const struct {
		uint32_t	 uid;
		const char	*id, *next;	/* what is chosen at that turn */
	} cases[] = {
		{ 100001, "1", "1" },
		{ 100002, "2", "5" },
		{ 100003, "3", "2" },
		{ 131071, "4", "6" },
		{ 1000, "5", "3" },
		{ 1000, "6", "4" },
	};
	struct entry e[N(cases)], *next;
	struct turns t;
	size_t i;

	(void)state;
	turns_init(&t);
	for (i = 0; i < N(cases); i++)
		make_ready(&t, cases[i].uid, &e[i], cases[i].id);
	for (i = 0; i < N(cases); i++) {
		next = turns_next(&t);
		assert_non_null(next);
		assert_string_equal(next->id, cases[i].next);
		entry_leave(next);
		turns_took(&t, next->submitter);
	}
	turns_fini(&t);
}

/* One of them does not have the places of all. */
static void
test_places_of_a_range_are_counted_together(void **state)
{
	struct entry a, b, c;
	struct turns t;

	(void)state;
	turns_init(&t);
	make_ready(&t, 100001, &a, "1");
	make_ready(&t, 100002, &b, "2");
	make_ready(&t, 1000, &c, "3");
	turns_enter(&t, turns_submitter(&t, 100001), 3);
	turns_enter(&t, turns_submitter(&t, 1000), 2);
	assert_ptr_equal(turns_next(&t), &c);
	turns_enter(&t, turns_submitter(&t, 1000), 2);
	assert_ptr_equal(turns_next(&t), &b);
	turns_leave(&t, turns_submitter(&t, 1000), 4);
	assert_ptr_equal(turns_next(&t), &c);
	assert_int_equal(t.nplaces, 3);
	turns_fini(&t);
}

/* Nor one of them those of the others. */
static void
test_a_range_leaves_room_for_others(void **state)
{
	struct submitter *one, *other, *bob;
	struct held held = { NULL, 0, 0, 0, 0 };
	struct turns t;
	uint32_t uid;

	(void)state;
	turns_init(&t);
	one = turns_submitter(&t, 100000);
	other = turns_submitter(&t, 100001);
	bob = turns_submitter(&t, 1000);
	held = (struct held){ .by = one, .nfree = 48 };
	for (; turns_may_take(&held); held.nfree--)
		turns_count(&held, one);
	assert_int_equal(held.of_submitter, 25);
	held.by = other;
	held.of_submitter = 0;
	assert_true(turns_may_take(&held));
	/* As many uids as are wanted. */
	for (uid = 100001; uid < 100101; uid++) {
		held.by = turns_submitter(&t, uid);
		held.of_submitter = 0;
		for (; turns_may_take(&held); held.nfree--)
			turns_count(&held, held.by);
	}
	assert_int_equal(held.of_range, 33);
	held = (struct held){ .by = bob, .nfree = held.nfree };
	assert_true(turns_may_take(&held));
	turns_fini(&t);
}

#define PLACES	64		/* the most of what is shared here */

struct places {
	const struct submitter *by[PLACES];
	unsigned	 n, most;
};

/* As many as it may have. */
static void
take_places(struct places *p, const struct submitter *by)
{
	struct held held;
	unsigned i;

	for (;;) {
		held = (struct held){ .by = by, .nfree = p->most - p->n };
		for (i = 0; i < p->n; i++)
			turns_count(&held, p->by[i]);
		if (!turns_may_take(&held))
			return;
		assert_true(p->n < p->most);
		p->by[p->n++] = by;
	}
}

/*
 * By its own uid, and by those of any number of ranges, in whatever order, a
 * user does not have all.
 */
static void
test_ranges_and_a_uid_leave_room_for_others(void **state)
{
	static const unsigned sizes[] = { 24, 48, PLACES };
	struct places p;
	struct turns t;
	uint32_t k, own, n;
	size_t i;

	(void)state;
	turns_init(&t);
	for (i = 0; i < N(sizes); i++)
		for (own = 0; own <= 20; own++) {
			p = (struct places){ .most = sizes[i] };
			for (k = 0; k < 20; k++) {
				if (k == own)
					take_places(&p, turns_submitter(&t,
					    1000));
				for (n = 0; n < 20; n++)
					take_places(&p, turns_submitter(&t,
					    65536 * (k + 1) + n));
			}
			take_places(&p, turns_submitter(&t, 1000));
			n = p.n;
			assert_in_range(n, p.most / 2, p.most - 1);
			take_places(&p, turns_submitter(&t, 1001));
			assert_true(p.n > n);
		}
	turns_fini(&t);
}

static void
test_nobody_has_all(void **state)
{
	struct entry a, b;
	struct submitter *s;
	struct turns t;

	(void)state;
	turns_init(&t);
	make_ready(&t, 7, &a, "1");
	s = turns_submitter(&t, 7);
	while (turns_next(&t) != NULL)
		turns_enter(&t, s, 1);
	assert_true(s->places >= ACTIVE_MAX / 2 && s->places < ACTIVE_MAX);
	make_ready(&t, 8, &b, "2");
	assert_ptr_equal(turns_next(&t), &b);
	t.nplaces = ACTIVE_MAX;
	assert_null(turns_next(&t));
	turns_fini(&t);
}

/* It comes before what is newer, as soon as its share has room. */
static void
test_postponed(void **state)
{
	struct entry old = { .id = "1", .state = ENTRY_ACTIVE }, newer;
	struct entry later[] = { { .id = "1b", .state = ENTRY_POSTPONED },
	    { .id = "1a", .state = ENTRY_POSTPONED } };
	struct submitter *by;
	struct share *s;
	struct turns t;

	(void)state;
	turns_init(&t);
	make_ready(&t, 7, &newer, "2");
	by = turns_submitter(&t, 7);
	s = share_of(&t, 7, SHARE_DESTINATION, "example.net", "");
	for (; turns_has_room(&t, s); turns_enter(&t, by, 1))
		s->active++;
	assert_true(s->active > 0);
	assert_int_equal(turns_postpone(s, &old), 0);
	assert_ptr_equal(turns_next(&t), &newer);
	s->active = 0;
	/* None overtakes it, and its attempt must be over. */
	assert_false(turns_has_room(&t, s));
	assert_ptr_equal(turns_next(&t), &newer);
	/* Till then it is in the way of no other. */
	assert_int_equal(turns_postpone(s, &later[0]), 0);
	assert_int_equal(turns_postpone(s, &later[1]), 0);
	assert_ptr_equal(turns_next(&t), &later[1]);
	old.state = ENTRY_POSTPONED;
	assert_ptr_equal(turns_next(&t), &old);
	turns_fini(&t);
}

static size_t
longest_slot(const struct turns *t)
{
	const struct submitter *s;
	size_t i, n, most = 0;

	for (i = 0; i < SLOTS; i++) {
		n = 0;
		for (s = t->by_uid[i]; s != NULL; s = s->next_in_slot)
			n++;
		most = n > most ? n : most;
	}
	return most;
}

/*
 * A user may have a message queued by each of its subordinate uids, and one of
 * these many postponed ones: the shares of one are not looked at for each of
 * the others, and nobody is looked for among all.
 */
static void
test_many_submitters(void **state)
{
	enum { NUIDS = 4 * SLOTS, NHOSTS = 50, FIRST = 100000 };
	struct entry *e = calloc(NUIDS + NHOSTS, sizeof(*e));
	struct share *s;
	char name[32];
	struct turns t;
	int i;

	(void)state;
	assert_non_null(e);
	turns_init(&t);
	for (i = 0; i < NHOSTS; i++) {
		snprintf(name, sizeof(name), "host%d", i);
		s = share_of(&t, FIRST, SHARE_DESTINATION, name, "");
		s->active = 1;
		e[NUIDS + i].state = ENTRY_POSTPONED;
		assert_int_equal(turns_postpone(s, &e[NUIDS + i]), 0);
	}
	for (i = 0; i < NUIDS; i++)
		make_ready(&t, FIRST + (uint32_t)i, &e[i], "a");
	assert_int_equal(longest_slot(&t), 4);
	looks = 0;
	assert_non_null(turns_next(&t));
	assert_int_equal(looks, NHOSTS);
	turns_fini(&t);
	free(e);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_submitter_for_a_uid),
		cmocka_unit_test(test_what_shares_are_of),
		cmocka_unit_test(test_share_stays_while_in_use),
		cmocka_unit_test(test_who_has_fewest_is_next),
		cmocka_unit_test(test_submitters_with_as_many_places_take_turns),
		cmocka_unit_test(test_uids_of_a_range_have_one_turn),
		cmocka_unit_test(test_places_of_a_range_are_counted_together),
		cmocka_unit_test(test_a_range_leaves_room_for_others),
		cmocka_unit_test(test_ranges_and_a_uid_leave_room_for_others),
		cmocka_unit_test(test_nobody_has_all),
		cmocka_unit_test(test_postponed),
		cmocka_unit_test(test_many_submitters),
	};

	return cmocka_run_group_tests_name("turns", tests, NULL, NULL);
}
