/*
 * route.c - one recipient -> where it goes.
 * Runs as: the spool user.  Uses: nothing.
 * Promise: expansion ends: by depth, by number, and because recipients that
 * the message has are not added again.
 */
#include <stdlib.h>
#include <string.h>

#include "conf/local_names.h"
#include "lib/addr.h"
#include "lib/buf.h"
#include "queue/route.h"

#define EXPANDED_MAX	250000	/* recipients of one message */

void
route_put_orcpt(struct buf *b, const struct conf_names *names,
    const struct message *m, uint32_t i)
{
	const struct recipient *r = message_named(m, i);

	if (r->orcpt != NULL) {
		buf_puts(b, r->orcpt);
		return;
	}
	buf_puts(b, "rfc822;");
	names_put_qualified(b, names, r->address);
}

int
route_usable(const struct conf *conf, const struct alias *alias,
    struct result *res)
{
	if (!alias->is_bad)
		return 0;
	result_set(res, STATUS_DEFERRED, "4.3.5",
	    "the alias %s has a syntax error", alias->name);
	return result_detail(res, "%s:%u: run newaliases to see the error",
	    conf->where.aliases, alias->line);
}

static enum route_step
no_users(struct result *res)
{
	result_set(res, STATUS_DEFERRED, "4.3.0",
	    "users cannot be looked up now");
	return STEP_DECIDED;
}

static enum route_step
no_aliases(const struct conf *conf, struct result *res)
{
	result_set(res, STATUS_DEFERRED, "4.3.5",
	    "the aliases cannot be read now");
	result_detail(res, "%s: not readable", conf->where.aliases);
	return STEP_DECIDED;
}

void
route_chain(const struct message *m, uint32_t i, struct buf *out)
{
	uint32_t steps[DEPTH_MAX + 1];
	unsigned n = 0;

	for (; m->rcpts[i].parent != i && n <= DEPTH_MAX; n++) {
		steps[n] = i;
		i = m->rcpts[i].parent;
	}
	buf_puts(out, m->rcpts[i].address);
	while (n > 0)
		buf_printf(out, " / %s", m->rcpts[steps[--n]].address);
}

int
route_lost(const struct message *m, uint32_t i, const char *what,
    struct result *res)
{
	struct buf chain;

	buf_init(&chain, 0);
	route_chain(m, i, &chain);
	/* Where somebody's mail goes is theirs to tell. */
	result_set(res, STATUS_FAILED, "5.4.6", "%s", what);
	result_detail(res, "%s", buf_str(&chain));
	buf_fini(&chain);
	return -1;
}

/*
 * Has this name been expanded by this kind of list on the way here?  The
 * second time it stands for the user, so that "root: root, me@example.org"
 * keeps the copy and a loop of aliases ends.
 */
static int
was_expanded(const struct route_env *env, const struct message *m,
    uint32_t i, const char *local, enum origin by)
{
	const struct conf_names *names = &env->conf->names;
	char other[ADDRESS_MAX + 1];
	uint32_t p;
	unsigned n;

	for (n = 0; m->rcpts[i].parent != i && n <= DEPTH_MAX; n++) {
		p = m->rcpts[i].parent;
		if (m->rcpts[i].origin == by &&
		    names_is_own(names, m->rcpts[p].address, other,
		    sizeof(other)) && (by == ORIGIN_ALIASES ?
		    text_casecmp(local, other) == 0 :
		    env->users->is_same(local, other)))
			return 1;
		i = p;
	}
	return 0;
}

/* With NULLCLIENT aliases the relay gets addresses without an alias. */
static enum route_step
next_of_nullclient(const struct route_env *env, const struct message *m,
    uint32_t i, const struct alias **alias, struct result *res)
{
	char local[ADDRESS_MAX + 1], user[ADDRESS_MAX + 1];

	if (env->conf->names.nullclient != NULLCLIENT_ALIASES ||
	    m->rcpts[i].is_final ||
	    !names_is_own(&env->conf->names, m->rcpts[i].address, local,
	    sizeof(local)) ||
	    was_expanded(env, m, i, local, ORIGIN_ALIASES))
		return STEP_REMOTE;
	if (env->aliases == NULL)
		return no_aliases(env->conf, res);
	if (names_resolve(&env->conf->names, env->users, env->aliases, local,
	    user, alias) == -1)
		return no_users(res);
	if (*alias == NULL)
		return STEP_REMOTE;
	return route_usable(env->conf, *alias, res) == 0 ? STEP_ALIAS :
	    STEP_DECIDED;
}

