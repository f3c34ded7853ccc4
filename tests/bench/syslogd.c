/*
 * syslogd.c - takes what is logged at /dev/log, and forgets it.
 * Usage: syslogd; says "ready" on standard output.
 * Without it, each line of a program that logs costs a connection that fails.
 */
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <err.h>
#include <stdio.h>
#include <unistd.h>

int
main(void)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX,
	    .sun_path = "/dev/log" };
	char text[8192];
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);

	unlink(at.sun_path);
	if (fd == -1 || bind(fd, (struct sockaddr *)&at, sizeof(at)) == -1 ||
	    chmod(at.sun_path, 0666) == -1)
		err(1, "%s", at.sun_path);
	if (puts("ready") == EOF || fflush(stdout) == EOF)
		err(1, "standard output");
	while (recv(fd, text, sizeof(text), 0) != -1)
		continue;
	err(1, "recv");
}
