/*
 * check.c - dma check: is this host set up to deliver mail?
 * Runs as: the spool user, as the programs that will read these files.
 * Uses: the configuration, the spool, the sockets' names; standard output.
 * Promise: changes nothing, sends nothing.  Only root is shown what is in
 * auth.conf, and no one a password.
 */
#include <sys/stat.h>
#include <sys/statvfs.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "conf/alias_loops.h"
#include "conf/files.h"
#include "lib/io.h"
#include "priv/user.h"
#include "spool.h"
#include "spool/upstream.h"
#include "submit/check.h"
#include "submit/check_address.h"
#include "submit/check_connect.h"
#include "submit/check_findings.h"

#define CONF_FILE	DMA_CONFDIR "/dma.conf"
#define REMOTE_PROGRAM	DMA_LIBEXECDIR "/dma-remote"
#define SPACE_MIN_MB	100	/* below that a spool may soon be full */

struct check {
	struct findings	 findings;
	const struct caller *caller;
	struct conf	 conf;
	struct spool_user user;
	int		 has_user;
	int		 connects;	/* --connect */
	char		*address;	/* --to; or NULL */
};

#define OK(c, subject, ...) \
	findings_add(&(c)->findings, FINDING_OK, subject, 0, __VA_ARGS__)
#define WARNING(c, subject, ...) \
	findings_add(&(c)->findings, FINDING_WARNING, subject, 0, __VA_ARGS__)
#define ERROR(c, subject, ...) \
	findings_add(&(c)->findings, FINDING_ERROR, subject, 0, __VA_ARGS__)

/* For readers of files: a line that is wrong. */
static void
report_line(void *arg, const char *file, unsigned line, const char *text)
{
	struct check *c = arg;

	findings_add(&c->findings, FINDING_ERROR, file, line, "%s", text);
}

/* A key that is not known is passed over. */
static void
report_conf(void *arg, const char *file, unsigned line, const char *text)
{
	struct check *c = arg;

	/* One that cannot be read at all is an error: see check_conf(). */
	if (line == 0 && strcmp(file, CONF_FILE) == 0)
		return;
	findings_add(&c->findings, FINDING_WARNING, file, line, "%s", text);
}

/* ---- the programs ---- */

static int
is_socket(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISSOCK(st.st_mode);
}

/* Somebody who can change it decides what root does, or where mail goes. */
static int
check_writers(struct check *c, const char *path, const struct stat *st)
{
	if (st->st_uid != 0)
		ERROR(c, path, "belongs to uid %lu: run \"chown root %s\"",
		    (unsigned long)st->st_uid, path);
	else if ((st->st_mode & (S_IWGRP | S_IWOTH)) != 0)
		ERROR(c, path, "can be changed by others (mode %04o): run "
		    "\"chmod go-w %s\"", (unsigned)st->st_mode & 07777, path);
	else
		return 0;
	return -1;
}

static void
check_set_uid(struct check *c, const struct stat *st)
{
	static const char submit[] = DMA_RUNDIR "/submit";
	struct statvfs fs;

	if ((st->st_mode & S_ISUID) == 0) {
		if (is_socket(submit))
			OK(c, DMA_PROGRAM, "not set-uid: calls go through %s",
			    submit);
		else
			ERROR(c, DMA_PROGRAM, "not set-uid root, and there is "
			    "no %s: run \"chmod u+s %s\", or enable "
			    "dma-submit.socket", submit, DMA_PROGRAM);
	} else if (statvfs(DMA_PROGRAM, &fs) == 0 &&
	    (fs.f_flag & ST_NOSUID) != 0) {
		ERROR(c, DMA_PROGRAM, "on a file system mounted nosuid: enable "
		    "dma-submit.socket");
	} else {
		OK(c, DMA_PROGRAM, "set-uid root%s", is_socket(submit) ?
		    "; confined callers use " DMA_RUNDIR "/submit" : "");
	}
}

static void
check_programs(struct check *c)
{
	struct stat st;

	if (stat(DMA_PROGRAM, &st) == -1)
		ERROR(c, DMA_PROGRAM, "%s: install dma", strerror(errno));
	else if (check_writers(c, DMA_PROGRAM, &st) == 0)
		check_set_uid(c, &st);
	if (stat(REMOTE_PROGRAM, &st) == -1)
		ERROR(c, REMOTE_PROGRAM, "%s: install dma again",
		    strerror(errno));
	else if (check_writers(c, REMOTE_PROGRAM, &st) == 0 &&
	    faccessat(AT_FDCWD, REMOTE_PROGRAM, X_OK, AT_EACCESS) == -1)
		ERROR(c, REMOTE_PROGRAM, "cannot be executed by _dma: run "
		    "\"chmod 755 %s\"", REMOTE_PROGRAM);
}

