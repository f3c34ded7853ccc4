/*
 * route_test.c - where recipients go: whole expansions, told in one line.
 */
#include <strings.h>

#include "lib/buf.h"
#include "conf/local_names.h"
#include "lib/result.h"
#include "queue/route.h"
#include "spool.h"
#include "tests/unit/t.h"

#define MAILNAME	"host.example.org"
#define STEPS_MAX	1000	/* an expansion that takes more never ends */

struct home {
	const char	*user, *forward;
};

struct world {
	struct conf	 conf;
	struct aliases	 aliases;
	struct route_env env;
	const struct home *homes;	/* ends with a NULL user */
	struct message	 m;
	struct buf	 out;
};

/* aliases may have bad lines. */
static int
exists(const char *name)
{
	return strcmp(name, "bob+smith") == 0;
}

/* Alice and alice are two. */
static int
is_same(const char *a, const char *b)
{
	return strcasecmp(a, "alice") == 0 ? strcmp(a, b) == 0 :
	    strcasecmp(a, b) == 0;
}

static const struct names_users users = { exists, is_same };

static void
begin(struct world *w, const char *conf, const char *aliases,
    const struct home *homes)
{
	memset(w, 0, sizeof(*w));
	assert_int_equal(conf_init(&w->conf), 0);
	assert_int_equal(conf_parse(&w->conf, conf, strlen(conf), "dma.conf",
	    &report_quiet), 0);
	assert_int_equal(conf_finish(&w->conf, NULL, MAILNAME), 0);
	assert_true(aliases_parse(&w->aliases, aliases, strlen(aliases),
	    "aliases", &report_quiet) >= 0);
	w->env.conf = &w->conf;
	w->env.aliases = &w->aliases;
	w->env.users = &users;
	w->homes = homes;
	message_init(&w->m);
	buf_init(&w->out, 0);
}

static void
end(struct world *w)
{
	message_fini(&w->m);
	aliases_fini(&w->aliases);
	conf_fini(&w->conf);
	buf_fini(&w->out);
}

static void
expand(struct world *w, uint32_t i, const struct targets *targets,
    enum origin origin, const char *owner)
{
	struct result res;

	result_init(&res);
	if (route_expand(&w->env, &w->m, i, &(const struct expansion){
	    targets, origin, owner }, &res) == 0) {
		w->m.rcpts[i].state = RCPT_EXPANDED;
	} else {
		assert_int_not_equal(res.status, STATUS_NONE);
		assert_non_null(res.reason);
		buf_printf(&w->out, "%s(%s) ", res.code,
		    w->m.rcpts[i].address);
		w->m.rcpts[i].state = RCPT_FAILED;
	}
	result_fini(&res);
}

/* What the runner does when it has heard of the user's home. */
static void
at_home(struct world *w, uint32_t i, const char *user)
{
	struct targets targets = { NULL, 0, 0 };
	const struct home *h;

	for (h = w->homes; h != NULL && h->user != NULL; h++)
		if (strcmp(h->user, user) == 0)
			break;
	if (h == NULL || h->user == NULL) {
		buf_printf(&w->out, "mailbox(%s) ", user);
		w->m.rcpts[i].state = RCPT_SENT;
		return;
	}
	assert_int_equal(forward_parse(&targets, h->forward,
	    strlen(h->forward), ".forward", &report_quiet), 0);
	expand(w, i, &targets, ORIGIN_FORWARD, user);
	targets_fini(&targets);
}

static void
step(struct world *w, uint32_t i)
{
	char user[ADDRESS_MAX + 1];
	const struct alias *alias;
	struct result res;

	if (w->m.rcpts[i].kind == ROUTE_PIPE ||
	    w->m.rcpts[i].kind == ROUTE_FILE) {
		buf_printf(&w->out, "%s(%s:%s) ", w->m.rcpts[i].kind ==
		    ROUTE_PIPE ? "pipe" : "file", w->m.rcpts[i].owner,
		    w->m.rcpts[i].address);
		w->m.rcpts[i].state = RCPT_SENT;
		return;
	}
	result_init(&res);
	switch (route_next(&w->env, &w->m, i, user, &alias, &res)) {
	case STEP_REMOTE:
		buf_printf(&w->out, "remote(%s) ", w->m.rcpts[i].address);
		w->m.rcpts[i].state = RCPT_SENT;
		break;
	case STEP_ALIAS:
		assert_non_null(alias);
		expand(w, i, &alias->targets, ORIGIN_ALIASES, alias->name);
		break;
	case STEP_USER:
		at_home(w, i, user);
		break;
	case STEP_MAILBOX:
		buf_printf(&w->out, "mailbox(%s) ", user);
		w->m.rcpts[i].state = RCPT_SENT;
		break;
	default:
		assert_non_null(res.reason);
		buf_printf(&w->out, "%s(%s) ", res.code,
		    w->m.rcpts[i].address);
		w->m.rcpts[i].state = RCPT_FAILED;
		break;
	}
	result_fini(&res);
}

