"""Layers and archives made to harm: nothing is written outside, memory stays bounded, the message is one clear line."""
import gzip
import io
import json
import os
import shutil
import tarfile

import archives
import legacy_tree as lt
from harness import SANITIZED, Case, limit_memory, listing
from store import Store

MEMORY = 2000 if SANITIZED else 400      # MiB of resident memory no input may exceed


def raw_header(name, kind=b"0", size=0, link="", mode=0o644, size_field=None):
    """A 512-byte ustar header with any size field and a correct checksum."""
    field = size_field or b"%011o\0" % size
    head = name.encode()[:100].ljust(100, b"\0") + b"%07o\0" % mode + b"0000000\0" * 2 + field + b"00000000000\0" + b" " * 8 + kind
    head += link.encode()[:100].ljust(100, b"\0") + b"ustar\00000" + bytes(247)
    return head[:148] + b"%06o\0 " % sum(head[:512]) + head[156:512]


def layers_that_break_out(outside):
    """name -> the layers of an image, base first, that try to reach `outside`."""
    climb = "../" * 30 + outside.lstrip("/")
    via = lambda target: [lt.symlink("way", target)]    # noqa: E731
    return {
        "a name that climbs": [[lt.file(climb + "/new", b"x")]],
        "a name that climbs from inside": [[lt.directory("d"), lt.file("d/../../" + climb + "/new", b"x")]],
        "an absolute name": [[lt.file(outside + "/new", b"x")]],
        "a file through an absolute link": [via(outside) + [lt.file("way/new", b"x")]],
        "a file through a climbing link": [via(climb) + [lt.file("way/new", b"x")]],
        "a file over a link": [[lt.symlink("f", outside + "/victim"), lt.file("f", b"x")]],
        "a directory over a link": [via(outside) + [lt.directory("way", mode=0o777), lt.file("way/new", b"x")]],
        "two links": [[lt.symlink("a", "b"), lt.symlink("b", outside), lt.file("a/new", b"x")]],
        "a link in the layer below": [via(outside), [lt.file("way/new", b"x")]],
        "a link in the layer below, over its directory": [[lt.directory("way")], via(outside), [lt.directory("way"), lt.file("way/new", b"x")]],
        "a hard link to outside": [[lt.hardlink("h", outside + "/victim"), lt.file("h", b"x")]],
        "a hard link that climbs": [[lt.hardlink("h", climb + "/victim"), lt.file("h", b"x")]],
        "a hard link through a link": [via(outside) + [lt.hardlink("h", "way/victim"), lt.file("h", b"x", mode=0o777)]],
        "a hard link made beyond a link": [[lt.file("own", b"x")] + via(outside) + [lt.hardlink("way/new", "own")]],
        "a whiteout through a link": [via(outside) + [lt.file("way/.wh.victim")]],
        "a whiteout that climbs": [[lt.file(climb + "/.wh.victim")]],
        "a whiteout of ..": [[lt.directory("d"), lt.file("d/.wh...")]],
        "a whiteout of .": [[lt.directory("d"), lt.file("d/.wh..")]],
        "a whiteout of nothing": [[lt.directory("d"), lt.file("d/.wh.")]],
        "an opaque mark through a link": [via(outside) + [lt.file("way/.wh..wh..opq")]],
        "a link to itself": [[lt.symlink("loop", "loop"), lt.file("loop/new", b"x")]],
        "a redirect for overlay": [[lt.file("x", b"x", xattrs={"trusted.overlay.redirect": outside.encode()})]],
        "aufs hard link store": [[lt.file(".wh..wh.plnk/1.2", b"x"), lt.hardlink("h", ".wh..wh.plnk/../../" + climb + "/victim")]],
        "a device and a file over it": [[lt.device("null", 1, 3), lt.file("null", b"x")]],
    }


