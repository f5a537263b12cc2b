import t from "tap";
import { loadConfig } from "../../../src/config/load.ts";

const read = (PREFETCH: string): unknown =>
  loadConfig({ argv: [], env: { PREFETCH }, readFile: () => "" }).config.prefetch;

t.test("what is fetched ahead", async (t) => {
  for (const none of ["none", "false", "off", ""]) t.equal(read(none), "none", none);
  t.equal(read("all"), "all");
  t.same(read("linux/amd64, linux/arm/v7  Windows/amd64"), ["linux/amd64", "linux/arm/v7", "windows/amd64"]);
  for (const wrong of ["true", "amd64", "linux/amd64 all", "linux/"]) {
    t.throws(() => read(wrong), { code: "CONFIG_INVALID", message: /PREFETCH: .* is no platform/ }, wrong);
  }
});
