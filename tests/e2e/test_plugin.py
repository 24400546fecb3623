"""Graph driver plugins, both ways: an engine that keeps its layers with cairn serve-driver, and cairn on a plugin's store."""
import os
import signal
import socket
import stat
import time

import archives
import legacy_tree as lt
import trees
from harness import BUSYBOX, Case, listing, mounts_below, tar_listing, tree_as_tar, without_init
from store import Store
from test_load import sample

NAME = "kept"                            # the plugin, and so the directories below a root


def answers(path):
    with socket.socket(socket.AF_UNIX) as caller:
        return caller.connect_ex(path) == 0


class Plugin(Case):
    def serve(self, driver, *more):
        """cairn serve-driver on a socket of this case; ends with it at the latest."""
        path = self.path(NAME + ".sock")
        running = self.start("serve-driver", "--socket", path, "-s", driver, *more)
        self.addCleanup(lambda: running.process.returncode is None and running.kill())
        deadline = time.monotonic() + 20
        while not answers(path) and time.monotonic() < deadline:
            time.sleep(0.02)
        return running, "plugin:" + path

    def end(self, running):
        os.kill(running.process.pid, signal.SIGTERM)
        result = running.finish(timeout=30)
        self.assertEqual((result.code, result.stderr), (0, ""), result)


