/**
 * For the test that asks every route as a stranger: what each operation needs to be asked at all. An operation that is
 * not here fails `test/integration/api-strangers.test.ts`: add it with the thing that its path names and a body that it takes.
 */
import { createHash } from "node:crypto";
import { eq } from "drizzle-orm";
import { RunRequestSchema } from "../../core/contract/jobs.ts";
import { newId, type AppId, type TenantId } from "../../core/contract/ids.ts";
import { blobs, builds, deployments, domains, invites, jobs, manifests, repositoryBlobs, runs, secrets, tags, tokens, trusts, volumeImages, volumeOperations, volumeSnapshots, volumes } from "../../core/db/schema.ts";
import { createToken, ensureNode } from "../../core/db/system-queries/bootstrap.ts";
import { SCOPES, type Scope } from "../../core/domain/access.ts";
import { randomName, seedApp, seedInstance, type TestApi } from "./api.ts";
import { seedMember } from "./people.ts";

/** A tenant that has one of everything. */
export interface Owned {
  tenantId: string;
  tenantName: string;
  token: string;
  app: { id: AppId; name: string };
  deploymentId: string;
  buildId: string;
  sharedSecret: string;
  nodeId: string;
  instanceId: string;
  snapshotId: string;
  operationId: string;
  runId: string;
  tokenId: string;
  member: { id: string; email: string };
  inviteId: string;
  trust: { id: string; name: string };
  /** A manifest and a blob of `<tenant>/<app>`, tagged `latest`. */
  digest: string;
}

type Params = Record<string, string>;
interface Thing {
  /** It is of an app: asked for below an app of the stranger's own, too. */
  isOfApp?: true;
  /** How a path can name it. */
  names: (owned: Owned) => Params[];
  /** The same of something that never was, as long as the names. */
  missing: () => Params[];
}

const APP: Thing = { names: ({ app }) => [{ app: app.id }, { app: app.name }], missing: () => [{ app: newId("app") }, { app: randomName("app") }] };
const SECRET: Thing = { names: (owned) => APP.names(owned).map((each) => ({ ...each, name: "PASSWORD" })), missing: () => APP.missing().map((each) => ({ ...each, name: "PASSWORD" })) };
const SHARED_SECRET: Thing = { names: ({ sharedSecret }) => [{ name: sharedSecret }], missing: () => [{ name: randomName("SHARED") }] };
const DOMAIN: Thing = { names: (owned) => APP.names(owned).map((each) => ({ ...each, host: "shop.acme.com" })), missing: () => APP.missing().map((each) => ({ ...each, host: "shop.acme.com" })) };
const VOLUME: Thing = {
  names: (owned) => APP.names(owned).map((each) => ({ ...each, volume: "data", snapshot: owned.snapshotId, operation: owned.operationId })),
  missing: () => APP.missing().map((each) => ({ ...each, volume: "data", snapshot: newId("snapshot"), operation: newId("operation") })),
};
const JOB: Thing = { names: (owned) => APP.names(owned).map((each) => ({ ...each, job: "nightly" })), missing: () => APP.missing().map((each) => ({ ...each, job: "nightly" })) };
const RUN: Thing = { names: (owned) => APP.names(owned).map((each) => ({ ...each, run: owned.runId })), missing: () => APP.missing().map((each) => ({ ...each, run: newId("run") })), isOfApp: true };
const PREVIEW: Thing = { names: (owned) => APP.names(owned).map((each) => ({ ...each, preview: "pr-1" })), missing: () => APP.missing().map((each) => ({ ...each, preview: "pr-1" })) };
const DEPLOYMENT: Thing = { names: ({ deploymentId }) => [{ id: deploymentId }], missing: () => [{ id: newId("deployment") }] };
const BUILD: Thing = { names: ({ buildId }) => [{ id: buildId }], missing: () => [{ id: newId("build") }] };

const INSTANCE: Thing = {
  names: (owned) => APP.names(owned).map((each) => ({ ...each, instance: owned.instanceId, port: "80" })),
  missing: () => APP.missing().map((each) => ({ ...each, instance: newId("instance"), port: "80" })),
  isOfApp: true,
};
const TOKEN: Thing = { names: ({ tokenId }) => [{ token: tokenId }], missing: () => [{ token: newId("token") }] };
const MEMBER: Thing = { names: ({ member }) => [{ member: member.id }, { member: member.email }], missing: () => [{ member: newId("user") }, { member: `${randomName("p")}@example.test` }] };
const INVITE: Thing = { names: ({ inviteId }) => [{ invite: inviteId }], missing: () => [{ invite: newId("invite") }] };
const TRUST: Thing = { names: ({ trust }) => [{ trust: trust.id }, { trust: trust.name }], missing: () => [{ trust: newId("trust") }, { trust: randomName("trust") }] };
const TENANT: Thing = { names: ({ tenantId, tenantName }) => [{ tenant: tenantId }, { tenant: tenantName }], missing: () => [{ tenant: newId("tenant") }, { tenant: randomName("t") }] };
const PLAN: Thing = { names: () => [{ plan: "gold" }], missing: () => [{ plan: "gone" }] };
const NODE: Thing = { names: ({ nodeId }) => [{ node: nodeId }], missing: () => [{ node: newId("node") }] };

