/*
 * helper.c - a root helper: requests of the runner, a child for each.
 * Runs as: root, and the child as the user.  Uses: processes, dma.conf.
 * Promise: a request names a user or an alias, never a uid, a path or a
 * command; it is read once, and one that is out of shape or out of turn ends
 * the helper.
 */
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "conf/files.h"
#include "lib/hash.h"
#include "lib/io.h"
#include "priv/helper.h"
#include "priv/login_limits.h"
#include "priv/records.h"
#include "priv/refusal.h"
#include "priv/request.h"
#include "priv/start_socket.h"

#define CHILDREN_MAX	72	/* of one helper */
#define DELIVERIES_MAX	52	/* of them in the delivery helper */
#define NAMESAKES_MAX	8	/* of them about one user or alias */
#define FORWARD_LIMIT_S	60	/* for reading a .forward or lists */
#define MAILBOX_LIMIT_S	300	/* for one append, locks included */
#define LMTP_LIMIT_S	900	/* for one session with a mail store */

struct child {
	pid_t		 pid;
	uint32_t	 id;		/* of its request */
	uint64_t	 name;		/* hash of whom it is about */
	int64_t		 deadline_ms;
	int		 is_late;	/* it was killed for that */
};

struct helper {
	const struct service *service;	/* the one kind it gives */
	const struct spool_user *spool;
	helper_body	*body;
	int		 sock;
	struct files_root root;		/* dma.conf and the log */
	struct child	 children[CHILDREN_MAX];
	int		 nchildren;
	struct hash_key	 key;		/* of their names */
};

/* The requests that each helper serves, and nothing else. */
struct service {
	const char	*name;
	uint32_t	 kind;
	size_t		 limit_bytes;
	int		 nfds;
	int		 children_max;
	int		 namesakes_max;	/* 0: no limit */
	int		 reports_exit;	/* to the runner */
	int		(*get)(struct ipc *, struct delivery *);
};

static const struct service services[] = {
	[HELPER_FORWARD] = { "forward helper", IPC_FORWARD_REQUEST,
	    IPC_FORWARD_LIMIT, 1, CHILDREN_MAX, NAMESAKES_MAX, 0,
	    forward_request_get },
	[HELPER_DELIVER] = { "delivery helper", IPC_DELIVER_REQUEST,
	    IPC_DELIVER_LIMIT, 2, DELIVERIES_MAX, 0, 1,
	    delivery_request_get },
};

/* ---- the child: who it is about, and becoming them ---- */

/* Lists, commands and files of the aliases are ALIAS_USER's. */
static int
is_for_alias(const struct delivery *d)
{
	return d->kind != ROUTE_MAILBOX && d->origin == ORIGIN_ALIASES;
}

static enum refusal
find_user(const struct helper *h, struct delivery *d, struct user *u)
{
	int found, is_alias = is_for_alias(d);

	found = user_lookup(is_alias ? h->root.conf.local.alias_user :
	    d->name, u);
	if (found == -1)
		return REFUSAL_LOOKUP;
	/* A missing ALIAS_USER is the configuration's fault, not the mail's. */
	if (found == 1)
		return is_alias ? REFUSAL_NO_ALIAS_USER : REFUSAL_NO_USER;
	d->no_command = u->uid == 0 || u->uid == h->spool->uid;
	if (d->kind == ROUTE_UNKNOWN ? is_alias && u->uid == 0 :
	    d->kind != ROUTE_MAILBOX && d->no_command)
		return REFUSAL_NOT_HERE;
	return REFUSAL_NONE;
}

/* The directory whose group may make mailboxes; never with a command. */
static const char *
mail_dir(const struct helper *h, const struct delivery *d)
{
	if (d->kind != ROUTE_MAILBOX)
		return NULL;
	if (h->root.conf.local.mailbox == MAILBOX_COMMAND && d->no_command)
		return h->root.conf.local.mailspool;
	return conf_mail_dir(&h->root.conf.local);
}

static int
become(const struct helper *h, const struct delivery *d)
{
	enum mailbox_kind mailbox = h->root.conf.local.mailbox;

	/* Speaks to a store, and runs no user's code. */
	if (d->kind == ROUTE_MAILBOX && mailbox == MAILBOX_LMTP)
		return user_become_spool(h->spool, 1);
	if (user_become(d->user, mail_dir(h, d)) == -1)
		return -1;
	if (d->kind == ROUTE_PIPE || (d->kind == ROUTE_MAILBOX &&
	    mailbox == MAILBOX_COMMAND && !d->no_command))
		return login_limits_set();
	return 0;
}

