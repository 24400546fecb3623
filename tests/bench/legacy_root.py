"""A data root of Docker 1.9 with vfs out of a docker-archive: what cairn loads of it, directories and records moved to their old places."""
import glob
import json
import os
import shutil

from contest import sh


def legacy_root(cairn, archive, work):
    root, store = work + "/legacy", work + "/loaded"
    sh(cairn, "--root", store, "-s", "vfs", "load", "-q", "-i", archive)
    for folder in ("graph", "vfs", "containers"):
        os.makedirs(f"{root}/{folder}")
    os.rename(f"{store}/vfs/dir", f"{root}/vfs/dir")
    chains, ids = {}, {}
    for path in glob.glob(f"{store}/image/vfs/layerdb/sha256/*"):
        chains["sha256:" + os.path.basename(path)] = (_read(f"{path}/cache-id"), _read(f"{path}/parent"))
    for chain, (cache_id, parent) in chains.items():
        folder = f"{root}/graph/{cache_id}"
        os.mkdir(folder)
        shutil.copy(f"{store}/image/vfs/layerdb/sha256/{chain[7:]}/tar-split.json.gz", f"{folder}/tar-data.json.gz")
        values = {"id": cache_id, "created": "2015-11-11T10:20:30Z", "docker_version": "1.9.1", "architecture": "amd64", "os": "linux"}
        with open(f"{folder}/json", "w") as out:
            json.dump(values | ({"parent": chains[parent][0]} if parent else {}), out)
        ids[chain] = cache_id
    top = next(chain for chain in chains if chain not in {parent for _, parent in chains.values()})
    with open(f"{root}/repositories-vfs", "w") as out:
        json.dump({"Repositories": {"bench/big": {"latest": ids[top]}}}, out)
    shutil.rmtree(store)
    return root


def _read(path):
    if not os.path.exists(path):
        return None
    with open(path) as file:
        return file.read()
