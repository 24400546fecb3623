"""The whole tree of a layer in the store of a driver, read without cairn and without an engine."""
import os
import shutil
import subprocess

from harness import tree_as_tar, without_init


def tree_of(root, driver, layer, scratch):
    """Listing of a layer, as of a tar of it, without what engines put into every container. `scratch`: an empty directory."""
    if driver == "aufs":
        return without_init(tree_as_tar(_united(root + "/aufs", layer, scratch)))
    if driver != "overlay":
        return without_init(tree_as_tar(f"{root}/{ {'vfs': 'vfs/dir', 'btrfs': 'btrfs/subvolumes'}[driver] }/{layer}"))
    home = f"{root}/overlay/{layer}"
    if os.path.isdir(home + "/root"):
        return without_init(tree_as_tar(home + "/root"))
    with open(home + "/lower-id") as lower:
        below = f"{root}/overlay/{lower.read()}/root"
    subprocess.run(["mount", "-t", "overlay", "overlay", "-o", f"ro,lowerdir={home}/upper:{below}", scratch], check=True)
    try:
        return without_init(tree_as_tar(scratch))
    finally:
        subprocess.run(["umount", scratch], check=True)


def _united(home, layer, into):
    """What the kernel's aufs would show: branch upon branch, each hiding what its marks name."""
    with open(f"{home}/layers/{layer}") as parents:
        branches = [layer] + parents.read().split()
    for branch in reversed(branches):
        _lay(f"{home}/diff/{branch}", into)
    return into


def _lay(branch, into):
    """Puts a branch over what is in `into`: first away with what it hides, then its files, whose marks go too."""
    marks = []
    for top, dirs, files in os.walk(branch):
        place = os.path.join(into, os.path.relpath(top, branch))
        if top == branch:
            dirs[:] = [name for name in dirs if not name.startswith(".wh..wh.")]
        for name in dirs + files:
            if name == ".wh..wh..opq":
                for below in os.listdir(place) if os.path.isdir(place) else []:
                    _remove(os.path.join(place, below))
            elif name.startswith(".wh."):
                _remove(os.path.join(place, name.removeprefix(".wh.")))
            elif name not in dirs or os.path.islink(os.path.join(top, name)) or not _is_dir(os.path.join(place, name)):
                _remove(os.path.join(place, name))
        marks += [(place, name, os.stat(top).st_mtime_ns) for name in dirs + files if name.startswith(".wh.")]
    archive = subprocess.Popen(["tar", "--xattrs", "--xattrs-include=*", "--numeric-owner", "--exclude=./.wh..wh.*", "-C", branch, "-cf", "-", "."],
                               stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    subprocess.run(["tar", "--xattrs", "--xattrs-include=*", "--numeric-owner", "-C", into, "-xpf", "-"], stdin=archive.stdout, check=True,
                   stderr=subprocess.DEVNULL)
    archive.stdout.close()
    assert archive.wait() == 0, f"tar of {branch}"
    for place, name, mtime in marks:
        _remove(os.path.join(place, name))
        os.utime(place, ns=(mtime, mtime))


def _is_dir(path):
    return os.path.isdir(path) and not os.path.islink(path)


def _remove(path):
    if _is_dir(path):
        shutil.rmtree(path)
    elif os.path.lexists(path):
        os.unlink(path)
