"""Who cairn says it is, whom it trusts, and what nobody else gets to see: files of credentials, helpers, token services, TLS."""
import base64
import http.client
import http.server
import json
import os
import threading
import urllib.parse

import fault_proxy
from registry_case import RegistryCase
from remote_images import stack

USER, PASSWORD = "user", "pass:wörd/+"


def basic(user=USER, password=PASSWORD):
    return base64.b64encode(f"{user}:{password}".encode()).decode()


class Anybody(RegistryCase):
    """A registry at self.near that lets in USER only."""

    def setUp(self):
        super().setUp()
        self.there = self.registry_for_user()
        self.near = self.proxy(self.there)
        self.image = stack("one", "two")
        self.put = self.there.put_image("team/app", "1", self.image)
        self.name = f"{self.near.host}/team/app:1"

    def registry_for_user(self):
        return self.registry(users={USER: PASSWORD})

    def file(self, path, content):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as out:
            out.write(content if isinstance(content, str) else json.dumps(content))
        os.chmod(path, 0o600)
        return path

    def pulls(self, *flags, **more):
        """Into a root of its own."""
        self.root = self._where("root")
        self.pull(*flags, self.name, **more)
        self.assert_holds(self.image)

    def refused(self, *flags, **more):
        self.root = self._where("root")
        result = self.pull(*flags, self.name, code=None, **more)
        self.assertIn(result.code, (1, 2), str(result))
        self.assert_one_line(result)
        for secret in (PASSWORD, basic(), "wrong-word", basic(password="wrong-word")):
            self.assertNotIn(secret, result.stderr + result.text())
        self.assertEqual(self.store().configs(), {})
        return result


