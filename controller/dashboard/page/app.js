// Takes the server's events, keeps ten minutes of them, and hands them to the panels.
import { applicationWords } from "./application.js";
import { cluster } from "./cluster.js";
import { functions } from "./functions.js";
import * as links from "./links.js";
import { Plots } from "./plots.js";
import { drawTopology } from "./topology.js";
import * as panels from "./panels.js";

const KEPT_MS = 600_000;
const STALE_MS = 5_000;

export const state = { topology: null, status: null, now: 0, nodes: new Map(), progress: [], chosen: new Set(), application: null, measured: [], cluster: null, functions: new Map() };
let plots = null;

export const isStale = (node) => node.silent !== null || node.points.length === 0
  || state.now - node.points[node.points.length - 1][0] > STALE_MS;

function begin(topology) {
  state.topology = topology;
  // The server, or this connection, is a new one: it sends everything again.
  state.nodes = new Map(topology.nodes.map((plan) => [plan.name, { plan, points: [], events: [], silent: null, clockError: null }]));
  state.progress = [];
  state.application = null;
  state.measured = [];
  state.cluster = null;
  state.functions = new Map();
  if (state.chosen.size === 0) topology.nodes.slice(0, 6).forEach((plan) => state.chosen.add(plan.name));
  panels.head(state);
  links.links(topology);
  plots?.remove();
  plots = new Plots(state, topology);
}

function take(update) {
  state.now = update.now_unix_ms;
  state.status = update.status;
  const oldest = state.now - KEPT_MS;
  for (const [name, news] of Object.entries(update.nodes)) {
    const node = state.nodes.get(name);
    if (!node) continue;
    node.points.push(...news.points);
    node.events.push(...(news.events ?? []));
    const first = node.points.findIndex((point) => point[0] >= oldest);
    node.points.splice(0, first < 0 ? node.points.length : first);
    node.events.splice(0, Math.max(0, node.events.length - 100));
    node.silent = news.silent ?? null;
    node.clockError = news.clock_error_ms;
  }
  // What is not told is as it was.
  if (update.application !== undefined) state.application = update.application;
  if (update.measured !== undefined) state.measured = update.measured;
  if (update.cluster !== undefined) state.cluster = update.cluster;
  takeFunctions(update.functions ?? {}, oldest);
  const run = update.status.run;
  if (run) {
    const last = state.progress[state.progress.length - 1];
    if (last && last.begun !== run.begun_unix_ns) state.progress = [];
    state.progress.push({ at: state.now, done: run.done, begun: run.begun_unix_ns });
    while (state.progress[0].at < oldest) state.progress.shift();
  }
  show();
}

// One that is gone is told no more, and ages.
function takeFunctions(news, oldest) {
  for (const [name, points] of Object.entries(news)) state.functions.set(name, [...(state.functions.get(name) ?? []), ...points]);
  for (const [name, points] of state.functions) {
    const kept = points.filter((point) => point.time_unix_ms >= oldest);
    if (kept.length > 0) state.functions.set(name, kept);
    else state.functions.delete(name);
  }
}

function show() {
  const { status } = state;
  panels.head(state);
  panels.phase(status);
  panels.work(status);
  panels.run(status.run, state);
  applicationWords(state);
  panels.nodes(state, isStale, () => plots.update());
  panels.events(state);
  panels.results(status.results);
  links.measured(state);
  functions(state);
  cluster(state);
  drawTopology(document.getElementById("topology"), state, isStale);
  plots.update();
}

const source = new EventSource("/events");
source.addEventListener("topology", (event) => begin(JSON.parse(event.data)));
source.addEventListener("update", (event) => take(JSON.parse(event.data)));
// The browser connects again by itself, and is told everything anew.
source.addEventListener("error", () => panels.disconnected());
