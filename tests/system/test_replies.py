"""What hosts reply is judged by what it is about: the protocol, the number of
connections, the login, this message; and nobody else's mail pays for it."""
import re
import threading
import time

import pytest

from smtp_peer import MUTE, RESET, Gone, Script
from test_login import PASSWORD, USER, login

CAPS = ("PIPELINING", "8BITMIME", "SIZE 0", "ENHANCEDSTATUSCODES")
EIGHT = b"Subject: 8\n\ngr\xc3\xbc\xc3\x9fe\n"


def queue_many(world, n, **more):
    for i in range(n):
        world.send("-odq", "u%d@far.test" % i,
                   input=b"Subject: n%d\n\nx\n" % i, **more)


def arrived(p):
    return sorted(int(re.match(r"u(\d+)@", t.accepted[0]).group(1))
                  for t in p.taken)


def once(p):
    return set(p.deliveries.values()) == {1}


# -- protocol errors ---------------------------------------------------------

@pytest.mark.parametrize("verb, code", [
    (verb, code) for i, verb in enumerate(("MAIL", "RCPT", "DATA", "BODY"))
    for code in (("500", "502", "504"), ("501", "503", "555"))[i % 2]])
def test_c7_protocol_error_is_no_verdict(world, peer, verb, code):
    p = peer(Script(hook=lambda c, v, _: v == verb and
                    code + " 5.5.1 what is that" or None))
    world.smarthost(p)
    world.leaves("queue")
    world.send("ann@far.test")
    world.wait_tried("ann@far.test")
    world.wait_listed("what is that")
    assert world.mailbox("alice") == [] and len(world.queue()) == 1
    p.scripts[:] = [Script()]
    world.flush()
    assert [t.accepted for t in p.taken] == [["ann@far.test"]]


@pytest.mark.parametrize("code", ("000", "199", "2"))
@pytest.mark.parametrize("verb", ("CONNECT", "MAIL", "BODY"))
def test_c7_code_that_is_none_is_no_verdict(world, peer, verb, code):
    p = peer(Script(hook=lambda c, v, _: v == verb and
                    (code + " what\r\n").encode() or None))
    world.smarthost(p)
    world.leaves("queue")
    world.send("ann@far.test")
    world.wait_tried("ann@far.test")
    assert world.mailbox("alice") == [] and len(world.queue()) == 1


@pytest.mark.parametrize("code", ("500", "501", "504", "555"))
def test_c7_parameters_of_mail_are_left_out(world, peer, code):
    """Once for the host, not once for each connection or message."""
    def hook(_c, verb, said):
        if verb == "MAIL" and not said.rstrip().endswith(">"):
            return code + " 5.5.4 unsupported option"
    p = peer(Script(hook=hook))
    world.smarthost(p, CONCURRENCY="1")
    for i in range(4):
        world.send("-odq", "-N", "success,failure", "u%d@far.test" % i,
                   input=EIGHT)
    world.flush()
    world.wait_quiet()
    assert arrived(p) == [0, 1, 2, 3] and once(p)
    refused = [x for c in p.connections for x in c.commands
               if x.startswith("MAIL") and not x.endswith(">")]
    assert 1 <= len(refused) <= 2
    # What was announced by a parameter is done without.
    assert all(t.data.isascii() for t in p.taken)


@pytest.mark.parametrize("code", ("501", "504", "555"))
def test_c7_parameters_of_rcpt_are_left_out(world, peer, code):
    def hook(_c, verb, said):
        if verb == "RCPT" and not said.rstrip().endswith(">"):
            return code + " 5.5.4 unsupported option"
    p = peer(Script(capabilities=CAPS + ("DSN",), hook=hook))
    world.smarthost(p)
    world.send("-N", "success", "ann@far.test", "ben@far.test")
    world.wait_mail("alice")            # relayed: nobody else tells
    world.wait_quiet()
    assert sorted(a for t in p.taken for a in t.accepted) == [
        "ann@far.test", "ben@far.test"]
    assert once(p)


@pytest.mark.parametrize("reply", ("501 5.1.3 bad address syntax",
                                   "550 5.1.1 unknown", "553 5.1.3 no"))
