// Texts in the language of the page. English is the key and the fallback.

const WAIT_MS = 15_000;
const tag = document.documentElement.lang;
export const language = tag.split("-")[0];

/** Locales for Intl: numbers and dates by language, so that a date looks the same everywhere: 20 Nov. */
export const numberLocale = tag;
export const dateLocale = language === "en" ? "en-GB" : tag;

const catalog = language === "en" ? {} : await load();
const plural = new Intl.PluralRules(tag);

async function load() {
  try {
    const answer = await fetch(new URL(`../words/${language}.json`, import.meta.url), { signal: AbortSignal.timeout?.(WAIT_MS) });
    return answer.ok ? await answer.json() : {};
  } catch {
    return {};
  }
}

function fill(text, values) {
  return text.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? values[name] : whole));
}

/** The translation of `text`, with `{name}` filled in from `values`. */
export function t(text, values = {}) {
  return fill(catalog[text] || text, values);
}

/** The translation of `one` or `many` for `count`, which fills in `{count}`. */
export function tn(one, many, count, values = {}) {
  const forms = catalog[one] || [one, many];
  const form = plural.select(count) === "one" ? forms[0] : forms[forms.length - 1];
  return fill(form, { count, ...values });
}

/** `text` itself, marked for translation by t() where it is shown. */
export const mark = (text) => text;
