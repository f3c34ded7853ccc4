/*
 * edit.c - a relay and its login, put into dma.conf and auth.conf.
 * Runs as: anyone; also as root, on the two files of root and on values that
 * edit_trouble() has passed.
 * Uses: nothing; text in, text out.
 * Promise: no line of the old text is lost, and the values make no line but
 * those of their own keys.
 */
#include <string.h>

#include "conf/edit.h"
#include "conf/relays.h"
#include "lib/buf.h"
#include "lib/text.h"

#define BLANKS	" \t\r"

/* Printable ASCII without blanks, quotes and what begins a comment. */
static int
is_plain(const char *s, const char *also_not)
{
	if (*s == '\0')
		return 0;
	for (; *s != '\0'; s++)
		if (*s <= ' ' || *s > '~' || strchr("\"'#\\", *s) != NULL ||
		    strchr(also_not, *s) != NULL)
			return 0;
	return 1;
}

/* The password ends with the line, and has whatever else is in it. */
static int
is_password(const char *s)
{
	size_t n = strlen(s);

	return n > 0 && text_is_clean(s, n);
}

/* The host of the one relay that it is; -1 when it is none. */
static int
take_host(const char *relay, struct buf *host)
{
	struct relays relays;
	int ret = -1;

	memset(&relays, 0, sizeof(relays));
	if (is_plain(relay, ",;=") && relays_parse(&relays, relay) == NULL &&
	    relays.n == 1 && !relays_is_none(&relays)) {
		ret = 0;
		buf_printf(host, strchr(relays.list[0].host, ':') == NULL ?
		    "%s" : "[%s]", relays.list[0].host);
	}
	relays_fini(&relays);
	return ret;
}

const char *
edit_trouble_but_password(const struct edit *e)
{
	struct buf host;
	int ret;

	buf_init(&host, 0);
	ret = take_host(e->relay, &host);
	buf_fini(&host);
	if (ret == -1)
		return "the relay must be host:port or srv:domain";
	if (e->masquerade[0] != '\0' && (!is_plain(e->masquerade, ",;<>()") ||
	    strchr(e->masquerade, '@') == NULL))
		return "this address cannot be written into dma.conf";
	if (!is_plain(e->user, "|"))
		return "the user name cannot be written into auth.conf: it "
		    "has a blank, a quote, \"|\", \"#\" or a letter that is "
		    "not ASCII";
	return NULL;
}

const char *
edit_trouble(const struct edit *e)
{
	const char *trouble = edit_trouble_but_password(e);

	return trouble == NULL && !is_password(e->password) ?
	    "the password is empty or has a control character" : trouble;
}

void
edit_put_conf(const struct edit *e, struct buf *out)
{
	buf_printf(out, "SMARTHOST %s\n", e->relay);
	if (e->masquerade[0] != '\0')
		buf_printf(out, "MASQUERADE %s\nFROM_HEADER force\n",
		    e->masquerade);
}

/* "user|host". */
static void
put_login(const struct edit *e, struct buf *out)
{
	buf_printf(out, "%s|", e->user);
	(void)take_host(e->relay, out);
}

void
edit_put_auth(const struct edit *e, const char *password, struct buf *out)
{
	put_login(e, out);
	buf_printf(out, ":%s\n", password);
}

/* Whether a line of n bytes, without blanks before it, has one of our keys. */
static int
is_own_key(const struct edit *e, const char *line, size_t n)
{
	static const char *const keys[] = { "SMARTHOST", "MASQUERADE",
	    "FROM_HEADER" };
	size_t i, len, nkeys = e->masquerade[0] != '\0' ? 3 : 1;

	for (i = 0; i < nkeys; i++) {
		len = strlen(keys[i]);
		if (n >= len && text_ncasecmp(line, keys[i], len) == 0 &&
		    (n == len || strchr(BLANKS "=:", line[len]) != NULL))
			return 1;
	}
	return 0;
}

/* A login of this user at this host, in the short form. */
static int
is_own_login(const struct edit *e, const char *line, size_t n)
{
	struct buf login;
	int ret;

	buf_init(&login, 0);
	put_login(e, &login);
	ret = !buf_failed(&login) && n > login.len &&
	    text_ncasecmp(line, buf_str(&login), login.len) == 0 &&
	    strchr(BLANKS ":|", line[login.len]) != NULL;
	buf_fini(&login);
	return ret;
}

/* Walks the lines; each is given to the text, as a comment if it is ours. */
static void
walk(const struct edit *e, const char *old, size_t len,
    int (*is_own)(const struct edit *, const char *, size_t),
    int has_others, struct buf *out)
{
	size_t n, start, pos = text_bom(old, len);
	const char *end;
	int is_ours;

	if (has_others)
		buf_add(out, old, pos);
	for (; pos < len; pos += n) {
		end = memchr(old + pos, '\n', len - pos);
		n = end == NULL ? len - pos : (size_t)(end - old) + 1 - pos;
		for (start = pos; start < pos + n && old[start] != '\0' &&
		    strchr(BLANKS, old[start]) != NULL; )
			start++;
		is_ours = is_own(e, old + start, pos + n - start -
		    (end != NULL));
		if (is_ours)
			buf_putc(out, '#');
		if (is_ours || has_others)
			buf_add(out, old + pos, n);
		if ((is_ours || has_others) && end == NULL)
			buf_putc(out, '\n');
	}
}

void
edit_conf(const struct edit *e, const char *old, size_t len, struct buf *out)
{
	walk(e, old, len, is_own_key, 1, out);
	edit_put_conf(e, out);
}

void
edit_auth(const struct edit *e, const char *old, size_t len, struct buf *out)
{
	walk(e, old, len, is_own_login, 1, out);
	edit_put_auth(e, e->password, out);
}

void
edit_replaced(const struct edit *e, const char *old, size_t len,
    struct buf *out)
{
	walk(e, old, len, is_own_key, 0, out);
}
