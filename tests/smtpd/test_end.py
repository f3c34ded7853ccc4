"""The end: orderly ones, sudden ones, and the count of what is on the disk."""
import contextlib
import os
import signal
import time

import pytest

from client import Closed
from load import Load, idents

SMALL = {"MIN_SPARE": "2", "MAX_SPARE": "3", "MAX_CHILDREN": "6"}


def counted(s, load):
    """Every acknowledged message is on the disk exactly once; of the others
    only those, complete, whose client was waiting for the reply: at most one
    for each connection that a killed child had."""
    found = idents(s.tree)
    assert len(found) == len(set(found)), "doubles"
    lost = load.acknowledged - set(found)
    assert not lost, sorted(lost)[:5]
    more = set(found) - load.acknowledged
    assert more <= load.doubtful, sorted(more - load.doubtful)[:5]


def test_sigterm_between_transactions(smtpd):
    s = smtpd()
    idle, greeted, done, in_mail = s.client(), s.hello(), s.hello(), s.hello()
    done.message()
    in_mail.envelope()
    in_mail.expect("RSET", "250 ")
    s.signal(signal.SIGTERM)
    for c in (idle, greeted, done, in_mail):
        assert c.reply().startswith("421 4.3.2 ")
        assert c.wait_closed() == ""
    s.wait_end()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_transaction_under_way_is_finished(smtpd, number):
    s = smtpd(**SMALL)
    after_mail, in_data, in_chunks = s.hello(), s.hello(), s.hello()
    after_mail.expect("MAIL FROM:<a@b>", "250 ")
    in_data.envelope()
    in_data.expect("DATA", "354 ")
    in_data.send("half\r\n")
    in_chunks.envelope()
    assert in_chunks.bdat(b"half").code == 250
    s.signal(number)
    s.wait_until(lambda: not s.is_listening(), "the end of listening")
    # Nobody new is taken.
    with pytest.raises((OSError, Closed)):
        s.client()
    after_mail.expect("RCPT TO:<c@d>", "250 ")
    after_mail.expect("NOOP", "250 ")
    assert after_mail.data("x\r\n").code == 250
    in_data.send("other half\r\n.\r\n")
    assert in_data.reply().code == 250
    assert in_chunks.bdat(b" and half\r\n", last=True).code == 250
    for c in (after_mail, in_data, in_chunks):
        assert c.reply().startswith("421 4.3.2 ")
        assert c.wait_closed() == ""
    s.wait_end()
    assert {m.text for m in s.tree.messages()} == {
        b"half and half\r\n", b"half\r\nother half\r\n", b"x\r\n"}


def test_rset_ends_a_transaction_in_a_drain(smtpd):
    s = smtpd()
    with s.hello() as c:
        c.envelope()
        s.signal(signal.SIGTERM)
        s.wait_until(lambda: not s.is_listening(), "the end of listening")
        c.expect("RSET", "250 ")
        assert c.reply().startswith("421 4.3.2 ")
    s.wait_end()


def test_a_second_sigterm_ends_now(smtpd):
    s = smtpd(SHUTDOWN_TIMEOUT="1h")
    with s.hello() as c:
        c.envelope()
        c.expect("DATA", "354 ")
        c.send("half a l")
        s.signal(signal.SIGTERM)
        s.wait_until(lambda: not s.is_listening(), "the end of listening")
        assert s.process.poll() is None
        s.signal(signal.SIGTERM)
        s.wait_end()
        said = c.wait_closed()
        assert said == "" or said.startswith("421 ")
    assert s.tree.paths() == []


def test_the_deadline_is_one_for_all(smtpd):
    s = smtpd(SHUTDOWN_TIMEOUT="1s", MIN_SPARE="4", MAX_SPARE="4")
    stuck = [s.hello() for _ in range(8)]
    for c in stuck:
        c.envelope()
        c.expect("DATA", "354 ")
        c.send("half a l")
    s.signal(signal.SIGTERM)
    s.wait_end()
    for c in stuck:
        said = c.wait_closed()
        assert said == "" or said.startswith("421 "), said
    assert s.tree.paths() == []
    assert s.tree.litter() == []


def test_a_stopped_child_does_not_hold_up_the_end(smtpd):
    s = smtpd(SHUTDOWN_TIMEOUT="1s", **SMALL)
    os.kill(s.children()[0], signal.SIGSTOP)
    s.signal(signal.SIGTERM)
    s.wait_end()
    assert s.children() == []


def test_sigterm_under_load(smtpd):
    s = smtpd(**SMALL)
    with Load(s.port, 12) as load:
        load.wait(150)
        s.signal(signal.SIGTERM)
        s.wait_end()
    counted(s, load)
    assert load.doubtful == set()
    assert s.tree.litter() == []


def test_sighup_under_load_refuses_no_connection(smtpd):
    s = smtpd(**SMALL)
    with Load(s.port, 8) as load:
        load.wait(50)
        for i in range(3):
            s.write_conf({**SMALL, "MAX_SIZE": "%dM" % (i + 1)})
            s.hup()
            with s.client() as c:
                assert c.capabilities()["SIZE"] == str((i + 1) << 20)
                c.quit()
            load.wait(50 * (i + 2))
    counted(s, load)
    assert load.doubtful == set() and load.refused == set()
    # Old generations end once their sessions did.
    s.wait_until(lambda: len(s.generations()) == 1, "one generation")


