// The choice of a recipe for a node: what its start changes, its preview, and only then Start.

import { make, setText } from "./dom.js";
import { t } from "./i18n.js";
import { request } from "./connection.js";
import { fullTime } from "./format.js";
import { nowUnixMs } from "./state.js";
import { LatestResponse } from "./latest_response.js";
import { changeRows, changeText } from "./recipe_diff.js";
import { drawTimeline } from "./recipe_timeline.js";
import { resultText } from "./preview.js";

const FRESH_MS = 24 * 3600e3;

export class RecipeStart {
  /** `preview`: the PreviewPanel of the node; `showOutcome(text)`: shows an error. */
  constructor(form, node, preview, showOutcome) {
    this.form = form;
    this.node = node;
    this.preview = preview;
    this.showOutcome = showOutcome;
    this.select = form.elements.recipe;
    this.newest = new LatestResponse();
    this.start = null; // what a start changes, of the host
    this.select.addEventListener("change", () => this.load());
    form.querySelector(".see").addEventListener("click", () => preview.runRecipe(this.name));
    preview.root.addEventListener("previewed", () => this.render());
  }

  get name() {
    return this.select.value;
  }

  /** Load what the start of the chosen recipe changes, and its timeline. */
  async load() {
    setText(this.form.querySelector(".about"), this.select.selectedOptions[0]?.dataset.text || "");
    this.start = null;
    this.newest.restart();
    this.render();
    const [node, name] = [this.node, this.name].map(encodeURIComponent);
    if (!name) return;
    try {
      const asking = Promise.all([request(`/api/nodes/${node}/recipe/start?recipe=${name}`), request(`/api/recipes/${name}`)]);
      const found = await this.newest.of(asking);
      if (!found) return;
      this.start = found[0];
      this.showOutcome("");
      drawTimeline(this.form.querySelector(".timeline"), found[1].timeline);
      this.preview.load();
    } catch (error) {
      this.showOutcome(error.message);
    }
    this.render();
  }

  /** Load again what a start changes after the settings of the node changed. */
  refresh(values) {
    const text = JSON.stringify(values);
    if (text === this.valuesText) return;
    this.valuesText = text;
    this.load();
  }

  /** The preview of the chosen recipe as it is now, or null. */
  get previewed() {
    const found = this.preview.preview;
    if (!found || !this.start || found.asked.recipe !== this.name) return null;
    const isOfThis = found.asked.recipe_digest === this.start.digest && nowUnixMs() - found.asked_unix_ms < FRESH_MS;
    return isOfThis ? found : null;
  }

  render() {
    const { start, previewed } = this;
    const table = this.form.querySelector(".changes");
    const changes = start ? start.changes : [];
    table.hidden = changes.length === 0;
    table.tBodies[0].replaceChildren(...changeRows(changes));
    this.form.querySelector(".nothing").hidden = !start || changes.length > 0;
    this.form.querySelector(".notes").replaceChildren(...this.notes.map((text) => make("li", { textContent: text })));
    const [isSeen, words] = previewedText(previewed);
    setText(this.form.querySelector(".previewed"), words);
    this.form.querySelector(".see").disabled = !start || (previewed !== null && previewed.state === "running");
    this.form.querySelector("[type=submit]").disabled = !start || !isSeen;
  }

  get notes() {
    return this.start ? this.start.notes.map((note) => `${note.stage}: ${note.reason.text}`) : [];
  }

  get changed() {
    const changes = this.start ? this.start.changes : [];
    return changes.length ? changes.map(changeText) : [t("No setpoint changes today.")];
  }
}

/** Whether a preview was shown, and what it says. */
function previewedText(preview) {
  if (!preview || preview.state === "cancelled") return [false, t("Before the start, run the preview: it shows the next days of this recipe in this tank.")];
  const when = fullTime(preview.asked_unix_ms);
  if (preview.state === "done") return [true, t("Preview of {when}: {result}", { when, result: resultText(preview.outcome) })];
  if (preview.state === "failed") return [true, t("The preview failed: {why}. A start without preview is possible.", { why: preview.error.text })];
  return [false, t("The preview is running.")];
}
