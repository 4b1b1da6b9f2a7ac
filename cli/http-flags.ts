/** What the options of `http-options.ts` become: a patch of the settings. */
import type { SettingsPatch } from "../client/index.ts";

export type HttpPatch = NonNullable<SettingsPatch["http"]>;

export interface HttpFlags {
  h2c?: boolean;
  compress?: boolean;
  sticky?: boolean;
  /** Empty: everybody. */
  allowFrom?: string[];
  /** Null: none. */
  rateLimit?: HttpPatch["rateLimit"];
}

/** Undefined: nothing was named. */
export function httpPatch({ h2c, compress, sticky, allowFrom, rateLimit }: HttpFlags): HttpPatch | undefined {
  const patch: HttpPatch = {
    ...(h2c === undefined ? {} : { protocol: h2c ? "h2c" : null }),
    ...(compress === undefined ? {} : { compression: compress ? true : null }),
    ...(sticky === undefined ? {} : { sticky: sticky ? true : null }),
    ...(allowFrom === undefined ? {} : { allowFrom: allowFrom.length === 0 ? null : allowFrom }),
    ...(rateLimit === undefined ? {} : { rateLimit }),
  };
  return Object.keys(patch).length === 0 ? undefined : patch;
}