def test_sessions_of_old_children_go_on(smtpd):
    s = smtpd(MAX_SIZE="1M")
    with s.hello() as old:
        assert old.capabilities()["SIZE"] == str(1 << 20)
        old.envelope()
        s.write_conf({"MAX_SIZE": "2M"})
        s.hup()
        assert old.data("x\r\n").code == 250
        old.message()
        assert old.capabilities()["SIZE"] == str(1 << 20)
        with s.client() as new:
            assert new.capabilities()["SIZE"] == str(2 << 20)
        old.quit()
    s.wait_until(lambda: len(s.generations()) == 1, "one generation")


def test_at_most_two_generations_drain(smtpd):
    s = smtpd(MAX_SIZE="1M")
    held = []
    for i in range(2, 6):
        held.append(s.hello())
        s.write_conf({"MAX_SIZE": "%dM" % i})
        before = set(s.generations())
        s.signal(signal.SIGHUP)
        s.wait_until(lambda: set(s.generations()) - before or
                     len(held) > 2, "a new generation")
        # The third oldest is told to end, now.
        s.wait_until(lambda: len(s.generations()) <= 3, "its end")
    for c in held:
        c.close()
    s.wait_until(lambda: len(s.generations()) == 1, "one generation")
    s.hup()
    with s.client() as c:
        assert c.capabilities()["SIZE"] == str(5 << 20)


@pytest.mark.parametrize("text, said", [
    ("NO_SUCH_KEY 1\n", "%s:2: "), ("MAX_SIZE much\n", "%s:2: "),
    ("MODULE nosuchmodule\n", "nosuchmodule")])
def test_a_bad_configuration_at_sighup_changes_nothing(smtpd, text, said):
    s = smtpd(MAX_SIZE="1M")
    children = s.children()
    s.write_conf("# fine\n" + text)
    s.signal(signal.SIGHUP)
    s.wait_until(lambda: s.lines(said.replace("%s", s.conf)), "the error")
    time.sleep(0.1)
    assert set(s.children()) >= set(children)
    with s.client() as c:
        assert c.capabilities()["SIZE"] == str(1 << 20)
        c.message()
        c.quit()
    s.wait_until(lambda: len(s.generations()) == 1, "one generation")


def test_a_changed_listen_is_reported(smtpd):
    s = smtpd(listen=False, start=False)
    s.write_conf({"LISTEN": "127.0.0.1:%d" % s.port})
    s.start()
    s.write_conf({"LISTEN": "127.0.0.1:%d" % (s.port + 5000)})
    s.hup()
    assert s.lines("LISTEN")
    s.send()


# How often: children are replaced the slower the more often they die.
TURNS = {"child": 3, "children": 1, "generation": 2, "parent": 1, "all": 1}


@pytest.mark.parametrize("what", TURNS)
def test_kill_9_under_load(smtpd, what):
    s = smtpd(**SMALL)
    with Load(s.port, 10) as load:
        load.wait(60)
        for _ in range(TURNS[what]):
            children = s.children()
            victims = {"child": children[:1], "children": children,
                       "generation": s.generations()[:1],
                       "parent": [s.pid()],
                       "all": [s.pid()] + s.generations() + children}[what]
            for pid in victims:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            if what in ("parent", "all"):
                s.process.wait()
                end = time.monotonic() + 30
                # The rest ends by itself, and in order.
                while s.is_listening() and time.monotonic() < end:
                    time.sleep(0.02)
                assert not s.is_listening()
                s.start()
            n = len(load.acknowledged)
            load.wait(n + 60)
    s.stop()
    counted(s, load)
    if what != "all":
        assert s.tree.litter() == []
    s.expects_litter = what == "all"


def test_a_killed_child_is_named_and_replaced(smtpd):
    s = smtpd(MIN_SPARE="1", MAX_SPARE="1", MAX_CHILDREN="1")
    before, = s.children()
    os.kill(before, signal.SIGKILL)
    s.wait_until(lambda: s.children() and s.children() != [before],
                 "a new child")
    assert s.lines(str(before), "9") or s.lines(str(before), "Killed")
    s.send()


def test_sigterm_to_one_child_drains_it(smtpd):
    s = smtpd(MIN_SPARE="1", MAX_SPARE="1", MAX_CHILDREN="1")
    with s.hello() as idle, s.hello() as busy:
        busy.envelope()
        child, = s.children()
        os.kill(child, signal.SIGTERM)
        assert idle.reply().startswith("421 4.3.2 ")
        s.wait_until(lambda: set(s.children()) - {child}, "a new child")
        s.send()
        assert busy.data("x\r\n").code == 250
        assert busy.reply().startswith("421 4.3.2 ")
    s.wait_until(lambda: child not in s.children(), "its end")
    assert len(s.tree.paths()) == 2
