/*
 * suspect.c - lines of dma.conf that are not understood.
 * Runs as: anyone.  Uses: nothing.
 * Promise: if a line looks as if it named a relay, or a condition for sending,
 * it is not ignored: mail is deferred.
 */
#include <string.h>

#include "conf/suspect.h"

#define LINE_SHOWN	512	/* bytes of a line that are examined */
#define KEY_MAX		40	/* bytes of a key that may be misspelled */
#define ERRORS_MAX	2	/* letters wrong in a key */
#define SHORT_KEY	4	/* bytes of a key with one wrong at most */

static const struct {
	char		 name[20];
	enum suspect	 waits;
} keys[] = {
	{ "SMARTHOST",		SUSPECT_REMOTE },
	{ "RELAYHOST",		SUSPECT_REMOTE },	/* Postfix */
	{ "PORT",		SUSPECT_REMOTE },
	{ "AUTHPATH",		SUSPECT_REMOTE },
	{ "SECURETRANSFER",	SUSPECT_REMOTE },
	{ "STARTTLS",		SUSPECT_REMOTE },
	{ "OPPORTUNISTIC_TLS",	SUSPECT_REMOTE },
	{ "VERIFYCERT",		SUSPECT_REMOTE },
	{ "FINGERPRINT",	SUSPECT_REMOTE },
	{ "CERTFILE",		SUSPECT_REMOTE },
	{ "KEYFILE",		SUSPECT_REMOTE },
	{ "CAFILE",		SUSPECT_REMOTE },
	{ "SECURE",		SUSPECT_REMOTE },
	{ "DEFER",		SUSPECT_REMOTE },
	{ "DANE",		SUSPECT_REMOTE },
	{ "AUTH_MECHS",		SUSPECT_REMOTE },
	{ "SENDER_RELAY",	SUSPECT_REMOTE },
	{ "NOREMOTE",		SUSPECT_REMOTE },
	{ "NULLCLIENT",		SUSPECT_ALL },
	{ "MAILNAME",		SUSPECT_ALL },
	{ "LOCALDOMAINS",	SUSPECT_ALL },
	{ "ALIASES",		SUSPECT_ALL },
	{ "MAILBOX",		SUSPECT_ALL },
	{ "MAILSPOOL",		SUSPECT_ALL },
};

/* In any key: words for relays and for conditions, of whatever program. */
static const char parts[][12] = {
	"SMART", "RELAY", "HOST", "HUB", "GATEWAY", "ROUTE", "SERVER",
	"TRANSPORT", "REMOTE", "SMTP", "TLS", "SSL", "CERT", "AUTH", "SECUR",
	"CRYPT", "VERIF", "FINGER", "PASS", "LOGIN",
};

static unsigned
least(unsigned a, unsigned b, unsigned c)
{
	if (b < a)
		a = b;
	return c < a ? c : a;
}

/* Letters to add, remove or replace (Levenshtein); both at most KEY_MAX. */
static unsigned
distance(const char *a, const char *b)
{
	unsigned row[KEY_MAX + 1], corner, up;
	size_t i, k, n = strlen(b);

	for (k = 0; k <= n; k++)
		row[k] = (unsigned)k;
	for (i = 0; a[i] != '\0'; i++) {
		corner = row[0];
		row[0] = (unsigned)i + 1;
		for (k = 1; k <= n; k++) {
			up = row[k];
			row[k] = least(row[k] + 1, row[k - 1] + 1,
			    corner + (a[i] != b[k - 1]));
			corner = up;
		}
	}
	return row[n];
}

static enum suspect
stricter(enum suspect a, enum suspect b)
{
	return a > b ? a : b;
}

/* By the known keys that it resembles. */
static enum suspect
suspect_key(const char *key)
{
	enum suspect got = SUSPECT_NONE;
	unsigned errors;
	size_t i;

	for (i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		if (strstr(key, parts[i]) != NULL)
			got = SUSPECT_REMOTE;
	if (strlen(key) > KEY_MAX)
		return got;
	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		errors = strlen(keys[i].name) <= SHORT_KEY ? 1 : ERRORS_MAX;
		if (distance(key, keys[i].name) <= errors)
			got = stricter(got, keys[i].waits);
	}
	return got;
}

enum suspect
suspect_line(const char *line)
{
	char upper[LINE_SHOWN + 1];
	enum suspect got = SUSPECT_NONE;
	size_t i, n;

	for (n = 0; n < LINE_SHOWN && line[n] != '\0'; n++)
		upper[n] = line[n] >= 'a' && line[n] <= 'z' ?
		    (char)(line[n] - 'a' + 'A') : line[n];
	upper[n] = '\0';
	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (strlen(keys[i].name) > SHORT_KEY &&
		    strstr(upper, keys[i].name) != NULL)
			got = stricter(got, keys[i].waits);
	upper[strcspn(upper, " \t=:")] = '\0';
	return stricter(got, suspect_key(upper));
}
