"""Pulls and pushes killed at any moment: what is published is whole, the next run completes, and fetches only what was missing.

CAIRN_KILLS (default 20) says how many times each command is killed, CAIRN_SEED picks other moments.
"""
import os
import random
import shutil
import time

from registry import digest_of
from remote_images import stack
from store import Store, chain_of
from test_push import Pushing

KILLS = int(os.environ.get("CAIRN_KILLS", "20"))
SEED = int(os.environ.get("CAIRN_SEED", "1"))
NAMES = ["one", "two", "three", "four", "five"]


class Killed(Pushing):
    def setUp(self):
        super().setUp()
        self.image, self.moments = stack(*NAMES, size=2_000_000), random.Random(SEED)
        diffs = [digest_of(layer) for layer in self.image.layers]
        self.chains = [chain_of(diffs[:n + 1]) for n in range(len(diffs))]

    def each_kill(self, took, argv, then, kills=KILLS):
        """Kills `argv(n)` at random moments of what it took undisturbed; `then(n)` looks after each."""
        early = 0
        for n in range(kills):
            running = self.start("--progress", "none", "-s", self.driver, *argv(n))
            moment = self.moments.uniform(0, took)
            time.sleep(moment)
            if running.kill().code == -9:
                early += 1
            else:
                took *= 0.95             # the machine has become faster
            with self.subTest(kill=n, moment=moment, seed=SEED):
                then(n)
        self.assertGreater(early, kills // 4, "most kills came too late to test anything")

    def test_pull(self):
        put = self.there.put_image("team/app", "1", self.image)
        sizes = {digest: os.path.getsize(self.there.blob_path(digest)) for digest in put.blobs}
        began = time.monotonic()
        self.pull(f"{self.name}:1")
        took = time.monotonic() - began
        want = self.assert_holds(self.image).identity()
        all_again = []

        def then(n):
            self.root = self.path(f"killed{n}")
            killed = Store(self.root, self.driver)
            self.assert_visible_is_complete(killed)
            published = {put.layers[self.chains.index(chain)] for chain in killed.layers()}
            self.near.clear()
            self.pull(f"{self.name}:1")
            fetched = self.near.fetched()
            self.assertEqual(published & set(fetched), set(), "what was there was fetched again")
            self.assertLessEqual(sum(fetched.values()), sum(sizes[digest] for digest in set(put.blobs) - published), self.near.told())
            all_again.append(sum(fetched.values()))
            self.assertEqual(self.assert_holds(self.image).identity(), want)
            self.assert_nothing_is_left()
            shutil.rmtree(self.root)

        self.each_kill(took, lambda n: ["--root", self.path(f"killed{n}"), "pull", f"{self.name}:1"], then)
        self.assertLess(sum(all_again), KILLS * sum(sizes.values()), "no kill left anything to go on from")

    def assert_nothing_is_left(self):
        """Of what the killed run had begun; partial blobs included."""
        used = sum(os.lstat(os.path.join(top, name)).st_blocks * 512 for top, _, files in os.walk(self.root) for name in files)
        self.assertLess(used, 1.3 * sum(map(len, self.image.layers)))

    def test_pull_killed_again_and_again(self):
        """On one root, without a quiet run between: it gets there."""
        put = self.there.put_image("team/app", "1", self.image)
        began = time.monotonic()
        self.pull(f"{self.name}:1")
        took = time.monotonic() - began
        self.root = self.path("stubborn")
        for _ in range(KILLS):
            running = self.start("--progress", "none", "-s", self.driver, "--root", self.root, "pull", f"{self.name}:1")
            time.sleep(self.moments.uniform(0, took))
            running.kill()
            self.assert_visible_is_complete(Store(self.root, self.driver))
        self.assertIn(put.digest, self.pull(f"{self.name}:1").text())
        self.assert_holds(self.image)
        self.assert_nothing_is_left()

    def test_push(self):
        self.load(self.image, "local:1")
        began = time.monotonic()
        self.push("local:1", f"{self.near.host}/undisturbed:1")
        took = time.monotonic() - began
        digest, _ = self.pushed(self.image, name="undisturbed")

        def then(n):
            self.assertEqual(Store(self.root, self.driver).problems(), [])
            name = f"killed{n}"
            if os.path.exists(f"{self.there.storage}/docker/registry/v2/repositories/{name}/_manifests/tags/1"):
                self.pushed(self.image, name=name)       # a name only ever means something whole
            self.push("local:1", f"{self.near.host}/{name}:1")
            self.assertEqual(self.pushed(self.image, name=name)[0], digest)
            self.assertEqual(self.store().configs().keys(), {self.image.id})

        self.each_kill(took, lambda n: ["--root", self.root, "push", "local:1", f"{self.near.host}/killed{n}:1"], then)

    def test_push_to_a_registry_that_has_nothing(self):
        """Each to one of its own, so that nothing can be mounted; blobs that came through are not sent again."""
        self.load(self.image, "local:1")
        began = time.monotonic()
        self.push("local:1", f"{self.near.host}/undisturbed:1")
        took = time.monotonic() - began

        def fresh(n):
            self.there.stop()
            self.there = self.near.registry = self.registry()
            return ["--root", self.root, "push", "local:1", f"{self.near.host}/fresh{n}:1"]

        def then(n):
            whole = set(self.there.blobs_on_disk())
            self.near.clear()
            self.push("local:1", f"{self.near.host}/fresh{n}:1")
            self.assertEqual(whole & set(self.near.uploads()), set())
            self.pushed(self.image, name=f"fresh{n}")

        self.each_kill(took, fresh, then, max(4, KILLS // 5))
