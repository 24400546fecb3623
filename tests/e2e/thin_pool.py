"""Turns the layers of a vfs root into a devicemapper root, without the kernel's device-mapper: ext4 images whose blocks are
scattered over `data`, and metadata by thin_restore."""
import json
import os
import shutil
import subprocess

BLOCK, BYTES = 64 << 10, 32 << 20


def _image(where, tree):
    """An ext4 image with `tree` as its rootfs; None makes an empty file system, as the base device is."""
    with open(where, "wb") as file:
        file.truncate(BYTES)
    subprocess.run(["mkfs.ext4", "-q", where], check=True)
    if tree is not None:
        mounted = where + ".mounted"
        os.mkdir(mounted)
        subprocess.run(["mount", "-o", "loop", where, mounted], check=True)
        try:
            subprocess.run(["cp", "-a", tree, mounted + "/rootfs"], check=True)
        finally:
            subprocess.run(["umount", mounted], check=True)
            os.rmdir(mounted)


def from_vfs(root):
    """`root` as if the engine that wrote it had used devicemapper."""
    home = root + "/devicemapper"
    os.makedirs(home + "/devicemapper")
    os.mkdir(home + "/metadata")
    layers = sorted(os.listdir(root + "/vfs/dir"))
    devices, used, image = [], 0, home + "/image"
    with open(home + "/devicemapper/data", "wb") as data:
        for number, layer in enumerate([None] + layers, 1):
            _image(image, layer and f"{root}/vfs/dir/{layer}")
            mappings = []
            with open(image, "rb") as blocks:
                for at in range(BYTES // BLOCK):
                    block = blocks.read(BLOCK)
                    if any(block):
                        to = used ^ 1                   # no block lies beside its neighbour
                        used += 1
                        data.seek(to * BLOCK)
                        data.write(block)
                        mappings.append((at, to))
            devices.append((number, mappings))
            with open(f"{home}/metadata/{layer or 'base'}", "w") as out:
                json.dump({"device_id": number, "size": BYTES, "transaction_id": number, "initialized": layer is None, "deleted": False}, out,
                          separators=(",", ":"))
        data.truncate((used + 1) * BLOCK)
    os.unlink(image)
    with open(home + "/pool.xml", "w") as xml:
        xml.write(f'<superblock uuid="" time="0" transaction="{len(devices)}" flags="0" version="2" data_block_size="{BLOCK // 512}" '
                  f'nr_data_blocks="{used + 1}">\n')
        for number, mappings in devices:
            xml.write(f'<device dev_id="{number}" mapped_blocks="{len(mappings)}" transaction="0" creation_time="0" snap_time="0">\n')
            xml.writelines(f'<single_mapping origin_block="{at}" data_block="{to}" time="0"/>\n' for at, to in mappings)
            xml.write("</device>\n")
        xml.write("</superblock>\n")
    with open(home + "/devicemapper/metadata", "wb") as file:
        file.truncate(2 << 20)
    subprocess.run(["thin_restore", "-i", home + "/pool.xml", "-o", home + "/devicemapper/metadata"], check=True, stdout=subprocess.DEVNULL)
    os.unlink(home + "/pool.xml")
    shutil.rmtree(root + "/vfs")
    os.rename(root + "/repositories-vfs", root + "/repositories-devicemapper")
    for container in os.listdir(root + "/containers"):
        with open(f"{root}/containers/{container}/config.json", "r+") as file:
            config = file.read().replace('"Driver":"vfs"', '"Driver":"devicemapper"')
            file.seek(0)
            file.write(config)
    return root
