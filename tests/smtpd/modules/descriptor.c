/*
 * descriptor.c - a module that waits for a program that never blocks it: the
 * deliver hook writes the id into a pipe of its own, and is called back by the
 * loop when it can be read again, after a timer has been set and cancelled.
 */
#define _GNU_SOURCE
#include <smtpd_module.h>

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

struct waiting {
	struct smtpd_session *session;
	struct smtpd_watch *watch;
	struct smtpd_timer *timer;
	int	fds[2];
};

static void
never(void *arg)
{
	(void)arg;
	abort();
}

static void
is_ready(void *arg, unsigned events)
{
	struct waiting *w = arg;
	struct smtpd_session *s = w->session;
	char byte;

	if ((events & SMTPD_READ) == 0 || read(w->fds[0], &byte, 1) != 1)
		abort();
	smtpd_watch_end(w->watch);
	smtpd_timer_cancel(w->timer);
	close(w->fds[0]);
	close(w->fds[1]);
	free(w);
	smtpd_finish(s, SMTPD_DELIVERED);
}

static void
write_now(void *arg)
{
	struct waiting *w = arg;

	if (write(w->fds[1], "x", 1) != 1)
		abort();
}

static enum smtpd_verdict
deliver(void *self, struct smtpd_session *s)
{
	struct waiting *w = calloc(1, sizeof(*w));

	(void)self;
	if (w == NULL || pipe2(w->fds, O_CLOEXEC | O_NONBLOCK) == -1) {
		free(w);
		return SMTPD_TEMPORARY;
	}
	w->session = s;
	w->watch = smtpd_watch_fd(smtpd_host(s), w->fds[0], SMTPD_READ,
	    is_ready, w);
	w->timer = smtpd_timer(smtpd_host(s), 3600000, never, w);
	(void)smtpd_timer(smtpd_host(s), 20, write_now, w);
	return SMTPD_PENDING;
}

const struct smtpd_module smtpd_module = {
	.abi = SMTPD_MODULE_ABI,
	.size = sizeof(struct smtpd_module),
	.name = "descriptor",
	.deliver = deliver
};
