/*
 * records.h - every record that passes between processes, declared once.
 *
 * The name says who answers; the columns say who sends it, over which socket,
 * with which fields in order and which descriptors.  Fields: u32, u64, text
 * (no controls), bytes.  "channel" is a SOCK_SEQPACKET pair made by the runner
 * for one request alone: what comes over it is believed for that request only.
 */
#ifndef RECORDS_H
#define RECORDS_H

#include "lib/submit_records.h"

enum ipc_type {
	/* runner -> forward branch: what is in this user's ~/.forward, or in
	 * the lists of this alias?  fds: channel. */
	IPC_FORWARD_REQUEST = 16,	/* u32 origin (ORIGIN_FORWARD,
				 * ORIGIN_ALIASES), text user or alias */
	/* forward child -> runner, over the channel: a part of a list of the
	 * alias. */
	IPC_FORWARD_LIST,	/* text path, "" where it goes on with the one
				 * before; bytes text */
	/* forward child -> runner, over the channel: the end of it. */
	IPC_FORWARD_REPLY,	/* u32 verdict (FORWARD_*), bytes text; for
				 * FORWARD_TEXT of a .forward then its lists:
				 * (text path, bytes text)* */
	/* runner -> forward child, over the channel: the same question again;
	 * it reads anew. */
	IPC_FORWARD_AGAIN,	/* - */
	/* runner -> a branch: this runner leaves, and another one is wanted.
	 * The last record. */
	IPC_HELPER_SUCCESSOR,	/* - */

	/* runner -> deliver branch.  fds: message file, channel. */
	IPC_DELIVER_REQUEST = 32,	/* u32 kind (enum route_kind),
				 * u32 origin (enum origin),
				 * text name (a user; for ORIGIN_ALIASES the
				 * alias), u32 entry, u64 digest, text queue id,
				 * u32 index of the recipient, text sender,
				 * text recipient, text original recipient,
				 * u64 arrived, u64 offset, u64 length,
				 * u64 mark dev, u64 mark ino, u64 mark length
				 * (all ones: none), u32 flags (MESSAGE_*) */
	/* This and what follows has the id of its delivery's request.
	 * deliver child -> runner, over the channel: locked, about to append
	 * at this place; wait for IPC_DELIVER_ACKNOWLEDGE.  Several may be
	 * out at once, in order.  For a Maildir: the file that is about to
	 * get its name in new/, and length 0. */
	IPC_DELIVER_CHECKPOINT,		/* u64 dev, u64 ino, u64 length */
	/* runner -> deliver child, over the channel: noted, write.  In the
	 * order of what they answer. */
	IPC_DELIVER_ACKNOWLEDGE,		/* - */
	/* deliver child -> runner, over the channel: about to exec; fds: read
	 * end of the pipe that is the command's output. */
	IPC_DELIVER_OUTPUT,	/* - */
	/* deliver child -> runner, over the channel: what became of it. */
	IPC_DELIVER_RESULT,	/* a result: lib/result.h */
	/* deliver branch -> runner: that child is reaped. */
	IPC_DELIVER_EXIT,	/* u32 wait status, u32 timed out (0, 1) */
	/* runner -> deliver child, over the channel: another message for the
	 * same mbox; what names user, kind and entry is not in it.
	 * fds: message file. */
	IPC_DELIVER_NEXT,	/* from the queue id on as
				 * IPC_DELIVER_REQUEST */
	/* runner -> delivery helper: end the child of that request now. */
	IPC_DELIVER_CANCEL,	/* - */

