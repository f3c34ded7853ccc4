/*
 * smtp_path.c - the grammar of paths, domains and address literals.
 * Runs as: anyone.  Uses: nothing.
 * Promise: one pass over the text, never beyond its end.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "lib/addr.h"
#include "lib/buf.h"
#include "lib/smtp_path.h"

#define LOCAL_MAX	64	/* bytes of a local part (RFC 5321 4.5.3.1.1) */
#define LAX_LOCAL_MAX	255	/* the same, of programs on this host */
#define DOMAIN_MAX	255	/* bytes of a domain (RFC 5321 4.5.3.1.2) */

/* 1. Characters. */

static int
is_ldh(char c)
{
	return text_is_alnum(c) || c == '-';
}

static int
is_ldh_or_underscore(char c)
{
	return is_ldh(c) || c == '_';
}

static int
is_atext(char c)
{
	return text_is_alnum(c) ||
	    (c != '\0' && strchr("!#$%&'*+-/=?^_`{|}~", c) != NULL);
}

static int
is_printable(char c)
{
	return c >= 0x20 && c <= 0x7e;
}

static int
is_qtext(char c)
{
	return is_printable(c) && c != '"' && c != '\\';
}

static int
is_dcontent(char c)
{
	return c > 0x20 && c <= 0x7e && c != '[' && c != ']' && c != '\\';
}

/* Of one character that is in a class, or of any other than ASCII. */
static size_t
char_len(const char *p, int (*is_in)(char))
{
	if ((*p & 0x80) == 0)
		return *p != '\0' && is_in(*p);
	return addr_utf8_len(p, strnlen(p, 4));
}

static size_t
run_len(const char *p, int (*is_in)(char))
{
	size_t k, n;

	for (n = 0; (k = char_len(p + n, is_in)) > 0; n += k)
		;
	return n;
}

/* 2. Domains. */

size_t
smtp_path_domain_len(const char *p, int may_underscore)
{
	size_t k, n;

	for (n = 0;; n++) {
		k = run_len(p + n, may_underscore ? is_ldh_or_underscore :
		    is_ldh);
		if (k == 0 || p[n] == '-' || p[n + k - 1] == '-')
			return 0;
		n += k;
		if (p[n] != '.')
			return n;
	}
}

/* Leading zeros are allowed: Snum is up to three digits. */
static int
is_ipv4(const char *p)
{
	unsigned i, k, number;

	for (i = 0; i < 4; i++) {
		number = 0;
		for (k = 0; k < 3 && text_is_digit(*p); k++)
			number = number * 10 + (unsigned)(*p++ - '0');
		if (k == 0 || number > 255 || *p++ != (i < 3 ? '.' : '\0'))
			return 0;
	}
	return 1;
}

/* "tag:text" */
static int
is_general(const char *p)
{
	const char *colon = strchr(p, ':');

	if (colon == NULL || colon == p || colon[-1] == '-' ||
	    colon[1] == '\0')
		return 0;
	for (; p < colon; p++)
		if (!is_ldh(*p))
			return 0;
	for (p++; *p != '\0' && is_dcontent(*p); p++)
		;
	return *p == '\0';
}

static int
is_literal(const char *text)
{
	struct in6_addr address;

	if (text_ncasecmp(text, "IPv6:", 5) == 0)
		return inet_pton(AF_INET6, text + 5, &address) == 1;
	return is_ipv4(text) || is_general(text);
}

size_t
smtp_path_literal_len(const char *p)
{
	char text[DOMAIN_MAX + 1];
	size_t n;

	n = *p == '[' ? strcspn(p, "]") : 0;
	if (n < 2 || p[n] == '\0' || n > DOMAIN_MAX)
		return 0;
	memcpy(text, p + 1, n - 1);
	text[n - 1] = '\0';
	return is_literal(text) ? n + 1 : 0;
}

static size_t
host_len(const char *p, int may_underscore)
{
	return *p == '[' ? smtp_path_literal_len(p) :
	    smtp_path_domain_len(p, may_underscore);
}

size_t
smtp_path_route_len(const char *p)
{
	size_t k, n;

	for (n = 0; p[n] == '@'; n++) {
		k = host_len(p + n + 1, 0);
		if (k == 0)
			return 0;
		n += k + 1;
		if (p[n] == ':')
			return n + 1;
		if (p[n] != ',')
			return 0;
	}
	return 0;
}

/* 3. Local parts. */

static size_t
quoted_len(const char *p)
{
	size_t k, n;

	for (n = 1; p[n] != '"'; n += k) {
		if (p[n] == '\\')
			k = is_printable(p[n + 1]) ? 2 : 0;
		else
			k = char_len(p + n, is_qtext);
		if (k == 0)
			return 0;
	}
	return n + 1;
}

static size_t
dot_string_len(const char *p)
{
	size_t k, n;

	for (n = 0;; n++) {
		k = run_len(p + n, is_atext);
		if (k == 0)
			return 0;
		n += k;
		if (p[n] != '.')
			return n;
	}
}

size_t
smtp_path_mailbox_len(const char *p, int is_lax, int *is_long)
{
	size_t domain = 0, local;

	local = *p == '"' ? quoted_len(p) : dot_string_len(p);
	*is_long = local > (is_lax ? LAX_LOCAL_MAX : LOCAL_MAX);
	if (local == 0 || *is_long)
		return 0;
	if (p[local] != '@')
		return is_lax ? local : 0;
	domain = host_len(p + local + 1, is_lax);
	*is_long = domain > DOMAIN_MAX ||
	    local + 1 + domain > SMTP_MAILBOX_MAX;
	return domain == 0 || *is_long ? 0 : local + 1 + domain;
}