/* All recipients (blanks between them), until nothing is open. */
static const char *
run(struct world *w, const char *rcpts)
{
	char one[128];
	uint32_t i;
	int n, at = 0;

	while (sscanf(rcpts + at, " %127s%n", one, &n) == 1) {
		assert_non_null(message_add(&w->m, one));
		at += n;
	}
	for (i = 0; i < w->m.nrcpts; i++) {
		assert_true(i < STEPS_MAX);
		assert_true(w->m.rcpts[i].parent <= i);
		assert_true(w->m.rcpts[i].depth <= DEPTH_MAX);
		step(w, i);
	}
	/* A message that ends nowhere is lost. */
	assert_true(w->out.len > 0);
	return buf_str(&w->out);
}

struct route_case {
	const char *rcpts, *want;
};

static void
check(const char *conf, const char *aliases, const struct home *homes,
    const struct route_case *cases, size_t n)
{
	struct world w;
	size_t i;

	for (i = 0; i < n; i++) {
		begin(&w, conf, aliases, homes);
		assert_string_equal(run(&w, cases[i].rcpts), cases[i].want);
		end(&w);
	}
}

static void
test_local_or_remote(void **state)
{
	static const struct route_case cases[] = {
		{ "bob", "mailbox(bob) " },
		{ "bob@localhost", "mailbox(bob) " },
		{ "bob@LOCALHOST", "mailbox(bob) " },
		{ "bob@localhost.localdomain", "mailbox(bob) " },
		{ "bob@" MAILNAME, "mailbox(bob) " },
		{ "bob@Host.Example.Org", "mailbox(bob) " },
		{ "bob@lists.example.org", "mailbox(bob) " },
		{ "bob@example.org", "remote(bob@example.org) " },
		{ "bob@xlocalhost", "remote(bob@xlocalhost) " },
		{ "bob@[127.0.0.1]", "mailbox(bob) " },
		{ "bob@[192.0.2.99]", "remote(bob@[192.0.2.99]) " },
		{ "\"bob\"@localhost", "mailbox(bob) " },
		{ "\"a@b\"@localhost", "mailbox(a@b) " },
		{ "\"a@localhost\"@b.org", "remote(\"a@localhost\"@b.org) " },
		{ "\"a\\\"b\"@localhost", "mailbox(a\"b) " },
		{ "\"a\\\\\"@localhost", "mailbox(a\\) " },
		/* extensions */
		{ "bob+list@localhost", "mailbox(bob) " },
		{ "bob+", "mailbox(bob) " },
		{ "bob+a+b", "mailbox(bob) " },
		{ "+bob", "mailbox(+bob) " },
		/* who must be reached */
		{ "postmaster", "mailbox(root) " },
		{ "PostMaster@localhost", "mailbox(root) " },
		{ "postmaster+x", "mailbox(root) " },
		{ "MAILER-DAEMON", "mailbox(root) " },
		{ "*", "mailbox(*) " },
	};
	static const struct route_case no_delimiter[] = {
		{ "bob+list", "mailbox(bob+list) " },
	};

	(void)state;
	check("LOCALDOMAINS lists.example.org\n", "", NULL, cases, N(cases));
	check("RECIPIENT_DELIMITER none\n", "", NULL, no_delimiter,
	    N(no_delimiter));
}

