/*
 * bounce_test.c - reports as real queue files, read back.
 */
#include <sys/stat.h>

#include <dirent.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "bounce.h"
#include "lib/io.h"

#define N(a)		(sizeof(a) / sizeof((a)[0]))
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
	snprintf(w->top, sizeof(w->top), "/tmp/bounce_test.XXXXXX");
	assert_non_null(mkdtemp(w->top));
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
remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	(void)st;
	(void)kind;
	(void)ftw;
	return remove(path);
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
	assert_int_equal(nftw(w->top, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
	free(w);
	return 0;
}

static int
count_queue(const struct world *w)
{
	char path[128];
	struct dirent *e;
	DIR *dir;
	int n = 0;

	snprintf(path, sizeof(path), "%s/queue", w->top);
	dir = opendir(path);
	assert_non_null(dir);
	while ((e = readdir(dir)) != NULL)
		n += e->d_name[0] != '.';
	closedir(dir);
	return n;
}

static void
fail_with(struct recipient *r, const char *code, const char *why)
{
	r->state = RCPT_FAILED;
	result_set(&r->last, FATE_FAILED, code, "%s", why);
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
	struct draft d;

	message_init(&m);
	m.arrived = NOW - 3600;
	m.flags = flags;
	assert_int_equal(text_copy(m.sender, sizeof(m.sender), sender), 0);
	assert_non_null(message_add(&m, "bob@example.org"));
	assert_non_null(message_add(&m, "carl@example.org"));
	assert_non_null(message_add(&m, "dora@example.org"));
	assert_non_null(message_add(&m, "list"));
	assert_int_equal(draft_begin(&w->sp, &d, ID, &w->res), 0);
	assert_int_equal(draft_write(&d, text, len, &w->res), 0);
	assert_int_equal(draft_seal(&d, &m, &w->res), 0);
	assert_int_equal(draft_publish(&d, &w->res), 0);
	draft_drop(&d);
	message_fini(&m);
	assert_int_equal(spool_load(&w->sp, ID, 1, &w->m, &w->res), SPOOL_GOT);
	fail_with(&w->m.rcpts[0], "5.1.1",
	    "550 5.1.1 no such user\r\n\033[2J--=_" BOUNCE_ID "--");
	w->m.rcpts[1].state = RCPT_SENT;
	fail_with(&w->m.rcpts[2], "5.2.2", "told before");
	w->m.rcpts[2].is_reported = 1;
	fail_with(&w->m.rcpts[3], "4.4.1", "given up after 9 tries");
	text_copy(w->m.bounce_id, sizeof(w->m.bounce_id), BOUNCE_ID);
}

static void
queue_plain(struct world *w, const char *sender)
{
	queue_original(w, sender, TEXT, sizeof(TEXT) - 1, 0);
}

/* Loads the report, as the runner will. */
static void
load_report(struct world *w)
{
	char *p;

	assert_int_equal(spool_load(&w->sp, BOUNCE_ID, 0, &w->report,
	    &w->res), SPOOL_GOT);
	p = buf_space(&w->text, (size_t)w->report.length);
	assert_non_null(p);
	assert_int_equal(io_pread_all(w->report.fd, p,
	    (size_t)w->report.length, w->report.offset), 0);
	buf_grown(&w->text, (size_t)w->report.length);
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
		"\n<bob@example.org>:\n    550 5.1.1 no such user \\033[2J--=_"
		    BOUNCE_ID "--\n    Check the address",
		"\n<list>:\n    given up after 9 tries\n    It was tried until",
		/* for programs */
		"Content-Type: message/delivery-status\n\n"
		    "Reporting-MTA: dns; host.example.org\nArrival-Date: ",
		"\n\nOriginal-Recipient: rfc822; bob@example.org\n"
		    "Final-Recipient: rfc822; bob@example.org\n"
		    "Action: failed\nStatus: 5.1.1\nDiagnostic-Code: X-dma; "
		    "550 5.1.1 no such user",
		"\nAction: failed\nStatus: 5.4.7\nDiagnostic-Code: X-dma; "
		    "given up",
		/* the original's header, and no more */
		"Content-Type: text/rfc822-headers\n\n" HEADER "\n--=_",
	};
	struct world *w = *state;
	size_t i;

	queue_plain(w, "ann@example.org");
	assert_int_equal(bounce_commit(&w->conf, &w->sp, &w->m, NOW, &w->res),
	    BOUNCED);
	load_report(w);
	assert_string_equal(w->report.sender, "");
	assert_int_equal(w->report.nrcpts, 1);
	assert_string_equal(w->report.rcpts[0].address, "ann@example.org");
	assert_int_equal(w->report.arrived, NOW);
	assert_int_equal(w->report.flags, 0);
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
	assert_int_equal(bounce_commit(&w->conf, &w->sp, &w->m, NOW, &w->res),
	    BOUNCED);
	load_report(w);
	for (i = 0; i < w->text.len; i++)
		lines += w->text.data[i] == '\n';
	assert_int_equal(w->report.lines, lines);
	assert_int_equal(w->report.flags, MESSAGE_8BIT_BODY);
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
	assert_int_equal(bounce_commit(&w->conf, &w->sp, &w->m, NOW, &w->res),
	    BOUNCED);
	load_report(w);
	assert_true(has(w, "\n<erin@example.net> (from <list>):\n    policy"));
	assert_true(has(w, "\nOriginal-Recipient: rfc822; list\n"
	    "Final-Recipient: rfc822; erin@example.net\n"));
}

