"""Roots that are no engine's /var/lib/docker as it stood: remapped, copied, mounted read-only, with leftovers, of several drivers."""
import json
import os
import shutil
import socket
import subprocess

import trees
from engine_root import DOCKERFILE, Said, write_root
from harness import BUSYBOX, Case, listing
from store import Store

HEX = "a1b2c3d4" * 8


def put(path, text=""):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as file:
        file.write(text)


def bind_socket(path):
    """By a relative name: absolute ones are too long."""
    here = os.open(".", os.O_RDONLY)
    try:
        os.chdir(os.path.dirname(path))
        with socket.socket(socket.AF_UNIX) as sock:
            sock.bind(os.path.basename(path))
    finally:
        os.fchdir(here)
        os.close(here)


class Remapped(Case):
    """The root of an engine with --userns-remap, /var/lib/docker/100000.100000."""

    NAME = "100000.100000"

    def remapped(self, root, driver):
        self.need_program(BUSYBOX, "busybox-static")
        return self.engine(root, driver, "--userns-remap", "daemon", files={"/etc/subuid": "daemon:100000:65536\n",
                                                                            "/etc/subgid": "daemon:100000:65536\n"})

    def written(self, driver):
        self.need_engine()
        self.outer = self.path("docker")
        os.chmod(self.tmp, 0o711)                                     # containers' root goes through here
        with self.remapped(self.outer, driver) as dockerd:
            write_root(dockerd)
            dockerd.docker("run", "--name", "keeper", "--network", "none", "-v", "kept:/kept", "local/app:1", "sh", "-c", "echo v > /kept/v")
            self.said = Said(dockerd)
        self.root = f"{self.outer}/{self.NAME}"

    def check_engine(self, outer, driver):
        store = Store(f"{outer}/{self.NAME}", driver)
        self.assertEqual(store.problems(), [])
        with self.remapped(outer, driver) as dockerd:
            self.said.check_same(self, dockerd)
            self.assertEqual(dockerd.docker("run", "--rm", "--network", "none", "-v", "kept:/kept", "local/app:1", "sh", "-c",
                                            "cat /kept/v; id -u; stat -c %u /kept/v; echo w > /kept/w"), b"v\n0\n0\n")
            dockerd.docker("start", "-a", "keeper")

    def modes(self, root, driver):
        """What an engine gives its directories: owner, group, mode."""
        places = ["", "containers", "volumes", "image", driver]
        if driver == "vfs":
            places.append("vfs/dir")
        store = Store(root, driver)
        places += [f"containers/{name}" for name in store.containers()]
        if driver == "overlay2":
            places += [f"overlay2/{name}{part}" for name in store.driver_dirs() if len(name) >= 64 for part in ("", "/diff")]
        found = {}
        for place in places:
            st = os.stat(f"{root}/{place}")
            found[place] = f"{st.st_uid}:{st.st_gid} {st.st_mode & 0o7777:o}"
        return found

    def check(self, source_driver, target_driver):
        self.written(source_driver)
        outer = self.path("new", "docker")
        os.mkdir(self.path("new"))
        before = listing(self.root)
        refused = self.cairn("migrate", self.root, "--to", outer, "-s", target_driver, code=2)
        self.assertIn(f"{outer}/{self.NAME}", refused.stderr)
        self.cairn("migrate", self.root, "--to", f"{outer}/{self.NAME}", "-s", target_driver, "--verify")
        self.assert_same_tree(listing(self.root), before, "the source changed")
        if source_driver == target_driver:
            got, want = self.modes(f"{outer}/{self.NAME}", target_driver), self.modes(self.root, target_driver)
            self.assertEqual(got, want)
        self.check_engine(outer, target_driver)

    def test_overlay2_to_overlay2_with_user_namespaces(self):
        self.check("overlay2", "overlay2")

    def test_overlay2_to_vfs_with_user_namespaces(self):
        self.check("overlay2", "vfs")

    def test_in_place_with_user_namespaces(self):
        self.written("vfs")
        self.cairn("migrate", self.root, "--in-place", "-s", "overlay2", "--verify")
        self.check_engine(self.outer, "overlay2")

    def test_a_lost_record_is_made_anew_with_the_ids_of_containers(self):
        self.written("overlay2")
        layerdb = f"{self.root}/image/overlay2/layerdb/sha256"
        for chain in os.listdir(layerdb):
            os.unlink(f"{layerdb}/{chain}/tar-split.json.gz")
        target = self.path(self.NAME)
        report = self.cairn("--json", "migrate", self.root, "--to", target, "-s", "overlay2", code=None).json()
        rebuilt = [chain for chain in os.listdir(layerdb)
                   if os.path.exists(f"{target}/image/overlay2/layerdb/sha256/{chain}/tar-split.json.gz")]
        self.assertGreater(len(rebuilt), 2, report["damage"])

    def fake(self):
        """Without an engine: a root inside another."""
        outer = self.path("outer")
        os.mkdir(outer)
        inner = self.fixture("tiny-1.9.1-vfs-after-1.10.3")
        os.rename(inner, f"{outer}/{self.NAME}")
        return outer

    def test_scan_names_the_roots_inside(self):
        outer = self.fake()
        told = self.cairn("scan", outer, "--json").json()
        self.assertEqual(told["user_namespace_roots"], [self.NAME])
        self.assertEqual(told["next"]["steps"][0]["command"], f"cairn scan {outer}/{self.NAME}")
        text = self.cairn("scan", outer).text()
        self.assertTrue(any(line.startswith(self.NAME) for line in text.splitlines()), text)
        self.assertEqual(self.cairn("scan", f"{outer}/{self.NAME}", "--json").json()["user_namespace_roots"], [])

    def test_the_outer_root_is_refused_by_name(self):
        outer = self.fake()
        result = self.cairn("migrate", outer, "--to", self.path("target"), "-s", "overlay2", code=2)
        self.assertIn(f"'{outer}/{self.NAME}'", result.stderr)
        self.assertFalse(os.path.exists(self.path("target")))

    def test_the_outer_roots_own_store_comes_without(self):
        outer = self.fake()
        subprocess.run(f"cp -a {self.fixture('tiny-1.9.1-overlay-before')}/. {outer}", shell=True, check=True)
        report = self.cairn("--json", "migrate", outer, "--to", self.path("target"), "-s", "overlay2").json()
        (left,) = [one for one in report["state"] if one["name"] == self.NAME]
        self.assertEqual(left["status"], "left")
        self.assertIn("user namespaces", left["error"])


