/** What a name that becomes a part of a host must look like. Pure, and without a library: the CLI asks it first of all. */

/** RFC 1123. */
export const DNS_LABEL = /^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/;
/** 40 characters at most, so that `<app>-<tenant>` stays within the 63 of a DNS label. */
export const APP_NAME_MAX = 40;

export function isAppName(text: string): boolean {
  return text.length <= APP_NAME_MAX && DNS_LABEL.test(text);
}
