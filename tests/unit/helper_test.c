/*
 * helper_test.c - a root helper at the end of its socket.
 * As root all of it; else what needs no other identity.
 */
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>

#include <fcntl.h>
#include <pwd.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/ipc.h"
#include "priv/helper.h"
#include "priv/records.h"
#include "tests/unit/t.h"

#define USER	"daemon"	/* on every system, and not the spool user */
#define NOBODY	65534
#define WAIT_S	30
#define IDENTITY	200	/* what identity() sends */

struct helped {
	struct spool_user spool;
	int		 sock, file;
	pid_t		 pid;
};

/* The body: tells over the channel who it is, and returns its entry. */
static int
identity(const struct delivery *d, const struct buf *text)
{
	struct ipc m;

	(void)text;
	ipc_init(&m);
	ipc_begin(&m, IDENTITY, d->id);
	ipc_put_u32(&m, getuid());
	ipc_put_u32(&m, geteuid());
	ipc_put_u32(&m, getgid());
	ipc_put_u32(&m, setuid(0) == 0);
	ipc_put_u32(&m, (uint32_t)d->no_command);
	ipc_send(d->channel, &m);
	ipc_fini(&m);
	return (int)d->entry.index;
}

/* Stays until the other end of the channel is closed. */
static int
stay(const struct delivery *d, const struct buf *text)
{
	char c;

	(void)text;
	(void)!write(d->channel, "x", 1);
	(void)!read(d->channel, &c, 1);
	return 0;
}

static void
limit_wait(int sock)
{
	const struct timeval tv = { WAIT_S, 0 };

	assert_int_equal(setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &tv,
	    sizeof(tv)), 0);
}

static void
start(struct helped *h, enum helper_kind kind, helper_body *body)
{
	int pair[2];

	h->spool.uid = geteuid() == 0 ? NOBODY : geteuid();
	h->spool.gid = geteuid() == 0 ? NOBODY : getegid();
	h->file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0,
	    pair), 0);
	h->pid = fork();
	assert_true(h->pid != -1);
	if (h->pid == 0) {
		close(pair[0]);
		_exit(helper_main(kind, pair[1], &h->spool, body));
	}
	close(pair[1]);
	h->sock = pair[0];
	limit_wait(h->sock);
}

