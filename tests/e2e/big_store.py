"""Data roots of any size, made of almost nothing: many images over many layers, one layer of many files, one long path."""
import hashlib
import json
import os

import legacy_tree as lt
from store import chain_of

CREATED = "2020-01-01T00:00:00Z"


def _sha256(data):
    return hashlib.sha256(data).hexdigest()


def _write(path, data):
    with open(path, "wb") as out:
        out.write(data if isinstance(data, bytes) else data.encode())


class Overlay2Store:
    """As an engine since 1.10 leaves it with overlay2. Every layer holds one file that says which one it is."""

    def __init__(self, root):
        self.root, self.image = root, f"{root}/image/overlay2"
        self.count, self.tags = 0, {}
        for folder in ("imagedb/content/sha256", "imagedb/metadata/sha256", "layerdb/sha256", "layerdb/mounts", "layerdb/tmp"):
            os.makedirs(f"{self.image}/{folder}")
        for folder in ("overlay2/l", "containers"):
            os.makedirs(f"{root}/{folder}")

    def add_layers(self, below, count):
        """`below`: the chain so far, base first: (DiffID, ChainID, cache-id, short link). Returns it with `count` layers more."""
        chain = list(below)
        for _ in range(count):
            chain.append(self._layer(chain))
        return chain

    def _layer(self, below):
        self.count += 1
        text = b"%d\n" % self.count
        entry = lt.file(f"f{self.count}", text)
        tar = lt.layer_tar([entry])
        diff, cache, link = "sha256:" + _sha256(tar), _sha256(text), f"L{self.count:025d}"
        chain = chain_of([below[-1][1], diff]) if below else diff
        folder = f"{self.root}/overlay2/{cache}"
        os.makedirs(folder + "/diff")
        lt.apply([entry], folder + "/diff")
        _write(folder + "/link", link)
        os.symlink(f"../{cache}/diff", f"{self.root}/overlay2/l/{link}")
        if below:
            _write(folder + "/lower", ":".join("l/" + layer[3] for layer in reversed(below)))
            os.mkdir(folder + "/work")
        record = f"{self.image}/layerdb/sha256/{chain[7:]}"
        os.mkdir(record)
        for name, value in {"diff": diff, "cache-id": cache, "size": str(len(text)), "tar-split.json.gz": lt.tar_split(tar)}.items():
            _write(f"{record}/{name}", value)
        if below:
            _write(record + "/parent", below[-1][1])
        return diff, chain, cache, link

    def add_image(self, chain, tag):
        diffs = [layer[0] for layer in chain]
        config = json.dumps({"architecture": "amd64", "os": "linux", "created": CREATED, "config": {"Cmd": ["/none"]},
                             "history": [{"created": CREATED}] * len(diffs), "rootfs": {"type": "layers", "diff_ids": diffs}})
        image = _sha256(config.encode())
        _write(f"{self.image}/imagedb/content/sha256/{image}", config)
        self.tags.setdefault(tag.partition(":")[0], {})[tag] = "sha256:" + image
        return image

    def finish(self):
        _write(f"{self.image}/repositories.json", json.dumps({"Repositories": self.tags}))


def many_images(root, images, own_layers, deepest):
    """Each image lies on the one before it, until it would have more than `deepest` layers: then a new base is begun."""
    store, chain = Overlay2Store(root), []
    for n in range(images):
        chain = store.add_layers(chain if len(chain) + own_layers <= deepest else [], own_layers)
        store.add_image(chain, f"many/image{n}:1")
    store.finish()


class OneImage:
    """A root of Docker 1.6 with vfs and one image, which holds whatever is put into `layer`."""

    def __init__(self, root):
        os.mkdir(root)
        self.tree = lt.LegacyTree(root, "vfs", "1.6.2")
        self.image = self.tree.image([], tags=["one:1"])
        self.layer = self.tree.layer_dir(self.image)

    def finish(self):
        self.tree.finish()


def fill_with_files(folder, count):
    for n in range(count):
        if n % 1000 == 0:
            os.mkdir(f"{folder}/d{n // 1000}")
        os.close(os.open(f"{folder}/d{n // 1000}/f{n}", os.O_CREAT | os.O_WRONLY, 0o644))


def long_path(length):
    """Names of a path of that many bytes."""
    names = []
    while length > 0:
        names.append("n" * min(255, length))
        length -= len(names[-1]) + 1
    return names


def make_long_path(folder, names):
    at = os.open(folder, os.O_DIRECTORY)
    for name in names[:-1]:
        os.mkdir(name, dir_fd=at)
        at, above = os.open(name, os.O_DIRECTORY, dir_fd=at), at
        os.close(above)
    os.close(os.open(names[-1], os.O_CREAT | os.O_WRONLY, 0o644, dir_fd=at))
    os.close(at)


def has_long_path(folder, names):
    at = os.open(folder, os.O_DIRECTORY)
    try:
        for name in names[:-1]:
            at, above = os.open(name, os.O_DIRECTORY, dir_fd=at), at
            os.close(above)
        return names[-1] in os.listdir(at)
    finally:
        os.close(at)
