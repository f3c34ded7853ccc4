/*
 * mail_fuzz.c - any bytes as a message, from the caller to mailbox and wire.
 * The first byte says how: bit 0 lone dot ends, bit 1 -t, bit 2 no dots on
 * the wire, the rest the size of the chunks.
 * Holds: chunks do not change what comes out; stored text has no CR LF; Bcc
 * never leaves; mbox quoting is reversible; on the wire only CRLF ends a
 * line, none is too long and none is a lone dot.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/mail.h"

#define HOLDS(claim)	do { if (!(claim)) abort(); } while (0)

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static size_t
min(size_t a, size_t b)
{
	return a < b ? a : b;
}

static int
same(const struct buf *a, const struct buf *b)
{
	return a->len == b->len &&
	    memcmp(buf_str(a), buf_str(b), a->len) == 0;
}

static void
input(struct buf *out, int dot_ends, const char *p, size_t n, size_t chunk)
{
	struct mail_input in;
	size_t i;

	mail_input_init(&in, dot_ends);
	for (i = 0; i < n; i += chunk)
		if (mail_input_is_text(&in, p + i, min(chunk, n - i)))
			buf_add(out, p + i, min(chunk, n - i));
		else
			mail_input(&in, p + i, min(chunk, n - i), out);
	mail_input_end(&in, out);
}

static void
check_count(const char *p, size_t n, size_t chunk)
{
	struct mail_facts whole, parts;
	size_t i;

	memset(&whole, 0, sizeof(whole));
	memset(&parts, 0, sizeof(parts));
	mail_count(&whole, p, n);
	for (i = 0; i < n; i += chunk)
		mail_count(&parts, p + i, min(chunk, n - i));
	HOLDS(memcmp(&whole, &parts, sizeof(whole)) == 0);
}

static void
recipient(void *arg, const char *address)
{
	(void)arg;
	HOLDS(address[0] != '\0' && text_is_clean(address, strlen(address)));
}

static void
bad(void *arg, const char *field, const char *text, size_t len)
{
	(void)arg;
	HOLDS(strlen(field) >= 2 && memchr(text, '\r', len) == NULL);
}

/* All lines up to the first that cannot be in a header. */
static size_t
header_len(const char *p, size_t n)
{
	const char *nl;
	enum header_line kind;
	size_t pos = 0;

	while (pos < n) {
		kind = header_line_kind(p + pos, n - pos);
		if (kind != HEADER_LINE_FIELD &&
		    (kind != HEADER_LINE_FOLDED || pos == 0))
			break;
		nl = memchr(p + pos, '\n', n - pos);
		pos = nl == NULL ? n : (size_t)(nl - p) + 1;
	}
	return pos;
}

static void
repair_as(struct buf *out, const char *p, size_t n, enum header_from from,
    int take_recipients)
{
	const struct header_env env = { .mailname = "box.example",
	    .sender = "ann@box.example", .fullname = "Ann Doe",
	    .queue_id = "q1", .version = "1.0", .now = 1234567890,
	    .take_recipients = take_recipients, .recipient = recipient,
	    .bad = bad, .from = from };
	unsigned hops;

	HOLDS(header_repair(p, n, &env, out, &hops) == 0);
	HOLDS(strncmp(buf_str(out), "Received: ", 10) == 0);
	HOLDS(strstr(buf_str(out), "\n\n") != NULL ||
	    memchr(out->data, '\0', out->len) != NULL);
}

/* What we have made, we only put another Received on top of. */
static void
repair_again(const struct buf *once, enum header_from from)
{
	struct buf twice;
	const char *rest;

	buf_init(&twice, 0);
	repair_as(&twice, once->data, once->len - 1, from, 0);
	rest = strstr(buf_str(&twice), "\nReceived: ");
	HOLDS(rest != NULL);
	HOLDS((size_t)(twice.data + twice.len - (rest + 1)) == once->len);
	HOLDS(memcmp(rest + 1, once->data, once->len) == 0);
	buf_fini(&twice);
}

static void
repair(struct buf *out, const char *p, size_t n, int take_recipients)
{
	static const enum header_from froms[] = { HEADER_FROM_OFF,
	    HEADER_FROM_QUALIFY, HEADER_FROM_FORCE };
	size_t i;

	for (i = 0; i < sizeof(froms) / sizeof(froms[0]); i++) {
		buf_reset(out);
		repair_as(out, p, n, froms[i], take_recipients);
		repair_again(out, froms[i]);
	}
}

static void
mbox(struct buf *out, const char *p, size_t n, size_t chunk)
{
	struct mail_mbox m;
	size_t i;

	memset(&m, 0, sizeof(m));
	for (i = 0; i < n; i += chunk)
		mail_mbox(&m, p + i, min(chunk, n - i), out);
	mail_mbox_end(&m, out);
}

