/*
 * smtpd_store_test.c - the store and the module minute: groups, long texts, a
 * disk that fails or does not answer, sessions that end too early.
 */
#include <sys/stat.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "tests/unit/t_smtpd.h"

/* ---- the disk ---- */

static atomic_int disk_error;	/* of fsync(2) */
static atomic_int disk_holds;	/* fsync(2) does not return */
static atomic_int disk_waits;	/* so many times it does not */
static atomic_int disk_syncs;

static int
my_fsync(int fd)
{
	atomic_fetch_add(&disk_syncs, 1);
	atomic_fetch_add(&disk_waits, 1);
	usleep(100);		/* else nobody gathers */
	while (atomic_load(&disk_holds))
		usleep(1000);
	atomic_fetch_sub(&disk_waits, 1);
	errno = atomic_load(&disk_error);
	return errno != 0 || fd == -1 ? -1 : 0;
}

static atomic_int gathers;	/* the time to gather does not end */

static int
my_timedwait(pthread_cond_t *cond, pthread_mutex_t *lock,
    const struct timespec *until)
{
	struct timespec soon;
	int error;

	if (!atomic_load(&gathers))
		return pthread_cond_timedwait(cond, lock, until);
	clock_gettime(CLOCK_MONOTONIC, &soon);
	soon.tv_sec++;
	error = pthread_cond_timedwait(cond, lock, &soon);
	return error == ETIMEDOUT && atomic_load(&gathers) ? 0 : error;
}

#define fsync	my_fsync
#define pthread_cond_timedwait my_timedwait
#include "smtpd/modules/sync.c"
#include "smtpd/modules/commit.c"
#include "smtpd/modules/store.c"
#include "smtpd/modules/minute.c"
#undef fsync
#undef pthread_cond_timedwait

/* ---- a child ---- */

#define SESSIONS	20

struct fixture {
	struct smtpd_host host;
	void	*self;
	char	 root[64];
	struct smtpd_session sessions[SESSIONS];
	char	 rcpts[SESSIONS][64];
};

static int
set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	atomic_store(&disk_error, 0);
	atomic_store(&disk_holds, 0);
	atomic_store(&disk_syncs, 0);
	t_dir(f->root, sizeof(f->root));
	t_smtpd_host_init(&f->host, f->root);
	assert_int_equal(smtpd_module.configure(&f->host, NULL, 0, &f->self),
	    0);
	assert_string_equal(f->host.path, f->root);
	assert_int_equal(smtpd_module.init(f->self, &f->host), 0);
	assert_int_equal(smtpd_module.child_init(f->self, &f->host), 0);
	*state = f;
	return 0;
}

static int
tear_down(void **state)
{
	struct fixture *f = *state;

	atomic_store(&disk_holds, 0);
	atomic_store(&gathers, 0);
	smtpd_module.child_exit(f->self, &f->host);
	smtpd_module.fini(f->self, &f->host);
	t_smtpd_host_fini(&f->host);
	t_dir_remove(f->root);
	free(f);
	return 0;
}

static struct store *
store_of(struct fixture *f)
{
	return ((struct minute *)f->self)->base.store;
}

/* Session i, to these recipients. */
static struct smtpd_session *
session(struct fixture *f, size_t i, const char *rcpts)
{
	snprintf(f->rcpts[i], sizeof(f->rcpts[i]), "%s", rcpts);
	t_smtpd_init(&f->sessions[i], &f->host, f->rcpts[i]);
	return &f->sessions[i];
}

/* Files below a directory, and the last of them. */
static int
count(const char *directory, char *last)
{
	const struct dirent *e;
	char path[300];
	DIR *dir = opendir(directory);
	int n = 0;

	assert_non_null(dir);
	while ((e = readdir(dir)) != NULL) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		snprintf(path, sizeof(path), "%s/%s", directory, e->d_name);
		if (e->d_type == DT_DIR)
			n += count(path, last);
		else
			n++;
		if (e->d_type != DT_DIR && last != NULL)
			snprintf(last, 300, "%s", path);
	}
	closedir(dir);
	return n;
}

static void
wait_for_disk(struct fixture *f, int waits)
{
	int turns;

	for (turns = 0; atomic_load(&disk_waits) < waits && turns < 2000;
	    turns++)
		t_smtpd_host_turn(&f->host);
	assert_true(atomic_load(&disk_waits) >= waits);
}

/* The messages of no session are all gone. */
static void
wait_for_nothing(struct fixture *f)
{
	int turns;

	for (turns = 0; store_of(f)->messages != NULL && turns < 2000; turns++)
		t_smtpd_host_turn(&f->host);
	assert_null(store_of(f)->messages);
	assert_int_equal(store_of(f)->held_bytes, 0);
}

