/** Whether a pipeline's claims are those that a trust names. Pure. */

export const CLAIM_MAX_CHARS = 500;
/** What `*` never stands for: it must not reach from one part of a path or of a subject into the next. */
const BORDERS = new Set(["/", ":"]);

/** `*` stands for any characters, none too, but not for `/` and `:`. Takes time in proportion to both lengths. */
export function matchesPattern(pattern: string, text: string): boolean {
  // Positions in the pattern that can be reached with what was read of the text.
  let reached = withStars(pattern, new Set([0]));
  for (const char of text) {
    const next = new Set<number>();
    for (const at of reached) {
      if (pattern[at] === "*") {
        if (!BORDERS.has(char)) next.add(at);
      } else if (pattern.startsWith(char, at)) next.add(at + char.length);
    }
    if (next.size === 0) return false;
    reached = withStars(pattern, next);
  }
  return reached.has(pattern.length);
}

/** A `*` may stand for nothing. */
function withStars(pattern: string, positions: Set<number>): Set<number> {
  for (const at of positions) if (pattern[at] === "*") positions.add(at + 1);
  return positions;
}

/** Whether a pattern says anything at all: `*`, `*:*` and the like hold for everybody. */
export function isSafePattern(pattern: string): boolean {
  return /[^*/:]/.test(pattern);
}

/** All claims of the trust must hold. Of a list one element is enough. */
export function claimsMatch(wanted: Readonly<Record<string, string>>, claims: Readonly<Record<string, unknown>>): boolean {
  return Object.entries(wanted).every(([name, pattern]) => Object.hasOwn(claims, name) && textsOf(claims[name]).some((text) => text.length <= 4 * CLAIM_MAX_CHARS && matchesPattern(pattern, text)));
}

function textsOf(value: unknown): string[] {
  if (Array.isArray(value)) return value.slice(0, 100).flatMap((one) => (Array.isArray(one) ? [] : textsOf(one)));
  return typeof value === "string" || typeof value === "number" || typeof value === "boolean" ? [String(value)] : [];
}
