import type { ContenderName, StartContender } from "./contender.ts";
import { startDirect } from "./direct.ts";
import { startEntrepot, startEntrepotInTwo } from "./entrepot.ts";
import { startMitm } from "./mitm.ts";
import { startNginx, startNginxRsa } from "./nginx.ts";
import { startRegistry } from "./registry.ts";
import { startSquid } from "./squid.ts";

export const starters: Readonly<Record<ContenderName, StartContender>> = {
  entrepot: startEntrepot,
  "entrepot-2": startEntrepotInTwo,
  nginx: startNginx,
  "nginx-rsa": startNginxRsa,
  squid: startSquid,
  registry: startRegistry,
  mitm: startMitm,
  direct: startDirect,
};