	/* runner -> dma-remote, first record: the next hop. */
	IPC_REMOTE_DESTINATION = 48,	/* u32 kind (DESTINATION_*), text name
				 * (mail domain;
				 * "" for DESTINATION_SMARTHOST; for
				 * DESTINATION_SENDER the relays), text user
				 * of auth.conf or "", u32 attempts that
				 * left addresses untried */
	/* runner -> dma-remote: a message; its recipients follow in
	 * IPC_REMOTE_RECIPIENTS.  The request id is the job.  fds: message
	 * file. */
	IPC_REMOTE_MESSAGE,		/* text queue id, text sender, u32 flags
				 * (MESSAGE_*), u64 offset, u64 length,
				 * u64 lines, u32 number of recipients,
				 * u32 ret (enum ret), text envid,
				 * u32 is watched (0, 1),
				 * u32 is suspect (0, 1): see
				 * result_is_lost(), u64 turn: lower ones
				 * are sent first */
	/* runner -> dma-remote: recipients of the job, as many as fit. */
	IPC_REMOTE_RECIPIENTS,	/* (u32 index, text address, u32 notify
				 * (NOTIFY_*), text orcpt)* */
	/* dma-remote -> runner: statuses; final for this attempt. */
	IPC_REMOTE_STATUS,	/* (u32 index, a result, text server that
				 * the result names or "", text host, u32
				 * passed on (0, 1): the host reports what
				 * comes of it)* */
	/* dma-remote -> runner: a transaction of the job is over and all its
	 * statuses have been told: write them down now.  remaining 0: the job
	 * is over. */
	IPC_REMOTE_RECORD,	/* u32 recipients remaining */

	/* dma-remote, or what should have become it -> runner, before it ends:
	 * why nothing can be sent. */
	IPC_REMOTE_TROUBLE,	/* text why */
	/* dma-remote -> runner: a line of the dialogue, for who watches the
	 * job; id 0: of the session, for who watches any of them.  It begins
	 * with "<", "=" or ">". */
	IPC_REMOTE_DIALOGUE,	/* text line */
	/* dma-remote, which has no log of its own -> runner: an event. */
	IPC_REMOTE_LOG,		/* u32 level (enum log_level), text line */
	/* runner -> dma-remote: other destinations wait: defer every message
	 * whose text is not on the way. */
	IPC_REMOTE_YIELD,
	/* front end -> dma-remote, after the destination, and instead of
	 * messages: try each of its hosts, as far as a login. */
	IPC_REMOTE_PROBE,	/* - */
	/* front end -> a dma-remote that reads no auth.conf, before a probe:
	 * the login to try. */
	IPC_REMOTE_LOGIN,	/* bytes lines of auth.conf */
	/* dma-remote -> front end: something that was found out. */
	IPC_REMOTE_FINDING,	/* u32 level (enum probe_level), text what it
				 * is about, bytes text */
	/* dma-remote -> front end: the probe is over. */
	IPC_REMOTE_PROBED,	/* u32 hosts that take mail */
	/* dma-remote -> runner, before the statuses of the jobs that this is
	 * the reason for: no host of the destination can be reached, or none
	 * gets as far as MAIL. */
	IPC_REMOTE_NO_HOST,	/* a result (deferred), text server that it
				 * names or "", text host */
	/* runner -> dma-remote: the job with this request id is not wanted
	 * any more.  It ends at once, its statuses deferred, unless a server
	 * has all of the message: then with what that says. */
	IPC_REMOTE_CANCEL,		/* - */

	/* dma-remote -> the process beside it that runs commands: the secret
	 * of this entry of auth.conf is wanted. */
	IPC_AUTH_COMMAND_REQUEST = 72,	/* u32 index */
	/* back: the output, or why there is none. */
	IPC_AUTH_COMMAND_REPLY,		/* u32 is good (0, 1), bytes output
				 * or why */

	/* front end of dma setup -> the process of root that writes: once. */
	IPC_SETUP_WRITE = 76,	/* text relay, text masquerade, text user,
				 * text password */
	/* back. */
	IPC_SETUP_WRITTEN,	/* u32 is good (0, 1), text why not */

	/* any dma as _dma -> runner, over the datagram socket SPOOLDIR/wake:
	 * that message is new, or any may be. */
	IPC_WAKE = 64,		/* text queue id or "" */
	/* same: somebody waits until what is queued now was tried.  fds: an
	 * end of a channel that was made as the caller, by which the kernel
	 * says who that is. */
	IPC_FLUSH,		/* - */
	/* caller -> runner, over that channel.  fds, unless the caller is
	 * known from an earlier one: write end of a pipe, which the runner
	 * closes in the end. */
	IPC_FLUSH_REQUEST,	/* text queue id or "" for all, u32 flags
				 * (FLUSH_*) */
	/* the same: a command about some messages, with such a pipe.  The
	 * runner writes a line for each id, "id verdict text", where verdict is
	 * "ok" (text, of QUEUE_RETRY: "sent", "deferred" or "failed", the
	 * worst of its recipients; else what it is now, or empty), "late"
	 * (text: what was done before the command; of QUEUE_RETRY, that it is
	 * held), "unknown" (not queued, or not the caller's) or "failed"
	 * (text: why); then one byte that is 0, or 1 and a reason when the
	 * command as a whole failed.  Each line comes as soon as it is true, so
	 * that a caller can count them.  Lines of a dialogue (FLUSH_WATCH) come
	 * between: they begin with ">", "<" or "=". */
	IPC_QUEUE_REQUEST,	/* u32 command (enum queue_command), u32 flags
				 * (FLUSH_WATCH, of QUEUE_RETRY; else 0), bytes
				 * queue ids, a newline after each */
	/* the same: root, or that user, wants to know what is in a ~/.forward.
	 * fds: an end of a channel of the spool user's, which the forward child
	 * replies over as to the runner; such a pipe, which gets one byte when
	 * it is asked, as above. */
	IPC_FORWARD_SHOW	/* text user */
};

