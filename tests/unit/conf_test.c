/*
 * conf_test.c - dma.conf and auth.conf, tables of cases.
 */
#include "conf.h"
#include "tests/unit/t.h"

#define PIN	"00112233445566778899aabbccddeeff" \
		"00112233445566778899AABBCCDDEEFF"

static int
parse_len(struct conf *c, const char *text, size_t len, struct t_reports *h)
{
	const struct report report = { t_report, h };

	t_reports_init(h, "dma.conf");
	assert_int_equal(conf_init(c), 0);
	return conf_parse(c, text, len, "dma.conf", &report);
}

static int
parse(struct conf *c, const char *text)
{
	struct t_reports h;
	int bad;

	bad = parse_len(c, text, strlen(text), &h);
	assert_int_equal(bad, h.count);
	return bad;
}

static void
test_defaults(void **state)
{
	struct conf c;

	(void)state;
	assert_int_equal(parse(&c, ""), 0);
	assert_int_equal(c.relays.port, 25);
	assert_int_equal(c.relays.n, 0);
	assert_int_equal(c.tls.policy, TLS_UNSET);
	assert_int_equal(c.tls.is_implicit, 0);
	assert_int_equal(c.smtp.is_insecure, 0);
	assert_int_equal(c.local.is_shell_required, 1);
	assert_int_equal(c.names.delimiter, '+');
	assert_int_equal(c.smtp.concurrency, 20);
	assert_int_equal(c.retry.first_s, 300);
	assert_int_equal(c.retry.max_s, 10800);
	assert_int_equal(c.retry.lifetime_s, 432000);
	assert_int_equal(c.local.command_timeout_s, 300);
	assert_int_equal(c.smtp.timeout_s, 0);
	assert_int_equal(c.smtp.connect_timeout_s, 30);
	assert_int_equal(c.log.where, LOG_TO_SYSLOG);
	assert_int_equal(c.log.level, LOG_LEVEL_INFO);
	assert_string_equal(c.local.alias_user, "nobody");
	assert_non_null(c.where.spool);
	assert_non_null(c.where.aliases);
	assert_non_null(c.where.auth);
	assert_non_null(c.local.mailspool);
	assert_null(c.names.mailname);
	assert_null(c.tls.certfile);
	assert_null(c.names.masquerade_host);
	conf_fini(&c);
}