class ReadOnly(Case):
    """A disk image, mounted so that nobody can write to it."""

    def image_of(self, root, dirty=False):
        where, image = self.path("disk"), self.path("disk.img")
        os.mkdir(where)
        with open(image, "wb") as file:
            file.truncate(64 << 20)
        subprocess.run(["/usr/sbin/mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0", image], check=True)
        if subprocess.run(["mount", "-o", "loop", image, where], check=False).returncode != 0:
            self.skipTest("no loop device can be mounted here")
        subprocess.run(["cp", "-a", root, where + "/docker"], check=True)
        subprocess.run(["umount", where], check=True)
        if dirty:                        # a copy of the mounted disk, as a machine that lost its power left it
            subprocess.run(["mount", "-o", "loop", image, where], check=True)
            os.mkdir(where + "/docker/late")
            subprocess.run(["sync", where + "/docker/late"], check=True)         # into the journal, no further
            shutil.copyfile(image, image + ".copy")
            subprocess.run(["umount", where], check=True)
            os.rename(image + ".copy", image)
        subprocess.run(["mount", "-o", "loop,ro" + (",noload" if dirty else ""), image, where], check=True)
        self.image = image
        return where + "/docker"

    def check(self, dirty):
        self.need_program("/usr/sbin/mkfs.ext4", "e2fsprogs")
        root = self.image_of(self.fixture("tiny-1.9.1-overlay-before"), dirty)
        with open(self.image, "rb") as file:
            before = file.read()
        if dirty:
            features = subprocess.run(["/usr/sbin/dumpe2fs", "-h", self.image], capture_output=True, text=True).stdout
            self.assertIn("needs_recovery", features, "the journal is not dirty")
        self.cairn("scan", root)
        self.cairn("--root", root, "images")
        self.assertIn("app", self.cairn("--root", root, "ls", "tiny/app:1:/").text() + "app")
        self.cairn("--root", root, "export", "web", "-o", self.path("web.tar"))
        target = self.path("target")
        report = self.cairn("--json", "migrate", root, "--to", target, "-s", "overlay2", "--verify").json()
        self.assertEqual({one["status"] for one in report["images"] + report["containers"]}, {"migrated"})
        want = Store(self.fixture("tiny-1.9.1-overlay-after-1.10.3"), "overlay").identity()
        for config in want["containers"].values():
            config["Driver"] = "overlay2"
        self.assertEqual(Store(target, "overlay2").identity(), want)
        refused = self.cairn("migrate", root, "--in-place", "-s", "overlay2", code=1)
        self.assertIn("ead-only file system", refused.stderr)
        subprocess.run(["umount", os.path.dirname(root)], check=True)
        with open(self.image, "rb") as file:
            self.assertEqual(file.read(), before, "the disk image changed")

    def test_a_disk_image_mounted_read_only(self):
        self.check(dirty=False)

    def test_a_disk_image_with_a_dirty_journal(self):
        self.check(dirty=True)


