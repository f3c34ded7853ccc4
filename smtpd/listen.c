/*
 * listen.c - the sockets on which connections arrive.
 * Runs as: the parent, as root where a port needs that.
 * Uses: sockets, LISTEN_FDS and LISTEN_PID.
 * Promise: all sockets of the configuration or none; a socket that was given
 * is one that listens.
 */
#include <sys/socket.h>
#include <netinet/in.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/io.h"
#include "smtpd/listen.h"

#define GIVEN_FIRST	3	/* descriptor, by sd_listen_fds(3) */
#define BACKLOG		4096	/* at most what the kernel allows */

static int
is_listening(int fd)
{
	socklen_t size = sizeof(int);
	int value = 0;

	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &value, &size) == -1 ||
	    value != SOCK_STREAM)
		return 0;
	value = 0;
	size = sizeof(int);
	return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &value, &size) == 0 &&
	    value != 0;
}

/* Those for another process are none: children inherit the variables. */
unsigned
listeners_given(void)
{
	const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");
	unsigned long n = 0;

	if (pid != NULL && count != NULL && atol(pid) == (long)getpid())
		n = strtoul(count, NULL, 10);
	(void)unsetenv("LISTEN_PID");
	(void)unsetenv("LISTEN_FDS");
	(void)unsetenv("LISTEN_FDNAMES");
	return n < UINT_MAX ? (unsigned)n : UINT_MAX;
}

static int
take_given(struct listeners *l, unsigned n, const struct log *log)
{
	int fd;

	if (n > CONF_LISTEN_MAX) {
		log_say(log, LOG_LEVEL_ERROR, "%u sockets were passed by init: "
		    "at most %d are possible", n, CONF_LISTEN_MAX);
		return -1;
	}
	l->are_given = 1;
	for (fd = GIVEN_FIRST; l->n < n; fd++) {
		l->fds[l->n++] = fd;
		if (is_listening(fd) && io_nonblock(fd) == 0 &&
		    fcntl(fd, F_SETFD, FD_CLOEXEC) == 0)
			continue;
		log_say(log, LOG_LEVEL_ERROR, "descriptor %d, passed by init, "
		    "is not a listening stream socket: see Accept=no in "
		    "systemd.socket(5)", fd);
		return -1;
	}
	return 0;
}

/* A socket of IPv6 takes none of IPv4, which have a socket of their own. */
static int
bind_one(const struct conf_listen *c)
{
	static const int on = 1;
	int fd = socket(c->addr.ss_family,
	    SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd == -1)
		return -1;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == -1 ||
	    (c->addr.ss_family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6,
	    IPV6_V6ONLY, &on, sizeof(on)) == -1) ||
	    bind(fd, (const struct sockaddr *)&c->addr, c->len) == -1 ||
	    listen(fd, BACKLOG) == -1)
		io_close(&fd);
	return fd;
}

/* A host without IPv6 has no ::1, which is no error by default. */
static int
may_lack(const struct smtpd_config *conf, const struct conf_listen *c)
{
	return conf->is_listen_default && c->addr.ss_family == AF_INET6 &&
	    (errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL);
}

int
listeners_open(struct listeners *l, unsigned given,
    const struct smtpd_config *conf, const struct log *log)
{
	const struct conf_listen *c;
	int fd;

	memset(l, 0, sizeof(*l));
	if (given > 0)
		return take_given(l, given, log);
	for (c = conf->listen; c < conf->listen + conf->nlisten; c++) {
		fd = bind_one(c);
		if (fd != -1) {
			l->fds[l->n++] = fd;
		} else if (!may_lack(conf, c)) {
			log_say(log, LOG_LEVEL_ERROR, "LISTEN %s: %s%s",
			    c->text, strerror(errno), errno == EACCES ?
			    ": a port below 1024 needs root" : "");
			return -1;
		}
	}
	return 0;
}

void
listeners_close(struct listeners *l)
{
	while (l->n > 0)
		io_close(&l->fds[--l->n]);
}

int
listeners_are_same(const struct smtpd_config *a, const struct smtpd_config *b)
{
	size_t i, k;

	if (a->nlisten != b->nlisten)
		return 0;
	for (i = 0; i < a->nlisten; i++) {
		for (k = 0; k < b->nlisten; k++)
			if (a->listen[i].len == b->listen[k].len &&
			    memcmp(&a->listen[i].addr, &b->listen[k].addr,
			    a->listen[i].len) == 0)
				break;
		if (k == b->nlisten)
			return 0;
	}
	return 1;
}
