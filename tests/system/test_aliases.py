"""/etc/aliases, as far as it is seen in mailboxes."""
import os
import pwd

import pytest

from smtp_peer import Script


def test_alias_leads_to_its_targets(world):
    world.write_aliases("team: alice, bob,\n\tcarol\n")
    world.send("team")
    for user in ("alice", "bob", "carol"):
        world.wait_mail(user)


def test_names_without_case_and_with_our_domain(world):
    world.write_aliases("Team: bob\n")
    world.send("TEAM@host.test")
    world.wait_mail("bob")


def test_recursion(world):
    world.write_aliases("a: b\nb: c, carol\nc: bob\n")
    world.send("a")
    world.wait_mail("bob")
    world.wait_mail("carol")


def test_own_name_keeps_the_local_copy(world, peer):
    p = peer(Script())
    world.smarthost(p)
    world.write_aliases("root: root, me@far.test\n")
    world.send("root")
    world.wait_mail("root")
    world.wait_quiet()
    assert [t.accepted for t in p.taken] == [["me@far.test"]]


def test_one_copy_each_however_it_is_reached(world):
    world.write_aliases("a: bob, carol\nb: bob\n")
    world.send("a", "b", "bob")
    world.wait_mail("carol")
    world.wait_quiet()
    assert len(world.mailbox("bob")) == 1


def test_loop_ends_with_a_report(world):
    world.write_aliases("a: b\nb: a\n")
    world.send("a")
    bounce, = world.wait_mail("alice")
    assert bounce["Return-Path"] == "<>"
    assert world.log_lines("status=failed", "a / b / a")
    assert b"a / b" not in bounce.text
    world.wait_quiet()


def test_loop_with_a_way_out(world):
    world.write_aliases("a: b, bob\nb: a, carol\n")
    world.send("a")
    world.wait_mail("bob")
    world.wait_mail("carol")


def test_deep_chain_is_bounded(world):
    world.write_aliases("".join("x%d: x%d\n" % (i, i + 1)
                                for i in range(40)) + "x40: bob\n")
    world.send("x0")
    bounce, = world.wait_mail("alice")
    assert world.log_lines("status=failed", "x0 / x1 / x2 / ", " / x10)")
    assert b"x1 /" not in bounce.text and b"x5" not in bounce.text
    world.wait_quiet()
    assert world.mailbox("bob") == []


def test_backslash_means_no_more_expansion(world):
    world.write_aliases("bob: carol\nx: \\bob\n")
    world.send("x")
    world.wait_mail("bob")


def test_last_line_without_newline_counts(world):
    world.write_aliases("x: bob")
    world.send("x")
    world.wait_mail("bob")


def test_comments_quotes_and_continuations(world):
    world.write_aliases('# first\n"x": "bob",\n   # within\n   carol\n\n')
    world.send("x")
    world.wait_mail("bob")
    world.wait_mail("carol")


def test_bad_line_harms_only_itself(world):
    world.write_aliases("x: bob\n:: <<\n\"open: z\ny: carol\n")
    world.send("x")
    world.send("y")
    world.wait_mail("bob")
    world.wait_mail("carol")


def test_mail_for_a_bad_line_waits_until_it_is_mended(world):
    world.write_aliases("x: bob\nteam: bob carol\n*: alice\n")
    world.send("team", "x")
    world.send("team@host.test")
    world.wait_mail("bob")
    world.wait_tried("team")
    world.wait_until(lambda: "/etc/aliases:2" in world.mailq())
    done = world.run(["newaliases"], user="alice")
    assert done.returncode == 65
    assert b"/etc/aliases:2: " in done.stderr
    assert done.stdout == b"/etc/aliases: 2 aliases, 2 targets, 1 line with errors\n"
    world.write_aliases("x: bob\nteam: carol\n*: alice\n")
    world.flush()
    world.wait_mail("carol", 2)
    assert world.mailbox("alice") == []


def test_mail_for_nobody_waits_while_the_catch_all_is_bad(world):
    world.write_aliases("*: bob carol\n")
    world.send("whoever", "alice")
    world.wait_mail("alice")
    world.wait_tried("whoever")
    assert world.log_lines("whoever", "/etc/aliases:1")
    world.write_aliases("*: carol\n")
    world.flush()
    world.wait_mail("carol")


