/*
 * check_address.c - dma check --to, sendmail -bv: the way of an address.
 * Runs as: the spool user.  Uses: the configuration, the user database, and
 * .forward files by forward_view.c.
 * Promise: nothing is sent; the targets of aliases are shown to root alone,
 * and those of a .forward to its owner and root; loops end.
 */
#include <string.h>
#include <sysexits.h>

#include "conf/files.h"
#include "conf/local_names.h"
#include "lib/addr.h"
#include "lib/buf.h"
#include "priv/user.h"
#include "priv/user_shell.h"
#include "submit/check_address.h"
#include "submit/check_connect.h"
#include "submit/forward_view.h"
#include "submit/sender.h"

#define SHOWN_MAX	200	/* findings of one address */
#define HOPS_MAX	8	/* domains that are connected to */

struct address_trace {
	const struct check_address *of;
	const struct conf *conf;
	struct sender	 sender;
	struct aliases	 aliases;
	int		 has_aliases;	/* they could be read */
	struct sender_relays relays;
	int		 has_relays;
	struct forward_view forwards;
	int		 status;	/* of what went wrong first */
	unsigned	 nshown;	/* of one address */
	unsigned	 nhops;		/* the hosts that were connected to */
	char		 hops[HOPS_MAX][SENDER_RELAYS_MAX + 1];
};

/*
 * An alias or a .forward on the way to an address: there, the name of the alias
 * means the user, and the owner of the .forward is the mailbox.
 */
struct step {
	const struct step *from;	/* or NULL */
	enum origin	 origin;	/* ORIGIN_ALIASES, ORIGIN_FORWARD */
	const char	*local;
};

#define SAY(w, level, subject, ...) \
	findings_add((w)->of->findings, FINDING_##level, subject, 0, \
	    __VA_ARGS__)
/* With the status that a submission to it alone has, or a delivery. */
#define FAIL(w, code, subject, ...) \
	(fail(w, code), SAY(w, ERROR, subject, __VA_ARGS__))

static void
fail(struct address_trace *w, int status)
{
	if (w->status == 0)
		w->status = status;
}

static void	follow(struct address_trace *, const char *address,
		    const struct step *);
static void	to_target(struct address_trace *, const struct target *,
		    const char *owner, const struct step *);

/* ---- to other hosts ---- */

/* The same host may be the hop of several targets. */
static void
connect_to(struct address_trace *w, enum destination_kind kind,
    const char *name, const char *user)
{
	unsigned i;

	if (!w->of->connects || w->nhops == HOPS_MAX)
		return;
	for (i = 0; i < w->nhops; i++)
		if (text_casecmp(w->hops[i], name) == 0)
			return;
	text_copy(w->hops[w->nhops++], sizeof(w->hops[0]), name);
	check_connect_to(w->of->findings, kind, name, user);
}

static void
to_sender_relay(struct address_trace *w, const char *address,
    const struct sender_relay *relay)
{
	const char *user = relay->user == NULL ? "" : relay->user;

	if (relay->trouble != NULL || relay->relays == NULL) {
		FAIL(w, EX_CONFIG, address, "deferred: the line of "
		    "SENDER_RELAY for %s is invalid", w->sender.address);
		return;
	}
	if (w->of->caller->uid != 0)
		SAY(w, OK, address, "deliverable: relay of SENDER_RELAY for "
		    "%s, which is shown only to root", w->sender.address);
	else
		SAY(w, OK, address, "deliverable: relay %s (SENDER_RELAY, for "
		    "%s)", relay->relays, relay->pattern);
	connect_to(w, DESTINATION_SENDER, relay->relays, user);
}

static void
to_exchangers(struct address_trace *w, const char *address)
{
	const char *domain = addr_domain(address);

	if (domain == NULL)
		domain = w->conf->names.mailname;
	SAY(w, OK, address, "deliverable: mail exchangers of %s", domain);
	connect_to(w, DESTINATION_DOMAIN, domain, "");
}

static void
to_smarthost(struct address_trace *w, const char *address)
{
	struct buf relays;

	buf_init(&relays, 0);
	relays_put(&w->conf->relays, &relays);
	SAY(w, OK, address, "deliverable: relay %s (SMARTHOST)",
	    buf_str(&relays));
	buf_fini(&relays);
	connect_to(w, DESTINATION_SMARTHOST, "", "");
}

