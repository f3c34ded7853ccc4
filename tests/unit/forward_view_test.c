/*
 * forward_view_test.c - what is shown of a .forward, whatever the process that
 * reads it replies.  A process of the test stands for the runner and that one.
 */
#include <sys/wait.h>

#include <poll.h>
#include <unistd.h>

#include "lib/io.h"
#include "submit/forward_view.h"
#include "tests/unit/t_queue.h"

#define WAIT_MS	30000

/* What it replies; fields: the lists, path and text in turn, up to NULL. */
struct script {
	const char *end;	/* the byte for the caller, and a reason */
	size_t	 end_len;
	uint32_t kind, verdict;	/* kind 0: no record */
	const char *text;	/* NULL: none */
	const char *fields[5];
};

static void
put_reply(struct ipc *m, const struct script *s)
{
	size_t i;

	ipc_begin(m, s->kind, 0);
	ipc_put_u32(m, s->verdict);
	if (s->text == NULL)
		return;
	ipc_put_bytes(m, s->text, strlen(s->text));
	for (i = 0; i < N(s->fields) && s->fields[i] != NULL; i++)
		ipc_put_bytes(m, s->fields[i], strlen(s->fields[i]));
}

/* The request is to be for bob. */
static void
serve(const struct t_wake *q, const struct script *s)
{
	char name[LOGIN_MAX + 1];
	int channel, child, pipe;
	struct ipc m;

	ipc_init(&m);
	if (io_wait(q->wake, POLLIN, io_clock_ms() + WAIT_MS) != 1 ||
	    ipc_recv(q->wake, &m, IPC_WAKE_LIMIT) != 1)
		_exit(1);
	channel = ipc_take_fd(&m, 0);
	if (ipc_recv(channel, &m, IPC_WAKE_LIMIT) != 1 ||
	    m.kind != IPC_FORWARD_SHOW)
		_exit(2);
	ipc_get_text(&m, name, sizeof(name));
	child = ipc_take_fd(&m, 0);
	pipe = ipc_take_fd(&m, 1);
	if (ipc_done(&m) == -1 || strcmp(name, "bob") != 0 || child == -1 ||
	    pipe == -1)
		_exit(3);
	if (write(pipe, s->end, s->end_len) != (ssize_t)s->end_len)
		_exit(4);
	close(pipe);
	if (s->kind != 0) {
		put_reply(&m, s);
		if (ipc_send(child, &m) == -1)
			_exit(5);
	}
	_exit(0);
}

static int
view(const struct script *s, struct forward_seen *seen)
{
	static const struct caller caller = { .uid = 1234 };
	struct forward_view v;
	struct t_wake q;
	int ret, status;
	pid_t pid;

	t_wake_init(&q);
	fflush(NULL);
	pid = fork();
	assert_true(pid != -1);
	if (pid == 0)
		serve(&q, s);
	forward_view_init(&v, &q.sp, &caller);
	ret = forward_view(&v, "bob", seen);
	forward_view_fini(&v);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	t_wake_fini(&q);
	return ret;
}

#define TEXT(...)	"\0", 1, IPC_FORWARD_REPLY, FORWARD_TEXT, __VA_ARGS__
#define REPLY(verdict, text)	"\0", 1, IPC_FORWARD_REPLY, verdict, text, \
	{ NULL }

