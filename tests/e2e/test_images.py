"""cairn tag, rmi, import, commit: the same answers as an engine's on a copy of the same root, and a store it works with."""
import fcntl
import json
import os
import random
import re
import shutil
import subprocess
import time

import archives
import disturb
import legacy_tree as lt
import trees
from harness import Case, listing, tar_listing, without_init
from store import Store, chain_of

SEED = int(os.environ.get("CAIRN_SEED", "1"))


def tar_with(**files):
    return lt.layer_tar([lt.file(name, content.encode()) for name, content in files.items()])


class Removed(Case):
    """The same removals by an engine and by cairn."""

    def setUp(self):
        super().setUp()
        self.need_engine()

    def write_families(self, dockerd):
        """Images with names of all kinds, children, parents without a name, shared layers and containers."""
        dockerd.docker("import", "-", "base:1", input=tar_with(a="1"))
        build = "FROM base:1\nCOPY one /one\nLABEL step=1\nCOPY two /two\nLABEL family={}\n"
        for family in ("plain", "tags", "digest", "repos", "used", "child", "deep"):
            dockerd.build(f"{family}:1", build.format(family), {"one": b"1", "two": family.encode()})
        dockerd.docker("tag", "tags:1", "tags:2")
        dockerd.docker("tag", "repos:1", "registry.example:5000/other/repos:x")
        dockerd.docker("tag", "repos:1", "team/repos:latest")
        dockerd.build("grandchild:1", "FROM child:1\nCOPY three /three\n", {"three": b"3"})
        dockerd.build("grandchild:2", "FROM deep:1\nLABEL only=this\n")
        dockerd.docker("rmi", "deep:1")
        dockerd.docker("import", "-", input=tar_with(b="dangling"))
        dockerd.docker("import", "-", "lone:latest", input=tar_with(c="lone"))
        for name, image in (("web", "used:1"), ("db", "tags:1"), ("old", "digest:1")):
            dockerd.docker("create", "--name", name, "--network", "none", image, "/one")

    def add_digests(self, root):
        """As a pull leaves them; no registry is needed."""
        path = os.path.join(root, "image/overlay2/repositories.json")
        with open(path) as file:
            names = json.load(file)
        for tag, repository in (("digest:1", "digest"), ("tags:1", "tags"), ("repos:1", "team/repos"), ("plain:1", "plain")):
            image = names["Repositories"][tag.split(":")[0]][tag]
            names["Repositories"].setdefault(repository, {})[f"{repository}@sha256:{tag.encode().hex().ljust(64, '0')}"] = image
        with open(path, "w") as file:
            json.dump(names, file)

    def two_roots(self):
        one, two = self.path("engine"), self.path("cairn")
        with self.engine(one, "overlay2") as dockerd:
            self.write_families(dockerd)
        self.add_digests(one)
        subprocess.run(["cp", "-a", one, two], check=True)
        return one, two

    def compare(self, dockerd, root, *args):
        theirs = dockerd.docker("rmi", *args, check=False)
        ours = self.cairn("--root", root, "rmi", *args, code=None)
        self.assertEqual(ours.text(), theirs.stdout.decode(), f"rmi {args}\n{theirs.stderr.decode()}\n{ours.stderr}")
        self.assertEqual(ours.code == 0, theirs.returncode == 0, f"rmi {args}\n{theirs.stderr.decode()}\n{ours.stderr}")
        for words in ("must be forced", "cannot be forced", "must force"):
            self.assertEqual(words in theirs.stderr.decode(), words in ours.stderr, f"rmi {args}\n{theirs.stderr.decode()}\n{ours.stderr}")
        return ours

    def check_same_store(self, one, two):
        theirs, ours = Store(one, "overlay2"), Store(two, "overlay2")
        self.assertEqual(ours.problems(), [])
        self.assertEqual(ours.identity(), theirs.identity())
        self.assertEqual(ours.parents(), theirs.parents())
        self.assertEqual(len(ours.driver_dirs()), len(theirs.driver_dirs()))

    def test_rmi_follows_the_engine(self):
        one, two = self.two_roots()
        tags = Store(two, "overlay2").tags()
        short = {tag: image.removeprefix("sha256:")[:12] for tag, image in tags.items()}
        digest = {tag.split("@")[0]: tag for tag in tags if "@" in tag}
        with self.engine(one, "overlay2") as dockerd:
            for args in (["nothing:1"], ["ffffffffffff"], ["-f", "nothing:1"], ["tags:2"], ["tags:1"], ["tags:1", "lone"], [short["repos:1"]],
                         [digest["team/repos"]], [short["repos:1"]], ["-f", short["repos:1"]], ["used:1"], [short["used:1"]],
                         ["-f", "used:1"], [short["child:1"]], ["-f", short["child:1"]], ["child:1"], ["grandchild:1"],
                         ["--no-prune", "grandchild:2"], [digest["digest"]], ["-f", short["digest:1"]], ["-f", "tags:1"],
                         ["plain:1"], ["docker.io/library/base:1", "nothing", "base"]):
                with self.subTest(args=args):
                    self.compare(dockerd, two, *args)
        self.check_same_store(one, two)
        with self.engine(two, "overlay2") as dockerd:
            self.assertEqual(set(dockerd.lines("images", "-a", "-q", "--no-trunc")), set(Store(two, "overlay2").configs()))

    def test_rmi_follows_the_engine_at_random(self):
        one, two = self.two_roots()
        choose = random.Random(SEED)
        with self.engine(one, "overlay2") as dockerd:
            for _ in range(40):
                store = Store(two, "overlay2")
                if not store.configs():
                    break
                names = sorted(store.tags()) + [i.removeprefix("sha256:")[:choose.choice((10, 12, 64))] for i in sorted(store.configs())]
                flags = [flag for flag in ("-f", "--no-prune") if choose.random() < 0.25]
                self.compare(dockerd, two, *flags, *choose.sample(names, min(len(names), choose.choice((1, 1, 1, 2)))))
        self.check_same_store(one, two)


