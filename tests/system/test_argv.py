"""What programs pass to sendmail: each call as it stands in the queue."""
import os
import re
import subprocess

import pytest

import acceptor
from world import BINARY, SENDMAIL, SPOOL

TEXT = b"Subject: s\n\nabove\n.\nbelow\n"
WITH_TO = b"To: bob\n" + TEXT
ME, ADDR = "<alice@host.test>", "<ann@far.test>"

# What differs from call to call.
VARIES = re.compile(rb"(?m)^(arrived|length|lines) .*\n|"
                    rb"^(Received|Date|Message-ID):.*\n(?:[ \t].*\n)*")


def take(world):
    """The one message of the queue as (sender, recipients, dot is text, all
    that does not vary); it is removed."""
    ident, = world.queue()
    path = "%s/queue/%s" % (SPOOL, ident)
    with open(path, "rb") as f:
        raw = f.read()
    os.unlink(path)
    sender = re.search(rb"(?m)^sender (.*)$", raw[:1024]).group(1).decode()
    rcpts = [line.split(b"\t")[9].decode()
             for line in raw.split(b"\n") if line.startswith(b"R\t")]
    return sender, rcpts, b"\nbelow\n" in raw, VARIES.sub(b"", raw)


def queued(world, *args, text=TEXT, program=SENDMAIL):
    """One call, of which nothing but its commit is seen."""
    done = world.run([program, "-odq", *args], user="alice", input=text)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b""), args
    return take(world)


# (arguments, sender, a lone dot is text); bob is a recipient, if need be of
# the header, and carol if she is named.
CALLERS = (
    ("-FCronDaemon -i -B8BITMIME -oem bob", ME, True),
    ("-FCronDaemon -i -odi -oem -oi -t -f alice", ME, True),
    ("-FCronDaemon -odi -oem -oi -t", ME, True),
    ("-FCronDaemon -odi -oem -or0s bob", ME, False),
    ("-ti", ME, True),
    ("-t -oem -i", ME, True),
    ("-i -B 8BITMIME bob", ME, True),
    ("-FAnacron -odi bob", ME, False),
    ("-i bob", ME, True),
    ("-t", ME, False),
    ("-t -fann@far.test", ADDR, False),
    ("-i -t -f ann@far.test", ADDR, True),
    ("-i -f ann@far.test -- bob carol", ADDR, True),
    ("-oi -f ann@far.test -t", ADDR, True),
    ("-oem -oi -B8BITMIME -f ann@far.test -N failure,delay -R hdrs -- bob",
     ADDR, True),
    ("-oi -f ann@far.test -oem -odb -t", ADDR, True),
    ("-f ann@far.test -i bob carol", ADDR, True),
    ("-i -t -i bob", ME, True),
    ("-t -i -fann@far.test", ADDR, True),
    ("-t -i -oi -fann@far.test -t", ADDR, True),
    ("-i -fann@far.test -- bob", ADDR, True),
    ("-t -oi -oem -fann@far.test", ADDR, True),
    ("-i -f ann@far.test bob", ADDR, True),
    ("-oi bob", ME, True),
    ("-oi -f '' bob", "<>", True),
    ("-f bob -- bob", "<bob@host.test>", False),
    ("-eq -f <> -- bob", "<>", False),
    ("-i -bm bob", ME, True),
    ("-oi -t -f <>", "<>", True),
    ("-oi -odi -oem -N success,delay,failure -V ID -f ann@far.test -- bob",
     ADDR, True),
    ("-oi -odq -fann@far.test bob carol", ADDR, True),
    ("-oee -oi -odb -oMrSMTP -oMsx.test -om -G -U -n -x -T bob", ME, True),
    ("-em -m -h 3 -p ESMTP:x.test -d0.1 -A c -O Timeout.x=1 bob", ME, False),
    ("-C /etc/shadow -X /etc/shadow -Ltag -O DeliveryMode=b bob", ME, False),
    ("-O IgnoreDots=true bob", ME, True),
    ("-OIgnoreDots=true bob", ME, True),
    ("-o i bob", ME, True),
    ("bob -i -f ann@far.test", ADDR, True),
    ("bob -f ann@far.test carol -i", ADDR, True),
    ("-r ann@far.test -i -- bob", ADDR, True),
    ("-f bob -r ann@far.test bob", ADDR, False),
    ("-f <ann@far.test> bob", ADDR, False),
    ("-F '' -f ann@far.test bob", ADDR, False),
    ("-i -- bob", ME, True),
    ("-itfann@far.test", ADDR, True),
)


