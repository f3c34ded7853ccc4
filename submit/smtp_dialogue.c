/*
 * smtp_dialogue.c - SMTP on standard input and output: sendmail -bs.
 * Runs as: the spool user.  Uses: standard input and output; the queue by
 * submission.c; a process for each commit.
 * Promise: 250 for a text means that the message is on stable storage; if its
 * end does not come, nothing of it is queued.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "conf/local_names.h"
#include "lib/addr.h"
#include "lib/io.h"
#include "lib/smtp_command.h"
#include "lib/smtp_data.h"
#include "priv/apart.h"
#include "submit/smtp_dialogue.h"
#include "submit/submission.h"

#define INPUT_MAX	65536	/* bytes read at once */
#define LINE_MAX_BYTES	2048	/* of a command */
#define ERRORS_MAX	20	/* commands that cannot be taken */
#define REASON_MAX_BYTES 400	/* of a reply's text */
#define REPORT_MAX	4096	/* bytes of that of a commit */

enum stage {
	STAGE_READY,		/* no transaction */
	STAGE_MAIL,		/* MAIL was accepted */
	STAGE_TEXT,		/* DATA was */
	STAGE_OVER		/* the last reply is given */
};

/* What was read and is not taken yet. */
struct dialogue_input {
	size_t		 pos, len;	/* of bytes */
	int		 is_skipping;	/* a line that is too long */
	int		 ends_in_lf;	/* the last command, without CR */
	char		 bytes[INPUT_MAX];
};

struct dialogue {
	const struct caller	*caller;
	const struct conf	*conf;
	const struct spool	*sp;
	const struct log	*log;
	enum stage	 stage;
	int		 status;
	unsigned	 nerrors;

	/* The transaction. */
	struct options	 options;	/* with what MAIL asks for */
	struct smtp_mail_command from;
	struct smtp_rcpt_command to;	/* the last one */
	int		 has_mail;	/* mail is in use */
	struct submission mail;
	int		 has_refused;	/* a recipient */
	int		 is_extended;	/* by EHLO */
	struct smtp_data data;
	struct buf	 decoded;	/* text without its dots */

	struct buf	 out;		/* replies that are not written yet */
	struct dialogue_input in;
};

/* ---- replies ---- */

static void
reply(struct dialogue *d, const char *line)
{
	buf_puts(&d->out, line);
	buf_puts(&d->out, "\r\n");
}

static void
reply_reason(struct dialogue *d, const char *code, const char *reason)
{
	buf_puts(&d->out, code);
	buf_putc(&d->out, ' ');
	buf_put_clean(&d->out, reason, strlen(reason), REASON_MAX_BYTES);
	buf_puts(&d->out, "\r\n");
}

static void
end(struct dialogue *d, int status)
{
	d->stage = STAGE_OVER;
	d->status = status;
}

/* A command that cannot be taken. */
static void
refuse(struct dialogue *d, const char *line)
{
	reply(d, line);
	if (++d->nerrors < ERRORS_MAX)
		return;
	reply(d, "421 4.7.0 Too many errors");
	end(d, EX_DATAERR);
}

static void
refuse_syntax(struct dialogue *d, const struct smtp_syntax *wrong)
{
	struct buf line;

	buf_init(&line, 0);
	buf_printf(&line, "%u %s Error: %s", wrong->code, wrong->status,
	    wrong->reason);
	refuse(d, buf_str(&line));
	buf_fini(&line);
}

/* What went wrong with a submission, as a reply. */
static const char *
code_of(const struct submission *s)
{
	switch (s->cause) {
	case SUBMISSION_TOO_LARGE:
		return "552 5.3.4";
	case SUBMISSION_NO_SPACE:
		return "452 4.3.1";
	case SUBMISSION_OTHER:
		break;
	}
	return s->status == EX_DATAERR ? "554 5.6.0" : "451 4.3.0";
}

/* ---- the transaction ---- */

static void
reset(struct dialogue *d)
{
	if (d->has_mail)
		submission_fini(&d->mail);
	d->has_mail = 0;
	d->has_refused = 0;
	d->stage = STAGE_READY;
}

static void
fail_transaction(struct dialogue *d)
{
	submission_log_refusal(&d->mail);
	reply_reason(d, code_of(&d->mail), buf_str(&d->mail.reason));
	reset(d);
}

