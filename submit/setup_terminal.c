/*
 * setup_terminal.c - what dma setup asks of a person.
 * Runs as: the spool user.  Uses: standard input and error output, signals.
 * Promise: a secret is not shown, and the terminal is left as it was, also
 * after an interrupt.
 */
#include <poll.h>
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

/* It ends a wait, and nothing else. */
static void
interrupt(int sig)
{
	(void)sig;
}

/* What one read of a terminal gives is a line. */
static int
read_line(char *dst, size_t size)
{
	ssize_t n = read(STDIN_FILENO, dst, size);

	if (n > 0 && dst[n - 1] == '\n') {
		dst[n - 1] = '\0';
		if (memchr(dst, '\0', (size_t)n - 1) == NULL)
			return 0;
	}
	/* The rest of it is not for the shell. */
	(void)tcflush(STDIN_FILENO, TCIFLUSH);
	explicit_bzero(dst, size);
	return -1;
}

/*
 * Signals are blocked but for the wait, which they end: one that comes sooner
 * or later takes effect once the terminal is restored.
 */
static int
read_hidden(const struct termios *shown, const sigset_t *usual, char *dst,
    size_t size)
{
	struct pollfd pfd = { .fd = STDIN_FILENO, .events = POLLIN };
	struct termios hidden = *shown;
	int ret;

	hidden.c_lflag &= ~(tcflag_t)(ECHO | ECHONL);
	hidden.c_lflag |= ICANON | ISIG;
	if (tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden) == -1)
		return -1;
	ret = ppoll(&pfd, 1, NULL, usual) == 1 ? read_line(dst, size) : -1;
	(void)tcsetattr(STDIN_FILENO, TCSAFLUSH, shown);
	say("\n");
	return ret;
}

int
setup_ask_secret(const char *prompt, char *dst, size_t size)
{
	struct sigaction old[NENDS], sa;
	struct termios shown;
	sigset_t blocked, usual;
	size_t i;
	int ret;

	if (tcgetattr(STDIN_FILENO, &shown) == -1)
		return -1;
	memset(&sa, 0, sizeof(sa));
	sigemptyset(&sa.sa_mask);
	sa.sa_handler = interrupt;
	sigemptyset(&blocked);
	for (i = 0; i < NENDS; i++)
		(void)sigaddset(&blocked, ends[i]);
	(void)sigprocmask(SIG_BLOCK, &blocked, &usual);
	for (i = 0; i < NENDS; i++)
		(void)sigaction(ends[i], &sa, &old[i]);
	say(prompt);
	ret = read_hidden(&shown, &usual, dst, size);
	for (i = 0; i < NENDS; i++)
		(void)sigaction(ends[i], &old[i], NULL);
	(void)sigprocmask(SIG_SETMASK, &usual, NULL);
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
