/** Hosts: nodes and gateways. */
import { bigint, check, jsonb, pgTable, primaryKey, text } from "drizzle-orm/pg-core";
import type { Id, NodeId } from "../../contract/ids.ts";
import type { WakeAddress } from "../../contract/wake.ts";
import { PLACEMENTS, type Placement } from "../../domain/states.ts";
import { at, createdAt, oneOf } from "./columns.ts";

export const nodes = pgTable(
  "nodes",
  {
    id: text("id").$type<NodeId>().primaryKey(),
    name: text("name").notNull().unique(),
    tokenHash: text("token_hash").notNull().unique(),
    /** Grows in the same transaction as any change of what the node must run. */
    generation: bigint("generation", { mode: "number" }).notNull().default(0),
    /** What the agent last said it acts on. */
    seenGeneration: bigint("seen_generation", { mode: "number" }).notNull().default(0),
    capacity: jsonb("capacity").$type<{ memoryBytes: number; cpuMillis: number; instances: number }>(),
    facts: jsonb("facts").$type<Record<string, string>>().notNull().default({}),
    /** Where gateways wake its instances, with the secret that allows that and nothing else. */
    wake: jsonb("wake").$type<WakeAddress>(),
    /** Of its instances' addresses; where other nodes send for them. */
    subnet: text("subnet"),
    address: text("address"),
    lastSeenAt: at("last_seen_at"),
    /** Its last silence that was long enough to be lost by. */
    silentFrom: at("silent_from"),
    silentUntil: at("silent_until"),
    placement: text("placement").$type<Placement>().notNull().default("open"),
    createdAt: createdAt(),
  },
  () => [check("nodes_placement", oneOf("placement", PLACEMENTS))],
);

export const gateways = pgTable("gateways", {
  id: text("id").$type<Id<"gateway">>().primaryKey(),
  name: text("name").notNull().unique(),
  tokenHash: text("token_hash").notNull().unique(),
  lastSeenAt: at("last_seen_at"),
  createdAt: createdAt(),
});

/** How far the counts of a gateway were added up. A gateway that lost its data has another incarnation. */
export const gatewayCounts = pgTable(
  "gateway_counts",
  {
    gatewayId: text("gateway_id").$type<Id<"gateway">>().notNull().references(() => gateways.id, { onDelete: "cascade" }),
    incarnation: text("incarnation").notNull(),
    /** Highest `counts` message that was added up. */
    sequence: bigint("sequence", { mode: "number" }).notNull(),
    updatedAt: at("updated_at").notNull(),
  },
  (t) => [primaryKey({ columns: [t.gatewayId, t.incarnation] })],
);
