// Times of boots: how long, which part of it, and pictures of that.

import { h } from "./dom.js";
import { now } from "./server.js";

export const STAGES = [
  ["power-on", "power on"], ["dhcp", "DHCP"], ["tftp", "TFTP"], ["script", "iPXE script"], ["kernel", "kernel"],
  ["initramfs", "initramfs"], ["system-dhcp", "system's DHCP"], ["phone-home", "phone-home"], ["checks", "checks"],
];
const LABELS = new Map(STAGES);
export const label = (name) => LABELS.get(name) || name;

export function duration(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  if (seconds < 0.0995) return `${Math.max(0, Math.round(seconds * 1000))} ms`;
  if (seconds < 9.995) return `${seconds.toFixed(2)} s`;
  if (seconds < 99.95) return `${seconds.toFixed(1)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
  return `${Math.floor(seconds / 3600)} h ${Math.round((seconds % 3600) / 60)} min`;
}

export function size(bytes) {
  if (bytes === null || bytes === undefined) return "";
  if (bytes < 1000) return `${bytes} B`;
  if (bytes < 1e6) return `${(bytes / 1e3).toFixed(1)} kB`;
  return `${(bytes / 1e6).toFixed(1)} MB`;
}

export function ago(at) {
  const seconds = Math.max(0, now() - at);
  if (seconds < 5) return "just now";
  if (seconds < 60) return `${Math.floor(seconds)} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ago`;
  return `${Math.floor(seconds / 86_400)} d ago`;
}

export function when(at) {
  const date = new Date(at * 1000);
  return h("time", { datetime: date.toISOString(), title: date.toLocaleString() }, ago(at));
}

// The parts of a boot, in seconds from its beginning. A stage that has not ended lasts until now while it can.
export function parts(boot) {
  const goesOn = boot.outcome === "booting" && now() - boot.changed < 900;
  const end = goesOn ? now() - boot.began : boot.changed - boot.began;
  return boot.stages.map((stage) => {
    const from = Math.max(0, stage.after);
    const open = stage.seconds === null;
    // a stage of a boot that is over and was never told to have ended is a moment
    const to = open ? (goesOn ? Math.max(from, end) : from) : from + Math.max(0, stage.seconds);
    return { ...stage, from, to, open };
  });
}

export function total(boot) {
  return Math.max(0, ...parts(boot).map((each) => each.to));
}

function say(part) {
  const took = part.open ? "not ended" : duration(part.to - part.from);
  return `${label(part.name)}: ${took}, after ${duration(part.from)}`;
}

const percent = (value, scale) => `${((value / scale) * 100).toFixed(3)}%`;

// A boot as one small bar; `scale` is the number of seconds that is its whole width.
export function bar(boot, scale) {
  const found = parts(boot);
  const whole = total(boot);
  const reach = Math.max(scale || whole, 0.001);
  const drawn = [...found.filter((part) => part.to > part.from), ...found.filter((part) => part.to === part.from)];
  const text = found.map(say).join("; ");
  return h("svg", { class: "bar", role: "img", "aria-label": `${duration(whole)}. ${text}` },
    h("rect", { class: "between", x: 0, y: 0, height: "100%", width: percent(whole, reach) }),
    drawn.map((part) => h("rect", {
      class: `stage-${part.name}${part.open ? " open" : ""}`,
      x: percent(part.from, reach), y: 0, height: "100%",
      // what is too short to be seen gets three pixels
      width: (part.to - part.from) / reach > 0.006 ? percent(part.to - part.from, reach) : "3",
    }, h("title", {}, say(part)))));
}

export function legend(boots) {
  const seen = new Set(boots.flatMap((boot) => boot.stages.map((stage) => stage.name)));
  return h("ul", { class: "legend", "aria-label": "Stage colours" },
    STAGES.filter(([name]) => seen.has(name)).map(([name, text]) =>
      h("li", {}, h("svg", { class: "swatch", "aria-hidden": "true" },
        h("rect", { class: `stage-${name}`, width: "100%", height: "100%" })), text)),
    h("li", {}, h("svg", { class: "swatch", "aria-hidden": "true" },
      h("rect", { class: "between", width: "100%", height: "100%" })), "firmware, kernel starting"));
}

function steps(most) {
  const rough = most / 3;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((each) => each * power).find((each) => each >= rough);
  const found = [];
  for (let value = 0; value < most + step * 0.999; value += step) found.push(value);
  return found;
}

function median(values) {
  const sorted = [...values].sort((one, other) => one - other);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

// The last boots of a machine side by side, the newest on the right.
export function picture(name, boots) {
  const shown = boots.filter((boot) => total(boot) > 0).slice(0, 30).reverse();
  if (shown.length < 2) return h("p", { class: "empty" }, "The chart appears after the second boot.");
  const totals = shown.map(total);
  const marks = steps(Math.max(...totals));
  const top = marks.at(-1);
  const count = Math.max(shown.length, 8);
  const text = `${shown.length} boots of ${name}: fastest ${duration(Math.min(...totals))}, ` +
    `median ${duration(median(totals))}, slowest ${duration(Math.max(...totals))}`;
  const height = 100;
  const y = (value) => height - (value / top) * height;
  return h("figure", { class: "picture" },
    h("div", { class: "plot" },
      h("ol", { class: "marks", "aria-hidden": "true" }, [...marks].reverse().map((each) => h("li", {}, `${+each.toFixed(3)} s`))),
      h("svg", { class: "columns", role: "img", "aria-label": text, viewBox: `0 0 100 ${height}`, preserveAspectRatio: "none" },
        marks.map((each) => h("line", { class: "grid", x1: 0, x2: 100, y1: y(each), y2: y(each) })),
        shown.map((boot, index) => {
          const wide = 100 / count;
          const x = (index + count - shown.length) * wide + wide * 0.14;
          return h("g", { class: `column ${boot.outcome}` },
            h("title", {}, `boot ${boot.id}, ${boot.outcome}: ${duration(total(boot))}`),
            h("rect", { class: "between", x, width: wide * 0.72, y: y(total(boot)), height: height - y(total(boot)) }),
            parts(boot).map((part) => h("rect", {
              class: `stage-${part.name}`, x, width: wide * 0.72, y: y(part.to),
              height: Math.max(0.7, y(part.from) - y(part.to)),
            })));
        }))),
    h("figcaption", {}, text));
}
