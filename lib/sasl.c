/*
 * sasl.c - AUTH mechanisms and base64.
 * Runs as: anyone.  Door to: nothing.
 * Promise: a password leaves here readable only when env.is_private; what is
 * copied on the way is overwritten.
 */
#include <string.h>
#include <strings.h>

#include "sasl.h"

#define RESPONSE_MAX	16384	/* octets of a response before base64 */
/*
 * RFC 4954 4: an initial response must fit in a command line of 512 octets;
 * "AUTH ", a name of at most 20 octets, a blank and CRLF take their share.
 */
#define INITIAL_MAX	(512 - 28)
#define DIGEST_SIZE	16	/* octets of an MD5 digest */

enum { MECH_INITIAL = 0x01, MECH_PLAIN = 0x02 };

struct sasl_mech {
	const char	*name;
	unsigned	 flags;
	/* Adds the response to an unwrapped challenge; -1: out of turn. */
	int	(*answer)(const struct sasl *, const char *challenge, size_t,
		    struct buf *);
};

static int	answer_cram_md5(const struct sasl *, const char *, size_t,
		    struct buf *);
static int	answer_plain(const struct sasl *, const char *, size_t,
		    struct buf *);
static int	answer_login(const struct sasl *, const char *, size_t,
		    struct buf *);

/* Best first. */
static const struct sasl_mech mechs[] = {
	{ "CRAM-MD5",	0,				answer_cram_md5 },
	{ "PLAIN",	MECH_INITIAL | MECH_PLAIN,	answer_plain },
	{ "LOGIN",	MECH_PLAIN,			answer_login },
};
#define NMECHS	(sizeof(mechs) / sizeof(mechs[0]))

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    "abcdefghijklmnopqrstuvwxyz0123456789+/";

void
base64_put(struct buf *out, const void *data, size_t len)
{
	const uint8_t *p = data;
	uint32_t v;
	char *room;
	size_t i;

	if (len > SIZE_MAX / 2) {
		out->failed = 1;
		return;
	}
	room = buf_space(out, (len + 2) / 3 * 4);
	if (room == NULL)
		return;
	for (i = 0; i < len; i += 3, room += 4) {
		v = (uint32_t)p[i] << 16;
		if (i + 1 < len)
			v |= (uint32_t)p[i + 1] << 8;
		if (i + 2 < len)
			v |= p[i + 2];
		memset(room, '=', 4);
		room[0] = alphabet[v >> 18];
		room[1] = alphabet[v >> 12 & 63];
		if (i + 1 < len)
			room[2] = alphabet[v >> 6 & 63];
		if (i + 2 < len)
			room[3] = alphabet[v & 63];
	}
	buf_grown(out, (len + 2) / 3 * 4);
}

/* The value of one octet of base64, or -1. */
static int
sextet(char c)
{
	const char *at;

	at = c == '\0' ? NULL : strchr(alphabet, c);
	return at == NULL ? -1 : (int)(at - alphabet);
}

/* Octets that well-formed text stands for, or -1. */
static int
decoded_len(const char *text, size_t len, size_t *n)
{
	size_t i, body = len;

	if (len % 4 != 0)
		return -1;
	if (body > 0 && text[body - 1] == '=')
		body--;
	if (body > 0 && text[body - 1] == '=')
		body--;
	for (i = 0; i < body; i++)
		if (sextet(text[i]) == -1)
			return -1;
	/* Bits that no octet takes must be zero, or two texts mean the same. */
	if (body % 4 == 3 && (sextet(text[body - 1]) & 3) != 0)
		return -1;
	if (body % 4 == 2 && (sextet(text[body - 1]) & 15) != 0)
		return -1;
	*n = len / 4 * 3 - (len - body);
	return 0;
}

int
base64_get(struct buf *out, const char *text, size_t len)
{
	uint8_t octets[3];
	uint32_t v = 0;
	size_t i, left;

	if (decoded_len(text, len, &left) == -1)
		return -1;
	for (i = 0; i < len; i++) {
		v = v << 6 | (text[i] == '=' ? 0 : (uint32_t)sextet(text[i]));
		if (i % 4 != 3)
			continue;
		octets[0] = (uint8_t)(v >> 16);
		octets[1] = (uint8_t)(v >> 8);
		octets[2] = (uint8_t)v;
		buf_add(out, octets, left < 3 ? left : 3);
		left -= left < 3 ? left : 3;
	}
	return buf_failed(out) ? -1 : 0;
}

/* RFC 2195: name, blank, HMAC-MD5 of the challenge in lower-case hex. */
static int
answer_cram_md5(const struct sasl *s, const char *challenge, size_t len,
    struct buf *out)
{
	const struct sasl_env *env = s->env;
	uint8_t digest[DIGEST_SIZE];
	size_t i;

