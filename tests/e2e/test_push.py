"""cairn push: what it puts there is what skopeo and engines get, and nothing is sent twice."""
import gzip
import json
import os

import archives
import fault_proxy
import legacy_tree as lt
import trees
from harness import BUSYBOX, listing
from registry import TYPES, digest_of
from registry_case import RegistryCase
from remote_images import IMAGES_FORMAT, repo_digests, stack
from store import chain_of


class Pushing(RegistryCase):
    def setUp(self):
        super().setUp()
        self.there = self.registry()
        self.near = self.proxy(self.there)
        self.name = f"{self.near.host}/team/app"

    def load(self, image, *tags):
        self.command("load", input=archives.docker_archive([(image, tags)]))

    def pushed(self, image, tag="1", name="team/app", form="v2s2", there=None):
        """The manifest of what lies there, which must be `image` in all its parts."""
        there = there or self.there
        media_type, data = there.get_manifest(name, tag)
        manifest = json.loads(data)
        wanted, _, config_type, layer_types = TYPES[form]
        self.assertEqual((media_type, manifest.get("mediaType", media_type), manifest["schemaVersion"]), (wanted, wanted, 2))
        self.assertEqual((manifest["config"]["digest"], manifest["config"]["mediaType"]), (image.id, config_type))
        self.assertEqual(there.get_blob(name, image.id), image.config)
        self.assertEqual(len(manifest["layers"]), len(image.layers))
        for described, layer in zip([manifest["config"], *manifest["layers"]], [None, *image.layers]):
            blob = there.get_blob(name, described["digest"])
            self.assertEqual((digest_of(blob), len(blob)), (described["digest"], described["size"]))
            if layer is not None:
                self.assertEqual(described["mediaType"], layer_types["gzip"])
                self.assertEqual(gzip.decompress(blob), layer)
        return digest_of(data), data


