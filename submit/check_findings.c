/*
 * check_findings.c - what a check has found, for people or programs.
 * Runs as: the spool user.  Uses: standard output.
 * Promise: one line for each finding, without control characters, those of
 * Unicode included.
 */
#include <stdio.h>
#include <string.h>

#include "lib/json.h"
#include "submit/check_findings.h"
#include "submit/clean_text.h"

#define TEXT_BYTES_MAX	4096

static const char *const levels[FINDING__MAX] = { "ok", "warning", "error" };

static void
print_json(enum finding level, const char *subject, unsigned line,
    const char *text)
{
	struct json j;

	json_init(&j);
	json_open(&j, NULL, '{');
	json_text(&j, "level", levels[level]);
	json_text(&j, "subject", subject);
	if (line > 0)
		json_number(&j, "line", line);
	json_text(&j, "text", text);
	json_close(&j, '}');
	puts(buf_str(&j.out));
	json_fini(&j);
}

static void
print_line(enum finding level, const char *subject, unsigned line,
    const char *text)
{
	if (line > 0)
		printf("%-7s %s:%u: %s\n", levels[level], subject, line, text);
	else
		printf("%-7s %s: %s\n", levels[level], subject, text);
}

/* Programs know the three dots from sendmail. */
static void
print_sendmail(enum finding level, const char *subject, unsigned line,
    const char *text)
{
	(void)line;
	printf("%s... %s%s\n", subject, level == FINDING_WARNING ?
	    "warning: " : "", text);
}

static void (*const prints[])(enum finding, const char *subject, unsigned line,
    const char *text) = {
	[FINDINGS_LINES] = print_line,
	[FINDINGS_JSON] = print_json,
	[FINDINGS_SENDMAIL] = print_sendmail,
};

/* One from a command line or a .forward may hold anything. */
static void
put_subject(enum findings_form form, const char *subject, struct buf *out)
{
	size_t n = strlen(subject);

	if (!text_is_clean(subject, n))
		buf_put_clean(out, subject, n, TEXT_BYTES_MAX);
	else if (form == FINDINGS_JSON)
		buf_add(out, subject, n);
	else
		(void)clean_text(out, subject, n, 1);
}

void
findings_add(struct findings *f, enum finding level, const char *subject,
    unsigned line, const char *format, ...)
{
	struct buf about, raw, text;
	va_list ap;

	buf_init(&about, 0);
	buf_init(&raw, 0);
	buf_init(&text, 0);
	va_start(ap, format);
	buf_vprintf(&raw, format, ap);
	va_end(ap);
	put_subject(f->form, subject, &about);
	buf_put_clean(&text, buf_str(&raw), raw.len, TEXT_BYTES_MAX);
	prints[f->form](level, buf_str(&about), line, buf_str(&text));
	f->n[level]++;
	buf_fini(&about);
	buf_fini(&raw);
	buf_fini(&text);
}

void
findings_end(const struct findings *f)
{
	if (f->form == FINDINGS_JSON)
		printf("{\"errors\":%u,\"warnings\":%u}\n",
		    f->n[FINDING_ERROR], f->n[FINDING_WARNING]);
	else
		printf("%u error%s, %u warning%s\n", f->n[FINDING_ERROR],
		    f->n[FINDING_ERROR] == 1 ? "" : "s", f->n[FINDING_WARNING],
		    f->n[FINDING_WARNING] == 1 ? "" : "s");
}
