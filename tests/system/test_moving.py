"""docs/moving.md: its files, as they stand there, do what it says."""
import grp
import os
import re
import stat
import subprocess

import pytest

from smtp_peer import Script
from world import BINARY

DOCUMENT = os.path.join(os.path.dirname(__file__), "../../docs/moving.md")
RELAY = "mail.example.org"
OURS = ("/etc/dma/", "/etc/aliases")


def sections():
    """For each agent, the files of ours with their contents."""
    with open(DOCUMENT, encoding="utf-8") as f:
        parts = re.split(r"(?m)^## From ", f.read())[1:]
    found = {}
    for part in parts:
        files = re.findall(r"(?m)^[^|\n]*`(/etc/[^`]*[^`/])`[^`|\n]*(?:\n\S.*)?"
                           r":\n\n((?:    .*\n|\n(?=    ))+)", part)
        found[part.split("\n")[0]] = {
            path: re.sub(r"(?m)^    ", "", text) for path, text in files
            if path.startswith(OURS)}
    return found


@pytest.fixture(scope="module")
def certificate(certs):
    """Of the relay, signed by somebody whom the whole system trusts."""
    folder = os.path.dirname(certs["ca"])
    with open(folder + "/moving.ext", "w") as f:
        f.write("subjectAltName=DNS:%s\n" % RELAY)
    for call in (
            "openssl req -new -newkey rsa:2048 -nodes -keyout moving.key "
            "-out moving.csr -subj /CN=" + RELAY,
            "openssl x509 -req -in moving.csr -CA ca.pem -CAkey ca.key "
            "-set_serial 77 -days 2 -out moving.crt -extfile moving.ext"):
        subprocess.run(call.split(), cwd=folder, check=True,
                       capture_output=True)
    with open(folder + "/moving.pem", "w") as out:
        for part in "key", "crt":
            with open("%s/moving.%s" % (folder, part)) as f:
                out.write(f.read())
    name = subprocess.run(
        ["openssl", "x509", "-hash", "-noout", "-in", certs["ca"]],
        check=True, capture_output=True, text=True).stdout.strip()
    number = 0
    while os.path.lexists("/etc/ssl/certs/%s.%d" % (name, number)):
        number += 1
    trusted = "/etc/ssl/certs/%s.%d" % (name, number)
    os.symlink(certs["ca"], trusted)
    with open("/etc/hosts", encoding="ascii") as f:
        hosts = f.read()
    with open("/etc/hosts", "a", encoding="ascii") as f:
        f.write("127.0.0.1 %s\n" % RELAY)
    yield folder + "/moving.pem"
    with open("/etc/hosts", "w", encoding="ascii") as f:
        f.write(hosts)
    os.unlink(trusted)


# What the old agent did with the example: the sender and From: of a message
# of alice, and where mail for root and bob went (None: bob's mailbox).
SEEN = {
    "upstream dma": ("me@example.org", "me@example.org", None),
    "ssmtp": ("me@example.org", "me@example.org", "bob@example.org"),
    "msmtp": ("me@example.org", "me@example.org", "bob@host.example.org"),
    "nullmailer": ("me@example.org", "me@example.org", "admin@example.org"),
    "Postfix as a null client": ("me@example.org", "me@example.org",
                                 "bob@host.example.org"),
    "Exim as a satellite": ("me@example.org", "me@example.org",
                            "bob@example.org"),
    "OpenSMTPD": ("alice@example.org", "alice@example.org", None),
}


def test_every_section_is_tried():
    assert set(sections()) == set(SEEN)
    for files in sections().values():
        assert "/etc/dma/dma.conf" in files and "/etc/dma/auth.conf" in files


@pytest.fixture
def host(world):
    """Has the name that the document has."""
    subprocess.run(["hostname", "host.example.org"], check=True)
    with open("/etc/mailname", "w") as f:
        f.write("host.example.org\n")
    yield world
    subprocess.run(["hostname", "host.test"], check=True)
    with open("/etc/mailname", "w") as f:
        f.write("host.test\n")


@pytest.mark.parametrize("agent", SEEN)
def test_files_of_the_document(host, peer, certificate, agent):
    sender, from_field, bob = SEEN[agent]
    files = sections()[agent]
    host.write_conf(files["/etc/dma/dma.conf"] + "LOG file /var/log/dma.log\n")
    host.write_auth(files["/etc/dma/auth.conf"])
    host.write_aliases(files.get("/etc/aliases", "root: admin@example.org\n"))
    host.write_from_map(files.get("/etc/dma/from", ""))
    p = peer(Script(tls="starttls", certificate=certificate,
                    auth=("SCRAM-SHA-256", "PLAIN"), user="me@example.org",
                    password="secret", require_auth=True), port=587)
    host.send("-t", input=b"To: you@example.net\nSubject: s\n\nx\n")
    host.send("root")
    host.send("bob")
    if bob is None:
        host.wait_mail("bob")
    host.wait_quiet()
    got = {t.accepted[0]: t for t in p.taken if len(t.accepted) == 1}
    want = {"you@example.net", "admin@example.org"} | ({bob} if bob else set())
    assert set(got) == want
    assert len(p.taken) == (2 if bob is None else 3)
    for t in p.taken:
        assert t.sender == sender
        assert re.search(rb"(?m)^From: [^\r]*<?%s>?\r$" % from_field.encode(),
                         t.data)
    done = host.run(["dma", "check"])
    assert done.returncode == 0 and b"\n0 errors" in done.stdout, done.stdout


def test_dma_conf_of_another_group(world):
    """That of Debian's package of upstream dma, once "make perms" has run."""
    conf = "/etc/dma/dma.conf"
    os.chown(conf, 0, grp.getgrnam("mail").gr_gid)
    os.chmod(conf, 0o640)
    world.send("bob", status=78)
    tree = os.path.join(os.path.dirname(__file__), "../..")
    is_setuid = os.stat(BINARY).st_mode & stat.S_ISUID
    done = world.run(["make", "-s", "-C", tree, "perms",
                      "SETUID=" + ("yes" if is_setuid else "no")])
    assert done.returncode == 0, done.stderr
    assert stat.S_IMODE(os.stat(conf).st_mode) == 0o640
    world.send("bob")
    world.wait_mail("bob")
