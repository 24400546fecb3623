"""A registry of Debian's docker-registry on a free port of 127.0.0.1, with all it keeps in a directory of the test's choice."""
import base64
import contextlib
import ctypes
import http.client
import json
import os
import re
import signal
import ssl
import subprocess
import time
import urllib.parse
import warnings

import archives

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    import crypt                         # bcrypt, the one hash that registries read

REGISTRY, SKOPEO = "/usr/bin/docker-registry", "/usr/bin/skopeo"
DOCKER, OCI = "application/vnd.docker.", "application/vnd.oci.image."
TYPES = {                                # manifest, index, configuration, layer by compression
    "v2s2": (DOCKER + "distribution.manifest.v2+json", DOCKER + "distribution.manifest.list.v2+json", DOCKER + "container.image.v1+json",
             {"gzip": DOCKER + "image.rootfs.diff.tar.gzip", "none": DOCKER + "image.rootfs.diff.tar"}),
    "oci": (OCI + "manifest.v1+json", OCI + "index.v1+json", OCI + "config.v1+json",
            {"gzip": OCI + "layer.v1.tar+gzip", "none": OCI + "layer.v1.tar", "zstd": OCI + "layer.v1.tar+zstd"}),
}
SCHEMA1 = DOCKER + "distribution.manifest.v1+prettyjws"


class RegistryError(Exception):
    """The registry did not do what it was told; the text holds what it said."""


def digest_of(data):
    return "sha256:" + archives.sha256(data)


class Put:
    """A manifest as it lies in a registry, and of an image the digests of its blobs: layers base first, then the configuration."""

    def __init__(self, media_type, manifest, layers=(), config=None):
        self.media_type, self.manifest, self.digest = media_type, manifest, digest_of(manifest)
        self.layers, self.config = list(layers), config
        self.blobs = self.layers + ([config] if config else [])

    def descriptor(self, **more):
        return {"mediaType": self.media_type, "size": len(self.manifest), "digest": self.digest} | more


