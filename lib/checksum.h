/*
 * checksum.h - finds out that stored bytes are not what they were.
 * Against disks and mistakes, not against somebody who chooses the bytes.
 */
#ifndef LIB_CHECKSUM_H
#define LIB_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

struct checksum {
	uint64_t	 state, length;
	unsigned char	 rest[8];	/* of length: no whole word yet */
};

void	 checksum_init(struct checksum *);
/* The bytes in any parts. */
void	 checksum_add(struct checksum *, const void *, size_t);
/* Of all bytes so far; more may follow.  Never 0. */
uint64_t checksum_value(const struct checksum *);
/* Half of that, for a line of text. */
uint32_t checksum_line(const void *, size_t);

#endif
