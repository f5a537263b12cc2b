/** Runs in the browser. Everything that came from a client or an upstream is set as textContent. */
export const dashboardScript = `
"use strict";
const every = 3000;
const points = 100;
const served = [];
const fetched = [];
let before;

const element = (id) => document.getElementById(id);
const say = (id, text) => { element(id).textContent = text; };

function size(bytes) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) { value /= 1024; unit++; }
  return value.toFixed(unit === 0 || value >= 100 ? 0 : 1) + " " + units[unit];
}

function span(milliseconds) {
  const minutes = Math.floor(milliseconds / 60000);
  if (minutes < 1) return Math.floor(milliseconds / 1000) + " s";
  if (minutes < 60) return minutes + " min";
  if (minutes < 2880) return Math.floor(minutes / 60) + " h " + (minutes % 60) + " min";
  return Math.floor(minutes / 1440) + " days";
}

const count = (number) => number.toLocaleString("en");
const plural = (number, one, many) => count(number) + " " + (number === 1 ? one : many);

function cell(text, name) {
  const made = document.createElement("td");
  made.textContent = text;
  if (name) made.className = name;
  return made;
}

function rows(id, list, columns, make, empty) {
  const made = list.map((entry) => {
    const row = document.createElement("tr");
    row.append(...make(entry));
    return row;
  });
  if (made.length === 0) {
    const row = document.createElement("tr");
    const only = cell(empty, "empty");
    only.colSpan = columns;
    row.append(only);
    made.push(row);
  }
  element(id).replaceChildren(...made);
}

function originRow(origin) {
  return [
    cell(origin.name, "plain"),
    cell(count(origin.exchanges), "number"),
    cell(count(origin.hits), "number"),
    cell(count(origin.misses), "number"),
    cell(size(origin.servedBytes), "number"),
    cell(size(origin.fetchedBytes), "number"),
  ];
}

function frontRow(front) {
  return [cell(front.name, "plain"), cell(front.hosts, "plain"), cell(front.to, "plain")];
}

function exchangeRow(entry) {
  const status = entry.status === undefined ? entry.error || "" : String(entry.status);
  const failed = entry.error !== undefined || entry.status >= 400;
  const hit = ["HIT", "REVALIDATED", "STALE", "UPDATING"].includes(entry.cache);
  const target = entry.door === "tunnel" ? entry.origin || "" : (entry.origin || "") + (entry.path || "");
  const request = cell(entry.method + " " + target.replace(/(sha256:[0-9a-f]{12})[0-9a-f]{52}$/, "$1\\u2026"), "request");
  request.title = target;
  return [
    cell(new Date(entry.at).toLocaleTimeString(), "plain"),
    cell(entry.client, "plain"),
    request,
    cell(status, failed ? "number bad" : "number"),
    cell(entry.cache || "", hit ? "good" : ""),
    cell(entry.bytes === undefined ? "" : size(entry.bytes), "number"),
    cell(entry.lastByte === undefined ? "" : entry.lastByte.toFixed(1), "number"),
  ];
}

function draw(data) {
  if (before !== undefined && data.now > before.now && data.uptime >= before.uptime) {
    const seconds = (data.now - before.now) / 1000;
    served.push(Math.max(0, data.totals.servedBytes - before.totals.servedBytes) / seconds);
    fetched.push(Math.max(0, data.totals.fetchedBytes - before.totals.fetchedBytes) / seconds);
    if (served.length > points) { served.shift(); fetched.shift(); }
  }
  before = data;
  const peak = Math.max(1, ...served, ...fetched);
  const line = (values) => values
    .map((value, index) => ((points - values.length + index) * 600 / (points - 1)).toFixed(1) + "," + (117 - value / peak * 110).toFixed(1))
    .join(" ");
  element("line-served").setAttribute("points", line(served));
  element("line-fetched").setAttribute("points", line(fetched));
  say("peak", served.length === 0 ? "" : "\\u00b7 peak " + size(peak) + "/s");
}

function show(data) {
  const { cache, totals, activity } = data;
  element("state").className = "";
  say("state", "Version " + data.version + ", up for " + span(data.uptime));
  say("cache", size(cache.bytes));
  element("fill").value = cache.maximum > 0 ? Math.min(1, cache.bytes / cache.maximum) : 0;
  say("entries", "of " + size(cache.maximum) + ", " + plural(cache.entries, "entry", "entries"));
  const asked = totals.hits + totals.misses;
  say("rate", asked === 0 ? "none yet" : (100 * totals.hits / asked).toFixed(1) + " %");
  say("hits", plural(totals.hits, "hit", "hits") + ", " + plural(totals.misses, "miss", "misses"));
  say("served", size(totals.servedBytes));
  say("fetched", size(totals.fetchedBytes) + " fetched from upstreams");
  say("exchanges", count(totals.exchanges));
  say("activity", [
    plural(activity.connections, "connection", "connections"),
    plural(activity.tunnels, "tunnel", "tunnels"),
    plural(activity.flights, "transfer", "transfers"),
  ].join(", ") + " now");
  rows("origins", totals.origins, 6, originRow, "No registry has been asked for yet.");
  rows("fronts", data.fronts, 3, frontRow, "None: requests reach registries through CONNECT alone.");
  rows("recent", data.recent, 7, exchangeRow, "No exchange yet.");
  draw(data);
}

async function refresh() {
  try {
    const response = await fetch("/dashboard.json", { cache: "no-store", signal: AbortSignal.timeout(10000) });
    if (!response.ok) throw new Error("status " + response.status);
    show(await response.json());
  } catch (error) {
    element("state").className = "bad";
    say("state", "The proxy does not answer (" + error.message + "); trying again");
  }
  setTimeout(refresh, every);
}

refresh();
`;
