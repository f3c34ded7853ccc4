/*
 * submission_test.c - a message from a caller: each recipient once, and the
 * same text however it is cut into pieces.
 */
#include <sysexits.h>
#include <unistd.h>

#include "lib/io.h"
#include "submit/submission.h"
#include "tests/unit/t_queue.h"

#define NOW	1700000000
#define OFFSET	1024		/* of the text in a file */
#define FROM	"From: ann@from.test\n"
#define DATE	"Date: Tue, 14 Nov 2023 22:13:20 +0000\n"
#define ID	"Message-ID: <x@from.test>\n"
#define HEAD	FROM DATE ID
#define X10	"xxxxxxxxxx"
#define X100	X10 X10 X10 X10 X10 X10 X10 X10 X10 X10
#define X1000	X100 X100 X100 X100 X100 X100 X100 X100 X100 X100
#define X3000	X1000 X1000 X1000

struct fixture {
	struct t_spool	 q;
	struct caller	 caller;
	struct options	 options;
	struct log	 log;
	struct submission s;
};

/* conf: lines of dma.conf. */
static void
begin(struct fixture *f, const char *conf)
{
	memset(f, 0, sizeof(*f));
	t_spool_init(&f->q, conf);
	f->caller.uid = getuid();
	f->options.sender = "ann@from.test";
	f->options.dot_is_text = 1;
	log_init(&f->log, "dma");
	f->log.where = LOG_TO_STDERR;
	f->log.level = LOG_LEVEL_ERROR;
	submission_init(&f->s, &f->caller, &f->options, &f->q.conf, &f->q.sp,
	    &f->log);
	f->s.m.arrived = NOW;
	assert_int_equal(submission_sender(&f->s), 0);
}

static void
end(struct fixture *f)
{
	submission_fini(&f->s);
	assert_int_equal(t_count(f->q.dir, "queue"), 0);
	t_spool_fini(&f->q);
}

/* ---- recipients ---- */

/* How many there are then; is_new: what it is expected to be. */
static void
add(struct fixture *f, const char *address, int is_new)
{
	const uint32_t n = f->s.m.nrcpts;
	struct recipient *r;

	assert_int_equal(submission_add(&f->s, address, &r), 0);
	if ((r != NULL) != is_new || f->s.m.nrcpts != n + (uint32_t)is_new)
		fail_msg("%s, after %u", address, (unsigned)n);
}

/* Through all sizes of the table, and where there is none. */
static void
test_each_recipient_is_there_once(void **state)
{
	struct fixture f;
	char address[64];
	unsigned i, k;

	(void)state;
	begin(&f, "");
	for (i = 0; i < 300; i++) {
		snprintf(address, sizeof(address), "u%u@d%u.test", i, i % 3);
		add(&f, address, 1);
		snprintf(address, sizeof(address), "no-such-user-%u", i);
		add(&f, address, 1);
		/* The last, the first, and one between. */
		for (k = 0; k < 3; k++) {
			snprintf(address, sizeof(address), "u%u@d%u.test",
			    i / 2 * k, i / 2 * k % 3);
			add(&f, address, 0);
			snprintf(address, sizeof(address),
			    "no-such-user-%u@localhost", i / 2 * k);
			add(&f, address, 0);
			snprintf(address, sizeof(address),
			    "NO-such-user-%u@host.test", i / 2 * k);
			add(&f, address, 0);
		}
		snprintf(address, sizeof(address), "u%u@d%u.test", i,
		    (i + 1) % 3);
		if (i == 299)
			add(&f, address, 1);
	}
	/* A local part elsewhere is that host's. */
	add(&f, "U7@d1.test", 1);
	add(&f, "u7@d1.test", 0);
	end(&f);
}