#define LINES	"Forward-Path: <ann@a.test>\r\n" \
		"Return-Path: <sender@s.test>\r\n" \
		"Received: from there\r\n"
#define TEXT	"Subject: x\r\n\r\ntext\r\n"

/* ---- cases ---- */

static void
test_a_message_is_stored_with_its_lines(void **state)
{
	struct fixture *f = *state;
	struct smtpd_session *s = session(f, 0, "ann@a.test");
	char path[300];

	t_smtpd_send(s, f->self, T(TEXT), 3);
	assert_int_equal(s->verdict, SMTPD_PENDING);
	assert_int_equal(t_smtpd_end(s, f->self), SMTPD_DELIVERED);
	assert_int_equal(count(f->root, path), 1);
	t_assert_file(path, LINES TEXT);
	assert_non_null(strstr(path, "/a.test/"));
	assert_string_equal(path + strlen(path) - 4, ".msg");
	assert_int_equal(t_smtpd_host_counter(&f->host, "syncs"), 1);
	t_smtpd_fini(s);
}

static void
test_a_text_may_be_empty(void **state)
{
	struct fixture *f = *state;
	struct smtpd_session *s = session(f, 0, "ann@a.test");
	char path[300];

	t_smtpd_send(s, f->self, "", 0, 1);
	assert_int_equal(t_smtpd_end(s, f->self), SMTPD_DELIVERED);
	assert_int_equal(count(f->root, path), 1);
	t_assert_file(path, LINES);
	t_smtpd_fini(s);
}

static void
test_each_domain_has_one_link(void **state)
{
	struct fixture *f = *state;
	struct smtpd_session *s = session(f, 0,
	    "a@a.test b@b.test c@A.test d@[192.0.2.1]");
	char path[300];
	struct stat st;

	t_smtpd_send(s, f->self, T(TEXT), 100);
	assert_int_equal(t_smtpd_end(s, f->self), SMTPD_DELIVERED);
	assert_int_equal(count(f->root, path), 3);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_nlink, 3);
	t_smtpd_fini(s);
}

static void
test_a_long_text_is_written_in_parts(void **state)
{
	static char text[1000003];
	struct fixture *f = *state;
	struct smtpd_session *s = session(f, 0, "ann@a.test");
	struct buf whole;
	char path[300];
	size_t i;

	for (i = 0; i < sizeof(text); i++)
		text[i] = (char)('a' + i % 23);
	t_smtpd_send(s, f->self, text, sizeof(text), 8192);
	assert_true(store_of(f)->held_bytes <= TEXT_MAX + 8192);
	assert_int_equal(t_smtpd_end(s, f->self), SMTPD_DELIVERED);
	assert_int_equal(count(f->root, path), 1);
	buf_init(&whole, 0);
	t_get(path, &whole);
	assert_int_equal(whole.len, strlen(LINES) + sizeof(text));
	assert_memory_equal(whole.data, LINES, strlen(LINES));
	assert_memory_equal(whole.data + strlen(LINES), text, sizeof(text));
	buf_fini(&whole);
	t_smtpd_fini(s);
}

/* As when a later module changed the envelope. */
static void
test_lines_may_change_after_a_part_is_written(void **state)
{
	static char text[200000];
	struct fixture *f = *state;
	struct smtpd_session *s = session(f, 0, "ann@a.test");
	struct buf whole;
	char path[300];
	size_t i;

	memset(text, 'x', sizeof(text));
	for (i = 0; i < sizeof(text); i += 1000) {
		smtpd_module.body(f->self, s, text + i, 1000);
		while (s->is_paused)
			t_smtpd_host_turn(&f->host);
	}
	buf_puts(&s->lines, "X-More: y\r\n");
	t_smtpd_send(s, f->self, "", 0, 1);
	assert_int_equal(t_smtpd_end(s, f->self), SMTPD_DELIVERED);
	assert_int_equal(count(f->root, path), 1);
	buf_init(&whole, 0);
	t_get(path, &whole);
	assert_int_equal(whole.len, s->lines.len + sizeof(text));
	assert_memory_equal(whole.data, s->lines.data, s->lines.len);
	buf_fini(&whole);
	t_smtpd_fini(s);
}

