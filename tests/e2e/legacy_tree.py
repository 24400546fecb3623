"""Writes a data root as Docker 0.7 to 1.9 left it, of any shape a test wants, with the vfs, btrfs, aufs or overlay (v1) driver.

    tree = LegacyTree(root, driver="overlay", version="1.9.1")
    base = tree.image([file("bin/hello", b"...", mode=0o755)], cmd=["/bin/hello"], tags=["base:latest"])
    child = tree.image([whiteout("bin/hello")], parent=base)
    tree.container("web", child, ["/bin/sh"], [file("written", b"...")])
    tree.finish()

Images by 1.8 and later carry tar-split data, so their DiffIDs are known beforehand (tree.diff_ids); older ones carry none.
"""
import base64
import gzip
import hashlib
import io
import json
import os
import shutil
import sqlite3
import stat
import subprocess
import tarfile

MTIME = 1400000000
IDS = (f"{hashlib.sha256(b'v1 id %d' % n).hexdigest()}" for n in range(1 << 20))
EMPTY_TAR = bytes(1024)


# --- entries of a layer -------------------------------------------------------------------------------------------------

def _info(name, kind, mode, uid=0, gid=0, mtime=MTIME, **more):
    info = tarfile.TarInfo(name)
    info.type, info.mode, info.uid, info.gid, info.mtime = kind, mode, uid, gid, mtime
    for key, value in more.items():
        setattr(info, key, value)
    return info


def file(name, data=b"", mode=0o644, xattrs=None, **more):
    headers = {f"SCHILY.xattr.{key}": value.decode("utf-8", "surrogateescape") for key, value in (xattrs or {}).items()}
    return _info(name, tarfile.REGTYPE, mode, size=len(data), pax_headers=headers, **more), data


def directory(name, mode=0o755, **more):
    return _info(name, tarfile.DIRTYPE, mode, **more), b""


def symlink(name, target, **more):
    return _info(name, tarfile.SYMTYPE, 0o777, linkname=target, **more), b""


def hardlink(name, target, mode=0o644, **more):
    return _info(name, tarfile.LNKTYPE, mode, linkname=target, **more), b""


def device(name, major, minor, kind=tarfile.CHRTYPE, **more):
    return _info(name, kind, 0o600, devmajor=major, devminor=minor, **more), b""


def fifo(name, **more):
    return _info(name, tarfile.FIFOTYPE, 0o640, **more), b""


def whiteout(name):
    folder, _, base = name.rpartition("/")
    return file((folder + "/" if folder else "") + ".wh." + base)


def opaque(folder):
    return file(folder + "/.wh..wh..opq")


def layer_tar(entries):
    if not entries:
        return EMPTY_TAR
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT, encoding="utf-8", errors="surrogateescape") as tar:
        for info, data in entries:
            tar.addfile(info, io.BytesIO(data))
    data = out.getvalue().rstrip(b"\0")
    return data + bytes(-len(data) % 512 + 1024)


# --- tar-split ----------------------------------------------------------------------------------------------------------

def _crc_table():
    for byte in range(256):
        for _ in range(8):
            byte = (byte >> 1) ^ (0xD800000000000000 if byte & 1 else 0)
        yield byte


CRC_TABLE = list(_crc_table())
_crc_known = {}


def crc64(data):
    key = hashlib.sha256(data).digest()
    if key not in _crc_known:
        crc = (1 << 64) - 1
        for byte in data:
            crc = CRC_TABLE[(crc ^ byte) & 0xFF] ^ (crc >> 8)
        _crc_known[key] = (crc ^ ((1 << 64) - 1)).to_bytes(8, "big")
    return _crc_known[key]


def tar_split(data):
    """The JSON lines Docker 1.8 and later keep of a layer tar, gzipped."""
    lines, position = [], 0

    def add(entry):
        lines.append(json.dumps({**entry, "position": len(lines)}, separators=(",", ":"), ensure_ascii=False))

    def segment(end):
        if end > position:
            add({"type": 2, "payload": base64.b64encode(data[position:end]).decode()})

    with tarfile.open(fileobj=io.BytesIO(data), encoding="utf-8", errors="surrogateescape") as tar:
        for member in tar:
            segment(member.offset_data)
            position = member.offset_data
            name = member.name + "/" * member.isdir()
            entry = {"type": 1}
            try:
                name.encode()
                entry["name"] = name
            except UnicodeEncodeError:
                entry["name_raw"] = base64.b64encode(name.encode("utf-8", "surrogateescape")).decode()
            if member.size:
                entry["size"] = member.size
                entry["payload"] = base64.b64encode(crc64(data[position:position + member.size])).decode()
                position += member.size
            else:
                entry["payload"] = None
            add(entry)
    segment(len(data))
    return gzip.compress(("\n".join(lines) + "\n").encode(), mtime=0)