/* ---- the spool ---- */

static void
check_space(struct check *c, const char *path)
{
	struct statvfs fs;
	uint64_t free_mb;

	if (statvfs(path, &fs) == -1)
		return;
	free_mb = (uint64_t)fs.f_bavail * fs.f_frsize >> 20;
	if ((fs.f_flag & ST_RDONLY) != 0)
		ERROR(c, path, "on a read-only file system");
	else if (free_mb < SPACE_MIN_MB)
		WARNING(c, path, "only %llu MB are free",
		    (unsigned long long)free_mb);
	else if (fs.f_files > 0 && fs.f_favail < 1000)
		WARNING(c, path, "only %llu more files can be created",
		    (unsigned long long)fs.f_favail);
}

/* What upstream dma left in its queue. */
static void
check_upstream(struct check *c, const struct spool *sp)
{
	struct upstream_left left;

	upstream_look(sp, &left);
	if (left.nready > 0)
		OK(c, sp->path, "mail of upstream dma for %u recipient%s is "
		    "taken over when the queue is run", left.nready,
		    left.nready == 1 ? "" : "s");
	if (left.n > 0)
		WARNING(c, sp->path, "mail of upstream dma for %u recipient%s "
		    "is left: Q%s: %s", left.n, left.n == 1 ? "" : "s",
		    left.name, left.reason);
}

static void
check_lock(struct check *c, const struct spool *sp)
{
	char reason[512];

	if (spool_lock_reason(sp, reason, sizeof(reason)) == 0)
		ERROR(c, sp->path, "%s", reason);
	else
		OK(c, sp->path, "the queue");
}

static void
check_spool(struct check *c)
{
	const char *path = c->conf.where.spool, *reason;
	struct result res;
	struct stat st;
	struct spool sp;

	reason = user_find_spool(path, &c->user);
	if (reason != NULL) {
		ERROR(c, path, "%s", reason);
		return;
	}
	c->has_user = 1;
	if (stat(path, &st) == 0 && (st.st_mode & 077) != 0)
		ERROR(c, path, "can be read by others: run \"chmod 700 %s\"",
		    path);
	result_init(&res);
	if (spool_open(&sp, path, &res) == -1) {
		ERROR(c, path, "%s", res.reason != NULL ? res.reason : "?");
	} else {
		check_lock(c, &sp);
		check_upstream(c, &sp);
		spool_close(&sp);
	}
	result_fini(&res);
	check_space(c, path);
}

/* ---- dma.conf and names ---- */

static int
check_conf(struct check *c)
{
	const struct report report = { report_conf, c };
	struct stat st;

	if (files_conf(&c->conf, &report) == -1) {
		ERROR(c, CONF_FILE, "%s%s", strerror(errno),
		    files_conf_remedy(errno));
		return -1;
	}
	if (stat(CONF_FILE, &st) == -1)
		WARNING(c, CONF_FILE, "%s: defaults apply", strerror(errno));
	else if (check_writers(c, CONF_FILE, &st) == 0)
		OK(c, CONF_FILE, "read");
	/* "line 3: KEY: ...", which was reported in full. */
	if (c->conf.trouble.reason != NULL)
		ERROR(c, CONF_FILE, "%s is deferred until %.*s is corrected",
		    c->conf.trouble.stops_local ? "mail" :
		    "mail for other hosts",
		    (int)strcspn(c->conf.trouble.reason, ":"),
		    c->conf.trouble.reason);
	return 0;
}

static void
check_names(struct check *c)
{
	const struct conf_names *names = &c->conf.names;
	struct buf local;
	size_t i;

	if (strchr(names->mailname, '.') == NULL)
		WARNING(c, "mail name", "%s has no domain: other hosts may "
		    "reject mail from it; set MAILNAME", names->mailname);
	else
		OK(c, "mail name", "%s", names->mailname);
	buf_init(&local, 0);
	buf_printf(&local, "localhost, %s", names->mailname);
	for (i = 0; i < names->ndomains; i++)
		buf_printf(&local, ", %s", names->domains[i]);
	switch (names->nullclient) {
	case NULLCLIENT_OFF:
		OK(c, "local domains", "%s", buf_str(&local));
		break;
	case NULLCLIENT_ON:
		OK(c, "local domains", "none (NULLCLIENT): all mail goes to "
		    "the relay");
		break;
	case NULLCLIENT_ALIASES:
		OK(c, "local domains", "none but for aliases (NULLCLIENT "
		    "aliases)");
		break;
	}
	if (names->masquerade_user != NULL || names->masquerade_host != NULL)
		OK(c, "senders", "become %s@%s (MASQUERADE)",
		    names->masquerade_user != NULL ? names->masquerade_user :
		    "NAME", names->masquerade_host != NULL ?
		    names->masquerade_host : names->mailname);
	buf_fini(&local);
}

