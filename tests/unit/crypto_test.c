/*
 * crypto_test.c - real handshakes over a socketpair, in one process, with
 * certificates made on the spot; digests for AUTH.
 */
#include <errno.h>
#include <signal.h>
#include <unistd.h>
#include <fcntl.h>
#include <sys/inotify.h>
#include <sys/socket.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "crypto.h"
#include "tests/unit/t.h"

#define DAY		(24L * 3600)
#define STEPS_MAX	200
#define BIG		300000	/* bytes; more than the sockets hold */

struct identity {
	EVP_PKEY *key;
	X509	*cert;
};

enum who { SRV_GOOD, SRV_SELF, SRV_EXPIRED, SRV_FUTURE, SRV_STRANGER,
    SRV_ADDRESS, SRV_CN_ONLY, SRV_WILDCARD, SRV_NASTY, SRV__MAX };

struct world {
	char	 dir[64];
	char	 cafile[128], keyfile[128], certfile[128], bundle[128];
	char	 locked[128], junk[128];
	struct identity ca, stranger, srv[SRV__MAX], client;
};

/* One connection: our client and the server's end of it. */
struct pair {
	int	 fds[2];
	SSL	*server;
	struct tls *client;
	struct result res;
	enum tls_want end;
};

static int
is_resumed(const struct tls *t)
{
	return strstr(tls_describe(t), " resumed") != NULL;
}

static int
is_verified(const struct tls *t)
{
	const char *text = tls_describe(t);

	return text[0] != '\0' && strstr(text, " not verified") == NULL;
}

static EVP_PKEY *
new_key(void)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");

	assert_non_null(key);
	return key;
}

static void
extend(X509 *cert, X509 *issuer, int nid, const char *value)
{
	X509_EXTENSION *ext;
	X509V3_CTX ctx;

	X509V3_set_ctx_nodb(&ctx);
	X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
	ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	assert_non_null(ext);
	assert_int_equal(X509_add_ext(cert, ext, -1), 1);
	X509_EXTENSION_free(ext);
}

/* from, until: seconds from now.  san, ca: or NULL. */
static struct identity
make(const char *cn, const char *san, long from, long until,
    const struct identity *ca, int is_ca)
{
	struct identity id;
	X509_NAME *name;
	uint64_t serial;

	id.key = new_key();
	id.cert = X509_new();
	assert_non_null(id.cert);
	assert_int_equal(RAND_bytes((unsigned char *)&serial, 7), 1);
	serial &= 0xffffffffffffffULL;
	ASN1_INTEGER_set_uint64(X509_get_serialNumber(id.cert), serial);
	X509_set_version(id.cert, X509_VERSION_3);
	X509_gmtime_adj(X509_getm_notBefore(id.cert), from);
	X509_gmtime_adj(X509_getm_notAfter(id.cert), until);
	X509_set_pubkey(id.cert, id.key);
	name = X509_get_subject_name(id.cert);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
	    (const unsigned char *)cn, -1, -1, 0);
	X509_set_issuer_name(id.cert, ca == NULL ? name :
	    X509_get_subject_name(ca->cert));
	extend(id.cert, ca == NULL ? id.cert : ca->cert, NID_basic_constraints,
	    is_ca ? "critical,CA:TRUE" : "CA:FALSE");
	if (san != NULL)
		extend(id.cert, id.cert, NID_subject_alt_name, san);
	assert_true(X509_sign(id.cert, ca == NULL ? id.key : ca->key,
	    EVP_sha256()) > 0);
	return id;
}

static void
unmake(struct identity *id)
{
	X509_free(id->cert);
	EVP_PKEY_free(id->key);
}

static FILE *
create(const struct world *w, char path[128], const char *name)
{
	FILE *f;

	snprintf(path, 128, "%s/%s", w->dir, name);
	f = fopen(path, "w");
	assert_non_null(f);
	return f;
}

static void
write_files(struct world *w)
{
	FILE *f;

	f = create(w, w->cafile, "ca.pem");
	PEM_write_X509(f, w->ca.cert);
	fclose(f);
	f = create(w, w->certfile, "cert.pem");
	PEM_write_X509(f, w->client.cert);
	fclose(f);
	f = create(w, w->keyfile, "key.pem");
	PEM_write_PrivateKey(f, w->client.key, NULL, NULL, 0, NULL, NULL);
	fclose(f);
	f = create(w, w->bundle, "bundle.pem");
	PEM_write_X509(f, w->client.cert);
	PEM_write_PrivateKey(f, w->client.key, NULL, NULL, 0, NULL, NULL);
	fclose(f);
	f = create(w, w->locked, "locked.pem");
	PEM_write_PrivateKey(f, w->client.key, EVP_aes_128_cbc(),
	    (const unsigned char *)"secret", 6, NULL, NULL);
	fclose(f);
	f = create(w, w->junk, "junk.pem");
	fputs("no certificate at all\n", f);
	fclose(f);
}

static int
build(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	const char *san = "DNS:mail.example.org,DNS:mx.example.org";

	assert_non_null(w);
	signal(SIGPIPE, SIG_IGN);
	snprintf(w->dir, sizeof(w->dir), "/tmp/dma-crypto-XXXXXX");
	assert_non_null(mkdtemp(w->dir));
	w->ca = make("Test CA", NULL, -DAY, 9 * DAY, NULL, 1);
	w->stranger = make("Other CA", NULL, -DAY, 9 * DAY, NULL, 1);
	w->srv[SRV_GOOD] = make("x", san, -DAY, 9 * DAY, &w->ca, 0);
	w->srv[SRV_SELF] = make("x", san, -DAY, 9 * DAY, NULL, 0);
	w->srv[SRV_EXPIRED] = make("x", san, -9 * DAY, -DAY, &w->ca, 0);
	w->srv[SRV_FUTURE] = make("x", san, DAY, 9 * DAY, &w->ca, 0);
	w->srv[SRV_STRANGER] = make("x", san, -DAY, 9 * DAY, &w->stranger, 0);
	w->srv[SRV_ADDRESS] = make("x", "IP:192.0.2.1,IP:2001:db8::1", -DAY,
	    9 * DAY, &w->ca, 0);
	w->srv[SRV_CN_ONLY] = make("mail.example.org", NULL, -DAY, 9 * DAY,
	    &w->ca, 0);
	w->srv[SRV_WILDCARD] = make("x", "DNS:*.example.org,DNS:m*.example.com",
	    -DAY, 9 * DAY, &w->ca, 0);
	w->srv[SRV_NASTY] = make("x", "DNS:a\nb\033[2J", -DAY, 9 * DAY,
	    &w->ca, 0);
	w->client = make("client", NULL, -DAY, 9 * DAY, &w->ca, 0);
	write_files(w);
	*state = w;
	return 0;
}

static int
tear_down(void **state)
{
	struct world *w = *state;
	size_t i;

	unlink(w->cafile);
	unlink(w->certfile);
	unlink(w->keyfile);
	unlink(w->bundle);
	unlink(w->locked);
	unlink(w->junk);
	rmdir(w->dir);
	unmake(&w->ca);
	unmake(&w->stranger);
	unmake(&w->client);
	for (i = 0; i < SRV__MAX; i++)
		unmake(&w->srv[i]);
	free(w);
	return 0;
}

