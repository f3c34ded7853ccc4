/*
 * content_test.c - messages for servers that accept less, a table of cases.
 */
#include <fcntl.h>
#include <unistd.h>

#include "lib/io.h"
#include "lib/smtp_reply.h"
#include "net/content.h"
#include "tests/unit/t.h"

#define UE	"\xc3\xbc"		/* ü */
#define LONG	"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define EIGHT	SMTP_OFFERS_8BITMIME
#define UTF8	(SMTP_OFFERS_8BITMIME | SMTP_OFFERS_SMTPUTF8)
#define BODY8	MESSAGE_8BIT_BODY
#define HEAD8	(MESSAGE_8BIT_HEADER | MESSAGE_UTF8_HEADER)
#define ADDED	"MIME-Version: 1.0\r\nContent-Type: text/plain; " \
		"charset=utf-8\r\nContent-Transfer-Encoding: " \
		"quoted-printable\r\n\r\n"

static const struct {
	const char	*in;
	size_t		 len;
	unsigned	 flags, offers;
	const char	*sender;
	const char	*out;		/* or the code of the failure */
	unsigned	 announced;	/* flags of the mail */
} cases[] = {
	/* What fits goes as it is. */
	{ T("A: b\n\nx\n"), 0, 0, "a@b", "A: b\r\n\r\nx\r\n", 0 },
	{ T("A: b\n\n.\n..x\n"), 0, 0, "a@b",
	  "A: b\r\n\r\n..\r\n...x\r\n", 0 },
	{ T("A: b\n\n" UE "\n"), BODY8, EIGHT, "a@b",
	  "A: b\r\n\r\n" UE "\r\n", BODY8 },
	{ T("A: b\n\nx\ry\0z\n"), MESSAGE_HAS_CR | MESSAGE_HAS_NUL, 0, "a@b",
	  "A: b\r\n\r\nx\r\nyz\r\n", MESSAGE_HAS_CR | MESSAGE_HAS_NUL },
	/* The text. */
	{ T("A: b\n\n" UE "\n"), BODY8 | MESSAGE_SAID_8BIT, 0, "a@b",
	  "A: b\r\n" ADDED "=C3=BC\r\n", 0 },
	{ T("Content-Type: multipart/signed; boundary=b\n\n--b\n\n" UE
	  "\n--b--\n"), BODY8, 0, "a@b", "5.6.3", 0 },
	/* The header; UTF-8 in it, or not. */
	{ T("A: " UE "\n\nx\n"), HEAD8, EIGHT, "a@b",
	  "A: =?utf-8?Q?=C3=BC?=\r\n\r\nx\r\n", MESSAGE_UTF8_HEADER },
	{ T("A: " UE "\n\nx\n"), HEAD8, 0, "a@b",
	  "A: =?utf-8?Q?=C3=BC?=\r\n\r\nx\r\n", MESSAGE_UTF8_HEADER },
	{ T("A: \xfc\n\nx\n"), MESSAGE_8BIT_HEADER, UTF8, "a@b",
	  "A: =?unknown-8bit?Q?=FC?=\r\n\r\nx\r\n", 0 },
	{ T("From: <" UE "@x>\n\nx\n"), HEAD8, EIGHT, "a@b", "5.6.7", 0 },
	{ T("Content-ID: <" UE ">\n\nx\n"), HEAD8, EIGHT, "a@b",
	  "Content-ID: <=C3=BC>\r\n\r\nx\r\n", MESSAGE_UTF8_HEADER },
	/* SMTPUTF8 is not for what can do without it. */
	{ T("A: " UE "\n\nx\n"), HEAD8, UTF8, "a@b",
	  "A: =?utf-8?Q?=C3=BC?=\r\n\r\nx\r\n", MESSAGE_UTF8_HEADER },
	{ T("A: " UE "\nFrom: <" UE "@x>\n\nx\n"), HEAD8, UTF8, "a@b",
	  "A: " UE "\r\nFrom: <" UE "@x>\r\n\r\nx\r\n", HEAD8 },
	{ T("From: <" UE "@x>\n\nx\n"), HEAD8, UTF8, "",
	  "From: <" UE "@x>\r\n\r\nx\r\n", HEAD8 },
	{ T("From: <\xfc@x>\n\nx\n"), MESSAGE_8BIT_HEADER, UTF8, "a@b", "5.6.7",
	  0 },
	/* Both. */
	{ T("A: " UE "\n\n" UE "\n"), HEAD8 | BODY8, EIGHT, "a@b",
	  "A: =?utf-8?Q?=C3=BC?=\r\n\r\n" UE "\r\n",
	  MESSAGE_UTF8_HEADER | BODY8 },
	/* Reports go out, at any cost. */
	{ T("From: <" UE "@x>\nContent-ID: <" UE ">\n\nx\n"), HEAD8, 0, "",
	  "From: <\?\?@x>\r\nContent-ID: <=C3=BC>\r\n\r\nx\r\n",
	  MESSAGE_UTF8_HEADER },
	{ T("Content-Type: multipart/signed; boundary=b\n\n--b\n\n" UE
	  "\n--b--\n"), BODY8, 0, "",
	  "Content-Type: multipart/signed; boundary=b\r\n\r\n--b\r\n\r\n\?\?"
	  "\r\n--b--\r\n", 0 },
	/* A message of one line is short for all that it is called long. */
	{ T("A: b\n\nx\n"), MESSAGE_LONG_LINES, 0, "a@b",
	  "A: b\r\n\r\nx\r\n", MESSAGE_LONG_LINES },
};

struct setting {
	struct request	 r;
	struct content	 c;
	struct result	 res;
	char		 path[64];
};

