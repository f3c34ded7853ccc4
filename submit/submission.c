/*
 * submission.c - one message on its way into the queue.
 * Runs as: the spool user.  Uses: the queue by spool.c; the user database and
 * the aliases, for recipients.
 * Promise: it is queued exactly when submission_commit() gives 0, and is on
 * stable storage then.  Memory does not grow with its size.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "conf/files.h"
#include "conf/local_names.h"
#include "lib/addr.h"
#include "lib/buf.h"
#include "lib/hash.h"
#include "lib/mail.h"
#include "priv/user.h"
#include "submit/submission.h"

#define LINE_PEEK	2048	/* octets that tell what a line is */
#define BAD_TEXT_MAX	256	/* octets of a bad address in a message */
#define NOTES_MAX	65536	/* octets of the lines about them */
#define ASKED_MAX	100	/* texts that are looked up as logins */

#define FEW	16	/* recipients without a table */

int
submission_fail(struct submission *s, int status, const char *what,
    const char *reason)
{
	if (s->status != 0)
		return -1;
	s->status = status;
	buf_printf(&s->reason, "%s%s%s", what, reason[0] == '\0' ? "" : ": ",
	    reason);
	return -1;
}

static int
fail_result(struct submission *s, struct result *res)
{
	int is_first = s->status == 0, status = EX_TEMPFAIL;

	if (errno == EROFS || errno == EACCES || errno == EPERM)
		status = EX_CANTCREAT;
	if (is_first && (errno == ENOSPC || errno == EDQUOT ||
	    errno == EROFS))
		s->cause = SUBMISSION_NO_SPACE;
	submission_fail(s, status, res->reason == NULL ? "spool" : res->reason,
	    "");
	if (is_first)
		buf_printf(&s->reason, " (%s)", s->sp->path);
	result_fini(res);
	return -1;
}

/* Many callers throw their standard error away. */
void
submission_log_refusal(const struct submission *s)
{
	log_say(s->log, LOG_LEVEL_WARNING, "uid=%u from=<%s> status=refused "
	    "exit=%d reply=\"%s\"", s->caller->uid, s->m.sender, s->status,
	    buf_str(&s->reason));
}

void
submission_init(struct submission *s, const struct caller *caller,
    const struct options *o, const struct conf *conf, const struct spool *sp,
    const struct log *log)
{
	memset(s, 0, sizeof(*s));
	s->caller = caller;
	s->o = o;
	s->conf = conf;
	s->sp = sp;
	s->log = log;
	s->draft.fd = -1;
	message_init(&s->m);
	message_init(&s->bad);
	s->m.arrived = time(NULL);
	s->m.submitter = caller->uid;
	s->m.ret = o->ret;
	if (o->envid != NULL)
		text_copy(s->m.envid, sizeof(s->m.envid), o->envid);
	mail_input_init(&s->text.input, !o->dot_is_text);
	s->text.in_header = s->text.at_start = 1;
	buf_init(&s->text.buf, 0);
	buf_init(&s->notes, NOTES_MAX);
	buf_init(&s->reason, 0);
}

void
submission_fini(struct submission *s)
{
	draft_drop(&s->draft);
	from_map_fini(&s->from_map);
	if (s->has_aliases == ALIASES_READ)
		aliases_fini(&s->aliases);
	message_fini(&s->m);
	message_fini(&s->bad);
	buf_fini(&s->text.buf);
	buf_fini(&s->notes);
	buf_fini(&s->reason);
	free(s->index.slots);
}

int
submission_sender(struct submission *s)
{
	struct log log = *s->log;
	const struct report report = { log_report, &log };
	const char *reason;

	/* A map that cannot be read is reported; mail is still accepted. */
	(void)files_from_map(s->conf->where.from_map, &s->from_map, &report);
	if (sender_find(&s->sender, s->caller, s->o, &s->conf->names,
	    &s->from_map, &reason) == -1)
		return submission_fail(s, EX_DATAERR, "-f", reason);
	text_copy(s->m.sender, sizeof(s->m.sender), s->sender.address);
	return 0;
}

/* ---- recipients ---- */

