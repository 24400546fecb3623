"""The parts that cases of pull and push stand on: the registry, its token service and the proxy before it do what they are told.
No cairn takes part."""
import contextlib
import http.client
import socket
import ssl
import threading
import time

import archives
import fault_proxy
import legacy_tree as lt
import registry
from registry import RegistryError
from registry_case import RegistryCase


def image():
    return archives.Image([[lt.file("a", b"a" * 300_000)], [lt.file("b", bytes(range(256)) * 2000)]])


class Parts(RegistryCase):
    def test_a_registry_of_each_kind_lets_in_who_should_be(self):
        self.need_program(registry.SKOPEO, "skopeo")
        authority, tokens = self.authority(), self.tokens({"user": "pass:word"})
        kinds = {"plain": {}, "tls": {"tls": authority}, "client certificates": {"tls": authority, "client_certificates": True},
                 "basic": {"users": {"user": "pass:word"}}, "tokens": {"tokens": tokens}}
        for kind, options in kinds.items():
            with self.subTest(kind):
                there, where = self.registry(**options), self.path("oci-" + kind.split()[0])
                put = there.put_image("team/app", "1", image())
                self.assertEqual(there.get_manifest("team/app", "1"), (put.media_type, put.manifest))
                there.copy_out("team/app", "1", f"oci:{where}:x")
                there.copy_in(f"oci:{where}:x", "team/copy", "2")
                self.assertEqual((there.tags("team/app"), there.tags("team/copy")), (["1"], ["2"]))
                self.assertTrue(there.has_blob("team/copy", put.layers[0]) and not there.has_blob("team/copy", "sha256:" + "0" * 64))
                self.assertIn(put.config, there.blobs_on_disk())
                if options:
                    self.assert_refused(there)
        self.assertIn("repository:team/app:pull", tokens.scopes())

    def assert_refused(self, there):
        """Who trusts nobody, or shows nothing, does not come in."""
        connection = http.client.HTTPConnection("127.0.0.1", there.port, timeout=20)
        if there.tls:
            context = ssl.create_default_context(cafile=there.tls.ca if hasattr(there, "client") else None)
            connection = http.client.HTTPSConnection("127.0.0.1", there.port, timeout=20, context=context)
            with self.assertRaises(OSError):
                connection.request("GET", "/v2/")
                connection.getresponse()
        else:
            connection.request("GET", "/v2/team/app/manifests/1")
            self.assertEqual(connection.getresponse().status, 401)
        connection.close()

    def test_an_index_is_kept_and_a_registry_starts_again(self):
        there = self.registry(delete=True)
        one, other = there.put_image("x", None, image()), there.put_image("x", None, image(), "oci", "none")
        index = there.put_index("x", "all", [(one, {"os": "linux", "architecture": "amd64"}), (other, {"os": "linux", "architecture": "arm", "variant": "v7"})])
        there.stop()
        port = there.port
        there.start()
        self.assertEqual((there.port, there.get_manifest("x", "all")), (port, (index.media_type, index.manifest)))
        self.assertEqual(there.get_manifest("x", other.digest)[1], other.manifest)

    def test_a_registry_that_does_not_start_says_why(self):
        with self.assertRaisesRegex(RegistryError, "(?s)did not start.*no-such"):
            self.registry(config={"http.tls": {"certificate": "/no-such", "key": "/no-such"}})

    def test_an_engine_reaches_what_is_near(self):
        self.need_engine()
        there = self.registry(users={"user": "word"})
        proxy = self.proxy(there)
        put = there.put_image("app", "1", image())
        dockerd = self.engine_near(self.path("root"), "vfs", proxy)
        dockerd.docker("login", "-u", "user", "-p", "word", proxy.host)
        dockerd.docker("pull", "-q", f"{proxy.host}/app:1")
        self.assertEqual(dockerd.lines("images", "--digests", "--format", "{{.Digest}}"), [put.digest])
        self.assertEqual({digest for digest in proxy.fetched()}, set(put.blobs))
        dockerd.docker("tag", f"{proxy.host}/app:1", f"{proxy.host}/new:1")
        dockerd.docker("push", "-q", f"{proxy.host}/new:1")
        self.assertEqual(there.tags("new"), ["1"])


