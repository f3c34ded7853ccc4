/*
 * conf_test.c - dma.conf: lines, and what becomes of the members.
 */
#include "conf.h"
#include "tests/unit/t.h"

#define PIN	"00112233445566778899aabbccddeeff" \
		"00112233445566778899AABBCCDDEEFF"
#define NO_PIN	"0000"

/* ---- a member as text ---- */

static const char *const tls_names[] = { [TLS_UNSET] = "unset",
    [TLS_OFF] = "off", [TLS_OPPORTUNISTIC] = "opportunistic",
    [TLS_REQUIRED] = "required", [TLS_VERIFY] = "verify" };
static const char *const mailbox_names[] = { [MAILBOX_MBOX] = "mbox",
    [MAILBOX_MAILDIR] = "maildir", [MAILBOX_COMMAND] = "command",
    [MAILBOX_LMTP] = "lmtp", [MAILBOX_UNREADABLE] = "unreadable" };
static const char *const nullclient_names[] = { [NULLCLIENT_OFF] = "off",
    [NULLCLIENT_ON] = "on", [NULLCLIENT_ALIASES] = "aliases" };
static const char *const log_names[] = { [LOG_TO_SYSLOG] = "syslog",
    [LOG_TO_STDERR] = "stderr", [LOG_TO_FD] = "file" };
static const char *const level_names[] = { [LOG_LEVEL_ERROR] = "error",
    [LOG_LEVEL_WARNING] = "warning", [LOG_LEVEL_INFO] = "info",
    [LOG_LEVEL_DEBUG] = "debug" };

static void
put_string(struct buf *b, const struct conf *c, size_t at)
{
	const char *const *s = (const void *)((const char *)c + at);

	buf_puts(b, *s == NULL ? "-" : *s);
}

static void
put_number(struct buf *b, const struct conf *c, size_t at)
{
	const unsigned *v = (const void *)((const char *)c + at);

	buf_printf(b, "%u", *v);
}

static void
put_relays(struct buf *b, const struct conf *c, size_t at)
{
	size_t i;

	(void)at;
	for (i = 0; i < c->relays.n; i++)
		buf_printf(b, "%s%s", i > 0 ? " " : "",
		    c->relays.list[i].host);
}

static void
put_domains(struct buf *b, const struct conf *c, size_t at)
{
	size_t i;

	(void)at;
	for (i = 0; i < c->names.ndomains; i++)
		buf_printf(b, "%s%s", i > 0 ? " " : "", c->names.domains[i]);
}

/* Two bytes of each. */
static void
put_pins(struct buf *b, const struct conf *c, size_t at)
{
	size_t i;

	(void)at;
	for (i = 0; i < c->tls.npins; i++)
		buf_printf(b, "%s%02x%02x", i > 0 ? " " : "",
		    c->tls.pins[i][0], c->tls.pins[i][31]);
}

static void
put_other(struct buf *b, const struct conf *c, size_t at)
{
	if (at == offsetof(struct conf, limits.max_size_bytes))
		buf_printf(b, "%llu",
		    (unsigned long long)c->limits.max_size_bytes);
	else if (at == offsetof(struct conf, local.port))
		buf_printf(b, "%u", c->local.port);
	else
		buf_printf(b, "%d", c->names.delimiter);
}

#define AT(m)		#m, offsetof(struct conf, m)
#define STRING(m)	{ AT(m), put_string, NULL }
#define NUMBER(m)	{ AT(m), put_number, NULL }
#define OTHER(m)	{ AT(m), put_other, NULL }
#define NAMED(m, names)	{ AT(m), NULL, names }

static const struct member {
	const char	*name;
	size_t		 at;
	void		(*put)(struct buf *, const struct conf *, size_t at);
	const char	*const *names;		/* of an enum */
} members[] = {
	STRING(where.spool), STRING(where.aliases), STRING(where.auth),
	STRING(where.sender_relay), STRING(names.mailname),
	STRING(names.masquerade_user), STRING(names.masquerade_host),
	{ "domains", 0, put_domains, NULL }, OTHER(names.delimiter),
	NAMED(names.nullclient, nullclient_names),
	{ "relays", 0, put_relays, NULL }, NUMBER(relays.port),
	OTHER(limits.max_size_bytes), NUMBER(limits.max_recipients),
	NUMBER(limits.is_noremote), STRING(limits.mailq_group),
	STRING(retry.bounce_to),
	NUMBER(retry.is_defer), NUMBER(retry.first_s), NUMBER(retry.max_s),
	NUMBER(retry.lifetime_s), NUMBER(retry.warn_after_s),
	NUMBER(retry.is_fullbounce), NAMED(tls.policy, tls_names),
	NUMBER(tls.is_implicit), NUMBER(tls.is_dane), STRING(tls.certfile),
	STRING(tls.keyfile), STRING(tls.cafile),
	{ "pins", 0, put_pins, NULL }, NUMBER(smtp.concurrency),
	NUMBER(smtp.timeout_s), NUMBER(smtp.connect_timeout_s),
	STRING(smtp.auth_mechs), NUMBER(smtp.is_insecure),
	NAMED(local.mailbox, mailbox_names), STRING(local.where),
	OTHER(local.port), STRING(local.mailspool), STRING(local.alias_user),
	NUMBER(local.is_shell_required), NUMBER(local.command_timeout_s),
	NAMED(log.where, log_names), STRING(log.path),
	NAMED(log.level, level_names),
};

