/*
 * smtpd_status_test.c - the texts of the status socket, and its clients.
 */
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "lib/io.h"
#include "smtpd/status.h"
#include "tests/unit/t.h"

static void
fill(struct status_values *v)
{
	memset(v, 0, sizeof(*v));
	v->total.accepted = 12;
	v->total.bytes = UINT64_C(18446744073709551615);
	v->total.syncs = 4;
	v->total.sync_us = 1000050;
	v->total.sync_max_us = 900000;
	v->children = 5;
	v->idle = 2;
	v->rate_milli = 1500;
	snprintf(v->total.modules[0].name, COUNTERS_NAME, "fallback");
	v->total.modules[0].value = 3;
	snprintf(v->total.modules[1].name, COUNTERS_NAME, "evil 1\nx");
	memset(v->total.modules[2].name, 'z', COUNTERS_NAME);
	snprintf(v->total.modules[3].name, COUNTERS_NAME, "\"");
}

static void
test_the_text_has_a_counter_a_line(void **state)
{
	static const char *const lines[] = { "accepted 12\n",
	    "\nbytes 18446744073709551615\n", "\nrefused 0\n",
	    "\nchildren 5\n", "\nidle 2\n", "\nrate 1.5\n",
	    "\nsync_us 250012\n", "\nsync_max_us 900000\n",
	    "\nmodule_fallback 3\n", "\nmodule_evil 0\n" };
	struct status_values v;
	struct buf b;
	size_t i;

	(void)state;
	fill(&v);
	buf_init(&b, 0);
	status_text(&b, &v);
	for (i = 0; i < N(lines); i++)
		if (strstr(buf_str(&b), lines[i]) == NULL)
			fail_msg("no %s in %s", lines[i], buf_str(&b));
	assert_null(strchr(buf_str(&b), '"'));
	buf_fini(&b);
	/* Before the first commit. */
	memset(&v, 0, sizeof(v));
	status_text(&b, &v);
	assert_non_null(strstr(buf_str(&b), "\nsync_us 0\n"));
	assert_non_null(strstr(buf_str(&b), "\nrate 0.0\n"));
	buf_fini(&b);
}

/* A line of the exposition format, as far as this program uses it. */
static int
is_metric_line(const char *line)
{
	static const char names[] = "abcdefghijklmnopqrstuvwxyz_";
	size_t n;

	if (strncmp(line, "# HELP dma_smtpd_", 17) == 0)
		return line[17 + strspn(line + 17, names)] == ' ';
	if (strncmp(line, "# TYPE dma_smtpd_", 17) == 0) {
		line += 17 + strspn(line + 17, names);
		return strcmp(line, " counter") == 0 ||
		    strcmp(line, " gauge") == 0;
	}
	if (strncmp(line, "dma_smtpd_", 10) != 0)
		return 0;
	n = 10 + strspn(line + 10, names);
	return line[n] == ' ' && line[n + 1] != '\0' &&
	    line[n + 1 + strspn(line + n + 1, "0123456789.")] == '\0';
}

static void
test_prometheus_can_read_every_line(void **state)
{
	static const char *const lines[] = {
	    "# TYPE dma_smtpd_messages_accepted_total counter\n",
	    "counter\ndma_smtpd_messages_accepted_total 12\n",
	    "dma_smtpd_sync_seconds_total 1.00005\n",
	    "dma_smtpd_sync_max_seconds 0.9\n",
	    "dma_smtpd_message_rate 1.5\n",
	    "dma_smtpd_module_fallback 3\n" };
	struct status_values v;
	char *line, *rest;
	struct buf b;
	size_t i;

	(void)state;
	fill(&v);
	buf_init(&b, 0);
	status_prometheus(&b, &v);
	for (i = 0; i < N(lines); i++)
		if (strstr(buf_str(&b), lines[i]) == NULL)
			fail_msg("no %s in %s", lines[i], buf_str(&b));
	/* The last line ends, too. */
	assert_int_equal(b.data[b.len - 1], '\n');
	for (rest = b.data; (line = strsep(&rest, "\n")) != NULL;)
		if (rest != NULL && !is_metric_line(line))
			fail_msg("\"%s\"", line);
	buf_fini(&b);
}

