/*
 * net_test.c - the loop as a whole, in a process of its own: the test is its
 * runner and the server.
 */
#include <sys/socket.h>
#include <sys/wait.h>
#include <netinet/in.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <sysexits.h>
#include <unistd.h>

#include "conf/auth.h"
#include "lib/ipc.h"
#include "lib/result.h"
#include "net.h"
#include "priv/records.h"
#include "tests/unit/t.h"

struct whole {
	pid_t	 pid;
	int	 runner;	/* socket to it */
	int	 listener;
	char	 relay[32];	/* "127.0.0.1:PORT" */
	int	 nunreached;	/* times that no host was reached */
	struct ipc m;
};

static void
whole_init(struct whole *w)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	socklen_t len = sizeof(sin);
	struct auths auths = { 0 };
	struct conf conf;
	struct log log;
	int fds[2];

	w->nunreached = 0;
	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	w->listener = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(w->listener, (struct sockaddr *)&sin, len), 0);
	assert_int_equal(getsockname(w->listener, (struct sockaddr *)&sin,
	    &len), 0);
	snprintf(w->relay, sizeof(w->relay), "127.0.0.1:%u",
	    (unsigned)ntohs(sin.sin_port));
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds), 0);
	ipc_init(&w->m);
	assert_int_equal(conf_init(&conf), 0);
	conf.names.mailname = strdup("me");
	log_init(&log, "test");
	log.where = LOG_TO_FD;
	log.fd = -1;
	w->pid = fork();
	if (w->pid == 0) {
		close(fds[1]);
		close(w->listener);
		_exit(net_main(fds[0], -1, &conf, &auths, &log));
	}
	assert_true(w->pid > 0);
	conf_fini(&conf);
	close(fds[0]);
	w->runner = fds[1];
}

/* Its runner has nothing more for it: the status that it ends with. */
static int
whole_fini(struct whole *w)
{
	int status;

	close(w->runner);
	assert_int_equal(waitpid(w->pid, &status, 0), w->pid);
	ipc_fini(&w->m);
	close(w->listener);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void
send_message(struct whole *w, uint32_t id)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	ipc_begin(&w->m, IPC_REMOTE_MESSAGE, id);
	ipc_put_str(&w->m, "id");
	ipc_put_str(&w->m, "ann@x");
	ipc_put_u32(&w->m, 0);
	ipc_put_u64(&w->m, 0);
	ipc_put_u64(&w->m, 0);
	ipc_put_u64(&w->m, 0);
	ipc_put_u32(&w->m, 1);
	ipc_put_u32(&w->m, 0);
	ipc_put_str(&w->m, "");
	ipc_put_u32(&w->m, 0);
	ipc_put_u32(&w->m, 0);
	ipc_put_u64(&w->m, 0);
	ipc_put_fd(&w->m, fd);
	assert_int_equal(ipc_send(w->runner, &w->m), 0);
	ipc_begin(&w->m, IPC_REMOTE_RECIPIENTS, id);
	ipc_put_u32(&w->m, 0);
	ipc_put_str(&w->m, "bob@y");
	ipc_put_u32(&w->m, 0);
	ipc_put_str(&w->m, "");
	assert_int_equal(ipc_send(w->runner, &w->m), 0);
	close(fd);
}

static void
send_destination(struct whole *w)
{
	ipc_begin(&w->m, IPC_REMOTE_DESTINATION, 0);
	ipc_put_u32(&w->m, DESTINATION_SENDER);
	ipc_put_str(&w->m, w->relay);
	ipc_put_str(&w->m, "");
	ipc_put_u32(&w->m, 0);
	assert_int_equal(ipc_send(w->runner, &w->m), 0);
}

/* The next status and the record after it: "1 sent 2.0.0". */
static void
expect_status(struct whole *w, const char *text)
{
	struct result res;
	char got[64];

	result_init(&res);
	do {
		assert_int_equal(ipc_recv(w->runner, &w->m, IPC_REMOTE_LIMIT),
		    1);
		w->nunreached += w->m.kind == IPC_REMOTE_NO_HOST;
	} while (w->m.kind == IPC_REMOTE_NO_HOST);
	assert_int_equal(w->m.kind, IPC_REMOTE_STATUS);
	assert_int_equal(ipc_get_u32(&w->m), 0);
	assert_int_equal(result_get(&w->m, &res), 0);
	snprintf(got, sizeof(got), "%u %s %s", (unsigned)w->m.id,
	    status_name(res.status), res.code);
	assert_string_equal(got, text);
	result_fini(&res);
	assert_int_equal(ipc_recv(w->runner, &w->m, IPC_REMOTE_LIMIT), 1);
	assert_int_equal(w->m.kind, IPC_REMOTE_RECORD);
	assert_int_equal(ipc_get_u32(&w->m), 0);
}

/* Says that, once the client's line that begins so is there. */
static void
converse(FILE *f, const char *command, const char *reply)
{
	char line[256];

	do {
		assert_non_null(fgets(line, sizeof(line), f));
	} while (strncmp(line, command, strlen(command)) != 0);
	fputs(reply, f);
	fflush(f);
}

