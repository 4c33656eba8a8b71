// What is shown, made from what is known. Nothing here asks the server or waits.

import { h } from "./dom.js";
import { ago, bar, duration, label, legend, picture, size, total, when } from "./times.js";

const OUTCOMES = {
  booting: "booting", served: "started", up: "up", passed: "passed", failed: "failed", abandoned: "given up",
};
const SOURCES = {
  once: ["once", "for its next boot only"], choice: ["chosen", "chosen here or with `rootstream boot`"],
  pinned: ["pinned", "system.yaml pins it to this build"], description: ["", ""],
};
const MOST_ROWS = 200;

const link = (machine) => `#/machines/${encodeURIComponent(machine)}`;
const outcome = (boot) => h("span", { class: `outcome ${boot.outcome}` }, OUTCOMES[boot.outcome] || boot.outcome);

function source(next) {
  const [text, title] = SOURCES[next.source] || [next.source, ""];
  return text && h("span", { class: `pill ${next.source}`, title }, text);
}

function build(id) {
  return id ? h("span", { class: "build" }, id) : h("span", { class: "lacking" }, "not built yet");
}

function mac(machine) {
  return machine.system_mac ? `${machine.macs.join(", ")} (system: ${machine.system_mac})` : machine.macs.join(", ");
}

// --- machines --------------------------------------------------------------------------------------------------

function summary(machines) {
  const count = (wanted) => machines.filter((each) => wanted.includes(each.last_boot?.outcome)).length;
  const words = [`${machines.length} machine${machines.length === 1 ? "" : "s"}`];
  for (const [wanted, text] of [[["booting", "served"], "booting"], [["up", "passed"], "up"], [["failed"], "failed"]]) {
    const found = count(wanted);
    if (found) words.push(`${found} ${text}`);
  }
  return words.join(" · ");
}

function row(machine, scale) {
  const last = machine.last_boot;
  return h("li", { class: "machine", "data-key": machine.name },
    h("div", { class: "who" },
      h("a", { class: "name", href: link(machine.name) }, machine.name),
      h("span", { class: "note" }, machine.address || machine.macs[0])),
    h("div", { class: "what" },
      h("div", {}, h("strong", {}, machine.next.system), " ", source(machine.next)),
      h("div", { class: "note" }, build(machine.next.build))),
    last
      ? h("div", { class: "last" },
        h("div", { class: "line" }, outcome(last), h("span", { class: "time" }, duration(total(last))),
          h("span", { class: "note" }, when(last.began))),
        bar(last, scale))
      : h("div", { class: "last note" }, "has not booted yet"));
}

export function machines(data) {
  const { filter } = data;
  const found = data.machines.filter((each) =>
    [each.name, each.address, each.next.system, ...each.macs].some((text) => text?.toLowerCase().includes(filter)));
  const scale = Math.max(0.001, ...found.map((each) => (each.last_boot ? total(each.last_boot) : 0)));
  const lasts = data.machines.map((each) => each.last_boot).filter(Boolean);
  if (!data.machines.length) {
    return [
      h("h1", { tabindex: -1, "data-key": "h1" }, "Machines"),
      h("div", { class: "panel empty" }, h("p", {}, "There are no machines yet."),
        h("p", { class: "note" }, "Add them to ", h("code", {}, "machines:"), " in system.yaml; the server reloads it automatically.")),
    ];
  }
  return [
    h("div", { class: "heading", "data-key": "heading" },
      h("h1", { tabindex: -1 }, "Machines"), h("span", { class: "note" }, summary(data.machines)),
      data.machines.length > 5 && h("label", { class: "filter" }, "Filter ",
        h("input", { type: "search", id: "filter", placeholder: "name, address, system" }))),
    h("ul", { class: "panel rows", "data-key": "machines", "aria-label": "Machines" },
      found.slice(0, MOST_ROWS).map((each) => row(each, scale)),
      !found.length && h("li", { class: "empty", "data-key": " none" }, "No machine matches.")),
    found.length > MOST_ROWS && h("p", { class: "note" }, `Showing the first ${MOST_ROWS} of ${found.length}; use the filter to find others.`),
    lasts.length > 0 && legend(lasts),
    h("section", { "data-key": "boots", "aria-labelledby": "boots-title" },
      h("h2", { id: "boots-title" }, "Last boots"), boots(data.boots.slice(0, 20), true)),
  ];
}