static void
test_too_many_recipients(void **state)
{
	struct recipient *r;
	struct fixture f;

	(void)state;
	begin(&f, "MAX_RECIPIENTS 2\n");
	add(&f, "a@b.test", 1);
	assert_int_equal(submission_note_bad(&f.s, "To", T("x\ny")), 0);
	assert_false(submission_has_room(&f.s));
	/* One that is there needs no room. */
	add(&f, "a@b.test", 0);
	assert_int_equal(f.s.status, 0);
	assert_int_equal(submission_add(&f.s, "c@d.test", &r), -1);
	assert_null(r);
	assert_int_equal(f.s.status, EX_DATAERR);
	assert_int_equal(f.s.m.nrcpts, 1);
	assert_int_equal(submission_note_bad(&f.s, "To", T("z")), -1);
	assert_int_equal(f.s.bad.nrcpts, 1);
	assert_string_equal(f.s.bad.rcpts[0].address, "x y");
	assert_string_equal(buf_str(&f.s.notes),
	    "dma: To: not an address: x y\n");
	/* The first reason stays. */
	assert_int_equal(submission_fail(&f.s, EX_OSERR, "other", ""), -1);
	assert_int_equal(f.s.status, EX_DATAERR);
	assert_int_equal(strncmp(buf_str(&f.s.reason),
	    "more than 2 recipients: ", 24), 0);
	end(&f);
}

/* The relay is told the name of this host. */
static void
test_names_of_a_null_client(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f, "SMARTHOST r.test\nNULLCLIENT\nMAILNAME m.test\n");
	add(&f, "bob", 1);
	assert_string_equal(f.s.m.rcpts[0].address, "bob@m.test");
	add(&f, "bob@m.test", 0);
	add(&f, "bob", 0);
	add(&f, "bob@n.test", 1);
	end(&f);
}

/* ---- the text ---- */

/* The text of the file, with "QUEUEID" for the id, which is never the same. */
static void
read_text(struct fixture *f, struct buf *text)
{
	const size_t n = strlen(f->s.draft.id);
	struct result res;
	char *raw, *p, *at;

	result_init(&res);
	assert_int_equal(draft_seal(&f->s.draft, &f->s.m, &res), 0);
	raw = calloc((size_t)f->s.draft.length + 1, 1);
	assert_non_null(raw);
	assert_int_equal(io_pread_all(f->s.draft.fd, raw,
	    (size_t)f->s.draft.length, OFFSET), 0);
	/* In fields that are added; a NUL is only in the body. */
	for (p = raw; (at = strstr(p, f->s.draft.id)) != NULL; p = at + n) {
		buf_add(text, p, (size_t)(at - p));
		buf_puts(text, "QUEUEID");
	}
	buf_add(text, p, (size_t)f->s.draft.length - (size_t)(p - raw));
	free(raw);
	result_fini(&res);
}

static int
send_pieces(struct fixture *f, const char *text, size_t len, size_t piece)
{
	size_t at, n;

	if (submission_begin(&f->s) == -1)
		return -1;
	for (at = 0; at < len; at += n) {
		n = len - at < piece ? len - at : piece;
		if (submission_text(&f->s, text + at, n) == -1)
			return -1;
	}
	return submission_text_end(&f->s);
}

struct text_case {
	const char *text;
	size_t	 len;
	int	 dot_ends;
	const char *body;	/* from the end of the header on; NULL: any */
	unsigned flags, hops;
};

