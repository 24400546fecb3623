"""Images whose registry has signed manifests of schema 1 only: cairn makes of them what an engine makes."""
import gzip

import archives
import schema1
from registry import RegistryError
from registry_case import RegistryCase

STEPS = (("ADD", ("bin/a", b"one\n"), False), ("ENV A=<b>", None, True), ("MAINTAINER", None, False), ("echo", ("etc/b", b"<two> &\n"), False),
         ("CMD", None, True))


def blob_of(file):
    return gzip.compress(archives.tar_of([file]), mtime=0) if file else schema1.EMPTY_LAYER


class Schema1(RegistryCase):
    driver = "vfs"

    def put(self, there, name, key, chain=False):
        texts, blobs = schema1.v1_history([(command, blob_of(file), throwaway) for command, file, throwaway in STEPS])
        for blob in set(blobs):
            there.put_blob(name, blob)
        payload = schema1.payload(name, "y", texts, blobs)
        document = schema1.signed(payload, [key], chain)
        self.assertEqual(there.put_manifest(name, "y", schema1.TYPE, document), schema1.digest(payload))
        with self.assertRaises(RegistryError, msg="the registry takes what nobody signed"):
            there.put_manifest(name, "z", schema1.TYPE, document.replace(b"ENV A", b"ENV B"))

    def test_an_engine_and_cairn_make_one_image(self):
        there = self.registry(schema1=True)
        signers = {"t/es256": "ES256", "t/es512": "ES512", "t/rs256": "RS256", "t/chain": "ES384"}
        for name, alg in signers.items():
            self.put(there, name, schema1.Key(alg), name == "t/chain")
        images = [f"{there.host}/{name}:y" for name in signers]
        with self.engine_near(self.path("engine"), self.driver, there) as dockerd:
            for image in images:
                dockerd.docker("pull", "-q", image)
            ids = [dockerd.inspect(image)["Id"] for image in images]
        for image in images:
            self.pull(image)
        self.assertEqual([image["Id"] for image in self.command("inspect", *images).json()], ids)