static void
to_other_host(struct address_trace *w, const char *address)
{
	const struct conf *conf = w->conf;
	const struct sender_relay *relay = NULL;

	if (w->has_relays)
		relay = sender_relay_find(&w->relays, w->sender.address,
		    w->sender.login);
	if (conf->limits.is_noremote)
		FAIL(w, EX_UNAVAILABLE, address, "rejected: this host sends no "
		    "mail to other hosts (NOREMOTE)");
	else if (conf->trouble.reason != NULL)
		FAIL(w, EX_CONFIG, address, "deferred: dma.conf has an error "
		    "in %s", conf->trouble.reason);
	else if (!w->has_relays)
		FAIL(w, EX_CONFIG, address, "deferred: the file of "
		    "SENDER_RELAY cannot be read");
	else if (relay != NULL)
		to_sender_relay(w, address, relay);
	else if (conf->relays.n == 0)
		to_exchangers(w, address);
	else if (relays_is_none(&conf->relays))
		FAIL(w, EX_CONFIG, address, "deferred: SMARTHOST has no host "
		    "that can be used");
	else
		to_smarthost(w, address);
}

/* ---- here ---- */

/* note: what is to be said of it, or "". */
static void
to_mailbox(struct address_trace *w, const char *address, const char *user,
    const char *note)
{
	const struct conf_local *local = &w->conf->local;

	if (local->mailbox == MAILBOX_UNREADABLE)
		FAIL(w, EX_CONFIG, address, "deferred: the value of MAILBOX "
		    "is not understood");
	else if (w->of->is_brief)
		SAY(w, OK, address, "deliverable: local user %s", user);
	else if (local->mailbox == MAILBOX_MBOX)
		SAY(w, OK, address, "deliverable: local user %s, mailbox "
		    "%s/%s%s", user, local->mailspool, user, note);
	else
		SAY(w, OK, address, "deliverable: local user %s, MAILBOX %s%s",
		    user, local->where == NULL ? "" : local->where, note);
}

static void
no_user(struct address_trace *w, const char *address, const char *name)
{
	FAIL(w, EX_NOUSER, address, "rejected: user unknown: there is neither "
	    "an alias nor a user %s", name);
}

/* step: that of the user's .forward. */
static void
to_forward(struct address_trace *w, const char *address,
    const struct user *user, const struct forward_seen *seen,
    const struct step *step)
{
	size_t i;

	if (seen->verdict == FORWARD_LATER) {
		FAIL(w, EX_TEMPFAIL, address, "deferred: .forward of %s cannot "
		    "be read now: %s", user->name, seen->reason);
	} else if (seen->verdict == FORWARD_REFUSED) {
		SAY(w, WARNING, address, ".forward of %s is not used: %s",
		    user->name, seen->reason);
		to_mailbox(w, address, user->name, "");
	} else if (targets_have_command(&seen->targets) &&
	    user_may_run(&w->conf->local, user) == 0) {
		SAY(w, WARNING, address, ".forward of %s is not used: it "
		    "contains a command or a file, which is not available to "
		    "root and users without a login shell", user->name);
		to_mailbox(w, address, user->name, "");
	} else if (seen->targets.n == 0) {
		to_mailbox(w, address, user->name, "");
	} else {
		if (!w->of->is_brief)
			SAY(w, OK, address, "is forwarded by the .forward of "
			    "%s", user->name);
		for (i = 0; i < seen->targets.n; i++)
			to_target(w, &seen->targets.list[i], user->name, step);
	}
}

static void
to_forwarder(struct address_trace *w, const char *address,
    const struct user *user, const struct step *from)
{
	const struct step at = { from, ORIGIN_FORWARD, user->name };
	struct forward_seen seen;

	if (w->of->spool == NULL || !forward_view_may(&w->forwards, user)) {
		to_mailbox(w, address, user->name, "; a .forward file is read "
		    "at delivery");
		return;
	}
	if (forward_view(&w->forwards, user->name, &seen) == 0) {
		to_forward(w, address, user, &seen, &at);
	} else {
		SAY(w, WARNING, address, "cannot look at the .forward of %s: "
		    "%s", user->name, seen.reason);
		to_mailbox(w, address, user->name, "");
	}
	targets_fini(&seen.targets);
}

/* 1 when that was a user or may be one. */
static int
to_user(struct address_trace *w, const char *address, const char *name,
    const struct step *from, int is_final)
{
	struct user user;
	int missing = user_name_ok(name) ? user_lookup(name, &user) : 1;

	if (missing == -1)
		FAIL(w, EX_TEMPFAIL, address, "deferred: users cannot be "
		    "looked up now");
	else if (!missing && is_final)
		to_mailbox(w, address, user.name, "");
	else if (!missing)
		to_forwarder(w, address, &user, from);
	return missing != 1;
}

