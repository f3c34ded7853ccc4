/*
 * alias_loops.c - aliases that lead back to themselves.
 * Runs as: anyone.  Uses: the user database, by functions given.
 * Promise: each alias and each of its targets is looked at once.
 */
#include <stdio.h>
#include <stdlib.h>

#include "conf/alias_loops.h"

#define NOT_AN_ALIAS	((size_t)-1)

enum mark {
	MARK_NEW,
	MARK_ON_THE_WAY,
	MARK_DONE
};

/* An alias on the way, and its next target. */
struct step {
	size_t		 alias, target;
};

struct walk {
	const struct aliases *aliases;
	const struct names_users *users;
	const struct report *report;
	const char	*file;
	enum mark	*marks;		/* of each alias */
	struct step	*steps;		/* as many */
	size_t		 n;
};

static size_t
alias_of(const struct aliases *aliases, const struct target *t)
{
	const struct alias *alias;

	if (t->kind != TARGET_ADDRESS)
		return NOT_AN_ALIAS;
	alias = aliases_find(aliases, t->text);
	return alias == NULL ? NOT_AN_ALIAS : (size_t)(alias - aliases->list);
}

static void
enter(struct walk *w, size_t alias)
{
	w->marks[alias] = MARK_ON_THE_WAY;
	w->steps[w->n++] = (struct step){ alias, 0 };
}

static void
say(const struct walk *w, size_t from, size_t to)
{
	const struct alias *list = w->aliases->list;
	char text[512];

	snprintf(text, sizeof(text), "%.100s leads back to %.100s, and there "
	    "is no user of that name: this mail is returned", list[from].name,
	    list[to].name);
	w->report->say(w->report->arg, w->file, list[from].line, text);
}

/* From one alias, without recursion: a way may be as long as the file. */
static int
walk_from(struct walk *w, size_t alias)
{
	const struct targets *targets;
	struct step *top;
	size_t to;
	int found = 0;

	for (enter(w, alias); w->n > 0;) {
		top = &w->steps[w->n - 1];
		targets = &w->aliases->list[top->alias].targets;
		if (top->target == targets->n) {
			w->marks[top->alias] = MARK_DONE;
			w->n--;
			continue;
		}
		to = alias_of(w->aliases, &targets->list[top->target++]);
		if (to == NOT_AN_ALIAS)
			continue;
		if (w->marks[to] == MARK_NEW) {
			enter(w, to);
		} else if (w->marks[to] == MARK_ON_THE_WAY &&
		    w->users->exists(w->aliases->list[to].name) == 0) {
			say(w, top->alias, to);
			found++;
		}
	}
	return found;
}

int
alias_loops(const struct aliases *aliases, const struct conf *conf,
    const struct names_users *users, const struct report *report)
{
	struct walk w = { .aliases = aliases, .users = users, .report = report,
	    .file = conf->where.aliases };
	int found = -1;
	size_t i;

	if (conf->names.nullclient != NULLCLIENT_OFF)
		return 0;
	w.marks = calloc(aliases->n + 1, sizeof(*w.marks));
	w.steps = calloc(aliases->n + 1, sizeof(*w.steps));
	if (w.marks != NULL && w.steps != NULL)
		for (found = 0, i = 0; i < aliases->n; i++)
			if (w.marks[i] == MARK_NEW)
				found += walk_from(&w, i);
	free(w.marks);
	free(w.steps);
	return found;
}
