/*
 * bounce_test.c - reports as real queue files, read back.
 */
#include <sys/stat.h>

#include <unistd.h>

#include "queue/bounce.h"
#include "queue/bounce_facts.h"
#include "queue/own_mail.h"
#include "lib/addr.h"
#include "lib/io.h"
#include "tests/unit/t_queue.h"

#define ID		"original"
#define BOUNCE_ID	"bounce1"
#define NOW		1700000000
#define HEADER		"From: ann@example.org\nSubject: hello\n"
#define TEXT		HEADER "\nsecret body\n"

struct world {
	char		 top[64];
	struct spool	 sp;
	struct conf	 conf;
	struct result	 res;
	struct message	 m, report;
	struct buf	 text;		/* of the report */
};

static int
setup(void **state)
{
	struct world *w;

	w = calloc(1, sizeof(*w));
	assert_non_null(w);
	t_dir(w->top, sizeof(w->top));
	result_init(&w->res);
	assert_int_equal(spool_open(&w->sp, w->top, &w->res), 0);
	assert_int_equal(conf_init(&w->conf), 0);
	assert_int_equal(conf_finish(&w->conf, NULL, "host.example.org"), 0);
	message_init(&w->m);
	message_init(&w->report);
	buf_init(&w->text, 0);
	*state = w;
	return 0;
}

static int
teardown(void **state)
{
	struct world *w = *state;

	message_fini(&w->m);
	message_fini(&w->report);
	buf_fini(&w->text);
	conf_fini(&w->conf);
	result_fini(&w->res);
	spool_close(&w->sp);
	t_dir_remove(w->top);
	free(w);
	return 0;
}

static void
fail_with(struct recipient *r, const char *code, const char *reason)
{
	r->state = RCPT_FAILED;
	r->action = ACTION_FAILED;
	r->attempts = 9;
	result_set(&r->last, STATUS_FAILED, code, "%s", reason);
}

static void
from_mx(struct result *res, const char *server)
{
	res->source = SOURCE_SERVER;
	result_from_server(res, server);
}

/*
 * A queued message: ann to bob (failed), carl (sent), dora (failed and
 * reported), list -> |command (failed).
 */
static void
queue_original(struct world *w, const char *sender, const char *text,
    size_t len, unsigned flags)
{
	struct message m;

	t_message(&m, sender, NOW, "bob@example.org", "carl@example.org",
	    "dora@example.org", "list", NULL);
	m.text.flags = flags;
	text_copy(m.envid, sizeof(m.envid), "QQ 1+1");
	t_commit(&w->sp, ID, &m, text, len);
	message_fini(&m);
	assert_int_equal(spool_load(&w->sp, ID, 1, &w->m, &w->res), SPOOL_GOT);
	fail_with(&w->m.rcpts[0], "5.1.1",
	    "550 5.1.1 no such user\r\n\033[2J--=_" BOUNCE_ID "--");
	w->m.rcpts[1].state = RCPT_SENT;
	fail_with(&w->m.rcpts[2], "5.2.2", "told before");
	w->m.rcpts[2].is_reported = 1;
	fail_with(&w->m.rcpts[3], "4.4.1", "connect: timed out");
	w->m.rcpts[3].tried = NOW;
	text_copy(w->m.reports.bounce_id,
	    sizeof(w->m.reports.bounce_id), BOUNCE_ID);
}

static void
queue_plain(struct world *w, const char *sender)
{
	queue_original(w, sender, TEXT, sizeof(TEXT) - 1, 0);
}

/* Loads the report, as the runner will. */
static enum bounced
commit(struct world *w, const struct message *m, int is_delay)
{
	return bounce_commit(&w->conf, &w->sp, m, is_delay, NOW, &w->res);
}

static void
load_report(struct world *w)
{
	char *p;

	assert_int_equal(spool_load(&w->sp, BOUNCE_ID, 0, &w->report,
	    &w->res), SPOOL_GOT);
	p = buf_space(&w->text, (size_t)w->report.text.length);
	assert_non_null(p);
	assert_int_equal(io_pread_all(w->report.fd, p,
	    (size_t)w->report.text.length, w->report.text.offset), 0);
	buf_grown(&w->text, (size_t)w->report.text.length);
}

