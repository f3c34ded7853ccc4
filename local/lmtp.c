/*
 * lmtp.c - one message to a mail store by LMTP (RFC 2033).
 * Runs as: the spool user, with the groups that the group file gives it.
 * Uses: the one socket that dma.conf names.
 * Promise: sent is what the store accepted by its reply after the final dot;
 * no byte of the message or its addresses can be a command to it.
 *
 * A session has one recipient, so each reply is about that one; a connection
 * that ends between the final dot and its reply is tried again.
 */
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/io.h"
#include "lib/mail.h"
#include "lib/smtp_mail.h"
#include "lib/smtp_reply.h"
#include "lib/smtp_verdict.h"
#include "local/delivery.h"
#include "local/lmtp.h"
#include "priv/sandbox.h"

#define READ_BYTES	65536
#define WAIT_S		300	/* for a reply, without TIMEOUT */

struct lmtp {
	const struct delivery *d;
	int		 fd;		/* owned: or -1 */
	struct buf	 in;		/* owned: received, not yet used */
	struct smtp_reply reply;	/* the latest */
	struct smtp_capabilities capabilities;
	struct result	*res;
};

/* Trouble with the store or the connection. */
static int
defer(struct lmtp *l, const char *cause)
{
	result_set(l->res, STATUS_DEFERRED, "4.4.1",
	    "mail store cannot be reached now");
	return result_detail(l->res, "lmtp:%s: %s", l->d->conf->local.where,
	    cause);
}

/* What the system reports, or that a time set by set_timeout() is over. */
static int
defer_errno(struct lmtp *l)
{
	return defer(l, errno == EAGAIN || errno == EINPROGRESS ?
	    "timed out" : strerror(errno));
}

/* ---- the connection ---- */

static int
set_timeout(struct lmtp *l, unsigned wait_s)
{
	struct timeval tv = { .tv_sec = wait_s };

	return setsockopt(l->fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)) ==
	    -1 ? -1 : setsockopt(l->fd, SOL_SOCKET, SO_SNDTIMEO, &tv,
	    sizeof(tv));
}