ROOT_FS = [lt.directory("bin"), lt.file("bin/busybox", trees.busybox(), mode=0o755), lt.symlink("bin/sh", "busybox"), lt.directory("etc"),
           lt.file("etc/motd", b"hello\n"), lt.directory("tmp", mode=0o1777), lt.file("setuid", b"s", mode=0o4755, uid=7, gid=8)]
CHANGES = [
    'CMD ["/bin/sh", "-c", "echo $A"]', "CMD echo shell form", "ENTRYPOINT exec top -b", 'ENTRYPOINT ["/bin/sh"]', "CMD []", "cmd [not json",
    "ENV A=1 B='two words' C=\"$A and $A\" D=a\\ b", "ENV OLD form with blanks ", "ENV A=changed", 'ENV E=${A:-x} F=${NONE:-${A}} G=${A:+set} H=$$ I=\\$A',
    "ENV J='$A' K=\"\\\"q\\\" \\n\" L=", "EXPOSE 80 53/udp 8000-8002/TCP", "EXPOSE $PORTS 443", "LABEL a=b \"c d\"='e f' empty=\"\" v=$A", "LABEL old form",
    "ONBUILD RUN make $X", "onbuild  copy . /src", "USER 1000:$A", "USER a b", 'VOLUME ["/data", "/a b"]', "VOLUME /x /y/$A", "WORKDIR /abs/../x",
    "WORKDIR rel/$A", "WORKDIR ../up", "HEALTHCHECK NONE", "HEALTHCHECK --interval=1m30s --timeout=1.5s --retries=3 --start-period=2h CMD curl -f x || exit 1",
    'HEALTHCHECK CMD ["true"]', "# a comment", 'ENV M="<&>\u00f6\u2028"',
]
REFUSED = ["RUN make", "FROM x", "ONBUILD ONBUILD RUN x", "ONBUILD FROM x", "ENV A", "ENV =x", "ENV A=1 B", "ENV A='x", "ENV A=${x", "ENV A=${}", "EXPOSE", "EXPOSE http",
           "EXPOSE 70000", "EXPOSE 9-8", "EXPOSE 1/icmp", "USER", "VOLUME", 'VOLUME [""]', "WORKDIR", "LABEL", "HEALTHCHECK", "HEALTHCHECK CMD", "HEALTHCHECK NONE x",
           "HEALTHCHECK --interval=x CMD y", "HEALTHCHECK --retries=-1 CMD y", "HEALTHCHECK --what=1 CMD y", 'CMD ["a", 1]', "CMD --flag=1 x", "NONSENSE", "",
           "WORKDIR $NONE", "VOLUME $NONE", "ENV A=${NONE:?}"]