def test_c7_what_is_about_the_address_fails(world, peer, reply):
    p = peer(Script(rcpt_reply=reply))
    world.smarthost(p)
    world.send("ann@far.test")
    bounce, = world.wait_mail("alice")
    assert reply.encode() in bounce.text


# -- too many connections, too many messages ---------------------------------

SPELLINGS = ("421 4.7.0 too many connections", "432 4.3.2 busy",
             "450 4.7.1 Error: too much mail from you",
             "451 4.3.2 please try again later", "451 4.7.500 Server busy",
             "452 4.3.2 Connection rate limit exceeded",
             "454 4.7.0 Too many connections", "550 5.7.0 Too many messages",
             "554 5.3.2 not now", "450 4.4.5 congested")


class Crowd:
    """Refuses, at a stage, what comes over more than so many connections."""
    def __init__(self, most, verb, reply):
        self.most, self.verb, self.reply = most, verb, reply
        self.refused = 0
        self.lock = threading.Lock()

    def __call__(self, c, verb, _said):
        if verb != self.verb:
            return None
        with self.lock:
            c.here = True
            others = sum(1 for x in c.peer.connections if x is not c and
                         not x.ended and hasattr(x, "here") and
                         not hasattr(x, "refused"))
            if others < self.most or hasattr(c, "in_it"):
                c.in_it = True
                return None
            c.refused = True
            self.refused += 1
            return self.reply


STAGES = ("CONNECT", "EHLO", "MAIL", "RCPT", "DATA", "BODY")


@pytest.mark.parametrize("verb, reply", [
    (STAGES[i % 6], reply) for i, reply in enumerate(SPELLINGS + SPELLINGS)])
def test_c17_fewer_connections_and_all_is_sent(world, peer, verb, reply):
    crowd = Crowd(3, verb, reply)
    p = peer(Script(hook=crowd, final_delay=0.02))
    world.smarthost(p)
    queue_many(world, 60)
    world.flush()
    assert arrived(p) == list(range(60)) and once(p)
    assert not world.log_lines("status=deferred")
    assert world.mailbox("alice") == []
    world.wait_quiet()


@pytest.mark.parametrize("reply", ("454 4.7.0 too many logins",
                                   "535 5.7.8 too many sessions",
                                   "432 4.7.12 later"))
def test_c17_too_many_logins(world, peer, certs, reply):
    crowd = Crowd(3, "AUTH", reply)
    p = peer(login(auth=("PLAIN",), certificate=certs["smart"], hook=crowd,
                   final_delay=0.02))
    world.smarthost(p, CAFILE=certs["ca"])
    world.write_auth("%s|smart.test:%s\n" % (USER, PASSWORD))
    queue_many(world, 60)
    world.flush()
    assert arrived(p) == list(range(60)) and once(p)
    assert not world.log_lines("status=deferred")


@pytest.mark.parametrize("verb, reply", [
    (STAGES[2 + i % 4], reply) for i, reply in enumerate(SPELLINGS)])
def test_c17_so_many_messages_over_a_connection(world, peer, verb, reply):
    def hook(c, v, _):
        if v == verb and len([t for t in c.transactions if t.taken]) >= 5:
            return reply
    p = peer(Script(hook=hook))
    world.smarthost(p)
    queue_many(world, 30)
    world.flush()
    assert arrived(p) == list(range(30)) and once(p)
    assert not world.log_lines("status=deferred")


def test_c17_one_throttled_recipient_holds_no_other(world, peer):
    p = peer(Script(rcpt_rules=((r"^later", "451 4.3.2 greylisted"),)))
    world.smarthost(p)
    world.leaves("queue")
    world.send("ann@far.test", "later@far.test", "ben@far.test")
    world.flush()
    assert [t.accepted for t in p.taken] == [["ann@far.test", "ben@far.test"]]
    assert len(p.connections) < 10
    assert "later@far.test" in world.mailq()


@pytest.mark.parametrize("verb, reply", (
    ("MAIL", "550 5.4.5 quota"), ("RCPT", "451 4.3.2 busy"),
    ("DATA", "432 busy"), ("BODY", "450 too many messages")))
