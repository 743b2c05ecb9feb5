// Writing a note or changing one: the fields of its kind, its photos, and what became of it.

import { t } from "./i18n.js";
import { request } from "./link.js";
import { photoAlt, photoPath, sendPhoto } from "./notes.js";
import { nowUnixMs } from "./state.js";
import { alone } from "./sure.js";

const TYPES = ["image/jpeg", "image/png", "image/webp"];
const MOST_BYTES = 20 * 1024 * 1024;
const MOST_PHOTOS = 8;

/** A time as the field for it has it, of this device's clock. */
function local(unixMs) {
  const at = new Date(unixMs - new Date(unixMs).getTimezoneOffset() * 60_000);
  return at.toISOString().slice(0, 16);
}

export class NoteForm {
  /** `onSaved()` is called after something was kept. */
  constructor(form, onSaved) {
    this.form = form;
    this.onSaved = onSaved;
    this.title = document.getElementById("write-title");
    this.outcome = form.querySelector(".outcome");
    this.progress = form.querySelector("progress");
    this.chosen = document.getElementById("chosen");
    this.files = [];
    this.note = null;
    form.elements.kind.addEventListener("change", () => this.showFields());
    form.elements.when.addEventListener("input", () => (this.isNow = false));
    for (const input of [form.elements.camera, form.elements.files]) {
      input.addEventListener("change", () => this.take(input));
    }
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.save();
    });
    form.addEventListener("reset", (event) => {
      event.preventDefault();
      this.clear();
    });
    this.clear();
  }

  /** An empty form; the node stays as it was. */
  clear(node = this.form.elements.node.value) {
    const { elements } = this.form;
    for (const name of ["crop", "weight_g", "count", "text"]) elements[name].value = "";
    this.note = null;
    this.files = [];
    elements.node.value = node;
    elements.kind.value = "note";
    this.setTime(null);
    this.title.textContent = t("Write a note");
    this.form.querySelector("[type=reset]").hidden = true;
    this.say("", "");
    this.showFields();
    this.showPhotos();
  }

  /** Fill in a note that is to be changed; `files`: photos that wait to be sent. */
  change(note, files = []) {
    const { elements } = this.form;
    this.clear(note.node || (note.site ? `@${note.site}` : ""));
    this.note = note;
    this.files = files;
    elements.kind.value = note.kind;
    for (const name of ["crop", "weight_g", "count", "text"]) elements[name].value = note[name] ?? "";
    this.setTime(note.unix_ms);
    this.title.textContent = t("Change a note");
    this.form.querySelector("[type=reset]").hidden = false;
    this.showFields();
    this.showPhotos();
    document.getElementById("write").scrollIntoView({ block: "start" });
    elements.text.focus({ preventScroll: true });
  }

  setTime(unixMs) {
    this.isNow = unixMs === null;
    this.form.elements.when.value = local(unixMs ?? nowUnixMs());
    this.form.elements.when.max = local(nowUnixMs() + 60_000);
  }

  showFields() {
    const { value } = this.form.elements.kind;
    for (const field of this.form.querySelectorAll("[data-of]")) {
      field.hidden = !field.dataset.of.split(" ").includes(value);
    }
  }

  say(how, text) {
    this.outcome.dataset.state = how;
    this.outcome.textContent = text;
  }

  get photos() {
    return this.note ? this.note.photos : [];
  }

  take(input) {
    for (const file of input.files) {
      const why = this.flaw(file);
      if (why) this.say("failed", why);
      else this.files.push(file);
    }
    input.value = "";
    this.showPhotos();
  }

  flaw(file) {
    const { name } = file;
    if (!TYPES.includes(file.type)) return t("{name} is no JPEG, PNG or WebP.", { name });
    if (file.size > MOST_BYTES) return t("{name} is larger than 20 MB.", { name });
    if (this.files.length + this.photos.length >= MOST_PHOTOS) return t("A note has 8 photos at most.");
    return "";
  }

  showPhotos() {
    const kept = this.photos.map((photo, index) =>
      this.picture(photoPath(this.note, photo, "small"), photoAlt(this.note, index), () => this.dropKept(photo)));
    const waiting = this.files.map((file) => {
      const url = URL.createObjectURL(file);
      return this.picture(url, file.name, () => {
        URL.revokeObjectURL(url);
        this.files = this.files.filter((one) => one !== file);
        this.showPhotos();
      });
    });
    this.chosen.replaceChildren(...kept, ...waiting);
  }

  picture(url, name, drop) {
    const item = document.createElement("li");
    const image = Object.assign(document.createElement("img"), { src: url, alt: name });
    const button = Object.assign(document.createElement("button"), { type: "button", className: "drop", textContent: "\u00d7" });
    button.setAttribute("aria-label", t("Leave out {name}", { name }));
    button.addEventListener("click", drop);
    item.append(image, button);
    return item;
  }

  async dropKept(photo) {
    try {
      const asking = () => request(`/api/journal/${this.note.id}/photos/${photo.id}`, { method: "DELETE", body: {} });
      this.note = await alone(this.form.querySelectorAll("button"), asking);
      this.showPhotos();
      this.onSaved();
    } catch (error) {
      this.say("failed", error.message);
    }
  }

  body() {
    const { elements } = this.form;
    const of = (name) => !elements[name].closest("[data-of]").hidden && elements[name].value.trim();
    const about = elements.node.value;
    const isSite = about.startsWith("@");
    const body = {
      node: isSite ? null : about || null, site: isSite ? about.slice(1) : null, kind: elements.kind.value, text: elements.text.value,
      unix_ms: this.isNow ? Math.round(nowUnixMs()) : new Date(elements.when.value).getTime(),
    };
    if (of("crop")) body.crop = of("crop");
    if (of("weight_g")) body.weight_g = Number(of("weight_g"));
    if (of("count")) body.count = Number(of("count"));
    return body;
  }

  async save() {
    this.say("pending", t("Saving\u2026"));
    try {
      const refused = await alone(this.form.elements, () => this.keep());
      if (refused) {
        this.change(this.note, this.files);
        this.say("failed", refused);
      } else {
        this.clear();
        this.say("done", t("Saved."));
      }
    } catch (error) {
      this.say("failed", t("Not saved: {why}", { why: error.message }));
    }
    this.progress.hidden = true;
    this.onSaved();
  }

  /** Keep the note and its photos; returns why some were not taken, "" where all were. */
  async keep() {
    const [method, path] = this.note ? ["PUT", `/api/journal/${this.note.id}`] : ["POST", "/api/journal"];
    this.note = await request(path, { method, body: this.body() }); // which is not written twice
    const { files } = this;
    let refused = "";
    for (const [index, file] of files.entries()) {
      this.progress.hidden = false;
      this.say("pending", t("Photo {number} of {count}\u2026", { number: index + 1, count: files.length }));
      try {
        this.note = await sendPhoto(this.note.id, file, (share) => (this.progress.value = (index + share) / files.length));
        this.files = this.files.filter((one) => one !== file);
      } catch (error) {
        refused = t("The note is saved, but {name} was not taken: {why}", { name: file.name, why: error.message });
      }
    }
    return refused;
  }
}
