"""Legacy trees the cases share: one with everything a layer can hold, one small and quick."""
import tarfile

import legacy_tree as lt
from harness import BUSYBOX

# cap_net_raw+ep, as the kernel stores it
CAPABILITY = bytes.fromhex("0100000200200000000000000000000000000000")


def busybox():
    with open(BUSYBOX, "rb") as program:
        return program.read()


def everything(root, driver, version):
    """Images with a program to run and every odd thing; containers created, stopped, changed; a dangling and an empty image."""
    tree = lt.LegacyTree(root, driver, version)
    base = tree.image([
        lt.directory("bin"), lt.file("bin/busybox", busybox(), mode=0o755), lt.hardlink("bin/sh", "bin/busybox", mode=0o755),
        lt.symlink("bin/ls", "busybox"), lt.directory("etc"), lt.file("etc/passwd", b"root:x:0:0::/:/bin/sh\n"),
        lt.directory("tmp", mode=0o1777), lt.directory("data"), lt.file("data/gone", b"deleted later\n"),
        lt.directory("data/full"), lt.file("data/full/a", b"a"), lt.file("data/full/b", b"b"),
        lt.directory("data/swap"), lt.file("data/swap/inside", b"x"), lt.file("data/plain", b"becomes a directory"),
    ], tags=["local/base:1", "local/base:latest", "base:1"], cmd=["/bin/sh"])
    odd = tree.image([
        lt.directory("odd"), lt.file("odd/setuid", b"#!", mode=0o4755), lt.file("odd/setgid", b"#!", mode=0o2755, uid=1000, gid=50),
        lt.file("odd/big-owner", b"o", uid=2200000, gid=2200001), lt.file("odd/caps", b"caps", xattrs={"security.capability": CAPABILITY}),
        lt.file("odd/new\nline", b"n"), lt.file("odd/latin1-\udce9", b"e"), lt.file("odd/" + "n" * 255, b"long"),
        lt.file("odd/back\\slash \"quoted\" <&>", b"q"), lt.fifo("odd/fifo"), lt.device("odd/null", 1, 3),
        lt.device("odd/loop", 7, 0, kind=tarfile.BLKTYPE), lt.file("odd/zeros", bytes(3 << 20)), lt.symlink("odd/dangling", "/no/where"),
        lt.file("odd/epoch", b"0", mtime=0), lt.file("odd/after-2038", b"1", mtime=4102444800), lt.file("odd/read-only", b"r", mode=0),
        lt.hardlink("odd/caps-again", "odd/caps"),
    ], parent=base, tags=["local/odd:1", "localhost:5000/team/odd:v1"], cmd=["/bin/sh", "-c", "echo odd"])
    edited = tree.image([
        lt.whiteout("data/gone"), lt.directory("data"), lt.whiteout("data/full/a"),
        lt.whiteout("data/swap"), lt.whiteout("data/plain"),
    ], parent=odd, comment="deletes")
    replaced = tree.image([
        lt.file("data/swap", b"now a file"), lt.directory("data/plain", mode=0o750), lt.file("data/plain/in", b"in"),
        lt.file("data/full/c", b"c"), lt.file("bin/sh-note", b"note"),
    ], parent=edited, tags=["local/app:1", "local/app:latest"], cmd=["/bin/busybox", "cat", "/data/swap"])
    empty = tree.image([], parent=replaced, tags=["local/app:env"], cmd=["/bin/busybox", "echo", "from an empty layer"])
    tree.image([lt.file("alone", b"no parent")], comment="dangling, imported")
    tree.container("stopped", replaced, ["/bin/busybox", "cat", "/data/swap", "/written"],
                   [lt.file("written", b"by the container\n"), lt.whiteout("data/full/b")])
    tree.container("created", empty, ["/bin/busybox", "echo", "first start"])
    return tree.finish()


def small(root, driver="vfs", version="1.9.1", layers=4):
    """A few small layers and one container: quick to migrate, for cases that do it many times."""
    tree = lt.LegacyTree(root, driver, version)
    image = None
    for n in range(layers):
        entries = [lt.directory(f"d{n}")] + [lt.file(f"d{n}/f{i}", b"%d %d\n" % (n, i) * 50) for i in range(12)]
        image = tree.image(entries + ([lt.whiteout(f"d{n - 1}/f0")] if n else []), parent=image, tags=[f"small:{n}"])
    tree.image([lt.file("twin", b"t")], tags=["other:1"])
    tree.container("web", image, ["/d0/f1"], [lt.file("w", b"w")])
    return tree.finish()