/* In the first free slot; there is one. */
static void
put_slot(struct submission_index *x, uint32_t i, uint32_t hash)
{
	uint32_t k = hash;

	while (x->slots[k & (x->nslots - 1)].rcpt != 0)
		k++;
	x->slots[k & (x->nslots - 1)].rcpt = i + 1;
	x->slots[k & (x->nslots - 1)].hash = hash;
}

static uint32_t
hash_of(const struct submission *s, const char *address)
{
	return (uint32_t)names_hash(&s->conf->names, &s->index.key, address, 1);
}

/* Most messages have few recipients and need no table, and no key for it. */
static int
make_slots(struct submission *s)
{
	struct submission_index *x = &s->index;
	uint32_t i, n = x->nslots * 2, was = x->nslots;
	struct submission_slot *old = x->slots;

	if (n == 0)
		n = 4 * FEW;
	x->slots = calloc(n, sizeof(*x->slots));
	if (x->slots == NULL) {
		x->slots = old;
		return -1;
	}
	x->nslots = n;
	for (i = 0; i < was; i++)
		if (old[i].rcpt != 0)
			put_slot(x, old[i].rcpt - 1, old[i].hash);
	free(old);
	if (was > 0)
		return 0;
	hash_key_make(&x->key);
	for (i = 0; i < s->m.nrcpts; i++)
		put_slot(x, i, hash_of(s, s->m.rcpts[i].address));
	return 0;
}

/* "bob", "Bob" and "bob@localhost" are one recipient. */
static int
is_one(const struct submission *s, const struct recipient *r,
    const char *address)
{
	return names_same(&s->conf->names, &user_names, r->address, address);
}

/* The spelling that came first is kept. */
static int
is_there(const struct submission *s, const char *address, uint32_t hash)
{
	const struct submission_index *x = &s->index;
	const struct recipient *r = s->m.rcpts;
	const struct submission_slot *slot;
	uint32_t i, k;

	for (i = 0; x->slots == NULL && i < s->m.nrcpts; i++)
		if (is_one(s, &r[i], address))
			return 1;
	for (k = hash; x->slots != NULL; k++) {
		slot = &x->slots[k & (x->nslots - 1)];
		if (slot->rcpt == 0)
			return 0;
		if (slot->hash == hash && is_one(s, &r[slot->rcpt - 1],
		    address))
			return 1;
	}
	return 0;
}

/* With NULLCLIENT a bare name is what the relay will be told, if that fits. */
static const char *
qualify(const struct submission *s, const char *address, char *full,
    size_t size)
{
	const struct conf *conf = s->conf;
	int n;

	if (conf->names.nullclient != NULLCLIENT_ON ||
	    addr_domain(address) != NULL)
		return address;
	n = snprintf(full, size, "%s@%s", address, conf->names.mailname);
	return n < 0 || (size_t)n >= size ? address : full;
}

/* Bad ones count, since each is reported. */
int
submission_has_room(const struct submission *s)
{
	unsigned max = s->conf->limits.max_recipients;

	return max == 0 || s->m.nrcpts + s->bad.nrcpts < max;
}

static int
check_number(struct submission *s)
{
	char what[64];

	if (submission_has_room(s))
		return 0;
	snprintf(what, sizeof(what), "more than %u recipients",
	    s->conf->limits.max_recipients);
	return submission_fail(s, EX_DATAERR, what, "send several messages, "
	    "or change MAX_RECIPIENTS in dma.conf");
}

int
submission_add(struct submission *s, const char *given, struct recipient **r)
{
	char full[ADDRESS_MAX + 1];
	const char *address = qualify(s, given, full, sizeof(full));
	uint32_t hash = 0;

	*r = NULL;
	if (s->m.nrcpts >= FEW && s->m.nrcpts * 2 >= s->index.nslots &&
	    make_slots(s) == -1)
		return submission_fail(s, EX_TEMPFAIL, "out of memory", "");
	if (s->index.slots != NULL)
		hash = hash_of(s, address);
	if (is_there(s, address, hash))
		return 0;
	if (check_number(s) == -1)
		return -1;
	*r = message_add(&s->m, address);
	if (*r == NULL)
		return submission_fail(s, EX_TEMPFAIL, "out of memory", "");
	(*r)->notify = s->o->notify;
	if (s->index.slots != NULL)
		put_slot(&s->index, s->m.nrcpts - 1, hash);
	return 0;
}

