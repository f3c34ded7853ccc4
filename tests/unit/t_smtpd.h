/*
 * t_smtpd.h - a host for modules of dma-smtpd: the smtpd_*() functions over a
 * loop, with sessions that a test fills in.
 */
#ifndef TESTS_UNIT_T_SMTPD_H
#define TESTS_UNIT_T_SMTPD_H

#include "smtpd/loop.h"
#include "smtpd/smtpd_module.h"
#include "tests/unit/t.h"

#define T_SMTPD_CONF	8
#define T_SMTPD_COUNTERS 8
#define T_SMTPD_RCPTS	1000

struct smtpd_host {
	struct loop	 loop;
	struct {
		const char *key, *value;	/* lent */
	} conf[T_SMTPD_CONF];
	struct {
		char	 name[32];
		uint64_t n;
	} counters[T_SMTPD_COUNTERS];
	unsigned	 errors, warnings;
	char		 text[512];	/* of the last of them */
	char		 path[256];	/* of smtpd_need_path() */
};

struct smtpd_session {
	struct smtpd_host *host;	/* lent */
	void		*data;
	const char	*client;	/* lent: its address */
	const char	*sender;	/* lent */
	const char	*rcpts[T_SMTPD_RCPTS];	/* lent */
	size_t		 nrcpts;
	struct buf	 lines;
	int		 is_paused, is_finished;
	enum smtpd_verdict verdict;
	char		 reply[512];
};

/* root: of ROOT. */
void	t_smtpd_host_init(struct smtpd_host *, const char *root);
void	t_smtpd_host_fini(struct smtpd_host *);
void	t_smtpd_host_conf(struct smtpd_host *, const char *key, const char *value);
uint64_t t_smtpd_host_counter(const struct smtpd_host *, const char *name);
/* One turn of the loop. */
void	t_smtpd_host_turn(struct smtpd_host *);

/* A transaction to "ann@a.test bob@b.test", which is lent and cut. */
void	t_smtpd_init(struct smtpd_session *, struct smtpd_host *,
	    char *rcpts);
void	t_smtpd_fini(struct smtpd_session *);
/* Gives the text to body() in pieces, and calls deliver(). */
void	t_smtpd_send(struct smtpd_session *, void *self, const char *text,
	    size_t len, size_t piece);
/* Waits for its verdict, and ends the transaction. */
enum smtpd_verdict t_smtpd_end(struct smtpd_session *, void *self);

#endif
