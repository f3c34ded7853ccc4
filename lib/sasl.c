/*
 * sasl.c - AUTH mechanisms and base64.
 * Runs as: anyone.  Uses: nothing.
 * Promise: a password leaves here readable only when env.is_private; what is
 * copied on the way is overwritten; a host that cannot prove to know the
 * password where SCRAM demands it is found out.
 */
#include <sys/types.h>

#include <string.h>

#include "lib/base64.h"
#include "lib/buf.h"
#include "lib/saslprep.h"
#include "lib/sasl.h"

#define RESPONSE_MAX	16384	/* bytes of a response before base64 */
/*
 * RFC 4954 4: an initial response must fit in a command line of 512 bytes;
 * "AUTH ", a name of at most 20 bytes, a blank and CRLF take their share.
 */
#define INITIAL_MAX	(512 - 28)
#define MD5_SIZE	16
#define ITERATIONS_MIN	4096	/* RFC 7677 4; fewer: easily guessed */
#define ITERATIONS_MAX	1000000	/* more would only keep us busy */
#define SLICE		8192	/* rounds before others have their turn */
#define SALT_MAX	1024
#define AUTH_TEXT_MAX	(2 * SASL_CHALLENGE_MAX)
#define QUOTED_MAX	64	/* bytes of an error of the host's */

enum {
	MECH_INITIAL = 0x01,	/* may begin with the command */
	MECH_PLAIN = 0x02,	/* shows the secret to the host */
	MECH_TOKEN = 0x04,	/* wants a token, not a password */
	MECH_CERT = 0x08,	/* wants a certificate, and no secret */
	MECH_BINDING = 0x10,	/* is bound to the TLS channel */
	MECH_PROOF = 0x20,	/* the host proves itself, too */
	MECH_CRYPTO = 0x40,
	MECH_PREPARED = 0x80	/* takes name and password by SASLprep */
};
#define MECH_SCRAM	(MECH_INITIAL | MECH_CRYPTO | MECH_PROOF | \
			    MECH_PREPARED)

struct sasl_mech {
	const char	*name;
	unsigned	 flags;
	enum sasl_hash	 hash;
	/* Adds the response to an unwrapped challenge. */
	enum sasl_did	(*answer)(struct sasl *, const struct buf *challenge,
			    struct buf *);
};

/* What a host says first in SCRAM; pieces of its challenge. */
struct scram_first {
	const char	*nonce, *salt;
	size_t		 noncelen, saltlen;
	unsigned	 iterations;
};

static const size_t digest_sizes[] = {
	[SASL_MD5] = MD5_SIZE, [SASL_SHA1] = 20, [SASL_SHA256] = 32
};

/* 1. Mechanisms of one message. */

/* RFC 4422 A: who we are is in the certificate. */
static enum sasl_did
answer_external(struct sasl *s, const struct buf *challenge, struct buf *out)
{
	(void)challenge;
	(void)out;
	return s->round == 0 ? SASL_ANSWER : SASL_OUT;
}

/* RFC 2195: name, blank, HMAC-MD5 of the challenge in lower-case hex. */
static enum sasl_did
answer_cram_md5(struct sasl *s, const struct buf *challenge, struct buf *out)
{
	const struct sasl_env *env = s->env;
	uint8_t digest[MD5_SIZE];
	size_t i;

	/* Without a challenge the answer could be used again. */
	if (s->round != 0 || challenge->len == 0)
		return SASL_OUT;
	if (env->crypto->hmac(SASL_MD5, env->password, strlen(env->password),
	    challenge->data, challenge->len, digest) == -1)
		return SASL_OUT;
	buf_puts(out, env->user);
	buf_putc(out, ' ');
	for (i = 0; i < sizeof(digest); i++)
		buf_printf(out, "%02x", digest[i]);
	explicit_bzero(digest, sizeof(digest));
	return SASL_ANSWER;
}

