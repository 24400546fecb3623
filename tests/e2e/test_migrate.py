"""cairn migrate of graphs: what is asked of it, and what it leaves alone. test_matrix.py compares what comes over."""
import hashlib
import json
import os

import trees
from harness import BUSYBOX, Case, listing
from legacy_tree import EMPTY_TAR
from store import Store, chain_of


class Migration(Case):
    def migrate(self, source, *args, code=0):
        """Runs `cairn migrate --json`; the source must be as it was, to the byte and the nanosecond."""
        before = listing(source)
        result = self.cairn("--json", "migrate", source, *args, code=code)
        self.assert_same_tree(listing(source), before, "the source changed")
        return result.json()

    def check_store(self, root, driver):
        store = Store(root, driver)
        self.assertEqual(store.problems(), [])
        return store

    def check_saved_layers(self, dockerd, images):
        """`docker save`: each layer must have the DiffID the configuration names. Engines verify nothing else so well."""
        with dockerd.save(images) as archive:
            manifests = json.load(archive.extractfile("manifest.json"))
            self.assertEqual({"sha256:" + one["Config"].removesuffix(".json") for one in manifests}, set(images))
            hashes = {name: "sha256:" + hashlib.sha256(archive.extractfile(name).read()).hexdigest()
                      for name in {layer for one in manifests for layer in one["Layers"]}}
            for one in manifests:
                config = json.load(archive.extractfile(one["Config"]))
                self.assertEqual([hashes[name] for name in one["Layers"]], config["rootfs"].get("diff_ids", []), f"docker save {one}")


class Tiny(Migration):
    """The shipped roots of a real 1.9.1; what Docker 1.10.3 made of them is the answer."""

    def test_a_second_run_changes_nothing(self):
        source, target = self.fixture("tiny-1.9.1-vfs-before"), self.path("target")
        self.migrate(source, "--to", target, "-s", "overlay2")
        before = listing(target, times=False)
        report = self.migrate(source, "--to", target, "-s", "overlay2")
        self.assertEqual({i["status"] for i in report["images"]}, {"exists"})
        self.assert_same_tree(listing(target, times=False), before, "a second run changed the target")

    def test_dry_run_writes_nothing(self):
        source, target = self.fixture("tiny-1.9.1-vfs-before"), self.path("target")
        before = listing(source)
        plan = self.cairn("--json", "migrate", source, "--to", target, "-s", "overlay2", "--dry-run").json()
        self.assertEqual(len(plan["images"]), 12)
        self.assertFalse(os.path.exists(target) and os.listdir(target))
        self.assert_same_tree(listing(source), before)

    def test_chosen_images_come_with_their_parents_only(self):
        source, target = self.fixture("tiny-1.9.1-vfs-before"), self.path("target")
        self.migrate(source, "--to", target, "-s", "overlay2", "--image", "tiny/app:1", "--no-containers")
        store = self.check_store(target, "overlay2")
        self.assertEqual(set(store.tags()) & {"tiny/env:1", "tiny/app:1", "tiny/app:2", "tiny/alone:1"}, {"tiny/app:1"})
        self.assertEqual(len(store.configs()), 9)
        self.assertEqual(store.containers(), {})
        report = self.migrate(source, "--to", target, "-s", "overlay2")       # and the rest later
        self.assertEqual({i["status"] for i in report["images"]}, {"exists", "migrated"})
        want = Store(self.fixture("tiny-1.9.1-vfs-after-1.10.3"), "vfs")
        self.assertEqual(store.tags(), want.tags())
        self.assertEqual(store.configs(), want.configs())

    def test_another_tree_in_the_target_is_refused(self):
        target = self.path("target")
        self.migrate(self.fixture("tiny-1.9.1-vfs-before"), "--to", target, "-s", "overlay2")
        before = listing(target)
        result = self.cairn("migrate", self.fixture("tiny-1.9.1-overlay-before"), "--to", target, "-s", "overlay2", code=1)
        self.assertIn(target, result.stderr)
        self.assert_same_tree(listing(target), before)


