/*
 * start_socket.h - RUNDIR/start, the socket on which init listens to start a
 * runner.
 */
#ifndef PRIV_START_SOCKET_H
#define PRIV_START_SOCKET_H

/*
 * For the front end: has init start a runner, at once or as soon as the one
 * that is leaving has left.  for_flush: see request_flush_runner().  -1 with
 * errno: nobody listens there.
 */
int	start_socket_ask(int for_flush);
/*
 * For the monitor: the listening socket that init gave (as descriptor 3 by
 * LISTEN_FDS, or as standard input), or -1.  Read before the environment is
 * cleaned.
 */
int	start_socket_given(void);

enum start_asked {
	START_BROKEN = -1,
	START_NOTHING,
	START_WAKE,
	START_FLUSH		/* a caller is about to send a flush */
};
/* For the runner: accepts all pending connections, without waiting. */
enum start_asked start_socket_take(int fd);

#endif
