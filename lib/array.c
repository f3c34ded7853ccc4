/*
 * array.c - lists that grow.
 * Runs as: anyone.  Uses: nothing.
 * Promise: elements are never lost; adding n of them moves each O(1) times.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/array.h"

#define ARRAY_FIRST	4	/* elements of the first allocation */

int
array_grow(void *list, size_t *cap, size_t n, size_t size)
{
	size_t more;
	void *old, *new;

	if (n < *cap)
		return 0;
	if (*cap > SIZE_MAX / 4)
		return -1;
	more = *cap == 0 ? ARRAY_FIRST : *cap * 2;
	/* Copied, since a pointer to elements is no object of type void *. */
	memcpy(&old, list, sizeof(old));
	new = reallocarray(old, more, size);
	if (new == NULL)
		return -1;
	memcpy(list, &new, sizeof(new));
	*cap = more;
	/* cppcheck-suppress memleak */
	return 0;
}
