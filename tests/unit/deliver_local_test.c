/*
 * deliver_local_test.c - local deliveries: what a child may say, what is
 * believed, and what becomes of a message that nobody speaks of.
 * The test is the delivery helper and its children.
 */
#include <sys/socket.h>

#include <signal.h>
#include <unistd.h>

#include "lib/io.h"
#include "priv/delivery_request.h"
#include "priv/records.h"
#include "queue/deliver_local.h"
#include "queue/status.h"
#include "tests/unit/t_active.h"

#define CODE(n)	((n) << 8)	/* wait status of an exit status */

struct world {
	struct t_active	 t;
	struct local_helper h;
	int		 helper;	/* the helper's end */
	int		 child;		/* the child's end of its channel */
	uint32_t	 id;		/* of the latest request */
};

#define LOST_MAX	8	/* as in deliver_local.c */

static int
setup_with(void **state, const char *conf)
{
	struct world *w = calloc(1, sizeof(*w));
	int pair[2];

	assert_non_null(w);
	t_active_init(&w->t, conf);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	assert_int_equal(io_nonblock(pair[0]), 0);
	assert_int_equal(io_nonblock(pair[1]), 0);
	local_init(&w->h, &w->t.active, pair[0]);
	w->helper = pair[1];
	w->child = -1;
	*state = w;
	return 0;
}

static int
setup(void **state)
{
	return setup_with(state, "");
}

static int
setup_maildir(void **state)
{
	return setup_with(state, "MAILBOX maildir ~/Maildir\n");
}

static int
setup_command(void **state)
{
	return setup_with(state, "MAILBOX command /opt/mda -d\n");
}

static int
teardown(void **state)
{
	struct world *w = *state;
	int i;

	for (i = 0; i < CHILDREN_MAX; i++) {
		io_close(&w->h.children[i].channel);
		io_close(&w->h.children[i].output);
		buf_fini(&w->h.children[i].text);
		result_fini(&w->h.children[i].res);
		free(w->h.children[i].requests);
	}
	io_close(&w->h.socket.fd);
	io_close(&w->helper);
	io_close(&w->child);
	t_active_fini(&w->t);
	free(w);
	return 0;
}

/* A message for bob that is to be delivered. */
static struct active_message *
message(struct world *w, const char *id)
{
	struct active_message *a;

	t_active_commit(&w->t, id, "bob", NULL);
	a = t_active_load(&w->t, id);
	assert_non_null(a);
	a->m.rcpts[0].owner = strdup("bob");
	t_active_stage(a, 0, STAGE_LOCAL);
	return a;
}

/* Reads the request for a new child, or the next message of the same. */
static void
receive(struct world *w, int is_next, const char *queue_id)
{
	struct delivery d;
	struct ipc m;

	memset(&d, 0, sizeof(d));
	ipc_init(&m);
	if (is_next) {
		assert_int_equal(ipc_recv(w->child, &m, IPC_DELIVER_LIMIT), 1);
		assert_int_equal(m.kind, IPC_DELIVER_NEXT);
		assert_int_equal(delivery_next_get(&m, &d), 0);
	} else {
		assert_int_equal(ipc_recv(w->helper, &m, IPC_DELIVER_LIMIT),
		    1);
		assert_int_equal(m.kind, IPC_DELIVER_REQUEST);
		assert_int_equal(delivery_request_get(&m, &d), 0);
		assert_string_equal(d.name, "bob");
		io_close(&w->child);
		w->child = d.channel;
		assert_int_equal(io_nonblock(w->child), 0);
	}
	w->id = m.id;
	assert_string_equal(d.queue_id, queue_id);
	assert_string_equal(d.recipient, "bob@host.example.org");
	/* Whoever has it cannot write to it. */
	assert_int_equal(write(d.message, "x", 1), -1);
	close(d.message);
	ipc_fini(&m);
}

static struct local_child *
child(struct world *w)
{
	return &w->h.children[0];
}

static void
turn(struct world *w)
{
	if (child(w)->channel != -1)
		local_read_channel(&w->h, child(w));
	if (child(w)->output != -1)
		local_read_output(child(w));
}

static void
send_checkpoint(struct world *w, uint32_t id, int64_t length)
{
	struct ipc m;

	ipc_init(&m);
	ipc_begin(&m, IPC_DELIVER_CHECKPOINT, id);
	ipc_put_u64(&m, 1);
	ipc_put_u64(&m, 2);
	ipc_put_u64(&m, (uint64_t)length);
	assert_int_equal(ipc_send(w->child, &m), 0);
	ipc_fini(&m);
	turn(w);
}

