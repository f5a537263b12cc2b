import { Readable } from "node:stream";
import { type CredentialEntry, createCredentials } from "../../../src/auth/credentials.ts";
import type { SendBare } from "../../../src/auth/exchange.ts";
import { type AuthorizerOptions, createAuthorizer } from "../../../src/auth/tokens.ts";
import { createLog } from "../../../src/observe/log.ts";

/** A token service in memory, with a clock that stands until it is moved. */

export interface TokenAsked {
  readonly method: string;
  readonly url: URL;
  readonly authorization: string | undefined;
  readonly body: string;
}

export interface TokenAnswer {
  readonly status?: number;
  readonly json?: unknown;
  readonly text?: string;
}

export type Serve = (asked: TokenAsked, count: number) => TokenAnswer | Promise<TokenAnswer>;

export function startTokenService(
  entries: readonly CredentialEntry[],
  serve: Serve,
  more: Partial<AuthorizerOptions> = {},
) {
  const asked: TokenAsked[] = [];
  const lines: string[] = [];
  const clock = { time: 1_700_000_000_000, now: () => clock.time };
  const send: SendBare = async (request) => {
    const body = request.body === undefined ? "" : String(Buffer.concat(await request.body.toArray()));
    const url = new URL(`${request.origin.scheme}://${request.origin.authority}${request.path}`);
    const one = { method: request.method, url, authorization: request.authorization, body };
    asked.push(one);
    request.signal.throwIfAborted();
    const answer = await serve(one, asked.length);
    const text = answer.text ?? JSON.stringify(answer.json ?? {});
    return { status: answer.status ?? 200, body: Readable.from([Buffer.from(text)]) };
  };
  const log = createLog({ level: "trace", format: "json", destination: { write: (line) => lines.push(line) } });
  const credentials = createCredentials(entries);
  const isPlain: AuthorizerOptions["isPlain"] = (origin) => origin.scheme === "http";
  const authorizer = createAuthorizer({ credentials, send, isPlain, clock, log, ...more });
  return { authorizer, asked, clock, lines };
}
