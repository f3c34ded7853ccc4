"""bounces.py - a dozen reports as dma sends them, and what each says."""
from dataclasses import dataclass

from dns_peer import NameServer
from smtp_peer import Script

DAY = 86400


@dataclass
class Told:
    """What a report says of one address."""
    address: str
    status: str
    action: str = "failed"


def failed_at_once(world, peer, address="ann@far.test", **script):
    world.smarthost(peer(Script(**script)))
    world.send(address)


def expired(world, peer, **script):
    """Deferred at its first attempt, which comes after five days."""
    world.smarthost(peer(Script(**script)))
    world.send("-odq", "ann@far.test")
    ident, = world.queue()
    world.age(ident, 5 * DAY + 60)
    world.flush()


def unknown_user(world, peer):
    failed_at_once(world, peer,
                   rcpt_reply="550 5.1.1 <ann@far.test>: Recipient address "
                   "rejected: User unknown in virtual mailbox table")


def mailbox_full(world, peer):
    expired(world, peer, rcpt_reply="452 4.2.2 The recipient's inbox is out "
            "of storage space")


def host_not_found(world, peer):
    with NameServer({}):
        world.send("ann@far.test")
        world.wait_mail("alice")


def sender_refused(world, peer):
    failed_at_once(world, peer, mail_reply="553 5.7.1 <alice@host.test>: "
                   "Sender address rejected: not owned by user")


def too_large(world, peer):
    failed_at_once(world, peer, final_reply="552 5.3.4 Message size exceeds "
                   "fixed limit")


def no_enhanced_code(world, peer):
    failed_at_once(world, peer, rcpt_reply="550 No such person at this address")


def command_failed(world, peer):
    world.write_aliases('tickets: "|echo no such project: dma; exit 69"\n')
    world.send("tickets")


def loop(world, peer):
    world.write_aliases("ann: bob\nbob: ann\n")
    world.send("ann")


def unreachable(world, peer):
    p = peer(Script())
    world.smarthost(p)
    p.close()
    world.send("-odq", "ann@far.test")
    ident, = world.queue()
    world.age(ident, 5 * DAY + 60)
    world.flush()


def delayed(world, peer):
    world.smarthost(peer(Script(rcpt_reply="451 4.7.1 Greylisted, try again "
                                "later")), WARN_AFTER="4h")
    world.leaves("queue")
    world.send("-odq", "ann@far.test")
    ident, = world.queue()
    world.age(ident, 4 * 3600 + 5)
    world.flush()


def mixed(world, peer):
    world.smarthost(peer(Script(rcpt_rules=(
        ("^ann", "550 5.1.1 no such user"),
        ("^dan", "554 5.7.1 Message rejected as spam by content filter")))))
    world.send("-N", "success,failure", "ann@far.test", "dan@far.test",
               "eve@far.test", "bob")


def long_reply(world, peer):
    line = "550%s5.7.26 This mail has been blocked because the sender is "\
        "unauthenticated. All senders must authenticate with SPF or DKIM. "
    failed_at_once(world, peer, rcpt_reply="\n".join(
        [line % "-" + "https://support.example/" + "a" * 200] * 12 +
        [line % " "]))


def non_ascii(world, peer):
    failed_at_once(world, peer, "jürgen@far.test",
                   capabilities=("SMTPUTF8", "8BITMIME"),
                   rcpt_reply="550 5.1.1 no such user")


def success(world, peer):
    world.send("-N", "success", "bob")


def list_member(world, peer):
    """Goes to the owner of the list, who is the sender's neighbour."""
    world.smarthost(peer(Script(rcpt_reply="550 5.1.1 no such user")))
    world.write_aliases("team: ann@far.test\nowner-team: alice\n")
    world.send("-f", "carol", "team")


ALL = (
    (unknown_user, Told("ann@far.test", "5.1.1")),
    (mailbox_full, Told("ann@far.test", "4.2.2")),
    (host_not_found, Told("ann@far.test", "5.1.2")),
    (sender_refused, Told("ann@far.test", "5.7.1")),
    (too_large, Told("ann@far.test", "5.3.4")),
    (no_enhanced_code, Told("ann@far.test", "5.0.0")),
    (command_failed, Told("tickets@host.test", "5.3.0")),
    (loop, Told("ann@host.test", "5.4.6")),
    (unreachable, Told("ann@far.test", "4.4.1")),
    (delayed, Told("ann@far.test", "4.7.1", "delayed")),
    (mixed, Told("ann@far.test", "5.1.1"), Told("dan@far.test", "5.7.1"),
     Told("eve@far.test", "2.0.0", "relayed"),
     Told("bob@host.test", "2.0.0", "delivered")),
    (long_reply, Told("ann@far.test", "5.7.26")),
    (non_ascii, Told("jürgen@far.test", "5.1.1")),
    (success, Told("bob@host.test", "2.0.0", "delivered")),
    (list_member, Told("ann@far.test", "5.1.1")),
)
