// Plain text from what a machine writes to its console: control sequences go, also where a piece ends within
// one; nothing of it is ever markup.

const LONGEST_SEQUENCE = 4096;
// Marks that turn the direction of text around, or hide in it.
const DECEIVING = /[\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]/g;

export class Terminal {
  constructor(mostLines = 5000, longestLine = 2000) {
    this.mostLines = mostLines;
    this.longestLine = longestLine;
    this.reset();
  }

  reset() {
    this.lines = [];
    this.line = [];
    this.column = 0;
    this.state = "text";
    this.length = 0;
  }

  feed(text) {
    for (const character of text) this.#take(character);
  }

  text() {
    return [...this.lines, this.line.join("")].join("\n").replace(DECEIVING, "\ufffd");
  }

  #take(character) {
    const code = character.codePointAt(0);
    if (this.state !== "text") {
      this.length += 1;
      if (this.length > LONGEST_SEQUENCE) this.state = "text"; // never ended: no sequence
    }
    switch (this.state) {
      case "text": return this.#plain(character, code);
      case "escape": return this.#escape(character, code);
      case "csi": return this.#csi(character, code);
      case "skip":
        this.state = "text"; // the one character that names a set of characters
        return undefined;
      default: // a string of the terminal's: it ends with BEL, ST or ESC \
        if (code === 0x07 || code === 0x9c || code === 0x18 || code === 0x1a) this.state = "text";
        else if (code === 0x1b) this.#begin("escape");
        return undefined;
    }
  }

  #begin(state) {
    this.state = state;
    this.length = 0;
  }

  #plain(character, code) {
    if (character === "\n") this.#newline();
    else if (character === "\r") this.column = 0;
    else if (character === "\b") this.column = Math.max(0, this.column - 1);
    else if (character === "\t") this.#put(" ".repeat(8 - (this.column % 8)));
    else if (code === 0x1b) this.#begin("escape");
    else if (code === 0x9b) this.#begin("csi");
    else if ([0x90, 0x98, 0x9d, 0x9e, 0x9f].includes(code)) this.#begin("string");
    else if (code >= 0x20 && !(code >= 0x7f && code < 0xa0)) this.#put(character);
  }

  #escape(character, code) {
    if (character === "[") this.#begin("csi");
    else if ("P]X^_".includes(character)) this.#begin("string");
    else if ("()*+-./#% ".includes(character)) this.#begin("skip");
    else if (code === 0x1b) this.#begin("escape");
    else {
      this.state = "text";
      if (code < 0x20) this.#plain(character, code);
    }
  }

  #csi(character, code) {
    if (code === 0x1b) return this.#begin("escape");
    if (code < 0x20) return this.#plain(character, code); // terminals obey these within a sequence
    if (code < 0x40) return undefined;
    this.state = "text";
    // elsewhere on the screen: a new line, as there is no screen here
    if ("HfJ".includes(character) && this.line.length) this.#newline();
    return undefined;
  }

  #put(text) {
    for (const each of text) {
      if (this.column >= this.longestLine) this.#newline();
      while (this.line.length < this.column) this.line.push(" ");
      this.line[this.column] = each;
      this.column += 1;
    }
  }

  #newline() {
    this.lines.push(this.line.join("").trimEnd());
    this.line = [];
    this.column = 0;
    if (this.lines.length > this.mostLines * 1.2) this.lines.splice(0, this.lines.length - this.mostLines);
  }
}
