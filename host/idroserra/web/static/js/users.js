// Users, tokens of programs, and the audit log: for admins.

import { byId, make, showOutcome } from "./dom.js";
import { auditText } from "./audit_texts.js";
import { renderAlarmBadge } from "./alarm_badge.js";
import { mark, t, tn } from "./i18n.js";
import { request } from "./connection.js";
import { dateText, stampText } from "./format.js";
import { LatestResponse } from "./latest_response.js";
import { withDisabled, openConfirm } from "./confirm_dialog.js";

const ROLES = [mark("viewer"), mark("operator"), mark("admin")];
const ROWS = 100;
const sure = byId("sure");
const people = new LatestResponse();
const programs = new LatestResponse();
const audits = new LatestResponse();

/** Ask for confirmation. Resolves with the new password, "" without one, or null on cancel. */
function askToConfirm(title, text, withPassword) {
  sure.querySelector("h2").textContent = title;
  sure.querySelector("p").textContent = text;
  const label = sure.querySelector(".new");
  const input = label.querySelector("input");
  label.hidden = !withPassword;
  input.required = withPassword;
  input.value = "";
  openConfirm(sure);
  return new Promise((resolve) => {
    sure.addEventListener("close", () => resolve(sure.returnValue === "yes" ? input.value : null), { once: true });
  });
}

/** Send a change with the controls of its list disabled, then reload. */
async function change(outcome, path, options, done) {
  const isOfUsers = outcome.id === "users-outcome";
  const asking = () => (isOfUsers ? people : programs).change(request(path, options));
  try {
    await withDisabled(byId(isOfUsers ? "users" : "tokens").querySelectorAll("button, select"), asking);
    showOutcome(outcome, "done", done);
  } catch (error) {
    showOutcome(outcome, "failed", error.message);
  }
  loadAll();
}

function renderUsers({ users }) {
  byId("users").replaceChildren(...users.map(userRow));
}

function userRow(user) {
  const path = `/api/users/${encodeURIComponent(user.name)}`;
  const outcome = byId("users-outcome");
  const open = user.sessions ? tn("logged in", "logged in {count} times", user.sessions) : t("not logged in");
  if (user.issuer) return providerUserRow(user, path, open);
  const role = make("select", { ariaLabel: t("Role of {name}", { name: user.name }) }, ...ROLES.map((name) => new Option(t(name), name, false, name === user.role)));
  role.addEventListener("change", () => {
    change(outcome, `${path}/role`, { method: "PUT", body: { role: role.value } }, t("{name} is now {role}.", { name: user.name, role: t(role.value) }));
  });
  const password = make("button", { type: "button", textContent: t("New password\u2026") });
  password.addEventListener("click", async () => {
    const wanted = await askToConfirm(t("A new password for {name}?", { name: user.name }), t("This ends the user's sessions."), true);
    if (wanted) change(outcome, `${path}/password`, { method: "PUT", body: { password: wanted } }, t("{name} has a new password.", { name: user.name }));
  });
  const remove = removeButton(user, path, t("The user can no longer log in. Past actions stay in the audit log."));
  const about = t("since {day}, {state}", { day: dateText(user.made_unix_ms), state: open });
  return make("li", {}, make("b", { textContent: user.name }, make("small", { textContent: about })), role, password, remove);
}

function removeButton(user, path, text) {
  const remove = make("button", { type: "button", textContent: t("Remove\u2026") });
  remove.addEventListener("click", async () => {
    const yes = await askToConfirm(t("Remove {name}?", { name: user.name }), text, false);
    if (yes !== null) change(byId("users-outcome"), path, { method: "DELETE", body: {} }, t("{name} was removed.", { name: user.name }));
  });
  return remove;
}

/** A user of the OpenID provider, which decides on the role; an admin here can keep them out. */
function providerUserRow(user, path, open) {
  const isOut = user.is_locked_out;
  const lock = make("button", { type: "button", textContent: isOut ? t("Let in") : t("Lock out\u2026") });
  lock.addEventListener("click", async () => {
    if (!isOut && (await askToConfirm(t("Lock out {name}?", { name: user.name }), t("This ends the user's sessions. The provider's log-in no longer lets them into this host."), false)) === null) return;
    const done = isOut ? t("{name} may log in again.", { name: user.name }) : t("{name} is locked out.", { name: user.name });
    change(byId("users-outcome"), `${path}/lock-out`, { method: isOut ? "DELETE" : "PUT", body: {} }, done);
  });
  const remove = removeButton(user, path, t("The provider lets the user in again: to keep them out, lock them out. Past actions stay in the audit log."));
  const state = isOut ? t("locked out") : open;
  const about = t("since {day}, {state}", { day: dateText(user.made_unix_ms), state });
  const where = t("logs in at {issuer} as {subject}", { issuer: user.issuer, subject: user.subject });
  return make("li", {}, make("b", { textContent: user.name }, make("small", { textContent: about }), make("small", { textContent: where })), make("span", { className: "chip", textContent: t(user.role) }), lock, remove);
}

