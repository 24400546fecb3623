"""Devicemapper roots where the kernel has no device-mapper, or must not use it: read in user space, and not written at all."""
import json
import os
import shutil
import subprocess

import thin_pool
from harness import Case, listing, tar_listing
from store import Store


class Offline(Case):
    def setUp(self):
        super().setUp()
        if not os.path.exists("/dev/loop-control"):
            self.skipTest("there are no loop devices here")
        self.env = {"TMPDIR": self.path("images")}
        os.mkdir(self.path("images"))
        self.addCleanup(lambda: self.assertEqual(self.images_left(), []))

    def images_left(self):
        return os.listdir(self.path("images")) if os.path.exists(self.path("images")) else []

    def read_only(self, root):
        """`root` as on a disk that is mounted read-only, where no kernel starts a pool."""
        where = self.path("shown")
        os.mkdir(where)
        subprocess.run(["mount", "--bind", root, where], check=True)
        subprocess.run(["mount", "-o", "remount,bind,ro", where], check=True)
        return where

    def exports(self, root, *options):
        with open(self.path("thin-pool-6.1", "exports.json")) as said:
            wanted = json.load(said)
        for name, want in wanted.items():
            got = self.cairn("--root", root, *options, "export", name, env=self.env).stdout
            self.assert_same_tree(tar_listing(got), want, f"export of {name}")

    def test_a_store_is_read_as_the_kernel_showed_it(self):
        root = self.fixture("thin-pool-6.1")
        before, without_times = listing(root), listing(root, times=False)
        offline = ("--storage-opt", "dm.offline=true")

        def here(*args, **more):
            return self.cairn("--root", root, *offline, *args, env=self.env, **more)

        self.exports(root, *offline)
        self.assertEqual(len(here("images", "-q").text().split()), 5)
        self.assertIn("written", here("ls", "web:/").text().split())
        self.assertEqual(here("cat", "web:/written").stdout, b"written before the power went\n" * 3)
        self.assertEqual(here("cat", "thin/edit:1:/etc/conf").stdout, b"a=2\n")
        self.assertIn("D /etc/conf", here("changes", "web").text().splitlines())
        self.assertEqual(here("scan", "--json").json()["drivers"][0]["damage"], [])
        self.assertEqual(here("df").code, 0)
        self.assertEqual(listing(root), before)
        refused = here("create", "thin/base:1", "--name", "more", code=1)
        self.assertIn("the store can only be read: dm.offline", refused.stderr)
        self.assertEqual(listing(root, times=False), without_times)

    def test_a_store_on_a_read_only_disk_is_read(self):
        root = self.read_only(self.fixture("thin-pool-6.1"))
        self.exports(root)
        told = [d for d in self.cairn("--root", root, "drivers", "--json").json() if d["name"] == "devicemapper"][0]
        self.assertEqual((told["readable"], told["writable"], told["writable_mounts"]), (True, False, False))
        self.assertIn("read-only file system", told["why_not"])

    def test_an_image_is_mounted_and_gone_with_the_mount(self):
        root, place = self.read_only(self.fixture("thin-pool-6.1")), self.path("place")
        os.mkdir(place)
        self.cairn("--root", root, "mount", "thin/more:1", place, env=self.env)
        self.assertEqual(sorted(os.listdir(place + "/new"))[:2], ["0", "1"])
        self.assertRaises(OSError, open, place + "/file", "w")
        self.cairn("umount", place)
        self.assertIn("for writing: the store can only be read", self.cairn("--root", root, "mount", "web", place, code=1).stderr)

    def test_a_damaged_layer_stops_no_other(self):
        root = self.fixture("thin-pool-6.1")
        alone = [m for m in os.listdir(root + "/devicemapper/metadata") if len(m) == 64]
        sizes = {}
        for layer in alone:                                    # a record that cannot be one
            with open(f"{root}/devicemapper/metadata/{layer}") as record:
                sizes[layer] = json.load(record)["device_id"]
        first = min(sizes, key=sizes.get)
        with open(f"{root}/devicemapper/metadata/{first}", "w") as record:
            record.write('{"device_id":9999,"size":33554432,"transaction_id":1,"initialized":false,"deleted":false}')
        codes = {name: self.cairn("--root", root, "--storage-opt", "dm.offline=true", "export", name, code=None, env=self.env)
                 for name in ("thin/base:1", "thin/edit:1", "thin/more:1", "thin/alone:1", "web")}
        failed = [result for result in codes.values() if result.code]
        self.assertEqual(len(failed), 1, str(failed))
        self.assertIn("the pool has no device 9999", failed[0].stderr)

    def check_migration(self, source, *options):
        before, target = listing(source), self.path("target")
        self.cairn("migrate", source, "--to", target, "-s", "overlay2", "--verify", *options, env=self.env)
        want = Store(self.fixture("tiny-1.9.1-vfs-after-1.10.3"), "vfs").identity()
        for config in want["containers"].values():
            config["Driver"] = "overlay2"
        self.assertEqual(Store(target, "overlay2").identity(), want)
        self.assertEqual(Store(target, "overlay2").problems(), [])
        self.assertEqual(listing(source), before)

    def legacy_root(self):
        if shutil.which("thin_restore") is None:
            self.skipTest("no thin_restore: install thin-provisioning-tools")
        return thin_pool.from_vfs(self.fixture("tiny-1.9.1-vfs-before"))

    def test_a_legacy_root_migrates_with_copies_of_its_block_devices(self):
        root = self.legacy_root()
        for name in ("data", "metadata"):
            os.rename(f"{root}/devicemapper/devicemapper/{name}", self.path(name))
        self.check_migration(root, "--storage-opt", f"dm.datadev={self.path('data')}", "--storage-opt", f"dm.metadatadev={self.path('metadata')}")
