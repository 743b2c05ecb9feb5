// The boards in the settings: delete one of one's own.

import { byId } from "./dom.js";
import { t } from "./i18n.js";
import { request, start } from "./connection.js";
import { startFrame } from "./page_frame.js";
import { openDialog, wireDialog } from "./settings_form.js";

const remove = byId("remove");
let chosen = "";

for (const button of document.querySelectorAll("[data-delete]")) {
  button.addEventListener("click", () => {
    chosen = button.dataset.delete;
    openDialog(remove, t("Delete {name}?", { name: chosen }));
  });
}
wireDialog(remove, async () => {
  await request(`/api/boards/${encodeURIComponent(chosen)}`, { method: "DELETE", body: {} });
  location.reload();
});
startFrame();
start();
