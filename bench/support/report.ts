/** One line of the benchmark table. */
export interface Row {
  what: string;
  berthMs: number;
  peer: string | undefined;
  /** The peer's time in the same run; undefined when the peer is not on this machine. */
  peerMs: number | undefined;
}

/** The table as Markdown: figures of one run, and the ratio that is worth comparing between machines. */
export function toMarkdown(rows: readonly Row[]): string {
  const lines = rows.map(({ what, berthMs, peer, peerMs }) => {
    const ratio = peerMs === undefined ? "" : `${(peerMs / berthMs).toFixed(2)}×`;
    return `| ${what} | ${berthMs.toFixed(1)} | ${peer ?? ""} | ${peerMs?.toFixed(1) ?? ""} | ${ratio} |`;
  });
  return ["| what | Berth, ms | peer | peer, ms | peer ÷ Berth |", "| --- | ---: | --- | ---: | ---: |", ...lines].join("\n");
}
