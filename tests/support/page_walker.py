"""A person with one screen and one language, who walks through tasks; every step is judged.

Nothing is found by its English text: elements by their id, name and data, words by the catalog.
"""

import re
from pathlib import Path

from playwright.sync_api import expect

from idroserra.i18n.translate import (
    Locale,
    catalog_file,
    format_number,
    gettext,
    ngettext,
    plural_forms,
    use_locale,
)
from support.all_pages import AXE, LOCALES, SIZES, barriers
from support.pages import PATIENCE_MS, Watched
from support.real_host import PASSWORD

# The visible words of a page: texts, and what stands in labels; `code` is the same everywhere,
# and notifications stand there as they were sent.
_WORDS = """() => {
  const found = [];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const element = walk.currentNode.parentElement;
    if (element.closest("script,noscript,code,.foot,.languages,.sent,textarea")) continue;
    if (element.closest("[lang]:not(html)")) continue;
    if (!element.closest("option") && !element.checkVisibility()) continue;
    const text = walk.currentNode.textContent.trim();
    if (text) found.push(text);
  }
  for (const element of document.querySelectorAll("[aria-label],[title],[placeholder]"))
    if (element.checkVisibility())
      for (const name of ["aria-label", "title", "placeholder"])
        found.push(element.getAttribute(name) || "");
  return [...new Set(found)];
}"""
_ENGLISH = re.compile(r"\b(?:the|is|are|was|at|of|with|not|needs?|and|to)\b")
_POINT = re.compile(r"(?<![\d.])\d+\.\d+(?![\d.])")
_COMMA = re.compile(r"(?<![\d,])\d+,\d{1,2}(?!\d)")
# Seen on the page for what they are: names of the host, and of people's own.
_NAMES = ("127.0.0.1",)


class Walker:
    """One tab in one language, size and palette. `wrong` collects what no step may have."""

    def __init__(self, browser, host, language, size, scheme, folder=None, is_brief=False):
        self.host, self.language, self.size, self.scheme = host, language, size, scheme
        self.tab = Watched(browser, host.url, SIZES[size], scheme, None, LOCALES[language])
        self.page = self.tab.page
        # A dose asks for the password once more where the log-in is five minutes ago.
        self.page.add_locator_handler(self.page.locator("#again"), self._confirm)
        self._asked_again = ()
        self.steps = []
        self.wrong = []
        self._folder = None if folder is None else Path(folder)
        self._is_brief = is_brief  # axe at the first step of each page only
        self._seen_by_axe = set()
        self._english = _untold(language)

    @property
    def name(self):
        """Which screen this is, as the names of its pictures have it."""
        return f"{self.language}-{self.size}-{self.scheme}"

    def go(self, path):
        """Open a page, and wait until its live stream is there where it has one."""
        self.page.goto(f"{self.host.url}{path}")
        if self.page.locator("#link").count():
            expect(self.page.locator("#link")).to_have_attribute("data-state", "live")

    def word(self, key, **values):
        """A pattern of the catalog's text for `key`; what is not given may be anything."""
        with use_locale(Locale(self.language)):
            return _pattern(gettext(key), values)

    def words(self, one, many, count, **values):
        """The same of a text that counts."""
        with use_locale(Locale(self.language)):
            return _pattern(ngettext(one, many, count), {"count": count, **values})

    def plain(self, name):
        """The catalog's text without any gaps."""
        with use_locale(Locale(self.language)):
            return gettext(name)

    def figure(self, value, decimals):
        """A number as this language writes it."""
        with use_locale(Locale(self.language)):
            return format_number(value, decimals)

    def says(self, where, key, **values):
        """Expect the catalog's text for `key` in an element."""
        expect(self.page.locator(where).first).to_contain_text(self.word(key, **values))

    def done(self, where, key, **values):
        """Expect an outcome to be confirmed, in the words of `key`."""
        expect(self.page.locator(where)).to_have_attribute("data-state", "done")
        self.says(where, key, **values)

    def type(self, where, value, decimals=0):
        """Type a number as this language writes it."""
        self.page.locator(where).fill(self.figure(value, decimals))

    def step(self, name, at=None, expected=()):
        """Judge the page as it stands and keep a picture, with `at` in the middle of the screen.

        expected: parts of the browser's own lines about answers that were asked for."""
        if at is not None:
            self.page.locator(at).first.evaluate("it => it.scrollIntoView({block: 'center'})")
        expected = (*expected, *self._asked_again)
        found = [one for one in self.tab.troubles if not any(part in one for part in expected)]
        self.tab.troubles.clear()
        self._asked_again = ()
        found += self._judged()
        self.wrong += [f"{self.name} {name}: {one}" for one in found]
        self.steps.append(name)
        if self._folder is not None:
            self._folder.mkdir(parents=True, exist_ok=True)
            self.page.screenshot(
                path=str(self._folder / f"{len(self.steps):02}-{name}-{self.name}.png"))

    def close(self):
        """Close the tab."""
        self.tab.close()

    def _confirm(self, dialog):
        self._asked_again = ("status of 403",)
        dialog.locator("[name=password]").fill(PASSWORD)
        dialog.locator("[type=submit]").click()

    def _judged(self):
        page, found = self.page, []
        wide = page.evaluate("document.documentElement.scrollWidth") - SIZES[self.size]["width"]
        if wide > 0:
            found.append(f"{wide} px wider than the screen")
        path = re.sub(r"\?.*", "", page.url)
        if not (self._is_brief and path in self._seen_by_axe):
            self._seen_by_axe.add(path)
            if not page.evaluate("'axe' in window"):
                page.evaluate(AXE.read_text("utf-8"))
            found += barriers(page)
        texts = [text for text in page.evaluate(_WORDS) if not any(one in text for one in _NAMES)]
        return found + [one for text in texts for one in self._misread(text)]

    def _misread(self, text):
        if text in self._english:
            yield f"not translated: {text}"
        elif self.language != "en" and _ENGLISH.search(text):
            yield f"English: {text[:80]}"
        number = (_POINT if self.language == "it" else _COMMA).search(text)
        if number:
            yield f"number {number[0]}: {text[:80]}"


def patience(seconds=PATIENCE_MS / 1_000):
    """Milliseconds for what takes long by itself."""
    return seconds * 1_000


def _pattern(text, values):
    parts = re.split(r"\{(\w+)\}", text)
    return re.compile("".join(
        (re.escape(str(values[part])) if part in values else ".+?") if index % 2
        else re.escape(part) for index, part in enumerate(parts)))


def _untold(language):
    """Texts that this language has other words for: on its pages they are not to be seen."""
    if language == "en":
        return frozenset()
    from babel.messages.pofile import read_po

    with catalog_file(language).open("rb") as file:
        catalog = read_po(file, locale=language)
    translated = {form for message in catalog for form in plural_forms(message.string)}
    return frozenset(message.id for message in catalog
                     if message.id and isinstance(message.id, str)
                     and message.id not in translated)