// --- boots -----------------------------------------------------------------------------------------------------

function stages(boot) {
  return h("div", { class: "wide" }, h("table", {},
    h("thead", {}, h("tr", {}, ["Stage", "after", "took", "size", "rate", ""].map((each) => h("th", { scope: "col" }, each)))),
    h("tbody", {}, boot.stages.map((each) => h("tr", {},
      h("th", { scope: "row" }, h("svg", { class: "swatch", "aria-hidden": "true" },
        h("rect", { class: `stage-${each.name}`, width: "100%", height: "100%" })), label(each.name)),
      h("td", {}, duration(each.after)),
      h("td", {}, each.seconds === null ? "not finished" : duration(each.seconds)),
      h("td", {}, size(each.bytes)),
      h("td", {}, each.bytes > 100_000 && each.seconds > 0 ? `${size(each.bytes / each.seconds)}/s` : ""),
      h("td", { class: "note" }, each.detail))))));
}

function checks(boot) {
  if (!boot.checks.length) return null;
  return h("ul", { class: "checks", "aria-label": "Checks" }, boot.checks.map((each) =>
    h("li", { class: each.passed ? "good" : "bad" },
      h("span", { class: "mark" }, each.passed ? "passed" : "failed"), h("span", { class: "text" }, each.name,
        each.detail && h("span", { class: "detail" }, each.detail)),
      h("span", { class: "time" }, duration(each.elapsed)))));
}

export function boots(found, named) {
  if (!found.length) return h("div", { class: "panel empty" }, h("p", {}, "No boots yet."));
  const scale = Math.max(0.001, ...found.map(total));
  return h("ul", { class: "panel rows" }, found.map((boot) => h("li", { class: "boot", "data-key": boot.id },
    h("details", {},
      h("summary", {},
        h("span", { class: "who" }, named && h("strong", {}, boot.machine, " "), h("span", { class: "note" }, `boot ${boot.id}`)),
        h("span", { class: "what" }, boot.system || "–", " ", h("span", { class: "build note" }, boot.build)),
        h("span", { class: "last" },
          h("span", { class: "line" }, outcome(boot), h("span", { class: "time" }, duration(total(boot))),
            h("span", { class: "note" }, when(boot.began))),
          bar(boot, scale))),
      h("div", { class: "more" },
        named && h("p", {}, h("a", { href: link(boot.machine) }, `More on ${boot.machine}`)),
        h("p", { class: "note" }, `${boot.mac}${boot.address ? `, ${boot.address}` : ""}; began ${new Date(boot.began * 1000).toLocaleString()}`),
        stages(boot), checks(boot))))));
}

// --- one machine -----------------------------------------------------------------------------------------------

const POWER = { on: "on", off: "off", unknown: "unknown" };

function power(data, machine) {
  const known = data.power.get(machine.name);
  const none = machine.power === "none";
  const locked = !data.allowed || data.busy;
  return h("section", { class: "panel", "aria-labelledby": "power-title", "data-key": "power" },
    h("h2", { id: "power-title" }, "Power"),
    h("p", { class: "line", role: "status" },
      known?.asking ? "asking…"
        : known ? [h("span", { class: `outcome power-${known.power}` }, known.power ? POWER[known.power] : "no response"),
          h("span", { class: "note" }, known.fault || ago(known.at))]
          : h("span", { class: "note" }, none ? "This machine has no power control in system.yaml."
            : `Controlled by: ${machine.power}.`)),
    !none && h("div", { class: "buttons" }, h("button", { type: "button", "data-do": "power-state", disabled: known?.asking }, "Refresh")),
    h("div", { class: "buttons" },
      !none && [["on", "Switch on"], ["off", "Switch off"], ["cycle", "Power cycle"]].map(([action, text]) =>
        h("button", { type: "button", "data-do": "power", "data-action": action, class: action === "on" ? "" : "danger", disabled: locked }, text))));
}

