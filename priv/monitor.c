/*
 * monitor.c - the trunk and the root halves of its branches.
 * Runs as: root, until it drops.  Uses: identities and processes.
 * Promise: every drop is for good, checked, and fatal if it fails; a request
 * names a user or an alias, never a uid, a path or a command.
 *
 *  exec -> clean -> socketpair, fork -+- trunk: IPC_SEAL, IPC_RUN, wait
 *                                     +- hall (spool user): the call itself
 *  IPC_RUN -> stem: setsid -> forward branch, deliver branch, runner
 */
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#if defined(__linux__)
#include <sys/prctl.h>
#include <sys/syscall.h>
#endif

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <inttypes.h>
#include <poll.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "compat/compat.h"
#include "priv/delivery_request.h"
#include "lib/io.h"
#include "lib/ipc.h"
#include "priv/monitor.h"
#include "priv/records.h"
#include "priv/sandbox.h"
#include "conf/files.h"

#define REMOTE_FILE	DMA_LIBEXECDIR "/dma-remote"
#define CHILDREN_MAX	72	/* requests of one branch under way */
#define DELIVERIES_MAX	20	/* of them in the deliver branch */
#define NAMESAKES_MAX	8	/* of them about one user or alias */
#define FORWARD_LIMIT_S	60	/* seconds for reading a .forward or lists */
#define MAILBOX_LIMIT_S	300	/* seconds for one append, locks included */
#define LMTP_LIMIT_S	900	/* seconds for one session with a mail store */
#define MIB		(1024UL * 1024UL)
#define FILES_WANTED	4096	/* descriptors */
#define FILES_LEAST	512	/* of a runner with a full desk */
#define FILES_TEXT	"512"

extern char **environ;

struct trunk {
	const struct bodies *bodies;
	struct caller	 caller;
	uid_t		 uid;		/* of the spool user */
	gid_t		 gid;
	int		 sock;
	struct log	 log;
};

struct child {
	pid_t		 pid;
	uint32_t	 id;		/* of its request */
	uint64_t	 who;		/* digest of whose .forward; or 0 */
	int64_t		 deadline_ms;
	int		 is_late;	/* it was killed for that */
};

struct branch {
	const struct trunk *trunk;
	const struct request *request;	/* the one kind it answers */
	int		 sock;
	struct conf	 conf;
	struct stat	 conf_stat;
	struct log	 log;
	struct child	 children[CHILDREN_MAX];
	int		 nchildren;
	int		 broken[2];	/* pipe: a child got no request */
};

/* The request table: what each branch answers, and nothing else. */
struct request {
	const char	*name;
	uint32_t	 kind;
	size_t		 limit;		/* octets of a record */
	int		 nfds;
	int		 tells_end;	/* the runner hears of the reaping */
	int		 most;		/* children at once */
	int		(*answer)(struct branch *, struct ipc *);
};

static int	answer_forward(struct branch *, struct ipc *);
static int	answer_deliver(struct branch *, struct ipc *);

static const struct request requests[] = {
	{ "forward-ask", IPC_FORWARD_REQUEST, IPC_FORWARD_LIMIT, 1, 0,
	    CHILDREN_MAX, answer_forward },
	{ "deliver-ask", IPC_DELIVER_REQUEST, IPC_DELIVER_LIMIT, 2, 1,
	    DELIVERIES_MAX, answer_deliver },
};

/* ---- cleaning, before anything is parsed ---- */

static int
complain(int status, const char *what, const char *reason)
{
	dprintf(STDERR_FILENO, "dma: %s: %s\n", what, reason);
	return status;
}

static int
clean_descriptors(struct caller *c)
{
	int fd, flags;

	flags = fcntl(STDIN_FILENO, F_GETFL);
	c->has_stdin = flags != -1 && (flags & O_ACCMODE) != O_WRONLY;
	do {
		fd = open("/dev/null", O_RDWR);
		if (fd == -1)
			return -1;
	} while (fd <= STDERR_FILENO);
	close(fd);
	return compat_close_from(STDERR_FILENO + 1);
}

/* TZ may name a zone, not a file of the caller's choosing. */
static int
zone_ok(const char *tz)
{
	static const char zone[] = "abcdefghijklmnopqrstuvwxyz"
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+-/,.:<>";
	size_t n;

	n = strspn(tz, zone);
	return n > 0 && n < 64 && tz[n] == '\0' && tz[0] != '/' &&
	    tz[0] != ':' && tz[0] != '.' && strstr(tz, "..") == NULL;
}

static void
take_text(char *dst, size_t size, const char *name)
{
	const char *s;

	s = getenv(name);
	if (s == NULL || !text_is_clean(s, strlen(s)) ||
	    text_copy(dst, size, s) == -1)
		dst[0] = '\0';
}

static int
clean_environment(struct caller *c)
{
	static char *empty[] = { NULL };
	char tz[64];

	take_text(c->email, sizeof(c->email), "EMAIL");
	take_text(c->logname, sizeof(c->logname), "LOGNAME");
	take_text(c->name, sizeof(c->name), "NAME");
	take_text(tz, sizeof(tz), "TZ");
	environ = empty;
	if (setenv("PATH", "/usr/bin:/bin", 1) == -1)
		return -1;
	if (zone_ok(tz) && setenv("TZ", tz, 1) == -1)
		return -1;
	return 0;
}

