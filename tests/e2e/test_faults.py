"""Something goes wrong at any moment of a migration: the source stays as it was, and a rerun gives the undisturbed answer.

CAIRN_FAULT_RUNS (default 48) says how many disturbed runs there are in all cases together; CAIRN_SEED picks other moments.
"""
import glob
import os
import random
import re
import shutil
import subprocess

import disturb
import trees
from harness import Case, listing
from store import Store

SEED = int(os.environ.get("CAIRN_SEED", "1"))
RUNS = int(os.environ.get("CAIRN_FAULT_RUNS", "48"))
CASES = 16                       # that share them

# What is in a layer or a volume: there, times count as well.
CONTENT = re.compile(r"overlay2/[^/]+/diff(/|$)|vfs/dir/[^/]+|aufs/diff/[^/]+|volumes/[^/]+/_data")
NEEDED = re.compile(r"graph/[^/]+/json$|layerdb/sha256/[^/]+/(diff|cache-id)$|mount-id$")
LAYER_ROOT = re.compile(r"(overlay2/[^/]+/diff|vfs/dir/[^/]+|aufs/diff/[^/]+)$")
NAMES_LAYERS = re.compile(r"overlay2/[^/]+/(link|lower)$|aufs/layers/[^/]+$|/cache-id$")
WHITEOUT = re.compile(r"aufs/diff/.*/\.wh\.")
DRIVERS_OWN = re.compile(r"overlay2/[^/]+/(link|committed)$")      # what no tree shows: `cairn scan` finds it
NO_FAILURE = re.compile("cairn: (warning: |leaving )")
SAYS_WHY = {"ENOSPC": "No space left on device", "EDQUOT": "Disk quota exceeded", "EIO": "Input/output error"}


def shape(root, inside=""):
    """A data root, or its folder `inside`, as two migrations of one source must leave it. Only an overlay2's random short names may
    differ, and which of two layers with equal content the one that is kept is called after."""
    links, twins, has_graph = {}, {}, os.path.isdir(root + "/graph")
    for path in glob.glob(f"{root}/image/*/layerdb/sha256/*/cache-id"):
        with open(path) as text:
            twins[text.read()] = os.path.basename(os.path.dirname(path))
    for folder in ("l", "overlay2/l", ".cairn-switch/new/overlay2/l", ".cairn-switch/old/overlay2/l"):
        for name in os.listdir(f"{root}/{folder}") if os.path.isdir(f"{root}/{folder}") else []:
            links[name] = os.readlink(f"{root}/{folder}/{name}")

    def alike(text):
        return re.sub("[0-9a-f]{64}", lambda match: twins.get(match[0], match[0]), text)

    found = {}
    for name, entry in listing(root).items():
        path, name = os.path.join(root, name), inside + name
        if not CONTENT.search(name) or LAYER_ROOT.search(name) or WHITEOUT.search(name) or entry.endswith("dev=0,0"):
            entry = re.sub(r" mtime=\d+", "", entry)
        if re.search(r"overlay2/l/[^/]+$", name):
            continue
        if NAMES_LAYERS.search(name):
            with open(path) as text:
                entry = " ".join(links.get(part.removeprefix("l/"), part) for part in re.split("[:\n]", text.read()))
            entry = alike(entry)
        if not has_graph:             # which is of the source, and keeps both twins
            name, entry = alike(name), alike(entry)
        found[name] = entry + overlay_marks(path)
    return found


def overlay_marks(path):
    names = [] if os.path.islink(path) else [n for n in os.listxattr(path) if n.startswith("trusted.overlay.")]
    return "".join(f" {name}={os.getxattr(path, name)!r}" for name in sorted(names))


def found_in(root):
    """The stores below `root` by their drivers: what an engine would find of each."""
    return {driver: {"files": shape(f"{root}/{driver}", driver + "/"), "identity": Store(root, driver).identity()}
            for driver in ("overlay2", "vfs", "overlay") if os.path.isdir(f"{root}/{driver}")}


def without_traces(found):
    """Without what could not be removed and means nothing: the next run that writes there removes it."""
    return {name: entry for name, entry in found.items() if "/layerdb/tmp/write-set-" not in name and name != ".cairn-switch/now"}


def said(result):
    return f"exit {result.code}, {result.stderr.strip() or 'silence'}"