int
submission_note_bad(struct submission *s, const char *field, const char *text,
    size_t len)
{
	const struct recipient *r;
	struct buf clean;

	if (check_number(s) == -1)
		return -1;
	buf_init(&clean, 0);
	buf_put_clean(&clean, text, len, BAD_TEXT_MAX);
	r = message_add(&s->bad, buf_str(&clean));
	buf_printf(&s->notes, "dma: %s: not an address: %s\n", field,
	    buf_str(&clean));
	buf_fini(&clean);
	return r == NULL ? submission_fail(s, EX_TEMPFAIL, "out of memory",
	    "") : 0;
}

int
submission_is_user(struct submission *s, const char *name)
{
	struct user user;

	return strchr(name, '@') == NULL && s->nasked++ < ASKED_MAX &&
	    user_lookup(name, &user) == 0;
}

/* Once for a message, which may have many recipients; NULL: unreadable. */
static const struct aliases *
find_aliases(struct submission *s)
{
	unsigned bad;

	if (s->has_aliases == ALIASES_UNREAD)
		s->has_aliases = files_aliases(s->conf->where.aliases,
		    &s->aliases, &report_quiet, &bad) == -1 ?
		    ALIASES_UNREADABLE : ALIASES_READ;
	return s->has_aliases == ALIASES_READ ? &s->aliases : NULL;
}

int
submission_is_unknown(struct submission *s, const char *address)
{
	const struct conf_names *names = &s->conf->names;
	char local[ADDRESS_MAX + 1], name[ADDRESS_MAX + 1];
	const struct aliases *aliases;
	const struct alias *alias;

	if (!names_is_local(names, address, local, sizeof(local)))
		return 0;
	if (names_resolve(names, &user_names, NULL, local, name,
	    &alias) == -1 || user_names.exists(name) != 0)
		return 0;
	aliases = find_aliases(s);
	return aliases != NULL && names_resolve(names, &user_names, aliases,
	    local, name, &alias) == 0 && alias == NULL &&
	    aliases_find(aliases, "*") == NULL;
}

/* ---- the text ---- */

/* Addresses of the header, with -t. */
static void
from_header(void *arg, const char *address)
{
	struct submission *s = arg;
	struct recipient *r;

	if (addr_is_address(address))
		submission_add(s, address, &r);
	else
		submission_note_bad(s, "header", address, strlen(address));
}

static void
bad_header(void *arg, const char *field, const char *text, size_t len)
{
	submission_note_bad(arg, field, text, len);
}

/* What FROM_MAP has for an address in the header. */
static int
find_identity(void *arg, const char *address, struct header_identity *identity)
{
	const struct submission *s = arg;
	const struct from_mapping *m = sender_map(&s->from_map,
	    &s->conf->names, address);

	if (m == NULL)
		return 0;
	identity->address = m->address;
	identity->name = m->name;
	return 1;
}

static int
is_user(void *arg, const char *name)
{
	return submission_is_user(arg, name);
}

static int
fail_size(struct submission *s)
{
	char what[64];

	if (s->status == 0)
		s->cause = SUBMISSION_TOO_LARGE;
	snprintf(what, sizeof(what), "the message is larger than %llu bytes",
	    (unsigned long long)s->conf->limits.max_size_bytes);
	return submission_fail(s, EX_DATAERR, what, "shorten it, or change "
	    "MAX_SIZE in dma.conf");
}

static int
put_text(struct submission *s, const char *p, size_t n)
{
	struct result res;

	mail_count(&s->text.facts, p, n);
	if (s->conf->limits.max_size_bytes != 0 &&
	    (uint64_t)s->draft.length + n > s->conf->limits.max_size_bytes)
		return fail_size(s);
	result_init(&res);
	if (draft_write(&s->draft, p, n, &res) == -1)
		return fail_result(s, &res);
	return 0;
}

static int
has_from(const char *p, size_t len)
{
	const char *end = p + len;

	while (p < end) {
		if (end - p > 5 && text_ncasecmp(p, "from:", 5) == 0)
			return 1;
		p = memchr(p, '\n', (size_t)(end - p));
		if (p == NULL)
			return 0;
		p++;
	}
	return 0;
}