static void
test_nullclient_and_noremote(void **state)
{
	static const struct home homes[] = {
		{ "nobody", "bob" }, { "ann", "|true" }, { NULL, NULL },
	};
	static const struct route_case nullclient[] = {
		{ "bob", "remote(bob) " },
		{ "bob@localhost", "remote(bob@localhost) " },
		{ "root@" MAILNAME, "remote(root@" MAILNAME ") " },
	};
	static const struct route_case noremote[] = {
		{ "bob", "mailbox(bob) " },
		{ "bob@example.org", "5.4.4(bob@example.org) " },
		{ "out bob", "mailbox(bob) 5.4.4(a@example.org) " },
	};

	static const struct route_case aliases_first[] = {
		{ "bob", "remote(ann) " },
		{ "BOB+x@localhost", "remote(ann) " },
		{ "root", "remote(root) remote(me@example.org) " },
		{ "postmaster", "remote(me@example.org) remote(root) " },
		{ "nobody", "remote(nobody) " },
		{ "x@example.org", "remote(x@example.org) " },
		{ "straight", "remote(bob) " },
		{ "bob@localhost bob bob@" MAILNAME, "remote(ann) " },
		{ "robot", "pipe(robot:robot) " },
		{ "bad", "4.3.5(bad) " },
		{ "a", "remote(a) " },
	};

	(void)state;
	check("NULLCLIENT aliases\nSMARTHOST relay\n", "bob: ann\n"
	    "root: root, me@example.org\nstraight: \\bob\n*: zoe\n"
	    "robot: |robot\nbad: x y\na: b\nb: a\n", homes, aliases_first,
	    N(aliases_first));
	check("NULLCLIENT\nSMARTHOST relay\n", "bob: ann\nroot: ann\n", NULL,
	    nullclient, N(nullclient));
	check("NOREMOTE\n", "out: a@example.org\n", NULL, noremote,
	    N(noremote));
}

static void
test_aliases(void **state)
{
	static const char aliases[] =
	    "root: admin@example.org\n"
	    "webmaster: root\n"
	    "Team: bob, ann, carl@example.org\n"
	    "keep: keep, keep@example.org\n"
	    "straight: \\bob\n"
	    "named: Ann Lee <ann>, \"B, C\" <me@example.org> (me)\n"
	    "archive: /var/archive\n"
	    "robot: \"|/usr/bin/robot -x\"\n"
	    "list+owner: ann\n"
	    "a: b\nb: a\n"
	    "c: c\n"
	    "x: y\ny: z\nz: x\n"
	    "*: nobody-else\n";
	static const struct route_case cases[] = {
		{ "root", "remote(admin@example.org) " },
		{ "ROOT@localhost", "remote(admin@example.org) " },
		{ "webmaster", "remote(admin@example.org) " },
		{ "postmaster", "remote(admin@example.org) " },
		{ "root@example.org", "remote(root@example.org) " },
		{ "root+x", "remote(admin@example.org) " },
		{ "team", "mailbox(bob) mailbox(ann) "
		    "remote(carl@example.org) " },
		{ "keep", "mailbox(keep) remote(keep@example.org) " },
		{ "straight", "mailbox(bob) " },
		{ "named", "mailbox(ann) remote(me@example.org) " },
		{ "archive", "file(archive:/var/archive) " },
		{ "robot", "pipe(robot:/usr/bin/robot -x) " },
		{ "list+owner", "mailbox(ann) " },
		{ "list+other", "mailbox(list) " },
		{ "*", "mailbox(*) " },
		/* circles end in a mailbox */
		{ "a", "mailbox(a) " },
		{ "b@localhost", "mailbox(b) " },
		{ "c", "mailbox(c) " },
		{ "x", "mailbox(x) " },
		/* one copy each */
		{ "bob team", "mailbox(bob) mailbox(ann) "
		    "remote(carl@example.org) " },
		{ "bob@localhost team", "mailbox(bob) mailbox(ann) "
		    "remote(carl@example.org) " },
		{ "root webmaster", "remote(admin@example.org) " },
		{ "straight bob", "mailbox(bob) " },
	};

	(void)state;
	check("", aliases, NULL, cases, N(cases));
}

/* Who is in a circle with another recipient gets the mail all the same. */
static void
test_circles_of_recipients(void **state)
{
	static const char aliases[] =
	    "a: b\nb: a\n"
	    "x: y\ny: z\nz: x\n";
	static const struct home homes[] = {
		{ "bob", "ann" }, { "ann", "bob" },
		{ "root", "admin" }, { "admin", "\\admin, root" },
		{ NULL, NULL },
	};
	static const char *const rcpts[] = { "a b", "b a", "x y", "z y",
	    "x y z", "z y x", "bob ann", "ann bob", "root admin",
	    "admin root", "a b x y z bob ann" };
	struct world w;
	size_t i;

	(void)state;
	for (i = 0; i < N(rcpts); i++) {
		begin(&w, "", aliases, homes);
		assert_non_null(strstr(run(&w, rcpts[i]), "mailbox("));
		assert_null(strstr(buf_str(&w.out), "5."));
		end(&w);
	}
}

