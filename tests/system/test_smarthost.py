"""Through one smarthost: few connections, each recipient its own status."""
import quopri
import subprocess

import pytest

from smtp_peer import Script


def many(n):
    return ["u%d@far.test" % i for i in range(n)]


def test_message_goes_out_byte_for_byte(world, peer):
    p = peer(Script())
    world.smarthost(p, SMARTHOST="smart.test", PORT=str(p.port))
    world.send("-i", "ann@far.test",
               input=b"Subject: s\nX-A: b\n\n.dot\n..\n.\n\nlast")
    world.wait_quiet()
    t, = p.taken
    assert t.body == b".dot\r\n..\r\n.\r\n\r\nlast\r\n"
    assert b"\r\nX-A: b\r\n" in t.header
    assert t.sender == "alice@host.test"
    assert t.accepted == ["ann@far.test"]
    assert b"Return-Path" not in t.header
    assert b"Delivered-To" not in t.header


def test_three_recipients_one_transaction(world, peer):
    p = peer(Script())
    world.smarthost(p)
    world.send(*many(3))
    world.wait_quiet()
    assert len(p.connections) == len(p.transactions) == 1
    assert p.taken[0].accepted == many(3)


def test_thousand_recipients_with_five_refused(world, peer):
    """One connection, one transaction, one bounce naming the three."""
    bad = ["u7@far.test", "u500@far.test", "u999@far.test"]
    later = ["u0@far.test", "u998@far.test"]
    p = peer(Script(rcpt_rules=(
        (r"^(u7|u500|u999)@", "550 5.1.1 no such person here"),
        (r"^(u0|u998)@", "450 4.2.1 come back later"))))
    world.smarthost(p)
    world.leaves("queue")
    world.send(*many(1000))
    bounce, = world.wait_mail("alice", limit=30)
    world.wait_until(lambda: len(world.queue()) == 1)
    assert len(p.connections) == 1
    t, = p.taken
    assert len(t.accepted) == 995
    assert p.connections[0].verbs.count("RCPT") == 1000
    assert p.connections[0].verbs.count("DATA") == 1
    text = bounce.text.decode()
    assert bounce["Return-Path"] == "<>"
    for address in bad:
        assert address in text
    for i in range(1000):
        address = "u%d@far.test" % i
        if address not in bad:
            assert "<%s>" % address not in text
            assert "rfc822; %s\n" % address not in text.replace("  ", " ")
    assert "no such person here" in text
    listing = world.mailq()
    assert listing.count("To\t: ") == 2
    for address in later:
        assert address in listing
    assert "450" in listing and "come back later" in listing
    # The next try asks for these two only.
    p.scripts[:] = [Script()]
    world.flush()
    world.wait_quiet()
    assert sorted(p.taken[-1].accepted) == later
    assert set(p.deliveries.values()) == {1}
    assert len(world.mailbox("alice")) == 1


def test_pipelined_envelope_costs_few_round_trips(world, peer):
    p = peer(Script(settle=0.05))
    world.smarthost(p)
    world.send(*many(100))
    world.wait_quiet()
    c, = p.connections
    # greeting, EHLO, envelope with DATA, the final dot; QUIT's may be left.
    assert c.waits <= 5


def test_no_pipelining_where_it_is_not_offered(world, peer):
    p = peer(Script(capabilities=("8BITMIME",), settle=0.02))
    world.smarthost(p)
    world.send(*many(3))
    world.wait_quiet()
    c, = p.connections
    assert c.waits >= 8
    assert all(chunk.count(b"\n") == 1 for chunk in c.chunks[:6])


def test_several_messages_share_a_connection(world, peer):
    p = peer(Script())
    world.smarthost(p, CONCURRENCY="1")
    for i in range(5):
        world.send("-odq", "u%d@far.test" % i)
    world.flush()
    world.wait_quiet()
    assert len(p.connections) == 1
    assert len(p.taken) == 5


