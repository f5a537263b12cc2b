import { digestOf, imageManifest, type RegistryClient } from "./client.ts";

/** What each run of the scenario pushes; the same each time, so that whoever looks afterwards knows all of it. */
export const blobA = Buffer.alloc(700_000, "a chunked blob ");
export const blobB = Buffer.alloc(50_000, "a blob in one piece ");
export const unwanted = Buffer.alloc(30_000, "nobody refers to this ");
export const first = Buffer.from(JSON.stringify(imageManifest(blobB, [blobA])));
const subject = {
  mediaType: "application/vnd.oci.image.manifest.v1+json",
  digest: digestOf(first),
  size: first.length,
};
export const second = Buffer.from(JSON.stringify({ ...imageManifest(blobB, [blobA]), subject }));
export const gone = Buffer.from(JSON.stringify({ ...imageManifest(blobB, []), annotations: { to: "go" } }));
export const name = "team/app";
export const other = "team/other";
/** Where the first PATCH ends. */
export const middle = 400_000;

/** What the registry said yes to. */
export type Accepted =
  | { readonly what: "began"; readonly location: string }
  | { readonly what: "received"; readonly bytes: number }
  | { readonly what: "blob"; readonly name: string; readonly digest: string }
  | { readonly what: "manifest"; readonly name: string; readonly tag: string; readonly digest: string }
  | { readonly what: "untagged"; readonly tag: string }
  | { readonly what: "deleted"; readonly digest: string }
  | { readonly what: "collected" };

/** Pushes, mounts, tags, deletes and collects; tells of each step once it was accepted. */
export async function runScenario(
  client: RegistryClient,
  gc: () => Promise<unknown>,
  tell: (accepted: Accepted) => void,
): Promise<void> {
  const expect = async (
    status: number,
    method: string,
    path: string,
    body?: Buffer,
    headers: Record<string, string> = {},
  ) => {
    const answer = await client.request(path, { method, headers, ...(body && { body }) });
    if (answer.status !== status) throw new Error(`${method} ${path}: ${answer.status} ${answer.body.toString()}`);
    return answer;
  };
  const putManifest = async (tag: string, bytes: Buffer): Promise<void> => {
    const headers = { "content-type": "application/vnd.oci.image.manifest.v1+json" };
    await expect(201, "PUT", `/v2/${name}/manifests/${tag}`, bytes, headers);
    tell({ what: "manifest", name, tag, digest: digestOf(bytes) });
  };
  const { headers } = await expect(202, "POST", `/v2/${name}/blobs/uploads/`);
  const location = String(headers["location"]);
  tell({ what: "began", location });
  await expect(202, "PATCH", location, blobA.subarray(0, middle));
  tell({ what: "received", bytes: middle });
  await expect(202, "PATCH", location, blobA.subarray(middle));
  tell({ what: "received", bytes: blobA.length });
  await expect(201, "PUT", `${location}?digest=${digestOf(blobA)}`);
  tell({ what: "blob", name, digest: digestOf(blobA) });
  for (const bytes of [blobB, unwanted]) {
    await expect(201, "POST", `/v2/${name}/blobs/uploads/?digest=${digestOf(bytes)}`, bytes);
    if (bytes === blobB) tell({ what: "blob", name, digest: digestOf(blobB) });
  }
  await putManifest("1", first);
  await expect(201, "POST", `/v2/${other}/blobs/uploads/?mount=${digestOf(blobA)}&from=${name}`);
  await putManifest("latest", gone);
  await putManifest("latest", second);
  await expect(202, "DELETE", `/v2/${name}/manifests/1`);
  tell({ what: "untagged", tag: "1" });
  await expect(202, "DELETE", `/v2/${name}/manifests/${digestOf(gone)}`);
  tell({ what: "deleted", digest: digestOf(gone) });
  await gc();
  tell({ what: "collected" });
}
