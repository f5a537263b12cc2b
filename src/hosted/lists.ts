import type { Digest } from "../core/digest.ts";
import type { Exchange } from "../serve/exchange.ts";
import { pageSize, queryOf, sendJson } from "./answer.ts";
import type { Descriptor } from "./manifest.ts";
import { unknownName } from "./pull.ts";
import type { Repositories } from "./repository.ts";
import { Smallest } from "./smallest.ts";

/** Entries of an answer to who asks for none or for more. */
const longestPage = 10_000;
const longestReferrers = 1000;

/** OCI distribution 1.1, "Listing Tags": lexical, which it says is alphanumeric without regard to case. */
export function byName(a: string, b: string): number {
  const [low, high] = [a.toLowerCase(), b.toLowerCase()];
  if (low !== high) return low < high ? -1 : 1;
  return a < b ? -1 : a > b ? 1 : 0;
}

export async function listTags(repositories: Repositories, exchange: Exchange, name: string): Promise<void> {
  const repository = repositories.get(name);
  const query = queryOf(exchange);
  const page = new Smallest(byName, pageSize(query, longestPage), query.get("last") ?? undefined);
  for (const tag of await repository.tags()) page.add(tag);
  if (page.isEmpty && !(await repository.exists())) throw unknownName();
  const { entries, more } = page.take();
  sendJson(exchange, { name, tags: entries }, nextLink(`/v2/${name}/tags/list`, query, entries.at(-1), more));
}

/** Not of the OCI's specification, but every registry has it. */
export async function listRepositories(repositories: Repositories, exchange: Exchange): Promise<void> {
  const query = queryOf(exchange);
  const page = new Smallest(byName, pageSize(query, longestPage), query.get("last") ?? undefined);
  for await (const name of repositories.names()) page.add(name);
  const { entries, more } = page.take();
  sendJson(exchange, { repositories: entries }, nextLink("/v2/_catalog", query, entries.at(-1), more));
}

/** What is attached to a manifest, which need not be here. Never a 404 (OCI distribution 1.1, "Listing Referrers"). */
export async function listReferrers(
  repositories: Repositories,
  exchange: Exchange,
  name: string,
  subject: Digest,
): Promise<void> {
  const query = queryOf(exchange);
  const artifactType = query.get("artifactType");
  const accepts = (descriptor: Descriptor): boolean =>
    artifactType === null || descriptor.artifactType === artifactType;
  const most = Math.max(1, pageSize(query, longestReferrers));
  const found = await repositories.get(name).referrers(subject, accepts, query.get("last") ?? "", most + 1);
  const manifests = found.slice(0, most);
  const index = { schemaVersion: 2, mediaType: "application/vnd.oci.image.index.v1+json", manifests };
  sendJson(exchange, index, {
    "content-type": index.mediaType,
    ...(artifactType !== null && { "oci-filters-applied": "artifactType" }),
    ...nextLink(`/v2/${name}/referrers/${subject}`, query, manifests.at(-1)?.digest, found.length > most),
  });
}

/** RFC 8288: where the list goes on. The question is the same but for its beginning. */
function nextLink(
  path: string,
  query: URLSearchParams,
  last: string | undefined,
  more: boolean,
): Record<string, string> {
  if (!more || last === undefined) return {};
  const next = new URLSearchParams();
  for (const name of ["n", "artifactType"]) {
    const value = query.get(name);
    if (value !== null) next.set(name, value);
  }
  next.set("last", last);
  return { link: `<${path}?${next.toString()}>; rel="next"` };
}
