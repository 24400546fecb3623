"""Every damage alone and every two together: what can be saved is saved, with its ids and root file systems, and what cannot is named."""
import itertools
import json
import os
import shutil
import stat
import subprocess

import damages
from harness import Case, listing
from store import Store
from test_carry import WrittenByAnEngine


class Salvage(Case):
    """One undamaged root and what its migration gave; each case damages a copy of it and compares."""

    target_driver = "vfs"

    def setUp(self):
        super().setUp()
        self.in_memory()

    def damaged(self, names):
        root = self.path("damaged")
        shutil.rmtree(root, ignore_errors=True)
        shutil.rmtree(self.path("target"), ignore_errors=True)
        subprocess.run(["cp", "-a", self.whole, root], check=True)
        world, lost = self.world(root), set(damages.TOGETHER.get(frozenset(names), set()))
        for name in names:
            damage, cost = self.cases[name]
            try:
                damage(world)
            except FileNotFoundError:                # the other damage took the whole directory
                pass
            lost |= cost
        return root, lost

    def migrate(self, root, *flags, code=None):
        return self.cairn("--json", "-j", "1", "migrate", root, "--to", self.path("target"), "-s", self.target_driver, *flags, code=code)

    def check(self, *names):
        root, lost = self.damaged(names)
        result = self.migrate(root)
        self.assertIn(result.code, (0, 4), result)
        with self.subTest("+".join(names)):
            self.check_target(Store(self.path("target"), self.target_driver), lost, result)

    def check_target(self, store, lost, result):
        said = "\n" + result.stderr
        self.assertEqual(store.problems(), [], said)
        kept = {tag for tag in self.images if ("image", tag) not in lost}
        self.assertEqual(set(store.configs()), {self.images[tag] for tag in kept}, said)
        tags = {tag: self.images[tag] for tag in kept if ("tag", tag) not in lost}
        self.assertEqual(store.tags(), tags, said)
        containers = {name for name in self.names if ("container", name) not in lost}
        self.assertEqual(set(store.containers()), {self.names[name] for name in containers}, said)
        for chain, layer in store.layers().items():
            self.assert_same_tree(self.tree(store, layer["cache-id"]), self.trees[chain], f"layer {chain}" + said)
            self.assertEqual(layer["size"], self.sizes[chain], chain + said)
            self.assertEqual(store.tar_split(chain), self.tar_splits[chain], chain + said)
        for name in containers:
            container = self.names[name]
            self.assertEqual(store.mounts()[container], self.mounts[container], name + said)
            self.assert_same_tree(self.tree(store, store.mounts()[container]["mount-id"]), self.trees[container], name + said)
            same = damages.read(f"{store.root}/containers/{container}/hostconfig.json") == self.host_configs[container]
            self.assertEqual(same, ("host", name) not in lost, name + said)
            json.loads(damages.read(f"{store.root}/containers/{container}/hostconfig.json"))

    def tree(self, store, layer):
        return listing(os.path.join(store.home, "dir", layer), times=False)

    def remember(self, store, names):
        """What an undamaged migration gives."""
        self.images, self.names = store.tags(), names
        layers = store.layers()
        self.trees = {chain: self.tree(store, layer["cache-id"]) for chain, layer in layers.items()}
        self.sizes = {chain: layer["size"] for chain, layer in layers.items()}
        self.tar_splits = {chain: store.tar_split(chain) for chain in layers}
        self.host_configs, self.mounts = {}, store.mounts()
        for container in names.values():
            self.trees[container] = self.tree(store, store.mounts()[container]["mount-id"])
            self.host_configs[container] = damages.read(f"{store.root}/containers/{container}/hostconfig.json")

    def check_alone(self):
        for name in self.cases:
            self.check(name)

    def check_pairs(self):
        for names in itertools.combinations(self.cases, 2):
            self.check(*names)

    def check_strict(self):
        """Refused before anything is written, in a line; what is damaged, and what its repair loses, is told before."""
        for name in self.cases:
            root, _ = self.damaged([name])
            before = listing(root)
            result = self.migrate(root, "--strict", code=3)
            with self.subTest(name):
                self.assertIn("--strict", result.stderr.splitlines()[-1])
                self.assertGreater(len(result.stderr.splitlines()), 1)
                for one in result.json()["damage"]:
                    self.assertTrue(one["repair"], one)
                self.assertFalse(os.path.exists(self.path("target")))
                self.assert_same_tree(listing(root), before, "the source was written to")

    def check_scan(self):
        for name in self.cases:
            root, lost = self.damaged([name])
            with self.subTest(name):
                result = self.cairn("--json", "scan", root, code=None)
                damage = [one for driver in result.json()["drivers"] for one in driver["damage"]]
                if name == "orphan":                 # lost to nobody
                    self.assertEqual((result.code, damage), (0, []))
                    continue
                self.assertEqual(result.code, 3, result)
                for one in damage:
                    self.assertTrue(one["repair"], one)
                if not lost:
                    self.assertFalse([one for one in damage if one["repair"].startswith("none")], result)

    def check_whole(self):
        """The undamaged root has nothing to complain of: what the others find is the damage."""
        self.migrate(self.damaged([])[0], "--strict", code=0)
        self.assertEqual(self.cairn("--json", "scan", self.whole).json()["drivers"][0]["damage"], [])


