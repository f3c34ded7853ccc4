/*
 * refusal_test.c - what a refused request is answered, for each question.
 */
#include <sys/socket.h>

#include <unistd.h>

#include "lib/result.h"
#include "priv/records.h"
#include "priv/refusal.h"
#include "tests/unit/t.h"

static void
test_the_answers(void **state)
{
	static const struct {
		enum refusal refusal;
		enum forward_verdict verdict;
		enum status status;
		const char *code;
	} cases[] = {
		/* Only what the sender can know is for good. */
		{ REFUSAL_LOOKUP, FORWARD_LATER, STATUS_DEFERRED, "4.3.0" },
		{ REFUSAL_NO_USER, FORWARD_NOUSER, STATUS_FAILED, "5.1.1" },
		{ REFUSAL_NO_ALIAS_USER, FORWARD_LATER, STATUS_DEFERRED,
		    "4.3.5" },
		{ REFUSAL_NOT_HERE, FORWARD_LATER, STATUS_FAILED, "5.7.1" },
	};
	const struct user user = { .name = "root" };
	struct delivery d;
	struct result res;
	struct ipc m;
	struct log log;
	int pair[2];
	size_t i;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	log_init(&log, "dma");
	log.where = LOG_TO_FD;
	log.fd = -1;
	memset(&d, 0, sizeof(d));
	d.id = 7;
	d.user = &user;
	d.channel = pair[1];
	ipc_init(&m);
	result_init(&res);
	for (i = 0; i < N(cases); i++) {
		d.kind = ROUTE_UNKNOWN;
		assert_int_equal(refusal_report(&d, cases[i].refusal, &log), 0);
		assert_int_equal(ipc_recv(pair[0], &m, IPC_CHANNEL_LIMIT), 1);
		assert_int_equal(m.kind, IPC_FORWARD_REPLY);
		assert_int_equal(ipc_get_u32(&m), cases[i].verdict);
		d.kind = ROUTE_PIPE;
		assert_int_equal(refusal_report(&d, cases[i].refusal, &log), 0);
		assert_int_equal(ipc_recv(pair[0], &m, IPC_CHANNEL_LIMIT), 1);
		assert_int_equal(m.kind, IPC_DELIVER_RESULT);
		assert_int_equal(m.id, 7);
		assert_int_equal(result_get(&m, &res), 0);
		assert_int_equal(res.status, cases[i].status);
		assert_string_equal(res.code, cases[i].code);
	}
	close(pair[0]);
	/* Nobody is there any more. */
	assert_int_equal(refusal_report(&d, REFUSAL_NO_USER, &log), 1);
	close(pair[1]);
	result_fini(&res);
	ipc_fini(&m);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_answers),
	};

	return cmocka_run_group_tests_name("refusal", tests, NULL, NULL);
}