/* RFC 4616: authorization identity (none), name and password. */
static enum sasl_did
answer_plain(struct sasl *s, const struct buf *challenge, struct buf *out)
{
	(void)challenge;
	if (s->round != 0)
		return SASL_OUT;
	buf_putc(out, '\0');
	buf_puts(out, s->env->user);
	buf_putc(out, '\0');
	buf_puts(out, s->env->password);
	return SASL_ANSWER;
}

/* The prompts' words differ between servers; only their order counts. */
static enum sasl_did
answer_login(struct sasl *s, const struct buf *challenge, struct buf *out)
{
	(void)challenge;
	if (s->round > 1)
		return SASL_OUT;
	buf_puts(out, s->round == 0 ? s->env->user : s->env->password);
	return SASL_ANSWER;
}

/* 2. Tokens. */

/* A name as RFC 5801 4 and RFC 5802 5.1 want it. */
static void
put_name(struct buf *out, const char *name)
{
	for (; *name != '\0'; name++) {
		if (*name == '=')
			buf_puts(out, "=3D");
		else if (*name == ',')
			buf_puts(out, "=2C");
		else
			buf_putc(out, *name);
	}
}

/*
 * The token is shown once.  A challenge after it tells what is wrong with it,
 * and wants a word before the reply comes that refuses the login.
 */
static int
is_token_due(struct sasl *s, const struct buf *challenge)
{
	if (s->said > 0 && (challenge->len > 0 || s->round > 0))
		return 0;
	s->said++;
	return 1;
}

/* RFC 7628 3.1, 3.2.3. */
static enum sasl_did
answer_oauthbearer(struct sasl *s, const struct buf *challenge, struct buf *out)
{
	const struct sasl_env *env = s->env;

	if (!is_token_due(s, challenge)) {
		buf_putc(out, 1);
		return SASL_ANSWER;
	}
	buf_puts(out, "n,a=");
	put_name(out, env->user);
	buf_putc(out, ',');
	if (env->host != NULL)
		buf_printf(out, "\001host=%s\001port=%u", env->host,
		    env->port);
	buf_puts(out, "\001auth=Bearer ");
	buf_puts(out, env->password);
	buf_puts(out, "\001\001");
	return SASL_ANSWER;
}

/* The form that came before RFC 7628; an error is answered by nothing. */
static enum sasl_did
answer_xoauth2(struct sasl *s, const struct buf *challenge, struct buf *out)
{
	if (!is_token_due(s, challenge))
		return SASL_ANSWER;
	buf_puts(out, "user=");
	buf_puts(out, s->env->user);
	buf_puts(out, "\001auth=Bearer ");
	buf_puts(out, s->env->password);
	buf_puts(out, "\001\001");
	return SASL_ANSWER;
}

/* 3. SCRAM (RFC 5802, RFC 7677). */

static void
wipe_keys(struct sasl *s)
{
	explicit_bzero(s->u, sizeof(s->u));
	explicit_bzero(s->sum, sizeof(s->sum));
	explicit_bzero(s->signature, sizeof(s->signature));
	s->stretched = 0;
}

static int
make_nonce(struct sasl *s)
{
	uint8_t bytes[SASL_NONCE];
	struct buf b;
	int ret = -1;

	if (s->nonce[0] != '\0')
		return 0;
	buf_init(&b, 0);
	if (s->env->crypto->random(bytes, sizeof(bytes)) == 0) {
		base64_put(&b, bytes, sizeof(bytes));
		ret = text_copy(s->nonce, sizeof(s->nonce), buf_str(&b));
	}
	buf_fini(&b);
	return ret;
}

static void
put_gs2(const struct sasl *s, struct buf *out)
{
	buf_putc(out, s->gs2);
	if (s->gs2 == 'p')
		buf_printf(out, "=%s", s->env->binding);
	buf_puts(out, ",,");
}

static void
put_first_bare(const struct sasl *s, struct buf *out)
{
	buf_puts(out, "n=");
	put_name(out, buf_str(&s->user));
	buf_printf(out, ",r=%s", s->nonce);
}

