/*
 * damaged.c - queue files that cannot be understood: the notice to postmaster.
 * Runs as: the spool user.  Uses: the queue by spool.c.
 * Promise: one notice for all that are found together, and none about a
 * notice, however damaged that one is: its id tells.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/array.h"
#include "queue/damaged.h"
#include "queue/own_mail.h"

#define SHOWN_MAX	100	/* files in a notice; the log has all */
#define MARK		"z"	/* ends the id of a notice; other ids end in a
				 * hexadecimal digit */

void
damaged_fini(struct damaged *d)
{
	size_t i;

	for (i = 0; i < d->n; i++)
		free(d->list[i].reason);
	free(d->list);
	memset(d, 0, sizeof(*d));
}

void
damaged_add(struct damaged *d, const char *id, const char *reason,
    int is_known)
{
	struct damaged_file *f;
	size_t i;

	for (i = 0; i < d->n; i++)
		if (strcmp(d->list[i].id, id) == 0)
			return;
	if (d->n >= DAMAGED_MAX || array_grow(&d->list, &d->cap, d->n,
	    sizeof(*f)) == -1)
		return;
	f = &d->list[d->n];
	memset(f, 0, sizeof(*f));
	f->reason = strdup(reason);
	if (f->reason == NULL || text_copy(f->id, sizeof(f->id), id) == -1) {
		free(f->reason);
		return;
	}
	f->is_known = is_known || id[strlen(id) - 1] == MARK[0];
	d->n++;
}

static size_t
count_unknown(const struct damaged *d)
{
	size_t i, n = 0;

	for (i = 0; i < d->n; i++)
		n += !d->list[i].is_known;
	return n;
}

static void
put_files(struct buf *b, const struct damaged *d)
{
	size_t i, shown = 0, n = count_unknown(d);

	for (i = 0; i < d->n && shown < SHOWN_MAX; i++) {
		if (d->list[i].is_known)
			continue;
		buf_printf(b, "%s\n    ", d->list[i].id);
		buf_put_clean(b, d->list[i].reason, strlen(d->list[i].reason),
		    REASON_MAX);
		buf_putc(b, '\n');
		shown++;
	}
	if (n > shown)
		buf_printf(b, "and %zu more, which are in the log.\n",
		    n - shown);
}

static void
put_text(struct buf *b, const struct damaged *d, const struct conf *conf)
{
	buf_printf(b,
	    "This is the mail system at %s.\n\n"
	    "These messages in the queue cannot be delivered, because their\n"
	    "files are damaged.  Their senders have not been notified.  The\n"
	    "usual causes are a full or failing disk, and files that were\n"
	    "edited or copied by hand.  The files are kept in\n\n"
	    "    %s/corrupt\n\n"
	    "What can still be read of a message is shown by the first of\n"
	    "these commands; the second one sends it to the recipients that\n"
	    "can be read, or to others that are given after the id:\n\n"
	    "    dma queue show ID\n"
	    "    dma queue requeue ID\n\n"
	    "Remove files that are of no use.\n\n",
	    conf->names.mailname, conf->where.spool);
	put_files(b, d);
}

static int
commit(const struct damaged *d, const struct conf *conf,
    const struct spool *sp, time_t now, const char *id, struct result *res)
{
	const struct own_mail own = { conf, id, "postmaster",
	    "Damaged files in the mail queue", "auto-generated", now };
	struct message m;
	size_t header;
	struct buf b;
	int ret;

	message_init(&m);
	m.arrived = now;
	m.text.flags = MESSAGE_DOUBLE_BOUNCE;
	buf_init(&b, 0);
	own_mail_put_header(&b, &own);
	buf_puts(&b, "Content-Type: text/plain; charset=us-ascii\n\n");
	header = b.len;
	put_text(&b, d, conf);
	if (message_add(&m, "postmaster") == NULL)
		b.failed = 1;
	ret = own_mail_commit(sp, id, &m, &b, header, res);
	buf_fini(&b);
	message_fini(&m);
	return ret;
}

int
damaged_report(struct damaged *d, const struct conf *conf,
    const struct spool *sp, time_t now, char id[QUEUE_ID_MAX + 1],
    struct result *res)
{
	size_t i;

	id[0] = '\0';
	if (count_unknown(d) == 0)
		return 0;
	spool_new_id(id);
	memcpy(id + strlen(id), MARK, sizeof(MARK));
	if (commit(d, conf, sp, now, id, res) == -1)
		return -1;
	for (i = 0; i < d->n; i++)
		d->list[i].is_known = 1;
	return 0;
}
