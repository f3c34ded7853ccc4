/*
 * example.c - a module to copy; smtpd-module(3) describes the interface.
 * Runs as: root or the user of dma-smtpd, for configure(); a child, for the
 * rest.
 * Uses: smtpd_module.h, and nothing else of dma-smtpd; it compiles alone:
 *
 *	cc -shared -fPIC -o example.so example.c
 *
 * Promise: with no lines in the configuration it does nothing.  These are its
 * lines, each of which is one of the things that a module can do:
 *
 *	MODULE example
 *	MODULE minute
 *	example DELAY 2000
 *	example ALIAS info@example.net ann@example.net
 *	example REFUSE X-Advertisement
 *
 * The banner is sent after two seconds, mail for info@example.net goes to
 * ann@example.net, and messages with a field X-Advertisement are refused.  The
 * file is valid C++20, too: there a pointer to void has to be cast, and members
 * are initialized in their order.
 */
#include <smtpd_module.h>

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define DELAY_MAX_MS	60000
#define FIELD_MAX	128	/* bytes of a name */
#define ADDRESS_MAX	512

/* What was configured: the same in all children, and never changed. */
struct example {
	long	delay_ms;			/* before the banner */
	char	from[ADDRESS_MAX], to[ADDRESS_MAX];
	char	field[FIELD_MAX];		/* that is refused */
};

/* What belongs to one connection; smtpd_data() keeps the pointer. */
struct visit {
	struct smtpd_session *session;
	struct smtpd_timer *timer;		/* NULL: not set */
	unsigned nrewritten;			/* recipients */
};

/* 1. Configuration: each function returns NULL, or what is wrong. */

static const char *
copy(char *out, size_t size, const char *text, size_t len)
{
	if (len == 0 || len >= size)
		return "is empty or too long";
	memcpy(out, text, len);
	out[len] = '\0';
	return NULL;
}

static const char *
set_delay(struct example *example, const char *value)
{
	char *end;

	example->delay_ms = strtol(value, &end, 10);
	if (end == value || *end != '\0' || example->delay_ms < 0 ||
	    example->delay_ms > DELAY_MAX_MS)
		return "takes milliseconds, at most 60000";
	return NULL;
}

static const char *
set_alias(struct example *example, const char *value)
{
	size_t len = strcspn(value, " \t");
	const char *to = value + len + strspn(value + len, " \t");

	if (copy(example->from, sizeof(example->from), value, len) != NULL ||
	    copy(example->to, sizeof(example->to), to, strlen(to)) != NULL)
		return "takes two addresses";
	return NULL;
}

static const char *
set_line(struct example *example, const struct smtpd_setting *line)
{
	if (strcmp(line->key, "DELAY") == 0)
		return set_delay(example, line->value);
	if (strcmp(line->key, "ALIAS") == 0)
		return set_alias(example, line->value);
	if (strcmp(line->key, "REFUSE") == 0)
		return copy(example->field, sizeof(example->field),
		    line->value, strlen(line->value));
	return "is an unknown key";
}

/* Reports all errors, not the first alone, so that one try shows them. */
static int
configure(struct smtpd_host *host, const struct smtpd_setting *lines, size_t n,
    void **self)
{
	struct example *example;
	const char *problem;
	int result = 0;
	size_t i;

	example = (struct example *)calloc(1, sizeof(*example));
	if (example == NULL)
		return smtpd_error(host, NULL, "out of memory");
	for (i = 0; i < n; i++) {
		problem = set_line(example, &lines[i]);
		if (problem != NULL)
			result = smtpd_error(host, &lines[i], "%s %s",
			    lines[i].key, problem);
	}
	/* fini() is called for what is in *self, after an error as well. */
	*self = example;
	return result;
}

static void
fini(void *self, struct smtpd_host *host)
{
	(void)host;
	free(self);
}

/* 2. A connection: a verdict that comes later. */

static void
delay_is_over(void *arg)
{
	struct visit *visit = (struct visit *)arg;

	/* The timer is freed after this call. */
	visit->timer = NULL;
	smtpd_finish(visit->session, SMTPD_PASS);
}

static enum smtpd_verdict
greet(void *self, struct smtpd_session *session)
{
	const struct example *example = (const struct example *)self;
	struct visit *visit;

	visit = (struct visit *)calloc(1, sizeof(*visit));
	if (visit == NULL)
		return SMTPD_TEMPORARY;
	visit->session = session;
	*smtpd_data(session, &smtpd_module) = visit;
	if (example->delay_ms == 0)
		return SMTPD_PASS;
	/* Other sessions of this process go on meanwhile: never sleep. */
	visit->timer = smtpd_timer(smtpd_host(session), example->delay_ms,
	    delay_is_over, visit);
	return visit->timer == NULL ? SMTPD_PASS : SMTPD_PENDING;
}

/* The session is gone after this; so must be all that points to it. */
static void
leave(void *self, struct smtpd_session *session)
{
	void **data = smtpd_data(session, &smtpd_module);
	struct visit *visit = (struct visit *)*data;

	(void)self;
	if (visit == NULL)
		return;
	if (visit->timer != NULL)
		smtpd_timer_cancel(visit->timer);
	free(visit);
	*data = NULL;
}

/* 3. A transaction. */

/* Changes the envelope: the recipient at hand is the last one. */
static enum smtpd_verdict
rewrite(void *self, struct smtpd_session *session, const char *path)
{
	const struct example *example = (const struct example *)self;
	struct visit *visit;

	if (example->from[0] == '\0' || strcasecmp(path, example->from) != 0)
		return SMTPD_PASS;
	/* path is gone once this has succeeded. */
	if (smtpd_set_recipient(session, smtpd_recipients(session) - 1,
	    example->to) == -1) {
		smtpd_set_text(session, "451 4.3.0 alias cannot be used");
		return SMTPD_TEMPORARY;
	}
	visit = (struct visit *)*smtpd_data(session, &smtpd_module);
	if (visit != NULL)
		visit->nrewritten++;
	return SMTPD_PASS;
}

/* Looks at the header: "Name: text", with its continuation lines. */
static enum smtpd_verdict
refuse(void *self, struct smtpd_session *session, const char *field, size_t len)
{
	const struct example *example = (const struct example *)self;
	size_t n = strlen(example->field);

	if (n == 0 || len <= n || field[n] != ':' ||
	    strncasecmp(field, example->field, n) != 0)
		return SMTPD_PASS;
	smtpd_set_text(session, "550 5.7.1 messages with a field %s are not "
	    "accepted here", example->field);
	return SMTPD_PERMANENT;
}

/* Counts for the status socket, once for each transaction. */
static void
end_transaction(void *self, struct smtpd_session *session)
{
	struct visit *visit;

	(void)self;
	visit = (struct visit *)*smtpd_data(session, &smtpd_module);
	if (visit == NULL || visit->nrewritten == 0)
		return;
	smtpd_count(smtpd_host(session), "example_rewritten",
	    visit->nrewritten);
	visit->nrewritten = 0;
}

/* 4. The one name that dma-smtpd looks for; hooks that are absent pass. */
const struct smtpd_module smtpd_module = {
	.abi = SMTPD_MODULE_ABI,
	.size = sizeof(struct smtpd_module),
	.name = "example",
	.configure = configure,
	.connect = greet,
	.rcpt = rewrite,
	.header = refuse,
	.reset = end_transaction,
	.disconnect = leave,
	.fini = fini
};
