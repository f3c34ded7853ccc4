/*
 * delivery_request_test.c - requests of the runner: shapes that are taken, and
 * all others.
 */
#include <sys/socket.h>

#include <fcntl.h>
#include <unistd.h>

#include "priv/delivery_request.h"
#include "priv/records.h"
#include "tests/unit/t.h"

static struct delivery
sample(void)
{
	struct delivery d;

	memset(&d, 0, sizeof(d));
	d.id = 77;
	d.kind = ROUTE_MAILBOX;
	d.origin = ORIGIN_CALLER;
	text_copy(d.name, sizeof(d.name), "bob");
	d.entry.index = 4;
	d.entry.digest = UINT64_MAX;
	text_copy(d.queue_id, sizeof(d.queue_id), "3f2a");
	d.rcpt = 3;
	text_copy(d.sender, sizeof(d.sender), "ann@x");
	text_copy(d.recipient, sizeof(d.recipient), "bob@y");
	text_copy(d.original, sizeof(d.original), "b");
	d.arrived = 100;
	d.offset = 1024;
	d.length = 5;
	d.checkpoint.dev = 1;
	d.checkpoint.ino = 2;
	d.checkpoint.length = -1;
	d.flags = MESSAGE_UTF8_HEADER;
	d.message = d.channel = -1;
	return d;
}

static void
same_message(const struct delivery *a, const struct delivery *b)
{
	assert_int_equal(a->id, b->id);
	assert_int_equal(a->rcpt, b->rcpt);
	assert_string_equal(a->queue_id, b->queue_id);
	assert_string_equal(a->sender, b->sender);
	assert_string_equal(a->recipient, b->recipient);
	assert_string_equal(a->original, b->original);
	assert_int_equal(a->arrived, b->arrived);
	assert_int_equal(a->offset, b->offset);
	assert_int_equal(a->length, b->length);
	assert_int_equal(a->flags, b->flags);
	assert_memory_equal(&a->checkpoint, &b->checkpoint,
	    sizeof(a->checkpoint));
}

/* Sends what is in m with these descriptors; what came is in m. */
static void
travel(struct ipc *m, int fd, int other)
{
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	if (fd != -1 && m->nfds == 0)
		ipc_put_fd(m, fd);
	if (other != -1)
		ipc_put_fd(m, other);
	assert_int_equal(ipc_send(pair[0], m), 0);
	assert_int_equal(ipc_recv(pair[1], m, IPC_DELIVER_LIMIT), 1);
	close(pair[0]);
	close(pair[1]);
}

static void
test_a_request_comes_as_it_was_put(void **state)
{
	struct delivery d, put = sample();
	struct ipc m;

	(void)state;
	ipc_init(&m);
	put.message = open("/proc/self/exe", O_RDONLY);
	delivery_request_put(&m, &put);
	travel(&m, -1, STDIN_FILENO);
	assert_int_equal(m.kind, IPC_DELIVER_REQUEST);
	assert_int_equal(delivery_request_get(&m, &d), 0);
	same_message(&d, &put);
	assert_int_equal(d.kind, put.kind);
	assert_int_equal(d.origin, put.origin);
	assert_string_equal(d.name, put.name);
	assert_int_equal(d.entry.index, put.entry.index);
	assert_true(d.entry.digest == put.entry.digest);
	assert_true(d.message != -1 && d.channel != -1);
	assert_int_equal(d.aliases, -1);
	close(d.message);
	close(d.channel);
	close(put.message);
	ipc_fini(&m);
}

static void
test_a_message_that_is_no_file(void **state)
{
	struct delivery d, put = sample();
	struct ipc m;
	int fds[2];

	(void)state;
	ipc_init(&m);
	assert_int_equal(pipe(fds), 0);
	put.message = fds[0];
	delivery_request_put(&m, &put);
	travel(&m, -1, STDIN_FILENO);
	assert_int_equal(delivery_request_get(&m, &d), -1);
	close(d.message);
	close(d.channel);
	/* And without any. */
	put.message = open("/", O_RDONLY);
	delivery_request_put(&m, &put);
	m.nfds = 0;
	assert_int_equal(delivery_request_get(&m, &d), -1);
	assert_int_equal(d.message, -1);
	close(put.message);
	close(fds[0]);
	close(fds[1]);
	ipc_fini(&m);
}