static int
fail_header(struct submission *s)
{
	return submission_fail(s, EX_DATAERR, "the header is too large",
	    "it may have at most 1 MiB");
}

static int
end_header(struct submission *s, size_t len)
{
	struct header_env env;
	struct buf out;
	int ret;

	if (len > HEADER_MAX)
		return fail_header(s);
	if (!has_from(buf_str(&s->text.buf), len))
		sender_find_login(&s->sender, s->caller, s->o);
	memset(&env, 0, sizeof(env));
	env.mailname = s->conf->names.mailname;
	env.sender = s->m.sender;
	env.fullname = s->sender.fullname[0] == '\0' ? NULL :
	    s->sender.fullname;
	env.queue_id = s->draft.id;
	env.protocol = s->protocol;
	env.version = DMA_VERSION;
	env.now = s->m.arrived;
	env.take_recipients = s->o->take_recipients;
	env.recipient = from_header;
	env.bad = bad_header;
	env.is_user = is_user;
	env.identity = s->from_map.n > 0 ? find_identity : NULL;
	env.from = (enum header_from)s->conf->names.from;
	env.arg = s;
	buf_init(&out, 2 * HEADER_MAX);
	ret = header_repair(buf_str(&s->text.buf), len, &env, &out,
	    &s->m.text.hops);
	if (ret == -1)
		submission_fail(s, EX_DATAERR, "the header is too large",
		    "with what is added to it, more than 2 MiB");
	s->text.facts.in_header = 1;
	if (ret == 0)
		ret = put_text(s, buf_str(&out), out.len);
	s->text.facts.in_header = 0;
	buf_fini(&out);
	buf_drop(&s->text.buf, len);
	s->text.in_header = 0;
	return s->status == 0 ? ret : -1;
}

/*
 * Looks at the lines of the header that are complete (at the end: at all of
 * them) and ends it where they end.
 */
static int
scan_header(struct submission *s, int at_end)
{
	const char *p, *nl;
	enum header_line kind;
	size_t left;
	int is_from;	/* a line of a mailbox, which is dropped */

	while (s->text.seen < s->text.buf.len) {
		p = s->text.buf.data + s->text.seen;
		left = s->text.buf.len - s->text.seen;
		nl = memchr(p, '\n', left);
		if (nl == NULL && !at_end && left < LINE_PEEK)
			break;
		kind = header_line_kind(p, left < LINE_PEEK ? left : LINE_PEEK);
		is_from = kind == HEADER_LINE_FROM_ && s->text.at_start;
		if (is_from && nl != NULL) {
			buf_drop(&s->text.buf, (size_t)(nl - p) + 1);
			continue;
		}
		if (kind == HEADER_LINE_BLANK) {
			if (end_header(s, s->text.seen) == -1)
				return -1;
			buf_drop(&s->text.buf, 1);
			return 0;
		}
		if ((kind != HEADER_LINE_FIELD && kind != HEADER_LINE_FOLDED &&
		    !is_from) ||
		    (kind == HEADER_LINE_FOLDED && s->text.seen == 0))
			return end_header(s, s->text.seen);
		if (nl == NULL && !at_end)
			break;
		s->text.at_start = 0;
		s->text.seen = nl == NULL ? s->text.buf.len :
		    s->text.seen + (size_t)(nl - p) + 1;
	}
	if (s->text.buf.len > HEADER_MAX)
		return fail_header(s);
	return at_end ? end_header(s, s->text.buf.len) : 0;
}

int
submission_begin(struct submission *s)
{
	struct result res;

	result_init(&res);
	return draft_begin(s->sp, &s->draft, NULL, &res) == -1 ?
	    fail_result(s, &res) : 0;
}

/* What is in s->text.buf. */
static int
use_text(struct submission *s, int at_end)
{
	int ret;

	if (buf_failed(&s->text.buf))
		return submission_fail(s, EX_TEMPFAIL, "out of memory", "");
	if (s->text.in_header && scan_header(s, at_end) == -1)
		return -1;
	if (s->text.in_header)
		return 0;
	ret = put_text(s, buf_str(&s->text.buf), s->text.buf.len);
	buf_reset(&s->text.buf);
	return ret;
}