class Files(Anybody):
    def test_nothing_and_wrong_ones_are_refused(self):
        self.refused()
        self.refused("--creds", f"{USER}:wrong-word")
        self.assert_one_line(self.pull("--authfile", self.path("no-such"), self.name, code=2), self.path("no-such"))

    def test_creds(self):
        self.pulls("--creds", f"{USER}:{PASSWORD}")

    def test_creds_win_over_files(self):
        self.file(f"{self.home}/.docker/config.json", {"auths": {self.near.host: {"auth": basic(password="wrong-word")}}})
        self.refused()
        self.pulls("--creds", f"{USER}:{PASSWORD}")

    def test_every_place_of_a_file(self):
        content = {"auths": {self.near.host: {"auth": basic()}}}
        places = {"~/.docker/config.json": (f"{self.home}/.docker/config.json", {}),
                  "DOCKER_CONFIG": (self.path("docker/config.json"), {"DOCKER_CONFIG": self.path("docker")}),
                  "REGISTRY_AUTH_FILE": (self.path("auth-1.json"), {"REGISTRY_AUTH_FILE": self.path("auth-1.json")}),
                  "XDG_RUNTIME_DIR": (self.path("run/containers/auth.json"), {"XDG_RUNTIME_DIR": self.path("run")}),
                  "XDG_CONFIG_HOME": (self.path("config/containers/auth.json"), {"XDG_CONFIG_HOME": self.path("config")}),
                  "~/.config": (f"{self.home}/.config/containers/auth.json", {})}
        for place, (path, env) in places.items():
            with self.subTest(place):
                self.file(path, content)
                self.pulls(env=env)
                os.unlink(path)
                self.refused(env=env)
        self.pulls("--authfile", self.file(self.path("auth-2.json"), content))
        self.file(f"{self.home}/.dockercfg", content["auths"])
        self.pulls()

    def test_every_form_of_a_key(self):
        for key in (self.near.host, f"http://{self.near.host}", f"https://{self.near.host}/v1/", f"https://{self.near.host}/v2/", f"{self.near.host}/"):
            with self.subTest(key):
                self.file(f"{self.home}/.docker/config.json", {"auths": {key: {"auth": basic()}}})
                self.pulls()
        self.file(f"{self.home}/.docker/config.json", {"auths": {f"{self.near.host}0": {"auth": basic()}, "127.0.0.1": {"auth": basic()}}})
        self.refused()

    def test_the_most_specific_key_wins(self):
        wrong = {"auth": basic(password="wrong-word")}
        for key in ("team", "team/app"):
            self.file(f"{self.home}/.config/containers/auth.json",
                      {"auths": {self.near.host: wrong, f"{self.near.host}/{key}": {"auth": basic()}, f"{self.near.host}/team/apple": wrong,
                                 f"{self.near.host}/te": wrong}})
            self.pulls()

    def test_a_file_that_cannot_be_read_is_named(self):
        path = f"{self.home}/.docker/config.json"
        for content in ("{", '{"auths": []}', json.dumps({"auths": {self.near.host: {"auth": "!!"}}})):
            self.file(path, content)
            self.root = self._where("root")
            result = self.pull(self.name, code=1)
            self.assert_one_line(result, path)

    def helper(self, name, answer):
        """docker-credential-NAME in a PATH of its own; what it was asked is noted. Returns the environment."""
        self.file(self.path(f"bin/docker-credential-{name}"),
                  f'#!/bin/sh\nread -r server; echo "$1 $server" >> {self.path("asked")}\n{answer}\n')
        os.chmod(self.path(f"bin/docker-credential-{name}"), 0o755)
        return {"PATH": self.path("bin") + ":" + os.environ["PATH"]}

    def asked(self):
        with open(self.path("asked")) as lines:
            return set(lines.read().splitlines())

    def test_helpers(self):
        answer = "cat <<'END'\n" + json.dumps({"ServerURL": self.near.host, "Username": USER, "Secret": PASSWORD}) + "\nEND"
        env = self.helper("test", answer)
        for content in ({"credHelpers": {self.near.host: "test"}}, {"credsStore": "test"}, {"credsStore": "test", "auths": {self.near.host: {}}}):
            self.file(f"{self.home}/.docker/config.json", content)
            self.pulls(env=env)
        self.assertEqual(self.asked(), {f"get {self.near.host}"})

    def test_helpers_that_fail(self):
        config = f"{self.home}/.docker/config.json"
        self.file(config, {"credHelpers": {self.near.host: "test"}})
        self.refused(env=self.helper("test", 'echo "credentials not found in native keychain"; exit 1'))
        for answer in ('echo "the keychain is locked"; exit 1', "echo nonsense", "kill -9 $$"):
            self.root = self._where("root")
            self.assert_one_line(self.pull(self.name, code=1, env=self.helper("test", answer)), "docker-credential-test")
        self.file(config, {"credHelpers": {self.near.host: "not-there"}})
        self.assert_one_line(self.pull(self.name, code=2), "docker-credential-not-there")

    def test_another_registry_gets_none_of_it(self):
        other = self.proxy(self.registry())
        other.registry.put_image("team/app", "1", self.image)
        self.file(f"{self.home}/.docker/config.json", {"auths": {self.near.host: {"auth": basic()}}})
        self.pull(f"{other.host}/team/app:1")
        self.assertEqual([r for r in other.requests if r.authorization], [])