static void
check_reports(struct check *c)
{
	const char *address = c->conf.retry.bounce_to;

	if (address != NULL)
		OK(c, "reports of failure", "go to %s, too (BOUNCE_TO)",
		    address);
}

/* Opened as files_log() does, but not created. */
static void
check_log(struct check *c)
{
	const char *path = c->conf.log.path;
	struct stat st;
	int fd;

	if (c->conf.log.where != LOG_TO_FD || path == NULL)
		return;
	fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC | O_NOFOLLOW |
	    O_NONBLOCK | O_NOCTTY);
	if (fd == -1 && errno == ENOENT)
		WARNING(c, path, "LOG: does not exist, syslog is used: run "
		    "\"install -o _dma -g adm -m 640 /dev/null %s\"", path);
	else if (fd == -1)
		WARNING(c, path, "LOG: %s, syslog is used: the user _dma must "
		    "be able to write it", strerror(errno));
	else if (fstat(fd, &st) == -1 || !S_ISREG(st.st_mode) ||
	    st.st_nlink != 1)
		WARNING(c, path, "LOG: not a regular file with a single link, "
		    "syslog is used");
	else
		OK(c, path, "LOG");
	io_close(&fd);
}

static void
check_group(struct check *c)
{
	const char *group = c->conf.limits.mailq_group;

	if (group != NULL && !user_is_group(group))
		WARNING(c, "MAILQ_GROUP", "there is no group %s: only root "
		    "sees the mail of others", group);
}

/* ---- remote delivery ---- */

static const char *
policy_name(const struct conf *conf)
{
	static const char *const text[] = {
		[TLS_OFF] = "off", [TLS_OPPORTUNISTIC] = "opportunistic",
		[TLS_REQUIRED] = "required", [TLS_VERIFY] = "verify"
	};

	if (conf->tls.policy == TLS_UNSET)
		return "verify for a host with a login, else opportunistic";
	return text[conf->tls.policy];
}

/* A file of the configuration that dma-remote reads. */
static void
check_readable(struct check *c, const char *key, const char *path)
{
	int fd;

	if (path == NULL)
		return;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd == -1) {
		ERROR(c, path, "%s: %s: the user _dma must be able to read it",
		    key, strerror(errno));
		return;
	}
	close(fd);
	OK(c, path, "%s", key);
}

static void
check_login(struct check *c, const struct auths *auths, const char *host)
{
	const struct auth *a = auth_find(auths, host, NULL, 1);

	if (a == NULL)
		OK(c, host, "no login");
	else if (a->trouble != NULL)
		ERROR(c, host, "login: %s: mail is deferred", a->trouble);
	else if (c->conf.smtp.is_insecure && c->conf.tls.policy == TLS_OFF)
		WARNING(c, host, "login %s, and the password is sent in the "
		    "clear (INSECURE)", a->user);
	else
		OK(c, host, "login %s%s", a->user, a->is_external ?
		    " (certificate)" : a->command != NULL ?
		    " (password from a command)" : a->file != NULL ?
		    " (password from a file)" : "");
}

/* That it can be read by others is reported with its contents. */
static void
check_auth_mode(struct check *c, const char *path)
{
	struct stat st;

	if (stat(path, &st) == -1 || check_writers(c, path, &st) == -1)
		return;
	if (c->has_user &&
	    faccessat(AT_FDCWD, path, R_OK, AT_EACCESS) == -1)
		ERROR(c, path, "cannot be read by _dma: run \"chown root:_dma "
		    "%s\" and \"chmod 640 %s\"", path, path);
	else if (c->caller->uid != 0 && (st.st_mode & 07) != 0)
		ERROR(c, path, "contains passwords and must not be readable "
		    "or writable by others: run \"chmod 640 %s\"", path);
}

/* An entry that a sender's line names is for no other mail. */
static void
keep_for_senders(const struct check *c, struct auths *auths)
{
	struct sender_relays senders;
	struct auth *a;
	size_t i;

	/* Empty if it cannot be read: check_sender_files() says why. */
	(void)files_sender_relays(c->conf.where.sender_relay, &senders,
	    &report_quiet);
	for (i = 0; i < auths->n; i++) {
		a = &auths->list[i];
		a->is_kept = sender_relay_owns(&senders, a->host, a->user);
	}
	sender_relay_fini(&senders);
}