static void
test_what_may_be_asked_for(void **state)
{
	static const struct {
		unsigned kind, origin;
		int ret;
	} cases[] = {
		{ ROUTE_UNKNOWN, ORIGIN_CALLER, -1 },
		{ ROUTE_MAILBOX, ORIGIN_CALLER, 0 },
		{ ROUTE_MAILBOX, ORIGIN_ALIASES, 0 },
		{ ROUTE_MAILBOX, ORIGIN_FORWARD, 0 },
		{ ROUTE_MAILBOX, ORIGIN_FORWARD + 1, -1 },
		{ ROUTE_FILE, ORIGIN_CALLER, -1 },
		{ ROUTE_FILE, ORIGIN_ALIASES, 0 },
		{ ROUTE_PIPE, ORIGIN_CALLER, -1 },
		{ ROUTE_PIPE, ORIGIN_FORWARD, 0 },
		{ ROUTE_REMOTE, ORIGIN_FORWARD, -1 },
		{ 1000, ORIGIN_FORWARD, -1 },
		{ UINT32_MAX, ORIGIN_FORWARD, -1 },
	};
	struct delivery d, put = sample();
	struct ipc m;
	size_t i;

	(void)state;
	ipc_init(&m);
	put.message = open("/proc/self/exe", O_RDONLY);
	for (i = 0; i < N(cases); i++) {
		put.kind = (enum route_kind)cases[i].kind;
		put.origin = (enum origin)cases[i].origin;
		delivery_request_put(&m, &put);
		travel(&m, -1, STDIN_FILENO);
		if (delivery_request_get(&m, &d) != cases[i].ret)
			fail_msg("case %zu", i);
		close(d.message);
		close(d.channel);
	}
	close(put.message);
	ipc_fini(&m);
}

static void
test_shapes_of_a_further_message(void **state)
{
	static char full[ADDRESS_MAX + 1], over[ADDRESS_MAX + 2];
	static const struct {
		const char *queue_id, *sender, *recipient, *original;
		int64_t offset, length, checkpoint;
		int extra;		/* bytes after the last field */
		int ret;
	} cases[] = {
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
		ipc_begin(&m, IPC_DELIVER_NEXT, 77);
		ipc_put_str(&m, cases[i].queue_id);
		ipc_put_u32(&m, 3);
		ipc_put_str(&m, cases[i].sender);
		ipc_put_str(&m, cases[i].recipient);
		ipc_put_str(&m, cases[i].original);
		ipc_put_u64(&m, 100);
		ipc_put_u64(&m, (uint64_t)cases[i].offset);
		ipc_put_u64(&m, (uint64_t)cases[i].length);
		ipc_put_u64(&m, 1);
		ipc_put_u64(&m, 2);
		ipc_put_u64(&m, (uint64_t)cases[i].checkpoint);
		ipc_put_u32(&m, 0);
		if (cases[i].extra)
			ipc_put_u32(&m, 0);
		memset(&d, 0, sizeof(d));
		if (delivery_next_get(&m, &d) != cases[i].ret)
			fail_msg("case %zu", i);
		assert_int_equal(d.message, -1);
	}
	ipc_fini(&m);
}

/* A message that ends too early, wherever that is. */
static void
test_every_cut(void **state)
{
	struct delivery d, put = sample();
	struct ipc m;
	size_t len, n;

	(void)state;
	ipc_init(&m);
	put.message = STDIN_FILENO;
	delivery_next_put(&m, &put);
	len = m.fields.len;
	for (n = 0; n <= len; n++) {
		delivery_next_put(&m, &put);
		m.fields.len = n;
		assert_int_equal(delivery_next_get(&m, &d), n == len ? 0 : -1);
	}
	same_message(&d, &put);
	ipc_fini(&m);
}

static void
test_a_question_about_a_forward(void **state)
{
	static char over[ADDRESS_MAX + 2];
	static const struct {
		unsigned origin;
		const char *name;
		int extra, ret;
	} cases[] = {
		{ ORIGIN_FORWARD, "bob", 0, 0 },
		{ ORIGIN_ALIASES, "team", 0, 0 },
		{ ORIGIN_CALLER, "bob", 0, -1 },
		{ ORIGIN_FORWARD + 1, "bob", 0, -1 },
		{ ORIGIN_FORWARD, "bob\n", 0, -1 },
		{ ORIGIN_FORWARD, over, 0, -1 },
		{ ORIGIN_FORWARD, "bob", 1, -1 },
	};
	struct delivery d;
	struct ipc m;
	size_t i;

	(void)state;
	memset(over, 'a', sizeof(over) - 1);
	ipc_init(&m);
	for (i = 0; i < N(cases); i++) {
		forward_request_put(&m, 9, (enum origin)cases[i].origin,
		    cases[i].name);
		if (cases[i].extra)
			ipc_put_u32(&m, 0);
		travel(&m, STDIN_FILENO, -1);
		assert_int_equal(m.kind, IPC_FORWARD_REQUEST);
		if (forward_request_get(&m, &d) != cases[i].ret)
			fail_msg("case %zu", i);
		assert_int_equal(d.kind, ROUTE_UNKNOWN);
		assert_int_equal(d.message, -1);
		close(d.channel);
		if (cases[i].ret == -1)
			continue;
		assert_int_equal(d.id, 9);
		assert_int_equal(d.origin, cases[i].origin);
		assert_string_equal(d.name, cases[i].name);
	}
	ipc_fini(&m);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_request_comes_as_it_was_put),
		cmocka_unit_test(test_a_message_that_is_no_file),
		cmocka_unit_test(test_what_may_be_asked_for),
		cmocka_unit_test(test_shapes_of_a_further_message),
		cmocka_unit_test(test_every_cut),
		cmocka_unit_test(test_a_question_about_a_forward),
	};

	return cmocka_run_group_tests_name("delivery_request", tests, NULL,
	    NULL);
}