/* For the next case. */
static void
forget(struct world *w)
{
	buf_reset(&w->text);
	message_fini(&w->m);
	message_fini(&w->report);
	assert_int_equal(spool_remove(&w->sp, ID, 0), 0);
	assert_int_equal(spool_remove(&w->sp, BOUNCE_ID, 0), 0);
}

static int
has(const struct world *w, const char *part)
{
	return memmem(w->text.data, w->text.len, part, strlen(part)) != NULL;
}

/* How often a whole line is there. */
static int
count_lines(const struct world *w, const char *line)
{
	const char *p = w->text.data, *nl;
	int n = 0;

	while ((nl = strchr(p, '\n')) != NULL) {
		if ((size_t)(nl - p) == strlen(line) &&
		    memcmp(p, line, strlen(line)) == 0)
			n++;
		p = nl + 1;
	}
	assert_int_equal(*p, '\0');	/* the last line is ended */
	return n;
}

/* One part of a report: the next text that is not there fails the case. */
static void
assert_parts(const struct world *w, const char *const *parts)
{
	for (; *parts != NULL; parts++)
		if (!has(w, *parts))
			fail_msg("not in the report: %s", *parts);
}

static void
commit_and_load(struct world *w)
{
	assert_int_equal(commit(w, &w->m, 0), BOUNCED);
	load_report(w);
}

static void
test_report(void **state)
{
	static const char *const parts[] = {
		/* RFC 3464 2: the envelope of a report */
		"\nFrom: Mail Delivery System <MAILER-DAEMON@host.example.org>"
		    "\n", "\nTo: ann@example.org\n",
		"\nAuto-Submitted: auto-replied\n", "\nMIME-Version: 1.0\n",
		"\nContent-Type: multipart/report; "
		    "report-type=delivery-status;\n"
		    "\tboundary=\"=_" BOUNCE_ID "\"\n",
		"\nMessage-ID: <" BOUNCE_ID "@host.example.org>\n", "\nDate: ",
		/* for people */
		"\nThis is the mail system at host.example.org. This report "
		    "is about your\nmessage of ",
		"\n\nYour message could not be delivered to the following "
		    "addresses. No\nfurther attempts will be made.\n\n<bob@",
		"\n<bob@example.org>:\n    550 5.1.1 no such user \\033[2J--=_"
		    BOUNCE_ID "--\n\n    Check the address",
		"\n<list@host.example.org>:\n    expired after 1 hour and 9 attempts; "
		    "last reply: connect: timed out\n\n    The mail server "
		    "of that address could not be reached,",
		" (queue id " ID ").\n",
		/* for programs */
		"Content-Type: message/delivery-status\n\n"
		    "Original-Envelope-Id: QQ 1+1\nReporting-MTA: dns; host.example.org\n"
		    "X-Dma-Queue-Id: " ID "\nArrival-Date: ",
		"\n\nOriginal-Recipient: rfc822;bob@example.org\n"
		    "Final-Recipient: rfc822;bob@example.org\n"
		    "Action: failed\nStatus: 5.1.1\nDiagnostic-Code: X-dma; "
		    "550 5.1.1 no such user",
		"\n\nOriginal-Recipient: rfc822;list@host.example.org\n"
		    "Final-Recipient: rfc822;list@host.example.org\n"
		    "Action: failed\nStatus: 4.4.1\nDiagnostic-Code: X-dma; "
		    "connect: timed out\nLast-Attempt-Date: ",
		/* the original's header, and no more */
		"Content-Type: text/rfc822-headers\n\n" HEADER "\n--=_",
	};
	struct world *w = *state;
	size_t i;

	queue_plain(w, "ann@example.org");
	assert_int_equal(commit(w, &w->m, 0), BOUNCED);
	load_report(w);
	assert_string_equal(w->report.sender, "");
	assert_int_equal(w->report.nrcpts, 1);
	assert_string_equal(w->report.rcpts[0].address, "ann@example.org");
	assert_int_equal(w->report.arrived, NOW);
	assert_int_equal(w->report.text.flags, 0);
	for (i = 0; i < N(parts); i++)
		if (!has(w, parts[i]))
			fail_msg("not in the report: %s", parts[i]);
	assert_false(has(w, "secret body"));
	assert_false(has(w, "carl@"));
	assert_false(has(w, "dora@"));
	/* The boundary stands where it should and only there. */
	assert_int_equal(count_lines(w, "--=_" BOUNCE_ID), 3);
	assert_int_equal(count_lines(w, "--=_" BOUNCE_ID "--"), 1);
	assert_int_equal(count_lines(w, "Action: failed"), 2);
}

