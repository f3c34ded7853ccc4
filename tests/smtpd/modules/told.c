/*
 * told.c - a module that does what its lines say:
 *	told on STAGE VERDICT [TEXT]
 *	told later STAGE VERDICT MILLISECONDS
 *	told crash STAGE
 *	told fail configure|init|child_init
 *	told trace
 * Built outside of the tree, against the installed header alone.
 */
#include <smtpd_module.h>

#include <stdlib.h>
#include <string.h>

static const char *const stages[] = { "connect", "helo", "mail", "rcpt", "data",
	"header", "body", "end_of_data", "deliver", NULL };
static const char *const verdicts[] = { "pass", "accept", "temporary",
	"permanent", "drop", "delivered", "pending", NULL };

#define STAGES	9

struct rule {
	int is_set, does_crash;
	enum smtpd_verdict verdict;
	long later_ms;
	char text[200];
};

struct told {
	struct rule rules[STAGES];
	int does_trace, fails_init, fails_child_init;
};

struct wait {
	struct smtpd_session *session;
	enum smtpd_verdict verdict;
};

static int
number(const char *const *names, const char *word, size_t len)
{
	for (int i = 0; names[i] != NULL; i++)
		if (strlen(names[i]) == len &&
		    strncmp(names[i], word, len) == 0)
			return i;
	return -1;
}

/* Cuts the first word off. */
static size_t
word(const char **text, const char **out)
{
	size_t n = strcspn(*text, " ");

	*out = *text;
	*text += n + strspn(*text + n, " ");
	return n;
}

static int
set_rule(struct told *t, const struct smtpd_setting *s)
{
	const char *rest = s->value, *at;
	size_t n = word(&rest, &at);
	int stage = number(stages, at, n), verdict;
	struct rule *r;

	if (stage == -1)
		return -1;
	r = &t->rules[stage];
	r->is_set = 1;
	if (strcmp(s->key, "crash") == 0) {
		r->does_crash = 1;
		return 0;
	}
	n = word(&rest, &at);
	verdict = number(verdicts, at, n);
	if (verdict == -1)
		return -1;
	r->verdict = (enum smtpd_verdict)verdict;
	if (strcmp(s->key, "later") == 0)
		r->later_ms = strtol(rest, NULL, 10);
	else
		strncpy(r->text, rest, sizeof(r->text) - 1);
	return 0;
}

static int
configure(struct smtpd_host *h, const struct smtpd_setting *settings, size_t n,
    void **self)
{
	struct told *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return smtpd_error(h, NULL, "no memory");
	*self = t;
	for (size_t i = 0; i < n; i++) {
		const struct smtpd_setting *s = &settings[i];

		if (strcmp(s->key, "trace") == 0)
			t->does_trace = 1;
		else if (strcmp(s->key, "fail") == 0 &&
		    strcmp(s->value, "configure") == 0)
			return smtpd_error(h, s, "fails as told");
		else if (strcmp(s->key, "fail") == 0 &&
		    strcmp(s->value, "init") == 0)
			t->fails_init = 1;
		else if (strcmp(s->key, "fail") == 0)
			t->fails_child_init = 1;
		else if (set_rule(t, s) == -1)
			return smtpd_error(h, s, "cannot be understood");
	}
	return 0;
}

static int
init(void *self, struct smtpd_host *h)
{
	struct told *t = self;

	if (t->does_trace)
		smtpd_warn(h, "trace init durable=%s size=%s unknown=%s",
		    smtpd_conf(h, "DURABLE"), smtpd_conf(h, "MAX_SIZE"),
		    smtpd_conf(h, "NOTHING") == NULL ? "none" : "some");
	return t->fails_init ? smtpd_error(h, NULL, "init fails as told") : 0;
}

static int
child_init(void *self, struct smtpd_host *h)
{
	struct told *t = self;

	if (t->does_trace)
		smtpd_warn(h, "trace child_init");
	return t->fails_child_init ?
	    smtpd_error(h, NULL, "child_init fails as told") : 0;
}

static void
is_later(void *arg)
{
	struct wait *w = arg;
	struct smtpd_session *s = w->session;
	enum smtpd_verdict verdict = w->verdict;

	free(w);
	smtpd_finish(s, verdict);
}

