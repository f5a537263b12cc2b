/** The one file of node-forge that is used: loading the whole package takes 100 ms of every start, this takes 4. */
declare module "node-forge/lib/asn1.js" {
  import type { asn1 } from "node-forge";
  export type Asn1 = asn1.Asn1;
  const library: typeof asn1;
  export default library;
}
