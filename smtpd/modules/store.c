/*
 * store.c - what modules share that write files.
 * Runs as: the user of dma-smtpd, in a child: its loop, and two threads that
 * are begun with the first message.  Uses: threads, a pipe; files by commit.c.
 * Promise: the loop never waits for the disk; a session holds TEXT_MAX bytes of
 * a text and what is read at once; a message is acknowledged only when
 * it is durable, and one that is not acknowledged is taken back.
 *
 * How: a message belongs to the loop (GATHERING), to the thread that writes
 * parts of long texts (WRITING), or to the one that commits and discards
 * (COMMITTING, DISCARDING).  Messages change hands by lists under one lock.
 * The committing thread takes all that is there at once; while it syncs, more
 * gather, whose files are synced with the names of those.  Clients that were
 * answered together come back together: it waits a little for most of them, or
 * the first few would have syncs of their own.  Long texts have a thread of
 * their own, since a part of a text must not wait for a sync.
 */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/io.h"
#include "smtpd/modules/store.h"

/* Bytes of a text in memory: 60 KiB with those of one more read. */
#define TEXT_MAX	28672
#define HELD_MAX	(64u << 20)	/* of all; beyond, texts are short */
#define GROUP_MAX	256		/* files that are committed at once */
#define GATHER_US_MAX	5000		/* that they wait for others */
#define STACK_BYTES	262144
#define STALL_MS	60000		/* a client waits for the disk */
#define STALL_CHECK_MS	5000
#define END_MS		2000		/* how long the process waits */
#define WARN_MS		10000		/* the same error is said again */

enum message_state {
	MESSAGE_GATHERING,	/* the loop's, as is DONE */
	MESSAGE_WRITING,	/* a part of the text is written */
	MESSAGE_COMMITTING,
	MESSAGE_DISCARDING,
	MESSAGE_DONE
};

struct store_message {
	struct commit	 commit;	/* first: lists of threads hold these */
	struct store	*store;		/* lent */
	struct smtpd_session *session;	/* lent; NULL: ended */
	struct store_message *prev, *next;	/* of the store */
	enum message_state state;
	int		 is_complete;	/* store_commit() was called */
	int		 failure;	/* errno; then the text is not kept */
	struct buf	 text;		/* what came */
	struct buf	 part;		/* what is being written */
	struct buf	 spill_head;
	struct commit_file **last;
	struct commit_link **last_link;
	int64_t		 since_ms;	/* waits for the disk */
	int		 leads_group;	/* counts for all of the group */
	uint64_t	 sync_us;	/* that the syncs of the group took */
};

struct worker {
	struct store	*store;		/* lent */
	/* 1: there is more to do, also without another list. */
	int		(*work)(struct store *, struct commit *list);
	pthread_t	 thread;
	pthread_cond_t	 wake;
	struct commit	*list, **tail;	/* what is to do */
	size_t		 nlist;
	size_t		 wanted;	/* of them, for it to wake up */
	int		 is_started, has_ended;
};

struct store {
	struct smtpd_host *host;	/* lent, as is conf */
	const struct store_conf *conf;
	struct store_message *messages;	/* all */
	size_t		 held_bytes;
	struct smtpd_watch *watch;
	struct smtpd_timer *timer;
	int		 warned;	/* errno */
	int64_t		 warned_ms;
	/* Shared with the threads. */
	struct commit_tree tree;
	pthread_mutex_t	 lock;
	pthread_cond_t	 ended;
	struct worker	 writer, committer;
	/* The committing thread's: messages without a name, and all that were
	 * under way when the last turn ended. */
	size_t		 nwritten, crowd;
	struct commit	*done, **done_tail;
	int		 is_reported;	/* a byte is in the pipe */
	atomic_int	 is_ending;
	int		 pipe[2];
};

static struct store_message *
message_of(struct commit *commit)
{
	return (struct store_message *)(void *)commit;
}

/* ---- threads ---- */

