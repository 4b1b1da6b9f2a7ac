/** What the API would say to nodes about the apps of their tenants. */
import { newId, type AppId } from "../../core/contract/ids.ts";
import type { DesiredInstance, FromNode, InstanceReport } from "../../core/contract/node-channel.ts";
import type { PrivateNetwork, Service } from "../../core/contract/private-network.ts";
import type { TestNode } from "./node.ts";

export interface LiveInstance {
  node: TestNode;
  desired: DesiredInstance;
  report: InstanceReport;
  asleep?: boolean;
}

/** All of these serve. `nodes`: what each said of its place. */
export function privateNetwork(nodes: readonly TestNode[], live: readonly LiveInstance[], more: readonly { tenant: Pick<DesiredInstance, "tenantId" | "uidBase">; name: string; appId?: AppId }[] = []): PrivateNetwork {
  const places = nodes.flatMap((node) => {
    const hello = node.heard.findLast((message): message is Extract<FromNode, { type: "hello" }> => message.type === "hello");
    return hello?.network === undefined ? [] : [{ id: node.id, ...hello.network, ...(hello.wake ? { wake: hello.wake } : {}) }];
  });
  const tenants = new Map([...live.map(({ desired }) => desired), ...more.map(({ tenant }) => tenant)].map(({ tenantId, uidBase }) => [tenantId, uidBase]));
  return {
    type: "network",
    nodes: places,
    tenants: [...tenants].map(([id, uidBase]) => {
      const mine = Map.groupBy(live.filter(({ desired }) => desired.tenantId === id), ({ desired }) => desired.appName);
      const services = [...mine].map(([name, all]): Service => ({
        appId: all[0]?.desired.appId as AppId,
        name,
        isLive: true,
        instances: all.map(({ node, desired, report, asleep = false }) => ({ id: desired.id, nodeId: node.id, address: report.address ?? "", serves: true, asleep })),
      }));
      const empty = more.filter(({ tenant }) => tenant.tenantId === id).map(({ name, appId = newId("app") }): Service => ({ appId, name, isLive: true, instances: [] }));
      return { id, uidBase, services: [...services, ...empty] };
    }),
  };
}
