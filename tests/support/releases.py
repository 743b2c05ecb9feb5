"""Firmware releases for tests, built from the contract and signed with temporary keys."""

import hashlib
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from idro.protocol.release_layout import KERNEL, is_kernel
from idroserra.image.build import sha256
from idroserra.updates import release, signing
from idroserra.updates.manifest import File, Manifest

BOARD_CLASS = "esp32/esp32-reservoir"


@cache
def private_key(name):
    """Return the private key with this name, which exists in this process only."""
    return rsa.generate_private_key(public_exponent=65_537, key_size=3_072)


def modulus(name):
    """Return the modulus of a key, 384 bytes."""
    return private_key(name).public_key().public_numbers().n.to_bytes(384, "big")


def key_id(name):
    """Return the id of a key in an offer."""
    return hashlib.sha256(modulus(name)).hexdigest()[:16]


def sign(data, name="ours"):
    """Return the signature over `data`."""
    return private_key(name).sign(data, padding.PKCS1v15(), hashes.SHA256())


def make_signed(folder, version="2.0"):
    """Return (public key file, release) of a new signer; the release has five small files."""
    public = signing.make(folder / "key", folder / "key.pub", None)
    private = signing.load_private(folder / "key", None)
    content = {f"idro/app/part_{name}.mpy": name.encode() * 2_000 for name in "abcde"}
    text = Manifest(version, BOARD_CLASS, KERNEL, 1, tuple(
        File(path, len(data), sha256(data)) for path, data in content.items())).text
    packed = release._packed(
        {"manifest": text, "signature": signing.sign(private, text), **content})
    return folder / "key.pub", release.unpack(packed, [public])


@dataclass
class Release:
    """A release by its files; every field of the manifest can be changed."""

    files: dict[str, bytes]
    version: str = "9.9.9"
    board_class: str = BOARD_CLASS
    kernel: int = KERNEL
    counter: int = 1
    key: str = "ours"
    extra: dict[str, str] = field(default_factory=dict)

    def manifest(self):
        """Return the bytes of the manifest."""
        lines = [
            "idroserra-update 1", f"version {self.version}", f"board_class {self.board_class}",
            f"kernel {self.kernel}", f"security_counter {self.counter}",
            f"files {len(self.files)} {sum(map(len, self.files.values()))}",
        ]
        lines += [f"{hashlib.sha256(data).hexdigest()} {len(data)} {path}"
                  for path, data in sorted(self.files.items())]
        return ("\n".join(lines) + "\nend\n").encode()

    def sha256(self):
        """Return the id of the release."""
        return hashlib.sha256(self.manifest()).hexdigest()

    def write(self, folder):
        """Write the release to `folder` and return the event that offers it."""
        folder = Path(folder)
        manifest = self.manifest()
        for path, data in {**self.files, "manifest": manifest,
                           "signature": sign(manifest, self.key)}.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(data)
        return {"folder": str(folder), "key_id": key_id(self.key), "version": self.version}


def of_image(folder, **more):
    """Return a Release of all files of an image that are not part of the kernel."""
    files = {}
    for path in sorted(Path(folder).rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and name.startswith("idro/") and not is_kernel(name):
            files[name] = path.read_bytes()
    return Release(files, **more)
