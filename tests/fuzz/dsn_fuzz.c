/*
 * dsn_fuzz.c - any text as NOTIFY, RET, ENVID and ORCPT: what is taken is one
 * clean word on an SMTP line, and NOTIFY is read back as the same.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/dsn.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
check_word(const struct buf *b, size_t max)
{
	size_t i;

	if (buf_failed(b) || b->len > max)
		abort();
	for (i = 0; i < b->len; i++)
		if (b->data[i] <= 0x20 || b->data[i] >= 0x7f)
			abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned notify, again;
	enum ret ret;
	struct buf b;
	char *text;

	text = malloc(size + 1);
	if (text == NULL)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	buf_init(&b, 0);
	if (dsn_notify(text, &notify) == 0) {
		dsn_put_notify(&b, notify);
		if (dsn_notify(buf_str(&b), &again) == -1 || again != notify)
			abort();
	}
	(void)dsn_ret(text, &ret);
	buf_reset(&b);
	if (dsn_envid_ok(text)) {
		dsn_put_xtext(&b, text);
		check_word(&b, ENVID_MAX);
	}
	buf_reset(&b);
	if (dsn_orcpt_ok(text) && dsn_put_orcpt(&b, text, 1) == 0)
		check_word(&b, 500);
	buf_reset(&b);
	if (dsn_orcpt_ok(text) && dsn_put_orcpt(&b, text, 0) == 0 &&
	    !text_is_clean(buf_str(&b), b.len))
		abort();
	buf_fini(&b);
	free(text);
	return 0;
}
