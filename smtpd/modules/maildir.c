/*
 * maildir.c - the module that delivers into Maildirs.
 * Runs as: the user of dma-smtpd, who owns them all.  Uses: the directories
 * below the fixed part of PATH, by store.c.
 * Promise: a message that is acknowledged is once in new of each Maildir of its
 * recipients, complete and durable.  No address can name a file outside.
 *
 *	maildir PATH /srv/mail/%d/%l
 *
 * %d is the domain of the recipient, or "_invalid"; %l the local part in lower
 * case, with what is not [a-z0-9._+=-] as %XX; %% a percent sign.  Without %d
 * and %l all messages go into the one Maildir.  The part before the first name
 * with a % has to exist.
 */
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/buf.h"
#include "smtpd/modules/store.h"

#define HOST_BYTES	64	/* of this host's name in a file's name */
#define NAMES_MAX	16	/* in a pattern */

struct maildir_module {
	struct store_module base;	/* first */
	char		*root;		/* owned: the part without % */
	char		*pattern;	/* owned: the rest; "": one Maildir */
	char		 host[HOST_BYTES + 1];
};

/* A transaction. */
struct maildir_delivery {
	struct store_message *message;
	int	 has_cr;	/* the text so far ends in CR */
};

/* What a reader of a Maildir expects beside new. */
static const char *const siblings[] = { "tmp", "cur", NULL };

static struct maildir_delivery **
delivery_of(struct smtpd_session *session)
{
	return (struct maildir_delivery **)smtpd_data(session, &smtpd_module);
}

/* ---- names ---- */

static void
name_file(const void *arg, pid_t pid, uint64_t sequence, char *out,
    size_t size)
{
	const struct maildir_module *m = arg;

	snprintf(out, size, "%lld.P%ldQ%016llu.%s", (long long)time(NULL),
	    (long)pid, (unsigned long long)sequence, m->host);
}

/* The local part; a dot at the beginning would hide the Maildir, or be "..". */
static void
put_local_part(struct buf *out, const char *path)
{
	const char *at = strrchr(path, '@'), *p = path;
	size_t begin = out->len;
	unsigned char c;

	for (; *p != '\0' && p != at; p++) {
		c = (unsigned char)*p;
		if (c < 128 && (isalnum(c) || strchr("_+=-", c) != NULL ||
		    (c == '.' && p != path)))
			buf_putc(out, (char)tolower(c));
		else
			buf_printf(out, "%%%02x", (unsigned)c);
	}
	if (out->len - begin > NAME_MAX || out->len == begin) {
		out->len = begin;
		buf_puts(out, "_invalid");
	}
}

/* The directory of a recipient, from the root. */
static void
put_directory(const struct maildir_module *m,
    const struct smtpd_session *session, size_t i, struct buf *out)
{
	const char *p;

	for (p = m->pattern; *p != '\0'; p++) {
		if (*p != '%')
			buf_putc(out, *p);
		else if (*++p == 'd')
			buf_puts(out, smtpd_recipient_domain(session, i));
		else if (*p == 'l')
			put_local_part(out, smtpd_recipient(session, i));
		else
			buf_putc(out, '%');
	}
	if (out->len > 0)
		buf_putc(out, '/');
	buf_puts(out, "new");
}

/* ---- the configuration ---- */

/* NULL, or what is wrong with a pattern. */
static const char *
check_pattern(const char *pattern)
{
	const char *p;
	size_t len;
	int n = 0;

	if (*pattern != '/')
		return "PATH is not an absolute path";
	for (p = pattern + 1;; p += len + 1) {
		len = strcspn(p, "/");
		if (len == 0 || (len == 1 && *p == '.') ||
		    (len == 2 && strncmp(p, "..", 2) == 0))
			return "PATH has an empty name, \".\" or \"..\"";
		if (++n > NAMES_MAX)
			return "PATH has too many names";
		if (p[len] == '\0')
			break;
	}
	for (p = pattern; (p = strchr(p, '%')) != NULL; p += 2)
		if (p[1] == '\0' || strchr("dl%", p[1]) == NULL)
			return "PATH has a % without d, l or % after it";
	return NULL;
}

/* Cuts a pattern before the first name with a %. */
static int
set_pattern(struct maildir_module *m, const char *pattern)
{
	size_t n = strcspn(pattern, "%");

	if (pattern[n] != '\0')
		while (pattern[n] != '/')
			n--;
	free(m->root);
	free(m->pattern);
	m->root = strndup(pattern, n == 0 ? 1 : n);
	m->pattern = strdup(pattern[n] == '/' ? pattern + n + 1 : "");
	return m->root == NULL || m->pattern == NULL ? -1 : 0;
}