static void
set_signal(int sig, void (*what)(int))
{
	struct sigaction sa;

	memset(&sa, 0, sizeof(sa));
	sa.sa_handler = what;
	sigemptyset(&sa.sa_mask);
	sigaction(sig, &sa, NULL);
}

/* Only what was ignored survives an exec; these are those that matter here. */
static void
clean_signals(void)
{
	static const int back[] = { SIGCHLD, SIGHUP, SIGINT, SIGTERM, SIGALRM };
	sigset_t mask;
	size_t i;

	for (i = 0; i < sizeof(back) / sizeof(back[0]); i++)
		set_signal(back[i], SIG_DFL);
	set_signal(SIGPIPE, SIG_IGN);
	set_signal(SIGXFSZ, SIG_IGN);
	/* Words on a terminal (stty tostop) must not stop a background job. */
	sigemptyset(&mask);
	sigaddset(&mask, SIGTTOU);
	sigprocmask(SIG_SETMASK, &mask, NULL);
}

/* As high as it goes; too low to do the work: refused in words. */
static int
raise_limit(int which, const char *name, rlim_t least)
{
	struct rlimit rl;
	char reason[128];

	rl.rlim_cur = rl.rlim_max = RLIM_INFINITY;
	if (setrlimit(which, &rl) == 0)
		return 0;
	if (getrlimit(which, &rl) == -1)
		return -1;
	rl.rlim_cur = rl.rlim_max;
	if (setrlimit(which, &rl) == 0 &&
	    (rl.rlim_max == RLIM_INFINITY || rl.rlim_max >= least))
		return 0;
	snprintf(reason, sizeof(reason),
	    "is %ju, needed are %ju, and it can not be "
	    "raised", (uintmax_t)rl.rlim_max, (uintmax_t)least);
	complain(EX_OSERR, name, reason);
	return -1;
}

/* The runner serves all of the host: the first caller's limit is not its. */
static int
raise_descriptors(void)
{
	struct rlimit rl;

	if (getrlimit(RLIMIT_NOFILE, &rl) == -1)
		return -1;
	if (rl.rlim_cur >= FILES_WANTED)
		return 0;
	if (rl.rlim_max < FILES_WANTED)
		rl.rlim_max = FILES_WANTED;
	rl.rlim_cur = FILES_WANTED;
	if (setrlimit(RLIMIT_NOFILE, &rl) == 0)
		return 0;
	if (getrlimit(RLIMIT_NOFILE, &rl) == -1)
		return -1;
	rl.rlim_cur = rl.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &rl) == 0 && rl.rlim_max >= FILES_LEAST)
		return 0;
	complain(EX_OSERR, "limit on descriptors", "it is too low and can not "
	    "be raised (needed are " FILES_TEXT ")");
	return -1;
}

static int
clean_limits(void)
{
	struct rlimit none = { 0, 0 };

	if (raise_limit(RLIMIT_FSIZE, "limit on file size", 1024 * MIB) == -1 ||
	    raise_limit(RLIMIT_CPU, "limit on processor time", 3600) == -1 ||
	    raise_limit(RLIMIT_AS, "limit on address space", 256 * MIB) == -1 ||
	    raise_limit(RLIMIT_DATA, "limit on data", 64 * MIB) == -1 ||
	    raise_limit(RLIMIT_STACK, "limit on stack", MIB) == -1 ||
#ifdef RLIMIT_NPROC
	    raise_limit(RLIMIT_NPROC, "limit on processes", 64) == -1 ||
#endif
	    setrlimit(RLIMIT_CORE, &none) == -1)
		return -1;
	return 0;
}

/*
 * What a process that init starts has.  A command must have neither the
 * limits of whoever woke the runner nor the runner's own: some of them are
 * privileges (nice, real time, locked memory).
 */
static const struct { int which; rlim_t soft, hard; } fresh_limits[] = {
	{ RLIMIT_CPU,		RLIM_INFINITY,	RLIM_INFINITY },
	{ RLIMIT_FSIZE,		RLIM_INFINITY,	RLIM_INFINITY },
	{ RLIMIT_DATA,		RLIM_INFINITY,	RLIM_INFINITY },
	{ RLIMIT_STACK,		8 * MIB,	RLIM_INFINITY },
	{ RLIMIT_CORE,		0,		RLIM_INFINITY },
	{ RLIMIT_AS,		RLIM_INFINITY,	RLIM_INFINITY },
	{ RLIMIT_NOFILE,	1024,		524288 },
#if defined(__linux__)
	{ RLIMIT_RSS,		RLIM_INFINITY,	RLIM_INFINITY },
	{ RLIMIT_MEMLOCK,	8 * MIB,	8 * MIB },
	{ RLIMIT_LOCKS,		RLIM_INFINITY,	RLIM_INFINITY },
	{ RLIMIT_MSGQUEUE,	819200,		819200 },
	{ RLIMIT_NICE,		0,		0 },
	{ RLIMIT_RTPRIO,	0,		0 },
	{ RLIMIT_RTTIME,	RLIM_INFINITY,	RLIM_INFINITY },
#endif
};

/* What can not be raised, in a container without the right to, stays. */
static int
set_limit(int which, rlim_t soft, rlim_t hard)
{
	struct rlimit rl = { soft, hard };

	if (setrlimit(which, &rl) == 0)
		return 0;
	if (getrlimit(which, &rl) == -1)
		return -1;
	rl.rlim_cur = soft < rl.rlim_max ? soft : rl.rlim_max;
	return setrlimit(which, &rl);
}

