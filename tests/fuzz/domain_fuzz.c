/*
 * domain_fuzz.c - any bytes as two names; a blank stands between them.
 * Holds: a name is the same as itself, and sameness goes both ways; names have
 * one key if, and only if, they are the same.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/domain.h"

#define HOLDS(claim)	do { if (!(claim)) abort(); } while (0)

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *a = malloc(size + 1), *b, *one, *two;

	HOLDS(a != NULL);
	memcpy(a, data, size);
	a[size] = '\0';
	b = strchr(a, ' ');
	b = strdup(b == NULL ? "" : b + 1);
	HOLDS(b != NULL);
	a[strcspn(a, " ")] = '\0';
	HOLDS(domain_same(a, a) && domain_same(b, b));
	HOLDS(domain_same(a, b) == domain_same(b, a));
	one = malloc(DOMAIN_KEY(strlen(a)));
	two = malloc(DOMAIN_KEY(strlen(b)));
	HOLDS(one != NULL && two != NULL);
	domain_key(a, strlen(a), one);
	domain_key(b, strlen(b), two);
	HOLDS((strcmp(one, two) == 0) == domain_same(a, b));
	free(one);
	free(two);
	free(a);
	free(b);
	return 0;
}