static enum smtpd_verdict
act(void *self, struct smtpd_session *s, int stage, const char *what)
{
	struct told *t = self;
	struct rule *r = &t->rules[stage];
	struct wait *w;

	if (t->does_trace)
		smtpd_warn(smtpd_host(s), "trace %s %s", stages[stage], what);
	if (!r->is_set)
		return SMTPD_PASS;
	if (r->does_crash)
		abort();
	smtpd_count(smtpd_host(s), "told", 1);
	if (r->text[0] != '\0')
		smtpd_set_text(s, "%s", r->text);
	if (r->later_ms == 0)
		return r->verdict;
	w = malloc(sizeof(*w));
	if (w == NULL)
		return SMTPD_TEMPORARY;
	w->session = s;
	w->verdict = r->verdict;
	if (smtpd_timer(smtpd_host(s), r->later_ms, is_later, w) == NULL) {
		free(w);
		return SMTPD_TEMPORARY;
	}
	return SMTPD_PENDING;
}

static enum smtpd_verdict
on_connect(void *self, struct smtpd_session *s)
{
	return act(self, s, 0, smtpd_client(s));
}

static enum smtpd_verdict
on_helo(void *self, struct smtpd_session *s, const char *name)
{
	return act(self, s, 1, name);
}

static enum smtpd_verdict
on_mail(void *self, struct smtpd_session *s, const char *path)
{
	return act(self, s, 2, path);
}

static enum smtpd_verdict
on_rcpt(void *self, struct smtpd_session *s, const char *path)
{
	return act(self, s, 3, path);
}

static enum smtpd_verdict
on_data(void *self, struct smtpd_session *s)
{
	return act(self, s, 4, "");
}

static enum smtpd_verdict
on_header(void *self, struct smtpd_session *s, const char *field, size_t len)
{
	char text[100];
	size_t n = len < sizeof(text) - 1 ? len : sizeof(text) - 1;

	memcpy(text, field, n);
	text[n] = '\0';
	for (size_t i = 0; i < n; i++)
		if (text[i] == '\r' || text[i] == '\n')
			text[i] = '|';
	return act(self, s, 5, text);
}

static enum smtpd_verdict
on_body(void *self, struct smtpd_session *s, const char *bytes, size_t len)
{
	(void)bytes;
	(void)len;
	return act(self, s, 6, "");
}

static enum smtpd_verdict
on_end_of_data(void *self, struct smtpd_session *s)
{
	if (((struct told *)self)->does_trace)
		smtpd_warn(smtpd_host(s), "seen port=%u size=%u tls=%s",
		    smtpd_client_port(s), (unsigned)smtpd_size(s),
		    smtpd_tls(s));
	return act(self, s, 7, smtpd_id(s));
}

static enum smtpd_verdict
on_deliver(void *self, struct smtpd_session *s)
{
	return act(self, s, 8, smtpd_recipients(s) > 0 ?
	    smtpd_recipient_domain(s, 0) : "");
}

static void
on_reset(void *self, struct smtpd_session *s)
{
	if (((struct told *)self)->does_trace)
		smtpd_warn(smtpd_host(s), "trace reset");
}

static void
on_disconnect(void *self, struct smtpd_session *s)
{
	if (((struct told *)self)->does_trace)
		smtpd_warn(smtpd_host(s), "trace disconnect");
}

static void
child_exit(void *self, struct smtpd_host *h)
{
	if (((struct told *)self)->does_trace)
		smtpd_warn(h, "trace child_exit");
}

static void
fini(void *self, struct smtpd_host *h)
{
	(void)h;
	free(self);
}

const struct smtpd_module smtpd_module = {
	.abi = SMTPD_MODULE_ABI,
	.size = sizeof(struct smtpd_module),
	.name = "told",
	.configure = configure,
	.init = init,
	.child_init = child_init,
	.connect = on_connect,
	.helo = on_helo,
	.mail = on_mail,
	.rcpt = on_rcpt,
	.data = on_data,
	.header = on_header,
	.body = on_body,
	.end_of_data = on_end_of_data,
	.deliver = on_deliver,
	.reset = on_reset,
	.disconnect = on_disconnect,
	.child_exit = child_exit,
	.fini = fini
};