class Tokens(RegistryCase):
    def setUp(self):
        super().setUp()
        self.server = self.tokens({"user": "word"}, anonymous=True)
        self.there = self.registry(tokens=self.server)
        self.put = self.there.put_image("a/b", "1", image())

    def ask(self, path, port, method="GET", body=None, **headers):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        data = answer.read()
        connection.close()
        return answer.status, data

    def pull_with(self, token):
        return self.ask("/v2/a/b/manifests/1", self.there.port, Authorization="Bearer " + token, Accept=self.put.media_type)[0]

    def test_tokens_grant_what_was_asked_until_they_expire(self):
        self.assertEqual(self.pull_with(self.server.mint_for(["repository:a/b:pull"], None)), 200)
        self.assertEqual(self.pull_with(self.server.mint_for(["repository:a/c:pull"], None)), 401)
        self.assertEqual(self.pull_with(self.server.mint_for(["repository:a/b:push"], None)), 401)
        self.assertEqual(self.pull_with(self.server.mint([{"type": "repository", "name": "a/b", "actions": ["pull"]}], valid_for=-1)), 401)
        token = self.server.mint_for(["repository:a/b:pull"], None)
        self.assertEqual(self.pull_with(token[:-4] + ("AAAA" if token[-4:] != "AAAA" else "BBBB")), 401)

    def test_an_identity_token_is_given_and_taken(self):
        service = "service=cairn+test+registry"
        form = {"method": "POST", "body": f"grant_type=password&access_type=offline&username=user&password=word&{service}"}
        status, said = self.ask("/token", self.server.port, **form)
        self.assertEqual(status, 200)
        identity = next(iter(self.server.identity_tokens))
        self.assertIn(identity.encode(), said)
        self.server.only_identity = True
        self.assertEqual(self.ask("/token", self.server.port, **form)[0], 401)
        form["body"] = f"grant_type=refresh_token&refresh_token={identity}&scope=repository:a/b:pull,push&{service}"
        self.assertEqual(self.ask("/token", self.server.port, **form)[0], 200)
        self.assertEqual([(a.user, a.answered) for a in self.server.requests], [("user", 200), (None, 401), ("user", 200)])

    def test_the_service_fails_as_told(self):
        for answer, want in {"refuse": 403, "fail": 500, "html": 200, "garbage": 200, "no token": 200, "empty": 200}.items():
            self.server.answer = answer
            status, said = self.ask("/token?service=cairn+test+registry", self.server.port)
            self.assertEqual((status, b'"token":"' in said.replace(b" ", b"")), (want, False), answer)