enum route_step
route_next(const struct route_env *env, const struct message *m, uint32_t i,
    char *user, const struct alias **alias, struct result *res)
{
	const struct recipient *r = &m->rcpts[i];
	const struct conf_names *names = &env->conf->names;
	char local[ADDRESS_MAX + 1];
	enum route_step step = STEP_ALIAS;

	*alias = NULL;
	user[0] = '\0';
	if (env->conf->names.nullclient != NULLCLIENT_OFF) {
		step = next_of_nullclient(env, m, i, alias, res);
		if (step != STEP_REMOTE)
			return step;
	}
	if (!names_is_local(&env->conf->names, r->address, local,
	    sizeof(local))) {
		if (!env->conf->limits.is_noremote)
			return STEP_REMOTE;
		result_set(res, STATUS_FAILED, "5.4.4",
		    "this host sends no mail to other hosts (NOREMOTE)");
		return STEP_DECIDED;
	}
	if (r->is_final || was_expanded(env, m, i, local, ORIGIN_FORWARD))
		step = STEP_MAILBOX;
	else if (was_expanded(env, m, i, local, ORIGIN_ALIASES))
		step = STEP_USER;
	else if (env->aliases == NULL)
		return no_aliases(env->conf, res);
	if (names_resolve(names, env->users, step == STEP_ALIAS ?
	    env->aliases : NULL, local, user, alias) == -1)
		return no_users(res);
	if (step != STEP_ALIAS)
		return step;
	if (*alias == NULL)
		return STEP_USER;
	return route_usable(env->conf, *alias, res) == 0 ? STEP_ALIAS :
	    STEP_DECIDED;
}

static int
same_target(const struct conf_names *names, const struct recipient *r,
    enum route_kind kind, const char *address, const char *owner)
{
	if (kind == ROUTE_PIPE || kind == ROUTE_FILE)
		return r->kind == kind && r->owner != NULL &&
		    strcmp(r->owner, owner) == 0 &&
		    strcmp(r->address, address) == 0;
	return r->kind != ROUTE_PIPE && r->kind != ROUTE_FILE &&
	    names_same(names, NULL, r->address, address);
}

static int
is_ancestor(const struct message *m, uint32_t of, uint32_t who)
{
	unsigned n;

	for (n = 0; n <= DEPTH_MAX; n++) {
		if (of == who)
			return 1;
		if (m->rcpts[of].parent == of)
			return 0;
		of = m->rcpts[of].parent;
	}
	return 0;
}

/* 1 when its expansion gave nothing: each target was another recipient. */
static int
is_hollow(const struct message *m, uint32_t i)
{
	return m->rcpts[i].state == RCPT_EXPANDED &&
	    m->rcpts[i].nchildren == 0;
}

/*
 * The index of a message: slots by key, each 0 or a recipient plus 1.  One
 * submission may name a hundred thousand, and each of them is looked for.
 */
static uint64_t
hash_target(const struct conf_names *names, const struct hash_key *key,
    enum route_kind kind, const char *address, const char *owner)
{
	uint64_t hash;

	if (kind != ROUTE_PIPE && kind != ROUTE_FILE)
		return names_hash(names, key, address, 0);
	hash = hash_bytes(key, address, strlen(address));
	return owner == NULL ? hash : hash ^ ~hash_bytes(key, owner,
	    strlen(owner));
}

/* In the first slot that is free, or has one that counts no more. */
static void
put_in_index(const struct conf_names *names, struct message *m, uint32_t i)
{
	const struct recipient *r = &m->rcpts[i];
	uint32_t k, mask = m->index.nslots - 1;

	k = (uint32_t)hash_target(names, &m->index.key, r->kind, r->address,
	    r->owner) & mask;
	while (m->index.slots[k] != 0 && !is_hollow(m, m->index.slots[k] - 1))
		k = (k + 1) & mask;
	m->index.slots[k] = i + 1;
}

static void
drop_index(struct message *m)
{
	free(m->index.slots);
	m->index.slots = NULL;
	m->index.nslots = m->index.nindexed = 0;
}

/* Brings it up to date; -1 without memory. */
static int
fill_index(const struct conf_names *names, struct message *m)
{
	uint32_t n = m->index.nslots == 0 ? 64 : m->index.nslots;

	while (n / 2 < m->nrcpts)
		n *= 2;
	if (n != m->index.nslots) {
		drop_index(m);
		m->index.slots = calloc(n, sizeof(*m->index.slots));
		if (m->index.slots == NULL)
			return -1;
		m->index.nslots = n;
		hash_key_make(&m->index.key);
	}
	for (; m->index.nindexed < m->nrcpts; m->index.nindexed++)
		put_in_index(names, m, m->index.nindexed);
	return 0;
}

