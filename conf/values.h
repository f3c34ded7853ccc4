/*
 * values.h - single values of the configuration files.
 */
#ifndef CONF_VALUES_H
#define CONF_VALUES_H

#include <stddef.h>
#include <stdint.h>

#define VALUE_HOST_MAX	255	/* bytes of a host name (RFC 1035 2.3.4) */
#define VALUE_PATH_MAX	1023	/* bytes of a path */
#define VALUE_SHA256	32	/* bytes of a fingerprint */

/*
 * Readers of lines return NULL, or the reason why one is bad.  This reason ends
 * the parse; it is recognised by its address.
 */
extern const char value_no_memory[];

int	value_is_host(const char *);		/* or a domain */
int	value_is_literal(const char *);		/* an address, no brackets */

/* Digits within the limits; 0 or -1. */
int	value_number(const char *, unsigned low, unsigned high, unsigned *);
/* "30s", "5m", "3h", "5d", "90": seconds, at most a year; 0 or -1. */
int	value_time(const char *, unsigned *seconds);
/* "500K", "10M", "1G", "90": bytes; 0 or -1. */
int	value_size(const char *, uint64_t *bytes);
/* 64 hexadecimal digits, with or without a colon between bytes; 0 or -1. */
int	value_sha256(const char *, uint8_t [VALUE_SHA256]);

/* Replaces an owned text by a copy, or by NULL: NULL, or value_no_memory. */
const char *value_copy(char **dst, const char *);
/*
 * The same with the one spelling that a host has, so that names which mean
 * the same are equal but for case: no final dot, addresses as inet_ntop(3)
 * writes them.
 */
const char *value_copy_host(char **dst, const char *);

#endif
