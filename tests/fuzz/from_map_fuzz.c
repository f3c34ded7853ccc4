/*
 * from_map_fuzz.c - any text as the file of FROM_MAP; its first line is the
 * address that is looked for.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "conf/from_map.h"
#include "lib/addr.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
say(void *arg, const char *file, unsigned line, const char *text)
{
	int *told = arg;

	(void)file;
	if (text[0] == '\0' || line == 0)
		abort();
	++*told;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int told = 0, ret;
	const struct report report = { say, &told };
	struct from_map map = { NULL, 0, 0 };
	char *address, *rest;

	address = malloc(size + 1);
	if (address == NULL)
		abort();
	memcpy(address, data, size);
	address[size] = '\0';
	rest = address + strcspn(address, "\n");
	if (*rest != '\0')
		*rest++ = '\0';
	ret = from_map_parse(&map, rest, size - (size_t)(rest - address), "f",
	    &report);
	if (ret != -1 && ret != told)
		abort();
	for (size_t i = 0; i < map.n; i++)
		if (addr_domain(map.list[i].address) == NULL ||
		    !text_is_clean(map.list[i].address,
		    strlen(map.list[i].address)) ||
		    (map.list[i].name != NULL &&
		    !text_is_clean(map.list[i].name,
		    strlen(map.list[i].name))))
			abort();
	(void)from_map_find(&map, address, address);
	from_map_fini(&map);
	free(address);
	return 0;
}
