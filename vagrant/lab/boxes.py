"""Vagrant boxes for libvirt, built from Debian's own mirror: no box server, no loop device, no mount of the image."""
import glob
import io
import json
import os
import shutil
import struct
import subprocess
import tarfile
import tempfile

from lab import apt
from lab.machines import BUILD

DISK = 3 << 30
START = 1 << 20  # of the one partition
# A machine that boots, is reached by ssh, and has what the tests call; nothing that wants a network.
PACKAGES = """linux-image-amd64 initramfs-tools systemd-sysv udev dbus openssh-server sudo iproute2 rsync kmod grub-pc-bin
grub-common e2fsprogs xfsprogs btrfs-progs lvm2 dmsetup thin-provisioning-tools""".split()
UNWANTED = ["/usr/share/man/*", "/usr/share/doc/*", "/usr/share/locale/*"]
IDLE = """systemd-networkd-wait-online.service apt-daily.timer apt-daily-upgrade.timer e2scrub_reap.service
e2scrub_all.timer fstrim.timer dpkg-db-backup.timer systemd-timesyncd.service lvm2-monitor.service""".split()
FILES = {
    "etc/fstab": "/dev/vda1 / ext4 noatime 0 1\n",
    "etc/sudoers.d/vagrant": "vagrant ALL=(ALL) NOPASSWD: ALL\n",
    "etc/ssh/sshd_config.d/box.conf": "UseDNS no\n",
    "etc/systemd/network/80-dhcp.network":
        "[Match]\nName=eth* en*\n[Network]\nDHCP=ipv4\nLinkLocalAddressing=no\n[DHCPv4]\nClientIdentifier=mac\n",
}
MODULES = {  # the initramfs finds the disk and no more, which saves seconds where nothing accelerates the machine
    "etc/initramfs-tools/conf.d/box": "MODULES=list\nCOMPRESS=gzip\nFSTYPE=ext4\nRESUME=none\n",
    "etc/initramfs-tools/modules": "virtio_pci\nvirtio_blk\next4\n",
}
BOOT = """linux (hd0,msdos1)/vmlinuz root=/dev/vda1 ro quiet net.ifnames=0 console=ttyS0 mitigations=off random.trust_cpu=on
initrd (hd0,msdos1)/initrd.img
boot
"""
VAGRANTFILE = 'Vagrant.configure("2") { |config| config.vm.provider(:libvirt) { |libvirt| libvirt.driver = "qemu" } }\n'


def box(machine):
    """The path of the machine's box, built when it is missing or older than this file."""
    path = os.path.join(BUILD, "boxes", machine.name + ".box")
    if not os.path.exists(path) or os.path.getmtime(path) < os.path.getmtime(__file__):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with tempfile.TemporaryDirectory(dir=os.path.dirname(path), prefix=".box-") as work:
            _build(machine, work)
            os.rename(os.path.join(work, "box"), path)
    return path


def _build(machine, work):
    root = os.path.join(work, "root")
    _bootstrap(machine.suite, root, work)
    _configure(machine.name, root)
    core = _boot_loader(root)
    disk = os.path.join(work, "disk")
    _make_disk(root, disk, core)
    subprocess.run(["qemu-img", "convert", "-O", "qcow2", disk, f"{work}/box.img"], check=True)
    metadata = json.dumps({"provider": "libvirt", "format": "qcow2", "virtual_size": DISK >> 30})
    with tarfile.open(f"{work}/box", "w:gz", compresslevel=1) as packed:
        for name, text in (("metadata.json", metadata), ("Vagrantfile", VAGRANTFILE)):
            entry = tarfile.TarInfo(name)
            entry.size = len(text)
            packed.addfile(entry, io.BytesIO(text.encode()))
        packed.add(f"{work}/box.img", "box.img")


