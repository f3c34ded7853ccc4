/*
 * reload_test.c - root's files read again: what holds when one cannot be read.
 * The test is conf/files.c.
 */
#include <errno.h>

#include "conf/files.h"
#include "queue/reload.h"
#include "tests/unit/t.h"

#define SPOOL	"/var/spool/test"

/* The files as they are now: changed since, and readable. */
static struct {
	int		 is_new, is_bad;
} conf_file, aliases_file, senders_file;
static const char *spooldir, *relay_file;
static unsigned bad_lines, opened, closed;
static char log_text[512];

static int has_new_logins;

int
files_changed(const char *path, struct stat *last)
{
	(void)last;
	if (strstr(path, "dma.conf") != NULL)
		return conf_file.is_new;
	if (strstr(path, "auth.conf") != NULL)
		return has_new_logins;
	return strstr(path, "aliases") != NULL ? aliases_file.is_new :
	    senders_file.is_new;
}

int
files_conf(struct conf *conf, const struct report *report)
{
	(void)report;
	if (conf_file.is_bad)
		return -1;
	assert_int_equal(conf_init(conf), 0);
	free(conf->where.spool);
	conf->where.spool = strdup(spooldir);
	conf->where.sender_relay = relay_file == NULL ? NULL :
	    strdup(relay_file);
	return 0;
}

int
files_conf_log(struct conf *conf, struct log *log, const char *tag)
{
	errno = EACCES;
	(void)log;
	(void)tag;
	return files_conf(conf, NULL);
}

void
files_log(const struct conf_log *conf, struct log *log, const char *tag)
{
	(void)conf;
	(void)log;
	(void)tag;
	opened++;
}

void
files_log_renew(const struct conf_log *conf, struct log *log)
{
	(void)conf;
	(void)log;
}

void
files_log_close(struct log *log)
{
	(void)log;
	closed++;
}

int
files_sender_relays(const char *path, struct sender_relays *relays,
    const struct report *report)
{
	(void)path;
	(void)report;
	memset(relays, 0, sizeof(*relays));
	return senders_file.is_bad ? -1 : 0;
}

int
files_aliases(const char *path, struct aliases *aliases,
    const struct report *report, unsigned *bad)
{
	(void)path;
	(void)report;
	memset(aliases, 0, sizeof(*aliases));
	*bad = bad_lines;
	errno = EIO;
	return aliases_file.is_bad ? -1 : 0;
}

void
log_say(const struct log *log, enum log_level level, const char *format, ...)
{
	va_list ap;

	(void)log;
	(void)level;
	va_start(ap, format);
	vsnprintf(log_text, sizeof(log_text), format, ap);
	va_end(ap);
}

/* The rest of lib/log.c, which is replaced as a whole. */
void
log_init(struct log *log, const char *tag)
{
	memset(log, 0, sizeof(*log));
	(void)tag;
}

void
log_report(void *log, const char *file, unsigned line, const char *text)
{
	log_say(log, LOG_LEVEL_WARNING, "%s:%u: %s", file, line, text);
}

const struct report report_quiet;

static void
begin(struct reloader *r, struct queue *q)
{
	memset(q, 0, sizeof(*q));
	memset(&conf_file, 0, sizeof(conf_file));
	memset(&aliases_file, 0, sizeof(aliases_file));
	memset(&senders_file, 0, sizeof(senders_file));
	spooldir = SPOOL;
	relay_file = NULL;
	bad_lines = opened = closed = 0;
	log_text[0] = '\0';
	assert_int_equal(reload_first(r, q), 0);
	memcpy(q->spool.path, SPOOL, sizeof(SPOOL));
	reload_changed(r);
}

static void
end(struct queue *q)
{
	conf_fini(&q->conf);
}

static void
test_first(void **state)
{
	struct reloader r;
	struct queue q;

	(void)state;
	begin(&r, &q);
	assert_true(q.has_aliases && q.has_senders);
	/* Nothing changes: nothing is read. */
	q.has_aliases = q.has_senders = 0;
	assert_int_equal(reload_changed(&r), 0);
	assert_false(q.has_aliases || q.has_senders);
	end(&q);
	conf_file.is_bad = 1;
	assert_int_equal(reload_first(&r, &q), -1);
	assert_non_null(strstr(log_text, "mail is deferred"));
}

static void
test_conf(void **state)
{
	static const struct {
		int		 is_new, is_bad;
		const char	*spool;
		int		 stale, opened;
	} cases[] = {
		{ 0, 0, SPOOL, 0, 0 },
		{ 1, 0, SPOOL, 1, 1 },
		{ 1, 1, SPOOL, 0, 0 },
		/* Another spool has another runner. */
		{ 1, 0, "/elsewhere", 0, 0 },
	};
	struct reloader r;
	struct queue q;
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		begin(&r, &q);
		conf_file.is_new = cases[i].is_new;
		conf_file.is_bad = cases[i].is_bad;
		senders_file.is_bad = 1;	/* not what is looked at */
		spooldir = cases[i].spool;
		assert_int_equal(reload_changed(&r), cases[i].stale);
		assert_int_equal(opened, cases[i].opened);
		assert_int_equal(closed, cases[i].opened);
		assert_string_equal(q.conf.where.spool, SPOOL);
		end(&q);
	}
}