static void
check_logins(struct check *c)
{
	const struct relays *relays = &c->conf.relays;
	const struct report report = { report_line, c };
	struct auths auths;
	size_t i;

	check_auth_mode(c, c->conf.where.auth);
	if (c->caller->uid != 0) {
		OK(c, c->conf.where.auth, "not shown: run dma check as root");
		return;
	}
	if (files_auth(c->conf.where.auth, &auths, &report) == -1)
		return;
	keep_for_senders(c, &auths);
	for (i = 0; i < relays->n; i++)
		if (relays->list[i].kind == RELAY_HOST)
			check_login(c, &auths, relays->list[i].host);
	auth_fini(&auths);
}

static void
check_relays(struct check *c)
{
	const struct relays *relays = &c->conf.relays;
	struct buf text;

	if (c->conf.limits.is_noremote) {
		OK(c, "other hosts", "mail for them is rejected (NOREMOTE)");
		return;
	}
	buf_init(&text, 0);
	relays_put(relays, &text);
	if (relays_is_none(relays))
		ERROR(c, "relay", "SMARTHOST has no host that can be used: "
		    "mail is deferred");
	else if (relays->n == 0)
		OK(c, "relay", "none: mail is sent to the mail exchangers of "
		    "each domain; TLS: %s", policy_name(&c->conf));
	else
		OK(c, "relay", "%s; TLS: %s", buf_str(&text),
		    policy_name(&c->conf));
	buf_fini(&text);
	check_logins(c);
	check_readable(c, "CAFILE", c->conf.tls.cafile);
	check_readable(c, "CERTFILE", c->conf.tls.certfile);
	check_readable(c, "KEYFILE", c->conf.tls.keyfile);
}

static void
check_sender_files(struct check *c)
{
	const struct report report = { report_line, c };
	struct sender_relays relays;
	struct from_map map;

	if (files_sender_relays(c->conf.where.sender_relay, &relays,
	    &report) == -1)
		ERROR(c, "SENDER_RELAY", "the file cannot be read: mail for "
		    "other hosts is deferred");
	else if (c->conf.where.sender_relay != NULL)
		OK(c, c->conf.where.sender_relay, "SENDER_RELAY, %zu lines",
		    relays.n);
	sender_relay_fini(&relays);
	if (files_from_map(c->conf.where.from_map, &map, &report) == -1)
		ERROR(c, "FROM_MAP", "the file cannot be read: no address is "
		    "replaced");
	else if (c->conf.where.from_map != NULL)
		OK(c, c->conf.where.from_map, "FROM_MAP, %zu lines", map.n);
	from_map_fini(&map);
}

/* ---- local delivery ---- */

static void
check_mailboxes(struct check *c)
{
	const char *dir = conf_mail_dir(&c->conf.local);
	struct stat st;

	if (c->conf.local.mailbox == MAILBOX_UNREADABLE) {
		ERROR(c, "mailboxes", "the value of MAILBOX is not understood: "
		    "local mail is deferred");
	} else if (dir == NULL) {
		OK(c, "mailboxes", "%s", c->conf.local.where != NULL ?
		    c->conf.local.where : "in the home directories");
	} else if (stat(dir, &st) == -1) {
		ERROR(c, dir, "%s: run \"install -d -g mail -m 2775 %s\"",
		    strerror(errno), dir);
	} else if (!S_ISDIR(st.st_mode)) {
		ERROR(c, dir, "not a directory");
	} else {
		OK(c, dir, "mailboxes");
	}
}

static void
check_alias_user(struct check *c)
{
	const char *name = c->conf.local.alias_user;
	struct user u;
	int ret = user_lookup(name, &u);

	if (ret == 1)
		ERROR(c, "ALIAS_USER", "there is no user %s: mail for "
		    "commands, files and lists of aliases is deferred", name);
	else if (ret == 0 && u.uid == 0)
		ERROR(c, "ALIAS_USER", "must not be root: mail for commands "
		    "and files of aliases fails, mail for lists is deferred");
}

/* Whether root's mail reaches a person who reads it. */
static void
check_root_mail(struct check *c, const struct aliases *aliases)
{
	const struct alias *root = aliases_find(aliases, "root");
	struct buf text;
	size_t i;

	if (root == NULL) {
		WARNING(c, "mail for root", "goes to root's own mailbox: add "
		    "\"root: NAME\" to %s", c->conf.where.aliases);
		return;
	}
	buf_init(&text, 0);
	for (i = 0; i < root->targets.n; i++)
		buf_printf(&text, "%s%s", i > 0 ? ", " : "",
		    root->targets.list[i].text);
	if (root->is_bad)
		ERROR(c, "mail for root", "is deferred: its alias has an "
		    "error");
	else
		OK(c, "mail for root", "goes to %s", buf_str(&text));
	buf_fini(&text);
}

