/*
 * dma.c - main, the faces of the program, the exit status.
 * Runs as: root until priv_main() has split; the hall as the spool user.
 * Uses: nothing by itself.
 * Promise: each mode ends with an exit status of sysexits.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/io.h"
#include "lib/ipc.h"
#include "aliases_include.h"
#include "local.h"
#include "local/forward.h"
#include "submit/mailq.h"
#include "submit/options.h"
#include "priv/monitor.h"
#include "priv/records.h"
#include "queue/runner.h"
#include "conf/files.h"
#include "spool.h"
#include "submit/submit.h"

#define START_TRIES	600	/* 10 ms apart, while a runner comes or goes */
#define FLUSH_TRIES	3	/* runners that may die under a flush */

static void
say_report(void *arg, const char *file, unsigned line, const char *text)
{
	(void)arg;
	if (line > 0)
		fprintf(stderr, "dma: %s:%u: %s\n", file, line, text);
	else
		fprintf(stderr, "dma: %s: %s\n", file, text);
}

/*
 * After a commit: whoever gets the lock starts the runner; who does not
 * wakes the one that has it.  One that is just starting reads the queue
 * afterwards, one that is just leaving looks at it again after it let the
 * lock go: so no message is left lying.
 */
static void
wake(const struct spool *sp, int trunk, const char *id)
{
	struct ipc m;
	int lock;

	lock = spool_lock(sp);
	if (lock != -1) {
		priv_run(trunk, lock, -1, 0, "");
		close(lock);
		return;
	}
	ipc_init(&m);
	ipc_begin(&m, IPC_WAKE, 0);
	ipc_put_str(&m, id);
	spool_poke(sp, &m);
	ipc_fini(&m);
}

/* Gives the flush to the runner there is, or to a new one. */
static int
ask_flush(const struct spool *sp, int trunk, const char *id, int done,
    const struct caller *watcher)
{
	unsigned watch = watcher == NULL ? 0 : RUN_WATCH;
	struct ipc m;
	int i, lock, ret;

	for (i = 0; i < START_TRIES; i++) {
		lock = spool_lock(sp);
		if (lock != -1) {
			ret = priv_run(trunk, lock, done, RUN_FLUSH | watch,
			    id);
			close(lock);
			return ret;
		}
		ipc_init(&m);
		ipc_begin(&m, IPC_FLUSH, 0);
		ipc_put_str(&m, id);
		ipc_put_u32(&m, watch);
		ipc_put_u32(&m, watcher == NULL ? 0 : watcher->uid);
		ipc_put_fd(&m, done);
		ret = spool_poke(sp, &m);
		ipc_fini(&m);
		if (ret == 0)
			return 0;
		poll(NULL, 0, 10);
	}
	errno = ETIMEDOUT;
	return -1;
}

/* Shows what the runner writes, up to its last octet; 1 when that came. */
static int
await_tried(int fd)
{
	char text[4096];
	const char *end;
	size_t len;
	ssize_t n;

	for (;;) {
		n = io_read(fd, text, sizeof(text));
		if (n <= 0)
			return 0;
		end = memchr(text, '\0', (size_t)n);
		len = end == NULL ? (size_t)n : (size_t)(end - text);
		/* There may be nobody to read it. */
		(void)io_write_all(STDERR_FILENO, text, len);
		if (end != NULL)
			return 1;
	}
}

/* 1 when all was tried, 0 when the runner died before, -1 with errno. */
static int
flush_once(const struct spool *sp, int trunk, const char *id,
    const struct caller *watcher)
{
	int fds[2], ret;

	if (pipe2(fds, O_CLOEXEC) == -1)
		return -1;
	if (ask_flush(sp, trunk, id, fds[1], watcher) == -1) {
		close(fds[0]);
		close(fds[1]);
		return -1;
	}
	close(fds[1]);
	ret = await_tried(fds[0]);
	close(fds[0]);
	return ret;
}

/*
 * Tries what is queued (id "": all) and returns when each was tried.  watcher:
 * who sees meanwhile what is said; or NULL.
 */
static int
flush(const struct spool *sp, int trunk, const char *id,
    const struct caller *watcher)
{
	int i, ret;

	/* A runner that was just dying took the wish with it. */
	for (i = 0; i < FLUSH_TRIES; i++) {
		ret = flush_once(sp, trunk, id, watcher);
		if (ret == 1)
			return 0;
		if (ret == -1) {
			fprintf(stderr, "dma: can not start delivery: %s\n",
			    strerror(errno));
			return EX_TEMPFAIL;
		}
	}
	fprintf(stderr, "dma: the runner ended before all was tried; see the "
	    "log\n");
	return EX_TEMPFAIL;
}

static int
flush_mode(const struct caller *caller, const struct options *o,
    const struct spool *sp, int trunk)
{
	int status;

	/*
	 * The lock is going to be in our hands: nobody may stop us there.
	 * To end us is no harm, and must be possible for -q30m.
	 */
	if (priv_seal(trunk, 1) == -1)
		return EX_TEMPFAIL;
	if (o->is_wake) {
		wake(sp, trunk, "");
		return 0;
	}
	for (;;) {
		status = flush(sp, trunk, "", o->is_watched ? caller : NULL);
		if (o->interval_s == 0)
			return status;
		sleep(o->interval_s);
	}
}

