import { createHash } from "node:crypto";
import { dashboardScript } from "./dashboard-script.ts";
import { dashboardStyle } from "./dashboard-style.ts";

/** The page is the same for everybody and holds no data; its script puts data in as text and never as markup. */
export const dashboardPage = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Entrepot</title>
<style>${dashboardStyle}</style>
</head>
<body>
<header>
  <h1>Entrepot</h1>
  <p id="state" role="status">Loading</p>
</header>
<main>
  <section class="tiles" aria-label="Totals">
    <div><h2>Cache</h2><p class="figure" id="cache"></p><progress id="fill" max="1" value="0" aria-label="Share of the cache that is used"></progress><p class="note" id="entries"></p></div>
    <div><h2>Hit rate</h2><p class="figure" id="rate"></p><p class="note" id="hits"></p></div>
    <div><h2>Served</h2><p class="figure" id="served"></p><p class="note" id="fetched"></p></div>
    <div><h2>Exchanges</h2><p class="figure" id="exchanges"></p><p class="note" id="activity"></p></div>
  </section>
  <section>
    <h2>Bytes per second</h2>
    <div class="panel">
      <svg id="chart" viewBox="0 0 600 120" preserveAspectRatio="none" role="img" aria-label="Bytes served and fetched per second, while this page is open">
        <polyline id="line-served" class="served"></polyline>
        <polyline id="line-fetched" class="fetched"></polyline>
      </svg>
      <p class="note"><span class="key served"></span>served <span class="key fetched"></span>fetched <span id="peak"></span></p>
    </div>
  </section>
  <section>
    <h2>Origins</h2>
    <div class="panel scroll"><table>
      <thead><tr><th>Origin</th><th class="number">Exchanges</th><th class="number">Hits</th><th class="number">Misses</th><th class="number">Served</th><th class="number">Fetched</th></tr></thead>
      <tbody id="origins"></tbody>
    </table></div>
  </section>
  <section>
    <h2>Fronts</h2>
    <div class="panel scroll"><table>
      <thead><tr><th>Name</th><th>Host</th><th>Answers</th></tr></thead>
      <tbody id="fronts"></tbody>
    </table></div>
  </section>
  <section>
    <h2>Last exchanges</h2>
    <div class="panel scroll"><table>
      <thead><tr><th>Time</th><th>Client</th><th>Request</th><th class="number">Status</th><th>Cache</th><th class="number">Bytes</th><th class="number">Milliseconds</th></tr></thead>
      <tbody id="recent"></tbody>
    </table></div>
  </section>
</main>
<script>${dashboardScript}</script>
</body>
</html>
`;

/** Only this style and this script, named by their hash; data from this host alone (CSP Level 3 §2.3.1). */
export const dashboardPolicy = [
  "default-src 'none'",
  `style-src '${hashOf(dashboardStyle)}'`,
  `script-src '${hashOf(dashboardScript)}'`,
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

function hashOf(text: string): string {
  return `sha256-${createHash("sha256").update(text).digest("base64")}`;
}
