// What is different between two exports.
"use strict";

R.sections.changes = (data) => {
  const rows = data.grown.map(([name, before, after]) => [name, before, after, after - before]);
  const most = rows.slice(0, 20);
  const total = rows.reduce((sum, each) => sum + each[3], 0);
  const words = (counts) => ["added", "removed", "changed"].map((word, at) => counts[at] && `${counts[at]} ${word}`).filter(Boolean).join(", ");
  const signed = (bytes) => (bytes > 0 ? `+${R.size(bytes)}` : R.size(bytes));
  return [
    R.h("p", {}, `From ${data.before} to ${data.after}: `,
      data.lists.length ? data.lists.map((each) => `${each.title}: ${words(each.counts)}`).join("; ") : "no difference",
      "."),
    data.unknown.map((each) => R.h("p", { class: "note" }, `Not compared: ${each}`)),
    most.length > 0 && [
      R.h("h3", {}, `Size of the root: ${signed(total)}`),
      R.bars({ label: `Growth of components, ${signed(total)} in all`, rows: most.map((each) => [each[0], each[3]]), show: signed, color: (row) => R.color(row[1] > 0 ? "c8" : "c2") }).place,
      R.details("The same as a table", R.table({
        caption: "Sizes of components that changed",
        columns: [{ title: "Component" }, { title: "Before", number: true, show: R.size }, { title: "After", number: true, show: R.size }, { title: "Change", number: true, show: signed }],
        rows,
      })),
    ],
    data.lists.map((each) => R.details(`${each.title}: ${words(each.counts)}`,
      each.rows.length < each.counts.reduce((sum, count) => sum + count, 0) && R.h("p", { class: "note" }, `The first ${each.rows.length} are on this page; “rootstream diff --json” has all.`),
      R.table({
        caption: each.title,
        columns: [{ title: "Name", show: (name) => name }, { title: "Change" }, { title: "What" }],
        rows: each.rows.map(([word, name, text]) => [name, word, text]),
      }))),
  ];
};