static void
assert_member(const struct conf *c, const char *name, size_t len,
    const char *value, size_t value_len)
{
	const struct member *m = NULL;
	struct buf b;
	size_t i;

	for (i = 0; i < N(members); i++)
		if (strlen(members[i].name) == len &&
		    memcmp(members[i].name, name, len) == 0)
			m = &members[i];
	if (m == NULL)
		fail_msg("no member %s", name);
	buf_init(&b, 0);
	if (m->names != NULL)
		buf_puts(&b, m->names[*(const unsigned *)(const void *)
		    ((const char *)c + m->at)]);
	else
		m->put(&b, c, m->at);
	if (b.len != value_len || memcmp(buf_str(&b), value, value_len) != 0)
		fail_msg("%s: %s, not %s", m->name, buf_str(&b), value);
	buf_fini(&b);
}

/* want: "member=value|member=value". */
static void
assert_members(const struct conf *c, const char *want)
{
	size_t eq, n;

	while (*want != '\0') {
		eq = strcspn(want, "=");
		n = strcspn(want + eq, "|");
		assert_member(c, want, eq, want + eq + 1, n - 1);
		want += eq + n;
		want += *want == '|';
	}
}

/* ---- lines ---- */

static const struct {
	const char	*in;
	unsigned	 bad;
	const char	*want;
} lines[] = {
	/* what all lines have in common */
	{ "ALIASES /etc/mail/aliases", 0, "where.aliases=/etc/mail/aliases" },
	{ "ALIASES\t \t/a b \t", 0, "where.aliases=/a b" },
	{ " \tALIASES /a", 0, "where.aliases=/a" },
	{ "ALIASES /a # why", 0, "where.aliases=/a" },
	{ "ALIASES /a#b", 0, "where.aliases=/a#b" },
	{ "ALIASES /a\r\n", 0, "where.aliases=/a" },
	{ "\xef\xbb\xbf" "ALIASES /a\n", 0, "where.aliases=/a" },
	{ "PORT 26\n\xef\xbb\xbf" "ALIASES /a\n", 1, "relays.port=26" },
	{ "#CAFILE /a", 0, "tls.cafile=-" },
	{ "   # only a comment", 0, "tls.cafile=-" },
	{ "\n\n \t\n", 0, "tls.cafile=-" },
	/* as other programs have them (c18) */
	{ "smarthost lower.case", 0, "relays=lower.case" },
	{ "SMARTHOST=relay", 0, "relays=relay" },
	{ "SMARTHOST = relay:587", 0, "relays=relay" },
	{ "SMARTHOST: relay:587", 0, "relays=relay" },
	{ "SmartHost:\t'relay:587'  # here", 0, "relays=relay" },
	{ "\xef\xbb\xbfSMARTHOST\t\"relay\"\t", 0, "relays=relay" },
	{ "SMARTHOST = [relay]:587", 0, "relays=relay" },
	{ "SMARTHOST=[::1]:587", 0, "relays=::1" },
	{ "SMARTHOST=", 0, "relays=" },
	{ "SMARTHOST =", 1, "relays=" RELAY_NONE },
	{ "SMARTHOST = \"a", 1, "relays=" RELAY_NONE },
	{ "RECIPIENT_DELIMITER =", 0, "names.delimiter=61" },
	{ "RECIPIENT_DELIMITER = =", 0, "names.delimiter=61" },
	{ "RECIPIENT_DELIMITER==", 0, "names.delimiter=61" },
	{ "securetransfer: yes\nPort=465", 0, "relays.port=465" },
	{ "MAILBOX: command \"/x\" \"y\"", 1, "local.mailbox=unreadable" },
	{ "MAILBOX: command /x \"y\"", 0, "local.where=/x \"y\"" },
	{ "UNKNOWN_KEY 1", 1, "relays.port=25" },
	/* paths */
	{ "CAFILE relative", 1, "tls.cafile=-" },
	{ "CAFILE", 1, "tls.cafile=-" },
	{ "CAFILE /etc/ca.pem", 0, "tls.cafile=/etc/ca.pem" },
	{ "KEYFILE /k", 0, "tls.keyfile=/k" },
	{ "CERTFILE /c", 0, "tls.certfile=/c" },
	{ "AUTHPATH /etc/dma/auth", 0, "where.auth=/etc/dma/auth" },
	{ "SPOOLDIR /s", 0, "where.spool=/s" },
	{ "MAILSPOOL /var/spool/mail", 0, "local.mailspool=/var/spool/mail" },
	{ "SENDER_RELAY /etc/dma/s", 0, "where.sender_relay=/etc/dma/s" },
	{ "SENDER_RELAY /a\nSENDER_RELAY b", 1, "where.sender_relay=" },
	{ "SENDER_RELAY", 1, "where.sender_relay=" },
	/* local delivery */
	{ "MAILBOX mbox", 0, "local.mailbox=mbox|local.where=-" },
	{ "MAILBOX maildir", 0,
	    "local.mailbox=maildir|local.where=~/Maildir/" },
	{ "MAILBOX Maildir  ~/mail/in", 0, "local.where=~/mail/in" },
	{ "MAILBOX maildir /srv/mail/", 0, "local.where=/srv/mail/" },
	{ "MAILBOX maildir\nMAILBOX mbox", 0, "local.where=-" },
	{ "MAILBOX command /usr/bin/procmail -d $USER", 0,
	    "local.mailbox=command|local.where=/usr/bin/procmail -d $USER" },
	{ "MAILBOX command", 1, "local.mailbox=unreadable" },
	{ "MAILBOX command x", 1, "local.mailbox=unreadable" },
	{ "MAILBOX lmtp:/run/dovecot/lmtp", 0,
	    "local.mailbox=lmtp|local.where=/run/dovecot/lmtp|local.port=0" },
	{ "MAILBOX lmtp:store.test:24", 0,
	    "local.where=store.test|local.port=24" },
	{ "MAILBOX LMTP:[::1]:24", 0, "local.where=::1|local.port=24" },
	{ "MAILBOX lmtp:store", 1, "local.mailbox=unreadable" },
	{ "MAILBOX lmtp:", 1, "local.mailbox=unreadable" },
	{ "MAILBOX lmtp:x y:24", 1, "local.mailbox=unreadable" },
	{ "MAILBOX lmtp:x:0", 1, "local.mailbox=unreadable" },
	{ "MAILBOX", 1, "local.mailbox=unreadable" },
	{ "MAILBOX mdir", 1, "local.mailbox=unreadable" },
	{ "MAILBOX mbox /x", 1, "local.mailbox=unreadable" },
	{ "MAILBOX maildirs", 1, "local.mailbox=unreadable" },
	{ "MAILBOX maildir in", 1, "local.mailbox=unreadable" },
	{ "MAILBOX maildir ~", 1, "local.mailbox=unreadable" },
	{ "MAILBOX maildir ~/", 1, "local.mailbox=unreadable" },
	{ "MAILBOX maildir ~bob/x", 1, "local.mailbox=unreadable" },
	{ "MAILBOX mdir\nMAILBOX mbox", 1, "local.mailbox=mbox" },
	{ "ALIAS_USER mailer", 0, "local.alias_user=mailer" },
	{ "ALIAS_USER 20231234", 0, "local.alias_user=20231234" },
	{ "ALIAS_USER EXAMPLE\\two words", 0,
	    "local.alias_user=EXAMPLE\\two words" },
	{ "ALIAS_USER", 1, "local.alias_user=nobody" },
	{ "REQUIRE_SHELL no", 0, "local.is_shell_required=0" },
	{ "COMMAND_TIMEOUT 1h", 0, "local.command_timeout_s=3600" },
	/* yes or no */
	{ "DEFER", 0, "retry.is_defer=1" },
	{ "DEFER Yes", 0, "retry.is_defer=1" },
	{ "DEFER true", 0, "retry.is_defer=1" },
	{ "DEFER\nDEFER off", 0, "retry.is_defer=0" },
	{ "DEFER 17", 1, "retry.is_defer=0" },
	{ "DEFER\nDEFER 17", 1, "retry.is_defer=1" },
	{ "DEFER yes no", 1, "retry.is_defer=0" },
	{ "FULLBOUNCE", 0, "retry.is_fullbounce=1" },
	{ "NOREMOTE", 0, "limits.is_noremote=1" },
	{ "INSECURE", 0, "smtp.is_insecure=1" },
	{ "SECURE", 0, "smtp.is_insecure=0" },
	{ "SECURE no", 0, "smtp.is_insecure=1" },
	{ "INSECURE\nSECURE", 0, "smtp.is_insecure=0" },
	{ "DANE", 0, "tls.is_dane=1" },
	{ "DANE on\nDANE off", 0, "tls.is_dane=0" },
	{ "DANE perhaps", 1, "tls.is_dane=1" },
	/* who we are */
	{ "NULLCLIENT\nSMARTHOST a", 0, "names.nullclient=on|relays=a" },
	{ "NULLCLIENT Aliases\nSMARTHOST a", 0, "names.nullclient=aliases" },
	{ "NULLCLIENT aliases\nNULLCLIENT no", 0, "names.nullclient=off" },
	{ "NULLCLIENT bob\nSMARTHOST a", 1, "names.nullclient=off" },
	{ "NULLCLIENT", 1, "names.nullclient=on|relays=" RELAY_NONE },
	{ "MAILNAME host.example.org", 0, "names.mailname=host.example.org" },
	{ "MAILNAME host.example.org.", 0, "names.mailname=host.example.org" },
	{ "MAILNAME /etc/mailname", 0, "names.mailname=/etc/mailname" },
	{ "MAILNAME", 0, "names.mailname=-" },
	{ "MAILNAME a b", 1, "names.mailname=-" },
	{ "MAILNAME a..b", 1, "names.mailname=-" },
	{ "MAILNAME <x>", 1, "names.mailname=-" },
	{ "MAILNAME a\nMAILNAME b", 0, "names.mailname=b" },
	{ "MASQUERADE john@example.org", 0,
	    "names.masquerade_user=john|names.masquerade_host=example.org" },
	{ "MASQUERADE example.org.", 0,
	    "names.masquerade_user=-|names.masquerade_host=example.org" },
	{ "MASQUERADE john@", 0,
	    "names.masquerade_user=john|names.masquerade_host=-" },
	{ "MASQUERADE @example.org", 0,
	    "names.masquerade_user=-|names.masquerade_host=example.org" },
	{ "MASQUERADE", 0, "names.masquerade_user=-|names.masquerade_host=-" },
	{ "MASQUERADE a@b\nMASQUERADE c", 0,
	    "names.masquerade_user=-|names.masquerade_host=c" },
	{ "MASQUERADE john@exam ple", 1, "names.masquerade_host=-" },
	{ "MASQUERADE <john@example.org>", 1, "names.masquerade_host=-" },
	{ "MASQUERADE a@b@c", 1, "names.masquerade_host=-" },
	{ "LOCALDOMAINS a.org  b.org.\tc.org", 0, "domains=a.org b.org c.org" },
	{ "LOCALDOMAINS a\nLOCALDOMAINS b, c", 1, "domains=c" },
	{ "LOCALDOMAINS a\nLOCALDOMAINS", 0, "domains=" },
	{ "RECIPIENT_DELIMITER -", 0, "names.delimiter=45" },
	{ "RECIPIENT_DELIMITER none", 0, "names.delimiter=0" },
	{ "RECIPIENT_DELIMITER", 0, "names.delimiter=0" },
	{ "RECIPIENT_DELIMITER a", 1, "names.delimiter=43" },
	{ "RECIPIENT_DELIMITER @", 1, "names.delimiter=43" },
	{ "RECIPIENT_DELIMITER --", 1, "names.delimiter=43" },
	/* relays and SMTP; more in relays_test.c and values_test.c */
	{ "SMARTHOST a:587 b", 0, "relays=a b" },
	{ "SMARTHOST a\nSMARTHOST", 0, "relays=" },
	{ "SMARTHOST a\nSMARTHOST b", 0, "relays=b" },
	{ "SMARTHOST a:0", 1, "relays=" RELAY_NONE },
	{ "PORT 587\nSMARTHOST a", 0, "relays=a|relays.port=587" },
	{ "PORT 65535", 0, "relays.port=65535" },
	{ "PORT 65536", 1, "relays.port=25" },
	{ "PORT 0", 1, "relays.port=25" },
	{ "PORT", 1, "relays.port=25" },
	{ "CONCURRENCY 1000", 0, "smtp.concurrency=1000" },
	{ "CONCURRENCY 0", 1, "smtp.concurrency=20" },
	{ "CONCURRENCY 1001", 1, "smtp.concurrency=20" },
	{ "TIMEOUT 2m", 0, "smtp.timeout_s=120" },
	{ "TIMEOUT 2x", 1, "smtp.timeout_s=0" },
	{ "TIMEOUT 2d", 1, "smtp.timeout_s=0" },
	{ "TIMEOUT_CONNECT 0", 1, "smtp.connect_timeout_s=30" },
	{ "TIMEOUT_CONNECT 10s", 0, "smtp.connect_timeout_s=10" },
	{ "AUTH_MECHS scram-sha-256-plus\tSCRAM-SHA-256 PLAIN", 0,
	    "smtp.auth_mechs=scram-sha-256-plus SCRAM-SHA-256 PLAIN" },
	{ "AUTH_MECHS EXTERNAL XOAUTH2 OAUTHBEARER CRAM-MD5 LOGIN SCRAM-SHA-1",
	    0, "smtp.auth_mechs=EXTERNAL XOAUTH2 OAUTHBEARER CRAM-MD5 LOGIN "
	    "SCRAM-SHA-1" },
	{ "AUTH_MECHS SCRAM-SHA-512 PLAIN", 1, "smtp.auth_mechs=PLAIN" },
	{ "AUTH_MECHS SCRAM-SHA256", 1, "smtp.auth_mechs=" },
	{ "AUTH_MECHS PLAIN\nAUTH_MECHS", 1, "smtp.auth_mechs=PLAIN" },
	/* TLS, and what upstream's keys mean together */
	{ "SECURETRANSFER", 0, "tls.policy=required|tls.is_implicit=1" },
	{ "SECURETRANSFER\nSTARTTLS", 0,
	    "tls.policy=required|tls.is_implicit=0" },
	{ "STARTTLS\nSECURETRANSFER\nOPPORTUNISTIC_TLS", 0,
	    "tls.policy=opportunistic|tls.is_implicit=0" },
	{ "SECURETRANSFER\nOPPORTUNISTIC_TLS", 0,
	    "tls.policy=required|tls.is_implicit=1" },
	{ "STARTTLS", 0, "tls.policy=unset|tls.is_implicit=0" },
	{ "STARTTLS perhaps", 1, "tls.policy=unset|tls.is_implicit=0" },
	{ "OPPORTUNISTIC_TLS", 0, "tls.policy=unset|tls.is_implicit=0" },
	{ "SECURETRANSFER\nVERIFYCERT", 0,
	    "tls.policy=verify|tls.is_implicit=1" },
	{ "SECURETRANSFER\nSECURETRANSFER no", 0,
	    "tls.policy=unset|tls.is_implicit=0" },
	{ "PORT 465", 0, "tls.policy=unset|tls.is_implicit=1" },
	{ "PORT 465\nSECURETRANSFER\nSTARTTLS", 0,
	    "tls.policy=required|tls.is_implicit=0" },
	{ "TLS off", 0, "tls.policy=off|tls.is_implicit=0" },
	{ "TLS off\nSECURETRANSFER", 0, "tls.policy=off|tls.is_implicit=0" },
	{ "TLS opportunistic", 0, "tls.policy=opportunistic" },
	{ "TLS REQUIRED", 0, "tls.policy=required|tls.is_implicit=0" },
	{ "TLS verify", 0, "tls.policy=verify" },
	{ "SECURETRANSFER\nTLS verify", 0,
	    "tls.policy=verify|tls.is_implicit=1" },
	{ "TLS requierd", 1, "tls.policy=verify" },
	{ "TLS off really", 1, "tls.policy=verify" },
	{ "TLS", 1, "tls.policy=verify" },
	/* a fingerprint that is not understood matches no certificate */
	{ "FINGERPRINT " PIN, 0, "pins=00ff" },
	{ "FINGERPRINT " PIN " " PIN, 0, "pins=00ff 00ff" },
	{ "FINGERPRINT " PIN "\nFINGERPRINT " PIN, 0, "pins=00ff 00ff" },
	{ "FINGERPRINT " PIN "0", 1, "pins=" NO_PIN },
	{ "FINGERPRINT 0011", 1, "pins=" NO_PIN },
	{ "FINGERPRINT", 1, "pins=" },
	/* times and limits */
	{ "RETRY 1m 1h 2d", 0,
	    "retry.first_s=60|retry.max_s=3600|retry.lifetime_s=172800" },
	{ "RETRY 1m", 0,
	    "retry.first_s=60|retry.max_s=10800|retry.lifetime_s=432000" },
	{ "RETRY 90 4h", 0, "retry.first_s=90|retry.max_s=14400" },
	{ "RETRY", 1, "retry.first_s=300" },
	{ "RETRY 0 1h 1d", 1, "retry.first_s=300" },
	{ "RETRY 2h 1h 1d", 1, "retry.first_s=300|retry.max_s=10800" },
	{ "RETRY 1h 2h 1m", 1, "retry.first_s=300|retry.lifetime_s=432000" },
	{ "RETRY 1m 1h 2d 3d", 1, "retry.first_s=300" },
	{ "RETRY soon", 1, "retry.first_s=300" },
	{ "WARN_AFTER 90m", 0, "retry.warn_after_s=5400" },
	{ "WARN_AFTER 0", 0, "retry.warn_after_s=0" },
	{ "WARN_AFTER", 1, "retry.warn_after_s=14400" },
	{ "WARN_AFTER never", 1, "retry.warn_after_s=14400" },
	{ "MAX_SIZE 10M", 0, "limits.max_size_bytes=10485760" },
	{ "MAX_SIZE 10MB", 1, "limits.max_size_bytes=0" },
	{ "MAX_RECIPIENTS 100", 0, "limits.max_recipients=100" },
	{ "MAILQ_GROUP adm", 0, "limits.mailq_group=adm" },
	{ "BOUNCE_TO postmaster", 0, "retry.bounce_to=postmaster" },
	{ "BOUNCE_TO The Admin <Admin@Example.ORG.>", 0,
	    "retry.bounce_to=Admin@example.org" },
	{ "BOUNCE_TO", 1, "retry.bounce_to=-" },
	{ "BOUNCE_TO <>", 1, "retry.bounce_to=-" },
	{ "BOUNCE_TO a@x.test, b@x.test", 1, "retry.bounce_to=-" },
	{ "BOUNCE_TO a@x.test\nBOUNCE_TO a@b@c", 1,
	    "retry.bounce_to=a@x.test" },
	/* the log */
	{ "LOG stderr", 0, "log.where=stderr" },
	{ "LOG stderr\nLOG Syslog", 0, "log.where=syslog" },
	{ "LOG stderr\nLOG journal", 0, "log.where=syslog" },
	{ "LOG stderr\nLOG journal x", 1, "log.where=stderr" },
	{ "LOG file  /var/log/d m a.log", 0,
	    "log.where=file|log.path=/var/log/d m a.log" },
	{ "LOG file relative", 1, "log.where=syslog|log.path=-" },
	{ "LOG file", 1, "log.where=syslog" },
	{ "LOG", 1, "log.where=syslog" },
	{ "LOG stderr twice", 1, "log.where=syslog" },
	{ "LOG_LEVEL debug", 0, "log.level=debug" },
	{ "LOG_LEVEL loud", 1, "log.level=info" },
	{ "", 0, "relays=|relays.port=25|tls.policy=unset|tls.is_implicit=0|"
	    "smtp.is_insecure=0|local.is_shell_required=1|"
	    "names.delimiter=43|smtp.concurrency=20|retry.first_s=300|"
	    "retry.max_s=10800|retry.lifetime_s=432000|"
	    "retry.warn_after_s=14400|local.command_timeout_s=300|"
	    "smtp.timeout_s=0|smtp.connect_timeout_s=30|log.where=syslog|"
	    "log.level=info|local.alias_user=nobody|names.mailname=-|"
	    "tls.certfile=-|names.masquerade_host=-|local.mailbox=mbox|"
	    "smtp.auth_mechs=-|domains=|pins=" },
};