static void
test_null_sender(void **state)
{
	struct world *w = *state;

	queue_plain(w, "");
	assert_int_equal(bounce_commit(&w->conf, &w->sp, &w->m, NOW, &w->res),
	    BOUNCED);
	load_report(w);
	assert_string_equal(w->report.sender, "");
	assert_string_equal(w->report.rcpts[0].address, "postmaster");
	assert_int_equal(w->report.flags, MESSAGE_DOUBLE_BOUNCE);
	/* And when that one fails too, it ends. */
	text_copy(w->report.bounce_id, sizeof(w->report.bounce_id), "bounce2");
	fail_with(&w->report.rcpts[0], "5.1.1", "no postmaster");
	assert_int_equal(bounce_commit(&w->conf, &w->sp, &w->report, NOW,
	    &w->res), BOUNCE_IMPOSSIBLE);
	assert_int_equal(count_queue(w), 2);
}

static void
test_twice(void **state)
{
	struct world *w = *state;
	struct stat before, after;

	queue_plain(w, "ann@example.org");
	assert_int_equal(bounce_commit(&w->conf, &w->sp, &w->m, NOW, &w->res),
	    BOUNCED);
	assert_int_equal(fstatat(w->sp.queue, BOUNCE_ID, &before, 0), 0);
	assert_int_equal(bounce_commit(&w->conf, &w->sp, &w->m, NOW + 5,
	    &w->res), BOUNCED);
	assert_int_equal(fstatat(w->sp.queue, BOUNCE_ID, &after, 0), 0);
	assert_int_equal(after.st_ino, before.st_ino);
	assert_int_equal(count_queue(w), 2);
}

static void
test_later(void **state)
{
	struct world *w = *state;
	char path[128];

	queue_plain(w, "ann@example.org");
	w->m.bounce_id[0] = '\0';	/* no plan in the journal */
	assert_int_equal(bounce_commit(&w->conf, &w->sp, &w->m, NOW, &w->res),
	    BOUNCE_LATER);
	assert_non_null(w->res.why);
	text_copy(w->m.bounce_id, sizeof(w->m.bounce_id), BOUNCE_ID);
	snprintf(path, sizeof(path), "%s/queue", w->top);
	assert_int_equal(unlinkat(w->sp.queue, ID, 0), 0);
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(bounce_commit(&w->conf, &w->sp, &w->m, NOW, &w->res),
	    BOUNCE_LATER);
	assert_int_equal(w->res.fate, FATE_RETRY);
	assert_non_null(w->res.why);
}

static void
test_full_bounce(void **state)
{
	struct world *w = *state;

	w->conf.is_fullbounce = 1;
	queue_original(w, "ann@example.org", HEADER "\na\0b\nlast",
	    sizeof(HEADER) - 1 + 9, MESSAGE_HAS_NUL);
	assert_int_equal(bounce_commit(&w->conf, &w->sp, &w->m, NOW, &w->res),
	    BOUNCED);
	load_report(w);
	assert_true(has(w, "Content-Type: message/rfc822\n\n" HEADER "\n"));
	assert_non_null(memmem(w->text.data, w->text.len,
	    "\na\0b\nlast\n\n--=_", 15));
	assert_int_equal(w->report.flags, MESSAGE_HAS_NUL);
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
		w->conf.is_fullbounce = cases[i].full;
		queue_original(w, "ann@example.org", text.data, text.len, 0);
		assert_int_equal(bounce_commit(&w->conf, &w->sp, &w->m, NOW,
		    &w->res), BOUNCED);
		load_report(w);
		assert_true(w->text.len < cases[i].most);
		assert_false(has(w, "body body"));
		assert_int_equal(count_lines(w, "--=_" BOUNCE_ID "--"), 1);
		buf_fini(&text);
		buf_reset(&w->text);
		message_fini(&w->m);
		message_fini(&w->report);
		assert_int_equal(spool_remove(&w->sp, ID), 0);
		assert_int_equal(spool_remove(&w->sp, BOUNCE_ID), 0);
	}
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		CASE(test_report),
		CASE(test_facts),
		CASE(test_children_are_explained),
		CASE(test_null_sender),
		CASE(test_twice),
		CASE(test_later),
		CASE(test_full_bounce),
		CASE(test_bounds),
	};

	return cmocka_run_group_tests_name("bounce", tests, NULL, NULL);
}
