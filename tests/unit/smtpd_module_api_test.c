/*
 * smtpd_module_api_test.c - the calls of modules, also with what no module
 * should give them.
 */
#include <sys/socket.h>

#include <unistd.h>

#include "smtpd/smtpd_session.h"
#include "tests/unit/t.h"

#define X31	"abcdefghijklmnopqrstuvwxyz_abcd"

static const struct smtpd_module first = { .name = "first" };
static const struct smtpd_module second = { .name = "second" };

/* A host with two modules, and a session. */
struct fixture {
	struct smtpd_config conf;
	struct counters	 counters;
	struct smtpd_host host;
	struct smtpd_session session;
	unsigned	 nresumed;
	struct buf	 calls;		/* of callbacks */
};

static void
on_resumed(void *arg)
{
	struct fixture *f = arg;

	f->nresumed++;
}

static int
set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct smtpd_host *h;

	assert_non_null(f);
	h = &f->host;
	assert_int_equal(loop_init(&h->loop), 0);
	h->conf = &f->conf;
	h->counters = &f->counters;
	h->modules[0] = (struct module){ .hooks = &first, .name = "first" };
	h->modules[1] = (struct module){ .hooks = &second, .name = "second" };
	h->nmodules = 2;
	log_init(&h->log, "dma-smtpd");
	h->log.where = LOG_TO_STDERR;
	assert_int_equal(text_copy(h->name, sizeof(h->name), "mx.test"), 0);
	f->session.host = h;
	f->session.client.tls = "";
	f->session.resumed = on_resumed;
	f->session.arg = f;
	*state = f;
	return 0;
}

static int
tear_down(void **state)
{
	struct fixture *f = *state;

	transaction_reset(&f->session.transaction);
	free(f->session.stage.text);
	while (f->host.npaths > 0)
		free(f->host.paths[--f->host.npaths].path);
	loop_fini(&f->host.loop);
	buf_fini(&f->calls);
	free(f);
	return 0;
}

/* ---- counters ---- */

static uint64_t
value_of(struct fixture *f, const char *name)
{
	size_t i;

	for (i = 0; i < COUNTERS_MODULE_MAX; i++)
		if (strcmp(f->counters.modules[i].name, name) == 0)
			return atomic_load(&f->counters.modules[i].value);
	return 0;
}

static void
test_counters(void **state)
{
	static const char *const bad[] = { "", "A", "a1", "a b", "a-b", "a\n",
	    "\xc3\xbc", X31 "e" };
	struct fixture *f = *state;
	char name[] = "na";
	size_t i;

	for (i = 0; i < N(bad); i++)
		smtpd_count(&f->host, bad[i], 1000);
	smtpd_count(&f->host, "blocked", 1);
	smtpd_count(&f->host, X31, 2);
	smtpd_count(&f->host, "blocked", UINT32_MAX);
	assert_string_equal(f->counters.modules[0].name, "blocked");
	assert_int_equal(value_of(f, "blocked"), UINT64_C(1) + UINT32_MAX);
	assert_int_equal(value_of(f, X31), 2);
	assert_string_equal(f->counters.modules[2].name, "");
	/* All others: those beyond the last are not counted. */
	for (i = 2; i < COUNTERS_MODULE_MAX + 2; i++) {
		name[1] = (char)('a' + (int)i);
		smtpd_count(&f->host, name, i);
	}
	for (i = 2; i < COUNTERS_MODULE_MAX + 2; i++) {
		name[1] = (char)('a' + (int)i);
		assert_int_equal(value_of(f, name), i < COUNTERS_MODULE_MAX ?
		    i : 0);
	}
	assert_int_equal(value_of(f, "blocked"), UINT64_C(1) + UINT32_MAX);
	/* Those of the store have a place of their own. */
	smtpd_count(&f->host, "syncs", 2);
	smtpd_count(&f->host, "sync_us", 50);
	smtpd_count(&f->host, "sync_us", 70);
	smtpd_count(&f->host, "sync_us", 60);
	assert_int_equal(atomic_load(&f->counters.syncs), 2);
	assert_int_equal(atomic_load(&f->counters.sync_us), 180);
	assert_int_equal(atomic_load(&f->counters.sync_max_us), 70);
	/* Where nobody counts. */
	f->host.counters = NULL;
	smtpd_count(&f->host, "blocked", 1);
}