class EngineOnPlugin(Plugin):
    def start_engine(self, root, driver):
        serve = [self.binary, "serve-driver", "-s", driver, "--socket", f"/run/docker/plugins/{NAME}.sock"]
        return self.engine(root, NAME, "--experimental", beside=serve)

    def use(self, dockerd, image):
        """What people do with an engine. Returns what is in a container that was written to."""
        dockerd.docker("load", input=archives.docker_archive([(image, ["x:1"])]))
        shell = ["run", "--network", "none", "--name", "web", "x:1", "/bin/sh", "-c"]
        dockerd.docker(*shell, "b=/bin/busybox; echo w > /data/written; $b rm /new; "
                       "$b mv /setuid /moved; $b rm -r /data/full; $b mkdir /data/full; echo z > /data/full/z")
        changes = set(dockerd.lines("diff", "web"))
        wanted = {"C /data", "A /data/written", "D /new", "D /setuid", "A /moved", "A /data/full/z", "D /data/full/c"}
        self.assertEqual(wanted, changes & (wanted | {"A /new", "C /new", "A /data/full", "D /data"}))
        exported = tar_listing(dockerd.docker("export", "web"))
        dockerd.docker("commit", "web", "y:1")
        dockerd.build("z:1", "FROM y:1\nRUN echo built > /built && /bin/busybox rm /moved\nCOPY extra /extra\n", {"extra": b"extra"})
        self.assertEqual(dockerd.docker("run", "--rm", "--network", "none", "z:1", "/bin/sh", "-c", "/bin/busybox cat /built /extra /data/written"),
                         b"built\nextraw\n")
        self.assertNotIn("moved", dockerd.docker("run", "--rm", "--network", "none", "z:1", "/bin/busybox", "ls", "/").decode())
        self.assertEqual(dockerd.inspect("web")["GraphDriver"]["Name"], NAME)
        return exported

    def check(self, driver, disk=""):
        self.need_engine()
        self.need_program(BUSYBOX, "busybox-static")
        root, image = self.path(disk, "root"), sample(trees.busybox())
        with self.start_engine(root, driver) as dockerd:
            exported = self.use(dockerd, image)
        self.assertEqual(dockerd.left_mounts, [])
        with self.start_engine(root, driver) as dockerd:       # as if the host had been started again
            dockerd.docker("start", "-a", "web")
            dockerd.docker("rm", "web")
            dockerd.docker("rmi", "z:1")
            self.assertEqual(dockerd.docker("run", "--rm", "--network", "none", "y:1", "/bin/busybox", "cat", "/data/written"), b"w\n")
        self.assertEqual(dockerd.left_mounts, [])
        self.check_cairn_reads(root, driver, image, exported)
        with self.start_engine(root, driver) as dockerd:
            self.assertEqual(dockerd.docker("run", "--rm", "--network", "none", "added:1"), b"c\n")
            dockerd.docker("rmi", "-f", *dockerd.lines("images", "-q", "--no-trunc"))
        self.assertEqual(dockerd.left_mounts, [])
        store = Store(root, NAME)
        self.assertEqual((store.layers(), store.configs()), ({}, {}))
        layers = {"overlay2": "overlay2", "vfs": "vfs/dir", "btrfs": "btrfs/subvolumes"}[driver]
        self.assertEqual([n for n in os.listdir(f"{root}/{NAME}/{layers}") if n != "l"], [], "layers without an owner")
        self.assertEqual(os.listdir(f"{root}/{NAME}/mnt") + os.listdir(f"{root}/{NAME}/rw"), [])

    def check_cairn_reads(self, root, driver, image, exported):
        running, plugin = self.serve(driver)
        here = ["--root", root, "-s", plugin]
        self.assertEqual(set(self.cairn(*here, "images", "--format", "{{.Repository}}:{{.Tag}}").text().split()), {"x:1", "y:1"})
        self.assertEqual(self.cairn("--root", root, "images", "-q").text(), self.cairn(*here, "images", "-q").text())
        self.assertEqual(self.cairn(*here, "cat", "y:1:/data/written").stdout, b"w\n")
        self.assert_same_tree(without_init(tar_listing(self.cairn(*here, "export", "y:1").stdout)), without_init(exported), "export")
        os.makedirs(self.path("mnt"), exist_ok=True)
        self.cairn(*here, "mount", "y:1", self.path("mnt"))
        self.assert_same_tree(without_init(tree_as_tar(self.path("mnt"))), without_init(exported), "mount")
        self.cairn("umount", self.path("mnt"))
        self.assertEqual(mounts_below(root), [], "the plugin was told")
        chain = self.cairn(*here, "inspect", "x:1").json()[0]["RootFS"]["Layers"]
        self.assertEqual(chain, ["sha256:" + archives.sha256(layer) for layer in image.layers])
        self.assertEqual(self.cairn(*here, "diff", "x:1").stdout, image.layers[-1], "a layer comes out as it went in")
        added = archives.Image([*image.layers[:2], [lt.file("added", b"a")]], cmd=["/bin/busybox", "ls", "/data/full"])
        self.cairn(*here, "load", input=archives.docker_archive([(added, ["added:1"])]))
        self.assertEqual(self.cairn(*here, "cat", "added:1:/added").stdout, b"a")
        self.end(running)

    def test_engine_keeps_its_layers_in_overlay2(self):
        self.check("overlay2")

    def test_engine_keeps_its_layers_in_vfs(self):
        self.check("vfs")

    def test_engine_keeps_its_layers_in_btrfs(self):
        self.btrfs("disk")
        self.check("btrfs", "disk")


