/** Where complete hours go: to a URL, signed, or to a file. */
import { createHmac } from "node:crypto";
import { open } from "node:fs/promises";
import type { BilledHour } from "../../core/contract/usage.ts";

export interface BillingSink {
  /** Resolves once it was taken. @throws Refused when this hour is not wanted; anything else when nobody could be asked */
  take(hour: BilledHour, now: Date): Promise<void>;
}

/** The other side answered, and does not take this hour: others may be taken. */
export class Refused extends Error {}

const TIMEOUT_MS = 10_000;

/** `Berth-Signature`: when it was made, and HMAC-SHA-256 over `<t>.<body>`, hexadecimal. */
export function signature(secret: string, body: string, now: Date): string {
  const seconds = Math.floor(now.getTime() / 1000);
  return `t=${seconds},v1=${createHmac("sha256", secret).update(`${seconds}.${body}`).digest("hex")}`;
}

export function httpSink(url: string, secret: string): BillingSink {
  return {
    async take(hour, now) {
      const body = JSON.stringify(hour);
      const response = await fetch(url, {
        method: "POST",
        headers: { "content-type": "application/json", "user-agent": "berth-billing", "idempotency-key": hour.id, "berth-signature": signature(secret, body, now) },
        body,
        redirect: "error",
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
      await response.body?.cancel();
      if (response.ok) return;
      const isTheirs = response.status >= 500 || response.status === 429;
      const message = `the billing hook answered ${response.status}`;
      throw isTheirs ? new Error(message) : new Refused(message);
    },
  };
}

/** One line of JSON an hour, on disk before it counts as taken. */
export function fileSink(path: string): BillingSink {
  return {
    async take(hour) {
      const file = await open(path, "a", 0o600);
      try {
        await file.appendFile(`${JSON.stringify(hour)}\n`);
        await file.sync();
      } finally {
        await file.close();
      }
    },
  };
}
