"""Sets a report as a PDF with typst: charts as vectors, text in a font that has Chinese too."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

from idroserra.core.errors import HostError
from idroserra.i18n.translate import current_locale
from idroserra.journal.errors import UnknownNote
from idroserra.reports.model import Document, Picture, Section

TEMPLATE = Path(__file__).resolve().parent / "report.typ"
FONTS = "pylopdf_fonts_zh_cn"


class NoPdf(HostError):
    """No PDF can be made here. The message says what is missing."""


def pdf_of(document: Document, path_of: Callable[[str], Path]) -> bytes:
    """Return the PDF; path_of(photo id) is its file, or raises UnknownNote. Raises NoPdf."""
    fonts = find_spec(FONTS)
    if find_spec("typst") is None or fonts is None or fonts.origin is None:
        raise NoPdf("a PDF needs more on the host: pip install 'idroserra[report]'; "
                    "the page of the report can be printed without it")
    import typst

    with TemporaryDirectory(prefix="idroserra-report-") as scratch:
        folder = Path(scratch)
        sections = [_laid_out(section, f"s{index}", folder, path_of)
                    for index, section in enumerate(document.sections)]
        (folder / "report.json").write_text(json.dumps({
            "title": document.title, "subtitle": document.subtitle, "sections": sections,
            "language": current_locale().language}), "utf-8")
        shutil.copy(TEMPLATE, folder / "report.typ")
        try:
            made: bytes = typst.compile(
                str(folder / "report.typ"), root=str(folder), ignore_system_fonts=True,
                font_paths=[str(Path(fonts.origin).parent)])
        except typst.TypstError as error:
            raise NoPdf(f"the PDF could not be set: {error}") from error
    return made


def _laid_out(
    section: Section, name: str, folder: Path, path_of: Callable[[str], Path]
) -> dict[str, object]:
    """Return a section for the template, its charts and photos written as files."""
    charts = []
    for index, chart in enumerate(section.charts):
        charts.append(f"{name}-{index}.svg")
        (folder / charts[-1]).write_text(chart, "utf-8")
    pictures = [_picture(one, folder, path_of) for one in section.pictures]
    return asdict(section) | {
        "charts": charts, "pictures": [one for one in pictures if one is not None]}


def _picture(
    picture: Picture, folder: Path, path_of: Callable[[str], Path]
) -> dict[str, str] | None:
    try:
        shutil.copy(path_of(picture.photo), folder / f"{picture.photo}.jpg")
    except (UnknownNote, FileNotFoundError):
        return None  # deleted meanwhile
    return {"file": f"{picture.photo}.jpg", "caption": picture.caption}
