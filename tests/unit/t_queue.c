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
