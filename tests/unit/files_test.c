/*
 * files_test.c - the files that root writes: missing, unreadable, wrong.
 * dma.conf's place is fixed when dma is built; here it is another one.
 */
#include <sys/stat.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "lib/io.h"
#include "conf/files.h"
#include "tests/unit/t.h"

#define BOM		"\xef\xbb\xbf"

struct world {
	char		 top[64];
	struct buf	 said;
	struct report	 report;
	struct conf	 conf;
};

/* Stands for DMA_CONFDIR/dma.conf; NULL: the real one. */
static const char	*conf_file;
/* What open(2) is said to answer for it; 0: what it answers. */
static int		 conf_errno;

int
open(const char *path, int flags, ...)
{
	mode_t mode = 0;
	va_list ap;

	if (flags & O_CREAT) {
		va_start(ap, flags);
		mode = va_arg(ap, mode_t);
		va_end(ap);
	}
	if (conf_file != NULL && strcmp(path, DMA_CONFDIR "/dma.conf") == 0) {
		path = conf_file;
		if (conf_errno != 0) {
			errno = conf_errno;
			return -1;
		}
	}
	return openat(AT_FDCWD, path, flags, mode);
}

static void
say(void *arg, const char *file, unsigned line, const char *text)
{
	struct world *w = arg;
	const char *slash = strrchr(file, '/');

	buf_printf(&w->said, "%s:%u: %s\n", slash == NULL ? file : slash + 1,
	    line, text);
}

static int
setup(void **state)
{
	struct world *w;

	w = calloc(1, sizeof(*w));
	assert_non_null(w);
	t_dir(w->top, sizeof(w->top));
	assert_int_equal(chmod(w->top, 0755), 0);
	buf_init(&w->said, 0);
	w->report.say = say;
	w->report.arg = w;
	assert_int_equal(conf_init(&w->conf), 0);
	*state = w;
	return 0;
}

static int
teardown(void **state)
{
	struct world *w = *state;

	conf_file = NULL;
	conf_errno = 0;
	conf_fini(&w->conf);
	buf_fini(&w->said);
	t_dir_remove(w->top);
	free(w);
	return 0;
}

/* The path of a file of that text; NULL text: the path alone.  Owned. */
static char *
make_file(const struct world *w, const char *name, const char *text)
{
	struct buf path;
	int fd;

	buf_init(&path, 0);
	buf_printf(&path, "%s/%s", w->top, name);
	if (text != NULL) {
		fd = open(buf_str(&path), O_WRONLY | O_CREAT | O_TRUNC |
		    O_CLOEXEC, 0644);
		assert_true(fd != -1);
		assert_int_equal(io_write_all(fd, text, strlen(text)), 0);
		close(fd);
	}
	return buf_take(&path);
}

static void
test_conf(void **state)
{
	static const struct { const char *text, *name, *said; } cases[] = {
		{ NULL, NULL, "" },
		{ "", NULL, "" },
		{ "MAILNAME mail.example.org\n", "mail.example.org", "" },
		{ "MAILNAME mail.example.org", "mail.example.org", "" },
		{ "NOSUCHKEY 1\nMAILNAME a.b\n", "a.b", "dma.conf:1: " },
		{ "MAILNAME /nonexistent/mailname\n", NULL, "mailname:0: " },
	};
	struct world *w = *state;
	struct conf conf, fallback;
	char host[257] = "", *path;
	size_t i;

	/* Where nothing is said the host's own name counts. */
	assert_int_equal(gethostname(host, sizeof(host) - 1), 0);
	assert_int_equal(conf_init(&fallback), 0);
	assert_int_equal(conf_finish(&fallback, NULL, host), 0);
	for (i = 0; i < N(cases); i++) {
		path = make_file(w, "dma.conf", cases[i].text);
		conf_file = path;
		buf_reset(&w->said);
		assert_int_equal(files_conf(&conf, &w->report), 0);
		assert_non_null(conf.names.mailname);
		assert_true(conf.names.mailname[0] != '/');
		if (cases[i].name != NULL)
			assert_string_equal(conf.names.mailname, cases[i].name);
		else
			assert_string_equal(conf.names.mailname,
			    fallback.names.mailname);
		if (cases[i].said[0] == '\0')
			assert_string_equal(buf_str(&w->said), "");
		else
			assert_non_null(strstr(buf_str(&w->said),
			    cases[i].said));
		conf_fini(&conf);
		free(path);
	}
	conf_fini(&fallback);
}