static void
test_texts_are_short_when_all_hold_much(void **state)
{
	struct fixture *f = *state;
	struct smtpd_session *s = session(f, 0, "ann@a.test");

	store_of(f)->held_bytes += HELD_MAX;
	smtpd_module.body(f->self, s, "x", 1);
	assert_true(s->is_paused);
	while (s->is_paused)
		t_smtpd_host_turn(&f->host);
	store_of(f)->held_bytes -= HELD_MAX;
	t_smtpd_send(s, f->self, T("y"), 1);
	assert_int_equal(t_smtpd_end(s, f->self), SMTPD_DELIVERED);
	t_smtpd_fini(s);
}

static void
test_messages_gather_while_a_sync_runs(void **state)
{
	struct fixture *f = *state;
	size_t i;

	atomic_store(&disk_holds, 1);
	for (i = 0; i < SESSIONS; i++) {
		t_smtpd_send(session(f, i, "ann@a.test"), f->self, T(TEXT),
		    100);
		if (i == 0)
			wait_for_disk(f, 1);
	}
	for (i = 0; i < SESSIONS; i++)
		assert_false(f->sessions[i].is_finished);
	atomic_store(&disk_holds, 0);
	for (i = 0; i < SESSIONS; i++) {
		assert_int_equal(t_smtpd_end(&f->sessions[i], f->self),
		    SMTPD_DELIVERED);
		t_smtpd_fini(&f->sessions[i]);
	}
	assert_int_equal(count(f->root, NULL), SESSIONS);
	assert_int_equal(t_smtpd_host_counter(&f->host, "syncs"), 2);
	/* Each file; the minute and the root once; the domain twice. */
	assert_int_equal(atomic_load(&disk_syncs), SESSIONS + 4);
}

static void
send_some(struct fixture *f, size_t from, size_t to)
{
	for (; from < to; from++)
		t_smtpd_send(session(f, from, "ann@a.test"), f->self, T(TEXT),
		    100);
}

static void
end_all(struct fixture *f)
{
	size_t i;

	for (i = 0; i < SESSIONS; i++) {
		assert_int_equal(t_smtpd_end(&f->sessions[i], f->self),
		    SMTPD_DELIVERED);
		t_smtpd_fini(&f->sessions[i]);
	}
}

/* Clients that were answered together come back together. */
static void
test_the_first_of_a_crowd_waits_for_the_others(void **state)
{
	struct fixture *f = *state;
	const size_t most = SESSIONS - SESSIONS / 8;
	uint64_t groups;
	int i, syncs;

	atomic_store(&disk_holds, 1);
	send_some(f, 0, 1);
	wait_for_disk(f, 1);
	send_some(f, 1, SESSIONS);
	atomic_store(&disk_holds, 0);
	end_all(f);
	/* Not the last one, which was answered before. */
	assert_true(store_of(f)->crowd >= SESSIONS - 1);
	syncs = atomic_load(&disk_syncs);
	groups = t_smtpd_host_counter(&f->host, "syncs");
	atomic_store(&gathers, 1);
	send_some(f, 0, most - 2);
	for (i = 0; i < 20; i++)
		t_smtpd_host_turn(&f->host);
	assert_int_equal(atomic_load(&disk_syncs), syncs);
	send_some(f, most - 2, SESSIONS);
	atomic_store(&gathers, 0);
	end_all(f);
	assert_true(t_smtpd_host_counter(&f->host, "syncs") - groups <= 3);
}

/* Alone, it has nobody to wait for. */
static void
test_one_client_never_waits_for_others(void **state)
{
	struct fixture *f = *state;
	int i;

	atomic_store(&gathers, 1);
	for (i = 0; i < 3; i++) {
		send_some(f, 0, 1);
		assert_int_equal(t_smtpd_end(&f->sessions[0], f->self),
		    SMTPD_DELIVERED);
		t_smtpd_fini(&f->sessions[0]);
	}
	atomic_store(&gathers, 0);
	assert_int_equal(count(f->root, NULL), 3);
}

static void
test_failures_are_temporary_and_leave_nothing(void **state)
{
	static const struct {
		int	 error;
		const char *reply;
	} cases[] = {
		{ ENOSPC, "452 4.3.1 " }, { EDQUOT, "452 4.3.1 " },
		{ EROFS, "452 4.3.1 " }, { EIO, "451 4.3.0 " }
	};
	struct fixture *f = *state;
	struct smtpd_session *s;
	size_t i;

	for (i = 0; i < N(cases); i++) {
		atomic_store(&disk_error, cases[i].error);
		s = session(f, 0, "ann@a.test bob@b.test");
		t_smtpd_send(s, f->self, T(TEXT), 100);
		assert_int_equal(t_smtpd_end(s, f->self), SMTPD_TEMPORARY);
		assert_memory_equal(s->reply, cases[i].reply,
		    strlen(cases[i].reply));
		assert_int_equal(count(f->root, NULL), 0);
		t_smtpd_fini(s);
	}
	assert_int_equal(f->host.warnings, N(cases));
	/* The same again is not said again. */
	s = session(f, 0, "ann@a.test");
	t_smtpd_send(s, f->self, T(TEXT), 100);
	assert_int_equal(t_smtpd_end(s, f->self), SMTPD_TEMPORARY);
	assert_int_equal(f->host.warnings, N(cases));
	t_smtpd_fini(s);
	wait_for_nothing(f);
}

