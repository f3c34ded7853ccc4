/*
 * array.h - lists that grow.
 */
#ifndef LIB_ARRAY_H
#define LIB_ARRAY_H

#include <stddef.h>

/*
 * Makes room for one more element of size bytes after the first n.  list: the
 * address of the pointer to them, which is malloc'd, or NULL with cap 0.  0, or
 * -1 without memory, and nothing has changed.
 */
int	array_grow(void *list, size_t *cap, size_t n, size_t size);

#endif
