/*
 * limit_submit.c - the least that a durable submission has to do.
 * Usage: limit_submit DIRECTORY <MESSAGE
 * Installed set-uid root: becomes the owner of the directory for good, reads,
 * writes, syncs, gives the file a name, syncs the directory, and sends the
 * datagram that would wake a runner.
 */
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <err.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void
become_owner(const char *path)
{
	struct stat st;

	if (stat(path, &st) == -1)
		err(1, "%s", path);
	if (geteuid() == 0 && (setgroups(0, NULL) == -1 ||
	    setresgid(st.st_gid, st.st_gid, st.st_gid) == -1 ||
	    setresuid(st.st_uid, st.st_uid, st.st_uid) == -1))
		err(1, "user");
}

/* Nobody has to be there to hear it. */
static void
wake(const char *path)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd == -1)
		err(1, "socket");
	snprintf(un.sun_path, sizeof(un.sun_path), "%s/wake", path);
	(void)sendto(fd, "", 1, MSG_DONTWAIT, (struct sockaddr *)&un,
	    sizeof(un));
	close(fd);
}

int
main(int argc, char **argv)
{
	static char text[65536];
	char from[32], name[32];
	ssize_t n;
	int dir, fd;

	if (argc < 2)
		errx(64, "usage: limit_submit directory");
	become_owner(argv[1]);
	if ((dir = open(argv[1], O_RDONLY | O_DIRECTORY)) == -1 ||
	    (fd = openat(dir, ".", O_TMPFILE | O_RDWR, 0600)) == -1)
		err(1, "open");
	while ((n = read(0, text, sizeof(text))) > 0)
		if (write(fd, text, n) != n)
			err(1, "write");
	if (n == -1 || fsync(fd) == -1)
		err(1, "message");
	snprintf(from, sizeof(from), "/proc/self/fd/%d", fd);
	snprintf(name, sizeof(name), "m%d", (int)getpid());
	if (linkat(AT_FDCWD, from, dir, name, AT_SYMLINK_FOLLOW) == -1 ||
	    fsync(dir) == -1)
		err(1, "name");
	wake(argv[1]);
	return 0;
}
