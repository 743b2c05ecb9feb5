"""Renders a report as PDF with typst: vector charts, a font that covers Chinese."""

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
    """A PDF cannot be rendered on this host. The message names the cause."""


def render_pdf(document: Document, path_of: Callable[[str], Path]) -> bytes:
    """Return the PDF; path_of(photo id) is its file, or raises UnknownNote. Raises NoPdf."""
    fonts = find_spec(FONTS)
    if find_spec("typst") is None or fonts is None or fonts.origin is None:
        raise NoPdf("PDF support is not installed on the host: pip install 'idroserra[report]'; "
                    "or print the report page from the browser")
    import typst

    with TemporaryDirectory(prefix="idroserra-report-") as scratch:
        folder = Path(scratch)
        sections = [_section_json(section, f"s{index}", folder, path_of)
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
            raise NoPdf(f"rendering the PDF failed: {error}") from error
    return made


def _section_json(
    section: Section, name: str, folder: Path, path_of: Callable[[str], Path]
) -> dict[str, object]:
    """Write the charts and photos of a section; return its JSON for the template."""
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
        return None  # deleted since
    return {"file": f"{picture.photo}.jpg", "caption": picture.caption}
