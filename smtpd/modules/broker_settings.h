/*
 * broker_settings.h - the settings of the amqp module and its consumer: lines
 * "amqp KEY VALUE" of dma-smtpd.conf.
 */
#ifndef BROKER_SETTINGS_H
#define BROKER_SETTINGS_H

#include <stddef.h>

#define BROKER_MAX		16	/* brokers */
#define BROKER_NAME_MAX		255	/* bytes of a short string of AMQP */

struct broker_address {
	char	 host[BROKER_NAME_MAX + 1];
	unsigned port;
};

struct broker_settings {
	struct broker_address brokers[BROKER_MAX];	/* in this order */
	size_t	 nbrokers;
	char	*ca_file;	/* owned: TLS, with certificates of these */
	char	*login_file;	/* owned, or NULL: guest */
	char	*directory;	/* owned: of temporary files */
	char	 vhost[BROKER_NAME_MAX + 1];
	char	 exchange[BROKER_NAME_MAX + 1];
	char	 user[BROKER_NAME_MAX + 1], password[BROKER_NAME_MAX + 1];
	unsigned heartbeat_s, connect_timeout_s, timeout_s, in_flight;
};

void	broker_settings_init(struct broker_settings *);
void	broker_settings_fini(struct broker_settings *);
/* 0, or -1 with the reason. */
int	broker_settings_set(struct broker_settings *, const char *key,
	    const char *value, const char **reason);
/* After all lines: a default broker, default ports. */
void	broker_settings_complete(struct broker_settings *);
/*
 * Reads user and password, of two lines, from the file, which others must not
 * be able to read: 0, or -1 with the reason.
 */
int	broker_settings_login(struct broker_settings *, const char **reason);

#endif
