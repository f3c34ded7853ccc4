/*
 * values.c - single values of the configuration files.
 * Runs as: anyone.  Uses: nothing; text in, values out.
 * Promise: what is not understood as a whole is refused.
 */
#include <sys/types.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <arpa/inet.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "conf/values.h"
#include "lib/buf.h"
#include "lib/text.h"
#include "message.h"

#define YEAR_S	(365 * 86400U)

const char value_no_memory[] = "out of memory";

static int
is_name_byte(char c)
{
	return text_is_alnum(c) || c == '-' || c == '_' || c == '.' ||
	    (c & 0x80) != 0;
}

static int
is_name(const char *s, size_t max)
{
	size_t n = strlen(s);

	if (n == 0 || n > max || *s == '-' || *s == '.')
		return 0;
	for (; *s != '\0'; s++)
		if (!is_name_byte(*s))
			return 0;
	return 1;
}

int
value_is_host(const char *s)
{
	return is_name(s, VALUE_HOST_MAX) && strstr(s, "..") == NULL;
}

int
value_is_literal(const char *s)
{
	struct in6_addr in6;
	struct in_addr in;

	return inet_pton(AF_INET, s, &in) == 1 ||
	    inet_pton(AF_INET6, s, &in6) == 1;
}

/* Digits from the front of a text; lends what follows, NULL when none. */
static const char *
digits(const char *s, uint64_t *value)
{
	char *end;

	errno = 0;
	*value = strtoull(s, &end, 10);
	return text_is_digit(*s) && errno == 0 ? end : NULL;
}

int
value_number(const char *s, unsigned low, unsigned high, unsigned *value)
{
	uint64_t v;

	if (text_number(s, high, &v) == -1 || v < low)
		return -1;
	*value = (unsigned)v;
	return 0;
}

int
value_time(const char *s, unsigned *seconds)
{
	static const struct { const char *name; unsigned s; } units[] = {
		{ "", 1 }, { "s", 1 }, { "m", 60 }, { "h", 3600 },
		{ "d", 86400 },
	};
	const char *end;
	uint64_t v;
	size_t i;

	end = digits(s, &v);
	if (end == NULL)
		return -1;
	for (i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (strcmp(end, units[i].name) == 0)
			break;
	if (i == sizeof(units) / sizeof(units[0]) || v > YEAR_S / units[i].s)
		return -1;
	*seconds = (unsigned)v * units[i].s;
	return 0;
}

int
value_size(const char *s, uint64_t *bytes)
{
	static const char units[] = "KMG";
	const char *end, *unit;
	unsigned shift = 0;
	uint64_t v;

	end = digits(s, &v);
	if (end != NULL && *end != '\0' &&
	    (unit = strchr(units, *end & ~0x20)) != NULL && *unit != '\0') {
		shift = 10 * (unsigned)(unit - units + 1);
		end++;
	}
	if (end == NULL || *end != '\0' || v > (uint64_t)INT64_MAX >> shift)
		return -1;
	*bytes = v << shift;
	return 0;
}

int
value_sha256(const char *s, uint8_t digest[VALUE_SHA256])
{
	int high, i, low;

	for (i = 0; i < VALUE_SHA256; i++) {
		if (i > 0 && *s == ':')
			s++;
		if ((high = text_hex_digit(s[0])) == -1 ||
		    (low = text_hex_digit(s[1])) == -1)
			return -1;
		digest[i] = (uint8_t)(high << 4 | low);
		s += 2;
	}
	return *s == '\0' ? 0 : -1;
}

static const char *
take(char **dst, char *copy)
{
	if (copy == NULL)
		return value_no_memory;
	free(*dst);
	*dst = copy;
	return NULL;
}

const char *
value_copy(char **dst, const char *s)
{
	if (s != NULL)
		return take(dst, strdup(s));
	free(*dst);
	*dst = NULL;
	return NULL;
}

const char *
value_copy_host(char **dst, const char *host)
{
	char text[INET6_ADDRSTRLEN];
	struct in6_addr in6;
	size_t n = strlen(host);

	if (strchr(host, ':') != NULL && inet_pton(AF_INET6, host, &in6) == 1 &&
	    inet_ntop(AF_INET6, &in6, text, sizeof(text)) != NULL)
		return take(dst, strdup(text));
	if (n > 1 && host[n - 1] == '.')
		n--;
	return take(dst, strndup(host, n));
}
