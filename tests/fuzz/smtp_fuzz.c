/*
 * smtp_fuzz.c - a conversation with a hostile server.  The first byte
 * chooses the set-up, the second how input is cut; 0xff in the input ends the
 * connection.  Checked: every transaction is given back once, and no secret
 * that was said stands in a result.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/smtp.h"
#include "lib/result.h"

#define MAILS	3
#define RCPTS	3
#define STEPS	10000

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

struct play {
	struct smtp	*s;
	struct smtp_mail mails[MAILS];
	struct smtp_rcpt rcpts[MAILS][RCPTS];
	unsigned	 next, nsettled, steps;
	int		 has_secret;	/* one was said */
	int		 has_blocks;
	int		 may_release;	/* what waits behind a transaction */
	unsigned	 nblocks;
};

/* A line as it is, and no secret in it. */
static void
watch(void *arg, const struct smtp_mail *mail, int is_ours, const char *line,
    size_t len)
{
	const struct play *p = arg;

	if (mail != NULL && mail != &p->mails[0] && mail != &p->mails[1] &&
	    mail != &p->mails[2])
		abort();
	if (memchr(line, '\n', len) != NULL || (is_ours && len == 0))
		abort();
	if ((is_ours || p->has_secret) && memmem(line, len, "c2VjcmV0", 8))
		abort();
}

static void
play_init(struct play *p, uint8_t flags)
{
	static const char *const addresses[RCPTS] = {
		"a@x", "\"b c\"@x", "d\xc3\xb6@x"
	};
	struct smtp_setup setup;
	unsigned i, k;

	memset(p, 0, sizeof(*p));
	memset(&setup, 0, sizeof(setup));
	p->has_blocks = (flags & 128) != 0;
	p->may_release = (flags & 32) != 0;
	setup.helo = "me";
	setup.password = flags & 8 ? "sesame" : NULL;
	setup.has_tls = (flags & 1) != 0;
	setup.may_tls = (flags & 6) != 0;
	setup.must_tls = (flags & 4) != 0;
	setup.must_login = (flags & 8) != 0;
	setup.may_login_clear = (flags & 16) != 0;
	setup.watch = watch;
	setup.watch_arg = p;
	p->s = smtp_new(&setup);
	for (i = 0; i < MAILS; i++) {
		p->mails[i].sender = i == 1 ? "" : "me@y";
		p->mails[i].size_bytes = flags & 64 ? 2000000 : 100;
		p->mails[i].flags = flags & 32 ? MESSAGE_8BIT_BODY : 0;
		p->mails[i].rcpts = p->rcpts[i];
		p->mails[i].nrcpts = RCPTS;
		p->mails[i].ret = flags & 64 ? RET_FULL : RET_UNSAID;
		p->mails[i].envid = flags & 64 ? "id +" : NULL;
		for (k = 0; k < RCPTS; k++) {
			p->rcpts[i][k].address = addresses[k];
			p->rcpts[i][k].notify = flags & 64 ? k + 1 : 0;
			p->rcpts[i][k].orcpt = flags & 64 ? "rfc822;d\xc3\xb6" :
			    NULL;
		}
	}
}

/* Bit 7: of many blocks, and one of the mails cannot be read. */
static void
body(struct play *p)
{
	static const char block[40000];
	struct result reason;

	if (!p->has_blocks) {
		buf_puts(smtp_text(p->s), "body\r\n");
		smtp_text_end(p->s);
		return;
	}
	buf_add(smtp_text(p->s), block, sizeof(block));
	if (++p->nblocks % 4 != 0)
		return;
	if (p->nblocks != 8) {
		smtp_text_end(p->s);
		return;
	}
	result_init(&reason);
	result_set(&reason, STATUS_DEFERRED, "4.3.0", "unreadable");
	smtp_text_fail(p->s, &reason);
	result_fini(&reason);
}

/* 0 when there is nothing to grant. */
static int
grant(struct play *p)
{
	switch (smtp_want(p->s)) {
	case SMTP_WANT_TLS:
		smtp_tls_up(p->s);
		return 1;
	case SMTP_WANT_LOGIN:
		if (p->steps % 3 == 0) {
			smtp_no_login(p->s);
		} else {
			smtp_login(p->s, "PLAIN", "c2VjcmV0");
			p->has_secret = 1;
		}
		return 1;
	case SMTP_WANT_ANSWER:
		if (p->steps % 2 == 0)
			smtp_cancel(p->s);
		else
			smtp_answer(p->s, "YW5zd2Vy");
		return 1;
	case SMTP_WANT_TEXT:
		body(p);
		return 1;
	case SMTP_WANT_MAIL:
		if (p->next == MAILS)
			return 0;
		smtp_mail(p->s, &p->mails[p->next++]);
		return 1;
	default:
		return 0;
	}
}

static void
check_settled(struct play *p)
{
	struct smtp_mail *m;
	unsigned i;

	while ((m = smtp_finished(p->s)) != NULL) {
		if (m != &p->mails[0] && m != &p->mails[1] &&
		    m != &p->mails[2])
			abort();
		p->nsettled++;
		for (i = 0; i < RCPTS; i++)
			if (p->has_secret &&
			    m->rcpts[i].res.status != STATUS_NONE &&
			    m->rcpts[i].res.reason != NULL &&
			    strstr(m->rcpts[i].res.reason, "c2VjcmV0") != NULL)
				abort();
	}
}

static void
go_on(struct play *p, size_t most)
{
	size_t n;

	do {
		while (p->steps++ < STEPS && grant(p))
			;
		check_settled(p);
		if (p->may_release && p->steps % 7 == 0)
			(void)smtp_release(p->s);
		(void)smtp_output(p->s, &n);
		if (n > most)
			n = most;
		smtp_sent(p->s, n);
		(void)smtp_wait_s(p->s);
	} while (n > 0 && p->steps < STEPS);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct play p;
	size_t i, k, n, cut;

	if (size < 2)
		return 0;
	play_init(&p, data[0]);
	if (p.s == NULL)
		return 0;
	cut = data[1] == 0 ? size : data[1];
	go_on(&p, cut);
	for (i = 2; i < size; i += n) {
		n = size - i < cut ? size - i : cut;
		if (data[i] == 0xff)
			smtp_lost(p.s, "closed");
		smtp_input(p.s, (const char *)data + i, n);
		go_on(&p, cut);
	}
	smtp_lost(p.s, "closed");
	check_settled(&p);
	if (p.nsettled != p.next || smtp_is_busy(p.s))
		abort();
	smtp_free(p.s);
	for (i = 0; i < MAILS; i++)
		for (k = 0; k < RCPTS; k++)
			result_fini(&p.rcpts[i][k].res);
	return 0;
}