static int
is_too_large(const struct dialogue *d)
{
	uint64_t max = d->conf->limits.max_size_bytes;

	return max != 0 && d->from.has_size && d->from.size_bytes > max;
}

/* RFC 3848, RFC 6531 4.3. */
static const char *
protocol_of(const struct dialogue *d)
{
	if (d->from.is_smtputf8)
		return "UTF8SMTP";
	return d->is_extended ? "ESMTP" : "SMTP";
}

static void
on_mail(struct dialogue *d, const char *args)
{
	struct smtp_syntax wrong;

	if (d->stage != STAGE_READY) {
		refuse(d, "503 5.5.1 Error: nested MAIL command");
		return;
	}
	if (smtp_command_local_mail(args, &d->from, &wrong) == -1) {
		refuse_syntax(d, &wrong);
		return;
	}
	if (is_too_large(d)) {
		reply(d, "552 5.3.4 Message is too large");
		return;
	}
	d->options.sender = d->from.path.text;
	d->options.ret = d->from.ret;
	d->options.envid = d->from.envid[0] == '\0' ? NULL : d->from.envid;
	d->options.is_8bit = d->from.body == SMTP_BODY_8BITMIME;
	submission_init(&d->mail, d->caller, &d->options, d->conf, d->sp,
	    d->log);
	d->mail.protocol = protocol_of(d);
	d->has_mail = 1;
	d->stage = STAGE_MAIL;
	if (submission_sender(&d->mail) == -1) {
		reply(d, "553 5.1.7 Error: malformed address");
		reset(d);
		return;
	}
	reply(d, "250 2.1.0 Ok");
}

/* Why a recipient is refused. */
struct fault {
	const char	*code, *reason;
};

static void
refuse_recipient(struct dialogue *d, const struct fault *fault)
{
	d->has_refused = 1;
	log_say(d->log, LOG_LEVEL_WARNING, "uid=%u from=<%s> to=<%s> "
	    "status=refused reply=\"%s %s\"", d->caller->uid, d->mail.m.sender,
	    d->to.path.text, fault->code, fault->reason);
	reply_reason(d, fault->code, fault->reason);
}

/* NULL, or why mail for it would only come back. */
static const struct fault *
find_fault(struct dialogue *d, const char *address)
{
	static const struct fault malformed = { "550 5.1.3",
	    "Not an address" };
	static const struct fault unknown = { "550 5.1.1",
	    "No such user here" };
	static const struct fault remote = { "550 5.7.1",
	    "This host sends no mail to other hosts (NOREMOTE)" };
	static const struct fault full = { "452 4.5.3",
	    "Too many recipients" };
	char local[ADDRESS_MAX + 1];

	if (!addr_is_address(address))
		return &malformed;
	if (submission_is_unknown(&d->mail, address))
		return &unknown;
	if (d->conf->limits.is_noremote && !names_is_local(&d->conf->names,
	    address, local, sizeof(local)))
		return &remote;
	return submission_has_room(&d->mail) ? NULL : &full;
}

static void
add_recipient(struct dialogue *d, const char *address)
{
	struct recipient *r;

	if (submission_add(&d->mail, address, &r) == -1) {
		reply_reason(d, code_of(&d->mail), buf_str(&d->mail.reason));
		return;
	}
	if (r != NULL)
		r->notify = d->to.notify;
	if (r != NULL && d->to.orcpt[0] != '\0') {
		r->orcpt = strdup(d->to.orcpt);
		if (r->orcpt == NULL)
			submission_fail(&d->mail, EX_TEMPFAIL,
			    "out of memory", "");
	}
	reply(d, "250 2.1.5 Ok");
}

static void
on_rcpt(struct dialogue *d, const char *args)
{
	const struct fault *fault;
	struct smtp_syntax wrong;
	struct buf address;

	if (d->stage != STAGE_MAIL) {
		refuse(d, "503 5.5.1 Error: need MAIL command");
		return;
	}
	if (smtp_command_local_rcpt(args, d->from.is_smtputf8, &d->to,
	    &wrong) == -1) {
		d->has_refused = 1;
		refuse_syntax(d, &wrong);
		return;
	}
	buf_init(&address, ADDRESS_MAX);
	/* What is left empty is none. */
	(void)addr_one(d->to.path.text, &address);
	fault = find_fault(d, buf_str(&address));
	if (fault != NULL)
		refuse_recipient(d, fault);
	else
		add_recipient(d, buf_str(&address));
	buf_fini(&address);
}

