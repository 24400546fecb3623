"""A private Docker engine on a data root of the test's choice.

It runs in its own pid, mount, network (loopback only), uts and ipc namespaces and sees its own cgroup mounts, so it needs no
init system, leaves nothing mounted, and cannot disturb another engine. It holds one end of a pipe: when the test closes it, or
dies, the engine stops.
"""
import ctypes
import fcntl
import http.client
import io
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
import urllib.parse

DOCKERD, DOCKER = "/usr/sbin/dockerd", "/usr/bin/docker"
UNSHARE = ["unshare", "--mount", "--net", "--uts", "--ipc", "--pid", "--fork", "--kill-child", "--propagation", "private"]
# The v1 hierarchies a container wants. Not memory: tasks stay in the memory group they were started in.
CGROUPS_V1 = ("cpuset", "cpu", "cpuacct", "blkio", "devices", "freezer", "pids")


class EngineError(Exception):
    """The engine did not do what it was told; the text holds what it said."""


def unavailable():
    """Why no engine can run on this machine, or None."""
    if os.geteuid() != 0:
        return "a private engine needs root"
    for program in (DOCKERD, DOCKER):
        if not os.access(program, os.X_OK):
            return f"no {program}: install docker.io"
    probe = subprocess.run([*UNSHARE, sys.executable, "-B", __file__], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if probe.returncode != 0:
        return "no private namespaces here: " + (probe.stderr.strip().splitlines() or ["unknown cause"])[-1]
    return None


class Engine:
    """`beside`: a program that runs in the engine's namespaces as long as it does, from before to after it. What is left mounted
    below the root after both is in `left_mounts` once the engine has stopped. `files`: path -> text of files of this machine that
    the engine sees with other content."""

    def __init__(self, root, driver, flags=(), beside=(), files=None):
        self.root, self.driver = os.path.realpath(root), driver
        self.run = tempfile.mkdtemp(prefix="eng-", dir="/tmp")       # short: sockets lie in here
        self.sock, self.log = f"{self.run}/docker.sock", f"{self.run}/dockerd.log"
        self.cgroup = "cairn-" + os.path.basename(self.run)
        with open(f"{self.run}/daemon.json", "w") as config:
            json.dump({"deprecated-key-path": f"{self.run}/key.json"}, config)   # and never a stray /etc/docker/daemon.json
        command = [DOCKERD, "--config-file", f"{self.run}/daemon.json", "--data-root", self.root, "--exec-root", f"{self.run}/exec",
                   "--pidfile", f"{self.run}/dockerd.pid", "-H", f"unix://{self.sock}", "--iptables=false", "--ip6tables=false",
                   "--bridge=none", "--ip-forward=false", "--ip-masq=false", "--userland-proxy=false",
                   "--cgroup-parent", "/" + self.cgroup, "--storage-driver", driver, *flags]
        self.left_mounts, self.mounts_file = None, f"{self.run}/mounts"
        seen = {}
        for number, (path, text) in enumerate((files or {}).items()):
            seen[path] = f"{self.run}/file{number}"
            with open(seen[path], "w") as out:
                out.write(text)
        plan = json.dumps({"beside": list(beside), "files": seen, "below": self.root, "mounts_file": self.mounts_file})
        env = {"PATH": "/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": self.run}
        with open(self.log, "w") as log:
            self.process = subprocess.Popen([*UNSHARE, sys.executable, "-B", __file__, plan, *command], stdin=subprocess.PIPE, stdout=log,
                                            stderr=log, env=env, start_new_session=True)
        try:
            self._wait_ready(90)
        except BaseException:
            self.stop()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def pid(self):
        """dockerd's pid as this side sees it: unshare's child is the namespace's init, whose child is dockerd."""
        pid = self.process.pid
        for _ in range(2):
            with open(f"/proc/{pid}/task/{pid}/children") as children:
                pid = int(children.read().split()[0])
        return pid

    def docker(self, *args, input=None, check=True):
        """Runs the docker client; returns its stdout as bytes, or with check=False the completed process."""
        done = subprocess.run([DOCKER, "-H", f"unix://{self.sock}", *args], input=input, capture_output=True, timeout=300,
                              stdin=subprocess.DEVNULL if input is None else None,
                              env={"PATH": os.environ["PATH"], "HOME": self.run, "DOCKER_BUILDKIT": "0"})
        if not check:
            return done
        if done.returncode != 0:
            raise EngineError(f"docker {' '.join(args)}: exit {done.returncode}: {done.stderr.decode(errors='replace')}")
        return done.stdout

    def lines(self, *args):
        return self.docker(*args).decode().splitlines()

    def ask(self, path, method="GET", body=None):
        """The answer of the engine's own interface, which comes a hundred times sooner than that of a client."""
        connection = self._connect(300)
        try:
            connection.request(method, path, body=json.dumps(body) if body else None, headers={"Content-Type": "application/json"})
            response = connection.getresponse()
            answer = response.read()
        finally:
            connection.close()
        if response.status >= 400:
            raise EngineError(f"{method} {path}: {response.status} {answer.decode(errors='replace')}")
        return answer

    def ask_json(self, path, method="GET", body=None):
        return json.loads(self.ask(path, method, body))

    def export(self, container):
        return self.ask(f"/containers/{container}/export")

    def save(self, images):
        """One archive, as of `docker save`, open for reading."""
        return tarfile.open(fileobj=io.BytesIO(self.ask("/images/get?" + urllib.parse.urlencode({"names": list(images)}, doseq=True))))

    def inspect(self, name):
        return json.loads(self.docker("inspect", name))[0]

    def build(self, tag, dockerfile, files=None):
        """`docker build` of a Dockerfile and the files (name -> bytes) beside it; no network."""
        context = tempfile.mkdtemp(prefix="ctx-", dir=self.run)
        for name, data in {**(files or {}), "Dockerfile": dockerfile.encode()}.items():
            with open(f"{context}/{name}", "wb") as out:
                out.write(data)
            os.chmod(f"{context}/{name}", 0o755)
        self.docker("build", "-q", "--network=none", "-t", tag, context)

    def said(self):
        with open(self.log, errors="replace") as log:
            return "".join([line for line in log if "level=info" not in line and "level=debug" not in line][-12:])

    def stop(self):
        if self.process.stdin:
            self.process.stdin.close()
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()          # --kill-child: the whole pid namespace goes with it
            self.process.wait()
        if os.path.exists(self.mounts_file):
            with open(self.mounts_file) as left:
                self.left_mounts = left.read().splitlines()
        for top, _, _ in os.walk("/sys/fs/cgroup"):
            if os.path.basename(top) == self.cgroup:
                for group, _, _ in os.walk(top, topdown=False):
                    try:
                        os.rmdir(group)
                    except OSError:
                        pass
        shutil.rmtree(self.run, ignore_errors=True)

    def _wait_ready(self, seconds):
        deadline = time.monotonic() + seconds
        while not self._ping():
            if self.process.poll() is not None:
                raise EngineError(f"the engine did not start on {self.root} ({self.driver}):\n{self.said()}")
            if time.monotonic() > deadline:
                raise EngineError(f"the engine is not ready after {seconds} s:\n{self.said()}")
            time.sleep(0.1)

    def _ping(self):
        connection = None
        try:
            connection = self._connect(5)
            connection.request("GET", "/_ping")
            return connection.getresponse().read() == b"OK"
        except OSError:
            return False
        finally:
            if connection:
                connection.close()

    def _connect(self, seconds):
        connection = http.client.HTTPConnection("engine")
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.settimeout(seconds)
        connection.sock.connect(self.sock)
        return connection


def _mount(kind, target, data=""):
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(kind.encode(), target.encode(), kind.encode(), 0, data.encode()) != 0:
        err = ctypes.get_errno()
        raise OSError(err, f"mounting {kind} {data} on {target}: {os.strerror(err)}")


def _loopback_up():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        fcntl.ioctl(sock, 0x8914, struct.pack("16sH14x", b"lo", 0x41))   # SIOCSIFFLAGS: IFF_UP | IFF_RUNNING


def _set_up_namespaces():
    with open("/proc/cgroups") as table:
        rows = [line.split() for line in table if not line.startswith("#")]
    v1 = [row[0] for row in rows if row[0] in CGROUPS_V1 and row[1] != "0"]     # never makes a new hierarchy
    while subprocess.run(["umount", "-R", "-l", "/sys/fs/cgroup"], capture_output=True).returncode == 0:
        pass                             # mountinfo must show no hierarchy that is not reachable
    _mount("proc", "/proc")
    _mount("sysfs", "/sys")
    if v1:
        _mount("tmpfs", "/sys/fs/cgroup", "mode=755")
        for name in v1:
            os.mkdir(f"/sys/fs/cgroup/{name}")
            _mount("cgroup", f"/sys/fs/cgroup/{name}", name)
    else:
        _mount("cgroup2", "/sys/fs/cgroup")
    _mount("tmpfs", "/run", "mode=755")  # no containerd or engine of the host in sight
    _loopback_up()


def _mounts_below(path):
    with open("/proc/self/mountinfo") as table:
        return [target for target in (line.split()[4] for line in table) if target.startswith(path + "/")]


def _inside(plan, command):
    """Init of the engine's pid namespace: runs `command`, reaps orphans, ends when stdin does."""
    _set_up_namespaces()
    if not command:                      # the probe of unavailable()
        return
    plan = json.loads(plan)
    for path, shown in plan["files"].items():
        subprocess.run(["mount", "--bind", shown, path], check=True)
    beside = subprocess.Popen(plan["beside"], stdin=subprocess.DEVNULL) if plan["beside"] else None
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL)

    def stop_at_end_of_input():
        sys.stdin.buffer.read()
        os.kill(child.pid, signal.SIGTERM)

    threading.Thread(target=stop_at_end_of_input, daemon=True).start()
    while True:
        pid, status = os.wait()
        if pid == child.pid:
            if beside:
                beside.terminate()
                beside.wait()
            with open(plan["mounts_file"], "w") as left:
                left.write("".join(target + "\n" for target in _mounts_below(plan["below"])))
            os._exit(os.waitstatus_to_exitcode(status) & 0xFF)


if __name__ == "__main__":
    _inside("".join(sys.argv[1:2]), sys.argv[2:])
