/*
 * smtpd_conf_test.c - dma-smtpd.conf: lines, and what becomes of them.
 */
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "smtpd/conf.h"
#include "tests/unit/t.h"

#define FILENAME	"dma-smtpd.conf"

/* ---- a configuration as text ---- */

static void
put_list(struct buf *b, const struct smtpd_config *c)
{
	size_t i;

	for (i = 0; i < c->nlisten; i++)
		buf_printf(b, "LISTEN %s\n", c->listen[i].text);
	for (i = 0; i < c->nmodules; i++)
		buf_printf(b, "MODULE %s\n", c->modules[i]);
	for (i = 0; i < c->nsettings; i++)
		buf_printf(b, "%u %s|%s|%s\n", c->settings[i].line,
		    c->settings[i].module, c->settings[i].key,
		    c->settings[i].value);
}

static int
parse(struct smtpd_config *c, const char *text, struct t_reports *reports)
{
	const struct report report = { t_report, reports };

	t_reports_init(reports, FILENAME);
	return conf_parse(c, text, strlen(text), FILENAME, NULL, &report);
}

static void
test_each_key_has_a_default_and_a_value(void **state)
{
	static const struct { const char *key, *otherwise, *written, *value; }
	    cases[] = {
		{ "ROOT", SMTPD_ROOT, "/srv/mail", "/srv/mail" },
		{ "USER", NULL, "smtp", "smtp" },
		{ "MIN_SPARE", "1", "3", "3" },
		{ "MAX_SPARE", "2", "8", "8" },
		{ "MAX_CHILDREN", "4", "200", "200" },
		{ "MAX_SESSIONS", "10000", "0", "0" },
		{ "SHUTDOWN_TIMEOUT", "30", "2m", "120" },
		{ "DURABLE", "full", "none", "none" },
		{ "DURABLE", "full", "file", "file" },
		{ "DURABLE", "full", "full", "full" },
		{ "MAX_SIZE", "52428800", "10M", "10485760" },
		{ "MAX_RECIPIENTS", "1000", "100", "100" },
		{ "MAX_ERRORS", "20", "5", "5" },
		{ "MAX_COMMANDS", "100000", "1000", "1000" },
		{ "MAX_LINE", "2048", "4096", "4096" },
		{ "MAX_CONNECTIONS", "20000", "50", "50" },
		{ "MAX_CONNECTIONS_PER_ADDRESS", "1000", "10", "10" },
		{ "COMMAND_TIMEOUT", "300", "90", "90" },
		{ "TRANSACTION_TIMEOUT", "1800", "1h", "3600" },
		{ "CERTIFICATE", NULL, "/etc/c.pem", "/etc/c.pem" },
		{ "BLOCKLIST", NULL, "/etc/b", "/etc/b" },
		{ "BLOCK_REPLY", "554", "drop", "drop" },
		{ "BLOCK_REPLY", "554", "554", "554" },
		{ "STATUS_SOCKET", SMTPD_STATUS, "/run/s", "/run/s" },
		{ "STATUS_SOCKET", SMTPD_STATUS, "none", NULL },
		{ "LOG", "stderr", "syslog", "syslog" },
		{ "LOG", "stderr", "stderr", "stderr" },
		{ "FALLBACK", NULL, "maildir", "maildir" },
	};
	struct t_reports reports;
	const char *expected, *value;
	struct smtpd_config c;
	char line[128], room[32];
	size_t i, set;

	(void)state;
	for (i = 0; i < 2 * N(cases); i++) {
		set = i % 2;
		expected = set ? cases[i / 2].value : cases[i / 2].otherwise;
		snprintf(line, sizeof(line), "%s%s %s", set ? "" : "#",
		    cases[i / 2].key, cases[i / 2].written);
		print_message("%s\n", line);
		assert_int_equal(parse(&c, line, &reports), 0);
		value = conf_text(&c, cases[i / 2].key, room, sizeof(room));
		if (expected == NULL)
			assert_null(value);
		else
			assert_string_equal(value, expected);
		conf_fini(&c);
	}
}