static void
test_mailname_file(void **state)
{
	struct world *w = *state;
	struct conf conf;
	struct buf text;
	char *conf_path, *name_path;

	name_path = make_file(w, "mailname", "mail.example.org\nsecond\n");
	buf_init(&text, 0);
	buf_printf(&text, "MAILNAME %s\n", name_path);
	conf_path = make_file(w, "dma.conf", buf_str(&text));
	conf_file = conf_path;
	assert_int_equal(files_conf(&conf, &w->report), 0);
	assert_string_equal(conf.names.mailname, "mail.example.org");
	assert_string_equal(buf_str(&w->said), "");
	conf_fini(&conf);
	buf_fini(&text);
	free(conf_path);
	free(name_path);
}

/* One that cannot be read is told, and defaults do not stand for it. */
static void
test_conf_not_readable(void **state)
{
	static const int errors[] = { EACCES, EIO, ELOOP, EMFILE };
	struct world *w = *state;
	struct conf conf;
	size_t i;

	for (i = 0; i < N(errors); i++) {
		conf_file = "x";
		conf_errno = errors[i];
		buf_reset(&w->said);
		assert_int_equal(files_conf(&conf, &w->report), -1);
		assert_int_equal(errno, errors[i]);
		assert_non_null(strstr(buf_str(&w->said), "dma.conf:0: "));
		assert_non_null(strstr(buf_str(&w->said),
		    strerror(errors[i])));
	}
	conf_errno = 0;
	conf_file = w->top;		/* a directory */
	buf_reset(&w->said);
	assert_int_equal(files_conf(&conf, &w->report), -1);
	assert_true(w->said.len > 0);
}

static void
test_auth(void **state)
{
	static const struct { const char *text; int ret; size_t n; int says; }
	    cases[] = {
		{ NULL, 0, 0, 0 },
		{ "", 0, 0, 0 },
		{ "ann|mail.example.org:secret\n", 0, 1, 0 },
		{ "nonsense\nann|mail.example.org:secret", 0, 1, 1 },
	};
	struct world *w = *state;
	struct auths auths;
	size_t i;

	for (i = 0; i < N(cases); i++) {
		free(w->conf.where.auth);
		w->conf.where.auth = make_file(w, "auth.conf", cases[i].text);
		(void)chmod(w->conf.where.auth, 0640);
		buf_reset(&w->said);
		assert_int_equal(files_auth(w->conf.where.auth, &auths,
		    &w->report), cases[i].ret);
		assert_int_equal(auths.n, cases[i].n);
		assert_int_equal(w->said.len > 0, cases[i].says);
		assert_null(strstr(buf_str(&w->said), "secret"));
		if (auths.n > 0)
			assert_string_equal(auth_find(&auths,
			    "MAIL.example.org", NULL, 1)->password, "secret");
		auth_fini(&auths);
	}
	free(w->conf.where.auth);
	w->conf.where.auth = strdup(w->top);
	assert_int_equal(files_auth(w->conf.where.auth, &auths, &w->report),
	    -1);
	assert_true(w->said.len > 0);
	auth_fini(&auths);
}

