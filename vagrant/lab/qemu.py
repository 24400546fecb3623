"""A small machine of QEMU: one of Debian's kernels over this host's own root file system, which it only reads."""
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from lab.initramfs import initramfs
from lab.kernels import version
from lab.machines import BUILD

COMMAND_LINE = ("console=ttyS0 quiet loglevel=4 reboot=t panic=-1 mitigations=off rcupdate.rcu_expedited=1 "
                "random.trust_cpu=on apparmor=0 net.ifnames=0")
KVM = ["-accel", "kvm", "-cpu", "host"]
TCG = ["-accel", "tcg,thread=multi,tb-size=512", "-cpu", "max,la57=off"]
BARE = ["-M", "pc,usb=off", "-nodefaults", "-no-user-config", "-no-reboot", "-display", "none", "-nic", "none"]

# The first process: /.vm is the control folder, shared with the host.
START = """
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 TERM=dumb
mount -t proc proc /proc; mount -t sysfs sysfs /sys; mount -t devtmpfs dev /dev
mkdir -p /dev/pts /dev/shm /dev/mapper
mount -t devpts -o gid=5,mode=620,ptmxmode=666 devpts /dev/pts; mount -t tmpfs -o mode=1777 shm /dev/shm
mount -t tmpfs -o mode=755 run /run; mkdir -p /run/lock
mount -t cgroup2 cgroup2 /sys/fs/cgroup
ln -sfn /proc/self/fd /dev/fd; ln -sfn fd/0 /dev/stdin; ln -sfn fd/1 /dev/stdout; ln -sfn fd/2 /dev/stderr
mkdir -p /lib/modules; ln -sfn {modules} /lib/modules/{version}
modprobe -a loop dm_thin_pool fuse ext4 xfs btrfs
number=$(awk '$2 == "device-mapper" {{ print $1 }}' /proc/misc)
[ -e /dev/mapper/control ] || mknod /dev/mapper/control c 10 "$number"
hostname machine; ip link set lo up 2>/dev/null || busybox ifconfig lo up
# No udevd runs here: libdevmapper makes the nodes itself.
export DM_DISABLE_UDEV=1 CAIRN_MACHINE={name}
mkdir -p /results; mount -t 9p -o trans=virtio,version=9p2000.L,msize=512000,cache=none results /results
cd {folder}; read -r up _ < /proc/uptime; echo "$up" > /.vm/up
( exec {command} ) < /dev/null > /dev/vport0p1 2>&1
echo $? > /.vm/status.new; mv /.vm/status.new /.vm/status
sync; /.vm/busybox reboot -f
"""


class Failed(Exception):
    """The machine came to no exit status."""


def run(folder, command, *, name="vm", memory=2048, cpus=2, disks=(), results=None, timeout=600, log=sys.stderr):
    """Runs `command` as root in a machine with the kernel in `folder`; its output goes to stdout. `disks` are sizes of blank
    disks (vda, vdb…), `results` a folder that is /results there. Returns the exit status, or raises Failed."""
    started = time.monotonic()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # else the machine would outlive us
    with tempfile.TemporaryDirectory(prefix="cairn-vm-") as work:
        control = os.path.join(work, "control")
        os.mkdir(control)
        os.mkdir(os.path.join(work, "results"))
        shutil.copy("/bin/busybox", control)
        with open(os.path.join(control, "start"), "w", encoding="utf-8") as file:
            file.write(START.format(modules=shlex.quote(os.path.join(folder, "lib/modules", version(folder))),
                                    version=version(folder), name=name, folder=shlex.quote(os.getcwd()),
                                    command=shlex.join(command)))
        kvm = _kvm_works(folder)
        code = _boot(_arguments(folder, work, kvm, memory, cpus, disks, results), timeout)
        status = _read(os.path.join(control, "status"))
        print(f"{name}: Linux {version(folder)}, {'KVM' if kvm else 'TCG'}, up in {_read(os.path.join(control, 'up')) or '?'} s, "
              f"{time.monotonic() - started:.0f} s in all, status {status or 'none'}", file=log)
        if status:
            return int(status)
        console = _read(os.path.join(work, "console"))
        raise Failed(f"running {shlex.join(command)} in '{name}': "
                     + (f"no end after {timeout} s" if code is None else f"the machine stopped, QEMU's status is {code}")
                     + "; the end of its console:\n" + "\n".join(console.splitlines()[-30:]))


def _arguments(folder, work, kvm, memory, cpus, disks, results):
    out = ["qemu-system-x86_64", *(KVM if kvm else TCG), *BARE, "-m", str(memory), "-smp", str(cpus),
           "-kernel", f"{folder}/vmlinuz", "-initrd", initramfs(folder), "-append", COMMAND_LINE,
           "-serial", f"file:{work}/console", "-chardev", "stdio,id=out,signal=off", "-device", "virtio-serial-pci",
           "-device", "virtserialport,chardev=out,name=out"]
    shares = [("host", "/", "none,readonly=on"), ("control", f"{work}/control", "none"), ("results", results or f"{work}/results", "passthrough")]
    for tag, path, model in shares:
        out += ["-fsdev", f"local,id={tag},path={path},security_model={model},multidevs=remap",
                "-device", f"virtio-9p-pci,fsdev={tag},mount_tag={tag}"]
    for number, size in enumerate(disks):
        disk = os.path.join(work, f"disk{number}")
        subprocess.run(["truncate", "-s", size, disk], check=True)
        out += ["-drive", f"file={disk},if=none,id=d{number},format=raw,cache=unsafe,discard=unmap",
                "-device", f"virtio-blk-pci,drive=d{number}"]
    return out


def _boot(arguments, timeout, stderr=None):
    """QEMU's exit status; None when it had to be ended."""
    # A pipe nobody writes to: at an end of stdin QEMU would close the port that carries the output, and the machine wait.
    process = subprocess.Popen(arguments, stdin=subprocess.PIPE, stderr=stderr)
    try:
        return process.wait(timeout)
    except subprocess.TimeoutExpired:
        return None
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            process.wait()


def _kvm_works(folder):
    """Whether KVM gets a kernel to its first process: /dev/kvm alone does not say so. Tried once for each start of the host."""
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return False
    known = os.path.join(BUILD, "kvm-" + _read("/proc/sys/kernel/random/boot_id").strip())
    if not os.path.exists(known):
        with tempfile.TemporaryDirectory(prefix="cairn-vm-") as work:
            _boot(["qemu-system-x86_64", *KVM, *BARE, "-m", "512", "-serial", f"file:{work}/console", "-kernel",
                   f"{folder}/vmlinuz", "-initrd", initramfs(folder), "-append", COMMAND_LINE + " cairn.probe"], 10,
                  stderr=subprocess.DEVNULL)
            answer = "yes" if "cairn-probe-ok" in _read(os.path.join(work, "console")) else "no"
        with open(known, "w", encoding="utf-8") as file:
            file.write(answer)
    return _read(known) == "yes"


def _read(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except FileNotFoundError:
        return ""
