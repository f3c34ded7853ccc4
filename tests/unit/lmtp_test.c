/*
 * lmtp_test.c - a message to a mail store whose replies are scripted.
 * Started as root it becomes nobody first.
 */
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <signal.h>
#include <unistd.h>

#include "lib/io.h"
#include "local/delivery.h"
#include "local/lmtp.h"
#include "tests/unit/t_delivery.h"

#define STEPS		8
#define LOST		100	/* the connection ended within the text */
#define TEXT		"Subject: x\n\n.dot\nline\n.\n"
#define ON_THE_WIRE	"Subject: x\r\n\r\n..dot\r\nline\r\n..\r\n.\r\n"
#define TO_DATA								\
	{ "", "220 ready\r\n" },					\
	{ "LHLO ", "250-store\r\n250-PIPELINING\r\n250 8BITMIME\r\n" },	\
	{ "MAIL FROM:<ann@example.org> BODY=8BITMIME\r\n", "250 ok\r\n" }, \
	{ "RCPT TO:<bob>\r\n", "250 ok\r\n" },				\
	{ "DATA\r\n", "354 go\r\n" }

/*
 * What the store expects, a beginning of it, and what it replies; "" is
 * nothing, "." the text of the message.  After the last it hangs up.
 */
struct step {
	const char	*expect, *reply;
};

static const struct {
	const char	*recipient;
	struct step	 steps[STEPS];
	enum status	 status;
	const char	*code, *said;
} sessions[] = {
	{ "bob@here", { TO_DATA, { ".", "250 2.0.0 stored as 7\r\n" } },
	    STATUS_SENT, "2.0.0", "250 2.0.0 stored as 7" },
	{ "bob@here", { TO_DATA, { ".", "250-2.1.5 one\r\n250 two\r\n" } },
	    STATUS_SENT, "2.1.5", "250 2.1.5 one two" },
	{ "bob@here", { TO_DATA, { ".", "552 5.2.2 over quota\r\n" } },
	    STATUS_FAILED, "5.2.2", "552 5.2.2 over quota" },
	{ "bob@here", { TO_DATA, { ".", "452 4.2.2 over quota\r\n" } },
	    STATUS_DEFERRED, "4.2.2", "452 4.2.2 over quota" },
	/* the connection ends: it is tried again */
	{ "bob@here", { TO_DATA, { ".", "" } },
	    STATUS_DEFERRED, "4.4.1", "connection closed" },
	{ "bob@here", { TO_DATA, { ".", "250 2.0.0 sto" } },
	    STATUS_DEFERRED, "4.4.1", "connection closed" },
	{ "bob@here", { { "", "" } },
	    STATUS_DEFERRED, "4.4.1", "connection closed" },
	/* refused: by the recipient's reply, or by the host */
	{ "bob@here", { { "", "220 ready\r\n" }, { "LHLO ", "250 store\r\n" },
	    { "MAIL FROM:<ann@example.org>\r\n", "250 ok\r\n" },
	    { "RCPT TO:<bob>\r\n", "550 5.1.1 no such user\r\n" } },
	    STATUS_FAILED, "5.1.1", "550 5.1.1 no such user" },
	{ "bob+lists@here", { { "", "220 ready\r\n" },
	    { "LHLO ", "250 store\r\n" }, { "MAIL ", "250 ok\r\n" },
	    { "RCPT TO:<bob+lists>\r\n", "550 no\r\n" } },
	    STATUS_FAILED, "5.0.0", "550 no" },
	/* what is no plain extension is left out */
	{ "bob+a>b@here", { { "", "220 ready\r\n" },
	    { "LHLO ", "250 store\r\n" }, { "MAIL ", "250 ok\r\n" },
	    { "RCPT TO:<bob>\r\n", "450 later\r\n" } },
	    STATUS_DEFERRED, "4.0.0", "450 later" },
	{ "bob@here", { { "", "220 ready\r\n" }, { "LHLO ", "250 store\r\n" },
	    { "MAIL ", "530 5.7.0 log in first\r\n" } },
	    STATUS_DEFERRED, "4.7.0", "530 5.7.0 log in first" },
	{ "bob@here", { { "", "554 5.3.2 closed\r\n" } },
	    STATUS_DEFERRED, "4.3.2", "554 5.3.2 closed" },
	{ "bob@here", { { "", "220 ready\r\n" },
	    { "LHLO ", "500 what?\r\n" } },
	    STATUS_DEFERRED, "4.0.0", "500 what?" },
	/* nonsense */
	{ "bob@here", { { "", "hello\r\n" } },
	    STATUS_DEFERRED, "4.4.1", "invalid LMTP reply" },
	{ "bob@here", { { "", "220-one\r\n250 two\r\n" } },
	    STATUS_DEFERRED, "4.4.1", "invalid LMTP reply" },
	{ "bob@here", { { "", "2200 one\r\n" } },
	    STATUS_DEFERRED, "4.4.1", "invalid LMTP reply" },
};

static char where[128];

static int
deliver_and_report(struct t_delivery *w)
{
	struct result res;
	int ret;

	result_init(&res);
	lmtp_deliver(&w->d, &res);
	ret = delivery_report(&w->d, &res);
	return ret == 0 ? 0 : 1;
}

