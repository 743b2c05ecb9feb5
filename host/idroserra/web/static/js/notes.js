// Texts of notes, and the upload of photos.

import { t } from "./i18n.js";
import { state } from "./state.js";
import { dayText, fullTime, number, shortTime } from "./format.js";

const STALLED_MS = 60_000;
const WORDS = {
  note: t("Note"), water_change: t("Water change"), planting: t("Planting"),
  harvest: t("Harvest"), pest: t("Pest or disease"), maintenance: t("Maintenance"),
};

/** The subject of a note or a yield: a node, a site or all sites. */
export function aboutText({ node, site }) {
  return node || site || (state.sites.length > 1 ? t("All sites") : t("The whole site"));
}

export const kindText = (kind) => WORDS[kind] || kind;

/** "Harvest: basil, 420 g, 12 pieces": the title of a note. */
export function headline(note) {
  const parts = [note.crop];
  if (note.weight_g !== null) parts.push(`${number(note.weight_g, note.weight_g % 1 ? 1 : 0)} g`);
  if (note.count !== null) parts.push(t("{count} pieces", { count: note.count }));
  const details = parts.filter(Boolean).join(", ");
  return details ? `${kindText(note.kind)}: ${details}` : kindText(note.kind);
}

export const whenText = (unixMs) => fullTime(unixMs).replace(/:\d\d$/, "");

/** A note in one line. */
export function oneLine(note, mostChars = 120) {
  const text = note.text.length > mostChars ? `${note.text.slice(0, mostChars)}\u2026` : note.text;
  return text ? `${headline(note)}. ${text}` : headline(note);
}

export const photoPath = (note, photo, size) => `/api/journal/${note.id}/photos/${photo.id}?size=${size}`;

export function photoAlt(note, index) {
  return t("Photo {number} of the note of {day}, {time}", { number: index + 1, day: dayText(note.unix_ms), time: shortTime(note.unix_ms) });
}

/** Upload a photo; `onShare` gets the progress, 0 to 1. Resolves with the note. */
export function sendPhoto(noteId, file, onShare) {
  return new Promise((resolve, reject) => {
    const upload = new XMLHttpRequest();
    let timer = null;
    const wait = () => {
      clearTimeout(timer);
      timer = setTimeout(() => upload.abort(), STALLED_MS);
    };
    upload.open("POST", `/api/journal/${noteId}/photos`);
    upload.setRequestHeader("Content-Type", file.type);
    upload.responseType = "json";
    upload.upload.onprogress = (event) => {
      wait();
      onShare(event.total ? event.loaded / event.total : 0);
    };
    upload.onloadend = () => clearTimeout(timer);
    upload.onload = () => {
      const answer = upload.response || {};
      if (upload.status < 300) resolve(answer);
      else reject(new Error(answer.words || answer.error || t("The host responded with status {status}.", { status: upload.status })));
    };
    const fail = () => reject(new Error(t("The host does not answer: check the network, this photo was not sent.")));
    upload.onerror = upload.onabort = fail;
    wait();
    upload.send(file);
  });
}