static void
send_result(struct world *w, uint32_t id, enum status status)
{
	struct result res;
	struct ipc m;

	ipc_init(&m);
	result_init(&res);
	result_set(&res, status, status == STATUS_SENT ? "2.0.0" :
	    status == STATUS_FAILED ? "5.0.0" : "4.2.0", "so it went");
	ipc_begin(&m, IPC_DELIVER_RESULT, id);
	result_put(&m, &res);
	assert_int_equal(ipc_send(w->child, &m), 0);
	ipc_fini(&m);
	result_fini(&res);
	turn(w);
}

/* It becomes a command that writes text. */
static void
send_output(struct world *w, const char *text)
{
	struct ipc m;
	int p[2];

	assert_int_equal(pipe(p), 0);
	assert_int_equal(write(p[1], text, strlen(text)), strlen(text));
	ipc_init(&m);
	ipc_begin(&m, IPC_DELIVER_OUTPUT, w->id);
	ipc_put_fd(&m, p[0]);
	assert_int_equal(ipc_send(w->child, &m), 0);
	ipc_fini(&m);
	close(p[0]);
	close(p[1]);
	turn(w);
}

/* id: of its first request. */
static void
send_exit(struct world *w, uint32_t id, int status, int is_late)
{
	struct ipc m;

	io_close(&w->child);
	ipc_init(&m);
	ipc_begin(&m, IPC_DELIVER_EXIT, id);
	ipc_put_u32(&m, (uint32_t)status);
	ipc_put_u32(&m, (uint32_t)is_late);
	assert_int_equal(ipc_send(w->helper, &m), 0);
	ipc_fini(&m);
	local_read_exits(&w->h);
}

/* The id that the child is acknowledged; 0: nothing, -1: the end. */
static int64_t
acknowledged(struct world *w)
{
	int64_t id = 0;
	struct ipc m;
	int n;

	ipc_init(&m);
	n = ipc_recv(w->child, &m, IPC_DELIVER_LIMIT);
	if (n == 1) {
		assert_int_equal(m.kind, IPC_DELIVER_ACKNOWLEDGE);
		id = m.id;
	} else if (n == 0)
		id = -1;
	ipc_fini(&m);
	return id;
}

static const struct result *
last(const struct active_message *a)
{
	return &a->m.rcpts[0].last;
}

static int	 syncs, is_bad_disk;

int
fdatasync(int fd)
{
	(void)fd;
	syncs++;
	return is_bad_disk ? -1 : 0;
}

/* Nothing is written into a mailbox before its place is durable. */
static void
test_acknowledged_when_durable(void **state)
{
	struct world *w = *state;
	struct active_message *a = message(w, "a");

	syncs = is_bad_disk = 0;
	local_give(&w->h, a, 0);
	assert_int_equal(a->attempts[0].stage, STAGE_BUSY);
	receive(w, 0, "a");
	send_checkpoint(w, w->id, 77);
	assert_int_equal(a->m.rcpts[0].checkpoint.length, 77);
	assert_int_equal(syncs, 0);
	assert_int_equal(acknowledged(w), 0);
	status_record(&w->t.active);
	assert_int_equal(syncs, 1);
	assert_int_equal(acknowledged(w), 0);
	local_acknowledge(&w->h);
	assert_int_equal(acknowledged(w), w->id);
	local_acknowledge(&w->h);
	assert_int_equal(acknowledged(w), 0);
	send_result(w, w->id, STATUS_SENT);
	assert_int_equal(a->attempts[0].stage, STAGE_DECIDED);
	/* The checkpoint tells of it: no sync more. */
	status_record(&w->t.active);
	assert_int_equal(syncs, 1);
}

static void
test_not_durable(void **state)
{
	struct world *w = *state;
	struct active_message *a = message(w, "a");

	is_bad_disk = 1;
	local_give(&w->h, a, 0);
	receive(w, 0, "a");
	send_checkpoint(w, w->id, 77);
	status_record(&w->t.active);
	assert_int_equal(local_acknowledge(&w->h), 1);
	assert_int_equal(acknowledged(w), -1);
	/* Nothing was begun: deferred for that reason, and not counted. */
	assert_int_equal(a->attempts[0].stage, STAGE_DECIDED);
	assert_int_equal(a->m.rcpts[0].checkpoint.length, -1);
	status_record(&w->t.active);
	assert_int_equal(a->m.rcpts[0].attempts, 0);
	assert_int_equal(a->m.rcpts[0].state, RCPT_OPEN);
	assert_non_null(strstr(a->m.rcpts[0].last.reason, "journal"));
	is_bad_disk = 0;
	send_exit(w, w->id, CODE(1), 0);
	assert_int_equal(a->attempts[0].stage, STAGE_DONE);
}

