/*
 * smtpd_dialogue_test.c - what a client sends, and the replies it gets: whole
 * dialogues, each in one piece and byte by byte.
 */
#include "smtpd/conf.h"
#include "smtpd/dialogue.h"
#include "tests/unit/t.h"

/* ---- a host with one module that notes what it is asked ---- */

struct notes {
	struct buf	 text;		/* of the messages, "|" after each */
	struct buf	 events;
	enum smtpd_verdict connect, helo, mail, rcpt, data, header, body,
	    end_of_data, deliver;
	const char	*words;		/* for smtpd_set_text(); or NULL */
	unsigned	 nresets, nmails, ndisconnects, nresumed;
};

static enum smtpd_verdict
say(struct notes *n, struct smtpd_session *s, const char *event,
    const char *text, enum smtpd_verdict verdict)
{
	buf_printf(&n->events, "%s(%s) ", event, text);
	if (n->words != NULL && verdict != SMTPD_PASS)
		smtpd_set_text(s, "%s", n->words);
	return verdict;
}

static enum smtpd_verdict
on_connect(void *self, struct smtpd_session *s)
{
	struct notes *n = self;

	return say(n, s, "connect", smtpd_client(s), n->connect);
}

static enum smtpd_verdict
on_helo(void *self, struct smtpd_session *s, const char *name)
{
	struct notes *n = self;

	return say(n, s, "helo", name, n->helo);
}

static enum smtpd_verdict
on_mail(void *self, struct smtpd_session *s, const char *path)
{
	struct notes *n = self;

	n->nmails++;
	return say(n, s, "mail", path, n->mail);
}

static enum smtpd_verdict
on_rcpt(void *self, struct smtpd_session *s, const char *path)
{
	struct notes *n = self;

	return say(n, s, "rcpt", path, n->rcpt);
}

static enum smtpd_verdict
on_data(void *self, struct smtpd_session *s)
{
	struct notes *n = self;

	return say(n, s, "data", "", n->data);
}

static enum smtpd_verdict
on_header(void *self, struct smtpd_session *s, const char *field, size_t len)
{
	struct notes *n = self;
	char text[64];

	snprintf(text, sizeof(text), "%.*s", (int)len, field);
	return say(n, s, "header", text, n->header);
}

static enum smtpd_verdict
on_body(void *self, struct smtpd_session *s, const char *bytes, size_t len)
{
	struct notes *n = self;

	buf_add(&n->text, bytes, len);
	if (n->words != NULL && n->body != SMTPD_PASS)
		smtpd_set_text(s, "%s", n->words);
	return n->body;
}

static enum smtpd_verdict
on_end_of_data(void *self, struct smtpd_session *s)
{
	struct notes *n = self;

	return say(n, s, "end", "", n->end_of_data);
}

static enum smtpd_verdict
on_deliver(void *self, struct smtpd_session *s)
{
	struct notes *n = self;

	buf_puts(&n->text, "|");
	return say(n, s, "deliver", "", n->deliver);
}

static void
on_reset(void *self, struct smtpd_session *s)
{
	struct notes *n = self;

	(void)s;
	n->nresets++;
}

static void
on_disconnect(void *self, struct smtpd_session *s)
{
	struct notes *n = self;

	(void)s;
	n->ndisconnects++;
}

static const struct smtpd_module noting = {
	.abi = SMTPD_MODULE_ABI, .size = sizeof(struct smtpd_module),
	.name = "noting", .connect = on_connect, .helo = on_helo,
	.mail = on_mail, .rcpt = on_rcpt, .data = on_data,
	.header = on_header, .body = on_body, .end_of_data = on_end_of_data,
	.deliver = on_deliver, .reset = on_reset, .disconnect = on_disconnect
};

struct peer {
	struct smtpd_config conf;
	struct counters	 counters;
	struct smtpd_host host;
	struct smtpd_session session;
	struct notes	 notes;
	struct buf	 in, out;
};

static void
resumed(void *arg)
{
	struct peer *p = arg;
	size_t used;

	p->notes.nresumed++;
	used = dialogue_input(&p->session, buf_str(&p->in), p->in.len);
	buf_drop(&p->in, used);
}

