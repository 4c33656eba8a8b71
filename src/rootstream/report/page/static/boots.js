// Boots of the system, by their stages.
"use strict";

const STAGES = [["c5", "firmware and boot loader"], ["c3", "kernel"], ["c1", "user space"]];

// Seconds of each stage; null where the console did not show its end.
const stages = ({ times }) => {
  const { kernel, init, login, up } = times;
  const end = login ?? up;
  return [kernel, kernel === null || init === null ? null : init - kernel, init === null || end === null ? null : end - init];
};

R.sections.boots = (data) => {
  const rows = data.boots.map((each) => ({ ...each, stages: stages(each) }));
  const drawn = rows.filter((each) => each.stages.some((stage) => stage !== null));
  const chart = drawn.length > 0 && R.chart({
    label: `The stages of ${R.count(drawn.length, "boot")}`,
    height: drawn.length * 34 + 50,
    option: () => ({
      grid: { left: 8, right: 24, top: 8, bottom: 8, containLabel: true },
      xAxis: R.axis(R.duration),
      yAxis: R.names(drawn.map((each) => each.kind)),
      tooltip: { ...R.tooltip(), formatter: ({ dataIndex, seriesIndex }) => R.tip(drawn[dataIndex].kind, `${STAGES[seriesIndex][1]}: ${R.duration(drawn[dataIndex].stages[seriesIndex])}`) },
      series: STAGES.map(([color], at) => ({ type: "bar", stack: "boot", barMaxWidth: 20, itemStyle: { color: R.color(color) }, data: drawn.map((each) => each.stages[at] ?? 0) })),
    }),
  });
  return [
    R.h("p", {}, `${R.count(rows.length, "boot")}, ${rows.filter((each) => !each.passed).length} failed. Times are those of the console of the last “rootstream verify”; without KVM, they are much longer than on hardware.`),
    chart && [R.legend(STAGES), chart.place],
    R.table({
      caption: "Boots",
      columns: [{ title: "Image" }, { title: "Result" }, { title: "Accelerator" }, ...STAGES.map(([, title]) => ({ title, number: true, show: R.duration })), { title: "Up after", number: true, show: R.duration }],
      rows: rows.map((each) => [each.kind, each.fault || (each.passed ? "passed" : "FAILED"), each.accelerator, ...each.stages, each.times.up]),
    }),
    R.details("Checks", R.table({
      caption: "Checks",
      columns: [{ title: "Check" }, { title: "Image" }, { title: "Result" }, { title: "Took", number: true, show: R.duration }, { title: "Detail" }],
      rows: rows.flatMap((each) => each.checks.map((check) => [check.name, each.kind, check.passed ? "passed" : "FAILED", check.elapsed, check.detail])),
    })),
  ];
};