static void
test_lists_and_lines_of_modules(void **state)
{
	static const struct { const char *text, *expected; } cases[] = {
		{ "", "LISTEN 127.0.0.1\nLISTEN [::1]\nMODULE minute\n" },
		{ "LISTEN [::1]:2525\nLISTEN 127.0.0.1\nLISTEN [::1]",
		  "LISTEN [::1]:2525\nLISTEN 127.0.0.1\nLISTEN [::1]\n"
		  "MODULE minute\n" },
		{ "LISTEN ::1\nMODULE example\n  MODULE\t/opt/mine.so  # ours\n",
		  "LISTEN ::1\nMODULE example\nMODULE /opt/mine.so\n" },
		/* Names may come after the lines. */
		{ "LISTEN ::1\nmine a  b c \nminute\tkeep\nMODULE /opt/mine.so\n"
		  "MODULE minute\nmine A",
		  "LISTEN ::1\nMODULE /opt/mine.so\nMODULE minute\n"
		  "2 mine|a|b c\n3 minute|keep|\n6 mine|A|\n" },
		/* The default and what other keys add have lines, too. */
		{ "LISTEN ::1\nminute a\n",
		  "LISTEN ::1\nMODULE minute\n2 minute|a|\n" },
		{ "LISTEN ::1\nblocklist a\nmaildir b\nFALLBACK maildir\n"
		  "BLOCKLIST /b",
		  "LISTEN ::1\nMODULE blocklist\nMODULE minute\n"
		  "MODULE maildir\n2 blocklist|a|\n3 maildir|b|\n" },
		{ "LISTEN ::1\nMODULE amqp\nMODULE blocklist\nBLOCKLIST /b\n"
		  "FALLBACK /x/minute.so",
		  "LISTEN ::1\nMODULE amqp\nMODULE blocklist\n"
		  "MODULE /x/minute.so\n" },
		{ "\xef\xbb\xbfLISTEN ::1\r\n\r\n# LISTEN ::2\r\n",
		  "LISTEN ::1\nMODULE minute\n" },
		{ "LISTEN ::1\nminute a b#c \"d\" # e",
		  "LISTEN ::1\nMODULE minute\n2 minute|a|b#c \"d\"\n" },
	};
	struct t_reports reports;
	struct smtpd_config c;
	struct buf b;
	size_t i;

	(void)state;
	buf_init(&b, 0);
	for (i = 0; i < N(cases); i++) {
		print_message("%s\n--\n", cases[i].text);
		assert_int_equal(parse(&c, cases[i].text, &reports), 0);
		buf_reset(&b);
		put_list(&b, &c);
		assert_string_equal(buf_str(&b), cases[i].expected);
		conf_fini(&c);
	}
	buf_fini(&b);
}