static int
open_socket(struct lmtp *l, const struct sockaddr *sa, socklen_t len)
{
	const struct conf_smtp *conf = &l->d->conf->smtp;

	l->fd = socket(sa->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	return l->fd == -1 || set_timeout(l, conf->connect_timeout_s) == -1 ||
	    connect(l->fd, sa, len) == -1 ? -1 :
	    set_timeout(l, conf->timeout_s != 0 ? conf->timeout_s : WAIT_S);
}

static int
open_unix(struct lmtp *l)
{
	struct sockaddr_un sun;

	memset(&sun, 0, sizeof(sun));
	sun.sun_family = AF_UNIX;
	if (text_copy(sun.sun_path, sizeof(sun.sun_path),
	    l->d->conf->local.where) == -1)
		return defer(l, "socket path is too long");
	return open_socket(l, (struct sockaddr *)&sun, sizeof(sun)) == -1 ?
	    defer_errno(l) : 0;
}

static int
open_tcp(struct lmtp *l)
{
	struct addrinfo hints, *ai, *list;
	char port[8];
	int error;

	memset(&hints, 0, sizeof(hints));
	hints.ai_socktype = SOCK_STREAM;
	snprintf(port, sizeof(port), "%u", (unsigned)l->d->conf->local.port);
	error = getaddrinfo(l->d->conf->local.where, port, &hints, &list);
	if (error != 0)
		return defer(l, gai_strerror(error));
	for (ai = list; ai != NULL; ai = ai->ai_next) {
		if (open_socket(l, ai->ai_addr, ai->ai_addrlen) == 0)
			break;
		error = errno;
		io_close(&l->fd);
	}
	freeaddrinfo(list);
	errno = error;
	return l->fd != -1 ? 0 : defer_errno(l);
}

static int
put(struct lmtp *l, const struct buf *b)
{
	if (buf_failed(b))
		return defer(l, "out of memory");
	return io_write_all(l->fd, b->data, b->len) == -1 ? defer_errno(l) : 0;
}

/* ---- replies ---- */

static int
receive(struct lmtp *l)
{
	char chunk[1024];
	ssize_t n;

	if (l->in.len > SMTP_LINE_MAX)
		return defer(l, "reply line is too long");
	n = io_read(l->fd, chunk, sizeof(chunk));
	if (n == 0)
		return defer(l, "connection closed");
	if (n == -1)
		return defer_errno(l);
	buf_add(&l->in, chunk, (size_t)n);
	return buf_failed(&l->in) ? defer(l, "out of memory") : 0;
}

static int
receive_reply(struct lmtp *l)
{
	enum smtp_line line;
	size_t len, n;
	char *nl, *text;

	do {
		while ((nl = l->in.len == 0 ? NULL : memchr(l->in.data, '\n',
		    l->in.len)) == NULL)
			if (receive(l) == -1)
				return -1;
		len = (size_t)(nl - l->in.data);
		line = smtp_reply_line(&l->reply, l->in.data, len, &text, &n);
		if (line == SMTP_LINE_MALFORMED)
			return defer(l, "invalid LMTP reply");
		smtp_reply_keep(&l->reply, text, n);
		smtp_capabilities_add(&l->capabilities, text, n);
		buf_drop(&l->in, len + 1);
	} while (line == SMTP_LINE_MORE);
	return 0;
}

static int
quote_reply(struct lmtp *l, enum status status)
{
	smtp_reply_result(&l->reply, status, l->res);
	return result_detail(l->res, "lmtp:%s", l->d->conf->local.where);
}

/* A reply that begins with that digit; -1 with the reason. */
static int
expect(struct lmtp *l, int digit, int may_fail)
{
	if (receive_reply(l) == -1)
		return -1;
	if (l->reply.code / 100 == digit)
		return 0;
	return quote_reply(l, may_fail && smtp_judge(SMTP_AT_RCPT, &l->reply,
	    0) == SMTP_FAIL ? STATUS_FAILED : STATUS_DEFERRED);
}

/* may_fail: a permanent reply is about the message, not the store. */
static int PRINTF_LIKE(4, 5)
command(struct lmtp *l, int digit, int may_fail, const char *fmt, ...)
{
	struct buf b;
	va_list ap;
	int ret;

	buf_init(&b, 0);
	va_start(ap, fmt);
	buf_vprintf(&b, fmt, ap);
	va_end(ap);
	ret = put(l, &b);
	buf_fini(&b);
	return ret == 0 ? expect(l, digit, may_fail) : -1;
}

/* ---- the session ---- */

/* user or user+extension: what the store knows the user by. */
static void
put_recipient(const struct delivery *d, struct buf *out)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyz"
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._=+";
	char room[sizeof(d->recipient)];
	const char *extension = delivery_extension(d, room, sizeof(room));

	struct buf name;

	buf_init(&name, 0);
	buf_puts(&name, d->user->name);
	if (extension[0] != '\0' &&
	    extension[strspn(extension, plain)] == '\0')
		buf_printf(&name, "%c%s", d->conf->names.delimiter, extension);
	addr_put_local(out, buf_str(&name));
	buf_fini(&name);
}

static int
is_ascii(const char *text)
{
	return text_is_ascii(text, strlen(text));
}

/* A host name in UTF-8 is none that a greeting may have (RFC 6531 3.7.1). */
static const char *
own_name(const struct lmtp *l)
{
	const char *name = l->d->conf->names.mailname;

	return name == NULL || !is_ascii(name) ? "localhost" : name;
}

/* What no reply could allow: 0, or -1 with the reason. */
static int
check_addresses(struct lmtp *l, const char *recipient)
{
	unsigned offers = l->capabilities.offers;

	if (smtp_mail_check_sender(l->d->sender, offers, l->res) == 0 &&
	    smtp_mail_check_rcpt(recipient, offers, l->res) == 0)
		return 0;
	return result_detail(l->res, "lmtp:%s", l->d->conf->local.where);
}

