/*
 * main.c - dma-smtpd-amqp: what of dma-smtpd-drain needs librabbitmq.
 * Runs as: its caller; dma-smtpd-drain starts it.
 * Uses: dma-smtpd.conf, the login file, the brokers, sendmail.
 * Promise: see consumer.c and to_broker.c.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "lib/io.h"
#include "lib/log.h"
#include "smtpd/conf.h"
#include "smtpd/consume/consumer.h"
#include "smtpd/consume/to_broker.h"
#include "smtpd/drain/run.h"
#include "smtpd/modules/broker_settings.h"
#include "smtpd/modules/temporary.h"

#define JOBS_DEFAULT	8
#define JOBS_MAX	256

struct consume_options {
	const char	*conf;
	int		 is_conf_given;
	int		 is_to_broker;	/* from a tree, not from a queue */
	const char	*what;		/* the queue, or the tree */
	char		 dead[BROKER_NAME_MAX + 8];
	struct consumer_setup setup;
};

static int
usage(void)
{
	fprintf(stderr, "usage: dma-smtpd-drain --amqp [--declare] [--follow] "
	    "[-c file] [-j jobs]\n\t   [-s sendmail] queue\n"
	    "       dma-smtpd-drain --to-amqp [--follow] [-c file] [-j jobs] "
	    "directory\n");
	return -1;
}

/* ---- arguments ---- */

static int
set_jobs(struct consume_options *o, const char *text)
{
	unsigned long n;
	char *end;

	errno = 0;
	n = strtoul(text, &end, 10);
	if (errno == 0 && *text >= '0' && *text <= '9' && *end == '\0' &&
	    n >= 1 && n <= JOBS_MAX) {
		o->setup.jobs = (unsigned)n;
		return 0;
	}
	fprintf(stderr, "dma-smtpd-drain: -j must be a number from 1 to %d\n",
	    JOBS_MAX);
	return -1;
}

/* An option that may have a value: how many arguments it took, or -1. */
static int
take_option(struct consume_options *o, const char *option, const char *value)
{
	if (strcmp(option, "--follow") == 0) {
		o->setup.does_follow = 1;
		return 1;
	}
	if (strcmp(option, "--declare") == 0) {
		o->setup.does_declare = 1;
		return 1;
	}
	if (value == NULL)
		return -1;
	if (strcmp(option, "-c") == 0) {
		o->conf = value;
		o->is_conf_given = 1;
		return 2;
	}
	if (strcmp(option, "-s") == 0) {
		o->setup.sendmail = value;
		return 2;
	}
	return strcmp(option, "-j") == 0 && set_jobs(o, value) == 0 ? 2 : -1;
}

static int
take_options(struct consume_options *o, int argc, char **argv)
{
	int i, n;

	for (i = 2; i < argc; i += n) {
		n = 1;
		if (argv[i][0] == '-')
			n = take_option(o, argv[i], argv[i + 1]);
		else if (o->what == NULL)
			o->what = argv[i];
		else
			n = -1;
		if (n == -1)
			return usage();
	}
	return o->what == NULL || *o->what == '\0' ? usage() : 0;
}

static int
take_mode(struct consume_options *o, int argc, char **argv)
{
	if (argc < 2 || (strcmp(argv[1], "--amqp") != 0 &&
	    strcmp(argv[1], "--to-amqp") != 0))
		return usage();
	o->is_to_broker = strcmp(argv[1], "--to-amqp") == 0;
	if (take_options(o, argc, argv) == -1)
		return -1;
	o->setup.queue = o->what;
	if (!o->is_to_broker &&
	    strlen(o->what) > BROKER_NAME_MAX - strlen(".dead")) {
		fprintf(stderr, "dma-smtpd-drain: the name of the queue is "
		    "too long: at most %zu bytes are possible\n",
		    BROKER_NAME_MAX - strlen(".dead"));
		return -1;
	}
	snprintf(o->dead, sizeof(o->dead), "%.*s.dead", BROKER_NAME_MAX,
	    o->what);
	o->setup.dead = o->dead;
	return 0;
}

/* ---- the configuration ---- */

static int
use_settings(struct broker_settings *s, const struct smtpd_config *conf,
    const struct log *log)
{
	const struct conf_setting *line;
	const char *reason;
	int ret = 0;
	size_t i;

	for (i = 0; i < conf->nsettings; i++) {
		line = &conf->settings[i];
		if (strcmp(line->module, "amqp") != 0 ||
		    broker_settings_set(s, line->key, line->value, &reason) ==
		    0)
			continue;
		log_say(log, LOG_LEVEL_ERROR, "%s:%u: %s: %s", conf->file,
		    line->line, line->key, reason);
		ret = -1;
	}
	broker_settings_complete(s);
	if (s->directory == NULL)
		s->directory = strdup(TEMPORARY_DIRECTORY);
	if (ret == 0 && broker_settings_login(s, &reason) == -1) {
		log_say(log, LOG_LEVEL_ERROR, "LOGIN %s: %s", s->login_file,
		    reason);
		ret = -1;
	}
	return s->directory == NULL ? -1 : ret;
}

static int
read_settings(struct broker_settings *s, const struct consume_options *o,
    const struct log *log)
{
	static const struct conf_override none = { .nlisten = 0 };
	struct report report = { log_report, NULL };
	struct log copy = *log;
	struct smtpd_config conf;
	int ret;

	report.arg = &copy;
	broker_settings_init(s);
	ret = conf_read(&conf, o->conf, o->is_conf_given, &none, &report);
	if (ret == 0)
		ret = use_settings(s, &conf, log);
	conf_fini(&conf);
	return ret;
}

static int
drain_tree(const struct consume_options *o)
{
	struct to_broker broker = { .settings = o->setup.settings,
	    .log = o->setup.log };
	struct tree tree = { .log = *o->setup.log, .path = o->what,
	    .sendmail = "broker", .take = to_broker_take, .arg = &broker,
	    .jobs = (int)o->setup.jobs };
	int status;

	status = run_drain(&tree, o->setup.does_follow);
	to_broker_close(&broker);
	return status;
}

int
main(int argc, char **argv)
{
	struct consume_options o = { .conf = SMTPD_CONF, .setup = {
	    .sendmail = SMTPD_SENDMAIL, .jobs = JOBS_DEFAULT } };
	struct broker_settings settings;
	struct log log;
	int status = EX_CONFIG;

	if (io_fill_descriptors() == -1)
		return EX_OSERR;
	log_init(&log, "dma-smtpd-drain");
	log.where = LOG_TO_STDERR;
	log_open(&log);
	if (take_mode(&o, argc, argv) == -1)
		return EX_USAGE;
	o.setup.settings = &settings;
	o.setup.log = &log;
	if (read_settings(&settings, &o, &log) == 0)
		status = o.is_to_broker ? drain_tree(&o) :
		    consumer_run(&o.setup);
	broker_settings_fini(&settings);
	return status;
}