static SSL_CTX *
server_ctx(const struct identity *id)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	assert_non_null(ctx);
	assert_int_equal(SSL_CTX_use_certificate(ctx, id->cert), 1);
	assert_int_equal(SSL_CTX_use_PrivateKey(ctx, id->key), 1);
	SSL_CTX_set_session_id_context(ctx, (const unsigned char *)"t", 1);
	return ctx;
}

static struct tls_setup *
client_setup(const char *cafile)
{
	struct tls_setup *setup;
	struct result res;
	struct conf conf;

	memset(&conf, 0, sizeof(conf));
	conf.tls.cafile = (char *)(uintptr_t)cafile;
	result_init(&res);
	setup = tls_setup_new(&conf.tls, &res);
	assert_non_null(setup);
	result_fini(&res);
	return setup;
}

/* Both sides in turn until the client is done, or the server stuck. */
static void
shake(struct pair *p)
{
	int i;

	for (i = 0; i < STEPS_MAX; i++) {
		p->end = tls_handshake(p->client, &p->res);
		if (p->end == TLS_BROKEN)
			break;
		SSL_do_handshake(p->server);
		ERR_clear_error();
		if (p->end == TLS_DONE && SSL_is_init_finished(p->server))
			break;
	}
	assert_true(i < STEPS_MAX);
}

/* The host's own name is the one to verify, as for most hosts. */
static void
set_demand(struct tls_demand *d, const char *const *host, int verify,
    const uint8_t (*pins)[32], size_t npins)
{
	memset(d, 0, sizeof(*d));
	d->sni = *host;
	d->names = host;
	d->nnames = 1;
	d->verify = verify;
	d->pins = pins;
	d->npins = npins;
}

static struct tls *
make_client(struct tls_setup *setup, int fd, const char *host, int verify,
    const uint8_t (*pins)[32], size_t npins)
{
	struct tls_demand d;

	set_demand(&d, &host, verify, pins, npins);
	return tls_new(setup, fd, &d);
}

static void
dial_for(struct pair *p, SSL_CTX *server, struct tls_setup *setup,
    const struct tls_demand *d)
{
	memset(p, 0, sizeof(*p));
	result_init(&p->res);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0,
	    p->fds), 0);
	p->server = SSL_new(server);
	assert_non_null(p->server);
	SSL_set_fd(p->server, p->fds[1]);
	SSL_set_accept_state(p->server);
	SSL_set_mode(p->server, SSL_MODE_ENABLE_PARTIAL_WRITE |
	    SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	p->client = tls_new(setup, p->fds[0], d);
	assert_non_null(p->client);
	shake(p);
}

static void
dial(struct pair *p, SSL_CTX *server, struct tls_setup *setup,
    const char *host, int verify, const uint8_t (*pins)[32], size_t npins)
{
	struct tls_demand d;

	set_demand(&d, &host, verify, pins, npins);
	dial_for(p, server, setup, &d);
}

static void
hang_up(struct pair *p)
{
	tls_free(p->client);
	SSL_free(p->server);
	close(p->fds[0]);
	close(p->fds[1]);
	result_fini(&p->res);
}

/* One byte from the server; with it the tickets of TLS 1.3 come in. */
static void
hear(struct pair *p)
{
	enum tls_want want;
	char c = 0;

	assert_int_equal(SSL_write(p->server, "x", 1), 1);
	assert_int_equal(tls_read(p->client, &c, 1, &want), 1);
	assert_int_equal(c, 'x');
}

static void
test_verify(void **state)
{
	static const struct {
		enum who	 srv;
		const char	*host;
		int		 verify;
		enum tls_want	 end;
		const char	*words;	/* in the reason or the description */
	} cases[] = {
		{ SRV_GOOD, "mail.example.org", 1, TLS_DONE, " verified" },
		{ SRV_GOOD, "mx.example.org", 1, TLS_DONE, " verified" },
		{ SRV_GOOD, "MX.Example.ORG.", 1, TLS_DONE, " verified" },
		{ SRV_GOOD, "mail.example.org", 0, TLS_DONE, " verified" },
		{ SRV_GOOD, "example.org", 1, TLS_BROKEN, "certificate: "
		    "hostname mismatch; it is valid for "
		    "mail.example.org, mx.example.org" },
		{ SRV_GOOD, "example.org", 0, TLS_DONE, " not verified: "
		    "certificate: hostname mismatch" },
		{ SRV_GOOD, "192.0.2.1", 1, TLS_BROKEN, "IP address mismatch" },
		{ SRV_SELF, "mail.example.org", 1, TLS_BROKEN, "certificate: "
		    "self-signed certificate; set CAFILE or "
		    "FINGERPRINT (its SHA-256 is " },
		{ SRV_SELF, "mail.example.org", 0, TLS_DONE, " not verified" },
		{ SRV_EXPIRED, "mail.example.org", 1, TLS_BROKEN,
		    "certificate has expired (20" },
		{ SRV_EXPIRED, "mail.example.org", 0, TLS_DONE, "expired" },
		{ SRV_FUTURE, "mail.example.org", 1, TLS_BROKEN,
		    "check the clock" },
		{ SRV_STRANGER, "mail.example.org", 1, TLS_BROKEN,
		    "unable to get local issuer certificate; set CAFILE" },
		{ SRV_ADDRESS, "192.0.2.1", 1, TLS_DONE, " verified" },
		{ SRV_ADDRESS, "2001:db8::1", 1, TLS_DONE, " verified" },
		{ SRV_ADDRESS, "2001:0DB8:0::0:1", 1, TLS_DONE, " verified" },
		{ SRV_ADDRESS, "192.0.2.2", 1, TLS_BROKEN, "address mismatch" },
		{ SRV_ADDRESS, "mail.example.org", 1, TLS_BROKEN,
		    "it contains no host name" },
		{ SRV_CN_ONLY, "mail.example.org", 1, TLS_BROKEN,
		    "it contains no host name" },
		{ SRV_WILDCARD, "mail.example.org", 1, TLS_DONE, " verified" },
		{ SRV_WILDCARD, "a.b.example.org", 1, TLS_BROKEN, "mismatch" },
		{ SRV_WILDCARD, "example.org", 1, TLS_BROKEN, "mismatch" },
		{ SRV_WILDCARD, "mail.example.com", 1, TLS_BROKEN, "mismatch" },
		{ SRV_NASTY, "mail.example.org", 1, TLS_BROKEN,
		    "it is valid for a b\\" },
	};
	struct world *w = *state;
	struct tls_setup *setup;
	const char *text;
	SSL_CTX *server;
	struct pair p;
	size_t i;

	for (i = 0; i < N(cases); i++) {
		setup = client_setup(w->cafile);
		server = server_ctx(&w->srv[cases[i].srv]);
		dial(&p, server, setup, cases[i].host, cases[i].verify, NULL,
		    0);
		text = p.end == TLS_DONE ? tls_describe(p.client) :
		    p.res.reason;
		if (p.end != cases[i].end ||
		    strstr(text, cases[i].words) == NULL)
			fail_msg("case %zu: %d %s", i, (int)p.end, text);
		if (p.end == TLS_BROKEN) {
			assert_int_equal(p.res.status, STATUS_DEFERRED);
			assert_string_equal(p.res.code, "4.7.5");
			assert_int_equal(tls_handshake(p.client, &p.res),
			    TLS_BROKEN);
		}
		hang_up(&p);
		SSL_CTX_free(server);
		tls_setup_free(setup);
	}
}

