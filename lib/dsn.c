/*
 * dsn.c - what a sender asks of reports, as text.
 * Runs as: anyone.  Uses: nothing.
 * Promise: what is put on an SMTP line is one word of printable ASCII.
 */
#include <string.h>

#include "lib/addr.h"
#include "lib/buf.h"
#include "lib/dsn.h"

#define ORCPT_SMTP_MAX	500	/* bytes of the parameter (RFC 3461 4.2) */

static const struct {
	const char	*word;
	unsigned	 flag;
} words[] = {
	{ "NEVER",	NOTIFY_NEVER },
	{ "SUCCESS",	NOTIFY_SUCCESS },
	{ "FAILURE",	NOTIFY_FAILURE },
	{ "DELAY",	NOTIFY_DELAY },
};

#define NWORDS		(sizeof(words) / sizeof(words[0]))

int
dsn_notify_ok(uint64_t notify)
{
	return notify == NOTIFY_NEVER || ((notify & NOTIFY_NEVER) == 0 &&
	    notify <= (NOTIFY_SUCCESS | NOTIFY_FAILURE | NOTIFY_DELAY));
}

int
dsn_notify(const char *text, unsigned *notify)
{
	size_t i, n;

	*notify = 0;
	for (;;) {
		n = strcspn(text, ",");
		for (i = 0; i < NWORDS; i++)
			if (strlen(words[i].word) == n &&
			    text_ncasecmp(text, words[i].word, n) == 0)
				break;
		if (i == NWORDS)
			return -1;
		*notify |= words[i].flag;
		if (text[n] == '\0')
			return dsn_notify_ok(*notify) ? 0 : -1;
		text += n + 1;
	}
}

void
dsn_put_notify(struct buf *b, unsigned notify)
{
	const char *comma = "";
	size_t i;

	for (i = 0; i < NWORDS; i++) {
		if ((notify & words[i].flag) == 0)
			continue;
		buf_puts(b, comma);
		buf_puts(b, words[i].word);
		comma = ",";
	}
}

int
dsn_ret(const char *text, enum ret *ret)
{
	if (text_casecmp(text, "full") == 0)
		*ret = RET_FULL;
	else if (text_casecmp(text, "hdrs") == 0)
		*ret = RET_HDRS;
	else
		return -1;
	return 0;
}

static int
is_ascii(const char *text)
{
	for (; *text != '\0'; text++)
		if (*text < 0x20 || *text > 0x7e)
			return 0;
	return 1;
}

static int
is_xchar(char c)
{
	return c > 0x20 && c < 0x7f && c != '+' && c != '=';
}

int
dsn_envid_ok(const char *text)
{
	const char *p;
	size_t n = 0;

	for (p = text; *p != '\0' && n <= ENVID_MAX; p++)
		n += is_xchar(*p) ? 1 : 3;
	return n > 0 && n <= ENVID_MAX && is_ascii(text);
}

int
dsn_orcpt_ok(const char *text)
{
	const char *p;
	size_t n;

	p = strchr(text, ';');
	n = strlen(text);
	if (p == NULL || p == text || p[1] == '\0' || n > ORCPT_MAX)
		return 0;
	for (; text < p; text++)
		if (!text_is_alnum(*text) && *text != '-')
			return 0;
	return text_is_clean(p, strlen(p));
}

void
dsn_put_xtext(struct buf *b, const char *text)
{
	for (; *text != '\0'; text++)
		if (is_xchar(*text))
			buf_putc(b, *text);
		else
			buf_printf(b, "+%02X", (unsigned char)*text);
}

int
dsn_get_xtext(const char *xtext, char *out, size_t size)
{
	size_t n = 0;
	int high, low;

	for (; *xtext != '\0' && n + 1 < size; xtext++) {
		out[n++] = *xtext;
		if (is_xchar(*xtext))
			continue;
		high = *xtext == '+' ? text_hex_digit(xtext[1]) : -1;
		low = high == -1 ? -1 : text_hex_digit(xtext[2]);
		if (low == -1 || high + low == 0)
			return -1;
		out[n - 1] = (char)(high << 4 | low);
		xtext += 2;
	}
	if (*xtext != '\0' || size == 0)
		return -1;
	out[n] = '\0';
	return 0;
}

/* The address is UTF-8. */
static void
put_utf8(struct buf *b, const char *address)
{
	size_t n, len = strlen(address);
	unsigned point;

	buf_puts(b, "utf-8;");
	for (; len > 0; address += n, len -= n) {
		n = addr_utf8_len(address, len);
		point = addr_utf8_point(address, n);
		if (point < 0x7f && is_xchar((char)point) && point != '\\')
			buf_putc(b, (char)point);
		else
			buf_printf(b, "\\x{%02X}", point);
	}
}

int
dsn_put_orcpt(struct buf *b, const char *orcpt, int is_smtp)
{
	const char *address;
	struct buf text;
	int ok;

	address = strchr(orcpt, ';');
	if (address == NULL || !addr_is_utf8(orcpt, strlen(orcpt)))
		return -1;
	buf_init(&text, is_smtp ? ORCPT_SMTP_MAX : 0);
	if (!is_ascii(orcpt))
		put_utf8(&text, address + 1);
	else {
		buf_add(&text, orcpt, (size_t)(address - orcpt) + 1);
		if (is_smtp)
			dsn_put_xtext(&text, address + 1);
		else
			buf_puts(&text, address + 1);
	}
	ok = !buf_failed(&text);
	if (ok)
		buf_add(b, text.data, text.len);
	buf_fini(&text);
	return ok ? 0 : -1;
}
