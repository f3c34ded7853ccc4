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
TLSLIBS =	-lssl -lcrypto

DEFS =		-D_GNU_SOURCE -I. -DDMA_SPOOLDIR='"$(SPOOLDIR)"' \
		-DDMA_CONFDIR='"$(CONFDIR)"' \
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
BASE =		message.o compat/compat.o
ALIASES =	aliases_include.o aliases_parse.o aliases_scan.o
SPOOL =		spool.o spool/journal.o spool/preamble.o
CONF =		conf.o conf/auth.o conf/files.o conf/local_names.o \
		conf/relays.o conf/sender_relay.o conf/values.o
PRIV =		priv/cleanup.o priv/delivery_request.o priv/helper.o \
		priv/monitor.o priv/refusal.o priv/request.o priv/sandbox.o \
		priv/user.o priv/user_shell.o
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
		$(NET) $(PRIV) $(CONF) $(ALIASES) $(BASE) $(LIB)

ARCHIVES =	submit/submit.a queue/queue.a local/local.a net/net.a crypto.a \
		priv/priv.a spool.a conf/conf.a aliases.a base.a lib/lib.a
BELOW =		priv/priv.a spool.a conf/conf.a aliases.a base.a lib/lib.a
DMA =		dma.o submit/submit.a queue/queue.a local/local.a $(BELOW)
REMOTE =	net/main.o net/net.a crypto.a $(BELOW)

all: dma dma-remote

dma: $(DMA)
	$(LINK) -o $@ $(DMA) $(LIBS)

dma-remote: $(REMOTE)
	$(LINK) -o $@ $(REMOTE) $(TLSLIBS) $(LIBS)

submit/submit.a: $(SUBMIT)
queue/queue.a: $(QUEUE)
local/local.a: $(LOCAL)
net/net.a: $(NET)
crypto.a: crypto.o
priv/priv.a: $(PRIV)
spool.a: $(SPOOL)
conf/conf.a: $(CONF)
aliases.a: $(ALIASES)
base.a: $(BASE)
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

# ---- installation ----

install: all check-conflict install-files
	@if [ -z "$(DESTDIR)" ]; then $(MAKE) user perms; fi

# Does not replace the sendmail of another mail agent unless FORCE is set.
FORCE =
check-conflict:
	@if [ -z "$(DESTDIR)$(FORCE)" ] && [ -e $(SBINDIR)/sendmail ] && \
	    [ "`readlink $(SBINDIR)/sendmail`" != dma ]; then \
		echo "$(SBINDIR)/sendmail belongs to another mail agent:" \
		    "remove it first, or run make install FORCE=1" >&2; \
		exit 1; \
	fi