class Tokens(Anybody):
    def registry_for_user(self):
        self.service = self.tokens({USER: PASSWORD})
        return self.registry(tokens=self.service)

    def scopes(self):
        return {scope for scope in self.service.scopes()}

    def test_a_token_for_what_is_pulled(self):
        self.pulls("--creds", f"{USER}:{PASSWORD}")
        self.assertEqual(self.scopes(), {"repository:team/app:pull"})
        self.assertEqual({asked.user for asked in self.service.requests}, {USER})
        self.assertTrue(all((r.authorization or "Bearer ").startswith("Bearer ") for r in self.near.requests), "the password went to the registry")
        self.assertLess(len(self.service.requests), 4, "tokens are to be used again")

    def test_nobody_may_pull_what_is_public(self):
        self.service.anonymous = True
        self.pulls()
        self.assertEqual({asked.user for asked in self.service.requests}, {None})

    def test_wrong_and_missing_credentials(self):
        self.refused()
        self.refused("--creds", f"{USER}:wrong-word")
        self.service.anonymous = True
        self.refused("--creds", f"{USER}:wrong-word")                # not: as nobody, then

    def test_forms_of_an_answer(self):
        for change in ({"field": "access_token"}, {"says_valid_for": 0}, {"says_valid_for": -5}, {"issued_ago": 86400}, {"issued_ago": -86400}):
            with self.subTest(change):
                before = {name: getattr(self.service, name) for name in change}
                vars(self.service).update(change)
                self.pulls("--creds", f"{USER}:{PASSWORD}")
                vars(self.service).update(before)

    def test_a_service_that_fails(self):
        for answer in ("refuse", "fail", "html", "garbage", "no token", "empty"):
            with self.subTest(answer):
                self.service.answer = answer
                self.refused("--creds", f"{USER}:{PASSWORD}", "--retry", "1", timeout=60)
        self.service.answer = "token"
        self.pulls("--creds", f"{USER}:{PASSWORD}")

    def test_a_slow_service_is_waited_for(self):
        self.service.delay = 2
        self.pulls("--creds", f"{USER}:{PASSWORD}")

    def test_tokens_that_expire_are_fetched_again(self):
        gone = fault_proxy.error(401, "UNAUTHORIZED", WWW_Authenticate=self.challenge("invalid_token"))
        for path in ("/manifests/", self.put.config, *self.put.layers):
            self.near.on("GET", path, gone)
        self.pulls("--creds", f"{USER}:{PASSWORD}")
        self.assertGreater(len(self.service.requests), 1)

    def challenge(self, error):
        return f'Bearer realm="{self.service.realm}",service="cairn test registry",scope="repository:team/app:pull",error="{error}"'

    def test_tokens_that_are_never_accepted(self):
        self.service.valid_for, self.service.says_valid_for = -1, 300
        self.refused("--creds", f"{USER}:{PASSWORD}", timeout=60)
        self.assertLess(len(self.service.requests), 20)

    def test_identity_tokens(self):
        identity = self.service.identity_token(USER)
        self.service.only_identity = True
        self.file(f"{self.home}/.docker/config.json", {"auths": {self.near.host: {"auth": base64.b64encode(b"<token>:").decode(), "identitytoken": identity}}})
        self.pulls()
        self.assertEqual({(asked.method, asked.query["refresh_token"][0]) for asked in self.service.requests}, {("POST", identity)})
        self.assertFalse([r for r in self.near.requests if identity in (r.authorization or "")])

    def test_identity_tokens_of_helpers(self):
        identity = self.service.identity_token(USER)
        self.service.only_identity = True
        env = Files.helper(self, "test", "cat <<'END'\n" + json.dumps({"ServerURL": "", "Username": "<token>", "Secret": identity}) + "\nEND")
        self.file(f"{self.home}/.docker/config.json", {"credHelpers": {self.near.host: "test"}})
        self.pulls(env=env)

    def test_pushing_asks_for_more(self):
        self.pulls("--creds", f"{USER}:{PASSWORD}")
        self.service.requests.clear()
        self.command("push", "--creds", f"{USER}:{PASSWORD}", self.name)
        self.assertIn("repository:team/app:pull,push", self.scopes())
        self.service.anonymous = True
        self.assert_one_line(self.command("push", self.name, code=1), self.near.host)


class Redirected(Anybody):
    """Blobs that lie elsewhere: with signed addresses, where a password is one too many, and nobody's business."""

    def check(self, *flags):
        storage = self.proxy(self.there)
        storage.on("GET", ".*", fault_proxy.Authorized(lambda path: self.there.authorization(path)["Authorization"]), times=None)
        self.near.on("GET", "/blobs/", fault_proxy.Redirect(lambda path: f"http://{storage.host}{path}?X-Amz-Signature=0"), times=None)
        self.pulls(*flags)
        self.assertEqual([r for r in storage.requests if r.authorization], [])
        self.assertEqual(set(storage.fetched()), set(self.put.blobs))

    def test_basic(self):
        self.check("--creds", f"{USER}:{PASSWORD}")

    def test_token(self):
        self.there = self.registry(tokens=self.tokens({USER: PASSWORD}))
        self.there.put_image("team/app", "1", self.image)
        self.near = self.proxy(self.there)
        self.name = f"{self.near.host}/team/app:1"
        self.check("--creds", f"{USER}:{PASSWORD}")


