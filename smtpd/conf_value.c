/*
 * conf_value.c - single values of dma-smtpd.conf.
 * Runs as: anyone.  Uses: nothing; text in, values out.
 * Promise: what is not exactly one value is refused; nothing is guessed.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "lib/text.h"
#include "smtpd/conf_value.h"

#define LISTEN_TEXT_MAX	63	/* bytes of an address with its port */
#define LETTERS		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define NAME_BYTES	LETTERS "0123456789_-"

/* A unit of a number, and what it multiplies by. */
struct unit {
	char		letter;
	uint64_t	factor;
};

int
conf_value_number(const char *text, uint64_t low, uint64_t high,
    uint64_t *value)
{
	uint64_t v;

	if (text_number(text, high, &v) == -1 || v < low)
		return -1;
	*value = v;
	return 0;
}

/* A number, and at most one letter of the units, which end with a 0 letter. */
static int
scaled(const char *text, const struct unit *units, uint64_t low,
    uint64_t high, uint64_t *value)
{
	size_t n = strlen(text);
	char digits[21];	/* of a 64-bit number */
	uint64_t factor = 1, v;

	if (n == 0 || n >= sizeof(digits))
		return -1;
	for (; units->letter != '\0'; units++)
		if (text[n - 1] == units->letter)
			break;
	if (units->letter != '\0') {
		factor = units->factor;
		n--;
	}
	memcpy(digits, text, n);
	digits[n] = '\0';
	if (text_number(digits, high / factor, &v) == -1 || v * factor < low)
		return -1;
	*value = v * factor;
	return 0;
}

int
conf_value_time(const char *text, uint64_t low, uint64_t high,
    uint64_t *seconds)
{
	static const struct unit units[] = { { 's', 1 }, { 'm', 60 },
	    { 'h', 3600 }, { 'd', 86400 }, { '\0', 1 } };

	return scaled(text, units, low, high, seconds);
}

int
conf_value_size(const char *text, uint64_t low, uint64_t high,
    uint64_t *bytes)
{
	static const struct unit units[] = { { 'K', 1 << 10 }, { 'M', 1 << 20 },
	    { 'G', 1 << 30 }, { '\0', 1 } };

	return scaled(text, units, low, high, bytes);
}

/* Cuts "[v6]:port", "[v6]" or "v4:port" in two; "" for no port.  0 or -1. */
static int
split_port(char *text, char **host, const char **port)
{
	char *end;

	*host = text;
	*port = "";
	if (*text == '[') {
		*host = text + 1;
		end = strchr(text, ']');
		if (end == NULL || (end[1] != '\0' && end[1] != ':'))
			return -1;
		*end++ = '\0';
		/* Brackets are for IPv6 alone. */
		if (strchr(*host, ':') == NULL)
			return -1;
	} else {
		end = strchr(text, ':');
		/* More than one colon: IPv6 without a port. */
		if (end == NULL || strchr(end + 1, ':') != NULL)
			return 0;
	}
	if (*end == ':') {
		*end = '\0';
		*port = end + 1;
		return **port == '\0' ? -1 : 0;
	}
	return 0;
}

int
conf_value_listen(const char *text, struct sockaddr_storage *addr,
    socklen_t *len)
{
	char copy[LISTEN_TEXT_MAX + 1], *host;
	struct sockaddr_in in = { .sin_family = AF_INET };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };
	uint64_t number = CONF_PORT;
	const char *port;

	if (strlen(text) > LISTEN_TEXT_MAX)
		return -1;
	memcpy(copy, text, strlen(text) + 1);
	if (split_port(copy, &host, &port) == -1)
		return -1;
	if (*port != '\0' && conf_value_number(port, 1, 65535, &number) == -1)
		return -1;
	in.sin_port = in6.sin6_port = htons((uint16_t)number);
	if (inet_pton(AF_INET, host, &in.sin_addr) == 1) {
		memset(addr, 0, sizeof(*addr));
		memcpy(addr, &in, *len = sizeof(in));
		return 0;
	}
	if (inet_pton(AF_INET6, host, &in6.sin6_addr) != 1)
		return -1;
	memset(addr, 0, sizeof(*addr));
	memcpy(addr, &in6, *len = sizeof(in6));
	return 0;
}

/* 1 for a component that names no file: "", "." and "..". */
static int
is_no_name(const char *p, size_t n)
{
	return n == 0 || (n == 1 && p[0] == '.') ||
	    (n == 2 && p[0] == '.' && p[1] == '.');
}

int
conf_value_path(const char *path)
{
	size_t n;

	if (*path != '/' || strlen(path) > CONF_PATH_MAX)
		return -1;
	while (*path == '/') {
		path++;
		n = strcspn(path, "/");
		if (is_no_name(path, n))
			return -1;
		path += n;
	}
	return 0;
}

int
conf_value_user(const char *name)
{
	size_t n = strspn(name, NAME_BYTES ".");

	return n == 0 || n > CONF_USER_MAX || name[n] != '\0' ||
	    *name == '-' ? -1 : 0;
}

int
conf_value_module(const char *text, char *out)
{
	const char *name = text;
	size_t n;

	if (*text == '/') {
		if (conf_value_path(text) == -1)
			return -1;
		name = strrchr(text, '/') + 1;
	}
	n = strspn(name, NAME_BYTES);
	if (n == 0 || n > CONF_NAME_MAX || *name == '-' ||
	    strcmp(name + n, *text == '/' ? ".so" : "") != 0)
		return -1;
	memcpy(out, name, n);
	out[n] = '\0';
	return 0;
}
