/** Columns that the program's own pages take at most. */
export const pageWidth = 100;

/** Text in lines of at most `width` columns, broken at blanks, each after `indent`. A longer word has a line of its own. */
export function wrap(text: string, indent: string, width: number = pageWidth): string {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(/\s+/)) {
    if (line !== "" && indent.length + line.length + 1 + word.length > width) {
      lines.push(indent + line);
      line = "";
    }
    line = line === "" ? word : `${line} ${word}`;
  }
  return [...lines, indent + line].join("\n");
}
