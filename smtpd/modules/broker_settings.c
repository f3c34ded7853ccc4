/*
 * broker_settings.c - the settings of the amqp module and its consumer.
 * Runs as: who reads the configuration.
 * Uses: the login file.
 * Promise: a value is taken whole or refused; a file that others can read gives
 * no password.
 */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/io.h"
#include "smtpd/modules/broker_settings.h"

#define PORT_PLAIN	5672
#define PORT_TLS	5671
#define LOGIN_MAX	1024	/* bytes of the login file */

enum key_kind { KEY_TEXT, KEY_PATH, KEY_NUMBER, KEY_BROKER };

struct broker_key {
	const char	*name;
	enum key_kind	 kind;
	size_t		 offset;	/* of the member */
	unsigned	 least, most;	/* of a number */
	const char	*bounds;	/* the same, in words */
};

#define AT(member)	offsetof(struct broker_settings, member)
#define NUMBER(member, least, most)	KEY_NUMBER, AT(member), least, most, \
	"must be a number from " #least " to " #most

static const struct broker_key keys[] = {
	{ "BROKER", KEY_BROKER, 0, 0, 0, NULL },
	{ "CA", KEY_PATH, AT(ca_file), 0, 0, NULL },
	{ "CONNECT_TIMEOUT", NUMBER(connect_timeout_s, 1, 300) },
	{ "EXCHANGE", KEY_TEXT, AT(exchange), 0, 0, NULL },
	{ "HEARTBEAT", NUMBER(heartbeat_s, 1, 3600) },
	{ "IN_FLIGHT", NUMBER(in_flight, 1, 65535) },
	{ "LOGIN", KEY_PATH, AT(login_file), 0, 0, NULL },
	{ "TEMPORARY", KEY_PATH, AT(directory), 0, 0, NULL },
	{ "TIMEOUT", NUMBER(timeout_s, 1, 3600) },
	{ "VHOST", KEY_TEXT, AT(vhost), 0, 0, NULL },
};

void
broker_settings_init(struct broker_settings *s)
{
	memset(s, 0, sizeof(*s));
	(void)text_copy(s->vhost, sizeof(s->vhost), "/");
	(void)text_copy(s->exchange, sizeof(s->exchange), "dma");
	(void)text_copy(s->user, sizeof(s->user), "guest");
	(void)text_copy(s->password, sizeof(s->password), "guest");
	s->heartbeat_s = 10;
	s->connect_timeout_s = 3;
	s->timeout_s = 10;
	s->in_flight = 1000;
}

void
broker_settings_fini(struct broker_settings *s)
{
	free(s->ca_file);
	free(s->login_file);
	free(s->directory);
	explicit_bzero(s, sizeof(*s));
}

/* A decimal number of these bounds: 0 or -1. */
static int
parse_number(const char *text, unsigned least, unsigned most, unsigned *out)
{
	unsigned long n;
	char *end;

	if (*text < '0' || *text > '9')
		return -1;
	errno = 0;
	n = strtoul(text, &end, 10);
	if (errno != 0 || *end != '\0' || n < least || n > most)
		return -1;
	*out = (unsigned)n;
	return 0;
}

/* "host", "host:port", "[2001:db8::1]:port". */
static int
parse_broker(const char *text, struct broker_address *a)
{
	const char *host = text, *end, *port = NULL;

	if (*text == '[') {
		host = text + 1;
		end = strchr(host, ']');
		if (end == NULL || (end[1] != '\0' && end[1] != ':'))
			return -1;
		port = end[1] == ':' ? end + 2 : NULL;
	} else {
		end = strchr(host, ':');
		if (end == NULL)
			end = host + strlen(host);
		else
			port = end + 1;
	}
	if (end == host || (size_t)(end - host) >= sizeof(a->host))
		return -1;
	memcpy(a->host, host, (size_t)(end - host));
	a->host[end - host] = '\0';
	a->port = 0;
	return port == NULL ? 0 : parse_number(port, 1, 65535, &a->port);
}

static int
set_broker(struct broker_settings *s, const char *value, const char **reason)
{
	if (s->nbrokers == BROKER_MAX) {
		*reason = "is given too often: at most 16 brokers are possible";
		return -1;
	}
	if (parse_broker(value, &s->brokers[s->nbrokers]) == -1) {
		*reason = "must be host, host:port or [address]:port";
		return -1;
	}
	s->nbrokers++;
	return 0;
}

static int
set_path(char **member, const char *value, const char **reason)
{
	if (*value != '/') {
		*reason = "must be an absolute path";
		return -1;
	}
	free(*member);
	*member = strdup(value);
	if (*member == NULL)
		*reason = "out of memory";
	return *member == NULL ? -1 : 0;
}

int
broker_settings_set(struct broker_settings *s, const char *key,
    const char *value, const char **reason)
{
	const struct broker_key *k;
	void *member;
	size_t i;

	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (strcmp(keys[i].name, key) == 0)
			break;
	*reason = "unknown key";
	if (i == sizeof(keys) / sizeof(keys[0]))
		return -1;
	k = &keys[i];
	member = (char *)s + k->offset;
	switch (k->kind) {
	case KEY_BROKER:
		return set_broker(s, value, reason);
	case KEY_PATH:
		return set_path(member, value, reason);
	case KEY_NUMBER:
		*reason = k->bounds;
		return parse_number(value, k->least, k->most, member);
	case KEY_TEXT:
		break;
	}
	*reason = "too long";
	return text_copy(member, BROKER_NAME_MAX + 1, value);
}

void
broker_settings_complete(struct broker_settings *s)
{
	size_t i;

	if (s->nbrokers == 0)
		(void)text_copy(s->brokers[s->nbrokers++].host,
		    sizeof(s->brokers[0].host), "127.0.0.1");
	for (i = 0; i < s->nbrokers; i++)
		if (s->brokers[i].port == 0)
			s->brokers[i].port = s->ca_file != NULL ? PORT_TLS :
			    PORT_PLAIN;
}

/* ---- the login file ---- */

/* One line, which is cut from *text. */
static int
take_line(char **text, char *out, size_t size)
{
	char *line = *text, *end;

	end = strchr(line, '\n');
	if (end == NULL)
		end = line + strlen(line);
	*text = *end == '\0' ? end : end + 1;
	*end = '\0';
	return *line == '\0' ? -1 : text_copy(out, size, line);
}

static int
parse_login(struct broker_settings *s, char *text, size_t len)
{
	if (strlen(text) != len)
		return -1;
	if (take_line(&text, s->user, sizeof(s->user)) == -1 ||
	    take_line(&text, s->password, sizeof(s->password)) == -1)
		return -1;
	return *text == '\0' ? 0 : -1;
}

int
broker_settings_login(struct broker_settings *s, const char **reason)
{
	struct stat st;
	struct buf b;
	int fd, ret = -1;

	if (s->login_file == NULL)
		return 0;
	fd = open(s->login_file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd == -1 || fstat(fd, &st) == -1) {
		*reason = strerror(errno);
		io_close(&fd);
		return -1;
	}
	buf_init(&b, LOGIN_MAX);
	if (!S_ISREG(st.st_mode) || (st.st_mode & 027) != 0)
		*reason = "must be a file that others cannot read, "
		    "of mode 0600 or 0640";
	else if (io_read_file(fd, &b, LOGIN_MAX) == -1)
		*reason = strerror(errno);
	else if (b.len == 0 || parse_login(s, b.data, b.len) == -1)
		*reason = "must have two lines: user, password";
	else
		ret = 0;
	buf_wipe(&b);
	io_close(&fd);
	return ret;
}