/* Takes a line's quote away again; the line had none unless it has one. */
static void
check_mbox(const struct buf *box, const char *p, size_t n)
{
	const char *nl, *line = box->data, *end = line + box->len;
	struct buf back;
	size_t k;

	buf_init(&back, 0);
	for (; line < end; line = nl + 1) {
		nl = memchr(line, '\n', (size_t)(end - line));
		HOLDS(nl != NULL);
		for (k = 0; line[k] == '>'; k++)
			;
		if (strncmp(line + k, "From ", 5) == 0) {
			HOLDS(k > 0);
			line++;
		}
		buf_add(&back, line, (size_t)(nl - line) + 1);
	}
	if (n > 0 && p[n - 1] != '\n')
		HOLDS(back.len == n + 2);
	else
		HOLDS(back.len == n + 1);
	HOLDS(n == 0 || memcmp(back.data, p, n) == 0);
	buf_fini(&back);
}

static void
wire(struct buf *out, int stuff, const char *p, size_t n, size_t chunk)
{
	struct mail_wire w;
	size_t i;

	mail_wire_init(&w, stuff);
	for (i = 0; i < n; i += chunk)
		mail_wire(&w, p + i, min(chunk, n - i), out);
	mail_wire_end(&w, out);
	mail_wire_fini(&w);
}

static void
check_wire_line(const char *line, size_t len, int stuff, int in_header)
{
	HOLDS(memchr(line, '\r', len) == NULL);
	HOLDS(memchr(line, '\n', len) == NULL);
	HOLDS(memchr(line, '\0', len) == NULL);
	HOLDS(!stuff || len == 0 || line[0] != '.' ||
	    (len > 1 && line[1] == '.'));
	HOLDS(len <= MAIL_WIRE_LINE || (stuff && line[0] == '.' &&
	    len == MAIL_WIRE_LINE + 1));
	if (!in_header)
		return;
	HOLDS(len < 3 || strncasecmp(line, "Bcc", 3) != 0 ||
	    header_line_kind(line, len) != HEADER_LINE_FIELD ||
	    strcspn(line, ": \t") != 3);
	HOLDS(len < 10 || strncasecmp(line, "Resent-Bcc", 10) != 0 ||
	    header_line_kind(line, len) != HEADER_LINE_FIELD ||
	    strcspn(line, ": \t") != 10);
}

static void
check_wire(const struct buf *out, int stuff, int is_repaired)
{
	const char *cr, *line = buf_str(out), *end = line + out->len;
	int in_header = is_repaired;

	for (; line < end; line = cr + 2) {
		cr = memchr(line, '\r', (size_t)(end - line));
		HOLDS(cr != NULL && cr + 1 < end && cr[1] == '\n');
		if (cr == line)
			in_header = 0;
		check_wire_line(line, (size_t)(cr - line), stuff, in_header);
	}
}

/* Header and body as they are stored, and raw, each to mailbox and wire. */
static void
check_out(const char *p, size_t n, int stuff, size_t chunk, int is_repaired)
{
	struct buf whole, parts;

	buf_init(&whole, 0);
	buf_init(&parts, 0);
	mbox(&whole, p, n, n + 1);
	mbox(&parts, p, n, chunk);
	HOLDS(same(&whole, &parts));
	check_mbox(&whole, p, n);
	buf_reset(&whole);
	buf_reset(&parts);
	wire(&whole, stuff, p, n, n + 1);
	wire(&parts, stuff, p, n, chunk);
	HOLDS(same(&whole, &parts));
	check_wire(&whole, stuff, is_repaired);
	buf_fini(&whole);
	buf_fini(&parts);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf whole, parts, text;
	const char *p = (const char *)data + 1;
	size_t chunk, n, n_header;
	int stuff;

	if (size == 0)
		return 0;
	n = size - 1;
	chunk = (size_t)(data[0] >> 3) + 1;
	stuff = (data[0] & 4) == 0;
	buf_init(&whole, 0);
	buf_init(&parts, 0);
	buf_init(&text, 0);
	input(&whole, data[0] & 1, p, n, n + 1);
	input(&parts, data[0] & 1, p, n, chunk);
	HOLDS(same(&whole, &parts));
	check_count(p, n, chunk);
	check_out(p, n, stuff, chunk, 0);
	n_header = header_len(buf_str(&whole), whole.len);
	repair(&text, buf_str(&whole), n_header, data[0] & 2);
	buf_add(&text, buf_str(&whole) + n_header, whole.len - n_header);
	check_out(text.data, text.len, stuff, chunk, 1);
	/* What is no header, handed in as one by mistake. */
	buf_reset(&text);
	repair_as(&text, p, n, HEADER_FROM_FORCE, data[0] & 2);
	check_out(text.data, text.len, stuff, chunk, 1);
	buf_fini(&whole);
	buf_fini(&parts);
	buf_fini(&text);
	return 0;
}
