/*
 * edit.c - a module that changes envelopes and texts.
 * Recipients: "double@" gets "copy@copies.test" added, "move@" becomes
 * "moved@moved.test", "away@" is removed.  The sender "old@" becomes
 * "new@from.test".  Texts: each "e" becomes "E", "#" becomes "hash", and a line
 * is added at the end.
 */
#include <smtpd_module.h>

#include <string.h>

extern const struct smtpd_module smtpd_module;

static enum smtpd_verdict
on_mail(void *self, struct smtpd_session *s, const char *path)
{
	(void)self;
	if (strncmp(path, "old@", 4) == 0 &&
	    smtpd_set_sender(s, "new@from.test") == -1)
		return SMTPD_TEMPORARY;
	/* What is no path changes nothing. */
	if (smtpd_set_sender(s, "a b\r\nX: y") != -1)
		return SMTPD_PERMANENT;
	return SMTPD_PASS;
}

/* A path is lent until it is changed. */
static int
edit_recipient(struct smtpd_session *s, size_t i)
{
	const char *path = smtpd_recipient(s, i);

	if (strncmp(path, "move@", 5) == 0)
		return smtpd_set_recipient(s, i, "moved@moved.test");
	if (strncmp(path, "double@", 7) == 0)
		return smtpd_add_recipient(s, "copy@copies.test");
	if (strncmp(path, "away@", 5) == 0)
		smtpd_remove_recipient(s, i);
	return 0;
}

static enum smtpd_verdict
on_data(void *self, struct smtpd_session *s)
{
	(void)self;
	for (size_t i = smtpd_recipients(s); i-- > 0;)
		if (edit_recipient(s, i) == -1)
			return SMTPD_TEMPORARY;
	if (smtpd_add_recipient(s, "x>\r\nForward-Path: <y@z") != -1)
		return SMTPD_PERMANENT;
	return SMTPD_PASS;
}

static enum smtpd_verdict
on_body(void *self, struct smtpd_session *s, const char *bytes, size_t len)
{
	(void)self;
	for (size_t i = 0; i < len; i++)
		if (bytes[i] == 'e')
			smtpd_emit(s, &smtpd_module, "E", 1);
		else if (bytes[i] == '#')
			smtpd_emit(s, &smtpd_module, "hash", 4);
		else
			smtpd_emit(s, &smtpd_module, bytes + i, 1);
	return SMTPD_PASS;
}

static enum smtpd_verdict
on_end_of_data(void *self, struct smtpd_session *s)
{
	(void)self;
	smtpd_emit(s, &smtpd_module, "-- the end\r\n", 12);
	return SMTPD_PASS;
}

const struct smtpd_module smtpd_module = {
	.abi = SMTPD_MODULE_ABI,
	.size = sizeof(struct smtpd_module),
	.name = "edit",
	.modifies_body = 1,
	.mail = on_mail,
	.data = on_data,
	.body = on_body,
	.end_of_data = on_end_of_data
};
