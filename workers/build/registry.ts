import type { Image } from "../../core/contract/release-config.ts";
import type { Db } from "../../core/db/client.ts";
export function registryOf(_db: Db): { registryToken: (access: { tenantName: string; repository: string }) => Promise<string>; loadImage: (repository: string, digest: string) => Promise<Image> } {
  throw new Error("not there yet");
}
