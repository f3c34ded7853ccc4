/*
 * main.c - main of dma-remote: mail for one destination.
 * Runs as: the spool user; refuses to run as root.  Descriptor 0 is the
 * socket to the runner.  Uses: the files that conf/files.c reads.
 * Promise: when the credentials are read, nobody can look into the process
 * and it can reach nothing but the network, and a process that runs the
 * commands of auth.conf.
 */
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "compat/compat.h"
#include "conf.h"
#include "lib/io.h"
#include "lib/log.h"
#include "lib/ipc.h"
#include "net.h"
#include "priv/records.h"
#include "priv/sandbox.h"
#include "net/auth_command.h"
#include "conf/files.h"

#define SOCK	STDIN_FILENO

/* A word to whoever called by hand; there may be nobody to read it. */
static int
refuse(int status, const char *reason)
{
	(void)io_write_all(STDERR_FILENO, reason, strlen(reason));
	return status;
}

static int
has_root(void)
{
	uid_t ruid, euid, suid;
	gid_t rgid, egid, sgid;

	if (getresuid(&ruid, &euid, &suid) == -1 ||
	    getresgid(&rgid, &egid, &sgid) == -1)
		return 1;
	return ruid == 0 || euid == 0 || suid == 0 ||
	    rgid == 0 || egid == 0 || sgid == 0;
}

static int
is_record_socket(int fd)
{
	socklen_t len = sizeof(int);
	int type = 0;

	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 &&
	    type == SOCK_SEQPACKET;
}

static int
prepare(void)
{
	if (fcntl(SOCK, F_GETFD) == -1 || !is_record_socket(SOCK))
		return refuse(EX_USAGE, "dma-remote: not meant to be run by "
		    "hand; it is started by dma\n");
	if (io_fill_descriptors() == -1)
		return EX_OSERR;
	if (has_root())
		return refuse(EX_NOPERM,
		    "dma-remote: refusing to run as root\n");
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == -1)
		return refuse(EX_OSERR,
		    "dma-remote: cannot disable core dumps\n");
	if (compat_close_from(STDERR_FILENO + 1) == -1 ||
	    signal(SIGPIPE, SIG_IGN) == SIG_ERR || chdir("/") == -1)
		return EX_OSERR;
	umask(077);
	return EX_OK;
}

/* The reason goes to the log, and to the runner for the mail that waits. */
static int
give_up(const struct log *log, int status, const char *what, const char *reason)
{
	struct buf text;
	struct ipc m;

	buf_init(&text, REASON_MAX);
	buf_printf(&text, "%s %s", what, reason);
	log_say(log, LOG_LEVEL_ERROR, "%s", buf_str(&text));
	ipc_init(&m);
	ipc_begin(&m, IPC_REMOTE_TROUBLE, 0);
	ipc_put_str(&m, buf_str(&text));
	ipc_send(SOCK, &m);
	ipc_fini(&m);
	buf_fini(&text);
	return status;
}

/* What is there for some senders is not used for others. */
static int
keep_for_senders(const struct conf *conf, struct auths *auths)
{
	struct sender_relays senders;
	struct auth *a;
	size_t i;

	/* The runner has warned. */
	if (files_sender_relays(conf->where.sender_relay, &senders,
	    &report_quiet) == -1)
		return -1;
	for (i = 0; i < auths->n; i++) {
		a = &auths->list[i];
		a->is_kept = sender_relay_owns(&senders, a->host, a->user);
	}
	sender_relay_fini(&senders);
	return 0;
}

static int
serve(const struct conf *conf, struct auths *auths, struct log *log)
{
	const struct report report = { log_report, log };
	int secrets;

	files_log(&conf->log, log, "dma");
	/* Without its credentials a host must not be spoken to. */
	if (files_auth(conf->where.auth, auths, &report) == -1)
		return give_up(log, EX_CONFIG, conf->where.auth,
		    "cannot be read: chown root:_dma, chmod 640 it");
	if (keep_for_senders(conf, auths) == -1)
		return give_up(log, EX_CONFIG, "SENDER_RELAY",
		    "cannot be read");
	if (auth_command_open(auths, &secrets) == -1)
		return give_up(log, EX_OSERR, "commands of auth.conf cannot be "
		    "run:", strerror(errno));
	if (sandbox_remote(conf) == -1)
		return give_up(log, EX_OSERR, "sandbox", strerror(errno));
	return net_main(SOCK, secrets, conf, auths, log);
}

int
main(void)
{
	struct auths auths;
	struct conf conf;
	struct log log;
	int ret;

	ret = prepare();
	if (ret != EX_OK)
		return ret;
	log_init(&log, "dma");
	memset(&auths, 0, sizeof(auths));
	if (files_conf(&conf, &report_quiet) == -1)
		return give_up(&log, EX_CONFIG, "dma.conf",
		    "cannot be read");
	ret = serve(&conf, &auths, &log);
	auth_fini(&auths);
	conf_fini(&conf);
	io_close(&log.fd);
	return ret;
}
