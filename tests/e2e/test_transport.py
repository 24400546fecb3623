"""Registries and connections that fail: never a wrong byte in the store, never a hang, one line that says why, and the next run completes.

CAIRN_SEED picks other offsets for what breaks or is altered.
"""
import email.utils
import glob
import json
import os
import random
import signal
import time

import archives
import fault_proxy
from fault_proxy import (Body, Cut, CutUpload, Drip, Each, Early, Endless, Fault, Flip, Gate, Hang, Headers, Lengthen, NoEnd, NoRanges, Old,
                         Redirect, Respond, Shorten, StallAfter, WrongLength, error, relative_location, swap)
from harness import SANITIZED
from registry import digest_of
from registry_case import RegistryCase
from remote_images import stack
from store import Store, chain_of
from test_push import Pushing

SEED = int(os.environ.get("CAIRN_SEED", "1"))
SIZE = 300_000                           # of a layer: bytes that do not compress
HASTE = ["--retry", "1", "--stall-timeout", "1"]
LONGEST = 90                             # seconds for what fails or recovers with these


class Transport(RegistryCase):
    def setUp(self):
        super().setUp()
        self.image = stack("one", "two", "three", size=SIZE)
        self.there = self.registry()
        self.near = self.proxy(self.there)
        self.put = self.there.put_image("team/app", "1", self.image)
        self.name, self.chance = f"{self.near.host}/team/app:1", random.Random(SEED)
        self.layer = self.put.layers[1]

    def rule(self, path, fault, method="GET", times=None, skip=0):
        return [(method, path, fault, skip, times)]

    def meet(self, rules, *flags):
        """A pull into a root of its own, disturbed; the store must be in order, and right as far as it goes."""
        self.root = self._where("root")
        self.near.clear()
        for rule in rules:
            self.near.on(*rule)
        result = self.pull(*(flags or HASTE), self.name, code=None, timeout=LONGEST)
        store = Store(self.root, self.driver)
        self.assert_visible_is_complete(store, str(result))
        if result.code == 0:
            self.assert_holds(self.image)
        else:
            self.assertIn(result.code, (1, 2), str(result))
            self.assert_one_line(result, self.near.host)
            self.assertEqual((store.configs(), store.tags()), ({}, {}))
            self.assert_layers_are_right(store)
        return result

    def assert_layers_are_right(self, store):
        diffs = [digest_of(layer) for layer in self.image.layers]
        chains = {chain_of(diffs[:n + 1]): layer for n, layer in enumerate(self.image.layers)}
        for chain in store.layers():
            self.assertEqual(self.command("diff", chain).stdout, chains.get(chain), f"{chain} was published")

    def undisturbed(self):
        self.near.clear()
        self.pull(self.name)
        self.assert_holds(self.image)

    def recovers(self, what, rules, *flags, also=lambda result: None):
        with self.subTest(what, seed=SEED):
            result = self.meet(rules, *flags)
            self.assertEqual(result.code, 0, str(result))
            also(result)

    def fails(self, what, rules, *flags, also=lambda result: None):
        with self.subTest(what, seed=SEED):
            result = self.meet(rules, *flags)
            self.assertNotEqual(result.code, 0, str(result))
            also(result)
            self.undisturbed()

    def either(self, what, rules, *flags):
        with self.subTest(what, seed=SEED):
            if self.meet(rules, *flags).code != 0:
                self.undisturbed()

    def everywhere(self):
        return {"the manifest": "/manifests/", "the configuration": self.put.config, "a layer": self.layer}

    # --- connections ----------------------------------------------------------------------------------------------------------

    def test_a_cut_layer_is_taken_up_where_it_broke(self):
        def went_on(_):
            first, second = self.near.gets(self.layer)
            self.assertRegex(second.range or "none", r"bytes=[1-9]\d*-$")
            self.assertLessEqual(first.sent + second.sent, os.path.getsize(self.there.blob_path(self.layer)) + (64 << 10), "it was fetched again")

        for at in [1, SIZE // 2, *(self.chance.randrange(SIZE) for _ in range(4))]:
            self.recovers(f"cut at {at}", self.rule(self.layer, Cut(at), times=1), also=went_on)

    def test_connections_that_break_again_and_again_but_move(self):
        self.recovers("every 70000 bytes", self.rule("/blobs/", Cut(70_000)), also=lambda _: self.assertLess(sum(self.near.fetched().values()), 4 * SIZE))

    def test_connections_that_end_before_the_answer(self):
        for what, path in self.everywhere().items():
            self.recovers(what, self.rule(path, Cut(-1), ".*", times=1))
            self.recovers(what + ", in the middle", self.rule(path, Cut(100), times=1))
            self.fails(what + ", always", self.rule(path, Cut(-1), ".*"))
        self.recovers("everything once", sum((self.rule(path, Cut(-1), times=1) for path in self.everywhere().values()), []))

    def test_a_layer_that_never_comes_is_given_up(self):
        self.fails("cut at 0", self.rule(self.layer, Cut(0)), also=lambda _: self.assertLess(len(self.near.gets(self.layer)), 10))

    def test_lengths(self):
        self.recovers("the end is the connection's", self.rule(".*", Old()))
        for what, path in self.everywhere().items():
            self.either(f"{what}: too long by 7", self.rule(path, WrongLength(7)))
            self.either(f"{what}: too short by 7", self.rule(path, WrongLength(-7)))

    def test_ranges(self):
        cut = self.rule(self.layer, Cut(SIZE // 3), times=1)
        self.recovers("the registry knows none", self.rule(self.layer, NoRanges()) + cut)
        for wrong in ("bytes 0-9/10", f"bytes 0-{SIZE}/*", "nonsense", None):
            self.either(f"Content-Range: {wrong}", self.rule(self.layer, Headers(Content_Range=wrong)) + cut)
        self.either("the range is refused", self.rule(self.layer, error(416, "RANGE_INVALID")) + cut)
        self.either("other bytes follow", self.rule(self.layer, Flip(1000)) + cut)

    def test_what_is_slow_is_waited_for(self):
        self.recovers("in drops", self.rule("/blobs/", Drip(0.05, 16 << 10)), "--stall-timeout", "5")

    def test_what_stands_still_is_left(self):
        for what, path in self.everywhere().items():
            self.recovers(what, self.rule(path, Hang(), times=1))
            self.fails(what + ", always", self.rule(path, Hang()))

    def test_what_stands_still_in_the_middle_is_left(self):
        self.recovers("in the middle", self.rule(self.layer, StallAfter(SIZE // 2), times=1))
        self.fails("in the middle, always", self.rule(self.layer, StallAfter(1000)))
        self.either("one byte a second", self.rule(self.layer, Drip(1)))

    def test_a_registry_that_goes_away(self):
        gate = Gate()
        self.near.on("GET", self.layer, gate)
        running = self.start("--progress", "none", "--root", self.root, "-s", self.driver, "pull", *HASTE, self.name)
        gate.waiting.wait(60)
        self.there.stop()
        gate.opened.set()
        result = running.finish(timeout=LONGEST)
        self.assertEqual(result.code, 1, str(result))
        self.assert_one_line(result, self.near.host)
        self.there.start()
        self.undisturbed()

    def test_a_registry_that_is_away_for_a_while(self):
        image = stack("one", "two", size=60_000_000)
        self.there.put_image("team/large", "1", image)
        running = self.start("--root", self.root, "-s", self.driver, "pull", "--retry", "4", f"{self.there.host}/team/large:1")
        while not glob.glob(f"{self.root}/image/{self.driver}/layerdb/tmp/write-set-*"):
            time.sleep(0.001)
        running.process.send_signal(signal.SIGSTOP)
        self.there.stop()
        running.process.send_signal(signal.SIGCONT)
        time.sleep(1.5)
        self.there.start()
        result = running.finish(timeout=LONGEST)
        self.assertEqual(result.code, 0, str(result))
        self.assertIn("onnect", result.stderr, "it had no chance to notice")
        self.assert_holds(image)

    def test_what_lacks_only_its_end_is_complete(self):
        self.recovers("a layer", self.rule(self.layer, NoEnd()), also=lambda _: self.assertEqual(len(self.near.gets(self.layer)), 1))

    # --- answers --------------------------------------------------------------------------------------------------------------

    def test_registries_that_are_busy(self):
        self.each_recovers({"500": error(500, "UNKNOWN"), "502": Respond(502, b"<html>bad gateway</html>", "text/html"),
                            "503": error(503, "UNAVAILABLE"), "503 without a word": Respond(503), "504": Respond(504)})
        self.recovers("twice", self.rule(self.layer, error(503, "UNAVAILABLE"), times=2), "--retry", "2")

    def test_registries_that_are_asked_too_much(self):
        soon = email.utils.formatdate(time.time() + 2, usegmt=True)
        self.each_recovers({"429": error(429, "TOOMANYREQUESTS"), "for a second": error(429, "TOOMANYREQUESTS", Retry_After=1),
                            "until": error(429, "TOOMANYREQUESTS", Retry_After=soon),
                            "until nobody knows": error(429, "TOOMANYREQUESTS", Retry_After="later")})

    def each_recovers(self, faults):
        for what, fault in faults.items():
            for part, path in self.everywhere().items():
                self.recovers(f"{what}: {part}", self.rule(path, fault, times=1))

    def test_a_pause_that_was_asked_for_is_kept(self):
        def waited(_):
            first, second = self.near.gets(self.layer)
            self.assertGreaterEqual(second.began - first.began, 3)

        self.recovers("3 seconds", self.rule(self.layer, error(429, "TOOMANYREQUESTS", Retry_After=3), times=1), also=waited)
        self.fails("an hour", self.rule(self.layer, error(429, "TOOMANYREQUESTS", Retry_After=3600)))

    def test_registries_that_fail_for_good(self):
        for what, path in self.everywhere().items():
            self.fails(f"500: {what}", self.rule(path, error(500, "UNKNOWN"), ".*"),
                       also=lambda _, path=path: self.assertLess(self.near.count("GET", path), 10))

    def test_refusals_are_taken_at_once(self):
        for status, code in ((403, "DENIED"), (401, "UNAUTHORIZED")):
            for what, path in self.everywhere().items():
                self.fails(f"{status}: {what}", self.rule(path, error(status, code)), also=lambda result: self.assertIn("injected", result.stderr))
        for challenge in ("Bearer", 'Bearer realm="', "Negotiate", 'Bearer realm="http://127.0.0.1:1/"', 'Basic realm="x"'):
            self.fails(f"WWW-Authenticate: {challenge}", self.rule(".*", error(401, "UNAUTHORIZED", WWW_Authenticate=challenge), ".*"))
        self.fails("a layer that is not there", self.rule(self.layer, error(404, "BLOB_UNKNOWN")),
                   also=lambda _: self.assertEqual(len(self.near.gets(self.layer)), 1))

    def test_headers_that_are_missing_or_odd(self):
        self.recovers("no HEAD", self.rule(".*", error(405, "UNSUPPORTED"), "HEAD"))
        self.recovers("HEAD finds nothing", self.rule(".*", error(404, "MANIFEST_UNKNOWN"), "HEAD"))
        self.recovers("no digest", self.rule(".*", Headers(Docker_Content_Digest=None), ".*"))
        self.recovers("no digest of a HEAD", self.rule(".*", Headers(Docker_Content_Digest=None), "HEAD"))
        self.recovers("a type with a charset", self.rule("/manifests/", Headers(Content_Type=lambda kind: f"{kind}; charset=utf-8"), ".*"))
        for kind in (None, "application/json", "text/plain"):
            self.either(f"of type {kind}", self.rule("/manifests/", Headers(Content_Type=kind), ".*"))
        self.recovers("blobs of another type", self.rule("/blobs/", Headers(Content_Type="text/html", Docker_Content_Digest=None)))
        self.either("a digest that is none", self.rule("/manifests/", Headers(Docker_Content_Digest="../../x"), ".*"))

    def test_wrong_digests_are_noticed(self):
        wrong = Headers(Docker_Content_Digest="sha256:" + "0" * 64)
        self.fails("of the manifest", self.rule("/manifests/", wrong, "GET") + self.rule("/manifests/", error(405, "UNSUPPORTED"), "HEAD"))
        self.either("of a HEAD", self.rule("/manifests/", wrong, "HEAD"))
        other = self.there.put_image("team/app", "other", stack("other"))
        self.name = f"{self.near.host}/team/app@{self.put.digest}"
        self.fails("another manifest", self.rule("/manifests/", fault_proxy.Path(f"/v2/team/app/manifests/{other.digest}")))

    def test_wrong_digests_of_other_kinds_are_refused(self):
        digest = "sha512:" + "0" * 128
        self.near.on(".*", digest, fault_proxy.Path(lambda path: path.replace(digest, "1")), times=None)
        self.assert_one_line(self.pull(*HASTE, f"{self.near.host}/team/app@{digest}", code=1), "sha256", digest)
        self.assert_holds()

    def test_altered_manifests_of_layers_that_are_here_change_nothing(self):
        """Nothing of them is fetched, so nobody sees that the blob holds something else: no image may go out with it."""
        self.pull(self.name)
        other = self.there.put_blob("team/evil", b"something else")
        for blob in self.put.blobs:
            self.there.put_blob("team/evil", self.there.get_blob("team/app", blob))
        manifest = json.loads(self.put.manifest)
        manifest["layers"][0] |= {"digest": other, "size": len(b"something else")}
        self.there.put_manifest("team/evil", "1", self.put.media_type, json.dumps(manifest).encode())
        self.pull(f"{self.near.host}/team/evil:1")
        self.assertFalse(os.path.exists(f"{self.root}/image/{self.driver}/distribution/diffid-by-digest/sha256/{other.partition(':')[2]}"))
        self.push(f"{self.near.host}/team/evil:1", f"{self.near.host}/team/copy:1")
        pushed = json.loads(self.there.get_manifest("team/copy", "1")[1])
        self.assertEqual([layer["digest"] for layer in pushed["layers"]], self.put.layers)

    # --- bytes ----------------------------------------------------------------------------------------------------------------

    def test_altered_bytes_are_noticed(self):
        for what, path in self.everywhere().items():
            size = {"a layer": SIZE, "the configuration": len(self.image.config), "the manifest": len(self.put.manifest)}[what]
            for at in [0, -1, *(self.chance.randrange(size) for _ in range(3))]:
                self.fails(f"{what}: byte {at}", self.rule(path, Flip(at)))
            self.either(f"{what}: once", self.rule(path, Flip(size // 2), times=1))
            self.either(f"{what}: the half", self.rule(path, Shorten(size // 2)))      # of a half asked for again the half, and so on
            self.fails(f"{what}: none", self.rule(path, Shorten(0)))
        for what in ("the configuration", "a layer"):
            self.fails(f"{what}: more", self.rule(self.everywhere()[what], Lengthen(b"more")))
        self.fails("layers exchanged", self.rule("/blobs/", swap(*self.put.layers[:2])))
        self.fails("a page instead of a layer", self.rule(self.layer, Respond(200, b"<html>Log in, please</html>", "text/html")))
        self.fails("nothing of all layers", self.rule("|".join(self.put.layers), Body(b"")))

    def test_layers_that_are_damaged_where_they_lie(self):
        """Their digest is right, and what it is of is not."""
        whole = archives.compress(self.image.layers[1], "gzip")
        for what, data in {"cut off": whole[:-1000], "no checksum": whole[:-8] + bytes(8), "no gzip": whole[:3] + bytes(5000), "no tar": b"x" * 5000}.items():
            self.there.put_blob("team/app", data)
            manifest = json.loads(self.put.manifest)
            manifest["layers"][1] |= {"digest": digest_of(data), "size": len(data)}
            self.there.put_manifest("team/app", "1", self.put.media_type, json.dumps(manifest).encode())
            with self.subTest(what):
                self.assertNotEqual(self.meet([]).code, 0)
                self.there.put_manifest("team/app", "1", self.put.media_type, self.put.manifest)
                self.undisturbed()

    def test_manifests_that_are_none(self):
        kind = self.put.media_type
        nonsense = {"nothing": b"", "a brace": b"{", "a list": b"[]", "null": b"null", "no fields": b"{}", "a page": b"<html></html>", "zeros": bytes(1000),
                    "deep": b"[" * 200_000, "deep inside": b'{"a":' * 200_000, "long": b'{"layers":[' + b'{},' * 300_000 + b"{}]}",
                    "wrong types": b'{"schemaVersion":"2","config":[],"layers":{}}', "negative": self.put.manifest.replace(b'"size": ', b'"size": -'),
                    "a digest that is a path": self.put.manifest.replace(self.layer.encode(), b"sha256:../../../../etc/passwd"),
                    "a digest of another kind": self.put.manifest.replace(self.layer.encode(), b"md5:d41d8cd98f00b204e9800998ecf8427e")}
        for what, data in nonsense.items():
            self.fails(what, self.rule("/manifests/", Respond(200, data, kind)) + self.rule("/manifests/", error(405, "UNSUPPORTED"), "HEAD"),
                       also=self.assert_little_memory)

    def assert_little_memory(self, result):
        if not SANITIZED:
            self.assertLess(result.max_rss, 400 << 10)

    def test_answers_without_end(self):
        for what, rules in {
                "errors": self.rule(".*", Endless(500, 100 << 20), ".*"), "a refusal": self.rule(self.layer, Endless(403, 100 << 20)),
                "the manifest": self.rule("/manifests/", Endless(200, 100 << 20, self.put.media_type)),
                "the configuration": self.rule(self.put.config, Endless(200, 100 << 20)), "a layer": self.rule(self.layer, Endless(200, 100 << 20)),
                "a length of a thousand times that": self.rule(self.put.config, WrongLength(100 << 30))}.items():
            self.fails(what, rules, also=self.assert_little_memory)

    # --- redirects ------------------------------------------------------------------------------------------------------------

    def test_redirects(self):
        twin = self.proxy(self.there)
        here = lambda path: f"http://{self.near.host}{path}"
        self.recovers("to another address", self.rule("/blobs/", Redirect(lambda path: f"http://{twin.host}{path}")),
                      also=lambda _: self.assertEqual(set(twin.fetched()), set(self.put.blobs)))
        for status in (301, 302, 307, 308):
            self.recovers(f"{status}, relative", self.rule(r"/blobs/[^?]*$", Redirect(lambda path: path + "?again", status)))
        self.recovers("and cut there", self.rule(r"/blobs/[^?]*$", Redirect(lambda path: path + "?again")) +
                      self.rule(self.layer + r"\?again", Cut(SIZE // 2), times=1))
        self.fails("to itself", self.rule("/blobs/", Redirect(here)))
        self.fails("to and fro", self.rule(r"/blobs/[^?]*$", Redirect(lambda path: path + "?again")) +
                   self.rule(r"/blobs/.*\?again$", Redirect(lambda path: path.removesuffix("?again"))))
        self.fails("longer and longer", self.rule("/blobs/", Redirect(lambda path: path + ("&x" if "?" in path else "?x"))))
        for to in ("http://127.0.0.1:1/", "file:///etc/passwd", "ftp://127.0.0.1/", "gopher://127.0.0.1:1/_x", "http:///", "", "unix:///run/x", "\u00ff"):
            self.fails(f"to '{to}'", self.rule(self.layer, Redirect(to)))
        self.fails("to nowhere", self.rule(self.layer, Fault()) + self.rule(self.layer, Respond(307)))

    def test_redirects_learn_nothing_of_who_one_is(self):
        """Storage that a blob is redirected to, and that asks for a token in its turn."""
        storage, thief = self.proxy(self.there), self.proxy(self.there)
        asks = f'Bearer realm="http://{thief.host}/token",service="x"'
        for challenge in (asks, 'Basic realm="x"'):
            storage.on("GET", ".*", error(401, "UNAUTHORIZED", WWW_Authenticate=challenge), times=None)
            self.fails(challenge, self.rule("/blobs/", Redirect(lambda path: f"http://{storage.host}{path}")), *HASTE, "--creds", "me:secret",
                       also=lambda result: self.assertIn("injected", result.stderr))
        self.assertEqual((thief.requests, {request.authorization for request in storage.requests}), ([], {None}))

    # --- lists of tags --------------------------------------------------------------------------------------------------------

    def all_tags(self, answers, code=0):
        """`answers`: pattern of a path -> fault."""
        self.root = self._where("root")
        self.near.clear()
        for path, fault in answers.items():
            self.near.on("GET", path, fault, times=None)
        result = self.pull(*HASTE, "-a", self.name.removesuffix(":1"), code=code, timeout=LONGEST)
        return sorted(tag.rpartition(":")[2] for tag in self.store().tags() if "@" not in tag), result

    def test_lists_of_tags(self):
        for tag in "234":
            self.there.put_manifest("team/app", tag, self.put.media_type, self.put.manifest)

        def page(tags, **headers):
            return Respond(200, json.dumps({"name": "team/app", "tags": tags}).encode(), **headers)

        for second in ("/v2/team/app/tags/list?last=2&n=2", f"http://{self.near.host}/v2/team/app/tags/list?last=2&n=2"):
            got, _ = self.all_tags({"/tags/list": page(["1", "2"], Link=f'<{second}>; rel="next"'), r"/tags/list\?.*last=2": page(["3", "4"])})
            self.assertEqual(got, ["1", "2", "3", "4"])
        self.all_tags({"/tags/list": page(None)}, code=None)
        for nonsense in (["../../etc"], ["a b"], [7], "1", ["-x"], ["1\n2"], ["x" * 129]):
            self.assertEqual(self.all_tags({"/tags/list": page(nonsense)}, code=None)[0], [], nonsense)
        got, result = self.all_tags({"/tags/list": page(["1", "gone"])}, code=None)
        self.assertEqual((got, result.code != 0), (["1"], True), "the tag that is there is pulled, and that one is not is said")
        self.all_tags({"/tags/list": page(["1"], Link='</v2/team/app/tags/list?n=1>; rel="next"')}, code=None)


class Sending(Pushing):
    def setUp(self):
        super().setUp()
        self.image, self.chance = stack("one", "two", "three", size=SIZE), random.Random(SEED)
        self.load(self.image, "local:1")
        self.number = 0

    def meet(self, *rules):
        """A push, disturbed. It may be refused, but nothing that is not whole may get a name."""
        self.near.clear()
        for method, path, fault, *more in rules:
            self.near.on(method, path, fault, *more)
        result = self.push(*HASTE, "local:1", f"{self.near.host}/{self.target}:1", code=None, timeout=LONGEST)
        self.store()
        if result.code == 0:
            self.pushed(self.image, name=self.target)
        else:
            self.assertEqual(result.code, 1, str(result))
            self.assert_one_line(result, self.near.host)
        return result

    def fresh(self):
        """Another registry, which has nothing to mount from, and another repository, of which the store remembers nothing."""
        self.there.stop()
        self.there = self.near.registry = self.registry()
        self.number += 1
        self.target = f"team/app{self.number}"

    def recovers(self, what, *rules):
        with self.subTest(what, seed=SEED):
            self.fresh()
            self.assertEqual(self.meet(*rules).code, 0)

    def fails(self, what, *rules):
        with self.subTest(what, seed=SEED):
            self.fresh()
            self.assertEqual(self.meet(*rules).code, 1)
            self.assertFalse(os.path.exists(f"{self.there.storage}/docker/registry/v2/repositories/{self.target}/_manifests/tags/1"))
            self.near.clear()
            self.push("local:1", f"{self.near.host}/{self.target}:1")
            self.pushed(self.image, name=self.target)

    def test_uploads_that_break(self):
        for at in [0, *(self.chance.randrange(SIZE) for _ in range(2))]:
            self.recovers(f"at byte {at}", ("PATCH|PUT", "uploads", CutUpload(at), 0, 1))
        self.recovers("no answer to the end", ("PUT", "uploads", Cut(-1), 0, 1))
        self.recovers("no answer to the manifest", ("PUT", "manifests", Cut(-1), 0, 1))
        self.fails("always", ("PATCH|PUT", "uploads", CutUpload(1000), 0, None))
        self.fails("no answer, always", ("PUT", "uploads", Cut(-1), 0, None))

    def test_uploads_that_are_answered_before_their_end(self):
        self.recovers("once", ("PATCH", "uploads", Early(), 0, 1))

    def test_steps_that_fail_once(self):
        for method, path in (("POST", "uploads"), ("PATCH", "uploads"), ("PUT", "uploads"), ("PUT", "manifests"), ("HEAD", "blobs")):
            for status, code in ((500, "UNKNOWN"), (503, "UNAVAILABLE"), (429, "TOOMANYREQUESTS")):
                self.recovers(f"{method} {path}: {status}", (method, path, error(status, code), 0, 1))

    def test_sessions_that_are_lost(self):
        for method in ("PATCH", "PUT"):
            self.recovers(f"{method}: not known", (method, "uploads", error(404, "BLOB_UPLOAD_UNKNOWN"), 0, 1))
            self.recovers(f"{method}: other offset", (method, "uploads", error(416, "BLOB_UPLOAD_INVALID", Range="0-0"), 0, 1))
        self.fails("always", ("PATCH|PUT", "uploads", error(404, "BLOB_UPLOAD_UNKNOWN"), 0, None))

    def test_steps_that_always_fail(self):
        for method, path in (("POST", "uploads"), ("PATCH|PUT", "uploads"), ("PUT", "manifests")):
            self.fails(f"{method} {path}: 500", (method, path, error(500, "UNKNOWN"), 0, None))
            self.fails(f"{method} {path}: denied", (method, path, error(403, "DENIED"), 0, None))
        self.fails("blobs are missing", ("PUT", "manifests", error(400, "MANIFEST_BLOB_UNKNOWN"), 0, None))
        self.fails("100 MB of an error", ("POST", "uploads", Endless(500, 100 << 20), 0, None))

    def test_odd_registries(self):
        self.recovers("no HEAD", ("HEAD", ".*", error(405, "UNSUPPORTED"), 0, None))
        self.recovers("no digests in answers", (".*", ".*", Headers(Docker_Content_Digest=None), 0, None))
        self.recovers("relative, and old", (".*", "uploads", Each(Headers(Location=relative_location), Old()), 0, None))
        for location in (None, "", "http://127.0.0.1:1/x", "file:///tmp/x", "nonsense"):
            self.fails(f"Location: {location}", ("POST", "uploads", Headers(Location=location), 0, None))

    def test_registries_that_got_something_else(self):
        wrong = Headers(Docker_Content_Digest="sha256:" + "0" * 64)
        for path in ("uploads", "manifests"):
            with self.subTest(path):
                self.fresh()
                self.assertEqual(self.meet(("PUT", path, wrong, 0, None)).code, 1)

    def test_uploads_that_stand_still_are_left(self):
        for method in ("POST", "PATCH", "PUT"):
            self.recovers(method, (method, "uploads", Hang(), 0, 1))

    def test_uploads_that_always_stand_still_are_given_up(self):
        self.fails("always", ("PATCH|PUT", "uploads", Hang(), 0, None))

    def test_manifests_that_nobody_acknowledges_are_sent_again(self):
        self.recovers("PUT", ("PUT", "manifests", Hang(), 0, 1))

    def test_tokens_that_expire(self):
        service = self.tokens({"user": "word"})
        self.there = self.near.registry = self.registry(tokens=service)
        gone = f'Bearer realm="{service.realm}",service="cairn test registry",scope="repository:team/tokens:pull,push",error="invalid_token"'
        for method, path in (("POST", "uploads"), ("PATCH", "uploads"), ("PUT", "uploads"), ("PUT", "manifests")):
            self.near.on(method, path, error(401, "UNAUTHORIZED", WWW_Authenticate=gone))
        self.push(*HASTE, "--creds", "user:word", "local:1", f"{self.near.host}/team/tokens:1", timeout=LONGEST)
        self.pushed(self.image, name="team/tokens")
