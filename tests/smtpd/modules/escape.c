/*
 * escape.c - a module that was taken over: at MAIL it tries what a child must not
 * do, and refuses with the names of what it could do.
 *	escape outside PATH	a file to create, outside of the tree
 *	escape port N		a TCP port to connect to
 */
#define _GNU_SOURCE
#include <smtpd_module.h>

#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct escape {
	char	 outside[200];
	unsigned port;
	pid_t	 parent;
};

static int
configure(struct smtpd_host *h, const struct smtpd_setting *settings, size_t n,
    void **self)
{
	struct escape *e = calloc(1, sizeof(*e));

	(void)h;
	*self = e;
	for (size_t i = 0; e != NULL && i < n; i++)
		if (strcmp(settings[i].key, "port") == 0)
			e->port = (unsigned)atoi(settings[i].value);
		else
			strncpy(e->outside, settings[i].value,
			    sizeof(e->outside) - 1);
	return e == NULL ? -1 : 0;
}

static int
can_open(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC, 0600);

	if (fd != -1)
		close(fd);
	return fd != -1;
}

static int
can_connect(unsigned port)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
	    .sin_port = htons((uint16_t)port),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int ret = connect(fd, (struct sockaddr *)&to, sizeof(to));

	if (fd != -1)
		close(fd);
	return ret == 0;
}

static int
can_read_memory(pid_t pid)
{
	char byte;
	struct iovec here = { &byte, 1 }, there = { &byte, 1 };

	return process_vm_readv(pid, &here, 1, &there, 1, 0) == 1;
}

static enum smtpd_verdict
on_mail(void *self, struct smtpd_session *s, const char *path)
{
	const struct escape *e = self;
	char *const argv[] = { "true", NULL }, did[400];
	char inside[400];

	(void)path;
	snprintf(inside, sizeof(inside), "%s/.inside",
	    smtpd_conf(smtpd_host(s), "ROOT"));
	snprintf(did, sizeof(did), "did:%s%s%s%s%s%s%s%s%s%s.",
	    can_open(inside, O_WRONLY | O_CREAT) ? " write-inside" : "",
	    can_open("/etc/passwd", O_RDONLY) ? " read-outside" : "",
	    can_open(e->outside, O_WRONLY | O_CREAT) ? " write-outside" : "",
	    can_connect(e->port) ? " connect" : "",
	    kill(getppid(), 0) == 0 ? " kill" : "",
	    ptrace(PTRACE_ATTACH, getppid(), NULL, NULL) == 0 ? " ptrace" : "",
	    can_read_memory(getppid()) ? " read-memory" : "",
	    setuid(0) == 0 ? " setuid" : "",
	    unshare(CLONE_NEWUSER) == 0 ? " unshare" : "",
	    execv("/bin/true", argv) == 0 ? " exec" : "");
	(void)unlink(inside);
	smtpd_set_text(s, "550 5.7.1 %s", did);
	return SMTPD_PERMANENT;
}

const struct smtpd_module smtpd_module = {
	.abi = SMTPD_MODULE_ABI,
	.size = sizeof(struct smtpd_module),
	.name = "escape",
	.configure = configure,
	.mail = on_mail
};