/* Without CAFILE the system's store counts, which knows no CA of ours. */
static void
test_system_store(void **state)
{
	struct world *w = *state;
	struct tls_setup *setup = client_setup(NULL);
	SSL_CTX *server = server_ctx(&w->srv[SRV_GOOD]);
	struct pair p;

	dial(&p, server, setup, "mail.example.org", 1, NULL, 0);
	assert_int_equal(p.end, TLS_BROKEN);
	assert_non_null(strstr(p.res.reason, "set CAFILE or FINGERPRINT"));
	hang_up(&p);
	SSL_CTX_free(server);
	tls_setup_free(setup);
}

/* 1 when a file that is watched was opened; the watch ends. */
static int
was_opened(int watch)
{
	char event[512];
	ssize_t n = read(watch, event, sizeof(event));

	close(watch);
	return n > 0;
}

/* The names that OpenSSL looks for in such a directory. */
static void
put_hashed(const struct world *w, char path[128], X509 *cert)
{
	char name[32];
	FILE *f;

	snprintf(name, sizeof(name), "%08lx.0", X509_subject_name_hash(cert));
	f = create(w, path, name);
	PEM_write_X509(f, cert);
	fclose(f);
}

/*
 * The system's directory and its file, which counts as well, but is read only
 * when the directory does not do.
 */
static void
test_directory_before_file(void **state)
{
	struct world *w = *state;
	struct identity namesake = make("Test CA", NULL, -DAY, 9 * DAY, NULL,
	    1);
	const struct {
		X509		*hashed, *filed;	/* or NULL */
		enum tls_want	 end;
		int		 is_read;
	} cases[] = {
		{ w->ca.cert, w->stranger.cert, TLS_DONE, 0 },
		{ NULL, w->ca.cert, TLS_DONE, 1 },
		{ w->stranger.cert, w->ca.cert, TLS_DONE, 1 },
		{ namesake.cert, w->ca.cert, TLS_DONE, 1 },
		{ NULL, w->stranger.cert, TLS_BROKEN, 1 },
		{ namesake.cert, w->stranger.cert, TLS_BROKEN, 1 },
	};
	SSL_CTX *server = server_ctx(&w->srv[SRV_GOOD]);
	char path[128], file[128];
	struct tls_setup *setup;
	struct pair p;
	size_t i;
	FILE *f;
	int watch;

	setenv("SSL_CERT_DIR", w->dir, 1);
	for (i = 0; i < N(cases); i++) {
		if (cases[i].hashed != NULL)
			put_hashed(w, path, cases[i].hashed);
		f = create(w, file, "file.pem");
		PEM_write_X509(f, cases[i].filed);
		fclose(f);
		watch = inotify_init1(IN_NONBLOCK);
		assert_true(inotify_add_watch(watch, file, IN_OPEN) != -1);
		setenv("SSL_CERT_FILE", file, 1);
		setup = client_setup(NULL);
		dial(&p, server, setup, "mail.example.org", 1, NULL, 0);
		assert_int_equal(p.end, cases[i].end);
		assert_int_equal(was_opened(watch), cases[i].is_read);
		hang_up(&p);
		tls_setup_free(setup);
		unlink(file);
		if (cases[i].hashed != NULL)
			unlink(path);
	}
	unsetenv("SSL_CERT_DIR");
	unsetenv("SSL_CERT_FILE");
	SSL_CTX_free(server);
	unmake(&namesake);
}

enum pin { PIN_CERT, PIN_KEY, PIN_OTHER, PIN_CA };

static void
compute_pin(const struct world *w, enum who srv, enum pin pin, uint8_t out[32])
{
	const struct identity *id = &w->srv[srv];
	unsigned char *der = NULL;
	unsigned n = 32;
	size_t got;
	int len;

	memset(out, 0xa5, 32);
	if (pin == PIN_CERT)
		X509_digest(id->cert, EVP_sha256(), out, &n);
	if (pin == PIN_CA)
		X509_digest(w->ca.cert, EVP_sha256(), out, &n);
	if (pin != PIN_KEY)
		return;
	len = i2d_PUBKEY(id->key, &der);
	assert_true(len > 0);
	EVP_Q_digest(NULL, "SHA256", NULL, der, (size_t)len, out, &got);
	OPENSSL_free(der);
}

static void
test_pins(void **state)
{
	static const struct {
		enum who	 srv;
		enum pin	 pin;
		int		 verify;
		enum tls_want	 end;
	} cases[] = {
		{ SRV_SELF,	PIN_CERT,	1,	TLS_DONE },
		{ SRV_SELF,	PIN_KEY,	1,	TLS_DONE },
		{ SRV_SELF,	PIN_KEY,	0,	TLS_DONE },
		{ SRV_EXPIRED,	PIN_CERT,	1,	TLS_DONE },
		{ SRV_CN_ONLY,	PIN_CERT,	1,	TLS_DONE },
		{ SRV_SELF,	PIN_OTHER,	1,	TLS_BROKEN },
		{ SRV_SELF,	PIN_OTHER,	0,	TLS_BROKEN },
		/* A pin is meant: no CA can stand in for it. */
		{ SRV_GOOD,	PIN_OTHER,	1,	TLS_BROKEN },
		{ SRV_GOOD,	PIN_OTHER,	0,	TLS_BROKEN },
		{ SRV_GOOD,	PIN_CA,		1,	TLS_BROKEN },
	};
	struct world *w = *state;
	uint8_t pins[3][32];
	struct tls_setup *setup;
	SSL_CTX *server;
	struct pair p;
	size_t i;

	for (i = 0; i < N(cases); i++) {
		memset(pins, 0x5a, sizeof(pins));
		compute_pin(w, cases[i].srv, cases[i].pin, pins[i % 3]);
		setup = client_setup(w->cafile);
		server = server_ctx(&w->srv[cases[i].srv]);
		dial(&p, server, setup, "mail.example.org", cases[i].verify,
		    (const uint8_t (*)[32])pins, 3);
		assert_int_equal(p.end, cases[i].end);
		assert_int_equal(is_verified(p.client),
		    p.end == TLS_DONE);
		if (p.end == TLS_DONE)
			assert_non_null(strstr(tls_describe(p.client),
			    " pinned"));
		else
			assert_non_null(strstr(p.res.reason,
			    "certificate: not listed in FINGERPRINT (its "
			    "SHA-256 is "));
		hang_up(&p);
		SSL_CTX_free(server);
		tls_setup_free(setup);
	}
}

/* Dials twice; the second time as told.  Gives what became of that. */
static void
dial_twice(struct world *w, int version, int verify1, int verify2,
    const uint8_t (*pins2)[32], size_t npins2, const char *host2,
    enum who srv, struct pair *p, struct tls_setup **setup, SSL_CTX **server)
{
	*setup = client_setup(w->cafile);
	*server = server_ctx(&w->srv[srv]);
	SSL_CTX_set_max_proto_version(*server, version);
	dial(p, *server, *setup, "mail.example.org", verify1, NULL, 0);
	assert_int_equal(p->end, TLS_DONE);
	assert_false(is_resumed(p->client));
	hear(p);
	hang_up(p);
	dial(p, *server, *setup, host2, verify2, pins2, npins2);
}

