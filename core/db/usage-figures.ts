/** Rows of the ledger as figures for people. */
import type { AppId } from "../contract/ids.ts";
import type { AppUsage } from "../contract/usage.ts";

/** Sums of the ledger's columns. */
export interface LedgerSums {
  appId: AppId | "";
  appName: string;
  cpuMicros: bigint;
  memoryByteSeconds: bigint;
  storageByteSeconds: bigint;
  requests: bigint;
  ingressBytes: bigint;
  egressBytes: bigint;
  buildMillis: bigint;
}

export function toAppUsage({ appId, appName, ...sums }: LedgerSums): AppUsage {
  return {
    app: appId === "" ? null : { id: appId, name: appName },
    cpuSeconds: Number(sums.cpuMicros) / 1e6,
    memoryByteSeconds: Number(sums.memoryByteSeconds),
    storageByteHours: Number(sums.storageByteSeconds) / 3600,
    requests: Number(sums.requests),
    ingressBytes: Number(sums.ingressBytes),
    egressBytes: Number(sums.egressBytes),
    buildSeconds: Number(sums.buildMillis) / 1000,
  };
}