static int
parse(struct conf *c, const char *text, size_t len, struct t_reports *r)
{
	const struct report report = { t_report, r };

	t_reports_init(r, "dma.conf");
	assert_int_equal(conf_init(c), 0);
	return conf_parse(c, text, len, "dma.conf", &report);
}

static void
test_lines(void **state)
{
	struct t_reports r;
	struct conf c;
	size_t i;

	(void)state;
	for (i = 0; i < N(lines); i++) {
		print_message("%s\n", lines[i].in);
		assert_int_equal(parse(&c, lines[i].in, strlen(lines[i].in),
		    &r), lines[i].bad);
		assert_int_equal(r.count, lines[i].bad);
		assert_members(&c, lines[i].want);
		conf_fini(&c);
	}
}

/* What is longer than its bound is refused, and is not cut. */
static void
test_values_have_bounds(void **state)
{
	static const struct {
		const char *begin, *piece;
		size_t n;
		const char *reason;
	} cases[] = {
		{ "ALIASES /", "x", 1022, NULL },
		{ "ALIASES /", "x", 1023, "ALIASES: path is too long" },
		{ "MAILBOX lmtp:/", "x", 1023,
		    "MAILBOX: path is too long" },
		{ "FINGERPRINT", " 0123456789abcdef0123456789abcdef0123456789"
		    "abcdef0123456789abcdef", 16, NULL },
		{ "FINGERPRINT", " 0123456789abcdef0123456789abcdef0123456789"
		    "abcdef0123456789abcdef", 17,
		    "FINGERPRINT: too many fingerprints" },
	};
	struct t_reports r;
	struct conf c;
	struct buf b;
	size_t i, k;

	(void)state;
	buf_init(&b, 0);
	for (i = 0; i < N(cases); i++) {
		buf_reset(&b);
		buf_puts(&b, cases[i].begin);
		for (k = 0; k < cases[i].n; k++)
			buf_puts(&b, cases[i].piece);
		assert_int_equal(parse(&c, buf_str(&b), b.len, &r),
		    cases[i].reason != NULL);
		assert_string_equal(r.text, cases[i].reason == NULL ? "" :
		    cases[i].reason);
		conf_fini(&c);
	}
	buf_fini(&b);
}

