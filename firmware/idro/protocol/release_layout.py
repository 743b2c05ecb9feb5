"""What of the firmware is the kernel, changed over USB only, and what a release may hold.

Both ends go by it: the host leaves the kernel's files out of a release, the node refuses a
release that holds one.
"""

# The interface of the kernel to an application. A release says which one it was made for.
KERNEL = 3
MANIFEST = "manifest"
MAX_MANIFEST_BYTES = 32_768
MAX_PATH_CHARS = 64
SIGNATURE_BYTES = 384  # RSA-3072
_PATH_BYTES = b"abcdefghijklmnopqrstuvwxyz0123456789_./"
_FOLDERS = ("idro/safety/", "idro/update/")
_FILES = (
    "boot.py", "main.py", "idro/__init__.mpy", "idro/errors.mpy", "idro/board.mpy",
    "idro/protocol/__init__.mpy", "idro/protocol/release_layout.mpy", "idro/protocol/types.mpy",
)


def is_kernel(path):
    """True for a file of the image that stays at the root of the flash, such as
    idro/safety/gate.mpy: no release holds it."""
    return path in _FILES or path.startswith(_FOLDERS[0]) or path.startswith(_FOLDERS[1])


def is_path(text):
    """True for the path of a file of a release: idro/..., small letters, no way out of it, not
    the kernel's."""
    if not text.startswith("idro/") or len(text) > MAX_PATH_CHARS or not text.endswith(".mpy"):
        return False
    for part in text.split("/"):
        if not part or part.startswith("."):
            return False
    return not text.encode().strip(_PATH_BYTES) and not is_kernel(text)
