"""Small roots, and the ways in which such roots break: each damage says what it must cost, which most often is nothing.

A cost is a set of ("image", name), ("tag", name), ("container", name) and ("host", name), the last for a host configuration whose
container comes over without it.
"""
import json
import os
import random
import shutil

import legacy_tree as lt
from store import chain_of


def images(*names):
    """An image and its tag are lost together."""
    return {(kind, name) for kind in ("image", "tag") for name in names}


def containers(*names):
    return {("container", name) for name in names}


def legacy(root, driver, version):
    """Four images on each other, one alone, and a container on either."""
    tree = lt.LegacyTree(root, driver, version)
    image = None
    for n in range(4):
        entries = [lt.directory(f"d{n}")] + [lt.file(f"d{n}/f{i}", b"%d %d\n" % (n, i) * 50 * (n + 1)) for i in range(3)]
        entries += [lt.whiteout(f"d{n - 1}/f0")] if n else []
        entries += [lt.symlink("to", "d1/f1")] if n == 1 else []
        image = tree.image(entries, parent=image, tags=[f"small:{n}"])
    other = tree.image([lt.file("twin", b"t")], tags=["other:1"])
    tree.container("web", image, ["/d0/f1"], [lt.file("w", b"w"), lt.whiteout("d0/f1")])
    tree.container("lone", other, ["/twin"], [lt.file("x", b"x")])
    return tree.finish()


def write(path, data):
    with open(path, "wb") as out:
        out.write(data if isinstance(data, bytes) else data.encode())


def read(path):
    with open(path, "rb") as file:
        return file.read()


def cut(path, keep=0.5):
    os.truncate(path, int(os.path.getsize(path) * keep))


def orphan(path):
    """A directory of a driver that nothing refers to."""
    os.makedirs(os.path.join(path, "diff" if "overlay2" in path else "root"))
    write(os.path.join(path, "diff" if "overlay2" in path else "root", "lost"), "?")


def cut_repositories(path, last):
    """Ends inside the last name of the file, which is the only one that is lost."""
    text = read(path)
    write(path, text[:text.rindex(last.encode()) + len(last) + 10])


class Content:
    """A content-addressed root: where the parts of its images and containers lie."""

    def __init__(self, root, driver, store, names):
        self.root, self.driver, self.names = root, driver, names
        self.image_ids = store.tags()
        configs, layers, mounts = store.configs(), store.layers(), store.mounts()
        self.chains = {tag: chain_of(configs[image]["rootfs"]["diff_ids"]) for tag, image in self.image_ids.items()}
        self.cache = {tag: layers[chain]["cache-id"] for tag, chain in self.chains.items()}
        self.mount_ids = {name: mounts[container] for name, container in names.items()}

    def at(self, *parts):
        return os.path.join(self.root, *parts)

    def entry(self, tag, name=""):
        return self.at("image", self.driver, "layerdb/sha256", self.chains[tag][7:], name)

    def mount(self, container, name=""):
        return self.at("image", self.driver, "layerdb/mounts", self.names[container], name)

    def config(self, tag):
        return self.at("image", self.driver, "imagedb/content/sha256", self.image_ids[tag][7:])

    def repositories(self):
        return self.at("image", self.driver, "repositories.json")

    def layer(self, tag, name=""):
        return self.at(self.driver, self.cache[tag], name)

    def writable(self, container, kind="mount-id", name=""):
        return self.at(self.driver, self.mount_ids[container][kind], name)

    def container(self, name, file):
        return self.at("containers", self.names[name], file)


def tag_to_nowhere(path, image):
    text = json.loads(read(path))
    text["Repositories"]["ghost"] = {"ghost:1" if image.startswith("sha256:") else "1": image}
    write(path, json.dumps(text, separators=(",", ":")))