	/* Without a challenge the answer would be good for ever. */
	if (s->round != 0 || len == 0)
		return -1;
	if (env->hmac_md5(env->password, strlen(env->password), challenge,
	    len, digest) == -1)
		return -1;
	buf_puts(out, env->user);
	buf_putc(out, ' ');
	for (i = 0; i < DIGEST_SIZE; i++)
		buf_printf(out, "%02x", digest[i]);
	explicit_bzero(digest, sizeof(digest));
	return 0;
}

/* RFC 4616: authorization identity (none), name and password. */
static int
answer_plain(const struct sasl *s, const char *challenge, size_t len,
    struct buf *out)
{
	(void)challenge;
	(void)len;
	if (s->round != 0)
		return -1;
	buf_putc(out, '\0');
	buf_puts(out, s->env->user);
	buf_putc(out, '\0');
	buf_puts(out, s->env->password);
	return 0;
}

/* The prompts' words differ between servers; only their order counts. */
static int
answer_login(const struct sasl *s, const char *challenge, size_t len,
    struct buf *out)
{
	(void)challenge;
	(void)len;
	if (s->round > 1)
		return -1;
	buf_puts(out, s->round == 0 ? s->env->user : s->env->password);
	return 0;
}

void
sasl_init(struct sasl *s, const struct sasl_env *env)
{
	memset(s, 0, sizeof(*s));
	s->env = env;
}

static int
is_offered(const char *name, const char *offered)
{
	size_t n, len = strlen(name);

	for (;;) {
		offered += strspn(offered, " \t");
		n = strcspn(offered, " \t");
		if (n == 0)
			return 0;
		if (n == len && strncasecmp(offered, name, n) == 0)
			return 1;
		offered += n;
	}
}

static int
is_allowed(const struct sasl *s, const struct sasl_mech *mech)
{
	if (mech->flags & MECH_PLAIN)
		return s->env->is_private;
	return s->env->hmac_md5 != NULL;
}

const char *
sasl_pick(struct sasl *s, const char *offered)
{
	size_t i;

	s->mech = NULL;
	s->round = 0;
	for (i = 0; i < NMECHS; i++) {
		if (s->tried & 1U << i || !is_allowed(s, &mechs[i]) ||
		    !is_offered(mechs[i].name, offered))
			continue;
		s->mech = &mechs[i];
		return s->mech->name;
	}
	return NULL;
}

/* Adds the answer to a challenge in base64, and leaves no copy of it. */
static int
answer(const struct sasl *s, const char *challenge, size_t len,
    struct buf *out)
{
	struct buf raw;
	int ret = -1;

	buf_init(&raw, RESPONSE_MAX);
	/* All at once: a buf that grows would leave copies behind. */
	if (buf_space(&raw, RESPONSE_MAX) == NULL)
		return -1;
	if (s->mech->answer(s, challenge, len, &raw) == 0 &&
	    !buf_failed(&raw)) {
		base64_put(out, raw.data, raw.len);
		ret = buf_failed(out) ? -1 : 0;
	}
	explicit_bzero(raw.data, raw.cap);
	buf_fini(&raw);
	return ret;
}

int
sasl_initial(struct sasl *s, struct buf *out)
{
	struct buf b64;
	int has_one = 0;

	if (s->mech == NULL || !(s->mech->flags & MECH_INITIAL) ||
	    !is_allowed(s, s->mech))
		return 0;
	buf_init(&b64, INITIAL_MAX);
	if (buf_space(&b64, INITIAL_MAX) == NULL)
		return 0;
	/* One that is too long waits for the server's empty challenge. */
	if (answer(s, "", 0, &b64) == 0) {
		buf_add(out, b64.data, b64.len);
		has_one = !buf_failed(out);
	}
	explicit_bzero(b64.data, b64.cap);
	buf_fini(&b64);
	return has_one;
}

int
sasl_step(struct sasl *s, const char *challenge, struct buf *out)
{
	struct buf raw;
	size_t len;
	int ret = -1;

	if (s->mech == NULL || !is_allowed(s, s->mech) ||
	    s->round >= SASL_ROUNDS_MAX)
		return -1;
	len = strnlen(challenge, SASL_CHALLENGE_MAX + 1);
	if (len > SASL_CHALLENGE_MAX)
		return -1;
	buf_init(&raw, SASL_CHALLENGE_MAX);
	if (base64_get(&raw, challenge, len) == 0)
		ret = answer(s, buf_str(&raw), raw.len, out);
	buf_fini(&raw);
	s->round++;
	return ret;
}

void
sasl_give_up(struct sasl *s)
{
	if (s->mech != NULL)
		s->tried |= 1U << (s->mech - mechs);
	s->mech = NULL;
}
