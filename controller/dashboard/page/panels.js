// Everything that is words and tables.

const byId = (id) => document.getElementById(id);

export function element(name, text, attributes = {}) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

export const timeOfDay = (ms) => new Date(ms).toTimeString().slice(0, 8);

export const fill = (place, ...content) => place.replaceChildren(...content);

// Cells are texts or elements; columns whose first cell is a number, with its unit or without, stand to the right.
export function table(columns, rows) {
  const made = element("table");
  const head = element("tr");
  const isNumber = columns.map((_, index) => rows.length > 0 && /^(–|\d[\d.:]*( \S+)?)$/.test(rows[0][index].textContent ?? rows[0][index]));
  columns.forEach((name, index) => head.append(element("th", name, isNumber[index] ? { class: "number", scope: "col" } : { scope: "col" })));
  const body = element("tbody");
  rows.forEach((cells) => {
    const row = element("tr");
    cells.forEach((cell, index) => {
      const made = element("td", undefined, isNumber[index] ? { class: "number" } : {});
      made.append(cell);
      row.append(made);
    });
    body.append(row);
  });
  const top = element("thead");
  top.append(head);
  made.append(top, body);
  return made;
}

function badge(place, text, kind) {
  place.textContent = text;
  place.className = `badge ${kind}`;
  place.hidden = !text;
}

export function head({ topology, status }) {
  byId("name").textContent = topology.name;
  document.title = `${topology.name} – Continuum`;
  const cores = topology.nodes.reduce((sum, node) => sum + node.cores, 0);
  const facts = [`${topology.nodes.length} nodes`, `${cores} cores`, `provider ${topology.provider}`];
  if (status?.accelerator) facts.push(`accelerator ${status.accelerator}`);
  if (topology.application) facts.push(`application ${topology.application}`);
  byId("facts").textContent = facts.join(" · ");
}

function trouble(lines) {
  const place = byId("trouble");
  place.textContent = lines.join("; ");
  place.hidden = lines.length === 0;
}

export function disconnected() {
  badge(byId("phase"), "not connected", "bad");
  trouble(["continuum-ctl dashboard does not answer; this page goes on when it does"]);
}

export function phase(status) {
  badge(byId("phase"), status.phase, status.phase === "up" ? "good" : "warn");
  const unready = status.not_ready.map(([node, why]) => `${node} is not ready: ${why}`);
  trouble([...status.trouble, ...unready]);
  fill(byId("in-force"), ...status.in_force.map((request) => element("li", `in force: ${request}`)));
}

// What is over with its seconds, and what goes on.
function stages(place, { stage, stages }) {
  const items = stages.map(([name, seconds]) => element("li", `${name} ${seconds.toFixed(1)} s`));
  if (stage !== null) items.push(element("li", `${stage} …`, { class: "now" }));
  fill(place, ...items);
  place.hidden = items.length === 0;
}

// Of the command that shows this page; what a run does stands in its own panel.
export function work({ work, run }) {
  const isRunning = Boolean(run) && run.stage !== null;
  stages(byId("work"), isRunning ? { stage: null, stages: [] } : work);
}

const KINDS = { valid: "good", unverified: "warn", invalid: "bad" };

export function run(run, state) {
  if (!run) return;
  badge(byId("validity"), run.stage === null ? run.validity : "", KINDS[run.validity] ?? "warn");
  const begun = timeOfDay(run.begun_unix_ns / 1e6);
  const counts = run.total ? `${run.done} of ${run.total} answered` : `${run.done} done`;
  const words = [`${run.application}, begun at ${begun}`];
  if (run.total || run.done > 0) words.push(counts);
  if (run.stage === null) words.push(`ended: ${run.validity}`);
  else if (run.load_unix_ns && run.load_s) {
    const left = run.load_s - (state.now - run.load_unix_ns / 1e6) / 1000;
    words.push(left > 0 ? `${left.toFixed(0)} s of load left` : "its load is over; answers are waited for");
  }
  byId("run-line").textContent = words.join(" · ");
  const progress = byId("run-progress");
  progress.hidden = !run.total;
  progress.max = run.total ?? 1;
  progress.value = run.done;
  progress.setAttribute("aria-label", counts);
  stages(byId("stages"), run);
  fill(byId("reasons"), ...run.reasons.map((reason) => element("li", reason)));
  byId("reasons").hidden = run.reasons.length === 0;
}