/* Hands messages back to the loop, which is told once. */
static void
give_back(struct store *s, struct commit *list)
{
	struct commit *last = list;
	int is_first;

	if (list == NULL)
		return;
	while (last->next != NULL)
		last = last->next;
	pthread_mutex_lock(&s->lock);
	*s->done_tail = list;
	s->done_tail = &last->next;
	is_first = !s->is_reported;
	s->is_reported = 1;
	pthread_mutex_unlock(&s->lock);
	if (is_first)
		(void)io_write_all(s->pipe[1], "", 1);
}

static int
write_parts(struct store *s, struct commit *list)
{
	struct commit *next;

	for (; list != NULL; list = next) {
		next = list->next;
		if (!atomic_load(&list->is_unwanted))
			commit_spill(&s->tree, list);
		list->next = NULL;
		give_back(s, list);
	}
	return 0;
}

static size_t
count_files(const struct commit *m)
{
	const struct commit_file *f;
	size_t n = 0;

	for (f = m->files; f != NULL; f = f->next)
		n++;
	return n;
}

/* Takes messages to commit off the list, as many as may be open at once. */
static struct commit *
take_group(struct store *s, struct commit **list)
{
	struct commit *group = NULL, **tail = &group, *m;
	size_t n = 0;

	while ((m = *list) != NULL && n < GROUP_MAX) {
		*list = m->next;
		if (message_of(m)->state == MESSAGE_DISCARDING ||
		    atomic_load(&s->is_ending)) {
			m->error = ECANCELED;
			commit_undo(&s->tree, m);
			m->next = NULL;
			give_back(s, m);
			continue;
		}
		n += count_files(m);
		m->next = NULL;
		*tail = m;
		tail = &m->next;
	}
	return group;
}

static size_t
count_messages(const struct commit *m)
{
	size_t n = 0;

	for (; m != NULL; m = m->next)
		n++;
	return n;
}

/* Before these are given back, and come again. */
static void
count_crowd(struct store *s, const struct commit *done)
{
	const size_t n = count_messages(done);

	s->nwritten = count_messages(s->tree.written);
	pthread_mutex_lock(&s->lock);
	s->crowd = n + s->nwritten + s->committer.nlist;
	pthread_mutex_unlock(&s->lock);
}

/* Whether what it wrote waits for its names. */
static int
commit_all(struct store *s, struct commit *list)
{
	struct commit *done;
	uint64_t sync_us;

	do {
		done = commit_turn(&s->tree, take_group(s, &list), &sync_us);
		if (done != NULL) {
			message_of(done)->leads_group = 1;
			message_of(done)->sync_us = sync_us;
		}
		count_crowd(s, done);
		give_back(s, done);
	} while (list != NULL);
	return s->tree.written != NULL;
}

/*
 * Called, and returns, with the lock.  Waits until most of those are there that
 * were under way when the last turn ended, for half of the time that another
 * sync would take.
 */
static void
gather(struct store *s, struct worker *w)
{
	const size_t most = s->crowd - s->crowd / 8;
	uint64_t wait_us = s->tree.written_us / 2;
	struct timespec until;
	int error = 0;

	if (wait_us > GATHER_US_MAX)
		wait_us = GATHER_US_MAX;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += (long)wait_us * 1000;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	w->wanted = most > s->nwritten ? most - s->nwritten : 0;
	while (w->nlist < w->wanted && wait_us > 0 && error == 0 &&
	    !atomic_load(&s->is_ending))
		error = pthread_cond_timedwait(&w->wake, &s->lock, &until);
	w->wanted = 1;
}

