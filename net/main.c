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
#include "net/idn.h"
#include "net/requests.h"
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
		return refuse(EX_OSERR, "dma-remote: cannot open a standard "
		    "descriptor\n");
	if (has_root())
		return refuse(EX_NOPERM,
		    "dma-remote: refusing to run as root\n");
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == -1)
		return refuse(EX_OSERR,
		    "dma-remote: cannot disable core dumps\n");
	if (compat_close_from(STDERR_FILENO + 1) == -1 ||
	    signal(SIGPIPE, SIG_IGN) == SIG_ERR || chdir("/") == -1)
		return refuse(EX_OSERR, "dma-remote: cannot close descriptors "
		    "or enter /\n");
	umask(077);
	return EX_OK;
}

/*
 * A log is a socket that sends to any other one, or a file: nothing for a
 * process that talks to strangers.  The runner logs for it.
 */
static void
log_by_runner(void *arg, enum log_level level, const char *text)
{
	struct requests q;

	(void)arg;
	requests_init(&q, SOCK);
	requests_log(&q, level, text);
	(void)requests_write(&q);
	requests_fini(&q);
}

/* The reason goes to the runner, for the mail that waits and for the log. */
static int
give_up(int status, const char *what, const char *reason)
{
	struct buf text;
	struct ipc m;

	buf_init(&text, REASON_MAX);
	buf_printf(&text, "%s %s", what, reason);
	ipc_init(&m);
	ipc_begin(&m, IPC_REMOTE_TROUBLE, 0);
	ipc_put_str(&m, buf_str(&text));
	ipc_send(SOCK, &m);
	ipc_fini(&m);
	buf_fini(&text);
	return status;
}

/* port: where an entry has none. */
static void
add_ports(struct sandbox_ports *ports, const struct relays *relays,
    unsigned port)
{
	const struct relay *r;
	size_t i;

	sandbox_ports_add(ports, port);
	for (i = 0; i < relays->n; i++) {
		r = &relays->list[i];
		/* That is for the DNS to say. */
		ports->is_any |= r->kind == RELAY_SRV;
		if (r->port != 0)
			sandbox_ports_add(ports, r->port);
	}
}

/* A line that is wrong has no relays, and its mail waits. */
static void
add_sender_ports(struct sandbox_ports *ports,
    const struct sender_relays *senders, unsigned port)
{
	struct relays relays;
	size_t i;

	memset(&relays, 0, sizeof(relays));
	for (i = 0; i < senders->n; i++) {
		if (senders->list[i].relays != NULL)
			(void)relays_parse(&relays, senders->list[i].relays);
		add_ports(ports, &relays, port);
	}
	relays_fini(&relays);
}

/* What is there for some senders is not used for others. */
static int
read_senders(const struct conf *conf, struct auths *auths,
    struct sandbox_ports *ports)
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
	add_sender_ports(ports, &senders, conf->relays.port);
	sender_relay_fini(&senders);
	return 0;
}

/* No login of this host is read, and the relay is not in dma.conf yet. */
static int
serve_given(struct conf *conf, struct log *log)
{
	static const struct sandbox_ports ports = { 1, { 0 } };
	struct auths none;

	memset(&none, 0, sizeof(none));
	if (idn_conf(conf, &none) == -1)
		return give_up(EX_OSERR, "dma.conf", strerror(ENOMEM));
	if (sandbox_remote(conf, &ports) == -1)
		return give_up(EX_OSERR, "sandbox", strerror(errno));
	return net_main(SOCK, -1, conf, NULL, log);
}

static int
serve(struct conf *conf, struct auths *auths, struct log *log)
{
	const struct report report = { log_report, log };
	struct sandbox_ports ports = { 0, { 0 } };
	int secrets;

	add_ports(&ports, &conf->relays, conf->relays.port);
	/* Without its credentials a host must not be spoken to. */
	if (files_auth(conf->where.auth, auths, &report) == -1)
		return give_up(EX_CONFIG, conf->where.auth,
		    "cannot be read: chown root:_dma, chmod 640 it");
	if (read_senders(conf, auths, &ports) == -1)
		return give_up(EX_CONFIG, "SENDER_RELAY",
		    "cannot be read");
	if (idn_conf(conf, auths) == -1)
		return give_up(EX_OSERR, "dma.conf", strerror(ENOMEM));
	if (auth_command_open(auths, &secrets) == -1)
		return give_up(EX_OSERR, "commands of auth.conf cannot be "
		    "run:", strerror(errno));
	if (sandbox_remote(conf, &ports) == -1)
		return give_up(EX_OSERR, "sandbox", strerror(errno));
	return net_main(SOCK, secrets, conf, auths, log);
}

int
main(int argc, char **argv)
{
	struct auths auths;
	struct conf conf;
	struct log log;
	int ret;

	ret = prepare();
	if (ret != EX_OK)
		return ret;
	/* A status that the runner could not read would be no status: the
	 * message would be sent again. */
	if (argc < 2 || strcmp(argv[1], REMOTE_VERSION) != 0)
		return give_up(EX_PROTOCOL, "dma-remote", "is not of the same "
		    "version as this runner, which will be replaced");
	log_init(&log, "dma");
	log.where = LOG_TO_FUNCTION;
	log.take = log_by_runner;
	memset(&auths, 0, sizeof(auths));
	if (files_conf(&conf, &report_quiet) == -1)
		return give_up(EX_CONFIG, "dma.conf",
		    "cannot be read");
	log.level = conf.log.level;
	ret = argc == 3 && strcmp(argv[2], REMOTE_GIVEN) == 0 ?
	    serve_given(&conf, &log) : serve(&conf, &auths, &log);
	auth_fini(&auths);
	conf_fini(&conf);
	return ret;
}
