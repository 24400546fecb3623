"""Roots that an engine of 1.10 to 18.09 migrated in place, or died while it did: both layouts are there, and nothing comes twice."""
import json
import os
import shutil

import legacy_tree as lt
import trees
from harness import Case, listing
from store import Store, chain_of


class HalfMigrated(Case):
    """An engine's fresh tars carry times of day: what it made of layers without a recorded tar, nobody makes again."""

    def migrated_root(self, *, forget=True):
        """`forget`: the layers' tars cannot be had from the graph any more, as if it had never recorded them."""
        self.root, self.target = self.path("root"), self.path("target")
        os.mkdir(self.root)
        self.tree = trees.small(self.root)
        self.cairn("migrate", self.root, "--in-place", "-s", "vfs")
        for image in self.tree.diff_ids if forget else []:
            os.unlink(f"{self.root}/graph/{image}/tar-data.json.gz")
        self.engines = Store(self.root, "vfs").identity()
        self.top = self.tree.repositories["small"]["3"]
        self.web = self.tree.names["web"]

    def mapping(self, change=None):
        path = self.root + "/.migration-v1-images.json"
        with open(path) as file:
            mapping = json.load(file)
        if change:
            change(mapping)
            with open(path, "w") as file:
                json.dump(mapping, file)
        return mapping

    def forget_image(self, v1_id, *, keep_layer=False):
        """As if the engine had failed at it."""
        image = self.mapping()[v1_id]
        self.mapping(lambda mapping: mapping.pop(v1_id))
        store = Store(self.root, "vfs")
        chain = chain_of(store.configs()[image]["rootfs"]["diff_ids"])
        for kind in ("content", "metadata"):
            shutil.rmtree(f"{store.image}/imagedb/{kind}/sha256/{image[7:]}", ignore_errors=True)
            if os.path.isfile(f"{store.image}/imagedb/{kind}/sha256/{image[7:]}"):
                os.unlink(f"{store.image}/imagedb/{kind}/sha256/{image[7:]}")
        if not keep_layer:
            shutil.rmtree(f"{store.layerdb}/sha256/{chain[7:]}")
        with open(store.image + "/repositories.json") as file:
            names = json.load(file)
        for tags in names["Repositories"].values():
            for name in [name for name, named in tags.items() if named == image]:
                del tags[name]
        with open(store.image + "/repositories.json", "w") as file:
            json.dump(names, file)
        return image

    def forget_container(self, *, keep_config=False):
        shutil.rmtree(f"{self.root}/image/vfs/layerdb/mounts/{self.web}")
        if not keep_config:
            os.unlink(f"{self.root}/containers/{self.web}/config.v2.json")

    def migrate(self, *args, code=0):
        before = listing(self.root)
        report = self.cairn("--json", "migrate", self.root, "--to", self.target, "-s", "overlay2", "--verify", *args, code=code).json()
        self.assert_same_tree(listing(self.root), before, "the source changed")
        self.assertEqual(Store(self.target, "overlay2").problems(), [])
        return report

    def identity(self):
        found = Store(self.target, "overlay2").identity()
        for config in found["containers"].values():
            config["Driver"] = "vfs"
        return found

    def test_what_an_engine_migrated_comes_over_once(self):
        self.migrated_root()
        mapping = self.mapping()
        report = self.migrate()
        self.assertEqual(self.identity(), self.engines)
        graph = {one["source_id"]: one for one in report["images"] if one["source_id"] in mapping}
        self.assertEqual({one["status"] for one in graph.values()}, {"exists"})
        self.assertEqual({v1: one["image_id"] for v1, one in graph.items()}, mapping)
        self.assertEqual(report["damage"], [])
        again = self.cairn("--json", "migrate", self.root, "--to", self.target, "-s", "overlay2").json()
        self.assertEqual({one["status"] for one in again["images"] + again["layers"] + again["containers"]}, {"exists"})
        self.assertEqual(self.identity(), self.engines)

    def test_the_graph_alone_would_give_other_ids(self):
        """Else the case above would say nothing."""
        self.migrated_root()
        shutil.rmtree(self.root + "/image")
        os.unlink(self.root + "/.migration-v1-images.json")
        self.migrate()
        self.assertFalse(self.identity()["tags"] == self.engines["tags"])

    def test_what_the_engine_failed_at_comes_on_top_of_what_it_did(self):
        self.migrated_root()
        lost = self.forget_image(self.top)
        self.forget_container()
        report = self.migrate()
        got = self.identity()
        self.assertEqual(set(self.engines["configs"]) - set(got["configs"]), {lost})
        (new,) = set(got["configs"]) - set(self.engines["configs"])
        self.assertEqual(got["configs"][new]["rootfs"]["diff_ids"][:3], self.engines["configs"][lost]["rootfs"]["diff_ids"][:3])
        self.assertEqual(got["configs"][new]["history"][:3], self.engines["configs"][lost]["history"][:3])
        self.assertEqual(got["tags"], {tag: new if image == lost else image for tag, image in self.engines["tags"].items()})
        self.assertEqual(got["containers"][self.web]["Image"], new)
        self.assertEqual([(one["id"], one["status"]) for one in report["containers"]], [(self.web, "migrated")])
        self.assertEqual([one for one in report["state"] if one["kind"] == "layer"], [])
        self.assertEqual(report["damage"], [])

    def test_a_container_whose_mount_was_not_written(self):
        for keep_config in (True, False):
            with self.subTest(keep_config=keep_config):
                self.migrated_root()
                self.forget_container(keep_config=keep_config)
                self.migrate(code=4 if keep_config else 0)      # mended, and told as damage
                self.assertEqual(self.identity(), self.engines)
                shutil.rmtree(self.root), shutil.rmtree(self.target)

    def test_a_crash_before_the_mapping_was_written(self):
        """The engine keeps what it hashed in the graph: with that the same images come out again."""
        self.migrated_root(forget=False)
        for image, diff in self.tree.diff_ids.items():
            folder = f"{self.root}/graph/{image}"
            os.rename(folder + "/tar-data.json.gz", folder + "/.migration-tardata")
            with open(folder + "/.migration-diffid", "w") as file:
                file.write(diff)
        self.forget_image(self.top, keep_layer=True)
        for name in (".migration-v1-images.json", ".migration-v1-tags", "image/vfs/repositories.json"):
            os.unlink(f"{self.root}/{name}")
        self.forget_container()
        report = self.migrate()
        self.assertEqual(self.identity(), self.engines)
        self.assertEqual({one["status"] for one in report["images"] if one["source_id"] in self.tree.diff_ids}, {"exists", "migrated"})

    def test_images_removed_since_are_no_damage(self):
        self.migrated_root()
        gone = self.tree.repositories["other"]["1"]
        image = self.mapping()[gone]
        self.forget_image(gone)
        self.mapping(lambda mapping: mapping.update({gone: image}))
        shutil.rmtree(f"{self.root}/vfs/dir/{gone}")
        report = self.migrate()
        self.assertNotIn("other:1", self.identity()["tags"])
        self.assertEqual([(one["kind"], one["name"]) for one in report["state"] if one["status"] == "left"], [("image", gone)])
        self.cairn("scan", self.root)

    def test_tags_moved_or_removed_since_stay_so(self):
        self.migrated_root()
        path = self.root + "/image/vfs/repositories.json"
        with open(path) as file:
            names = json.load(file)["Repositories"]
        names["small"]["small:0"] = names["small"].pop("small:1")
        with open(path, "w") as file:
            json.dump({"Repositories": names}, file)
        want = Store(self.root, "vfs").tags()
        self.migrate()
        self.assertEqual(self.identity()["tags"], want)

    def test_an_image_damaged_since_comes_from_the_graph(self):
        self.migrated_root()
        image = self.mapping()[self.tree.repositories["other"]["1"]]
        open(f"{self.root}/image/vfs/imagedb/content/sha256/{image[7:]}", "w").close()
        report = self.migrate(code=4)
        self.assertIn("failed", {one["status"] for one in report["images"] if one["source_id"] == image})
        self.assertIn("other:1", self.identity()["tags"])

    def test_a_chosen_image_brings_what_the_engine_made_of_its_parents(self):
        self.migrated_root()
        lost = self.forget_image(self.top)
        self.forget_container()
        self.migrate("--image", "small:3", "--no-containers")
        configs = Store(self.target, "overlay2").configs()
        self.assertEqual(len(configs), 4)
        self.assertEqual(len(set(configs) & set(self.engines["configs"])), 3)
        self.assertNotIn(lost, configs)

    def test_in_place_only_what_is_missing_is_added(self):
        self.migrated_root(forget=False)
        self.forget_image(self.top)
        self.forget_container()
        report = self.cairn("--json", "migrate", self.root, "--in-place", "-s", "vfs").json()
        self.assertEqual(Store(self.root, "vfs").identity(), self.engines)
        self.assertEqual(sorted(one["status"] for one in report["images"]), ["exists"] * 4 + ["migrated"])
        self.assertEqual([one["status"] for one in report["containers"]], ["migrated"])

    def test_in_place_for_another_driver(self):
        self.migrated_root()
        self.cairn("migrate", self.root, "--in-place", "-s", "overlay2")
        self.target = self.root
        self.assertEqual(self.identity(), self.engines)
        self.assertNotIn("graph", os.listdir(self.root))

    def test_scan_tells_how_far_it_got(self):
        self.migrated_root()
        told = self.cairn("scan", self.root, "--json").json()
        graph = [one for one in told["drivers"] if one["layout"] == "graph"]
        self.assertEqual((graph[0]["images"], graph[0]["taken_over"]), (5, {"images": 5, "containers": 1}))
        self.assertIn("--remove-source", told["next"]["steps"][0]["command"])
        self.forget_image(self.top)
        self.forget_container()
        told = self.cairn("scan", self.root, "--json").json()
        graph = [one for one in told["drivers"] if one["layout"] == "graph"]
        self.assertEqual((graph[0]["images"], graph[0]["taken_over"]), (5, {"images": 4, "containers": 0}))
        self.assertNotIn("--remove-source", told["next"]["steps"][0]["command"])
        self.assertIn("4 of 5 images", self.cairn("scan", self.root).text())


class AfterDocker(Case):
    """The shipped roots that Docker 1.10.3 migrated in place."""

    def check(self, source_driver, target_driver):
        root, target = self.fixture(f"tiny-1.9.1-{source_driver}-after-1.10.3"), self.path("target")
        report = self.cairn("--json", "migrate", root, "--to", target, "-s", target_driver, "--verify").json()
        want = Store(root, source_driver).identity()
        for config in want["containers"].values():
            config["Driver"] = target_driver
        self.assertEqual(Store(target, target_driver).identity(), want)
        read_back = sum(int(layer["size"]) for layer in Store(target, target_driver).layers().values())
        self.assertEqual(report["bytes_hashed"], read_back, "what the engine had hashed is hashed again")
        self.assertEqual(report["damage"], [])

    def test_after_1_10_3_vfs(self):
        self.check("vfs", "overlay2")

    def test_after_1_10_3_overlay(self):
        self.check("overlay", "vfs")
