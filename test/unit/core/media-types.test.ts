import t from "tap";
import { acceptKey, manifestMediaTypes } from "../../../src/core/media-types.ts";

const [index, manifest] = manifestMediaTypes;

t.test("no Accept is every type", (t) => {
  for (const header of [undefined, "", " ", ",", "*/*"]) t.equal(acceptKey(header), "*/*", String(header));
  t.end();
});

t.test("order, case, blanks and repetitions do not count", (t) => {
  const key = acceptKey(`${index}, ${manifest}`);
  for (const header of [
    `${manifest},${index}`,
    `${manifest} ,  ${index.toUpperCase()}`,
    `${index}, ${manifest}, ${index}`,
    `${index},, ${manifest},`,
  ]) {
    t.equal(acceptKey(header), key, header);
  }
  t.equal(acceptKey(`${index} ; Q=0.5`), acceptKey(`${index};q=0.5`));
  t.end();
});

t.test("types and weights do", (t) => {
  const keys = [undefined, index, manifest, `${index},${manifest}`, `${index},*/*`, `${index};q=0.5,${manifest}`].map(
    acceptKey,
  );
  t.equal(new Set(keys).size, keys.length);
  t.end();
});

t.test("manifest types are named once, in lower case", (t) => {
  t.equal(new Set(manifestMediaTypes).size, manifestMediaTypes.length);
  for (const type of manifestMediaTypes) t.match(type, /^application\/vnd\.[a-z0-9.+]+$/);
  t.end();
});
