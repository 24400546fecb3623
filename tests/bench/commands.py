#!/usr/bin/env python3
"""commands.py [--runs N] [--images DIR] [--on DIR] [--only NAME,...] CAIRN

Times `cairn load` and `cairn migrate` next to programs that do the same work on this machine (skopeo, podman, umoci, dockerd;
what is missing is named), and next to the floor: inflate, two sha256, creating the files, each by the best tool at hand, one
core. Every run starts from an empty store on the same file system (--on, default a tmpfs); runs are interleaved, so that a
drifting machine hits all alike. Prints seconds and ratios; only ratios within one run mean anything.
"""
import argparse
import glob
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "e2e"))
import engine  # noqa: E402
import harness  # noqa: E402

POLICY = ["--insecure-policy"]


class Bench:
    def __init__(self, options):
        self.cairn, self.runs, self.only = os.path.realpath(options.cairn), options.runs, options.only
        self.work = options.on or tempfile.mkdtemp(prefix="bench-", dir="/dev/shm")
        self.images = options.images
        if not self.images:
            self.images = self.work + "/images"
            self.sh(sys.executable, "-B", f"{HERE}/make_images.py", self.images)
        self.archive, self.layout = f"{self.images}/big.tar", f"{self.images}/oci"
        with open(f"{self.layout}/index.json") as index:
            self.name = json.load(index)["manifests"][0]["annotations"]["org.opencontainers.image.ref.name"]

    def sh(self, *command, **more):
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, **more)

    def contest(self, title, contestants):
        """contestants: name -> function of an empty directory. Prints medians and ratios to the first."""
        chosen = {name: run for name, run in contestants.items() if not self.only or name in self.only}
        seconds = {name: [] for name in chosen}
        for _ in range(self.runs):
            for name, run in chosen.items():
                store = tempfile.mkdtemp(prefix="store-", dir=self.work)
                os.sync()
                began = time.monotonic()
                took = run(store)
                seconds[name].append(took if took is not None else time.monotonic() - began)
                for target in reversed(harness.mounts_below(store)):
                    subprocess.run(["umount", "-l", target], check=False)
                shutil.rmtree(store, ignore_errors=True)
        print(f"\n{title}")
        first = statistics.median(next(iter(seconds.values())))
        for name, runs in seconds.items():
            median = statistics.median(runs)
            print(f"  {name:24} {median:8.2f} s   x{median / first:5.2f}   runs {' '.join(f'{s:.2f}' for s in runs)}")

    def load_contestants(self):
        yield "cairn archive", lambda s: self.sh(self.cairn, "--root", s, "-s", "overlay2", "load", "-q", "-i", self.archive)
        yield "cairn oci", lambda s: self.sh(self.cairn, "--root", s, "-s", "overlay2", "load", "-q", "-i", self.layout)
        storage = "containers-storage:[overlay@{0}/root+{0}/run]bench/big"
        source = f"oci:{self.layout}:{self.name}"
        if shutil.which("skopeo"):
            yield "skopeo oci", lambda s: self.sh("skopeo", *POLICY, "copy", "-q", source, storage.format(s))
            yield "skopeo archive", lambda s: self.sh("skopeo", *POLICY, "copy", "-q", f"docker-archive:{self.archive}", storage.format(s))
        if shutil.which("podman"):
            yield "podman archive", lambda s: self.sh("podman", "--root", s + "/root", "--runroot", s + "/run", "--storage-driver", "overlay",
                                                      "load", "-q", "-i", self.archive)
        if shutil.which("umoci"):
            yield "umoci oci (unpack)", lambda s: self.sh("umoci", "unpack", "--image", f"{self.layout}:{self.name}", s + "/bundle")
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
                self.sh(inflate, "-dc", stdin=compressed)
            self.sh("openssl", "dgst", "-sha256", blob, tar)
            os.mkdir(f"{store}/{n}")
            self.sh(*untar, tar, "-C", f"{store}/{n}")
        return time.monotonic() - began

    def blob(self, digest):
        return f"{self.layout}/blobs/{digest.replace(':', '/')}"

    def legacy_root(self):
        """The image as Docker 1.9 with vfs would hold it: what cairn loaded, its directories and records moved to their old places."""
        root, store = self.work + "/legacy", self.work + "/loaded"
        self.sh(self.cairn, "--root", store, "-s", "vfs", "load", "-q", "-i", self.archive)
        for folder in ("graph", "vfs", "containers"):
            os.makedirs(f"{root}/{folder}")
        os.rename(f"{store}/vfs/dir", f"{root}/vfs/dir")
        chains, ids = {}, {}
        for path in glob.glob(f"{store}/image/vfs/layerdb/sha256/*"):
            read = lambda name, path=path: open(f"{path}/{name}").read() if os.path.exists(f"{path}/{name}") else None  # noqa: E731
            chains["sha256:" + os.path.basename(path)] = (read("cache-id"), read("parent"))
        for chain, (cache_id, parent) in chains.items():
            folder = f"{root}/graph/{cache_id}"
            os.mkdir(folder)
            shutil.copy(f"{store}/image/vfs/layerdb/sha256/{chain[7:]}/tar-split.json.gz", f"{folder}/tar-data.json.gz")
            values = {"id": cache_id, "created": "2015-11-11T10:20:30Z", "docker_version": "1.9.1", "architecture": "amd64", "os": "linux"}
            with open(f"{folder}/json", "w") as out:
                json.dump(values | ({"parent": chains[parent][0]} if parent else {}), out)
            ids[chain] = cache_id
        top = next(chain for chain in chains if chain not in {parent for _, parent in chains.values()})
        with open(f"{root}/repositories-vfs", "w") as out:
            json.dump({"Repositories": {"bench/big": {"latest": ids[top]}}}, out)
        shutil.rmtree(store)
        return root

    def migrate_contestants(self, root):
        yield "cairn migrate", lambda s: self.sh(self.cairn, "--progress", "none", "migrate", root, "--to", s + "/new", "-s", "overlay2")
        yield "cp -a (nothing hashed)", lambda s: self.sh("cp", "-a", root, s + "/copy")
        yield "floor", lambda s: self.floor_of_migrate(root, s)

    def floor_of_migrate(self, root, store):
        """Reading and hashing every file of the top layer once, and linking it: one core."""
        top = max(glob.glob(f"{root}/vfs/dir/*"), key=lambda d: sum(len(f) for _, _, f in os.walk(d)))
        began = time.monotonic()
        self.sh("sh", "-c", 'find "$0" -type f -print0 | xargs -0 cat | openssl dgst -sha256', top)
        self.sh("cp", "-al", top, store + "/linked")
        return time.monotonic() - began


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cairn")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--images", help="what make_images.py wrote; made anew by default")
    parser.add_argument("--on", help="where the stores lie")
    parser.add_argument("--only", type=lambda names: names.split(","))
    bench = Bench(parser.parse_args())
    try:
        missing = [p for p in ("skopeo", "podman", "umoci", "igzip", "bsdtar") if not shutil.which(p)]
        if missing:
            print("not on this machine, left out:", ", ".join(missing))
        bench.contest("load", dict(bench.load_contestants()))
        bench.contest("migrate vfs to overlay2", dict(bench.migrate_contestants(bench.legacy_root())))
    finally:
        if bench.work.startswith("/dev/shm/bench-"):
            shutil.rmtree(bench.work, ignore_errors=True)


if __name__ == "__main__":
    main()
