/** Calls about previews and promotion. */
import type { Deployment, Preview, Promote } from "../client/index.ts";
import type { Asking } from "./access-client.ts";

export function releaseCalls({ api, via, ask, pages }: Asking) {
  return {
    previews: (app: string): Promise<Preview[]> =>
      pages(Number.POSITIVE_INFINITY, (query) => ask("items", api.GET("/v1/apps/{app}/previews", { params: { path: { app }, query }, ...via(`listing the previews of ${app}`) }))),
    putPreview: (app: string, preview: string): Promise<Preview> =>
      ask("app", api.PUT("/v1/apps/{app}/previews/{preview}", { params: { path: { app, preview } }, body: {}, ...via(`making the preview ${preview} of ${app}`) })),
    promote: (app: string, body: Promote): Promise<Deployment> => ask("state", api.POST("/v1/apps/{app}/promote", { params: { path: { app } }, body, ...via(`promoting ${body.from} to ${app}`) })),
  };
}