/* Lines counted for SMTP are those that are there. */
static void
test_facts(void **state)
{
	struct world *w = *state;
	int64_t lines = 0;
	size_t i;

	queue_original(w, "ann@example.org", "Subject: \xc3\xbc\n\nx\n", 15, 0);
	assert_int_equal(commit(w, &w->m, 0), BOUNCED);
	load_report(w);
	for (i = 0; i < w->text.len; i++)
		lines += w->text.data[i] == '\n';
	assert_int_equal(w->report.text.lines, lines);
	assert_int_equal(w->report.text.flags, MESSAGE_8BIT_BODY);
}

static void
test_children_are_explained(void **state)
{
	struct world *w = *state;
	struct recipient *r;

	queue_plain(w, "ann@example.org");
	w->m.rcpts[3].state = RCPT_EXPANDED;
	r = message_add(&w->m, "erin@example.net");
	assert_non_null(r);
	r->parent = 3;
	r->depth = 1;
	fail_with(r, "5.7.1", "policy");
	assert_int_equal(commit(w, &w->m, 0), BOUNCED);
	load_report(w);
	assert_true(has(w, "\n<erin@example.net> (from <list@host.example.org>):\n    policy"));
	assert_true(has(w, "\nOriginal-Recipient: "
	    "rfc822;list@host.example.org\n"
	    "Final-Recipient: rfc822;erin@example.net\n"));
}

/* The owner of a list hears of its members; the sender, of the others. */
static void
test_owner(void **state)
{
	static const char *const parts[] = {
		"\nTo: joe@example.com\n",
		"\nThis is the mail system at host.example.org. This report "
		    "is about a\nmessage to your mailing list of ",
		"\nA message to a mailing list of which you are the owner ",
		"\n<erin@example.net> (from <list@host.example.org>):\n    policy",
		"Content-Type: message/delivery-status\n\nReporting-MTA: ",
		"\nOriginal-Recipient: rfc822;erin@example.net\n"
		    "Final-Recipient: rfc822;erin@example.net\n",
		"Content-Type: text/rfc822-headers\n", NULL
	};
	struct world *w = *state;
	struct recipient *r;

	queue_plain(w, "ann@example.org");
	w->m.ret = RET_FULL;		/* the sender's wish */
	w->m.rcpts[3].state = RCPT_EXPANDED;
	w->m.rcpts[3].action = ACTION_NONE;
	r = message_add(&w->m, "erin@example.net");
	assert_non_null(r);
	r->parent = 3;
	r->depth = 1;
	r->sender = strdup("joe@example.com");
	fail_with(r, "5.7.1", "policy");
	w->m.reports.bounce_of = 4;
	commit_and_load(w);
	assert_string_equal(w->report.rcpts[0].address, "joe@example.com");
	assert_parts(w, parts);
	assert_false(has(w, "bob@"));
	buf_reset(&w->text);
	message_fini(&w->report);
	assert_int_equal(spool_remove(&w->sp, BOUNCE_ID, 0), 0);
	w->m.reports.bounce_of = 0;
	commit_and_load(w);
	assert_string_equal(w->report.rcpts[0].address, "ann@example.org");
	assert_true(has(w, "<bob@example.org>:"));
	assert_false(has(w, "erin@"));
}