def test_c17_host_that_takes_nothing_is_left_alone(world, peer, verb, reply):
    p = peer(Script(hook=lambda c, v, _: v == verb and reply or None))
    world.smarthost(p)
    world.leaves("queue")
    queue_many(world, 60)
    world.flush()
    assert len(world.queue()) == 60 and world.mailbox("alice") == []
    assert len(p.connections) <= 24
    assert reply[:9] in world.mailq()


# -- silence and resets -------------------------------------------------------

@pytest.mark.parametrize("verb", ("MAIL", "RCPT", "BODY"))
@pytest.mark.seconds(16)
def test_n1_message_that_is_never_answered(world, peer, verb):
    """Nine others are through at once, now and at the next attempt."""
    def hook(c, v, said):
        slow = c.transactions and "slow@" in c.transactions[-1].mail
        if v == "MAIL":
            slow = "slow@" in said
        return MUTE if v == verb and slow else None
    p = peer(Script(hook=hook))
    world.smarthost(p, TIMEOUT="8s")
    world.leaves("queue")
    for first in (0, 10):
        deferred = len(world.log_lines("status=deferred"))
        if first == 0:
            world.send("-odq", "-f", "slow@host.test", "slow@far.test")
        for i in range(9):
            world.send("-odq", "u%d@far.test" % (first + i))
        flush = world.start(["sendmail", "-q"])
        world.wait_until(lambda: len(p.taken) == (9 if first == 0 else 18))
        # The slow one's time is not over.
        assert len(world.log_lines("status=deferred")) == deferred
        flush.wait(60)
    assert once(p) and len(world.queue()) == 1
    lines = world.log_lines("status=deferred")
    assert lines and all("to=<slow@far.test>" in x for x in lines)


@pytest.mark.parametrize("how", ("upload", "verdict"))
def test_n2_message_beside_a_slow_one(world, peer, how):
    """A text that is taken slowly, or judged slowly: a second connection."""
    slow = dict(deaf_at="TEXT") if how == "upload" else dict(final_delay=30)
    p = peer(Script(**slow), Script())
    world.smarthost(p)
    world.leaves("queue")
    world.send("big@far.test", input=b"Subject: s\n\n" + (
        b"x" * 70 + b"\n") * (300000 if how == "upload" else 1))
    world.wait_until(lambda: p.connections and
                     "DATA" in p.connections[0].verbs)
    world.send("small@far.test")
    world.wait_until(lambda: [t.accepted for t in p.taken] == [
        ["small@far.test"]], 5)


@pytest.mark.parametrize("verb", ("MAIL", "RCPT", "DATA", "BODY"))
def test_n4_reset_at_the_fourth_of_eight(world, peer, verb):
    """The others once; the fourth alone and last, now and later."""
    def hook(c, v, said):
        if v == "MAIL":
            c.is_bad = "bad@" in said
        return RESET if v == verb and c.is_bad else None
    p = peer(Script(hook=hook))
    world.smarthost(p, CONCURRENCY="1", RETRY="60s 60s 5d")
    world.leaves("queue")
    for i in range(8):
        sender = "bad@host.test" if i == 3 else "good@host.test"
        world.send("-odq", "-f", sender, "u%d@far.test" % i,
                   input=b"Subject: n%d\n\nx\n" % i)
    world.flush()
    assert arrived(p) == [0, 1, 2, 4, 5, 6, 7] and once(p)
    assert len(world.queue()) == 1
    before = len(p.connections)
    for i in range(10, 14):
        world.send("-odq", "u%d@far.test" % i)
    world.flush()
    assert arrived(p) == [0, 1, 2, 4, 5, 6, 7, 10, 11, 12, 13] and once(p)
    order = [c.is_bad for c in p.connections[before:]
             if hasattr(c, "is_bad")]
    assert order.index(True) == len(order) - 1
    p.scripts[:] = [Script()]
    world.flush()
    assert len(p.taken) == 12 and once(p)


@pytest.mark.parametrize("reply", ("451 4.3.0 no", "502 5.5.1 what",
                                   "500 what", b"250-", b"999 eh\r\n", MUTE,
                                   RESET))
