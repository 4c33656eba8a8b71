// The API of the boot server: questions, changes with a token, and what it tells by itself.

const BASE = "/api/v1";
const TOKEN = "rootstream-token";
const PATIENCE = 40_000; // ms; a question for changes stays open for 25 s
const LONGEST_PAUSE = 30_000;

export class Fault extends Error {
  constructor(status, data) {
    super(data?.message || `the server returned HTTP ${status}`);
    this.status = status;
    this.hint = data?.hint || null;
    this.reason = data?.error || null;
  }
}

export const token = {
  get: () => sessionStorage.getItem(TOKEN),
  set: (value) => sessionStorage.setItem(TOKEN, value),
  drop: () => sessionStorage.removeItem(TOKEN),
};

let ahead = 0; // ms that the server's clock is ahead of ours
export const now = () => (Date.now() + ahead) / 1000;

async function answer(response) {
  const date = Date.parse(response.headers.get("Date") || "");
  // the header has whole seconds
  if (date && Math.abs(date - Date.now() - ahead) > 1500) ahead = date - Date.now();
  let data = null;
  try {
    data = await response.json();
  } catch (error) {
    if (response.ok) throw new Fault(response.status, { message: "the server's response is not valid" });
  }
  if (!response.ok) throw new Fault(response.status, data);
  return data;
}

export async function ask(path, words = {}) {
  const query = new URLSearchParams(Object.entries(words).filter(([, value]) => value !== null)).toString();
  const response = await fetch(`${BASE}${path}${query ? `?${query}` : ""}`, {
    signal: AbortSignal.timeout(PATIENCE), cache: "no-store",
  });
  return answer(response);
}

export async function change(path, data, given = token.get()) {
  const response = await fetch(`${BASE}${path}`, {
    method: "POST",
    headers: { "Content-Type": "application/json", Authorization: `Bearer ${given || ""}` },
    body: JSON.stringify(data),
    signal: AbortSignal.timeout(120_000),
  });
  return answer(response);
}

// Call `told` with every answer of /events, and `gone` with the seconds until the next try when there is none.
export async function follow(told, gone) {
  let mark = null;
  let after = 0;
  let failures = 0;
  let wake = () => {};
  window.addEventListener("online", () => wake());
  document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && wake());
  follow.again = () => wake();
  for (;;) {
    try {
      const data = await ask("/events", { after, mark, wait: mark === null || failures ? null : 20 });
      const changed = data.mark !== mark;
      await told(data.events, { changed, first: mark === null, back: failures > 0 });
      failures = 0;
      mark = data.mark;
      after = Math.max(after, ...data.events.map((each) => each.id));
      await new Promise((done) => setTimeout(done, 400)); // many machines at once: not each step by itself
    } catch (error) {
      failures += 1;
      if (!(error instanceof Fault || error instanceof TypeError || error instanceof DOMException)) console.error(error);
      const pause = Math.min(LONGEST_PAUSE, 1000 * 2 ** (failures - 1)) * (0.8 + 0.4 * Math.random());
      const until = Date.now() + pause;
      let waiting = true;
      await new Promise((done) => {
        const tick = () => gone(Math.max(0, Math.ceil((until - Date.now()) / 1000)), error);
        const each = setInterval(tick, 1000);
        const last = setTimeout(() => wake(), pause);
        wake = () => {
          if (!waiting) return;
          waiting = false;
          clearInterval(each);
          clearTimeout(last);
          done();
        };
        tick();
      });
      wake = () => {};
    }
  }
}
