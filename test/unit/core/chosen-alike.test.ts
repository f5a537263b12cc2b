import fc from "fast-check";
import t from "tap";
import { acceptKey, isChosenAlike, manifestMediaTypes } from "../../../src/core/media-types.ts";

const [ociIndex, ociManifest, list, schema2, schema1, oldest] = manifestMediaTypes;
const docker = [schema2, list, ociIndex, ociManifest, schema1, "application/json"].join(", ");
const containerd = [schema2, list, ociManifest, ociIndex, "*/*"].join(", ");
const skopeo = [...manifestMediaTypes].join(", ");

t.test("what one client was given is what another one would be given", (t) => {
  const cases: [mediaType: string, first: string, other: string | undefined, alike: boolean, why: string][] = [
    [list, docker, containerd, true, "each offers all that there is today"],
    [ociManifest, containerd, docker, true, "and the other way round"],
    [schema2, containerd, skopeo, true, "skopeo likewise"],
    [schema1, skopeo, containerd, false, "schema 1 is also what is made for who takes nothing else"],
    ["application/vnd.new+json", containerd, docker, false, "who did not ask for it is not given it"],
    [schema2, docker, schema2, true, "who offers less, and that"],
    [list, docker, schema2, false, "who cannot read it"],
    [schema2, schema2, docker, false, "it may have been made for who offered nothing else"],
    [schema2, `${schema2}, ${ociManifest}`, `${schema2}, ${list}`, false, "the other could get a list"],
    [schema2, docker, `${schema2}, */*`, false, "an asterisk may mean anything"],
    [schema2, containerd, `${schema2}, */*`, true, "unless both said it"],
    [list, containerd, `${schema2}, */*`, false, "and what was chosen was named"],
    [list, docker, undefined, false, "who says nothing may get schema 1"],
    [list, docker, `${list};q=0.5`, false, "a weight is another offer"],
    [list, docker.replace(list, `${list};q=0.5`), docker, false, "whoever makes it"],
  ];
  for (const [mediaType, first, other, alike, why] of cases) {
    t.equal(isChosenAlike(mediaType, acceptKey(first), other), alike, why);
  }
  t.end();
});

/**
 * Registries that choose by the types offered: the first of a tag's bodies that is accepted, else the last one, or nothing. Schema 1 is
 * what they make for clients that take nothing else, or all that an old tag has.
 */
interface Registry {
  readonly bodies: readonly string[];
  readonly asterisk: boolean;
  readonly otherwise: "last" | "nothing";
}

function chosen({ bodies, asterisk, otherwise }: Registry, accept: readonly string[]): string | undefined {
  const found = bodies.find((type) => accept.includes(type) || (asterisk && accept.includes("*/*")));
  return found ?? (otherwise === "last" ? bodies.at(-1) : undefined);
}

t.test("whatever way a registry has of choosing, nobody is given another body than the registry would send", (t) => {
  const types = fc.subarray([...manifestMediaTypes, "*/*", "application/json"], { minLength: 1 });
  const registry = fc.record({
    bodies: fc
      .tuple(fc.shuffledSubarray([ociIndex, ociManifest, list, schema2]), fc.subarray([schema1, oldest]))
      .map((bodies) => bodies.flat())
      .filter((bodies) => bodies.length > 0),
    asterisk: fc.boolean(),
    otherwise: fc.constantFrom("last" as const, "nothing" as const),
  });
  let alike = 0;
  const property = fc.property(registry, types, types, (each, first, other) => {
    const given = chosen(each, first);
    if (given === undefined || !isChosenAlike(given, acceptKey(first.join()), other.join())) return true;
    alike += 1;
    const due = chosen(each, other);
    return due === undefined || due === given;
  });
  fc.assert(property, { numRuns: 5000 });
  t.ok(alike > 100, `${alike} times`);
  t.end();
});
