import { option } from "./option.ts";
import { timeout, timeoutOrZero } from "./scalars.ts";

/** How long each side may be silent. */
export const timeouts = {
  sendTimeout: option({
    group: "Timeouts",
    kind: timeout,
    default: "60s",
    help: "Client side: between two writes of an answer.",
  }),
  clientBodyTimeout: option({
    group: "Timeouts",
    kind: timeout,
    default: "60s",
    help: "Client side: between two reads of a request's body.",
  }),
  clientHeaderTimeout: option({
    group: "Timeouts",
    kind: timeout,
    default: "60s",
    help: "Client side: for a whole request header.",
  }),
  keepaliveTimeout: option({
    group: "Timeouts",
    kind: timeoutOrZero,
    default: "300s",
    help: "Client side: how long an idle connection is kept; 0 closes it after each answer.",
  }),
  proxyReadTimeout: option({
    group: "Timeouts",
    kind: timeout,
    default: "60s",
    help: "Registry side: between two reads of an answer.",
  }),
  proxyConnectTimeout: option({
    group: "Timeouts",
    kind: timeout,
    default: "60s",
    help: "Registry side: for a connection, TLS included.",
  }),
  proxySendTimeout: option({
    group: "Timeouts",
    kind: timeout,
    default: "60s",
    help: "Registry side: between two writes of a request.",
  }),
  proxyConnectReadTimeout: option({
    group: "Timeouts",
    kind: timeout,
    default: "60s",
    help: "Tunnels: between two reads from the target.",
  }),
  proxyConnectConnectTimeout: option({
    group: "Timeouts",
    kind: timeout,
    default: "60s",
    help: "Tunnels: for the connection to the target.",
  }),
  proxyConnectSendTimeout: option({
    group: "Timeouts",
    kind: timeout,
    default: "60s",
    help: "Tunnels: between two writes to the target.",
  }),
} as const;
