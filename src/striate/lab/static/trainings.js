// The trainings of a run that has several: strategies as they come, folds, and their scores.

import { el, number, say, texts } from "./lab.js";

const ROLES = 6;
const percent = (share) => `${number(100 * share)} %`;
const value = (score) => (score ? percent(score.map ?? score.accuracy) : "–");
const interval = (score) => (score ? say("from_to", { low: percent(score.low), high: percent(score.high) }) : "–");

function nameOf(training) {
  if (training.kind === "fold") return say("fold", { number: training.name });
  if (training.kind === "whole") return texts.whole;
  return training.images === null ? training.name : say("few", { name: training.name, count: training.images });
}

/** The curves of all trainings, for a plot: the same value of each, on validation images. */
export function curvesOf(trainings, key) {
  return trainings.filter((training) => training.epochs.length && training.kind !== "per_class").map((training, place) => ({
    label: nameOf(training), x: training.epochs.map((epoch) => epoch.epoch), y: training.epochs.map((epoch) => epoch[key] ?? null),
    role: (place % ROLES) + 1, dashed: place >= ROLES,
  }));
}

function stateOf(run, training, state) {
  if (training.ended) return texts.state_done;
  if (training !== run.trainings.find((other) => !other.ended)) return texts.state_queued;
  return texts[state === "running" ? "state_running" : "state_interrupted"];
}

/** A table of the trainings; once all have ended with the test scores of strategies. */
export function table(run, state) {
  const rows = run.trainings.filter((training) => training.kind !== "per_class");
  const name = "trainings";
  if (rows.some((training) => training.kind === "fold")) {
    return {
      kind: "table", name, title: texts.folds, caption: texts.folds_help, columns: [texts.training, texts.state, texts.test_column, texts.interval_column],
      rows: rows.map((training) => [nameOf(training), stateOf(run, training, state), ...(training.kind === "fold" ? [value(training.score), interval(training.score)] : [value(run.result?.folds && run.result.test), interval(run.result?.folds && run.result.test)])]),
    };
  }
  const ended = Object.fromEntries((run.result?.strategies || []).map((row) => [row.name, row]));
  return {
    kind: "table", name, title: texts.strategies, caption: texts.strategies_help,
    columns: [texts.strategy, texts.state, texts.val_column, texts.test_column, texts.interval_column, texts.p_value, texts.seconds, texts.parameters],
    rows: rows.map((training) => {
      const row = ended[training.name];
      const kept = run.result?.recommended === training.name;
      return [training.name, kept ? texts.kept : stateOf(run, training, state), value(row?.val || training.score), value(row?.test), interval(row?.test),
        row?.p_value ?? null, row ? String(Math.round(row.seconds)) : null, row ? row.parameters.toLocaleString("en") : null];
    }),
  };
}

/** Learning curves: what each strategy scores with fewer training images; null where none were asked for. */
export function learningCurves(run) {
  const few = run.trainings.filter((training) => training.kind === "per_class" && training.score);
  if (!few.length) return null;
  const counts = [...new Set(few.map((training) => training.images))];
  const names = [...new Set(few.map((training) => training.name))];
  const score = (name, count) => few.find((training) => training.name === name && training.images === count)?.score;
  const series = names.map((name, place) => ({ label: name, x: counts, y: counts.map((count) => (score(name, count) ? score(name, count).map ?? score(name, count).accuracy : null)), role: place + 1, dashed: false }));
  const marks = counts.length > 1 ? [] : series.map((entry) => ({ x: entry.x[0], y: entry.y[0], label: entry.label, role: entry.role }));
  return { kind: "lines", name: "few", title: texts.few_title, caption: texts.few_help, x_label: texts.images_of_each, y_label: texts.accuracy, x_range: [0, 1.1 * Math.max(...counts)], y_range: [0, 1], y_log: false, series, marks, move: [] };
}

/** Why this strategy is kept, as the command says it. */
export function choice(run) {
  return run.result?.strategies?.length > 1 ? el("p", { class: "notice", lang: "en" }, run.result.sentence) : null;
}
