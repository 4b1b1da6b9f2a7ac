/** Volumes of the API, as the CLI's commands ask for them. */
import type { Volume, VolumeOperation, VolumeOperationCreate, VolumeSnapshot } from "../client/index.ts";
import type { Asking } from "./access-client.ts";

export function volumeCalls({ api, via, ask, pages }: Asking) {
  const at = (app: string, volume: string) => ({ path: { app, volume } });
  return {
    volumes: (app: string): Promise<Volume[]> =>
      pages(Number.POSITIVE_INFINITY, (query) => ask("items", api.GET("/v1/apps/{app}/volumes", { params: { path: { app }, query }, ...via(`listing the volumes of ${app}`) }))),
    createVolume: (app: string, name: string, sizeBytes: number): Promise<Volume> =>
      ask("sizeBytes", api.POST("/v1/apps/{app}/volumes", { params: { path: { app } }, body: { name, sizeBytes }, ...via(`making the volume ${name}`) })),
    resizeVolume: (app: string, volume: string, sizeBytes: number): Promise<Volume> =>
      ask("sizeBytes", api.POST("/v1/apps/{app}/volumes/{volume}/resize", { params: at(app, volume), body: { sizeBytes }, ...via(`growing ${volume}`) })),
    async deleteVolume(app: string, volume: string): Promise<void> {
      await api.DELETE("/v1/apps/{app}/volumes/{volume}", { params: at(app, volume), ...via(`deleting ${volume}`) });
    },
    volumeSnapshots: (app: string, volume: string): Promise<VolumeSnapshot[]> =>
      pages(Number.POSITIVE_INFINITY, (query) => ask("items", api.GET("/v1/apps/{app}/volumes/{volume}/snapshots", { params: { ...at(app, volume), query }, ...via(`listing the snapshots of ${volume}`) }))),
    async deleteSnapshot(app: string, volume: string, snapshot: string): Promise<void> {
      await api.DELETE("/v1/apps/{app}/volumes/{volume}/snapshots/{snapshot}", { params: { path: { app, volume, snapshot } }, ...via("deleting the snapshot") });
    },
    startOperation: (app: string, volume: string, body: VolumeOperationCreate): Promise<VolumeOperation> =>
      ask("kind", api.POST("/v1/apps/{app}/volumes/{volume}/operations", { params: at(app, volume), body, ...via(`beginning a ${body.kind} of ${volume}`) })),
    operation: (app: string, volume: string, operation: string): Promise<VolumeOperation> =>
      ask("kind", api.GET("/v1/apps/{app}/volumes/{volume}/operations/{operation}", { params: { path: { app, volume, operation } }, ...via("reading the operation") })),
  };
}