/* Where this host keeps what is no matter for a sender. */
static void
test_paths_are_not_told(void **state)
{
	struct world *w = *state;

	queue_plain(w, "ann@example.org");
	w->m.rcpts[0].kind = ROUTE_MAILBOX;
	fail_with(&w->m.rcpts[0], "4.2.0", "mailbox cannot be used now");
	result_detail(&w->m.rcpts[0].last, "/var/mail/bob: not owned by bob");
	assert_int_equal(commit(w, &w->m, 0), BOUNCED);
	load_report(w);
	assert_true(has(w,
	    "\nDiagnostic-Code: X-dma; mailbox cannot be used "));
	assert_false(has(w, "/var/mail"));
}

/* A report is shown with its original, whatever stands in there. */
static void
test_references(void **state)
{
	static const struct { const char *header, *id; } cases[] = {
		{ "Message-ID: <a@b>\n", "<a@b>" },
		{ "Subject: x\nMESSAGE-id:<a@b> (c)\n", "<a@b>" },
		{ "Message-Id:\n\t<a@b>\n", "<a@b>" },
		{ "Message-Id: <a@b> <c@d>\n", "<a@b>" },
		{ "Message-Id:\nTo: <a@b>\n", NULL },
		{ "Message-Id: a@b\n", NULL },
		{ "Message-Id: <>\n", NULL },
		{ "Message-Id: <a@b\n", NULL },
		{ "Message-Id: <a@b\n\tc>\n", NULL },
		{ "Message-Id: <a@\xc3\xbc>\n", NULL },
		{ "Message-Id: <a\033@b>\n", NULL },
		{ "X: y\n\nMessage-Id: <a@b>\n", NULL },
		{ "Message-Id: <", NULL },
	};
	struct world *w = *state;
	char line[64];
	size_t i;

	for (i = 0; i < N(cases); i++) {
		queue_original(w, "ann@example.org", cases[i].header,
		    strlen(cases[i].header), 0);
		commit_and_load(w);
		snprintf(line, sizeof(line), "\nIn-Reply-To: %s\nReferences: "
		    "%s\n", cases[i].id, cases[i].id);
		if (has(w, "In-Reply-To: ") != (cases[i].id != NULL) ||
		    (cases[i].id != NULL && !has(w, line)))
			fail_msg("%s: %s", cases[i].header, w->text.data);
		forget(w);
	}
}

static void
test_null_sender(void **state)
{
	struct world *w = *state;

	queue_plain(w, "");
	assert_int_equal(commit(w, &w->m, 0), BOUNCED);
	load_report(w);
	assert_string_equal(w->report.sender, "");
	assert_string_equal(w->report.rcpts[0].address, "postmaster");
	assert_true(has(w, "\nTo: postmaster@host.example.org\n"));
	assert_true(has(w, "\nA message without a sender address, most "));
	assert_int_equal(w->report.rcpts[0].notify, 0);
	assert_int_equal(w->report.text.flags, MESSAGE_DOUBLE_BOUNCE);
	/* And when that one fails too, it ends. */
	text_copy(w->report.reports.bounce_id,
	    sizeof(w->report.reports.bounce_id), "bounce2");
	fail_with(&w->report.rcpts[0], "5.1.1", "no postmaster");
	assert_int_equal(commit(w, &w->report, 0), BOUNCE_IMPOSSIBLE);
	assert_int_equal(t_count(w->top, "queue"), 2);
}

static void
test_twice(void **state)
{
	struct world *w = *state;
	struct stat before, after;

	queue_plain(w, "ann@example.org");
	assert_int_equal(commit(w, &w->m, 0), BOUNCED);
	assert_int_equal(fstatat(w->sp.queue, BOUNCE_ID, &before, 0), 0);
	assert_int_equal(bounce_commit(&w->conf, &w->sp, &w->m, 0, NOW + 5,
	    &w->res), BOUNCED);
	assert_int_equal(fstatat(w->sp.queue, BOUNCE_ID, &after, 0), 0);
	assert_int_equal(after.st_ino, before.st_ino);
	assert_int_equal(t_count(w->top, "queue"), 2);
}