static void
test_two_messages_one_connection(void **state)
{
	struct whole w;
	FILE *f;
	int i;

	(void)state;
	whole_init(&w);
	assert_int_equal(listen(w.listener, 5), 0);
	send_destination(&w);
	send_message(&w, 1);
	f = fdopen(accept(w.listener, NULL, NULL), "r+");
	assert_non_null(f);
	setvbuf(f, NULL, _IONBF, 0);
	fputs("220 hi\r\n", f);
	converse(f, "EHLO me\r\n", "250 x\r\n");
	for (i = 1; i <= 2; i++) {
		converse(f, "MAIL", "250 ok\r\n");
		converse(f, "RCPT", "250 ok\r\n");
		converse(f, "DATA", "354 go\r\n");
		converse(f, ".\r\n", "250 2.0.0 taken\r\n");
		expect_status(&w, i == 1 ? "1 sent 2.0.0" : "2 sent 2.0.0");
		if (i == 1)
			send_message(&w, 2);
	}
	shutdown(w.runner, SHUT_WR);
	converse(f, "QUIT\r\n", "221 bye\r\n");
	fclose(f);
	assert_int_equal(whole_fini(&w), EX_OK);
}

static void
test_nobody_listens(void **state)
{
	struct whole w;

	(void)state;
	whole_init(&w);
	send_destination(&w);
	send_message(&w, 1);
	send_message(&w, 2);
	expect_status(&w, "1 deferred 4.4.1");
	expect_status(&w, "2 deferred 4.4.1");
	assert_in_range(w.nunreached, 1, 2);
	assert_int_equal(whole_fini(&w), EX_OK);
}

static void
send_probe(struct whole *w)
{
	send_destination(w);
	ipc_begin(&w->m, IPC_REMOTE_PROBE, 0);
	assert_int_equal(ipc_send(w->runner, &w->m), 0);
}

/* The next finding; what is logged is passed over. */
static void
expect_finding(struct whole *w, enum probe_level level, const char *expected)
{
	char about[PROBE_ABOUT_MAX], text[PROBE_TEXT_MAX];
	const char *bytes;
	size_t len;

	do {
		assert_int_equal(ipc_recv(w->runner, &w->m, IPC_REMOTE_LIMIT),
		    1);
	} while (w->m.kind == IPC_REMOTE_LOG);
	assert_int_equal(w->m.kind, IPC_REMOTE_FINDING);
	assert_int_equal(ipc_get_u32(&w->m), level);
	ipc_get_text(&w->m, about, sizeof(about));
	assert_memory_equal(about, "127.0.0.1 port ", 15);
	bytes = ipc_get_bytes(&w->m, &len);
	assert_int_equal(ipc_done(&w->m), 0);
	snprintf(text, sizeof(text), "%.*s", (int)len, bytes);
	assert_string_equal(text, expected);
}

static void
expect_probed(struct whole *w, uint32_t nready)
{
	assert_int_equal(ipc_recv(w->runner, &w->m, IPC_REMOTE_LIMIT), 1);
	assert_int_equal(w->m.kind, IPC_REMOTE_PROBED);
	assert_int_equal(ipc_get_u32(&w->m), nready);
}

static void
test_probe(void **state)
{
	struct whole w;
	FILE *f;

	(void)state;
	whole_init(&w);
	assert_int_equal(listen(w.listener, 5), 0);
	send_probe(&w);
	f = fdopen(accept(w.listener, NULL, NULL), "r+");
	assert_non_null(f);
	setvbuf(f, NULL, _IONBF, 0);
	fputs("220 hi\r\n", f);
	converse(f, "EHLO me\r\n", "250 x\r\n");
	converse(f, "QUIT\r\n", "221 bye\r\n");
	fclose(f);
	expect_finding(&w, PROBE_WARNING, "mail is sent without TLS: the "
	    "server does not offer STARTTLS");
	expect_finding(&w, PROBE_OK, "ready for mail, without a login");
	expect_probed(&w, 1);
	assert_int_equal(whole_fini(&w), EX_OK);
}

static void
test_probe_of_nobody(void **state)
{
	struct whole w;

	(void)state;
	whole_init(&w);
	send_probe(&w);
	expect_finding(&w, PROBE_ERROR, "connect: Connection refused");
	expect_probed(&w, 0);
	assert_int_equal(whole_fini(&w), EX_OK);
}

/* The host says nothing, and whoever asked is gone: so it ends. */
static void
test_probe_for_nobody(void **state)
{
	struct whole w;

	(void)state;
	whole_init(&w);
	assert_int_equal(listen(w.listener, 5), 0);
	send_probe(&w);
	assert_int_equal(whole_fini(&w), EX_OK);
}

static void
test_runner_out_of_turn(void **state)
{
	struct whole w;

	(void)state;
	whole_init(&w);
	send_message(&w, 1);	/* without a destination */
	assert_int_equal(whole_fini(&w), EX_PROTOCOL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_two_messages_one_connection),
		cmocka_unit_test(test_nobody_listens),
		cmocka_unit_test(test_runner_out_of_turn),
		cmocka_unit_test(test_probe),
		cmocka_unit_test(test_probe_of_nobody),
		cmocka_unit_test(test_probe_for_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
