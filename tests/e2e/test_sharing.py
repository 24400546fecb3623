"""Several at one store: a live engine, two cairns at once, a disk that fills up."""
import os
import subprocess

import archives
import legacy_tree as lt
import trees
from harness import Case, listing
from store import Store


def image(n, size=2000, files=80):
    """Images that share their base and differ above it."""
    base = [lt.directory("base")] + [lt.file(f"base/{i}", b"b" * size) for i in range(files)]
    return archives.Image([base, [lt.file(f"own{n}", b"%d" % n * size)], [lt.file(f"more{n}", b"m")]])


class LiveEngine(Case):
    def test_writing_is_refused_with_the_pid_and_reading_works(self):
        self.need_engine()
        root, archive = self.path("root"), self.path("a.tar")
        with open(archive, "wb") as out:
            out.write(archives.docker_archive([(image(1), ["x:1"])]))
        self.cairn("--root", root, "-s", "overlay2", "load", "-i", archive)
        with self.engine(root, "overlay2") as dockerd:
            for args in (["load", "-i", archive], ["apply", archive], ["create", "x:1"], ["rm", "x"],
                         ["migrate", self.fixture("tiny-1.9.1-vfs-before"), "--to", root]):
                with self.subTest(args[0]):
                    before = listing(root + "/image")
                    result = self.cairn("--root", root, *args, code=1)
                    self.assertIn(str(dockerd.pid()), result.stderr)
                    self.assertIn("dockerd", result.stderr)
                    self.assert_same_tree(listing(root + "/image"), before)
            self.assertIn("x", self.cairn("--root", root, "images").text())
            self.assertEqual(self.cairn("--root", root, "cat", "x:1:/more1").stdout, b"m")
            self.cairn("--root", root, "export", "x:1")
        self.cairn("--root", root, "load", "-i", archive)


class TwoAtOnce(Case):
    def check(self, driver):
        root, files = self.path("root"), []
        for n in range(4):
            files.append(self.path(f"{n}.tar"))
            with open(files[-1], "wb") as out:
                out.write(archives.docker_archive([(image(n), [f"x:{n}", "x:last"])], "gzip"))
        for _ in range(3):
            running = [self.start("--root", root, "-s", driver, "load", "-i", name) for name in files]
            for result in [r.finish() for r in running]:
                self.assertEqual(result.code, 0, result)
            store = Store(root, driver)
            self.assertEqual(store.problems(), [])
            self.assertEqual({tag for tag in store.tags()}, {"x:0", "x:1", "x:2", "x:3", "x:last"})
            self.assertEqual(len(store.layers()), 9)

    def test_loads_at_once_overlay2(self):
        self.check("overlay2")

    def test_loads_at_once_vfs(self):
        self.check("vfs")

    def test_readers_do_not_wait_for_a_writer(self):
        root = self.path("root")
        self.cairn("--root", root, "-s", "overlay2", "load", input=archives.docker_archive([(image(0), ["x:0"])]))
        writer = self.start("--root", root, "load", input=b"")           # reads its archive from a pipe that stays silent
        self.cairn("--root", root, "images", timeout=10)
        self.cairn("--root", root, "load", input=archives.docker_archive([(image(1), ["x:1"])]), timeout=60)
        writer.kill()
        self.assertEqual(Store(root, "overlay2").problems(), [])


class FullDisk(Case):
    def check(self, options, more, argv, driver, **start):
        """Fails for want of space, in words; completes after a remount with `more`."""
        disk = self.path("disk")
        os.mkdir(disk)
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", disk], check=True)
        root = disk + "/root"
        result = self.cairn(*argv(root), code=None, **start)
        self.assertIn(result.code, (1, 4), result)
        self.assertRegex(result.stderr.lower(), "space")
        half = Store(root, driver)
        self.assertEqual([p for p in half.problems() if "lacks" in p or "is missing" in p or "not there" in p], [])
        subprocess.run(["mount", "-o", "remount," + more, disk], check=True)
        self.cairn(*argv(root), **start)
        store = Store(root, driver)
        self.assertEqual(store.problems(), [])
        return store

    def load(self, driver):
        return lambda root: ["--root", root, "-s", driver, "load"]

    def test_load_without_blocks(self):
        data = archives.docker_archive([(image(1, size=40000), ["x:1"])])
        for driver in ("overlay2", "vfs"):
            with self.subTest(driver):
                self.check("size=2m", "size=64m", self.load(driver), driver, input=data)
                subprocess.run(["umount", self.path("disk")], check=True)
                os.rmdir(self.path("disk"))

    def test_load_without_inodes(self):
        data = archives.docker_archive([(image(1), ["x:1"])])
        self.check("size=64m,nr_inodes=60", "nr_inodes=10000", self.load("overlay2"), "overlay2", input=data)

    def migrate(self, driver):
        source = self.path("source")
        os.mkdir(source)
        trees.small(source, "vfs", "1.9.1")
        self.cairn("migrate", source, "--to", self.path("want"), "-s", driver)
        return lambda root: ["migrate", source, "--to", root, "-s", driver]

    def test_migrate_without_blocks(self):
        store = self.check("size=100k", "size=64m", self.migrate("overlay2"), "overlay2")
        self.assertEqual(store.identity(), Store(self.path("want"), "overlay2").identity())

    def test_migrate_without_inodes(self):
        store = self.check("size=64m,nr_inodes=60", "nr_inodes=10000", self.migrate("overlay2"), "overlay2")
        self.assertEqual(store.identity(), Store(self.path("want"), "overlay2").identity())