/* owner: as whom its files and commands are used. */
static void
to_target(struct address_trace *w, const struct target *target,
    const char *owner, const struct step *from)
{
	switch (target->kind) {
	case TARGET_ADDRESS:
		follow(w, target->text, from);
		break;
	case TARGET_MAILBOX:
		if (!to_user(w, target->text, target->text, from, 1))
			no_user(w, target->text, target->text);
		break;
	case TARGET_FILE:
		SAY(w, OK, target->text, "deliverable: file, written as %s",
		    owner);
		break;
	case TARGET_PIPE:
		SAY(w, OK, target->text, "deliverable: command, run as %s",
		    owner);
		break;
	case TARGET_INCLUDE:
		SAY(w, OK, target->text, "deliverable: list, read at delivery "
		    "as %s", owner);
		break;
	}
}

static void
show_owner(struct address_trace *w, const char *address, const char *list)
{
	struct buf owner;

	buf_init(&owner, ADDRESS_MAX);
	if (w->sender.address[0] != '\0' && names_put_owner(&owner,
	    &w->conf->names, &w->aliases, list))
		SAY(w, OK, address, "failures of its targets are reported to "
		    "the owner of the list, %s", buf_str(&owner));
	buf_fini(&owner);
}

static void
to_alias(struct address_trace *w, const char *address,
    const struct alias *alias, const struct step *at)
{
	size_t i;

	if (alias->is_bad) {
		FAIL(w, EX_CONFIG, address, "deferred: the alias %s has an "
		    "error, %s:%u", alias->name, w->conf->where.aliases,
		    alias->line);
		return;
	}
	if (w->of->caller->uid != 0) {
		SAY(w, OK, address, "deliverable: alias %s, whose targets are "
		    "shown only to root", alias->name);
		return;
	}
	if (!w->of->is_brief) {
		SAY(w, OK, address, "is the alias %s, %s:%u", alias->name,
		    w->conf->where.aliases, alias->line);
		show_owner(w, address, alias->name);
	}
	for (i = 0; i < alias->targets.n; i++)
		to_target(w, &alias->targets.list[i],
		    w->conf->local.alias_user, at);
}

/* An alias by that name is on the way to it. */
static int
is_expanded(const char *local, const struct step *step)
{
	for (; step != NULL; step = step->from)
		if (step->origin == ORIGIN_ALIASES &&
		    text_casecmp(step->local, local) == 0)
			return 1;
	return 0;
}

/* A name that is no alias; the alias "*" is for addresses as given. */
static void
to_name(struct address_trace *w, const char *address, const char *name,
    const struct step *at, int is_final)
{
	const struct alias *any = at->from != NULL || !w->has_aliases ? NULL :
	    aliases_find(&w->aliases, "*");

	if (to_user(w, address, name, at->from, is_final))
		return;
	if (any != NULL)
		to_alias(w, address, any, at);
	else if (is_expanded(at->local, at->from))
		FAIL(w, EX_NOUSER, address, "rejected: the aliases form a loop "
		    "at %s", at->local);
	else
		no_user(w, address, name);
}

/* The owner of a .forward on the way, by any name. */
static int
is_owner(const struct address_trace *w, const char *local,
    const struct step *step)
{
	char user[ADDRESS_MAX + 1];
	const struct alias *none;

	return names_resolve(&w->conf->names, &user_names, NULL, local, user,
	    &none) == 0 && user_names.is_same(user, step->local);
}

static void
follow_local(struct address_trace *w, const char *address, const char *local,
    const struct step *from)
{
	const struct step *p, at = { from, ORIGIN_ALIASES, local };
	const struct alias *alias = NULL;
	char user[ADDRESS_MAX + 1];
	int was_expanded, is_final = 0;

	for (p = from; p != NULL; p = p->from)
		if (p->origin == ORIGIN_FORWARD)
			is_final |= is_owner(w, local, p);
	was_expanded = is_expanded(local, from) || is_final;
	if (w->conf->trouble.stops_local)
		FAIL(w, EX_CONFIG, address, "deferred: dma.conf has an error "
		    "in %s", w->conf->trouble.reason);
	else if (!was_expanded && !w->has_aliases)
		FAIL(w, EX_TEMPFAIL, address, "deferred: %s cannot be read",
		    w->conf->where.aliases);
	else if (names_resolve(&w->conf->names, &user_names,
	    was_expanded ? NULL : &w->aliases, local, user, &alias) == -1)
		FAIL(w, EX_TEMPFAIL, address, "deferred: users cannot be "
		    "looked up now");
	else if (alias != NULL)
		to_alias(w, address, alias, &at);
	else if (w->conf->names.nullclient != NULLCLIENT_OFF)
		to_other_host(w, address);
	else
		to_name(w, address, user, &at, is_final);
}

