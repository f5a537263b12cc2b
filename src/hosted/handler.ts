import { errnoOf } from "../cache/trouble.ts";
import { EntrepotError } from "../core/errors.ts";
import { parseRegistryRequest, type RegistryRequest } from "../core/request.ts";
import type { Log } from "../observe/log.ts";
import type { Exchange, Handler } from "../serve/exchange.ts";
import { noteRequest } from "../serve/note-request.ts";
import { sendError } from "../serve/write.ts";
import { apiVersion, sendJson } from "./answer.ts";
import { listReferrers, listRepositories, listTags } from "./lists.ts";
import { pullBlob, pullManifest, type PullParts } from "./pull.ts";
import { beginUpload, type BlobPushParts, cancelUpload, continueUpload, endUpload, uploadStatus } from "./push-blob.ts";
import { pushManifest } from "./push-manifest.ts";
import { deleteBlob, deleteManifest, deleteTag } from "./removal.ts";

export interface HandlerParts extends PullParts, BlobPushParts {
  readonly log: Log;
}

type Action = (exchange: Exchange) => Promise<void> | void;
/** What may be done with the thing that a path names, by method. */
type Actions = Readonly<Record<string, Action>>;

/** Answers requests for `/v2/...` with what was pushed here. Who may ask is decided before. */
export function createHostedHandler(parts: HandlerParts): Handler {
  return async (exchange) => {
    try {
      const request = parseRegistryRequest(exchange.arrival.target);
      noteRequest(exchange, request);
      const actions = actionsFor(parts, request, exchange.trace.method);
      const action = actions[exchange.trace.method];
      if (action === undefined) {
        const allow = Object.keys(actions).join(", ");
        const message = `This is for ${allow} alone.`;
        sendError(exchange, new EntrepotError("UNSUPPORTED", message), { allow });
        return;
      }
      await action(exchange);
    } catch (thrown) {
      const error = sendError(exchange, onDisk(thrown), apiVersion);
      if (error.status >= 500 && error.code !== "STOPPING") {
        parts.log.error({ err: error.cause ?? error, path: exchange.trace.path }, "the registry failed at an exchange");
      }
    }
  };
}

function actionsFor(parts: HandlerParts, request: RegistryRequest, method: string): Actions {
  if ("repository" in request) refuseReserved(request.repository);
  const { repositories } = parts;
  switch (request.kind) {
    case "ping":
      return reading((exchange) => sendJson(exchange, {}));
    case "catalog":
      return reading((exchange) => listRepositories(repositories, exchange));
    case "tags":
      return reading((exchange) => listTags(repositories, exchange, request.repository));
    case "referrers":
      return reading((exchange) => listReferrers(repositories, exchange, request.repository, request.digest));
    case "blob":
      return {
        ...reading((exchange) => pullBlob(parts, exchange, request.repository, request.digest)),
        DELETE: (exchange) => deleteBlob(repositories, exchange, request.repository, request.digest),
      };
    case "manifest":
      return {
        ...reading((exchange) => pullManifest(parts, exchange, request.repository, request)),
        PUT: (exchange) => pushManifest(parts, exchange, request.repository, request),
        DELETE: (exchange) =>
          request.tag === undefined
            ? deleteManifest(repositories, exchange, request.repository, request.digest)
            : deleteTag(repositories, exchange, request.repository, request.tag),
      };
    case "upload":
      return uploadActions(parts, request.repository, request.session);
    case "invalid":
      throw refusalOf(request, method);
    case "token":
    case "v1":
    case "extension":
    case "other":
      throw new EntrepotError("NOT_FOUND", "There is no such endpoint in this registry.");
  }
}

function reading(action: Action): Actions {
  return { GET: action, HEAD: action };
}

function uploadActions(parts: HandlerParts, name: string, session: string | undefined): Actions {
  if (session === undefined) return { POST: (exchange) => beginUpload(parts, exchange, name) };
  return {
    ...reading((exchange) => uploadStatus(parts, exchange, name, session)),
    PATCH: (exchange) => continueUpload(parts, exchange, name, session),
    PUT: (exchange) => endUpload(parts, exchange, name, session),
    DELETE: (exchange) => cancelUpload(parts, exchange, name, session),
  };
}

/** A name that no manifest can have is that of none (OCI distribution 1.1, "Pulling manifests"); to push one is a mistake. */
function refusalOf({ code, problem }: RegistryRequest & { kind: "invalid" }, method: string): EntrepotError {
  const isPull = method === "GET" || method === "HEAD";
  return isPull && code === "MANIFEST_INVALID"
    ? new EntrepotError("MANIFEST_UNKNOWN", problem)
    : new EntrepotError(code, problem);
}

/** Below `proxy/` are the registries that are pulled through. */
function refuseReserved(name: string): void {
  if (name !== "proxy" && !name.startsWith("proxy/")) return;
  throw new EntrepotError(
    "NAME_INVALID",
    "Names that begin with 'proxy' are those of other registries; choose another one.",
  );
}

/** What the file system says, for the client: without paths. */
function onDisk(thrown: unknown): unknown {
  const code = thrown instanceof EntrepotError ? undefined : errnoOf(thrown);
  if (code === undefined || !/^E[A-Z0-9]+$/.test(code)) return thrown;
  const full = code === "ENOSPC" || code === "EDQUOT";
  return new EntrepotError(
    "STORAGE_IO",
    `The registry's storage failed (${code}). ${full ? "Its disk is full: run entrepot gc, or give it a larger one." : "Look at REGISTRY_STORAGE and its disk."}`,
    { cause: thrown, ...(full && { status: 507 }) },
  );
}