class Made(Case):
    """Images made by cairn and by an engine of the same things."""

    def setUp(self):
        super().setUp()
        self.need_engine()

    def config(self, root, image, *unlike):
        """The bytes of a configuration, without what says when, by whom and (`unlike`) of what."""
        with open(os.path.join(root, "image/overlay2/imagedb/content/sha256", image.removeprefix("sha256:")), encoding="utf-8") as file:
            text = file.read()
        text = re.sub(r'"docker_version":"[^"]*",', "", text)
        for key in ("created", *unlike):
            text = re.sub(f'"{key}":"[^"]*"', f'"{key}":"-"', text)
        return text

    def import_both(self, dockerd, theirs, ours, data, *args):
        their_id = dockerd.docker("import", *args, input=data).decode().strip()
        our_id = self.cairn("--root", ours, "-s", "overlay2", "import", *args, input=data).text().strip()
        self.assertEqual(self.config(ours, our_id), self.config(theirs, their_id), args)
        return our_id

    def test_import_is_the_engines(self):
        theirs, ours = self.path("theirs"), self.path("ours")
        data = lt.layer_tar(ROOT_FS)
        with self.engine(theirs, "overlay2") as dockerd:
            self.import_both(dockerd, theirs, ours, data, "-", "one:two")
            for how in ("gzip", "bzip2", "xz"):
                self.import_both(dockerd, theirs, ours, archives.compress(data, how), "-m", "said", "-", "registry.example:5000/a/b")
            for change in CHANGES[:-2]:
                with self.subTest(change=change):
                    self.import_both(dockerd, theirs, ours, data, "--change", change, "-")
            choose = random.Random(SEED)
            for n in range(25):
                changes = choose.sample(CHANGES, choose.randint(2, 8))
                with self.subTest(changes=changes):
                    self.import_both(dockerd, theirs, ours, data, *(arg for change in changes for arg in ("--change", change)), "-")
            for change in REFUSED:
                with self.subTest(refused=change):
                    said = dockerd.docker("import", "--change", change, "-", input=data, check=False)
                    self.assertNotEqual(said.returncode, 0, "the engine takes it")
                    before = listing(ours)
                    self.cairn("--root", ours, "import", "--change", change, "-", input=data, code=2)
                    self.assert_same_tree(listing(ours), before, "a refused import changed the store")
        self.assertEqual(Store(ours, "overlay2").problems(), [])
        self.assertEqual(set(Store(ours, "overlay2").tags()), {"one:two", "registry.example:5000/a/b:latest"})
        with self.engine(ours, "overlay2") as dockerd:
            said = dockerd.lines("run", "--network", "none", "one:two", "/bin/busybox", "cat", "/etc/motd")
            self.assertEqual(said, ["hello"])

    SIGNALS = ["SIGTERM", "sigterm", "sIgTeRm", "Io", "SIGIOT", "sigcld", "UNUSED", "SIGPOLL", "STKFLT", "SIGSIGTERM", "SIG", "SIG9", "INFO",
               "RTMIN", "sigrtmax", "RTMIN+1", "RTMIN+15", "RTMIN+16", "RTMIN+01", "RTMIN+0", "RTMIN-1", "RTMINfoo", "RTMAX-1", "RTMAX-14", "RTMAX-15",
               "RTMAX+1", "1", "007", "64", "99", "999999", "0", "00", "-0", "-5", "+9", "+-9", "0x9", "9 9", "9223372036854775808", "'sigint'", "$A"]

    def test_signals_are_the_engines(self):
        """Its builder takes STOPSIGNAL; its own --change does not."""
        ours, data = self.path("ours"), lt.layer_tar([lt.file("file", b"x")])
        with self.engine(self.path("theirs"), "overlay2") as dockerd:
            dockerd.docker("import", "-", "base:1", input=data)
            for signal in self.SIGNALS:
                with self.subTest(signal):
                    built = dockerd.docker("build", "-q", "-", input=f"FROM base:1\nENV A=usr1\nSTOPSIGNAL {signal}\n".encode(), check=False)
                    took = built.returncode == 0
                    made = self.cairn("--root", ours, "-s", "overlay2", "import", "-c", "ENV A=usr1", "-c", f"STOPSIGNAL {signal}", "-",
                                      input=data, code=0 if took else 2)
                    if took:
                        said = self.cairn("--root", ours, "inspect", made.text().strip()).json()[0]["Config"]["StopSignal"]
                        self.assertEqual(said, dockerd.inspect(built.stdout.decode().strip())["Config"]["StopSignal"])

    CHANGE = """echo new > /new; rm /etc/motd; mkdir -p /deep/er; echo x > /deep/er/x; chmod 700 /deep; rm -r /full; mkdir /full; echo again > /full/b;
        ln /keep /linked; echo more >> /setuid; chmod 4711 /setuid; ln -s /new /link; mkfifo /pipe; rm -r /swap; echo file > /swap; rm /plain; mkdir /plain;
        chown 5:6 /owned; touch -d '2001-02-03 04:05:06' /old; mknod /null c 1 3; echo tmp > /tmp/t; rm /tmp/t; echo v > /volume/v"""

    def write_containers(self, dockerd):
        more = [lt.directory("full"), lt.file("full/a", b"a"), lt.file("full/b", b"b"), lt.file("keep", b"kept"), lt.directory("swap"), lt.file("swap/in", b"i"),
                lt.file("plain", b"p"), lt.file("owned", b"o"), lt.file("old", b"old")]
        changes = ["ENV PATH=/bin A=1", "LABEL from=image", "EXPOSE 80", 'CMD ["/bin/sh"]', "VOLUME /volume", "HEALTHCHECK --interval=5s CMD true"]
        dockerd.docker("import", *(arg for change in changes for arg in ("--change", change)), "-", "base:1", input=lt.layer_tar(ROOT_FS + more))
        dockerd.docker("import", "-", "bare:1", input=lt.layer_tar(ROOT_FS))
        run = ["run", "--network", "none", "--no-healthcheck"]
        dockerd.docker(*run, "--name", "changed", "base:1", "/bin/busybox", "sh", "-c", "/bin/busybox --install -s /bin; " + self.CHANGE)
        dockerd.docker("create", "--name", "fresh", "--network", "none", "-e", "B=2", "-l", "own=label", "-w", "/work", "-u", "5", "-h", "host.example", "base:1", "a", "b c")
        dockerd.docker(*run, "--name", "quiet", "base:1", "/bin/busybox", "true")
        dockerd.docker("create", "--name", "bare", "--network", "none", "--entrypoint", "/bin/sh", "bare:1")
        dockerd.docker("create", "--name", "orphan", "--network", "none", "bare:1", "/bin/sh")

    COMMITS = [("changed", "-a", "Me <me@x>", "-m", "why"), ("fresh",), ("quiet", "-m", "nothing"), ("bare", "-c", 'CMD ["x"]', "-c", "ENV N=1"),
               ("fresh", "-c", "ENTRYPOINT exec y", "-c", "ENV PATH=/usr/bin", "-c", "EXPOSE 90", "-c", "VOLUME /more"), ("changed", "-c", "CMD []", "-c", "HEALTHCHECK --retries=2 CMD x"),
               ("fresh", "-c", "WORKDIR sub", "-c", "USER 9", "-c", "LABEL a=b"), ("changed", "-c", 'ENTRYPOINT ["/bin/busybox"]'),
               ("fresh", "-c", "WORKDIR $PATH", "-c", "VOLUME $PATH /v${B:?}", "-c", "ENV C=${A:?unset}")]

    def commit_both(self, driver):
        theirs, ours = self.path("theirs"), self.path("ours")
        with self.engine(theirs, driver) as dockerd:
            self.write_containers(dockerd)
        subprocess.run(["cp", "-a", theirs, ours], check=True)
        pairs = {}
        with self.engine(theirs, driver) as dockerd:
            for n, (container, *flags) in enumerate(self.COMMITS):
                their_id = dockerd.docker("commit", *flags, container, f"made:{n}").decode().strip()
                our_id = self.cairn("--root", ours, "-s", driver, "commit", *flags, container, f"made:{n}").text().strip()
                pairs[f"made:{n}"] = (their_id, our_id)
                dockerd.docker("create", "--name", f"c{n}", "--network", "none", f"made:{n}", "x")
            want = {n: tar_listing(dockerd.export(f"c{n}")) for n in range(len(self.COMMITS))}
        before, after = Store(theirs, driver), Store(ours, driver)
        self.assertEqual(after.problems(), [])
        for name, (their_id, our_id) in pairs.items():
            with self.subTest(name=name):
                self.compare_configs(before.configs()[their_id], after.configs()[our_id])
                self.assertEqual(after.parents()[our_id], before.parents()[their_id])
                self.assertEqual(after.tags()[name], our_id)
        with self.engine(ours, driver) as dockerd:
            for n in range(len(self.COMMITS)):
                dockerd.docker("create", "--name", f"c{n}", "--network", "none", f"made:{n}", "x")
                got, wanted = (self.of_image(entries) for entries in (tar_listing(dockerd.export(f"c{n}")), want[n]))
                self.assert_same_tree(got, wanted, str(self.COMMITS[n]))
            self.assertEqual(dockerd.lines("run", "--rm", "--network", "none", "--no-healthcheck", "made:0", "/bin/busybox", "cat", "/new", "/swap"), ["new", "file"])
            with dockerd.save(["made:0"]) as tar:               # the engine can read the layer back from its files
                self.assertTrue(tar.getnames())

    def of_image(self, entries):
        """Without what an engine adds when it makes a container: its own files, and the working directory."""
        return {name: entry for name, entry in without_init(entries).items() if name.split("/")[0] != "work"}

    def compare_configs(self, theirs, ours):
        self.assertEqual([len(c["rootfs"]["diff_ids"]) for c in (theirs, ours)], [len(theirs["rootfs"]["diff_ids"])] * 2)
        for config in (theirs, ours):
            config.pop("docker_version", None), config.pop("created")
            config["rootfs"]["diff_ids"] = config["rootfs"]["diff_ids"][:1]
            for step in config["history"]:
                step.pop("created")
        self.assertEqual(json.dumps(ours), json.dumps(theirs))   # the order of members, too

    def test_commit_is_the_engines_overlay2(self):
        self.commit_both("overlay2")

    def test_commit_is_the_engines_vfs(self):
        self.commit_both("vfs")