@pytest.mark.parametrize("limit", (1, 4))
def test_two_hundred_submissions_share_connections(world, peer, limit):
    p = peer(Script())
    world.smarthost(p, CONCURRENCY=str(limit))
    running = []
    for i in range(200):
        q = world.start(["sendmail", "u%d@far.test" % i], user="alice",
                        stdin=subprocess.PIPE)
        q.stdin.write(b"Subject: n%d\n\nx\n" % i)
        q.stdin.close()
        running.append(q)
    assert [q.wait(120) for q in running] == [0] * 200
    world.wait_quiet(120)
    assert p.most_at_once <= limit
    assert sorted(t.accepted[0] for t in p.taken) == sorted(many(200))
    assert set(p.deliveries.values()) == {1}
    # A burst is a few sessions, not one for each message.
    assert len(p.connections) <= 25 * limit


def test_too_many_recipients_splits_at_once(world, peer):
    p = peer(Script(rcpt_max=40))
    world.smarthost(p)
    world.send(*many(100))
    world.wait_quiet()
    assert len(p.connections) == 1
    assert [len(t.accepted) for t in p.taken] == [40, 40, 20]
    assert set(p.deliveries.values()) == {1}


def test_text_is_kept_byte_for_byte(world, peer):
    """Dots at the start of lines, also beyond the first buffer."""
    p = peer(Script())
    world.smarthost(p)
    world.send("-i", "ann@far.test", input=b"Subject: s\n\n.dot\n..\n.\nlast")
    big = b"".join(b".%d\n" % i for i in range(300000))
    world.send("-i", "ann@far.test", input=b"Subject: big\n\n" + big)
    world.wait_quiet()
    small, large = sorted(p.taken, key=lambda t: len(t.data))
    assert small.body == b".dot\r\n..\r\n.\r\nlast\r\n"
    assert large.body == big.replace(b"\n", b"\r\n")


def test_messages_in_a_row_have_their_own_results(world, peer):
    """Over one connection that offers CHUNKING, too: refused, deferred and
    accepted messages are told apart, and BDAT is never sent."""
    p = peer(Script(capabilities=("PIPELINING", "CHUNKING", "8BITMIME",
                                  "SIZE 0", "ENHANCEDSTATUSCODES"),
                    final_rules=(
        (rb"Subject: 7\r", "554 5.7.1 not this text"),), rcpt_rules=(
        (r"^u3@", "550 5.1.1 no such person here"),
        (r"^u5@", "450 4.2.1 come back later"))))
    world.smarthost(p, CONCURRENCY="1")
    world.leaves("queue")
    for i in range(12):
        world.send("-odq", "u%d@far.test" % i,
                   input=b"Subject: %d\n\nhello\n" % i)
    world.flush()
    reports = world.wait_mail("alice", n=2)
    world.wait_until(lambda: len(world.queue()) == 1)
    assert sorted(t.accepted[0] for t in p.taken if t.accepted) == sorted(
        "u%d@far.test" % i for i in range(12) if i not in (3, 5, 7))
    assert len(p.connections) == 1
    assert "BDAT" not in p.connections[0].verbs
    text = b"".join(r.text for r in reports)
    for said in b"no such person here", b"not this text", b"5.7.1":
        assert said in text
    assert "come back later" in world.mailq()
    for i in range(12):
        status = {3: "failed", 5: "deferred", 7: "failed"}.get(i, "sent")
        assert world.log_lines("to=<u%d@far.test>" % i, "status=" + status)


