/** IPv4 addresses as numbers, and areas of addresses and ports. Pure. */

/** Both ends belong to it. */
export interface AddressRange {
  first: number;
  last: number;
}

/** Addresses on some ports. */
export interface Area extends AddressRange {
  firstPort: number;
  lastPort: number;
}

export const MAX_PORT = 65_535;

export function toNumber(address: string): number {
  return address.split(".").reduce((sum, part) => sum * 256 + Number(part), 0);
}

export function toAddress(value: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256).join(".");
}

/** Of `203.0.113.0/24` or one address; bits behind the prefix do not count. */
export function rangeOf(text: string): AddressRange {
  const [address = "", bits = "32"] = text.split("/");
  const size = 2 ** (32 - Number(bits));
  const first = Math.floor(toNumber(address) / size) * size;
  return { first, last: first + size - 1 };
}

export const overlap = (a: AddressRange, b: AddressRange) => a.first <= b.last && b.first <= a.last;

export function contains(range: string, address: string): boolean {
  const { first, last } = rangeOf(range);
  const value = toNumber(address);
  return value >= first && value <= last;
}

/** As a user writes ports: `80` or `8000-8100`. */
export function portsOf(ports: number | string): { firstPort: number; lastPort: number } {
  const [first = 0, last = first] = String(ports).split("-").map(Number);
  return { firstPort: first, lastPort: last };
}

/** The same points, each in one area alone. */
export function disjoint(areas: readonly Area[]): Area[] {
  const cuts = [...new Set(areas.flatMap(({ firstPort, lastPort }) => [firstPort, lastPort + 1]))].toSorted((a, b) => a - b);
  const found: { firstPort: number; lastPort: number; ranges: AddressRange[] }[] = [];
  for (const [index, firstPort] of cuts.slice(0, -1).entries()) {
    const lastPort = (cuts[index + 1] ?? 0) - 1;
    const ranges = union(areas.filter((area) => area.firstPort <= firstPort && area.lastPort >= lastPort));
    const before = found.at(-1);
    if (before && before.lastPort === firstPort - 1 && sameRanges(before.ranges, ranges)) before.lastPort = lastPort;
    else if (ranges.length > 0) found.push({ firstPort, lastPort, ranges });
  }
  return found.flatMap(({ firstPort, lastPort, ranges }) => ranges.map((range) => ({ ...range, firstPort, lastPort })));
}

function union(ranges: readonly AddressRange[]): AddressRange[] {
  const merged: AddressRange[] = [];
  for (const { first, last } of ranges.toSorted((a, b) => a.first - b.first)) {
    const before = merged.at(-1);
    if (before && first <= before.last + 1) before.last = Math.max(before.last, last);
    else merged.push({ first, last });
  }
  return merged;
}

const sameRanges = (a: readonly AddressRange[], b: readonly AddressRange[]) => a.length === b.length && a.every((range, index) => range.first === b[index]?.first && range.last === b[index]?.last);
