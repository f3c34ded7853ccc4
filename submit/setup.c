/*
 * setup.c - dma setup: a relay and its login for an address.
 * Runs as: the spool user; called by root.
 * Uses: the configuration, dma-remote, the process of root that writes;
 * standard input and output, a file with the password.
 * Promise: nothing is written that was not tried and shown; the password is
 * sent only where mail would send it, and shown to nobody.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "conf/edit.h"
#include "conf/files.h"
#include "lib/io.h"
#include "priv/setup_writer.h"
#include "submit/check_connect.h"
#include "submit/setup.h"
#include "submit/setup_terminal.h"
#include "submit/usage.h"

#define CONF_FILE	DMA_CONFDIR "/dma.conf"
#define AUTH_FILE	DMA_CONFDIR "/auth.conf"
#define CONF_MAX	(1024 * 1024)
#define PORT_DEFAULT	":587"	/* submission (RFC 6409) */
#define PASSWORD_SHOWN	"********"

struct setup {
	const struct caller *caller;
	struct edit	 edit;		/* wiped at the end */
	const char	*address, *relay, *user, *password_file;
	int		 masquerades, is_print, is_yes;
};

/* ---- the arguments ---- */

static const char **
find_value(struct setup *s, const char *word)
{
	if (strcmp(word, "--relay") == 0)
		return &s->relay;
	if (strcmp(word, "--user") == 0)
		return &s->user;
	if (strcmp(word, "--password-file") == 0)
		return &s->password_file;
	return NULL;
}

static int *
find_flag(struct setup *s, const char *word)
{
	if (strcmp(word, "--masquerade") == 0)
		return &s->masquerades;
	if (strcmp(word, "--print") == 0)
		return &s->is_print;
	if (strcmp(word, "--yes") == 0)
		return &s->is_yes;
	return NULL;
}

/* The number of words that it has, or 0 for one that is unknown. */
static int
take_argument(struct setup *s, const char *word, const char *next)
{
	const char **value = find_value(s, word);
	int *flag = find_flag(s, word), n = value != NULL ? 2 : 1;

	if (flag != NULL) {
		*flag = 1;
		return n;
	}
	if (value == NULL && word[0] != '-') {
		value = &s->address;
		next = word;
	}
	if (value == NULL || *value != NULL || next == NULL)
		return 0;
	*value = next;
	return n;
}

static int
read_arguments(struct setup *s, const struct options *o)
{
	int i, n;

	for (i = 1; i < o->nrcpts; i += n) {
		n = take_argument(s, o->rcpts[i], i + 1 < o->nrcpts ?
		    o->rcpts[i + 1] : NULL);
		if (n == 0)
			return usage_refuse(o->mode);
	}
	return s->address == NULL || (s->is_print && s->is_yes) ?
	    usage_refuse(o->mode) : 0;
}

/* ---- the lines ---- */

/* "host" gets the port of submission; all else is as it was given. */
static void
put_relay(const struct setup *s, const char *domain, struct buf *out)
{
	size_t n;

	if (s->relay == NULL) {
		buf_printf(out, "srv:%s", domain);
		return;
	}
	n = strlen(s->relay);
	buf_puts(out, s->relay);
	if (strchr(s->relay, ':') == NULL ||
	    (s->relay[0] == '[' && s->relay[n - 1] == ']'))
		buf_puts(out, PORT_DEFAULT);
}

static int
fill_edit(struct setup *s)
{
	struct buf address, relay;
	const char *domain;
	int ret = -1;

	buf_init(&address, ADDRESS_MAX);
	buf_init(&relay, EDIT_RELAY_MAX);
	domain = addr_one(s->address, &address) == -1 ? NULL :
	    addr_domain(buf_str(&address));
	if (domain != NULL)
		put_relay(s, domain, &relay);
	if (domain != NULL && !buf_failed(&relay) &&
	    text_copy(s->edit.relay, sizeof(s->edit.relay),
	    buf_str(&relay)) == 0 && text_copy(s->edit.user,
	    sizeof(s->edit.user), s->user != NULL ? s->user :
	    buf_str(&address)) == 0)
		ret = text_copy(s->edit.masquerade,
		    sizeof(s->edit.masquerade), s->masquerades ?
		    buf_str(&address) : "");
	buf_fini(&address);
	buf_fini(&relay);
	if (ret == -1)
		log_stderr("setup: the address must be user@domain");
	return ret == -1 ? EX_USAGE : 0;
}

