"""Images to be put into registries: layers that do not compress, platforms, and what engines say of a root."""
import json
import random

import archives
import legacy_tree as lt
from registry import digest_of


def layer(name, size=60_000, files=6):
    """The same bytes for the same name, in files of its own directory."""
    data = random.Random(name).randbytes(size)
    part = len(data) // files
    return lt.layer_tar([lt.directory(name)] + [lt.file(f"{name}/{n}", data[n * part:(n + 1) * part]) for n in range(files)])


def stack(*names, size=60_000, **config):
    return archives.Image([layer(name, size) for name in names], **config)


def built_for(image, architecture, variant=None, os="linux"):
    """The same for another platform."""
    other = archives.Image(image.layers, image.cmd)
    other.config = json.dumps(json.loads(image.config) | {"architecture": architecture, "os": os} | ({"variant": variant} if variant else {})).encode()
    other.id = digest_of(other.config)
    return other


def platform(architecture, variant=None, os="linux"):
    return {"architecture": architecture, "os": os} | ({"variant": variant} if variant else {})


def repo_digests(dockerd):
    """Lines of what an engine has, and by which digest it knows them."""
    return set(dockerd.lines("images", "--all", "--digests", "--no-trunc", "--format", IMAGES_FORMAT))


IMAGES_FORMAT = "{{.Repository}} {{.Tag}} {{.Digest}} {{.ID}}"