static void
test_resume(void **state)
{
	static const struct {
		enum who	 srv;
		int		 verify1, verify2, npins;
		enum pin	 pin;
		const char	*host;
		enum tls_want	 end;
		int		 is_resumed, is_verified;
	} cases[] = {
		{ SRV_GOOD, 1, 1, 0, 0, "mail.example.org", TLS_DONE, 1, 1 },
		{ SRV_GOOD, 0, 1, 0, 0, "Mail.Example.Org", TLS_DONE, 1, 1 },
		{ SRV_GOOD, 1, 0, 0, 0, "mail.example.org", TLS_DONE, 1, 1 },
		{ SRV_GOOD, 1, 1, 0, 0, "mx.example.org", TLS_DONE, 0, 1 },
		{ SRV_GOOD, 1, 1, 0, 0, "example.org", TLS_BROKEN, 0, 0 },
		{ SRV_SELF, 0, 0, 0, 0, "mail.example.org", TLS_DONE, 1, 0 },
		/* A session from before trust was asked for brings none. */
		{ SRV_SELF, 0, 1, 0, 0, "mail.example.org", TLS_BROKEN, 0, 0 },
		{ SRV_GOOD, 1, 1, 1, PIN_CERT, "mail.example.org", TLS_DONE, 1,
		    1 },
		{ SRV_SELF, 0, 1, 1, PIN_KEY, "mail.example.org", TLS_DONE, 1,
		    1 },
		{ SRV_GOOD, 1, 1, 1, PIN_OTHER, "mail.example.org", TLS_BROKEN,
		    0, 0 },
	};
	static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };
	struct world *w = *state;
	struct tls_setup *setup;
	uint8_t pins[1][32];
	SSL_CTX *server;
	struct pair p;
	size_t i, v;

	for (i = 0; i < N(cases) * 2; i++) {
		v = i % 2;
		compute_pin(w, cases[i / 2].srv, cases[i / 2].pin, pins[0]);
		dial_twice(w, versions[v], cases[i / 2].verify1,
		    cases[i / 2].verify2, (const uint8_t (*)[32])pins,
		    (size_t)cases[i / 2].npins, cases[i / 2].host,
		    cases[i / 2].srv, &p, &setup, &server);
		if (p.end != cases[i / 2].end || is_resumed(p.client) !=
		    cases[i / 2].is_resumed || is_verified(p.client) !=
		    cases[i / 2].is_verified)
			fail_msg("case %zu, version %zu: %s", i / 2, v,
			    tls_describe(p.client));
		hang_up(&p);
		SSL_CTX_free(server);
		tls_setup_free(setup);
	}
}

/* A server that forgot its tickets is verified anew. */
static void
test_resume_declined(void **state)
{
	struct world *w = *state;
	struct tls_setup *setup;
	SSL_CTX *server, *other;
	struct pair p;

	dial_twice(w, TLS1_3_VERSION, 1, 1, NULL, 0, "mail.example.org",
	    SRV_GOOD, &p, &setup, &server);
	hear(&p);
	hang_up(&p);
	other = server_ctx(&w->srv[SRV_SELF]);
	dial(&p, other, setup, "mail.example.org", 1, NULL, 0);
	assert_int_equal(p.end, TLS_BROKEN);
	assert_false(is_verified(p.client));
	hang_up(&p);
	SSL_CTX_free(other);
	SSL_CTX_free(server);
	tls_setup_free(setup);
}

/* The session of one host is not for another; the latest is kept. */
static void
test_many_hosts(void **state)
{
	struct world *w = *state;
	struct tls_setup *setup = client_setup(w->cafile);
	SSL_CTX *server = server_ctx(&w->srv[SRV_WILDCARD]);
	char host[32];
	struct pair p;
	int i;

	for (i = 0; i < 3; i++) {
		snprintf(host, sizeof(host), "m%d.example.org", i % 2);
		dial(&p, server, setup, host, 1, NULL, 0);
		assert_int_equal(p.end, TLS_DONE);
		assert_false(is_resumed(p.client));
		hear(&p);
		hang_up(&p);
	}
	dial(&p, server, setup, "m0.example.org", 1, NULL, 0);
	assert_true(is_resumed(p.client));
	hang_up(&p);
	SSL_CTX_free(server);
	tls_setup_free(setup);
}

/* Writes all through a full socket while the server reads. */
static void
push(struct pair *p, const char *data, size_t len, char *got)
{
	enum tls_want want;
	size_t sent = 0, seen = 0;
	ssize_t n;
	int r;

	while (seen < len) {
		n = sent == len ? 0 : tls_write(p->client, data + sent,
		    len - sent, &want);
		if (n == -1)
			assert_int_equal(want, TLS_WANT_WRITE);
		else
			sent += (size_t)n;
		r = SSL_read(p->server, got + seen, (int)(len - seen));
		if (r > 0)
			seen += (size_t)r;
	}
}

static void
test_stream(void **state)
{
	struct world *w = *state;
	struct tls_setup *setup = client_setup(w->cafile);
	SSL_CTX *server = server_ctx(&w->srv[SRV_GOOD]);
	char *data = malloc(BIG), *got = calloc(1, BIG), small[4];
	enum tls_want want;
	struct pair p;
	size_t i;

	assert_non_null(data);
	assert_non_null(got);
	for (i = 0; i < BIG; i++)
		data[i] = (char)(i * 31 >> 3);
	dial(&p, server, setup, "mail.example.org", 1, NULL, 0);
	push(&p, data, BIG, got);
	assert_memory_equal(data, got, BIG);
	assert_int_equal(tls_read(p.client, small, 4, &want), -1);
	assert_int_equal(want, TLS_WANT_READ);
	assert_int_equal(SSL_write(p.server, "220 hello", 9), 9);
	assert_int_equal(tls_pending(p.client), 0);
	assert_int_equal(tls_read(p.client, small, 4, &want), 4);
	assert_int_equal(want, TLS_DONE);
	assert_int_equal(tls_pending(p.client), 5);
	assert_int_equal(tls_read(p.client, got, BIG, &want), 5);
	assert_memory_equal(got, "hello", 5);
	assert_int_equal(want, TLS_DONE);
	hang_up(&p);
	SSL_CTX_free(server);
	tls_setup_free(setup);
	free(data);
	free(got);
}

