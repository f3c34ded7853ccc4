/*
 * options_test.c - sendmail's argv, as real programs pass it.
 */
#include <sysexits.h>

#include "submit/options.h"
#include "tests/unit/t.h"

#define ARGS_MAX	16

/* One letter for each thing that an argv may switch on. */
static void
describe(const struct options *o, struct buf *b)
{
	static const char *const modes[] = {
		[MODE_SEND] = "send", [MODE_SMTP] = "smtp",
		[MODE_LIST] = "list",
		[MODE_ALIASES] = "aliases", [MODE_FLUSH] = "flush",
		[MODE_CHECK] = "check", [MODE_SETUP] = "setup",
		[MODE_QUEUE] = "queue", [MODE_STATUS] = "status",
		[MODE_NOTHING] = "nothing",
	};
	int i;

	buf_puts(b, modes[o->mode]);
	if (o->take_recipients)
		buf_puts(b, " t");
	if (o->dot_is_text)
		buf_puts(b, " i");
	if (o->is_queue_only)
		buf_puts(b, " q");
	if (o->is_foreground)
		buf_puts(b, " D");
	if (o->is_watched)
		buf_puts(b, " v");
	if (o->is_json)
		buf_puts(b, " json");
	if (o->is_8bit)
		buf_puts(b, " 8bit");
	if (o->interval_s != 0)
		buf_printf(b, " every=%u", o->interval_s);
	for (i = 0; i < o->selection.n; i++)
		buf_printf(b, " %s%c=<%s>",
		    o->selection.list[i].is_not ? "!" : "",
		    "ISR"[o->selection.list[i].by],
		    o->selection.list[i].text);
	if (o->sender != NULL)
		buf_printf(b, " from=<%s>", o->sender);
	if (o->fullname != NULL)
		buf_printf(b, " name=<%s>", o->fullname);
	if (o->tag != NULL)
		buf_printf(b, " tag=<%s>", o->tag);
	if (o->notify != 0)
		buf_printf(b, " notify=%u", o->notify);
	if (o->ret != RET_UNSAID)
		buf_printf(b, " ret=%s", o->ret == RET_FULL ? "full" : "hdrs");
	if (o->envid != NULL)
		buf_printf(b, " envid=<%s>", o->envid);
	for (i = 0; i < o->nrcpts; i++)
		buf_printf(b, " to=<%s>", o->rcpts[i]);
}

static void
check(const char *const args[], int status, const char *want)
{
	char *argv[ARGS_MAX + 1];
	struct options o;
	struct buf got, reason;
	int argc = 0;

	for (; argc < ARGS_MAX && args[argc] != NULL; argc++) {
		argv[argc] = strdup(args[argc]);
		assert_non_null(argv[argc]);
	}
	argv[argc] = NULL;
	buf_init(&got, 0);
	buf_init(&reason, 0);
	assert_int_equal(options_parse(&o, argc, argv, &reason), status);
	if (status == 0) {
		describe(&o, &got);
		assert_string_equal(buf_str(&got), want);
		assert_string_equal(buf_str(&reason), "");
	} else {
		/* One line for people, without what could harm a terminal. */
		assert_true(reason.len > 0);
		assert_true(text_is_clean(buf_str(&reason), reason.len));
		if (want != NULL)
			assert_non_null(strstr(buf_str(&reason), want));
	}
	options_fini(&o);
	assert_int_equal(o.nrcpts, 0);
	buf_fini(&got);
	buf_fini(&reason);
	while (argc > 0)
		free(argv[--argc]);
}

#define S	"sendmail"

