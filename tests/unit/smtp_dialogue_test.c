/*
 * smtp_dialogue_test.c - what is replied to a whole input, and what is queued.
 * Each dialogue runs in a process of its own.
 */
#include <sys/wait.h>

#include <fcntl.h>
#include <unistd.h>

#include "submit/smtp_dialogue.h"
#include "tests/unit/t_queue.h"

#define UID	4711
#define TEXT	"Subject: s\r\n\r\ntext\r\n.\r\n"
#define MAIL	"MAIL FROM:<ann@x.test>\r\n"
#define RCPT	"RCPT TO:<bob@y.test>\r\n"

/* Gives the exit status; no runner is woken. */
static int
converse(struct t_spool *q, const char *input, size_t len)
{
	struct caller c = { .uid = UID, .has_stdin = 1 };
	struct options o = { .mode = MODE_SMTP, .is_queue_only = 1 };
	struct log log;
	int fd, status;
	pid_t pid;

	t_put(t_path(q->dir, "stdin"), input, len, 0600);
	fflush(NULL);
	pid = fork();
	assert_true(pid != -1);
	if (pid == 0) {
		fd = open(t_path(q->dir, "stdin"), O_RDONLY);
		dup2(fd, STDIN_FILENO);
		fd = open(t_path(q->dir, "out"), O_WRONLY | O_CREAT, 0600);
		dup2(fd, STDOUT_FILENO);
		if (freopen("/dev/null", "w", stderr) == NULL)
			_exit(99);
		log_init(&log, "dma");
		log.where = LOG_TO_FD;
		log.fd = -1;
		_exit(smtp_dialogue(&c, &o, &q->conf, &q->sp, &log));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* The codes of all replies, "220 250 "; every line ends in CRLF. */
static void
read_codes(struct t_spool *q, struct buf *codes)
{
	const char *line, *end;
	struct buf out;

	buf_init(&out, 0);
	t_get(t_path(q->dir, "out"), &out);
	for (line = buf_str(&out); *line != '\0'; line = end + 2) {
		end = strstr(line, "\r\n");
		assert_non_null(end);
		assert_true(end - line > 3);
		if (line[3] != '-') {
			buf_add(codes, line, 3);
			buf_putc(codes, ' ');
		}
	}
	buf_fini(&out);
}

struct dialogue_case {
	const char	*conf, *input;
	size_t		 len;
	int		 status, nqueued;
	const char	*codes;
};

static void
check(const struct dialogue_case *c, size_t n)
{
	struct buf codes;
	struct t_spool q;
	int status;

	t_spool_init(&q, c->conf);
	buf_init(&codes, 0);
	status = converse(&q, c->input, c->len);
	read_codes(&q, &codes);
	if (status != c->status || strcmp(buf_str(&codes), c->codes) != 0)
		fail_msg("case %zu: status %d, %s", n, status,
		    buf_str(&codes));
	if (t_count(q.dir, "queue") != c->nqueued ||
	    t_count(q.dir, "tmp") != 0)
		fail_msg("case %zu: %d queued", n, t_count(q.dir, "queue"));
	buf_fini(&codes);
	t_spool_fini(&q);
}

static void
test_replies_and_what_is_queued(void **state)
{
	static const struct dialogue_case cases[] = {
		{ "", T(""), 0, 0, "220 " },
		{ "", T("QUIT"), 0, 0, "220 " },
		{ "", T("QUIT\r\nNOOP\r\n"), 0, 0, "220 221 " },
		{ "", T("HELO a\r\nEHLO a\r\nHELP\r\nNOOP x\r\nVRFY a\r\n"),
		  0, 0, "220 250 250 214 250 252 " },
		{ "", T("EHLO\r\nHELO \r\nVRFY\r\nEXPN a\r\nBDAT 1\r\n"
		  "STARTTLS\r\n\r\n"), 0, 0,
		  "220 501 501 501 502 500 500 500 " },
		/* Messages. */
		{ "", T(MAIL RCPT "DATA\r\n" TEXT "QUIT\r\n"), 0, 1,
		  "220 250 250 354 250 221 " },
		{ "", T(MAIL RCPT "DATA\r\n.\r\n"), 0, 1,
		  "220 250 250 354 250 " },
		{ "", T(MAIL RCPT RCPT "DATA\r\n" TEXT MAIL RCPT "DATA\r\n"
		  TEXT), 0, 2,
		  "220 250 250 250 354 250 250 250 354 250 " },
		{ "", T("mail from:<ann@x.test>\nrcpt to: <bob@y.test>\n"
		  "data\nSubject: s\n\ntext\n.\nquit\n"), 0, 1,
		  "220 250 250 354 250 221 " },
		/* Without an end. */
		{ "", T(MAIL RCPT "DATA\r\n"), 66, 0, "220 250 250 354 " },
		{ "", T(MAIL RCPT "DATA\r\nSubject: s\r\n.\r"), 66, 0,
		  "220 250 250 354 " },
		{ "", T(MAIL RCPT "DATA\r\nSubject: s\r\n.\n"), 66, 0,
		  "220 250 250 354 " },
		{ "", T(MAIL RCPT "DATA"), 0, 0, "220 250 250 " },
		/* Bare line ends, and what they would smuggle. */
		{ "", T(MAIL RCPT "DATA\r\na\n.\n" MAIL RCPT "DATA\r\nb\r\n"
		  ".\r\nQUIT\r\n"), 0, 0, "220 250 250 354 550 221 " },
		{ "", T(MAIL RCPT "DATA\r\na\r\r\n.\r\n" MAIL), 0, 0,
		  "220 250 250 354 550 250 " },
		/* Out of order. */
		{ "", T(RCPT "DATA\r\n"), 0, 0, "220 503 503 " },
		{ "", T(MAIL MAIL "DATA\r\n"), 0, 0, "220 250 503 503 " },
		{ "", T(MAIL RCPT "RSET\r\n" RCPT), 0, 0,
		  "220 250 250 250 503 " },
		{ "", T(MAIL RCPT "EHLO a\r\n" RCPT), 0, 0,
		  "220 250 250 250 503 " },
		{ "", T(MAIL RCPT "DATA x\r\n"), 0, 0, "220 250 250 501 " },
		{ "", T("DATA\r\n" MAIL RCPT "DATA\r\n" TEXT), 65, 0,
		  "220 503 421 " },
		/* Addresses. */
		{ "", T("MAIL FROM:<a b>\r\nMAIL FROM:<>\r\nRCPT TO:<>\r\n"
		  "RCPT TO:<|id>\r\nRCPT TO:</etc/x>\r\n"
		  "RCPT TO:<no-such-user>\r\nDATA\r\n" TEXT "NOOP\r\n"), 0, 0,
		  "220 501 250 501 550 550 550 354 554 250 " },
		{ "NOREMOTE\n", T(MAIL RCPT "RCPT TO:<root>\r\nDATA\r\n"
		  TEXT), 0, 1, "220 250 550 250 354 250 " },
		/* Limits. */
		{ "MAX_SIZE 1000\n", T("MAIL FROM:<> SIZE=1001\r\n"
		  "MAIL FROM:<> SIZE=99999999999999999999\r\n"
		  "MAIL FROM:<> SIZE=1000\r\n"), 0, 0, "220 552 552 250 " },
		{ "MAX_SIZE 100\n", T(MAIL RCPT "DATA\r\n" TEXT MAIL), 0, 0,
		  "220 250 250 354 552 250 " },
		{ "MAX_RECIPIENTS 1\n", T(MAIL RCPT "RCPT TO:<c@y.test>\r\n"
		  "DATA\r\n" TEXT), 0, 1, "220 250 250 452 354 250 " },
		/* Lines. */
		{ "", T("NO\0OP\r\nNOOP\r\n\0\r\n"), 0, 0, "220 500 250 500 " },
		{ "", T("a\nb\nc\nd\ne\nf\ng\nh\ni\nj\nk\nl\nm\nn\no\np\nq\nr\n"
		  "s\nNOOP\nt\nNOOP\n"), 65, 0,
		  "220 500 500 500 500 500 500 500 500 500 500 500 500 500 500 "
		  "500 500 500 500 500 250 500 421 " },
	};
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++)
		check(&cases[i], i);
}

/* Around the limit, and around the size of a read. */
static void
test_long_lines(void **state)
{
	static const struct {
		size_t len;		/* with CRLF */
		const char *codes;
	} cases[] = {
		{ 2050, "220 250 250 " },
		{ 2051, "220 500 250 " },
		{ 65535, "220 500 250 " },
		{ 65536, "220 500 250 " },
		{ 65537, "220 500 250 " },
		{ 200000, "220 500 250 " },
	};
	struct dialogue_case c = { .conf = "" };
	char *text;
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		text = malloc(cases[i].len + 7);
		assert_non_null(text);
		memset(text, 'x', cases[i].len);
		memcpy(text, "NOOP ", 5);
		memcpy(text + cases[i].len - 2, "\r\nNOOP\r\n", 9);
		c.input = text;
		c.len = cases[i].len + 6;
		c.codes = cases[i].codes;
		check(&c, i);
		free(text);
	}
}

