import { EventEmitter } from "node:events";
import t from "tap";
import { listenForSignals } from "../../../src/cli/signals.ts";

function told(...signals: string[]): string[] {
  const process = new EventEmitter();
  const heard: string[] = [];
  listenForSignals(process).onStop((how) => heard.push(how));
  for (const signal of signals) process.emit(signal);
  return heard;
}

t.test("what signals mean", async (t) => {
  t.same(told("SIGTERM"), ["drain"]);
  t.same(told("SIGINT"), ["drain"]);
  t.same(told("SIGTERM", "SIGTERM", "SIGTERM"), ["drain"]);
  t.same(told("SIGTERM", "SIGINT"), ["drain"], "the first SIGINT still drains");
  t.same(told("SIGINT", "SIGINT"), ["drain", "now"]);
  t.same(told("SIGTERM", "SIGINT", "SIGINT", "SIGINT"), ["drain", "now"]);
});

t.test("a signal that came while the program was starting is told later", async (t) => {
  const process = new EventEmitter();
  const signals = listenForSignals(process);
  process.emit("SIGTERM");
  const heard: string[] = [];
  signals.onStop((how) => heard.push(how));
  t.same(heard, ["drain"]);
});

t.test("SIGHUP reloads, and is left alone where nothing does", async (t) => {
  const process = new EventEmitter();
  const signals = listenForSignals(process);
  t.equal(process.listenerCount("SIGHUP"), 0);
  let reloads = 0;
  signals.onReload(() => reloads++);
  process.emit("SIGHUP");
  process.emit("SIGHUP");
  t.equal(reloads, 2);
});
