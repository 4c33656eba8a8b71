// Licenses of the components, and conflicts with the policy.
"use strict";

R.sections.licenses = (data) => {
  const most = data.counts.slice(0, 20);
  return [
    R.h("p", {}, `${R.count(data.components.length, "component")}, ${R.count(data.counts.length, "license")}, ${R.count(data.conflicts.length, "conflict")} with the policy.`),
    data.conflicts.length > 0 && R.h("ul", { class: "faults" }, data.conflicts.map((each) => R.h("li", {}, each))),
    most.length > 0 && R.bars({ label: "Components by license", rows: most, show: String, color: (row) => R.color(row[0] === "unknown" ? "cached" : "c4") }).place,
    data.counts.length > most.length && R.h("p", { class: "note" }, `The ${most.length} most frequent of ${data.counts.length}.`),
    R.details("The same as a table", R.table({
      caption: "Licenses of components",
      columns: [{ title: "Component" }, { title: "Version" }, { title: "Kind" }, { title: "License" }],
      rows: data.components.map(([name, version, kind, license]) => [name, version, kind, license ?? "unknown"]),
    })),
  ];
};
