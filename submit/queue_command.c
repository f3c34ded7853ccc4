/*
 * queue_command.c - dma queue: what root and users do with queued messages.
 * Runs as: the spool user.  Uses: the queue by spool.c, the runner by
 * queue_batch.c; standard input for ids.
 * Promise: nothing is done by a call that is not understood.
 */
#include <errno.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/io.h"
#include "priv/user.h"
#include "submit/queue_batch.h"
#include "submit/queue_command.h"
#include "submit/queue_show.h"
#include "submit/requeue.h"
#include "submit/selection.h"
#include "submit/usage.h"

#define LINE_MAX_BYTES	256	/* of a line with an id */

struct queue_call {
	const struct caller *caller;
	const struct options *o;
	const struct conf *conf;
	const struct spool *sp;
	const struct log *log;
	int		 first;		/* of the arguments: an id */
	struct selection selection;
};

/* ---- commands for the runner ---- */

/* As the runner has it: of others' messages, some may be tried by a group. */
static int
may_all(const struct queue_call *q, const struct queue_batch *b)
{
	return q->caller->uid == 0 || (b->command == QUEUE_RETRY &&
	    user_in_group(q->caller->uid, q->conf->limits.mailq_group));
}

static int
give_selected(struct queue_call *q, struct queue_batch *b)
{
	const struct selection_scope scope = { q->caller->uid,
	    may_all(q, b) };

	if (selection_each(&q->selection, &scope, q->sp, queue_batch_each,
	    b) == -1 && b->status == 0) {
		log_stderr("queue: %s", strerror(errno));
		return EX_OSERR;
	}
	if (b->given > 0 || b->status != 0)
		return queue_batch_end(b);
	log_stderr("%s is selected: see mailq", scope.sees_all ? "no message" :
	    "no message of yours");
	return EX_NOINPUT;
}

/* A line of standard input: 0, or an exit status. */
static int
give_line(struct queue_batch *b, char *line)
{
	char *id = text_skip_blanks(line);

	id[strcspn(id, " \t\r")] = '\0';
	if (id[0] == '\0')
		return 0;
	if (!message_id_ok(id)) {
		log_stderr("standard input: \"%s\" is not a queue id", id);
		return EX_DATAERR;
	}
	return queue_batch_add(b, id) == -1 ? b->status : 0;
}

/* Gives the whole lines; at the end, also an unfinished one. */
static int
give_lines(struct queue_batch *b, struct buf *text, int is_end)
{
	char *line, *end;
	int status = 0;

	if (is_end)
		buf_putc(text, '\n');
	if (buf_failed(text))
		return EX_DATAERR;
	for (line = text->data; status == 0 && (end = memchr(line, '\n',
	    text->len - (size_t)(line - text->data))) != NULL;
	    line = end + 1) {
		*end = '\0';
		status = give_line(b, line);
	}
	buf_drop(text, (size_t)(line - text->data));
	return status;
}

static int
give_input(struct queue_call *q, struct queue_batch *b)
{
	char chunk[LINE_MAX_BYTES];
	struct buf text;
	int status = 0, last;
	ssize_t n = 1;

	/* A line that is too long is no id. */
	buf_init(&text, 3 * LINE_MAX_BYTES);
	while (n > 0 && status == 0) {
		caller_ask_input(q->caller);
		n = io_read(STDIN_FILENO, chunk, sizeof(chunk));
		if (n > 0)
			buf_add(&text, chunk, (size_t)n);
		status = n == -1 ? EX_NOINPUT : give_lines(b, &text, n == 0);
	}
	if (n == -1)
		log_stderr("standard input: %s", strerror(errno));
	else if (buf_failed(&text))
		log_stderr("standard input: a line is too long");
	buf_fini(&text);
	last = queue_batch_end(b);
	return status != 0 ? status : last;
}

static int
give_arguments(struct queue_call *q, struct queue_batch *b)
{
	int i;

	b->progress.total = (size_t)(q->o->nrcpts - q->first);
	for (i = q->first; i < q->o->nrcpts; i++)
		if (queue_batch_add(b, q->o->rcpts[i]) == -1)
			break;
	return queue_batch_end(b);
}

static int
command_runner(struct queue_call *q, enum queue_command command)
{
	struct queue_batch b;
	int status;

	if (queue_batch_init(&b, q->sp, q->caller, command) == -1) {
		log_stderr("cannot reach the runner: %s", strerror(errno));
		queue_batch_fini(&b);
		return EX_TEMPFAIL;
	}
	b.log = q->log;
	if (selection_is_given(&q->selection)) {
		status = give_selected(q, &b);
	} else if (strcmp(q->o->rcpts[q->first], "-") == 0) {
		status = give_input(q, &b);
	} else {
		status = give_arguments(q, &b);
	}
	queue_batch_fini(&b);
	return status;
}

/* ---- arguments ---- */

#define PRINT_MAX	64	/* bytes of an argument that are shown */

/* A long or hostile argument is cut, and cleaned by log_stderr(). */
static int
refuse(const char *argument, const char *why)
{
	log_stderr("queue: \"%.*s\": %s", PRINT_MAX, argument, why);
	return EX_USAGE;
}

static int
check_id(const char *id)
{
	return message_id_ok(id) ? 0 : refuse(id, "not a queue id: they have "
	    "lower-case letters and digits only, see mailq");
}