static void *
run(void *arg)
{
	struct worker *w = arg;
	struct store *s = w->store;
	struct commit *list;
	int is_more = 0;

	pthread_mutex_lock(&s->lock);
	while (w->list != NULL || is_more || !atomic_load(&s->is_ending)) {
		if (w->list == NULL && !is_more) {
			pthread_cond_wait(&w->wake, &s->lock);
			continue;
		}
		if (w == &s->committer)
			gather(s, w);
		list = w->list;
		w->list = NULL;
		w->tail = &w->list;
		w->nlist = 0;
		pthread_mutex_unlock(&s->lock);
		is_more = w->work(s, list);
		pthread_mutex_lock(&s->lock);
	}
	w->has_ended = 1;
	pthread_cond_broadcast(&s->ended);
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

/* Signals are the loop's. */
static int
start(struct worker *w)
{
	pthread_attr_t attr;
	sigset_t all, before;
	int error;

	sigfillset(&all);
	error = pthread_attr_init(&attr);
	if (error != 0)
		return error;
	(void)pthread_attr_setstacksize(&attr, STACK_BYTES);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	error = pthread_create(&w->thread, &attr, run, w);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attr);
	w->is_started = error == 0;
	return error;
}

static void
worker_init(struct worker *w, struct store *s,
    int (*work)(struct store *, struct commit *))
{
	pthread_condattr_t attr;

	w->store = s;
	w->work = work;
	w->tail = &w->list;
	w->wanted = 1;
	/* The time of day may be set. */
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&w->wake, &attr);
	pthread_condattr_destroy(&attr);
}

/* ---- messages, in the loop ---- */

static void	wait_for_stall(struct store *);

static void
message_free(struct store_message *m)
{
	struct commit_file *f;
	struct commit_link *l;

	while ((f = m->commit.files) != NULL) {
		m->commit.files = f->next;
		while ((l = f->links) != NULL) {
			f->links = l->next;
			free(l);
		}
		free(f);
	}
	m->store->held_bytes -= m->text.len + m->part.len;
	buf_fini(&m->text);
	buf_fini(&m->part);
	buf_fini(&m->spill_head);
	if (m->next != NULL)
		m->next->prev = m->prev;
	if (m->prev != NULL)
		m->prev->next = m->next;
	else
		m->store->messages = m->next;
	free(m);
}

/* Gives a message to a thread: 0, or errno. */
static int
submit(struct store_message *m, struct worker *w, enum message_state state)
{
	struct store *s = m->store;
	int error;

	error = w->is_started ? 0 : start(w);
	if (error != 0)
		return error;
	m->state = state;
	m->since_ms = io_clock_ms();
	m->commit.next = NULL;
	pthread_mutex_lock(&s->lock);
	*w->tail = &m->commit;
	w->tail = &m->commit.next;
	if (++w->nlist >= w->wanted)
		pthread_cond_signal(&w->wake);
	pthread_mutex_unlock(&s->lock);
	wait_for_stall(s);
	return 0;
}

/* Nobody asks any more.  What only the loop has of it is on no disk. */
static void
discard(struct store_message *m)
{
	m->session = NULL;
	atomic_store(&m->commit.is_unwanted, 1);
	if (submit(m, &m->store->committer, MESSAGE_DISCARDING) != 0) {
		commit_undo(&m->store->tree, &m->commit);
		message_free(m);
	}
}

struct store_message *
store_begin(struct store *s, struct smtpd_session *session)
{
	struct store_message *m = calloc(1, sizeof(*m));

	if (m == NULL)
		return NULL;
	m->store = s;
	m->session = session;
	m->commit.spill.fd = -1;
	m->last = &m->commit.files;
	buf_init(&m->text, 0);
	buf_init(&m->part, 0);
	buf_init(&m->spill_head, 0);
	m->next = s->messages;
	if (m->next != NULL)
		m->next->prev = m;
	s->messages = m;
	return m;
}

/* Drops the text that nothing will become of. */
static void
forget_text(struct store_message *m)
{
	m->store->held_bytes -= m->text.len;
	buf_fini(&m->text);
	buf_init(&m->text, 0);
}

static void
give_up(struct store_message *m, int error)
{
	m->failure = error;
	forget_text(m);
}

static void
spill(struct store_message *m)
{
	if (m->commit.spill.fd == -1) {
		m->store->conf->head(m->session, &m->spill_head);
		if (buf_failed(&m->spill_head)) {
			give_up(m, ENOMEM);
			return;
		}
		m->commit.spill_head = buf_str(&m->spill_head);
		m->commit.spill_head_len = m->spill_head.len;
	}
	m->part = m->text;
	buf_init(&m->text, 0);
	m->commit.text = m->part.data;
	m->commit.text_len = m->part.len;
	m->failure = submit(m, &m->store->writer, MESSAGE_WRITING);
	if (m->failure == 0)
		smtpd_pause(m->session, 1);
}

