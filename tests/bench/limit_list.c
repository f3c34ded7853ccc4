/*
 * limit_list.c - the least that a list of a queue has to do.
 * Usage: limit_list DIRECTORY
 * Opens, reads and closes each file, and prints a part of it.
 */
#include <dirent.h>
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#define HEAD	8192
#define SHOWN	256

int
main(int argc, char **argv)
{
	static char text[HEAD];
	struct dirent *e;
	DIR *dir;
	ssize_t n;
	int fd;

	if (argc != 2)
		errx(64, "usage: limit_list directory");
	if ((dir = opendir(argv[1])) == NULL)
		err(1, "%s", argv[1]);
	while ((e = readdir(dir)) != NULL) {
		if (e->d_name[0] == '.')
			continue;
		if ((fd = openat(dirfd(dir), e->d_name, O_RDONLY)) == -1 ||
		    (n = read(fd, text, sizeof(text))) == -1)
			err(1, "%s", e->d_name);
		close(fd);
		fwrite(text, 1, n < SHOWN ? n : SHOWN, stdout);
		putchar('\n');
	}
	closedir(dir);
	return fflush(stdout) == EOF;
}