/* As the kernel reckons for its first process; 0 when it does not tell. */
static rlim_t
usual_processes(void)
{
	char text[32] = "";
	int fd;

	fd = open("/proc/sys/kernel/threads-max", O_RDONLY | O_CLOEXEC);
	if (fd == -1)
		return 0;
	if (io_read(fd, text, sizeof(text) - 1) <= 0)
		text[0] = '\0';
	close(fd);
	return (rlim_t)strtoul(text, NULL, 10) / 2;
}

static int
set_fresh_limits(void)
{
	rlim_t processes = usual_processes();
	size_t i;

	for (i = 0; i < sizeof(fresh_limits) / sizeof(fresh_limits[0]); i++)
		if (set_limit(fresh_limits[i].which, fresh_limits[i].soft,
		    fresh_limits[i].hard) == -1)
			return -1;
#if defined(__linux__)
	if (processes != 0 && (set_limit(RLIMIT_NPROC, processes,
	    processes) == -1 || set_limit(RLIMIT_SIGPENDING, processes,
	    processes) == -1))
		return -1;
#else
	(void)processes;
#endif
	return 0;
}

/* ---- identities ---- */

static void
not_dumpable(void)
{
#if defined(__linux__)
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
#endif
}

/* Becomes uid and gid for good; groups were set by the caller. */
static int
become(uid_t uid, gid_t gid)
{
	uid_t r, e, s;
	gid_t rg, eg, sg;

	if (setresgid(gid, gid, gid) == -1 || setresuid(uid, uid, uid) == -1)
		return -1;
	if (getresuid(&r, &e, &s) == -1 || getresgid(&rg, &eg, &sg) == -1 ||
	    r != uid || e != uid || s != uid || rg != gid || eg != gid ||
	    sg != gid)
		return -1;
	not_dumpable();
	if (uid == 0)
		return 0;
	/* The way back must be shut. */
	if (setresuid((uid_t)-1, 0, (uid_t)-1) == 0 ||
	    (gid != 0 && setresgid((gid_t)-1, 0, (gid_t)-1) == 0))
		return -1;
	return 0;
}

static int
become_spool_user(const struct trunk *t)
{
	if (t->uid == 0 || t->gid == 0 || setgroups(0, NULL) == -1)
		return -1;
	return become(t->uid, t->gid);
}

/* The spool user is the owner of the spool: no look-up, no second truth. */
static int
find_spool_user(struct trunk *t)
{
	struct stat st;

	if (lstat(DMA_SPOOLDIR, &st) == -1)
		return complain(EX_CONFIG, DMA_SPOOLDIR, strerror(errno));
	if (!S_ISDIR(st.st_mode) || st.st_uid == 0 || st.st_gid == 0)
		return complain(EX_CONFIG, DMA_SPOOLDIR,
		    "must be a directory of the user _dma (see dma(8), FILES)");
	t->uid = st.st_uid;
	t->gid = st.st_gid;
	return 0;
}

int
user_name_ok(const char *name)
{
	size_t n = strlen(name);

	if (n == 0 || n > LOGIN_MAX || name[0] == '-' || name[0] == '.' ||
	    strchr(name, '/') != NULL || !text_is_clean(name, n))
		return 0;
	return strspn(name, "0123456789") != n;
}

int
user_lookup(const char *name, struct user *u)
{
	char lower[LOGIN_MAX + 1];
	struct passwd *pw;

	memset(u, 0, sizeof(*u));
	if (!user_name_ok(name))
		return 1;
	errno = 0;
	pw = getpwnam(name);
	if (pw == NULL && (errno == 0 || errno == ENOENT || errno == ESRCH)) {
		/* Mail for Bob is for bob, as with every local MTA. */
		text_lower(lower, name, strlen(name) + 1);
		errno = 0;
		if (strcmp(lower, name) != 0)
			pw = getpwnam(lower);
	}
	if (pw == NULL)
		return errno == 0 || errno == ENOENT || errno == ESRCH ? 1 : -1;
	if (text_copy(u->name, sizeof(u->name), pw->pw_name) == -1 ||
	    text_copy(u->home, sizeof(u->home), pw->pw_dir) == -1 ||
	    text_copy(u->shell, sizeof(u->shell), pw->pw_shell) == -1)
		return -1;
	if (u->shell[0] == '\0')
		text_copy(u->shell, sizeof(u->shell), "/bin/sh");
	u->uid = pw->pw_uid;
	u->gid = pw->pw_gid;
	return 0;
}

/*
 * Becomes the user.  mail_dir: with the group of that directory, where the
 * group may write there, so that lock and mailbox can be made without root.
 */
static int
become_user(const struct user *u, const char *mail_dir)
{
	struct stat st;
	gid_t gid = u->gid;

	if (initgroups(u->name, u->gid) == -1)
		return -1;
	if (mail_dir != NULL && stat(mail_dir, &st) == 0 &&
	    S_ISDIR(st.st_mode) && (st.st_mode & S_IWGRP) != 0 &&
	    st.st_gid != 0)
		gid = st.st_gid;
	return become(u->uid, gid);
}

/* ---- the branches: as root, one child for each request ---- */

static void
say_deliver(const struct delivery *d, enum status status, const char *code,
    const char *reason)
{
	struct ipc m;

	ipc_init(&m);
	ipc_begin(&m, IPC_DELIVER_RESULT, d->id);
	ipc_put_u32(&m, status);
	ipc_put_str(&m, code);
	ipc_put_str(&m, reason);
	ipc_send(d->channel, &m);
	ipc_fini(&m);
}