/* Without the file nobody's relay is known; an empty one is half written. */
static void
test_senders(void **state)
{
	static const struct {
		const char *text;
		int ret;
		size_t n;
		int says;
	} cases[] = {
		{ "@a.org mail.a.org\n", 0, 1, 0 },
		{ "# nobody\n", 0, 0, 0 },
		{ "@a.org\n@b.org b\n", 0, 2, 1 },
		{ "", -1, 0, 1 },
		{ NULL, -1, 0, 1 },
	};
	struct sender_relays senders;
	struct world *w = *state;
	size_t i;

	assert_int_equal(files_sender_relays(w->conf.where.sender_relay,
	    &senders, &w->report), 0);
	assert_int_equal(senders.n, 0);
	for (i = 0; i < N(cases); i++) {
		free(w->conf.where.sender_relay);
		w->conf.where.sender_relay = make_file(w, "senders",
		    cases[i].text);
		if (cases[i].text == NULL)
			(void)unlink(w->conf.where.sender_relay);
		buf_reset(&w->said);
		assert_int_equal(files_sender_relays(w->conf.where.sender_relay,
		    &senders, &w->report), cases[i].ret);
		assert_int_equal(senders.n, cases[i].n);
		assert_int_equal(w->said.len > 0, cases[i].says);
		sender_relay_fini(&senders);
	}
}

/* Who may read and write it, and whose it is, decides about a secret. */
static void
test_secrets(void **state)
{
	static const struct {
		const char *text;
		mode_t mode;
		const char *password, *trouble;
	} cases[] = {
		{ "sesame\nopen\n", 0600, "sesame", NULL },
		{ "sesame", 0400, "sesame", NULL },
		{ "se same \r\n", 0640, "se same ", NULL },
		{ "sesame\n", 0644, NULL, "is readable by everybody" },
		{ "sesame\n", 0660, NULL, "is writable" },
		{ "sesame\n", 0602, NULL, "is writable" },
		{ "", 0600, NULL, "empty" },
		{ "\nsesame\n", 0600, NULL, "empty" },
		{ "ses\001ame\n", 0600, NULL, "control" },
		{ NULL, 0600, NULL, "No such file" },
	};
	struct world *w = *state;
	struct buf conf;
	struct auths auths;
	char *path;
	size_t i;

	buf_init(&conf, 0);
	for (i = 0; i < N(cases); i++) {
		path = make_file(w, "secret", cases[i].text);
		if (cases[i].text == NULL)
			(void)unlink(path);
		else
			assert_int_equal(chmod(path, cases[i].mode), 0);
		buf_reset(&conf);
		buf_printf(&conf, "host a user u password-file %s\n"
		    "other|b:fine\n", path);
		free(w->conf.where.auth);
		w->conf.where.auth = make_file(w, "auth.conf", buf_str(&conf));
		(void)chmod(w->conf.where.auth, 0640);
		buf_reset(&w->said);
		assert_int_equal(files_auth(w->conf.where.auth, &auths,
		    &w->report), 0);
		assert_int_equal(auths.n, 2);
		assert_string_equal(auths.list[1].password, "fine");
		if (cases[i].trouble != NULL) {
			assert_null(auths.list[0].password);
			assert_non_null(strstr(auths.list[0].trouble,
			    cases[i].trouble));
			assert_non_null(strstr(buf_str(&w->said),
			    cases[i].trouble));
		} else {
			assert_string_equal(auths.list[0].password,
			    cases[i].password);
			assert_null(auths.list[0].trouble);
			assert_string_equal(buf_str(&w->said), "");
		}
		assert_null(strstr(buf_str(&w->said), "sesame"));
		auth_fini(&auths);
		(void)unlink(path);
		free(path);
	}
	/* Not a plain file: nobody waits for who might write to it. */
	path = make_file(w, "secret", NULL);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(files_auth(w->conf.where.auth, &auths, &w->report), 0);
	assert_string_equal(auths.list[0].trouble, "is not a regular file");
	auth_fini(&auths);
	assert_int_equal(chmod(w->conf.where.auth, 0644), 0);
	buf_reset(&w->said);
	assert_int_equal(files_auth(w->conf.where.auth, &auths, &w->report), 0);
	assert_non_null(strstr(buf_str(&w->said),
	    "readable or writable by others"));
	auth_fini(&auths);
	(void)unlink(path);
	free(path);
	buf_fini(&conf);
}