class Tls(RegistryCase):
    def setUp(self):
        super().setUp()
        self.trusted, self.image = self.authority(), stack("one", "two")
        self.there = self.registry(tls=self.trusted)
        self.put = self.there.put_image("team/app", "1", self.image)
        self.name = f"{self.there.host}/team/app:1"

    def certificates(self, client=None):
        return self.trusted.cert_dir(self._where("certs"), client)

    def pulls(self, *flags, **more):
        self.root = self._where("root")
        self.pull(*flags, self.name, **more)
        self.assert_holds(self.image)

    def refused(self, *flags, what="", **more):
        """With `what` in the one line that is said."""
        self.root = self._where("root")
        result = self.pull(*flags, self.name, code=None, **more)
        self.assertIn(result.code, (1, 2), str(result))
        self.assert_one_line(result, self.there.host, what)

    def test_an_authority_of_ones_own(self):
        self.pulls("--cert-dir", self.certificates())
        self.pulls("--cert-dir", self.certificates(), "--tls-verify=true")
        self.pulls(preexec_fn=self.etc_docker({f"certs.d/{self.there.host}/ca.crt": open(self.trusted.ca, "rb").read()}))

    def test_an_authority_that_nobody_knows(self):
        self.refused("--tls-verify=true", what="certificate")
        self.refused("--tls-verify=true", "--cert-dir", self.authority().cert_dir(self._where("certs")))
        self.pulls("--tls-verify=false")

    def test_nothing_is_told_to_whom_is_not_trusted(self):
        false = self.proxy(self.there, tls=self.authority())
        self.name = f"{false.host}/team/app:1"
        self.root = self._where("root")
        self.assert_one_line(self.pull("--tls-verify=true", "--cert-dir", self.certificates(), "--creds", "a:b", self.name, code=1), false.host)
        self.assertEqual(false.requests, [])

    def test_a_certificate_for_another_host(self):
        pair = self.trusted.server("other", ["DNS:registry.example"])
        self.trusted.server = lambda: pair
        self.there = self.registry(tls=self.trusted)
        self.name = f"{self.there.host}/team/app:1"
        self.refused("--tls-verify=true", "--cert-dir", self.certificates())

    def test_a_certificate_of_ones_own(self):
        self.there = self.registry(tls=self.trusted, client_certificates=True)
        self.there.put_image("team/app", "1", self.image)
        self.name = f"{self.there.host}/team/app:1"
        self.refused("--cert-dir", self.certificates(), what="certificate")
        self.pulls("--cert-dir", self.certificates(self.there.client))
        files = {"ca.crt": self.trusted.ca, "client.cert": self.there.client[0], "client.key": self.there.client[1]}
        self.pulls(preexec_fn=self.etc_docker({f"certs.d/{self.there.host}/{name}": open(path, "rb").read() for name, path in files.items()}))

    def test_plain_where_tls_is_spoken_and_the_reverse(self):
        self.refused("--plain-http")
        self.there = self.registry()
        self.there.put_image("team/app", "1", self.image)
        self.name = f"{self.there.host}/team/app:1"
        self.refused("--tls-verify=true")
        self.pulls("--plain-http")
        self.pulls()                     # a registry of this machine may do without

    def with_tokens(self, **options):
        self.service = self.tokens({USER: PASSWORD}, **options)
        self.there = self.registry(tls=self.trusted, tokens=self.service)
        self.there.put_image("team/app", "1", self.image)
        self.name = f"{self.there.host}/team/app:1"
        return "--cert-dir", self.certificates(), "--creds", f"{USER}:{PASSWORD}"

    def test_tokens_over_tls(self):
        self.pulls(*self.with_tokens(tls=self.trusted))

    def test_no_password_in_the_clear_where_the_registry_is_not(self):
        self.refused(*self.with_tokens())
        self.assertEqual([asked.user for asked in self.service.requests if asked.user], [])


