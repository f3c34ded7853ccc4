/*
 * message.c - a queued message and its recipients, in memory.
 * Runs as: anyone.  Uses: the log.
 * Promise: a message that was freed can be freed again.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "lib/array.h"
#include "lib/io.h"
#include "message.h"

void
message_init(struct message *m)
{
	memset(m, 0, sizeof(*m));
	m->fd = -1;
}

void
message_fini(struct message *m)
{
	uint32_t i;

	for (i = 0; i < m->nrcpts; i++) {
		free(m->rcpts[i].address);
		free(m->rcpts[i].owner);
		free(m->rcpts[i].orcpt);
		free(m->rcpts[i].sender);
		result_fini(&m->rcpts[i].last);
	}
	free(m->rcpts);
	free(m->index.slots);
	io_close(&m->fd);
	message_init(m);
}

int
message_id_ok(const char *id)
{
	size_t n = 0;

	while ((id[n] >= '0' && id[n] <= '9') || (id[n] >= 'a' &&
	    id[n] <= 'z'))
		n++;
	return n > 0 && n <= QUEUE_ID_MAX && id[n] == '\0';
}

struct recipient *
message_add(struct message *m, const char *address)
{
	struct recipient *r;

	if (m->nrcpts >= RECIPIENTS_MAX || array_grow(&m->rcpts, &m->crcpts,
	    m->nrcpts, sizeof(*r)) == -1)
		return NULL;
	r = &m->rcpts[m->nrcpts];
	memset(r, 0, sizeof(*r));
	r->address = strdup(address);
	if (r->address == NULL)
		return NULL;
	r->parent = m->nrcpts;
	r->checkpoint.length = -1;
	m->nrcpts++;
	return r;
}

int
recipient_wants(const struct recipient *r, unsigned what)
{
	unsigned notify = r->notify;

	if (notify == 0)
		notify = NOTIFY_FAILURE | NOTIFY_DELAY;
	return (notify & what) != 0;
}

int
recipient_is_owed(const struct recipient *r)
{
	return r->action != ACTION_NONE && !r->is_reported;
}

const char *
message_address(const struct message *m, uint32_t i)
{
	while ((m->rcpts[i].kind == ROUTE_PIPE ||
	    m->rcpts[i].kind == ROUTE_FILE) && m->rcpts[i].parent != i)
		i = m->rcpts[i].parent;
	return m->rcpts[i].address;
}

const struct recipient *
message_first(const struct message *m, uint32_t i)
{
	unsigned n;

	for (n = 0; m->rcpts[i].parent != i && n <= DEPTH_MAX; n++)
		i = m->rcpts[i].parent;
	return &m->rcpts[i];
}

const char *
message_sender(const struct message *m, uint32_t i)
{
	return m->rcpts[i].sender == NULL ? m->sender : m->rcpts[i].sender;
}

static int
has_address(const struct recipient *r)
{
	return r->kind != ROUTE_PIPE && r->kind != ROUTE_FILE;
}

const struct recipient *
message_named(const struct message *m, uint32_t i)
{
	const char *sender = message_sender(m, i);
	unsigned n;

	for (n = 0; m->rcpts[i].parent != i && n <= DEPTH_MAX; n++) {
		if (has_address(&m->rcpts[i]) && strcmp(sender,
		    message_sender(m, m->rcpts[i].parent)) != 0)
			break;
		i = m->rcpts[i].parent;
	}
	return &m->rcpts[i];
}

void
message_log_queued(const struct message *m, const struct log *log)
{
	log_say(log, LOG_LEVEL_INFO, "id=%s uid=%" PRIu32 " from=<%s> "
	    "size=%" PRId64 " nrcpt=%" PRIu32 " status=queued", m->id,
	    m->submitter, m->sender, m->text.length, m->nrcpts);
}
