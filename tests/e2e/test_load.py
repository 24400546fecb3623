"""cairn load, apply, create, mount: what it writes is what an engine would have written, and an engine works with it."""
import hashlib
import io
import os
import subprocess
import tarfile

import archives
import legacy_tree as lt
import trees
from harness import BUSYBOX, Case, listing, mounts_below, tar_listing, tree_as_tar, without_init
from store import Store, chain_of


def sample(program=b"#!"):
    """Three layers: a program and files, deletions of three kinds, replacements."""
    return archives.Image([
        [lt.directory("bin"), lt.file("bin/busybox", program, mode=0o755), lt.hardlink("bin/sh", "bin/busybox", mode=0o755), lt.directory("data"),
         lt.file("data/gone", b"g"), lt.directory("data/full"), lt.file("data/full/a", b"a"), lt.file("data/full/b", b"b"),
         lt.file("data/plain", b"p"), lt.file("setuid", b"s", mode=0o6755, uid=7, gid=8),
         lt.file("caps", b"c", xattrs={"security.capability": trees.CAPABILITY})],
        [lt.directory("data"), lt.whiteout("data/gone"), lt.directory("data/full"), lt.opaque("data/full"), lt.file("data/full/c", b"c")],
        [lt.directory("data"), lt.whiteout("data/plain"), lt.file("new", b"n"), lt.symlink("link", "/data/full/c"), lt.fifo("fifo")],
    ], cmd=["/bin/busybox", "ls", "/data/full"])


