/*
 * requests_test.c - what the runner sends, the order in which it is taken, and
 * what the runner is told, over a real socket pair.
 */
#include <sys/socket.h>

#include <fcntl.h>
#include <unistd.h>

#include "lib/io.h"
#include "net/concurrency.h"
#include "net/requests.h"
#include "priv/records.h"
#include "tests/unit/t.h"

struct sides {
	struct requests	 q;
	int		 runner;	/* its end of the socket */
	struct ipc	 m;		/* the latest record it got */
};

static void
sides_init(struct sides *s)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds), 0);
	assert_int_equal(io_nonblock(fds[0]), 0);
	requests_init(&s->q, fds[0]);
	s->runner = fds[1];
	ipc_init(&s->m);
}

static void
sides_fini(struct sides *s)
{
	close(s->q.sock);
	close(s->runner);
	requests_fini(&s->q);
	ipc_fini(&s->m);
}

static void
send_destination(struct sides *s, uint32_t kind, const char *name,
    const char *user)
{
	struct ipc m;

	ipc_init(&m);
	ipc_begin(&m, IPC_REMOTE_DESTINATION, 0);
	ipc_put_u32(&m, kind);
	ipc_put_str(&m, name);
	ipc_put_str(&m, user);
	ipc_put_u32(&m, 0);
	assert_int_equal(ipc_send(s->runner, &m), 0);
	ipc_fini(&m);
}

/* What of a message is varied here. */
struct head {
	uint64_t	 offset, length, lines;
	uint32_t	 nwanted, ret;
	const char	*envid;
	int		 has_fd, is_suspect;
};

static const struct head good = { 8, 100, 5, 1, 0, "", 1, 0 };
static const struct head early = { 8, 100, 5, 1, 0, "", 1, 0 };
static const struct head bad_one = { 8, 100, 5, 1, 0, "", 1, 1 };
static const struct head for_two = { 8, 100, 5, 2, 0, "", 1, 0 };

static void
send_message(struct sides *s, uint32_t id, const struct head *head)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	struct ipc m;

	ipc_init(&m);
	ipc_begin(&m, IPC_REMOTE_MESSAGE, id);
	ipc_put_str(&m, "id");
	ipc_put_str(&m, "ann@x");
	ipc_put_u32(&m, 0);
	ipc_put_u64(&m, head->offset);
	ipc_put_u64(&m, head->length);
	ipc_put_u64(&m, head->lines);
	ipc_put_u32(&m, head->nwanted);
	ipc_put_u32(&m, head->ret);
	ipc_put_str(&m, head->envid);
	ipc_put_u32(&m, 0);
	ipc_put_u32(&m, head->is_suspect != 0);
	ipc_put_u64(&m, head == &early ? 2 : 5);	/* its turn */
	if (head->has_fd)
		ipc_put_fd(&m, fd);
	assert_int_equal(ipc_send(s->runner, &m), 0);
	ipc_fini(&m);
	close(fd);
}

static void
send_recipient(struct sides *s, uint32_t id, uint32_t index,
    const char *address)
{
	struct ipc m;

	ipc_init(&m);
	ipc_begin(&m, IPC_REMOTE_RECIPIENTS, id);
	ipc_put_u32(&m, index);
	ipc_put_str(&m, address);
	ipc_put_u32(&m, 0);
	ipc_put_str(&m, "");
	assert_int_equal(ipc_send(s->runner, &m), 0);
	ipc_fini(&m);
}

static void
send_whole(struct sides *s, uint32_t id, const struct head *head)
{
	uint32_t i;

	send_message(s, id, head);
	for (i = 0; i < head->nwanted; i++)
		send_recipient(s, id, i, i == 0 ? "a@x" : "b@x");
	assert_int_equal(requests_read(&s->q), 1);
}

