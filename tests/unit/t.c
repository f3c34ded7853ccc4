/*
 * t.c - what the unit tests share.
 * Runs as: the caller; t_become_nobody() ends root's rights.
 */
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <netinet/in.h>

#include <fcntl.h>
#include <ftw.h>
#include <unistd.h>

#include "lib/io.h"
#include "tests/unit/t.h"

#define FILE_MAX	(64 * 1024 * 1024)	/* of the largest file tested */
#define NOBODY		65534
#define PATHS		4

void
t_dir(char *path, size_t size)
{
	assert_int_equal(text_copy(path, size, "/tmp/dma_test.XXXXXX"), 0);
	assert_non_null(mkdtemp(path));
}

static int
remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	(void)st;
	(void)kind;
	(void)ftw;
	return remove(path);
}

void
t_dir_remove(const char *path)
{
	assert_int_equal(nftw(path, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}

const char *
t_path(const char *dir, const char *name)
{
	static char path[PATHS][256];
	static int i;

	i = (i + 1) % PATHS;
	snprintf(path[i], sizeof(path[i]), "%s/%s", dir, name);
	return path[i];
}

void
t_put(const char *path, const void *data, size_t len, mode_t mode)
{
	int fd;

	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd != -1);
	assert_int_equal(io_write_all(fd, data, len), 0);
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

void
t_get(const char *path, struct buf *b)
{
	int fd;

	buf_reset(b);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd != -1);
	assert_int_equal(io_read_file(fd, b, FILE_MAX), 0);
	close(fd);
}

void
t_assert_file(const char *path, const char *text)
{
	struct buf b;

	buf_init(&b, 0);
	t_get(path, &b);
	assert_string_equal(buf_str(&b), text);
	assert_int_equal(b.len, strlen(text));
	buf_fini(&b);
}

void
t_assert_text(const struct buf *got, const char *want, size_t len)
{
	assert_false(buf_failed(got));
	if (got->len != len || memcmp(buf_str(got), want, len) != 0)
		fail_msg("got \"%s\" (%zu), want \"%s\" (%zu)", buf_str(got),
		    got->len, want, len);
}

int
t_exists(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0;
}

void
t_printed_begin(struct t_printed *p, int fd)
{
	p->fd = fd;
	p->file = tmpfile();
	assert_non_null(p->file);
	fflush(NULL);
	p->saved = dup(fd);
	assert_true(p->saved != -1);
	assert_int_equal(dup2(fileno(p->file), fd), fd);
}

void
t_printed_end(struct t_printed *p, struct buf *b)
{
	char chunk[4096];
	size_t n;

	fflush(NULL);
	assert_int_equal(dup2(p->saved, p->fd), p->fd);
	close(p->saved);
	rewind(p->file);
	buf_reset(b);
	while ((n = fread(chunk, 1, sizeof(chunk), p->file)) > 0)
		buf_add(b, chunk, n);
	fclose(p->file);
}

int
t_in_child(int (*check)(const void *), const void *arg)
{
	int status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	assert_true(pid != -1);
	if (pid == 0)
		_exit(check(arg));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

void
t_for_callers(int (*check)(const void *uid), const uid_t *callers, size_t n)
{
	size_t i;
	int ret;

	for (i = 0; i < n; i++) {
		ret = t_in_child(check, &callers[i]);
		if (ret != 0)
			fail_msg("caller %u: %d", callers[i], ret);
	}
}

void
t_become_nobody(void)
{
	if (getuid() == 0 && (setresgid(NOBODY, NOBODY, NOBODY) == -1 ||
	    setresuid(NOBODY, NOBODY, NOBODY) == -1))
		exit(1);
}

void
t_skip(const char *reason)
{
	print_message("# reason: %s\n", reason);
	skip();
}

void
t_needs_root(void)
{
	if (geteuid() != 0)
		t_skip("only root can do this");
}

/* See tests/platforms/enter.sh. */
void
t_needs_the_kernel(void)
{
	if (getenv("DMA_EMULATED") != NULL)
		t_skip("system calls are those of qemu");
}

int
t_listen(uint16_t *port)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	socklen_t len = sizeof(sin);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
	assert_int_equal(listen(fd, 8), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sin, &len), 0);
	*port = ntohs(sin.sin_port);
	return fd;
}

int
t_connects(uint16_t port)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
	    .sin_port = htons(port) };
	int fd = socket(AF_INET, SOCK_STREAM, 0), ret;

	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	ret = connect(fd, (struct sockaddr *)&sin, sizeof(sin));
	close(fd);
	return ret == 0;
}

int
t_may_bind(void)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM, 0), ret;

	ret = bind(fd, (struct sockaddr *)&sin, sizeof(sin));
	close(fd);
	return ret == 0;
}

void
t_reports_init(struct t_reports *r, const char *file)
{
	memset(r, 0, sizeof(*r));
	r->file = file;
}

void
t_report(void *reports, const char *file, unsigned line, const char *text)
{
	struct t_reports *r = reports;
	size_t len = strlen(r->lines);

	if (r->file != NULL)
		assert_string_equal(file, r->file);
	assert_true(text[0] != '\0');
	snprintf(r->lines + len, sizeof(r->lines) - len, "%u;", line);
	r->line = line;
	r->count++;
	assert_int_equal(text_copy(r->text, sizeof(r->text), text), 0);
}