install-files: all
	$(INSTALL) -d $(DESTDIR)$(SBINDIR) $(DESTDIR)$(BINDIR) \
	    $(DESTDIR)$(PREFIX)/lib $(DESTDIR)$(LIBEXECDIR) \
	    $(DESTDIR)$(CONFDIR) $(DESTDIR)$(MANDIR)/man8 \
	    $(DESTDIR)$(MANDIR)/man5 $(DESTDIR)$(PREFIX)/lib/sysusers.d \
	    $(DESTDIR)$(PREFIX)/lib/systemd/system
	$(INSTALL) -d -m 0700 $(DESTDIR)$(SPOOLDIR)
	$(INSTALL) -m 0755 dma-remote $(DESTDIR)$(LIBEXECDIR)/dma-remote
	$(INSTALL) -m 0755 dma $(DESTDIR)$(SBINDIR)/dma.new
	mv -f $(DESTDIR)$(SBINDIR)/dma.new $(DESTDIR)$(SBINDIR)/dma
	ln -sf dma $(DESTDIR)$(SBINDIR)/sendmail
	ln -sf ../sbin/sendmail $(DESTDIR)$(PREFIX)/lib/sendmail
	ln -sf ../sbin/dma $(DESTDIR)$(BINDIR)/mailq
	ln -sf ../sbin/dma $(DESTDIR)$(BINDIR)/newaliases
	[ -e $(DESTDIR)$(CONFDIR)/dma.conf ] || \
	    $(INSTALL) -m 0644 dma.conf $(DESTDIR)$(CONFDIR)/dma.conf
	[ -e $(DESTDIR)$(CONFDIR)/auth.conf ] || \
	    $(INSTALL) -m 0640 auth.conf $(DESTDIR)$(CONFDIR)/auth.conf
	$(INSTALL) -m 0644 dma.8 $(DESTDIR)$(MANDIR)/man8/dma.8
	ln -sf dma.8 $(DESTDIR)$(MANDIR)/man8/sendmail.8
	ln -sf dma.8 $(DESTDIR)$(MANDIR)/man8/mailq.8
	ln -sf dma.8 $(DESTDIR)$(MANDIR)/man8/newaliases.8
	$(INSTALL) -m 0644 dma.conf.5 $(DESTDIR)$(MANDIR)/man5/dma.conf.5
	sed 's|_dma|$(DMAUSER)|g;s|/var/spool/dma|$(SPOOLDIR)|g' \
	    packaging/dma.sysusers >$(DESTDIR)$(PREFIX)/lib/sysusers.d/dma.conf
	for unit in service timer path; do \
		sed 's|/usr/sbin/|$(SBINDIR)/|g;s|/var/spool/dma|$(SPOOLDIR)|g' \
		    packaging/dma-queue.$$unit \
		    >$(DESTDIR)$(PREFIX)/lib/systemd/system/dma-queue.$$unit \
		    || exit 1; \
	done

# The system user.  Without useradd (BSD: pw), create it by hand.
user:
	getent passwd $(DMAUSER) >/dev/null || \
	    useradd --system --user-group --home-dir $(SPOOLDIR) \
	    --no-create-home --shell /usr/sbin/nologin $(DMAUSER)

# Owners and modes on a live system; packages set the same.  Root changes nothing
# below the spool, which belongs to the spool user.
perms:
	chown root:root $(SBINDIR)/dma $(LIBEXECDIR)/dma-remote
	chmod 0755 $(LIBEXECDIR)/dma-remote
	chmod 4755 $(SBINDIR)/dma
	chown -h $(DMAUSER):$(DMAUSER) $(SPOOLDIR)
	chmod 0700 $(SPOOLDIR)
	chown root:$(DMAUSER) $(CONFDIR)/auth.conf
	chmod 0640 $(CONFDIR)/auth.conf

uninstall:
	rm -f $(DESTDIR)$(SBINDIR)/dma $(DESTDIR)$(SBINDIR)/sendmail \
	    $(DESTDIR)$(PREFIX)/lib/sendmail $(DESTDIR)$(BINDIR)/mailq \
	    $(DESTDIR)$(BINDIR)/newaliases $(DESTDIR)$(LIBEXECDIR)/dma-remote \
	    $(DESTDIR)$(MANDIR)/man8/dma.8 $(DESTDIR)$(MANDIR)/man8/sendmail.8 \
	    $(DESTDIR)$(MANDIR)/man8/mailq.8 \
	    $(DESTDIR)$(MANDIR)/man8/newaliases.8 \
	    $(DESTDIR)$(MANDIR)/man5/dma.conf.5 \
	    $(DESTDIR)$(PREFIX)/lib/sysusers.d/dma.conf \
	    $(DESTDIR)$(PREFIX)/lib/systemd/system/dma-queue.service \
	    $(DESTDIR)$(PREFIX)/lib/systemd/system/dma-queue.timer \
	    $(DESTDIR)$(PREFIX)/lib/systemd/system/dma-queue.path

# ---- the rest ----

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

.PHONY: all install check-conflict install-files user perms uninstall deps \
	try clean

include tests/Makefile
