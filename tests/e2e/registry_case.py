"""What cases with registries share. All of it stops with the case; if that fails, what registries and proxies saw is printed."""
import os
import unittest.mock

import certificates
import mounts
import registry
from fault_proxy import FaultProxy
from harness import Case
from netns_door import Door
from registry import digest_of
from store import Store, chain_of
from token_server import TokenServer


class RegistryCase(Case):
    driver = "overlay2"

    def setUp(self):
        super().setUp()
        self.in_memory()
        self.root, self.home = self.path("root"), self.path("home")
        self.need_program(registry.REGISTRY, "docker-registry")
        self.need_program(certificates.OPENSSL, "openssl")
        self._parts = 0
        self._alone()

    def run(self, result=None):
        self._result = result
        return super().run(result)

    def _alone(self):
        """No credentials, mirrors or proxies of this machine, but a home of its own."""
        patch = unittest.mock.patch.dict(os.environ)
        patch.start()
        self.addCleanup(patch.stop)
        for name in list(os.environ):
            if name.lower().endswith("_proxy") or name.startswith("XDG_") or name in ("DOCKER_CONFIG", "REGISTRY_AUTH_FILE"):
                del os.environ[name]
        os.mkdir(self.home)
        os.environ["HOME"] = self.home

    def etc_docker(self, files):
        """preexec_fn of a cairn that sees these files, name -> bytes, and no others in /etc/docker."""
        where = self._where("etc")
        for name, data in files.items():
            os.makedirs(os.path.dirname(f"{where}/{name}"), exist_ok=True)
            with open(f"{where}/{name}", "wb") as out:
                out.write(data)
        return lambda: mounts.show(where, "/etc/docker")

    def command(self, *args, **more):
        return self.cairn("--progress", "none", "--root", self.root, "-s", self.driver, *args, **more)

    def pull(self, *args, **more):
        return self.command("pull", *args, **more)

    def push(self, *args, **more):
        return self.command("push", *args, **more)

    def store(self):
        """The store, in order."""
        store = Store(self.root, self.driver)
        self.assertEqual(store.problems(), [])
        return store

    def assert_visible_is_complete(self, store, why=""):
        """Whatever metadata names is there in full. Layers that are kept for the next try, or half made, may lie beside."""
        unfinished = ("left", "overlay2 link", f"{store.driver} directory")
        self.assertEqual([p for p in store.problems() if not p.startswith(unfinished) or p.endswith("is missing")], [], why)

    def assert_holds(self, *images):
        """These archives.Images, whole, and no others."""
        store = self.store()
        self.assertEqual(set(store.configs()), {image.id for image in images})
        chains = {}
        for image in images:
            diffs = [digest_of(layer) for layer in image.layers]
            chains |= {chain_of(diffs[:n + 1]): layer for n, layer in enumerate(image.layers)}
        self.assertEqual(set(store.layers()), set(chains))
        for chain, layer in chains.items():
            self.assertEqual(self.command("diff", chain).stdout, layer, f"layer {chain} holds something else")
        return store

    def assert_one_line(self, result, *parts):
        """One line of complaint, with these in it, after warnings of what was tried again."""
        lines = [line for line in result.stderr.splitlines() if not line.startswith("cairn: warning: ")]
        self.assertEqual(len(lines), 1, str(result))
        for part in parts:
            self.assertIn(part, lines[0])

    def registry(self, **options):
        return self._started(registry.Registry(self._where("registry"), **options), lambda started: started.said())

    def proxy(self, of, **options):
        return self._started(FaultProxy(of, **options), lambda started: started.told())

    def tokens(self, *args, **options):
        return self._started(TokenServer(self._where("tokens"), *args, **options), lambda started: "\n".join(map(repr, started.requests)))

    def authority(self):
        return certificates.Authority(self._where("authority"))

    def engine_near(self, root, driver, *near, flags=(), files=None):
        """An engine that finds `near`, registries and what stands before them, on its own loopback interface."""
        started = self.engine(root, driver, *flags, files=files)
        for one in near:
            self.addCleanup(Door(started.pid(), one.port).close)
        return started

    def _where(self, kind):
        self._parts += 1
        return self.path(f"{kind}-{self._parts}")

    def _started(self, part, what_it_saw):
        self.addCleanup(part.stop)
        self.addCleanup(self._tell, part, what_it_saw)
        return part

    def _tell(self, part, what_it_saw):
        bad = self._result.failures + self._result.errors if self._result else []
        if any(getattr(test, "test_case", test) is self for test, _ in bad):
            print(f"--- {type(part).__name__} 127.0.0.1:{part.port}:\n{what_it_saw(part)}")