/* A bad line costs itself only, and is named by its number and its key. */
static void
test_report(void **state)
{
	static const struct {
		const char *in;
		size_t len;
		const char *lines, *text;
	} cases[] = {
		{ T("PORT 26\n\nBOGUS 1\nDEFER\n"), "3;",
		    "BOGUS: unknown keyword" },
		{ T("PORT 26\nDEFER\nRELAYHOST=secret\n"), "3;",
		    "RELAYHOST: unknown keyword; mail is deferred" },
		{ T("PORT 26\n \tTLS secret\nDEFER"), "2;", "TLS: must be off, "
		    "opportunistic, required or verify; verify is assumed" },
		{ T("PORT 26\nALIASES /a\0b\nDEFER\n"), "2;",
		    "ALIASES: control character in the line" },
		{ T("PORT 26\nPORT 0\nDEFER"), "2;",
		    "PORT: must be a number from 1 to 65535" },
		{ T("PORT 26\nTIMEOUT_CONNECT 2h\nDEFER"), "2;",
		    "TIMEOUT_CONNECT: must be a time from 1s to 1h" },
		{ T("PORT 26\nX\nY\nDEFER"), "2;3;", "Y: unknown keyword" },
		{ T("PORT 26\nDEFER\nX23456789012345678901234567890123456789"
		    "01234567890\n"), "3;",
		    "X234567890123456789012345678901234567890: unknown keyword" },
	};
	struct t_reports r;
	struct conf c;
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		(void)parse(&c, cases[i].in, cases[i].len, &r);
		assert_string_equal(r.lines, cases[i].lines);
		assert_string_equal(r.text, cases[i].text);
		assert_members(&c, "relays.port=26|retry.is_defer=1");
		conf_fini(&c);
	}
}