static void
test_an_error_is_told_with_its_line(void **state)
{
	static const struct { const char *text, *lines, *last; } cases[] = {
		{ "ROOTS /a", "1;", "\"ROOTS\" is neither a key nor a module "
		    "that a line MODULE names" },
		{ "\n\nroot /a", "3;", "keys are written in capital letters, "
		    "not \"root\"" },
		{ "ROOT", "1;", "ROOT must be an absolute path without \"//\", "
		    "\".\" and \"..\", but is \"\"" },
		{ "ROOT /a\nUSER a\nROOT /a", "3;", "ROOT must be given once, "
		    "but is also in line 1" },
		{ "ROOT = /a", "1;", "ROOT must be an absolute path without "
		    "\"//\", \".\" and \"..\", but is \"= /a\"" },
		{ "MAX_SIZE lots", "1;", "MAX_SIZE must be a size from 1K to "
		    "1024G, such as 50M, but is \"lots\"" },
		{ "MAX_RECIPIENTS 0", "1;", "MAX_RECIPIENTS must be a number "
		    "from 1 to 100000, but is \"0\"" },
		{ "COMMAND_TIMEOUT 2d", "1;", "COMMAND_TIMEOUT must be a time "
		    "from 1s to 1d, but is \"2d\"" },
		{ "SHUTDOWN_TIMEOUT 0", "1;", "SHUTDOWN_TIMEOUT must be a time "
		    "from 1s to 1h, but is \"0\"" },
		{ "DURABLE yes", "1;", "DURABLE must be none, file or full, "
		    "but is \"yes\"" },
		{ "DURABLE Full", "1;", "DURABLE must be none, file or full, "
		    "but is \"Full\"" },
		{ "BLOCK_REPLY 550", "1;", "BLOCK_REPLY must be 554 or drop, "
		    "but is \"550\"" },
		{ "LOG file /x", "1;", "LOG must be stderr or syslog, but is "
		    "\"file /x\"" },
		{ "STATUS_SOCKET no", "1;", "STATUS_SOCKET must be an absolute "
		    "path without \"//\", \".\" and \"..\", or none, but is "
		    "\"no\"" },
		{ "USER a b", "1;", "USER must be the name of a user, but is "
		    "\"a b\"" },
		{ "LISTEN localhost", "1;", "LISTEN must be an IP address with an "
		    "optional port, such as 127.0.0.1:2525 or [::1]:2525, but "
		    "is \"localhost\"" },
		{ "LISTEN ::1\nLISTEN [::1]:25", "2;", "LISTEN must be another "
		    "address than those above, but is \"[::1]:25\"" },
		{ "PROXY_FROM ::1 ::1/129", "1;", "PROXY_FROM must be "
		    "addresses and networks such as 192.0.2.1 192.0.2.0/24 "
		    "2001:db8::/32, but is \"::1 ::1/129\"" },
		{ "NORMALIZE_FROM", "1;", "NORMALIZE_FROM must be addresses "
		    "and networks such as 192.0.2.1 192.0.2.0/24 "
		    "2001:db8::/32, but is \"\"" },
		{ "MODULE ../x.so", "1;", "MODULE must be the name of a "
		    "module, or its path with .so, but is \"../x.so\"" },
		{ "MODULE ROOT", "1;", "MODULE must not have the name of a "
		    "key, but is \"ROOT\"" },
		{ "FALLBACK /x/LOG.so", "1;", "FALLBACK must not have the name "
		    "of a key, but is \"/x/LOG.so\"" },
		{ "MODULE minute\nMODULE /x/minute.so", "2;", "MODULE must be "
		    "another module than those above, but is "
		    "\"/x/minute.so\"" },
		{ "FALLBACK minute", "1;", "FALLBACK must be another module "
		    "than those of MODULE, which is minute by default" },
		{ "FALLBACK a\nMODULE a", "1;", "FALLBACK must be another "
		    "module than those of MODULE" },
		{ "MODULE maildir\nminute a", "2;", "\"minute\" is neither a "
		    "key nor a module that a line MODULE names" },
		{ "minute # a", "1;", "minute must be followed by a key of "
		    "this module" },
		{ "PRIVATE_KEY /k", "1;", "PRIVATE_KEY requires "
		    "CERTIFICATE" },
		{ "MIN_SPARE 9\nMAX_SPARE 8", "1;", "MIN_SPARE must be at most "
		    "MAX_SPARE, but 9 is more than 8" },
		{ "MAX_CHILDREN 5\nMAX_SPARE 8", "2;", "MAX_SPARE must be at "
		    "most MAX_CHILDREN, but 8 is more than 5" },
		{ "USER a\001b", "1;", "control character in the line" },
		/* All are told, not the first alone. */
		{ "A\nLOG x\nMODULE /\nB\n", "3;1;2;4;", "\"B\" is neither a "
		    "key nor a module that a line MODULE names" },
		{ "A\"\\\033", "1;", "control character in the line" },
		{ "A\"\\\xff", "1;", "\"A\\042\\\\377\" is neither a key "
		    "nor a module that a line MODULE names" },
	};
	struct t_reports reports;
	struct smtpd_config c;
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		print_message("%s\n--\n", cases[i].text);
		assert_int_equal(parse(&c, cases[i].text, &reports), -1);
		assert_string_equal(reports.text, cases[i].last);
		assert_string_equal(reports.lines, cases[i].lines);
		conf_fini(&c);
	}
}

static void
test_lists_are_bounded(void **state)
{
	static const struct { const char *format; unsigned most; } cases[] = {
		{ "LISTEN 127.0.0.1:%u\n", CONF_LISTEN_MAX },
		{ "MODULE m%u\n", CONF_MODULES_MAX - 2 },
		{ "minute k%u\n", CONF_SETTINGS_MAX },
	};
	struct t_reports reports;
	struct smtpd_config c;
	struct buf b;
	unsigned extra, j;
	size_t i;

	(void)state;
	for (i = 0; i < 2 * N(cases); i++) {
		extra = i % 2;
		buf_init(&b, 0);
		for (j = 1; j <= cases[i / 2].most + extra; j++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
			buf_printf(&b, cases[i / 2].format, j);
#pragma GCC diagnostic pop
		}
		buf_puts(&b, "BLOCKLIST /b\nFALLBACK f\n");
		assert_int_equal(parse(&c, buf_str(&b), &reports),
		    extra ? -1 : 0);
		assert_int_equal(reports.count, extra);
		assert_int_equal(reports.line, extra ? cases[i / 2].most + 1 :
		    0);
		conf_fini(&c);
		buf_fini(&b);
	}
}

