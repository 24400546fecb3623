"""Every kind of root to every driver: images, tags, containers and their files are the source's, and an engine works with them.

Unasked each source goes to a driver or two, so that each of both has its turn; with CAIRN_MATRIX=full each goes to all.
"""
import json
import os
import re
import shutil
import tempfile

import thin_pool
import trees
from harness import BUSYBOX, listing, tar_listing, without_init
from layer_trees import tree_of
from store import Store, chain_of
from test_carry import WrittenByAnEngine, identity
from test_migrate import Migration

FULL = os.environ.get("CAIRN_MATRIX") == "full"
TARGETS = ("overlay2", "vfs", "btrfs", "aufs", "devicemapper")
SMALL_POOL = ("dm.loopdatasize=2G", "dm.loopmetadatasize=32M", "dm.basesize=512M", "dm.fs=ext4")


class Cells(Migration):
    """A root at self.source, and the listings of what is in it: of images by the source's ids, of containers by theirs."""
    driver = ""
    options = ()
    directory_times = True

    def setUp(self):
        super().setUp()
        self.images, self.containers = {}, {}

    def to(self, *few):
        self.need_engine()
        self.need_program(BUSYBOX, "busybox-static")
        for driver in TARGETS if FULL else few:
            with self.subTest(driver):
                self.cell(driver)

    def cell(self, driver):
        before = listing(self.source)
        target, options = self.place_for(driver), self.options
        if driver == "devicemapper":
            self.need_devicemapper()
            options = options or [word for one in SMALL_POOL for word in ("--storage-opt", one)]
        report = self.migrate(self.source, "--to", target, "-s", driver, "--verify", *options)
        for kind in ("images", "layers", "containers"):
            self.assertLessEqual({one["status"] for one in report[kind]}, {"migrated", "duplicate"}, kind)
        self.assertEqual(report["damage"], [])
        store = self.check_store(target, driver)
        self.check_identity(store, {one["source_id"]: one["image_id"] for one in report["images"]})
        again = self.migrate(self.source, "--to", target, "-s", driver, *options)
        self.assertEqual({one["status"] for one in again["images"] + again["containers"]}, {"exists"})
        images = {one["image_id"]: self.images[one["source_id"]] for one in report["images"] if one["source_id"] in self.images}
        if driver in ("overlay2", "vfs", "btrfs"):
            with self.engine(target, driver) as dockerd:
                self.check_engine(dockerd, store, images)
        else:
            self.check_trees({**images, **self.containers}, lambda name: (self.by_branches if driver == "aufs" else self.by_cairn)(store, name))
        self.assert_same_tree(listing(self.source), before, "what ran in the target reached the source")

    def place_for(self, driver):
        name = f"{self.driver}-to-{driver}"
        return os.path.join(self.btrfs("disk-of-" + name) if driver == "btrfs" else self.path(), name)

    def need_devicemapper(self):
        told = next(one for one in self.cairn("--root", self.path("none"), "drivers", "--json").json() if one["name"] == "devicemapper")
        if not told["writable"]:
            self.skipTest("no devicemapper: " + told["why_not"])

    def check_trees(self, wanted, read):
        for name, want in wanted.items():
            self.assert_same_tree(self.comparable(read(name)), self.comparable(want), f"root file system of {name}")

    def comparable(self, tree):
        if self.directory_times:
            return tree
        return {name: re.sub(r"mtime=\d+", "", entry) if entry.startswith("d") else entry for name, entry in tree.items()}

    def by_branches(self, store, name):
        mount = store.mounts().get(name)
        layer = mount["mount-id"] if mount else store.layers()[chain_of(store.configs()[name]["rootfs"]["diff_ids"])]["cache-id"]
        return self.read_tree(store.root, store.driver, layer)

    def read_tree(self, root, driver, layer):
        with tempfile.TemporaryDirectory(dir=self.path()) as scratch:
            return tree_of(root, driver, layer, scratch)

    def by_cairn(self, store, name):
        return without_init(tar_listing(self.cairn("--root", store.root, "export", name).stdout))

    def by_engine(self, dockerd, name):
        if name in self.containers:
            return without_init(tar_listing(dockerd.export(name)))
        container = dockerd.ask_json("/containers/create", "POST", {"Image": name, "Cmd": ["/none"]})["Id"]
        try:
            return without_init(tar_listing(dockerd.export(container)))
        finally:
            dockerd.ask(f"/containers/{container}", "DELETE")

    def check_engine(self, dockerd, store, images):
        configs, parents, containers = store.configs(), store.parents(), store.containers()
        listed = {one["Id"]: one for one in dockerd.ask_json("/images/json?all=1")}
        self.assertEqual({image: one["ParentId"] for image, one in listed.items()}, {image: parents.get(image, "") for image in configs})
        tags = {tag: image for image, one in listed.items() for tag in one["RepoTags"] or [] if tag != "<none>:<none>"}
        self.assertEqual(tags, store.tags())
        self.assertEqual({one["Id"]: one["Names"] for one in dockerd.ask_json("/containers/json?all=1")},
                         {container: [config["Name"]] for container, config in containers.items()})
        for image, config in configs.items():
            self.assertEqual(len(dockerd.ask_json(f"/images/{image}/history")), len(config["history"]))
        self.check_saved_layers(dockerd, configs)
        self.check_trees({**images, **self.containers}, lambda name: self.by_engine(dockerd, name))
        self.check_programs(dockerd, store, images)

    def check_programs(self, dockerd, store, images):
        """Layers without a program: one of the host shows what it sees in an image of each name; containers are committed."""
        for tag in {tag.rpartition(":")[0]: tag for tag in store.tags()}.values():
            seen = dockerd.lines("run", "--rm", "--network", "none", "-v", f"{BUSYBOX}:/busybox:ro", tag, "/busybox", "ls", "-A", "/")
            self.assertLessEqual({name for name in images[store.tags()[tag]] if "/" not in name and name.isascii()}, set(seen), tag)
        if self.containers:
            self.check_saved_layers(dockerd, [dockerd.lines("commit", container)[0] for container in self.containers])


