/*
 * options_fuzz.c - any argv; its members end with a NUL each.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "submit/options.h"

#define ARGS_MAX	64

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static int
is_member(char *const *argv, int argc, const char *s)
{
	int i;

	for (i = 0; i < argc; i++)
		if (s >= argv[i] && s <= argv[i] + strlen(argv[i]))
			return 1;
	return 0;
}

static void
check(const struct options *o, int argc, char *const *argv)
{
	const char *lent[3];
	int i;

	lent[0] = o->sender;
	lent[1] = o->fullname;
	lent[2] = o->tag;
	for (i = 0; i < 3; i++)
		if (lent[i] != NULL && !is_member(argv, argc, lent[i]))
			abort();
	for (i = 1; i < 3; i++)
		if (lent[i] != NULL &&
		    !text_is_clean(lent[i], strlen(lent[i])))
			abort();
	if (o->selection.n > SELECTION_MAX)
		abort();
	for (i = 0; i < o->selection.n; i++)
		if (!is_member(argv, argc, o->selection.list[i].text) ||
		    o->selection.list[i].text[0] == '\0')
			abort();
	if (o->nrcpts > argc)
		abort();
	for (i = 0; i < o->nrcpts; i++)
		if (!is_member(argv, argc, o->rcpts[i]))
			abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *argv[ARGS_MAX + 1], *text;
	struct options o;
	struct buf reason;
	int argc = 0, status;
	size_t at;

	text = malloc(size + 1);
	if (text == NULL)
		abort();
	memcpy(text, data, size);
	text[size] = '\0';
	for (at = 0; at < size && argc < ARGS_MAX; at += strlen(text + at) + 1)
		argv[argc++] = text + at;
	argv[argc] = NULL;
	buf_init(&reason, 0);
	status = options_parse(&o, argc, argv, &reason);
	if (status == 0)
		check(&o, argc, argv);
	else if (status != EX_USAGE || reason.len == 0 ||
	    !text_is_clean(buf_str(&reason), reason.len))
		abort();
	options_fini(&o);
	buf_fini(&reason);
	free(text);
	return 0;
}
