/*
 * smtpd_message_text_test.c - which module sees which part of a text, however
 * it is cut, and what ends that.
 */
#include "smtpd/message_text.h"
#include "tests/unit/t.h"

#define MODULES	3
#define LIMIT	1000000

/* What a module has seen; verdicts: of each call, PASS after the last. */
struct seen {
	struct buf	 fields;	/* "|" after each */
	struct buf	 body;
	enum smtpd_verdict header, text;
	size_t		 after;		/* so many calls that pass */
	int		 does_emit;
	const struct smtpd_module *hooks;
};

static enum smtpd_verdict
on_header(void *self, struct smtpd_session *s, const char *field, size_t len)
{
	struct seen *m = self;

	(void)s;
	buf_add(&m->fields, field, len);
	buf_putc(&m->fields, '|');
	if (m->after == 0)
		return m->header;
	m->after--;
	return SMTPD_PASS;
}

static enum smtpd_verdict
on_body(void *self, struct smtpd_session *s, const char *bytes, size_t len)
{
	struct seen *m = self;
	size_t i;

	assert_true(len > 0);
	buf_add(&m->body, bytes, len);
	/* Each byte twice. */
	for (i = 0; i < len && m->does_emit; i++) {
		smtpd_emit(s, m->hooks, bytes + i, 1);
		smtpd_emit(s, m->hooks, bytes + i, 1);
	}
	return m->text;
}

static const struct smtpd_module reader = { .header = on_header,
    .body = on_body };
static const struct smtpd_module body_reader = { .body = on_body };
static const struct smtpd_module changer = { .body = on_body,
    .modifies_body = 1 };

struct fixture {
	struct smtpd_config conf;
	struct counters	 counters;
	struct smtpd_host host;
	struct smtpd_session session;
	struct seen	 seen[MODULES];
};

static void
add_module(struct fixture *f, const struct smtpd_module *hooks)
{
	const size_t i = f->host.nmodules++;

	assert_true(i < MODULES);
	f->seen[i].hooks = hooks;
	f->host.modules[i] = (struct module){ .hooks = hooks,
	    .self = &f->seen[i] };
}

/* A session with a recipient, and these modules. */
static struct fixture *
fixture_new(const struct smtpd_module *first,
    const struct smtpd_module *second, const struct smtpd_module *third)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct transaction *t;

	assert_non_null(f);
	f->conf.limits.max_size_bytes = LIMIT;
	netset_init(&f->conf.normalize_from);
	f->host.conf = &f->conf;
	f->host.counters = &f->counters;
	if (first != NULL)
		add_module(f, first);
	if (second != NULL)
		add_module(f, second);
	if (third != NULL)
		add_module(f, third);
	f->session.host = &f->host;
	f->session.mail = MAIL_WITH_MODULES;
	t = &f->session.transaction;
	assert_int_equal(transaction_begin(t, "1", "a@b", ""), 0);
	assert_int_equal(transaction_add(t, "c@d", ""), 0);
	return f;
}

static void
fixture_free(struct fixture *f)
{
	size_t i;

	message_text_fini(&f->session);
	transaction_reset(&f->session.transaction);
	for (i = 0; i < MODULES; i++) {
		buf_fini(&f->seen[i].fields);
		buf_fini(&f->seen[i].body);
	}
	buf_fini(&f->host.decoded);
	netset_fini(&f->conf.normalize_from);
	free(f);
}

/* The whole text, in pieces. */
static void
send_text(struct fixture *f, enum smtp_data_form form, const char *text,
    size_t len, size_t piece)
{
	size_t at, n;

	message_text_begin(&f->session, form);
	for (at = 0; at < len; at += n) {
		n = len - at < piece ? len - at : piece;
		assert_int_equal(message_text_take(&f->session, text + at, n),
		    n);
	}
	message_text_end(&f->session);
}

static const size_t pieces[] = { 1, 2, 3, 5, 1000000 };

