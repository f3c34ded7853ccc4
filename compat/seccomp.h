/*
 * seccomp.h - filters that deny system calls: rules, and how they are written.
 */
#ifndef COMPAT_SECCOMP_H
#define COMPAT_SECCOMP_H

#include <stddef.h>
#include <stdint.h>

#if defined(__linux__) && defined(__has_include)
#if __has_include(<linux/seccomp.h>) && __has_include(<linux/filter.h>)
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
/* Only processors whose calls from 424 on have the common numbers. */
#if defined(__x86_64__) && !defined(__ILP32__)
#define SECCOMP_ARCH	AUDIT_ARCH_X86_64
#elif defined(__i386__)
#define SECCOMP_ARCH	AUDIT_ARCH_I386
#elif defined(__aarch64__) && !defined(__AARCH64EB__) && !defined(__ILP32__)
#define SECCOMP_ARCH	AUDIT_ARCH_AARCH64
#elif defined(__arm__) && defined(__ARM_EABI__) && !defined(__ARMEB__)
#define SECCOMP_ARCH	AUDIT_ARCH_ARM
#elif defined(__riscv) && __riscv_xlen == 64
#define SECCOMP_ARCH	AUDIT_ARCH_RISCV64
#elif defined(__powerpc64__) && defined(__LITTLE_ENDIAN__)
#define SECCOMP_ARCH	AUDIT_ARCH_PPC64LE
#elif defined(__s390x__)
#define SECCOMP_ARCH	AUDIT_ARCH_S390X
#endif
#endif
#endif

#define SECCOMP_VALUES_MAX	6	/* of one rule */

enum seccomp_test {
	IS_DENIED,
	IS_UNKNOWN,		/* ENOSYS: a library then uses another one */
	IS_DENIED_IF,		/* the argument is one of the values */
	IS_DENIED_UNLESS,	/* the same */
	IS_DENIED_BITS,		/* if it has a bit of the value */
	IS_DENIED_UNLESS_BITS	/* the same */
};

/* Arguments of which the kernel takes 32 bits. */
struct seccomp_rule {
	int		 nr;
	enum seccomp_test test;
	int		 arg;
	uint8_t		 n;
	uint32_t	 values[SECCOMP_VALUES_MAX];
};

#ifdef SECCOMP_ARCH

#include <sys/syscall.h>

#ifdef __s390x__
#define CLONE_FLAGS	1	/* which argument they are */
#else
#define CLONE_FLAGS	0
#endif

#define COUNT(...)	(sizeof((const uint32_t []){ __VA_ARGS__ }) / \
			sizeof(uint32_t))
#define NUMBER(nr)	{ nr, IS_DENIED, 0, 0, { 0 } }
#define UNKNOWN(nr)	{ nr, IS_UNKNOWN, 0, 0, { 0 } }
#define DENY(call)	NUMBER(SYS_ ## call)
#define DENY_IF(call, arg, ...)	{ SYS_ ## call, IS_DENIED_IF, arg, \
				COUNT(__VA_ARGS__), { __VA_ARGS__ } }
#define DENY_UNLESS(call, arg, ...) { SYS_ ## call, IS_DENIED_UNLESS, arg, \
				COUNT(__VA_ARGS__), { __VA_ARGS__ } }
#define DENY_BITS(call, arg, bits)  { SYS_ ## call, IS_DENIED_BITS, arg, 1, \
				{ bits } }
#define DENY_UNLESS_BITS(call, arg, bits) { SYS_ ## call, \
				IS_DENIED_UNLESS_BITS, arg, 1, { bits } }

/*
 * Denies these calls, and those that no process of ours needs, for good; -1
 * with errno.  Not an error if Linux has no such filter.
 */
int	seccomp_deny(const struct seccomp_rule *, size_t n);

#endif

#endif