/* What may have decided where mail goes is not passed over (c18). */
static void
test_trouble(void **state)
{
	static const struct {
		const char *in, *reason;
		int stops_local;
	} cases[] = {
		{ "PORT 26\nBOGUS\nFOO tls\n", NULL, 0 },
		{ "COLOR=red\nX_Y 1\nRETRIES 5\nUSER bob\nREPORT x\n", NULL,
		    0 },
		{ "SMTPPORT 25\n", "line 1: SMTPPORT: unknown", 0 },
		{ "PORTS 25\n", "line 1: PORTS: unknown", 0 },
		{ "# SMARTHOST\x01x\n", NULL, 0 },
		{ "SMARTHOST a b:x\n", NULL, 0 },
		{ "\nrelayhost = [relay]:587\n",
		    "line 2: relayhost: unknown keyword; mail is deferred", 0 },
		{ "SMRTHOST relay", "line 1: SMRTHOST: unknown", 0 },
		{ "SMARHTOST relay", "line 1: SMARHTOST: unknown", 0 },
		{ "SMARTHOSTrelay", "line 1: SMARTHOSTrelay: unknown", 0 },
		{ "SMART HOST relay", "line 1: SMART: unknown", 0 },
		{ "export SMARTHOST=relay", "line 1: export: unknown", 0 },
		{ ";SMARTHOST relay", "line 1: ;SMARTHOST: unknown", 0 },
		{ "mailhub=relay", "line 1: mailhub: unknown", 0 },
		{ "\xc2\xa0SMARTHOST relay", "line 1: \xc2\xa0SMARTHOST", 0 },
		{ "SMARTHOST relay\x01", "line 1: SMARTHOST: control", 1 },
		{ "\x01SMARTHOST relay", "line 1: control", 1 },
		{ "SMARTHOST a,b", "line 1: SMARTHOST: must", 0 },
		{ "PORT x", "line 1: PORT: must", 0 },
		{ "SECURETRANFER", "line 1: SECURETRANFER: unknown", 0 },
		{ "SECURETRANSFER maybe", "line 1: SECURETRANSFER: must", 0 },
		{ "VERIFY_CERT", "line 1: VERIFY_CERT: unknown", 0 },
		{ "TLS_POLICY verify", "line 1: TLS_POLICY: unknown", 0 },
		{ "AUTHPTH /x", "line 1: AUTHPTH: unknown", 0 },
		{ "AUTHPATH x", "line 1: AUTHPATH: must", 0 },
		{ "NOREMOTE maybe", "line 1: NOREMOTE: must", 0 },
		{ "NULCLIENT", "line 1: NULCLIENT: unknown", 1 },
		{ "NULLCLIENT maybe", "line 1: NULLCLIENT: must", 1 },
		{ "RELAYHOST x\nALIASSES /x", "line 2: ALIASSES: unknown", 1 },
		{ "ALIASSES /x\nRELAYHOST x", "line 1: ALIASSES: unknown", 1 },
		{ "MAILNAME a b", "line 1: MAILNAME: must", 1 },
	};
	struct t_reports r;
	struct conf c;
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		print_message("%s\n", cases[i].in);
		(void)parse(&c, cases[i].in, strlen(cases[i].in), &r);
		if (cases[i].reason == NULL)
			assert_null(c.trouble.reason);
		else {
			assert_non_null(c.trouble.reason);
			assert_memory_equal(c.trouble.reason, cases[i].reason,
			    strlen(cases[i].reason));
		}
		assert_int_equal(c.trouble.stops_local, cases[i].stops_local);
		conf_fini(&c);
	}
	/* As some editors save it: nothing of it can be read. */
	(void)parse(&c, "\xff\xfeS\0M\0\n\0", 8, &r);
	assert_true(c.trouble.stops_local);
	conf_fini(&c);
}