/*
 * With 354 even if no recipient is left: a client that sends the text at once
 * must not have its lines read as commands.
 */
static void
on_data(struct dialogue *d, const char *args)
{
	if (args[0] != '\0') {
		refuse(d, "501 5.5.4 Error: DATA has no parameters");
	} else if (d->stage != STAGE_MAIL) {
		refuse(d, "503 5.5.1 Error: need MAIL command");
	} else if (d->mail.m.nrcpts == 0 && !d->has_refused) {
		refuse(d, "503 5.5.1 Error: need RCPT command");
	} else if (submission_begin(&d->mail) == -1) {
		fail_transaction(d);
	} else {
		d->stage = STAGE_TEXT;
		smtp_data_init(&d->data, SMTP_DATA_DOTS, d->in.ends_in_lf);
		reply(d, "354 End data with <CR><LF>.<CR><LF>");
		return;
	}
	/* What is here already is text. */
	if (d->in.pos < d->in.len && d->stage != STAGE_OVER) {
		reply(d, "421 4.7.0 Text before the reply to DATA");
		end(d, EX_DATAERR);
	}
}

/* ---- the commit ---- */

/* What the process of a commit reports, before the reason in words. */
struct commit_report {
	int			 status;
	enum submission_cause	 cause;
};

static void
run_commit(void *arg, int report)
{
	struct dialogue *d = arg;
	struct submission *s = &d->mail;
	struct commit_report said;

	(void)submission_commit(s);
	said = (struct commit_report){ .status = s->status, .cause = s->cause };
	(void)io_write_all(report, &said, sizeof(said));
	(void)io_write_all(report, buf_str(&s->reason), s->reason.len);
	close(report);
	if (s->status == 0 && !submission_awaits_flush(s) &&
	    !d->options.is_queue_only)
		flush_wake(d->sp, d->log, s->draft.id);
}

/*
 * In a process of its own, which nothing of the caller reaches from just before
 * the commit on.  This one remains the caller's to end.
 */
static void
commit(struct dialogue *d)
{
	struct submission *s = &d->mail;
	struct commit_report report;
	struct buf said;

	buf_init(&said, REPORT_MAX);
	if (apart(run_commit, d, &said) == -1) {
		submission_fail(s, EX_OSERR, "cannot start a process",
		    strerror(errno));
	} else if (said.len < sizeof(report)) {
		submission_fail(s, EX_TEMPFAIL, "the commit was interrupted",
		    "");
	} else {
		memcpy(&report, said.data, sizeof(report));
		s->cause = report.cause;
		if (report.status != 0)
			submission_fail(s, report.status, said.data +
			    sizeof(report), "");
	}
	buf_fini(&said);
}

static void
accept_text(struct dialogue *d)
{
	buf_printf(&d->out, "250 2.0.0 Ok: queued as %s\r\n",
	    d->mail.draft.id);
	reset(d);
}

static void
end_text(struct dialogue *d)
{
	struct submission *s = &d->mail;

	d->stage = STAGE_MAIL;
	if (s->m.nrcpts == 0) {
		reply(d, "554 5.5.1 Error: no valid recipients");
		reset(d);
		return;
	}
	if (d->data.has_bare && !d->data.does_normalise) {
		s->status = 0;
		buf_reset(&s->reason);
		submission_fail(s, EX_DATAERR, "CR or LF alone in the text",
		    "");
		submission_log_refusal(s);
		reply(d, "550 5.6.11 CR or LF alone in the text");
		reset(d);
		return;
	}
	if (s->status == 0 && submission_text_end(s) == 0)
		commit(d);
	if (s->status == 0)
		accept_text(d);
	else
		fail_transaction(d);
}

/* After a failure the text is followed to its end. */
static void
take_text(struct dialogue *d)
{
	d->in.pos += smtp_data_take(&d->data, d->in.bytes + d->in.pos,
	    d->in.len - d->in.pos, &d->decoded);
	if (buf_failed(&d->decoded))
		submission_fail(&d->mail, EX_TEMPFAIL, "out of memory", "");
	if (d->mail.status == 0 && d->decoded.len > 0)
		(void)submission_text(&d->mail, buf_str(&d->decoded),
		    d->decoded.len);
	buf_reset(&d->decoded);
	if (d->data.is_over)
		end_text(d);
}