static void
test_aliases(void **state)
{
	static const struct { const char *text; int ret; size_t n;
	    unsigned bad; } cases[] = {
		{ NULL, 1, 0, 0 },
		{ "", 0, 0, 0 },
		{ "root: ann", 0, 1, 0 },
		{ "root: ann\n: bad\nbob: ann\n~: \n", 0, 3, 2 },
	};
	struct world *w = *state;
	struct aliases aliases;
	unsigned bad;
	size_t i;

	for (i = 0; i < N(cases); i++) {
		free(w->conf.where.aliases);
		w->conf.where.aliases = make_file(w, "aliases", cases[i].text);
		buf_reset(&w->said);
		assert_int_equal(files_aliases(w->conf.where.aliases, &aliases,
		    &w->report, &bad), cases[i].ret);
		assert_int_equal(bad, cases[i].bad);
		assert_int_equal(aliases.n, cases[i].n);
		assert_int_equal(w->said.len > 0, cases[i].bad > 0);
		aliases_fini(&aliases);
	}
	/* Not readable now: nobody may be called unknown. */
	free(w->conf.where.aliases);
	w->conf.where.aliases = strdup(w->top);
	assert_int_equal(files_aliases(w->conf.where.aliases, &aliases,
	    &w->report, &bad), -1);
	assert_true(errno != 0 && w->said.len > 0);
	aliases_fini(&aliases);
	/* A fifo is not waited for. */
	free(w->conf.where.aliases);
	w->conf.where.aliases = make_file(w, "fifo", NULL);
	assert_int_equal(mkfifo(w->conf.where.aliases, 0644), 0);
	assert_int_equal(files_aliases(w->conf.where.aliases, &aliases,
	    &w->report, &bad), -1);
	aliases_fini(&aliases);
}

/* Each kind of file as some editors write it: mark, CR LF, no last LF. */
static void
test_marks_and_line_ends(void **state)
{
	struct world *w = *state;
	struct sender_relays senders;
	struct from_map from;
	struct aliases aliases;
	struct auths auths;
	struct conf conf;
	struct buf text;
	unsigned bad;
	char *name, *path, *secret;

	buf_init(&text, 0);
	name = make_file(w, "mailname", BOM "mail.example.org.\r\n");
	secret = make_file(w, "secret", BOM "sesame\r\n");
	assert_int_equal(chmod(secret, 0600), 0);

	buf_printf(&text, BOM "MAILNAME %s\r\nPORT 26", name);
	path = make_file(w, "dma.conf", buf_str(&text));
	conf_file = path;
	assert_int_equal(files_conf(&conf, &w->report), 0);
	assert_string_equal(conf.names.mailname, "mail.example.org");
	assert_int_equal(conf.relays.port, 26);
	conf_fini(&conf);
	free(path);

	buf_reset(&text);
	buf_printf(&text, BOM "host a user u password-file %s\r\nv|b:x",
	    secret);
	path = make_file(w, "auth.conf", buf_str(&text));
	assert_int_equal(chmod(path, 0640), 0);
	assert_int_equal(files_auth(path, &auths, &w->report), 0);
	assert_int_equal(auths.n, 2);
	assert_string_equal(auths.list[0].password, "sesame");
	assert_string_equal(auths.list[1].password, "x");
	auth_fini(&auths);
	free(path);

	path = make_file(w, "senders", BOM "@a.org m\r\n@b.org n");
	assert_int_equal(files_sender_relays(path, &senders, &w->report), 0);
	assert_int_equal(senders.n, 2);
	assert_string_equal(senders.list[0].pattern, "@a.org");
	assert_string_equal(senders.list[1].relays, "n");
	sender_relay_fini(&senders);
	free(path);

	path = make_file(w, "from", BOM "root a@a.org\r\nbob b@b.org");
	assert_int_equal(files_from_map(path, &from, &w->report), 0);
	assert_int_equal(from.n, 2);
	assert_string_equal(from.list[0].pattern, "root");
	assert_string_equal(from.list[0].address, "a@a.org");
	assert_string_equal(from.list[1].address, "b@b.org");
	from_map_fini(&from);
	free(path);

	path = make_file(w, "aliases", BOM "root: ann\r\nbob: ann,\r\n eve");
	assert_int_equal(files_aliases(path, &aliases, &w->report, &bad), 0);
	assert_int_equal(bad, 0);
	assert_int_equal(aliases_find(&aliases, "root")->targets.n, 1);
	assert_int_equal(aliases_find(&aliases, "bob")->targets.n, 2);
	aliases_fini(&aliases);
	free(path);

	assert_string_equal(buf_str(&w->said), "");
	buf_fini(&text);
	free(name);
	free(secret);
}