static void
test_defaults_give_way_to_what_is_given(void **state)
{
	static const struct { const char *text; unsigned min, spare, all; }
	    cases[] = {
		{ "", 1, 2, 4 },
		{ "MAX_CHILDREN 1", 1, 1, 1 },
		{ "MAX_CHILDREN 3", 1, 2, 3 },
		{ "MAX_SPARE 1", 1, 1, 4 },
		{ "MIN_SPARE 3", 3, 3, 4 },
		{ "MIN_SPARE 20", 20, 20, 20 },
		{ "MAX_SPARE 20", 1, 20, 20 },
		{ "MIN_SPARE 5\nMAX_SPARE 5\nMAX_CHILDREN 5", 5, 5, 5 },
	};
	struct t_reports reports;
	struct smtpd_config c;
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		print_message("%s\n--\n", cases[i].text);
		assert_int_equal(parse(&c, cases[i].text, &reports), 0);
		assert_int_equal(c.children.min_spare, cases[i].min);
		assert_int_equal(c.children.max_spare, cases[i].spare);
		assert_int_equal(c.children.max_children, cases[i].all);
		conf_fini(&c);
	}
	assert_int_equal(parse(&c, "CERTIFICATE /c", &reports), 0);
	assert_string_equal(c.private_key, "/c");
	conf_fini(&c);
	assert_int_equal(parse(&c, "CERTIFICATE /c\nPRIVATE_KEY /k", &reports),
	    0);
	assert_string_equal(c.private_key, "/k");
	conf_fini(&c);
}

static void
test_networks_of_several_lines_are_one_set(void **state)
{
	static const struct { const char *address; int is_proxy, is_normal; }
	    cases[] = {
		{ "192.0.2.1", 1, 0 }, { "192.0.2.2", 0, 0 },
		{ "198.51.100.7", 1, 0 }, { "2001:db8::9", 1, 1 },
		{ "2001:db9::9", 0, 0 },
	};
	struct t_reports reports;
	struct netaddr a;
	struct smtpd_config c;
	size_t i;

	(void)state;
	assert_int_equal(parse(&c, "PROXY_FROM 192.0.2.1\t 198.51.100.0/24\n"
	    "PROXY_FROM 2001:db8::/32\nNORMALIZE_FROM 2001:db8::9\n", &reports),
	    0);
	for (i = 0; i < N(cases); i++) {
		assert_int_equal(netaddr_parse(cases[i].address, &a), 0);
		assert_int_equal(netset_has(&c.proxy_from, &a),
		    cases[i].is_proxy);
		assert_int_equal(netset_has(&c.normalize_from, &a),
		    cases[i].is_normal);
	}
	conf_fini(&c);
}

/* ---- the file and the command line ---- */

static void
test_the_command_line_replaces_the_file(void **state)
{
	static const char text[] = "LISTEN 192.0.2.1\nROOT /a\n";
	static const struct {
		struct conf_override override;
		const char *listen, *root;
		int ret, is_default;
		int check;	/* without the file and the disk */
	} cases[] = {
		{ { { NULL }, 0, NULL }, "192.0.2.1", "/a", 0, 0, 0 },
		{ { { NULL }, 0, "/b" }, "192.0.2.1", "/b", 0, 0, 0 },
		{ { { "::1", "::2" }, 2, NULL }, "::1", "/a", 0, 0, 0 },
		{ { { "::1", "::1" }, 2, NULL }, "::1", "/a", -1, 0, -1 },
		{ { { "x" }, 1, NULL }, NULL, "/a", -1, 1, -1 },
		{ { { NULL }, 0, "/a/../b" }, "192.0.2.1", "/a", -1, 0, -1 },
		{ { { NULL }, 0, "" }, "192.0.2.1", "/a", -1, 0, -1 },
		{ { { NULL }, 0, "no/such" }, "192.0.2.1", "/a", -1, 0, 0 },
	};
	struct t_reports reports;
	const struct report report = { t_report, &reports };
	struct smtpd_config c;
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		t_reports_init(&reports, "command line");
		assert_int_equal(conf_parse(&c, text, strlen(text), FILENAME,
		    &cases[i].override, &report), cases[i].ret);
		assert_int_equal(reports.count, cases[i].ret == 0 ? 0 : 1);
		assert_int_equal(reports.line, 0);
		if (cases[i].listen != NULL)
			assert_string_equal(c.listen[0].text, cases[i].listen);
		assert_string_equal(c.root, cases[i].root);
		assert_int_equal(c.is_listen_default, cases[i].is_default);
		conf_fini(&c);
		t_reports_init(&reports, "command line");
		assert_int_equal(conf_check_override(&cases[i].override,
		    &report), cases[i].check);
		assert_int_equal(reports.count, -cases[i].check);
	}
}

