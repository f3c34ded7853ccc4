/*
 * wrong.c - modules that must not be loaded, by -DABI=, -DSIZE=, -DNAME=.
 */
#include <smtpd_module.h>

#ifndef ABI
#define ABI	SMTPD_MODULE_ABI
#endif
#ifndef SIZE
#define SIZE	sizeof(struct smtpd_module)
#endif
#ifndef NAME
#define NAME	"wrong"
#endif

#ifdef NOTHING
int nothing;
#else
const struct smtpd_module smtpd_module = {
	.abi = ABI, .size = SIZE, .name = NAME
};
#endif
