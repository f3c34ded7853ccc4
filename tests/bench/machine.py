"""machine.py - on what, and under what load, was measured."""
import os
import platform
import re
import subprocess
import time


def lines_of(path):
    try:
        with open(path) as f:
            return f.read().splitlines()
    except OSError:
        return []


def processor():
    names = [x.partition(":")[2].strip() for x in lines_of("/proc/cpuinfo")
             if x.startswith(("model name", "Hardware"))]
    return names[0] if names else platform.machine()


def memory_gb():
    kb = [int(x.split()[1]) for x in lines_of("/proc/meminfo")
          if x.startswith("MemTotal")]
    return kb[0] / 1e6 if kb else 0


def disk(path):
    """Device and kind of the file system."""
    done = subprocess.run(["df", "--output=source,fstype", path],
                          stdout=subprocess.PIPE, text=True, check=True)
    return " ".join(done.stdout.splitlines()[1].split())


def system_name():
    names = [x.partition("=")[2].strip('"') for x in
             lines_of("/etc/os-release") if x.startswith("PRETTY_NAME")]
    return names[0] if names else platform.system()


def versions(cache):
    """Of the peers, as their packages say."""
    out = []
    for name in sorted(os.listdir(cache)):
        match = re.fullmatch(r"(.*)\.version", name)
        if match:
            out.append("%s %s" % (match.group(1), lines_of(os.path.join(
                cache, name))[0]))
    return ", ".join(out)


def about(cache, folder):
    kernel = platform.release().partition("-")[0]
    return ["machine: %d x %s, %.0f GB; %s" % (
                os.cpu_count(), processor(), memory_gb(), disk(folder)),
            "system:  %s, Linux %s" % (system_name(), kernel),
            "peers:   " + versions(cache),
            "date:    " + time.strftime("%Y-%m-%d")]


def load():
    """Of the last minute."""
    return os.getloadavg()[0]