class Faults(RegistryCase):
    def setUp(self):
        super().setUp()
        self.there = self.registry()
        self.faulty = self.proxy(self.there)
        self.put = self.there.put_image("a/b", "1", image(), compression="none")
        self.layer = self.put.layers[0]
        self.bytes = self.there.get_blob("a/b", self.layer)

    def ask(self, method="GET", path=None, headers=None, body=None, timeout=20):
        """Status, headers, bytes; an exception's class where it comes to that."""
        connection = http.client.HTTPConnection("127.0.0.1", self.faulty.port, timeout=timeout)
        try:
            connection.request(method, path or f"/v2/a/b/blobs/{self.layer}", body, headers or {})
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        except (http.client.HTTPException, OSError) as failure:
            return type(failure)
        finally:
            connection.close()

    def met(self, fault, **request):
        """What one client sees of a fault; then the proxy must be as good as new."""
        rule = self.faulty.on(".*", ".*", fault)
        seen = self.ask(**request)
        self.assertEqual(rule.met, 1)
        self.assertEqual(self.ask()[2], self.bytes)
        return seen

    def test_undisturbed_and_recorded(self):
        self.assertEqual(self.ask()[::2], (200, self.bytes))
        status, headers, part = self.ask(headers={"Range": "bytes=100-"})
        self.assertEqual((status, headers["Content-Range"], part), (206, f"bytes 100-{len(self.bytes) - 1}/{len(self.bytes)}", self.bytes[100:]))
        self.assertEqual(self.ask("HEAD")[1]["Content-Length"], str(len(self.bytes)))
        self.assertEqual(self.faulty.fetched(), {self.layer: 2 * len(self.bytes) - 100})
        self.assertEqual([r.range for r in self.faulty.gets(self.layer)], [None, "bytes=100-"])
        self.assertEqual(self.faulty.count("HEAD", self.layer, 200), 1)

    def test_bodies(self):
        self.assertEqual(self.met(fault_proxy.Cut(70_000)), http.client.IncompleteRead)
        self.assertEqual(self.faulty.gets(self.layer)[0].sent, 70_000)
        self.assertEqual(self.met(fault_proxy.Cut(-1)), http.client.RemoteDisconnected)
        self.assertEqual(self.met(fault_proxy.WrongLength(+7)), http.client.IncompleteRead)
        self.assertEqual(self.met(fault_proxy.WrongLength(-7))[2], self.bytes[:-7])
        self.assertEqual(self.met(fault_proxy.Shorten(1000))[2], self.bytes[:1000])
        self.assertEqual(self.met(fault_proxy.Lengthen(b"xyz"))[2], self.bytes + b"xyz")
        self.assertEqual(self.met(fault_proxy.Body(b"{"))[2], b"{")
        self.assertEqual(self.met(fault_proxy.Old())[2], self.bytes)
        self.assertEqual(self.met(fault_proxy.swap(*self.put.layers))[2], self.there.get_blob("a/b", self.put.layers[1]))
        for at in (5, -5, 200_000):
            flipped = self.met(fault_proxy.Flip(at))[2]
            self.assertEqual([n for n, (a, b) in enumerate(zip(flipped, self.bytes)) if a != b], [at % len(self.bytes)])

    def test_answers(self):
        busy = self.met(fault_proxy.error(429, "TOOMANYREQUESTS", Retry_After=3))
        self.assertEqual((busy[0], busy[1]["Retry-After"]), (429, "3"))
        self.assertEqual(len(self.met(fault_proxy.Endless(500, 3 << 20))[2]), 3 << 20)
        self.assertEqual(self.met(fault_proxy.Redirect("http://127.0.0.1:1/x"))[1]["Location"], "http://127.0.0.1:1/x")
        self.assertEqual(self.met(fault_proxy.NoRanges(), headers={"Range": "bytes=100-"})[::2], (200, self.bytes))
        self.assertEqual(self.met(fault_proxy.Headers(Content_Range="bytes 0-1/2"), headers={"Range": "bytes=100-"})[1]["Content-Range"], "bytes 0-1/2")
        self.assertIsNone(self.met(fault_proxy.Headers(Docker_Content_Digest=None))[1]["Docker-Content-Digest"])
        self.assertEqual(self.met(fault_proxy.Authorized(), headers={"Authorization": "Basic eDp5"})[0], 400)

    def test_slowness(self):
        self.assertEqual(self.met(fault_proxy.Drip(0.001, 4096))[2], self.bytes)
        self.assertEqual(self.met(fault_proxy.Hang(), timeout=0.2), TimeoutError)
        self.assertEqual(self.met(fault_proxy.StallAfter(50_000), timeout=0.2), TimeoutError)
        waiting = []
        self.faulty.on("GET", "blobs", fault_proxy.Hang())
        thread = threading.Thread(target=lambda: waiting.append(self.ask(timeout=60)))
        began = time.monotonic()
        thread.start()
        while self.faulty.count() < 7:
            time.sleep(0.01)
        self.faulty.stop()
        thread.join()
        self.assertEqual((waiting, time.monotonic() - began < 30), ([http.client.RemoteDisconnected], True))

    def upload(self, data, patch_headers=None):
        """As clients do: POST, PATCH, PUT; returns the three statuses and the last Location's path."""
        path, statuses = "/v2/a/new/blobs/uploads/", []
        for method, body in (("POST", b""), ("PATCH", iter([data[:1000], data[1000:]])), ("PUT", b"")):
            query = f"&digest={registry.digest_of(data)}" if method == "PUT" else ""
            seen = self.ask(method, path + query, body=body, headers={"Content-Length": "0"} if body == b"" else {})
            if isinstance(seen, type):
                return statuses + [seen.__name__], path
            statuses.append(seen[0])
            path = fault_proxy.relative_location(seen[1]["Location"])
        return statuses, path

    def test_uploads(self):
        data = self.bytes * 3
        self.assertEqual(self.upload(data)[0], [202, 202, 201])
        self.assertEqual(self.faulty.uploads(), [registry.digest_of(data)])
        self.assertEqual(self.faulty.matching("PATCH")[0].received, len(data))
        self.faulty.on("PATCH", "uploads", fault_proxy.CutUpload(200_000))
        self.assertEqual(self.upload(data)[0], [202, "RemoteDisconnected"])
        self.faulty.on("PATCH", "uploads", fault_proxy.error(404, "BLOB_UPLOAD_UNKNOWN"))
        self.assertEqual(self.upload(data)[0][:2], [202, 404])
        self.faulty.on(".*", "uploads", fault_proxy.Elsewhere(), times=None)
        statuses, path = self.upload(b"other")
        self.assertEqual((statuses, self.there.has_blob("a/new", registry.digest_of(b"other"))), ([202, 202, 201], True), path)
        self.assertEqual(self.faulty.count("PUT", "^/elsewhere/.*more="), 1)
        self.faulty.clear()
        self.assertEqual(self.ask("POST", f"/v2/a/c/blobs/uploads/?mount={self.layer}&from=a/b", headers={"Content-Length": "0"})[0], 201)
        self.faulty.on("POST", "mount=", fault_proxy.Path(lambda path: path.partition("?")[0]))
        self.assertEqual(self.ask("POST", f"/v2/a/d/blobs/uploads/?mount={self.layer}&from=a/b", headers={"Content-Length": "0"})[0], 202)

    def test_before_tls(self):
        authority = self.authority()
        hidden = self.proxy(self.registry(tls=authority), tls=authority)
        put = hidden.registry.put_image("x", "1", image())
        connection = http.client.HTTPSConnection("localhost", hidden.port, context=ssl.create_default_context(cafile=authority.ca), timeout=20)
        connection.request("GET", f"/v2/x/blobs/{put.config}")
        self.assertEqual(connection.getresponse().read(), image().config)
        connection.close()
        with socket.create_connection(("127.0.0.1", hidden.port)) as plain:
            plain.sendall(b"GET / HTTP/1.0\r\n\r\n")
            with contextlib.suppress(ConnectionResetError):
                plain.recv(100)
        self.assertEqual(hidden.count(), 1)
