/** The containers beside an app's own, rendered for its node. */
import type { DesiredContainer, DesiredInstance } from "../../contract/node-channel.ts";
import type { InitContainer, Sidecar } from "../../contract/pods.ts";
import type { Image, Settings } from "../../contract/release-config.ts";

export interface ContainersRow {
  settings: Pick<Settings, "init" | "sidecars">;
  /** The app's own, and those that its settings name. */
  image: Image;
  images: Readonly<Record<string, Image>>;
}

/** `envOf`: the variables of a container with this image, with or without the app's, below its own. */
export function renderContainers(
  { settings, image, images }: ContainersRow,
  urlOf: (digest: string) => string,
  envOf: (image: Image, hasAppEnv: boolean, own: Record<string, string>) => string[],
): Pick<DesiredInstance, "init" | "sidecars"> {
  const render = (container: InitContainer | Sidecar): DesiredContainer => {
    const { name, command, memoryBytes, cpuMillis, pidsMax, restartPolicy } = container;
    const runs = imageOf(container, { image, images });
    const hasAppEnv = container.appEnv ?? container.image === undefined;
    return {
      name,
      layers: runs.layers.map((layer) => ({ ...layer, url: urlOf(layer.digest) })),
      args: [...runs.entrypoint, ...(command ?? runs.cmd)],
      env: envOf(runs, hasAppEnv, container.env),
      workingDir: runs.workingDir,
      user: runs.user,
      volumes: runs.volumes,
      stopSignal: runs.stopSignal,
      limits: { memoryBytes, cpuMillis, pidsMax },
      restartPolicy,
      hasSecrets: hasAppEnv,
    };
  };
  const { init = [], sidecars = [] } = settings;
  return {
    ...(init.length === 0 ? {} : { init: init.map((one) => ({ ...render(one), timeoutMs: one.timeoutMs })) }),
    ...(sidecars.length === 0 ? {} : { sidecars: sidecars.map((one) => ({ ...render(one), ...checksOf(one) })) }),
  };
}

function checksOf({ startup, readiness, liveness, preStop }: Sidecar) {
  return { ...(startup && { startup }), ...(readiness && { readiness }), ...(liveness && { liveness }), ...(preStop && { preStop }) };
}

function imageOf({ image: named }: InitContainer | Sidecar, { image, images }: Pick<ContainersRow, "image" | "images">): Image {
  if (named === undefined) return image;
  const found = images[named];
  if (found === undefined) throw new Error(`a release without its image ${named}`);
  return found;
}
