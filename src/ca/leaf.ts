import { createSecureContext, type SecureContext, type SecureVersion } from "node:tls";
import { LRUCache } from "lru-cache";
import type { Clock } from "../core/clock.ts";
import type { Authority, Leaf } from "./authority.ts";

export interface LeafContextsOptions {
  readonly authority: Pick<Authority, "issueLeaf" | "notAfter">;
  readonly clock: Clock;
  /** Hosts whose context is kept. Default 500. */
  readonly maximum?: number;
  readonly tls?: {
    /** Default TLSv1.2. */
    readonly minVersion?: SecureVersion;
    /** As OpenSSL spells them, those of TLS 1.3 first. */
    readonly ciphers?: string;
    /** Groups for the key agreement; Node's own by default. */
    readonly ecdhCurve?: string;
  };
}

export interface LeafContexts {
  /** What a TLS server uses for a host. Minted once, however many ask at the same time; rejects as `issueLeaf` does. */
  contextFor(host: string): Promise<SecureContext>;
  /** The same, where it is made already and still good. */
  hotContextFor(host: string): SecureContext | undefined;
  /** The PEM that it sends: the leaf and its intermediates. */
  certificateFor(host: string): Promise<string>;
}

/** AES-128 first: the cheapest by far where the processor knows AES, and the strongest of them all is not needed for public layers. */
const preferredCiphers = [
  "TLS_AES_128_GCM_SHA256",
  "TLS_AES_256_GCM_SHA384",
  "TLS_CHACHA20_POLY1305_SHA256",
  "ECDHE-ECDSA-AES128-GCM-SHA256",
  "ECDHE-ECDSA-AES256-GCM-SHA384",
  "ECDHE-ECDSA-CHACHA20-POLY1305",
].join(":");

interface Entry {
  readonly leaf: Leaf;
  readonly context: SecureContext;
  /** Milliseconds since the epoch. */
  readonly renewAt: number;
}

/** The certificates that this process shows, one per host, renewed at two thirds of their life. */
export function createLeafContexts(options: LeafContextsOptions): LeafContexts {
  const { authority, clock } = options;
  const entries = new LRUCache<string, Entry>({ max: options.maximum ?? 500 });
  const minting = new Map<string, Promise<Entry>>();

  async function mint(host: string): Promise<Entry> {
    const leaf = await authority.issueLeaf(host);
    const now = clock.now();
    // One that ends with its CA cannot be bettered before that.
    const renewAt = leaf.notAfter >= authority.notAfter ? leaf.notAfter : now + ((leaf.notAfter - now) * 2) / 3;
    const context = createSecureContext({
      key: leaf.key.export({ type: "pkcs8", format: "pem" }),
      cert: leaf.certificate,
      minVersion: options.tls?.minVersion ?? "TLSv1.2",
      ciphers: options.tls?.ciphers ?? preferredCiphers,
      honorCipherOrder: true,
      ...(options.tls?.ecdhCurve !== undefined && { ecdhCurve: options.tls.ecdhCurve }),
    });
    const entry = { leaf, context, renewAt };
    entries.set(host, entry);
    return entry;
  }

  function heldFor(host: string): Entry | undefined {
    const now = clock.now();
    const held = entries.get(host);
    // A clock that was set back may stand before the leaf's first day.
    return held !== undefined && now < held.renewAt && now >= held.leaf.notBefore ? held : undefined;
  }

  async function entryFor(host: string): Promise<Entry> {
    const held = heldFor(host);
    if (held !== undefined) return held;
    let pending = minting.get(host);
    if (pending === undefined) {
      pending = mint(host).finally(() => minting.delete(host));
      minting.set(host, pending);
    }
    return await pending;
  }

  return {
    hotContextFor: (host) => heldFor(host)?.context,
    contextFor: async (host) => (await entryFor(host)).context,
    certificateFor: async (host) => (await entryFor(host)).leaf.certificate,
  };
}
