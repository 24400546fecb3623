"""cairn save: what it writes is what an engine would have written; whoever loads it has the same images, and saves the same bytes."""
import io
import json
import os
import shutil
import signal
import subprocess
import tarfile
import time
import xml.etree.ElementTree

import archives
import engine_root
import legacy_tree as lt
import trees
from harness import BUSYBOX, Case, listing
from store import Store, chain_of
from test_load import sample

FORMS = [[], ["--compress", "gzip"], ["--oci"], ["--oci", "--compress", "gzip"]]
EMPTY = b"\0" * 1024


def members(archive):
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        return {m.name: (m.mtime, m.linkname, tar.extractfile(m).read() if m.isreg() else b"") for m in tar}


def images_of_all_kinds():
    """(Image, tags): shared layers, a layer twice in one image and in another, names that are hard to write, no layers, no name."""
    first = sample()
    names = [lt.file("a" * 200, b"1"), lt.file("b" * 255, b"2"), lt.directory("d" * 120), lt.file("d" * 120 + "/" + "e" * 250, b"3"),
             lt.file("\udcff\udc80 \\ \n\t\"'<&>", b"4"), lt.symlink("link", "x" * 300), lt.file(".wh", b"6"), lt.file("ümläut", b"5" * 700)]
    return [
        (first, ["all/kinds:1", "all/kinds:latest", "localhost:5000/kinds:x"]),
        (archives.Image([first.layers[0], EMPTY, [lt.file("twin", b"t")], EMPTY]), ["twin:1"]),
        (archives.Image([names]), ["names:1"]),
        (archives.Image([first.layers[0], [lt.file("loose", b"l")]]), []),
        (archives.Image([]), ["without-layers:1"]),
    ]


def all_settings():
    """An image with every setting that the descriptions of its layers have."""
    return archives.Image([[lt.file("x", b"x")]], Hostname="h", Domainname="d", User="u:g", ExposedPorts={"80/tcp": {}, "1/udp": {}}, Tty=True,
                          Healthcheck={"Test": ["CMD", "a<b>&"], "Interval": 10**9, "Timeout": 2, "StartPeriod": 3, "Retries": 4},
                          ArgsEscaped=True, Image="i", Volumes={"/v": {}}, WorkingDir="/w", Entrypoint=["/e"], NetworkDisabled=True,
                          MacAddress="m", OnBuild=["RUN x"], Labels={"l": "ö\u2028", "k": ""}, StopSignal="SIGINT", StopTimeout=0,
                          Shell=["/s"], Env=None, AttachStdin=True, OpenStdin=True, StdinOnce=True)