class Tiny(Cells):
    """The shipped roots of a real 1.9.1: what Docker 1.10.3 made of them is the answer."""

    def unpack(self, driver):
        self.source, self.answer = self.fixture(f"tiny-1.9.1-{driver}-before"), self.fixture(f"tiny-1.9.1-{driver}-after-1.10.3")
        self.want = Store(self.answer, driver).identity()
        self.images = {image: self.read_tree(self.source, driver, image) for image in os.listdir(self.source + "/graph") if len(image) == 64}
        self.containers = {name: self.read_tree(self.source, driver, name) for name in os.listdir(self.source + "/containers")}

    def check_identity(self, store, new_ids):
        for config in self.want["containers"].values():
            config["Driver"] = store.driver
        got = store.identity()
        for what in self.want:
            self.assertEqual(got[what], self.want[what], what)
        with open(self.answer + "/.migration-v1-images.json") as mapping:
            self.assertEqual(new_ids, json.load(mapping))

    def test_tiny_vfs(self):
        self.unpack("vfs")
        self.to("overlay2")

    def test_tiny_vfs_to_devicemapper(self):
        self.unpack("vfs")
        self.cell("devicemapper")

    def test_tiny_overlay(self):
        self.unpack("overlay")
        self.directory_times = False         # the engine's whole trees are copies: their directories have the time of the copying
        self.to("vfs")

    def test_tiny_devicemapper(self):
        if shutil.which("thin_restore") is None:
            self.skipTest("no thin_restore: install thin-provisioning-tools")
        self.unpack("vfs")
        thin_pool.from_vfs(self.source)
        self.options = ("--storage-opt", "dm.offline=true")
        self.to("btrfs")