/* lines: of the configuration. */
static struct peer *
peer_new(const char *lines)
{
	struct peer *p = calloc(1, sizeof(*p));

	assert_non_null(p);
	assert_int_equal(conf_parse(&p->conf, lines, strlen(lines), "conf",
	    NULL, &report_quiet), 0);
	netset_ready(&p->conf.normalize_from);
	p->host.conf = &p->conf;
	log_init(&p->host.log, "dma-smtpd");
	p->host.log.where = LOG_TO_STDERR;
	p->host.log.level = LOG_LEVEL_ERROR;
	(void)text_copy(p->host.name, sizeof(p->host.name), "mx.test");
	p->host.counters = &p->counters;
	p->host.modules[0] = (struct module){ .hooks = &noting,
	    .self = &p->notes, .name = "noting" };
	p->host.nmodules = 1;
	p->notes.deliver = SMTPD_DELIVERED;
	p->session.host = &p->host;
	p->session.out = &p->out;
	p->session.resumed = resumed;
	p->session.arg = p;
	assert_int_equal(netaddr_parse("192.0.2.7", &p->session.client.addr),
	    0);
	return p;
}

static void
peer_send(struct peer *p, const char *bytes, size_t n, size_t piece)
{
	for (size_t i = 0; i < n; i += piece) {
		size_t len = n - i < piece ? n - i : piece, used;

		buf_add(&p->in, bytes + i, len);
		used = dialogue_input(&p->session, buf_str(&p->in), p->in.len);
		buf_drop(&p->in, used);
	}
}

static void
peer_free(struct peer *p)
{
	dialogue_fini(&p->session);
	assert_int_equal(p->notes.ndisconnects, p->session.state !=
	    DIALOGUE_NEW);
	assert_int_equal(p->notes.nresets, p->notes.nmails);
	buf_fini(&p->notes.text);
	buf_fini(&p->notes.events);
	buf_fini(&p->in);
	buf_fini(&p->out);
	buf_fini(&p->host.decoded);
	conf_fini(&p->conf);
	free(p);
}

/* The codes of the replies, "250- " for lines that are continued left out. */
static void
codes(const struct buf *out, char *text, size_t size)
{
	const char *p = buf_str(out);
	size_t n = 0;

	while (*p != '\0' && n + 5 < size) {
		const char *end = strstr(p, "\r\n");

		assert_non_null(end);
		if (p[3] == ' ') {
			memcpy(text + n, p, 3);
			text[n + 3] = ' ';
			n += 4;
		}
		p = end + 2;
	}
	text[n > 0 ? n - 1 : 0] = '\0';
}

#define EHLO	"EHLO c.test\r\n"
#define MAIL	"MAIL FROM:<a@b.test>\r\n"
#define RCPT	"RCPT TO:<c@d.test>\r\n"
#define NOOP5	"NOOP\r\nNOOP\r\nNOOP\r\nNOOP\r\nNOOP\r\n"
#define MESSAGE	MAIL RCPT "DATA\r\nS: x\r\n\r\nhi\r\n.\r\n"

/* One dialogue in pieces of so many bytes; text NULL: any. */
static void
check(const char *lines, uint64_t max_size_bytes, const char *in, size_t piece,
    const char *expected_codes, const char *expected_text)
{
	struct peer *p = peer_new(lines);
	char text[512];

	if (max_size_bytes != 0)
		p->conf.limits.max_size_bytes = max_size_bytes;
	dialogue_begin(&p->session);
	peer_send(p, in, strlen(in), piece);
	codes(&p->out, text, sizeof(text));
	if (strcmp(text, expected_codes) != 0)
		print_error("%s, pieces of %zu\n%s\n", in, piece,
		    buf_str(&p->out));
	assert_string_equal(text, expected_codes);
	if (expected_text != NULL)
		assert_string_equal(buf_str(&p->notes.text), expected_text);
	peer_free(p);
}

