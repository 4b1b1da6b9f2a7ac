/** Labels of apps, in the syntax of Kubernetes. Source: https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/ */
import { z } from "zod";

const NAME = /^[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;
const PREFIX = /^[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?)*$/;
const PREFIX_MAX_CHARS = 253;
const LABELS_MAX = 64;

/** `name`, or `prefix/name` with a DNS name as prefix. */
export function isLabelKey(text: string): boolean {
  const slash = text.indexOf("/");
  if (slash < 0) return NAME.test(text);
  const prefix = text.slice(0, slash);
  return prefix.length <= PREFIX_MAX_CHARS && PREFIX.test(prefix) && NAME.test(text.slice(slash + 1));
}

export function isLabelValue(text: string): boolean {
  return text === "" || NAME.test(text);
}

const key = z.string().max(PREFIX_MAX_CHARS + 64).refine(isLabelKey, "a label's name is letters, digits, «-», «_» and «.», at most 63, and may have a DNS name and «/» before it");
const value = z.string().max(63).refine(isLabelValue, "a label's value is letters, digits, «-», «_» and «.», at most 63, beginning and ending with a letter or digit, or empty");
const fewEnough = (labels: object) => Object.keys(labels).length <= LABELS_MAX;

export const LabelsSchema = z.record(key, value).refine(fewEnough, `an app has at most ${LABELS_MAX} labels`).meta({ id: "Labels" });
/** `null` removes a label. */
export const LabelsPatchSchema = z.record(key, value.nullable()).refine(fewEnough, `at most ${LABELS_MAX} labels at once`).meta({ id: "LabelsPatch" });
export type LabelsPatch = z.infer<typeof LabelsPatchSchema>;