static void
say_forward(int channel, enum forward_verdict verdict, const char *reason)
{
	struct ipc m;

	ipc_init(&m);
	ipc_begin(&m, IPC_FORWARD_REPLY, 0);
	ipc_put_u32(&m, verdict);
	ipc_put_str(&m, reason);
	ipc_send(channel, &m);
	ipc_fini(&m);
}

/*
 * Is the spool user at the other end?  Anybody else could take what a child
 * says, with its user's identity, for a wish of that user.
 */
static int
is_ours(const struct trunk *t, int fd)
{
#if defined(__linux__)
	struct ucred peer;
	socklen_t len = sizeof(peer);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 &&
	    peer.uid == t->uid;
#else
	(void)t;
	(void)fd;
	return 1;
#endif
}

/* Only a socket of our kind is spoken to: it could be anybody's. */
static int
is_channel(const struct trunk *t, int fd)
{
	int domain = 0, type = 0;
	socklen_t len = sizeof(domain);

	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) == -1)
		return 0;
	len = sizeof(type);
	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 &&
	    domain == AF_UNIX && type == SOCK_SEQPACKET && is_ours(t, fd);
}

/* An exit status could not tell it: that of a command is the user's. */
static int
refuse_request(const struct branch *b)
{
	(void)io_write_all(b->broken[1], "", 1);
	return EX_PROTOCOL;
}

/* What a child says of records that came over its channel: the end of it. */
static int
end_child(const struct branch *b, int status, const char *user)
{
	if (status == EX_PROTOCOL)
		log_say(&b->log, LOG_LEVEL_WARNING, "%s: user=%s record out "
		    "of turn: child ends", b->request->name, user);
	return status;
}

