"""What comes from outside looks like nothing else, in the log and on a
terminal."""
import re

import pytest

FIELD = re.compile(r'(\w+)=(?:"([^"]*)"|<([^>]*)>|(\S*))')


def fields(line):
    """The fields of a log line, as a program reads them."""
    return {m[1]: next((x for x in m.groups()[1:] if x is not None), "")
            for m in FIELD.finditer(line)}


@pytest.mark.parametrize("address", (
    '"x> to=<root> status=sent relay=local reply="',
    '"x\\" to=<root> status=sent"',
    '"x\\" reply=\\"250 sent"@localhost',
))
def test_t11_address_forges_no_field(world, address):
    world.leaves("queue")
    world.write_conf({"RETRY": "1h 1h 1h"})
    world.send(address, "bob")
    world.wait_mail("bob")
    world.wait_until(lambda: world.log_lines("5.1.1"))
    for line in world.log_lines("from=<alice"):
        found = fields(line)
        assert found.get("to") != "root", line
        assert "to=<root>" not in line
        if "dsn" in found:
            assert (found["status"] == "sent") == (found["to"] in (
                "bob", "alice@host.test")), line


def test_t11_words_of_users_are_cleaned(world):
    """Of a list, of aliases, of an address: in the log, in mailq, and what
    tools print."""
    evil = b"a\xc2\x9b31m\xc2\x85<b\x1b[2J\x9b> to=<root>"
    world.write_home("bob", "list", evil + b"\n")
    world.forward("bob", b":include:/home/bob/list\n")
    world.send("bob")
    world.wait_quiet()
    world.write_aliases(b"team: " + evil + b"\n\x9b: bob\n")
    done = world.run(["newaliases"])
    assert done.returncode == 65 and b"/etc/aliases:1" in done.stderr
    texts = [done.stdout, done.stderr]
    done = world.send(b"\xc2\x9b31m@host.test", status=67)
    texts += [done.stderr, world.mailq().encode()]
    texts.append(world.log().encode(errors="surrogateescape"))
    for text in texts:
        assert not re.search(rb"[\x00-\x09\x0b-\x1f\x7f-\xff]", text), text
        assert b"to=<root>" not in text, text


def test_t11_tag_is_plain(world):
    for tag in ("sshd[9]: Accepted", "a b", "a\nb", "x" * 33, ""):
        assert b"-L" in world.send("-L", tag, "bob", status=64).stderr
    world.send("-L", "cron-mail_1.x", "bob")
    world.wait_mail("bob")