/* An end that is said is 0; one that is cut off is trouble. */
static void
test_ends(void **state)
{
	struct world *w = *state;
	struct tls_setup *setup = client_setup(w->cafile);
	SSL_CTX *server = server_ctx(&w->srv[SRV_GOOD]);
	enum tls_want want;
	struct pair p;
	char c;

	dial(&p, server, setup, "mail.example.org", 1, NULL, 0);
	SSL_shutdown(p.server);
	assert_int_equal(tls_read(p.client, &c, 1, &want), 0);
	assert_int_equal(want, TLS_DONE);
	tls_shutdown(p.client);
	assert_int_equal(SSL_read(p.server, &c, 1), 0);
	assert_int_equal(SSL_get_error(p.server, 0), SSL_ERROR_ZERO_RETURN);
	hang_up(&p);

	dial(&p, server, setup, "mail.example.org", 1, NULL, 0);
	assert_int_equal(shutdown(p.fds[1], SHUT_WR), 0);
	assert_int_equal(tls_read(p.client, &c, 1, &want), -1);
	assert_int_equal(want, TLS_BROKEN);
	assert_int_equal(tls_write(p.client, "x", 1, &want), -1);
	assert_int_equal(want, TLS_BROKEN);
	tls_shutdown(p.client);
	hang_up(&p);

	dial(&p, server, setup, "mail.example.org", 1, NULL, 0);
	close(p.fds[1]);
	assert_int_equal(tls_write(p.client, "x", 1, &want), -1);
	assert_int_equal(want, TLS_BROKEN);
	p.fds[1] = -1;
	hang_up(&p);
	SSL_CTX_free(server);
	tls_setup_free(setup);
}

/* Nothing goes out, and nothing comes in, before the handshake. */
static void
test_before_handshake(void **state)
{
	struct world *w = *state;
	struct tls_setup *setup = client_setup(w->cafile);
	enum tls_want want;
	struct tls *t;
	int fds[2];
	char c;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0,
	    fds), 0);
	t = make_client(setup, fds[0], "mail.example.org", 0, NULL, 0);
	assert_non_null(t);
	assert_int_equal(tls_write(t, "AUTH", 4, &want), -1);
	assert_int_equal(want, TLS_BROKEN);
	assert_int_equal(tls_read(t, &c, 1, &want), -1);
	assert_int_equal(want, TLS_BROKEN);
	assert_int_equal(recv(fds[1], &c, 1, 0), -1);
	assert_int_equal(errno, EAGAIN);
	assert_false(is_verified(t));
	tls_free(t);
	close(fds[0]);
	close(fds[1]);
	tls_setup_free(setup);
}

