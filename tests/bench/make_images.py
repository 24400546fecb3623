#!/usr/bin/env python3
"""make_images.py OUT [SCALE]   writes the image set that commands.py times programs on.

OUT/big.tar   a docker-archive (plain layers), OUT/oci   the same image as OCI layout (gzipped layers): six layers, many small
files, large texts, incompressible bytes, deletions. Needs no network; the bytes depend on SCALE alone (default 1: about 0.5 GB,
40 000 files).
"""
import os
import random
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "e2e"))
import archives  # noqa: E402
import legacy_tree as lt  # noqa: E402


def text_pool(rng):
    words = ["".join(rng.choices("etaoinshrdlucmfw", k=rng.randrange(2, 11))) for _ in range(4000)]
    return " ".join(rng.choices(words, weights=[1 / (n + 5) for n in range(len(words))], k=800_000)).encode()


def files(rng, pool, top, count, smallest, largest):
    """`count` files of compressible text, a hundred to a folder; sizes spread evenly over their order of magnitude."""
    entries = [lt.directory(top)]
    for n in range(count):
        if n % 100 == 0:
            entries.append(lt.directory(f"{top}/{n // 100:04d}"))
        size = int(smallest * (largest / smallest) ** rng.random())
        data = b""
        while len(data) < size:
            start = rng.randrange(len(pool))
            data += pool[start:start + min(size - len(data), 1 << 20)]
        entries.append(lt.file(f"{top}/{n // 100:04d}/{n}.txt", data, mode=0o755 if n % 9 == 0 else 0o644))
    return entries


def layers(scale):
    rng = random.Random(11)
    pool = text_pool(rng)
    yield files(rng, pool, "usr", int(8000 * scale), 200, 150_000)
    yield files(rng, pool, "lib", int(300 * scale), 50_000, 4_000_000)
    yield [lt.directory("usr")] + [lt.whiteout(f"usr/{n:04d}") for n in range(3)] + [lt.directory("usr/0004"), lt.opaque("usr/0004"),
                                                                                    lt.file("usr/0004/kept", b"k")]
    yield files(rng, pool, "srv", int(30_000 * scale), 50, 3000)
    yield [lt.file("model.bin", rng.randbytes(int(100e6 * scale)))]
    yield [lt.directory("etc"), lt.file("etc/app.conf", b"mode=prod\n")]


def write_archive(path, scale=1.0):
    image = archives.Image([lt.layer_tar(entries) for entries in layers(scale)])
    with open(path, "wb") as archive:
        archive.write(archives.docker_archive([(image, ["bench/big:latest"])]))
    return image


def main(out, scale=1.0):
    os.makedirs(out)
    image = write_archive(f"{out}/big.tar", scale)
    archives.oci_layout(f"{out}/oci", [(image, "bench/big:latest")])


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    main(sys.argv[1], *map(float, sys.argv[2:]))
