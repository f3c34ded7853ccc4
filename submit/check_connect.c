/*
 * check_connect.c - dma check --connect: what the hosts themselves say.
 * Runs as: the spool user.  Uses: dma-remote, which does the talking.
 * Promise: no mail is sent; one host that is silent ends by the limits that
 * mail has.
 */
#include <stdio.h>
#include <string.h>

#include "conf/files.h"
#include "lib/buf.h"
#include "lib/io.h"
#include "lib/ipc.h"
#include "priv/records.h"
#include "priv/request.h"
#include "submit/check_connect.h"

#define FINDINGS_MAX	1000	/* of one process, which talks to strangers */

enum probing {
	PROBING_GOES_ON,
	PROBING_IS_OVER,
	PROBING_IS_BAD		/* that was no record of a probe */
};

static enum probing
take_finding(struct findings *f, struct ipc *m)
{
	static const enum finding levels[] = { [PROBE_OK] = FINDING_OK,
	    [PROBE_WARNING] = FINDING_WARNING, [PROBE_ERROR] = FINDING_ERROR };
	char about[PROBE_ABOUT_MAX];
	uint32_t level;
	const char *text;
	size_t len;

	level = ipc_get_u32(m);
	ipc_get_text(m, about, sizeof(about));
	text = ipc_get_bytes(m, &len);
	if (ipc_done(m) == -1 || level > PROBE_ERROR || len > PROBE_TEXT_MAX)
		return PROBING_IS_BAD;
	findings_add(f, levels[level], about, 0, "%.*s", (int)len, text);
	return PROBING_GOES_ON;
}

static enum probing
take_trouble(struct findings *f, struct ipc *m)
{
	char text[PROBE_TEXT_MAX];

	ipc_get_text(m, text, sizeof(text));
	if (ipc_done(m) == -1)
		return PROBING_IS_BAD;
	findings_add(f, FINDING_ERROR, "dma-remote", 0, "%s", text);
	return PROBING_IS_OVER;
}

static enum probing
take(struct findings *f, struct ipc *m)
{
	switch (m->kind) {
	case IPC_REMOTE_FINDING:
		return take_finding(f, m);
	case IPC_REMOTE_TROUBLE:
		return take_trouble(f, m);
	case IPC_REMOTE_PROBED:
		return PROBING_IS_OVER;
	case IPC_REMOTE_LOG:
		return PROBING_GOES_ON;
	default:
		return PROBING_IS_BAD;
	}
}

/* Each line is shown when it comes: a host may take its time. */
static void
read_findings(struct findings *f, int sock)
{
	enum probing probing = PROBING_GOES_ON;
	struct ipc m;
	unsigned n;

	ipc_init(&m);
	for (n = 0; n < FINDINGS_MAX && probing == PROBING_GOES_ON; n++) {
		(void)fflush(stdout);
		probing = ipc_recv(sock, &m, IPC_REMOTE_LIMIT) == 1 ?
		    take(f, &m) : PROBING_IS_BAD;
	}
	if (probing != PROBING_IS_OVER)
		findings_add(f, FINDING_ERROR, "dma-remote", 0, "ended before "
		    "all was tried");
	ipc_fini(&m);
}

/* A request is sent whether or not the other side still listens. */
static void
send_request(int sock, enum destination_kind kind, const char *name,
    const char *user, const char *login)
{
	struct ipc m;

	ipc_init(&m);
	ipc_begin(&m, IPC_REMOTE_DESTINATION, 0);
	ipc_put_u32(&m, kind);
	ipc_put_str(&m, name);
	ipc_put_str(&m, user);
	ipc_put_u32(&m, 0);
	(void)ipc_send(sock, &m);
	if (login != NULL) {
		ipc_begin(&m, IPC_REMOTE_LOGIN, 0);
		ipc_put_str(&m, login);
		(void)ipc_send(sock, &m);
		explicit_bzero(m.fields.data, m.fields.len);
	}
	ipc_fini(&m);
	(void)ipc_send_empty(sock, IPC_REMOTE_PROBE, 0);
}

static void
try_relays(struct findings *f, enum destination_kind kind, const char *name,
    const char *user, const char *login)
{
	int sock;

	(void)fflush(stdout);
	sock = request_probe(login != NULL);
	if (sock == -1) {
		findings_add(f, FINDING_ERROR, "dma-remote", 0, "cannot be "
		    "started");
		return;
	}
	/* One that cannot serve may have ended already, and says why. */
	send_request(sock, kind, name, user, login);
	read_findings(f, sock);
	io_close(&sock);
}

void
check_connect_to(struct findings *f, enum destination_kind kind,
    const char *name, const char *user)
{
	try_relays(f, kind, name, user, NULL);
}

void
check_connect_given(struct findings *f, const char *relays, const char *login)
{
	try_relays(f, DESTINATION_SENDER, relays, "", login);
}

/* A line that leads where an earlier one does is not tried again. */
static int
is_repeated(const struct sender_relays *all, size_t i)
{
	const struct sender_relay *a = &all->list[i], *b;
	size_t j;

	for (j = 0; j < i; j++) {
		b = &all->list[j];
		if (b->relays != NULL && text_casecmp(a->relays,
		    b->relays) == 0 && strcmp(a->user == NULL ? "" : a->user,
		    b->user == NULL ? "" : b->user) == 0)
			return 1;
	}
	return 0;
}

static void
probe_senders(struct findings *f, const struct conf *conf)
{
	const struct sender_relay *relay;
	struct sender_relays relays;
	size_t i;

	/* What is wrong with it was said before. */
	if (files_sender_relays(conf->where.sender_relay, &relays,
	    &report_quiet) == -1)
		relays.n = 0;
	for (i = 0; i < relays.n; i++) {
		relay = &relays.list[i];
		if (relay->relays == NULL || relay->trouble != NULL ||
		    is_repeated(&relays, i))
			continue;
		check_connect_to(f, DESTINATION_SENDER, relay->relays,
		    relay->user == NULL ? "" : relay->user);
	}
	sender_relay_fini(&relays);
}

void
check_connect(struct findings *f, const struct conf *conf)
{
	if (conf->limits.is_noremote)
		return;
	if (conf->relays.n == 0)
		findings_add(f, FINDING_OK, "relay", 0, "none to connect to: "
		    "try an address with --to");
	else if (!relays_is_none(&conf->relays))
		check_connect_to(f, DESTINATION_SMARTHOST, "", "");
	probe_senders(f, conf);
}