class Push(Pushing):
    def test_a_tag(self):
        image = stack("one", "two", "three")
        self.load(image, f"{self.name}:1")
        result = self.push(f"{self.name}:1")
        digest, manifest = self.pushed(image)
        self.assertEqual(result.text().splitlines()[-1], f"1: digest: {digest} size: {len(manifest)}")
        self.assertEqual(self.assert_holds(image).tags(), {f"{self.name}:1": image.id, f"{self.name}@{digest}": image.id})
        self.assertEqual(sorted(self.near.uploads()), sorted({image.id, *(part["digest"] for part in json.loads(manifest)["layers"])}))

    def test_latest_is_meant_where_nothing_is_said(self):
        image = stack("one")
        self.load(image, f"{self.name}:latest")
        self.assertIn("latest: digest: ", self.push(self.name).text())
        self.pushed(image, "latest")

    def test_again_and_under_another_tag_nothing_is_sent(self):
        image = stack("one", "two")
        self.load(image, f"{self.name}:1", f"{self.name}:2")
        self.push(f"{self.name}:1")
        self.near.clear()
        for tag in ("1", "2"):
            self.push(f"{self.name}:{tag}")
        self.assertEqual(self.near.uploads(), [])
        self.assertEqual(self.near.count("PATCH"), 0)
        self.assertEqual(self.pushed(image, "1"), self.pushed(image, "2"))

    def test_into_another_repository_layers_are_mounted(self):
        image = stack("one", "two")
        self.load(image, f"{self.name}:1", f"{self.near.host}/other:1")
        self.push(f"{self.name}:1")
        self.near.clear()
        self.push(f"{self.near.host}/other:1")
        self.assertEqual(set(self.near.uploads()) - {image.id}, set(), self.near.told())
        self.assertEqual(self.near.count("POST", "mount=.*from=team(/|%2F)app|from=team(/|%2F)app.*mount=", 201), 2, self.near.told())
        self.pushed(image, name="other")

    def test_where_mounting_does_not_work_layers_are_sent(self):
        image = stack("one", "two")
        self.load(image, f"{self.name}:1", f"{self.near.host}/other:1")
        self.push(f"{self.name}:1")
        rule = self.near.on("POST", "mount=", fault_proxy.Path(lambda path: path.partition("?")[0]), times=None)
        self.push(f"{self.near.host}/other:1")
        self.assertGreater(rule.met, 0)
        self.pushed(image, name="other")

    def test_layers_that_are_there_are_not_sent(self):
        """Neither those of an image below nor those another one shares."""
        image, more = stack("one", "two"), stack("one", "two", "three")
        self.load(image, f"{self.name}:1")
        self.load(more, f"{self.name}:2")
        self.push(f"{self.name}:1")
        self.near.clear()
        self.push(f"{self.name}:2")
        self.assertEqual(len(self.near.uploads()), 2)
        self.pushed(more, "2")

    def test_what_was_pulled_is_not_sent_back(self):
        image = stack("one", "two")
        put = self.there.put_image("team/app", "1", image)
        self.pull(f"{self.name}:1")
        for target in (f"{self.name}:again", f"{self.near.host}/other:1"):
            self.push(f"{self.name}:1", target)
        self.assertEqual(set(self.near.uploads()) - {image.id}, set())
        for name, tag in (("team/app", "again"), ("other", "1")):
            _, manifest = self.pushed(image, tag, name)
            self.assertEqual([part["digest"] for part in json.loads(manifest)["layers"]], put.layers)

    def test_to_another_name(self):
        image = stack("one")
        self.load(image, "local/app:1")
        for number, source in enumerate(("local/app:1", image.id, image.id.removeprefix("sha256:")[:12])):
            self.push(source, f"{self.name}:{number}")
            self.pushed(image, str(number))
        self.assertNotIn(f"{self.name}:0", self.store().tags())

    def test_as_oci(self):
        image = stack("one", "two")
        self.load(image, f"{self.name}:1")
        self.push("--format", "oci", f"{self.name}:1")
        oci, _ = self.pushed(image, form="oci")
        self.push("--format", "v2s2", f"{self.name}:1")
        docker, _ = self.pushed(image)
        self.assertNotEqual(oci, docker)

    def test_the_same_layer_twice_and_an_empty_one(self):
        image = archives.Image([stack("one").layers[0], lt.layer_tar([]), stack("one").layers[0], lt.layer_tar([])])
        self.load(image, f"{self.name}:1")
        self.push(f"{self.name}:1")
        self.assertEqual(len(self.near.uploads()), len(set(self.near.uploads())))
        self.pushed(image)

    def test_big_layers_and_awkward_ones(self):
        image = archives.Image([
            [lt.file("zeros", bytes(40 << 20)), lt.file("big", os.urandom(30 << 20))],
            [lt.file("a" * 200 + "/" + "b" * 100, b"x"), lt.hardlink("link", "a" * 200 + "/" + "b" * 100), lt.whiteout("zeros"), lt.opaque("dir"),
             lt.fifo("fifo"), lt.file("caps", b"c", xattrs={"security.capability": trees.CAPABILITY})]])
        self.load(image, f"{self.name}:1")
        result = self.push(f"{self.name}:1")
        self.pushed(image)
        self.assertLess(result.max_rss, 400 << 10)

    def test_a_store_of_vfs(self):
        self.driver = "vfs"
        image = stack("one", "two")
        self.load(image, f"{self.name}:1")
        self.push(f"{self.name}:1")
        self.pushed(image)

    def test_what_is_not_there_and_who_may_not(self):
        self.load(stack("one"), f"{self.name}:1", "nobody.invalid:1/app:1")
        for name in (f"{self.name}:2", "no/such:1", f"{self.name}@sha256:{'0' * 64}"):
            self.assert_one_line(self.push(name, code=2), name)
        closed = self.proxy(self.registry(users={"user": "word"}))
        self.assert_one_line(self.push(f"{self.name}:1", f"{closed.host}/app:1", code=1), closed.host)
        self.assertEqual(closed.uploads(), [])

    def test_a_damaged_layer_is_not_published(self):
        image = stack("one", "two")
        self.load(image, f"{self.name}:1")
        top = self.store().layers()[chain_of([digest_of(layer) for layer in image.layers])]["cache-id"]
        path = f"{self.root}/overlay2/{top}/diff/two/0"
        with open(path, "r+b") as file:
            first = file.read(1)[0]
            file.seek(0)
            file.write(bytes([first ^ 1]))
        self.assert_one_line(self.push(f"{self.name}:1", code=None), "two/0")
        self.assertEqual(self.near.count("PUT", "/manifests/"), 0)

    def test_the_store_is_only_read_and_remembers(self):
        image = stack("one", "two")
        self.load(image, f"{self.name}:1")
        before = listing(self.root)
        self.push(f"{self.name}:1")
        after = listing(self.root)
        changed = {name for name in after.keys() | before.keys() if after.get(name) != before.get(name)}
        files = {name for name in changed if "/distribution" not in name and not after.get(name, "").startswith("d")}
        self.assertEqual(files, {f"image/{self.driver}/repositories.json"})

    def test_quiet(self):
        self.load(stack("one"), f"{self.name}:1")
        result = self.cairn("--root", self.root, "-s", self.driver, "push", "-q", f"{self.name}:1")
        self.assertEqual((result.text(), result.stderr), (f"{self.name}:1\n", ""))