/* The last message without its proof. */
static void
put_final_bare(const struct sasl *s, const struct scram_first *first,
    struct buf *out)
{
	struct buf b;

	buf_init(&b, 0);
	put_gs2(s, &b);
	if (s->gs2 == 'p')
		buf_add(&b, s->env->binding_data, s->env->binding_len);
	buf_puts(out, "c=");
	base64_put(out, buf_str(&b), b.len);
	buf_puts(out, ",r=");
	buf_add(out, first->nonce, first->noncelen);
	if (buf_failed(&b))
		out->failed = 1;
	buf_fini(&b);
}

/*
 * Takes "x=value" off the text, whose attributes have commas between them:
 * the length of the value, which is lent, or -1.
 */
static ssize_t
take_attribute(const char **text, size_t *len, char name, const char **value)
{
	const char *comma;
	size_t n;

	if (*len < 2 || (*text)[0] != name || (*text)[1] != '=')
		return -1;
	*value = *text + 2;
	comma = memchr(*value, ',', *len - 2);
	n = comma == NULL ? *len - 2 : (size_t)(comma - *value);
	*text += 2 + n;
	*len -= 2 + n;
	if (comma != NULL) {
		(*text)++;
		(*len)--;
	}
	return (ssize_t)n;
}

/* Iterations within the bounds, or 0. */
static unsigned
read_iterations(const char *text, size_t len)
{
	unsigned v = 0;
	size_t i;

	if (len == 0 || len > 7 || text[0] == '0')
		return 0;
	for (i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9')
			return 0;
		v = v * 10 + (unsigned)(text[i] - '0');
	}
	return v >= ITERATIONS_MIN && v <= ITERATIONS_MAX ? v : 0;
}

/* "r=...,s=...,i=...": what follows is for later versions; -1 for others. */
static int
read_first(const struct sasl *s, const char *text, size_t len,
    struct scram_first *first)
{
	size_t ours = strlen(s->nonce);
	const char *count;
	ssize_t n;

	if (!text_is_clean(text, len))
		return -1;
	n = take_attribute(&text, &len, 'r', &first->nonce);
	if (n == -1 || (size_t)n <= ours ||
	    memcmp(first->nonce, s->nonce, ours) != 0)
		return -1;
	first->noncelen = (size_t)n;
	n = take_attribute(&text, &len, 's', &first->salt);
	if (n <= 0)
		return -1;
	first->saltlen = (size_t)n;
	n = take_attribute(&text, &len, 'i', &count);
	if (n == -1)
		return -1;
	first->iterations = read_iterations(count, (size_t)n);
	return first->iterations == 0 ? -1 : 0;
}

/* The first round of PBKDF2: HMAC of the salt and the block's number, 1. */
static int
start_stretch(struct sasl *s, const struct scram_first *first)
{
	const struct sasl_env *env = s->env;
	struct buf salt;
	int ret = -1;

	buf_init(&salt, SALT_MAX);
	if (base64_get(&salt, first->salt, first->saltlen) == 0) {
		buf_add(&salt, "\0\0\0\1", 4);
		if (!buf_failed(&salt))
			ret = env->crypto->hmac(s->mech->hash,
			    buf_str(&s->password), s->password.len, salt.data,
			    salt.len, s->u);
	}
	buf_fini(&salt);
	if (ret == -1)
		return -1;
	memcpy(s->sum, s->u, sizeof(s->sum));
	s->stretched = 1;
	return 0;
}

/* 0 when the salted password is there, 1 when there is more to do, or -1. */
static int
stretch(struct sasl *s, const struct scram_first *first)
{
	const struct sasl_env *env = s->env;
	unsigned n;

	if (s->stretched == 0 && start_stretch(s, first) == -1)
		return -1;
	n = first->iterations - s->stretched;
	if (n > SLICE)
		n = SLICE;
	if (n > 0 && env->crypto->stretch(s->mech->hash,
	    buf_str(&s->password), s->password.len, s->u, s->sum, n) == -1)
		return -1;
	s->stretched += n;
	return s->stretched < first->iterations;
}