def test_n5_rset_is_refused_and_the_transaction_kept(world, peer, reply):
    def hook(c, verb, _said):
        if verb == "RSET":
            return reply
        if verb == "MAIL" and getattr(c, "is_open", False):
            return "503 5.5.1 nested MAIL command"
        if verb == "MAIL":
            c.is_open = True
        if verb == "BODY":
            c.is_open = False
    p = peer(Script(capabilities=("8BITMIME",), hook=hook, rcpt_rules=(
        (r"^bad", "550 5.1.1 nobody"),)))
    world.smarthost(p, CONCURRENCY="1")
    world.send("-odq", "-f", "carol@host.test", "bad@far.test")
    queue_many(world, 3)
    world.flush()
    assert arrived(p) == [0, 1, 2] and once(p)
    assert len(world.wait_mail("carol")) == 1
    assert world.mailbox("alice") == []
    world.wait_quiet()


@pytest.mark.parametrize("pipelining", (True, False))
def test_n5_nested_mail_goes_over_another_connection(world, peer, pipelining):
    """A host that takes one message, and 503 for the next."""
    def hook(c, verb, _said):
        if verb == "MAIL" and c.transactions:
            return "503 5.5.1 nested MAIL command"
    p = peer(Script(capabilities=CAPS if pipelining else CAPS[1:], hook=hook))
    world.smarthost(p)
    queue_many(world, 8)
    world.flush()
    assert arrived(p) == list(range(8)) and once(p)
    assert not world.log_lines("status=deferred")


# -- EHLO ----------------------------------------------------------------------

@pytest.mark.parametrize("reply", ("500 what", "501 5.5.4 what", "502 what",
                                   "503 what", "504 what", "550 no", "554 no",
                                   "550-no\n550 way"))
def test_n7_helo_where_ehlo_is_refused(world, peer, reply):
    p = peer(Script(ehlo_reply=reply))
    world.smarthost(p)
    world.send("ann@far.test", input=EIGHT)
    world.wait_quiet()
    assert p.connections[0].verbs[:3] == ["EHLO", "HELO", "MAIL"]
    t, = p.taken
    assert t.mail == "FROM:<alice@host.test>"
    assert t.data.isascii()


@pytest.mark.parametrize("keys", ({"TLS": "required"}, {"auth": True}))
def test_n7_no_helo_where_tls_or_a_login_is_due(world, peer, certs, keys):
    p = peer(Script(ehlo_reply="550 no"))
    keys = dict(keys)
    if keys.pop("auth", False):
        world.write_auth("%s|smart.test:%s\n" % (USER, PASSWORD))
        keys["INSECURE"] = ""
    world.smarthost(p, **keys)
    world.leaves("queue")
    world.send("ann@far.test")
    world.wait_tried("ann@far.test")
    assert "HELO" not in p.connections[0].verbs


# -- the reply to the end of data --------------------------------------------

ACCEPTED = {
    "two codes": b"250-one\r\n251 two\r\n", "NUL": b"250 o\0k\r\n",
    "bare LF": b"250 ok\n", "leading blank": b" 250 ok\r\n",
    "no text": b"250\r\n", "no blank": b"250ok\r\n", "tab": b"250\tok\r\n",
    "long line": b"250 " + b"x" * 20000 + b"\r\n",
    "many lines": b"250-x\r\n" * 1500 + b"250 ok\r\n",
    "70 KiB": (b"250-" + b"x" * 500 + b"\r\n") * 140 + b"250 ok\r\n",
    "8-bit": b"250 \xff\xfe\r\n", "blank last": b"250-one\r\n 250 two\r\n",
}


@pytest.mark.parametrize("name, then", [
    (name, then) for name in ACCEPTED for then in ("stays", "closes")
    if then == "stays" or name in ("two codes", "no blank", "long line")])
def test_n8_accepted_is_sent_however_it_is_written(world, peer, name, then):
    """And never sent again, nor is the next message lost or doubled."""
    texts = []

    def hook(c, verb, said):
        if verb != "BODY":
            return None
        texts.append(said)
        if then == "stays":
            return ACCEPTED[name]
        c.sock.sendall(ACCEPTED[name])
        raise Gone("as told")
    p = peer(Script(hook=hook))
    world.smarthost(p, CONCURRENCY="1", TIMEOUT="5s")
    queue_many(world, 3)
    world.flush()
    world.wait_quiet()
    assert len(texts) == len(set(texts)) == 3
    assert not world.log_lines("status=deferred")