class Leftovers(Case):
    """What engines left half done is no damage, never in the way, and named where it takes space."""

    def check(self, root, source_driver, plant, named):
        first, second = self.path("first"), self.path("second")
        self.cairn("migrate", root, "--to", first, "-s", "vfs")
        plant(root)
        scanned = self.cairn("scan", root, "--json").json()
        self.assertEqual([one["damage"] for one in scanned["drivers"]], [[] for _ in scanned["drivers"]])
        before = listing(root)
        report = self.cairn("--json", "migrate", root, "--to", second, "-s", "vfs", "--verify").json()
        self.assert_same_tree(listing(root), before, "the source changed")
        self.assertEqual(Store(second, "vfs").identity(), Store(first, "vfs").identity())
        self.assertEqual(Store(second, "vfs").problems(), [])
        left = {one["name"] for one in report["state"] if one["status"] == "left"}
        self.assertEqual(left & named, named)
        return report

    def test_leftovers_of_a_graph(self):
        root = self.fixture("tiny-1.9.1-overlay-before")

        def plant(root):
            for path in (f"graph/_tmp/{HEX}/layer/x", f"graph/:rm{HEX}/json", f"graph/{HEX}-removing/json", f"overlay/{HEX}-removing/root/x",
                         f"overlay/{HEX}-init-removing/upper/x", f"overlay/{HEX}/root/x", "volumes/_tmp/x", "tmp/docker-build/x", "_tmp/x",
                         f"execdriver/native/{HEX}/state.json"):
                put(f"{root}/{path}", "x")

        self.check(root, "overlay", plant, {"graph/_tmp", f"graph/:rm{HEX}", f"graph/{HEX}-removing", f"{HEX}-removing",
                                            f"{HEX}-init-removing", HEX, "tmp", "_tmp"})

    def test_leftovers_of_an_overlay2_store(self):
        root = self.path("root")
        self.cairn("migrate", self.fixture("tiny-1.9.1-overlay-before"), "--to", root, "-s", "overlay2")

        def plant(root):
            container = os.listdir(f"{root}/containers")[0]
            for path in (f"overlay2/{HEX}-removing/diff/x", f"overlay2/{HEX}-init-removing/diff/x", "overlay2/staging/x/diff/x",
                         f"image/overlay2/layerdb/sha256/{HEX}-4711-removing/diff", "image/overlay2/layerdb/tmp/write-set-12/diff",
                         f"image/overlay2/layerdb/mounts/{HEX}-removing/mount-id", "image/overlay2/.tmp-repositories.json99",
                         "image/overlay2/imagedb/content/sha256/.tmp-77", f"containers/{container}/.tmp-config.v2.json12", "tmp/x"):
                put(f"{root}/{path}", "x")
            for short, leads_to in (("A" * 26, HEX), ("B" * 26, f"{HEX}-removing")):
                os.symlink(f"../{leads_to}/diff", f"{root}/overlay2/l/{short}")

        self.check(root, "overlay2", plant, {f"{HEX}-removing", f"{HEX}-init-removing", "staging", "tmp"})

    def test_leftovers_of_an_aufs_graph(self):
        root = self.path("root")
        trees.small(root, "aufs")

        def plant(root):
            for path in (f"aufs/diff/{HEX}-removing/x", f"aufs/diff/{HEX}-init-removing/x", "graph/_tmp/half/json"):
                put(f"{root}/{path}", "x")
            os.makedirs(f"{root}/aufs/mnt/{HEX}-removing")

        self.check(root, "aufs", plant, {HEX, f"{HEX}-init", "graph/_tmp"})

    def test_sockets_come_along_and_pid_files_stop_nothing(self):
        root = self.path("root")
        self.cairn("migrate", self.fixture("tiny-1.9.1-vfs-before"), "--to", root, "-s", "vfs")

        def plant(root):
            volume = sorted(name for name in os.listdir(f"{root}/volumes") if len(name) == 64)[0]
            bind_socket(f"{root}/volumes/{volume}/_data/mysqld.sock")
            bind_socket(f"{root}/docker.sock")
            put(f"{root}/docker.pid", "1")

        self.check(root, "vfs", plant, {"docker.sock", "docker.pid"})