static void
test_replies(void **state)
{
	static const struct {
		struct script script;
		int	 ret;
		enum forward_verdict verdict;
		const char *targets, *reason;	/* reason NULL: any */
	} cases[] = {
		{ { TEXT("ann@c.test\n\\bob, \"|/x\"\n", { NULL }) }, 0,
		  FORWARD_TEXT, "ann@c.test|bob|/x|", "" },
		{ { TEXT("", { NULL }) }, 0, FORWARD_TEXT, "", "" },
		/* Lists are put in their places. */
		{ { TEXT("a@b\n:include:/l\ne@f\n", { "/l", "c@d\n" }) }, 0,
		  FORWARD_TEXT, "a@b|c@d|e@f|", "" },
		{ { TEXT(":include:/l\n", { "/l", "c@d, ", "", "e@f\n" }) },
		  0, FORWARD_TEXT, "c@d|e@f|", "" },
		{ { TEXT("a@b\n:include:/l\n", { NULL }) }, 0, FORWARD_LATER,
		  NULL, "list /l: not read with the file that names it" },
		{ { TEXT(":include:/l\n", { "/other", "c@d\n" }) }, 0,
		  FORWARD_LATER, NULL,
		  "list /l: not read with the file that names it" },
		{ { TEXT("a@b\n\"\n", { NULL }) }, 0, FORWARD_REFUSED, NULL,
		  NULL },
		{ { REPLY(FORWARD_NONE, "") }, 0, FORWARD_NONE, "", "" },
		{ { REPLY(FORWARD_REFUSED, "mode 0666") }, 0, FORWARD_REFUSED,
		  "", "mode 0666" },
		{ { REPLY(FORWARD_LATER, "a\nb\x1b\xc2\x9b") }, 0,
		  FORWARD_LATER, "", "a b\\033\\302\\233" },
		/* What is no reply. */
		{ { "\0", 1, IPC_FORWARD_REPLY, FORWARD_TEXT, NULL,
		  { NULL } }, 0, FORWARD_LATER, "", "invalid reply" },
		{ { "\0", 1, IPC_FORWARD_LIST, FORWARD_TEXT, "a@b\n",
		  { NULL } }, 0, FORWARD_LATER, "", "invalid reply" },
		{ { REPLY(FORWARD_LATER + 1, "") }, 0, FORWARD_LATER, "",
		  "invalid reply" },
		{ { "\0", 1, 0, 0, NULL, { NULL } }, 0, FORWARD_LATER, "",
		  "no reply from the process that reads it" },
		/* Nobody was asked. */
		{ { "\001busy", 5, 0, 0, NULL, { NULL } }, -1, FORWARD_LATER,
		  "", "busy" },
	};
	struct forward_seen seen;
	struct buf targets;
	size_t i, k;
	int ret;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		buf_init(&targets, 0);
		ret = view(&cases[i].script, &seen);
		for (k = 0; k < seen.targets.n; k++)
			buf_printf(&targets, "%s|", seen.targets.list[k].text);
		if (ret != cases[i].ret || seen.verdict != cases[i].verdict ||
		    (cases[i].targets != NULL && strcmp(buf_str(&targets),
		    cases[i].targets) != 0) || (cases[i].reason != NULL &&
		    strcmp(seen.reason, cases[i].reason) != 0))
			fail_msg("case %zu: %d, verdict %d, %s %s", i, ret,
			    (int)seen.verdict, buf_str(&targets), seen.reason);
		/* Why it is not used is always known. */
		if (seen.verdict == FORWARD_REFUSED ||
		    seen.verdict == FORWARD_LATER)
			assert_true(seen.reason[0] != '\0');
		targets_fini(&seen.targets);
		buf_fini(&targets);
	}
}

static void
test_who_may_look(void **state)
{
	static const struct {
		uint32_t caller, user;
		int	 may;
	} cases[] = {
		{ 0, 0, 1 }, { 0, 1234, 1 }, { 1234, 1234, 1 },
		{ 1234, 1235, 0 }, { 1234, 0, 0 }
	};
	struct forward_view v;
	struct caller caller;
	struct user user;
	size_t i;

	(void)state;
	memset(&caller, 0, sizeof(caller));
	memset(&user, 0, sizeof(user));
	for (i = 0; i < N(cases); i++) {
		caller.uid = cases[i].caller;
		user.uid = cases[i].user;
		forward_view_init(&v, NULL, &caller);
		assert_int_equal(forward_view_may(&v, &user), cases[i].may);
		forward_view_fini(&v);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_replies),
		cmocka_unit_test(test_who_may_look),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