static void
test_fields(void **state)
{
	static const struct {
		const char *text, *fields;
	} cases[] = {
		{ "", "" },
		{ "\r\n", "" },
		{ "\r\nA: 1\r\n", "" },
		{ "A: 1", "A: 1|" },
		{ "A: 1\r\n", "A: 1|" },
		{ "A: 1\r\n\r\n", "A: 1|" },
		{ "A: 1\r\n\r\nB: 2\r\n", "A: 1|" },
		{ "A: 1\r\nB: 2\r\n\r\nC: 3\r\n\r\nD: 4", "A: 1|B: 2|" },
		{ "A: 1\r\n 2\r\n\t3\r\nB:\r\n", "A: 1\r\n 2\r\n\t3|B:|" },
		{ "A: 1\r\n 2", "A: 1\r\n 2|" },
		{ "A: 1\r\n \r\nB: 2\r\n\r\n", "A: 1\r\n |B: 2|" },
		/* What is none is shown as it is. */
		{ " 1\r\nA: 2\r\n\r\n", " 1|A: 2|" },
		{ "no field\r\n:\r\n\r\n", "no field|:|" },
		{ "x", "x|" },
	};
	char dotted[128];
	struct fixture *f;
	size_t i, k;

	(void)state;
	for (i = 0; i < N(cases); i++) for (k = 0; k < N(pieces); k++) {
		f = fixture_new(&reader, &body_reader, &reader);
		send_text(f, SMTP_DATA_CHUNKS, cases[i].text,
		    strlen(cases[i].text), pieces[k]);
		t_assert_text(&f->seen[0].fields, cases[i].fields,
		    strlen(cases[i].fields));
		t_assert_text(&f->seen[0].body, cases[i].text,
		    strlen(cases[i].text));
		assert_int_equal(f->seen[1].fields.len, 0);
		t_assert_text(&f->seen[1].body, cases[i].text,
		    strlen(cases[i].text));
		t_assert_text(&f->seen[2].fields, cases[i].fields,
		    strlen(cases[i].fields));
		assert_null(message_text_fault(&f->session));
		/* The same session once more, after DATA. */
		for (size_t m = 0; m < MODULES; m++) {
			buf_reset(&f->seen[m].fields);
			buf_reset(&f->seen[m].body);
		}
		snprintf(dotted, sizeof(dotted), "%s\r\n.\r\n",
		    cases[i].text);
		send_text(f, SMTP_DATA_DOTS, dotted, strlen(dotted),
		    pieces[k]);
		t_assert_text(&f->seen[2].fields, cases[i].fields,
		    strlen(cases[i].fields));
		assert_true(f->session.text.data.is_over);
		fixture_free(f);
	}
}

/* Fields of so many bytes, with their line ends. */
static void
test_no_more_of_a_header_is_shown_than_its_limit(void **state)
{
	static const struct {
		size_t	 sizes[4], nshown;
	} cases[] = {
		{ { SMTPD_HEADER_MAX }, 1 },
		{ { SMTPD_HEADER_MAX + 1, 8 }, 0 },
		{ { 8, SMTPD_HEADER_MAX - 8 }, 2 },
		{ { 8, SMTPD_HEADER_MAX - 7, 8 }, 1 },
		{ { 8, SMTPD_HEADER_MAX - 16, 8, 8 }, 3 },
		{ { 8, 3 * SMTPD_HEADER_MAX, 8 }, 1 },
	};
	static const size_t big_pieces[] = { 1, 4096, 65537, 1000000 };
	struct buf text, fields;
	struct fixture *f;
	size_t i, k, j, n;

	(void)state;
	buf_init(&text, 0);
	buf_init(&fields, 0);
	for (i = 0; i < N(cases); i++) {
		buf_reset(&text);
		buf_reset(&fields);
		for (k = 0; k < 4 && cases[i].sizes[k] > 0; k++) {
			n = text.len;
			buf_puts(&text, "A: ");
			for (j = 5; j < cases[i].sizes[k]; j++)
				buf_putc(&text, (char)('0' + k));
			if (k < cases[i].nshown) {
				buf_add(&fields, text.data + n, text.len - n);
				buf_putc(&fields, '|');
			}
			buf_puts(&text, "\r\n");
		}
		buf_puts(&text, "\r\nbody\r\n");
		for (k = 0; k < N(big_pieces); k++) {
			f = fixture_new(&reader, NULL, NULL);
			send_text(f, SMTP_DATA_CHUNKS, text.data, text.len,
			    big_pieces[k]);
			if (f->seen[0].fields.len != fields.len)
				fail_msg("case %zu, pieces of %zu: %zu", i,
				    big_pieces[k], f->seen[0].fields.len);
			t_assert_text(&f->seen[0].fields, buf_str(&fields),
			    fields.len);
			t_assert_text(&f->seen[0].body, text.data, text.len);
			fixture_free(f);
		}
	}
	buf_fini(&text);
	buf_fini(&fields);
}

