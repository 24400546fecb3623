"""Debian's kernel packages, unpacked below build/vagrant/kernels/SUITE; nothing is installed."""
import os
import shutil
import subprocess
import tempfile

from lab import apt
from lab.machines import BUILD


def kernel(suite):
    """The folder with vmlinuz and lib/modules/VERSION of the suite's kernel, fetched when it is not there."""
    folder = os.path.join(BUILD, "kernels", suite)
    if not os.path.exists(os.path.join(folder, "vmlinuz")):
        _fetch(suite, folder)
    return folder


def version(folder):
    return os.listdir(os.path.join(folder, "lib/modules"))[0]


def _fetch(suite, folder):
    os.makedirs(os.path.dirname(folder), exist_ok=True)
    with tempfile.TemporaryDirectory(dir=os.path.dirname(folder), prefix=".fetch-") as work:
        packages = apt.Suite(suite, work)
        name = next(d for d in packages.dependencies("linux-image-amd64") if d.startswith("linux-image-"))
        root = os.path.join(work, "root")
        subprocess.run(["dpkg-deb", "-x", packages.download(name), root], check=True)
        if not os.path.isdir(os.path.join(root, "lib")):  # Debian 13 ships no /lib of its own
            os.rename(os.path.join(root, "usr/lib"), os.path.join(root, "lib"))
        boot = os.path.join(root, "boot")
        image = next(name for name in os.listdir(boot) if name.startswith("vmlinuz-"))
        os.rename(os.path.join(boot, image), os.path.join(root, "vmlinuz"))
        subprocess.run(["depmod", "-b", root, version(root)], check=True)
        shutil.rmtree(folder, ignore_errors=True)
        os.rename(root, folder)