static void
test_requests_for_metrics_are_recognised(void **state)
{
	static const struct {
		const char	*bytes;
		int		 expected;
	} cases[] = {
		{ "", 0 },
		{ "G", 0 },
		{ "GET /metrics", 0 },
		{ "GET /metrics HTTP/1.1\r\n", 0 },
		{ "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", 1 },
		{ "GET /metrics?x=1 HTTP/1.0\n\n", 1 },
		{ "GET /metrics\r\n", 1 },
		{ "GET /metrics\n", 1 },
		{ "GET /metricsx HTTP/1.1\r\n\r\n", -1 },
		{ "GET / HTTP/1.1\r\n\r\n", -1 },
		{ "get /metrics\r\n", -1 },
		{ "POST /metrics\r\n", -1 },
		{ "x", -1 },
		{ "\r\n", -1 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++)
		if (status_is_for_metrics(cases[i].bytes,
		    strlen(cases[i].bytes)) != cases[i].expected)
			fail_msg("\"%s\"", cases[i].bytes);
	assert_int_equal(status_is_for_metrics(T("GET /metrics\0\r\n\r\n")),
	    -1);
}

/* ---- a socket with clients ---- */

struct world {
	char		 dir[64];
	struct loop	 loop;
	struct scoreboard *scoreboard;
	struct status_server status;
	struct identity	 id;
};

static void
begin(struct world *w)
{
	t_dir(w->dir, sizeof(w->dir));
	assert_int_equal(loop_init(&w->loop), 0);
	w->scoreboard = scoreboard_new(4, 100);
	assert_non_null(w->scoreboard);
	status_init(&w->status, &w->loop, w->scoreboard);
	memset(&w->id, 0, sizeof(w->id));
	w->id.is_kept = 1;
}

static void
end(struct world *w)
{
	status_fini(&w->status);
	loop_fini(&w->loop);
	scoreboard_free(w->scoreboard);
	t_dir_remove(w->dir);
}

static int
client(const struct world *w)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s/status", w->dir);
	assert_int_equal(connect(fd, (struct sockaddr *)&sun, sizeof(sun)),
	    0);
	assert_int_equal(io_nonblock(fd), 0);
	return fd;
}

/* Runs the loop until the connection is closed. */
static void
receive(struct world *w, int fd, struct buf *b)
{
	char bytes[4096];
	ssize_t n;

	while ((n = read(fd, bytes, sizeof(bytes))) != 0) {
		if (n > 0) {
			buf_add(b, bytes, (size_t)n);
			continue;
		}
		assert_int_equal(errno, EAGAIN);
		assert_int_equal(loop_turn(&w->loop, 10), 0);
	}
	close(fd);
}

static void
test_a_client_gets_what_it_asks_for(void **state)
{
	static const struct {
		const char	*request, *start;
	} cases[] = {
		{ "GET /metrics HTTP/1.1\r\n\r\n", "HTTP/1.1 200 OK\r\n" },
		{ "", "accepted 0\n" },
		{ "status\n", "accepted 0\n" },
		{ "GET /metr", "accepted 0\n" },	/* and no more */
	};
	struct world w;
	struct buf b;
	size_t i;
	int fd;

	(void)state;
	begin(&w);
	assert_int_equal(status_listen(&w.status, t_path(w.dir, "status"),
	    &w.id), 0);
	for (i = 0; i < N(cases); i++) {
		buf_init(&b, 0);
		fd = client(&w);
		assert_int_equal(io_write_all(fd, cases[i].request,
		    strlen(cases[i].request)), 0);
		receive(&w, fd, &b);
		if (strncmp(buf_str(&b), cases[i].start,
		    strlen(cases[i].start)) != 0)
			fail_msg("%s: %s", cases[i].request, buf_str(&b));
		buf_fini(&b);
	}
	end(&w);
}

/* More than there are places, and none of them reads or says anything. */
static void
test_silent_clients_do_not_shut_out_others(void **state)
{
	int fds[3 * STATUS_CLIENTS_MAX], fd;
	struct world w;
	struct buf b;
	size_t i;

	(void)state;
	begin(&w);
	assert_int_equal(status_listen(&w.status, t_path(w.dir, "status"),
	    &w.id), 0);
	for (i = 0; i < N(fds); i++) {
		fds[i] = client(&w);
		assert_int_equal(loop_turn(&w.loop, 0), 0);
	}
	buf_init(&b, 0);
	fd = client(&w);
	assert_int_equal(io_write_all(fd, "x", 1), 0);
	receive(&w, fd, &b);
	assert_int_equal(strncmp(buf_str(&b), "accepted 0\n", 11), 0);
	buf_fini(&b);
	for (i = 0; i < N(fds); i++)
		close(fds[i]);
	end(&w);
}

