/*
 * idn.c - internationalized domain names in ASCII, as DNS and SMTP require.
 * Runs as: the spool user, in dma-remote.  Uses: libidn2, if available at build
 * time (make IDN=no builds without it).
 * Promise: an ASCII name is not changed.
 */
#include <stdlib.h>
#include <string.h>

#ifdef DMA_IDN
#include <idn2.h>
#endif

#include "lib/addr.h"
#include "net/idn.h"

#define NAME_MAX_BYTES	1024	/* of a name in UTF-8 */

#ifdef DMA_IDN
/* 1 when all of a name that is ASCII may stand in one. */
static int
has_name_chars(const char *name)
{
	for (; *name != '\0'; name++)
		if ((*name & 0x80) == 0 && strchr("abcdefghijklmnopqrstuvwxyz"
		    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.", *name) == NULL)
			return 0;
	return 1;
}

/*
 * Not with IDN2_USE_STD3_ASCII_RULES: libidn2 drops what these forbid, and the
 * name becomes that of another host.
 */
static const char *
convert(const char *name, struct buf *out)
{
	static const char bad[] = "string contains a disallowed character";
	char *ascii = NULL;
	int error;

	if (!has_name_chars(name))
		return bad;
	error = idn2_to_ascii_8z(name, &ascii, IDN2_NFC_INPUT |
	    IDN2_NONTRANSITIONAL);
	if (error != IDN2_OK)
		return idn2_strerror(error);
	if (!has_name_chars(ascii)) {
		idn2_free(ascii);
		return bad;
	}
	buf_puts(out, ascii);
	idn2_free(ascii);
	return NULL;
}

int
idn_is_missing(void)
{
	return 0;
}
#else
static const char *
convert(const char *name, struct buf *out)
{
	(void)name;
	(void)out;
	return "dma was built without libidn2: write the domain in ASCII "
	    "(xn--...)";
}

int
idn_is_missing(void)
{
	return 1;
}
#endif

const char *
idn_name(const char *name, struct buf *out)
{
	if (!text_is_ascii(name, strlen(name)))
		return convert(name, out);
	buf_puts(out, name);
	return NULL;
}

int
idn_domain(const char *p, size_t n, struct buf *out)
{
	char name[NAME_MAX_BYTES];

	if (n >= sizeof(name))
		return -1;
	memcpy(name, p, n);
	name[n] = '\0';
	return idn_name(name, out) == NULL ? 0 : -1;
}

const char *
idn_address(const char *address, struct buf *out)
{
	const char *domain = addr_domain(address), *reason;
	size_t before = out->len, n;

	n = domain == NULL ? 0 : (size_t)(domain - address);
	if (domain == NULL || !text_is_ascii(address, n) ||
	    text_is_ascii(domain, strlen(domain))) {
		buf_puts(out, address);
		return NULL;
	}
	buf_add(out, address, n);
	reason = idn_name(domain, out);
	if (reason != NULL) {
		out->len = before;
		buf_puts(out, address);
	}
	return reason;
}

/* 0, or -1 without memory. */
static int
replace(char **name)
{
	struct buf ascii;
	char *copy;

	if (*name == NULL || text_is_ascii(*name, strlen(*name)))
		return 0;
	buf_init(&ascii, 0);
	if (idn_name(*name, &ascii) != NULL) {
		buf_fini(&ascii);
		return 0;
	}
	copy = buf_take(&ascii);
	if (copy == NULL)
		return -1;
	free(*name);
	*name = copy;
	return 0;
}

int
idn_relays(struct relays *relays)
{
	size_t i;
	int ret = 0;

	for (i = 0; i < relays->n; i++)
		ret |= replace(&relays->list[i].host);
	return ret;
}

int
idn_conf(struct conf *conf, struct auths *auths)
{
	size_t i;
	int ret;

	ret = idn_relays(&conf->relays) | replace(&conf->names.mailname);
	for (i = 0; i < auths->n; i++)
		ret |= replace(&auths->list[i].host);
	return ret;
}
