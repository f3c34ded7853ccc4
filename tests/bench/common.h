/*
 * common.h - what the C programs of the bench share.
 */
#include <sys/socket.h>

#include <arpa/inet.h>
#include <err.h>
#include <netinet/in.h>
#include <time.h>

/* Seconds of a clock that is never set. */
static inline double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

/* Listens at an address of the loopback; flags: SOCK_NONBLOCK or 0. */
static inline int
listen_at(const char *address, int port, int flags)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	int on = 1, fd;

	in.sin_port = htons(port);
	in.sin_addr.s_addr = inet_addr(address);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (fd == -1 || bind(fd, (struct sockaddr *)&in, sizeof(in)) == -1 ||
	    listen(fd, 4096) == -1)
		err(1, "listen");
	return fd;
}
