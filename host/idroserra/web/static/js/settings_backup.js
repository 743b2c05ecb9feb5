// The backup in the settings: make one, follow its progress, download it.

import { byId, setText, showOutcome } from "./dom.js";
import { nowUnixMs } from "./state.js";
import { t } from "./i18n.js";
import { request, start } from "./connection.js";
import { ageText, fullTime, number } from "./format.js";
import { withDisabled } from "./confirm_dialog.js";
import { LatestResponse } from "./latest_response.js";
import { startFrame } from "./page_frame.js";
import { openDialog, wireDialog } from "./settings_form.js";

const PATH = "/api/settings/backup";
const AGAIN_MS = 1_000;
const answers = new LatestResponse();
const form = byId("make");
const outcome = byId("backup-outcome");
let wasRunning = false;

const sizeText = (bytes) => (bytes < 1e6 ? `${number(bytes / 1e3, 0)} kB` : bytes < 1e9 ? `${number(bytes / 1e6, 1)} MB` : `${number(bytes / 1e9, 2)} GB`);

function newestText(newest) {
  if (!newest) return t("None yet.");
  const words = { age: ageText(nowUnixMs() - newest.unix_ms), time: fullTime(newest.unix_ms), size: sizeText(newest.bytes), who: newest.by };
  return newest.with_keys ? t("{age} ({time}), {size}, by {who}, with keys", words) : t("{age} ({time}), {size}, by {who}, without keys", words);
}

function render(answer) {
  const isRunning = answer.state === "running";
  setText(byId("newest"), newestText(answer.newest));
  byId("making").hidden = !isRunning;
  const bar = byId("making").querySelector("progress");
  bar.value = answer.expected_bytes ? (100 * answer.done_bytes) / answer.expected_bytes : 0;
  if (form) {
    form.querySelector("[type=submit]").disabled = isRunning;
    byId("download").hidden = byId("delete").hidden = !answer.newest || isRunning;
  }
  if (answer.state === "failed") showOutcome(outcome, "failed", t("The backup failed: {reason}", { reason: answer.error }));
  else if (wasRunning && !isRunning) showOutcome(outcome, "done", t("The backup is complete. Download it to another machine."));
  wasRunning = isRunning;
}

async function load() {
  const answer = await answers.of(request(PATH));
  if (answer) render(answer);
}

const fail = (error) => showOutcome(outcome, "failed", error.message);

if (form) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    outcome.hidden = true;
    const body = { with_keys: form.elements.with_keys.checked };
    try {
      const answer = await withDisabled([form.querySelector("[type=submit]")], () => answers.change(request(PATH, { method: "POST", body })));
      wasRunning = true;
      render(answer);
    } catch (error) {
      fail(error);
    }
  });
  byId("download").addEventListener("click", async ({ currentTarget }) => {
    try {
      const { path } = await withDisabled([currentTarget], () => request(`${PATH}/download`, { method: "POST", body: {} }));
      location.assign(path); // a download: the page stays
    } catch (error) {
      fail(error);
    }
  });
  byId("delete").addEventListener("click", () => openDialog(byId("remove"), t("Delete the backup?")));
  wireDialog(byId("remove"), async () => {
    render(await answers.change(request(PATH, { method: "DELETE", body: {} })));
    showOutcome(outcome, "done", t("The backup was deleted."));
  });
}

setInterval(() => document.visibilityState === "visible" && load().catch(() => {}), AGAIN_MS * (form ? 1 : 30));
startFrame();
start();
load().catch(fail);