/* One line each: is it taken, and what becomes of one member. */
#define STR(m)	offsetof(struct conf, m), 's'
#define INT(m)	offsetof(struct conf, m), 'i'
static const struct {
	const char	*in;
	int		 bad;
	size_t		 at;
	char		 type;
	const char	*text;
	int		 value;
} lines[] = {
	{ "ALIASES /etc/mail/aliases", 0, STR(where.aliases), "/etc/mail/aliases", 0 },
	{ "ALIASES\t \t/a b \t", 0, STR(where.aliases), "/a b", 0 },
	{ " \tALIASES /a", 0, STR(where.aliases), "/a", 0 },
	{ "ALIASES /a # why", 0, STR(where.aliases), "/a", 0 },
	{ "ALIASES /a#b", 0, STR(where.aliases), "/a#b", 0 },
	{ "ALIASES /a\r\n", 0, STR(where.aliases), "/a", 0 },
	{ "#ALIASES /a", 0, STR(tls.cafile), NULL, 0 },
	{ "   # only a comment", 0, STR(tls.cafile), NULL, 0 },
	{ "\n\n \t\n", 0, STR(tls.cafile), NULL, 0 },
	{ "CAFILE relative", 1, STR(tls.cafile), NULL, 0 },
	{ "CAFILE", 1, STR(tls.cafile), NULL, 0 },
	{ "CAFILE /etc/ca.pem", 0, STR(tls.cafile), "/etc/ca.pem", 0 },
	{ "KEYFILE /k", 0, STR(tls.keyfile), "/k", 0 },
	{ "CERTFILE /c", 0, STR(tls.certfile), "/c", 0 },
	{ "AUTHPATH /etc/dma/auth.conf", 0, STR(where.auth),
	    "/etc/dma/auth.conf", 0 },
	{ "SPOOLDIR /s", 0, STR(where.spool), "/s", 0 },
	{ "MAILBOX maildir", 0, STR(local.where), "~/Maildir/", 0 },
	{ "MAILBOX Maildir  ~/mail/in", 0, STR(local.where), "~/mail/in", 0 },
	{ "MAILBOX maildir /srv/mail/", 0, STR(local.where), "/srv/mail/",
	    0 },
	{ "MAILBOX maildir\nMAILBOX mbox", 0, STR(local.where), NULL, 0 },
	{ "MAILBOX maildir", 0, INT(local.mailbox), NULL, MAILBOX_MAILDIR },
	{ "MAILBOX mbox", 0, INT(local.mailbox), NULL, MAILBOX_MBOX },
	{ "MAILBOX command /usr/bin/procmail -d $USER", 0, STR(local.where),
	    "/usr/bin/procmail -d $USER", 0 },
	{ "MAILBOX command /bin/x", 0, INT(local.mailbox), NULL, MAILBOX_COMMAND },
	{ "MAILBOX command", 1, INT(local.mailbox), NULL, MAILBOX_UNREADABLE },
	{ "MAILBOX command x", 1, INT(local.mailbox), NULL, MAILBOX_UNREADABLE },
	{ "MAILBOX lmtp:/run/dovecot/lmtp", 0, STR(local.where),
	    "/run/dovecot/lmtp", 0 },
	{ "MAILBOX lmtp:/run/x", 0, INT(local.mailbox), NULL, MAILBOX_LMTP },
	{ "MAILBOX lmtp:store.test:24", 0, STR(local.where), "store.test",
	    0 },
	{ "MAILBOX LMTP:[::1]:24", 0, STR(local.where), "::1", 0 },
	{ "MAILBOX lmtp:store", 1, INT(local.mailbox), NULL, MAILBOX_UNREADABLE },
	{ "MAILBOX lmtp:", 1, INT(local.mailbox), NULL, MAILBOX_UNREADABLE },
	{ "MAILBOX lmtp:x y:24", 1, INT(local.mailbox), NULL, MAILBOX_UNREADABLE },
	{ "MAILBOX lmtp:x:0", 1, INT(local.mailbox), NULL, MAILBOX_UNREADABLE },
	{ "MAILBOX", 1, INT(local.mailbox), NULL, MAILBOX_UNREADABLE },
	{ "MAILBOX mdir", 1, INT(local.mailbox), NULL, MAILBOX_UNREADABLE },
	{ "MAILBOX mbox /x", 1, INT(local.mailbox), NULL, MAILBOX_UNREADABLE },
	{ "MAILBOX maildirs", 1, INT(local.mailbox), NULL, MAILBOX_UNREADABLE },
	{ "MAILBOX maildir in", 1, INT(local.mailbox), NULL, MAILBOX_UNREADABLE },
	{ "MAILBOX maildir ~", 1, INT(local.mailbox), NULL, MAILBOX_UNREADABLE },
	{ "MAILBOX maildir ~/", 1, INT(local.mailbox), NULL, MAILBOX_UNREADABLE },
	{ "MAILBOX maildir ~bob/x", 1, INT(local.mailbox), NULL,
	    MAILBOX_UNREADABLE },
	{ "MAILBOX mdir\nMAILBOX mbox", 1, INT(local.mailbox), NULL, MAILBOX_MBOX },
	{ "MAILSPOOL /var/spool/mail", 0, STR(local.mailspool), "/var/spool/mail", 0 },
	{ "smarthost lower.case", 1, INT(relays.n), NULL, 0 },
	{ "UNKNOWN_KEY 1", 1, INT(relays.port), NULL, 25 },
	{ "DEFER", 0, INT(retry.is_defer), NULL, 1 },
	{ "DEFER yes", 0, INT(retry.is_defer), NULL, 1 },
	{ "DEFER off", 0, INT(retry.is_defer), NULL, 0 },
	{ "DEFER 17", 1, INT(retry.is_defer), NULL, 0 },
	{ "FULLBOUNCE", 0, INT(retry.is_fullbounce), NULL, 1 },
	{ "INSECURE", 0, INT(smtp.is_insecure), NULL, 1 },
	{ "SECURE", 0, INT(smtp.is_insecure), NULL, 0 },
	{ "INSECURE\nSECURE", 0, INT(smtp.is_insecure), NULL, 0 },
	{ "NOREMOTE", 0, INT(limits.is_noremote), NULL, 1 },
	{ "SENDER_RELAY /etc/dma/s", 0, STR(where.sender_relay), "/etc/dma/s", 0 },
	{ "SENDER_RELAY /a\nSENDER_RELAY b", 1, STR(where.sender_relay), "", 0 },
	{ "SENDER_RELAY", 1, STR(where.sender_relay), "", 0 },
	{ "REQUIRE_SHELL no", 0, INT(local.is_shell_required), NULL, 0 },
	{ "NULLCLIENT\nSMARTHOST a", 0, INT(names.is_nullclient), NULL, 1 },
	{ "NULLCLIENT aliases\nSMARTHOST a", 0, INT(names.is_nullclient), NULL, 1 },
	{ "NULLCLIENT\nSMARTHOST a", 0, INT(names.has_nullclient_aliases), NULL, 0 },
	{ "NULLCLIENT Aliases\nSMARTHOST a", 0, INT(names.has_nullclient_aliases),
	    NULL, 1 },
	{ "NULLCLIENT aliases\nNULLCLIENT no", 0,
	    INT(names.has_nullclient_aliases), NULL, 0 },
	{ "NULLCLIENT bob\nSMARTHOST a", 1, INT(names.is_nullclient), NULL, 0 },
	{ "DANE", 0, INT(tls.is_dane), NULL, 1 },
	{ "DANE on", 0, INT(tls.is_dane), NULL, 1 },
	{ "DANE on\nDANE off", 0, INT(tls.is_dane), NULL, 0 },
	{ "DANE perhaps", 1, INT(tls.is_dane), NULL, 1 },
	{ "CONCURRENCY 1", 0, INT(smtp.concurrency), NULL, 1 },
	{ "CONCURRENCY 1000", 0, INT(smtp.concurrency), NULL, 1000 },
	{ "CONCURRENCY 0", 1, INT(smtp.concurrency), NULL, 20 },
	{ "CONCURRENCY 1001", 1, INT(smtp.concurrency), NULL, 20 },
	{ "CONCURRENCY -1", 1, INT(smtp.concurrency), NULL, 20 },
	{ "CONCURRENCY 4294967297", 1, INT(smtp.concurrency), NULL, 20 },
	{ "CONCURRENCY 99999999999999999999999", 1, INT(smtp.concurrency), NULL,
	    20 },
	{ "MAX_RECIPIENTS 100", 0, INT(limits.max_recipients), NULL, 100 },
	{ "TIMEOUT 2m", 0, INT(smtp.timeout_s), NULL, 120 },
	{ "TIMEOUT 2x", 1, INT(smtp.timeout_s), NULL, 0 },
	{ "TIMEOUT_CONNECT 0", 1, INT(smtp.connect_timeout_s), NULL, 30 },
	{ "TIMEOUT_CONNECT 10s", 0, INT(smtp.connect_timeout_s), NULL, 10 },
	{ "COMMAND_TIMEOUT 1h", 0, INT(local.command_timeout_s), NULL, 3600 },
	{ "ALIAS_USER mailer", 0, STR(local.alias_user), "mailer", 0 },
	{ "ALIAS_USER 0", 1, STR(local.alias_user), "nobody", 0 },
	{ "ALIAS_USER ../root", 1, STR(local.alias_user), "nobody", 0 },
	{ "ALIAS_USER -x", 1, STR(local.alias_user), "nobody", 0 },
	{ "ALIAS_USER", 1, STR(local.alias_user), "nobody", 0 },
	{ "ALIAS_USER a23456789012345678901234567890123", 1,
	    STR(local.alias_user), "nobody", 0 },
	{ "MAILQ_GROUP adm", 0, STR(limits.mailq_group), "adm", 0 },
	{ "LOG stderr", 0, INT(log.where), NULL, LOG_TO_STDERR },
	{ "LOG file /var/log/dma.log", 0, STR(log.path),
	    "/var/log/dma.log", 0 },
	{ "LOG file  /var/log/dma.log", 0, INT(log.where), NULL, LOG_TO_FD },
	{ "LOG file relative", 1, INT(log.where), NULL, LOG_TO_SYSLOG },
	{ "LOG file", 1, INT(log.where), NULL, LOG_TO_SYSLOG },
	{ "LOG", 1, INT(log.where), NULL, LOG_TO_SYSLOG },
	{ "LOG stderr twice", 1, INT(log.where), NULL, LOG_TO_SYSLOG },
	{ "LOG_LEVEL debug", 0, INT(log.level), NULL, LOG_LEVEL_DEBUG },
	{ "LOG_LEVEL loud", 1, INT(log.level), NULL, LOG_LEVEL_INFO },
	{ "MAILNAME host.example.org", 0, STR(names.mailname),
	    "host.example.org", 0 },
	{ "MAILNAME /etc/mailname", 0, STR(names.mailname), "/etc/mailname", 0 },
	{ "MAILNAME", 0, STR(names.mailname), NULL, 0 },
	{ "MAILNAME a b", 1, STR(names.mailname), NULL, 0 },
	{ "MAILNAME a..b", 1, STR(names.mailname), NULL, 0 },
	{ "MAILNAME <x>", 1, STR(names.mailname), NULL, 0 },
	{ "MAILNAME a\nMAILNAME b", 0, STR(names.mailname), "b", 0 },
};