void
store_text(struct store_message *m, const char *bytes, size_t len)
{
	struct store *s = m->store;
	size_t before = m->text.len;

	if (m->failure != 0)
		return;
	buf_add(&m->text, bytes, len);
	if (buf_failed(&m->text)) {
		m->text.len = before;
		give_up(m, ENOMEM);
		return;
	}
	s->held_bytes += len;
	if (m->state == MESSAGE_GATHERING && (m->text.len > TEXT_MAX ||
	    s->held_bytes > HELD_MAX))
		spill(m);
}

int
store_file(struct store_message *m, const char *head, size_t len)
{
	struct commit_file *f = calloc(1, sizeof(*f) + len);

	if (f == NULL)
		return -1;
	memcpy((char *)(f + 1), head, len);
	f->head = (char *)(f + 1);
	f->head_len = len;
	f->temp.fd = -1;
	m->last_link = &f->links;
	*m->last = f;
	m->last = &f->next;
	return 0;
}

int
store_link(struct store_message *m, const char *directory)
{
	size_t size = strlen(directory) + 1;
	struct commit_link *l = calloc(1, sizeof(*l) + size);

	if (l == NULL)
		return -1;
	memcpy((char *)(l + 1), directory, size);
	l->directory = (char *)(l + 1);
	*m->last_link = l;
	m->last_link = &l->next;
	return 0;
}

enum smtpd_verdict
store_refuse(struct smtpd_session *session, int error)
{
	if (error == ENOSPC || error == EDQUOT || error == EROFS)
		smtpd_set_text(session, "452 4.3.1 insufficient storage");
	else
		smtpd_set_text(session, "451 4.3.0 the message could not be "
		    "stored; try again later");
	return SMTPD_TEMPORARY;
}

static void
warn(struct store *s, const char *stage, int error)
{
	int64_t now_ms = io_clock_ms();

	if (error == s->warned && now_ms - s->warned_ms < WARN_MS)
		return;
	s->warned = error;
	s->warned_ms = now_ms;
	smtpd_warn(s->host, "%s: cannot store messages: %s: %s",
	    s->conf->root, stage, strerror(error));
}

/* 0, or errno. */
static int
submit_commit(struct store_message *m)
{
	if (m->failure != 0)
		return m->failure;
	m->commit.text = buf_str(&m->text);
	m->commit.text_len = m->text.len;
	return submit(m, &m->store->committer, MESSAGE_COMMITTING);
}

enum smtpd_verdict
store_commit(struct store_message *m)
{
	int error;

	m->is_complete = 1;
	if (m->state == MESSAGE_WRITING)
		return SMTPD_PENDING;
	error = submit_commit(m);
	return error == 0 ? SMTPD_PENDING : store_refuse(m->session, error);
}

void
store_end(struct store_message *m)
{
	if (m == NULL)
		return;
	if (m->state == MESSAGE_GATHERING && m->commit.spill.fd != -1) {
		discard(m);
	} else if (m->state == MESSAGE_GATHERING || m->state == MESSAGE_DONE) {
		message_free(m);
	} else {
		m->session = NULL;
		atomic_store(&m->commit.is_unwanted, 1);
	}
}

/* ---- what came back ---- */

/* Ends the transaction's wait; m is gone then. */
static void
finish(struct store_message *m, int error)
{
	struct smtpd_session *session = m->session;

	if (error == 0) {
		m->state = MESSAGE_DONE;
		smtpd_finish(session, SMTPD_DELIVERED);
		return;
	}
	smtpd_finish(session, store_refuse(session, error));
}

