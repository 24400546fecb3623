"""Bodies of requests as they come in, piece by piece."""
PIECE = 64 << 10


class Disconnect(Exception):
    """The connection ends here."""


def body_of(handler):
    """Pieces of the body of the request that a BaseHTTPRequestHandler is at, or None if it has none."""
    if handler.headers.get("Transfer-Encoding", "").lower() == "chunked":
        return _chunks(handler.rfile)
    length = handler.headers.get("Content-Length")
    return _pieces(handler.rfile, int(length)) if length else None


def _chunks(stream):
    while (size := int(stream.readline().split(b";")[0] or b"0", 16)) > 0:
        yield from _pieces(stream, size)
        stream.readline()
    while stream.readline().strip():
        pass                             # trailers


def _pieces(stream, size):
    """`size` bytes of a stream, or Disconnect where it ends before."""
    while size > 0:
        piece = stream.read1(min(size, PIECE))
        if not piece:
            raise Disconnect
        size -= len(piece)
        yield piece
