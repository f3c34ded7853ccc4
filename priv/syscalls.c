/*
 * syscalls.c - denies system calls that a process does not need.
 * Runs as: the spool user, after no_new_privs.  Uses: seccomp filters.
 * Promise: that of compat/seccomp.c, which also has the rules for all.
 */
#include "compat/seccomp.h"
#include "priv/syscalls.h"

#ifndef SECCOMP_ARCH

int
syscalls_confine(enum syscalls_of which)
{
	(void)which;
	return 0;
}

#else

#include <sys/ioctl.h>
#include <sys/socket.h>
#include <netinet/in.h>

#include <fcntl.h>

#define WRITES		(O_WRONLY | O_RDWR | O_CREAT | O_TRUNC)
#define TYPES_ODD	0xc	/* bits of no SOCK_STREAM, _DGRAM or _RAW */
#define NETLINK_ADDRESS	12	/* bytes of a struct sockaddr_nl */
#ifndef MSG_FASTOPEN
#define MSG_FASTOPEN	0x20000000
#endif

/* dma-remote only sends, receives and reads files. */
static const struct seccomp_rule for_remote[] = {
	/* Signals, also by way of descriptors that announce input. */
	DENY(kill),
	DENY(tkill),
	DENY(tgkill),			/* abort(3) still ends the process */
	DENY(rt_sigqueueinfo),
	DENY(rt_tgsigqueueinfo),
	NUMBER(424),			/* pidfd_send_signal */
	NUMBER(434),			/* pidfd_open */
	/* F_SETLEASE would delay others that open the message. */
	DENY_IF(fcntl, 1, F_SETOWN, F_SETOWN_EX, F_SETSIG, F_SETLEASE,
	    F_NOTIFY),
#ifdef SYS_fcntl64
	DENY_IF(fcntl64, 1, F_SETOWN, F_SETOWN_EX, F_SETSIG, F_SETLEASE,
	    F_NOTIFY),
#endif

	/* Programs and processes. */
	DENY(execve),
	DENY(execveat),
	DENY(clone),
#ifdef SYS_fork
	DENY(fork),
	DENY(vfork),
#endif

	/*
	 * Sockets: TCP and UDP, and netlink for the addresses of this host, to
	 * which the C library binds.  No Unix sockets: SPOOLDIR/wake, the
	 * services of this host.  Nothing that Landlock's rules for ports do
	 * not see: SCTP, MPTCP, SMC, data in the SYN.
	 */
	DENY_UNLESS(socket, 0, AF_INET, AF_INET6, AF_NETLINK),
	DENY_BITS(socket, 1, TYPES_ODD),
	DENY_UNLESS(socket, 2, 0, IPPROTO_TCP, IPPROTO_UDP),
	DENY(socketpair),
	DENY_UNLESS(bind, 2, NETLINK_ADDRESS),
	DENY(listen),
#ifdef SYS_accept
	DENY(accept),
#endif
	DENY(accept4),
	DENY_BITS(sendto, 3, MSG_FASTOPEN),
	DENY_BITS(sendmsg, 2, MSG_FASTOPEN),
	DENY_BITS(sendmmsg, 3, MSG_FASTOPEN),

	/* What processes of a user share. */
	DENY(add_key),
	DENY(request_key),
	DENY(keyctl),
	DENY(mq_open),
	DENY(mq_unlink),
#ifdef SYS_shmget
	DENY(shmget),
	DENY(shmat),
	DENY(shmctl),
	DENY(semget),
	DENY(semctl),
	DENY(msgget),
	DENY(msgsnd),
	DENY(msgrcv),
	DENY(msgctl),
#endif
#ifdef SYS_ipc
	DENY(ipc),			/* all of them by one call */
#endif

	/* Changes to files, also to those that Landlock does not see: modes,
	 * times, attributes. */
	DENY_BITS(openat, 2, WRITES),
	DENY(truncate),
	DENY(unlinkat),
#ifdef SYS_renameat
	DENY(renameat),
#endif
	DENY(renameat2),
	DENY(linkat),
	DENY(symlinkat),
	DENY(mkdirat),
	DENY(mknodat),
	DENY(fchmodat),
	DENY(fchmod),
	DENY(fchownat),
	DENY(fchown),
	DENY(utimensat),
	DENY(setxattr),
	DENY(lsetxattr),
	DENY(fsetxattr),
	DENY(removexattr),
	DENY(lremovexattr),
	DENY(fremovexattr),
#ifdef SYS_open
	DENY_BITS(open, 1, WRITES),
	DENY(creat),
	DENY(unlink),
	DENY(rmdir),
	DENY(rename),
	DENY(link),
	DENY(symlink),
	DENY(mkdir),
	DENY(mknod),
	DENY(chmod),
	DENY(chown),
	DENY(lchown),
	DENY(utimes),
#endif
#ifdef SYS_utime
	DENY(utime),
#endif
#ifdef SYS_futimesat
	DENY(futimesat),
#endif
#ifdef SYS_chown32
	DENY(chown32),
	DENY(lchown32),
	DENY(fchown32),
	DENY(truncate64),
	NUMBER(412),			/* utimensat_time64 */
#endif
	/* Notifications of changes to files. */
	DENY(name_to_handle_at),
	DENY(fanotify_init),
	DENY(inotify_init1),
#ifdef SYS_inotify_init
	DENY(inotify_init),
#endif

	/* Only: the size of pending input, non-blocking mode, "is it a
	 * terminal?", the number of an interface. */
	DENY_UNLESS(ioctl, 1, FIONREAD, FIONBIO, TCGETS, SIOCGIFINDEX),
};

int
syscalls_confine(enum syscalls_of which)
{
	return which == SYSCALLS_REMOTE ? seccomp_deny(for_remote,
	    sizeof(for_remote) / sizeof(for_remote[0])) :
	    seccomp_deny(NULL, 0);
}

#endif