static int
configure_one(struct maildir_module *m, struct smtpd_host *host,
    const struct smtpd_setting *setting)
{
	const char *problem;

	if (strcmp(setting->key, "PATH") != 0)
		return smtpd_error(host, setting, "unknown key \"%s\"",
		    setting->key);
	problem = check_pattern(setting->value);
	if (problem != NULL)
		return smtpd_error(host, setting, "%s", problem);
	if (set_pattern(m, setting->value) == -1)
		return smtpd_error(host, setting, "out of memory");
	return 0;
}

static void
set_host(struct maildir_module *m)
{
	char *p;

	if (gethostname(m->host, sizeof(m->host)) == -1 || m->host[0] == '\0')
		memcpy(m->host, "localhost", sizeof("localhost"));
	m->host[HOST_BYTES] = '\0';
	for (p = m->host; *p != '\0'; p++)
		if (strchr("/:,", *p) != NULL)
			*p = '_';
}

static void
fini(void *self, struct smtpd_host *host)
{
	struct maildir_module *m = self;

	(void)host;
	if (m == NULL)
		return;
	free(m->root);
	free(m->pattern);
	free(m);
}

static void	put_first_head(struct smtpd_session *, struct buf *);

static int
configure(struct smtpd_host *host, const struct smtpd_setting *settings,
    size_t n, void **self)
{
	struct maildir_module *m = calloc(1, sizeof(*m));
	int ret = 0;
	size_t i;

	if (m == NULL)
		return smtpd_error(host, NULL, "out of memory");
	for (i = 0; i < n; i++)
		if (configure_one(m, host, &settings[i]) == -1)
			ret = -1;
	if (ret == 0 && m->root == NULL)
		ret = smtpd_error(host, NULL, "no PATH: add "
		    "\"maildir PATH /srv/mail/%%d/%%l\"");
	if (ret == -1) {
		fini(m, host);
		return -1;
	}
	set_host(m);
	m->base.conf.root = m->root;
	m->base.conf.durable = store_durable(host);
	m->base.conf.layout.siblings = siblings;
	m->base.conf.layout.name = name_file;
	m->base.conf.layout.arg = m;
	m->base.conf.head = put_first_head;
	smtpd_need_path(host, m->root, 1);
	*self = m;
	return 0;
}

/* ---- messages ---- */

/* Lines end in LF in a Maildir. */
static void
put_line(struct buf *out, const char *line, size_t len)
{
	if (len > 0 && line[len - 1] == '\r')
		len--;
	buf_add(out, line, len);
	buf_putc(out, '\n');
}

/* The next line of those before the text, and what is left of them. */
struct maildir_lines {
	const char	*at;
	size_t		 left;
};

static size_t
next_line(struct maildir_lines *lines, const char **line)
{
	const char *end = memchr(lines->at, '\n', lines->left);
	size_t len = end == NULL ? lines->left : (size_t)(end - lines->at),
	    taken = len + (end != NULL);

	*line = lines->at;
	lines->at += taken;
	lines->left -= taken;
	return len;
}

static void
put_lines(struct maildir_lines lines, struct buf *out)
{
	const char *line;
	size_t len;

	while (lines.left > 0) {
		len = next_line(&lines, &line);
		put_line(out, line, len);
	}
}

/* That of a message for one Maildir. */
static void
put_first_head(struct smtpd_session *session, struct buf *out)
{
	struct maildir_lines lines;

	lines.at = smtpd_prepended(session, &lines.left);
	if (lines.at == NULL)
		out->failed = 1;
	else
		put_lines(lines, out);
}

/* Begun here: data() is not called when another module accepts that stage. */
static struct maildir_delivery *
begin(const struct maildir_module *m, struct smtpd_session *session)
{
	struct maildir_delivery **delivery = delivery_of(session);

	if (*delivery == NULL)
		*delivery = calloc(1, sizeof(**delivery));
	if (*delivery == NULL)
		return NULL;
	if ((*delivery)->message == NULL)
		(*delivery)->message = store_begin(m->base.store, session);
	return (*delivery)->message == NULL ? NULL : *delivery;
}

/* CRLF becomes LF, though it may be in two pieces. */
static void
put_text(struct maildir_delivery *d, const char *p, size_t len)
{
	const char *cr;
	size_t n;

	while (len > 0) {
		if (d->has_cr && *p != '\n')
			store_text(d->message, "\r", 1);
		cr = memchr(p, '\r', len);
		n = cr == NULL ? len : (size_t)(cr - p);
		store_text(d->message, p, n);
		d->has_cr = cr != NULL;
		n += cr != NULL;
		p += n;
		len -= n;
	}
}

