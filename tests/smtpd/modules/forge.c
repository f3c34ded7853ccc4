/*
 * forge.c - a module that was taken over: at MAIL it writes into the memory that
 * all processes share.
 *	forge pid N	a process that is no child, and is said to be one
 */
#include <stdlib.h>

#include "smtpd/host.h"

#define NO_GENERATION	4000000000U

static int
configure(struct smtpd_host *h, const struct smtpd_setting *settings, size_t n,
    void **self)
{
	pid_t *pid = calloc(1, sizeof(*pid));

	(void)h;
	*self = pid;
	if (pid != NULL && n == 1)
		*pid = atoi(settings[0].value);
	return pid == NULL ? -1 : 0;
}

/* Of a child that was left alone, and of one that cannot be signalled. */
static enum smtpd_verdict
on_mail(void *self, struct smtpd_session *s, const char *path)
{
	struct scoreboard *sb = smtpd_host(s)->scoreboard;
	const pid_t pids[] = { *(pid_t *)self, 1 };

	(void)path;
	for (int i = 0; i < 2; i++) {
		int slot = scoreboard_take_slot(sb, NO_GENERATION);

		if (slot == -1)
			return SMTPD_PERMANENT;
		scoreboard_set_pid(sb, slot, pids[i]);
	}
	return SMTPD_PASS;
}

const struct smtpd_module smtpd_module = {
	.abi = SMTPD_MODULE_ABI,
	.size = sizeof(struct smtpd_module),
	.name = "forge",
	.configure = configure,
	.mail = on_mail
};
