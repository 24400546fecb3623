#!/usr/bin/env python3
"""migrations.py [--runs N] [--scale N] [--fs ext4|xfs|btrfs [--cold]] [--json FILE] [--only NAME,...] CAIRN

Times migrations on one file system next to one pass of sha256sum over the files that the layers are made of, on all cores (the
first of each list, to which the ratios are), the same pass by OpenSSL, which knows the processor's own instructions, a pass over
the root as it lies (a root of vfs has a file once for each layer above it), and copies of the source by cp -a --reflink=auto and
by tar. Wall time, and processor time, which a busy machine changes less; medians.

The store is what make_images.py makes (--scale 2: 1.1 GB, 77,000 files in six layers). It lies on a tmpfs, or on a file system
of its own that is made with --fs in a sparse file below TMPDIR; --cold unmounts that before each run, so that everything comes
from the disk.
"""
import argparse
import os
import shutil
import subprocess
import tempfile

import make_images
from contest import Contests, sh
from legacy_root import legacy_root

IN_BATCHES = 'xargs -0 -P "$(nproc)" -n 500 '


class OwnFileSystem:
    """In a sparse file, mounted past the host's page cache."""

    def __init__(self, kind, gigabytes=24):
        self.base = tempfile.mkdtemp(prefix="cairn-bench-")
        self.image, self.where = self.base + "/image", self.base + "/mnt"
        os.mkdir(self.where)
        with open(self.image, "wb") as file:
            file.truncate(gigabytes << 30)
        sh(f"mkfs.{kind}", "-q", self.image)
        self.device = subprocess.run(["losetup", "--find", "--show", "--direct-io=on", self.image], check=True, text=True,
                                     stdout=subprocess.PIPE).stdout.strip()
        self.mount()

    def mount(self):
        sh("mount", self.device, self.where)

    def forget_cached(self):
        sh("umount", self.where)
        self.mount()

    def remove(self):
        sh("umount", self.where)
        sh("losetup", "-d", self.device)
        shutil.rmtree(self.base)


class Bench:
    def __init__(self, cairn, work, scale):
        self.cairn, self.work, self.list = os.path.realpath(cairn), work, work + "/files"
        archive = work + "/big.tar"
        make_images.write_archive(archive, scale)
        self.graph = legacy_root(self.cairn, archive, work)
        os.unlink(archive)
        self.overlay2 = work + "/overlay2"
        self.migrate(self.graph, self.overlay2, "overlay2")

    def migrate(self, source, target, driver, *flags):
        sh(self.cairn, "--progress", "none", "migrate", source, "--to", target, "-s", driver, *flags)

    def list_files(self, layer_at):
        """Into self.list what the layers are made of, each file once; layer_at: the directory of a layer."""
        total = 0
        with open(self.list, "wb") as out:
            for layer in sorted(os.listdir(self.overlay2 + "/overlay2")):
                diff = f"{self.overlay2}/overlay2/{layer}/diff"
                for top, _, names in os.walk(diff):
                    for name in names:
                        path = f"{layer_at(layer)}/{os.path.relpath(top, diff)}/{name}"
                        if os.path.isfile(path) and not os.path.islink(path):
                            total += os.path.getsize(path)
                            out.write(os.fsencode(path) + b"\0")
        return total

    def passes(self, folder):
        yield "sha256sum on all cores", lambda s: sh("sh", "-c", IN_BATCHES + "sha256sum < " + self.list)
        yield "openssl on all cores", lambda s: sh("sh", "-c", IN_BATCHES + "openssl dgst -sha256 < " + self.list)
        yield "sha256sum of the whole root", lambda s: sh("sh", "-c", 'find "$0" -type f -print0 | ' + IN_BATCHES + "sha256sum", folder)

    def copies(self, folder):
        yield "cp -a --reflink=auto", lambda s: sh("cp", "-a", "--reflink=auto", folder, s + "/copy")
        yield "tar | tar", lambda s: sh("sh", "-c", 'tar -c -C "$0" . | tar -x -C "$1"', folder, s)

    def hold(self, contests, before):
        size = self.list_files(lambda layer: f"{self.graph}/vfs/dir/{layer}")
        contests.hold(f"graph with vfs to overlay2, {size / 1e9:.2f} GB", dict([
            *self.passes(self.graph),
            ("cairn migrate", lambda s: self.migrate(self.graph, s + "/new", "overlay2")),
            *self.copies(self.graph)]), before)
        self.list_files(lambda layer: f"{self.overlay2}/overlay2/{layer}/diff")
        contests.hold(f"overlay2 to overlay2 and vfs, {size / 1e9:.2f} GB", dict([
            *self.passes(self.overlay2),
            ("to overlay2", lambda s: self.migrate(self.overlay2, s + "/new", "overlay2")),
            ("to overlay2 --verify", lambda s: self.migrate(self.overlay2, s + "/new", "overlay2", "--verify")),
            ("to vfs", lambda s: self.migrate(self.overlay2, s + "/new", "vfs")),
            ("to vfs --verify", lambda s: self.migrate(self.overlay2, s + "/new", "vfs", "--verify")),
            *self.copies(self.overlay2)]), before)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cairn")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--scale", type=float, default=2)
    parser.add_argument("--fs", choices=["ext4", "xfs", "btrfs"])
    parser.add_argument("--cold", action="store_true")
    parser.add_argument("--json")
    parser.add_argument("--only", type=lambda names: names.split(","))
    options = parser.parse_args()
    if options.cold and not options.fs:
        parser.error("--cold needs --fs")
    own = OwnFileSystem(options.fs) if options.fs else None
    work = own.where if own else tempfile.mkdtemp(prefix="bench-", dir="/dev/shm")
    try:
        contests = Contests(work, options.runs, options.only)
        Bench(options.cairn, work, options.scale).hold(contests, own.forget_cached if options.cold else lambda: None)
        if options.json:
            contests.write_json(options.json)
    finally:
        own.remove() if own else shutil.rmtree(work)


if __name__ == "__main__":
    main()
