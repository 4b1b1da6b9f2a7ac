/** Tokens, people, trusts and the operator's part of the API, as the CLI's commands ask for them. */
import type {
  BerthClient,
  CliLogin,
  CliLoginAnswer,
  Invite,
  InviteCreate,
  KeyRotation,
  Member,
  Node,
  NodeApp,
  NodePatch,
  NewInvite,
  NewToken,
  Plan,
  PlanPut,
  Tenant,
  TenantPlanPut,
  Token,
  TokenCreate,
  TokenRotate,
  Trust,
  TrustCreate,
} from "../client/index.ts";
import type { Call } from "./transport.ts";

/** What `createClient` asks with. */
export interface Asking {
  api: BerthClient;
  via: (doing: string, more?: Omit<Call, "doing">) => { fetch: (request: Request) => Promise<Response> };
  ask: <T extends object>(key: keyof T & string, asked: Promise<{ data?: T }>) => Promise<T>;
  pages: <T>(limit: number, ask: (query: { limit: number; cursor?: string }) => Promise<{ items: T[]; nextCursor: string | null }>) => Promise<T[]>;
}

type Role = Member["role"];
type Scopes = TokenCreate["scopes"];
const ALL = Number.POSITIVE_INFINITY;

export function accessCalls({ api, via, ask, pages }: Asking) {
  return {
    tokens: (): Promise<Token[]> => pages(ALL, (query) => ask("items", api.GET("/v1/tokens", { params: { query }, ...via("listing the tokens") }))),
    createToken: (body: TokenCreate): Promise<NewToken> => ask("token", api.POST("/v1/tokens", { body, ...via("making the token") })),
    rotateToken: (token: string, body: TokenRotate): Promise<NewToken> => ask("token", api.POST("/v1/tokens/{token}/rotate", { params: { path: { token } }, body, ...via("rotating the token") })),
    async revokeToken(token: string): Promise<void> {
      await api.DELETE("/v1/tokens/{token}", { params: { path: { token } }, ...via("revoking the token") });
    },
    members: (): Promise<Member[]> => pages(ALL, (query) => ask("items", api.GET("/v1/members", { params: { query }, ...via("listing the members") }))),
    setRole: (member: string, role: Role): Promise<Member> => ask("role", api.PUT("/v1/members/{member}/role", { params: { path: { member } }, body: { role }, ...via(`changing the role of ${member}`) })),
    async removeMember(member: string): Promise<void> {
      await api.DELETE("/v1/members/{member}", { params: { path: { member } }, ...via(`removing ${member}`) });
    },
    invites: (): Promise<Invite[]> => pages(ALL, (query) => ask("items", api.GET("/v1/invites", { params: { query }, ...via("listing the invitations") }))),
    invite: (body: InviteCreate): Promise<NewInvite> => ask("link", api.POST("/v1/invites", { body, ...via(`inviting ${body.email}`) })),
    async revokeInvite(invite: string): Promise<void> {
      await api.DELETE("/v1/invites/{invite}", { params: { path: { invite } }, ...via("taking the invitation back") });
    },
    trusts: (): Promise<Trust[]> => pages(ALL, (query) => ask("items", api.GET("/v1/trusts", { params: { query }, ...via("listing the trusts") }))),
    createTrust: (body: TrustCreate): Promise<Trust> => ask("issuer", api.POST("/v1/trusts", { body, ...via("making the trust") })),
    async removeTrust(trust: string): Promise<void> {
      await api.DELETE("/v1/trusts/{trust}", { params: { path: { trust } }, ...via(`removing the trust ${trust}`) });
    },
    cliLogin: (body: CliLogin): Promise<CliLoginAnswer> => ask("tenants", api.POST("/v1/login/token", { body, ...via("signing in") })),
    operator: operatorCalls({ api, via, ask, pages }),
  };
}