static void
test_a_part_that_cannot_be_written(void **state)
{
	struct fixture *f = *state;
	struct smtpd_session *s = session(f, 0, "ann@a.test");
	static char text[100000];

	t_dir_remove(f->root);
	t_smtpd_send(s, f->self, text, sizeof(text), 4096);
	assert_int_equal(t_smtpd_end(s, f->self), SMTPD_TEMPORARY);
	t_smtpd_fini(s);
	assert_int_equal(mkdir(f->root, 0700), 0);
	wait_for_nothing(f);
}

static void
test_a_session_that_ends_takes_its_message_back(void **state)
{
	struct fixture *f = *state;
	struct smtpd_session *s = session(f, 0, "ann@a.test");

	atomic_store(&disk_holds, 1);
	t_smtpd_send(s, f->self, T(TEXT), 100);
	wait_for_disk(f, 1);
	smtpd_module.reset(f->self, s);
	t_smtpd_fini(s);
	atomic_store(&disk_holds, 0);
	wait_for_nothing(f);
	assert_int_equal(count(f->root, NULL), 0);
}

/* Linked, but its directory is not synced when the session ends. */
static void
test_a_message_that_has_its_name_is_taken_back(void **state)
{
	struct fixture *f = *state;
	struct smtpd_session *s = session(f, 0, "ann@a.test");
	int turns;

	t_smtpd_send(s, f->self, T(TEXT), 100);
	for (turns = 0; count(f->root, NULL) == 0 && turns < 20000; turns++)
		usleep(100);
	assert_int_equal(count(f->root, NULL), 1);
	smtpd_module.reset(f->self, s);
	t_smtpd_fini(s);
	wait_for_nothing(f);
	assert_int_equal(count(f->root, NULL), 0);
}

static void
test_a_session_that_ends_within_a_long_text(void **state)
{
	struct fixture *f = *state;
	struct smtpd_session *s = session(f, 0, "ann@a.test");
	static char text[TEXT_MAX + 1];

	smtpd_module.body(f->self, s, text, sizeof(text));
	assert_true(s->is_paused);
	smtpd_module.reset(f->self, s);
	t_smtpd_fini(s);
	s = session(f, 1, "ann@a.test");
	smtpd_module.body(f->self, s, text, sizeof(text));
	while (s->is_paused)
		t_smtpd_host_turn(&f->host);
	smtpd_module.reset(f->self, s);
	t_smtpd_fini(s);
	wait_for_nothing(f);
	assert_int_equal(count(f->root, NULL), 0);
}

/* All that was read before the pause comes, the end included. */
static void
test_the_end_comes_while_a_part_is_written(void **state)
{
	struct fixture *f = *state;
	struct smtpd_session *s = session(f, 0, "ann@a.test");
	static char text[TEXT_MAX + 1];
	struct stat st;
	char path[300];

	memset(text, 'x', sizeof(text));
	smtpd_module.body(f->self, s, text, sizeof(text));
	smtpd_module.body(f->self, s, "y", 1);
	s->verdict = smtpd_module.deliver(f->self, s);
	assert_int_equal(s->verdict, SMTPD_PENDING);
	assert_int_equal(t_smtpd_end(s, f->self), SMTPD_DELIVERED);
	assert_int_equal(count(f->root, path), 1);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, (off_t)(strlen(LINES) + sizeof(text) + 1));
	t_smtpd_fini(s);
}

static void
test_a_disk_that_does_not_answer_lets_clients_go(void **state)
{
	struct fixture *f = *state;
	struct smtpd_session *s = session(f, 0, "ann@a.test");

	atomic_store(&disk_holds, 1);
	t_smtpd_send(s, f->self, T(TEXT), 100);
	wait_for_disk(f, 1);
	store_of(f)->messages->since_ms -= STALL_MS + 1;
	smtpd_timer_cancel(store_of(f)->timer);
	check_stall(store_of(f));
	assert_int_equal(t_smtpd_end(s, f->self), SMTPD_TEMPORARY);
	assert_memory_equal(s->reply, "451", 3);
	t_smtpd_fini(s);
	atomic_store(&disk_holds, 0);
	wait_for_nothing(f);
	assert_int_equal(count(f->root, NULL), 0);
}

