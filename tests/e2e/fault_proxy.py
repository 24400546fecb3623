"""A proxy in front of a registry that keeps a record of every request and misbehaves where it is told to.

    proxy = FaultProxy(registry)
    proxy.on("GET", "/blobs/", Cut(1000), times=2)       # the first two such requests; times=None: all
    ... proxy.host is what clients connect to ...
    proxy.fetched()                                      # digest -> bytes that were sent of it

Bodies are streamed. The rule that was added last and still has times left decides; a request that no rule meets is passed on.
"""
import contextlib
import copy
import http.client
import re
import socket
import ssl
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from http_bodies import PIECE, Disconnect, body_of

BLOB = re.compile(r"/v2/.+/blobs/(sha256:[0-9a-f]{64})")
HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "te", "trailer", "upgrade"}


class Request:
    """What was asked, and what became of it: `status` None says that no answer was begun."""

    def __init__(self, method, path, headers):
        self.method, self.path, self.headers, self.began = method, path, headers, time.monotonic()
        self.range, self.authorization = headers.get("Range"), headers.get("Authorization")
        self.status, self.sent, self.received, self.done = None, 0, 0, False

    def __repr__(self):
        path = re.sub("_state=[^&]*", "_state=...", self.path)
        return (f"{self.method} {path}{' ' + self.range if self.range else ''}{' authorized' if self.authorization else ''}: "
                f"{self.status}, {self.sent} bytes{'' if self.done else ', not finished'}")


class Answer:
    """`headers`: pairs; `body`: pieces of bytes; `length`: what Content-Length says, None: chunked, or until the end with `old`.
    `early`: sent before the request is read."""

    def __init__(self, status, headers=(), body=(), length=None, old=False, early=False):
        self.status, self.headers, self.body, self.length, self.old, self.early = status, list(headers), body, length, old, early

    @classmethod
    def of(cls, status, data=b"", kind="application/json", headers=()):
        return cls(status, [("Content-Type", kind), *headers], [data], len(data))

    def header(self, name):
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    def set(self, name, value):
        """None removes it."""
        self.headers = [pair for pair in self.headers if pair[0].lower() != name.lower()] + ([(name, value)] if value is not None else [])


# --- what can go wrong ------------------------------------------------------------------------------------------------------

class Fault:
    """Passes everything on. Stages may be overridden: instead of the registry's answer, of the request to it, of its answer."""

    def answer(self, request):
        """An Answer, which the registry is not asked for; None: it is."""

    def ask(self, path, headers, body):
        """The request as the registry is to see it: path, headers (changed in place), pieces of the body or None."""
        return path, headers, body

    def change(self, request, answer):
        """The registry's Answer, changed in place."""


class Respond(Fault):
    """Always the same answer: 404, 429, 503, a page instead of JSON..."""

    def __init__(self, status, data=b"", kind="application/json", **headers):
        self.made = status, data, kind, [(name.replace("_", "-"), str(value)) for name, value in headers.items()]

    def answer(self, request):
        return Answer.of(*self.made)


def error(status, code, **headers):
    """What a registry says, in its own form."""
    return Respond(status, b'{"errors":[{"code":"%s","message":"injected"}]}' % code.encode(), **headers)


class Each(Fault):
    """Several faults at once, in that order."""

    def __init__(self, *faults):
        self.faults = faults

    def answer(self, request):
        return next((answer for fault in self.faults if (answer := fault.answer(request))), None)

    def ask(self, path, headers, body):
        for fault in self.faults:
            path, headers, body = fault.ask(path, headers, body)
        return path, headers, body

    def change(self, request, answer):
        for fault in self.faults:
            fault.change(request, answer)