function options(data, machine) {
  const systems = new Map(data.systems.map((each) => [each.name, each.builds]));
  if (!systems.has(machine.system)) systems.set(machine.system, []);
  const wanted = data.picked ?? machine.next.system;
  const builds = systems.get(wanted) || [];
  const current = data.systems.find((each) => each.name === wanted)?.current;
  const kept = machine.next.system === wanted && ["once", "choice"].includes(machine.next.source) ? machine.next.build : "";
  return [
    h("label", {}, "System",
      h("select", { id: "system", name: "system" }, [...systems.keys()].map((each) =>
        h("option", { value: each, selected: each === machine.next.system }, each)))),
    h("label", {}, "Build",
      h("select", { id: "build", name: "build", "data-key": `build ${wanted}` },
        h("option", { value: "" }, "the current one"),
        builds.map((each) => h("option", { value: each.id, selected: each.id === kept && each.id !== current },
          `${each.id}${each.current ? " (current)" : ""}`)))),
    h("label", { class: "tick" }, h("input", { type: "checkbox", id: "once", name: "once" }), "for one boot only"),
  ];
}

function choice(data, machine) {
  const { next } = machine;
  const [word] = SOURCES[next.source] || [""];
  const changed = ["once", "choice"].includes(next.source);
  const locked = !data.allowed || data.busy;
  return h("section", { class: "panel", "aria-labelledby": "choice-title", "data-key": "choice" },
    h("h2", { id: "choice-title" }, "Boots next"),
    h("p", { class: "line" }, h("strong", {}, next.system), build(next.build), source(next)),
    h("p", { class: "note" }, changed
      ? `${word === "once" ? "For its next boot only; then" : "Without this choice"} ${machine.system}, as described in system.yaml.`
      : next.source === "pinned" ? "system.yaml pins the machine to this build." : "As described in system.yaml."),
    h("form", { id: "choice", class: "choice", "data-machine": machine.name },
      h("fieldset", { disabled: locked },
        h("legend", { class: "hidden" }, "Choose what the machine boots"),
        options(data, machine),
        h("div", { class: "buttons" },
          h("button", { type: "submit", class: "main" }, "Choose"),
          changed && h("button", { type: "button", "data-do": "unchoose" }, "Back to system.yaml")))));
}

function facts(machine) {
  const pairs = [
    ["Address", machine.address || "any of the range"], ["System's address", machine.system_address], ["MAC", mac(machine)],
    ["Processor", machine.arch], ["Firmware", machine.firmware === "uefi" ? "UEFI" : "BIOS"],
    ["Phone-home", machine.phone_home ? "yes" : "no"],
  ];
  return h("dl", { class: "facts" }, pairs.filter(([, value]) => value).map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))));
}

export const readOnly = (data) => !data.allowed && h("p", { class: "locked", "data-key": "locked" },
  h("span", {}, "You can view everything. To change something, log in."),
  h("button", { type: "button", "data-do": "login" }, "Log in"));