/* n checkpoints of one message each cost one sync each, in one turn. */
static void
test_several_for_one_mbox(void **state)
{
	struct world *w = *state;
	struct active_message *a[3];
	uint32_t ids[3];
	char id[4];
	int i;

	syncs = is_bad_disk = 0;
	for (i = 0; i < 3; i++) {
		snprintf(id, sizeof(id), "a%d", i);
		a[i] = message(w, id);
		local_give(&w->h, a[i], 0);
		receive(w, i > 0, id);
		ids[i] = w->id;
	}
	for (i = 0; i < 3; i++)
		send_checkpoint(w, ids[i], 100 * i);
	status_record(&w->t.active);
	local_acknowledge(&w->h);
	assert_int_equal(syncs, 3);
	for (i = 0; i < 3; i++)
		assert_int_equal(acknowledged(w), ids[i]);
	for (i = 0; i < 3; i++)
		send_result(w, ids[i], i == 1 ? STATUS_DEFERRED :
		    STATUS_SENT);
	for (i = 0; i < 3; i++)
		assert_int_equal(last(a[i])->status, i == 1 ?
		    STATUS_DEFERRED : STATUS_SENT);
	/* Cut back: nothing is looked for at that place any more. */
	assert_int_equal(a[1]->m.rcpts[0].checkpoint.length, -1);
	assert_int_equal(a[2]->m.rcpts[0].checkpoint.length, 200);
	send_exit(w, ids[0], 0, 0);
	assert_int_equal(child(w)->state, CHILD_FREE);
}

/* What is at hand goes to the same child, but not another user's. */
static void
test_takes_more(void **state)
{
	static const struct {
		const char	*owner;
		enum route_kind	 kind;
		int64_t		 age_ms;
		int		 is_taken;
	} cases[] = {
		{ "bob", ROUTE_MAILBOX, 0, 1 },
		{ "bob", ROUTE_UNKNOWN, 0, 1 },
		{ "Bob", ROUTE_MAILBOX, 0, 0 },
		{ "bob", ROUTE_PIPE, 0, 0 },
		{ "bob", ROUTE_FILE, 0, 0 },
		{ "bob", ROUTE_MAILBOX, 20000, 0 },
	};
	struct world *w = *state;
	struct active_message *a = message(w, "a"), *b = message(w, "b");
	size_t i;

	local_give(&w->h, a, 0);
	receive(w, 0, "a");
	for (i = 0; i < N(cases); i++) {
		free(b->m.rcpts[0].owner);
		b->m.rcpts[0].owner = strdup(cases[i].owner);
		b->m.rcpts[0].kind = cases[i].kind;
		t_active_stage(b, 0, STAGE_LOCAL);
		child(w)->born_ms = io_clock_ms() - cases[i].age_ms;
		local_give(&w->h, b, 0);
		assert_int_equal(b->attempts[0].stage, cases[i].is_taken ?
		    STAGE_BUSY : STAGE_LOCAL);
		if (cases[i].is_taken)
			receive(w, 1, "b");
	}
}

static void
test_slow_and_crowded(void **state)
{
	struct world *w = *state;
	struct active_message *a = message(w, "a"), *b = message(w, "b");

	b->m.rcpts[0].kind = ROUTE_PIPE;
	local_give(&w->h, a, 0);
	child(w)->moved_ms -= 2 * SLOW_MS;
	local_give(&w->h, b, 0);
	assert_int_equal(b->attempts[0].stage, STAGE_LOCAL);
	t_active_crowd(&w->t, ACTIVE_MAX);
	local_give(&w->h, b, 0);
	assert_int_equal(b->attempts[0].stage, STAGE_NONE);
	assert_true(b->m.rcpts[0].due > time(NULL));
	t_active_crowd(&w->t, 2);
}