static void
test_a_long_line_costs_itself_only(void **state)
{
	char text[6000];
	struct t_reports r;
	struct conf c;

	(void)state;
	memset(text, 'x', sizeof(text));
	memcpy(text + sizeof(text) - 6, "\nDEFER", 6);
	assert_int_equal(parse(&c, text, sizeof(text), &r), 1);
	assert_string_equal(r.lines, "1;");
	assert_members(&c, "retry.is_defer=1");
	conf_fini(&c);
}

static void
test_mailname(void **state)
{
	static const struct { const char *conf, *file, *host, *want; }
	    cases[] = {
		{ "", NULL, "box", "box" },
		{ "", NULL, "box.example.", "box.example" },
		{ "", "ignored\n", "box", "box" },
		{ "MAILNAME a.example", NULL, "box", "a.example" },
		{ "MAILNAME /f", " b.example \r\nsecond\n", "box",
		    "b.example" },
		{ "MAILNAME /f", "\xef\xbb\xbf" "b.example.", "box",
		    "b.example" },
		{ "MAILNAME /f", "b.example", "box", "b.example" },
		{ "MAILNAME /f", "\n", "box", "box" },
		{ "MAILNAME /f", "two words\n", "box", "box" },
		{ "MAILNAME /f", "a\x01\n", "box", "box" },
		{ "MAILNAME /f", "", "box", "box" },
		{ "MAILNAME /f", NULL, "box", "box" },
		{ "MAILNAME /f", NULL, "", "localhost" },
		{ "", NULL, NULL, "localhost" },
		{ "", NULL, "(none)", "localhost" },
	};
	struct t_reports r;
	struct conf c;
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		assert_int_equal(parse(&c, cases[i].conf,
		    strlen(cases[i].conf), &r), 0);
		if (strchr(cases[i].conf, '/') != NULL)
			assert_string_equal(conf_mailname_file(&c), "/f");
		else
			assert_null(conf_mailname_file(&c));
		assert_int_equal(conf_finish(&c, cases[i].file, cases[i].host),
		    0);
		assert_string_equal(c.names.mailname, cases[i].want);
		conf_fini(&c);
	}
}

