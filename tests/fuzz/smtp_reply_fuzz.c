/*
 * smtp_reply_fuzz.c - any bytes as the lines of replies.
 * Holds: what is kept is bounded; a complete reply has a code that is one; no
 * secret is in it.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/smtp_reply.h"
#include "lib/smtp_verdict.h"

#define HOLDS(claim)	do { if (!(claim)) abort(); } while (0)
#define SECRET		"c2VjcmV0"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
check(const struct smtp_reply *r)
{
	enum smtp_stage stage;
	struct result res;

	HOLDS(r->code >= 200 && r->code <= 599);
	HOLDS(r->text.len <= REASON_MAX && !buf_failed(&r->text));
	HOLDS(memmem(buf_str(&r->text), r->text.len, SECRET, 8) == NULL);
	HOLDS(r->enhanced[0] == '\0' || r->enhanced[0] == '0' + r->code / 100);
	result_init(&res);
	for (stage = SMTP_AT_GREETING; stage <= SMTP_AT_QUIT; stage++)
		HOLDS(smtp_judge(stage, r, 0) <= SMTP_ASTRAY);
	smtp_reply_result(r, STATUS_DEFERRED, &res);
	HOLDS(res.reason != NULL);
	result_fini(&res);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct smtp_capabilities caps;
	struct smtp_secrets secrets;
	struct smtp_reply r;
	char *line, *text;
	size_t n, len;

	memset(&r, 0, sizeof(r));
	smtp_capabilities_init(&caps);
	smtp_secrets_init(&secrets, "sesame");
	HOLDS(smtp_secrets_add(&secrets, SECRET) == 0);
	for (; size > 0; data += n, size -= n) {
		for (n = 0; n < size && data[n] != '\n'; n++)
			;
		/* Of its own size, so that a read beyond it is seen. */
		line = malloc(n == 0 ? 1 : n);
		HOLDS(line != NULL);
		memcpy(line, data, n);
		if (smtp_reply_line(&r, line, n, &text, &len) !=
		    SMTP_LINE_MALFORMED) {
			HOLDS(text >= line && text + len <= line + n);
			smtp_capabilities_add(&caps, text, len);
			smtp_secrets_mask(&secrets, text, len);
			smtp_reply_keep(&r, text, len);
			check(&r);
		}
		free(line);
		n += n < size;
	}
	HOLDS(!buf_failed(&caps.mechanisms));
	smtp_secrets_fini(&secrets);
	smtp_capabilities_fini(&caps);
	buf_fini(&r.text);
	return 0;
}
