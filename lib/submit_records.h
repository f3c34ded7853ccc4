/*
 * submit_records.h - the records between a client of RUNDIR/submit and the
 * "dma --submit" that init started for it; over a stream socket, see ipc.h.
 */
#ifndef LIB_SUBMIT_RECORDS_H
#define LIB_SUBMIT_RECORDS_H

enum submit_record {
	/* dma --submit -> its client: there is a place for it. */
	IPC_SUBMIT_READY = 80,	/* - */
	/* back: the call.  fds: those of 0 to 2 that it has (SUBMIT_*), and one
	 * to read strings from: argv, then variables. */
	IPC_SUBMIT_CALL,	/* u32 which of SUBMIT_*, u32 argc, u32 length
				 * of the strings */
	/* dma --submit -> its client: a piece of the standard input that the
	 * client writes (SUBMIT_FED) is wanted. */
	IPC_SUBMIT_INPUT,	/* - */
	/* dma --submit -> its client, as the last one: how it ended. */
	IPC_SUBMIT_STATUS	/* u32 exit status, text reason or "" */
};

#define IPC_SUBMIT_LIMIT	1024		/* bytes of a record */
#define SUBMIT_REASON_MAX	512
#define SUBMIT_STRINGS_MAX	(8 * 1024 * 1024)	/* above any exec's */

#define SUBMIT_STDIN	0x01	/* shifted by 1 and 2: output and error */
#define SUBMIT_FED	0x08	/* the client itself writes standard input */

#endif