static const struct text_case text_cases[] = {
	{ T(HEAD "\nhi\n"), 0, "\nhi\n", 0, 0 },
	{ T(HEAD "\nhi"), 0, "\nhi\n", 0, 0 },
	{ T(HEAD "\r\n\r\nhi\r\n"), 0, NULL, 0, 0 },
	{ T(HEAD "X: 1\r\n\r\nhi\r\n.\r\nx\r\n"), 0, "\nhi\n.\nx\n", 0, 0 },
	{ T(HEAD), 0, "\n", 0, 0 },
	{ T("From: ann@from.test"), 0, "\n", 0, 0 },
	{ T(""), 0, "\n", 0, 0 },
	{ T("\n"), 0, "\n", 0, 0 },
	{ T("\n\nhi\n"), 0, "\n\nhi\n", 0, 0 },
	{ T("hi there\nyou\n"), 0, "\nhi there\nyou\n", 0, 0 },
	{ T(" folded\n\nx\n"), 0, "\n folded\n\nx\n", 0, 0 },
	{ T(HEAD "X: 1\n 2\n\t3\n\nx\n"), 0, "\nx\n", 0, 0 },
	/* What is no field ends the header. */
	{ T(HEAD "no field\nTo: b@c\n"), 0, "\nno field\nTo: b@c\n", 0, 0 },
	{ T(HEAD "a b: c\n\nx\n"), 0, "\na b: c\n\nx\n", 0, 0 },
	/* Lines of mailboxes on top. */
	{ T("From ann Tue\n" HEAD "\nx\n"), 0, "\nx\n", 0, 0 },
	{ T("From a\n>From b\n" HEAD "\nFrom c\n"), 0, "\nFrom c\n", 0, 0 },
	{ T(HEAD "From a\n\nx\n"), 0, "\nFrom a\n\nx\n", 0, 0 },
	{ T("From " X3000 "\n" HEAD "\nx\n"), 0, "\nx\n", 0, 0 },
	/* The lone dot. */
	{ T(HEAD "\nhi\n.\nmore\n"), 1, "\nhi\n", 0, 0 },
	{ T(HEAD "\nhi\r\n.\r\nmore\r\n"), 1, "\nhi\n", 0, 0 },
	{ T(HEAD "\n..\n.x\n.\n"), 1, "\n..\n.x\n", 0, 0 },
	{ T(HEAD ".\nx\n"), 1, "\n", 0, 0 },
	{ T(".\n" HEAD), 1, "\n", 0, 0 },
	{ T("."), 1, "\n", 0, 0 },
	/* Facts. */
	{ T(HEAD "\nm\xc3\xbcller\n"), 0, "\nm\xc3\xbcller\n",
	  MESSAGE_8BIT_BODY, 0 },
	{ T(HEAD "Subject: m\xc3\xbcller\n\nx\n"), 0, "\nx\n",
	  MESSAGE_8BIT_HEADER | MESSAGE_UTF8_HEADER, 0 },
	{ T(HEAD "Subject: m\xfcller\n\nx\n"), 0, "\nx\n",
	  MESSAGE_8BIT_HEADER, 0 },
	{ T(HEAD "\na\rb\n"), 0, "\na\rb\n", MESSAGE_HAS_CR, 0 },
	{ T(HEAD "\na\r\r\nb\r"), 0, NULL, MESSAGE_HAS_CR, 0 },
	{ T(HEAD "\n" X1000 "\n"), 0, "\n" X1000 "\n", MESSAGE_LONG_LINES,
	  0 },
	{ T("Received: a\nReceived: b\nDelivered-To: c\n" HEAD
	  "\nReceived: d\n"), 0, "\nReceived: d\n", 0, 3 },
	/* What a line is, is to be known before it has ended. */
	{ T(HEAD "Subject: " X3000 "\n\nx\n"), 0, "\nx\n", MESSAGE_LONG_LINES,
	  0 },
	{ T(HEAD X3000 ": 1\n\nx\n"), 0, NULL, MESSAGE_LONG_LINES, 0 },
	{ T(HEAD X3000), 0, "\n" X3000 "\n", MESSAGE_LONG_LINES, 0 },
	{ T(HEAD " " X3000 X3000 "\nX: 1\n\nx\n"), 0, "\nx\n",
	  MESSAGE_LONG_LINES, 0 },
};

static void
check_body(const struct text_case *c, const struct buf *text)
{
	const size_t n = c->body == NULL ? 0 : strlen(c->body);

	if (text->len < n || memcmp(text->data + text->len - n,
	    c->body == NULL ? "" : c->body, n) != 0)
		fail_msg("\"%s\": \"%s\"", c->text, buf_str(text));
}