/* What a server without TLS, or none at all, looks like. */
static void
test_no_tls(void **state)
{
	static const struct { const char *says, *words, *code; } cases[] = {
		{ "220 mail.example.org ESMTP\r\n",
		    "does not use TLS on this port", "4.7.5" },
		{ "", "TLS: connection closed",
		    "4.7.5" },
		{ "\x15\x03\x03\x00\x02\x02\x46",
		    "does not support TLS 1.2 or newer", "4.7.5" },
		{ "\x15\x03\x03\x00\x02\x02\x28", "handshake failure",
		    "4.7.5" },
	};
	/* Records hold NULs: their lengths. */
	static const size_t lens[] = { 28, 0, 7, 7 };
	struct world *w = *state;
	struct tls_setup *setup = client_setup(w->cafile);
	enum tls_want want;
	struct result res;
	struct tls *t;
	size_t i;
	int fds[2];

	for (i = 0; i < N(cases); i++) {
		result_init(&res);
		assert_int_equal(socketpair(AF_UNIX,
		    SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
		t = make_client(setup, fds[0], "mail.example.org", 0, NULL, 0);
		assert_non_null(t);
		assert_int_equal(tls_handshake(t, &res), TLS_WANT_READ);
		assert_int_equal(write(fds[1], cases[i].says, lens[i]),
		    (ssize_t)lens[i]);
		assert_int_equal(shutdown(fds[1], SHUT_WR), 0);
		want = tls_handshake(t, &res);
		assert_int_equal(want, TLS_BROKEN);
		if (strstr(res.reason, cases[i].words) == NULL)
			fail_msg("case %zu: %s", i, res.reason);
		assert_string_equal(res.code, cases[i].code);
		assert_int_equal(res.status, STATUS_DEFERRED);
		tls_free(t);
		close(fds[0]);
		close(fds[1]);
		result_fini(&res);
	}
	tls_setup_free(setup);
}

/* Counts the client's first messages of a handshake. */
static void
count_hellos(int is_sent, int version, int type, const void *data, size_t len,
    SSL *ssl, void *arg)
{
	(void)version;
	(void)ssl;
	if (!is_sent && type == SSL3_RT_HANDSHAKE && len > 0 &&
	    *(const uint8_t *)data == SSL3_MT_CLIENT_HELLO)
		++*(int *)arg;
}

/* TLS 1.1 is refused, and so is a new handshake inside TLS 1.2. */
static void
test_old_habits(void **state)
{
	struct world *w = *state;
	struct tls_setup *setup = client_setup(w->cafile);
	SSL_CTX *server = server_ctx(&w->srv[SRV_GOOD]);
	enum tls_want want;
	struct pair p;
	char c;
	int i, hellos = 0;

	SSL_CTX_set_security_level(server, 0);
	SSL_CTX_set_min_proto_version(server, TLS1_VERSION);
	SSL_CTX_set_max_proto_version(server, TLS1_1_VERSION);
	dial(&p, server, setup, "mail.example.org", 0, NULL, 0);
	assert_int_equal(p.end, TLS_BROKEN);
	assert_non_null(strstr(p.res.reason, "not support TLS 1.2"));
	hang_up(&p);

	SSL_CTX_set_max_proto_version(server, TLS1_2_VERSION);
	SSL_CTX_set_msg_callback(server, count_hellos);
	SSL_CTX_set_msg_callback_arg(server, &hellos);
	dial(&p, server, setup, "mail.example.org", 1, NULL, 0);
	assert_int_equal(p.end, TLS_DONE);
	assert_non_null(strstr(tls_describe(p.client), "TLSv1.2 "));
	assert_int_equal(SSL_renegotiate(p.server), 1);
	for (i = 0; i < 4; i++) {
		SSL_do_handshake(p.server);
		SSL_read(p.server, &c, 1);
		assert_int_equal(tls_read(p.client, &c, 1, &want), -1);
	}
	assert_int_equal(hellos, 1);
	hang_up(&p);
	SSL_CTX_free(server);
	tls_setup_free(setup);
}

/* SNI goes out for names only. */
static int
note_sni(SSL *ssl, int *alert, void *arg)
{
	const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);

	(void)alert;
	snprintf(arg, 64, "%s", name == NULL ? "none" : name);
	return SSL_TLSEXT_ERR_OK;
}

static void
test_sni(void **state)
{
	static const struct { const char *host, *sni; } cases[] = {
		{ "mail.example.org", "mail.example.org" },
		{ "mail.example.org.", "mail.example.org" },
		{ "192.0.2.1", "none" },
		{ "2001:db8::1", "none" },
	};
	struct world *w = *state;
	struct tls_setup *setup = client_setup(w->cafile);
	SSL_CTX *server = server_ctx(&w->srv[SRV_GOOD]);
	char got[64];
	struct pair p;
	size_t i;

	SSL_CTX_set_tlsext_servername_callback(server, note_sni);
	SSL_CTX_set_tlsext_servername_arg(server, got);
	for (i = 0; i < N(cases); i++) {
		got[0] = '\0';
		dial(&p, server, setup, cases[i].host, 0, NULL, 0);
		assert_int_equal(p.end, TLS_DONE);
		assert_string_equal(got, cases[i].sni);
		hang_up(&p);
	}
	SSL_CTX_free(server);
	tls_setup_free(setup);
}

static void
test_bad_host(void **state)
{
	static const char *const hosts[] = { "", ".", "a\nb", "a\001" };
	struct world *w = *state;
	struct tls_setup *setup = client_setup(w->cafile);
	char name[300];
	size_t i;

	for (i = 0; i < N(hosts); i++)
		assert_null(make_client(setup, 0, hosts[i], 0, NULL, 0));
	memset(name, 'a', sizeof(name));
	name[256] = '\0';
	assert_null(make_client(setup, 0, name, 0, NULL, 0));
	tls_setup_free(setup);
}

/* The server sees our certificate when it asks. */
static void
test_client_cert(void **state)
{
	struct world *w = *state;
	struct tls_setup *setup;
	struct result res;
	struct conf conf;
	SSL_CTX *server;
	struct pair p;
	X509 *seen;
	int i;

	result_init(&res);
	for (i = 0; i < 2; i++) {
		memset(&conf, 0, sizeof(conf));
		conf.tls.cafile = w->cafile;
		conf.tls.certfile = i == 0 ? w->bundle : w->certfile;
		conf.tls.keyfile = i == 0 ? NULL : w->keyfile;
		setup = tls_setup_new(&conf.tls, &res);
		assert_non_null(setup);
		server = server_ctx(&w->srv[SRV_GOOD]);
		assert_int_equal(SSL_CTX_load_verify_file(server, w->cafile),
		    1);
		SSL_CTX_set_verify(server, SSL_VERIFY_PEER |
		    SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
		dial(&p, server, setup, "mail.example.org", 1, NULL, 0);
		assert_int_equal(p.end, TLS_DONE);
		seen = SSL_get1_peer_certificate(p.server);
		assert_non_null(seen);
		assert_int_equal(X509_cmp(seen, w->client.cert), 0);
		X509_free(seen);
		assert_true(tls_has_shown_cert(p.client));
		hear(&p);
		hang_up(&p);
		/* And again: no session stands for it. */
		dial(&p, server, setup, "mail.example.org", 1, NULL, 0);
		assert_int_equal(p.end, TLS_DONE);
		assert_false(is_resumed(p.client));
		assert_true(tls_has_shown_cert(p.client));
		hang_up(&p);
		/* Nobody asked for it. */
		SSL_CTX_free(server);
		server = server_ctx(&w->srv[SRV_GOOD]);
		dial(&p, server, setup, "mail.example.org", 1, NULL, 0);
		assert_int_equal(p.end, TLS_DONE);
		assert_false(is_resumed(p.client));
		assert_false(tls_has_shown_cert(p.client));
		hang_up(&p);
		SSL_CTX_free(server);
		tls_setup_free(setup);
	}
	result_fini(&res);
}

static void
test_bad_setup(void **state)
{
	struct world *w = *state;
	const struct {
		const char *cafile, *certfile, *keyfile, *words;
	} cases[] = {
		{ "/nonexistent/ca", NULL, NULL,
		    "CAFILE in dma.conf cannot be used "
		    "(/nonexistent/ca: No such file or directory)" },
		{ w->junk, NULL, NULL, "CAFILE " },
		{ w->cafile, "/nonexistent/c", NULL,
		    "CERTFILE in dma.conf cannot be used "
		    "(/nonexistent/c: No such file or directory)" },
		{ w->cafile, w->junk, NULL, "CERTFILE " },
		{ w->cafile, w->certfile, NULL, "KEYFILE " },
		{ w->cafile, w->certfile, "/nonexistent/k",
		    "(/nonexistent/k: No such file" },
		{ w->cafile, w->certfile, w->locked, "KEYFILE " },
		{ w->cafile, w->cafile, w->keyfile, "KEYFILE " },
	};
	struct result res;
	struct conf conf;
	struct buf text;
	size_t i;

	for (i = 0; i < N(cases); i++) {
		result_init(&res);
		buf_init(&text, 0);
		memset(&conf, 0, sizeof(conf));
		conf.tls.cafile = (char *)(uintptr_t)cases[i].cafile;
		conf.tls.certfile = (char *)(uintptr_t)cases[i].certfile;
		conf.tls.keyfile = (char *)(uintptr_t)cases[i].keyfile;
		assert_null(tls_setup_new(&conf.tls, &res));
		assert_int_equal(res.status, STATUS_DEFERRED);
		assert_memory_equal(res.code, "4.7.", 4);
		/* The path is for the log and root alone. */
		assert_null(strchr(res.reason, '/'));
		result_put_full(&text, &res);
		if (strstr(buf_str(&text), cases[i].words) == NULL)
			fail_msg("case %zu: %s", i, buf_str(&text));
		buf_fini(&text);
		result_fini(&res);
	}
}

/* What the server has at its end of the channel. */
static size_t
server_binding(SSL *ssl, const char *name, uint8_t *out)
{
	unsigned n = 0;

	if (strcmp(name, "tls-unique") == 0)
		return SSL_session_reused(ssl) ? SSL_get_finished(ssl, out,
		    TLS_BINDING_MAX) : SSL_get_peer_finished(ssl, out,
		    TLS_BINDING_MAX);
	if (strcmp(name, "tls-exporter") == 0) {
		assert_int_equal(SSL_export_keying_material(ssl, out, 32,
		    "EXPORTER-Channel-Binding", 24, (const unsigned char *)"",
		    0, 1), 1);
		return 32;
	}
	/* The certificates of these tests are signed with SHA-256. */
	assert_int_equal(X509_digest(SSL_get_certificate(ssl), EVP_sha256(),
	    out, &n), 1);
	return n;
}

static void
test_binding(void **state)
{
	static const struct {
		int version; uint64_t options; const char *name;
	} cases[] = {
		{ TLS1_3_VERSION, 0, "tls-exporter" },
		{ TLS1_2_VERSION, 0, "tls-unique" },
		{ TLS1_2_VERSION, SSL_OP_NO_EXTENDED_MASTER_SECRET,
		    "tls-server-end-point" },
	};
	uint8_t ours[TLS_BINDING_MAX], theirs[TLS_BINDING_MAX];
	uint8_t before[TLS_BINDING_MAX];
	struct world *w = *state;
	struct tls_setup *setup;
	const char *name;
	SSL_CTX *server;
	struct pair p;
	size_t i, n;
	int turn;

	for (i = 0; i < N(cases); i++) {
		setup = client_setup(w->cafile);
		server = server_ctx(&w->srv[SRV_GOOD]);
		SSL_CTX_set_max_proto_version(server, cases[i].version);
		SSL_CTX_set_options(server, cases[i].options);
		for (turn = 0; turn < 2; turn++) {
			dial(&p, server, setup, "mail.example.org", 1, NULL,
			    0);
			assert_int_equal(p.end, TLS_DONE);
			assert_int_equal(is_resumed(p.client), turn);
			name = tls_binding(p.client, ours, &n);
			assert_non_null(name);
			assert_string_equal(name, cases[i].name);
			assert_int_equal(server_binding(p.server, name,
			    theirs), n);
			assert_memory_equal(ours, theirs, n);
			/* Each channel has its own; not so a certificate. */
			if (turn == 1 && i < 2)
				assert_memory_not_equal(ours, before, n);
			memcpy(before, ours, sizeof(before));
			hear(&p);
			hang_up(&p);
		}
		SSL_CTX_free(server);
		tls_setup_free(setup);
	}
}

static void
test_binding_none(void **state)
{
	uint8_t out[TLS_BINDING_MAX];
	struct world *w = *state;
	struct tls_setup *setup = client_setup(w->cafile);
	int fds[2];
	struct tls *t;
	size_t n = 7;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	t = make_client(setup, fds[0], "mail.example.org", 1, NULL, 0);
	assert_non_null(t);
	assert_null(tls_binding(t, out, &n));
	assert_int_equal(n, 0);
	assert_false(tls_has_shown_cert(t));
	tls_free(t);
	close(fds[0]);
	close(fds[1]);
	tls_setup_free(setup);
}

/* FIPS 180-4 and RFC 1321: "abc". */
static void
test_digest(void **state)
{
	static const char *const cases[] = {
		[SASL_MD5] = "900150983cd24fb0d6963f7d28e17f72",
		[SASL_SHA1] = "a9993e364706816aba3e25717850c26c9cd0d89d",
		[SASL_SHA256] = ("ba7816bf8f01cfea414140de5dae2223"
		    "b00361a396177a9cb410ff61f20015ad"),
	};
	char hex[2 * SASL_DIGEST_MAX + 1];
	uint8_t out[SASL_DIGEST_MAX];
	size_t i, j;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		assert_int_equal(crypto_sasl()->digest((enum sasl_hash)i, "abc",
		    3, out), 0);
		for (j = 0; j < strlen(cases[i]) / 2; j++)
			snprintf(hex + 2 * j, 3, "%02x", out[j]);
		assert_string_equal(hex, cases[i]);
	}
}

/* RFC 6070 2 and, for SHA-256, RFC 7914 11: one block. */
static void
test_stretch(void **state)
{
	static const struct {
		enum sasl_hash hash; const char *password, *salt;
		unsigned rounds, slice; const char *hex;
	} cases[] = {
		{ SASL_SHA1, "password", "salt", 1, 1,
		    "0c60c80f961f0e71f3a9b524af6012062fe037a6" },
		{ SASL_SHA1, "password", "salt", 2, 1,
		    "ea6c014dc72d6f8ccd1ed92ace1d41f0d8de8957" },
		{ SASL_SHA1, "password", "salt", 4096, 1000,
		    "4b007901b765489abead49d926f721d065a429c1" },
		{ SASL_SHA256, "passwd", "salt", 1, 1,
		    "55ac046e56e3089fec1691c22544b605"
		    "f94185216dde0465e68b9d57c20dacbc" },
		{ SASL_SHA256, "Password", "NaCl", 80000, 80000,
		    "4ddcd8f60b98be21830cee5ef22701f9"
		    "641a4418d04c0414aeff08876b34ab56" },
		{ SASL_SHA256, "", "salt", 3, 1, NULL },
	};
	const struct sasl_crypto *c = crypto_sasl();
	uint8_t u[SASL_DIGEST_MAX], sum[SASL_DIGEST_MAX];
	char salt[16], hex[2 * SASL_DIGEST_MAX + 1];
	unsigned left, n;
	size_t i, j, len;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		len = strlen(cases[i].salt);
		memcpy(salt, cases[i].salt, len);
		memcpy(salt + len, "\0\0\0\1", 4);
		assert_int_equal(c->hmac(cases[i].hash, cases[i].password,
		    strlen(cases[i].password), salt, len + 4, u), 0);
		memcpy(sum, u, sizeof(sum));
		for (left = cases[i].rounds - 1; left > 0; left -= n) {
			n = left < cases[i].slice ? left : cases[i].slice;
			assert_int_equal(c->stretch(cases[i].hash,
			    cases[i].password, strlen(cases[i].password), u,
			    sum, n), 0);
		}
		if (cases[i].hex == NULL)
			continue;
		for (j = 0; j < strlen(cases[i].hex) / 2; j++)
			snprintf(hex + 2 * j, 3, "%02x", sum[j]);
		assert_string_equal(hex, cases[i].hex);
	}
}