@pytest.mark.seconds(6)
def test_message_that_is_never_answered_delays_no_other(world, peer):
    """Nor does it at the next attempt, of another runner: it is last then, and
    alone, and what is sent meanwhile goes to the same server."""
    p = peer(Script(final_rules=((rb"Subject: slow\r", None),)))
    world.smarthost(p, TIMEOUT="3s")
    world.leaves("queue")
    world.send("-odq", "slow@far.test", input=b"Subject: slow\n\nx\n")
    for i in range(9):
        world.send("-odq", "u%d@far.test" % i)
    world.run(["sendmail", "-q"], limit=60)
    assert len(p.taken) == 9
    assert world.log_lines("to=<slow@far.test>", "dsn=4.4.2")
    world.stop()
    before = len(p.connections)
    world.smarthost(p, TIMEOUT="3s", CONCURRENCY="1")
    for i in range(9, 12):
        world.send("-odq", "u%d@far.test" % i)
    world.run(["sendmail", "-q"], limit=60)
    assert len(p.taken) == 12 and set(p.deliveries.values()) == {1}
    order = [t.rcpts[0][0] for c in p.connections[before:]
             for t in c.transactions]
    assert len(order) == 4 and order[-1] == "slow@far.test"
    world.send("later@far.test")
    world.wait_until(lambda: len(p.taken) == 13)
    assert len(world.log_lines("status=deferred")) == len(
        world.log_lines("to=<slow@far.test>", "status=deferred"))


def test_next_smarthost_for_who_is_put_off(world, peer):
    """In the same attempt; who is accepted stays with the first."""
    p = peer(Script(rcpt_rules=((r"^later", "450 4.2.1 not here"),)))
    q = peer(Script())
    world.write_conf({"SMARTHOST": "smart.test:%d other.test:%d"
                      % (p.port, q.port)})
    world.send("ann@far.test", "later@far.test")
    world.wait_quiet()
    assert [t.accepted for t in p.taken] == [["ann@far.test"]]
    assert [t.accepted for t in q.taken] == [["later@far.test"]]
    assert set(p.deliveries.values()) | set(q.deliveries.values()) == {1}


REPLIES = {
    "mail 5xx": (dict(mail_reply="550 5.7.1 not you"), "failed"),
    "mail 4xx": (dict(mail_reply="451 4.7.1 not now"), "deferred"),
    "mail 530": (dict(mail_reply="530 5.7.0 log in"), "deferred"),
    "rcpt 5xx": (dict(rcpt_reply="550 5.1.1 unknown"), "failed"),
    "rcpt 4xx": (dict(rcpt_reply="450 4.1.1 later"), "deferred"),
    "data 5xx": (dict(data_reply="554 5.6.0 no"), "failed"),
    "data 4xx": (dict(data_reply="451 4.6.0 later"), "deferred"),
    "final 5xx": (dict(final_reply="554 5.6.0 spam"), "failed"),
    "final 4xx": (dict(final_reply="451 4.6.0 later"), "deferred"),
    "banner 4xx": (dict(banner="421 4.3.2 busy"), "deferred"),
    "banner 5xx": (dict(banner="554 5.3.2 no"), "deferred"),
    "ehlo 4xx": (dict(ehlo_reply="451 4.3.2 busy"), "deferred"),
    "ehlo 5xx": (dict(ehlo_reply="550 5.7.1 go away",
                     helo_reply="550 5.7.1 go away"), "deferred"),
    "rcpt 421": (dict(rcpt_reply="421 4.3.2 leaving"), "deferred"),
    "rcpt 535": (dict(rcpt_reply="535 5.7.8 login"), "deferred"),
    "rcpt 552": (dict(rcpt_reply="552 5.2.2 full"), "failed"),
    "final 421": (dict(final_reply="421 4.3.2 leaving"), "deferred"),
    "final 530": (dict(final_reply="530 5.7.0 login"), "deferred"),
    "no smtp": (dict(banner="HTTP/1.1 400 Bad Request"), "deferred"),
}


@pytest.mark.parametrize("case", REPLIES)
def test_each_reply_has_its_fate(world, peer, case):
    words, status = REPLIES[case]
    p = peer(Script(**words))
    world.smarthost(p)
    if status == "deferred":
        world.leaves("queue")
    world.send("ann@far.test")
    if status == "failed":
        bounce, = world.wait_mail("alice")
        assert b"ann@far.test" in bounce.text
        said = list(words.values())[0].partition(" ")[2].encode()
        assert said in bounce.text
    else:
        world.wait_tried("ann@far.test")
        assert len(world.queue()) == 1
        assert world.mailbox("alice") == []
        words_said = list(words.values())[0].split(" ")[-1]
        assert words_said in world.mailq()
    line, = world.log_lines("to=<ann@far.test>")
    assert "status=" + status in line


