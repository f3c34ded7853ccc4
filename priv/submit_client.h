/*
 * submit_client.h - hands a call over to a dma that init starts.
 */
#ifndef PRIV_SUBMIT_CLIENT_H
#define PRIV_SUBMIT_CLIENT_H

/* Why a call cannot be done in this process. */
struct obstacle {
	int		 status;
	const char	*what, *reason;
};

/*
 * A process behind RUNDIR/submit does what this call asks, as it would be done
 * here.  Gives its exit status; if there is no such socket, reports that and
 * the obstacle, and gives the status of that.
 */
int	submit_client(int argc, char **argv, const struct obstacle *);

#endif
