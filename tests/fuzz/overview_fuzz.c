/*
 * overview_fuzz.c - any bytes as the lines of a runner, and as reasons: what
 * dma status prints of them is valid UTF-8 without controls, and bounded.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "submit/overview.h"

#define JSON_MAX	(1024 * 1024)

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
count_line(struct overview *o, const char *line)
{
	struct tally_entry *e;
	char key[TALLY_KEY_MAX + 1];

	tally_normalise(key, sizeof(key), line);
	if (strlen(key) > TALLY_KEY_MAX)
		abort();
	e = tally_add(&o->queue.reasons, key);
	if (e != NULL)
		tally_copy(e->text, sizeof(e->text), line);
	(void)tally_add(&o->queue.codes, key);
}

/* Quotes and brackets are in balance, and there is one line. */
static void
check_json(const struct buf *b)
{
	int depth = 0, is_text = 0;
	size_t i;

	if (buf_failed(b) || b->len == 0 || b->len > JSON_MAX ||
	    !addr_is_utf8(b->data, b->len))
		abort();
	for (i = 0; i < b->len; i++) {
		if ((unsigned char)b->data[i] < ' ' && i + 1 < b->len)
			abort();
		if (is_text && b->data[i] == '\\')
			i++;
		else if (b->data[i] == '"')
			is_text = !is_text;
		else if (!is_text)
			depth += (strchr("{[", b->data[i]) != NULL) -
			    (strchr("}]", b->data[i]) != NULL);
	}
	if (depth != 0 || is_text || b->data[b->len - 1] != '\n')
		abort();
}

/* Each line is a comment or a name of ours and a value. */
static void
check_metrics(const struct buf *b)
{
	const char *line = b->data, *end;

	if (buf_failed(b))
		abort();
	for (; *line != '\0'; line = end + 1) {
		end = strchr(line, '\n');
		if (end == NULL || (strncmp(line, "dma_", 4) != 0 &&
		    strncmp(line, "# ", 2) != 0))
			abort();
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct overview *o = calloc(1, sizeof(*o));
	char *text = malloc(size + 1), *rest = text, *line;
	struct json j;
	struct buf b;

	if (o == NULL || text == NULL)
		abort();
	memcpy(text, data, size);
	text[size] = '\0';
	o->runner.presence = RUNNER_THERE;
	while ((line = strsep(&rest, "\n")) != NULL) {
		runner_state_take(&o->runner, line);
		count_line(o, line);
	}
	tally_sort(&o->queue.reasons);
	json_init(&j);
	buf_init(&b, 0);
	overview_put_json(&j, o);
	overview_put_metrics(&b, o);
	check_json(&j.out);
	check_metrics(&b);
	buf_fini(&b);
	json_fini(&j);
	free(text);
	free(o);
	return 0;
}
