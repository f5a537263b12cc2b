import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ProxyOptions, type RunningProxy, startProxy } from "../../fixtures/proxy.ts";
import type { Lifetime } from "../../fixtures/registry.ts";
import { RegistryClient } from "./client.ts";

export interface HostedStage {
  readonly proxy: RunningProxy;
  readonly client: RegistryClient;
  /** REGISTRY_STORAGE. */
  readonly storage: string;
}

/** The whole proxy with a registry of its own. */
export async function hostedStage(
  t: Lifetime,
  env: Readonly<Record<string, string>> = {},
  options: ProxyOptions & { readonly storage?: string } = {},
): Promise<HostedStage> {
  const storage = options.storage ?? temporary(t);
  const proxy = await startProxy(t, { ...options, env: { REGISTRY_STORAGE: storage, ...env } });
  return { proxy, client: registryClient(t, proxy), storage };
}

export function registryClient(t: Lifetime, proxy: RunningProxy): RegistryClient {
  const client = new RegistryClient(proxy.port);
  t.teardown(() => client.close());
  return client;
}

export function temporary(t: Lifetime): string {
  const directory = mkdtempSync(join(tmpdir(), "entrepot-hosted-"));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}
