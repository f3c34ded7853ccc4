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

	/* runner -> deliver branch.  fds: message file, channel. */
	IPC_DELIVER_REQUEST = 32,	/* u32 kind (enum route_kind),
				 * u32 origin (enum origin),
				 * text name (a user; for ORIGIN_ALIASES the
				 * alias), u32 entry, u64 digest, text queue id,
				 * u32 index of the recipient, text sender,
				 * text recipient, text original recipient,
				 * u64 arrived, u64 offset, u64 length,
				 * u64 mark dev, u64 mark ino, u64 mark length
				 * (all ones: none) */
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

	/* runner -> dma-remote, first record: the next hop. */
	IPC_REMOTE_DESTINATION = 48,	/* u32 kind (DESTINATION_*), text name
				 * (mail domain;
				 * "" for DESTINATION_SMARTHOST; for
				 * DESTINATION_SENDER the relays), text user
				 * of auth.conf or "" */
	/* runner -> dma-remote: a message; its recipients follow in
	 * IPC_REMOTE_RECIPIENTS.  The request id is the job.  fds: message
	 * file. */
	IPC_REMOTE_MESSAGE,		/* text queue id, text sender, u32 flags
				 * (MESSAGE_*), u64 offset, u64 length,
				 * u64 lines, u32 number of recipients,
				 * u32 ret (enum ret), text envid,
				 * u32 is watched (0, 1),
				 * u32 is suspect (0, 1): see
				 * result_is_lost() */
	/* runner -> dma-remote: recipients of the job, as many as fit. */
	IPC_REMOTE_RECIPIENTS,	/* (u32 index, text address, u32 notify
				 * (NOTIFY_*), text orcpt)* */
	/* dma-remote -> runner: statuses; final for this attempt. */
	IPC_REMOTE_STATUS,	/* (u32 index, a result, text host,
				 * u32 passed on (0, 1): the host reports
				 * what comes of it)* */
	/* dma-remote -> runner: a transaction of the job is over and all its
	 * statuses have been told: write them down now.  remaining 0: the job
	 * is over. */
	IPC_REMOTE_RECORD,	/* u32 recipients remaining */

	/* dma-remote, or what should have become it -> runner, before it ends:
	 * why nothing can be sent. */
	IPC_REMOTE_TROUBLE,	/* text why */
	/* dma-remote -> runner: a line of the dialogue, for who watches the
	 * job; id 0: of the session, for who watches any of them. */
	IPC_REMOTE_DIALOGUE,	/* text line */

	/* dma-remote -> the process beside it that runs commands: the secret
	 * of this entry of auth.conf is wanted. */
	IPC_AUTH_COMMAND_REQUEST = 56,	/* u32 index */
	/* back: the output, or why there is none. */
	IPC_AUTH_COMMAND_REPLY,		/* u32 is good (0, 1), bytes output
				 * or why */

	/* any dma as _dma -> runner, over the datagram socket SPOOLDIR/wake:
	 * that message is new, or any may be. */
	IPC_WAKE = 64,		/* text queue id or "" */
	/* same; fds: write end of a pipe that the runner closes when
	 * everything that is queued now was tried. */
	IPC_FLUSH		/* text queue id or "" for all, u32 flags
				 * (FLUSH_WATCH), u32 real uid of the caller */
};

/* Limits of each socket, octets of a record. */
#define IPC_FORWARD_LIMIT	1024		/* requests */
#define IPC_DELIVER_LIMIT	8192		/* requests */
#define IPC_CHANNEL_LIMIT	(66 * 1024)	/* answers over a channel */
#define IPC_REMOTE_LIMIT	(64 * 1024)
#define IPC_AUTH_COMMAND_LIMIT	(9 * 1024)
#define IPC_WAKE_LIMIT		128

#define FLUSH_WATCH	0x01	/* the caller is shown the dialogue */
#define FLUSH_COMING	0x02	/* that message is about to be committed */

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

#endif
