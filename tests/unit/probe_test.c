/*
 * probe_test.c - what a probe says to servers and finds; the servers are
 * processes of the test.
 */
#include <sys/socket.h>
#include <sys/wait.h>
#include <netinet/in.h>

#include <signal.h>
#include <unistd.h>

#include "lib/io.h"
#include "lib/ipc.h"
#include "net/probe.h"
#include "priv/records.h"
#include "tests/unit/t.h"

#define SERVERS		2
#define WAIT_S		60	/* that a server lives without a client */

/* What a server says: at first, and after each line that it gets. */
struct script {
	const char	*says[4];
};

struct server {
	uint16_t	 port;
	pid_t		 pid;
	int		 heard;		/* what it was sent, to its end */
};

struct world {
	struct conf	 conf;
	struct auths	 auths;
	struct log	 log;
	struct net	 net;
	struct relays	 relays;
	int		 front_end;
	struct server	 servers[SERVERS];
};

/* ---- servers ---- */

static _Noreturn void
serve(int listener, const struct script *script, int heard)
{
	char line[512];
	ssize_t n;
	size_t i;
	int fd;

	(void)alarm(WAIT_S);
	fd = accept(listener, NULL, NULL);
	for (i = 0; fd != -1 && i < N(script->says) &&
	    script->says[i] != NULL; i++) {
		(void)io_write_all(fd, script->says[i],
		    strlen(script->says[i]));
		n = read(fd, line, sizeof(line));
		if (n <= 0)
			break;
		(void)io_write_all(heard, line, (size_t)n);
	}
	_exit(0);
}

/* Without a script, nobody listens. */
static void
start_server(struct server *s, const struct script *script)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	socklen_t len = sizeof(sin);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), fds[2];

	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sin, &len), 0);
	s->port = ntohs(sin.sin_port);
	assert_int_equal(pipe(fds), 0);
	s->heard = fds[0];
	if (script != NULL) {
		assert_int_equal(listen(fd, 4), 0);
		fflush(NULL);
		s->pid = fork();
		assert_true(s->pid != -1);
		if (s->pid == 0)
			serve(fd, script, fds[1]);
	}
	close(fds[1]);
	close(fd);
}

/* One that was not asked is still there. */
static void
end_server(struct server *s, struct buf *heard)
{
	char bytes[512];
	ssize_t i, n;

	if (s->pid != 0) {
		(void)kill(s->pid, SIGTERM);
		assert_int_equal(waitpid(s->pid, NULL, 0), s->pid);
	}
	while ((n = read(s->heard, bytes, sizeof(bytes))) > 0)
		for (i = 0; i < n; i++)
			if (bytes[i] != '\r')
				buf_putc(heard, bytes[i]);
	close(s->heard);
}

/* ---- names ---- */

static int
no_tlsa(const char *host, uint16_t port, struct tlsas **tlsas,
    struct result *res)
{
	(void)host;
	(void)port;
	(void)res;
	*tlsas = NULL;
	return 0;
}

static int
is_not_self(const struct dns_addr *addr)
{
	(void)addr;
	return 0;
}

/* The order of the list. */
static uint32_t
no_random(uint32_t below)
{
	(void)below;
	return 0;
}

static const struct hosts_lookup lookup = { NULL, NULL, dns_addrs, no_tlsa,
    is_not_self, no_random };

/* ---- the world ---- */

static void
begin(struct world *w, const struct script *const *scripts, size_t n)
{
	struct buf list;
	int fds[2];
	size_t i;

	memset(w, 0, sizeof(*w));
	assert_int_equal(conf_init(&w->conf), 0);
	w->conf.names.mailname = strdup("me.test");
	w->log.where = LOG_TO_FD;
	w->log.fd = -1;
	w->net.conf = &w->conf;
	w->net.auths = &w->auths;
	w->net.log = &w->log;
	w->net.now_ms = io_clock_ms();
	concurrency_init(&w->net.concurrency, 20);
	buf_init(&list, 0);
	for (i = 0; i < n; i++) {
		start_server(&w->servers[i], scripts[i]);
		buf_printf(&list, "%s127.0.0.1:%u", i > 0 ? " " : "",
		    (unsigned)w->servers[i].port);
	}
	assert_null(relays_parse(&w->relays, buf_str(&list)));
	buf_fini(&list);
	/* The servers do not have it. */
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0,
	    fds), 0);
	requests_init(&w->net.requests, fds[0]);
	w->front_end = fds[1];
	assert_int_equal(hosts_init(&w->net.hosts, &w->conf, &w->relays, "",
	    &lookup), 0);
}

