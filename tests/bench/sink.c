/*
 * sink.c - a relay that takes everything and counts.
 * Usage: sink [-p] [-a ADDRESS] [-m MOST] PORT CERTIFICATE KEY RTT-MS LOG
 * Offers PIPELINING, STARTTLS, and then AUTH (PLAIN, LOGIN), which is required;
 * with -p neither.  Listens at ADDRESS, 127.0.0.1 unless it is given.
 * The recipient defer@... is refused for now (450).
 * With -m more connections than MOST at once are refused (421).
 * Each message taken is a line of LOG: when, X-Bench-Id, recipients.
 * At the end of standard input it says its counts as one line of JSON.
 *
 * A flight is a wait of the client for replies: input that arrives no sooner
 * than a round trip after the first reply that it can answer.  One for the
 * handshake of TCP, and those of TLS, are added.
 */
#include <sys/resource.h>
#include <sys/socket.h>

#include <arpa/inet.h>
#include <err.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "common.h"

#define LINE		2048
#define BLOCK		65536
#define PLAIN		"AGJlbmNoAHNlY3JldA=="	/* \0bench\0secret */
/* An authorization identity may be the user itself. */
#define PLAIN_BOTH	"YmVuY2gAYmVuY2gAc2VjcmV0"
#define LOGIN_USER	"YmVuY2g="
#define LOGIN_PASSWORD	"c2VjcmV0"

struct client {
	int	 fd;
	SSL	*ssl;
	char	 in[BLOCK];
	size_t	 have, at;		/* in[at] ... in[have - 1] are unread */
	char	 out[BLOCK];
	size_t	 length;
	double	 said_at;		/* first reply not yet answered, or 0 */
	int	 is_authed, is_in_mail;
	long	 id;			/* X-Bench-Id, of this message */
	char	*rcpts;			/* " a b c" */
	size_t	 rcpts_length, rcpts_size;
	int	 nrcpts;
};

static atomic_long connections, at_once, most_at_once, handshakes, resumed,
    transactions, recipients, flights, logins, bytes_in;
static SSL_CTX *context;
static double trip;
static int log_fd, is_plain;
static long most = 1000000;

/* 0, or -1 when the client is gone. */
static int
flush(struct client *c)
{
	size_t done = 0;

	while (done < c->length) {
		int n = c->ssl != NULL ?
		    SSL_write(c->ssl, c->out + done, c->length - done) :
		    (int)send(c->fd, c->out + done, c->length - done,
		    MSG_NOSIGNAL);

		if (n <= 0)
			return -1;
		done += n;
	}
	if (c->length != 0 && c->said_at == 0)
		c->said_at = now();
	c->length = 0;
	return 0;
}

static int
say(struct client *c, const char *text)
{
	size_t n = strlen(text);

	if (c->length + n > sizeof(c->out) && flush(c) == -1)
		return -1;
	memcpy(c->out + c->length, text, n);
	c->length += n;
	return 0;
}

static void
count_flight(struct client *c)
{
	if (c->said_at != 0 && now() - c->said_at >= trip * 0.9) {
		flights++;
		c->said_at = 0;
	}
}

/* More input; -1 at its end. */
static int
more(struct client *c)
{
	struct pollfd p = { .fd = c->fd, .events = POLLIN };
	int n;

	if (c->at == c->have)
		c->at = c->have = 0;
	if (c->have == sizeof(c->in)) {
		memmove(c->in, c->in + c->at, c->have - c->at);
		c->have -= c->at;
		c->at = 0;
	}
	if ((c->ssl == NULL || SSL_pending(c->ssl) == 0) &&
	    poll(&p, 1, 0) == 0 && flush(c) == -1)
		return -1;
	n = c->ssl != NULL ?
	    SSL_read(c->ssl, c->in + c->have, sizeof(c->in) - c->have) :
	    (int)read(c->fd, c->in + c->have, sizeof(c->in) - c->have);
	count_flight(c);
	if (n <= 0)
		return -1;
	bytes_in += n;
	c->have += n;
	return 0;
}

/* The next line without its end, or NULL. */
static char *
take_line(struct client *c, char *line, size_t size)
{
	char *end;
	size_t n;

	while ((end = memchr(c->in + c->at, '\n', c->have - c->at)) == NULL) {
		if (c->have - c->at >= size)
			return NULL;
		if (more(c) == -1)
			return NULL;
	}
	n = end - (c->in + c->at);
	if (n >= size)
		return NULL;
	memcpy(line, c->in + c->at, n);
	c->at += n + 1;
	if (n > 0 && line[n - 1] == '\r')
		n--;
	line[n] = '\0';
	return line;
}

static void
note_header(struct client *c, const char *line)
{
	if (strncasecmp(line, "X-Bench-Id: ", 12) == 0)
		c->id = atol(line + 12);
}