static void
part_written(struct store_message *m)
{
	int error;

	m->store->held_bytes -= m->part.len;
	buf_fini(&m->part);
	buf_init(&m->part, 0);
	m->state = MESSAGE_GATHERING;
	if (m->session == NULL) {
		discard(m);
		return;
	}
	if (m->commit.error != 0) {
		warn(m->store, m->commit.stage, m->commit.error);
		give_up(m, m->commit.error);
	}
	if (m->is_complete) {
		error = submit_commit(m);
		if (error != 0)
			finish(m, error);
	} else if (m->failure == 0 && m->text.len > TEXT_MAX) {
		spill(m);
	} else {
		smtpd_pause(m->session, 0);
	}
}

static void
committed(struct store_message *m)
{
	int error = m->commit.error;

	if (m->leads_group) {
		smtpd_count(m->store->host, "syncs", 1);
		smtpd_count(m->store->host, "sync_us", m->sync_us);
	}
	if (m->session == NULL && error == 0) {
		discard(m);
		return;
	}
	if (error != 0 && error != ECANCELED)
		warn(m->store, m->commit.stage, error);
	m->state = MESSAGE_DONE;
	if (m->session == NULL)
		message_free(m);
	else
		finish(m, error);
}

static void
returned(struct store_message *m)
{
	switch (m->state) {
	case MESSAGE_WRITING:
		part_written(m);
		break;
	case MESSAGE_COMMITTING:
		committed(m);
		break;
	default:
		message_free(m);
	}
}

static struct commit *
take_done(struct store *s)
{
	struct commit *list;

	pthread_mutex_lock(&s->lock);
	list = s->done;
	s->done = NULL;
	s->done_tail = &s->done;
	s->is_reported = 0;
	pthread_mutex_unlock(&s->lock);
	return list;
}

static void
take_back(void *arg, unsigned events)
{
	struct store *s = arg;
	struct commit *list, *next;
	char bytes[64];

	(void)events;
	(void)io_read(s->pipe[0], bytes, sizeof(bytes));
	for (list = take_done(s); list != NULL; list = next) {
		next = list->next;
		returned(message_of(list));
	}
}

/* ---- a disk that does not answer ---- */

/*
 * The client is let go; should the disk come back, the message is taken back.
 */
static void
abandon(struct store_message *m)
{
	struct smtpd_session *session = m->session;

	m->session = NULL;
	atomic_store(&m->commit.is_unwanted, 1);
	smtpd_finish(session, store_refuse(session, EIO));
}

static struct store_message *
find_stalled(const struct store *s, int64_t now_ms)
{
	struct store_message *m;

	for (m = s->messages; m != NULL; m = m->next)
		if (m->session != NULL && m->is_complete &&
		    m->state != MESSAGE_GATHERING &&
		    m->state != MESSAGE_DONE &&
		    now_ms - m->since_ms > STALL_MS)
			return m;
	return NULL;
}

static void
check_stall(void *arg)
{
	struct store *s = arg;
	struct store_message *m;
	int64_t now_ms = io_clock_ms();

	s->timer = NULL;
	/* Anew each time: the reply may end sessions and their messages. */
	while ((m = find_stalled(s, now_ms)) != NULL) {
		warn(s, "waiting for the disk", ETIMEDOUT);
		abandon(m);
	}
	for (m = s->messages; m != NULL; m = m->next)
		if (m->state != MESSAGE_GATHERING) {
			wait_for_stall(s);
			break;
		}
}

static void
wait_for_stall(struct store *s)
{
	if (s->timer == NULL)
		s->timer = smtpd_timer(s->host, STALL_CHECK_MS, check_stall, s);
}

/* ---- the store ---- */

enum commit_durable
store_durable(struct smtpd_host *host)
{
	const char *value = smtpd_conf(host, "DURABLE");

	if (value != NULL && strcmp(value, "none") == 0)
		return COMMIT_DURABLE_NONE;
	if (value != NULL && strcmp(value, "file") == 0)
		return COMMIT_DURABLE_FILE;
	return COMMIT_DURABLE_FULL;
}