static void
test_later(void **state)
{
	struct world *w = *state;
	char path[128];

	queue_plain(w, "ann@example.org");
	w->m.reports.bounce_id[0] = '\0';	/* no plan in the journal */
	assert_int_equal(commit(w, &w->m, 0),
	    BOUNCE_LATER);
	assert_non_null(w->res.reason);
	text_copy(w->m.reports.bounce_id,
	    sizeof(w->m.reports.bounce_id), BOUNCE_ID);
	snprintf(path, sizeof(path), "%s/queue", w->top);
	assert_int_equal(unlinkat(w->sp.queue, ID, 0), 0);
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(commit(w, &w->m, 0),
	    BOUNCE_LATER);
	assert_int_equal(w->res.status, STATUS_DEFERRED);
	assert_non_null(w->res.reason);
}

static void
test_full_bounce(void **state)
{
	struct world *w = *state;

	w->conf.retry.is_fullbounce = 1;
	queue_original(w, "ann@example.org", HEADER "\na\0b\nlast",
	    sizeof(HEADER) - 1 + 9, MESSAGE_HAS_NUL);
	assert_int_equal(commit(w, &w->m, 0), BOUNCED);
	load_report(w);
	assert_true(has(w, "Content-Type: message/rfc822\n\n" HEADER "\n"));
	assert_non_null(memmem(w->text.data, w->text.len,
	    "\na\0b\nlast\n\n--=_", 15));
	assert_int_equal(w->report.text.flags, MESSAGE_HAS_NUL);
}

/* However large the original is, the report is not. */
static void
test_bounds(void **state)
{
	static const struct { size_t header, body; int full; size_t most; }
	    cases[] = {
		{ 100, 3 * 1024 * 1024, 0, 8192 },
		{ 100, 3 * 1024 * 1024, 1, 8192 },
		{ 900000, 10, 0, 65536 + 8192 },
	};
	struct world *w = *state;
	struct buf text;
	size_t i;

	for (i = 0; i < N(cases); i++) {
		buf_init(&text, 0);
		while (text.len < cases[i].header)
			buf_puts(&text, "X-Filler: 0123456789\n");
		buf_putc(&text, '\n');
		while (text.len < cases[i].header + cases[i].body)
			buf_puts(&text, "body body body body\n");
		w->conf.retry.is_fullbounce = cases[i].full;
		queue_original(w, "ann@example.org", text.data, text.len, 0);
		assert_int_equal(commit(w, &w->m, 0), BOUNCED);
		load_report(w);
		assert_true(w->text.len < cases[i].most);
		assert_false(has(w, "body body"));
		assert_int_equal(count_lines(w, "--=_" BOUNCE_ID "--"), 1);
		buf_fini(&text);
		forget(w);
	}
}

static void
succeed_with(struct recipient *r, enum action action, const char *reason)
{
	r->state = action == ACTION_EXPANDED ? RCPT_EXPANDED : RCPT_SENT;
	r->action = action;
	r->tried = NOW;
	result_set(&r->last, STATUS_SENT, "2.1.5", "%s", reason);
}

