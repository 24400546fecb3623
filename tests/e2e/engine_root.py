"""A root that a real engine writes, with some of everything, and what the engine says of it."""
import hashlib

import trees
from harness import tar_listing

DOCKERFILE = """FROM scratch
COPY busybox /bin/busybox
RUN ["/bin/busybox", "sh", "-c", "/bin/busybox --install -s /bin; mkdir -p /data/full /data/dir; echo a > /data/full/a; echo b > /data/gone"]
RUN rm /data/gone && rm -r /data/full && mkdir /data/full && echo c > /data/full/c && ln /data/full/c /data/hard && chmod 4755 /data/full/c
ENV A=1
RUN rm -r /data/dir && echo file > /data/dir && mkfifo /data/fifo && touch -d '2001-02-03 04:05:06' /data/dir
CMD ["cat", "/data/dir"]
"""


class Said:
    """What the engine said before it was stopped."""

    def __init__(self, dockerd):
        self.images = set(dockerd.lines("images", "-a", "-q", "--no-trunc"))
        self.tags = set(dockerd.lines("images", "--no-trunc", "--format", "{{.Repository}}:{{.Tag}} {{.ID}}"))
        self.containers = dict(line.split() for line in dockerd.lines("ps", "-a", "--no-trunc", "--format", "{{.Names}} {{.ID}}"))
        self.inspected = {image: dockerd.ask_json(f"/images/{image}/json") for image in self.images}
        self.history = {image: [step["CreatedBy"] for step in dockerd.ask_json(f"/images/{image}/history")] for image in self.images}
        self.exported = {name: tar_listing(dockerd.export(name)) for name in self.containers}
        self.changes = {name: {"CAD"[change["Kind"]] + " " + change["Path"] for change in dockerd.ask_json(f"/containers/{name}/changes") or []}
                        for name in self.containers}
        self.layers = {}                                               # DiffID -> bytes
        with dockerd.save(self.images) as tar:
            for member in tar:
                if member.isreg() and member.name.endswith("layer.tar"):
                    data = tar.extractfile(member).read()
                    self.layers["sha256:" + hashlib.sha256(data).hexdigest()] = data

    def check_same(self, case, dockerd):
        """What `dockerd` says of a root carried over is what was said of the old one."""
        now = Said(dockerd)
        for what in ("images", "tags", "history", "containers", "changes"):
            case.assertEqual(getattr(now, what), getattr(self, what), what)
        for name, entries in self.exported.items():
            case.assert_same_tree(now.exported[name], entries, f"export of {name}")
        case.assertEqual(now.layers.keys(), self.layers.keys(), "docker save gives other layers")


def write_root(dockerd):
    dockerd.build("local/app:1", DOCKERFILE, {"busybox": trees.busybox()})
    dockerd.docker("tag", "local/app:1", "registry.example:5000/app:x")
    dockerd.docker("run", "--name", "changed", "--network", "none", "local/app:1", "sh", "-c",
                   "echo w > /data/written; rm /data/full/c; mkdir -p /data/new/sub; chmod 700 /data")
    dockerd.docker("commit", "changed", "local/committed:1")
    dockerd.docker("create", "--name", "fresh", "--network", "none", "local/committed:1")
