/*
 * put_aside.c - finds and removes what the runner has put into dead/ and
 * corrupt/.
 * Runs as: the spool user.  Uses: the spool by spool.c.
 * Promise: what is reported as removed is not back after a power failure.
 */
#include <errno.h>
#include <stddef.h>

#include "submit/put_aside.h"

const char *const put_aside_folders[] = { "dead", "corrupt", NULL };

static int
is_in(const struct spool *sp, const char *name, const char *id)
{
	struct spool folder;
	int found;

	if (spool_open_folder(sp, name, &folder) == -1)
		return 0;
	found = spool_has(&folder, id);
	spool_close(&folder);
	return found;
}

const char *
put_aside_find(const struct spool *sp, const char *id)
{
	size_t i;

	for (i = 0; put_aside_folders[i] != NULL; i++)
		if (is_in(sp, put_aside_folders[i], id))
			return put_aside_folders[i];
	return NULL;
}

/* 0, or an error: ENOENT if it is not there. */
static int
remove_from(const struct spool *sp, const char *name, const char *id)
{
	struct spool folder;
	int error = ENOENT;

	if (spool_open_folder(sp, name, &folder) == -1)
		return errno;
	if (spool_has(&folder, id))
		error = spool_remove(&folder, id, 1) == -1 ? errno : 0;
	spool_close(&folder);
	return error;
}

const char *
put_aside_remove(const struct spool *sp, const char *id)
{
	int error = ENOENT;
	size_t i;

	for (i = 0; put_aside_folders[i] != NULL && error == ENOENT; i++) {
		error = remove_from(sp, put_aside_folders[i], id);
		if (error == 0)
			return put_aside_folders[i];
	}
	errno = error;
	return NULL;
}