static void
test_random(void **state)
{
	uint8_t a[SASL_NONCE] = { 0 }, b[SASL_NONCE] = { 0 };

	(void)state;
	assert_int_equal(crypto_sasl()->random(a, sizeof(a)), 0);
	assert_int_equal(crypto_sasl()->random(b, sizeof(b)), 0);
	assert_memory_not_equal(a, b, sizeof(a));
}

/* RFC 2202 2. */
static void
test_hmac_md5(void **state)
{
	static const struct {
		const char *key; size_t keylen; char fill; const char *text;
		size_t len; const char *hex;
	} cases[] = {
		{ NULL, 16, 0x0b, "Hi There", 8,
		    "9294727a3638bb1c13f48ef8158bfc9d" },
		{ "Jefe", 4, 0, "what do ya want for nothing?", 28,
		    "750c783e6ab0b503eaa86e310a5db738" },
		{ NULL, 16, (char)0xaa, NULL, 50,	/* text: 0xdd */
		    "56be34521d144c88dbb8c733f0e8b3f6" },
		{ NULL, 16, 0x0c, "Test With Truncation", 20,
		    "56461ef2342edc00f9bab995690efd4c" },
		{ NULL, 80, (char)0xaa, "Test Using Larger Than Block-Size "
		    "Key - Hash Key First", 54,
		    "6b1ab7fe4bd7bf8f0b62e6ce61b9d0cd" },
		/* RFC 2195 2 */
		{ "tanstaaftanstaaf", 16, 0,
		    "<1896.697170952@postoffice.reston.mci.net>", 42,
		    "b913a602c7eda7a495b4e6e7334d3890" },
		{ "", 0, 0, "", 0, "74e6f7298a9c2d168935f58c001bad88" },
	};
	char key[80], text[50], hex[33];
	uint8_t out[16];
	size_t i, j;

	(void)state;
	memset(text, 0xdd, sizeof(text));
	for (i = 0; i < N(cases); i++) {
		memset(key, cases[i].fill, sizeof(key));
		assert_int_equal(crypto_sasl()->hmac(SASL_MD5,
		    cases[i].key == NULL ? key :
		    cases[i].key, cases[i].keylen, cases[i].text == NULL ?
		    text : cases[i].text, cases[i].len, out), 0);
		for (j = 0; j < sizeof(out); j++)
			snprintf(hex + 2 * j, 3, "%02x", out[j]);
		assert_string_equal(hex, cases[i].hex);
	}
}