/* The second of three modules says it of the second field, or of the text. */
static void
test_after_a_refusal_nobody_sees_more(void **state)
{
	static const struct {
		enum smtpd_verdict header, text;
		const char *fields[MODULES], *body[MODULES];
		int	 is_dropped;
	} cases[] = {
#define ALL	"A: 1|B: 2|"
#define TEXT	"A: 1\r\nB: 2\r\n\r\nC\r\n"
		{ SMTPD_PASS, SMTPD_PASS, { ALL, ALL, ALL },
		  { TEXT, TEXT, TEXT }, 0 },
		{ SMTPD_ACCEPT, SMTPD_ACCEPT, { ALL, ALL, ALL },
		  { TEXT, TEXT, TEXT }, 0 },
		{ SMTPD_PENDING, SMTPD_PENDING, { ALL, ALL, ALL },
		  { TEXT, TEXT, TEXT }, 0 },
		{ SMTPD_TEMPORARY, SMTPD_PASS, { ALL, ALL, "A: 1|" },
		  { "", "", "" }, 0 },
		{ SMTPD_PERMANENT, SMTPD_PASS, { ALL, ALL, "A: 1|" },
		  { "", "", "" }, 0 },
		{ SMTPD_DROP, SMTPD_PASS, { ALL, ALL, "A: 1|" },
		  { "", "", "" }, 1 },
		{ SMTPD_PASS, SMTPD_PERMANENT, { ALL, ALL, ALL },
		  { TEXT, TEXT, "" }, 0 },
		{ SMTPD_PASS, SMTPD_DROP, { ALL, ALL, ALL },
		  { TEXT, TEXT, "" }, 1 },
	};
	enum smtpd_verdict verdict;
	struct fixture *f;
	size_t i, k;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		f = fixture_new(&reader, &reader, &reader);
		f->seen[1].header = cases[i].header;
		f->seen[1].text = cases[i].text;
		f->seen[1].after = 1;
		send_text(f, SMTP_DATA_CHUNKS, T(TEXT), 1000);
		for (k = 0; k < MODULES; k++) {
			assert_string_equal(buf_str(&f->seen[k].fields),
			    cases[i].fields[k]);
			assert_string_equal(buf_str(&f->seen[k].body),
			    cases[i].body[k]);
		}
		verdict = cases[i].header != SMTPD_PASS ? cases[i].header :
		    cases[i].text;
		assert_int_equal(f->session.text.verdict,
		    verdict == SMTPD_TEMPORARY || verdict == SMTPD_PERMANENT ?
		    verdict : SMTPD_PASS);
		assert_int_equal(f->session.mail, cases[i].is_dropped ?
		    MAIL_DROPPED : MAIL_WITH_MODULES);
		assert_null(f->host.current);
		assert_null(message_text_fault(&f->session));
		/* The next text begins with nothing of it. */
		message_text_begin(&f->session, SMTP_DATA_DOTS);
		assert_int_equal(f->session.text.verdict, SMTPD_PASS);
		fixture_free(f);
	}
}

/* A refusal in the middle: what was sent before was seen. */
static void
test_a_body_is_refused_at_a_piece(void **state)
{
	struct fixture *f = fixture_new(&body_reader, &body_reader, NULL);

	(void)state;
	message_text_begin(&f->session, SMTP_DATA_CHUNKS);
	assert_int_equal(message_text_take(&f->session, "ab", 2), 2);
	f->seen[0].text = SMTPD_TEMPORARY;
	assert_int_equal(message_text_take(&f->session, "cd", 2), 2);
	f->seen[0].text = SMTPD_PERMANENT;
	assert_int_equal(message_text_take(&f->session, "ef", 2), 2);
	message_text_end(&f->session);
	assert_string_equal(buf_str(&f->seen[0].body), "abcd");
	assert_string_equal(buf_str(&f->seen[1].body), "ab");
	assert_int_equal(f->session.text.verdict, SMTPD_TEMPORARY);
	fixture_free(f);
}

static void
test_a_module_changes_the_text_for_those_after_it(void **state)
{
	struct fixture *f;
	size_t k;

	(void)state;
	for (k = 0; k < N(pieces); k++) {
		f = fixture_new(&body_reader, &changer, &reader);
		f->seen[1].does_emit = 1;
		send_text(f, SMTP_DATA_CHUNKS, T("A: 1\r\n\r\nxy"), pieces[k]);
		assert_string_equal(buf_str(&f->seen[0].body),
		    "A: 1\r\n\r\nxy");
		assert_string_equal(buf_str(&f->seen[1].body),
		    "A: 1\r\n\r\nxy");
		assert_string_equal(buf_str(&f->seen[2].body),
		    "AA::  11\r\r\n\n\r\r\n\nxxyy");
		/* Its header is the client's. */
		assert_string_equal(buf_str(&f->seen[2].fields), "A: 1|");
		assert_ptr_equal(f->host.current, NULL);
		fixture_free(f);
	}
	f = fixture_new(&body_reader, &changer, &reader);
	send_text(f, SMTP_DATA_CHUNKS, T("xy"), 1);
	assert_string_equal(buf_str(&f->seen[1].body), "xy");
	assert_string_equal(buf_str(&f->seen[2].body), "");
	fixture_free(f);
}