def test_crlf_file_with_a_byte_order_mark(world):
    world.write_aliases(b"\xef\xbb\xbfx: bob,\r\n\tcarol\r\n\r\ny: alice")
    world.send("x", "y")
    for user in ("alice", "bob", "carol"):
        world.wait_mail(user)


def test_catch_all(world):
    world.write_aliases("*: carol\n")
    world.send("whoever")
    world.send("bob")
    world.wait_mail("carol")
    world.wait_mail("bob")


def test_command_of_an_alias_runs_as_the_alias_user(world):
    who = pwd.getpwnam("nobody")
    os.mkdir("/tmp/open")
    os.chmod("/tmp/open", 0o1777)
    world.write_aliases('x: "|id -u > /tmp/open/id; cat > /tmp/open/mail"\n')
    world.send("x")
    world.wait_quiet()
    with open("/tmp/open/id") as f:
        assert int(f.read()) == who.pw_uid
    with open("/tmp/open/mail", "rb") as f:
        assert b"\nhello\n" in f.read()
    for name in ("id", "mail"):
        os.unlink("/tmp/open/" + name)
    os.rmdir("/tmp/open")


def test_alias_user_of_the_configuration(world):
    world.write_conf({"ALIAS_USER": "carol"})
    world.write_aliases('x: "|id -un > /home/carol/id", /home/carol/file\n')
    world.send("x")
    world.wait_quiet()
    assert world.read_home("carol", "id") == b"carol\n"
    assert b"\nhello\n" in world.read_home("carol", "file")


def test_alias_user_root_is_refused(world):
    world.leaves("queue")
    world.write_conf({"ALIAS_USER": "root"})
    world.write_aliases('x: "|touch /tmp/as-root"\n')
    world.send("x")
    world.wait_until(lambda: world.log_lines("touch") or
                     world.mailbox("alice"))
    assert not os.path.exists("/tmp/as-root")


def test_alias_file_that_others_can_write_runs_no_command(world):
    world.leaves("queue")
    world.write_aliases('x: "|touch /tmp/open-alias"\n')
    os.chmod("/etc/aliases", 0o666)
    world.send("x")
    world.wait_until(lambda: world.log_lines("touch") or
                     world.mailbox("alice"))
    assert not os.path.exists("/tmp/open-alias")


def test_program_as_recipient_is_refused(world):
    for recipient in ("|touch /tmp/argv", "/tmp/argv", ":include:/etc/motd"):
        done = world.run(["sendmail", recipient], user="alice",
                         input=b"Subject: s\n\nx\n")
        assert done.returncode != 0 or recipient.startswith("/")
    world.stop()
    world.leaves("queue")
    assert not os.path.exists("/tmp/argv")


def test_missing_alias_file_is_an_empty_one(world):
    os.unlink("/etc/aliases")
    world.send("bob")
    world.wait_mail("bob")


@pytest.mark.parametrize("mode", (0o000,))
def test_unreadable_alias_file_calls_nobody_unknown(world, mode):
    world.write_aliases("team: bob\n")
    os.chmod("/etc/aliases", mode)
    done = world.run(["sendmail", "team"], user="alice",
                     input=b"Subject: s\n\nx\n")
    assert done.returncode in (0, 75)
    if done.returncode == 0:
        world.wait_tried("team")
        os.chmod("/etc/aliases", 0o644)
        world.flush()
        world.wait_mail("bob")


def test_report_of_a_loop_tells_no_secrets(world):
    """The log has the steps; the sender learns of none of them."""
    world.write_aliases("team: bob, away@far.test\n" + "".join(
        "x%d: x%d\n" % (i, i + 1) for i in range(12)))
    world.forward("bob", "|cat >/home/bob/hidden-command\n"
                         "/home/bob/hidden-file\n!carol\nx0\n")
    world.write_conf({"NOREMOTE": ""})
    world.send("team")
    world.wait_mail("carol")
    bounce, = world.wait_mail("alice")
    world.wait_quiet()
    assert world.log_lines("status=failed",
                           "team / bob / x0 / x1 / ")
    assert not world.log_lines("status=failed", "hidden")
    for secret in (b" / ", b"x0", b"x1", b"hidden", b"carol", b"bob@"):
        assert secret not in bounce.text


