/*
 * result_test.c - a reason is one printable line, whoever wrote it.
 */
#include <sys/socket.h>
#include <unistd.h>

#include "lib/result.h"
#include "tests/unit/t.h"

static void
test_set(void **state)
{
	static const struct {
		enum status status;
		const char *code, *reason, *kept_code, *kept;
		int ret;
	} cases[] = {
		{ STATUS_SENT, "2.0.0", "ok", "2.0.0", "ok", 0 },
		{ STATUS_DEFERRED, "4.2.2", "full", "4.2.2", "full", -1 },
		{ STATUS_FAILED, "5.1.1", "550 no\r\n550 user", "5.1.1",
		    "550 no 550 user", -1 },
		{ STATUS_FAILED, "", "\033]0;x\007", "", "\\033]0;x\\007", -1 },
		{ STATUS_DEFERRED, "4.999.999", "", "4.999.999", "", -1 },
		{ STATUS_DEFERRED, "4.1234.12345", "too long a code", "",
		    "too long a code", -1 },
	};
	struct result res;
	size_t i;

	(void)state;
	result_init(&res);
	for (i = 0; i < N(cases); i++) {
		assert_int_equal(result_set(&res, cases[i].status,
		    cases[i].code, "%s", cases[i].reason), cases[i].ret);
		assert_int_equal(res.status, cases[i].status);
		assert_string_equal(res.code, cases[i].kept_code);
		assert_string_equal(res.reason, cases[i].kept);
	}
	result_fini(&res);
	assert_null(res.reason);
	assert_int_equal(res.status, STATUS_NONE);
	result_fini(&res);
}

static void
test_why_is_bounded(void **state)
{
	struct result res;
	char *text;

	(void)state;
	text = malloc(3 * REASON_MAX);
	assert_non_null(text);
	memset(text, '\377', 3 * REASON_MAX - 1);
	text[3 * REASON_MAX - 1] = '\0';
	result_init(&res);
	result_set(&res, STATUS_DEFERRED, "4.0.0", "%s", text);
	assert_true(strlen(res.reason) <= REASON_MAX);
	assert_true(strlen(res.reason) > REASON_MAX - 8);
	assert_int_equal(strlen(res.reason) % 4, 0);	/* no escape is cut */
	result_fini(&res);
	free(text);
}

static void
test_set_from_itself(void **state)
{
	struct result res;

	(void)state;
	result_init(&res);
	result_set(&res, STATUS_DEFERRED, "4.4.1", "timed out");
	result_set(&res, STATUS_FAILED, "4.4.7", "given up: %s", res.reason);
	assert_string_equal(res.reason, "given up: timed out");
	assert_int_equal(res.status, STATUS_FAILED);
	result_fini(&res);
}

static void
test_copy(void **state)
{
	struct result a, b;

	(void)state;
	result_init(&a);
	result_init(&b);
	result_set(&a, STATUS_FAILED, "5.1.1", "no such user");
	result_set(&b, STATUS_DEFERRED, "4.0.0", "other");
	result_copy(&b, &a);
	assert_int_equal(b.status, STATUS_FAILED);
	assert_string_equal(b.code, "5.1.1");
	assert_string_equal(b.reason, "no such user");
	assert_ptr_not_equal(b.reason, a.reason);
	result_copy(&a, &a);
	assert_string_equal(a.reason, "no such user");
	result_fini(&a);
	result_copy(&b, &a);
	assert_null(b.reason);
	assert_int_equal(b.status, STATUS_NONE);
	result_fini(&b);
}

static void
assert_put(void (*put)(struct buf *, const struct result *),
    const struct result *res, const char *want)
{
	struct buf b;

	buf_init(&b, 0);
	put(&b, res);
	assert_string_equal(buf_str(&b), want);
	buf_fini(&b);
}

/* The reason is for everybody, the detail for the log and root. */
static void
test_detail(void **state)
{
	struct result res;

	(void)state;
	result_init(&res);
	assert_put(result_put_full, &res, "");
	assert_int_equal(result_set(&res, STATUS_DEFERRED, "4.2.0",
	    "mailbox cannot be used now"), -1);
	assert_put(result_put_full, &res, "mailbox cannot be used now");
	assert_int_equal(result_detail(&res, "/m/%s:\n%s", "bob", "a link"),
	    -1);
	assert_put(result_put_reason, &res, "mailbox cannot be used now");
	assert_put(result_put_full, &res, "mailbox cannot be used now "
	    "(/m/bob: a link)");
	result_quote(&res, SOURCE_SERVER, STATUS_FAILED, "5.1.1", "550 no");
	assert_null(res.detail);
	result_from_server(&res, "mx[192.0.2.1]");
	assert_put(result_put_reason, &res, "mx[192.0.2.1] said: 550 no");
	result_set(&res, STATUS_DEFERRED, "4.4.1", "connect: refused");
	assert_null(res.server);
	result_detail(&res, "errno");
	result_from_server(&res, "mx[192.0.2.1] port 25");
	assert_put(result_put_full, &res,
	    "mx[192.0.2.1] port 25: connect: refused (errno)");
	assert_put(result_put_bare, &res, "connect: refused (errno)");
	result_set(&res, STATUS_SENT, "2.0.0", "%s", "");
	assert_null(res.server);
	assert_int_equal(res.source, SOURCE_US);
	assert_int_equal(result_detail(&res, "in /m/bob"), 0);
	assert_put(result_put_full, &res, "in /m/bob");
	result_fini(&res);
}

static void
send_and_get(const struct result *res, int cut, int want, struct result *got)
{
	struct ipc m;
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	ipc_init(&m);
	ipc_begin(&m, 1, 1);
	result_put(&m, res);
	m.fields.len -= (size_t)cut;
	assert_int_equal(ipc_send(pair[0], &m), 0);
	assert_int_equal(ipc_recv(pair[1], &m, IPC_LIMIT), 1);
	assert_int_equal(result_get(&m, got), want);
	ipc_fini(&m);
	close(pair[0]);
	close(pair[1]);
}

static void
test_ipc(void **state)
{
	struct result got, res;

	(void)state;
	result_init(&res);
	result_init(&got);
	send_and_get(&res, 0, -1, &got);	/* STATUS_NONE says nothing */
	result_quote(&res, SOURCE_COMMAND, STATUS_FAILED, "5.3.0", "exit 1");
	result_detail(&res, "/bin/x");
	send_and_get(&res, 0, 0, &got);
	assert_true(result_is_same(&res, &got));
	send_and_get(&res, 1, -1, &got);
	assert_null(got.reason);
	res.source = SOURCE__MAX;
	send_and_get(&res, 0, -1, &got);
	res.source = SOURCE_US;
	res.status = (enum status)(STATUS_FAILED + 1);
	send_and_get(&res, 0, -1, &got);
	result_fini(&got);
	result_fini(&res);
}

static void
test_names(void **state)
{
	(void)state;
	assert_string_equal(status_name(STATUS_NONE), "open");
	assert_string_equal(status_name(STATUS_SENT), "sent");
	assert_string_equal(status_name(STATUS_DEFERRED), "deferred");
	assert_string_equal(status_name(STATUS_FAILED), "failed");
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_set),
		cmocka_unit_test(test_why_is_bounded),
		cmocka_unit_test(test_set_from_itself),
		cmocka_unit_test(test_copy),
		cmocka_unit_test(test_detail),
		cmocka_unit_test(test_ipc),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests_name("result", tests, NULL, NULL);
}
