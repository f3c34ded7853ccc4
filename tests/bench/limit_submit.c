/*
 * limit_submit.c - the least that a durable submission has to do.
 * Usage: limit_submit DIRECTORY <MESSAGE
 * Reads, writes, syncs, gives it a name, syncs the directory.
 */
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

int
main(int argc, char **argv)
{
	static char text[1 << 20];
	char from[32], name[32];
	ssize_t n;
	int dir, fd;

	if (argc < 2 || (dir = open(argv[1], O_RDONLY | O_DIRECTORY)) == -1 ||
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
	return 0;
}
