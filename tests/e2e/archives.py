"""Image archives made by hand: docker-archive of today and of before 1.10, OCI layouts, with any compression."""
import bz2
import gzip
import hashlib
import io
import json
import lzma
import os
import shutil
import subprocess
import tarfile

from legacy_tree import layer_tar

CREATED = "2021-05-06T07:08:09Z"
MEDIA = "application/vnd.oci.image."


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def compress(data, how):
    if how == "zstd":
        return subprocess.run(["zstd", "-q", "-c"], input=data, stdout=subprocess.PIPE, check=True).stdout
    return {"none": lambda d: d, "gzip": lambda d: gzip.compress(d, mtime=0), "bzip2": bz2.compress, "xz": lzma.compress}[how](data)


class Image:
    """Layers (lists of legacy_tree entries, or tar bytes) and a configuration that fits them."""

    def __init__(self, layers, cmd=("/bin/sh",), **config):
        self.layers = [layer if isinstance(layer, bytes) else layer_tar(layer) for layer in layers]
        self.cmd = list(cmd)
        self.config = json.dumps({
            "architecture": "amd64", "config": {"Cmd": self.cmd, "Env": ["PATH=/bin"]} | config, "created": CREATED, "os": "linux",
            "history": [{"created": CREATED, "created_by": f"layer {n}"} for n in range(len(self.layers))],
            "rootfs": {"type": "layers", "diff_ids": ["sha256:" + sha256(layer) for layer in self.layers]},
        }).encode()
        self.id = "sha256:" + sha256(self.config)


def tar_of(members):
    """A tar of (name, bytes) or (name, "-> target")."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, data in members:
            info = tarfile.TarInfo(name)
            if isinstance(data, str):
                info.type, info.linkname = tarfile.SYMTYPE, data.removeprefix("-> ")
                tar.addfile(info)
            else:
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def docker_archive(images, compression="none"):
    """`docker save` of 1.10 to 24; `images`: (Image, tags) pairs."""
    members, manifest, seen = [], [], set()
    for image, tags in images:
        names = []
        for layer in image.layers:
            name = f"{sha256(layer)}/layer.tar"
            names.append(name)
            if name not in seen:
                seen.add(name)
                members.append((name, compress(layer, compression)))
        config = image.id.removeprefix("sha256:") + ".json"
        members.append((config, image.config))
        manifest.append({"Config": config, "RepoTags": list(tags), "Layers": names})
    return tar_of(members + [("manifest.json", json.dumps(manifest).encode())])


def old_archive(images):
    """`docker save` before 1.10: one directory per v1 image, and `repositories`."""
    members, repositories = [], {}
    for image, tags in images:
        parent = None
        for n, layer in enumerate(image.layers):
            v1_id = sha256(f"{parent} {n}".encode() + layer)
            values = {"id": v1_id, "created": CREATED, "container_config": {"Cmd": [f"step {n}"]}, "docker_version": "1.8.1",
                      "config": {"Cmd": image.cmd}, "architecture": "amd64", "os": "linux", "Size": 0} | ({"parent": parent} if parent else {})
            members += [(f"{v1_id}/VERSION", b"1.0"), (f"{v1_id}/json", json.dumps(values).encode()), (f"{v1_id}/layer.tar", layer)]
            parent = v1_id
        for tag in tags:
            repository, _, name = tag.rpartition(":")
            repositories.setdefault(repository, {})[name] = parent
    return tar_of(members + [("repositories", json.dumps(repositories).encode())])


def oci_layout(where, images, compression="gzip"):
    """An OCI layout directory; `images`: (Image, ref name) pairs."""
    os.makedirs(f"{where}/blobs/sha256")

    def blob(data, kind, **more):
        with open(f"{where}/blobs/sha256/{sha256(data)}", "wb") as out:
            out.write(data)
        return {"mediaType": MEDIA + kind, "digest": "sha256:" + sha256(data), "size": len(data)} | more

    suffix = {"none": "", "gzip": "+gzip", "zstd": "+zstd"}[compression]
    entries = []
    for image, name in images:
        layers = [blob(compress(layer, compression), "layer.v1.tar" + suffix) for layer in image.layers]
        manifest = {"schemaVersion": 2, "mediaType": MEDIA + "manifest.v1+json", "config": blob(image.config, "config.v1+json"), "layers": layers}
        entries.append(blob(json.dumps(manifest).encode(), "manifest.v1+json", annotations={"org.opencontainers.image.ref.name": name}))
    with open(f"{where}/oci-layout", "w") as out:
        out.write('{"imageLayoutVersion":"1.0.0"}')
    with open(f"{where}/index.json", "w") as out:
        json.dump({"schemaVersion": 2, "manifests": entries}, out)
    return where


def oci_tar(where, images, compression="gzip"):
    """The same as one tar file's bytes."""
    oci_layout(where, images, compression)
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        tar.add(where, ".")
    shutil.rmtree(where)
    return out.getvalue()