export function machine(data) {
  const found = data.machines.find((each) => each.name === data.name);
  if (!found) {
    return [h("h1", { tabindex: -1, "data-key": "h1" }, "No such machine"),
      h("div", { class: "panel empty" }, h("p", {}, "It is not in system.yaml, or not any more."), h("p", {}, h("a", { href: "#/" }, "All machines")))];
  }
  const own = data.own;
  return [
    h("p", { class: "back", "data-key": "back" }, h("a", { href: "#/" }, "← All machines")),
    h("div", { class: "heading", "data-key": "heading" }, h("h1", { tabindex: -1 }, found.name), found.last_boot && outcome(found.last_boot)),
    facts(found),
    readOnly(data),
    h("div", { class: "two", "data-key": "two" }, choice(data, found), power(data, found)),
    h("section", { "data-key": "times", "aria-labelledby": "times-title" },
      h("h2", { id: "times-title" }, "Boot times"),
      h("div", { class: "panel" }, picture(found.name, own), own.length > 1 && legend(own))),
    h("section", { "data-key": `console ${found.name}`, "aria-labelledby": "console-title", class: "console" },
      h("div", { class: "heading" }, h("h2", { id: "console-title" }, "Console"),
        h("label", { class: "tick" }, h("input", { type: "checkbox", id: "follow", checked: true }), "follow")),
      h("p", { id: "console-status", class: "note", "data-own": true }),
      h("pre", { id: "console", tabindex: 0, "data-own": true, "aria-label": `Console of ${found.name}`, role: "region" })),
    h("section", { "data-key": "boots", "aria-labelledby": "boots-title" },
      h("h2", { id: "boots-title" }, "Boots"), boots(own.slice(0, 20), false)),
  ];
}

// --- builds and activity ---------------------------------------------------------------------------------------

export function builds(data) {
  const locked = !data.allowed || data.busy;
  const users = (system, id) => data.machines.filter((each) => each.next.system === system && each.next.build === id);
  return [
    h("h1", { tabindex: -1, "data-key": "h1" }, "Builds"),
    data.systems.length > 0 && readOnly(data),
    !data.systems.length && h("div", { class: "panel empty" }, h("p", {}, "Nothing has been built yet."),
      h("p", { class: "note" }, "New builds of ", h("code", {}, "rootstream build"), " are served immediately.")),
    data.systems.map((system) => {
      const index = system.builds.findIndex((each) => each.current);
      const older = index >= 0 ? system.builds[index + 1] : null;
      return h("section", { "data-key": system.name, "aria-label": `Builds of ${system.name}` },
        h("div", { class: "heading" }, h("h2", {}, system.name),
          h("button", { type: "button", "data-do": "rollback", "data-system": system.name, disabled: locked || !older,
            title: older ? `Makes ${older.id} the current build` : "There is no older build" }, "Roll back")),
        h("ul", { class: "panel rows" }, system.builds.map((each) => {
          const names = users(system.name, each.id).map((one) => one.name);
          const bytes = each.files.reduce((sum, file) => sum + file.size, 0);
          return h("li", { class: `kept${each.current ? " current" : ""}`, "data-key": each.id },
            h("div", { class: "who" }, h("span", { class: "build" }, each.id), " ",
              each.current && h("span", { class: "pill current" }, "current"),
              h("div", { class: "note" }, when(each.made), ` · ${each.arch} · ${size(bytes)}`)),
            h("div", { class: "what note" },
              names.length ? `next for ${names.slice(0, 6).join(", ")}${names.length > 6 ? ` and ${names.length - 6} more` : ""}` : ""),
            h("div", { class: "buttons" },
              !each.current && h("button", { type: "button", "data-do": "select", "data-system": system.name, "data-build": each.id, disabled: locked,
                "aria-label": `Make ${each.id} the current build of ${system.name}` }, "Make current")),
            h("details", { class: "files" }, h("summary", {}, `${each.files.length} file${each.files.length === 1 ? "" : "s"}`),
              h("ul", {}, each.files.map((file) => h("li", {}, h("strong", {}, file.name), ` ${file.kind}, ${size(file.size)}`,
                h("code", { class: "hash" }, file.sha256))))));
        })));
    }),
  ];
}

export function activity(data) {
  return [
    h("h1", { tabindex: -1, "data-key": "h1" }, "Activity"),
    data.events.length
      ? h("ol", { class: "panel rows activity", "data-key": "events" }, [...data.events].reverse().slice(0, 200).map((each) =>
        h("li", { "data-key": each.id, class: each.kind }, when(each.at), h("span", { class: "pill" }, each.kind),
          h("span", { class: "text" }, each.text),
          each.machine && h("a", { href: link(each.machine) }, each.machine))))
      : h("div", { class: "panel empty" }, h("p", {}, "Nothing has happened yet.")),
  ];
}