static void
test_aliases(void **state)
{
	static const struct {
		int		 is_new, is_bad, had, has;
		unsigned	 bad_lines;
		const char	*log;
	} cases[] = {
		{ 1, 0, 0, 1, 0, "" },
		{ 1, 0, 1, 1, 2, "2 lines with errors" },
		/* What was known is better than nothing known. */
		{ 1, 1, 1, 1, 0, "Input/output error" },
		{ 1, 1, 0, 0, 0, "Input/output error" },
	};
	struct reloader r;
	struct queue q;
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		begin(&r, &q);
		aliases_file.is_new = cases[i].is_new;
		aliases_file.is_bad = cases[i].is_bad;
		bad_lines = cases[i].bad_lines;
		q.has_aliases = cases[i].had;
		reload_changed(&r);
		assert_int_equal(q.has_aliases, cases[i].has);
		assert_non_null(strstr(log_text, cases[i].log));
		end(&q);
	}
}

/* Nothing changed since, as after an error of the disk. */
static void
test_what_could_not_be_read_is_tried_again(void **state)
{
	struct reloader r;
	struct queue q;

	(void)state;
	begin(&r, &q);
	conf_file.is_new = aliases_file.is_new = senders_file.is_new = 1;
	conf_file.is_bad = aliases_file.is_bad = senders_file.is_bad = 1;
	q.has_aliases = q.has_senders = 0;
	reload_changed(&r);
	conf_file.is_new = aliases_file.is_new = senders_file.is_new = 0;
	conf_file.is_bad = aliases_file.is_bad = senders_file.is_bad = 0;
	relay_file = "/relays";
	reload_changed(&r);
	assert_false(q.has_aliases || q.has_senders);
	assert_null(q.conf.where.sender_relay);
	reload_retry(&r);
	assert_int_equal(reload_changed(&r), 1);
	assert_true(q.has_aliases && q.has_senders);
	assert_string_equal(q.conf.where.sender_relay, "/relays");
	assert_int_equal(r.unread, 0);
	end(&q);
}

/* The old ones hold meanwhile. */
static void
test_files_that_were_known_are_tried_again(void **state)
{
	struct reloader r;
	struct queue q;

	(void)state;
	begin(&r, &q);
	aliases_file.is_new = aliases_file.is_bad = 1;
	senders_file.is_new = senders_file.is_bad = 1;
	q.has_aliases = q.has_senders = 1;
	reload_changed(&r);
	assert_true(q.has_aliases && q.has_senders);
	aliases_file.is_new = aliases_file.is_bad = 0;
	senders_file.is_new = senders_file.is_bad = 0;
	assert_int_equal(reload_changed(&r), 0);
	assert_int_not_equal(r.unread, 0);
	reload_retry(&r);
	assert_int_equal(reload_changed(&r), 1);
	assert_int_equal(r.unread, 0);
	end(&q);
}

/* A host that rejected the login is to be tried again. */
static void
test_new_logins(void **state)
{
	struct reloader r;
	struct queue q;

	(void)state;
	begin(&r, &q);
	assert_int_equal(reload_changed(&r), 0);
	has_new_logins = 1;
	assert_int_equal(reload_changed(&r), 1);
	has_new_logins = 0;
	end(&q);
}

/* Another file that cannot be read: no relay is known, nobody's is guessed. */
static void
test_sender_relay(void **state)
{
	struct reloader r;
	struct queue q;

	(void)state;
	begin(&r, &q);
	senders_file.is_new = senders_file.is_bad = 1;
	assert_int_equal(reload_changed(&r), 0);
	assert_true(q.has_senders);
	conf_file.is_new = 1;
	relay_file = "/another";
	assert_int_equal(reload_changed(&r), 1);
	assert_false(q.has_senders);
	conf_file.is_new = senders_file.is_bad = 0;
	assert_int_equal(reload_changed(&r), 1);
	assert_true(q.has_senders);
	end(&q);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_first),
		cmocka_unit_test(test_conf),
		cmocka_unit_test(test_aliases),
		cmocka_unit_test(test_what_could_not_be_read_is_tried_again),
		cmocka_unit_test(test_files_that_were_known_are_tried_again),
		cmocka_unit_test(test_new_logins),
		cmocka_unit_test(test_sender_relay),
	};

	return cmocka_run_group_tests_name("reload", tests, NULL, NULL);
}