/* ---- the process ---- */

static void
test_reports(void **state)
{
	const struct smtpd_setting setting = { "/etc/c", 7, "KEY", "v" };
	const struct smtpd_setting no_file = { NULL, 8, "KEY", "v" };
	struct fixture *f = *state;
	struct t_printed printed;
	struct buf got;
	int ret[3];

	buf_init(&got, 0);
	f->host.current = &f->host.modules[1];
	t_printed_begin(&printed, STDERR_FILENO);
	ret[0] = smtpd_error(&f->host, NULL, "no %s", "a\nb\x1b");
	ret[1] = smtpd_error(&f->host, &setting, "bad");
	ret[2] = smtpd_error(&f->host, &no_file, "bad");
	smtpd_warn(&f->host, "%d%%", 99);
	f->host.current = NULL;
	smtpd_warn(&f->host, "whose");
	t_printed_end(&printed, &got);
	t_assert_text(&got, T("dma-smtpd: module second: no a b\\033\n"
	    "dma-smtpd: /etc/c:7: module second: bad\n"
	    "dma-smtpd: :8: module second: bad\n"
	    "dma-smtpd: module second: 99%\n"
	    "dma-smtpd: module ?: whose\n"));
	assert_true(ret[0] == -1 && ret[1] == -1 && ret[2] == -1);
	buf_fini(&got);
}

static void
test_paths_and_ports(void **state)
{
	struct fixture *f = *state;
	struct t_printed printed;
	char path[32];
	struct buf got;
	size_t i;

	buf_init(&got, 0);
	t_printed_begin(&printed, STDERR_FILENO);
	for (i = 0; i < HOST_PATHS_MAX + 1; i++) {
		snprintf(path, sizeof(path), "/p/%zu", i);
		smtpd_need_path(&f->host, path, i % 2 == 1);
	}
	smtpd_need_port(&f->host, 65536);
	smtpd_need_port(&f->host, 0);
	for (i = 0; i < HOST_PORTS_MAX + 1; i++)
		smtpd_need_port(&f->host, 65535 - (unsigned)i);
	t_printed_end(&printed, &got);
	assert_int_equal(f->host.npaths, HOST_PATHS_MAX);
	assert_int_equal(f->host.nports, HOST_PORTS_MAX);
	for (i = 0; i < HOST_PATHS_MAX; i++) {
		snprintf(path, sizeof(path), "/p/%zu", i);
		assert_string_equal(f->host.paths[i].path, path);
		assert_int_equal(f->host.paths[i].is_writable, i % 2 == 1);
	}
	for (i = 0; i < HOST_PORTS_MAX; i++)
		assert_int_equal(f->host.ports[i], 65535 - i);
	t_assert_text(&got, T("dma-smtpd: module ?: too many paths: children "
	    "cannot use /p/64\n"
	    "dma-smtpd: module ?: 65536 is not a port\n"
	    "dma-smtpd: module ?: 0 is not a port\n"
	    "dma-smtpd: module ?: too many ports: children cannot connect to "
	    "65471\n"));
	buf_fini(&got);
}

/* ---- the loop ---- */

struct callback {
	struct fixture	*f;
	char		 name;
	struct smtpd_timer *timer, *cancels;
	struct smtpd_watch *watch;
	int		 fd;
};

static void
note(struct callback *c)
{
	const struct module *m = c->f->host.current;

	buf_printf(&c->f->calls, "%c:%s ", c->name, m == NULL ? "-" : m->name);
}