def _bootstrap(suite, root, work):
    sources = os.path.join(work, "sources.list")
    _write(sources, "\n".join(apt.sources(suite)) + "\n")
    for name, text in MODULES.items():
        _write(os.path.join(work, "early", name), text)
    command = ["mmdebstrap", "--mode=root", "--variant=minbase", "--format=directory", "--quiet",
               "--aptopt=Acquire::Languages \"none\"", "--aptopt=Acquire::Check-Valid-Until \"false\"",
               *(f"--dpkgopt=path-exclude={path}" for path in UNWANTED), "--include=" + ",".join(PACKAGES),
               f"--essential-hook=cp -a {work}/early/. \"$1\"", suite, root, sources]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)


def _configure(name, root):
    def inside(*command, text=None):
        subprocess.run(["chroot", root, *command], check=True, input=text, text=True, capture_output=True)

    for path, text in {**FILES, "etc/hostname": name + "\n", "etc/hosts": f"127.0.0.1 localhost {name}\n"}.items():
        _write(os.path.join(root, path), text)
    inside("useradd", "-m", "-s", "/bin/bash", "-U", "vagrant")
    inside("chpasswd", text="vagrant:vagrant\n")
    # The key everyone has: Vagrant's own convention for boxes, which are reached from this host alone.
    key = next(iter(glob.glob("/usr/share/**/keys/vagrant.pub", recursive=True)), None)
    if key is None:
        raise SystemExit("building a box: Vagrant's public key is not on this machine; is the package vagrant installed?")
    os.mkdir(os.path.join(root, "home/vagrant/.ssh"), 0o700)
    shutil.copy(key, os.path.join(root, "home/vagrant/.ssh/authorized_keys"))
    inside("chown", "-R", "vagrant:vagrant", "/home/vagrant")
    inside("systemctl", "enable", "systemd-networkd.service", "ssh.service")
    inside("systemctl", "mask", *IDLE)
    _write(os.path.join(root, "etc/machine-id"), "")
    for path in glob.glob(f"{root}/etc/apt/sources.list*/*") + glob.glob(f"{root}/etc/apt/sources.list"):
        os.unlink(path)  # the box has no network, and the mirror is not its business


def _boot_loader(root):
    """Makes GRUB's image in the root and returns (boot code, image)."""
    _write(os.path.join(root, "tmp/boot.cfg"), BOOT)
    subprocess.run(["chroot", root, "grub-mkimage", "-O", "i386-pc", "-c", "/tmp/boot.cfg", "-p", "(hd0,msdos1)/boot/grub",
                    "-o", "/tmp/core.img", "biosdisk", "part_msdos", "ext2", "linux", "boot"], check=True)
    with open(f"{root}/usr/lib/grub/i386-pc/boot.img", "rb") as boot, open(f"{root}/tmp/core.img", "rb") as core:
        images = boot.read()[:440], core.read()
    for name in ("boot.cfg", "core.img"):
        os.unlink(os.path.join(root, "tmp", name))
    return images


def _make_disk(root, disk, images):
    """A partition table, GRUB before the partition, and in it ext4 filled from `root`."""
    with open(disk, "wb") as file:
        file.truncate(DISK)
    subprocess.run(["mkfs.ext4", "-q", "-F", "-b", "4096", "-O", "^metadata_csum_seed,^orphan_file", "-E",
                    f"offset={START},lazy_itable_init=1,nodiscard", "-d", root, disk, str((DISK - START) // 4096)], check=True)
    boot, core = images
    if len(core) > START - 512:
        raise SystemExit("building a box: GRUB's image does not fit before the partition")
    # One active partition of Linux's type; its addresses in cylinders say "too large to tell".
    entry = struct.pack("<B3sB3sII", 0x80, b"\xfe\xff\xff", 0x83, b"\xfe\xff\xff", START // 512, (DISK - START) // 512)
    with open(disk, "r+b") as file:
        file.write(boot.ljust(446, b"\0") + entry + bytes(48) + b"\x55\xaa")
        file.write(core)


def _write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
