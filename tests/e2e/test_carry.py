"""cairn migrate between the drivers of roots that a current engine wrote: every id stays, every driver's engine goes on."""
import os
import shutil
import subprocess

from engine_root import Said, write_root
from harness import BUSYBOX, Case, listing
from store import Store

STRACE = "/usr/bin/strace"


def identity(root, driver):
    """What the root is but for its driver, and for where it lies."""
    found = Store(root, driver).identity()
    for config in found["containers"].values():
        del config["Driver"]
        for mount in config["MountPoints"].values():
            mount["Source"] = mount["Source"].removeprefix(os.path.realpath(root))
    return found


class WrittenByAnEngine(Case):
    def prepare(self, driver, target=""):
        """A root of a real engine at self.root, with containers and a volume."""
        self.need_engine()
        self.need_program(BUSYBOX, "busybox-static")
        self.root = os.path.join(self.btrfs("disk") if driver == "btrfs" or target == "btrfs" else self.path(), "root")
        with self.engine(self.root, driver) as dockerd:
            write_root(dockerd)
            dockerd.docker("run", "--name", "keeper", "--network", "none", "-v", "kept:/kept", "local/app:1", "sh", "-c", "echo v > /kept/v")
            self.said = Said(dockerd)

    def check_said(self, root, driver):
        """The engine says of the new root what it said of the old one, and works with it."""
        self.assertEqual(Store(root, driver).problems(), [])
        with self.engine(root, driver) as dockerd:
            now = Said(dockerd)
            for what in ("images", "tags", "history", "containers", "changes"):
                self.assertEqual(getattr(now, what), getattr(self.said, what), what)
            for name, entries in self.said.exported.items():
                self.assert_same_tree(now.exported[name], entries, f"export of {name}")
            self.assertEqual(now.layers.keys(), self.said.layers.keys(), "docker save gives other layers")
            self.assertEqual(dockerd.docker("run", "--rm", "--network", "none", "local/committed:1", "cat", "/data/dir"), b"file\n")
            self.assertEqual(dockerd.docker("run", "--rm", "--network", "none", "-v", "kept:/kept", "local/app:1", "cat", "/kept/v"), b"v\n")
            dockerd.docker("start", "-a", "keeper")


class Carried(WrittenByAnEngine):
    def check(self, *drivers):
        """From driver to driver, each a root of its own; engines start on those whose kernel driver is here."""
        self.prepare(drivers[0], "btrfs" if "btrfs" in drivers else "")
        source = self.root
        for number, driver in enumerate(drivers[1:]):
            target = f"{os.path.dirname(self.root)}/target{number}"
            self.migrate(source, target, driver)
            self.assertEqual(identity(target, driver), identity(source, drivers[number]))
            if driver != "aufs":
                self.check_said(target, driver)
            source = target

    def migrate(self, source, target, driver):
        before = listing(source)
        report = self.cairn("--json", "migrate", source, "--to", target, "-s", driver, "--verify").json()
        for kind in ("images", "layers", "containers"):
            self.assertEqual({one["status"] for one in report[kind]}, {"migrated"}, kind)
        self.assertLessEqual({one["status"] for one in report["state"]}, {"migrated", "left"})
        self.assertEqual(report["damage"], [])
        self.assert_same_tree(listing(source), before, "the source changed")
        again = self.cairn("--json", "migrate", source, "--to", target, "-s", driver).json()
        self.assertEqual({one["status"] for one in again["images"] + again["layers"] + again["containers"]}, {"exists"})

    def test_overlay2_to_overlay2(self):
        self.check("overlay2", "overlay2")

    def test_overlay2_to_vfs_to_overlay2(self):
        self.check("overlay2", "vfs", "overlay2")

    def test_vfs_to_aufs_to_overlay2(self):
        self.check("vfs", "aufs", "overlay2")

    def test_btrfs_to_aufs_to_vfs(self):
        self.check("btrfs", "aufs", "vfs")

    def test_overlay2_to_btrfs_to_overlay2(self):
        self.check("overlay2", "btrfs", "overlay2")

    def test_running_containers_do_not_reach_the_source(self):
        self.prepare("overlay2")
        before = listing(self.root)
        target = self.path("target")
        self.migrate(self.root, target, "overlay2")
        self.check_said(target, "overlay2")
        self.assert_same_tree(listing(self.root), before, "containers of the target wrote to the source")

    def test_a_later_run_brings_what_is_new(self):
        """A later run brings what is new in the source and leaves the rest alone."""
        self.prepare("overlay2")
        target = self.path("target")
        self.cairn("migrate", self.root, "--to", target, "-s", "overlay2", "--image", "local/app:1", "--no-containers")
        self.assertEqual(set(Store(target, "overlay2").tags()) & {"local/committed:1", "local/app:1"}, {"local/app:1"})
        self.cairn("migrate", self.root, "--to", target, "-s", "overlay2")
        self.check_said(target, "overlay2")