/* A single delivery: its result holds when its process ends well. */
static void
test_single(void **state)
{
	static const struct {
		int		 says;		/* enum status, or 0 */
		int		 status, is_late;
		enum status	 got;
		const char	*reason;
	} cases[] = {
		{ STATUS_SENT, 0, 0, STATUS_SENT, "so it went" },
		{ STATUS_FAILED, 0, 0, STATUS_FAILED, "so it went" },
		{ STATUS_SENT, CODE(1), 0, STATUS_DEFERRED,
		    "the delivery process exited unexpectedly" },
		{ STATUS_SENT, SIGKILL, 1, STATUS_DEFERRED,
		    "delivery timed out and was killed" },
		{ 0, 0, 0, STATUS_DEFERRED,
		    "the delivery process exited unexpectedly" },
		{ 0, SIGKILL, 1, STATUS_DEFERRED,
		    "delivery timed out and was killed" },
	};
	struct world *w = *state;
	struct active_message *a = message(w, "a");
	size_t i;

	for (i = 0; i < N(cases); i++) {
		t_active_stage(a, 0, STAGE_LOCAL);
		a->open = 1;
		local_give(&w->h, a, 0);
		receive(w, 0, "a");
		if (cases[i].says != 0)
			send_result(w, w->id, (enum status)cases[i].says);
		assert_int_equal(a->attempts[0].stage, STAGE_BUSY);
		send_exit(w, w->id, cases[i].status, cases[i].is_late);
		assert_int_equal(a->attempts[0].stage, STAGE_DECIDED);
		assert_int_equal(last(a)->status, cases[i].got);
		assert_string_equal(last(a)->reason, cases[i].reason);
	}
}

static void
test_command(void **state)
{
	static const struct {
		int		 status, is_late;
		const char	*output;
		enum status	 got;
		const char	*code, *reason;
	} cases[] = {
		{ CODE(0), 0, "", STATUS_SENT, "2.0.0",
		    "delivered to command" },
		{ CODE(0), 0, "all\nis well", STATUS_SENT, "2.0.0",
		    "delivered to command: all is well" },
		{ CODE(75), 0, "", STATUS_DEFERRED, "4.3.0",
		    "command exited with status 75" },
		{ CODE(67), 0, "", STATUS_FAILED, "5.1.1",
		    "command exited with status 67" },
		{ CODE(1), 0, "\001x", STATUS_FAILED, "5.3.0",
		    "command exited with status 1: \\001x" },
		{ SIGSEGV, 0, "", STATUS_DEFERRED, "4.3.0",
		    "command was terminated by signal 11" },
		{ SIGKILL, 1, "x", STATUS_DEFERRED, "4.3.0",
		    "command timed out and was killed: x" },
	};
	struct world *w = *state;
	struct active_message *a = message(w, "a");
	size_t i;

	a->m.rcpts[0].kind = ROUTE_PIPE;
	a->m.rcpts[0].origin = ORIGIN_FORWARD;
	for (i = 0; i < N(cases); i++) {
		t_active_stage(a, 0, STAGE_LOCAL);
		a->open = 1;
		local_give(&w->h, a, 0);
		receive(w, 0, "a");
		send_output(w, cases[i].output);
		assert_int_equal(child(w)->state, CHILD_EXECED);
		send_exit(w, w->id, cases[i].status, cases[i].is_late);
		assert_int_equal(last(a)->status, cases[i].got);
		assert_int_equal(last(a)->source, SOURCE_COMMAND);
		assert_string_equal(last(a)->code, cases[i].code);
		assert_string_equal(last(a)->reason, cases[i].reason);
	}
}

/*
 * It, or one in it, was not run.  The command and what a shell said of it are
 * not in the reason, which the sender may read.
 */
static void
test_command_is_not_run(void **state)
{
#define NO_127	"command exited with status 127: it, or a command that it "  \
		"runs, does not exist"
#define NO_126	"command exited with status 126: it, or a command that it "  \
		"runs, cannot be executed"
	static const struct {
		enum route_kind	 kind;
		enum origin	 origin;
		int		 status;
		const char	*output, *reason, *detail;
	} cases[] = {
		{ ROUTE_PIPE, ORIGIN_FORWARD, 127, "sh: bob:\nnot found",
		    NO_127, "bob: install it, or correct the .forward file of "
		    "bob: sh: bob: not found" },
		{ ROUTE_PIPE, ORIGIN_ALIASES, 127, "", NO_127,
		    "bob: install it, or correct the alias bob" },
		{ ROUTE_PIPE, ORIGIN_FORWARD, 126, "\001", NO_126,
		    "bob: make it executable, or correct the .forward file of "
		    "bob: \\001" },
		{ ROUTE_MAILBOX, ORIGIN_CALLER, 127, "", NO_127,
		    "/opt/mda -d: install it, or correct MAILBOX of "
		    "dma.conf" },
	};
	struct world *w = *state;
	struct active_message *a = message(w, "a");
	size_t i;

	for (i = 0; i < N(cases); i++) {
		a->m.rcpts[0].kind = cases[i].kind;
		a->m.rcpts[0].origin = cases[i].origin;
		t_active_stage(a, 0, STAGE_LOCAL);
		a->open = 1;
		local_give(&w->h, a, 0);
		receive(w, 0, "a");
		send_output(w, cases[i].output);
		send_exit(w, w->id, CODE(cases[i].status), 0);
		assert_int_equal(last(a)->status, STATUS_DEFERRED);
		assert_int_equal(last(a)->source, SOURCE_COMMAND);
		assert_string_equal(last(a)->code, "4.3.0");
		assert_string_equal(last(a)->reason, cases[i].reason);
		assert_string_equal(last(a)->detail, cases[i].detail);
	}
}

