/*
 * conf_fuzz.c - any bytes as dma.conf, as MAILNAME's file and as auth.conf.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "conf.h"
#include "conf/auth.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct auths auths = { NULL, 0, 0 };
	struct conf conf;
	char *text;

	text = malloc(size + 1);
	if (text == NULL || conf_init(&conf) == -1)
		abort();
	memcpy(text, data, size);
	text[size] = '\0';
	if (conf_parse(&conf, text, size, "dma.conf", &report_quiet) == -1 ||
	    conf_finish(&conf, text, text) == -1 ||
	    conf.names.mailname == NULL || conf.names.mailname[0] == '/')
		abort();
	if (conf.names.nullclient != NULLCLIENT_OFF && conf.relays.n == 0)
		abort();
	if (auth_parse(&auths, text, size, "auth.conf", &report_quiet) == -1)
		abort();
	if (auths.n > 0 && auth_find(&auths, auths.list[0].host, NULL,
	    0) == NULL)
		abort();
	if (auths.n > 0 && auth_take_secret(&auths.list[0], text, size) == -1)
		abort();
	auth_fini(&auths);
	conf_fini(&conf);
	free(text);
	return 0;
}