/*
 * 1 when it is there, 0, -1 without memory.  A hollow one does not count: in
 * a loop of recipients each would be omitted because of the next, and the
 * message would reach nobody.
 */
static int
is_listed(const struct conf_names *names, struct message *m, uint32_t i,
    enum route_kind kind, const char *address, const char *owner)
{
	uint32_t k, r;

	if (fill_index(names, m) == -1)
		return -1;
	k = (uint32_t)hash_target(names, &m->index.key, kind, address, owner);
	for (;; k++) {
		k &= m->index.nslots - 1;
		if (m->index.slots[k] == 0)
			return 0;
		r = m->index.slots[k] - 1;
		if (same_target(names, &m->rcpts[r], kind, address, owner) &&
		    !is_ancestor(m, i, r) && !is_hollow(m, r))
			return 1;
	}
}

/*
 * 1 when an address in a .forward is that of its owner: the mailbox.  Where
 * that cannot be told now, the address is routed, and found out then.
 */
static int
is_owners(const struct route_env *env, const struct expansion *to,
    const char *address)
{
	char local[ADDRESS_MAX + 1], user[ADDRESS_MAX + 1];
	const struct alias *none;

	return to->origin == ORIGIN_FORWARD &&
	    names_is_local(&env->conf->names, address, local, sizeof(local)) &&
	    names_resolve(&env->conf->names, env->users, NULL, local, user,
	    &none) == 0 && env->users->is_same(user, to->owner);
}

/* Copies to a new recipient what it inherits from its parent: 0 or -1. */
static int
inherit(struct recipient *r, const struct recipient *from)
{
	r->notify = from->notify;
	if (from->sender == NULL)
		return 0;
	r->sender = strdup(from->sender);
	return r->sender == NULL ? -1 : 0;
}

/* 0 added or there already, 1 it is no address, -1 no memory. */
static int
add_target(const struct route_env *env, struct message *m, uint32_t i,
    const struct target *t, uint32_t entry, const struct expansion *to)
{
	const struct conf_names *names = &env->conf->names;
	enum route_kind kind = ROUTE_UNKNOWN;
	struct recipient *r;
	struct buf address;
	int final, listed, ret = -1;

	buf_init(&address, TARGET_MAX);
	if (t->kind == TARGET_PIPE || t->kind == TARGET_FILE) {
		kind = t->kind == TARGET_PIPE ? ROUTE_PIPE : ROUTE_FILE;
		buf_puts(&address, t->text);
	} else if (t->kind == TARGET_INCLUDE ||
	    addr_one(t->text, &address) == -1 || address.len == 0) {
		buf_fini(&address);
		return 1;
	}
	final = t->kind == TARGET_MAILBOX || (t->kind == TARGET_ADDRESS &&
	    is_owners(env, to, buf_str(&address)));
	listed = is_listed(names, m, i, kind, buf_str(&address), to->owner);
	if (listed != 0) {
		buf_fini(&address);
		return listed == 1 ? 0 : -1;
	}
	r = buf_failed(&address) ? NULL : message_add(m, buf_str(&address));
	if (r != NULL) {
		r->kind = kind;
		r->origin = to->origin;
		r->is_final = final;
		r->parent = i;
		m->rcpts[i].nchildren++;
		r->depth = m->rcpts[i].depth + 1;
		r->entry.index = entry;
		r->entry.digest = t->digest;
		r->owner = strdup(to->owner);
		ret = inherit(r, &m->rcpts[i]);
		if (r->owner == NULL)
			ret = -1;
	}
	buf_fini(&address);
	return ret;
}

/* A list without a usable address must not lose the message. */
static int
no_target(const struct route_env *env, struct message *m, uint32_t i,
    const struct expansion *to, struct result *res)
{
	struct target self = { TARGET_MAILBOX, NULL, 0, 0 };
	struct buf name;
	int ret;

	if (to->origin != ORIGIN_FORWARD)
		return result_set(res, STATUS_DEFERRED, "4.3.5",
		    "the alias %s contains no usable address", to->owner);
	buf_init(&name, 0);
	addr_put_local(&name, to->owner);
	self.text = buf_take(&name);
	ret = self.text == NULL ? -1 : add_target(env, m, i, &self, 0, to);
	free(self.text);
	return ret != -1 ? 0 : result_set(res, STATUS_DEFERRED, "4.3.0",
	    "out of memory");
}

