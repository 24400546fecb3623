"""cairn pull: what an engine would have, from registries of every kind, fetched once."""
import json
import os

import archives
import fault_proxy
import legacy_tree as lt
import trees
from harness import BUSYBOX
from registry import digest_of
from registry_case import RegistryCase
from remote_images import IMAGES_FORMAT, built_for, layer, platform, repo_digests, stack
from store import Store, chain_of


def sample():
    return stack("one", "two", "three")


class Pull(RegistryCase):
    def setUp(self):
        super().setUp()
        self.there = self.registry()
        self.near = self.proxy(self.there)
        self.name = f"{self.near.host}/team/app"

    def put(self, tag, image, *more, name="team/app"):
        return self.there.put_image(name, tag, image, *more)

    def assert_said(self, result, put, status):
        self.assertEqual(result.text().splitlines()[-3:], [f"Digest: {put.digest}", f"Status: {status} for {self.name}:1", f"{self.name}:1"])

    def test_by_tag(self):
        image = sample()
        put = self.put("1", image)
        self.assert_said(self.pull(f"{self.name}:1"), put, "Downloaded newer image")
        store = self.assert_holds(image)
        self.assertEqual(store.tags(), {f"{self.name}:1": image.id, f"{self.name}@{put.digest}": image.id})
        self.assertEqual(self.near.fetched(), {digest: os.path.getsize(self.there.blob_path(digest)) for digest in put.blobs})

    def test_latest_is_meant_where_nothing_is_said(self):
        image = sample()
        self.put("latest", image)
        self.pull(self.name)
        self.assertIn(f"{self.name}:latest", self.assert_holds(image).tags())

    def test_by_digest(self):
        image, other = sample(), stack("one", "other")
        put = self.put("1", image)
        self.put("1", other)
        for reference in (f"{self.name}@{put.digest}", f"{self.name}:1@{put.digest}"):
            self.root = self.path(f"root-{len(reference)}")
            self.pull(reference)
            self.assertEqual(self.assert_holds(image).tags(), {f"{self.name}@{put.digest}": image.id})

    def test_by_digest_of_a_list(self):
        image = sample()
        put = self.put(None, image)
        index = self.there.put_index("team/app", None, [(put, platform("amd64"))])
        self.pull(f"{self.name}@{index.digest}")
        self.assertEqual(self.assert_holds(image).tags(), {f"{self.name}@{index.digest}": image.id})

    def test_quiet_prints_the_id_alone(self):
        image = sample()
        self.put("1", image)
        for _ in range(2):
            result = self.cairn("--root", self.root, "-s", self.driver, "pull", "-q", f"{self.name}:1")
            self.assertEqual((result.text(), result.stderr), (image.id + "\n", ""))

    def test_progress_in_a_pipe_is_a_line_for_each_change(self):
        image = sample()
        put = self.put("1", image)
        for last in ("Pull complete", "Already exists"):
            result = self.cairn("--root", self.root, "-s", self.driver, "pull", f"{self.name}:1")
            lines = result.stderr.splitlines()
            self.assertNotIn("\033", result.stderr)
            self.assertNotIn("\r", result.stderr)
            for digest in put.layers if last == "Pull complete" or lines else []:      # what is up to date needs no lines
                mine = [line.partition(": ")[2] for line in lines if line.startswith(digest[7:19] + ": ")]
                self.assertEqual(mine[-1:], [last], result.stderr)

    def test_again_fetches_nothing(self):
        image = sample()
        put = self.put("1", image)
        self.pull(f"{self.name}:1")
        self.near.clear()
        self.assert_said(self.pull(f"{self.name}:1"), put, "Image is up to date")
        self.assertEqual(self.near.fetched(), {})
        self.assert_holds(image)

    def test_a_tag_that_moved_takes_only_what_is_new(self):
        image, newer = stack("one", "two"), stack("one", "two", "three")
        self.put("1", image)
        self.pull(f"{self.name}:1")
        self.near.clear()
        put = self.put("1", newer)
        self.assert_said(self.pull(f"{self.name}:1"), put, "Downloaded newer image")
        self.assertEqual(set(self.near.fetched()), {put.layers[2], put.config})
        self.assertEqual(self.assert_holds(image, newer).tags()[f"{self.name}:1"], newer.id)

    def test_layers_that_another_repository_brought_are_shared(self):
        image, other = stack("one", "two"), stack("one", "else")
        self.put("1", image)
        put = self.put("1", other, name="other/app")
        self.pull(f"{self.name}:1")
        self.near.clear()
        self.pull(f"{self.near.host}/other/app:1")
        self.assertEqual(set(self.near.fetched()), {put.layers[1], put.config})
        self.assert_holds(image, other)

    def test_all_tags(self):
        images = {"1": stack("one"), "2": stack("one", "two"), "latest": stack("one", "two", "three")}
        for tag, image in images.items():
            self.put(tag, image)
        self.pull("-a", self.name)
        store = self.assert_holds(*images.values())
        self.assertEqual({tag: image for tag, image in store.tags().items() if "@" not in tag},
                         {f"{self.name}:{tag}": image.id for tag, image in images.items()})
        blobs = self.near.matching("GET", "/blobs/")
        self.assertEqual(len(blobs), len({r.path for r in blobs}), self.near.told())

    def test_platforms(self):
        base = stack("one")
        amd64, arm5, arm6, arm7, arm64 = platform("amd64"), *(platform("arm", f"v{n}") for n in (5, 6, 7)), platform("arm64", "v8")
        builds = [(amd64, "amd64"), (arm5, "arm5"), (arm6, "arm6"), (arm7, "arm7"), (arm64, "arm64"), (platform("amd64", os="windows"), "windows")]
        images = {name: built_for(stack("one", name), **wanted) for wanted, name in builds}
        entries = [(self.put(None, images[name]), wanted) for wanted, name in builds]
        attestation = self.put(None, built_for(base, "unknown", os="unknown"))
        index = self.there.put_index("team/app", "1", [(attestation, platform("unknown", os="unknown"))] + entries)
        few = self.there.put_index("team/app", "few", [(attestation, platform("unknown", os="unknown"))] + entries[1:3])
        wanted = {(): "amd64", ("--platform", "linux/amd64"): "amd64", ("--platform", "linux/arm/v6"): "arm6", ("--platform", "linux/arm/v7"): "arm7",
                  ("--platform", "linux/arm"): "arm7", ("--platform", "linux/arm64"): "arm64", ("--platform", "linux/arm64/v8"): "arm64"}
        for flags, name in wanted.items():
            with self.subTest(flags):
                self.root = self.path("root-" + "-".join(flags).replace("/", "-"))
                self.pull(*flags, f"{self.name}:1")
                self.assertEqual(self.assert_holds(images[name]).tags()[f"{self.name}@{index.digest}"], images[name].id)
        self.root = self.path("few")
        self.pull("--platform", "linux/arm/v7", f"{self.name}:few")
        self.assertEqual(self.assert_holds(images["arm6"]).tags()[f"{self.name}@{few.digest}"], images["arm6"].id)
        for flags in (["--platform", "linux/s390x"], ["--platform", "linux/arm64"], []):
            self.assert_one_line(self.pull(*flags, f"{self.name}:few", code=None), self.name, flags[1] if flags else "linux/amd64")

    def test_a_list_in_a_list(self):
        image = sample()
        inner = self.there.put_index("team/app", None, [(self.put(None, image, "oci"), platform("amd64"))], "oci")
        self.there.put_index("team/app", "1", [(inner, None)], "oci")
        self.pull(f"{self.name}:1")
        self.assert_holds(image)

    def test_layers_of_every_compression_and_form(self):
        forms = [("v2s2", "gzip"), ("v2s2", "none"), ("oci", "gzip"), ("oci", "none")]
        if os.access("/usr/bin/zstd", os.X_OK):
            forms.append(("oci", "zstd"))
        for form, compression in forms:
            with self.subTest(form=form, compression=compression):
                image, self.root = sample(), self.path(f"root-{form}-{compression}")
                put = self.put("1", image, form, compression)
                self.assertIn(put.digest, self.pull(f"{self.name}:1").text())
                self.assert_holds(image)

    def test_layers_that_are_not_what_their_type_says(self):
        """Plain where it says gzip, several members, bytes after the end: what counts is what the digests say."""
        image = sample()
        half = len(image.layers[2]) // 2
        blobs = [image.layers[0], archives.compress(image.layers[1], "gzip") + bytes(512),
                 archives.compress(image.layers[2][:half], "gzip") + archives.compress(image.layers[2][half:], "gzip")]
        self.put_by_hand(image, blobs)
        self.pull(f"{self.name}:1")
        self.assert_holds(image)

    def put_by_hand(self, image, blobs, config_type="application/vnd.docker.container.image.v1+json", config=None):
        """A schema 2 manifest that says "gzip" of whatever `blobs` are."""
        config = image.config if config is None else config
        for data in [*blobs, config]:
            self.there.put_blob("team/app", data)
        kind = "application/vnd.docker.image.rootfs.diff.tar.gzip"
        manifest = {"schemaVersion": 2, "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
                    "config": {"mediaType": config_type, "size": len(config), "digest": digest_of(config)},
                    "layers": [{"mediaType": kind, "size": len(data), "digest": digest_of(data)} for data in blobs]}
        self.there.put_manifest("team/app", "1", manifest["mediaType"], json.dumps(manifest).encode())

    def test_the_same_layer_twice_and_an_empty_one(self):
        image = archives.Image([layer("one"), lt.layer_tar([]), layer("two"), lt.layer_tar([]), layer("one")])
        put = self.put("1", image)
        self.pull(f"{self.name}:1")
        self.assert_holds(image)
        self.assertTrue(all(len(self.near.gets(digest)) <= 1 for digest in put.layers), self.near.told())

    def test_an_image_without_layers(self):
        image = archives.Image([])
        self.put("1", image)
        self.pull(f"{self.name}:1")
        self.assert_holds(image)

    def test_a_store_of_vfs(self):
        self.driver = "vfs"
        image = sample()
        self.put("1", image)
        self.pull(f"{self.name}:1")
        self.assert_holds(image)

    def test_what_is_not_there(self):
        self.put("1", sample())
        for name in (f"{self.name}:2", f"{self.near.host}/no/such:1", f"{self.name}@sha256:{'0' * 64}"):
            self.assert_one_line(self.pull(name, code=2), name)
        for wrong in (f"{self.near.host}/UPPER/case:1", "a:b:c:d", f"{self.name}@sha256:12", "", f"-a {self.name}:1", f"--platform nonsense {self.name}:1"):
            self.assertEqual(self.pull(*wrong.split(" "), code=None).code, 2, wrong)
        self.assert_holds()
        self.assert_one_line(self.pull("127.0.0.1:1/x:1", code=1), "127.0.0.1:1")

    def test_what_is_no_image(self):
        image = sample()
        blobs = [archives.compress(part, "gzip") for part in image.layers]
        one_layer_less = json.loads(image.config)
        one_layer_less["rootfs"]["diff_ids"].pop()
        wrong = {"a chart": {"config_type": "application/vnd.cncf.helm.config.v1+json"}, "no configuration": {"config": b"{}"},
                 "nonsense": {"config": b"\xff\x00"}, "too few diff_ids": {"config": json.dumps(one_layer_less).encode()}}
        for what, more in wrong.items():
            with self.subTest(what):
                self.root = self.path("root-" + what.replace(" ", "-"))
                self.put_by_hand(image, blobs, **more)
                self.assert_one_line(self.pull(f"{self.name}:1", code=1), self.name)
                self.assertEqual((self.store().configs(), self.store().tags()), ({}, {}))

    def test_a_layer_that_is_not_what_the_configuration_says(self):
        image = sample()
        self.put_by_hand(image, [archives.compress(part, "gzip") for part in (image.layers[0], image.layers[1], layer("other"))])
        self.assert_one_line(self.pull(f"{self.name}:1", code=1), self.name)
        self.assertEqual((self.store().configs(), self.store().tags()), ({}, {}))
        self.assertNotIn(chain_of([digest_of(part) for part in image.layers]), self.store().layers())

    def test_readers_do_not_wait(self):
        image, before = sample(), stack("before")
        self.put("0", before)
        self.pull(f"{self.name}:0")
        put, gate = self.put("1", image), fault_proxy.Gate()
        self.near.on("GET", put.layers[2], gate)
        running = self.start("--root", self.root, "-s", self.driver, "pull", f"{self.name}:1")
        gate.waiting.wait(60)
        self.assertEqual(self.command("images", "-q", "--no-trunc").text(), before.id + "\n")
        gate.opened.set()
        self.assertEqual(running.finish().code, 0)
        self.assert_holds(before, image)


