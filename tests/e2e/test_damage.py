"""One bad thing stops one thing: damaged legacy trees are carried over but for what is damaged, which is named."""
import json
import os
import shutil

import trees
from harness import Case, listing
from store import Store


class Damaged(Case):
    """Each case damages one image (or one file) of the same tree; what does not need it must come through."""

    def setUp(self):
        super().setUp()
        self.source = self.path("source")
        os.mkdir(self.source)
        self.tree = trees.small(self.source, "vfs", "1.9.1")
        ids = {tag: self.tree.repositories["small"][str(tag)] for tag in range(4)}
        self.base, self.second, self.third, self.top = ids[0], ids[1], ids[2], ids[3]
        self.other = self.tree.repositories["other"]["1"]

    def graph(self, image, name=""):
        return f"{self.source}/graph/{image}/{name}"

    def write(self, path, data):
        with open(path, "wb") as out:
            out.write(data if isinstance(data, bytes) else data.encode())

    def edit_json(self, image, **values):
        with open(self.graph(image, "json")) as f:
            old = json.load(f)
        self.write(self.graph(image, "json"), json.dumps({**old, **values}))

    def check_lost(self, lost, named, code=4):
        """Migrates: `lost` images fail, all others come through; `named` is on stderr and in the report."""
        before = listing(self.source)
        result = self.cairn("--json", "migrate", self.source, "--to", self.path("target"), "-s", "overlay2", code=code)
        self.assert_same_tree(listing(self.source), before, "the source changed")
        report = result.json()
        failed = {i["source_id"] for i in report["images"] if i["status"] == "failed"}
        self.assertEqual(failed, set(lost), result)
        for word in named:
            self.assertIn(word[:12], result.stderr)
            self.assertIn(word, json.dumps(report))
        for image in report["images"]:
            self.assertEqual(bool(image["error"]), image["status"] == "failed", image)
        store = Store(self.path("target"), "overlay2")
        self.assertEqual(store.problems(), [])
        self.assertEqual(len(store.configs()), len(report["images"]) - len(failed))
        return report, store

    def test_json_truncated(self):
        with open(self.graph(self.second, "json"), "rb") as f:
            self.write(self.graph(self.second, "json"), f.read()[:100])
        report, store = self.check_lost([self.second, self.third, self.top], [self.second])
        self.assertEqual(set(store.tags()), {"small:0", "other:1"})
        self.assertEqual([c["status"] for c in report["containers"]], ["failed"])

    def test_json_empty(self):
        self.write(self.graph(self.top, "json"), b"")
        self.check_lost([self.top], [self.top])

    def test_json_is_no_object(self):
        self.write(self.graph(self.top, "json"), "[1,2]")
        self.check_lost([self.top], [self.top])

    def test_json_nested_without_end(self):
        self.write(self.graph(self.top, "json"), "[" * 5_000_000)
        self.check_lost([self.top], [self.top])

    def test_json_with_numbers_out_of_range(self):
        self.edit_json(self.top, Size=10**40, config={"Memory": -(10**40)})
        result = self.cairn("--json", "migrate", self.source, "--to", self.path("target"), "-s", "overlay2", code=None)
        self.assertIn(result.code, (0, 4), result)
        self.assertEqual(Store(self.path("target"), "overlay2").problems(), [])

    def test_parent_missing(self):
        shutil.rmtree(self.graph(self.base))
        self.check_lost([self.second, self.third, self.top], [self.base, self.second])

    def test_parents_in_a_circle(self):
        self.edit_json(self.base, parent=self.top)
        self.check_lost([self.base, self.second, self.third, self.top], [self.base])

    def test_own_parent(self):
        self.edit_json(self.other, parent=self.other)
        self.check_lost([self.other], [self.other])

    def test_parent_that_is_a_path(self):
        self.edit_json(self.other, parent="../../../../etc")
        self.check_lost([self.other], [self.other])

    def test_parent_file_that_is_a_path(self):
        self.write(self.graph(self.other, "parent"), "../" * 20 + "etc/passwd")
        self.check_lost([self.other], [self.other])

    def test_layer_directory_missing(self):
        shutil.rmtree(f"{self.source}/vfs/dir/{self.top}")
        self.check_lost([self.top], [self.top])

    def test_layer_directory_is_a_link_out(self):
        shutil.rmtree(f"{self.source}/vfs/dir/{self.other}")
        os.symlink("/etc", f"{self.source}/vfs/dir/{self.other}")
        self.check_lost([self.other], [self.other])

    def test_json_is_a_link_out(self):
        os.unlink(self.graph(self.other, "json"))
        os.symlink("/etc/passwd", self.graph(self.other, "json"))
        self.check_lost([self.other], [self.other])

    def test_json_is_a_fifo(self):
        os.unlink(self.graph(self.other, "json"))
        os.mkfifo(self.graph(self.other, "json"))
        self.check_lost([self.other], [self.other])

    def check_falls_back(self, named):
        """The image is migrated all the same, from a fresh diff; that its own tar is lost is said."""
        report, store = self.check_lost([], [], code=None)
        layer = next(entry for entry in report["layers"] if entry["source_id"] == named)
        self.assertEqual(layer["method"], "diff")
        self.assertIn("other:1", store.tags())

    def test_tar_split_truncated(self):
        path = self.graph(self.other, "tar-data.json.gz")
        os.truncate(path, os.path.getsize(path) // 2)
        self.check_falls_back(self.other)

    def test_tar_split_empty(self):
        os.truncate(self.graph(self.other, "tar-data.json.gz"), 0)
        self.check_falls_back(self.other)

    def test_tar_split_of_another_layer(self):
        shutil.copy(self.graph(self.base, "tar-data.json.gz"), self.graph(self.other, "tar-data.json.gz"))
        self.check_falls_back(self.other)

    def test_a_file_changed_behind_the_engines_back(self):
        with open(f"{self.source}/vfs/dir/{self.other}/twin", "w") as out:
            out.write("changed")
        self.check_falls_back(self.other)

    def test_layersize_nonsense_costs_no_image(self):
        self.write(self.graph(self.top, "layersize"), "-12 bytes")
        self.write(self.graph(self.second, "layersize"), "")
        os.unlink(self.graph(self.base, "layersize"))       # engines measure again: no damage
        report, _ = self.check_lost([], [self.top, self.second])
        self.assertEqual({d["object"] for d in report["damage"]}, {self.top, self.second})

    def test_parent_file_empty(self):
        self.write(self.graph(self.top, "parent"), "")
        self.check_lost([], [self.top])

    def test_repositories_truncated(self):
        path = f"{self.source}/repositories-vfs"
        os.truncate(path, os.path.getsize(path) - 7)
        report, store = self.check_lost([], ["repositories-vfs"])
        self.assertEqual(len(store.configs()), 5)

    def test_repositories_with_bad_names_and_ids(self):
        with open(f"{self.source}/repositories-vfs") as f:
            whole = json.load(f)
        whole["Repositories"] |= {"UPPER/case": {"1": self.base}, "../up": {"1": self.base}, "ghost": {"1": "f" * 64, "2": "../../etc"},
                                  "docker.io/library/ok": {"1": self.base}}
        self.write(f"{self.source}/repositories-vfs", json.dumps(whole))
        _, store = self.check_lost([], ["UPPER/case", "../up"])
        self.assertEqual(set(store.tags()), {"small:0", "small:1", "small:2", "small:3", "other:1", "ok:1"})

    def test_container_configuration_truncated(self):
        container = self.tree.names["web"]
        self.write(f"{self.source}/containers/{container}/config.json", '{"ID":"')
        report, store = self.check_lost([], [container])
        self.assertEqual(store.containers(), {})

    def test_container_without_its_layer(self):
        container = self.tree.names["web"]
        shutil.rmtree(f"{self.source}/vfs/dir/{container}")
        report, store = self.check_lost([], [container])
        self.assertEqual((store.containers(), store.mounts()), ({}, {}))

    def test_linkgraph_is_garbage(self):
        self.write(f"{self.source}/linkgraph.db", os.urandom(4096))
        _, store = self.check_lost([], ["linkgraph.db"])
        self.assertEqual([c["Name"] for c in store.containers().values()], ["/web"])

    def test_strangers_in_graph_are_ignored(self):
        for name in ("_tmp/half", "0123456789abcdef", ":tmp:", "UPPER", "a" * 65):
            os.makedirs(self.graph(name))
        self.write(f"{self.source}/graph/README", "x")
        self.check_lost([], [], code=0)

    def test_everything_damaged_at_once_still_ends(self):
        for image in (self.base, self.other):
            self.write(self.graph(image, "json"), b"\0" * 100)
        self.write(f"{self.source}/repositories-vfs", b"")
        self.check_lost([self.base, self.second, self.third, self.top, self.other], [self.base, self.other])

    def test_scan_names_damage_and_reads_on(self):
        self.write(self.graph(self.top, "json"), b"")
        result = self.cairn("--json", "scan", self.source, code=None)
        self.assertIn(result.code, (0, 3))
        self.assertIn(self.top, json.dumps(result.json()["drivers"][0]["damage"]))


class DamagedStore(Case):
    """A content-addressed store with damage: what is whole is listed and read."""

    def test_images_lists_what_is_whole(self):
        root = self.path("target")
        self.cairn("migrate", self.fixture("tiny-1.9.1-vfs-before"), "--to", root, "-s", "overlay2")
        whole = set(self.cairn("--root", root, "images", "-a", "-q", "--no-trunc").text().split())
        store = Store(root, "overlay2")
        victim = store.tags()["tiny/alone:1"]
        with open(f"{root}/image/overlay2/imagedb/content/sha256/{victim[7:]}", "a") as out:
            out.write(" ")
        result = self.cairn("--root", root, "images", "-a", "-q", "--no-trunc", code=None)
        self.assertEqual(set(result.text().split()), whole - {victim})
        self.assertIn(victim[7:19], result.stderr)
        self.assertIn(result.code, (0, 3))