static void
test_lines(void **state)
{
	struct conf c;
	const char *s;
	void *at;
	size_t i;
	int v;

	(void)state;
	for (i = 0; i < N(lines); i++) {
		print_message("%s\n", lines[i].in);
		assert_int_equal(parse(&c, lines[i].in), lines[i].bad);
		at = (char *)&c + lines[i].at;
		if (lines[i].type == 's') {
			memcpy(&s, at, sizeof(s));
			if (lines[i].text == NULL)
				assert_null(s);
			else {
				assert_non_null(s);
				assert_string_equal(s, lines[i].text);
			}
		} else {
			memcpy(&v, at, sizeof(v));
			if (lines[i].at == offsetof(struct conf, relays.port))
				v = c.relays.port;
			assert_int_equal(v, lines[i].value);
		}
		conf_fini(&c);
	}
}

static const struct { const char *in; int bad, port; } ports[] = {
	{ "587",	0,	587 },
	{ "1",		0,	1 },
	{ "65535",	0,	65535 },
	{ "65536",	1,	25 },
	{ "0",		1,	25 },
	{ "25x",	1,	25 },
	{ "+25",	1,	25 },
	{ "",		1,	25 },
};

static void
test_port(void **state)
{
	struct conf c;
	char line[64];
	size_t i;

	(void)state;
	for (i = 0; i < N(ports); i++) {
		memcpy(line, "PORT ", 5);
		memcpy(line + 5, ports[i].in, strlen(ports[i].in) + 1);
		assert_int_equal(parse(&c, line), ports[i].bad);
		assert_int_equal(c.relays.port, ports[i].port);
		conf_fini(&c);
	}
}