/* Another child looks at the checkpoint first; in the end it is deferred. */
static void
test_lost(void **state)
{
	struct world *w = *state;
	struct active_message *a = message(w, "a");
	int i;

	for (i = 0; i <= LOST_MAX; i++) {
		local_give(&w->h, a, 0);
		receive(w, 0, "a");
		send_checkpoint(w, w->id, 5);
		send_exit(w, w->id, SIGKILL, 0);
		assert_int_equal(a->attempts[0].stage, i < LOST_MAX ?
		    STAGE_LOCAL : STAGE_DECIDED);
		assert_int_equal(a->m.rcpts[0].checkpoint.length, 5);
	}
	assert_int_equal(last(a)->status, STATUS_DEFERRED);
}

/* One that left in order did not begin what it has not spoken of. */
static void
test_left(void **state)
{
	struct world *w = *state;
	struct active_message *a = message(w, "a"), *b = message(w, "b");
	uint32_t first;

	local_give(&w->h, a, 0);
	receive(w, 0, "a");
	first = w->id;
	local_give(&w->h, b, 0);
	receive(w, 1, "b");
	send_checkpoint(w, w->id, 9);
	send_result(w, first, STATUS_SENT);
	io_close(&w->child);
	turn(w);
	assert_int_equal(child(w)->state, CHILD_LEFT);
	send_exit(w, first, 0, 0);
	assert_int_equal(b->attempts[0].stage, STAGE_LOCAL);
	assert_int_equal(b->attempts[0].nlost, 0);
	assert_int_equal(b->m.rcpts[0].checkpoint.length, -1);
}

/* What is out of turn ends the channel, and is not believed. */
static void
test_out_of_turn(void **state)
{
	struct world *w = *state;
	struct active_message *a = message(w, "a"), *b;

	local_give(&w->h, a, 0);
	receive(w, 0, "a");
	send_result(w, w->id + 1, STATUS_SENT);
	assert_int_equal(child(w)->state, CHILD_CUT);
	assert_int_equal(child(w)->channel, -1);
	assert_int_equal(a->attempts[0].stage, STAGE_BUSY);
	send_exit(w, w->id, 0, 0);
	/* Two checkpoints for one message. */
	b = message(w, "b");
	local_give(&w->h, b, 0);
	receive(w, 0, "b");
	send_checkpoint(w, w->id, 1);
	send_checkpoint(w, w->id, 2);
	assert_int_equal(child(w)->state, CHILD_CUT);
	assert_int_equal(b->m.rcpts[0].checkpoint.length, 1);
	send_exit(w, w->id, 0, 0);
	local_give(&w->h, b, 0);
	receive(w, 0, "b");
	send_checkpoint(w, w->id, -2);
	assert_int_equal(child(w)->state, CHILD_CUT);
}

static void
test_all_children_are_busy(void **state)
{
	struct world *w = *state;
	struct active_message *a;
	char name[16];
	int i;

	for (i = 0; i <= CHILDREN_MAX; i++) {
		snprintf(name, sizeof(name), "m%02d", i);
		a = message(w, name);
		free(a->m.rcpts[0].owner);
		snprintf(name, sizeof(name), "user%d", i);
		a->m.rcpts[0].owner = strdup(name);
		a->entry->submitter = turns_submitter(&w->t.active.turns,
		    (uint32_t)i);
		local_give(&w->h, a, 0);
		assert_int_equal(a->attempts[0].stage, i < CHILDREN_MAX ?
		    STAGE_BUSY : STAGE_LOCAL);
	}
	assert_int_equal(a->pass.full, PASS_NO_CHILD);
	assert_int_not_equal(w->h.children[3].channel, -1);
	/* One that is idle is let go, to make room. */
	w->h.children[3].n = 0;
	local_give(&w->h, a, 0);
	assert_int_equal(a->attempts[0].stage, STAGE_LOCAL);
	assert_int_equal(w->h.children[3].channel, -1);
}

