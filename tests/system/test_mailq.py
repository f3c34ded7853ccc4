"""mailq: what is waiting, for whom it is, and who may see it."""
import grp
import json
import os
import pwd
import re
import subprocess
import time

import pytest

import queue_files
from smtp_peer import Script


@pytest.fixture
def stuck(world, peer):
    """Mail of alice and of bob that the relay does not take yet."""
    p = peer(Script(rcpt_reply="450 4.2.1 try\tlater \\ \x1b[31mnow"))
    world.smarthost(p)
    world.leaves("queue")
    world.send("ann@far.test", user="alice",
               input=b"Subject: s\n\n" + b"x\n" * 3000)
    world.send("eve@far.test", user="bob")
    world.wait_tried("ann@far.test")
    world.wait_tried("eve@far.test")
    return p


def test_empty_queue(world):
    for user in (None, "alice"):
        assert "Mail queue is empty" in world.mailq(user)


@pytest.mark.parametrize("call", (["mailq"], ["sendmail", "-bp"],
                                  ["mailq", "-v", "extra"]))
def test_entry_says_it_all(world, stuck, call):
    done = world.run(call)
    assert done.returncode == 0 and done.stderr == b""
    text = done.stdout.decode()
    idents = re.findall(r"(?m)^ID\t: (\S+)", text)
    assert sorted(idents) == world.queue()
    assert sorted(re.findall(r"(?m)^From\t: (\S+)", text)) == [
        "alice@host.test", "bob@host.test"]
    assert sorted(re.findall(r"(?m)^To\t: (\S+)", text)) == [
        "ann@far.test", "eve@far.test"]
    assert re.search(r"(?m)^--", text)
    assert "450" in text and "later" in text
    assert text.count("State\t: deferred\nTries\t: 1\nReply\t: ") == 2
    assert len(re.findall(r"(?m)^Next\t: .* \(in \d+ min\)$", text)) == 2
    assert len(re.findall(r"(?m)^Age\t: \d+ (s|min)$", text)) == 2
    assert re.search(r"-- \d+ Kbytes in 2 Requests?\.", text)


def test_host_that_cannot_be_reached_is_named(world, peer):
    """Once on each line, whoever of it and of us has the word."""
    p = peer(Script())
    p.close()
    world.smarthost(p)
    world.leaves("queue")
    world.send("ann@far.test")
    world.wait_tried("ann@far.test")
    words = "connect: Connection refused"
    named = "smart.test[127.0.0.1] port %d: %s" % (p.port, words)
    assert "\nReply\t: %s\n" % named in world.mailq()
    listed = world.run(["mailq", "--json"]).stdout
    assert json.loads(listed)["recipients"][0]["reply"] == named
    line, = world.log_lines("to=<ann@far.test>")
    assert " relay=smart.test[127.0.0.1] " in line
    assert line.endswith('reply="%s"' % words)
    assert world.log_lines("relay=smart.test[127.0.0.1] port=%d connection "
                           "failed: %s" % (p.port, words))


def test_control_characters_are_escaped(world, stuck):
    text = world.mailq()
    assert "\x1b" not in text
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f]", text)


def test_users_see_their_own(world, stuck):
    text = world.mailq("alice")
    assert "ann@far.test" in text and "eve@far.test" not in text
    assert "bob" not in text
    assert "Mail queue is empty" in world.mailq("carol")
    everything = world.mailq()
    assert "ann@far.test" in everything and "eve@far.test" in everything


def test_group_of_the_configuration_sees_all(world, stuck):
    text = open("/etc/dma/dma.conf").read()
    world.write_conf(text + "MAILQ_GROUP staff\n")
    subprocess.run(["usermod", "-a", "-G", "staff", "carol"], check=True)
    try:
        assert grp.getgrnam("staff").gr_mem == ["carol"]
        assert "eve@far.test" in world.mailq("carol")
        assert "eve@far.test" not in world.mailq("alice")
    finally:
        subprocess.run(["usermod", "-G", "", "carol"], check=True)


def test_listing_is_not_stopped_by_a_closed_reader(world, stuck):
    done = world.run(["sh", "-c", "mailq | true"])
    assert done.returncode == 0


def test_listing_does_not_wait_for_the_runner(world, peer):
    p = peer(Script(mute_at="MAIL"))
    world.smarthost(p)
    world.leaves("queue")
    world.send("ann@far.test")
    world.wait_until(lambda: p.connections)
    assert "ann@far.test" in world.run(["mailq"], limit=3).stdout.decode()


