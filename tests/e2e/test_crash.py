"""Killed at any moment, then run again: the same store as undisturbed, and nothing left over.

CAIRN_KILLS (default 200) says how many times each command is killed, CAIRN_SEED picks other moments.
"""
import os
import random
import shutil
import subprocess
import time

import archives
import legacy_tree as lt
import trees
from harness import Case, listing
from store import Store

KILLS = int(os.environ.get("CAIRN_KILLS", "200"))
SEED = int(os.environ.get("CAIRN_SEED", "1"))


class Killed(Case):
    def setUp(self):
        super().setUp()
        # In memory: what a kill leaves behind does not depend on the disk, and hundreds of runs need not wait for one.
        subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", self.tmp], check=True)

    def check(self, driver, argv):
        """`argv(root)`: the command line. Every kill must leave a store whose rerun gives the undisturbed answer."""
        began = time.monotonic()
        self.cairn(*argv(self.path("undisturbed")))
        took = time.monotonic() - began
        want = Store(self.path("undisturbed"), driver)
        self.assertEqual(want.problems(), [])
        identity, shape = want.identity(), self.shape(want)
        moments, early = random.Random(SEED), 0
        for n in range(KILLS):
            root = self.path(f"killed{n}")
            running = self.start(*argv(root))
            moment = moments.uniform(0, took)
            time.sleep(moment)
            if running.kill().code == -9:
                early += 1
            else:
                took *= 0.95  # the machine has become faster
            with self.subTest(kill=n, moment=moment):
                self.check_visible_is_complete(Store(root, driver))
                self.cairn(*argv(root))
                again = Store(root, driver)
                self.assertEqual(again.problems(), [])
                self.assertEqual(again.identity(), identity)
                self.assertEqual(self.shape(again), shape, "something is left over, or missing")
            shutil.rmtree(root)
        self.assertGreater(early, KILLS // 4, "most kills came too late to test anything")

    def check_visible_is_complete(self, store):
        """Whatever metadata names is there in full, at every moment."""
        unfinished = ("left", "overlay2 link", f"{store.driver} directory")
        found = [p for p in store.problems() if not p.startswith(unfinished) or p.endswith("is missing")]
        self.assertEqual(found, [])

    def shape(self, store):
        """The names in the store, ids that are random replaced by how many there are."""
        names = [name for name in listing(store.root, times=False) if not name.startswith((store.driver + "/"))]
        return sorted(n for n in names if "/layerdb/mounts/" not in n), len(store.driver_dirs())

    def test_migrate(self):
        source = self.path("source")
        os.mkdir(source)
        trees.small(source, "overlay", "1.9.1")
        before = listing(source)
        self.check("overlay2", lambda root: ["migrate", source, "--to", root, "-s", "overlay2"])
        self.assert_same_tree(listing(source), before, "the source changed")

    def test_migrate_without_tar_split_to_vfs(self):
        source = self.path("source")
        os.mkdir(source)
        trees.small(source, "vfs", "1.6.2")
        self.check("vfs", lambda root: ["migrate", source, "--to", root, "-s", "vfs"])

    def check_load(self, driver, compression):
        layers = [[lt.directory(f"d{n}")] + [lt.file(f"d{n}/f{i}", os.urandom(3000)) for i in range(60)] for n in range(5)]
        archive = self.path("archive.tar")
        with open(archive, "wb") as out:
            out.write(archives.docker_archive([(archives.Image(layers), ["x:1"])], compression))
        self.check(driver, lambda root: ["--root", root, "-s", driver, "load", "-i", archive])

    def test_load_overlay2(self):
        self.check_load("overlay2", "none")

    def test_load_vfs(self):
        self.check_load("vfs", "gzip")

    def test_in_place(self):
        """In place the source is the target: a fresh copy for every kill."""
        source = self.path("source")
        os.mkdir(source)
        trees.small(source, "vfs", "1.9.1")

        def argv(root):
            if not os.path.exists(root):
                shutil.copytree(source, root, symlinks=True)
            return ["migrate", root, "--in-place", "-s", "vfs"]

        self.check("vfs", argv)
