"""The few files a machine needs before it sees the host's root file system."""
import lzma
import os
import shutil
import subprocess
import tempfile

from lab.kernels import version

# What it takes to get there; the rest is loaded by name afterwards.
MODULES = ["virtio_pci", "virtio_blk", "virtio_console", "9pnet_virtio", "9p", "overlay"]

INIT = """#!/bin/sh
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc && mount -t sysfs sysfs /sys && mount -t devtmpfs dev /dev
give_up() { echo "init: $*" > /dev/console; reboot -f; }
grep -q cairn.probe /proc/cmdline && { echo cairn-probe-ok > /dev/console; reboot -f; }
while read -r module; do insmod "/modules/$module" || give_up "insmod $module"; done < /modules/order
share=trans=virtio,version=9p2000.L,msize=512000
mount -t 9p -o "$share,cache=loose,ro" host /lower || give_up "the host's root"
mount -t tmpfs -o mode=755,size=80% rw /rw && mkdir /rw/upper /rw/work
mount -t overlay -o lowerdir=/lower,upperdir=/rw/upper,workdir=/rw/work root /root || give_up "the root"
mkdir -p /root/.vm && mount -t 9p -o "$share,cache=none" control /root/.vm || give_up "the control folder"
exec switch_root /root /bin/sh /.vm/start
"""


def initramfs(folder):
    """The path of the initramfs beside the kernel in `folder`; made again when this file is newer."""
    path = os.path.join(folder, "initramfs")
    if os.path.exists(path) and os.path.getmtime(path) > os.path.getmtime(__file__):
        return path
    with tempfile.TemporaryDirectory(dir=folder, prefix=".initramfs-") as work:
        _fill(folder, work)
        files = subprocess.run(["find", ".", "-mindepth", "1"], cwd=work, stdout=subprocess.PIPE, check=True).stdout
        with open(path + ".new", "wb") as out:
            subprocess.run(["cpio", "-o", "-H", "newc", "--quiet"], cwd=work, input=files, stdout=out, check=True)
    os.rename(path + ".new", path)
    return path


def _fill(folder, work):
    for name in ("bin", "dev", "proc", "sys", "lower", "rw", "root", "modules"):
        os.mkdir(os.path.join(work, name))
    shutil.copy("/bin/busybox", os.path.join(work, "bin/busybox"))
    os.symlink("busybox", os.path.join(work, "bin/sh"))
    with open(os.path.join(work, "init"), "w", encoding="utf-8") as file:
        file.write(INIT)
    os.chmod(os.path.join(work, "init"), 0o755)
    with open(os.path.join(work, "modules/order"), "w", encoding="utf-8") as order:
        for source in _in_load_order(folder):
            name = os.path.basename(source).removesuffix(".xz")
            with (lzma.open if source.endswith(".xz") else open)(source, "rb") as packed:
                with open(os.path.join(work, "modules", name), "wb") as file:
                    shutil.copyfileobj(packed, file)
            order.write(name + "\n")


def _in_load_order(folder):
    found = []
    for module in MODULES:
        text = subprocess.run(["modprobe", "-d", folder, "-S", version(folder), "--show-depends", module],
                              stdout=subprocess.PIPE, text=True, check=True).stdout
        for line in text.splitlines():
            kind, _, path = line.strip().partition(" ")
            if kind == "insmod" and path not in found:
                found.append(path)
    return found
