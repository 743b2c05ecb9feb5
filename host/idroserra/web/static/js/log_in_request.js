// Requests and addresses of the pages before log-in.

import { t } from "./i18n.js";

const WAIT_MS = 30_000;

/** Fetch JSON; a `body` is sent. Rejects with an Error whose message can be shown. */
export async function ask(path, body) {
  let answer;
  try {
    answer = await fetch(path, {
      method: body ? "POST" : "GET",
      headers: body ? { "Content-Type": "application/json" } : {},
      body: body ? JSON.stringify(body) : undefined,
      signal: AbortSignal.timeout?.(WAIT_MS),
    });
  } catch {
    throw new Error(t("The host does not answer: check the network."));
  }
  const content = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(content.words || content.error || t("The host responded with status {status}.", { status: answer.status }));
  return content;
}

/** The page to open after log-in: of this host only, as the browser reads the address. */
export function pageOfHost(next) {
  try {
    const page = new URL(next || "/", location.origin);
    return page.origin === location.origin ? page.href : "/";
  } catch {
    return "/"; // not an address
  }
}
