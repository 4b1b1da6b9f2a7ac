import { Argument, Option, type Command } from "commander";
import type { Plan, Tenant } from "../../client/index.ts";
import { ROLES, SCOPES, type Role } from "../../core/domain/access.ts";
import { LimitsSchema, type LimitName } from "../../core/domain/limits.ts";
import { usageError } from "../errors.ts";
import { parseMemory, repeated, span } from "../flags.ts";
import { formatAge, type Output } from "../output.ts";
import { commonOptions, openOperatorSession, type CommonOptions } from "../session.ts";
import { showInvite } from "./members.ts";
import { defineNodes } from "./operator-nodes.ts";
import { showNew, showTokens } from "./tokens.ts";

interface Options extends CommonOptions {
  plan?: string | false;
  limit?: string[];
  owner?: string;
  token?: boolean;
  role: Role;
  expires?: number;
  revoke?: boolean;
}
type Limits = Plan["limits"];
const WEEK_SECONDS = 7 * 86_400;

export function define(command: Command): void {
  command.usage("tenants … | nodes … | plans … | tokens … | keys rotate").addHelpText(
    "after",
    `
Opened by operators' tokens alone. On the host, infra/up keeps one in the context «operator», which is used here
unless --context, BERTH_CONTEXT or BERTH_TOKEN names another.

Examples:
  $ berth operator tenants list
  $ berth operator tenants create acme --plan small --owner ada@example.com
  $ berth operator tenants create robots --token            prints a token of it
  $ berth operator tenants plan acme --plan large --limit apps=50 --limit memoryBytes=64g
  $ berth operator tenants suspend acme
  $ berth operator nodes list
  $ berth operator nodes drain node-2                         its instances move to other nodes
  $ berth operator plans set small --limit apps=5 --limit instances=10
  $ berth operator keys rotate --revoke`,
  );
  tenants(group(command, "tenants", "make, limit and suspend tenants"));
  defineNodes(group(command, "nodes", "hosts that run instances"));
  plans(group(command, "plans", "what tenants may use"));
  tokens(group(command, "tokens", "operators' tokens"));
  const keys = group(command, "keys", "keys that sign the platform's JWTs");
  sub(keys, "rotate", "make a new key").option("--revoke", "the old ones have leaked: what they signed ends within seconds").action(rotateKeys);
}

function group(parent: Command, name: string, summary: string): Command {
  return parent.command(name).summary(summary).description(capital(summary));
}

function sub(parent: Command, name: string, summary: string): Command {
  return commonOptions(parent.command(name).summary(summary).description(capital(summary)));
}