class Registry:
    """`tls`: an Authority, whose server certificate it shows; `client_certificates`: it wants one in return. `users`: name ->
    password, by htpasswd; `tokens`: a TokenServer instead. `config`: more of its configuration, by dotted names."""

    def __init__(self, where, tls=None, client_certificates=False, users=None, tokens=None, schema1=False, delete=False, config=None):
        os.makedirs(where, exist_ok=True)
        self.where, self.storage, self.log = where, f"{where}/storage", f"{where}/log"
        self.tls, self.users, self.tokens, self.scheme = tls, users, tokens, "https" if tls else "http"
        settings = {"version": "0.1", "log": {"level": "info"}, "storage": {"filesystem": {"rootdirectory": self.storage}, "delete": {"enabled": delete}},
                    "http": {"addr": "127.0.0.1:0", "secret": "none"}, "compatibility": {"schema1": {"enabled": schema1}}}
        self._context = None
        if tls:
            certificate, key = tls.server()
            settings["http"]["tls"] = {"certificate": certificate, "key": key} | ({"clientcas": [tls.ca]} if client_certificates else {})
            self._context = ssl.create_default_context(cafile=tls.ca)
            if client_certificates:
                self.client = tls.client()
                self._context.load_cert_chain(*self.client)
        if users:
            settings["auth"] = {"htpasswd": {"realm": "cairn test", "path": _htpasswd(f"{where}/htpasswd", users)}}
        if tokens:
            settings["auth"] = tokens.registry_config()
        for name, value in (config or {}).items():
            _set(settings, name.split("."), value)
        self._settings, self._process, self.port = settings, None, None
        self.start()

    def start(self):
        """Also again, after stop(): on the same port."""
        with open(f"{self.where}/config.yml", "w") as out:
            json.dump(self._settings, out)               # JSON is YAML, too
        with open(self.log, "wb") as log:
            self._process = subprocess.Popen([REGISTRY, "serve", f"{self.where}/config.yml"], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                             env={"PATH": os.environ["PATH"]}, preexec_fn=_die_with_parent)
        deadline = time.monotonic() + 60
        while not (listening := re.search(r"listening on 127\.0\.0\.1:(\d+)", self._logged())):
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise RegistryError(f"the registry in {self.where} did not start:\n{self.said()}")
            time.sleep(0.01)
        self.port = int(listening[1])
        self._settings["http"]["addr"] = f"127.0.0.1:{self.port}"
        self.host = f"127.0.0.1:{self.port}"

    def stop(self):
        if self._process and self._process.poll() is None:
            self._process.kill()         # it would wait for connections that clients keep open
            self._process.wait()

    def said(self):
        """Requests and complaints."""
        return "".join(line for line in self._logged().splitlines(True) if "level=info" not in line)[-4000:]

    def _logged(self):
        with open(self.log, errors="replace") as log:
            return log.read()

    # --- by its interface ---------------------------------------------------------------------------------------------------

    def ask(self, method, path, body=None, headers=None, expect=(200,)):
        """One request; returns the answer's headers and bytes. Status 401 cannot happen: the caller is known to everybody."""
        kind = http.client.HTTPSConnection if self.tls else http.client.HTTPConnection
        connection = kind("127.0.0.1", self.port, timeout=60, **({"context": self._context} if self.tls else {}))
        with contextlib.closing(connection):
            connection.request(method, path, body=body, headers=self.authorization(path) | (headers or {}))
            answer = connection.getresponse()
            data = answer.read()
        if answer.status not in expect:
            raise RegistryError(f"{method} {path}: {answer.status} {data[:2000]}\n{self.said()}")
        return answer.headers, data

    def authorization(self, path):
        """The header that opens everything below `path`."""
        if self.tokens:
            name = re.match(r"/v2/(.*)/(?:blobs|manifests|tags)/", path)
            access = [{"type": "repository", "name": name[1], "actions": ["pull", "push", "*"]}] if name else []
            return {"Authorization": "Bearer " + self.tokens.mint(access, valid_for=300)}
        if self.users:
            user, password = next(iter(self.users.items()))
            return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}
        return {}

    def put_blob(self, name, data):
        headers, _ = self.ask("POST", f"/v2/{name}/blobs/uploads/", headers={"Content-Length": "0"}, expect=(202,))
        location = urllib.parse.urlsplit(headers["Location"])
        self.ask("PUT", f"{location.path}?{location.query}&digest={digest_of(data)}", data, {"Content-Type": "application/octet-stream"}, (201,))
        return digest_of(data)

    def put_manifest(self, name, tag, media_type, data):
        headers, _ = self.ask("PUT", f"/v2/{name}/manifests/{tag}", data, {"Content-Type": media_type}, (201,))
        return headers["Docker-Content-Digest"]

    def get_manifest(self, name, tag):
        """Type and bytes, of whatever type it is."""
        kinds = ", ".join([kind for manifest, index, *_ in TYPES.values() for kind in (manifest, index)] + [SCHEMA1])
        headers, data = self.ask("GET", f"/v2/{name}/manifests/{tag}", headers={"Accept": kinds})
        return headers["Content-Type"], data

    def get_blob(self, name, digest):
        return self.ask("GET", f"/v2/{name}/blobs/{digest}")[1]

    def has_blob(self, name, digest):
        try:
            self.ask("HEAD", f"/v2/{name}/blobs/{digest}")
        except RegistryError:
            return False
        return True

    def tags(self, name):
        return sorted(json.loads(self.ask("GET", f"/v2/{name}/tags/list")[1])["tags"] or [])

    # --- images -------------------------------------------------------------------------------------------------------------

    def put_image(self, name, tag, image, form="v2s2", compression="gzip"):
        """An archives.Image; `tag` None: by digest alone."""
        manifest_type, _, config_type, layer_types = TYPES[form]
        blobs = [archives.compress(layer, compression) for layer in image.layers]
        for data in dict.fromkeys([*blobs, image.config]):
            self.put_blob(name, data)
        layers = [{"mediaType": layer_types[compression], "size": len(data), "digest": digest_of(data)} for data in blobs]
        config = {"mediaType": config_type, "size": len(image.config), "digest": digest_of(image.config)}
        manifest = json.dumps({"schemaVersion": 2, "mediaType": manifest_type, "config": config, "layers": layers}, indent=3).encode()
        put = Put(manifest_type, manifest, [layer["digest"] for layer in layers], config["digest"])
        self.put_manifest(name, tag or put.digest, manifest_type, manifest)
        return put

    def put_index(self, name, tag, entries, form="v2s2"):
        """`entries`: (Put, platform as a dict or None) pairs; or whole descriptors."""
        described = [entry if isinstance(entry, dict) else entry[0].descriptor(**({"platform": entry[1]} if entry[1] else {})) for entry in entries]
        index_type = TYPES[form][1]
        data = json.dumps({"schemaVersion": 2, "mediaType": index_type, "manifests": described}, indent=3).encode()
        put = Put(index_type, data)
        self.put_manifest(name, tag or put.digest, index_type, data)
        return put

    def skopeo(self, *args):
        """skopeo, which trusts this registry; returns its stdout."""
        command = [SKOPEO, "--insecure-policy", "--tmpdir", self.where, *args]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=300)
        if done.returncode != 0:
            raise RegistryError(f"{' '.join(command)}: {done.stderr.decode(errors='replace')}\n{self.said()}")
        return done.stdout

    def skopeo_options(self, prefix=""):
        """What makes skopeo get along with this registry; `prefix`: "src-" or "dest-" of a copy."""
        options = [f"--{prefix}tls-verify=false"]
        if self.tls:
            options = [f"--{prefix}cert-dir={self.tls.cert_dir(self.where + '/certs', getattr(self, 'client', None))}"]
        users = self.tokens.users if self.tokens else self.users
        return options + ([f"--{prefix}creds=" + ":".join(next(iter(users.items())))] if users else [])

    def copy_in(self, source, name, tag, *more):
        """By skopeo; `source`: an image as it names them, such as oci:DIRECTORY:REF."""
        self.skopeo("copy", "-q", *self.skopeo_options("dest-"), *more, source, f"docker://{self.host}/{name}:{tag}")

    def copy_out(self, name, tag, destination, *more):
        self.skopeo("copy", "-q", *self.skopeo_options("src-"), *more, f"docker://{self.host}/{name}:{tag}", destination)

    # --- by its files -------------------------------------------------------------------------------------------------------

    def blob_path(self, digest):
        algorithm, _, hexadecimal = digest.partition(":")
        return f"{self.storage}/docker/registry/v2/blobs/{algorithm}/{hexadecimal[:2]}/{hexadecimal}/data"

    def blobs_on_disk(self):
        """Digest -> size of everything it keeps, manifests included, whatever repository it belongs to."""
        top = f"{self.storage}/docker/registry/v2/blobs"
        found = {}
        for folder, _, files in os.walk(top):
            if "data" in files:
                found[f"{os.path.relpath(folder, top).split('/')[0]}:{os.path.basename(folder)}"] = os.path.getsize(f"{folder}/data")
        return found


def _die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)           # PR_SET_PDEATHSIG: with the thread that started it


def _htpasswd(path, users):
    with open(path, "w") as out:
        for user, password in users.items():
            out.write(f"{user}:{crypt.crypt(password, crypt.mksalt(crypt.METHOD_BLOWFISH, rounds=16))}\n")
    return path


def _set(settings, names, value):
    for name in names[:-1]:
        settings = settings.setdefault(name, {})
    settings[names[-1]] = value