static void
test_forward(void **state)
{
	static const char aliases[] = "root: bob\n";
	static const struct home homes[] = {
		{ "bob", "bob@example.org\n" },
		{ "ann", "\\ann, ann@example.org\n" },
		{ "carl", "carl@localhost\ncarl@example.org\n" },
		{ "dora", "|/usr/bin/filter -d\n" },
		{ "emil", "/var/tmp/emil.mbox\n" },
		{ "fred", "!bob\n" },
		{ "gina", "root, gina+x\n" },
		{ "hans", "ida\n" }, { "ida", "hans\n" },
		{ NULL, NULL },
	};
	static const struct route_case cases[] = {
		{ "bob", "remote(bob@example.org) " },
		{ "bob+x", "remote(bob@example.org) " },
		{ "root", "remote(bob@example.org) " },
		{ "ann", "mailbox(ann) remote(ann@example.org) " },
		{ "carl", "mailbox(carl) remote(carl@example.org) " },
		{ "dora", "pipe(dora:/usr/bin/filter -d) " },
		{ "emil", "file(emil:/var/tmp/emil.mbox) " },
		{ "fred", "mailbox(bob) " },
		{ "gina", "mailbox(gina) remote(bob@example.org) " },
		{ "hans", "mailbox(hans) " },
		{ "bob bob", "remote(bob@example.org) " },
	};

	(void)state;
	check("", aliases, homes, cases, N(cases));
}

/* What no address can be made of loses nothing, whoever let it through. */
static void
test_unusable_targets(void **state)
{
	static char bad[] = "bob@", null[] = "<>", good[] = "ann@example.org";
	static const struct {
		enum origin origin;
		char *first, *second;
		int ret;
		const char *child;	/* NULL: none */
	} cases[] = {
		{ ORIGIN_ALIASES, bad, null, -1, NULL },
		{ ORIGIN_ALIASES, null, null, -1, NULL },
		{ ORIGIN_ALIASES, bad, good, 0, "ann@example.org" },
		{ ORIGIN_FORWARD, bad, good, 0, "ann@example.org" },
		{ ORIGIN_FORWARD, bad, bad, 0, "bob" },
		{ ORIGIN_FORWARD, null, bad, 0, "bob" },
	};
	struct target list[2];
	struct targets targets = { list, 2, 0 };
	struct result res;
	struct world w;
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		begin(&w, "", "", NULL);
		assert_non_null(message_add(&w.m, "bob"));
		memset(list, 0, sizeof(list));
		list[0].text = cases[i].first;
		list[1].text = cases[i].second;
		result_init(&res);
		assert_int_equal(route_expand(&w.env, &w.m, 0,
		    &(const struct expansion){ &targets, cases[i].origin,
		    "bob" }, &res), cases[i].ret);
		if (cases[i].child == NULL) {
			assert_int_equal(res.status, STATUS_DEFERRED);
			assert_int_equal(w.m.nrcpts, 1);
		} else {
			assert_int_equal(w.m.nrcpts, 2);
			assert_string_equal(w.m.rcpts[1].address,
			    cases[i].child);
			/* The way into the own mailbox ends there. */
			assert_int_equal(w.m.rcpts[1].is_final,
			    strcmp(cases[i].child, "bob") == 0);
		}
		result_fini(&res);
		end(&w);
	}
}

static void
test_same_command_of_two_users(void **state)
{
	static const struct home homes[] = {
		{ "bob", "|vacation\n" }, { "ann", "|vacation\n" },
		{ NULL, NULL },
	};
	static const struct route_case cases[] = {
		{ "bob ann", "pipe(bob:vacation) pipe(ann:vacation) " },
		{ "bob bob+x", "pipe(bob:vacation) " },
	};

	(void)state;
	check("", "", homes, cases, N(cases));
}

static void
test_depth(void **state)
{
	struct world w;
	struct buf aliases;
	int i, n;

	(void)state;
	for (n = DEPTH_MAX - 1; n <= DEPTH_MAX + 2; n++) {
		buf_init(&aliases, 0);
		for (i = 0; i < n; i++)
			buf_printf(&aliases, "a%d: a%d\n", i, i + 1);
		begin(&w, "", buf_str(&aliases), NULL);
		run(&w, "a0");
		if (n <= DEPTH_MAX) {
			assert_non_null(strstr(buf_str(&w.out), "mailbox("));
			assert_string_equal(message_first(&w.m,
			    w.m.nrcpts - 1)->address, "a0");
		} else {
			assert_string_equal(buf_str(&w.out), "5.4.6(a10) ");
		}
		end(&w);
		buf_fini(&aliases);
	}
}

