/*
 * check_connect_test.c - what a dma-remote that probes is believed.
 * The test is dma-remote.
 */
#include <sys/socket.h>

#include <unistd.h>

#include "lib/ipc.h"
#include "priv/records.h"
#include "priv/request.h"
#include "submit/check_connect.h"
#include "tests/unit/t.h"

/* What it says, and what it was asked. */
static struct {
	void	(*say)(int sock);
	int	 sock;		/* its end */
	int	 is_missing, is_given;
	unsigned nstarted;
} remote;

int
request_probe(int is_given)
{
	int pair[2];

	assert_int_equal(is_given, remote.is_given);
	if (remote.is_missing)
		return -1;
	if (remote.nstarted++ > 0)
		close(remote.sock);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	remote.sock = pair[1];
	remote.say(pair[1]);
	assert_int_equal(shutdown(pair[1], SHUT_WR), 0);
	return pair[0];
}

static void
put_finding(int sock, uint32_t level, const char *about, const char *text)
{
	struct ipc m;

	ipc_init(&m);
	ipc_begin(&m, IPC_REMOTE_FINDING, 0);
	ipc_put_u32(&m, level);
	ipc_put_bytes(&m, about, strlen(about));
	ipc_put_bytes(&m, text, strlen(text));
	assert_int_equal(ipc_send(sock, &m), 0);
	ipc_fini(&m);
}

static void
put_end(int sock)
{
	struct ipc m;

	ipc_init(&m);
	ipc_begin(&m, IPC_REMOTE_PROBED, 0);
	ipc_put_u32(&m, 1);
	assert_int_equal(ipc_send(sock, &m), 0);
	ipc_fini(&m);
}

static void
say_all(int sock)
{
	struct ipc m;

	ipc_init(&m);
	ipc_begin(&m, IPC_REMOTE_LOG, 0);
	assert_int_equal(ipc_send(sock, &m), 0);
	ipc_fini(&m);
	put_finding(sock, PROBE_OK, "a.test", "good");
	put_finding(sock, PROBE_WARNING, "b.test", "not\n\033[2Jso good");
	put_finding(sock, PROBE_ERROR, "c.test", "bad");
	put_end(sock);
	put_finding(sock, PROBE_ERROR, "late", "too late");
}

static void
say_nothing(int sock)
{
	(void)sock;
}

static void
say_a_part(int sock)
{
	put_finding(sock, PROBE_OK, "a.test", "good");
}

static void
say_odd_level(int sock)
{
	put_finding(sock, PROBE_ERROR + 1, "a.test", "odd");
	put_end(sock);
}

static void
say_controls(int sock)
{
	put_finding(sock, PROBE_OK, "a\nerror b", "odd");
	put_end(sock);
}

static void
say_too_much(int sock)
{
	char text[PROBE_TEXT_MAX + 2];

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	put_finding(sock, PROBE_OK, "a.test", text);
	put_end(sock);
}

static void
say_another_record(int sock)
{
	struct ipc m;

	ipc_init(&m);
	ipc_begin(&m, IPC_REMOTE_STATUS, 0);
	assert_int_equal(ipc_send(sock, &m), 0);
	ipc_fini(&m);
	put_end(sock);
}

static void
say_trouble(int sock)
{
	struct ipc m;

	ipc_init(&m);
	ipc_begin(&m, IPC_REMOTE_TROUBLE, 0);
	ipc_put_str(&m, "auth.conf cannot be read");
	assert_int_equal(ipc_send(sock, &m), 0);
	ipc_fini(&m);
}

/* What it prints, read back from a file that stands for standard output. */
static void
assert_printed(const struct conf *conf, const char *expected)
{
	struct findings f = { .form = FINDINGS_LINES };
	FILE *file = tmpfile();
	int out = dup(STDOUT_FILENO);
	char got[8192];
	size_t n;

	assert_non_null(file);
	fflush(stdout);
	assert_int_equal(dup2(fileno(file), STDOUT_FILENO), STDOUT_FILENO);
	check_connect(&f, conf);
	fflush(stdout);
	assert_int_equal(dup2(out, STDOUT_FILENO), STDOUT_FILENO);
	close(out);
	rewind(file);
	n = fread(got, 1, sizeof(got) - 1, file);
	fclose(file);
	got[n] = '\0';
	assert_string_equal(got, expected);
}