@pytest.mark.parametrize("raw", (b"250-one\r\n550 two\r\n",
                                 b"550-one\r\n250 two\r\n", b"000 ok\r\n",
                                 b"ok\r\n", b"\r\n", b"\0\0\0\r\n"))
def test_n8_neither_yes_nor_no_is_tried_again(world, peer, raw):
    p = peer(Script(hook=lambda c, v, _: raw if v == "BODY" else None))
    world.smarthost(p)
    world.leaves("queue")
    world.send("ann@far.test")
    world.wait_tried("ann@far.test")
    assert len(world.queue()) == 1 and world.mailbox("alice") == []


# -- relays with logins of their own ------------------------------------------

def two_relays(world, peer, certs, first, **keys):
    """smart.test and 127.0.0.1, which is in the certificate, too."""
    p = peer(first)
    q = peer(login(auth=("PLAIN",), user="other", password="word",
                   certificate=certs["smart"]))
    world.write_conf({"SMARTHOST": "smart.test:%d 127.0.0.1:%d" % (
        p.port, q.port), "CAFILE": certs["ca"], **keys})
    world.write_auth("%s|smart.test:%s\nother|127.0.0.1:word\n" % (
        USER, PASSWORD))
    return p, q


FIRST = {
    "wrong password": dict(password="x"),
    "no mechanism": dict(auth=("GSSAPI",)),
    "no AUTH": dict(auth=()),
    "later": dict(auth_reply="454 4.7.0 later"),
    "out of order": dict(auth_reply="500 what"),
    "weak": dict(auth_reply="534 5.7.9 weak"),
    "no TLS": dict(tls=None),
    "wrong certificate": dict(certificate="other"),
    "TLS refused": dict(starttls_reply="454 4.7.0 no"),
    "drops": dict(drop_at="AUTH"),
}


@pytest.mark.parametrize("name", FIRST)
def test_n9_second_relay_is_tried(world, peer, certs, name):
    keys = {"auth": ("PLAIN",), "certificate": certs["smart"], **FIRST[name]}
    if keys["certificate"] == "other":
        keys["certificate"] = certs["other"]
    p, q = two_relays(world, peer, certs, login(**keys))
    queue_many(world, 5)
    world.flush()
    world.wait_quiet()
    assert arrived(q) == list(range(5)) and once(q)
    assert len(p.logins) <= 1
    assert {x[1] for x in q.logins} == {"other"}
    for c in p.connections:
        assert "MAIL" not in c.verbs


def test_n9_all_logins_refused(world, peer, certs):
    """Each is tried once, whatever the number of messages."""
    p, q = two_relays(world, peer, certs, login(
        auth=("PLAIN",), password="x", certificate=certs["smart"]))
    q.scripts[0].password = "x"
    world.leaves("queue")
    queue_many(world, 5)
    world.flush()
    assert len(p.logins) == len(q.logins) == 1
    assert len(world.queue()) == 5 and world.mailbox("alice") == []
    assert "535" in world.mailq()
    assert len(world.log_lines("login refused")) == 2


@pytest.mark.seconds(6)
def test_n9_rejected_login_is_not_tried_for_each_message(world, peer, certs):
    """But for a flush, and for another auth.conf."""
    p = peer(login(auth=("PLAIN",), password="x", certificate=certs["smart"]))
    world.smarthost(p, CAFILE=certs["ca"])
    world.write_auth("%s|smart.test:%s\n" % (USER, PASSWORD))
    for i in range(4):
        world.send("u%d@far.test" % i)
        world.wait_tried("to=<u%d@far.test>" % i)
        time.sleep(1.2)                 # an idle dma-remote would end
    assert len(p.logins) == 1
    world.flush()
    assert len(p.logins) == 2
    assert len(world.log_lines("535", "status=deferred")) == 8
    world.write_auth("%s|smart.test:x\n" % USER)
    world.send("u4@far.test")
    world.wait_until(lambda: p.taken)
    world.flush()
    assert arrived(p) == [0, 1, 2, 3, 4]
