// The form to write or edit a note with photos.

import { make, showOutcome } from "./dom.js";
import { t } from "./i18n.js";
import { request } from "./connection.js";
import { photoAlt, photoPath, sendPhoto } from "./notes.js";
import { nowUnixMs } from "./state.js";
import { withDisabled } from "./confirm_dialog.js";

const TYPES = ["image/jpeg", "image/png", "image/webp"];
const MOST_BYTES = 20 * 1024 * 1024;
const MOST_PHOTOS = 8;

/** A time as the value of a datetime-local field. */
function local(unixMs) {
  const at = new Date(unixMs - new Date(unixMs).getTimezoneOffset() * 60_000);
  return at.toISOString().slice(0, 16);
}

export class NoteForm {
  /** `onSaved()` is called after each change on the host. */
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
    this.start();
  }

  /** Keep what a person has typed and chosen while the page loaded. */
  start() {
    const { when, camera, files } = this.form.elements;
    if (when.value) this.isNow = false;
    else this.setTime(null);
    this.showFields();
    for (const input of [camera, files]) this.take(input);
  }

  /** Clear the form; the node is saved. */
  clear(node = this.form.elements.node.value) {
    const { elements } = this.form;
    for (const name of ["crop", "weight_g", "count", "text"]) elements[name].value = "";
    this.note = null;
    this.files = [];
    elements.node.value = node;
    elements.kind.value = "note";
    this.setTime(null);
    this.title.textContent = t("New note");
    this.form.querySelector("[type=reset]").hidden = true;
    showOutcome(this.outcome, "", "");
    this.showFields();
    this.showPhotos();
  }

  /** Fill in a note to edit; `files`: photos to upload. */
  change(note, files = []) {
    const { elements } = this.form;
    this.clear(note.node || (note.site ? `@${note.site}` : ""));
    this.note = note;
    this.files = files;
    elements.kind.value = note.kind;
    for (const name of ["crop", "weight_g", "count", "text"]) elements[name].value = note[name] ?? "";
    this.setTime(note.unix_ms);
    this.title.textContent = t("Edit note");
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

  get photos() {
    return this.note ? this.note.photos : [];
  }

  take(input) {
    for (const file of input.files) {
      const why = this.flaw(file);
      if (why) showOutcome(this.outcome, "failed", why);
      else this.files.push(file);
    }
    input.value = "";
    this.showPhotos();
  }

  flaw(file) {
    const { name } = file;
    if (!TYPES.includes(file.type)) return t("{name} is not a JPEG, PNG or WebP.", { name });
    if (file.size > MOST_BYTES) return t("{name} is larger than 20 MB.", { name });
    if (this.files.length + this.photos.length >= MOST_PHOTOS) return t("A note can have at most 8 photos.");
    return "";
  }

  showPhotos() {
    const saved = this.photos.map((photo, index) =>
      this.picture(photoPath(this.note, photo, "small"), photoAlt(this.note, index), () => this.deletePhoto(photo)));
    const waiting = this.files.map((file) => {
      const url = URL.createObjectURL(file);
      return this.picture(url, file.name, () => {
        URL.revokeObjectURL(url);
        this.files = this.files.filter((one) => one !== file);
        this.showPhotos();
      });
    });
    this.chosen.replaceChildren(...saved, ...waiting);
  }

  picture(url, name, drop) {
    const item = document.createElement("li");
    const image = make("img", { src: url, alt: name });
    const button = make("button", { type: "button", className: "drop", textContent: "\u00d7" });
    button.setAttribute("aria-label", t("Remove {name}", { name }));
    button.addEventListener("click", drop);
    item.append(image, button);
    return item;
  }

  async deletePhoto(photo) {
    try {
      const asking = () => request(`/api/journal/${this.note.id}/photos/${photo.id}`, { method: "DELETE", body: {} });
      this.note = await withDisabled(this.form.querySelectorAll("button"), asking);
      this.showPhotos();
      this.onSaved();
    } catch (error) {
      showOutcome(this.outcome, "failed", error.message);
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
    showOutcome(this.outcome, "pending", t("Saving\u2026"));
    try {
      const refused = await withDisabled(this.form.elements, () => this.keep());
      if (refused) {
        this.change(this.note, this.files);
        showOutcome(this.outcome, "failed", refused);
      } else {
        this.clear();
        showOutcome(this.outcome, "done", t("Saved."));
      }
    } catch (error) {
      showOutcome(this.outcome, "failed", t("Not saved: {why}", { why: error.message }));
    }
    this.progress.hidden = true;
    this.onSaved();
  }

  /** Save the note and upload its photos; returns why a photo was refused, or "". */
  async keep() {
    const [method, path] = this.note ? ["PUT", `/api/journal/${this.note.id}`] : ["POST", "/api/journal"];
    this.note = await request(path, { method, body: this.body() }); // a retry changes it
    const { files } = this;
    let refused = "";
    for (const [index, file] of files.entries()) {
      this.progress.hidden = false;
      showOutcome(this.outcome, "pending", t("Photo {number} of {count}\u2026", { number: index + 1, count: files.length }));
      try {
        this.note = await sendPhoto(this.note.id, file, (share) => (this.progress.value = (index + share) / files.length));
        this.files = this.files.filter((one) => one !== file);
      } catch (error) {
        refused = t("The note is saved, but {name} was not uploaded: {why}", { name: file.name, why: error.message });
      }
    }
    return refused;
  }
}