/* Who reads of a loop sees the way, and of commands and files nothing. */
static void
test_chain(void **state)
{
	static const struct home homes[] = {
		{ "bob", "|secret\n/secret\nlist" }, { NULL, NULL },
	};
	struct result res;
	struct world w;
	struct buf chain;
	uint32_t i;

	(void)state;
	begin(&w, "", "team: bob\nlist: zoe@localhost\nzoe: |x\n", homes);
	run(&w, "Team");
	buf_init(&chain, 0);
	for (i = 0; i < w.m.nrcpts; i++)
		if (w.m.rcpts[i].kind == ROUTE_UNKNOWN) {
			buf_reset(&chain);
			route_chain(&w.m, i, &chain);
		}
	assert_string_equal(buf_str(&chain),
	    "Team / bob / list / zoe@localhost");
	buf_reset(&chain);
	route_chain(&w.m, 0, &chain);
	assert_string_equal(buf_str(&chain), "Team");
	result_init(&res);
	assert_int_equal(route_lost(&w.m, 1, "lost", &res), -1);
	assert_int_equal(res.status, STATUS_FAILED);
	assert_string_equal(res.reason, "lost");
	assert_string_equal(res.detail, "Team / bob");
	result_fini(&res);
	buf_fini(&chain);
	end(&w);
}

/*
 * As many as a header holds, each expanded: one that looked through all for
 * each of them would not come to its end here.
 */
static void
test_many(void **state)
{
	static const struct home homes[] = {
		{ "bob", "me@example.org, \"|filter\"" }, { NULL, NULL },
	};
	char one[32];
	struct world w;
	uint32_t i, k = 0, n;

	(void)state;
	begin(&w, "", "list: sub, bob, x@example.org\nsub: x@example.org\n",
	    homes);
	assert_non_null(message_add(&w.m, "x@example.org"));
	for (n = 0; n < 60000; n++) {
		snprintf(one, sizeof(one), "%s+%u", n % 2 == 0 ? "list" :
		    "bob", n);
		assert_non_null(message_add(&w.m, one));
		/* At once, or after all of them. */
		for (i = k; i < w.m.nrcpts && n < 30000; i++)
			step(&w, i);
		k = i;
	}
	for (i = k; i < w.m.nrcpts; i++)
		step(&w, i);
	/* sub is hollow each time in the first half: so it does not count. */
	assert_int_equal(w.m.nrcpts, 1 + 60000 + 3 + 15000 + 1);
	assert_string_equal(buf_str(&w.out), "remote(x@example.org) "
	    "remote(me@example.org) pipe(bob:filter) ");
	end(&w);
}

static void
test_number(void **state)
{
	static char text[] = "a@b";
	struct targets targets = { NULL, TARGETS_MAX + 1, 0 };
	struct result res;
	struct world w;
	size_t i;

	(void)state;
	begin(&w, "", "", NULL);
	assert_non_null(message_add(&w.m, "bob"));
	targets.list = calloc(targets.n, sizeof(*targets.list));
	assert_non_null(targets.list);
	for (i = 0; i < targets.n; i++) {
		targets.list[i].kind = TARGET_ADDRESS;
		targets.list[i].text = text;
	}
	result_init(&res);
	assert_int_equal(route_expand(&w.env, &w.m, 0,
	    &(const struct expansion){ &targets, ORIGIN_ALIASES,
	    "bob" }, &res), -1);
	assert_int_equal(res.status, STATUS_FAILED);
	assert_string_equal(res.code, "5.4.6");
	assert_int_equal(w.m.nrcpts, 1);
	targets.n = TARGETS_MAX;
	assert_int_equal(route_expand(&w.env, &w.m, 0,
	    &(const struct expansion){ &targets, ORIGIN_ALIASES,
	    "bob" }, &res), 0);
	assert_int_equal(w.m.nrcpts, 2);
	result_fini(&res);
	free(targets.list);
	end(&w);
}