#define ENDED	"error   dma-remote: ended before all was tried\n"

static void
test_what_it_says(void **state)
{
	static const struct {
		void	(*say)(int);
		const char *printed;
	} cases[] = {
		{ say_all, "ok      a.test: good\n"
		    "warning b.test: not \\033[2Jso good\n"
		    "error   c.test: bad\n" },
		{ say_nothing, ENDED },
		{ say_a_part, "ok      a.test: good\n" ENDED },
		{ say_odd_level, ENDED },
		{ say_controls, ENDED },
		{ say_too_much, ENDED },
		{ say_another_record, ENDED },
		{ say_trouble, "error   dma-remote: auth.conf cannot be "
		    "read\n" },
	};
	struct conf conf;
	size_t i;

	(void)state;
	assert_int_equal(conf_init(&conf), 0);
	assert_null(relays_parse(&conf.relays, "a.test"));
	for (i = 0; i < N(cases); i++) {
		remote.say = cases[i].say;
		assert_printed(&conf, cases[i].printed);
	}
	remote.is_missing = 1;
	assert_printed(&conf, "error   dma-remote: cannot be started\n");
	remote.is_missing = 0;
	conf_fini(&conf);
}

static void
test_what_it_is_asked(void **state)
{
	struct conf conf;
	struct ipc m;

	(void)state;
	remote.say = put_end;
	remote.nstarted = 0;
	assert_int_equal(conf_init(&conf), 0);
	assert_printed(&conf, "ok      relay: none to connect to: try an "
	    "address with --to\n");
	assert_null(relays_parse(&conf.relays, "a.test"));
	conf.limits.is_noremote = 1;
	assert_printed(&conf, "");
	assert_int_equal(remote.nstarted, 0);
	conf.limits.is_noremote = 0;
	assert_printed(&conf, "");
	assert_int_equal(remote.nstarted, 1);
	ipc_init(&m);
	assert_int_equal(ipc_recv(remote.sock, &m, IPC_REMOTE_LIMIT), 1);
	assert_int_equal(m.kind, IPC_REMOTE_DESTINATION);
	assert_int_equal(ipc_get_u32(&m), DESTINATION_SMARTHOST);
	assert_int_equal(ipc_recv(remote.sock, &m, IPC_REMOTE_LIMIT), 1);
	assert_int_equal(m.kind, IPC_REMOTE_PROBE);
	assert_int_equal(ipc_recv(remote.sock, &m, IPC_REMOTE_LIMIT), 0);
	ipc_fini(&m);
	conf_fini(&conf);
}

static void
test_login_that_is_given(void **state)
{
	static const char login[] = "me|a.test:secret\n";
	struct findings f = { .form = FINDINGS_LINES };
	struct ipc m;
	size_t n;

	(void)state;
	remote.say = put_end;
	remote.is_given = 1;
	check_connect_given(&f, "a.test:587", login);
	remote.is_given = 0;
	ipc_init(&m);
	assert_int_equal(ipc_recv(remote.sock, &m, IPC_REMOTE_LIMIT), 1);
	assert_int_equal(m.kind, IPC_REMOTE_DESTINATION);
	assert_int_equal(ipc_get_u32(&m), DESTINATION_SENDER);
	assert_int_equal(ipc_recv(remote.sock, &m, IPC_REMOTE_LIMIT), 1);
	assert_int_equal(m.kind, IPC_REMOTE_LOGIN);
	assert_memory_equal(ipc_get_bytes(&m, &n), login, strlen(login));
	assert_int_equal(n, strlen(login));
	assert_int_equal(ipc_recv(remote.sock, &m, IPC_REMOTE_LIMIT), 1);
	assert_int_equal(m.kind, IPC_REMOTE_PROBE);
	assert_int_equal(ipc_recv(remote.sock, &m, IPC_REMOTE_LIMIT), 0);
	assert_int_equal(f.n[FINDING_ERROR], 0);
	ipc_fini(&m);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_it_says),
		cmocka_unit_test(test_what_it_is_asked),
		cmocka_unit_test(test_login_that_is_given),
	};

	return cmocka_run_group_tests_name("check_connect", tests, NULL,
	    NULL);
}