static const struct {
	const char *in;
	int bad;
	size_t n;
	struct { const char *host; int port, is_literal; } relays[3];
} smarthosts[] = {
	{ "SMARTHOST mail.example.org", 0, 1,
	    { { "mail.example.org", 0, 0 } } },
	{ "SMARTHOST a:587 b [2001:db8::1]:465", 0, 3,
	    { { "a", 587, 0 }, { "b", 0, 0 }, { "2001:db8::1", 465, 1 } } },
	{ "SMARTHOST [::1]", 0, 1, { { "::1", 0, 1 } } },
	{ "SMARTHOST [IPv6:::1]:25", 0, 1, { { "::1", 25, 1 } } },
	{ "SMARTHOST ::1", 0, 1, { { "::1", 0, 1 } } },
	{ "SMARTHOST 0:0:0:0:0:0:0:1 [2001:DB8::0:1]:25", 0, 2,
	    { { "::1", 0, 1 }, { "2001:db8::1", 25, 1 } } },
	{ "SMARTHOST mail.example.org.:587 a.", 0, 2,
	    { { "mail.example.org", 587, 0 }, { "a", 0, 0 } } },
	{ "SMARTHOST 192.0.2.1:2525", 0, 1, { { "192.0.2.1", 2525, 1 } } },
	{ "SMARTHOST [192.0.2.1]", 0, 1, { { "192.0.2.1", 0, 1 } } },
	{ "SMARTHOST", 0, 0, { { NULL, 0, 0 } } },
	{ "SMARTHOST a\nSMARTHOST b", 0, 1, { { "b", 0, 0 } } },
	/* one good host is enough; none is not "straight to the MX" */
	{ "SMARTHOST a:x b", 1, 1, { { "b", 0, 0 } } },
	{ "SMARTHOST a:0", 1, 1, { { CONF_NO_RELAY, 0, 0 } } },
	{ "SMARTHOST a:", 1, 1, { { CONF_NO_RELAY, 0, 0 } } },
	{ "SMARTHOST [::1", 1, 1, { { CONF_NO_RELAY, 0, 0 } } },
	{ "SMARTHOST [::1]x", 1, 1, { { CONF_NO_RELAY, 0, 0 } } },
	{ "SMARTHOST [name]", 1, 1, { { CONF_NO_RELAY, 0, 0 } } },
	{ "SMARTHOST mx:example.org", 0, 1,
	    { { "mx:example.org", 0, 0 } } },
	{ "SMARTHOST MX:example.org:587 Srv:example.net", 0, 2,
	    { { "mx:example.org", 587, 0 },
	    { "srv:example.net", 0, 0 } } },
	/* hosts that have these names */
	{ "SMARTHOST mx:25 srv:587 mx", 0, 3,
	    { { "mx", 25, 0 }, { "srv", 587, 0 }, { "mx", 0, 0 } } },
	{ "SMARTHOST mx:", 1, 1, { { CONF_NO_RELAY, 0, 0 } } },
	{ "SMARTHOST mx:a:b", 1, 1, { { CONF_NO_RELAY, 0, 0 } } },
	{ "SMARTHOST mx:192.0.2.1", 1, 1, { { CONF_NO_RELAY, 0, 0 } } },
	{ "SMARTHOST mx:[::1]", 1, 1, { { CONF_NO_RELAY, 0, 0 } } },
	{ "SMARTHOST srv:a:587", 1, 1, { { CONF_NO_RELAY, 0, 0 } } },
	{ "SMARTHOST srv:::1", 1, 1, { { CONF_NO_RELAY, 0, 0 } } },
	{ "SMARTHOST a:b mx:example.org", 1, 1,
	    { { "mx:example.org", 0, 0 } } },
	{ "NULLCLIENT", 1, 1, { { CONF_NO_RELAY, 0, 0 } } },
};

static void
test_smarthost(void **state)
{
	static const char *const kinds[] = { [RELAY_HOST] = "",
	    [RELAY_MX] = "mx:", [RELAY_SRV] = "srv:" };
	struct conf c;
	char host[64];
	size_t i, j;

	(void)state;
	for (i = 0; i < N(smarthosts); i++) {
		print_message("%s\n", smarthosts[i].in);
		assert_int_equal(parse(&c, smarthosts[i].in),
		    smarthosts[i].bad);
		assert_int_equal(c.relays.n, smarthosts[i].n);
		for (j = 0; j < c.relays.n; j++) {
			snprintf(host, sizeof(host), "%s%s",
			    kinds[c.relays.list[j].kind],
			    c.relays.list[j].host);
			assert_string_equal(host,
			    smarthosts[i].relays[j].host);
			assert_int_equal(c.relays.list[j].port,
			    smarthosts[i].relays[j].port);
			assert_int_equal(c.relays.list[j].is_literal,
			    smarthosts[i].relays[j].is_literal);
		}
		conf_fini(&c);
	}
}

static const struct {
	const char *in;
	int bad;
	enum tls_policy tls;
	int is_implicit;
} policies[] = {
	{ "SECURETRANSFER", 0, TLS_REQUIRED, 1 },
	{ "SECURETRANSFER\nSTARTTLS", 0, TLS_REQUIRED, 0 },
	{ "STARTTLS\nSECURETRANSFER\nOPPORTUNISTIC_TLS", 0,
	    TLS_OPPORTUNISTIC, 0 },
	{ "SECURETRANSFER\nOPPORTUNISTIC_TLS", 0, TLS_REQUIRED, 1 },
	{ "STARTTLS", 0, TLS_UNSET, 0 },
	{ "OPPORTUNISTIC_TLS", 0, TLS_UNSET, 0 },
	{ "SECURETRANSFER\nVERIFYCERT", 0, TLS_VERIFY, 1 },
	{ "PORT 465", 0, TLS_UNSET, 1 },
	{ "PORT 465\nSECURETRANSFER\nSTARTTLS", 0, TLS_REQUIRED, 0 },
	{ "TLS off", 0, TLS_OFF, 0 },
	{ "TLS off\nSECURETRANSFER", 0, TLS_OFF, 0 },
	{ "TLS opportunistic", 0, TLS_OPPORTUNISTIC, 0 },
	{ "TLS required", 0, TLS_REQUIRED, 0 },
	{ "TLS verify", 0, TLS_VERIFY, 0 },
	{ "SECURETRANSFER\nTLS verify", 0, TLS_VERIFY, 1 },
	{ "TLS REQUIRED", 0, TLS_REQUIRED, 0 },
	{ "TLS requierd", 1, TLS_VERIFY, 0 },
	{ "TLS", 1, TLS_VERIFY, 0 },
};

static void
test_tls(void **state)
{
	struct conf c;
	size_t i;

	(void)state;
	for (i = 0; i < N(policies); i++) {
		print_message("%s\n", policies[i].in);
		assert_int_equal(parse(&c, policies[i].in), policies[i].bad);
		assert_int_equal(c.tls.policy, policies[i].tls);
		assert_int_equal(c.tls.is_implicit, policies[i].is_implicit);
		conf_fini(&c);
	}
}