/* What a child says of where it comes from is what deliver checks later. */
static void
test_children(void **state)
{
	struct targets targets = { NULL, 0, 0 };
	static const char forward[] = "|first\n\"|second x\"\n/file\nann\n";
	struct result res;
	struct world w;
	uint32_t i;

	(void)state;
	begin(&w, "", "", NULL);
	assert_non_null(message_add(&w.m, "bob"));
	assert_int_equal(forward_parse(&targets, forward, strlen(forward),
	    ".forward", &report_quiet), 0);
	result_init(&res);
	assert_int_equal(route_expand(&w.env, &w.m, 0,
	    &(const struct expansion){ &targets, ORIGIN_FORWARD,
	    "bob" }, &res), 0);
	assert_int_equal(w.m.nrcpts, 5);
	for (i = 1; i < 5; i++) {
		assert_int_equal(w.m.rcpts[i].entry.index, i - 1);
		assert_true(w.m.rcpts[i].entry.digest == targets.list[i - 1].digest);
		assert_string_equal(w.m.rcpts[i].owner, "bob");
		assert_int_equal(w.m.rcpts[i].origin, ORIGIN_FORWARD);
		assert_int_equal(w.m.rcpts[i].parent, 0);
		assert_int_equal(w.m.rcpts[i].depth, 1);
		assert_string_equal(message_first(&w.m, i)->address, "bob");
	}
	assert_int_equal(w.m.rcpts[1].kind, ROUTE_PIPE);
	assert_string_equal(w.m.rcpts[2].address, "second x");
	assert_int_equal(w.m.rcpts[3].kind, ROUTE_FILE);
	assert_int_equal(w.m.rcpts[4].kind, ROUTE_UNKNOWN);
	result_fini(&res);
	targets_fini(&targets);
	end(&w);
}

/* RFC 3461 5.2.7: one child stands for its parent, several are a list. */
static void
test_wishes(void **state)
{
	static const struct {
		unsigned	 notify;
		const char	*rcpts;
		unsigned	 child;		/* of all the children */
		int		 is_list;
	} cases[] = {
		{ 0, "one", 0, 0 },
		{ 0, "many", 0, 1 },
		{ NOTIFY_NEVER, "many", NOTIFY_NEVER, 1 },
		{ NOTIFY_SUCCESS, "one", NOTIFY_SUCCESS, 0 },
		{ NOTIFY_SUCCESS, "many", NOTIFY_NEVER, 1 },
		{ NOTIFY_SUCCESS | NOTIFY_DELAY, "one", NOTIFY_SUCCESS |
		    NOTIFY_DELAY, 0 },
		{ NOTIFY_SUCCESS | NOTIFY_FAILURE, "many", NOTIFY_FAILURE, 1 },
		{ NOTIFY_FAILURE | NOTIFY_DELAY, "many", NOTIFY_FAILURE |
		    NOTIFY_DELAY, 1 },
	};
	struct result res;
	struct buf orcpt;
	struct world w;
	uint32_t k;
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		begin(&w, "", "one: a@x\nmany: a@x, b@x, |prog\n", NULL);
		assert_non_null(message_add(&w.m, cases[i].rcpts));
		w.m.rcpts[0].notify = cases[i].notify;
		result_init(&res);
		assert_int_equal(route_expand(&w.env, &w.m, 0,
		    &(const struct expansion){ &aliases_find(w.env.aliases,
		    cases[i].rcpts)->targets, ORIGIN_ALIASES,
		    cases[i].rcpts }, &res), 0);
		assert_true(w.m.nrcpts > 1);
		assert_int_equal(route_is_list(&w.m, 1), cases[i].is_list);
		assert_int_equal(w.m.rcpts[0].notify, cases[i].notify);
		for (k = 1; k < w.m.nrcpts; k++) {
			assert_int_equal(w.m.rcpts[k].notify, cases[i].child);
			/* And it keeps the name by which it was called. */
			buf_init(&orcpt, 0);
			route_put_orcpt(&orcpt, &w.conf.names, &w.m, k);
			assert_int_equal(strncmp(buf_str(&orcpt), "rfc822;",
			    7), 0);
			assert_string_equal(buf_str(&orcpt) + 7,
			    cases[i].is_list ? "many@" MAILNAME :
			    "one@" MAILNAME);
			buf_fini(&orcpt);
		}
		result_fini(&res);
		end(&w);
	}
}

/* The envelope sender of each recipient that is left, and its ORCPT. */
static void
put_senders(struct world *w, struct buf *b)
{
	const struct recipient *r;
	uint32_t i;

	for (i = 0; i < w->m.nrcpts; i++) {
		r = &w->m.rcpts[i];
		if (r->state == RCPT_EXPANDED)
			continue;
		buf_printf(b, "%s<%s>%s", r->address,
		    message_sender(&w->m, i), r->sender == NULL ? "" : "!");
		assert_int_equal(r->notify, r->sender == NULL ?
		    NOTIFY_DELAY : NOTIFY_FAILURE);
		route_put_orcpt(b, &w->conf.names, &w->m, i);
		buf_putc(b, ' ');
	}
}

