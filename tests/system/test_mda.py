"""MAILBOX command: a delivery agent gets the mail of users."""
import pytest

AGENT = """#!/bin/sh
{ echo "$USER $(id -un) $(id -Gn) $HOME $SENDER $RECIPIENT $*"; cat; } \
>> $HOME/got
"""


@pytest.fixture
def agent(world):
    world._fresh("/etc/agent", AGENT, 0o755)
    world.write_conf({"MAILBOX": "command /etc/agent -x $USER"})
    yield world


def test_agent_runs_as_the_user(agent):
    agent.send("bob+ext")
    agent.wait_quiet()
    head, _, text = agent.read_home("bob", "got").partition(b"\n")
    assert head == (b"bob bob bob /home/bob alice@host.test "
                    b"bob+ext@host.test -x bob")
    assert text.startswith(b"From alice@host.test ")
    assert b"\nDelivered-To: bob+ext@host.test\n" in text
    assert text.endswith(b"\n\nhello\n")
    assert agent.mailbox("bob") == []


def test_agent_has_the_limits_of_a_command(world):
    world.write_conf({"MAILBOX": "command /bin/sh -c 'ulimit -s; umask' "
                      "> $HOME/got"})
    world.send("bob")
    world.wait_quiet()
    assert world.read_home("bob", "got") == b"8192\n0077\n"


def test_forward_comes_first_and_may_name_the_mailbox(agent):
    agent.forward("bob", "\\bob, carol\n")
    agent.send("bob")
    agent.wait_quiet()
    assert agent.read_home("bob", "got") != b""
    assert agent.read_home("carol", "got") != b""


def test_login_shell_does_not_matter(agent):
    agent.add_user("dave", shell="/usr/sbin/nologin")
    try:
        agent.send("dave")
        agent.wait_quiet()
        assert agent.read_home("dave", "got").startswith(b"dave dave dave")
    finally:
        agent.stop()
        agent.remove_user("dave")


@pytest.mark.parametrize("user", ("root", "_dma"))
def test_those_without_commands_have_an_mbox(agent, user):
    agent.write_conf({"MAILBOX": "command /usr/bin/touch /tmp/run"})
    agent.send(user)
    agent.wait_mail(user)
    agent.wait_quiet()
    assert agent.run(["ls", "/tmp/run"]).returncode != 0
    assert agent.log_lines("not run for " + user)


@pytest.mark.parametrize("status,outcome", ((75, "deferred"), (77, "failed")))
def test_exit_status_decides(world, status, outcome):
    world.leaves("queue")
    world.write_conf({"MAILBOX": "command /bin/sh -c 'echo why; exit %d'"
                      % status})
    world.send("-f", "<>", "bob")
    world.wait_until(lambda: world.log_lines("to=<bob>", outcome, "why"))


def test_agent_over_its_time_is_ended(world):
    world.leaves("queue")
    world.write_conf({"MAILBOX": "command /bin/sleep 63",
                      "COMMAND_TIMEOUT": "1s"})
    world.send("bob")
    world.wait_tried("timed out and was killed")
