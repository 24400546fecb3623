"""What every end-to-end case shares: running cairn, scratch space, listings of trees, the shipped fixtures."""
import hashlib
import io
import json
import os
import resource
import shutil
import signal
import stat
import subprocess
import tarfile
import tempfile
import unittest

import engine

HERE = os.path.dirname(os.path.realpath(__file__))
FIXTURES = os.path.join(HERE, "..", "fixtures")
BUSYBOX = "/bin/busybox"
SANITIZED = bool(os.environ.get("CAIRN_SANITIZE"))


class Result:
    def __init__(self, args, code, stdout, stderr, max_rss):
        self.args, self.code, self.stdout, self.max_rss = args, code, stdout, max_rss
        self.stderr = stderr.decode(errors="replace")

    def text(self):
        return self.stdout.decode()

    def json(self):
        return json.loads(self.stdout)

    def __str__(self):
        return f"cairn {' '.join(map(str, self.args))}: exit {self.code}\nstdout: {self.stdout[-3000:]!r}\nstderr: {self.stderr[-3000:]}"


class Case(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.binary = os.environ.get("CAIRN_BIN") or self.skipTest("CAIRN_BIN does not name the cairn program")
        if os.geteuid() != 0:
            self.skipTest("needs root")
        self.tmp = tempfile.mkdtemp(prefix="cairn-e2e-", dir=os.environ.get("CAIRN_E2E_DIR", "/var/tmp"))
        self.addCleanup(self._remove_scratch)

    def _remove_scratch(self):
        for target in reversed(mounts_below(self.tmp)):
            subprocess.run(["umount", "-l", target], check=False)
        shutil.rmtree(self.tmp, ignore_errors=True)

    def path(self, *parts):
        return os.path.join(self.tmp, *parts)

    def cairn(self, *args, code=0, input=None, timeout=300, env=None, **popen):
        """Runs cairn and expects exit status `code` (None: any)."""
        result = self.start(*args, input=input, env=env, **popen).finish(input, timeout)
        if code is not None:
            self.assertEqual(result.code, code, str(result))
        self.assertNotIn("terminate called", result.stderr, str(result))
        return result

    def start(self, *args, input=None, env=None, **popen):
        return Running(self.binary, args, input is not None, {**os.environ, **(env or {})}, popen)

    def engine(self, root, driver, *flags, beside=(), files=None):
        """A private engine on `root`, stopped at the end of the case at the latest."""
        started = engine.Engine(root, driver, flags, beside, files)
        self.addCleanup(started.stop)
        return started

    def need_engine(self):
        why = engine.unavailable()
        if why:
            self.skipTest(why)

    def need_program(self, path, package):
        if not os.access(path, os.X_OK):
            self.skipTest(f"no {path}: install {package}")

    def fixture(self, name):
        """Unpacks tests/fixtures/NAME.tar.gz; returns its data root."""
        where = self.path(name)
        if not os.path.exists(where):
            os.mkdir(where)
            subprocess.run(["tar", "--xattrs", "--xattrs-include=*", "--numeric-owner", "-xzf", f"{FIXTURES}/{name}.tar.gz", "-C", where],
                           check=True)
        return os.path.join(where, "docker")

    def in_memory(self):
        """Scratch space that waits for no disk: for cases of many runs, to which the kind of file system means nothing."""
        subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755,size=90%", "tmpfs", self.tmp], check=True)

    def tmpfs(self, name, size):
        where = self.path(name)
        os.mkdir(where)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=755", "tmpfs", where], check=True)
        return where

    def btrfs(self, name):
        """A btrfs in a sparse file, mounted; the file and its loop device go with the mount."""
        self.need_program("/usr/sbin/mkfs.btrfs", "btrfs-progs")
        where, image = self.path(name), self.path(name + ".img")
        os.mkdir(where)
        with open(image, "wb") as file:
            file.truncate(4 << 30)
        subprocess.run(["/usr/sbin/mkfs.btrfs", "-q", image], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        if subprocess.run(["mount", "-t", "btrfs", "-o", "loop", image, where], check=False).returncode != 0:
            self.skipTest("a btrfs cannot be mounted here")
        os.unlink(image)
        return where

    def assert_same_tree(self, got, want, what=""):
        """Compares two listings; a failure shows the paths that differ, not both trees."""
        gone = {k: v for k, v in want.items() if k not in got}
        more = {k: v for k, v in got.items() if k not in want}
        other = {k: (got[k], want[k]) for k in got.keys() & want.keys() if got[k] != want[k]}
        if gone or more or other:
            self.fail(f"{what}\n  missing: {_few(gone)}\n  not expected: {_few(more)}\n  differ (got, want): {_few(other)}")


def _few(entries):
    return "".join(f"\n    {name}: {entry}" for name, entry in sorted(entries.items())[:8]) + (" ..." if len(entries) > 8 else "")


class Running:
    """A cairn that was started and may be killed."""

    def __init__(self, binary, args, piped, env, popen):
        self.args = args
        self.out, self.err = tempfile.TemporaryFile(), tempfile.TemporaryFile()
        self.process = subprocess.Popen([binary, *args], stdin=subprocess.PIPE if piped else subprocess.DEVNULL, stdout=self.out,
                                        stderr=self.err, env=env, **popen)

    def kill(self):
        os.kill(self.process.pid, signal.SIGKILL)    # not send_signal: it would reap a child that has ended, and wait4 not find it
        return self.finish()

    def finish(self, input=None, timeout=300):
        if input is not None:
            try:
                self.process.stdin.write(input)
                self.process.stdin.close()
            except BrokenPipeError:
                pass
        status, usage = self._wait(timeout)
        self.process.returncode = os.waitstatus_to_exitcode(status)
        texts = []
        for stream in (self.out, self.err):
            stream.seek(0)
            texts.append(stream.read())
            stream.close()
        return Result(self.args, self.process.returncode, *texts, usage.ru_maxrss)

    def _wait(self, timeout):
        """wait4, for the memory this one child used; SIGALRM ends a hang."""
        def too_long(*_):
            self.process.kill()
            raise TimeoutError(f"cairn {self.args}: still running after {timeout} s")

        before = signal.signal(signal.SIGALRM, too_long)
        signal.alarm(timeout)
        try:
            _, status, usage = os.wait4(self.process.pid, 0)
        finally:
            signal.alarm(0)
            signal.signal(signal.SIGALRM, before)
        return status, usage


def mounts_below(path):
    with open("/proc/self/mountinfo") as table:
        targets = [line.split()[4] for line in table]
    return sorted(t for t in targets if t == path or t.startswith(path + "/"))


def limit_memory(megabytes):
    """preexec_fn: a bound on address space, so that a runaway allocation fails here and not the machine."""
    if SANITIZED:
        return None                      # their shadow memory is terabytes of address space
    return lambda: resource.setrlimit(resource.RLIMIT_AS, (megabytes << 20, megabytes << 20))


def listing(root, times=True):
    """Everything below `root` that a copy must keep: path -> description. Names that are no UTF-8 come surrogate-escaped."""
    entries, groups = {}, {}
    for top, dirs, files in os.walk(root):
        for name in ["."] * (top == root) + dirs + files:
            path = os.path.join(top, name)
            shown = os.path.normpath(os.path.relpath(path, root))
            entries[shown], inode = describe(path, times)
            groups.setdefault(inode, []).append(shown)
    for names in groups.values():
        for name in names if len(names) > 1 else []:
            entries[name] += " linked to " + min(names)
    return entries


def describe(path, times=True):
    """One entry in words, and its inode."""
    st = os.lstat(path)
    parts = [stat.filemode(st.st_mode), f"{st.st_uid}:{st.st_gid}"]
    if times:
        parts.append(f"mtime={st.st_mtime_ns}")
    if stat.S_ISREG(st.st_mode):
        with open(path, "rb") as f:
            parts.append(f"size={st.st_size} sha256={hashlib.sha256(f.read()).hexdigest()[:16]}")
    if stat.S_ISLNK(st.st_mode):
        parts.append("-> " + os.readlink(path))
    if stat.S_ISCHR(st.st_mode) or stat.S_ISBLK(st.st_mode):
        parts.append(f"dev={os.major(st.st_rdev)},{os.minor(st.st_rdev)}")
    for name in sorted(os.listxattr(path, follow_symlinks=False)):
        if not name.startswith("trusted.overlay."):
            parts.append(f"{name}={os.getxattr(path, name, follow_symlinks=False).hex()}")
    return " ".join(parts), (st.st_dev, st.st_ino)


def tar_listing(source):
    """name -> description of a tar, given as bytes or as a path; comparable with tree_as_tar."""
    opened = {"fileobj": io.BytesIO(source)} if isinstance(source, bytes) else {"name": source}
    entries, links = {}, {}
    with tarfile.open(**opened, encoding="utf-8", errors="surrogateescape") as tar:
        for m in tar:
            name = os.path.normpath(m.name)
            if m.islnk():
                links[name] = os.path.normpath(m.linkname)
                continue
            data = hashlib.sha256(tar.extractfile(m).read()).hexdigest()[:16] if m.isreg() else ""
            kind = {tarfile.DIRTYPE: "d", tarfile.SYMTYPE: "l", tarfile.FIFOTYPE: "p", tarfile.CHRTYPE: "c", tarfile.BLKTYPE: "b"}
            entries[name] = _tar_entry(kind.get(m.type, "-"), m.mode, m.uid, m.gid, int(m.mtime), data, m.linkname, m.devmajor, m.devminor)
    for name, target in links.items():
        entries[name] = entries[target]
    for target in set(links.values()):
        for name in [n for n, t in links.items() if t == target] + [target]:
            entries[name] += " linked to " + min([n for n, t in links.items() if t == target] + [target])
    entries.pop(".", None)
    return entries


def tree_as_tar(root):
    """The listing that a tar of everything below `root` would have; sockets are left out, as every archiver does."""
    entries, groups = {}, {}
    for top, dirs, files in os.walk(root):
        for name in dirs + files:
            path = os.path.join(top, name)
            shown, st = os.path.relpath(path, root), os.lstat(path)
            if stat.S_ISSOCK(st.st_mode):
                continue
            kind = stat.filemode(st.st_mode)[0]
            data = ""
            if kind == "-":
                with open(path, "rb") as f:
                    data = hashlib.sha256(f.read()).hexdigest()[:16]
            target = os.readlink(path) if kind == "l" else ""
            numbers = (os.major(st.st_rdev), os.minor(st.st_rdev))
            entries[shown] = _tar_entry(kind, st.st_mode, st.st_uid, st.st_gid, int(st.st_mtime), data, target, *numbers)
            if kind != "d":
                groups.setdefault((st.st_dev, st.st_ino), []).append(shown)
    for names in groups.values():
        for name in names if len(names) > 1 else []:
            entries[name] += " linked to " + min(names)
    return entries


def _tar_entry(kind, mode, uid, gid, mtime, data, target, major, minor):
    mode = "" if kind == "l" else f" {mode & 0o7777:o}"
    device = f" {major},{minor}" if kind in "bc" else ""
    return f"{kind}{mode} {uid}:{gid} mtime={mtime} {data}{' -> ' + target if kind == 'l' else ''}{device}"


# What engines put into every container, whatever the image: names a comparison of root file systems leaves out.
INIT_FILES = {".dockerenv", ".dockerinit", "dev", "dev/console", "dev/pts", "dev/shm", "etc", "etc/hostname", "etc/hosts", "etc/mtab",
              "etc/resolv.conf", "proc", "sys"}


def without_init(entries):
    return {name: entry for name, entry in entries.items() if name not in INIT_FILES}
