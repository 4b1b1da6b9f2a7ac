/** What an instance has used so far. Pure. */

/** Sums since the instance was made, as its node counts them: they only grow. */
export interface UsageCounters {
  cpuMicros: number;
  memoryByteSeconds: number;
  /** From the instance to the network, requests' answers included. */
  egressBytes: number;
}