/* ---- the store ---- */

static int
listen_at(const char *path)
{
	struct sockaddr_un sun;
	int fd;

	memset(&sun, 0, sizeof(sun));
	sun.sun_family = AF_UNIX;
	text_copy(sun.sun_path, sizeof(sun.sun_path), path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(fd != -1);
	assert_int_equal(bind(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	assert_int_equal(listen(fd, 1), 0);
	return fd;
}

/* Reads until the end is that of a command, or of the text. */
static int
read_to(int fd, struct buf *in, const char *end)
{
	size_t n = strlen(end);
	char c;

	buf_reset(in);
	while (in->len < n || memcmp(in->data + in->len - n, end, n) != 0) {
		if (io_read(fd, &c, 1) != 1)
			return -1;
		buf_add(in, &c, 1);
	}
	return 0;
}

/* 0, or the number of the step that went wrong, plus LOST at the end. */
static int
play(int fd, const struct step *steps)
{
	struct buf in;
	int i;

	buf_init(&in, 0);
	for (i = 0; i < STEPS && steps[i].expect != NULL; i++) {
		if (strcmp(steps[i].expect, ".") == 0) {
			if (read_to(fd, &in, "\r\n.\r\n") == -1)
				return i + 1 + LOST;
			if (strcmp(buf_str(&in), ON_THE_WIRE) != 0)
				return i + 1;
		} else if (steps[i].expect[0] != '\0' &&
		    (read_to(fd, &in, "\r\n") == -1 || strncmp(buf_str(&in),
		    steps[i].expect, strlen(steps[i].expect)) != 0)) {
			return i + 1;
		}
		if (io_write_all(fd, steps[i].reply,
		    strlen(steps[i].reply)) == -1)
			return i + 1;
	}
	return 0;
}

static pid_t
start_store(const struct step *steps)
{
	int fd, sock;
	pid_t pid;

	unlink(where);
	sock = listen_at(where);
	pid = fork();
	assert_true(pid != -1);
	if (pid == 0) {
		alarm(30);
		fd = accept(sock, NULL, NULL);
		_exit(play(fd, steps));
	}
	close(sock);
	return pid;
}

static void
set_up(struct t_delivery *w)
{
	text_copy(where, sizeof(where), t_delivery_path(w, "store"));
	w->conf.local.mailbox = MAILBOX_LMTP;
	w->conf.local.where = where;
	w->conf.smtp.timeout_s = w->conf.smtp.connect_timeout_s = 20;
	t_delivery_message(w, TEXT, strlen(TEXT));
}

static void
test_the_reply_after_the_final_dot_decides(void **state)
{
	struct t_delivery *w = *state;
	int status;
	size_t i;
	pid_t pid;

	set_up(w);
	for (i = 0; i < N(sessions); i++) {
		text_copy(w->d.recipient, sizeof(w->d.recipient),
		    sessions[i].recipient);
		pid = start_store(sessions[i].steps);
		t_delivery_fork(w, deliver_and_report, -1);
		assert_int_equal(w->wait_status, 0);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		if (status != 0)
			fail_msg("session %zu: step %d", i,
			    WEXITSTATUS(status) - 1);
		if (w->res.status != sessions[i].status ||
		    strcmp(w->res.code, sessions[i].code) != 0 ||
		    strstr(w->said, sessions[i].said) == NULL)
			fail_msg("session %zu: %s %s", i, w->res.code,
			    w->said);
	}
}

#define U		"\303\274"
#define SENDER_UTF8	"the sender's address requires SMTPUTF8, which the " \
			"server does not offer"
#define RCPT_UTF8	"the address requires SMTPUTF8, which the server " \
			"does not offer"

/* RFC 6531: only a store that offers SMTPUTF8 is given such addresses. */
static void
test_addresses_in_utf8(void **state)
{
	static const struct {
		const char	*sender, *name, *host;
		unsigned	 flags;
		const char	*offers, *greeting;
		const char	*mail;		/* NULL: nothing is sent */
		const char	*code, *said;
	} cases[] = {
		{ U "@x", "bob", "h", 0, "250 SMTPUTF8\r\n", "LHLO h\r\n",
		  "MAIL FROM:<" U "@x> SMTPUTF8\r\n", "5.0.0", "554 no" },
		{ "a@" U, "bob", "h", 0, "250-8BITMIME\r\n250 SMTPUTF8\r\n",
		  "LHLO h\r\n",
		  "MAIL FROM:<a@" U "> BODY=8BITMIME SMTPUTF8\r\n", "5.0.0",
		  "554 no" },
		{ "a@x", U, "h", 0, "250 SMTPUTF8\r\n", "LHLO h\r\n",
		  "MAIL FROM:<a@x> SMTPUTF8\r\n", "5.0.0", "554 no" },
		{ "a@x", "bob", U, MESSAGE_UTF8_HEADER, "250 SMTPUTF8\r\n",
		  "LHLO localhost\r\n", "MAIL FROM:<a@x> SMTPUTF8\r\n",
		  "5.0.0", "554 no" },
		{ "a@x", "bob", "h", MESSAGE_8BIT_BODY, "250 SMTPUTF8\r\n",
		  "LHLO h\r\n", "MAIL FROM:<a@x>\r\n", "5.0.0", "554 no" },
		{ "a@x", "bob", "h", MESSAGE_UTF8_HEADER, "250 8BITMIME\r\n",
		  "LHLO h\r\n", "MAIL FROM:<a@x> BODY=8BITMIME\r\n",
		  "5.0.0", "554 no" },
		{ U "@x", "bob", "h", 0, "250 8BITMIME\r\n", "LHLO h\r\n",
		  NULL, "5.6.7", SENDER_UTF8 },
		{ "a@x", U, "h", 0, "250 8BITMIME\r\n", "LHLO h\r\n",
		  NULL, "5.6.7", RCPT_UTF8 },
		{ "a@x> SIZE=1", "bob", "h", 0, "250 SMTPUTF8\r\n",
		  "LHLO h\r\n", NULL, "5.1.7", "cannot be used in SMTP" },
	};
	struct step steps[STEPS] = { { "", "220 ready\r\n" } };
	struct t_delivery *w = *state;
	int status;
	size_t i;
	pid_t pid;

	set_up(w);
	for (i = 0; i < N(cases); i++) {
		text_copy(w->d.sender, sizeof(w->d.sender), cases[i].sender);
		text_copy(w->user.name, sizeof(w->user.name), cases[i].name);
		w->conf.names.mailname = (char *)cases[i].host;
		w->d.flags = cases[i].flags;
		steps[1] = (struct step){ cases[i].greeting, cases[i].offers };
		steps[2] = (struct step){ cases[i].mail, "554 no\r\n" };
		pid = start_store(steps);
		t_delivery_fork(w, deliver_and_report, -1);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		if (status != 0)
			fail_msg("case %zu: step %d", i,
			    WEXITSTATUS(status) - 1);
		if (w->res.status != STATUS_FAILED ||
		    strcmp(w->res.code, cases[i].code) != 0 ||
		    strstr(w->said, cases[i].said) == NULL)
			fail_msg("case %zu: %s %s", i, w->res.code, w->said);
	}
}

/* Longer than any reply, or any line of one, may be. */
static void
test_a_reply_without_an_end_defers(void **state)
{
	static const struct { const char *piece, *said; } cases[] = {
		{ "220-x\r\n", "invalid LMTP reply" },
		{ "220-xxx", "reply line is too long" },
	};
	struct step steps[STEPS] = { { "", NULL } };
	struct t_delivery *w = *state;
	size_t i, k, len = 300000;
	char *reply;
	pid_t pid;

	set_up(w);
	reply = malloc(len + 1);
	assert_non_null(reply);
	reply[len] = '\0';
	steps[0].reply = reply;
	for (k = 0; k < N(cases); k++) {
		for (i = 0; i < len; i++)
			reply[i] = cases[k].piece[i % 7];
		pid = start_store(steps);
		t_delivery_fork(w, deliver_and_report, -1);
		assert_int_equal(waitpid(pid, NULL, 0), pid);
		assert_int_equal(w->res.status, STATUS_DEFERRED);
		assert_non_null(strstr(w->said, cases[k].said));
	}
	free(reply);
}

static void
test_a_store_that_is_not_there_defers(void **state)
{
	struct t_delivery *w = *state;

	set_up(w);
	t_delivery_fork(w, deliver_and_report, -1);
	assert_int_equal(w->res.status, STATUS_DEFERRED);
	assert_string_equal(w->res.code, "4.4.1");
	assert_non_null(strstr(w->said, "No such file or directory"));
	memset(where, 'a', sizeof(where) - 1);
	where[0] = '/';
	t_delivery_fork(w, deliver_and_report, -1);
	assert_non_null(strstr(w->said, "socket path is too long"));
}

/* Without the final dot the store takes nothing. */
static void
test_a_message_that_is_cut_is_not_completed(void **state)
{
	static const struct step steps[STEPS] = { TO_DATA,
	    { ".", "250 taken\r\n" } };
	struct t_delivery *w = *state;
	int status;
	pid_t pid;

	set_up(w);
	t_delivery_long_message(w, 100000);
	w->d.length++;
	pid = start_store(steps);
	t_delivery_fork(w, deliver_and_report, -1);
	assert_int_equal(w->res.status, STATUS_DEFERRED);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WEXITSTATUS(status), 6 + LOST);
}

int
main(void)
{
#define EACH(f)	cmocka_unit_test_setup_teardown(f, t_delivery_setup,	\
    t_delivery_teardown)
	const struct CMUnitTest tests[] = {
		EACH(test_the_reply_after_the_final_dot_decides),
		EACH(test_addresses_in_utf8),
		EACH(test_a_reply_without_an_end_defers),
		EACH(test_a_store_that_is_not_there_defers),
		EACH(test_a_message_that_is_cut_is_not_completed),
	};

	t_become_nobody();
	signal(SIGPIPE, SIG_IGN);
	/* Sanitizers look at their own process. */
	prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