class Endless(Fault):
    """An answer of many bytes that mean nothing, made as they are sent."""

    def __init__(self, status, size, kind="text/html"):
        self.status, self.size, self.kind = status, size, kind

    def answer(self, request):
        return Answer(self.status, [("Content-Type", self.kind)], (bytes(b"x" * PIECE) for _ in range(self.size // PIECE)), self.size // PIECE * PIECE)


class Early(Fault):
    """An upload is taken for complete before it is."""

    def answer(self, request):
        return Answer(202, [("Location", request.path)], length=0, early=True)


class NoEnd(Fault):
    """All bytes in chunks, but for the last one that says that they are all."""

    def change(self, request, answer):
        def body(pieces):
            yield from pieces
            raise Disconnect
        answer.body, answer.length = body(answer.body), None


class Hang(Fault):
    """Says nothing, and keeps the connection until the proxy stops."""

    def answer(self, request):
        request.proxy.stopping.wait()
        raise Disconnect


class Cut(Fault):
    """Ends the connection after so many bytes of the body; -1: before the answer begins."""

    def __init__(self, after):
        self.after = after

    def answer(self, request):
        if self.after < 0:
            raise Disconnect

    def change(self, request, answer):
        answer.body = self._cut(answer.body)

    def _cut(self, body):
        left = self.after
        for piece in body:
            yield piece[:left]
            left -= len(piece)
            if left <= 0:
                raise Disconnect
        raise Disconnect


class CutUpload(Fault):
    """Ends the connection once so many bytes of the request were read; the registry gets what came so far, and no end of it."""

    def __init__(self, after):
        self.after = after

    def ask(self, path, headers, body):
        return path, headers, Cut(self.after)._cut(body or [])


class Gate(Fault):
    """Holds the request back until somebody opens it, once and for all; `waiting` says that one has come."""

    def __init__(self):
        self.opened, self.waiting = threading.Event(), threading.Event()

    def answer(self, request):
        self.waiting.set()
        while not self.opened.wait(0.05):
            if request.proxy.stopping.is_set():
                raise Disconnect


class StallAfter(Cut):
    """As Hang, after so many bytes of the body."""

    def change(self, request, answer):
        def body(pieces):
            try:
                yield from self._cut(pieces)
            except Disconnect:
                request.proxy.stopping.wait()
                raise
        answer.body = body(answer.body)


class Drip(Fault):
    """The body in small pieces with pauses between them."""

    def __init__(self, interval, size=1):
        self.interval, self.size = interval, size

    def change(self, request, answer):
        def body(pieces):
            for piece in pieces:
                for at in range(0, len(piece), self.size):
                    if request.proxy.stopping.wait(self.interval):
                        raise Disconnect
                    yield piece[at:at + self.size]
        answer.body = body(answer.body)


class Flip(Fault):
    """One bit of the byte at an offset of what is sent, counted from the end where negative (if the length is known)."""

    def __init__(self, at):
        self.at = at

    def change(self, request, answer):
        answer.body = self._flip(answer.body, self.at if self.at >= 0 else answer.length + self.at)

    def _flip(self, body, at):
        for piece in body:
            if 0 <= at < len(piece):
                piece = piece[:at] + bytes([piece[at] ^ 1]) + piece[at + 1:]
            at -= len(piece)
            yield piece


class Shorten(Fault):
    """Only the first bytes, and the length says so too: nothing about the connection is wrong."""

    def __init__(self, to):
        self.to = to

    def change(self, request, answer):
        if answer.length is None or answer.length > self.to:
            answer.body, answer.length = _first(answer.body, self.to), self.to


class Lengthen(Fault):
    """More bytes at the end, and the length says so too."""

    def __init__(self, data):
        self.data = data

    def change(self, request, answer):
        def body(pieces):
            yield from pieces
            yield self.data
        answer.body, answer.length = body(answer.body), answer.length + len(self.data)


class WrongLength(Fault):
    """Content-Length is off by so many bytes; then the connection ends."""

    def __init__(self, by):
        self.by = by

    def change(self, request, answer):
        def body(pieces):
            yield from pieces
            raise Disconnect
        answer.body, answer.length = body(answer.body), max(0, answer.length + self.by)


class Path(Fault):
    """The registry is asked for another path: the body of another blob, uploads without `mount=`."""

    def __init__(self, other):
        self.other = other if callable(other) else lambda _: other

    def ask(self, path, headers, body):
        return self.other(path), headers, body


def swap(one, other):
    """Each blob's name gets the other's bytes."""
    return Path(lambda path: path.replace(one, other) if one in path else path.replace(other, one))


class Redirect(Fault):
    """`to`: a location, or what makes one of the path that was asked for."""

    def __init__(self, to, status=307):
        self.to, self.status = to if callable(to) else lambda _: to, status

    def answer(self, request):
        return Answer.of(self.status, b"", headers=[("Location", self.to(request.path))])


class Headers(Fault):
    """Sets headers of the answer, of names with _ for -; None takes one away, a function makes the new of the old."""

    def __init__(self, **headers):
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}

    def change(self, request, answer):
        for name, value in self.headers.items():
            answer.set(name, value(answer.header(name)) if callable(value) else value)


class Body(Fault):
    """Other bytes under the registry's own status and headers."""

    def __init__(self, make):
        self.make = make if callable(make) else lambda _: make

    def change(self, request, answer):
        data = self.make(b"".join(answer.body))
        answer.body, answer.length = [data], len(data)


class NoRanges(Fault):
    """The registry does not see that only a part is wanted."""

    def ask(self, path, headers, body):
        del headers["Range"]
        return path, headers, body


class Old(Fault):
    """HTTP/1.0: no length, the connection's end is the body's."""

    def change(self, request, answer):
        answer.length, answer.old = None, True


class Authorized(Fault):
    """As if the client had sent this: for storage that the proxy stands in for. With `strict`, a client that did is refused, as
    storage with signed addresses does."""

    def __init__(self, value=None, strict=True):
        self.value, self.strict = value, strict

    def answer(self, request):
        if self.strict and request.authorization:
            return Answer.of(400, b"<Error>Only one auth mechanism allowed</Error>", "application/xml")

    def ask(self, path, headers, body):
        if self.value:
            del headers["Authorization"]
            headers["Authorization"] = self.value(path) if callable(self.value) else self.value
        return path, headers, body


class Elsewhere(Fault):
    """Locations of uploads lead to another path, with a query of their own; what comes there is passed on to the real one."""

    PREFIX = "/elsewhere"

    def change(self, request, answer):
        location = urllib.parse.urlsplit(answer.header("Location") or "")
        if "/blobs/uploads/" in location.path:
            answer.set("Location", f"{self.PREFIX}{location.path}?{location.query}&more=a%2Fb%3D")

    def ask(self, path, headers, body):
        return path.removeprefix(self.PREFIX).replace("&more=a%2Fb%3D", ""), headers, body


def relative_location(location):
    """For Headers(Location=...)."""
    split = urllib.parse.urlsplit(location or "")
    return split.path + ("?" + split.query if split.query else "")


def _first(body, size):
    for piece in body:
        yield piece[:size]
        size -= len(piece[:size])
        if size <= 0:
            return


# --- the proxy --------------------------------------------------------------------------------------------------------------

class Rule:
    def __init__(self, method, path, fault, skip, times):
        self.method, self.path, self.fault, self.skip, self.times = re.compile(method + "$"), re.compile(path), fault, skip, times
        self.met = 0                      # requests it decided

    def takes(self, request):
        if not self.method.match(request.method) or not self.path.search(request.path):
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        if self.times is not None and self.met >= self.times:
            return False
        self.met += 1
        return True


class FaultProxy:
    """`tls`: an Authority, whose server certificate it shows, whatever the registry does."""

    def __init__(self, registry, tls=None):
        self.registry, self.requests, self.rules = registry, [], []
        self.stopping, self.lock, self._open = threading.Event(), threading.Lock(), set()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.proxy = self
        if tls:
            self._server.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._server.context.load_cert_chain(*tls.server("proxy"))
        self.scheme, self.port = "https" if tls else "http", self._server.server_port
        self.host = f"127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    def stop(self):
        """All connections end; a client that waits on one is told so."""
        self.stopping.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        with self.lock:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    # --- the plan

    def on(self, method, path, fault, skip=0, times=1):
        """The `times` requests after the first `skip` that have this method (a pattern of all of it) and path (of any part)."""
        rule = Rule(method, path, fault, skip, times)
        with self.lock:
            self.rules.insert(0, rule)
        return rule

    def clear(self):
        """Forgets rules and records, not connections."""
        with self.lock:
            self.rules, self.requests = [], []

    def fault_for(self, request):
        with self.lock:
            self.requests.append(request)
            return next((rule.fault for rule in self.rules if rule.takes(request)), Fault())

    # --- the record

    def matching(self, method=".*", path="", status=None):
        with self.lock:
            return [r for r in self.requests if re.fullmatch(method, r.method) and re.search(path, r.path) and status in (None, r.status)]

    def count(self, method=".*", path="", status=None):
        return len(self.matching(method, path, status))

    def fetched(self):
        """Digest -> bytes sent of that blob, over all requests for it."""
        found = {}
        for request in self.matching("GET"):
            if (blob := BLOB.match(request.path)) and request.status in (200, 206):
                found[blob[1]] = found.get(blob[1], 0) + request.sent
        return found

    def gets(self, digest):
        return self.matching("GET", digest)

    def uploads(self):
        """Digests of the blobs whose upload was finished, in order; mounts are none."""
        return [urllib.parse.parse_qs(urllib.parse.urlsplit(r.path).query)["digest"][0] for r in self.matching("PUT", "/blobs/uploads/.*digest=", 201)]

    def told(self):
        """The record as text, for messages of tests."""
        with self.lock:
            return "\n".join(map(repr, self.requests))


class _Server(ThreadingHTTPServer):
    daemon_threads, block_on_close, request_queue_size, context = True, False, 128, None

    def handle_error(self, request, client_address):
        pass                             # clients that go away


class _Handler(BaseHTTPRequestHandler):
    protocol_version, disable_nagle_algorithm, wbufsize = "HTTP/1.1", True, 0

    def setup(self):
        self.proxy, self.upstream, self.response = self.server.proxy, None, None
        if self.server.context:
            self.request = self.server.context.wrap_socket(self.request, server_side=True)     # here: a handshake may take its time
        with self.proxy.lock:
            self.proxy._open.add(self.request)
        super().setup()

    def finish(self):
        with self.proxy.lock:
            self.proxy._open.discard(self.request)
        self._hang_up()
        with contextlib.suppress(OSError):
            self.request.shutdown(socket.SHUT_RDWR)      # a copy by wrap_socket would keep the connection open
            self.request.close()
        super().finish()

    def exchange(self):
        record = Request(self.command, self.path, self.headers)
        record.proxy = self.proxy
        try:
            self._exchange(record, self.proxy.fault_for(record))
            record.done = True
        except (Disconnect, OSError, http.client.HTTPException):
            self.close_connection = True

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = exchange

    def _exchange(self, record, fault):
        body = self._request_body(record)
        answer = fault.answer(record)
        if answer and answer.early:
            self._send(record, answer)
        if answer:
            for _ in body or ():
                pass                     # read, so that the next request begins where it should
        else:
            answer = self._pass_on(record, fault, body)
            fault.change(record, answer)
        if not answer.early:
            self._send(record, answer)
        if self.response and not self.response.isclosed():
            self._hang_up()              # the fault did not want all of it

    def _request_body(self, record):
        """Pieces of the request's body, or None if it has none."""
        body = body_of(self)
        return None if body is None else self._counted(record, body)

    def _counted(self, record, pieces):
        for piece in pieces:
            record.received += len(piece)
            yield piece

    def _pass_on(self, record, fault, body):
        headers = copy.copy(self.headers)                # no dict: Accept comes once for each type
        for name in HOP_BY_HOP:
            del headers[name]
        headers["X-Forwarded-Proto"] = self.proxy.scheme
        path, headers, body = fault.ask(self.path, headers, body)
        chunked = body is not None and "Content-Length" not in headers
        if chunked:
            headers["Transfer-Encoding"] = "chunked"
        try:
            self.upstream = self.upstream or self._connect()
            try:
                self.upstream.request(self.command, path, body=body, headers=headers, encode_chunked=chunked)
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True             # the registry answered before it had it all
            response = self.response = self.upstream.getresponse()
        except BaseException:
            self._hang_up()
            raise
        kept = [(name, value) for name, value in response.getheaders() if name.lower() not in HOP_BY_HOP | {"content-length"}]
        length = response.getheader("Content-Length")
        return Answer(response.status, kept, iter(lambda: response.read1(PIECE), b""), None if length is None else int(length))

    def _hang_up(self):
        if self.upstream:
            self.upstream.close()
        self.upstream = self.response = None

    def _connect(self):
        registry = self.proxy.registry
        if registry.tls:
            return http.client.HTTPSConnection("127.0.0.1", registry.port, context=registry._context, timeout=300)
        return http.client.HTTPConnection("127.0.0.1", registry.port, timeout=300)

    def _send(self, record, answer):
        bodiless = self.command == "HEAD" or answer.status in (204, 304)
        chunked = not bodiless and answer.length is None and not answer.old
        self.close_connection |= answer.old
        lines = [f"HTTP/1.{0 if answer.old else 1} {answer.status} {http.client.responses.get(answer.status, 'Unknown')}"]
        lines += [f"{name}: {value}" for name, value in answer.headers]
        lines += ["Transfer-Encoding: chunked"] if chunked else [f"Content-Length: {answer.length}"] if answer.length is not None else []
        lines += ["Connection: close"] if self.close_connection else []
        record.status = answer.status
        self.wfile.write("\r\n".join(lines + ["", ""]).encode("latin-1"))
        for piece in answer.body:
            if piece and not bodiless:
                self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
                record.sent += len(piece)
        if chunked:
            self.wfile.write(b"0\r\n\r\n")

    def log_message(self, *_):
        pass