static void
on_timer(void *arg)
{
	struct callback *c = arg;

	note(c);
	/* Its own: has no effect. */
	smtpd_timer_cancel(c->timer);
	smtpd_timer_cancel(c->cancels);
}

static void
test_timers(void **state)
{
	struct fixture *f = *state;
	struct callback a = { .f = f, .name = 'a' }, b = { .f = f,
	    .name = 'b' }, c = { .f = f, .name = 'c' };

	f->host.current = &f->host.modules[0];
	a.timer = smtpd_timer(&f->host, -5, on_timer, &a);
	assert_non_null(a.timer);
	f->host.current = NULL;
	b.timer = smtpd_timer(&f->host, 1, on_timer, &b);
	c.timer = smtpd_timer(&f->host, 1000000, on_timer, &c);
	assert_true(b.timer != NULL && c.timer != NULL);
	b.cancels = c.timer;
	assert_null(smtpd_timer(&f->host, INT64_MAX, on_timer, &c));
	smtpd_timer_cancel(NULL);
	while (f->host.loop.ntimers > 0)
		assert_int_equal(loop_turn(&f->host.loop, -1), 0);
	assert_string_equal(buf_str(&f->calls), "a:first b:- ");
	assert_null(f->host.current);
}

static void
on_ready(void *arg, unsigned events)
{
	struct callback *c = arg;
	char byte;

	note(c);
	buf_printf(&c->f->calls, "%u ", events);
	if ((events & SMTPD_READ) != 0 && read(c->fd, &byte, 1) == 1)
		return;
	smtpd_watch_end(c->watch);
	c->watch = NULL;
}

static void
test_watches(void **state)
{
	struct fixture *f = *state;
	struct callback a = { .f = f, .name = 'a' };
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	a.fd = pair[0];
	f->host.current = &f->host.modules[1];
	a.watch = smtpd_watch_fd(&f->host, pair[0], SMTPD_READ, on_ready, &a);
	assert_non_null(a.watch);
	f->host.current = NULL;
	assert_int_equal(loop_turn(&f->host.loop, 0), 0);
	assert_string_equal(buf_str(&f->calls), "");
	assert_int_equal(write(pair[1], "x", 1), 1);
	assert_int_equal(loop_turn(&f->host.loop, -1), 0);
	assert_string_equal(buf_str(&f->calls), "a:second 1 ");
	/* It can be written, and the watch is ended in its call. */
	assert_int_equal(smtpd_watch_events(a.watch, SMTPD_WRITE), 0);
	assert_int_equal(loop_turn(&f->host.loop, -1), 0);
	assert_string_equal(buf_str(&f->calls), "a:second 1 a:second 2 ");
	assert_null(a.watch);
	assert_int_equal(write(pair[1], "x", 1), 1);
	assert_int_equal(loop_turn(&f->host.loop, 0), 0);
	assert_string_equal(buf_str(&f->calls), "a:second 1 a:second 2 ");
	smtpd_watch_end(NULL);
	assert_null(smtpd_watch_fd(&f->host, -1, SMTPD_READ, on_ready, &a));
	close(pair[0]);
	close(pair[1]);
}

/* ---- a session ---- */

static void
test_each_module_has_its_pointer(void **state)
{
	struct fixture *f = *state;
	int a, b;

	assert_null(*smtpd_data(&f->session, &first));
	*smtpd_data(&f->session, &first) = &a;
	*smtpd_data(&f->session, &second) = &b;
	assert_ptr_equal(*smtpd_data(&f->session, &first), &a);
	assert_ptr_equal(*smtpd_data(&f->session, &second), &b);
	assert_ptr_equal(smtpd_host(&f->session), &f->host);
}

