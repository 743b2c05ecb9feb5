"""Serves the static files of the page and its translations, each read and compressed once."""

from __future__ import annotations

import gzip
import hashlib
import os
from functools import cache
from pathlib import Path

from starlette.datastructures import Headers
from starlette.responses import JSONResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from idroserra.i18n.translate import LANGUAGES, catalog_files, page_texts

STATIC = Path(__file__).resolve().parent / "static"
WORDS = "words"  # the path of the translations for the page's JavaScript
FOR_EVER = "public, max-age=31536000, immutable"
_TEXTS = (".js", ".css", ".svg")
_MIN_BYTES = 2_000  # smaller files are not compressed


@cache
def static_digest() -> str:
    """Return a hash of the static files and translations, which is part of their address."""
    digest = hashlib.sha256()
    for file in catalog_files():
        digest.update(file.read_bytes())
    for path in sorted(STATIC.rglob("*")):
        if path.is_file():
            digest.update(path.relative_to(STATIC).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:12]


class PageFiles(StaticFiles):
    """The static files. They do not change under their address, so browsers keep them."""

    def file_response(
        self, full_path: str | os.PathLike[str], stat_result: os.stat_result, scope: Scope,
        status_code: int = 200,
    ) -> Response:
        """Return a file, or that the browser has it."""
        response = super().file_response(full_path, stat_result, scope, status_code)
        response.headers["Cache-Control"] = FOR_EVER
        if response.status_code == 200 and _may_be_compressed(full_path, stat_result, scope):
            del response.headers["Content-Length"]
            response.headers["Content-Encoding"] = "gzip"
            response.headers["Vary"] = "Accept-Encoding"
            content = _compressed(str(full_path), stat_result.st_mtime_ns)
            return Response(content, headers=dict(response.headers))
        return response

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Return the response to a request for a file, or for translations."""
        folder, _, language = path.removesuffix(".json").partition("/")
        if folder == WORDS and language in LANGUAGES:  # from the .po files
            return JSONResponse(page_texts(language), headers={"Cache-Control": FOR_EVER})
        response = await super().get_response(path, scope)
        if path.endswith(".js"):
            response.headers["Content-Type"] = "text/javascript; charset=utf-8"
        return response


def _may_be_compressed(
    path: str | os.PathLike[str], found: os.stat_result, scope: Scope
) -> bool:
    asked = Headers(scope=scope)
    return (scope["method"] == "GET" and "range" not in asked and found.st_size >= _MIN_BYTES
            and "gzip" in asked.get("Accept-Encoding", "") and str(path).endswith(_TEXTS))


@cache
def _compressed(path: str, _mtime_ns: int) -> bytes:
    """Return a compressed file: some forty in all, together under half a megabyte."""
    return gzip.compress(Path(path).read_bytes(), 5)
