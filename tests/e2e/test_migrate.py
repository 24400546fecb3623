"""cairn migrate: the answer of Docker's own migration, and a current engine that works with it."""
import io
import hashlib
import json
import os
import tarfile

import trees
from harness import BUSYBOX, Case, listing, tar_listing, tree_as_tar, without_init
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

    def check_saved_layers(self, dockerd, image):
        """`docker save`: each layer must have the DiffID the configuration names. Engines verify nothing else so well."""
        with tarfile.open(fileobj=io.BytesIO(dockerd.docker("save", image))) as archive:
            manifest = json.load(archive.extractfile("manifest.json"))[0]
            config = json.load(archive.extractfile(manifest["Config"]))
            got = ["sha256:" + hashlib.sha256(archive.extractfile(name).read()).hexdigest() for name in manifest["Layers"]]
        self.assertEqual(got, config["rootfs"].get("diff_ids", []), f"docker save {image}")

    def check_root_file_system(self, dockerd, image, want):
        """What a container made from `image` sees, init files apart, is the tree at `want`."""
        container = dockerd.lines("create", "--network", "none", image, "/none")[0]
        got = without_init(tar_listing(dockerd.docker("export", container)))
        dockerd.docker("rm", container)
        self.assert_same_tree(got, without_init(tree_as_tar(want)), f"root file system of {image}")


