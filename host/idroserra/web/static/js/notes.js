// What the pages share about notes: asking for them, their words, and sending photos.

import { t } from "./i18n.js";
import { state } from "./state.js";
import { dayText, fullTime, number, shortTime } from "./words.js";

const STALLED_MS = 60_000;
const WORDS = {
  note: t("Note"), water_change: t("Water change"), planting: t("Planting"),
  harvest: t("Harvest"), pest: t("Pest or disease"), maintenance: t("Maintenance"),
};

/** What a note or a yield is about: a node, a site, or all there is. */
export function aboutText({ node, site }) {
  return node || site || (state.sites.length > 1 ? t("All sites") : t("The whole site"));
}

export const kindText = (kind) => WORDS[kind] || kind;

/** "Harvest: basil, 420 g, 12 pieces": what a note is, without its text. */
export function headline(note) {
  const parts = [note.crop];
  if (note.weight_g !== null) parts.push(`${number(note.weight_g, note.weight_g % 1 ? 1 : 0)} g`);
  if (note.count !== null) parts.push(t("{count} pieces", { count: note.count }));
  const said = parts.filter(Boolean).join(", ");
  return said ? `${kindText(note.kind)}: ${said}` : kindText(note.kind);
}

export const whenText = (unixMs) => fullTime(unixMs).replace(/:\d\d$/, "");

/** One line for a tooltip or a short list. */
export function briefly(note, mostChars = 120) {
  const text = note.text.length > mostChars ? `${note.text.slice(0, mostChars)}\u2026` : note.text;
  return text ? `${headline(note)}. ${text}` : headline(note);
}

export const photoPath = (note, photo, size) => `/api/journal/${note.id}/photos/${photo.id}?size=${size}`;

export function photoAlt(note, index) {
  return t("Photo {number} of the note of {day}, {time}", { number: index + 1, day: dayText(note.unix_ms), time: shortTime(note.unix_ms) });
}

/** Send one photo; `onShare(0 to 1)` as it goes. Resolves with the note, rejects with words. */
export function sendPhoto(noteId, file, onShare) {
  return new Promise((resolve, reject) => {
    const asked = new XMLHttpRequest();
    let timer = null;
    const wait = () => {
      clearTimeout(timer);
      timer = setTimeout(() => asked.abort(), STALLED_MS);
    };
    asked.open("POST", `/api/journal/${noteId}/photos`);
    asked.setRequestHeader("Content-Type", file.type);
    asked.responseType = "json";
    asked.upload.onprogress = (event) => {
      wait();
      onShare(event.total ? event.loaded / event.total : 0);
    };
    asked.onloadend = () => clearTimeout(timer);
    asked.onload = () => {
      const answer = asked.response || {};
      if (asked.status < 300) resolve(answer);
      else reject(new Error(answer.error || t("The host answered {status}.", { status: asked.status })));
    };
    const fail = () => reject(new Error(t("The host does not answer: check the network, this photo was not sent.")));
    asked.onerror = asked.onabort = fail;
    wait();
    asked.send(file);
  });
}
