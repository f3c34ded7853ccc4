/*
 * memory.c - linked into builds with MemorySanitizer only, by --wrap.
 * Libraries are built without it: checks what their functions get, and says
 * what they have written.
 */
#include <sys/stat.h>

#include <sanitizer/msan_interface.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

int	__real_fstat64(int fd, struct stat *);
int	__wrap_fstat64(int fd, struct stat *);
int	__real_stat64(const char *path, struct stat *);
int	__wrap_stat64(const char *path, struct stat *);
int	__real_fstatat64(int dir, const char *path, struct stat *, int flags);
int	__wrap_fstatat64(int dir, const char *path, struct stat *, int flags);
int	__real_EVP_Q_digest(void *context, const char *name, const char *query,
	    const void *data, size_t len, uint8_t *out, size_t *outlen);
int	__wrap_EVP_Q_digest(void *context, const char *name, const char *query,
	    const void *data, size_t len, uint8_t *out, size_t *outlen);
uint8_t	*__real_EVP_Q_mac(void *context, const char *name, const char *query,
	    const char *hash, const void *parameters, const void *key,
	    size_t keylen, const uint8_t *data, size_t len, uint8_t *out,
	    size_t size, size_t *outlen);
uint8_t	*__wrap_EVP_Q_mac(void *context, const char *name, const char *query,
	    const char *hash, const void *parameters, const void *key,
	    size_t keylen, const uint8_t *data, size_t len, uint8_t *out,
	    size_t size, size_t *outlen);
int	__real_idn2_to_ascii_8z(const char *name, char **out, int flags);
int	__wrap_idn2_to_ascii_8z(const char *name, char **out, int flags);

int
__wrap_fstat64(int fd, struct stat *st)
{
	int ret = __real_fstat64(fd, st);

	if (ret == 0)
		__msan_unpoison(st, sizeof(*st));
	return ret;
}

int
__wrap_stat64(const char *path, struct stat *st)
{
	int ret = __real_stat64(path, st);

	if (ret == 0)
		__msan_unpoison(st, sizeof(*st));
	return ret;
}

int
__wrap_fstatat64(int dir, const char *path, struct stat *st, int flags)
{
	int ret = __real_fstatat64(dir, path, st, flags);

	if (ret == 0)
		__msan_unpoison(st, sizeof(*st));
	return ret;
}

int
__wrap_EVP_Q_digest(void *context, const char *name, const char *query,
    const void *data, size_t len, uint8_t *out, size_t *outlen)
{
	size_t n = 0;
	int ret;

	__msan_check_mem_is_initialized(data, len);
	__msan_scoped_disable_interceptor_checks();
	ret = __real_EVP_Q_digest(context, name, query, data, len, out, &n);
	__msan_scoped_enable_interceptor_checks();
	__msan_unpoison(out, n);
	if (outlen != NULL)
		*outlen = n;
	return ret;
}

uint8_t *
__wrap_EVP_Q_mac(void *context, const char *name, const char *query,
    const char *hash, const void *parameters, const void *key, size_t keylen,
    const uint8_t *data, size_t len, uint8_t *out, size_t size, size_t *outlen)
{
	size_t n = 0;
	uint8_t *ret;

	__msan_check_mem_is_initialized(key, keylen);
	__msan_check_mem_is_initialized(data, len);
	__msan_scoped_disable_interceptor_checks();
	ret = __real_EVP_Q_mac(context, name, query, hash, parameters, key,
	    keylen, data, len, out, size, &n);
	__msan_scoped_enable_interceptor_checks();
	__msan_unpoison(out, n);
	if (outlen != NULL)
		*outlen = n;
	return ret;
}

int
__wrap_idn2_to_ascii_8z(const char *name, char **out, int flags)
{
	int ret;

	__msan_check_mem_is_initialized(name, strlen(name) + 1);
	__msan_scoped_disable_interceptor_checks();
	ret = __real_idn2_to_ascii_8z(name, out, flags);
	__msan_scoped_enable_interceptor_checks();
	if (ret == 0) {
		__msan_unpoison(out, sizeof(*out));
		__msan_unpoison_string(*out);
	}
	return ret;
}