static void
test_pins(void **state)
{
	static const uint8_t good[32] = {
		0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77,
		0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff,
		0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77,
		0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff,
	};
	static const uint8_t none[32];
	static const struct { const char *in; int bad; size_t n; int is_good; }
	cases[] = {
		{ "FINGERPRINT " PIN, 0, 1, 1 },
		{ "FINGERPRINT 00:11:22:33:44:55:66:77:88:99:aa:bb:cc:dd:ee:"
		    "ff:00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF",
		    0, 1, 1 },
		{ "FINGERPRINT " PIN " " PIN, 0, 2, 1 },
		{ "FINGERPRINT " PIN "\nFINGERPRINT " PIN, 0, 2, 1 },
		/* a pin that can not be read matches no certificate */
		{ "FINGERPRINT " PIN "0", 1, 1, 0 },
		{ "FINGERPRINT 0011", 1, 1, 0 },
		{ "FINGERPRINT 0:0112233445566778899aabbccddeeff001122334455"
		    "66778899AABBCCDDEEFF", 1, 1, 0 },
		{ "FINGERPRINT " PIN ":", 1, 1, 0 },
	};
	struct conf c;
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		assert_int_equal(parse(&c, cases[i].in), cases[i].bad);
		assert_int_equal(c.tls.npins, cases[i].n);
		assert_memory_equal(c.tls.pins[0],
		    cases[i].is_good ? good : none, 32);
		conf_fini(&c);
	}
}

static const struct {
	const char *in, *user, *host;
	int bad;
} masquerades[] = {
	{ "MASQUERADE john@example.org", "john", "example.org", 0 },
	{ "MASQUERADE example.org", NULL, "example.org", 0 },
	{ "MASQUERADE john@", "john", NULL, 0 },
	{ "MASQUERADE @example.org", NULL, "example.org", 0 },
	{ "MASQUERADE", NULL, NULL, 0 },
	{ "MASQUERADE a@b\nMASQUERADE c", NULL, "c", 0 },
	{ "MASQUERADE john@exam ple", NULL, NULL, 1 },
	{ "MASQUERADE <john@example.org>", NULL, NULL, 1 },
	{ "MASQUERADE a@b@c", NULL, NULL, 1 },
};

static void
assert_text(const char *got, const char *want)
{
	if (want == NULL) {
		assert_null(got);
		return;
	}
	assert_non_null(got);
	assert_string_equal(got, want);
}

static void
test_masquerade(void **state)
{
	struct conf c;
	size_t i;

	(void)state;
	for (i = 0; i < N(masquerades); i++) {
		print_message("%s\n", masquerades[i].in);
		assert_int_equal(parse(&c, masquerades[i].in),
		    masquerades[i].bad);
		assert_text(c.names.masquerade_user, masquerades[i].user);
		assert_text(c.names.masquerade_host, masquerades[i].host);
		conf_fini(&c);
	}
}

static void
test_lists(void **state)
{
	struct conf c;

	(void)state;
	assert_int_equal(parse(&c, "LOCALDOMAINS a.org  b.org\tc.org"), 0);
	assert_int_equal(c.names.ndomains, 3);
	assert_string_equal(c.names.domains[0], "a.org");
	assert_string_equal(c.names.domains[2], "c.org");
	conf_fini(&c);
	assert_int_equal(parse(&c, "LOCALDOMAINS a\nLOCALDOMAINS b, c"), 1);
	assert_int_equal(c.names.ndomains, 1);
	assert_string_equal(c.names.domains[0], "c");
	conf_fini(&c);
}

static const struct {
	const char *in;
	int bad;
	unsigned first, max, lifetime;
} retries[] = {
	{ "RETRY 1m 1h 2d", 0, 60, 3600, 172800 },
	{ "RETRY 1m", 0, 60, 10800, 432000 },
	{ "RETRY 90 4h", 0, 90, 14400, 432000 },
	{ "RETRY", 1, 300, 10800, 432000 },
	{ "RETRY 0 1h 1d", 1, 300, 10800, 432000 },
	{ "RETRY 2h 1h 1d", 1, 300, 10800, 432000 },
	{ "RETRY 1h 2h 1m", 1, 300, 10800, 432000 },
	{ "RETRY 1m 1h 2d 3d", 1, 300, 10800, 432000 },
	{ "RETRY soon", 1, 300, 10800, 432000 },
};

static const struct {
	const char *in;
	int bad;
	unsigned after;
} warnings[] = {
	{ "", 0, 14400 },
	{ "WARN_AFTER 90m", 0, 5400 },
	{ "WARN_AFTER 0", 0, 0 },
	{ "WARN_AFTER", 1, 14400 },
	{ "WARN_AFTER never", 1, 14400 },
	{ "WARN_AFTER -1", 1, 14400 },
};

static void
test_warn_after(void **state)
{
	struct conf c;
	size_t i;

	(void)state;
	for (i = 0; i < N(warnings); i++) {
		assert_int_equal(parse(&c, warnings[i].in), warnings[i].bad);
		assert_int_equal(c.retry.warn_after_s, warnings[i].after);
		conf_fini(&c);
	}
}

static void
test_retry(void **state)
{
	struct conf c;
	size_t i;

	(void)state;
	for (i = 0; i < N(retries); i++) {
		assert_int_equal(parse(&c, retries[i].in), retries[i].bad);
		assert_int_equal(c.retry.first_s, retries[i].first);
		assert_int_equal(c.retry.max_s, retries[i].max);
		assert_int_equal(c.retry.lifetime_s, retries[i].lifetime);
		conf_fini(&c);
	}
}

static const struct { const char *in; int bad; uint64_t size; } sizes[] = {
	{ "MAX_SIZE 0", 0, 0 },
	{ "MAX_SIZE 12345", 0, 12345 },
	{ "MAX_SIZE 10M", 0, 10 << 20 },
	{ "MAX_SIZE 3k", 0, 3 << 10 },
	{ "MAX_SIZE 2G", 0, 2ULL << 30 },
	{ "MAX_SIZE 10MB", 1, 0 },
	{ "MAX_SIZE M", 1, 0 },
	{ "MAX_SIZE", 1, 0 },
	{ "MAX_SIZE 99999999999G", 1, 0 },
};

