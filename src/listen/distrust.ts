import { LRUCache } from "lru-cache";
import type { Clock } from "../core/clock.ts";
import type { Log } from "../observe/log.ts";

const interval = 60_000;

/**
 * Tells the operator of a client that does not trust our CA, and what to do: at most once a minute for each client and host,
 * since such a client tries again and again.
 */
export function createDistrustWarning(log: Log, clock: Clock): (client: string, host: string, problem: string) => void {
  const warned = new LRUCache<string, number>({ max: 1000 });
  return (client, host, problem) => {
    const key = `${client} ${host}`;
    const last = warned.get(key);
    const now = clock.now();
    if (last !== undefined && now - last < interval) return;
    warned.set(key, now);
    log.warn(
      { event: "client-distrusts-ca", client, host, problem },
      `${client} does not trust this proxy's CA (asked for ${host}). On that machine: fetch /ca.crt from this proxy into the ` +
        `system's trust store, or run the script at /setup/systemd, which does it; then restart its daemon, which reads the store only at its start.`,
    );
  };
}