class SeveralDrivers(Case):
    """Every part of a root comes over to one store."""

    def setUp(self):
        super().setUp()
        self.root, self.target = self.path("root"), self.path("target")

    def join(self, *roots):
        for root in roots:
            subprocess.run(["cp", "-a", root + "/.", self.root + "/"], check=True)

    def test_two_content_addressed_stores(self):
        """Of one image under two drivers there is one in the end; a tag on two images stays where the first part had it, and is told."""
        one, two = self.path("one"), self.path("two")
        os.mkdir(self.root)
        self.cairn("migrate", self.fixture("tiny-1.9.1-vfs-before"), "--to", one, "-s", "overlay2")
        other = self.path("other")
        trees.small(other)
        self.cairn("migrate", other, "--to", two, "-s", "vfs")
        with open(f"{two}/image/vfs/repositories.json") as file:
            names = json.load(file)
        image = names["Repositories"]["small"]["small:0"]
        names["Repositories"]["tiny/app"] = {"tiny/app:1": image}
        put(f"{two}/image/vfs/repositories.json", json.dumps(names))
        shared = self.path("shared")
        self.cairn("migrate", self.fixture("tiny-1.9.1-vfs-before"), "--to", shared, "-s", "vfs", "--image", "tiny/alone:1", "--no-containers")
        for name in ("layerdb/sha256", "imagedb/content/sha256"):
            subprocess.run(f"cp -a {shared}/image/vfs/{name}/. {two}/image/vfs/{name}/", shell=True, check=True)
        subprocess.run(f"cp -a {shared}/vfs/dir/. {two}/vfs/dir/", shell=True, check=True)
        self.join(one, two)
        want = [Store(one, "overlay2").identity(), Store(two, "vfs").identity()]
        report = self.cairn("--json", "migrate", self.root, "--to", self.target, "-s", "overlay2", "--verify").json()
        got = Store(self.target, "overlay2")
        self.assertEqual(got.problems(), [])
        identity = got.identity()
        for what in ("configs", "layers", "mounts"):
            self.assertEqual(identity[what], want[1][what] | want[0][what], what)
        self.assertEqual(identity["tags"], want[1]["tags"] | want[0]["tags"])
        self.assertEqual({name: config["Name"] for name, config in identity["containers"].items()},
                         {name: config["Name"] for part in want for name, config in part["containers"].items()})
        self.assertEqual({config["Driver"] for config in identity["containers"].values()}, {"overlay2"})
        (tag,) = [one for one in report["state"] if one["kind"] == "tag"]
        self.assertEqual((tag["name"], tag["status"]), ("tiny/app:1", "left"))
        self.assertIn(want[0]["tags"]["tiny/app:1"], tag["error"])
        self.assertIn(image, tag["error"])
        statuses = [entry["status"] for entry in report["images"] if entry["source_id"] == Store(shared, "vfs").tags()["tiny/alone:1"]]
        self.assertEqual(sorted(statuses), ["exists", "migrated"])
        self.assertEqual(len(report["images"]), len(want[0]["configs"]) + len(want[1]["configs"]))
        self.assertEqual([entry for entry in report["state"] if entry["kind"] == "layer"], [])
        names = [entry["name"] for entry in report["state"]]
        self.assertEqual(len(names), len(set(names)), "what belongs to no driver is told once")

    def test_two_graphs_without_records_may_use_one_name_for_different_layers(self):
        """1.9 under two drivers: one id, and trees that differ by what the drivers cannot keep alike."""
        one = trees.small(self.root, "vfs")
        for image in one.diff_ids:
            os.unlink(f"{self.root}/graph/{image}/tar-data.json.gz")
        for image in one.diff_ids:
            os.makedirs(f"{self.root}/overlay/{image}")
            subprocess.run(["cp", "-a", f"{self.root}/vfs/dir/{image}", f"{self.root}/overlay/{image}/root"], check=True)
        put(f"{self.root}/overlay/{one.repositories['small']['0']}/root/d0/f0", "not the same")
        shutil.copy(f"{self.root}/repositories-vfs", f"{self.root}/repositories-overlay")
        report = self.cairn("--json", "migrate", self.root, "--to", self.target, "-s", "overlay2", "--verify").json()
        self.assertEqual(Store(self.target, "overlay2").problems(), [])
        self.assertEqual(sorted(entry["status"] for entry in report["images"]), ["exists"] + ["migrated"] * 9)
        self.assertEqual([entry["status"] for entry in report["containers"]], ["migrated"])
        cached = [entry["cache-id"] for entry in Store(self.target, "overlay2").layers().values()]
        self.assertEqual(len(cached), len(set(cached)))
        self.assertTrue([entry for entry in report["state"] if entry["kind"] == "tag"])