static void
set_up(struct setting *s, const char *in, size_t len, unsigned flags,
    const char *sender)
{
	size_t i;

	memset(s, 0, sizeof(*s));
	text_copy(s->path, sizeof(s->path), "/tmp/content_test.XXXXXX");
	s->r.text.fd = mkstemp(s->path);
	assert_int_not_equal(s->r.text.fd, -1);
	/* The text stands in the file of the queue, after other things. */
	assert_int_equal(io_write_all(s->r.text.fd, "head", 4), 0);
	assert_int_equal(io_write_all(s->r.text.fd, in, len), 0);
	s->r.text.offset = 4;
	s->r.text.length = len;
	for (i = 0; i < len; i++)
		s->r.text.lines += in[i] == '\n';
	s->r.flags = flags;
	text_copy(s->r.sender, sizeof(s->r.sender), sender);
	content_init(&s->c);
	result_init(&s->res);
}

static void
tear_down(struct setting *s)
{
	content_fini(&s->c);
	free(s->r.fit.plan);
	result_fini(&s->res);
	close(s->r.text.fd);
	unlink(s->path);
}

static int
prepare(struct setting *s, unsigned offers, int is_utf8)
{
	int ret;

	do {
		ret = content_prepare(&s->c, &s->r, offers, is_utf8, &s->res);
	} while (ret == 0);
	return ret;
}

static void
read_all(struct setting *s, struct buf *out)
{
	int ret;

	content_begin(&s->c, &s->r, 1);
	do {
		ret = content_next(&s->c, out);
	} while (ret == 1);
	assert_int_equal(ret, 0);
}

/* Dots that were doubled; SIZE counts them once. */
static size_t
count_dots(const char *p)
{
	size_t n = 0;

	for (; (p = strstr(p, "\r\n..")) != NULL; p++)
		n++;
	return n;
}

static void
test_cases(void **state)
{
	struct setting s;
	struct buf out;
	size_t i;

	(void)state;
	buf_init(&out, 0);
	for (i = 0; i < N(cases); i++) {
		set_up(&s, cases[i].in, cases[i].len, cases[i].flags,
		    cases[i].sender);
		if (prepare(&s, cases[i].offers, 0) == -1) {
			assert_int_equal(s.res.status, STATUS_FAILED);
			assert_string_equal(s.res.code, cases[i].out);
			tear_down(&s);
			continue;
		}
		buf_reset(&out);
		read_all(&s, &out);
		assert_string_equal(buf_str(&out), cases[i].out);
		assert_int_equal(s.r.mail.flags, cases[i].announced);
		assert_int_equal(s.r.mail.size_bytes + count_dots(out.data),
		    out.len);
		tear_down(&s);
	}
	buf_fini(&out);
}

/* One server after the other, and back: each gets what it accepts. */
static void
test_another_server(void **state)
{
	static const unsigned offers[] = { UTF8, 0, UTF8, EIGHT, UTF8 };
	static const int is_utf8[] = { 1, 1, 1, 1, 0 };
	static const char *const outs[] = {
		"A: " UE "\r\n\r\n" UE "\r\n",
		"A: =?utf-8?Q?=C3=BC?=\r\n" ADDED "=C3=BC\r\n",
		"A: " UE "\r\n\r\n" UE "\r\n",
		"A: =?utf-8?Q?=C3=BC?=\r\n\r\n" UE "\r\n",
		"A: =?utf-8?Q?=C3=BC?=\r\n\r\n" UE "\r\n",
	};
	struct setting s;
	struct buf out;
	size_t i;

	(void)state;
	set_up(&s, T("A: " UE "\n\n" UE "\n"), HEAD8 | BODY8, "a@b");
	buf_init(&out, 0);
	for (i = 0; i < N(offers); i++) {
		assert_int_equal(prepare(&s, offers[i], is_utf8[i]), 1);
		buf_reset(&out);
		read_all(&s, &out);
		assert_string_equal(buf_str(&out), outs[i]);
		assert_int_equal(s.r.mail.size_bytes, out.len);
	}
	buf_fini(&out);
	tear_down(&s);
}

/* A file that is shorter than it was defers; nothing is sent for it. */
static void
test_truncated_file(void **state)
{
	struct setting s;
	struct buf out;

	(void)state;
	set_up(&s, T("A: b\n\n" UE "\n"), BODY8, "a@b");
	assert_int_equal(ftruncate(s.r.text.fd, 8), 0);
	assert_int_equal(prepare(&s, 0, 0), -1);
	assert_int_equal(s.res.status, STATUS_DEFERRED);
	buf_init(&out, 0);
	content_begin(&s.c, &s.r, 1);
	assert_int_equal(content_next(&s.c, &out), -1);
	assert_int_equal(out.len, 0);
	buf_fini(&out);
	tear_down(&s);
}

/* A large message is looked at in turns, and goes out in pieces. */
static void
test_large_message(void **state)
{
	struct buf in, out;
	struct setting s;
	unsigned turns = 1;
	size_t i;

	(void)state;
	buf_init(&in, 0);
	buf_puts(&in, "A: b\n\n");
	for (i = 0; i < 20000; i++)
		buf_puts(&in, UE LONG "\n");
	set_up(&s, in.data, in.len, BODY8, "a@b");
	while (content_prepare(&s.c, &s.r, 0, 0, &s.res) == 0)
		turns++;
	assert_true(turns > 1);
	assert_int_equal(s.r.fit.stage, FIT_DONE);
	buf_init(&out, 0);
	read_all(&s, &out);
	assert_true(text_is_ascii(out.data, out.len));
	assert_int_equal(s.r.mail.size_bytes, out.len);
	buf_fini(&in);
	buf_fini(&out);
	tear_down(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_another_server),
		cmocka_unit_test(test_truncated_file),
		cmocka_unit_test(test_large_message),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
