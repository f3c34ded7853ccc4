/*
 * smtp_load.c - sends many messages over many sessions at once, pipelined.
 *
 * usage: smtp_load PORT SESSIONS COUNT BYTES [RECIPIENT [RETRY-MS]]
 *
 * Message N has the line "X-Number: N".  Prints the number of each that was
 * acknowledged as soon as it is, and at last "rate R acknowledged A deferred D
 * failed F slowest S", S in milliseconds.  A session that ends is begun anew.
 * With RETRY-MS what was deferred, or whose reply never came, is sent again
 * after this time, until it is acknowledged or refused.
 */
#include <sys/socket.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SESSIONS_MAX	2000
#define ANEW_MS		100	/* before a refused connection is tried again */

enum stage { STAGE_GREETING, STAGE_HELO, STAGE_MAIL, STAGE_RCPT, STAGE_DATA,
    STAGE_TEXT, STAGE_IDLE };

struct session {
	int		 fd;		/* -1: not connected */
	enum stage	 stage;		/* whose reply is awaited */
	long		 number;	/* of the message under way; 0: none */
	double		 begun, again;
	char		 in[4096], *out;
	size_t		 n, len, sent;
};

static struct session sessions[SESSIONS_MAX];
static struct pollfd pfd[SESSIONS_MAX];
static const char *recipient = "x@far.example";
static char *filler;
static long count, next_number, finished, acknowledged, deferred, failed;
static int port, nsessions;
static size_t bytes;
static double slowest, retry;

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void
flush_out(struct session *s)
{
	ssize_t n;

	while (s->sent < s->len) {
		n = write(s->fd, s->out + s->sent, s->len - s->sent);
		if (n <= 0)
			return;
		s->sent += (size_t)n;
	}
}

static void
put(struct session *s, const char *text, size_t n)
{
	if (s->sent == s->len)
		s->sent = s->len = 0;
	memcpy(s->out + s->len, text, n);
	s->len += n;
}

static void
begin_message(struct session *s)
{
	char text[512];

	if (s->number == 0 && next_number < count)
		s->number = ++next_number;
	s->stage = STAGE_IDLE;
	if (s->number == 0 || now() < s->again)
		return;
	s->begun = now();
	s->stage = STAGE_MAIL;
	put(s, text, (size_t)snprintf(text, sizeof(text), "MAIL FROM:"
	    "<a@b.example>\r\nRCPT TO:<%s>\r\nDATA\r\n", recipient));
}

static void
put_text(struct session *s)
{
	char text[128];

	put(s, text, (size_t)snprintf(text, sizeof(text), "X-Number: %ld\r\n"
	    "Subject: load\r\n\r\n", s->number));
	put(s, filler, bytes);
	put(s, "\r\n.\r\n", 5);
}

static void
end_message(struct session *s, char digit)
{
	double took = now() - s->begun;

	if (s->number == 0)
		return;
	if (took > slowest)
		slowest = took;
	deferred += digit == '4';
	if (retry > 0 && (digit == '4' || digit == '0')) {
		s->again = now() + retry;
		return;
	}
	acknowledged += digit == '2';
	failed += digit != '2' && digit != '4';
	finished++;
	if (digit == '2')
		printf("%ld\n", s->number);
	s->number = 0;
}

static void
end_session(struct session *s)
{
	end_message(s, '0');
	close(s->fd);
	s->fd = -1;
	s->again = now() + ANEW_MS / 1e3;
}

static void
take_reply(struct session *s, char digit)
{
	switch (s->stage) {
	case STAGE_GREETING:
		put(s, "EHLO load\r\n", 11);
		s->stage = STAGE_HELO;
		return;
	case STAGE_MAIL:
	case STAGE_RCPT:
		s->stage++;
		return;
	case STAGE_DATA:
		s->stage = STAGE_TEXT;
		if (digit == '3') {
			put_text(s);
			return;
		}
		break;
	case STAGE_HELO:
	case STAGE_TEXT:
	case STAGE_IDLE:
		break;
	}
	if (s->stage != STAGE_HELO)
		end_message(s, digit);
	begin_message(s);
}

static void
take_lines(struct session *s)
{
	char *line = s->in, *end;

	while ((end = memchr(line, '\n', s->n - (size_t)(line - s->in))) !=
	    NULL) {
		if (end - line > 4 && line[3] == ' ')
			take_reply(s, line[0]);
		line = end + 1;
	}
	s->n -= (size_t)(line - s->in);
	memmove(s->in, line, s->n);
}

static void
open_session(struct session *s)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };

	sin.sin_port = htons((unsigned short)port);
	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	s->n = s->len = s->sent = 0;
	s->stage = STAGE_GREETING;
	s->fd = socket(AF_INET, SOCK_STREAM, 0);
	if (connect(s->fd, (struct sockaddr *)&sin, sizeof(sin)) == -1)
		end_session(s);
	else
		(void)fcntl(s->fd, F_SETFL, O_NONBLOCK);
}

static void
serve(struct session *s, short events)
{
	ssize_t n;

	if (events & (POLLIN | POLLHUP | POLLERR)) {
		n = read(s->fd, s->in + s->n, sizeof(s->in) - s->n);
		if (n == 0 || (n == -1 && errno != EAGAIN)) {
			end_session(s);
			return;
		}
		s->n += n > 0 ? (size_t)n : 0;
		take_lines(s);
	}
	flush_out(s);
}

static void
turn(void)
{
	struct session *s;
	int i;

	for (i = 0; i < nsessions; i++) {
		s = &sessions[i];
		if (s->fd == -1 && now() >= s->again &&
		    (next_number < count || s->number != 0))
			open_session(s);
		if (s->fd != -1 && s->stage == STAGE_IDLE && s->number != 0 &&
		    now() >= s->again) {
			begin_message(s);
			flush_out(s);
		}
		pfd[i].fd = s->fd;
		pfd[i].events = s->sent < s->len ? POLLIN | POLLOUT : POLLIN;
	}
	(void)poll(pfd, (nfds_t)nsessions, ANEW_MS);
	for (i = 0; i < nsessions; i++)
		if (pfd[i].fd != -1 && pfd[i].revents != 0)
			serve(&sessions[i], pfd[i].revents);
}

int
main(int argc, char **argv)
{
	double begun;
	int i;

	if (argc < 5)
		return 64;
	port = atoi(argv[1]);
	nsessions = atoi(argv[2]);
	count = atol(argv[3]);
	bytes = (size_t)atol(argv[4]);
	if (argc > 5)
		recipient = argv[5];
	if (argc > 6)
		retry = atof(argv[6]) / 1e3;
	if (nsessions < 1 || nsessions > SESSIONS_MAX)
		return 64;
	(void)signal(SIGPIPE, SIG_IGN);
	setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
	filler = malloc(bytes + 1);
	for (i = 0; i < nsessions; i++) {
		sessions[i].fd = -1;
		sessions[i].out = malloc(bytes + 4096);
		if (filler == NULL || sessions[i].out == NULL)
			return 71;
	}
	memset(filler, 'x', bytes);
	for (size_t at = 72; at + 1 < bytes; at += 74)
		memcpy(filler + at, "\r\n", 2);
	begun = now();
	while (finished < count)
		turn();
	printf("rate %.0f acknowledged %ld deferred %ld failed %ld slowest "
	    "%.0f\n", (double)acknowledged / (now() - begun), acknowledged,
	    deferred, failed, slowest * 1e3);
	return 0;
}
