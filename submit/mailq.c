/*
 * mailq.c - the queue, as people and monitors read it.
 * Runs as: the spool user.  Uses: the queue by spool.c, standard output.
 * Promise: nobody sees what is not theirs; no control character gets out.
 */
#include <errno.h>
#include <grp.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "lib/array.h"
#include "submit/mailq.h"

struct ids {
	char	(*list)[QUEUE_ID_MAX + 1];
	size_t	 n, cap;
	int	 failed;
};

static void
add_id(void *arg, const char *id)
{
	struct ids *ids = arg;

	if (array_grow(&ids->list, &ids->cap, ids->n,
	    sizeof(*ids->list)) == -1) {
		ids->failed = 1;
		return;
	}
	text_copy(ids->list[ids->n++], QUEUE_ID_MAX + 1, id);
}

static int
compare(const void *a, const void *b)
{
	return strcmp(a, b);
}

/* Is the caller a member of MAILQ_GROUP? By its list and as login group. */
static int
in_group(const struct caller *c, const char *name)
{
	const struct passwd *pw;
	const struct group *gr;
	char login[LOGIN_MAX + 1];
	size_t i;

	pw = getpwuid(c->uid);
	gr = name == NULL ? NULL : getgrnam(name);
	if (pw == NULL || gr == NULL)
		return 0;
	if (pw->pw_gid == gr->gr_gid)
		return 1;
	if (text_copy(login, sizeof(login), pw->pw_name) == -1)
		return 0;
	for (i = 0; gr->gr_mem[i] != NULL; i++)
		if (strcmp(gr->gr_mem[i], login) == 0)
			return 1;
	return 0;
}

static void
print_time(const char *name, time_t when)
{
	char text[64];
	struct tm tm;

	if (localtime_r(&when, &tm) == NULL || strftime(text, sizeof(text),
	    "%a, %d %b %Y %H:%M:%S %z", &tm) == 0)
		return;
	printf("%s\t: %s\n", name, text);
}

static void
print_clean(const char *name, const char *text)
{
	struct buf b;

	buf_init(&b, 0);
	buf_put_clean(&b, text, strlen(text), REASON_MAX);
	printf("%s\t: %s\n", name, buf_str(&b));
	buf_fini(&b);
}

static void
print_recipient(const struct message *m, uint32_t i, time_t now, int all)
{
	const struct recipient *r = &m->rcpts[i];
	struct buf reply;

	print_clean("To", message_address(m, i));
	if (r->attempts > 0)
		printf("Tries\t: %u\n", r->attempts);
	buf_init(&reply, 0);
	if (all)
		result_put_full(&reply, &r->last);
	else
		result_put_reason(&reply, &r->last);
	if (reply.len > 0)
		print_clean("Reply", buf_str(&reply));
	buf_fini(&reply);
	if (r->state != RCPT_OPEN)
		printf("Next\t: a report to the sender\n");
	else if (r->attempts > 0 && r->due > now)
		print_time("Next", r->due);
	else if (r->attempts > 0)
		printf("Next\t: now\n");
}

static int
is_open(const struct recipient *r)
{
	return r->state == RCPT_OPEN || recipient_is_owed(r);
}

static void
print_message(const struct message *m, time_t now, int all)
{
	uint32_t i;

	printf("ID\t: %s\n", m->id);
	print_clean("From", m->sender[0] == '\0' ? "<>" : m->sender);
	printf("Size\t: %" PRId64 "\n", m->text.length);
	print_time("Date", m->arrived);
	printf("Age\t: %" PRId64 " s\n", (int64_t)(now - m->arrived));
	for (i = 0; i < m->nrcpts; i++)
		if (is_open(&m->rcpts[i]))
			print_recipient(m, i, now, all);
}

int
mailq_print(const struct caller *c, const char *group,
    const struct spool *sp)
{
	struct message m;
	struct result res;
	struct ids ids;
	int64_t octets = 0;
	size_t i, shown = 0;
	int all;

	memset(&ids, 0, sizeof(ids));
	if (spool_list(sp, add_id, &ids) == -1 || ids.failed) {
		fprintf(stderr, "dma: queue: %s\n", strerror(errno));
		free(ids.list);
		return EX_OSERR;
	}
	if (ids.n > 0)
		qsort(ids.list, ids.n, sizeof(*ids.list), compare);
	all = c->uid == 0 ||
	    (ids.n > 0 && in_group(c, group));
	result_init(&res);
	for (i = 0; i < ids.n; i++) {
		if (spool_load(sp, ids.list[i], 0, &m, &res) == SPOOL_GOT &&
		    (all || m.submitter == c->uid)) {
			if (shown++ > 0)
				printf("--\n");
			print_message(&m, time(NULL), all);
			octets += m.text.length;
		}
		message_fini(&m);
	}
	result_fini(&res);
	free(ids.list);
	if (shown == 0)
		printf("Mail queue is empty\n");
	else
		printf("-- %" PRId64 " Kbytes in %zu Request%s.\n",
		    (octets + 1023) / 1024, shown, shown == 1 ? "" : "s");
	return fflush(stdout) == EOF ? EX_IOERR : 0;
}
