/** What the resolver knows, and what it and the agent say to each other. */
import type { TenantId } from "../../core/contract/ids.ts";

export interface NameEntry {
  /** Of instances that take connections now. */
  addresses: readonly string[];
  /** Without an address: one comes when it is asked for. */
  mayWake: boolean;
}

export interface ResolverTable {
  /** Whose instance has this address. */
  clients: Readonly<Record<string, TenantId>>;
  /** By tenant and app. */
  tenants: Readonly<Record<TenantId, Readonly<Record<string, NameEntry>>>>;
}

export const NO_NAMES: ResolverTable = { clients: {}, tenants: {} };

export type ToResolver = { type: "table"; table: ResolverTable } | { type: "woken"; id: number; addresses: readonly string[] };
export type FromResolver = { type: "ready" } | { type: "wake"; id: number; tenantId: TenantId; name: string };
