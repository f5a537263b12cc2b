import { createHash } from "node:crypto";
import { isIPv6 } from "node:net";
import type { Origin } from "../core/origin.ts";
import type { Exchange, Handler } from "../serve/exchange.ts";
import { sendText } from "../serve/write.ts";
import type { DashboardData } from "./dashboard-data.ts";
import { dashboardPage, dashboardPolicy } from "./dashboard-page.ts";
import { systemdScript } from "./systemd-script.ts";

export interface Readiness {
  readonly ok: boolean;
  /** A sentence each; empty where all is well. */
  readonly problems: readonly string[];
}

/** What the pages show, handed in by compose. */
export interface AdminParts {
  /** The certificate that clients are to trust, in PEM. */
  readonly rootPem: string;
  /** Whether the name is the proxy's own and not one that a client could resolve (docker.caching.proxy.internal). */
  readonly isOwnName: (host: string) => boolean;
  /** Where the client of an exchange reaches the proxy, as far as the request says. */
  readonly namedUrl: (exchange: Exchange) => Origin | undefined;
  readonly ready: () => Readiness | Promise<Readiness>;
  readonly metrics: { readonly contentType: string; text(): Promise<string> };
  readonly snapshot: () => DashboardData | Promise<DashboardData>;
}

type Page = (exchange: Exchange) => void | Promise<void>;

/** Not to be taken for anything else by a browser, nor kept by a cache: each answer is of the moment. */
const always = { "cache-control": "no-store", "x-content-type-options": "nosniff" } as const;

/** Answers our own endpoints: exchanges that are for no registry. */
export function createAdmin(parts: AdminParts): Handler {
  const pages = pagesOf(parts);
  const list = `The endpoints here are ${[...pages.keys()].join(", ")}; registries are reached by using this address as HTTPS_PROXY.\n`;
  return async (exchange) => {
    const { method, path = "/" } = exchange.trace;
    exchange.trace.kind = "own";
    const page = pages.get(path);
    if (page === undefined) {
      sendText(exchange, 404, `There is nothing at this path. ${list}`, always);
    } else if (method !== "GET" && method !== "HEAD") {
      // RFC 9110 §15.5.6
      sendText(exchange, 405, "This endpoint is for GET and HEAD alone.\n", { ...always, allow: "GET, HEAD" });
    } else {
      await answer(page, exchange);
    }
  };
}

async function answer(page: Page, exchange: Exchange): Promise<void> {
  try {
    await page(exchange);
  } catch {
    exchange.trace.error = "INTERNAL";
    sendText(exchange, 500, "The page could not be made.\n", always);
  }
}

const adminPaths = ["/", "/ca.crt", "/setup/systemd", "/healthz", "/readyz", "/metrics", "/dashboard.json"] as const;

function pagesOf(parts: AdminParts): Map<string, Page> {
  const pages: Record<(typeof adminPaths)[number], Page> = {
    "/": frontPage,
    "/ca.crt": (exchange) => sendCertificate(exchange, parts.rootPem),
    "/setup/systemd": (exchange) => sendSetup(exchange, parts),
    "/healthz": (exchange) => sendText(exchange, 200, "ok\n", always),
    "/readyz": async (exchange) => sendReadiness(exchange, await parts.ready()),
    "/metrics": async (exchange) => sendMetrics(exchange, parts.metrics),
    "/dashboard.json": async (exchange) => sendJson(exchange, await parts.snapshot()),
  };
  return new Map(Object.entries(pages));
}

/** Whether a path is one of the proxy's own endpoints. */
export function isAdminPath(path: string): boolean {
  return adminPaths.some((own) => own === path);
}

function frontPage(exchange: Exchange): void {
  const headers = { ...always, vary: "accept" };
  if (!/\btext\/html\b/i.test(exchange.request.headers.accept ?? "")) {
    sendText(
      exchange,
      200,
      "Entrepot works. Use this address as HTTPS_PROXY; /setup/systemd sets up a machine.\n",
      headers,
    );
    return;
  }
  const html = { "content-type": "text/html; charset=utf-8", "content-security-policy": dashboardPolicy };
  sendText(exchange, 200, dashboardPage, { ...headers, ...html, "referrer-policy": "no-referrer" });
}

function sendCertificate(exchange: Exchange, pem: string): void {
  const headers = {
    "content-type": "application/x-x509-ca-cert",
    "content-disposition": 'attachment; filename="ca.crt"',
  };
  sendText(exchange, 200, pem, { ...always, ...headers });
}

function sendReadiness(exchange: Exchange, { ok, problems }: Readiness): void {
  sendText(
    exchange,
    ok ? 200 : 503,
    `${ok ? ["ready", ...problems].join("\n") : ["not ready", ...problems].join("\n")}\n`,
    always,
  );
}

async function sendMetrics(exchange: Exchange, metrics: AdminParts["metrics"]): Promise<void> {
  sendText(exchange, 200, await metrics.text(), { ...always, "content-type": metrics.contentType });
}

function sendJson(exchange: Exchange, data: DashboardData): void {
  sendText(exchange, 200, JSON.stringify(data), { ...always, "content-type": "application/json; charset=utf-8" });
}

function sendSetup(exchange: Exchange, parts: AdminParts): void {
  const url = askedUrl(exchange, parts);
  if (url === undefined) {
    const problem =
      "The Host header is no address that a machine could be set up with; ask under the proxy's own name or IP address.\n";
    sendText(exchange, 400, problem, always);
    return;
  }
  const checksum = createHash("sha256").update(parts.rootPem).digest("hex");
  sendText(exchange, 200, systemdScript(url, checksum), {
    ...always,
    "content-type": "text/x-shellscript; charset=utf-8",
  });
}

/**
 * The proxy's address as the client knows it, without a slash at the end. The text goes into a script that runs as root: nothing but
 * letters, digits, dots, hyphens and underscores, or an IPv6 address, is let through.
 */
function askedUrl(exchange: Exchange, { namedUrl, isOwnName }: AdminParts): string | undefined {
  const url = exchange.arrival.door === "connect" ? undefined : namedUrl(exchange);
  if (url === undefined || isOwnName(url.host)) return undefined;
  if (!isIPv6(url.host) && !/^[a-z0-9_]([a-z0-9._-]{0,251}[a-z0-9_])?$/.test(url.host)) return undefined;
  return `${url.scheme}://${url.authority}`;
}