void
route_cut(struct message *m, uint32_t before)
{
	drop_index(m);
	while (m->nrcpts > before) {
		m->nrcpts--;
		if (m->rcpts[m->nrcpts].parent != m->nrcpts)
			m->rcpts[m->rcpts[m->nrcpts].parent].nchildren--;
		free(m->rcpts[m->nrcpts].address);
		free(m->rcpts[m->nrcpts].owner);
		free(m->rcpts[m->nrcpts].orcpt);
		free(m->rcpts[m->nrcpts].sender);
	}
}

/*
 * RFC 3461 5.2.7: one of many members reports no success, since the list was
 * reported as expanded; a single member stands for the list.
 */
int
route_is_list(const struct message *m, uint32_t before)
{
	return m->nrcpts - before != 1;
}

int
route_again(struct message *m, uint32_t i)
{
	const struct recipient *old = &m->rcpts[i];
	struct recipient *r;

	if ((old->kind != ROUTE_PIPE && old->kind != ROUTE_FILE) ||
	    old->parent == i || strcmp(old->last.code, CODE_CHANGED) != 0)
		return 0;
	if (m->nrcpts >= EXPANDED_MAX)
		return 0;
	r = message_add(m, m->rcpts[old->parent].address);
	if (r == NULL)
		return -1;
	old = &m->rcpts[i];	/* it may have moved */
	r->parent = old->parent;
	m->rcpts[r->parent].nchildren++;
	r->depth = m->rcpts[old->parent].depth;
	return inherit(r, old) == 0 ? 1 : -1;
}

int
route_is_named(const struct message *m, uint32_t i)
{
	while (m->rcpts[i].origin == ORIGIN_CALLER && m->rcpts[i].parent != i)
		i = m->rcpts[i].parent;
	return m->rcpts[i].origin == ORIGIN_CALLER;
}

/* ---- mailing lists ---- */

int
route_is_owned(const struct message *m, uint32_t i, uint32_t before)
{
	return before < m->nrcpts && strcmp(message_sender(m, before),
	    message_sender(m, i)) != 0;
}

/*
 * The members of a mailing list, from before on: failures are reported to its
 * owner (RFC 5321 3.9.2), and what the sender asked for ends at the list (RFC
 * 3461 5.2.7.3).  Reports remain without a sender.  0 or -1.
 */
static int
give_owner(const struct route_env *env, struct message *m, uint32_t before,
    const struct expansion *to)
{
	struct buf sender;
	int has_owner, ret = 0;

	if (to->origin != ORIGIN_ALIASES || m->sender[0] == '\0' ||
	    env->aliases == NULL)
		return 0;
	buf_init(&sender, ADDRESS_MAX);
	has_owner = names_put_owner(&sender, &env->conf->names, env->aliases,
	    to->owner);
	for (; has_owner && before < m->nrcpts; before++) {
		free(m->rcpts[before].sender);
		m->rcpts[before].sender = strdup(buf_str(&sender));
		m->rcpts[before].notify = NOTIFY_FAILURE;
		if (m->rcpts[before].sender == NULL)
			ret = -1;
	}
	buf_fini(&sender);
	return ret;
}

static void
unwish_success(struct recipient *r)
{
	if ((r->notify & NOTIFY_SUCCESS) == 0)
		return;
	r->notify &= ~(unsigned)NOTIFY_SUCCESS;
	if (r->notify == 0)
		r->notify = NOTIFY_NEVER;
}

int
route_expand(const struct route_env *env, struct message *m, uint32_t i,
    const struct expansion *to, struct result *res)
{
	const struct targets *targets = to->targets;
	uint32_t before = m->nrcpts;
	size_t bad = 0, k;
	int got = 0;

	if (m->rcpts[i].depth >= DEPTH_MAX)
		return route_lost(m, i,
		    "too many levels of aliases or .forward", res);
	if (targets->n > TARGETS_MAX || m->nrcpts + targets->n > EXPANDED_MAX)
		return result_set(res, STATUS_FAILED, "5.4.6",
		    "too many addresses in aliases or .forward of %s",
		    to->owner);
	for (k = 0; k < targets->n && got != -1; k++) {
		got = add_target(env, m, i, &targets->list[k], (uint32_t)k,
		    to);
		bad += got == 1;
	}
	if (got == -1 || give_owner(env, m, before, to) == -1) {
		/* Half an expansion would lose the other half. */
		route_cut(m, before);
		return result_set(res, STATUS_DEFERRED, "4.3.0",
		    "out of memory");
	}
	if (bad > 0 && bad == targets->n)
		return no_target(env, m, i, to, res);
	if (route_is_list(m, before))
		for (; before < m->nrcpts; before++)
			unwish_success(&m->rcpts[before]);
	return 0;
}
