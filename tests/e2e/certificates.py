"""A private certificate authority in a directory of the test's choice, made by the openssl program. Keys are P-256 and live a day."""
import os
import subprocess

OPENSSL = "/usr/bin/openssl"


class Authority:
    """`ca` is the file that clients trust. What it issues are pairs of (certificate file, key file)."""

    def __init__(self, where, name="Test authority"):
        os.makedirs(where, exist_ok=True)
        self.where, self.ca, self._key = where, f"{where}/ca.crt", f"{where}/ca.key"
        _openssl("req", "-x509", *_new_key(self._key), "-days", "1", "-subj", f"/CN={name}", "-addext", "keyUsage=critical,keyCertSign,digitalSignature",
                 "-out", self.ca)

    def server(self, name="server", addresses=("IP:127.0.0.1", "DNS:localhost")):
        return self._issue(name, f"subjectAltName={','.join(addresses)}\nextendedKeyUsage=serverAuth\n")

    def client(self, name="client"):
        return self._issue(name, "extendedKeyUsage=clientAuth\n")

    def signer(self):
        """The authority's own pair: what signs tokens, and what those are checked with."""
        return self.ca, self._key

    def cert_dir(self, where, client=None):
        """A directory as engines want it in certs.d: the authority, and a client's pair if one was issued."""
        os.makedirs(where, exist_ok=True)
        links = {"ca.crt": self.ca} | ({"client.cert": client[0], "client.key": client[1]} if client else {})
        for name, target in links.items():
            with open(target, "rb") as source, open(f"{where}/{name}", "wb") as out:
                out.write(source.read())
        return where

    def _issue(self, name, extensions):
        certificate, key, request, extra = (f"{self.where}/{name}.{end}" for end in ("crt", "key", "csr", "ext"))
        _openssl("req", *_new_key(key), "-subj", f"/CN={name}", "-out", request)
        with open(extra, "w") as out:
            out.write(extensions)
        _openssl("x509", "-req", "-in", request, "-CA", self.ca, "-CAkey", self._key, "-CAcreateserial", "-days", "1", "-extfile", extra,
                 "-out", certificate)
        return certificate, key


def sign(key, data):
    """ES256 of `data`: r and s, 32 bytes each."""
    der = subprocess.run([OPENSSL, "dgst", "-sha256", "-sign", key], input=data, stdout=subprocess.PIPE, check=True).stdout
    middle = 4 + der[3]                                  # SEQUENCE { INTEGER r, INTEGER s }, all lengths short
    return b"".join(int.from_bytes(part, "big").to_bytes(32, "big") for part in (der[4:middle], der[middle + 2:]))


def _new_key(path):
    return ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", path]


def _openssl(*args):
    subprocess.run([OPENSSL, *args], check=True, stdin=subprocess.DEVNULL, capture_output=True)
