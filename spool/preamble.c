/*
 * preamble.c - the envelope at the start of a queue file.
 * Runs as: the spool user.  Uses: nothing; structures in, text out, and back.
 * Promise: a value that would be read back as another one is not written.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "lib/checksum.h"
#include "lib/dsn.h"
#include "lib/text.h"
#include "spool/preamble.h"

#define VERSION_1	"dma-queue 1\n"		/* it has no checksums */

static const char *const ret_names[] = {
	[RET_UNSAID] = NULL, [RET_FULL] = "full", [RET_HDRS] = "hdrs",
};

static void
put_sums(struct buf *b, const struct preamble_sums *sums)
{
	buf_printf(b, "records %" PRIu32 "\ntext %016" PRIx64 "\n",
	    sums->records, sums->text);
	buf_printf(b, "check %08" PRIx32 "\n", checksum_line(buf_str(b),
	    b->len));
}

int
preamble_put(struct buf *b, const struct message *m, int64_t length,
    const struct preamble_sums *sums)
{
	buf_printf(b,
	    "dma-queue %d\narrived %" PRId64 "\nsubmitter %" PRIu32 "\n"
	    "offset %d\nlength %" PRId64 "\nlines %" PRId64 "\nflags %u\n"
	    "hops %u\nsender <%s>\n", sums->text == 0 ? 1 : 2,
	    (int64_t)m->arrived, m->submitter,
	    PREAMBLE_SIZE, length, m->text.lines, m->text.flags, m->text.hops,
	    m->sender);
	if (m->ret != RET_UNSAID)
		buf_printf(b, "ret %s\n", ret_names[m->ret]);
	if (m->envid[0] != '\0')
		buf_printf(b, "envid <%s>\n", m->envid);
	if (sums->text != 0)
		put_sums(b, sums);
	if (!buf_failed(b) && text_is_clean(m->sender, strlen(m->sender)) &&
	    (m->envid[0] == '\0' || dsn_envid_ok(m->envid)))
		return 0;
	errno = EINVAL;
	return -1;
}

/* "name value\n" at *p; lends the value, NUL-terminated, and moves on. */
static char *
take_line(char **p, const char *name)
{
	char *line = *p, *nl;
	size_t n = strlen(name);

	if (strncmp(line, name, n) != 0 || line[n] != ' ')
		return NULL;
	nl = strchr(line + n, '\n');
	if (nl == NULL)
		return NULL;
	*nl = '\0';
	*p = nl + 1;
	return line + n + 1;
}

static int
take_number(char **p, const char *name, uint64_t max, uint64_t *v)
{
	const char *s;

	s = take_line(p, name);
	return s == NULL ? -1 : text_number(s, max, v);
}

/* "<value>" without its brackets; 0 or -1. */
static int
unwrap(char *s, char *dst, size_t size)
{
	size_t n = s == NULL ? 0 : strlen(s);

	if (n < 2 || s[0] != '<' || s[n - 1] != '>')
		return -1;
	s[n - 1] = '\0';
	return text_copy(dst, size, s + 1);
}

/* What RFC 3461 lets a sender ask for; files without these lines do not. */
static int
take_dsn(struct message *m, char **p)
{
	char *s = take_line(p, "ret");

	if (s != NULL && dsn_ret(s, &m->ret) == -1)
		return -1;
	s = take_line(p, "envid");
	if (s == NULL)
		return 0;
	return unwrap(s, m->envid, sizeof(m->envid)) == 0 &&
	    dsn_envid_ok(m->envid) ? 0 : -1;
}

/* Lower-case digits, as many; 0 or -1. */
static int
take_hex(char **p, const char *name, size_t digits, uint64_t *v)
{
	const char *s = take_line(p, name);

	return s == NULL ? -1 : text_hex(s, digits, v);
}

/* Version 1 has none of it; here, all that precedes the last line counts. */
static int
take_sums(struct message *m, char **p, uint32_t check)
{
	uint64_t records, sum, is;

	if (take_number(p, "records", UINT32_MAX, &records) == -1 ||
	    take_hex(p, "text", 16, &sum) == -1 || sum == 0 ||
	    take_hex(p, "check", 8, &is) == -1 || is != check)
		return -1;
	m->nsealed = (uint32_t)records;
	m->text.sum = sum;
	return 0;
}

/* Blanks, and a line end. */
static int
is_padding(const char *p)
{
	size_t n = strlen(p);

	return n > 0 && p[n - 1] == '\n' &&
	    (n == 1 || (p[0] == ' ' && memcmp(p, p + 1, n - 2) == 0));
}

/* Of the lines before "check", as they are before they are cut. */
static uint32_t
sum_lines(const char *text)
{
	const char *end = strncmp(text, VERSION_1, strlen(VERSION_1)) == 0 ?
	    NULL : strstr(text, "\ncheck ");

	return end == NULL ? 0 : checksum_line(text, (size_t)(end + 1 - text));
}

int
preamble_get(struct message *m, char *text)
{
	uint32_t check = sum_lines(text);
	uint64_t arrived, uid, offset, length, lines, flags, hops;
	uint64_t version;
	char *p = text;

	if (take_number(&p, "dma-queue", 2, &version) == -1 || version == 0 ||
	    take_number(&p, "arrived", INT64_MAX / 2, &arrived) == -1 ||
	    take_number(&p, "submitter", UINT32_MAX, &uid) == -1 ||
	    take_number(&p, "offset", PREAMBLE_SIZE, &offset) == -1 ||
	    take_number(&p, "length", INT64_MAX / 2, &length) == -1 ||
	    take_number(&p, "lines", INT64_MAX / 2, &lines) == -1 ||
	    take_number(&p, "flags", 0xff, &flags) == -1 ||
	    take_number(&p, "hops", UINT32_MAX, &hops) == -1)
		return -1;
	if (unwrap(take_line(&p, "sender"), m->sender,
	    sizeof(m->sender)) == -1 ||
	    !text_is_clean(m->sender, strlen(m->sender)) ||
	    offset != PREAMBLE_SIZE)
		return -1;
	if (take_dsn(m, &p) == -1 ||
	    (version == 2 && take_sums(m, &p, check) == -1) ||
	    !is_padding(p))
		return -1;
	m->arrived = (time_t)arrived;
	m->submitter = (uint32_t)uid;
	m->text.offset = (int64_t)offset;
	m->text.length = (int64_t)length;
	m->text.lines = (int64_t)lines;
	m->text.flags = (unsigned)flags;
	m->text.hops = (unsigned)hops;
	return 0;
}
