/*
 * t_session.c - an SMTP session whose server is the test, and whose runner is,
 * too.
 * Runs as: a test.  Uses: socket pairs.
 * Promise: the same for all tests.
 */
#include <sys/socket.h>

#include <fcntl.h>
#include <unistd.h>

#include "lib/io.h"
#include "tests/unit/t_session.h"

#define NOW	100000

static int
no_names(const char *name, struct dns_host *hosts, size_t max, size_t *n,
    struct result *res)
{
	(void)name;
	(void)hosts;
	(void)max;
	*n = 0;
	return result_set(res, STATUS_DEFERRED, "4.4.3", "no names here");
}

static int
no_services(const char *name, int is_tls, struct dns_host *hosts, size_t max,
    size_t *n, struct result *res)
{
	(void)is_tls;
	return no_names(name, hosts, max, n, res);
}

static const struct hosts_lookup lookup = { no_names, no_services, NULL, NULL,
    NULL, NULL };

void
t_session_another(struct t_session *t)
{
	struct smtp_setup setup = { .helo = "me" };
	struct session *s = calloc(1, sizeof(*s));
	int fds[2];

	assert_non_null(s);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	assert_int_equal(io_nonblock(fds[0]), 0);
	s->net = &t->net;
	conn_init(&s->conn);
	s->conn.state = CONN_SETUP;
	s->conn.fd = fds[0];
	s->begun_ms = t->net.now_ms;
	text_copy(s->where, sizeof(s->where), "host");
	content_init(&s->mail.body);
	s->smtp = smtp_new(&setup);
	assert_non_null(s->smtp);
	s->next = t->net.sessions;
	t->net.sessions = s;
	t->net.nsessions++;
	t->s = s;
	t->server = fds[1];
	session_go_on(s);
}

void
t_session_init(struct t_session *t)
{
	int fds[2];

	memset(t, 0, sizeof(*t));
	conf_init(&t->conf);
	t->log.where = LOG_TO_FD;
	t->log.fd = -1;
	t->net.conf = &t->conf;
	t->net.auths = &t->auths;
	t->net.log = &t->log;
	t->net.now_ms = NOW;
	concurrency_init(&t->net.concurrency, 20);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds), 0);
	requests_init(&t->net.requests, fds[0]);
	t->runner = fds[1];
	assert_int_equal(hosts_init(&t->net.hosts, &t->conf, &t->conf.relays,
	    "x.test", &lookup), 0);
	t_session_another(t);
}

void
t_session_fini(struct t_session *t)
{
	struct session *s;

	while ((s = t->net.sessions) != NULL) {
		t->net.sessions = s->next;
		session_free(s);
	}
	hosts_fini(&t->net.hosts);
	close(t->net.requests.sock);
	requests_fini(&t->net.requests);
	close(t->runner);
	close(t->server);
	conf_fini(&t->conf);
}

struct request *
t_session_request(struct t_session *t)
{
	struct request *r = calloc(1, sizeof(*r));

	assert_non_null(r);
	r->id = ++t->nrequests;
	r->rcpts = calloc(1, sizeof(*r->rcpts));
	assert_non_null(r->rcpts);
	text_copy(r->sender, sizeof(r->sender), "ann@x");
	r->rcpts[0].address = "bob@y";
	r->nwanted = r->nrcpts = 1;
	r->text.fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	t->net.requests.nopen++;
	requests_put_last(&t->net.requests, r);
	return r;
}

void
t_session_say(struct t_session *t, const char *lines)
{
	size_t n;

	for (; *lines != '\0'; lines += n + 1) {
		n = strcspn(lines, "\n");
		assert_int_equal(write(t->server, lines, n), n);
		assert_int_equal(write(t->server, "\r\n", 2), 2);
	}
	session_serve(t->s, 1 /* anything */);
}

void
t_session_expect(struct t_session *t, const char *lines)
{
	char said[4096];
	struct buf b;
	ssize_t i, n;

	n = recv(t->server, said, sizeof(said), MSG_DONTWAIT);
	buf_init(&b, 0);
	for (i = 0; i < n; i++)
		if (said[i] != '\r')
			buf_putc(&b, said[i]);
	assert_string_equal(buf_str(&b), lines);
	buf_fini(&b);
}

void
t_session_ready(struct t_session *t)
{
	t_session_say(t, "220 hi\n");
	t_session_expect(t, "EHLO me\n");
	t_session_say(t, "250-x\n250 PIPELINING\n");
}