static int
start_tls(struct client *c)
{
	if (say(c, "220 2.0.0 go ahead\r\n") == -1 || flush(c) == -1)
		return -1;
	if ((c->ssl = SSL_new(context)) == NULL ||
	    SSL_set_fd(c->ssl, c->fd) != 1 || SSL_accept(c->ssl) != 1)
		return -1;
	handshakes++;
	resumed += SSL_session_reused(c->ssl);
	/* The answer to the 220, and the handshake behind it. */
	flights += 2 + (SSL_version(c->ssl) < TLS1_3_VERSION &&
	    !SSL_session_reused(c->ssl));
	c->said_at = 0;
	c->at = c->have = 0;
	return 0;
}

static int
ehlo(struct client *c)
{
	if (say(c, "250-smart.test\r\n250-PIPELINING\r\n250-8BITMIME\r\n"
	    "250-ENHANCEDSTATUSCODES\r\n") == -1)
		return -1;
	if (is_plain)
		return say(c, "250 SIZE 0\r\n");
	if (c->ssl == NULL)
		return say(c, "250-STARTTLS\r\n250 SIZE 0\r\n");
	return say(c, "250-AUTH PLAIN LOGIN\r\n250 SIZE 0\r\n");
}

static int
auth(struct client *c, const char *arg)
{
	char line[LINE];

	c->is_authed = 0;
	if (strncasecmp(arg, "PLAIN", 5) == 0) {
		const char *got = arg + 5 + strspn(arg + 5, " ");

		if (*got == '\0' && (say(c, "334 \r\n") == -1 ||
		    (got = take_line(c, line, sizeof(line))) == NULL))
			return -1;
		c->is_authed = strcmp(got, PLAIN) == 0 ||
		    strcmp(got, PLAIN_BOTH) == 0;
	} else if (strncasecmp(arg, "LOGIN", 5) == 0) {
		if (arg[5] == ' ')
			snprintf(line, sizeof(line), "%s", arg + 6);
		else if (say(c, "334 VXNlcm5hbWU6\r\n") == -1 ||
		    take_line(c, line, sizeof(line)) == NULL)
			return -1;
		c->is_authed = strcmp(line, LOGIN_USER) == 0;
		if (say(c, "334 UGFzc3dvcmQ6\r\n") == -1 ||
		    take_line(c, line, sizeof(line)) == NULL)
			return -1;
		c->is_authed &= strcmp(line, LOGIN_PASSWORD) == 0;
	}
	logins += c->is_authed;
	return say(c, c->is_authed ? "235 2.7.0 welcome\r\n" :
	    "535 5.7.8 no\r\n");
}

static int
mail(struct client *c)
{
	if (!c->is_authed && !is_plain)
		return say(c, "530 5.7.0 log in first\r\n");
	c->is_in_mail = 1;
	c->rcpts_length = 0;
	c->nrcpts = 0;
	c->id = -1;
	return say(c, "250 2.1.0 ok\r\n");
}

static int
rcpt(struct client *c, const char *line)
{
	const char *from = strchr(line, '<'), *to = strchr(line, '>');
	size_t n;

	if (!c->is_in_mail || from == NULL || to == NULL)
		return say(c, "503 5.5.1 no\r\n");
	if (strncmp(from, "<defer@", 7) == 0)
		return say(c, "450 4.2.1 later\r\n");
	n = to - from - 1;
	if (c->rcpts_length + n + 2 > c->rcpts_size) {
		c->rcpts_size = (c->rcpts_size + n + 2) * 2;
		if ((c->rcpts = realloc(c->rcpts, c->rcpts_size)) == NULL)
			err(1, "realloc");
	}
	c->rcpts[c->rcpts_length++] = ' ';
	memcpy(c->rcpts + c->rcpts_length, from + 1, n);
	c->rcpts_length += n;
	c->nrcpts++;
	return say(c, "250 2.1.5 ok\r\n");
}

static int
taken(struct client *c)
{
	char *line;
	int n;

	n = asprintf(&line, "%.6f %ld%.*s\n", now(), c->id,
	    (int)c->rcpts_length, c->rcpts);
	if (n == -1 || write(log_fd, line, n) != n)
		err(1, "log");
	free(line);
	transactions++;
	recipients += c->nrcpts;
	c->is_in_mail = c->nrcpts = 0;
	return say(c, "250 2.0.0 taken\r\n");
}

static int
data(struct client *c)
{
	char line[LINE];
	int is_header = 1;

	if (c->nrcpts == 0)
		return say(c, "503 5.5.1 no recipients\r\n");
	if (say(c, "354 go\r\n") == -1)
		return -1;
	while (take_line(c, line, sizeof(line)) != NULL) {
		if (strcmp(line, ".") == 0)
			return taken(c);
		if (is_header)
			note_header(c, line);
		is_header &= line[0] != '\0';
	}
	return -1;
}

