/*
 * modules.c - loads modules and runs the hooks of a process.
 *
 * Runs as: a generation, the first one as root; a child.
 * Uses: dlopen(3).
 * Promise: code is loaded only from a file that nobody but root can change,
 * when root loads it; a module of another version of the interface is refused.
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/trusted_open.h"
#include "smtpd/modules.h"

#define PATH_BYTES	4096

/* 0, or -1 when somebody else could have put the file there. */
static int
check_file(struct smtpd_host *h, const char *path)
{
	struct stat st;

	if (stat(path, &st) == -1) {
		log_say(&h->log, LOG_LEVEL_ERROR, "module %s: %s", path,
		    strerror(errno));
		return -1;
	}
	if (geteuid() != 0 || trusted_stat(&st, 0))
		return 0;
	log_say(&h->log, LOG_LEVEL_ERROR,
	    "module %s: not loaded: must be owned by root, and not writable by "
	    "others", path);
	return -1;
}

static const struct smtpd_module *
check_hooks(struct smtpd_host *h, const char *path,
    const struct smtpd_module *hooks)
{
	if (hooks == NULL)
		log_say(&h->log, LOG_LEVEL_ERROR,
		    "module %s: not loaded: defines no smtpd_module", path);
	else if (hooks->abi != SMTPD_MODULE_ABI ||
	    hooks->size != sizeof(*hooks) || hooks->name == NULL)
		log_say(&h->log, LOG_LEVEL_ERROR,
		    "module %s: not loaded: built for version %u of the module "
		    "interface; this is version %u", path, hooks->abi,
		    SMTPD_MODULE_ABI);
	else
		return hooks;
	return NULL;
}

static int
load(struct smtpd_host *h, const char *directory, const char *name)
{
	struct module *m = &h->modules[h->nmodules];
	char path[PATH_BYTES];
	int n = strchr(name, '/') != NULL ?
	    snprintf(path, sizeof(path), "%s", name) :
	    snprintf(path, sizeof(path), "%s/%s.so", directory, name);

	if (n < 0 || (size_t)n >= sizeof(path)) {
		log_say(&h->log, LOG_LEVEL_ERROR, "module %s: path is too long",
		    name);
		return -1;
	}
	if (check_file(h, path) == -1)
		return -1;
	m->handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (m->handle == NULL) {
		log_say(&h->log, LOG_LEVEL_ERROR, "module %s: %s", path,
		    dlerror());
		return -1;
	}
	m->hooks = check_hooks(h, path, dlsym(m->handle, "smtpd_module"));
	if (m->hooks == NULL) {
		(void)dlclose(m->handle);
		return -1;
	}
	m->name = name;
	h->nmodules++;
	return 0;
}

/* The lines of the configuration whose first word is the module's name. */
static size_t
settings_of(const struct smtpd_config *conf, const char *name,
    struct smtpd_setting *out)
{
	const char *base = strrchr(name, '/');
	size_t len, n = 0;

	base = base != NULL ? base + 1 : name;
	len = strlen(base);
	if (base != name && len > 3 && strcmp(base + len - 3, ".so") == 0)
		len -= 3;
	for (size_t i = 0; i < conf->nsettings; i++) {
		const struct conf_setting *c = &conf->settings[i];

		if (strlen(c->module) == len &&
		    memcmp(c->module, base, len) == 0)
			out[n++] = (struct smtpd_setting){ .file = conf->file,
			    .line = c->line, .key = c->key,
			    .value = c->value };
	}
	return n;
}

static int
configure(struct smtpd_host *h, struct module *m)
{
	struct smtpd_setting *settings = calloc(h->conf->nsettings + 1,
	    sizeof(*settings));
	int configured = 0;

	if (settings == NULL)
		return -1;
	host_run(h, m);
	if (m->hooks->configure != NULL)
		configured = m->hooks->configure(h, settings,
		    settings_of(h->conf, m->name, settings), &m->self);
	host_run(h, NULL);
	free(settings);
	return configured;
}

int
modules_load(struct smtpd_host *h, const char *directory)
{
	const struct smtpd_config *conf = h->conf;

	for (size_t i = 0; i < conf->nmodules; i++) {
		struct module *m = &h->modules[h->nmodules];

		if (load(h, directory, conf->modules[i]) == -1)
			return -1;
		m->is_fallback = conf->fallback != NULL &&
		    i == conf->nmodules - 1;
		if (configure(h, m) == -1)
			return -1;
	}
	return 0;
}

/* Runs one hook of each until one fails. */
static int
run_each(struct smtpd_host *h, const char *what, int is_child)
{
	for (size_t i = 0; i < h->nmodules; i++) {
		const struct module *m = &h->modules[i];
		int (*hook)(void *, struct smtpd_host *) = is_child ?
		    m->hooks->child_init : m->hooks->init;
		int done = 0;

		host_run(h, m);
		if (hook != NULL)
			done = hook(m->self, h);
		host_run(h, NULL);
		if (done == -1) {
			log_say(&h->log, LOG_LEVEL_ERROR,
			    "module %s: %s failed", m->name, what);
			return -1;
		}
	}
	return 0;
}

int
modules_init(struct smtpd_host *h)
{
	return run_each(h, "init", 0);
}

int
modules_child_init(struct smtpd_host *h)
{
	return run_each(h, "child_init", 1);
}

void
modules_child_exit(struct smtpd_host *h)
{
	for (size_t i = h->nmodules; i-- > 0;) {
		const struct module *m = &h->modules[i];

		host_run(h, m);
		if (m->hooks->child_exit != NULL)
			m->hooks->child_exit(m->self, h);
	}
	host_run(h, NULL);
}

void
modules_fini(struct smtpd_host *h)
{
	while (h->nmodules > 0) {
		const struct module *m = &h->modules[--h->nmodules];

		host_run(h, m);
		if (m->hooks->fini != NULL)
			m->hooks->fini(m->self, h);
		host_run(h, NULL);
		(void)dlclose(m->handle);
	}
	while (h->npaths > 0)
		free(h->paths[--h->npaths].path);
}