function gauge(value, max, text) {
  const cell = element("span");
  const meter = element("meter", undefined, { min: 0, max, value: Math.min(value, max), "aria-hidden": "true" });
  cell.append(meter, ` ${text}`);
  return cell;
}

// Rows are kept, so that the keyboard stays where it is.
const rows = new Map();

export function nodes(state, isStale, onChoice) {
  const place = byId("nodes");
  if (rows.size !== state.nodes.size || [...state.nodes.keys()].some((name) => !rows.has(name))) {
    rows.clear();
    const made = table(["node", "tier", "CPU", "memory", "clock", "agent"], []);
    for (const name of state.nodes.keys()) {
      const box = element("input", undefined, { type: "checkbox", "aria-label": `plot ${name}` });
      box.checked = state.chosen.has(name);
      box.addEventListener("change", () => {
        if (box.checked) state.chosen.add(name);
        else state.chosen.delete(name);
        onChoice();
      });
      const cells = Array.from({ length: 6 }, () => element("td"));
      cells[0].append(box, ` ${name}`);
      const row = element("tr");
      row.append(...cells);
      made.tBodies[0].append(row);
      rows.set(name, { row, cells });
    }
    fill(place, made);
  }
  for (const [name, node] of state.nodes) {
    const { row, cells } = rows.get(name);
    const stale = isStale(node);
    row.className = stale ? "stale" : "";
    const last = node.points[node.points.length - 1];
    cells[1].textContent = node.plan.tier;
    if (last) {
      const mib = last[2] / 1048576;
      const total = last[7][3] / 1048576;
      const cores = `${node.plan.cores} ${node.plan.cores === 1 ? "core" : "cores"}${node.plan.quota < 1 ? ` at ${node.plan.quota}` : ""}`;
      fill(cells[2], gauge(last[1], 100, `${last[1].toFixed(0)} % of ${cores}`));
      fill(cells[3], gauge(mib, total, `${mib.toFixed(0)} of ${total.toFixed(0)} MiB`));
    }
    cells[4].textContent = node.clockError === null ? "–" : `± ${node.clockError.toFixed(2)} ms`;
    cells[5].textContent = stale ? `silent${node.silent ? `: ${node.silent}` : ""}` : "answers";
  }
}

let shownEvents = "";

export function events(state) {
  const all = [];
  for (const [name, node] of state.nodes) node.events.forEach((event) => all.push([event.time_unix_ms, name, event.source, event.text]));
  (state.status.run?.marks ?? []).forEach((mark) => all.push([mark.time_unix_ns / 1e6, "controller", "timeline", mark.text]));
  all.sort((a, b) => b[0] - a[0]);
  const newest = all.slice(0, 100);
  // A reader who has scrolled is not taken away from where he is.
  const now = JSON.stringify(newest);
  if (now === shownEvents) return;
  shownEvents = now;
  const cells = newest.map(([at, ...words]) => [timeOfDay(at), ...words]);
  fill(byId("events"), cells.length > 0 ? table(["time", "node", "source", "event"], cells) : element("p", "Nothing has happened yet."));
}

let shownResults = "";

export function results(all) {
  const now = JSON.stringify(all);
  if (now === shownResults) return;
  shownResults = now;
  const cells = all.map((result) => {
    const link = element("a", "report", { href: `/results/${encodeURIComponent(result.name)}/report.html` });
    return [result.name, result.validity, result.has_report ? link : "–"];
  });
  const none = element("p", "There are no results of this deployment where continuum-ctl dashboard looks for them (--results).");
  fill(byId("results"), cells.length > 0 ? table(["result", "validity", "report"], cells) : none);
}
