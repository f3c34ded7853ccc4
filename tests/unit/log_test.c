/*
 * log_test.c - one event is one line, whatever is logged.
 */
#include <sys/mman.h>
#include <sys/socket.h>

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "lib/io.h"
#include "lib/log.h"
#include "tests/unit/t.h"

static void
to_memory(struct log *log, const char *tag)
{
	log_init(log, tag);
	log->where = LOG_TO_FD;
	log->fd = memfd_create("log_test", MFD_CLOEXEC);
	assert_true(log->fd != -1);
}

static void
read_log(int fd, struct buf *b)
{
	buf_init(b, 0);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	assert_int_equal(io_read_file(fd, b, 1024 * 1024), 0);
}

/* What comes behind "DATE TAG[PID]: ". */
static const char *
text_of(const char *line)
{
	const char *p;

	p = strstr(line, "]: ");
	assert_non_null(p);
	return p + 3;
}

static void
test_one_line(void **state)
{
	static const struct { const char *in, *out; } cases[] = {
		{ "id=1 to=<a@b>", "id=1 to=<a@b\\076\n" },
		{ "say \"x\"", "say \"x\"\n" },
		{ "\xc2\x9b[31m", "\\302\\233[31m\n" },
		{ "", "\n" },
		{ "a\nid=2 forged", "a id=2 forged\n" },
		{ "a\r\nb", "a b\n" },
		{ "\033[31mred", "\\033[31mred\n" },
		{ "a\tb", "a b\n" },
		{ "J\xc3\xbcrgen", "J\\303\\274rgen\n" },
		{ "%s%n%x", "%s%n%x\n" },
	};
	struct log log;
	struct buf b;
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		to_memory(&log, "dma");
		log_say(&log, LOG_LEVEL_INFO, "%s", cases[i].in);
		read_log(log.fd, &b);
		assert_string_equal(text_of(buf_str(&b)), cases[i].out);
		assert_non_null(strstr(buf_str(&b), "Z dma["));
		buf_fini(&b);
		close(log.fd);
	}
}

/* A value that would look like more than one, where each may stand. */
static void
test_t11_value_forges_no_field(void **state)
{
	static const char forged[] = "x\"> to=<root> status=sent \r\n";
	static const char in_both[] = "x\\042\\076 to=<root\\076 status=sent";
	static const char bare[] =
	    "x\\042\\076\\040to=<root\\076\\040status=sent";
	struct log log;
	struct buf b, want;

	(void)state;
	to_memory(&log, "dma");
	log_say(&log, LOG_LEVEL_INFO, "to=<%s> a=<|%s> user=%s reply=\"1 %s\" "
	    "n=%d u=%u z=%zu l=%ld ll=%lld %.*s%% end=%s", forged, forged,
	    forged, forged, -1, 2U, (size_t)3, -4L, 5LL, 3, "abcd", "e");
	buf_init(&want, 0);
	buf_printf(&want, "to=<%s> a=<|%s> user=%s reply=\"1 %s\" n=-1 u=2 "
	    "z=3 l=-4 ll=5 abc%%%% end=e\n", in_both, in_both, bare, in_both);
	read_log(log.fd, &b);
	assert_string_equal(text_of(buf_str(&b)), buf_str(&want));
	buf_fini(&b);
	buf_fini(&want);
	close(log.fd);
}

static void
test_level(void **state)
{
	static const enum log_level levels[] = { LOG_LEVEL_ERROR,
	    LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };
	struct log log;
	struct buf b;
	size_t i, k;

	(void)state;
	for (i = 0; i < N(levels); i++)
		for (k = 0; k < N(levels); k++) {
			to_memory(&log, "dma");
			assert_int_equal(log.level, LOG_LEVEL_INFO);
			log.level = levels[i];
			log_say(&log, levels[k], "x");
			read_log(log.fd, &b);
			assert_int_equal(b.len > 0, k <= i);
			buf_fini(&b);
			close(log.fd);
		}
}

