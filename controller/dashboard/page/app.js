// Takes the server's events, keeps ten minutes of them, and hands them to the panels.
import { Plots } from "./plots.js";
import { drawTopology } from "./topology.js";
import * as panels from "./panels.js";

const KEPT_MS = 600_000;
const STALE_MS = 5_000;

export const state = { topology: null, status: null, now: 0, nodes: new Map(), progress: [], chosen: new Set() };
let plots = null;

export const isStale = (node) => node.silent !== null || node.points.length === 0
  || state.now - node.points[node.points.length - 1][0] > STALE_MS;

function begin(topology) {
  state.topology = topology;
  // The server, or this connection, is a new one: it sends everything again.
  state.nodes = new Map(topology.nodes.map((plan) => [plan.name, { plan, points: [], events: [], silent: null, clockError: null }]));
  state.progress = [];
  if (state.chosen.size === 0) topology.nodes.slice(0, 6).forEach((plan) => state.chosen.add(plan.name));
  panels.head(state);
  panels.links(topology);
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
    node.events.push(...news.events);
    const first = node.points.findIndex((point) => point[0] >= oldest);
    node.points.splice(0, first < 0 ? node.points.length : first);
    node.events.splice(0, Math.max(0, node.events.length - 100));
    node.silent = news.silent;
    node.clockError = news.clock_error_ms;
  }
  const run = update.status.run;
  if (run) {
    const last = state.progress[state.progress.length - 1];
    if (last && last.begun !== run.begun_unix_ns) state.progress = [];
    state.progress.push({ at: state.now, done: run.done, begun: run.begun_unix_ns });
    while (state.progress[0].at < oldest) state.progress.shift();
  }
  show();
}

function show() {
  const { status } = state;
  panels.head(state);
  panels.phase(status);
  panels.work(status);
  panels.run(status.run, state);
  panels.nodes(state, isStale, () => plots.update());
  panels.events(state);
  panels.results(status.results);
  drawTopology(document.getElementById("topology"), state, isStale);
  plots.update();
}

const source = new EventSource("/events");
source.addEventListener("topology", (event) => begin(JSON.parse(event.data)));
source.addEventListener("update", (event) => take(JSON.parse(event.data)));
// The browser connects again by itself, and is told everything anew.
source.addEventListener("error", () => panels.disconnected());