export interface Recipe {
  /** What the path names. */
  thing?: Thing;
  /** What the operation takes. */
  body?: unknown;
  contentType?: string;
  /** Its JSON body, where the one above is none. */
  json?: object;
  /** A name that nobody of the tenant has makes something new: it is the stranger's own then. */
  makesNew?: true;
  /** What a token of another app of the tenant is answered where the path names nothing of one app; without it: its own part alone. */
  ofOtherApp?: "forbidden";
}

/** By operationId. */
export const RECIPES: Record<string, Recipe> = {
  whoami: {},
  createNodeToken: {},
  getQuota: {},
  listUsage: {},
  listAudit: { ofOtherApp: "forbidden" },
  createApp: { body: { name: "made" }, ofOtherApp: "forbidden" },
  listApps: {},
  getApp: { thing: APP },
  updateApp: { thing: APP, body: { settings: { replicas: 2 } } },
  destroyApp: { thing: APP },
  getAppStatus: { thing: APP },
  listInstances: { thing: APP },
  listAppEvents: { thing: APP },
  explainApp: { thing: APP },
  getEnv: { thing: APP },
  updateEnv: { thing: APP, body: { A: "1" } },
  listReleases: { thing: APP },
  listPreviews: { thing: APP },
  putPreview: { thing: PREVIEW, body: {} },
  listRuns: { thing: APP },
  createRun: { thing: APP, body: { command: ["true"] } },
  getRun: { thing: RUN },
  cancelRun: { thing: RUN },
  getRunLogs: { thing: RUN },
  listJobs: { thing: APP },
  createJob: { thing: APP, body: { name: "made" } },
  getJob: { thing: JOB },
  updateJob: { thing: JOB, body: { paused: true } },
  deleteJob: { thing: JOB },
  listJobRuns: { thing: JOB },
  runJob: { thing: JOB },
  promoteApp: { thing: APP, body: { from: "web" } },
  rollbackApp: { thing: APP, body: { release: "v1" } },
  getAppLogs: { thing: APP },
  listSecrets: { thing: APP },
  putSecret: { thing: SECRET, body: { kind: "env", value: "a secret value" } },
  deleteSecret: { thing: SECRET },
  listSharedSecrets: { ofOtherApp: "forbidden" },
  putSharedSecret: { thing: SHARED_SECRET, body: { kind: "env", value: "a secret value" }, makesNew: true, ofOtherApp: "forbidden" },
  deleteSharedSecret: { thing: SHARED_SECRET, ofOtherApp: "forbidden" },
  getSharedEnv: { ofOtherApp: "forbidden" },
  updateSharedEnv: { body: { A: "1" }, ofOtherApp: "forbidden" },
  listDomains: { thing: APP },
  addDomain: { thing: APP, body: { host: "www.acme.com" } },
  getDomain: { thing: DOMAIN },
  checkDomain: { thing: DOMAIN },
  removeDomain: { thing: DOMAIN },
  startMaintenance: { thing: APP, body: { retryAfterS: 60 } },
  endMaintenance: { thing: APP },
  listVolumes: { thing: APP },
  createVolume: { thing: APP, body: { name: "cache", sizeBytes: 2 ** 24 } },
  getVolume: { thing: VOLUME },
  resizeVolume: { thing: VOLUME, body: { sizeBytes: 2 ** 25 } },
  listVolumeSnapshots: { thing: VOLUME },
  deleteVolumeSnapshot: { thing: VOLUME },
  listVolumeOperations: { thing: VOLUME },
  startVolumeOperation: { thing: VOLUME, body: { kind: "snapshot" } },
  getVolumeOperation: { thing: VOLUME },
  deleteVolume: { thing: VOLUME },
  storeSnapshot: { thing: { names: ({ snapshotId }) => [{ snapshot: snapshotId }], missing: () => [{ snapshot: newId("snapshot") }] } },
  deployApp: { thing: APP, body: "FROM busybox\n", contentType: "text/x-dockerfile", json: { image: "library/busybox:latest" }, makesNew: true },
  listDeployments: { thing: APP },
  getDeployment: { thing: DEPLOYMENT },
  cancelDeployment: { thing: DEPLOYMENT },
  followDeployment: { thing: DEPLOYMENT },
  getBuild: { thing: BUILD },
  cancelBuild: { thing: BUILD },
  getBuildLog: { thing: BUILD },
  execInInstance: { thing: INSTANCE },
  connectToPort: { thing: INSTANCE },
  listTokens: {},
  createToken: { body: { name: "made", scopes: ["read"] } },
  rotateToken: { thing: TOKEN, body: {} },
  revokeToken: { thing: TOKEN },
  listMembers: { ofOtherApp: "forbidden" },
  setMemberRole: { thing: MEMBER, body: { role: "developer" }, ofOtherApp: "forbidden" },
  removeMember: { thing: MEMBER, ofOtherApp: "forbidden" },
  listInvites: { ofOtherApp: "forbidden" },
  createInvite: { body: { email: "somebody@example.test", role: "viewer" }, ofOtherApp: "forbidden" },
  revokeInvite: { thing: INVITE, ofOtherApp: "forbidden" },
  listTrusts: { ofOtherApp: "forbidden" },
  createTrust: { body: { name: "made", issuer: "https://issuer.example", audience: "berth", claims: { sub: "repo:acme/shop" }, scopes: ["deploy"] }, ofOtherApp: "forbidden" },
  removeTrust: { thing: TRUST, ofOtherApp: "forbidden" },
  exchangeToken: {
    body: { grant_type: "urn:ietf:params:oauth:grant-type:token-exchange", subject_token: "a.b.c", subject_token_type: "urn:ietf:params:oauth:token-type:id_token", audience: "acme" },
  },
  createCliToken: { body: { code: "x", verifier: "v".repeat(43), tokenName: "cli" } },
  getSession: {},
  renewSession: {},
  endSession: {},
  chooseTenant: { body: { tenant: "acme" } },
  createOwnTenant: { body: { name: "acme" } },
  acceptInvite: { body: { secret: "x" } },
  listTenants: {},
  createTenant: { body: { name: "made" } },
  getTenant: { thing: TENANT },
  setTenantPlan: { thing: TENANT, body: { plan: null, limits: {} } },
  suspendTenant: { thing: TENANT },
  resumeTenant: { thing: TENANT },
  createTenantToken: { thing: TENANT, body: { name: "made", scopes: ["read"] } },
  inviteToTenant: { thing: TENANT, body: { email: "somebody@example.test", role: "owner" } },
  listPlans: {},
  listNodes: {},
  getNode: { thing: NODE },
  updateNode: { thing: NODE, body: { schedulable: true } },
  drainNode: { thing: NODE },
  listAppsOfNode: { thing: NODE },
  putPlan: { thing: PLAN, body: { limits: {} } },
  removePlan: { thing: PLAN },
  listOperatorTokens: {},
  createOperatorToken: { body: { name: "made" } },
  revokeOperatorToken: { thing: TOKEN },
  rotateSigningKeys: { body: {} },
};

