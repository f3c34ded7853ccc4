"""dma queue, -qI, -qR and -qS: what a user types, and what they see."""
import os
import re
import signal

import pytest

from smtp_peer import Script
from test_calls import full  # noqa: F401
from test_runner import runner_pid
from world import BINARY, SENDMAIL, SPOOL

QUEUE = [BINARY, "queue"]


def queue(world, *args, user=None, status=0, **more):
    """dma queue ARGS: its status is asserted, and text is given."""
    done = world.run(QUEUE + list(args), user=user, **more)
    assert done.returncode == status, (args, done)
    return (done.stdout.decode("utf-8", "surrogateescape"),
            done.stderr.decode("utf-8", "surrogateescape"))


def commit(world, *args, **more):
    """The id of a message that nobody tries."""
    before = set(world.queue())
    world.send("-odq", *args, **more)
    ident, = set(world.queue()) - before
    return ident


def put_aside(ident, folder, change=None):
    """Moves a queued message as the runner does; change: of its bytes."""
    os.makedirs("%s/%s" % (SPOOL, folder), exist_ok=True)
    spool = os.stat(SPOOL)
    os.chown("%s/%s" % (SPOOL, folder), spool.st_uid, spool.st_gid)
    os.chmod("%s/%s" % (SPOOL, folder), 0o700)
    path = "%s/%s/%s" % (SPOOL, folder, ident)
    os.rename("%s/queue/%s" % (SPOOL, ident), path)
    if change:
        with open(path, "rb") as f:
            data = change(f.read())
        with open(path, "wb") as f:
            f.write(data)
    return ident


TEXT = (b"Subject: gr\xc3\xbc\xc3\x9fe \x1b[31mred\x1b[m\n\n"
        b"body \x07 \x9b31m\n" + b"end\n" * 40000)


# -- show ---------------------------------------------------------------------

def test_show_has_the_envelope_and_the_header(world):
    ident = commit(world, "-f", "alice@host.test", "bob", "ann@far.test",
                   input=TEXT)
    world.leaves("queue")
    out, err = queue(world, "show", ident, user="alice")
    assert err == ""
    envelope, _, header = out.partition("\n\n")
    lines = envelope.split("\n")
    assert lines[0] == "ID\t: " + ident
    assert "Place\t: queue" in lines
    assert "From\t: alice@host.test" in lines
    assert [x for x in lines if x.startswith(("To", "State"))] == [
        "To\t: bob", "State\t: new", "To\t: ann@far.test", "State\t: new"]
    assert "Subject: grüße \x1b[31mred" in header
    assert "body" not in header and header.endswith("\n\n")


def test_show_can_print_the_body_or_all(world):
    ident = commit(world, "bob", input=TEXT)
    world.leaves("queue")
    header = queue(world, "show", ident)[0].partition("\n\n")[2]
    body = queue(world, "show", "--body", ident)[0].partition("\n\n")[2]
    both = queue(world, "show", "--message", ident)[0].partition("\n\n")[2]
    assert both == header + body
    with open("%s/queue/%s" % (SPOOL, ident), "rb") as f:
        text = f.read()[1024:]
    assert text.startswith(both.encode("utf-8", "surrogateescape"))
    assert body.count("end\n") == 40000


def on_terminal(world, argv, user=None):
    """What comes out when all descriptors are a terminal, and the status."""
    ours, theirs = os.openpty()
    p = world.start(argv, user=user, stdin=theirs, stdout=theirs,
                    stderr=theirs)
    os.close(theirs)
    data = b""
    while True:
        try:
            more = os.read(ours, 65536)
        except OSError:
            break
        if not more:
            break
        data += more
    os.close(ours)
    return data.replace(b"\r\n", b"\n"), p.wait()


def test_a_terminal_gets_no_controls_unless_asked(world):
    ident = commit(world, "bob", input=TEXT)
    world.leaves("queue")
    out, status = on_terminal(world, QUEUE + ["show", "--message", ident])
    assert status == 0
    assert b"\x1b" not in out and b"\x07" not in out and b"\x9b" not in out
    assert "Subject: grüße \\033[31mred\\033[m\n".encode() in out
    assert b"body \\007 \\23331m\n" in out
    out, status = on_terminal(world, QUEUE + ["show", "--message", "--raw",
                                              ident])
    assert b"\x1b[31mred" in out and b"\x9b31m" in out


