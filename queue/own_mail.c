/*
 * own_mail.c - messages that this host itself sends: their header, the commit.
 * Runs as: the spool user.  Uses: the queue by spool.c.
 * Promise: the same id twice is one message.
 */
#include <errno.h>
#include <string.h>

#include "conf/local_names.h"
#include "lib/mail.h"
#include "queue/own_mail.h"

void
own_mail_put_header(struct buf *b, const struct own_mail *o)
{
	const char *host = o->conf->names.mailname;
	char date[64];

	header_date(date, sizeof(date), o->now);
	buf_printf(b, "Received: by %s (dma %s)\n\tid %s; %s\nDate: %s\n", host,
	    DMA_VERSION, o->id, date, date);
	buf_printf(b, "From: Mail Delivery System <MAILER-DAEMON@%s>\nTo: ",
	    host);
	names_put_qualified(b, &o->conf->names, o->to);
	buf_printf(b, "\nSubject: %s\n"
	    "Message-ID: <%s@%s>\n"
	    "Auto-Submitted: %s\n"
	    "MIME-Version: 1.0\n", o->subject, o->id, host, o->origin);
}

static void
set_facts(struct message *m, const struct buf *text, size_t header)
{
	struct mail_facts facts;

	memset(&facts, 0, sizeof(facts));
	facts.in_header = 1;
	mail_count(&facts, text->data, header);
	facts.in_header = 0;
	mail_count(&facts, text->data + header, text->len - header);
	m->text.lines = facts.lines;
	m->text.flags |= facts.flags;
}

int
own_mail_commit(const struct spool *sp, const char *id, struct message *m,
    const struct buf *text, size_t header, struct result *res)
{
	struct draft draft;
	int ret = -1;

	if (buf_failed(text))
		return result_set(res, STATUS_DEFERRED, "4.3.0",
		    "out of memory");
	set_facts(m, text, header);
	m->sender[0] = '\0';
	if (draft_begin(sp, &draft, id, res) == 0 &&
	    draft_write(&draft, text->data, text->len, res) == 0 &&
	    draft_seal(&draft, m, res) == 0) {
		/* It exists: a kill came between it and our journal. */
		if (draft_publish(&draft, res) == 0 || errno == EEXIST)
			ret = 0;
	}
	draft_drop(&draft);
	return ret;
}