/** Of `/v2`, by method and name of the route: what stands for `{reference}`. */
export const REGISTRY_RECIPES: Record<string, { reference?: (owned: Owned) => string; body?: string }> = {
  "POST /v2/{repository}/blobs/uploads/": {},
  "GET /v2/{repository}/blobs/uploads/{reference}": { reference: () => newId("upload") },
  "PATCH /v2/{repository}/blobs/uploads/{reference}": { reference: () => newId("upload"), body: "bytes" },
  "PUT /v2/{repository}/blobs/uploads/{reference}": { reference: () => newId("upload"), body: "bytes" },
  "DELETE /v2/{repository}/blobs/uploads/{reference}": { reference: () => newId("upload") },
  "GET /v2/{repository}/blobs/{reference}": { reference: ({ digest }) => digest },
  "HEAD /v2/{repository}/blobs/{reference}": { reference: ({ digest }) => digest },
  "DELETE /v2/{repository}/blobs/{reference}": { reference: ({ digest }) => digest },
  "GET /v2/{repository}/manifests/{reference}": { reference: () => "latest" },
  "HEAD /v2/{repository}/manifests/{reference}": { reference: () => "latest" },
  "PUT /v2/{repository}/manifests/{reference}": { reference: () => "new", body: "{}" },
  "DELETE /v2/{repository}/manifests/{reference}": { reference: () => "latest" },
  "GET /v2/{repository}/tags/list": {},
  "GET /v2/{repository}/referrers/{reference}": { reference: ({ digest }) => digest },
};

