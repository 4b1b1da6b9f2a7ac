/** Sessions into a test node's instances: programs and ports. */
import { newId, type InstanceId } from "../../core/contract/ids.ts";
import type { SessionDown, SessionTarget, SessionUp } from "../../core/contract/sessions.ts";
import { until, type TestNode } from "./node.ts";

/** A session into an instance, as the API opens it. */
export class TestSession {
  readonly id = newId("request");
  readonly #node: TestNode;
  constructor(node: TestNode, instanceId: InstanceId, target: SessionTarget) {
    this.#node = node;
    node.send({ type: "session-open", sessionId: this.id, instanceId, target });
  }
  get events(): SessionUp[] {
    return this.#node.heard.flatMap((message) => (message.type === "session" && message.sessionId === this.id ? [message.event] : []));
  }
  bytes(stream: 1 | 2): Buffer {
    return Buffer.concat(this.events.flatMap((event) => (event.type === "data" && event.stream === stream ? [Buffer.from(event.data, "base64")] : [])));
  }
  text = (stream: 1 | 2 = 1) => this.bytes(stream).toString();
  get last(): SessionUp | undefined {
    return this.events.find(({ type }) => type === "exit" || type === "problem");
  }
  say(event: SessionDown): void {
    this.#node.send({ type: "session", sessionId: this.id, event });
  }
  type = (text: string) => this.say({ type: "data", data: Buffer.from(text).toString("base64") });
  close = () => this.#node.send({ type: "session-close", sessionId: this.id });
  async ends(): Promise<SessionUp> {
    await until(() => this.last !== undefined, 10_000, () => JSON.stringify(this.events.slice(-3)));
    return this.last as SessionUp;
  }
  until = (pattern: RegExp) => until(() => pattern.test(this.text()), 10_000, () => `${JSON.stringify(this.last)} ${this.text()}`);
}