/* RFC 5802 3: our proof, and the signature that the host owes us. */
static int
sign(struct sasl *s, const char *text, size_t len, uint8_t *proof)
{
	const struct sasl_crypto *crypto = s->env->crypto;
	uint8_t key[SASL_DIGEST_MAX], stored[SASL_DIGEST_MAX];
	enum sasl_hash hash = s->mech->hash;
	size_t i, n = digest_sizes[hash];
	int ret = -1;

	if (crypto->hmac(hash, s->sum, n, "Client Key", 10, key) == 0 &&
	    crypto->digest(hash, key, n, stored) == 0 &&
	    crypto->hmac(hash, stored, n, text, len, proof) == 0) {
		for (i = 0; i < n; i++)
			proof[i] ^= key[i];
		if (crypto->hmac(hash, s->sum, n, "Server Key", 10,
		    key) == 0)
			ret = crypto->hmac(hash, key, n, text, len,
			    s->signature);
	}
	explicit_bzero(key, sizeof(key));
	explicit_bzero(stored, sizeof(stored));
	return ret;
}

static enum sasl_did
scram_final(struct sasl *s, const struct buf *challenge, struct buf *out)
{
	uint8_t proof[SASL_DIGEST_MAX];
	struct scram_first first;
	struct buf text;
	int ret;

	if (read_first(s, buf_str(challenge), challenge->len, &first) == -1)
		return SASL_OUT;
	ret = stretch(s, &first);
	if (ret != 0)
		return ret == 1 ? SASL_BUSY : SASL_OUT;
	buf_init(&text, AUTH_TEXT_MAX);
	put_first_bare(s, &text);
	buf_putc(&text, ',');
	buf_add(&text, challenge->data, challenge->len);
	buf_putc(&text, ',');
	put_final_bare(s, &first, &text);
	ret = buf_failed(&text) ? -1 : sign(s, text.data, text.len, proof);
	buf_fini(&text);
	if (ret == -1)
		return SASL_OUT;
	put_final_bare(s, &first, out);
	buf_puts(out, ",p=");
	base64_put(out, proof, digest_sizes[s->mech->hash]);
	explicit_bzero(proof, sizeof(proof));
	s->said++;
	return SASL_ANSWER;
}

static enum sasl_did
stop(struct sasl *s, const char *reason, const char *quoted, size_t len)
{
	struct buf b;

	buf_init(&b, 0);
	buf_puts(&b, reason);
	buf_put_clean(&b, quoted, len, QUOTED_MAX);
	(void)text_copy(s->reason, sizeof(s->reason), buf_str(&b));
	buf_fini(&b);
	return SASL_STOP;
}

/* The host's turn to show that it knows the password. */
static enum sasl_did
scram_check(struct sasl *s, const struct buf *challenge)
{
	const char *text = buf_str(challenge);
	size_t len = challenge->len, size = digest_sizes[s->mech->hash];
	const char *value;
	struct buf got;
	ssize_t n;

	n = take_attribute(&text, &len, 'e', &value);
	if (n != -1)
		return stop(s, "authentication failed: ", value, (size_t)n);
	n = take_attribute(&text, &len, 'v', &value);
	buf_init(&got, SASL_DIGEST_MAX);
	s->is_proven = n > 0 && base64_get(&got, value, (size_t)n) == 0 &&
	    got.len == size && memcmp(got.data, s->signature, size) == 0;
	buf_fini(&got);
	if (!s->is_proven)
		return stop(s, "the server did not prove that it knows the "
		    "password", "", 0);
	s->said++;
	return SASL_ANSWER;
}

/* From here on another mechanism would show the password to a stranger. */
static int
is_proof_due(const struct sasl *s)
{
	return (s->mech->flags & MECH_PROOF) && s->said == 2;
}

