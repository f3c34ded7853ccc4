/*
 * t.h - what the unit tests share.
 */
#ifndef TESTS_UNIT_T_H
#define TESTS_UNIT_T_H

#include <sys/types.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/buf.h"

/* Elements of a table of cases. */
#define N(a)	(sizeof(a) / sizeof((a)[0]))
/* A literal with its length, for text that has NUL in it. */
#define T(s)	(s), sizeof(s) - 1

/* Makes a directory for one test, and takes it away with all that is in it. */
void	t_dir(char *path, size_t size);
void	t_dir_remove(const char *path);
/* "dir/name"; valid for the next three calls. */
const char *t_path(const char *dir, const char *name);

void	t_put(const char *path, const void *data, size_t len, mode_t mode);
void	t_get(const char *path, struct buf *);
void	t_assert_file(const char *path, const char *text);
int	t_exists(const char *path);
/* That the buffer has just these bytes. */
void	t_assert_text(const struct buf *, const char *text, size_t len);

/*
 * What is printed to standard output or error meanwhile, kept from there.  No
 * assertion in between: it would not be seen.
 */
struct t_printed {
	int	 fd, saved;
	FILE	*file;
};

void	t_printed_begin(struct t_printed *, int fd);
void	t_printed_end(struct t_printed *, struct buf *);

/* Runs a check in a process of its own; its exit status, which is below 128. */
int	t_in_child(int (*check)(const void *), const void *arg);
/* The same for each caller: its exit status is zero. */
void	t_for_callers(int (*check)(const void *uid), const uid_t *, size_t n);
/* As root, becomes nobody for good: what is tested runs as a plain user. */
void	t_become_nobody(void);
/* A time, or the last there is where it has 32 bits. */
#define T_TIME(late)	((time_t)(sizeof(time_t) > 4 ? (late) : INT32_MAX))
/* Skips a test; run.sh prints the reason. */
void	t_skip(const char *reason);
void	t_needs_root(void);
/* Skips a test of the kernel where system calls are those of qemu. */
void	t_needs_the_kernel(void);

/* A listening socket of the loopback interface, and its port. */
int	t_listen(uint16_t *port);
/* 1 when TCP connects to that port of it, or binds one. */
int	t_connects(uint16_t port);
int	t_may_bind(void);

/* What a parser reports: the lines as "3;7;", and the last line and text. */
struct t_reports {
	const char	*file;		/* expected in each; NULL: any */
	unsigned	 line, count;
	char		 text[256];
	char		 lines[256];
};

void	t_reports_init(struct t_reports *, const char *file);
/* For struct report, with a struct t_reports as its argument. */
void	t_report(void *reports, const char *file, unsigned line,
	    const char *text);

#endif