def words(line):
    return ["" if w == "''" else w for w in line.split()]


def test_callers(world):
    """Each call of a known program, by each name of ours."""
    names = (SENDMAIL, BINARY, "/usr/lib/sendmail")
    for i, (line, sender, is_text) in enumerate(CALLERS):
        args = words(line)
        has_t = re.search(r"(^| )-i?t", line) is not None
        got = queued(world, *args, text=WITH_TO if has_t else TEXT,
                     program=names[i % len(names)])
        want = ["bob"] + ["carol"] * ("carol" in args)
        assert (got[0], got[1], got[2]) == (sender, want, is_text), line


# Options with a value; what each changes is compared in all its spellings.
VALUES = (
    ("-f", "ann@far.test"), ("-f", "Ann <ann@far.test>"), ("-f", "-t"),
    ("-r", "ann@far.test"), ("-F", 'J. "R" Doe'), ("-F", "--"),
    ("-B", "8BITMIME"), ("-B", "7BIT"), ("-L", "tag"),
    ("-N", "never"), ("-N", "success,failure"), ("-R", "full"),
    ("-R", "hdrs"), ("-V", "ID=1"), ("-o", "i"), ("-o", "em"),
    ("-O", "IgnoreDots=true"), ("-O", "QueueDirectory=/etc"),
    ("-A", "m"), ("-C", "/etc/shadow"), ("-X", "/etc/shadow"),
    ("-d", "0-99.1"), ("-e", "q"), ("-h", "25"), ("-p", "ESMTP:far.test"),
    ("-b", "m"),
)


@pytest.mark.seconds(2)
def test_spellings_of_an_option_mean_the_same(world):
    """Joined, apart, in a group, and after the recipients."""
    plain = queued(world, "bob", "carol")
    for option, value in VALUES:
        joined = option + value
        spellings = (
            (joined, "bob", "carol"), (option, value, "bob", "carol"),
            ("bob", joined, "carol"), ("bob", "carol", option, value),
            (joined, "--", "bob", "carol"), ("-m" + joined[1:], "bob,carol"),
        )
        first, *others = [queued(world, *s) for s in spellings]
        for spelling, other in zip(spellings[1:], others):
            assert other == first, spelling
        assert first[1] == plain[1]
        if option in ("-f", "-r", "-F", "-N", "-R", "-V"):
            assert first[3] != plain[3], option


def test_after_two_dashes_there_are_recipients_only(world):
    world.write_aliases('"-t": bob\n"-f": carol\n')
    _, rcpts, _, _ = queued(world, "--", "-t", "-f", "bob", text=WITH_TO)
    assert rcpts == ["-t", "-f", "bob"]


# Refused: nothing is read, nothing is sent, one line says why.
REFUSED = [w.split() for w in (
    "-bv", "-bv -t", "-bvt bob", "-bt", "-bd", "-bD", "-bl", "-be", "-bx bob",
    "-Z bob", "bob -Z", "-iZ bob", "-M bob", "-s bob", "-c bob",
    "-q0", "-qx", "-qR", "-q!S", "-qp bob", "-N sometimes bob", "-R some bob", "-f", "bob -f",
    "-o", "-O", "-B", "-L a/b bob", "--help", "--version", "-V",
)]


def test_refused_options_read_nothing(world):
    for args in REFUSED:
        r, w = os.pipe()
        os.write(w, b"unread")
        os.close(w)
        with os.fdopen(r, "rb") as f:
            done = subprocess.run([SENDMAIL, *args], stdin=f,
                                  capture_output=True, timeout=20,
                                  check=False, **world.identity("alice"))
            assert f.read() == b"unread", args
        assert done.returncode == 64, args
        assert done.stdout == b"" and done.stderr.count(b"\n") == 1, args
        assert done.stderr.startswith(b"dma: "), done.stderr
    assert world.queue() == []


