"""Stores larger than anybody's: time grows with their size and no faster, memory with little of it.

CAIRN_SCALE=full takes the sizes that are promised (10,000 images over 30,000 layers, a million files, 100 GB); by default a small
part of them. Figures are printed.
"""
import os
import resource
import shutil

import big_store
from harness import SANITIZED, Case
from store import Store

FULL = os.environ.get("CAIRN_SCALE") == "full"
TEXT = 60 << 10                  # KiB that cairn and its libraries take before they have seen anything


class Scale(Case):
    def setUp(self):
        super().setUp()
        if SANITIZED:
            self.skipTest("a sanitizer's memory and time are not cairn's")
        self.in_memory()

    def measured(self, what, *args, code=0):
        """Runs it; (seconds of processor time, KiB of memory)."""
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        result = self.cairn("--progress", "none", *args, code=code, timeout=3600)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        print(f"{what}: {seconds:.2f} s of processor time, {result.max_rss >> 10} MiB", flush=True)
        return seconds, result.max_rss

    def migrate(self, what, source, *args):
        return self.measured(what, "migrate", source, "--to", source + "-target", "-s", "overlay2", *args)

    def test_many_images(self):
        images = 10_000 if FULL else 400
        seconds = {}
        for count in (images // 4, images):
            source = self.path(f"source{count}")
            big_store.many_images(source, count, own_layers=3, deepest=60)
            looking, _ = self.measured("a scan", "scan", source)
            planning, _ = self.measured("a dry run", "migrate", source, "--to", source + "-target", "-s", "overlay2", "--dry-run")
            seconds[count], memory = self.migrate(f"{count} images over {3 * count} layers", source)
            self.assertLess(memory, TEXT + 6 * 4 * count, "more than 6 KiB for each image and layer")
            self.assertLess(max(looking, planning), max(seconds[count], 0.5), "only looking takes as long as the work")
            again, _ = self.migrate("the same again", source)
            self.assertLess(again, max(seconds[count] / 2, 0.3), "a second run does most of the work again")
            target = Store(source + "-target", "overlay2")
            self.assertEqual(len(target.tags()), count)
            self.assertEqual(len(target.driver_dirs()), 3 * count)
            self.assertEqual(target.problems(), [])
        self.assertLess(seconds[images], 7 * seconds[images // 4], "four times the images take more than seven times as long")

    def test_many_images_in_place(self):
        images, source = 10_000 if FULL else 400, self.path("source")
        big_store.many_images(source, images, own_layers=3, deepest=20)
        _, memory = self.measured(f"{images} images to another driver in place", "migrate", source, "--in-place", "-s", "vfs")
        self.assertLess(memory, TEXT + 6 * 4 * images, "more than 6 KiB for each image and layer")
        self.assertEqual(len(os.listdir(f"{source}/vfs/dir")), 3 * images)
        self.assertFalse(os.path.exists(f"{source}/overlay2"))
        self.measured("the exchange undone", "migrate", source, "--in-place", "--rollback")
        self.assertEqual(Store(source, "overlay2").problems(), [])

    def test_layers_lost_among_many(self):
        images, lost, source = 10_000 if FULL else 400, 30, self.path("source")
        big_store.many_images(source, images, own_layers=3, deepest=20)
        plan = ["migrate", source, "--to", source + "-target", "-s", "overlay2", "--dry-run"]
        whole, _ = self.measured(f"a dry run of {images} images", *plan)
        for name in sorted(Store(source, "overlay2").driver_dirs())[::3 * images // lost][:lost]:
            shutil.rmtree(f"{source}/overlay2/{name}")
        damaged, _ = self.measured(f"a dry run with {lost} layers lost", *plan, code=4)
        self.assertLess(damaged, 3 * whole + 1, "each lost layer is looked for in all others, with too much ado")

    def test_many_files_in_one_layer(self):
        count = 1_000_000 if FULL else 20_000
        source = self.path("source")
        one = big_store.OneImage(source)
        big_store.fill_with_files(one.layer, count)
        one.finish()
        _, memory = self.migrate(f"a layer of {count} files", source)
        self.assertLess(memory, TEXT + count // 2, "more than half a KiB for each file")
        self.assertEqual(sum(len(files) for _, _, files in os.walk(f"{source}-target/overlay2/{one.image}/diff")), count)

    def test_a_sparse_file(self):
        size = (100 << 30) if FULL else (1 << 30)
        source = self.path("source")
        one = big_store.OneImage(source)
        self.write_sparse(one.layer + "/hole", size)
        container = one.tree.container("keeper", one.image, ["/none"])
        self.write_sparse(f"{source}/vfs/dir/{container}/written", size)
        one.finish()
        _, memory = self.migrate(f"two sparse files of {size >> 30} GiB, one of which is hashed", source)
        self.assertLess(memory, 2 * TEXT)
        for path in (f"{one.image}/diff/hole", f"{container}/diff/written"):
            st = os.stat(f"{source}-target/overlay2/{path}")
            self.assertEqual(st.st_size, size)
            self.assertLess(st.st_blocks, 64, f"{path} has no holes any more")

    def write_sparse(self, path, size):
        with open(path, "wb") as out:
            out.write(b"begin")
            out.seek(size - 3)
            out.write(b"end")

    def test_a_path_of_4095_bytes(self):
        source, back, names = self.path("source"), self.path("back"), big_store.long_path(4095)
        one = big_store.OneImage(source)
        big_store.make_long_path(one.layer, names)
        one.finish()
        self.migrate("a long path", source, "--verify")
        self.assertTrue(big_store.has_long_path(f"{source}-target/overlay2/{one.image}/diff", names))
        self.cairn("migrate", source + "-target", "--to", back, "-s", "vfs", "--verify")
        self.assertTrue(big_store.has_long_path(f"{back}/vfs/dir/{one.image}", names))

    def test_126_layers(self):
        source = self.path("source")
        store = big_store.Overlay2Store(source)
        chain = store.add_layers([], 126)
        store.add_image(chain, "deep:1")
        store.finish()
        self.migrate("a chain of 126 layers", source, "--verify")
        vfs = self.path("vfs")
        self.cairn("migrate", source + "-target", "--to", vfs, "-s", "vfs", "--verify")
        self.assertEqual(len(os.listdir(f"{vfs}/vfs/dir/{chain[-1][2]}")), 126)
        self.cairn("migrate", vfs, "--to", self.path("again"), "-s", "overlay2", "--verify")
        self.assertEqual(Store(self.path("again"), "overlay2").problems(), [])