static enum sasl_did
answer_scram(struct sasl *s, const struct buf *challenge, struct buf *out)
{
	/* A host that overlooks the initial response gets it again, once. */
	if (s->said == 1 && (s->round > 0 || challenge->len > 0))
		return scram_final(s, challenge, out);
	if (is_proof_due(s))
		return scram_check(s, challenge);
	if (s->said > 2 || make_nonce(s) == -1)
		return SASL_OUT;
	put_gs2(s, out);
	put_first_bare(s, out);
	s->said = 1;
	return SASL_ANSWER;
}

/* 4. The frame. */

/* Best first. */
static const struct sasl_mech mechs[] = {
	{ "EXTERNAL", MECH_INITIAL | MECH_CERT, 0, answer_external },
	{ "SCRAM-SHA-256-PLUS", MECH_SCRAM | MECH_BINDING, SASL_SHA256,
	    answer_scram },
	{ "SCRAM-SHA-256", MECH_SCRAM, SASL_SHA256, answer_scram },
	{ "SCRAM-SHA-1", MECH_SCRAM, SASL_SHA1, answer_scram },
	{ "CRAM-MD5", MECH_CRYPTO, SASL_MD5, answer_cram_md5 },
	{ "PLAIN", MECH_INITIAL | MECH_PLAIN, 0, answer_plain },
	{ "LOGIN", MECH_PLAIN, 0, answer_login },
	{ "OAUTHBEARER", MECH_INITIAL | MECH_PLAIN | MECH_TOKEN, 0,
	    answer_oauthbearer },
	{ "XOAUTH2", MECH_INITIAL | MECH_PLAIN | MECH_TOKEN, 0,
	    answer_xoauth2 },
};
#define NMECHS	(sizeof(mechs) / sizeof(mechs[0]))

/* All at once: a buf that grows would leave copies. */
static int
prepare(struct buf *out, const char *text)
{
	if (text == NULL || buf_space(out, PREP_GROWS * strlen(text) + 1) ==
	    NULL || saslprep_secret(out, text) == -1)
		return 0;
	return !buf_failed(out);
}

void
sasl_init(struct sasl *s, const struct sasl_env *env)
{
	memset(s, 0, sizeof(*s));
	s->env = env;
	buf_init(&s->user, 0);
	buf_init(&s->password, 0);
	s->is_prepared = !env->is_token && prepare(&s->user, env->user) &&
	    prepare(&s->password, env->password);
}

void
sasl_fini(struct sasl *s)
{
	buf_wipe(&s->password);
	buf_fini(&s->user);
	explicit_bzero(s, sizeof(*s));
}

static int
is_offered(const char *name, const char *offered)
{
	size_t n, len = strlen(name);

	for (;;) {
		offered = text_skip_blanks(offered);
		n = text_word_len(offered);
		if (n == 0)
			return 0;
		if (n == len && text_ncasecmp(offered, name, n) == 0)
			return 1;
		offered += n;
	}
}

static int
is_allowed(const struct sasl *s, const struct sasl_mech *mech)
{
	const struct sasl_env *env = s->env;

	if (env->allowed != NULL && !is_offered(mech->name, env->allowed))
		return 0;
	if (mech->flags & MECH_CERT)
		return env->has_cert;
	if (env->password == NULL ||
	    !(mech->flags & MECH_TOKEN) != !env->is_token)
		return 0;
	if (mech->flags & MECH_PLAIN)
		return env->is_private;
	if ((mech->flags & MECH_BINDING) && env->binding == NULL)
		return 0;
	if ((mech->flags & MECH_PREPARED) && !s->is_prepared)
		return 0;
	return env->crypto != NULL;
}

/*
 * RFC 5802 6: 'y' says that we would have bound the login to the channel, had
 * it been offered; who took the offer away on its way to us is found out.
 */
