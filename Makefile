# dma - a mail agent for hosts. GNU and BSD make; there is no configure step.
#
#   make                 builds dma and dma-remote
#   make install         as root; with DESTDIR nothing needs root
#   make try             shows the main job in a private world (as root)
#   make check           all tests (as root); installs what they need
#   make bench           measures it beside packaged peers (as root)
#   make deps            installs what the build needs, on Debian

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
# bison's and flex's own text is not ours to warn about.
COMPILE_MADE =	$(CC) -std=c11 $(DEFS) $(HARDEN) $(CFLAGS) $(SANITIZE)
LINK =		$(CC) $(LDHARDEN) $(CFLAGS) $(SANITIZE)

FLOOR =		lib/buf.o lib/io.o lib/log.o
WORDS =		lib/msg.o lib/addr.o lib/header.o lib/mail.o lib/dsn.o \
		result.o conf.o senders.o
ALIASES =	aliases_parse.o aliases_scan.o
DMA =		dma.o submit.o options.o mailq.o runner.o handout.o batch.o \
		hops.o settle.o route.o bounce.o local.o mbox.o maildir.o command.o \
		delivery.o letter.o lists.o lmtp.o priv.o spool.o sandbox.o \
		setup.o \
		compat/compat.o $(ALIASES)
REMOTE =	remote.o net.o body.o jobs.o hosts.o policy.o crypto.o dns.o sandbox.o setup.o \
		secret.o lib/smtp.o lib/sasl.o lib/prep.o lib/mime.o \
		lib/ascii.o lib/encode.o $(ALIASES)
HEADERS =	dma.h aliases.h body.h bounce.h command.h conf.h crypto.h \
		delivery.h desk.h dns.h hosts.h jobs.h letter.h lists.h lmtp.h local.h \
		maildir.h mailq.h mbox.h net.h options.h policy.h priv.h records.h \
		result.h route.h runner.h sandbox.h secret.h senders.h setup.h \
		spool.h submit.h lib/addr.h lib/ascii.h lib/buf.h lib/encode.h lib/dsn.h lib/header.h \
		lib/io.h \
		lib/log.h lib/mail.h lib/mime.h lib/msg.h lib/prep.h lib/sasl.h lib/smtp.h \
		compat/compat.h
SOURCES =	dma.c submit.c options.c mailq.c runner.c handout.c batch.c hops.c \
		settle.c route.c bounce.c local.c mbox.c maildir.c command.c \
		delivery.c lists.c lmtp.c priv.c spool.c sandbox.c setup.c remote.c \
		net.c body.c jobs.c hosts.c policy.c \
		crypto.c dns.c conf.c letter.c senders.c secret.c result.c lib/addr.c lib/ascii.c lib/buf.c lib/encode.c \
		lib/dsn.c \
		lib/header.c lib/io.c lib/log.c lib/mail.c lib/mime.c lib/msg.c \
		lib/prep.c lib/sasl.c lib/smtp.c compat/compat.c

all: dma dma-remote

dma: $(DMA) $(WORDS) $(FLOOR)
	$(LINK) -o $@ $(DMA) $(WORDS) $(FLOOR) $(LIBS)

dma-remote: $(REMOTE) $(WORDS) $(FLOOR)
	$(LINK) -o $@ $(REMOTE) $(WORDS) $(FLOOR) $(TLSLIBS) $(LIBS)

.SUFFIXES:
.SUFFIXES: .c .o
.c.o:
	$(COMPILE) -c -o $@ $<

$(DMA) $(REMOTE) $(WORDS) $(FLOOR): $(HEADERS)

aliases_parse.c: aliases_parse.y
	$(BISON) -d -o aliases_parse.c aliases_parse.y
aliases_parse.h: aliases_parse.c
aliases_scan.c: aliases_scan.l
	$(FLEX) -o aliases_scan.c aliases_scan.l
aliases_parse.o: aliases_parse.c aliases_parse.h
	$(COMPILE_MADE) -c -o $@ aliases_parse.c
aliases_scan.o: aliases_scan.c aliases_parse.h
	$(COMPILE_MADE) -c -o $@ aliases_scan.c

# ---- installation ----

install: all mind-others install-files
	@if [ -z "$(DESTDIR)" ]; then $(MAKE) user perms; fi

# Another mail agent's sendmail is not replaced unless that is wanted.
FORCE =
mind-others:
	@if [ -z "$(DESTDIR)$(FORCE)" ] && [ -e $(SBINDIR)/sendmail ] && \
	    [ "`readlink $(SBINDIR)/sendmail`" != dma ]; then \
		echo "$(SBINDIR)/sendmail belongs to another mail agent:" \
		    "remove that first, or say make install FORCE=1" >&2; \
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

# The system user; where useradd is missing (BSD: pw) it is made by hand.
user:
	getent passwd $(DMAUSER) >/dev/null || \
	    useradd --system --user-group --home-dir $(SPOOLDIR) \
	    --no-create-home --shell /usr/sbin/nologin $(DMAUSER)

# Owners and modes on a live system; packages do the same when they unpack.
# Root touches nothing below the spool: what is there is the spool user's.
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

# ---- tests ----

# Called by tests/unit/run.sh and tests/fuzz/run.sh with OBJECTS.
OBJECTS =
UNITS =		addr aliases ascii bounce buf compat conf crypto dns dsn encode \
		hosts io letter lists local log mail maildir mbox mime msg options \
		policy prep result route sasl senders settle setup smtp spool
FUZZERS =	addr aliases ascii conf dns dsn forward letter list mail mime msg options \
		prep sasl senders smtp spool

$(UNITS:%=tests/unit/%_test): all
	$(COMPILE) $(LDHARDEN) -o $@ $@.c $(OBJECTS) -lcmocka
$(FUZZERS:%=tests/fuzz/%_fuzz): all
	$(COMPILE) -Wno-missing-prototypes $(LDHARDEN) -fsanitize=fuzzer \
	    -o $@ $@.c $(OBJECTS)

# Linked in the place of dma.o and all that the hall and the runner are.
COMPROMISED =	priv.o local.o mbox.o maildir.o command.o delivery.o \
		letter.o lists.o lmtp.o sandbox.o setup.o compat/compat.o $(ALIASES)
tests/compromise/compromised: tests/compromise/compromised.c all
	$(COMPILE) $(LDHARDEN) -o $@ tests/compromise/compromised.c \
	    $(COMPROMISED) $(WORDS) $(FLOOR) $(LIBS)

deps:
	sh tests/deps.sh build
test-deps:
	sh tests/deps.sh test

check: test-deps
	bash tests/check.sh

try:
	@sh tests/deps.sh try
	@$(MAKE) -s all
	@bash tests/try.sh

lint:
	sh tests/lint/run.sh

unit: all
	sh tests/unit/run.sh

system: all
	bash tests/system/run.sh

# ---- measurements ----

# BENCH: options and scenarios, see tests/bench/README.md.
bench: all
	bash tests/bench/run.sh $(BENCH)

clean:
	rm -f dma dma-remote *.o lib/*.o compat/*.o aliases_parse.c \
	    aliases_parse.h aliases_scan.c tests/unit/*_test \
	    tests/fuzz/*_fuzz tests/compromise/compromised
	rm -rf build

.PHONY: all install mind-others install-files user perms uninstall deps \
	test-deps check try lint unit system bench clean
