"""What scan says to do next, done; what is estimated, compared with what it was; the report that a person gets."""
import html.parser
import json
import os
import shlex
import signal
import subprocess
import time

import trees
from harness import Case, listing
from store import Store

VOID = {"meta", "br", "ellipse", "rect", "path"}


class Strict(html.parser.HTMLParser):
    """Every element is closed in turn, and none of them fetches or runs anything."""

    def __init__(self):
        super().__init__()
        self.open, self.text, self.problems = [], "", []

    def handle_starttag(self, tag, attributes):
        if tag in ("script", "link", "img", "iframe", "object") or any(k in ("src", "href") or k.startswith("on") for k, _ in attributes):
            self.problems.append(self.get_starttag_text())
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in VOID and (not self.open or self.open.pop() != tag):
            self.problems.append(f"</{tag}> at {self.getpos()}")

    def handle_data(self, data):
        if self.open[-1:] != ["style"]:
            self.text += data


class Advice(Case):
    def next_of(self, root, *args):
        return self.cairn("scan", root, "--json", *args).json()["next"]

    def where_engines_look(self, root, *command):
        """Runs a command that sees `root` as /var/lib/docker, and no other below /var/lib."""
        mount = 'mount -t tmpfs none /var/lib && mkdir /var/lib/docker && mount --bind "$0" /var/lib/docker && exec "$@"'
        done = subprocess.run(["unshare", "--mount", "--propagation", "private", "sh", "-c", mount, root, self.binary, *command],
                              cwd=self.tmp, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300)
        self.assertEqual(done.returncode, 0, f"{command}\n{done.stdout}\n{done.stderr}")
        return done.stdout

    def test_the_steps_it_gives_work_one_after_another(self):
        root = self.fixture("tiny-1.9.1-overlay-before")
        before = listing(root)
        given = json.loads(self.where_engines_look(root, "scan", "/var/lib/docker", "--json"))["next"]
        self.assert_same_tree(listing(root), before, "scan wrote")
        steps = [shlex.split(step["command"]) for step in given["steps"]]
        self.assertEqual([words[0] for words in steps], ["cairn"] * 4, given)
        dry_run, migrate, back, remove = [words[1:] for words in steps]
        self.where_engines_look(root, *dry_run)
        self.assert_same_tree(listing(root), before, "the dry run wrote")
        self.where_engines_look(root, *migrate)
        self.assertEqual(Store(root, "overlay2").problems(), [])
        self.where_engines_look(root, *back)
        self.assertIn("overlay", os.listdir(root))
        self.where_engines_look(root, *migrate)
        self.where_engines_look(root, *remove)
        self.assertFalse({"overlay", "graph", ".cairn-switch"} & set(os.listdir(root)))
        self.assertEqual(Store(root, "overlay2").problems(), [])
        self.assertEqual(json.loads(self.where_engines_look(root, "scan", "/var/lib/docker", "--json"))["next"]["steps"], [])

    def test_what_a_switch_made_is_checked_before_the_old_store_goes(self):
        root = self.fixture("tiny-1.9.1-overlay-before")
        self.cairn("migrate", root, "--in-place", "-s", "overlay2")
        spoiled = next(os.path.join(top, name) for top, _, names in os.walk(root + "/overlay2") for name in names
                       if name == "release")
        os.unlink(spoiled)                                            # not written to: the old store's file is the same inode
        with open(spoiled, "w") as file:
            file.write("spoiled")
        result = self.cairn("migrate", root, "--in-place", "--remove-source", code=4)
        self.assertIn("verify-failed", result.stderr)
        self.assertIn("the source is kept", result.stderr)
        self.cairn("migrate", root, "--in-place", "--rollback")
        self.assertIn("graph", os.listdir(root))

    def test_a_read_only_root_goes_elsewhere(self):
        root = self.fixture("tiny-1.9.1-vfs-before")
        subprocess.run(["mount", "--bind", root, root], check=True)
        self.addCleanup(subprocess.run, ["umount", root], check=False)
        subprocess.run(["mount", "-o", "remount,bind,ro", root], check=True)
        given = self.next_of(root)
        self.assertTrue(all("--to" in step["command"] for step in given["steps"]), given)
        self.assertTrue(any("read-only" in note for note in given["notes"]), given)

    def test_the_estimate_holds(self):
        root, target = self.path("root"), self.path("target")
        trees.everything(root, "overlay", "1.9.1")
        os.makedirs(root + "/volumes/kept/_data")
        with open(root + "/volumes/kept/_data/file", "wb") as file:
            file.write(os.urandom(5 << 20))
        plan = self.cairn("--json", "migrate", root, "--to", target, "-s", "overlay2", "--dry-run").json()["estimate"]
        done = self.cairn("--json", "migrate", root, "--to", target, "-s", "overlay2").json()
        self.assertGreaterEqual(plan["bytes_to_copy"], done["bytes_copied"] * 0.9, "what was copied had not been announced")
        self.assertLessEqual(plan["bytes_to_copy"], done["bytes_copied"] * 1.5 + (1 << 20))
        self.assertGreaterEqual(plan["bytes_to_copy"], 5 << 20)
        self.assertGreater(plan["sample"]["files"], 10)
        self.assertLess(plan["sample"]["seconds"], 5)
        self.assertLess(plan["seconds"], 60 * done["seconds"])
        self.assertGreater(plan["seconds"], done["seconds"] / 60)

    def test_an_interrupted_run_says_how_to_go_on(self):
        root, target = self.path("root"), self.path("target")
        trees.small(root, layers=40)
        for wait in (0.4, 0.2, 0.1, 0.05, 0.8, 1.6):
            running = self.start("migrate", root, "--to", target, "-s", "overlay2", "-j", "1")
            time.sleep(wait)
            running.process.send_signal(signal.SIGINT)
            result = running.finish()
            if result.code == 130 and os.path.isdir(target):
                break
            subprocess.run(["rm", "-rf", target], check=True)
        self.assertEqual(result.code, 130, str(result))
        self.assertIn("run the same command again to go on", result.stderr)
        self.cairn("migrate", root, "--to", target, "-s", "overlay2")
        self.assertEqual(Store(target, "overlay2").problems(), [])

    def page_of(self, root, *args, code=0):
        where = self.path("report.html")
        self.cairn("migrate", root, "--to", self.path("target"), "-s", "overlay2", "--report", where, *args, code=code)
        with open(where, encoding="utf-8") as file:
            parser = Strict()
            parser.feed(file.read())
        self.assertEqual((parser.problems, parser.open), ([], []))
        return parser.text

    def test_the_page_has_everything(self):
        root = self.path("root")
        trees.everything(root, "overlay", "1.9.1")
        text = self.page_of(root, "--verify")
        for words in ("Everything came over", "local/base:1", "base:1 and 2 more", "local/app:env", "stopped", "created", "overlay (graph)",
                      "Every layer was read back"):
            self.assertIn(words, text)

    def test_names_from_the_disk_are_no_markup(self):
        root = self.path("root")
        trees.small(root)
        evil = "<script>alert(1)</script>\"'&\u202e"
        os.makedirs(f"{root}/graph/{'e' * 64}")
        with open(f"{root}/graph/{'e' * 64}/json", "w") as file:
            file.write(f'{{"id": "{"e" * 64}", "parent": "{evil[:5]}"')
        with open(f"{root}/repositories-vfs") as file:
            names = json.load(file)
        names["Repositories"][evil] = {"latest": names["Repositories"]["other"]["1"]}
        with open(f"{root}/repositories-vfs", "w") as file:
            json.dump(names, file)
        text = self.page_of(root, code=4)
        self.assertIn("<script>alert(1)", text)                       # as text
        self.assertNotIn("\u202e", text)
