// The plan as a picture: a column for each tier, what the links between them are, and what is cut.

import { isWrong, measuredOf, words as measuredWords } from "./links.js";

const SVG = "http://www.w3.org/2000/svg";
const TIERS = ["cloud", "edge", "endpoint"];
const SHOWN = 6;
const [WIDTH, BOX_WIDTH, BOX_HEIGHT, GAP, TOP] = [900, 170, 40, 12, 46];

function draw(parent, name, attributes, text) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text !== undefined) element.textContent = text;
  parent.append(element);
  return element;
}

const words = (link) => [
  `${link.latency_ms} ± ${link.jitter_ms} ms`,
  `${link.rate_mbit} Mbit/s${link.loss_percent > 0 ? `, ${link.loss_percent} % lost` : ""}`,
];

export function drawTopology(place, state, isStale) {
  const { topology, status } = state;
  const tiers = TIERS.filter((tier) => topology.nodes.some((node) => node.tier === tier));
  const columns = new Map(tiers.map((tier, index) => {
    const x = tiers.length === 1 ? (WIDTH - BOX_WIDTH) / 2 : (index * (WIDTH - BOX_WIDTH)) / (tiers.length - 1);
    return [tier, { x, nodes: topology.nodes.filter((node) => node.tier === tier) }];
  }));
  const most = Math.max(...[...columns.values()].map((column) => Math.min(column.nodes.length, SHOWN + 1)));
  const isPast = (link) => columns.size === 3 && Math.abs(TIERS.indexOf(link.from) - TIERS.indexOf(link.to)) === 2;
  // Below one box there is room for four lines about a link.
  const height = TOP + Math.max(most * (BOX_HEIGHT + GAP), 84) + (topology.links.some(isPast) ? 100 : 0);
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", `0 0 ${WIDTH} ${height}`);
  svg.setAttribute("role", "img");
  const cut = status.cut.map((link) => `${link.from} and ${link.to}`).join(", ");
  const wrong = new Set(topology.links.flatMap((link) => measuredOf(state, link).filter(isWrong).map((number) => `${number.node} → ${number.to}`)));
  const asked = wrong.size > 0 ? `; not as asked: ${[...wrong].join(", ")}` : "";
  svg.setAttribute("aria-label", `${topology.nodes.length} nodes in ${tiers.join(", ")}; ${cut ? `cut between ${cut}` : "no link is cut"}${asked}`);
  const places = new Map();
  for (const [tier, column] of columns) {
    draw(svg, "text", { x: column.x, y: 18, class: "quiet" }, `${tier} · ${column.nodes.length}`);
    column.nodes.forEach((node, index) => {
      const row = Math.min(index, SHOWN);
      places.set(node.name, { x: column.x, y: TOP + row * (BOX_HEIGHT + GAP) - 12 });
    });
  }
  const labels = linksBetween(svg, state, columns, height, isPast);
  for (const link of status.cut) cutBetween(svg, places.get(link.from), places.get(link.to));
  // Above the lines, which may cross them.
  for (const [x, y, kind, text] of labels) draw(svg, "text", { x, y, "text-anchor": "middle", class: kind }, text);
  for (const [tier, column] of columns) {
    column.nodes.slice(0, SHOWN).forEach((node) => box(svg, places.get(node.name), tier, node, state, isStale));
    const more = column.nodes.length - SHOWN;
    if (more > 0) {
      const { x, y } = places.get(column.nodes[SHOWN].name);
      draw(svg, "text", { x: x + 10, y: y + 25, class: "quiet" }, `and ${more} more`);
    }
  }
  place.replaceChildren(svg);
}

function box(svg, { x, y }, tier, plan, state, isStale) {
  const node = state.nodes.get(plan.name);
  const group = draw(svg, "g", isStale(node) ? { class: "stale" } : {});
  draw(group, "rect", { x, y, width: BOX_WIDTH, height: BOX_HEIGHT, rx: 6, class: `box ${tier}` });
  draw(group, "text", { x: x + 10, y: y + 17 }, plan.name + (plan.has_broker ? " · broker" : ""));
  const last = node.points[node.points.length - 1];
  const load = isStale(node) ? "silent" : `CPU ${last[1].toFixed(0)} %, ${(last[2] / 1048576).toFixed(0)} MiB`;
  draw(group, "text", { x: x + 10, y: y + 33, class: "quiet" }, load);
}

// One line for each two tiers, and what stands at it; those past another tier are bent.
function linksBetween(svg, state, columns, height, isPast) {
  const labels = [];
  for (const link of state.topology.links) {
    const [from, to] = [columns.get(link.from), columns.get(link.to)];
    if (!from || !to || link.from === link.to) continue;
    const [left, right] = [from, to].sort((a, b) => a.x - b.x);
    const [x1, x2] = [left.x + BOX_WIDTH, right.x];
    const middle = (x1 + x2) / 2;
    let y = TOP + 8;
    if (isPast(link)) {
      y = height - 64;
      draw(svg, "path", { d: `M${left.x + BOX_WIDTH / 2} ${y - 24} V${y} H${right.x + BOX_WIDTH / 2} V${y - 24}`, class: "link" });
      y += 18;
      labels.push([middle, y, "quiet", words(link).join(", ")]);
    } else {
      draw(svg, "path", { d: `M${x1} ${y} H${x2}`, class: "link" });
      const [latency, rate] = words(link);
      labels.push([middle, y - 8, "quiet", latency], [middle, y + 18, "quiet", rate]);
      y += 18;
    }
    measuredOf(state, link).forEach((number, index) => {
      labels.push([middle, y + 16 * (index + 1), isWrong(number) ? "wrong" : "right", measuredWords(number)]);
    });
  }
  return labels;
}

function cutBetween(svg, one, other) {
  if (!one || !other) return;
  const [left, right] = [one, other].sort((a, b) => a.x - b.x);
  const [x1, y1] = [left.x === right.x ? left.x : left.x + BOX_WIDTH, left.y + BOX_HEIGHT / 2];
  const [x2, y2] = [right.x, right.y + BOX_HEIGHT / 2];
  const bend = left.x === right.x ? 30 : 0;
  draw(svg, "path", { d: `M${x1} ${y1} Q${(x1 + x2) / 2 - bend} ${(y1 + y2) / 2} ${x2} ${y2}`, class: "cut" });
  // Beside the middle, where numbers stand.
  draw(svg, "text", { x: x1 + (x2 - x1) / 8, y: y1 + (y2 - y1) / 8 + 18, "text-anchor": "middle", class: "cut-word" }, "cut");
}
