/*
 * expand.c - routes recipients, and expands aliases and .forward files.
 * Runs as: the spool user.  Uses: nothing.
 * Promise: a recipient is replaced by all that it stands for, or by nothing.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aliases_include.h"
#include "priv/delivery_request.h"
#include "priv/records.h"
#include "priv/user_shell.h"
#include "queue/expand.h"
#include "queue/route.h"

static struct route_env
route_env(const struct queue *q)
{
	return (struct route_env){ &q->conf, q->has_aliases ? &q->aliases :
	    NULL, &user_names };
}

/* ---- what a name stands for ---- */

static void
to_mailbox(struct active_message *a, uint32_t i, const char *user)
{
	struct recipient *r = &a->m.rcpts[i];

	free(r->owner);
	r->owner = strdup(user);
	if (r->owner == NULL)
		decide_later(a, i, "out of memory");
	else
		a->attempts[i].stage = STAGE_LOCAL;
}

/* Early check for a clearer log line; the delivery helper enforces it. */
static int
may_run(const struct conf *conf, const char *name)
{
	struct user u;

	return user_lookup(name, &u) != 0 || user_may_run(&conf->local,
	    &u) != 0;
}

/* Puts new recipients in place of i, or takes them off again. */
static void
replace(struct active_message *a, uint32_t i, uint32_t before, int is_good,
    const struct result *res)
{
	if (is_good && decide_grow(a) == 0) {
		decide_expanded(a, i, before);
		return;
	}
	route_cut(&a->m, before);
	if (res->status == STATUS_NONE)
		decide_later(a, i, "out of memory");
	else
		decide(a, i, res, NULL);
}

static void
expand(struct lookups *ls, struct active_message *a, uint32_t i,
    const struct expansion *to)
{
	uint32_t before = a->m.nrcpts;
	struct route_env env;
	struct result res;
	int ret;

	if (to->origin == ORIGIN_FORWARD && targets_have_command(to->targets) &&
	    !may_run(&ls->active->q->conf, to->owner)) {
		log_say(&ls->active->q->log, LOG_LEVEL_WARNING, "id=%s user=%s "
		    ".forward contains a command or a file, which is not "
		    "available to root and users without a login shell: "
		    "delivering to the mailbox", a->m.id, to->owner);
		to_mailbox(a, i, to->owner);
		return;
	}
	result_init(&res);
	env = route_env(ls->active->q);
	ret = route_expand(&env, &a->m, i, to, &res);
	replace(a, i, before, ret == 0, &res);
	result_fini(&res);
}

/* ---- :include: ---- */

/* lists: field by field, as they came from the child. */
static void
expand_lists(struct lookups *ls, const struct pending *p,
    const struct expansion *to, const struct ipc *lists)
{
	struct ipc copy = *lists;
	struct include_source source = { forward_list_get, &copy };
	const struct report report = { log_report,
	    (void *)&ls->active->q->log };
	struct expansion flat = *to;
	struct targets targets;
	struct result res;

	if (!include_any(to->targets)) {
		expand(ls, p->a, p->i, to);
		return;
	}
	result_init(&res);
	if (include_flatten(to->targets, &targets, &source, &report,
	    &res) == -1) {
		decide(p->a, p->i, &res, NULL);
	} else {
		flat.targets = &targets;
		expand(ls, p->a, p->i, &flat);
		targets_fini(&targets);
	}
	result_fini(&res);
}

/* ---- routing ---- */

static void
ask_user(struct lookups *ls, struct active_message *a, uint32_t i,
    const char *user)
{
	if (!user_name_ok(user))
		decide_as(a, i, STATUS_FAILED, "5.1.1", "no such user here");
	else if (active_admit(ls->active, a, i, user) == 0)
		lookups_ask(ls, a, i, ORIGIN_FORWARD, user);
}