class Copied(Case):
    """A root that was copied to another path without what only a running engine needs."""

    NOT_COPIED = ("containerd", "tmp", "runtimes", "buildkit", "network", "plugins", "swarm", "trust")

    def copy(self, root, where):
        excluded = [f"--exclude=./{name}" for name in self.NOT_COPIED] + ["--exclude=*.sock", "--exclude=*.pid"]
        os.mkdir(where)
        pack = ["tar", "-C", root, "--xattrs", "--xattrs-include=*", "--numeric-owner", *excluded, "-cf", "-", "."]
        unpack = ["tar", "-C", where, "--xattrs", "--xattrs-include=*", "--numeric-owner", "-xf", "-"]
        with subprocess.Popen(pack, stdout=subprocess.PIPE) as packing:
            subprocess.run(unpack, stdin=packing.stdout, check=True)
        shutil.rmtree(root)                                           # no old path leads anywhere any more

    def change_config(self, root, container, change, name="config.v2.json"):
        path = f"{root}/containers/{container}/{name}"
        with open(path) as file:
            config = json.load(file)
        change(config)
        put(path, json.dumps(config))

    def paths_of(self, dockerd, name):
        said = dockerd.inspect(name)
        return [said[key] for key in ("ResolvConfPath", "HostnamePath", "HostsPath", "LogPath") if said[key]] + \
               [mount["Source"] for mount in said["Mounts"]]

    def test_a_copied_root_without_an_engines_own_state(self):
        self.need_engine()
        self.need_program(BUSYBOX, "busybox-static")
        root, copy, target = self.path("root"), self.path("copy"), self.path("target")
        with self.engine(root, "overlay2") as dockerd:
            dockerd.build("local/app:1", DOCKERFILE, {"busybox": trees.busybox()})
            dockerd.docker("run", "--name", "web", "--network", "none", "--hostname", "web.example", "-v", "/anonymous", "-v", "named:/named",
                           "local/app:1", "sh", "-c", "echo said; echo a >> /anonymous/a; echo n >> /named/n; cat /anonymous/a /named/n /etc/hostname")
            web = dockerd.inspect("web")["Id"]
        self.copy(root, copy)
        self.change_config(copy, web, lambda config: config["State"].update(Running=True, Pid=4321))     # it lost its power
        self.cairn("migrate", copy, "--to", target, "-s", "vfs", "--verify")
        with self.engine(target, "vfs") as dockerd:
            self.assertEqual(dockerd.docker("logs", "web"), b"said\na\nn\nweb.example\n")
            self.assertEqual(dockerd.docker("start", "-a", "web"), b"said\na\na\nn\nn\nweb.example\n")
            for path in self.paths_of(dockerd, "web"):
                self.assertTrue(path.startswith(os.path.realpath(target) + "/"), path)
            dockerd.docker("cp", "web:/named/n", self.path("n"))
            dockerd.docker("rm", "-v", "web")

    def test_a_graph_whose_containers_know_another_path(self):
        self.need_engine()
        self.need_program(BUSYBOX, "busybox-static")
        root, target = self.path("root"), self.path("target")
        os.mkdir(root)
        tree = trees.everything(root, "overlay", "1.6.2")
        old, container = "/var/lib/docker-of-old", tree.names["stopped"]
        put(f"{root}/volumes/{HEX}/config.json", json.dumps({"ID": HEX, "Path": f"{old}/vfs/dir/{HEX}", "IsBindMount": False, "Writable": True}))
        put(f"{root}/vfs/dir/{HEX}/v", "in the volume\n")
        here = {key: f"{old}/containers/{container}/{name}" for key, name in
                (("ResolvConfPath", "resolv.conf"), ("HostnamePath", "hostname"), ("HostsPath", "hosts"), ("LogPath", f"{container}-json.log"))}
        self.change_config(root, container, lambda config: config.update(here, Args=["cat", "/data/swap", "/written", "/volume/v"],
                                                                         Volumes={"/volume": f"{old}/vfs/dir/{HEX}"},
                                                                         VolumesRW={"/volume": True}), "config.json")
        for name in ("resolv.conf", "hostname", "hosts"):
            put(f"{root}/containers/{container}/{name}", "old\n")
        put(f"{root}/containers/{container}/{container}-json.log",
            '{"log":"logged of old\\n","stream":"stdout","time":"2015-03-01T00:00:00.5Z"}\n')
        self.cairn("migrate", root, "--to", target, "-s", "overlay2", "--verify")
        shutil.rmtree(root)
        with self.engine(target, "overlay2") as dockerd:
            self.assertEqual(dockerd.docker("logs", "stopped"), b"logged of old\n")
            self.assertEqual(dockerd.docker("start", "-a", "stopped"), b"now a fileby the container\nin the volume\n")
            for path in self.paths_of(dockerd, "stopped"):
                self.assertTrue(path.startswith(os.path.realpath(target) + "/"), path)
        self.assertFalse(os.path.exists(old))