class InPlace(Migration):
    """Files are added beside the old ones; the result is Docker's own, cache-ids and sizes included."""

    def check_in_place(self, driver):
        root = self.fixture(f"tiny-1.9.1-{driver}-before")
        before = listing(root)
        self.cairn("migrate", root, "--in-place", "-s", driver)
        after = listing(root)
        kept = {name: after.get(name) for name in before if not before[name].startswith("d")}
        self.assert_same_tree(kept, {name: before[name] for name in kept}, "an old file changed")
        self.assertTrue(all(name in after for name in before))
        got, want = Store(root, driver), Store(self.fixture(f"tiny-1.9.1-{driver}-after-1.10.3"), driver)
        self.assertEqual(got.identity(), want.identity())
        self.assertEqual(got.layers(), want.layers())
        self.assertEqual(got.mounts(), want.mounts())
        self.need_engine()
        with self.engine(root, driver) as dockerd:
            self.assertEqual(set(dockerd.lines("images", "-a", "-q", "--no-trunc")), set(want.configs()))
            self.assertEqual(set(dockerd.lines("ps", "-a", "-q", "--no-trunc")), set(want.mounts()))
            self.check_saved_layers(dockerd, want.configs())

    def test_in_place_on_vfs_is_dockers_own_result(self):
        self.check_in_place("vfs")

    def test_in_place_on_overlay_is_dockers_own_result(self):
        self.check_in_place("overlay")

    def test_in_place_then_remove_source_leaves_a_store_in_order(self):
        root = self.fixture("tiny-1.9.1-vfs-before")
        want = Store(self.fixture("tiny-1.9.1-vfs-after-1.10.3"), "vfs").identity()
        self.cairn("migrate", root, "--in-place", "-s", "vfs", "--remove-source")
        store = self.check_store(root, "vfs")           # the twin's directory is gone too
        self.assertEqual(store.identity(), want)
        self.assertFalse({"graph", "repositories-vfs", "linkgraph.db"} & set(os.listdir(root)))


class Synthetic(Migration):

    def test_the_answer_is_the_same_on_every_run_and_driver(self):
        """Without tar-split data the layers' tars are made anew: their DiffIDs must not depend on clock, pid or target."""
        self.need_program(BUSYBOX, "busybox-static")
        source = self.path("source")
        os.mkdir(source)
        trees.everything(source, "vfs", "1.6.2")
        answers = []
        for n, driver in enumerate(["overlay2", "overlay2", "vfs"]):
            self.migrate(source, "--to", self.path(f"target{n}"), "-s", driver)
            answers.append(Store(self.path(f"target{n}"), driver).identity())
            for config in answers[-1]["containers"].values():
                config.pop("Driver")
        self.assertEqual(answers[0], answers[1])
        self.assertEqual(answers[0], answers[2])

    def test_links_come_out_of_the_graph_of_names(self):
        source, target = self.path("source"), self.path("target")
        os.mkdir(source)
        tree = trees.small(source)
        tree.container("db", tree.repositories["other"]["1"], ["/db"])
        os.unlink(source + "/linkgraph.db")
        tree.finish(links=[("web", "mysql", "db")])
        self.migrate(source, "--to", target, "-s", "overlay2")
        links = {}
        for name, container in tree.names.items():
            with open(f"{target}/containers/{container}/hostconfig.json") as config:
                links[name] = json.load(config)["Links"]
        self.assertEqual(links["web"], ["/db:mysql"])
        self.assertFalse(links["db"])

    def test_an_empty_layer_is_the_empty_tar(self):
        source, target = self.path("source"), self.path("target")
        os.mkdir(source)
        tree = trees.small(source)
        tree.image([], tags=["nothing:1"])
        tree.image([], parent=tree.image([]), tags=["nothing:2"])
        os.unlink(source + "/linkgraph.db")
        tree.finish()
        self.migrate(source, "--to", target, "-s", "overlay2")
        store = self.check_store(target, "overlay2")
        nothing = "sha256:" + hashlib.sha256(EMPTY_TAR).hexdigest()
        self.assertEqual(store.configs()[store.tags()["nothing:2"]]["rootfs"]["diff_ids"], [nothing, nothing])
        self.assertIn(chain_of([nothing, nothing]), store.layers())
