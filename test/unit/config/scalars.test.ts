import t from "tap";
import {
  boolean,
  choice,
  delimiter,
  duration,
  noProxy,
  path,
  proxyUrl,
  size,
  tagPattern,
  timeout,
  timeoutOrZero,
} from "../../../src/config/scalars.ts";
import { accepts, read } from "./read.ts";

t.test("booleans", async (t) => {
  for (const given of ["true", "TRUE", "yes", "on", "1", 1, true, " true "])
    t.equal(read(boolean, given), true, String(given));
  for (const given of ["false", "no", "Off", "0", 0, false]) t.equal(read(boolean, given), false, String(given));
  for (const given of ["maybe", "", "2", "truefalse", [], {}, null])
    t.notOk(accepts(boolean, given), JSON.stringify(given));
});

t.test("sizes and durations, as texts or as YAML's numbers", async (t) => {
  t.equal(read(size, "32g"), 34_359_738_368);
  t.equal(read(size, 1024), 1024);
  t.equal(read(timeout, 60), 60_000);
  t.equal(read(timeout, "1h30m"), 5_400_000);
  t.equal(read(timeoutOrZero, "0"), 0);
  t.same(read(size, "0"), { problems: ['"0" is too small'] });
  t.same(read(size, "10GX"), { problems: ['"10GX" is not accepted'] });
  t.same(read(timeout, "0"), { problems: ['"0" is too short'] });
  t.same(read(timeout, "25d"), { problems: ['"25d" is too long'] }, "a timer cannot hold it");
  t.equal(read(duration(1000), "60d"), 5_184_000_000);
  t.match(timeout.expects, /at least 1ms, at most 24d$/);
  t.match(timeoutOrZero.expects, /; at most 24d$/);
});

t.test("paths, choices, delimiters, hosts that need no proxy", async (t) => {
  t.equal(read(path, "./ca"), "./ca");
  t.notOk(accepts(path, ""));
  t.notOk(accepts(path, "a\0b"));
  t.equal(read(choice("auto", "json"), "JSON"), "json");
  t.notOk(accepts(choice("auto", "json"), "xml"));
  t.equal(read(delimiter, " "), " ");
  t.notOk(accepts(delimiter, ""));
  t.notOk(accepts(delimiter, 1));
  t.equal(read(noProxy, "a.b,.c"), "a.b,.c");
  t.equal(read(noProxy, ["a.b", ".c"]), "a.b,.c");
});

t.test("patterns say where they are wrong", async (t) => {
  t.same(read(tagPattern, "(?i)v1"), /^(?:[vV]1)/);
  t.same(read(tagPattern, "a\\K"), {
    problems: [String.raw`"a\\K" is not accepted, at character 2: \K has no counterpart in JavaScript`],
  });
});

t.test("proxies", async (t) => {
  for (const scheme of ["http", "https", "socks4", "socks4a", "socks5", "socks5h", "pac+http", "pac+https"]) {
    const url = `${scheme}://user:password@proxy.test:3128`;
    t.equal(read(proxyUrl, url), url);
    t.equal(proxyUrl.show?.(url), `${scheme}://***@proxy.test:3128`);
  }
  t.equal(read(proxyUrl, "pac+file:///etc/proxy.pac"), "pac+file:///etc/proxy.pac");
  t.equal(proxyUrl.show?.("http://proxy.test:3128/?token=hunter2"), "http://proxy.test:3128/***");
  for (const given of [
    "hunter2.test:3128",
    "ftp://hunter2/",
    "http:hunter2",
    "http://u:hunter2@",
    "http://hunter2:0",
    "hunter2",
    "",
    3128,
  ]) {
    const problem = read(proxyUrl, given);
    t.type(problem, "object", String(given));
    t.notMatch(JSON.stringify(problem), /hunter2/, "its value is not repeated");
  }
});