def test_users_see_their_own_wherever_it_lies(world):
    idents = {"queue": commit(world, "bob"),
              "dead": put_aside(commit(world, "bob"), "dead"),
              "corrupt": put_aside(commit(world, "bob"), "corrupt",
                                   lambda data: data + b"?\n")}
    world.leaves("queue", "dead", "corrupt")
    for place, ident in idents.items():
        for user in None, "alice":
            out, _ = queue(world, "show", ident, user=user)
            assert "Place\t: " + place in out
        out, err = queue(world, "show", ident, user="bob", status=66)
        assert out == "" and err == (
            "dma: %s: no such message of yours: see mailq\n" % ident)
    for folder in "dead", "corrupt":
        for user in None, "alice":
            out, _ = queue(world, "list", folder, user=user)
            assert "ID\t: " + idents[folder] in out
            assert "-- 1 message in %s.\n" % folder in out
        assert queue(world, "list", folder, user="bob") == (
            "%s contains no message of yours\n" % folder, "")
    assert "invalid journal" in queue(world, "list", "corrupt")[0]


# -- requeue ------------------------------------------------------------------

def test_requeue_puts_a_dead_message_back(world):
    ident = put_aside(commit(world, "bob", input=b"Subject: late\n\nx\n"),
                      "dead")
    assert queue(world, "requeue", ident) == (ident + ": queued\n", "")
    m, = world.wait_mail("bob")
    assert m["Subject"] == "late"
    world.wait_quiet()
    assert "status=requeued" in world.log()


def test_requeue_opens_what_was_not_sent(world, peer):
    """One recipient has it, one was refused, as was the report."""
    p = world.smarthost(peer(Script(rcpt_rules=(
        ("^ann@", "250 2.1.5 ok"), ("", "550 5.1.1 no")))))
    world.write_aliases("postmaster: gone@far.test\n")
    world.send("-f", "<>", "ann@far.test", "ben@far.test")
    world.wait_until(lambda: os.path.isdir(SPOOL + "/dead") and
                     os.listdir(SPOOL + "/dead"))
    ident, = os.listdir(SPOOL + "/dead")
    world.wait_until(lambda: not world.processes())
    p = world.smarthost(peer(Script()))
    out, _ = queue(world, "show", ident)
    assert "State\t: failed\nTries\t: 1\nReply" in out and "Next" not in out and "no" in out
    queue(world, "requeue", ident)
    world.wait_quiet()
    assert [r for t in p.taken for r in t.accepted] in (
        ["ben@far.test"], ["gone@far.test"])


def test_requeue_reaches_the_runner_that_put_the_message_aside(world, waiting):
    """Which still has other mail, and knew it by the same id."""
    for i in range(6):
        world.send("more%d@far.test" % i)
        world.wait_tried("more%d@far.test" % i)
    world.write_aliases("wrong: nosuchuser\npostmaster: nosuchuser\n")
    world.send("-f", "<>", "wrong", user=None)
    ident = world.wait_until(lambda: os.path.isdir(SPOOL + "/dead") and
                             os.listdir(SPOOL + "/dead"))[0]
    queue(world, "requeue", ident, "carol")
    world.wait_mail("carol")
    world.wait_until(lambda: ident not in world.queue())


def test_requeue_can_have_other_recipients(world):
    ident = put_aside(commit(world, "nobody@far.test"), "dead")
    for bad in "|/bin/true", "/etc/passwd", "a\nb", "", ":include:/x":
        out, err = queue(world, "requeue", ident, "bob", bad, status=65)
        assert out == "" and "not an address" in err
        assert err.count("\n") == 1
    queue(world, "requeue", ident, "bob", "Carol <carol>")
    world.wait_mail("bob")
    world.wait_mail("carol")


def test_requeue_replaces_no_message_of_the_queue(world):
    ident = put_aside(commit(world, "bob"), "dead")
    names = ["%s/%s/%s" % (SPOOL, x, ident) for x in ("dead", "queue")]
    os.link(*names)
    out, err = queue(world, "requeue", ident, status=75)
    assert out == "" and "is in the queue: wait" in err
    assert all(map(os.path.exists, names))
    os.unlink(names[1])
    queue(world, "requeue", ident)
    world.wait_mail("bob")


@pytest.mark.parametrize("call", ("sendmail -bs", "dma queue hold -"))
def test_standard_input_that_is_closed_is_no_empty_one(world, call):
    done = world.run(["sh", "-c", "exec %s <&-" % call], user="alice")
    assert done.returncode == 66 and done.stdout == b""
    assert b"standard input is closed" in done.stderr


