// The console log of a machine: its end at first, then what is added.

import { ask } from "./server.js";
import { Terminal } from "./terminal.js";

const PIECE = 65_536; // the server's
const EACH = 1000; // ms
const BEHIND = 4 * PIECE; // how much of an old log is shown

export class Console {
  constructor(name, output, status) {
    this.name = name;
    this.output = output;
    this.status = status;
    this.terminal = new Terminal();
    this.offset = null;
    this.follows = true;
    this.ended = false;
    this.resized = new ResizeObserver(() => this.follow(this.follows)); // lines break elsewhere
    this.resized.observe(output);
    this.#run();
  }

  end() {
    this.ended = true;
    this.resized.disconnect();
  }

  async #run() {
    while (!this.ended) {
      let more = false;
      if (document.visibilityState === "visible") {
        try {
          more = await this.#step();
        } catch {
          this.#say("The console cannot be read at the moment.");
        }
      }
      if (!more) await new Promise((done) => setTimeout(done, EACH));
    }
  }

  async #step() {
    const path = `/machines/${encodeURIComponent(this.name)}/console`;
    let piece = await ask(path, { offset: this.offset ?? 0 });
    if (this.ended) return false;
    if (this.offset === null && piece.size > BEHIND) {
      piece = await ask(path, { offset: piece.size - BEHIND });
      this.#say("Only the end of the log is shown.");
    } else if (this.offset !== null && piece.size < this.offset) {
      this.terminal.reset(); // a new boot began the log anew
      this.offset = 0;
      this.#show();
      return true;
    }
    if (this.ended) return false;
    const first = this.offset === null;
    this.offset = Math.min(piece.next, piece.size);
    if (piece.text) {
      this.terminal.feed(piece.text);
      this.#show();
      if (piece.size <= BEHIND) this.#say("");
    } else if (first) {
      this.#say("This console has no output yet.");
    }
    return this.offset < piece.size && piece.text !== "";
  }

  #say(text) {
    if (this.status.textContent !== text) this.status.textContent = text;
  }

  #show() {
    const at = this.output.scrollTop;
    this.output.textContent = this.terminal.text();
    this.output.scrollTop = this.follows ? this.output.scrollHeight : at;
  }

  follow(yes) {
    this.follows = yes;
    if (yes) this.output.scrollTop = this.output.scrollHeight;
  }
}
