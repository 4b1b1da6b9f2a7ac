/** Hiding the values of secrets in what a build says. Pure. */
import { BUILD_SECRET_MIN_CHARS } from "../../core/contract/secrets.ts";
import { cleanLine } from "./clean-line.ts";

const MASK = "***";

/**
 * Replaces the values, each of their lines, and the ways in which programs often print them again: base64, a URL's
 * escapes, JSON's. Lines that are shorter than a secret may be are not hidden: they would hide ordinary words.
 */
export function maskOf(secrets: readonly Buffer[]): (text: string) => string {
  const needles = new Set(secrets.flatMap(formsOf).filter((form) => form.length >= BUILD_SECRET_MIN_CHARS));
  if (needles.size === 0) return (text) => text;
  // The longest first: a value that begins another must not leave the rest of it.
  const pattern = [...needles].toSorted((a, b) => b.length - a.length).map((needle) => RegExp.escape(needle)).join("|");
  const expression = new RegExp(pattern, "g");
  return (text) => text.replace(expression, MASK);
}

function formsOf(secret: Buffer): string[] {
  const value = secret.toString("utf8").replace(/[\r\n]+$/, "");
  const base64 = [...new Set([secret.toString("base64"), Buffer.from(value).toString("base64")])];
  const lines = value.split(/[\r\n]+/).map((line) => line.trim());
  return [...lines.flatMap((line) => [line, cleanLine(line)]), ...base64, ...base64.map((text) => text.replace(/=+$/, "")), encodeURIComponent(value), JSON.stringify(value).slice(1, -1)];
}
