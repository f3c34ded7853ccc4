/*
 * smtpd_session_test.c - sessions over sockets, in a loop, with a module that
 * ends pauses and verdicts at odd times.
 */
#include <sys/socket.h>
#include <netinet/in.h>

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "smtpd/dialogue.h"
#include "smtpd/session.h"
#include "smtpd/smtpd_session.h"
#include "tests/unit/t.h"

/* What a module remembers of the last session. */
struct memory {
	struct smtpd_session *session;
	size_t		 out_max;	/* unsent bytes that it has seen */
	unsigned	 nhelos, ndisconnects;
	enum smtpd_verdict mail;
	int		 does_pause;	/* with MAIL; ended by reset() */
};

static enum smtpd_verdict
on_helo(void *self, struct smtpd_session *s, const char *name)
{
	struct memory *m = self;

	(void)name;
	m->nhelos++;
	if (s->out->len > m->out_max)
		m->out_max = s->out->len;
	return SMTPD_PASS;
}

static enum smtpd_verdict
on_mail(void *self, struct smtpd_session *s, const char *path)
{
	struct memory *m = self;

	(void)path;
	m->session = s;
	if (m->does_pause)
		smtpd_pause(s, 1);
	return m->mail;
}

static void
on_reset(void *self, struct smtpd_session *s)
{
	const struct memory *m = self;

	if (m->does_pause)
		smtpd_pause(s, 0);
}

static void
on_disconnect(void *self, struct smtpd_session *s)
{
	struct memory *m = self;

	m->ndisconnects++;
	smtpd_pause(s, 1);
	smtpd_pause(s, 0);
	smtpd_finish(s, SMTPD_PERMANENT);
}

static const struct smtpd_module remembering = {
	.abi = SMTPD_MODULE_ABI, .size = sizeof(struct smtpd_module),
	.name = "remembering", .helo = on_helo, .mail = on_mail,
	.reset = on_reset, .disconnect = on_disconnect
};

struct world {
	struct smtpd_config conf;
	struct smtpd_host host;
	struct memory	 memory;
	int		 client;
};

static struct world *
world_new(void)
{
	struct world *w = calloc(1, sizeof(*w));
	struct smtpd_host *h = &w->host;

	assert_non_null(w);
	assert_int_equal(conf_parse(&w->conf, "", 0, "conf", NULL,
	    &report_quiet), 0);
	h->conf = &w->conf;
	log_init(&h->log, "dma-smtpd");
	h->log.level = LOG_LEVEL_ERROR;
	(void)text_copy(h->name, sizeof(h->name), "mx.test");
	assert_int_equal(loop_init(&h->loop), 0);
	h->scoreboard = scoreboard_new(1, 16);
	assert_non_null(h->scoreboard);
	h->slot = scoreboard_take_slot(h->scoreboard, 1);
	h->counters = scoreboard_counters(h->scoreboard, h->slot);
	h->modules[0] = (struct module){ .hooks = &remembering,
	    .self = &w->memory, .name = "remembering" };
	h->nmodules = 1;
	return w;
}

/* Everything has to be gone: sessions, timers, connections that count. */
static void
world_free(struct world *w)
{
	struct smtpd_host *h = &w->host;

	close(w->client);
	session_end_all(h);
	assert_int_equal(h->nsessions, 0);
	assert_int_equal(h->loop.ntimers, 0);
	assert_int_equal(scoreboard_connected(h->scoreboard), 0);
	scoreboard_free(h->scoreboard);
	loop_fini(&h->loop);
	buf_fini(&h->decoded);
	free(h->input);
	conf_fini(&w->conf);
	free(w);
}

static void
connect_client(struct world *w)
{
	struct sockaddr_in peer = { .sin_family = AF_INET };
	int fds[2], size = 1;

	peer.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK |
	    SOCK_CLOEXEC, 0, fds), 0);
	/* The least that there is. */
	(void)setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	w->client = fds[1];
	session_accept(&w->host, fds[0], (struct sockaddr *)&peer);
}

static void
put(struct world *w, const char *text)
{
	assert_int_equal(write(w->client, text, strlen(text)), strlen(text));
}

/* Turns until there is nothing to do. */
static void
turn(struct world *w)
{
	for (int i = 0; i < 8; i++)
		assert_int_equal(loop_turn(&w->host.loop, 0), 0);
}

/* A client that sends many commands at once does not keep others waiting. */
static void
test_many_commands_take_many_turns(void **state)
{
	struct world *w = world_new();
	struct buf in;

	(void)state;
	connect_client(w);
	buf_init(&in, 0);
	/* Their replies are read, else they would be what it waits for. */
	for (int i = 0; i < 1000; i++)
		buf_puts(&in, i % 60 == 0 ? "HELO a\r\n" : "NOOP\r\n");
	put(w, buf_str(&in));
	assert_int_equal(loop_turn(&w->host.loop, 0), 0);
	assert_in_range(w->memory.nhelos, 1, 3);
	for (int i = 0; i < 100; i++) {
		char bytes[65536];

		(void)!read(w->client, bytes, sizeof(bytes));
		assert_int_equal(loop_turn(&w->host.loop, 0), 0);
	}
	assert_int_equal(w->memory.nhelos, 17);
	buf_fini(&in);
	world_free(w);
}