static const struct { const char *in; int bad; char c; } delimiters[] = {
	{ "RECIPIENT_DELIMITER -", 0, '-' },
	{ "RECIPIENT_DELIMITER none", 0, '\0' },
	{ "RECIPIENT_DELIMITER", 0, '\0' },
	{ "RECIPIENT_DELIMITER a", 1, '+' },
	{ "RECIPIENT_DELIMITER @", 1, '+' },
	{ "RECIPIENT_DELIMITER --", 1, '+' },
};

static void
test_sizes_and_delimiters(void **state)
{
	struct conf c;
	size_t i;

	(void)state;
	for (i = 0; i < N(sizes); i++) {
		assert_int_equal(parse(&c, sizes[i].in), sizes[i].bad);
		assert_int_equal(c.limits.max_size_bytes, sizes[i].size);
		conf_fini(&c);
	}
	for (i = 0; i < N(delimiters); i++) {
		assert_int_equal(parse(&c, delimiters[i].in),
		    delimiters[i].bad);
		assert_int_equal(c.names.delimiter, delimiters[i].c);
		conf_fini(&c);
	}
}

/* A bad line costs itself only, and is named by its number. */
static void
test_report(void **state)
{
	static const char nul[] = "PORT 26\nALIASES /a\0b\nDEFER\n";
	struct t_reports h;
	struct conf c;
	char longer[6000];

	(void)state;
	assert_int_equal(parse_len(&c, "PORT 26\n\nBOGUS 1\nDEFER\n", 23, &h),
	    1);
	assert_int_equal(h.line, 3);
	assert_string_equal(h.text, "BOGUS: unknown key");
	assert_int_equal(c.relays.port, 26);
	assert_int_equal(c.retry.is_defer, 1);
	conf_fini(&c);

	assert_int_equal(parse_len(&c, nul, sizeof(nul) - 1, &h), 1);
	assert_int_equal(h.line, 2);
	assert_int_equal(c.retry.is_defer, 1);
	conf_fini(&c);

	memset(longer, 'x', sizeof(longer));
	memcpy(longer + sizeof(longer) - 6, "\nDEFER", 6);
	assert_int_equal(parse_len(&c, longer, sizeof(longer), &h), 1);
	assert_int_equal(h.line, 1);
	assert_int_equal(c.retry.is_defer, 1);
	conf_fini(&c);

	longer[4000] = '\n';
	assert_int_equal(parse_len(&c, longer, sizeof(longer), &h), 2);
	conf_fini(&c);
}

static const struct { const char *conf, *file, *host, *want; } names[] = {
	{ "", NULL, "box", "box" },
	{ "", "ignored\n", "box", "box" },
	{ "MAILNAME a.example", NULL, "box", "a.example" },
	{ "MAILNAME /f", " b.example \r\nsecond\n", "box", "b.example" },
	{ "MAILNAME /f", "b.example", "box", "b.example" },
	{ "MAILNAME /f", "\n", "box", "box" },
	{ "MAILNAME /f", "two words\n", "box", "box" },
	{ "MAILNAME /f", "", "box", "box" },
	{ "MAILNAME /f", NULL, "box", "box" },
	{ "MAILNAME /f", NULL, "", "localhost" },
	{ "", NULL, NULL, "localhost" },
	{ "", NULL, "(none)", "localhost" },
};

static void
test_mailname(void **state)
{
	struct conf c;
	size_t i;

	(void)state;
	for (i = 0; i < N(names); i++) {
		assert_int_equal(parse(&c, names[i].conf), 0);
		if (strchr(names[i].conf, '/') != NULL)
			assert_string_equal(conf_mailname_file(&c), "/f");
		else
			assert_null(conf_mailname_file(&c));
		assert_int_equal(conf_finish(&c, names[i].file, names[i].host),
		    0);
		assert_string_equal(c.names.mailname, names[i].want);
		conf_fini(&c);
	}
}

static const struct { const char *in; int ret; unsigned s; } times[] = {
	{ "30s", 0, 30 },
	{ "5m", 0, 300 },
	{ "3h", 0, 10800 },
	{ "5d", 0, 432000 },
	{ "90", 0, 90 },
	{ "0", 0, 0 },
	{ "365d", 0, 31536000 },
	{ "366d", -1, 7 },
	{ "18446744073709551616", -1, 7 },
	{ "", -1, 7 },
	{ "s", -1, 7 },
	{ "-5m", -1, 7 },
	{ "5 m", -1, 7 },
	{ "5ms", -1, 7 },
	{ "1.5h", -1, 7 },
};

static void
test_time(void **state)
{
	unsigned s;
	size_t i;

	(void)state;
	for (i = 0; i < N(times); i++) {
		s = 7;
		assert_int_equal(conf_time(times[i].in, &s), times[i].ret);
		assert_int_equal(s, times[i].s);
	}
}

static const struct {
	const char *in;
	int bad;
	const char *user, *host, *password;
} auths_cases[] = {
	{ "me|mail.example.org:secret", 0, "me", "mail.example.org",
	    "secret" },
	{ "me|mail.example.org|se:cr|et", 0, "me", "mail.example.org",
	    "se:cr|et" },
	{ "me|h:se:cr|et #1 \r\n", 0, "me", "h", "se:cr|et #1 " },
	{ "me@dom.org|h: x", 0, "me@dom.org", "h", " x" },
	{ "me|h secret", 0, "me", "h", "secret" },
	{ "me|[2001:db8::1]:x", 0, "me", "2001:db8::1", "x" },
	{ "me|192.0.2.1:x", 0, "me", "192.0.2.1", "x" },
	{ "me|h:", 0, "me", "h", "" },
	{ "# me|h:x", 0, NULL, NULL, NULL },
	{ "\n  \n", 0, NULL, NULL, NULL },
	{ "me|h", 1, NULL, NULL, NULL },
	{ "me:h:x", 1, NULL, NULL, NULL },
	{ "|h:x", 1, NULL, NULL, NULL },
	{ "me|:x", 1, NULL, NULL, NULL },
	{ "me|[::1:x", 1, NULL, NULL, NULL },
	{ "me|[::1]x", 1, NULL, NULL, NULL },
	{ "me|h:a\x01z", 1, NULL, NULL, NULL },
};

