/** What a name that becomes a part of a host must look like. Pure, and without a library: the CLI asks it first of all. */

/** RFC 1123. */
export const DNS_LABEL = /^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/;
/** 40 characters at most, so that `<app>-<tenant>` stays within the 63 of a DNS label. */
export const APP_NAME_MAX = 40;

/** Between the names of a preview and of its app: no app's own name has it. */
export const PREVIEW_MARK = "--";

export function isAppName(text: string): boolean {
  return text.length <= APP_NAME_MAX && DNS_LABEL.test(text) && !text.includes(PREVIEW_MARK);
}

/** Of something that there is: an app, or a preview as one. */
export function isKnownName(text: string): boolean {
  return text.length <= APP_NAME_MAX && text.split(PREVIEW_MARK).length <= 2 && DNS_LABEL.test(text);
}

/** The name of a preview as an app: `pr-12--shop`. */
export function previewAppName(preview: string, app: string): string {
  return `${preview}${PREVIEW_MARK}${app}`;
}
