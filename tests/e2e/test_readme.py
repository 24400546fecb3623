"""The README's walk from an aufs host to overlay2, run as it stands there."""
import os
import subprocess
import sys

import engine
import legacy_tree as lt
import readme_steps
import trees
from harness import HERE, Case

README = os.path.join(HERE, "..", "..", "README.md")
# What a newcomer would look at, after the last step.
LOOK = """
docker run --rm --network none local/app:1 /bin/busybox cat /data/note /data/new
docker start --attach web
test ! -e /var/lib/docker/aufs
"""


def aufs_root(root):
    """What an aufs host of Docker 1.9 has in /var/lib/docker."""
    tree = lt.LegacyTree(root, "aufs", "1.9.1")
    base = tree.image([lt.directory("bin"), lt.file("bin/busybox", trees.busybox(), mode=0o755), lt.symlink("bin/sh", "busybox"),
                       lt.directory("data"), lt.file("data/note", b"from below\n"), lt.file("data/gone", b"x")],
                      tags=["local/base:1", "local/base:latest"])
    app = tree.image([lt.directory("data"), lt.whiteout("data/gone"), lt.file("data/new", b"from above\n")], parent=base,
                     tags=["local/app:1"], cmd=["/bin/busybox", "ls", "/data"])
    tree.container("web", app, ["/bin/busybox", "cat", "/written", "/data/note"], [lt.file("written", b"by the container\n")])
    return tree.finish()


class Readme(Case):
    def steps(self):
        with open(README) as readme:
            return readme_steps.commands(readme.read())

    def test_the_way_from_aufs_to_overlay2(self):
        self.need_engine()
        root, tools = self.path("docker"), self.path("tools")
        aufs_root(root)
        readme_steps.write_tools(tools, self.binary)
        done = subprocess.run([*engine.UNSHARE, sys.executable, "-B", readme_steps.__file__, root, tools],
                              input="\n".join(self.steps()) + LOOK, capture_output=True, text=True, timeout=600)
        what = f"stdout:\n{done.stdout}\nstderr:\n{done.stderr[-4000:]}"
        self.assertEqual(done.returncode, 0, what)
        for tag in ("local/base", "local/app"):
            self.assertRegex(done.stdout, rf"(?m)^{tag} ", what)
        self.assertIn("from below\nfrom above\nby the container\nfrom below\n", done.stdout, what)
        self.assertEqual([name for name in os.listdir(root + "/image")], ["overlay2"])
        with open(tools + "/migration.html") as page:
            self.assertIn("Everything came over", page.read())

    def test_its_number_of_commands_is_what_it_says(self):
        self.assertEqual(len(self.steps()), 7, self.steps())

    def test_the_way_back(self):
        """The indented lines: the old store again, to the name."""
        root = self.path("docker")
        aufs_root(root)
        before = sorted(os.listdir(root))
        self.cairn("migrate", root, "--in-place", "--storage-driver", "overlay2")
        self.assertNotIn("aufs", os.listdir(root))
        self.cairn("migrate", root, "--in-place", "--rollback")
        self.assertLessEqual(set(before), set(os.listdir(root)))
