// Composes the Apprise address of a recipient from the fields of its service. Without DOM.

const part = encodeURIComponent;

/** Split a web address: [scheme, rest]. */
function split(url) {
  const [scheme, rest = ""] = url.trim().split("://");
  return [scheme.toLowerCase(), rest];
}

const ADDRESSES = {
  keep: () => "",
  ntfy: ({ ntfy_topic: topic, ntfy_server: server }) => {
    const [scheme, rest] = server.includes("://") ? split(server) : ["https", server.trim()];
    return topic && rest ? `ntfy${scheme === "http" ? "" : "s"}://${rest.replace(/\/+$/, "")}/${part(topic.trim())}` : null;
  },
  mail: ({ mail_to: to, mail_server: server, mail_user: user, mail_password: password }) => {
    const who = user ? `${part(user)}:${part(password)}@` : "";
    return to && server ? `mailtos://${who}${server.trim()}?to=${part(to)}${user.includes("@") ? `&from=${part(user)}` : ""}` : null;
  },
  telegram: ({ telegram_token: token, telegram_chat: chat }) => (token && chat ? `tgram://${token.trim()}/${part(chat.trim())}` : null),
  webhook: ({ webhook_url: url }) => {
    const [scheme, rest] = split(url);
    return rest && ["http", "https"].includes(scheme) ? `json${scheme === "https" ? "s" : ""}://${rest}` : null;
  },
  other: ({ other_url: url }) => url.trim() || null,
};

/** The address for the fields of a form, "" to keep the present one, null if a field is missing. */
export const addressOf = (service, fields) => ADDRESSES[service](fields);
