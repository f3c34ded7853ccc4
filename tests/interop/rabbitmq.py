"""rabbitmq.py - three real RabbitMQ nodes that are one cluster.

All have an address, a directory and ports of their own on the loopback, in the
network namespace of the tests.  One can be killed, stopped or started again.
"""
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import time

NODES = ("one", "two", "three")
BASE = "/var/lib/rabbitmq-tests"
SERVER = "/usr/lib/rabbitmq/bin/rabbitmq-server"
HERE = os.path.dirname(os.path.abspath(__file__))

CONF = """listeners.tcp.1 = 127.0.0.1:%(port)d
loopback_users = none
vm_memory_high_watermark.absolute = 2GB
disk_free_limit.absolute = 1MB
cluster_partition_handling = pause_minority
cluster_formation.peer_discovery_backend = classic_config
%(peers)s
log.console = false
"""
TLS = """listeners.ssl.1 = 127.0.0.1:%(port)d
ssl_options.cacertfile = %(ca)s
ssl_options.certfile = %(certificate)s
ssl_options.keyfile = %(certificate)s
ssl_options.verify = verify_none
"""


def wait_until(condition, what, limit=60):
    end = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.05)


def tool(name):
    """A program of this folder, compiled."""
    made = "/tmp/" + name
    if not os.path.exists(made):
        subprocess.run(["cc", "-std=c11", "-D_GNU_SOURCE", "-O2", "-o", made,
                        "%s/%s.c" % (HERE, name), "-lrabbitmq"], check=True)
    return made


class Node:
    def __init__(self, number, tls):
        self.name = NODES[number]
        self.port = 5673 + number
        self.tls_port = 5683 + number
        self.folder = "%s/%s" % (BASE, self.name)
        self._process = None
        shutil.rmtree(self.folder, ignore_errors=True)
        os.makedirs(self.folder)
        peers = ["cluster_formation.classic_config.nodes.%d = %s@localhost"
                 % (i + 1, name) for i, name in enumerate(NODES)]
        with open(self.folder + "/rabbitmq.conf", "w") as f:
            f.write(CONF % {"port": self.port, "peers": "\n".join(peers)})
            if tls:
                f.write(TLS % {"port": self.tls_port, **tls})
        owner = pwd.getpwnam("rabbitmq")
        os.chown(self.folder, owner.pw_uid, owner.pw_gid)

    def environment(self):
        return {"HOME": "/var/lib/rabbitmq", "LANG": "C.UTF-8",
                "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
                "RABBITMQ_NODENAME": self.name + "@localhost",
                "RABBITMQ_NODE_PORT": str(self.port),
                "RABBITMQ_DIST_PORT": str(self.port + 20000),
                "RABBITMQ_CONFIG_FILE": self.folder + "/rabbitmq.conf",
                "RABBITMQ_MNESIA_BASE": self.folder,
                "RABBITMQ_LOG_BASE": self.folder + "/log",
                "RABBITMQ_ENABLED_PLUGINS_FILE": "/dev/null",
                "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1 +sbwt none"}

    def start(self):
        out = open(self.folder + "/out", "ab")
        self._process = subprocess.Popen(
            ["setpriv", "--reuid", "rabbitmq", "--regid", "rabbitmq",
             "--clear-groups", SERVER], env=self.environment(), stdout=out,
            stderr=out, stdin=subprocess.DEVNULL, start_new_session=True)
        out.close()

    def is_up(self):
        try:
            with socket.create_connection(("127.0.0.1", self.port), 2) as s:
                s.sendall(b"AMQP\0\0\x09\x01")
                return s.recv(1) == b"\x01"
        except OSError:
            return False

    def wait_up(self):
        wait_until(self.is_up, "%s does not start" % self.name)

    def signal(self, number):
        os.killpg(self._process.pid, number)

    def kill(self):
        self.signal(signal.SIGKILL)
        self._process.wait()

    def ctl(self, *args):
        return subprocess.run(
            ["setpriv", "--reuid", "rabbitmq", "--regid", "rabbitmq",
             "--clear-groups", "rabbitmqctl", "-q", "-n",
             self.name + "@localhost", *args], env=self.environment(),
            stdin=subprocess.DEVNULL, capture_output=True, check=True,
            timeout=60).stdout.decode()


class Message:
    """One that amqp_peer took."""
    def __init__(self, head, body):
        fields = [line.partition(": ") for line in head.split("\n")]
        self.fields = [(name, value) for name, _, value in fields]
        self.body = body
        found = re.search(rb"^X-Number: (\d+)\r$", body, re.M)
        self.number = int(found.group(1)) if found else None

    def all(self, name):
        return [value for key, value in self.fields if key == name]


class Cluster:
    def __init__(self, tls=None):
        cookie = "/var/lib/rabbitmq/.erlang.cookie"
        owner = pwd.getpwnam("rabbitmq")
        with open(cookie, "w") as f:
            f.write("of-the-tests")
        os.chown(cookie, owner.pw_uid, owner.pw_gid)
        os.chmod(cookie, 0o400)
        # RabbitMQ's name server of nodes, which outlives each of them.
        subprocess.run(["epmd", "-daemon"], check=True)
        self.queue, self._count = None, 0
        self.nodes = [Node(i, tls) for i in range(len(NODES))]

    def start(self):
        for node in self.nodes:
            node.start()
        self.wait_running()

    def wait_running(self):
        """All see each other."""
        for node in self.nodes:
            node.wait_up()
        wait_until(lambda: all(map(self._sees_all, self.nodes)), "no cluster")

    def _sees_all(self, node):
        try:
            out = node.ctl("eval", "length(rabbit_nodes:all_running()).")
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
            return False
        return int(out) == len(NODES)

    def stop(self):
        for node in self.nodes:
            try:
                node.kill()
            except ProcessLookupError:
                pass
        subprocess.run(["epmd", "-kill"], stdout=subprocess.DEVNULL)

    def peer(self, *args, node=0, **more):
        done = subprocess.run(
            [tool("amqp_peer"), str(self.nodes[node].port),
             *(str(a) for a in args)], stdout=subprocess.PIPE, timeout=120,
            **more)
        assert done.returncode == 0, args
        return done.stdout

    def fresh(self, key="#", node=0):
        """An empty quorum queue of three members, bound to the exchange; of a
        new name, so that no node remembers another one."""
        if self.queue:
            self.peer("delete", self.queue, node=node)
        self._count += 1
        self.queue = "mail-%d" % self._count
        self.peer("declare", "dma", self.queue, key, node=node)

    def take(self, queue=None, node=0):
        """All messages of a queue."""
        data, found = self.peer("get", queue or self.queue, node=node), []
        while data:
            head, _, rest = data.partition(b"\n\n")
            length, _, head = head.partition(b"\n")
            found.append(Message(head.decode(), rest[:int(length)]))
            data = rest[int(length):]
        return found
