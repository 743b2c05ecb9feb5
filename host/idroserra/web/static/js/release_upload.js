// Adds a release from the folder that a technician hands over, or from one packed file.

import { byId, showOutcome } from "./dom.js";
import { t } from "./i18n.js";
import { withDisabled } from "./confirm_dialog.js";
import { storedZip } from "./stored_zip.js";

const SEND_MS = 120_000;
const MOST_FILES = 1_000;

/** The body of the upload: the chosen file, or the chosen folder as one file. */
async function bodyOf(form) {
  const [one] = form.elements.packed.files;
  if (one) return one;
  const files = [...form.elements.folder.files];
  if (!files.some((file) => file.name === "manifest")) throw new Error(t("This folder has no release: choose the one with the files \u201cmanifest\u201d and \u201csignature\u201d."));
  if (files.length > MOST_FILES) throw new Error(t("These are too many files for a release."));
  const members = await Promise.all(files.map(async (file) => [file.webkitRelativePath.split("/").slice(1).join("/"), new Uint8Array(await file.arrayBuffer())]));
  return new Blob(storedZip(members));
}

async function send(body) {
  const answer = await fetch("/api/updates/releases", { method: "POST", headers: { "Content-Type": "application/zip" }, body, signal: AbortSignal.timeout(SEND_MS) }).catch(() => {
    throw new Error(t("The host does not answer: check the network."));
  });
  const content = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(content.words || content.error || t("The host responded with status {status}.", { status: answer.status }));
  return content;
}

/** Wire the form; `added` is called after each release that the host took. */
export function wireUpload(added) {
  const form = byId("upload");
  if (!form) return;
  const outcome = form.querySelector(".outcome");
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    showOutcome(outcome, "pending", t("Waiting for the host\u2026"));
    try {
      const release = await withDisabled(form.querySelectorAll("button"), async () => send(await bodyOf(form)));
      showOutcome(outcome, "done", t("Version {version} for {board} was added: its signature is valid.", { version: release.version, board: release.board_class }));
      form.reset();
      added();
    } catch (error) {
      showOutcome(outcome, "failed", error.message);
    }
  });
}