class Save(Case):
    def save(self, root, *args, **more):
        return self.cairn("--progress", "none", "--root", root, "save", *args, **more).stdout

    def load(self, root, archive, **more):
        return self.cairn("--progress", "none", "--root", root, "-s", "overlay2", "load", input=archive, **more)

    def check_round(self, root, names, what):
        """In every form: saved to a file and to a pipe the bytes are the same, and a store that they are loaded into is the same and
        saves them again."""
        for form in FORMS:
            with self.subTest(what, form=form):
                saved, target = self.save(root, *form, *names), self.path("target")
                self.save(root, "-o", self.path("a.tar"), *form, *names)
                with open(self.path("a.tar"), "rb") as file:
                    self.assertTrue(file.read() == saved, "a file has other bytes than a pipe")
                self.load(target, saved)
                theirs, ours = Store(target, "overlay2").identity(), Store(root, self.driver).identity()
                self.assertEqual(theirs["tags"], {t: i for t, i in ours["tags"].items() if i in theirs["configs"] and "@" not in t and
                                                  (t in names or t.rpartition(":")[0] in names)})
                self.assertEqual(theirs["configs"], {i: c for i, c in ours["configs"].items() if i in theirs["configs"]})
                self.assertEqual(theirs["layers"], {c: l for c, l in ours["layers"].items() if c in theirs["layers"]})
                self.assertEqual(Store(target, "overlay2").problems(), [])
                self.assertTrue(self.save(target, *form, *names) == saved, "saved again it has other bytes")
                shutil.rmtree(target)
                self.cairn("--progress", "none", "--root", target, "-s", "vfs", "load", "-i", self.path("a.tar"))
                self.assertTrue(self.save(target, *form, *names) == saved, "saved from another driver it has other bytes")
                shutil.rmtree(target)

    driver = "overlay2"

    def test_what_is_loaded_is_saved_again(self):
        root, kinds = self.path("root"), images_of_all_kinds()
        self.load(root, archives.docker_archive(kinds))
        names = [tag for _, tags in kinds for tag in tags] + [image.id for image, tags in kinds if not tags]
        self.check_round(root, names, "docker-archive")
        for name in names:
            self.assertTrue(self.save(root, name) == self.save(root, name))

    def test_what_old_engines_saved_is_saved_again(self):
        root = self.path("root")
        self.load(root, archives.old_archive([(sample(), ["old:1"])]))
        self.check_round(root, ["old:1"], "of Docker 1.9")

    def test_compressed_layouts_are_saved_again(self):
        root, first = self.path("root"), sample()
        archives.oci_layout(self.path("oci"), [(first, "x:1"), (archives.Image([first.layers[0], EMPTY]), "y:1")])
        self.cairn("--root", root, "-s", "overlay2", "load", "-i", self.path("oci"))
        self.check_round(root, ["x:1", "y:1"], "OCI layout, gzip")

    def test_names_mean_what_they_mean_to_engines(self):
        root, image = self.path("root"), sample()
        other = archives.Image([image.layers[0]])
        self.load(root, archives.docker_archive([(image, ["r:1", "r:2", "r/r:3"]), (other, ["r:0"])]))

        def saved(*names):
            archive = members(self.save(root, *names))
            repositories = json.loads(archive["repositories"][2]) if "repositories" in archive else {}
            return [(item["Config"][:64], item["RepoTags"]) for item in json.loads(archive["manifest.json"][2])], repositories

        one, two = image.id.removeprefix("sha256:"), other.id.removeprefix("sha256:")
        items, repositories = saved("r")
        self.assertEqual(items, [(two, ["r:0"]), (one, ["r:1", "r:2"])])
        self.assertEqual({n: set(tags) for n, tags in repositories.items()}, {"r": {"0", "1", "2"}})
        self.assertEqual(saved("r:2", "r:0")[0], [(one, ["r:2"]), (two, ["r:0"])])
        self.assertEqual(saved("docker.io/library/r:1", "r:1", image.id)[0], [(one, ["r:1"])])
        self.assertEqual(saved(one[:12], "r/r:3")[0], [(one, ["r/r:3"])])
        self.assertEqual(saved(image.id), ([(one, None)], {}))
        for wrong in ("nothing", "r:9", "0" * 64, "UPPER", ""):
            result = self.cairn("--root", root, "save", "-o", self.path("none"), "r:1", wrong, code=2)
            self.assertFalse(os.path.exists(self.path("none")), result)

    def test_an_engine_saves_the_same_bytes_and_loads_both_forms(self):
        self.need_engine()
        self.need_program(BUSYBOX, "busybox-static")
        root, theirs = self.path("engine"), {}
        with self.engine(root, "overlay2") as dockerd:
            engine_root.write_root(dockerd)
            dockerd.docker("load", input=archives.docker_archive([(all_settings(), ["rich:1"])]))
            said = engine_root.Said(dockerd)
            names = ["local/app:1", "registry.example:5000/app:x", "local/committed:1", "rich:1"]
            for name in [*names, *said.images]:
                theirs[name] = dockerd.docker("save", name)
            both = dockerd.docker("save", "local/committed", *sorted(said.images))
        same = 0
        for name, archive in theirs.items():
            ours = self.save(root, name)
            same += ours == archive
            self.check_as_engine(ours, archive)
            if name in ("local/app:1", "rich:1"):
                self.assertTrue(ours == archive, f"{name} is not the same byte for byte")
        self.assertGreater(same, 3)
        # Engines put the images of one archive in no order, and a layer is as old as the first of those that have it.
        self.check_as_engine(self.save(root, "local/committed", *sorted(said.images)), both, one_image=False)
        self.check_round(root, [*names, *sorted(said.images)], "of an engine")
        with self.engine(self.path("other"), "overlay2") as dockerd:
            for form in FORMS:
                dockerd.docker("load", input=self.save(root, *form, *names))
                self.assertEqual({t for t in said.tags if "<none>" not in t},
                                 set(dockerd.lines("images", "--no-trunc", "--format", "{{.Repository}}:{{.Tag}} {{.ID}}")))
                self.assertEqual(dockerd.docker("run", "--name", "once", "--network", "none", "local/app:1"), b"file\n")
                dockerd.docker("rm", "once")                                   # --rm would go on after `run` has ended
                self.load(self.path("back"), dockerd.docker("save", *names))
                want, got = Store(root, "overlay2").identity(), Store(self.path("back"), "overlay2").identity()
                self.assertEqual(got["tags"], want["tags"])
                self.assertEqual(got["layers"], {c: l for c, l in want["layers"].items() if c in got["layers"]})
                shutil.rmtree(self.path("back"))
                dockerd.docker("rmi", *reversed(names))
                self.assertEqual(Store(self.path("other"), "overlay2").layers(), {})

    def check_as_engine(self, ours, theirs, one_image=True):
        """The same members; but a layer that is there already engines name by a link that is as old as the archive."""
        if ours == theirs:
            return
        ours, theirs = members(ours), members(theirs)
        self.assertEqual(ours.keys(), theirs.keys())
        with_links = {os.path.dirname(name) for name, (_, link, _) in theirs.items() if link}
        for name, (mtime, link, data) in theirs.items():
            if name == "manifest.json":
                continue
            self.assertTrue(ours[name][2] == data or link or ours[name][1], name)
            if name.split("/")[0] not in with_links and (one_image or "/" not in name and name.endswith(".json")):
                self.assertEqual(ours[name][0], mtime, name)
        key = lambda item: item["Config"]
        for mine, other in zip(sorted(json.loads(ours["manifest.json"][2]), key=key), sorted(json.loads(theirs["manifest.json"][2]), key=key)):
            self.assertEqual({**mine, "Layers": len(mine["Layers"])}, {**other, "Layers": len(other["Layers"])})

    def test_skopeo_takes_every_form(self):
        self.need_program("/usr/bin/skopeo", "skopeo")
        root, kinds = self.path("root"), images_of_all_kinds()[:3]
        kinds.append((archives.Image(kinds[0][0].layers[:2]), ["lower:1"]))    # its uppermost is another image's second
        self.load(root, archives.docker_archive(kinds))
        for form in FORMS:
            archive, layout = self.path("a.tar"), self.path("layout")
            self.save(root, "-o", archive, *form, *[tag for _, tags in kinds for tag in tags[:1]])
            for image, (tag, *_) in kinds:
                self.check_skopeo(f"docker-archive:{archive}:{tag}", image)
                if "--oci" in form:
                    self.save(root, "-o", archive + ".one", *form, tag)
                    self.check_skopeo(f"oci-archive:{archive}.one", image)
                    self.check_skopeo(f"oci-archive:{archive}.one:{tag.partition(':')[2]}", image)
                    subprocess.run(["mkdir", layout], check=True)
                    subprocess.run(["tar", "-xf", archive + ".one", "-C", layout], check=True)
                    self.check_skopeo(f"oci:{layout}", image)
                    again = self.path("again")
                    self.cairn("--root", again, "-s", "overlay2", "load", "-i", layout)
                    self.assertEqual(Store(again, "overlay2").tags(), {tag: image.id})
                    shutil.rmtree(layout)
                    shutil.rmtree(again)

    def check_skopeo(self, source, image):
        target = self.path("dir")
        subprocess.run(["skopeo", "--insecure-policy", "--tmpdir", self.tmp, "copy", "-q", source, f"dir:{target}"], check=True)
        with open(f"{target}/manifest.json", "rb") as file:
            manifest = json.load(file)
        self.assertEqual(manifest["config"]["digest"], image.id)
        diffs = []
        for layer in manifest["layers"]:
            with open(f"{target}/{layer['digest'].removeprefix('sha256:')}", "rb") as file:
                data = file.read()
            if data.startswith(b"\x1f\x8b"):
                data = subprocess.run(["gzip", "-dc"], input=data, stdout=subprocess.PIPE, check=True).stdout
            diffs.append("sha256:" + archives.sha256(data))
        self.assertEqual(diffs, ["sha256:" + archives.sha256(layer) for layer in image.layers])
        shutil.rmtree(target)

    # ---- what goes wrong ----

    def big_root(self):
        """A root with an image of some layers that take a while."""
        root, image = self.path("root"), archives.Image([[lt.file(f"f{n}", os.urandom(6 << 20))] for n in range(4)])
        self.load(root, archives.docker_archive([(image, ["big:1"])]))
        return root, image

    def test_a_damaged_layer_is_named_and_no_file_appears(self):
        root, image = self.big_root()
        chain = chain_of(["sha256:" + archives.sha256(layer) for layer in image.layers[:3]])
        file = os.path.join(root, "overlay2", Store(root, "overlay2").layers()[chain]["cache-id"], "diff/f2")
        with open(file, "r+b") as out:
            out.seek(3 << 20)
            out.write(b"wrong")
        for form in FORMS:
            result = self.cairn("--progress", "none", "--root", root, "save", "-o", self.path("a.tar"), *form, "big:1", code=1)
            self.assertEqual(len(result.stderr.splitlines()), 1, result)
            self.assertIn("big:1", result.stderr)
            self.assertIn(chain, result.stderr)
            self.assertEqual(os.listdir(self.tmp), ["root"])
            result = self.cairn("--progress", "none", "--root", root, "save", *form, "big:1", code=1)
        os.unlink(file)
        self.cairn("--progress", "none", "--root", root, "save", "-o", self.path("a.tar"), "big:1", code=1)
        shutil.rmtree(os.path.join(root, "image/overlay2/layerdb/sha256", chain.removeprefix("sha256:")))
        result = self.cairn("--progress", "none", "--root", root, "save", "-o", self.path("a.tar"), "big:1", code=2)
        self.assertIn(chain, result.stderr)                                    # a warning says why there is no such image
        self.assertEqual(os.listdir(self.tmp), ["root"])

    def test_a_full_disk_and_a_kill_leave_no_file(self):
        root, _ = self.big_root()
        small = self.tmpfs("small", "8m")
        with open(f"{small}/a.tar", "wb") as old:
            old.write(b"what was there")
        for form in FORMS:
            result = self.cairn("--progress", "none", "--root", root, "save", "-o", f"{small}/a.tar", *form, "big:1", code=1)
            self.assertIn("No space left", result.stderr)
            self.assertNotIn("TMPDIR", result.stderr)
            self.assertEqual(os.listdir(small), ["a.tar"])
            if "gzip" in form:
                self.assertIn(f"writing a file without a name in '{small}': No space left", result.stderr)
                result = self.cairn("--progress", "none", "--root", root, "save", *form, "big:1", code=1, env={"TMPDIR": small})
                self.assertIn(f"in '{small}': No space left on device; TMPDIR names another place", result.stderr)
        with open(f"{small}/a.tar", "rb") as old:
            self.assertEqual(old.read(), b"what was there")
        for after in (0.01, 0.03, 0.06):
            running = self.start("--progress", "none", "--root", root, "save", "-o", self.path("killed.tar"), "--compress", "gzip", "big:1")
            time.sleep(after)
            if running.kill().code == -signal.SIGKILL:
                self.assertFalse(os.path.exists(self.path("killed.tar")))
        with open("/dev/full", "wb") as full:
            self.assertEqual(subprocess.run([self.binary, "--root", root, "save", "big:1"], stdout=full, stderr=subprocess.DEVNULL).returncode, 1)

    def test_a_reader_that_goes_away_ends_it(self):
        root, _ = self.big_root()
        process = subprocess.Popen([self.binary, "--progress", "none", "--root", root, "save", "big:1"], stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE)
        self.assertEqual(len(process.stdout.read(1000)), 1000)
        process.stdout.close()
        self.assertEqual(process.stderr.read(), b"")
        process.stderr.close()
        self.assertEqual(process.wait(60), 1)

    def test_nothing_is_written_to_the_store(self):
        root, kinds = self.path("root"), images_of_all_kinds()
        self.load(root, archives.docker_archive(kinds))
        before = listing(root)
        for form in FORMS:
            self.save(root, "-o", self.path("a.tar"), *form, "all/kinds", "twin:1")
        self.assert_same_tree(listing(root), before)
        told = self.cairn("--json", "--progress", "none", "--root", root, "save", "-o", self.path("a.tar"), "twin:1").json()
        self.assertEqual((told["images"], told["layers"], told["left_out"]), ([{"id": kinds[1][0].id, "tags": ["twin:1"]}], 3, 0))
        self.assertEqual(told["bytes"], sum(len(layer) for layer in set(kinds[1][0].layers)))
        self.cairn("--json", "--root", root, "save", "twin:1", code=2)