static void
test_replies(void **state)
{
	static const struct { const char *lines, *in, *codes, *text; }
	    cases[] = {
		{ "", "", "220", "" },
		{ "", EHLO MESSAGE "QUIT\r\n",
		    "220 250 250 250 354 250 221", "S: x\r\n\r\nhi\r\n|" },
		{ "", "HELO c.test\r\n" MESSAGE MESSAGE,
		    "220 250 250 250 354 250 250 250 354 250",
		    "S: x\r\n\r\nhi\r\n|S: x\r\n\r\nhi\r\n|" },
		/* Order. */
		{ "", MAIL, "220 503", "" },
		{ "", EHLO RCPT, "220 250 503", "" },
		{ "", EHLO "DATA\r\n", "220 250 503", "" },
		{ "", EHLO MAIL "DATA\r\n", "220 250 250 503", "" },
		{ "", EHLO MAIL MAIL, "220 250 250 503", "" },
		{ "", EHLO MAIL "RSET\r\n" MAIL, "220 250 250 250 250", "" },
		{ "", EHLO MAIL RCPT EHLO RCPT, "220 250 250 250 250 503",
		    "" },
		{ "", EHLO "STARTTLS\r\n", "220 250 502", "" },
		/* Commands. */
		{ "", "NOOP\r\nNOOP x\r\nVRFY x\r\nEXPN x\r\nHELP\r\nXYZ\r\n"
		    "\r\n", "220 250 250 252 502 214 500 500", "" },
		{ "", "NOOP\nNOOP\r\n", "220 500 250", "" },
		{ "", "NO\rOP\r\nNOOP\r\n", "220 500 250", "" },
		{ "", "EHLO\r\nHELO \r\nEHLO a b\r\n", "220 501 501 501", "" },
		{ "", EHLO "MAIL FROM:a@b\r\nMAIL FROM:<a@b\r\n"
		    "MAIL FROM:<a@b> X=1\r\nMAIL FROM:<>\r\n",
		    "220 250 501 501 555 250", "" },
		{ "", EHLO "DATA x\r\nRSET x\r\n", "220 250 501 501", "" },
		/* Limits. */
		{ "MAX_RECIPIENTS 2\n", EHLO MAIL RCPT RCPT RCPT
		    "DATA\r\n.\r\n", "220 250 250 250 250 452 354 250", "|" },
		{ "MAX_ERRORS 2\n", "X\r\nX\r\nNOOP\r\n", "220 500 500 421",
		    "" },
		{ "MAX_COMMANDS 10\n", NOOP5 NOOP5 NOOP5,
		    "220 250 250 250 250 250 250 250 250 250 250 421", "" },
		{ "MAX_LINE 512\n", "NOOP "
#define X64 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
		    X64 X64 X64 X64 X64 X64 X64 X64 "\r\nNOOP\r\n",
		    "220 500 250", "" },
		/* The end of a text. */
		{ "", EHLO MAIL RCPT "DATA\r\n.\r\n", "220 250 250 250 354 250",
		    "|" },
		{ "", EHLO MAIL RCPT "DATA\r\n..\r\n...x\r\n.\r\n",
		    "220 250 250 250 354 250", ".\r\n..x\r\n|" },
		{ "", EHLO MAIL RCPT "DATA\r\nx\n.\n" MAIL "\r\n.\r\n",
		    "220 250 250 250 354 550", NULL },
		{ "", EHLO MAIL RCPT "DATA\r\nx\n.\r\nNOOP\r\n.\r\nNOOP\r\n",
		    "220 250 250 250 354 550 250", NULL },
		{ "", EHLO MAIL RCPT "DATA\r\nx\r.\r\n.\r\n",
		    "220 250 250 250 354 550", NULL },
		{ "NORMALIZE_FROM 192.0.2.0/24\n", EHLO MAIL RCPT
		    "DATA\r\nx\ny\rz\n.\nQUIT\r\n",
		    "220 250 250 250 354 250 221", "x\r\ny\r\nz\r\n|" },
		/* Chunks. */
		{ "", EHLO MAIL RCPT "BDAT 3\r\na\r\nBDAT 0\r\n"
		    "BDAT 3 LAST\r\n.\r\nNOOP\r\n",
		    "220 250 250 250 250 250 250 250", "a\r\n.\r\n|" },
		{ "", EHLO MAIL RCPT "BDAT 2\r\na\rBDAT 2 LAST\r\n\nb",
		    "220 250 250 250 250 250", "a\r\nb|" },
		{ "", EHLO MAIL RCPT "BDAT 2\r\na\rBDAT 1 LAST\r\nb",
		    "220 250 250 250 250 550", NULL },
		{ "", EHLO MAIL RCPT "BDAT 0 LAST\r\n",
		    "220 250 250 250 250", "|" },
		{ "", EHLO "BDAT 6\r\nNOOP\r\nNOOP\r\n", "220 250 503 250",
		    "" },
		{ "", EHLO MAIL "BDAT 6 LAST\r\nNOOP\r\n" RCPT,
		    "220 250 250 503 503", "" },
		{ "", EHLO MAIL RCPT "BDAT 3\r\na\nbBDAT 2 LAST\r\nxxRSET\r\n"
		    MAIL, "220 250 250 250 550 503 250 250", NULL },
		{ "", EHLO MAIL RCPT "BDAT 1\r\nxDATA\r\n" RCPT,
		    "220 250 250 250 250 503 503", NULL },
		{ "", EHLO MAIL RCPT "BDAT x\r\n", "220 250 250 250 501 421",
		    "" },
		/* A client that sends ahead is not to blame for all of them. */
		{ "MAX_ERRORS 2\n", "BDAT 1\r\nxBDAT 0\r\nNOOP\r\n",
		    "220 503 503 250", "" },
	};

	(void)state;
	for (size_t i = 0; i < N(cases); i++)
		for (size_t piece = 1; piece < 5000; piece *= 4)
			check(cases[i].lines, 0, cases[i].in, piece,
			    cases[i].codes, cases[i].text);
}