class Generated(Cells):
    """Trees with a program in them and everything a layer can hold, in the shape of three engines."""

    def generate(self, version, driver):
        self.need_program(BUSYBOX, "busybox-static")
        self.source = os.path.join(self.btrfs("disk") if driver == "btrfs" else self.path(), "source")
        os.mkdir(self.source)
        self.tree = trees.everything(self.source, driver, version)
        self.images = {image: self.read_tree(self.source, driver, image) for image in self.tree.diff_ids}
        self.containers = {name: self.read_tree(self.source, driver, name) for name in self.tree.names.values()}

    def check_identity(self, store, new_ids):
        self.assertEqual(new_ids.keys(), self.tree.diff_ids.keys())
        tags = {f"{repository}:{tag}": new_ids[image] for repository, tags in self.tree.repositories.items() for tag, image in tags.items()}
        self.assertEqual(store.tags(), tags)
        self.assertEqual({config["Name"]: name for name, config in store.containers().items()},
                         {"/" + name: container for name, container in self.tree.names.items()})
        if self.tree.with_tar_split:
            configs = store.configs()
            for image, new in new_ids.items():
                self.assertEqual(configs[new]["rootfs"]["diff_ids"], self.tree.chain(image), "DiffIDs are the tars' own")

    def check_programs(self, dockerd, store, images):
        run = lambda *args: dockerd.docker("run", "--rm", "--network", "none", *args)   # noqa: E731
        self.assertEqual(run("local/app:1"), b"now a file")
        self.assertEqual(run("local/app:env"), b"from an empty layer\n")
        self.assertEqual(run("local/app:latest", "/bin/sh", "-c", "ls /data; ls /data/full; cat /odd/new*; echo >> /odd/caps"),
                         b"full\nplain\nswap\nb\nc\nn")
        self.assertEqual(dockerd.docker("start", "-a", "stopped"), b"now a fileby the container\n")
        changes = set(dockerd.lines("diff", "stopped"))
        self.assertTrue({"A /written", "D /data/full/b"} <= changes, changes)
        self.assertEqual(dockerd.docker("start", "-a", "created"), b"first start\n")

    def test_0_7_6_vfs(self):
        self.generate("0.7.6", "vfs")
        self.to("overlay2")

    def test_1_6_2_overlay(self):
        self.generate("1.6.2", "overlay")
        self.to("btrfs")

    def test_1_9_1_overlay(self):
        self.generate("1.9.1", "overlay")
        self.to("vfs")

    def test_1_9_1_aufs(self):
        self.generate("1.9.1", "aufs")
        self.to("overlay2")

    def test_1_9_1_btrfs(self):
        self.generate("1.9.1", "btrfs")
        self.to("aufs")


class Current(WrittenByAnEngine, Cells):
    """Roots of the engine that is here: what it said of them is the answer."""

    def written(self, driver):
        self.prepare(driver)
        self.source, self.driver = self.root, driver
        with self.engine(self.root, driver) as dockerd:
            self.images = {image: self.by_engine(dockerd, image) for image in self.said.images}
        self.containers = {container: without_init(self.said.exported[name]) for name, container in self.said.containers.items()}

    def check_identity(self, store, new_ids):
        self.assertEqual({old: new for old, new in new_ids.items() if old != new}, {})
        self.assertEqual(identity(store.root, store.driver), identity(self.source, self.driver))

    def check_engine(self, dockerd, store, images):
        self.said.check_same(self, dockerd)
        super().check_engine(dockerd, store, images)

    def check_programs(self, dockerd, store, images):
        self.check_what_runs(dockerd)

    def test_engines_overlay2(self):
        self.written("overlay2")
        self.to("overlay2", "btrfs")

    def test_engines_vfs_and_aufs(self):
        """No kernel here has aufs: what cairn wrote as aufs is the source of the second."""
        self.written("vfs")
        self.to("aufs")
        self.source, self.driver = self.path("vfs-to-aufs"), "aufs"
        self.to("overlay2")

    def test_engines_btrfs(self):
        self.written("btrfs")
        self.to("vfs")

    def test_engines_overlay(self):
        self.written("overlay")
        self.to("overlay2")


class ThinPool(Cells):
    """A root of Docker's present layout on devicemapper, read without the kernel's."""
    driver = "devicemapper"
    options = ("--storage-opt", "dm.offline=true")

    def check_identity(self, store, new_ids):
        want = identity(self.source, self.driver)
        self.assertEqual(want.pop("mounts").keys(), {"web"}, "a layer that no container has")
        got = identity(store.root, store.driver)
        self.assertEqual(got.pop("mounts"), {})
        self.assertEqual(got, want)

    def test_thin_pool(self):
        self.source = self.fixture("thin-pool-6.1")
        with open(self.path("thin-pool-6.1", "exports.json")) as said:
            trees_of = json.load(said)
        tags = Store(self.source, self.driver).tags()
        self.images = {tags[name]: without_init(tree) for name, tree in trees_of.items() if name in tags}
        self.to("vfs")