static void
test_a_relative_root_is_below_the_current_directory(void **state)
{
	struct conf_override o = { { NULL }, 0, "sub/../sub" };
	char dir[PATH_MAX], here[PATH_MAX], full[PATH_MAX];
	struct smtpd_config c;

	(void)state;
	t_dir(dir, sizeof(dir));
	assert_int_equal(mkdir(t_path(dir, "sub"), 0700), 0);
	assert_non_null(realpath(t_path(dir, "sub"), full));
	assert_non_null(getcwd(here, sizeof(here)));
	assert_int_equal(chdir(dir), 0);
	assert_int_equal(conf_parse(&c, "", 0, NULL, &o, &report_quiet), 0);
	assert_string_equal(c.root, full);
	conf_fini(&c);
	assert_int_equal(chdir(here), 0);
	t_dir_remove(dir);
}

static void
test_a_file_is_read(void **state)
{
	struct t_reports reports;
	const struct report report = { t_report, &reports };
	char dir[PATH_MAX], path[PATH_MAX];
	struct smtpd_config c;
	size_t i;

	(void)state;
	t_dir(dir, sizeof(dir));
	snprintf(path, sizeof(path), "%s", t_path(dir, "a.conf"));
	/* It may be absent unless somebody asked for it. */
	for (i = 0; i < 2; i++) {
		t_reports_init(&reports, path);
		assert_int_equal(conf_read(&c, path, (int)i, NULL, &report),
		    i == 0 ? 0 : -1);
		assert_int_equal(reports.count, i);
		conf_fini(&c);
	}
	assert_string_equal(reports.text, "cannot be read: No such file or "
	    "directory");
	t_put(path, T("ROOT /b\n"), 0600);
	assert_int_equal(conf_read(&c, path, 1, NULL, &report), 0);
	assert_string_equal(c.root, "/b");
	assert_ptr_equal(c.file, path);
	conf_fini(&c);
	t_put(path, T("ROOT /b\nROOT /b\n"), 0600);
	assert_int_equal(conf_read(&c, path, 1, NULL, &report), -1);
	conf_fini(&c);
	/* A directory, or a FIFO, which does not block. */
	t_reports_init(&reports, NULL);
	assert_int_equal(conf_read(&c, dir, 0, NULL, &report), -1);
	conf_fini(&c);
	assert_int_equal(mkfifo(t_path(dir, "fifo"), 0600), 0);
	assert_int_equal(conf_read(&c, t_path(dir, "fifo"), 0, NULL, &report),
	    -1);
	conf_fini(&c);
	assert_int_equal(reports.count, 2);
	t_dir_remove(dir);
}

/* ---- what is installed, read from the top of the tree ---- */

#define SAMPLE	"smtpd/dma-smtpd.conf"
#define MANUAL	"smtpd/dma-smtpd.conf.5"

static const char *const all_keys[] = {
	"LISTEN", "ROOT", "USER", "MIN_SPARE", "MAX_SPARE", "MAX_CHILDREN",
	"MAX_SESSIONS", "SHUTDOWN_TIMEOUT", "DURABLE", "MAX_SIZE",
	"MAX_RECIPIENTS", "MAX_ERRORS", "MAX_COMMANDS", "MAX_LINE",
	"MAX_CONNECTIONS", "MAX_CONNECTIONS_PER_ADDRESS", "COMMAND_TIMEOUT",
	"TRANSACTION_TIMEOUT", "CERTIFICATE", "PRIVATE_KEY", "BLOCKLIST",
	"BLOCK_REPLY", "PROXY_FROM", "NORMALIZE_FROM", "STATUS_SOCKET", "LOG",
	"MODULE", "FALLBACK",
};