static void
test_length_is_bounded(void **state)
{
	struct log log;
	struct buf b;
	char *text;

	(void)state;
	text = malloc(100001);
	assert_non_null(text);
	memset(text, 'x', 100000);
	text[100000] = '\0';
	to_memory(&log, "dma");
	log_say(&log, LOG_LEVEL_INFO, "why=%s", text);
	read_log(log.fd, &b);
	assert_true(b.len > 8000 && b.len < 8400);
	assert_ptr_equal(strchr(buf_str(&b), '\n'), b.data + b.len - 1);
	buf_fini(&b);
	close(log.fd);
	free(text);
}

static void
test_tag(void **state)
{
	static const struct { const char *in, *out; } cases[] = {
		{ "cron-mail", "cron-mail" },
		{ "12345678901234567890123456789012",
		    "12345678901234567890123456789012" },
		{ "123456789012345678901234567890123", "dma" },
	};
	struct log log;
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		log_init(&log, cases[i].in);
		assert_string_equal(log.tag, cases[i].out);
		assert_int_equal(log.fd, -1);
	}
}

static void
test_stderr(void **state)
{
	struct log log;
	struct buf b;
	int fd, saved;

	(void)state;
	fd = memfd_create("log_test", MFD_CLOEXEC);
	saved = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 10);
	assert_true(fd != -1 && saved != -1);
	assert_true(dup2(fd, STDERR_FILENO) != -1);
	log_init(&log, "dma");
	log.where = LOG_TO_STDERR;
	log_say(&log, LOG_LEVEL_WARNING, "one %s", "two\nthree\r");
	assert_true(dup2(saved, STDERR_FILENO) != -1);
	close(saved);
	read_log(fd, &b);
	assert_string_equal(buf_str(&b), "dma: one two three\n");
	buf_fini(&b);
	close(fd);
}

static void
test_nowhere_to_write(void **state)
{
	struct log log;

	(void)state;
	log_init(&log, "dma");
	log.where = LOG_TO_FD;
	log.fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
	assert_true(log.fd != -1);
	log_say(&log, LOG_LEVEL_ERROR, "lost");
	close(log.fd);
	log.fd = -1;
	log_say(&log, LOG_LEVEL_ERROR, "lost");
	assert_int_equal(log.where, LOG_TO_FD);
}

/* A datagram for each write. */
static void
test_held_lines_are_written_at_once(void **state)
{
	char got[3 * 32768];
	struct log log;
	struct buf held;
	ssize_t n;
	int i, pair[2], total = 0;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0,
	    pair), 0);
	log_init(&log, "dma");
	log.where = LOG_TO_FD;
	log.fd = pair[0];
	buf_init(&held, 0);
	log_hold(&log, &held);
	log_say(&log, LOG_LEVEL_INFO, "one");
	log_say(&log, LOG_LEVEL_INFO, "two");
	assert_int_equal(recv(pair[1], got, sizeof(got), 0), -1);
	log_release(&log);
	n = recv(pair[1], got, sizeof(got) - 1, 0);
	assert_true(n > 0);
	got[n] = '\0';
	assert_string_equal(text_of(strchr(got, '\n')), "two\n");
	/* Many are written before memory becomes too much. */
	log_hold(&log, &held);
	for (i = 0; i < 2000; i++)
		log_say(&log, LOG_LEVEL_INFO, "a line");
	assert_true(held.cap < 100000);
	log_release(&log);
	while ((n = recv(pair[1], got, sizeof(got), 0)) > 0)
		for (i = 0; i < n; i++)
			total += got[i] == '\n';
	assert_int_equal(total, 2000);
	/* And nothing is held any more. */
	log_say(&log, LOG_LEVEL_INFO, "three");
	assert_true(recv(pair[1], got, sizeof(got), 0) > 0);
	buf_fini(&held);
	close(pair[0]);
	close(pair[1]);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_line),
		cmocka_unit_test(test_t11_value_forges_no_field),
		cmocka_unit_test(test_level),
		cmocka_unit_test(test_length_is_bounded),
		cmocka_unit_test(test_tag),
		cmocka_unit_test(test_stderr),
		cmocka_unit_test(test_nowhere_to_write),
		cmocka_unit_test(test_held_lines_are_written_at_once),
	};

	return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