static void
test_records_out_of_shape(void **state)
{
	static const struct {
		uint32_t kind;
		const char *name, *user;
		struct head head;
		int ret;
	} cases[] = {
		{ DESTINATION_SMARTHOST, "", "", { 8, 100, 5, 1, 0, "", 1,
		    0 }, 1 },
		{ DESTINATION_DOMAIN, "x.test", "", { 8, 100, 5, 1, 2,
		    "a+20b", 1, 1 }, 1 },
		{ DESTINATION_SENDER, "relay", "user", { 8, 0, 1, 1, 0, "",
		    1, 0 }, 1 },
		{ 7, "", "", { 8, 100, 5, 1, 0, "", 1, 0 }, -1 },
		{ DESTINATION_DOMAIN, "", "", { 8, 100, 5, 1, 0, "", 1, 0 },
		    -1 },
		{ DESTINATION_DOMAIN, "x", "user", { 8, 100, 5, 1, 0, "", 1,
		    0 }, -1 },
		{ DESTINATION_SMARTHOST, "", "", { 8, 100, 5, 0, 0, "", 1,
		    0 }, -1 },
		{ DESTINATION_SMARTHOST, "", "", { 8, 100, 5,
		    RECIPIENTS_MAX + 1, 0, "", 1, 0 }, -1 },
		{ DESTINATION_SMARTHOST, "", "", { UINT64_MAX, 100, 5, 1, 0,
		    "", 1, 0 }, -1 },
		{ DESTINATION_SMARTHOST, "", "", { 8, INT64_MAX, 5, 1, 0,
		    "", 1, 0 }, -1 },
		{ DESTINATION_SMARTHOST, "", "", { 8, 100, 102, 1, 0, "", 1,
		    0 }, -1 },
		{ DESTINATION_SMARTHOST, "", "", { 8, 100, 5, 1, 3, "", 1,
		    0 }, -1 },
		{ DESTINATION_SMARTHOST, "", "", { 8, 100, 5, 1, 0, "a\nb",
		    1, 0 }, -1 },
		{ DESTINATION_SMARTHOST, "", "", { 8, 100, 5, 1, 0, "", 0,
		    0 }, -1 },
	};
	struct sides s;
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		sides_init(&s);
		send_destination(&s, cases[i].kind, cases[i].name,
		    cases[i].user);
		send_message(&s, 1, &cases[i].head);
		if (requests_read(&s.q) != cases[i].ret)
			fail_msg("case %zu", i);
		sides_fini(&s);
	}
}

static void
test_records_out_of_turn(void **state)
{
	struct sides s;

	(void)state;
	sides_init(&s);
	send_message(&s, 1, &good);	/* no destination */
	assert_int_equal(requests_read(&s.q), -1);
	sides_fini(&s);

	sides_init(&s);
	send_destination(&s, 0, "", "");
	send_destination(&s, 0, "", "");
	assert_int_equal(requests_read(&s.q), -1);
	sides_fini(&s);

	sides_init(&s);
	send_destination(&s, 0, "", "");
	send_message(&s, 1, &good);
	send_recipient(&s, 2, 0, "a@x");	/* of another one */
	assert_int_equal(requests_read(&s.q), -1);
	sides_fini(&s);

	sides_init(&s);
	send_destination(&s, 0, "", "");
	send_message(&s, 1, &for_two);
	send_message(&s, 2, &good);	/* recipients are lacking */
	assert_int_equal(requests_read(&s.q), -1);
	sides_fini(&s);

	sides_init(&s);
	assert_int_equal(requests_read(&s.q), 1);
	shutdown(s.runner, SHUT_WR);
	assert_int_equal(requests_read(&s.q), 0);
	sides_fini(&s);
}

static void
send_cancel(struct sides *s, uint32_t id, int has_field)
{
	struct ipc m;

	ipc_init(&m);
	ipc_begin(&m, IPC_REMOTE_CANCEL, id);
	if (has_field)
		ipc_put_u32(&m, 1);
	assert_int_equal(ipc_send(s->runner, &m), 0);
	ipc_fini(&m);
}

