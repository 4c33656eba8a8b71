// The page: asks the server, shows what it knows, and does what buttons say.

import { Console } from "./console.js";
import { fill } from "./dom.js";
import { Fault, ask, change, follow, token } from "./server.js";
import * as views from "./views.js";

const MOST_EVENTS = 300;
const find = (id) => document.getElementById(id);
const data = {
  machines: [], boots: [], systems: [], events: [], own: [], power: new Map(),
  filter: "", picked: null, name: null, allowed: token.get() !== null, busy: false,
};
let view = null;
let ready = false;
let watched = null; // the console that is open
let title = "Rootstream";

// --- showing ---------------------------------------------------------------------------------------------------

function route() {
  const words = location.hash.replace(/^#\/?/, "").split("/");
  const named = words[0] === "machines" && words[1];
  try {
    data.name = named ? decodeURIComponent(words[1]) : null;
  } catch {
    data.name = words[1];
  }
  return named ? "machine" : ["builds", "activity"].includes(words[0]) ? words[0] : "machines";
}

function show() {
  find("login-button").textContent = data.allowed ? "Log out" : "Log in";
  find("login-button").dataset.do = data.allowed ? "logout" : "login";
  if (!ready) return;
  fill(find("content"), views[view](data).flat(Infinity).filter((each) => each instanceof Node));
  const known = view === "machine" && data.machines.some((each) => each.name === data.name);
  if (known && (!watched || watched.name !== data.name)) {
    watched?.end();
    find("follow").checked = true;
    find("console").textContent = "";
    watched = new Console(data.name, find("console"), find("console-status"));
  } else if (!known) {
    watched?.end();
    watched = null;
  }
}

async function go() {
  const before = [view, data.name].join();
  view = route();
  const moved = before !== [view, data.name].join();
  if (moved) {
    data.picked = null;
    data.own = data.boots.filter((each) => each.machine === data.name);
  }
  const place = view === "machine" ? data.name : { machines: "Machines", builds: "Builds", activity: "Activity" }[view];
  document.title = `${place} – ${title}`;
  for (const each of find("views").children) {
    const here = each.getAttribute("href") === { machine: "#/", machines: "#/" }[view] || each.getAttribute("href") === `#/${view}`;
    if (here) each.setAttribute("aria-current", "page");
    else each.removeAttribute("aria-current");
  }
  show();
  if (moved && ready && before !== ",") {
    scrollTo(0, 0);
    document.querySelector("#content h1")?.focus({ preventScroll: true });
  }
  if (moved && ready) await attempt(refresh);
}

async function refresh() {
  const named = data.name;
  const [about, machines, boots, builds, own] = await Promise.all([
    ask(""), ask("/machines"), ask("/boots", { limit: 50 }), ask("/builds"),
    named ? ask("/boots", { machine: named, limit: 50 }) : { boots: [] },
  ]);
  data.machines = machines.machines;
  data.boots = boots.boots;
  data.systems = builds.systems;
  if (named === data.name) data.own = own.boots;
  find("project").textContent = about.project;
  find("version").textContent = `Rootstream ${about.version}`;
  title = `${about.project} – Rootstream`;
  const first = !ready;
  ready = true;
  if (first) await go();
  else show();
}

// --- telling ---------------------------------------------------------------------------------------------------

function note(text, { bad = false, hint = null } = {}) {
  const box = document.createElement("div");
  box.className = bad ? "toast bad" : "toast";
  const words = document.createElement("p");
  words.textContent = hint ? `${text} ${hint}` : text;
  const close = document.createElement("button");
  close.type = "button";
  close.textContent = "Close";
  close.addEventListener("click", () => box.remove());
  box.append(words, close);
  find("notes").append(box);
  while (find("notes").children.length > 4) find("notes").firstChild.remove();
  if (!bad) setTimeout(() => box.remove(), 8000);
}

const sentence = (text) => {
  const first = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(first) ? first : `${first}.`;
};

async function attempt(work) {
  try {
    return await work();
  } catch (error) {
    if (error instanceof Fault) note(sentence(error.message), { bad: true, hint: error.hint });
    else if (error.name === "TimeoutError") note("The server did not respond in time.", { bad: true });
    else note("The server does not respond.", { bad: true });
    return null;
  }
}

function linked(state, text) {
  const link = find("link");
  if (link.dataset.state !== state) link.dataset.state = state;
  if (link.textContent !== text) link.textContent = text;
}

async function told(events, { first }) {
  await refresh();
  const known = new Set(data.events.map((each) => each.id));
  const fresh = events.filter((each) => !known.has(each.id));
  data.events = [...data.events, ...fresh].slice(-MOST_EVENTS);
  linked("live", "live");
  document.body.classList.remove("stale");
  find("gone").hidden = true;
  if (fresh.length && !first) find("said").textContent = fresh.slice(-3).map((each) => sentence(each.text)).join(" ");
  show();
}

function gone(seconds, error) {
  linked("gone", "no connection");
  document.body.classList.add("stale");
  const box = find("gone");
  if (box.hidden) {
    const text = document.createElement("span");
    const count = document.createElement("span");
    count.setAttribute("aria-hidden", "true"); // not every second aloud
    const again = document.createElement("button");
    again.type = "button";
    again.textContent = "Try now";
    again.addEventListener("click", () => follow.again());
    box.replaceChildren(text, count, again);
  }
  const [text, count] = box.children;
  const words = error instanceof Fault ? `The server has a problem: ${sentence(error.message)}` : "The server does not respond. The data shown may be out of date.";
  if (text.textContent !== words) text.textContent = words;
  count.textContent = seconds ? ` Next try in ${seconds} s.` : " Trying…";
  box.hidden = false;
}

// --- doing -----------------------------------------------------------------------------------------------------

function confirmed(heading, text, action) {
  const box = find("confirm");
  find("confirm-title").textContent = heading;
  find("confirm-text").textContent = text;
  find("confirm-yes").textContent = action;
  return new Promise((done) => {
    const end = (value) => {
      find("confirm-yes").onclick = null;
      find("confirm-no").onclick = null;
      box.onclose = null;
      if (box.open) box.close();
      done(value);
    };
    find("confirm-yes").onclick = () => end(true);
    find("confirm-no").onclick = () => end(false);
    box.onclose = () => box.open || end(false); // Escape; it may come late, when the next question is open
    box.showModal();
    find("confirm-no").focus();
  });
}

function logout(text) {
  token.drop();
  data.allowed = false;
  if (text) note(text, { bad: true });
  show();
}

async function changed(path, words, text) {
  if (data.busy) return;
  data.busy = true;
  const focused = document.activeElement;
  show();
  await attempt(async () => {
    try {
      await change(path, words);
      note(text);
      await refresh();
    } catch (error) {
      if (!(error instanceof Fault && error.status === 401)) throw error;
      logout("The server no longer accepts this token. Log in with another one.");
    }
  });
  data.busy = false;
  show();
  // a button that was locked for the while has lost the focus
  if (document.activeElement === document.body && focused?.isConnected) focused.focus();
}

const machine = () => data.machines.find((each) => each.name === data.name);
const path = (name, verb) => `/machines/${encodeURIComponent(name)}/${verb}`;

const deeds = {
  login() {
    find("login-fault").textContent = "";
    find("token").value = "";
    find("login").showModal();
    find("token").focus();
  },
  "close-login": () => find("login").close(),
  logout() {
    logout();
    note("You are logged out.");
  },
  async "power-state"() {
    const { name } = data;
    data.power.set(name, { asking: true });
    show();
    try {
      const found = await ask(path(name, "power"));
      data.power.set(name, { power: found.power, at: Date.now() / 1000 });
    } catch (error) {
      data.power.set(name, { power: null, fault: error instanceof Fault ? sentence(error.message) : "The server does not respond." });
    }
    show();
  },
  async power(button) {
    const { name } = data;
    const { action } = button.dataset;
    const words = { off: [`Switch ${name} off?`, "Switch off"], cycle: [`Power cycle ${name}?`, "Power cycle"] }[action];
    const next = machine()?.next;
    const then = action === "cycle" && next ? ` Then it boots ${next.system}${next.build ? `, build ${next.build}` : ""}.` : "";
    if (words && !await confirmed(words[0], `What runs on it is interrupted at once, without a shutdown.${then}`, words[1])) return;
    data.power.delete(name);
    const past = { on: "is switched on", off: "is switched off", cycle: "is switched off and on" }[action];
    await changed(path(name, "power"), { action }, `${name} ${past}.`);
  },
  unchoose: () => changed(path(data.name, "choose"), {}, `${data.name} boots what system.yaml says.`),
  rollback: ({ dataset: { system } }) =>
    changed(`/systems/${encodeURIComponent(system)}/current`, { build: null }, `${system} is rolled back to the build before.`),
  select: ({ dataset: { system, build } }) =>
    changed(`/systems/${encodeURIComponent(system)}/current`, { build }, `${system}: ${build} is what machines boot from now on.`),
};

document.addEventListener("click", (event) => {
  const button = event.target.closest?.("[data-do]");
  if (button && !button.disabled) deeds[button.dataset.do]?.(button);
});

document.addEventListener("submit", async (event) => {
  event.preventDefault();
  if (event.target.id === "login-form") {
    const given = find("token").value.trim();
    const fault = find("login-fault");
    fault.textContent = "";
    try {
      await change("/login", {}, given);
      token.set(given);
      data.allowed = true;
      find("login").close();
      note("You are logged in.");
      show();
    } catch (error) {
      const wrong = error instanceof Fault && error.status === 401;
      fault.textContent = wrong ? "The server does not accept this token. Is it complete, and from this project's server?"
        : error instanceof Fault ? sentence(error.message)
          : error.name === "TypeError" && /header/i.test(error.message) ? "A token contains only letters, digits, - and _." : "The server does not respond.";
      find("token").select();
    }
  } else if (event.target.id === "choice") {
    const words = { system: find("system").value, once: find("once").checked };
    if (find("build").value) words.build = find("build").value;
    const what = `${words.system}${words.build ? `, build ${words.build}` : ""}${words.once ? ", once" : ""}`;
    await changed(path(data.name, "choose"), words, `${data.name} boots ${what}.`);
    data.picked = null;
    find("once") && (find("once").checked = false);
  }
});

document.addEventListener("change", (event) => {
  if (event.target.id === "system") {
    data.picked = event.target.value;
    show();
  } else if (event.target.id === "follow") {
    watched?.follow(event.target.checked);
  }
});

document.addEventListener("input", (event) => {
  if (event.target.id === "filter") {
    data.filter = event.target.value.trim().toLowerCase();
    show();
  }
});

window.addEventListener("hashchange", go);
setInterval(() => {
  // times go on; a boot that goes on grows
  if (document.visibilityState === "visible" && !document.body.classList.contains("stale")) show();
}, 1000);
view = route();
show();
follow(told, gone);
