/*
 * user_shell.c - may the commands and files of a user's .forward be used?
 * Runs as: the user; the spool user.  Uses: /etc/shells.
 * Promise: a file that cannot be read now refuses nothing for good.
 */
#include <errno.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/io.h"
#include "lib/text.h"
#include "priv/user_shell.h"

#define SHELLS_FILE_MAX	(64 * 1024)	/* bytes */
#define SHELLS_USUAL	"/bin/sh\n/bin/csh\n"	/* without that file */

int
user_shell_is_listed(const char *shell, const char *text)
{
	struct text_lines t;
	char *rest, *word;

	text_init(&t, text, strlen(text));
	while (text_next(&t)) {
		t.line[strcspn(t.line, "#")] = '\0';
		rest = t.line;
		word = text_word(&rest);
		if (word != NULL && strcmp(word, shell) == 0)
			return 1;
	}
	return 0;
}

static int
read_shells(struct buf *text)
{
	if (io_read_path(SHELLS_FILE, text, SHELLS_FILE_MAX) == 0)
		return 0;
	if (errno != ENOENT)
		return -1;
	buf_puts(text, SHELLS_USUAL);
	return 0;
}

/*
 * Not by getusershell(): to it a file that cannot be read now is one that
 * lists nothing, and mail would bounce for that.
 */
int
user_has_login_shell(const struct user *user)
{
	struct buf text;
	int ret;

	buf_init(&text, 0);
	ret = read_shells(&text);
	if (ret == 0 && buf_failed(&text)) {
		errno = ENOMEM;
		ret = -1;
	}
	if (ret == 0)
		ret = user_shell_is_listed(user->shell, buf_str(&text));
	buf_fini(&text);
	return ret;
}

int
user_may_run(const struct conf_local *conf, const struct user *user)
{
	if (user->uid == 0 || !conf->is_shell_required)
		return user->uid != 0;
	return user_has_login_shell(user);
}