/* The lists of the aliases are read where a slow disk stops nobody else. */
static void
expand_alias(struct lookups *ls, struct active_message *a, uint32_t i,
    const struct alias *alias)
{
	struct expansion to = { &alias->targets, ORIGIN_ALIASES, alias->name };

	if (include_any(&alias->targets))
		lookups_ask(ls, a, i, ORIGIN_ALIASES, alias->name);
	else
		expand(ls, a, i, &to);
}

/*
 * 1 when the list that names a command or file has changed: what it names now
 * replaces it.
 */
static int
is_changed(struct active_message *a, uint32_t i)
{
	uint32_t before = a->m.nrcpts;
	struct result res;
	int ret;

	ret = route_again(&a->m, i);
	if (ret == 0)
		return 0;
	result_init(&res);
	result_set(&res, STATUS_DEFERRED, CODE_CHANGED, "out of memory");
	replace(a, i, before, ret == 1, &res);
	result_fini(&res);
	return 1;
}

/* The intended configuration for this mail is not known. */
static void
conf_trouble(const struct queue *q, struct active_message *a, uint32_t i)
{
	struct result res;

	result_init(&res);
	result_set(&res, STATUS_DEFERRED, "4.3.5",
	    "dma.conf on this host has an error in %s", q->conf.trouble.reason);
	decide(a, i, &res, NULL);
	result_fini(&res);
}

static void
to_remote(struct lookups *ls, struct active_message *a, uint32_t i)
{
	if (ls->active->q->conf.trouble.reason != NULL)
		conf_trouble(ls->active->q, a, i);
	else if (ls->active->q->conf.retry.is_defer && !a->is_forced)
		decide_until_flush(a, i);
	else
		a->attempts[i].stage = STAGE_REMOTE;
}

/* A recipient whose kind is not known yet. */
static void
take_step(struct lookups *ls, struct active_message *a, uint32_t i)
{
	struct route_env env = route_env(ls->active->q);
	char user[ADDRESS_MAX + 1];
	const struct alias *alias;
	struct result res;

	result_init(&res);
	switch (route_next(&env, &a->m, i, user, &alias, &res)) {
	case STEP_REMOTE:
		to_remote(ls, a, i);
		break;
	case STEP_ALIAS:
		expand_alias(ls, a, i, alias);
		break;
	case STEP_USER:
		ask_user(ls, a, i, user);
		break;
	case STEP_MAILBOX:
		to_mailbox(a, i, user);
		break;
	default:
		decide(a, i, &res, NULL);
		break;
	}
	result_fini(&res);
}

void
expand_route(struct lookups *ls, struct active_message *a, uint32_t i)
{
	enum route_kind kind = a->m.rcpts[i].kind;

	if (is_changed(a, i))
		return;
	if (kind == ROUTE_REMOTE)
		to_remote(ls, a, i);
	else if (kind != ROUTE_UNKNOWN)
		a->attempts[i].stage = STAGE_LOCAL;
	else if (ls->active->q->conf.trouble.stops_local)
		conf_trouble(ls->active->q, a, i);
	else if (a->m.text.hops > RECEIVED_MAX)
		decide_as(a, i, STATUS_FAILED, "5.4.6",
		    "mail loop: too many Received lines");
	else
		take_step(ls, a, i);
}

/* ---- answers ---- */

static void
got_forward(struct lookups *ls, const struct lookup *l,
    const struct pending *p, const struct lookup_answer *answer)
{
	struct targets targets;
	struct expansion to = { &targets, ORIGIN_FORWARD, l->name };
	const struct report report = { log_report,
	    (void *)&ls->active->q->log };
	char file[sizeof(l->name) + 32];
	int bad;

	snprintf(file, sizeof(file), ".forward of %s", l->name);
	memset(&targets, 0, sizeof(targets));
	bad = forward_parse(&targets, answer->text, answer->len, file,
	    &report);
	if (bad != 0)
		log_say(&ls->active->q->log, LOG_LEVEL_WARNING, "id=%s user=%s "
		    ".forward contains errors: delivering to the mailbox",
		    p->a->m.id, l->name);
	if (bad != 0 || targets.n == 0)
		to_mailbox(p->a, p->i, l->name);
	else
		expand_lists(ls, p, &to, answer->rest);
	targets_fini(&targets);
}

