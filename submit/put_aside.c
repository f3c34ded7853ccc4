/*
 * put_aside.c - finds and removes what the runner has put into dead/ and
 * corrupt/.
 * Runs as: the spool user.  Uses: the spool by spool.c.
 * Promise: what is reported as removed is not back after a power failure.
 */
#include <errno.h>
#include <stddef.h>

#include "submit/put_aside.h"

static const char *const folders[] = { "dead", "corrupt", NULL };

const char *
put_aside_open(const struct spool *sp, const char *id, struct spool *folder)
{
	int error = ENOENT;
	size_t i;

	for (i = 0; folders[i] != NULL; i++) {
		if (spool_open_folder(sp, folders[i], folder) == 0) {
			if (spool_has(folder, id))
				return folders[i];
			spool_close(folder);
		} else if (errno != ENOENT) {
			error = errno;
		}
	}
	errno = error;
	return NULL;
}

const char *
put_aside_find(const struct spool *sp, const char *id)
{
	struct spool folder;
	const char *name = put_aside_open(sp, id, &folder);

	if (name != NULL)
		spool_close(&folder);
	return name;
}

const char *
put_aside_remove(const struct spool *sp, const char *id)
{
	struct spool folder;
	const char *name = put_aside_open(sp, id, &folder);
	int error;

	if (name == NULL)
		return NULL;
	error = spool_remove(&folder, id, 1) == -1 ? errno : 0;
	spool_close(&folder);
	errno = error;
	return error == 0 ? name : NULL;
}
