/*
 * upstream_file.c - the queue files of upstream dma, as texts and names.
 * Runs as: the spool user.  Uses: nothing; text in, structures out.
 * Promise: an envelope that upstream cannot have written is rejected.
 */
#include <string.h>

#include "lib/addr.h"
#include "spool/upstream_file.h"

#define DIGITS_MAX	16	/* of each number of a name */
#define INODE_WIDTH	13	/* digits to base 36: any 64-bit number */
#define NUMBER_WIDTH	10	/* the same: an address in user space */

/* Hexadecimal digits up to end; moves on behind it. */
static int
take_hex(const char **p, char end, uint64_t *v)
{
	static const char digits[] = "0123456789abcdef";
	const char *s = *p, *digit;

	*v = 0;
	for (; *s != end; s++) {
		digit = *s == '\0' ? NULL : strchr(digits, *s);
		if (digit == NULL || s - *p == DIGITS_MAX)
			return -1;
		*v = *v << 4 | (uint64_t)(digit - digits);
	}
	/* Only one text is that number: no zeros in front. */
	if (s == *p || (**p == '0' && s - *p > 1))
		return -1;
	*p = end == '\0' ? s : s + 1;
	return 0;
}

static int
put_base36(char *dst, int width, uint64_t v)
{
	while (width-- > 0) {
		dst[width] = "0123456789abcdefghijklmnopqrstuvwxyz"[v % 36];
		v /= 36;
	}
	return v == 0 ? 0 : -1;
}

/* Ids of our own begin with a hexadecimal digit. */
int
upstream_id(const char *name, char id[QUEUE_ID_MAX + 1])
{
	uint64_t inode, number;

	if (take_hex(&name, '.', &inode) == -1 ||
	    take_hex(&name, '\0', &number) == -1)
		return -1;
	id[0] = 'u';
	id[1 + INODE_WIDTH + NUMBER_WIDTH] = '\0';
	return put_base36(id + 1, INODE_WIDTH, inode) == 0 &&
	    put_base36(id + 1 + INODE_WIDTH, NUMBER_WIDTH, number) == 0 ?
	    0 : -1;
}

static const char *
set_sender(struct upstream_envelope *e, const char *text)
{
	struct buf b;
	int ret;

	buf_init(&b, ADDR_MAX);
	ret = addr_one(text, &b) == -1 || buf_failed(&b) ? -1 :
	    text_copy(e->sender, sizeof(e->sender), buf_str(&b));
	buf_fini(&b);
	return ret == -1 ? "the sender is not an address" : NULL;
}

/* One that is none fails: its sender receives a report. */
static const char *
set_recipient(struct upstream_envelope *e, const char *text)
{
	struct buf b;
	int ret;

	if (text[strspn(text, " ")] == '\0')
		return "there is no recipient";
	buf_init(&b, ADDR_MAX);
	e->is_address = addr_one(text, &b) == 0 && !buf_failed(&b) &&
	    addr_is_address(buf_str(&b));
	if (!e->is_address) {
		buf_fini(&b);
		buf_init(&b, ADDR_MAX);
		buf_put_clean(&b, text, strlen(text), ADDR_MAX);
	}
	ret = text_copy(e->recipient, sizeof(e->recipient), buf_str(&b));
	buf_fini(&b);
	return ret == -1 ? "the recipient is too long" : NULL;
}

/* Lends the value of "key: value\n" at *p and moves on; NULL. */
static char *
take_field(char **p, const char *key)
{
	size_t n = strlen(key);
	char *value, *nl = strchr(*p, '\n');

	if (nl == NULL || strncmp(*p, key, n) != 0 ||
	    strncmp(*p + n, ": ", 2) != 0)
		return NULL;
	*nl = '\0';
	value = *p + n + 2;
	*p = nl + 1;
	return text_is_clean(value, strlen(value)) ? value : NULL;
}

const char *
upstream_parse(const char *text, size_t len, const char *name,
    struct upstream_envelope *e)
{
	char copy[UPSTREAM_Q_MAX + 1], *p = copy;
	const char *id, *sender, *recipient, *reason;

	memset(e, 0, sizeof(*e));
	if (len > UPSTREAM_Q_MAX || memchr(text, '\0', len) != NULL)
		return "it is not a queue file";
	memcpy(copy, text, len);
	copy[len] = '\0';
	id = take_field(&p, "ID");
	sender = take_field(&p, "Sender");
	recipient = take_field(&p, "Recipient");
	if (id == NULL || sender == NULL || recipient == NULL || *p != '\0')
		return "it is not a queue file";
	if (strcmp(id, name) != 0)
		return "its ID is another one";
	reason = set_sender(e, sender);
	return reason != NULL ? reason : set_recipient(e, recipient);
}
