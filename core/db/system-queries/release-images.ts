/** What the containers beside an app's run: an image is what it was when its release was made, whatever its tag is later. */
import { and, desc, eq, sql } from "drizzle-orm";
import { AppError } from "../../contract/errors.ts";
import type { AppId, ReleaseId } from "../../contract/ids.ts";
import { otherContainers } from "../../contract/pods.ts";
import type { Image, Settings } from "../../contract/release-config.ts";
import type { Tx } from "../client.ts";
import { releases } from "../schema.ts";

interface AppOfImages {
  id: AppId;
  targetReleaseId: ReleaseId | null;
}

/** `looked`: what the deployment has looked up. The others stay what they were in the app's releases, the target's first. @throws AppError image_not_found */
export async function imagesOfRelease(tx: Tx, app: AppOfImages, settings: Settings, looked: Readonly<Record<string, Image>>): Promise<Record<string, Image>> {
  const images: Record<string, Image> = {};
  for (const { name, image } of otherContainers(settings)) {
    if (image === undefined || image in images) continue;
    const found = looked[image] ?? (await formerImage(tx, app, image));
    if (found === undefined) throw new AppError("image_not_found", `What «${image}» of the container «${name}» is was not looked up: its settings changed meanwhile. Deploy again.`);
    images[image] = found;
  }
  return images;
}

async function formerImage(tx: Tx, { id, targetReleaseId }: AppOfImages, text: string): Promise<Image | undefined> {
  const image = sql<Image | null>`${releases.images}->${text}::text`;
  const [row] = await tx
    .select({ image })
    .from(releases)
    .where(and(eq(releases.appId, id), sql`${image} is not null`))
    .orderBy(sql`${releases.id} = ${targetReleaseId ?? ""} desc`, desc(releases.number))
    .limit(1);
  return row?.image ?? undefined;
}