static void
check_aliases(struct check *c)
{
	const struct report report = { report_line, c };
	const char *path = c->conf.where.aliases;
	struct aliases aliases;
	struct stat st;
	unsigned bad = 0;
	int ret = files_aliases(path, &aliases, &report, &bad);

	if (ret == -1) {
		ERROR(c, path, "%s: local mail is deferred", strerror(errno));
		return;
	}
	if (ret == 1)
		WARNING(c, path, "does not exist: there are no aliases");
	else
		OK(c, path, "%zu alias%s%s", aliases.n,
		    aliases.n == 1 ? "" : "es", bad == 0 ? "" :
		    ", including those with an error");
	/* A group may be there to edit it. */
	if (ret == 0 && stat(path, &st) == 0 && (st.st_mode & S_IWOTH) != 0)
		WARNING(c, path, "can be changed by everybody (mode %04o): run "
		    "\"chmod o-w %s\"", (unsigned)st.st_mode & 07777, path);
	(void)alias_loops(&aliases, &c->conf, &user_names, &report);
	check_root_mail(c, &aliases);
	aliases_fini(&aliases);
}

/* ---- the runner ---- */

static void
check_runner(struct check *c)
{
	if (is_socket(DMA_RUNDIR "/start"))
		OK(c, "runner", "started by init, through %s",
		    DMA_RUNDIR "/start");
	else
		WARNING(c, "runner", "started by submissions: after a reboot, "
		    "queued mail stays until the next one; with systemd, run "
		    "\"systemctl enable --now dma.socket dma.service "
		    "dma.timer\"");
	if (c->conf.retry.is_defer)
		OK(c, "runner", "mail for other hosts is sent when the queue "
		    "is run (DEFER)");
}

/* "check", and what may follow. */
static int
read_arguments(const struct options *o, struct check *c)
{
	int i;

	for (i = 1; i < o->nrcpts; i++) {
		if (strcmp(o->rcpts[i], "--json") == 0) {
			c->findings.form = FINDINGS_JSON;
		} else if (strcmp(o->rcpts[i], "--connect") == 0) {
			c->connects = 1;
		} else if (strcmp(o->rcpts[i], "--to") == 0 &&
		    c->address == NULL && i + 1 < o->nrcpts) {
			c->address = o->rcpts[++i];
		} else {
			log_stderr("check: unknown argument \"%s\": the "
			    "arguments are --connect, --json and --to ADDRESS",
			    o->rcpts[i]);
			return EX_USAGE;
		}
	}
	if (c->connects && c->caller->uid != 0) {
		log_stderr("check: --connect uses the logins of this host: "
		    "run it as root");
		return EX_NOPERM;
	}
	return 0;
}

static void
check_host(struct check *c)
{
	check_programs(c);
	if (check_conf(c) == -1)
		return;
	check_spool(c);
	check_names(c);
	check_reports(c);
	check_log(c);
	check_group(c);
	check_relays(c);
	check_sender_files(c);
	check_alias_user(c);
	check_aliases(c);
	check_mailboxes(c);
	check_runner(c);
	if (c->connects)
		check_connect(&c->findings, &c->conf);
	conf_fini(&c->conf);
}

static void
check_way(struct check *c, const struct options *o)
{
	struct check_address way = { .findings = &c->findings,
	    .caller = c->caller, .options = o, .conf = &c->conf,
	    .connects = c->connects };
	struct result res;
	struct spool sp;

	if (check_conf(c) == -1)
		return;
	result_init(&res);
	if (spool_open(&sp, c->conf.where.spool, &res) == 0)
		way.spool = &sp;
	else
		ERROR(c, c->conf.where.spool, "%s", res.reason != NULL ?
		    res.reason : "?");
	result_fini(&res);
	(void)check_address(&way, &c->address, 1);
	if (way.spool != NULL)
		spool_close(&sp);
	conf_fini(&c->conf);
}

int
check_mode(const struct caller *caller, const struct options *o)
{
	struct check c = { .caller = caller };
	int status = read_arguments(o, &c);

	if (status != 0)
		return status;
	if (c.address != NULL)
		check_way(&c, o);
	else
		check_host(&c);
	findings_end(&c.findings);
	return c.findings.n[FINDING_ERROR] > 0 ? EX_CONFIG : 0;
}
