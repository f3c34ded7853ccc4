# dma - a mail agent for hosts. GNU and BSD make; there is no configure step.
#
#   make                 build dma, dma-remote, dma-smtpd and its modules
#   make install         install as root; with DESTDIR, root is not needed
#   make try             show deliveries on a private copy of the host (root)
#   make try-smtpd       the same for dma-smtpd
#   make check           run all tests (root); installs what they need
#   make check-platforms build and test on other platforms (root)
#   make coverage        find the lines that no test reaches (root)
#   make deb             build Debian packages, in build/deb (root)
#   make html            make HTML of the manuals, in build/html
#   make bench           compare with other mail agents (root)
#   make deps            install what the build needs, on Debian (root)

PREFIX =	/usr
SYSCONFDIR =	/etc
LOCALSTATEDIR =	/var
CONFDIR =	$(SYSCONFDIR)/dma
SPOOLDIR =	$(LOCALSTATEDIR)/spool/dma
RUNDIR =	/run/dma
MAILSPOOL =	$(LOCALSTATEDIR)/mail
LIBEXECDIR =	$(PREFIX)/libexec/dma
SBINDIR =	$(PREFIX)/sbin
BINDIR =	$(PREFIX)/bin
MANDIR =	$(PREFIX)/share/man
DMAUSER =	_dma

CC =		cc
AR =		ar
BISON =		bison
FLEX =		flex
INSTALL =	install
CFLAGS =	-O2 -g
WARNINGS =	-Wall -Wextra -Wshadow -Wstrict-prototypes \
		-Wmissing-prototypes -Wvla -Wformat=2 -Wundef
WERROR =
HARDEN =	-D_FORTIFY_SOURCE=2 -fstack-protector-strong -fPIE
LDHARDEN =	-pie -Wl,-z,relro -Wl,-z,now
SANITIZE =
LIBS =
# Internationalized domain names: libidn2, in dma-remote alone.
IDN !=		pkg-config --exists libidn2 2>/dev/null && echo yes || echo no
IDNDEFS_yes =	-DDMA_IDN
IDNLIBS_yes =	-lidn2
# The resolver is a library of its own only with glibc.
NETLIBS =	-lssl -lcrypto -lresolv $(IDNLIBS_$(IDN))

# On 32-bit machines, too, files of more than 2 GB.  Their time is the system's:
# glibc 2.36 calls the ppoll() of 32 bits with one of 64, if it is fortified.
DEFS =		-D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -I. \
		-DDMA_SPOOLDIR='"$(SPOOLDIR)"' \
		-DDMA_CONFDIR='"$(CONFDIR)"' \
		-DDMA_PROGRAM='"$(SBINDIR)/dma"' \
		-DDMA_RUNDIR='"$(RUNDIR)"' \
		-DDMA_LIBEXECDIR='"$(LIBEXECDIR)"' \
		-DDMA_ALIASES='"$(SYSCONFDIR)/aliases"' \
		-DDMA_MAILSPOOL='"$(MAILSPOOL)"'
COMPILE =	$(CC) -std=c11 $(DEFS) $(IDNDEFS_$(IDN)) $(WARNINGS) $(WERROR) \
		$(HARDEN) $(CFLAGS) $(SANITIZE)
# No warnings about code that bison and flex generate.
COMPILE_MADE =	$(CC) -std=c11 $(DEFS) $(HARDEN) $(CFLAGS) $(SANITIZE)
LINK =		$(CC) $(LDHARDEN) $(CFLAGS) $(SANITIZE)

# One archive for each folder, in the order of the layers: an archive uses only
# those after it.
LIB =		lib/addr.o lib/array.o lib/base64.o lib/buf.o lib/checksum.o lib/domain.o \
		lib/dsn.o lib/hash.o lib/header.o lib/header_downgrade.o \
		lib/io.o lib/ipc.o lib/json.o lib/log.o \
		lib/mail.o lib/mime_downgrade.o lib/qp.o lib/result.o lib/sasl.o \
		lib/saslprep.o lib/sendmail_call.o lib/smtp.o lib/smtp_auth.o \
		lib/smtp_command.o lib/smtp_data.o lib/smtp_mail.o \
		lib/smtp_path.o lib/smtp_path_domain.o lib/smtp_reply.o \
		lib/smtp_verdict.o lib/text.o \
		lib/trusted_open.o
COMPAT =	compat/compat.o compat/landlock.o compat/seccomp.o
ALIASES =	aliases_include.o aliases_parse.o aliases_scan.o
SPOOL =		spool.o spool/journal.o spool/preamble.o spool/salvage.o \
		spool/upstream.o spool/upstream_file.o
CONF =		conf.o conf/alias_loops.o conf/auth.o conf/edit.o \
		conf/files.o conf/from_map.o conf/local_names.o \
		conf/relays.o conf/sender_pattern.o conf/sender_relay.o \
		conf/suspect.o conf/values.o
PRIV =		priv/apart.o priv/caller.o priv/cleanup.o priv/delivery_request.o \
		priv/helper.o priv/host_context.o priv/login_limits.o \
		priv/monitor.o priv/refusal.o priv/request.o priv/sandbox.o \
		priv/setup_writer.o priv/start_socket.o priv/submit_acceptor.o priv/submit_client.o \
		priv/submit_instance.o \
		priv/syscalls.o priv/user.o priv/user_shell.o
