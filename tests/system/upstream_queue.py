"""upstream_queue.py - the queue of upstream dma, as its version 0.13 writes it.

tests/interop/test_upstream.py has it written by upstream itself.
"""
import glob
import itertools
import os
import pwd

from world import SPOOL, SPOOL_USER

TEXT = """Received: from %(login)s (uid %(uid)d)
\t(envelope-from %(sender)s)
\tid %(inode)x
\tby host.test (DragonFly Mail Agent v0.13);
\tSun, 29 Nov 2026 09:26:59 +0000
Subject: %(subject)s
Date: Sun, 29 Nov 2026 09:26:59 +0000
Message-Id: <6b0befe3.%(inode)x.1deddf5e@host.test>
From: <%(sender)s>

%(body)s"""


class Queue:
    """Files get the owner that upstream gives them, and the group that the
    installation does."""

    def __init__(self):
        self._numbers = itertools.count(0x55729b85e570, 0x80)
        self.clear()

    def clear(self):
        for path in glob.glob(SPOOL + "/[QM]*"):
            os.unlink(path)

    def submit(self, *recipients, subject="x", body="hello\n",
               sender="alice@host.test", login="alice", text=None):
        """A message; gives the names of its recipients' files."""
        names = []
        tmp = SPOOL + "/tmp_XXXXlF6CNn"
        self.write(tmp, "", login)
        inode = os.stat(tmp).st_ino
        if text is None:
            text = TEXT % dict(login=login, sender=sender, inode=inode,
                               uid=pwd.getpwnam(login).pw_uid,
                               subject=subject, body=body)
        self.write(tmp, text, login)
        for recipient in recipients:
            name = "%x.%x" % (inode, next(self._numbers))
            self.write("%s/Q%s" % (SPOOL, name), "ID: %s\nSender: %s\n"
                       "Recipient: %s\n" % (name, sender, recipient), login)
            os.link(tmp, "%s/M%s" % (SPOOL, name))
            names.append(name)
        os.unlink(tmp)
        return names

    def write(self, path, text, login="alice", mode=0o640):
        with open(path, "wb") as f:
            f.write(text if isinstance(text, bytes) else text.encode())
        os.chown(path, pwd.getpwnam(login).pw_uid,
                 pwd.getpwnam(SPOOL_USER).pw_gid)
        os.chmod(path, mode)

    def left(self):
        return sorted(os.path.basename(p)
                      for p in glob.glob(SPOOL + "/[QM]*"))
