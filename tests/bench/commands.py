#!/usr/bin/env python3
"""commands.py [--runs N] [--images DIR] [--on DIR] [--only NAME,...] CAIRN

Times `cairn load` and `cairn migrate` next to programs that do the same work on this machine (skopeo, podman, umoci, dockerd;
what is missing is named), and next to the floor: inflate, two sha256, creating the files, each by the best tool at hand, one
core. Every run starts from an empty store on the same file system (--on, default a tmpfs). Processor time is that of children
only: not dockerd's.
"""
import argparse
import glob
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

from contest import HERE, Contests, sh
from legacy_root import legacy_root
import engine  # noqa: E402  (contest says where it is)

POLICY = ["--insecure-policy"]


class Bench:
    def __init__(self, options):
        self.cairn = os.path.realpath(options.cairn)
        self.work = options.on or tempfile.mkdtemp(prefix="bench-", dir="/dev/shm")
        self.images = options.images
        if not self.images:
            self.images = self.work + "/images"
            sh(sys.executable, "-B", f"{HERE}/make_images.py", self.images)
        self.archive, self.layout = f"{self.images}/big.tar", f"{self.images}/oci"
        with open(f"{self.layout}/index.json") as index:
            self.name = json.load(index)["manifests"][0]["annotations"]["org.opencontainers.image.ref.name"]

    def load_contestants(self):
        yield "cairn archive", lambda s: sh(self.cairn, "--root", s, "-s", "overlay2", "load", "-q", "-i", self.archive)
        yield "cairn oci", lambda s: sh(self.cairn, "--root", s, "-s", "overlay2", "load", "-q", "-i", self.layout)
        storage = "containers-storage:[overlay@{0}/root+{0}/run]bench/big"
        source = f"oci:{self.layout}:{self.name}"
        if shutil.which("skopeo"):
            yield "skopeo oci", lambda s: sh("skopeo", *POLICY, "copy", "-q", source, storage.format(s))
            yield "skopeo archive", lambda s: sh("skopeo", *POLICY, "copy", "-q", f"docker-archive:{self.archive}", storage.format(s))
        if shutil.which("podman"):
            yield "podman archive", lambda s: sh("podman", "--root", s + "/root", "--runroot", s + "/run", "--storage-driver", "overlay",
                                                      "load", "-q", "-i", self.archive)
        if shutil.which("umoci"):
            yield "umoci oci (unpack)", lambda s: sh("umoci", "unpack", "--image", f"{self.layout}:{self.name}", s + "/bundle")
        if not engine.unavailable():
            yield "docker archive", self.docker_load
        yield "floor", self.floor_of_load

    def docker_load(self, store):
        with engine.Engine(store, "overlay2") as dockerd:
            began = time.monotonic()
            dockerd.docker("load", "-q", "-i", self.archive)
            return time.monotonic() - began

    def floor_of_load(self, store):
        """What nobody can skip, of the gzipped layout."""
        inflate = "igzip" if shutil.which("igzip") else "gzip"
        untar = ["bsdtar", "-xpf"] if shutil.which("bsdtar") else ["tar", "-xpf"]
        manifest = self.blob(json.load(open(f"{self.layout}/index.json"))["manifests"][0]["digest"])
        blobs = [self.blob(layer["digest"]) for layer in json.load(open(manifest))["layers"]]
        plain = [f"{store}/{n}.tar" for n in range(len(blobs))]
        for blob, tar in zip(blobs, plain):      # made beforehand, not counted: untarring reads plain tars
            with open(tar, "wb") as out:
                subprocess.run(["gzip", "-dc", blob], stdout=out, check=True)
        began = time.monotonic()
        for n, (blob, tar) in enumerate(zip(blobs, plain)):
            with open(blob, "rb") as compressed:
                sh(inflate, "-dc", stdin=compressed)
            sh("openssl", "dgst", "-sha256", blob, tar)
            os.mkdir(f"{store}/{n}")
            sh(*untar, tar, "-C", f"{store}/{n}")
        return time.monotonic() - began

    def blob(self, digest):
        return f"{self.layout}/blobs/{digest.replace(':', '/')}"

    def migrate_contestants(self, root):
        yield "cairn migrate", lambda s: sh(self.cairn, "--progress", "none", "migrate", root, "--to", s + "/new", "-s", "overlay2")
        yield "cp -a (nothing hashed)", lambda s: sh("cp", "-a", root, s + "/copy")
        yield "floor", lambda s: self.floor_of_migrate(root, s)

    def floor_of_migrate(self, root, store):
        """Reading and hashing every file of the top layer once, and linking it: one core."""
        top = max(glob.glob(f"{root}/vfs/dir/*"), key=lambda d: sum(len(f) for _, _, f in os.walk(d)))
        began = time.monotonic()
        sh("sh", "-c", 'find "$0" -type f -print0 | xargs -0 cat | openssl dgst -sha256', top)
        sh("cp", "-al", top, store + "/linked")
        return time.monotonic() - began


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cairn")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--images", help="what make_images.py wrote; made anew by default")
    parser.add_argument("--on", help="where the stores lie")
    parser.add_argument("--only", type=lambda names: names.split(","))
    options = parser.parse_args()
    bench = Bench(options)
    contests = Contests(bench.work, options.runs, options.only)
    try:
        missing = [p for p in ("skopeo", "podman", "umoci", "igzip", "bsdtar") if not shutil.which(p)]
        if missing:
            print("not on this machine, left out:", ", ".join(missing))
        contests.hold("load", dict(bench.load_contestants()))
        root = legacy_root(bench.cairn, bench.archive, bench.work)
        contests.hold("migrate vfs to overlay2", dict(bench.migrate_contestants(root)))
    finally:
        if bench.work.startswith("/dev/shm/bench-"):
            shutil.rmtree(bench.work, ignore_errors=True)


if __name__ == "__main__":
    main()