/* The exit status; without a word over the channel the request is deferred. */
static int
child_main(struct helper *h, const struct delivery *asked)
{
	struct delivery d = *asked;
	enum refusal refusal;
	sigset_t none;
	struct user u;
	int status;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	(void)signal(SIGCHLD, SIG_DFL);
	setsid();
	io_close(&h->sock);
	d.user = &u;
	if (is_for_alias(&d))
		d.aliases = open(h->root.conf.where.aliases, O_RDONLY |
		    O_CLOEXEC | O_NONBLOCK);
	refusal = find_user(h, &d, &u);
	if (refusal != REFUSAL_NONE)
		return user_become_spool(h->spool, 0) == -1 ? EX_OSERR :
		    refusal_report(&d, refusal, &h->root.log);
	if (become(h, &d) == -1) {
		log_say(&h->root.log, LOG_LEVEL_ERROR, "%s: user=%s cannot "
		    "become this user: %s", h->service->name, u.name,
		    strerror(errno));
		return EX_OSERR;
	}
	status = h->body(&d, &h->root.text);
	if (status == EX_PROTOCOL)
		log_say(&h->root.log, LOG_LEVEL_WARNING, "%s: user=%s message "
		    "out of turn: child ends", h->service->name, u.name);
	return status;
}

/* ---- children ---- */

static int
limit_s(const struct conf_local *conf, const struct delivery *d)
{
	if (d->kind == ROUTE_UNKNOWN)
		return FORWARD_LIMIT_S;
	if (d->kind == ROUTE_PIPE || conf->mailbox == MAILBOX_COMMAND)
		return (int)conf->command_timeout_s;
	if (conf->mailbox == MAILBOX_LMTP)
		return LMTP_LIMIT_S;
	return MAILBOX_LIMIT_S;
}

/*
 * A home of the user's own making can keep a child from its end, SIGKILL or
 * not.  The runner gives up on such; they must not fill the helper.
 */
static int
is_stuck(const struct helper *h, uint64_t name)
{
	int i, n = 0;

	for (i = 0; h->service->namesakes_max != 0 && i < h->nchildren; i++) {
		if (h->children[i].name != name)
			continue;
		if (h->children[i].is_late ||
		    ++n >= h->service->namesakes_max)
			return 1;
	}
	return 0;
}

/* Of a child, or status 0 for one that could not be started. */
static void
report_exit(struct helper *h, uint32_t id, int status, int is_late)
{
	struct ipc m;

	if (!h->service->reports_exit || h->sock == -1)
		return;
	ipc_init(&m);
	delivery_exit_put(&m, id, status, is_late);
	if (ipc_send(h->sock, &m) == -1)
		io_close(&h->sock);
	ipc_fini(&m);
}

static void
start_child(struct helper *h, const struct delivery *d)
{
	char lower[sizeof(d->name)];
	struct child *c = &h->children[h->nchildren];

	/* However the name is spelled; an alias is not the user. */
	text_lower(lower, d->name, strlen(d->name) + 1);
	c->name = hash_bytes(&h->key, lower, strlen(lower)) + d->origin;
	c->pid = -1;
	if (files_root_reload(&h->root) == 0 && !is_stuck(h, c->name)) {
		c->pid = fork();
		if (c->pid == 0)
			_exit(child_main(h, d));
		if (c->pid == -1)
			log_say(&h->root.log, LOG_LEVEL_WARNING, "%s: fork: %s",
			    h->service->name, strerror(errno));
	}
	if (c->pid == -1) {
		report_exit(h, d->id, 0, 0);
		return;
	}
	c->id = d->id;
	c->is_late = 0;
	c->deadline_ms = io_clock_ms() + limit_s(&h->root.conf.local, d) *
	    INT64_C(1000);
	h->nchildren++;
}

/* As a submission that finds none. */
static int
is_for_successor(struct ipc *m)
{
	return m->kind == IPC_HELPER_SUCCESSOR && m->nfds == 0 &&
	    ipc_done(m) == 0;
}

/* Not by this process, which has children to wait for. */
static void
start_successor(const struct helper *h)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(start_socket_ask(0) == -1 &&
		    request_runner(NULL) == -1 ? EX_OSERR : 0);
	if (pid == -1)
		log_say(&h->root.log, LOG_LEVEL_ERROR, "cannot start another "
		    "runner: %s; queued mail is deferred until the next start",
		    strerror(errno));
	else
		log_say(&h->root.log, LOG_LEVEL_INFO,
		    "another runner takes over");
}

