// Translations of actions and results in the audit log, which is English.

import { mark, t } from "./i18n.js";

export const ACTIONS = [
  mark("log in"), mark("log in by link"), mark("log in by OpenID"),
  mark("confirm by OpenID"), mark("set up"), mark("log out"),
  mark("log out everywhere"), mark("confirm password"), mark("change own password"),
  mark("add user"), mark("change role"), mark("set password"),
  mark("lock out user"), mark("let in user"), mark("remove user"), mark("create token"), mark("revoke token"), mark("create setup token"),
  mark("fill bottle"), mark("undo bottle filling"), mark("command"), mark("change settings"),
  mark("keep node settings"),
  mark("settings reported"), mark("adopt node"), mark("install node"), mark("name node"),
  mark("change notifications"), mark("set recipient"), mark("remove recipient"),
  mark("test recipient"), mark("change alarm"),
  mark("make backup"), mark("delete backup"),
  mark("allow backup download"), mark("download backup"),
  mark("settle key"), mark("forget node"),
  mark("add release"), mark("remove release"), mark("roll out release"), mark("begin roll-out"),
  mark("finish roll-out"), mark("stop roll-out"), mark("cancel roll-out"),
  mark("update waiting"), mark("update offered"), mark("update downloading"),
  mark("update downloaded"), mark("update trial"), mark("update confirmed"),
  mark("update refused"), mark("update reverted"), mark("update lost"), mark("update cancelled"),
  mark("add recipe"), mark("clone recipe"), mark("change recipe"), mark("delete recipe"),
  mark("start recipe"), mark("skip stage"), mark("resume recipe"), mark("stop recipe"),
  mark("begin preview"), mark("cancel preview"), mark("begin calibration"),
  mark("revert calibration"), mark("record point"), mark("delete point"), mark("run pump"),
  mark("factory calibration"), mark("finish calibration"), mark("cancel calibration"),
  mark("write note"), mark("change note"), mark("delete note"), mark("add photo"),
  mark("delete photo"), mark("acknowledge alarm"), mark("shelve alarm"), mark("unshelve alarm"),
  mark("test alarms"), mark("remove alarm from service"), mark("return alarm to service"),
  mark("requests left out"),
];
const RESULTS = [mark("done"), mark("refused"), mark("failed"), mark("asked")];

/** The translation of an action or a result; other texts unchanged. */
export const auditText = (word) => (ACTIONS.includes(word) || RESULTS.includes(word) ? t(word) : word);
