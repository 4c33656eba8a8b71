// Known vulnerabilities, as an audit has found them.
"use strict";

const SEVERITIES = [["critical", "bad"], ["high", "c8"], ["medium", "c3"], ["low", "c1"], ["unknown", "cached"]];

R.sections.audit = (data) => {
  const found = data.vulnerabilities;
  const failed = found.filter((each) => each.fails).length;
  const status = (each) => (each.fails ? "FAIL" : each.decision ? each.decision.status : each.exception ? `accepted until ${each.exception.until}` : "pass");
  const counts = SEVERITIES.map(([name]) => [name, found.filter((each) => each.severity === name).length]).filter(([, count]) => count);
  return [
    data.stale && R.h("p", { class: "gone" }, data.stale),
    R.h("p", {}, `Audit of ${data.date}: ${R.count(found.length, "vulnerability", "vulnerabilities")}, ${R.count(failed, "failure")}; ${R.count(data.not_certain.length, "component")} not certain.`),
    R.h("ul", { class: "feeds note" }, data.feeds.map((each) => R.h("li", {}, `${each.kind}: ${each.file}, ${each.newest ? `newest entry ${each.newest}` : "without a date"}, SHA-256 `, R.h("code", {}, each.sha256)))),
    counts.length > 0 && R.bars({
      label: `Vulnerabilities by severity: ${counts.map(([name, count]) => `${count} ${name}`).join(", ")}`,
      rows: counts, show: String,
      color: (row) => R.color(SEVERITIES.find(([name]) => name === row[0])[1]),
    }).place,
    found.length > 0 && R.table({
      caption: "Vulnerabilities",
      columns: [{ title: "Identifier" }, { title: "Component" }, { title: "Version" }, { title: "Severity" }, { title: "Status" }, { title: "Fixed in" }, { title: "Because" }, { title: "Decision" }],
      rows: found.map((each) => [each.id, each.component, each.version, `${each.severity}${each.exploited ? ", known to be exploited" : ""}`, status(each), each.fixed, each.because,
        each.decision ? `${each.decision.reason} (${each.decision.author}, ${each.decision.date})` : each.exception ? `${each.exception.reason} (${each.exception.author})` : ""]),
    }),
    data.not_certain.length > 0 && R.details("Components that are not certain", R.table({
      caption: "Components that are not certain",
      columns: [{ title: "Component" }, { title: "Reason" }],
      rows: data.not_certain.map((each) => [each.component, each.reason]),
    })),
  ];
};