/* Noted, whatever it names, but not between a message and its recipients. */
static void
test_cancels(void **state)
{
	struct request *r;
	struct sides s;

	(void)state;
	sides_init(&s);
	send_destination(&s, 0, "", "");
	send_whole(&s, 1, &good);
	send_whole(&s, 2, &good);
	send_cancel(&s, 2, 0);
	send_cancel(&s, 3, 0);
	assert_int_equal(requests_read(&s.q), 1);
	assert_int_equal(s.q.ncancels, 2);
	assert_int_equal(s.q.cancels[0], 2);
	assert_null(requests_take_id(&s.q, 3));
	r = requests_take_id(&s.q, 2);
	assert_non_null(r);
	assert_int_equal(r->id, 2);
	assert_null(requests_take_id(&s.q, 2));
	requests_cancel(&s.q, r, "");
	assert_int_equal(s.q.nopen, 1);
	assert_int_equal(s.q.nwaiting, 1);
	send_cancel(&s, 1, 1);
	assert_int_equal(requests_read(&s.q), -1);
	sides_fini(&s);

	sides_init(&s);
	send_destination(&s, 0, "", "");
	send_message(&s, 1, &for_two);
	send_cancel(&s, 1, 0);
	assert_int_equal(requests_read(&s.q), -1);
	sides_fini(&s);
}

/* The ids in the order in which a session would get them. */
static void
expect_order(struct sides *s, size_t first, size_t last, int has_room,
    const char *ids)
{
	struct request *taken[16], *r;
	struct buf b;
	size_t n = 0;

	buf_init(&b, 0);
	while ((r = requests_take(&s->q, first, last, has_room)) != NULL) {
		taken[n++] = r;
		buf_printf(&b, "%u", (unsigned)r->id);
	}
	assert_string_equal(buf_str(&b), ids);
	buf_fini(&b);
	while (n > 0)
		requests_put_first(&s->q, taken[--n]);
}

static void
test_order(void **state)
{
	struct request *r;
	struct sides s;
	uint32_t id;

	(void)state;
	sides_init(&s);
	send_destination(&s, 0, "", "");
	for (id = 1; id <= 5; id++)
		send_whole(&s, id, id == 2 ? &bad_one : &good);
	assert_int_equal(s.q.nwaiting, 5);
	/* A suspect is last, and only for a session that is free for it. */
	expect_order(&s, 0, SIZE_MAX, 1, "13452");
	expect_order(&s, 0, SIZE_MAX, 0, "1345");
	/* By its place: what a host deferred is for those after it. */
	r = requests_take(&s.q, 0, SIZE_MAX, 0);
	r->past.place = 2;
	requests_put_last(&s.q, r);
	assert_int_equal(s.q.nlater, 1);
	expect_order(&s, 0, 1, 0, "345");
	expect_order(&s, 1, 2, 1, "1");
	assert_ptr_equal(requests_take(&s.q, 2, 2, 1), r);
	assert_int_equal(s.q.nlater, 0);
	assert_int_equal(s.q.nwaiting, 4);
	requests_put_first(&s.q, r);
	/* By its turn. */
	send_whole(&s, 6, &early);
	expect_order(&s, 0, SIZE_MAX, 0, "61345");
	r = requests_take(&s.q, 0, SIZE_MAX, 0);
	requests_put_first(&s.q, r);
	sides_fini(&s);
}

/* One connection more is all that a known suspect gets in an attempt. */
static void
test_suspect_has_few_tries(void **state)
{
	static const struct cut cut = { 1, 0, 0, 0 };
	struct request *r;
	struct sides s;

	(void)state;
	sides_init(&s);
	send_destination(&s, 0, "", "");
	send_whole(&s, 1, &bad_one);
	r = requests_take(&s.q, 0, SIZE_MAX, 1);
	assert_true(r->is_suspect);
	assert_int_equal(concurrency_cut(&r->drops, &cut), RETRY_NEVER);
	requests_put_first(&s.q, r);
	sides_fini(&s);
}

