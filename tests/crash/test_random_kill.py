"""kill -9 of processes of ours at random, over many submissions."""
import hashlib
import os
import random
import signal
import subprocess
import threading
import time

from smtp_peer import Script
from world import SENDMAIL

SEED = int(os.environ.get("DMA_CRASH_SEED", "1"))
SUBMISSIONS = 200
AT_ONCE = 6

# Takes its message to a name of its own only when it is whole.
KEEP = """#!/bin/sh
cat > in/$$.part && mv in/$$.part in/$QUEUE_ID.$$
"""


class Killer(threading.Thread):
    """Kills one process of ours after the other, at random times."""
    def __init__(self, world, seed):
        super().__init__(daemon=True)
        self.world, self.random = world, random.Random(seed)
        self.kills, self.over = 0, False

    def run(self):
        while not self.over:
            time.sleep(self.random.uniform(0.001, 0.03))
            pids = self.world.processes()
            if not pids:
                continue
            try:
                os.kill(self.random.choice(pids), signal.SIGKILL)
                self.kills += 1
            except ProcessLookupError:
                pass


def text_of(n):
    body = "".join("%d.%d %s\n" % (n, i, "x" * (n % 60)) for i in range(
        20 + n * 7 % 900))
    digest = hashlib.sha256(body.encode()).hexdigest()
    return "Subject: n%d\nX-Digest: %s\n\n%s" % (n, digest, body)


def recipients_of(rng):
    kinds = ("bob", "carol", "ann@far.test")
    return rng.choice(((kinds[0],), (kinds[1],), (kinds[2],), kinds,
                       kinds[:2], kinds[1:]))


def body_is_whole(header, body):
    lines = [x for x in header.splitlines() if x.startswith(b"X-Digest: ")]
    return lines and hashlib.sha256(body).hexdigest().encode() == \
        lines[0].split()[1]


def submit_all(world, rng):
    """number -> (recipients, acknowledged)."""
    sent, running = {}, []

    def reap(most):
        while len(running) > most:
            n, p = running.pop(0)
            sent[n] = (sent[n][0], p.wait(60) == 0)

    for n in range(SUBMISSIONS):
        to = recipients_of(rng)
        sent[n] = (to, False)
        path = "/tmp/text-%d" % n
        with open(path, "w") as f:
            f.write(text_of(n))
        with open(path, "rb") as f:
            running.append((n, world.start(
                [SENDMAIL, "-i", *to], user="alice", stdin=f,
                stderr=subprocess.DEVNULL)))
        os.unlink(path)
        reap(AT_ONCE)
    reap(0)
    return sent


def number(subject):
    return int(subject.strip().partition("n")[2])


def test_random_kills_lose_nothing(world, peer):
    print("seed %d" % SEED)
    rng = random.Random(SEED)
    # Every other connection goes without PIPELINING.
    p = peer(*(Script(capabilities=("8BITMIME",) +
                      ("PIPELINING",) * (n % 2)) for n in range(1000)))
    world.write_conf({"SMARTHOST": "smart.test:%d" % p.port,
                      "RETRY": "1s 2s 5d"})
    os.mkdir("/home/carol/in")
    os.chown("/home/carol/in", os.stat("/home/carol").st_uid, -1)
    world.write_home("carol", "keep", KEEP, 0o755)
    world.forward("carol", "|/home/carol/keep\n")

    killer = Killer(world, SEED)
    killer.start()
    sent = submit_all(world, rng)
    time.sleep(1)       # some deliveries under fire, too
    killer.over = True
    killer.join()
    for _ in range(30):
        world.flush(limit=120)
        if not world.queue():
            break
    world.wait_quiet(60)
    print("%d kills, %d acknowledged" % (
        killer.kills, sum(ok for _, ok in sent.values())))
    assert killer.kills > 10
    assert world.spool_litter() == []

    # Bounces would come here: nothing failed for good.
    assert world.mailbox("alice") == []

    seen = [number(x["Subject"]) for x in world.mailbox("bob")]
    for x in world.mailbox("bob"):
        assert body_is_whole(x.header_bytes, x.body), x["Subject"]
    assert len(seen) == len(set(seen))
    wanted = {n for n, (to, ok) in sent.items() if ok and "bob" in to}
    assert wanted <= set(seen), wanted - set(seen)

    piped = set()
    for name in os.listdir("/home/carol/in"):
        with open("/home/carol/in/" + name, "rb") as f:
            header, _, body = f.read().partition(b"\n\n")
        if body_is_whole(header, body):
            piped.add(int(header.partition(b"Subject: n")[2].split()[0]))
    wanted = {n for n, (to, ok) in sent.items() if ok and "carol" in to}
    assert wanted <= piped, wanted - piped

    relayed = set()
    for t in p.taken:
        header, _, body = t.data.partition(b"\r\n\r\n")
        assert body_is_whole(header, body.replace(b"\r\n", b"\n"))
        relayed.add(int(header.partition(b"Subject: n")[2].split()[0]))
    wanted = {n for n, (to, ok) in sent.items() if ok and "ann@far.test" in to}
    assert wanted <= relayed, wanted - relayed
