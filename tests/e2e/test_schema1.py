"""Images whose registry has signed manifests of schema 1 only: cairn makes of them what an engine makes."""
import contextlib
import gzip
import os
import socket
import subprocess
import time
import urllib.error
import urllib.request

import archives
import harness
import schema1

REGISTRY = "/usr/bin/docker-registry"


class Registry:
    """Debian's docker-registry below `home`, on a port of the loopback device of whoever runs it."""

    def __init__(self, home):
        with contextlib.closing(socket.socket()) as probe:
            probe.bind(("127.0.0.1", 0))
            self.host = "127.0.0.1:%d" % probe.getsockname()[1]
        os.makedirs(home)
        self.log = f"{home}/log"
        with open(f"{home}/config.yml", "w") as config:
            config.write(f"version: 0.1\nlog: {{level: warn}}\nstorage: {{filesystem: {{rootdirectory: {home}/data}}}}\n"
                         f"http: {{addr: '{self.host}'}}\ncompatibility: {{schema1: {{enabled: true}}}}\n")
        self.command = [REGISTRY, "serve", f"{home}/config.yml"]

    def __enter__(self):
        with open(self.log, "a") as log:
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log)
        for _ in range(300):
            with contextlib.suppress(OSError):
                return socket.create_connection(tuple(self.host.split(":"))).close() or self
            time.sleep(0.1)
        self.__exit__()
        with open(self.log) as log:
            raise RuntimeError(log.read())

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()

    def ask(self, method, url, data=None, kind="application/octet-stream"):
        """(status, headers, body)"""
        request = urllib.request.Request(url if "://" in url else f"http://{self.host}/v2/{url}", data, {"Content-Type": kind}, method=method)
        try:
            with urllib.request.urlopen(request) as answer:
                return answer.status, answer.headers, answer.read()
        except urllib.error.HTTPError as refusal:
            return refusal.code, refusal.headers, refusal.read()

    def put_blob(self, name, blob):
        place = self.ask("POST", f"{name}/blobs/uploads/", b"")[1]["Location"]
        status, _, body = self.ask("PUT", f"{place}&digest=sha256:{archives.sha256(blob)}", blob)
        assert status == 201, body


class Schema1(harness.Case):
    def setUp(self):
        super().setUp()
        self.need_engine()
        self.need_program(REGISTRY, "docker-registry")

    def put(self, registry, name, key, chain=False):
        files = [gzip.compress(archives.tar_of([(path, data)]), mtime=0) for path, data in (("bin/a", b"one\n"), ("etc/b", b"<two> &\n"))]
        texts, blobs = schema1.v1_history([("ADD", files[0], False), ("ENV A=<b>", schema1.EMPTY_LAYER, True),
                                           ("MAINTAINER", schema1.EMPTY_LAYER, False), ("echo", files[1], False), ("CMD", schema1.EMPTY_LAYER, True)])
        for blob in set(blobs):
            registry.put_blob(name, blob)
        payload = schema1.payload(name, "y", texts, blobs)
        document = schema1.signed(payload, [key], chain)
        status, headers, body = registry.ask("PUT", f"{name}/manifests/y", document, schema1.TYPE)
        self.assertEqual((status, headers["Docker-Content-Digest"]), (201, schema1.digest(payload)), body)
        tampered = document.replace(b"ENV A", b"ENV B")
        self.assertGreaterEqual(registry.ask("PUT", f"{name}/manifests/z", tampered, schema1.TYPE)[0], 400)

    def test_an_engine_and_cairn_make_one_image(self):
        registry = Registry(self.path("registry"))
        names = [f"t/{alg.lower()}" for alg in ("ES256", "ES512", "RS256")] + ["t/chain"]
        with registry:
            for name, alg in zip(names, ("ES256", "ES512", "RS256", "ES384")):
                self.put(registry, name, schema1.Key(alg), name == "t/chain")
        os.makedirs(self.path("engine"))
        with self.engine(self.path("engine"), "vfs", beside=registry.command) as dockerd:
            for name in names:
                dockerd.docker("pull", "-q", f"{registry.host}/{name}:y")
            ids = [dockerd.inspect(f"{registry.host}/{name}:y")["Id"] for name in names]
        if not any(line.split()[:1] == ["pull"] for line in self.cairn("--help").text().splitlines()):
            self.skipTest("this cairn does not pull")
        with registry:
            for name in names:
                self.cairn("--root", self.path("root"), "-s", "vfs", "pull", "--plain-http", f"{registry.host}/{name}:y")
        found = self.cairn("--root", self.path("root"), "inspect", *(f"{registry.host}/{name}:y" for name in names)).json()
        self.assertEqual([image["Id"] for image in found], ids)
