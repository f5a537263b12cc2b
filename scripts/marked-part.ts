/** The lines of a document between which a part of it is made by a program. */
export interface Markers {
  readonly begin: string;
  readonly end: string;
}

/** The document with what stands between the markers replaced; as it was where it has no markers. */
export function withMarkedPart(document: string, markers: Markers, part: string): string {
  const begin = document.indexOf(markers.begin);
  const end = document.indexOf(markers.end);
  if (begin === -1 || end < begin) return document;
  return `${document.slice(0, begin + markers.begin.length)}\n\n${part}\n${document.slice(end)}`;
}
