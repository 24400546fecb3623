"""Manifests of schema 1 as old engines made them, signed with the openssl program."""
import base64
import hashlib
import json
import os
import subprocess
import tempfile

from archives import sha256

CURVES = {"ES256": ("prime256v1", "P-256", 32), "ES384": ("secp384r1", "P-384", 48), "ES512": ("secp521r1", "P-521", 66)}
TYPE = "application/vnd.docker.distribution.manifest.v1+prettyjws"
EMPTY_LAYER = bytes.fromhex("1f8b080000096e8800ff621805a360148c5800080000ffff2eafb5ef00040000")   # what engines send for no layer


def b64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def openssl(*args, input=None):
    return subprocess.run(["openssl", *args], input=input, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True).stdout


def der_items(data):
    """The content of each item of DER that is nothing but items."""
    at = 0
    while at < len(data):
        size, at = data[at + 1], at + 2
        if size & 0x80:
            count = size & 0x7f
            size, at = int.from_bytes(data[at:at + count], "big"), at + count
        yield data[at:at + size]
        at += size


class Key:
    """A new private key for `alg`: ES256, ES384, ES512, RS256, RS384, RS512."""

    def __init__(self, alg="ES256"):
        self.alg = alg
        if alg in CURVES:
            self.pem = openssl("genpkey", "-algorithm", "EC", "-pkeyopt", f"ec_paramgen_curve:{CURVES[alg][0]}")
        else:
            self.pem = openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048")
        self.spki = openssl("pkey", "-pubout", "-outform", "DER", input=self.pem)

    def kid(self):
        text = base64.b32encode(hashlib.sha256(self.spki).digest()[:30]).decode()
        return ":".join(text[at:at + 4] for at in range(0, len(text), 4))

    def jwk(self):
        bits = list(der_items(next(der_items(self.spki))))[1][1:]        # subjectPublicKey, without the count of unused bits
        if self.alg in CURVES:
            size = CURVES[self.alg][2]
            return {"crv": CURVES[self.alg][1], "kid": self.kid(), "kty": "EC", "x": b64url(bits[1:1 + size]), "y": b64url(bits[1 + size:])}
        modulus, exponent = der_items(next(der_items(bits)))
        return {"e": b64url(exponent), "kid": self.kid(), "kty": "RSA", "n": b64url(modulus.lstrip(b"\0"))}

    def certificate(self):
        """DER, signed by the key itself."""
        with self._file() as name:
            pem = openssl("req", "-new", "-x509", "-key", name, "-subj", "/CN=signer", "-days", "3650")
        return openssl("x509", "-outform", "DER", input=pem)

    def sign(self, message):
        with self._file() as name:
            made = openssl("dgst", "-sha" + self.alg[2:], "-sign", name, input=message)
        if self.alg not in CURVES:
            return made
        size = CURVES[self.alg][2]
        return b"".join(int.from_bytes(part, "big").to_bytes(size, "big") for part in der_items(next(der_items(made))))

    def _file(self):
        return KeyFile(self.pem)


class KeyFile:
    def __init__(self, pem):
        self.file = tempfile.NamedTemporaryFile()
        self.file.write(pem)
        self.file.flush()

    def __enter__(self):
        return self.file.name

    def __exit__(self, *_):
        self.file.close()


def signed(payload, keys, chain=False):
    """The document: `payload` (which ends with "\\n}") and a signature of each key; with `chain` keys come as certificates."""
    length, tail = len(payload) - 2, payload[-2:]
    protected = b64url(json.dumps({"formatLength": length, "formatTail": b64url(tail), "time": "2015-12-01T10:11:12Z"},
                                  separators=(",", ":")).encode())
    blocks = []
    for key in keys:
        header = {"x5c": [base64.b64encode(key.certificate()).decode()]} if chain else {"jwk": key.jwk()}
        blocks.append({"header": {**header, "alg": key.alg},
                       "signature": b64url(key.sign(f"{protected}.{b64url(payload)}".encode())), "protected": protected})
    text = json.dumps(blocks, indent=3).replace("\n", "\n   ")
    return payload[:length] + b',\n   "signatures": ' + text.encode() + tail


def v1_history(steps, created="2015-12-01T10:11:{:02}Z"):
    """`steps`: (command, blob, throwaway), base first; returns the v1Compatibility texts and blobs, newest first, as 1.10 made them."""
    texts, blobs, parent = [], [], ""
    for number, (command, blob, throwaway) in enumerate(steps):
        layer = {"id": sha256(f"{number} {sha256(blob)} {parent}".encode())}
        if parent:
            layer["parent"] = parent
        parent = layer["id"]
        layer |= {"created": created.format(number), "container_config": {"Cmd": ["/bin/sh", "-c", command]}}
        if number == len(steps) - 1:
            layer |= {"architecture": "amd64", "config": {"Cmd": ["/bin/sh"], "Env": ["PATH=/bin"], "Labels": {"a<b": "c&d"}},
                      "docker_version": "1.9.1", "os": "linux"}
        if throwaway:
            layer["throwaway"] = True
        texts.append(json.dumps(layer, separators=(",", ":")))
        blobs.append(blob)
    return texts[::-1], blobs[::-1]


def payload(name, tag, texts, blobs):
    """Newest first, indented as engines do it."""
    return json.dumps({"schemaVersion": 1, "name": name, "tag": tag, "architecture": "amd64",
                       "fsLayers": [{"blobSum": "sha256:" + sha256(blob)} for blob in blobs],
                       "history": [{"v1Compatibility": text} for text in texts]}, indent=3).encode()


def digest(document_payload):
    return "sha256:" + sha256(document_payload)