/* One that begins with "--", and its text. */
static int
take_condition(struct queue_call *q, const char *name, const char *text)
{
	const char *why;

	why = selection_add(&q->selection, strcmp(name, "--sender") == 0 ?
	    SELECTION_SENDER : SELECTION_RECIPIENT, 0,
	    text == NULL ? "" : text);
	return why == NULL ? 0 : refuse(name, why);
}

static int
take_options(struct queue_call *q)
{
	const char *a;
	int status;

	for (; q->first < q->o->nrcpts; q->first++) {
		a = q->o->rcpts[q->first];
		if (a[0] != '-' || a[1] == '\0')
			return 0;
		if (strcmp(a, "--all") == 0) {
			q->selection.is_all = 1;
			continue;
		}
		if (strcmp(a, "--sender") != 0 && strcmp(a,
		    "--recipient") != 0)
			return refuse(a, "the options are --sender TEXT, "
			    "--recipient TEXT and --all");
		status = take_condition(q, a, ++q->first < q->o->nrcpts ?
		    q->o->rcpts[q->first] : NULL);
		if (status != 0)
			return status;
	}
	return 0;
}

static int
check_input(const struct queue_call *q)
{
	if (q->caller->has_stdin)
		return 0;
	log_stderr("standard input is closed: the queue ids must be given "
	    "there");
	return EX_NOINPUT;
}

/* Ids or "-" or a selection. */
static int
check_arguments(const struct queue_call *q)
{
	int n = q->o->nrcpts - q->first, i;

	if (n <= 0 && !selection_is_given(&q->selection))
		return refuse(q->o->rcpts[1], "requires queue ids, as mailq "
		    "shows them, or --sender, --recipient or --all");
	if (n > 0 && selection_is_given(&q->selection))
		return refuse(q->o->rcpts[q->first], "give queue ids or a "
		    "selection, not both");
	if (q->selection.is_all && q->selection.n > 0)
		return refuse("--all", "selects what --sender and "
		    "--recipient do not: leave it out");
	if (n == 1 && strcmp(q->o->rcpts[q->first], "-") == 0)
		return check_input(q);
	for (i = q->first; i < q->o->nrcpts; i++)
		if (check_id(q->o->rcpts[i]) != 0)
			return EX_USAGE;
	return 0;
}

/* ---- other commands ---- */

static int
show_option(struct show *show, const char *a)
{
	if (strcmp(a, "--body") == 0)
		show->part = SHOW_BODY;
	else if (strcmp(a, "--message") == 0)
		show->part = SHOW_MESSAGE;
	else if (strcmp(a, "--raw") == 0)
		show->is_raw = 1;
	else
		return refuse(a, "the options are --body, --message and --raw");
	return 0;
}

static int
command_show(struct queue_call *q)
{
	struct show show = { .part = SHOW_HEADER };
	int i, status = 0;

	for (; q->first < q->o->nrcpts && status == 0 &&
	    q->o->rcpts[q->first][0] == '-'; q->first++)
		status = show_option(&show, q->o->rcpts[q->first]);
	if (status == 0 && q->o->nrcpts - q->first != 1)
		status = refuse("show", "requires one queue id, after the "
		    "options");
	for (i = q->first; i < q->o->nrcpts && status == 0; i++)
		status = check_id(q->o->rcpts[i]);
	return status != 0 ? status : queue_show(q->caller, q->sp, &show,
	    q->o->rcpts[q->first]);
}

static int
command_list(struct queue_call *q)
{
	const char *name = q->o->nrcpts == 3 ? q->o->rcpts[2] : "";

	if (strcmp(name, "dead") != 0 && strcmp(name, "corrupt") != 0)
		return refuse("list", "takes dead or corrupt; for the queue, "
		    "use mailq");
	return queue_list(q->caller, q->sp, name);
}

static int
command_requeue(struct queue_call *q)
{
	int status;

	if (q->o->nrcpts < 3)
		return refuse("requeue", "requires a queue id, and may have "
		    "recipients after it");
	status = check_id(q->o->rcpts[2]);
	return status != 0 ? status : requeue(q->caller, q->sp, q->log,
	    q->o->rcpts[2], q->o->rcpts + 3, q->o->nrcpts - 3);
}

/* run: or NULL, and the command is for the runner. */
static const struct queue_verb {
	const char	*name;
	enum queue_command command;
	int		(*run)(struct queue_call *);
} verbs[] = {
	{ "retry", QUEUE_RETRY, NULL }, { "hold", QUEUE_HOLD, NULL },
	{ "release", QUEUE_RELEASE, NULL }, { "delete", QUEUE_DELETE, NULL },
	{ "bounce", QUEUE_BOUNCE, NULL }, { "show", 0, command_show },
	{ "list", 0, command_list }, { "requeue", 0, command_requeue },
};

int
queue_command(const struct caller *caller, const struct options *o,
    const struct conf *conf, const struct spool *sp, const struct log *log)
{
	struct queue_call q = { caller, o, conf, sp, log, 2, { .n = 0 } };
	const char *name = o->nrcpts > 1 ? o->rcpts[1] : "";
	size_t i;
	int status;

	for (i = 0; i < sizeof(verbs) / sizeof(*verbs); i++) {
		if (strcmp(name, verbs[i].name) != 0)
			continue;
		if (verbs[i].run != NULL)
			return verbs[i].run(&q);
		status = take_options(&q);
		if (status == 0)
			status = check_arguments(&q);
		return status != 0 ? status : command_runner(&q,
		    verbs[i].command);
	}
	if (o->nrcpts < 2)
		return usage_refuse(o->mode);
	return refuse(name, "the commands are hold, release, delete, bounce, "
	    "retry, show, list and requeue");
}