static void
test_a_pause_ends_once(void **state)
{
	struct fixture *f = *state;

	smtpd_pause(&f->session, 0);
	assert_int_equal(f->nresumed, 0);
	smtpd_pause(&f->session, 5);
	smtpd_pause(&f->session, 1);
	assert_int_equal(f->session.is_paused, 1);
	assert_int_equal(f->nresumed, 0);
	smtpd_pause(&f->session, 0);
	assert_int_equal(f->session.is_paused, 0);
	assert_int_equal(f->nresumed, 1);
	smtpd_pause(&f->session, 0);
	assert_int_equal(f->nresumed, 1);
}

static void
test_protocols(void **state)
{
	static const struct {
		int	 is_esmtp, is_smtputf8;
		const char *tls, *protocol;
	} cases[] = {
		{ 0, 0, "", "SMTP" }, { 1, 0, "", "ESMTP" },
		{ 1, 0, "TLSv1.3", "ESMTPS" }, { 1, 1, "", "UTF8SMTP" },
		{ 1, 1, "TLSv1.3", "UTF8SMTPS" },
	};
	struct fixture *f = *state;
	size_t i;

	for (i = 0; i < N(cases); i++) {
		f->session.client.is_esmtp = cases[i].is_esmtp;
		f->session.client.tls = cases[i].tls;
		f->session.transaction.is_smtputf8 = cases[i].is_smtputf8;
		assert_string_equal(smtpd_protocol(&f->session),
		    cases[i].protocol);
		assert_string_equal(smtpd_tls(&f->session), cases[i].tls);
	}
}

static void
test_texts(void **state)
{
	struct fixture *f = *state;

	smtpd_set_text(&f->session, "550 %s", "one");
	smtpd_set_text(&f->session, "%s %d", f->session.stage.text, 2);
	assert_string_equal(f->session.stage.text, "550 one 2");
	smtpd_set_text(&f->session, "%s", "");
}

static void
test_without_a_transaction(void **state)
{
	struct fixture *f = *state;
	size_t len;

	assert_string_equal(smtpd_helo(&f->session), "");
	assert_string_equal(smtpd_id(&f->session), "");
	assert_string_equal(smtpd_sender(&f->session), "");
	assert_string_equal(smtpd_sender_parameters(&f->session), "");
	assert_int_equal(smtpd_recipients(&f->session), 0);
	assert_int_equal(smtpd_size(&f->session), 0);
	assert_int_equal(smtpd_set_sender(&f->session, "a@b"), -1);
	assert_int_equal(smtpd_add_recipient(&f->session, "a@b"), -1);
	assert_int_equal(smtpd_set_recipient(&f->session, 0, "a@b"), -1);
	smtpd_remove_recipient(&f->session, 0);
	assert_int_equal(smtpd_recipients(&f->session), 0);
	assert_null(smtpd_prepended(&f->session, &len));
}

static void
begin(struct fixture *f)
{
	struct transaction *t = &f->session.transaction;

	assert_int_equal(transaction_begin(t, "id1", "a@b.test", "RET=HDRS"),
	    0);
	assert_int_equal(transaction_add(t, "c@D.test", "NOTIFY=NEVER"), 0);
	assert_int_equal(transaction_add(t, "e@f.test", ""), 0);
}

static void
test_indexes(void **state)
{
	static const size_t beyond[] = { 2, 3, 1000, SIZE_MAX };
	struct fixture *f = *state;
	size_t i;

	begin(f);
	assert_string_equal(smtpd_recipient(&f->session, 0), "c@D.test");
	assert_string_equal(smtpd_recipient_parameters(&f->session, 0),
	    "NOTIFY=NEVER");
	assert_string_equal(smtpd_recipient_domain(&f->session, 0), "d.test");
	assert_string_equal(smtpd_recipient_parameters(&f->session, 1), "");
	for (i = 0; i < N(beyond); i++) {
		assert_string_equal(smtpd_recipient(&f->session, beyond[i]),
		    "");
		assert_string_equal(smtpd_recipient_parameters(&f->session,
		    beyond[i]), "");
		assert_string_equal(smtpd_recipient_domain(&f->session,
		    beyond[i]), "");
		assert_int_equal(smtpd_set_recipient(&f->session, beyond[i],
		    "x@y"), -1);
		smtpd_remove_recipient(&f->session, beyond[i]);
	}
	assert_int_equal(smtpd_recipients(&f->session), 2);
}

