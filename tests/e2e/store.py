"""Reads a content-addressed data root by itself, to be compared with what cairn or an engine says of it."""
import gzip
import hashlib
import json
import os

EMPTY_TAR = "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef"


def chain_of(diff_ids):
    """ChainID of a stack of DiffIDs, base first; None for no layer."""
    chain = None
    for diff in diff_ids:
        chain = diff if chain is None else "sha256:" + hashlib.sha256(f"{chain} {diff}".encode()).hexdigest()
    return chain


def _read(*parts):
    path = os.path.join(*parts)
    if not os.path.exists(path):
        return None
    with open(path, newline="") as f:
        return f.read()


class Store:
    def __init__(self, root, driver):
        self.root, self.driver = root, driver
        self.image = os.path.join(root, "image", driver)
        self.layerdb = os.path.join(self.image, "layerdb")
        self.home = os.path.join(root, driver)

    def configs(self):
        """image ID -> configuration; every content file must have its name's hash."""
        folder = os.path.join(self.image, "imagedb/content/sha256")
        found = {}
        for name in os.listdir(folder) if os.path.isdir(folder) else []:
            if len(name) != 64:          # engines skip what is no hash; problems() tells
                continue
            with open(os.path.join(folder, name), "rb") as f:
                data = f.read()
            assert hashlib.sha256(data).hexdigest() == name, f"imagedb holds other bytes than {name} says"
            found["sha256:" + name] = json.loads(data)
        return found

    def parents(self):
        folder = os.path.join(self.image, "imagedb/metadata/sha256")
        names = os.listdir(folder) if os.path.isdir(folder) else []
        return {"sha256:" + n: p for n in names if (p := _read(folder, n, "parent")) is not None}

    def layers(self):
        """ChainID -> {diff, size, cache-id, parent}, as written."""
        folder = os.path.join(self.layerdb, "sha256")
        names = os.listdir(folder) if os.path.isdir(folder) else []
        return {"sha256:" + n: {key: _read(folder, n, key) for key in ("diff", "size", "cache-id", "parent")} for n in names}

    def tar_split(self, chain):
        with gzip.open(os.path.join(self.layerdb, "sha256", chain.removeprefix("sha256:"), "tar-split.json.gz")) as f:
            return [json.loads(line) for line in f.read().splitlines()]

    def tags(self):
        text = _read(self.image, "repositories.json")
        repositories = json.loads(text)["Repositories"] if text else {}
        return {ref: image for refs in repositories.values() for ref, image in refs.items()}

    def mounts(self):
        folder = os.path.join(self.layerdb, "mounts")
        names = os.listdir(folder) if os.path.isdir(folder) else []
        return {n: {key: _read(folder, n, key) for key in ("mount-id", "init-id", "parent")} for n in names}

    def containers(self):
        folder = os.path.join(self.root, "containers")
        names = os.listdir(folder) if os.path.isdir(folder) else []
        return {n: json.loads(text) for n in names if (text := _read(folder, n, "config.v2.json")) is not None}

    def driver_dirs(self):
        folder = os.path.join(self.home, {"vfs": "dir", "btrfs": "subvolumes", "aufs": "diff", "devicemapper": "metadata"}.get(self.driver, ""))
        no_layers = {"l", "base", "deviceset-metadata", "transaction-metadata"}
        return set(os.listdir(folder)) - no_layers if os.path.isdir(folder) else set()

    def identity(self):
        """What must be equal on every machine and after every detour; cache-ids and sizes are not."""
        return {
            "configs": self.configs(), "parents": self.parents(), "tags": self.tags(),
            "layers": {chain: (layer["diff"], layer["parent"]) for chain, layer in self.layers().items()},
            "mounts": {name: mount["parent"] for name, mount in self.mounts().items()},
            "containers": self.containers(),
        }

    def kept(self):
        """Complete layers of a pull that was stopped, for the next one to go on with: trace -> driver directories."""
        top, found = f"{self.image}/layerdb/tmp", {}
        for name in os.listdir(top) if os.path.isdir(top) else ():
            if os.path.exists(f"{top}/{name}/kept"):
                with open(f"{top}/{name}/driver-ids") as ids:
                    found[name] = ids.read().split()
        return found

    def problems(self):
        """Everything that is half done, dangling or unknown in here, as lines of text; a store in order has none."""
        found = []
        layers, mounts = self.layers(), self.mounts()
        for chain, layer in layers.items():
            found += [f"layer {chain} lacks {key}" for key in ("diff", "size", "cache-id") if not layer[key]]
            if layer["parent"] and layer["parent"] not in layers:
                found.append(f"layer {chain} lies on {layer['parent']}, which is not there")
            if layer["diff"] and chain_of(filter(None, [layer["parent"], layer["diff"]])) != chain:
                found.append(f"layer {chain} is not the chain of its parent and diff")
        for image, config in self.configs().items():
            top = chain_of(config["rootfs"].get("diff_ids") or [])
            if top and top not in layers:
                found.append(f"image {image} lacks layer {top}")
        found += [f"{child} names {parent} as parent, which is not there" for child, parent in self.parents().items()
                  if parent not in self.configs() or child not in self.configs()]
        found += [f"tag {tag} names {image}, which is not there" for tag, image in self.tags().items() if image not in self.configs()]
        known = {layer["cache-id"] for layer in layers.values()} | {f".cairn-{name}" for names in self.kept().values() for name in names}
        for name, mount in mounts.items():
            known |= {mount["mount-id"], mount["init-id"]} - {None}
            if mount["parent"] and mount["parent"] not in layers:
                found.append(f"mount {name} lies on {mount['parent']}, which is not there")
        found += [f"{self.driver} directory {d} belongs to nothing" for d in self.driver_dirs() - known]
        found += [f"{self.driver} directory {d} is missing" for d in known - self.driver_dirs()]
        for top, dirs, files in os.walk(self.image):
            if os.path.basename(top) == "tmp":
                found += [f"left in {top}: {name}" for name in dirs + files if name not in self.kept()]
                dirs[:] = [name for name in dirs if name not in self.kept()]
            found += [f"left: {top}/{name}" for name in dirs + files if name.startswith((".tmp", ".cairn")) or name.endswith("-removing")]
        return found + (self._overlay2_problems() if self.driver == "overlay2" else [])

    def _overlay2_problems(self):
        found, links = [], {}
        folder = os.path.join(self.home, "l")
        for name in os.listdir(folder) if os.path.isdir(folder) else []:
            target = os.readlink(os.path.join(folder, name))
            links[name] = target
            if not os.path.isdir(os.path.join(folder, target)):
                found.append(f"overlay2 link l/{name} -> {target} dangles")
        for name in self.driver_dirs():
            link = _read(self.home, name, "link")
            if not link or links.get(link) != f"../{name}/diff":
                found.append(f"overlay2 directory {name} has link {link!r}, which leads to {links.get(link)!r}")
            lower = _read(self.home, name, "lower")
            for part in lower.split(":") if lower is not None else []:
                if part.removeprefix("l/") not in links:
                    found.append(f"overlay2 directory {name} lies on {part!r}, which is not there")
        if len(links) != len(self.driver_dirs()):
            found.append(f"overlay2 links: {len(links)} for {len(self.driver_dirs())} directories")
        return found
