/*
 * dma.c - main, and the mode of a call.
 * Runs as: the front end as the spool user; see priv/monitor.c.
 * Uses: nothing by itself.
 * Promise: each mode ends with an exit status of sysexits.h.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "conf/files.h"
#include "local.h"
#include "priv/monitor.h"
#include "queue/runner.h"
#include "spool.h"
#include "submit/check.h"
#include "submit/flush.h"
#include "submit/mailq.h"
#include "submit/newaliases.h"
#include "submit/options.h"
#include "submit/queue_command.h"
#include "submit/setup.h"
#include "submit/smtp_dialogue.h"
#include "submit/status_mode.h"
#include "submit/submit.h"
#include "submit/usage.h"
#include "submit/verify.h"

static int
send_mode(const struct caller *caller, const struct options *o,
    const struct conf *conf, const struct spool *sp, const struct log *log)
{
	struct submitted done;
	int status;

	status = submit_message(caller, o, conf, sp, log, &done);
	if (status != 0 || o->is_queue_only || done.awaits_flush)
		return status;
	if (!o->is_foreground) {
		flush_wake(sp, log, done.id);
		return 0;
	}
	caller_may_leave(caller);
	flush_follow(&done.flush, done.id);
	flush_fini(&done.flush);
	return 0;
}

/* The spool remains open until this process ends, which it does next. */
static int
with_spool(const struct caller *caller, const struct options *o,
    const struct conf *conf)
{
	struct result res;
	struct spool sp;
	struct log log;
	int status;

	result_init(&res);
	if (spool_open(&sp, conf->where.spool, &res) == -1) {
		log_stderr("%s", res.reason);
		result_fini(&res);
		return EX_CANTCREAT;
	}
	if (o->mode == MODE_LIST)
		return mailq_print(caller, conf->limits.mailq_group, &sp,
		    o->is_json);
	if (o->mode == MODE_STATUS)
		return status_mode(caller, o, conf, &sp);
	files_log(&conf->log, &log, o->tag == NULL ? "dma" : o->tag);
	if (o->mode == MODE_FLUSH)
		status = flush_mode(caller, o, conf->limits.mailq_group, &sp,
		    &log);
	else if (o->mode == MODE_QUEUE)
		status = queue_command(caller, o, conf, &sp, &log);
	else if (o->mode == MODE_VERIFY)
		status = verify_mode(caller, o, conf, &sp);
	else if (o->mode == MODE_SMTP)
		status = smtp_dialogue(caller, o, conf, &sp, &log);
	else
		status = send_mode(caller, o, conf, &sp, &log);
	files_log_close(&log);
	return status;
}

/* Checked here: a failure at exit() would not be reported. */
static int
end_output(int status)
{
	if (fflush(stdout) != EOF && !ferror(stdout))
		return status;
	/* A pager that was left, or head(1), is no reason for a diagnostic. */
	if (errno != EPIPE)
		log_stderr("cannot write to standard output: %s",
		    strerror(errno));
	return status != 0 ? status : EX_IOERR;
}

/* A command that reads dma.conf by itself, or needs nothing. */
static int
command(const struct caller *caller, const struct options *o)
{
	if (usage_is_wanted(o))
		return usage_print(o->mode);
	return o->mode == MODE_CHECK ? check_mode(caller, o) :
	    setup_mode(caller, o);
}

/* The call itself, as the spool user. */
static int
front_end(const struct caller *caller, int argc, char **argv)
{
	struct report report = report_quiet;
	struct options o;
	struct conf conf;
	struct buf reason;
	int status;

	buf_init(&reason, 4096);
	status = options_parse(&o, argc, argv, &reason);
	if (status != 0)
		log_stderr("%s", buf_str(&reason));
	buf_fini(&reason);
	if (status != 0 || o.mode == MODE_NOTHING) {
		options_fini(&o);
		return status;
	}
	if (o.mode == MODE_CHECK || o.mode == MODE_SETUP ||
	    usage_is_wanted(&o)) {
		status = command(caller, &o);
		options_fini(&o);
		return end_output(status);
	}
	/* Callers take any word on stderr for a failure; the log has it. */
	if (o.mode == MODE_ALIASES)
		report.say = newaliases_report;
	if (files_conf(&conf, &report) == -1) {
		status = errno == EACCES || errno == EPERM ? EX_CONFIG :
		    EX_TEMPFAIL;
		fprintf(stderr, "dma: %s/dma.conf: %s%s\n", DMA_CONFDIR,
		    strerror(errno), files_conf_remedy(errno));
		options_fini(&o);
		return status;
	}
	if (o.mode == MODE_ALIASES)
		status = newaliases(&conf);
	else
		status = with_spool(caller, &o, &conf);
	conf_fini(&conf);
	options_fini(&o);
	return end_output(status);
}

int
main(int argc, char **argv)
{
	static const struct modes modes = { front_end, runner_main,
	    local_answer };

	return monitor_main(argc, argv, &modes);
}