static void
end(struct helped *h)
{
	int status;

	close(h->sock);
	close(h->file);
	assert_int_equal(waitpid(h->pid, &status, 0), h->pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* A channel with the spool user at both ends. */
static void
make_channel(const struct helped *h, int pair[2])
{
	uid_t uid = geteuid();

	assert_int_equal(seteuid(h->spool.uid), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0,
	    pair), 0);
	assert_int_equal(seteuid(uid), 0);
	limit_wait(pair[0]);
}

static void
put_delivery(const struct helped *h, struct ipc *m, enum route_kind kind,
    enum origin origin, const char *name)
{
	struct delivery d;

	memset(&d, 0, sizeof(d));
	d.id = 7;
	d.kind = kind;
	d.origin = origin;
	text_copy(d.name, sizeof(d.name), name);
	d.entry.index = 5;
	text_copy(d.queue_id, sizeof(d.queue_id), "3f2a");
	d.checkpoint.length = -1;
	d.message = h->file;
	delivery_request_put(m, &d);
}

/* Adds a channel and sends; gives our end of it. */
static int
ask(const struct helped *h, struct ipc *m)
{
	int pair[2];

	make_channel(h, pair);
	ipc_put_fd(m, pair[1]);
	assert_int_equal(ipc_send(h->sock, m), 0);
	close(pair[1]);
	return pair[0];
}

static int
ask_delivery(const struct helped *h, enum route_kind kind, enum origin origin,
    const char *name)
{
	struct ipc m;
	int fd;

	ipc_init(&m);
	put_delivery(h, &m, kind, origin, name);
	fd = ask(h, &m);
	ipc_fini(&m);
	return fd;
}

static int
ask_forward(const struct helped *h, enum origin origin, const char *name)
{
	struct ipc m;
	int fd;

	ipc_init(&m);
	forward_request_put(&m, 7, origin, name);
	fd = ask(h, &m);
	ipc_fini(&m);
	return fd;
}

/* The exit status that the helper reports of the one delivery. */
static int
exit_status(const struct helped *h)
{
	struct ipc m;
	int status;

	ipc_init(&m);
	assert_int_equal(ipc_recv(h->sock, &m, IPC_DELIVER_LIMIT), 1);
	assert_int_equal(m.kind, IPC_DELIVER_EXIT);
	assert_int_equal(m.id, 7);
	status = (int)ipc_get_u32(&m);
	assert_int_equal(ipc_get_u32(&m), 0);
	assert_int_equal(ipc_done(&m), 0);
	ipc_fini(&m);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static const struct passwd *
other_user(void)
{
	const struct passwd *pw = getpwnam(USER);

	if (geteuid() != 0 || pw == NULL)
		t_skip("only root can do this, with a user " USER);
	return pw;
}

static void
test_a_child_is_the_user(void **state)
{
	const struct passwd *pw = other_user();
	struct helped h;
	struct ipc m;
	int fd;

	(void)state;
	start(&h, HELPER_DELIVER, identity);
	fd = ask_delivery(&h, ROUTE_PIPE, ORIGIN_FORWARD, "DAEMON");
	ipc_init(&m);
	assert_int_equal(ipc_recv(fd, &m, IPC_CHANNEL_LIMIT), 1);
	assert_int_equal(m.kind, IDENTITY);
	assert_int_equal(ipc_get_u32(&m), pw->pw_uid);
	assert_int_equal(ipc_get_u32(&m), pw->pw_uid);
	assert_int_equal(ipc_get_u32(&m), pw->pw_gid);
	assert_int_equal(ipc_get_u32(&m), 0);	/* no way back */
	assert_int_equal(ipc_get_u32(&m), 0);
	assert_int_equal(exit_status(&h), 5);
	close(fd);
	ipc_fini(&m);
	end(&h);
}

/* Root's mailbox is the one thing that root does. */
static void
test_root_has_a_mailbox_and_no_command(void **state)
{
	struct helped h;
	struct ipc m;
	int fd;

	(void)state;
	other_user();
	start(&h, HELPER_DELIVER, identity);
	fd = ask_delivery(&h, ROUTE_MAILBOX, ORIGIN_CALLER, "root");
	ipc_init(&m);
	assert_int_equal(ipc_recv(fd, &m, IPC_CHANNEL_LIMIT), 1);
	assert_int_equal(m.kind, IDENTITY);
	assert_int_equal(ipc_get_u32(&m), 0);
	assert_int_equal(ipc_get_u32(&m), 0);
	ipc_get_u32(&m);
	ipc_get_u32(&m);
	assert_int_equal(ipc_get_u32(&m), 1);
	exit_status(&h);
	close(fd);
	ipc_fini(&m);
	end(&h);
}

static void
test_refused_deliveries(void **state)
{
	static const struct {
		enum route_kind kind;
		enum origin origin;
		const char *name;
		enum status status;
		const char *code;
	} cases[] = {
		{ ROUTE_MAILBOX, ORIGIN_CALLER, "no-such-user", STATUS_FAILED,
		    "5.1.1" },
		{ ROUTE_MAILBOX, ORIGIN_CALLER, "../root", STATUS_FAILED,
		    "5.1.1" },
		{ ROUTE_MAILBOX, ORIGIN_CALLER, "0", STATUS_FAILED, "5.1.1" },
		{ ROUTE_PIPE, ORIGIN_FORWARD, "root", STATUS_FAILED, "5.7.1" },
		{ ROUTE_FILE, ORIGIN_FORWARD, "root", STATUS_FAILED, "5.7.1" },
		/* The spool user of this test, and ALIAS_USER. */
		{ ROUTE_FILE, ORIGIN_FORWARD, "nobody", STATUS_FAILED,
		    "5.7.1" },
		{ ROUTE_PIPE, ORIGIN_ALIASES, "robot", STATUS_FAILED,
		    "5.7.1" },
	};
	struct result res;
	struct helped h;
	struct ipc m;
	size_t i;
	int fd;

	(void)state;
	other_user();
	start(&h, HELPER_DELIVER, identity);
	result_init(&res);
	ipc_init(&m);
	for (i = 0; i < N(cases); i++) {
		fd = ask_delivery(&h, cases[i].kind, cases[i].origin,
		    cases[i].name);
		if (ipc_recv(fd, &m, IPC_CHANNEL_LIMIT) != 1 ||
		    m.kind != IPC_DELIVER_RESULT || m.id != 7)
			fail_msg("case %zu: no result", i);
		assert_int_equal(result_get(&m, &res), 0);
		assert_int_equal(ipc_done(&m), 0);
		assert_int_equal(res.status, cases[i].status);
		assert_string_equal(res.code, cases[i].code);
		assert_int_equal(exit_status(&h), 0);
		close(fd);
	}
	ipc_fini(&m);
	result_fini(&res);
	end(&h);
}

static void
test_refused_questions(void **state)
{
	static const struct {
		enum origin origin;
		const char *name;
		unsigned kind;
		enum forward_verdict verdict;
	} cases[] = {
		{ ORIGIN_FORWARD, "no-such-user", IPC_FORWARD_REPLY,
		    FORWARD_NOUSER },
		{ ORIGIN_FORWARD, "-x", IPC_FORWARD_REPLY, FORWARD_NOUSER },
		{ ORIGIN_FORWARD, "root", IDENTITY, 0 },
		{ ORIGIN_FORWARD, USER, IDENTITY, 0 },
		{ ORIGIN_ALIASES, "no-such-user", IDENTITY, 0 },
	};
	struct helped h;
	struct ipc m;
	size_t i;
	int fd;

	(void)state;
	other_user();
	start(&h, HELPER_FORWARD, identity);
	ipc_init(&m);
	for (i = 0; i < N(cases); i++) {
		fd = ask_forward(&h, cases[i].origin, cases[i].name);
		if (ipc_recv(fd, &m, IPC_CHANNEL_LIMIT) != 1 ||
		    m.kind != cases[i].kind)
			fail_msg("case %zu: kind %u", i, m.kind);
		if (m.kind == IPC_FORWARD_REPLY)
			assert_int_equal(ipc_get_u32(&m), cases[i].verdict);
		close(fd);
	}
	ipc_fini(&m);
	end(&h);
}

/* Homes that never answer: one name does not fill the helper. */
static void
test_one_name_has_few_children(void **state)
{
	static const char *const names[] = { "daemon", "DAEMON", "Daemon",
	    "dAEMON", "daemon", "DAemon", "daEMON", "daemoN" };
	struct helped h;
	int fd[N(names)];
	char c;
	size_t i;

	(void)state;
	other_user();
	start(&h, HELPER_FORWARD, stay);
	for (i = 0; i < N(names); i++) {
		fd[i] = ask_forward(&h, ORIGIN_FORWARD, names[i]);
		assert_int_equal(read(fd[i], &c, 1), 1);
	}
	i = (size_t)ask_forward(&h, ORIGIN_FORWARD, "daemon");
	assert_int_equal(read((int)i, &c, 1), 0);
	close((int)i);
	/* Nobody else is concerned, nor an alias of that name. */
	i = (size_t)ask_forward(&h, ORIGIN_FORWARD, "root");
	assert_int_equal(read((int)i, &c, 1), 1);
	close((int)i);
	i = (size_t)ask_forward(&h, ORIGIN_ALIASES, "daemon");
	assert_int_equal(read((int)i, &c, 1), 1);
	close((int)i);
	for (i = 0; i < N(names); i++)
		close(fd[i]);
	end(&h);
}

/* It ends with its last child, when the runner is long gone. */
static void
test_the_end_of_the_runner(void **state)
{
	struct helped h;
	char c;
	int fd;

	(void)state;
	other_user();
	start(&h, HELPER_DELIVER, stay);
	fd = ask_delivery(&h, ROUTE_MAILBOX, ORIGIN_CALLER, USER);
	assert_int_equal(read(fd, &c, 1), 1);
	close(h.sock);
	h.sock = -1;
	assert_int_equal(waitpid(h.pid, NULL, WNOHANG), 0);
	close(fd);
	end(&h);
}

static void
ask_to_cancel(const struct helped *h, uint32_t id)
{
	struct ipc m;

	ipc_init(&m);
	ipc_begin(&m, IPC_DELIVER_CANCEL, id);
	assert_int_equal(ipc_send(h->sock, &m), 0);
	ipc_fini(&m);
}

/* The child of that request alone is killed, as one that is late. */
static void
test_a_cancelled_child_is_killed(void **state)
{
	struct helped h;
	struct ipc m;
	char c;
	int fd;

	(void)state;
	other_user();
	start(&h, HELPER_DELIVER, stay);
	fd = ask_delivery(&h, ROUTE_PIPE, ORIGIN_FORWARD, USER);
	assert_int_equal(read(fd, &c, 1), 1);
	ask_to_cancel(&h, 8);		/* there is none */
	ask_to_cancel(&h, 7);
	ipc_init(&m);
	assert_int_equal(ipc_recv(h.sock, &m, IPC_DELIVER_LIMIT), 1);
	assert_int_equal(m.kind, IPC_DELIVER_EXIT);
	assert_int_equal(m.id, 7);
	assert_true(WIFSIGNALED(ipc_get_u32(&m)));
	assert_int_equal(ipc_get_u32(&m), 1);
	ipc_fini(&m);
	close(fd);
	end(&h);
}

/* Nobody is served with an identity that could not be taken. */
static void
test_without_root_nothing_is_done(void **state)
{
	struct helped h;
	char c;
	int fd;

	(void)state;
	if (geteuid() == 0)
		t_skip("not for root");
	start(&h, HELPER_DELIVER, identity);
	fd = ask_delivery(&h, ROUTE_MAILBOX, ORIGIN_CALLER, USER);
	assert_int_equal(read(fd, &c, 1), 0);
	assert_int_equal(exit_status(&h), EX_OSERR);
	close(fd);
	end(&h);
}

enum fault { OF_NO_KIND, OF_THE_OTHER, CUT, LONGER, TOO_LONG, NO_CHANNEL,
    A_PIPE, A_STREAM, OF_ANOTHER, FAULTS };

static void
spoil(const struct helped *h, struct ipc *m, enum fault fault, int pair[2])
{
	make_channel(h, pair);
	if (fault == OF_NO_KIND)
		m->kind = 99;
	else if (fault == OF_THE_OTHER)
		m->kind = m->kind == IPC_FORWARD_REQUEST ?
		    IPC_DELIVER_REQUEST : IPC_FORWARD_REQUEST;
	else if (fault == CUT)
		m->fields.len--;
	else if (fault == LONGER)
		ipc_put_u32(m, 0);
	else if (fault == TOO_LONG)
		while (m->fields.len <= IPC_DELIVER_LIMIT)
			ipc_put_u32(m, 0);
	if (fault < A_PIPE)
		return;
	close(pair[0]);
	close(pair[1]);
	if (fault == A_PIPE)
		assert_int_equal(pipe(pair), 0);
	else
		assert_int_equal(socketpair(AF_UNIX, fault == A_STREAM ?
		    SOCK_STREAM : SOCK_SEQPACKET, 0, pair), 0);
}

static void
malformed(enum helper_kind kind, enum fault fault)
{
	struct helped h;
	struct ipc m;
	int pair[2];

	start(&h, kind, identity);
	ipc_init(&m);
	if (kind == HELPER_FORWARD)
		forward_request_put(&m, 7, ORIGIN_FORWARD, USER);
	else
		put_delivery(&h, &m, ROUTE_MAILBOX, ORIGIN_CALLER, USER);
	spoil(&h, &m, fault, pair);
	if (fault != NO_CHANNEL)
		ipc_put_fd(&m, pair[1]);
	assert_int_equal(ipc_send(h.sock, &m), 0);
	if (ipc_recv(h.sock, &m, IPC_DELIVER_LIMIT) != 0)
		fail_msg("helper %d, fault %d", kind, fault);
	close(pair[0]);
	close(pair[1]);
	ipc_fini(&m);
	end(&h);
}

static void
test_a_malformed_request_ends_the_helper(void **state)
{
	int fault;

	(void)state;
	for (fault = 0; fault < FAULTS; fault++) {
		/* Without root everybody is the spool user. */
		if (fault == OF_ANOTHER && geteuid() != 0)
			continue;
		malformed(HELPER_FORWARD, (enum fault)fault);
		malformed(HELPER_DELIVER, (enum fault)fault);
	}
}

/* Nothing comes with these; the forward helper has nothing to cancel. */
static void
test_a_record_without_fields_that_has_some(void **state)
{
	static const struct {
		enum helper_kind helper;
		uint32_t	 kind;
		int		 has_field;
	} cases[] = {
		{ HELPER_DELIVER, IPC_HELPER_SUCCESSOR, 1 },
		{ HELPER_DELIVER, IPC_DELIVER_CANCEL, 1 },
		{ HELPER_FORWARD, IPC_DELIVER_CANCEL, 0 },
	};
	struct helped h;
	struct ipc m;
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		start(&h, cases[i].helper, identity);
		ipc_init(&m);
		ipc_begin(&m, cases[i].kind, 0);
		if (cases[i].has_field)
			ipc_put_u32(&m, 1);
		assert_int_equal(ipc_send(h.sock, &m), 0);
		assert_int_equal(ipc_recv(h.sock, &m, IPC_DELIVER_LIMIT), 0);
		ipc_fini(&m);
		end(&h);
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_child_is_the_user),
		cmocka_unit_test(test_root_has_a_mailbox_and_no_command),
		cmocka_unit_test(test_refused_deliveries),
		cmocka_unit_test(test_refused_questions),
		cmocka_unit_test(test_one_name_has_few_children),
		cmocka_unit_test(test_the_end_of_the_runner),
		cmocka_unit_test(test_without_root_nothing_is_done),
		cmocka_unit_test(test_a_malformed_request_ends_the_helper),
		cmocka_unit_test(test_a_record_without_fields_that_has_some),
		cmocka_unit_test(test_a_cancelled_child_is_killed),
	};

	return cmocka_run_group_tests_name("helper", tests, NULL, NULL);
}
