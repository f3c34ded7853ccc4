/*
 * identity.h - the user that dma-smtpd becomes.
 */
#ifndef SMTPD_IDENTITY_H
#define SMTPD_IDENTITY_H

#include <sys/types.h>

#define IDENTITY_GROUPS_MAX	64

struct identity {
	int	 is_kept;	/* not started as root: stays what it is */
	uid_t	 uid;
	gid_t	 gid;
	gid_t	 groups[IDENTITY_GROUPS_MAX];
	int	 ngroups;
};

/*
 * Whom to become; name NULL: the default.  NULL, or the reason why that is not
 * possible.
 */
const char *identity_find(struct identity *, const char *name);
/*
 * Of root, for a while, in what concerns files: 0, or -1 with errno; what ends
 * it is called in either case.
 */
int	identity_enter(const struct identity *);
void	identity_leave(void);
/* For good, in all respects and checked: 0, or -1 with errno. */
int	identity_become(const struct identity *);

#endif