static void
test_pieces_do_not_matter(void **state)
{
	static const size_t pieces[] = { 1000000, 1, 2, 3, 7, 64, 2047, 2048,
	    2049, 4096 };
	const struct text_case *c;
	struct buf whole, text;
	struct fixture f;
	size_t i, k;

	(void)state;
	for (i = 0; i < N(text_cases); i++) {
		c = &text_cases[i];
		buf_init(&whole, 0);
		for (k = 0; k < N(pieces); k++) {
			buf_init(&text, 0);
			begin(&f, "");
			f.options.dot_is_text = !c->dot_ends;
			mail_input_init(&f.s.text.input, c->dot_ends);
			if (send_pieces(&f, c->text, c->len, pieces[k]) == -1)
				fail_msg("\"%s\": %s", c->text,
				    buf_str(&f.s.reason));
			read_text(&f, k == 0 ? &whole : &text);
			if (k == 0)
				check_body(c, &whole);
			else if (text.len != whole.len || memcmp(text.data,
			    whole.data, text.len) != 0)
				fail_msg("\"%s\", pieces of %zu:\n%s\n%s",
				    c->text, pieces[k], buf_str(&text),
				    buf_str(&whole));
			if (f.s.text.facts.flags != c->flags)
				fail_msg("\"%s\": flags %#x", c->text,
				    f.s.text.facts.flags);
			assert_int_equal(f.s.m.text.hops, c->hops);
			end(&f);
			buf_fini(&text);
		}
		buf_fini(&whole);
	}
}

/* The limit is for what is queued, with what was added. */
static void
test_the_size_is_limited(void **state)
{
	static const char text[] = HEAD "\n" X1000 "\n" X1000 "\n";
	struct fixture f;
	uint64_t len;
	int i;

	(void)state;
	begin(&f, "");
	assert_int_equal(send_pieces(&f, text, sizeof(text) - 1, 100), 0);
	len = (uint64_t)f.s.draft.length;
	end(&f);
	for (i = 0; i < 2; i++) {
		begin(&f, "");
		f.q.conf.limits.max_size_bytes = len - (uint64_t)i;
		assert_int_equal(send_pieces(&f, text, sizeof(text) - 1, 100),
		    -i);
		assert_int_equal(f.s.status, i == 0 ? 0 : EX_DATAERR);
		assert_int_equal(f.s.cause, i == 0 ? SUBMISSION_OTHER :
		    SUBMISSION_TOO_LARGE);
		end(&f);
	}
}

static void
test_the_header_is_limited(void **state)
{
	static const size_t pieces[] = { 60000, 3000000 };
	struct fixture f;
	struct buf text;
	size_t i, n;
	int is_over;

	(void)state;
	for (i = 0; i < 2 * N(pieces); i++) {
		is_over = i % 2 == 1;
		buf_init(&text, 0);
		buf_puts(&text, HEAD);
		while (text.len < HEADER_MAX - 1000)
			buf_puts(&text, "X: " X100 X100 "\n");
		buf_puts(&text, "X: ");
		for (n = text.len + 1; n < HEADER_MAX + (size_t)is_over; n++)
			buf_putc(&text, 'y');
		buf_puts(&text, "\n\nbody\n");
		begin(&f, "");
		assert_int_equal(send_pieces(&f, text.data, text.len,
		    pieces[i / 2]), is_over ? -1 : 0);
		if (is_over)
			assert_int_equal(f.s.status, EX_DATAERR);
		end(&f);
		buf_fini(&text);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_recipient_is_there_once),
		cmocka_unit_test(test_too_many_recipients),
		cmocka_unit_test(test_names_of_a_null_client),
		cmocka_unit_test(test_pieces_do_not_matter),
		cmocka_unit_test(test_the_size_is_limited),
		cmocka_unit_test(test_the_header_is_limited),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
