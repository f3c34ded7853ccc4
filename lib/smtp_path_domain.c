/*
 * smtp_path_domain.c - the domain of a path as a name of a directory.
 * Runs as: anyone.  Uses: libidn2, if available at build time; therefore in an
 * object of its own.
 * Promise: "_invalid", or [a-z0-9.-] without empty labels: it cannot leave the
 * directory that it is looked up in.
 */
#include <string.h>

#ifdef DMA_IDN
#include <idn2.h>
#endif

#include "lib/buf.h"
#include "lib/smtp_command.h"

#define LABEL_MAX	63	/* bytes of a label (RFC 1035 2.3.4) */
#define NAME_MAX_BYTES	253	/* of a name, without a final dot */

/* After the local part, in which a quoted @ is text; NULL without domain. */
static const char *
find_domain(const char *path)
{
	const char *p = path;

	if (*p != '"')
		p = strchr(path, '@');
	else
		for (p++; *p != '\0' && *p != '"'; p++)
			p += *p == '\\' && p[1] != '\0';
	if (p != NULL && *p == '"')
		p++;
	return p != NULL && *p == '@' ? p + 1 : NULL;
}

static int
is_name_char(char c)
{
	return text_is_alnum(c) || c == '-';
}

static int
put_name(const char *name, char *out)
{
	size_t i, label = 0, n = strlen(name);

	if (n == 0 || n > NAME_MAX_BYTES)
		return -1;
	text_lower(out, name, n + 1);
	for (i = 0; i < n; i++) {
		if (out[i] != '.' && !is_name_char(out[i]))
			return -1;
		if (out[i] == '.' ? label == 0 : label == LABEL_MAX)
			return -1;
		label = out[i] == '.' ? 0 : label + 1;
	}
	return label == 0 ? -1 : 0;
}

#ifdef DMA_IDN
/*
 * Not with IDN2_USE_STD3_ASCII_RULES: libidn2 drops what these forbid, and the
 * name becomes another.
 */
static int
put_converted(const char *name, char *out)
{
	const char *p;
	char *ascii = NULL;
	int ret;

	for (p = name; *p != '\0'; p++)
		if ((*p & 0x80) == 0 && *p != '.' && !is_name_char(*p))
			return -1;
	if (idn2_to_ascii_8z(name, &ascii, IDN2_NFC_INPUT |
	    IDN2_NONTRANSITIONAL) != IDN2_OK)
		return -1;
	ret = put_name(ascii, out);
	idn2_free(ascii);
	return ret;
}
#else
static int
put_converted(const char *name, char *out)
{
	(void)name;
	(void)out;
	return -1;
}
#endif

void
smtp_path_domain(const char *path, char *out)
{
	const char *domain = find_domain(path);
	int ret = -1;

	if (domain != NULL)
		ret = text_is_ascii(domain, strlen(domain)) ?
		    put_name(domain, out) : put_converted(domain, out);
	if (ret == -1)
		memcpy(out, "_invalid", sizeof("_invalid"));
}