/* The limit is in octets of the text, without dots that are doubled. */
static void
test_size(void **state)
{
	static const struct { const char *in, *codes, *text; } cases[] = {
		{ EHLO "MAIL FROM:<a@b> SIZE=11\r\n"
		    "MAIL FROM:<a@b> SIZE=10\r\n" RCPT
		    "DATA\r\n12345678\r\n.\r\n", "220 250 552 250 250 354 250",
		    "12345678\r\n|" },
		{ EHLO MAIL RCPT
		    "DATA\r\n..2345678\r\n.\r\n" MAIL RCPT
		    "DATA\r\n123456789\r\n.\r\nNOOP\r\n",
		    "220 250 250 250 354 250 250 250 354 552 250",
		    NULL },
		{ EHLO MAIL RCPT "BDAT 10 LAST\r\n1234567890"
		    MAIL RCPT "BDAT 11 LAST\r\n12345678901NOOP\r\n",
		    "220 250 250 250 250 250 250 552 250", NULL },
	};

	(void)state;
	for (size_t i = 0; i < N(cases); i++)
		for (size_t piece = 1; piece < 5000; piece *= 4)
			check("", 10, cases[i].in, piece, cases[i].codes,
			    cases[i].text);
}

static void
test_verdicts(void **state)
{
	static const struct {
		size_t		 member;
		enum smtpd_verdict verdict;
		const char	*words, *codes, *reply;
	} cases[] = {
#define V(m)	offsetof(struct notes, m)
		{ V(connect), SMTPD_TEMPORARY, NULL, "421", "421 4.7.0" },
		{ V(connect), SMTPD_PERMANENT, NULL, "554", "554 5.7.1" },
		{ V(connect), SMTPD_PERMANENT, "554 5.7.9 no", "554",
		    "554 5.7.9 no\r\n" },
		{ V(connect), SMTPD_DROP, NULL, "220 250 250 250 354 250",
		    "accepted" },
		{ V(connect), SMTPD_ACCEPT, NULL, "220 250 250 250 354 250",
		    "accepted" },
		{ V(helo), SMTPD_TEMPORARY, NULL, "220 450 503 503 503 500 500 "
		    "500 500", "450 4.7.1" },
		{ V(mail), SMTPD_PERMANENT, "550 no\r\n250 yes", NULL,
		    "550 5.0.0 no 250 yes\r\n" },
		{ V(mail), SMTPD_TEMPORARY, "550 5.1.1 wrong class", NULL,
		    "451 4.7.1 550 5.1.1 wrong class\r\n" },
		{ V(mail), SMTPD_DROP, NULL, "220 250 250 250 354 250",
		    "accepted" },
		{ V(rcpt), SMTPD_PERMANENT, "who?", NULL,
		    "550 5.7.1 who?\r\n" },
		{ V(rcpt), SMTPD_DROP, NULL, "220 250 250 250 354 250",
		    "accepted" },
		{ V(data), SMTPD_TEMPORARY, NULL, NULL, "451 4.7.1" },
		{ V(header), SMTPD_PERMANENT, NULL, "220 250 250 250 354 554",
		    "554 5.7.1" },
		{ V(body), SMTPD_TEMPORARY, "452 4.3.1 full",
		    "220 250 250 250 354 452", "452 4.3.1 full\r\n" },
		{ V(body), SMTPD_DROP, NULL, "220 250 250 250 354 250",
		    "accepted" },
		{ V(end_of_data), SMTPD_PERMANENT, NULL,
		    "220 250 250 250 354 554", "554 5.7.1" },
		{ V(end_of_data), SMTPD_DROP, NULL, "220 250 250 250 354 250",
		    "accepted" },
		{ V(deliver), SMTPD_PASS, NULL, "220 250 250 250 354 451",
		    "451 4.3.5" },
		{ V(deliver), SMTPD_TEMPORARY, NULL, "220 250 250 250 354 451",
		    "451 4.3.0" },
		{ V(deliver), SMTPD_DROP, NULL, "220 250 250 250 354 250",
		    "accepted" },
	};

	(void)state;
	for (size_t i = 0; i < N(cases); i++) {
		struct peer *p = peer_new("");
		enum smtpd_verdict *v = (void *)((char *)&p->notes +
		    cases[i].member);
		char text[512];

		*v = cases[i].verdict;
		p->notes.words = cases[i].words;
		dialogue_begin(&p->session);
		peer_send(p, EHLO MESSAGE, sizeof(EHLO MESSAGE) - 1, 5000);
		codes(&p->out, text, sizeof(text));
		if (cases[i].codes != NULL)
			assert_string_equal(text, cases[i].codes);
		assert_non_null(strstr(buf_str(&p->out), cases[i].reply));
		peer_free(p);
	}
}

