/** Changing labels, and choosing by them. Pure. */
import { AppError } from "../contract/errors.ts";
import { isLabelKey, isLabelValue, LabelsSchema, type LabelsPatch } from "../contract/labels.ts";

/** What an app's labels must be. */
export interface LabelSelector {
  equal: Record<string, string>;
  differ: (readonly [key: string, value: string])[];
  has: string[];
  lacks: string[];
}

/** The labels with what the patch names; `null` removes one. @throws AppError invalid_config */
export function applyLabelsPatch(labels: Readonly<Record<string, string>>, patch: LabelsPatch): Record<string, string> {
  const merged: Record<string, string> = { ...labels };
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete merged[key];
    else merged[key] = value;
  }
  const parsed = LabelsSchema.safeParse(merged);
  if (!parsed.success) throw new AppError("invalid_config", parsed.error.issues[0]?.message ?? "The labels are not valid.");
  return parsed.data;
}

/**
 * `env=prod`, `env!=prod` (also where there is no `env`), `env`, `!env`; several at once, or with commas between them:
 * all must hold. Undefined when two of them never hold together. @throws AppError invalid_request
 */
export function parseSelector(texts: readonly string[]): LabelSelector | undefined {
  const selector: LabelSelector = { equal: {}, differ: [], has: [], lacks: [] };
  for (const text of texts.flatMap((each) => each.split(",")).map((each) => each.trim())) {
    const [, not = "", key = "", operator, value = ""] = /^(!?)([^!=\s]+)(?:\s*(==?|!=)\s*(\S*))?$/.exec(text) ?? [];
    if (!isLabelKey(key) || !isLabelValue(value) || (not !== "" && operator !== undefined)) {
      throw new AppError("invalid_request", `label: «${text.slice(0, 100)}» is not «name=value», «name!=value», «name» or «!name».`);
    }
    if (operator === "!=") selector.differ.push([key, value]);
    else if (operator !== undefined) {
      if ((selector.equal[key] ?? value) !== value) return undefined;
      selector.equal[key] = value;
    } else if (not === "") selector.has.push(key);
    else selector.lacks.push(key);
  }
  return selector;
}