/* A server that its own name says little about. */
static void
test_names(void **state)
{
	static const struct {
		const char	*names[3];
		enum tls_want	 end;
		const char	*words;
	} cases[] = {
		{ { "mail.example.org" }, TLS_DONE, "verified" },
		{ { "a.example.net", "mx.example.org" }, TLS_DONE,
		    "verified" },
		{ { "a.example.net", "example.org" }, TLS_BROKEN,
		    "it is valid for mail.example.org, mx.example.org; expected "
		    "a.example.net,example.org" },
		{ { "a..b\n" }, TLS_WANT_READ, NULL },
		{ { NULL }, TLS_WANT_READ, NULL },
	};
	struct world *w = *state;
	struct tls_setup *setup = client_setup(w->cafile);
	SSL_CTX *server = server_ctx(&w->srv[SRV_GOOD]);
	struct tls_demand d;
	struct pair p;
	size_t i;

	for (i = 0; i < N(cases); i++) {
		memset(&d, 0, sizeof(d));
		d.sni = "relay.example.com";
		d.names = cases[i].names;
		while (d.nnames < 3 && cases[i].names[d.nnames] != NULL)
			d.nnames++;
		d.verify = 1;
		if (cases[i].words == NULL) {
			assert_null(tls_new(setup, 0, &d));
			continue;
		}
		dial_for(&p, server, setup, &d);
		assert_int_equal(p.end, cases[i].end);
		assert_non_null(strstr(p.end == TLS_DONE ?
		    tls_describe(p.client) : p.res.reason, cases[i].words));
		hang_up(&p);
	}
	SSL_CTX_free(server);
	tls_setup_free(setup);
}

/* The data of a TLSA record for a certificate: all of it, or a digest. */
static void
put_tlsa(struct tlsas *t, const X509 *cert, int usage, int selector,
    int matching)
{
	static const char *const digests[] = { NULL, "SHA256", "SHA512" };
	struct tlsa *a = &t->list[t->n++];
	unsigned char *der = NULL;
	size_t n;
	int len;

	a->usage = (uint8_t)usage;
	a->selector = (uint8_t)selector;
	a->matching = (uint8_t)matching;
	if (selector == 0)
		len = i2d_X509(cert, &der);
	else
		len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &der);
	assert_true(len > 0);
	n = (size_t)len;
	memcpy(t->data, der, n);
	if (matching > 0)
		assert_int_equal(EVP_Q_digest(NULL, digests[matching], NULL,
		    der, (size_t)len, t->data, &n), 1);
	a->len = (uint16_t)n;
	OPENSSL_free(der);
}

enum flaw { FLAW_NONE, FLAW_DATA, FLAW_JUNK };

static const struct {
	enum who	 srv;
	int		 ca;		/* the record is that of its CA */
	int		 usage, selector, matching;
	enum flaw	 flaw;
	const char	*name;		/* that is wanted */
	enum tls_want	 end;
	const char	*words;
} danes[] = {
	{ SRV_SELF, 0, 3, 1, 1, 0, "mail.example.org", TLS_DONE,
	    "verified by DANE" },
	{ SRV_SELF, 0, 3, 0, 1, 0, "mail.example.org", TLS_DONE,
	    "verified by DANE" },
	{ SRV_SELF, 0, 3, 1, 2, 0, "mail.example.org", TLS_DONE,
	    "verified by DANE" },
	{ SRV_SELF, 0, 3, 1, 0, 0, "mail.example.org", TLS_DONE,
	    "verified by DANE" },
	/* RFC 7672 3.1.1: neither name nor dates count for it. */
	{ SRV_GOOD, 0, 3, 0, 0, 0, "other.example.net", TLS_DONE,
	    "verified by DANE" },
	{ SRV_EXPIRED, 0, 3, 1, 1, 0, "mail.example.org", TLS_DONE,
	    "verified by DANE" },
	{ SRV_GOOD, 0, 3, 1, 1, FLAW_DATA, "mail.example.org", TLS_BROKEN,
	    "DANE TLSA" },
	/* The stranger is nobody's CA but that of the record. */
	{ SRV_STRANGER, 1, 2, 0, 0, 0, "mail.example.org", TLS_DONE,
	    "verified by DANE" },
	{ SRV_STRANGER, 1, 2, 1, 0, 0, "mail.example.org", TLS_DONE,
	    "verified by DANE" },
	{ SRV_STRANGER, 1, 2, 0, 0, 0, "other.example.net", TLS_BROKEN,
	    "expected other.example.net" },
	{ SRV_GOOD, 1, 2, 0, 0, 0, "mail.example.org", TLS_BROKEN,
	    "certificate: " },
	/* One that cannot be read is as good as none (RFC 7672 2.2). */
	{ SRV_SELF, 0, 3, 0, 0, FLAW_JUNK, "mail.example.org", TLS_DONE,
	    "not verified" },
};

static void
test_dane(void **state)
{
	struct world *w = *state;
	struct tls_setup *setup;
	struct tls_demand d;
	struct result res;
	struct tlsas t;
	struct conf conf;
	struct pair p;
	SSL_CTX *server;
	size_t i, round;

	memset(&conf, 0, sizeof(conf));
	conf.tls.cafile = w->cafile;
	conf.tls.is_dane = 1;
	result_init(&res);
	setup = tls_setup_new(&conf.tls, &res);
	assert_non_null(setup);
	for (i = 0; i < N(danes) * 2; i++) {
		round = i / 2;
		memset(&t, 0, sizeof(t));
		t.data = calloc(1, 4096);
		assert_non_null(t.data);
		put_tlsa(&t, danes[round].ca ? w->stranger.cert :
		    w->srv[danes[round].srv].cert, danes[round].usage,
		    danes[round].selector, danes[round].matching);
		if (danes[round].flaw == FLAW_DATA)
			t.data[5] ^= 1;
		if (danes[round].flaw == FLAW_JUNK)
			memset(t.data, 0x5a, 40);
		memset(&d, 0, sizeof(d));
		d.sni = danes[round].name;
		d.names = &danes[round].name;
		d.nnames = 1;
		d.tlsas = &t;
		server = server_ctx(&w->srv[danes[round].srv]);
		dial_for(&p, server, setup, &d);
		if (p.end != danes[round].end || strstr(p.end == TLS_DONE ?
		    tls_describe(p.client) : p.res.reason,
		    danes[round].words) == NULL)
			fail_msg("case %zu: %s %s", round,
			    tls_describe(p.client),
			    p.res.reason == NULL ? "" : p.res.reason);
		/* Records may change: each time it is proved anew. */
		assert_false(is_resumed(p.client));
		if (p.end == TLS_DONE)
			hear(&p);
		hang_up(&p);
		SSL_CTX_free(server);
		free(t.data);
	}
	tls_setup_free(setup);
	result_fini(&res);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_verify),
		cmocka_unit_test(test_system_store),
		cmocka_unit_test(test_directory_before_file),
		cmocka_unit_test(test_pins),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_dane),
		cmocka_unit_test(test_resume),
		cmocka_unit_test(test_resume_declined),
		cmocka_unit_test(test_many_hosts),
		cmocka_unit_test(test_stream),
		cmocka_unit_test(test_ends),
		cmocka_unit_test(test_before_handshake),
		cmocka_unit_test(test_no_tls),
		cmocka_unit_test(test_old_habits),
		cmocka_unit_test(test_sni),
		cmocka_unit_test(test_bad_host),
		cmocka_unit_test(test_client_cert),
		cmocka_unit_test(test_bad_setup),
		cmocka_unit_test(test_binding),
		cmocka_unit_test(test_binding_none),
		cmocka_unit_test(test_digest),
		cmocka_unit_test(test_stretch),
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_hmac_md5),
	};

	return cmocka_run_group_tests_name("crypto", tests, build, tear_down);
}