/* Each stage may be pending; input waits meanwhile, and goes on after it. */
static void
test_pending(void **state)
{
	static const struct { size_t member; enum smtpd_verdict verdict; }
	    cases[] = {
		{ V(connect), SMTPD_PASS }, { V(helo), SMTPD_PASS },
		{ V(mail), SMTPD_PASS }, { V(rcpt), SMTPD_ACCEPT },
		{ V(data), SMTPD_PASS }, { V(end_of_data), SMTPD_PASS },
		{ V(deliver), SMTPD_DELIVERED }
	};

	(void)state;
	for (size_t i = 0; i < N(cases); i++) {
		struct peer *p = peer_new("");
		enum smtpd_verdict *v = (void *)((char *)&p->notes +
		    cases[i].member);
		char text[512];

		*v = SMTPD_PENDING;
		dialogue_begin(&p->session);
		peer_send(p, EHLO MESSAGE "QUIT\r\n",
		    sizeof(EHLO MESSAGE "QUIT\r\n") - 1, 7);
		assert_int_equal(dialogue_want(&p->session),
		    DIALOGUE_WANTS_VERDICT);
		*v = cases[i].verdict;
		smtpd_finish(&p->session, cases[i].verdict);
		/* One that is too much changes nothing. */
		smtpd_finish(&p->session, SMTPD_PERMANENT);
		codes(&p->out, text, sizeof(text));
		assert_string_equal(text, "220 250 250 250 354 250 221");
		assert_int_equal(dialogue_want(&p->session),
		    DIALOGUE_WANTS_CLOSE);
		assert_int_equal(p->notes.nresumed, 1);
		peer_free(p);
	}
}

static void
test_modules_see_each_stage_once(void **state)
{
	struct peer *p = peer_new("");

	(void)state;
	dialogue_begin(&p->session);
	peer_send(p, T(EHLO "MAIL FROM:<@r.test:\"A b\"@B.test> RET=HDRS\r\n"
	    "RCPT TO:<C@D.Test> NOTIFY=NEVER\r\n" RCPT
	    "DATA\r\nA: 1\r\n 2\r\nB: 3\r\n\r\nC: 4\r\n.\r\n"), 3);
	assert_string_equal(buf_str(&p->notes.events),
	    "connect(192.0.2.7) helo(c.test) mail(\"A b\"@B.test) "
	    "rcpt(C@D.Test) rcpt(c@d.test) data() header(A: 1\r\n 2) "
	    "header(B: 3) end() deliver() ");
	assert_int_equal(atomic_load(&p->counters.accepted), 1);
	assert_int_equal(atomic_load(&p->counters.recipients), 2);
	assert_int_equal(atomic_load(&p->counters.bytes), 24);
	peer_free(p);
}