export async function makeOwned(api: TestApi): Promise<Owned> {
  const tenant = await api.tenant();
  const app = await seedApp(api.db, tenant.id, { releases: 2 });
  const buildId = newId("build");
  const deploymentId = newId("deployment");
  const sharedSecret = randomName("SHARED");
  const of = { tenantId: tenant.id, appId: app.id };
  await api.db.insert(builds).values({ id: buildId, ...of, contextKey: "x", contextFormat: "tar", contextBytes: 1 });
  await api.db.insert(deployments).values({ id: deploymentId, ...of, state: "building", buildId, reason: "deploy" });
  await api.db.insert(secrets).values([
    { id: newId("secret"), ...of, name: "PASSWORD", kind: "env", version: 1 },
    { id: newId("secret"), tenantId: tenant.id, name: sharedSecret, kind: "build", version: 1 },
  ]);
  const nodeId = await ensureNode(api.db, randomName("node"), randomName("token"));
  const instanceId = await seedInstance(api.db, { ...of, releaseId: app.releaseIds[0]!, nodeId });
  const volumeId = newId("volume");
  const snapshotId = newId("snapshot");
  const operationId = newId("operation");
  await api.db.insert(volumes).values({ id: volumeId, ...of, name: "data", sizeBytes: 2 ** 24, nodeId, version: 1 });
  await api.db.insert(volumeImages).values({ volumeId, version: 1, nodeId, state: "whole" });
  await api.db.insert(volumeSnapshots).values({ id: snapshotId, tenantId: tenant.id, volumeId, state: "ready", reason: "manual", version: 1, nodeId, volumeBytes: 2 ** 24 });
  await api.db.insert(volumeOperations).values({ id: operationId, ...of, volumeId, kind: "snapshot", state: "done", finishedAt: new Date() });
  const jobId = newId("job");
  const runId = newId("run");
  const request = RunRequestSchema.parse({ command: ["true"] });
  const when = { timeZone: "UTC", concurrencyPolicy: "allow", missedRuns: "skip", startingDeadlineMs: 60_000, historyKeep: 50, decidedUntil: new Date() } as const;
  await api.db.insert(jobs).values({ id: jobId, ...of, name: "nightly", spec: request, ...when });
  await api.db.insert(runs).values({ id: runId, ...of, jobId, jobName: "nightly", releaseId: app.releaseIds[0]!, trigger: "manual", spec: { ...request, memoryBytes: 2 ** 24, cpuMillis: 100 } });
  const tokenId = (await createToken(api.db, tenant.id, { name: "another" })).id;
  const { id: userId, email } = await seedMember(api, tenant.id, "developer");
  const inviteId = newId("invite");
  await api.db.insert(invites).values({ id: inviteId, tenantId: tenant.id, email: `${randomName("p")}@example.test`, role: "viewer", hash: inviteId, invitedBy: "test", expiresAt: new Date(Date.now() + 3_600_000) });
  const trust = { id: newId("trust"), name: randomName("trust") };
  await api.db.insert(trusts).values({ ...trust, tenantId: tenant.id, issuer: "https://issuer.example", audience: "berth", claims: { sub: "x" }, scopes: ["deploy"] });
  await api.db.insert(domains).values({ id: newId("domain"), ...of, host: "shop.acme.com", challenge: "x" });
  const content = Buffer.from(JSON.stringify({ schemaVersion: 2, of: tenant.name }));
  const digest = `sha256:${createHash("sha256").update(content).digest("hex")}`;
  const repository = `${tenant.name}/${app.name}`;
  await api.db.insert(blobs).values({ digest, sizeBytes: content.length, storageKey: "x" });
  await api.db.insert(repositoryBlobs).values({ repository, digest });
  await api.db.insert(manifests).values({ repository, digest, mediaType: "application/vnd.oci.image.manifest.v1+json", content });
  await api.db.insert(tags).values({ repository, tag: "latest", digest });
  return { tenantId: tenant.id, tenantName: tenant.name, token: tenant.token, app, deploymentId, buildId, sharedSecret, nodeId, instanceId, snapshotId, operationId, runId, tokenId, member: { id: userId, email }, inviteId, trust, digest };
}

/** A token of the same tenant that may do all but this. */
export async function tokenWithout(api: TestApi, owned: Owned, scope: Scope): Promise<string> {
  return (await createToken(api.db, owned.tenantId as never, { name: "less", scopes: SCOPES.filter((each) => each !== scope) })).token;
}

/** A token of the same tenant for another app of it. */
export async function tokenOfOtherApp(api: TestApi, owned: Owned): Promise<string> {
  const other = await seedApp(api.db, owned.tenantId as TenantId);
  const { id, token } = await createToken(api.db, owned.tenantId as TenantId, { name: "bound" });
  await api.db.update(tokens).set({ appId: other.id }).where(eq(tokens.id, id));
  return token;
}