class Load(Case):
    def check(self, root, driver, images):
        """The store holds exactly `images` ((Image, tags) pairs) and is in order."""
        store = Store(root, driver)
        self.assertEqual(store.problems(), [])
        self.assertEqual(set(store.configs()), {image.id for image, _ in images})
        self.assertEqual(store.tags(), {tag: image.id for image, tags in images for tag in tags})
        return store

    def test_every_form_gives_the_same_store(self):
        image = sample()
        forms = {
            "docker-archive": archives.docker_archive([(image, ["a/b:1"])]),
            "docker-archive, layers gzipped": archives.docker_archive([(image, ["a/b:1"])], "gzip"),
            "oci tar": archives.oci_tar(self.path("oci"), [(image, "a/b:1")]),
            "oci tar, plain layers": archives.oci_tar(self.path("oci"), [(image, "a/b:1")], "none"),
        }
        for how in ("gzip", "bzip2", "xz"):
            forms["docker-archive, whole file " + how] = archives.compress(forms["docker-archive"], how)
        for driver in ("overlay2", "vfs"):
            for form, data in forms.items():
                with self.subTest(form=form, driver=driver):
                    root = self.path(f"{driver}-{form}")
                    self.cairn("--root", root, "-s", driver, "load", input=data)
                    self.check(root, driver, [(image, ["a/b:1"])])

    def test_a_layout_directory_is_loaded_in_place(self):
        image, root = sample(), self.path("root")
        layout = archives.oci_layout(self.path("oci"), [(image, "registry.example:5000/team/x:v1")])
        before = listing(layout)
        self.cairn("--root", root, "-s", "overlay2", "load", "-i", layout)
        self.check(root, "overlay2", [(image, ["registry.example:5000/team/x:v1"])])
        self.assert_same_tree(listing(layout), before)

    def test_loading_again_changes_nothing_and_tags_move(self):
        first, root = sample(), self.path("root")
        second = archives.Image([first.layers[0], [lt.file("other", b"o")]])
        self.cairn("--root", root, "-s", "overlay2", "load", input=archives.docker_archive([(first, ["t:1"])]))
        before = listing(root)
        self.cairn("--root", root, "load", input=archives.docker_archive([(first, ["t:1"])]))
        self.assert_same_tree(listing(root), before, "a second load changed the store")
        self.cairn("--root", root, "load", input=archives.docker_archive([(second, ["t:1"])]))
        store = Store(root, "overlay2")
        self.assertEqual(store.tags(), {"t:1": second.id})
        self.assertEqual(len(store.layers()), 4)
        self.assertEqual(store.problems(), [])

    def test_wrong_bytes_are_refused_and_leave_nothing(self):
        image, root = sample(), self.path("root")
        good = archives.docker_archive([(image, ["t:1"])])
        other = archives.Image([image.layers[0], image.layers[1], [lt.file("other", b"o")]])
        wrong = {
            "cut off": good[:len(good) // 2],
            "empty": b"",
            "no archive": b"hello\n" * 1000,
            "a layer that is not what the configuration says": archives.tar_of(
                [("manifest.json", b'[{"Config":"c.json","RepoTags":["t:1"],"Layers":["0","1","2"]}]'), ("c.json", image.config)] +
                [(str(n), layer) for n, layer in enumerate(other.layers)]),
            "a layer that is missing": archives.tar_of(
                [("manifest.json", b'[{"Config":"c.json","RepoTags":["t:1"],"Layers":["0","1","2"]}]'), ("c.json", image.config),
                 ("0", image.layers[0]), ("1", image.layers[1])]),
        }
        for what, data in wrong.items():
            with self.subTest(what):
                result = self.cairn("--progress", "none", "--root", root, "-s", "overlay2", "load", input=data, code=1)
                self.assertEqual(len(result.stderr.strip().splitlines()), 1, result.stderr)
                store = Store(root, "overlay2")
                self.assertEqual((store.problems(), store.configs(), store.layers(), store.driver_dirs()), ([], {}, {}, set()))

    def check_with_engine(self, driver, disk=""):
        self.need_engine()
        self.need_program(BUSYBOX, "busybox-static")
        image = sample(trees.busybox())
        twin = archives.Image([image.layers[0], [lt.file("twin", b"t")]], cmd=["/bin/busybox", "cat", "/twin"])
        pairs, root, reference = [(image, ["x:1", "local/x:latest"]), (twin, ["twin:1"])], self.path(disk, "root"), self.path(disk, "theirs")
        archive = archives.docker_archive(pairs)
        with self.engine(reference, driver) as dockerd:
            dockerd.docker("load", input=archive)
            dockerd.docker("load", input=archives.old_archive([(image, ["old:1"])]))
            want = {name: tar_listing(dockerd.docker("export", dockerd.lines("create", name, "x")[0])) for name in ("x:1", "twin:1", "old:1")}
        self.cairn("--root", root, "-s", driver, "load", input=archive)
        self.cairn("--root", root, "-s", driver, "load", input=archives.old_archive([(image, ["old:1"])]))
        ours, theirs = Store(root, driver), Store(reference, driver)
        for what in ("configs", "parents", "tags", "layers"):
            self.assertEqual(ours.identity()[what], theirs.identity()[what], what)
        self.assertEqual({c: layer["size"] for c, layer in ours.layers().items()}, {c: layer["size"] for c, layer in theirs.layers().items()})
        with self.engine(root, driver) as dockerd:
            for name, exported in want.items():
                got = tar_listing(dockerd.docker("export", dockerd.lines("create", name, "x")[0]))
                self.assert_same_tree(without_init(got), without_init(exported), name)
                self.assert_save_is_exact(dockerd, name)
            self.assertEqual(dockerd.docker("run", "--network", "none", "x:1"), b"c\n")
            self.assertEqual(dockerd.docker("run", "--network", "none", "twin:1"), b"t")

    def assert_save_is_exact(self, dockerd, name):
        with tarfile.open(fileobj=io.BytesIO(dockerd.docker("save", name))) as tar:
            layers = {"sha256:" + hashlib.sha256(tar.extractfile(m).read()).hexdigest() for m in tar if m.name.endswith("layer.tar") and m.isreg()}
        self.assertTrue(layers <= set(dockerd.inspect(name)["RootFS"]["Layers"]) and layers)

    def test_engine_runs_what_was_loaded_overlay2(self):
        self.check_with_engine("overlay2")

    def test_engine_runs_what_was_loaded_vfs(self):
        self.check_with_engine("vfs")

    def test_engine_runs_what_was_loaded_btrfs(self):
        self.btrfs("disk")
        self.check_with_engine("btrfs", "disk")

    def test_what_skopeo_wrote_is_loaded(self):
        self.need_program("/usr/bin/skopeo", "skopeo")
        image, archive = sample(), self.path("a.tar")
        with open(archive, "wb") as out:
            out.write(archives.docker_archive([(image, ["x:1"])]))
        for form in ("oci", "oci-archive", "docker-archive"):
            with self.subTest(form):
                out, root = self.path("out-" + form), self.path("root-" + form)
                subprocess.run(["skopeo", "--insecure-policy", "--tmpdir", self.tmp, "copy", "-q", f"docker-archive:{archive}",
                                f"{form}:{out}:x:1"], check=True, capture_output=True)
                self.cairn("--root", root, "-s", "overlay2", "load", "-i", out)
                store = Store(root, "overlay2")
                self.assertEqual(store.problems(), [])
                self.assertEqual([c["rootfs"]["diff_ids"] for c in store.configs().values()],
                                 [["sha256:" + archives.sha256(layer) for layer in image.layers]])
                self.assertIn("x:1", {tag.removeprefix("docker.io/library/") for tag in store.tags()})


class Layers(Case):
    """apply, create, mount, umount, rm."""

    def setUp(self):
        super().setUp()
        self.image, self.root = sample(), self.path("root")
        os.mkdir(self.path("mnt"))

    def load(self, driver):
        self.cairn("--root", self.root, "-s", driver, "load", input=archives.docker_archive([(self.image, ["x:1"])]))

    def cairn_here(self, *args, **more):
        return self.cairn("--root", self.root, *args, **more)

    def test_apply_builds_a_chain_and_prints_it(self):
        for driver in ("overlay2", "vfs"):
            with self.subTest(driver):
                root, chain, diffs = self.path("apply-" + driver), None, []
                for layer in self.image.layers:
                    parent = ["--parent", chain] if chain else []
                    out = self.cairn("--root", root, "-s", driver, "apply", *parent, "-", input=archives.compress(layer, "gzip")).text().split()
                    diffs.append("sha256:" + archives.sha256(layer))
                    chain = chain_of(diffs)
                    self.assertEqual(out[:2], [diffs[-1], chain])
                    self.assertEqual(Store(root, driver).layers()[chain]["cache-id"], out[2])
                result = self.cairn("--root", root, "apply", "--parent", "sha256:" + "0" * 64, "-", input=self.image.layers[0], code=2)
                self.assertIn("0" * 12, result.stderr)
                self.assertEqual(Store(root, driver).problems(), [])

    def test_mount_shows_the_image_and_refuses_writing(self):
        self.load("overlay2")
        self.cairn_here("mount", "x:1", self.path("mnt"))
        self.assertEqual(sorted(os.listdir(self.path("mnt"))), ["bin", "caps", "data", "fifo", "link", "new", "setuid"])
        self.assertEqual(os.listdir(self.path("mnt/data/full")), ["c"])
        with self.assertRaises(OSError):
            open(self.path("mnt/new"), "w").close()
        self.cairn_here("mount", "x:1", self.path("mnt"), code=1)             # a mount point already
        self.cairn_here("umount", self.path("mnt"))
        self.assertEqual(mounts_below(self.tmp), [])
        self.cairn_here("umount", self.path("mnt"), code=2)
        self.cairn_here("mount", "no/such:1", self.path("mnt"), code=2)

    def test_create_mount_write_and_remove(self):
        for driver in ("overlay2", "vfs"):
            with self.subTest(driver):
                self.root = self.path("root-" + driver)
                self.load(driver)
                before = listing(self.root)
                name = self.cairn_here("create", "x:1", "--name", "work").text().strip()
                self.assertTrue(name)
                self.cairn_here("mount", "work", self.path("mnt"))
                with open(self.path("mnt/data/written"), "w") as out:
                    out.write("w")
                os.unlink(self.path("mnt/new"))
                self.cairn_here("rm", "work", code=1)                         # mounted
                self.cairn_here("umount", self.path("mnt"))
                changes = set(self.cairn_here("changes", "work").text().splitlines())
                self.assertTrue({"A /data/written", "D /new"} <= changes, changes)
                self.assertEqual(self.cairn_here("cat", "work:/data/written").stdout, b"w")
                self.cairn_here("rm", "work")
                self.assertEqual(Store(self.root, driver).problems(), [])
                # As with engines, the layer below keeps its mark that something once lay on it.
                after, before = ({k: v for k, v in tree.items() if not v.startswith("d") and not k.endswith("/committed")}
                                 for tree in (listing(self.root), before))
                self.assert_same_tree(after, before)
                self.cairn_here("rm", "work", code=2)

    def test_read_only_commands_show_the_merged_tree_and_write_nothing(self):
        self.load("overlay2")
        before = listing(self.root)
        exported = self.cairn_here("export", "x:1").stdout
        self.cairn_here("mount", "x:1", self.path("mnt"))
        self.assert_same_tree(tar_listing(exported), tree_as_tar(self.path("mnt")), "export differs from the mounted tree")
        self.cairn_here("umount", self.path("mnt"))
        for n, layer in enumerate(self.image.layers):
            chain = chain_of(["sha256:" + archives.sha256(part) for part in self.image.layers[:n + 1]])
            self.assertEqual(self.cairn_here("diff", chain).stdout, layer, "a layer comes out as it went in")
        self.assertEqual(self.cairn_here("cat", "x:1:/data/full/c").stdout, b"c")
        self.assertEqual(self.cairn_here("ls", "x:1:/data").text().split(), ["full"])
        self.cairn_here("cat", "x:1:/data/gone", code=2)
        self.cairn_here("cp", "x:1:/data", self.path("copied"))
        self.assertEqual(set(tree_as_tar(self.path("copied"))), {"full", "full/c"})
        self.assert_same_tree(listing(self.root), before, "a reader wrote")
