/*
 * salvage.c - the text of a queue file that is damaged.
 * Runs as: the spool user.  Uses: the file.
 * Promise: what is not damaged is taken for what it is; else the text goes up
 * to what looks like the start of a journal, or to the end of the file.
 */
#include <sys/stat.h>

#include <errno.h>
#include <string.h>

#include "lib/io.h"
#include "spool/preamble.h"
#include "spool/salvage.h"

#define CHUNK	65536

/* How the first record of a journal begins, after the text. */
static const char first_record[] = "\nR\t0\t0\t0\t";

#define FIRST_LEN	(sizeof(first_record) - 1)

/* The last place in a chunk where it stands, or -1. */
static ssize_t
last_in(const char *chunk, size_t len)
{
	size_t i;

	for (i = len; i-- > 0;)
		if (chunk[i] == '\n' && len - i >= FIRST_LEN &&
		    memcmp(chunk + i, first_record, FIRST_LEN) == 0)
			return (ssize_t)i;
	return -1;
}

/*
 * Where the journal begins, or the size of the file.  The text may have such a
 * line, too, but the journal has it once: so the last one counts.
 */
static int64_t
find_journal(int fd, int64_t size)
{
	int64_t at = PREAMBLE_SIZE - 1, journal = size;
	char chunk[CHUNK];
	ssize_t found;
	size_t n;

	for (; at < size; at += (int64_t)n - (int64_t)(FIRST_LEN - 1)) {
		n = size - at < CHUNK ? (size_t)(size - at) : CHUNK;
		if (io_pread_all(fd, chunk, n, at) == -1)
			return -1;
		found = last_in(chunk, n);
		if (found != -1)
			journal = at + found + 1;
		if (n < CHUNK)
			break;
	}
	return journal;
}

/* A header that is longer than a chunk counts as the body from there on. */
static size_t
header_len(const char *chunk, size_t len)
{
	size_t i;

	for (i = 1; i < len; i++)
		if (chunk[i] == '\n' && chunk[i - 1] == '\n')
			return i;
	return len;
}

static int
count(struct message *m)
{
	struct mail_facts facts = { .in_header = 1 };
	int64_t at = m->text.offset, end = at + m->text.length;
	char chunk[CHUNK];
	size_t n, header;

	for (; at < end; at += (int64_t)n) {
		n = end - at < CHUNK ? (size_t)(end - at) : CHUNK;
		if (io_pread_all(m->fd, chunk, n, at) == -1)
			return -1;
		header = facts.in_header ? header_len(chunk, n) : 0;
		mail_count(&facts, chunk, header);
		facts.in_header = 0;
		mail_count(&facts, chunk + header, n - header);
	}
	m->text.lines = facts.lines;
	m->text.flags |= facts.flags;
	return 0;
}

int
salvage_text(struct message *m)
{
	struct stat st;
	int64_t end;

	if (fstat(m->fd, &st) == -1)
		return -1;
	errno = EINVAL;
	if (!S_ISREG(st.st_mode) || st.st_size <= PREAMBLE_SIZE)
		return -1;
	if (m->text.offset != 0 &&
	    m->text.offset + m->text.length < st.st_size)
		return 0;
	end = m->text.offset != 0 ? st.st_size : find_journal(m->fd,
	    st.st_size);
	if (end == -1)
		return -1;
	m->text.offset = PREAMBLE_SIZE;
	m->text.length = end - PREAMBLE_SIZE;
	errno = EINVAL;
	return m->text.length > 0 ? count(m) : -1;
}