static int
open_aliases(const struct branch *b)
{
	return open(b->conf.where.aliases, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
}

/* Whose .forward, or as whom lists are read; -1 after the answer was given. */
static int
forward_user(const char *name, int is_alias, struct user *u, int channel)
{
	int found;

	found = user_lookup(name, u);
	if (found == -1)
		say_forward(channel, FORWARD_LATER, "user look-up failed");
	else if (found == 1 && is_alias)
		say_forward(channel, FORWARD_LATER,
		    "ALIAS_USER in dma.conf is no user");
	else if (found == 1)
		say_forward(channel, FORWARD_NOUSER, "");
	else if (is_alias && u->uid == 0)
		say_forward(channel, FORWARD_LATER,
		    "lists are not read as root: ALIAS_USER in dma.conf");
	else
		return 0;
	return -1;
}

static int
answer_forward(struct branch *b, struct ipc *m)
{
	char name[ADDRESS_MAX + 1];
	const char *login = name;
	struct user u;
	uint32_t origin;
	int aliases = -1, channel;

	channel = ipc_take_fd(m, 0);
	origin = ipc_get_u32(m);
	ipc_get_text(m, name, sizeof(name));
	if (ipc_done(m) == -1 || !is_channel(b->trunk, channel) ||
	    (origin != ORIGIN_ALIASES && origin != ORIGIN_FORWARD))
		return refuse_request(b);
	io_close(&b->broken[1]);
	if (origin == ORIGIN_ALIASES) {
		login = b->conf.local.alias_user;
		aliases = open_aliases(b);
	}
	if (forward_user(login, origin == ORIGIN_ALIASES, &u, channel) == -1)
		return 0;
	if (become_user(&u, NULL) == -1) {
		log_say(&b->log, LOG_LEVEL_ERROR, "forward: user=%s can not "
		    "become this user: %s", login, strerror(errno));
		say_forward(channel, FORWARD_LATER, "can not become the user");
		return EX_OSERR;
	}
	if (origin == ORIGIN_ALIASES)
		return b->trunk->bodies->lists(&u, name, aliases, channel);
	return end_child(b, b->trunk->bodies->forward(&u, channel), u.name);
}

static int
get_delivery(const struct trunk *t, struct ipc *m, struct delivery *d)
{
	uint32_t kind, origin;
	struct stat st;

	memset(d, 0, sizeof(*d));
	d->channel = ipc_take_fd(m, 1);
	d->aliases = -1;
	kind = ipc_get_u32(m);
	origin = ipc_get_u32(m);
	ipc_get_text(m, d->name, sizeof(d->name));
	d->entry = ipc_get_u32(m);
	d->digest = ipc_get_u64(m);
	d->kind = (enum route_kind)kind;
	d->origin = (enum origin)origin;
	if (delivery_request_get(m, d) == -1 || kind < ROUTE_MAILBOX ||
	    kind > ROUTE_PIPE || origin > ORIGIN_FORWARD ||
	    (kind != ROUTE_MAILBOX && origin == ORIGIN_CALLER) ||
	    !is_channel(t, d->channel) || fstat(d->message, &st) == -1 ||
	    !S_ISREG(st.st_mode))
		return -1;
	return 0;
}

/* Whose delivery this is; 0, or -1 after the answer was given. */
static int
delivery_user(struct branch *b, struct delivery *d, struct user *u)
{
	const char *name = d->name;
	int found;

	if (d->kind != ROUTE_MAILBOX && d->origin == ORIGIN_ALIASES) {
		name = b->conf.local.alias_user;
		d->aliases = open_aliases(b);
	}
	found = user_lookup(name, u);
	/* A missing ALIAS_USER is the configuration's fault, not the mail's. */
	if (found == 1 && name == b->conf.local.alias_user)
		say_deliver(d, STATUS_DEFERRED, "4.3.5",
		    "ALIAS_USER in dma.conf is no user");
	else if (found == 1)
		say_deliver(d, STATUS_FAILED, "5.1.1", "no such user");
	if (found == -1)
		say_deliver(d, STATUS_DEFERRED, "4.3.0",
		    "user look-up failed");
	if (found != 0)
		return -1;
	d->no_command = u->uid == 0 || u->uid == b->trunk->uid;
	if (d->no_command && d->kind != ROUTE_MAILBOX) {
		log_say(&b->log, LOG_LEVEL_WARNING, "deliver: id=%s user=%s "
		    "refused: commands and files are not for this user",
		    d->queue_id, u->name);
		say_deliver(d, STATUS_FAILED, "5.7.1",
		    "commands and files are refused for this user");
		return -1;
	}
	return 0;
}

/* The directory whose group may make mailboxes; never with a command. */
static const char *
mail_dir(const struct branch *b, const struct delivery *d)
{
	if (d->kind != ROUTE_MAILBOX)
		return NULL;
	if (b->conf.local.mailbox == MAILBOX_COMMAND && d->no_command)
		return b->conf.local.mailspool;
	return conf_mail_dir(&b->conf);
}

/*
 * Speaks LMTP: the spool user, with the groups that the group file gives it,
 * since the socket may be for one of them.  No user's code runs here.
 */
static int
become_speaker(const struct trunk *t)
{
	struct passwd *pw;

	pw = getpwuid(t->uid);
	if (t->uid == 0 || t->gid == 0 || (pw != NULL ?
	    initgroups(pw->pw_name, t->gid) : setgroups(0, NULL)) == -1)
		return -1;
	return become(t->uid, t->gid);
}

static int
is_command(const struct branch *b, const struct delivery *d)
{
	return d->kind == ROUTE_PIPE || (d->kind == ROUTE_MAILBOX &&
	    b->conf.local.mailbox == MAILBOX_COMMAND && !d->no_command);
}

static int
become_deliverer(const struct branch *b, const struct delivery *d)
{
	if (d->kind == ROUTE_MAILBOX && b->conf.local.mailbox == MAILBOX_LMTP)
		return become_speaker(b->trunk);
	if (is_command(b, d) && set_fresh_limits() == -1)
		return -1;
	return become_user(d->user, mail_dir(b, d));
}

static int
answer_deliver(struct branch *b, struct ipc *m)
{
	struct delivery d;
	struct user u;

	if (get_delivery(b->trunk, m, &d) == -1)
		return refuse_request(b);
	io_close(&b->broken[1]);
	d.conf = &b->conf;
	d.user = &u;
	if (delivery_user(b, &d, &u) == -1)
		return 0;
	if (become_deliverer(b, &d) == -1) {
		log_say(&b->log, LOG_LEVEL_ERROR, "deliver: id=%s user=%s can "
		    "not become this user: %s", d.queue_id, u.name,
		    strerror(errno));
		say_deliver(&d, STATUS_DEFERRED, "4.3.0",
		    "can not become the user");
		return EX_OSERR;
	}
	return end_child(b, b->trunk->bodies->deliver(&d), u.name);
}

/* ---- the branches: the loop, as root ---- */

/* The configuration is root's own; it is read again when it changed. */
static void
branch_conf(struct branch *b)
{
	struct report quiet;
	struct conf fresh;
	struct stat st;

	memset(&st, 0, sizeof(st));
	if (stat(DMA_CONFDIR "/dma.conf", &st) == -1)
		st.st_ino = 0;
	if (b->conf.names.mailname != NULL &&
	    st.st_ino == b->conf_stat.st_ino &&
	    st.st_size == b->conf_stat.st_size &&
	    st.st_mtim.tv_sec == b->conf_stat.st_mtim.tv_sec &&
	    st.st_mtim.tv_nsec == b->conf_stat.st_mtim.tv_nsec)
		return;
	files_quiet(&quiet);
	if (files_conf(&fresh, &quiet) == -1)
		return;
	if (b->conf.names.mailname != NULL) {
		files_log_close(&b->log);
		conf_fini(&b->conf);
	}
	b->conf = fresh;
	b->conf_stat = st;
	files_log(&b->conf, &b->log, "dma");
}

static int
child_limit_s(const struct branch *b, const struct ipc *m)
{
	uint32_t kind;

	if (m->kind != IPC_DELIVER_REQUEST)
		return FORWARD_LIMIT_S;
	if (m->len < sizeof(kind))
		return MAILBOX_LIMIT_S;
	memcpy(&kind, m->data, sizeof(kind));
	if (kind == ROUTE_PIPE || b->conf.local.mailbox == MAILBOX_COMMAND)
		return (int)b->conf.local.command_timeout_s;
	if (b->conf.local.mailbox == MAILBOX_LMTP)
		return LMTP_LIMIT_S;
	return MAILBOX_LIMIT_S;
}

static void
child_main(struct branch *b, struct ipc *m)
{
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	set_signal(SIGCHLD, SIG_DFL);
	setsid();
	io_close(&b->sock);
	io_close(&b->broken[0]);
	_exit(b->request->answer(b, m));
}

/*
 * Whom a question is about, however the name is spelled: its record has
 * nothing else.  0: a delivery, of whose end the runner hears.
 */
static uint64_t
asked_about(const struct ipc *m)
{
	char lower[IPC_FORWARD_LIMIT];

	if (m->kind != IPC_FORWARD_REQUEST || m->len > sizeof(lower))
		return 0;
	text_lower(lower, m->data, m->len);
	return text_digest(lower, m->len);
}

/*
 * A home of the user's own making can keep a child from its end, SIGKILL or
 * not.  The runner gives up on such; they must not fill the branch.
 */
static int
is_stuck(const struct branch *b, uint64_t who)
{
	int i, n = 0;

	if (who == 0)
		return 0;
	for (i = 0; i < b->nchildren; i++) {
		if (b->children[i].who != who)
			continue;
		if (b->children[i].is_late || ++n >= NAMESAKES_MAX)
			return 1;
	}
	return 0;
}

/* Gives 0 where there is none: the channel closes, which means "later". */
static pid_t
start_child(struct branch *b, struct ipc *m)
{
	pid_t pid;

	if (is_stuck(b, asked_about(m)))
		return 0;
	pid = fork();
	if (pid == 0)
		child_main(b, m);
	if (pid != -1)
		return pid;
	log_say(&b->log, LOG_LEVEL_WARNING, "%s: fork: %s", b->request->name,
	    strerror(errno));
	return 0;
}

static void
branch_start(struct branch *b, struct ipc *m)
{
	struct child *c;

	branch_conf(b);
	/* It is counted when it is there: not as its own namesake. */
	c = &b->children[b->nchildren];
	c->pid = start_child(b, m);
	b->nchildren++;
	c->id = m->id;
	c->who = asked_about(m);
	c->is_late = 0;
	c->deadline_ms = io_clock_ms() + child_limit_s(b, m) * INT64_C(1000);
}

/* A request out of turn or shape ends the branch. */
static int
branch_request(struct branch *b, struct ipc *m)
{
	int n;

	n = ipc_recv(b->sock, m, b->request->limit);
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n == 1 && m->kind == b->request->kind &&
	    m->nfds == b->request->nfds) {
		branch_start(b, m);
		ipc_begin(m, 0, 0);
		return 0;
	}
	if (n != 0)
		log_say(&b->log, LOG_LEVEL_WARNING, "%s: broken request "
		    "(kind %" PRIu32 ", %zu octets, %d descriptors): branch "
		    "ends", b->request->name, m->kind, m->len, m->nfds);
	return -1;
}