/* Root takes the keys that it acts by, and nothing else of the text. */
static void
test_root_takes_its_own_keys_only(void **state)
{
	static const char text[] =
	    "ALIASES /a\nALIAS_USER mailer\nCOMMAND_TIMEOUT 1h\n"
	    "LOG stderr\nLOG_LEVEL debug\nMAILBOX lmtp:x\nMAILSPOOL /m\n"
	    "SMARTHOST a\nPORT 26\nTLS verify\nSECURETRANSFER\nDEFER\n"
	    "MAILNAME a.org\nBOGUS\nREQUIRE_SHELL no\nCAFILE /a\001\n";
	struct conf c;

	(void)state;
	assert_int_equal(conf_init(&c), 0);
	assert_int_equal(conf_parse_root(&c, text, sizeof(text) - 1), 0);
	assert_members(&c, "where.aliases=/a|local.alias_user=mailer|"
	    "local.command_timeout_s=3600|log.where=stderr|log.level=debug|"
	    "local.mailbox=unreadable|local.mailspool=/m|relays=|"
	    "relays.port=25|tls.policy=unset|tls.is_implicit=0|"
	    "retry.is_defer=0|names.mailname=-|local.is_shell_required=1|"
	    "tls.cafile=-");
	conf_fini(&c);
}

static void
test_mail_dir(void **state)
{
	static const struct { const char *conf, *dir; } cases[] = {
		{ "MAILSPOOL /m", "/m" },
		{ "MAILSPOOL /m\nMAILBOX maildir /srv/", "/srv/" },
		{ "MAILSPOOL /m\nMAILBOX maildir", NULL },
		{ "MAILSPOOL /m\nMAILBOX command /x", NULL },
		{ "MAILSPOOL /m\nMAILBOX lmtp:/x", NULL },
	};
	const char *dir;
	struct t_reports r;
	struct conf c;
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		assert_int_equal(parse(&c, cases[i].conf,
		    strlen(cases[i].conf), &r), 0);
		dir = conf_mail_dir(&c.local);
		assert_int_equal(dir != NULL, cases[i].dir != NULL);
		if (dir != NULL)
			assert_string_equal(dir, cases[i].dir);
		conf_fini(&c);
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_values_have_bounds),
		cmocka_unit_test(test_report),
		cmocka_unit_test(test_trouble),
		cmocka_unit_test(test_a_long_line_costs_itself_only),
		cmocka_unit_test(test_mailname),
		cmocka_unit_test(test_root_takes_its_own_keys_only),
		cmocka_unit_test(test_mail_dir),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
