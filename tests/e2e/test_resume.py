"""A migration that was not finished, or left something to do, is gone on with."""
import os
import shutil
import subprocess

import trees
from harness import Case, listing
from store import Store


class Unfinished(Case):
    def setUp(self):
        super().setUp()
        self.source, self.target = self.fixture("tiny-1.9.1-vfs-after-1.10.3"), self.path("target")
        os.makedirs(self.source + "/volumes/kept/_data")
        with open(self.source + "/volumes/kept/_data/file", "w") as out:
            out.write("data")
        self.argv = ["migrate", self.source, "--to", self.target, "-s", "vfs"]
        self.cairn(*self.argv)
        self.before = listing(self.target, times=False)
        os.mkdir(self.target + "/.cairn-migration")           # as if the run had not come to its end

    def lose(self, *folders):
        """The first file below each, in order of names."""
        for folder in folders:
            top, _, files = next(found for found in sorted(os.walk(f"{self.target}/{folder}")) if found[2])
            os.unlink(os.path.join(top, min(files)))

    def test_what_was_lost_is_made_again(self):
        self.lose("vfs/dir", "image/vfs/layerdb/sha256", "image/vfs/layerdb/mounts", "image/vfs/imagedb/content", "containers", "volumes")
        self.cairn(*self.argv)
        self.assert_same_tree(listing(self.target, times=False), self.before)

    def test_what_an_engine_works_with_is_left_alone(self):
        os.mkdir(self.target + "/runtimes")
        self.lose("containers")
        after = listing(self.target, times=False)
        self.cairn(*self.argv)
        del after[".cairn-migration"]
        self.assert_same_tree(listing(self.target, times=False), after)

    def test_a_finished_one_is_not_looked_at_again(self):
        os.rmdir(self.target + "/.cairn-migration")
        self.lose("volumes")
        after = listing(self.target, times=False)
        self.cairn(*self.argv)
        self.assert_same_tree(listing(self.target, times=False), after)


class NothingCameOver(Case):
    def test_the_same_target_will_do_for_the_next_try(self):
        source, target = self.path("source"), self.path("target")
        os.mkdir(source)
        trees.small(source, "vfs", "1.9.1")
        os.rename(source + "/vfs/dir", source + "/away")
        os.mkdir(source + "/vfs/dir")
        self.cairn("migrate", source, "--to", target, "-s", "overlay2", "--source-driver", "vfs", code=4)
        os.rmdir(source + "/vfs/dir")
        os.rename(source + "/away", source + "/vfs/dir")
        self.cairn("migrate", source, "--to", target, "-s", "overlay2")
        self.assertEqual(Store(target, "overlay2").problems(), [])
        self.assertEqual(len(Store(target, "overlay2").tags()), 5)


class LeftToRemove(Case):
    def test_remove_source_ends_an_earlier_switch(self):
        root = self.fixture("tiny-1.9.1-vfs-after-1.10.3")
        self.cairn("migrate", root, "--in-place", "-s", "overlay2")
        self.assertTrue(os.path.exists(root + "/.cairn-switch/old/vfs"))
        self.cairn("migrate", root, "--in-place", "--remove-source")
        self.assertFalse(os.path.exists(root + "/.cairn-switch"))
        self.assertEqual(Store(root, "overlay2").problems(), [])

    def test_a_damaged_layer_keeps_the_old_store(self):
        root = self.fixture("tiny-1.9.1-vfs-after-1.10.3")
        self.cairn("migrate", root, "--in-place", "-s", "overlay2")
        layer = next(dirs[0] for dirs in [sorted(Store(root, "overlay2").driver_dirs())])
        files = [os.path.join(top, name) for top, _, names in os.walk(f"{root}/overlay2/{layer}/diff") for name in names]
        os.unlink(min(path for path in files if os.path.isfile(path) and os.path.getsize(path)))
        self.cairn("migrate", root, "--in-place", "--remove-source", code=4)
        self.assertTrue(os.path.exists(root + "/.cairn-switch/old/vfs"))

    def test_what_did_not_come_over_keeps_the_old_store(self):
        root = self.fixture("tiny-1.9.1-vfs-after-1.10.3")
        shutil.rmtree(root + "/graph")
        top = next(iter(set(Store(root, "vfs").layers()) - {layer["parent"] for layer in Store(root, "vfs").layers().values()}))
        shutil.rmtree(f"{root}/vfs/dir/{Store(root, 'vfs').layers()[top]['cache-id']}")
        self.cairn("migrate", root, "--in-place", "-s", "overlay2", "--remove-source", code=4)
        refused = self.cairn("migrate", root, "--in-place", "--remove-source", code=1)
        self.assertIn("--rollback", refused.stderr)
        self.cairn("migrate", root, "--in-place", "--rollback")
        self.assertEqual(os.listdir(root + "/image"), ["vfs"])

    def test_a_removal_that_was_stopped_goes_on(self):
        root = self.fixture("tiny-1.9.1-vfs-before")
        whole = self.path("whole")
        subprocess.run(["cp", "-a", root, whole], check=True)
        self.cairn("migrate", whole, "--in-place", "-s", "vfs", "--remove-source")
        self.cairn("migrate", root, "--in-place", "-s", "vfs")
        os.rename(root + "/graph", root + "/.cairn-old-graph")
        self.cairn("migrate", root, "--in-place", "-s", "vfs", "--remove-source")
        self.assertEqual(listing(root, times=False).keys(), listing(whole, times=False).keys())