/* The next record to the runner; its kind, with what it says in text. */
static uint32_t
hear(struct sides *s, char *text, size_t size)
{
	struct result res;
	char host[64], server[64];
	uint32_t index;

	assert_int_equal(requests_write(&s->q), 0);
	assert_int_equal(ipc_recv(s->runner, &s->m, IPC_REMOTE_LIMIT), 1);
	if (s->m.kind == IPC_REMOTE_RECORD)
		snprintf(text, size, "%u", (unsigned)ipc_get_u32(&s->m));
	if (s->m.kind != IPC_REMOTE_STATUS)
		return s->m.kind;
	text[0] = '\0';
	while (ipc_more(&s->m)) {
		index = ipc_get_u32(&s->m);
		result_init(&res);
		assert_int_equal(result_get(&s->m, &res), 0);
		ipc_get_text(&s->m, server, sizeof(server));
		ipc_get_text(&s->m, host, sizeof(host));
		/* A reply is of the host, unless another is named. */
		if (res.source == SOURCE_SERVER)
			assert_string_equal(server, host);
		assert_int_equal(ipc_get_u32(&s->m), 0);
		snprintf(text + strlen(text), size - strlen(text),
		    "%u %s %s %s;", (unsigned)index, status_name(res.status),
		    res.code, host);
		result_fini(&res);
	}
	return s->m.kind;
}

static void
expect_heard(struct sides *s, const char *statuses, const char *left)
{
	char text[256];

	assert_int_equal(hear(s, text, sizeof(text)), IPC_REMOTE_STATUS);
	assert_string_equal(text, statuses);
	assert_int_equal(hear(s, text, sizeof(text)), IPC_REMOTE_RECORD);
	assert_string_equal(text, left);
}

static void
test_reports(void **state)
{
	struct request *r;
	struct result res;
	struct sides s;

	(void)state;
	result_init(&res);
	sides_init(&s);
	send_destination(&s, 0, "", "");
	send_whole(&s, 1, &for_two);
	r = requests_take(&s.q, 0, SIZE_MAX, 1);
	/* With a next host, deferred recipients are kept. */
	result_set(&r->rcpts[0].res, STATUS_SENT, "2.0.0", "ok");
	result_set(&r->rcpts[1].res, STATUS_DEFERRED, "4.2.0", "later");
	assert_int_equal(requests_settle(&s.q, r, "one", 1), 1);
	expect_heard(&s, "0 sent 2.0.0 one;", "1");
	assert_int_equal(requests_pass(r, "one", 1), 1);
	assert_int_equal(r->rcpts[0].res.status, STATUS_NONE);
	/* What a host said counts for more than that there is no other. */
	result_set(&res, STATUS_DEFERRED, "4.4.1", "nobody there");
	requests_refuse(&s.q, r, "two", &res);
	expect_heard(&s, "1 deferred 4.2.0 one;", "0");
	assert_int_equal(s.q.nopen, 0);

	send_whole(&s, 2, &for_two);
	r = requests_take(&s.q, 0, SIZE_MAX, 1);
	assert_int_equal(requests_pass(r, "one", 1), 0);	/* undecided */
	assert_int_equal(requests_settle(&s.q, r, "one", 0), 2);
	assert_null(s.q.out);
	requests_refuse(&s.q, r, "one", &res);
	expect_heard(&s, "0 deferred 4.4.1 one;1 deferred 4.4.1 one;", "0");
	result_fini(&res);
	sides_fini(&s);
}

static int
send_probe(struct sides *s)
{
	ipc_begin(&s->m, IPC_REMOTE_PROBE, 0);
	assert_int_equal(ipc_send(s->runner, &s->m), 0);
	return requests_read(&s->q);
}

