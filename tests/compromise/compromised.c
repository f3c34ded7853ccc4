/*
 * compromised.c - dma whose processes of _dma are in an attacker's hands.
 * What runs as root and as users are the real objects; the front end starts
 * what a test wants, and the runner gives its sockets to one, which then sends
 * what it likes.
 * Runs as: installed set-uid root, in the world of the tests alone.
 */
#include <sys/socket.h>
#include <sys/un.h>

#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/io.h"
#include "lib/ipc.h"
#include "local.h"
#include "priv/monitor.h"

#define TEST_SOCKET	"/tmp/compromised.sock"
#define IPC_RUNNER	2	/* fds: forward helper, delivery helper */

/* Lends the sockets to the test, until that closes its end. */
static int
hand_over(uint32_t kind, int first, int second)
{
	struct sockaddr_un sun;
	struct ipc m;
	char c;
	int fd;

	memset(&sun, 0, sizeof(sun));
	sun.sun_family = AF_UNIX;
	memcpy(sun.sun_path, TEST_SOCKET, sizeof(TEST_SOCKET));
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd == -1 || connect(fd, (struct sockaddr *)&sun,
	    sizeof(sun)) == -1)
		return EX_UNAVAILABLE;
	ipc_init(&m);
	ipc_begin(&m, kind, 0);
	ipc_put_fd(&m, first);
	ipc_put_fd(&m, second);
	if (ipc_send(fd, &m) == -1)
		return EX_OSERR;
	ipc_fini(&m);
	(void)io_read(fd, &c, 1);
	return 0;
}

/* Starts what its caller wants, as whoever it is by now. */
static int
front_end(const struct caller *caller, int argc, char **argv)
{
	(void)caller;
	if (argc > 1)
		execv(argv[1], argv + 1);
	return EX_UNAVAILABLE;
}

static int
runner(struct helpers *h)
{
	return hand_over(IPC_RUNNER, h->forward, h->deliver);
}

int
main(int argc, char **argv)
{
	static const struct modes modes = { front_end, runner, local_answer };

	return monitor_main(argc, argv, &modes);
}