class Hostile(Case):
    def setUp(self):
        super().setUp()
        self.outside = self.path("outside")
        os.makedirs(self.outside + "/folder")
        with open(self.outside + "/victim", "w") as out:
            out.write("untouched")
        self.before = listing(self.outside)

    def run_bounded(self, *args, code, **more):
        result = self.cairn(*args, code=code, timeout=120, **more)
        self.assertLess(result.max_rss >> 10, MEMORY, f"MiB of memory: {result}")
        self.assertLessEqual(len(result.stderr), 4000, "a message that is no line")
        self.assert_same_tree(listing(self.outside), self.before, "something outside was touched")
        return result

    def check_refused(self, driver, data, *words, argv=("load",)):
        root = self.path("refused")
        result = self.run_bounded("--progress", "none", "--root", root, "-s", driver, *argv, input=data, code=1)
        lines = result.stderr.strip().splitlines()
        self.assertEqual(len(lines), 1, result.stderr)
        for word in words:
            self.assertIn(word, lines[0])
        store = Store(root, driver)
        self.assertEqual((store.problems(), store.layers(), store.driver_dirs()), ([], {}, set()))
        shutil.rmtree(root, ignore_errors=True)

    def check_break_out(self, driver):
        for what, layers in layers_that_break_out(self.outside).items():
            with self.subTest(what):
                root = self.path("root")
                result = self.run_bounded("--root", root, "-s", driver, "load", code=None,
                                          input=archives.docker_archive([(archives.Image(layers), ["x:1"])]))
                self.assertIn(result.code, (0, 1), result)
                self.assertEqual(Store(root, driver).problems(), [])
                if result.code == 0:
                    self.check_inside(root)
                shutil.rmtree(root, ignore_errors=True)

    def check_inside(self, root):
        """What was let in can be read, mounted and exported without reaching out either."""
        mnt = self.path("mnt")
        os.makedirs(mnt, exist_ok=True)
        self.run_bounded("--root", root, "export", "x:1", code=0)
        self.run_bounded("--root", root, "mount", "x:1", mnt, code=0)
        self.run_bounded("--root", root, "umount", mnt, code=0)
        self.run_bounded("--root", root, "cat", "x:1:/way/victim", code=None)
        copied = self.run_bounded("--root", root, "cp", "x:1:/", self.path("copy"), code=None)
        self.assertIn(copied.code, (0, 1))
        shutil.rmtree(self.path("copy"), ignore_errors=True)

    def test_break_outs_overlay2(self):
        self.check_break_out("overlay2")

    def test_break_outs_vfs(self):
        self.check_break_out("vfs")

    def test_reading_a_link_out_finds_nothing(self):
        root = self.path("root")
        image = archives.Image([[lt.symlink("way", self.outside), lt.symlink("f", self.outside + "/victim")]])
        self.cairn("--root", root, "-s", "overlay2", "load", input=archives.docker_archive([(image, ["x:1"])]))
        for name in ("way/victim", "f"):
            result = self.cairn("--root", root, "cat", f"x:1:/{name}", code=2)
            self.assertEqual(result.stdout, b"")

    def test_absurd_headers_are_refused(self):
        bodies = {
            "a file of 8 EiB": raw_header("f", size_field=b"\x80" + (2**63 - 1).to_bytes(11, "big")) + b"x" * 512,
            "a file of negative size": raw_header("f", size_field=b"\xff" * 12) + b"x" * 512,
            "a PAX header of 4 GiB": raw_header("p", b"x", size=2**32) + b"x" * 512,
            "a long name of 1 GiB": raw_header("././@LongLink", b"L", size=2**30) + b"n" * (4 << 20),
            "a PAX record longer than its header": raw_header("p", b"x", size=20) + b"99999999 path=x\n".ljust(512, b"\0") + raw_header("f"),
            "a PAX size beyond the data": raw_header("p", b"x", size=30) + b"30 size=999999999999999999999\n".ljust(512, b"\0") + raw_header("f"),
            "a name of 100 kB": lt.layer_tar([lt.file("n" * 100_000, b"x")]),
            "100 000 folders deep": lt.layer_tar([lt.file("d/" * 100_000 + "f", b"x")]),
            "a wrong checksum": b"x" * 512 + bytes(1024),
            "an end in the middle": lt.layer_tar([lt.file("f", b"x" * 5000)])[:2000],
            "a name twice": lt.layer_tar([lt.file("f", b"1"), lt.file("./f", b"2")]),
        }
        for what, data in bodies.items():
            for driver in ("overlay2", "vfs"):
                with self.subTest(what, driver=driver):
                    self.check_refused(driver, data, argv=("apply", "-"))

    def test_a_bomb_meets_a_bound_before_memory_does(self):
        big = gzip.compress(bytes(512 << 20), 1)
        with_manifest = [("manifest.json", b"[" * (64 << 20))]
        bombs = {
            "a manifest of half a GiB": self.gzipped_member("manifest.json", 512 << 20),
            "a manifest nested without end": gzip.compress(archives.tar_of(with_manifest), 1),
            "a configuration nested without end": archives.tar_of([
                ("manifest.json", b'[{"Config":"c","RepoTags":null,"Layers":[]}]'), ("c", b'{"a":' * 3_000_000)]),
            "zeros that are no tar": big,
            "compressed twice": gzip.compress(big, 1),
        }
        for what, data in bombs.items():
            with self.subTest(what):
                root = self.path("root")
                result = self.run_bounded("--progress", "none", "--root", root, "-s", "overlay2", "load", input=data, code=1,
                                          preexec_fn=limit_memory(4096))
                self.assertEqual(len(result.stderr.strip().splitlines()), 1, result.stderr)

    def gzipped_member(self, name, size):
        out = io.BytesIO()
        with gzip.GzipFile(fileobj=out, mode="wb", compresslevel=1) as packed, tarfile.open(fileobj=packed, mode="w|") as tar:
            info = tarfile.TarInfo(name)
            info.size = size
            tar.addfile(info, Zeros(size))
        return out.getvalue()

    def test_archives_cannot_name_files_outside(self):
        image = archives.Image([[lt.file("f", b"x")]])
        secret = archives.Image([[lt.file("secret", b"s")]])
        os.mkdir(self.path("layout"))
        with open(self.path("layout/secret.tar"), "wb") as out:
            out.write(secret.layers[0])
        climb = "../" * 30 + self.path("layout/secret.tar").lstrip("/")
        manifest = lambda config, layer: [("manifest.json", json.dumps([{"Config": config, "RepoTags": ["x:1"], "Layers": [layer]}]).encode())]  # noqa: E731
        for what, data in {
            "a layer that climbs": archives.tar_of([("c", secret.config)] + manifest("c", climb)),
            "a layer by absolute path": archives.tar_of([("c", secret.config)] + manifest("c", self.path("layout/secret.tar"))),
            "a layer through a link": archives.tar_of([("c", secret.config), ("l", "-> " + climb)] + manifest("c", "l")),
            "a configuration that climbs": archives.tar_of([("l", image.layers[0])] + manifest(climb, "l")),
            "a name that is none": archives.docker_archive([(image, ["../../x:1"])]),
            "an upper-case name": archives.docker_archive([(image, ["UPPER:1"])]),
        }.items():
            with self.subTest(what):
                self.run_bounded("--root", self.path("root-" + what), "-s", "overlay2", "load", input=data, code=1)

    def test_a_layout_cannot_name_blobs_outside(self):
        image = archives.Image([[lt.file("f", b"x")]])
        layout = archives.oci_layout(self.path("layout"), [(image, "x:1")])
        blob = f"{layout}/blobs/sha256/{image.id[7:]}"
        shutil.move(blob, self.path("elsewhere"))
        os.symlink(self.path("elsewhere"), blob)
        self.run_bounded("--root", self.path("root"), "-s", "overlay2", "load", "-i", layout, code=1)
        with open(f"{layout}/index.json", "w") as out:
            json.dump({"schemaVersion": 2, "manifests": [{"mediaType": archives.MEDIA + "manifest.v1+json", "size": 10,
                                                          "digest": "sha256:../../../../etc/passwd"}]}, out)
        self.run_bounded("--root", self.path("root"), "-s", "overlay2", "load", "-i", layout, code=1)

    def test_more_layers_than_an_engine_takes_are_refused(self):
        image = archives.Image([[lt.file(f"f{n}", b"x")] for n in range(126)])
        self.check_refused("overlay2", archives.docker_archive([(image, ["x:1"])]), "125")


