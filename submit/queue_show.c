/*
 * queue_show.c - a queued message, and what lies in dead/ and corrupt/.
 * Runs as: the spool user.  Uses: the spool by spool.c, standard output.
 * Promise: nobody sees what is not theirs; on a terminal, no control of a
 * stranger gets out.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/io.h"
#include "spool/salvage.h"
#include "submit/clean_text.h"
#include "submit/put_aside.h"
#include "submit/queue_show.h"
#include "submit/queue_walk.h"
#include "submit/time_text.h"

#define CHUNK		65536
#define PLACE_QUEUE	"queue"

/* ---- the envelope ---- */

/* As mailq has it; and of those that it does not show any more. */
static const char *
state_name(const struct message *m, uint32_t i)
{
	static const char *const done[] = {
		[RCPT_OPEN] = "new",
		[RCPT_EXPANDED] = "replaced by its targets",
		[RCPT_SENT] = "delivered",
		[RCPT_FAILED] = "failed",
	};
	enum queue_state state = queue_state(m, i);

	return state == QUEUE_STATE_DONE ? done[m->rcpts[i].state] :
	    queue_state_name(state);
}

static void
print_recipient(const struct message *m, uint32_t i, int is_root, int is_tried)
{
	struct buf b;

	buf_init(&b, 0);
	queue_put_line(&b, "To\t: ", is_root ? m->rcpts[i].address :
	    message_address(m, i));
	queue_put_line(&b, "State\t: ", state_name(m, i));
	queue_put_attempts(&b, &m->rcpts[i], is_root);
	if (is_tried)
		queue_put_next(&b, m, i, time(NULL));
	fputs(buf_str(&b), stdout);
	buf_fini(&b);
}

/* damage: why it cannot be read, or NULL. */
static void
print_envelope(const struct message *m, const char *place, const char *damage,
    int is_root)
{
	/* What is put aside, nobody tries. */
	const int is_tried = strcmp(place, PLACE_QUEUE) == 0;
	struct buf b;
	uint32_t i;

	printf("ID\t: %s\n", m->id);
	printf("Place\t: %s%s%s%s\n", place, m->is_held ? " (on hold)" : "",
	    damage == NULL ? "" : ": ", damage == NULL ? "" : damage);
	/* The preamble cannot be read. */
	if (m->text.offset == 0)
		return;
	buf_init(&b, 0);
	queue_put_line(&b, "From\t: ", m->sender[0] == '\0' ? "<>" :
	    m->sender);
	queue_put_number(&b, "Uid\t: ", m->submitter);
	queue_put_number(&b, "Size\t: ", m->text.length);
	buf_puts(&b, "Date\t: ");
	time_text_put(&b, m->arrived);
	puts(buf_str(&b));
	buf_fini(&b);
	for (i = 0; i < m->nrcpts; i++)
		print_recipient(m, i, is_root, is_tried);
}

/* ---- the text ---- */

/* Writes to the standard output, clean if that is a terminal. */
struct writer {
	struct buf	 rest;		/* the beginning of a character */
	int		 is_clean;
};

static void
write_text(struct writer *w, const char *text, size_t len, int is_end)
{
	struct buf out;
	size_t used;

	if (!w->is_clean) {
		(void)fwrite(text, 1, len, stdout);
		return;
	}
	buf_init(&out, 0);
	buf_add(&w->rest, text, len);
	used = clean_text(&out, buf_str(&w->rest), w->rest.len, is_end);
	buf_drop(&w->rest, used);
	(void)fwrite(buf_str(&out), 1, out.len, stdout);
	buf_fini(&out);
}

/* Bytes of a chunk that belong to the header; *last: of the one before. */
static size_t
header_part(const char *text, size_t len, char *last, int *is_over)
{
	size_t i;

	for (i = 0; i < len && !*is_over; i++) {
		*is_over = text[i] == '\n' && *last == '\n';
		*last = text[i];
	}
	return i;
}

/* -1 with errno. */
static int
print_text(const struct message *m, const struct show *show)
{
	struct writer w = { .is_clean = !show->is_raw &&
	    isatty(STDOUT_FILENO) };
	int64_t at = m->text.offset, end = at + m->text.length;
	int ret = 0, is_over = 0;
	static char chunk[CHUNK];
	char last = '\n';
	size_t n, header;

	buf_init(&w.rest, 0);
	for (; at < end && ret == 0 && !(is_over &&
	    show->part == SHOW_HEADER); at += (int64_t)n) {
		n = end - at < CHUNK ? (size_t)(end - at) : CHUNK;
		ret = io_pread_all(m->fd, chunk, n, at);
		if (ret == -1)
			break;
		header = header_part(chunk, n, &last, &is_over);
		if (show->part != SHOW_BODY)
			write_text(&w, chunk, header, 0);
		if (show->part != SHOW_HEADER)
			write_text(&w, chunk + header, n - header, 0);
	}
	write_text(&w, "", 0, 1);
	buf_fini(&w.rest);
	return ret;
}