static int
keep_id(void *arg, const char *id)
{
	return text_copy(arg, QUEUE_ID_MAX + 1, id);
}

static void
test_the_envelope(void **state)
{
	static const char input[] =
	    "MAIL FROM:<ann@x.test> RET=HDRS ENVID=a+2Bb BODY=8BITMIME\r\n"
	    "RCPT TO:<Bob@Y.test> NOTIFY=SUCCESS ORCPT=rfc822;a+20b@c\r\n"
	    "RCPT TO:<carl@y.test>\r\n"
	    "RCPT TO:<Bob@y.test> NOTIFY=NEVER\r\n"
	    "DATA\r\n" TEXT;
	char id[QUEUE_ID_MAX + 1] = "";
	struct result res;
	struct message m;
	struct t_spool q;

	(void)state;
	t_spool_init(&q, "");
	result_init(&res);
	assert_int_equal(converse(&q, T(input)), 0);
	assert_int_equal(spool_list(&q.sp, keep_id, id), 0);
	assert_int_equal(spool_load(&q.sp, id, 0, &m, &res), SPOOL_GOT);
	assert_string_equal(m.sender, "ann@x.test");
	assert_int_equal(m.submitter, UID);
	assert_int_equal(m.ret, RET_HDRS);
	assert_string_equal(m.envid, "a+b");
	assert_true((m.text.flags & MESSAGE_SAID_8BIT) != 0);
	assert_int_equal(m.nrcpts, 2);
	assert_string_equal(m.rcpts[0].address, "Bob@y.test");
	assert_int_equal(m.rcpts[0].notify, NOTIFY_SUCCESS);
	assert_string_equal(m.rcpts[0].orcpt, "rfc822;a b@c");
	assert_string_equal(m.rcpts[1].address, "carl@y.test");
	assert_int_equal(m.rcpts[1].notify, 0);
	assert_null(m.rcpts[1].orcpt);
	message_fini(&m);
	result_fini(&res);
	t_spool_fini(&q);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_replies_and_what_is_queued),
		cmocka_unit_test(test_long_lines),
		cmocka_unit_test(test_the_envelope),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