static void
test_what_is_no_path_changes_nothing(void **state)
{
	static const char *const bad[] = { "a", "a@", "<a@b>", "a@b\r\nX: y",
	    "a@b>", "a b@c", "@x:a@b", "\xff@b", "a@b_c" };
	struct fixture *f = *state;
	size_t i, len;

	begin(f);
	for (i = 0; i < N(bad); i++) {
		assert_int_equal(smtpd_set_sender(&f->session, bad[i]), -1);
		assert_int_equal(smtpd_set_recipient(&f->session, 1, bad[i]),
		    -1);
		assert_int_equal(smtpd_add_recipient(&f->session, bad[i]), -1);
	}
	assert_int_equal(smtpd_add_recipient(&f->session, ""), -1);
	assert_int_equal(smtpd_set_recipient(&f->session, 0, ""), -1);
	assert_string_equal(smtpd_sender(&f->session), "a@b.test");
	assert_int_equal(smtpd_recipients(&f->session), 2);
	assert_string_equal(smtpd_recipient(&f->session, 1), "e@f.test");
	/* The null path is one of senders. */
	assert_int_equal(smtpd_set_sender(&f->session, ""), 0);
	assert_string_equal(smtpd_sender(&f->session), "");
	assert_int_equal(smtpd_add_recipient(&f->session, "g@h.test"), 0);
	assert_non_null(smtpd_prepended(&f->session, &len));
}

/* What a module lends may be given back; the lines follow. */
static void
test_the_envelope_is_changed(void **state)
{
	static const char want[] = "Forward-Path: <c@D.test> NOTIFY=NEVER\r\n"
	    "Forward-Path: <c@D.test>\r\n"
	    "Return-Path: <a@b.test> RET=HDRS\r\n"
	    "Received: from c.test ([192.0.2.1])\r\n";
	struct fixture *f = *state;
	char helo[] = "c.test";
	const char *lines;
	size_t i, len;

	begin(f);
	f->session.client.helo = helo;
	assert_int_equal(text_copy(f->session.client.text,
	    sizeof(f->session.client.text), "192.0.2.1"), 0);
	assert_int_equal(smtpd_set_sender(&f->session,
	    smtpd_sender(&f->session)), 0);
	assert_int_equal(smtpd_set_recipient(&f->session, 0,
	    smtpd_recipient(&f->session, 0)), 0);
	for (i = 0; i < 100; i++)
		assert_int_equal(smtpd_add_recipient(&f->session,
		    smtpd_recipient(&f->session, 0)), 0);
	assert_non_null(smtpd_prepended(&f->session, &len));
	for (i = 0; i < 99; i++)
		smtpd_remove_recipient(&f->session, i % 2 == 0 ? 2 :
		    smtpd_recipients(&f->session) - 1);
	smtpd_remove_recipient(&f->session, 1);
	assert_int_equal(smtpd_recipients(&f->session), 2);
	lines = smtpd_prepended(&f->session, &len);
	assert_non_null(lines);
	assert_int_equal(strncmp(lines, want, sizeof(want) - 1), 0);
	assert_int_equal(len, strlen(lines));
	f->session.client.helo = NULL;
}

#define CASE(test)	cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_counters),
		CASE(test_reports),
		CASE(test_paths_and_ports),
		CASE(test_timers),
		CASE(test_watches),
		CASE(test_each_module_has_its_pointer),
		CASE(test_a_pause_ends_once),
		CASE(test_protocols),
		CASE(test_texts),
		CASE(test_without_a_transaction),
		CASE(test_indexes),
		CASE(test_what_is_no_path_changes_nothing),
		CASE(test_the_envelope_is_changed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