DAMAGES = {
    "a line of the journal": lambda data: data + b"S\t77\nS\t0\n",
    "the end of the journal": lambda data: data + b"\0" * 40 + b"\n",
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_requeue_reads_a_journal_up_to_a_bad_line(world, damage):
    ident = put_aside(commit(world, "bob"), "corrupt", DAMAGES[damage])
    queue(world, "requeue", ident)
    m, = world.wait_mail("bob")
    assert m.body == b"hello\n"


PREAMBLES = {
    "zeros": lambda data: b"\0" * 1024 + data[1024:],
    "cut text": lambda data: data[:data.index(b"hello\n") + 6],
    "length": lambda data: data.replace(b"length ", b"length 1", 1)[:1024] +
    data[1024:],
}


@pytest.mark.parametrize("damage", PREAMBLES)
def test_requeue_of_a_text_alone_needs_recipients(world, damage):
    ident = put_aside(commit(world, "carol"), "corrupt", PREAMBLES[damage])
    out, err = queue(world, "requeue", ident, status=65)
    assert "recipients cannot be read" in err and "after the id" in err
    queue(world, "requeue", ident, "bob")
    m, = world.wait_mail("bob")
    assert m.body.startswith(b"hello\n") and m["Subject"] == "test"
    if damage == "zeros":
        assert m.body == b"hello\n" and b"\nReturn-Path: <>\n" in (
            b"\n" + m.header_bytes + b"\n")


def test_who_lists_all_mail_may_not_command_it(world):
    """carol sees mail of others, who would not have it deleted by her."""
    world.write_conf({"MAILQ_GROUP": "carol", "SMARTHOST": "127.0.0.1:1"})
    world.leaves("queue")
    ident = commit(world, "ann@far.test")
    for verb in "delete", "hold", "release", "bounce":
        out, err = queue(world, verb, ident, user="carol", status=77)
        assert out == "" and "only root and the user who submitted it" in err
    assert world.queue() == [ident]


def test_requeue_is_for_root_and_for_what_was_put_aside(world):
    world.leaves("queue", "dead")
    queued = commit(world, "bob")
    ident = put_aside(commit(world, "bob"), "dead")
    out, err = queue(world, "requeue", ident, user="alice", status=77)
    assert out == "" and "only root" in err
    out, err = queue(world, "requeue", queued, status=66)
    assert "it is in the queue" in err
    out, err = queue(world, "bounce", ident, status=66)
    assert err == ('dma: %s: in dead, not in the queue: see "dma queue list '
                   'dead"\n' % ident)
    out, err = queue(world, "delete", ident, user="alice", status=66)
    assert err.endswith("not in the queue, or not yours: see mailq\n")
    assert os.listdir(SPOOL + "/dead") == [ident]


def test_requeue_on_a_full_disk_leaves_the_message(world, full):
    ident = put_aside(commit(world, "bob"), "dead")
    path = "%s/dead/%s" % (SPOOL, ident)
    with open(path, "rb") as f:
        before = f.read()
    full.fill()
    out, err = queue(world, "requeue", ident, status=75)
    assert out == "" and err == (
        "dma: %s: not queued: spool: write: No space left on device\n" % ident)
    with open(path, "rb") as f:
        assert f.read() == before
    assert world.spool_litter() == ["dead/" + ident]
    full.empty()
    queue(world, "requeue", ident)
    world.wait_mail("bob")
    world.wait_quiet()


@pytest.mark.parametrize("folder", ("dead", "corrupt"))
def test_delete_removes_what_was_put_aside_for_root_only(world, folder):
    ident = put_aside(commit(world, "bob"), folder, lambda data: data[:1500])
    path = "%s/%s/%s" % (SPOOL, folder, ident)
    out, err = queue(world, "delete", ident, user="alice", status=66)
    assert out == "" and "not in the queue, or not yours" in err
    for verb in "hold", "release", "retry", "bounce":
        queue(world, verb, ident, status=66)
    assert os.path.exists(path)
    assert queue(world, "delete", ident, "0" * 21, status=66) == (
        "%s: deleted from %s\n" % (ident, folder),
        "dma: %s: not in the queue: see mailq\n" % ("0" * 21))
    assert not os.path.exists(path)
    assert world.log_lines(ident, "status=deleted", "from=" + folder)


def test_delete_says_why_it_cannot_remove_a_file(world):
    ident = put_aside(commit(world, "bob"), "dead")
    path = "%s/dead/%s" % (SPOOL, ident)
    os.unlink(path)
    os.mkdir(path)
    out, err = queue(world, "delete", ident, status=75)
    os.rmdir(path)
    assert (out, err) == ("", "dma: %s: not deleted: Is a directory\n" % ident)


# -- arguments ----------------------------------------------------------------

REFUSED = (
    ("",), ("bogus", "1"), ("hold",), ("delete", "--sender"),
    ("delete", "--sender", ""), ("delete", "--bogus", "x"),
    ("delete", "../../etc/passwd"), ("delete", "a/b"), ("delete", "a\nb"),
    ("delete", "\x1b[2J"), ("delete", "6921", "A"), ("delete", "a" * 25),
    ("delete", "a" * 100000), ("delete", "--all", "6921"),
    ("delete", "--all", "--sender", "x"), ("delete", "-", "6921"),
    ("delete", "--recipient", "a\tb"), ("show",), ("show", "6921", "6922"),
    ("show", "--bogus", "6921"), ("show", "../lock"), ("list",),
    ("list", "queue"), ("list", "../dead"), ("list", "dead", "x"),
    ("requeue",), ("requeue", "../queue/x"),
)


def test_wrong_usage_does_nothing(world):
    world.leaves("queue")
    ident = commit(world, "bob")
    for args in REFUSED:
        for user in None, "alice":
            out, err = queue(world, *args, user=user, status=64)
            assert out == "" and err.startswith("dma: "), (args, err)
            assert err.count("\n") == 1 and len(err) < 300, (args, err)
            assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", err)
    assert world.queue() == [ident] and not world.processes()
    _, err = queue(world, "delete", "ALL", status=64)
    assert '"ALL": ' in err and "lower-case letters" in err


def test_usage_is_printed(world):
    """On request, and when there is nothing to do."""
    world.leaves("queue")
    for args, status in ((("check", "--help"), 0), (("status", "--help"), 0),
                         (("queue", "--help"), 0), (("setup", "--help"), 0),
                         (("queue", "hold", "--all", "--help"), 0),
                         (("setup",), 64), (("queue",), 64)):
        done = world.run(["dma", *args], user="alice")
        assert done.returncode == status, (args, done)
        out, other = done.stdout, done.stderr
        if status:
            out, other = other, out
        assert out.startswith(b"usage: dma %s " % args[0].encode()), args
        assert other == b"" and not world.processes()


def test_dma_without_a_command_has_help_and_a_version(world):
    done = world.run(["dma", "--help"], user="alice")
    assert done.returncode == 0 and done.stderr == b""
    for name in (b"setup", b"check", b"status", b"queue"):
        assert b"\n       dma %s " % name in done.stdout
    done = world.run(["dma", "--version"], user="alice")
    assert done.returncode == 0 and done.stderr == b""
    world.send("bob")
    message, = world.wait_mail("bob")
    assert b"(" + done.stdout.strip() + b")" in message.raw


def test_queue_is_a_recipient_of_sendmail(world):
    world.leaves("queue")
    world.write_aliases("queue: bob\n")
    world.send("-odq", "queue", "list")
    assert len(world.queue()) == 1


# -- commands for the runner --------------------------------------------------

@pytest.fixture
def waiting(world, peer):
    """address -> id: of alice and of bob, deferred; a runner waits."""
    world.smarthost(peer(Script(rcpt_rules=(("", "450 4.2.1 later"),))))
    world.leaves("queue")
    ids = {}
    for user, address in (("alice", "ann@far.test"), ("alice", "ben@near.test"),
                          ("bob", "ann.b@far.test")):
        before = set(world.queue())
        world.send("-f", user + "@host.test", address, user=user)
        world.wait_tried(address)
        ids[address], = set(world.queue()) - before
    return ids


@pytest.fixture
def relay(world, peer, waiting):
    """From now on mail is taken."""
    return world.smarthost(peer(Script()))


def texts(out):
    """id -> what the standard output says of it."""
    return dict(line.split(": ", 1) for line in out.splitlines())


def is_held(text):
    """What is under way when a hold comes may be said after it."""
    return text.partition(";")[0] == "on hold"


def sent(relay):
    return sorted(r for t in relay.taken for r in t.accepted)


def test_hold_and_release_say_what_they_did(world, waiting, relay):
    ident = waiting["ann@far.test"]
    out, err = queue(world, "hold", ident, user="alice")
    assert err == "" and is_held(texts(out)[ident])
    assert queue(world, "hold", ident) == (
        ident + ": was on hold before\n", "")
    out, _ = queue(world, "show", ident)
    assert "Place\t: queue (on hold)" in out
    assert "State\t: held\n" in out and "Next\t: when it is released" in out
    out, err = queue(world, "retry", ident, status=69)
    assert out == "" and "not tried: held" in err
    world.flush()
    assert world.queue() == [ident]
    assert queue(world, "release", ident) == (ident + ": released\n", "")
    world.wait_quiet()
    assert sent(relay) == sorted(waiting)


def test_a_message_of_another_user_is_unknown(world, waiting):
    theirs = waiting["ann.b@far.test"]
    for verb in "hold", "release", "retry", "delete", "bounce", "show":
        out, err = queue(world, verb, theirs, user="alice", status=66)
        none, other = queue(world, verb, "0" * 21, user="alice", status=66)
        assert out == none == ""
        # Nothing tells whether it exists.
        assert err.replace(theirs, "") == other.replace("0" * 21, "")
    assert theirs in world.queue()


def test_a_selection_has_only_the_callers_messages(world, waiting):
    mine = sorted(waiting[a] for a in ("ann@far.test", "ben@near.test"))
    out, err = queue(world, "hold", "--all", user="alice")
    assert err == "" and sorted(texts(out)) == mine
    assert all(map(is_held, texts(out).values()))
    out, err = queue(world, "release", "--recipient", "@FAR.", user="alice")
    assert out == waiting["ann@far.test"] + ": released\n" and err == ""
    out, err = queue(world, "hold", "--sender", "bob@", status=66,
                     user="alice")
    assert (out, err) == (
        "", "dma: no message of yours is selected: see mailq\n")
    out, _ = queue(world, "hold", "--sender", "bob@", "--recipient", "ann.b")
    assert is_held(texts(out).pop(waiting["ann.b@far.test"]))


def test_ids_come_from_standard_input(world, waiting):
    a, b = waiting["ann@far.test"], waiting["ben@near.test"]
    for user in None, "alice":
        out, err = queue(world, "hold", "-", user=user,
                         input="%s\n\n  %s \r\n" % (a, b))
        assert err == "" and len(out.splitlines()) == 2
        queue(world, "release", "-", user=user, input="%s\n%s" % (a, b))
    # What comes before a bad line is done, what comes after it is not.
    out, err = queue(world, "hold", "-", input="%s\na/b\n%s\n" % (a, b),
                     status=65)
    assert list(texts(out)) == [a] and is_held(texts(out)[a])
    assert '"a/b" is not a queue id' in err
    out, err = queue(world, "hold", "-", input=b"x" * 100000, status=65)
    assert out == "" and "a line is too long" in err


@pytest.mark.seconds(10)
def test_a_hundred_thousand_ids(world, waiting):
    a = waiting["ann@far.test"]
    ids = ["%021d" % i for i in range(100000)] + [a]
    for user in None, "alice":
        out, err = queue(world, "hold", "-", input="\n".join(ids), user=user,
                         status=66, limit=120)
        assert out.startswith(a) and err.count("\n") == 100000
        assert err.count("not in the queue") == 100000
    out, err = queue(world, "release", *ids[-40000:], status=66, limit=120)
    assert out == a + ": released\n"


def test_delete_all_mail_to_an_address(world, waiting):
    """And nobody hears of it."""
    out, err = queue(world, "delete", "--recipient", "ANN", user="alice")
    assert err == "" and out.startswith(waiting["ann@far.test"] + ": deleted")
    out, err = queue(world, "delete", "--recipient", "@far.test")
    assert err == "" and out.startswith(waiting["ann.b@far.test"])
    assert out.count("\n") == 1
    assert world.queue() == [waiting["ben@near.test"]]
    queue(world, "delete", waiting["ann@far.test"], status=66)
    for user in "alice", "bob":
        assert world.mailbox(user) == []


def test_bounce_reports_to_the_sender(world, waiting):
    ident = waiting["ann@far.test"]
    out, err = queue(world, "bounce", ident, user="alice")
    assert err == "" and out.startswith(ident + ": ")
    report, = world.wait_mail("alice")
    assert b"ann@far.test" in report.text
    world.wait_until(lambda: ident not in world.queue())
    queue(world, "bounce", ident, user="alice", status=66)


def test_retry_says_what_became_of_each(world, waiting, relay):
    a, b = waiting["ann@far.test"], waiting["ben@near.test"]
    out, err = queue(world, "retry", b, a, b, user="alice")
    assert sorted(out.splitlines()) == sorted([a + ": sent", b + ": sent"])
    assert sent(relay) == ["ann@far.test", "ben@near.test"]
    assert world.queue() == [waiting["ann.b@far.test"]]


SELECTIONS = (
    (["-qRfar.test"], None, ["ann.b@far.test", "ann@far.test"]),
    (["-qR", "ANN@", "-v"], None, ["ann@far.test"]),
    (["-qSbob@host"], None, ["ann.b@far.test"]),
    (["-qS", "host.test", "-q!Rfar"], None, ["ben@near.test"]),
    (["-qRfar.test"], "alice", ["ann@far.test"]),
    (["-qSbob"], "alice", []),
    (["-qRnobody"], None, []),
)


@pytest.mark.parametrize("args,user,expected", SELECTIONS)
def test_a_flush_of_a_selection(world, waiting, relay, args, user, expected):
    done = world.run([SENDMAIL, *args], user=user)
    assert (done.returncode, done.stdout) == (0, b"")
    assert (b"=== " in done.stderr) == ("-v" in args)
    assert sent(relay) == expected
    assert sorted(world.queue()) == sorted(
        i for a, i in waiting.items() if a not in expected)


def test_a_flush_by_id(world, waiting, relay):
    ident = waiting["ben@near.test"]
    done = world.run([SENDMAIL, "-qI" + ident[4:]], user="alice")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert sent(relay) == ["ben@near.test"]


def test_a_held_message_does_not_fail_a_flush(world, waiting, relay):
    queue(world, "hold", waiting["ann@far.test"])
    done = world.run([SENDMAIL, "-qRfar.test"])
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert sent(relay) == ["ann.b@far.test"]


def test_a_terminal_is_shown_how_far_it_is(world, waiting, relay):
    out, status = on_terminal(world, QUEUE + [
        "retry", waiting["ann@far.test"], waiting["ben@near.test"]])
    assert status == 0
    assert b"\r1 of 2 tried, 1 sent" in out
    # In the end only the results are there.
    lines = [re.sub(rb".*\r(?=.)", b"", x) for x in out.split(b"\n")]
    assert sorted(x for x in lines if x.strip()) == sorted(
        waiting[a].encode() + b": sent" for a in ("ann@far.test",
                                                  "ben@near.test"))
    out, status = on_terminal(world, [SENDMAIL, "-qRann.b"], "bob")
    assert status == 0 and b"1 tried, 1 sent" in out


@pytest.mark.parametrize("args", (["-q"], ["-vq"]))
def test_a_flush_of_all_shows_how_far_it_is(world, waiting, relay, args):
    out, status = on_terminal(world, [SENDMAIL, *args])
    assert status == 0
    assert b"1 of 3 tried, 1 sent" in out and b"3 of 3 tried, 3 sent" in out
    assert (b"=== " in out) == ("v" in args[0])
    # It leaves nothing on the terminal.
    assert re.sub(rb".*\r", b"", out.split(b"\n")[-1]) == b""


def test_without_a_runner_one_is_started(world, waiting):
    ident = waiting["ann@far.test"]
    world.stop()
    out, err = queue(world, "hold", ident, user="alice")
    assert err == "" and is_held(texts(out)[ident])


def test_without_a_runner_that_can_start(world, waiting):
    world.stop()
    os.rename(SPOOL + "/lock", SPOOL + "/lock.old")
    os.mkdir(SPOOL + "/lock")
    try:
        out, err = queue(world, "hold", waiting["ann@far.test"], status=75)
    finally:
        world.stop()
        os.rmdir(SPOOL + "/lock")
        os.rename(SPOOL + "/lock.old", SPOOL + "/lock")
    assert out == "" and err.startswith("dma: ") and "lock" in err
    assert err.count("\n") == 1


def test_a_runner_that_dies_is_asked_again(world, waiting, peer):
    """While it waits for a relay that says nothing."""
    p = world.smarthost(peer(Script(mute_at="MAIL")))
    ident = waiting["ann@far.test"]
    call = world.start(QUEUE + ["retry", ident], user="alice",
                       stdout=-1, stderr=-1)
    world.wait_until(lambda: p.connections)
    world.smarthost(peer(Script()))
    os.kill(runner_pid(world), signal.SIGKILL)
    out, err = call.communicate(timeout=30)
    assert (call.returncode, out, err) == (
        0, ident.encode() + b": sent\n", b"")
