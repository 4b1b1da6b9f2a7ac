/** Images that a deployment names: what they are now, in the tenant's own repositories or the catalogue. */
import { AppError } from "../../core/contract/errors.ts";
import { otherContainers } from "../../core/contract/pods.ts";
import type { Image, Settings } from "../../core/contract/release-config.ts";
import { findDigests } from "../../core/db/queries/builds.ts";
import { parseImageRef, placesOfImage, type RegistryPlace } from "../../core/domain/image-ref.ts";
import { loadImage } from "../../core/registry/image.ts";
import type { Actor, Deps } from "../deps.ts";

export interface NamedImage {
  image: Image;
  repository: string;
}

/** `field`: where it was named. @throws AppError invalid_request, image_not_found, image_invalid */
export async function loadNamedImage(deps: Deps, actor: Actor, text: string, field: string): Promise<NamedImage> {
  const { repository, reference } = await findPlace(deps, actor, text, field);
  return { image: await loadImage(deps, repository, reference), repository };
}

/** The images of containers beside the app's, by the names that the settings have for them. @throws AppError, as above */
export async function loadContainerImages(deps: Deps, actor: Actor, settings: Pick<Settings, "init" | "sidecars">): Promise<Record<string, Image>> {
  const images: Record<string, Image> = {};
  for (const { name, image } of otherContainers(settings)) {
    if (image !== undefined && !(image in images)) images[image] = (await loadNamedImage(deps, actor, image, `image of the container «${name}»`)).image;
  }
  return images;
}

/** Where the image lies, by its digest: a tag that moves in the meantime changes nothing. */
async function findPlace(deps: Deps, actor: Actor, text: string, field: string): Promise<RegistryPlace> {
  const ref = parseImageRef(text);
  if (ref === undefined) throw new AppError("invalid_request", `«${text.slice(0, 200)}» is no image's name.`, { fields: [{ path: field, message: "must be «name:tag» or «name@sha256:…»" }] });
  const host = deps.config.publicUrl.host;
  const places = placesOfImage(ref, { hosts: [host], tenantName: actor.tenantName });
  const found = await findDigests(deps.db, places);
  const place = places.find((candidate) => found.has(candidate));
  if (place === undefined) {
    throw new AppError("image_not_found", `The registry has no «${text}» for ${actor.tenantName}: push it to ${host}/${actor.tenantName}/<name> first.`, { fields: [{ path: field, message: "there is no such image" }] });
  }
  return { repository: place.repository, reference: found.get(place) ?? place.reference };
}