class Mirrors(RegistryCase):
    """Of /etc/docker/daemon.json, for the hub only."""

    def setUp(self):
        super().setUp()
        self.image = stack("one", "two")
        self.good = self.proxy(self.registry())
        self.put = self.good.registry.put_image("library/app", "1", self.image)

    def daemon_json(self, *mirrors):
        return self.etc_docker({"daemon.json": json.dumps({"registry-mirrors": [f"http://{host}" for host in mirrors]}).encode()})

    def test_the_hub_is_not_asked(self):
        self.pull("app:1", preexec_fn=self.daemon_json(self.good.host))
        self.assertEqual(self.assert_holds(self.image).tags(), {"app:1": self.image.id, f"app@{self.put.digest}": self.image.id})
        self.assertEqual(set(self.good.fetched()), set(self.put.blobs))

    def test_the_next_one_is_tried(self):
        empty, broken = self.proxy(self.registry()), self.proxy(self.registry())
        broken.on(".*", ".*", fault_proxy.Respond(500, b"no\n", "text/plain"), times=None)
        self.pull("app:1", preexec_fn=self.daemon_json("127.0.0.1:1", broken.host, empty.host, self.good.host), timeout=120)
        self.assert_holds(self.image)
        self.assertTrue(broken.requests and empty.requests)

    def test_one_that_breaks_off_is_left(self):
        broken = self.proxy(self.good.registry)
        broken.on("GET", "/blobs/", fault_proxy.Cut(1000), times=None)
        self.pull("--retry", "0", "app:1", preexec_fn=self.daemon_json(broken.host, self.good.host), timeout=120)
        self.assert_holds(self.image)
        self.assertTrue(broken.fetched())
        self.assertEqual(self.good.matching("GET", "/manifests/"), [])

    def test_others_are_not_looked_for_in_them(self):
        there = self.proxy(self.registry())
        there.registry.put_image("library/app", "1", self.image)
        self.pull(f"{there.host}/library/app:1", preexec_fn=self.daemon_json(self.good.host))
        self.assertEqual(self.good.requests, [])


class Proxies(RegistryCase):
    """A registry that only a proxy finds."""

    def setUp(self):
        super().setUp()
        self.there = self.registry()
        self.image = stack("one")
        self.there.put_image("team/app", "1", self.image)
        self.asked = []
        self.forward = self.forward_proxy()

    def forward_proxy(self):
        """Host and port of a proxy that takes every http:// address for the registry's."""
        case = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                case.asked.append(self.path)
                url = urllib.parse.urlsplit(self.path)
                onward = http.client.HTTPConnection(case.there.host)
                onward.putrequest(self.command, url.path, skip_host=True, skip_accept_encoding=True)
                for name, value in self.headers.items():                   # several of one name are several
                    onward.putheader(name, value)
                onward.endheaders()
                answer = onward.getresponse()
                body = answer.read()
                self.send_response(answer.status)
                for name, value in answer.getheaders():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            do_HEAD = do_GET

            def log_message(self, *_):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        return "127.0.0.1:%d" % server.server_address[1]

    def test_either_case_of_the_variables(self):
        for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
            self.root, self.asked[:] = self._where("root"), []
            self.pull("--plain-http", "registry.invalid/team/app:1", env={name: f"http://{self.forward}"})
            self.assertEqual({url.split("/")[2] for url in self.asked}, {"registry.invalid"}, name)
            self.assert_holds(self.image)

    def test_not_for_this_machine_nor_what_is_excepted(self):
        self.pull("--plain-http", f"{self.there.host}/team/app:1", env={"HTTP_PROXY": f"http://{self.forward}"})
        for excepted in ("example.com,.invalid", "*", "a.example, *", "registry.invalid:80"):
            self.pull("--plain-http", "--retry", "0", "registry.invalid/team/app:1", code=1,
                      env={"HTTP_PROXY": f"http://{self.forward}", "NO_PROXY": excepted})
            self.assertEqual(self.asked, [], excepted)
        self.pull("--plain-http", "registry.invalid/team/app:1",
                  env={"HTTP_PROXY": f"http://{self.forward}", "NO_PROXY": "registry.invalid:81,not-registry.invalid"})
        self.assertNotEqual(self.asked, [])