/* The alias "*", for addresses that the submitter gave. */
static const struct alias *
catch_all(const struct queue *q, const struct pending *p)
{
	return q->has_aliases && route_is_named(&p->a->m, p->i) ?
	    aliases_find(&q->aliases, "*") : NULL;
}

static void
got_no_user(struct lookups *ls, const struct pending *p)
{
	const struct recipient *r = &p->a->m.rcpts[p->i];
	const struct alias *any = catch_all(ls->active->q, p);
	struct result res;

	result_init(&res);
	if (any != NULL && route_usable(&ls->active->q->conf, any, &res) == 0)
		expand_alias(ls, p->a, p->i, any);
	else if (any == NULL && r->origin == ORIGIN_ALIASES && r->depth > 1)
		route_lost(&p->a->m, p->i, "the aliases form a loop or "
		    "lead to an unknown user", &res);
	else if (any == NULL)
		result_set(&res, STATUS_FAILED, "5.1.1", "no such user here");
	if (res.status != STATUS_NONE)
		decide(p->a, p->i, &res, NULL);
	result_fini(&res);
}

static void
got_lists(struct lookups *ls, const struct lookup *l, const struct pending *p)
{
	struct expansion to = { NULL, ORIGIN_ALIASES, l->name };
	const struct alias *alias = NULL;
	struct ipc lists;

	if (ls->active->q->has_aliases)
		alias = aliases_find(&ls->active->q->aliases, l->name);
	if (alias == NULL || alias->is_bad) {
		decide_as(p->a, p->i, STATUS_DEFERRED, "4.3.5",
		    "the alias changed while its lists were read");
		return;
	}
	to.targets = &alias->targets;
	to.owner = alias->name;
	ipc_init(&lists);
	lists.fields = l->lists;	/* lent */
	expand_lists(ls, p, &to, &lists);
}

static int
shown(const struct lookup_answer *answer)
{
	return (int)(answer->len > REASON_MAX ? REASON_MAX : answer->len);
}

/* The answer's text is about files of the user or the alias. */
static void
got_nothing(const struct lookup *l, const struct pending *p,
    const struct lookup_answer *answer)
{
	struct result res;

	result_init(&res);
	if (l->origin == ORIGIN_ALIASES)
		result_set(&res, STATUS_DEFERRED, "4.3.0",
		    "a list of the alias %s cannot be read now", l->name);
	else
		result_quote(&res, SOURCE_USER_FILE, STATUS_DEFERRED, "4.3.0",
		    ".forward of %s cannot be read now", l->name);
	result_detail(&res, "%.*s", shown(answer), answer->text);
	decide(p->a, p->i, &res, NULL);
	result_fini(&res);
}

static void
got_user(struct lookups *ls, const struct lookup *l, const struct pending *p,
    const struct lookup_answer *answer)
{
	switch (answer->verdict) {
	case FORWARD_NONE:
		to_mailbox(p->a, p->i, l->name);
		break;
	case FORWARD_TEXT:
		got_forward(ls, l, p, answer);
		break;
	case FORWARD_REFUSED:
		log_say(&ls->active->q->log, LOG_LEVEL_WARNING, "id=%s user=%s "
		    ".forward refused: %.*s: delivering to the mailbox",
		    p->a->m.id, l->name, shown(answer), answer->text);
		to_mailbox(p->a, p->i, l->name);
		break;
	case FORWARD_NOUSER:
		got_no_user(ls, p);
		break;
	default:
		got_nothing(l, p, answer);
		break;
	}
}

void
expand_answered(struct lookups *ls, const struct lookup *l,
    const struct pending *p, const struct lookup_answer *answer)
{
	if (l->origin != ORIGIN_ALIASES)
		got_user(ls, l, p, answer);
	else if (answer->verdict == FORWARD_TEXT)
		got_lists(ls, l, p);
	else
		got_nothing(l, p, answer);
}
