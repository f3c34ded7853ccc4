/*
 * setup_terminal.c - what dma setup asks of a person.
 * Runs as: the spool user.  Uses: standard input and error output, signals.
 * Promise: a secret is not shown, and the terminal is left as it was, also
 * after an interrupt.
 */
#include <signal.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/io.h"
#include "submit/setup_terminal.h"

/* What a terminal sends, or a session that ends. */
static const int ends[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP };

#define NENDS	(sizeof(ends) / sizeof(ends[0]))

int
setup_has_terminal(void)
{
	return isatty(STDIN_FILENO);
}

static void
say(const char *text)
{
	(void)io_write_all(STDERR_FILENO, text, strlen(text));
}

/* Without SA_RESTART, it ends a read(2). */
static void
interrupt(int sig)
{
	(void)sig;
}

/*
 * What one read of a terminal gives is a line.  A signal ends the wait, so
 * that the terminal is restored first.
 */
static int
read_line(char *dst, size_t size)
{
	ssize_t n = read(STDIN_FILENO, dst, size);

	if (n > 0 && dst[n - 1] == '\n') {
		dst[n - 1] = '\0';
		return memchr(dst, '\0', (size_t)n - 1) == NULL ? 0 : -1;
	}
	/* The rest of it is not for the shell. */
	(void)tcflush(STDIN_FILENO, TCIFLUSH);
	explicit_bzero(dst, size);
	return -1;
}

static int
read_hidden(const struct termios *shown, char *dst, size_t size)
{
	struct termios hidden = *shown;
	int ret;

	hidden.c_lflag &= ~(tcflag_t)(ECHO | ECHONL);
	hidden.c_lflag |= ICANON | ISIG;
	if (tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden) == -1)
		return -1;
	ret = read_line(dst, size);
	(void)tcsetattr(STDIN_FILENO, TCSAFLUSH, shown);
	say("\n");
	return ret;
}

int
setup_ask_secret(const char *prompt, char *dst, size_t size)
{
	struct sigaction old[NENDS], sa;
	struct termios shown;
	size_t i;
	int ret;

	if (tcgetattr(STDIN_FILENO, &shown) == -1)
		return -1;
	memset(&sa, 0, sizeof(sa));
	sigemptyset(&sa.sa_mask);
	sa.sa_handler = interrupt;
	for (i = 0; i < NENDS; i++)
		(void)sigaction(ends[i], &sa, &old[i]);
	say(prompt);
	ret = read_hidden(&shown, dst, size);
	for (i = 0; i < NENDS; i++)
		(void)sigaction(ends[i], &old[i], NULL);
	return ret;
}

int
setup_ask(const char *question)
{
	char line[64];

	say(question);
	return read_line(line, sizeof(line)) == 0 &&
	    (text_casecmp(line, "y") == 0 || text_casecmp(line, "yes") == 0);
}
