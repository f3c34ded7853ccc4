/*
 * lmtp.c - one message to a mail store by LMTP (RFC 2033).
 * Runs as: the spool user, with the groups that the group file gives it.
 * Uses: the one socket that dma.conf names.
 * Promise: sent is what the server took with its reply after the final dot;
 * no octet of the message or its addresses can be a command to it.
 *
 * A session has one recipient, so each reply is about that one; a connection
 * that ends between the final dot and its reply is tried again.
 */
#include <sys/socket.h>
#include <sys/un.h>

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "local/delivery.h"
#include "lib/buf.h"
#include "lib/io.h"
#include "lib/mail.h"
#include "local/lmtp.h"
#include "lib/result.h"
#include "priv/sandbox.h"

#define READ_OCTETS	65536
#define REPLY_MAX	65536	/* octets of one reply */
#define WAIT_S		300	/* for a reply, without TIMEOUT */

struct lmtp {
	const struct delivery *d;
	int		 fd;		/* owned: non-blocking, or -1 */
	struct buf	 in;		/* owned: received, not yet used */
	struct buf	 reply;		/* owned: the latest, lines joined */
	int		 code;		/* its first number */
	int		 has_8bitmime;
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

/* The store's own reply. */
static int
quote(struct lmtp *l, enum status status, const char *code)
{
	result_quote(l->res, SOURCE_SERVER, status, code, "%d %s", l->code,
	    buf_str(&l->reply));
	return result_detail(l->res, "lmtp:%s", l->d->conf->local.where);
}

static int64_t
deadline(unsigned wait_s)
{
	return io_clock_ms() + (int64_t)wait_s * 1000;
}

static int64_t
reply_deadline(const struct lmtp *l)
{
	unsigned wait_s = l->d->conf->smtp.timeout_s;

	return deadline(wait_s != 0 ? wait_s : WAIT_S);
}

/* ---- the connection ---- */

static int
finish_connect(struct lmtp *l, const struct sockaddr *sa, socklen_t len)
{
	int error = 0;
	socklen_t size = sizeof(error);

	if (connect(l->fd, sa, len) == 0)
		return 0;
	if (errno != EINPROGRESS)
		return -1;
	if (io_wait(l->fd, POLLOUT, deadline(
	    l->d->conf->smtp.connect_timeout_s)) != 1) {
		errno = ETIMEDOUT;
		return -1;
	}
	if (getsockopt(l->fd, SOL_SOCKET, SO_ERROR, &error, &size) == -1)
		return -1;
	errno = error;
	return error == 0 ? 0 : -1;
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
	l->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (l->fd == -1 || finish_connect(l, (struct sockaddr *)&sun,
	    sizeof(sun)) == -1)
		return defer(l, strerror(errno));
	return 0;
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
		l->fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC |
		    SOCK_NONBLOCK, 0);
		if (l->fd != -1 && finish_connect(l, ai->ai_addr,
		    ai->ai_addrlen) == 0)
			break;
		error = errno;
		io_close(&l->fd);
	}
	freeaddrinfo(list);
	return l->fd != -1 ? 0 : defer(l, strerror(error));
}

static int
put(struct lmtp *l, const char *p, size_t len)
{
	int64_t end = reply_deadline(l);
	ssize_t n;

	while (len > 0) {
		n = send(l->fd, p, len, MSG_NOSIGNAL);
		if (n > 0) {
			p += n;
			len -= (size_t)n;
			end = reply_deadline(l);
		} else if (errno == EAGAIN) {
			if (io_wait(l->fd, POLLOUT, end) != 1)
				return defer(l, "timed out while sending");
		} else if (errno != EINTR) {
			return defer(l, strerror(errno));
		}
	}
	return 0;
}

/* ---- replies ---- */

static int
fill(struct lmtp *l, int64_t end)
{
	char chunk[1024];
	ssize_t n;

	if (l->in.len > REPLY_MAX)
		return defer(l, "reply is too long");
	if (io_wait(l->fd, POLLIN, end) != 1)
		return defer(l, "timed out while waiting for a reply");
	n = io_read(l->fd, chunk, sizeof(chunk));
	if (n == 0)
		return defer(l, "connection closed");
	if (n == -1 && errno != EAGAIN)
		return defer(l, strerror(errno));
	if (n > 0)
		buf_add(&l->in, chunk, (size_t)n);
	return buf_failed(&l->in) ? defer(l, "out of memory") : 0;
}

static int
line_code(const char *line, size_t len)
{
	if (len < 3 || strspn(line, "0123456789") != 3 || line[0] < '2' ||
	    line[0] > '5' || (len > 3 && line[3] != ' ' && line[3] != '-'))
		return -1;
	return (line[0] - '0') * 100 + (line[1] - '0') * 10 + line[2] - '0';
}

/* One line of a reply: 1 when more follow, 0 at the last, -1. */
static int
take_line(struct lmtp *l, size_t len)
{
	const char *line = l->in.data;
	int code, more;

	while (len > 0 && (line[len - 1] == '\r' || line[len - 1] == '\n'))
		len--;
	code = line_code(line, len);
	if (code == -1 || (l->code != 0 && code != l->code))
		return defer(l, "invalid LMTP reply");
	l->code = code;
	more = len > 3 && line[3] == '-';
	if (len > 4) {
		if (strncasecmp(line + 4, "8BITMIME", 8) == 0)
			l->has_8bitmime = 1;
		if (l->reply.len > 0)
			buf_putc(&l->reply, ' ');
		buf_add(&l->reply, line + 4, len - 4);
	}
	return more;
}

