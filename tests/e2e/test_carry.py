"""cairn migrate of roots that a current engine wrote, in parts and in place: every id stays, and the engine goes on."""
import os
import shutil
import subprocess

import disturb
from engine_root import Said, write_root
from harness import BUSYBOX, Case, listing
from store import Store


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
            self.said.check_same(self, dockerd)
            self.check_what_runs(dockerd)

    def check_what_runs(self, dockerd):
        self.assertEqual(dockerd.docker("run", "--rm", "--network", "none", "local/committed:1", "cat", "/data/dir"), b"file\n")
        self.assertEqual(dockerd.docker("run", "--rm", "--network", "none", "-v", "kept:/kept", "local/app:1", "cat", "/kept/v"), b"v\n")
        dockerd.docker("start", "-a", "keeper")


class Carried(WrittenByAnEngine):
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
        if disturb.unavailable():
            self.skipTest(disturb.unavailable())
        self.in_memory()                                # an exchange is many steps, each of which waits for the disk
        old_root, new_root = self.path("old"), self.path("new")
        self.cairn("migrate", self.fixture("tiny-1.9.1-vfs-before"), "--to", old_root, "-s", "vfs")
        self.cairn("migrate", self.copy(old_root, new_root), "--in-place", "-s", "overlay2")
        old, new = self.store_in_place(old_root), self.store_in_place(new_root)
        for start, flags, wanted in ((old_root, ["-s", "overlay2"], new), (new_root, ["--rollback"], old)):
            root, seen = self.path("crashed"), []
            steps = self.steps_until_killed_at(self.copy(start, root), flags)[0]
            shutil.rmtree(root)
            for step in range(steps, 0, -1):            # backwards, until what comes before the exchange
                self.steps_until_killed_at(self.copy(start, root), flags, step)
                begun = os.path.exists(root + "/.cairn-switch/switch.json")
                with self.subTest(flags=flags, step=step, steps=steps):
                    found = self.store_in_place(root)
                    self.assertIn(found, (old, new))
                    self.cairn("migrate", root, "--in-place", *flags, code=None)
                    self.assertEqual(self.store_in_place(root), wanted)
                shutil.rmtree(root)
                if not begun:
                    break
                seen.append(found[0])
            self.assertEqual(set(seen), {"vfs", "overlay2"}, "no crash came before the turn, or none after it")
            self.assertGreater(len(seen), 8)

    def copy(self, root, to):
        subprocess.run(["cp", "-a", root, to], check=True)
        return to

    def steps_until_killed_at(self, root, flags, step=0):
        """(How many times it changed something, the result.)"""
        argv = [self.binary, "-j1", "--progress", "none", "migrate", root, "--in-place", *flags]
        kill = ["--when", str(step), "--do", "kill"] if step else []
        result, steps, _ = disturb.run(argv, "changes", [root], kill, self.path("log"))
        self.assertEqual(result.code, -9 if step else 0, str(result))
        return steps, result
