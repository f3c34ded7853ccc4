"""mailq: what is waiting, for whom it is, and who may see it."""
import grp
import re
import subprocess

import pytest

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
    assert re.search(r"-- \d+ Kbytes in 2 Requests?\.", text)


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