static void
test_quiet(void **state)
{
	struct world *w = *state;
	struct aliases aliases;
	unsigned bad;

	free(w->conf.where.aliases);
	w->conf.where.aliases = make_file(w, "aliases", ": bad\nbob: ann\n");
	assert_int_equal(files_aliases(w->conf.where.aliases, &aliases,
	    &report_quiet, &bad), 0);
	assert_int_equal(aliases.n, 1);
	aliases_fini(&aliases);
}

/* In a child that is not root: may it open, and does it make the file? */
static int
log_as_user(struct conf *conf)
{
	struct log log;
	int is_file;

	t_become_nobody();
	files_log(&conf->log, &log, "dma");
	is_file = log.where == LOG_TO_FD;
	if (is_file)
		log_say(&log, LOG_LEVEL_ERROR, "one line");
	files_log_close(&log);
	return is_file ? 0 : 1;
}

static int
in_child(struct conf *conf)
{
	int status;
	pid_t pid;

	pid = fork();
	assert_true(pid != -1);
	if (pid == 0)
		_exit(log_as_user(conf));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void
test_log_file(void **state)
{
	struct world *w = *state;
	struct stat st;
	struct log log;
	char *other;

	w->conf.log.where = LOG_TO_FD;
	w->conf.log.level = LOG_LEVEL_ERROR;
	w->conf.log.path = make_file(w, "dma.log", NULL);
	assert_int_equal(chmod(w->top, 0777), 0);
	if (geteuid() == 0) {
		/* Root makes none, or the others could not write it. */
		files_log(&w->conf.log, &log, "dma");
		assert_int_equal(log.where, LOG_TO_SYSLOG);
		assert_int_equal(stat(w->conf.log.path, &st), -1);
	}
	assert_int_equal(in_child(&w->conf), 0);
	assert_int_equal(stat(w->conf.log.path, &st), 0);
	assert_true(st.st_size > 0);
	assert_int_equal(st.st_mode & 07137, 0);
	/* One with two names could be a file of somebody else. */
	other = make_file(w, "other", NULL);
	assert_int_equal(link(w->conf.log.path, other), 0);
	assert_int_equal(in_child(&w->conf), 1);
	assert_int_equal(unlink(w->conf.log.path), 0);
	assert_int_equal(symlink(other, w->conf.log.path), 0);
	assert_int_equal(in_child(&w->conf), 1);
	assert_int_equal(unlink(w->conf.log.path), 0);
	assert_int_equal(mkfifo(w->conf.log.path, 0666), 0);
	assert_int_equal(in_child(&w->conf), 1);
	free(w->conf.log.path);
	w->conf.log.path = NULL;
	assert_int_equal(in_child(&w->conf), 1);
	free(other);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		CASE(test_conf),
		CASE(test_mailname_file),
		CASE(test_conf_not_readable),
		CASE(test_auth),
		CASE(test_secrets),
		CASE(test_senders),
		CASE(test_aliases),
		CASE(test_marks_and_line_ends),
		CASE(test_quiet),
		CASE(test_log_file),
	};

	return cmocka_run_group_tests_name("setup", tests, NULL, NULL);
}