static int
command(struct client *c, const char *line)
{
	const char *arg = line + strcspn(line, " ");

	arg += strspn(arg, " ");
	if (strncasecmp(line, "EHLO", 4) == 0)
		return ehlo(c);
	if (strncasecmp(line, "HELO", 4) == 0)
		return say(c, "250 smart.test\r\n");
	if (strcasecmp(line, "STARTTLS") == 0 && c->ssl == NULL &&
	    !is_plain)
		return start_tls(c);
	if (strncasecmp(line, "AUTH ", 5) == 0 && c->ssl != NULL)
		return auth(c, arg);
	if (strncasecmp(line, "MAIL ", 5) == 0)
		return mail(c);
	if (strncasecmp(line, "RCPT ", 5) == 0)
		return rcpt(c, line);
	if (strcasecmp(line, "DATA") == 0)
		return data(c);
	if (strcasecmp(line, "RSET") == 0) {
		c->is_in_mail = c->nrcpts = 0;
		return say(c, "250 2.0.0 forgotten\r\n");
	}
	if (strcasecmp(line, "NOOP") == 0)
		return say(c, "250 2.0.0 fine\r\n");
	if (strcasecmp(line, "QUIT") != 0)
		return say(c, "500 5.5.1 unknown\r\n");
	if (say(c, "221 2.0.0 bye\r\n") == 0)
		flush(c);
	return -1;
}

static void *
serve(void *arg)
{
	struct client *c = arg;
	char line[LINE];
	long n = ++at_once;

	if (n > most_at_once)
		most_at_once = n;
	connections++;
	flights++;
	if (n > most) {
		if (say(c, "421 4.7.0 too many connections\r\n") == 0)
			flush(c);
	} else if (say(c, "220 smart.test ESMTP\r\n") == 0)
		while (take_line(c, line, sizeof(line)) != NULL &&
		    command(c, line) == 0)
			continue;
	at_once--;
	if (c->ssl != NULL) {
		SSL_shutdown(c->ssl);
		SSL_free(c->ssl);
	}
	close(c->fd);
	free(c->rcpts);
	free(c);
	return NULL;
}

static void *
accept_all(void *arg)
{
	int listener = *(int *)arg, on = 1, fd;
	pthread_attr_t attr;
	pthread_t id;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 256 * 1024);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	while ((fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) != -1) {
		struct client *c = malloc(sizeof(*c));

		if (c == NULL)
			err(1, "malloc");
		memset(c, 0, offsetof(struct client, in));
		c->have = c->at = c->length = 0;
		c->said_at = 0;
		c->is_authed = c->is_in_mail = c->nrcpts = 0;
		c->rcpts = NULL;
		c->rcpts_length = c->rcpts_size = 0;
		c->fd = fd;
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		if (pthread_create(&id, &attr, serve, c) != 0)
			errx(1, "pthread_create");
	}
	return NULL;
}

int
main(int argc, char **argv)
{
	struct rlimit files = { 65536, 65536 };
	const char *address = "127.0.0.1";
	pthread_t id;
	char c;
	int listener, option;

	while ((option = getopt(argc, argv, "pa:m:")) != -1)
		switch (option) {
		case 'p': is_plain = 1; break;
		case 'a': address = optarg; break;
		case 'm': most = atol(optarg); break;
		default: return 64;
		}
	argc -= optind - 1;
	argv += optind - 1;
	if (argc != 6)
		errx(64, "usage: sink [-p] [-a address] [-m most] port "
		    "certificate key rtt-ms log");
	setrlimit(RLIMIT_NOFILE, &files);
	signal(SIGPIPE, SIG_IGN);
	trip = atof(argv[4]) / 1e3;
	log_fd = open(argv[5], O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0600);
	context = SSL_CTX_new(TLS_server_method());
	if (log_fd == -1 || context == NULL ||
	    SSL_CTX_use_certificate_chain_file(context, argv[2]) != 1 ||
	    SSL_CTX_use_PrivateKey_file(context, argv[3],
	    SSL_FILETYPE_PEM) != 1)
		errx(1, "certificate or log");
	/* Without a name of its own a session is not taken up again. */
	SSL_CTX_set_session_id_context(context, (const void *)"sink", 4);
	SSL_CTX_set_mode(context, SSL_MODE_AUTO_RETRY);
	listener = listen_at(address, atoi(argv[1]), 0);
	if (pthread_create(&id, NULL, accept_all, &listener) != 0)
		errx(1, "pthread_create");
	printf("ready\n");
	fflush(stdout);
	while (read(0, &c, 1) > 0)
		continue;
	printf("{\"connections\": %ld, \"most_at_once\": %ld, "
	    "\"handshakes\": %ld, \"resumed\": %ld, \"transactions\": %ld, "
	    "\"recipients\": %ld, \"flights\": %ld, \"logins\": %ld, "
	    "\"bytes\": %ld}\n", connections, most_at_once, handshakes, resumed,
	    transactions, recipients, flights, logins, bytes_in);
	fflush(stdout);
	_exit(0);
}