function renderTokens({ tokens }) {
  const none = make("li", { className: "soft small", textContent: t("None.") });
  byId("tokens").replaceChildren(...(tokens.length ? tokens.map(tokenRow) : [none]));
}

function tokenRow(token) {
  const used = token.used_unix_ms === null ? t("never used") : t("used {day}", { day: dateText(token.used_unix_ms) });
  const revoke = make("button", { type: "button", textContent: t("Revoke\u2026") });
  revoke.addEventListener("click", async () => {
    const yes = await askToConfirm(t("Revoke {name}?", { name: token.name }), t("Requests with it are refused from then on."), false);
    if (yes !== null) change(byId("tokens-outcome"), `/api/tokens/${encodeURIComponent(token.name)}`, { method: "DELETE", body: {} }, t("{name} was revoked.", { name: token.name }));
  });
  const about = t("created {day} by {who}, {used}", { day: dateText(token.made_unix_ms), who: token.by, used });
  return make("li", {}, make("b", { textContent: token.name }, make("small", { textContent: about })), make("span", { className: "chip", textContent: t(token.role) }), revoke);
}

function auditRow(row) {
  const at = stampText(row.unix_ms);
  const cells = [["", at], [t("User"), row.who], ["", auditText(row.action)], [t("Of"), row.target], [t("Details"), row.words], [t("Result"), auditText(row.result)], [t("From"), row.address]];
  const made = make("tr", {}, ...cells.map(([label, text]) => {
    const cell = make("td", { textContent: text });
    if (label) cell.dataset.label = label;
    return cell;
  }));
  if (row.reason) made.children[5].append(" (", make("span", { textContent: row.reason, lang: "en" }), ")"); // the log is English
  made.dataset.action = row.action;
  return made;
}

let oldest = null;

async function loadAudit(beforeSeq = null) {
  const older = beforeSeq === null ? "" : `&before_seq=${beforeSeq}`;
  if (!older) audits.restart(); // discard older rows of the previous list
  const answer = await audits.of(request(`/api/audit?limit=${ROWS}${older}`));
  if (!answer) return;
  const { rows } = answer;
  if (!older) byId("audit").replaceChildren();
  byId("audit").append(...rows.map(auditRow));
  oldest = rows.length ? rows[rows.length - 1].seq : oldest;
  byId("older").hidden = rows.length < ROWS;
}

byId("older").addEventListener("click", ({ currentTarget }) => withDisabled([currentTarget], () => loadAudit(oldest)).catch(fail));

async function submit(form, path, then) {
  const outcome = form.querySelector(".outcome");
  const body = Object.fromEntries(new FormData(form));
  try {
    then(await withDisabled(form.querySelectorAll("button"), () => request(path, { method: "POST", body })), outcome);
    form.reset();
  } catch (error) {
    showOutcome(outcome, "failed", error.message);
  }
  loadAll();
}

byId("add-user").addEventListener("submit", (event) => {
  event.preventDefault();
  submit(event.target, "/api/users", (_, outcome) => showOutcome(outcome, "done", t("Added.")));
});

byId("make-token").addEventListener("submit", (event) => {
  event.preventDefault();
  submit(event.target, "/api/tokens", (made, outcome) => {
    showOutcome(outcome, "done", t("{name} created.", { name: made.name }));
    const shown = event.target.querySelector(".secret");
    shown.hidden = false;
    shown.querySelector("code").textContent = made.secret;
  });
});

function fail(error) {
  showOutcome(byId("users-outcome"), "failed", error.message);
}

/** Load and render everything. */
async function loadAll() {
  const sections = [[people, "/api/users", renderUsers], [programs, "/api/tokens", renderTokens]];
  await Promise.all([loadAudit(), ...sections.map(async ([newest, path, render]) => {
    const answer = await newest.of(request(path));
    if (answer) render(answer);
  })]).catch(fail);
}

renderAlarmBadge();
loadAll();
