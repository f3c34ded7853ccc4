/*
 * smtpd_conf_fuzz.c - any bytes as dma-smtpd.conf.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "smtpd/conf.h"
#include "smtpd/conf_value.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
count(void *arg, const char *file, unsigned line, const char *text)
{
	unsigned *errors = arg;

	(void)line;
	if (file == NULL || *text == '\0')
		abort();
	++*errors;
}

/* What the rest of the program relies on. */
static void
check(const struct smtpd_config *c)
{
	const struct conf_children *n = &c->children;
	char name[CONF_NAME_MAX + 1];
	size_t i;

	if (n->min_spare == 0 || n->min_spare > n->max_spare ||
	    n->max_spare > n->max_children)
		abort();
	if (c->nlisten == 0 || c->nmodules == 0 || c->root[0] != '/')
		abort();
	if ((c->certificate == NULL) != (c->private_key == NULL))
		abort();
	for (i = 0; i < c->nmodules; i++)
		if (conf_value_module(c->modules[i], name) == -1)
			abort();
	for (i = 0; i < c->nsettings; i++)
		if (c->settings[i].key[0] == '\0' || c->settings[i].line == 0)
			abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned errors = 0;
	const struct report report = { count, &errors };
	struct smtpd_config c;
	char *text;
	int ret;

	text = malloc(size + 1);
	if (text == NULL)
		abort();
	memcpy(text, data, size);
	text[size] = '\0';
	ret = conf_parse(&c, text, size, "f", NULL, &report);
	if ((ret == -1) != (errors > 0))
		abort();
	if (ret == 0)
		check(&c);
	conf_fini(&c);
	free(text);
	return 0;
}