/* Committed, but never reported: nobody was told. */
static void
test_an_orderly_end_takes_back_what_was_not_acknowledged(void **state)
{
	struct fixture *f = *state;
	struct smtpd_session *s = session(f, 0, "ann@a.test");
	int turns;

	t_smtpd_send(s, f->self, T(TEXT), 100);
	for (turns = 0; count(f->root, NULL) == 0 && turns < 20000; turns++)
		usleep(100);
	smtpd_module.child_exit(f->self, &f->host);
	assert_int_equal(count(f->root, NULL), 0);
	t_smtpd_host_turn(&f->host);
	buf_fini(&s->lines);
}

static void
test_durable_none_syncs_nothing(void **state)
{
	struct fixture *f = *state;
	struct smtpd_session *s = session(f, 0, "ann@a.test");

	store_of(f)->tree.durable = COMMIT_DURABLE_NONE;
	t_smtpd_send(s, f->self, T(TEXT), 100);
	assert_int_equal(t_smtpd_end(s, f->self), SMTPD_DELIVERED);
	assert_int_equal(atomic_load(&disk_syncs), 0);
	t_smtpd_fini(s);
}

static void
test_durable_is_read(void **state)
{
	static const struct {
		const char *value;
		enum commit_durable durable;
	} cases[] = {
		{ NULL, COMMIT_DURABLE_FULL }, { "full", COMMIT_DURABLE_FULL },
		{ "file", COMMIT_DURABLE_FILE }, { "none", COMMIT_DURABLE_NONE }
	};
	struct smtpd_host host;
	size_t i;

	(void)state;
	t_smtpd_host_init(&host, "/");
	for (i = 0; i < N(cases); i++) {
		t_smtpd_host_conf(&host, "DURABLE", cases[i].value);
		assert_int_equal(store_durable(&host), cases[i].durable);
	}
	t_smtpd_host_fini(&host);
}

static void
test_configurations_that_are_wrong(void **state)
{
	const struct smtpd_setting setting = { "conf", 1, "KEY", "value" };
	struct smtpd_host host;
	void *self = NULL;

	(void)state;
	t_smtpd_host_init(&host, "/nonexistent/root");
	assert_int_equal(smtpd_module.configure(&host, &setting, 1, &self), -1);
	assert_non_null(strstr(host.text, "KEY"));
	assert_int_equal(smtpd_module.configure(&host, NULL, 0, &self), 0);
	assert_int_equal(smtpd_module.init(self, &host), -1);
	assert_int_equal(smtpd_module.child_init(self, &host), -1);
	smtpd_module.fini(self, &host);
	t_smtpd_host_conf(&host, "ROOT", "/dev/null");
	assert_int_equal(smtpd_module.configure(&host, NULL, 0, &self), 0);
	assert_int_equal(smtpd_module.init(self, &host), -1);
	assert_non_null(strstr(host.text, "not a directory"));
	smtpd_module.fini(self, &host);
	t_smtpd_host_conf(&host, "ROOT", NULL);
	assert_int_equal(smtpd_module.configure(&host, NULL, 0, &self), -1);
	t_smtpd_host_fini(&host);
}

#define CASE(f)	cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		CASE(test_a_message_is_stored_with_its_lines),
		CASE(test_a_text_may_be_empty),
		CASE(test_each_domain_has_one_link),
		CASE(test_a_long_text_is_written_in_parts),
		CASE(test_lines_may_change_after_a_part_is_written),
		CASE(test_texts_are_short_when_all_hold_much),
		CASE(test_messages_gather_while_a_sync_runs),
		CASE(test_the_first_of_a_crowd_waits_for_the_others),
		CASE(test_one_client_never_waits_for_others),
		CASE(test_failures_are_temporary_and_leave_nothing),
		CASE(test_a_part_that_cannot_be_written),
		CASE(test_a_session_that_ends_takes_its_message_back),
		CASE(test_a_message_that_has_its_name_is_taken_back),
		CASE(test_a_session_that_ends_within_a_long_text),
		CASE(test_the_end_comes_while_a_part_is_written),
		CASE(test_a_disk_that_does_not_answer_lets_clients_go),
		CASE(test_an_orderly_end_takes_back_what_was_not_acknowledged),
		CASE(test_durable_none_syncs_nothing),
		cmocka_unit_test(test_durable_is_read),
		cmocka_unit_test(test_configurations_that_are_wrong),
	};

	return cmocka_run_group_tests_name("smtpd_store", tests, NULL, NULL);
}