/* A chunk that nobody wants has a time in which it must have come, too. */
static void
test_a_chunk_outside_of_a_transaction_has_a_deadline(void **state)
{
	struct peer *p = peer_new("");

	(void)state;
	dialogue_begin(&p->session);
	assert_int_equal(dialogue_has_transaction(&p->session), 0);
	peer_send(p, T("BDAT 3\r\nab"), 1);
	assert_int_equal(dialogue_has_transaction(&p->session), 1);
	peer_send(p, T("c"), 1);
	assert_int_equal(dialogue_has_transaction(&p->session), 0);
	peer_free(p);
}

/* A module that refuses a recipient, and has changed the list before. */
static enum smtpd_verdict
rcpt_changes(void *self, struct smtpd_session *s, const char *path)
{
	(void)self;
	if (strcmp(path, "gone@d.test") == 0)
		smtpd_remove_recipient(s, smtpd_recipients(s) - 1);
	else if (strcmp(path, "more@d.test") == 0)
		assert_int_equal(smtpd_add_recipient(s, "added@d.test"), 0);
	else if (strcmp(path, "other@d.test") == 0)
		assert_int_equal(smtpd_set_recipient(s,
		    smtpd_recipients(s) - 1, "changed@d.test"), 0);
	else
		return SMTPD_PASS;
	return SMTPD_PERMANENT;
}

static const struct smtpd_module changing = {
	.abi = SMTPD_MODULE_ABI, .size = sizeof(struct smtpd_module),
	.name = "changing", .rcpt = rcpt_changes
};

static void
test_what_is_refused_is_the_recipient_asked_for(void **state)
{
	static const struct { const char *path, *left, *left_too; } cases[] = {
		{ "gone@d.test", "c@d.test", "" },
		{ "more@d.test", "c@d.test", "added@d.test" },
		{ "other@d.test", "c@d.test", "" },
	};

	(void)state;
	for (size_t i = 0; i < N(cases); i++) {
		struct peer *p = peer_new("");
		char line[64];

		p->host.modules[1] = (struct module){ .hooks = &changing,
		    .name = "changing" };
		p->host.nmodules = 2;
		dialogue_begin(&p->session);
		snprintf(line, sizeof(line), "RCPT TO:<%s>\r\n",
		    cases[i].path);
		peer_send(p, T(EHLO MAIL RCPT), 100);
		peer_send(p, line, strlen(line), 100);
		assert_string_equal(smtpd_recipient(&p->session, 0),
		    cases[i].left);
		assert_string_equal(smtpd_recipient(&p->session, 1),
		    cases[i].left_too);
		assert_string_equal(smtpd_recipient(&p->session, 2), "");
		peer_free(p);
	}
}

/* Between transactions a session ends at once; one under way is finished. */
static void
test_draining(void **state)
{
	static const struct { const char *before, *after, *codes; } cases[] = {
		{ "", "", "220 421" },
		{ EHLO, "", "220 250 421" },
		{ EHLO MESSAGE, "", "220 250 250 250 354 250 421" },
		{ EHLO MAIL, RCPT "DATA\r\n.\r\n" MAIL,
		    "220 250 250 250 354 250 421" },
		{ EHLO MAIL, "RSET\r\n" MAIL, "220 250 250 250 421" },
		{ EHLO MAIL RCPT "DATA\r\nx", "\r\n.\r\n" MAIL,
		    "220 250 250 250 354 250 421" }
	};

	(void)state;
	for (size_t i = 0; i < N(cases); i++) {
		struct peer *p = peer_new("");
		char text[512];

		dialogue_begin(&p->session);
		peer_send(p, cases[i].before, strlen(cases[i].before), 100);
		p->host.state = HOST_DRAINING;
		(void)dialogue_input(&p->session, "", 0);
		peer_send(p, cases[i].after, strlen(cases[i].after), 1000);
		codes(&p->out, text, sizeof(text));
		assert_string_equal(text, cases[i].codes);
		assert_int_equal(dialogue_want(&p->session),
		    DIALOGUE_WANTS_CLOSE);
		peer_free(p);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_replies),
		cmocka_unit_test(test_size),
		cmocka_unit_test(test_verdicts),
		cmocka_unit_test(test_pending),
		cmocka_unit_test(test_modules_see_each_stage_once),
		cmocka_unit_test(
		    test_a_chunk_outside_of_a_transaction_has_a_deadline),
		cmocka_unit_test(
		    test_what_is_refused_is_the_recipient_asked_for),
		cmocka_unit_test(test_draining)
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
