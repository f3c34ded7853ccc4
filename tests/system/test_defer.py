"""DEFER and -D: what waits, what does not, and for whom the caller waits."""
import os
import pwd

from smtp_peer import Script
from world import ETC, SENDMAIL, SPOOL, SPOOL_USER


def test_deferred_hosts_do_not_hold_local_mail(world, peer):
    p = peer(Script())
    world.smarthost(p, DEFER="")
    world.send("bob", "ann@far.test")
    world.wait_mail("bob")
    world.wait_until(lambda: not world.processes())
    assert len(world.queue()) == 1 and not p.connections
    world.flush()
    assert [t.accepted for t in p.taken] == [["ann@far.test"]]
    world.wait_quiet()
    assert len(world.mailbox("bob")) == 1


def test_what_only_waits_starts_no_runner(world, peer):
    p = peer(Script())
    world.smarthost(p, DEFER="")
    if os.path.lexists(SPOOL + "/wake"):
        os.unlink(SPOOL + "/wake")
    world.send("ann@far.test")
    # A runner would have made its way in for wake-ups.
    assert not os.path.exists(SPOOL + "/wake")
    ident, = world.queue()
    assert len(world.log_lines("id=" + ident, "status=queued")) == 1
    world.flush()
    world.wait_quiet()
    assert [t.accepted for t in p.taken] == [["ann@far.test"]]
    assert len(world.log_lines("id=" + ident, "status=queued")) == 1


def test_mail_that_comes_while_held_mail_is_removed(world, peer):
    """As many as the runner knows, and yet one of them is new to it."""
    world.smarthost(peer(Script()), DEFER="")
    world.send("-odq", "alice")
    new, = world.queue()
    with open("%s/queue/%s" % (SPOOL, new), "rb") as f:
        data = f.read()
    os.unlink("%s/queue/%s" % (SPOOL, new))
    world.send("ann@far.test")
    held, = world.queue()
    world.forward("bob", '"|echo x > /home/bob/here; sleep 1"\n')
    world.send("bob")
    world.wait_until(lambda: world.read_home("bob", "here"))
    os.unlink("%s/queue/%s" % (SPOOL, held))
    path = "%s/%s" % (SPOOL, new)
    with open(path, "wb") as f:
        f.write(data)
    who = pwd.getpwnam(SPOOL_USER)
    os.chown(path, who.pw_uid, who.pw_gid)
    os.chmod(path, 0o600)
    # No wake-up: it came too late for the runner to hear it.
    os.rename(path, "%s/queue/%s" % (SPOOL, new))
    world.wait_mail("alice")


def test_foreground_tries_once_and_waits(world, peer):
    p = peer(Script(rcpt_rules=((r"^later", "450 4.2.1 later"),)))
    world.smarthost(p)
    world.leaves("queue")
    for i in range(8):
        done = world.run([SENDMAIL, "-D", "bob"], user="alice",
                         input=b"Subject: s\n\nx\n", limit=30)
        assert (done.returncode, done.stderr) == (0, b"")
        assert len(world.mailbox("bob")) == i + 1   # there when it returned
    world.send("-D", "later@far.test")
    assert [a for t in p.transactions for a, _ in t.rcpts] == [
        "later@far.test"]
    assert "Tries\t: 1\n" in world.mailq()


def test_foreground_tries_what_is_deferred(world, peer):
    p = peer(Script())
    world.smarthost(p, DEFER="")
    world.send("-odq", "other@far.test")
    world.send("-D", "ann@far.test")
    assert [t.accepted for t in p.taken] == [["ann@far.test"]]
    world.leaves("queue")
    assert len(world.queue()) == 1


def test_flush_by_hand_does_not_lengthen_the_wait(world, peer):
    p = world.defer(peer, "later@far.test")
    for _ in range(4):
        world.flush()
    assert len(p.transactions) == 5
    assert "Tries\t: 1\n" in world.mailq()


def test_configuration_that_can_not_be_read_opens_nothing(world):
    os.chmod(ETC + "/dma.conf", 0o600)
    done = world.run([SENDMAIL, "ann@far.test"], user="alice", input=b"x\n")
    assert done.returncode == 78 and b"dma.conf" in done.stderr
    assert world.queue() == []


def test_login_file_that_can_not_be_read_is_named(world, peer):
    p = peer(Script())
    world.smarthost(p)
    world.leaves("queue")
    world.write_auth("me|smart.test:secret\n")
    os.chown(ETC + "/auth.conf", 0, 0)
    os.chmod(ETC + "/auth.conf", 0o600)
    world.send("ann@far.test")
    world.wait_tried("ann@far.test")
    assert "auth.conf cannot be read" in world.mailq()
    assert not p.connections
    world.write_auth("")


def test_command_line_of_another_is_not_shown(world):
    world.forward("bob", "|/no/such/push --token=SECRET\n")
    world.leaves("queue")
    world.send("bob")
    world.wait_tried("bob")
    shown = world.mailq("alice")
    assert "127" in shown and "SECRET" not in shown


def test_command_of_root_leaves_the_mail_in_the_mailbox(world):
    world._fresh("/root/.forward", "|cat >/tmp/z\n", 0o644)
    try:
        world.send("root")
        world.wait_mail("root")
        assert world.log_lines("root", "is not available to root")
    finally:
        os.unlink("/root/.forward")


def test_log_says_who_sent_and_what_was_refused(world):
    world.send("bob", user="carol")
    world.wait_mail("bob")
    line, = world.log_lines("status=queued")
    assert "uid=" in line and "uid=0 " not in line and "nrcpt=1" in line
    world.send("nosuch", status=67)
    assert world.log_lines("status=refused", "nosuch")


def test_waking_tries_only_what_is_due(world, peer):
    p = world.defer(peer, "later@far.test")
    world.send("-odq", "now@far.test")
    assert world.run([SENDMAIL, "-qd"]).returncode == 0
    world.wait_until(lambda: p.taken)
    assert len(p.transactions) == 2


def test_file_that_is_just_being_written_is_not_believed(world, peer):
    """Editors empty a file before they fill it; a runner may look then."""
    p = peer(Script(rcpt_rules=((r"^later", "450 4.2.1 later"),)))
    world.smarthost(p)
    world.write_aliases("team: bob\n")
    world.leaves("queue")
    world.send("later@far.test")            # so that a runner is there
    world.wait_tried("later@far.test")
    open("/etc/aliases", "w").close()
    world.send("team", "carol")
    world.wait_mail("bob")
    world.wait_mail("carol")
    world.write_aliases("team: bob\n")
