"""Shows ports of this side's loopback interface in the network namespace of an engine, under the same number."""
import contextlib
import ctypes
import os
import socket
import threading

CLONE_NEWNET = 0x40000000


class Door:
    """Until close(), connections to 127.0.0.1:`port` made beside process `pid` end up at 127.0.0.1:`port` here."""

    def __init__(self, pid, port):
        self.port, self._sockets, self._lock = port, set(), threading.Lock()
        self._listener = _listener_beside(pid, port)
        self._thread = self._start(self._accept)

    def close(self):
        with self._lock:
            for one in self._sockets | {self._listener}:
                with contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)
        self._thread.join()

    def _accept(self):
        with self._listener:
            while True:
                try:
                    visitor, _ = self._listener.accept()
                except OSError:
                    return
                self._start(self._lead, visitor)

    def _lead(self, visitor):
        try:
            host = socket.create_connection(("127.0.0.1", self.port))
        except OSError:
            visitor.close()
            return
        with self._lock:
            self._sockets |= {visitor, host}
        back = self._start(_copy, host, visitor)
        _copy(visitor, host)
        back.join()
        with self._lock:
            self._sockets -= {visitor, host}
        visitor.close()
        host.close()

    def _start(self, what, *args):
        thread = threading.Thread(target=what, args=args, daemon=True)
        thread.start()
        return thread


def _listener_beside(pid, port):
    """A socket belongs to the network of the thread that makes it: one that enters the other network, and does nothing else."""
    made = []

    def make():
        try:
            _enter_network_of(pid)
            made.append(socket.create_server(("127.0.0.1", port), backlog=128))
        except OSError as failure:
            made.append(failure)

    thread = threading.Thread(target=make)
    thread.start()
    thread.join()
    if isinstance(made[0], OSError):
        raise made[0]
    return made[0]


def _enter_network_of(pid):
    libc = ctypes.CDLL(None, use_errno=True)
    with open(f"/proc/{pid}/ns/net") as namespace:
        if libc.setns(namespace.fileno(), CLONE_NEWNET) != 0:
            err = ctypes.get_errno()
            raise OSError(err, f"entering the network of process {pid}: {os.strerror(err)}")


def _copy(source, target):
    with contextlib.suppress(OSError):
        while data := source.recv(256 << 10):
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)