static void
test_successes(void **state)
{
	static const char *const parts[] = {
		"\nSubject: Mail was delivered or relayed\n",
		"\n\nYour message was delivered to the following addresses.\n"
		    "\n<bob@example.org>\n",
		"Original-Recipient: rfc822;bob@example.org\n"
		    "Final-Recipient: rfc822;bob@example.org\n"
		    "Action: delivered\nStatus: 2.1.5\nLast-Attempt-Date: ",
		"\n\nYour message was relayed to the mail server of the "
		    "following addresses.\nThat server",
		"\n<carl@example.org>:\n    mx[192.0.2.1] said: 250 2.1.5 "
		    "ok\n",
		"Action: relayed\nStatus: 2.1.5\nRemote-MTA: dns; mx\n"
		    "Diagnostic-Code: smtp; 250 2.1.5 ok\nLast-",
		"\n<list@host.example.org>\n",
		"Original-Recipient: x-400;/c=de/\n"
		    "Final-Recipient: rfc822;list@host.example.org\n"
		    "Action: expanded\nStatus: 2.1.5\nLast-",
		"Content-Type: text/rfc822-headers\n", NULL
	};
	struct world *w = *state;

	w->conf.retry.is_fullbounce = 1;	/* is about failures */
	queue_plain(w, "ann@example.org");
	w->m.ret = RET_FULL;
	succeed_with(&w->m.rcpts[0], ACTION_DELIVERED, "in /var/mail/bob");
	succeed_with(&w->m.rcpts[1], ACTION_RELAYED, "250 2.1.5 ok");
	from_mx(&w->m.rcpts[1].last, "mx[192.0.2.1]");
	succeed_with(&w->m.rcpts[3], ACTION_EXPANDED, "sent on");
	w->m.rcpts[3].orcpt = strdup("x-400;/c=de/");
	commit_and_load(w);
	assert_parts(w, parts);
	assert_false(has(w, "/var/mail/bob"));
	assert_false(has(w, "secret body"));
	assert_false(has(w, "dora@"));
	/* Nobody has to hear that good news got lost. */
	assert_int_equal(w->report.rcpts[0].notify, NOTIFY_NEVER);
}

/* One report for all; its failures bring the message back. */
static void
test_mixed(void **state)
{
	struct world *w = *state;

	queue_plain(w, "ann@example.org");
	succeed_with(&w->m.rcpts[1], ACTION_DELIVERED, "ok");
	w->m.ret = RET_FULL;
	commit_and_load(w);
	assert_int_equal(count_lines(w, "Action: failed"), 2);
	assert_int_equal(count_lines(w, "Action: delivered"), 1);
	assert_int_equal(count_lines(w, "Subject: Mail could not be "
	    "delivered"), 1);
	assert_true(has(w, "secret body"));
	assert_int_equal(w->report.rcpts[0].notify, 0);
	assert_int_equal(t_count(w->top, "queue"), 2);
}

/* RET over FULLBOUNCE; the postmaster needs all of a bounce. */
static void
test_ret(void **state)
{
	static const struct {
		const char	*sender;
		enum ret	 ret;
		int		 is_fullbounce, is_full;
	} cases[] = {
		{ "ann@example.org", RET_UNSAID, 0, 0 },
		{ "ann@example.org", RET_UNSAID, 1, 1 },
		{ "ann@example.org", RET_HDRS, 1, 0 },
		{ "ann@example.org", RET_FULL, 0, 1 },
		{ "", RET_HDRS, 0, 1 },
	};
	struct world *w = *state;
	size_t i;

	for (i = 0; i < N(cases); i++) {
		w->conf.retry.is_fullbounce = cases[i].is_fullbounce;
		queue_plain(w, cases[i].sender);
		w->m.ret = cases[i].ret;
		commit_and_load(w);
		assert_int_equal(has(w, "secret body"), cases[i].is_full);
		assert_int_equal(has(w, "message/rfc822"), cases[i].is_full);
		forget(w);
	}
}