# --- applying a layer, as an engine would -------------------------------------------------------------------------------

def apply(entries, root):
    """Puts a layer's entries into the whole tree at `root`: nothing is changed in place, since `root` may share inodes."""
    folders = {}
    for info, data in entries:
        path = os.path.join(os.fsencode(root), os.fsencode(info.name.rstrip("/")))
        folder, base = os.path.split(path)
        _keep_time(folder, folders)
        if base == b".wh..wh..opq":
            for name in os.listdir(folder):
                _remove(os.path.join(folder, name))
        elif base.startswith(b".wh."):
            _remove(os.path.join(folder, base[4:]))
        else:
            _create(info, data, path, root)
            if info.isdir():
                folders[path] = int(info.mtime * 1e9)
    for path, mtime in folders.items():
        if os.path.isdir(path):
            os.utime(path, ns=(mtime, mtime))


def _keep_time(folder, folders):
    if not os.path.isdir(folder):
        _keep_time(os.path.dirname(folder), folders)
        os.mkdir(folder, 0o755)
        folders.setdefault(folder, MTIME * 10**9)
    folders.setdefault(folder, os.stat(folder).st_mtime_ns)


def _remove(path):
    if os.path.islink(path) or not os.path.isdir(path):
        if os.path.lexists(path):
            os.unlink(path)
    else:
        shutil.rmtree(path)


def _create(info, data, path, root):
    if not (info.isdir() and os.path.isdir(path) and not os.path.islink(path)):
        _remove(path)
        if info.isreg():
            with open(path, "wb") as out:
                out.write(data)
        elif info.isdir():
            os.mkdir(path)
        elif info.issym():
            os.symlink(os.fsencode(info.linkname), path)
        elif info.islnk():
            os.link(os.path.join(os.fsencode(root), os.fsencode(info.linkname)), path, follow_symlinks=False)
            return
        elif info.isfifo():
            os.mkfifo(path)
        else:
            os.mknod(path, (stat.S_IFCHR if info.ischr() else stat.S_IFBLK) | 0o600, os.makedev(info.devmajor, info.devminor))
    os.chown(path, info.uid, info.gid, follow_symlinks=False)
    for key, value in info.pax_headers.items():
        if key.startswith("SCHILY.xattr."):
            os.setxattr(path, key.removeprefix("SCHILY.xattr."), value.encode("utf-8", "surrogateescape"), follow_symlinks=False)
    if not info.issym():
        os.chmod(path, info.mode)
    os.utime(path, ns=(int(info.mtime * 1e9),) * 2, follow_symlinks=False)


# --- metadata -----------------------------------------------------------------------------------------------------------

def _config(version, **values):
    """A Config object with the fields and the order of `version`."""
    old, middle = version < (1, 0), version < (1, 8)
    config = {"Hostname": "", "Domainname": "", "User": ""}
    if middle:
        config |= {"Memory": 0, "MemorySwap": 0, "CpuShares": 0} | ({} if old else {"Cpuset": ""})
    config |= {"AttachStdin": False, "AttachStdout": False, "AttachStderr": False}
    config |= {"PortSpecs": None, "ExposedPorts": None} if middle else {}
    config |= {"Tty": False, "OpenStdin": False, "StdinOnce": False, "Env": None, "Cmd": None} | ({"Dns": None} if old else {})
    config |= {"Image": "", "Volumes": None} | ({"VolumesFrom": ""} if old else {}) | {"WorkingDir": "", "Entrypoint": None}
    if middle:
        config["NetworkDisabled"] = False
    config["OnBuild"] = None
    if not old:
        config["Labels"] = None
    return config | values