/* owner-NAME is the sender of mail to the members of NAME. */
static void
test_owners(void **state)
{
	static const char aliases[] =
	    "plain: a@x\n"
	    "one: a@x, \"|prog\"\nowner-one: Joe@Y.test\n"
	    "two: a@x, b@x\nowner-two: joe, ann\n"
	    "inner: b@x, carl\nowner-inner: \\joe\n"
	    "outer: a@x, inner\nowner-outer: o\n"
	    "named: two\n"
	    "owner-owner: boss\n"
	    "self: c@x\nowner-self: self\n"
	    "odd: d@x\nowner-odd: a b c@\n";
	static const struct home homes[] = {
		{ "carl", "carl@far" }, { NULL, NULL }
	};
	static const struct { const char *sender, *rcpt, *want; } cases[] = {
		{ "s@x", "plain", "a@x<s@x>rfc822;plain@" MAILNAME " " },
		{ "s@x", "one", "a@x<Joe@y.test>!rfc822;a@x "
		    "prog<Joe@y.test>!rfc822;one@" MAILNAME " " },
		{ "s@x", "two", "a@x<owner-two@" MAILNAME ">!rfc822;a@x "
		    "b@x<owner-two@" MAILNAME ">!rfc822;b@x " },
		{ "s@x", "TWO+x", "a@x<owner-two@" MAILNAME ">!rfc822;a@x "
		    "b@x<owner-two@" MAILNAME ">!rfc822;b@x " },
		/* of the innermost list; a .forward is no list */
		{ "s@x", "outer", "a@x<o@" MAILNAME ">!rfc822;a@x "
		    "b@x<owner-inner@" MAILNAME ">!rfc822;b@x "
		    "carl@far<owner-inner@" MAILNAME ">!rfc822;carl@"
		    MAILNAME " " },
		{ "s@x", "named", "a@x<owner-two@" MAILNAME ">!rfc822;a@x "
		    "b@x<owner-two@" MAILNAME ">!rfc822;b@x " },
		/* mail to an owner, and to the owner of all owners */
		{ "s@x", "owner-one", "Joe@y.test<boss@" MAILNAME ">!rfc822;"
		    "Joe@y.test " },
		{ "s@x", "owner-owner", "boss<boss@" MAILNAME ">!rfc822;boss@"
		    MAILNAME " " },
		{ "s@x", "self", "c@x<self@" MAILNAME ">!rfc822;c@x " },
		{ "s@x", "odd", "d@x<owner-odd@" MAILNAME ">!rfc822;d@x " },
		/* a report is answered to nobody */
		{ "", "one", "a@x<>rfc822;one@" MAILNAME " prog<>rfc822;one@"
		    MAILNAME " " },
	};
	struct world w;
	struct buf b;
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		begin(&w, "", aliases, homes);
		text_copy(w.m.sender, sizeof(w.m.sender), cases[i].sender);
		assert_non_null(message_add(&w.m, cases[i].rcpt));
		w.m.rcpts[0].notify = NOTIFY_DELAY;
		run(&w, "");
		buf_init(&b, 0);
		put_senders(&w, &b);
		assert_string_equal(buf_str(&b), cases[i].want);
		buf_fini(&b);
		end(&w);
	}
}

/* What the caller said of a recipient goes before what we know of it. */
static void
test_orcpt(void **state)
{
	struct buf orcpt;
	struct world w;

	(void)state;
	begin(&w, "", "", NULL);
	assert_non_null(message_add(&w.m, "Bob@Example.org"));
	buf_init(&orcpt, 0);
	route_put_orcpt(&orcpt, &w.conf.names, &w.m, 0);
	assert_string_equal(buf_str(&orcpt), "rfc822;Bob@Example.org");
	buf_reset(&orcpt);
	w.m.rcpts[0].orcpt = strdup("x-400;/c=de/");
	route_put_orcpt(&orcpt, &w.conf.names, &w.m, 0);
	assert_string_equal(buf_str(&orcpt), "x-400;/c=de/");
	buf_fini(&orcpt);
	end(&w);
}

