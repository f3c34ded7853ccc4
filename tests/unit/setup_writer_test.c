/*
 * setup_writer_test.c - unit tests of priv/setup_writer.c.
 * That only root has such a process is in tests/system/test_setup.py.
 */
#include <sys/socket.h>
#include <sys/stat.h>

#include <errno.h>
#include <unistd.h>

#include "lib/ipc.h"
#include "priv/records.h"
#include "priv/setup_writer.h"
#include "tests/unit/t.h"

static const struct edit one = { "a.test:587", "", "me", "secret" };

static mode_t
mode_of(const char *path)
{
	struct stat st;

	assert_int_equal(lstat(path, &st), 0);
	return st.st_mode;
}

static int
write_in(const char *dir, const struct edit *e)
{
	const struct setup_place place = { dir, (gid_t)-1 };
	struct buf reason;
	int ret;

	buf_init(&reason, 0);
	ret = setup_write(&place, e, &reason);
	assert_int_equal(ret == 0, reason.len == 0);
	assert_null(strstr(buf_str(&reason), "secret"));
	buf_fini(&reason);
	return ret;
}

static void
test_files_that_are_new(void **state)
{
	char dir[64];

	(void)state;
	t_dir(dir, sizeof(dir));
	assert_int_equal(write_in(dir, &one), 0);
	t_assert_file(t_path(dir, "dma.conf"), "SMARTHOST a.test:587\n");
	t_assert_file(t_path(dir, "auth.conf"), "me|a.test:secret\n");
	assert_int_equal(mode_of(t_path(dir, "dma.conf")), S_IFREG | 0644);
	assert_int_equal(mode_of(t_path(dir, "auth.conf")), S_IFREG | 0640);
	assert_false(t_exists(t_path(dir, "dma.conf.old")));
	assert_false(t_exists(t_path(dir, "auth.conf.old")));
	t_dir_remove(dir);
}

/* Also what an earlier, killed call has left beside them. */
static void
test_files_that_are_replaced(void **state)
{
	char dir[64];

	(void)state;
	t_dir(dir, sizeof(dir));
	t_put(t_path(dir, "dma.conf"), T("SMARTHOST b\n"), 0460);
	t_put(t_path(dir, "auth.conf"), T("you|b:x\n"), 0666);
	t_put(t_path(dir, "dma.conf.old"), T("older"), 0600);
	t_put(t_path(dir, "dma.conf.new"), T("left"), 0666);
	assert_int_equal(symlink("dma.conf", t_path(dir, "auth.conf.new")), 0);
	assert_int_equal(chmod(t_path(dir, "dma.conf"), 0660), 0);
	assert_int_equal(chmod(t_path(dir, "auth.conf"), 0666), 0);
	assert_int_equal(write_in(dir, &one), 0);
	t_assert_file(t_path(dir, "dma.conf"),
	    "#SMARTHOST b\nSMARTHOST a.test:587\n");
	t_assert_file(t_path(dir, "auth.conf"), "you|b:x\nme|a.test:secret\n");
	t_assert_file(t_path(dir, "dma.conf.old"), "SMARTHOST b\n");
	t_assert_file(t_path(dir, "auth.conf.old"), "you|b:x\n");
	assert_int_equal(mode_of(t_path(dir, "dma.conf")), S_IFREG | 0640);
	assert_int_equal(mode_of(t_path(dir, "auth.conf")), S_IFREG | 0640);
	assert_false(t_exists(t_path(dir, "dma.conf.new")));
	assert_false(t_exists(t_path(dir, "auth.conf.new")));
	t_dir_remove(dir);
}

static void
test_what_is_refused_changes_nothing(void **state)
{
	struct edit bad = one;
	char dir[64];

	(void)state;
	t_dir(dir, sizeof(dir));
	(void)text_copy(bad.user, sizeof(bad.user), "me\nx");
	assert_int_equal(write_in(dir, &bad), -1);
	assert_false(t_exists(t_path(dir, "auth.conf")));
	assert_int_equal(write_in(t_path(dir, "none"), &one), -1);
	/* A link is somebody's way to keep the file elsewhere. */
	t_put(t_path(dir, "real"), T("x\n"), 0640);
	assert_int_equal(symlink("real", t_path(dir, "auth.conf")), 0);
	assert_int_equal(write_in(dir, &one), -1);
	t_assert_file(t_path(dir, "real"), "x\n");
	assert_true(S_ISLNK(mode_of(t_path(dir, "auth.conf"))));
	assert_int_equal(unlink(t_path(dir, "auth.conf")), 0);
	assert_int_equal(mkdir(t_path(dir, "auth.conf"), 0700), 0);
	assert_int_equal(write_in(dir, &one), -1);
	assert_false(t_exists(t_path(dir, "dma.conf")));
	assert_false(t_exists(t_path(dir, "auth.conf.new")));
	assert_int_equal(rmdir(t_path(dir, "auth.conf")), 0);
	t_dir_remove(dir);
}

/* The front end's side; the test is the process that writes. */
static void
test_answers(void **state)
{
	static const struct {
		uint32_t kind, is_good;
		const char *reason;
		int want;
		const char *told;
	} cases[] = {
		{ IPC_SETUP_WRITTEN, 1, "", 0, "" },
		{ IPC_SETUP_WRITTEN, 0, "no space", -1, "no space" },
		{ IPC_SETUP_WRITTEN, 0, "", -1,
		    "the process that writes has ended" },
		{ IPC_SETUP_WRITE, 1, "", -1,
		    "the process that writes has ended" },
		{ 0, 0, NULL, -1, "the process that writes has ended" },
	};
	struct buf reason;
	struct ipc m;
	int pair[2];
	size_t i;

	(void)state;
	ipc_init(&m);
	buf_init(&reason, 0);
	for (i = 0; i < N(cases); i++) {
		assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair),
		    0);
		ipc_begin(&m, cases[i].kind, 0);
		ipc_put_u32(&m, cases[i].is_good);
		ipc_put_str(&m, cases[i].reason);
		if (cases[i].reason != NULL)
			assert_int_equal(ipc_send(pair[1], &m), 0);
		assert_int_equal(shutdown(pair[1], SHUT_WR), 0);
		buf_reset(&reason);
		assert_int_equal(setup_writer_ask(pair[0], &one, &reason),
		    cases[i].want);
		assert_string_equal(buf_str(&reason), cases[i].told);
		assert_int_equal(ipc_recv(pair[1], &m, IPC_SETUP_LIMIT), 1);
		assert_int_equal(m.kind, IPC_SETUP_WRITE);
		close(pair[0]);
		close(pair[1]);
	}
	buf_fini(&reason);
	ipc_fini(&m);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_files_that_are_new),
		cmocka_unit_test(test_files_that_are_replaced),
		cmocka_unit_test(test_what_is_refused_changes_nothing),
		cmocka_unit_test(test_answers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