static void
tell_end(struct branch *b, const struct child *c, int status)
{
	struct ipc m;
	char octet;

	if (io_read(b->broken[0], &octet, 1) == 1) {
		log_say(&b->log, LOG_LEVEL_WARNING, "%s: malformed request: "
		    "branch ends", b->request->name);
		io_close(&b->sock);
	}
	if (!b->request->tells_end || b->sock == -1)
		return;
	ipc_init(&m);
	ipc_begin(&m, IPC_DELIVER_EXIT, c->id);
	ipc_put_u32(&m, (uint32_t)status);
	ipc_put_u32(&m, (uint32_t)c->is_late);
	if (ipc_send(b->sock, &m) == -1)
		io_close(&b->sock);
	ipc_fini(&m);
}

static void
branch_reap(struct branch *b)
{
	int i, status;
	pid_t pid;

	for (i = b->nchildren - 1; i >= 0; i--) {
		pid = b->children[i].pid;
		status = W_EXITCODE(EX_OSERR, 0);
		if (pid != 0 && waitpid(pid, &status, WNOHANG) != pid)
			continue;
		tell_end(b, &b->children[i], status);
		b->children[i] = b->children[--b->nchildren];
	}
}

/* Ends what is over its time; gives how long the rest may still take. */
static int
branch_late(struct branch *b)
{
	int64_t left, now, least = 60 * 1000;
	int i;

	now = io_clock_ms();
	for (i = 0; i < b->nchildren; i++) {
		left = b->children[i].deadline_ms - now;
		/* One that could not be started: its end is told at once. */
		if (b->children[i].pid == 0)
			left = least = 0;
		if (left > 0)
			least = left < least ? left : least;
		if (left > 0 || b->children[i].pid == 0)
			continue;
		b->children[i].is_late = 1;
		/* Its session is its group; it can not have left us. */
		kill(-b->children[i].pid, SIGKILL);
		kill(b->children[i].pid, SIGKILL);
		least = 1000 < least ? 1000 : least;
	}
	return (int)least;
}

static void
on_child(int sig)
{
	(void)sig;	/* it only has to interrupt ppoll */
}

static int
branch_main(struct branch *b)
{
	struct timespec ts;
	struct pollfd pfd;
	sigset_t mask, before;
	struct ipc m;
	int wait_ms;

	if (pipe2(b->broken, O_CLOEXEC | O_NONBLOCK) == -1)
		return EX_OSERR;
	branch_conf(b);
	set_signal(SIGCHLD, on_child);
	sigemptyset(&mask);
	sigaddset(&mask, SIGCHLD);
	sigprocmask(SIG_BLOCK, &mask, &before);
	ipc_init(&m);
	while (b->sock != -1 || b->nchildren > 0) {
		wait_ms = branch_late(b);
		ts.tv_sec = wait_ms / 1000;
		ts.tv_nsec = (wait_ms % 1000) * 1000000L;
		pfd.fd = b->nchildren < b->request->most ? b->sock : -1;
		pfd.events = POLLIN;
		pfd.revents = 0;
		if (ppoll(&pfd, 1, b->nchildren > 0 ? &ts : NULL,
		    &before) == -1 && errno != EINTR)
			break;
		branch_reap(b);
		if (pfd.revents != 0 && b->sock != -1 &&
		    branch_request(b, &m) == -1)
			io_close(&b->sock);
	}
	ipc_fini(&m);
	return 0;
}

