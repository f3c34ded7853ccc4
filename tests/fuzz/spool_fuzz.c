/*
 * spool_fuzz.c - any bytes as a queue file, and as a journal behind a good
 * preamble.  What is understood can be written, and is the same again.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/dsn.h"
#include "lib/io.h"
#include "spool.h"
#include "spool/journal.h"
#include "spool/salvage.h"

#define PREAMBLE	1024	/* docs/spool.md */

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static struct spool spool;
static char top[64];

static void
clean_up(void)
{
	unlinkat(spool.queue, "file", 0);
	unlinkat(spool.queue, "again", 0);
	unlinkat(spool.dir, "version-2", 0);
	unlinkat(spool.dir, "queue", AT_REMOVEDIR);
	rmdir(top);
	spool_close(&spool);
}

static void
make_spool(void)
{
	struct result res;
	int in_memory;

	in_memory = access("/dev/shm", W_OK) == 0;
	snprintf(top, sizeof(top), "%s/spool_fuzz.XXXXXX", in_memory ?
	    "/dev/shm" : "/tmp");
	result_init(&res);
	if (mkdtemp(top) == NULL || spool_open(&spool, top, &res) == -1)
		abort();
	spool_mark(&spool);
	atexit(clean_up);
}

static void
plant(const void *head, size_t nhead, const uint8_t *p, size_t n)
{
	int fd;

	fd = openat(spool.queue, "file", O_WRONLY | O_CREAT | O_TRUNC |
	    O_CLOEXEC, 0600);
	if (fd == -1 || io_write_all(fd, head, nhead) == -1 ||
	    io_write_all(fd, p, n) == -1)
		abort();
	close(fd);
}

static void
check_rcpt(const struct message *m, uint32_t i)
{
	const struct recipient *r = &m->rcpts[i];

	if (r->parent > i || r->state > RCPT_FAILED ||
	    r->kind > ROUTE_REMOTE || r->origin > ORIGIN_FORWARD ||
	    strlen(r->address) > TARGET_MAX || r->checkpoint.length < -1 ||
	    !text_is_clean(r->address, strlen(r->address)))
		abort();
	if (r->owner != NULL && (strlen(r->owner) > ADDRESS_MAX ||
	    !text_is_clean(r->owner, strlen(r->owner))))
		abort();
	if (!dsn_notify_ok(r->notify) || r->action > ACTION_EXPANDED ||
	    (r->orcpt != NULL && !dsn_orcpt_ok(r->orcpt)))
		abort();
	if (r->sender != NULL && (r->sender[0] == '\0' ||
	    strlen(r->sender) > ADDRESS_MAX ||
	    !text_is_clean(r->sender, strlen(r->sender))))
		abort();
	if (!text_is_clean(r->last.code, strlen(r->last.code)) ||
	    (r->last.reason != NULL && !text_is_clean(r->last.reason,
	    strlen(r->last.reason))))
		abort();
}

static void
put_notes(struct buf *b, const struct message *m)
{
	uint32_t i;

	if (m->reports.bounce_id[0] != '\0')
		journal_bounce(b, m->reports.bounce_id, m->reports.bounce_of);
	if (m->reports.warn_id[0] != '\0')
		journal_warning(b, m->reports.warn_id);
	if (m->reports.is_warned)
		journal_warned(b);
	if (m->is_held)
		journal_held(b, 1);
	for (i = 0; i < m->nrcpts; i++) {
		if (m->rcpts[i].checkpoint.length >= 0)
			journal_append(b, m, i);
		journal_state(b, m, i, 0);
	}
}

static void
write_again(const struct message *m)
{
	struct message got;
	struct draft d;
	struct result res;
	struct buf notes;
	uint32_t i;

	result_init(&res);
	buf_init(&notes, 0);
	if (draft_begin(&spool, &d, "again", &res) == -1 ||
	    draft_seal(&d, m, &res) == -1 || draft_publish(&d, &res) == -1)
		abort();
	draft_drop(&d);
	put_notes(&notes, m);
	if (spool_load(&spool, "again", 1, &got, &res) != SPOOL_GOT ||
	    spool_append(&got, &notes, 0, &res) == -1)
		abort();
	message_fini(&got);
	if (spool_load(&spool, "again", 0, &got, &res) != SPOOL_GOT ||
	    got.nrcpts != m->nrcpts || strcmp(got.sender, m->sender) != 0 ||
	    strcmp(got.reports.bounce_id, m->reports.bounce_id) != 0 ||
	    strcmp(got.reports.warn_id, m->reports.warn_id) != 0 ||
	    got.reports.is_warned != m->reports.is_warned ||
	    got.is_held != m->is_held ||
	    strcmp(got.envid, m->envid) != 0 || got.ret != m->ret)
		abort();
	for (i = 0; i < m->nrcpts; i++)
		if (strcmp(got.rcpts[i].address, m->rcpts[i].address) != 0 ||
		    got.rcpts[i].state != m->rcpts[i].state ||
		    got.rcpts[i].checkpoint.length !=
		    m->rcpts[i].checkpoint.length ||
		    got.rcpts[i].entry.digest != m->rcpts[i].entry.digest ||
		    got.rcpts[i].notify != m->rcpts[i].notify ||
		    strcmp(message_sender(&got, i), message_sender(m, i)) != 0 ||
		    (got.rcpts[i].orcpt == NULL) != (m->rcpts[i].orcpt == NULL))
			abort();
	message_fini(&got);
	spool_remove(&spool, "again", 0);
	buf_fini(&notes);
	result_fini(&res);
}

static void
load(void)
{
	struct message first, second;
	struct result res;
	enum spool_got got;
	uint32_t i;

	result_init(&res);
	got = spool_load(&spool, "file", 0, &first, &res);
	if ((got != SPOOL_GOT && got != SPOOL_CORRUPT) ||
	    spool_load(&spool, "file", 1, &second, &res) != got)
		abort();
	message_fini(&second);
	if (got == SPOOL_GOT) {
		/* Cut back to whole records it says the same. */
		if (spool_load(&spool, "file", 1, &second, &res) != got ||
		    second.nrcpts != first.nrcpts ||
		    second.reports.owed != first.reports.owed ||
		    first.reports.bounce_of >= first.nrcpts ||
		    first.nrcpts == 0)
			abort();
		message_fini(&second);
		for (i = 0; i < first.nrcpts; i++)
			check_rcpt(&first, i);
		write_again(&first);
	} else if (salvage_text(&first) == 0 && (first.text.length < 0 ||
	    first.text.offset + first.text.length >
	    lseek(first.fd, 0, SEEK_END))) {
		abort();
	}
	message_fini(&first);
	result_fini(&res);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char lines[] = "dma-queue 1\narrived 1\nsubmitter 0\n"
	    "offset 1024\nlength 0\nlines 0\nflags 0\nhops 0\nsender <a@b>\n";
	char preamble[PREAMBLE];

	if (spool.path[0] == '\0')
		make_spool();
	plant("", 0, data, size);
	load();
	memset(preamble, ' ', sizeof(preamble));
	memcpy(preamble, lines, sizeof(lines) - 1);
	plant(preamble, sizeof(preamble), data, size);
	load();
	return 0;
}
