// What the cluster says of its nodes and pods.
import { element, fill, table, timeOfDay } from "./panels.js";

const byId = (id) => document.getElementById(id);

let shown = null;

export function cluster({ cluster }) {
  // The same object is the same news; a reader who has scrolled stays where he is.
  if (cluster === shown) return;
  shown = cluster;
  byId("section-cluster").hidden = cluster === null;
  if (cluster === null) return;
  const { look, trouble } = cluster;
  fill(byId("cluster-trouble"), trouble.join("; "));
  byId("cluster-trouble").hidden = trouble.length === 0;
  const nodes = look.nodes.map((node) => [
    node.name, node.why_not === null ? "ready" : element("span", node.why_not, { class: "trouble" }), `${node.pods}`, node.version,
  ]);
  fill(byId("cluster-nodes"), table(["node", "state", "pods", "kubelet"], nodes));
  const phases = [...new Set(look.namespaces.flatMap((namespace) => Object.keys(namespace.phases)))].sort();
  const pods = look.namespaces.map((namespace) => [
    namespace.namespace, ...phases.map((phase) => `${namespace.phases[phase] ?? 0}`), `${namespace.restarts}`,
  ]);
  fill(byId("cluster-pods"), table(["namespace", ...phases, "restarts"], pods));
  const waiting = look.namespaces.flatMap((namespace) => namespace.not_running.map(([pod, why]) => element("li", `${namespace.namespace}/${pod}: ${why}`)));
  fill(byId("cluster-waiting"), ...waiting);
  const events = look.events.map((event) => [
    event.time_unix_ms === 0 ? "–" : timeOfDay(event.time_unix_ms),
    element("span", event.reason, event.is_warning ? { class: "trouble" } : {}),
    event.about,
    event.count > 1 ? `${event.message} (${event.count} times)` : event.message,
  ]);
  const none = element("p", "The cluster tells of no events.");
  fill(byId("cluster-events"), events.length > 0 ? table(["time", "reason", "about", "message"], events) : none);
}