/* ---- the stem: out of the caller's reach, then the branches ---- */

/* How the caller is scheduled is not how mail is delivered; not vital. */
static void
usual_schedule(void)
{
#if defined(__linux__)
	struct sched_param param = { 0 };
	cpu_set_t all;
	int fd;

	(void)sched_setscheduler(0, SCHED_OTHER, &param);
	memset(&all, 0xff, sizeof(all));
	(void)sched_setaffinity(0, sizeof(all), &all);
	(void)syscall(SYS_ioprio_set, 1 /* a process */, 0, 0 /* by nice */);
	fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
	if (fd != -1) {
		(void)io_write_all(fd, "0", 1);
		close(fd);
	}
#endif
	(void)setpriority(PRIO_PROCESS, 0, 0);
}

static int
detach(void)
{
	sigset_t none;
	int fd, sig;

	if (setsid() == -1 || setgroups(0, NULL) == -1 || become(0, 0) == -1)
		return -1;
	fd = open("/dev/null", O_RDWR);
	if (fd == -1 || dup2(fd, STDIN_FILENO) == -1 ||
	    dup2(fd, STDOUT_FILENO) == -1 || dup2(fd, STDERR_FILENO) == -1)
		return -1;
	if (fd > STDERR_FILENO)
		close(fd);
	for (sig = 1; sig < NSIG; sig++)
		set_signal(sig, SIG_DFL);
	set_signal(SIGPIPE, SIG_IGN);
	set_signal(SIGXFSZ, SIG_IGN);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	usual_schedule();
	return 0;
}

/* Gives the runner's end of a new branch; -1. */
static int
start_branch(const struct trunk *t, const struct request *request,
    const struct branches *have)
{
	struct branch b;
	int pair[2];
	pid_t pid;

	if (priv_channel(pair) == -1)
		return -1;
	pid = fork();
	if (pid != 0) {
		close(pair[1]);
		if (pid == -1)
			io_close(&pair[0]);
		return pair[0];
	}
	close(pair[0]);
	/* Not ours: else the lock would outlive the runner. */
	close(have->lock);
	if (have->done != -1)
		close(have->done);
	if (have->forward != -1)
		close(have->forward);
	memset(&b, 0, sizeof(b));
	b.trunk = t;
	b.request = request;
	b.sock = pair[1];
	log_init(&b.log, "dma");
	_exit(branch_main(&b));
}

static void
stem_main(const struct trunk *t, int lock, int done, unsigned flags,
    const char *id)
{
	struct branches have;
	struct log log;

	log_init(&log, "dma");
	have.lock = lock;
	have.done = done;
	have.flags = flags;
	have.caller = t->caller.uid;
	text_copy(have.id, sizeof(have.id), id);
	have.forward = have.deliver = -1;
	close(t->sock);
	if (detach() == -1)
		goto fail;
	have.forward = start_branch(t, &requests[0], &have);
	if (have.forward == -1)
		goto fail;
	have.deliver = start_branch(t, &requests[1], &have);
	if (have.deliver == -1)
		goto fail;
	/* The branches are not the runner's children to wait for. */
	set_signal(SIGCHLD, SIG_IGN);
	if (become_spool_user(t) == -1)
		goto fail;
	_exit(t->bodies->runner(&have));
fail:
	log_say(&log, LOG_LEVEL_ERROR, "runner does not start: %s; the queue "
	    "waits for the next", strerror(errno));
	_exit(EX_OSERR);
}

/* ---- the trunk ---- */

/* Blocked, not ignored: one system call, and nothing to put back. */
static void
deafen(int may_end)
{
	sigset_t mask;

	sigfillset(&mask);
	if (may_end) {
		sigdelset(&mask, SIGINT);
		sigdelset(&mask, SIGTERM);
		sigdelset(&mask, SIGHUP);
	}
	sigprocmask(SIG_SETMASK, &mask, NULL);
}

static int
trunk_seal(const struct trunk *t, struct ipc *m)
{
	deafen(ipc_get_u32(m) != 0);
	if (ipc_done(m) == -1 || setresuid(0, 0, 0) == -1)
		return -1;
	not_dumpable();
	ipc_begin(m, IPC_SEALED, 0);
	return ipc_send(t->sock, m);
}

/* One runner under way at a time; the last one's process is collected. */
static void
trunk_run(const struct trunk *t, struct ipc *m, pid_t *stem)
{
	int done, lock;
	char id[QUEUE_ID_MAX + 1];
	unsigned flags;
	pid_t pid;

	if (*stem > 0)
		(void)waitpid(*stem, NULL, 0);
	lock = ipc_take_fd(m, 0);
	done = ipc_take_fd(m, 1);
	flags = ipc_get_u32(m);
	ipc_get_text(m, id, sizeof(id));
	if (lock != -1 && ipc_done(m) == 0) {
		pid = fork();
		if (pid == 0)
			stem_main(t, lock, done, flags, id);
		if (pid == -1)
			log_say(&t->log, LOG_LEVEL_ERROR, "runner does not "
			    "start yet: %s", strerror(errno));
		*stem = pid;
	}
	io_close(&lock);
	io_close(&done);
}