class LegacyTree:
    def __init__(self, root, driver="vfs", version="1.9.1"):
        self.root, self.driver, self.version = str(root), driver, version
        self.number = tuple(int(part) for part in version.split("."))
        self.with_tar_split = self.number >= (1, 8)
        self.diff_ids, self.parent_of, self.repositories, self.names = {}, {}, {}, {}
        for folder in ("graph/_tmp", "containers", self._home()):
            os.makedirs(f"{root}/{folder}")

    def _home(self):
        return {"vfs": "vfs/dir", "btrfs": "btrfs/subvolumes", "aufs": "aufs/diff"}.get(self.driver, self.driver)

    def layer_dir(self, image):
        """Where the driver keeps the whole tree of an image; with aufs only its own layer."""
        return f"{self.root}/{self._home()}/{image}" + ("/root" if self.driver == "overlay" else "")

    def image(self, entries, parent=None, tags=(), cmd=None, comment="", created=None, tar=None, **config):
        """Adds an image whose layer has these entries; returns its id. `tar`: the layer's bytes where they matter."""
        image = next(IDS)
        tar = tar or layer_tar(entries)
        self.diff_ids[image] = "sha256:" + hashlib.sha256(tar).hexdigest()
        self.parent_of[image] = parent
        where = self.layer_dir(image)
        if self.driver == "aufs":
            self._aufs_layer(image, self.line(parent), entries)
        else:
            self._copy_parent(parent, where)
            apply(entries, where)
        folder = f"{self.root}/graph/{image}"
        os.mkdir(folder, 0o700)
        self._write(f"graph/{image}/layersize", str(sum(info.size for info, _ in entries)))
        if self.with_tar_split:
            self._write(f"graph/{image}/tar-data.json.gz", tar_split(tar))
        created = created or f"2015-{len(self.diff_ids) % 12 + 1:02d}-11T10:20:30.123456789Z"
        values = _config(self.number, Cmd=cmd, Env=["PATH=/bin"], **config)
        json_text = {"id": image} | ({"parent": parent} if parent else {}) | ({"comment": comment} if comment else {}) | {
            "created": created, "container_config": values, "docker_version": self.version, "config": values, "architecture": "amd64",
        } | ({"os": "linux"} if self.number >= (0, 8) else {}) | ({"Size": 0} if self.number < (1, 8, 3) else {})
        self._write(f"graph/{image}/json", json.dumps(json_text, separators=(",", ":")) + ("\n" if (1, 4) <= self.number < (1, 8) else ""))
        for tag in tags:
            self.tag(image, tag)
        return image

    def tag(self, image, name):
        repository, _, tag = name.partition("@") if "@" in name else name.rpartition(":")
        self.repositories.setdefault(repository, {})[tag] = image

    def chain(self, image):
        """DiffIDs of an image, base first."""
        return (self.chain(self.parent_of[image]) if self.parent_of[image] else []) + [self.diff_ids[image]]

    def line(self, image):
        """An image and what it is built on, nearest first."""
        return [image] + self.line(self.parent_of[image]) if image else []

    def container(self, name, image, command, entries=(), running=False):
        """Adds a stopped container with a writable layer of these entries; returns its id."""
        container = next(IDS)
        self.names[name] = container
        self._writable_layer(container, image, list(entries))
        os.mkdir(f"{self.root}/containers/{container}", 0o700)
        config = {
            "State": {"Running": running, "Pid": 0, "ExitCode": 0, "StartedAt": "2015-03-01T00:00:00Z", "FinishedAt": "2015-03-01T00:00:01Z"},
            "ID": container, "Created": "2015-03-01T00:00:00Z", "Path": command[0], "Args": command[1:],
            "Config": _config(self.number, Hostname=container[:12], Cmd=command, Image=image, AttachStdout=True),
            "Image": image, "NetworkSettings": {"Bridge": "", "Ports": None}, "ResolvConfPath": "", "HostnamePath": "", "HostsPath": "",
            "LogPath": "", "Name": "/" + name, "Driver": self.driver, "ExecDriver": "native-0.2", "Volumes": {}, "VolumesRW": {},
        }
        host = {"Binds": None, "ContainerIDFile": "", "LxcConf": [], "Privileged": False, "PortBindings": {}, "Links": None,
                "PublishAllPorts": False}
        if self.number >= (1, 0):
            host |= {"NetworkMode": "none", "RestartPolicy": {"Name": "no", "MaximumRetryCount": 0},
                     "LogConfig": {"Type": "json-file", "Config": {}}}
        self._write(f"containers/{container}/config.json", json.dumps(config, separators=(",", ":")), 0o644)
        self._write(f"containers/{container}/hostconfig.json", json.dumps(host, separators=(",", ":")), 0o644)
        return container

    def finish(self, links=()):
        """Writes repositories and linkgraph.db; `links`: (container name, alias, target name)."""
        self._write(f"repositories-{self.driver}", json.dumps({"Repositories": self.repositories}, separators=(",", ":")))
        db = sqlite3.connect(f"{self.root}/linkgraph.db")
        db.execute("CREATE TABLE entity (id text NOT NULL PRIMARY KEY)")
        db.execute('CREATE TABLE edge ("entity_id" text NOT NULL, "parent_id" text NULL, "name" text NOT NULL, '
                   'CONSTRAINT "parent_fk" FOREIGN KEY ("parent_id") REFERENCES "entity" ("id"), '
                   'CONSTRAINT "entity_fk" FOREIGN KEY ("entity_id") REFERENCES "entity" ("id"))')
        db.execute('CREATE UNIQUE INDEX "name_parent_ix" ON "edge" (parent_id, name)')
        db.executemany("INSERT INTO entity VALUES (?)", [("0",)] + [(c,) for c in self.names.values()])
        db.executemany("INSERT INTO edge VALUES (?, ?, ?)", [("0", None, "/")] + [(c, "0", n) for n, c in self.names.items()] +
                       [(self.names[target], self.names[name], alias) for name, alias, target in links])
        db.commit()
        db.close()
        return self

    def _copy_parent(self, parent, where):
        os.makedirs(os.path.dirname(where), exist_ok=True)
        if parent is None:
            self._first_layer(where)
        else:
            self._copy(self.layer_dir(parent), where)

    def _first_layer(self, where):
        if self.driver == "btrfs":
            subprocess.run(["btrfs", "-q", "subvolume", "create", where], check=True, stdout=subprocess.DEVNULL)
        else:
            os.mkdir(where, 0o755)

    def _copy(self, layer, where):
        copy = {"vfs": ["cp", "-a", "--reflink=never"], "btrfs": ["btrfs", "-q", "subvolume", "snapshot"],
                "overlay": ["cp", "-al"]}[self.driver]          # overlay: a copy made of hard links
        subprocess.run([*copy, layer, where], check=True, stdout=subprocess.DEVNULL)

    def _writable_layer(self, container, image, entries):
        init = [directory("dev"), directory("dev/pts"), directory("dev/shm"), directory("proc"), directory("sys"), directory("etc"),
                file(".dockerinit", mode=0o700), file(".dockerenv", mode=0o755), file("etc/hosts", mode=0o755),
                file("etc/hostname", mode=0o755), file("etc/resolv.conf", mode=0o755), file("dev/console", mode=0o755),
                symlink("etc/mtab", "/proc/mounts")]
        if self.driver in ("vfs", "btrfs"):
            base = f"{self.root}/{self._home()}"
            self._copy(f"{base}/{image}", f"{base}/{container}-init")
            apply([(i, d) for i, d in init if not (i.isdir() and os.path.isdir(f"{base}/{image}/{i.name}"))], f"{base}/{container}-init")
            self._copy(f"{base}/{container}-init", f"{base}/{container}")
            apply(entries, f"{base}/{container}")
            return
        if self.driver == "aufs":
            self._aufs_layer(container + "-init", self.line(image), init)
            self._aufs_layer(container, [container + "-init"] + self.line(image), entries)
            return
        for layer, content in ((container + "-init", init), (container, init + entries)):
            base = f"{self.root}/{self.driver}/{layer}"
            for folder in ("upper", "work", "merged"):
                os.makedirs(f"{base}/{folder}")
            with open(f"{base}/lower-id", "w") as out:
                out.write(image)
            self._apply_overlay(content, f"{base}/upper")

    def _aufs_layer(self, layer, below, entries):
        """As aufs keeps them: whiteouts and opaque marks are files, and each branch has aufs's own directories."""
        for folder in ("diff", "layers", "mnt"):
            os.makedirs(f"{self.root}/aufs/{folder}", exist_ok=True)
        os.mkdir(f"{self.root}/aufs/mnt/{layer}")
        self._write(f"aufs/layers/{layer}", "".join(name + "\n" for name in below), 0o644)
        branch = f"{self.root}/aufs/diff/{layer}"
        for folder in ("", "/.wh..wh.plnk", "/.wh..wh.orph"):
            os.mkdir(branch + folder, 0o700 if folder else 0o755)
        self._write(f"aufs/diff/{layer}/.wh..wh.aufs", "", 0o444)
        for info, data in entries:
            path = os.path.join(branch, info.name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            _create(info, data, os.fsencode(path), os.fsencode(branch))

    def _apply_overlay(self, entries, upper):
        """Entries as the kernel's overlay keeps them: a whiteout is a character device 0:0."""
        apply([(i, d) for i, d in entries if not os.path.basename(i.name).startswith(".wh.")], upper)
        for info, _ in entries:
            folder, base = os.path.split(info.name)
            if base.startswith(".wh."):
                os.makedirs(f"{upper}/{folder}", exist_ok=True)
                os.mknod(f"{upper}/{folder}/{base[4:]}", stat.S_IFCHR, 0)

    def _write(self, name, data, mode=0o600):
        with open(f"{self.root}/{name}", "wb") as out:
            out.write(data if isinstance(data, bytes) else data.encode())
        os.chmod(f"{self.root}/{name}", mode)