/* ---- the password ---- */

/* The first line. */
static int
take_password(struct setup *s, struct buf *text)
{
	char *end = text->len > 0 ? strpbrk(text->data, "\r\n") : NULL;

	if (end != NULL)
		*end = '\0';
	return text_copy(s->edit.password, sizeof(s->edit.password),
	    buf_str(text));
}

static int
read_all(int fd, struct buf *text)
{
	ssize_t n;
	char *room;

	while ((room = buf_space(text, EDIT_SECRET_MAX)) != NULL) {
		n = io_read(fd, room, EDIT_SECRET_MAX);
		if (n <= 0)
			return n == 0 ? 0 : -1;
		buf_grown(text, (size_t)n);
	}
	errno = EFBIG;
	return -1;
}

static int
read_password_file(struct setup *s)
{
	const char *reason = NULL;
	struct buf text;
	int fd = STDIN_FILENO;

	if (strcmp(s->password_file, "-") != 0)
		fd = open(s->password_file, O_RDONLY | O_CLOEXEC | O_NONBLOCK |
		    O_NOCTTY);
	if (fd == -1) {
		log_stderr("setup: %s: %s%s", s->password_file,
		    strerror(errno), errno != EACCES ? "" : ": the user _dma "
		    "must be able to read it, or use \"--password-file - "
		    "<FILE\"");
		return EX_NOINPUT;
	}
	/* A buf that grows would leave copies in memory. */
	buf_init(&text, (size_t)8 * EDIT_SECRET_MAX);
	(void)buf_space(&text, (size_t)8 * EDIT_SECRET_MAX);
	if (read_all(fd, &text) == -1)
		reason = strerror(errno);
	else if (take_password(s, &text) == -1)
		reason = "the password is too long";
	buf_wipe(&text);
	if (fd != STDIN_FILENO)
		io_close(&fd);
	if (reason != NULL)
		log_stderr("setup: %s: %s", strcmp(s->password_file, "-") == 0 ?
		    "standard input" : s->password_file, reason);
	return reason != NULL ? EX_NOINPUT : 0;
}

static int
get_password(struct setup *s)
{
	char prompt[ADDRESS_MAX + 64];

	if (s->password_file != NULL && s->password_file[0] != '/' &&
	    strcmp(s->password_file, "-") != 0) {
		log_stderr("setup: the path of the password file must begin "
		    "with a slash, or be \"-\" for standard input");
		return EX_USAGE;
	}
	if (s->password_file != NULL)
		return read_password_file(s);
	if (!setup_has_terminal()) {
		log_stderr("setup: standard input is not a terminal: use "
		    "--password-file");
		return EX_NOINPUT;
	}
	snprintf(prompt, sizeof(prompt), "Password of %s: ", s->edit.user);
	if (setup_ask_secret(prompt, s->edit.password,
	    sizeof(s->edit.password)) == 0)
		return 0;
	log_stderr("setup: no password: nothing was written");
	return EX_NOINPUT;
}

/* ---- trying, showing, writing ---- */

static int
try_login(const struct setup *s)
{
	struct findings f = { 0 };
	struct buf login;

	buf_init(&login, 0);
	/* All at once: a buf that grows would leave copies in memory. */
	(void)buf_space(&login, sizeof(s->edit));
	edit_put_auth(&s->edit, s->edit.password, &login);
	check_connect_given(&f, s->edit.relay, buf_str(&login));
	buf_wipe(&login);
	if (f.n[FINDING_ERROR] == 0)
		return 0;
	(void)fflush(stdout);
	log_stderr("setup: nothing was written: no relay accepted the login%s",
	    s->relay != NULL ? "" : "; if your provider names a server, use "
	    "--relay HOST:PORT");
	return EX_UNAVAILABLE;
}