/* What programs pass: the callers of docs, each with all of its forms. */
static void
test_callers(void **state)
{
	static const struct {
		const char *args[ARGS_MAX];
		const char *want;
	} cases[] = {
		/* vixie-cron (Debian) */
		{ { S, "-FCronDaemon", "-i", "-B8BITMIME", "-oem", "root" },
		    "send i 8bit name=<CronDaemon> to=<root>" },
		/* cronie */
		{ { S, "-FCronDaemon", "-i", "-odi", "-oem", "-oi", "-t",
		    "-f", "root" },
		    "send t i from=<root> name=<CronDaemon>" },
		/* BSD cron, and its old form */
		{ { S, "-FCronDaemon", "-odi", "-oem", "-oi", "-t" },
		    "send t i name=<CronDaemon>" },
		{ { S, "-FCronDaemon", "-odi", "-oem", "-or0s", "root" },
		    "send name=<CronDaemon> to=<root>" },
		/* busybox crond, dcron, systemd-cron */
		{ { S, "-ti" }, "send t i" },
		{ { S, "-t", "-oem", "-i" }, "send t i" },
		{ { S, "-i", "-B", "8BITMIME", "root" },
		    "send i 8bit to=<root>" },
		{ { S, "-B7BIT", "-B", "x", "root" }, "send to=<root>" },
		/* anacron, atd, sudo, logwatch, mdadm, warnquota */
		{ { S, "-FAnacron", "-odi", "root" },
		    "send name=<Anacron> to=<root>" },
		{ { S, "-i", "ann" }, "send i to=<ann>" },
		{ { S, "-t" }, "send t" },
		{ { S, "-t", "-fmdadm@example.org" },
		    "send t from=<mdadm@example.org>" },
		/* bsd-mailx, s-nail, GNU mailutils */
		{ { S, "-i", "-t" }, "send t i" },
		{ { S, "-i", "-t", "-f", "a@b" }, "send t i from=<a@b>" },
		{ { S, "-i", "-f", "a@b", "--", "c@d", "e@f" },
		    "send i from=<a@b> to=<c@d> to=<e@f>" },
		{ { S, "-oi", "-f", "ann@host", "-t" },
		    "send t i from=<ann@host>" },
		/* mutt, neomutt */
		{ { S, "-oem", "-oi", "-B8BITMIME", "-f", "a@b", "-N",
		    "failure,delay", "-R", "hdrs", "--", "c@d" },
		    "send i 8bit from=<a@b> notify=12 ret=hdrs to=<c@d>" },
		/* nmh */
		{ { S, "-t", "-i" }, "send t i" },
		/* Emacs, git send-email */
		{ { S, "-oi", "-f", "a@b", "-oem", "-odb", "-t" },
		    "send t i from=<a@b>" },
		{ { S, "-f", "a@b", "-i", "c@d" },
		    "send i from=<a@b> to=<c@d>" },
		{ { S, "-i", "-t", "-i", "c@d" }, "send t i to=<c@d>" },
		/* PHP mail(), PHPMailer, Symfony, PEAR */
		{ { S, "-t", "-i", "-fa@b" }, "send t i from=<a@b>" },
		{ { S, "-t", "-i", "-oi", "-fa@b", "-t" },
		    "send t i from=<a@b>" },
		{ { S, "-i", "-fa@b", "--", "c@d" },
		    "send i from=<a@b> to=<c@d>" },
		/* Email::Sender, Ruby mail, lettre, MIME::Lite */
		{ { "/usr/lib/sendmail", "-t", "-oi", "-oem", "-fa@b" },
		    "send t i from=<a@b>" },
		/* nodemailer, Python */
		{ { S, "-i", "-f", "a@b", "c@d" },
		    "send i from=<a@b> to=<c@d>" },
		{ { S, "-t", "-oi" }, "send t i" },
		/* procmail, maildrop, vacation, sieve, fetchmail, getmail */
		{ { S, "-oi", "c@d" }, "send i to=<c@d>" },
		{ { S, "-oi", "-f", "", "c@d" }, "send i from=<> to=<c@d>" },
		{ { S, "-f", "bob", "--", "c@d" },
		    "send from=<bob> to=<c@d>" },
		{ { S, "-eq", "-f", "<>", "--", "c@d" },
		    "send from=<<>> to=<c@d>" },
		{ { S, "-i", "-f", "a@b", "--", "c@d" },
		    "send i from=<a@b> to=<c@d>" },
		{ { S, "-i", "-bm", "bob" }, "send i to=<bob>" },
		{ { S, "-bs", "-odb", "-oem", "-om" }, "smtp" },
		/* RT, Sympa, majordomo, sqwebmail */
		{ { S, "-oi", "-t", "-f", "<>" }, "send t i from=<<>>" },
		{ { S, "-oi", "-odi", "-oem", "-N", "success,delay,failure",
		    "-V", "id", "-f", "a@b", "--", "c@d" },
		    "send i from=<a@b> notify=14 envid=<id> to=<c@d>" },
		{ { S, "-oi", "-odq", "-fa@b", "c@d" },
		    "send i q from=<a@b> to=<c@d>" },
		{ { S, "-oi", "-t", "-f", "a@b" }, "send t i from=<a@b>" },
		/* monitors */
		{ { "mailq" }, "list" },
		{ { "/usr/bin/mailq" }, "list" },
		{ { S, "-bp" }, "list" },
		{ { S, "-bp", "--json" }, "list json" },
		{ { S, "--json", "-bp" }, "list json" },
		{ { "mailq", "--json" }, "list json" },
		{ { S, "--", "--json" }, "send to=<--json>" },
		{ { S, "-f", "--json", "x" }, "send from=<--json> to=<x>" },
		{ { "/usr/bin/newaliases" }, "aliases" },
		/* ours, by the name dma alone */
		{ { "/usr/sbin/dma", "check", "--to", "a@b" },
		    "check to=<check> to=<--to> to=<a@b>" },
		{ { "dma", "setup", "-x", "a@b" },
		    "setup to=<setup> to=<-x> to=<a@b>" },
		{ { S, "setup", "a@b" }, "send to=<setup> to=<a@b>" },
		{ { "dma", "-i", "setup" }, "send i to=<setup>" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++)
		check(cases[i].args, 0, cases[i].want);
}

static void
test_options(void **state)
{
	static const struct {
		const char *args[ARGS_MAX];
		const char *want;
	} cases[] = {
		{ { NULL }, "send" },			/* argc 0 */
		{ { "" }, "send" },
		{ { "/" }, "send" },
		{ { "mailq/" }, "send" },
		{ { "mailq", "-bm" }, "send" },
		{ { "mailq", "-v", "more" }, "list D v to=<more>" },
		/* a listing takes any */
		{ { "mailq", "-Z" }, "list" },
		{ { "mailq", "-Zq", "more", "--all" }, "list to=<more>" },
		{ { "mailq", "-bd", "-Nx" }, "list" },
		{ { S, "-bp", "-Zx", "-oi" }, "list i" },
		{ { S, "-v", "bob" }, "send D v to=<bob>" },
		/* groups: the first letter with a value takes the rest */
		{ { S, "-itf", "a@b" }, "send t i from=<a@b>" },
		{ { S, "-itfa@b" }, "send t i from=<a@b>" },
		{ { S, "-vti" }, "send t i D v" },
		{ { S, "-fit" }, "send from=<it>" },
		{ { S, "-oit" }, "send" },
		{ { S, "-o", "i" }, "send i" },
		{ { S, "-O", "IgnoreDots=true" }, "send i" },
		{ { S, "-OIgnoreDots" }, "send i" },
		{ { S, "-Oignoredots=Yes" }, "send i" },
		{ { S, "-i", "-OIgnoreDots=false" }, "send" },
		{ { S, "-ODeliveryMode=q" }, "send q" },
		{ { S, "-ODeliveryMode=b" }, "send" },
		{ { S, "-OTimeout.queuereturn=1d" }, "send" },
		{ { S, "-bq" }, "send q" },
		{ { S, "-bq", "-bm" }, "send q" },
		/* values that look like something else */
		{ { S, "-f", "-t" }, "send from=<-t>" },
		{ { S, "-f", "--", "a@b" }, "send from=<--> to=<a@b>" },
		{ { S, "-r", "a@b", "-f", "c@d" }, "send from=<c@d>" },
		{ { S, "-F", "Ann \"A\" Doe" }, "send name=<Ann \"A\" Doe>" },
		{ { S, "-F", "J\xc3\xbcrgen" }, "send name=<J\xc3\xbcrgen>" },
		/* the end of the options, and options behind recipients */
		{ { S, "--", "-t", "--", "-f" },
		    "send to=<-t> to=<--> to=<-f>" },
		{ { S, "a@b", "-i", "c@d" }, "send i to=<a@b> to=<c@d>" },
		{ { S, "-", "" }, "send to=<-> to=<>" },
		/* modes */
		{ { S, "-bi" }, "aliases" },
		{ { S, "-I" }, "aliases" },
		{ { S, "-q" }, "flush" },
		{ { S, "-qf" }, "flush" },
		{ { S, "-q30m" }, "flush every=1800" },
		{ { S, "-q90" }, "flush every=90" },
		{ { S, "-q", "30m" }, "flush to=<30m>" },
		{ { S, "-vq" }, "flush D v" },
		/* a selection, joined or apart */
		{ { S, "-qI6921", "-qR@far.test", "-qSann" },
		    "flush I=<6921> R=<@far.test> S=<ann>" },
		{ { S, "-qR", "far.test", "-v" }, "flush D v R=<far.test>" },
		{ { S, "-q!S", "<>", "-q!Ibob" }, "flush !S=<<>> !I=<bob>" },
		{ { S, "-qR", "-v" }, "flush R=<-v>" },
		{ { S, "-q5m", "-qSann" }, "flush every=300 S=<ann>" },
		{ { S, "-bh" }, "nothing" },
		{ { S, "-bH" }, "nothing" },
		{ { S, "-bP" }, "nothing" },
		{ { S, "-D", "-q" }, "flush D" },
		{ { S, "-L", "cron-mail" }, "send tag=<cron-mail>" },
		{ { S, "-L12345678901234567890123456789012" },
		    "send tag=<12345678901234567890123456789012>" },
		/* accepted, and nothing else */
		{ { S, "-C", "/etc/shadow", "-X", "/etc/passwd" }, "send" },
		{ { S, "-h", "3", "-n", "-m", "-om", "-x", "-T", "-U", "-G" },
		    "send" },
		{ { S, "-Ac", "-p", "x", "-d0.1", "-oee" },
		    "send" },
		{ { S, "-em", "-ep", "-ew", "-odb", "-odd", "-odf" }, "send" },
		/* reports */
		{ { S, "-N", "never", "-R", "full" },
		    "send notify=1 ret=full" },
		{ { S, "-NSuccess", "-Rhdrs", "-VQQ 1+1=2" },
		    "send notify=2 ret=hdrs envid=<QQ 1+1=2>" },
		{ { S, "-Nnever", "-Ndelay", "-iV", "-t" },
		    "send i notify=8 envid=<-t>" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++)
		check(cases[i].args, 0, cases[i].want);
}

static void
test_refused(void **state)
{
	static const struct {
		const char *args[ARGS_MAX];
		const char *reason;
	} cases[] = {
		{ { S, "-Z" }, "-Z" },
		{ { S, "-tZ", "a@b" }, "-Z" },
		{ { S, "--help" }, "--help: unknown option (see dma(8))" },
		{ { S, "--h\001" }, "-?: unknown option (see dma(8))" },
		{ { S, "-\001" }, "unknown option" },
		{ { S, "-\xc3\xbc" }, "unknown option" },
		{ { S, "-f" }, "-f" },
		{ { S, "-tf" }, "-f" },
		{ { S, "-F" }, "-F" },
		{ { S, "-b" }, "-b" },
		{ { S, "-o" }, "-o" },
		{ { S, "-o", "" }, "-o" },
		{ { S, "-O" }, "-O" },
		{ { S, "-B" }, "-B" },
		{ { S, "-L" }, "-L" },
		{ { S, "-L", "" }, "-L" },
		{ { S, "-L", "123456789012345678901234567890123" }, "-L" },
		{ { S, "-L", "a\nb" }, "-L" },
		{ { S, "-L", "sshd[9]: root" }, "-L" },
		{ { S, "-L", "a\"b" }, "-L" },
		{ { S, "-F", "Ann\r\nBcc: b@c" }, "-F" },
		{ { S, "-F", "\177" }, "-F" },
		{ { S, "-V", "id\nRCPT" }, "control" },
		{ { S, "-N", "never\r" }, "control" },
		{ { S, "-R", "full\n" }, "control" },
		{ { S, "-N", "" }, "-N" },
		{ { S, "-N", "sometimes" }, "-N" },
		{ { S, "-Nnever,failure" }, "-N" },
		{ { S, "-N" }, "-N" },
		{ { S, "-R", "headers" }, "-R" },
		{ { S, "-V", "" }, "-V" },
		{ { S, "-V", "\xc3\xbc" }, "-V" },
		{ { S, "-V", "=========|=========|=========|=========" },
		    "-V" },
		{ { S, "-X", "a\tb" }, "control" },
		{ { S, "-bd" }, "-bd" },
		{ { S, "-bD" }, "-bD" },
		{ { S, "-bl" }, "-bl" },
		{ { S, "-bt" }, "-bt" },
		{ { S, "-bt" }, "-bt" },
		{ { S, "-be" }, "-be" },
		{ { S, "-b", "" }, "-b" },
		{ { S, "-bmx" }, "-bmx" },
		{ { S, "-b\033[2J" }, "-b" },
		{ { S, "-b", "x\nid=1" }, "-b" },
		{ { S, "-q0" }, "-q" },
		{ { S, "-qx" }, "-q" },
		{ { S, "-q1000000d" }, "-q" },
		{ { S, "-q-1" }, "-q" },
		{ { S, "-qR" }, "-qR" },
		{ { S, "-qS", "" }, "-qS" },
		{ { S, "-qIa\nb" }, "-qI" },
		{ { S, "-q!" }, "-q!" },
		{ { S, "-q!x" }, "-q!" },
		{ { S, "-qp", "x" }, "-q" },
		{ { "mailq", "-qx" }, "-q" },
		{ { S, "--json", "x" }, "--json" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++)
		check(cases[i].args, EX_USAGE, cases[i].reason);
}

static void
test_many_arguments(void **state)
{
	static char name[] = "sendmail", rcpt[] = "a@b";
	struct options o;
	struct buf reason;
	char **argv;
	int i, n = 200000;

	(void)state;
	argv = calloc((size_t)n + 1, sizeof(*argv));
	assert_non_null(argv);
	argv[0] = name;
	for (i = 1; i < n; i++)
		argv[i] = rcpt;
	buf_init(&reason, 0);
	assert_int_equal(options_parse(&o, n, argv, &reason), 0);
	assert_int_equal(o.nrcpts, n - 1);
	assert_ptr_equal(o.rcpts[n - 2], rcpt);
	options_fini(&o);
	free(argv);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_callers),
		cmocka_unit_test(test_options),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_many_arguments),
	};

	return cmocka_run_group_tests_name("options", tests, NULL, NULL);
}