# name -> (what breaks, what it costs): of any driver
CONTENT = {
    "diff_empty": (lambda r: write(r.entry("small:1", "diff"), ""), set()),
    "diff_of_another_layer": (lambda r: shutil.copy(r.entry("other:1", "diff"), r.entry("small:0", "diff")), set()),
    "size_empty": (lambda r: write(r.entry("small:2", "size"), ""), set()),
    "size_too_large": (lambda r: write(r.entry("small:0", "size"), "99999999999"), set()),
    "size_negative": (lambda r: write(r.entry("small:3", "size"), "-5"), set()),
    "cache_id_empty": (lambda r: write(r.entry("small:1", "cache-id"), ""), set()),
    "cache_id_of_another_layer": (lambda r: shutil.copy(r.entry("small:1", "cache-id"), r.entry("small:2", "cache-id")), set()),
    "parent_missing": (lambda r: os.unlink(r.entry("small:2", "parent")), set()),
    "parents_in_a_circle": (lambda r: write(r.entry("small:0", "parent"), r.chains["small:3"]), set()),
    "entry_empty": (lambda r: (shutil.rmtree(r.entry("small:2")), os.mkdir(r.entry("small:2"))), set()),
    "entry_missing": (lambda r: shutil.rmtree(r.entry("other:1")), set()),
    "tar_split_missing": (lambda r: os.unlink(r.entry("small:0", "tar-split.json.gz")), set()),
    "tar_split_empty": (lambda r: write(r.entry("small:1", "tar-split.json.gz"), ""), set()),
    "tar_split_cut": (lambda r: cut(r.entry("small:3", "tar-split.json.gz")), set()),
    "tar_split_of_another_layer": (lambda r: shutil.copy(r.entry("small:0", "tar-split.json.gz"),
                                                         r.entry("other:1", "tar-split.json.gz")), set()),
    "config_cut": (lambda r: cut(r.config("small:1")), images("small:1")),
    "config_empty": (lambda r: write(r.config("other:1"), ""), images("other:1")),
    "tag_to_nowhere": (lambda r: tag_to_nowhere(r.repositories(), "sha256:" + "e" * 64), set()),
    "repositories_cut": (lambda r: cut_repositories(r.repositories(), "small:3"), {("tag", "small:3")}),
    "container_cut": (lambda r: cut(r.container("web", "config.v2.json")), containers("web")),
    "host_config_cut": (lambda r: cut(r.container("lone", "hostconfig.json")), {("host", "lone")}),
    "mount_id_empty": (lambda r: write(r.mount("web", "mount-id"), ""), set()),
    "init_id_missing": (lambda r: os.unlink(r.mount("web", "init-id")), set()),
    "mount_parent_missing": (lambda r: os.unlink(r.mount("lone", "parent")), set()),
    "mount_missing": (lambda r: shutil.rmtree(r.mount("lone")), set()),
}

OVERLAY2 = CONTENT | {
    "orphan": (lambda r: orphan(r.at("overlay2", "f" * 64)), set()),
    "directory_missing": (lambda r: shutil.rmtree(r.layer("small:3")), images("small:3") | containers("web")),
    "diff_directory_missing": (lambda r: shutil.rmtree(r.layer("other:1", "diff")), images("other:1") | containers("lone")),
    "link_missing": (lambda r: os.unlink(r.layer("small:1", "link")), set()),
    "link_empty": (lambda r: write(r.layer("small:3", "link"), ""), set()),
    "link_duplicate": (lambda r: shutil.copy(r.layer("small:0", "link"), r.layer("small:2", "link")), set()),
    "lower_missing": (lambda r: os.unlink(r.layer("small:2", "lower")), set()),
    "lower_cut": (lambda r: cut(r.layer("small:3", "lower")), set()),
    "lower_of_a_container_empty": (lambda r: write(r.writable("web", name="lower"), ""), set()),
    "l_missing": (lambda r: shutil.rmtree(r.at("overlay2/l")), set()),
}


def aufs_list(r, tag):
    return r.at("aufs/layers", r.cache[tag])


