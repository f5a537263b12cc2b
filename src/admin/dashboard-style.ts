export const dashboardStyle = `
:root {
  color-scheme: light dark;
  --ground: light-dark(#f6f7f9, #14171c);
  --panel: light-dark(#ffffff, #1d2128);
  --edge: light-dark(#dfe3e8, #2e343e);
  --text: light-dark(#1b2027, #e6e9ee);
  --quiet: light-dark(#5c6673, #98a2b0);
  --served: light-dark(#0b6bcb, #5aa9f5);
  --fetched: light-dark(#b2590a, #f0a35e);
  --good: light-dark(#0f7a41, #53c88a);
  --bad: light-dark(#b3261e, #f2867e);
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--text); font: 15px/1.45 system-ui, sans-serif; }
header, main { max-width: 72rem; margin: 0 auto; padding: 0 1.25rem; }
header { display: flex; align-items: baseline; gap: 1rem; padding-top: 1.5rem; }
h1 { font-size: 1.35rem; margin: 0; }
h2 { font-size: .85rem; font-weight: 600; margin: 0 0 .4rem; color: var(--quiet); }
header p, .note { margin: 0; color: var(--quiet); font-size: .85rem; }
header p.bad { color: var(--bad); }
section { margin: 1.5rem 0; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(13rem, 1fr)); gap: .9rem; }
.tiles > div, .panel { background: var(--panel); border: 1px solid var(--edge); border-radius: 8px; padding: .9rem 1rem; }
.figure { font-size: 1.6rem; font-weight: 600; margin: 0; font-variant-numeric: tabular-nums; min-height: 1.45em; }
progress { width: 100%; height: .5rem; accent-color: var(--served); }
svg { width: 100%; height: 120px; display: block; }
polyline { fill: none; stroke-width: 2; vector-effect: non-scaling-stroke; }
polyline.served { stroke: var(--served); }
polyline.fetched { stroke: var(--fetched); }
.key { display: inline-block; width: .8rem; height: 3px; margin: 0 .35rem .2rem .6rem; }
.key.served { background: var(--served); margin-left: 0; }
.key.fetched { background: var(--fetched); }
.scroll { overflow-x: auto; padding: .25rem 1rem; }
table { border-collapse: collapse; width: 100%; font-size: .87rem; }
th { text-align: left; font-weight: 600; color: var(--quiet); white-space: nowrap; }
th, td { padding: .4rem .75rem .4rem 0; border-bottom: 1px solid var(--edge); vertical-align: top; }
tbody tr:last-child td { border-bottom: 0; }
td { font-variant-numeric: tabular-nums; }
td.request { font-family: ui-monospace, monospace; font-size: .8rem; overflow-wrap: anywhere; min-width: 18rem; }
.number { text-align: right; white-space: nowrap; }
td.plain { white-space: nowrap; }
td.good { color: var(--good); }
td.bad { color: var(--bad); }
td.empty { color: var(--quiet); }
`;