class Zeros(io.RawIOBase):
    def __init__(self, size):
        self.left = size

    def read(self, size=-1):
        size = min(self.left, size if size >= 0 else self.left)
        self.left -= size
        return bytes(size)


class NotRoot(Case):
    def test_who_is_not_root_is_told_so_first(self):
        binary = self.path("cairn")
        shutil.copy(self.binary, binary)
        os.chmod(self.tmp, 0o755)
        os.chmod(binary, 0o755)
        self.binary, root, archive = binary, self.path("root"), self.path("a.tar")
        with open(archive, "wb") as out:
            out.write(archives.docker_archive([(archives.Image([[lt.file("f", b"x")]]), ["x:1"])]))
        os.makedirs(self.path("open"), 0o777)
        os.chmod(self.path("open"), 0o777)
        nobody = {"user": 65534, "group": 65534, "extra_groups": []}
        for args in (["load", "-i", archive], ["apply", archive], ["create", "x:1"], ["mount", "x:1", self.tmp], ["rm", "x"],
                     ["migrate", "/nowhere", "--to", self.path("open/target")]):
            with self.subTest(args[0]):
                result = self.cairn("--root", self.path("open/root"), "-s", "vfs", *args, code=1, **nobody)
                self.assertIn("root", result.stderr)
                self.assertEqual(len(result.stderr.strip().splitlines()), 1, result.stderr)
                self.assertEqual(os.listdir(self.path("open")), [])
        self.assertIn("migrate", self.cairn("--help", **nobody).text())
        self.assertFalse(os.path.exists(root))
