/** Running a program in an instance and keeping what it says: for commands that need an answer, not a terminal. */
import type { Client } from "../client.ts";
import { connectSession } from "./connect.ts";

const MAX_SAID_CHARS = 4000;

export interface Ran {
  code: number;
  stderr: string;
}

/** `input` is sent, and output goes to `output`, which may hold it up. @throws CliError */
export async function execPiped(
  client: Client,
  place: { app: string; instance: string },
  args: string[],
  streams: { input?: AsyncIterable<Uint8Array>; output?: (bytes: Buffer, resume: () => void) => boolean } = {},
): Promise<Ran> {
  let stderr = "";
  const session = await connectSession(client, { ...place, path: "exec" }, { type: "start", args, terminal: null }, {
    onData: (stream, bytes, resume) => {
      if (stream === 1) return streams.output?.(bytes, resume) ?? true;
      stderr = `${stderr}${bytes.toString("utf8")}`.slice(-MAX_SAID_CHARS);
      return true;
    },
  });
  let over = false;
  const sending = (async () => {
    for await (const chunk of streams.input ?? []) {
      if (over) return;
      await session.write(chunk);
    }
    session.end();
  })();
  try {
    const code = await Promise.race([session.ended, sending.then(() => session.ended)]);
    return { code, stderr: stderr.trim() };
  } finally {
    over = true;
    session.close();
  }
}