static void
test_the_socket_is_for_its_group_alone(void **state)
{
	struct world w;
	struct stat st;

	(void)state;
	begin(&w);
	assert_int_equal(status_listen(&w.status, t_path(w.dir, "status"),
	    &w.id), 0);
	assert_int_equal(stat(t_path(w.dir, "status"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0660);
	end(&w);
	assert_false(t_exists(t_path(w.dir, "status")));
}

static void
test_only_a_dead_socket_is_replaced(void **state)
{
	struct status_server other;
	struct world w;
	struct stat st;
	const char *path;

	(void)state;
	begin(&w);
	path = t_path(w.dir, "status");
	t_put(path, "text", 4, 0644);
	assert_int_equal(status_listen(&w.status, path, &w.id), -1);
	assert_int_equal(errno, EEXIST);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(status_listen(&w.status, path, &w.id), 0);
	status_init(&other, &w.loop, w.scoreboard);
	assert_int_equal(status_listen(&other, path, &w.id), -1);
	assert_int_equal(errno, EADDRINUSE);
	/* As if the first were killed. */
	assert_int_equal(loop_watch(&w.loop, &w.status.listener, 0), 0);
	status_leave(&w.status);
	assert_int_equal(status_listen(&other, path, &w.id), 0);
	/* What another has made is not removed. */
	w.status.path = strdup(path);
	w.status.inode = 1;
	status_fini(&w.status);
	assert_int_equal(stat(path, &st), 0);
	assert_true(S_ISSOCK(st.st_mode));
	status_leave(&other);
	end(&w);
}

/* Root makes it where root alone can write, or else the user does. */
static void
test_root_changes_nothing_in_a_directory_of_others(void **state)
{
	static const struct {
		const char *path;
		uid_t	 owner;
		mode_t	 mode;
		int	 error;
	} cases[] = {
		{ "a", 0, 0755, 0 },
		{ "b", 12345, 0700, 0 },
		{ "c", 12345, 0500, EACCES },
		{ "d", 0, 01777, 0 },
		{ "e", 0, 0775, EACCES },
	};
	struct world w;
	struct stat st;
	char path[256];
	size_t i;
	int ret;

	(void)state;
	t_needs_root();
	for (i = 0; i < N(cases); i++) {
		begin(&w);
		w.id = (struct identity){ .uid = 12345, .gid = 12345 };
		assert_int_equal(chmod(w.dir, 0755), 0);
		snprintf(path, sizeof(path), "%s/%s", w.dir, cases[i].path);
		assert_int_equal(mkdir(path, 0755), 0);
		assert_int_equal(chown(path, cases[i].owner, 0), 0);
		assert_int_equal(chmod(path, cases[i].mode), 0);
		strncat(path, "/status", sizeof(path) - strlen(path) - 1);
		ret = status_listen(&w.status, path, &w.id);
		assert_int_equal(geteuid(), 0);
		assert_int_equal(getegid(), 0);
		assert_int_equal(ret == 0 ? 0 : errno, cases[i].error);
		if (ret == 0) {
			assert_int_equal(lstat(path, &st), 0);
			assert_int_equal(st.st_uid, 12345);
			assert_int_equal(st.st_mode & 0777, 0660);
			status_fini(&w.status);
		}
		end(&w);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_text_has_a_counter_a_line),
		cmocka_unit_test(test_prometheus_can_read_every_line),
		cmocka_unit_test(test_requests_for_metrics_are_recognised),
		cmocka_unit_test(test_a_client_gets_what_it_asks_for),
		cmocka_unit_test(test_silent_clients_do_not_shut_out_others),
		cmocka_unit_test(test_the_socket_is_for_its_group_alone),
		cmocka_unit_test(
		    test_root_changes_nothing_in_a_directory_of_others),
		cmocka_unit_test(test_only_a_dead_socket_is_replaced),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
