/*
 * bounce_fields.c - the part of a report that programs read (RFC 3464).
 * Runs as: the spool user.  Uses: nothing.
 * Promise: pure; no byte of a reply or an address can end a field.
 */
#include <string.h>

#include "conf/local_names.h"
#include "lib/dsn.h"
#include "queue/bounce_fields.h"
#include "queue/route.h"

static const struct {
	const char	*name;		/* RFC 3464 2.3.3 */
	char		 class;		/* RFC 3463 2 */
} actions[] = {
	[ACTION_FAILED] = { "failed", '5' },
	[ACTION_DELAYED] = { "delayed", '4' },
	[ACTION_DELIVERED] = { "delivered", '2' },
	[ACTION_RELAYED] = { "relayed", '2' },
	[ACTION_EXPANDED] = { "expanded", '2' },
};

static void
put_diagnostic(struct buf *b, const struct result *res)
{
	int is_servers = res->source == SOURCE_SERVER;
	struct buf line;

	buf_init(&line, 0);
	buf_printf(&line, "Diagnostic-Code: %s; ", is_servers ? "smtp" :
	    "X-dma");
	if (!bounce_has_reason(res))
		buf_puts(&line, "no reason is known");
	else if (is_servers)
		buf_puts(&line, res->reason);
	else
		result_put_reason(&line, res);
	/* The server that reported it (RFC 3464 2.3.5): not of our words. */
	if (is_servers && res->server != NULL)
		buf_printf(b, "Remote-MTA: dns; %.*s\n",
		    (int)strcspn(res->server, " ["), res->server);
	buf_put_folded(b, buf_str(&line), "", "\t");
	buf_fini(&line);
}

/* "type;address", in ASCII. */
static void
put_typed(struct buf *b, const char *name, const char *typed)
{
	buf_printf(b, "%s: ", name);
	if (strlen(typed) > ADDRESS_SHOWN || dsn_put_orcpt(b, typed, 0) == -1)
		buf_put_clean(b, typed, strlen(typed), ADDRESS_SHOWN);
	buf_putc(b, '\n');
}

static void
put_addresses(struct buf *b, const struct bounce *t, uint32_t i)
{
	struct buf typed;

	buf_init(&typed, 0);
	route_put_orcpt(&typed, &t->conf->names, t->m, i);
	put_typed(b, "Original-Recipient", buf_str(&typed));
	buf_reset(&typed);
	buf_puts(&typed, "rfc822;");
	names_put_qualified(&typed, &t->conf->names, message_address(t->m, i));
	put_typed(b, "Final-Recipient", buf_str(&typed));
	buf_fini(&typed);
}

/* The class of the code fits the action; an expired deferral keeps 4. */
static void
put_code(struct buf *b, const char *code, enum action action)
{
	size_t n = strspn(code, "0123456789.");
	char class = actions[action].class;

	if (n < 5 || code[n] != '\0' || code[1] != '.' ||
	    (code[0] != class && (action != ACTION_FAILED || code[0] != '4')))
		buf_printf(b, "Status: %c.0.0\n", class);
	else
		buf_printf(b, "Status: %s\n", code);
}

static void
put_program(struct buf *b, const struct bounce *t, uint32_t i)
{
	const struct recipient *r = &t->m->rcpts[i];
	enum action action = bounce_action(t, i);

	buf_putc(b, '\n');
	put_addresses(b, t, i);
	buf_printf(b, "Action: %s\n", actions[action].name);
	put_code(b, r->last.code, action);
	if (!bounce_has_arrived(action))
		put_diagnostic(b, &r->last);
	if (r->tried != 0)
		bounce_put_date(b, "Last-Attempt-Date: ", r->tried, "\n");
	if (action == ACTION_DELAYED)
		bounce_put_date(b, "Will-Retry-Until: ", bounce_expires(t),
		    "\n");
}

void
bounce_fields_put(struct buf *b, const struct bounce *t)
{
	uint32_t i;

	if (t->m->envid[0] != '\0' && !bounce_is_for_owner(t))
		buf_printf(b, "Original-Envelope-Id: %s\n", t->m->envid);
	buf_printf(b, "Reporting-MTA: dns; %s\n", t->conf->names.mailname);
	buf_printf(b, "X-Dma-Queue-Id: %s\n", t->m->id);
	bounce_put_date(b, "Arrival-Date: ", t->m->arrived, "\n");
	for (i = 0; i < t->m->nrcpts; i++)
		if (bounce_action(t, i) != ACTION_NONE)
			put_program(b, t, i);
}
