"""libvirt for the time of one run, in namespaces of its own: the machines reach this host and nothing else, nothing of the
host's own libvirt is touched, and all of it ends with the namespace."""
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time

from lab.machines import BUILD

INSIDE = "CAIRN_LIBVIRT_NAMESPACE"
# Without Debian's defaults for a desktop: no security driver, no cgroups, no other user. With those an `up` takes minutes.
QEMU_CONF = """user = "root"
group = "root"
security_driver = "none"
cgroup_controllers = []
namespaces = []
remember_owner = 0
"""
LIBVIRTD_CONF = """auth_unix_rw = "none"
auth_unix_ro = "none"
log_outputs = "3:stderr"
"""
POOL = "cairn"


def enter_namespace():
    """Starts this program again in namespaces of its own; returns there."""
    if os.environ.get(INSIDE):
        _adopt_orphans()
        return
    os.environ[INSIDE] = "1"
    with subprocess.Popen(["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc",
                           "--propagation", "private", sys.executable, *sys.argv]) as inside:
        signal.signal(signal.SIGTERM, lambda *_: inside.kill())  # unshare blocks it; all it started ends with it
        sys.exit(inside.wait())


def _adopt_orphans():
    """The namespace's first process is everybody's parent in the end: libvirt waits for machines that nobody else collects."""
    child = os.fork()
    if child == 0:
        return
    while True:
        ended, status = os.wait()
        if ended == child:
            os._exit(os.waitstatus_to_exitcode(status) & 0xff)


@contextlib.contextmanager
def running():
    """libvirtd and virtlogd, with a pool called POOL, inside what enter_namespace made."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    for folder in ("/run", "/etc/libvirt", "/var/lib/libvirt", "/var/cache/libvirt", "/var/log/libvirt"):
        os.makedirs(folder, exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", folder], check=True)
    for folder in ("/run/lock", "/run/libvirt"):
        os.makedirs(folder)
    for name, text in (("qemu.conf", QEMU_CONF), ("libvirtd.conf", LIBVIRTD_CONF)):
        with open(os.path.join("/etc/libvirt", name), "w", encoding="utf-8") as file:
            file.write(text)
    with open(os.path.join(BUILD, "libvirtd.log"), "w", encoding="utf-8") as log:
        started = [subprocess.Popen([f"/usr/sbin/{name}"], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
                   for name in ("virtlogd", "libvirtd")]
        try:
            _wait_until_it_answers()
            pool = os.path.join(BUILD, "pool")
            shutil.rmtree(pool, ignore_errors=True)  # what a run that was ended left
            os.makedirs(pool)
            _virsh("pool-create-as", POOL, "dir", "--target", pool)
            yield
        finally:
            for process in reversed(started):
                process.terminate()
                process.wait()


def _wait_until_it_answers():
    for _ in range(150):
        if not _virsh("version", check=False).returncode:
            return
        time.sleep(0.2)
    raise SystemExit(f"starting libvirtd: it does not answer; see {BUILD}/libvirtd.log")


def _virsh(*arguments, check=True):
    return subprocess.run(["virsh", "-c", "qemu:///system", *arguments], check=check, capture_output=True, text=True)