# Recipient arguments and fields, and who then gets the mail.
RECIPIENTS = (
    (["bob,carol"], "bob carol"),
    (["bob, carol ,alice"], "bob carol alice"),
    (["Bob <bob>, (who?) carol"], "bob carol"),
    (['"B, O" <bob>'], "bob"),
    (["team: bob, carol;"], "bob carol"),
    (["bob (a comment, with <x@y>)"], "bob"),
    (["<bob>"], "bob"),
    (["bob", "BOB", "bob@host.test", "Bob@localhost"], "bob"),
    (["-t", "Bob@HOST.test", "carol"], "Bob@host.test carol"),
    (["bob+x", "BOB+x", "bob+X"], "bob+x bob+X"),
    (["ann@far.test", "ann@FAR.Test", "Ann@far.test"],
     "ann@far.test Ann@far.test"),
    (["-t", "bob"], "bob"),
    (["-t", "carol,bob"], "carol bob"),
)

# Never a command, a file or a list, whoever asks for it.
NO_RECIPIENTS = ("|id", '"|id"', "/etc/x", '"/etc/x"', ":include:/etc/passwd",
                 '":include:/etc/passwd"', "\\|id", "< |id>", "x: |id;",
                 "@", "<>", "a@b@c", "a b@far.test", "ann@far..test",
                 "ann@-", "a\x01b@far.test")


@pytest.mark.seconds(2)
def test_recipients(world):
    for args, want in RECIPIENTS:
        got = queued(world, *args, text=WITH_TO)[1]
        assert sorted(got) == sorted(want.split()), args
    for name in NO_RECIPIENTS:
        for args, text in ((["--", name], TEXT),
                           (["-t"], b"To: " + name.encode() + b"\n" + TEXT)):
            done = world.run([SENDMAIL, "-odq", *args], user="alice",
                             input=text)
            assert (done.returncode in (64, 65, 67) and
                    done.stderr.count(b"\n") >= 1), (args, done)
            assert world.queue() == [], args


# What becomes of a text: input, and the message without what is added.
FROM = b"From: alice@host.test\n"
TEXTS = (
    (b"", FROM + b"\n"),
    (b"\n", FROM + b"\n"),
    (b"\n\n", FROM + b"\n\n"),
    (b"hello\n", FROM + b"\nhello\n"),
    (b"hello", FROM + b"\nhello\n"),
    (b"Subject: s\n", b"Subject: s\n" + FROM + b"\n"),
    (b"Subject: s", b"Subject: s\n" + FROM + b"\n"),
    (b"Subject: s\n\n", b"Subject: s\n" + FROM + b"\n"),
    (b"Subject: s\nno field\n", b"Subject: s\n" + FROM + b"\nno field\n"),
    (b"Subject: s\r\n\r\nx\r\n", b"Subject: s\n" + FROM + b"\nx\n"),
    (b"Subject: s\r\n\nx\n.\n", b"Subject: s\n" + FROM + b"\nx\n"),
    (b"Subject: s\n\nx\r\ny\r\r\nz\rw\n",
     b"Subject: s\n" + FROM + b"\nx\ny\r\nz\rw\n"),
    (b"From bob Mon Jan  1 00:00:00 2024\nSubject: s\n\nFrom x\n",
     b"Subject: s\n" + FROM + b"\nFrom x\n"),
    (b"From: ann (A)\nTo: Bob <bob>, x@y.test\nCc: carol\n\n",
     b"From: ann@host.test (A)\nTo: Bob <bob@host.test>, x@y.test\n"
     b"Cc: carol@host.test\n\n"),
    (b"From: a@b.test\nSender: root\nReply-To: bob\n\n",
     b"From: a@b.test\nSender: root@host.test\nReply-To: bob@host.test\n\n"),
    (b"From: a@b.test\nBcc: carol,\n x\nX: z\n\nb\n",
     b"From: a@b.test\nX: z\n\nb\n"),
    (b"From: a@b.test\n\na\0b\n", b"From: a@b.test\n\na\0b\n"),
    (b"From: a@b.test\n\n" + b"x" * 5000, b"From: a@b.test\n\n" + b"x" * 5000
     + b"\n"),
)