static int
send_mode(const struct caller *caller, const struct options *o,
    const struct conf *conf, const struct spool *sp, int trunk)
{
	struct submitted done;
	struct log log;
	int status;

	files_log(conf, &log, o->tag == NULL ? "dma" : o->tag);
	status = submit_message(caller, o, conf, sp, &log, trunk, &done);
	files_log_close(&log);
	if (status != 0 || o->is_queue_only || done.is_held)
		return status;
	if (o->is_foreground)
		flush(sp, trunk, done.id, o->is_watched ? caller : NULL);
	else
		wake(sp, trunk, done.id);
	return 0;
}

static void
count_report(void *arg, const char *file, unsigned line, const char *text)
{
	unsigned *bad = arg;

	++*bad;
	say_report(NULL, file, line, text);
}

/* As the spool user; what only ALIAS_USER can reach is not for us to judge. */
static int
look_at_list(void *arg, const char *path, struct buf *text, int *is_loose,
    struct result *res)
{
	struct stat st;

	(void)arg;
	(void)is_loose;
	if (access(path, R_OK) == -1 && errno == EACCES)
		return 0;
	if (include_read_file(path, text, &st, res) == -1)
		return -1;
	return include_public(&st, path, res);
}

static void
check_lists(const struct conf *conf, const struct alias *alias, unsigned *bad)
{
	const struct include_source source = { look_at_list, NULL };
	const struct report report = { count_report, bad };
	struct targets flat;
	struct result res;

	if (!include_any(&alias->targets))
		return;
	result_init(&res);
	if (include_flatten(&alias->targets, &flat, &source, &report,
	    &res) == 0)
		targets_fini(&flat);
	else
		count_report(bad, conf->where.aliases, alias->line,
		    res.reason == NULL ? "out of memory" : res.reason);
	result_fini(&res);
}

static int
aliases_mode(const struct conf *conf)
{
	struct report report = { say_report, NULL };
	struct aliases aliases;
	struct senders senders;
	unsigned bad = 0;
	size_t i, good = 0, targets = 0;
	int ret;

	/* The runner tells the log; here somebody looks. */
	if (files_senders(conf, &senders, &report) == 0)
		senders_fini(&senders);
	ret = files_aliases_count(conf, &aliases, &report, &bad);
	if (ret == -1)
		return EX_NOINPUT;
	for (i = 0; i < aliases.n; i++) {
		good += !aliases.list[i].is_bad;
		targets += aliases.list[i].targets.n;
		check_lists(conf, &aliases.list[i], &bad);
	}
	printf("%s: %zu aliases, %zu targets", conf->where.aliases, good,
	    targets);
	if (bad > 0)
		printf(", %u bad lines", bad);
	printf("\n");
	aliases_fini(&aliases);
	return bad > 0 ? EX_DATAERR : 0;
}

static int
with_spool(const struct caller *caller, const struct options *o,
    const struct conf *conf, int trunk)
{
	struct result res;
	struct spool sp;
	int status;

	result_init(&res);
	if (spool_open(&sp, conf->where.spool, &res) == -1) {
		fprintf(stderr, "dma: %s\n", res.reason);
		result_fini(&res);
		return EX_CANTCREAT;
	}
	if (o->mode == MODE_LIST)
		status = mailq_print(caller, conf, &sp);
	else if (o->mode == MODE_FLUSH)
		status = flush_mode(caller, o, &sp, trunk);
	else
		status = send_mode(caller, o, conf, &sp, trunk);
	spool_close(&sp);
	return status;
}

/* The call itself, as the spool user. */
static int
hall(const struct caller *caller, int trunk, int argc, char **argv)
{
	struct report report;
	struct options o;
	struct conf conf;
	struct buf reason;
	int status;

	buf_init(&reason, 4096);
	status = options_parse(&o, argc, argv, &reason);
	if (status != 0)
		fprintf(stderr, "dma: %s\n", buf_str(&reason));
	buf_fini(&reason);
	if (status != 0 || o.mode == MODE_NOTHING) {
		options_fini(&o);
		return status;
	}
	/* Callers take any word on stderr for a failure; the log has it. */
	files_quiet(&report);
	if (o.mode == MODE_ALIASES)
		report.say = say_report;
	if (files_conf(&conf, &report) == -1) {
		status = errno == EACCES || errno == EPERM ? EX_CONFIG :
		    EX_TEMPFAIL;
		fprintf(stderr, "dma: %s/dma.conf: %s: the user _dma must be "
		    "able to read it (mode 644)\n", DMA_CONFDIR,
		    strerror(errno));
		options_fini(&o);
		return status;
	}
	if (o.mode == MODE_ALIASES)
		status = aliases_mode(&conf);
	else
		status = with_spool(caller, &o, &conf, trunk);
	conf_fini(&conf);
	options_fini(&o);
	/* priv_main() ends the process without stdio's help. */
	if (fflush(stdout) == EOF && status == 0)
		status = EX_IOERR;
	return status;
}

int
main(int argc, char **argv)
{
	static const struct bodies bodies = { hall, runner_main, forward_answer,
	    forward_answer_lists, local_deliver };

	return priv_main(argc, argv, &bodies);
}
