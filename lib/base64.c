/*
 * base64.c - base64 (RFC 4648 4).
 * Runs as: anyone.  Uses: nothing.
 * Promise: what is not well-formed is refused, so that each text stands for
 * other bytes.
 */
#include <stdint.h>
#include <string.h>

#include "lib/base64.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    "abcdefghijklmnopqrstuvwxyz0123456789+/";

void
base64_put(struct buf *out, const void *data, size_t len)
{
	const uint8_t *p = data;
	uint32_t v;
	char *room;
	size_t i;

	if (len > SIZE_MAX / 2) {
		out->failed = 1;
		return;
	}
	room = buf_space(out, (len + 2) / 3 * 4);
	if (room == NULL)
		return;
	for (i = 0; i < len; i += 3, room += 4) {
		v = (uint32_t)p[i] << 16;
		if (i + 1 < len)
			v |= (uint32_t)p[i + 1] << 8;
		if (i + 2 < len)
			v |= p[i + 2];
		memset(room, '=', 4);
		room[0] = alphabet[v >> 18];
		room[1] = alphabet[v >> 12 & 63];
		if (i + 1 < len)
			room[2] = alphabet[v >> 6 & 63];
		if (i + 2 < len)
			room[3] = alphabet[v & 63];
	}
	buf_grown(out, (len + 2) / 3 * 4);
}

/* The value of one byte of base64, or -1. */
static int
sextet(char c)
{
	const char *at;

	at = c == '\0' ? NULL : strchr(alphabet, c);
	return at == NULL ? -1 : (int)(at - alphabet);
}

/* Bytes that well-formed text stands for, or -1. */
static int
decoded_len(const char *text, size_t len, size_t *n)
{
	size_t i, body = len;

	if (len % 4 != 0)
		return -1;
	if (body > 0 && text[body - 1] == '=')
		body--;
	if (body > 0 && text[body - 1] == '=')
		body--;
	for (i = 0; i < body; i++)
		if (sextet(text[i]) == -1)
			return -1;
	/* Bits that no byte takes must be zero, or two texts mean the same. */
	if (body % 4 == 3 && (sextet(text[body - 1]) & 3) != 0)
		return -1;
	if (body % 4 == 2 && (sextet(text[body - 1]) & 15) != 0)
		return -1;
	*n = len / 4 * 3 - (len - body);
	return 0;
}

int
base64_get(struct buf *out, const char *text, size_t len)
{
	uint8_t bytes[3];
	uint32_t v = 0;
	size_t i, left;

	if (decoded_len(text, len, &left) == -1)
		return -1;
	for (i = 0; i < len; i++) {
		v = v << 6 | (text[i] == '=' ? 0 : (uint32_t)sextet(text[i]));
		if (i % 4 != 3)
			continue;
		bytes[0] = (uint8_t)(v >> 16);
		bytes[1] = (uint8_t)(v >> 8);
		bytes[2] = (uint8_t)v;
		buf_add(out, bytes, left < 3 ? left : 3);
		left -= left < 3 ? left : 3;
	}
	return buf_failed(out) ? -1 : 0;
}