/* Gives each line that begins so; what follows, without this beginning. */
static int
next_line(char **rest, const char *prefix, char **line)
{
	size_t n = strlen(prefix);
	char *end;

	while (**rest != '\0') {
		*line = *rest;
		end = *rest + strcspn(*rest, "\n");
		*rest = *end == '\0' ? end : end + 1;
		*end = '\0';
		if (strncmp(*line, prefix, n) == 0) {
			*line += n;
			return 1;
		}
	}
	return 0;
}

static void
test_the_sample_has_every_key_and_is_valid(void **state)
{
	struct buf text, lines;
	struct t_reports reports;
	struct smtpd_config c;
	char *line, *rest, word[64];
	size_t i;

	(void)state;
	buf_init(&text, 0);
	buf_init(&lines, 0);
	t_get(SAMPLE, &text);
	assert_int_equal(parse(&c, buf_str(&text), &reports), 0);
	assert_int_equal(c.is_listen_default, 1);
	conf_fini(&c);
	buf_puts(&lines, "\n");
	for (rest = text.data; next_line(&rest, "#", &line);)
		if (*line >= 'A' && *line <= 'Z')
			buf_printf(&lines, "%s\n", line);
	assert_int_equal(parse(&c, buf_str(&lines), &reports), 0);
	conf_fini(&c);
	for (i = 0; i < N(all_keys); i++) {
		print_message("%s\n", all_keys[i]);
		snprintf(word, sizeof(word), "\n%s ", all_keys[i]);
		assert_non_null(strstr(buf_str(&lines), word));
	}
	buf_fini(&text);
	buf_fini(&lines);
}

/* The line after "Example:", as it stands in the manual. */
static void
try_example(const char *key, char *rest)
{
	struct t_reports reports;
	struct smtpd_config c;
	char *line;
	struct buf b;

	buf_init(&b, 0);
	assert_int_equal(next_line(&rest, "Example:", &line), 1);
	assert_int_equal(next_line(&rest, ".Ql ", &line), 1);
	assert_memory_equal(line, key, strlen(key));
	assert_int_equal(line[strlen(key)], ' ');
	for (; *line != '\0'; line++)
		if (line[0] == '\\' && line[1] == '&')
			line++;
		else
			buf_putc(&b, *line);
	if (strcmp(key, "FALLBACK") == 0)
		buf_puts(&b, "\nMODULE amqp");
	print_message("%s\n", buf_str(&b));
	assert_int_equal(parse(&c, buf_str(&b), &reports),
	    strcmp(key, "PRIVATE_KEY") == 0 ? -1 : 0);
	conf_fini(&c);
	buf_fini(&b);
}

static void
test_the_manual_has_a_valid_example_of_each_key(void **state)
{
	struct buf text;
	char *at, word[64];
	size_t i;

	(void)state;
	for (i = 0; i < N(all_keys); i++) {
		buf_init(&text, 0);
		t_get(MANUAL, &text);
		snprintf(word, sizeof(word), "\n.It Ic %s ", all_keys[i]);
		at = strstr(text.data, word);
		assert_non_null(at);
		try_example(all_keys[i], at + 1);
		buf_fini(&text);
	}
}

static void
test_repeated_keys_and_other_words_have_no_text(void **state)
{
	static const char *const names[] = { "LISTEN", "MODULE", "PROXY_FROM",
	    "NORMALIZE_FROM", "root", "ROOTS", "" };
	char room[32];
	struct smtpd_config c;
	size_t i;

	(void)state;
	assert_int_equal(conf_parse(&c, "", 0, NULL, NULL, &report_quiet), 0);
	for (i = 0; i < N(names); i++)
		assert_null(conf_text(&c, names[i], room, sizeof(room)));
	conf_fini(&c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_key_has_a_default_and_a_value),
		cmocka_unit_test(test_lists_and_lines_of_modules),
		cmocka_unit_test(test_an_error_is_told_with_its_line),
		cmocka_unit_test(test_lists_are_bounded),
		cmocka_unit_test(test_defaults_give_way_to_what_is_given),
		cmocka_unit_test(test_networks_of_several_lines_are_one_set),
		cmocka_unit_test(test_the_command_line_replaces_the_file),
		cmocka_unit_test(
		    test_a_relative_root_is_below_the_current_directory),
		cmocka_unit_test(test_a_file_is_read),
		cmocka_unit_test(test_the_sample_has_every_key_and_is_valid),
		cmocka_unit_test(
		    test_the_manual_has_a_valid_example_of_each_key),
		cmocka_unit_test(
		    test_repeated_keys_and_other_words_have_no_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