/* Limits of each socket, octets of a record. */
#define IPC_FORWARD_LIMIT	1024		/* requests */
#define IPC_DELIVER_LIMIT	8192		/* requests */
#define IPC_CHANNEL_LIMIT	(66 * 1024)	/* answers over a channel */
#define IPC_REMOTE_LIMIT	(64 * 1024)
#define REMOTE_SERVER_MAX 336	/* bytes of "name[address] port N" */
#define PROBE_ABOUT_MAX	400	/* bytes of what a finding is about */
#define PROBE_TEXT_MAX	4096	/* and of its text */
#define IPC_AUTH_COMMAND_LIMIT	(9 * 1024)
#define IPC_SETUP_LIMIT		4096
#define IPC_WAKE_LIMIT		128

/*
 * The arguments of dma-remote: the version of its records, which changes with
 * any of them; and for one that is to try a login it is given.
 */
#define REMOTE_VERSION	"2"
#define REMOTE_GIVEN	"--given-login"

#define IPC_QUEUE_LIMIT		8192
#define QUEUE_IDS_MAX	256	/* of a request: its reply fits into a pipe */

enum queue_command {
	QUEUE_RETRY,		/* try it now, and reply when it was tried */
	QUEUE_HOLD,		/* no attempt until it is released */
	QUEUE_RELEASE,
	QUEUE_DELETE,		/* without a report to anybody */
	QUEUE_BOUNCE,		/* open recipients fail now */
	QUEUE_STATUS,		/* no ids */
	QUEUE__MAX
};

/*
 * The lines of QUEUE_STATUS, a TAB before each value; there may be others.
 * Callers who see the messages of all get all of them, others the first.
 *	runner	pid, version, since when (seconds since 1970), "init" or "call"
 *		(who started it)
 *	active	messages of which a recipient is being tried
 *	destination	"relay", "domain" or "sender", name, its process
 *		("connected", "idle", or "waiting" for one), messages that it
 *		has, reason ("" or why nothing can be sent)
 *	messages	state, number of messages: of those in memory that are
 *		"new", "waiting", "ready", "until_flush", "held", "loaded" or
 *		"postponed"
 *	oldest	queue id
 *	backoff	kind and name as above: one that could not be reached, failures
 *		in a row, next attempt (seconds since 1970), messages that wait
 *		for it alone, reason
 *	omitted	destinations without room in the reply
 */

#define FLUSH_WATCH	0x01	/* the caller is shown the dialogue */
#define FLUSH_COMING	0x02	/* that message is about to be committed */
#define FLUSH_COUNT	0x04	/* after each message, the caller is shown the
				 * line "+left sent deferred failed" */

enum forward_verdict {
	FORWARD_NONE,		/* the user exists and has no .forward */
	FORWARD_TEXT,		/* here it is; of an alias: the lists were */
	FORWARD_REFUSED,	/* it may not be used; text: why */
	FORWARD_NOUSER,		/* no such user */
	FORWARD_LATER		/* can't tell now; text: why */
};

enum destination_kind {
	DESTINATION_SMARTHOST,		/* the relays of dma.conf */
	DESTINATION_DOMAIN,		/* the mail exchangers of a domain */
	DESTINATION_SENDER	/* the relays of a sender, with one login */
};

enum probe_level {
	PROBE_OK,
	PROBE_WARNING,		/* mail is sent all the same */
	PROBE_ERROR		/* it is deferred */
};

#endif
