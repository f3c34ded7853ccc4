/*
 * commands.h - commands about queued messages: hold, release, delete, bounce,
 * retry, and the status of the runner.
 */
#ifndef QUEUE_COMMANDS_H
#define QUEUE_COMMANDS_H

#include "queue/active.h"
#include "queue/self_report.h"

/*
 * Messages for which commands are obeyed in a turn of the runner, so that
 * deliveries go on in between: of all callers, who share them evenly, no more
 * than may be active; of one caller; and of one that bounces, as each of those
 * is synced several times.  A caller has no more than that time, in which one
 * is always obeyed.
 */
#define COMMANDS_OF_ALL	256
#define COMMANDS_MAX	64
#define COMMANDS_BOUNCE	8
#define COMMANDS_MS	50

enum command_right {
	COMMAND_ALLOWED,
	COMMAND_UNKNOWN,	/* as if the message did not exist */
	COMMAND_DENIED		/* the caller may only see it */
};

/*
 * Root may give commands about all messages, users about their own.  A caller
 * who sees all messages may have them all tried, as by a flush.
 */
enum command_right command_right(enum queue_command, uint32_t uid,
	    int sees_all, uint32_t submitter);
/*
 * Reads the ids of a request into a new command; NULL if they are malformed.
 */
struct watcher_command *command_new(uint32_t command, const char *ids,
	    size_t len);
/*
 * Obeys some of the callers' commands: 1 when more are left.  QUEUE_STATUS is
 * answered with the report of the runner about itself.
 */
int	commands_obey(struct active *, const struct self *);

#endif
