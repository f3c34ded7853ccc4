/*
 * delivery_test.c - what all methods of local delivery share.
 */
#include <sys/prctl.h>
#include <sys/socket.h>

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "lib/io.h"
#include "local/delivery.h"
#include "tests/unit/t_delivery.h"

static void no_file(struct delivery *d)
{
	close(d->message);
	d->message = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void longer_than_the_file(struct delivery *d)
{
	d->length++;
}

static void beyond_the_file(struct delivery *d)
{
	d->offset = d->length + 1;
	d->length = 0;
}

static void huge_length(struct delivery *d)
{
	d->offset = 1;
	d->length = INT64_MAX;
}

static void
test_a_message_must_be_in_its_file(void **state)
{
	static void (*const spoil[])(struct delivery *) = {
		no_file, longer_than_the_file, beyond_the_file, huge_length,
	};
	struct t_delivery *w;
	void *own;
	size_t i;

	(void)state;
	for (i = 0; i < N(spoil); i++) {
		t_delivery_setup(&own);
		w = own;
		assert_int_equal(delivery_check(&w->d, &w->res), 0);
		spoil[i](&w->d);
		if (delivery_check(&w->d, &w->res) != -1)
			fail_msg("case %zu", i);
		assert_int_equal(w->res.status, STATUS_DEFERRED);
		assert_string_equal(w->res.code, "4.3.0");
		t_delivery_teardown(&own);
	}
}

static void
test_a_checkpoint_is_recorded_by_its_acknowledgement_alone(void **state)
{
	static const struct { uint32_t answer, id; int ret; } cases[] = {
		{ IPC_DELIVER_ACKNOWLEDGE, 7, 0 },
		{ IPC_DELIVER_ACKNOWLEDGE, 8, -1 },
		{ IPC_DELIVER_RESULT, 7, -1 },
		{ IPC_DELIVER_NEXT, 7, -1 },
		{ 0, 0, -1 },		/* the end */
	};
	const struct checkpoint at = { 1, 2, 3 };
	struct t_delivery *w = *state;
	size_t i;

	for (i = 0; i < N(cases); i++) {
		t_delivery_open(w);
		w->d.id = cases[i].id;
		if (cases[i].answer != 0)
			t_delivery_send(w, cases[i].answer);
		shutdown(w->runner, SHUT_WR);
		w->d.id = 7;
		assert_int_equal(delivery_record_checkpoint(&w->d, &at),
		    cases[i].ret);
		assert_true(t_delivery_receive_one(w));
		assert_int_equal(w->ncheckpoints, 1);
		assert_memory_equal(&w->at, &at, sizeof(at));
	}
	t_delivery_open(w);
	io_close(&w->runner);
	assert_int_equal(delivery_record_checkpoint(&w->d, &at), -1);
}

static void
test_a_report_has_all_of_a_result(void **state)
{
	struct t_delivery *w = *state;
	struct result res;

	result_init(&res);
	result_quote(&res, SOURCE_SERVER, STATUS_FAILED, "5.1.1", "550 no");
	result_detail(&res, "/run/store");
	t_delivery_open(w);
	assert_int_equal(delivery_report(&w->d, &res), 0);
	assert_true(t_delivery_receive_one(w));
	assert_true(result_is_same(&w->res, &res));
	io_close(&w->runner);
	assert_int_equal(delivery_report(&w->d, &res), -1);
	result_fini(&res);
}

static void
test_a_message_is_read_to_its_length(void **state)
{
	struct t_delivery *w = *state;
	char chunk[16];

	t_delivery_message(w, "0123456789", 10);
	w->d.offset = 2;
	w->d.length = 5;
	assert_int_equal(delivery_read(&w->d, 0, chunk, 3), 3);
	assert_memory_equal(chunk, "234", 3);
	assert_int_equal(delivery_read(&w->d, 3, chunk, sizeof(chunk)), 2);
	assert_memory_equal(chunk, "56", 2);
	assert_int_equal(delivery_read(&w->d, 5, chunk, sizeof(chunk)), 0);
	w->d.length = 50;
	assert_int_equal(delivery_read(&w->d, 0, chunk, sizeof(chunk)), -1);
}

static void
test_a_copy_has_the_envelope_and_all_of_the_message(void **state)
{
	struct t_delivery *w = *state;
	const char *path = t_delivery_path(w, "copy");
	int fd;

	t_delivery_put(w, "copy", "");
	fd = open(path, O_RDWR | O_APPEND | O_CLOEXEC);
	assert_int_equal(delivery_copy(&w->d, 1, fd), DELIVERY_COPIED);
	t_assert_file(path, T_FROM T_HEAD T_BODY);
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_int_equal(delivery_copy(&w->d, 0, fd), DELIVERY_COPIED);
	t_assert_file(path, T_HEAD T_BODY);
	w->d.length++;
	assert_int_equal(delivery_copy(&w->d, 0, fd), DELIVERY_UNREADABLE);
	w->d.length--;
	assert_int_equal(delivery_copy(&w->d, 0, w->dir),
	    DELIVERY_UNWRITABLE);
	close(fd);
}

/* A reason is read by strangers: what is of this host is the detail. */
static void
test_a_path_and_an_error_are_the_detail(void **state)
{
	static const struct { int error; const char *code, *reason; }
	    cases[] = {
		{ ENOSPC, "4.2.2", "mailbox is full" },
		{ EDQUOT, "4.2.2", "mailbox is full" },
		{ EACCES, "4.2.0", "mailbox cannot be used now" },
		{ EIO, "4.2.0", "mailbox cannot be used now" },
	};
	struct t_delivery *w = *state;
	char detail[128];
	size_t i;

	for (i = 0; i < N(cases); i++) {
		errno = cases[i].error;
		assert_int_equal(delivery_defer_errno(&w->res, "/m/bob",
		    "write"), -1);
		assert_int_equal(w->res.status, STATUS_DEFERRED);
		assert_string_equal(w->res.code, cases[i].code);
		assert_string_equal(w->res.reason, cases[i].reason);
		snprintf(detail, sizeof(detail), "/m/bob: write: %s",
		    strerror(cases[i].error));
		assert_string_equal(w->res.detail, detail);
	}
	assert_int_equal(delivery_defer(&w->res, "/m/bob", "not owned by %s",
	    "bob"), -1);
	assert_string_equal(w->res.reason, "mailbox cannot be used now");
	assert_string_equal(w->res.detail, "/m/bob: not owned by bob");
	errno = EIO;
	assert_int_equal(delivery_defer_message(&w->res), -1);
	assert_string_equal(w->res.code, "4.3.0");
	assert_null(strstr(w->res.reason, strerror(EIO)));
	assert_non_null(strstr(w->res.detail, strerror(EIO)));
}

static void
test_names_of_a_directory_that_is_only_searched_are_synced(void **state)
{
	struct t_delivery *w = *state;
	int dir;

	dir = delivery_open_directory(w->mailspool);
	assert_true(dir != -1);
	assert_int_equal(delivery_sync_names(dir), 0);
	close(dir);
	assert_int_equal(delivery_sync_names(-1), -1);
	assert_int_equal(delivery_open_directory(t_delivery_path(w, "message")),
	    -1);
}

int
main(void)
{
#define EACH(f)	cmocka_unit_test_setup_teardown(f, t_delivery_setup,	\
    t_delivery_teardown)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_message_must_be_in_its_file),
		EACH(
		    test_a_checkpoint_is_recorded_by_its_acknowledgement_alone),
		EACH(test_a_report_has_all_of_a_result),
		EACH(test_a_message_is_read_to_its_length),
		EACH(test_a_copy_has_the_envelope_and_all_of_the_message),
		EACH(test_a_path_and_an_error_are_the_detail),
		EACH(
		    test_names_of_a_directory_that_is_only_searched_are_synced),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