/* BOUNCE_TO: who receives which report, and which loss is reported. */
static void
test_copy(void **state)
{
	static const struct {
		const char	*sender, *copy;
		enum action	 action;	/* of all that is reported */
		uint32_t	 nrcpts;
	} cases[] = {
		{ "ann@example.org", "admin", ACTION_FAILED, 2 },
		{ "ann@example.org", "Ann@example.org", ACTION_FAILED, 2 },
		{ "ann@example.org", NULL, ACTION_FAILED, 1 },
		{ "ann@example.org", "ann@example.org", ACTION_FAILED, 1 },
		{ "ann@example.org", "admin", ACTION_RELAYED, 1 },
		/* It is a report already, or the postmaster has it. */
		{ "", "admin", ACTION_FAILED, 1 },
	};
	struct world *w = *state;
	size_t i;

	for (i = 0; i < N(cases); i++) {
		w->conf.retry.bounce_to = cases[i].copy == NULL ? NULL :
		    strdup(cases[i].copy);
		queue_plain(w, cases[i].sender);
		w->m.rcpts[0].action = w->m.rcpts[3].action = cases[i].action;
		commit_and_load(w);
		assert_int_equal(w->report.nrcpts, cases[i].nrcpts);
		if (w->report.nrcpts == 2) {
			assert_string_equal(w->report.rcpts[1].address,
			    cases[i].copy);
			assert_int_equal(w->report.rcpts[0].notify, 0);
			assert_int_equal(w->report.rcpts[1].notify,
			    NOTIFY_NEVER);
			assert_int_equal(w->report.text.flags &
			    MESSAGE_DOUBLE_BOUNCE, 0);
		}
		assert_string_equal(w->report.sender, "");
		free(w->conf.retry.bounce_to);
		w->conf.retry.bounce_to = NULL;
		forget(w);
	}
}

static void
delay_with(struct recipient *r, unsigned notify, const char *reason)
{
	r->state = RCPT_OPEN;
	r->action = ACTION_NONE;
	r->attempts = 3;
	r->notify = notify;
	result_set(&r->last, STATUS_DEFERRED, "4.4.1", "%s", reason);
}

static void
test_warning(void **state)
{
	static const char *const parts[] = {
		"\nSubject: Mail delivery is delayed\n",
		    "\nTo: ann@example.org\n",
		"\n\nYour message could not yet be delivered to the "
		    "following addresses.\nDelivery will be retried;",
		"\nThe message will be returned to you if it has not been "
		    "delivered by\n",
		    "\n<bob@example.org>:\n    mx[192.0.2.1] port 25: connect: "
		    "refused\n",
		"Final-Recipient: rfc822;bob@example.org\nAction: delayed\n"
		    "Status: 4.4.1\nDiagnostic-Code: X-dma; mx[192.0.2.1] "
		    "port 25: connect: refused\n"
		    "Will-Retry-Until: Sun, 19 Nov 2023 ", NULL
	};
	struct world *w = *state;

	w->conf.retry.is_fullbounce = 1;
	queue_plain(w, "ann@example.org");
	delay_with(&w->m.rcpts[0], 0, "connect: refused");
	result_from_server(&w->m.rcpts[0].last, "mx[192.0.2.1] port 25");
	delay_with(&w->m.rcpts[1], NOTIFY_FAILURE, "connect: refused");
	delay_with(&w->m.rcpts[3], NOTIFY_NEVER, "connect: refused");
	assert_true(bounce_has_delay(&w->m));
	text_copy(w->m.reports.warn_id,
	    sizeof(w->m.reports.warn_id), BOUNCE_ID);
	w->m.reports.bounce_id[0] = '\0';
	assert_int_equal(commit(w, &w->m, 1), BOUNCED);
	load_report(w);
	assert_parts(w, parts);
	assert_false(has(w, "carl@"));
	assert_false(has(w, "dora@"));
	assert_false(has(w, "list"));
	assert_false(has(w, "secret body"));
	assert_string_equal(w->report.sender, "");
	assert_int_equal(w->report.rcpts[0].notify, NOTIFY_NEVER);
}

/* For whom there is a notice of delay. */
static void
test_whom_to_warn(void **state)
{
	struct world *w = *state;
	struct recipient *r;

	queue_plain(w, "ann@example.org");
	assert_false(bounce_has_delay(&w->m));	/* carl has it, the rest failed */
	r = &w->m.rcpts[1];
	delay_with(r, 0, "later");
	assert_true(bounce_has_delay(&w->m));
	delay_with(r, NOTIFY_DELAY, "later");
	assert_true(bounce_has_delay(&w->m));
	delay_with(r, NOTIFY_SUCCESS | NOTIFY_FAILURE, "later");
	assert_false(bounce_has_delay(&w->m));
	delay_with(r, 0, "later");
	r->attempts = 0;		/* its destination is not tried */
	assert_true(bounce_has_delay(&w->m));
	result_fini(&r->last);		/* put back, or held */
	assert_false(bounce_has_delay(&w->m));
	delay_with(r, 0, "later");
	w->m.sender[0] = '\0';
	assert_false(bounce_has_delay(&w->m));
}