def by_python(world, user=None):
    done = world.run(["mailq", "--json"], user=user)
    assert done.returncode == 0 and done.stderr == b""
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_json(world, stuck):
    first, second = by_python(world)
    assert [first["id"], second["id"]] == world.queue()
    assert first["sender"] == "alice@host.test" and not first["held"]
    assert first["submitter"] == pwd.getpwnam("alice").pw_uid
    assert first["size"] > 6000
    assert first["arrived"] <= first["arrived"] + first["age"] <= time.time()
    (to,) = first["recipients"]
    assert to["address"] == "ann@far.test" and to["state"] == "deferred"
    assert to["attempts"] == 1 and to["code"] == "4.2.1"
    assert "try later \\ \\033[31mnow" in to["reply"]
    assert to["next"] > time.time()
    assert [m["sender"] for m in by_python(world, "bob")] == ["bob@host.test"]
    assert by_python(world, "carol") == []


def test_json_of_every_state_is_read_by_jq(world):
    """And of any bytes that an address can have."""
    world.leaves("queue")
    due, to = int(time.time()) + 3600, queue_files.recipient
    cases = (
        ("new", [to("n@x.test")]),
        ("deferred", [to("d@x.test"), queue_files.deferred(due)]),
        ("held", [to("h@x.test"), "K\t1\n"]),
        ("failed", [to("f@x.test"), "F\t0\t1\t5.1.1\tno\t1\t\tmx\n"]),
        ("delivered", [to("y@x.test"), "Y\t0\t3\t2.0.0\tok\t0\t\t\n"]),
        ("new", [b"R\t0\t0\t0\t4\t0\t0\t0\t%016x\t\"q\\\xff\"@\xc3\xbc\t\n" % 0]),
    )
    for i, (_, records) in enumerate(cases):
        queue_files.put(i, queue_files.content(due - 7200, 0, records))
    done = subprocess.run(
        "mailq --json | jq -r '.recipients[0] | "
        "[.state, .next, .address] | @tsv'", shell=True, check=True,
        capture_output=True, timeout=30)
    rows = [line.split("\t") for line in done.stdout.decode().splitlines()]
    assert [row[0] for row in rows] == [case[0] for case in cases]
    assert [row[1] for row in rows] == ["", str(due), "", "", "", ""]
    assert rows[5][2] == '"q\\\\\ufffd"@\u00fc'       # @tsv doubles "\\"
    assert [m["held"] for m in by_python(world)] == [
        False, False, True, False, False, False]


def memory_kb(call):
    done = subprocess.run(["time", "-f", "%M", *call], check=True,
                          stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                          timeout=60)
    return int(done.stderr.split()[-1])


def fill(n, body=queue_files.BODY):
    now = int(time.time())
    for i in range(n):
        queue_files.put(i, queue_files.content(now - 60, 0, [
            queue_files.recipient("ann@far%d.test" % (i % 50)),
            queue_files.deferred(now + 3600)], body=body))


def test_memory_does_not_grow_with_the_queue(world):
    """But for the ids of one group."""
    if world.is_sanitized():
        pytest.skip("a sanitizer has memory of its own")
    world.leaves("queue")
    fill(200)
    calls = (["mailq"], ["mailq", "--json"])
    small = [memory_kb(call) for call in calls]
    fill(25000)
    for call, before in zip(calls, small):
        assert memory_kb(call) < min(before + 1024, 3 * 1024)
        assert world.run(call).stdout.count(b"ann@far7.test") == 500


@pytest.mark.parametrize("size", (100, 6000))
def test_four_system_calls_a_message(world, tmp_path, size):
    """And output in large pieces."""
    if world.is_sanitized():
        pytest.skip("a sanitizer has calls of its own")
    world.leaves("queue")
    fill(2000, b"Subject: x\n\n" + b"y" * size + b"\n")
    subprocess.run(["strace", "-f", "-o", str(tmp_path / "calls"), "mailq"],
                   check=True, stdout=subprocess.DEVNULL, timeout=60)
    calls = (tmp_path / "calls").read_text().splitlines()
    assert 4 * 2000 < len(calls) < 4 * 2000 + 200
    assert sum(" write(" in c for c in calls) < 30


def test_listing_ends_with_its_reader(world):
    """A long queue is not read for nobody."""
    world.leaves("queue")
    fill(5000)
    done = subprocess.run(
        ["strace", "-f", "-c", "-e", "trace=openat", "sh", "-c",
         "mailq | head -n 3"], check=True, capture_output=True, timeout=60)
    assert done.stdout.startswith(b"ID\t: ")
    opened = int(re.search(rb"(?m)(\d+) +(?:\d+ +)?openat$",
                           done.stderr).group(1))
    assert 100 < opened < 4000
