/*
 * delivery_request_test.c - what a delivery is told of its message: shapes that are
 * taken, and all others.
 */
#include "priv/delivery_request.h"
#include "tests/unit/t.h"

struct shape {
	const char *queue_id, *sender, *recipient, *original;
	int64_t offset, length, checkpoint;
	int extra;		/* octets after the last field */
	int ret;
};

static void
put(struct ipc *m, const struct shape *c)
{
	ipc_begin(m, 1, 77);
	ipc_put_str(m, c->queue_id);
	ipc_put_u32(m, 3);
	ipc_put_str(m, c->sender);
	ipc_put_str(m, c->recipient);
	ipc_put_str(m, c->original);
	ipc_put_u64(m, 100);
	ipc_put_u64(m, (uint64_t)c->offset);
	ipc_put_u64(m, (uint64_t)c->length);
	ipc_put_u64(m, 1);
	ipc_put_u64(m, 2);
	ipc_put_u64(m, (uint64_t)c->checkpoint);
	for (int i = 0; i < c->extra; i++)
		ipc_put_u32(m, 0);
}

static void
test_shapes(void **state)
{
	static char full[ADDRESS_MAX + 1], over[ADDRESS_MAX + 2];
	static const struct shape cases[] = {
		{ "3f2a", "ann@x", "bob@y", "b", 1024, 5, -1, 0, 0 },
		{ "3f2a", "", "", "", 0, 0, 0, 0, 0 },
		{ "3f2a", full, full, full, 0, 5, 7, 0, 0 },
		{ "3f2a", over, "b", "b", 0, 5, -1, 0, -1 },
		{ "3f2a", "a", over, "b", 0, 5, -1, 0, -1 },
		{ "3f2a", "a", "b", over, 0, 5, -1, 0, -1 },
		{ "aaaaaaaaaaaaaaaaaaaaaaaaa", "a", "b", "b", 0, 5, -1, 0,
		    -1 },
		{ "3f2a", "a\nb", "b", "b", 0, 5, -1, 0, -1 },
		{ "3f2a", "a", "b\t", "b", 0, 5, -1, 0, -1 },
		{ "3f2a", "a", "b", "b", -1, 5, -1, 0, -1 },
		{ "3f2a", "a", "b", "b", 0, -5, -1, 0, -1 },
		{ "3f2a", "a", "b", "b", 0, 5, -2, 0, -1 },
		{ "3f2a", "a", "b", "b", 0, 5, -1, 1, -1 },
	};
	struct delivery d;
	struct ipc m;
	size_t i;

	(void)state;
	memset(full, 'a', sizeof(full) - 1);
	memset(over, 'a', sizeof(over) - 1);
	ipc_init(&m);
	for (i = 0; i < N(cases); i++) {
		memset(&d, 0, sizeof(d));
		put(&m, &cases[i]);
		if (delivery_request_get(&m, &d) != cases[i].ret)
			fail_msg("case %zu", i);
		if (cases[i].ret == -1)
			continue;
		assert_int_equal(d.id, 77);
		assert_int_equal(d.rcpt, 3);
		assert_string_equal(d.queue_id, cases[i].queue_id);
		assert_string_equal(d.sender, cases[i].sender);
		assert_string_equal(d.recipient, cases[i].recipient);
		assert_string_equal(d.original, cases[i].original);
		assert_int_equal(d.length, cases[i].length);
		assert_int_equal(d.checkpoint.length, cases[i].checkpoint);
		assert_int_equal(d.message, -1);
	}
	ipc_fini(&m);
}

/* A record that ends too early, wherever that is. */
static void
test_every_cut(void **state)
{
	static const struct shape whole = { "3f2a", "ann@x", "bob@y", "b",
	    1024, 5, -1, 0, 0 };
	struct delivery d;
	struct ipc m;
	size_t len, n;

	(void)state;
	ipc_init(&m);
	put(&m, &whole);
	len = m.len;
	for (n = 0; n <= len; n++) {
		put(&m, &whole);
		m.len = n;
		assert_int_equal(delivery_request_get(&m, &d), n == len ? 0 : -1);
	}
	ipc_fini(&m);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shapes),
		cmocka_unit_test(test_every_cut),
	};

	return cmocka_run_group_tests_name("letter", tests, NULL, NULL);
}
