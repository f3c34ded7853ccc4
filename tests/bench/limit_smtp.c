/*
 * limit_smtp.c - the least that a pipelining SMTP client has to do.
 * Usage: limit_smtp PORT CA CONNECTIONS MESSAGES RECIPIENTS
 * STARTTLS and AUTH; MAIL, RCPT ... DATA in one write, and the envelope of the
 * next message behind the final dot.  One thread for each connection.
 */
#include <sys/socket.h>

#include <arpa/inet.h>
#include <err.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common.h"

#define BYTES	4096

struct client {
	int	 fd;
	SSL	*ssl;
	char	 in[65536];
	int	 have, at;
	char	*out;
	size_t	 length, size;
};

static SSL_CTX *context;
static int port, nconnections, nmessages, nrecipients;

__attribute__((format(printf, 2, 3)))
static void
put(struct client *c, const char *format, ...)
{
	va_list ap;

	if (c->length + BYTES * 2 > c->size &&
	    (c->out = realloc(c->out, c->size += 65536)) == NULL)
		err(1, "realloc");
	va_start(ap, format);
	c->length += vsnprintf(c->out + c->length, c->size - c->length,
	    format, ap);
	va_end(ap);
}

static void
flush(struct client *c)
{
	int n = c->ssl != NULL ? SSL_write(c->ssl, c->out, c->length) :
	    (int)write(c->fd, c->out, c->length);

	if (n != (int)c->length)
		errx(1, "write");
	c->length = 0;
}

static int
byte(struct client *c)
{
	if (c->at == c->have) {
		c->at = 0;
		c->have = c->ssl != NULL ?
		    SSL_read(c->ssl, c->in, sizeof(c->in)) :
		    (int)read(c->fd, c->in, sizeof(c->in));
		if (c->have <= 0)
			errx(1, "read");
	}
	return (unsigned char)c->in[c->at++];
}

/* One reply, of one line or more, which must begin with that digit. */
static void
expect(struct client *c, char digit)
{
	char line[1024];
	int n;

	do {
		for (n = 0; n < 1000 && (line[n] = byte(c)) != '\n'; n++)
			continue;
		if (line[0] != digit)
			errx(1, "%.*s", n, line);
	} while (line[3] == '-');
}

static void
begin(struct client *c)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	int on = 1;

	in.sin_port = htons(port);
	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	c->fd = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (connect(c->fd, (struct sockaddr *)&in, sizeof(in)) == -1)
		err(1, "connect");
	expect(c, '2');
	put(c, "EHLO host.test\r\n");
	flush(c);
	expect(c, '2');
	put(c, "STARTTLS\r\n");
	flush(c);
	expect(c, '2');
	c->ssl = SSL_new(context);
	SSL_set_fd(c->ssl, c->fd);
	SSL_set1_host(c->ssl, "smart.test");
	if (SSL_connect(c->ssl) != 1)
		errx(1, "TLS");
	put(c, "EHLO host.test\r\n");
	flush(c);
	expect(c, '2');
	put(c, "AUTH PLAIN AGJlbmNoAHNlY3JldA==\r\n");
	flush(c);
	expect(c, '2');
}

static void
envelope(struct client *c)
{
	int i;

	put(c, "MAIL FROM:<alice@host.test>\r\n");
	for (i = 0; i < nrecipients; i++)
		put(c, nrecipients == 1 ? "RCPT TO:<bench@smart.test>\r\n" :
		    "RCPT TO:<r%d@smart.test>\r\n", i);
	put(c, "DATA\r\n");
}

static void *
client(void *arg)
{
	static const char body[] =
	    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
	    "xxxxxx\r\n";
	struct client *c = calloc(1, sizeof(*c));
	int i, n, first = (int)(long)arg;

	if (c == NULL)
		err(1, "calloc");
	begin(c);
	envelope(c);
	flush(c);
	for (i = first; i < nmessages; i += nconnections) {
		for (n = 0; n < nrecipients + 1; n++)
			expect(c, '2');
		expect(c, '3');
		put(c, "X-Bench-Id: %08d\r\n\r\n", i);
		for (n = 0; n < BYTES; n += sizeof(body) - 1)
			put(c, "%s", body);
		put(c, ".\r\n");
		if (i + nconnections < nmessages)
			envelope(c);
		flush(c);
		expect(c, '2');
	}
	put(c, "QUIT\r\n");
	flush(c);
	expect(c, '2');
	close(c->fd);
	return NULL;
}

int
main(int argc, char **argv)
{
	pthread_t ids[1024];
	double began = now();
	int i;

	if (argc != 6)
		errx(64, "usage: limit_smtp port ca connections messages "
		    "recipients");
	port = atoi(argv[1]);
	nconnections = atoi(argv[3]);
	nmessages = atoi(argv[4]);
	nrecipients = atoi(argv[5]);
	if (nconnections > nmessages)
		nconnections = nmessages;
	if (nconnections < 1 || nconnections > 1024)
		errx(64, "connections");
	context = SSL_CTX_new(TLS_client_method());
	if (SSL_CTX_load_verify_locations(context, argv[2], NULL) != 1)
		errx(1, "%s", argv[2]);
	SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
	for (i = 0; i < nconnections; i++)
		if (pthread_create(&ids[i], NULL, client,
		    (void *)(long)i) != 0)
			errx(1, "pthread_create");
	for (i = 0; i < nconnections; i++)
		pthread_join(ids[i], NULL);
	printf("{\"n\": %d, \"failed\": 0, \"began\": %.6f, \"ended\": %.6f, "
	    "\"own_cpu\": 0}\n", nmessages, began, now());
	return 0;
}
