"""Reading what an engine wrote and left: cairn must say what the engine said, without changing a byte."""
import json
import os

import trees
from engine_root import Said, write_root
from harness import BUSYBOX, Case, listing, tar_listing, tree_as_tar, without_init

class WrittenByAnEngine(Case):
    def prepare(self, driver):
        self.need_engine()
        self.need_program(BUSYBOX, "busybox-static")
        self.root = self.path("root")
        with self.engine(self.root, driver) as dockerd:
            write_root(dockerd)
            self.said = Said(dockerd)
        self.before = listing(self.root)

    def cairn_here(self, *args, **more):
        return self.cairn("--root", self.root, *args, **more)

    def check(self, driver):
        self.prepare(driver)
        said = self.said
        self.assertEqual(set(self.cairn_here("images", "-a", "-q", "--no-trunc").text().split()), said.images)
        tags = self.cairn_here("images", "--no-trunc", "--format", "{{.Repository}}:{{.Tag}} {{.ID}}").text().splitlines()
        self.assertEqual(set(tags), said.tags)
        containers = self.cairn_here("ps", "-a", "--no-trunc", "--format", "{{.Names}} {{.ID}}").text().splitlines()
        self.assertEqual(dict(line.split() for line in containers), said.containers)
        for image in said.images:
            got = self.cairn_here("inspect", image).json()[0]
            for key in ("Id", "RepoTags", "Parent", "Architecture", "Os", "RootFS", "Created"):
                self.assertEqual(got.get(key), said.inspected[image].get(key), f"{key} of {image}")
            history = self.cairn_here("history", "--no-trunc", "--format", "{{.CreatedBy}}", image).text().splitlines()
            self.assertEqual(history, said.history[image])
        for name in said.containers:
            got = tar_listing(self.cairn_here("export", name).stdout)
            self.assert_same_tree(without_init(got), without_init(said.exported[name]), f"export of {name}")
            self.assertEqual(set(self.cairn_here("changes", name).text().splitlines()), said.changes[name], f"changes of {name}")
        for image in said.images:
            layers = said.inspected[image]["RootFS"].get("Layers", [])
            self.assertEqual(self.cairn_here("diff", image).stdout, said.layers[layers[-1]], f"diff of {image}")
        self.check_files()
        self.check_mount(driver)
        self.assert_same_tree(listing(self.root), self.before, "a reader changed the store")

    def check_files(self):
        self.assertEqual(self.cairn_here("cat", "local/app:1:/data/dir").stdout, b"file\n")
        self.assertEqual(self.cairn_here("cat", "local/app:1:/data/hard").stdout, b"c\n")
        self.assertEqual(self.cairn_here("cat", "changed:/data/written").stdout, b"w\n")
        self.cairn_here("cat", "changed:/data/full/c", code=2)
        self.assertEqual(sorted(self.cairn_here("ls", "local/app:1:/data").text().split()), ["dir", "fifo", "full", "hard"])
        self.assertIn("-rwsr-xr-x", self.cairn_here("ls", "-l", "local/app:1:/data/full").text())
        self.cairn_here("cp", "local/app:1:/data", self.path("copied"))
        self.assertEqual(open(self.path("copied/full/c")).read(), "c\n")

    def check_mount(self, driver):
        mnt = self.path("mnt")
        os.mkdir(mnt)
        exported = tar_listing(self.cairn_here("export", "local/app:1").stdout)
        self.cairn_here("mount", "local/app:1", mnt)
        self.assert_same_tree(exported, tree_as_tar(mnt), "export of an image differs from its mount")
        self.cairn_here("umount", mnt)

    def test_overlay2(self):
        self.check("overlay2")

    def test_vfs(self):
        self.check("vfs")

    def test_overlay(self):
        self.check("overlay")

    def test_two_drivers_in_one_root_must_be_told_apart(self):
        self.prepare("overlay2")
        with self.engine(self.root, "vfs") as dockerd:
            dockerd.docker("import", "-", "vfs/only:1", input=b"\0" * 1024)
        result = self.cairn_here("images", code=2)
        for word in ("overlay2", "vfs", "--storage-driver"):
            self.assertIn(word, result.stderr)
        self.assertIn("vfs/only", self.cairn_here("-s", "vfs", "images").text())
        self.assertIn("local/app", self.cairn_here("images", env={"STORAGE_DRIVER": "overlay2"}).text())
        names = {d["name"] for d in self.cairn_here("--json", "scan", self.root).json()["drivers"]}
        self.assertEqual(names, {"overlay2", "vfs"})


class Scan(Case):
    def test_scan_says_what_a_legacy_tree_is(self):
        for driver in ("vfs", "overlay"):
            with self.subTest(driver):
                root = self.fixture(f"tiny-1.9.1-{driver}-before")
                before = listing(root)
                said = self.cairn("--json", "scan", root).json()
                self.assertEqual(said["layout"], "graph")
                self.assertEqual([d["name"] for d in said["drivers"]], [driver])
                only = said["drivers"][0]
                self.assertEqual((only["images"], only["containers"], only["damage"]), (12, 2, []))
                with open(f"{root}/repositories-{driver}") as repositories:
                    self.assertEqual(set(only["repositories"]), set(json.load(repositories)["Repositories"]))
                self.assert_same_tree(listing(root), before)

    def test_scan_says_what_a_current_tree_is(self):
        root = self.fixture("tiny-1.9.1-vfs-after-1.10.3")
        said = self.cairn("--json", "scan", root).json()
        self.assertEqual(said["layout"], "mixed")
        os.mkdir(self.path("nothing"))
        self.assertEqual(self.cairn("--json", "scan", self.path("nothing")).json()["layout"], "empty")
        self.cairn("scan", self.path("absent"), code=2)