static enum smtpd_verdict
body(void *self, struct smtpd_session *session, const char *bytes, size_t len)
{
	struct maildir_delivery *d = begin(self, session);

	if (d == NULL)
		return store_refuse(session, ENOMEM);
	put_text(d, bytes, len);
	return SMTPD_PASS;
}

/* A recipient: the Maildir, and the line that names the address. */
struct maildir_place {
	char		*directory;	/* owned */
	const char	*line;		/* lent: a Forward-Path */
	size_t		 len;
};

/* By Maildir, and then as they were given. */
static int
compare(const void *a, const void *b)
{
	const struct maildir_place *p = a, *q = b;
	int order = strcmp(p->directory, q->directory);

	return order != 0 ? order : p->line < q->line ? -1 : p->line > q->line;
}

/*
 * A file for the n recipients of one Maildir.  Its lines have the Forward-Path
 * of these alone: who reads a Maildir shall not learn of the others.
 */
static int
add_file(struct maildir_delivery *d, const struct maildir_place *places,
    size_t n, const struct maildir_lines *rest)
{
	struct buf head;
	int ret = -1;
	size_t i;

	buf_init(&head, 0);
	for (i = 0; i < n; i++)
		put_line(&head, places[i].line, places[i].len);
	put_lines(*rest, &head);
	if (!buf_failed(&head) &&
	    store_file(d->message, buf_str(&head), head.len) == 0 &&
	    store_link(d->message, places[0].directory) == 0)
		ret = 0;
	buf_fini(&head);
	return ret;
}

/* Sorted, since there may be many Maildirs. */
static int
add_sorted(struct maildir_delivery *d, struct maildir_place *places, size_t n,
    const struct maildir_lines *rest)
{
	size_t i, end;

	qsort(places, n, sizeof(*places), compare);
	for (i = 0; i < n; i = end) {
		for (end = i + 1; end < n && strcmp(places[i].directory,
		    places[end].directory) == 0; end++)
			;
		if (add_file(d, places + i, end - i, rest) == -1)
			return -1;
	}
	return 0;
}

/* The lines begin with the Forward-Path of each recipient. */
static int
find_places(const struct maildir_module *m, struct smtpd_session *session,
    struct maildir_place *places, struct maildir_lines *lines)
{
	size_t i, n = smtpd_recipients(session);
	struct buf directory;

	lines->at = smtpd_prepended(session, &lines->left);
	if (lines->at == NULL)
		return -1;
	for (i = 0; i < n; i++) {
		places[i].len = next_line(lines, &places[i].line);
		buf_init(&directory, PATH_MAX);
		put_directory(m, session, i, &directory);
		places[i].directory = buf_take(&directory);
		if (places[i].directory == NULL)
			return -1;
	}
	return 0;
}

static int
add_files(const struct maildir_module *m, struct maildir_delivery *d,
    struct smtpd_session *session)
{
	size_t i, n = smtpd_recipients(session);
	struct maildir_place *places = calloc(n, sizeof(*places));
	struct maildir_lines rest;
	int ret = -1;

	if (places != NULL && find_places(m, session, places, &rest) == 0)
		ret = add_sorted(d, places, n, &rest);
	for (i = 0; i < n && places != NULL; i++)
		free(places[i].directory);
	free(places);
	return ret;
}

static enum smtpd_verdict
deliver(void *self, struct smtpd_session *session)
{
	struct maildir_delivery *d;

	if (smtpd_recipients(session) == 0)
		return SMTPD_PASS;
	d = begin(self, session);
	if (d != NULL && d->has_cr)
		store_text(d->message, "\r", 1);
	if (d == NULL || add_files(self, d, session) == -1)
		return store_refuse(session, ENOMEM);
	return store_commit(d->message);
}

static void
reset(void *self, struct smtpd_session *session)
{
	struct maildir_delivery **delivery = delivery_of(session);

	(void)self;
	if (*delivery != NULL)
		store_end((*delivery)->message);
	free(*delivery);
	*delivery = NULL;
}

const struct smtpd_module smtpd_module = {
	.abi = SMTPD_MODULE_ABI,
	.size = sizeof(struct smtpd_module),
	.name = "maildir",
	.configure = configure,
	.init = store_module_init,
	.child_init = store_module_child_init,
	.body = body,
	.deliver = deliver,
	.reset = reset,
	.child_exit = store_module_child_exit,
	.fini = fini
};
