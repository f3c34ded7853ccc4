/*
 * conf_value.h - single values of dma-smtpd.conf.
 * Pure.  All return 0, or -1 for what is not one and leave the result alone.
 */
#ifndef SMTPD_CONF_VALUE_H
#define SMTPD_CONF_VALUE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#define CONF_PATH_MAX		1023	/* bytes of a path */
#define CONF_USER_MAX		32	/* bytes of a login name */
#define CONF_NAME_MAX		31	/* bytes of the name of a module */
#define CONF_PORT		25	/* where none is given */

/* Digits alone, within the limits. */
int	conf_value_number(const char *, uint64_t low, uint64_t high,
	    uint64_t *);
/* "90", "30s", "5m", "3h", "1d": seconds, within the limits. */
int	conf_value_time(const char *, uint64_t low, uint64_t high,
	    uint64_t *seconds);
/* "4096", "500K", "10M", "1G": bytes, within the limits. */
int	conf_value_size(const char *, uint64_t low, uint64_t high,
	    uint64_t *bytes);
/*
 * "192.0.2.1", "192.0.2.1:2525", "::1", "[::1]", "[::1]:2525"; no names, which
 * could mean another address tomorrow.
 */
int	conf_value_listen(const char *, struct sockaddr_storage *,
	    socklen_t *);
/* A full path without "//", "." and "..". */
int	conf_value_path(const char *);
int	conf_value_user(const char *);
/*
 * "minute" or "/path/to/minute.so": the name that its lines begin with; out has
 * CONF_NAME_MAX + 1 bytes.
 */
int	conf_value_module(const char *, char *out);

#endif