class Alone(Case):
    """What needs no engine."""

    def load(self, root, driver="overlay2"):
        """Two images on one base, and one that is a name more."""
        base = [lt.directory("d"), lt.file("d/f", b"base")]
        one = archives.Image([base, [lt.file("one", b"1")], [lt.file("two", b"2"), lt.whiteout("d/f")]])
        other = archives.Image([base, [lt.file("other", b"o")]])
        archive = archives.docker_archive([(one, ["going:1", "going:2"]), (other, ["staying:1"])])
        self.cairn("--root", root, "-s", driver, "load", "-q", input=archive)
        return one, other

    def check_whole(self, root, driver, image):
        """`image` and all that is named in the store is complete; a killed removal may leave what nothing names."""
        store = Store(root, driver)
        known = {layer["cache-id"] for chain, layer in store.layers().items() if not chain.endswith("-removing")}
        self.assertLessEqual(known, store.driver_dirs())
        for config in store.configs().values():
            diffs = config["rootfs"]["diff_ids"]
            for n in range(len(diffs)):
                chain = chain_of(diffs[:n + 1])
                self.assertIn(chain, store.layers())
                self.cairn("--root", root, "-s", driver, "diff", chain, "-o", self.path("layer.tar"))   # its hash is checked
        self.assertIn(image.id, store.configs())
        self.assertLessEqual(set(store.tags().values()), set(store.configs()))

    def test_rmi_killed_anywhere(self):
        why = disturb.unavailable()
        if why:
            self.skipTest(why)
        self.in_memory()
        for driver in ("overlay2", "vfs"):
            start = self.path(driver)
            one, other = self.load(start, driver)
            counted = self.path("counted")
            copy(start, counted)
            removal = [self.binary, "--root", counted, "-s", driver, "rmi", "going:1", "going:2"]
            done, calls, _ = disturb.run(removal, "changes", [counted], log=self.path("log"))
            self.assertEqual(done.code, 0, str(done))
            self.assertGreater(calls, 20)
            undisturbed = Store(counted, driver)
            self.assertEqual(undisturbed.problems(), [])
            left_over = 0
            for moment in range(1, calls + 1):
                root = self.path("killed")
                copy(start, root)
                removal[2] = root
                done, _, hit = disturb.run(removal, "changes", [root], disturb.KILL.flags(moment), self.path("log"))
                with self.subTest(driver=driver, moment=moment, hit=hit.replace(self.tmp, "")):
                    self.assertEqual(done.code, -9, str(done))
                    self.check_whole(root, driver, other)
                    self.finish_removal(root, driver, one)
                    store = Store(root, driver)
                    self.assertEqual(store.problems(), [])
                    self.assertEqual(store.configs(), undisturbed.configs())
                    self.assertEqual(store.tags(), undisturbed.tags())
                    left_over += len(store.layers()) - len(undisturbed.layers())
                    self.check_whole(root, driver, other)
                shutil.rmtree(root)
            # Only a kill between the image's going and its layers' leaves some of these, and nothing names them.
            self.assertLess(left_over, calls)
            shutil.rmtree(counted)

    def finish_removal(self, root, driver, image):
        """What a user does after a crash: again, by what is still there."""
        store = Store(root, driver)
        left = [tag for tag in store.tags() if tag.startswith("going")] or [image.id] * (image.id in store.configs())
        self.cairn("--root", root, "-s", driver, "rmi", *(left or ["-f", "going:1"]))

    def test_rmi_on_a_full_or_failing_disk(self):
        why = disturb.unavailable()
        if why:
            self.skipTest(why)
        self.in_memory()
        start = self.path("start")
        one, other = self.load(start)
        for fault in [fault for fault in disturb.REFUSALS if fault.side == "target"]:
            counted = self.path("counted")
            copy(start, counted)
            argv = lambda root: [self.binary, "--root", root, "-s", "overlay2", "rmi", "going:1", "going:2"]    # noqa: E731
            _, calls, _ = disturb.run(argv(counted), fault.of, [counted], log=self.path("log"))
            shutil.rmtree(counted)
            for moment in sorted({1, *random.Random(SEED).sample(range(1, calls + 1), min(calls, 6))}):
                root = self.path("run")
                copy(start, root)
                done, _, hit = disturb.run(argv(root), fault.of, [root], fault.flags(moment), self.path("log"))
                with self.subTest(fault=fault.name, moment=moment, hit=hit.replace(self.tmp, ""), said=done.stderr):
                    self.assertIn(done.code, (0, 1, 4), str(done))
                    self.assertEqual(done.code == 0, done.stderr == "", str(done))
                    self.check_whole(root, "overlay2", other)
                    self.finish_removal(root, "overlay2", one)
                    self.assertEqual(Store(root, "overlay2").problems(), [])
                shutil.rmtree(root)

    def test_rmi_leaves_layers_that_damaged_entries_may_need(self):
        damages = {
            "an image's configuration": lambda root, other, store: damage(f"{root}/image/overlay2/imagedb/content/sha256/{other.id[7:]}", b"{"),
            "a layer's parent": lambda root, other, store: os.unlink(self.layer_file(root, store, other, "parent")),
            "a layer's parent and diff": lambda root, other, store: [os.unlink(self.layer_file(root, store, other, name)) for name in ("parent", "diff")],
            "a layer's cache-id": lambda root, other, store: damage(self.layer_file(root, store, other, "cache-id"), b""),
            "a layer's size": lambda root, other, store: damage(self.layer_file(root, store, other, "size"), b"much"),
        }
        for what, do in damages.items():
            with self.subTest(what=what):
                root = self.path(what.replace(" ", "-"))
                _, other = self.load(root)
                before = Store(root, "overlay2")
                needed = {chain: layer for chain, layer in before.layers().items() if layer["diff"] in json.loads(other.config)["rootfs"]["diff_ids"]}
                self.assertEqual(len(needed), 2)
                do(root, other, before)
                said = self.cairn("--root", root, "rmi", "going:1", "going:2")
                self.assertEqual("layers of removed images stay" in said.stderr, what != "a layer's size", said.stderr)
                after = Store(root, "overlay2")
                self.assertEqual(len(after.layers()), 2 if what == "a layer's size" else 4)
                for chain, layer in needed.items():
                    self.assertIn(chain, after.layers())
                    self.assertIn(layer["cache-id"], after.driver_dirs())

    def layer_file(self, root, store, image, name):
        """Of the image's top layer."""
        chain, = [c for c, layer in store.layers().items() if layer["diff"] == json.loads(image.config)["rootfs"]["diff_ids"][-1]]
        return f"{root}/image/overlay2/layerdb/sha256/{chain[7:]}/{name}"

    def test_rmi_of_what_is_damaged(self):
        root = self.path("root")
        one, other = self.load(root)
        damage(f"{root}/image/overlay2/imagedb/content/sha256/{one.id[7:]}", b"{}")
        done = self.cairn("--root", root, "rmi", "going:1", "going:2")
        self.assertEqual(done.text(), f"Untagged: going:1\nUntagged: going:2\nDeleted: {one.id}\n")
        os.unlink(f"{root}/image/overlay2/imagedb/content/sha256/{other.id[7:]}")
        self.assertEqual(self.cairn("--root", root, "rmi", "staying:1").text(), "Untagged: staying:1\n")
        self.assertEqual(Store(root, "overlay2").tags(), {})

    def test_rmi_of_what_is_mounted_or_held_by_a_layer(self):
        root, target = self.path("root"), self.path("mnt")
        self.load(root)
        os.mkdir(target)
        self.cairn("--root", root, "mount", "going:1", target)
        said = self.cairn("--root", root, "rmi", "going:2", "going:1", code=4)
        self.assertEqual(said.text(), "Untagged: going:2\n")
        self.assertIn(target, said.stderr)
        self.cairn("--root", root, "umount", target)
        self.cairn("--root", root, "create", "--name", "box", "going:1")
        self.assertIn("`cairn rm box`", self.cairn("--root", root, "rmi", "going:1", code=1).stderr)
        forced = self.cairn("--root", root, "--json", "rmi", "-f", "going:1", "nothing:1").json()
        self.assertEqual(forced["untagged"], ["going:1"])
        self.assertEqual(len(forced["deleted"]), 1, "its layers carry the writable one")
        self.assertEqual(forced["failed"], [], "what is not there is as it was to be")
        self.cairn("--root", root, "cat", "box:/two")
        self.cairn("--root", root, "rm", "box")

    def test_what_create_made_is_committed(self):
        root, target = self.path("root"), self.path("mnt")
        one, _ = self.load(root)
        os.mkdir(target)
        self.cairn("--root", root, "create", "--name", "box", "going:1")
        self.cairn("--root", root, "mount", "box", target)
        with open(target + "/written", "w") as out:
            out.write("w")
        os.unlink(target + "/one")
        made = {}
        for epoch in ("1000000000", "1000000000", "1000000001"):
            image = self.cairn("--root", root, "commit", "box", "made", "-c", "CMD ls", env={"SOURCE_DATE_EPOCH": epoch}).text().strip()
            made.setdefault(epoch, set()).add(image)
        self.assertEqual([len(images) for images in made.values()], [1, 1])
        self.cairn("--root", root, "umount", target)
        store = Store(root, "overlay2")
        self.assertEqual(store.problems(), [])
        config = store.configs()[store.tags()["made:latest"]]
        self.assertEqual(config["config"]["Env"], ["PATH=/bin"])
        self.assertEqual(config["config"]["Cmd"], ["/bin/sh", "-c", "ls"])
        self.assertEqual(config["created"], "2001-09-09T01:46:41Z")
        self.assertEqual(len(config["history"]), 4)
        self.assertEqual(self.cairn("--root", root, "changes", "made", "going:1").text(), "D /one\nA /written\n")
        self.cairn("--root", root, "rmi", "-f", "going:1", "made")          # its image is gone; the layers are not
        lone = self.cairn("--root", root, "commit", "box").text().strip()
        self.assertEqual(len(Store(root, "overlay2").configs()[lone]["rootfs"]["diff_ids"]), 4)
        before = listing(root)
        for change in ("WORKDIR $NONE", "STOPSIGNAL $PATH", "ENV A=${NONE:?}", "RUN make"):
            said = self.cairn("--root", root, "commit", "box", "refused", "-c", "ENV B=1", "-c", change, code=2)
            self.assertIn(f"'{change}'", said.stderr)
        self.assert_same_tree(listing(root), before)
        for epoch in ("soon", "-1", "99999999999999"):
            self.cairn("--root", root, "commit", "box", env={"SOURCE_DATE_EPOCH": epoch}, code=2)

    def env_of(self, root, image):
        return Store(root, "overlay2").configs()[image]["config"].get("Env", [])

    def test_create_keeps_its_image_among_several_with_the_same_layers(self):
        """Whatever the order of the images' IDs: several are made until some lie before the first one and some behind it."""
        root = self.path("root")
        one, _ = self.load(root)
        self.cairn("--root", root, "create", "--name", "box", "going:1")
        same = {}
        while len(same) < 4 or not min(same.values()) < one.id < max(same.values()):
            n = len(same)
            same[n] = self.cairn("--root", root, "commit", "-c", f"ENV N={n}", "box", f"same:{n}").text().strip()
        for n, image in same.items():
            self.assertEqual(self.env_of(root, image), ["PATH=/bin", f"N={n}"])
            self.cairn("--root", root, "create", "--name", f"box{n}", f"same:{n}")
        made = {name: self.cairn("--root", root, "commit", name).text().strip() for name in ["box", *(f"box{n}" for n in same)]}
        parents = Store(root, "overlay2").parents()
        self.assertEqual(parents[made["box"]], one.id)
        self.assertEqual(self.env_of(root, made["box"]), ["PATH=/bin"])
        for n, image in same.items():
            self.assertEqual(parents[made[f"box{n}"]], image)
            self.assertEqual(self.env_of(root, made[f"box{n}"]), ["PATH=/bin", f"N={n}"])
        shown = {c["name"]: c["image"] for c in self.cairn("--root", root, "--json", "ps").json()}
        self.assertEqual(shown, {"box": one.id, **{f"box{n}": image for n, image in same.items()}})
        self.assertIn("box", self.cairn("--root", root, "rmi", "same:1", code=1).stderr)
        self.cairn("--root", root, "rm", "box3")
        self.cairn("--root", root, "rmi", made["box3"], "same:3")

    def test_an_engine_starts_where_the_image_of_a_layer_is_noted(self):
        self.need_engine()
        root = self.path("root")
        one, _ = self.load(root)
        self.cairn("--root", root, "create", "--name", "box", "going:1")
        self.cairn("--root", root, "commit", "-c", "ENV N=1", "box", "same:1")
        before = listing(f"{root}/image/overlay2/layerdb/mounts")
        with self.engine(root, "overlay2") as dockerd:
            self.assertEqual(set(dockerd.lines("images", "-q", "--no-trunc")), set(Store(root, "overlay2").tags().values()))
            dockerd.docker("create", "--name", "theirs", "--network", "none", "going:1", "x")
            dockerd.docker("rm", "theirs")
            self.assertNotIn("cairn-image", dockerd.said())
        self.assert_same_tree(listing(f"{root}/image/overlay2/layerdb/mounts") | {".": ""}, before | {".": ""})
        made = self.cairn("--root", root, "commit", "box").text().strip()
        self.assertEqual(Store(root, "overlay2").parents()[made], one.id)

    def test_commit_asks_which_of_several_images_an_older_layer_is_of(self):
        root = self.path("root")
        one, _ = self.load(root)
        self.cairn("--root", root, "create", "--name", "box", "going:1")
        os.unlink(f"{root}/image/overlay2/layerdb/mounts/box/cairn-image")
        other = self.cairn("--root", root, "commit", "-c", "ENV N=1", "box", "same:1").text().strip()     # of the only one there is
        self.assertEqual(Store(root, "overlay2").parents()[other], one.id)
        before = listing(root)
        said = self.cairn("--root", root, "commit", "box", "app:2", code=2).stderr
        for words in (one.id, other, "going:1", "same:1", "`cairn create"):
            self.assertIn(words, said)
        self.assert_same_tree(listing(root), before)
        self.assertEqual(self.cairn("--root", root, "--json", "ps").json()[0]["image"], None)
        self.cairn("--root", root, "rmi", "going:2")
        for image in ("same:1", "going:1"):
            self.assertIn("'box'", self.cairn("--root", root, "rmi", image, code=1).stderr)
        self.cairn("--root", root, "rmi", "-f", "same:1")
        self.cairn("--root", root, "commit", "box", "app:2")

    def test_changes_may_use_what_the_image_says(self):
        root = self.path("root")
        self.load(root)
        self.cairn("--root", root, "create", "--name", "box", "going:1")
        self.cairn("--root", root, "commit", "box", "env:1", "-c", "ENV APP=/srv S=SIGUSR1")
        self.cairn("--root", root, "create", "--name", "app", "env:1")
        self.cairn("--root", root, "commit", "app", "env:2", "-c", "WORKDIR $APP", "-c", "VOLUME $APP/data ${APP:?}", "-c", "STOPSIGNAL $S")
        store = Store(root, "overlay2")
        config = store.configs()[store.tags()["env:2"]]["config"]
        self.assertEqual((config["WorkingDir"], sorted(config["Volumes"]), config["StopSignal"]), ("/srv", ["/srv", "/srv/data"], "SIGUSR1"))

    def test_tag(self):
        root = self.path("root")
        one, other = self.load(root)
        self.cairn("--root", root, "tag", one.id[7:19], "staying:1", env={"TZ": "Asia/Kolkata"})
        self.cairn("--root", root, "tag", "going:1", "docker.io/library/plain")
        self.assertEqual(Store(root, "overlay2").tags(), {name: one.id for name in ("going:1", "going:2", "staying:1", "plain:latest")})
        with open(f"{root}/image/overlay2/imagedb/metadata/sha256/{one.id[7:]}/lastUpdated") as note:
            self.assertRegex(note.read(), r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$")
        before = listing(root)
        for source, name in (("going:1", "x@sha256:" + "0" * 64), ("going:1", "UPPER"), ("going:1", "a" * 64), ("nothing", "x"), ("going:1", "sha256:a")):
            self.cairn("--root", root, "tag", source, name, code=2)
        self.assert_same_tree(listing(root), before)

    def test_import_of_what_is_no_tar_leaves_nothing(self):
        root = self.path("root")
        self.cairn("--root", root, "-s", "overlay2", "import", "-", input=tar_with(a="1"))
        before = listing(root, times=False)
        outside = self.path("outside")
        os.mkdir(outside)
        whole = lt.layer_tar([lt.file("f", os.urandom(5000))])
        for what, data in {"nothing": b"", "text": b"no tar\n" * 200, "cut off": whole[:3000], "cut off, packed": archives.compress(whole, "gzip")[:-500],
                           "one that climbs": lt.layer_tar([lt.file("../" * 30 + outside[1:] + "/f", b"x")]),
                           "a whiteout that climbs": lt.layer_tar([lt.file("d/.wh..."), lt.file("d/.wh..")])}.items():
            with self.subTest(what=what):
                said = self.cairn("--root", root, "import", "-", "bad:1", input=data, code=None)
                if what not in ("one that climbs",):     # that one may be put inside
                    self.assertEqual(said.code, 1, str(said))
                    self.assert_same_tree(listing(root, times=False), before)
                self.assertEqual(os.listdir(outside), [])
        self.assertEqual(Store(root, "overlay2").problems(), [])
        self.cairn("--root", root, "import", self.path("missing.tar"), code=2)


class Said(Case):
    """How mistakes are told."""

    def load(self, root):
        image = archives.Image([[lt.file("f", b"f")]])
        self.cairn("--root", root, "-s", "overlay2", "load", "-q", input=archives.docker_archive([(image, ["app:1"])]))
        return image

    def test_rmi_with_force_has_not_failed_at_what_is_not_there(self):
        root = self.path("root")
        self.load(root)
        done = self.cairn("--root", root, "--json", "rmi", "-f", "nothing:1")
        self.assertEqual(done.json()["failed"], [])
        self.assertIn("nothing:1", done.stderr)
        done = self.cairn("--root", root, "--json", "rmi", "nothing:1", "app:1", code=4)
        self.assertEqual([one["image"] for one in done.json()["failed"]], ["nothing:1"])
        self.assertEqual(done.json()["untagged"], ["app:1"])

    def test_an_image_that_goes_before_it_is_named_is_the_users_mistake(self):
        root = self.path("root")
        image = self.load(root)
        lock = os.open(f"{root}/image/overlay2/layerdb", os.O_RDONLY | os.O_DIRECTORY)
        self.addCleanup(os.close, lock)
        fcntl.flock(lock, fcntl.LOCK_EX)
        tagging = self.start("--root", root, "tag", "app:1", "app:2")
        holds = f"/proc/{tagging.process.pid}/fd"
        time.sleep(0.3)
        while not any(os.readlink(f"{holds}/{fd}").endswith("/layerdb") for fd in os.listdir(holds)):
            time.sleep(0.05)
        os.unlink(f"{root}/image/overlay2/imagedb/content/sha256/{image.id[7:]}")
        time.sleep(0.5)
        fcntl.flock(lock, fcntl.LOCK_UN)
        done = tagging.finish()
        self.assertEqual(done.code, 2, str(done))
        self.assertIn("app:2", done.stderr)


def copy(source, target):
    subprocess.run(["cp", "-a", source, target], check=True)


def damage(path, content):
    with open(path, "wb") as out:
        out.write(content)