class Beside(RegistryCase):
    """cairn and an engine on the same registry, and on each other's roots."""

    def setUp(self):
        super().setUp()
        self.need_engine()
        self.need_program(BUSYBOX, "busybox-static")
        self.there = self.registry()
        self.near = self.proxy(self.there)
        self.name = f"{self.near.host}/team/app"
        base = [lt.directory("bin"), lt.file("bin/busybox", trees.busybox(), mode=0o755)]
        self.image = archives.Image([base, [lt.file("said", b"hello\n")], layer("one")], cmd=["/bin/busybox", "cat", "/said"])
        self.put = self.there.put_image("team/app", "1", self.image)
        other = self.there.put_image("team/app", None, built_for(self.image, "arm64"))
        self.index = self.there.put_index("team/app", "all", [(other, platform("arm64")), (self.put, platform("amd64"))])
        self.names = [f"{self.name}:1", f"{self.name}:all", f"{self.name}@{other.digest}"]

    def distribution(self, root):
        """Path -> content of what is recorded about blobs."""
        top = f"{root}/image/{self.driver}/distribution"
        found = {}
        for folder, folders, files in os.walk(top):
            folders[:] = [name for name in folders if not name.startswith("manifests")]    # cairn's own
            for name in files:
                with open(f"{folder}/{name}") as text:
                    found[os.path.relpath(f"{folder}/{name}", top)] = json.loads(text.read()) if "v2metadata" in folder else text.read()
        return found

    def test_the_same_store_as_an_engine_makes(self):
        for name in self.names:
            self.pull(name)
        theirs = self.path("theirs")
        with self.engine_near(theirs, self.driver, self.near) as dockerd:
            for name in self.names:
                dockerd.docker("pull", "-q", name)
            want = repo_digests(dockerd)
        ours, reference = self.store(), Store(theirs, self.driver)
        self.assertEqual(ours.identity(), reference.identity())
        self.assertEqual({c: la["size"] for c, la in ours.layers().items()}, {c: la["size"] for c, la in reference.layers().items()})
        self.assertEqual(self.distribution(self.root), self.distribution(theirs))
        self.assertEqual(set(self.command("images", "-a", "--digests", "--no-trunc", "--format", IMAGES_FORMAT).text().splitlines()), want)
        with self.engine_near(self.root, self.driver, self.near) as dockerd:
            self.assertEqual(repo_digests(dockerd), want)
            self.assertEqual(dockerd.docker("run", "--rm", "--network", "none", f"{self.name}:1"), b"hello\n")

    def test_an_engine_goes_on_from_there(self):
        """It pulls nothing again, and pushes without an upload: into the same repository, and by mounts into another."""
        self.pull(f"{self.name}:1")
        with self.engine_near(self.root, self.driver, self.near) as dockerd:
            self.near.clear()
            self.assertIn(b"Image is up to date", dockerd.docker("pull", f"{self.name}:1"))
            for target in (f"{self.name}:again", f"{self.near.host}/team/copy:1"):
                dockerd.docker("tag", f"{self.name}:1", target)
                dockerd.docker("push", "-q", target)
            self.assertEqual(self.near.fetched(), {})
            self.assertEqual(set(self.near.uploads()) - {self.put.config}, set(), self.near.told())
        for name, tag in (("team/app", "again"), ("team/copy", "1")):
            pushed = json.loads(self.there.get_manifest(name, tag)[1])
            self.assertEqual([part["digest"] for part in pushed["layers"]], self.put.layers)

    def test_cairn_goes_on_from_an_engine(self):
        with self.engine_near(self.root, self.driver, self.near) as dockerd:
            dockerd.docker("pull", "-q", f"{self.name}:1")
            self.near.clear()
            refused = self.pull(f"{self.name}:all", code=None)
            self.assertNotEqual(refused.code, 0, "an engine holds the root")
            self.assert_one_line(refused, str(dockerd.pid()))
        self.near.clear()
        self.pull(f"{self.name}:all")
        self.assertEqual(set(self.near.fetched()) - {self.put.config}, set())
        self.assertEqual(self.assert_holds(self.image).tags()[f"{self.name}@{self.index.digest}"], self.image.id)

    def test_what_an_engine_and_skopeo_pushed(self):
        self.need_program("/usr/bin/skopeo", "skopeo")
        with self.engine_near(self.path("theirs"), self.driver, self.near) as dockerd:
            dockerd.docker("load", input=archives.docker_archive([(self.image, [f"{self.name}:engine"])]))
            dockerd.docker("push", "-q", f"{self.name}:engine")
            want = [line for line in repo_digests(dockerd) if " engine " in line]
        self.pull(f"{self.name}:engine")
        lines = self.command("images", "--digests", "--no-trunc", "--format", IMAGES_FORMAT).text().splitlines()
        self.assertEqual(lines, want)
        layout = archives.oci_layout(self.path("layout"), [(self.image, "x")])
        self.there.copy_in(f"oci:{layout}:x", "team/app", "skopeo")
        self.assertEqual(self.pull("-q", f"{self.name}:skopeo").text(), self.image.id + "\n")
        self.assert_holds(self.image)
