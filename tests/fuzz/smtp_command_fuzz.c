/*
 * smtp_command_fuzz.c - any lines as commands; SMTPUTF8 was given for every
 * second one.
 * Holds: what is taken is clean, well-formed and within its bounds, and is
 * taken again as it came out; a directory's name is one.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/addr.h"
#include "lib/buf.h"
#include "lib/smtp_command.h"

#define HOLDS(claim)	do { if (!(claim)) abort(); } while (0)
#define LINE_MAX_BYTES	2048

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
check_domain(const char *path)
{
	char domain[254];
	size_t n;

	memset(domain, 0xff, sizeof(domain));
	smtp_path_domain(path, domain);
	n = strnlen(domain, sizeof(domain));
	HOLDS(n > 0 && n < sizeof(domain));
	if (strcmp(domain, "_invalid") == 0)
		return;
	HOLDS(strspn(domain, "abcdefghijklmnopqrstuvwxyz0123456789-.") == n);
	HOLDS(domain[0] != '.' && domain[n - 1] != '.');
	HOLDS(strstr(domain, "..") == NULL);
}

static void
check_path(const struct smtp_path *path, int may_be_null)
{
	size_t n = strlen(path->text);

	HOLDS(n <= SMTP_PATH_MAX && text_is_clean(path->text, n));
	HOLDS(addr_is_utf8(path->text, n));
	HOLDS(path->is_utf8 == !text_is_ascii(path->text, n));
	HOLDS(smtp_path_check(path->text, may_be_null) == 0);
	check_domain(path->text);
}

static void
check_wrong(const struct smtp_syntax *wrong)
{
	HOLDS(wrong->code >= 500 && wrong->code < 560);
	HOLDS(wrong->status[0] == '5' && strlen(wrong->reason) > 0);
}

static void
check_mail(const char *args)
{
	struct smtp_mail_command mail, again;
	struct smtp_syntax wrong;
	char line[LINE_MAX_BYTES];

	if (smtp_command_mail(args, &mail, &wrong) == -1) {
		check_wrong(&wrong);
		return;
	}
	check_path(&mail.path, 1);
	HOLDS(!mail.path.is_utf8 || mail.is_smtputf8);
	snprintf(line, sizeof(line), "FROM:<%s> %s", mail.path.text,
	    mail.parameters);
	HOLDS(smtp_command_mail(line, &again, &wrong) == 0);
	HOLDS(strcmp(mail.path.text, again.path.text) == 0);
	HOLDS(strcmp(mail.parameters, again.parameters) == 0);
	HOLDS(mail.body == again.body && !again.has_size);
}

static void
check_rcpt(const char *args, int is_smtputf8)
{
	struct smtp_rcpt_command rcpt, again;
	struct smtp_syntax wrong;
	char line[LINE_MAX_BYTES];

	if (smtp_command_rcpt(args, is_smtputf8, &rcpt, &wrong) == -1) {
		check_wrong(&wrong);
		return;
	}
	check_path(&rcpt.path, 0);
	HOLDS(is_smtputf8 || !rcpt.path.is_utf8);
	HOLDS(text_is_clean(rcpt.parameters, strlen(rcpt.parameters)));
	snprintf(line, sizeof(line), "TO:<%s> %s", rcpt.path.text,
	    rcpt.parameters);
	HOLDS(smtp_command_rcpt(line, is_smtputf8, &again, &wrong) == 0);
	HOLDS(strcmp(rcpt.path.text, again.path.text) == 0);
	HOLDS(strcmp(rcpt.parameters, again.parameters) == 0);
}

/* What a program on this host may say is clean, too. */
static void
check_local(const char *args, int is_smtputf8)
{
	struct smtp_mail_command mail;
	struct smtp_rcpt_command rcpt;
	struct smtp_syntax wrong;

	if (smtp_command_local_mail(args, &mail, &wrong) == 0)
		HOLDS(text_is_clean(mail.path.text, strlen(mail.path.text)) &&
		    strlen(mail.path.text) <= SMTP_PATH_MAX);
	if (smtp_command_local_rcpt(args, is_smtputf8, &rcpt, &wrong) == 0)
		HOLDS(text_is_clean(rcpt.path.text, strlen(rcpt.path.text)) &&
		    strlen(rcpt.path.text) <= SMTP_PATH_MAX);
}

/* A literal may have any printable character. */
static void
check_helo(const char *args)
{
	if (smtp_command_helo(args) == 0)
		HOLDS(strlen(args) <= SMTP_HELO_MAX &&
		    text_is_clean(args, strlen(args)) &&
		    strpbrk(args, *args == '[' ? " " : " /@<>") == NULL);
}

static void
check_line(char *line, int is_smtputf8)
{
	uint64_t size_bytes;
	const char *args;
	int is_last;

	switch (smtp_command_verb(line, &args)) {
	case SMTP_VERB_HELO:
	case SMTP_VERB_EHLO:
		check_helo(args);
		break;
	case SMTP_VERB_MAIL:
		check_mail(args);
		check_local(args, is_smtputf8);
		break;
	case SMTP_VERB_RCPT:
		check_rcpt(args, is_smtputf8);
		check_local(args, is_smtputf8);
		break;
	case SMTP_VERB_BDAT:
		if (smtp_command_bdat(args, &size_bytes, &is_last) == 0)
			HOLDS(size_bytes < UINT64_MAX);
		break;
	default:
		check_domain(args);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *lines, *next, *line;
	unsigned n = 0;

	lines = malloc(size + 1);
	HOLDS(lines != NULL);
	if (size > 0)
		memcpy(lines, data, size);
	lines[size] = '\0';
	next = lines;
	while ((line = strsep(&next, "\n")) != NULL)
		check_line(line, ++n % 2 == 0);
	free(lines);
	return 0;
}
