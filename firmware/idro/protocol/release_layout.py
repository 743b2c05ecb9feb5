"""Layout of a release: its limits and paths, and the kernel files it must not contain.

The kernel changes over USB only: the host leaves its files out of a release, the node rejects a
release with one.
"""

# Version of the interface between kernel and application; a release names the one it needs.
KERNEL = 8
MANIFEST = "manifest"
MAX_MANIFEST_BYTES = 32_768
MAX_PATH_CHARS = 64
SIGNATURE_BYTES = 384  # RSA-3072
_PATH_BYTES = b"abcdefghijklmnopqrstuvwxyz0123456789_./"
_FOLDERS = ("idro/safety/", "idro/update/")
_FILES = (
    "boot.py", "main.py", "idro/__init__.mpy", "idro/errors.mpy", "idro/board.mpy",
    "idro/protocol/__init__.mpy", "idro/protocol/reason.mpy",
    "idro/protocol/release_layout.mpy", "idro/protocol/types.mpy",
)


def is_kernel(path):
    """True for a kernel file, such as idro/safety/gate.mpy."""
    return path in _FILES or path.startswith(_FOLDERS[0]) or path.startswith(_FOLDERS[1])


def is_path(text):
    """True for a valid path of a release file: idro/..., lower case, no "..", not of the
    kernel."""
    if not text.startswith("idro/") or len(text) > MAX_PATH_CHARS or not text.endswith(".mpy"):
        return False
    for part in text.split("/"):
        if not part or part.startswith("."):
            return False
    return not text.encode().strip(_PATH_BYTES) and not is_kernel(text)
