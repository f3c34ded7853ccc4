"""dma.conf as people write it: understood, or mail waits."""
import os

import pytest

from smtp_peer import Script

SPELLINGS = (
    "SMARTHOST={}", "SMARTHOST = {}", "SMARTHOST: {}", "smarthost {}",
    "SmartHost\t\"{}\"  ", "SMARTHOST '{}' # ours", "\ufeffSMARTHOST {}",
    "SMARTHOST {}\r", "SMARTHOST [smart.test]:{port}",
    "SMARTHOST=smart.test\nport={port}", "  SMARTHOST {}",
)


@pytest.mark.parametrize("line", SPELLINGS)
def test_c18_smarthost_is_understood(world, peer, line):
    p = peer(Script())
    world.write_conf(line.format("smart.test:%d" % p.port, port=p.port) +
                     "\nMAILNAME host.test\nLOG file /var/log/dma.log\n")
    world.send("ann@far.test")
    world.wait_until(lambda: p.taken)


NOT_UNDERSTOOD = (
    "RELAYHOST {}", "relayhost = [smart.test]:{port}", "SMRTHOST {}",
    "SMART_HOST={}", "mailhub={}", "dc_smarthost='{}'", "set smarthost {}",
    "SMARTHOST,{}", "SMARTHOST {};", "SMARTHOST \"{}", "SMARTHOST {}\x01",
    "\u00a0SMARTHOST {}", ";SMARTHOST {}", "SMARTHOST\u00a0{}",
    "SMARTHOST https://{}/",
)


@pytest.mark.parametrize("line", NOT_UNDERSTOOD)
def test_c18_what_looks_like_a_relay_holds_mail(world, exchangers, line):
    """Not past it to the host of the recipient; users see the line, too."""
    direct = exchangers(1)
    world.leaves("queue")
    world.write_conf("MAILNAME host.test\nLOG file /var/log/dma.log\n" +
                     line.format("smart.test:25", port=25) + "\n")
    world.send("ann@smart.test", "bob")
    world.wait_tried("dma.conf")
    text = world.mailq("alice")
    assert "line 3" in text or "SMARTHOST in dma.conf" in text, text
    assert world.log_lines("/etc/dma/dma.conf:3:")
    if "\x01" not in line:
        world.wait_mail("bob")
    assert direct.connections == []
    newaliases = world.run(["newaliases"])
    assert b"/etc/dma/dma.conf:3:" in newaliases.stderr
    # Mended, and all of it goes.
    world.write_conf({"SMARTHOST": "127.0.0.1:%d" % direct.port})
    world.flush()
    world.wait_until(lambda: direct.taken)


@pytest.mark.parametrize("line", (
    "SECURETRANFER", "SECURETRANSFER maybe", "STARTLS", "VERIFY_CERT yes",
    "TLS_POLICY verify", "AUTHPATH auth.conf", "PORT submission",
    "NOREMOTE perhaps", "DEFFER", "REQUIRE_TLS"))
def test_c18_a_condition_that_is_not_understood_holds_mail(world, peer, line):
    p = peer(Script())
    world.leaves("queue")
    world.smarthost(p, **{line.partition(" ")[0]: line.partition(" ")[2]})
    world.send("ann@far.test", "bob")
    world.wait_mail("bob")
    world.wait_tried("dma.conf")
    assert line.split()[0] in world.mailq("alice")
    assert p.connections == []


@pytest.mark.parametrize("line", ("NULCLIENT", "NULLCLIENT maybe",
                                  "ALIASSES /x", "LOCALDOMAIN corp.test"))
def test_c18_local_mail_waits_for_what_decides_about_it(world, line):
    world.leaves("queue")
    world.write_conf({line.partition(" ")[0]: line.partition(" ")[2]})
    world.send("bob")
    world.wait_tried("dma.conf")
    assert world.mailbox("bob") == []
    world.write_conf({})
    world.flush()
    world.wait_mail("bob")


def test_c18_other_unknown_keys_hold_nothing(world, peer):
    p = peer(Script())
    world.smarthost(p, COLOUR="red", X_USER="bob", RETRIES="5")
    world.send("ann@far.test", "bob")
    world.wait_mail("bob")
    world.wait_until(lambda: p.taken)
    assert len(world.log_lines("unknown keyword")) >= 3


def test_c18_configuration_that_cannot_be_read_is_no_default(world,
                                                             exchangers):
    direct = exchangers(1)
    os.unlink("/etc/dma/dma.conf")
    os.symlink("/etc/dma/nowhere.conf", "/etc/dma/dma.conf")
    done = world.run(["sendmail", "ann@smart.test"], user="alice",
                     input=b"x\n")
    assert done.returncode in (75, 78) and b"dma.conf" in done.stderr
    assert world.queue() == [] and direct.connections == []


def test_c11_marks_and_line_ends_in_every_file(world, peer):
    """As an editor of another system leaves them: a byte order mark, CR LF,
    no final newline."""
    def odd(text):
        return "\ufeff" + "\r\n".join(text.splitlines())
    p = peer(Script())
    with open("/etc/mailname", "w") as f:
        f.write(odd("named.test\n"))
    with open("/etc/dma/senders", "w") as f:
        f.write(odd("# ours\nalice 127.0.0.1:%d\n" % p.port))
    world.write_conf(odd("SMARTHOST 127.0.0.1:1\nMAILNAME /etc/mailname\n"
                         "SENDER_RELAY /etc/dma/senders\n"
                         "LOG file /var/log/dma.log\n"))
    world.write_aliases(odd("team: bob,\n  :include:/etc/dma/list\n"))
    with open("/etc/dma/list", "w") as f:
        f.write(odd("carol\nann@far.test\n"))
    world.forward("carol", odd("\\carol\n~/copy\n"))
    world.send("team")
    world.wait_mail("bob")
    world.wait_mail("carol")
    world.wait_until(lambda: p.taken)
    assert p.taken[0].sender == "alice@named.test"
    world.wait_until(lambda: world.read_home("carol", "copy"))
    with open("/etc/mailname", "w") as f:
        f.write("host.test\n")
    os.unlink("/etc/dma/list")
    os.unlink("/etc/dma/senders")