static void
test_auth(void **state)
{
	struct t_reports h = { .file = "dma.conf" };
	const struct report report = { t_report, &h };
	struct auths a;
	size_t i;

	(void)state;
	for (i = 0; i < N(auths_cases); i++) {
		print_message("%s\n", auths_cases[i].in);
		memset(&a, 0, sizeof(a));
		assert_int_equal(auth_parse(&a, auths_cases[i].in,
		    strlen(auths_cases[i].in), "dma.conf", &report),
		    auths_cases[i].bad);
		assert_int_equal(a.n, auths_cases[i].user != NULL);
		if (a.n == 1) {
			assert_string_equal(a.list[0].user,
			    auths_cases[i].user);
			assert_string_equal(a.list[0].host,
			    auths_cases[i].host);
			assert_string_equal(a.list[0].password,
			    auths_cases[i].password);
		}
		/* what is said never quotes a line that may hold a secret */
		assert_null(strstr(h.text, "me"));
		auth_fini(&a);
	}
}

/* Lines in words; what can not be read closes the way to its host. */
static void
test_auth_words(void **state)
{
	static const struct {
		const char *in;
		int bad;
		const char *user, *host, *password, *file;
		int is_token, has_trouble;
	} cases[] = {
		{ "host h.org user me password se:cret", 0, "me", "h.org",
		    "se:cret", NULL, 0, 0 },
		{ "\thost [2001:db8::1]  password-file /etc/p user me@x ", 0,
		    "me@x", "2001:db8::1", NULL, "/etc/p", 0, 0 },
		{ "host h user a|b password c|d:e", 0, "a|b", "h", "c|d:e",
		    NULL, 0, 0 },
		{ "host h user me token ya29.x-Y_z==", 0, "me", "h",
		    "ya29.x-Y_z==", NULL, 1, 0 },
		{ "host h user me token-file /run/t", 0, "me", "h", NULL,
		    "/run/t", 1, 0 },
		{ "host h external", 0, "", "h", NULL, NULL, 0, 0 },
		{ "host h user me password x external", 0, "me", "h", "x",
		    NULL, 0, 0 },
		{ "host h user me", 1, "me", "h", NULL, NULL, 0, 1 },
		{ "host h password x", 1, "", "h", NULL, NULL, 0, 1 },
		{ "host h user me password", 1, "me", "h", NULL, NULL, 0, 1 },
		{ "host h user me password x token y", 1, "me", "h", NULL,
		    NULL, 0, 1 },
		{ "host h user me password-file p", 1, "me", "h", NULL, NULL,
		    0, 1 },
		{ "host h user me pasword x", 1, "me", "h", NULL, NULL, 0,
		    1 },
		{ "host h host i user me password x", 1, "", "h", NULL, NULL,
		    0, 1 },
		{ "user me password x", 1, NULL, NULL, NULL, NULL, 0, 0 },
		{ "host /x user me password x", 1, NULL, NULL, NULL, NULL, 0,
		    0 },
		{ "host", 1, NULL, NULL, NULL, NULL, 0, 0 },
		/* Without that word at its start: an old line. */
		{ "user host|h:host x", 0, "user host", "h", "host x", NULL,
		    0, 0 },
		{ "host|h:x", 0, "host", "h", "x", NULL, 0, 0 },
	};
	struct t_reports h = { .file = "dma.conf" };
	const struct report report = { t_report, &h };
	const struct auth *a;
	struct auths list;
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		print_message("%s\n", cases[i].in);
		memset(&list, 0, sizeof(list));
		assert_int_equal(auth_parse(&list, cases[i].in,
		    strlen(cases[i].in), "dma.conf", &report),
		    cases[i].bad);
		assert_int_equal(list.n, cases[i].host != NULL);
		a = list.list;
		if (a != NULL) {
			assert_string_equal(a->user, cases[i].user);
			assert_string_equal(a->host, cases[i].host);
			assert_int_equal(a->trouble != NULL,
			    cases[i].has_trouble);
			if (cases[i].password == NULL)
				assert_null(a->password);
			else
				assert_string_equal(a->password,
				    cases[i].password);
			if (cases[i].file == NULL)
				assert_null(a->file);
			else
				assert_string_equal(a->file, cases[i].file);
			if (a->trouble == NULL)
				assert_int_equal(a->is_token,
				    cases[i].is_token);
		}
		assert_null(strstr(h.text, "me|"));
		auth_fini(&list);
	}
}