int
submission_text(struct submission *s, const char *bytes, size_t n)
{
	if (!s->text.in_header && s->text.buf.len == 0 &&
	    mail_input_is_text(&s->text.input, bytes, n))
		return put_text(s, bytes, n);
	mail_input(&s->text.input, bytes, n, &s->text.buf);
	return use_text(s, s->text.input.is_over);
}

int
submission_text_end(struct submission *s)
{
	mail_input_end(&s->text.input, &s->text.buf);
	return use_text(s, 1);
}

/* ---- the commit ---- */

/* As failed recipients, so that the sender receives a report of them. */
static int
add_bad(struct submission *s)
{
	struct recipient *r;
	uint32_t i;

	for (i = 0; i < s->bad.nrcpts; i++) {
		r = message_add(&s->m, s->bad.rcpts[i].address);
		if (r == NULL)
			return submission_fail(s, EX_TEMPFAIL,
			    "out of memory", "");
		r->notify = s->o->notify;
		r->state = RCPT_FAILED;
		if (recipient_wants(r, NOTIFY_FAILURE))
			r->action = ACTION_FAILED;
		result_set(&r->last, STATUS_FAILED, "5.1.3",
		    "not an address");
	}
	return 0;
}

static void
log_bad(const struct submission *s)
{
	uint32_t i;

	for (i = 0; i < s->bad.nrcpts; i++)
		log_say(s->log, LOG_LEVEL_WARNING, "id=%s from=<%s> to=<%s> "
		    "dsn=5.1.3 status=failed reply=\"not an address\"",
		    s->draft.id, s->m.sender, s->bad.rcpts[i].address);
}

/* One line, since nobody would know otherwise why it does not count. */
static void
log_ignored(const struct submission *s)
{
	if (s->sender.ignored[0] != '\0')
		log_say(s->log, LOG_LEVEL_INFO, "id=%s uid=%u ignored=\"%s\" "
		    "reply=\"variables of the environment that cannot be "
		    "used\"", s->draft.id, s->caller->uid, s->sender.ignored);
}

/* A call that waits for the delivery remains the caller's to end. */
static int
waits(const struct submission *s)
{
	return s->o->is_foreground && !s->o->is_queue_only;
}

/*
 * Up to here a signal of the terminal or of the caller ends this process, and
 * nothing is queued; after it none does, so that the status that the caller
 * sees is the truth.
 */
int
submission_commit(struct submission *s)
{
	struct result res;

	log_ignored(s);
	if (add_bad(s) == -1)
		return -1;
	result_init(&res);
	s->m.text.lines = s->text.facts.lines;
	s->m.text.flags |= s->text.facts.flags;
	if (s->o->is_8bit)
		s->m.text.flags |= MESSAGE_SAID_8BIT;
	if (draft_seal(&s->draft, &s->m, &res) == -1)
		return fail_result(s, &res);
	if (waits(s) && flush_init(s->flush, s->draft.sp, s->caller,
	    s->o) == -1)
		return submission_fail(s, EX_TEMPFAIL,
		    "cannot watch the delivery", strerror(errno));
	if (waits(s))
		flush_announce(s->flush, s->draft.id);
	caller_block_signals();
	if (caller_is_gone(s->caller))
		return submission_fail(s, EX_TEMPFAIL, "the caller has ended",
		    "");
	if (!waits(s) && user_leave_caller() == -1)
		return submission_fail(s, EX_OSERR, "cannot drop privileges",
		    strerror(errno));
	if (draft_publish(&s->draft, &res) == -1)
		return fail_result(s, &res);
	log_bad(s);
	return 0;
}

int
submission_awaits_flush(struct submission *s)
{
	if (!s->conf->retry.is_defer || s->bad.nrcpts > 0 ||
	    names_any_local(&s->conf->names, &s->m))
		return 0;
	text_copy(s->m.id, sizeof(s->m.id), s->draft.id);
	s->m.text.length = s->draft.length;
	message_log_queued(&s->m, s->log);
	return !s->o->is_foreground;
}
