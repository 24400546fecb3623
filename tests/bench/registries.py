"""The contests of commands.py that need a registry: one on the loopback device, whose files lie where the stores do."""
import contextlib
import gzip
import json
import os
import shutil
import subprocess
import time

from contest import sh
import engine
import legacy_tree as lt
import registry
from registry import digest_of

AT_ONCE = 10
REPOSITORY = "bench/big"
CONTAINERD = """version = 2
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.internal.v1.opt"]
"""


def storage(store):
    return f"containers-storage:[overlay@{store}/root+{store}/run]{REPOSITORY}:1"


def podman(store, *args):
    return ["podman", "--root", store + "/root", "--runroot", store + "/run", "--storage-driver", "overlay", *args]


def skopeo(*args):
    return ["skopeo", "--insecure-policy", "copy", "-q", *args]


class Registries:
    """Its contestants are as Contests.hold wants them: name -> function of an empty directory."""

    def __init__(self, bench):
        self.bench, self.started, self.sources = bench, [], {}
        self.registry = self._registry(bench.work + "/registry")
        self.image = f"{self.registry.host}/{REPOSITORY}:1"
        self.registry.copy_in(f"oci:{bench.layout}:{bench.name}", REPOSITORY, "1")

    def close(self):
        for one in self.started:
            one.stop()

    def _registry(self, where):
        self.started.append(registry.Registry(where))
        return self.started[-1]

    def cairn(self, store, *args):
        return [self.bench.cairn, "--progress", "none", "--root", store, "-s", "overlay2", *args]

    @contextlib.contextmanager
    def engine(self, store, near):
        """A dockerd with a registry in its own network, of the files and under the address of `near`."""
        with open(f"{near.where}/config.yml") as config:
            settings = json.load(config)
        settings["http"]["addr"] = near.host
        with open(f"{near.where}/near.yml", "w") as config:
            json.dump(settings, config)
        with engine.Engine(store, "overlay2", beside=[registry.REGISTRY, "serve", f"{near.where}/near.yml"]) as dockerd:
            yield dockerd

    # --- pull -----------------------------------------------------------------------------------------------------------------

    def pull_contestants(self):
        yield "cairn", lambda s: sh(*self.cairn(s, "pull", "-q", "--plain-http", self.image))
        if shutil.which("skopeo"):
            yield "skopeo", lambda s: sh(*skopeo("--src-tls-verify=false", f"docker://{self.image}", storage(s)))
        if shutil.which("podman"):
            yield "podman", lambda s: sh(*podman(s, "pull", "-q", "--tls-verify=false", self.image))
        if not engine.unavailable():
            yield "docker", lambda s: self.docker_pull(s, [self.image])
        if shutil.which("containerd") and shutil.which("ctr"):
            yield "ctr", self.ctr_pull
        yield "floor", self.floor_of_pull

    def docker_pull(self, store, images):
        with self.engine(store, self.registry) as dockerd:
            began = time.monotonic()
            at_once([engine.DOCKER, "-H", f"unix://{dockerd.sock}", "pull", "-q", image] for image in images)
            return time.monotonic() - began

    def ctr_pull(self, store):
        with open(f"{store}/config.toml", "w") as config:
            config.write(CONTAINERD)
        address = f"{store}/sock"
        daemon = subprocess.Popen(["containerd", "--config", f"{store}/config.toml", "--root", f"{store}/root", "--state", f"{store}/state",
                                   "--address", address], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            while subprocess.run(["ctr", "-a", address, "version"], capture_output=True, check=False).returncode != 0:
                if daemon.poll() is not None:
                    raise RuntimeError("containerd does not start")
                time.sleep(0.05)
            began = time.monotonic()
            sh("ctr", "-a", address, "images", "pull", "--plain-http", "--snapshotter", "overlayfs", self.image)
            return time.monotonic() - began
        finally:
            daemon.terminate()
            daemon.wait()

    def floor_of_pull(self, store):
        """Fetching every blob, and the floor of load."""
        manifest = json.loads(self.registry.get_manifest(REPOSITORY, "1")[1])
        began = time.monotonic()
        for blob in [manifest["config"], *manifest["layers"]]:
            sh("curl", "-sf", "-o", "/dev/null", f"http://{self.registry.host}/v2/{REPOSITORY}/blobs/{blob['digest']}")
        fetched = time.monotonic() - began
        return fetched + self.bench.floor_of_load(store)

    def again_contestants(self):
        """The same pulls, where everything is there."""
        for name, pull in self.pull_contestants():
            if name != "floor" and self.bench.wanted(name):
                kept = self._folder(f"again-{name}")
                pull(kept)
                yield name, lambda _, pull=pull, kept=kept: pull(kept)

    def together_contestants(self):
        names = [f"{self.registry.host}/{REPOSITORY}:own{n}" for n in range(AT_ONCE)]
        for n in range(AT_ONCE):
            self._put_with_layer_of_its_own(f"own{n}")
        def cairn(images):
            return lambda s: at_once(self.cairn(s, "pull", "-q", "--plain-http", image) for image in images)
        yield "cairn one", cairn(names[:1])
        yield "cairn", cairn(names)
        if shutil.which("podman"):
            yield "podman", lambda s: at_once(podman(s, "pull", "-q", "--tls-verify=false", name) for name in names)
        if not engine.unavailable():
            yield "docker", lambda s: self.docker_pull(s, names)

    def _put_with_layer_of_its_own(self, tag):
        kind, manifest = self.registry.get_manifest(REPOSITORY, "1")
        manifest = json.loads(manifest)
        config = json.loads(self.registry.get_blob(REPOSITORY, manifest["config"]["digest"]))
        layer = lt.layer_tar([lt.file(tag, tag.encode())])
        config["rootfs"]["diff_ids"].append(digest_of(layer))
        config["history"] = config.get("history", []) + [{"created_by": tag}]
        for part, data in ((manifest["config"], json.dumps(config).encode()), (dict(manifest["layers"][-1]), gzip.compress(layer))):
            part |= {"digest": self.registry.put_blob(REPOSITORY, data), "size": len(data)}
        manifest["layers"].append(part)
        self.registry.put_manifest(REPOSITORY, tag, kind, json.dumps(manifest).encode())

    # --- push and save ---------------------------------------------------------------------------------------------------------

    def source(self, of):
        """A store that holds the image of the archive, made once."""
        if of not in self.sources:
            where = self.sources[of] = self._folder(f"source-{of}")
            if of == "cairn":
                sh(*self.cairn(where, "load", "-q", "-i", self.bench.archive))
                sh(*self.cairn(where, "tag", self.bench.image, f"{REPOSITORY}:1"))
            elif of == "skopeo":
                sh(*skopeo(f"docker-archive:{self.bench.archive}", storage(where)))
            else:
                with engine.Engine(where, "overlay2") as dockerd:
                    dockerd.docker("load", "-q", "-i", self.bench.archive)
                    dockerd.docker("tag", self.bench.image, f"{REPOSITORY}:1")
        return self.sources[of]

    def push_contestants(self):
        """Into a registry that has nothing."""
        if self.bench.wanted("cairn"):
            yield "cairn", self.push_with(lambda to, root=self.source("cairn"): self.cairn(root, "push", "-q", "--plain-http", f"{REPOSITORY}:1", to))
        if shutil.which("skopeo"):
            if self.bench.wanted("skopeo"):
                yield "skopeo", self.push_with(lambda to, root=self.source("skopeo"):
                                               skopeo("--dest-tls-verify=false", storage(root), f"docker://{to}"))
            yield "skopeo archive", self.push_with(lambda to: skopeo("--dest-tls-verify=false", f"docker-archive:{self.bench.archive}",
                                                                    f"docker://{to}"))
        if not engine.unavailable() and self.bench.wanted("docker"):
            self.source("docker")
            yield "docker", self.docker_push

    def push_with(self, command):
        def push(store):
            to = self._registry(store + "/registry")
            try:
                began = time.monotonic()
                sh(*command(f"{to.host}/{REPOSITORY}:1"))
                return time.monotonic() - began
            finally:
                to.stop()
        return push

    def docker_push(self, store):
        to = self._registry(store + "/registry")
        to.stop()                        # the one in the engine's network takes its place
        with self.engine(self.source("docker"), to) as dockerd:
            name = f"{to.host}/{REPOSITORY}:1"
            dockerd.docker("tag", f"{REPOSITORY}:1", name)
            began = time.monotonic()
            dockerd.docker("push", "-q", name)
            return time.monotonic() - began

    def save_contestants(self):
        if self.bench.wanted("cairn"):
            yield "cairn", lambda s, root=self.source("cairn"): sh(*self.cairn(root, "save", "-q", "-o", s + "/a.tar", f"{REPOSITORY}:1"))
        if shutil.which("skopeo") and self.bench.wanted("skopeo"):
            yield "skopeo", lambda s, root=self.source("skopeo"): sh(*skopeo(storage(root), f"docker-archive:{s}/a.tar:{REPOSITORY}:1"))
        if not engine.unavailable() and self.bench.wanted("docker"):
            self.source("docker")
            yield "docker", self.docker_save

    def docker_save(self, store):
        with engine.Engine(self.source("docker"), "overlay2") as dockerd:
            began = time.monotonic()
            dockerd.docker("save", "-o", f"{store}/a.tar", f"{REPOSITORY}:1")
            return time.monotonic() - began

    def _folder(self, name):
        os.mkdir(f"{self.bench.work}/{name}")
        return f"{self.bench.work}/{name}"


def at_once(commands):
    running = [subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL) for command in commands]
    failed = [one.args for one in running if one.wait() != 0]
    if failed:
        raise RuntimeError(f"failed: {failed}")
