/*
 * smtpd_work_test.c - what a message of a queue becomes for sendmail.
 */
#include <errno.h>

#include "smtpd/consume/work.h"
#include "tests/unit/t.h"

#define PATHS_MAX	3

/* The headers of a message; a NULL is not there. */
struct headers {
	const char	*sender;
	const char	*paths[PATHS_MAX];
};

static void
set_text(amqp_field_value_t *v, const char *text)
{
	v->kind = AMQP_FIELD_KIND_UTF8;
	v->value.bytes = amqp_cstring_bytes(text);
}

/* A work that has taken the headers; to be freed. */
static struct work *
take(const struct headers *h, const char *id, uint64_t bytes)
{
	amqp_field_value_t paths[PATHS_MAX];
	amqp_table_entry_t entries[2];
	amqp_basic_properties_t p = { ._flags = AMQP_BASIC_HEADERS_FLAG,
	    .headers.entries = entries };
	struct work *w = work_new(7, "/tmp");
	int n = 0;

	assert_non_null(w);
	memset(paths, 0, sizeof(paths));
	memset(entries, 0, sizeof(entries));
	if (h->sender != NULL) {
		entries[p.headers.num_entries].key =
		    amqp_cstring_bytes("Return-Path");
		set_text(&entries[p.headers.num_entries++].value, h->sender);
	}
	for (; n < PATHS_MAX && h->paths[n] != NULL; n++)
		set_text(&paths[n], h->paths[n]);
	entries[p.headers.num_entries].key = amqp_cstring_bytes("Forward-Path");
	entries[p.headers.num_entries].value.kind = AMQP_FIELD_KIND_ARRAY;
	entries[p.headers.num_entries].value.value.array.num_entries = n;
	entries[p.headers.num_entries++].value.value.array.entries = paths;
	if (id != NULL) {
		p._flags |= AMQP_BASIC_MESSAGE_ID_FLAG;
		p.message_id = amqp_cstring_bytes(id);
	}
	assert_int_equal(work_take_properties(w, &p,
	    amqp_cstring_bytes("key"), bytes), 0);
	return w;
}

/* Arguments, with a bar after each. */
static void
check_arguments(struct work *w, const char *expected)
{
	size_t i, bars = 0;

	for (i = 0; i < w->arguments.len; i++)
		if (w->arguments.data[i] == '\0') {
			w->arguments.data[i] = '|';
			bars++;
		}
	assert_string_equal(buf_str(&w->arguments), expected);
	assert_int_equal(w->argc, bars);
}

static void
test_headers_become_arguments(void **state)
{
	static const struct {
		struct headers headers;
		const char *arguments;
	} cases[] = {
		{ { "<a@b.example>", { "<x@y.example>" } },
		    "sendmail|-oi|-f|a@b.example|--|x@y.example|" },
		{ { "<> BODY=8BITMIME RET=HDRS ENVID=a+2Bb",
		    { "<x@y.example> NOTIFY=NEVER", "<-C@y.example> "
		    "NOTIFY=NEVER" } }, "sendmail|-oi|-f|<>|-B|8BITMIME|-R|"
		    "hdrs|-V|a+b|-N|NEVER|--|x@y.example|-C@y.example|" },
		{ { "<-bs@b.example>", { "<Postmaster>" } },
		    "sendmail|-oi|-f|-bs@b.example|--|Postmaster|" },
		/* A module may have put UTF-8 there without SMTPUTF8. */
		{ { "<\303\244@b.example>", { "<\303\266@y.example>" } },
		    "sendmail|-oi|-f|\303\244@b.example|--|"
		    "\303\266@y.example|" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		struct work *w = take(&cases[i].headers, NULL, 0);

		assert_null(w->problem);
		check_arguments(w, cases[i].arguments);
		work_free(w);
	}
}

static void
test_what_is_no_envelope_is_a_problem(void **state)
{
	static const char sender[] = "no header Return-Path with an address";
	static const char recipients[] = "no header Forward-Path with "
	    "addresses";
	static const struct {
		struct headers headers;
		const char *problem;
	} cases[] = {
		{ { NULL, { "<x@y.example>" } }, sender },
		{ { "", { "<x@y.example>" } }, sender },
		{ { "a@b.example", { "<x@y.example>" } }, sender },
		{ { "<a@b.example> RET=HDRS\n", { "<x@y.example>" } }, sender },
		{ { "<a b@b.example>", { "<x@y.example>" } }, sender },
		{ { "<>", { NULL } }, recipients },
		{ { "<>", { "<x@y.example>", "<>" } }, recipients },
		{ { "<>", { "x@y.example" } }, recipients },
		{ { "<>", { "<x@y.example> NOTIFY=X" } }, recipients },
		{ { "<>", { "<x@y.example> -bs" } }, recipients },
	};
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		struct work *w = take(&cases[i].headers, NULL, 0);

		print_message("%zu\n", i);
		assert_non_null(w->problem);
		assert_string_equal(w->problem, cases[i].problem);
		assert_int_equal(w->argc, 0);
		work_free(w);
	}
}