static void
follow(struct address_trace *w, const char *address, const struct step *from)
{
	const struct conf_names *names = &w->conf->names;
	const struct step *p;
	char local[ADDRESS_MAX + 1];
	unsigned depth = 0;

	for (p = from; p != NULL; p = p->from)
		depth++;
	if (++w->nshown == SHOWN_MAX)
		SAY(w, WARNING, address, "this and other targets are not "
		    "shown");
	if (w->nshown >= SHOWN_MAX)
		return;
	if (depth > DEPTH_MAX)
		FAIL(w, EX_NOUSER, address, "rejected: too many aliases lead "
		    "to it");
	else if (names_is_local(names, address, local, sizeof(local)) ||
	    (names->nullclient == NULLCLIENT_ALIASES &&
	    names_is_own(names, address, local, sizeof(local))))
		follow_local(w, address, local, from);
	else
		to_other_host(w, address);
}

/* ---- the call ---- */

static int
find_sender(struct address_trace *w)
{
	const struct check_address *of = w->of;
	const char *reason = NULL;
	struct from_map map;
	int ret;

	(void)files_from_map(w->conf->where.from_map, &map, &report_quiet);
	ret = sender_find(&w->sender, of->caller, of->options,
	    &w->conf->names, &map, &reason);
	from_map_fini(&map);
	if (ret == -1)
		FAIL(w, EX_DATAERR, "sender", "%s", reason == NULL ? "not an "
		    "address" : reason);
	else
		sender_find_login(&w->sender, of->caller, of->options);
	return ret;
}

/* The target given as an argument, while it is parsed. */
struct target_argument {
	struct address_trace *way;
	const char	*text;
	unsigned	 naddresses;
};

/* In canonical form; the name of a user may be in no form of an address. */
static void
put_address(const char *text, const struct addr_found *found, struct buf *out)
{
	struct buf name;
	struct user user;

	if (!found->is_bad) {
		(void)addr_canonical(text + found->start,
		    found->end - found->start, out);
		return;
	}
	buf_init(&name, LOGIN_MAX);
	buf_add(&name, text + found->name, found->name_end - found->name);
	if (!buf_failed(&name) && user_lookup(buf_str(&name), &user) == 0)
		addr_put_local(out, buf_str(&name));
	buf_fini(&name);
}

static int
take_address(void *arg, const struct addr_found *found)
{
	struct target_argument *a = arg;
	struct buf address, shown;

	a->naddresses++;
	a->way->nshown = 0;
	buf_init(&address, ADDRESS_MAX);
	buf_init(&shown, 0);
	put_address(a->text, found, &address);
	buf_add(&shown, a->text + found->start, found->end - found->start);
	if (buf_failed(&address) || address.len == 0 ||
	    !addr_is_address(buf_str(&address)))
		FAIL(a->way, EX_DATAERR, buf_str(&shown), "rejected: not an "
		    "address");
	else
		follow(a->way, buf_str(&address), NULL);
	buf_fini(&address);
	buf_fini(&shown);
	return 0;
}

static void
take_argument(struct address_trace *w, const char *text)
{
	struct target_argument a = { w, text, 0 };

	if (text_is_clean(text, strlen(text)))
		(void)addr_walk(text, strlen(text), take_address, &a);
	if (a.naddresses == 0)
		FAIL(w, EX_DATAERR, text, "rejected: not an address");
}

int
check_address(const struct check_address *of, char *const *texts, int n)
{
	struct address_trace w;
	unsigned bad;
	int i;

	memset(&w, 0, sizeof(w));
	w.of = of;
	w.conf = of->conf;
	forward_view_init(&w.forwards, of->spool, of->caller);
	w.has_aliases = files_aliases(w.conf->where.aliases, &w.aliases,
	    &report_quiet, &bad) != -1;
	w.has_relays = files_sender_relays(w.conf->where.sender_relay,
	    &w.relays, &report_quiet) != -1;
	if (find_sender(&w) == 0)
		for (i = 0; i < n; i++)
			take_argument(&w, texts[i]);
	if (w.has_aliases)
		aliases_fini(&w.aliases);
	sender_relay_fini(&w.relays);
	forward_view_fini(&w.forwards);
	return w.status;
}
