"""A token service as registries send their clients to: Basic credentials or an identity token in, a signed Bearer token out.

What a test sets on a running one counts from the next request on.
"""
import base64
import json
import ssl
import threading
import time
import urllib.parse
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import certificates
from http_bodies import body_of

LEEWAY = 60                 # seconds for which docker-registry accepts a token that has expired
ISSUER, SERVICE = "cairn test tokens", "cairn test registry"


class Asked:
    """One request: how, by whom (None: nobody who could prove it), for which scopes."""

    def __init__(self, method, query, user):
        self.method, self.query, self.user, self.answered = method, query, user, None
        self.scopes = [scope for value in query.get("scope", []) for scope in value.split()]

    def __repr__(self):
        return f"{self.method} {self.query} by {self.user}: {self.answered}"


class TokenServer:
    """`users`: name -> password. Those may do everything; everybody else may pull where `anonymous`.
    `tls`: an Authority, whose server certificate it shows. `answer` says how requests are met: "token"; "refuse" (403);
    "no token", "garbage", "html" and "empty" (all 200); "fail" (500)."""

    def __init__(self, where, users=None, anonymous=False, tls=None):
        self.users, self.anonymous, self.answer = users or {}, anonymous, "token"
        self.identity_tokens = {}         # token -> user; whoever proves to be one by password and asks for it gets one
        self.only_identity = False        # Basic credentials are met as if they were wrong
        self.valid_for = 300              # seconds; what the registry makes of the token, whatever is said of it
        self.says_valid_for = None        # `expires_in`, where it shall differ; 0: says nothing
        self.issued_ago = 0               # seconds by which `issued_at` lies in the past
        self.field = "token"              # or "access_token"
        self.delay = 0                    # seconds before an answer
        self.requests, self._lock = [], threading.Lock()
        self.bundle, self._key = certificates.Authority(where, "Test tokens").signer()
        with open(self.bundle) as text:
            self._x5c = ["".join(line.strip() for line in text if not line.startswith("-----"))]
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.tokens = self
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls.server("tokens"))
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.realm = f"{'https' if tls else 'http'}://127.0.0.1:{self._server.server_port}/token"
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    def stop(self):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def registry_config(self):
        """The section `auth` of a registry that sends its clients here."""
        return {"token": {"realm": self.realm, "service": SERVICE, "issuer": ISSUER, "rootcertbundle": self.bundle}}

    def scopes(self):
        return [scope for asked in self.requests for scope in asked.scopes]

    def mint(self, access, user="", valid_for=None):
        """A token for `access`, a list of {"type", "name", "actions"}."""
        now = int(time.time())
        expires = now + (self.valid_for if valid_for is None else valid_for) - LEEWAY
        header = {"typ": "JWT", "alg": "ES256", "x5c": self._x5c}
        claims = {"iss": ISSUER, "sub": user, "aud": SERVICE, "exp": expires, "nbf": now - LEEWAY, "iat": now, "jti": uuid.uuid4().hex, "access": access}
        signed = ".".join(_base64url(json.dumps(part).encode()) for part in (header, claims))
        return signed + "." + _base64url(certificates.sign(self._key, signed.encode()))

    def mint_for(self, scopes, user):
        access = []
        for scope in scopes:
            kind, name, actions = scope.split(":")       # names of repositories hold no colon
            granted = [action for action in actions.split(",") if user is not None or (self.anonymous and action == "pull")]
            access += [{"type": kind, "name": name, "actions": granted}] if granted else []
        return self.mint(access, user or "")

    def serve(self, method, query, authorization):
        """Status, type and bytes of the answer to one request."""
        asked = Asked(method, query, self._who(method, query, authorization))
        status, kind, body = self._answer(asked, authorization or "grant_type" in query)
        asked.answered = status
        with self._lock:
            self.requests.append(asked)
        time.sleep(self.delay)
        return status, kind, body

    def _who(self, method, query, authorization):
        if method == "POST":
            grant = query.get("grant_type", [""])[0]
            if grant == "refresh_token":
                return self.identity_tokens.get(query.get("refresh_token", [""])[0])
            user, password = query.get("username", [""])[0], query.get("password", [""])[0]
        else:
            scheme, _, value = (authorization or "").partition(" ")
            user, _, password = base64.b64decode(value).decode().partition(":") if scheme.lower() == "basic" else ("", "", "")
        known = user in self.users and self.users[user] == password and not self.only_identity
        return user if known else None

    def _answer(self, asked, proof_offered):
        other = {"refuse": (403, "application/json", b'{"errors":[{"code":"DENIED","message":"no token for you"}]}'),
                 "fail": (500, "text/plain", b"the token service has a bad day\n"), "no token": (200, "application/json", b'{"expires_in":300}'),
                 "garbage": (200, "application/json", b'{"token": \x00\xff'), "html": (200, "text/html", b"<html><body>Log in, please</body></html>"),
                 "empty": (200, "application/json", b"")}
        if self.answer in other:
            return other[self.answer]
        if asked.query.get("service") != [SERVICE]:
            return 400, "application/json", b'{"details":"which service?"}'
        if asked.user is None and (proof_offered or not self.anonymous):
            return 401, "application/json", b'{"details":"incorrect username or password"}'
        issued = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - self.issued_ago))
        said = {self.field: self.mint_for(asked.scopes, asked.user), "issued_at": issued}
        valid = self.valid_for if self.says_valid_for is None else self.says_valid_for
        said |= {"expires_in": valid} if valid else {}
        if asked.user and (asked.query.get("offline_token") == ["true"] or asked.query.get("access_type") == ["offline"]):
            said["refresh_token"] = self.identity_token(asked.user)
        return 200, "application/json", json.dumps(said).encode()

    def identity_token(self, user):
        token = f"identity-{uuid.uuid4().hex}"
        self.identity_tokens[token] = user
        return token


class _Server(ThreadingHTTPServer):
    daemon_threads, block_on_close, request_queue_size = True, False, 128


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self):
        self._serve(urllib.parse.urlsplit(self.path).query)

    def do_POST(self):
        self._serve(b"".join(body_of(self) or ()).decode())

    def _serve(self, query):
        status, kind, body = self.server.tokens.serve(self.command, urllib.parse.parse_qs(query), self.headers.get("Authorization"))
        self.send_response(status)
        for name, value in (("Content-Type", kind), ("Content-Length", len(body))):
            self.send_header(name, str(value))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def _base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