/* The entry of a command that waited is another now: its owner comes anew. */
static void
test_again(void **state)
{
	static const struct home before[] = {
		{ "bob", "|old\nann\n\\bob" }, { NULL, NULL },
	};
	static const struct home after[] = {
		{ "bob", "\\bob\nann\n|new\n|old" }, { NULL, NULL },
	};
	struct world w;
	uint32_t i, n;

	(void)state;
	begin(&w, "", "team: bob\n", before);
	run(&w, "team");
	assert_string_equal(buf_str(&w.out),
	    "pipe(bob:old) mailbox(ann) mailbox(bob) ");
	buf_reset(&w.out);
	n = w.m.nrcpts;
	for (i = 0; i < n; i++)
		assert_int_equal(route_again(&w.m, i), 0);
	/* a file or command alone, and only when it is told so */
	for (i = 0; w.m.rcpts[i].kind != ROUTE_PIPE; i++)
		;
	result_set(&w.m.rcpts[i].last, STATUS_DEFERRED, "4.3.0", "x");
	result_set(&w.m.rcpts[i + 1].last, STATUS_DEFERRED, CODE_CHANGED, "x");
	assert_int_equal(route_again(&w.m, i), 0);
	assert_int_equal(route_again(&w.m, i + 1), 0);
	result_set(&w.m.rcpts[i].last, STATUS_DEFERRED, CODE_CHANGED, "x");
	w.m.rcpts[i].notify = 5;
	assert_int_equal(route_again(&w.m, i), 1);
	assert_int_equal(w.m.nrcpts, n + 1);
	w.m.rcpts[i].state = RCPT_EXPANDED;
	assert_string_equal(w.m.rcpts[n].address, "bob");
	assert_int_equal(w.m.rcpts[n].parent, w.m.rcpts[i].parent);
	assert_int_equal(w.m.rcpts[n].notify, 5);
	assert_int_equal(route_is_named(&w.m, n), 0);
	assert_int_equal(route_is_named(&w.m, 0), 1);
	w.homes = after;
	for (i = n; i < w.m.nrcpts; i++)
		step(&w, i);
	/* Who has it is not given it again. */
	assert_string_equal(buf_str(&w.out), "pipe(bob:new) pipe(bob:old) ");
	end(&w);
}

static void
test_aliases_not_readable(void **state)
{
	char user[ADDRESS_MAX + 1];
	const struct alias *alias;
	struct result res;
	struct world w;

	(void)state;
	begin(&w, "", "", NULL);
	w.env.aliases = NULL;
	assert_non_null(message_add(&w.m, "bob"));
	assert_non_null(message_add(&w.m, "a@example.org"));
	result_init(&res);
	assert_int_equal(route_next(&w.env, &w.m, 0, user, &alias, &res),
	    STEP_DECIDED);
	assert_int_equal(res.status, STATUS_DEFERRED);
	assert_int_equal(route_next(&w.env, &w.m, 1, user, &alias, &res),
	    STEP_REMOTE);
	result_fini(&res);
	end(&w);
}

/* Whom a bad line names cannot be told, and nobody else is harmed by it. */
static void
test_bad_alias(void **state)
{
	static const struct route_case cases[] = {
		{ "team", "4.3.5(team) " },
		{ "TEAM+x@localhost", "4.3.5(TEAM+x@localhost) " },
		{ "all bob", "mailbox(bob) 4.3.5(team) mailbox(ann) " },
		{ "postmaster", "4.3.5(postmaster) " },
		{ "root", "mailbox(root) " },
		{ "\\team", "mailbox(\\team) " },
	};

	(void)state;
	check("", "team: bob carol\nall: team, ann\npostmaster: a b\n", NULL,
	    cases, N(cases));
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_local_or_remote),
		cmocka_unit_test(test_nullclient_and_noremote),
		cmocka_unit_test(test_aliases),
		cmocka_unit_test(test_circles_of_recipients),
		cmocka_unit_test(test_forward),
		cmocka_unit_test(test_unusable_targets),
		cmocka_unit_test(test_same_command_of_two_users),
		cmocka_unit_test(test_depth),
		cmocka_unit_test(test_chain),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_number),
		cmocka_unit_test(test_children),
		cmocka_unit_test(test_wishes),
		cmocka_unit_test(test_owners),
		cmocka_unit_test(test_orcpt),
		cmocka_unit_test(test_bad_alias),
		cmocka_unit_test(test_again),
		cmocka_unit_test(test_aliases_not_readable),
	};

	return cmocka_run_group_tests_name("route", tests, NULL, NULL);
}
