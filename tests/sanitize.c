/*
 * sanitize.c - linked into builds with sanitizers only.
 * Processes without a standard error leave their reports in files, which the
 * system tests look for.  Leaks are not looked for at the end of processes
 * that end by _exit().
 */
const char	*__asan_default_options(void);
const char	*__ubsan_default_options(void);

const char *
__asan_default_options(void)
{
	return "detect_leaks=0:log_path=/tmp/sanitizer";
}

const char *
__ubsan_default_options(void)
{
	return "print_stacktrace=1:log_path=/tmp/sanitizer";
}
