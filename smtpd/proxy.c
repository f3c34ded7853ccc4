/*
 * proxy.c - the header of the PROXY protocol, versions 1 and 2.
 * Runs as: anyone.  Uses: nothing.
 * Promise: what is not exactly a header is PROXY_BAD as early as that shows;
 * the text of the client after it is not looked at.
 */
#include <sys/socket.h>

#include <netinet/in.h>

#include <arpa/inet.h>
#include <string.h>

#include "lib/text.h"
#include "smtpd/proxy.h"

#define V1_MAX		107	/* bytes of a line, with CRLF (2.1) */
#define V1_WORDS	6	/* PROXY TCP4 from to port port */
#define PORT_MAX	65535
#define PORT_DIGITS	5

#define V2_SIGNATURE	12
#define V2_FIXED	16	/* bytes before the addresses */
#define V2_IPV4		12	/* two addresses and ports */
#define V2_IPV6		36
#define V2_UNIX		216

static const char v1_begin[] = "PROXY ";
static const char v1_unknown[] = "PROXY UNKNOWN";
static const char v2_begin[V2_SIGNATURE + 1] = "\r\n\r\n\0\r\nQUIT\n";

/* Whether the text may be, or go on as, one that begins so. */
static int
agrees(const char *text, size_t n, const char *begin, size_t len)
{
	return memcmp(text, begin, n < len ? n : len) == 0;
}

/* 1. Version 1: a line of text. */

/* Cuts at single blanks; the number of words, V1_WORDS + 1 for more. */
static size_t
split(char *line, char *words[V1_WORDS])
{
	size_t n = 0;
	char *blank;

	for (;; line = blank + 1) {
		if (n == V1_WORDS)
			return V1_WORDS + 1;
		words[n++] = line;
		blank = strchr(line, ' ');
		if (blank == NULL)
			return n;
		*blank = '\0';
	}
}

static int
parse_port(const char *text, unsigned *port)
{
	uint64_t n;

	if (strlen(text) > PORT_DIGITS || (text[0] == '0' && text[1] != '\0') ||
	    text_number(text, PORT_MAX, &n) == -1)
		return -1;
	*port = (unsigned)n;
	return 0;
}

static int
parse_v1_address(const char *text, int is_ipv6, struct netaddr *addr)
{
	if ((strchr(text, ':') != NULL) != is_ipv6)
		return -1;
	return netaddr_parse(text, addr);
}

/* What else is in a line of UNKNOWN is to be ignored. */
static int
is_unknown(const char *line)
{
	size_t len = sizeof(v1_unknown) - 1;

	return strncmp(line, v1_unknown, len) == 0 &&
	    (line[len] == '\0' || line[len] == ' ');
}

/* A line without its CRLF. */
static enum proxy_result
parse_v1_line(char *line, struct netaddr *client, unsigned *port)
{
	char *words[V1_WORDS];
	struct netaddr from, to;
	unsigned from_port, to_port;
	int is_ipv6;

	if (split(line, words) != V1_WORDS)
		return PROXY_BAD;
	is_ipv6 = strcmp(words[1], "TCP6") == 0;
	if ((!is_ipv6 && strcmp(words[1], "TCP4") != 0) ||
	    parse_v1_address(words[2], is_ipv6, &from) == -1 ||
	    parse_v1_address(words[3], is_ipv6, &to) == -1 ||
	    parse_port(words[4], &from_port) == -1 ||
	    parse_port(words[5], &to_port) == -1)
		return PROXY_BAD;
	*client = from;
	*port = from_port;
	return PROXY_ADDRESS;
}

static enum proxy_result
parse_v1(const char *text, size_t n, size_t *used, struct netaddr *client,
    unsigned *port)
{
	char line[V1_MAX + 1];
	const char *lf = memchr(text, '\n', n < V1_MAX ? n : V1_MAX);
	enum proxy_result result;
	size_t len;

	if (lf == NULL)
		return n < V1_MAX ? PROXY_MORE : PROXY_BAD;
	len = (size_t)(lf - text) - 1;
	if (text[len] != '\r' || memchr(text, '\r', len) != NULL ||
	    memchr(text, '\0', len) != NULL)
		return PROXY_BAD;
	memcpy(line, text, len);
	line[len] = '\0';
	result = is_unknown(line) ? PROXY_OWN :
	    parse_v1_line(line, client, port);
	if (result != PROXY_BAD)
		*used = len + 2;
	return result;
}

/* 2. Version 2: binary. */

/* The transports that are assigned, and bytes of their addresses. */
static const struct {
	uint8_t	transport;	/* family and protocol */
	size_t	len;
} transports[] = {
	{ 0x00, 0 },				/* unspecified */
	{ 0x11, V2_IPV4 }, { 0x12, V2_IPV4 },	/* stream, datagram */
	{ 0x21, V2_IPV6 }, { 0x22, V2_IPV6 },
	{ 0x31, V2_UNIX }, { 0x32, V2_UNIX },
};

static int
is_transport(uint8_t transport, size_t len)
{
	size_t i;

	for (i = 0; i < sizeof(transports) / sizeof(transports[0]); i++)
		if (transports[i].transport == transport)
			return len >= transports[i].len;
	return 0;
}

static unsigned
big_endian(const uint8_t *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

/* The addresses of a stream; others are of no connection that can be here. */
static enum proxy_result
parse_addresses(uint8_t transport, const uint8_t *p, struct netaddr *client,
    unsigned *port)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };

	if (transport == 0x11) {
		memcpy(&in.sin_addr, p, sizeof(in.sin_addr));
		netaddr_of((const struct sockaddr *)&in, client);
		*port = big_endian(p + 2 * sizeof(in.sin_addr));
		return PROXY_ADDRESS;
	}
	if (transport != 0x21)
		return PROXY_OWN;
	memcpy(&in6.sin6_addr, p, sizeof(in6.sin6_addr));
	netaddr_of((const struct sockaddr *)&in6, client);
	*port = big_endian(p + 2 * sizeof(in6.sin6_addr));
	return PROXY_ADDRESS;
}

static enum proxy_result
parse_v2(const uint8_t *p, size_t n, size_t *used, struct netaddr *client,
    unsigned *port)
{
	size_t len;

	/* Version 2; 0 is LOCAL, 1 is PROXY. */
	if (n > V2_SIGNATURE && p[V2_SIGNATURE] != 0x20 &&
	    p[V2_SIGNATURE] != 0x21)
		return PROXY_BAD;
	if (n < V2_FIXED)
		return PROXY_MORE;
	len = big_endian(p + V2_FIXED - 2);
	if (p[V2_SIGNATURE] == 0x21 &&
	    !is_transport(p[V2_SIGNATURE + 1], len))
		return PROXY_BAD;
	if (n < V2_FIXED + len)
		return PROXY_MORE;
	*used = V2_FIXED + len;
	if (p[V2_SIGNATURE] == 0x20)
		return PROXY_OWN;
	return parse_addresses(p[V2_SIGNATURE + 1], p + V2_FIXED, client,
	    port);
}

/* 3. Either. */

enum proxy_result
proxy_parse(const char *text, size_t n, size_t *used, struct netaddr *client,
    unsigned *port)
{
	if (agrees(text, n, v1_begin, sizeof(v1_begin) - 1))
		return n < sizeof(v1_begin) ? PROXY_MORE :
		    parse_v1(text, n, used, client, port);
	if (agrees(text, n, v2_begin, V2_SIGNATURE))
		return n < V2_SIGNATURE ? PROXY_MORE :
		    parse_v2((const uint8_t *)text, n, used, client, port);
	return PROXY_BAD;
}