int
store_module_init(void *self, struct smtpd_host *host)
{
	const char *root = ((struct store_module *)self)->conf.root;
	struct stat st;

	if (stat(root, &st) == -1)
		return smtpd_error(host, NULL, "%s: %s: create this directory, "
		    "and make the user of dma-smtpd its owner", root,
		    strerror(errno));
	if (!S_ISDIR(st.st_mode))
		return smtpd_error(host, NULL, "%s: not a directory", root);
	commit_clean(root);
	return 0;
}

static int
store_open(struct store *s)
{
	if (pipe2(s->pipe, O_CLOEXEC | O_NONBLOCK) == -1)
		return smtpd_error(s->host, NULL, "pipe: %s", strerror(errno));
	s->watch = smtpd_watch_fd(s->host, s->pipe[0], SMTPD_READ, take_back,
	    s);
	if (s->watch == NULL)
		return smtpd_error(s->host, NULL, "watch: %s", strerror(errno));
	if (commit_tree_init(&s->tree, s->conf->root, &s->conf->layout,
	    s->conf->durable) == -1)
		return smtpd_error(s->host, NULL, "%s: %s", s->conf->root,
		    strerror(errno));
	/* We may replace a child that died. */
	commit_clean(s->conf->root);
	return 0;
}

static void
store_close(struct store *s)
{
	if (s->timer != NULL)
		smtpd_timer_cancel(s->timer);
	if (s->watch != NULL)
		smtpd_watch_end(s->watch);
	io_close(&s->pipe[0]);
	io_close(&s->pipe[1]);
	commit_tree_fini(&s->tree);
	pthread_cond_destroy(&s->writer.wake);
	pthread_cond_destroy(&s->committer.wake);
	pthread_cond_destroy(&s->ended);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

struct store *
store_new(struct smtpd_host *host, const struct store_conf *conf)
{
	struct store *s = calloc(1, sizeof(*s));

	if (s == NULL) {
		smtpd_error(host, NULL, "out of memory");
		return NULL;
	}
	s->host = host;
	s->conf = conf;
	s->pipe[0] = s->pipe[1] = -1;
	s->done_tail = &s->done;
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->ended, NULL);
	worker_init(&s->writer, s, write_parts);
	worker_init(&s->committer, s, commit_all);
	if (store_open(s) == 0)
		return s;
	store_close(s);
	return NULL;
}

/* 0 when the threads have ended, -1 when the disk holds one. */
static int
end_threads(struct store *s)
{
	struct worker *const workers[] = { &s->writer, &s->committer };
	struct timespec until;
	int error = 0, i;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += END_MS / 1000;
	pthread_mutex_lock(&s->lock);
	atomic_store(&s->is_ending, 1);
	for (i = 0; i < 2; i++)
		pthread_cond_signal(&workers[i]->wake);
	for (i = 0; i < 2; i++)
		while (workers[i]->is_started && !workers[i]->has_ended &&
		    error == 0)
			error = pthread_cond_timedwait(&s->ended, &s->lock,
			    &until);
	pthread_mutex_unlock(&s->lock);
	for (i = 0; i < 2 && error == 0; i++)
		if (workers[i]->is_started)
			pthread_join(workers[i]->thread, NULL);
	return error == 0 ? 0 : -1;
}

void
store_free(struct store *s)
{
	struct store_message *m;

	if (s == NULL)
		return;
	for (m = s->messages; m != NULL; m = m->next)
		atomic_store(&m->commit.is_unwanted, 1);
	/* The process ends; all that a thread may use yet is left to it. */
	if (end_threads(s) == -1)
		return;
	while ((m = s->messages) != NULL) {
		s->messages = m->next;
		m->prev = NULL;
		if (m->state != MESSAGE_DONE)
			commit_undo(&s->tree, &m->commit);
		message_free(m);
	}
	store_close(s);
}

int
store_module_child_init(void *self, struct smtpd_host *host)
{
	struct store_module *m = self;

	m->store = store_new(host, &m->conf);
	return m->store == NULL ? -1 : 0;
}

void
store_module_child_exit(void *self, struct smtpd_host *host)
{
	struct store_module *m = self;

	(void)host;
	store_free(m->store);
	m->store = NULL;
}
