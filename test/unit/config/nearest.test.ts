import t from "tap";
import { nearest } from "../../../src/config/nearest.ts";

t.test("the name that was meant", async (t) => {
  const known = ["cacheMaxSize", "cacheDir", "caDir"];
  t.equal(nearest("cacheMaxSise", known), "cacheMaxSize");
  t.equal(nearest("cachedir", known), "cacheDir");
  t.equal(nearest("CaDir", known), "caDir");
  t.equal(nearest("something", known), undefined);
  t.equal(nearest("", known), undefined);
});