static int
trunk_main(const struct trunk *t, pid_t hall)
{
	struct ipc m;
	int is_sealed = 0, status;
	pid_t stem = 0;

	ipc_init(&m);
	while (ipc_recv(t->sock, &m, IPC_MONITOR_LIMIT) == 1) {
		if (m.kind == IPC_SEAL && m.nfds == 0) {
			if (trunk_seal(t, &m) == -1)
				break;
			is_sealed = 1;
		} else if (m.kind == IPC_RUN && m.nfds > 0 && is_sealed) {
			/* Sealed: a trunk that its caller can stop must not
			 * come to hold the spool's lock. */
			trunk_run(t, &m, &stem);
		} else {
			log_say(&t->log, LOG_LEVEL_ERROR, "trunk: broken "
			    "request");
			break;
		}
	}
	ipc_fini(&m);
	close(t->sock);
	while (waitpid(hall, &status, 0) == -1)
		if (errno != EINTR)
			return EX_OSERR;
	return WIFEXITED(status) ? WEXITSTATUS(status) : EX_TEMPFAIL;
}

/* When the caller kills the trunk, nothing stays that reads their input. */
static int
die_with_trunk(pid_t trunk)
{
#if defined(__linux__)
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) == -1)
		return -1;
#endif
	errno = ESRCH;
	return getppid() == trunk ? 0 : -1;
}

static int
hall_main(struct trunk *t, pid_t trunk, int argc, char **argv)
{
	if (become_spool_user(t) == -1)
		return complain(EX_OSERR, "can not drop privileges",
		    strerror(errno));
	if (die_with_trunk(trunk) == -1)
		return complain(EX_TEMPFAIL, "interrupted", strerror(errno));
	if (sandbox_submit() == -1)
		return complain(EX_OSERR, "sandbox", strerror(errno));
	return t->bodies->hall(&t->caller, t->sock, argc, argv);
}

int
priv_main(int argc, char **argv, const struct bodies *bodies)
{
	struct trunk t;
	int pair[2], status;
	pid_t pid, self;

	memset(&t, 0, sizeof(t));
	log_init(&t.log, "dma");
	t.bodies = bodies;
	t.caller.uid = getuid();
	umask(077);
	if (raise_descriptors() == -1)
		return EX_OSERR;
	if (clean_descriptors(&t.caller) == -1 || chdir("/") == -1)
		return EX_OSERR;
	if (clean_environment(&t.caller) == -1)
		return EX_OSERR;
	clean_signals();
	if (geteuid() != 0)
		return complain(EX_NOPERM, "not set-uid root", "run make perms "
		    "as root; a container or service with no_new_privs can "
		    "not use set-uid programs");
	if (clean_limits() == -1)
		return EX_OSERR;
	status = find_spool_user(&t);
	if (status != 0)
		return status;
	if (priv_channel(pair) == -1)
		return complain(EX_OSERR, "socketpair", strerror(errno));
	self = getpid();
	pid = fork();
	if (pid == -1)
		return complain(EX_TEMPFAIL, "fork", strerror(errno));
	t.sock = pair[pid == 0];
	close(pair[pid != 0]);
	if (pid == 0)
		_exit(hall_main(&t, self, argc, argv));
	return trunk_main(&t, pid);
}

/* ---- for those without privileges ---- */

int
priv_seal(int trunk, int may_end)
{
	struct ipc m;
	int ok;

	deafen(may_end);
	ipc_init(&m);
	ipc_begin(&m, IPC_SEAL, 0);
	ipc_put_u32(&m, may_end != 0);
	ok = ipc_send(trunk, &m) == 0 &&
	    ipc_recv(trunk, &m, IPC_MONITOR_LIMIT) == 1 && m.kind == IPC_SEALED;
	ipc_fini(&m);
	return ok ? 0 : -1;
}

int
priv_run(int trunk, int lock, int done, unsigned flags, const char *id)
{
	struct ipc m;
	int ret;

	ipc_init(&m);
	ipc_begin(&m, IPC_RUN, 0);
	ipc_put_u32(&m, flags);
	ipc_put_str(&m, id);
	ipc_put_fd(&m, lock);
	if (done != -1)
		ipc_put_fd(&m, done);
	ret = ipc_send(trunk, &m);
	ipc_fini(&m);
	return ret;
}

int
priv_channel(int pair[2])
{
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair);
}

static void
say_trouble(const char *what, const char *reason)
{
	struct ipc m;
	char text[512];

	snprintf(text, sizeof(text), "%s: %s", what, reason);
	ipc_init(&m);
	ipc_begin(&m, IPC_REMOTE_TROUBLE, 0);
	ipc_put_str(&m, text);
	ipc_send(STDIN_FILENO, &m);
	ipc_fini(&m);
}

int
priv_spawn_remote(void)
{
	static char name[] = "dma-remote";
	char *argv[] = { name, NULL };
	int error, pair[2];
	pid_t pid;

	if (priv_channel(pair) == -1)
		return -1;
	pid = fork();
	if (pid == 0) {
		set_signal(SIGCHLD, SIG_DFL);
		if (dup2(pair[1], STDIN_FILENO) == STDIN_FILENO)
			execv(REMOTE_FILE, argv);
		say_trouble(REMOTE_FILE " can not be run", strerror(errno));
		_exit(EX_UNAVAILABLE);
	}
	error = errno;
	close(pair[1]);
	if (pid == -1 || io_nonblock(pair[0]) == -1)
		io_close(&pair[0]);
	errno = error;
	return pair[0];
}
