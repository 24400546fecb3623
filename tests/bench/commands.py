#!/usr/bin/env python3
"""commands.py [--runs N] [--images DIR] [--on DIR] [--contests NAME,...] [--only NAME,...] CAIRN

Times `cairn load`, `migrate`, `pull` (also again, and ten at once), `push` and `save` next to programs that do the same work on
this machine (skopeo, podman, umoci, dockerd, containerd; what is missing is named), and next to the floor: inflate, two sha256,
creating the files, each by the best tool at hand, one core. Every run starts from an empty store on the same file system (--on,
default a tmpfs); registries are real ones on the loopback device. Processor time of docker and ctr is that of the whole run of
their daemons, of docker with the registry it needs in its own network; elsewhere registries are not counted.
"""
import argparse
import contextlib
import glob
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time

from contest import HERE, Contests, remove, sh
from legacy_root import legacy_root
import engine  # noqa: E402  (contest says where it is)

import registry  # noqa: E402
from registries import Registries  # noqa: E402

POLICY = ["--insecure-policy"]
CONTESTS = ["load", "migrate", "pull", "again", "together", "push", "save"]
PROGRAMS = ["skopeo", "podman", "umoci", "igzip", "bsdtar", "containerd", "ctr", registry.REGISTRY, engine.DOCKERD]


class Bench:
    def __init__(self, options):
        self.cairn = os.path.realpath(options.cairn)
        self.work = options.on or tempfile.mkdtemp(prefix="bench-", dir="/dev/shm")
        self.images, self.only = options.images, options.only
        if not self.images:
            self.images = self.work + "/images"
            sh(sys.executable, "-B", f"{HERE}/make_images.py", self.images)
        self.archive, self.layout = f"{self.images}/big.tar", f"{self.images}/oci"
        with open(f"{self.layout}/index.json") as index:
            self.name = json.load(index)["manifests"][0]["annotations"]["org.opencontainers.image.ref.name"]
        with tarfile.open(self.archive) as archive:
            self.image = json.load(archive.extractfile("manifest.json"))[0]["RepoTags"][0]

    def wanted(self, name):
        return not self.only or name in self.only

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


def hold(bench, contests, names):
    if "load" in names:
        contests.hold("load", dict(bench.load_contestants()))
    if "migrate" in names:
        root = legacy_root(bench.cairn, bench.archive, bench.work)
        contests.hold("migrate vfs to overlay2", dict(bench.migrate_contestants(root)))
    if os.access(registry.REGISTRY, os.X_OK) and {"pull", "again", "together", "push", "save"} & set(names):
        with contextlib.closing(Registries(bench)) as near:
            for name, title, contestants in (("pull", "pull", near.pull_contestants), ("again", "pull again, all layers there", near.again_contestants),
                                             ("together", "ten pulls at once, all layers but one shared", near.together_contestants),
                                             ("push", "push to an empty registry", near.push_contestants), ("save", "save", near.save_contestants)):
                if name in names:
                    contests.hold(title, dict(contestants()))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cairn")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--images", help="what make_images.py wrote; made anew by default")
    parser.add_argument("--on", help="where the stores lie")
    parser.add_argument("--contests", type=lambda names: names.split(","), default=CONTESTS, help=f"of {', '.join(CONTESTS)}; default: all")
    parser.add_argument("--only", type=lambda names: names.split(","), help="contestants; the first that is left is what others are compared with")
    options = parser.parse_args()
    bench = Bench(options)
    contests = Contests(bench.work, options.runs, options.only)
    try:
        missing = [os.path.basename(program) for program in PROGRAMS if not shutil.which(program)]
        if missing:
            print("not on this machine, left out:", ", ".join(missing))
        hold(bench, contests, options.contests)
    finally:
        if bench.work.startswith("/dev/shm/bench-"):
            remove(bench.work)


if __name__ == "__main__":
    main()