static void
test_helper_ends(void **state)
{
	struct world *w = *state;
	struct active_message *a = message(w, "a");

	local_give(&w->h, a, 0);
	receive(w, 0, "a");
	io_close(&w->child);
	io_close(&w->helper);
	local_read_exits(&w->h);
	assert_int_equal(w->h.socket.fd, -1);
	assert_int_equal(a->attempts[0].stage, STAGE_LOCAL);
	/* It is for the next runner: not an attempt. */
	a->is_forced = 1;
	local_give(&w->h, a, 0);
	assert_int_equal(a->attempts[0].stage, STAGE_NONE);
	assert_int_equal(last(a)->status, STATUS_NONE);
	assert_true(a->is_partial && !a->is_forced);
}

/* The id of the child that the helper is asked to kill; 0: none. */
static uint32_t
cancelled(struct world *w)
{
	uint32_t id = 0;
	struct ipc m;

	ipc_init(&m);
	if (ipc_recv(w->helper, &m, IPC_DELIVER_LIMIT) == 1) {
		assert_int_equal(m.kind, IPC_DELIVER_CANCEL);
		id = m.id;
	}
	ipc_fini(&m);
	return id;
}

enum progress { GIVEN, CHECKPOINT, ACKNOWLEDGED, PROGRESS };

/*
 * A child that has begun an append ends it; one that is to be killed begins
 * none, and its other message is for another child.
 */
static void
test_cancelled(void **state)
{
	struct world *w = *state;
	struct active_message *a = message(w, "a"), *b = message(w, "b");
	enum progress progress;
	uint32_t id;

	assert_int_equal(io_nonblock(w->helper), 0);
	for (progress = GIVEN; progress < PROGRESS; progress++) {
		t_active_stage(a, 0, STAGE_LOCAL);
		t_active_stage(b, 0, STAGE_LOCAL);
		local_give(&w->h, a, 0);
		receive(w, 0, "a");
		id = w->id;
		local_give(&w->h, b, 0);
		receive(w, 1, "b");
		if (progress >= CHECKPOINT)
			send_checkpoint(w, id, 10);
		status_record(&w->t.active);
		if (progress == ACKNOWLEDGED) {
			assert_int_equal(local_acknowledge(&w->h), 0);
			assert_int_equal(acknowledged(w), id);
		}
		local_cancel(&w->h, a);
		assert_int_equal(cancelled(w), progress < ACKNOWLEDGED ? id :
		    0);
		if (progress == ACKNOWLEDGED)
			return;
		local_cancel(&w->h, a);
		assert_int_equal(cancelled(w), 0);
		assert_int_equal(local_acknowledge(&w->h), 0);
		assert_int_equal(acknowledged(w), 0);
		send_exit(w, id, SIGKILL, 1);
		assert_int_equal(a->attempts[0].stage, STAGE_LOCAL);
		assert_int_equal(b->attempts[0].stage, STAGE_LOCAL);
	}
}

static void
test_idle(void **state)
{
	struct world *w = *state;
	struct active_message *a = message(w, "a");

	assert_int_equal(local_linger(&w->h), -1);
	local_give(&w->h, a, 0);
	receive(w, 0, "a");
	assert_int_equal(local_linger(&w->h), -1);
	send_result(w, w->id, STATUS_SENT);
	assert_in_range(local_linger(&w->h), 1, LINGER_MS);
	child(w)->moved_ms -= LINGER_MS;
	assert_int_equal(local_linger(&w->h), -1);
	assert_int_equal(child(w)->channel, -1);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		CASE(test_acknowledged_when_durable),
		CASE(test_not_durable),
		CASE(test_several_for_one_mbox),
		CASE(test_takes_more),
		CASE(test_slow_and_crowded),
		cmocka_unit_test_setup_teardown(test_single, setup_maildir,
		    teardown),
		CASE(test_command),
		cmocka_unit_test_setup_teardown(test_command_is_not_run,
		    setup_command, teardown),
		CASE(test_lost),
		CASE(test_left),
		CASE(test_out_of_turn),
		CASE(test_all_children_are_busy),
		CASE(test_helper_ends),
		CASE(test_cancelled),
		CASE(test_idle),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests_name("deliver_local", tests, NULL, NULL);
}
