/*
 * t_queue.c - messages in a spool, for the unit tests of what reads them.
 */
#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include "tests/unit/t_queue.h"

#define AGE_S	3600

void
t_message(struct message *m, const char *sender, int64_t now_s, ...)
{
	const char *recipient;
	va_list ap;

	message_init(m);
	m->arrived = now_s - AGE_S;
	assert_int_equal(text_copy(m->sender, sizeof(m->sender), sender), 0);
	va_start(ap, now_s);
	while ((recipient = va_arg(ap, const char *)) != NULL)
		assert_non_null(message_add(m, recipient));
	va_end(ap);
}

void
t_commit(struct spool *sp, const char *id, const struct message *m,
    const void *text, size_t len)
{
	struct result res;
	struct draft d;

	result_init(&res);
	assert_int_equal(draft_begin(sp, &d, id, &res), 0);
	assert_int_equal(draft_write(&d, text, len, &res), 0);
	assert_int_equal(draft_seal(&d, m, &res), 0);
	/* Nothing can be seen before it is published. */
	assert_int_equal(faccessat(sp->queue, id, F_OK, 0), -1);
	assert_int_equal(draft_publish(&d, &res), 0);
	assert_int_equal(faccessat(sp->queue, id, F_OK, 0), 0);
	draft_drop(&d);
	result_fini(&res);
}

int
t_count(const char *top, const char *folder)
{
	char path[256];
	struct dirent *e;
	DIR *dir;
	int n = 0;

	snprintf(path, sizeof(path), "%s/%s", top, folder);
	dir = opendir(path);
	if (dir == NULL)
		return 0;
	while ((e = readdir(dir)) != NULL)
		n += e->d_name[0] != '.';
	closedir(dir);
	return n;
}

void
t_spool_init(struct t_spool *q, const char *conf)
{
	struct result res;

	t_dir(q->dir, sizeof(q->dir));
	result_init(&res);
	assert_int_equal(spool_open(&q->sp, q->dir, &res), 0);
	assert_int_equal(conf_init(&q->conf), 0);
	assert_int_equal(conf_parse(&q->conf, conf, strlen(conf), "conf",
	    &report_quiet), 0);
	assert_int_equal(conf_finish(&q->conf, NULL, "host.test"), 0);
	free(q->conf.where.aliases);
	q->conf.where.aliases = strdup(t_path(q->dir, "aliases"));
	result_fini(&res);
}

void
t_spool_fini(struct t_spool *q)
{
	conf_fini(&q->conf);
	spool_close(&q->sp);
	t_dir_remove(q->dir);
}

void
t_wake_init(struct t_wake *w)
{
	struct result res;

	t_dir(w->dir, sizeof(w->dir));
	result_init(&res);
	assert_int_equal(spool_open(&w->sp, w->dir, &res), 0);
	w->wake = spool_wake_open(&w->sp);
	assert_true(w->wake != -1);
	result_fini(&res);
}

void
t_wake_fini(struct t_wake *w)
{
	close(w->wake);
	spool_close(&w->sp);
	t_dir_remove(w->dir);
}
