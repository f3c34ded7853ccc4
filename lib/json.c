/*
 * json.c - writes JSON (RFC 8259).
 * Runs as: anyone.  Uses: nothing.
 * Promise: whatever bytes a text has, what comes out is valid UTF-8 and JSON.
 */
#include <inttypes.h>
#include <string.h>

#include "lib/addr.h"
#include "lib/json.h"

void
json_init(struct json *j)
{
	buf_init(&j->out, 0);
	j->follows = 0;
}

void
json_fini(struct json *j)
{
	buf_fini(&j->out);
}

/* How many bytes need no change. */
static size_t
plain_run(const char *text, size_t len)
{
	size_t i = 0;

	while (i < len && text[i] >= ' ' && text[i] < 0x7f && text[i] != '"' &&
	    text[i] != '\\')
		i++;
	return i;
}

/* The first character, which is not plain; gives its length. */
static size_t
put_special(struct buf *out, const char *text, size_t len)
{
	char c = text[0];
	uint32_t point;
	size_t n;

	if (c == '"' || c == '\\') {
		buf_printf(out, "\\%c", c);
		return 1;
	}
	n = addr_utf8_len(text, len);
	if (n == 0) {
		buf_puts(out, "\\ufffd");
		return 1;
	}
	point = addr_utf8_point(text, n);
	/* Terminals obey those above 127 as well. */
	if (point < ' ' || (point >= 0x7f && point < 0xa0))
		buf_printf(out, "\\u%04x", (unsigned)point);
	else
		buf_add(out, text, n);
	return n;
}

static void
put_string(struct buf *out, const char *text)
{
	size_t n, len = strlen(text);

	buf_putc(out, '"');
	while (len > 0) {
		n = plain_run(text, len);
		buf_add(out, text, n);
		if (n < len)
			n += put_special(out, text + n, len - n);
		text += n;
		len -= n;
	}
	buf_putc(out, '"');
}

/* What comes before a value. */
static void
put_key(struct json *j, const char *key)
{
	if (j->follows)
		buf_putc(&j->out, ',');
	j->follows = 1;
	if (key == NULL)
		return;
	put_string(&j->out, key);
	buf_putc(&j->out, ':');
}

void
json_open(struct json *j, const char *key, char bracket)
{
	put_key(j, key);
	buf_putc(&j->out, bracket);
	j->follows = 0;
}

void
json_close(struct json *j, char bracket)
{
	buf_putc(&j->out, bracket);
	j->follows = 1;
}

void
json_text(struct json *j, const char *key, const char *text)
{
	put_key(j, key);
	if (text == NULL)
		buf_puts(&j->out, "null");
	else
		put_string(&j->out, text);
}

void
json_number(struct json *j, const char *key, int64_t v)
{
	put_key(j, key);
	buf_printf(&j->out, "%" PRId64, v);
}

void
json_bool(struct json *j, const char *key, int v)
{
	put_key(j, key);
	buf_puts(&j->out, v ? "true" : "false");
}

void
json_null(struct json *j, const char *key)
{
	json_text(j, key, NULL);
}

void
json_line(struct json *j)
{
	buf_putc(&j->out, '\n');
	j->follows = 0;
}
