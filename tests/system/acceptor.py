#!/usr/bin/env python3
"""acceptor.py - what init does with the submit socket, for the tests.

usage: acceptor.py COMMAND [ARG...]

Listens at /run/dma/submit and starts "dma --submit" for each connection, as
dma-submit.socket does, with the errors of these in LOG; meanwhile COMMAND
runs, with its exit status.
"""
import ctypes
import os
import signal
import socket
import subprocess
import sys

PATH = "/run/dma/submit"
LOG = "/run/dma/submit.log"
BINARY = "/usr/sbin/dma"
PR_SET_PDEATHSIG, PR_SET_NO_NEW_PRIVS = 1, 38


def listen(path=PATH):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    if os.path.exists(path):
        os.unlink(path)
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    server.bind(path)
    os.chmod(path, 0o666)
    server.listen(128)
    return server


def serve(server):
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)   # nobody waits for them
    log = open(LOG, "ab")
    while True:
        connection, _ = server.accept()
        subprocess.Popen([BINARY, "--submit"], stdin=connection,
                         stdout=log, stderr=log, env={}, cwd="/")
        connection.close()


def start(path=PATH):
    """A process that serves; its pid."""
    server = listen(path)
    pid = os.fork()
    if pid == 0:
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        try:
            serve(server)
        finally:
            os._exit(1)
    server.close()
    return pid


def no_new_privs():
    ctypes.CDLL(None).prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def is_for_all():
    """Whether the calls of users are to have no other way than this one."""
    return os.environ.get("WORLD_SUBMIT") == "socket"


if __name__ == "__main__":
    start()
    os.execvp(sys.argv[1], sys.argv[1:])