/* A command is text that no shell would read in another way. */
static void
test_auth_command(void **state)
{
	static const struct {
		const char *in, *command;	/* NULL: refused */
		int is_token;
	} cases[] = {
		{ "host h user u password-command /bin/x", "/bin/x", 0 },
		{ "host h user u token-command /bin/x", "/bin/x", 1 },
		{ "host h token-command \"/bin/x a  b\"  user u", "/bin/x a  b",
		    1 },
		{ "host h user u password-command \"/bin/x #1 k=v %\"",
		    "/bin/x #1 k=v %", 0 },
		{ "host h user u password-command", NULL, 0 },
		{ "host h user u password-command \"\"", NULL, 0 },
		{ "host h user u password-command x", NULL, 0 },
		{ "host h user u password-command \"/bin/x", NULL, 0 },
		{ "host h user u password-command \"/bin/x\"y", NULL, 0 },
		{ "host h user u password-command /bin/x y", NULL, 0 },
		{ "host h user u password-command /bin/x;y", NULL, 0 },
		{ "host h user u password-command /bin/x\\y", NULL, 0 },
		{ "host h user u password-command \"/x $(id)\"", NULL, 0 },
		{ "host h user u password-command \"/x 'a b'\"", NULL, 0 },
		{ "host h user u password-command /x password y", NULL, 0 },
		{ "host h user u token-file /x token-command /y", NULL, 0 },
		{ "host h password-command /x", NULL, 0 },
	};
	struct t_reports h = { .file = "dma.conf" };
	const struct report report = { t_report, &h };
	struct auths list;
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		print_message("%s\n", cases[i].in);
		memset(&list, 0, sizeof(list));
		assert_int_equal(auth_parse(&list, cases[i].in,
		    strlen(cases[i].in), "dma.conf", &report),
		    cases[i].command == NULL);
		assert_int_equal(list.n, 1);
		assert_int_equal(list.list[0].trouble != NULL,
		    cases[i].command == NULL);
		assert_null(list.list[0].password);
		if (cases[i].command == NULL) {
			assert_null(list.list[0].command);
		} else {
			assert_string_equal(list.list[0].command,
			    cases[i].command);
			assert_int_equal(list.list[0].is_token,
			    cases[i].is_token);
		}
		auth_fini(&list);
	}
}

static void
test_auth_mechs(void **state)
{
	static const struct { const char *in; int bad; const char *mechs; }
	cases[] = {
		{ "", 0, NULL },
		{ "AUTH_MECHS scram-sha-256-plus\tSCRAM-SHA-256 PLAIN", 0,
		    "scram-sha-256-plus SCRAM-SHA-256 PLAIN" },
		{ "AUTH_MECHS EXTERNAL XOAUTH2 OAUTHBEARER CRAM-MD5 LOGIN "
		    "SCRAM-SHA-1", 0, "EXTERNAL XOAUTH2 OAUTHBEARER CRAM-MD5 "
		    "LOGIN SCRAM-SHA-1" },
		{ "AUTH_MECHS SCRAM-SHA-512 PLAIN", 1, "PLAIN" },
		{ "AUTH_MECHS SCRAM-SHA256", 1, "" },
		{ "AUTH_MECHS PLAIN\nAUTH_MECHS", 1, "PLAIN" },
	};
	struct t_reports h = { .file = "dma.conf" };
	const struct report report = { t_report, &h };
	struct conf c;
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		assert_int_equal(conf_init(&c), 0);
		assert_int_equal(conf_parse(&c, cases[i].in,
		    strlen(cases[i].in), "dma.conf", &report), cases[i].bad);
		if (cases[i].mechs == NULL)
			assert_null(c.smtp.auth_mechs);
		else
			assert_string_equal(c.smtp.auth_mechs, cases[i].mechs);
		conf_fini(&c);
	}
}

static void
test_auth_find(void **state)
{
	static const char text[] =
	    "one|a.example.org:1\ntwo|B.example.org:2\n"
	    "three|a.example.org:3\n"
	    "dot|c.example.org.:4\n"
	    "host 0:0::1 user six password 6\n";
	struct t_reports h = { .file = "dma.conf" };
	const struct report report = { t_report, &h };
	struct auths a = { NULL, 0 };
	const struct auth *got;

	(void)state;
	assert_null(auth_find(&a, "a.example.org", NULL, 1));
	assert_int_equal(auth_parse(&a, text, sizeof(text) - 1, "dma.conf",
	    &report), 0);
	assert_string_equal(auth_find(&a, "a.example.org", NULL, 1)->user,
	    "three");
	assert_string_equal(auth_find(&a, "b.EXAMPLE.org", NULL, 0)->user,
	    "two");
	assert_string_equal(auth_find(&a, "A.example.org", "one", 1)->user,
	    "one");
	assert_null(auth_find(&a, "example.org", NULL, 1));
	/* however it is written */
	assert_string_equal(auth_find(&a, "c.example.org", NULL, 1)->user,
	    "dot");
	assert_string_equal(auth_find(&a, "::1", NULL, 1)->user, "six");
	/* a login that is named must be there */
	got = auth_find(&a, "a.example.org", "two", 1);
	assert_non_null(got->trouble);
	assert_null(got->password);
	/* what is kept for others is not taken, and closes the relay */
	a.list[2].is_kept = 1;
	assert_string_equal(auth_find(&a, "a.example.org", NULL, 1)->user,
	    "one");
	assert_string_equal(auth_find(&a, "a.example.org", "three",
	    1)->password, "3");
	a.list[0].is_kept = 1;
	got = auth_find(&a, "a.example.org", NULL, 1);
	assert_non_null(got->trouble);
	assert_null(got->password);
	assert_null(auth_find(&a, "a.example.org", NULL, 0));
	auth_fini(&a);
	assert_int_equal(a.n, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_port),
		cmocka_unit_test(test_smarthost),
		cmocka_unit_test(test_tls),
		cmocka_unit_test(test_pins),
		cmocka_unit_test(test_masquerade),
		cmocka_unit_test(test_lists),
		cmocka_unit_test(test_retry),
		cmocka_unit_test(test_warn_after),
		cmocka_unit_test(test_sizes_and_delimiters),
		cmocka_unit_test(test_report),
		cmocka_unit_test(test_mailname),
		cmocka_unit_test(test_time),
		cmocka_unit_test(test_auth),
		cmocka_unit_test(test_auth_words),
		cmocka_unit_test(test_auth_mechs),
		cmocka_unit_test(test_auth_find),
		cmocka_unit_test(test_auth_command),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
