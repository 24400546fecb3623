"""Runs cairn with one thing going wrong at its N-th system call on the trees it works on: see disturb/disturb.cc."""
import os
import shutil
import subprocess

from harness import Result

PROGRAM = os.environ.get("CAIRN_DISTURB", "")
CANNOT = 99


class Fault:
    """What goes wrong, in which calls (`of`), on which side; `lasting`: in all later ones, too."""

    def __init__(self, name, action, of, side, lasting=False):
        self.name, self.action, self.of, self.side, self.lasting = name, action, of, side, lasting

    def flags(self, when):
        return ["--when", str(when), "--do", self.action] + ["--lasting"] * self.lasting


KILL = Fault("kill", "kill", "all", "both")
KILL_AND_LOSE = Fault("kill, then a file of the target is lost", "kill", "changes", "target")
LOSE_SOURCE = Fault("a file of the source is away for a while", "run", "reads", "source")
REFUSALS = [
    Fault("full disk", "ENOSPC", "space", "target", lasting=True),
    Fault("disk full once", "ENOSPC", "space", "target"),
    Fault("quota used up", "EDQUOT", "space", "target", lasting=True),
    Fault("source unreadable", "EIO", "reads", "source", lasting=True),
    Fault("source unreadable once", "EIO", "reads", "source"),
    Fault("target not writable", "EIO", "changes", "target", lasting=True),
    Fault("target not writable once", "EIO", "changes", "target"),
    Fault("target unreadable once", "EIO", "reads", "target"),
]


def unavailable():
    """Why nothing can be disturbed here, or None."""
    if not PROGRAM:
        return "CAIRN_DISTURB does not name the program that disturbs"
    tried = subprocess.run([PROGRAM, "--of", "all", "--log", "/dev/null", "--", "/bin/true"], capture_output=True)
    return tried.stderr.decode() if tried.returncode == CANNOT else None


def run(argv, of, below, flags=(), log="/dev/null"):
    """(Result of the command, how many calls there were, which one was hit)."""
    command = [PROGRAM, "--of", of, *(part for path in below for part in ("--below", path)), *flags, "--log", log, "--", *argv]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=120)
    with open(log) as lines:
        count, hit = lines.read().splitlines()
    code = 128 - done.returncode if done.returncode > 128 else done.returncode
    return Result(argv[1:], code, done.stdout, done.stderr, 0), int(count), hit


class Away:
    """A file that is not in its place for a while; its directory shows no trace of that afterwards."""

    def __init__(self, path, refuge):
        self.path, self.refuge = path, refuge
        above = os.stat(os.path.dirname(path))
        self.times = (above.st_atime_ns, above.st_mtime_ns)

    def action(self):
        return f"run:mv '{self.path}' '{self.refuge}'"

    def back(self):
        if os.path.lexists(self.refuge):
            shutil.move(self.refuge, self.path)
            os.utime(os.path.dirname(self.path), ns=self.times)