/* ---- the other commands ---- */

static void
on_helo(struct dialogue *d, const char *args)
{
	if (args[0] == '\0') {
		refuse(d, "501 5.5.4 Error: need a name");
		return;
	}
	reset(d);
	d->is_extended = 0;
	buf_printf(&d->out, "250 %s\r\n", d->conf->names.mailname);
}

static void
on_ehlo(struct dialogue *d, const char *args)
{
	uint64_t max = d->conf->limits.max_size_bytes;

	if (args[0] == '\0') {
		refuse(d, "501 5.5.4 Error: need a name");
		return;
	}
	reset(d);
	d->is_extended = 1;
	buf_printf(&d->out, "250-%s\r\n", d->conf->names.mailname);
	reply(d, "250-PIPELINING");
	if (max != 0)
		buf_printf(&d->out, "250-SIZE %llu\r\n",
		    (unsigned long long)max);
	else
		reply(d, "250-SIZE");
	reply(d, "250-8BITMIME");
	reply(d, "250-SMTPUTF8");
	reply(d, "250-DSN");
	reply(d, "250-ENHANCEDSTATUSCODES");
	reply(d, "250 HELP");
}

static void
on_rset(struct dialogue *d, const char *args)
{
	(void)args;
	reset(d);
	reply(d, "250 2.0.0 Ok");
}

static void
on_noop(struct dialogue *d, const char *args)
{
	(void)args;
	reply(d, "250 2.0.0 Ok");
}

static void
on_vrfy(struct dialogue *d, const char *args)
{
	if (args[0] == '\0')
		refuse(d, "501 5.5.4 Error: need an address");
	else
		reply(d, "252 2.0.0 Not verified; send mail to find out");
}

static void
on_expn(struct dialogue *d, const char *args)
{
	(void)args;
	refuse(d, "502 5.5.1 Error: EXPN is not offered");
}

static void
on_help(struct dialogue *d, const char *args)
{
	(void)args;
	reply(d, "214 2.0.0 EHLO HELO MAIL RCPT DATA RSET NOOP VRFY HELP "
	    "QUIT");
}

static void
on_quit(struct dialogue *d, const char *args)
{
	(void)args;
	reset(d);
	buf_printf(&d->out, "221 2.0.0 %s closing\r\n",
	    d->conf->names.mailname);
	end(d, 0);
}

static void
on_unknown(struct dialogue *d, const char *args)
{
	(void)args;
	refuse(d, "500 5.5.2 Error: unknown command");
}

static const struct {
	enum smtp_verb	 verb;
	void		(*run)(struct dialogue *, const char *args);
} commands[] = {
	{ SMTP_VERB_HELO, on_helo },
	{ SMTP_VERB_EHLO, on_ehlo },
	{ SMTP_VERB_MAIL, on_mail },
	{ SMTP_VERB_RCPT, on_rcpt },
	{ SMTP_VERB_DATA, on_data },
	{ SMTP_VERB_RSET, on_rset },
	{ SMTP_VERB_NOOP, on_noop },
	{ SMTP_VERB_VRFY, on_vrfy },
	{ SMTP_VERB_EXPN, on_expn },
	{ SMTP_VERB_HELP, on_help },
	{ SMTP_VERB_QUIT, on_quit },
};