static void
test_headers_of_another_kind_are_no_envelope(void **state)
{
	amqp_table_entry_t entry;
	amqp_basic_properties_t p = { ._flags = AMQP_BASIC_HEADERS_FLAG,
	    .headers = { 1, &entry } };
	struct work *w;
	int i;

	(void)state;
	memset(&entry, 0, sizeof(entry));
	entry.key = amqp_cstring_bytes("Return-Path");
	entry.value.kind = AMQP_FIELD_KIND_I64;
	for (i = 0; i < 3; i++) {
		w = work_new(7, "/tmp");
		assert_non_null(w);
		if (i == 1)
			set_text(&entry.value, "<>");
		if (i == 2)
			p._flags = 0;
		assert_int_equal(work_take_properties(w, &p,
		    amqp_empty_bytes, 0), 0);
		assert_non_null(w->problem);
		work_free(w);
	}
}

/* For the queue of dead messages. */
static void
test_headers_are_kept(void **state)
{
	static const struct headers good = { "<>", { "<x@y.example>" } };
	static const struct headers empty = { "<>", { NULL } };
	struct work *w = take(&good, NULL, 0);

	(void)state;
	assert_int_equal(w->headers.num_entries, 2);
	work_free(w);
	/* An array without elements does not keep the others away. */
	w = take(&empty, NULL, 0);
	assert_int_equal(w->headers.num_entries, 1);
	assert_int_equal(w->headers.entries[0].value.value.bytes.len, 2);
	work_free(w);
}

static void
test_the_name_is_fit_for_a_log(void **state)
{
	static const struct headers headers = { "<>", { "<x@y.example>" } };
	struct work *w = take(&headers, "a\nb\001\"", 0);

	(void)state;
	assert_null(strchr(w->name, '\n'));
	assert_null(strchr(w->name, '\001'));
	assert_non_null(strstr(w->name, " for key"));
	work_free(w);
}

static void
test_the_body_is_what_was_announced(void **state)
{
	static const struct headers headers = { "<>", { "<x@y.example>" } };
	static const char text[] = "Forward-Path: <x@y.example>\r\n"
	    "Return-Path: <>\r\nReceived: x\r\n";
	struct work *w = take(&headers, NULL, sizeof(text) - 1);
	const amqp_bytes_t part = { sizeof(text) - 2, (char *)(uintptr_t)text };
	const amqp_bytes_t rest = { 1, (char *)(uintptr_t)"\n" };

	(void)state;
	assert_int_equal(work_take_body(w, part), 0);
	assert_int_equal(w->left_bytes, 1);
	assert_int_equal(work_take_body(w, part), -1);
	assert_int_equal(errno, EPROTO);
	assert_int_equal(work_take_body(w, rest), 0);
	assert_int_equal(w->left_bytes, 0);
	assert_int_equal(work_take_body(w, rest), -1);
	assert_int_equal(work_complete(w), 0);
	assert_int_equal(w->state, WORK_WAITING);
	assert_string_equal(text + w->text_at, "Received: x\r\n");
	work_free(w);
}

static void
test_an_empty_body_is_complete(void **state)
{
	static const struct headers headers = { "<>", { "<x@y.example>" } };
	struct work *w = take(&headers, NULL, 0);

	(void)state;
	assert_int_equal(work_complete(w), 0);
	assert_int_equal(w->text_at, 0);
	work_free(w);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_headers_become_arguments),
		cmocka_unit_test(test_what_is_no_envelope_is_a_problem),
		cmocka_unit_test(test_headers_of_another_kind_are_no_envelope),
		cmocka_unit_test(test_headers_are_kept),
		cmocka_unit_test(test_the_name_is_fit_for_a_log),
		cmocka_unit_test(test_the_body_is_what_was_announced),
		cmocka_unit_test(test_an_empty_body_is_complete),
	};

	return cmocka_run_group_tests_name("smtpd_work", tests, NULL, NULL);
}