def test_helo_where_ehlo_is_unknown(world, peer):
    p = peer(Script(ehlo_reply="502 5.5.1 what"))
    world.smarthost(p)
    world.send("ann@far.test")
    world.wait_quiet()
    assert len(p.taken) == 1
    assert "HELO" in p.connections[0].verbs


CUTS = ("CONNECT", "EHLO", "MAIL", "RCPT", "DATA", "BODY")


@pytest.mark.parametrize("where", CUTS)
def test_dropped_connection_defers_and_then_goes_out(world, peer, where):
    p = peer(Script(drop_at=where))
    world.smarthost(p)
    world.send("ann@far.test")
    world.wait_tried("ann@far.test")
    assert world.mailbox("alice") == []
    p.scripts[:] = [Script()]
    world.flush()
    world.wait_quiet()
    assert [t.accepted for t in p.taken] == [["ann@far.test"]]


def test_cut_between_dot_and_reply_is_tried_again(world, peer):
    p = peer(Script(drop_at="TAKEN"))
    world.smarthost(p)
    world.send("ann@far.test")
    world.wait_tried("ann@far.test")
    p.scripts[:] = [Script()]
    world.flush()
    world.wait_quiet()
    assert len(p.taken) >= 2
    assert {t.accepted[0] for t in p.taken} == {"ann@far.test"}


@pytest.mark.parametrize("how", ("endless_at", "endless_lines_at"))
@pytest.mark.parametrize("verb", ("CONNECT", "EHLO", "RCPT"))
def test_endless_reply_is_cut_off(world, peer, how, verb):
    p = peer(Script(**{how: verb}))
    world.smarthost(p)
    world.leaves("queue")
    world.send("ann@far.test")
    world.wait_tried("ann@far.test")
    assert len(world.queue()) == 1
    assert len(world.mailq()) < 20000


def test_dripping_server_meets_a_deadline(world, peer):
    """A deadline per reply, not per byte."""
    p = peer(Script(drip=0.3))
    world.smarthost(p, TIMEOUT="2s")
    world.leaves("queue")
    world.send("ann@far.test")
    world.wait_tried("ann@far.test", limit=12)


@pytest.mark.parametrize("verb", ("CONNECT", "EHLO", "MAIL", "BODY"))
def test_silent_server_meets_a_deadline(world, peer, verb):
    p = peer(Script(mute_at=verb))
    world.smarthost(p, TIMEOUT="1s")
    world.leaves("queue")
    world.send("ann@far.test")
    world.wait_tried("ann@far.test", limit=12)


def test_quit_is_not_waited_for(world, peer):
    p = peer(Script(hold_open=True))
    world.smarthost(p)
    world.send("ann@far.test")
    world.wait_quiet(8)
    assert len(p.taken) == 1


def test_nobody_listens(world, peer):
    p = peer(Script())
    world.smarthost(p)
    p.close()
    world.leaves("queue")
    world.send("ann@far.test")
    world.wait_tried("ann@far.test")
    assert "refused" in world.mailq().lower()


def test_second_smarthost_takes_over(world, peer):
    p, q = peer(Script(banner="421 4.3.2 busy")), peer(Script())
    world.write_conf({"SMARTHOST": "smart.test:%d other.test:%d"
                      % (p.port, q.port)})
    world.send("ann@far.test")
    world.wait_quiet()
    assert len(q.taken) == 1


def test_smarthost_by_address(world, peer):
    p = peer(Script())
    world.write_conf({"SMARTHOST": "127.0.0.1:%d" % p.port})
    world.send("ann@far.test")
    world.wait_quiet()
    assert len(p.taken) == 1


