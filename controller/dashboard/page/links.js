// Links and nodes as they were asked for, beside what was measured of them last.
import { element, fill, table, timeOfDay } from "./panels.js";

const MOST_ROWS = 200;
const WORDS = { in_tolerance: "yes", out_of_tolerance: "NO", not_measured: "unknown", not_asked: "not asked" };
const NAMES = {
  round_trip: "round trip", processor: "cpu", disk_read: "disk read", disk_write: "disk write",
};
// What is wrong is at the top.
const ORDER = ["out_of_tolerance", "not_measured", "in_tolerance", "not_asked"];
const byVerdict = (a, b) => ORDER.indexOf(a.verdict) - ORDER.indexOf(b.verdict);

export const nameOf = (quantity) => NAMES[quantity] ?? quantity;

// Enough digits to see a difference of a hundredth.
export function digits(value) {
  if (value === null) return "–";
  const size = Math.abs(value);
  return value.toFixed(size >= 1000 ? 0 : size >= 100 ? 1 : 2);
}

// Round trip and rate of the link between two tiers: of several ways the one that is furthest from right.
export function measuredOf({ topology, measured }, link) {
  const tiers = new Map(topology.nodes.map((node) => [node.name, node.tier]));
  const ends = (number) => [tiers.get(number.node), tiers.get(number.to)];
  const isBetween = (number) => {
    const [from, to] = ends(number);
    return (from === link.from && to === link.to) || (from === link.to && to === link.from);
  };
  const own = measured.filter((number) => number.to !== null && number.measured !== null && isBetween(number)).sort(byVerdict);
  return ["round_trip", "rate"].flatMap((quantity) => own.find((number) => number.quantity === quantity) ?? []);
}

export const isWrong = (number) => number.verdict === "out_of_tolerance";

export function words(number) {
  const asked = number.asked === null ? "" : ` of ${digits(number.asked)}`;
  return `${isWrong(number) ? "✗" : "✓"} ${nameOf(number.quantity)} ${digits(number.measured)}${asked} ${number.unit}`;
}

export function links(topology) {
  const rows = topology.links.map((link) => [
    `${link.from} – ${link.to}`, `${link.latency_ms} ms`, `${link.jitter_ms} ms`, `${link.loss_percent} %`, `${link.rate_mbit} Mbit/s`,
  ]);
  const none = element("p", "No links are emulated.");
  fill(document.getElementById("links"), rows.length > 0 ? table(["link", "latency", "jitter", "loss", "rate"], rows) : none);
}

// With its day, unless that is plain. Swedish is written as the standard is.
const moment = (ms) => (Date.now() - ms < 43_200_000 ? timeOfDay(ms) : new Date(ms).toLocaleString("sv"));

let shown = null;

export function measured({ topology, measured }) {
  // The same list is the same numbers; a reader who has scrolled stays where he is.
  if (measured === shown) return;
  shown = measured;
  const place = document.getElementById("measured");
  if (measured.length === 0) {
    fill(place, element("p", `Nothing was measured yet: continuum-ctl network ${topology.name} verify does so, --verify before and after a run.`));
    return;
  }
  const sorted = [...measured].sort(byVerdict);
  const rows = sorted.slice(0, MOST_ROWS).map((number) => [
    number.to === null ? number.node : `${number.node} → ${number.to}`,
    `${nameOf(number.quantity)} (${number.unit})`,
    digits(number.asked),
    digits(number.measured),
    number.tolerance,
    element("span", WORDS[number.verdict], isWrong(number) ? { class: "trouble" } : {}),
    moment(number.measured_unix_ns / 1e6),
    number.cause ?? "",
  ]);
  const made = table(["node or way", "what", "asked", "measured", "tolerance", "is it so", "measured at", "likely cause"], rows);
  const more = sorted.length - rows.length;
  fill(place, made, ...(more > 0 ? [element("p", `and ${more} more`)] : []));
}