static int
get_reply(struct lmtp *l)
{
	int64_t end = reply_deadline(l);
	size_t len, total = 0;
	int more;
	char *nl;

	l->code = 0;
	buf_reset(&l->reply);
	do {
		while ((nl = l->in.len == 0 ? NULL : memchr(l->in.data, '\n',
		    l->in.len)) == NULL)
			if (fill(l, end) == -1)
				return -1;
		len = (size_t)(nl - l->in.data) + 1;
		total += len;
		more = total > REPLY_MAX ? defer(l, "reply is too long") :
		    take_line(l, len);
		buf_drop(&l->in, len);
	} while (more == 1);
	return more;
}

/* "5.1.1" in front of the words, when it fits the number. */
static void
enhanced_code(const struct lmtp *l, char *code, size_t size)
{
	const char *p = buf_str(&l->reply);
	size_t n = strspn(p, "0123456789.");

	text_copy(code, size, "0.0.0");
	code[0] = (char)('0' + l->code / 100);
	if (n >= 5 && n < size && p[1] == '.' && p[n] == ' ' &&
	    p[0] == code[0] && strchr(p + 2, '.') != NULL) {
		memcpy(code, p, n);
		code[n] = '\0';
	}
}

/* Trouble with the login or the host is not the message's fault. */
static int
is_hosts_fault(int code)
{
	return code < 500 || code == 530 || code == 534 || code == 535 ||
	    code == 538;
}

/* A command, and a reply that begins with that digit; -1 with the reason. */
static int
ask(struct lmtp *l, const char *command, int digit, int may_fail)
{
	char code[12];

	if (command[0] != '\0' && put(l, command, strlen(command)) == -1)
		return -1;
	if (get_reply(l) == -1)
		return -1;
	if (l->code / 100 == digit)
		return 0;
	enhanced_code(l, code, sizeof(code));
	if (!may_fail || is_hosts_fault(l->code))
		code[0] = '4';
	return quote(l, code[0] == '4' ? STATUS_DEFERRED : STATUS_FAILED,
	    code);
}

/* ---- the session ---- */

/* user or user+extension: what the store knows the user by. */
static void
put_recipient(const struct delivery *d, struct buf *out)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyz"
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._=+";
	const char *at, *p = NULL;
	size_t n;

	buf_puts(out, d->user->name);
	at = strrchr(d->recipient, '@');
	if (d->conf->names.delimiter != '\0' && d->recipient[0] != '\0')
		p = strchr(d->recipient + 1, d->conf->names.delimiter);
	if (p == NULL || at == NULL || p > at)
		return;
	n = strspn(p + 1, plain);
	if (n > 0 && p + 1 + n == at)
		buf_add(out, p, n + 1);
}

static int
send_envelope(struct lmtp *l)
{
	struct buf b;
	int ret;

	buf_init(&b, 0);
	buf_printf(&b, "LHLO %s\r\n", l->d->conf->names.mailname == NULL ?
	    "localhost" : l->d->conf->names.mailname);
	ret = ask(l, "", 2, 0);
	if (ret == 0)
		ret = ask(l, buf_str(&b), 2, 0);
	buf_reset(&b);
	buf_printf(&b, "MAIL FROM:<%s>%s\r\n", l->d->sender,
	    l->has_8bitmime ? " BODY=8BITMIME" : "");
	if (ret == 0)
		ret = ask(l, buf_str(&b), 2, 1);
	buf_reset(&b);
	buf_puts(&b, "RCPT TO:<");
	put_recipient(l->d, &b);
	buf_puts(&b, ">\r\n");
	if (ret == 0 && buf_failed(&b))
		ret = defer(l, "out of memory");
	if (ret == 0)
		ret = ask(l, buf_str(&b), 2, 1);
	buf_fini(&b);
	return ret == 0 ? ask(l, "DATA\r\n", 3, 1) : -1;
}

static int
send_text(struct lmtp *l)
{
	char chunk[READ_OCTETS];
	struct mail_wire wire;
	struct buf out;
	int64_t done = 0;
	int ret = 0;
	long n;

	buf_init(&out, 0);
	mail_wire_init(&wire, 1);
	while (ret == 0 && (n = delivery_read(l->d, done, chunk,
	    sizeof(chunk))) != 0) {
		/* Without the final dot the server takes nothing. */
		if (n == -1)
			ret = defer(l, "cannot read the message");
		mail_wire(&wire, chunk, n == -1 ? 0 : (size_t)n, &out);
		if (ret == 0 && !buf_failed(&out))
			ret = put(l, out.data, out.len);
		buf_reset(&out);
		done += n;
	}
	mail_wire_end(&wire, &out);
	buf_puts(&out, ".\r\n");
	if (ret == 0 && buf_failed(&out))
		ret = defer(l, "out of memory");
	if (ret == 0)
		ret = put(l, out.data, out.len);
	mail_wire_fini(&wire);
	buf_fini(&out);
	return ret;
}

static int
session(struct lmtp *l)
{
	char code[12];

	if ((l->d->conf->local.where[0] == '/' ? open_unix(l) :
	    open_tcp(l)) == -1)
		return -1;
	/* The server's words are strange: no file is in reach any more. */
	if (sandbox_lmtp() == -1)
		return defer(l, "sandbox");
	if (send_envelope(l) == -1 || send_text(l) == -1 ||
	    ask(l, "", 2, 1) == -1)
		return -1;
	enhanced_code(l, code, sizeof(code));
	quote(l, STATUS_SENT, code);
	(void)send(l->fd, "QUIT\r\n", 6, MSG_NOSIGNAL);
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
	buf_init(&l.reply, 0);
	(void)session(&l);
	io_close(&l.fd);
	buf_fini(&l.in);
	buf_fini(&l.reply);
}