class Disturbed(Case):
    def setUp(self):
        super().setUp()
        why = disturb.unavailable()
        if why:
            self.skipTest(why)
        self.in_memory()

    def watched(self, argv, fault, source, target, flags=()):
        below = {"source": [source], "target": [target], "both": [source, target]}[fault.side]
        return disturb.run([self.binary, "--progress", "none", *argv], fault.of, below, flags, self.path("log"))

    def disturb_all(self, faults, start, argv, check):
        """Runs argv(source, target) again and again, each time with one fault at one moment; (source, target) = start(name). `check`
        is told of the fault, both trees and the result."""
        moments = random.Random(f"{SEED} {self.id()}")
        calls = {}
        for n in range(max(RUNS // CASES, 1)):
            fault = faults[n % len(faults)] if RUNS // CASES >= len(faults) else moments.choice(faults)
            if (fault.of, fault.side) not in calls:
                source, target = start("counted")
                result, calls[fault.of, fault.side], _ = self.watched(argv(source, target), fault, source, target)
                self.assertEqual(result.code, 0, str(result))
                shutil.rmtree(self.path("counted"))
            moment, jobs = moments.randint(1, calls[fault.of, fault.side]), moments.choice(["-j1", "-j1", "-j1", "-j4"])
            source, target = start(f"run{n}")
            with self.subTest(run=n, fault=fault.name, moment=moment, jobs=jobs, seed=SEED):
                away = self.choose_file(source, moments) if fault is disturb.LOSE_SOURCE else None
                flags = ["--when", str(moment), "--do", away.action()] if away else fault.flags(moment)
                result, _, hit = self.watched([jobs, *argv(source, target)], fault, source, target, flags)
                what = f"hit {hit.replace(self.tmp, '')}"
                if away:
                    away.back()
                    what += f", lost {away.path}"
                if fault is disturb.KILL_AND_LOSE:
                    what += f", lost {self.lose_a_file(target, moments)}"
                self.check_outcome(fault, result, what)
                check(fault, source, target, result, f"{what}: {said(result)}")
            shutil.rmtree(self.path(f"run{n}"))

    def check_outcome(self, fault, result, what):
        """Killed, or one clear line about why; never a crash."""
        if fault.action == "kill":
            return self.assertIn(result.code, (-9, 0), f"{what}; {result}")
        self.assertIn(result.code, (0, 1, 4), f"{what}; {result}")
        self.assertNotIn("terminate called", result.stderr, what)
        if result.code == 0:
            return
        lines = [line for line in result.stderr.splitlines() if line.startswith("cairn: ") and not NO_FAILURE.match(line)]
        self.assertTrue(lines, f"{what}; {result}")
        self.assertIn(SAYS_WHY.get(fault.action, ""), result.stderr, f"{what}; {result}")
        if fault.action in ("ENOSPC", "EDQUOT"):
            self.assertEqual(len(lines), 1, f"{what}; {result}")

    def lose_a_file(self, root, moments):
        files = sorted(name for name, entry in listing(root, times=False).items()
                       if entry.startswith("-") and not DRIVERS_OWN.search(name)) if os.path.isdir(root) else []
        if not files:
            return "nothing"
        lost = moments.choice(files)
        os.unlink(os.path.join(root, lost))
        return lost

    def choose_file(self, root, moments):
        """One that cairn cannot do without: other files a container, a volume or an engine's caches may or may not have."""
        files = sorted(name for name in listing(root, times=False) if NEEDED.search(name))
        return disturb.Away(os.path.join(root, moments.choice(files)), self.path("refuge"))


class Elsewhere(Disturbed):
    """migrate SOURCE --to TARGET: whatever happens, the source is only read."""

    FAULTS = [disturb.KILL, disturb.KILL_AND_LOSE, disturb.LOSE_SOURCE, *disturb.REFUSALS]

    def check(self, source, driver, *flags):
        def argv(source, target):
            return ["migrate", source, "--to", target, "-s", driver, *flags]

        def start(name):
            os.mkdir(self.path(name))
            return source, self.path(name, "target")

        def check(fault, source, target, result, what):
            self.assert_same_tree(listing(source), before, f"the source changed; {what}")
            if result.code == 0 and fault is not disturb.KILL_AND_LOSE:
                self.assert_same_tree(without_traces(shape(target)), want, f"exit 0, but the result is another; {what}")
            again = self.cairn("--progress", "none", *argv(source, target), code=None)
            self.assertEqual(again.code, 0, f"{said(again)}\nafter {what}")
            self.assert_same_tree(shape(target), want, f"after a rerun; {what}")
            self.assert_same_tree(listing(source), before, f"the source changed; {what}")

        before = listing(source)
        self.cairn(*argv(source, self.path("undisturbed")))
        want = shape(self.path("undisturbed"))
        self.assertEqual(Store(self.path("undisturbed"), driver).problems(), [])
        self.disturb_all(self.FAULTS, start, argv, check)

    def test_graph_vfs_to_overlay2(self):
        self.check(self.fixture("tiny-1.9.1-vfs-before"), "overlay2")

    def test_graph_vfs_to_vfs(self):
        self.check(self.fixture("tiny-1.9.1-vfs-before"), "vfs")

    def test_graph_overlay_to_overlay2_verified(self):
        self.check(self.fixture("tiny-1.9.1-overlay-before"), "overlay2", "--verify")

    def test_graph_overlay_to_aufs(self):
        self.check(self.fixture("tiny-1.9.1-overlay-before"), "aufs")

    def test_graph_without_tar_split_to_overlay2(self):
        source = self.path("source")
        os.mkdir(source)
        trees.small(source, "vfs", "1.6.2")
        self.check(source, "overlay2")

    def test_content_vfs_to_overlay2(self):
        self.check(self.fixture("tiny-1.9.1-vfs-after-1.10.3"), "overlay2")

    def test_content_overlay_to_vfs(self):
        self.check(self.fixture("tiny-1.9.1-overlay-after-1.10.3"), "vfs")

    def content_of(self, driver):
        root = self.path("content")
        self.cairn("migrate", self.fixture("tiny-1.9.1-vfs-before"), "--to", root, "-s", driver)
        return root

    def test_content_overlay2_to_aufs(self):
        self.check(self.content_of("overlay2"), "aufs")

    def test_content_aufs_to_overlay2(self):
        self.check(self.content_of("aufs"), "overlay2", "--verify")


class FullDisk(Disturbed):
    """The same without pretending: a file system too small for what comes, which is made larger then."""

    def test_full_disk(self):
        source = self.path("source")
        os.mkdir(source)
        trees.small(source, "vfs", "1.9.1")
        disk = self.tmpfs("disk", "1g")
        argv = ["--progress", "none", "migrate", source, "--to", disk + "/target", "-s", "overlay2"]
        self.cairn(*argv)
        want, before, moments, full = shape(disk + "/target"), listing(source), random.Random(f"{SEED} {self.id()}"), 0
        used = os.statvfs(disk)
        limits = {"size": (used.f_blocks - used.f_bfree) * used.f_bsize, "nr_inodes": used.f_files - used.f_ffree}
        subprocess.run(["umount", disk], check=True)
        for n in range(max(RUNS // CASES, 1)):
            what = moments.choice(["size", "nr_inodes", "nr_inodes"])
            limit = moments.randint(limits[what] // 10, limits[what] - 1)
            subprocess.run(["mount", "-t", "tmpfs", "-o", f"mode=755,{what}={limit}", "tmpfs", disk], check=True)
            with self.subTest(run=n, what=what, limit=limit, of=limits[what], seed=SEED):
                result = self.cairn(*argv, code=None)
                full += SAYS_WHY["ENOSPC"] in result.stderr
                self.assertEqual(result.code, 1, str(result))
                self.assertEqual(len(result.stderr.splitlines()), 1, str(result))
                self.assert_same_tree(listing(source), before, f"the source changed; {said(result)}")
                subprocess.run(["mount", "-o", "remount,size=1g,nr_inodes=0", disk], check=True)
                self.cairn(*argv)
                self.assert_same_tree(shape(disk + "/target"), want, f"after a rerun; before it {said(result)}")
            subprocess.run(["umount", disk], check=True)
        self.assertGreater(full, 0, "the disk was never full")


class InPlace(Disturbed):
    """migrate ROOT --in-place: the old store is whole until the new one is."""

    FAULTS = [disturb.KILL, *(fault for fault in disturb.REFUSALS if fault.side == "target")]

    def check(self, pristine, *flags):
        def argv(root, _):
            return ["migrate", root, "--in-place", *flags]

        def start(name):
            subprocess.run(["cp", "-a", pristine, self.path(name)], check=True)
            return self.path(name), self.path(name)

        def check(_, root, __, result, what):
            self.check_whole(root, old, new, what)
            if result.code == 0:
                self.assert_same_tree(without_traces(shape(root)), want, f"exit 0, but the result is another; {what}")
            again = self.cairn("--progress", "none", *argv(root, ""), code=None)
            self.assert_same_tree(without_traces(shape(root)), want, f"after a rerun: {said(again)}\nbefore it {what}")

        start("undisturbed")
        self.cairn(*argv(self.path("undisturbed"), ""))
        old, new, want = found_in(pristine), found_in(self.path("undisturbed")), shape(self.path("undisturbed"))
        self.assertNotEqual(old, new)
        self.disturb_all(self.FAULTS, start, argv, check)

    def check_whole(self, root, old, new, what):
        """An engine that is started on `root` finds all of the old store or all of the new one."""
        found = found_in(root)
        if old.keys() != new.keys():
            return self.assertIn(found, (old, new), f"neither store is whole; {what}")
        # The same driver: the new layout grows beside the old one, which goes, if at all, once that is done.
        if not os.path.exists(root + "/.migration-v1-tags"):
            kept = {name: entry for name, entry in old["vfs"]["files"].items() if not entry.startswith("d")}
            self.assertLessEqual(kept.items(), found["vfs"]["files"].items(), f"the old store is not whole; {what}")

    def test_graph_with_its_driver(self):
        self.check(self.fixture("tiny-1.9.1-vfs-before"), "-s", "vfs")

    def test_graph_with_its_driver_and_removed(self):
        self.check(self.fixture("tiny-1.9.1-vfs-before"), "-s", "vfs", "--remove-source")

    def test_graph_to_another_driver(self):
        self.check(self.fixture("tiny-1.9.1-overlay-before"), "-s", "overlay2")

    def test_content_to_another_driver(self):
        self.check(self.fixture("tiny-1.9.1-vfs-after-1.10.3"), "-s", "overlay2")

    def test_content_to_another_driver_and_removed(self):
        self.check(self.fixture("tiny-1.9.1-vfs-after-1.10.3"), "-s", "overlay2", "--remove-source")

    def test_rollback(self):
        root = self.fixture("tiny-1.9.1-vfs-after-1.10.3")
        self.cairn("migrate", root, "--in-place", "-s", "overlay2")
        self.check(root, "--rollback")