def message(raw):
    """What follows the first 1024 bytes, as long as they say."""
    n = int(re.search(rb"(?m)^length (\d+)$", raw[:1024]).group(1))
    return VARIES.sub(b"", raw[1024:1024 + n])


def test_texts(world):
    for text, want in TEXTS:
        done = world.run([SENDMAIL, "-odq", "bob"], user="alice", input=text)
        assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
        ident, = world.queue()
        with open("%s/queue/%s" % (SPOOL, ident), "rb") as f:
            raw = f.read()
        os.unlink(f.name)
        for field in b"Received", b"Date", b"Message-ID":
            assert raw.count(b"\n" + field + b": ") == 1, (text, field)
        head, _, body = message(raw).partition(b"\n\n")
        want_head, _, want_body = want.partition(b"\n\n")
        assert sorted(head.split(b"\n")) == sorted(
            want_head.split(b"\n")), text
        assert body == want_body, text


# The statuses that callers tell apart, and what is said: the thing, the cause
# and, where there is one, the cure.
STATUSES = (
    ({}, [], TEXT, 64, "no recipients: give them as arguments, or use -t"),
    ({}, ["-t"], TEXT, 64, "no recipients: there are none in To, Cc and Bcc "
     "or on the command line"),
    ({}, ["-Z", "bob"], TEXT, 64, "-Z: unknown option (see dma(8))"),
    ({}, ["--foo", "bob"], TEXT, 64, "--foo: unknown option (see dma(8))"),
    ({}, ["-X", "a\nb", "bob"], TEXT, 64, "-X: control character in its "
     "value"),
    ({}, ["-t", "-f", "a@b@c"], WITH_TO, 65, "-f: not an address (must be "
     "user or user@host)"),
    ({}, ["-f", "a\nb", "bob"], TEXT, 65, "-f: "),
    ({}, ["bob\n"], TEXT, 65, "bob: a recipient must not contain control "
     "characters"),
    ({}, ["a@b@c"], TEXT, 65, "recipient: not an address: a@b@c"),
    ({"MAX_SIZE": "10"}, ["bob"], TEXT, 65, "the message is larger than 10 "
     "bytes: shorten it, or change MAX_SIZE in dma.conf"),
    ({"MAX_RECIPIENTS": "1"}, ["bob", "carol"], TEXT, 65, "more than 1 "
     "recipients: send several messages, or change MAX_RECIPIENTS"),
    ({}, ["bob"], b"X: " + b"x" * 2**21 + b"\n\n", 65, "the header is too "
     "large: it may have at most 1 MiB"),
    ({}, ["nobody-here"], TEXT, 67, "nobody-here: no such user here"),
    ({}, ["nobody-here", "bob"], TEXT, 0, ""),
    ({"NOREMOTE": ""}, ["ann@far.test"], TEXT, 69, "ann@far.test: this host "
     "sends no mail to other hosts (NOREMOTE)"),
    ({"NOREMOTE": ""}, ["ann@far.test", "bob"], TEXT, 0, ""),
)


@pytest.mark.seconds(2)
@pytest.mark.parametrize("errors", ("", "-oem", "-oep", "-oeq", "-oew", "-oee",
                                    "-em"))
def test_statuses(world, errors):
    """Whatever is asked for errors: as status and text while one waits."""
    world.leaves("queue")
    for conf, args, text, status, words in STATUSES:
        world.write_conf(conf)
        before = len(world.queue())
        args = ([errors] if errors else []) + ["-odq", *args]
        done = world.run([SENDMAIL, *args], user="alice", input=text)
        assert done.returncode == status, (args, done)
        assert done.stdout == b""
        assert bool(done.stderr) == (status != 0), (args, done)
        if status != 0:
            assert done.stderr.startswith(b"dma: " + words.encode()), done
        assert len(world.queue()) == before + (status == 0), args


