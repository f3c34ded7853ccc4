/*
 * conf_fuzz.c - any bytes as dma.conf, as MAILNAME's file and as auth.conf,
 * and as what dma setup adds its lines to.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "conf.h"
#include "conf/auth.h"
#include "conf/edit.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

/* Whatever was there, the lines that were added are those that hold. */
static void
check_edit(const char *text, size_t size)
{
	static const struct edit e = { "a.test:587", "me@a.test", "me",
	    "secret" };
	struct auths auths = { NULL, 0, 0 };
	const struct auth *a;
	struct conf conf;
	struct buf out;

	buf_init(&out, 0);
	edit_conf(&e, text, size, &out);
	if (edit_trouble(&e) != NULL || conf_init(&conf) == -1 ||
	    conf_parse(&conf, buf_str(&out), out.len, "dma.conf",
	    &report_quiet) == -1 || conf.relays.n != 1 ||
	    strcmp(conf.relays.list[0].host, "a.test") != 0 ||
	    strcmp(conf.names.masquerade_host, "a.test") != 0)
		abort();
	conf_fini(&conf);
	buf_reset(&out);
	edit_auth(&e, text, size, &out);
	if (auth_parse(&auths, buf_str(&out), out.len, "auth.conf",
	    &report_quiet) == -1)
		abort();
	a = auth_find(&auths, "a.test", NULL, 1);
	if (a == NULL || strcmp(a->user, "me") != 0 ||
	    strcmp(a->password, "secret") != 0)
		abort();
	auth_fini(&auths);
	buf_fini(&out);
}

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
	check_edit(text, size);
	free(text);
	return 0;
}