class EveryRegistry(Pushing):
    def check(self, *flags, **options):
        image, there = stack("one", "two"), self.registry(**options)
        self.load(image, f"{there.host}/a/b/c:1")
        self.push(*flags, f"{there.host}/a/b/c:1")
        self.pushed(image, name="a/b/c", there=there)
        self.root = self.path("again")
        self.pull(*flags, f"{there.host}/a/b/c:1")
        self.assert_holds(image)

    def test_tls(self):
        authority = self.authority()
        self.check("--cert-dir", authority.cert_dir(self.path("certs")), tls=authority)

    def test_basic(self):
        self.check("--creds", "user:word", users={"user": "word"})

    def test_tokens(self):
        self.check("--creds", "user:word", tokens=self.tokens({"user": "word"}))

    def test_relative_locations(self):
        self.check(config={"http.relativeurls": True})


class Locations(Pushing):
    """Uploads go on wherever the registry says."""

    def check(self, fault):
        image = stack("one", "two")
        self.load(image, f"{self.name}:1")
        self.near.on(".*", "uploads", fault, times=None)
        self.push(f"{self.name}:1")
        self.pushed(image)

    def test_relative(self):
        self.check(fault_proxy.Headers(Location=fault_proxy.relative_location))

    def test_on_another_path_with_a_query(self):
        self.check(fault_proxy.Elsewhere())
        self.assertGreater(self.near.count("PUT", "^/elsewhere/.*more=a%2Fb%3D", 201), 0)


class Beside(Pushing):
    """What cairn pushed, others get, and the reverse."""

    def setUp(self):
        super().setUp()
        self.need_engine()
        self.need_program(BUSYBOX, "busybox-static")
        base = [lt.directory("bin"), lt.file("bin/busybox", trees.busybox(), mode=0o755)]
        self.image = archives.Image([base, [lt.file("said", b"hello\n")], stack("one").layers[0]], cmd=["/bin/busybox", "cat", "/said"])

    def test_an_engine_and_skopeo_get_it(self):
        self.need_program("/usr/bin/skopeo", "skopeo")
        self.load(self.image, f"{self.name}:1", f"{self.name}:oci")
        self.push(f"{self.name}:1")
        self.push("--format", "oci", f"{self.name}:oci")
        for tag, form in (("1", "v2s2"), ("oci", "oci")):
            digest, _ = self.pushed(self.image, tag, form=form)
            inspected = json.loads(self.there.skopeo("inspect", *self.there.skopeo_options(), f"docker://{self.there.host}/team/app:{tag}"))
            self.assertEqual(inspected["Digest"], digest)
            self.there.copy_out("team/app", tag, f"dir:{self.path('copy-' + tag)}")        # reads every blob and compares digests
            with self.engine_near(self.path("engine-" + tag), self.driver, self.near) as dockerd:
                dockerd.docker("pull", "-q", f"{self.name}:{tag}")
                self.assertEqual(repo_digests(dockerd), {f"{self.name} {tag} {digest} {self.image.id}"})
                self.assertEqual(dockerd.docker("run", "--rm", "--network", "none", f"{self.name}:{tag}"), b"hello\n")

    def test_an_engine_on_the_root_knows_what_was_pushed(self):
        self.load(self.image, f"{self.name}:1", f"{self.name}:2", f"{self.near.host}/other:1")
        self.push(f"{self.name}:1")
        said = set(self.command("images", "-a", "--digests", "--no-trunc", "--format", IMAGES_FORMAT).text().splitlines())
        with self.engine_near(self.root, self.driver, self.near) as dockerd:
            self.assertEqual(repo_digests(dockerd), said)
            self.near.clear()
            for name in (f"{self.name}:2", f"{self.near.host}/other:1"):
                dockerd.docker("push", "-q", name)
            self.assertEqual(set(self.near.uploads()) - {self.image.id}, set(), self.near.told())
        self.pushed(self.image, "2")
        self.pushed(self.image, name="other")

    def test_cairn_knows_what_an_engine_pushed(self):
        with self.engine_near(self.root, self.driver, self.near) as dockerd:
            dockerd.docker("load", input=archives.docker_archive([(self.image, [f"{self.name}:1", f"{self.near.host}/other:1"])]))
            dockerd.docker("push", "-q", f"{self.name}:1")
        self.near.clear()
        self.push(f"{self.name}:1")
        self.assertEqual(self.near.uploads(), [])
        self.push(f"{self.near.host}/other:1")
        self.assertEqual(set(self.near.uploads()) - {self.image.id}, set())
        self.pushed(self.image, name="other")