static void
test_texts_that_nobody_wants(void **state)
{
	struct fixture *f;
	int i;

	(void)state;
	for (i = 0; i < 3; i++) {
		f = fixture_new(&reader, NULL, NULL);
		if (i == 0)
			f->session.mail = MAIL_UNASKED;
		else if (i == 1)
			f->session.mail = MAIL_DROPPED;
		else
			transaction_remove(&f->session.transaction, 0);
		send_text(f, SMTP_DATA_DOTS, T("A: 1\r\n\r\nx\r\n.\r\n"), 3);
		assert_true(f->session.text.data.is_over);
		assert_int_equal(f->session.text.data.size_bytes, 11);
		assert_int_equal(f->seen[0].fields.len, 0);
		assert_int_equal(f->seen[0].body.len, 0);
		fixture_free(f);
	}
}

static void
test_faults_of_a_text(void **state)
{
	static const struct {
		const char *text;
		int	 does_normalise;
		const char *fault;	/* its code, or NULL */
		const char *body;	/* NULL: any */
	} cases[] = {
		{ "12345678\r\n.\r\n", 0, NULL, "12345678\r\n" },
		{ "..2345678\r\n.\r\n", 0, NULL, ".2345678\r\n" },
		{ "123456789\r\n.\r\n", 0, "552 5.3.4", NULL },
		{ "1\r\n2\r\n3\r\nx\r\n.\r\n", 0, "552 5.3.4", NULL },
		{ "1\n\r\n.\r\n", 0, "550 5.6.11", NULL },
		{ "1\r2\r\n.\r\n", 0, "550 5.6.11", NULL },
		{ "1\n2\r\n.\r\n", 1, NULL, "1\r\n2\r\n" },
		{ "123456\n7\n.\r\n", 1, "552 5.3.4", NULL },
		/* Both: what is bare is no text to be counted. */
		{ "1\n34567890123\r\n.\r\n", 0, "550 5.6.11", NULL },
		{ "123456789012\n\r\n.\r\n", 0, "550 5.6.11", NULL },
	};
	const char *fault, *problem;
	struct fixture *f;
	size_t i, k;

	(void)state;
	for (i = 0; i < N(cases); i++) for (k = 0; k < N(pieces); k++) {
		f = fixture_new(&reader, NULL, NULL);
		f->conf.limits.max_size_bytes = 10;
		assert_int_equal(netaddr_parse("192.0.2.7",
		    &f->session.client.addr), 0);
		if (cases[i].does_normalise)
			assert_int_equal(netset_add(&f->conf.normalize_from,
			    "192.0.2.7", &problem), 0);
		netset_ready(&f->conf.normalize_from);
		send_text(f, SMTP_DATA_DOTS, cases[i].text,
		    strlen(cases[i].text), pieces[k]);
		fault = message_text_fault(&f->session);
		if ((fault == NULL) != (cases[i].fault == NULL) ||
		    (fault != NULL && strncmp(fault, cases[i].fault,
		    strlen(cases[i].fault)) != 0))
			fail_msg("case %zu, pieces of %zu: %s", i, pieces[k],
			    fault == NULL ? "none" : fault);
		if (cases[i].body != NULL)
			assert_string_equal(buf_str(&f->seen[0].body),
			    cases[i].body);
		/* No module sees what is beyond the limit. */
		assert_true(f->seen[0].body.len <= 10);
		fixture_free(f);
	}
}

/* What follows the final dot is the next command. */
static void
test_what_follows_a_text_is_left(void **state)
{
	struct fixture *f = fixture_new(&body_reader, NULL, NULL);

	(void)state;
	message_text_begin(&f->session, SMTP_DATA_DOTS);
	assert_int_equal(message_text_take(&f->session,
	    T("x\r\n.\r\nQUIT\r\n")), 6);
	message_text_end(&f->session);
	assert_string_equal(buf_str(&f->seen[0].body), "x\r\n");
	fixture_free(f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fields),
		cmocka_unit_test(
		    test_no_more_of_a_header_is_shown_than_its_limit),
		cmocka_unit_test(test_after_a_refusal_nobody_sees_more),
		cmocka_unit_test(test_a_body_is_refused_at_a_piece),
		cmocka_unit_test(
		    test_a_module_changes_the_text_for_those_after_it),
		cmocka_unit_test(test_texts_that_nobody_wants),
		cmocka_unit_test(test_faults_of_a_text),
		cmocka_unit_test(test_what_follows_a_text_is_left),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