def test_own_name_of_smarthost_unknown_defers(world):
    world.write_conf({"SMARTHOST": "does-not-exist.test"})
    world.leaves("queue")
    world.send("ann@far.test")
    world.wait_tried("ann@far.test", limit=40)
    assert world.mailbox("alice") == []


def test_big_message_with_dots_and_long_lines(world, peer):
    p = peer(Script())
    world.smarthost(p)
    body = (b".\n" * 3 + b"." + b"x" * 70 + b"\n") * 40000
    world.send("-i", "ann@far.test", input=b"Subject: s\n\n" + body)
    world.wait_quiet(40)
    t, = p.taken
    assert t.body == body.replace(b"\n", b"\r\n")


def test_lines_over_998_bytes_are_encoded_without_loss(world, peer):
    p = peer(Script())
    world.smarthost(p)
    world.send("-i", "ann@far.test",
               input=b"Subject: s\n\n" + b"z" * 5000 + b"\n")
    world.wait_quiet()
    t, = p.taken
    assert max(map(len, t.body.split(b"\r\n"))) <= 76
    assert b"Content-Transfer-Encoding: quoted-printable\r\n" in t.header
    assert quopri.decodestring(t.body) == b"z" * 5000 + b"\r\n"


def test_no_bare_cr_lf_or_nul_on_the_wire(world, peer):
    p = peer(Script())
    world.smarthost(p)
    world.send("-i", "ann@far.test", input=b"Subject: s\n\na\rb\n.\r.\n"
               b"c\n.\n\r\n.\r\nd\0e\r\r\nf\n")
    world.wait_quiet()
    t, = p.taken
    rest = t.data.replace(b"\r\n", b"")
    assert b"\r" not in rest and b"\n" not in rest and b"\0" not in rest
    assert b"de" in t.body and t.body.endswith(b"f\r\n")


def test_local_users_stay_local_with_a_smarthost(world, peer):
    p = peer(Script())
    world.smarthost(p)
    world.send("bob", "bob@host.test", "carol@localhost", "ann@far.test")
    world.wait_mail("bob")
    world.wait_mail("carol")
    world.wait_quiet()
    assert [t.accepted for t in p.taken] == [["ann@far.test"]]


def test_nullclient_sends_all_to_the_smarthost(world, peer):
    p = peer(Script())
    world.smarthost(p, NULLCLIENT="")
    world.send("bob")
    world.wait_quiet()
    assert [t.accepted for t in p.taken] == [["bob@host.test"]]
    assert world.mailbox("bob") == []


def test_null_sender_on_the_wire(world, peer):
    p = peer(Script())
    world.smarthost(p)
    world.send("-f", "<>", "ann@far.test")
    world.wait_quiet()
    assert p.taken[0].sender == ""


def test_eight_bit_is_declared(world, peer):
    p = peer(Script())
    world.smarthost(p)
    world.send("ann@far.test", input="Subject: s\n\ngr\xfc\xdfe\n".encode())
    world.wait_quiet()
    assert "BODY=8BITMIME" in p.taken[0].mail.upper()
    assert p.taken[0].body == "gr\xfc\xdfe\r\n".encode()


def test_hop_limit_stops_a_loop(world, peer):
    p = peer(Script())
    world.smarthost(p)
    world.run(["sendmail", "ann@far.test"], user="alice",
              input=b"Received: x\n" * 60 + b"Subject: s\n\nx\n")
    world.wait_quiet()
    assert p.taken == []


def test_one_log_line_per_recipient_with_its_reply(world, peer):
    p = peer(Script(final_reply="250 2.0.0 taken as 4711"))
    world.smarthost(p)
    world.send(*many(3))
    world.wait_quiet()
    for address in many(3):
        lines = world.log_lines("to=<%s>" % address, "sent")
        assert len(lines) == 1
        assert "id=" in lines[0] and "4711" in lines[0]