const capital = (text: string) => `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
const named = (what: string) => new Argument("<name>", what);
const limitOption = () => new Option("--limit <name=value>", "a limit, such as apps=5 or memoryBytes=64g; empty takes it back; repeat it for more").argParser(repeated);

function tenants(command: Command): void {
  sub(command, "list", "show all tenants").action(listTenants);
  sub(command, "create", "make a tenant")
    .addArgument(named("of the tenant: a part of its URLs"))
    .option("--plan <name>", "what it may use (default: the platform's own limits)")
    .option("--owner <email>", "invite its first owner, and print the link")
    .option("--token", "make a token with all scopes, and print it")
    .action(createTenant);
  sub(command, "plan", "set what a tenant may use")
    .addArgument(named("of the tenant"))
    .option("--plan <name>", "its plan")
    .option("--no-plan", "the platform's own limits")
    .addOption(limitOption())
    .action(planTenant);
  sub(command, "suspend", "stop all that it runs; it can be read still").addArgument(named("of the tenant")).action((name: string, options: Options) => suspend(name, options, true));
  sub(command, "resume", "end a suspension: what ran runs again").addArgument(named("of the tenant")).action((name: string, options: Options) => suspend(name, options, false));
  sub(command, "invite", "invite a person to a tenant")
    .addArgument(named("of the tenant"))
    .addArgument(new Argument("<email>", "whom it is for"))
    .addOption(new Option("--role <role>", "what the person may do").choices(ROLES).default("owner"))
    .action(inviteTo);
}

function plans(command: Command): void {
  sub(command, "list", "show all plans").action(listPlans);
  sub(command, "set", "make a plan, or change limits of it").addArgument(named("of the plan")).addOption(limitOption()).action(setPlan);
  sub(command, "remove", "remove a plan that no tenant has").addArgument(named("of the plan")).action(removePlan);
}

function tokens(command: Command): void {
  sub(command, "list", "show operators' tokens").action(async (options: Options) => {
    const { out, client } = openOperatorSession(options);
    await showTokens(out, await client.operator.tokens());
  });
  sub(command, "create", "make an operator's token")
    .addArgument(named("for people to know it by"))
    .option("--expires <span>", "until it ends (default: it does not)", span("--expires"))
    .action(async (name: string, options: Options) => {
      const { out, client } = openOperatorSession(options);
      showNew(out, await client.operator.createToken({ name, ...(options.expires === undefined ? {} : { expiresInSeconds: options.expires }) }));
    });
  sub(command, "revoke", "end an operator's token")
    .addArgument(new Argument("<token>", "its id"))
    .action(async (token: string, options: Options) => {
      const { out, client } = openOperatorSession(options);
      await client.operator.revokeToken(token);
      out.document({ revoked: token });
      out.line(`${out.colors.green("✓")} ${token} opens nothing any more.`);
    });
}

const limitsText = (limits: Limits) => Object.entries(limits).map(([name, value]) => `${name}=${value}`).join("\n");

async function listTenants(options: Options): Promise<void> {
  const { out, client } = openOperatorSession(options);
  const found = await client.operator.tenants();
  out.document(found);
  if (out.quiet) for (const { name } of found) out.result(name);
  const now = Date.now();
  await out.table(
    ["TENANT", "PLAN", "EXCEPTIONS", "MEMBERS", "APPS", "MADE", ""],
    found.map((one) => [one.name, one.plan ?? "-", limitsText(one.limits), String(one.members), String(one.apps), formatAge(one.createdAt, now), one.suspendedAt === null ? "" : out.colors.red("suspended")]),
  );
}

async function createTenant(name: string, options: Options): Promise<void> {
  const { out, client } = openOperatorSession(options);
  const { operator } = client;
  const tenant = await operator.createTenant({ name, ...(typeof options.plan === "string" ? { plan: options.plan } : {}) });
  const invite = options.owner === undefined ? undefined : await operator.inviteTo(name, { email: options.owner, role: "owner", expiresInSeconds: WEEK_SECONDS });
  const token = options.token === true ? await operator.tenantToken(name, { name: "first", scopes: [...SCOPES] }) : undefined;
  if (out.json) return out.document({ tenant, ...(invite && { invite }), ...(token && { token }) });
  out.line(`${out.colors.green("✓")} ${tenant.name} is made (${tenant.id}).`);
  if (invite !== undefined) showInvite(out, invite);
  if (token !== undefined) showNew(out, token);
}

async function planTenant(name: string, options: Options): Promise<void> {
  const { out, client } = openOperatorSession(options);
  const before = await client.operator.tenant(name);
  const plan = options.plan === undefined ? before.plan : options.plan === false ? null : options.plan;
  showTenant(out, await client.operator.setPlan(name, { plan, limits: changedLimits(before.limits, options.limit ?? []) }));
}

/** `apps=5`, `memoryBytes=64g`; `apps=` takes it back. */
function changedLimits(limits: Limits, pairs: readonly string[]): Limits {
  const changed = { ...limits };
  for (const pair of pairs) {
    const [, name = "", value = ""] = /^(\w+)=(.*)$/.exec(pair) ?? [];
    const known = LimitsSchema.keyof().options;
    if (!known.includes(name as LimitName)) throw usageError(`--limit: there is no limit «${pair}».`, `There are: ${known.join(", ")}.`);
    if (value === "") delete changed[name as LimitName];
    else if (name.includes("Bytes")) changed[name as LimitName] = parseMemory(value);
    else if (/^\d{1,10}$/.test(value)) changed[name as LimitName] = Number(value);
    else throw usageError(`--limit: «${value}» is no whole number.`);
  }
  return changed;
}

function showTenant(out: Output, tenant: Tenant): void {
  out.document(tenant);
  if (out.quiet) out.result(tenant.name);
  const exceptions = limitsText(tenant.limits).replaceAll("\n", ", ");
  out.line(`${out.colors.green("✓")} ${tenant.name}: plan ${tenant.plan ?? "of the platform"}${exceptions === "" ? "" : `, but ${exceptions}`}${tenant.suspendedAt === null ? "" : `; suspended since ${tenant.suspendedAt}`}`);
}

async function suspend(name: string, options: Options, isSuspended: boolean): Promise<void> {
  const { out, client } = openOperatorSession(options);
  showTenant(out, await (isSuspended ? client.operator.suspend(name) : client.operator.resume(name)));
}

async function inviteTo(name: string, email: string, options: Options): Promise<void> {
  const { out, client } = openOperatorSession(options);
  showInvite(out, await client.operator.inviteTo(name, { email, role: options.role, expiresInSeconds: WEEK_SECONDS }));
}

async function listPlans(options: Options): Promise<void> {
  const { out, client } = openOperatorSession(options);
  const found = await client.operator.plans();
  out.document(found);
  if (out.quiet) for (const { name } of found) out.result(name);
  if (found.length === 0) out.line("There is no plan: the platform's own limits hold for all.");
  else await out.table(["PLAN", "LIMITS", "TENANTS"], found.map((one) => [one.name, limitsText(one.limits), String(one.tenants)]));
}

async function setPlan(name: string, options: Options): Promise<void> {
  const { out, client } = openOperatorSession(options);
  const before = (await client.operator.plans()).find((plan) => plan.name === name);
  const plan = await client.operator.putPlan(name, { limits: changedLimits(before?.limits ?? {}, options.limit ?? []) });
  out.document(plan);
  out.line(`${out.colors.green("✓")} ${plan.name}: ${limitsText(plan.limits).replaceAll("\n", ", ") || "the platform's own limits"}`);
}

async function removePlan(name: string, options: Options): Promise<void> {
  const { out, client } = openOperatorSession(options);
  await client.operator.removePlan(name);
  out.document({ removed: name });
  out.line(`${out.colors.green("✓")} ${name} is removed.`);
}

async function rotateKeys(options: Options): Promise<void> {
  const { out, client } = openOperatorSession(options);
  const done = await client.operator.rotateKeys(options.revoke === true);
  out.document(done);
  out.line(`${out.colors.green("✓")} ${done.kid} is made${done.retired === 0 ? "; it signs in ten minutes" : `; ${done.retired} others are revoked`}.`);
}