class ContentSalvage(Salvage):
    def prepare(self, driver, cases):
        """A root of `driver`; without recorded tars in its own source, so that every layer's tar is one that cairn makes again."""
        self.cases = cases
        legacy = self.path("legacy")
        os.mkdir(legacy)
        names = damages.legacy(legacy, "vfs", "1.6.2").names
        self.whole = self.path("whole")
        self.cairn("migrate", legacy, "--to", self.whole, "-s", driver)
        self.world = lambda root: damages.Content(root, driver, Store(self.whole, driver), names)
        if driver == self.target_driver:
            self.target_driver = "vfs"
        self.migrate(self.whole, code=0)
        self.remember(Store(self.path("target"), self.target_driver), names)
        self.check_whole()

    def test_overlay2_alone(self):
        self.prepare("overlay2", damages.OVERLAY2)
        self.check_alone()

    def test_overlay2_pairs(self):
        self.prepare("overlay2", damages.OVERLAY2)
        self.check_pairs()

    def test_overlay2_strict(self):
        self.prepare("overlay2", damages.OVERLAY2)
        self.check_strict()

    def test_overlay2_scan(self):
        self.prepare("overlay2", damages.OVERLAY2)
        self.check_scan()

    def test_vfs_alone(self):
        self.prepare("vfs", damages.CONTENT)
        self.check_alone()

    def test_aufs_alone(self):
        self.prepare("aufs", damages.CONTENT | damages.AUFS)
        self.check_alone()

    def test_aufs_pairs(self):
        self.prepare("aufs", damages.AUFS)
        self.check_pairs()


class GraphSalvage(Salvage):
    def prepare(self):
        """With tar-split data that cairn makes again, byte for byte, where it is lost."""
        self.cases = damages.GRAPH
        self.whole = self.path("whole")
        os.mkdir(self.whole)
        tree = damages.legacy(self.whole, "overlay", "1.9.1")
        ids = {f"{repository}:{tag}": image for repository, tags in tree.repositories.items() for tag, image in tags.items()}
        for image in ids.values():
            os.unlink(f"{self.whole}/graph/{image}/tar-data.json.gz")
        self.migrate(self.whole, code=0)
        store = Store(self.path("target"), self.target_driver)
        for chain, layer in store.layers().items():
            shutil.copy(f"{store.layerdb}/sha256/{chain[7:]}/tar-split.json.gz", f"{self.whole}/graph/{layer['cache-id']}/tar-data.json.gz")
        for tag in ids.keys() - {"small:0"}:
            shutil.copy(f"{self.whole}/graph/{ids[tag]}/json", f"{self.whole}/graph/{ids[tag]}/v1Compatibility")
        self.world = lambda root: damages.Graph(root, ids, tree.names)
        shutil.rmtree(self.path("target"))
        self.migrate(self.whole, code=0)
        self.remember(Store(self.path("target"), self.target_driver), tree.names)
        self.check_whole()

    def test_graph_alone(self):
        self.prepare()
        self.check_alone()

    def test_graph_pairs(self):
        self.prepare()
        self.check_pairs()

    def test_graph_strict(self):
        self.prepare()
        self.check_strict()

    def test_graph_scan(self):
        self.prepare()
        self.check_scan()

    def test_graph_in_place_with_a_mapping_cut(self):
        """Docker's own migration writes its mapping in place; a crash leaves half of it, or nothing."""
        self.prepare()
        for keep in (0.5, 0):
            root, _ = self.damaged([])
            self.cairn("migrate", root, "--in-place")
            want = Store(root, "overlay").identity()
            mapping = damages.read(f"{root}/.migration-v1-images.json")
            damages.cut(f"{root}/.migration-v1-images.json", keep)
            result = self.cairn("migrate", root, "--in-place", code=4)
            self.assertIn("mapping-invalid", result.stderr)
            self.assertEqual(Store(root, "overlay").identity(), want)
            self.assertEqual(damages.read(f"{root}/.migration-v1-images.json"), mapping)


class EngineSalvage(WrittenByAnEngine):
    def test_root_of_an_engine(self):
        """Its own layers' tars are made again as the engine made them: `docker save` gives the very bytes. But for one with a whiteout:
        on disk that has the time at which the engine unpacked the layer, in the tar that of the removal."""
        self.prepare("overlay2")
        store = Store(self.root, "overlay2")
        lost = 0
        for chain, layer in store.layers().items():
            diff = f"{store.home}/{layer['cache-id']}/diff"
            if not any(stat.S_ISCHR(os.lstat(os.path.join(top, name)).st_mode) for top, _, names in os.walk(diff) for name in names):
                damages.write(f"{store.layerdb}/sha256/{chain[7:]}/tar-split.json.gz", "")
                last, lost = chain, lost + 1
            if layer["parent"]:
                os.unlink(f"{store.home}/{layer['cache-id']}/lower")
        self.assertGreater(lost, 1)
        damages.write(f"{store.layerdb}/sha256/{last[7:]}/cache-id", "")
        shutil.rmtree(f"{store.home}/l")
        self.cairn("migrate", self.root, "--to", self.path("target"), "-s", "overlay2", code=4)
        self.check_said(self.path("target"), "overlay2")