static void
put_replaced(const struct setup *s, struct buf *out)
{
	struct buf old;

	buf_init(&old, 0);
	if (io_read_path(CONF_FILE, &old, CONF_MAX) == 0)
		edit_replaced(&s->edit, buf_str(&old), old.len, out);
	buf_fini(&old);
}

static void
show_lines(const struct setup *s)
{
	struct buf out;

	buf_init(&out, 0);
	buf_puts(&out, "\n" CONF_FILE ":\n");
	put_replaced(s, &out);
	edit_put_conf(&s->edit, &out);
	buf_puts(&out, "\n" AUTH_FILE ":\n");
	edit_put_auth(&s->edit, PASSWORD_SHOWN, &out);
	buf_puts(&out, "\n");
	(void)fputs(buf_str(&out), stdout);
	(void)fflush(stdout);
	buf_fini(&out);
}

static int
write_lines(const struct setup *s)
{
	struct buf reason;
	int ret;

	if (!s->is_yes && (!setup_has_terminal() ||
	    !setup_ask("Write these lines? [y/N] "))) {
		log_stderr("setup: nothing was written%s",
		    setup_has_terminal() ? "" : ": use --yes");
		return 0;
	}
	buf_init(&reason, 0);
	ret = setup_writer_ask(s->caller->writer, &s->edit, &reason);
	if (ret == 0)
		puts("Written; the files as they were are dma.conf.old and "
		    "auth.conf.old.\nTo check all of the configuration, run "
		    "\"dma check\".");
	else
		log_stderr("setup: cannot write in " DMA_CONFDIR ": %s",
		    buf_str(&reason));
	buf_fini(&reason);
	return ret == 0 ? 0 : EX_CANTCREAT;
}

/* A setting that would make the lines be read otherwise, or not at all. */
static int
check_conf(const struct setup *s)
{
	struct conf conf;
	int status = 0;

	if (files_conf(&conf, &report_quiet) == -1) {
		log_stderr("setup: " CONF_FILE " cannot be read by the user "
		    "_dma: %s", strerror(errno));
		return EX_CONFIG;
	}
	if (!s->is_print && (conf.where.auth == NULL ||
	    strcmp(conf.where.auth, AUTH_FILE) != 0)) {
		log_stderr("setup: " CONF_FILE " has AUTHPATH, but only "
		    AUTH_FILE " is written: use --print");
		status = EX_CONFIG;
	}
	conf_fini(&conf);
	return status;
}

static int
refuse(const char *trouble)
{
	if (trouble == NULL)
		return 0;
	log_stderr("setup: %s", trouble);
	return EX_USAGE;
}

static int
run(struct setup *s)
{
	int status = check_conf(s);

	if (status == 0)
		status = fill_edit(s);
	if (status == 0)
		status = refuse(edit_trouble_but_password(&s->edit));
	if (status == 0)
		status = get_password(s);
	if (status == 0)
		status = refuse(edit_trouble(&s->edit));
	if (status == 0)
		status = try_login(s);
	if (status != 0)
		return status;
	show_lines(s);
	return s->is_print ? 0 : write_lines(s);
}

int
setup_mode(const struct caller *caller, const struct options *o)
{
	struct setup s = { .caller = caller };
	int status = read_arguments(&s, o);

	if (status != 0)
		return status;
	if (caller->uid != 0 || caller->writer <= 0) {
		log_stderr("setup: run it as root, on the host itself");
		return EX_NOPERM;
	}
	status = run(&s);
	explicit_bzero(&s.edit, sizeof(s.edit));
	return status;
}
