/*
 * sender_relay_fuzz.c - any text as the file of SENDER_RELAY; its first line
 * is a sender, its second a login.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/buf.h"
#include "conf/sender_relay.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
say(void *arg, const char *file, unsigned line, const char *text)
{
	int *told = arg;

	(void)file;
	if (text[0] == '\0' || line == 0)
		abort();
	++*told;
}

static void
check(const struct sender_relay *s)
{
	if (s->pattern[0] == '\0' || s->relays == NULL ||
	    !text_is_clean(s->pattern, strlen(s->pattern)))
		abort();
	if (s->trouble != NULL)
		return;
	if (s->relays[0] == '\0' || strlen(s->relays) > SENDER_RELAYS_MAX ||
	    !text_is_clean(s->relays, strlen(s->relays)))
		abort();
	if (s->user != NULL && strlen(s->user) > SENDER_USER_MAX)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int told = 0, ret;
	const struct report report = { say, &told };
	struct sender_relays all = { NULL, 0, 0, 0 };
	const struct sender_relay *s;
	char *login, *rest, *text;
	size_t i;

	text = malloc(size + 1);
	if (text == NULL)
		abort();
	memcpy(text, data, size);
	text[size] = '\0';
	login = text + strcspn(text, "\n");
	if (*login != '\0')
		*login++ = '\0';
	rest = login + strcspn(login, "\n");
	if (*rest != '\0')
		*rest++ = '\0';
	ret = sender_relay_parse(&all, rest, size - (size_t)(rest - text), "s",
	    &report);
	/* Each bad line is told, and only such. */
	if (ret != -1 && ret != told)
		abort();
	for (i = 0; i < all.n; i++)
		check(&all.list[i]);
	s = sender_relay_find(&all, text, login);
	if (s != NULL && text[0] == '\0' && strcmp(s->pattern, "*") != 0)
		abort();
	if (s != NULL && s->login != NULL && strcmp(s->login, login) != 0)
		abort();
	for (i = 0; i < all.n && i < 16; i++)
		if (all.list[i].user != NULL)
			(void)sender_relay_owns(&all, "mail.example.org",
			    all.list[i].user);
	sender_relay_fini(&all);
	free(text);
	return 0;
}
