# dma - a mail agent for hosts. GNU and BSD make; there is no configure step.
#
#   make                 build dma and dma-remote
#   make install         install as root; with DESTDIR, root is not needed
#   make try             show deliveries on a private copy of the host (root)
#   make check           run all tests (root); installs what they need
#   make bench           compare with other mail agents (root)
#   make deps            install what the build needs, on Debian (root)

PREFIX =	/usr
SYSCONFDIR =	/etc
LOCALSTATEDIR =	/var
CONFDIR =	$(SYSCONFDIR)/dma
SPOOLDIR =	$(LOCALSTATEDIR)/spool/dma
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
# The resolver is a library of its own only with glibc.
NETLIBS =	-lssl -lcrypto -lresolv

DEFS =		-D_GNU_SOURCE -I. -DDMA_SPOOLDIR='"$(SPOOLDIR)"' \
		-DDMA_CONFDIR='"$(CONFDIR)"' \
		-DDMA_PROGRAM='"$(SBINDIR)/dma"' \
		-DDMA_LIBEXECDIR='"$(LIBEXECDIR)"' \
		-DDMA_ALIASES='"$(SYSCONFDIR)/aliases"' \
		-DDMA_MAILSPOOL='"$(MAILSPOOL)"'
COMPILE =	$(CC) -std=c11 $(DEFS) $(WARNINGS) $(WERROR) $(HARDEN) \
		$(CFLAGS) $(SANITIZE)
# No warnings about code that bison and flex generate.
COMPILE_MADE =	$(CC) -std=c11 $(DEFS) $(HARDEN) $(CFLAGS) $(SANITIZE)
LINK =		$(CC) $(LDHARDEN) $(CFLAGS) $(SANITIZE)

# One archive for each folder, in the order of the layers: an archive uses only
# those after it.
LIB =		lib/addr.o lib/array.o lib/base64.o lib/buf.o lib/dsn.o \
		lib/header.o lib/header_downgrade.o lib/io.o lib/ipc.o lib/log.o \
		lib/mail.o lib/mime_downgrade.o lib/qp.o lib/result.o lib/sasl.o \
		lib/saslprep.o lib/smtp.o lib/smtp_auth.o lib/smtp_mail.o \
		lib/smtp_reply.o lib/text.o lib/trusted_open.o
COMPAT =	compat/compat.o
ALIASES =	aliases_include.o aliases_parse.o aliases_scan.o
SPOOL =		spool.o spool/journal.o spool/preamble.o
CONF =		conf.o conf/auth.o conf/files.o conf/local_names.o \
		conf/relays.o conf/sender_relay.o conf/values.o
PRIV =		priv/caller.o priv/cleanup.o priv/delivery_request.o \
		priv/helper.o priv/login_limits.o priv/monitor.o \
		priv/refusal.o priv/request.o priv/sandbox.o priv/user.o \
		priv/user_shell.o
LOCAL =		local.o local/command.o local/delivery.o local/forward.o \
		local/lmtp.o local/maildir.o local/mbox.o \
		local/mbox_checkpoint.o local/mbox_lock.o local/mbox_text.o
NET =		net.o net/auth_command.o net/concurrency.o net/conn.o \
		net/content.o net/dns.o net/hosts.o net/requests.o \
		net/session.o net/session_mail.o net/tls_policy.o
QUEUE =		queue/active.o queue/bounce.o queue/decide.o \
		queue/deliver_local.o queue/deliver_remote.o queue/expand.o \
		queue/helper_socket.o queue/limits.o queue/local_child.o \
		queue/lookup.o queue/reload.o queue/route.o queue/runner.o \
		queue/status.o queue/watch.o
SUBMIT =	submit/flush.o submit/mailq.o submit/newaliases.o \
		submit/options.o submit/submit.o
OBJECTS =	dma.o net/main.o crypto.o $(SPOOL) $(SUBMIT) $(QUEUE) $(LOCAL) \
		$(NET) $(PRIV) $(CONF) $(ALIASES) message.o $(LIB) $(COMPAT)

ARCHIVES =	submit/submit.a queue/queue.a local/local.a net/net.a crypto.a \
		priv/priv.a spool.a conf/conf.a aliases.a message.a lib/lib.a \
		compat/compat.a
BELOW =		priv/priv.a spool.a conf/conf.a aliases.a message.a lib/lib.a \
		compat/compat.a
DMA =		dma.o submit/submit.a queue/queue.a local/local.a $(BELOW)
REMOTE =	net/main.o net/net.a crypto.a $(BELOW)

all: dma dma-remote

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
	sh tests/deps.sh build

try:
	@sh tests/deps.sh try
	@$(MAKE) -s all
	@bash tests/try.sh

clean: clean-tests
	rm -f dma dma-remote *.[ado] */*.[ado] aliases_parse.c \
	    aliases_parse.h aliases_scan.c
	rm -rf build

.PHONY: all deps try clean

include packaging/Makefile
include tests/Makefile