static void
run_command(struct dialogue *d, char *line)
{
	enum smtp_verb verb;
	const char *args;
	size_t i;

	verb = smtp_command_verb(line, &args);
	for (i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (commands[i].verb == verb) {
			commands[i].run(d, args);
			return;
		}
	on_unknown(d, args);
}

/* ---- the bytes ---- */

/* len: without the LF. */
static void
take_line(struct dialogue *d, char *line, size_t len)
{
	d->in.ends_in_lf = len == 0 || line[len - 1] != '\r';
	if (!d->in.ends_in_lf)
		len--;
	line[len] = '\0';
	if (d->in.is_skipping || len > LINE_MAX_BYTES)
		refuse(d, "500 5.5.2 Error: line too long");
	else if (strlen(line) != len)
		refuse(d, "500 5.5.2 Error: NUL in a command");
	else
		run_command(d, line);
	d->in.is_skipping = 0;
}

/* 1 when a line was taken; else more input is needed. */
static int
find_line(struct dialogue *d)
{
	char *line = d->in.bytes + d->in.pos, *lf;
	size_t left = d->in.len - d->in.pos;

	lf = memchr(line, '\n', left);
	if (lf != NULL) {
		d->in.pos += (size_t)(lf - line) + 1;
		take_line(d, line, (size_t)(lf - line));
		return 1;
	}
	/* The most a line may have, and its CR. */
	if (left > LINE_MAX_BYTES + 1) {
		d->in.is_skipping = 1;
		d->in.pos = d->in.len;
	}
	return 0;
}

static void
process(struct dialogue *d)
{
	while (d->in.pos < d->in.len && d->stage != STAGE_OVER)
		if (d->stage == STAGE_TEXT)
			take_text(d);
		else if (!find_line(d))
			break;
	memmove(d->in.bytes, d->in.bytes + d->in.pos, d->in.len - d->in.pos);
	d->in.len -= d->in.pos;
	d->in.pos = 0;
}

/* All replies so far, since the client may wait for them. */
static int
write_replies(struct dialogue *d)
{
	const char *p = buf_str(&d->out);
	size_t n = 0;
	ssize_t k;

	if (buf_failed(&d->out))
		return -1;
	while (n < d->out.len) {
		k = write(STDOUT_FILENO, p + n, d->out.len - n);
		if (k > 0)
			n += (size_t)k;
		else if (k == -1 && errno == EAGAIN)
			(void)io_wait(STDOUT_FILENO, POLLOUT, INT64_MAX);
		else if (k == -1 && errno != EINTR)
			return -1;
	}
	buf_reset(&d->out);
	return 0;
}

/* 1; 0 when the client of a call that was handed over has ended. */
static int
await_input(const struct dialogue *d)
{
	struct pollfd pfd[2] = {
		{ STDIN_FILENO, POLLIN, 0 },
		{ d->caller->is_handed_over ? CALLER_CONNECTION : -1, POLLIN,
		    0 },
	};

	while (poll(pfd, 2, -1) == -1 && errno == EINTR)
		;
	return pfd[1].revents == 0 || pfd[0].revents != 0;
}

/* Bytes; 0 at the end, -1 with errno. */
static ssize_t
read_input(struct dialogue *d)
{
	ssize_t n;

	do {
		caller_ask_input(d->caller);
		if (!await_input(d))
			return 0;
		n = io_read(STDIN_FILENO, d->in.bytes + d->in.len,
		    sizeof(d->in.bytes) - d->in.len);
	} while (n == -1 && errno == EAGAIN);
	return n;
}

/* The exit status at the end of the input. */
static int
status_at_end(const struct dialogue *d, ssize_t n)
{
	if (n == -1) {
		log_stderr("cannot read standard input: %s", strerror(errno));
		return EX_NOINPUT;
	}
	if (d->stage != STAGE_TEXT)
		return 0;
	log_stderr("standard input ended within a message; it was not sent");
	return EX_NOINPUT;
}

static int
run(struct dialogue *d)
{
	ssize_t n;

	buf_printf(&d->out, "220 %s ESMTP dma\r\n", d->conf->names.mailname);
	for (;;) {
		if (write_replies(d) == -1) {
			log_stderr("cannot write to standard output: %s",
			    strerror(errno));
			return EX_IOERR;
		}
		if (d->stage == STAGE_OVER)
			return d->status;
		n = read_input(d);
		if (n <= 0)
			return status_at_end(d, n);
		d->in.len += (size_t)n;
		process(d);
	}
}

int
smtp_dialogue(const struct caller *caller, const struct options *o,
    const struct conf *conf, const struct spool *sp, const struct log *log)
{
	struct dialogue *d;
	int status;

	if (!caller->has_stdin) {
		log_stderr("standard input is closed: SMTP commands must be "
		    "given on standard input");
		return EX_NOINPUT;
	}
	d = calloc(1, sizeof(*d));
	if (d == NULL) {
		log_stderr("out of memory");
		return EX_TEMPFAIL;
	}
	d->caller = caller;
	d->conf = conf;
	d->sp = sp;
	d->log = log;
	d->options = *o;
	d->options.take_recipients = 0;
	d->options.dot_is_text = 1;
	d->options.is_foreground = d->options.is_watched = 0;
	d->options.notify = 0;
	buf_init(&d->out, 0);
	buf_init(&d->decoded, 0);
	status = run(d);
	reset(d);
	buf_fini(&d->out);
	buf_fini(&d->decoded);
	free(d);
	return status;
}
