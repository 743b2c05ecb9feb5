"""Performs tasks on the pages in one language and on one screen, and checks every step.

Elements are found by id, name and data attributes, and texts by the catalog.
"""

import re
from pathlib import Path

from playwright.sync_api import expect

from idroserra.i18n.reasons import as_sentence, reason_text
from idroserra.i18n.translate import (
    Locale,
    catalog_file,
    format_number,
    gettext,
    ngettext,
    plural_forms,
    use_locale,
)
from idroserra.recipes import model
from support.all_pages import AXE, LOCALES, SIZES, axe_violations
from support.pages import PATIENCE_MS, MonitoredTab
from support.real_host import PASSWORD

# The visible texts and labels of a page, except `code` and sent notifications.
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
# Labels of the navigation that an ellipsis cuts, and words that break between two letters.
_CUT = """() => [...document.querySelectorAll(".nav > a > span, .switch b, .timeline b")]
  .filter((it) => it.checkVisibility() && (it.matches(".timeline b")
    ? !it.textContent.includes(" ") && it.getClientRects()[0].height > 1.9 * parseFloat(
      getComputedStyle(it).fontSize)
    : it.scrollWidth > it.clientWidth))
  .map((it) => `cut: ${it.textContent}`)"""
_ENGLISH = re.compile(r"\b(?:the|is|are|was|at|of|with|not|needs?|and|to)\b")
_POINT = re.compile(r"(?<![\d.])\d+\.\d+(?![\d.])")
_COMMA = re.compile(r"(?<![\d,])\d+,\d{1,2}(?!\d)")
# Names that may look like numbers.
_NAMES = ("127.0.0.1",)


class Walker:
    """One tab in one language, size and palette. `wrong` collects the errors."""

    def __init__(self, browser, host, language, size, scheme, folder=None, is_brief=False):
        self.host, self.language, self.size, self.scheme = host, language, size, scheme
        self.tab = MonitoredTab(
            browser, host.url, SIZES[size], scheme, None, LOCALES[language], worker=True)
        self.page = self.tab.page
        # A dose asks for the password again five minutes after the log-in.
        self.page.add_locator_handler(self.page.locator("#again"), self._confirm)
        self._asked_again = ()
        self.steps = []
        self.wrong = []
        self._folder = None if folder is None else Path(folder)
        self._is_brief = is_brief  # axe at the first step of each page only
        self._seen_by_axe = set()
        self._english = _texts_to_translate(language)

    @property
    def name(self):
        """Name of this screen, for the names of its pictures."""
        return f"{self.language}-{self.size}-{self.scheme}"

    def go(self, path):
        """Open a page and wait until its live stream, if any, is connected."""
        self.page.goto(f"{self.host.url}{path}")
        self._wait_until_live()

    def follow(self, link):
        """Click a link or button that opens a page, and wait as go() does."""
        with self.page.expect_navigation():
            link.click()
        self._wait_until_live()

    def place(self, path):
        """Open a place of the main navigation, on a phone perhaps in its menu."""
        link = self.page.locator(f".nav a[href='{path}']")
        if not link.is_visible():
            self.page.locator(".nav .more").click()
        self.follow(link)

    def word(self, key, **values):
        """Return a pattern of the translation of `key`; missing values match anything."""
        with use_locale(Locale(self.language)):
            return _pattern(gettext(key), values)

    def words(self, one, many, count, **values):
        """Return a pattern of a translation with plural forms."""
        with use_locale(Locale(self.language)):
            return _pattern(ngettext(one, many, count), {"count": count, **values})

    def reason(self, reason):
        """Return a reason in words, as inside a sentence."""
        with use_locale(Locale(self.language)):
            return reason_text(reason)

    def sentence(self, reason):
        """Return a reason in words, as a sentence of its own."""
        with use_locale(Locale(self.language)):
            return as_sentence(reason)

    def plain(self, name):
        """Return a translation without placeholders."""
        with use_locale(Locale(self.language)):
            return gettext(name)

    def figure(self, value, decimals):
        """Return a number in the format of this language."""
        with use_locale(Locale(self.language)):
            return format_number(value, decimals)

    def says(self, where, key, **values):
        """Expect the translation of `key` in an element."""
        expect(self.page.locator(where).first).to_contain_text(self.word(key, **values))

    def done(self, where, key, **values):
        """Expect a confirmed outcome with the translation of `key`."""
        expect(self.page.locator(where)).to_have_attribute("data-state", "done")
        self.says(where, key, **values)

    def type(self, where, value, decimals=0):
        """Enter a number in the format of this language."""
        self.page.locator(where).fill(self.figure(value, decimals))

    def step(self, name, at=None, expected=()):
        """Check the page and save a picture, with `at` in the middle of the screen.

        expected: parts of browser messages that are not errors here."""
        expected = (*expected, *self._asked_again)
        found = [error for error in self.tab.troubles
                 if not any(part in error for part in expected)]
        self.tab.troubles.clear()
        self._asked_again = ()
        self.page.evaluate("scrollTo(0, 0)")  # axe measures what a sticky bar leaves of a link
        found += self._errors()
        if at is not None:
            self.page.locator(at).first.evaluate("it => it.scrollIntoView({block: 'center'})")
        self.wrong += [f"{self.name} {name}: {error}" for error in found]
        self.steps.append(name)
        if self._folder is not None:
            self._folder.mkdir(parents=True, exist_ok=True)
            self.page.screenshot(
                path=str(self._folder / f"{len(self.steps):02}-{name}-{self.name}.png"))

    def close(self):
        """Close the tab."""
        self.tab.close()

    def _wait_until_live(self):
        link = self.page.locator("#link")
        if link.count():
            expect(link).to_have_attribute("data-state", "live")

    def _confirm(self, dialog):
        self._asked_again = ("status of 403",)
        dialog.locator("[name=password]").fill(PASSWORD)
        dialog.locator("[type=submit]").click()

    def _errors(self):
        page, found = self.page, []
        wide = page.evaluate("document.documentElement.scrollWidth") - SIZES[self.size]["width"]
        if wide > 0:
            found.append(f"{wide} px wider than the screen")
        found += page.evaluate(_CUT)
        path = re.sub(r"\?.*", "", page.url)
        if not (self._is_brief and path in self._seen_by_axe):
            self._seen_by_axe.add(path)
            if not page.evaluate("'axe' in window"):
                page.evaluate(AXE.read_text("utf-8"))
            found += axe_violations(page)
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
    """Return a time-out for slow operations, ms."""
    return seconds * 1_000


def _pattern(text, values):
    parts = re.split(r"\{(\w+)\}", text)
    return re.compile("".join(
        (re.escape(str(values[part])) if part in values else ".+?") if index % 2
        else re.escape(part) for index, part in enumerate(parts)))


def _texts_to_translate(language):
    """Return the English texts that must not appear on pages in this language."""
    if language == "en":
        return frozenset()
    from babel.messages.pofile import read_po

    with catalog_file(language).open("rb") as file:
        catalog = read_po(file, locale=language)
    translated = {form for message in catalog for form in plural_forms(message.string)}
    return frozenset(message.id for message in catalog
                     if message.id and isinstance(message.id, str)
                     and message.id not in translated) - set(model.names())