class Have(Case):
    """Archives without what the receiver has."""

    def setUp(self):
        super().setUp()
        self.base = sample()
        self.upper = archives.Image(self.base.layers[:2] + [[lt.file("upper", b"u" * 5000)], [lt.file("more", b"m")]])
        self.root, self.there = self.path("root"), self.path("there")
        both = archives.docker_archive([(self.base, ["base:1"]), (self.upper, ["upper:1"])])
        self.cairn("--root", self.root, "-s", "overlay2", "load", input=both)
        self.cairn("--root", self.there, "-s", "vfs", "load", input=archives.docker_archive([(self.base, ["base:1"])]))
        self.diffs = ["sha256:" + archives.sha256(layer) for layer in self.upper.layers]

    def here(self, *args, **more):
        return self.cairn("--progress", "none", "--root", self.root, *args, **more)

    def lists(self):
        """What says that the other side has `base`, in all the ways there are."""
        archive = archives.docker_archive([(self.base, ["base:1"])])
        files = {"archive": archive, "archive.gz": archives.compress(archive, "gzip"),
                 "oci.tar": archives.oci_tar(self.path("packed"), [(self.base, "base:1")]),
                 "diffs": f"[{' '.join(self.diffs[:2])}]\n".encode(), "chains": (chain_of(self.diffs[:2]) + "\n").encode(),
                 "inspect": self.cairn("--root", self.there, "inspect", "base:1").stdout, "config": self.base.config,
                 "layers": self.cairn("--root", self.there, "inspect", "--format", "{{json .RootFS.Layers}}", "base:1").stdout,
                 "saved": self.cairn("--root", self.there, "save", "base:1").stdout}
        for name, data in files.items():
            with open(self.path(name), "wb") as out:
                out.write(data)
        archives.oci_layout(self.path("layout"), [(self.base, "base:1")])
        return [self.path(name) for name in files] + [self.path("layout"), self.there]

    def test_layers_are_left_out_and_loading_finds_them(self):
        for form in FORMS:
            whole = self.here("save", *form, "upper:1").stdout
            for have in self.lists():
                with self.subTest(have, form=form):
                    result = self.here("save", *form, "--have", have, "upper:1")
                    self.assertIn("left out 2 of 4", result.stderr)
                    self.assertEqual(len(members(whole)) - len(members(result.stdout)), 2)
                    for packed in (result.stdout, archives.compress(result.stdout, "gzip")):
                        target = self.path("target")
                        subprocess.run(["cp", "-a", self.there, target], check=True)
                        self.cairn("--root", target, "load", input=packed)
                        store = Store(target, "vfs")
                        self.assertEqual(store.tags(), {"base:1": self.base.id, "upper:1": self.upper.id})
                        self.assertEqual(store.problems(), [])
                        shutil.rmtree(target)
                        with open(self.path("partial.tar"), "wb") as out:
                            out.write(packed)
                        for args in (["load", "-i", self.path("partial.tar")], ["load"]):
                            self.check_refused(args, packed)
            shutil.rmtree(self.path("layout"))

    def check_refused(self, args, packed):
        root = self.path("empty")
        result = self.cairn("--progress", "none", "--root", root, "-s", "overlay2", *args, code=1,
                            input=packed if args == ["load"] else None)
        self.assertEqual(len(result.stderr.splitlines()), 1, result)
        bytes_missing = sum(len(layer) for layer in self.upper.layers[:2])
        for part in ("upper:1", "2 of its 4 layers", f"{bytes_missing} bytes", self.diffs[0], self.diffs[1]):
            self.assertIn(part, result.stderr)
        store = Store(root, "overlay2")
        self.assertEqual((store.problems(), store.configs(), store.layers(), store.driver_dirs()), ([], {}, {}, set()))
        shutil.rmtree(root)

    def test_a_layer_that_lies_elsewhere_is_taken_from_there(self):
        """The list has a DiffID, and the receiver has it on other layers."""
        other = archives.Image([[lt.file("other", b"o")], self.upper.layers[0]])
        partial = self.here("save", "--have", self.there, "upper:1").stdout
        root = self.path("elsewhere")
        self.cairn("--root", root, "-s", "overlay2", "load", input=archives.docker_archive([(other, ["other:1"])]))
        self.cairn("--root", root, "load", input=archives.docker_archive([(archives.Image([self.upper.layers[1]]), ["second:1"])]))
        self.cairn("--root", root, "load", input=partial)
        store = Store(root, "overlay2")
        self.assertEqual(store.tags()["upper:1"], self.upper.id)
        self.assertEqual(store.problems(), [])
        whole = self.here("save", "upper:1").stdout
        self.assertTrue(self.cairn("--root", root, "save", "upper:1").stdout == whole)

    def test_an_engine_that_has_the_layers_loads_it(self):
        self.need_engine()
        with self.engine(self.path("engine"), "overlay2") as dockerd:
            dockerd.docker("load", input=archives.docker_archive([(self.base, ["base:1"])]))
            with open(self.path("have"), "wb") as out:
                out.write(dockerd.docker("inspect", *dockerd.lines("images", "-q")))
            for form in FORMS:
                dockerd.docker("load", input=self.here("save", *form, "--have", self.path("have"), "upper:1").stdout)
                self.assertEqual(dockerd.inspect("upper:1")["Id"], self.upper.id)
                dockerd.docker("rmi", "upper:1")

    def test_a_layer_that_the_receiver_has_elsewhere_comes_along(self):
        """The list of an engine's images has the DiffID, but there it lies on other layers."""
        self.need_engine()
        here, other = archives.Image(self.upper.layers[:1] + self.upper.layers[2:3]), archives.Image(self.upper.layers[1:3])
        one = archives.Image(self.upper.layers[:1])
        self.here("load", input=archives.docker_archive([(here, ["here:1"])]))
        with self.engine(self.path("engine"), "overlay2") as dockerd:
            dockerd.docker("load", input=archives.docker_archive([(one, ["one:1"]), (other, ["other:1"])]))
            for name, lists in {"all": [], "json": ["--format", "{{json .RootFS.Layers}}"], "go": ["--format", "{{.RootFS.Layers}}"],
                                "lines": ["--format", "{{range .RootFS.Layers}}{{println .}}{{end}}"]}.items():
                with self.subTest(name), open(self.path("have"), "wb") as out:
                    out.write(dockerd.docker("inspect", *lists, "one:1", "other:1"))
                    out.flush()
                    partial = self.here("save", "--have", self.path("have"), "here:1")
                    self.assertIn("left out no layer" if name == "lines" else "left out 1 of 2", partial.stderr)
                    dockerd.docker("load", input=partial.stdout)
                    self.assertEqual(dockerd.inspect("here:1")["Id"], here.id)
                    dockerd.docker("rmi", "here:1")

    def test_what_says_nothing_is_refused(self):
        for name, data in (("empty", b""), ("text", b"hello sha256:12\n"), ("old", archives.old_archive([(self.base, ["o:1"])]))):
            with open(self.path(name), "wb") as out:
                out.write(data)
            self.assertIn(name, self.here("save", "-o", self.path("out"), "--have", self.path(name), "upper:1", code=2).stderr)
        os.mkdir(self.path("folder"))
        self.here("save", "-o", self.path("out"), "--have", self.path("folder"), "upper:1", code=2)
        self.here("save", "-o", self.path("out"), "--have", self.path("missing"), "upper:1", code=2)
        self.assertFalse(os.path.exists(self.path("out")))