class Tiny(Migration):
    """The shipped roots of a real 1.9.1; what Docker 1.10.3 made of them is the answer."""

    def check_like_docker(self, source_driver, target_driver):
        source, target = self.fixture(f"tiny-1.9.1-{source_driver}-before"), self.path("target")
        report = self.migrate(source, "--to", target, "--storage-driver", target_driver)
        self.assertEqual({i["status"] for i in report["images"]}, {"migrated"})
        self.assertEqual(len(report["images"]), 12)
        self.assertEqual(sorted(layer["status"] for layer in report["layers"]), ["duplicate"] + ["migrated"] * 11)
        self.assertEqual({c["status"] for c in report["containers"]}, {"migrated"})
        got = self.check_store(target, target_driver).identity()
        want = Store(self.fixture(f"tiny-1.9.1-{source_driver}-after-1.10.3"), source_driver).identity()
        for config in want["containers"].values():
            config["Driver"] = target_driver
        for what in want:
            self.assertEqual(got[what], want[what], what)
        by_v1_id = {i["source_id"]: i["image_id"] for i in report["images"]}
        with open(self.fixture(f"tiny-1.9.1-{source_driver}-after-1.10.3") + "/.migration-v1-images.json") as mapping:
            self.assertEqual(by_v1_id, json.load(mapping))

    def test_tiny_vfs_to_overlay2_gives_dockers_answer(self):
        self.check_like_docker("vfs", "overlay2")

    def test_tiny_vfs_to_vfs_gives_dockers_answer(self):
        self.check_like_docker("vfs", "vfs")

    def test_tiny_overlay_to_overlay2_gives_dockers_answer(self):
        self.check_like_docker("overlay", "overlay2")

    def test_tiny_overlay_to_vfs_gives_dockers_answer(self):
        self.check_like_docker("overlay", "vfs")

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

    def check_engine(self, source_driver, target_driver):
        self.need_engine()
        source, target = self.fixture(f"tiny-1.9.1-{source_driver}-before"), self.path("target")
        self.migrate(source, "--to", target, "-s", target_driver)
        store, dockerd = Store(target, target_driver), self.engine(target, target_driver)
        ids = set(dockerd.lines("images", "-a", "-q", "--no-trunc"))
        self.assertEqual(ids, set(store.configs()))
        tags = set(dockerd.lines("images", "--format", "{{.Repository}}:{{.Tag}}")) - {"<none>:<none>"}
        self.assertEqual(tags, set(store.tags()))
        for image, config in store.configs().items():
            said = dockerd.inspect(image)
            self.assertEqual(said["RootFS"].get("Layers", []), config["rootfs"]["diff_ids"])
            self.assertEqual(said["Parent"], store.parents().get(image, ""))
            self.assertEqual(len(dockerd.lines("history", "-q", "--no-trunc", image)), len(config["history"]))
            self.check_saved_layers(dockerd, image)
        self.assertEqual(set(dockerd.lines("ps", "-a", "-q", "--no-trunc")), set(store.mounts()))
        self.check_containers(dockerd, source, source_driver)

    def check_containers(self, dockerd, source, driver):
        for container in dockerd.lines("ps", "-a", "-q", "--no-trunc"):
            exported = tar_listing(dockerd.docker("export", container))
            if driver == "vfs":
                self.assert_same_tree(without_init(exported), without_init(tree_as_tar(f"{source}/vfs/dir/{container}")), container)
            init = f"{source}/vfs/dir/{container}-init"
            if driver == "vfs" and os.path.exists(init):
                same = tree_as_tar(init).items() & tree_as_tar(f"{source}/vfs/dir/{container}").items()
                changed = {line.split()[1].lstrip("/") for line in dockerd.lines("diff", container)}
                self.assertFalse(changed & {name for name, entry in same if not entry.startswith("d")})
            new = dockerd.lines("commit", container)[0]
            self.check_saved_layers(dockerd, new)

    def test_engine_works_on_tiny_vfs_migrated_to_overlay2(self):
        self.check_engine("vfs", "overlay2")

    def test_engine_works_on_tiny_overlay_migrated_to_vfs(self):
        self.check_engine("overlay", "vfs")


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
            for image in want.configs():
                self.check_saved_layers(dockerd, image)

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
    """Trees with a program in them and everything a layer can hold, in the shape of three engines."""

    def check(self, version, source_driver, target_driver):
        self.need_engine()
        self.need_program(BUSYBOX, "busybox-static")
        source, target = self.path("source"), self.path("target")
        os.mkdir(source)
        tree = trees.everything(source, source_driver, version)
        report = self.migrate(source, "--to", target, "-s", target_driver)
        new_id = {i["source_id"]: i["image_id"] for i in report["images"]}
        self.assertEqual({i["status"] for i in report["images"]}, {"migrated"}, report)
        store = self.check_store(target, target_driver)
        if tree.with_tar_split:
            for image, config_id in new_id.items():
                self.assertEqual(store.configs()[config_id]["rootfs"]["diff_ids"], tree.chain(image), "DiffIDs are the tars' own")
        source_before = listing(source)
        dockerd = self.engine(target, target_driver)
        for image, config_id in new_id.items():
            self.check_saved_layers(dockerd, config_id)
            self.check_root_file_system(dockerd, config_id, tree.layer_dir(image))
        self.check_programs(dockerd)
        dockerd.stop()
        self.assert_same_tree(listing(source), source_before, "running containers reached the source")

    def check_programs(self, dockerd):
        run = lambda *args: dockerd.docker("run", "--rm", "--network", "none", *args)   # noqa: E731
        self.assertEqual(run("local/app:1"), b"now a file")
        self.assertEqual(run("local/app:env"), b"from an empty layer\n")
        self.assertEqual(run("local/app:latest", "/bin/sh", "-c", "ls /data; ls /data/full; cat /odd/new*; echo >> /odd/caps"),
                         b"full\nplain\nswap\nb\nc\nn")
        self.assertEqual(dockerd.docker("start", "-a", "stopped"), b"now a fileby the container\n")
        changes = set(dockerd.lines("diff", "stopped"))
        self.assertTrue({"A /written", "D /data/full/b"} <= changes, changes)
        self.assertEqual(dockerd.docker("start", "-a", "created"), b"first start\n")

    def test_0_7_6_vfs_to_overlay2(self):
        self.check("0.7.6", "vfs", "overlay2")

    def test_1_6_2_overlay_to_overlay2(self):
        self.check("1.6.2", "overlay", "overlay2")

    def test_1_9_1_overlay_to_overlay2(self):
        self.check("1.9.1", "overlay", "overlay2")

    def test_1_9_1_vfs_to_overlay2(self):
        self.check("1.9.1", "vfs", "overlay2")

    def test_1_9_1_overlay_to_vfs(self):
        self.check("1.9.1", "overlay", "vfs")

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