#define EHLOS	2000

/* The last lines of the replies to EHLO that the client gets. */
static unsigned
read_replies(struct world *w)
{
	char bytes[4096];
	unsigned n = 0;
	ssize_t got;

	while ((got = read(w->client, bytes, sizeof(bytes))) > 0)
		for (ssize_t i = 0; i + 5 <= got; i++)
			n += memcmp(bytes + i, "SIZE ", 5) == 0;
	return n;
}

/* A client that does not read costs no more than a few replies. */
static void
test_replies_that_are_not_read_hold_back_commands(void **state)
{
	struct world *w = world_new();
	struct buf in;
	unsigned replies = 0;

	(void)state;
	connect_client(w);
	buf_init(&in, 0);
	for (int i = 0; i < EHLOS; i++)
		buf_puts(&in, "EHLO a\r\n");
	put(w, buf_str(&in));
	turn(w);
	assert_true(w->memory.nhelos > 0 && w->memory.nhelos < EHLOS);
	for (int i = 0; i < EHLOS && w->memory.nhelos < EHLOS; i++) {
		replies += read_replies(w);
		turn(w);
	}
	for (int i = 0; i < EHLOS && replies < w->memory.nhelos; i++) {
		replies += read_replies(w);
		turn(w);
	}
	assert_int_equal(w->memory.nhelos, EHLOS);
	assert_true(w->memory.out_max < DIALOGUE_OUT_HIGH);
	/* Some are cut between two reads. */
	assert_true(replies > EHLOS / 2);
	buf_fini(&in);
	world_free(w);
}

/* What a module does in its last hooks brings nothing back. */
static void
test_a_pause_ended_in_the_last_hooks_has_no_effect(void **state)
{
	struct world *w = world_new();

	(void)state;
	w->memory.does_pause = 1;
	connect_client(w);
	put(w, "EHLO a\r\nMAIL FROM:<a@b.test>\r\n");
	turn(w);
	assert_true(w->memory.session->is_paused);
	session_end_all(&w->host);
	assert_int_equal(w->memory.ndisconnects, 1);
	assert_int_equal(w->host.nsessions, 0);
	assert_int_equal(w->host.loop.ntimers, 0);
	turn(w);
	world_free(w);
}

/*
 * Within a hook of another session, a verdict is kept for the timer; the client
 * leaves before that.
 */
static void
test_a_kept_verdict_comes_to_a_session_without_client(void **state)
{
	struct world *w = world_new();

	(void)state;
	w->memory.mail = SMTPD_PENDING;
	connect_client(w);
	put(w, "EHLO a\r\nMAIL FROM:<a@b.test>\r\n");
	turn(w);
	host_enter(&w->host, &w->host.modules[0]);
	smtpd_finish(w->memory.session, SMTPD_PASS);
	host_leave(&w->host);
	session_end_all(&w->host);
	assert_int_equal(w->host.nsessions, 1);
	turn(w);
	assert_int_equal(w->memory.ndisconnects, 1);
	assert_int_equal(w->host.nsessions, 0);
	world_free(w);
}

/* The same to one that has its client: it goes on, and has a deadline. */
static void
test_a_kept_verdict_goes_on(void **state)
{
	struct world *w = world_new();

	(void)state;
	w->memory.mail = SMTPD_PENDING;
	connect_client(w);
	put(w, "EHLO a\r\nMAIL FROM:<a@b.test>\r\nEHLO b\r\n");
	turn(w);
	assert_int_equal(w->memory.nhelos, 1);
	host_enter(&w->host, &w->host.modules[0]);
	smtpd_finish(w->memory.session, SMTPD_PASS);
	host_leave(&w->host);
	turn(w);
	assert_int_equal(w->memory.nhelos, 2);
	assert_int_equal(w->host.loop.ntimers, 1);
	world_free(w);
}

/* Its time begins with its MAIL, even if that came with the end of another. */
static void
test_each_transaction_of_a_group_has_its_own_time(void **state)
{
	struct world *w = world_new();

	(void)state;
	w->memory.mail = SMTPD_PASS;
	connect_client(w);
	put(w, "EHLO a\r\nMAIL FROM:<a@b.test>\r\n");
	turn(w);
	put(w, "RCPT TO:<c@d.test>\r\n");
	w->conf.limits.transaction_timeout_s = 0;
	turn(w);
	assert_int_equal(w->host.nsessions, 1);
	assert_true(dialogue_has_transaction(w->memory.session));
	put(w, "RSET\r\nMAIL FROM:<a@b.test>\r\n");
	turn(w);
	assert_int_equal(w->memory.session->state, DIALOGUE_CLOSING);
	world_free(w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_many_commands_take_many_turns),
		cmocka_unit_test(
		    test_replies_that_are_not_read_hold_back_commands),
		cmocka_unit_test(
		    test_a_pause_ended_in_the_last_hooks_has_no_effect),
		cmocka_unit_test(
		    test_a_kept_verdict_comes_to_a_session_without_client),
		cmocka_unit_test(test_a_kept_verdict_goes_on),
		cmocka_unit_test(
		    test_each_transaction_of_a_group_has_its_own_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