function operatorCalls({ api, via, ask, pages }: Asking) {
  const at = (tenant: string) => ({ params: { path: { tenant } } });
  return {
    tenants: (): Promise<Tenant[]> => pages(ALL, (query) => ask("items", api.GET("/v1/operator/tenants", { params: { query }, ...via("listing the tenants") }))),
    tenant: (name: string): Promise<Tenant> => ask("limits", api.GET("/v1/operator/tenants/{tenant}", { ...at(name), ...via(`reading ${name}`) })),
    createTenant: (body: { name: string; plan?: string }): Promise<Tenant> => ask("limits", api.POST("/v1/operator/tenants", { body, ...via(`making ${body.name}`) })),
    setPlan: (name: string, body: TenantPlanPut): Promise<Tenant> => ask("limits", api.PUT("/v1/operator/tenants/{tenant}/plan", { ...at(name), body, ...via(`changing ${name}`) })),
    suspend: (name: string): Promise<Tenant> => ask("limits", api.POST("/v1/operator/tenants/{tenant}/suspend", { ...at(name), ...via(`suspending ${name}`) })),
    resume: (name: string): Promise<Tenant> => ask("limits", api.POST("/v1/operator/tenants/{tenant}/resume", { ...at(name), ...via(`resuming ${name}`) })),
    tenantToken: (name: string, body: { name: string; scopes: Scopes; expiresInSeconds?: number }): Promise<NewToken> => ask("token", api.POST("/v1/operator/tenants/{tenant}/tokens", { ...at(name), body, ...via("making the token") })),
    inviteTo: (name: string, body: InviteCreate): Promise<NewInvite> => ask("link", api.POST("/v1/operator/tenants/{tenant}/invites", { ...at(name), body, ...via(`inviting ${body.email}`) })),
    nodes: (): Promise<Node[]> => pages(ALL, (query) => ask("items", api.GET("/v1/operator/nodes", { params: { query }, ...via("listing the nodes") }))),
    node: (node: string): Promise<Node> => ask("facts", api.GET("/v1/operator/nodes/{node}", { params: { path: { node } }, ...via(`reading ${node}`) })),
    updateNode: (node: string, body: NodePatch): Promise<Node> => ask("facts", api.PATCH("/v1/operator/nodes/{node}", { params: { path: { node } }, body, ...via(`changing ${node}`) })),
    drainNode: (node: string): Promise<Node> => ask("facts", api.POST("/v1/operator/nodes/{node}/drain", { params: { path: { node } }, ...via(`draining ${node}`) })),
    appsOfNode: (node: string): Promise<NodeApp[]> => pages(ALL, (query) => ask("items", api.GET("/v1/operator/nodes/{node}/apps", { params: { path: { node }, query }, ...via(`reading what is on ${node}`) }))),
    plans: (): Promise<Plan[]> => pages(ALL, (query) => ask("items", api.GET("/v1/operator/plans", { params: { query }, ...via("listing the plans") }))),
    putPlan: (plan: string, body: PlanPut): Promise<Plan> => ask("limits", api.PUT("/v1/operator/plans/{plan}", { params: { path: { plan } }, body, ...via(`writing the plan ${plan}`) })),
    async removePlan(plan: string): Promise<void> {
      await api.DELETE("/v1/operator/plans/{plan}", { params: { path: { plan } }, ...via(`removing the plan ${plan}`) });
    },
    tokens: (): Promise<Token[]> => pages(ALL, (query) => ask("items", api.GET("/v1/operator/tokens", { params: { query }, ...via("listing operators' tokens") }))),
    createToken: (body: { name: string; expiresInSeconds?: number }): Promise<NewToken> => ask("token", api.POST("/v1/operator/tokens", { body, ...via("making the token") })),
    async revokeToken(token: string): Promise<void> {
      await api.DELETE("/v1/operator/tokens/{token}", { params: { path: { token } }, ...via("revoking the token") });
    },
    rotateKeys: (revoke: boolean): Promise<KeyRotation> => ask("kid", api.POST("/v1/operator/signing-keys/rotate", { body: { revoke }, ...via("rotating the signing keys") })),
  };
}