/* After the destination, once, and a process that probes gets no mail. */
static void
test_probe(void **state)
{
	struct sides s;

	(void)state;
	sides_init(&s);
	assert_int_equal(send_probe(&s), -1);
	sides_fini(&s);

	sides_init(&s);
	send_destination(&s, 0, "", "");
	assert_int_equal(send_probe(&s), 1);
	assert_int_equal(s.q.probe, PROBE_WANTED);
	assert_int_equal(send_probe(&s), -1);
	sides_fini(&s);

	sides_init(&s);
	send_destination(&s, 0, "", "");
	assert_int_equal(send_probe(&s), 1);
	s.q.probe = PROBE_DONE;
	send_message(&s, 1, &good);
	assert_int_equal(requests_read(&s.q), -1);
	sides_fini(&s);

	sides_init(&s);
	send_destination(&s, 0, "", "");
	send_whole(&s, 1, &good);
	assert_int_equal(send_probe(&s), -1);
	sides_fini(&s);
}

/* One line with a password, before the probe, and only where it is awaited. */
static void
test_login_to_try(void **state)
{
	static const struct {
		const char *lines;
		int takes_login, want;
	} cases[] = {
		{ "me|a.test:secret\n", 1, 1 },
		{ "me|a.test:secret\n", 0, -1 },
		{ "", 1, -1 }, { "me\n", 1, -1 },
		{ "me|a.test:x\nme|b.test:y\n", 1, -1 },
		{ "host a.test user me password-file /etc/passwd\n", 1, -1 },
		{ "host a.test user me password-command /bin/x\n", 1, -1 },
		{ "host a.test external\n", 1, -1 },
	};
	struct sides s;
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		sides_init(&s);
		s.q.takes_login = cases[i].takes_login;
		send_destination(&s, DESTINATION_SENDER, "a.test", "");
		ipc_begin(&s.m, IPC_REMOTE_LOGIN, 0);
		ipc_put_str(&s.m, cases[i].lines);
		assert_int_equal(ipc_send(s.runner, &s.m), 0);
		assert_int_equal(requests_read(&s.q), cases[i].want);
		if (cases[i].want == 1) {
			assert_string_equal(auth_find(&s.q.login, "a.test",
			    NULL, 1)->password, "secret");
			assert_int_equal(ipc_send(s.runner, &s.m), 0);
			assert_int_equal(requests_read(&s.q), -1);
		}
		sides_fini(&s);
	}
}

static void
test_findings(void **state)
{
	char text[2 * PROBE_TEXT_MAX], about[PROBE_ABOUT_MAX];
	struct sides s;
	size_t len;

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	sides_init(&s);
	requests_finding(&s.q, PROBE_WARNING, "a.test", text);
	requests_probed(&s.q, 3);
	assert_int_equal(hear(&s, about, sizeof(about)), IPC_REMOTE_FINDING);
	assert_int_equal(ipc_get_u32(&s.m), PROBE_WARNING);
	ipc_get_text(&s.m, about, sizeof(about));
	assert_string_equal(about, "a.test");
	assert_non_null(ipc_get_bytes(&s.m, &len));
	assert_int_equal(len, PROBE_TEXT_MAX);
	assert_int_equal(ipc_done(&s.m), 0);
	assert_int_equal(hear(&s, about, sizeof(about)), IPC_REMOTE_PROBED);
	assert_int_equal(ipc_get_u32(&s.m), 3);
	assert_int_equal(ipc_done(&s.m), 0);
	sides_fini(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_records_out_of_shape),
		cmocka_unit_test(test_records_out_of_turn),
		cmocka_unit_test(test_cancels),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_suspect_has_few_tries),
		cmocka_unit_test(test_reports),
		cmocka_unit_test(test_probe),
		cmocka_unit_test(test_login_to_try),
		cmocka_unit_test(test_findings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