# What the host must be like for the others.
AS_ALICE = "exec setpriv --reuid alice --regid alice --init-groups "
HOSTS = (
    ("exec sendmail bob <&-", 66, "standard input is closed: "),
    ("exec sendmail bob </", 66, "cannot read the message from standard "
     "input: Is a directory"),
    ("ulimit -f 10; exec sendmail bob", 71, "limit on file size: the hard "
     "limit is too low: raise it"),
    ("mount --bind /var/spool/dma /var/spool/dma && "
     "mount -o remount,bind,ro /var/spool/dma && exec sendmail bob", 73,
     "spool: create: Read-only file system (/var/spool/dma)"),
    *(("exec %s >/dev/full" % call, 74, "cannot write to standard output: No "
       "space left on device")
      for call in ("sendmail -bv bob", "mailq",
                   "dma queue list dead", "dma status --prometheus")),
    ("mount -t tmpfs -o size=64k,uid=_dma,gid=_dma,mode=700 t /var/spool/dma "
     "&& head -c 200000 /dev/zero | sendmail bob", 75,
     "spool: write: No space left on device (/var/spool/dma)"),
    (AS_ALICE + "--no-new-privs sendmail bob", 77, "not installed set-uid "
     "root, or started with no_new_privs: run \"make perms\" as root; or "
     "enable dma-submit.socket"),
    ("chmod 000 /etc/dma/dma.conf; exec sendmail bob", 78, "/etc/dma/dma.conf:"
     " Permission denied: the user _dma must be able to read it: run \"chmod "
     "755 /etc/dma\" and \"chmod 644 /etc/dma/dma.conf\"\n"),
    ("mount -t tmpfs -o mode=755 t /etc/dma && ln -s x /etc/dma/dma.conf && "
     "exec sendmail bob", 75, "/etc/dma/dma.conf: No such file or directory: "
     "it is a link to a file that does not exist\n"),
    ("mount -t tmpfs -o mode=755 t /etc/dma && mkdir /etc/dma/dma.conf && "
     "exec sendmail bob", 75, "/etc/dma/dma.conf: Is a directory\n"),
    ("mount -t tmpfs -o mode=755 t /var/spool && exec sendmail bob", 78,
     "/var/spool/dma: No such file or directory: install dma again"),
)


@pytest.mark.parametrize("host, status, words", HOSTS)
def test_statuses_of_the_host(world, host, status, words):
    if acceptor.is_for_all() and status == 77:
        pytest.skip("there is the socket")
    done = world.run(["unshare", "-m", "sh", "-c", host if "setpriv" in host or
                      "mount" in host or "chmod" in host else AS_ALICE +
                      "sh -c '%s'" % host], input=TEXT)
    assert done.returncode == status, done
    assert done.stderr.startswith(b"dma: " + words.encode()), done
    assert done.stderr.count(b"\n") == 1
    assert world.queue() == []


LISTS = ([SENDMAIL, "-bp"], ["mailq"], ["mailq", "-v"], ["mailq", "-Ac"],
         ["mailq", "more", "words"], ["mailq", "-Z"], [SENDMAIL, "-bp", "-Zx"],
         [SENDMAIL, "-b", "p", "-oi"],
         [BINARY, "-bp"])
CHECKS = ([SENDMAIL, "-bi"], ["newaliases"], [SENDMAIL, "-I"],
          ["newaliases", "-v"], [BINARY, "-bi"], ["newaliases", "more"])
NOTHING = ([SENDMAIL, "-bh"], [SENDMAIL, "-bH"], [BINARY, "-bP"])


def test_modes(world):
    for call in LISTS:
        done = world.run(call, user="alice")
        assert (done.returncode, done.stdout, done.stderr) == (
            0, b"Mail queue is empty\n", b""), call
    for call in CHECKS:
        done = world.run(call, user="alice")
        assert done.returncode == 0 and b"0 aliases" in done.stdout, call
    for call in NOTHING:
        done = world.run(call, user="alice", input=TEXT)
        assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    for args in (["-q"], ["-qf"], ["-vq"], ["-q", "-oi"], ["-qRbob"],
                 ["-qS", "bob"], ["-v", "-q!I", "6921"]):
        done = world.run([SENDMAIL, *args], user="alice")
        assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