class Tree(Case):
    """The layers of a store, drawn."""

    def test_layers_sizes_and_sharing_are_drawn(self):
        base, root = sample(), self.path("root")
        upper = archives.Image(base.layers + [[lt.file("upper", b"u" * 5000)], [lt.file("more", b"m" * 300)]])
        loose = archives.Image([[lt.file("loose", b"l")]])
        kinds = [(base, ["base:1", "base:2"]), (upper, ["upper:1"]), (loose, []), (archives.Image([]), ["bare:1"])]
        self.cairn("--root", root, "-s", "overlay2", "load", input=archives.docker_archive(kinds))
        before, chains = listing(root), [chain_of(["sha256:" + archives.sha256(layer) for layer in upper.layers[:n]]) for n in range(1, 6)]
        layers = Store(root, "overlay2").layers()

        drawn = self.cairn("--root", root, "tree").text()
        self.assertEqual([line.split()[0] for line in drawn.splitlines() if line], ["LAYER", "3", "└─", chain_of(
            ["sha256:" + archives.sha256(loose.layers[0])])[7:19], "no", "4"], drawn)
        self.assertIn("base:1, base:2", drawn.splitlines()[1])
        self.assertIn("<none> " + loose.id[7:19], drawn)
        self.assertNotIn("\033", drawn)
        everything = self.cairn("--root", root, "tree", "--all").text()
        for chain in chains:
            self.assertIn(chain[7:19], everything)
        only = self.cairn("--root", root, "tree", "-a", "base").text()
        self.assertNotIn(chains[4][7:19], only)
        self.assertNotIn("upper:1", only)
        self.assertIn("1 image, 3 layers", only)

        told = self.cairn("--root", root, "--json", "tree", "upper:1").json()
        self.assertEqual({layer["id"]: (layer["parent"], layer["size"], layer["images"]) for layer in told["layers"]},
                         {chain: (layers[chain]["parent"], int(layers[chain]["size"]), 2 if chain in chains[:3] else 1) for chain in chains})
        self.assertEqual((told["shared"]["layers"], told["unique"]["layers"], told["unused"]["layers"]), (3, 2, 0))
        self.assertEqual(told["images"], [{"id": upper.id, "tags": ["upper:1"], "layer": chains[4]}])

        self.cairn("--root", root, "tree", "--format", "svg", "-o", self.path("tree.svg"))
        picture = xml.etree.ElementTree.parse(self.path("tree.svg")).getroot()
        texts = [text.text for text in picture.iter("{http://www.w3.org/2000/svg}text")]
        for text in ("base:1, base:2", "upper:1", "3 layers", "Without layers: bare:1"):
            self.assertIn(text, texts)
        dot = self.cairn("--root", root, "tree", "--format", "dot").text()
        self.assertEqual(dot.count(" -> "), 4)                                # the upper layers, and three images
        self.cairn("--root", root, "tree", "nothing", code=2)
        self.cairn("--root", root, "tree", "--format", "png", code=2)
        self.assert_same_tree(listing(root), before)

    def test_an_old_layout_and_an_empty_root_are_drawn(self):
        root = self.fixture("tiny-1.9.1-overlay-before")
        images = self.cairn("--root", root, "--json", "images", "-a").json()
        told = self.cairn("--root", root, "--json", "tree").json()
        self.assertEqual({layer["id"]: layer["parent"] for layer in told["layers"]}, {image["id"]: image["parent"] for image in images})
        self.assertEqual(sum(layer["size"] for layer in told["layers"]), sum(
            image["size"] - next((other["size"] for other in images if other["id"] == image["parent"]), 0) for image in images))
        named = next(image["tags"][0] for image in images if image["tags"])
        self.assertIn(named, self.cairn("--root", root, "tree", named).text())
        self.cairn("--root", root, "save", "-o", self.path("a.tar"), named, code=2)
        os.mkdir(self.path("nothing"))
        self.assertIn("0 images, 0 layers", self.cairn("--root", self.path("nothing"), "-s", "overlay2", "tree").text())
