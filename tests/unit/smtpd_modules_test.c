/*
 * smtpd_modules_test.c - files that are loaded as modules or not, and the order
 * in which the hooks of a process run.
 */
#include <sys/stat.h>

#include <dlfcn.h>
#include <unistd.h>

#include "smtpd/modules.h"
#include "tests/unit/t.h"

#define NOBODY	65534

struct fixture {
	struct smtpd_config conf;
	struct counters	 counters;
	struct smtpd_host host;
	char		 dir[64];
	struct buf	 out;		/* what was reported */
	struct buf	 calls;
};

static int
set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	t_dir(f->dir, sizeof(f->dir));
	f->host.conf = &f->conf;
	f->host.counters = &f->counters;
	log_init(&f->host.log, "dma-smtpd");
	f->host.log.where = LOG_TO_STDERR;
	*state = f;
	return 0;
}

static int
tear_down(void **state)
{
	struct fixture *f = *state;

	modules_fini(&f->host);
	assert_int_equal(f->host.nmodules, 0);
	assert_null(f->host.current);
	buf_fini(&f->out);
	buf_fini(&f->calls);
	t_dir_remove(f->dir);
	free(f);
	return 0;
}

static int
load(struct fixture *f, const char *name)
{
	struct t_printed printed;
	char *copy = strdup(name);
	int ret;

	f->conf.modules[0] = copy;
	f->conf.nmodules = 1;
	t_printed_begin(&printed, STDERR_FILENO);
	ret = modules_load(&f->host, f->dir);
	t_printed_end(&printed, &f->out);
	free(copy);
	return ret;
}

/* Nothing of it is left, and the reason is said. */
static void
assert_not_loaded(struct fixture *f, const char *name, const char *words)
{
	if (load(f, name) != -1 || strstr(buf_str(&f->out), words) == NULL)
		fail_msg("%.100s: %s", name, buf_str(&f->out));
	assert_int_equal(f->host.nmodules, 0);
}

static void
test_what_is_no_module(void **state)
{
	struct fixture *f = *state;
	char path[128], longest[5000];

	assert_not_loaded(f, "absent", "/absent.so: No such file");
	assert_not_loaded(f, "/absent.so", "module /absent.so: No such file");
	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	assert_not_loaded(f, longest, "path is too long");
	longest[0] = '/';
	assert_not_loaded(f, longest, "path is too long");
	snprintf(path, sizeof(path), "%s/text.so", f->dir);
	t_put(path, T("int x;\n"), 0755);
	assert_not_loaded(f, "text", "/text.so: ");
	t_put(path, "", 0, 0755);
	assert_not_loaded(f, "text", "/text.so: ");
	assert_not_loaded(f, f->dir, f->dir);
}

/* Root loads no code that another user could have written. */
static void
test_files_of_others(void **state)
{
	static const struct {
		mode_t	 mode;
		uid_t	 owner;
		int	 is_trusted;
	} cases[] = {
		{ 0644, 0, 1 }, { 0755, 0, 1 }, { 0400, 0, 1 },
		{ 0646, 0, 0 }, { 0666, 0, 0 }, { 0644, NOBODY, 0 },
		{ 0444, NOBODY, 0 },
	};
	struct fixture *f = *state;
	char path[128];
	size_t i;

	t_needs_root();
	snprintf(path, sizeof(path), "%s/m.so", f->dir);
	for (i = 0; i < N(cases); i++) {
		t_put(path, "", 0, cases[i].mode);
		assert_int_equal(chown(path, cases[i].owner, 0), 0);
		assert_int_equal(load(f, path), -1);
		/* It is no module either, but that is found out later. */
		if ((strstr(buf_str(&f->out), "must be owned by root") ==
		    NULL) != cases[i].is_trusted)
			fail_msg("case %zu: %s", i, buf_str(&f->out));
		assert_int_equal(unlink(path), 0);
	}
}

/* ---- hooks of a process ---- */

/* Notes whose hook it is; that of "bad" fails. */
static int
note(void *self, const struct smtpd_host *h, const char *hook)
{
	struct fixture *f = self;

	assert_non_null(h->current);
	buf_printf(&f->calls, "%s.%s ", h->current->name, hook);
	return strcmp(h->current->name, "bad") == 0 ? -1 : 0;
}

static int
on_init(void *self, struct smtpd_host *h)
{
	return note(self, h, "init");
}

static int
on_child_init(void *self, struct smtpd_host *h)
{
	return note(self, h, "child_init");
}

static void
on_child_exit(void *self, struct smtpd_host *h)
{
	(void)note(self, h, "child_exit");
}

static void
on_fini(void *self, struct smtpd_host *h)
{
	(void)note(self, h, "fini");
}

static const struct smtpd_module complete = { .init = on_init,
    .child_init = on_child_init, .child_exit = on_child_exit,
    .fini = on_fini };
static const struct smtpd_module silent = { .name = "silent" };

static void
add(struct fixture *f, const struct smtpd_module *hooks, const char *name)
{
	struct module *m = &f->host.modules[f->host.nmodules++];

	*m = (struct module){ .hooks = hooks, .self = f, .name = name,
	    .handle = dlopen(NULL, RTLD_NOW) };
	assert_non_null(m->handle);
}

static void
test_hooks_run_in_order(void **state)
{
	struct fixture *f = *state;

	add(f, &complete, "a");
	add(f, &silent, "b");
	add(f, &complete, "c");
	assert_int_equal(modules_init(&f->host), 0);
	assert_int_equal(modules_child_init(&f->host), 0);
	modules_child_exit(&f->host);
	modules_fini(&f->host);
	assert_string_equal(buf_str(&f->calls), "a.init c.init a.child_init "
	    "c.child_init c.child_exit a.child_exit c.fini a.fini ");
	assert_int_equal(atomic_load(&f->counters.module), 0);
}

static void
test_the_first_that_fails_ends_it(void **state)
{
	struct fixture *f = *state;
	struct t_printed printed;
	int ret;

	add(f, &complete, "a");
	add(f, &complete, "bad");
	add(f, &complete, "c");
	t_printed_begin(&printed, STDERR_FILENO);
	ret = modules_init(&f->host);
	ret += modules_child_init(&f->host);
	t_printed_end(&printed, &f->out);
	assert_int_equal(ret, -2);
	assert_string_equal(buf_str(&f->out), "dma-smtpd: module bad: init "
	    "failed\ndma-smtpd: module bad: child_init failed\n");
	modules_fini(&f->host);
	assert_string_equal(buf_str(&f->calls), "a.init bad.init a.child_init "
	    "bad.child_init c.fini bad.fini a.fini ");
}

#define CASE(test)	cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_what_is_no_module),
		CASE(test_files_of_others),
		CASE(test_hooks_run_in_order),
		CASE(test_the_first_that_fails_ends_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
