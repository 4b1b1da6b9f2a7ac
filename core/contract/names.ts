/** Names that become part of URLs and repository paths. */
import { z } from "zod";
import { APP_NAME_MAX, DNS_LABEL, PREVIEW_MARK } from "../domain/names.ts";

export const TENANT_NAME_MAX = 22;
const RULE = "lower-case letters, digits and single hyphens, starting with a letter or digit";

function label(what: string, max: number) {
  return z
    .string()
    .min(1, `${what} must not be empty`)
    .max(max, `${what} has at most ${max} characters`)
    .regex(DNS_LABEL, `${what} has ${RULE}`);
}

export const AppNameSchema = label("an app's name", APP_NAME_MAX).refine((name) => !name.includes(PREVIEW_MARK), "an app's name has no two hyphens one after the other: those are names of previews");
/** `canary` leads to the release that is on its way. */
export const PreviewNameSchema = label("a preview's name", APP_NAME_MAX).refine((name) => !name.includes(PREVIEW_MARK) && name !== "canary", "a preview's name has no two hyphens one after the other, and is not «canary»");
/** The first part of the repositories of the catalogue, which all may read. */
const CATALOGUE = "library";
/** No hyphen: `<app>-<tenant>` must be readable from its right end in one way only. */
export const TenantNameSchema = label("a tenant's name", TENANT_NAME_MAX).regex(/^[a-z0-9]+$/, "a tenant's name has no hyphen").refine((name) => name !== CATALOGUE, `a tenant cannot be named «${CATALOGUE}»`);

/** Names of the private network end so; what comes before is an app's name. */
export const INTERNAL_DOMAIN = "internal";

/** The host at which an app answers, without the port: `<app>-<tenant>.<suffix>`. */
export function appHost(app: string, tenant: string, suffix: string): string {
  return `${app}-${tenant}.${suffix}`;
}

/**
 * The URL at which an app answers; `appsUrl` gives scheme, suffix and port. A private one answers its tenant's other apps.
 * No slash at its end.
 */
export function appUrl(app: string, tenant: string, appsUrl: URL, settings: { private?: boolean | undefined; port?: number | undefined } = {}): string {
  if (settings.private) return `http://${app}.${INTERNAL_DOMAIN}${settings.port === undefined ? "" : `:${settings.port}`}`;
  const port = appsUrl.port === "" ? "" : `:${appsUrl.port}`;
  return `${appsUrl.protocol}//${appHost(app, tenant, appsUrl.hostname)}${port}`;
}