def test_names_with_dots_quotes_and_extensions(world):
    world.write_aliases('first.last: bob\n"first last": carol\n'
                        'team+x: alice\nteam: root\n')
    world.send("First.Last", '"first last"@host.test', "team+x", "team+y")
    for user in ("alice", "bob", "carol", "root"):
        world.wait_mail(user)


def test_address_with_a_name(world):
    world.write_aliases('x: Bob Builder <bob>, "C, D" <carol@host.test>\n')
    world.send("x")
    world.wait_mail("bob")
    world.wait_mail("carol")


@pytest.mark.parametrize("aliases,user", (
    ("", "root"), ("root: bob\n", "bob"),
    ("postmaster: bob\nmailer-daemon: bob\nroot: carol\n", "bob"),
))
def test_duties_fall_back_to_root(world, aliases, user):
    world.write_aliases(aliases)
    world.send("postmaster")
    world.send("MAILER-DAEMON@host.test")
    world.wait_mail(user, 2)


def test_forward_applies_to_the_user_that_an_alias_names(world):
    world.write_aliases("x: bob\ny: \\bob\n")
    world.forward("bob", "carol\n")
    world.send("x")
    world.wait_mail("carol")
    world.send("y")
    world.wait_mail("bob")


def test_sender_with_a_recipient_in_it(world):
    """As mailing lists have it: it is one address, whatever is in it."""
    world.write_conf({"LOCALDOMAINS": "lists.test"})
    world.write_aliases("team: bob\n")
    world.send("-f", "team-bounces+bob=far.test@lists.test", "team")
    message, = world.wait_mail("bob")
    assert message["Return-Path"] == "<team-bounces+bob=far.test@lists.test>"


def test_null_client_with_aliases(world, peer):
    p = peer(Script())
    world.smarthost(p, NULLCLIENT="aliases")
    world.write_aliases("root: me@far.test\nx: \\bob, carol\n*: alice\n")
    world.forward("carol", "\\carol\n")
    world.send("root", "x", "nobody-here")
    world.wait_quiet()
    assert sorted(a for t in p.taken for a in t.accepted) == [
        "bob@host.test", "carol@host.test", "me@far.test",
        "nobody-here@host.test"]


@pytest.mark.seconds(8)
def test_t16_large_file_works_for_addresses_and_commands(world):
    """16 MiB; the child that runs the command reads it again."""
    line = "some-name-%06d: bob, somebody-else@far.test\n"
    last = "prog: |/bin/cat >/tmp/t16\nteam: carol\n"
    n = (16 * 1024 * 1024 - len(last)) // len(line % 0)
    text = "".join(line % i for i in range(n)) + last
    world.write_aliases(text)
    assert world.run(["newaliases"]).returncode == 0
    world.send("prog", "team")
    world.wait_mail("carol", 1, 60)
    world.wait_quiet(60)
    with open("/tmp/t16") as f:
        assert "hello" in f.read()


@pytest.mark.parametrize("more", [
    "#" * 16 * 1024 * 1024, "".join("%d:a\n" % i for i in range(500000))],
                         ids=["bytes", "names"])
def test_t16_too_large_a_file_is_refused_for_all(world, more):
    """Mail waits, for the names too that nobody has read."""
    world.leaves("queue")
    world.write_aliases(more + "\nteam: carol\nprog: |cat\n")
    done = world.run(["newaliases"])
    assert done.returncode == 65 and b"larger than 16 MiB" in done.stderr
    assert done.stderr.count(b"\n") == 1
    world.send("team", "prog")
    world.wait_until(lambda: len(world.log_lines("deferred")) == 2)
    assert world.log_lines("larger than 16 MiB")
    world.write_aliases("team: carol\n")
    world.flush()
    world.wait_mail("carol")
