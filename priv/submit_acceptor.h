/*
 * submit_acceptor.h - shares RUNDIR/submit among its users.
 */
#ifndef PRIV_SUBMIT_ACCEPTOR_H
#define PRIV_SUBMIT_ACCEPTOR_H

/*
 * As root: starts "dma --submit" for each connection to this listening socket,
 * which is its standard input.  Ends only when that socket fails.
 */
int	submit_acceptor(int listening);

#endif
