"""The second boot of the same system, with mail in its queue."""
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "system"))

from booted import Booted   # noqa: E402

LOCAL, FAR = "bob", "ann@far.test"


def leave_mail():
    """At the end of the first boot: for a user, and for a relay that is away,
    both with nobody to deliver it."""
    world = Booted()
    world.write_conf({"SMARTHOST": "127.0.0.1:9"})
    world.systemctl("stop", "dma.socket", "dma.service")
    for recipient in (LOCAL, FAR):
        subprocess.run(["/usr/sbin/sendmail", "-odq", recipient], check=True,
                       input=b"Subject: left behind\n\n")


def test_y4_mail_is_in_the_queue_at_boot():
    world = Booted.as_it_is()
    assert world.systemctl("is-system-running").stdout == b"running\n"
    message, = world.wait_mail(LOCAL)
    assert message["Subject"] == "left behind"
    world.wait_tried(FAR)
    assert set(world.units_of("status=")) == {"dma.service"}
    assert len(world.queue()) == 1
    assert world.runner()
    assert world.failed() == []


if __name__ == "__main__":
    leave_mail()
