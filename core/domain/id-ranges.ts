/** Host user and group ids: each tenant has 65,536 of its own, and the shared layer store has a range that no tenant gets. */

export const IDS_PER_RANGE = 65_536;
/** Owner of the files in a node's layer store: no login, no tenant, no host service. */
export const LAYER_STORE_UID_BASE = 16 * IDS_PER_RANGE;
/** Who answers instances' questions for names: owns nothing. */
export const RESOLVER_UID = 15 * IDS_PER_RANGE;
const FIRST_TENANT_RANGE = 32;
/** Highest range start that fits in 31 bits, where old tools still read signed ids. */
const LAST_RANGE = Math.floor(0x7fff_ffff / IDS_PER_RANGE) - 1;

/** First host id of the tenant with this ordinal (1, 2, 3 …). Throws when ids have run out. */
export function tenantUidBase(ordinal: number): number {
  const range = FIRST_TENANT_RANGE + ordinal;
  if (!Number.isInteger(ordinal) || ordinal < 0 || range > LAST_RANGE) {
    throw new RangeError(`no id range for tenant ordinal ${ordinal}: at most ${LAST_RANGE - FIRST_TENANT_RANGE}`);
  }
  return range * IDS_PER_RANGE;
}