static char
gs2_of(const struct sasl *s, const char *offered)
{
	size_t i;

	if (s->mech->flags & MECH_BINDING)
		return 'p';
	for (i = 0; i < NMECHS; i++)
		if ((mechs[i].flags & MECH_BINDING) &&
		    mechs[i].hash == s->mech->hash)
			return is_allowed(s, &mechs[i]) &&
			    !is_offered(mechs[i].name, offered) ? 'y' : 'n';
	return 'n';
}

const char *
sasl_pick(struct sasl *s, const char *offered)
{
	size_t i;

	s->mech = NULL;
	s->round = s->said = s->is_proven = 0;
	s->nonce[0] = '\0';
	wipe_keys(s);
	for (i = 0; i < NMECHS; i++) {
		if (s->tried & 1U << i || !is_allowed(s, &mechs[i]) ||
		    !is_offered(mechs[i].name, offered))
			continue;
		s->mech = &mechs[i];
		s->gs2 = gs2_of(s, offered);
		return s->mech->name;
	}
	return NULL;
}

/* Adds the answer to a challenge in base64, and leaves no copy of it. */
static enum sasl_did
answer(struct sasl *s, const struct buf *challenge, struct buf *out)
{
	enum sasl_did did;
	struct buf raw;

	buf_init(&raw, RESPONSE_MAX);
	/* All at once: a buf that grows would leave copies. */
	if (buf_space(&raw, RESPONSE_MAX) == NULL)
		return SASL_OUT;
	raw.data[0] = '\0';
	did = s->mech->answer(s, challenge, &raw);
	if (did == SASL_ANSWER) {
		base64_put(out, raw.data, raw.len);
		if (buf_failed(&raw) || buf_failed(out))
			did = SASL_OUT;
	}
	buf_wipe(&raw);
	return did;
}

int
sasl_initial(struct sasl *s, struct buf *out)
{
	struct buf b64, nothing;
	int has_one = 0;

	if (s->mech == NULL || !(s->mech->flags & MECH_INITIAL) ||
	    !is_allowed(s, s->mech))
		return 0;
	buf_init(&nothing, 0);
	buf_init(&b64, INITIAL_MAX);
	if (buf_space(&b64, INITIAL_MAX) == NULL)
		return 0;
	/* One that is too long waits for the server's empty challenge. */
	if (answer(s, &nothing, &b64) == SASL_ANSWER) {
		buf_add(out, b64.data, b64.len);
		has_one = !buf_failed(out);
	}
	if (!has_one)
		s->said = 0;
	buf_wipe(&b64);
	return has_one;
}

enum sasl_did
sasl_step(struct sasl *s, const char *challenge, struct buf *out)
{
	enum sasl_did did = SASL_OUT;
	struct buf raw;
	size_t len;

	if (s->mech == NULL || !is_allowed(s, s->mech) ||
	    s->round >= SASL_ROUNDS_MAX)
		return SASL_OUT;
	len = strnlen(challenge, SASL_CHALLENGE_MAX + 1);
	if (len > SASL_CHALLENGE_MAX)
		return SASL_OUT;
	buf_init(&raw, SASL_CHALLENGE_MAX);
	/* What is no base64 is no proof either: nothing was decoded. */
	if (base64_get(&raw, challenge, len) == 0 || is_proof_due(s))
		did = answer(s, &raw, out);
	buf_fini(&raw);
	if (did != SASL_BUSY)
		s->round++;
	return did;
}

int
sasl_needs_proof(const struct sasl *s)
{
	return s->mech != NULL && (s->mech->flags & MECH_PROOF) != 0;
}

int
sasl_is_proven(const struct sasl *s)
{
	return s->is_proven;
}

const char *
sasl_why(const struct sasl *s)
{
	return s->reason;
}

void
sasl_give_up(struct sasl *s)
{
	if (s->mech != NULL)
		s->tried |= 1U << (s->mech - mechs);
	s->mech = NULL;
	wipe_keys(s);
}
