// Loads columns of channels, which the host answers for a number of channels at once.

import { request } from "./connection.js";

const MOST_CHANNELS = 32;

/** {channel: [[unix_ms, min, mean, max], ...]} of a node; `query`: from, to and columns. */
export async function loadSeries(node, channels, query, options) {
  const span = `from_unix_ms=${query.from}&to_unix_ms=${query.to}&columns=${query.columns}`;
  const requests = [];
  for (let at = 0; at < channels.length; at += MOST_CHANNELS) {
    const some = channels.slice(at, at + MOST_CHANNELS);
    requests.push(request(`/api/nodes/${encodeURIComponent(node)}/series?channels=${some}&${span}`, options));
  }
  const answers = await Promise.all(requests);
  return Object.assign({}, ...answers.map((answer) => answer.series));
}

/** The setpoints of a node in a range: `bands` by channel, `known_from_unix_ms`. */
export function loadBands(node, [from, to], signal) {
  return request(`/api/nodes/${encodeURIComponent(node)}/setpoints?from_unix_ms=${from}&to_unix_ms=${to}`, { signal });
}
