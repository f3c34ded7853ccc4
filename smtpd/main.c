/*
 * main.c - dma-smtpd: the command line, and the way into the background.
 * Runs as: root, or any user.
 * Uses: standard descriptors.
 * Promise: what is wrong with the command line or the configuration is said
 * before anything else happens.
 */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "compat/compat.h"
#include "lib/io.h"
#include "smtpd/generation.h"
#include "smtpd/identity.h"
#include "smtpd/parent.h"

struct smtpd_options {
	struct conf_override override;
	const char	*file;
	int		 is_file_required;
	int		 is_foreground, is_check;
	unsigned	 given;		/* sockets, of init */
	char		 path[PATH_MAX];	/* of the file */
};

/* The process that the shell waits for. */
struct background {
	int	 waiting;		/* descriptor; -1: none */
	int	 keeps_stderr;
};

static int
usage(const struct log *log)
{
	log_say(log, LOG_LEVEL_ERROR, "usage: dma-smtpd [-ft] [-c file] "
	    "[-d directory] [-l address[:port]] ...");
	return EX_USAGE;
}

/* 0 or -1. */
static int
read_options(struct smtpd_options *o, int argc, char **argv,
    const struct log *log)
{
	int c;

	opterr = 0;
	while ((c = getopt(argc, argv, "c:d:fl:t")) != -1) {
		if (c == 'f') {
			o->is_foreground = 1;
		} else if (c == 't') {
			o->is_check = 1;
		} else if (c == 'd') {
			o->override.root = optarg;
		} else if (c == 'c') {
			o->file = optarg;
			o->is_file_required = 1;
		} else if (c == 'l' &&
		    o->override.nlisten < CONF_LISTEN_MAX) {
			o->override.listen[o->override.nlisten++] = optarg;
		} else if (c == 'l') {
			log_say(log, LOG_LEVEL_ERROR, "-l is given too often: "
			    "at most %d sockets are possible",
			    CONF_LISTEN_MAX);
			return -1;
		} else {
			usage(log);
			return -1;
		}
	}
	if (optind < argc)
		usage(log);
	return optind < argc ? -1 : 0;
}

static int
stores_in_root(const struct smtpd_config *conf)
{
	for (size_t i = 0; i < conf->nmodules; i++)
		if (strcmp(conf->modules[i], "minute") == 0)
			return 1;
	return 0;
}

/* What a start would miss of the system. */
static int
check_system(const struct smtpd_config *conf, const struct log *log)
{
	struct identity identity;
	struct stat st;
	const char *reason = identity_find(&identity, conf->user);
	int ret = 0;

	if (reason != NULL) {
		log_say(log, LOG_LEVEL_ERROR, "USER %s: %s",
		    conf->user == NULL ? SMTPD_USER : conf->user, reason);
		ret = -1;
	}
	if (!stores_in_root(conf))
		return ret;
	if (stat(conf->root, &st) == -1) {
		log_say(log, LOG_LEVEL_ERROR, "ROOT %s: %s: create this "
		    "directory, and make USER its owner", conf->root,
		    strerror(errno));
		ret = -1;
	} else if (!S_ISDIR(st.st_mode)) {
		log_say(log, LOG_LEVEL_ERROR, "ROOT %s: not a directory",
		    conf->root);
		ret = -1;
	}
	return ret;
}

/* The configuration, its modules and its certificate: the status. */
static int
check(const struct smtpd_config *conf, const struct log *log)
{
	struct smtpd_host host;
	int ret;

	ret = generation_load(&host, conf, log);
	generation_unload(&host);
	if (check_system(conf, log) == -1)
		ret = -1;
	return ret == -1 ? EX_CONFIG : EX_OK;
}

/*
 * The first process waits for the second, which goes on in the background, to
 * send the status to end with: 0 once children serve.
 */
static void
go_background(struct background *b)
{
	int fds[2];
	char byte;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) == -1 || (pid = fork()) == -1)
		_exit(EX_OSERR);
	if (pid == 0) {
		close(fds[0]);
		b->waiting = fds[1];
		(void)setsid();
		return;
	}
	close(fds[1]);
	if (io_read(fds[0], &byte, 1) == 1)
		_exit(byte);
	_exit(EX_OSERR);
}

static void
release(struct background *b, int status)
{
	const char byte = (char)status;

	if (b->waiting != -1 && write(b->waiting, &byte, 1) == -1)
		return;
	io_close(&b->waiting);
}

/* Nothing of the terminal, or of whatever started it, is kept. */
static void
on_ready(void *arg)
{
	struct background *b = arg;
	int null, fd;

	if (b->waiting == -1)
		return;
	null = io_open_null();
	for (fd = STDIN_FILENO; fd <= STDERR_FILENO && null != -1; fd++)
		if (fd != STDERR_FILENO || !b->keeps_stderr)
			(void)dup2(null, fd);
	if (null > STDERR_FILENO)
		close(null);
	release(b, EX_OK);
}

static int
serve(struct smtpd_options *o, struct smtpd_config *conf, const struct log *log)
{
	struct background b = { -1, conf->log == LOG_TO_STDERR };
	const struct parent_options options = {
		.conf = conf,
		.given = o->given,
		.file = o->file,
		.is_file_required = o->is_file_required,
		.override = &o->override,
		.log = log,
		.ready = on_ready,
		.arg = &b
	};
	int status;

	/* What a reload reads is what was meant at the start. */
	if (o->override.root != NULL)
		o->override.root = conf->root;
	if (!o->is_foreground)
		go_background(&b);
	if (chdir("/") == -1)
		return EX_OSERR;
	status = parent_run(&options);
	/* Told to end before it was ready: no connection was accepted. */
	release(&b, status == EX_OK ? EX_UNAVAILABLE : status);
	return status;
}

int
main(int argc, char **argv)
{
	struct smtpd_options o = { .file = SMTPD_CONF };
	struct smtpd_config conf;
	struct log log;
	const struct report report = { log_report, &log };
	int status = EX_CONFIG;

	log_init(&log, "dma-smtpd");
	log.where = LOG_TO_STDERR;
	if (io_fill_descriptors() == -1)
		return EX_OSERR;
	if (read_options(&o, argc, argv, &log) == -1 ||
	    conf_check_override(&o.override, &report) == -1)
		return EX_USAGE;
	/* What a shell or another program left open is not for children. */
	o.given = listeners_given();
	if (o.given <= CONF_LISTEN_MAX)
		(void)compat_close_from(STDERR_FILENO + 1 + (int)o.given);
	io_default_signals();
	(void)signal(SIGPIPE, SIG_IGN);
	(void)umask(027);
	/* Confined children cannot read the time zone, which syslog(3) does. */
	tzset();
	if (realpath(o.file, o.path) != NULL)
		o.file = o.path;
	if (conf_read(&conf, o.file, o.is_file_required, &o.override,
	    &report) == 0) {
		if (!o.is_check) {
			log.where = conf.log;
			log_open(&log);
		}
		status = o.is_check ? check(&conf, &log) :
		    serve(&o, &conf, &log);
	}
	conf_fini(&conf);
	return status;
}
