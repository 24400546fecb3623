"""Several pulls at once on one root: what they share is fetched once, and nobody waits for what he does not need."""
import os

import archives
from fault_proxy import Drip, Gate
from registry import digest_of
from registry_case import RegistryCase
from remote_images import stack
from store import Store, chain_of

MANY = 10


class Together(RegistryCase):
    def setUp(self):
        super().setUp()
        self.there = self.registry()
        self.near = self.proxy(self.there)

    def put(self, name, image):
        return self.there.put_image(name, "1", image)

    def begin(self, name):
        running = self.start("--progress", "none", "--root", self.root, "-s", self.driver, "pull", f"{self.near.host}/{name}:1")
        self.addCleanup(self.end, running)
        return running

    def end(self, running):
        if running.process.returncode is None:
            running.kill()

    def finish(self, *running):
        for one in running:
            result = one.finish(timeout=120)
            self.assertEqual(result.code, 0, str(result) + self.near.told())

    def test_shared_layers_are_fetched_once(self):
        images = {f"app{n}": stack("base", "more", f"own{n}", size=120_000) for n in range(MANY)}
        put = {name: self.put(name, image) for name, image in images.items()}
        self.near.on("GET", "/blobs/", Drip(0.01, 8 << 10), times=None)          # so that they meet
        self.finish(*[self.begin(name) for name in images])
        self.assert_holds(*images.values())
        for one in put.values():
            for layer in one.layers:
                self.assertEqual(len(self.near.gets(layer)), 1, self.near.told())
                self.assertEqual(self.near.fetched()[layer], os.path.getsize(self.there.blob_path(layer)))

    def test_the_same_image_many_times(self):
        image = stack("one", "two", size=120_000)
        put = self.put("app", image)
        self.near.on("GET", "/blobs/", Drip(0.01, 8 << 10), times=None)
        self.finish(*[self.begin("app") for _ in range(MANY)])
        self.assert_holds(image)
        self.assertEqual([len(self.near.gets(layer)) for layer in put.layers], [1, 1], self.near.told())

    def test_nobody_waits_for_what_another_one_fetches(self):
        held, free = stack("base", "held"), stack("base", "free")
        put, gate = self.put("held", held), Gate()
        self.put("free", free)
        self.near.on("GET", put.layers[1], gate)
        slow = self.begin("held")
        self.assertTrue(gate.waiting.wait(60))
        self.pull(f"{self.near.host}/free:1", timeout=60)
        self.assertIn(free.id, self.store_now().configs())
        gate.opened.set()
        self.finish(slow)
        self.assert_holds(held, free)
        self.assertEqual(len(self.near.gets(put.layers[0])), 1)

    def store_now(self):
        """The store while others write."""
        return Store(self.root, self.driver)

    def test_the_rest_of_an_image_comes_while_a_shared_layer_is_awaited(self):
        one, other = stack("base", "one"), stack("base", "other")
        base, gate = self.put("one", one).layers[0], Gate()
        own = self.put("other", other).layers[1]
        self.near.on("GET", base, gate)
        first = self.begin("one")
        self.assertTrue(gate.waiting.wait(60))
        came = Gate()
        self.near.on("GET", own, came)
        came.opened.set()
        second = self.begin("other")
        self.assertTrue(came.waiting.wait(60), "it waits for the shared layer first")
        self.assertNotIn(chain_of([digest_of(one.layers[0])]), self.store_now().layers())
        gate.opened.set()
        self.finish(first, second)
        self.assert_holds(one, other)
        self.assertEqual(len(self.near.gets(base)), 1, self.near.told())

    def test_a_killed_one_is_succeeded(self):
        """Whoever waits for its layer goes on with it."""
        one, other = stack("base", "one"), stack("base", "other")
        base, gate = self.put("one", one).layers[0], Gate()
        self.put("other", other)
        self.near.on("GET", base, gate)
        first = self.begin("one")
        self.assertTrue(gate.waiting.wait(60))
        second = self.begin("other")
        first.kill()
        self.finish(second)
        gate.opened.set()
        self.assert_holds(other)

    def test_readers_and_loads_do_not_wait(self):
        image, loaded = stack("base", "one"), stack("else")
        put, gate = self.put("app", image), Gate()
        self.command("load", input=archives.docker_archive([(loaded, ["local:1"])]))
        self.near.on("GET", put.layers[0], gate)
        running = self.begin("app")
        self.assertTrue(gate.waiting.wait(60))
        again = stack("third")
        self.command("load", input=archives.docker_archive([(again, ["local:2"])]), timeout=60)
        self.assertEqual(set(self.command("images", "-q", "--no-trunc", timeout=60).text().split()), {loaded.id, again.id})
        gate.opened.set()
        self.finish(running)
        self.assert_holds(image, loaded, again)