class Switched(WrittenByAnEngine):
    """In place, for another driver: an engine finds the old store whole or the new one, whenever it starts."""

    def test_there_and_back(self):
        self.prepare("overlay2")
        before = listing(self.root)
        self.cairn("migrate", self.root, "--in-place", "-s", "vfs")
        self.assertFalse(os.path.exists(self.root + "/overlay2"))
        self.cairn("migrate", self.root, "--in-place", "--rollback")
        after = {name: entry for name, entry in listing(self.root).items() if not name.startswith(".cairn-switch")}
        self.assertEqual(after.keys(), before.keys())
        self.check_said(self.root, "overlay2")

    def test_the_new_store_works_and_the_old_one_goes(self):
        self.prepare("vfs")
        self.cairn("migrate", self.root, "--in-place", "-s", "overlay2", "--remove-source")
        self.assertFalse({"vfs", ".cairn-switch", ".cairn-migration"} & set(os.listdir(self.root)))
        self.assertEqual(os.listdir(self.root + "/image"), ["overlay2"])
        self.check_said(self.root, "overlay2")

    def store_in_place(self, root):
        """Which store an engine would find, if it is whole: its driver."""
        drivers = [name for name in ("overlay2", "vfs") if os.path.isdir(f"{root}/{name}")]
        self.assertEqual(len(drivers), 1, f"an engine finds {drivers}")
        store = Store(root, drivers[0])
        self.assertEqual(store.problems(), [])
        self.assertEqual({config["Driver"] for config in store.containers().values()}, set(drivers))
        return drivers[0], store.identity()

    def test_a_crash_at_every_step_of_the_exchange(self):
        self.need_program(STRACE, "strace")
        self.prepare("vfs")
        self.cairn("migrate", self.root, "--in-place", "-s", "overlay2")
        new = self.store_in_place(self.root)
        self.cairn("migrate", self.root, "--in-place", "--rollback")
        old = self.store_in_place(self.root)
        for back in (False, True):
            seen = set()
            for step in range(1, 200):
                root = self.path("crashed")
                subprocess.run(["cp", "-a", self.root, root], check=True)
                if back:
                    self.cairn("migrate", root, "--in-place", "-s", "overlay2")
                command = ["migrate", root, "--in-place", *(["--rollback"] if back else ["-s", "overlay2"])]
                calls = "symlinkat,renameat2,unlinkat"
                done = subprocess.run([STRACE, "-f", "-qq", "-o", "/dev/null", "-P", root, "-e", f"trace={calls}", "-e",
                                       f"inject={calls}:signal=KILL:when={step}", os.environ["CAIRN_BIN"], *command],
                                      stdin=subprocess.DEVNULL, capture_output=True)
                with self.subTest(back=back, step=step):
                    seen.add(self.store_in_place(root)[0])
                    self.assertIn(self.store_in_place(root), (old, new))
                    self.cairn(*command, code=None)
                    self.assertEqual(self.store_in_place(root), old if back else new)
                shutil.rmtree(root)
                if done.returncode == 0:
                    break
            self.assertEqual(seen, {"vfs", "overlay2"}, "no crash came before the turn, or none after it")
            self.assertGreater(step, 8)