class CairnOnPlugin(Plugin):
    def setUp(self):
        super().setUp()
        self.root, self.image = self.path("root"), sample()
        os.mkdir(self.path("mnt"))
        self.archive = archives.docker_archive([(self.image, ["x:1"])])

    def cairn_here(self, *args, **more):
        return self.cairn("--root", self.root, "-s", self.plugin, *args, **more)

    def test_a_store_on_a_plugin_is_a_store(self):
        for driver in ("overlay2", "vfs"):
            with self.subTest(driver):
                self.root = self.path("root-" + driver)
                running, self.plugin = self.serve(driver)
                self.cairn_here("load", input=self.archive)
                plain = self.path("plain-" + driver)
                self.cairn("--root", plain, "-s", driver, "load", input=self.archive)
                self.assertEqual(Store(self.root, NAME).identity(), Store(plain, driver).identity())
                sizes = [{chain: layer["size"] for chain, layer in store.layers().items()}
                         for store in (Store(self.root, NAME), Store(plain, driver))]
                self.assertEqual(*sizes)
                theirs, ours = (tar_listing(self.cairn("--root", r, *s, "export", "x:1").stdout)
                                for r, s in ((plain, []), (self.root, ["-s", self.plugin])))
                self.assert_same_tree(ours, theirs)
                self.assertIn("kept", self.cairn("scan", self.root).text())
                self.cairn_here("df")
                self.end(running)
                self.assertEqual(self.cairn("--root", self.root, "images", "-q").text(), self.cairn("--root", plain, "images", "-q").text(),
                                 "metadata can be read without the plugin")
                result = self.cairn("--root", self.root, "ls", "x:1:/", code=None)
                self.assertNotEqual(result.code, 0)
                self.assertIn(NAME, result.stderr)
                self.assertEqual(len(result.stderr.splitlines()), 1)

    def test_a_writable_layer_is_mounted_written_and_removed(self):
        running, self.plugin = self.serve("overlay2")
        self.cairn_here("load", input=self.archive)
        self.cairn_here("create", "x:1", "--name", "work")
        self.cairn_here("mount", "work", self.path("mnt"))
        with open(self.path("mnt/data/written"), "w") as out:
            out.write("w")
        os.unlink(self.path("mnt/new"))
        self.assertIn(self.path("mnt"), self.cairn_here("rm", "work", code=1).stderr)
        os.system(f"umount {self.path('mnt')}")                  # nobody tells the plugin
        self.assertTrue({"A /data/written", "D /new"} <= set(self.cairn_here("changes", "work").text().splitlines()))
        self.cairn_here("rm", "work")
        self.assertEqual(mounts_below(self.tmp), [])
        self.end(running)
        self.assertEqual(len([n for n in os.listdir(f"{self.root}/{NAME}/overlay2") if n != "l"]), 3)

    def test_what_a_killed_server_left_mounted_is_used_and_then_removed(self):
        running, self.plugin = self.serve("overlay2")
        self.cairn_here("load", input=self.archive)
        self.cairn_here("create", "x:1", "--name", "work")
        self.cairn_here("mount", "work", self.path("mnt"))
        running.kill()
        self.assertEqual(len(mounts_below(self.root)), 1)
        with open(self.path("mnt/kept"), "w") as out:
            out.write("k")                                       # the mount lives
        running, self.plugin = self.serve("overlay2")
        self.assertEqual(self.cairn_here("cat", "work:/kept").stdout, b"k")
        self.cairn("umount", self.path("mnt"))
        self.cairn_here("rm", "work")
        self.assertEqual(mounts_below(self.tmp), [])
        self.end(running)

    def test_one_socket_one_server(self):
        running, _ = self.serve("overlay2")
        path = self.path(NAME + ".sock")
        self.assertEqual(stat.filemode(os.stat(path).st_mode), "srw-------")
        self.assertIn("another program", self.cairn("serve-driver", "--socket", path, code=1).stderr)
        running.kill()
        self.assertTrue(os.path.exists(path))
        self.assertIn("left its socket behind", self.cairn("--root", self.root, "-s", "plugin:" + path, "load", input=self.archive, code=1).stderr)
        running, self.plugin = self.serve("overlay2")
        self.cairn_here("load", input=self.archive)
        self.end(running)
        self.assertFalse(os.path.exists(path))
        for mistake in (["--socket", self.path("x"), "-s", "plugin:y"], ["--socket", self.path("x"), "-s", "ovrelay2"], []):
            self.cairn("serve-driver", *mistake, code=2)
        with open(self.path("file"), "w"):
            pass
        self.cairn("serve-driver", "--socket", self.path("file"), code=1)
        self.assertTrue(os.path.isfile(self.path("file")))
