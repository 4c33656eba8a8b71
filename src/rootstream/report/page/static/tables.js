// Tables that can be searched and sorted: the whole of what a chart shows, for the keyboard and for screen readers.
"use strict";

R.MOST_ROWS = 50;

// `columns` have a title, `number` for those that sort as numbers, and `show`, which makes text or an element.
R.table = ({ caption, columns, rows, search = true, sorted = null }) => {
  const state = { by: sorted, down: sorted !== null && columns[sorted].number, words: "", most: R.MOST_ROWS };
  const body = R.h("tbody");
  const note = R.h("span", { class: "note", role: "status" });
  const more = R.h("button", { type: "button", onclick: () => { state.most = Infinity; draw(); } }, "Show all");
  const heads = columns.map((column, at) => R.h("th", { scope: "col", class: column.number ? "number" : null },
    R.h("button", { type: "button", onclick: () => sort(at) }, column.title)));

  const sort = (at) => {
    state.down = state.by === at ? !state.down : Boolean(columns[at].number);
    state.by = at;
    draw();
  };

  const draw = () => {
    const words = state.words.toLowerCase().split(/\s+/).filter(Boolean);
    let found = rows.filter((row) => {
      const text = row.map((each) => (each === null ? "" : String(each))).join(" ").toLowerCase();
      return words.every((word) => text.includes(word));
    });
    if (state.by !== null) {
      const { number } = columns[state.by];
      const order = (one, other) => (number
        ? (one[state.by] ?? -1) - (other[state.by] ?? -1)
        : String(one[state.by] ?? "").localeCompare(String(other[state.by] ?? "")));
      found = [...found].sort((one, other) => (state.down ? -order(one, other) : order(one, other)));
    }
    heads.forEach((head, at) => head.setAttribute("aria-sort", at !== state.by ? "none" : state.down ? "descending" : "ascending"));
    R.fill(body, found.slice(0, state.most).map((row) => R.h("tr", {}, columns.map((column, at) => R.h(at === 0 ? "th" : "td",
      { scope: at === 0 ? "row" : null, class: column.number ? "number" : null, "data-title": column.title },
      column.show ? column.show(row[at], row) : row[at] ?? "")))));
    note.textContent = found.length > state.most ? `${state.most} of ${found.length}` : R.count(found.length, "row");
    more.hidden = found.length <= state.most;
  };

  const id = R.id();
  const box = search && rows.length > 8 ? [
    R.h("label", { for: id, class: "hidden" }, `Search in: ${caption}`),
    R.h("input", { id, type: "search", placeholder: "Search", spellcheck: "false", autocomplete: "off",
      oninput: (event) => { state.words = event.target.value; draw(); } }),
  ] : [];
  draw();
  return R.h("div", { class: "tabled" },
    R.h("div", { class: "tools" }, box, note, more),
    R.h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption },
      R.h("table", {}, R.h("caption", { class: "hidden" }, caption), R.h("thead", {}, R.h("tr", {}, heads)), body)));
};

R.details = (title, ...children) => R.h("details", {}, R.h("summary", {}, title), children);