static void
end(struct world *w)
{
	hosts_fini(&w->net.hosts);
	close(w->net.requests.sock);
	requests_fini(&w->net.requests);
	io_close(&w->front_end);
	relays_fini(&w->relays);
	conf_fini(&w->conf);
}

/* "level text\n" for each finding, then the hosts that take mail. */
static void
take_findings(struct world *w, struct buf *found)
{
	struct ipc m;
	char about[PROBE_ABOUT_MAX];
	const char *text;
	size_t n;
	uint32_t level;

	assert_int_equal(requests_write(&w->net.requests), 0);
	ipc_init(&m);
	while (ipc_recv(w->front_end, &m, IPC_REMOTE_LIMIT) == 1) {
		level = ipc_get_u32(&m);
		if (m.kind == IPC_REMOTE_PROBED) {
			buf_printf(found, "%u ready", (unsigned)level);
			break;
		}
		assert_int_equal(m.kind, IPC_REMOTE_FINDING);
		ipc_get_text(&m, about, sizeof(about));
		assert_int_equal(strncmp(about, "127.0.0.1", 9), 0);
		text = ipc_get_bytes(&m, &n);
		assert_int_equal(ipc_done(&m), 0);
		buf_printf(found, "%u %.*s\n", (unsigned)level, (int)n, text);
	}
	ipc_fini(&m);
}

/* ---- cases ---- */

static const struct script good = { { "220 hi\r\n", "250 x\r\n",
    "221 bye\r\n" } },
    full = { { "554 go away\r\n" } },
    silent = { { "" } },
    rude = { { "220 hi\r\n", "550 not you\r\n", "550 nor so\r\n" } };

#define CLEAR	"1 mail is sent without TLS: the server does not offer " \
		"STARTTLS\n0 ready for mail, without a login\n"

static void
test_what_is_found(void **state)
{
	static const struct {
		const char *name;
		const struct script *scripts[SERVERS];
		size_t n;
		const char *found;	/* parts of it, in order */
		const char *heard[SERVERS];	/* its beginning */
	} cases[] = {
		{ "good", { &good }, 1, CLEAR "1 ready", { "EHLO me.test\n" } },
		{ "full", { &full }, 1, "2 greeting: the server said: ",
		    { "" } },
		{ "rude", { &rude }, 1, "2 EHLO: the server said: ",
		    { "EHLO me.test\n" } },
		{ "nobody", { NULL }, 1, "2 ", { "" } },
		{ "the second", { &full, &good }, 2,
		    "1 greeting: the server said: ", { "", "EHLO me.test\n" } },
		{ "both", { &good, &good }, 2, CLEAR CLEAR "2 ready",
		    { "EHLO me.test\n", "EHLO me.test\n" } },
	};
	struct buf found, heard;
	struct world w;
	size_t i, j;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		buf_init(&found, 0);
		begin(&w, cases[i].scripts, cases[i].n);
		probe(&w.net);
		assert_int_equal(w.net.requests.probe, PROBE_DONE);
		assert_int_equal(w.net.nsessions, 0);
		take_findings(&w, &found);
		if (strncmp(buf_str(&found), cases[i].found,
		    strlen(cases[i].found)) != 0)
			fail_msg("%s: %s", cases[i].name, buf_str(&found));
		for (j = 0; j < cases[i].n; j++) {
			buf_init(&heard, 0);
			end_server(&w.servers[j], &heard);
			assert_int_equal(strncmp(buf_str(&heard),
			    cases[i].heard[j], strlen(cases[i].heard[j])), 0);
			assert_null(strstr(buf_str(&heard), "MAIL"));
			if (cases[i].scripts[j] == &good)
				assert_non_null(strstr(buf_str(&heard),
				    "QUIT\n"));
			buf_fini(&heard);
		}
		end(&w);
		buf_fini(&found);
	}
}

/* A server that says nothing holds nobody who has left. */
static void
test_it_ends_with_whoever_wanted_to_know(void **state)
{
	const struct script *const scripts[] = { &silent, &good };
	struct buf heard;
	struct world w;
	size_t i;

	(void)state;
	begin(&w, scripts, N(scripts));
	io_close(&w.front_end);
	probe(&w.net);
	assert_int_equal(w.net.nsessions, 0);
	for (i = 0; i < N(scripts); i++) {
		buf_init(&heard, 0);
		end_server(&w.servers[i], &heard);
		assert_string_equal(buf_str(&heard), "");
		buf_fini(&heard);
	}
	end(&w);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_found),
		cmocka_unit_test(test_it_ends_with_whoever_wanted_to_know),
	};

	return cmocka_run_group_tests_name("probe", tests, NULL, NULL);
}