/* Only the runner asks, and only children of its own requests are ended. */
static int
is_to_cancel(const struct helper *h, struct ipc *m)
{
	return m->kind == IPC_DELIVER_CANCEL && m->nfds == 0 &&
	    h->service->kind == IPC_DELIVER_REQUEST && ipc_done(m) == 0;
}

/* As if its time were over. */
static void
cancel_child(struct helper *h, uint32_t id)
{
	int i;

	for (i = 0; i < h->nchildren; i++)
		if (h->children[i].id == id)
			h->children[i].deadline_ms = 0;
}

/* 0, or -1 when the helper has to end. */
static int
take_request(struct helper *h, struct ipc *m)
{
	const struct service *s = h->service;
	struct delivery d;
	int n, ok;

	n = ipc_recv(h->sock, m, s->limit_bytes);
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n == 0)
		return -1;
	if (n == 1 && is_for_successor(m)) {
		start_successor(h);
		return -1;
	}
	if (n == 1 && is_to_cancel(h, m)) {
		cancel_child(h, m->id);
		return 0;
	}
	d.channel = d.message = -1;
	ok = n == 1 && m->kind == s->kind && m->nfds == s->nfds &&
	    s->get(m, &d) == 0 && request_is_channel(d.channel, h->spool->uid);
	if (ok)
		start_child(h, &d);
	else
		log_say(&h->root.log, LOG_LEVEL_WARNING, "%s: malformed "
		    "request (kind %" PRIu32 ", %zu bytes, %d descriptors): "
		    "helper ends", s->name, m->kind, m->fields.len, m->nfds);
	io_close(&d.message);
	io_close(&d.channel);
	return ok ? 0 : -1;
}

static void
reap(struct helper *h)
{
	struct child *c;
	int i, status;

	for (i = h->nchildren - 1; i >= 0; i--) {
		c = &h->children[i];
		if (waitpid(c->pid, &status, WNOHANG) != c->pid)
			continue;
		report_exit(h, c->id, status, c->is_late);
		*c = h->children[--h->nchildren];
	}
}

/* Ends what is over its time; gives how long the rest may still take. */
static int
end_late(struct helper *h)
{
	int64_t left, now = io_clock_ms(), least = 60 * 1000;
	struct child *c;
	int i;

	for (i = 0; i < h->nchildren; i++) {
		c = &h->children[i];
		left = c->deadline_ms - now;
		if (left <= 0) {
			left = 1000;
			c->is_late = 1;
			/* Its session is its group; it cannot have left us. */
			kill(-c->pid, SIGKILL);
			kill(c->pid, SIGKILL);
		}
		least = left < least ? left : least;
	}
	return (int)least;
}

static void
on_child(int sig)
{
	(void)sig;	/* it only has to interrupt ppoll */
}

static void
serve(struct helper *h, const sigset_t *unblocked)
{
	struct timespec ts;
	struct pollfd pfd;
	struct ipc m;
	int wait_ms;

	ipc_init(&m);
	while (h->sock != -1 || h->nchildren > 0) {
		wait_ms = end_late(h);
		ts.tv_sec = wait_ms / 1000;
		ts.tv_nsec = (wait_ms % 1000) * 1000000L;
		pfd.fd = h->nchildren < h->service->children_max ? h->sock : -1;
		pfd.events = POLLIN;
		pfd.revents = 0;
		if (ppoll(&pfd, 1, h->nchildren > 0 ? &ts : NULL,
		    unblocked) == -1 && errno != EINTR)
			break;
		reap(h);
		if (pfd.revents != 0 && h->sock != -1 &&
		    take_request(h, &m) == -1)
			io_close(&h->sock);
	}
	ipc_fini(&m);
}

int
helper_main(enum helper_kind kind, int sock, const struct spool_user *spool,
    helper_body *body)
{
	struct helper h;
	sigset_t mask, before;

	memset(&h, 0, sizeof(h));
	h.service = &services[kind];
	h.spool = spool;
	h.body = body;
	h.sock = sock;
	hash_key_make(&h.key);
	log_init(&h.root.log, "dma");
	(void)files_root_reload(&h.root);
	signal(SIGCHLD, on_child);
	sigemptyset(&mask);
	sigaddset(&mask, SIGCHLD);
	sigprocmask(SIG_BLOCK, &mask, &before);
	serve(&h, &before);
	return 0;
}