/* RFC 6152 2; RFC 6531 3.4, which RFC 2033 stores may offer, too. */
static const char *
mail_options(const struct lmtp *l, const char *recipient)
{
	int has_8bitmime = (l->capabilities.offers & SMTP_OFFERS_8BITMIME) != 0;

	if ((l->capabilities.offers & SMTP_OFFERS_SMTPUTF8) != 0 &&
	    (!is_ascii(l->d->sender) || !is_ascii(recipient) ||
	    (l->d->flags & MESSAGE_UTF8_HEADER) != 0))
		return has_8bitmime ? " BODY=8BITMIME SMTPUTF8" : " SMTPUTF8";
	return has_8bitmime ? " BODY=8BITMIME" : "";
}

static int
send_envelope(struct lmtp *l)
{
	struct buf recipient;
	int ret = -1;

	buf_init(&recipient, 0);
	put_recipient(l->d, &recipient);
	if (buf_failed(&recipient))
		defer(l, "out of memory");
	else if (expect(l, 2, 0) == 0 &&
	    command(l, 2, 0, "LHLO %s\r\n", own_name(l)) == 0 &&
	    check_addresses(l, buf_str(&recipient)) == 0 &&
	    command(l, 2, 1, "MAIL FROM:<%s>%s\r\n", l->d->sender,
	    mail_options(l, buf_str(&recipient))) == 0 &&
	    command(l, 2, 1, "RCPT TO:<%s>\r\n", buf_str(&recipient)) == 0)
		ret = command(l, 3, 1, "DATA\r\n");
	buf_fini(&recipient);
	return ret;
}

/* To the final dot; without it the store takes nothing. */
static int
put_text(struct lmtp *l, struct mail_wire *wire, struct buf *out)
{
	char chunk[READ_BYTES];
	int64_t done = 0;
	long n;

	while ((n = delivery_read(l->d, done, chunk, sizeof(chunk))) > 0) {
		mail_wire(wire, chunk, (size_t)n, out);
		if (put(l, out) == -1)
			return -1;
		buf_reset(out);
		done += n;
	}
	if (n == -1)
		return delivery_defer_message(l->res);
	mail_wire_end(wire, out);
	buf_puts(out, ".\r\n");
	return put(l, out);
}

static int
send_text(struct lmtp *l)
{
	struct mail_wire wire;
	struct buf out;
	int ret;

	buf_init(&out, 0);
	mail_wire_init(&wire, 1);
	ret = put_text(l, &wire, &out);
	mail_wire_fini(&wire);
	buf_fini(&out);
	return ret;
}

static int
session(struct lmtp *l)
{
	if ((l->d->conf->local.where[0] == '/' ? open_unix(l) :
	    open_tcp(l)) == -1)
		return -1;
	/* Replies are hostile input: no file is in reach any more. */
	if (sandbox_lmtp() == -1)
		return defer(l, "sandbox");
	if (send_envelope(l) == -1 || send_text(l) == -1 ||
	    expect(l, 2, 1) == -1)
		return -1;
	quote_reply(l, STATUS_SENT);
	(void)io_write_all(l->fd, "QUIT\r\n", 6);
	return 0;
}

void
lmtp_deliver(const struct delivery *d, struct result *res)
{
	struct lmtp l;

	memset(&l, 0, sizeof(l));
	l.d = d;
	l.fd = -1;
	l.res = res;
	buf_init(&l.in, 0);
	buf_init(&l.reply.text, 0);
	smtp_capabilities_init(&l.capabilities);
	(void)session(&l);
	io_close(&l.fd);
	buf_fini(&l.in);
	buf_fini(&l.reply.text);
	smtp_capabilities_fini(&l.capabilities);
}