/* 8-bit stands where it is declared, and nowhere else. */
static void
test_8bit(void **state)
{
	static const struct { const char *text; int full; const char *type; }
	    cases[] = {
		{ "Subject: \xc3\xbc\n\nx\n", 0, "message/global-headers" },
		{ "Subject: \xc3\xbc\n\nx\n", 1, "message/global" },
		{ "Subject: \xfc\n\nx\n", 0, "text/rfc822-headers" },
		{ "Subject: x\n\n\xc3\xbc\n", 1, "message/rfc822" },
	};
	struct world *w = *state;
	char part[128];
	size_t i;

	for (i = 0; i < N(cases); i++) {
		w->conf.retry.is_fullbounce = cases[i].full;
		queue_original(w, "ann@example.org", cases[i].text,
		    strlen(cases[i].text), 0);
		free(w->m.rcpts[0].address);
		w->m.rcpts[0].address = strdup("j\xc3\xbcrgen@example.org");
		commit_and_load(w);
		snprintf(part, sizeof(part), "Content-Type: %s\n"
		    "Content-Transfer-Encoding: 8bit\n\nSubject: ",
		    cases[i].type);
		assert_true(has(w, part));
		assert_true(has(w, "MIME-Version: 1.0\n"
		    "Content-Transfer-Encoding: 8bit\nContent-Type: "
		    "multipart/"));
		assert_true(has(w, "Content-Type: text/plain; charset=utf-8\n"
		    "Content-Transfer-Encoding: 8bit\n\n"));
		assert_true(has(w, "\n<j\xc3\xbcrgen@example.org>:\n"));
		assert_true(has(w, "Final-Recipient: utf-8;"
		    "j\\x{FC}rgen@example.org\n"));
		assert_int_equal(w->report.text.flags, MESSAGE_8BIT_BODY);
		forget(w);
	}
}

/* No reply and no address makes a line that is too long. */
static void
test_line_lengths(void **state)
{
	struct world *w = *state;
	char reason[REASON_MAX + 1], address[TARGET_MAX + 1];
	const char *p, *nl;

	queue_plain(w, "ann@example.org");
	memset(reason, 'w', sizeof(reason));
	reason[REASON_MAX] = '\0';
	memcpy(reason, "550 ", 4);
	fail_with(&w->m.rcpts[0], "5.1.1", reason);
	from_mx(&w->m.rcpts[0].last, "mx");
	memset(address, 'a', sizeof(address));
	address[TARGET_MAX] = '\0';
	free(w->m.rcpts[3].address);
	w->m.rcpts[3].address = strdup(address);
	commit_and_load(w);
	for (p = w->text.data; (nl = strchr(p, '\n')) != NULL; p = nl + 1)
		assert_true(nl - p <= 998);
	assert_int_equal(w->report.text.flags, 0);
	assert_true(has(w, "Remote-MTA: dns; mx\nDiagnostic-Code: smtp; 550"
	    "\n\tww"));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		CASE(test_report),
		CASE(test_facts),
		CASE(test_children_are_explained),
		CASE(test_owner),
		CASE(test_paths_are_not_told),
		CASE(test_references),
		CASE(test_null_sender),
		CASE(test_twice),
		CASE(test_later),
		CASE(test_full_bounce),
		CASE(test_bounds),
		CASE(test_successes),
		CASE(test_mixed),
		CASE(test_ret),
		CASE(test_warning),
		CASE(test_copy),
		CASE(test_whom_to_warn),
		CASE(test_8bit),
		CASE(test_line_lengths),
	};

	return cmocka_run_group_tests_name("bounce", tests, NULL, NULL);
}