LOCAL =		local.o local/command.o local/delivery.o local/forward.o \
		local/lmtp.o local/maildir.o local/mbox.o \
		local/mbox_checkpoint.o local/mbox_lock.o local/mbox_text.o
NET =		net.o net/auth_command.o net/concurrency.o net/conn.o \
		net/content.o net/dns.o net/hosts.o net/idn.o net/probe.o \
		net/requests.o net/session.o net/session_mail.o \
		net/tls_policy.o
QUEUE =		queue/active.o queue/backoff.o queue/bounce.o \
		queue/bounce_facts.o queue/bounce_fields.o \
		queue/bounce_text.o \
		queue/commands.o queue/damaged.o queue/decide.o \
		queue/deliver_local.o queue/deliver_remote.o queue/entry.o \
		queue/expand.o \
		queue/helper_socket.o queue/leaving.o queue/limits.o \
		queue/local_child.o queue/lookup.o queue/notice.o queue/outcome.o \
		queue/own_mail.o \
		queue/reload.o queue/route.o queue/runner.o \
		queue/self_report.o \
		queue/status.o queue/turns.o queue/watch.o
SUBMIT =	submit/check.o submit/check_address.o \
		submit/check_connect.o submit/check_findings.o \
		submit/clean_text.o submit/flush.o submit/forward_view.o \
		submit/mailq.o submit/newaliases.o \
		submit/options.o submit/progress.o submit/put_aside.o \
		submit/queue_batch.o \
		submit/overview.o submit/overview_json.o \
		submit/overview_metrics.o submit/overview_text.o \
		submit/queue_command.o submit/queue_show.o \
		submit/queue_summary.o submit/requeue.o \
		submit/queue_walk.o submit/runner_link.o submit/runner_state.o \
		submit/selection.o submit/sender.o submit/setup.o \
		submit/setup_terminal.o submit/smtp_dialogue.o \
		submit/status_mode.o submit/submission.o submit/submit.o \
		submit/tally.o submit/time_text.o submit/usage.o \
		submit/verify.o
OBJECTS =	dma.o net/main.o crypto.o $(SPOOL) $(SUBMIT) $(QUEUE) $(LOCAL) \
		$(NET) $(PRIV) $(CONF) $(ALIASES) message.o $(LIB) $(COMPAT)

ARCHIVES =	submit/submit.a queue/queue.a local/local.a net/net.a crypto.a \
		priv/priv.a spool.a conf/conf.a aliases.a message.a lib/lib.a \
		compat/compat.a
BELOW =		priv/priv.a spool.a conf/conf.a aliases.a message.a lib/lib.a \
		compat/compat.a
DMA =		dma.o submit/submit.a queue/queue.a local/local.a $(BELOW)
REMOTE =	net/main.o net/net.a crypto.a $(BELOW)

all: dma dma-remote smtpd

dma: $(DMA)
	$(LINK) -o $@ $(DMA) $(LIBS)

dma-remote: $(REMOTE)
	$(LINK) -o $@ $(REMOTE) $(NETLIBS) $(LIBS)

submit/submit.a: $(SUBMIT)
queue/queue.a: $(QUEUE)
local/local.a: $(LOCAL)
net/net.a: $(NET)
crypto.a: crypto.o
priv/priv.a: $(PRIV)
spool.a: $(SPOOL)
conf/conf.a: $(CONF)
aliases.a: $(ALIASES)
message.a: message.o
compat/compat.a: $(COMPAT)
lib/lib.a: $(LIB)
$(ARCHIVES):
	$(AR) rcs $@ $?

.SUFFIXES:
.SUFFIXES: .c .o
.c.o:
	$(COMPILE) -MMD -MP -c -o $@ $<

aliases_parse.c: aliases_parse.y
	$(BISON) -d -o aliases_parse.c aliases_parse.y
aliases_parse.h: aliases_parse.c
aliases_scan.c: aliases_scan.l
	$(FLEX) -o aliases_scan.c aliases_scan.l
aliases_parse.o: aliases_parse.c aliases_parse.h
	$(COMPILE_MADE) -MMD -MP -c -o $@ aliases_parse.c
aliases_scan.o: aliases_scan.c aliases_parse.h
	$(COMPILE_MADE) -MMD -MP -c -o $@ aliases_scan.c

-include $(OBJECTS:.o=.d)

deps:
	@sh tests/deps.sh build

try:
	@MAKE='$(MAKE)' sh tests/try.sh

try-smtpd:
	@MAKE='$(MAKE)' sh tests/try.sh smtpd

clean: clean-tests
	rm -f dma dma-remote dma-smtpd dma-smtpd-amqp dma-smtpd-drain smtpd/*/*.so \
	    *.[ado] */*.[ado] smtpd/*/*.[ado] aliases_parse.c \
	    aliases_parse.h aliases_scan.c
	rm -rf build

.PHONY: all deps try try-smtpd clean

include smtpd/Makefile
include packaging/Makefile
include tests/Makefile