AUFS = {
    "layers_missing": (lambda r: os.unlink(aufs_list(r, "small:1")), set()),
    "layers_empty": (lambda r: write(aufs_list(r, "small:2"), ""), set()),
    "layers_cut": (lambda r: cut(aufs_list(r, "small:3")), set()),
    "layers_of_another_layer": (lambda r: shutil.copy(aufs_list(r, "small:1"), aufs_list(r, "other:1")), set()),
    "layers_of_a_container_missing": (lambda r: os.unlink(r.at("aufs/layers", r.mount_ids["web"]["mount-id"])), set()),
    "diff_missing": (lambda r: shutil.rmtree(r.at("aufs/diff", r.cache["small:3"])), images("small:3") | containers("web")),
}

# What two cost beyond what each costs: where one is the witness that the other's repair needs.
TOGETHER = {
    frozenset({"config_empty", "entry_missing"}): containers("lone"),
    frozenset({"config_empty", "mount_parent_missing"}): containers("lone"),
    frozenset({"config_empty", "mount_missing"}): containers("lone"),
}


class Graph:
    """A root of Docker 1.9 with the overlay driver."""

    def __init__(self, root, ids, names):
        self.root, self.ids, self.names = root, ids, names

    def at(self, *parts):
        return os.path.join(self.root, *parts)

    def image(self, tag, name=""):
        return self.at("graph", self.ids[tag], name)

    def layer(self, tag):
        return self.at("overlay", self.ids[tag])

    def writable(self, container, name):
        return self.at("overlay", self.names[container], name)

    def container(self, name, file):
        return self.at("containers", self.names[name], file)


def edit_json(path, **values):
    write(path, json.dumps({**json.loads(read(path)), **values}))


SMALL = images("small:0", "small:1", "small:2", "small:3")

GRAPH = {
    "json_empty": (lambda r: write(r.image("small:1", "json"), ""), set()),
    "json_missing": (lambda r: os.unlink(r.image("other:1", "json")), set()),
    "json_cut": (lambda r: cut(r.image("small:2", "json")), set()),
    "json_and_its_copy_cut": (lambda r: (cut(r.image("small:3", "json")), cut(r.image("small:3", "v1Compatibility"))),
                              images("small:3") | containers("web")),
    "parent_cut": (lambda r: write(r.image("small:2", "parent"), r.ids["small:1"][:20]), set()),
    "parent_empty": (lambda r: write(r.image("small:3", "parent"), ""), set()),
    "parents_in_a_circle": (lambda r: edit_json(r.image("small:0", "json"), parent=r.ids["small:3"]), SMALL | containers("web")),
    "parent_gone": (lambda r: shutil.rmtree(r.image("small:2")), images("small:2", "small:3") | containers("web")),
    "layersize_empty": (lambda r: write(r.image("small:1", "layersize"), ""), set()),
    "tar_data_empty": (lambda r: write(r.image("small:2", "tar-data.json.gz"), ""), set()),
    "tar_data_cut": (lambda r: cut(r.image("other:1", "tar-data.json.gz")), set()),
    "tar_data_of_another_layer": (lambda r: shutil.copy(r.image("small:2", "tar-data.json.gz"), r.image("small:1", "tar-data.json.gz")),
                                  set()),
    "directory_missing": (lambda r: shutil.rmtree(r.layer("small:3")), images("small:3") | containers("web")),
    "orphan": (lambda r: orphan(r.at("overlay", "f" * 64)), set()),
    "tag_to_nowhere": (lambda r: tag_to_nowhere(r.at("repositories-overlay"), "e" * 64), set()),
    "repositories_cut": (lambda r: cut_repositories(r.at("repositories-overlay"), '"other":{"1":"'), {("tag", "other:1")}),
    "container_cut": (lambda r: cut(r.container("web", "config.json")), containers("web")),
    "host_config_cut": (lambda r: cut(r.container("lone", "hostconfig.json")), {("host", "lone")}),
    "lower_id_missing": (lambda r: os.unlink(r.writable("lone", "lower-id")), set()),
    "lower_id_of_another_layer": (lambda r: write(r.writable("web", "lower-id"), r.ids["other:1"]), set()),
    "linkgraph_garbage": (lambda r: write(r.at("linkgraph.db"), random.Random(1).randbytes(4096)), set()),
}
