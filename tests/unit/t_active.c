/*
 * t_active.c - active messages, for the unit tests of the runner's modules.
 */
#include "tests/unit/t_active.h"

void
t_active_init(struct t_active *t, const char *conf_text)
{
	struct t_reports reports;
	struct report report = { t_report, &reports };
	struct result res;

	memset(t, 0, sizeof(*t));
	t_reports_init(&reports, NULL);
	t_dir(t->top, sizeof(t->top));
	result_init(&res);
	log_init(&t->q.log, "unit");
	t->q.log.where = LOG_TO_FD;
	t->q.log.fd = -1;
	assert_int_equal(conf_init(&t->q.conf), 0);
	assert_int_equal(conf_parse(&t->q.conf, conf_text, strlen(conf_text),
	    "dma.conf", &report), 0);
	assert_int_equal(conf_finish(&t->q.conf, NULL, "host.example.org"), 0);
	assert_int_equal(spool_open(&t->q.spool, t->top, &res), 0);
	result_fini(&res);
	memset(&t->watchers, 0, sizeof(t->watchers));
	active_init(&t->active, &t->q, &t->watchers);
}

void
t_active_fini(struct t_active *t)
{
	while (t->active.messages != NULL)
		t_active_unload(t, t->active.messages);
	active_fini(&t->active);
	spool_close(&t->q.spool);
	conf_fini(&t->q.conf);
	t_dir_remove(t->top);
}

void
t_active_commit(struct t_active *t, const char *id, ...)
{
	const char *recipient;
	struct message m;
	va_list ap;

	t_message(&m, "ann@example.org", time(NULL), NULL);
	va_start(ap, id);
	while ((recipient = va_arg(ap, const char *)) != NULL)
		assert_non_null(message_add(&m, recipient));
	va_end(ap);
	t_commit(&t->q.spool, id, &m, T_TEXT, sizeof(T_TEXT) - 1);
	message_fini(&m);
}

static void
ignore(struct active *all, struct active_message *a)
{
	(void)all;
	(void)a;
}

struct active_message *
t_active_load(struct t_active *t, const char *id)
{
	struct active_message *a;

	active_scan(&t->active);
	active_load(&t->active, ignore);
	for (a = t->active.messages; a != NULL; a = a->next)
		if (strcmp(a->m.id, id) == 0)
			return a;
	return NULL;
}

void
t_active_crowd(struct t_active *t, unsigned nplaces)
{
	t->active.messages->entry->submitter->places = nplaces;
	t->active.turns.nplaces = nplaces;
}

struct share *
t_active_share(struct t_active *t, unsigned kind, const char *name)
{
	struct share *s = turns_share(&t->active.turns,
	    t->active.messages->entry->submitter, kind, name, "");

	assert_non_null(s);
	return s;
}

void
t_active_unload(struct t_active *t, struct active_message *a)
{
	a->entry->state = ENTRY_WAITING;
	a->entry->due = 0;
	active_end(&t->active, a);
}

void
t_active_stage(struct active_message *a, uint32_t i,
    enum attempt_stage stage)
{
	a->attempts[i].stage = stage;
}