/* ---- one message ---- */

/* A message, and where it is. */
struct shown {
	const char	*place;		/* PLACE_QUEUE, or the folder */
	struct message	 m;
	enum spool_got	 got;
	struct result	 res;		/* why it is damaged */
	int		 is_root;	/* the caller */
};

static void
shown_fini(struct shown *s)
{
	message_fini(&s->m);
	result_fini(&s->res);
}

/* 1 when it is there, and the caller may see it; then shown_fini() it. */
static int
load(struct shown *s, const struct caller *c, const struct spool *sp,
    const char *place, const char *id)
{
	memset(s, 0, sizeof(*s));
	result_init(&s->res);
	s->place = place;
	s->is_root = c->uid == 0;
	s->got = spool_load(sp, id, 0, &s->m, &s->res);
	/* The submitter of a file without a preamble is unknown. */
	if (s->got != SPOOL_GONE && (s->is_root || (s->m.text.offset != 0 &&
	    s->m.submitter == c->uid)))
		return 1;
	shown_fini(s);
	return 0;
}

static int
find(struct shown *s, const struct caller *c, const struct spool *sp,
    const char *id)
{
	struct spool folder;
	const char *place;
	int found;

	if (load(s, c, sp, PLACE_QUEUE, id))
		return 1;
	place = put_aside_open(sp, id, &folder);
	if (place == NULL)
		return 0;
	found = load(s, c, &folder, place, id);
	spool_close(&folder);
	return found;
}

static int
show_message(struct shown *s, const struct show *show)
{
	if (s->got == SPOOL_LATER) {
		log_stderr("%s: %s", s->m.id, s->res.reason);
		return EX_IOERR;
	}
	print_envelope(&s->m, s->place, s->got == SPOOL_CORRUPT ?
	    s->res.reason : NULL, s->is_root);
	if (s->got == SPOOL_CORRUPT && salvage_text(&s->m) == -1)
		return 0;
	printf("\n");
	if (print_text(&s->m, show) == 0)
		return 0;
	log_stderr("%s: %s", s->m.id, strerror(errno));
	return EX_IOERR;
}

int
queue_show(const struct caller *c, const struct spool *sp,
    const struct show *show, const char *id)
{
	struct shown s;
	int status;

	if (!find(&s, c, sp, id)) {
		log_stderr("%s: %s: see mailq", id, c->uid == 0 ?
		    "no such message" : "no such message of yours");
		return EX_NOINPUT;
	}
	status = show_message(&s, show);
	shown_fini(&s);
	return status;
}

/* ---- a folder ---- */

struct folder_listing {
	const char	*place;
	size_t		 shown;
};

static int
list_damaged(struct queue_walk *w, const struct message *m,
    const struct result *res)
{
	struct folder_listing *l = w->arg;

	if (l->shown++ > 0)
		printf("--\n");
	print_envelope(m, l->place, res->reason, w->caller->uid == 0);
	return ferror(stdout);
}

static int
list_one(struct queue_walk *w, const struct message *m)
{
	static const struct result none = { .reason = NULL };

	return list_damaged(w, m, &none);
}

static int
cannot_list(const char *name)
{
	log_stderr("%s: %s", name, strerror(errno));
	return EX_OSERR;
}

/* The last line.  Files of upstream dma are there under their own names. */
static void
print_end(const struct folder_listing *l, int is_root, size_t nfiles)
{
	size_t others = is_root && nfiles > l->shown ? nfiles - l->shown : 0;

	if (l->shown == 0 && others == 0) {
		printf(is_root ? "%s is empty\n" :
		    "%s contains no message of yours\n", l->place);
		return;
	}
	printf("-- %zu message%s in %s", l->shown, l->shown == 1 ? "" : "s",
	    l->place);
	if (others > 0)
		printf(", and %zu file%s of upstream dma", others,
		    others == 1 ? "" : "s");
	printf(".\n");
}

int
queue_list(const struct caller *c, const struct spool *sp, const char *name)
{
	struct folder_listing l = { name, 0 };
	struct spool folder;
	struct queue_walk w = { .sp = &folder, .caller = c, .each = list_one,
	    .damaged = list_damaged, .arg = &l };
	int ret;

	if (spool_open_folder(sp, name, &folder) == 0) {
		ret = queue_walk(&w);
		spool_close(&folder);
		if (ret == -1)
			return cannot_list(name);
	} else if (errno != ENOENT) {
		return cannot_list(name);
	}
	print_end(&l, c->uid == 0, spool_count(sp, name));
	return 0;
}
